/* SPDX-License-Identifier: Apache-2.0 */
/* The simulated network: the conformance suite, and what only it can do. */
#include "support/test.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ferry.h"
#include "port/port.h"
#include "support/port_conformance.h"
#include "sim/net/sim.h"

/* ---- the conformance suite over it --------------------------------------- */

static fy_port *sim_port(struct conformance *c, int rank)
{
	return fy_sim_port(c->arg, rank);
}

static void everybody_progresses(fy_sim *sim, int ranks)
{
	for (int r = 0; r < ranks; r++)
		fy_sim_port(sim, r)->ops->progress(fy_sim_port(sim, r));
}

static bool sim_turn(struct conformance *c)
{
	everybody_progresses(c->arg, c->ranks);
	return fy_sim_advance(c->arg);
}

static void sim_gather(struct conformance *c)
{
	while (sim_turn(c))
		;
}

static void sim_refuse(struct conformance *c, int rank)
{
	fy_sim_refuse(c->arg, rank, 1);
}

static unsigned sim_misuses(struct conformance *c)
{
	return (unsigned)fy_sim_stats(c->arg)->misuses;
}

static void conforms(const struct fy_sim_options *options)
{
	static const int ranks[] = { 1, 2, 5 };
	uint64_t overtaken = 0;
	for (int i = 0; i < 3; i++)
		for (uint64_t seed = 1; seed <= t_scaled(5); seed++) {
			struct fy_sim_options o = *options;
			o.count_misuse = true;
			struct conformance c = { .ranks = ranks[i],
				                 .port = sim_port,
				                 .turn = sim_turn,
				                 .gather = sim_gather,
				                 .refuse = sim_refuse,
				                 .misuses = sim_misuses };
			c.arg = fy_sim_create(c.ranks, seed, &o);
			assert_non_null(c.arg);
			if (conformance_run(&c) != 0)
				fail_msg("%u failures with %d ranks and seed %llu", c.failures,
				         c.ranks, (unsigned long long)seed);
			assert_int_equal(fy_sim_outstanding(c.arg, FY_PORT_ANY), 0);
			assert_int_equal(fy_sim_stats(c.arg)->unexpected_now, 0);
			assert_int_equal(fy_sim_stats(c.arg)->unexpected_bytes, 0);
			overtaken += fy_sim_stats(c.arg)->overtaken;
			fy_sim_destroy(c.arg);
		}
	assert_true(overtaken > 100);
}

static void it_conforms(void **state)
{
	(void)state;
	conforms(&(struct fy_sim_options){ 0 });
}

static void it_conforms_when_much_happens_at_once(void **state)
{
	(void)state;
	conforms(&(struct fy_sim_options){ .grain = 5000 });
}

static void it_conforms_when_every_send_waits(void **state)
{
	(void)state;
	conforms(&(struct fy_sim_options){ .eager_max = 1, .late_max = 200000 });
}

static void it_conforms_when_no_send_waits(void **state)
{
	(void)state;
	conforms(&(struct fy_sim_options){
		.eager_max = SIZE_MAX, .tag_max = 32767, .remote = true });
}

/* ---- helpers ------------------------------------------------------------- */

static fy_sim *create(int ranks, uint64_t seed, struct fy_sim_options options)
{
	options.count_misuse = true;
	fy_sim *sim = fy_sim_create(ranks, seed, &options);
	assert_non_null(sim);
	return sim;
}

static int send_to(fy_sim *sim, int from, int to, const void *data, size_t nbytes,
                   fy_request *request)
{
	fy_port *port = fy_sim_port(sim, from);
	return port->ops->send(port, to, FY_TAG_BATCH, data, nbytes, request);
}

static void recv_from(fy_sim *sim, int at, int from, void *data, size_t nbytes, fy_request *request)
{
	fy_port *port = fy_sim_port(sim, at);
	assert_int_equal(port->ops->recv(port, from, FY_TAG_BATCH, data, nbytes, request), 0);
}

static bool done(fy_sim *sim, int rank, fy_request *request)
{
	fy_port *port = fy_sim_port(sim, rank);
	return port->ops->test(port, request);
}

