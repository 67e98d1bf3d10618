/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory that large messages land in, over the simulated network: rank 0 reads what the others
 * send. What must hold: in steady state nothing is allocated; what is kept and what is held are
 * together within the budget after every step; what nobody uses goes back to the system; what the
 * program takes is the program's; and no block is two messages' at once.
 */
#include "support/life.h"
#include "sim/net/sim.h"

#include "base/order.h"
#include "engine/life.h"
#include "helm/close.h"
#include "helm/progress.h"
#include "helm/step.h"
#include "link/channel.h"
#include "shared/block.h"
#include "shared/engine.h"
#include "shared/message.h"
#include "shared/thread.h"

#include <malloc.h>
#include <unistd.h>

enum {
	OP_DONE = 1,
	OP_HELD,
	OP_TAKEN,
	RANKS_MAX = 4,
	WINDOW = 8,
	HELD_MAX = 16,
	STEPS_MAX = 200000
};
#define MIB (1u << 20)

static struct world {
	fy_sim *sim;
	int ranks;
	ferry *engine[RANKS_MAX];
	ferry_message *held[HELD_MAX]; /* that the program of rank 0 keeps */
	uint64_t held_number[HELD_MAX];
	unsigned n_held, came, steps;
	uint64_t number; /* of the next message */
	bool broken;
} t;

/* ---- messages that say which they are, at both ends ------------------------------------------ */

static uint64_t *last_word(char *data, size_t nbytes)
{
	return (uint64_t *)(void *)(data + (nbytes & ~(size_t)7) - 8);
}

static uint64_t number_of(char *data, size_t nbytes)
{
	uint64_t first = *(uint64_t *)(void *)data;
	t.broken |= first != *last_word(data, nbytes);
	return first;
}

/* The attachment, or the body of a message without one. */
static char *content(const ferry_message *m, size_t *nbytes_p)
{
	const void *data = ferry_message_attachments(m) ? ferry_message_attachment(m, 0, nbytes_p)
	                                                : ferry_message_body(m, nbytes_p);
	return (char *)(uintptr_t)data;
}

static void let_go(unsigned i)
{
	size_t nbytes;
	char *data = content(t.held[i], &nbytes);
	t.broken |= number_of(data, nbytes) != t.held_number[i];
	ferry_message_release(t.held[i]);
	t.held[i] = t.held[--t.n_held];
	t.held_number[i] = t.held_number[t.n_held];
}

static void on_message(ferry *engine, ferry_message *m, void *arg)
{
	size_t nbytes;
	char *data = content(m, &nbytes);
	uint64_t number = number_of(data, nbytes);
	(void)engine;
	(void)arg;
	t.came++;
	if (ferry_message_op(m) == OP_TAKEN) {
		data = ferry_message_take(m, 0, &nbytes);
		memset(data, 0, nbytes);
		free(data);
	} else if (ferry_message_op(m) == OP_HELD) {
		if (t.n_held == HELD_MAX)
			let_go(0);
		ferry_message_retain(m);
		t.held[t.n_held] = m;
		t.held_number[t.n_held++] = number;
	}
}

/* ---- the world --------------------------------------------------------- */

static void start_rank(int rank, size_t receive_memory)
{
	ferry_options given = FERRY_OPTIONS_INIT;
	given.flags = FERRY_NONBLOCK;
	given.spin = given.sleep_max = FERRY_NONE;
	given.receive_memory = receive_memory;
	given.send_memory = 256 * MIB; /* for bodies */
	t.engine[rank] = t_open(fy_sim_port(t.sim, rank), &given);
}

static void start(int ranks, size_t receive_memory)
{
	struct fy_sim_options net = { .count_misuse = true };
	memset(&t, 0, sizeof t);
	t.sim = fy_sim_create(ranks, 1, &net);
	t.ranks = ranks;
	for (int i = 0; i < ranks; i++)
		start_rank(i, receive_memory);
	ferry *before = fy_thread_begin(FY_INLINE, t.engine[0]);
	for (uint32_t op = OP_DONE; op <= OP_TAKEN; op++)
		assert_int_equal(ferry_handle(t.engine[0], op, FERRY_INLINE, on_message, NULL), 0);
	fy_thread_end(FY_INLINE, before);
}

