/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every macro of the public headers where a program would use it, in C and in C++ from its first
 * standard on. Compiled by header_warnings.sh with each compiler, each standard and every warning
 * there is; never run.
 */
#define MPICH_SKIP_MPICXX 1
#define OMPI_SKIP_MPICXX 1
#include "ferry.h"
#include "ferry_mpi.h"
#include "ferry_msgpack.h"

#ifdef __cplusplus
#define NONE FERRY_NULL
extern "C" int use_numbers(size_t *count_p);
extern "C" int use_engine(ferry **engine_p, ferry_executor **where_p);
#else
#define NONE NULL
int use_numbers(size_t *count_p);
int use_engine(ferry **engine_p, ferry_executor **where_p);
#endif

#define STATUS_NAME(name, value, text) { FERRY_##name, "FERRY_" #name, (value), text },

static const struct status {
	int status;
	const char *name;
	int value;
	const char *text;
} statuses[] = { FERRY_STATUS_MAP(STATUS_NAME){ FERRY_OK, "FERRY_OK", 0, FERRY_VERSION } };

int use_numbers(size_t *count_p)
{
	static const int64_t times[] = { FERRY_US(1), FERRY_MS(20), FERRY_S(3), FERRY_FOREVER,
		                         FERRY_NONE };
	static const uint32_t ops[] = { FERRY_OP_RESERVED - 1, FERRY_ANY_OP };
	static const int ranks[] = { FERRY_ANY, FERRY_ALL };
	static const int8_t type = FERRY_EXT_BINARY;
	*count_p = sizeof statuses / sizeof statuses[0] + sizeof times / sizeof times[0] +
	           sizeof ops / sizeof ops[0];
#if FERRY_VERSION_MAJOR < 0 || FERRY_VERSION_MINOR < 0 || FERRY_VERSION_PATCH < 0
#error "a version is a number"
#endif
	if (type > FERRY_DEPTH_MAX && ops[1] == UINT32_MAX && times[0] > 0)
		return ranks[0];
	return statuses[0].status == FERRY_PENDING ? FERRY_PENDING : FERRY_OK;
}

int use_engine(ferry **engine_p, ferry_executor **where_p)
{
	ferry_options options = FERRY_OPTIONS_INIT;
	ferry_stats stats = FERRY_STATS_INIT;
	ferry_future *none = NONE;
	size_t index;
	options.flags = FERRY_EXCLUSIVE | FERRY_NONBLOCK | FERRY_KEEP_MPI | FERRY_NO_THREAD;
	options.thread_level = FERRY_THREAD_MULTIPLE;
	options.log_level = FERRY_LOG_ERROR;
	options.log_level = FERRY_LOG_WARNING;
	options.log_level = FERRY_LOG_INFO;
	options.log_level = FERRY_LOG_DEBUG;
	if (options.thread_level < FERRY_THREAD_FUNNELED ||
	    options.thread_level < FERRY_THREAD_SERIALIZED)
		return FERRY_ETHREAD;
	static ferry_executor *const anywhere = FERRY_ANYWHERE;
	*where_p = FERRY_INLINE;
	if (*where_p != FERRY_INLINE || *where_p == anywhere || *where_p == FERRY_ANYWHERE ||
	    ferry_open(&options, engine_p) != FERRY_OK)
		return FERRY_EINVAL;
	return ferry_stats_read(*engine_p, &stats) + ferry_wait_any(&none, 1, FERRY_S(1), &index);
}
