#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# generate.sh next|passes|others|serialized|requests TABLE COMPILER...: what libferry-preload knows
# of an mpi.h.
#   next      the functions that mpi.h declares, for src/preload/next.h:
#               FY_NEXT(Isend, int, (const void *buf, ...), (buf, ...))   one that is wrapped
#               FY_NEED(Pack, int, (const void *inbuf, ...), (inbuf, ...))  one that is only called
#               FY_ALSO(Type_size, int, ...)                              any other
#               #define FY_HAS_Isend 1
#   passes    the wrappers of the class flush
#   others    those of all that are neither own nor flush
#   serialized  for src/preload/serialized.c: each function with the helm held, and take_place(),
#             which puts these into fy_next
#   requests  the names, without MPI_, of all functions of mpi.h that take or return a request
# The compiler comes with the flags that find mpi.h. AWK names another awk.
what=$1 table=$2
shift 2
work=$(mktemp) || exit 1
trap 'rm -f "$work"' EXIT
echo '#include <mpi.h>' | "$@" -E -x c - >"$work" &&
	"${AWK:-awk}" -v what="$what" -f "${0%/*}/declarations.awk" "$table" "$work"
