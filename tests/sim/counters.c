/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters of many posts, over whole engines: what becomes of posts that count, however they end,
 * and what waits for them.
 */
#include "support/life.h"
#include "sim/net/sim.h"

#include "app/own_lane.h"
#include "app/post.h"
#include "base/order.h"
#include "helm/close.h"
#include "helm/gone.h"
#include "helm/peer.h"
#include "helm/progress.h"
#include "helm/step.h"
#include "link/channel.h"
#include "link/stream_out.h"
#include "port/port.h"
#include "shared/counter.h"
#include "shared/engine.h"
#include "shared/lane.h"
#include "shared/thread.h"
#include "wire/header.h"
#include "wire/record.h"

enum { OP = 7, TURNS_MAX = 100000, COUNTERS = 5, LONGEST = 300000 };

/* Two ranks; all is posted by rank 0, to rank 1 unless it is told otherwise. */
static struct {
	fy_sim *sim;
	ferry *engine[2];
	struct fy_progress *p[2];
	struct fy_lane *lane;
	ferry_counter *counters[COUNTERS];
	uint64_t posted[COUNTERS], came[COUNTERS]; /* what we know of them */
	uint32_t next[COUNTERS];                   /* the number of the next one that comes */
	bool in_order;
	/* in batches of rank 0: break the record at `spoil_at` of one of them */
	unsigned spoil, spoil_at, spoil_next;
	const struct fy_port_ops *ops_before;
	struct fy_port_ops ops;
} t;

static char body[LONGEST];

/* ---- engines ----------------------------------------------------------- */

/* A body says to which counter it belongs, and which one of its posts it is. */
struct tag {
	uint32_t counter, number;
};

static void on_post(ferry *engine, ferry_message *message, void *arg)
{
	struct tag tag;
	size_t n;
	const void *data = ferry_message_body(message, &n);
	(void)engine;
	(void)arg;
	assert_true(n >= sizeof tag);
	memcpy(&tag, data, sizeof tag);
	assert_true(tag.counter < COUNTERS);
	t.in_order &= tag.number >= t.next[tag.counter];
	t.next[tag.counter] = tag.number + 1;
	t.came[tag.counter]++;
}

static void open_rank(int rank, const ferry_options *given)
{
	t.engine[rank] = t_open(fy_sim_port(t.sim, rank), given);
	t.p[rank] = t.engine[rank]->progress;
	ferry *before = fy_thread_begin(FY_INLINE, t.engine[rank]);
	assert_int_equal(ferry_handle(t.engine[rank], OP, FERRY_INLINE, on_post, NULL), 0);
	fy_thread_end(FY_INLINE, before);
}

static void begin_with(const ferry_options *sender, const ferry_options *receiver)
{
	struct fy_sim_options net = { .eager_max = SIZE_MAX };
	memset(&t, 0, sizeof t);
	t.in_order = true;
	t.sim = fy_sim_create(2, 1, &net);
	open_rank(0, sender);
	open_rank(1, receiver);
	t.lane = fy_own_lane_create(t.engine[0]);
	for (int i = 0; i < COUNTERS; i++)
		assert_int_equal(ferry_counter_create(t.engine[0], &t.counters[i]), 0);
}

static void begin(void)
{
	ferry_options given = FERRY_OPTIONS_INIT;
	given.flags = FERRY_NONBLOCK;
	begin_with(&given, &given);
}

static void turn(bool *worked)
{
	for (int i = 0; i < 2; i++)
		*worked |= fy_step_once(t.p[i], true);
	*worked |= fy_sim_advance(t.sim);
}

/* Until nothing happens any more, the network included. */
static void settle(void)
{
	for (unsigned idle = 0, n = 0; idle < 10; n++) {
		bool worked = false;
		turn(&worked);
		idle = worked ? 0 : idle + 1;
		assert_true(n < TURNS_MAX);
	}
}

