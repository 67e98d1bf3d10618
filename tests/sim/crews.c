/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Crews: many state machines of helm/crew.c over a network that loses, doubles and delays words,
 * whose links are cut one way, and whose ranks die, pause and go on. All of it is drawn from the
 * seed. Each rank sends every other one a sign of life from time to time, and a rank from which
 * nothing came for the timeout is silent, as in the engine.
 *
 * What is checked, of each run:
 *  - two crews of one number are equal or have no member in common; the crews of a rank get
 *    smaller, and it is a member of each;
 *  - once the faults are over there is nobody in a crew that is dead, or stopped, or has another
 *    crew; who was left out and can be told has stopped;
 *  - after one fault in a network that loses nothing, everybody else goes on, and knows after 1.5
 *    timeouts.
 */
#include "support/test.h"

#include "base/bits.h"
#include "ferry.h"
#include "helm/crew.h"

enum {
	RANKS_MAX = 8,
	CREWS_MAX = 64,
	TIMEOUT = 2400,
	TICK = TIMEOUT / 12,
	AFTER = 12 * TIMEOUT,
	WORD_BYTES = 64,
	SLACK = 5 * TICK
};

struct message {
	int64_t at;
	int from, to;
	size_t nbytes; /* 0: a sign of life */
	char bytes[WORD_BYTES];
};

struct node {
	struct fy_crew crew;
	bool dead, was_stopped;
	int64_t paused_until; /* 0: it runs */
	int64_t own, looked;  /* its clock, and when it looked last */
	int64_t next_look, changed_at;
	int64_t heard[RANKS_MAX]; /* by its own clock */
};

struct crew_seen {
	uint32_t number;
	uint64_t members;
};

struct world {
	uint64_t random;
	int n;
	int64_t now;
	unsigned loss, twice; /* of a thousand words */
	bool false_alarms;    /* who is silent has nothing to do with what was heard */
	int64_t delay;        /* the longest */
	struct node nodes[RANKS_MAX];
	int64_t cut_until[RANKS_MAX][RANKS_MAX]; /* from, to */
	struct message *messages;
	size_t n_messages, room;
	struct crew_seen seen[CREWS_MAX];
	int n_seen;
	char wrong[200];
};

static uint32_t pick(struct world *w, uint32_t n)
{
	return (uint32_t)(t_random(&w->random) >> 33) % n;
}

/* ---- the network ---------------------------------------------------------------------------- */

static void send_once(struct world *w, int from, int to, const char *bytes, size_t nbytes)
{
	if (w->n_messages == w->room) {
		w->room = w->room ? 2 * w->room : 256;
		w->messages = realloc(w->messages, w->room * sizeof *w->messages);
		assert_non_null(w->messages);
	}
	struct message *m = &w->messages[w->n_messages++];
	*m = (struct message){ w->now + 1 + pick(w, (uint32_t)w->delay), from, to, nbytes, { 0 } };
	if (nbytes)
		memcpy(m->bytes, bytes, nbytes);
}

static void send_word(struct world *w, int from, int to, const char *bytes, size_t nbytes)
{
	if (w->now < w->cut_until[from][to] || pick(w, 1000) < w->loss)
		return;
	send_once(w, from, to, bytes, nbytes);
	if (pick(w, 1000) < w->twice)
		send_once(w, from, to, bytes, nbytes);
}

static void flush(struct world *w, int rank)
{
	char bytes[WORD_BYTES];
	size_t nbytes;

	for (int to = 0; to < w->n; to++)
		while ((nbytes = fy_crew_write(&w->nodes[rank].crew, to, bytes)) != 0)
			send_word(w, rank, to, bytes, nbytes);
}

static bool runs(const struct world *w, int rank)
{
	return !w->nodes[rank].dead && !w->nodes[rank].paused_until;
}

/* ---- what is looked at in every step -------------------------------------------------------- */

