/* SPDX-License-Identifier: Apache-2.0 */
/* See op.h. Events are in a heap, ordered by (time, serial number). */
#include "sim/net/op.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCRIBBLE 64 /* bytes of a posted receive that hold the pattern */
#define PATTERN 0xEE

/* ---- the digest ------------------------------------------------------------- */

void op_digest(fy_sim *sim, uint64_t word)
{
	sim->digest = chance_mix((sim->digest + UINT64_C(0x9e3779b97f4a7c15)) ^ word);
}

void op_moment(fy_sim *sim, unsigned what, int rank)
{
	op_digest(sim, (uint64_t)sim->now);
	op_digest(sim, (uint64_t)what << 32 | (uint32_t)rank);
}

void op_trace(fy_sim *sim, unsigned what, const struct op *op)
{
	op_moment(sim, what, op->owner->port.rank);
	op_digest(sim, op->number << 1 | op->kind);
	op_digest(sim, (uint64_t)(uint32_t)op->peer << 32 | (uint32_t)op->tag);
	op_digest(sim, op->nbytes);
	op_digest(sim, op->sum);
	op_digest(sim, (uint64_t)(uint32_t)op->source << 32 | (uint32_t)op->status);
	op_digest(sim, op->got);
}

/* ---- misuse ----------------------------------------------------------------- */

void op_misused(fy_sim *sim, const char *what, const struct rank *rank, const struct op *op)
{
	snprintf(sim->misuse, sizeof sim->misuse,
	         "rank %d at %lld ns: %s (peer %d, tag %d, %zu bytes)", rank->port.rank,
	         (long long)sim->now, what, op != NULL ? op->peer : -1, op != NULL ? op->tag : -1,
	         op != NULL ? op->nbytes : (size_t)0);
	sim->stats.misuses++;
	if (sim->options.count_misuse)
		return;
	fprintf(stderr, "sim: misuse: %s\n", sim->misuse);
	abort();
}

uint64_t op_checksum(const void *data, size_t nbytes)
{
	const unsigned char *bytes = data;
	uint64_t sum = nbytes, word;
	for (; nbytes >= sizeof word; bytes += sizeof word, nbytes -= sizeof word) {
		memcpy(&word, bytes, sizeof word);
		sum = (sum ^ word) * UINT64_C(0x9fb21c651e98df25);
		sum ^= sum >> 32;
	}
	for (; nbytes > 0; bytes++, nbytes--)
		sum = (sum ^ *bytes) * UINT64_C(0x100000001b3);
	return sum;
}

static size_t scribbled(const struct op *op)
{
	return op->nbytes < SCRIBBLE ? op->nbytes : SCRIBBLE;
}

void op_scribble(struct op *op)
{
	if (op->nbytes > 0)
		memset(op->data, PATTERN, scribbled(op));
}

void op_check_scribble(fy_sim *sim, const struct op *op)
{
	const unsigned char *bytes = op->data;
	for (size_t i = 0; i < scribbled(op); i++)
		if (bytes[i] != PATTERN) {
			op_misused(sim, "the memory of a receive was written before it was done",
			           op->owner, op);
			return;
		}
}

void op_check_sum(fy_sim *sim, const struct op *op)
{
	if (op_checksum(op->data, op->nbytes) != op->sum)
		op_misused(sim, "the memory of a send was changed before it was done", op->owner,
		           op);
}

/* ---- ops -------------------------------------------------------------------- */

/* Three events for each op that lives can be pushed without a failure. */
static bool heap_reserve(fy_sim *sim, size_t ops)
{
	if (3 * ops <= sim->heap_room)
		return true;
	size_t room = sim->heap_room != 0 ? 2 * sim->heap_room : 64;
	struct event *heap = realloc(sim->heap, room * sizeof *heap);
	if (heap == NULL)
		return false;
	sim->heap = heap;
	sim->heap_room = room;
	return true;
}

struct op *op_create(struct rank *rank, enum op_kind kind, int peer, int tag, void *data,
                     size_t nbytes)
{
	fy_sim *sim = rank->sim;
	struct op *op = heap_reserve(sim, sim->nlive + 1) ? calloc(1, sizeof *op) : NULL;
	if (op == NULL)
		return NULL;
	op->owner = rank;
	op->kind = kind;
	op->peer = peer;
	op->tag = tag;
	op->data = data;
	op->nbytes = nbytes;
	op->refs = 1;
	op->source = FY_PORT_ANY;
	op->number = sim->started++;
	TAILQ_INSERT_TAIL(&sim->live, op, all);
	sim->nlive++;
	return op;
}

void op_unref(fy_sim *sim, struct op *op)
{
	if (--op->refs > 0)
		return;
	TAILQ_REMOVE(&sim->live, op, all);
	sim->nlive--;
	free(op->copy);
	free(op);
}

void op_touch(struct rank *rank)
{
	fy_sim *sim = rank->sim;
	if (rank->touched)
		return;
	rank->touched = true;
	rank->next_touched = sim->touched;
	sim->touched = rank;
}

void op_finish(struct op *op, int status)
{
	op->done = true;
	op->status = status;
	op_trace(op->owner->sim, TRACE_FINISHED, op);
	op_touch(op->owner);
}

/* ---- events ----------------------------------------------------------------- */

static bool earlier(const struct event *a, const struct event *b)
{
	return a->at != b->at ? a->at < b->at : a->serial < b->serial;
}

static int64_t coarse(const fy_sim *sim, int64_t at)
{
	int64_t grain = sim->options.grain;
	return (at + grain - 1) / grain * grain;
}

void op_schedule(fy_sim *sim, enum event_kind kind, struct op *op, int64_t at)
{
	struct event event = { coarse(sim, at), sim->serial++, op, kind };
	size_t i = sim->events++;
	op->refs++;
	for (; i > 0 && earlier(&event, &sim->heap[(i - 1) / 2]); i = (i - 1) / 2)
		sim->heap[i] = sim->heap[(i - 1) / 2];
	sim->heap[i] = event;
}

struct event op_take_event(fy_sim *sim)
{
	struct event first = sim->heap[0], last = sim->heap[--sim->events];
	size_t i = 0, child;
	while ((child = 2 * i + 1) < sim->events) {
		if (child + 1 < sim->events && earlier(&sim->heap[child + 1], &sim->heap[child]))
			child++;
		if (!earlier(&sim->heap[child], &last))
			break;
		sim->heap[i] = sim->heap[child];
		i = child;
	}
	sim->heap[i] = last;
	return first;
}
