/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parameters of the policy. Each that can be set has a variable FERRY_POLICY_<NAME>, which is
 * for experiments (doc/policy.md): neither a name nor a default is kept from one version to the
 * next. Any thread.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "shared/policy_table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "ferry.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/option.h"
#include "base/order.h"
#include "shared/lane.h"
#include "wire/header.h"

#define PARAMETER(name_, offset_, type_, preset_, min_, max_, off_, kind_, page_, test_, help_) \
	{                                                                                       \
		.option = { .name = "policy_" name_,                                            \
			    .type = FY_OPTION_##type_,                                          \
			    .offset = offset_,                                                  \
			    .preset = preset_,                                                  \
			    .min = min_,                                                        \
			    .max = max_,                                                        \
			    .none = FY_OPTION_NO_NONE },                                        \
		.help = help_, .kind = FY_POLICY_##kind_, .off = off_, .decision = page_,       \
		.test = test_                                                                   \
	}
#define AT(part, field) #field, offsetof(struct fy_policy, part.field)
#define SPEED(at, type, preset, min, max, off, page, help) \
	SPEED_(at, type, preset, min, max, off, page, help)
#define SPEED_(name, offset, type, preset, min, max, off, page, help) \
	PARAMETER(name, offset, type, preset, min, max, off, SPEED, page, NULL, help)
#define BOUND(at, type, preset, min, max, off, page, test, help) \
	BOUND_(at, type, preset, min, max, off, page, test, help)
#define BOUND_(name, offset, type, preset, min, max, off, page, test, help) \
	PARAMETER(name, offset, type, preset, min, max, off, BOUND, page, test, help)
#define CONSTANT(name, type, value, page, help) \
	PARAMETER(name, 0, type, value, value, value, FY_POLICY_NO_OFF, CONSTANT, page, NULL, help)

#define MOST FERRY_S(10) /* of a time */
#define MANY INT32_MAX   /* of a number */
#define NONE FY_POLICY_NO_OFF

