/* SPDX-License-Identifier: Apache-2.0 */
/* A job for people: what is wrong first, then ranks in an equal state a line. */
#include "ask.h"

#include <string.h>

#include "base/bits.h"
#include "ferry.h"
#include "monitor/entries.h"
#include "monitor/reader.h"
#include "shared/inside.h"

#define OLD FERRY_S(1) /* what waits for longer than that at a rank is worth a line */

static void print_title(FILE *file, const struct ask_job *job, const struct ask_fold *fold)
{
	const char *program = "";
	for (int i = 0; i < job->size && !*program; i++)
		if (job->ranks[i].known == ASK_ANSWER)
			program = job->ranks[i].answer.program;
	fprintf(file, "job %016llx: %d rank%s%s%s", (unsigned long long)job->id, job->size,
	        job->size == 1 ? "" : "s", *program ? " of " : "", program);
	if (fold->n_trouble)
		fprintf(file, ", %u of them in trouble", fold->n_trouble);
	fprintf(file, "\n");
}

/* "; 14 operations of ranks 0,1,2 wait for it, the oldest a call of op 7 for 12 s" */
static void print_awaited(FILE *file, const struct ask_awaited *of, int size)
{
	char ranks[300], time[40], op[40] = "";
	if (!of->count)
		return;
	ask_name_ranks(of->ranks, size, ranks, sizeof ranks);
	ask_name_time(of->oldest, time, sizeof time);
	if (of->op != FY_MONITOR_NO_OP)
		snprintf(op, sizeof op, " of op %u", of->op);
	bool many = fy_bits_count(of->ranks, size) > 1;
	fprintf(file, "; %llu operation%s of rank%s %s wait%s for it, the oldest a %s%s for %s",
	        (unsigned long long)of->count, of->count == 1 ? "" : "s", many ? "s" : "", ranks,
	        of->count == 1 ? "s" : "", fy_monitor_kind_name(of->kind), op, time);
}

static void print_silence(FILE *file, const struct ask_rank *rank, const struct ask_awaited *of,
                          const char *what)
{
	char time[40];
	int64_t silent = of->silent > rank->waited ? of->silent : rank->waited;
	if (silent < FERRY_MS(100)) { /* nobody has waited for it so far */
		fprintf(file, "its process %d gives no answer", rank->answer.pid);
		return;
	}
	ask_name_time(silent, time, sizeof time);
	fprintf(file, "%s for %s", what, time);
}

static void print_death(FILE *file, const struct fy_answer *a)
{
	char time[40];
	ask_name_time(a->sampled, time, sizeof time);
	fprintf(file, "its process %d has ended", a->pid);
	if (a->sampled >= 0)
		fprintf(file, ", it was last seen %s ago", time);
}

static void print_blocked(FILE *file, const struct fy_answer *a)
{
	char time[40];
	uint32_t inside = a->picture.inside;
	if (inside == FY_INSIDE_CALLBACK)
		fprintf(file, "its progress thread is inside of a callback");
	else if (inside == FY_INSIDE_NOTHING || inside == FY_INSIDE_END)
		fprintf(file, "its progress thread gives no answer");
	else
		fprintf(file, "its progress thread is inside of the handler of op %u", inside);
	if (!a->picture.blocked_ms)
		return;
	ask_name_time(a->picture.blocked_ms * FERRY_MS(1), time, sizeof time);
	fprintf(file, " for %s", time);
}

static void print_trouble(FILE *file, const struct ask_job *job, const struct ask_fold *fold, int i)
{
	const struct ask_rank *rank = &job->ranks[i];
	const struct ask_awaited *of = &fold->awaited[i];
	fprintf(file, "rank %d: ", i);
	switch (fold->trouble[i]) {
	case ASK_STOPPED:
		fprintf(file, "its process %d is stopped, ", rank->answer.pid);
		print_silence(file, rank, of, "silent");
		break;
	case ASK_SILENT:
		print_silence(file, rank, of, "silent");
		break;
	case ASK_DEAD:
		print_death(file, &rank->answer);
		break;
	case ASK_BLOCKED:
		print_blocked(file, &rank->answer);
		break;
	case ASK_GONE:
		fprintf(file, "gone: %d rank%s go%s on without it", of->n_gone,
		        of->n_gone == 1 ? "" : "s", of->n_gone == 1 ? "es" : "");
		break;
	default:
		fprintf(file, "no answer, and no file on a host that answers");
		break;
	}
	print_awaited(file, of, fold->size);
	fprintf(file, "\n");
}

static void print_slow(FILE *file, const struct ask_fold *fold, int i)
{
	fprintf(file, "rank %d: answers", i);
	print_awaited(file, &fold->awaited[i], fold->size);
	fprintf(file, "\n");
}

static void print_line(FILE *file, const struct ask_fold *fold, const struct ask_line *line)
{
	char ranks[300], time[40];
	ask_name_ranks(line->ranks, fold->size, ranks, sizeof ranks);
	fprintf(file, "rank%s %s: %s", fy_bits_count(line->ranks, fold->size) > 1 ? "s" : "", ranks,
	        line->state);
	if (line->longest >= FERRY_MS(100)) {
		ask_name_time(line->longest, time, sizeof time);
		fprintf(file, ", for %s%s",
		        fy_bits_count(line->ranks, fold->size) > 1 ? "up to " : "", time);
	}
	fprintf(file, "\n");
}

static void print_there(FILE *file, const struct ask_job *job)
{
	for (int i = 0; i < job->size; i++)
		if (job->ranks[i].known == ASK_THERE)
			fprintf(file, "rank %d: it is there\n", i);
}

void ask_print(FILE *file, const struct ask_job *job, const struct ask_fold *fold)
{
	print_title(file, job, fold);
	for (int i = 0; i < job->size; i++)
		if (fold->trouble[i] != ASK_FINE && fold->trouble[i] != ASK_UNKNOWN)
			print_trouble(file, job, fold, i);
		else if (fold->trouble[i] == ASK_FINE && fold->awaited[i].oldest >= OLD)
			print_slow(file, fold, i);
	for (unsigned i = 0; i < fold->n_lines; i++)
		print_line(file, fold, &fold->lines[i]);
	print_there(file, job);
	for (int i = 0; i < job->size; i++)
		if (fold->trouble[i] == ASK_UNKNOWN)
			print_trouble(file, job, fold, i);
	if (job->unasked[0])
		fprintf(file, "ranks of other hosts were not asked: %s\n", job->unasked);
}
