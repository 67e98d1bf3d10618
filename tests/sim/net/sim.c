/* SPDX-License-Identifier: Apache-2.0 */
/* The simulation as a test sees it: its life, the time, faults, and what is to be seen. */
#include "sim/net/sim.h"

#include <stdlib.h>

#include "ferry.h"
#include "sim/net/message.h"
#include "sim/net/port.h"

/* ---- life and time ---------------------------------------------------------- */

static void default_options(struct fy_sim_options *options)
{
	if (options->delay_min <= 0)
		options->delay_min = 500;
	if (options->delay_max <= 0)
		options->delay_max = 20000;
	if (options->delay_max < options->delay_min)
		options->delay_max = options->delay_min;
	if (options->late_max <= 0)
		options->late_max = options->delay_max;
	if (options->grain <= 0)
		options->grain = 1;
	if (options->eager_max == 0)
		options->eager_max = 8192;
	if (options->chunk_max == 0)
		options->chunk_max = (size_t)1 << 30;
	if (options->tag_max <= 0)
		options->tag_max = 1 << 28;
}

fy_sim *fy_sim_create(int ranks, uint64_t seed, const struct fy_sim_options *options)
{
	fy_sim *sim = ranks > 0 ? calloc(1, sizeof *sim) : NULL;
	if (sim == NULL)
		return NULL;
	if (options != NULL)
		sim->options = *options;
	default_options(&sim->options);
	TAILQ_INIT(&sim->live);
	TAILQ_INIT(&sim->held);
	sim->chance = (struct chance){ &sim->options, seed, chance_mix(seed + 1) };
	sim->nranks = ranks;
	sim->link_room = 64;
	sim->ranks = calloc((size_t)ranks, sizeof *sim->ranks);
	sim->links = calloc(sim->link_room, sizeof *sim->links);
	sim->bells = calloc((size_t)ranks * BELL_WORDS, sizeof *sim->bells);
	if (sim->ranks == NULL || sim->links == NULL || sim->bells == NULL) {
		fy_sim_destroy(sim);
		return NULL;
	}
	for (int i = 0; i < ranks; i++)
		port_init(sim, i);
	return sim;
}

void fy_sim_destroy(fy_sim *sim)
{
	struct op *op;
	if (sim == NULL)
		return;
	while ((op = TAILQ_FIRST(&sim->live)) != NULL) {
		op->refs = 1;
		op_unref(sim, op);
	}
	message_free_links(sim);
	free(sim->heap);
	free(sim->cuts);
	free(sim->bells);
	free(sim->ranks);
	free(sim);
}

fy_port *fy_sim_port(fy_sim *sim, int rank)
{
	return &sim->ranks[rank].port;
}

int64_t fy_sim_now(const fy_sim *sim)
{
	return sim->now;
}

int64_t fy_sim_next(const fy_sim *sim)
{
	return sim->events > 0 ? sim->heap[0].at : INT64_MAX;
}

void fy_sim_advance_to(fy_sim *sim, int64_t time)
{
	while (sim->events > 0 && sim->heap[0].at <= time) {
		struct event event = op_take_event(sim);
		if (event.at > sim->now)
			sim->now = event.at;
		message_happen(sim, event);
	}
	if (time > sim->now)
		sim->now = time;
}

bool fy_sim_advance(fy_sim *sim)
{
	if (sim->events == 0)
		return false;
	fy_sim_advance_to(sim, sim->heap[0].at);
	return true;
}

int fy_sim_touched(fy_sim *sim)
{
	struct rank *rank = sim->touched;
	if (rank == NULL)
		return -1;
	sim->touched = rank->next_touched;
	rank->touched = false;
	return rank->port.rank;
}

/* ---- faults ----------------------------------------------------------------- */

void fy_sim_kill(fy_sim *sim, int index)
{
	struct rank *rank = &sim->ranks[index];
	struct op *op;
	if (rank->dead)
		return;
	rank->dead = true;
	TAILQ_FOREACH(op, &sim->live, all)
	{
		if (op->owner != rank)
			continue;
		if (op->posted)
			message_unpost(op);
		op->orphan = true;
		if (!op->done)
			op_finish(op, FERRY_ECANCELED);
	}
	message_drop(rank);
}

