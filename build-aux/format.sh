#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The form of the source, by clang-format of one version: another one has other opinions.
#   format.sh          formats all C files
#   format.sh --check  changes nothing; names the lines that it would change, lines of C that
#                      are too long (80 columns in public headers, 100 elsewhere), and blanks at
#                      ends of lines
# Exit 0: all is well; 77: the rest is, and there is no clang-format of the version that is needed.
set -u
needed=14
cd "$(dirname "$0")/.." || exit 1

format=$(command -v clang-format-$needed || command -v clang-format)
found=$("${format:-false}" --version 2>/dev/null | sed -n 's/.*version \([0-9]*\)\..*/\1/p')

# What git knows, or, in a tarball, what is there and was not built.
if ! files=$(git ls-files 2>/dev/null) || [ -z "$files" ]; then
	files=$(find src include tests tools examples build-aux doc -type f | sort)
fi
some() { grep -E "$1" <<<"$files"; }
c_files=$(some '\.[ch]$')

if [ "${1-}" != --check ]; then
	[ "$found" = $needed ] || {
		echo "format: it needs clang-format $needed, and this is ${found:-none}"
		exit 1
	}
	xargs "$format" -i <<<"$c_files"
	exit
fi

status=0
if [ "$found" = $needed ]; then
	xargs -P "$(nproc)" -n 16 "$format" --dry-run -Werror <<<"$c_files" || status=1
fi

# Lines of C and C++, in the pages too; and blanks at the ends of all that is text. Tab stops are at
# 8; of a character of several bytes only the first is counted.
LC_ALL=C awk '
	function columns(text,    i, c, n) {
		n = 0
		for (i = 1; i <= length(text); i++) {
			c = substr(text, i, 1)
			if (c == "\t")
				n += 8 - n % 8
			else if (c < "\200" || c > "\277")
				n++
		}
		return n
	}
	function complain(what) { print FILENAME ":" FNR ": " what; bad = 1 }
	FNR == 1 {
		page = FILENAME ~ /\.md$/
		inside = FILENAME ~ /\.([ch]|cc)$/
		most = FILENAME ~ /^include\// ? 80 : 100
	}
	page && /^```/ { inside = /^```c/; next }
	inside && columns($0) > most { complain("more than " most " columns") }
	/[ \t]$/ { complain("blanks at the end") }
	END { exit bad }
' $(some '\.([ch]|cc|py|md|sh|mk|am|ac|m4|yml)$|^(quickstart|bootstrap|\.ci/run)$') || status=1

[ $status = 0 ] || {
	echo 'format-check: run "make format"; lines that it leaves too long are wrapped by hand'
	exit 1
}
[ "$found" = $needed ] || {
	echo "format-check: skipped, it needs clang-format $needed, and this is ${found:-none}"
	exit 77
}
echo "format-check: $(wc -l <<<"$c_files") files of C"
