/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each thread of this process waits for in Ferry, so that another thread can say why nothing
 * goes on. A thread registers its wait just before it really sleeps, and takes it back when it has
 * woken up; a wait that ends without sleep writes nothing.
 *
 * Each thread that ever slept so, and each thread of the library, has a record. Records are in one
 * list for the process and are never freed: a thread that exits leaves its record to the next one
 * that needs one. So any thread can read all of them at any time, without a lock and without help
 * of the threads that they belong to. A record is written by its thread only. Its `turn` is odd
 * while that writes, and a reader that has seen two equal even turns has read one state.
 *
 * A thread without a record (no memory, or it never waited) is seen by the system's list of threads
 * only, and so counts as one that does something else.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a wait waits for. The numbers travel in pictures (watch/picture.h). */
enum fy_waits {
	FY_WAITS_NOT,      /* it runs, or sleeps outside of Ferry */
	FY_WAITS_FUTURE,   /* one whose kind is not known */
	FY_WAITS_CALL,     /* a reply */
	FY_WAITS_POST,     /* the acceptance of a post */
	FY_WAITS_PROMISE,  /* of the program */
	FY_WAITS_STARTED,  /* an operation of MPI, which may end without Ferry */
	FY_WAITS_COMPOSED, /* a future made of others */
	FY_WAITS_ANY,      /* ferry_wait_any */
	FY_WAITS_FLUSH,    /* `peer`: which rank, or FERRY_ALL */
	FY_WAITS_COUNTER,  /* so many posts */
	FY_WAITS_FENCE,    /* the other ranks */
	FY_WAITS_CLOSE,    /* likewise */
	FY_WAITS_ROOM,     /* for a post to `peer` */
	FY_WAITS_RECV,     /* a message of `op` from `peer`, or FERRY_ANY... */
	FY_WAITS_TASK,     /* ferry_executor_run: something to run */
	FY_WAITS_HANDLER,  /* the end of a handler of `op` */
	FY_WAITS_EXECUTOR, /* the end of an executor's tasks */
	FY_WAITS_HELM,     /* that the progress thread does something for it */
	FY_WAITS_DRIVING,  /* it drives an engine without progress thread until something comes */
	FY_WAITS_IDLE,     /* a worker without a task */
	FY_WAITS_KINDS
};

/* Whose thread it is. */
enum fy_role { FY_ROLE_PROGRAM, FY_ROLE_HELM, FY_ROLE_WORKER, FY_ROLE_WATCH };

/* As `peer`: that is not known, or it is no rank. */
#define FY_WAITS_NOBODY (-2)

struct fy_wait {
	uint32_t kind; /* enum fy_waits */
	uint32_t op;
	int32_t peer; /* a rank, FERRY_ANY or FERRY_ALL, or FY_WAITS_NOBODY */
	uint32_t unused;
	const void *engine; /* compared, never dereferenced; NULL: of none */
	const void *object; /* the future, executor or counter: likewise */
	int64_t since;      /* ns */
	int64_t until;      /* ns; INT64_MAX: no timeout */
};

/* What was read of one thread. */
struct fy_waiting {
	int32_t tid;     /* as the system numbers threads */
	uint32_t role;   /* enum fy_role */
	uint64_t number; /* of waits that the thread has begun and ended; it grows */
	struct fy_wait wait;
};

/* A wait for no op and no rank in particular. */
struct fy_wait fy_waiting_of(enum fy_waits kind, const void *engine, const void *object,
                             int64_t until);

/* The wait around this one, on the stack of the thread. */
struct fy_waiting_place {
	struct fy_wait before;
};

/* Around a sleep that may be long. They nest. `since` is set here. */
void fy_waiting_begin(struct fy_waiting_place *place, const struct fy_wait *wait);
void fy_waiting_end(const struct fy_waiting_place *place);

/* The next wait of this thread for a future is that. Pass what this returns to
 * fy_waiting_unname. Two words, as static thread-local storage is scarce; it is for any op. */
struct fy_waiting_name {
	uint32_t kind; /* FY_WAITS_NOT: as the future says */
	int32_t peer;
};
struct fy_waiting_name fy_waiting_name(enum fy_waits kind, int peer);
void fy_waiting_unname(struct fy_waiting_name before);
/* What it is called just now. */
struct fy_waiting_name fy_waiting_named(void);

/* This thread is one of the library's own. */
void fy_waiting_set_role(enum fy_role role);
/* The threads that have a record, at most `max` of them. Any thread, at any time, also while these
 * go on. Returns how many there are. */
size_t fy_waiting_read(struct fy_waiting *list, size_t max);
