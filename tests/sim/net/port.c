/* SPDX-License-Identifier: Apache-2.0 */
/* See port/port.h for what each of these promises. */
#include "sim/net/port.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ferry.h"
#include "sim/net/message.h"

static struct rank *rank_of(fy_port *port)
{
	return (struct rank *)port;
}

static int refuse(fy_sim *sim, const char *why, int rank, int tag, size_t nbytes)
{
	snprintf(sim->error, sizeof sim->error,
	         "the simulated network refused it: %s (rank %d, tag %d, %zu bytes)", why, rank,
	         tag, nbytes);
	op_moment(sim, TRACE_REFUSED, rank);
	op_digest(sim, (uint32_t)tag);
	op_digest(sim, nbytes);
	return FERRY_EMPI;
}

static const char *wrong_start(const struct rank *rank, int tag, size_t nbytes)
{
	if (rank->dead)
		return "this rank was killed";
	if (rank->closed)
		return "this port was closed";
	if (tag < 0 || tag > rank->port.tag_max)
		return "there is no such tag";
	if (nbytes > rank->port.chunk_max)
		return "it is longer than chunk_max";
	return NULL;
}

static const char *wrong_send(struct rank *rank, int to, int tag, size_t nbytes)
{
	fy_sim *sim = rank->sim;
	const char *why = wrong_start(rank, tag, nbytes);
	if (why != NULL)
		return why;
	if (to < 0 || to >= sim->nranks)
		return "there is no such rank";
	if (rank->refuse == 0 && !chance_comes(&sim->chance, sim->options.refuse_ppm))
		return NULL;
	if (rank->refuse > 0)
		rank->refuse--;
	sim->stats.refused++;
	return "it was told to";
}

/* When an eager send ends does not depend on its arrival. One to a rank that is
 * gone may never end. */
static void send_schedule(fy_sim *sim, struct op *send)
{
	if (chance_comes(&sim->chance, sim->options.fail_ppm) ||
	    chance_data_fails(&sim->chance, &send->owner->faults[0], send->tag)) {
		sim->stats.failed++;
		send->status = FERRY_EMPI;
		message_leave(sim, send);
		op_schedule(sim, EVENT_SENT, send, sim->now + chance_late(&sim->chance));
		return;
	}
	message_depart(sim, send);
	if (send->rendezvous)
		sim->stats.rendezvous++;
	else if (!sim->ranks[send->peer].dead || chance_draw(&sim->chance) % 4 != 0)
		op_schedule(sim, EVENT_SENT, send, sim->now + chance_late(&sim->chance));
}

static void started(struct rank *rank, struct op *op, fy_request *request)
{
	rank->outstanding++;
	op_trace(rank->sim, TRACE_STARTED, op);
	*request = (fy_request){ .handle = op, .source = FY_PORT_ANY };
}

static struct op *send_create(struct rank *rank, int to, int tag, const void *data, size_t nbytes)
{
	fy_sim *sim = rank->sim;
	struct op *op = op_create(rank, OP_SEND, to, tag, (void *)data, nbytes);
	if (op == NULL)
		return NULL;
	op->rendezvous = nbytes > sim->options.eager_max;
	if (!op->rendezvous)
		op->copy = malloc(nbytes != 0 ? nbytes : 1);
	if ((!op->rendezvous && op->copy == NULL) || !message_join(sim, op)) {
		op_unref(sim, op);
		return NULL;
	}
	op->sum = op_checksum(data, nbytes);
	return op;
}

static int port_send(fy_port *port, int to, int tag, const void *data, size_t nbytes,
                     fy_request *request)
{
	struct rank *rank = rank_of(port);
	fy_sim *sim = rank->sim;
	const char *why = wrong_send(rank, to, tag, nbytes);
	if (why != NULL)
		return refuse(sim, why, to, tag, nbytes);
	struct op *op = send_create(rank, to, tag, data, nbytes);
	if (op == NULL)
		return refuse(sim, "memory is exhausted", to, tag, nbytes);
	sim->stats.sends++;
	if (sim->record != NULL)
		sim->record(sim->record_arg, port->rank, to, tag, data, nbytes);
	send_schedule(sim, op);
	started(rank, op, request);
	return 0;
}