static void see(struct world *w, int rank)
{
	struct fy_crew *c = &w->nodes[rank].crew;
	struct crew_seen crew = { c->now.number, c->now.members[0] };
	bool known = false;

	if (!fy_bits_has(c->now.members, rank))
		snprintf(w->wrong, sizeof w->wrong, "rank %d has a crew without itself", rank);
	for (int i = 0; i < w->n_seen; i++) {
		const struct crew_seen *other = &w->seen[i];
		uint64_t more = other->number < crew.number   ? crew.members & ~other->members
		                : other->number > crew.number ? other->members & ~crew.members
		                                              : 0;
		if (more && (other->members & crew.members))
			snprintf(w->wrong, sizeof w->wrong, "crews %u: %llx, %u: %llx", crew.number,
			         (unsigned long long)crew.members, other->number,
			         (unsigned long long)other->members);
	}
	for (int i = 0; i < w->n_seen; i++) {
		const struct crew_seen *other = &w->seen[i];
		known |= other->number == crew.number && other->members == crew.members;
		if (other->number == crew.number && other->members != crew.members &&
		    (other->members & crew.members))
			snprintf(w->wrong, sizeof w->wrong, "two crews of number %u: %llx and %llx",
			         crew.number, (unsigned long long)crew.members,
			         (unsigned long long)other->members);
	}
	if (!known && w->n_seen < CREWS_MAX)
		w->seen[w->n_seen++] = crew;
}

/* After each call of the machine. */
static void after(struct world *w, int rank, uint64_t members)
{
	struct node *node = &w->nodes[rank];

	if (node->crew.stop && !node->was_stopped) {
		node->was_stopped = true;
		node->changed_at = w->now;
	}
	if (node->crew.changed) {
		node->crew.changed = false;
		node->changed_at = w->now;
		if (node->crew.now.members[0] & ~members)
			snprintf(w->wrong, sizeof w->wrong, "a rank came back to rank %d", rank);
		see(w, rank);
	}
	flush(w, rank);
}

static void hear(struct world *w, const struct message *m)
{
	struct node *node = &w->nodes[m->to];
	uint64_t members = node->crew.now.members[0];

	if (node->crew.stop)
		return;
	node->heard[m->from] = node->own;
	if (!w->false_alarms)
		fy_crew_set_silent(&node->crew, m->from, false);
	if (m->nbytes)
		assert_true(fy_crew_hear(&node->crew, m->from, m->bytes, m->nbytes));
	else if (!fy_crew_is_member(&node->crew, m->from))
		fy_crew_tell(&node->crew, m->from);
	after(w, m->to, members);
}

static void deliver(struct world *w)
{
	for (size_t i = 0; i < w->n_messages;) {
		struct message m = w->messages[i];
		if (m.at > w->now || (!runs(w, m.to) && !w->nodes[m.to].dead)) {
			i++;
			continue;
		}
		w->messages[i] = w->messages[--w->n_messages];
		if (!w->nodes[m.to].dead)
			hear(w, &m);
	}
}

static void look(struct world *w, int rank)
{
	struct node *node = &w->nodes[rank];
	uint64_t members = node->crew.now.members[0];
	int64_t past = w->now - node->looked;

	node->own += past < TIMEOUT / 6 ? past : TIMEOUT / 6;
	node->looked = w->now;
	node->next_look = w->now + TICK + pick(w, 10);
	if (node->crew.stop)
		return;
	for (int i = 0; i < w->n; i++) {
		if (i == rank || !fy_crew_is_member(&node->crew, i) || w->false_alarms)
			continue;
		send_word(w, rank, i, NULL, 0);
		if (node->own - node->heard[i] >= TIMEOUT)
			fy_crew_set_silent(&node->crew, i, true);
	}
	fy_crew_step(&node->crew, node->own);
	after(w, rank, members);
}

static void pass(struct world *w, int64_t time)
{
	for (int64_t until = w->now + time; w->now < until && !w->wrong[0]; w->now++) {
		deliver(w);
		for (int rank = 0; rank < w->n; rank++) {
			struct node *node = &w->nodes[rank];
			if (node->paused_until && node->paused_until <= w->now)
				node->paused_until = 0;
			if (runs(w, rank) && node->next_look <= w->now)
				look(w, rank);
		}
	}
}

/* ---- faults --------------------------------------------------------------------------------- */

static void die(struct world *w, int rank)
{
	w->nodes[rank].dead = true;
}

