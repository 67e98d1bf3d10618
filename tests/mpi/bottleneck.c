/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which counters tell that a receiver is the bottleneck. Rank 0 posts as fast as it may to rank 1,
 * whose handlers run on a worker: in one run they return at once, in the other each takes a
 * millisecond. In the middle of each run both ranks read their counters. It prints them
 * (doc/observing.md shows it), and holds that those of the receiver tell the two runs apart.
 */
#include "system.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

enum { OP_WORK = 1, OP_FIGURES, BODY = 1024, RUNS = 2 };
#define BEGIN 0.2 /* seconds: then the counters are read, and again at the end */
#define END 0.5

static ferry *engine;
static atomic_bool slow;

static void work(ferry *on, ferry_message *message, void *arg)
{
	(void)on;
	(void)message;
	(void)arg;
	if (atomic_load(&slow))
		system_sleep_ms(1);
}

static ferry_stats look(void)
{
	ferry_stats stats = { .size = sizeof stats };
	CHECK_OK(ferry_stats_read(engine, &stats));
	return stats;
}

static void post_until(double end)
{
	static char body[BODY];
	while (system_now() < end)
		CHECK_OK(ferry_post(engine, 1, OP_WORK, body, sizeof body, NULL));
}

/* What happened from `before` to `after`; what is held is held now. */
static ferry_stats between(const ferry_stats *before, const ferry_stats *after)
{
	ferry_stats change = *after;
	change.posts -= before->posts;
	change.delivered -= before->delivered;
	change.handled -= before->handled;
	change.lane_full -= before->lane_full;
	change.channel_full -= before->channel_full;
	change.credit_out -= before->credit_out;
	change.steps -= before->steps;
	change.sleeps -= before->sleeps;
	return change;
}

static ferry_stats run_as_sender(void)
{
	double begin = system_now();
	post_until(begin + BEGIN);
	ferry_stats before = look();
	post_until(begin + END);
	ferry_stats after = look();
	return between(&before, &after);
}

static ferry_stats run_as_receiver(void)
{
	system_sleep_ms((int)(BEGIN * 1000));
	ferry_stats before = look();
	system_sleep_ms((int)((END - BEGIN) * 1000));
	ferry_stats after = look();
	return between(&before, &after);
}

static void fetch(ferry_stats *receiver)
{
	ferry_message *message;
	size_t nbytes;
	CHECK_OK(ferry_recv(engine, 1, OP_FIGURES, FERRY_FOREVER, &message));
	const void *body = ferry_message_body(message, &nbytes);
	CHECK_INT(nbytes, sizeof *receiver);
	memcpy(receiver, body, nbytes);
	ferry_message_release(message);
}

static void run(bool is_slow, ferry_stats *sender, ferry_stats *receiver)
{
	atomic_store(&slow, is_slow);
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
	if (ferry_rank(engine) == 0) {
		*sender = run_as_sender();
	} else {
		ferry_stats mine = run_as_receiver();
		CHECK_OK(ferry_post(engine, 0, OP_FIGURES, &mine, sizeof mine, NULL));
	}
	atomic_store(&slow, false); /* what is left does not take seconds */
	CHECK_OK(ferry_fence(engine, FERRY_FOREVER));
	if (ferry_rank(engine) == 0)
		fetch(receiver);
}

static void print(const char *who, const char *what, uint64_t keeps_up, uint64_t too_slow)
{
	printf("%-8s  %-21s  %12" PRIu64 "  %12" PRIu64 "\n", who, what, keeps_up, too_slow);
}

static void print_all(const ferry_stats *sender, const ferry_stats *receiver)
{
	printf("in %.0f ms                           keeps up      too slow\n",
	       (END - BEGIN) * 1000);
	print("sender", "posts", sender[0].posts, sender[1].posts);
	print("", "credit_out", sender[0].credit_out, sender[1].credit_out);
	print("", "channel_full", sender[0].channel_full, sender[1].channel_full);
	print("", "lane_full", sender[0].lane_full, sender[1].lane_full);
	print("", "steps", sender[0].steps, sender[1].steps);
	print("", "sleeps", sender[0].sleeps, sender[1].sleeps);
	print("receiver", "delivered", receiver[0].delivered, receiver[1].delivered);
	print("", "handled", receiver[0].handled, receiver[1].handled);
	print("", "memory_held at the end", receiver[0].memory_held, receiver[1].memory_held);
	print("", "steps", receiver[0].steps, receiver[1].steps);
	print("", "sleeps", receiver[0].sleeps, receiver[1].sleeps);
}

int main(void)
{
	ferry_stats sender[RUNS], receiver[RUNS];
	ferry_executor *worker;
	system_watch();
	engine = system_open(NULL);
	CHECK_OK(ferry_workers_create(engine, 1, &worker));
	CHECK_OK(ferry_handle(engine, OP_WORK, worker, work, NULL));
	for (int i = 0; i < RUNS; i++)
		run(i == 1, &sender[i], &receiver[i]);
	if (ferry_rank(engine) == 0) {
		print_all(sender, receiver);
		CHECK(receiver[1].handled * 2 < receiver[0].handled);
		CHECK(receiver[1].memory_held > 10 * BODY);
	}
	CHECK_OK(ferry_close(engine));
	ferry_executor_destroy(worker);
	return 0;
}
