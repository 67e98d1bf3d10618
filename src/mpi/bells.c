/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bells: how the ranks of a host come to share memory. Only the thread that opens or closes.
 *
 * The first rank of the host makes a shared memory object under a name of its own, and tells the
 * name to the others. MPI may take a rank in another container for a neighbour; such a rank finds
 * nothing under that name, or another object. So the object begins with a secret number. It is used
 * only if every rank of the host has mapped the same object. Its name is removed by then.
 *
 * Each rank locks one byte of the object, by the fcntl lock that belongs to a process. The kernel
 * takes it away when the process ends, however it does, and not before: not from a process that is
 * stopped. Nobody can write to it. A child of a fork does not have it, as it would have that of an
 * open file description. A thread that ends does not take it along, as it would a robust mutex. It
 * is lost if the process closes a descriptor of that object: nobody else has one.
 */
#include "mpi/bells.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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
#define BEATS_AT 8 /* bytes behind a rank's word */
#define PREFIX "ferry-"
#define OBJECTS "/dev/shm" /* where the C library has them */
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
	if (bells->fd >= 0)
		close(bells->fd);
	bells->memory = NULL;
	bells->shared = bells->locked = false;
	bells->fd = -1;
}

/* ---- locks --------------------------------------------------------------------------------- */

/* Of the rank at that place. After F_GETLK *kind is F_UNLCK if no other process has it. */
static bool ask_lock(int fd, int place, int what, short *kind)
{
	struct flock lock = { .l_type = *kind, .l_whence = SEEK_SET, .l_start = place, .l_len = 1 };
	int failed;
	do
		failed = fcntl(fd, what, &lock);
	while (failed && errno == EINTR);
	*kind = lock.l_type;
	return !failed;
}

static bool take_lock(const struct fy_bells *bells, int place)
{
	short kind = F_WRLCK;
	return ask_lock(bells->fd, place, F_SETLK, &kind);
}

bool fy_bells_prove(const struct fy_bells *bells)
{
	return bells->locked && bells->here > 1;
}

bool fy_bells_is_dead(const struct fy_bells *bells, int rank)
{
	short kind = F_WRLCK;
	return bells->locked && bells->place[rank] != NO_PLACE &&
	       ask_lock(bells->fd, bells->place[rank], F_GETLK, &kind) && kind == F_UNLCK;
}

/* ---- the object ---------------------------------------------------------------------------- */

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

/* ---- what was left behind ------------------------------------------------------------------ */

/* A rank that was killed before it removed the name of its object left that behind. The object of a
 * rank that lives is locked. */
static void sweep_one(const char *name)
{
	struct fy_bells left = { .fd = open_shared(name, 0) };
	struct stat info;
	if (left.fd >= 0 && fstat(left.fd, &info) == 0 && S_ISREG(info.st_mode) &&
	    info.st_uid == geteuid() && take_lock(&left, 0))
		shm_unlink(name);
	unmap(&left);
}

/* None of this process is there, whose lock would be given back: opens come one at a time. */
static void sweep(void)
{
	char name[NAME_MAX + 2] = "/";
	DIR *all = opendir(OBJECTS);
	const struct dirent *one;
	while (all && (one = readdir(all)) != NULL) {
		if (strncmp(one->d_name, PREFIX, sizeof PREFIX - 1) != 0)
			continue;
		snprintf(name, sizeof name, "/%s", one->d_name);
		sweep_one(name);
	}
	if (all)
		closedir(all);
}

/* ---- sharing ------------------------------------------------------------------------------- */

/* Or has a rank that sweeps taken it for one that was left behind, before this one locked it? */
static bool is_ours(const struct fy_bells *bells)
{
	struct stat info;
	return (take_lock(bells, 0) || (errno != EAGAIN && errno != EACCES)) &&
	       fstat(bells->fd, &info) == 0 && info.st_nlink > 0;
}

static void make_name(struct invitation *invitation)
{
	static unsigned serial;
	invitation->secret =
		((uint64_t)fy_clock_now() << 20) ^ ((uint64_t)getpid() << 8) ^ ++serial;
	snprintf(invitation->name, sizeof invitation->name, "/" PREFIX "%ld-%llx", (long)getpid(),
	         (unsigned long long)invitation->secret);
}

/* Allocates before it maps: on a full file system the first write would kill the process. */
static void create(struct fy_bells *bells, size_t nbytes, struct invitation *invitation)
{
	int fd = -1;
	for (int i = 0; i < 100 && fd < 0; i++) {
		make_name(invitation);
		fd = bells->fd = open_shared(invitation->name, O_CREAT | O_EXCL);
		if (fd >= 0 && !is_ours(bells)) {
			shm_unlink(invitation->name);
			unmap(bells);
			fd = -1;
		}
	}
	if (fd >= 0 && allocate(fd, nbytes) && map(bells, fd, nbytes)) {
		memcpy(bells->memory, &invitation->secret, sizeof invitation->secret);
		return;
	}
	if (fd >= 0)
		shm_unlink(invitation->name);
	invitation->name[0] = '\0';
	unmap(bells);
}

static void follow(struct fy_bells *bells, size_t nbytes, const struct invitation *invitation)
{
	int fd = invitation->name[0] != '\0' ? open_shared(invitation->name, 0) : -1;
	if (fd < 0)
		return;
	bells->fd = fd;
	if (!map(bells, fd, nbytes) ||
	    memcmp(bells->memory, &invitation->secret, sizeof invitation->secret) != 0)
		unmap(bells);
}

/* Share memory among all ranks of the host, or none. A rank on which something fails takes part to
 * the end. */
static int share(struct fy_bells *bells, MPI_Comm host, int rank, int words)
{
	struct invitation invitation = { .name = "" };
	enum { MAPPED, LOCKED, BOTH };
	int mine[BOTH], all[BOTH] = { 0 }, failed;
	if (rank == 0) {
		sweep();
		create(bells, room_for(words), &invitation);
	}
	failed = FY_MPI_AWAIT_CALL(
		MPI_Bcast(&invitation, (int)sizeof invitation, MPI_BYTE, 0, host));
	if (failed == MPI_SUCCESS && rank != 0)
		follow(bells, room_for(words), &invitation);
	mine[MAPPED] = bells->shared;
	mine[LOCKED] = bells->shared && take_lock(bells, rank);
	fy_mpi_verdict_first_of(&failed, FY_MPI_AWAIT_CALL(MPI_Allreduce(mine, all, BOTH, MPI_INT,
	                                                                 MPI_MIN, host)));
	if (rank == 0 && invitation.name[0] != '\0')
		shm_unlink(invitation.name);
	bells->locked = all[LOCKED];
	if (!all[MAPPED])
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
	*bells = (struct fy_bells){ .fd = -1 };
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
	*bells = (struct fy_bells){ .fd = -1 };
}

static uint32_t *word_at(const struct fy_bells *bells, int rank, size_t offset)
{
	if (rank < 0 || rank >= bells->ranks || bells->place == NULL ||
	    bells->place[rank] == NO_PLACE)
		return NULL;
	return (uint32_t *)(void *)(bells->memory + ((size_t)bells->place[rank] + 1) * SPACING +
	                            offset);
}

uint32_t *fy_bells_word(const struct fy_bells *bells, int rank)
{
	return word_at(bells, rank, 0);
}

uint32_t *fy_bells_beats(const struct fy_bells *bells, int rank)
{
	return word_at(bells, rank, BEATS_AT);
}