static void run_out(fy_sim *sim, int ranks)
{
	do
		everybody_progresses(sim, ranks);
	while (fy_sim_advance(sim));
}

/* ---- time ---------------------------------------------------------------- */

static void nothing_ends_before_its_time(void **state)
{
	(void)state;
	fy_sim *sim = create(2, 1, (struct fy_sim_options){ 0 });
	int out = 1, in = 0;
	fy_request sent, received;
	assert_int_equal(fy_sim_next(sim), INT64_MAX);
	assert_false(fy_sim_advance(sim));
	recv_from(sim, 1, 0, &in, sizeof in, &received);
	assert_int_equal(send_to(sim, 0, 1, &out, sizeof out, &sent), 0);
	for (int i = 0; i < 100; i++) {
		assert_false(done(sim, 0, &sent));
		assert_false(done(sim, 1, &received));
	}
	assert_int_equal(fy_sim_now(sim), 0);
	assert_true(fy_sim_next(sim) >= 0 && fy_sim_next(sim) < INT64_MAX);
	assert_int_equal(fy_sim_outstanding(sim, 0), 1);
	run_out(sim, 2);
	assert_true(done(sim, 1, &received));
	assert_true(done(sim, 0, &sent));
	assert_int_equal(in, 1);
	assert_true(fy_sim_now(sim) >= 500);
	assert_int_equal(fy_sim_outstanding(sim, FY_PORT_ANY), 0);
	fy_sim_destroy(sim);
}

static void time_can_go_to_a_timer(void **state)
{
	(void)state;
	fy_sim *sim = create(2, 1, (struct fy_sim_options){ 0 });
	int out = 1;
	fy_request sent;
	fy_sim_advance_to(sim, 1000000);
	assert_int_equal(fy_sim_now(sim), 1000000);
	assert_int_equal(send_to(sim, 0, 1, &out, sizeof out, &sent), 0);
	fy_sim_advance_to(sim, fy_sim_next(sim) - 1);
	assert_int_equal(fy_sim_stats(sim)->events, 0);
	fy_sim_advance_to(sim, 2000000);
	assert_int_equal(fy_sim_now(sim), 2000000);
	assert_true(done(sim, 0, &sent));
	fy_sim_advance_to(sim, 5);
	assert_int_equal(fy_sim_now(sim), 2000000);
	fy_sim_destroy(sim);
}

static void a_long_send_waits_for_its_match_and_the_receiver_s_progress(void **state)
{
	(void)state;
	fy_sim *sim = create(2, 3, (struct fy_sim_options){ .eager_max = 100 });
	unsigned char out[2][101] = { { 1 }, { 2 } }, in[2][101];
	fy_request sent[2], received[2];
	assert_int_equal(send_to(sim, 0, 1, out[0], 100, &sent[0]), 0);
	assert_int_equal(send_to(sim, 0, 1, out[1], 101, &sent[1]), 0);
	run_out(sim, 2);
	assert_true(done(sim, 0, &sent[0])); /* the eager one */
	assert_false(done(sim, 0, &sent[1]));
	assert_int_equal(fy_sim_stats(sim)->unexpected_now, 2);
	assert_int_equal(fy_sim_stats(sim)->unexpected_bytes, 100);
	recv_from(sim, 1, 0, in[0], sizeof in[0], &received[0]);
	recv_from(sim, 1, 0, in[1], sizeof in[1], &received[1]);
	while (fy_sim_advance(sim))
		; /* nobody at rank 1 makes progress */
	assert_false(done(sim, 0, &sent[1]));
	run_out(sim, 2);
	assert_true(done(sim, 0, &sent[1]));
	assert_true(done(sim, 1, &received[0]));
	assert_true(done(sim, 1, &received[1]));
	assert_int_equal(in[0][0] + 10 * in[1][0], 21);
	assert_int_equal(fy_sim_stats(sim)->unexpected_peak, 2);
	assert_int_equal(fy_sim_stats(sim)->rendezvous, 1);
	fy_sim_destroy(sim);
}

