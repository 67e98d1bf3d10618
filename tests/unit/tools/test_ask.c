/* SPDX-License-Identifier: Apache-2.0 */
/* What ferry-ask makes of answers: lines of equal ranks, who is named, and what it says. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../tools/ask/ask.h"
#include "base/bits.h"
#include "base/waiting.h"
#include "ferry.h"
#include "monitor/format.h"
#include "shared/inside.h"

enum { SIZE = 8 };

static struct ask_rank ranks[SIZE];
static struct ask_job job = { .id = 0x1234, .size = SIZE, .ranks = ranks };

/* ---- answers -------------------------------------------------------------------------------- */

static struct fy_answer *answer(int rank)
{
	return &ranks[rank].answer;
}

/* All answer, and wait in fence 3. */
static void begin(void)
{
	memset(ranks, 0, sizeof ranks);
	*job.unasked = '\0';
	for (int i = 0; i < SIZE; i++) {
		struct fy_answer *a = answer(i);
		fy_answer_begin(a, i, SIZE, FY_ANSWER_HELM);
		ranks[i].known = ASK_ANSWER;
		ranks[i].from = i;
		ranks[i].here = true;
		a->pid = 100 + i;
		a->process = FY_ANSWER_RUNS;
		a->has_picture = 1;
		a->picture.version = FY_PICTURE_VERSION;
		a->picture.nbytes = sizeof a->picture;
		a->picture.rank = i;
		a->picture.size = SIZE;
		a->picture.flags = FY_PICTURE_HELM | FY_PICTURE_FENCE;
		a->picture.agreement = 3;
		a->picture.inside = FY_INSIDE_NOTHING;
	}
}

static void add_open(int rank, int peer, uint32_t kind, uint32_t op, uint64_t count, int64_t age)
{
	struct fy_answer *a = answer(rank);
	a->open[a->n_open++] = (struct fy_answer_open){
		.kind = kind, .peer = peer, .op = op, .count = count, .age = age
	};
}

static void be_file(int rank, enum fy_answer_process process)
{
	struct fy_answer *a = answer(rank);
	a->source = FY_ANSWER_FILE;
	a->process = process;
	a->has_picture = 0;
	ranks[rank].waited = FERRY_MS(1200);
}

static const char *printed(void)
{
	static char text[8192];
	struct ask_fold fold;
	FILE *file = tmpfile();
	assert_non_null(file);
	assert_true(ask_fold(&job, &fold));
	ask_print(file, &job, &fold);
	ask_fold_free(&fold);
	rewind(file);
	text[fread(text, 1, sizeof text - 1, file)] = '\0';
	fclose(file);
	return text;
}

static void says(const char *line)
{
	if (!strstr(printed(), line))
		fail_msg("\"%s\" is not in:\n%s", line, printed());
}

static void says_not(const char *part)
{
	if (strstr(printed(), part))
		fail_msg("\"%s\" is in:\n%s", part, printed());
}

/* ---- lines ---------------------------------------------------------------------------------- */

static void equal_ranks_are_one_line(void **state)
{
	(void)state;
	begin();
	assert_string_equal(printed(), "job 0000000000001234: 8 ranks\n"
	                               "ranks 0-7: waiting in ferry_fence 3\n");
	answer(3)->picture.agreement = 4;
	says("\nranks 0-2,4-7: waiting in ferry_fence 3\nrank 3: waiting in ferry_fence 4\n");
	answer(6)->picture.flags = FY_PICTURE_HELM | FY_PICTURE_CLOSE;
	answer(6)->picture.n_awaited = 1;
	answer(6)->picture.awaited[0] = 2;
	says("\nranks 0-2,4,5,7: waiting");
	says("\nrank 6: waiting in ferry_close for rank 2\n");
}

static void times_do_not_part_them(void **state)
{
	(void)state;
	begin();
	for (int i = 0; i < SIZE; i++) {
		struct fy_picture *p = &answer(i)->picture;
		p->flags = FY_PICTURE_HELM;
		p->n_threads = 2;
		for (uint32_t j = 0; j < 2; j++)
			p->threads[j] =
				(struct fy_picture_thread){ .kind = FY_THREAD_WAITS,
				                            .wait = FY_WAITS_CALL,
				                            .op = 7,
				                            .peer = -2,
				                            .waited_ms = 12000 + (uint32_t)i };
	}
	says("\nranks 0-7: 2 threads wait for a reply of op 7, for up to 12 s\n");
	answer(2)->picture.n_threads = 1;
	says("\nrank 2: a thread waits for a reply of op 7, for 12 s\n");
}

