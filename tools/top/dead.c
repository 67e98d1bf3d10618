/* SPDX-License-Identifier: Apache-2.0 */
#include "units.h"
#include "views.h"

#define OPEN_SHOWN 8

static void show_open(struct top_page *page, const struct top_engine *engine)
{
	unsigned i, n = top_entries(engine, FY_MONITOR_OPEN);
	struct fy_monitor_open open;
	struct top_text age, count;
	char said[120];

	for (i = 0; i < n && i < OPEN_SHOWN; i++) {
		if (!fy_monitor_entry(&engine->copy, FY_MONITOR_OPEN, i, &open, sizeof(open)))
			return;
		top_open_said(said, sizeof(said), &open);
		top_line(page, TOP_PLAIN, "    %6s  %s, %s%s%s%s",
		         top_span(&age, top_age(engine, open.since)), said,
		         fy_monitor_state_name(open.state), open.count > 1 ? ", and " : "",
		         open.count > 1 ? top_count(&count, (double)(open.count - 1)) : "",
		         open.count > 1 ? " like it" : "");
	}
	if (n > OPEN_SHOWN || top_left_out(engine, FY_MONITOR_OPEN))
		top_line(page, TOP_PLAIN, "            and more: ferry-top %s%d --once",
		         "pid:", (int)engine->copy.head->process.pid);
}

void top_dead(struct top_page *page, const struct top_host *host)
{
	struct top_name name;
	char text[512];
	size_t i;

	for (i = 0; i < host->n; i++) {
		const struct top_engine *engine = &host->engines[i];

		snprintf(text, sizeof(text), "%s: %s", top_engine_name(&name, engine),
		         engine->troubles.n ? engine->troubles.list[0].text
		                            : "closed, and left its file behind");
		top_sentence(page, engine->troubles.n ? TOP_WRONG_STYLE : TOP_PLAIN, 0, text);
		show_open(page, engine);
		if (engine->copy.torn)
			top_line(page, TOP_PLAIN,
			         "    (it died while a sample was written: figures may not fit "
			         "together)");
	}
	for (i = 0; i < host->n_unreadable; i++)
		top_sentence(page, TOP_WRONG_STYLE, 0, host->unreadable[i].text);
	if (!host->n && !host->n_unreadable)
		top_line(page, TOP_PLAIN, "No engine of yours died here.");
}
