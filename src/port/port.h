/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The port: what the engine needs of a network, as a table of functions. mpi/port.c is MPI;
 * tests/sim/net is a network in memory, with a seeded scheduler and virtual time. No function
 * blocks, except `agree`, `settle` and `close`.
 *
 * Only the holder of the helm calls these functions; `now` may be called on any thread. A request
 * lives in the caller's memory from its start until `test` says that it is done. The port keeps its
 * own state of the request in `handle`. Until it is done, the memory that it sends or receives
 * belongs to the port, also after a `cancel`.
 *
 * Another network has a folder of its own beside mpi/, with a line in src/layers.list, that fills a
 * struct fy_port, and an open like mpi/open.c: fy_life_prepare and fy_life_settle (engine/life.h)
 * make the engine, a thread runs fy_loop_run (helm/loop.h), fy_life_destroy ends it. What
 * port/starts.h declares is for ferry_mpi.h: another network needs none of it.
 *
 * Order: of two sends to the same rank with the same tag the first matches first. Completions come
 * in any order, on both sides. The engine relies on neither: batches are numbered, and chunks have
 * tags of their own.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct fy_port fy_port;

#define FY_PORT_ANY (-1) /* a receive from any source */
#define FY_TAG_BATCH 0   /* batches; data travels with tags from 1 to tag_max */
#define FY_SENTENCE 252  /* bytes for the sentence of a rank whose open failed */

typedef struct fy_request {
	void *handle;  /* the port's: MPI_Request, or the simulation's object */
	int source;    /* of a receive that succeeded: the sender's rank; else FY_PORT_ANY */
	int status;    /* once done: 0, FERRY_ECANCELED, FERRY_ETRUNC, FERRY_EMPI */
	size_t nbytes; /* of a receive that succeeded: how many bytes came; else 0 */
} fy_request;

struct fy_port_ops {
	const char *name;
	/* Start a send. 0, or FERRY_EMPI: then nothing was started, and `error` has a text. */
	int (*send)(fy_port *port, int rank, int tag, const void *data, size_t nbytes,
	            fy_request *request);
	/* Start a receive of at most `nbytes` from `rank` or FY_PORT_ANY. */
	int (*recv)(fy_port *port, int rank, int tag, void *data, size_t nbytes,
	            fy_request *request);
	/* Look once, and make progress. True: the request is done, its status fields are set, and
	 * the port has forgotten it. */
	bool (*test)(fy_port *port, fy_request *request);
	/* May the request be done, as far as the last look tells? For a look that costs nothing,
	 * and makes no progress. NULL: nobody knows, test it. */
	bool (*may_be_done)(const fy_request *request);
	/* Ask a receive to end early. Test it until it is done: with FERRY_ECANCELED, or with 0 if
	 * a message came first. */
	void (*cancel)(fy_port *port, fy_request *request);
	/* Let the network move when there is nothing to test. */
	void (*progress)(fy_port *port);
	/* Monotonic time in ns; virtual in the simulation. */
	int64_t (*now)(fy_port *port);
	/* The word on which the engine of `rank` sleeps (see shared/wake.h). NULL: that rank shares
	 * no memory with us. `rank` may be our own. */
	uint32_t *(*doorbell)(fy_port *port, int rank);
	/* What the watchdog of that rank's process says, on this host: it changes while that rank
	 * is late, because code of its program does not return. Always 0 where there is none. */
	uint32_t (*beats)(fy_port *port, int rank);
	/* Is it proved that the process of that rank has ended, or given back its engine? False
	 * also if nobody can tell. */
	bool (*is_dead)(fy_port *port, int rank);
	/* At open, on all ranks: compare `mine` with the others' bytes. Collective and blocking. 0:
	 * all are equal. FERRY_ENOTSUP: *rank_p is the lowest rank that differs from rank 0, whose
	 * bytes are in `theirs`. */
	int (*agree)(fy_port *port, const void *mine, void *theirs, size_t nbytes, int *rank_p);
	/* At the end of an open, on all ranks, after `agree`: say whether this rank's part of the
	 * open succeeded. 0, or a status and its sentence. Does not wait. */
	void (*offer)(fy_port *port, int status, const char *text);
	/* After `offer`. Blocks until all ranks have offered. 0: all succeeded. Else the status of
	 * the lowest rank that failed, with its sentence and its number. */
	int (*settle)(fy_port *port, char text[FY_SENTENCE], int *rank_p);
	/* The last call, except of `error`. `clean`: every rank came to its orderly end, and
	 * nothing is under way. Otherwise the communicator is left alone. 0, or FERRY_EMPI: then
	 * `error` has a text. */
	int (*close)(fy_port *port, bool clean);
	/* A text on the last failure of this thread. */
	const char *(*error)(fy_port *port);
};

struct fy_port {
	const struct fy_port_ops *ops;
	int rank;
	int size;
	int tag_max;      /* the highest tag, at least 32767 */
	size_t chunk_max; /* the longest single send */
	bool lendable;    /* threads other than the progress thread may call the port */
	bool proves;      /* is_dead may be true of a rank: where it cannot nobody asks */
	bool all_local;   /* every rank has a doorbell: an idle engine need not poll */
	/* Does every rank have a thread that steps its engine? Before `offer`: does this one. After
	 * `settle`: do all. */
	bool attended;
	/* A number for the job, by which its ranks are found. Before `agree`: this rank's own
	 * proposal; after it rank 0's. 0: none. */
	uint64_t job;
	int ranks_here; /* ranks of this host that have a doorbell, this one included */
	/* set by the engine before a close that is not clean: all ranks came to their end, but
	 * receives of this rank are left */
	bool parted;
};
