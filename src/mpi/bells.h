/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bells: one word for each rank of this host, in memory that these ranks share, and beside it one
 * that says how often its watchdog has beaten. If they cannot share memory each has words of its
 * own, and no rank sees another's. All ranks of a host come to the same verdict on that.
 *
 * The file that they share also has a lock for each of these ranks, which dies with its process.
 */
#pragma once

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fy_bells {
	/* The words, one in 64 bytes. Each is written by its rank and by ranks that ring it;
	 * shared/wake.h says who reads it and in which order. */
	unsigned char *memory;
	size_t nbytes;
	int *place;  /* by rank: the index of its word, or -1 */
	int ranks;   /* the size of the communicator */
	bool shared; /* the memory is mapped, not allocated */
	int here;    /* how many words there are */
	bool all;    /* every rank of the communicator has a word here */
	int fd;      /* of the file that is mapped, for its locks; -1: there is none */
	bool locked; /* each rank of this host has taken its lock */
};

/* Collective. MPI's code. */
int fy_bells_open(struct fy_bells *bells, MPI_Comm comm);
/* What `n` ranks of a group are in `comm`; MPI_UNDEFINED: not there. MPI's code. */
int fy_bells_translate(MPI_Comm comm, MPI_Group from, int n, const int *ranks, int *found);
void fy_bells_close(struct fy_bells *bells);
/* The word of that rank. NULL: it shares no memory with this one. */
uint32_t *fy_bells_word(const struct fy_bells *bells, int rank);
/* Beside it, the word of that rank's watchdog. Written by that one, read by the helms of the
 * others, both relaxed: it says nothing about other memory. */
uint32_t *fy_bells_beats(const struct fy_bells *bells, int rank);
/* Is there another rank of which fy_bells_is_dead may be true? */
bool fy_bells_prove(const struct fy_bells *bells);
/* Is it proved that this other rank has ended, or closed its bells? */
bool fy_bells_is_dead(const struct fy_bells *bells, int rank);
