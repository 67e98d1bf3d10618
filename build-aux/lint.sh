#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Static analysis of src/ and tools/ by clang-tidy, with the flags of the build in which it is
# called: make says how it would compile each file. .clang-tidy says what is looked for, and why
# the rest is not. Exit 0: nothing found; 77: there is no clang-tidy of the version that is needed.
#   make lint [LINT_FILES='src/shared/lane.c ...']
needed=14
top=$1 make=$2
shift 2

tidy=$(command -v clang-tidy-$needed || command -v clang-tidy)
found=$("${tidy:-false}" --version 2>/dev/null | sed -n 's/.*version \([0-9]*\)\..*/\1/p')
[ "$found" = $needed ] || {
	echo "lint: skipped, it needs clang-tidy $needed, and this is ${found:-none}"
	exit 77
}

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
[ $# -gt 0 ] || set -- $(cd "$top" && find src tools -name '*.c' | sort)

# What make would do if these files were new. A line a file: its path, then its flags, quoted as
# make quotes them. MAKEFLAGS would make it another make's child.
what_if= goals=all-am
for file in "$@"; do
	what_if="$what_if -W $top/$file"
	# Programs that only make check builds.
	case $file in tools/*/*) ;; tools/*.c) goals="$goals ${file%.c}" ;; esac
done
env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL "$make" -n V=1 $what_if $goals 2>/dev/null |
	sed -nE 's/^.* (-DHAVE_CONFIG_H .*) -MT .* -c -o [^ ]+ (.*\.c)( &&.*)?$/\2 \1/p' |
	sed -E "s,^\`[^\`]*\`,,; s,^$top/,," | sort -u -k 1,1 >"$work/commands"

# What make would do besides is of no interest.
printf '^%s \n' "$@" | grep -f - "$work/commands" >"$work/wanted"
bad=0
for file in "$@"; do
	grep -q "^$file " "$work/commands" || { echo "lint: no rule builds $file"; bad=1; }
done

# gcc's flags that clang does not know are not what is looked for.
lint='file=${1%% *} flags=${1#* }
eval "$3 --quiet --use-color=false $2/$file -- $flags -Wno-unknown-warning-option" 2>/dev/null'
tr '\n' '\0' <"$work/wanted" |
	xargs -0 -P "${LINT_JOBS:-$(nproc)}" -I '{}' sh -c "$lint" lint '{}' "$top" "$tidy" >"$work/log" || bad=1
cat "$work/log"
warnings=$(grep -cE ': (warning|error): ' "$work/log")
echo "lint: $(wc -l <"$work/wanted") files, $warnings warnings"
[ "$bad" = 0 ] && [ "$warnings" = 0 ]
