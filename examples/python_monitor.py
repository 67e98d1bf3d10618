#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints a monitor file of Ferry: what an engine was doing, also one that hangs or is dead.

    python_monitor.py FILE...

It needs nothing of the library: all that it knows stands in doc/monitor-format.md."""

import struct
import sys

HEAD = struct.Struct("<8sIIIIiIQQQiiIIqq64s64s32s96s168x")
NOW = struct.Struct("<IIQQqqq80x")
SECTION = struct.Struct("<IIIIIIQ")
COUNTERS, GAUGES, HISTOGRAMS, OPS, ERRORS, OPEN, TEXT, PEERS = range(1, 9)
KINDS = [None, "post", "call", "large message out", "large message in", "request", "unread message", "fence", "close",
         "operation of MPI", "plain post", "flush"]
STATES = [None, "in the lane", "waits for room", "not accepted", "not answered", "waits for a grant", "not over", "here"]


def text(raw):
    return raw.split(b"\0")[0].decode(errors="replace")


def word(words, i):
    return words[i] if 0 < i < len(words) else "operation"


def bucket_low(i):
    return i if i < 8 else (4 + i % 4) << (i // 4 - 1)


def whole(path):
    """The bytes of one sample; of a torn one in the end."""
    for _ in range(50):
        with open(path, "rb") as file:
            data = file.read()
            file.seek(512)
            after = file.read(4)
        if data[512:516] == after and not data[512] & 1:
            break
    return data


def entries(data, section):
    _, nbytes, offset, _, count, _, _ = section
    for i in range(count):
        entry = data[offset + i * nbytes:offset + (i + 1) * nbytes]
        if len(entry) == nbytes:
            yield entry


def show_value(what, entry):
    name, value = struct.unpack_from("<24sq", entry)
    print(what, text(name), value)


def show_histogram(entry):
    name, count, total, longest, buckets, _ = struct.unpack_from("<24sQQQII", entry)
    counts = struct.unpack_from("<%dQ" % buckets, entry, 56)
    half = 0
    for i, n in enumerate(counts):
        half += n
        if half * 2 >= count:
            break
    print("histogram", text(name), count, "times, mean", total // count if count else 0, "ns, median at least",
          bucket_low(i) if count else 0, "ns, longest", longest, "ns")


def show_op(entry):
    names = "flags received retained unanswered unread running waiting".split()
    op, *values = struct.unpack_from("<IIQQQQII", entry)
    print("op", op, *("%s %d" % pair for pair in zip(names, values)))


def show_error(entry):
    status, rank, count, first, last, what = struct.unpack_from("<iiQqq160s", entry)
    print("error", status, "rank", rank, count, "times, from", first, "to", last, text(what))


def show_open(entry, sampled):
    kind, state, peer, op, since, count, nbytes = struct.unpack_from("<IIiIqQQ", entry)
    print("open: %s%s%s, %s for %.3f s, %d like it, %d bytes" % (
        word(KINDS, kind), "" if op == 0xFFFFFFFF else " of op %d" % op, "" if peer < 0 else " to rank %d" % peer
        if kind not in (4, 5, 6) else " from rank %d" % peer, word(STATES, state), (sampled - since) / 1e9, count, nbytes))


def show_text(entry):
    _, nbytes, _, _ = struct.unpack_from("<IIQq", entry)
    for line in entry[32:32 + nbytes].decode(errors="replace").splitlines():
        print("text", line)


def show_peer(entry, sampled):
    rank, gone, flags, queued, open_batches, sent, queued_bytes, credit, heard, waited, received = struct.unpack_from(
        "<ihHIIQQqqQQ", entry)
    print("peer %d%s: queued %d (%d bytes), sent %d, received %d, not acknowledged %d, credit %d, heard %s, waited %d ns, "
          "flags %#x" % (rank, " is gone (%d)" % gone if gone else "", queued, queued_bytes, sent, received, open_batches,
                         credit, "%.3f s ago" % ((sampled - heard) / 1e9) if heard else "never", waited, flags))


def show(path):
    data = whole(path)
    if len(data) < 2048 or data[:8] != b"FERRYMON":
        sys.exit(path + ": it is no monitor file")
    (_, layout, order, head_bytes, n_sections, pid, uid, _, _, job, rank, size, engine, _, _, opened, host, program,
     version, network) = HEAD.unpack_from(data)
    if layout != 1 or order != 0x01020304 or head_bytes != 2048:
        sys.exit(path + ": it has another layout")
    seq, state, _, samples, sampled, _, period = NOW.unpack_from(data, 512)
    print("%s: process %d of user %d on %s, rank %d of %d, engine %d, job %x, Ferry %s, %s" % (
        text(program), pid, uid, text(host), rank, size, engine, job, text(version), text(network)))
    print("sample %d, %.3f s after the open, the next %s; state %d%s" % (
        samples, (sampled - opened) / 1e9 if samples else 0, "in %.1f s" % (period / 1e9) if period else
        "when something happens", state, ", torn" if seq & 1 else ""))
    for i in range(n_sections):
        section = SECTION.unpack_from(data, 640 + i * SECTION.size)
        for entry in entries(data, section):
            {COUNTERS: lambda e: show_value("counter", e), GAUGES: lambda e: show_value("gauge", e),
             HISTOGRAMS: show_histogram, OPS: show_op, ERRORS: show_error, OPEN: lambda e: show_open(e, sampled),
             TEXT: show_text, PEERS: lambda e: show_peer(e, sampled)}.get(section[0], lambda e: None)(entry)
        if section[6]:
            print("left out of section", section[0], section[6])


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    for name in sys.argv[1:]:
        show(name)
