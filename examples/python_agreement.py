# SPDX-License-Identifier: Apache-2.0
"""Fences and the close: doc/wire-format.md, section 9."""

import time

import python_wire as wire


class Mismatch(Exception):
    """A fence that cannot end, because another rank closes."""


class Agreement:
    """The tree in which all ranks find that nothing is under way any more."""

    FENCE, CLOSE = 1, 2
    MALFORMED = 0x100
    ANOTHER_ROUND, OVER, FREEZE = 0, 1, 2
    ROUNDS_OF_MALFORMED = 50
    CREW = 0  # of all ranks: this one does not go on without any
    PAUSE = 1e-3  # between two ups of one round, and of the root where batches were malformed

    def __init__(self, rank, size, send, look, is_quiet):
        """`send(to, op, *values)` sends a control record, `look(colour)` is (quiet, sent, done, malformed) of
        that colour, or of all; where batches were malformed a fence needs `is_quiet()` as well."""
        self.rank, self.send, self.look, self.is_quiet = rank, send, look, is_quiet
        self.colour = 0  # of what this rank posts: changes when it joins a fence
        self.parent = (rank - 1) // 2 if rank else None
        self.children = [child for child in (2 * rank + 1, 2 * rank + 2) if child < size]
        self.untold = set(self.children) | ({self.parent} if rank else set())  # of a rank that closes
        self.ups = {}  # child: its last AGREE_UP
        self.n = 1
        self.kind = None  # of the agreement that is going on
        self.closer = None  # a rank that closes, and how many fences it had
        self.failed = None  # why the last fence did not end
        self.frozen = False

    def join(self, kind):
        if self.kind is not None:
            raise ValueError("an agreement is going on: wait for it first")
        self.failed = None
        self.kind, self.round, self.up = kind, 0, None
        self.sums, self.same = None, 0
        self.not_before, self.careful = 0, False
        if kind == self.FENCE:
            self.colour = 1 - self.colour
        if kind == self.CLOSE:
            self._closes(self.rank, self.n - 1)
        elif self.closer:
            self._fail_fence()

    @property
    def over(self):
        return self.kind is None

    def step(self):
        """Send the up, or at the root decide, when all children have spoken. Returns whether it did."""
        if self.over or time.monotonic() < self.not_before or (self.up and self.round == 0):
            return False
        if not all(self._has_spoken(child) for child in self.children):
            return False
        quiet, sent, done, malformed = self.look(1 - self.colour if self.kind == self.FENCE else None)
        if self.round and not (self.is_quiet() if self.careful else quiet):
            return False
        for _, _, kind, _, _, _, its_sent, its_done in (self.ups[child] for child in self.children):
            sent, done = sent + its_sent, done + its_done
            malformed = malformed or bool(kind & self.MALFORMED)
        if self.parent is None:
            return self._decide(sent, done, malformed)
        kind = self.kind | (self.MALFORMED if malformed else 0)
        up = (self.n, self.round, kind, 0, self.CREW, 0, sent, done)
        if up == self.up:
            return False
        self.up, self.not_before = up, time.monotonic() + self.PAUSE
        self.send(self.parent, wire.AGREE_UP, *up)
        return True

    def _has_spoken(self, child):
        if child not in self.ups:
            return False
        n, round_, kind = self.ups[child][:3]
        return (n, round_, kind & ~self.MALFORMED) == (self.n, self.round, self.kind)

    def _decide(self, sent, done, malformed):
        still = sent == done or malformed
        if self.round and not still:
            return False  # something is on its way: who sees it arrive sends another up
        self.same = self.same + 1 if still and (sent, done) == self.sums else 0
        self.sums = (sent, done) if still else None
        flag = self.MALFORMED if malformed else 0
        if self.same < (self.ROUNDS_OF_MALFORMED if malformed else 1):
            self._pass_down(self.ANOTHER_ROUND, flag)
        elif self.kind == self.CLOSE and not self.frozen:
            self.sums, self.same = None, 0
            self._pass_down(self.FREEZE, flag)
        else:
            self._pass_down(self.OVER, flag)
        if malformed:
            self.not_before = time.monotonic() + self.PAUSE
        return True

    def hear_up(self, child, values):
        if child in self.children:
            self.ups[child] = values

    def hear_down(self, parent, values):
        n, round_, kind, result = values[:4]
        awaited = self.kind is not None and self.up and parent == self.parent
        if awaited and (n, round_, kind & ~self.MALFORMED) == (self.n, self.round, self.kind):
            self._pass_down(result, kind & self.MALFORMED)

    def _pass_down(self, result, flag):
        for child in self.children:
            self.send(child, wire.AGREE_DOWN, self.n, self.round, self.kind | flag, result, self.CREW, 0, 0, 0)
        self.frozen = self.frozen or result == self.FREEZE
        self.careful = bool(flag)
        if result == self.OVER:
            self.kind, self.n = None, self.n + 1
        else:
            self.round, self.up, self.not_before = self.round + 1, None, 0

    # -- a fence here, a close there

    def hear_news(self, neighbour, values):
        """A rank closes: the neighbours are told, and a fence that it has not joined cannot end."""
        self.untold.discard(neighbour)
        self._closes(*values[:2])

    def _closes(self, closer, fences):
        self.closer = self.closer or (closer, fences)
        for neighbour in self.untold:
            self.send(neighbour, wire.AGREE_NEWS, *self.closer, self.CREW, 0, 0, 0, 0, 0, 0, 0)
        self.untold = set()
        if self.kind == self.FENCE and self.closer[1] < self.n:
            self._fail_fence()

    def _fail_fence(self):
        self.failed = f"rank {self.closer[0]} closes, so this fence cannot end"
        self.kind = None
