/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A world: engines of any number of virtual ranks over the simulated network,
 * in one thread, and a workload of virtual application threads that post,
 * call, read, answer, cancel and close. Everything is drawn from the seed, and
 * a run with the same seed is the same run.
 *
 * The ledger knows every record that was posted (struct rec) and what became of
 * it. What is checked, and where:
 *
 *  - order per (lane, destination) and taker, exactly once, content: at every
 *    delivery (ledger.c);
 *  - each future completed once, with a status that can be, the right reply:
 *    when it is seen to be done, and again after the close (ledger.c);
 *  - each attachment released once, its bytes untouched until then (ledger.c);
 *  - what is confirmed, by a future or by a flush, has come (ledger.c);
 *  - fences: what was posted before is delivered after it (world.c);
 *  - memory: budgets and credits, after every few rounds (world.c);
 *  - nothing hangs: virtual time passes and nothing that a program could notice happens (world.c).
 *    A program that reads nothing until it has posted more than there is room for hangs by its own
 *    fault: when nothing happens for a while and posters wait for room, it reads, and then
 *    something has to happen;
 *  - after the close: nothing is outstanding in the network, counts agree,
 *    everything charged came back (world.c, ledger.c).
 *
 * The first thing that is wrong is kept as a sentence, and the run ends.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "support/test.h"

#include "shortage.h"
#include "helm/progress.h"
#include "link/channel.h"
#include "shared/engine.h"
#include "shared/lane.h"
#include "shared/message.h"
#include "sim/net/sim.h"
#include "wire/header.h"

#define RANKS_MAX 16
#define LANES_MAX 5 /* of one rank at a time; the last one is that of its handlers */
#define PARTS_MAX 3 /* attachments, but for messages of very many */
#define FENCES_MAX 3

/* Ops by who takes them. What is to happen with a record stands in the ledger. */
enum {
	OP_INLINE = 7,
	OP_HASHED = 0x12345, /* inline too, beyond the direct table */
	OP_QUEUE = 9,        /* a queue executor */
	OP_MAIL = 20,        /* and the two after it: readers */
	OP_LATE = 40,        /* the mailbox first, then an inline handler */
	OP_NOBODY = 50,      /* calls that nobody takes */
	/* plus the number of the content: for bodies too short to say it themselves */
	OP_TINY = 0x40000000
};
/* Within a class of one lane and one destination the order of delivery is seen by one taker. */
enum {
	CLASS_INLINE,
	CLASS_QUEUE,
	CLASS_LATE,
	CLASS_TINY,
	CLASS_NOBODY,
	CLASS_MAIL,
	CLASSES = CLASS_MAIL + 3
};

/* How a call is answered. */
enum answer { ANSWER_EMPTY, ANSWER_BYTES, ANSWER_MESSAGE, ANSWER_ERROR, ANSWER_DROP };

/* All that a run is made of, drawn from the seed. */
struct plan {
	int ranks, lanes;
	unsigned records; /* posts and calls of the application threads, all ranks together */
	size_t receive_memory, send_memory;
	uint32_t first_seq;
	struct fy_sim_options net;
	unsigned borrowed; /* per cent of steps by a thread that may not run user code */
	unsigned slow;     /* per cent of rounds in which a slow rank steps; 100: none is slow */
	unsigned large;    /* per cent of records that are messages of their own */
	size_t large_max;
	unsigned calls;   /* per cent */
	unsigned reading; /* per cent of turns in which a thread reads its mail */
	unsigned cancels; /* per cent of futures */
	unsigned hoard;   /* per cent of messages that are kept for a while */
	/* per thousand messages: of more attachments than an announcement has lengths */
	unsigned many;
	size_t odd_max; /* message_max of odd ranks, 0: none; what is larger they refuse */
	unsigned fences;
	bool any_readers;  /* readers take any op */
	bool early_close;  /* ranks close whenever they like, with work outstanding */
	bool unread;       /* nobody reads once all ranks are closing */
	bool churn;        /* threads exit and others start */
	bool stop_reading; /* everybody stops reading for a while */
	int64_t late_at, grace;
	/* of the helm's allocations one in so many fails; 0: none. Not drawn */
	unsigned short_one_in;
};

