#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# keep_alive.sh PROGRAM ARG...: that program, whose end by a signal MPICH's launcher does not see. It
# would kill the other ranks of the host for it, also with -disable-auto-cleanup. It sends them
# SIGUSR1 when one ends early; MPI's handler in the program takes that, the shell has to as well.
trap : USR1
"$@"
status=$?
exit $((status & 127))
