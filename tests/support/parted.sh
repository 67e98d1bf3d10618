# SPDX-License-Identifier: Apache-2.0
# Sourced after hosts.sh by what parts hosts that are busy with one another: a job of tests/mpi/parted
# on the hosts, which are joined by a cable, and what is asked of it.
#
#     parted_begin 2               the job, with so many ranks on each host; all are busy when it returns
#     parted_now                   something happens now
#     parted_await 2 "[01] gone 2" until that was said so often
#     parted_end                   the job ends
#     parted_judge WHAT "0 1" "2"  ranks 0 and 1 went on without 2, were told in time, and all is right
#     parted_stopped WHAT "2"      rank 2 stopped its engine, in time
#
# The two last print PASS or FAIL, and count failures in $failed. Times go to $HOSTS_DIR/ends and
# closes, one a line. $peer_timeout is in ms; a wait may last half of it and 2 s longer.
parted_log=$HOSTS_DIR/said
parted_clock() { date +%s%3N; }

parted_begin() { # ranks on each host
	rm -f "$parted_log" "$parted_log.end"
	: >"$parted_log"
	(
		MPIEXEC_FLAGS=-disable-auto-cleanup TEST_TIMEOUT=150 FERRY_PEER_TIMEOUT=${peer_timeout}ms
		export FERRY_PEER_TIMEOUT
		on_hosts "$1" "$TEST_BUILDDIR/tests/mpi/parted" "$parted_log" >"$HOSTS_DIR/job" 2>&1
	) &
	parted_job=$!
	parted_await $(($1 * hosts_n)) "[0-9]* ready"
	sleep 0.5
}

# Ends soon also when it is never said: what is missing is then found by who judges.
parted_await() { # how often, a pattern of ranks and what they say
	parted_tries=0
	while [ "$(grep -c "^rank $2" "$parted_log")" -lt "$1" ] && [ $parted_tries -lt $((peer_timeout / 40 + 300)) ]; do
		parted_tries=$((parted_tries + 1))
		sleep 0.05
	done
}

parted_now() { parted_at=$(parted_clock); }

parted_end() {
	parted_ended=$(parted_clock)
	: >"$parted_log.end"
	wait $parted_job
	parted_status=$?
}

# The process of a rank.
parted_process() { sed -n "s/^rank $1 ready, process //p" "$parted_log"; }

parted_say() { # awk's program
	awk -v what="$1" -v at="$parted_at" -v limit=$((peer_timeout * 3 / 2 + 2000)) -v over="$parted_ended" \
		-v some="$2" -v others="$3" -v times="$HOSTS_DIR" '
		function bad(why) { if (!wrong) wrong = why }
		function most(a, b) { return a > b ? a : b }
		$3 == "gone" { gone[$2, $4] = $6 }
		$3 == "waited" { waited[$2] = $5 }
		$3 == "stopped" { stopped[$2] = $5 }
		$3 == "went" { rounds[$2] = $5 }
		$3 == "closed" { closed[$2] = $5 }
		$3 == "right" { right[$2] = 1 }
		END { n = split(some, rank, " "); m = split(others, other, " ")'"$4"'
			for (i = 1; i <= n; i++) {
				if (!right[rank[i]])
					bad("rank " rank[i] " does not say that all is right")
				if (closed[rank[i]] > 5000)
					bad("rank " rank[i] " closed in " closed[rank[i]] " ms")
				close_took = most(close_took, closed[rank[i]])
			}
			if (took > limit)
				bad("it took " took " ms")
			printf "%s: %s: %s%d ms (at most %d), closed in %d ms\n", wrong ? "FAIL" : "PASS", what,
				wrong ? wrong "; " : "", took, limit, close_took
			if (!wrong) {
				print took >>(times "/ends")
				print close_took >>(times "/closes")
			}
			exit wrong != "" }' "$parted_log" && return
	cat "$parted_log" "$HOSTS_DIR/job"
	failed=1
}

parted_judge() { # what, who went on, without whom
	parted_say "$1" "$2" "$3" '
		for (i = 1; i <= n; i++) {
			if (m && rounds[rank[i]] < 3)
				bad("rank " rank[i] " went on for " rounds[rank[i]] " rounds")
			for (j = 1; j <= m; j++) {
				if (!gone[rank[i], other[j]])
					bad("rank " rank[i] " was not told that " other[j] " is gone")
				took = most(took, gone[rank[i], other[j]] - at)
			}
			for (j = 1; j <= n; j++)
				if (gone[rank[i], rank[j]] && gone[rank[i], rank[j]] < over)
					bad("for rank " rank[i] " rank " rank[j] " is gone, too")
			if (m && waited[rank[i]])
				took = most(took, waited[rank[i]] - at)
		}'
}

parted_stopped() { # what, who
	parted_say "$1" "$2" "" '
		for (i = 1; i <= n; i++) {
			if (!stopped[rank[i]])
				bad("rank " rank[i] " did not stop")
			took = most(took, stopped[rank[i]] - at)
		}'
}
