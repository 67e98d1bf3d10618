/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of large messages share; transfer.c has the notes. All of it is the helm's. */
#ifndef FY_TRANSFER_H
#define FY_TRANSFER_H

#include "progress.h"

#define FY_CHUNKS_MAX 4u  /* in flight for one transfer; a peer may have up to 32 */
#define FY_ACTIVE_MAX 16u /* transfers that one step looks after */
/* a port that refuses a chunk for so long will not take it any more */
#define FY_REFUSED_LAST FERRY_S(1)

struct fy_chunk {
	fy_request request;
	struct fy_chunk *next;
	uint64_t number;
	size_t nbytes;
	bool lost; /* a receive: its sender said that it does not come */
};

struct fy_cursor {
	uint32_t part;
	size_t offset;
	uint64_t number;
};

/* The chunks of one message on one side: which comes next, and which are under way,
 * oldest first. */
struct fy_flow {
	struct fy_cursor at;
	uint64_t end; /* behind its last number; more than that while lengths are missing */
	/* in the order in which tags are used; NULL: it has no turn (yet) */
	struct fy_flow *turn_next, **turn_here;
	struct fy_chunk *flight, *flight_last;
	unsigned n_flight;
	/* of chunks that are over, from this number on: their receives may still be posted */
	bool keeps_tags;
	uint64_t kept;
	int64_t refused_since; /* when the port began to refuse its next chunk; 0: it does not */
};

struct fy_outbound {
	struct fy_outbound *next;        /* in its channel, until it is over */
	struct fy_outbound *stream_next; /* in its stream, until it is acknowledged */
	struct fy_channel *ch;
	ferry_message *message; /* a reference; NULL: all is sent */
	uint64_t xid, total, call_id;
	uint32_t kind, stream, stream_number, n_parts, lengths_sent;
	/* of its announcement and of its last lengths: fy_channel_place */
	uint64_t place, lengths_place;
	size_t chunk_bytes;
	struct fy_flow flow;
	bool admitted;  /* prepaid or granted: its chunks go */
	bool broken;    /* a chunk was not sent: no more are started */
	bool lost_owed; /* and the receiver is to be told */
	/* which of the last ones that were started: bit i is flow.at.number - 1 - i */
	uint32_t lost;
	bool failed;    /* its future, if there is one, has ended badly */
	bool acked;     /* the receiver has dealt with its place in the stream; or it has none */
	bool confirmed; /* the receiver has dealt with what is lost */
	bool over;      /* it has left its channel: only the stream knows it */
};

struct fy_inbound {
	struct fy_inbound *next;               /* parked, waiting for a grant, or landing */
	struct fy_inbound *ch_next, **ch_here; /* in its channel; what points to it */
	struct fy_inbound *grant_next;
	/* it is on its channel's list of grants: not to be freed before that left */
	bool grant_owed;
	bool refused; /* nothing of it comes (any more): freed once the sender knows why */
	bool prepaid, dead;
	bool asked; /* in this step, for a chunk */
	/* the sender broke off: chunks end before number `cut_at`, without those in `lost` */
	bool cut;
	bool stalled;  /* nothing came for long: what it holds does not count against other ranks */
	uint32_t lost; /* bit i is cut_at - 1 - i */
	uint64_t cut_at;
	int cut_status;
	struct fy_channel *ch;
	int64_t short_since; /* when what is prepaid first found no memory; 0: it did not */
	uint64_t tried_at;   /* the step in which that was last so */
	bool sunk;           /* it never will: its bytes go nowhere (transfer_sink.c) */
	/* what of its memory there is, while some is missing: only of what is prepaid */
	ferry_message *draft;
	/* of how many attachments the program was asked where they land: once each */
	uint32_t asked_for;
	ferry_message *message; /* once there is memory */
	struct fy_held *held;   /* its place in the stream; NULL for replies */
	uint64_t xid, total, call_id;
	uint64_t needs;  /* of the budget, once its lengths are known */
	uint64_t charge; /* what its place holds of the credit, until the message does */
	uint64_t large;  /* what it takes of its budget while it lands */
	uint32_t kind, stream, op, n_parts, lengths_known;
	uint8_t colour;
	uint64_t *lengths; /* until there is memory */
	size_t chunk_bytes;
	int64_t moved_at; /* when it was granted, or a chunk came */
	int status;
	struct fy_flow flow;
};

