/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The crew: which ranks go on together. Decision 0040 has the protocol in words. Only the holder of
 * the helm may call. Nothing here sends, waits or knows an engine: words and times come in, words
 * that are due, crews and a stop go out. Each word may be lost, doubled, late, or overtaken.
 *
 * A crew is a number and a set of members. It is committed when all its members have accepted it.
 *
 * What holds: two crews of one number that are committed are equal, or have no member in common;
 * of two with a common member, the one with the higher number is a subset of the other. Let X be
 * accepted by all its members with ballot x, Y with ballot y > x, and m a member of both. m
 * accepted X before it promised y, because afterwards it would have refused X. So the coordinator
 * of y saw X in the answer of m, or one that m accepted between the two. It goes by the answer with
 * the highest ballot, so by X or by one whose ballot is between x and y. The same holds for that
 * one, and so on down to X. Each step is a subset of the one before: either the same set with the
 * same number, or a smaller set with the next number. tests/models/crew.pml tries all courses of
 * three ranks.
 *
 * Why each of them includes X itself, and not some crew of strangers: the answer with the highest
 * ballot counts only for those that are its members. One of these is m, because m is in Y. And m
 * has accepted X before the highest one was accepted by anybody: its coordinator had a promise of
 * m, too.
 */
#include "helm/crew.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ferry.h"
#include "base/bits.h"
#include "wire/crew_word.h"

struct fy_crew_edge {
	int from, to; /* that rank does not hear this one */
};

/* Parts of the timeout. A rank that accuses coordinates by itself after ACCUSING; a coordinator
 * goes on without who is silent after ASKING; who waits for another one's outcome gives it up after
 * WAITING, which is longer than what the other one needs. */
#define ACCUSING(c) ((c)->timeout / 6)
#define ASKING(c) ((c)->timeout / 3)
#define WAITING(c) ((c)->timeout / 2)

/* ---- sets and ballots ---------------------------------------------------------------------- */

/* Below, equal, above: as memcmp. */
static int compare(struct fy_ballot a, struct fy_ballot b)
{
	if (a.count != b.count)
		return a.count < b.count ? -1 : 1;
	return a.rank < b.rank ? -1 : a.rank > b.rank;
}

static void copy_of(struct fy_crew *c, struct fy_crew_of *to, const struct fy_crew_of *from)
{
	to->number = from->number;
	to->ballot = from->ballot;
	fy_bits_copy(to->members, from->members, c->size);
}

bool fy_crew_is_member(const struct fy_crew *c, int rank)
{
	return fy_bits_has(c->now.members, rank);
}

/* Can this rank not go on with that one? */
static bool is_missed(const struct fy_crew *c, int rank)
{
	return rank != c->rank && (fy_bits_has(c->silent, rank) || fy_bits_has(c->broken, rank) ||
	                           fy_bits_has(c->dead, rank));
}

static bool misses_any(const struct fy_crew *c)
{
	fy_bits_each (i, c->accepted.members, c->size)
		if (is_missed(c, i) || fy_bits_has(c->dead, i))
			return true;
	return false;
}

/* ---- words that are due -------------------------------------------------------------------- */

static void owe(struct fy_crew *c, int to, enum fy_crew_kind kind)
{
	if (to == c->rank)
		return;
	c->n_due += !c->due[to];
	c->due[to] |= (uint8_t)(1u << kind);
}

static void owe_all(struct fy_crew *c, const uint64_t *set, enum fy_crew_kind kind)
{
	fy_bits_each (i, set, c->size)
		owe(c, i, kind);
}

static void enter(struct fy_crew *c, enum fy_crew_phase phase)
{
	if (c->phase == FY_CREW_STOPPED)
		return;
	c->phase = phase;
	c->since = c->time;
}

static void stop(struct fy_crew *c, enum fy_crew_stop why)
{
	enter(c, FY_CREW_STOPPED);
	if (!c->stop)
		c->stop = why;
}

/* ---- reports of who does not hear whom ----------------------------------------------------- */

/* What a rank reported before does not count any more. */
static void forget_reports(struct fy_crew_edges *e, int from)
{
	size_t n = e->n;
	e->n = 0;
	for (size_t i = 0; i < n; i++)
		if (e->all[i].from != from)
			e->all[e->n++] = e->all[i];
}

