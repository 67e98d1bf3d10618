/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the file of a timeline. It is read as a whole, not mapped, because a file that gets
 * shorter meanwhile would be a signal. Each number in it is checked before it is used.
 */
#include "timeline/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RANKS_MAX (1u << 24)
#define TIME_MAX (INT64_C(1) << 58) /* ns: nine years */

static char *read_all(const char *path, size_t *nbytes_p, char why[TRACE_WHY])
{
	FILE *file = fopen(path, "rbe");
	char *bytes = NULL;
	long end = -1;
	if (file && fseek(file, 0, SEEK_END) == 0)
		end = ftell(file);
	if (end >= 0 && fseek(file, 0, SEEK_SET) == 0)
		bytes = malloc((size_t)end + 1);
	if (bytes)
		*nbytes_p = fread(bytes, 1, (size_t)end, file);
	if (!bytes)
		snprintf(why, TRACE_WHY, "%.300s cannot be read: %s", path, strerror(errno));
	if (file)
		fclose(file);
	return bytes;
}

static const char *what_is_wrong(const struct fy_trace_head *h, size_t nbytes)
{
	if (nbytes < FY_TRACE_HEAD_BYTES)
		return "is shorter than the head of a timeline";
	if (memcmp(h->magic, FY_TRACE_MAGIC, sizeof h->magic) != 0)
		return "is no timeline";
	if (h->version != FY_TRACE_VERSION)
		return "is a timeline of another version of Ferry: use its ferry-trace";
	if (h->head_bytes != FY_TRACE_HEAD_BYTES || h->event_bytes != sizeof(struct fy_trace_event))
		return "has a head that says other sizes than its version has";
	if (h->size == 0 || h->size > RANKS_MAX || h->rank >= h->size)
		return "says a rank that no job has";
	for (int i = 0; i < FY_TRACE_RINGS; i++)
		if (h->rings[i].slots == 0 || h->rings[i].offset < FY_TRACE_HEAD_BYTES ||
		    h->rings[i].offset % 8 || h->rings[i].offset > INT64_MAX / 2 ||
		    h->rings[i].slots > INT64_MAX / 2 / sizeof(struct fy_trace_event))
			return "has a ring where none can be";
	return NULL;
}

static void end_texts(struct fy_trace_head *h)
{
	h->job[sizeof h->job - 1] = h->host[sizeof h->host - 1] = h->boot[sizeof h->boot - 1] = 0;
	if (h->n_threads > FY_TRACE_THREADS)
		h->n_threads = FY_TRACE_THREADS;
	for (unsigned i = 0; i < FY_TRACE_THREADS; i++)
		h->threads[i].name[sizeof h->threads[i].name - 1] = 0;
}

static bool has_peer(unsigned kind)
{
	return kind != FY_TRACE_END && kind != FY_TRACE_STEP && kind != FY_TRACE_SLEEP &&
	       kind != FY_TRACE_LEND;
}

static bool lasts(unsigned kind)
{
	return kind == FY_TRACE_STEP || kind == FY_TRACE_SLEEP || kind == FY_TRACE_LEND ||
	       kind == FY_TRACE_SENT;
}

static bool can_be(const struct trace_file *file, const struct fy_trace_event *e)
{
	if (e->kind == FY_TRACE_NOTHING || e->kind >= FY_TRACE_KINDS)
		return false;
	if (e->time < -TIME_MAX || e->time > TIME_MAX)
		return false;
	if (lasts(e->kind) && e->extra > (uint64_t)TIME_MAX)
		return false;
	return !has_peer(e->kind) || e->peer < file->head.size;
}

static void take_ring(struct trace_file *file, const struct fy_trace_ring *ring, const char *bytes,
                      size_t nbytes)
{
	size_t slots = (size_t)ring->slots;
	uint64_t first = ring->head > slots ? ring->head - slots : 0;
	size_t here = ring->offset < nbytes
	                      ? (nbytes - (size_t)ring->offset) / sizeof(struct fy_trace_event)
	                      : 0;
	uint64_t n = ring->head - first;
	file->lost += first;
	/* slots that are not in the file need not be looked at one by one */
	for (size_t slot = 0; slot < slots && slot < here && slot < n; slot++) {
		/* the newest event whose slot this is */
		uint64_t number = first + (slot + slots - (size_t)(first % slots)) % slots;
		struct fy_trace_event e;
		memcpy(&e, bytes + ring->offset + slot * sizeof e, sizeof e);
		if (number >= ring->head)
			continue;
		if (e.number != (uint32_t)number + 1)
			file->torn++;
		else if (!can_be(file, &e))
			file->malformed++;
		else
			file->events[file->count++] = e;
	}
	if (n > here)
		file->cut += n - here;
}

static int by_time(const void *a, const void *b)
{
	const struct fy_trace_event *x = a, *y = b;
	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	/* what lasts begins before what is within it, and numbers are the order of writing */
	if (lasts(x->kind) != lasts(y->kind))
		return lasts(x->kind) ? -1 : 1;
	return (x->number > y->number) - (x->number < y->number);
}

bool trace_file_read(struct trace_file *file, const char *path, char why[TRACE_WHY])
{
	size_t nbytes = 0;
	char *bytes = read_all(path, &nbytes, why);
	memset(file, 0, sizeof *file);
	if (!bytes)
		return false;
	if (nbytes >= sizeof file->head)
		memcpy(&file->head, bytes, sizeof file->head);
	const char *wrong = what_is_wrong(&file->head, nbytes);
	file->path = strdup(path);
	/* rings that overlap have the same bytes twice */
	file->events = malloc(FY_TRACE_RINGS * nbytes + 1);
	if (!wrong && (!file->path || !file->events))
		wrong = "cannot be read: there is no memory for it";
	if (wrong) {
		snprintf(why, TRACE_WHY, "%.300s %s", path, wrong);
		free(bytes);
		trace_file_free(file);
		return false;
	}
	end_texts(&file->head);
	for (int i = 0; i < FY_TRACE_RINGS; i++)
		take_ring(file, &file->head.rings[i], bytes, nbytes);
	free(bytes);
	qsort(file->events, file->count, sizeof *file->events, by_time);
	return true;
}

void trace_file_free(struct trace_file *file)
{
	free(file->path);
	free(file->events);
	file->path = NULL;
	file->events = NULL;
	file->count = 0;
}

int64_t trace_file_time(const struct trace_file *file, int64_t time)
{
	const struct trace_clock *c = &file->clock;
	return time + c->shift + (int64_t)(c->rate * (double)(time - c->base));
}

void trace_file_thread(const struct trace_file *file, unsigned thread, char *name, size_t room)
{
	if (thread < file->head.n_threads && file->head.threads[thread].name[0])
		snprintf(name, room, "%s %u", file->head.threads[thread].name,
		         file->head.threads[thread].tid);
	else
		snprintf(name, room, "thread %u", thread);
}
