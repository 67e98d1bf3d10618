#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# An engine where the system gives no more, and what others can do to what the ranks of a host share.
# With RESOURCES_ALL set also small limits of the whole job, which MPI itself has to survive.
. "$TEST_SRCDIR/tests/support/jobs.sh"
program=$TEST_BUILDDIR/tests/mpi/resources

if [ "$TEST_SANITIZER" != no ]; then
	echo "SKIP: a sanitizer takes more of everything than there is"
	exit 77
fi
if [ "$TEST_MPI_ID" != mpich ]; then
	echo "SKIP: what Open MPI survives was not tried"
	exit 77
fi

# Where MPI survives it, so does an engine.
within() { # what command
	launch -n 2 sh -c "$2 && exec \"\$@\"" sh "$program" plain
	ended_with 0 || { echo "left out: $1: MPI does not survive it"; return; }
	launch -n 2 sh -c "$2 && exec \"\$@\"" sh "$program" small
	check "$1" says '^small checked'
}

# Objects that nobody has.
left() {
	ls /dev/shm | grep -c '^ferry-'
}

for what in limits space threads mode scribble; do
	job 2 $what
	check $what says "^$what checked"
done
before=$(left)
job 2 leave
check "a rank is killed and leaves its object" [ "$(left)" -gt "$before" ]
job 2 small
check "the next job clears it" [ "$(left)" -le "$before" ]
within "a stack of 256 KiB" "ulimit -s 256"
[ -n "$RESOURCES_ALL" ] || finish
for n in 24 28 32 36 40; do
	within "$n descriptors" "ulimit -n $n"
done
for kib in 64 128 192; do
	within "a stack of $kib KiB" "ulimit -s $kib"
done
finish