/* The first rank in that phase dies there, perhaps when it has told some of the others. */
static void die_in_phase(struct world *w, enum fy_crew_phase phase)
{
	for (int64_t i = 0; i < 4 * TIMEOUT; i++) {
		pass(w, 1);
		for (int rank = 0; rank < w->n; rank++) {
			if (!runs(w, rank) || w->nodes[rank].crew.phase != phase)
				continue;
			for (size_t m = 0; m < w->n_messages;)
				if (w->messages[m].from == rank && pick(w, 2))
					w->messages[m] = w->messages[--w->n_messages];
				else
					m++;
			die(w, rank);
			return;
		}
	}
}

static void partition(struct world *w, uint64_t side, int64_t until)
{
	for (int from = 0; from < w->n; from++)
		for (int to = 0; to < w->n; to++)
			if ((side >> from & 1) != (side >> to & 1))
				w->cut_until[from][to] = until;
}

static void fault(struct world *w)
{
	int a = (int)pick(w, (uint32_t)w->n), b = (int)pick(w, (uint32_t)w->n);
	int64_t soon = w->now + pick(w, 3 * TIMEOUT);

	switch (pick(w, 9)) {
	case 0:
		die(w, a);
		break;
	case 1:
		die(w, a);
		die(w, b);
		break;
	case 2:
		w->nodes[a].paused_until = soon;
		break;
	case 3:
		w->cut_until[a][b] = a == b ? 0 : soon;
		break;
	case 4:
		w->cut_until[a][b] = a == b ? 0 : INT64_MAX;
		break;
	case 5:
		partition(w, t_random(&w->random), soon);
		break;
	case 6:
		fy_crew_set_dead(&w->nodes[a].crew, b);
		break;
	case 7:
		if (a != b)
			fy_crew_set_broken(&w->nodes[a].crew, b);
		break;
	case 8:
		die(w, a);
		die_in_phase(w, (enum fy_crew_phase)(FY_CREW_ACCUSING + pick(w, 3)));
		break;
	}
}

/* ---- runs ----------------------------------------------------------------------------------- */

static void begin(struct world *w, uint64_t seed, int n)
{
	*w = (struct world){ .random = seed, .n = n, .delay = 1 + TIMEOUT / 50 };
	for (int rank = 0; rank < n; rank++) {
		assert_int_equal(fy_crew_open(&w->nodes[rank].crew, rank, n, TIMEOUT), FERRY_OK);
		w->nodes[rank].next_look = pick(w, TICK);
	}
}

static void end(struct world *w)
{
	for (int rank = 0; rank < w->n; rank++)
		fy_crew_free(&w->nodes[rank].crew);
	free(w->messages);
}

static bool is_going_on(const struct world *w, int rank)
{
	return runs(w, rank) && !w->nodes[rank].crew.stop;
}

static bool hears(const struct world *w, int rank, int other)
{
	return w->cut_until[other][rank] <= w->now;
}

static void check_end(struct world *w)
{
	for (int i = 0; i < w->n && !w->wrong[0]; i++) {
		struct fy_crew *c = &w->nodes[i].crew;
		for (int j = 0; j < w->n && is_going_on(w, i); j++) {
			struct fy_crew *other = &w->nodes[j].crew;
			if (!fy_crew_is_member(c, j)) {
				/* it sends to this rank, unless it left that out, too */
				if (is_going_on(w, j) && hears(w, i, j) && hears(w, j, i) &&
				    fy_crew_is_member(other, i))
					snprintf(w->wrong, sizeof w->wrong,
					         "%d was left out by %d and goes on", j, i);
			} else if (!is_going_on(w, j))
				snprintf(w->wrong, sizeof w->wrong,
				         "%d is in the crew of %d and does not go on", j, i);
			else if (!hears(w, i, j))
				snprintf(w->wrong, sizeof w->wrong,
				         "%d is in the crew of %d, who does not hear it", j, i);
			else if (other->now.number != c->now.number ||
			         other->now.members[0] != c->now.members[0])
				snprintf(w->wrong, sizeof w->wrong,
				         "%d has crew %u (%llx), %d has %u (%llx)", i,
				         c->now.number, (unsigned long long)c->now.members[0], j,
				         other->now.number,
				         (unsigned long long)other->now.members[0]);
		}
	}
}

