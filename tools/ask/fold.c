/* SPDX-License-Identifier: Apache-2.0 */
/* Many answers as few lines: ranks in an equal state, and those that others wait for. */
#include "ask.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "monitor/entries.h"

/* ---- what is awaited ------------------------------------------------------------------------ */

static bool waits_for_peer(uint32_t kind)
{
	return kind == FY_MONITOR_POST || kind == FY_MONITOR_CALL || kind == FY_MONITOR_LARGE_OUT ||
	       kind == FY_MONITOR_LARGE_IN || kind == FY_MONITOR_PLAIN || kind == FY_MONITOR_FLUSH;
}

static void count_open(struct ask_fold *fold, const struct fy_answer *a)
{
	for (uint32_t i = 0; i < a->n_open; i++) {
		const struct fy_answer_open *open = &a->open[i];
		if (open->peer < 0 || open->peer == a->rank || !waits_for_peer(open->kind))
			continue;
		struct ask_awaited *of = &fold->awaited[open->peer];
		of->count += open->count;
		fy_bits_add(of->ranks, a->rank);
		if (open->age < of->oldest)
			continue;
		of->oldest = open->age;
		of->kind = open->kind;
		of->op = open->op;
	}
}

static void count_silence(struct ask_fold *fold, const struct fy_answer *a)
{
	for (uint32_t i = 0; i < a->n_peers; i++) {
		const struct fy_answer_peer *peer = &a->peers[i];
		struct ask_awaited *of = &fold->awaited[peer->rank];
		of->n_gone += peer->gone != 0;
		if (peer->silent >= 0 && peer->rank != a->rank &&
		    (of->silent < 0 || peer->silent < of->silent))
			of->silent = peer->silent;
	}
}

/* ---- trouble --------------------------------------------------------------------------------- */

static enum ask_trouble trouble_of(const struct ask_rank *rank, const struct ask_awaited *awaited)
{
	const struct fy_answer *a = &rank->answer;
	if (rank->known == ASK_NOTHING)
		return awaited->n_gone ? ASK_GONE : ASK_UNKNOWN;
	if (rank->known == ASK_THERE)
		return ASK_FINE;
	if (a->process == FY_ANSWER_DEAD)
		return ASK_DEAD;
	if (a->source == FY_ANSWER_FILE)
		return a->process == FY_ANSWER_STOPPED ? ASK_STOPPED : ASK_SILENT;
	return a->source == FY_ANSWER_HELPER ? ASK_BLOCKED : ASK_FINE;
}

/* ---- lines ----------------------------------------------------------------------------------- */

static void add_to_line(struct ask_fold *fold, const struct fy_answer *a, uint64_t *memory)
{
	char state[ASK_STATE];
	unsigned i = 0;
	int64_t time = ask_state(a, state, sizeof state);
	while (i < fold->n_lines && strcmp(fold->lines[i].state, state) != 0)
		i++;
	struct ask_line *line = &fold->lines[i];
	line->ranks = memory + i * fy_bits_words(fold->size);
	if (i == fold->n_lines) {
		fold->n_lines++;
		line->first = a->rank;
		memcpy(line->state, state, sizeof state);
	}
	fy_bits_add(line->ranks, a->rank);
	if (time > line->longest)
		line->longest = time;
}

/* Room for a line and two sets of each rank. */
static bool begin(struct ask_fold *fold, int size)
{
	size_t words = fy_bits_words(size);
	*fold = (struct ask_fold){ .size = size };
	fold->lines = calloc((size_t)size, sizeof *fold->lines);
	fold->awaited = calloc((size_t)size, sizeof *fold->awaited);
	fold->trouble = calloc((size_t)size, sizeof *fold->trouble);
	fold->sets = calloc(2 * (size_t)size * words, sizeof *fold->sets);
	if (!fold->lines || !fold->awaited || !fold->trouble || !fold->sets)
		return false;
	for (int i = 0; i < size; i++) {
		fold->awaited[i].ranks = fold->sets + (size_t)i * words;
		fold->awaited[i].silent = -1;
	}
	return true;
}

bool ask_fold(const struct ask_job *job, struct ask_fold *fold)
{
	if (!begin(fold, job->size)) {
		ask_fold_free(fold);
		return false;
	}
	uint64_t *memory = fold->sets + (size_t)job->size * fy_bits_words(job->size);
	for (int i = 0; i < job->size; i++)
		if (job->ranks[i].known == ASK_ANSWER) {
			count_open(fold, &job->ranks[i].answer);
			count_silence(fold, &job->ranks[i].answer);
		}
	for (int i = 0; i < job->size; i++) {
		fold->trouble[i] = trouble_of(&job->ranks[i], &fold->awaited[i]);
		fold->n_trouble += fold->trouble[i] != ASK_FINE;
		/* what the other threads of a blocked rank wait for is of less interest */
		if (job->ranks[i].known == ASK_ANSWER && fold->trouble[i] == ASK_FINE)
			add_to_line(fold, &job->ranks[i].answer, memory);
	}
	return true;
}

void ask_fold_free(struct ask_fold *fold)
{
	free(fold->lines);
	free(fold->awaited);
	free(fold->trouble);
	free(fold->sets);
	*fold = (struct ask_fold){ 0 };
}
