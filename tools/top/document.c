/* SPDX-License-Identifier: Apache-2.0 */
/* All figures as one JSON document. Times are ns. */
#include <inttypes.h>
#include <string.h>

#include "ferry.h"
#include "json.h"
#include "stages.h"
#include "views.h"

/* ---- who it is --------------------------------------------------------------------------- */

static const char *life_word(const struct top_engine *engine)
{
	return engine->copy.life == FY_MONITOR_ALIVE  ? "alive"
	       : engine->copy.life == FY_MONITOR_DEAD ? "dead"
	                                              : "unknown";
}

static void put_identity(struct top_json *json, const struct top_engine *engine)
{
	const struct fy_monitor_head *head = engine->copy.head;
	char job[24];

	snprintf(job, sizeof(job), "%016" PRIx64, head->job);
	top_json_text(json, "file", engine->copy.name);
	top_json_integer(json, "rank", head->rank);
	top_json_integer(json, "size", head->size);
	top_json_integer(json, "pid", head->process.pid);
	top_json_count(json, "engine", head->engine);
	top_json_text(json, "job", job);
	top_json_text(json, "program", engine->program);
	top_json_text(json, "host", engine->host);
	top_json_text(json, "version", engine->version);
	top_json_text(json, "network", engine->network);
}

static void put_life(struct top_json *json, const struct top_engine *engine)
{
	const struct fy_monitor_head *head = engine->copy.head;

	top_json_text(json, "life", life_word(engine));
	top_json_text(json, "state", top_engine_state(engine));
	top_json_integer(json, "opened_wall", head->opened_wall);
	top_json_count(json, "samples", head->now.samples);
	top_json_integer(json, "sampled_wall", head->now.sampled_wall);
	top_json_integer(json, "sample_age", top_age(engine, head->now.sampled));
	top_json_truth(json, "torn", engine->copy.torn);
}

static void put_troubles(struct top_json *json, const struct top_troubles *troubles)
{
	unsigned i;

	top_json_open(json, "wrong", '[');
	for (i = 0; i < troubles->n; i++) {
		top_json_open(json, NULL, '{');
		top_json_text(json, "what", top_trouble_word(troubles->list[i].kind));
		top_json_text(json, "text", troubles->list[i].text);
		top_json_close(json);
	}
	top_json_close(json);
}

/* ---- figures ----------------------------------------------------------------------------- */

static void put_values(struct top_json *json, const char *name, const struct top_engine *engine,
                       enum fy_monitor_kind kind)
{
	struct fy_monitor_value value;
	unsigned i;

	top_json_open(json, name, '{');
	for (i = 0; top_value(&engine->copy, kind, i, &value); i++)
		if (*value.name)
			top_json_integer(json, value.name, value.value);
	top_json_close(json);
}

static void put_rates(struct top_json *json, const struct top_engine *engine)
{
	struct fy_monitor_value now, before;
	unsigned i;

	if (!engine->before.head)
		return;
	top_json_open(json, "rates", '{');
	for (i = 0; top_value(&engine->copy, FY_MONITOR_COUNTERS, i, &now); i++)
		if (*now.name && top_value(&engine->before, FY_MONITOR_COUNTERS, i, &before) &&
		    strcmp(now.name, before.name) == 0)
			top_json_real(json, now.name,
			              top_growth(engine, (uint64_t)now.value,
			                         (uint64_t)before.value));
	top_json_close(json);
}

static void put_stages(struct top_json *json, const struct top_engine *engine)
{
	struct fy_monitor_histogram stage;
	unsigned i;

	top_json_open(json, "stages", '[');
	for (i = 0; top_stage(engine, i, &stage); i++) {
		top_json_open(json, NULL, '{');
		top_json_text(json, "name", stage.name);
		top_json_count(json, "count", stage.count);
		top_json_count(json, "sum", stage.sum);
		top_json_integer(json, "p50", top_stage_percentile(&stage, 50));
		top_json_integer(json, "p90", top_stage_percentile(&stage, 90));
		top_json_integer(json, "p99", top_stage_percentile(&stage, 99));
		top_json_integer(json, "longest", top_stage_longest(&stage));
		top_json_close(json);
	}
	top_json_close(json);
}

/* ---- tables ------------------------------------------------------------------------------ */

static void put_peer(struct top_json *json, const struct top_engine *engine, unsigned i)
{
	struct fy_monitor_peer peer;

	if (!fy_monitor_entry(&engine->copy, FY_MONITOR_PEERS, i, &peer, sizeof(peer)))
		return;
	top_json_open(json, NULL, '{');
	top_json_integer(json, "rank", peer.rank);
	top_json_integer(json, "gone", peer.gone);
	top_json_truth(json, "silent", peer.flags & FY_MONITOR_PEER_SILENT);
	top_json_truth(json, "awaited", peer.flags & FY_MONITOR_PEER_AWAITED);
	top_json_truth(json, "no_credit", peer.flags & FY_MONITOR_PEER_HUNGRY);
	top_json_truth(json, "full", peer.flags & FY_MONITOR_PEER_FULL);
	top_json_truth(json, "here", peer.flags & FY_MONITOR_PEER_HERE);
	top_json_count(json, "queued", peer.queued);
	top_json_count(json, "queued_bytes", peer.queued_bytes);
	top_json_count(json, "unacknowledged", peer.unacknowledged);
	top_json_integer(json, "credit", peer.credit);
	top_json_integer(json, "heard_age", top_age(engine, peer.heard));
	top_json_count(json, "waited", peer.waited);
	top_json_count(json, "sent", peer.sent);
	top_json_count(json, "received", peer.received);
	top_json_close(json);
}

