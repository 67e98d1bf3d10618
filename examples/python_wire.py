# SPDX-License-Identifier: Apache-2.0
"""The bytes of doc/wire-format.md: batches, records, folded bodies, announcements (sections 3, 4, 7, 8, 12).

Functions from values to bytes and back. Nothing here calls MPI or remembers anything: what a rank
does with these bytes is in python_rank.py. Everything that is read is checked first; what does not
check out is Malformed.
"""

import struct
from dataclasses import dataclass

import msgpack

MAGIC = 0x31595246
VERSION = 5
BATCH_MAX = 8192
FIRST_SEQ = 1
SEQ_AHEAD_MAX = 65536
START_CREDIT = 16384
MESSAGE_MAX = 4096  # a longer message is announced ...
REPLY_MAX = 2048  # ... and a longer reply
RECORD_COST = 320
BATCH_COST = 1024

# Flags of a batch.
WANTS_ACK, HUNGRY, GOODBYE, GAVE_UP, COLOUR, WORD = 1, 2, 4, 8, 16, 32

# Of the stream's word: the number, and whether the record's colour is said here, and which it is.
STREAM, TAGGED, TAG_COLOUR = 0x3FFFFFFF, 0x80000000, 0x40000000

# Kinds of a record.
POST, CALL, REPLY, CONTROL = 1, 2, 3, 4

# Flags of a record.
EXT, LARGE, HELD, ERROR, ATTACHED = 0x10000000, 0x08000000, 0x04000000, 0x02000000, 0x01000000
FLAGS = {
    POST: LARGE | HELD | ATTACHED,
    CALL: EXT | LARGE | HELD | ATTACHED,
    REPLY: EXT | LARGE | ERROR | ATTACHED,
    CONTROL: 0,
}

# Ops of posts and calls: the program's are below OP_RESERVED.
OP_RESERVED = 0xFFFF0000
OP_OBJECT, OP_BUFFER, OP_COMPLEX, OP_FLUSH = 0xFFFF0001, 0xFFFF0002, 0xFFFF0003, 0xFFFFFF01
OPS_OF_POSTS = (OP_OBJECT, OP_BUFFER, OP_COMPLEX, OP_FLUSH)

# Ops of control records.
STREAM_ACK, REFUSED, GRANT, LENGTHS = 0xFFFFFF10, 0xFFFFFF11, 0xFFFFFF12, 0xFFFFFF13
AGREE_UP, AGREE_DOWN, RECALL, GIVE = 0xFFFFFF14, 0xFFFFFF15, 0xFFFFFF16, 0xFFFFFF17
LOST, AGREE_NEWS = 0xFFFFFF18, 0xFFFFFF19
CONTROL_BODY = {
    STREAM_ACK: struct.Struct("<II"),
    REFUSED: struct.Struct("<IIiI"),
    GRANT: struct.Struct("<QiI"),
    AGREE_UP: struct.Struct("<IIIIIIQQ"),
    AGREE_DOWN: struct.Struct("<IIIIIIQQ"),
    RECALL: struct.Struct("<Q"),
    GIVE: struct.Struct("<Q"),
    LOST: struct.Struct("<QQIi"),
    AGREE_NEWS: struct.Struct("<IIIIIIIIII"),
}
LENGTHS_MAX = 256

# Statuses that travel.
ENOMEM, ECANCELED, ENOHANDLER, EDECODE, ETOOBIG, EREMOTE, EMPI = -4, -20, -22, -23, -25, -26, -28
ESTOPPED = -40  # does not: a call that was open when the engine closed

CHUNK_MIN, CHUNK_MAX = 4096, 1 << 30
PREPAID = 1

EXT_BINARY = 127  # msgpack: an attachment instead of a binary
DEPTH_MAX = 31

