#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Two hosts and the cable between them. It delays, loses and doubles frames: all is delivered, once.
# It is cut for ever: both sides are told in time, and each goes on by itself. stress/hosts.sh has
# all of it, over more hosts.
if [ "$TEST_SANITIZER" != no ]; then
	echo "SKIP: a build with a sanitizer is too slow for its timeouts"
	exit 77
fi
. "$TEST_SRCDIR/tests/support/environment.sh"
. "$TEST_SRCDIR/tests/support/hosts.sh"
if [ -z "$HOSTS_DIR" ]; then # one job at a time, as mpirun.sh has it
	exec 9>"${TMPDIR:-/tmp}/ferry-test.$(id -u).lock" && flock 9
fi
hosts_enter "$@"
failed=0
. "$TEST_SRCDIR/tests/support/parted.sh"
hosts_up 2 none
hosts_cable "${HOSTS_SEED-1}"

peer_timeout=15000 # a frame may be lost several times
hosts_bad_link
parted_begin 1
sleep 1
parted_end
parted_judge "a link that delays, loses and doubles" "0 1" ""
[ "$(cable_count lost)" -gt 0 ] && [ "$(cable_count doubled)" -gt 0 ] ||
	{ echo "FAIL: the cable lost or doubled nothing" && failed=1; }
hosts_bad_link
( export TMPDIR="$HOSTS_DIR" && hosts_test calls 2 && exit $failed ) || failed=1
hosts_good_link

peer_timeout=1000
parted_begin 1
parted_now
cable cut
parted_await 2 "[01] gone"
sleep 0.3
parted_end
parted_judge "cut for ever, one side" 0 1
parted_judge "cut for ever, the other" 1 0
[ "$(cable_count cut)" -gt 0 ] || { echo "FAIL: the cable has cut nothing off" && failed=1; }
exit $failed