static void put_open(struct top_json *json, const struct top_engine *engine, unsigned i)
{
	struct fy_monitor_open open;

	if (!fy_monitor_entry(&engine->copy, FY_MONITOR_OPEN, i, &open, sizeof(open)))
		return;
	top_json_open(json, NULL, '{');
	top_json_text(json, "kind", fy_monitor_kind_name(open.kind));
	top_json_text(json, "state", fy_monitor_state_name(open.state));
	top_json_integer(json, "peer", open.peer);
	if (open.op != FY_MONITOR_NO_OP)
		top_json_count(json, "op", open.op);
	top_json_integer(json, "age", top_age(engine, open.since));
	top_json_count(json, "count", open.count);
	top_json_count(json, "bytes", open.nbytes);
	top_json_close(json);
}

static void put_op(struct top_json *json, const struct top_engine *engine, unsigned i)
{
	struct fy_monitor_op op;

	if (!fy_monitor_entry(&engine->copy, FY_MONITOR_OPS, i, &op, sizeof(op)))
		return;
	top_json_open(json, NULL, '{');
	if (op.op == FERRY_ANY_OP)
		top_json_text(json, "op", "others");
	else
		top_json_count(json, "op", op.op);
	top_json_truth(json, "handled", op.flags & FY_MONITOR_OP_HANDLED);
	top_json_truth(json, "executor", op.flags & FY_MONITOR_OP_AWAY);
	top_json_count(json, "received", op.received);
	top_json_count(json, "retained", op.retained);
	top_json_count(json, "unanswered", op.unanswered);
	top_json_count(json, "unread", op.unread);
	top_json_count(json, "running", op.running);
	top_json_count(json, "waiting", op.waiting);
	top_json_close(json);
}

static void put_error(struct top_json *json, const struct top_engine *engine, unsigned i)
{
	struct fy_monitor_error error;
	char text[sizeof(error.text) + 1] = "";

	if (!fy_monitor_entry(&engine->copy, FY_MONITOR_ERRORS, i, &error, sizeof(error)))
		return;
	memcpy(text, error.text, sizeof(error.text));
	top_json_open(json, NULL, '{');
	top_json_integer(json, "status", error.status);
	top_json_integer(json, "rank", error.rank);
	top_json_count(json, "count", error.count);
	top_json_integer(json, "first_wall", error.first_wall);
	top_json_integer(json, "last_wall", error.last_wall);
	top_json_text(json, "text", text);
	top_json_close(json);
}

static void put_table(struct top_json *json, const char *name, const struct top_engine *engine,
                      enum fy_monitor_kind kind,
                      void (*put)(struct top_json *, const struct top_engine *, unsigned))
{
	unsigned i, n = top_entries(engine, kind);
	char left[40];

	top_json_open(json, name, '[');
	for (i = 0; i < n; i++)
		put(json, engine, i);
	top_json_close(json);
	snprintf(left, sizeof(left), "%s_left_out", name);
	top_json_count(json, left, top_left_out(engine, kind));
}

static void put_engine(struct top_json *json, const struct top_engine *engine)
{
	top_json_open(json, NULL, '{');
	put_identity(json, engine);
	put_life(json, engine);
	put_troubles(json, &engine->troubles);
	put_values(json, "counters", engine, FY_MONITOR_COUNTERS);
	put_rates(json, engine);
	put_values(json, "gauges", engine, FY_MONITOR_GAUGES);
	put_stages(json, engine);
	put_table(json, "peers", engine, FY_MONITOR_PEERS, put_peer);
	put_table(json, "open", engine, FY_MONITOR_OPEN, put_open);
	put_table(json, "ops", engine, FY_MONITOR_OPS, put_op);
	put_table(json, "errors", engine, FY_MONITOR_ERRORS, put_error);
	top_json_close(json);
}

void top_json(FILE *file, const struct top_host *host)
{
	struct top_json json = { .file = file };
	size_t i;

	top_json_open(&json, NULL, '{');
	top_json_text(&json, "ferry", FERRY_VERSION);
	top_json_open(&json, "engines", '[');
	for (i = 0; i < host->n; i++)
		put_engine(&json, &host->engines[i]);
	top_json_close(&json);
	top_json_open(&json, "unreadable", '[');
	for (i = 0; i < host->n_unreadable; i++)
		top_json_text(&json, NULL, host->unreadable[i].text);
	top_json_close(&json);
	top_json_close(&json);
}