/* Without memory a report is lost: who made it will accuse again. */
static void note_report(struct fy_crew_edges *e, int from, int to)
{
	if (e->n == e->room) {
		size_t room = e->room ? 2 * e->room : 16;
		struct fy_crew_edge *all = realloc(e->all, room * sizeof *all);
		if (!all)
			return;
		e->all = all;
		e->room = room;
	}
	e->all[e->n++] = (struct fy_crew_edge){ from, to };
}

static bool is_between(const struct fy_crew_edge *edge, const uint64_t *set)
{
	return fy_bits_has(set, edge->from) && fy_bits_has(set, edge->to);
}

/* The rank that most reports between members of the set are about; of several, the highest. `count`
 * has a place for each rank, or is NULL for want of memory: then it is the higher one of the first
 * report. -1: there is no report. */
static int worst(const struct fy_crew_edges *e, const uint64_t *set, uint32_t *count)
{
	int found = -1;
	for (size_t i = 0; i < e->n; i++) {
		const int both[] = { e->all[i].from, e->all[i].to };
		for (int k = 0; k < 2 && is_between(&e->all[i], set); k++) {
			int rank = both[k];
			uint32_t n = count ? ++count[rank] : 0;
			uint32_t most = count && found >= 0 ? count[found] : 0;
			if (found < 0 || n > most || (n == most && rank > found))
				found = rank;
		}
		if (!count && found >= 0)
			break;
	}
	return found;
}

/* Until all that are left hear each other. */
static void drop_worst(const struct fy_crew *c, uint64_t *set)
{
	uint32_t *count = calloc((size_t)c->size, sizeof *count);
	int rank;
	while ((rank = worst(&c->edges, set, count)) >= 0) {
		fy_bits_remove(set, rank);
		if (count)
			memset(count, 0, (size_t)c->size * sizeof *count);
	}
	free(count);
}

/* Does the other one report the same? */
static bool is_mutual(const struct fy_crew_edges *e, const struct fy_crew_edge *edge)
{
	for (size_t i = 0; i < e->n; i++)
		if (e->all[i].from == edge->to && e->all[i].to == edge->from)
			return true;
	return false;
}

/* May a report still be taken back? One on the dead makes no difference. Where two ranks do not
 * hear each other, as when both gave their pair up, neither has anything to wait for. */
static bool any_doubt(const struct fy_crew *c)
{
	for (size_t i = 0; i < c->edges.n; i++) {
		const struct fy_crew_edge *edge = &c->edges.all[i];
		if (is_between(edge, c->best.members) && !fy_bits_has(c->dead, edge->to) &&
		    !fy_bits_has(c->dead, edge->from) && !is_mutual(&c->edges, edge))
			return true;
	}
	return false;
}

/* ---- a new crew ---------------------------------------------------------------------------- */

/* It was committed. Coordination on what was before is over. */
static void take(struct fy_crew *c, const struct fy_crew_of *of)
{
	copy_of(c, &c->now, of);
	c->changed = true;
	if (compare(c->promised, of->ballot) < 0)
		c->promised = of->ballot;
	if (compare(c->accepted.ballot, of->ballot) <= 0)
		copy_of(c, &c->accepted, of);
	enter(c, c->accepted.number > c->now.number ? FY_CREW_WAITING : FY_CREW_QUIET);
}

/* A member says that this crew is committed. */
static void hear_of(struct fy_crew *c, const struct fy_crew_of *of)
{
	if (of->number <= c->now.number)
		return;
	if (fy_bits_has(of->members, c->rank)) {
		take(c, of);
	} else {
		copy_of(c, &c->now, of); /* which this rank may still have to tell */
		stop(c, FY_CREW_EXCLUDED);
	}
}

/* All members have accepted what this rank proposed. All of the old crew are told, those that are
 * left out as well. */
static void commit(struct fy_crew *c)
{
	owe_all(c, c->now.members, FY_CREW_COMMIT);
	hear_of(c, &c->proposal);
	if (c->phase == FY_CREW_PROPOSING) /* it was committed before */
		enter(c, FY_CREW_QUIET);
}

/* ---- the coordinator ----------------------------------------------------------------------- */

static bool have_answered(const struct fy_crew *c, const uint64_t *asked)
{
	fy_bits_each (i, asked, c->size)
		if (!fy_bits_has(c->answered, i) && !fy_bits_has(c->dead, i) && i != c->rank)
			return false;
	return true;
}

/* Whose answer this rank waits for as coordinator; NULL: it does not coordinate. */
static const uint64_t *who_is_asked(const struct fy_crew *c)
{
	return c->phase == FY_CREW_ASKING      ? c->accepted.members
	       : c->phase == FY_CREW_PROPOSING ? c->proposal.members
	                                       : NULL;
}

