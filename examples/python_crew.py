# SPDX-License-Identifier: Apache-2.0
"""Who is gone: doc/wire-format.md, section 15. A member that takes part and never coordinates."""

import struct

import python_wire as wire


class Crew:
    """The ranks that go on together, as sets in integers: bit i is rank i."""

    ACCUSE, ASK, ANSWER, PROPOSE, ACCEPT, COMMIT = range(6)
    ASK_HERE, HERE, LEAVES, QUESTION, REPORT = 16, 17, 18, 19, 20
    SETS = {ACCUSE: 1, ASK: 1, ANSWER: 3, PROPOSE: 1, ACCEPT: 0, COMMIT: 1, ASK_HERE: 0, HERE: 0, LEAVES: 0}
    WORD = struct.Struct("<IIIIIIII")

    def __init__(self, rank, size, send):
        """`send(to, word)` sends the bytes of a word."""
        self.rank, self.send, self.bytes = rank, send, (size + 63) // 64 * 8
        everybody = (1 << size) - 1
        self.now = (0, (0, 0), everybody)  # number, ballot, members
        self.accepted, self.promised = self.now, (0, 0)
        self.excluded = False

    def is_member(self, rank):
        return bool(self.now[2] >> rank & 1)

    def _say(self, to, kind, ballot=(0, 0), of=(0, (0, 0)), sets=()):
        word = self.WORD.pack(kind, self.now[0], *ballot, of[0], *of[1], 0)
        self.send(to, word + b"".join(members.to_bytes(self.bytes, "little") for members in sets))

    def tell(self, to):
        """What comes from a rank that is no member is answered so."""
        self._say(to, self.COMMIT, of=self.now[:2], sets=[self.now[2]])

    def hear(self, source, body):
        wire.demand(len(body) >= self.WORD.size, "shorter than a word")
        kind, number, count, owner, of_number, of_count, of_owner, _ = self.WORD.unpack_from(body)
        rest = body[self.WORD.size :]
        if kind in (self.QUESTION, self.REPORT):
            self._hear_question(source, kind, rest)
            return
        wire.demand(len(rest) == self.SETS.get(kind, -1) * self.bytes, "no such word")
        if kind == self.ASK_HERE:
            self._say(source, self.HERE)
        if kind > self.COMMIT:
            return
        sets = [int.from_bytes(rest[at : at + self.bytes], "little") for at in range(0, len(rest), self.bytes)]
        of = (of_number, (of_count, of_owner), sets[0] if sets else 0)
        if not self.is_member(source):
            if kind != self.COMMIT:
                self.tell(source)
        elif kind == self.ASK:
            self.promised = max(self.promised, (count, owner))
            self._answer(source)
        elif kind == self.PROPOSE:
            self._consider(source, (count, owner), of)
        elif kind == self.COMMIT or (kind == self.ANSWER and number == of_number):
            self._hear_of(of)

    def _hear_question(self, source, kind, rest):
        """This rank asks nothing. It answers that it is there, and speaks for nobody else."""
        wire.demand(len(rest) == 8 + self.bytes if kind == self.QUESTION else len(rest) >= 8, "no such word")
        silent = int.from_bytes(rest[8:], "little")
        if kind == self.QUESTION and (not silent or silent >> self.rank & 1):
            report = self.WORD.pack(self.REPORT, self.now[0], 0, 0, 0, 0, 0, 0)
            self.send(source, report + rest[:4] + struct.pack("<i", self.rank))

    def _answer(self, to):
        self._say(to, self.ANSWER, self.promised, self.accepted[:2], [self.accepted[2], 0, 0])

    def _consider(self, source, ballot, of):
        if ballot < self.promised or of[0] < self.now[0]:
            self._answer(source)
            return
        self.promised = ballot
        if of[2] >> self.rank & 1:
            self.accepted = of
            self._say(source, self.ACCEPT, ballot)

    def _hear_of(self, of):
        if of[0] <= self.now[0]:
            return
        self.now, self.promised = of, max(self.promised, of[1])
        if self.accepted[1] <= of[1]:
            self.accepted = of
        self.excluded = not self.is_member(self.rank)
