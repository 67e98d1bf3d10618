/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "beside.h"
#include "compute.h"

static struct {
	pid_t pids[PERF_BESIDE_MAX];
	int count;
	int wanted;
	int gate[2]; /* a byte for each */
	double started;
	double used; /* processor time at the start */
} beside;

/* Runs in the child, so it only makes calls that are safe after a fork. */
static void be_busy(pid_t parent)
{
	char byte;
	ssize_t n;

	close(beside.gate[1]); /* so that a read ends when the parent does */
	do
		n = read(beside.gate[0], &byte, 1);
	while (n < 0 && errno == EINTR);
	while (n == 1 && getppid() == parent)
		perf_compute(1 << 18);
	_exit(0);
}

void perf_beside_create(int count)
{
	pid_t parent = getpid(), pid;

	beside.wanted = count;
	if (count == 0 || pipe2(beside.gate, O_CLOEXEC) != 0)
		return;
	for (beside.count = 0; beside.count < count; beside.count++) {
		pid = fork();
		if (pid == 0)
			be_busy(parent);
		if (pid < 0)
			break;
		beside.pids[beside.count] = pid;
	}
}

static void bind_to(pid_t pid, int place)
{
	cpu_set_t set, one;
	int cpu;

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		perf_fatal("the processors of this rank are unknown");
	place %= CPU_COUNT(&set);
	for (cpu = 0; !CPU_ISSET(cpu, &set) || place-- > 0; cpu++)
		;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (sched_setaffinity(pid, sizeof(one), &one) != 0)
		perf_fatal("a busy process cannot be bound to processor %d", cpu);
}

static int rank_of_host(const struct perf_world *world)
{
	MPI_Comm host;
	int rank;

	MPI_Comm_split_type(world->comm, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &host);
	MPI_Comm_rank(host, &rank);
	MPI_Comm_free(&host);
	return rank;
}

static double used_by(pid_t pid)
{
	struct timespec time;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) != 0)
		perf_fatal("the busy process %d has ended", (int)pid);
	return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static double used_by_all(void)
{
	double used = 0;
	int i;

	for (i = 0; i < beside.count; i++)
		used += used_by(beside.pids[i]);
	return used;
}

void perf_beside_start(struct perf_world *world, bool bound)
{
	int i, rank = rank_of_host(world);

	if (beside.count < beside.wanted)
		perf_fatal("only %d of %d busy processes can be made; ask for fewer", beside.count,
		           beside.wanted);
	for (i = 0; bound && i < beside.count; i++)
		bind_to(beside.pids[i], rank * beside.count + i);
	beside.used = used_by_all();
	beside.started = perf_seconds();
	for (i = 0; i < beside.count; i++)
		if (write(beside.gate[1], "", 1) != 1)
			perf_fatal("a busy process cannot be started");
}

double perf_beside_share(const struct perf_world *world)
{
	double share = 0;

	if (beside.count > 0)
		share = (used_by_all() - beside.used) / (perf_seconds() - beside.started) /
		        beside.count;
	MPI_Allreduce(MPI_IN_PLACE, &share, 1, MPI_DOUBLE, MPI_SUM, world->comm);
	return share / world->size;
}

void perf_beside_end(void)
{
	int i;

	for (i = 0; i < beside.count; i++)
		kill(beside.pids[i], SIGKILL);
	for (i = 0; i < beside.count; i++)
		while (waitpid(beside.pids[i], NULL, 0) < 0 && errno == EINTR)
			;
	beside.count = 0;
}
