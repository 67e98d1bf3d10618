/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A peer that lies: it writes batches and chunks as the fuzzer's bytes say, and remembers what the
 * engine said to it, so that its lies are about things that exist. It knows the wire format and
 * nothing of the engine's insides.
 */
#ifndef WIRE_PEER_H
#define WIRE_PEER_H

#include <stdbool.h>

#include "wire_input.h"
#include "sim/net/sim.h"

#include "helm/progress.h"
#include "link/channel.h"
#include "port/port.h"
#include "shared/engine.h"
#include "shared/message.h"
#include "wire/bodies.h"
#include "wire/header.h"

#define PEER_SENDS 24
#define PEER_RECEIVES 8
#define PEER_MEMORY 16 /* how many of a kind it remembers */
#define PEER_STREAMS 8

struct peer_send {
	fy_request request;
	bool busy;
	char *bytes;
};

struct wire_peer {
	int rank;
	fy_port *port;
	uint64_t issued; /* what the engine counts as sent, for votes that look right */
	uint32_t seq;    /* of its next batch */
	uint64_t xid;    /* of its last announcement */
	uint64_t chunk;  /* its last one */
	uint32_t sum;    /* of its last chunks, one behind the other */
	struct peer_send sends[PEER_SENDS];
	fy_request receives[PEER_RECEIVES];
	char received[PEER_RECEIVES][FY_BATCH_BYTES];
	_Alignas(8) char batch[FY_BATCH_BYTES]; /* being written */
	uint32_t fill, nrecords;
	/* what it heard */
	uint32_t accepted;
	uint64_t call_ids[PEER_MEMORY], xids[PEER_MEMORY];
	unsigned n_calls, n_xids, n_streams;
	uint32_t streams[PEER_STREAMS];
	struct fy_agree_word agree;
	bool agree_heard;
	bool checks; /* the engine has the option checksum */
};

void wire_peer_open(struct wire_peer *peer, fy_sim *sim, int rank);
/* Take in what came. False: the engine wrote a batch that is not as the wire format has it. */
bool wire_peer_listen(struct wire_peer *peer);
void wire_peer_free(struct wire_peer *peer);

/* Add a record to the batch, or send it. */
void wire_peer_put_message(struct wire_peer *peer, struct wire_input *in);
void wire_peer_put_reply(struct wire_peer *peer, struct wire_input *in);
void wire_peer_put_announcement(struct wire_peer *peer, struct wire_input *in);
void wire_peer_put_control(struct wire_peer *peer, struct wire_input *in);
void wire_peer_send_batch(struct wire_peer *peer, struct wire_input *in);
/* Send a question or a report that may be right. */
void wire_peer_send_word(struct wire_peer *peer, struct wire_input *in);
/* Send bytes that may be a chunk of something that was announced. */
void wire_peer_send_chunk(struct wire_peer *peer, struct wire_input *in, int tags);
/* Send records that an engine wrote, in a batch of this peer; or a chunk by its number, of 0s. */
void wire_peer_replay_batch(struct wire_peer *peer, struct wire_input *in, uint32_t limit);
void wire_peer_replay_chunk(struct wire_peer *peer, struct wire_input *in, int tags);

#endif
