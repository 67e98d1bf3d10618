#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Numbers that stand in the source and in the public text are the same ones. Each line of the list
# below names a constant, a page, and the words around the number there, in which @ stands for it.
# Whoever changes a constant changes the page; whoever changes the words changes the list.
cd "$TEST_SRCDIR" || exit 1
bad=0

complain() {
	echo "$*"
	bad=1
}

# What a constant is, in bytes, ns or as it is: NAME of "#define NAME expression", or "option:"
# or "policy:" and the name of an option or a parameter of the policy.
expression() { # FILE NAME
	case $2 in
	policy:*) sed -n "s/^\t[A-Z]*(AT([a-z]*, ${2#policy:}), [A-Z]*, \([^,]*\), .*/\1/p" "$1" ;;
	option:*) sed -n "s/.*(AT(${2#option:}), [A-Z]*, \([^,]*\), .*/\1/p" "$1" ;;
	*) sed -n "s/^#define $2[ 	][ 	]*\(.*\)/\1/p" "$1" ;;
	esac | sed 's,/\*.*,,; s/(size_t)//g; s/\([0-9]\)u/\1/g; s/KIB/1024/g; s/MIB/1048576/g
		s/FERRY_US(\([0-9]*\))/(\1 * 1000)/g; s/FERRY_MS(\([0-9]*\))/(\1 * 1000000)/g
		s/FERRY_S(\([0-9]*\))/(\1 * 1000000000)/g'
}

value() { # FILE NAME
	text=$(expression "$1" "$2" | head -n 1)
	case $text in
	'' | *[!0-9\ \	\(\)*+/\<-]*) return 1 ;;
	esac
	echo $(($text))
}

# How such a number is written, as a pattern.
words() { # bytes|time|plain NUMBER
	case $1 in
	plain) echo "$2" ;;
	bytes)
		if [ $(($2 % 1048576)) -eq 0 ]; then echo "$(($2 / 1048576)) MiB"
		elif [ $(($2 % 1024)) -eq 0 ]; then echo "$(($2 / 1024)) KiB"
		else echo "$2 bytes"
		fi ;;
	time)
		if [ $(($2 % 1000000000)) -eq 0 ]; then echo "$(($2 / 1000000000)) s"
		elif [ $(($2 % 1000000)) -eq 0 ]; then echo "$(($2 / 1000000)) ms"
		elif [ $(($2 % 100000)) -eq 0 ]; then echo "($(($2 / 1000)) us|$(($2 / 1000000))\\.$(($2 / 100000 % 10)) ms)"
		else echo "$(($2 / 1000)) us"
		fi ;;
	esac
}

# A page as one line: words may stand on two.
page() { # FILE
	tr -s '\n\t ' ' ' <"$1" | sed 's, \* , ,g; s/\*\*//g; s/`//g'
}

compare() { # bytes|time|plain FILE NAME PAGE WORDS
	number=$(value "$2" "$3") || { complain "$2 has no number $3"; return; }
	pattern=$(printf '%s\n' "$5" | sed "s/@/$(words "$1" "$number" | sed 's/[\\&/]/\\&/g')/")
	page "$4" | grep -q -E -e "$pattern" || complain "$3 in $2 is $number, but $4 does not say \"$pattern\""
}

while read -r unit file name text rest; do
	case $unit in '' | '#'*) continue ;; esac
	compare "$unit" "$file" "$name" "$text" "$rest"