/* ---- who is named --------------------------------------------------------------------------- */

static void the_silent_are_named(void **state)
{
	(void)state;
	begin();
	be_file(3, FY_ANSWER_RUNS);
	for (int i = 0; i < 3; i++) {
		add_open(i, 3, FY_MONITOR_POST, 5, 4, FERRY_S(2));
		answer(i)->peers[0] =
			(struct fy_answer_peer){ .rank = 3, .silent = FERRY_MS(2400 + 900 * i) };
		answer(i)->n_peers = 1;
	}
	add_open(1, 3, FY_MONITOR_CALL, 7, 2, FERRY_S(12));
	add_open(1, 1, FY_MONITOR_CALL, 7, 2, FERRY_S(12)); /* to itself */
	add_open(1, -1, FY_MONITOR_FENCE, FY_MONITOR_NO_OP, 1, FERRY_S(12));
	says("8 ranks, 1 of them in trouble\n");
	says("\nrank 3: silent for 2.4 s; 14 operations of ranks 0-2 wait for it, the oldest a "
	     "call of op 7 for 12 s\n");
	says("\nranks 0-2,4-7: waiting in ferry_fence 3\n");
	says_not("rank 1: answers");
}

static void so_are_the_stopped_dead_and_blocked(void **state)
{
	(void)state;
	begin();
	be_file(1, FY_ANSWER_STOPPED);
	says("\nrank 1: its process 101 is stopped, silent for 1.2 s\n");
	be_file(2, FY_ANSWER_DEAD);
	answer(2)->sampled = FERRY_S(5);
	says("\nrank 2: its process 102 has ended, it was last seen 5.0 s ago\n");
	answer(4)->source = FY_ANSWER_HELPER;
	answer(4)->picture.inside = 9;
	answer(4)->picture.blocked_ms = 3100;
	answer(4)->picture.flags = 0;
	says("\nrank 4: its progress thread is inside of the handler of op 9 for 3.1 s\n");
	ranks[5].known = ASK_NOTHING;
	snprintf(job.unasked, sizeof job.unasked, "a reason");
	says("\nrank 5: no answer, and no file on a host that answers\n");
	says("\nranks of other hosts were not asked: a reason\n");
	answer(0)->peers[0] = (struct fy_answer_peer){ .rank = 5, .gone = -1, .silent = -1 };
	answer(0)->n_peers = 1;
	says("\nrank 5: gone: 1 rank goes on without it\n");
	ranks[6].known = ASK_THERE;
	says("\nrank 6: it is there\n");
	says("8 ranks, 4 of them in trouble\n");
}

static void nobody_is_named_for_nothing(void **state)
{
	(void)state;
	begin();
	add_open(0, 5, FY_MONITOR_CALL, 7, 3, FERRY_MS(900));
	says_not("rank 5");
	says_not("trouble");
	add_open(2, 5, FY_MONITOR_CALL, 8, 1, FERRY_MS(1500));
	says("\nrank 5: answers; 4 operations of ranks 0,2 wait for it, the oldest a call of op 8 "
	     "for 1.5 s\n");
	says_not("trouble");
}

/* ---- words ---------------------------------------------------------------------------------- */

static void ranks_have_short_names(void **state)
{
	uint64_t set[2] = { 0 };
	char text[64], brief[8];

	(void)state;
	ask_name_ranks(set, 100, text, sizeof text);
	assert_string_equal(text, "");
	for (int i = 0; i < 100; i++)
		if (i != 7 && i != 50 && i != 52)
			fy_bits_add(set, i);
	ask_name_ranks(set, 100, text, sizeof text);
	assert_string_equal(text, "0-6,8-49,51,53-99");
	ask_name_ranks(set, 100, brief, sizeof brief);
	assert_string_equal(brief, "0-6,8-4");
}

static void times_have_short_names(void **state)
{
	static const struct {
		int64_t ns;
		const char *text;
	} cases[] = { { 0, "0 ms" },
		      { FERRY_MS(999), "999 ms" },
		      { FERRY_MS(1000), "1.0 s" },
		      { FERRY_MS(9990), "9.9 s" },
		      { FERRY_S(12), "12 s" } };
	char text[32];

	(void)state;
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		ask_name_time(cases[i].ns, text, sizeof text);
		assert_string_equal(text, cases[i].text);
	}
}

