/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ferry-ask: what was asked, and what is known of a job then. collect.c fills it, fold.c makes it
 * short, print.c and json.c show it.
 */
#ifndef ASK_H
#define ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "query/answer.h"

#define ASK_WHY 256

struct ask_options {
	const char *directory; /* NULL: where files are by default */
	uint64_t job;          /* 0: all */
	int pid, rank;         /* that an engine of the job has; -1: any */
	int64_t timeout;       /* ns, for all of it */
	bool json;
	bool why, dot; /* is it stuck, and why; as a graph */
};

enum ask_known {
	ASK_NOTHING, /* nobody knows of it */
	ASK_THERE,   /* it is there, and says no more */
	ASK_ANSWER
};

struct ask_rank {
	enum ask_known known;
	int from;       /* the rank that said so; its own, or another one of its host */
	bool here;      /* its file is on this host */
	int64_t waited; /* ns: so long it gave no answer; 0: it did */
	struct fy_answer answer;
};

/* One round of questions. */
struct ask_job {
	uint64_t id;
	int size;
	struct ask_rank *ranks;
	/* of the ranks that are not on this host: why they could not be asked; "": they were */
	char unasked[ASK_WHY];
};

struct ask_jobs {
	struct ask_job *jobs;
	unsigned n;
	unsigned ended;    /* jobs that were left out: see ask_leave_out_ended */
	unsigned unread;   /* files that could not be read */
	char why[ASK_WHY]; /* the first of these */
};

/* Find the jobs and ask them. False: `why` says what is wrong. Takes at most the timeout, and a
 * moment. */
bool ask_collect(const struct ask_options *options, struct ask_jobs *jobs, char why[ASK_WHY]);
void ask_free(struct ask_jobs *jobs);
/* Drop the jobs of which no process that is known lives, unless they were named. */
void ask_leave_out_ended(const struct ask_options *options, struct ask_jobs *jobs);

/* ---- why --------------------------------------------------------------- */

/* The verdict on each job, of two rounds. 0: none is stuck; 1: one is, or likely, or there is none;
 * -1: no memory. */
int ask_why(FILE *file, const struct ask_options *options, const struct ask_jobs *before,
            const struct ask_jobs *jobs);

/* ---- short ------------------------------------------------------------- */

/* What of one rank must stand out. */
enum ask_trouble {
	ASK_FINE,
	ASK_SILENT,  /* its process gives no answer */
	ASK_STOPPED, /* likewise: it is stopped */
	ASK_DEAD,    /* its process has ended */
	ASK_BLOCKED, /* its progress thread does not come back from somewhere */
	ASK_UNKNOWN, /* nobody answers for it */
	ASK_GONE     /* other ranks go on without it */
};

/* What others wait for at a rank. */
struct ask_awaited {
	uint64_t count;
	uint64_t *ranks; /* set of those that wait */
	int64_t oldest;  /* ns */
	uint32_t kind, op;
	int64_t silent; /* ns: nobody heard of it for so long; -1: nobody knows */
	int n_gone;     /* ranks that go on without it */
};

#define ASK_STATE 400
struct ask_line {
	uint64_t *ranks; /* set */
	int first;       /* of them */
	int64_t longest; /* ns: of the waits in `state`; 0: none */
	char state[ASK_STATE];
};

struct ask_fold {
	int size;
	struct ask_line *lines; /* ranks in an equal state, by the first rank */
	unsigned n_lines;
	struct ask_awaited *awaited; /* by rank */
	enum ask_trouble *trouble;   /* by rank */
	unsigned n_trouble;
	uint64_t *sets;
};

bool ask_fold(const struct ask_job *job, struct ask_fold *fold); /* false: no memory */
void ask_fold_free(struct ask_fold *fold);
/* What a rank does, without times and numbers that differ for no reason. Returns how long (ns) the
 * oldest wait in it has lasted. */
int64_t ask_state(const struct fy_answer *answer, char *text, size_t nbytes);
/* "0-2,4-7" */
void ask_name_ranks(const uint64_t *set, int size, char *text, size_t nbytes);
/* "12 s", "2.4 s", "340 ms" */
void ask_name_time(int64_t ns, char *text, size_t nbytes);

/* ---- shown ------------------------------------------------------------- */

void ask_print(FILE *file, const struct ask_job *job, const struct ask_fold *fold);
void ask_print_json(FILE *file, const struct ask_job *job, const struct ask_fold *fold);

#endif