static void release_all(void)
{
	for (int i = 0; i < COUNTERS; i++)
		ferry_counter_release(t.counters[i]);
}

static void finish(void)
{
	for (unsigned n = 0; !(t.p[0]->close.stopped && t.p[1]->close.stopped); n++) {
		bool worked = false;
		assert_true(n < TURNS_MAX);
		turn(&worked);
		if (!worked)
			fy_sim_advance_to(t.sim, fy_sim_now(t.sim) + FERRY_MS(1));
	}
	for (int i = 0; i < 2; i++)
		assert_int_equal(fy_life_destroy(t.engine[i]), 0);
	t_leave(t.engine[0], t.lane);
	fy_thread_forget_lanes();
}

static void leave(void)
{
	for (int i = 0; i < 2; i++)
		fy_engine_release(t.engine[i]);
	fy_sim_destroy(t.sim);
}

static void begin_close(void)
{
	for (int i = 0; i < 2; i++) {
		fy_store_release_32(&t.engine[i]->phase, FY_CLOSING);
		fy_close_begin(t.p[i]);
	}
}

static void end(void)
{
	begin_close();
	finish();
	release_all();
	leave();
}

/* Each rank takes the other one for gone: no orderly close, but all memory is freed. */
static void abandon(void)
{
	for (int i = 0; i < 2; i++)
		t.p[i]->lookout.on = false; /* as with peer_timeout none */
	for (int i = 0; i < 2; i++)
		fy_gone_end(t.p[i], fy_peer_get(t.p[i], 1 - i), FERRY_EPEER, "the test says so");
	fy_sim_kill(t.sim, 0);
	fy_sim_kill(t.sim, 1);
	begin_close();
	for (int i = 0; i < 2; i++) {
		for (int k = 0; k < 100; k++)
			fy_step_once(t.p[i], true);
		t.p[i]->close.clean = true; /* this network writes nowhere any more */
	}
	finish();
	release_all();
	leave();
}

/* ---- posts ------------------------------------------------------------- */

static int post_to(int rank, int counter, size_t nbytes)
{
	struct tag tag = { (uint32_t)counter, (uint32_t)t.posted[counter] };
	memcpy(body, &tag, sizeof tag);
	struct fy_post o = { .engine = t.engine[0],
		             .lane = t.lane,
		             .kind = FY_KIND_POST,
		             .rank = rank,
		             .op = OP,
		             .body = body,
		             .nbytes = nbytes,
		             .counter = t.counters[counter] };
	int status = fy_post(&o, NULL);
	t.posted[counter] += status == 0;
	return status;
}

static void post(int counter, size_t nbytes, int n)
{
	for (; n; n--)
		assert_int_equal(post_to(1, counter, nbytes), 0);
}

static uint64_t done_of(int counter)
{
	uint64_t posted, done;
	ferry_counter_read(t.counters[counter], &posted, &done);
	assert_int_equal(posted, t.posted[counter]);
	return done;
}

static void is_done(int counter, int status)
{
	assert_int_equal(done_of(counter), t.posted[counter]);
	assert_int_equal(ferry_counter_read(t.counters[counter], NULL, NULL), status);
	assert_int_equal(ferry_counter_wait(t.counters[counter], t.posted[counter], 0), status);
}

static void all_came(int counter)
{
	is_done(counter, FERRY_OK);
	assert_int_equal(t.came[counter], t.posted[counter]);
	assert_true(t.in_order);
}

static void nothing_is_open(void)
{
	assert_int_equal(t.p[0]->link.counted.n_open, 0);
	assert_int_equal(t.p[0]->link.counts.awaited[0], 0);
	assert_int_equal(t.p[0]->link.counts.awaited[1], 0);
}