/* ---- transfer_chunk.c ---- */
struct fy_chunk *fy_chunk_get(struct fy_progress *p); /* NULL: no memory */
void fy_chunk_put(struct fy_progress *p, struct fy_chunk *c);
void fy_chunk_free_all(struct fy_progress *p);
int fy_chunk_tag(const struct fy_progress *p, uint64_t number);
char *fy_part_data(const ferry_message *m, uint32_t part);
/* Chunks of a message that has memory. */
uint64_t fy_chunk_count_all(const ferry_message *m, uint32_t n_parts, size_t chunk_bytes);
/* Its next chunk was started as `c`. */
void fy_flow_start(struct fy_progress *p, struct fy_flow *flow, struct fy_chunk *c, size_t nbytes);
/* The port has refused the next chunk: for too long? */
bool fy_flow_refused(struct fy_progress *p, struct fy_flow *flow);
/* A chunk was not sent: its tag is not free until the receiver says so. */
void fy_flow_keep_tag(struct fy_flow *flow, uint64_t number);
/* It has a turn from now on, behind all others; or its turn is over. */
void fy_turns_take(struct fy_turns *turns, struct fy_flow *flow);
void fy_turns_leave(struct fy_turns *turns, struct fy_flow *flow);
/* May its next chunk use its tag now? */
bool fy_turns_tag_free(struct fy_progress *p, struct fy_turns *turns, const struct fy_flow *flow);
/* Are the tags from number `low` to what is before `end` different ones, and of no unfinished chunk
 * with a turn? */
bool fy_turns_single(struct fy_progress *p, struct fy_turns *turns, uint64_t low, uint64_t end);

/* These are asked of every transfer in every step. */
static inline size_t fy_part_length(const ferry_message *m, uint32_t part)
{
	return part == 0 ? m->nbytes : m->attachments[part - 1].nbytes;
}

/* The length of the next chunk, or 0: there is none. Moves on over parts that are done. */
static inline size_t fy_flow_next(const ferry_message *m, uint32_t n_parts, size_t chunk_bytes,
                                  struct fy_flow *flow)
{
	struct fy_cursor *at = &flow->at;
	while (at->part < n_parts && at->offset == fy_part_length(m, at->part)) {
		at->part++;
		at->offset = 0;
	}
	if (at->part == n_parts)
		return 0;
	size_t left = fy_part_length(m, at->part) - at->offset;
	return left < chunk_bytes ? left : chunk_bytes;
}

/* The oldest chunk, if it is done: it is taken out. */
static inline struct fy_chunk *fy_flow_done(struct fy_progress *p, struct fy_flow *flow)
{
	struct fy_chunk *c = flow->flight;
	if (!c || !p->port->ops->test(p->port, &c->request))
		return NULL;
	flow->flight = c->next;
	if (!flow->flight)
		flow->flight_last = NULL;
	flow->n_flight--;
	p->n_chunks--;
	p->worked = true;
	return c;
}

/* ---- transfer_out.c ---- */
uint32_t fy_lengths_in_record(uint32_t n);
void fy_outbound_step(struct fy_progress *p, struct fy_channel *ch);
void fy_outbound_gone(struct fy_progress *p, struct fy_channel *ch);
void fy_outbound_free_all(struct fy_progress *p, struct fy_channel *ch);

/* ---- transfer_in.c ---- */
void fy_inbound_free(struct fy_progress *p, struct fy_inbound *in);
void fy_inbound_granting(struct fy_progress *p);
/* The message will not come: its place in the stream, or its call, ends here. */
void fy_inbound_refuse(struct fy_progress *p, struct fy_inbound *in, int status);
/* The sender is to be told in->status; 0: it may send. */
void fy_inbound_owe_grant(struct fy_progress *p, struct fy_inbound *in);
void fy_inbound_release_stream(struct fy_progress *p, struct fy_channel *ch, uint32_t stream);
void fy_inbound_gone(struct fy_progress *p, struct fy_channel *ch);
void fy_inbound_free_all(struct fy_progress *p, struct fy_channel *ch);
int fy_inbound_share(const struct fy_inbound *in);

/* ---- transfer_sink.c ---- */
/* Make p->sink, once. False: not now. */
bool fy_sink_open(struct fy_progress *p);
void fy_sink_close(struct fy_progress *p);

/* ---- transfer_land.c ---- */
void fy_landing_add(struct fy_progress *p, struct fy_inbound *in);
void fy_landing_step(struct fy_progress *p);
/* What the sender said does not come. */
void fy_landing_cancel_lost(struct fy_progress *p, struct fy_inbound *in);

#endif
