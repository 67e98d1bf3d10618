/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "ferry.h"
#include "plain.h"
#include "stages.h"
#include "units.h"
#include "views.h"

/* How many rows a section may have: of a page that is bounded, a share of what is left. */
static unsigned rows_for(const struct top_page *page, unsigned n, int share)
{
	int room = top_page_room(page);

	if (!page->rows)
		return n;
	room = room / share - 2;
	return room < 1 ? 1 : (unsigned)room < n ? (unsigned)room : n;
}

/* What of the entries is not shown: by us, and by the file. */
static void show_rest(struct top_page *page, unsigned n, unsigned shown, uint64_t left_out)
{
	if (n - shown + left_out)
		top_line(page, TOP_PLAIN, "   and %" PRIu64 " more", n - shown + left_out);
}

/* ---- the head ---------------------------------------------------------------------------- */

static void show_name(struct top_page *page, const struct top_engine *engine)
{
	const struct fy_monitor_head *head = engine->copy.head;
	struct top_text up, age;
	struct top_name name;

	top_line(page, TOP_PLAIN, "%s on %s, %s for %s", top_engine_name(&name, engine),
	         engine->host, top_engine_dead(engine) ? "lived" : "open",
	         top_span_said(&up, top_age(engine, head->opened)));
	top_line(page, TOP_PLAIN,
	         "engine %" PRIu32 ", job %" PRIx64 ", ferry %s; last sample %s ago%s",
	         head->engine, head->job, engine->version,
	         top_span_said(&age, top_engine_dead(engine) ? engine->wall - head->now.sampled_wall
	                                                     : top_age(engine, head->now.sampled)),
	         engine->copy.torn ? ", torn" : "");
	top_line(page, TOP_PLAIN, "%s", engine->network);
}

static const char *idle_word(const struct top_engine *engine)
{
	static const char *const words[] = { "looks again and again",
		                             "yields",
		                             "naps",
		                             "sleeps",
		                             "is driven by threads that wait",
		                             "is stepped by the program" };
	int64_t idle = top_gauge(engine, "idle");

	return idle >= 0 && idle < (int64_t)(sizeof(words) / sizeof(words[0])) ? words[idle] : "?";
}

/* Why the processor is busy, and how much each step took. */
static void show_thread(struct top_page *page, const struct top_engine *engine)
{
	int64_t cpu = top_gauge(engine, "cpu"), op = top_gauge(engine, "step_longest_op");
	struct top_text longest, long_steps, steps, name;
	char core[48] = "", of[32] = "";

	if (cpu >= 0)
		snprintf(core, sizeof(core), " on core %" PRId64 ", taken from it %" PRId64 "x",
		         cpu, top_gauge(engine, "cpu_taken"));
	if (op >= 0 && op <= UINT32_MAX)
		snprintf(of, sizeof(of), " (op %s)", top_op(&name, (uint32_t)op));
	top_line(page, TOP_PLAIN, "progress: %s steps a second, %.0f %% busy, then %s%s",
	         top_count(&steps, top_rate(engine, "steps")), top_rate(engine, "busy") / 1e7,
	         idle_word(engine), core);
	top_line(page, TOP_PLAIN, "          longest step %s%s, %s longer than they should be",
	         top_span_said(&longest, top_gauge(engine, "step_longest")), of,
	         top_count(&long_steps, (double)top_gauge(engine, "steps_long")));
}

static void show_memory(struct top_page *page, const struct top_engine *engine)
{
	struct top_text held, most, unread, used, room;

	top_line(page, TOP_PLAIN,
	         "memory:   %s of %s received, %s messages unread; %s of %s to be sent",
	         top_bytes_said(&held, (double)top_counter(engine, "memory_held")),
	         top_bytes_said(&most, (double)top_gauge(engine, "receive_memory")),
	         top_count(&unread, (double)top_gauge(engine, "unread")),
	         top_bytes_said(&used, (double)top_gauge(engine, "send_used")),
	         top_bytes_said(&room, (double)top_gauge(engine, "send_memory")));
}

/* ---- peers ------------------------------------------------------------------------------- */

static const char *peer_state(const struct fy_monitor_peer *peer)
{
	return peer->gone                              ? "gone"
	       : peer->flags & FY_MONITOR_PEER_SILENT  ? "silent"
	       : peer->flags & FY_MONITOR_PEER_HUNGRY  ? "no credit"
	       : peer->flags & FY_MONITOR_PEER_FULL    ? "full"
	       : peer->flags & FY_MONITOR_PEER_AWAITED ? "awaited"
	                                               : "";
}

/* The entry of the same rank in the copy before. */
static struct fy_monitor_peer peer_before(const struct top_engine *engine,
                                          const struct fy_monitor_peer *now)
{
	unsigned i,
		n = engine->before.head ? fy_monitor_count(&engine->before, FY_MONITOR_PEERS) : 0;
	struct fy_monitor_peer peer;

	n = n < TOP_ENTRIES ? n : TOP_ENTRIES;
	for (i = 0; i < n; i++)
		if (fy_monitor_entry(&engine->before, FY_MONITOR_PEERS, i, &peer, sizeof(peer)) &&
		    peer.rank == now->rank)
			return peer;
	return *now;
}

