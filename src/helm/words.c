/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words: batches without a number, which pass by the order of a pair. So they come through when
 * batches are missing, or wait for memory. What is due is a bit for each kind and peer; a word is
 * written when it is sent, and one is under way to each peer. Only the holder of the helm may call.
 */
#include "helm/words.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ferry.h"
#include "helm/crew.h"
#include "helm/gone.h"
#include "helm/lookout.h"
#include "helm/peer.h"
#include "helm/progress.h"
#include "helm/question.h"
#include "helm/receives.h"
#include "link/channel.h"
#include "port/port.h"
#include "shared/engine.h"
#include "shared/wake.h"
#include "wire/checksum.h"
#include "wire/crew_word.h"
#include "wire/header.h"

#define UNDER_WAY_MAX FERRY_MS(200)

void fy_words_owe(struct fy_progress *p, struct fy_channel *ch, enum fy_own_word word)
{
	if (ch->rank == p->link.engine->rank)
		return;
	fy_peer_of(ch)->words.due |= (uint8_t)word;
	p->words.open = true;
}

/* ---- sending ------------------------------------------------------------------------------- */

/* All peers get the same bytes, so this needs no memory. */
static const struct fy_batch_header gave_up = { .magic = FY_WIRE_MAGIC,
	                                        .version = FY_WIRE_VERSION,
	                                        .flags = FY_BATCH_GAVE_UP };

static size_t write_own(struct fy_progress *p, struct fy_words *words, char *body)
{
	static const struct {
		enum fy_own_word bit;
		uint32_t kind;
	} kinds[] = { { FY_WORD_LEAVES, FY_CREW_LEAVES },
		      { FY_WORD_HERE, FY_CREW_HERE },
		      { FY_WORD_ASK, FY_CREW_ASK_HERE } };
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		if (!(words->due & kinds[i].bit))
			continue;
		struct fy_crew_word word = { .kind = kinds[i].kind,
			                     .number = p->lookout.crew.now.number };
		words->due &= (uint8_t)~kinds[i].bit;
		memcpy(body, &word, sizeof word);
		return sizeof word;
	}
	return 0;
}

/* The next word, into memory of its own. 0: none is due, or there is no memory now. */
static size_t write_next(struct fy_progress *p, struct fy_channel *ch)
{
	struct fy_words *words = &fy_peer_of(ch)->words;
	struct fy_crew *crew = &p->lookout.crew;
	struct fy_batch_header h = gave_up;
	h.flags = FY_BATCH_WORD;
	size_t room = fy_crew_word_max(p->link.engine->size), more = fy_question_max(p);
	words->buffer = malloc(sizeof h + (room > more ? room : more));
	if (!words->buffer)
		return 0;
	char *body = words->buffer + sizeof h;
	memcpy(words->buffer, &h, sizeof h);
	size_t nbytes = words->due & FY_WORD_LEAVES || !p->lookout.on
	                        ? 0
	                        : fy_crew_write(crew, ch->rank, body);
	if (!nbytes)
		nbytes = write_own(p, words, body);
	if (!nbytes)
		nbytes = fy_question_write(p, ch, body);
	if (nbytes && p->link.options->checksum)
		fy_checksum_put(words->buffer, sizeof h + nbytes);
	return nbytes ? sizeof h + nbytes : 0;
}

static void end_word(struct fy_words *words)
{
	words->under_way = false;
	free(words->buffer);
	words->buffer = NULL;
}

static void send_next(struct fy_progress *p, struct fy_channel *ch)
{
	struct fy_words *words = &fy_peer_of(ch)->words;
	fy_port *port = p->link.port;
	bool given_up = words->due & FY_WORD_GAVE_UP;
	words->due &= (uint8_t)~FY_WORD_GAVE_UP;
	size_t nbytes = given_up ? sizeof gave_up : write_next(p, ch);
	const void *bytes = given_up ? (const void *)&gave_up : words->buffer;
	words->sent_at = p->link.now;
	words->under_way = nbytes && port->ops->send(port, ch->rank, FY_TAG_BATCH, bytes, nbytes,
	                                             &words->request) == 0;
	if (!words->under_way)
		end_word(words); /* who misses an answer asks again */
	else if (ch->doorbell)
		fy_wake_ring(ch->doorbell);
}

