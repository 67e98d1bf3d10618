#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The shared library as a part of something that a program loads late and unloads again: it wants
# little static thread-local storage, of which all libraries of a process share a few hundred bytes,
# and nothing of it is called after it has gone.
set -e
libs=$TEST_BUILDDIR/.libs
work=$TEST_BUILDDIR/tests/api/plugin.tmp
skip() { echo "SKIP: $*"; exit 77; }
[ -f "$libs/libferry.so" ] || skip "no shared library was built"
[ "$TEST_SANITIZER" = no ] || skip "a sanitizer has to be loaded before everything else"
command -v readelf >/dev/null || skip "readelf is missing: install binutils"
trap 'rm -rf "$work"' EXIT
rm -rf "$work"
mkdir -p "$work"
bad=0

# check WHAT COMMAND...
check() {
	what=$1
	shift
	if "$@" >"$work/out" 2>&1; then
		echo "ok: $what"
	else
		echo "FAILED ($?): $what"
		tail -n 20 "$work/out"
		bad=1
	fi
}

# ---- what it wants ----

# What is loaded before a program (libferry-preload-*) has its part from the beginning.
tls=0
for lib in "$libs"/libferry-*.so; do
	case $lib in */libferry-preload-*) continue ;; esac
	for size in $(readelf -lW "$lib" | awk '$1 == "TLS" { print $6 }'); do
		tls=$((tls + size))
	done
done
check "$tls bytes of static thread-local storage, of 256 at most" [ "$tls" -le 256 ]
for lib in "$libs"/libferry-*.so; do
	check "${lib##*/} stays in memory" eval "readelf -dW '$lib' | grep -q NODELETE"
done

# ---- loaded behind others, used by a thread that ends after it was unloaded ----

cat >"$work/filler.c" <<'C'
__thread char fill[128] __attribute__((tls_model("initial-exec")));
char *touch(void);
char *touch(void)
{
	return fill;
}
C
cat >"$work/host.c" <<'C'
#include <dlfcn.h>
#include <ferry.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FIND(name) ((__typeof__(&(name)))find(#name))

static void *lib;
static ferry *engine;
static pthread_barrier_t gate;

static void *find(const char *name)
{
	void *there = dlsym(lib, name);
	if (!there) {
		puts(dlerror());
		exit(1);
	}
	return there;
}

/* It leaves a lane, memory in its cache and a text of an error behind. */
static void *use(void *arg)
{
	ferry_future *future;
	ferry_message *reply;
	if (FIND(ferry_call)(engine, 0, 1, "x", 1, &future) || FIND(ferry_future_wait)(future, FERRY_S(10)) ||
	    FIND(ferry_future_take)(future, &reply))
		exit(1);
	FIND(ferry_message_release)(reply);
	FIND(ferry_future_release)(future);
	FIND(ferry_rank)(NULL);
	pthread_barrier_wait(&gate);
	pthread_barrier_wait(&gate); /* unloaded */
	return arg;
}

static void answer(ferry *on, ferry_message *request, void *arg)
{
	(void)on;
	(void)request;
	(void)arg;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	alarm(30);
	for (int i = 2; i < argc; i++)
		if (!dlopen(argv[i], RTLD_NOW)) {
			puts(dlerror());
			return 1;
		}
	lib = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
	if (!lib) {
		puts(dlerror());
		return 1;
	}
	pthread_barrier_init(&gate, NULL, 2);
	if (FIND(ferry_open)(NULL, &engine) || FIND(ferry_handle)(engine, 1, FERRY_INLINE, answer, NULL))
		return 1;
	if (pthread_create(&thread, NULL, use, NULL))
		return 1;
	pthread_barrier_wait(&gate);
	if (FIND(ferry_close)(engine))
		return 1;
	usleep(50000); /* the progress thread ends */
	if (dlclose(lib))
		return 1;
	pthread_barrier_wait(&gate);
	return pthread_join(thread, NULL);
}
C
$TEST_CC -shared -fPIC -o "$work/filler.so" "$work/filler.c"
fillers=
for i in 1 2 3 4 5 6 7 8; do
	cp "$work/filler.so" "$work/filler$i.so"
	fillers="$fillers $work/filler$i.so"
done
$TEST_CC -D_GNU_SOURCE -I"$TEST_SRCDIR/include" -o "$work/host" "$work/host.c" -pthread -ldl
check "used by a thread that ends after it was unloaded" timeout 40 "$work/host" "$libs/libferry.so.0"
check "loaded behind eight libraries of 128 bytes each" timeout 40 "$work/host" "$libs/libferry.so.0" $fillers
exit $bad
