# SPDX-License-Identifier: Apache-2.0
# Sourced by what lets a rank die: jobs in which the others live on. PLACE is one of these:
#
# tcp  to MPICH each rank has a host of its own, and UCX has nothing but TCP; Open MPI has only that.
#      With puts UCX 1.13 may end this process by an assertion of its own when the peer's connection
#      ends (PUT_TX_WAITING_ACK), so they are off
# shm  one host; what is large is copied through shared memory
# cma  one host, and MPICH as it comes: UCX reads large messages from the memory of the other process
#      (process_vm_readv), and ends this one if that is gone
deaths_program=$TEST_BUILDDIR/tests/mpi/deaths

# surviving PLACE RANKS PROGRAM ARG...
surviving() {
	place=$1 ranks=$2
	shift 2
	case $TEST_MPI,$place in
	Open*,tcp)
		set -- $MPIEXEC $MPIEXEC_FLAGS --enable-recovery --mca pml ob1 --mca btl tcp,self \
			--mca mpi_yield_when_idle 1 -n "$ranks" "$@"
		;;
	Open*)
		set -- $MPIEXEC $MPIEXEC_FLAGS --enable-recovery --mca pml ob1 --mca btl vader,self \
			--mca btl_vader_single_copy_mechanism none -n "$ranks" "$@"
		;;
	*,tcp)
		hosts=$(seq -s, -f 'h%g:1' "$ranks")
		set -- UCX_TLS=tcp,self UCX_TCP_PUT_ENABLE=n $MPIEXEC $MPIEXEC_FLAGS -disable-auto-cleanup \
			-launcher fork -hosts "$hosts" -n "$ranks" "$@"
		;;
	*)
		tls=all
		[ "$place" = cma ] || tls=^cma
		set -- UCX_TLS=$tls $MPIEXEC $MPIEXEC_FLAGS -disable-auto-cleanup \
			-n "$ranks" "$TEST_SRCDIR/tests/support/keep_alive.sh" "$@"
		;;
	esac
	MPIEXEC_TIMEOUT=40 timeout --kill-after=10 50 env "$@" </dev/null
}

# death PLACE HOW WHEN SEED DIRECTORY: what the ranks said of themselves is then in DIRECTORY/said.
death() {
	rm -rf "$5" && mkdir -p "$5" || exit 1
	surviving "$1" 4 "$deaths_program" "$2" "$3" "$5/said" "$4" >"$5/out" 2>&1
}

# ended_well HOW DIRECTORY: all that live said that they ended as they should.
ended_well() {
	[ "$(grep -c '^end: ' "$2/said" 2>/dev/null)" = 3 ] || return 1
	case $1 in stop | abort) grep -q 'left out has stopped' "$2/said" ;; esac
}

# hung DIRECTORY: it was ended by a watchdog.
hung() {
	grep -q 'it hangs\|APPLICATION TIMED OUT' "$1/out"
}
