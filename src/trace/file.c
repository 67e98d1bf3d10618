/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of a timeline. Only the thread that opens or ends the engine.
 *
 * The file is mapped, so what was written is in it however the process ends. Its blocks are
 * allocated first: a full file system is an error here, and not a signal at a later store. It is
 * made with O_EXCL, under a name that nobody else has: JOB-rRANK-eENGINE.trace, where ENGINE is the
 * lowest number that is free. So it replaces no file, and follows no link.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "trace/file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "trace/format.h"

#define ENGINES_MAX 10000u
#define POPULATE_MAX ((size_t)64 << 20) /* a larger file gets its pages as they are used */
#define ASIDE_SHARE 8u                  /* of the slots one in so many is for many threads */

static int64_t clock_ns(clockid_t clock)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static struct fy_trace_clock both_clocks(void)
{
	return (struct fy_trace_clock){ clock_ns(CLOCK_MONOTONIC), clock_ns(CLOCK_REALTIME) };
}

/* A word for a file name: what has no place there becomes "_". */
static void word(char *to, size_t room, const char *from)
{
	size_t n = 0;
	for (; from[n] && n + 1 < room; n++)
		to[n] = isalnum((unsigned char)from[n]) || from[n] == '.' ? from[n] : '_';
	to[n] = '\0';
}

void fy_trace_file_job(int size, char job[64])
{
	static const char *const names[] = { "PMIX_NAMESPACE", "OMPI_MCA_ess_base_jobid",
		                             "SLURM_JOB_ID",   "PMI_JOBID",
		                             "FLUX_JOB_ID",    "PBS_JOBID",
		                             "LSB_JOBID" };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const char *value = getenv(names[i]);
		if (value && *value) {
			word(job, 64, value);
			return;
		}
	}
	snprintf(job, 64, "p%ld", size > 1 ? (long)getppid() : (long)getpid());
}

static void read_line(const char *path, char *to, size_t room)
{
	FILE *file = fopen(path, "re");
	if (!file || !fgets(to, (int)room, file))
		to[0] = '\0';
	to[strcspn(to, "\n")] = '\0';
	if (file)
		fclose(file);
}

static uint64_t time_namespace(void)
{
	struct stat info;
	return stat("/proc/self/ns/time", &info) == 0 ? (uint64_t)info.st_ino : 0;
}

static void describe(struct fy_trace_head *head, const struct fy_trace_place *place,
                     const char *job, unsigned engine, size_t nbytes)
{
	uint64_t slots = (nbytes - FY_TRACE_HEAD_BYTES) / sizeof(struct fy_trace_event);
	uint64_t aside = slots / ASIDE_SHARE;
	head->version = FY_TRACE_VERSION;
	head->head_bytes = FY_TRACE_HEAD_BYTES;
	head->event_bytes = sizeof(struct fy_trace_event);
	head->rank = (uint32_t)place->rank;
	head->size = (uint32_t)place->size;
	head->engine = engine;
	head->first_seq = place->first_seq;
	head->pid = (uint64_t)getpid();
	head->every = place->every;
	head->time_space = time_namespace();
	head->begun = both_clocks();
	snprintf(head->job, sizeof head->job, "%s", job);
	if (gethostname(head->host, sizeof head->host - 1))
		head->host[0] = '\0';
	read_line("/proc/sys/kernel/random/boot_id", head->boot, sizeof head->boot);
	head->rings[FY_TRACE_ASIDE] = (struct fy_trace_ring){ FY_TRACE_HEAD_BYTES, aside, 0 };
	head->rings[FY_TRACE_MAIN] =
		(struct fy_trace_ring){ FY_TRACE_HEAD_BYTES + aside * sizeof(struct fy_trace_event),
		                        slots - aside, 0 };
	/* last: a file without it is no timeline yet */
	memcpy(head->magic, FY_TRACE_MAGIC, sizeof head->magic);
}

/* The descriptor of a new file, its path and its number. Below 0: errno says why. */
static int create(const struct fy_trace_place *place, const char *job, char path[4096],
                  unsigned *engine_p)
{
	for (unsigned i = 0; i < ENGINES_MAX; i++) {
		int n = snprintf(path, 4096, "%s/%s-r%d-e%u%s", place->directory, job, place->rank,
		                 i, FY_TRACE_SUFFIX);
		if (n >= 4096) {
			errno = ENAMETOOLONG;
			return -1;
		}
		int fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
		*engine_p = i;
		if (fd >= 0 || errno != EEXIST)
			return fd;
	}
	errno = EEXIST;
	return -1;
}

static int allocate(int fd, size_t nbytes)
{
	int failed;
	do
		failed = posix_fallocate(fd, 0, (off_t)nbytes);
	while (failed == EINTR);
	return failed;
}

struct fy_trace_head *fy_trace_file_make(const struct fy_trace_place *place, size_t *nbytes_p,
                                         char why[FY_TRACE_WHY])
{
	char path[4096], job[64];
	unsigned engine = 0;
	size_t nbytes = place->nbytes & ~(size_t)4095;
	fy_trace_file_job(place->size, job);
	if (mkdir(place->directory, 0777) && errno != EEXIST) {
		snprintf(why, FY_TRACE_WHY, "no timeline: the directory %.300s cannot be made: %s",
		         place->directory, strerror(errno));
		return NULL;
	}
	int fd = create(place, job, path, &engine);
	if (fd < 0) {
		snprintf(why, FY_TRACE_WHY,
		         "no timeline: no file can be made in %.300s: %s; give the option trace a "
		         "directory that can be written to",
		         place->directory, strerror(errno));
		return NULL;
	}
	int failed = allocate(fd, nbytes);
	void *memory = MAP_FAILED;
	if (!failed) {
		memory = mmap(NULL, nbytes, PROT_READ | PROT_WRITE,
		              MAP_SHARED | (nbytes <= POPULATE_MAX ? MAP_POPULATE : 0), fd, 0);
		failed = errno;
	}
	close(fd);
	if (memory == MAP_FAILED) {
		unlink(path);
		snprintf(why, FY_TRACE_WHY,
		         "no timeline: %.300s has no room for %zu bytes: %s; make trace_memory "
		         "smaller",
		         place->directory, nbytes, strerror(failed));
		return NULL;
	}
	describe(memory, place, job, engine, nbytes);
	*nbytes_p = nbytes;
	return memory;
}

void fy_trace_file_end(struct fy_trace_head *head)
{
	head->ended = both_clocks();
	head->closed = 1;
}

void fy_trace_file_unmap(struct fy_trace_head *head, size_t nbytes)
{
	munmap(head, nbytes);
}
