#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Each function of MPI fails at each of its first calls, and at later ones here and there, with each
# class and in each way: tests/mpi/failing.c. Minutes.
. "$(dirname "$0")/common.sh"
built tests/mpi/failing
program=$TEST_BUILDDIR/tests/mpi/failing
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
for function in $("$program" list); do
	if TEST_TIMEOUT=900 one_host 2 "$program" "$function" >"$log" 2>&1; then
		echo "PASS: $function: $(sed -n 's/^failing: \(.*\)/\1/p' "$log")"
	else
		echo "FAIL: $function"
		grep -a -v ': it failed; open\|never called so often' "$log" | cut -c 1-300 | tail -n 20
		failed=1
	fi
done
exit $failed
