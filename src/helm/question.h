/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions: one rank asks others how they are. See question.c. Only the holder of the helm may
 * call.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct fy_channel;
struct fy_crew_word;
struct fy_progress;

/* A report that came. */
struct fy_question_heard {
	uint32_t id;
	int from, about; /* ranks */
	const void *bytes;
	size_t nbytes;
};

/* What folders above do for it, with the helm. */
struct fy_question_side {
	/* Write what is known of `rank`: of this one, or of one of this host that is silent.
	 * Returns how long it is; 0: nothing is known. */
	size_t (*write)(struct fy_progress *p, int rank, void *room, size_t max);
	/* To who asks: a report has come. It may be the second one, and late. */
	void (*heard)(void *arg, const struct fy_question_heard *heard);
};

struct fy_questions {
	const struct fy_question_side *side; /* NULL: reports say only that this rank is there */
	const void *place;                   /* of `write` */
	void *arg;                           /* of `heard`; NULL: nobody asks here */
	uint32_t id;                         /* of the question that this rank asks */
	uint64_t *silent;                    /* its set; NULL: empty */
};

/* Ask the ranks of the set `wanted`, of which `silent` (may be NULL) did not answer so far. One
 * question at a time; the same one may be asked again. FERRY_OK, FERRY_ENOMEM. */
int fy_question_ask(struct fy_progress *p, uint32_t id, const uint64_t *wanted,
                    const uint64_t *silent);
/* Nobody waits for reports any more. */
void fy_question_end(struct fy_progress *p);

/* For words.c: write the next word of a question that is due to a peer. Returns its length; 0:
 * there is none (any more). `body` has room for fy_question_max(). */
size_t fy_question_max(const struct fy_progress *p);
size_t fy_question_write(struct fy_progress *p, struct fy_channel *ch, char *body);
/* A word that is a question or a report, all of it. */
void fy_question_hear(struct fy_progress *p, struct fy_channel *ch, const void *word,
                      size_t nbytes);