static void the_ranks_to_which_something_happened_are_named(void **state)
{
	(void)state;
	fy_sim *sim = create(10, 4, (struct fy_sim_options){ 0 });
	int out = 1, in;
	unsigned named = 0;
	fy_request sent, received;
	assert_int_equal(fy_sim_touched(sim), -1);
	recv_from(sim, 7, 3, &in, sizeof in, &received);
	assert_int_equal(send_to(sim, 3, 7, &out, sizeof out, &sent), 0);
	while (fy_sim_advance(sim))
		;
	for (int rank; (rank = fy_sim_touched(sim)) >= 0;)
		named |= 1u << rank;
	assert_int_equal(named, (1u << 3) | (1u << 7));
	assert_int_equal(fy_sim_touched(sim), -1);
	fy_sim_destroy(sim);
}

/* ---- seeds --------------------------------------------------------------- */

/* A number that stands for the order and the times of all ends of a run. */
static uint64_t trace(uint64_t seed)
{
	enum { RANKS = 4, N = 50 };
	fy_sim *sim = create(RANKS, seed, (struct fy_sim_options){ 0 });
	static unsigned char out[RANKS * N][9000], in[RANKS * N][9000];
	static fy_request sent[RANKS * N], received[RANKS * N];
	uint64_t hash = 0;
	for (int i = 0; i < RANKS * N; i++) {
		assert_int_equal(send_to(sim, i % RANKS, i / RANKS % RANKS, out[i],
		                         (size_t)(i * 45), &sent[i]),
		                 0);
		recv_from(sim, i / RANKS % RANKS, FY_PORT_ANY, in[i], sizeof in[i], &received[i]);
	}
	do
		for (int i = 0; i < RANKS * N; i++) {
			if (sent[i].handle != NULL && done(sim, i % RANKS, &sent[i]))
				hash = (hash ^ (uint64_t)(i + fy_sim_now(sim) * 1000)) *
				       0x9e3779b97f4a7c15u;
			if (received[i].handle != NULL &&
			    done(sim, i / RANKS % RANKS, &received[i]))
				hash = (hash ^ (uint64_t)(i + 500 + fy_sim_now(sim) * 1000)) *
				       0x9e3779b97f4a7c15u;
		}
	while (fy_sim_advance(sim));
	assert_int_equal(fy_sim_outstanding(sim, FY_PORT_ANY), 0);
	fy_sim_destroy(sim);
	return hash;
}

static void a_seed_is_a_run(void **state)
{
	(void)state;
	assert_true(trace(1) == trace(1));
	assert_true(trace(77) == trace(77));
	assert_true(trace(1) != trace(2));
}

/* ---- faults -------------------------------------------------------------- */

/* Of a message of four bytes, sent at a time; `note` is what its receiver says of it. */
static uint64_t digest_of(int64_t time, const char *bytes, uint64_t note)
{
	fy_sim *sim = create(2, 1, (struct fy_sim_options){ 0 });
	char in[4];
	fy_request sent, received;
	fy_sim_advance_to(sim, time);
	recv_from(sim, 1, 0, in, sizeof in, &received);
	assert_int_equal(send_to(sim, 0, 1, bytes, sizeof in, &sent), 0);
	uint64_t before, digest = fy_sim_digest(sim);
	while (fy_sim_advance(sim)) {
		before = digest;
		digest = fy_sim_digest(sim);
		assert_true(digest != before); /* each event is in it */
	}
	assert_true(done(sim, 1, &received) && done(sim, 0, &sent));
	assert_true(fy_sim_digest(sim) != digest);
	fy_sim_note(sim, 1, note);
	digest = fy_sim_digest(sim);
	fy_sim_destroy(sim);
	return digest;
}

static void a_run_has_a_digest(void **state)
{
	(void)state;
	char bytes[] = "same";
	uint64_t digest = digest_of(1000, "same", 7);
	assert_true(digest == digest_of(1000, bytes, 7)); /* at another address */
	assert_true(digest != digest_of(1001, "same", 7));
	assert_true(digest != digest_of(1000, "samf", 7));
	assert_true(digest != digest_of(1000, "same", 8));
}