static const struct fy_policy_parameter table[] = {
	/* the loop, when nothing happens */
	SPEED(AT(idle, yield), TIME, FERRY_US(100), 0, MOST, 0, "0018",
	      "the loop looks, and yields, for so long before it sleeps: to wake an idle "
	      "processor takes 10 to 50 us"),
	SPEED(AT(idle, yield_crowded), TIME, FERRY_US(5), 0, MOST, FERRY_US(100), "0018",
	      "how long it does where the ranks of a host outnumber its processors"),
	SPEED(AT(idle, wire_sleeps), COUNT, 1, 0, 1, 0, "0003",
	      "1: while all that is under way goes to other hosts the loop does not yield, and "
	      "its sleeps are naps"),
	BOUND(AT(idle, nap), TIME, FERRY_US(500), FERRY_US(1), MOST, MOST, "0003",
	      "unit/helm/test_policy: a_post_that_nobody_announced_waits_for_a_nap",
	      "longest sleep that is announced without a barrier: a giver may miss the sleeper, "
	      "and its work waits for the rest of it"),
	BOUND(AT(idle, stand_by), TIME, FERRY_MS(1), FERRY_US(1), MOST, MOST, "0019",
	      "unit/helm/test_policy: a_post_that_nobody_announced_waits_for_a_nap",
	      "longest time between two looks whether threads still drive, or left work to a "
	      "wait that did not come"),
	/* who else wants the processor */
	SPEED(AT(yield, yield_alone), TIME, FERRY_US(1), 0, MOST, 0, "0038",
	      "a yield that was shorter found nobody else on the processor"),
	SPEED(AT(yield, looks_alone), COUNT, 64, 1, 1 << 15, 1, "0038",
	      "a thread that is alone on its processor yields before one in so many looks"),
	SPEED(AT(yield, yield_stranger), TIME, FERRY_US(100), FERRY_US(1), MOST, MOST, "0038",
	      "a yield that was longer gave a slice of the processor to a stranger"),
	SPEED(AT(yield, stranger_stays), TIME, FERRY_MS(10), 0, MOST, 0, "0038",
	      "for so long after that a thread does not yield"),
	SPEED(AT(yield, look_stranger), TIME, FERRY_US(20), 0, MOST, FERRY_US(100), "0038",
	      "and it looks for so long before it sleeps"),
	SPEED(AT(yield, look_fellows), TIME, FERRY_US(2), 0, MOST, 0, "0038",
	      "a thread that drives beside fellows looks for so long before it yields: a "
	      "switch takes as long"),
	SPEED(AT(yield, turn_looks), COUNT, 200, 1, 1 << 15, 1, "0038",
	      "and after so many looks without a yield its turn is over"),
	/* how long it sleeps */
	SPEED(AT(sleep, sleep_awaited), TIME, FERRY_US(50), FERRY_US(1), MOST, FERRY_MS(10), "0003",
	      "sleep while an answer from another host is waited for, or a message after a "
	      "ring; the first sleep of those that grow"),
	SPEED(AT(sleep, sleep_wire), TIME, FERRY_US(500), FERRY_US(1), MOST, FERRY_US(20), "0003",
	      "longest sleep while MPI has something of ours under way: what its buffers hold goes "
	      "on meanwhile"),
	SPEED(AT(sleep, sleep_agreed), TIME, FERRY_MS(1), FERRY_US(1), MOST, FERRY_MS(10), "0003",
	      "sleep while other hosts' word in a fence or close is waited for: a few come, one "
	      "after the other"),
	BOUND(AT(sleep, sleep_started), TIME, FERRY_US(500), FERRY_US(1), MOST, FERRY_MS(10),
	      "0003", "unit/helm/test_policy: rings_are_not_trusted_for_long",
	      "sleep while the program's own requests are idle, for which nobody rings"),
	BOUND(AT(sleep, rung_for), TIME, FERRY_MS(2), 0, MOST, 0, "0003",
	      "unit/helm/test_policy: rings_are_not_trusted_for_long",
	      "a message is looked out for so long after a ring, which may overtake it"),
	BOUND(AT(sleep, sleep_rung), TIME, FERRY_MS(5), FERRY_US(1), MOST, MOST, "0003",
	      "unit/helm/test_policy: rings_are_not_trusted_for_long",
	      "sleep while an answer from this host is waited for: its rank rings, this is for "
	      "safety"),
	BOUND(AT(sleep, sleep_local), TIME, FERRY_MS(100), FERRY_US(1), MOST, MOST, "0003",
	      "unit/helm/test_policy: rings_are_not_trusted_for_long",
	      "sleep where all ranks are on this host, and ring"),
	/* large messages to and from other hosts */
	SPEED(AT(wire, wire_yield), TIME, FERRY_MS(2), 0, MOST, 0, "0039",
	      "the loop yields for so long while large messages are under way over a wire that is "
	      "not slow: a chunk is one event to it, and many to MPI"),
	SPEED(AT(wire, wire_after), TIME, FERRY_US(300), 1, MOST, 1, "0039",
	      "and for so long after the last of them: mostly the next ones follow at once"),
	SPEED(AT(wire, wire_slow), TIME, FERRY_US(250), 0, MOST, MOST, "0039",
	      "a wire that takes longer for 64 KiB is slow: MPI is looked at twice in the time of "
	      "as much, and chunks are short"),
	SPEED(AT(wire, wire_patience), COUNT, 16, 1, 1 << 20, 1 << 20, "0039",
	      "after so many times of that in which nothing came the sleeps grow: the receiver "
	      "takes its time"),
	SPEED(AT(wire, short_chunk), COUNT, 16 << 10, 4 << 10, 1 << 30, 1 << 30, "0039",
	      "bytes of a chunk over a slow wire: no longer than what MPI sends without asking the "
	      "receiver first"),
	/* threads that wait */
	SPEED(AT(drive, drive_idle), TIME, FERRY_US(50), 0, MOST, 0, "0019",
	      "a thread that waits drives on for so long though nothing happens"),
	SPEED(AT(drive, drive_busy), TIME, FERRY_MS(1), 0, MOST, FERRY_US(50), "0019",
	      "a thread that waits drives on for so long while chunks are under way on this "
	      "host: one takes up to 0.4 ms, and a thread that sleeps is woken 30 us too late"),
	SPEED(AT(drive, drive_busy_else), TIME, FERRY_US(50), 0, MOST, 0, "0019",
	      "drive_busy on crowded hosts, and where some ranks are on other hosts"),
	SPEED(AT(drive, drive_tries), COUNT, 16, 1, MANY, 1, "0019",
	      "how often a thread yields while another one has the helm, before it sleeps"),
	SPEED(AT(drive, back_within), TIME, FERRY_US(20), 0, MOST, 0, "0038",
	      "while threads come back to drive within this time, ranks of this host do not ring "
	      "when one leaves"),
	/* threads that post */
	SPEED(AT(post, post_drives), COUNT, 1, 0, 1, 0, "0019",
	      "1: a thread that has waited sends its next call itself instead of waking the "
	      "progress thread, and leaves the rest to its wait"),
	SPEED(AT(post, waits_at_once), TIME, FERRY_US(2), 0, MOST, 0, "0038",
	      "a thread whose last wait began within this time after its call leaves the next "
	      "call, too, to its wait"),
	SPEED(AT(post, waits_soon), TIME, FERRY_US(30), 0, MOST, MOST, "0019",
	      "a wait that begins later than this after such a call is late"),
	SPEED(AT(post, slow_waits), COUNT, 32, 0, MANY, 0, "0019",
	      "after two late waits a thread leaves nothing to the next so many of them"),
	SPEED(AT(post, others_step), COUNT, 16, 1, MANY, MANY, "0023",
	      "a thread without room sleeps instead of driving when others waited for futures "
	      "more than one time in so many"),
	SPEED(AT(post, others_max), COUNT, 64, 1, MANY, NONE, "0023",
	      "so many times without such a wait, at most, and it drives again"),
	SPEED(AT(post, floods_step), COUNT, 4, 1, MANY, MANY, "0031",
	      "a thread that waits sleeps instead of yielding when somebody else found no room "
	      "more than one time in so many"),
	SPEED(AT(post, floods_max), COUNT, 16, 1, MANY, NONE, "0031",
	      "so many times without that, at most, and it yields again"),
	/* drain */
	BOUND(AT(drain, turn_bytes), COUNT, FY_BATCH_BYTES, 1, MANY, MANY, "0002",
	      "sim/corners: a_lane_has_a_turn_of_8_kib",
	      "bytes of one lane before the next has its turn, so that no thread starves others"),
	BOUND(AT(drain, drain_bytes), COUNT, FY_LANE_BYTES, 1, MANY, MANY, "0002",
	      "unit/helm/test_policy: a_drain_ends_however_much_is_posted",
	      "bytes of all lanes in one step, so that receives have their turn"),
	SPEED(AT(drain, drain_beside), COUNT, 2 * FY_BATCH_BYTES, 1, MANY, FY_LANE_BYTES, "0031",
	      "bytes of all lanes in one step beside floods while answers matter"),
	BOUND(AT(drain, refused_first), COUNT, 1, 0, 1, 0, "0027",
	      "sim/corners: who_found_no_room_is_first",
	      "1: the lane whose record found no room is the first of the next step"),
	BOUND(AT(drain, slow_after), TIME, FERRY_MS(1), 0, INT64_MAX, INT64_MAX, "0002",
	      "sim/corners: a_short_record_does_not_overtake_the_queue",
	      "a record without room waits in its lane for so long, then in its channel's queue"),
	BOUND(AT(drain, answers_matter), TIME, FERRY_MS(1), 0, MOST, 0, "0031",
	      "sim/corners: floods_give_way_to_answers",
	      "floods give way for so long after an answer was waited for: the next call mostly "
	      "follows at once"),
	BOUND(AT(drain, flood_lasts), TIME, FERRY_MS(1), 0, MOST, 0, "0031",
	      "sim/corners: floods_give_way_to_answers",
	      "a lane floods for so long after its producer slept, which fills its lane for "
	      "some 0.1 ms"),
	BOUND(AT(drain, flood_share), COUNT, FY_LANE_BYTES / 2, 1, MANY, MANY, "0031",
	      "sim/corners: floods_give_way_to_answers",
	      "bytes of one flood before the next: then its producer is woken"),
	SPEED(AT(drain, answers_first), COUNT, 1, 0, 1, 0, "0031",
	      "1: threads whose answers have come are woken before floods are drained, and what "
	      "is ready leaves before a chunk is copied"),
	/* receives */
	SPEED(AT(look, receives_a_rank), COUNT, 8, 1, 1 << 10, NONE, "0006",
	      "receives that are posted for each rank, within the next two bounds"),
	SPEED(AT(look, receives_least), COUNT, 16, 4, 1 << 20, NONE, "0006",
	      "receives that are posted at the least"),
	SPEED(AT(look, receives_most), COUNT, 32, 4, 1 << 20, 16, "0006",
	      "receives that are posted at the most: they are filled in turn, and more of them "
	      "stay in no cache"),
	BOUND(AT(look, receives_low), COUNT, 25, 0, 100, 0, "0007",
	      "sim/corners: receives_do_not_run_out",
	      "another is posted when less than so many of 100 are: the others hold batches "
	      "that came early or are paused"),
	SPEED(AT(look, look_ahead), COUNT, 2, 0, MANY, 0, "0007",
	      "receives that are tested behind one that is not complete, in some of the steps"),
	SPEED(AT(look, look_ahead_steps), COUNT, 4, 1, MANY, 1, "0007",
	      "steps from one look ahead to the next (a power of two, else the next lower one): "
	      "each test that fails makes MPI look at all of its network"),
	BOUND(AT(look, look_all_steps), COUNT, 64, 1, INT64_MAX, INT64_MAX, "0007",
	      "unit/helm/test_policy: each_receive_is_tested_in_time",
	      "steps from one to the next in which all receives are tested (a power of two, "
	      "else the next lower one)"),
	BOUND(AT(look, answers_wait), COUNT, 4, 1, MANY, MANY, "0005",
	      "sim/corners: an_answer_waits_for_four_batches",
	      "receives, the one of the call among them, before its answer leaves"),
	BOUND(AT(look, left_max), COUNT, 8, 0, MANY, MANY, "0019",
	      "sim/corners: a_borrower_leaves_batches_as_they_are",
	      "messages that a thread which drives, and may not run handlers, copies for the "
	      "progress thread"),
	SPEED(AT(look, small_records), COUNT, 8, 0, MANY, MANY, "0024",
	      "a batch with more records than these is one of small records: its sender is lent "
	      "credit for 32 batches at most"),
	/* the end */
	SPEED(AT(close, close_look), TIME, FERRY_MS(5), FERRY_US(1), MOST, FERRY_MS(25), "0015",
	      "time between two looks of a close at what it waits for, in its first second"),
	SPEED(AT(close, close_look_later), TIME, FERRY_MS(25), FERRY_US(1), MOST, NONE, "0015",
	      "time between two looks of a close at what it waits for, later"),
	/* of the lane, which knows no engine where it is looked at for each record */
	CONSTANT("lane_nudge", COUNT, FY_LANE_NUDGE, "0023",
	         "a producer without room is woken when no more than this is left in its lane"),
	CONSTANT("lane_room", COUNT, FY_LANE_ROOM, "0023",
	         "a producer that waits for room has it when so much of its lane is free"),
	CONSTANT("lane_look_again", TIME, FY_LANE_LOOK_AGAIN, "0023",
	         "a producer without room looks by itself once after this time: a wake-up may have "
	         "been missed"),
};
#define TABLE_COUNT (sizeof table / sizeof table[0])

