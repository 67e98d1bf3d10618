// SPDX-License-Identifier: Apache-2.0
// The public headers are C++ as well.
#define MPICH_SKIP_MPICXX 1
#define OMPI_SKIP_MPICXX 1
#include "ferry.h"
#if __has_include("ferry_msgpack.h")
#include "ferry_msgpack.h"
#endif
#if __has_include("ferry_mpi.h")
#include "ferry_mpi.h"
#endif

int main()
{
	return ferry_version()[0] == '\0';
}
