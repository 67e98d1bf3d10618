#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The table of libferry-preload: each function of mpi.h that has to do with a request stands in it,
# of each MPI that is here; each name in it is a function of one of them; and the library has the
# names that it should stand before, and no others.
[ "$TEST_MPI_ID" != other ] || { echo "SKIP: there is no libferry-preload for this MPI"; exit 77; }
work=$TEST_BUILDDIR/tests/api/preload_table.tmp
trap 'rm -rf "$work"' EXIT
rm -rf "$work" && mkdir -p "$work" || exit 1
table=$TEST_SRCDIR/src/preload/functions.list
complain() { # WHAT, and names on the input
	sed "s/^/FAILED: $1: MPI_/" >"$work/said"
	[ -s "$work/said" ] || return
	cat "$work/said"
	: >"$work/bad"
}
generate() { # WHAT TABLE FLAGS...
	what=$1 of=$2
	shift 2
	sh "$TEST_SRCDIR/build-aux/preload/generate.sh" "$what" "$of" $TEST_CC "$@" || exit 1
}
classes() { awk -v classes=" $1 " '/^[^#]/ && NF && index(classes, " " $2 " ") { print $1 }' "$table" | sort; }

awk '/^[^#]/ && NF && (NF != 2 || $2 !~ /^(own|flush|pass|need|free)$/) { print $1 }' "$table" |
	complain "no class, or one that there is not"
classes "own flush pass need free" | uniq -d | complain "stands twice in the table"
classes "own flush pass" >"$work/listed"
[ -s "$work/listed" ] || echo | complain "the table is empty"

look_at() { # MPI FLAGS...
	mpi=$1
	shift
	generate requests "$table" "$@" | sort >"$work/requests"
	[ "$(wc -l <"$work/requests")" -gt 50 ] || echo | complain "hardly a request in mpi.h of $mpi"
	comm -23 "$work/requests" "$work/listed" | complain "has a request in mpi.h of $mpi, and no line in the table"
	generate next "$table" "$@" | sed -n 's/^#define FY_HAS_\(.*\) 1$/\1/p' >>"$work/known"
}

look_at "$TEST_MPI" $TEST_MPI_CPPFLAGS
case $TEST_MPI_ID in mpich) other=openmpi ;; *) other=mpich ;; esac
if flags=$("mpicc.$other" -show 2>/dev/null); then
	look_at $other $(printf '%s\n' $flags | grep '^-[ID]')
	sort -u "$work/known" >"$work/both"
	classes "own flush need" | comm -23 - "$work/both" | complain "is a function of neither MPI"
else
	echo "no mpicc.$other is here: whether all names of the table are known was not looked at"
fi

# What stands before MPI: all that mpi.h declares, but what is free.
library=$TEST_BUILDDIR/.libs/libferry-preload-$TEST_MPI_ID.so
if [ -f "$library" ]; then
	$TEST_NM -D "$library" | awk 'NF == 3 && $2 ~ /[A-TV-Z]/ { print $3 }' |
		grep -v '^__[a-z]*san_' | sed 's/^MPI_//' | sort >"$work/shown"
	generate next "$table" $TEST_MPI_CPPFLAGS | sed -n 's/^#define FY_HAS_\(.*\) 1$/\1/p' | sort >"$work/here"
	comm -23 "$work/here" "$work/shown" | complain "is not wrapped"
	comm -13 "$work/here" "$work/shown" | grep -v '^ferry_preload_switch$' |
		complain "is shown, and no function of mpi.h that is wrapped"
	classes free | comm -12 - "$work/shown" | complain "is free, and wrapped"
	$TEST_NM -D "$library" | sed -n 's/^ *U P\{0,1\}MPI_/U/p' | complain "is linked, and should be looked up"
fi
[ ! -e "$work/bad" ]
