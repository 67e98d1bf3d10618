/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions: one rank asks others how they are, by words that pass by everything else, and each
 * answers by one report. Only the holder of the helm may call.
 *
 * Nothing is kept for a word but a bit for its peer. A question is written when it is sent, and so
 * is a report: it says how the rank is then. A word that is lost, or for which there is no memory,
 * is asked for again by who asks, who also keeps the time. A rank that has two questions of one
 * peer answers the last.
 *
 * A rank that cannot answer may be on a host with others that can. So a question says who was
 * silent so far; of the ranks of a host the lowest one that was not reports on those that were. Who
 * is asked so, and is not silent, does not report on itself again.
 */
#include "helm/question.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ferry.h"
#include "base/bits.h"
#include "base/clock.h"
#include "base/order.h"
#include "helm/peer.h"
#include "helm/progress.h"
#include "helm/words.h"
#include "link/channel.h"
#include "port/port.h"
#include "shared/engine.h"
#include "wire/crew_word.h"
#include "wire/header.h"

#define OWN (FY_WORD_QUESTION | FY_WORD_REPORT | FY_WORD_SILENT)

static void owe(struct fy_progress *p, struct fy_channel *ch, enum fy_own_word word)
{
	fy_peer_of(ch)->words.due |= (uint8_t)word;
	p->words.open = true;
}

static void drop(struct fy_words *words, unsigned bits)
{
	words->due &= (uint8_t)~bits;
	if (!(bits & FY_WORD_SILENT))
		return;
	free(words->about);
	words->about = NULL;
}

/* ---- asking -------------------------------------------------------------------------------- */

static int keep_silent(struct fy_progress *p, const uint64_t *silent)
{
	int size = p->link.engine->size;
	size_t nbytes = fy_bits_words(size) * sizeof *silent;
	free(p->questions.silent);
	p->questions.silent = NULL;
	if (!silent)
		return FERRY_OK;
	p->questions.silent = malloc(nbytes);
	if (!p->questions.silent)
		return FERRY_ENOMEM;
	memcpy(p->questions.silent, silent, nbytes);
	return FERRY_OK;
}

int fy_question_ask(struct fy_progress *p, uint32_t id, const uint64_t *wanted,
                    const uint64_t *silent)
{
	const ferry *e = p->link.engine;
	int status = keep_silent(p, silent);
	p->questions.id = id;
	for (int rank = 0; !status && rank < e->size; rank++) {
		if (rank == e->rank || !fy_bits_has(wanted, rank))
			continue;
		struct fy_channel *ch = fy_peer_get(p, rank);
		if (!ch)
			status = FERRY_ENOMEM;
		else if (!ch->gone)
			owe(p, ch, FY_WORD_QUESTION);
	}
	return status;
}

void fy_question_end(struct fy_progress *p)
{
	keep_silent(p, NULL);
	p->questions.id = 0;
	fy_link_each (ch, &p->link)
		drop(&fy_peer_of(ch)->words, FY_WORD_QUESTION);
}

/* ---- writing ------------------------------------------------------------------------------- */

/* A word that needs the network after the goodbyes might stay there for ever. */
static bool may_send(const struct fy_progress *p, const struct fy_channel *ch)
{
	return !ch->gone && !p->close.byes && !ch->bye.seen;
}

static size_t put_head(const struct fy_progress *p, char *body, uint32_t kind)
{
	struct fy_crew_word word = { .kind = kind, .number = p->lookout.crew.now.number };
	memcpy(body, &word, sizeof word);
	return sizeof word;
}

static size_t write_question(struct fy_progress *p, char *body)
{
	struct fy_question q = { .id = p->questions.id };
	int size = p->link.engine->size;
	size_t set = fy_bits_words(size) * sizeof(uint64_t), at;
	at = put_head(p, body, FY_CREW_QUESTION);
	memcpy(body + at, &q, sizeof q);
	memset(body + at + sizeof q, 0, set);
	if (p->questions.silent)
		memcpy(body + at + sizeof q, p->questions.silent, set);
	return at + sizeof q + set;
}

static size_t write_report(struct fy_progress *p, const struct fy_words *words, int about,
                           char *body)
{
	const struct fy_question_side *side = p->questions.side;
	struct fy_report report = { .id = words->asked, .about = about };
	size_t at = put_head(p, body, FY_CREW_REPORT);
	memcpy(body + at, &report, sizeof report);
	at += sizeof report;
	return at + (side ? side->write(p, about, body + at, fy_question_max(p) - at) : 0);
}

/* On the next silent rank; one of which nothing is known is left out. */
static size_t write_silent(struct fy_progress *p, struct fy_words *words, char *body)
{
	int size = p->link.engine->size;
	for (int about; (about = fy_bits_next(words->about, 0, size)) < size;) {
		size_t nbytes = write_report(p, words, about, body);
		fy_bits_remove(words->about, about);
		if (nbytes > sizeof(struct fy_crew_word) + sizeof(struct fy_report))
			return nbytes;
	}
	drop(words, FY_WORD_SILENT);
	return 0;
}