static int port_recv(fy_port *port, int from, int tag, void *data, size_t nbytes,
                     fy_request *request)
{
	struct rank *rank = rank_of(port);
	fy_sim *sim = rank->sim;
	const char *why = wrong_start(rank, tag, nbytes);
	if (why == NULL && from != FY_PORT_ANY && (from < 0 || from >= sim->nranks))
		why = "there is no such rank";
	if (why == NULL && rank->refuse_receives > 0) {
		rank->refuse_receives--;
		why = "it was told to";
	}
	if (why != NULL)
		return refuse(sim, why, from, tag, nbytes);
	struct op *op = op_create(rank, OP_RECV, from, tag, data, nbytes);
	if (op == NULL)
		return refuse(sim, "memory is exhausted", from, tag, nbytes);
	op_scribble(op);
	sim->stats.receives++;
	started(rank, op, request);
	if (message_post(op) && tag == FY_TAG_BATCH &&
	    chance_comes(&sim->chance, sim->options.fail_receive_ppm))
		op_schedule(sim, EVENT_FAIL, op, sim->now + chance_late(&sim->chance));
	return 0;
}

/* The receiver makes progress: what was matched begins to move. */
static void port_progress(fy_port *port)
{
	struct rank *rank = rank_of(port);
	struct op *send;
	while ((send = TAILQ_FIRST(&rank->waiting)) != NULL) {
		TAILQ_REMOVE(&rank->waiting, send, queue);
		op_schedule(rank->sim, EVENT_TRANSFER, send,
		            rank->sim->now + chance_delay(&rank->sim->chance,
		                                          send->owner->port.rank, port->rank));
		op_unref(rank->sim, send);
	}
}

static bool port_test(fy_port *port, fy_request *request)
{
	struct rank *rank = rank_of(port);
	fy_sim *sim = rank->sim;
	struct op *op = request->handle;
	if (op == NULL || op->owner != rank) {
		op_misused(sim, "a request that is not under way here was tested", rank, op);
		return true;
	}
	port_progress(port);
	if (!op->done)
		return false;
	if (op->kind == OP_SEND && !op->orphan)
		op_check_sum(sim, op);
	op_trace(sim, TRACE_REPORTED, op);
	*request = (fy_request){
		.handle = NULL, .source = op->source, .status = op->status, .nbytes = op->got
	};
	rank->outstanding--;
	op_unref(sim, op);
	return true;
}

static void port_cancel(fy_port *port, fy_request *request)
{
	struct rank *rank = rank_of(port);
	fy_sim *sim = rank->sim;
	struct op *op = request->handle;
	if (op == NULL || op->owner != rank || op->kind != OP_RECV) {
		op_misused(sim, "only a receive that is under way here can be cancelled", rank, op);
		return;
	}
	op_trace(sim, TRACE_CANCEL, op);
	if (op->canceling || op->done)
		return;
	if (rank->refuse_cancels > 0) {
		rank->refuse_cancels--;
		return;
	}
	op->canceling = true;
	op_schedule(sim, EVENT_CANCEL, op, sim->now + chance_late(&sim->chance));
}

static int64_t port_now(fy_port *port)
{
	return rank_of(port)->sim->now;
}

static uint32_t *port_doorbell(fy_port *port, int rank)
{
	fy_sim *sim = rank_of(port)->sim;
	if (rank < 0 || rank >= sim->nranks || (sim->options.remote && rank != port->rank))
		return NULL;
	return &sim->bells[(size_t)rank * BELL_WORDS];
}

static uint32_t port_beats(fy_port *port, int rank)
{
	fy_sim *sim = rank_of(port)->sim;
	return sim->options.remote ? 0 : sim->ranks[rank].beats;
}

