# SPDX-License-Identifier: Apache-2.0
# FERRY_CHECK_PYTHON_PEER: PYTHON_PEER, an interpreter with msgpack and with an
# mpi4py that is built on the MPI found before; empty if there is none, and then
# tests/mpi/python_peer.sh is skipped.
AC_DEFUN([FERRY_CHECK_PYTHON_PEER], [
AC_ARG_VAR([PYTHON], [the interpreter for the Python example])
AC_MSG_CHECKING([for a Python whose mpi4py is built on $MPI_NAME])
PYTHON_PEER=
for ferry_python in $PYTHON python3 /usr/bin/python3; do
	ferry_library=`$ferry_python -c 'import msgpack, mpi4py
mpi4py.rc.initialize = False
from mpi4py import MPI
print(MPI.Get_library_version())' 2>/dev/null | tr -d '\000'`
	AS_CASE([$ferry_library], ["$MPI_NAME"*|*" $MPI_NAME "*], [PYTHON_PEER=$ferry_python; break])
done
AC_MSG_RESULT([${PYTHON_PEER:-none}])
AC_SUBST([PYTHON_PEER])
])