/* ---- lies ----------------------------------------------------------------------------------- */

static void answers_are_looked_at(void **state)
{
	struct fy_answer good, a, got;

	(void)state;
	begin();
	add_open(1, 3, FY_MONITOR_CALL, 7, 2, FERRY_S(12));
	good = *answer(1);
	assert_true(fy_answer_read(&got, &good, sizeof good, 1, SIZE));
	for (size_t n = 0; n < sizeof good; n += 61)
		assert_false(fy_answer_read(&got, &good, n, 1, SIZE));
	assert_false(fy_answer_read(&got, &good, sizeof good, 2, SIZE));
	assert_false(fy_answer_read(&got, &good, sizeof good, 1, SIZE + 1));
	for (unsigned i = 0; i < 12; i++) {
		a = good;
		a.version += i == 0;
		a.nbytes += i == 1;
		a.source = i == 2 ? 9 : a.source;
		a.process = i == 3 ? 9 : a.process;
		a.n_open = i == 4 ? FY_ANSWER_OPEN + 1 : a.n_open;
		a.n_peers = i == 5 ? FY_ANSWER_PEERS + 1 : i == 6 ? 1 : a.n_peers;
		a.peers[0].rank = i == 6 ? SIZE : 0;
		a.open[0].peer = i == 7 ? SIZE : i == 8 ? -2 : 3;
		a.open[0].age = i == 9 ? -1 : 0;
		a.picture.n_threads = i == 10 ? 1000000 : 0;
		a.picture.rank = i == 11 ? 2 : 1;
		if (fy_answer_read(&got, &a, sizeof a, 1, SIZE))
			fail_msg("lie %u is taken", i);
	}
	a = good;
	memset(a.host, 'x', sizeof a.host);
	memcpy(a.program, "a\033[2Jb\n", 8);
	assert_true(fy_answer_read(&got, &a, sizeof a, 1, SIZE));
	assert_int_equal(strlen(got.host), sizeof got.host - 1);
	assert_string_equal(got.program, "a?[2Jb?");
}

/* ---- why ------------------------------------------------------------------------------------- */

static const char *why(const struct ask_options *o, int status)
{
	static char text[1 << 16];
	struct ask_jobs jobs = { .jobs = &job, .n = 1 };
	FILE *file = tmpfile();
	assert_non_null(file);
	assert_int_equal(ask_why(file, o, &jobs, &jobs), status);
	rewind(file);
	text[fread(text, 1, sizeof text - 1, file)] = '\0';
	fclose(file);
	return text;
}

static void has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in:\n%s", part, text);
}

/* Each rank reads from the next one. */
static void begin_circle(void)
{
	begin();
	for (int i = 0; i < SIZE; i++) {
		struct fy_picture *p = &answer(i)->picture;
		p->flags = FY_PICTURE_HELM;
		p->agreement = 0;
		p->n_threads = p->by_kind[FY_THREAD_WAITS] = 1;
		p->threads[0] = (struct fy_picture_thread){ .name = "reader",
			                                    .kind = FY_THREAD_WAITS,
			                                    .wait = FY_WAITS_RECV,
			                                    .op = 5,
			                                    .peer = (i + 1) % SIZE };
	}
}

static void a_job_that_is_stuck_is_told(void **state)
{
	struct ask_options o = { .why = true };

	(void)state;
	begin_circle();
	has(why(&o, 1), "job 0000000000001234 of 8 ranks: proved: nothing can go on any more\n");
	has(why(&o, 1), "\nrank 7: thread \"reader\" waits in ferry_recv for op 0x5 from rank 0\n");
	has(why(&o, 1), "a circle: rank 0 waits for rank 1, rank 1 waits for rank 2, ");
	be_file(3, FY_ANSWER_STOPPED);
	has(why(&o, 1), "likely stuck; rank 3 is silent\n");
	has(why(&o, 1), "the root is rank 3: silent\n");
	begin_circle();
	answer(2)->picture.by_kind[FY_THREAD_PROGRAM] = 1;
	has(why(&o, 1), "likely stuck; rank 2 has a thread that is in no wait of Ferry\n");
	begin_circle();
	answer(2)->picture.flags |= FY_PICTURE_STARVED;
	has(why(&o, 1), "likely stuck; rank 2 waits for memory, which may be there again\n");
	has(why(&o, 1), "what has to be sent waits for memory, of which there is none");
	begin();
	for (int i = 0; i < SIZE; i++)
		answer(i)->picture.flags = FY_PICTURE_HELM;
	has(why(&o, 0), "not stuck; nothing is open, and nobody waits\n");
}

