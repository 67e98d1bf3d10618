/* SPDX-License-Identifier: Apache-2.0 */
/* The language of fuzz_wire's programs, as far as fuzz_seeds.c writes it: a byte with the mode,
 * then acts. An act is a byte, in which 128 says that it is about the second peer, and what it
 * reads. */
#ifndef WIRE_ACTS_H
#define WIRE_ACTS_H

enum {
	FEW_TAGS = 1,
	RENDEZVOUS = 2,
	SHORT_MESSAGES = 4,
	FENCE = 8,
	CLOSE = 16,
	MEMORY_FAILS = 32, /* another byte: which allocation */
	CHECKSUM = 64
};

enum {
	ACT_TURNS = 10, /* 8 bits: how many */
	ACT_POST,       /* the engine posts: 8 bits, bytes */
	ACT_CALL,       /* likewise */
	ACT_POST_LARGE, /* 16 bits, bytes less 5000; 8 bits, 1: a call */
	ACT_BATCH = 19, /* 8 bits, flags; 16 bits, bytes of records; the records */
	ACT_CHUNK,      /* 16 bits, its number; 32 bits, bytes */
	ACT_JOIN,       /* the engine joins: 8 bits, 0 a fence, 1 the close */
	ACT_ASK,        /* a question or a report of the peer */
	ACTS
};

#endif