const struct fy_policy_parameter *fy_policy_table(size_t *count_p)
{
	*count_p = TABLE_COUNT;
	return table;
}

int fy_policy_table_resolve(struct fy_policy *policy)
{
	struct fy_policy out = { 0 };
	for (size_t i = 0; i < TABLE_COUNT; i++) {
		int64_t value = table[i].option.preset;
		bool found;
		if (table[i].kind == FY_POLICY_CONSTANT)
			continue;
		int status = fy_option_from_environment(&table[i].option, &found, &value);
		if (status)
			return status;
		memcpy((char *)&out + table[i].option.offset, &value, sizeof value);
	}
	*policy = out;
	return FERRY_OK;
}

#define PREFIX "FERRY_POLICY_"

static bool is_known(const char *name, size_t nbytes)
{
	char variable[FY_OPTION_NAME];
	for (size_t i = 0; i < TABLE_COUNT; i++) {
		if (table[i].kind == FY_POLICY_CONSTANT)
			continue;
		fy_option_variable(&table[i].option, variable);
		if (strlen(variable) == nbytes && memcmp(variable, name, nbytes) == 0)
			return true;
	}
	return false;
}

unsigned fy_policy_table_warn(struct fy_log *log, int rank)
{
	static uint32_t said; /* 1 once a process has said it: compare-and-swap by openers */
	unsigned unknown = 0;
	for (char **entry = environ; entry && *entry; entry++) {
		size_t nbytes = strcspn(*entry, "=");
		if (strncmp(*entry, PREFIX, sizeof PREFIX - 1) != 0 || is_known(*entry, nbytes))
			continue;
		unknown++;
		fy_log_at(log, FERRY_LOG_WARNING,
		          "the environment has %.*s, which is no parameter of the policy that can "
		          "be set: doc/policy.md has their names",
		          (int)nbytes, *entry);
	}
	if (unknown && rank == 0 && fy_cas_32(&said, 0, 1))
		fy_log_say(
			log, rank,
			"the environment has %u variables FERRY_POLICY_..., which are no "
			"parameters of the policy that can be set: doc/policy.md has their names",
			unknown);
	return unknown;
}
