#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# One of four ranks dies: each way to die, in the middle of each thing, by TCP and by shared memory,
# 20 times each at different moments. Prints a line for each of these; doc/reliability.md has them.
#
#     ../tests/stress/deaths.sh [PLACE [HOW [WHEN]]]      such as: tcp stop fence; - stands for all
#
# DEATHS_RUNS changes how often. The figures are the worst of all runs and ranks:
#
# wait    how long a wait of another rank went on after the death, or after it began, in s
# told    when the others were told of the death, in s
# close   how long ferry_close took after that, in s
# grown   how much the memory of a rank grew, in MiB
# lost    runs in which something else was wrong
# hung    runs in which a rank did not end
#
# And the middle of what the others did with one another, before the death and until they were told:
# posts a second of each, and how long a call takes that is made after each 32 of them.
. "$(dirname "$0")/common.sh"
case $TEST_MPI in
MPICH | 'Open MPI') ;;
*)
	echo "SKIP: how to keep ranks alive beside a dead one is known of MPICH and Open MPI alone"
	exit 77
	;;
esac
built tests/mpi/deaths
. "$TEST_SRCDIR/tests/support/deaths.sh"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
runs=${DEATHS_RUNS-20}
exec 9>"${TMPDIR:-/tmp}/ferry-test.$(id -u).lock"
flock 9

figures() { # FILE NAME: one a line
	sed -n "s/^end: .*\b$2=\([0-9.]*\).*/\1/p" "$1" >"$work/figures"
	echo "$work/figures"
}

cell() { # place how when
	lost=0 hung=0 run=0
	: >"$work/ends"
	while [ $run -lt "$runs" ]; do
		run=$((run + 1))
		death "$1" "$2" "$3" $run "$work/run" 9>&-
		cat "$work/run/said" >>"$work/ends" 2>/dev/null
		ended_well "$2" "$work/run" && continue
		if hung "$work/run"; then hung=$((hung + 1)); else lost=$((lost + 1)); fi
		[ -z "$DEATHS_KEEP" ] || cp -r "$work/run" "$DEATHS_KEEP/$1-$2-$3-$run"
	done
	printf '| %s | %s | %s | %d |' "$1" "$2" "$3" "$runs"
	for name in longest told close; do
		printf ' %s |' "$(largest "$(figures "$work/ends" $name)")"
	done
	printf ' %s |' "$(largest "$(figures "$work/ends" grown)")"
	printf ' %s to %s |' "$(middle "$(figures "$work/ends" posts)")" \
		"$(middle "$(figures "$work/ends" posts_during)")"
	printf ' %s to %s |' "$(middle "$(figures "$work/ends" us)")" \
		"$(middle "$(figures "$work/ends" us_during)")"
	printf ' %d | %d |\n' $lost $hung
	[ $lost$hung = 00 ] || failed=1
}

wanted() { # what given
	[ "${2:--}" = - ] || [ "$1" = "$2" ]
}

echo '| where | how | when | runs | wait | told | close | grown | posts a second | call, us | lost | hung |'
echo '|---|---|---|---|---|---|---|---|---|---|---|---|'
for place in tcp shm; do
	wanted $place "$1" || continue
	for how in kill exit stop; do
		wanted $how "$2" || continue
		for when in idle posts calls send receive large fence close open; do
			wanted $when "$3" || continue
			cell $place $how $when
		done
	done
done
# What UCX does with large messages unless told otherwise. It is not Ferry's, so it is not judged.
judged=$failed
if [ "$TEST_MPI" = MPICH ] && wanted cma "$1" && wanted kill "$2" && wanted send "$3"; then
	cell cma kill send
fi
exit $judged
