#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# How many instructions of the library one operation takes, and which cache lines of the large
# structs a post touches. Needs valgrind, and gdb for the names of members.
#
#     make instructions                       in a build with the flags that are to be measured
#     tools/instructions.sh PROGRAM COMPILER...
#
# tools/instructions runs each operation under callgrind, a few bursts and many. The difference is
# divided by the operations between, so what happens only once is in no figure. The same build gives
# the same figures, over MPI as well.
#
#     post     64 bytes, until the handler has returned
#     future   the same with a future, until it was released
#     counted  the same with a counter instead, until that has counted it
#     call     64 bytes and as many back, until future and reply were released
#     isend    ferry_isend of 64 bytes to a receive of its own rank, until the future was released
#
# Counted are the functions that are linked into the program, but for those of the simulated network
# (tests/sim/net) and of instructions.c; an inline function belongs to where it is inlined. MPI and
# libc are other objects, and not counted. Beside the sum stand the instructions of libc that the
# library itself calls for: malloc, memcpy, locks, the clock.
#
# "application" is what the program's thread does: post, wait, take, release. The other two are the
# steps of the helm at the sender and at the receiver. There are few of these in a burst, so an
# operation pays more for steps and batches in a burst of 64 than in one of 256.
set -eu
few=20 many=120
program=$1
shift
valgrind=${VALGRIND:-valgrind}
command -v "$valgrind" >/dev/null || { echo "instructions.sh: valgrind is missing" >&2 && exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
run() { # OPTIONS of valgrind, program, its arguments
	"$valgrind" "$@" >"$work/out" 2>"$work/err" && return
	cat "$work/out" "$work/err" >&2
	exit 1
}

# The sums of one run: application, sender, receiver, libc.
# A context is the function and its callers, with ' between. "fl=", "fn=" and so on name something
# by (NUMBER) NAME at first and by (NUMBER) alone later; the line behind "calls=" is the callee's.
sums() { # FILE
	awk -v program="${program##*/}" '
		function named(kind, s,   id) {
			id = s; sub(/\).*/, ")", id)
			if (length(s) > length(id)) names[kind id] = substr(s, length(id) + 2)
			return names[kind id]
		}
		function base(path) { sub(/.*\//, "", path); return path }
		function first(context) { sub(/\047.*/, "", context); return context }
		function settle(   f) {
			f = first(fn)
			if (base(ob) == program) {
				own = fl !~ /sim\/net\/[^\/]*$/ && fl !~ /instructions\.[ch]$/
				if (own) library[f] = counts[fn] = 1
			} else if (base(ob) ~ /^libc\./) libc[f] = 1
		}
		/^ob=/ { ob = named("o", substr($0, 4)); next }
		/^fl=/ { fl = named("f", substr($0, 4)); next }
		/^fn=/ { fn = named("n", substr($0, 4)); settle(); next }
		/^f[ie]=/ { named("f", substr($0, 4)); next }
		/^cob=/ { named("o", substr($0, 5)); next }
		/^cf[il]=/ { named("f", substr($0, 5)); next }
		/^cfn=/ { named("n", substr($0, 5)); next }
		/^calls=/ { callee = 1; next }
		/^[0-9+*-]/ { if (!callee) cost[fn] += $2; callee = 0 }
		END {
			for (fn in cost) {
				part = 3
				if (fn ~ /\047part_application\047/) part = 1
				if (fn ~ /\047part_sender\047/) part = 2
				if (counts[fn]) { sum[part] += cost[fn]; continue }
				n = split(fn, chain, "\047")
				for (i = 1; i < n && libc[chain[i]] && !library[chain[i]]; i++) ;
				if (i > 1 && library[chain[i]]) sum[4] += cost[fn]
			}
			printf "%d %d %d %d\n", sum[1], sum[2], sum[3], sum[4]
		}' "$1"
}

count() { # WHAT BURST BURSTS
	run -q --tool=callgrind --callgrind-out-file="$work/calls" --separate-callers=30 \
		--toggle-collect='part_*' "$program" "$@"
	sums "$work/calls"
}

echo "instructions of the library for one operation: $("$1" --version 2>/dev/null | head -n 1), $*"
printf '%-8s %6s %8s = %11s + %6s + %8s   %s\n' '' burst all application sender receiver "libc's"
for burst in 64 256; do
	for what in post counted future call isend; do
		{ count $what $burst $few && count $what $burst $many; } |
			awk -v what=$what -v burst=$burst -v bursts=$((many - few)) '
			NR == 1 { for (i = 1; i <= 4; i++) before[i] = $i }
			END {
				for (i = 1; i <= 4; i++) d[i] = ($i - before[i]) / bursts / burst
				printf "%-8s %6d %8.1f = ", what, burst, d[1] + d[2] + d[3]
				printf "%11.1f + %6.1f + %8.1f   %6.1f\n", d[1], d[2], d[3], d[4]
			}'
	done
done

# ---- lines ----------------------------------------------------------------------------------

# Where members are, in the outermost struct: "member STRUCT OFFSET SIZE NAME".
members() { # STRUCT...
	place='^/\* *\([0-9]*\)[: 0-9]* *| *\([0-9]*\) \*/ ..*'
	end='\(\[.*\]\)*\()(.*)\)*\( : [0-9]*\)*;' # of arrays, functions, bits
	for struct; do
		"${GDB:-gdb}" -batch -ex "ptype /o struct $struct" "$program" 2>/dev/null |
			sed -n "s,$place[ *(]\([A-Za-z_0-9]*\)$end\$,member $struct \1 \2 \3,p"
	done
}

# Of the trace of all accesses count those behind the mark of the beginning, and inside of a part.
# What is accessed as often as there are posts is each post's, the rest a step's or a batch's.
run --tool=lackey --trace-mem=yes "$program" structs 64 $few
grep -a '^\(struct\|marks\) ' "$work/out" >"$work/structs"
echo
echo "lines (64 bytes from the struct's start) that a post of 64 bytes touches, in bursts of 64"
{
	cat "$work/structs"
	members $(awk '/^struct/ { print $2 }' "$work/structs" | sort -u)
	grep -a '^ [LSM] ' "$work/err"
} |
	awk -v posts=$((64 * few)) '
		function hex(s,   i, n) {
			for (i = 1; i <= length(s); i++)
				n = 16 * n + index("123456789abcdef", substr(s, i, 1))
			return n
		}
		$1 == "marks" { marks = $4; next }
		$1 == "struct" {
			n++; name[n] = $2; whose[n] = $3; from[n] = $4; size[n] = $5
			next
		}
		$1 == "member" { # of a nested struct and its first member the latter
			if (!(($2, $3) in member) || $4 < width[$2, $3]) {
				member[$2, $3] = $5
				width[$2, $3] = $4
			}
			next
		}
		{
			split($2, access, ","); at = hex(access[1])
			if (at >= marks && at < marks + 5) {
				part = at - marks
				begun = begun || part == 4
			} else if (begun && part >= 1 && part <= 3) {
				for (i = 1; i <= n; i++)
					if (at >= from[i] && at < from[i] + size[i])
						touched[i, at - from[i]]++
			}
		}
		END {
			for (i = 1; i <= n; i++) {
				hot = ""; lines = seen = 0
				for (line = 0; line * 64 < size[i]; line++) {
					names = ""; any = 0
					for (off = line * 64; off < line * 64 + 64; off++) {
						if (!touched[i, off]) continue
						any = 1
						if (touched[i, off] < posts / 2) continue
						key = name[i] SUBSEP off
						names = names " "
						names = names (key in member ? member[key] : "+" off)
					}
					seen += any
					lines += names != ""
					if (names != "")
						hot = hot sprintf("    line %3d:%s\n", line, names)
				}
				printf "%-12s %-9s %5d bytes, ", name[i], whose[i], size[i]
				printf "%3d lines: ", int((size[i] + 63) / 64)
				printf "%2d at every post, %2d in all\n%s", lines, seen, hot
			}
		}'
