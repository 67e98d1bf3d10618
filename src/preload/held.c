/* SPDX-License-Identifier: Apache-2.0 */
/* Calls with the helm held: its holder writes, threads that wait read. held.h says why. */
#include "preload/held.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/order.h"
#include "preload/caller.h"

#define PATIENCE INT64_C(10000000000) /* ns */

static struct {
	/* the name, or NULL; written by the helm's holder (release), read by waiters (acquire) */
	const char *call;
	/* when it began, ns; written by the holder before `call`, read behind it */
	uint64_t since;
	/* the `since` of the last one that was told of: compare-and-swap by waiters */
	uint64_t told;
} held;

void fy_preload_held_begin(const char *call)
{
	fy_store_relaxed_64(&held.since, (uint64_t)fy_clock_now());
	fy_store_release_ptr(&held.call, (void *)call);
}

void fy_preload_held_end(void)
{
	fy_store_release_ptr(&held.call, NULL);
}

int64_t fy_preload_held_until(void)
{
	return fy_caller_all.serialized ? fy_clock_now() + PATIENCE : INT64_MAX;
}

void fy_preload_held_sentence(const char *waiting, int64_t now, char *text, size_t size)
{
	const char *call = fy_load_acquire_ptr(&held.call);
	uint64_t since = fy_load_relaxed_64(&held.since);
	uint64_t told = fy_load_relaxed_64(&held.told);
	text[0] = '\0';
	if (!call || now - (int64_t)since < PATIENCE || told == since ||
	    !fy_cas_64(&held.told, told, since))
		return;
	snprintf(text, size,
	         "%s has had MPI for %" PRId64 " s, and %s waits behind it: MPI is called by one "
	         "thread at a time, and this function has no nonblocking form",
	         call, (now - (int64_t)since) / 1000000000, waiting ? waiting : "another call");
}

void fy_preload_held_say(const char *waiting)
{
	char text[400];
	if (!fy_caller_all.serialized)
		return;
	fy_preload_held_sentence(waiting, fy_clock_now(), text, sizeof text);
	if (text[0])
		fprintf(stderr, "ferry-preload: %s\n", text);
}
