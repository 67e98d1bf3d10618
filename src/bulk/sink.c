/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sink: where the bytes of a prepaid message go if there is no memory for it. They are on their
 * way, and MPI keeps them until they are received. MPI has no receive into nothing, and a receive
 * that is too short is not safe with every MPI (mpi/port.c). So the sink has as much address space
 * as such a message can have bytes, and all of it is the same few pages. One receive at a time uses
 * it. Only the holder of the helm may call.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "bulk/sink.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bulk/bulk.h"
#include "link/link.h"

#define PIECE (256u << 10)

/* No prepaid message is larger than its peer's window. */
static size_t sink_bytes(const struct fy_bulk *bulk)
{
	uint64_t most = bulk->link->credit.window_max > bulk->link->credit.first
	                        ? bulk->link->credit.window_max
	                        : bulk->link->credit.first;
	return (size_t)(most + PIECE - 1) / PIECE * PIECE;
}

static bool fill(char *space, size_t nbytes, int pages)
{
	for (size_t at = 0; at < nbytes; at += PIECE)
		if (mmap(space + at, PIECE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, pages,
		         0) == MAP_FAILED)
			return false;
	return true;
}

static char *map(size_t nbytes, int pages)
{
	if (ftruncate(pages, PIECE) != 0)
		return NULL;
	char *space =
		mmap(NULL, nbytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (space == MAP_FAILED)
		return NULL;
	if (fill(space, nbytes, pages))
		return space;
	munmap(space, nbytes);
	return NULL;
}

bool fy_sink_open(struct fy_bulk *bulk)
{
	if (bulk->sink.space)
		return true;
	int pages = memfd_create("ferry", MFD_CLOEXEC);
	if (pages < 0)
		return false;
	bulk->sink.space = map(sink_bytes(bulk), pages);
	close(pages);
	return bulk->sink.space;
}

void fy_sink_close(struct fy_bulk *bulk, bool unmap)
{
	if (bulk->sink.space && unmap)
		munmap(bulk->sink.space, sink_bytes(bulk));
	bulk->sink.space = NULL;
}
