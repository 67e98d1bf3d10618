#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# ferry-ask beside jobs that hang, several at once: it names who keeps the others waiting, in 3 s, long
# before peer_timeout, says what is proved, and leaves out what has ended. Another user is not
# answered, and reads nothing. With ASKED_ALL set more ways to hang are tried.
. "$TEST_SRCDIR/tests/support/jobs.sh"
program=$TEST_BUILDDIR/tests/mpi/asked
ask=$TEST_BUILDDIR/tools/ferry-ask

if [ "$TEST_SANITIZER" != no ]; then
	echo "SKIP: a build with a sanitizer is too slow for 3 s"
	exit 77
fi

# The jobs wait for one another's end, so the lock is that of the script.
exec 8>>"$launch_lock"
flock 8
launch_alone=

# begin NAME RANKS HOW VICTIM ARG...: a job of so many ranks in the background, beside others.
begin() {
	dir=$work/$1
	ranks=$2 how=$3 victim=$4
	shift 4
	mkdir -m 700 "$dir" "$dir/files" || exit 1
	echo "$ranks $victim" >"$dir/of"
	(
		work=$dir
		launch "$@" -n "$ranks" sh -c "$shell" sh "$program" "$how" "$dir" "$victim"
		echo $status >"$dir/status.new"
		mv "$dir/status.new" "$dir/status"
	) &
}

# hanging NAME: until all of its ranks hang. The checks that follow are of that job.
hanging() {
	how=$1
	dir=$work/$how
	read -r ranks victim <"$dir/of"
	for i in $(seq 200); do
		[ "$(ls "$dir" | grep -c '^pid')" -eq "$ranks" ] && break
		sleep 0.1
	done
	[ "$i" -eq 1 ] || sleep 0.5 # what they wait for next
}

# ask ARG...: what it says goes where a job's output does, and how long it took to $ms.
ask() {
	began=$(date +%s%N)
	timeout 20 "$ask" "$@" >"$work/out" 2>"$work/err"
	status=$?
	ms=$((($(date +%s%N) - began) / 1000000))
}

await_end() {
	for i in $(seq 600); do
		[ -e "$dir/status" ] && break
		sleep 0.1
	done
}

end() {
	: >"$dir/go"
	kill -CONT "$(cat "$dir/pid.$victim")"
	await_end
	cat "$dir/out" >"$work/out"
	cat "$dir/err" >"$work/err"
	status=$(cat "$dir/status")
	check "$how: the job ends" ended_with 0
}

in_time() { [ "$ms" -lt 3000 ]; }

shell='export FERRY_MONITOR="$3/files"; exec "$@"'
begin stop 8 stop 3
begin handler 4 handler 2
begin circle 3 circle 2
# Two hosts, as far as the launcher says, and each has a directory of its own.
if [ "$TEST_MPI_ID" = mpich ]; then
	shell='host=$((${PMI_RANK:-0} / 2)); mkdir -p -m 700 "$3/files/$host"
		export FERRY_MONITOR="$3/files/$host"; exec "$@"'
	begin far 4 stop 3 -launcher fork -hosts a:2,b:2
fi