bool fy_crew_awaits(const struct fy_crew *c, int rank)
{
	const uint64_t *asked = who_is_asked(c);
	return asked && fy_bits_has(asked, rank) && !fy_bits_has(c->answered, rank) &&
	       !fy_bits_has(c->dead, rank) && rank != c->rank;
}

/* Is time up? It begins anew while somebody is late, who will answer when it can. */
static bool is_time_up(struct fy_crew *c)
{
	fy_bits_each (i, c->late, c->size)
		if (fy_crew_awaits(c, i))
			c->since = c->time;
	return c->time - c->since >= ASKING(c);
}

/* Somebody of a set is known to be dead, since it was proposed. */
static bool has_dead(const struct fy_crew *c, const uint64_t *set)
{
	fy_bits_each (i, set, c->size)
		if (fy_bits_has(c->dead, i))
			return true;
	return false;
}

/* All of them: nothing stands for the acceptance of a member, not even its death. */
static bool have_accepted(const struct fy_crew *c)
{
	fy_bits_each (i, c->proposal.members, c->size)
		if (!fy_bits_has(c->answered, i) && i != c->rank)
			return false;
	return true;
}

static void note_own_reports(struct fy_crew *c)
{
	forget_reports(&c->edges, c->rank);
	for (int i = 0; i < c->size; i++)
		if (i != c->rank && (fy_bits_has(c->silent, i) || fy_bits_has(c->broken, i)))
			note_report(&c->edges, c->rank, i);
}

static void ask_again(struct fy_crew *c)
{
	fy_bits_each (i, c->accepted.members, c->size)
		if (!fy_bits_has(c->answered, i) || c->edges.n)
			owe(c, i, FY_CREW_ASK);
}

static void begin_asking(struct fy_crew *c)
{
	c->mine = (struct fy_ballot){ c->promised.count + 1, (uint32_t)c->rank };
	c->promised = c->mine;
	c->edges.n = 0;
	fy_bits_clear(c->answered, c->size);
	copy_of(c, &c->best, &c->accepted);
	enter(c, FY_CREW_ASKING);
	ask_again(c);
}

static bool has_quorum(const struct fy_crew *c, const uint64_t *set)
{
	int left = 2 * fy_bits_count(set, c->size), all = fy_bits_count(c->now.members, c->size);
	return left > all ||
	       (left == all && fy_bits_has(set, fy_bits_next(c->now.members, 0, c->size)));
}

/* Nobody answers. This rank may be the one that does not hear. Where one is known to be dead, or
 * there was only one, that is the more likely. */
static bool is_deaf(const struct fy_crew *c)
{
	return !fy_bits_count(c->answered, c->size) && !fy_bits_count(c->dead, c->size) &&
	       fy_bits_count(c->accepted.members, c->size) > 2;
}

/* The proposal: who answered, and is in the last crew that any answer shows. */
static void choose(struct fy_crew *c)
{
	uint64_t *set = c->proposal.members;
	fy_bits_copy(set, c->answered, c->size);
	fy_bits_add(set, c->rank);
	fy_bits_keep(set, c->best.members, c->size);
	fy_bits_drop(set, c->dead, c->size);
	note_own_reports(c);
	drop_worst(c, set);
	bool same = fy_bits_same(set, c->best.members, c->size);
	c->proposal.number = c->best.number + !same;
	c->proposal.ballot = c->mine;
}

static void accept(struct fy_crew *c, const struct fy_crew_of *of)
{
	c->promised = of->ballot;
	copy_of(c, &c->accepted, of);
}

static void propose(struct fy_crew *c)
{
	enter(c, FY_CREW_PROPOSING);
	fy_bits_clear(c->answered, c->size);
	owe_all(c, c->proposal.members, FY_CREW_PROPOSE);
	if (fy_bits_has(c->proposal.members, c->rank))
		accept(c, &c->proposal);
	if (have_accepted(c))
		commit(c);
}

/* All is as it was: the others need not wait any longer. */
static void end_in_vain(struct fy_crew *c)
{
	owe_all(c, c->now.members, FY_CREW_COMMIT);
	enter(c, FY_CREW_QUIET);
}