static bool is_due(const struct fy_progress *p, const struct fy_channel *ch)
{
	return fy_peer_of(ch)->words.due || (p->lookout.on && p->lookout.crew.due[ch->rank]);
}

static bool is_under_way(struct fy_progress *p, struct fy_words *words)
{
	if (words->under_way && p->link.port->ops->test(p->link.port, &words->request))
		end_word(words);
	return words->under_way;
}

/* One to a rank that is dead may be under way for ever: no step looks for it any more. */
static bool is_open(struct fy_progress *p, struct fy_channel *ch)
{
	struct fy_words *words = &fy_peer_of(ch)->words;
	if (!is_under_way(p, words) && is_due(p, ch))
		send_next(p, ch);
	return words->under_way ? p->link.now - words->sent_at < UNDER_WAY_MAX : is_due(p, ch);
}

/* A word of the crew may be the first thing that is sent to a rank. */
static void open_channels(struct fy_progress *p)
{
	for (int rank = 0; rank < p->link.engine->size; rank++)
		if (p->lookout.crew.due[rank])
			fy_peer_get(p, rank);
}

void fy_words_step(struct fy_progress *p)
{
	if (p->lookout.on && p->lookout.crew.n_due)
		open_channels(p);
	p->words.open = false;
	fy_link_each (ch, &p->link)
		p->words.open |= is_open(p, ch);
}

bool fy_words_are_over(struct fy_progress *p)
{
	bool over = true;
	fy_link_each (ch, &p->link)
		over &= !is_under_way(p, &fy_peer_of(ch)->words);
	return over;
}

static void free_word(struct fy_words *words, bool clean)
{
	free(words->about);
	if (clean || !words->under_way)
		free(words->buffer);
}

void fy_words_free(struct fy_progress *p, bool clean)
{
	fy_link_each (ch, &p->link)
		free_word(&fy_peer_of(ch)->words, clean);
	free(p->questions.silent);
}

/* ---- hearing ------------------------------------------------------------------------------- */

static void hear_own(struct fy_progress *p, struct fy_channel *ch, const struct fy_crew_word *word)
{
	if (word->kind == FY_CREW_LEAVES) {
		fy_lookout_leaves(p, ch);
	} else if (word->kind == FY_CREW_ASK_HERE) {
		fy_words_owe(p, ch, FY_WORD_HERE);
		fy_lookout_compare(p, ch, word->number);
	} else if (word->kind != FY_CREW_HERE) {
		p->link.stats.malformed++;
	}
}

void fy_words_arrived(struct fy_progress *p, struct fy_channel *ch, const struct fy_slot *slot)
{
	const struct fy_batch_header *h = fy_header_of(slot->buffer);
	const char *body = slot->buffer + sizeof *h;
	size_t nbytes = slot->request.nbytes - sizeof *h;
	struct fy_crew_word word;
	if (h->flags & FY_BATCH_GAVE_UP) {
		fy_gone_given_up(p, ch);
		return;
	}
	if (nbytes < sizeof word) {
		p->link.stats.malformed++;
		return;
	}
	memcpy(&word, body, sizeof word);
	fy_lookout_heard(p, ch);
	if (word.kind == FY_CREW_QUESTION || word.kind == FY_CREW_REPORT)
		fy_question_hear(p, ch, body, nbytes);
	else if (word.kind >= FY_CREW_KINDS)
		hear_own(p, ch, &word);
	else if (!fy_lookout_hear(p, ch, body, nbytes))
		p->link.stats.malformed++;
}
