/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of processors such as 3, 2-3 or 0,4-6. Any thread.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "base/cpus.h"

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>

#include "ferry.h"
#include "base/fail.h"
#include "base/letters.h"

/* A number below CPU_SETSIZE, or -1. */
static int parse_cpu(const char **text_p)
{
	int cpu = 0;

	if (!fy_letters_is_digit(**text_p))
		return -1;
	for (; fy_letters_is_digit(**text_p); (*text_p)++)
		if ((cpu = cpu * 10 + (**text_p - '0')) >= CPU_SETSIZE)
			return -1;
	return cpu;
}

static bool parse_cpus(const char *at, cpu_set_t *set)
{
	CPU_ZERO(set);
	for (;;) {
		int first = parse_cpu(&at), last = first;
		if (first >= 0 && *at == '-') {
			at++;
			last = parse_cpu(&at);
		}
		if (first < 0 || last < first || (*at && *at != ','))
			return false;
		for (int cpu = first; cpu <= last; cpu++)
			CPU_SET((size_t)cpu, set);
		if (!*at++)
			return true;
	}
}

int fy_cpus_named(const char *what, const char *list, cpu_set_t *set)
{
	if (parse_cpus(list, set))
		return FERRY_OK;
	return fy_fail(FERRY_EINVAL,
	               "%s=%.40s is not accepted; give a list of processors below %d such as 3, "
	               "2-3 or 0,4-6",
	               what, list, CPU_SETSIZE);
}
