# SPDX-License-Identifier: Apache-2.0
"""A rank of a Ferry job, from open to shutdown, in one thread: what doc/wire-format.md says a rank does.

    python_wire.py       the bytes: batches, records, announcements
    python_mpi.py        Wire: what MPI does with them
    python_channel.py    Credit, Receiving, Channel ...: what is kept for each other rank
    python_agreement.py  Agreement: fences and the close
    python_crew.py       Crew: who is gone
    this file            Rank: all of them together, and the functions that a program calls

Sections are those of the page. Nothing runs by itself: whatever the program waits for, it waits in
Rank.wait, which steps everything else meanwhile and runs the handlers. It sleeps when nothing
happens, and ends with TimeoutError after `deadline` seconds. Then, and after every other error, the
process is to leave without MPI_Finalize, which would wait for the others.

What the page lets a small peer leave out, and this one does: windows that grow, doorbells, GIVE,
prepaid announcements, LOST and flushes of its own.
"""

import functools
import itertools
import time
from collections import deque

import python_wire as wire
from python_agreement import Agreement, Mismatch
from python_crew import Crew
from python_channel import Channel, Outbound, Place, Receiving
from python_mpi import MPI, Nap, Wire


class Failed(Exception):
    """A post or call failed, and why."""

    def __init__(self, status, detail):
        super().__init__(f"status {status}: {detail}")
        self.status = status
        self.detail = detail


class Future:
    """What comes of a post or a call: nothing yet, success (of a call: with its reply), or failure."""

    def __init__(self):
        self.done = False
        self.reply = None
        self.failure = None

    def fulfil(self, reply=None):
        if not self.done:
            self.done, self.reply = True, reply

    def fail(self, status, detail):
        if not self.done:
            self.done, self.failure = True, Failed(status, detail)

    def result(self):
        """The reply of a call, None of a post; raises Failed."""
        if not self.done:
            raise ValueError("the future is not done: wait for it first")
        if self.failure:
            raise self.failure
        return self.reply


class Message:
    """A message that came. A call is answered once, in its handler."""

    def __init__(self, rank, source, record, body, attachments, cost):
        self.source, self.op, self.colour = source, record.op, record.colour
        self.body, self.attachments = body, attachments
        self._call = record.id if record.kind == wire.CALL else None
        self._rank, self._cost = rank, cost

    @property
    def is_call(self):
        return self._call is not None

    def object(self):
        return wire.unpack_object(self.body, self.attachments)

    def reply(self, body=b"", attachments=()):
        self._rank._send_reply(self.source, self._take_call(), body, attachments)

    def reply_error(self, status, text, ours=False):
        self._rank._send_error(self.source, self._take_call(), status, text, ours)

    def _take_call(self):
        if self._call is None:
            raise ValueError("there is nothing to answer: no call, or answered already")
        call, self._call = self._call, None
        return call

    def free(self):
        """The program no longer needs the message: its sender gets the credit back."""
        self._rank.channels[self.source].credit.held -= self._cost
        self._cost = 0


