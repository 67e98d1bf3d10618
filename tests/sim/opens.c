/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens that fail on one rank: all ranks get the status and the sentence of the cause, nothing is
 * left, and the next open works. And closes in which MPI does not take back its receives.
 */
#include "support/test.h"

#include "base/fail.h"
#include "base/options.h"
#include "engine/life.h"
#include "helm/close.h"
#include "helm/progress.h"
#include "helm/receives.h"
#include "helm/step.h"
#include "link/channel.h"
#include "port/port.h"
#include "shared/engine.h"
#include "shared/message.h"
#include "support/shortage.h"
#include "sim/net/sim.h"

enum { RANKS = 3, ALLOCATIONS_MAX = 200, TURNS_MAX = 100000 };

struct job {
	fy_sim *sim;
	struct fy_opening openings[RANKS];
	ferry *engines[RANKS];
	int status[RANKS];
	char text[RANKS][256];
};

static void begin(struct job *job)
{
	*job = (struct job){ .sim = fy_sim_create(RANKS, 1, NULL) };
	assert_non_null(job->sim);
}

static void resolve(ferry_options *options, const char *log)
{
	ferry_options given = FERRY_OPTIONS_INIT;
	given.flags = FERRY_NONBLOCK;
	given.log = log;
	assert_int_equal(fy_options_resolve(&given, options), FERRY_OK);
}

static void prepare(struct job *job, int rank, ferry_options *options, int status)
{
	fy_life_prepare(&job->openings[rank], fy_sim_port(job->sim, rank), NULL, options, 1,
	                status);
	fy_options_free(options);
}

static void prepare_with_log(struct job *job, int rank, const char *log)
{
	ferry_options options;
	resolve(&options, log);
	prepare(job, rank, &options, FERRY_OK);
}

static void settle(struct job *job)
{
	for (int i = 0; i < RANKS; i++) {
		job->status[i] = fy_life_settle(&job->openings[i], &job->engines[i]);
		snprintf(job->text[i], sizeof job->text[i], "%s",
		         job->status[i] ? ferry_last_error() : "");
	}
}

static void close_all(struct job *job)
{
	bool stopped = false;
	for (int i = 0; i < RANKS; i++)
		fy_close_begin(job->engines[i]->progress);
	for (unsigned turn = 0; !stopped; turn++) {
		assert_true(turn < TURNS_MAX);
		stopped = true;
		for (int i = 0; i < RANKS; i++) {
			struct fy_progress *p = job->engines[i]->progress;
			if (!p->close.stopped)
				fy_step_once(p, true);
			stopped &= p->close.stopped;
		}
		if (!fy_sim_advance(job->sim))
			fy_sim_advance_to(job->sim, fy_sim_now(job->sim) + FERRY_MS(1));
	}
	for (int i = 0; i < RANKS; i++) {
		job->status[i] = fy_life_destroy(job->engines[i]);
		snprintf(job->text[i], sizeof job->text[i], "%s", job->engines[i]->end.text);
		fy_engine_release(job->engines[i]);
	}
}

/* All ranks have the status of `who`, and the others its sentence behind its number. */
static void assert_failed(const struct job *job, int who, int status, const char *words)
{
	char named[300];
	assert_non_null(strstr(job->text[who], words));
	assert_int_not_equal(strncmp(job->text[who], "rank ", 5), 0);
	snprintf(named, sizeof named, "rank %d: %.230s", who, job->text[who]);
	for (int i = 0; i < RANKS; i++) {
		assert_int_equal(job->status[i], status);
		assert_null(job->engines[i]);
		if (i != who)
			assert_string_equal(job->text[i], named);
	}
	assert_int_equal(fy_sim_outstanding(job->sim, FY_PORT_ANY), 0);
}

static void end(struct job *job)
{
	for (int i = 0; i < RANKS; i++)
		if (job->status[i] && !job->engines[i])
			fy_sim_port(job->sim, i)->ops->close(fy_sim_port(job->sim, i), true);
	fy_sim_destroy(job->sim);
}

static void open_and_close(void)
{
	struct job job;
	begin(&job);
	for (int i = 0; i < RANKS; i++)
		prepare_with_log(&job, i, NULL);
	settle(&job);
	for (int i = 0; i < RANKS; i++)
		assert_int_equal(job.status[i], FERRY_OK);
	close_all(&job);
	for (int i = 0; i < RANKS; i++)
		assert_int_equal(job.status[i], FERRY_OK);
	end(&job);
}

/* ---- opens ------------------------------------------------------------------------ */

/* Returns false when so many are not asked for. */
static bool fail_allocation(int who, unsigned n, unsigned *failed)
{
	struct job job;
	ferry_options options;
	bool hit = false;
	begin(&job);
	for (int i = 0; i < RANKS; i++) {
		resolve(&options, i == who ? "stderr" : NULL);
		if (i == who)
			shortage_begin(n, 1, 0);
		prepare(&job, i, &options, FERRY_OK);
		if (i == who)
			hit = shortage_end() != 0;
	}
	settle(&job);
	if (job.status[who]) {
		assert_failed(&job, who, FERRY_ENOMEM, "");
		assert_null(strstr(job.text[who], "built"));
		++*failed;
	} else {
		close_all(&job);
	}
	end(&job);
	return hit;
}

