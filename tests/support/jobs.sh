# SPDX-License-Identifier: Apache-2.0
# Sourced by a script of tests/mpi that runs a program as jobs of several ranks and checks, one
# thing after the other, how each ended and what it printed. The script sets program where it uses
# job, and ends with finish.
. "$TEST_SRCDIR/tests/support/environment.sh"
if [ -z "$MPIEXEC" ]; then
	echo "SKIP: no MPI launcher: install mpich, or configure with MPIEXEC"
	exit 77
fi
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failures=0
launch_lock=${TMPDIR:-/tmp}/ferry-test.$(id -u).lock
launch_alone="flock $launch_lock"

# launch ARG...: what the launcher makes of it; output goes to $work/out and $work/err, the exit
# status to $status.
launch() {
	MPIEXEC_TIMEOUT=60 $launch_alone \
		timeout --kill-after=10 70 $MPIEXEC $MPIEXEC_FLAGS "$@" </dev/null >"$work/out" 2>"$work/err"
	status=$?
}

# beside NAME COMMAND...: `launch` or what uses it, in the background, beside up to three others. The
# lock is that of the script, so jobs of other scripts wait. `of NAME` waits, and then checks are of
# that one.
n_beside=0
beside() {
	name=$1
	shift
	mkdir "$work/$name" || exit 1
	if [ $n_beside -eq 0 ]; then
		exec 8>>"$launch_lock"
		flock 8
	fi
	(
		work=$work/$name
		launch_alone=
		"$@"
		echo "$status" >"$work/status"
	) &
	n_beside=$((n_beside + 1))
	[ $n_beside -lt 4 ] || end_beside
}
end_beside() {
	wait
	exec 8>&-
	n_beside=0
}
of() {
	[ $n_beside -eq 0 ] || end_beside
	cp "$work/$1/out" "$work/$1/err" "$work"
	status=$(cat "$work/$1/status")
}

# For what lets a rank die beside others that live: it needs MPICH's launcher, and time.
needs_survivors() {
	if [ "$TEST_MPI_ID" != mpich ]; then
		echo "SKIP: how to keep ranks alive beside a dead one is known of MPICH's launcher alone"
		exit 77
	fi
	if [ "$TEST_SANITIZER" != no ]; then
		echo "SKIP: a build with a sanitizer is too slow for its timeouts"
		exit 77
	fi
}

# job RANKS ARG...: so many ranks of $program.
job() {
	ranks=$1
	shift
	launch -n "$ranks" "$program" "$@"
}

# check WHAT COMMAND...: one line for each thing that is tested.
check() {
	what=$1
	shift
	if "$@"; then
		echo "ok: $what"
	else
		echo "FAILED: $what (the job ended with status $status)"
		cut -c 1-200 "$work/out" "$work/err" | tail -n 30
		failures=$((failures + 1))
	fi
}

finish() {
	[ $failures -eq 0 ] && exit 0
	echo "$failures failed"
	exit 1
}

# What is checked of the job that ended last.
ended_with() { [ "$status" -eq "$1" ]; }
failed() { [ "$status" -ne 0 ] && [ "$status" -lt 124 ]; }
says() { grep -q -e "$1" "$work/out" "$work/err"; }
does_not_say() { ! says "$1"; }
says_verified() { ended_with 0 && says '^verified$'; }
