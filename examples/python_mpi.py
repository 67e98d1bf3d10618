# SPDX-License-Identifier: Apache-2.0
"""MPI as doc/wire-format.md uses it, sections 1, 2 and 10: the communicators, the sends and the receives.

Knows bytes only; what they mean is in python_wire.py.
"""

import array
import contextlib
import faulthandler
import time

import mpi4py

mpi4py.rc.initialize = False  # Rank.__init__ does, and Rank.close finalizes ...
mpi4py.rc.finalize = False  # ... unless something went wrong: then nobody waits for the others.

from mpi4py import MPI  # noqa: E402

import python_wire as wire  # noqa: E402

RECEIVES = 8  # posted for batches


class Nap:
    """Sleeps that grow while nothing happens, from 50 us to 1 ms."""

    def __init__(self):
        self.seconds = 50e-6

    def reset(self):
        self.seconds = 50e-6

    def sleep(self):
        time.sleep(self.seconds)
        self.seconds = min(self.seconds * 2, 1e-3)


def _has_come(request, size):
    """None: not yet. Else: was it all of `size` bytes?"""
    status = MPI.Status()
    try:
        if not request.Test(status):
            return None
    except MPI.Exception:  # longer than its receive, or worse
        return False
    return not status.Is_cancelled() and status.Get_count(MPI.BYTE) == size


