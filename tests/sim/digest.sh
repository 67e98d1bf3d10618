#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# make digest: which course does each seed take? Runs `mixed`, `races` and `transfers` with
# FERRY_SEEDS seeds (1000), writes a digest a seed into tests/sim/digest.new, and prints one line a
# test. With an argument, the digest.new of another build, it names the seeds whose digest is not
# that one's, and exits with 1 when one differs. In these files `short` are the seeds of `mixed` with
# failing allocations, and `scenarios` those of `transfers` that have no seed.
list=$1
new=tests/sim/digest.new
FERRY_SEEDS=${FERRY_SEEDS-1000}
export FERRY_SEEDS
unset FERRY_SEED FERRY_FIRST_SEED

running=
for test in mixed races transfers; do
	rm -f "$new.$test"
	FERRY_TEST_DIGEST=$new.$test tests/sim/$test.t >tests/sim/$test.digest.log 2>&1 &
	running="$running $test:$!"
done
failed=0
for test in $running; do
	wait "${test#*:}" && continue
	echo "tests/sim/${test%:*}.t failed: see tests/sim/${test%:*}.digest.log" >&2
	failed=1
done
[ $failed = 0 ] || exit 1

cat $new.mixed $new.races $new.transfers | LC_ALL=C sort -k 1,1 -k 2,2n >$new
rm -f $new.mixed $new.races $new.transfers
for name in mixed short races transfers scenarios; do
	lines=$(grep "^$name " $new)
	sum=$(echo "$lines" | cksum)
	echo "$name 1 to $(echo "$lines" | wc -l): ${sum%% *}"
done
[ -n "$list" ] || exit 0
awk '
	FILENAME == ARGV[1] { was[$1, $2] = $3; next }
	!(($1, $2) in was) { print $1, $2, "is new"; bad = 1 }
	($1, $2) in was && was[$1, $2] != $3 { differ[$1] = differ[$1] " " $2; n[$1]++; bad = 1 }
	END {
		for (name in n)
			print name ": " n[name] " differ:" differ[name]
		if (!bad)
			print "all are the same"
		exit bad
	}' "$list" $new