class Rank:
    """This process's rank.

    handlers     {op: function of a Message}. One that returns without having answered a call answers
                 it with nothing; one that raises answers with an error. A handler may post, call and
                 reply, not wait. Posts without a handler wait for recv; calls are refused.
    deadline     seconds after which waiting, whatever for, ends with TimeoutError
    message_max  a larger message is refused; memory for any other is reserved at once
    """

    def __init__(self, handlers=None, deadline=60.0, message_max=1 << 30):
        if deadline <= 0 or message_max < wire.MESSAGE_MAX:
            raise ValueError("give a deadline above 0 and a message_max of at least 4096")
        for op in handlers or {}:
            self._check_op(op)
        self.handlers = dict(handlers or {})
        self.deadline, self.message_max = deadline, message_max
        self.wire = Wire(deadline)
        with self.wire.watched():
            if not MPI.Is_initialized():
                MPI.Init_thread(MPI.THREAD_SINGLE)
            self.wire.open()
        self.rank, self.size = self.wire.rank, self.wire.size
        self.channels = [Channel(rank) for rank in range(self.size)]
        self.crew = Crew(self.rank, self.size, self._send_word)
        self.agreement = Agreement(self.rank, self.size, self.send_control, self._look, self._is_quiet)
        self.mailbox = deque()
        self.ids = itertools.count(1)  # of calls
        self.sent, self.done = [0, 0], [0, 0]  # as section 9 counts them, by colour
        self.handling = None  # the colour of what is handled just now
        self.malformed = self.refused = 0
        self.last_refused = None
        self.in_handler = self.closing = False
        self.wire.post_receives()

    # -- what a program calls

    def post(self, to, op, body=b"", attachments=()):
        """Send a message; the future is done when it is delivered."""
        return self._send(wire.POST, to, op, body, attachments)

    def call(self, to, op, body=b"", attachments=()):
        """Send a request; the future is done when the reply came."""
        return self._send(wire.CALL, to, op, body, attachments)

    def recv(self, source, op):
        """The oldest post with this op from `source` for which there is no handler. Free it after use."""

        def find():
            return next((m for m in self.mailbox if m.source == source and m.op == op), None)

        self.wait(find, f"a message with op {op} from rank {source}")
        message = find()
        self.mailbox.remove(message)
        return message

    def results(self, futures):
        """Wait for all; their results, in order."""
        futures = list(futures)
        self.wait(lambda: all(future.done for future in futures), "posts and calls")
        return [future.result() for future in futures]

    def fence(self):
        """Return when everything that was posted before, on any rank, is dealt with. All ranks call it;
        Mismatch when one of them closes instead."""
        self.agreement.join(Agreement.FENCE)
        self.wait(lambda: self.agreement.over, "the other ranks at the fence")
        if self.agreement.failed:
            raise Mismatch(self.agreement.failed)

    def close(self):
        """Section 9, then section 11."""
        self.closing = True
        self.agreement.join(Agreement.CLOSE)
        self.wait(lambda: self.agreement.over, "the other ranks to close")
        for channel in self.channels:
            for future in channel.calls.values():
                future.fail(wire.ESTOPPED, "the engine has stopped")
        self.wait(self._all_said_goodbye, "the goodbyes of the other ranks")
        with self.wire.watched():
            self.wire.close()
            MPI.Finalize()

    def wait(self, condition, what="something"):
        """Step until condition() is true."""
        if self.in_handler:
            raise RuntimeError("a handler must not wait: what it waits for would have to run meanwhile")
        nap, until = Nap(), time.monotonic() + self.deadline
        while not condition():
            if self.step():
                nap.reset()
            else:
                nap.sleep()
            if time.monotonic() > until:
                raise TimeoutError(f"rank {self.rank} has waited {self.deadline} s for {what}")

    def step(self):
        """Section 13, step 3, once. Returns whether anything happened."""
        happened = self.wire.step(self._take)
        for channel in self.channels:
            happened |= self._flush(channel)
        happened |= self.agreement.step()
        return happened

    # -- sending

    def _check_op(self, op, kind=wire.POST):
        if not (0 <= op < wire.OP_RESERVED or (kind == wire.POST and op in wire.OPS_OF_POSTS[:3])):
            raise ValueError(f"op {op:#x} is not from 0 to {wire.OP_RESERVED - 1:#x}")

    def _send(self, kind, to, op, body, attachments):
        if not 0 <= to < self.size:
            raise ValueError(f"there is no rank {to} among {self.size}")
        self._check_op(op, kind)
        if self.closing and not self.in_handler or self.agreement.frozen:
            raise ValueError("this rank is being closed")
        future, channel = Future(), self.channels[to]
        ident = next(self.ids) if kind == wire.CALL else 0
        if kind == wire.CALL:
            channel.calls[ident] = future
        channel.paid.append(Outbound(kind, op, [body, *attachments], future, ident, colour=self._colour()))
        return future

    def _send_reply(self, to, call, body, attachments):
        self._queue_reply(to, Outbound(wire.REPLY, 0, [body, *attachments], ident=call, colour=self._colour()))

    def _send_error(self, to, call, status, text, ours):
        if status == 0:
            raise ValueError("status 0 is no error")
        body = wire.reply_error(status, ours, text)
        item = Outbound(wire.REPLY, 0, [body], ident=call, flags=wire.ERROR, colour=self._colour())
        self._queue_reply(to, item)

    def _colour(self):
        """The colour of what is posted now. In a handler it is that of the handler's message."""
        return self.agreement.colour if self.handling is None else self.handling

    def _queue_reply(self, to, item):
        if self.agreement.frozen:
            raise ValueError("this rank is being closed, and nobody waits for the answer any more")
        self.channels[to].free.append(item)

    def send_control(self, to, op, *values):
        self.channels[to].free.append(wire.control(to, op, *values))

    def _flush(self, channel):
        """Send what can be sent to one rank, and what is owed to it. Returns whether anything left."""
        left = False
        while not channel.goodbye_sent and self._flush_once(channel):
            left = True
        return left

    def _flush_once(self, channel):
        records, flags = self._fill(channel)
        credit = channel.credit
        begs = bool(channel.paid) and not self._next_is_affordable(channel, first=True) and credit.must_beg()
        if not (records or begs or channel.ack_owed or credit.owes_limit()):
            return False
        if begs:
            flags |= wire.HUNGRY
            credit.begged_at = credit.limit
        self._send_batch(channel, records, flags)
        return True

    def _next_is_affordable(self, channel, first):
        cost = channel.paid[0].cost + (wire.BATCH_COST if first else 0)
        return channel.credit.affords(cost)

    def _fill(self, channel):
        """(records of the next batch, WANTS_ACK or 0). What costs nothing goes first."""
        records, room, paid, flags = [], wire.BATCH_MAX - wire.Header.SIZE, False, 0
        while channel.free and channel.free[0].size <= room:
            item = channel.free.popleft()
            room -= item.size
            is_ready = isinstance(item, wire.Record)
            records.append(item if is_ready else self._record(channel, item, len(records)))
        while channel.paid and channel.paid[0].size <= room:
            if not self._next_is_affordable(channel, first=not paid):
                break
            item = channel.paid.popleft()
            channel.credit.spent += item.cost + (0 if paid else wire.BATCH_COST)
            paid = True
            room -= item.size
            records.append(self._record(channel, item, len(records)))
            if self._remember(channel, item, records[-1]):
                flags = wire.WANTS_ACK
        return records, flags

    def _record(self, channel, item, index):
        """The record of a post, call or reply that leaves now."""
        self.sent[item.colour] += 1
        item.at = channel.next_seq, index
        flags, body = item.flags, item.parts[0]
        if item.large:
            announced = channel.announce(item)
            flags, body = flags | wire.LARGE, announced.pack()
            for lengths in announced.more_lengths():
                self.send_control(channel.rank, wire.LENGTHS, announced.xid, *lengths)
        elif len(item.parts) > 1:
            flags, body = flags | wire.ATTACHED, wire.fold(body, item.parts[1:])
        # All of this rank's posts are of one stream, number 0.
        if item.kind != wire.REPLY and (item.large or channel.held):
            flags |= wire.HELD
        return wire.Record(item.kind, item.op, channel.rank, body, flags, 0, item.id, item.colour)

    def _remember(self, channel, item, record):
        """What completes a post: STREAM_ACK, or the acceptance of its batch? True: the latter."""
        if record.flags & wire.HELD:
            channel.held.append(item)
        elif item.kind == wire.POST:
            channel.waiting.append((*item.at, item.future))
            return True
        return False

    def _send_batch(self, channel, records, flags):
        header = wire.Header(
            flags=flags,
            seq=channel.take_seq(),
            nrecords=len(records),
            accepted=channel.accepted,
            limit=channel.credit.tell_limit(),
            spent=channel.credit.spent,
        )
        channel.ack_owed, channel.spoken = False, True
        self.wire.send_batch(channel.rank, header.pack() + b"".join(record.pack() for record in records))

    # -- receiving: section 5

    def _take(self, source, batch):
        """Batches are dealt with in the order of their numbers, whenever they come."""
        channel = self.channels[source]
        channel.spoken = True
        try:
            header = wire.Header.unpack(batch)
            if header.flags & (wire.GAVE_UP | wire.WORD):
                self._hear_word(source, header, batch[wire.Header.SIZE :])
                return
            if not self.crew.is_member(source):
                self.crew.tell(source)
                return
            distance = wire.ahead(header.seq, channel.awaited)
            wire.demand(abs(distance) <= wire.SEQ_AHEAD_MAX, "a number that cannot be")
        except wire.Malformed:
            self._refuse(channel, 0)
        else:
            if distance >= 0:  # else it was here
                channel.early.setdefault(header.seq, (header, batch))
        while channel.awaited in channel.early:
            self._deal_with(channel, *channel.early.pop(channel.awaited))

    def _hear_word(self, source, header, body):
        if header.flags & wire.GAVE_UP:
            return  # what is open with that rank is never answered: the program's own limits end it
        try:
            self.crew.hear(source, body)
        except wire.Malformed:
            self.malformed += 1
        if self.crew.excluded:
            raise RuntimeError("the other ranks go on without this one")

    def _send_word(self, to, word):
        header = wire.Header(flags=wire.WORD, seq=0, nrecords=0, accepted=0, limit=0, spent=0)
        self.wire.send_batch(to, header.pack() + word)

    def _refuse(self, channel, index):
        """Refuse the rest of the batch whose turn it is: it is malformed."""
        self.malformed += 1
        self.send_control(channel.rank, wire.REFUSED, channel.awaited, index, wire.EDECODE, 0)
        channel.awaited = (channel.awaited + 1) & 0xFFFFFFFF

    def _deal_with(self, channel, header, batch):
        channel.credit.hear_limit(header.limit)
        index, paid = 0, False
        try:
            for record in wire.records(batch, self.rank):
                self._obey(channel, record)
                index += 1
        except wire.Malformed:
            self._refuse(channel, index)
        else:
            channel.awaited = (channel.awaited + 1) & 0xFFFFFFFF
        self._hear_accepted(channel, header.accepted)
        channel.credit.hear_spent(header.spent, header.flags & wire.HUNGRY)
        channel.ack_owed |= bool(header.flags & wire.WANTS_ACK)
        channel.goodbye_came |= bool(header.flags & wire.GOODBYE)

    def _hear_accepted(self, channel, accepted):
        while channel.waiting and wire.ahead(accepted, channel.waiting[0][0]) >= 0:
            channel.waiting.popleft()[2].fulfil()

    def _obey(self, channel, record):
        if record.kind == wire.CONTROL:
            self._obey_control(channel, record)
        elif record.kind == wire.REPLY:
            self._obey_reply(channel, record)
        else:
            self._obey_message(channel, record)

    def _obey_message(self, channel, record):
        cost = record.size + wire.RECORD_COST
        if record.flags & wire.LARGE:
            self._announced(channel, record, cost)
            return
        message = Message(self, channel.rank, record, *self._parts(record), cost)
        channel.credit.held += cost
        if record.flags & wire.HELD:
            self._hold(channel, record.stream, Place(record.colour, True, message))
            self._deliver_stream(channel, record.stream)
        else:
            self._deliver(message)

    def _parts(self, record):
        return wire.unfold(record.body) if record.flags & wire.ATTACHED else (record.body, [])

    def _hold(self, channel, stream, place):
        channel.streams.setdefault(stream, deque()).append(place)

    def _deliver_stream(self, channel, stream):
        """Deliver what is HELD in order, as far as it is complete, and acknowledge it."""
        queue, count = channel.streams[stream], 0
        while queue and queue[0].ready:
            place = queue.popleft()
            count += 1
            if place.message:
                self._deliver(place.message)
            else:
                self.done[place.colour] += 1
        if count:
            self.send_control(channel.rank, wire.STREAM_ACK, stream, count)

    def _deliver(self, message):
        self.handling = message.colour
        try:
            self._deliver_now(message)
        finally:
            self.handling = None
        self.done[message.colour] += 1

    def _deliver_now(self, message):
        if message.op in self.handlers:
            self._handle(message)
        elif message.is_call:
            text = f"rank {self.rank} has no handler for op {message.op}"
            message.reply_error(wire.ENOHANDLER, text, ours=True)
        elif message.op != wire.OP_FLUSH:
            self.mailbox.append(message)
            return
        message.free()

    def _handle(self, message):
        self.in_handler = True
        try:
            self.handlers[message.op](message)
            if message.is_call:
                message.reply()
        except Exception as error:  # the caller hears of it; a post's sender would not
            if not message.is_call:
                raise
            message.reply_error(1, f"{type(error).__name__}: {error}")
        finally:
            self.in_handler = False

    def _obey_reply(self, channel, record):
        if record.flags & wire.LARGE:
            self._announced(channel, record, 0)
        elif record.flags & wire.ERROR:
            status, ours, text = wire.read_reply_error(record.body)
            self._finish_call(channel, record, None, status if ours and status < 0 else wire.EREMOTE, text)
        else:
            self._finish_call(channel, record, Message(self, channel.rank, record, *self._parts(record), 0))

    def _finish_call(self, channel, record, message, status=0, text=""):
        self.done[record.colour] += 1
        future = channel.calls.pop(record.id, None)
        if not future:
            return  # too late, or to a call that there never was
        if message:
            future.fulfil(message)
        else:
            future.fail(status, text)

    def _obey_control(self, channel, record):
        values = wire.control_values(record)
        if record.op == wire.STREAM_ACK:
            self._hear_stream_ack(channel, *values)
        elif record.op == wire.REFUSED:
            self._hear_refused(channel, *values[:3])
        elif record.op == wire.GRANT:
            self._hear_grant(channel, *values[:2])
        elif record.op == wire.LENGTHS:
            self._hear_lengths(channel, *values)
        elif record.op == wire.AGREE_UP:
            self.agreement.hear_up(channel.rank, values)
        elif record.op == wire.AGREE_DOWN:
            self.agreement.hear_down(channel.rank, values)
        elif record.op == wire.AGREE_NEWS:
            self.agreement.hear_news(channel.rank, values)
        elif record.op == wire.LOST:
            self._hear_lost(channel, *values)
        elif record.op == wire.GIVE:
            channel.credit.window = max(channel.credit.window - values[0], 0)
        # RECALL asks for credit that is not used: this rank keeps what it was given.

    def _hear_stream_ack(self, channel, stream, count):
        if stream != 0 or count > len(channel.held):
            return  # of what was not sent
        for _ in range(count):
            item = channel.held.popleft()
            if item.kind == wire.POST:
                item.future.fulfil()

    def _hear_refused(self, channel, seq, index, status):
        self.refused, self.last_refused = self.refused + 1, (seq, index, status)
        for at, which, post in list(channel.waiting):
            if at == seq and which >= index:
                channel.waiting.remove((at, which, post))
                post.fail(status, "the other rank did not believe its batch")
        for item in channel.forget_refused(seq, index):
            if item.kind == wire.POST:
                item.future.fail(status, "the other rank did not believe its batch")
        for future in channel.calls.values():
            future.fail(status, "the other rank did not believe a batch with calls")
        channel.calls.clear()

    # -- large messages: section 7
    #
    # All chunks of a message are sent, and received, as soon as it is granted: this keeps the order of
    # the tags.

    def _hear_grant(self, channel, xid, status):
        """The first grant lets the chunks go or refuses them; a second one says that not all came."""
        item = channel.asked.pop(xid, None)
        if item and status == 0:
            for number, memory in item.chunks:
                channel.leaving += 1
                self.wire.send_chunk(channel.rank, number, memory, channel.chunk_left)
            return
        item = item or next((held for held in channel.held if held.xid == xid), None)
        if item and item.future and status:
            item.future.fail(status, "the other rank refused it, or did not get all of it")
            channel.calls.pop(item.id, None)

    def _announced(self, channel, record, cost):
        receiving = Receiving(record, cost)
        announced = receiving.announced
        wire.demand(announced.xid > channel.last_xid, "a transfer that was there before")
        if receiving.prepaid:
            wire.demand(record.kind != wire.REPLY, "a reply that is prepaid")
            prepaid = sum(other.announced.total for other in channel.receivings.values() if other.prepaid)
            wire.demand(prepaid + announced.total <= channel.credit.window, "more prepaid than credit")
        channel.last_xid = announced.xid
        channel.receivings[announced.xid] = receiving
        channel.credit.held += receiving.cost
        if record.kind != wire.REPLY:
            self._hold(channel, record.stream, receiving.place)
        self._decide_grant(channel, receiving)

    def _hear_lengths(self, channel, xid, *lengths):
        receiving = channel.receivings.get(xid)
        wire.demand(receiving and not receiving.announced.complete, "LENGTHS of no announcement")
        receiving.announced.lengths.extend(lengths)
        self._decide_grant(channel, receiving)

    def _decide_grant(self, channel, receiving):
        if not receiving.announced.complete:
            return
        receiving.status = self._admits(channel, receiving) or receiving.reserve()
        if not receiving.prepaid:
            self._send_grant(channel, receiving)
        elif receiving.status:
            raise RuntimeError(f"rank {channel.rank} announced wrongly what is on its way already")
        if receiving.status == 0:
            for number, memory in receiving.chunks():
                landed = functools.partial(self._chunk_landed, channel, receiving, number)
                receiving.under_way[number] = self.wire.receive_chunk(channel.rank, number, memory, landed)
        if not receiving.under_way:
            self._received(channel, receiving)

    def _admits(self, channel, receiving):
        """Check the announcement. Returns the status for the grant, if there is memory."""
        announced, record = receiving.announced, receiving.record
        if not announced.adds_up:
            return wire.EDECODE
        if record.kind == wire.REPLY and record.id not in channel.calls:
            return wire.ECANCELED
        if announced.total + 8 * announced.n_parts > self.message_max and not receiving.prepaid:
            return wire.ETOOBIG
        return 0

    def _send_grant(self, channel, receiving):
        self.send_control(channel.rank, wire.GRANT, receiving.announced.xid, receiving.status, 0)

    def _chunk_landed(self, channel, receiving, number, came):
        del receiving.under_way[number]
        if not came and receiving.status == 0:
            receiving.status = wire.EDECODE
        if receiving.under_way:
            return
        # The second grant. Of a reply only this rank has to know, unless the other one asked.
        if receiving.status and (receiving.record.kind != wire.REPLY or receiving.started is not None):
            self._send_grant(channel, receiving)
        self._received(channel, receiving)

    def _hear_lost(self, channel, xid, started, which, status):
        wire.demand(xid <= channel.last_xid, "LOST of no announcement")
        status = status if status < 0 else wire.EDECODE
        receiving = channel.receivings.get(xid)
        if not receiving:  # all that was to come has come; who says LOST waits for an answer
            self.send_control(channel.rank, wire.GRANT, xid, status, 0)
            return
        wire.demand(receiving.under_way, "LOST of what was not granted")
        wire.demand(receiving.started in (None, started), "LOST that breaks off elsewhere than before")
        receiving.cancel_lost(started, which, status)

    def _received(self, channel, receiving):
        """All chunks are here that will ever come."""
        record, message = receiving.record, None
        del channel.receivings[receiving.announced.xid]
        if receiving.status == 0:
            body, *attachments = receiving.parts
            message = Message(self, channel.rank, record, body, attachments, receiving.cost)
        if record.kind == wire.REPLY:
            self._finish_call(channel, record, message, receiving.status, "its reply did not arrive")
            return
        if not message:
            channel.credit.held -= receiving.cost
        receiving.place.ready, receiving.place.message = True, message
        self._deliver_stream(channel, record.stream)

    # -- fences and the close

    def _look(self, colour):
        """For an agreement: of one colour, or, for None, of everything."""
        if colour is None:
            quiet, sent, done = all(map(Channel.is_quiet, self.channels)), sum(self.sent), sum(self.done)
        else:
            quiet = all(channel.has_sent(colour) for channel in self.channels)
            sent, done = self.sent[colour], self.done[colour]
        return quiet, sent, done, self.malformed + self.refused > 0

    def _is_quiet(self):
        return all(map(Channel.is_quiet, self.channels))

    def _all_said_goodbye(self):
        for channel in self.channels:
            if channel.spoken and not channel.goodbye_sent and not channel.free:
                self._send_batch(channel, [], wire.GOODBYE)
                channel.goodbye_sent = True
        talked = [channel for channel in self.channels if channel.spoken]
        return all(c.goodbye_sent and c.goodbye_came for c in talked) and not self.wire.sends
