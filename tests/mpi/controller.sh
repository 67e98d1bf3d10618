#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The controller and its workers, with 1, 2, 3 and 7 of them, and what it says when something is
# wrong.
. "$TEST_SRCDIR/tests/support/jobs.sh"
program=$TEST_BUILDDIR/examples/controller

for workers in 1 2 3 7; do
	job $((workers + 1)) --size 240 --blocks 4 --threads 3
	check "$workers workers compute the product" says_verified
	check "run every task once, and hold nothing in the end" \
		says "^$workers workers, 3 threads: 82 of 82 tasks, .* 0 left after CLEANUP"
done
check "workers fetch from each other what another one made" says ' [1-9][0-9]* values fetched by workers'

job 3 --size 600 --blocks 2 --threads 1
check "blocks that travel out of band" says_verified
job 3 --size 7 --blocks 7 --threads 8
check "blocks of one number, more threads than blocks a thread" says_verified
job 2 --size 5 --blocks 1
check "one block" says_verified

job 3 --size 60 --corrupt 1
check "a number that is wrong is found" says 'is .*, not '
check "and the job fails" failed
check "and does not say verified" does_not_say '^verified'

# A worker dies. Which status such a job has is the launcher's; where others can be kept alive, and
# how, is in doc/reliability.md.
if [ "$TEST_SANITIZER" = no ]; then
	. "$TEST_SRCDIR/tests/support/deaths.sh"
	(flock 9 && FERRY_PEER_TIMEOUT=1s surviving tcp 4 "$program" --size 240 --blocks 4 --lose 2 \
		9>&-) 9>"${TMPDIR:-/tmp}/ferry-test.$(id -u).lock" >"$work/out" 2>"$work/err"
	status=$?
	check "a worker dies: the controller is told" says '^worker 2 is gone: '
	check "its tasks go to others" says '^[1-9][0-9]* tasks were given to other workers'
	check "and the product is right" says '^verified$'
fi
job 3 --size 12 --blocks 2 --lose 3
check "a worker that is not there cannot be lost" says '^usage: '

job 2 --size 10 --blocks 3
check "blocks that do not divide the size are refused" failed
check "with the usage" says '^usage: '

finish