/* Bodies of all lengths: in the hot loop, by the slow way, folded, with chunks. */
static void what_is_delivered_is_done(void **state)
{
	static const size_t lengths[] = { 8, 9, 64, 4096, 5000, 40000, 8, 300000, 16, 64, 2000 };
	(void)state;
	begin();
	for (int k = 0; k < 3; k++) {
		for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; i++)
			post(0, lengths[i], 1);
		assert_true(done_of(0) < t.posted[0]);
		settle();
		all_came(0);
	}
	nothing_is_open();
	end();
}

/* The short way of a thread that posts by itself, and to its own rank. */
static void the_short_way_counts(void **state)
{
	struct tag tag = { 1, 0 };
	uint64_t posted, done;
	(void)state;
	begin();
	for (; tag.number < 100; tag.number++)
		assert_int_equal(ferry_post_counted(t.engine[0], tag.number % 2 ? 1 : 0, OP, &tag,
		                                    sizeof tag, t.counters[1]),
		                 0);
	assert_int_equal(ferry_counter_read(t.counters[1], &posted, &done), 0);
	assert_int_equal(posted, 100);
	assert_int_equal(done, 0);
	settle();
	assert_int_equal(ferry_counter_read(t.counters[1], &posted, &done), 0);
	assert_int_equal(done, 100);
	assert_int_equal(t.came[1], 100);
	end();
}

static void wrong_arguments(void **state)
{
	ferry_counter *none = NULL, *counter;
	(void)state;
	begin();
	assert_int_equal(ferry_counter_create(NULL, &none), FERRY_EINVAL);
	assert_int_equal(ferry_counter_create(t.engine[0], NULL), FERRY_EINVAL);
	assert_null(none);
	assert_int_equal(ferry_counter_read(NULL, NULL, NULL), FERRY_EINVAL);
	assert_int_equal(ferry_counter_wait(NULL, 0, 0), FERRY_EINVAL);
	assert_int_equal(ferry_counter_wait(t.counters[0], 0, -2), FERRY_EINVAL);
	assert_int_equal(ferry_counter_then(NULL, 0, FERRY_INLINE, NULL, NULL), FERRY_EINVAL);
	assert_int_equal(ferry_counter_then(t.counters[0], 0, FERRY_INLINE, NULL, NULL),
	                 FERRY_EINVAL);
	ferry_counter_release(NULL);
	assert_int_equal(ferry_post_counted(t.engine[0], 1, OP, "x", 1, NULL), FERRY_EINVAL);
	assert_int_equal(ferry_post_counted(NULL, 1, OP, "x", 1, t.counters[0]), FERRY_EINVAL);
	assert_int_equal(ferry_post_counted(t.engine[0], 2, OP, "x", 1, t.counters[0]),
	                 FERRY_EINVAL);
	assert_int_equal(ferry_post_counted(t.engine[0], 1, FERRY_OP_RESERVED, "x", 1,
	                                    t.counters[0]),
	                 FERRY_EINVAL);
	assert_int_equal(ferry_counter_create(t.engine[1], &counter), 0);
	assert_int_equal(ferry_post_counted(t.engine[0], 1, OP, "x", 1, counter), FERRY_EINVAL);
	assert_non_null(strstr(ferry_last_error(), "another engine"));
	ferry_counter_release(counter);
	assert_int_equal(done_of(0), 0); /* and nothing is posted */
	end();
}

/* ---- runs -------------------------------------------------------------- */

static unsigned runs_of(const struct fy_counted *runs)
{
	unsigned n = 0;
	for (const struct fy_counted_run *run = runs->first; run; run = run->next)
		n++;
	return n;
}

/* Posts of a counter next to each other are one run; a plain one between them ends it. */
static void many_counters_in_one_batch(void **state)
{
	(void)state;
	begin();
	post(4, 8, 1);
	settle(); /* the channel is there, with room */
	for (int k = 0; k < 3; k++)
		for (int i = 0; i < 4; i++)
			post(i, 8, 3);
	fy_step_once(t.p[0], true);
	assert_int_equal(runs_of(&t.p[0]->link.channels[1]->counted), 12);
	assert_int_equal(t.p[0]->link.counted.n_open, 36);
	settle();
	for (int i = 0; i < 4; i++)
		all_came(i);
	post(0, 8, 40);
	fy_step_once(t.p[0], true);
	assert_int_equal(runs_of(&t.p[0]->link.channels[1]->counted), 1);
	settle();
	all_came(0);
	nothing_is_open();
	end();
}