static void show_peer(struct top_page *page, const struct top_engine *engine,
                      const struct fy_monitor_peer *peer)
{
	struct fy_monitor_peer before = peer_before(engine, peer);
	struct top_text queued, bytes, credit, heard, waited, sent, received, unacknowledged;
	const char *state = peer_state(peer);

	top_line(page,
	         *state && !(peer->flags == FY_MONITOR_PEER_AWAITED) ? TOP_WRONG_STYLE : TOP_PLAIN,
	         "%7" PRId32 " %6s %6s %6s %6s %6s %6s %6s %6s  %s", peer->rank,
	         top_count(&queued, peer->queued), top_bytes(&bytes, (double)peer->queued_bytes),
	         top_count(&unacknowledged, peer->unacknowledged),
	         peer->credit < 0 ? "-" : top_bytes(&credit, (double)peer->credit),
	         top_span(&heard, top_age(engine, peer->heard)),
	         top_span(&waited, peer->waited > INT64_MAX ? INT64_MAX : (int64_t)peer->waited),
	         top_count(&sent, top_growth(engine, peer->sent, before.sent)),
	         top_count(&received, top_growth(engine, peer->received, before.received)), state);
}

static void show_peers(struct top_page *page, const struct top_engine *engine)
{
	unsigned n = top_entries(engine, FY_MONITOR_PEERS), i;
	unsigned shown = rows_for(page, n, 4);
	struct fy_monitor_peer peer;

	if (!n)
		return;
	top_line(page, TOP_HEADING, "%7s %6s %6s %6s %6s %6s %6s %6s %6s  %-*s", "PEER", "QUEUED",
	         "BYTES", "UNACK", "CREDIT", "HEARD", "WAITED", "OUT", "IN",
	         page->columns > 65 ? page->columns - 65 : 0, "STATE");
	for (i = 0; i < shown; i++)
		if (fy_monitor_entry(&engine->copy, FY_MONITOR_PEERS, i, &peer, sizeof(peer)))
			show_peer(page, engine, &peer);
	show_rest(page, n, shown, top_left_out(engine, FY_MONITOR_PEERS));
}

/* ---- operations -------------------------------------------------------------------------- */

static void show_open(struct top_page *page, const struct top_engine *engine,
                      const struct fy_monitor_open *open)
{
	struct top_text age, op, bytes, count;
	char peer[16] = "all";

	if (open->peer >= 0)
		snprintf(peer, sizeof(peer), "%" PRId32, open->peer);
	top_line(page, TOP_PLAIN, "%7s %6s %10s %6s %6s  %s, %s",
	         top_span(&age, top_age(engine, open->since)), peer,
	         open->op == FY_MONITOR_NO_OP ? "-" : top_op(&op, open->op),
	         top_count(&count, (double)open->count),
	         open->nbytes ? top_bytes(&bytes, (double)open->nbytes) : "-",
	         fy_monitor_kind_name(open->kind), fy_monitor_state_name(open->state));
}

static void show_operations(struct top_page *page, const struct top_engine *engine)
{
	unsigned n = top_entries(engine, FY_MONITOR_OPEN), i;
	unsigned shown = rows_for(page, n, 3);
	struct fy_monitor_open open;

	if (!n)
		return;
	top_line(page, TOP_HEADING, "%7s %6s %10s %6s %6s  %-*s", "AGE", "PEER", "OP", "COUNT",
	         "BYTES", page->columns > 41 ? page->columns - 41 : 0, "OPEN");
	for (i = 0; i < shown; i++)
		if (fy_monitor_entry(&engine->copy, FY_MONITOR_OPEN, i, &open, sizeof(open)))
			show_open(page, engine, &open);
	show_rest(page, n, shown, top_left_out(engine, FY_MONITOR_OPEN));
}

/* ---- errors ------------------------------------------------------------------------------ */

static void show_error(struct top_page *page, const struct top_engine *engine,
                       const struct fy_monitor_error *error)
{
	char raw[sizeof(error->text) + 1], text[sizeof(error->text) + 1], line[256];
	struct top_text count, clock;

	memcpy(raw, error->text, sizeof(error->text));
	raw[sizeof(error->text)] = '\0';
	top_plain(text, sizeof(text), (int)sizeof(text), raw);
	snprintf(line, sizeof(line), "%7s %8s  %s", top_count(&count, (double)error->count),
	         top_clock(&clock, error->last_wall, engine->wall), text);
	top_sentence(page, TOP_PLAIN, page->rows ? 2 : 0, line);
}

static void show_errors(struct top_page *page, const struct top_engine *engine)
{
	unsigned n = top_entries(engine, FY_MONITOR_ERRORS), i;
	unsigned shown = rows_for(page, n, 4);
	struct fy_monitor_error error;

	if (!n)
		return;
	top_line(page, TOP_HEADING, "%7s %8s  %-*s", "TIMES", "LAST",
	         page->columns > 18 ? page->columns - 18 : 0, "ERROR");
	for (i = 0; i < shown; i++)
		if (fy_monitor_entry(&engine->copy, FY_MONITOR_ERRORS, i, &error, sizeof(error)))
			show_error(page, engine, &error);
	show_rest(page, n, shown, top_left_out(engine, FY_MONITOR_ERRORS));
}