static void why_has_other_forms(void **state)
{
	struct ask_options o = { .why = true, .json = true };

	(void)state;
	begin_circle();
	has(why(&o, 1),
	    "\"size\": 8, \"verdict\": \"proved\", \"doubt\": \"\", \"text\": \"proved: ");
	has(why(&o, 1), "thread \\\"reader\\\" waits");
	o = (struct ask_options){ .why = true, .dot = true };
	has(why(&o, 1), "digraph ferry {\n\tlabel=\"proved\";");
	has(why(&o, 1), "\tr7 -> r0;\n");
}

/* ---- jobs that are over --------------------------------------------------------------------- */

/* One more job, of two ranks whose processes are so. */
static void add_job(struct ask_jobs *jobs, uint64_t id, enum fy_answer_process first,
                    enum fy_answer_process second)
{
	struct ask_job *it = &jobs->jobs[jobs->n++];
	*it = (struct ask_job){ .id = id, .size = 3, .ranks = calloc(3, sizeof *it->ranks) };
	assert_non_null(it->ranks);
	it->ranks[0].known = it->ranks[1].known = ASK_ANSWER; /* nobody knows of the third one */
	it->ranks[0].answer.process = (uint16_t)first;
	it->ranks[1].answer.process = (uint16_t)second;
}

static void add_jobs(struct ask_jobs *jobs)
{
	*jobs = (struct ask_jobs){ .jobs = calloc(5, sizeof *jobs->jobs) };
	assert_non_null(jobs->jobs);
	add_job(jobs, 1, FY_ANSWER_DEAD, FY_ANSWER_DEAD);
	add_job(jobs, 2, FY_ANSWER_RUNS, FY_ANSWER_RUNS);
	add_job(jobs, 3, FY_ANSWER_DEAD, FY_ANSWER_DEAD);
	add_job(jobs, 4, FY_ANSWER_DEAD, FY_ANSWER_STOPPED);
	add_job(jobs, 5, FY_ANSWER_DEAD, FY_ANSWER_UNKNOWN);
}

/* One rank that may live is enough; and nothing is out of order then. */
static void jobs_without_a_process_are_left_out(void **state)
{
	struct ask_options o = { .pid = -1, .rank = -1 };
	struct ask_jobs jobs;

	(void)state;
	add_jobs(&jobs);
	ask_leave_out_ended(&o, &jobs);
	assert_int_equal(jobs.ended, 2);
	assert_int_equal(jobs.n, 3);
	for (unsigned i = 0; i < 3; i++) {
		static const uint64_t left[] = { 2, 4, 5 };
		assert_int_equal(jobs.jobs[i].id, left[i]);
		assert_non_null(jobs.jobs[i].ranks);
	}
	ask_free(&jobs);
}

static void who_names_a_job_gets_it(void **state)
{
	const struct ask_options named[] = { { .job = 1, .pid = -1, .rank = -1 },
		                             { .pid = 7, .rank = -1 },
		                             { .pid = -1, .rank = 0 } };
	struct ask_jobs jobs;

	(void)state;
	for (unsigned i = 0; i < sizeof named / sizeof *named; i++) {
		add_jobs(&jobs);
		ask_leave_out_ended(&named[i], &jobs);
		assert_int_equal(jobs.ended, 0);
		assert_int_equal(jobs.n, 5);
		ask_free(&jobs);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_ranks_are_one_line),
		cmocka_unit_test(times_do_not_part_them),
		cmocka_unit_test(the_silent_are_named),
		cmocka_unit_test(so_are_the_stopped_dead_and_blocked),
		cmocka_unit_test(nobody_is_named_for_nothing),
		cmocka_unit_test(ranks_have_short_names),
		cmocka_unit_test(times_have_short_names),
		cmocka_unit_test(answers_are_looked_at),
		cmocka_unit_test(a_job_that_is_stuck_is_told),
		cmocka_unit_test(why_has_other_forms),
		cmocka_unit_test(jobs_without_a_process_are_left_out),
		cmocka_unit_test(who_names_a_job_gets_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
