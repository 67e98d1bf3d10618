#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One Python rank among C ranks of python_host: every kind of exchange, both ways, and all of it checked.

    mpiexec -n 2 ./python_host : -n 1 python3 python_peer.py

It may stand at any place in the job. It needs mpi4py, built on the MPI of the C ranks, and msgpack.
Nothing of the library is loaded: python_rank.py and what it imports were written from
doc/wire-format.md alone.
"""

import argparse
import os
import struct
import sys
import traceback

from python_channel import CHUNK_BYTES
from python_rank import Failed, Rank
import python_wire as wire

# The ops, as in python_host.c.
HELLO, COUNT, MIRROR, SPECIMEN, NOBODY, REFUSE, LETTER, BROKEN = range(1, 9)

COUNTS = 300
COUNT_SIZES = (0, 1, 5, 8, 100, 1000, 3990, 4088, 4089, 6000, 9000, 70000)
COUNTERS = 2  # threads of a C rank that count
LETTERS, LETTER_SIZE = 20, 3000
BODIES = (0, 10, 3000, 5000)
ATTACHED = ((), (0,), (100,), (65536,), (3 * 1048576 + 5,), (0, 100, 65536, 3 * 1048576 + 5))
MANY = 600  # attachments, more than one announcement has room for
MESSAGE_MAX = 8 << 20  # here; the C ranks send more, and get more than they admit
TOO_MUCH = 11 << 20


def pattern(seed, size):
    """`size` bytes that tell the seed: byte i is (seed + i) modulo 251."""
    turn = bytes((seed + i) % 251 for i in range(251))
    return (turn * (size // 251 + 1))[:size]


def specimen(rank):
    """An object with everything in it that msgpack has, and two binaries that are attached."""
    return {
        "rank": rank,
        "text": "Fähre",
        "numbers": [0, -1, 2**63, -(2**63), 0.5],
        "nothing": None,
        "truth": [True, False],
        "small": pattern(rank, 100),
        "nested": [[{"large": pattern(rank, 300000)}], pattern(rank + 1, 262144)],
    }


def check(condition, what):
    if not condition:
        raise AssertionError(what)


class Job:
    """What is exchanged with the C ranks, and the tally of it."""

    def __init__(self, options):
        self.options = options
        self.counted = {}  # (source, thread): how many came
        self.mirrored = self.described = 0
        handlers = {
            COUNT: self.on_count,
            MIRROR: self.on_mirror,
            SPECIMEN: self.on_specimen,
            REFUSE: self.on_refuse,
            BROKEN: self.on_broken,
        }
        self.rank = Rank(handlers, deadline=options.deadline, message_max=MESSAGE_MAX)
        self.me = self.rank.rank
        self.hosts = [rank for rank in range(self.rank.size) if rank != self.me]

    # -- what the C ranks send

    def on_count(self, message):
        """A post: number of the thread, number of the message, pattern; sometimes with an attachment."""
        thread, k = struct.unpack_from("<II", message.body)
        before = self.counted.get((message.source, thread), 0)
        check(k == before, f"rank {message.source}, thread {thread}: {k} came instead of {before}")
        self.counted[message.source, thread] = k + 1
        self.check_count(message, k)

    def check_count(self, message, k):
        size = COUNT_SIZES[k % len(COUNT_SIZES)] if message.body[0] == 0 else k % 50
        check(message.body[8:] == pattern(k, size), f"count {k}: other bytes")
        attached = [pattern(k + 1, 100)] if k % 5 == 0 else []
        check([bytes(a) for a in message.attachments] == attached, f"count {k}: other attachments")

    def on_mirror(self, message):
        message.reply(message.body[::-1], [part[::-1] for part in message.attachments])
        self.mirrored += 1

    def on_specimen(self, message):
        check(message.object() == specimen(message.source), "another object came than was sent")
        check(len(message.attachments) == 2, "two binaries were to be attached")
        message.reply(*wire.pack_object(specimen(self.me)))
        self.described += 1

    def on_refuse(self, message):
        message.reply_error(7, "not today")

    def on_broken(self, message):
        raise AssertionError("half a message was delivered")

    # -- what this rank sends

    def run(self):
        hello = wire.pack_object({"peer": self.me})
        self.rank.results(self.rank.post(to, HELLO, *hello) for to in self.hosts)
        for host in self.hosts:  # which have installed their handlers when they answer
            self.rank.recv(host, HELLO).free()
        posts = [self.count(to, k) for k in range(COUNTS) for to in self.hosts]
        for to in self.hosts:
            self.mirror(to)
            self.exchange_specimens(to)
            self.ask_in_vain(to)
        for to in self.hosts:
            self.exchange_letters(to)
            self.exchange_routines(to)
        self.rank.results(posts)
        self.post_to_itself()
        self.rank.fence()
        self.check_tally()
        if self.options.misbehave:
            faults = FAULTS if self.options.misbehave == "all" else [self.options.misbehave]
            for to in {self.me, *self.hosts[:1]}:
                self.misbehave(to, faults)
            refused = sum(fault in MALFORMED for fault in faults)
            check(self.rank.malformed == refused, f"this rank refused {self.rank.malformed} of its own")
        self.rank.fence()
        self.rank.close()

    def count(self, to, k):
        body = struct.pack("<II", 0, k) + pattern(k, COUNT_SIZES[k % len(COUNT_SIZES)])
        return self.rank.post(to, COUNT, body, [pattern(k + 1, 100)] if k % 5 == 0 else [])

    def mirror(self, to):
        """Calls with attachments, all at once; what comes back is what went, reversed."""
        sent = [(pattern(to, n), [pattern(n + i, size) for i, size in enumerate(sizes)])
                for n in BODIES for sizes in ATTACHED]
        sent.append((b"many", [pattern(i, i % 3) for i in range(MANY)]))
        replies = self.rank.results(self.rank.call(to, MIRROR, *parts) for parts in sent)
        for (body, attachments), reply in zip(sent, replies):
            check(reply.body[::-1] == body, f"rank {to} answers another body")
            check([bytes(part[::-1]) for part in reply.attachments] == attachments,
                  f"rank {to} answers other attachments")

    def exchange_specimens(self, to):
        reply, = self.rank.results([self.rank.call(to, SPECIMEN, *wire.pack_object(specimen(self.me)))])
        check(reply.object() == specimen(to), f"rank {to} answers another object")

    def ask_in_vain(self, to):
        self.expect_failure(self.rank.call(to, NOBODY, b"anybody?"), wire.ENOHANDLER)
        self.expect_failure(self.rank.call(to, REFUSE), wire.EREMOTE, "not today")
        self.expect_failure(self.rank.call(to, MIRROR, b"", [bytes(TOO_MUCH)]), wire.ETOOBIG)
        self.expect_failure(self.rank.post(to, LETTER, b"", [bytes(TOO_MUCH)]), wire.ETOOBIG)

    def expect_failure(self, future, status, text=""):
        try:
            self.rank.results([future])
        except Failed as failed:
            check(failed.status == status and text in failed.detail, f"failed otherwise: {failed}")
        else:
            raise AssertionError(f"status {status} was expected, not success")

    def exchange_letters(self, to):
        """Posts without a handler, more than the credit has room for: they wait for who reads them."""
        posts = [self.rank.post(to, LETTER, pattern(k, LETTER_SIZE)) for k in range(LETTERS)]
        for k in range(LETTERS):
            letter = self.rank.recv(to, LETTER)
            check(letter.body == pattern(k, LETTER_SIZE), f"letter {k} of rank {to}")
            letter.free()
        self.rank.results(posts)

    def exchange_routines(self, to):
        """The three ops of section 12."""
        body, large = wire.pack_object(["send_object", to])[0], pattern(to, 1 << 20)
        posts = [
            self.rank.post(to, wire.OP_OBJECT, body),
            self.rank.post(to, wire.OP_BUFFER, b"", [large]),
            self.rank.post(to, wire.OP_COMPLEX, *wire.pack_object(specimen(self.me))),
        ]
        messages = [self.rank.recv(to, op) for op in (wire.OP_OBJECT, wire.OP_BUFFER, wire.OP_COMPLEX)]
        check(messages[0].object() == ["send_object", self.me], "send_object")
        check(bytes(messages[1].attachments[0]) == pattern(to, 1 << 20), "send_buffer")
        check(messages[2].object() == specimen(to), "send_complex_data")
        for message in messages:
            message.free()
        self.rank.results(posts)

    def post_to_itself(self):
        self.rank.results([self.rank.post(self.me, LETTER, b"note to self")])
        self.rank.recv(self.me, LETTER).free()

    def check_tally(self):
        """After the fence all that the C ranks posted has been handled."""
        expected = {(host, thread): COUNTS for host in self.hosts for thread in range(COUNTERS)}
        check(self.counted == expected, f"counted {self.counted}")
        calls = len(self.hosts) * len(BODIES) * len(ATTACHED)
        check(self.mirrored == calls, "calls of the C ranks are missing")
        # Some came beside that were cancelled.
        check(self.described >= len(self.hosts), "calls of the C ranks are missing")

    def misbehave(self, to, faults):
        """Everything goes on after each fault."""
        for fault in faults:
            if fault in MALFORMED:
                self.send_malformed(to, fault)
            else:
                self.send_in_part(to, fault)
            reply, = self.rank.results([self.rank.call(to, MIRROR, b"abc")])
            check(reply.body == b"cba", f"a call after {fault}")

    def send_in_part(self, to, how):
        """A large message of which not all comes: nobody sees it, and a second grant says why."""
        channel = self.rank.channels[to]
        send = self.rank.call if how == "cut" else self.rank.post
        future = send(to, BROKEN, b"", [bytes(3 * CHUNK_BYTES)])
        item = channel.paid[-1]
        self.rank.wait(lambda: item.xid in channel.asked, "the announcement to leave")
        if how == "cut":
            number, memory = item.chunks[1]
            item.chunks[1] = number, memory[:-1]
            self.expect_failure(future, wire.EDECODE)
        else:  # as if MPI had taken two chunks and lost the second
            lost, _ = item.chunks[1]
            del item.chunks[1:]
            self.rank.wait(lambda: item.xid not in channel.asked, "the grant")
            self.rank.send_control(to, wire.LOST, item.xid, lost + 1, 1, wire.EMPI)
            self.expect_failure(future, wire.EMPI)

    def send_malformed(self, to, how):
        """A batch that is refused from its second record on."""
        channel, refused = self.rank.channels[to], self.rank.refused
        seq = channel.take_seq()
        header = wire.Header(0, seq, 2, channel.accepted, channel.credit.told, channel.credit.spent)
        fine = wire.control(to, wire.RECALL, 0)
        batch = header.pack() + fine.pack() + MALFORMED[how](to)
        self.rank.wire.send_batch(to, MALFORMED[how](to) if how == "magic" else batch)
        self.rank.wait(lambda: self.rank.refused > refused, "REFUSED")
        index = 0 if how == "magic" else 1
        check(self.rank.last_refused == (seq, index, wire.EDECODE), f"REFUSED says {self.rank.last_refused}")


def malformed(**other):
    """A function that makes a record which is right but for `other`."""
    fields = dict(kind=wire.POST, op=NOBODY, body=b"12345678", flags=0)

    def make(to):
        return wire.Record(**{**fields, "rank": to, **other}).pack()

    return make


MALFORMED = {
    "magic": lambda to: b"no batch at all, but longer than 40 bytes",
    "short": lambda to: malformed()(to)[:-8],
    "kind": malformed(kind=5),
    "op": malformed(kind=wire.CONTROL, op=wire.LOST + 1),
    "post": malformed(op=wire.OP_COMPLEX + 1),
    "flush": malformed(kind=wire.CALL, op=wire.OP_FLUSH, id=1 << 63),
    "rank": malformed(rank=0xFFFFFFFF),
    "call": malformed(kind=wire.CALL),
    "announcement": malformed(flags=wire.LARGE | wire.HELD),
    "folding": malformed(flags=wire.ATTACHED, body=bytes(8)),
    "control": malformed(kind=wire.CONTROL, op=wire.GRANT),
    "unannounced": lambda to: wire.control(to, wire.LOST, 1 << 62, 0, 0, wire.EMPI).pack(),
}
FAULTS = [*MALFORMED, "cut", "lost"]


def main():
    parser = argparse.ArgumentParser(description="One Python rank among the C ranks of python_host.")
    parser.add_argument("--deadline", type=float, default=60, help="seconds that any wait may take (60)")
    parser.add_argument("--misbehave", choices=["all", *FAULTS], help="do this to a C rank in the end")
    options = parser.parse_args()
    if not 0 < options.deadline < 1e6:
        parser.error("--deadline: give a number of seconds above 0")
    try:
        job = Job(options)
        job.run()
    except BaseException:
        # MPI_Finalize would wait for the others: section 9 says to leave instead.
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    print(f"python peer, rank {job.me}: verified posts, calls, large messages, objects and fences"
          f" with {len(job.hosts)} C ranks", flush=True)


if __name__ == "__main__":
    main()
