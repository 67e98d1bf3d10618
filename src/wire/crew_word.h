/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words of crews, and questions, on the wire: the body of a batch with FY_BATCH_WORD. Bytes alone:
 * doc/wire-format.md.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/bits.h"

enum fy_crew_kind {
	FY_CREW_ACCUSE,  /* somebody is missing: coordinate. Set: the dead */
	FY_CREW_ASK,     /* whom do you hear? Set: the dead */
	FY_CREW_ANSWER,  /* Sets: the members of `of`, the silent, the dead */
	FY_CREW_PROPOSE, /* agree to `of`. Set: its members */
	FY_CREW_ACCEPT,  /* agreed */
	FY_CREW_COMMIT,  /* `of` is the crew. Set: its members */
	FY_CREW_KINDS,
	/* beside the crew, and without a set: */
	FY_CREW_ASK_HERE = 16, /* say that you are there */
	FY_CREW_HERE,
	FY_CREW_LEAVES,   /* the sender ends, whatever the others do */
	FY_CREW_QUESTION, /* report how you are: struct fy_question and a set follow */
	FY_CREW_REPORT    /* struct fy_report and its bytes follow */
};

/* An attempt to agree. Counts decide, then ranks. */
struct fy_ballot {
	uint32_t count, rank;
};

/* Behind it are the sets that its kind has, each of (size + 63) / 64 words of 64 bits. */
struct fy_crew_word {
	uint32_t kind;
	uint32_t number;         /* of the crew that the sender has */
	struct fy_ballot ballot; /* the sender's; in an answer, the one that it has promised */
	struct {                 /* a crew */
		uint32_t number;
		struct fy_ballot ballot;
	} of;
	uint32_t zero;
};
_Static_assert(sizeof(struct fy_crew_word) == 32, "the wire format says 32 bytes");

static inline size_t fy_crew_word_sets(uint32_t kind)
{
	return kind == FY_CREW_ANSWER ? 3 : kind == FY_CREW_ACCEPT ? 0 : 1;
}
static inline size_t fy_crew_word_bytes(uint32_t kind, int size)
{
	return sizeof(struct fy_crew_word) + fy_crew_word_sets(kind) * fy_bits_words(size) * 8;
}
static inline size_t fy_crew_word_max(int size)
{
	return fy_crew_word_bytes(FY_CREW_ANSWER, size);
}

/* Behind a QUESTION, and behind it the set of the ranks that gave no answer so far. */
struct fy_question {
	uint32_t id; /* the asker's choice */
	uint32_t zero;
};

/* Behind a REPORT, and behind it what is reported, which words.c does not know. No byte: the rank
 * is there. */
struct fy_report {
	uint32_t id;   /* of the question */
	int32_t about; /* a rank: the sender, or one of its host that is silent */
};

static inline size_t fy_crew_word_question_bytes(int size)
{
	return sizeof(struct fy_crew_word) + sizeof(struct fy_question) + fy_bits_words(size) * 8;
}
