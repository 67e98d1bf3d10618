/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One word for each rank of this host, in memory that these ranks share. Where
 * they cannot share memory each has a word of its own, and no rank sees
 * another's: all ranks of a host come to the same verdict.
 */
#ifndef FY_MPI_BELLS_H
#define FY_MPI_BELLS_H

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fy_bells {
	/* The words, one in 64 bytes. Each is written and read by any rank of the host;
	 * shared/wake.h says with which order. */
	unsigned char *memory;
	size_t nbytes;
	int *place;  /* of a rank: which word, or -1 */
	int ranks;   /* of the communicator */
	bool shared; /* the memory is mapped, not allocated */
	int here;    /* how many words there are */
	bool all;    /* every rank of the communicator has a word here */
};

/* Collective. MPI's code. */
int fy_bells_open(struct fy_bells *bells, MPI_Comm comm);
void fy_bells_close(struct fy_bells *bells);
/* NULL: that rank has none that we can see. */
uint32_t *fy_bells_word(const struct fy_bells *bells, int rank);

#endif
