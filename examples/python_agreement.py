# SPDX-License-Identifier: Apache-2.0
"""Fences and the close: doc/wire-format.md, section 9."""

import time

import python_wire as wire


class Agreement:
    """The tree in which all ranks find that nothing is under way any more."""

    FENCE, CLOSE = 1, 2
    MALFORMED = 0x100
    ANOTHER_ROUND, OVER, FREEZE = 0, 1, 2
    ROUNDS_OF_MALFORMED = 50
    PAUSE = 0.5e-3  # of the root between rounds

    def __init__(self, rank, size, send, look):
        """`send(to, op, *values)` sends a control record, `look()` is (quiet, sent, done, malformed)."""
        self.rank, self.send, self.look = rank, send, look
        self.parent = (rank - 1) // 2 if rank else None
        self.children = [child for child in (2 * rank + 1, 2 * rank + 2) if child < size]
        self.ups = {}  # child: its last AGREE_UP
        self.n = 0
        self.kind = None  # of the agreement that is going on
        self.frozen = False

    def join(self, kind):
        if self.kind is not None:
            raise ValueError("an agreement is going on: wait for it first")
        self.n += 1
        self.kind, self.round, self.up_sent = kind, 0, False
        self.sums, self.same = None, 0
        self.not_before = 0

    @property
    def over(self):
        return self.kind is None

    def step(self):
        """Send the up, or at the root decide, when all children have spoken. Returns whether it did."""
        if self.over or self.up_sent or time.monotonic() < self.not_before:
            return False
        if not all(self._has_spoken(child) for child in self.children):
            return False
        quiet, sent, done, malformed = self.look()
        busy = 0 if quiet else 1
        for _, _, kind, below, its_sent, its_done in (self.ups[child] for child in self.children):
            if kind & ~self.MALFORMED != self.kind:
                raise RuntimeError("the ranks do not fence and close equally often")
            busy, sent, done = busy + below, sent + its_sent, done + its_done
            malformed = malformed or bool(kind & self.MALFORMED)
        self.up_sent = True
        if self.parent is None:
            self._decide(busy, sent, done, malformed)
        else:
            kind = self.kind | (self.MALFORMED if malformed else 0)
            self.send(self.parent, wire.AGREE_UP, self.n, self.round, kind, busy, sent, done)
        return True

    def _has_spoken(self, child):
        return child in self.ups and self.ups[child][:2] == (self.n, self.round)

    def _decide(self, busy, sent, done, malformed):
        self.not_before = time.monotonic() + self.PAUSE
        self.same = self.same + 1 if not busy and (sent, done) == self.sums else 0
        self.sums = (sent, done) if not busy else None
        enough = self.same >= (self.ROUNDS_OF_MALFORMED - 1 if malformed else 1)
        if not enough or (sent != done and not malformed):
            self._pass_down(self.ANOTHER_ROUND)
        elif self.kind == self.CLOSE and not self.frozen:
            self.sums = None
            self._pass_down(self.FREEZE)
        else:
            self._pass_down(self.OVER)

    def hear_up(self, child, values):
        if child in self.children:
            self.ups[child] = values

    def hear_down(self, parent, values):
        n, round_, kind, result = values[:4]
        if parent == self.parent and self.up_sent and (n, round_, kind) == (self.n, self.round, self.kind):
            self._pass_down(result)

    def _pass_down(self, result):
        for child in self.children:
            self.send(child, wire.AGREE_DOWN, self.n, self.round, self.kind, result, 0, 0)
        self.frozen = self.frozen or result == self.FREEZE
        if result == self.OVER:
            self.kind = None
        else:
            self.round, self.up_sent = self.round + 1, False
