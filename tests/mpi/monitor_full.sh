#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The directory of monitor files is on a file system that is full: an engine says so in its log, and
# runs.
. "$TEST_SRCDIR/tests/support/environment.sh"
program=$TEST_BUILDDIR/tests/mpi/statistics
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work" "$work.out"' EXIT
bad=0

# inside SCRIPT: with a file system of 256 KiB at $work, of which this script alone knows.
inside() {
	timeout 60 unshare -rm sh -c 'mount -t tmpfs -o size=256k none "$1" && cd "$1" && eval "$3"' \
		sh "$work" "$program" "$1" >"$work.out" 2>&1 </dev/null
	status=$?
}
check() { # WHAT COMMAND...
	what=$1
	shift
	if "$@"; then
		echo "ok: $what"
	else
		echo "FAILED: $what (status $status)"
		head -n 30 "$work.out"
		bad=1
	fi
}
ended_with() { [ "$status" -eq "$1" ]; }
says() { grep -q -e "$1" "$work.out"; }
does_not_say() { ! says "$1"; }

if ! command -v unshare >/dev/null || ! timeout 20 unshare -rm mount -t tmpfs -o size=64k none "$work" 2>/dev/null; then
	echo "SKIP: this user may not mount a file system of its own (unshare -rm)"
	exit 77
fi
export FERRY_STATS=1 FERRY_LOG=stderr
setup='mkdir -m 700 files; export FERRY_MONITOR="$1/files"'
fill='dd if=/dev/zero of=rest bs=4096 2>/dev/null'

inside "$setup; "'"$2" plain; s=$?; find files -type f; exit $s'
check "with room an engine runs" ended_with 0
check "and says nothing of its file" does_not_say 'other programs do not see'
inside "$setup; $fill; "'"$2" plain; s=$?; find files -type f; exit $s'
check "without room an engine runs" ended_with 0
check "with all that it does" says '^ferry:   posts  *10 '
check "its log says that it is not seen, where, and why" \
	says "other programs do not see this engine: $work/files/.*ferry: No space left on device"
check "no half of a file is left" does_not_say '^files/'
exit $bad
