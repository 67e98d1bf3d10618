# SPDX-License-Identifier: Apache-2.0
"""What a rank keeps for one other rank: doc/wire-format.md, sections 3, 6 and 7.

    Credit     what the two may spend (section 6)
    Outbound   a post, call or reply that leaves
    Place      the place of a message that came, in its stream
    Receiving  a large message on its way in (section 7)
    Channel    all of it: numbers, queues, what waits for an answer
"""

from collections import deque
from dataclasses import dataclass

import python_wire as wire

CHUNK_BYTES = 262144


class Credit:
    """The credit of one pair of ranks, both ways."""

    def __init__(self):
        self.limit = wire.START_CREDIT  # up to which this rank may spend
        self.spent = 0
        self.begged_at = None  # the limit at which HUNGRY was said
        self.window = wire.START_CREDIT  # of the other one
        self.its_spent = 0
        self.held = 0  # the cost of what the program has not freed
        self.told = wire.START_CREDIT  # the limit that it was told last
        self.it_is_hungry = False

    def affords(self, cost):
        return self.spent + cost <= self.limit

    def hear_limit(self, limit):
        self.limit = max(self.limit, limit)

    def hear_spent(self, spent, hungry):
        if self.its_spent < spent <= self.told:
            self.its_spent = spent
        self.it_is_hungry |= bool(hungry)

    def new_limit(self):
        return max(self.told, self.its_spent + self.window - self.held)

    def owes_limit(self):
        grown = self.new_limit() - self.told
        return grown >= max(self.window // 4, 1) or (grown > 0 and self.it_is_hungry)

    def tell_limit(self):
        if self.new_limit() > self.told:
            self.told = self.new_limit()
            self.it_is_hungry = False
        return self.told

    def must_beg(self):
        return self.begged_at != self.limit


class Outbound:
    """A post, call or reply that leaves, or waits to. `parts`: the body and the attachments."""

    def __init__(self, kind, op, parts, future=None, ident=0, flags=0, colour=0):
        self.kind, self.op, self.parts, self.colour = kind, op, parts, colour
        self.future, self.id, self.flags = future, ident, flags
        folded = wire.folded_size(parts[0], parts[1:])
        self.large = folded > (wire.REPLY_MAX if kind == wire.REPLY else wire.MESSAGE_MAX)
        self.size = wire.record_size(kind, wire.Announcement.size(len(parts)) if self.large else folded)
        self.xid, self.chunks = None, []  # of a large one: see Channel.announce
        self.at = None  # (seq, index) of its record

    @property
    def cost(self):
        return self.size + wire.RECORD_COST


@dataclass
class Place:
    """The place of a HELD record in its stream. Once it is ready: the message, or None: none comes."""

    colour: int
    ready: bool = False
    message: object = None


class Receiving:
    """A large message on its way in."""

    def __init__(self, record, cost):
        self.record, self.place = record, Place(record.colour)
        self.announced = wire.Announcement.unpack(record.body)
        self.prepaid = bool(self.announced.flags & wire.PREPAID)
        self.cost = cost + (self.announced.total if self.prepaid else 0)
        self.status = None  # 0: granted, and no failure so far; else: it will not be delivered
        self.parts = None
        self.under_way = {}  # number of a chunk: its request; None: it was cancelled
        self.started = None  # what LOST said

    def reserve(self):
        """Reserve memory for all parts. Returns the status for the grant."""
        try:
            self.parts = [bytearray(length) for length in self.announced.lengths]
        except MemoryError:
            return wire.ENOMEM
        return 0

    def chunks(self):
        return enumerate(wire.chunks_of(self.parts, self.announced.chunk_bytes), self.announced.first_chunk)

    def cancel_lost(self, started, which, status):
        """End the receives of chunks that do not come, as LOST says; the others go on."""
        self.started, self.status = started, status
        for number, request in self.under_way.items():
            behind = started - 1 - number
            if request is not None and (behind < 0 or which >> behind & 1):
                request.Cancel()
                self.under_way[number] = None


class Channel:
    """What this rank keeps for another (or for itself)."""

    def __init__(self, rank):
        self.rank = rank
        self.credit = Credit()
        # Out.
        self.free = deque()  # replies (Outbound) and controls (Record): they cost nothing
        self.paid = deque()  # posts and calls, in order
        self.next_seq = wire.FIRST_SEQ
        self.next_xid = 1
        self.next_chunk = 0
        self.waiting = deque()  # (seq, index, future) of posts that are not accepted yet
        self.calls = {}  # id: future
        self.asked = {}  # xid: what was announced and has no grant yet
        self.leaving = 0  # chunks that MPI has not sent yet
        self.held = deque()  # what was sent HELD and is not acknowledged, oldest first
        # In.
        self.awaited = wire.FIRST_SEQ  # the batch to deal with next
        self.early = {}  # seq: batch that came before its turn
        self.ack_owed = False
        self.receivings = {}  # xid: Receiving
        self.last_xid = -1
        self.streams = {}  # stream: deque of Places
        # The end.
        self.spoken = False  # a batch went either way
        self.goodbye_sent = False
        self.goodbye_came = False

    @property
    def accepted(self):
        return (self.awaited - 1) & 0xFFFFFFFF

    def take_seq(self):
        seq, self.next_seq = self.next_seq, (self.next_seq + 1) & 0xFFFFFFFF
        return seq

    def announce(self, item):
        """The announcement of a large message, which waits for its grant from now on."""
        lengths = list(map(len, item.parts))
        announced = wire.Announcement(
            self.next_xid, sum(lengths), self.next_chunk, len(lengths), CHUNK_BYTES, 0, lengths
        )
        item.xid = announced.xid
        item.chunks = list(enumerate(wire.chunks_of(item.parts, CHUNK_BYTES), self.next_chunk))
        self.next_xid += 1
        self.next_chunk += len(item.chunks)
        self.asked[item.xid] = item
        return announced

    def forget_refused(self, seq, index):
        """Forget what was HELD or announced in a batch from that record on: it was refused."""

        def refused(item):
            return item.at[0] == seq and item.at[1] >= index

        gone = [item for item in self.held if refused(item)]
        self.held = deque(item for item in self.held if not refused(item))
        self.asked = {xid: item for xid, item in self.asked.items() if not refused(item)}
        return gone

    def chunk_left(self):
        self.leaving -= 1

    def has_sent(self, colour):
        """Section 9, for a fence: no post, call or reply of that colour waits to leave."""
        waiting = (*self.free, *self.paid)
        return not any(isinstance(item, Outbound) and item.colour == colour for item in waiting)

    def is_quiet(self):
        """Section 9: nothing is left here of which another rank could hear."""
        return not (
            self.free or self.paid or self.waiting or self.held or self.asked or self.leaving
            or self.early or self.receivings or any(self.streams.values())
        )