static void an_allocation_that_fails_is_told_and_leaves_nothing(void **state)
{
	(void)state;
	open_and_close(); /* what is made once, */
	fy_fail(FERRY_EINVAL, "and the memory of this text");
	for (int who = 0; who < RANKS; who++) {
		unsigned failed = 0, n = 1;
		/* the structs of opens that failed are kept for the next one */
		fail_allocation(who, 2, &failed);
		unsigned long held = shortage_held();
		while (fail_allocation(who, n, &failed)) {
			assert_int_equal(shortage_held(), held);
			assert_true(++n < ALLOCATIONS_MAX);
		}
		assert_true(failed > 10);
		open_and_close();
	}
}

static void a_log_that_cannot_be_opened_is_told(void **state)
{
	(void)state;
	for (int who = 0; who < RANKS; who++) {
		struct job job;
		begin(&job);
		for (int i = 0; i < RANKS; i++)
			prepare_with_log(&job, i, i == who ? "/nonexistent/ferry.log" : NULL);
		settle(&job);
		assert_failed(&job, who, FERRY_EINVAL,
		              "the log /nonexistent/ferry.log cannot be opened");
		end(&job);
		open_and_close();
	}
}

static void what_failed_before_is_told(void **state)
{
	struct job job;
	ferry_options none = { 0 };
	(void)state;
	begin(&job);
	prepare_with_log(&job, 0, NULL);
	prepare(&job, 1, &none, fy_fail(FERRY_ETHREAD, "no threads here"));
	prepare_with_log(&job, 2, NULL);
	settle(&job);
	assert_failed(&job, 1, FERRY_ETHREAD, "no threads here");
	end(&job);
}

/* One status for all; each sentence that goes with it is kept where it was said. */
static void of_two_that_fail_the_lowest_counts(void **state)
{
	struct job job;
	ferry_options none = { 0 };
	(void)state;
	begin(&job);
	prepare_with_log(&job, 0, NULL);
	prepare_with_log(&job, 1, "/nonexistent/ferry.log");
	prepare(&job, 2, &none, fy_fail(FERRY_ENOMEM, "no threads here"));
	settle(&job);
	assert_failed(&job, 1, FERRY_EINVAL, "the log /nonexistent/ferry.log cannot be opened");
	end(&job);
	begin(&job);
	prepare_with_log(&job, 0, "/nonexistent/a");
	prepare_with_log(&job, 1, NULL);
	prepare_with_log(&job, 2, "/nonexistent/b");
	settle(&job);
	assert_non_null(strstr(job.text[0], "the log /nonexistent/a"));
	assert_non_null(strstr(job.text[1], "rank 0: the log /nonexistent/a"));
	assert_non_null(strstr(job.text[2], "the log /nonexistent/b"));
	end(&job);
}

/* Ranks that differ from rank 0 say so. A rank whose options could not be read says that. */
static void a_checksum_of_some_ranks_is_refused(void **state)
{
	ferry_options options, none = { 0 };
	(void)state;
	for (int who = 1; who < RANKS; who++) {
		struct job job;
		begin(&job);
		for (int i = 0; i < RANKS; i++) {
			resolve(&options, NULL);
			options.checksum = i == who;
			prepare(&job, i, &options, FERRY_OK);
		}
		settle(&job);
		assert_failed(&job, who, FERRY_EINVAL, "checksum is on here and off on rank 0");
		end(&job);
	}
	struct job job;
	begin(&job);
	prepare(&job, 0, &none, fy_fail(FERRY_EINVAL, "lend=maybe is nothing"));
	for (int i = 1; i < RANKS; i++) {
		resolve(&options, NULL);
		options.checksum = 1;
		prepare(&job, i, &options, FERRY_OK);
	}
	settle(&job);
	assert_non_null(strstr(job.text[0], "lend=maybe is nothing"));
	end(&job);
}

/* ---- closes ------------------------------------------------------------------------- */

static void close_with_cancels_refused(unsigned refused, int wanted)
{
	struct job job;
	begin(&job);
	for (int i = 0; i < RANKS; i++)
		prepare_with_log(&job, i, NULL);
	settle(&job);
	fy_sim_refuse_cancels(job.sim, 1, refused);
	int64_t began = fy_sim_now(job.sim);
	struct fy_slot *slots = fy_progress_of(job.engines[1])->receives.array;
	unsigned n_slots = fy_progress_of(job.engines[1])->receives.n;
	close_all(&job);
	assert_int_equal(job.status[0], FERRY_OK);
	assert_int_equal(job.status[1], wanted);
	assert_int_equal(job.status[2], FERRY_OK);
	assert_true(fy_sim_now(job.sim) - began < FERRY_S(10));
	if (wanted) {
		assert_non_null(strstr(job.text[1], "receives could not be cancelled"));
		assert_true(fy_sim_port(job.sim, 1)->parted);
		for (unsigned i = 0; i < n_slots; i++) /* the library left them to the network */
			free(slots[i].buffer);
		free(slots);
	}
	fy_sim_destroy(job.sim);
}

static void a_cancel_that_fails_is_made_again(void **state)
{
	(void)state;
	close_with_cancels_refused(1, FERRY_OK);
	close_with_cancels_refused(40, FERRY_OK);
}

static void receives_that_do_not_come_back_end_the_close(void **state)
{
	(void)state;
	close_with_cancels_refused(UINT32_MAX, FERRY_EMPI);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_allocation_that_fails_is_told_and_leaves_nothing),
		cmocka_unit_test(a_log_that_cannot_be_opened_is_told),
		cmocka_unit_test(what_failed_before_is_told),
		cmocka_unit_test(of_two_that_fail_the_lowest_counts),
		cmocka_unit_test(a_checksum_of_some_ranks_is_refused),
		cmocka_unit_test(a_cancel_that_fails_is_made_again),
		cmocka_unit_test(receives_that_do_not_come_back_end_the_close),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