static struct fy_progress *reader(void)
{
	return t.engine[0]->progress;
}

static uint64_t kept(void)
{
	return t.engine[0]->told.block_bytes;
}

/* What large messages hold of the budget. */
static uint64_t held(void)
{
	struct fy_progress *p = reader();
	return p->bulk.budget.used[0] + p->bulk.budget.used[1] -
	       (t.engine[0]->told.large_returned - p->bulk.budget.seen);
}

static void check_bounds(void)
{
	uint64_t paid = 0;
	for (struct fy_channel *ch = reader()->link.all; ch; ch = ch->all_next)
		paid += ch->credit.unreturned;
	if (kept() && kept() + held() > reader()->bulk.budget.cap[0])
		fail_msg("%ju bytes are kept and %ju held, of %ju", (uintmax_t)kept(),
		         (uintmax_t)held(), (uintmax_t)reader()->bulk.budget.cap[0]);
	assert_true(kept() + held() + paid <= reader()->link.options->receive_memory);
	assert_false(t.broken);
}

static void step(void)
{
	for (int i = 0; i < t.ranks; i++)
		fy_step_once(t.engine[i]->progress, true);
	check_bounds();
	if (++t.steps % 64 == 0 && t.n_held)
		let_go(0); /* the program lets nobody wait for ever */
	if (!fy_sim_advance(t.sim))
		fy_sim_advance_to(t.sim, fy_sim_now(t.sim) + FERRY_US(100));
	assert_string_equal(fy_sim_misuse(t.sim), "");
}

static void idle_for(int64_t time)
{
	for (int64_t end = fy_sim_now(t.sim) + time; fy_sim_now(t.sim) < end;) {
		fy_sim_advance_to(t.sim, fy_sim_now(t.sim) + FERRY_MS(10));
		step();
	}
}

/* ---- windows ----------------------------------------------------------- */

static void release(void *data, void *arg)
{
	(void)arg;
	free(data);
}

static ferry_future *post(int rank, uint32_t op, size_t nbytes, bool attach)
{
	ferry_future *future;
	ferry_message *m;
	char *data = calloc(1, nbytes);
	*(uint64_t *)(void *)data = *last_word(data, nbytes) = t.number++;
	assert_int_equal(ferry_message_create(t.engine[rank], op, &m), 0);
	if (attach) {
		assert_int_equal(ferry_message_attach(m, data, nbytes, release, NULL), 0);
	} else {
		assert_int_equal(ferry_message_write(m, data, nbytes), 0);
		free(data);
	}
	assert_int_equal(ferry_post_message(t.engine[rank], 0, m, &future), 0);
	ferry_message_release(m);
	return future;
}

static void await(ferry_future **futures, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		for (unsigned n = 0;
		     n < STEPS_MAX && ferry_future_poll(futures[i]) == FERRY_PENDING; n++)
			step();
		assert_int_equal(ferry_future_poll(futures[i]), 0);
		ferry_future_release(futures[i]);
	}
}

/* A window of every sender, each message of the size that `size` gives. */
static void windows(uint32_t op, size_t (*size)(void *arg), void *arg, bool attach)
{
	ferry_future *futures[RANKS_MAX * WINDOW];
	unsigned n = 0;
	for (int rank = 1; rank < t.ranks; rank++)
		for (unsigned i = 0; i < WINDOW; i++, n++)
			futures[n] = post(rank, op, size(arg), attach);
	await(futures, n);
}

static size_t equal(void *arg)
{
	return *(size_t *)arg;
}

static void end(void)
{
	while (t.n_held)
		let_go(0);
	for (int i = 0; i < t.ranks; i++) {
		fy_store_release_32(&t.engine[i]->phase, FY_CLOSING);
		fy_close_begin(t.engine[i]->progress);
	}
	bool all = false;
	for (unsigned i = 0; i < STEPS_MAX && !all; i++) {
		step();
		all = true;
		for (int k = 0; k < t.ranks; k++)
			all &= fy_progress_of(t.engine[k])->close.stopped;
	}
	assert_true(all);
	assert_int_equal(t.came, t.number);
	for (int i = 0; i < t.ranks; i++) {
		assert_int_equal(fy_life_destroy(t.engine[i]), 0);
		fy_engine_release(t.engine[i]);
	}
	fy_sim_destroy(t.sim);
}

