#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The short way through ferry_post: no locked instruction, no fence, no system
# call and no allocation. Looks at the machine code that was built (x86-64).
set -u
object=$PWD/.libs/libferry.so
say() { printf '%s\n' "$*"; }
skip() { say "$*"; exit 77; }
[ "$(uname -m)" = x86_64 ] || skip "the test reads x86-64 code"
command -v objdump >/dev/null || skip "objdump is missing"
[ -f "$object" ] || skip "no shared library was built"
# An instrumented build has other code.
nm "$object" | grep -qE '__(tsan|asan|ubsan|gcov)' && skip "an instrumented build"

code=$(objdump -d --no-show-raw-insn --disassemble=ferry_post "$object")

failed=0
check() { # NUMBER TEXT BAD-LINES
	if [ -z "$3" ]; then
		say "ok $1 - $2"
	else
		say "not ok $1 - $2"
		printf '%s\n' "$3" | sed 's/^/# /'
		failed=1
	fi
}
printf '%s\n' "$code" | grep -q '<ferry_post>:' || { say "ferry_post was not found in $object"; exit 1; }
check 1 "no locked instruction and no fence" \
	"$(printf '%s\n' "$code" | grep -wE 'lock|xchg|mfence|lfence|sfence' | grep -v 'xchg *%ax,%ax')"
check 2 "no system call" "$(printf '%s\n' "$code" | grep -wE 'syscall|sysenter|int')"
# What it may call: the ways with a future, a full or new lane, a sleeper, and memcpy for longer
# bodies.
long_ways='ferry_post_for|post_awaited|fy_lane_reserve_slow|fy_wake_up|fy_wake_fence|fy_own_lane_list'
long_ways="$long_ways|fy_own_lane_orphaned|fy_fail|fy_rouse|posted_too_late"
check 3 "calls nothing but the long ways and memcpy" \
	"$(printf '%s\n' "$code" | grep -wE 'call|jmp' | grep -E '<[a-z_@]+>' | sed 's/.*<\(.*\)>.*/\1/' | sort -u |
		grep -vE "^($long_ways|memcpy|ferry_post)(@plt)?(\.[a-z.0-9]+)?\$")"
exit $failed
