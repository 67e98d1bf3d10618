#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# ferry-ask beside jobs that hang: it names who keeps the others waiting, in 3 s, long before
# peer_timeout. Another user is not answered. With ASKED_ALL set more ways to hang are tried.
. "$TEST_SRCDIR/tests/support/jobs.sh"
program=$TEST_BUILDDIR/tests/mpi/asked
ask=$TEST_BUILDDIR/tools/ferry-ask

if [ "$TEST_SANITIZER" != no ]; then
	echo "SKIP: a build with a sanitizer is too slow for 3 s"
	exit 77
fi

# begin RANKS HOW VICTIM ARG...: a job of so many ranks in the background, until all hang.
begin() {
	ranks=$1 how=$2 victim=$3
	shift 3
	n_jobs=$((n_jobs + 1))
	dir=$work/$how.$n_jobs
	mkdir -m 700 "$dir" "$dir/files" || exit 1
	(
		work=$dir
		launch "$@" -n "$ranks" sh -c "$shell" sh "$program" "$how" "$dir" "$victim"
		echo $status >"$dir/status"
	) &
	for i in $(seq 200); do
		[ "$(ls "$dir" | grep -c '^pid')" -eq "$ranks" ] && break
		sleep 0.1
	done
	sleep 0.5 # what they wait for next
}

# ask ARG...: what it says goes where a job's output does, and how long it took to $ms.
ask() {
	began=$(date +%s%N)
	timeout 20 "$ask" "$@" >"$work/out" 2>"$work/err"
	status=$?
	ms=$((($(date +%s%N) - began) / 1000000))
}

end() {
	: >"$dir/go"
	kill -CONT "$(cat "$dir/pid.$victim")"
	wait
	cat "$dir/out" >"$work/out"
	cat "$dir/err" >"$work/err"
	status=$(cat "$dir/status")
	check "$how: the job ends" ended_with 0
}

in_time() { [ "$ms" -lt 3000 ]; }

n_jobs=0
shell='export FERRY_MONITOR="$3/files"; exec "$@"'

begin 8 stop 3
ask -d "$dir/files"
check "stop: it takes $ms ms" in_time
check "stop: the status is 1" ended_with 1
check "stop: who is stopped is named" says '^rank 3: its process [0-9]* is stopped, silent for .*; 14 operations of ranks 0-2,4-7 wait for it, the oldest a call of op 7'
check "stop: the others are one line" says '^ranks 0-2,4-7: a thread waits for a reply of rank 3'
ask -d "$dir/files" --json
check "stop: JSON" says '"rank": 3, "trouble": "stopped"'
ask -d "$dir/files" -p "$(cat "$dir/pid.1")" -r 1
check "stop: a process is found" says '^job .*: 8 ranks of asked, 1 of them in trouble'
ask -d "$dir/files" -r 9
check "stop: no such rank" ended_with 1
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
	chmod 755 "$work"
	timeout 20 setpriv --reuid 65534 --regid 65534 --clear-groups "$ask" -d "$dir/files" \
		>"$work/out" 2>"$work/err"
	status=$?
	check "stop: another user gets no answer" does_not_say '^rank'
	check "stop: nor the status 0" failed
	chmod 711 "$dir" "$dir/files"
	timeout 20 setpriv --reuid 65534 --regid 65534 --clear-groups "$ask" -d "$dir/files" \
		>"$work/out" 2>"$work/err"
	status=$?
	check "stop: nor by a directory that is open" failed
	chmod 700 "$dir" "$dir/files"
fi
end

begin 4 handler 2
ask -d "$dir/files"
check "handler: it takes $ms ms" in_time
check "handler: it is named" says '^rank 2: its progress thread is inside of the handler of op 7'
end

# Two hosts, as far as the launcher says, and each has a directory of its own. Those of the other
# one are asked by words, and one of them reads the file of who is stopped there.
if [ "$TEST_MPI_ID" = mpich ]; then
	shell='host=$((${PMI_RANK:-0} / 2)); mkdir -p -m 700 "$3/files/$host"
		export FERRY_MONITOR="$3/files/$host"; exec "$@"'
	begin 4 stop 3 -launcher fork -hosts a:2,b:2
	ask -d "$dir/files/0"
	check "far: it takes $ms ms" in_time
	check "far: who is stopped is named" says '^rank 3: its process [0-9]* is stopped'
	check "far: the others are one line" says '^ranks 0-2: a thread waits for a reply of rank 3'
	end
fi
[ -n "$ASKED_ALL" ] || finish
shell='export FERRY_MONITOR="$3/files"; exec "$@"'
for how in close fork closed; do
	begin 4 $how 1
	ask -d "$dir/files"
	check "$how: it takes $ms ms" in_time
	check "$how: the others are one line" says '^ranks 0,2,3: waiting in ferry_'
	end
done
finish