struct world;
struct node;

/* Bytes that travel: a body and attachments, known by their number. */
struct part {
	struct content *content;
	unsigned index;
	char *data;
	size_t nbytes;
	unsigned released;
	bool lent; /* its address was given to the library */
};
struct content {
	struct world *world;
	uint32_t id;
	size_t body;
	unsigned n_parts;
	struct part *parts;
	struct rec *recs; /* every record that carries it, linked by same */
};

/* A virtual application thread's side of the order. */
struct vlane {
	struct vlane *next;
	struct fy_lane *lane;
	int rank, index;
	unsigned quota;
	struct rec *attempt; /* what it tries to post */
	uint32_t sent[RANKS_MAX][CLASSES], seen[RANKS_MAX][CLASSES];
};

struct rec {
	struct rec *next, *same;
	struct content *content;
	struct vlane *lane;
	int src, dst;
	uint32_t op, seq, epoch; /* epoch: must be delivered once fence number epoch + 1 is over */
	int class;
	bool call, flush, wants_future, by_handler;
	unsigned depth;         /* of handlers that post onwards */
	uint64_t order;         /* of acceptance, all records */
	ferry_message *message; /* NULL: the body is copied */
	struct rec *broadcast;  /* the next one that carries the same message */
	/* what the taker does with it */
	int forward; /* post another one to that rank, or -1 */
	int onward;  /* answer only after a call to that rank, or -1 */
	enum answer answer;
	struct content *reply;
	bool later;
	/* what became of it */
	bool accepted, in_mail, answered, answered_late, exempt, unsent;
	unsigned delivered;
	ferry_future *future;
	bool settled, cancelled, timed, with_then;
	unsigned called_back;
	int status;
	/* of an onward call: the request that waits for it */
	struct rec *outer;
	ferry_message *request;
	struct rec *mine_next; /* in its node's list of futures, or of stashed records */
};

struct kept { /* a message that a taker holds for a while */
	struct kept *next;
	ferry_message *message;
	struct rec *rec;
	bool answer;
};

enum state { NODE_OPEN, NODE_CLOSING, NODE_STOPPED };

struct node {
	struct world *world;
	int rank;
	ferry *engine;
	struct fy_progress *p;
	enum state state;
	struct vlane *lanes[LANES_MAX]; /* the last of the plan's is that of the handlers */
	ferry_executor *queue;
	struct rec *futures; /* open ones, newest first */
	unsigned vain;       /* long posts that were not made because there was no room for them */
	struct rec *stash, *stash_last; /* records of handlers that found no room */
	struct kept *kept;
	bool late_done, slow;
	unsigned fences;           /* joined */
	unsigned onwards;          /* onward calls under way from here */
	uint64_t dropped;          /* at the end: mail that nobody read */
	uint64_t spent[RANKS_MAX]; /* at the end: credit of each peer that was used */
};

/* How often what is rare happened: of a run, and of a batch of runs. */
struct tally {
	uint64_t records, delivered, lane_full, credit_out, channel_full, grants_waited,
		seq_wrapped, tag_wrapped;
	uint64_t close_outstanding, fences, cancelled, timed_out, refused_sends, rendezvous,
		deferred, dropped;
	uint64_t late_replies, overtaken, recalls, nohandler, stopped_calls, unsent, flushes;
	uint64_t refused, failed, failed_chunks, body_full, read_again, no_memory;
};

