#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run.sh PROGRAM [ARG...]: one test, with a time limit of TEST_TIMEOUT seconds.
# TEST_WRAPPER stands before programs, not before scripts (valgrind).
. "$(dirname "$0")/environment.sh"
case $1 in
*.sh) TEST_WRAPPER= ;;
esac
exec timeout --kill-after=10 "${TEST_TIMEOUT:-240}" $TEST_WRAPPER "$@"
