#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# mpirun.sh NP PROGRAM [ARG...]: one MPI test with NP ranks.
# One at a time per user, since NP ranks on few cores are load enough, and
# never longer than TEST_TIMEOUT seconds. Every rank writes its output and its
# exit status to a file (rank.sh): what launchers make of several statuses differs.
# Exit: 0 good, 77 skipped, 99 out of time, 1 anything else.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/environment.sh"
np=$1
shift
if [ -z "$MPIEXEC" ]; then
	echo "SKIP: no MPI launcher: install mpich, or configure with MPIEXEC"
	exit 77
fi

limit=${TEST_TIMEOUT:-120}
TEST_RANK_LOG=$(dirname "$1")/$(basename "$1")
export TEST_RANK_LOG
rm -f "$TEST_RANK_LOG".rank*

# The launchers' own limit ends the ranks in good order; ours is behind it.
MPIEXEC_TIMEOUT=$limit flock "${TMPDIR:-/tmp}/ferry-test.$(id -u).lock" \
	timeout --kill-after=10 $((limit + 10)) \
	$MPIEXEC $MPIEXEC_FLAGS -n "$np" "$here/rank.sh" "$@" </dev/null >"$TEST_RANK_LOG.ranks.log" 2>&1
launched=$?

result=0
skipped=0
rank=0
while [ $rank -lt "$np" ]; do
	status=$(cat "$TEST_RANK_LOG.rank$rank.status" 2>/dev/null)
	case ${status:-none} in
	0) ;;
	77) skipped=1 ;;
	none) echo "rank $rank did not end by itself"; result=1 ;;
	*) echo "rank $rank ended with status $status"; result=1 ;;
	esac
	rank=$((rank + 1))
done
if grep -q 'APPLICATION TIMED OUT\|mpirun will now terminate\|JOB.*timed out' "$TEST_RANK_LOG.ranks.log" ||
	[ $launched -eq 124 ] || [ $launched -eq 137 ]; then
	echo "TIMEOUT after $limit s"
	result=99
fi
# UCX names every request and message that was left behind at MPI_Finalize.
if grep -E 'UCX +WARN.*(was not returned|was not matched)' "$TEST_RANK_LOG".rank*.log; then
	echo "MPI requests or messages were left behind"
	result=1
fi
if [ $launched -ne 0 ] && [ $result -eq 0 ] && [ $skipped -eq 0 ]; then
	echo "the launcher ended with status $launched"
	result=1
fi
cat "$TEST_RANK_LOG.ranks.log" "$TEST_RANK_LOG.rank0.log" 2>/dev/null
if [ $result -ne 0 ]; then
	rank=1
	while [ $rank -lt "$np" ]; do
		echo "---- rank $rank:"
		tail -n 50 "$TEST_RANK_LOG.rank$rank.log" 2>/dev/null
		rank=$((rank + 1))
	done
	exit $result
fi
[ $skipped -eq 0 ] || exit 77
rm -f "$TEST_RANK_LOG".rank*
