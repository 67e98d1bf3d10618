# SPDX-License-Identifier: Apache-2.0
# Sourced by the scripts beside it, which may be run from the build directory as they are, or by
# make stress:
#
#     make && ../tests/stress/flood.sh
#
# Each prints its figures, with PASS or FAIL where there is a limit, and ends with 0, 1, or 77 where
# it cannot run.
TEST_SRCDIR=${TEST_SRCDIR-$(cd "$(dirname "$0")/../.." && pwd)}
TEST_BUILDDIR=${TEST_BUILDDIR-$PWD}
if [ ! -f "$TEST_BUILDDIR/config.status" ]; then
	echo "$TEST_BUILDDIR is no build directory of this library: go there first, or set TEST_BUILDDIR" >&2
	exit 1
fi
# What configure found, unless the environment says otherwise.
configured() {
	sed -n "s/^$1 = //p" "$TEST_BUILDDIR/Makefile" | head -1
}
MPIEXEC=${MPIEXEC-$(configured MPIEXEC)}
MPIEXEC_FLAGS=${MPIEXEC_FLAGS-$(configured MPIEXEC_FLAGS)}
TEST_MPI=${TEST_MPI-$(configured MPI_NAME)}
export TEST_SRCDIR TEST_BUILDDIR TEST_MPI MPIEXEC MPIEXEC_FLAGS
if [ -z "$MPIEXEC" ]; then
	echo "SKIP: no MPI launcher: install mpich, or configure with MPIEXEC"
	exit 77
fi
. "$TEST_SRCDIR/tests/support/environment.sh"
perf=$TEST_BUILDDIR/tools/ferry-perf
failed=0

# built PROGRAM: makes it where it is missing.
built() {
	[ -x "$TEST_BUILDDIR/$1" ] || ${MAKE-make} -s -C "$TEST_BUILDDIR" "$1" >&2 &&
		[ -x "$TEST_BUILDDIR/$1" ] && return
	echo "FAIL: $1 cannot be built in $TEST_BUILDDIR" >&2
	exit 1
}

# one_host RANKS PROGRAM ARG...
one_host() {
	ranks=$1
	shift
	MPIEXEC_TIMEOUT=${TEST_TIMEOUT:-300} $MPIEXEC $MPIEXEC_FLAGS -n "$ranks" "$@" </dev/null
}

# metric FILE SERIES NAME: the median that ferry-perf wrote into a report as JSON; nothing if there
# is none.
metric() {
	awk -v series="\"name\": \"$2\"" -v metric="\"metric\": \"$3\"" '
		index($0, "\"name\": ") { on = index($0, series) }
		on && index($0, metric) { sub(/.*"median": /, ""); sub(/,.*/, ""); print; exit }' "$1"
}

# ratio FILE PEER NAME: likewise the median of Ferry's quotients with that peer.
ratio() {
	awk -v peer="\"peer\": \"$2\"" -v metric="\"metric\": \"$3\"" '
		index($0, peer) && index($0, metric) { sub(/.*"median": /, ""); sub(/,.*/, ""); print; exit }' "$1"
}

# judge WHAT VALUE at_most|at_least LIMIT UNIT
judge() {
	if [ -z "$2" ]; then
		verdict="FAIL: $1: there is no figure"
	else
		verdict=$(awk -v what="$1" -v value="$2" -v how="$3" -v limit="$4" -v unit="$5" 'BEGIN {
			good = how == "at_most" ? value + 0 <= limit + 0 : value + 0 >= limit + 0
			gsub("_", " ", how)
			printf "%s: %s: %.4g%s (%s %g%s)\n", good ? "PASS" : "FAIL", what, value, unit, how, limit, unit
		}')
	fi
	echo "$verdict"
	case $verdict in FAIL*) failed=1 ;; esac
}

# middle and largest of numbers, one a line
middle() {
	sort -g "$1" | awk '
		{ v[NR] = $1 }
		END { if (NR) print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}
largest() {
	sort -g "$1" | tail -n 1
}
