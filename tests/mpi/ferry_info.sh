#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# ferry-info alone and as a job of two ranks: what it prints is what is so, and what is wrong is said.
. "$TEST_SRCDIR/tests/support/jobs.sh"
program=$TEST_BUILDDIR/tools/ferry-info
for variable in $(env | sed -n 's/^\(FERRY_[A-Z_]*\)=.*/\1/p'); do unset "$variable"; done

run() {
	timeout 60 "$@" </dev/null >"$work/out" 2>"$work/err"
	status=$?
}
mine=$(sed -n 's/^Cpus_allowed_list:[ \t]*//p' /proc/self/status)
# expect RUN WHAT VALUE AT...: the JSON of that run has the value there, which is
#   path KEY.KEY          keys, and numbers in lists
#   option NAME KEY       of an option
#   unknown VARIABLE      its nearest name, one of two such variables
# An interpreter takes long to start, so one looks at all of them, in check_expected.
expect() {
	printf '%s\t' "$@" >>"$work/expected"
	echo >>"$work/expected"
}
check_expected() {
	python3 - "$work" <<'PYTHON'
import json, sys

def value_at(d, kind, *names):
    if kind == "path":
        for key in names[0].split("."):
            d = d[int(key)] if isinstance(d, list) else d[key]
        return d
    if kind == "option":
        return {row["name"]: row for row in d["options"]["table"]}[names[0]][names[1]]
    rows = {row["variable"]: row["nearest"] for row in d["options"]["unknown"]}
    return rows[names[0]] if len(rows) == 2 else rows

failed = 0
for line in open(sys.argv[1] + "/expected"):
    run, what, expected, *at = line.rstrip("\n").rstrip("\t").split("\t")
    try:
        value = str(value_at(json.load(open("%s/%s/out" % (sys.argv[1], run))), *at))
    except (KeyError, IndexError, TypeError, ValueError) as error:
        value = repr(error)
    print("ok: %s" % what if value == expected else "FAILED: %s: it is %s, not %s" % (what, value, expected))
    failed += value != expected
print("%d of the JSON are not as expected" % failed)
sys.exit(failed > 0)
PYTHON
}
silent() { ! grep . "$work/err"; }
one_of_each() { # the options of the header, in its order
	sed -n '/^struct ferry_options {/,/^};/s/^\t.*[ *]\([a-z_]*\);$/\1/p' "$TEST_SRCDIR/include/ferry.h" |
		grep -v '^size$' >"$work/fields"
	sed -n 's/^  \([a-z_][a-z_]*\)  *[^ ].* \(default\|environment\).*/\1/p' "$work/out" | diff "$work/fields" -
}
explained() { # each is what the header says of it first, and none says nothing
	[ "$(grep -c '^      [^ ].' "$work/out")" -eq "$(wc -l <"$work/fields")" ] || return
	tr -s '\n\t ' ' ' <"$TEST_SRCDIR/include/ferry.h" | sed 's, \* , ,g' >"$work/header"
	grep '^      [^ ].' "$work/out" | while read -r line; do
		grep -q -F -e "$line" "$work/header" || { echo "not in the header: $line"; return 1; }
	done
}

# At once: most of their time is MPI's.
beside alone run "$program"
FERRY_SPIN=20us FERRY_FLAGS=nonblock beside json run "$program" --json
FERRY_SPIN=soon FERRY_SLEP_MAX=1ms FERRY_FOO_BAR_BAZ=1 beside refused run "$program" --options --json
beside ranks launch -n 2 "$program" --json --all
FERRY_FOO_BAR_BAZ=1 beside nobodys run "$program" --options
FERRY_SPIN=soon beside no_engine run "$program" --mpi
FERRY_SPIN=soon beside no_engines launch -n 2 "$program" --places
FERRY_FLAGS=no_thread beside no_thread run "$program" --places
beside no_option run "$program" --nothing
beside no_word run "$program" nothing
beside version launch -n 2 "$program" --version
beside build run "$program" --build

of alone
check "alone it ends well" ended_with 0
check "and says nothing else" silent
check "it names the version" says "^  version  *$(sed -n 's/^#define FERRY_VERSION "\(.*\)"/\1/p' "$TEST_SRCDIR/include/ferry.h")\$"
check "and MPI" says "^  name  *$TEST_MPI\$"
check "and the level" says '^  thread level  *multiple$'
check "each option has a row" one_of_each
check "and what it is" explained
check "and the progress thread its processors" says "^  progress thread  *$mine\$"

