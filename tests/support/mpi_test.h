/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What MPI tests use in place of CMocka: any thread of any rank may check, and
 * a rank that fails ends at once; the launcher then ends the others.
 */
#ifndef MPI_TEST_H
#define MPI_TEST_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "ferry.h"

#define CHECK_FAIL(...)                                         \
	do {                                                    \
		fprintf(stderr, "%s:%d: ", __FILE__, __LINE__); \
		fprintf(stderr, __VA_ARGS__);                   \
		fputc('\n', stderr);                            \
		fflush(NULL);                                   \
		_Exit(1);                                       \
	} while (0)

#define CHECK(condition)                                      \
	do {                                                  \
		if (!(condition))                             \
			CHECK_FAIL("not so: %s", #condition); \
	} while (0)

/* Two integers are equal. */
#define CHECK_INT(left, right)                                                                    \
	do {                                                                                      \
		long long check_l = (long long)(left), check_r = (long long)(right);              \
		if (check_l != check_r)                                                           \
			CHECK_FAIL("%s is %lld, not %lld (%s)", #left, check_l, check_r, #right); \
	} while (0)

/* A call of the library gave this status. */
#define CHECK_STATUS(call, status)                                                         \
	do {                                                                               \
		int check_s = (call);                                                      \
		if (check_s != (status))                                                   \
			CHECK_FAIL("%s is %s, not %s (%s)", #call, ferry_strname(check_s), \
			           ferry_strname(status), ferry_last_error());             \
	} while (0)
#define CHECK_OK(call) CHECK_STATUS(call, FERRY_OK)

/* Leave the test out: the same on every rank. */
#define CHECK_SKIP(reason)             \
	do {                           \
		puts("SKIP: " reason); \
		exit(77);              \
	} while (0)

/* A number from the environment, or `otherwise` when it is not set. */
static inline unsigned long check_env(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoul(text, NULL, 0) : otherwise;
}

/* An amount of work, made smaller where everything is slow. At least 1. */
static inline unsigned long check_scaled(unsigned long amount)
{
	unsigned long scaled = amount / check_env("TEST_SLOW", 1);

	return scaled ? scaled : 1;
}

#endif