/* The last batch of a step asks for all before it. */
static void few_batches_ask(void **state)
{
	(void)state;
	begin();
	for (int k = 0; k < 30; k++) { /* credit grows */
		while (post_to(1, 0, 1000) == 0)
			;
		settle();
	}
	uint64_t back = t.p[1]->link.stats.batches_sent, there = t.p[0]->link.stats.batches_sent;
	post(1, 1000, 100);
	settle();
	there = t.p[0]->link.stats.batches_sent - there;
	back = t.p[1]->link.stats.batches_sent - back;
	assert_true(there >= 12);
	assert_in_range(back, 1, there / 3);
	all_came(1);
	end();
}

/* A full batch does not ask. What comes behind it has no room there, and is cancelled: nothing else
 * leaves that could ask for it. */
static void a_full_batch_is_asked_about(void **state)
{
	ferry_future *future;
	(void)state;
	begin();
	for (int k = 0; k < 30; k++) { /* credit grows, so that none has to come back */
		while (post_to(1, 4, 1000) == 0)
			;
		settle();
	}
	post(0, 1000, (FY_BATCH_BYTES - sizeof(struct fy_batch_header)) / 1016);
	struct fy_post o = { .engine = t.engine[0],
		             .lane = t.lane,
		             .kind = FY_KIND_POST,
		             .rank = 1,
		             .op = OP,
		             .body = body,
		             .nbytes = 1000 };
	assert_int_equal(fy_post(&o, &future), 0);
	assert_int_equal(ferry_future_cancel(future), FERRY_OK);
	settle();
	assert_int_equal(ferry_future_poll(future), FERRY_ECANCELED);
	ferry_future_release(future);
	all_came(0);
	nothing_is_open();
	end();
}

/* ---- failures ---------------------------------------------------------- */

static int spoiling_send(fy_port *port, int rank, int tag, const void *data, size_t nbytes,
                         fy_request *request)
{
	static char many[64][FY_BATCH_BYTES]; /* those before may be under way */
	char *spoiled = many[t.spoil_next++ % 64];
	if (tag != FY_TAG_BATCH || !t.spoil || nbytes <= sizeof(struct fy_batch_header))
		return t.ops_before->send(port, rank, tag, data, nbytes, request);
	t.spoil--;
	memcpy(spoiled, data, nbytes);
	struct fy_record *r = fy_record_at(spoiled + sizeof(struct fy_batch_header));
	for (unsigned i = 0; i < t.spoil_at; i++)
		r = fy_record_at((char *)r + fy_record_size(r->size_flags));
	r->rank = UINT32_MAX;
	return t.ops_before->send(port, rank, tag, spoiled, nbytes, request);
}

static void begin_spoiled(void)
{
	begin();
	fy_port *port = t.p[0]->link.port;
	t.ops_before = port->ops;
	t.ops = *port->ops;
	t.ops.send = spoiling_send;
	port->ops = &t.ops;
}

/* From the record on that the receiver cannot read. */
static void what_is_refused_is_done_and_failed(void **state)
{
	(void)state;
	begin_spoiled();
	post(3, 8, 1);
	settle();
	post(0, 8, 5);
	post(1, 8, 5);
	post(2, 8, 5);
	t.spoil = 1;
	t.spoil_at = 7;
	settle();
	assert_int_equal(t.spoil, 0);
	all_came(0);
	is_done(1, FERRY_EDECODE);
	assert_int_equal(t.came[1], 2);
	is_done(2, FERRY_EDECODE);
	assert_int_equal(t.came[2], 0);
	assert_int_equal(ferry_counter_read(t.counters[2], NULL, NULL), FERRY_EDECODE);
	assert_non_null(strstr(ferry_last_error(), "could not read"));
	post(1, 8, 5); /* these are fine, and the failure stays */
	settle();
	assert_int_equal(t.came[1], 7);
	is_done(1, FERRY_EDECODE);
	nothing_is_open();
	end();
}