/* ---- ops --------------------------------------------------------------------------------- */

static uint64_t received_before(const struct top_engine *engine, const struct fy_monitor_op *now)
{
	unsigned i, n = engine->before.head ? fy_monitor_count(&engine->before, FY_MONITOR_OPS) : 0;
	struct fy_monitor_op op;

	n = n < TOP_ENTRIES ? n : TOP_ENTRIES;
	for (i = 0; i < n; i++)
		if (fy_monitor_entry(&engine->before, FY_MONITOR_OPS, i, &op, sizeof(op)) &&
		    op.op == now->op)
			return op.received;
	return now->received;
}

static void show_op(struct top_page *page, const struct top_engine *engine,
                    const struct fy_monitor_op *op)
{
	struct top_text name, received, rate, retained, unanswered, unread, running, waiting;

	top_line(page, TOP_PLAIN, "%10s %8s %6s %8s %10s %6s %7s %7s  %s",
	         op->op == FERRY_ANY_OP ? "others" : top_op(&name, op->op),
	         top_count(&received, (double)op->received),
	         top_count(&rate, top_growth(engine, op->received, received_before(engine, op))),
	         top_count(&retained, (double)op->retained),
	         top_count(&unanswered, (double)op->unanswered),
	         top_count(&unread, (double)op->unread), top_count(&running, op->running),
	         top_count(&waiting, op->waiting),
	         !(op->flags & FY_MONITOR_OP_HANDLED) ? "mailbox"
	         : op->flags & FY_MONITOR_OP_AWAY     ? "executor"
	                                              : "inline");
}

static void show_ops(struct top_page *page, const struct top_engine *engine)
{
	unsigned n = top_entries(engine, FY_MONITOR_OPS), i;
	unsigned shown = rows_for(page, n, 2);
	struct fy_monitor_op op;

	if (!n)
		return;
	top_line(page, TOP_HEADING, "%10s %8s %6s %8s %10s %6s %7s %7s  %-*s", "OP", "RECEIVED",
	         "IN", "RETAINED", "UNANSWERED", "UNREAD", "RUNNING", "WAITING",
	         page->columns > 71 ? page->columns - 71 : 0, "GOES TO");
	for (i = 0; i < shown; i++)
		if (fy_monitor_entry(&engine->copy, FY_MONITOR_OPS, i, &op, sizeof(op)))
			show_op(page, engine, &op);
	show_rest(page, n, shown, top_left_out(engine, FY_MONITOR_OPS));
}

/* ---- times ------------------------------------------------------------------------------- */

static void show_stages(struct top_page *page, const struct top_engine *engine)
{
	struct top_text half, most, longest, count;
	struct fy_monitor_histogram stage;
	unsigned i;

	if (!top_stages_sampled(engine))
		return;
	top_line(page, TOP_HEADING, "%-10s %8s %8s %8s %8s  %-*s", "TIME IN", "SAMPLED", "50 %",
	         "99 %", "LONGEST", page->columns > 47 ? page->columns - 47 : 0, "IS");
	for (i = 0; top_stage(engine, i, &stage); i++)
		if (stage.count)
			top_line(page, TOP_PLAIN, "%-10s %8s %8s %8s %8s  %s", stage.name,
			         top_count(&count, (double)stage.count),
			         top_span(&half, top_stage_percentile(&stage, 50)),
			         top_span(&most, top_stage_percentile(&stage, 99)),
			         top_span(&longest, top_stage_longest(&stage)),
			         top_stage_says(stage.name));
}

static void show_text(struct top_page *page, const struct top_engine *engine)
{
	size_t nbytes = 0, at, length;
	const char *text = fy_monitor_text(&engine->copy, &nbytes);
	char raw[256], line[256];

	if (text && nbytes)
		top_line(page, TOP_HEADING, "%-*s", page->columns, "WHAT WAITS");
	for (at = 0; text && at < nbytes; at += length + 1) {
		const char *end = memchr(text + at, '\n', nbytes - at);

		length = end ? (size_t)(end - (text + at)) : nbytes - at;
		snprintf(raw, sizeof(raw), "%.*s", (int)(length < 255 ? length : 255), text + at);
		top_plain(line, sizeof(line), (int)sizeof(line), raw);
		top_sentence(page, TOP_PLAIN, 0, line);
	}
}

void top_detail(struct top_page *page, const struct top_engine *engine)
{
	unsigned i;

	show_name(page, engine);
	for (i = 0; i < engine->troubles.n; i++)
		top_sentence(page, TOP_WRONG_STYLE, page->rows ? 2 : 0,
		             engine->troubles.list[i].text);
	if (engine->copy.head->now.samples == 0)
		return;
	show_thread(page, engine);
	show_memory(page, engine);
	show_peers(page, engine);
	show_operations(page, engine);
	show_errors(page, engine);
	show_ops(page, engine);
	show_stages(page, engine);
	show_text(page, engine);
}