_HEADER = struct.Struct("<IHHIIIIQQ")
_RECORD = struct.Struct("<IIII")
_ID = struct.Struct("<Q")
_ANNOUNCEMENT = struct.Struct("<QQQIIIi")
_REPLY_ERROR = struct.Struct("<iI")
_HANDSHAKE = struct.Struct("<IIIIIIII")
# The second comparison at open: a number for the job, of which rank 0's counts, and no checksums.
NO_CHECKSUMS = bytes(16)


def checks_no_sums(rank_0):
    """Of rank 0's bytes in the second comparison."""
    return rank_0[8:] == bytes(8)


class Malformed(Exception):
    """Bytes that came and do not check out."""


def demand(condition, why):
    if not condition:
        raise Malformed(why)


def padded(size):
    return (size + 7) & ~7


def ahead(seq, of):
    """How far `seq` is ahead of `of`, modulo 2^32, taken as signed."""
    return ((seq - of + 0x80000000) & 0xFFFFFFFF) - 0x80000000


def handshake(tag_span):
    """What rank 0 gives out at open, and what every rank compares with its own."""
    return _HANDSHAKE.pack(
        MAGIC, VERSION, BATCH_MAX, FIRST_SEQ, START_CREDIT, MESSAGE_MAX, REPLY_MAX, tag_span
    )


def failed_open(text):
    """What a rank tells the others when its open failed; its status is FERRY_ENOTSUP."""
    return bytearray(struct.pack("<i252s", -7, text.encode()[:251]))


# ---- batches ---------------------------------------------------------------------


@dataclass
class Header:
    """The first 40 bytes of a batch."""

    SIZE = _HEADER.size

    flags: int
    seq: int
    nrecords: int
    accepted: int
    limit: int
    spent: int

    def pack(self):
        return _HEADER.pack(
            MAGIC, VERSION, self.flags, self.seq, self.nrecords, self.accepted, 0, self.limit, self.spent
        )

    @classmethod
    def unpack(cls, batch):
        demand(len(batch) >= cls.SIZE, "shorter than a header")
        magic, version, flags, seq, nrecords, accepted, _, limit, spent = _HEADER.unpack_from(batch)
        demand(magic == MAGIC and version == VERSION, "another magic or version")
        return cls(flags, seq, nrecords, accepted, limit, spent)


@dataclass
class Record:
    """One record. `body` is without its padding."""

    kind: int
    op: int
    rank: int
    body: bytes = b""
    flags: int = 0
    stream: int = 0
    id: int = 0
    colour: int = None  # section 9; this rank says it with every post, call and reply

    @property
    def size(self):
        return record_size(self.kind, len(self.body))

    def pack(self):
        flags = self.flags | (EXT if self.kind in (CALL, REPLY) else 0)
        word = self.kind << 29 | flags | len(self.body)
        tag = 0 if self.colour is None else TAGGED | (TAG_COLOUR if self.colour else 0)
        head = _RECORD.pack(word, self.op, self.rank, self.stream | tag)
        if flags & EXT:
            head += _ID.pack(self.id)
        return head + bytes(self.body) + bytes(padded(len(self.body)) - len(self.body))


def record_size(kind, body_length):
    return _RECORD.size + (_ID.size if kind in (CALL, REPLY) else 0) + padded(body_length)


