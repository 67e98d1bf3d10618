#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# ferry-top over files that a program of the tests wrote: what is wrong stands first, each form is what
# it says it is, and no file that is damaged, or somebody else's, does harm.
top=$TEST_BUILDDIR/tools/ferry-top
writer=$TEST_BUILDDIR/tests/support/monitor_file
work=$(mktemp -d) || exit 1
bad=0

# The writer keeps its locks until its input ends.
close_files() {
	[ -z "$writer_pid" ] && return
	exec 9>&-
	wait "$writer_pid"
	writer_pid=
}
trap 'close_files; rm -rf "$work"' EXIT

# open_files SCENE...: files in a new $dir
open_files() {
	close_files
	rm -rf "$work/dir" "$work/hold"
	mkdir -m 700 "$work/dir" && mkfifo "$work/hold" || exit 1
	dir=$work/dir
	: >"$work/files" # what the last writer said is not this one's
	"$writer" "$dir" "$@" <"$work/hold" >"$work/files" &
	writer_pid=$!
	exec 9>"$work/hold"
	i=0
	until grep -q '^ready' "$work/files"; do
		i=$((i + 1))
		[ $i -lt 200 ] || { echo "FAILED: the files are not written"; exit 1; }
		sleep 0.05
	done
}

# look ARG...: the output is in $work/out and $work/err, the status in $status. `glance` does not wait
# long between its two readings.
look() {
	timeout 30 "$top" -d "$dir" "$@" >"$work/out" 2>"$work/err" </dev/null
	status=$?
}
glance() { look -i 0.1 "$@"; }

check() { # WHAT COMMAND...
	what=$1
	shift
	if "$@"; then
		echo "ok: $what"
	else
		echo "FAILED: $what (status $status)"
		head -n 30 "$work/out" "$work/err"
		bad=1
	fi
}
ended_with() { [ "$status" -eq "$1" ]; }
says() { grep -q -e "$1" "$work/out" "$work/err"; }
says_not() { ! says "$1"; }
fits() { [ "$(awk '{ if (length($0) > most) most = length($0) } END { print most + 0 }' "$work/out")" -le 80 ]; }
# The row of the table that has this word as its state, and its number.
row_of() { awk -v state="$1" '$3 == state { print NR; exit }' "$work/out"; }
is_above() { [ "$(row_of "$1")" -lt "$(row_of "$2")" ]; }

# ---- the command line ------------------------------------------------------------------------

dir=$work
for word in --help --version; do
	look $word
	check "$word" ended_with 0
	check "$word fits into 80 columns" fits
done
look --nonsense
check "a wrong option" ended_with 2
look --json --prometheus
check "two forms" ended_with 2

# ---- the table -------------------------------------------------------------------------------

dir=$work/none
look
check "no directory is no trouble" ended_with 0
open_files well moves
look -i 0.6
check "nothing is wrong" ended_with 0
check "and that is said" says 'all is well'
rate=$(awk '$3 == "busy" { print $4; exit }' "$work/out")
check "a rate of about 2000 a second, not ${rate-none}" test "${rate-0}" -ge 1000 -a "${rate-0}" -le 2200
open_files well full credit old stepless handler silent gone dead moves unstepped
glance
check "something is wrong" ended_with 1
check "the table fits into 80 columns" fits
for pair in "dead lost" "lost silent" "silent handler" "handler hangs" "hangs old" "old credit" "credit full" \
	"full idle"; do
	check "${pair% *} stands above ${pair#* }" is_above $pair
done
check "how the dead one ended" says 'lived until .* ago; 14'
check "who is silent" says 'rank 3 is silent for'
check "which handler" says 'handler of op 7 does not return'
check "who calls no ferry_progress" says 'has not called ferry_progress'
check "who has no room" says 'out of credit at rank 4: 120 messages, 1.50 MiB'
check "who is full" says "of receive_memory's"
kill -STOP "$writer_pid"
glance
check "a stopped process is seen" says 'its process is stopped by a signal'
check "and stands below the dead" is_above dead stopped
kill -CONT "$writer_pid"

# What nobody can mend any more is below all that somebody can, and the dead are in an order.
open_files over well full over dead moves dead credit
glance
ranks() { awk '$1 ~ "^[0-9]+/8$" { sub("/.*", "", $1); printf "%s ", $1 }' "$work/out"; }
order=$(ranks)
check "in order of what is wrong: $order" test "$order" = "4 6 7 2 4 7 1 5 "
glance --dead
order=$(sed -n 's/^rank \([0-9]*\) of .*/\1/p' "$work/out" | tr '\n' ' ')
check "the dead alone, likewise: $order" test "$order" = "4 6 4 7 "
open_files closed over dead over
glance --dead
order=$(sed -n 's/^rank \([0-9]*\) of .*/\1/p' "$work/out" | tr '\n' ' ')
check "no job lives: by job, then by rank: $order" test "$order" = "0 2 4 6 "

# ---- one engine ------------------------------------------------------------------------------

open_files all dead well
glance 0
check "one engine, by its rank" ended_with 1
check "it fits into 80 columns" fits
for word in PEER OLDEST AGE ERROR RETAINED 'TIME IN' 'WHAT WAITS' 'and 17 more' 'call, not answered' \
	'post until taken' 'thread main waits'; do
	[ "$word" = OLDEST ] || check "it has $word" says "$word"
done
check "a terminal gets no commands" says_not "$(printf '\033')"
glance "pid:$writer_pid"
check "engines by their process" says 'rank 2 of 8'
glance wordc
check "engines by the name of their program" says 'rank 1 of 8'
glance 77
check "an engine that is not there" ended_with 1
check "and that is said" says "no engine of yours here is '77'"
look --plot 0
check "a histogram" says '#####'
check "it fits into 80 columns" fits
look --count 2 -i 0.1
check "two tables" test "$(grep -c '^ferry-top: ' "$work/out")" -eq 2

