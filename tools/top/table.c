/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "units.h"
#include "views.h"

const char *top_engine_name(struct top_name *name, const struct top_engine *engine)
{
	const struct fy_monitor_head *head = engine->copy.head;

	snprintf(name->is, sizeof(name->is),
	         "rank %" PRId32 " of %" PRId32 " (pid %" PRId32 "%s%s)", head->rank, head->size,
	         head->process.pid, *engine->program ? ", " : "", engine->program);
	return name->is;
}

static double busy_share(const struct top_engine *engine)
{
	return top_rate(engine, "busy") / 1e9;
}

static double messages_out(const struct top_engine *engine)
{
	return top_rate(engine, "posts") + top_rate(engine, "calls");
}

const char *top_engine_state(const struct top_engine *engine)
{
	const struct fy_monitor_now *now = &engine->copy.head->now;
	enum top_trouble_kind worst = top_troubles_worst(&engine->troubles);

	if (worst != TOP_NO_TROUBLE)
		return top_trouble_word(worst);
	if (top_engine_dead(engine) || now->state == FY_MONITOR_CLOSED)
		return "closed";
	if (now->state == FY_MONITOR_CLOSING)
		return "closing";
	if (now->samples == 0)
		return "new";
	return busy_share(engine) >= 0.01 || messages_out(engine) > 0 ||
	                       top_rate(engine, "delivered") > 0 || top_open(engine)
	               ? "busy"
	               : "idle";
}

/* ---- what is wrong ----------------------------------------------------------------------- */

/* At most a third of the page; the rest is counted. */
static void show_troubles(struct top_page *page, const struct top_host *host)
{
	int room = page->rows ? page->rows / 3 : 0, first = page->lines;
	char text[512];
	size_t i;

	for (i = 0; i < host->n && host->engines[i].troubles.n; i++) {
		if (room && page->lines - first >= room - 1) {
			top_line(page, TOP_WRONG_STYLE, "and %zu more", top_host_wrong(host) - i);
			break;
		}
		snprintf(text, sizeof(text), "rank %" PRId32 ", pid %" PRId32 ": %s",
		         host->engines[i].copy.head->rank, host->engines[i].copy.head->process.pid,
		         host->engines[i].troubles.list[0].text);
		top_sentence(page, TOP_WRONG_STYLE, room ? 2 : 0, text);
	}
	for (i = 0; i < host->n_unreadable && (!room || page->lines - first < room); i++)
		top_sentence(page, TOP_WRONG_STYLE, room ? 2 : 0, host->unreadable[i].text);
	if (page->lines > first)
		top_line(page, TOP_PLAIN, "%s", "");
}

/* ---- the table --------------------------------------------------------------------------- */

#define PROGRAM_AT 69 /* the column */

static void show_head(struct top_page *page)
{
	top_line(page, TOP_HEADING, "%7s %7s %-8s %5s %5s %6s %6s %4s %5s %6s %-*s", "RANK", "PID",
	         "STATE", "OUT", "IN", "SENT", "RECV", "BUSY", "OPEN", "OLDEST",
	         page->columns > PROGRAM_AT ? page->columns - PROGRAM_AT : 0, "PROGRAM");
}

static void show_engine(struct top_page *page, const struct top_engine *engine, bool chosen)
{
	const struct fy_monitor_head *head = engine->copy.head;
	struct top_text out, in, sent, received, open, oldest;
	struct fy_monitor_open first;
	char rank[32];

	snprintf(rank, sizeof(rank), "%" PRId32 "/%" PRId32, head->rank, head->size);
	top_line(page,
	         chosen               ? TOP_CHOSEN
	         : engine->troubles.n ? TOP_WRONG_STYLE
	                              : TOP_PLAIN,
	         "%7s %7" PRId32 " %-8s %5s %5s %6s %6s %3.0f%% %5s %6s %s", rank,
	         head->process.pid, top_engine_state(engine), top_count(&out, messages_out(engine)),
	         top_count(&in, top_rate(engine, "delivered")),
	         top_bytes(&sent, top_rate(engine, "bytes_sent")),
	         top_bytes(&received, top_rate(engine, "bytes_received")), 100 * busy_share(engine),
	         top_count(&open, (double)top_open(engine)),
	         top_span(&oldest, top_oldest(engine, &first) ? top_age(engine, first.since) : -1),
	         engine->program);
}

static void show_engines(struct top_page *page, const struct top_host *host, int chosen)
{
	int room = top_page_room(page);
	size_t i, from = 0;

	/* The chosen row is among those that are seen. */
	if (chosen >= room - 1)
		from = (size_t)chosen - (size_t)room + 2;
	for (i = from; i < host->n; i++) {
		if (top_page_room(page) == 1 && i + 1 < host->n) {
			top_line(page, TOP_PLAIN, "%7s and %zu more", "", host->n - i);
			return;
		}
		show_engine(page, &host->engines[i], (int)i == chosen);
	}
}

static void show_title(struct top_page *page, const struct top_host *host)
{
	size_t wrong = top_host_wrong(host), dead = top_host_dead(host);
	char bad[64] = "all is well", left[200];
	struct top_text clock;

	if (wrong)
		snprintf(bad, sizeof(bad), "%zu with trouble", wrong);
	if (dead)
		snprintf(bad + strlen(bad), sizeof(bad) - strlen(bad), ", %zu dead", dead);
	snprintf(left, sizeof(left), "ferry-top: %zu engine%s on %s, %s", host->n,
	         host->n == 1 ? "" : "s", host->engines[0].host, bad);
	top_clock(&clock, host->engines[0].wall, host->engines[0].wall);
	top_line(page, TOP_PLAIN, "%-*.*s  %s", page->columns - 10, page->columns - 10, left,
	         clock.is);
}

void top_table(struct top_page *page, const struct top_host *host, int chosen)
{
	if (!host->n) {
		top_sentence(page, TOP_PLAIN, 0,
		             host->n_unreadable ? "No file that can be read shows an engine:"
		                                : "No such engine of yours is on this host. One "
		                                  "whose option monitor is none cannot be seen.");
		show_troubles(page, host);
		return;
	}
	show_title(page, host);
	show_troubles(page, host);
	show_head(page);
	show_engines(page, host, chosen);
}