hanging stop
ask -d "$dir/files"
check "stop: it takes $ms ms" in_time
check "stop: the status is 1" ended_with 1
check "stop: who is stopped is named" says '^rank 3: its process [0-9]* is stopped, silent for .*; 14 operations of ranks 0-2,4-7 wait for it, the oldest a call of op 7'
check "stop: the others are one line" says '^ranks 0-2,4-7: a thread waits for a reply of rank 3'
ask -d "$dir/files" -p "$(cat "$dir/pid.1")" -r 1 --json
check "stop: a process is found" says '"size": 8'
check "stop: JSON" says '"rank": 3, "trouble": "stopped"'
ask -d "$dir/files" -r 9
check "stop: no such rank" ended_with 1
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
	as_nobody() {
		timeout 20 setpriv --reuid 65534 --regid 65534 --clear-groups "$@" >"$work/out" 2>"$work/err"
		status=$?
	}
	chmod 755 "$work"
	cp "$ask" "$work/ferry-ask" # who may not search the build directory runs this one
	as_nobody "$work/ferry-ask" --version
	check "stop: another user has the tool" ended_with 0
	as_nobody "$work/ferry-ask" -d "$dir/files"
	check "stop: another user gets no answer" does_not_say '^rank'
	check "stop: nor the status 0" failed
	chmod 755 "$dir" "$dir/files"
	as_nobody ls "$dir/files"
	check "stop: by a directory that is open the names are seen" test "$(grep -c '\.ferry$' "$work/out")" -eq 8
	as_nobody "$work/ferry-ask" -d "$dir/files"
	check "stop: but nothing is answered" does_not_say '^rank'
	check "stop: nor is the status 0" failed
	as_nobody sh -c 'cd "$1" && for file in *; do cat "$file" && echo "$file was read"; done' sh "$dir/files"
	check "stop: and no file is read" does_not_say 'was read'
	check "stop: because that is not allowed" test "$(grep -c 'Permission denied' "$work/err")" -ge 8
	chmod 700 "$dir" "$dir/files"
else
	echo "not root, or no setpriv: nobody asked as another user"
fi
end

hanging handler
ask -d "$dir/files"
check "handler: it takes $ms ms" in_time
check "handler: it is named" says '^rank 2: its progress thread is inside of the handler of op 7'
ask -d "$dir/files" --why
check "handler: why: the status is 1" ended_with 1
check "handler: why: who can end it is no proof" says '^job .* of 4 ranks: likely stuck; '
check "handler: why: the root is named" says 'the root is rank 2: the inline handler of op 0x7 has not returned'
end

# The helper threads of other MPIs have no names by which they are known.
[ "$TEST_MPI_ID" = mpich ] && verdict='proved: nothing can go on any more' || verdict='likely stuck'
hanging circle
ask -d "$dir/files" --why
check "circle: why: it takes $ms ms" in_time
check "circle: why: the status is 1" ended_with 1
check "circle: why: $verdict" says "^job .* of 3 ranks: $verdict"
check "circle: why: who waits in the fence" says '^ranks 0-1: thread "asked" waits in ferry_fence'
check "circle: why: who reads" says '^rank 2: thread "asked" waits in ferry_recv for op 0x7 from rank 0'
check "circle: why: the circle" says '^a circle: .*rank 2 waits for rank 0'
ask -d "$dir/files" --why --dot
check "circle: why: as a graph" says 'r2 -> r0'
id=$(ask -d "$dir/files"; sed -n 's/^job \([0-9a-f]*\):.*/\1/p' "$work/out")
kill -KILL $(cat "$dir"/pid.*)
await_end
ask -d "$dir/files"
check "circle: of a job that was killed there is no answer" does_not_say '^job\|^rank'
check "circle: but a sentence" says '^ferry-ask: of 1 job no process of this host lives any more: '
check "circle: and the status 1" ended_with 1
ask -d "$dir/files" --why
check "circle: nor is it asked why" does_not_say '^job\|^rank'
check "circle: but said" says '^ferry-ask: of 1 job no process of this host lives any more: '
ask -d "$dir/files" --job "$id"
check "circle: who names it is told that it is dead" says "^job $id: 3 ranks of asked, 3 of them in trouble"
check "circle: and not that it was left out" does_not_say 'lives any more'

# Those of the other host are asked by words, and one of them reads the file of who is stopped there.
if [ "$TEST_MPI_ID" = mpich ]; then
	hanging far
	ask -d "$dir/files/0"
	check "far: it takes $ms ms" in_time
	check "far: who is stopped is named" says '^rank 3: its process [0-9]* is stopped'
	check "far: the others are one line" says '^ranks 0-2: a thread waits for a reply of rank 3'
	end
fi
[ -n "$ASKED_ALL" ] || finish
shell='export FERRY_MONITOR="$3/files"; exec "$@"'
for how in close fork closed; do
	begin $how 4 $how 1
	hanging $how
	ask -d "$dir/files"
	check "$how: it takes $ms ms" in_time
	check "$how: the others are one line" says '^ranks 0,2,3: waiting in ferry_'
	end
done
finish