struct world {
	uint64_t seed, random;
	struct plan plan;
	fy_sim *sim;
	struct node nodes[RANKS_MAX];
	int closing, stopped; /* nodes that are, or were */
	struct vlane *all_lanes;
	struct rec *recs; /* all that were accepted, newest first */
	struct content **contents;
	uint32_t n_contents, contents_room;
	unsigned posted; /* by application threads */
	uint64_t accepted;
	unsigned fences_seen;
	uint64_t moved; /* counts what a program could notice */
	uint64_t moved_seen;
	int64_t moved_at;
	uint64_t rounds, rounds_moved;
	bool reads_again; /* nobody could post because nobody read: from now on they read */
	struct tally tally;
	char failure[600];
};

/* ---- chance ---- */
static inline uint32_t w_pick(struct world *w, uint32_t n)
{
	return (uint32_t)(t_random(&w->random) >> 33) % n;
}
static inline bool w_chance(struct world *w, unsigned percent)
{
	return w_pick(w, 100) < percent;
}
static inline size_t w_between(struct world *w, size_t least, size_t most)
{
	return least + (size_t)(t_random(&w->random) % (most - least + 1));
}

/* Keep the first thing that is wrong. */
void w_fail(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline bool w_failed(const struct world *w)
{
	return w->failure[0] != 0;
}

/* ---- world.c ---- */
/* Run the workload of a seed to its end. False: something was wrong; w->failure says what. */
bool w_run(struct world *w, uint64_t seed);
/* Likewise, with a plan of one's own. */
bool w_run_plan(struct world *w, uint64_t seed, const struct plan *plan);
void w_plan(struct world *w, struct plan *plan);
void w_free(struct world *w);

/* ---- ledger.c: what is posted, what comes of it ---- */
struct content *l_content(struct world *w, size_t body, unsigned n_parts, size_t part_max);
/* The bytes of a body, to be freed. */
char *l_body(const struct content *content);
ferry_message *l_message(struct node *node, uint32_t op, struct content *content);
/* A message was taken, by a handler or by a reader: which record is it? NULL: something
 * is wrong. */
struct rec *l_take(struct node *node, const ferry_message *message);
/* A record was accepted by fy_post. */
void l_accepted(struct node *node, struct rec *rec);
size_t l_total(const struct content *content);
/* May a chunk of it be lost, or its receiver have no memory for it? What does not fit into a batch,
 * folded, has chunks. */
static inline bool l_may_fail(const struct world *w, const struct content *content)
{
	return (w->plan.net.fail_data_ppm || w->plan.short_one_in) && content &&
	       l_total(content) + 16 * (content->n_parts + 1) > FY_REPLY_ROOM;
}
/* Into the mailbox, where a call that nobody asks for is answered after its grace. */
static inline bool l_goes_to_mail(const struct rec *r)
{
	return r->class != CLASS_INLINE && r->class != CLASS_QUEUE;
}
/* The future of a post is completed with FERRY_OK. */
void l_confirmed(struct world *w, const struct rec *rec);
/* May that rank refuse a message of so many bytes? */
static inline bool w_refuses(const struct world *w, int rank, size_t nbytes)
{
	return rank % 2 && w->plan.odd_max && nbytes > w->plan.odd_max;
}
/* Look at a record's future. True: it is done, and was checked. */
bool l_settle(struct node *node, struct rec *rec);
/* A fence is over: everything of the epochs before `epoch` is delivered. */
void l_fence_over(struct world *w, uint32_t epoch);
/* After all engines are gone: the whole ledger. */
void l_check(struct world *w);
unsigned l_blanks(const struct world *w, int rank);
void l_free(struct world *w);

/* ---- actors.c: what application threads and handlers do ---- */
void a_start(struct node *node);
void a_act(struct node *node, struct vlane *lane);
void a_register_late(struct node *node);
bool a_idle(const struct node *node);
bool a_held_up(const struct node *node);
/* After the engine is gone: give back what the program still holds. */
void a_leave(struct node *node);
void a_end(struct node *node);

#endif
