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
# A value of the JSON: a path of keys, and numbers, such as options.table.3.name.
has() { # PATH VALUE
	python3 - "$work/out" "$1" "$2" <<'PYTHON'
import json, sys
at = json.load(open(sys.argv[1]))
for key in sys.argv[2].split("."):
    at = at[int(key)] if isinstance(at, list) else at[key]
if str(at) != sys.argv[3]:
    sys.exit("it is %r" % at)
PYTHON
}
option() { # NAME KEY VALUE
	python3 - "$work/out" "$@" <<'PYTHON'
import json, sys
rows = {row["name"]: row for row in json.load(open(sys.argv[1]))["options"]["table"]}
if str(rows[sys.argv[2]][sys.argv[3]]) != sys.argv[4]:
    sys.exit("it is %r" % rows[sys.argv[2]][sys.argv[3]])
PYTHON
}
unknown() { # VARIABLE NEAREST
	python3 - "$work/out" "$@" <<'PYTHON'
import json, sys
rows = {row["variable"]: row["nearest"] for row in json.load(open(sys.argv[1]))["options"]["unknown"]}
if len(rows) != 2 or str(rows[sys.argv[2]]) != sys.argv[3]:
    sys.exit("it is %r" % rows)
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

run "$program"
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
	FERRY_SPIN=20us FERRY_FLAGS=nonblock run "$program" --json
	check "its JSON is JSON" has build.debug "$(grep -q '^DEBUG_CPPFLAGS = -D' "$TEST_BUILDDIR/Makefile" && echo True || echo False)"
	check "an option of the environment" option spin value 20us
	check "is named as such" option spin source environment
	check "and a default" option sleep_max source default
	check "an option of words" option flags value nonblock
	check "one that is off" option progress_cpus value none
	check "nothing failed" has failure None
	FERRY_SPIN=soon FERRY_SLEP_MAX=1ms FERRY_FOO_BAR_BAZ=1 run "$program" --options --json
	check "an option that is refused is a fault" ended_with 1
	check "with the reason" option spin refused "$(printf '%s%s' 'FERRY_SPIN=soon is not accepted; give ns, or ' \
		'with a suffix ns, us, ms or s: at least 1ns and at most 1s, or none')"
	check "a variable that is misspelt has its right name" unknown FERRY_SLEP_MAX FERRY_SLEEP_MAX
	check "and one that nothing is near has none" unknown FERRY_FOO_BAR_BAZ None
	launch -n 2 "$program" --json --all
	check "two ranks end well" ended_with 0
	check "and print once" has mpi.ranks 2
	check "where both are" has places.ranks.1.rank 1
	check "on one host" has places.ranks_of_host 2
	check "and that both have a progress thread" has places.ranks.1.progress_thread "$mine"
fi

FERRY_FOO_BAR_BAZ=1 run "$program" --options
check "a variable that is nobody's is no fault" ended_with 0
FERRY_SPIN=soon run "$program" --mpi
check "no engine opens" ended_with 1
check "and why" says 'no engine opens: FERRY_SPIN=soon is not accepted'
FERRY_SPIN=soon launch -n 2 "$program" --places
check "of two ranks one says so" test "$(grep -c 'no engine opens' "$work/err")" -eq 1
FERRY_FLAGS=no_thread run "$program" --places
check "without a progress thread" says 'because  *there is none'
run "$program" --nothing
check "an option that is none" ended_with 2
check "is named" says 'there is no option --nothing'
run "$program" nothing
check "a word too many" ended_with 2
launch -n 2 "$program" --version
check "two ranks say the version once" test "$(grep -c '^ferry-info, ferry [0-9]' "$work/out")" -eq 1
run "$program" --build
check "how it was built, without MPI" says '^  compiler  *[a-z]* [0-9]'
check "and nothing else" does_not_say '^MPI'

# ---- two threads on one processor --------------------------------------------------------

both='bound to processor 0, and others are there'
if [ "$mine" = 0-1 ] && [ "$(nproc)" -eq 2 ]; then
	run taskset -c 0 "$program" --places
	check "bound to one processor of two" ended_with 1
	check "the library says so" grep -q "^ferry: rank 0: .*$both.*FERRY_PROGRESS_CPUS=1\$" "$work/err"
	check "and so does the tool" grep -q "warning .*$both" "$work/out"
	FERRY_PROGRESS_CPUS=1 run taskset -c 0 "$program" --places
	check "as it is told the fault is gone" ended_with 0
	check "and nothing is said" silent
	check "and where the progress thread is" says '^  progress thread  *1$'
	check "and why" says 'because  *progress_cpus'
	FERRY_PROGRESS_CPUS=0 run taskset -c 0 "$program" --places
	check "who names the only processor knows" silent
	FERRY_FLAGS=no_thread run taskset -c 0 "$program" --places
	check "without a progress thread nothing is said" silent
	launch -n 2 taskset -c 0 "$program" --places
	check "two ranks have two processors: nothing is said" silent
	if [ "$TEST_MPI_ID" = mpich ]; then
		launch -bind-to core -n 1 "$program" --places
		check "bound by the launcher" grep -q "$both" "$work/err"
		launch -bind-to core -n 2 "$program" --places --all
		check "each of two has its own: nothing is said" silent
		check "and they differ" says '^  rank 1 .*may run on 1, progress thread on 1$'
		launch -bind-to core -n 2 "$program" --places
		check "without --all that is counted" says '^  placed otherwise  *1$'
	fi
else
	echo "these need the processors 0 and 1, and no others"
fi
finish
