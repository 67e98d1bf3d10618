/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine.h"
#include "plain.h"

static int64_t clock_of(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* ---- its process ------------------------------------------------------------------------- */

/* The letter behind the name in parentheses, which may hold anything. */
static int process_state(int32_t pid)
{
	char path[40], text[512];
	const char *end;
	ssize_t n;
	int file;

	snprintf(path, sizeof(path), "/proc/%" PRId32 "/stat", pid);
	file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return 0;
	n = read(file, text, sizeof(text) - 1);
	close(file);
	text[n > 0 ? n : 0] = '\0';
	end = strrchr(text, ')');
	return end && end[1] == ' ' ? end[2] : 0;
}

/* A text of a file, which need not end, for a terminal. */
static void take_text(char *to, size_t size, const char *from, size_t most)
{
	char text[128];
	size_t length = strnlen(from, most);

	if (length > sizeof(text) - 1)
		length = sizeof(text) - 1;
	memcpy(text, from, length);
	text[length] = '\0';
	top_plain(to, size, (int)size, text);
}

void top_engine_look(struct top_engine *engine)
{
	const struct fy_monitor_head *head = engine->copy.head;

#define TAKE(member) \
	take_text(engine->member, sizeof(engine->member), head->member, sizeof(head->member))
	TAKE(program);
	TAKE(host);
	TAKE(version);
	TAKE(network);
#undef TAKE
	engine->now = clock_of(CLOCK_MONOTONIC);
	engine->wall = clock_of(CLOCK_REALTIME);
	engine->process = engine->copy.life == FY_MONITOR_ALIVE && head->process.pid > 0
	                          ? process_state(head->process.pid)
	                          : 0;
	top_troubles_find(&engine->troubles, engine);
}

void top_engine_free(struct top_engine *engine)
{
	if (engine->copy.head)
		fy_monitor_copy_free(&engine->copy);
	engine->copy.head = NULL;
	if (engine->before.head)
		fy_monitor_copy_free(&engine->before);
	engine->before.head = NULL;
}

bool top_engine_dead(const struct top_engine *engine)
{
	return engine->copy.life == FY_MONITOR_DEAD;
}

/* ---- which it is ------------------------------------------------------------------------- */

static bool is_number(const char *text, int64_t number)
{
	char *end;

	return isdigit((unsigned char)*text) && strtoll(text, &end, 10) == number && !*end;
}

bool top_engine_is(const struct top_engine *engine, const char *which)
{
	const struct fy_monitor_head *head = engine->copy.head;

	if (!which)
		return true;
	if (strncmp(which, "pid:", 4) == 0)
		return is_number(which + 4, head->process.pid);
	if (which[strspn(which, "0123456789")] == '\0')
		return is_number(which, head->rank);
	return strstr(engine->program, which) || strstr(engine->copy.name, which);
}

/* ---- figures ----------------------------------------------------------------------------- */

#define VALUES_MAX 1024u

unsigned top_entries(const struct top_engine *engine, enum fy_monitor_kind kind)
{
	unsigned n = fy_monitor_count(&engine->copy, kind);

	return n < TOP_ENTRIES ? n : TOP_ENTRIES;
}

uint64_t top_left_out(const struct top_engine *engine, enum fy_monitor_kind kind)
{
	return fy_monitor_left_out(&engine->copy, kind) +
	       (fy_monitor_count(&engine->copy, kind) - top_entries(engine, kind));
}

bool top_value(const struct fy_monitor_copy *copy, enum fy_monitor_kind kind, unsigned i,
               struct fy_monitor_value *value)
{
	if (i >= VALUES_MAX || !fy_monitor_entry(copy, kind, i, value, sizeof(*value)))
		return false;
	value->name[sizeof(value->name) - 1] = '\0';
	return true;
}

int64_t top_counter(const struct top_engine *engine, const char *name)
{
	int64_t value;

	return fy_monitor_value(&engine->copy, name, &value) ? value : 0;
}

int64_t top_gauge(const struct top_engine *engine, const char *name)
{
	int64_t value;

	return fy_monitor_value(&engine->copy, name, &value) ? value : -1;
}

double top_growth(const struct top_engine *engine, uint64_t now, uint64_t before)
{
	int64_t since = engine->before.head ? engine->before.head->now.sampled : 0;
	double seconds;

	if (!engine->before.head || now <= before || engine->copy.head->now.sampled <= since)
		return 0;
	seconds = ((double)engine->copy.head->now.sampled - (double)since) / 1e9;
	return (double)(now - before) / seconds;
}

double top_rate(const struct top_engine *engine, const char *name)
{
	int64_t before = 0;

	if (!engine->before.head || !fy_monitor_value(&engine->before, name, &before))
		return 0;
	return top_growth(engine, (uint64_t)top_counter(engine, name), (uint64_t)before);
}

int64_t top_age(const struct top_engine *engine, int64_t since)
{
	int64_t now = top_engine_dead(engine) ? engine->copy.head->now.sampled : engine->now;
	uint64_t age = (uint64_t)now - (uint64_t)since;

	if (since <= 0)
		return -1;
	if (now <= since)
		return 0;
	return age > INT64_MAX ? INT64_MAX : (int64_t)age;
}

uint64_t top_open(const struct top_engine *engine)
{
	unsigned i, n = top_entries(engine, FY_MONITOR_OPEN);
	uint64_t sum = top_left_out(engine, FY_MONITOR_OPEN);
	struct fy_monitor_open open;

	for (i = 0; i < n; i++)
		if (fy_monitor_entry(&engine->copy, FY_MONITOR_OPEN, i, &open, sizeof(open)))
			sum += open.count;
	return sum;
}

/* The first one, unless the file's writer lied. */
bool top_oldest(const struct top_engine *engine, struct fy_monitor_open *open)
{
	return fy_monitor_entry(&engine->copy, FY_MONITOR_OPEN, 0, open, sizeof(*open));
}