if ! command -v python3 >/dev/null; then
	echo "python3 is not installed: what its JSON says is not looked at"
else
	expect json "its JSON is JSON" "$(grep -q '^DEBUG_CPPFLAGS = -D' "$TEST_BUILDDIR/Makefile" && echo True || echo False)" \
		path build.debug
	expect json "an option of the environment" 20us option spin value
	expect json "is named as such" environment option spin source
	expect json "and a default" default option sleep_max source
	expect json "an option of words" nonblock option flags value
	expect json "one that is off" none option progress_cpus value
	expect json "nothing failed" None path failure
	of refused
	check "an option that is refused is a fault" ended_with 1
	expect refused "with the reason" "$(printf '%s%s' 'FERRY_SPIN=soon is not accepted; give ns, or ' \
		'with a suffix ns, us, ms or s: at least 1ns and at most 1s, or none')" option spin refused
	expect refused "a variable that is misspelt has its right name" FERRY_SLEEP_MAX unknown FERRY_SLEP_MAX
	expect refused "and one that nothing is near has none" None unknown FERRY_FOO_BAR_BAZ
	of ranks
	check "two ranks end well" ended_with 0
	expect ranks "and print once" 2 path mpi.ranks
	expect ranks "where both are" 1 path places.ranks.1.rank
	expect ranks "on one host" 2 path places.ranks_of_host
	expect ranks "and that both have a progress thread" "$mine" path places.ranks.1.progress_thread
	check "the JSON has what is expected" check_expected
fi

of nobodys
check "a variable that is nobody's is no fault" ended_with 0
of no_engine
check "no engine opens" ended_with 1
check "and why" says 'no engine opens: FERRY_SPIN=soon is not accepted'
of no_engines
check "of two ranks one says so" test "$(grep -c 'no engine opens' "$work/err")" -eq 1
of no_thread
check "without a progress thread" says 'because  *there is none'
of no_option
check "an option that is none" ended_with 2
check "is named" says 'there is no option --nothing'
of no_word
check "a word too many" ended_with 2
of version
check "two ranks say the version once" test "$(grep -c '^ferry-info, ferry [0-9]' "$work/out")" -eq 1
of build
check "how it was built, without MPI" says '^  compiler  *[a-z]* [0-9]'
check "and nothing else" does_not_say '^MPI'

# ---- two threads on one processor --------------------------------------------------------

both='bound to processor 0, and others are there'
if [ "$mine" = 0-1 ] && [ "$(nproc)" -eq 2 ]; then
	beside bound run taskset -c 0 "$program" --places
	FERRY_PROGRESS_CPUS=1 beside told run taskset -c 0 "$program" --places
	FERRY_PROGRESS_CPUS=0 beside named run taskset -c 0 "$program" --places
	FERRY_FLAGS=no_thread beside threadless run taskset -c 0 "$program" --places
	beside two_bound launch -n 2 taskset -c 0 "$program" --places
	if [ "$TEST_MPI_ID" = mpich ]; then
		beside launched launch -bind-to core -n 1 "$program" --places
		beside all launch -bind-to core -n 2 "$program" --places --all
		beside counted launch -bind-to core -n 2 "$program" --places
	fi
	of bound
	check "bound to one processor of two" ended_with 1
	check "the library says so" grep -q "^ferry: rank 0: .*$both.*FERRY_PROGRESS_CPUS=1\$" "$work/err"
	check "and so does the tool" grep -q "warning .*$both" "$work/out"
	of told
	check "as it is told the fault is gone" ended_with 0
	check "and nothing is said" silent
	check "and where the progress thread is" says '^  progress thread  *1$'
	check "and why" says 'because  *progress_cpus'
	of named
	check "who names the only processor knows" silent
	of threadless
	check "without a progress thread nothing is said" silent
	of two_bound
	check "two ranks have two processors: nothing is said" silent
	if [ "$TEST_MPI_ID" = mpich ]; then
		of launched
		check "bound by the launcher" grep -q "$both" "$work/err"
		of all
		check "each of two has its own: nothing is said" silent
		check "and they differ" says '^  rank 1 .*may run on 1, progress thread on 1$'
		of counted
		check "without --all that is counted" says '^  placed otherwise  *1$'
	fi
else
	echo "these need the processors 0 and 1, and no others"
fi
finish
