/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that a program waits for or tests, in an array: handles of the layer, MPI's own, null
 * and inactive ones, as they come. What MPI does not know by such a handle it is asked by the
 * request behind it, so its rules for each kind are its own.
 */
#pragma once

#include <stdbool.h>

#include "preload/next.h"

/* What MPI said, and whose handler has to be told by the thread that waits. */
struct fy_preload_requests_error {
	int code;
	MPI_Comm comm;
	bool silent; /* nobody was told yet */
};

/* MPI_Wait and MPI_Test. Polls. */
struct fy_preload_requests_one {
	MPI_Request *request;
	MPI_Status *status; /* or MPI_STATUS_IGNORE */
	int flag;           /* it has ended */
	unsigned looks;     /* how often it was asked */
	struct fy_preload_requests_error error;
};
bool fy_preload_requests_wait_one(void *one);
bool fy_preload_requests_test_one(void *one);

enum fy_preload_requests_mode {
	FY_REQUESTS_ANY,
	FY_REQUESTS_SOME,
	FY_REQUESTS_ALL,
	FY_REQUESTS_TESTALL
};

/* The other functions: MPI is asked about all of them at once. */
struct fy_preload_requests_set {
	enum fy_preload_requests_mode mode;
	bool once; /* a test */
	MPI_Request *requests;
	MPI_Status *statuses; /* or MPI_STATUS(ES)_IGNORE */
	int n;
	/* what is found */
	int flag;     /* any, testall */
	int count;    /* some: how many, or MPI_UNDEFINED; any: the index */
	int *indices; /* some */
	struct fy_preload_requests_error error;
	/* those that MPI is asked about: its requests, and where they stand in the array */
	bool ready;
	int m;
	int at;         /* all: how many of them have ended */
	unsigned looks; /* all: how often they were looked at */
	MPI_Request *native;
	MPI_Status *found;
	int *where, *done;
	void *memory; /* of fy_preload_requests_begin */
};
/* Room for an array of usual length, which costs no allocation. */
struct fy_preload_requests_few {
	_Alignas(16) char bytes[4096];
};
/* False: no memory. `few` stays until the end. */
bool fy_preload_requests_begin(struct fy_preload_requests_set *set,
                               struct fy_preload_requests_few *few);
bool fy_preload_requests_poll_set(void *set);
void fy_preload_requests_end(struct fy_preload_requests_set *set);

/* By the thread that called: tell of an error. Returns the code. */
int fy_preload_requests_tell(const struct fy_preload_requests_error *error);
/* By the thread that called: take back slots of what has ended, and set these handles to null. */
void fy_preload_requests_finish(MPI_Request *requests, int n);