static unsigned long crews, stops;

static void run_many_faults(uint64_t seed)
{
	static struct world w;

	begin(&w, seed, 1 + (int)(seed % RANKS_MAX));
	w.loss = pick(&w, 3) ? 0 : pick(&w, 200);
	w.twice = pick(&w, 200);
	pass(&w, TIMEOUT);
	for (unsigned faults = 1 + pick(&w, 4); faults; faults--) {
		fault(&w);
		pass(&w, pick(&w, 2) ? pick(&w, TIMEOUT) : pick(&w, 4 * TIMEOUT));
	}
	pass(&w, 3 * TIMEOUT); /* pauses and cuts that end are over */
	w.loss = 0;
	pass(&w, AFTER);
	check_end(&w);
	crews += (unsigned long)w.n_seen;
	for (int rank = 0; rank < w.n; rank++)
		stops += w.nodes[rank].crew.stop != FY_CREW_GOES_ON;
	if (w.wrong[0])
		fail_msg("seed %llu: %s (%d ranks)", (unsigned long long)seed, w.wrong, w.n);
	end(&w);
}

/* Ranks are taken for silent that are not, words take half of the timeout, and ranks pause all the
 * time. Nothing goes well, and only what holds whatever happens is looked at. */
static void run_false_alarms(uint64_t seed)
{
	static struct world w;

	begin(&w, seed, 3 + (int)(seed % 4));
	w.false_alarms = true;
	w.delay = 1 + pick(&w, TIMEOUT / 2);
	w.loss = pick(&w, 2) ? 0 : pick(&w, 300);
	for (unsigned i = 0; i < 60 && !w.wrong[0]; i++) {
		int a = (int)pick(&w, (uint32_t)w.n), b = (int)pick(&w, (uint32_t)w.n);
		if (a != b)
			fy_crew_set_silent(&w.nodes[a].crew, b, pick(&w, 4) == 0);
		if (pick(&w, 8) == 0)
			w.nodes[b].paused_until = w.now + pick(&w, TIMEOUT);
		if (pick(&w, 2) == 0)
			w.cut_until[a][b] = w.now + pick(&w, TIMEOUT);
		pass(&w, pick(&w, TIMEOUT / 4));
	}
	crews += (unsigned long)w.n_seen;
	if (w.wrong[0])
		fail_msg("seed %llu: %s (%d ranks)", (unsigned long long)seed, w.wrong, w.n);
	end(&w);
}

static unsigned long first_seed(unsigned long *count)
{
	unsigned long only = t_env("FERRY_SEED", 0);

	*count = only ? 1 : 15 * t_seeds(100); /* they are short */
	return only ? only : t_env("FERRY_FIRST_SEED", 1);
}

static void crews_agree_whatever_happens(void **state)
{
	unsigned long count, seed = first_seed(&count);

	(void)state;
	for (unsigned long i = 0; i < count; i++)
		run_many_faults(seed + i);
	printf("# %lu seeds: %lu crews, %lu ranks stopped\n", count, crews, stops);
	crews = 0;
	for (unsigned long i = 0; i < count; i++)
		run_false_alarms(seed + i);
	printf("# false alarms: %lu crews\n", crews);
}

