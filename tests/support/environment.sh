# SPDX-License-Identifier: Apache-2.0
# Sourced by what runs a test, and by quickstart: the environment that all of them need.

# More ranks than cores is the normal case here, and threads must not be bound
# to the core of their rank.
export OMPI_MCA_rmaps_base_oversubscribe=1
export OMPI_MCA_hwloc_base_binding_policy=none
export OMPI_MCA_mpi_yield_when_idle=1
# Containers are root; Open MPI wants to be told twice that this is meant.
if [ "$(id -u)" = 0 ]; then
	export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
fi

case ${TEST_SANITIZER:-no} in
no) ;;
*)
	# UCX's hooks around madvise run at thread exit, when the sanitizer's state of
	# the thread is gone (openucx/ucx#8475).
	export UCX_MEM_EVENTS=no
	# hwloc's pci plugin leaks 1016 bytes a process.
	export HWLOC_COMPONENTS=-pci
	# Open MPI leaks 120 kB a process.
	if [ "${TEST_MPI:-}" = "Open MPI" ]; then
		export ASAN_OPTIONS="detect_leaks=0:${ASAN_OPTIONS:-}"
	fi
	export UBSAN_OPTIONS="print_stacktrace=1:${UBSAN_OPTIONS:-}"
	export TSAN_OPTIONS="second_deadlock_stack=1:${TSAN_OPTIONS:-}"
	# Tests divide their amount of work by this.
	export TEST_SLOW="${TEST_SLOW:-5}"
	;;
esac
