/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket of an engine: beside engines of the simulated network, which the test steps or does
 * not step. Clients ask, stall, lie and go away; the engine closes meanwhile.
 */
#include "support/life.h"
#include "sim/net/sim.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/clock.h"
#include "base/helper.h"
#include "helm/step.h"
#include "query/answer.h"
#include "query/socket.h"
#include "query/protocol.h"
#include "query/server.h"

enum { RANKS = 4 };

static struct scene {
	fy_sim *sim;
	ferry *engines[RANKS];
	bool stopped[RANKS]; /* nothing steps it */
	struct fy_query_place place;
	struct fy_query *query; /* of rank 0 */
	char path[64];
	int directory;
} s;

/* ---- a scene -------------------------------------------------------------------------------- */

static void begin(void)
{
	char why[FY_QUERY_WHY] = "";
	s = (struct scene){ .path = "/tmp/ferry-query-XXXXXX" };
	s.sim = fy_sim_create(RANKS, 1, NULL);
	assert_non_null(mkdtemp(s.path));
	s.directory = open(s.path, O_RDONLY | O_DIRECTORY);
	snprintf(s.place.path, sizeof s.place.path, "%s", s.path);
	snprintf(s.place.file, sizeof s.place.file, "1-1-1.ferry");
	for (int i = 0; i < RANKS; i++) {
		ferry_options given = FERRY_OPTIONS_INIT;
		given.peer_timeout = FERRY_NONE;
		s.engines[i] = t_open(fy_sim_port(s.sim, i), &given);
		fy_server_report(s.engines[i], &s.place);
	}
	assert_int_equal(fy_helper_join(), FERRY_OK);
	s.query = fy_server_open(s.engines[0], &s.place, why);
	if (!s.query)
		fail_msg("%s", why);
}

static void end(void)
{
	fy_server_stop(s.query);
	for (int i = 0; i < RANKS; i++) {
		t_abandon(s.sim, s.engines[i]);
		fy_engine_release(s.engines[i]);
	}
	fy_server_free(s.query);
	fy_helper_leave();
	fy_sim_destroy(s.sim);
	close(s.directory);
	assert_int_equal(rmdir(s.path), 0); /* the socket is gone */
}

static void step(void)
{
	for (int i = 0; i < RANKS; i++)
		if (!s.stopped[i])
			fy_step_once(s.engines[i]->progress, true);
	fy_sim_advance_to(s.sim, fy_sim_now(s.sim) + FERRY_MS(1));
}

static int call(void)
{
	int fd = fy_socket_connect(s.directory, s.place.file);
	assert_true(fd >= 0);
	return fd;
}

static void ask(int fd, enum fy_query_what what, uint64_t set, uint32_t patience, uint32_t time)
{
	struct {
		struct fy_query_request q;
		uint64_t set;
	} r = { .q = { .magic = FY_QUERY_MAGIC,
		       .version = FY_QUERY_VERSION,
		       .what = (uint16_t)what,
		       .time = time,
		       .patience = patience,
		       .size = RANKS },
		.set = set };
	size_t n = what == FY_QUERY_JOB ? sizeof r : sizeof r.q;
	assert_int_equal(send(fd, &r, n, MSG_NOSIGNAL), (ssize_t)n);
}

