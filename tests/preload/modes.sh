# SPDX-License-Identifier: Apache-2.0
# Sourced by a script of tests/preload: runs an ordinary MPI program with MPI alone, with the layer
# in both ranks, with the layer in rank 0 alone, and with all calls serialized. What a program says must
# not depend on it.
. "$TEST_SRCDIR/tests/support/jobs.sh"
layer=$TEST_BUILDDIR/.libs/libferry-preload-$TEST_MPI_ID.so
modes=plain
# A sanitizer wants to be loaded before all else.
[ -f "$layer" ] && [ "$TEST_SANITIZER" = no ] && modes='plain both first serialized'

# run MODE ARG...: two ranks of $program. The program checks whether the layer is there.
run() {
	mode=$1
	shift
	case $mode in
	plain) launch -n 2 env TEST_PRELOADED=0 "$program" "$@" ;;
	both) launch -n 2 env LD_PRELOAD="$layer" TEST_PRELOADED=1 "$program" "$@" ;;
	serialized) launch -n 2 env LD_PRELOAD="$layer" FERRY_PRELOAD=serialized TEST_PRELOADED=1 \
		"$program" "$@" ;;
	first) launch -n 1 env LD_PRELOAD="$layer" TEST_PRELOADED=1 "$program" "$@" : \
		-n 1 env TEST_PRELOADED=0 "$program" "$@" ;;
	esac
}

# A rank without the layer is at the mercy of Open MPI's own MPI_THREAD_MULTIPLE, which now and then
# crashes or hangs in this program (4.1.4: in MPI_Sendrecv to itself). That says nothing of the layer.
run_fairly() {
	for try in 1 2 3; do
		run "$@"
		case $TEST_MPI/$1/$status in
		"Open MPI"/plain/[1-9]* | "Open MPI"/first/[1-9]*) [ "$status" -eq 77 ] && return ;;
		*) return ;;
		esac
		echo "# $1: try $try ended with $status"
	done
}

# UCX names every request and message that was left behind at MPI_Finalize.
leaves_nothing() { ! grep -qE 'UCX +WARN.*(was not returned|was not matched)' "$work/out" "$work/err"; }

# passes ARG...: in each mode the program ends well and says what it checked.
passes() {
	for mode in $modes; do
		run_fairly "$mode" "$@"
		if [ "$status" -eq 77 ] || says '^SKIP: '; then
			grep -h '^SKIP: ' "$work/out"
			exit 77
		fi
		check "$mode${*:+: $*}: it ends well" ended_with 0
		check "... with $(grep -c '^ok ' "$work/out") things that it says are so" says '^ok '
		check "... and leaves nothing behind" leaves_nothing
	done
}