/* ---- nothing is allocated ---------------------------------------------- */

/* The budget has room for the whole window, or for a part of it, or for one message; also the
 * smallest and the largest that are kept, and what does not fill its block. */
static void a_window_allocates_nothing(void **state)
{
	static const size_t sizes[] = { 64 << 10, 300001, MIB - 1, MIB, 4 * MIB, 5000000, 6 * MIB };
	(void)state;
	for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++)
		for (unsigned attach = 0; attach < 2; attach++) {
			size_t nbytes = sizes[i];
			start(2, 16 * MIB);
			windows(OP_DONE, equal, &nbytes, attach);
			windows(OP_DONE, equal, &nbytes, attach);
			uint64_t made = reader()->bulk.blocks.made;
			for (unsigned n = 0; n < 2; n++)
				windows(OP_DONE, equal, &nbytes, attach);
			assert_int_equal(reader()->bulk.blocks.made, made);
			assert_in_range(made, 1, 2 * WINDOW);
			end();
		}
}

/* One of three sizes after the other, by three senders, while the program still has some of
 * those before. */
static size_t in_turn(void *arg)
{
	static const size_t sizes[] = { 100000, 250000, MIB };
	return sizes[++*(unsigned *)arg % 3];
}

static void so_does_a_mixture(void **state)
{
	unsigned turn = 0;
	(void)state;
	start(4, 128 * MIB);
	for (unsigned n = 0; n < 6; n++)
		windows(n % 2 ? OP_HELD : OP_DONE, in_turn, &turn, true);
	uint64_t made = reader()->bulk.blocks.made;
	for (unsigned n = 0; n < 6; n++)
		windows(n % 2 ? OP_HELD : OP_DONE, in_turn, &turn, true);
	assert_int_equal(reader()->bulk.blocks.made, made);
	end();
}

/* ---- the budget -------------------------------------------------------- */

static size_t any(void *arg)
{
	size_t octave = (size_t)35000 << t_random(arg) % 6;
	return octave + t_random(arg) % octave;
}

/* Sizes and what becomes of them are drawn; each step looks at the bounds. Some messages are paid
 * from the credit. */
static void bounds_hold(void **state)
{
	(void)state;
	for (unsigned long seed = 1; seed <= t_seeds(4); seed++) {
		uint64_t random = seed;
		bool full = false;
		start(4, (8 + 8 * (seed % 4)) * MIB);
		for (unsigned n = 0; n < 12; n++) {
			windows(OP_DONE + t_random(&random) % 2, any, &random, true);
			while (t.n_held && t_random(&random) % 8)
				let_go((unsigned)t_random(&random) % t.n_held);
			full |= kept() + held() > reader()->bulk.budget.cap[0] / 2;
			step();
		}
		assert_true(full); /* or it says nothing about bounds */
		end();
	}
}

/* Called before the memory of each attachment is got: what was kept has made room for the
 * one before. */
static void *ask(ferry *engine, int source, uint32_t op, size_t index, size_t nbytes, void *arg)
{
	(void)engine;
	(void)source;
	(void)op;
	uint64_t together = kept() + index * nbytes, *most = arg;
	*most = together > *most ? together : *most;
	return NULL;
}