/* Behind a large message records are counted by stream. */
static void what_is_refused_behind_a_large_message(void **state)
{
	(void)state;
	begin_spoiled();
	post(0, 100000, 1);
	post(1, 8, 3);
	fy_step_once(t.p[0], true);
	assert_int_equal(t.p[0]->link.n_streams, 1);
	assert_int_equal(runs_of(&t.p[0]->link.channels[1]->streams_out->counted), 2);
	post(1, 8, 5);
	t.spoil = 1;
	t.spoil_at = 2;
	fy_step_once(t.p[0], true);
	assert_int_equal(t.spoil, 0);
	post(2, 8, 4);
	settle();
	all_came(0);
	is_done(1, FERRY_EDECODE);
	assert_int_equal(t.came[1], 5);
	all_came(2);
	nothing_is_open();
	assert_int_equal(t.p[0]->link.n_streams, 0);
	end();
}

/* A message in the middle of the stream is refused by its receiver; those around it are not. */
static void a_large_message_fails_alone(void **state)
{
	ferry_options given = FERRY_OPTIONS_INIT, small = FERRY_OPTIONS_INIT;
	(void)state;
	given.flags = small.flags = FERRY_NONBLOCK;
	small.message_max = 100000;
	begin_with(&given, &small);
	post(0, 50000, 1);
	post(0, 8, 2);
	post(0, 50000, 1);
	post(0, 200000, 1);
	post(0, 50000, 1);
	post(0, 8, 2);
	settle();
	is_done(0, FERRY_ETOOBIG);
	assert_int_equal(t.came[0], 7);
	assert_true(t.in_order);
	nothing_is_open();
	end();
}

/* What MPI did not send, what waited behind it, and what is posted later. */
static void a_rank_that_is_gone(void **state)
{
	(void)state;
	begin();
	post(0, 8, 3);
	settle();
	post(0, 8, 3);
	post(1, 50000, 1);
	fy_sim_refuse_ppm(t.sim, 0, 1000000);
	fy_step_once(t.p[0], true);
	fy_sim_refuse_ppm(t.sim, 0, 0);
	post(2, 8, 4);
	settle();
	is_done(0, FERRY_EMPI);
	assert_non_null(strstr(ferry_last_error(), "did not send"));
	assert_int_equal(t.came[0], 3);
	is_done(1, FERRY_EMPI);
	is_done(2, FERRY_EMPI);
	assert_int_equal(post_to(1, 3, 8), FERRY_EPEER);
	assert_int_equal(done_of(3), 0); /* and that is not counted */
	nothing_is_open();
	abandon();
}

/* What waits in the channel's queue. */
static void posts_in_a_queue(void **state)
{
	(void)state;
	begin();
	post(4, 8, 1);
	settle();
	for (int k = 0; k < 2; k++) {
		fy_sim_refuse(t.sim, 0, 1000000);
		while (t.posted[k] < 200 && post_to(1, k, 1000) == 0)
			;
		fy_step_once(t.p[0], true);
		fy_sim_advance_to(t.sim, fy_sim_now(t.sim) + FERRY_MS(2));
		fy_step_once(t.p[0], true);
		assert_non_null(fy_peer_of(t.p[0]->link.channels[1])->queue.first);
		if (k)
			break;
		fy_sim_refuse(t.sim, 0, 0);
		settle();
		all_came(0);
	}
	fy_gone_end(t.p[0], t.p[0]->link.channels[1], FERRY_EPEER, "the test says so");
	settle();
	is_done(1, FERRY_EPEER);
	assert_int_equal(t.came[1], 0);
	nothing_is_open();
	abandon();
}

