/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Large messages: announced by a record in a batch, so that they keep their place in the order;
 * their bytes travel as MPI messages of their own, from the poster's memory into memory that the
 * receiver allocates, in chunks.
 *
 * A message whose bytes fit into half of the unspent credit is prepaid: its chunks follow at once.
 * Any other waits until the receiver grants it, first come first served, out of a budget: one share
 * for requests, one for replies, so that a reply never waits for a request. A message larger than
 * the share goes alone.
 *
 * Messages whose memory is granted together end together, because their chunks take turns. How many
 * that are is the budget's: of eight equal ones at once the last ends at most 1.5 times as late as
 * the mean while the budget has room for three of them (3, 3 and 2 at a time: 1.49), and 2n / (n +
 * 1) times where n go one by one.
 *
 * Turns: a step starts some chunks' worth of sends in each channel and one chunk's worth of
 * receives in all, each time of the next transfer. What a network takes and brings by itself
 * meanwhile has up to FY_CHUNKS_MAX chunks a transfer to do.
 *
 *   transfer_chunk.c   chunks, numbers, tags
 *   transfer_out.c     the sender: announced, granted, sent, and what becomes of failures
 *   transfer_in.c      the receiver: announcements, lengths, memory, grants
 *   transfer_land.c    the receiver: chunks into that memory
 *   transfer_sink.c    where they go when there is none
 *   here               the step, and what both sides have
 */
#include "block.h"
#include "transfer.h"

bool fy_transfer_step(struct fy_progress *p)
{
	p->code_due = false;
	if (p->waiting[0] || p->waiting[1] || p->waiting[2] || p->landing)
		fy_inbound_granting(p);
	if (p->landing)
		fy_landing_step(p);
	if (p->n_out)
		for (struct fy_channel *ch = p->all; ch; ch = ch->all_next)
			fy_outbound_step(p, ch);
	fy_block_step(p);
	return p->n_out || p->landing;
}

static void release_later(struct fy_task *task)
{
	fy_message_free((ferry_message *)(void *)((char *)task - offsetof(ferry_message, task)));
}

void fy_transfer_release(struct fy_progress *p, ferry_message *m)
{
	if (m->flags & FY_MESSAGE_RECEIVED) {
		/* passed on: no user code to run, and a request is owed its answer */
		ferry_message_release(m);
		return;
	}
	if (fy_add_32(&m->refs, (uint32_t)-1) != 1)
		return;
	if (!fy_message_runs_code(m)) {
		fy_message_free(m);
		return;
	}
	if (p->user_code) {
		ferry *before = fy_engine_begin(FY_INLINE, p->engine);
		fy_message_free(m);
		fy_engine_end(FY_INLINE, before);
		return;
	}
	m->task.run = release_later;
	fy_dispatch_defer(p, &m->task);
}

/* ---- the end ------------------------------------------------------------------------- */

bool fy_transfer_quiet(const struct fy_progress *p)
{
	return !p->n_out && !p->n_parked && !p->landing && !p->waiting[0] && !p->waiting[1] &&
	       !p->waiting[2];
}

bool fy_transfer_blocked(const struct fy_progress *p)
{
	return p->waiting[0] != NULL;
}

/* What is under way to or from a peer that is gone. */
void fy_transfer_channel_gone(struct fy_progress *p, struct fy_channel *ch)
{
	fy_outbound_gone(p, ch);
	fy_inbound_gone(p, ch);
}

/* At the very end. Messages that MPI may still read or write are left alone. */
void fy_transfer_free(struct fy_progress *p)
{
	for (struct fy_channel *ch = p->all; ch; ch = ch->all_next) {
		fy_inbound_free_all(p, ch);
		fy_outbound_free_all(p, ch);
	}
	fy_chunk_free_all(p);
	fy_sink_close(p);
}