class Wire:
    """MPI, and the bytes that it carries. `take(source, bytes)` is called for each message with tag 0."""

    def __init__(self, deadline):
        self.deadline = deadline
        self.receives = []  # (request, buffer) of section 13, step 2
        self.sends = []  # (request, memory, done) of batches and chunks
        self.chunks = []  # (request, memory, done) of chunks to come

    def open(self):
        """Section 2, from step 2 on; step 1 was the caller's."""
        world = MPI.COMM_WORLD
        self._finish(world.Ibarrier())
        self.comm = world.Dup_with_info(MPI.INFO_NULL)
        self.comm.Set_errhandler(MPI.ERRORS_RETURN)  # which mpi4py makes exceptions of
        self.programs = self.comm.Dup_with_info(MPI.INFO_NULL)
        self.collectives = self.comm.Dup_with_info(MPI.INFO_NULL)
        self._say_who_finalizes()
        self._do_without_doorbells()
        self.rank, self.size = self.comm.Get_rank(), self.comm.Get_size()
        self.tag_span = min(world.Get_attr(MPI.TAG_UB) or 32767, 1 << 28) - 1
        self._shake_hands()
        self._hear_the_verdict()

    @contextlib.contextmanager
    def watched(self):
        """For calls that block in MPI, where nobody looks at a clock: end a late process with a traceback."""
        faulthandler.dump_traceback_later(self.deadline, exit=True)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()

    def _finish(self, request):
        nap, until = Nap(), time.monotonic() + self.deadline
        while not request.Test():
            if time.monotonic() > until:
                raise TimeoutError("not all ranks came to the opening")
            nap.sleep()

    def _say_who_finalizes(self):
        # 0, 1: the program does, here Rank.close, and no engine has to wait for it.
        mine, anybodys = array.array("i", [0, 1]), array.array("i", [0, 0])
        self._finish(self.comm.Iallreduce([mine, MPI.INT], [anybodys, MPI.INT], MPI.MAX))

    def _do_without_doorbells(self):
        host = self.comm.Split_type(MPI.COMM_TYPE_SHARED, 0, MPI.INFO_NULL)
        if host.Get_size() > 1:
            host.Bcast([bytearray(72), MPI.BYTE], root=0)  # as root: an empty name
            # neither mapped nor locked
            nobody = array.array("i", [0, 0])
            host.Allreduce([array.array("i", [0, 0]), MPI.INT], [nobody, MPI.INT], MPI.MIN)
        host.Free()

    def _shake_hands(self):
        _, lowest = self._compare(wire.handshake(self.tag_span))
        if lowest < self.size:
            self.free()
            raise RuntimeError(f"rank {lowest} speaks another version of the protocol than rank 0")
        # This peer checks no checksums. If rank 0 does it cannot take part, and says so in step 9.
        rank_0, _ = self._compare(wire.NO_CHECKSUMS)
        self.ready = wire.checks_no_sums(rank_0)

    def _compare(self, mine):
        """Section 2, step 8. Rank 0's bytes, and the lowest rank that has others, or the size."""
        length = array.array("Q", [len(mine)])
        self._finish(self.comm.Ibcast([length, 8, MPI.BYTE], root=0))
        theirs = bytearray(mine if self.rank == 0 else length[0])
        self._finish(self.comm.Ibcast([theirs, MPI.BYTE], root=0))
        return bytes(theirs), self._lowest(self.size if theirs == mine else self.rank)

    def _lowest(self, mine):
        # Both have a name, so that they live until the end: a request of mpi4py does not keep them.
        mine, result = array.array("i", [mine]), array.array("i", [0])
        self._finish(self.comm.Iallreduce([mine, MPI.INT], [result, MPI.INT], MPI.MIN))
        return result[0]

    def _hear_the_verdict(self):
        # A peer that is ready gives the size. Twice, as section 2, step 9 wants it.
        failed = self._lowest(self._lowest(self.size if self.ready else self.rank))
        if failed >= self.size:
            return
        word = wire.failed_open("this peer knows no checksums: leave the option out on all ranks")
        self._finish(self.comm.Ibcast([word, MPI.BYTE], root=failed))
        self.free()
        text = bytes(word[4:]).split(b"\0")[0].decode(errors="replace")
        raise RuntimeError(f"rank {failed} could not open: {text}")

    def post_receives(self):
        for _ in range(RECEIVES):
            buffer = bytearray(wire.BATCH_MAX)
            self.receives.append((self._receive_batch(buffer), buffer))

    def _receive_batch(self, buffer):
        return self.comm.Irecv([buffer, MPI.BYTE], source=MPI.ANY_SOURCE, tag=0)

    def send_batch(self, to, batch):
        self._send(to, 0, batch, lambda: None)

    def send_chunk(self, to, number, memory, done):
        """`done()` is called when MPI no longer uses the memory."""
        self._send(to, self._tag(number), memory, done)

    def _send(self, to, tag, memory, done):
        self.sends.append((self.comm.Isend([memory, MPI.BYTE], dest=to, tag=tag), memory, done))

    def receive_chunk(self, source, number, memory, done):
        """`done(came)` is called at the end; `came`: all of it came. Returns the request."""
        request = self.comm.Irecv([memory, MPI.BYTE], source=source, tag=self._tag(number))
        self.chunks.append((request, memory, done))
        return request

    def _tag(self, number):
        return 1 + number % self.tag_span

    def step(self, take):
        """Test everything once. Returns whether anything had happened."""
        happened = self._step_sends()
        happened |= self._step_chunks()
        happened |= self._step_receives(take)
        return happened

    def _step_sends(self):
        sends, self.sends = self.sends, []
        for send in sends:
            request, _, done = send
            if request.Test():
                done()
            else:
                self.sends.append(send)
        return len(self.sends) < len(sends)

    def _step_chunks(self):
        chunks, self.chunks = self.chunks, []
        for chunk in chunks:
            request, memory, done = chunk
            came = _has_come(request, len(memory))
            if came is None:
                self.chunks.append(chunk)
            else:
                done(came)
        return len(self.chunks) < len(chunks)

    def _step_receives(self, take):
        came = False
        for index, (request, buffer) in enumerate(self.receives):
            status = MPI.Status()
            if request.Test(status):
                came = True
                batch = bytes(buffer[: status.Get_count(MPI.BYTE)])
                self.receives[index] = (self._receive_batch(buffer), buffer)
                take(status.Get_source(), batch)
        return came

    def close(self):
        """Section 9, close, steps 3 and 4."""
        for request, _ in self.receives:
            request.Cancel()
            self._finish(request)
        self.free()

    def free(self):
        for comm in (self.collectives, self.programs, self.comm):
            comm.Free()
