/* SPDX-License-Identifier: Apache-2.0 */
/* The region of slots. Any thread. slot.h says who may touch what. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "preload/slot.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include "preload/caller.h"

struct fy_preload_slot_region fy_preload_slot_region;

/* So many go to a thread at once, and so many it keeps at most. */
#define TAKEN 64u
#define KEPT 256u
#define LEAST (1u << 16)

/* Under `lock`: slots that no thread has. */
static struct {
	pthread_mutex_t lock;
	uint32_t chain; /* 0: empty */
	uint32_t fresh; /* the first that was never used */
} spare = { PTHREAD_MUTEX_INITIALIZER, 0, 1 };

bool fy_preload_slot_reserve(void)
{
	/* Only what is used costs memory. A limit on address space may allow fewer. */
	for (size_t n = (size_t)1 << FY_SLOT_BITS; !fy_preload_slot_region.all && n >= LEAST;
	     n /= 2) {
		void *all = mmap(NULL, n * sizeof(struct fy_preload_slot), PROT_READ | PROT_WRITE,
		                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (all == MAP_FAILED)
			continue;
		fy_preload_slot_region.all = all;
		fy_preload_slot_region.n = n;
	}
	return fy_preload_slot_region.all != NULL;
}

static void keep(struct fy_caller *here, uint32_t index)
{
	fy_preload_slot_region.all[index].next = here->slots;
	here->slots = index;
	here->n_slots++;
}

static uint32_t pop(struct fy_caller *here)
{
	uint32_t index = here->slots;
	here->slots = fy_preload_slot_region.all[index].next;
	here->n_slots--;
	return index;
}

static void fetch(struct fy_caller *here)
{
	pthread_mutex_lock(&spare.lock);
	while (here->n_slots < TAKEN && (spare.chain || spare.fresh < fy_preload_slot_region.n)) {
		uint32_t index = spare.chain ? spare.chain : spare.fresh++;
		if (index == spare.chain)
			spare.chain = fy_preload_slot_region.all[index].next;
		keep(here, index);
	}
	pthread_mutex_unlock(&spare.lock);
}

static void bring_back(struct fy_caller *here, uint32_t rest)
{
	pthread_mutex_lock(&spare.lock);
	while (here->n_slots > rest) {
		uint32_t index = pop(here);
		fy_preload_slot_region.all[index].next = spare.chain;
		spare.chain = index;
	}
	pthread_mutex_unlock(&spare.lock);
}

struct fy_preload_slot *fy_preload_slot_take(void)
{
	struct fy_caller *here = &fy_caller_here;
	if (!here->n_slots)
		fetch(here);
	if (!here->n_slots)
		return NULL;
	struct fy_preload_slot *slot = &fy_preload_slot_region.all[pop(here)];
	slot->state = FY_SLOT_QUEUED;
	slot->code = MPI_SUCCESS;
	slot->silent = false;
	return slot;
}

void fy_preload_slot_give(struct fy_preload_slot *slot)
{
	struct fy_caller *here = &fy_caller_here;
	slot->state = FY_SLOT_FREE;
	keep(here, (uint32_t)(slot - fy_preload_slot_region.all));
	if (!here->lane) /* its end is not noticed */
		bring_back(here, 0);
	else if (here->n_slots > KEPT)
		bring_back(here, KEPT / 2);
}

void fy_preload_slot_return_all(void)
{
	bring_back(&fy_caller_here, 0);
}
