/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "perf.h"

uint64_t perf_nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

double perf_seconds(void)
{
	return (double)perf_nanoseconds() * 1e-9;
}

void perf_sleep(double seconds)
{
	struct timespec rest;

	rest.tv_sec = (time_t)seconds;
	rest.tv_nsec = (long)((seconds - (double)rest.tv_sec) * 1e9);
	while (nanosleep(&rest, &rest) != 0 && errno == EINTR)
		;
}

uint64_t perf_pace(const struct perf_trial *trial, uint64_t now)
{
	if (!trial->every)
		return now;
	perf_sleep(trial->every * 1e-3);
	return perf_nanoseconds();
}

void perf_fatal(const char *format, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	fprintf(stderr, "ferry-perf: %s\n", text);
	perf_sleep(0.1); /* a launcher may throw away what it has not read when the job ends */
	MPI_Abort(MPI_COMM_WORLD, 1);
	abort();
}

void perf_need(int status, const char *what)
{
	const char *detail;

	if (status == FERRY_OK)
		return;
	detail = ferry_last_error();
	perf_fatal("%s: %s (%s)", what, detail && detail[0] ? detail : ferry_strerror(status),
	           ferry_strname(status));
}

void *perf_allocate(size_t nbytes)
{
	void *memory = calloc(1, nbytes ? nbytes : 1);

	if (!memory)
		perf_fatal("no memory for %zu bytes; ask for fewer threads or a smaller size",
		           nbytes);
	return memory;
}

double perf_processor_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
	       ((double)usage.ru_utime.tv_usec + (double)usage.ru_stime.tv_usec) * 1e-6;
}

void perf_clock_start(struct perf_trial *trial)
{
	trial->processor = perf_processor_seconds();
	trial->seconds = perf_seconds();
}

void perf_clock_stop(struct perf_trial *trial)
{
	trial->seconds = perf_seconds() - trial->seconds;
	trial->processor = perf_processor_seconds() - trial->processor;
}
