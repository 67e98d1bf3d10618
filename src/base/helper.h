/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The helper: one thread a process, `ferry-watch`, for what must not wait for a progress thread. It
 * calls back when a descriptor is ready, or when a time has come, and sleeps in poll otherwise. It
 * never calls MPI. See helper.c.
 *
 * Every engine with a progress thread joins it. That thread makes the call, with all signals
 * blocked that the helper is not to have.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Why it calls back. */
#define FY_HELP_READY 1u /* what `events` asks for is there, or the other side has ended */
#define FY_HELP_DUE 2u   /* due_at has passed; it is INT64_MAX again */
#define FY_HELP_LOST 4u  /* the program closed the descriptor; it is -1 now, not to be closed */
#define FY_HELP_POKED 8u /* by fy_helper_poke */

/* One thing to look after. The caller's memory. Its first four members are set before
 * fy_helper_add; afterwards only `run` may look at it or change it, on the helper. */
struct fy_helped {
	/* Runs on the helper, with no lock. It must not wait: the others wait meanwhile, and the
	 * ranks of this host may take a blocked one for dead. */
	void (*run)(struct fy_helped *self, unsigned why);
	int fd;         /* stays the caller's; -1: none */
	short events;   /* POLLIN, POLLOUT; 0: none for now */
	int64_t due_at; /* of fy_clock_now; INT64_MAX: never */

	/* the helper's, under its lock */
	unsigned why; /* not called yet */
	int slot;     /* in what is polled; -1: not there */
	dev_t device;
	ino_t inode;    /* of the descriptor: one that the program put in its place has another */
	bool has_place; /* came with a descriptor */
	struct fy_helped *next;
};

/* The process needs the thread, which is started if there is none. FERRY_OK; FERRY_ENOMEM, with a
 * sentence. A child of a fork may join: it has neither the thread of its parent nor what that looks
 * after. */
int fy_helper_join(void);
/* Once for each join. The thread ends with the last one; all is removed before. Not on the helper.
 */
void fy_helper_leave(void);
/* From now on it looks after this. Any thread that has joined, or `run`. FERRY_OK; FERRY_ENOMEM;
 * FERRY_EINVAL: `fd` is none. It cannot fail without a descriptor. */
int fy_helper_add(struct fy_helped *it);
/* Afterwards `run` does not run and will not, the memory is the caller's, and so is the descriptor.
 * Waits for a `run` of it that is under way, unless it is called there. Nothing unless added. */
void fy_helper_remove(struct fy_helped *it);
/* Let `run` run soon, once for any number of pokes before. Any thread; it takes the helper's lock
 * for a moment, and makes a system call. Nothing unless added. */
void fy_helper_poke(struct fy_helped *it);
/* Does `run` run here, on this thread? */
bool fy_helper_is_here(void);
