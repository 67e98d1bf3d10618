/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The census: one row of each rank comes to the root. Only the thread that ends the engine.
 *
 * The root receives one row after the other, from any rank, and answers each with a word. A rank
 * without that word says its figures itself. So nobody relies on all ranks having the option, nor
 * on all of them living: whoever waits too long gives up. All of it has a tag that nothing else
 * has. A row is short enough for MPI to send it before its receive is there.
 */
#include "engine/census.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "ferry.h"
#include "base/bits.h"

#define MAGIC 0x43595246u /* the bytes F R Y C */
#define FAILURES_MAX 16   /* of the root's receive, in all */
#define WORD UINT64_C(0x59595246)

_Static_assert(sizeof(struct fy_census_row) <= 1024, "MPI sends it at once");

struct fy_census {
	fy_port *port;
	int root;
	bool given_up, taken;
	int expected, heard; /* rows, at the root; its own is one of them */
	int failures;
	bool receiving, sending;    /* request `in` is under way, and `out` */
	fy_request in, out;         /* `out`: elsewhere than at the root */
	struct fy_census_row row;   /* this rank's; at the root the one that comes in */
	uint64_t word;              /* what the root says, there and here */
	struct fy_census_row *rows; /* at the root, by rank */
	fy_request *words;          /* at the root, by rank: sends of the word */
	uint64_t *members, *open;   /* ranks; and those whose `words` are under way */
	struct fy_census *next;
};
static struct fy_census *left_behind; /* memory that stays reachable; ends come one at a time */

void fy_census_sign(struct fy_census_row *row)
{
	row->magic = MAGIC;
	row->nbytes = sizeof *row;
}

static bool is_root(const struct fy_census *c)
{
	return c->root == c->port->rank;
}

/* ---- at the root ----------------------------------------------------------------------------- */

static void receive(struct fy_census *c)
{
	void *to = is_root(c) ? (void *)&c->row : (void *)&c->word;
	size_t nbytes = is_root(c) ? sizeof c->row : sizeof c->word;
	int from = is_root(c) ? FY_PORT_ANY : c->root;
	c->receiving = c->port->ops->recv(c->port, from, c->port->tag_max, to, nbytes, &c->in) == 0;
	c->failures += !c->receiving;
}

/* Bytes of a peer: nothing in them is believed. */
static bool is_sound(const struct fy_census_row *row, size_t nbytes)
{
	if (nbytes != sizeof *row || row->magic != MAGIC || row->nbytes != sizeof *row ||
	    row->left.n > FY_LEFT_NAMED)
		return false;
	for (uint32_t i = 0; i < row->left.n; i++)
		if (row->left.of[i].what >= FY_LEFT_KINDS)
			return false;
	return true;
}

static void answer(struct fy_census *c, int rank)
{
	if (c->port->ops->send(c->port, rank, c->port->tag_max, &c->word, sizeof c->word,
	                       &c->words[rank]) == 0)
		fy_bits_add(c->open, rank);
}

static void take(struct fy_census *c)
{
	int from = c->in.source;
	if (c->in.status != 0) {
		c->failures++;
		return;
	}
	if (from < 0 || from >= c->port->size || !fy_bits_has(c->members, from) ||
	    c->rows[from].magic || !is_sound(&c->row, c->in.nbytes))
		return;
	c->rows[from] = c->row;
	c->heard++;
	answer(c, from);
}

static bool step_root(struct fy_census *c)
{
	if (c->receiving && c->port->ops->test(c->port, &c->in)) {
		c->receiving = false;
		take(c);
	}
	bool more = c->heard < c->expected && !c->given_up && c->failures < FAILURES_MAX;
	if (!c->receiving && more)
		receive(c);
	fy_bits_each (rank, c->open, c->port->size)
		if (c->port->ops->test(c->port, &c->words[rank]))
			fy_bits_remove(c->open, rank);
	return !c->receiving && !more && !fy_bits_count(c->open, c->port->size);
}

/* ---- elsewhere ------------------------------------------------------------------------------- */

static void send_row(struct fy_census *c)
{
	receive(c);
	if (!c->receiving)
		return;
	c->sending = c->port->ops->send(c->port, c->root, c->port->tag_max, &c->row, sizeof c->row,
	                                &c->out) == 0;
	if (!c->sending)
		fy_census_give_up(c);
}

static bool step_other(struct fy_census *c)
{
	if (c->sending && c->port->ops->test(c->port, &c->out))
		c->sending = false;
	if (c->receiving && c->port->ops->test(c->port, &c->in)) {
		c->receiving = false;
		c->taken = c->in.status == 0 && c->in.nbytes == sizeof c->word && c->word == WORD;
	}
	return !c->sending && !c->receiving;
}

/* ---- its life -------------------------------------------------------------------------------- */

static void release(struct fy_census *c)
{
	free(c->rows);
	free(c->words);
	free(c->members);
	free(c->open);
	free(c);
}

static struct fy_census *allocate(fy_port *port, int root)
{
	struct fy_census *c = calloc(1, sizeof *c);
	size_t words = fy_bits_words(port->size);
	if (!c)
		return NULL;
	c->port = port;
	c->root = root;
	c->members = calloc(words, sizeof *c->members);
	c->open = calloc(words, sizeof *c->open);
	if (is_root(c)) {
		c->rows = calloc((size_t)port->size, sizeof *c->rows);
		c->words = calloc((size_t)port->size, sizeof *c->words);
	}
	if (c->members && c->open && (!is_root(c) || (c->rows && c->words)))
		return c;
	release(c);
	return NULL;
}

struct fy_census *fy_census_begin(fy_port *port, int root, const uint64_t *members,
                                  const struct fy_census_row *row)
{
	struct fy_census *c = allocate(port, root);
	if (!c)
		return NULL;
	fy_bits_copy(c->members, members, port->size);
	c->expected = fy_bits_count(members, port->size);
	if (is_root(c)) {
		c->word = WORD;
		c->rows[root] = *row;
		c->heard = 1;
	} else {
		c->row = *row;
		send_row(c);
	}
	return c;
}

bool fy_census_step(struct fy_census *c)
{
	return is_root(c) ? step_root(c) : step_other(c);
}

void fy_census_give_up(struct fy_census *c)
{
	c->given_up = true;
	if (c->receiving)
		c->port->ops->cancel(c->port, &c->in);
}

bool fy_census_was_taken(const struct fy_census *c)
{
	return c->taken;
}

const struct fy_census_row *fy_census_rows(const struct fy_census *c)
{
	return c->rows;
}

void fy_census_free(struct fy_census *c)
{
	if (!c)
		return;
	if (c->receiving || c->sending || fy_bits_count(c->open, c->port->size)) {
		c->next = left_behind;
		left_behind = c;
		return;
	}
	release(c);
}
