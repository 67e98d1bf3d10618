/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every CMocka test includes. CMocka's facts: it asserts in the test's own
 * thread only, so other threads note what they see in memory that is checked
 * after the join; one group a program; main ends with
 * `return cmocka_run_group_tests(tests, NULL, NULL) != 0;`.
 */
#ifndef TEST_H
#define TEST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Leave the whole program out, from main and before the group: CMocka 1.1.5's
 * own skip() is taken for a failure by the TAP driver. */
#define T_SKIP_ALL(reason)                   \
	do {                                 \
		puts("1..0 # SKIP " reason); \
		exit(0);                     \
	} while (0)

/* A number from the environment, or `otherwise` when it is not set. */
static inline unsigned long t_env(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoul(text, NULL, 0) : otherwise;
}

/* An amount of work, made smaller where everything is slow: under valgrind and
 * the sanitizers, which set TEST_SLOW. At least 1. */
static inline unsigned long t_scaled(unsigned long amount)
{
	unsigned long scaled = amount / t_env("TEST_SLOW", 1);

	return scaled ? scaled : 1;
}

/* How many seeds a simulation test runs: FERRY_SEEDS, or `usual`. */
static inline unsigned long t_seeds(unsigned long usual)
{
	return t_env("FERRY_SEEDS", t_scaled(usual));
}

static inline int64_t t_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline void t_sleep_ms(long ms)
{
	struct timespec time = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&time, NULL);
}

/* splitmix64: the same numbers for the same seed everywhere. */
static inline uint64_t t_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

#endif