static void what_a_full_lane_refuses_is_not_counted(void **state)
{
	(void)state;
	begin();
	for (int k = 0; k < 3; k++) {
		while (post_to(1, 0, 3000) == 0)
			;
		assert_int_equal(post_to(1, 0, 3000), FERRY_EAGAIN);
		done_of(0); /* posted is what was accepted */
		settle();
		all_came(0);
	}
	end();
}

/* ---- waiting ----------------------------------------------------------- */

static struct {
	unsigned called;
	int status;
	bool with_future;
	char text[200];
} told[4];

static void on_reached(ferry_future *future, int status, void *arg)
{
	unsigned i = (unsigned)(uintptr_t)arg;
	told[i].called++;
	told[i].status = status;
	told[i].with_future |= future != NULL;
	if (status)
		snprintf(told[i].text, sizeof told[i].text, "%s", ferry_last_error());
}

static int tell(int counter, uint64_t value, unsigned i)
{
	memset(&told[i], 0, sizeof told[i]);
	return ferry_counter_then(t.counters[counter], value, FERRY_INLINE, on_reached,
	                          (void *)(uintptr_t)i);
}

static void was_told(unsigned i, int status)
{
	assert_int_equal(told[i].called, 1);
	assert_int_equal(told[i].status, status);
	assert_false(told[i].with_future);
}

static void each_number_is_told_once(void **state)
{
	(void)state;
	begin();
	post(0, 8, 4);
	assert_int_equal(tell(0, 6, 2), 0);
	assert_int_equal(tell(0, 4, 0), 0);
	assert_int_equal(tell(0, 4, 1), 0);
	settle();
	was_told(0, FERRY_OK);
	was_told(1, FERRY_OK);
	assert_int_equal(told[2].called, 0);
	post(0, 8, 1);
	settle();
	assert_int_equal(told[2].called, 0);
	post(0, 8, 4);
	settle();
	was_told(2, FERRY_OK);
	assert_int_equal(tell(0, 9, 3), 0);  /* reached before */
	assert_int_equal(told[3].called, 0); /* never inside of the call */
	settle();
	was_told(3, FERRY_OK);
	assert_int_equal(fy_load_relaxed_64(&t.counters[0]->done), 9 * FY_COUNTER_ONE);
	end();
	was_told(2, FERRY_OK);
}

static void a_callback_hears_of_the_failure(void **state)
{
	(void)state;
	begin_spoiled();
	post(0, 8, 4);
	assert_int_equal(tell(0, 4, 0), 0);
	t.spoil = 1;
	t.spoil_at = 1;
	settle();
	was_told(0, FERRY_EDECODE);
	assert_non_null(strstr(told[0].text, "could not read"));
	assert_int_equal(t.came[0], 1);
	end();
}

/* Nobody posts here meanwhile, so the number is not reached. */
static void a_wait_ends_in_time(void **state)
{
	ferry_options given = FERRY_OPTIONS_INIT;
	(void)state;
	given.flags = FERRY_NONBLOCK;
	given.lend = FERRY_NONE; /* this network's time is not that of the wait */
	begin_with(&given, &given);
	post(0, 8, 2);
	settle();
	assert_int_equal(ferry_counter_wait(t.counters[0], 2, FERRY_FOREVER), FERRY_OK);
	assert_int_equal(ferry_counter_wait(t.counters[0], 3, 0), FERRY_PENDING);
	assert_int_equal(ferry_counter_wait(t.counters[0], 3, FERRY_MS(2)), FERRY_PENDING);
	assert_null(t.counters[0]->targets.first);
	assert_int_equal(fy_load_relaxed_64(&t.counters[0]->done), 2 * FY_COUNTER_ONE);
	ferry *before = fy_thread_begin(FY_INLINE, t.engine[0]);
	assert_int_equal(ferry_counter_wait(t.counters[0], 3, FERRY_FOREVER), FERRY_EDEADLK);
	assert_int_equal(ferry_counter_wait(t.counters[0], 2, FERRY_FOREVER), FERRY_OK);
	fy_thread_end(FY_INLINE, before);
	assert_null(t.counters[0]->targets.first);
	end();
}