static void what_is_kept_makes_room_first(void **state)
{
	size_t nbytes = 2 * MIB, longer = 6 * MIB;
	uint64_t together = 0;
	ferry_message *m;
	ferry_future *future;
	char *data = calloc(1, longer);
	(void)state;
	start(2, 64 * MIB);
	windows(OP_DONE, equal, &nbytes, true);
	assert_true(kept() + 2 * longer > reader()->bulk.budget.cap[0]);
	ferry *before = fy_thread_begin(FY_INLINE, t.engine[0]);
	assert_int_equal(ferry_handle_memory(t.engine[0], OP_DONE, ask, &together), 0);
	fy_thread_end(FY_INLINE, before);
	assert_int_equal(ferry_message_create(t.engine[1], OP_DONE, &m), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(ferry_message_attach(m, data, longer, NULL, NULL), 0);
	assert_int_equal(ferry_post_message(t.engine[1], 0, m, &future), 0);
	ferry_message_release(m);
	t.number++;
	await(&future, 1);
	assert_in_range(together, 2 * longer, reader()->bulk.budget.cap[0]);
	end();
	free(data);
}

/* ---- back to the system ------------------------------------------------ */

static size_t resident(void)
{
	size_t pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%*s %zu", &pages), 1);
	fclose(file);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Also where malloc would keep for itself what is freed, as it does from some point on that changes
 * with what was freed before. */
static void what_is_not_used_goes_back(void **state)
{
	size_t nbytes = 2 * MIB;
	(void)state;
	mallopt(M_MMAP_THRESHOLD, 32 * MIB);
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	start(2, 64 * MIB);
	for (unsigned n = 0; n < 2; n++) {
		windows(OP_DONE, equal, &nbytes, true);
		size_t before = resident();
		assert_true(kept() >= WINDOW * nbytes);
		idle_for(FERRY_MS(900));
		assert_true(kept() >= WINDOW * nbytes);
		idle_for(FERRY_MS(200));
		assert_int_equal(kept(), 0);
		assert_true(resident() + WINDOW / 2 * nbytes < before);
	}
	end();
}

/* The same while messages of another size keep coming. */
static void what_is_used_stays(void **state)
{
	size_t nbytes = 2 * MIB, other = 100000;
	(void)state;
	start(2, 64 * MIB);
	windows(OP_DONE, equal, &nbytes, true);
	windows(OP_DONE, equal, &other, true);
	uint64_t made = reader()->bulk.blocks.made;
	for (unsigned n = 0; n < 15; n++) {
		windows(OP_DONE, equal, &other, true);
		idle_for(FERRY_MS(100));
	}
	assert_int_equal(reader()->bulk.blocks.made, made);
	assert_in_range(kept(), 1, WINDOW * 110000);
	end();
}

/* ---- taken ------------------------------------------------------------- */

static void what_is_taken_is_the_programs(void **state)
{
	size_t nbytes = 5000000;
	(void)state;
	start(2, 64 * MIB);
	windows(OP_DONE, equal, &nbytes, true);
	uint64_t before = kept();
	windows(OP_TAKEN, equal, &nbytes, true);
	assert_true(kept() < before);
	step();
	assert_int_equal(held(), 0);
	windows(OP_DONE, equal, &nbytes, true);
	end();
}

/* ---- sizes ------------------------------------------------------------- */

static void sizes_are_few_and_waste_little(void **state)
{
	size_t last = 0;
	unsigned n = 0;
	(void)state;
	start(2, 64 * MIB);
	for (size_t nbytes = FY_BLOCK_MIN; nbytes <= 24 * MIB; nbytes += 1021) {
		size_t room = fy_block_size(t.engine[0], nbytes);
		assert_in_range(room, nbytes, nbytes + nbytes / 8);
		assert_int_equal(fy_block_size(t.engine[0], room), room);
		n += room != last;
		last = room;
	}
	assert_in_range(n, 60, 70); /* eight for each of 8.6 octaves */
	assert_int_equal(fy_block_size(t.engine[0], FY_BLOCK_MIN - 1), FY_BLOCK_MIN - 1);
	assert_int_equal(fy_block_size(t.engine[0], 24 * MIB + 1), 24 * MIB + 1);
	assert_int_equal(fy_block_size(t.engine[0], SIZE_MAX), SIZE_MAX);
	/* less than 7.5 MiB are kept */
	t.engine[0]->options.receive_memory = 8 * (7 * MIB + 100) / 3;
	assert_int_equal(fy_block_size(t.engine[0], 7 * MIB - 1), 7 * MIB);
	assert_int_equal(fy_block_size(t.engine[0], 7 * MIB + 1), 7 * MIB + 1);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_window_allocates_nothing),
		cmocka_unit_test(so_does_a_mixture),
		cmocka_unit_test(bounds_hold),
		cmocka_unit_test(what_is_kept_makes_room_first),
		cmocka_unit_test(what_is_not_used_goes_back),
		cmocka_unit_test(what_is_used_stays),
		cmocka_unit_test(what_is_taken_is_the_programs),
		cmocka_unit_test(sizes_are_few_and_waste_little),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
