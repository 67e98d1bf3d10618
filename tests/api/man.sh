#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The manual pages: each tool has one, each page is of a tool, mandoc and groff find no fault in it,
# and it has the options that --help has, no more and no fewer.
work=$TEST_BUILDDIR/tests/api/man.tmp
trap 'rm -rf "$work"' EXIT
rm -rf "$work" && mkdir -p "$work" || exit 1
pages=$TEST_SRCDIR/doc/man
bad=0

complain() {
	echo "FAILED: $*"
	bad=1
}

# The options in a text, one a line.
options() { grep -o -E '(^|[^-a-zA-Z0-9"])--?[a-z][-a-z]*' | sed 's/^[^-]*//; s/-*$//' | sort -u; }
# A page's source, its options written as a person types them (mdoc has Fl for the first -, man's macros
# \- for each), without examples and what only formats. -n is the launcher's.
typed() { # PAGE
	sed '/^\.Bd/,/^\.Ed/d; /^\.EX/,/^\.EE/d; /^\.nf/,/^\.fi/d; /^\.\(Bl\|D[dlt]\|T[HP]\|\\"\)/d
		s/\\-/-/g; s/\<Fl \([^ ]\)/-\1/g' "$1"
}

compare_options() { # NAME
	"$TEST_BUILDDIR/tools/$1" --help </dev/null >"$work/help" 2>&1 || { complain "$1 --help ends with $?"; return; }
	options <"$work/help" | grep -v '^-n$' >"$work/helped"
	typed "$pages/$1.1" | options | grep -v '^-n$' >"$work/paged"
	[ -s "$work/helped" ] || complain "$1 --help names no option"
	diff "$work/helped" "$work/paged" >"$work/diff" && return
	sed -n "s/^< /FAILED: doc\/man\/$1.1 lacks the option /p; s/^> /FAILED: $1 --help lacks the option /p" "$work/diff"
	bad=1
}

# Pages that name one another are not installed here.
look() { # PAGE
	if command -v mandoc >/dev/null; then
		mandoc -Tlint "$1" | grep -v 'referenced manual not found' && complain "mandoc has faults in $1"
	else
		echo "mandoc is not installed: it looked at no page"
	fi
	if command -v groff >/dev/null; then
		groff -mandoc -ww -z -Tascii "$1" 2>&1 | grep . && complain "groff has faults in $1"
	else
		echo "groff is not installed: it looked at no page"
	fi
}

for page in "$pages"/*.1; do
	name=$(basename "$page" .1)
	look "$page"
	if [ -x "$TEST_BUILDDIR/tools/$name" ]; then
		compare_options "$name"
	else
		complain "$page is of no tool: there is no tools/$name"
	fi
done
for source in "$TEST_SRCDIR"/tools/ferry-*.c; do
	name=$(basename "$source" .c)
	[ -s "$pages/$name.1" ] || complain "$name has no page: write doc/man/$name.1, and name it in doc/local.mk"
done
exit $bad
