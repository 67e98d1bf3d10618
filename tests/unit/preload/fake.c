/* SPDX-License-Identifier: Apache-2.0 */
#include "fake.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "preload/slot.h"

int *fake_started;
uint32_t fake_n_started, fake_over, fake_inside, fake_tests;
bool fake_fails;

/* Values that MPI's own handles have: no null, and none of the layer. */
MPI_Request fake_request(int index)
{
	return (MPI_Request)(uintptr_t)(0x10000000u + (unsigned)index);
}

static int index_of(MPI_Request request)
{
	return (int)((uintptr_t)request - 0x10000000u);
}

static void enter(void)
{
	if (fy_add_32(&fake_inside, 1)) {
		fputs("two threads have the helm\n", stderr);
		abort();
	}
}

static void leave(void)
{
	fy_sub_32(&fake_inside, 1);
}

static int start(const void *buffer, int count, MPI_Datatype type, int peer, int tag, MPI_Comm comm,
                 MPI_Request *request)
{
	(void)buffer, (void)type, (void)peer, (void)tag, (void)comm;
	if (fake_fails)
		return MPI_ERR_OTHER;
	enter();
	fake_started[fake_n_started % FAKE_MAX] = count;
	fy_add_32(&fake_n_started, 1);
	*request = fake_request(tag);
	leave();
	return MPI_SUCCESS;
}

static int receive(void *buffer, int count, MPI_Datatype type, int peer, int tag, MPI_Comm comm,
                   MPI_Request *request)
{
	return start(buffer, count, type, peer, tag, comm, request);
}

static void fill(MPI_Status *status, int source)
{
	if (status == MPI_STATUS_IGNORE)
		return;
	status->MPI_SOURCE = source;
	status->MPI_TAG = source;
}

/* Is it null, or has it ended? Then it is null. */
static bool end(MPI_Request *request, MPI_Status *status)
{
	int index = index_of(*request);
	if (*request == MPI_REQUEST_NULL) {
		fill(status, MPI_ANY_SOURCE);
		return true;
	}
	if (fy_preload_slot_is_ours(*request)) {
		fputs("MPI got a handle of the layer\n", stderr);
		abort();
	}
	if (!(fy_load_acquire_32(&fake_over) & 1u << index))
		return false;
	fill(status, index);
	*request = MPI_REQUEST_NULL;
	return true;
}

static int get_status(MPI_Request request, int *flag, MPI_Status *status)
{
	(void)status; /* nobody asks for it */
	*flag = request == MPI_REQUEST_NULL ||
	        (fy_load_acquire_32(&fake_over) & 1u << index_of(request));
	return MPI_SUCCESS;
}

static int wait_one(MPI_Request *request, MPI_Status *status)
{
	if (!end(request, status)) {
		fputs("MPI blocks with the helm held\n", stderr);
		abort();
	}
	return MPI_SUCCESS;
}

static int wait_all(int n, MPI_Request *requests, MPI_Status *statuses)
{
	for (int i = 0; i < n; i++)
		wait_one(&requests[i], &statuses[i]);
	return MPI_SUCCESS;
}

static int test(MPI_Request *request, int *flag, MPI_Status *status)
{
	fy_add_32(&fake_tests, *request != MPI_REQUEST_NULL);
	*flag = end(request, status);
	return MPI_SUCCESS;
}

static int test_any(int n, MPI_Request *requests, int *index, int *flag, MPI_Status *status)
{
	bool active = false;
	*index = MPI_UNDEFINED;
	*flag = 0;
	for (int i = 0; i < n && !*flag; i++) {
		if (requests[i] == MPI_REQUEST_NULL)
			continue;
		active = true;
		if (end(&requests[i], status)) {
			*index = i;
			*flag = 1;
		}
	}
	*flag |= !active;
	return MPI_SUCCESS;
}

static int test_some(int n, MPI_Request *requests, int *count, int *indices, MPI_Status *statuses)
{
	bool active = false;
	*count = 0;
	for (int i = 0; i < n; i++) {
		if (requests[i] == MPI_REQUEST_NULL)
			continue;
		active = true;
		if (end(&requests[i], &statuses[*count]))
			indices[(*count)++] = i;
	}
	if (!active)
		*count = MPI_UNDEFINED;
	return MPI_SUCCESS;
}

static int test_all(int n, MPI_Request *requests, int *flag, MPI_Status *statuses)
{
	fy_add_32(&fake_tests, 1);
	*flag = 1;
	for (int i = 0; i < n; i++)
		*flag &= requests[i] == MPI_REQUEST_NULL ||
		         (fake_over >> index_of(requests[i]) & 1u);
	for (int i = 0; i < n && *flag; i++)
		end(&requests[i], &statuses[i]);
	return MPI_SUCCESS;
}

static int let_go(MPI_Request *request)
{
	*request = MPI_REQUEST_NULL;
	return MPI_SUCCESS;
}

static int size_of(MPI_Comm comm, int *size)
{
	(void)comm;
	*size = 32;
	return MPI_SUCCESS;
}

static int is_between(MPI_Comm comm, int *flag)
{
	(void)comm;
	*flag = 0;
	return MPI_SUCCESS;
}

static int attribute(MPI_Comm comm, int key, void *value, int *flag)
{
	static int most = 32767;
	(void)comm, (void)key;
	*(int **)value = &most;
	*flag = 1;
	return MPI_SUCCESS;
}

/* Handles of Open MPI are addresses; these are of nothing. */
static void make_handles(void)
{
	static char places[32];
	char *at = places;
#define FY_NEXT_HANDLE(name) fy_next.name = at++;
	FY_NEXT_HANDLES(FY_NEXT_HANDLE)
#undef FY_NEXT_HANDLE
	(void)at;
}

void fake_begin(void)
{
	make_handles();
	fake_started = calloc(FAKE_MAX, sizeof *fake_started);
	fake_n_started = fake_over = fake_tests = 0;
	fake_fails = false;
	fy_next.Isend = start;
	fy_next.Irecv = receive;
	fy_next.Request_get_status = get_status;
	fy_next.Wait = wait_one;
	fy_next.Waitall = wait_all;
	fy_next.Test = test;
	fy_next.Testany = test_any;
	fy_next.Testsome = test_some;
	fy_next.Testall = test_all;
	fy_next.Request_free = let_go;
	fy_next.Comm_size = size_of;
	fy_next.Comm_test_inter = is_between;
	fy_next.Comm_get_attr = attribute;
}

void fake_end(void)
{
	free(fake_started);
	fake_started = NULL;
}