/* ---- the end ----------------------------------------------------------- */

/* What was posted is delivered by the close; what was not is not waited for. */
static void a_close_delivers_and_ends_waits(void **state)
{
	ferry_counter *late;
	(void)state;
	begin();
	post(0, 8, 20);
	post(1, 50000, 2);
	assert_int_equal(tell(0, 20, 0), 0);
	assert_int_equal(tell(0, 21, 1), 0);
	begin_close();
	finish();
	all_came(0);
	all_came(1);
	was_told(0, FERRY_OK);
	was_told(1, FERRY_ESTOPPED);
	assert_non_null(strstr(told[1].text, "closed before so many"));
	assert_int_equal(ferry_counter_wait(t.counters[0], 21, FERRY_FOREVER), FERRY_ESTOPPED);
	assert_int_equal(tell(0, 21, 2), FERRY_ESTOPPED);
	assert_int_equal(post_to(1, 0, 8), FERRY_ESTOPPED);
	assert_int_equal(ferry_counter_create(t.engine[0], &late), FERRY_ESTOPPED);
	is_done(0, FERRY_OK);
	release_all();
	leave();
}

/* Nothing left the lane: an unclean end fails it. */
static void an_unclean_end_fails_what_is_in_lanes(void **state)
{
	(void)state;
	begin();
	post(0, 8, 3);
	settle();
	post(0, 8, 5);
	assert_int_equal(post_to(0, 1, 8), 0);
	assert_int_equal(tell(0, 8, 0), 0);
	for (int i = 0; i < 2; i++) {
		t.p[i]->losses.since = 1; /* a close that finds a rank gone, and no crew */
		t.p[i]->lookout.on = false;
		fy_sim_kill(t.sim, i);
	}
	begin_close();
	for (int i = 0; i < 2; i++)
		while (!t.p[i]->close.stopped) {
			fy_close_step(t.p[i]);
			t.p[i]->link.now += FERRY_MS(300);
		}
	for (int i = 0; i < 2; i++) {
		t.p[i]->close.clean = true;
		fy_life_destroy(t.engine[i]);
	}
	t_leave(t.engine[0], t.lane);
	fy_thread_forget_lanes();
	is_done(0, FERRY_ESTOPPED);
	is_done(1, FERRY_ESTOPPED);
	was_told(0, FERRY_ESTOPPED);
	assert_int_equal(t.came[0], 3);
	release_all();
	leave();
}

/* The memory goes with the last post; the engine's reference says so. */
static void released_with_posts_open(void **state)
{
	(void)state;
	begin();
	post(4, 8, 1);
	settle();
	post(1, 60000, 1);
	settle();
	uint32_t refs = t.engine[0]->refs;
	post(0, 8, 10);
	post(1, 8, 2);
	assert_int_equal(tell(0, 10, 0), 0);
	assert_int_equal(tell(1, 4, 1), 0); /* one that is not posted any more */
	for (int i = 0; i < 3; i++) {
		ferry_counter_release(t.counters[i]);
		t.counters[i] = NULL;
	}
	assert_int_equal(t.engine[0]->refs, refs - 1); /* of the third nothing was open */
	assert_int_equal(told[0].called, 0);
	settle();
	assert_int_equal(t.engine[0]->refs, refs - 3);
	assert_int_equal(t.came[0], 10);
	assert_int_equal(t.came[1], 3);
	was_told(0, FERRY_OK);
	was_told(1, FERRY_ECANCELED);
	assert_non_null(strstr(told[1].text, "released before"));
	assert_null(t.engine[0]->aside.counters);
	nothing_is_open();
	end();
}