def records(batch, me):
    """Yield the records of a batch; Malformed at the first one that does not check out."""
    at, batch_colour = Header.SIZE, 1 if _HEADER.unpack_from(batch)[2] & COLOUR else 0
    while at < len(batch):
        demand(at + _RECORD.size <= len(batch), "a record ends behind the batch")
        word, op, rank, stream = _RECORD.unpack_from(batch, at)
        kind, flags, length = word >> 29, word & 0x1F000000, word & 0xFFFFFF
        demand(kind in FLAGS, "an unknown kind")
        demand(not flags & ~FLAGS[kind], "a flag that this kind does not have")
        demand(flags & (LARGE | ERROR | ATTACHED) in (0, LARGE, ERROR, ATTACHED),
               "flags that exclude one another")
        demand(bool(flags & EXT) == (kind in (CALL, REPLY)), "an id too many or too few")
        demand(at + record_size(kind, length) <= len(batch), "a record ends behind the batch")
        demand(rank == me, "for another rank")
        body_at = at + record_size(kind, 0)
        ident = _ID.unpack_from(batch, body_at - _ID.size)[0] if flags & EXT else 0
        demand(kind != CALL or ident != 0, "a call without an id")
        _check_op(kind, op, length)
        body, colour = batch[body_at : body_at + length], batch_colour
        if stream & TAGGED:
            colour = 1 if stream & TAG_COLOUR else 0
        yield Record(kind, op, rank, body, flags & ~EXT, stream & STREAM, ident, colour)
        at += record_size(kind, length)


def _check_op(kind, op, length):
    if kind == POST:
        demand(op < OP_RESERVED or op in OPS_OF_POSTS, "an unknown op of a post")
    elif kind == CALL:
        demand(op < OP_RESERVED, "an op that no call has")
    elif kind == CONTROL and op == LENGTHS:
        demand(16 <= length <= 8 * (1 + LENGTHS_MAX) and length % 8 == 0, "LENGTHS of a wrong length")
    elif kind == CONTROL:
        demand(op in CONTROL_BODY, "an unknown op of a control record")
        demand(length == CONTROL_BODY[op].size, "a control record of a wrong length")


def control(rank, op, *values):
    """A control record for `rank`."""
    if op == LENGTHS:
        return Record(CONTROL, op, rank, struct.pack(f"<{len(values)}Q", *values))
    return Record(CONTROL, op, rank, CONTROL_BODY[op].pack(*values))


def control_values(record):
    if record.op == LENGTHS:
        return struct.unpack(f"<{len(record.body) // 8}Q", record.body)
    return CONTROL_BODY[record.op].unpack(record.body)


# ---- bodies ----------------------------------------------------------------------


def folded_size(body, attachments):
    """The length of a record's body that holds all of a message."""
    if not attachments:
        return len(body)
    lengths = [len(body), *map(len, attachments)]
    return 8 * (1 + len(lengths)) + sum(map(padded, lengths))


def fold(body, attachments):
    """A body with its attachments, as a record with ATTACHED has them."""
    if not attachments:
        return bytes(body)
    lengths = [len(attachments), *map(len, attachments), len(body)]
    folded = bytearray(struct.pack(f"<{len(lengths)}Q", *lengths))
    for part in (body, *attachments):
        folded += bytes(part) + bytes(padded(len(part)) - len(part))
    return bytes(folded)


