#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Code of the program that ends in another way than by a return ends the program with a sentence,
# wherever it runs. And exit beside running code: the program's status, nothing called any more,
# what runs is waited for, but not for ever.
. "$TEST_SRCDIR/tests/support/environment.sh"
program=$TEST_BUILDDIR/tests/mpi/leaving
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
ulimit -c 0
failures=0

# check STATUS SAYS COMMAND...
check() {
	wanted=$1
	says=$2
	shift 2
	status=0
	(timeout --kill-after=5 30 "$@" </dev/null >"$work/out" 2>&1) 2>/dev/null || status=$?
	name=$(basename "$1")
	shift
	if [ $status -eq "$wanted" ] && { [ -z "$says" ] && ! grep -q '^ferry: ' "$work/out" ||
		{ [ -n "$says" ] && grep -q "^ferry: $says" "$work/out"; }; }; then
		echo "ok: $name $*"
	else
		echo "FAILED: $name $*: status $status, not $wanted (\"$says\")"
		tail -n 20 "$work/out"
		failures=$((failures + 1))
	fi
}

# ---- by pthread_exit ----
check 134 'a handler of op 0x1 did not return' "$program" strand
check 134 'a handler of op 0x1 did not return' "$program" queue
check 134 'an* [a-z]* *handler' "$program" inline
check 134 'an* [a-z]* *handler' "$program" anywhere
check 134 'a callback did not return' "$program" pool thread callback
check 134 'the function of a chain did not return' "$program" queue thread chain
check 134 'a callback did not return' "$program" nothread thread callback
check 134 'a release function did not return' "$program" inline thread release
check 134 'a memory function of op 0x2 did not return' "$program" inline thread memory
check 134 'the function of ferry_run did not return' "$program" inline thread run

# ---- by an exception, where somebody would catch it ----
cat >"$work/throw.cc" <<'C'
#include <ferry.h>
#include <pthread.h>
#include <cstring>
#include <stdexcept>

static pthread_t waits;

/* Where it runs on the progress thread nobody would catch it. */
static void handle(ferry *, ferry_message *, void *)
{
	if (pthread_equal(pthread_self(), waits))
		throw std::runtime_error("out of a handler");
}

int main(int, char **argv)
{
	ferry_options options = FERRY_OPTIONS_INIT;
	ferry_executor *queue = nullptr;
	ferry_future *future;
	ferry *engine;
	bool nothread = std::strcmp(argv[1], "nothread") == 0, anywhere = std::strcmp(argv[1], "anywhere") == 0;

	waits = pthread_self();
	if (nothread)
		options.flags = FERRY_NO_THREAD;
	if (ferry_open(&options, &engine) != FERRY_OK || (!nothread && ferry_queue_create(engine, &queue) != FERRY_OK) ||
	    ferry_handle(engine, 1, anywhere ? FERRY_ANYWHERE : queue, handle, nullptr) != FERRY_OK ||
	    ferry_post(engine, 0, 1, "x", 1, &future) != FERRY_OK)
		return 1;
	try {
		for (int i = 0; anywhere && i < 100000; i++) { /* until this thread comes first */
			ferry_future_wait(future, FERRY_S(5));
			ferry_future_release(future);
			if (ferry_post(engine, 0, 1, "x", 1, &future) != FERRY_OK)
				return 1;
		}
		ferry_future_wait(future, FERRY_S(5));
		ferry_executor_run(queue, 0, FERRY_S(5));
		ferry_flush(engine, 0, FERRY_S(5));
		ferry_progress(engine, FERRY_S(5));
	} catch (const std::exception &) {
	}
	return 1;
}
C
if [ "$TEST_CXX" != false ] && [ -f "$TEST_BUILDDIR/.libs/libferry.so" ] && [ "$TEST_SANITIZER" = no ]; then
	$TEST_CXX -I"$TEST_SRCDIR/include" -o "$work/throw" "$work/throw.cc" -L"$TEST_BUILDDIR/.libs" -lferry \
		-Wl,-rpath,"$TEST_BUILDDIR/.libs" || exit 1
	check 134 'a handler of op 0x1 did not return' "$work/throw" queue
	# A handler that is timed is called by its op.
	inline='\(an inline handler\|a handler of op 0x1\) did not return'
	check 134 "$inline" "$work/throw" nothread
	check 134 "$inline" "$work/throw" anywhere
fi

# ---- exit ----
check 7 '' "$program" inline now
check 7 '' "$program" inline inside
check 7 '' "$program" inline close
check 7 '' "$program" anywhere now
check 7 '' "$program" anywhere inside
check 7 '' "$program" anywhere close
check 7 '' "$program" anywhere slow
check 7 '' "$program" pool other
check 7 '' "$program" pool inside
check 7 '' "$program" pool slow
check 7 '' "$program" queue now
check 7 '' "$program" queue close
check 7 '' "$program" queue slow
check 7 'exit goes on beside a handler' "$program" pool stuck
check 7 '' "$program" pool fork
[ $failures -eq 0 ]
