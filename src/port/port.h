/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The port: what the progress loop needs of a network, as a table of
 * functions. mpi/port.c is MPI; tests/sim/net is a network in memory, with a
 * seeded scheduler and virtual time. Nothing here blocks.
 *
 * All functions are called by the holder of the helm only, but for `now`,
 * which any thread may call. A request lives in the caller's memory from its
 * start until fy_port_test said that it is done; the port keeps its own state
 * of it in `handle`. The memory of a send belongs to the port until then, that
 * of a receive until then or until its cancellation is done.
 *
 * Order: of two sends to the same rank with the same tag the first matches
 * first; completions come in any order, on both sides. The engine relies on
 * neither: batches are numbered, and chunks of data have tags of their own.
 */
#ifndef FY_PORT_PORT_H
#define FY_PORT_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct fy_port fy_port;

#define FY_PORT_ANY (-1) /* a receive from any source */
#define FY_TAG_BATCH 0   /* batches; data travels with tags from 1 to tag_max */
#define FY_SENTENCE 252  /* room for what a rank says about its open */

typedef struct fy_request {
	void *handle;  /* the port's: MPI_Request, or the simulation's object */
	int source;    /* of a receive that ended well: who sent it; else FY_PORT_ANY */
	int status;    /* once done: 0, FERRY_ECANCELED, FERRY_ETRUNC, FERRY_EMPI */
	size_t nbytes; /* of a receive that ended well: how much came; else 0 */
} fy_request;

struct fy_port_ops {
	const char *name;
	/* Start a send. 0, or FERRY_EMPI with a text from `error`: then nothing
	 * was started. */
	int (*send)(fy_port *port, int rank, int tag, const void *data, size_t nbytes,
	            fy_request *request);
	/* Start a receive of at most `nbytes` from `rank` or FY_PORT_ANY. */
	int (*recv)(fy_port *port, int rank, int tag, void *data, size_t nbytes,
	            fy_request *request);
	/* One look: true when the request is done; it is then forgotten by the
	 * port and its status fields are set. Makes progress. */
	bool (*test)(fy_port *port, fy_request *request);
	/* Ask a receive to end early. The request is still to be tested until it is done:
	 * with FERRY_ECANCELED, or with 0 when a message came first. */
	void (*cancel)(fy_port *port, fy_request *request);
	/* Let the network move when there is nothing to test. */
	void (*progress)(fy_port *port);
	/* Monotonic time in ns; virtual in the simulation. */
	int64_t (*now)(fy_port *port);
	/* The word on which `rank`'s engine sleeps when it is on this host and
	 * shares memory with us (see shared/wake.h), or NULL. `rank` may be our own. */
	uint32_t *(*doorbell)(fy_port *port, int rank);
	/* All ranks: compare `mine` with the others' bytes at open. Collective and
	 * blocking. 0 when all are equal, else FERRY_ENOTSUP and the lowest rank
	 * that differs from rank 0, with rank 0's bytes in `theirs`. */
	int (*agree)(fy_port *port, const void *mine, void *theirs, size_t nbytes, int *rank_p);
	/* The end of an open, on all ranks, after `agree`. With `offer` each says whether all
	 * that it had to do for the open went well: 0, or a status and its sentence. This does
	 * not wait. */
	void (*offer)(fy_port *port, int status, const char *text);
	/* After `offer`; blocks until all ranks have offered. 0 when all went well everywhere. Else
	 * the status of the lowest rank that failed, with its sentence and its number. */
	int (*settle)(fy_port *port, char text[FY_SENTENCE], int *rank_p);
	/* The last call. `clean`: every rank came to its orderly end, and nothing
	 * is under way. Otherwise the communicator is left alone. 0, or FERRY_EMPI with a
	 * text from `error`, which may still be asked for it. */
	int (*close)(fy_port *port, bool clean);
	/* A text on the last failure; the thread's that failed. */
	const char *(*error)(fy_port *port);
};

struct fy_port {
	const struct fy_port_ops *ops;
	int rank;
	int size;
	int tag_max;      /* the highest tag, at least 32767 */
	size_t chunk_max; /* the longest single send */
	bool lendable;    /* threads other than the progress thread may call it */
	bool all_local;   /* every rank has a doorbell: an idle engine need not poll */
	int ranks_here;   /* ranks of this host that have a doorbell, this one too */
	/* set by the engine before a close that is not clean: all ranks came to their end all the
	 * same, and only receives of this rank are left */
	bool parted;
};

#endif