static void sends_are_refused_and_fail_as_often_as_asked(void **state)
{
	(void)state;
	fy_sim *sim =
		create(2, 5, (struct fy_sim_options){ .refuse_ppm = 100000, .fail_ppm = 100000 });
	int refused = 0, failed = 0, out = 1, in;
	for (int i = 0; i < 1000; i++) {
		fy_request sent, received;
		if (send_to(sim, 0, 1, &out, sizeof out, &sent) != 0) {
			refused++;
			continue;
		}
		recv_from(sim, 1, 0, &in, sizeof in, &received);
		run_out(sim, 2);
		assert_true(done(sim, 0, &sent));
		if (sent.status == 0) {
			assert_true(done(sim, 1, &received));
			continue;
		}
		assert_int_equal(sent.status, FERRY_EMPI);
		failed++;
		fy_sim_port(sim, 1)->ops->cancel(fy_sim_port(sim, 1), &received);
		run_out(sim, 2);
		assert_true(done(sim, 1, &received));
		assert_int_equal(received.status, FERRY_ECANCELED);
	}
	assert_true(refused > 50 && refused < 200);
	assert_true(failed > 40 && failed < 200);
	assert_int_equal(fy_sim_stats(sim)->refused, refused);
	assert_int_equal(fy_sim_stats(sim)->failed, failed);
	fy_sim_refuse_ppm(sim, 0, 0);
	for (int i = 0; i < 100; i++) {
		fy_request sent;
		assert_int_equal(send_to(sim, 0, 1, &out, sizeof out, &sent), 0);
	}
	fy_sim_destroy(sim);
}

static void nothing_comes_from_a_killed_rank(void **state)
{
	(void)state;
	fy_sim *sim = create(2, 6, (struct fy_sim_options){ .eager_max = 100 });
	enum { N = 40 };
	fy_request sent[N], received[N];
	unsigned char *out[N], in[N][200], wait[8];
	fy_request waits;
	for (int i = 0; i < N; i++) {
		out[i] = malloc(200);
		memset(out[i], i, 200);
		recv_from(sim, 1, 0, in[i], sizeof in[i], &received[i]);
		assert_int_equal(send_to(sim, 0, 1, out[i], i % 2 != 0 ? 50 : 150, &sent[i]), 0);
	}
	recv_from(sim, 0, 1, wait, sizeof wait, &waits);
	fy_sim_kill(sim, 0);
	assert_true(fy_sim_killed(sim, 0));
	for (int i = 0; i < N; i++)
		free(out[i]); /* the memory of a rank that is gone is not looked at */
	run_out(sim, 2);
	for (int i = 0; i < N; i++) {
		assert_false(done(sim, 1, &received[i]));
		assert_true(done(sim, 0, &sent[i]));
		assert_int_equal(sent[i].status, FERRY_ECANCELED);
	}
	assert_true(done(sim, 0, &waits));
	assert_int_equal(waits.status, FERRY_ECANCELED);
	assert_int_equal(fy_sim_outstanding(sim, 0), 0);
	assert_int_equal(send_to(sim, 0, 1, in[0], 1, &sent[0]), FERRY_EMPI);
	for (int i = 0; i < N; i++) /* what waits for it can still be cancelled */
		fy_sim_port(sim, 1)->ops->cancel(fy_sim_port(sim, 1), &received[i]);
	run_out(sim, 2);
	for (int i = 0; i < N; i++)
		assert_true(done(sim, 1, &received[i]));
	assert_int_equal(fy_sim_stats(sim)->misuses, 0);
	fy_sim_destroy(sim);
}

/* Kill one of two at every moment of an exchange, and destroy in all states. */
static void a_kill_may_come_at_any_moment(void **state)
{
	(void)state;
	for (int step = 0; step < 120; step++) {
		fy_sim *sim =
			create(2, (uint64_t)step, (struct fy_sim_options){ .eager_max = 100 });
		enum { N = 12 };
		fy_request sent[N], received[N];
		unsigned char *out = calloc(N, 200), *in = calloc(N, 200);
		for (int i = 0; i < N; i++) {
			assert_int_equal(send_to(sim, 0, 1, out + i * 200, i % 2 != 0 ? 50 : 150,
			                         &sent[i]),
			                 0);
			if (i % 3 == 0)
				fy_sim_advance(sim);
			recv_from(sim, 1, 0, in + i * 200, 200, &received[i]);
		}
		for (int i = 0; i < step / 2; i++) {
			everybody_progresses(sim, 2);
			fy_sim_advance(sim);
		}
		fy_sim_kill(sim, step % 2);
		if (step % 2 == 0)
			free(out);
		else
			free(in);
		run_out(sim, 2);
		for (int i = 0; i < N; i++) {
			assert_true(done(sim, 0, &sent[i]) || step % 2 == 1);
			assert_true(done(sim, 1, &received[i]) || step % 2 == 0);
		}
		assert_int_equal(fy_sim_outstanding(sim, step % 2), 0);
		fy_sim_destroy(sim);
		free(step % 2 == 0 ? in : out);
	}
}