bool fy_sim_killed(const fy_sim *sim, int rank)
{
	return sim->ranks[rank].dead;
}

void fy_sim_beat(fy_sim *sim, int rank)
{
	sim->ranks[rank].beats++;
}

int fy_sim_cut(fy_sim *sim, int from, int to)
{
	if (message_is_cut(sim, from, to))
		return 0;
	struct cut *cuts = realloc(sim->cuts, (sim->ncuts + 1) * sizeof *cuts);
	if (cuts == NULL)
		return FERRY_ENOMEM;
	sim->cuts = cuts;
	cuts[sim->ncuts++] = (struct cut){ from, to };
	return 0;
}

/* What was held is there at once: what left later may be due any moment. */
void fy_sim_heal(fy_sim *sim, int from, int to)
{
	struct op *send, *next;
	for (size_t i = 0; i < sim->ncuts; i++)
		if (sim->cuts[i].from == from && sim->cuts[i].to == to)
			sim->cuts[i--] = sim->cuts[--sim->ncuts];
	for (send = TAILQ_FIRST(&sim->held); send != NULL; send = next) {
		next = TAILQ_NEXT(send, queue);
		if (send->owner->port.rank != from || send->peer != to)
			continue;
		TAILQ_REMOVE(&sim->held, send, queue);
		message_deliver(sim, send);
		op_unref(sim, send);
	}
}

void fy_sim_refuse(fy_sim *sim, int rank, unsigned count)
{
	sim->ranks[rank].refuse = count;
}

void fy_sim_refuse_cancels(fy_sim *sim, int rank, unsigned count)
{
	sim->ranks[rank].refuse_cancels = count;
}

void fy_sim_fail_data(fy_sim *sim, int rank, bool receives, unsigned skip, unsigned count)
{
	sim->ranks[rank].faults[receives] = (struct fault){ skip, count };
}

void fy_sim_lose_batches(fy_sim *sim, int rank, unsigned skip, unsigned count)
{
	sim->ranks[rank].losses = (struct fault){ skip, count };
}

void fy_sim_damage(fy_sim *sim, int rank, bool data, unsigned skip, unsigned count)
{
	sim->ranks[rank].damages[data] = (struct fault){ skip, count };
}

void fy_sim_record(fy_sim *sim, fy_sim_record_fn *fn, void *arg)
{
	sim->record = fn;
	sim->record_arg = arg;
}

void fy_sim_fail_posted(fy_sim *sim, int rank, unsigned count)
{
	struct ops *posted = &sim->ranks[rank].posted[FY_TAG_BATCH % BUCKETS];
	struct op *recv, *next;
	for (recv = TAILQ_FIRST(posted); recv != NULL && count > 0; recv = next) {
		next = TAILQ_NEXT(recv, queue);
		if (recv->tag != FY_TAG_BATCH)
			continue;
		message_fail(sim, recv);
		count--;
	}
}

void fy_sim_refuse_receives(fy_sim *sim, int rank, unsigned count)
{
	sim->ranks[rank].refuse_receives = count;
}

void fy_sim_refuse_ppm(fy_sim *sim, uint32_t refuse_ppm, uint32_t fail_ppm)
{
	sim->options.refuse_ppm = refuse_ppm;
	sim->options.fail_ppm = fail_ppm;
}

/* ---- looking on ------------------------------------------------------------- */

size_t fy_sim_outstanding(const fy_sim *sim, int rank)
{
	size_t sum = 0;
	if (rank != FY_PORT_ANY)
		return sim->ranks[rank].outstanding;
	for (int i = 0; i < sim->nranks; i++)
		sum += sim->ranks[i].outstanding;
	return sum;
}

const struct fy_sim_stats *fy_sim_stats(const fy_sim *sim)
{
	return &sim->stats;
}

const char *fy_sim_misuse(const fy_sim *sim)
{
	return sim->misuse;
}

uint64_t fy_sim_digest(const fy_sim *sim)
{
	return sim->digest;
}

void fy_sim_note(fy_sim *sim, int rank, uint64_t what)
{
	op_moment(sim, TRACE_NOTE, rank);
	op_digest(sim, what);
}
