#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# layers.sh check|exceptions|figures SRCDIR BUILDDIR: do the folders of src/ keep the order that
# src/layers.list says?
#   check       a sentence for each fault, with what to do; fails if there is one
#   exceptions  each fault as a line for src/layers.exceptions, which wants a reason behind its
#               colon
#   figures     how large things are, and how many faults of each kind
# Needs the objects of a build; NM and AWK name other tools. Writes nothing below SRCDIR.
set -u
LC_ALL=C
export LC_ALL
mode=$1
cd "$3" && build=$PWD && cd "$OLDPWD" && cd "$2" || exit 1
scripts=$(dirname "$0")
case $scripts in /*) ;; *) scripts=$OLDPWD/$scripts ;; esac
awk=${AWK:-awk}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# The object of src/DIR/NAME.c: the newest of what libtool makes, with and without the prefix of a
# library.
find_object() { # DIRECTORY NAME
	object=-
	for candidate in "$1/$2.o" "$1/.libs/$2.o" "$1"/libferry_*_la-"$2.o" \
		"$1"/.libs/libferry_*_la-"$2.o"; do
		[ -f "$candidate" ] || continue
		[ "$object" != - ] && [ ! "$candidate" -nt "$object" ] || object=$candidate
	done
}

set -- src/*.[ch] src/*/*.[ch] src/*/*/*.[ch] include/*.h
for file; do
	[ -f "$file" ] || continue
	printf '%s\n' "$file" >>"$work/files"
	case $file in
	src/*.c)
		name=${file##*/}
		name=${name%.c}
		find_object "$build/${file%/*}" "$name"
		depends=-
		[ "$object" = - ] || depends=$build/${file%/*}/.deps/$(basename "$object" .o).Plo
		[ -f "$depends" ] || depends=-
		printf '%s %s %s\n' "${file#src/}" "$object" "$depends" >>"$work/sources"
		;;
	esac
done
if ! grep -qv ' - ' "$work/sources"; then
	echo "there are no objects in $build: make first" >&2
	exit 1
fi
xargs "$awk" -f "$scripts/words.awk" -f "$scripts/facts.awk" <"$work/files" >"$work/facts" &&
	"$awk" '$2 != "-" { print $2 }' "$work/sources" | xargs ${NM:-nm} -P -A -g >"$work/symbols" ||
	exit 1
exceptions=src/layers.exceptions
[ -f "$exceptions" ] || exceptions=/dev/null
# shellcheck disable=SC2046
"$awk" -f "$scripts/list.awk" -f "$scripts/text.awk" -f "$scripts/objects.awk" \
	-f "$scripts/circles.awk" -f "$scripts/main.awk" mode="$mode" \
	what=list src/layers.list what=exceptions $exceptions what=facts "$work/facts" \
	what=sources "$work/sources" what=symbols "$work/symbols" \
	what=depends $("$awk" '$3 != "-" { print $3 }' "$work/sources")
