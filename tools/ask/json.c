/* SPDX-License-Identifier: Apache-2.0 */
/* The same as JSON: one object, with every number that an answer has. */
#include "ask.h"

#include <inttypes.h>

#include "../text/json.h"
#include "base/bits.h"
#include "monitor/entries.h"
#include "monitor/format.h"
#include "monitor/reader.h"
#include "shared/inside.h"

/* Seconds, without the decimal point of a locale. */
static void put_time(FILE *file, const char *name, int64_t ns)
{
	if (ns < 0)
		fprintf(file, "\"%s\": null", name);
	else
		fprintf(file, "\"%s\": %" PRId64 ".%03d", name, ns / 1000000000,
		        (int)(ns / 1000000 % 1000));
}

static void put_text(FILE *file, const char *name, const char *text)
{
	fprintf(file, "\"%s\": ", name);
	text_json(file, text);
}

static void put_open(FILE *file, const struct fy_answer_open *open)
{
	fprintf(file, "{");
	put_text(file, "kind", fy_monitor_kind_name(open->kind));
	fprintf(file, ", ");
	put_text(file, "state", fy_monitor_state_name(open->state));
	fprintf(file, ", \"peer\": ");
	fprintf(file, open->peer < 0 ? "null" : "%d", open->peer);
	fprintf(file, ", \"op\": ");
	if (open->op == FY_MONITOR_NO_OP)
		fprintf(file, "null");
	else
		fprintf(file, "%u", open->op);
	fprintf(file, ", \"count\": %" PRIu64 ", ", open->count);
	put_time(file, "age", open->age);
	fprintf(file, "}");
}

static void put_peer(FILE *file, const struct fy_answer_peer *peer)
{
	fprintf(file,
	        "{\"rank\": %d, \"gone\": %s, \"silent\": %s, \"queued\": %u, "
	        "\"unacknowledged\": %u, ",
	        peer->rank, peer->gone ? "true" : "false",
	        peer->flags & FY_MONITOR_PEER_SILENT ? "true" : "false", peer->queued,
	        peer->unacknowledged);
	put_time(file, "unheard", peer->silent);
	fprintf(file, "}");
}

static void put_answer(FILE *file, const struct fy_answer *a)
{
	static const char *const sources[] = { "engine", "process", "file" };
	static const char *const processes[] = { "unknown", "running", "stopped", "dead" };
	char state[ASK_STATE];
	int64_t waits = ask_state(a, state, sizeof state);
	fprintf(file, ", \"source\": \"%s\", \"process\": \"%s\", \"pid\": %d, ",
	        sources[a->source], processes[a->process], a->pid);
	put_text(file, "host", a->host);
	fprintf(file, ", ");
	put_time(file, "sampled", a->sampled);
	if (a->source != FY_ANSWER_FILE) {
		fprintf(file, ", ");
		put_text(file, "does", state);
		fprintf(file, ", ");
		put_time(file, "waits", waits);
	}
	fprintf(file,
	        ", \"posts\": %" PRId64 ", \"delivered\": %" PRId64 ", \"queued\": %" PRId64
	        ", \"unread\": %" PRId64 ", \"held\": %" PRId64,
	        a->posts, a->delivered, a->queued, a->unread, a->held);
	fprintf(file, ", \"left_out\": %u, \"open\": [", a->more_open);
	for (uint32_t i = 0; i < a->n_open; i++) {
		fprintf(file, i ? ", " : "");
		put_open(file, &a->open[i]);
	}
	fprintf(file, "], \"peers\": [");
	for (uint32_t i = 0; i < a->n_peers; i++) {
		fprintf(file, i ? ", " : "");
		put_peer(file, &a->peers[i]);
	}
	fprintf(file, "]");
}

static void put_awaited(FILE *file, const struct ask_awaited *of, int size)
{
	char ranks[300];
	ask_name_ranks(of->ranks, size, ranks, sizeof ranks);
	fprintf(file, ", \"awaited\": {\"count\": %" PRIu64 ", \"by\": \"%s\", ", of->count, ranks);
	put_time(file, "oldest", of->count ? of->oldest : -1);
	fprintf(file, ", ");
	put_time(file, "unheard", of->silent);
	fprintf(file, "}");
}

static void put_rank(FILE *file, const struct ask_job *job, const struct ask_fold *fold, int i)
{
	static const char *const troubles[] = { "no",      "silent",  "stopped", "dead",
		                                "blocked", "unknown", "gone" };
	const struct ask_rank *rank = &job->ranks[i];
	fprintf(file, "      {\"rank\": %d, \"trouble\": \"%s\", ", i, troubles[fold->trouble[i]]);
	put_time(file, "waited", rank->waited);
	put_awaited(file, &fold->awaited[i], fold->size);
	if (rank->known == ASK_ANSWER)
		put_answer(file, &rank->answer);
	fprintf(file, "}%s\n", i + 1 < job->size ? "," : "");
}

static void put_lines(FILE *file, const struct ask_fold *fold)
{
	char ranks[300];
	fprintf(file, "    \"states\": [\n");
	for (unsigned i = 0; i < fold->n_lines; i++) {
		const struct ask_line *line = &fold->lines[i];
		ask_name_ranks(line->ranks, fold->size, ranks, sizeof ranks);
		fprintf(file, "      {\"ranks\": \"%s\", ", ranks);
		put_text(file, "does", line->state);
		fprintf(file, ", ");
		put_time(file, "waits", line->longest);
		fprintf(file, "}%s\n", i + 1 < fold->n_lines ? "," : "");
	}
	fprintf(file, "    ],\n");
}

void ask_print_json(FILE *file, const struct ask_job *job, const struct ask_fold *fold)
{
	fprintf(file, "    {\"job\": \"%016" PRIx64 "\", \"size\": %d, \"trouble\": %u, ", job->id,
	        job->size, fold->n_trouble);
	put_text(file, "unasked", job->unasked);
	fprintf(file, ",\n");
	put_lines(file, fold);
	fprintf(file, "    \"ranks\": [\n");
	for (int i = 0; i < job->size; i++)
		put_rank(file, job, fold, i);
	fprintf(file, "    ]}");
}