size_t fy_question_max(const struct fy_progress *p)
{
	size_t question = fy_crew_word_question_bytes(p->link.engine->size);
	size_t report = FY_BATCH_BYTES - sizeof(struct fy_batch_header);
	return question > report ? question : report;
}

size_t fy_question_write(struct fy_progress *p, struct fy_channel *ch, char *body)
{
	struct fy_words *words = &fy_peer_of(ch)->words;
	if (!may_send(p, ch)) {
		drop(words, OWN);
		return 0;
	}
	if (words->due & FY_WORD_QUESTION) {
		drop(words, FY_WORD_QUESTION);
		return write_question(p, body);
	}
	if (words->due & FY_WORD_REPORT) {
		drop(words, FY_WORD_REPORT);
		return write_report(p, words, p->link.engine->rank, body);
	}
	return words->due & FY_WORD_SILENT ? write_silent(p, words, body) : 0;
}

/* ---- hearing ------------------------------------------------------------------------------- */

/* Is this the lowest rank of its host that is not silent? */
static bool speaks_for_host(const struct fy_progress *p, const uint64_t *silent)
{
	fy_port *port = p->link.port;
	for (int rank = 0; rank < port->rank; rank++)
		if (!fy_bits_has(silent, rank) && port->ops->doorbell(port, rank))
			return false;
	return true;
}

/* The silent ranks of this host. Without memory: none; the question comes again. */
static void owe_silent(struct fy_progress *p, struct fy_channel *ch, const uint64_t *silent)
{
	struct fy_words *words = &fy_peer_of(ch)->words;
	fy_port *port = p->link.port;
	drop(words, FY_WORD_SILENT);
	if (!speaks_for_host(p, silent))
		return;
	words->about = calloc(fy_bits_words(port->size), sizeof *words->about);
	for (int rank = 0; words->about && rank < port->size; rank++)
		if (rank != port->rank && fy_bits_has(silent, rank) &&
		    port->ops->doorbell(port, rank))
			fy_bits_add(words->about, rank);
	if (words->about)
		owe(p, ch, FY_WORD_SILENT);
}

static void note_asked(ferry *engine, int by)
{
	struct fy_stillness *stillness = &engine->totals.stillness;
	uint64_t now = (uint64_t)fy_clock_now();
	fy_store_relaxed_64(&stillness->asked_at, now);
	if (by < engine->rank)
		fy_store_relaxed_64(&stillness->asked_by_lower_at, now);
}

static bool hear_question(struct fy_progress *p, struct fy_channel *ch, const char *body,
                          size_t nbytes)
{
	int size = p->link.engine->size, me = p->link.engine->rank;
	struct fy_words *words = &fy_peer_of(ch)->words;
	struct fy_question q;
	if (nbytes != fy_crew_word_question_bytes(size))
		return false;
	memcpy(&q, body + sizeof(struct fy_crew_word), sizeof q);
	uint64_t *silent = malloc(fy_bits_words(size) * sizeof *silent);
	if (!silent)
		return true;
	memcpy(silent, body + sizeof(struct fy_crew_word) + sizeof q,
	       fy_bits_words(size) * sizeof *silent);
	bool ok = !fy_bits_beyond(silent, size);
	if (ok) {
		note_asked(p->link.engine, ch->rank);
		words->asked = q.id;
		if (fy_bits_count(silent, size) == 0 || fy_bits_has(silent, me))
			owe(p, ch, FY_WORD_REPORT);
		else
			owe_silent(p, ch, silent);
	}
	free(silent);
	return ok;
}

static bool hear_report(struct fy_progress *p, struct fy_channel *ch, const char *body,
                        size_t nbytes)
{
	const struct fy_questions *questions = &p->questions;
	size_t head = sizeof(struct fy_crew_word) + sizeof(struct fy_report);
	struct fy_report report;
	if (nbytes < head)
		return false;
	memcpy(&report, body + sizeof(struct fy_crew_word), sizeof report);
	if (report.about < 0 || report.about >= p->link.engine->size)
		return false;
	if (!questions->arg || report.id != questions->id)
		return true; /* late */
	struct fy_question_heard heard = { .id = report.id,
		                           .from = ch->rank,
		                           .about = report.about,
		                           .bytes = body + head,
		                           .nbytes = nbytes - head };
	questions->side->heard(questions->arg, &heard);
	return true;
}

void fy_question_hear(struct fy_progress *p, struct fy_channel *ch, const void *word, size_t nbytes)
{
	struct fy_crew_word head;
	memcpy(&head, word, sizeof head);
	bool ok = head.kind == FY_CREW_QUESTION ? hear_question(p, ch, word, nbytes)
	                                        : hear_report(p, ch, word, nbytes);
	if (!ok)
		p->link.stats.malformed++;
}