static void a_send_to_a_killed_rank_ends_or_does_not(void **state)
{
	(void)state;
	fy_sim *sim = create(2, 7, (struct fy_sim_options){ .eager_max = 100 });
	enum { N = 200 };
	static fy_request sent[N];
	static unsigned char out[200];
	int ended[2] = { 0 };
	fy_sim_kill(sim, 1);
	for (int i = 0; i < N; i++)
		assert_int_equal(send_to(sim, 0, 1, out, i % 2 != 0 ? 50 : 150, &sent[i]), 0);
	run_out(sim, 2);
	for (int i = 0; i < N; i++)
		ended[i % 2] += done(sim, 0, &sent[i]);
	assert_true(ended[0] > 5 && ended[0] < 60);  /* rendezvous: seldom */
	assert_true(ended[1] > 50 && ended[1] < 98); /* eager: mostly */
	assert_int_equal(fy_sim_stats(sim)->lost, N);
	assert_int_equal(fy_sim_outstanding(sim, 0), N - ended[0] - ended[1]);
	fy_sim_destroy(sim);
}

static void what_meets_a_cut_arrives_in_order_once_it_heals(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 50; seed++) {
		fy_sim *sim = create(3, seed, (struct fy_sim_options){ 0 });
		enum { N = 20 };
		fy_request sent[N], received[N], other[2];
		int out[N], in[N], one = 1;
		assert_int_equal(fy_sim_cut(sim, 0, 1), 0);
		assert_int_equal(fy_sim_cut(sim, 0, 1), 0);
		for (int i = 0; i < N; i++) {
			recv_from(sim, 1, 0, &in[i], sizeof in[i], &received[i]);
			out[i] = i;
			if (i < N / 2)
				assert_int_equal(send_to(sim, 0, 1, &out[i], sizeof out[i],
				                         &sent[i]),
				                 0);
		}
		run_out(sim, 3);
		for (int i = 0; i < N; i++)
			assert_false(done(sim, 1, &received[i]));
		for (int i = 0; i < 2; i++) { /* other pairs do not suffer, nor the way back */
			int at = i == 0 ? 2 : 0, from = i == 0 ? 0 : 1;
			int got = 0;
			fy_request to;
			recv_from(sim, at, from, &got, sizeof got, &other[i]);
			assert_int_equal(send_to(sim, from, at, &one, sizeof one, &to), 0);
			run_out(sim, 3);
			assert_true(done(sim, at, &other[i]) && done(sim, from, &to) && got == 1);
		}
		for (int i = N / 2; i < N; i++) /* these are on their way when it heals */
			assert_int_equal(send_to(sim, 0, 1, &out[i], sizeof out[i], &sent[i]), 0);
		for (uint64_t i = 0; i < seed % 7; i++)
			fy_sim_advance(sim);
		fy_sim_heal(sim, 0, 1);
		run_out(sim, 3);
		for (int i = 0; i < N; i++) {
			assert_true(done(sim, 1, &received[i]) && done(sim, 0, &sent[i]));
			assert_int_equal(in[i], i);
		}
		fy_sim_destroy(sim);
	}
}

/* ---- misuse -------------------------------------------------------------- */