/* The next reply, while the engines step. False: the other side has hung up. */
static bool hear(int fd, struct fy_query_reply *reply, char rest[FY_QUERY_RECORD])
{
	static char record[FY_QUERY_RECORD];
	const char *at;
	for (unsigned i = 0; i < 20000; i++) {
		ssize_t n = recv(fd, record, sizeof record, MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			return false;
		if (n > 0) {
			assert_true(fy_protocol_read_reply(record, (size_t)n, RANKS, reply, &at));
			memcpy(rest, at, reply->nbytes);
			rest[reply->nbytes] = '\0';
			return true;
		}
		step();
		usleep(500);
	}
	fail_msg("no reply in 10 s");
	return false;
}

static struct fy_query_reply reply;
static char rest[FY_QUERY_RECORD + 1];

static void must_answer(int fd, int about, enum fy_answer_source source)
{
	struct fy_answer answer;
	assert_true(hear(fd, &reply, rest));
	assert_int_equal(reply.kind, FY_QUERY_ANSWER);
	assert_int_equal(reply.about, about);
	assert_true(fy_answer_read(&answer, rest, reply.nbytes, about, RANKS));
	assert_int_equal(answer.source, source);
	assert_true(answer.has_picture);
}

static void must_end(int fd)
{
	assert_true(hear(fd, &reply, rest));
	assert_int_equal(reply.kind, FY_QUERY_END);
	assert_false(hear(fd, &reply, rest));
	close(fd);
}

static void must_refuse(int fd, const char *sentence)
{
	assert_true(hear(fd, &reply, rest));
	assert_int_equal(reply.kind, FY_QUERY_NO);
	if (!strstr(rest, sentence))
		fail_msg("\"%s\" does not say \"%s\"", rest, sentence);
	assert_false(hear(fd, &reply, rest));
	close(fd);
}

/* ---- one engine ----------------------------------------------------------------------------- */

static void an_engine_that_steps_answers(void **state)
{
	(void)state;
	begin();
	for (unsigned i = 0; i < 10; i++) {
		int fd = call();
		ask(fd, FY_QUERY_ENGINE, 0, 0, 1000);
		must_answer(fd, 0, FY_ANSWER_HELM);
		must_end(fd);
	}
	end();
}

/* Nor does the errand that is left behind harm what follows. */
static void the_helper_answers_for_one_that_does_not(void **state)
{
	(void)state;
	begin();
	s.stopped[0] = true;
	for (unsigned i = 0; i < 3; i++) {
		int64_t began_at = fy_clock_now();
		int fd = call();
		ask(fd, FY_QUERY_ENGINE, 0, 0, 1000);
		must_answer(fd, 0, FY_ANSWER_HELPER);
		must_end(fd);
		assert_true(fy_clock_now() - began_at < FERRY_S(2));
	}
	s.stopped[0] = false;
	int fd = call();
	ask(fd, FY_QUERY_ENGINE, 0, 0, 1000);
	must_answer(fd, 0, FY_ANSWER_HELM);
	must_end(fd);
	end();
}

static void only_the_user_may_ask(void **state)
{
	struct stat is;
	char name[64];

	(void)state;
	begin();
	assert_true(fy_socket_name(s.place.file, name, sizeof name));
	assert_int_equal(fstatat(s.directory, name, &is, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(is.st_mode & 07777, 0600);
	assert_int_equal(is.st_uid, geteuid());
	end();
}

/* Modes and directories may be changed by whoever has them: the socket looks at who asks. */
static void a_user_that_is_let_in_is_not_heard(void **state)
{
	char name[64], byte;
	int status;

	(void)state;
	if (geteuid() != 0)
		return;
	begin();
	assert_true(fy_socket_name(s.place.file, name, sizeof name));
	assert_int_equal(fchmodat(s.directory, name, 0666, 0), 0);
	assert_int_equal(chmod(s.path, 0711), 0);
	pid_t child = fork();
	if (child == 0) {
		alarm(30);
		if (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0)
			_exit(1);
		int fd = fy_socket_connect(s.directory, s.place.file);
		if (fd < 0)
			_exit(2);
		struct pollfd hung_up = { .fd = fd, .events = POLLIN };
		poll(&hung_up, 1, 500); /* a client that says nothing has more time */
		_exit(recv(fd, &byte, 1, MSG_DONTWAIT) == 0 ? 0 : 3);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(chmod(s.path, 0700), 0); /* else the name would be left there */
	end();
}

/* ---- the job -------------------------------------------------------------------------------- */

static void all_that_are_asked_answer(void **state)
{
	unsigned seen = 0;

	(void)state;
	begin();
	int fd = call();
	ask(fd, FY_QUERY_JOB, 0xF, 2000, 3000);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(hear(fd, &reply, rest));
		assert_int_equal(reply.kind, FY_QUERY_ANSWER);
		assert_int_equal(reply.from, reply.about);
		seen |= 1u << reply.about;
	}
	assert_int_equal(seen, 0xE); /* this engine is asked by itself */
	must_end(fd);
	end();
}

static void who_is_silent_is_not_waited_for(void **state)
{
	(void)state;
	begin();
	s.stopped[2] = true;
	int64_t began_at = fy_clock_now();
	int fd = call();
	ask(fd, FY_QUERY_JOB, 0x6, 200, 500);
	must_answer(fd, 1, FY_ANSWER_HELM);
	must_end(fd);
	assert_true(fy_clock_now() - began_at >= FERRY_MS(450));
	/* it answers late, and nobody is confused by that */
	s.stopped[2] = false;
	fd = call();
	ask(fd, FY_QUERY_JOB, 0x4, 200, 3000);
	must_answer(fd, 2, FY_ANSWER_HELM);
	must_end(fd);
	end();
}

static void a_progress_thread_that_does_not_ask_is_told(void **state)
{
	(void)state;
	begin();
	s.stopped[0] = true;
	int fd = call();
	ask(fd, FY_QUERY_JOB, 0xE, 2000, 3000);
	must_refuse(fd, "does not take the question");
	end();
}

static void one_question_to_the_job_at_a_time(void **state)
{
	(void)state;
	begin();
	s.stopped[1] = true;
	int first = call(), second = call();
	ask(first, FY_QUERY_JOB, 0x2, 2000, 3000);
	usleep(50000);
	ask(second, FY_QUERY_JOB, 0x2, 2000, 3000);
	must_refuse(second, "ask again");
	second = call();
	ask(second, FY_QUERY_ENGINE, 0, 0, 1000);
	must_answer(second, 0, FY_ANSWER_HELM);
	must_end(second);
	close(first); /* it does not wait for its answer, which frees the place */
	usleep(50000);
	s.stopped[1] = false;
	second = call();
	ask(second, FY_QUERY_JOB, 0x2, 2000, 3000);
	must_answer(second, 1, FY_ANSWER_HELM);
	must_end(second);
	end();
}

/* ---- clients that do harm ------------------------------------------------------------------- */

static void lies_are_refused(void **state)
{
	static char large[FY_QUERY_RECORD + 100];

	(void)state;
	begin();
	int fd = call();
	assert_int_equal(send(fd, "?", 1, 0), 1);
	must_refuse(fd, "too short");
	fd = call();
	assert_true(send(fd, large, sizeof large, 0) > 0);
	must_refuse(fd, "too long");
	fd = call();
	assert_true(send(fd, large, 100, 0) > 0);
	must_refuse(fd, "no request");
	fd = call();
	ask(fd, FY_QUERY_JOB, 0x10, 0, 100);
	must_refuse(fd, "that there is not");
	fd = call();
	ask(fd, FY_QUERY_ENGINE, 0, 0, 1000);
	must_answer(fd, 0, FY_ANSWER_HELM);
	must_end(fd);
	end();
}

/* Clients that say nothing, and one more than there is room for. In a second they are let go of. */
static void who_says_nothing_is_let_go_of(void **state)
{
	int silent[6], fd;

	(void)state;
	begin();
	for (unsigned i = 0; i < 6; i++)
		silent[i] = call();
	fd = call();
	ask(fd, FY_QUERY_ENGINE, 0, 0, 1000);
	int64_t began_at = fy_clock_now();
	must_answer(fd, 0, FY_ANSWER_HELM);
	assert_true(fy_clock_now() - began_at < FERRY_S(5));
	must_end(fd);
	for (unsigned i = 0; i < 6; i++)
		close(silent[i]);
	end();
}

/* One asks for much again and again and reads nothing. Others are answered meanwhile. */
static void who_does_not_read_harms_nobody(void **state)
{
	(void)state;
	begin();
	int slow = call(), small = 1;
	setsockopt(slow, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
	ask(slow, FY_QUERY_JOB, 0xE, 2000, 3000);
	for (unsigned i = 0; i < 5; i++) {
		int fd = call();
		ask(fd, FY_QUERY_ENGINE, 0, 0, 1000);
		must_answer(fd, 0, FY_ANSWER_HELM);
		must_end(fd);
	}
	close(slow);
	end();
}

/* The engine ends at several moments of a question. */
static void an_engine_may_end_meanwhile(void **state)
{
	(void)state;
	for (unsigned steps = 0; steps < 8; steps++) {
		begin();
		int one = call(), job = call();
		ask(one, FY_QUERY_ENGINE, 0, 0, 1000);
		ask(job, FY_QUERY_JOB, 0xE, 2000, 3000);
		for (unsigned i = 0; i < steps; i++) {
			step();
			usleep(300 * (steps % 3));
		}
		end();
		close(one);
		close(job);
	}
}

/* ---- where it cannot be --------------------------------------------------------------------- */

static void no_directory_is_a_sentence(void **state)
{
	struct fy_query_place place = { .path = "/nonexistent/ferry", .file = "1-1-1.ferry" };
	char why[FY_QUERY_WHY] = "";

	(void)state;
	begin();
	assert_null(fy_server_open(s.engines[1], &place, why));
	assert_true(*why);
	place = s.place;
	snprintf(place.file, sizeof place.file, "no-such-end");
	*why = '\0';
	assert_null(fy_server_open(s.engines[1], &place, why));
	assert_true(*why);
	end();
}

/* Longer than the name of a socket may be. */
static void a_long_directory_is_none_the_worse(void **state)
{
	struct fy_query_place place;
	char why[FY_QUERY_WHY] = "", deep[400];

	(void)state;
	begin();
	place = s.place;
	snprintf(deep, sizeof deep, "%s/%0150d", s.path, 7);
	assert_int_equal(mkdir(deep, 0700), 0);
	snprintf(place.path, sizeof place.path, "%.*s", (int)sizeof place.path - 1, deep);
	struct fy_query *query = fy_server_open(s.engines[1], &place, why);
	if (!query)
		fail_msg("%s", why);
	fy_server_stop(query);
	fy_server_free(query);
	assert_int_equal(rmdir(deep), 0);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_engine_that_steps_answers),
		cmocka_unit_test(the_helper_answers_for_one_that_does_not),
		cmocka_unit_test(only_the_user_may_ask),
		cmocka_unit_test(a_user_that_is_let_in_is_not_heard),
		cmocka_unit_test(all_that_are_asked_answer),
		cmocka_unit_test(who_is_silent_is_not_waited_for),
		cmocka_unit_test(a_progress_thread_that_does_not_ask_is_told),
		cmocka_unit_test(one_question_to_the_job_at_a_time),
		cmocka_unit_test(lies_are_refused),
		cmocka_unit_test(who_says_nothing_is_let_go_of),
		cmocka_unit_test(who_does_not_read_harms_nobody),
		cmocka_unit_test(an_engine_may_end_meanwhile),
		cmocka_unit_test(no_directory_is_a_sentence),
		cmocka_unit_test(a_long_directory_is_none_the_worse),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
