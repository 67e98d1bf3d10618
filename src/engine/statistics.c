/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The option stats: statistics over all ranks when an engine ends. Only the thread that ends it.
 *
 * Ranks whose end is orderly send theirs to rank 0, or to the lowest rank of those that go on
 * together after a death. It writes all. A rank that cannot rely on the others, or that waits too
 * long for them, writes its own line, and says that it is only its own. Whatever fails here, the
 * close goes on as if the option were off.
 */
#include "engine/statistics.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include "ferry.h"
#include "base/bits.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/option.h"
#include "base/order.h"
#include "base/timeout.h"
#include "bulk/bulk.h"
#include "engine/figures.h"
#include "helm/progress.h"
#include "port/port.h"
#include "shared/engine.h"

#define PATIENCE FERRY_S(10)      /* others may still be inside of their last callbacks */
#define PATIENCE_GONE FERRY_S(2)  /* after a death the others end at about the same time */
#define CANCEL_TIME FERRY_MS(200) /* for a receive that is not wanted any more */
#define NAP_MAX FERRY_MS(1)
#define NAME_BYTES 4096

/* How many files this process has written: atomic add by threads that end engines. */
static uint32_t n_files;

/* ---- who takes part -------------------------------------------------------------------------- */

/* The members of the crew, which end together; NULL: this rank does not end together with them. */
static const struct fy_crew *crew_of(const struct fy_progress *p)
{
	bool together = p->lookout.on && !p->close.gave_up_at && !p->close.aborted;
	return together ? &p->lookout.crew : NULL;
}

/* How long (ns) others may take. FERRY_TEST_STATS_WAITS (ms) is for tests only. */
static int64_t patience(void)
{
	const char *text = getenv("FERRY_TEST_STATS_WAITS");
	int64_t ms = text ? strtoll(text, NULL, 10) : 0;
	return ms > 0 ? FERRY_MS(ms) : PATIENCE;
}

static void take_all(struct fy_statistics *s, int size)
{
	for (int rank = 0; rank < size; rank++)
		fy_bits_add(s->members, rank);
	s->root = 0;
	s->patience = patience();
}

static void take_crew(struct fy_statistics *s, const struct fy_crew *crew)
{
	fy_bits_copy(s->members, crew->now.members, crew->size);
	s->root = fy_bits_next(s->members, 0, crew->size);
	s->patience = PATIENCE_GONE;
}

static void choose(struct fy_statistics *s, const struct fy_progress *p)
{
	const struct fy_crew *crew = crew_of(p);
	s->root = FERRY_NONE;
	s->alone = "it ends without the others";
	if (p->close.clean)
		take_all(s, p->link.port->size);
	else if (crew && fy_crew_is_member(crew, crew->rank))
		take_crew(s, crew);
}

void fy_statistics_begin(struct fy_statistics *s, ferry *e)
{
	struct fy_progress *p = fy_progress_of(e);
	*s = (struct fy_statistics){ .where = e->options.stats, .root = FERRY_NONE };
	if (!s->where)
		return;
	s->members = calloc(fy_bits_words(e->size), sizeof *s->members);
	s->alone = "it had no memory for the others";
	if (s->members)
		choose(s, p);
	s->row.left = p->close.left;
	s->row.stats.memory_held = fy_bulk_holds(&p->bulk);
}

/* ---- writing --------------------------------------------------------------------------------- */

static bool write_all(int fd, const char *text)
{
	size_t nbytes = strlen(text);
	while (nbytes) {
		ssize_t written = write(fd, text, nbytes);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return false;
		text += written;
		nbytes -= (size_t)written;
	}
	return true;
}

/* What went wrong, as errno has it, or 0. */
static int write_file(const char *name, const char *text)
{
	int fd;
	do
		fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	while (fd < 0 && errno == EINTR);
	if (fd < 0)
		return errno;
	int failed = write_all(fd, text) ? 0 : errno;
	if (close(fd) != 0 && !failed)
		failed = errno;
	return failed;
}

/* The second engine of a process does not overwrite the file of the first: it is FILE.2.json. */
static void name_file(const char *where, char *name)
{
	uint32_t n = fy_add_32(&n_files, 1) + 1;
	size_t stem = strlen(where) - strlen(FY_STATS_ENDING);
	if (n == 1)
		snprintf(name, NAME_BYTES, "%s", where);
	else
		snprintf(name, NAME_BYTES, "%.*s.%u%s", (int)stem, where, n, where + stem);
}

static void put_file(const struct fy_statistics *s, const ferry *e,
                     const struct fy_census_row *rows, int ranks)
{
	char name[NAME_BYTES];
	char *text = fy_figures_json(rows, ranks);
	name_file(s->where, name);
	int failed = text ? write_file(name, text) : ENOMEM;
	if (failed)
		fy_log_say(
			e->log, e->rank,
			"the statistics could not be written to %.200s: %s; give the option stats "
			"another file, or 1 for a table on stderr",
			name, strerror(failed));
	free(text);
}

static void put_table(const ferry *e, const struct fy_census_row *rows, int ranks)
{
	char *text = fy_figures_table(rows, ranks);
	if (text)
		fy_log_print(text);
	else
		fy_log_say(e->log, e->rank, "no memory for the statistics");
	free(text);
}

static void put_own(const struct fy_statistics *s, const ferry *e)
{
	char *text = fy_figures_line(&s->row, e->rank, s->alone);
	if (text)
		fy_log_print(text);
	free(text);
}

static void put_all(const struct fy_statistics *s, const ferry *e, const struct fy_census_row *rows,
                    int ranks)
{
	if (fy_option_stats_file(s->where))
		put_file(s, e, rows, ranks);
	else
		put_table(e, rows, ranks);
}

/* ---- gathering ------------------------------------------------------------------------------- */

/* True: it is over. */
static bool wait_for(struct fy_census *c, int64_t patience)
{
	int64_t until = fy_timeout_in(patience), nap = FERRY_US(10);
	while (!fy_census_step(c)) {
		if (fy_clock_now() >= until)
			return false;
		struct timespec time = { 0, (long)nap };
		nanosleep(&time, NULL);
		nap = nap < NAP_MAX ? nap * 2 : nap;
	}
	return true;
}

/* With the rows, or with NULL where another rank has them. False: this rank writes its own. */
static bool gather(struct fy_statistics *s, fy_port *port, struct fy_census **census_p)
{
	struct fy_census *c = fy_census_begin(port, s->root, s->members, &s->row);
	*census_p = c;
	if (!c) {
		s->alone = "it had no memory for the others";
		return false;
	}
	if (!wait_for(c, s->patience)) {
		fy_census_give_up(c);
		wait_for(c, CANCEL_TIME);
	}
	s->alone = "the rank that writes the table did not take them (is the option stats set "
		   "there?)";
	return fy_census_rows(c) || fy_census_was_taken(c);
}

void fy_statistics_end(struct fy_statistics *s, ferry *e, fy_port *port)
{
	struct fy_census *c = NULL;
	if (!s->where)
		return;
	uint64_t held = s->row.stats.memory_held;
	s->row.stats = e->totals.last;
	s->row.stats.memory_held = held;
	fy_engine_add_totals(e, &s->row.stats);
	fy_census_sign(&s->row);
	if (s->root == FERRY_NONE || !gather(s, port, &c))
		put_own(s, e);
	else if (fy_census_rows(c))
		put_all(s, e, fy_census_rows(c), e->size);
	fy_census_free(c);
	free(s->members);
	s->members = NULL;
}