def unfold(folded):
    """The opposite of fold: (body, [attachment, ...])."""
    demand(len(folded) >= 16, "a folding without lengths")
    count = _ID.unpack_from(folded)[0]
    demand(1 <= count <= len(folded) // 8 - 2, "a folding with more attachments than bytes")
    *lengths, body_length = struct.unpack_from(f"<{count + 1}Q", folded, 8)
    at, parts = 8 * (count + 2), []
    for length in (body_length, *lengths):
        demand(at + padded(length) <= len(folded), "a folding that ends behind its record")
        parts.append(folded[at : at + length])
        at += padded(length)
    demand(at == len(folded), "a folding that ends before its record")
    return parts[0], parts[1:]


def reply_error(status, ours, text):
    """The body of a reply with ERROR; `ours`: the status is one of the library's own."""
    return _REPLY_ERROR.pack(status, 1 if ours else 0) + text.encode()[:1024]


def read_reply_error(body):
    demand(len(body) >= _REPLY_ERROR.size, "an error reply without a status")
    status, ours = _REPLY_ERROR.unpack_from(body)
    demand(status != 0, "an error reply without an error")
    return status, bool(ours), bytes(body[_REPLY_ERROR.size :]).decode(errors="replace")


@dataclass
class Announcement:
    """The body of a record with LARGE. `lengths`: those of all parts, or as many as came so far."""

    xid: int
    total: int
    first_chunk: int
    n_parts: int
    chunk_bytes: int
    flags: int
    lengths: list

    @staticmethod
    def size(n_parts):
        return _ANNOUNCEMENT.size + 8 * min(n_parts, LENGTHS_MAX)

    def pack(self):
        first = self.lengths[:LENGTHS_MAX]
        return _ANNOUNCEMENT.pack(
            self.xid, self.total, self.first_chunk, self.n_parts, self.chunk_bytes, self.flags, 0
        ) + struct.pack(f"<{len(first)}Q", *first)

    def more_lengths(self):
        """What follows in LENGTHS records, cut as they carry it."""
        rest = self.lengths[LENGTHS_MAX:]
        return [rest[i : i + LENGTHS_MAX] for i in range(0, len(rest), LENGTHS_MAX)]

    @classmethod
    def unpack(cls, body):
        demand(len(body) >= _ANNOUNCEMENT.size, "an announcement without a head")
        *fixed, flags, _ = _ANNOUNCEMENT.unpack_from(body)
        announced = cls(*fixed, flags, [])
        demand(announced.n_parts >= 1, "an announcement of nothing")
        demand(CHUNK_MIN <= announced.chunk_bytes <= CHUNK_MAX, "chunks of an impossible length")
        demand(not flags & ~PREPAID, "an unknown flag of an announcement")
        demand(len(body) == cls.size(announced.n_parts), "an announcement of a wrong length")
        announced.lengths.extend(struct.unpack_from(f"<{(len(body) - 40) // 8}Q", body, 40))
        return announced

    @property
    def complete(self):
        """All lengths are here, or one too many."""
        return len(self.lengths) >= self.n_parts

    @property
    def adds_up(self):
        return len(self.lengths) == self.n_parts and sum(self.lengths) == self.total

    @property
    def chunks(self):
        """How many chunks the parts are cut into."""
        return sum(-(-length // self.chunk_bytes) for length in self.lengths)


def chunks_of(parts, chunk_bytes):
    """Yield the chunks of a large message in order, as views of its parts."""
    for part in parts:
        view = memoryview(part).cast("B")
        for at in range(0, len(view), chunk_bytes):
            yield view[at : at + chunk_bytes]


# ---- msgpack ---------------------------------------------------------------------


def pack_object(value, out_of_band=256 * 1024):
    """(body, attachments) of one object; binaries of at least `out_of_band` bytes are attached."""
    attachments = []

    def lift(item, depth):
        if isinstance(item, (bytes, bytearray, memoryview)) and len(item) >= out_of_band:
            attachments.append(item)
            return msgpack.ExtType(EXT_BINARY, struct.pack("<I", len(attachments) - 1))
        if isinstance(item, (list, tuple, dict)) and depth >= DEPTH_MAX:
            raise ValueError(f"nested deeper than {DEPTH_MAX} levels")
        if isinstance(item, (list, tuple)):
            return [lift(each, depth + 1) for each in item]
        if isinstance(item, dict):
            return {key: lift(each, depth + 1) for key, each in item.items()}
        return item

    return msgpack.packb(lift(value, 0)), attachments


def unpack_object(body, attachments):
    """The object that a body is, with the binaries that travelled beside it back in their places."""

    def place(code, data):
        if code != EXT_BINARY:
            return msgpack.ExtType(code, data)
        index = struct.unpack("<I", data)[0] if len(data) == 4 else len(attachments)
        demand(index < len(attachments), "an object that refers to an attachment that is not there")
        return attachments[index]

    try:
        return msgpack.unpackb(body, ext_hook=place, strict_map_key=False)
    except (ValueError, msgpack.UnpackException) as error:
        raise Malformed(f"no msgpack object: {error}") from error