static void decide(struct fy_crew *c)
{
	choose(c);
	if (is_deaf(c))
		stop(c, FY_CREW_DEAF);
	else if (!fy_bits_count(c->proposal.members, c->size))
		stop(c, FY_CREW_EXCLUDED);
	else if (c->proposal.number == c->now.number)
		end_in_vain(c);
	else if (c->quorum && !has_quorum(c, c->proposal.members))
		stop(c, FY_CREW_NO_QUORUM);
	else
		propose(c);
}

/* Another rank has a higher ballot. */
static void yield_to(struct fy_crew *c, struct fy_ballot ballot)
{
	bool news = compare(c->promised, ballot) < 0;
	if (news)
		c->promised = ballot;
	if (news || c->phase == FY_CREW_QUIET || c->phase == FY_CREW_ACCUSING)
		enter(c, FY_CREW_WAITING);
}

/* ---- time ---------------------------------------------------------------------------------- */

static void accuse(struct fy_crew *c)
{
	fy_bits_each (i, c->accepted.members, c->size) {
		if (is_missed(c, i))
			continue;
		if (i == c->rank) {
			begin_asking(c);
			return;
		}
		owe(c, i, FY_CREW_ACCUSE);
		enter(c, FY_CREW_ACCUSING);
		return;
	}
}

/* A coordinator that is known to be dead is not waited for. One that was named and lives goes on
 * coordinating: where this rank was named, too, neither would ever come to an end if each took over
 * from the other at once. */
static bool is_worth_waiting_for(const struct fy_crew *c, int coordinator)
{
	return !fy_bits_has(c->dead, coordinator) || fy_bits_has(c->dead, c->rank);
}

static void in_phase(struct fy_crew *c, int64_t past)
{
	switch (c->phase) {
	case FY_CREW_QUIET:
		if (misses_any(c))
			accuse(c);
		break;
	case FY_CREW_ACCUSING:
		if (!misses_any(c))
			enter(c, FY_CREW_QUIET);
		else if (past >= ACCUSING(c))
			begin_asking(c);
		break;
	case FY_CREW_ASKING:
		if (is_time_up(c) || (have_answered(c, c->accepted.members) && !any_doubt(c)))
			decide(c);
		else
			ask_again(c);
		break;
	case FY_CREW_PROPOSING:
		if (is_time_up(c) || has_dead(c, c->proposal.members))
			begin_asking(c);
		else
			fy_bits_each (i, c->proposal.members, c->size)
				if (!fy_bits_has(c->answered, i))
					owe(c, i, FY_CREW_PROPOSE);
		break;
	case FY_CREW_WAITING:
		if (past < WAITING(c) && is_worth_waiting_for(c, (int)c->promised.rank))
			break;
		if (misses_any(c) || c->accepted.number > c->now.number)
			begin_asking(c);
		else
			enter(c, FY_CREW_QUIET);
		break;
	case FY_CREW_STOPPED:
		break;
	}
}

void fy_crew_step(struct fy_crew *c, int64_t time)
{
	c->time = time;
	in_phase(c, time - c->since);
}

void fy_crew_set_silent(struct fy_crew *c, int rank, bool silent)
{
	if (silent)
		fy_bits_add(c->silent, rank);
	else
		fy_bits_remove(c->silent, rank);
}

void fy_crew_set_late(struct fy_crew *c, int rank, bool late)
{
	if (late)
		fy_bits_add(c->late, rank);
	else
		fy_bits_remove(c->late, rank);
}

void fy_crew_set_broken(struct fy_crew *c, int rank)
{
	fy_bits_add(c->broken, rank);
}

void fy_crew_set_dead(struct fy_crew *c, int rank)
{
	fy_bits_add(c->dead, rank);
}

/* ---- hearing ------------------------------------------------------------------------------- */

/* A word that came, taken apart. */
struct heard {
	struct fy_crew_word word;
	struct fy_crew_of of;
	uint64_t *silent, *dead;
};

static void on_ask(struct fy_crew *c, int from, const struct heard *h)
{
	fy_bits_unite(c->dead, h->dead, c->size);
	if (compare(h->word.ballot, c->promised) >= 0)
		yield_to(c, h->word.ballot);
	owe(c, from, FY_CREW_ANSWER);
}

