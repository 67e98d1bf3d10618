/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that asks MPI now and then. It never waits for the helm: its holder asks anyway. */
#include "preload/progress.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/order.h"
#include "preload/helm.h"
#include "preload/next.h"

/* Between two looks: a message of many packets takes one look a packet, and an idle thread about
 * 5 % of a processor. */
#define NAP_NS 100000

static struct {
	pthread_t thread;
	MPI_Comm aside; /* of this rank alone; constant while the thread is there */
	bool begun;
	/* 1: end. Written by the thread that ends MPI (release), read by ours (acquire) */
	uint32_t stop;
} progress;

/* A receive that nobody sends to: MPI makes progress with all when it is tested. A probe might find
 * something at once, and do no more. */
static bool receive(void *arg)
{
	static char byte;
	fy_next.Irecv(&byte, 1, MPI_BYTE, 0, 0, progress.aside, arg);
	return true;
}

static bool take_back(void *arg)
{
	int flag = 0;
	fy_next.Cancel(arg);
	while (!flag)
		fy_next.Test(arg, &flag, MPI_STATUS_IGNORE);
	return true;
}

static void *ask(void *arg)
{
	const struct timespec nap = { 0, NAP_NS };
	MPI_Request request = MPI_REQUEST_NULL;
	int flag;
	fy_preload_helm_wait(receive, &request);
	while (!fy_load_acquire_32(&progress.stop)) {
		if (fy_preload_helm_try()) {
			fy_next.Test(&request, &flag, MPI_STATUS_IGNORE);
			fy_preload_helm_give();
		}
		nanosleep(&nap, NULL);
	}
	fy_preload_helm_wait(take_back, &request);
	return arg;
}

bool fy_preload_progress_begin(void)
{
	if (fy_next.Comm_dup(MPI_COMM_SELF, &progress.aside) != MPI_SUCCESS)
		return false;
	progress.begun = !pthread_create(&progress.thread, NULL, ask, NULL);
	if (!progress.begun)
		fy_next.Comm_free(&progress.aside);
	return progress.begun;
}

void fy_preload_progress_end(void)
{
	if (!progress.begun)
		return;
	fy_store_release_32(&progress.stop, 1);
	pthread_join(progress.thread, NULL);
	fy_next.Comm_free(&progress.aside);
	progress.begun = false;
}