static void released_and_the_rank_is_gone(void **state)
{
	(void)state;
	begin();
	post(4, 8, 1);
	settle();
	uint32_t refs = t.engine[0]->refs;
	post(0, 8, 10);
	fy_step_once(t.p[0], true);
	post(0, 8, 10);
	ferry_counter_release(t.counters[0]);
	t.counters[0] = NULL;
	fy_gone_end(t.p[0], t.p[0]->link.channels[1], FERRY_EPEER, "the test says so");
	settle();
	assert_int_equal(t.engine[0]->refs, refs - 1);
	nothing_is_open();
	abandon();
}

/* ---- chance ------------------------------------------------------------ */

/* Nothing is done before it came, or failed. */
static void none_is_done_too_early(void)
{
	for (int i = 0; i < COUNTERS; i++) {
		uint64_t done = done_of(i);
		assert_true(done <= t.posted[i]);
		if (ferry_counter_read(t.counters[i], NULL, NULL) == FERRY_OK)
			assert_true(done <= t.came[i]);
	}
}

static size_t draw_length(uint64_t *random)
{
	uint64_t dice = t_random(random) % 100;
	if (dice < 85)
		return 8 + t_random(random) % 200;
	return dice < 96 ? 8 + t_random(random) % 4088 : 4097 + t_random(random) % 60000;
}

static void run_by_chance(uint64_t seed)
{
	uint64_t random = seed;
	begin_spoiled();
	bool spoils = seed % 2;
	for (int i = 0; i < 400; i++) {
		int counter = (int)(t_random(&random) % COUNTERS);
		for (uint64_t n = t_random(&random) % 8; n; n--)
			post_to(1, counter, draw_length(&random));
		if (spoils && t_random(&random) % 40 == 0) {
			t.spoil = 1;
			t.spoil_at = 0;
		}
		bool worked = false;
		for (uint64_t n = t_random(&random) % 4; n; n--)
			turn(&worked);
		none_is_done_too_early();
		if (t.p[0]->link.channels[1] && t.p[0]->link.channels[1]->gone)
			break; /* an announcement was spoiled whose chunks are on the way */
	}
	t.spoil = 0;
	settle();
	for (int i = 0; i < COUNTERS; i++) {
		assert_int_equal(done_of(i), t.posted[i]);
		if (!spoils)
			all_came(i);
		else if (t.came[i] < t.posted[i])
			assert_true(ferry_counter_read(t.counters[i], NULL, NULL) < 0);
	}
	nothing_is_open();
	if (t.p[0]->link.channels[1]->gone)
		abandon();
	else
		end();
}

static void by_chance(void **state)
{
	unsigned long seeds = t_seeds(40);
	(void)state;
	for (unsigned long seed = 1; seed <= seeds; seed++)
		run_by_chance(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_arguments),
		cmocka_unit_test(what_is_delivered_is_done),
		cmocka_unit_test(the_short_way_counts),
		cmocka_unit_test(many_counters_in_one_batch),
		cmocka_unit_test(few_batches_ask),
		cmocka_unit_test(a_full_batch_is_asked_about),
		cmocka_unit_test(what_is_refused_is_done_and_failed),
		cmocka_unit_test(what_is_refused_behind_a_large_message),
		cmocka_unit_test(a_large_message_fails_alone),
		cmocka_unit_test(a_rank_that_is_gone),
		cmocka_unit_test(posts_in_a_queue),
		cmocka_unit_test(what_a_full_lane_refuses_is_not_counted),
		cmocka_unit_test(each_number_is_told_once),
		cmocka_unit_test(a_callback_hears_of_the_failure),
		cmocka_unit_test(a_wait_ends_in_time),
		cmocka_unit_test(a_close_delivers_and_ends_waits),
		cmocka_unit_test(an_unclean_end_fails_what_is_in_lanes),
		cmocka_unit_test(released_with_posts_open),
		cmocka_unit_test(released_and_the_rank_is_gone),
		cmocka_unit_test(by_chance),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