static void on_answer(struct fy_crew *c, int from, const struct heard *h)
{
	fy_bits_unite(c->dead, h->dead, c->size);
	if (h->of.number == h->word.number)
		hear_of(c, &h->of); /* it is committed */
	if (c->phase != FY_CREW_ASKING && c->phase != FY_CREW_PROPOSING)
		return;
	if (compare(h->word.ballot, c->mine) > 0)
		yield_to(c, h->word.ballot);
	if (c->phase != FY_CREW_ASKING || compare(h->word.ballot, c->mine) != 0)
		return;
	fy_bits_add(c->answered, from);
	forget_reports(&c->edges, from);
	fy_bits_each (i, h->silent, c->size)
		note_report(&c->edges, from, i);
	if (compare(h->of.ballot, c->best.ballot) > 0)
		copy_of(c, &c->best, &h->of);
	note_own_reports(c);
	if (have_answered(c, c->accepted.members) && !any_doubt(c))
		decide(c);
}

static void on_propose(struct fy_crew *c, int from, const struct heard *h)
{
	if (compare(h->word.ballot, c->promised) < 0 || h->of.number < c->now.number) {
		owe(c, from, FY_CREW_ANSWER);
		return;
	}
	yield_to(c, h->word.ballot);
	if (!fy_bits_has(h->of.members, c->rank))
		return;
	accept(c, &h->of);
	enter(c, FY_CREW_WAITING);
	owe(c, from, FY_CREW_ACCEPT);
}

static void on_accept(struct fy_crew *c, int from, const struct heard *h)
{
	if (c->phase != FY_CREW_PROPOSING || compare(h->word.ballot, c->mine) != 0)
		return;
	fy_bits_add(c->answered, from);
	if (have_accepted(c))
		commit(c);
}

static void on_commit(struct fy_crew *c, const struct heard *h)
{
	if (h->of.number == c->now.number && c->phase == FY_CREW_WAITING &&
	    c->accepted.number == c->now.number)
		enter(c, FY_CREW_QUIET); /* the coordinator found nobody missing */
	hear_of(c, &h->of);
}

static void obey(struct fy_crew *c, int from, const struct heard *h)
{
	switch ((enum fy_crew_kind)h->word.kind) {
	case FY_CREW_ACCUSE:
		fy_bits_unite(c->dead, h->dead, c->size);
		if (c->phase == FY_CREW_QUIET || c->phase == FY_CREW_ACCUSING)
			begin_asking(c);
		break;
	case FY_CREW_ASK:
		on_ask(c, from, h);
		break;
	case FY_CREW_ANSWER:
		on_answer(c, from, h);
		break;
	case FY_CREW_PROPOSE:
		on_propose(c, from, h);
		break;
	case FY_CREW_ACCEPT:
		on_accept(c, from, h);
		break;
	case FY_CREW_COMMIT:
		on_commit(c, h);
		break;
	case FY_CREW_KINDS:
	case FY_CREW_ASK_HERE:
	case FY_CREW_HERE:
	case FY_CREW_LEAVES:
	case FY_CREW_QUESTION:
	case FY_CREW_REPORT:
		break;
	}
}

/* Bits behind the last rank are 0 in each set, so that sets can be compared as bytes. */
static bool is_clean(const uint64_t *sets, size_t n, int size)
{
	uint64_t beyond = size % 64 ? ~UINT64_C(0) << (size % 64) : 0;
	size_t words = fy_bits_words(size);
	for (size_t i = 0; i < n; i++)
		if (sets[(i + 1) * words - 1] & beyond)
			return false;
	return true;
}

static void take_apart(struct fy_crew *c, struct heard *h, uint64_t *sets)
{
	size_t words = fy_bits_words(c->size);
	h->of = (struct fy_crew_of){ h->word.of.number, h->word.of.ballot, sets };
	h->silent = sets + words;
	bool one = h->word.kind == FY_CREW_ACCUSE || h->word.kind == FY_CREW_ASK;
	h->dead = one ? sets : sets + 2 * words;
}

/* What comes from a rank that is no member is answered with the crew: so it learns that it was left
 * out. Where each of two leaves out the other one, neither obeys. */
bool fy_crew_hear(struct fy_crew *c, int from, const void *word, size_t nbytes)
{
	struct heard h;
	uint64_t *sets = c->heard_sets;
	if (nbytes < sizeof h.word)
		return false;
	memcpy(&h.word, word, sizeof h.word);
	if (h.word.kind >= FY_CREW_KINDS || nbytes != fy_crew_word_bytes(h.word.kind, c->size))
		return false;
	memcpy(sets, (const char *)word + sizeof h.word, nbytes - sizeof h.word);
	if (!is_clean(sets, fy_crew_word_sets(h.word.kind), c->size) ||
	    h.word.ballot.rank >= (uint32_t)c->size || h.word.of.ballot.rank >= (uint32_t)c->size)
		return false;
	take_apart(c, &h, sets);
	if (c->phase == FY_CREW_STOPPED)
		return true;
	if (fy_crew_is_member(c, from))
		obey(c, from, &h);
	else if (h.word.kind != FY_CREW_COMMIT)
		fy_crew_tell(c, from);
	return true;
}