static bool port_is_dead(fy_port *port, int rank)
{
	fy_sim *sim = rank_of(port)->sim;
	return !sim->options.remote && sim->ranks[rank].dead;
}

/* Nothing can wait here, so everybody is compared with the first that came;
 * with MPI all ranks would learn of the difference. */
static int port_agree(fy_port *port, const void *mine, void *theirs, size_t nbytes, int *rank_p)
{
	struct rank *rank = rank_of(port);
	struct round *round = &rank->sim->rounds[rank->agreed];
	if (rank->agreed == ROUNDS_MAX || nbytes > ROUND_BYTES)
		return FERRY_EMPI;
	if (!round->begun) {
		*round = (struct round){ .begun = true, .nbytes = nbytes, .rank = port->rank };
		memcpy(round->bytes, mine, nbytes);
	}
	rank->agreed++;
	op_moment(rank->sim, TRACE_AGREE, port->rank);
	op_digest(rank->sim, op_checksum(mine, nbytes));
	memcpy(theirs, round->bytes, nbytes < round->nbytes ? nbytes : round->nbytes);
	if (nbytes == round->nbytes && memcmp(mine, round->bytes, nbytes) == 0)
		return 0;
	*rank_p = port->rank != 0 ? port->rank : round->rank;
	return FERRY_ENOTSUP;
}

static void port_offer(fy_port *port, int status, const char *text)
{
	struct rank *rank = rank_of(port);
	rank->offered = status;
	snprintf(rank->offer, sizeof rank->offer, "%s", text);
}

/* Nothing can wait here: who has not offered yet counts as well. */
static int port_settle(fy_port *port, char text[FY_SENTENCE], int *rank_p)
{
	fy_sim *sim = rank_of(port)->sim;
	for (int i = 0; i < sim->nranks; i++) {
		port->attended &= sim->ranks[i].port.attended;
		if (sim->ranks[i].offered == 0)
			continue;
		memcpy(text, sim->ranks[i].offer, FY_SENTENCE);
		*rank_p = i;
		return sim->ranks[i].offered;
	}
	return 0;
}

static int port_close(fy_port *port, bool clean)
{
	struct rank *rank = rank_of(port);
	if (rank->closed)
		op_misused(rank->sim, "the port was closed twice", rank, NULL);
	if (clean && rank->outstanding > 0 && !rank->dead)
		op_misused(rank->sim, "the port was closed as clean with requests under way", rank,
		           NULL);
	rank->closed = true;
	op_moment(rank->sim, TRACE_CLOSE, port->rank);
	op_digest(rank->sim, clean);
	return 0;
}

static const char *port_error(fy_port *port)
{
	return rank_of(port)->sim->error;
}

static const struct fy_port_ops sim_ops = {
	.name = "sim",
	.send = port_send,
	.recv = port_recv,
	.test = port_test,
	.cancel = port_cancel,
	.progress = port_progress,
	.now = port_now,
	.doorbell = port_doorbell,
	.beats = port_beats,
	.is_dead = port_is_dead,
	.agree = port_agree,
	.offer = port_offer,
	.settle = port_settle,
	.close = port_close,
	.error = port_error,
};

void port_init(fy_sim *sim, int index)
{
	struct rank *rank = &sim->ranks[index];
	rank->sim = sim;
	rank->port = (fy_port){
		.ops = &sim_ops,
		.rank = index,
		.size = sim->nranks,
		.tag_max = sim->options.tag_max,
		.chunk_max = sim->options.chunk_max,
		.lendable = !sim->options.borrowed,
		.proves = !sim->options.remote,
		.all_local = !sim->options.remote || sim->nranks == 1,
		.ranks_here = sim->options.remote ? 1 : sim->nranks,
		.attended = true,
	};
	for (int i = 0; i < BUCKETS; i++) {
		TAILQ_INIT(&rank->posted[i]);
		TAILQ_INIT(&rank->unexpected[i]);
	}
	TAILQ_INIT(&rank->waiting);
}
