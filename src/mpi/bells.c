/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bells: how the ranks of a host come to share memory. Only the thread that opens or closes.
 *
 * The first rank of the host makes a shared memory object under a name of its own, and tells the
 * name to the others. MPI may take a rank in another container for a neighbour; such a rank finds
 * nothing under that name, or another object. So the object begins with a secret number. It is used
 * only if every rank of the host has mapped the same object. Its name is removed by then.
 */
#include "mpi/bells.h"

#include <errno.h>
#include <fcntl.h>
#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "mpi/await.h"
#include "mpi/verdict.h"

#define SPACING 64
#define NO_PLACE (-1)

struct invitation {
	char name[64]; /* "": there is nothing to map */
	uint64_t secret;
};

/* How many bytes so many words take. The first SPACING bytes are for the secret. */
static size_t room_for(int words)
{
	return ((size_t)words + 1) * SPACING;
}

static bool map(struct fy_bells *bells, int fd, size_t nbytes)
{
	struct stat info;
	if (fstat(fd, &info) != 0 || info.st_size < (off_t)nbytes)
		return false;
	void *memory = mmap(NULL, nbytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		return false;
	bells->memory = memory;
	bells->nbytes = nbytes;
	bells->shared = true;
	return true;
}

static void unmap(struct fy_bells *bells)
{
	if (bells->shared)
		munmap(bells->memory, bells->nbytes);
	bells->memory = NULL;
	bells->shared = false;
}

/* Repeated when a signal interrupts it, as is allocate. */
static int open_shared(const char *name, int flags)
{
	int fd;
	do
		fd = shm_open(name, flags | O_RDWR | O_CLOEXEC, 0600);
	while (fd < 0 && errno == EINTR);
	return fd;
}

static bool allocate(int fd, size_t nbytes)
{
	int failed;
	do
		failed = posix_fallocate(fd, 0, (off_t)nbytes);
	while (failed == EINTR);
	return failed == 0;
}

/* Allocates before it maps: on a full file system the first write would kill the process. */
static void create(struct fy_bells *bells, size_t nbytes, struct invitation *invitation)
{
	static unsigned serial;
	int fd = -1;
	for (int i = 0; i < 100 && fd < 0; i++) {
		invitation->secret =
			((uint64_t)fy_clock_now() << 20) ^ ((uint64_t)getpid() << 8) ^ ++serial;
		snprintf(invitation->name, sizeof invitation->name, "/ferry-%ld-%llx",
		         (long)getpid(), (unsigned long long)invitation->secret);
		fd = open_shared(invitation->name, O_CREAT | O_EXCL);
	}
	if (fd >= 0 && allocate(fd, nbytes) && map(bells, fd, nbytes)) {
		memcpy(bells->memory, &invitation->secret, sizeof invitation->secret);
	} else {
		if (fd >= 0)
			shm_unlink(invitation->name);
		invitation->name[0] = '\0';
	}
	if (fd >= 0)
		close(fd);
}

static void follow(struct fy_bells *bells, size_t nbytes, const struct invitation *invitation)
{
	int fd = invitation->name[0] != '\0' ? open_shared(invitation->name, 0) : -1;
	if (fd < 0)
		return;
	if (map(bells, fd, nbytes) &&
	    memcmp(bells->memory, &invitation->secret, sizeof invitation->secret) != 0)
		unmap(bells);
	close(fd);
}

/* Share memory among all ranks of the host, or none. A rank on which something fails takes part to
 * the end. */
static int share(struct fy_bells *bells, MPI_Comm host, int rank, int words)
{
	struct invitation invitation = { .name = "" };
	int mine, all = 0, failed;
	if (rank == 0)
		create(bells, room_for(words), &invitation);
	failed = FY_MPI_AWAIT_CALL(
		MPI_Bcast(&invitation, (int)sizeof invitation, MPI_BYTE, 0, host));
	if (failed == MPI_SUCCESS && rank != 0)
		follow(bells, room_for(words), &invitation);
	mine = bells->shared;
	fy_mpi_verdict_first_of(&failed, FY_MPI_AWAIT_CALL(MPI_Allreduce(&mine, &all, 1, MPI_INT,
	                                                                 MPI_MIN, host)));
	if (rank == 0 && invitation.name[0] != '\0')
		shm_unlink(invitation.name);
	if (!all)
		unmap(bells);
	return failed;
}

int fy_bells_translate(MPI_Comm comm, MPI_Group from, int n, const int *ranks, int *found)
{
	MPI_Group to;
	int code = MPI_Comm_group(comm, &to);
	if (code != MPI_SUCCESS)
		return code;
	code = MPI_Group_translate_ranks(from, n, ranks, to, found);
	MPI_Group_free(&to);
	return code;
}

/* Find out which word is of which rank. */
static int find_places(struct fy_bells *bells, MPI_Comm comm, MPI_Comm host, int words)
{
	int *local = calloc(2 * (size_t)words, sizeof *local), code;
	if (local == NULL || bells->place == NULL) {
		free(local);
		return MPI_ERR_NO_MEM;
	}
	for (int i = 0; i < words; i++)
		local[i] = i;
	MPI_Group group;
	code = MPI_Comm_group(host, &group);
	if (code == MPI_SUCCESS) {
		code = fy_bells_translate(comm, group, words, local, local + words);
		MPI_Group_free(&group);
	}
	for (int i = 0; i < words && code == MPI_SUCCESS; i++)
		bells->place[local[words + i]] = i;
	free(local);
	return code;
}

/* No shared memory: one word, for this rank. */
static int be_alone(struct fy_bells *bells, int rank)
{
	bells->nbytes = room_for(1);
	bells->memory = aligned_alloc(SPACING, bells->nbytes);
	if (bells->memory == NULL || bells->place == NULL)
		return MPI_ERR_NO_MEM;
	memset(bells->memory, 0, bells->nbytes);
	for (int i = 0; i < bells->ranks; i++)
		bells->place[i] = NO_PLACE;
	bells->place[rank] = 0;
	bells->all = bells->ranks == 1;
	return MPI_SUCCESS;
}

/* What a rank needs to know before it takes part in share(), in which the others wait for it. */
static int measure(MPI_Comm comm, MPI_Comm host, int *rank, int *place, int *words)
{
	int code = FY_MPI_AWAIT_CALL(MPI_Comm_rank(comm, rank));
	fy_mpi_verdict_first_of(&code, FY_MPI_AWAIT_CALL(MPI_Comm_rank(host, place)));
	fy_mpi_verdict_first_of(&code, FY_MPI_AWAIT_CALL(MPI_Comm_size(host, words)));
	return code;
}

static int open_on(struct fy_bells *bells, MPI_Comm comm, MPI_Comm host)
{
	int words = 1, rank = 0, place = 0, code = measure(comm, host, &rank, &place, &words);
	if (code == MPI_SUCCESS && words > 1)
		code = share(bells, host, place, words);
	if (code == MPI_SUCCESS && bells->shared)
		code = find_places(bells, comm, host, words);
	else if (code == MPI_SUCCESS)
		code = be_alone(bells, rank);
	bells->here = bells->shared ? words : 1;
	if (bells->shared)
		bells->all = words == bells->ranks;
	return code;
}

int fy_bells_open(struct fy_bells *bells, MPI_Comm comm)
{
	MPI_Comm host;
	int code;
	*bells = (struct fy_bells){ .memory = NULL };
	int sized = FY_MPI_AWAIT_CALL(MPI_Comm_size(comm, &bells->ranks));
	bells->place = malloc((size_t)bells->ranks * sizeof *bells->place);
	for (int i = 0; bells->place != NULL && i < bells->ranks; i++)
		bells->place[i] = NO_PLACE;
	code = FY_MPI_AWAIT_CALL(
		MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &host));
	if (code == MPI_SUCCESS) {
		code = open_on(bells, comm, host);
		fy_mpi_verdict_first_of(&code, MPI_Comm_free(&host));
	}
	fy_mpi_verdict_first_of(&code, sized);
	if (code != MPI_SUCCESS)
		fy_bells_close(bells);
	return code;
}

void fy_bells_close(struct fy_bells *bells)
{
	if (bells->shared)
		unmap(bells);
	else
		free(bells->memory);
	free(bells->place);
	*bells = (struct fy_bells){ .memory = NULL };
}

uint32_t *fy_bells_word(const struct fy_bells *bells, int rank)
{
	if (rank < 0 || rank >= bells->ranks || bells->place == NULL ||
	    bells->place[rank] == NO_PLACE)
		return NULL;
	return (uint32_t *)(void *)(bells->memory + ((size_t)bells->place[rank] + 1) * SPACING);
}