void fy_crew_tell(struct fy_crew *c, int rank)
{
	owe(c, rank, FY_CREW_COMMIT);
}

/* ---- writing ------------------------------------------------------------------------------- */

static char *put_set(const struct fy_crew *c, char *at, const uint64_t *set)
{
	size_t nbytes = fy_bits_words(c->size) * sizeof *set;
	memcpy(at, set, nbytes);
	return at + nbytes;
}

/* The silent and the broken ones. */
static char *put_missed(const struct fy_crew *c, char *at)
{
	for (size_t i = 0; i < fy_bits_words(c->size); i++) {
		uint64_t word = c->silent[i] | c->broken[i];
		memcpy(at, &word, sizeof word);
		at += sizeof word;
	}
	return at;
}

/* What is due may have passed meanwhile. */
static bool is_needed(const struct fy_crew *c, uint32_t kind)
{
	if (kind == FY_CREW_ASK)
		return c->phase == FY_CREW_ASKING;
	if (kind == FY_CREW_PROPOSE)
		return c->phase == FY_CREW_PROPOSING;
	return kind != FY_CREW_ACCUSE || c->phase == FY_CREW_ACCUSING;
}

static size_t write_word(const struct fy_crew *c, uint32_t kind, void *buffer)
{
	const struct fy_crew_of *of = kind == FY_CREW_PROPOSE  ? &c->proposal
	                              : kind == FY_CREW_COMMIT ? &c->now
	                                                       : &c->accepted;
	bool mine = kind == FY_CREW_ASK || kind == FY_CREW_PROPOSE;
	struct fy_crew_word word = {
		.kind = kind,
		.number = c->now.number,
		.ballot = mine                     ? c->mine
		          : kind == FY_CREW_ACCEPT ? c->accepted.ballot
		                                   : c->promised,
		.of = { of->number, of->ballot },
	};
	char *at = (char *)buffer + sizeof word;
	memcpy(buffer, &word, sizeof word);
	if (kind == FY_CREW_ANSWER || kind == FY_CREW_PROPOSE || kind == FY_CREW_COMMIT)
		at = put_set(c, at, of->members);
	if (kind == FY_CREW_ANSWER)
		at = put_missed(c, at);
	if (kind == FY_CREW_ANSWER || kind == FY_CREW_ASK || kind == FY_CREW_ACCUSE)
		at = put_set(c, at, c->dead);
	return (size_t)(at - (char *)buffer);
}

size_t fy_crew_write(struct fy_crew *c, int to, void *buffer)
{
	while (c->due[to]) {
		uint32_t kind = (uint32_t)__builtin_ctz(c->due[to]);
		c->due[to] &= (uint8_t)(c->due[to] - 1);
		c->n_due -= !c->due[to];
		if (is_needed(c, kind))
			return write_word(c, kind, buffer);
	}
	return 0;
}

/* ---- life ---------------------------------------------------------------------------------- */

int fy_crew_open(struct fy_crew *c, int rank, int size, int64_t timeout)
{
	uint64_t **const sets[] = { &c->now.members,      &c->accepted.members, &c->best.members,
		                    &c->silent,           &c->broken,           &c->dead,
		                    &c->proposal.members, &c->answered,         &c->late,
		                    &c->heard_sets };
	size_t n = sizeof sets / sizeof sets[0], words = fy_bits_words(size);
	*c = (struct fy_crew){ .rank = rank, .size = size, .timeout = timeout };
	c->memory = calloc((n + 2) * words, sizeof *c->memory); /* a word has up to 3 sets */
	c->due = calloc((size_t)size, sizeof *c->due);
	if (!c->memory || !c->due) {
		fy_crew_free(c);
		return FERRY_ENOMEM;
	}
	for (size_t i = 0; i < n; i++)
		*sets[i] = c->memory + i * words;
	for (int i = 0; i < size; i++)
		fy_bits_add(c->now.members, i);
	fy_bits_copy(c->accepted.members, c->now.members, size);
	return FERRY_OK;
}

void fy_crew_free(struct fy_crew *c)
{
	free(c->memory);
	free(c->due);
	free(c->edges.all);
	c->memory = NULL;
	c->due = NULL;
	c->edges.all = NULL;
}
