#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every picture that ferry-perf draws, once: gnuplot takes it without a word, and it says what it
# shows, in which unit, and what is better. And what is said when gnuplot fails.
. "$TEST_SRCDIR/tests/support/jobs.sh"
if ! command -v gnuplot >/dev/null; then
	echo "SKIP: gnuplot is missing: install gnuplot-nox"
	exit 77
fi
program=$TEST_BUILDDIR/tools/ferry-perf

takes_without_a_word() { [ -z "$(gnuplot "$1.gp" 2>&1)" ]; }
shows() { grep -q -F -e ">$2<" "$1"; }

# picture RANKS NAME MODE ARG...: draws $work/NAME.svg
picture() {
	ranks=$1
	name=$2
	svg=$work/$2.svg
	shift 2
	job "$ranks" "$@" --reps 1 --plot "$svg"
	check "$name is measured and drawn" ended_with 0
	check "$name is a picture" grep -q '</svg>' "$svg"
	check "$name raises no warning" takes_without_a_word "$svg"
	check "$name says what it is" grep -q "ferry-perf $1: " "$svg"
}

# texts TEXT...: of the last picture
texts() {
	for text; do
		check "$name says \"$text\"" shows "$svg" "$text"
	done
}

brief="--duration 0.005"
picture 2 rate rate $brief --threads 1,2 --peers all
check "rate has its unit" grep -q 'rate: [a-z]* *messages a second (more is better)' "$svg"
texts 'threads, messages of 64 bytes' 'plain: MPI_Isend and MPI_Irecv in windows, one way, one thread a rank'
picture 2 call call $brief --threads 2 --peers all
check "call has its unit" grep -q 'calls a second (more is better)' "$svg"
texts rate '2 threads, messages of 64 bytes'
picture 2 isend isend $brief --threads 1,2 --peers all
check "isend has its unit" grep -q 'messages a second (more is better)' "$svg"
picture 2 latency latency $brief --threads 2 --peers multiple
texts 'a round trip takes at most (less is better)' 'percentile, of 2 threads' '50 %' '99.9 %'
picture 2 times latency $brief --threads 1,2 --flood 1
texts 'mean: microseconds (less is better)' 'alone: the same with nothing beside it'
picture 2 bandwidth bandwidth $brief --size 64K,1M --threads 1,2
texts 'bandwidth: MB a second (more is better)' 'bytes of a message' '64 Ki' '1 Mi'
picture 2 overlap overlap --size 256K
texts 'a share, 1 is all (more is better)' 'milliseconds (less is better)' communication '1 thread, messages of 256 KiB'
picture 2 idle idle --duration 0.1 --peers all
texts 'percent of a core (less is better)' 'microseconds (less is better)' 'wake 90 %'
picture 3 alltoall alltoall $brief --peers all
check "alltoall has its unit" grep -q 'messages a second (more is better)' "$svg"
picture 2 halo halo $brief --threads 2 --peers all
texts 'how many a second (more is better)' 'microseconds (less is better)'
picture 2 farm farm $brief --threads 2 --peers all
check "farm has its unit" grep -q 'tasks a second (more is better)' "$svg"
texts 'microseconds (less is better)' 'times as many (less is better)' 'most / least'
picture 2 memory memory --threads 2
texts 'KiB (less is better)' 'busy thread'

# Names that are words of gnuplot's, and other kinds of pictures.
job 2 rate $brief --reps 1 --plot "$work/it's 50 %_1.png"
check "a picture of another kind" test "$(head -c 4 "$work/it's 50 %_1.png" | tail -c 3)" = PNG
for kind in png pdf; do
	sed "s/rate.svg/rate.$kind/; s/^set terminal.*/$(sed -n "s/.*{ *\"\.$kind\", \"\(.*\)\" *}.*/set terminal \1/p" \
		"$TEST_SRCDIR/tools/perf/gnuplot.c")/" "$work/rate.svg.gp" >"$work/rate.$kind.gp"
	check "the terminal for $kind" takes_without_a_word "$work/rate.$kind"
	check "draws" test -s "$work/rate.$kind"
done
job 2 rate --plot "$work/rate.gif"
check "a picture of no kind" says "ends in .svg, .png or .pdf, not '.*/rate.gif'"

mkdir "$work/bin"
printf '#!/bin/sh\necho "line 7: Bad format character" >&2\nexit 1\n' >"$work/bin/gnuplot"
chmod +x "$work/bin/gnuplot"
PATH=$work/bin:$PATH job 2 rate $brief --reps 1 --plot "$work/bad.svg"
check "when gnuplot fails so does the tool" ended_with 1
check "and says gnuplot's words" says 'line 7: Bad format character'
check "and where its input is" says 'bad.svg.gp'

finish