done <<'LIST'
bytes src/shared/lane.h FY_LANE_BYTES doc/design.md the ring of @ through which
bytes src/shared/lane.h FY_LANE_BYTES doc/tuning.md beside @ for each thread that posts
bytes src/shared/lane.h FY_LANE_BYTES include/ferry.h in this thread's lane \(@\)
bytes src/shared/lane.h FY_LANE_INLINE doc/design.md copies a body of more than @
bytes src/shared/lane.h FY_LANE_INLINE doc/tuning.md the bodies of messages of more than @ that
bytes src/shared/lane.h FY_LANE_INLINE include/ferry.h copies of bodies over @
bytes src/wire/header.h FY_BATCH_BYTES doc/design.md one MPI message of at most @
bytes src/wire/header.h FY_BATCH_BYTES doc/design.md receives of @ are posted
bytes src/wire/header.h FY_BATCH_BYTES doc/tuning.md posted receives \(16 to 32 of @
bytes src/wire/header.h FY_FOLD_MAX doc/design.md A message of more than @ is announced
bytes src/wire/header.h FY_FOLD_MAX include/ferry.h a message of up to @ altogether
bytes src/wire/header.h FY_FOLD_MAX include/ferry.h too large for a batch \(more than @
bytes src/wire/header.h FY_BATCH_CHARGE doc/design.md a batch @ more
bytes src/wire/header.h FY_REPLY_ROOM doc/design.md a reply of @ at the caller
bytes src/wire/header.h FY_REPLY_ROOM doc/decisions/0012-replies-have-room.md replies of @ fit
bytes src/shared/message.h FY_MESSAGE_CHARGE doc/design.md spends its size and @
bytes src/shared/message.h FY_MESSAGE_CHARGE doc/decisions/0010-a-charge-for-each-record.md @ a record
time src/shared/policy_table.c policy:slow_after doc/design.md A channel that has no room for @ is slow
time src/shared/policy_table.c policy:slow_after doc/tuning.md for at most @, then it moves aside
time src/mpi/open.c LATE include/ferry.h has not come in that time and @
time src/mpi/open.c LATE NEWS.md have come in that time and @
time src/mpi/open.c LATE src/mpi/port.c in \" "peer_timeout and @:
bytes src/engine/share.c CREDIT_FIRST doc/design.md beginning at @
bytes src/engine/share.c CREDIT_FIRST doc/tuning.md the first windows \(@ each\)
bytes src/engine/share.c CREDIT_FIRST include/ferry.h the credit \(@ to
bytes src/engine/share.c WINDOW_MAX doc/design.md lent more \(to @ at most
bytes src/engine/share.c WINDOW_MAX doc/tuning.md to @ a pair
bytes src/engine/share.c WINDOW_MAX include/ferry.h to @ a pair
bytes src/engine/life.c CHUNK_HERE doc/design.md chunks of @, or
bytes src/engine/life.c CHUNK_HERE doc/decisions/0028-length-of-a-chunk.md Chunks of @ on one host
bytes src/engine/life.c CHUNK_WIRE doc/design.md or @ where there is more than one host
bytes src/engine/life.c CHUNK_WIRE doc/decisions/0028-length-of-a-chunk.md on one host, else of @
bytes src/bulk/announce.c BRIEF doc/design.md what is up to @ altogether is one chunk
bytes src/bulk/announce.c BRIEF doc/decisions/0028-length-of-a-chunk.md up to @ is one chunk
bytes src/shared/block.h FY_BLOCK_MIN doc/design.md attachments and bodies of @ and more
plain src/shared/policy_table.c policy:receives_least doc/tuning.md posted receives \(@ to 32
plain src/shared/policy_table.c policy:receives_most doc/tuning.md posted receives \(16 to @ of
plain src/link/credit.c SMALL_BATCHES doc/design.md batches of small records the bound is @ of them
plain src/shared/policy_table.c policy:left_max doc/design.md after @ messages for handlers
time src/shared/policy_table.c policy:drive_idle doc/design.md After @ without anything
time src/shared/policy_table.c policy:yield doc/design.md The loop looks for @, and then sleeps
time src/shared/policy_table.c policy:yield_crowded doc/design.md may use, it looks for @
time src/shared/policy_table.c policy:look_stranger doc/design.md processor, it looks for @ only
time src/shared/policy_table.c policy:stand_by doc/design.md then once in @
time src/shared/policy_table.c policy:nap doc/design.md Short sleeps \(naps, @\)
time src/shared/policy_table.c policy:nap doc/design.md stands by and looks after @
time src/shared/policy_table.c policy:nap doc/decisions/0003-two-kinds-of-sleep.md A nap \(at most @
time src/shared/policy_table.c policy:sleep_wire doc/design.md up to @, while a send or a transfer
time src/shared/policy_table.c policy:sleep_awaited doc/design.md @ while an answer from another host
time src/shared/policy_table.c policy:sleep_rung doc/design.md @ while an answer from this host is
time src/shared/policy_table.c policy:sleep_started doc/design.md at most @ while operations of the program
time src/shared/policy_table.c policy:sleep_local doc/design.md looks only every @
bytes src/base/options.c option:receive_memory include/ferry.h may make this rank hold\. Default @
bytes src/base/options.c option:receive_memory doc/tuning.md receive_memory \(@\)
bytes src/base/options.c option:send_memory include/ferry.h the program's memory\. Default @
bytes src/base/options.c option:send_memory doc/tuning.md send_memory \(@\)
bytes src/base/options.c option:out_of_band include/ferry.h travel as attachments\. Default @
bytes src/base/options.c option:decode_memory include/ferry.h one decoded object may take\. Default @
time src/base/options.c option:handler_grace include/ferry.h reported on stderr instead, once an op\. Default @
time src/base/options.c option:sleep_max include/ferry.h an idle loop that must poll\. Default @
time src/base/options.c option:sleep_max doc/tuning.md sleep_max \(@\)
time src/engine/life.c PEER_TIMEOUT include/ferry.h see ferry_on_peer\. Default @
time src/engine/life.c PEER_TIMEOUT doc/tuning.md peer_timeout \(@\) is how long
time src/engine/dump.c PATIENCE include/ferry.h does, and @ at most while the progress thread is
time src/base/options.c option:stuck_after include/ferry.h No effect with FERRY_NO_THREAD\. Default @
time src/engine/statistics.c PATIENCE include/ferry.h the others in the close, for @ at most
time src/engine/statistics.c PATIENCE doc/tuning.md waits for their rows, for @ at most
time src/engine/statistics.c PATIENCE doc/wire-format.md rank 0 waits for it @ at most
time src/engine/statistics.c PATIENCE_GONE doc/tuning.md under the lowest of them, and wait for @
plain src/helm/left.h FY_LEFT_NAMED doc/tuning.md A rank names @ of these
plain src/engine/figures.c LEFT_LINES doc/tuning.md of these, the table @
time src/base/options.c option:close_timeout include/ferry.h See ferry_close\. Default @
LIST

exit $bad