# ---- the dead --------------------------------------------------------------------------------

open_files dead well closed
glance --dead
check "the dead alone" says_not 'rank 1 of 8'
check "what was open" says 'a call of op 7 to rank 2, not answered, and 12 like it'
check "and a fence" says 'a fence, not over'
check "one that closed" says 'closed, and left its file behind'
look --clean
check "cleaned" ended_with 0
check "says what it took" says '^removed .*: rank 0 of 8'
check "their files are gone, and the other is there" test "$(ls "$dir" | wc -l)" -eq 1
look --clean
check "nothing more to clean" says 'nothing to take away'

# ---- forms for programs ----------------------------------------------------------------------

open_files all dead moves endless
look --json
check "JSON says what is wrong by its status" ended_with 1
if command -v python3 >/dev/null; then
	cat >"$work/figures.py" <<'PY'
import json, sys
d = json.load(open(sys.argv[1]))
by = {e["rank"]: e for e in d["engines"]}
assert len(by) == 4, by.keys()
assert by[1]["life"] == "dead" and by[1]["wrong"][0]["what"] == "dead"
assert by[1]["open"][0]["count"] == 13 and 11e9 < by[1]["open"][0]["age"] < 13e9
assert by[0]["peers_left_out"] == 17 and by[0]["ops"][3]["retained"] == 3
assert by[0]["stages"][4]["count"] == sum(100 - 3 * i for i in range(30))
assert 1000 < by[2]["rates"]["posts"] < 2200, by[2]["rates"]["posts"]
assert by[2]["counters"]["posts"] > 12345
assert d["unreadable"] == []
PY
	check "JSON has what the files have" python3 "$work/figures.py" "$work/out"
else
	echo "python3 is not installed: nobody read the JSON"
fi
look --prometheus
check "for Prometheus" says '^# TYPE ferry_posts_total counter'
# Each line is a comment, or a name, labels and a number; each family has its head before it.
check "each line has its form" awk '
	/^# HELP ferry_[a-z0-9_]+ .+/ { helped[$3] = 1; next }
	/^# TYPE ferry_[a-z0-9_]+ (counter|gauge|histogram)$/ { if (!helped[$3]) exit bad = 1; typed[$3] = 1; next }
	!/^ferry_[a-z0-9_]+\{[a-z_]+="([^"\\]|\\["\\n])*"(,[a-z_]+="([^"\\]|\\["\\n])*")*\} [-+.e0-9]+$/ { print; exit bad = 1 }
	{ name = $0; sub(/\{.*/, "", name); family = name; sub(/_(bucket|sum|count)$/, "", family)
	  if (!typed[name] && !typed[family]) { print; exit bad = 1 } }
	END { exit bad }' "$work/out"
if command -v promtool >/dev/null; then
	check "promtool has no complaint" eval 'promtool check metrics <"$work/out"'
else
	echo "promtool is not installed: it looked at nothing"
fi
if command -v gnuplot >/dev/null; then
	look --plot="$work/times.svg" 0
	check "a picture" grep -q '</svg>' "$work/times.svg"
	check "gnuplot has no complaint" test -z "$(gnuplot "$work/times.svg.gp" 2>&1)"
fi
look --plot="$work/times.svg"
check "a picture of several engines" says 'a picture is of one engine'

# ---- a screen --------------------------------------------------------------------------------

if command -v script >/dev/null; then
	(sleep 0.4; printf 'j'; sleep 0.1; printf '\n'; sleep 0.1; printf 'p'; sleep 0.1; printf b; sleep 0.1; printf q) |
		timeout 20 script -qec "stty rows 24 cols 80; '$top' -d '$dir' -i 0.2" /dev/null >"$work/out" 2>"$work/err"
	status=$?
	check "q ends the screen" ended_with 1
	check "it gives the terminal back" says "$(printf '\033\\[?1049l')"
	check "enter shows one engine" says 'PEER QUEUED'
	check "p shows times" says 'sampled'
else
	echo "script is not installed: nobody looked at the screen"
fi

# ---- files that are not as they should be ----------------------------------------------------

open_files truncated empty headonly layout order magic torn endless lies crumbs garbage garbage garbage garbage \
	garbage garbage garbage garbage well
mkdir "$dir/directory.ferry"
mkfifo "$dir/fifo.ferry"
ln -s /etc/passwd "$dir/link.ferry"
for form in --prometheus '-i 0.1 --once' '-i 0.1 --json' --plot --dead '-i 0.1 18' '-i 0.1 wordcount'; do
	look $form
	check "damaged files, $form" ended_with 1
done
glance
check "what is too short" says 'too short'
check "what has another layout" says 'another layout'
check "and the good one is there" grep -q '^ *18/8 ' "$work/out"
look --clean
check "what cannot be read is left alone" test -e "$dir/directory.ferry"
chmod 755 "$dir"
glance
check "a directory that is open to others" says 'chmod 700'
check "is wrong" ended_with 1

# ---- somebody else's -------------------------------------------------------------------------

if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	open_files well
	chmod 755 "$work"
	as_nobody() {
		setpriv --reuid 65534 --regid 65534 --clear-groups "$top" -d "$dir" "$@" >"$work/out" 2>"$work/err"
		status=$?
	}
	cp "$top" "$work/ferry-top" && chmod 755 "$work/ferry-top" && top=$work/ferry-top
	as_nobody --once
	check "another user gets a sentence" says 'belongs to another user\|Permission denied'
	check "and no figure" says_not 'well\|PEER\|RANK'
	check "and status 1" ended_with 1
else
	echo "not root, or no setpriv: nobody tried it as another user"
fi
exit $bad
