/* SPDX-License-Identifier: Apache-2.0 */
/* The parameters of the policy: their values, and a table that says what each is for. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ferry.h"
#include "base/option.h"

struct fy_log;

/* What is read for each post or record is no parameter but a constant of the compiler. Times are in
 * ns, switches are 0 or 1. */
struct fy_policy {
	struct { /* the drain */
		int64_t turn_bytes, drain_bytes, drain_beside, refused_first, slow_after;
		int64_t answers_matter, answers_first, flood_lasts, flood_share;
	} drain;
	struct { /* receives */
		/* fy_policy_choose: a step whose number has one of these bits is none of those in
		 * which more than one receive is looked at */
		uint64_t seldom;
		int64_t look_ahead, look_ahead_steps, look_all_steps, answers_wait;
		int64_t left_max, small_records, receives_a_rank, receives_least, receives_most,
			receives_low;
	} look;
	struct {              /* the loop, when nothing happens */
		int64_t spin; /* the user's option, or 0: see fy_policy_choose */
		int64_t yield, yield_crowded, wire_sleeps;
		int64_t nap, stand_by;
	} idle;
	struct { /* who else wants the processor: shared/company.h */
		int64_t yield_alone, looks_alone, yield_stranger, stranger_stays, look_stranger;
		int64_t look_fellows, turn_looks;
	} yield;
	struct {
		int64_t sleep_awaited, sleep_wire, sleep_agreed, sleep_started;
		int64_t rung_for, sleep_rung, sleep_local;
	} sleep;
	struct { /* large messages to and from other hosts */
		int64_t wire_yield, wire_after, wire_slow, wire_patience, short_chunk;
	} wire;
	struct { /* threads that wait */
		int64_t drive_idle, drive_busy, drive_busy_else, drive_tries, back_within;
	} drive;
	struct { /* threads that post */
		int64_t post_drives, waits_at_once, waits_soon, slow_waits;
		int64_t others_step, others_max, floods_step, floods_max;
	} post;
	struct {
		int64_t close_look, close_look_later;
	} close;
};

enum fy_policy_kind {
	FY_POLICY_BOUND,    /* it keeps a promise, and stays */
	FY_POLICY_SPEED,    /* it is there because it was found faster */
	FY_POLICY_CONSTANT, /* the compiler's: not to be set */
};

#define FY_POLICY_NO_OFF INT64_MIN

struct fy_policy_parameter {
	struct fy_option option; /* `offset` is into struct fy_policy; the default is `preset` */
	const char *help;
	enum fy_policy_kind kind;
	int64_t off;          /* the value that switches the rule off, or FY_POLICY_NO_OFF */
	const char *decision; /* the page under doc/decisions/, by its number */
	const char *test;     /* of a bound one: what fails without it, "PROGRAM: TEST" */
};

const struct fy_policy_parameter *fy_policy_table(size_t *count_p);
/* From the environment, else the defaults. 0, or FERRY_EINVAL with a sentence; `policy` is then
 * untouched. */
int fy_policy_table_resolve(struct fy_policy *policy);
/* Name each variable FERRY_POLICY_... that is none of the table's in the log and, on rank 0, once a
 * process on stderr. How many there were. */
unsigned fy_policy_table_warn(struct fy_log *log, int rank);