static void misuse_of_the_port_is_noticed(void **state)
{
	(void)state;
	fy_sim *sim = create(2, 8, (struct fy_sim_options){ 0 });
	fy_port *port = fy_sim_port(sim, 0);
	int out = 1;
	fy_request sent, none = { .handle = NULL };
	assert_string_equal(fy_sim_misuse(sim), "");
	assert_int_equal(send_to(sim, 0, 1, &out, sizeof out, &sent), 0);
	port->ops->cancel(port, &sent);
	assert_int_equal(fy_sim_stats(sim)->misuses, 1);
	assert_true(port->ops->test(port, &none));
	assert_int_equal(fy_sim_stats(sim)->misuses, 2);
	fy_sim_port(sim, 1)->ops->test(fy_sim_port(sim, 1), &sent);
	assert_int_equal(fy_sim_stats(sim)->misuses, 3);
	port->ops->close(port, true);
	assert_int_equal(fy_sim_stats(sim)->misuses, 4);
	assert_non_null(strstr(fy_sim_misuse(sim), "rank 0"));
	assert_int_equal(send_to(sim, 0, 1, &out, sizeof out, &none), FERRY_EMPI);
	fy_sim_destroy(sim);
}

static void misuse_aborts_unless_it_is_to_be_counted(void **state)
{
	(void)state;
	int status;
	pid_t child;
	fflush(NULL);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		fy_sim *sim = fy_sim_create(2, 1, NULL);
		struct rlimit none = { 0, 0 };
		char out[10] = "";
		fy_request sent;
		setrlimit(RLIMIT_CORE, &none);
		signal(SIGABRT, SIG_DFL);
		fclose(stderr);
		send_to(sim, 0, 1, out, sizeof out, &sent);
		out[3] = 'x';
		run_out(sim, 2);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

/* ---- size ---------------------------------------------------------------- */

static void ten_thousand_ranks_cost_little_when_few_talk(void **state)
{
	(void)state;
	enum { RANKS = 10000, ROUNDS = 2000 };
	fy_sim *sim = create(RANKS, 9, (struct fy_sim_options){ 0 });
	int64_t start = t_now();
	for (unsigned long i = 0; i < t_scaled(ROUNDS); i++) {
		int from = (int)(i * 7) % RANKS, to = (int)(i * i) % RANKS, out = (int)i, in = -1;
		fy_request sent, received;
		recv_from(sim, to, FY_PORT_ANY, &in, sizeof in, &received);
		assert_int_equal(send_to(sim, from, to, &out, sizeof out, &sent), 0);
		while (fy_sim_advance(sim))
			;
		assert_true(done(sim, to, &received) && done(sim, from, &sent) && in == (int)i);
		assert_int_equal(received.source, from);
	}
	assert_true(t_now() - start < 5000000000);
	fy_sim_destroy(sim);
}

static void wrong_arguments_make_no_simulation(void **state)
{
	(void)state;
	assert_null(fy_sim_create(0, 1, NULL));
	assert_null(fy_sim_create(-1, 1, NULL));
	fy_sim_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_conforms),
		cmocka_unit_test(it_conforms_when_much_happens_at_once),
		cmocka_unit_test(it_conforms_when_every_send_waits),
		cmocka_unit_test(it_conforms_when_no_send_waits),
		cmocka_unit_test(nothing_ends_before_its_time),
		cmocka_unit_test(time_can_go_to_a_timer),
		cmocka_unit_test(a_long_send_waits_for_its_match_and_the_receiver_s_progress),
		cmocka_unit_test(the_ranks_to_which_something_happened_are_named),
		cmocka_unit_test(a_seed_is_a_run),
		cmocka_unit_test(a_run_has_a_digest),
		cmocka_unit_test(sends_are_refused_and_fail_as_often_as_asked),
		cmocka_unit_test(nothing_comes_from_a_killed_rank),
		cmocka_unit_test(a_kill_may_come_at_any_moment),
		cmocka_unit_test(a_send_to_a_killed_rank_ends_or_does_not),
		cmocka_unit_test(what_meets_a_cut_arrives_in_order_once_it_heals),
		cmocka_unit_test(misuse_of_the_port_is_noticed),
		cmocka_unit_test(misuse_aborts_unless_it_is_to_be_counted),
		cmocka_unit_test(ten_thousand_ranks_cost_little_when_few_talk),
		cmocka_unit_test(wrong_arguments_make_no_simulation),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
