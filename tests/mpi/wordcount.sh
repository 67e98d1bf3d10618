#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The main job, against tr, sort and uniq, and on files that are not nice.
. "$TEST_SRCDIR/tests/support/jobs.sh"
program=$TEST_BUILDDIR/examples/wordcount
trap 'chmod -R u+rwx "$work"; rm -rf "$work"' EXIT

# The words of the job's output, and those of a pipeline, as "COUNT WORD" lines.
of_job() { grep -a -E '^ *[0-9]+ [a-z]+$' "$work/out" | sed 's/^ *//'; }
of_pipeline() {
	for file; do
		cat "$file"
		echo
	done | LC_ALL=C tr -cs 'A-Za-z' '\n' | LC_ALL=C tr 'A-Z' 'a-z' | grep . | LC_ALL=C sort |
		LC_ALL=C uniq -c | LC_ALL=C sort -k1,1nr -k2,2 | sed 's/^ *//'
}
same_as_pipeline() {
	of_job >"$work/job"
	of_pipeline "$@" >"$work/pipeline"
	cmp "$work/job" "$work/pipeline"
}

mkdir "$work/in" "$work/in/below"
for i in 1 2 3 4 5 6 7; do
	sed -n "$((i * 40)),$((i * 90))p" "$TEST_SRCDIR/include/ferry.h" >"$work/in/text$i"
done
printf 'no newline at the end' >"$work/in/text8"
printf 'one\ntwo' >"$work/in/below/text9"

job 3 --threads 2 --verify --top 1000000 "$work/in"
check "every count of a tree is that of tr, sort and uniq" \
	same_as_pipeline "$work"/in/text? "$work"/in/below/text9
check "and verified" says_verified

job 1 --threads 1 --verify --top 1000000 "$work/in"
check "one rank of one thread counts the same" same_as_pipeline "$work"/in/text? "$work"/in/below/text9

job 2 --threads 3 --top 5 "$work/in"
check "--top 5 prints the first five" \
	sh -c '[ "$(head -n 5 "$1/pipeline")" = "$(grep -E "^ *[0-9]+ [a-z]+$" "$1/out" | sed "s/^ *//")" ]' - "$work"

timeout 60 "$program" --verify "$work/in/text1" >"$work/out" 2>"$work/err"
status=$?
check "without a launcher it is one rank" says_verified
check "and says so" says '^1 ranks of 4 threads'

job 2 --threads 2 --verify --bytes 100000 "$work/in/text1" "$work/in/text8"
check "few files are read again and again, up to --bytes" says_verified
check "and not a byte more" says ' in 100000 bytes of '

# All bytes there are, so the word that a line end cuts and the byte 0 are in it too.
i=0
while [ $i -lt 256 ]; do
	printf "\\$(printf %03o $i)x\\$(printf %03o $i)"
	i=$((i + 1))
done >"$work/junk"
head -c 300000 /dev/urandom >>"$work/junk"
: >"$work/empty"
job 2 --verify --top 1000000 "$work/junk" "$work/empty"
check "binary junk and an empty file" same_as_pipeline "$work/junk" "$work/empty"
check "and verified" says_verified

job 2 --verify "$work/empty"
check "nothing but an empty file" says_verified
check "and no words" says '^0 words, 0 distinct, in 0 bytes of 1 files'
job 2 --verify --bytes 1000 "$work/empty"
check "nothing to read again and again" says_verified

{ head -c 3000000 /dev/zero | tr '\0' 'q'; printf ' short '; head -c 70000 /dev/zero | tr '\0' 'Q'; } >"$work/long"
job 2 --verify --top 1000000 "$work/long"
check "words longer than any buffer" same_as_pipeline "$work/long"
check "and verified" says_verified

mkfifo "$work/pipe"
ln -s nowhere "$work/dangling"
job 2 --verify "$work/in/text1" "$work/missing" "$work/pipe" "$work/dangling"
check "the rest is counted when a file is missing" says_verified
check "which is named" says 'missing: No such file'
check "a pipe is named, and not waited for" says 'pipe: not a regular file'
check "a dangling link is named" says 'dangling: '
check "three in all" says '^3 files could not be read'

: >"$work/in/locked"
chmod 0 "$work/in/locked" "$work/in/below"
if [ -r "$work/in/locked" ]; then
	echo "not checked: unreadable files, since this user reads everything"
else
	job 2 --verify "$work/in"
	check "the rest is counted when files are unreadable" says_verified
	check "a file is named" says 'locked: Permission denied'
	check "a directory is named" says 'below: Permission denied'
fi

job 3 --verify --corrupt 2 "$work/in/text1" "$work/in/text2"
check "a count that is wrong by one is found" says 'differs: '
check "and the job fails" failed
check "and does not say verified" does_not_say '^verified'

job 2 --threads 0 "$work/in/text1"
check "an argument that makes no sense" failed
check "is explained" says 'give a number from 1 to'

finish