/* One rank dies, pauses for good, or is named; all others find out, in time, and go on. */
static void run_one_fault(uint64_t seed)
{
	static struct world w;

	begin(&w, seed, 3 + (int)(seed % (RANKS_MAX - 2)));
	pass(&w, TIMEOUT + pick(&w, TICK));
	int victim = (int)pick(&w, (uint32_t)w.n), kind = (int)pick(&w, 3);
	int64_t begun = w.now;
	if (kind == 0)
		die(&w, victim);
	else if (kind == 1)
		w.nodes[victim].paused_until = begun + 4 * TIMEOUT;
	else
		fy_crew_set_dead(&w.nodes[(victim + 1) % w.n].crew, victim);
	pass(&w, 3 * TIMEOUT);
	for (int i = 0; i < w.n; i++) {
		struct node *node = &w.nodes[i];
		if (i == victim)
			continue;
		if (node->crew.stop || node->crew.now.number != 1 ||
		    fy_bits_count(node->crew.now.members, w.n) != w.n - 1)
			snprintf(w.wrong, sizeof w.wrong, "rank %d has crew %u: %llx", i,
			         node->crew.now.number,
			         (unsigned long long)node->crew.now.members[0]);
		else if (node->changed_at - begun > TIMEOUT * 3 / 2 + SLACK)
			snprintf(w.wrong, sizeof w.wrong, "rank %d knows after %.2f timeouts", i,
			         (double)(node->changed_at - begun) / TIMEOUT);
	}
	pass(&w, 3 * TIMEOUT);
	if (!w.wrong[0] && !w.nodes[victim].dead && w.nodes[victim].crew.stop != FY_CREW_EXCLUDED)
		snprintf(w.wrong, sizeof w.wrong, "rank %d was left out and goes on", victim);
	if (w.wrong[0])
		fail_msg("seed %llu: %s (%d ranks, kind %d, victim %d)", (unsigned long long)seed,
		         w.wrong, w.n, kind, victim);
	end(&w);
}

static void one_fault_is_known_in_time_and_costs_one_rank(void **state)
{
	unsigned long count, seed = first_seed(&count);

	(void)state;
	for (unsigned long i = 0; i < count / 4 + 1; i++)
		run_one_fault(seed + i);
}

/* A process that was stopped for long, or whose loop did not run, blames nobody. */
static void who_was_stopped_blames_nobody(void **state)
{
	static struct world w;

	(void)state;
	begin(&w, 1, 4);
	pass(&w, TIMEOUT);
	for (int rank = 0; rank < 4; rank++)
		w.nodes[rank].paused_until = w.now + 100 * TIMEOUT;
	pass(&w, 110 * TIMEOUT);
	for (int rank = 0; rank < 4; rank++) {
		assert_int_equal(w.nodes[rank].crew.now.number, 0);
		assert_int_equal(w.nodes[rank].crew.phase, FY_CREW_QUIET);
	}
	end(&w);
}

/* One is dead, and both others were named: none of the two waits for the other for ever. */
static void all_that_are_named_stop(void **state)
{
	static struct world w;

	(void)state;
	begin(&w, 1, 3);
	pass(&w, TIMEOUT);
	die(&w, 0);
	fy_crew_set_dead(&w.nodes[1].crew, 1);
	fy_crew_set_dead(&w.nodes[1].crew, 2);
	pass(&w, 5 * TIMEOUT);
	for (int rank = 1; rank < 3; rank++)
		assert_int_not_equal(w.nodes[rank].crew.stop, FY_CREW_GOES_ON);
	end(&w);
}

/* Of two halves that do not hear each other the one with the lowest rank goes on, if there has to
 * be a quorum; else both do. */
static void a_partition(void **state)
{
	static struct world w;

	(void)state;
	for (int quorum = 0; quorum < 2; quorum++)
		for (uint64_t side = 0x1; side <= 0x7; side = side * 2 + 1) {
			begin(&w, side, 4);
			for (int rank = 0; rank < 4; rank++)
				w.nodes[rank].crew.quorum = quorum;
			pass(&w, TIMEOUT);
			partition(&w, side, w.now + 10 * TIMEOUT);
			pass(&w, 20 * TIMEOUT); /* and heals, which changes nothing */
			for (int rank = 0; rank < 4; rank++) {
				const struct fy_crew *c = &w.nodes[rank].crew;
				uint64_t mine = side >> rank & 1 ? side : 0xF & ~side;
				bool alone = mine == 0x1 || mine == 0x8;
				bool most = mine != 0x1 && mine != 0xC && mine != 0x8;
				if (alone)
					assert_int_equal(c->stop, FY_CREW_DEAF);
				else if (quorum && !most) /* or deaf, once the other one stopped */
					assert_int_not_equal(c->stop, FY_CREW_GOES_ON);
				else
					assert_int_equal(c->now.members[0], mine);
			}
			end(&w);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crews_agree_whatever_happens),
		cmocka_unit_test(one_fault_is_known_in_time_and_costs_one_rank),
		cmocka_unit_test(who_was_stopped_blames_nobody),
		cmocka_unit_test(all_that_are_named_stop),
		cmocka_unit_test(a_partition),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
