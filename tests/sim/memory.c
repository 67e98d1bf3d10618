/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that is short for a moment, wherever the library allocates.
 *
 * Three ranks talk to each other over the simulated network in every way there is, fence, talk
 * again and close. The conversation is the same each time, but one allocation of it fails, the
 * first, the second and so on; or all of them fail from one on, for a while. What must hold then:
 *
 *  - a call of the library that fails says FERRY_ENOMEM, and nothing happened;
 *  - every future ends: with FERRY_OK, and then it is true, or with FERRY_ENOMEM, where what was
 *    large found no memory at its receiver, or a reply none in its handler (FERRY_EREMOTE, too);
 *  - what was posted comes once, unless its future, or the next flush, says that it did not;
 *  - the fence and the close end, and nothing is left.
 *
 * FERRY_SEEDS says how many of the places are tried, spread over all of them.
 */
#include "support/life.h"

#include "shortage.h"
#include "app/own_lane.h"
#include "app/post.h"
#include "base/order.h"
#include "engine/life.h"
#include "helm/agree.h"
#include "helm/close.h"
#include "helm/portray.h"
#include "helm/progress.h"
#include "helm/step.h"
#include "link/channel.h"
#include "port/port.h"
#include "shared/engine.h"
#include "shared/message.h"
#include "shared/thread.h"
#include "watch/picture.h"
#include "sim/net/sim.h"
#include "wire/header.h"
#include "bulk/pair.h"
#include "helm/peer.h"

enum {
	OP_NOTE = 1,         /* an inline handler */
	OP_QUEUE,            /* one in a queue */
	OP_KEEP,             /* one that keeps the message for a while */
	OP_LAND,             /* the program says where attachments land */
	OP_MAIL,             /* a reader */
	OP_ASK,              /* answered in the handler */
	OP_ASK_QUEUE,        /* answered in a queue's handler */
	OP_LATER,            /* kept, and answered later */
	OP_ASK_MAIL,         /* answered by a reader */
	OP_EMPTY,            /* left to the library to answer */
	OP_DROP,             /* released unanswered */
	OP_HASHED = 0x12345, /* an inline handler, beyond the direct table */
};

enum {
	RANKS = 3,
	DEEDS_MAX = 256,
	PATTERN = 1 << 20,
	ROUNDS_MAX = 60000,
	SHORT_ROUNDS = 40,
	KEPT_MAX = 64,
	PARTS = 300
};

struct kind {
	uint32_t op;
	bool call, future;
	size_t body;
	uint32_t parts;
	size_t part;
	size_t answer; /* COUNTED: a post that counts */
};
#define COUNTED SIZE_MAX
static const struct kind kinds[] = {
	{ OP_NOTE, false, true, 8, 0, 0, 0 },
	{ OP_NOTE, false, false, 8, 0, 0, 0 },
	{ OP_NOTE, false, true, 3000, 0, 0, 0 },
	{ OP_HASHED, false, false, 100, 0, 0, 0 },
	{ OP_QUEUE, false, true, 200, 0, 0, 0 },
	{ OP_KEEP, false, true, 900, 0, 0, 0 },
	{ OP_MAIL, false, true, 500, 0, 0, 0 },
	{ OP_NOTE, false, true, 5000, 0, 0, 0 },     /* larger than a lane takes, and prepaid */
	{ OP_NOTE, false, false, 20000, 0, 0, 0 },   /* by a grant */
	{ OP_NOTE, false, true, 40, 2, 700, 0 },     /* folded into the batch */
	{ OP_NOTE, false, true, 16, 3, 2000, 0 },    /* prepaid */
	{ OP_NOTE, false, true, 16, 2, 90000, 0 },   /* blocks that are kept */
	{ OP_NOTE, false, false, 16, PARTS, 40, 0 }, /* more lengths than an announcement has */
	{ OP_LAND, false, true, 40, 2, 3000, 0 },
	{ OP_LAND, false, true, 40, 2, 70000, 0 },
	{ OP_MAIL, false, false, 8, 1, 100000, 0 },
	{ OP_QUEUE, false, true, 8, 1, 9000, 0 },
	{ OP_LAND, false, true, 8, 1, 9100, 0 },
	{ OP_NOTE, false, true, 60, 0, 0, 0 }, /* behind all of these */
	{ OP_NOTE, false, false, 8, 0, 0, COUNTED },
	{ OP_QUEUE, false, false, 3000, 0, 0, COUNTED },
	{ OP_NOTE, false, false, 20000, 0, 0, COUNTED },
	{ OP_NOTE, false, false, 60, 0, 0, COUNTED },
	{ OP_ASK, true, true, 8, 0, 0, 8 },
	{ OP_ASK, true, true, 100, 0, 0, 1500 },
	{ OP_ASK, true, true, 8, 0, 0, 30000 },
	{ OP_ASK, true, true, 8, 2, 25000, 100 },
	{ OP_ASK_QUEUE, true, true, 40, 0, 0, 300 },
	{ OP_LATER, true, true, 40, 0, 0, 200 },
	{ OP_LATER, true, true, 40, 0, 0, 5000 },
	{ OP_ASK_MAIL, true, true, 40, 0, 0, 50 },
	{ OP_EMPTY, true, true, 40, 0, 0, 0 },
	{ OP_DROP, true, true, 40, 0, 0, 0 },
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

/* One post or call, and what became of it. */
struct deed {
	const struct kind *kind;
	int from, to;
	bool made; /* the library took it */
	ferry_future *future;
	unsigned came;
	unsigned lent, released; /* attachments */
	bool replied, reply_failed;
	bool told;  /* a flush said that it did not come */
	int status; /* of its future */
};

static struct {
	fy_sim *sim;
	ferry *engine[RANKS];
	ferry_executor *queue[RANKS];
	ferry_counter *counter[RANKS];
	ferry_future *flush[RANKS];
	struct deed deeds[DEEDS_MAX];
	uint32_t n_deeds;
	ferry_message *kept[KEPT_MAX]; /* to be answered, or released, in a later round */
	unsigned n_kept;
	unsigned long rounds, short_until; /* all allocations fail until that round */
	unsigned long starved;             /* how often a rank said that it waits for memory */
	unsigned long count;               /* how many may fail */
	bool any_short, for_good;
	unsigned sinks;  /* ranks that threw data away */
	char wrong[300]; /* the first thing that is */
} t;

static char pattern[PATTERN];
static char landing[RANKS][256 << 10];
static size_t landing_used[RANKS];

static void wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void wrong(const char *format, ...)
{
	va_list args;
	if (t.wrong[0])
		return;
	va_start(args, format);
	vsnprintf(t.wrong, sizeof t.wrong, format, args);
	va_end(args);
}

static void wrong_deed(const struct deed *d, const char *what, int status)
{
	wrong("number %d (op %#x, %zu bytes and %u of %zu, answer %zu) from %d to %d: %s %s",
	      (int)(d - t.deeds), d->kind->op, d->kind->body, d->kind->parts, d->kind->part,
	      d->kind->answer, d->from, d->to, what, ferry_strname(status));
}

/* ---- bytes: a number, and what follows from it -------------------------------------- */

static const char *bytes_of(uint32_t number, uint32_t part)
{
	return pattern + (number * 1009 + part * 31) % (PATTERN / 2);
}

static bool right(const void *data, size_t nbytes, size_t wanted, uint32_t number, uint32_t part)
{
	return nbytes == wanted && memcmp(data, bytes_of(number, part), nbytes) == 0;
}

static bool body_right(const void *data, size_t nbytes, size_t wanted, uint32_t number)
{
	return nbytes == wanted && memcmp((const char *)data + sizeof number, bytes_of(number, 0),
	                                  nbytes - sizeof number) == 0;
}

static const char *make_body(uint32_t number, size_t nbytes)
{
	static char body[64 << 10];
	memcpy(body, &number, sizeof number);
	memcpy(body + sizeof number, bytes_of(number, 0), nbytes - sizeof number);
	return body;
}

/* Whose message it is: it came, once and whole. */
static struct deed *taken(ferry *engine, const ferry_message *m)
{
	size_t nbytes;
	const void *body = ferry_message_body(m, &nbytes);
	uint32_t number = UINT32_MAX;
	if (nbytes >= sizeof number)
		memcpy(&number, body, sizeof number);
	if (number >= t.n_deeds) {
		wrong("rank %d got a message that nobody sent", ferry_rank(engine));
		return NULL;
	}
	struct deed *d = &t.deeds[number];
	bool whole = body_right(body, nbytes, d->kind->body, number) &&
	             ferry_message_op(m) == d->kind->op && ferry_message_source(m) == d->from &&
	             ferry_message_attachments(m) == d->kind->parts;
	for (uint32_t i = 0; whole && i < d->kind->parts; i++) {
		const void *data = ferry_message_attachment(m, i, &nbytes);
		whole = right(data, nbytes, d->kind->part, number, i + 1);
	}
	if (!whole || ferry_rank(engine) != d->to)
		wrong_deed(d, "came otherwise than it was sent", 0);
	if (++d->came != 1)
		wrong_deed(d, "came twice", 0);
	return d;
}

/* ---- handlers -------------------------------------------------------------------------- */

static void may_fail(struct deed *d, const char *what, int status)
{
	if (status != FERRY_OK && (status != FERRY_ENOMEM || !t.any_short))
		wrong_deed(d, what, status);
}

static int reply(struct deed *d, ferry_message *request)
{
	int status = ferry_reply(request, bytes_of((uint32_t)(d - t.deeds), 0), d->kind->answer);
	may_fail(d, "ferry_reply", status);
	d->replied |= status == FERRY_OK;
	d->reply_failed |= status != FERRY_OK;
	return status;
}

static void on_note(ferry *engine, ferry_message *m, void *arg)
{
	(void)arg;
	taken(engine, m);
}

static void keep(ferry_message *m)
{
	assert_true(t.n_kept < KEPT_MAX);
	t.kept[t.n_kept++] = m;
}

static void on_keep(ferry *engine, ferry_message *m, void *arg)
{
	(void)arg;
	taken(engine, m);
	ferry_message_retain(m);
	keep(m);
}

static void on_ask(ferry *engine, ferry_message *m, void *arg)
{
	struct deed *d = taken(engine, m);
	(void)arg;
	if (d)
		reply(d, m);
}

static void *on_memory(ferry *engine, int source, uint32_t op, size_t index, size_t nbytes,
                       void *arg)
{
	int rank = ferry_rank(engine);
	(void)source;
	(void)op;
	(void)index;
	(void)arg;
	if (landing_used[rank] + nbytes > sizeof landing[rank])
		return NULL;
	void *there = landing[rank] + landing_used[rank];
	landing_used[rank] += nbytes;
	return there;
}

static void handle(int rank, uint32_t op, ferry_executor *where, ferry_handler_fn *fn)
{
	assert_int_equal(ferry_handle(t.engine[rank], op, where, fn, NULL), 0);
}

static void start_rank(int rank)
{
	ferry_options given = FERRY_OPTIONS_INIT;
	given.flags = FERRY_NONBLOCK;
	given.spin = given.sleep_max = given.handler_grace = FERRY_NONE;
	given.receive_memory = 1 << 20;
	fy_port *port = fy_sim_port(t.sim, rank);
	shortage_spare_port(port);
	t.engine[rank] = t_open(port, &given);
	ferry *before = fy_thread_begin(FY_INLINE, t.engine[rank]);
	assert_int_equal(ferry_queue_create(t.engine[rank], &t.queue[rank]), 0);
	assert_int_equal(ferry_counter_create(t.engine[rank], &t.counter[rank]), 0);
	handle(rank, OP_NOTE, FERRY_INLINE, on_note);
	handle(rank, OP_HASHED, FERRY_INLINE, on_note);
	handle(rank, OP_QUEUE, t.queue[rank], on_note);
	handle(rank, OP_KEEP, FERRY_INLINE, on_keep);
	handle(rank, OP_LAND, FERRY_INLINE, on_note);
	handle(rank, OP_ASK, FERRY_INLINE, on_ask);
	handle(rank, OP_ASK_QUEUE, t.queue[rank], on_ask);
	handle(rank, OP_LATER, FERRY_INLINE, on_keep);
	handle(rank, OP_EMPTY, FERRY_INLINE, on_note);
	handle(rank, OP_DROP, FERRY_INLINE, on_keep);
	assert_int_equal(ferry_handle_memory(t.engine[rank], OP_LAND, on_memory, NULL), 0);
	fy_thread_end(FY_INLINE, before);
	landing_used[rank] = 0;
}

/* ---- what the program does ------------------------------------------------------------------ */

static void on_release(void *data, void *arg)
{
	struct deed *d = arg;
	(void)data;
	d->released++;
}

static int post_message(struct deed *d)
{
	uint32_t number = (uint32_t)(d - t.deeds);
	ferry *engine = t.engine[d->from];
	ferry_message *m;
	int status = ferry_message_create(engine, d->kind->op, &m);
	if (status)
		return status;
	status = ferry_message_write(m, make_body(number, d->kind->body), d->kind->body);
	for (uint32_t i = 0; status == 0 && i < d->kind->parts; i++) {
		status = ferry_message_attach(m, bytes_of(number, i + 1), d->kind->part, on_release,
		                              d);
		d->lent += status == 0;
	}
	ferry_future **future_p = d->kind->future ? &d->future : NULL;
	if (status == 0)
		status = d->kind->call ? ferry_call_message(engine, d->to, m, future_p)
		                       : ferry_post_message(engine, d->to, m, future_p);
	ferry_message_release(m);
	return status;
}

static int post(struct deed *d)
{
	ferry *engine = t.engine[d->from];
	const char *body = make_body((uint32_t)(d - t.deeds), d->kind->body);
	ferry_future **future_p = d->kind->future ? &d->future : NULL;
	if (d->kind->parts)
		return post_message(d);
	if (d->kind->answer == COUNTED)
		return ferry_post_counted(engine, d->to, d->kind->op, body, d->kind->body,
		                          t.counter[d->from]);
	if (d->kind->call)
		return ferry_call(engine, d->to, d->kind->op, body, d->kind->body, future_p);
	return ferry_post(engine, d->to, d->kind->op, body, d->kind->body, future_p);
}

static void do_deed(int from, int to, const struct kind *kind)
{
	assert_true(t.n_deeds < DEEDS_MAX);
	struct deed *d = &t.deeds[t.n_deeds++];
	*d = (struct deed){ .kind = kind, .from = from, .to = to, .status = FERRY_PENDING };
	int status = post(d);
	may_fail(d, "the post is refused with", status);
	d->made = status == 0;
}

static void read_mail(int rank)
{
	ferry *before = fy_thread_begin(FY_INLINE, NULL);
	ferry_message *m;
	while (ferry_recv(t.engine[rank], FERRY_ANY, FERRY_ANY_OP, 0, &m) == FERRY_OK) {
		struct deed *d = taken(t.engine[rank], m);
		if (d && d->kind->op == OP_ASK_MAIL)
			reply(d, m);
		ferry_message_release(m);
	}
	fy_thread_end(FY_INLINE, before);
}

/* A request whose reply found no memory is kept for another try. */
static void look_at_kept(void)
{
	unsigned n = t.n_kept;
	for (unsigned i = t.n_kept = 0; i < n; i++) {
		ferry_message *m = t.kept[i];
		uint32_t number;
		memcpy(&number, ferry_message_body(m, NULL), sizeof number);
		struct deed *d = &t.deeds[number];
		if (d->kind->op == OP_LATER && reply(d, m)) {
			keep(m);
			continue;
		}
		ferry_message_release(m);
	}
}

static void act(void)
{
	for (int i = 0; i < RANKS; i++) {
		ferry_executor_run(t.queue[i], 0, 0);
		if (t.rounds % 3 == 0)
			read_mail(i);
	}
	if (t.rounds % 7 == 0)
		look_at_kept();
}

/* Short for so many rounds and no longer. */
static void look_at_shortage(void)
{
	if (t.count == SHORTAGE_ALL && !t.for_good && shortage_failed() && !t.short_until)
		t.short_until = t.rounds + SHORT_ROUNDS;
	if (t.short_until && t.rounds >= t.short_until)
		shortage_end();
}

/* Who waits for memory says so. */
static bool says_starved(int rank)
{
	struct fy_picture picture = { .rank = rank, .size = RANKS };
	shortage_pause();
	fy_portray_engine(t.engine[rank]->progress, &picture);
	shortage_resume();
	return picture.flags & FY_PICTURE_STARVED;
}

static void step(bool stopped[RANKS])
{
	t.rounds++;
	look_at_shortage();
	for (int i = 0; i < RANKS; i++)
		if (!stopped[i])
			fy_step_once(t.engine[i]->progress, t.rounds % 5 != 0);
	for (int i = 0; i < RANKS; i++)
		t.starved += fy_progress_of(t.engine[i])->link.pool.starved && says_starved(i);
	act();
	shortage_pause();
	if (!fy_sim_advance(t.sim))
		fy_sim_advance_to(t.sim, fy_sim_now(t.sim) + FERRY_US(100));
	shortage_resume();
	if (*fy_sim_misuse(t.sim))
		wrong("%s", fy_sim_misuse(t.sim));
}

/* ---- what came of it ------------------------------------------------------------------------- */

/* Its reply is what was answered. */
static void check_reply(struct deed *d)
{
	ferry_message *m;
	int status = ferry_future_take(d->future, &m);
	/* of an empty one, which is made now: nothing happened */
	if (status == FERRY_ENOMEM && t.any_short)
		return;
	if (status) {
		wrong_deed(d, "the reply cannot be taken:", status);
		return;
	}
	size_t nbytes;
	const void *data = ferry_message_body(m, &nbytes);
	if (d->kind->answer ? !d->replied || !right(data, nbytes, d->kind->answer,
	                                            (uint32_t)(d - t.deeds), 0)
	                    : nbytes)
		wrong_deed(d, "has another reply than was given, and", FERRY_OK);
	ferry_message_release(m);
}

static bool is_large(const struct deed *d)
{
	return d->kind->body + d->kind->parts * d->kind->part + 16 * (d->kind->parts + 1) >
	       FY_FOLD_MAX;
}

static void check_call(struct deed *d)
{
	bool dropped = d->kind->op == OP_DROP, answer_large = d->kind->answer > FY_REPLY_ROOM;
	if (d->status == FERRY_OK && !dropped)
		check_reply(d);
	else if (d->status == FERRY_EREMOTE
	                 ? !(dropped || d->reply_failed)
	                 : d->status != FERRY_ENOMEM || !t.any_short ||
	                           !(is_large(d) || answer_large || d->reply_failed))
		wrong_deed(d, "the call ended with", d->status);
}

static void check_post(const struct deed *d)
{
	if (d->status == FERRY_OK)
		return;
	if (d->status != FERRY_ENOMEM || !t.any_short || !is_large(d))
		wrong_deed(d, "the post ended with", d->status);
	if (d->came)
		wrong_deed(d, "the post came and yet ended with", d->status);
}

/* True: all of them are done. */
static bool look_at_futures(void)
{
	bool all = true;
	for (uint32_t i = 0; i < t.n_deeds; i++) {
		struct deed *d = &t.deeds[i];
		if (!d->future)
			continue;
		d->status = ferry_future_poll(d->future);
		all &= d->status != FERRY_PENDING;
		if (d->status == FERRY_PENDING)
			continue;
		if (d->kind->call)
			check_call(d);
		else
			check_post(d);
		ferry_future_release(d->future);
		d->future = NULL;
	}
	return all;
}

/* ---- the conversation -------------------------------------------------- */

static void post_flush(int rank)
{
	int status = fy_post_flush(t.engine[rank], NULL, FERRY_ALL, 0, &t.flush[rank]);
	if (status && (status != FERRY_ENOMEM || !t.any_short))
		wrong("rank %d: the flush is refused with %s", rank, ferry_strname(status));
	if (status)
		t.flush[rank] = NULL;
}

/* What nobody has a future of, and did not come, the flush tells. */
static void check_flush(int rank)
{
	unsigned missing = 0;
	if (!t.flush[rank])
		return;
	int status = ferry_future_poll(t.flush[rank]);
	for (uint32_t i = 0; i < t.n_deeds; i++) {
		struct deed *d = &t.deeds[i];
		if (d->from != rank || !d->made || d->kind->call || d->kind->future || d->came ||
		    d->told)
			continue;
		missing++;
		d->told = true;
	}
	if (status != FERRY_OK && (status != FERRY_ENOMEM || !t.any_short))
		wrong("rank %d: the flush ended with %s", rank, ferry_strname(status));
	if (status == FERRY_OK && missing)
		wrong("rank %d: %u posts did not come, and the flush says nothing", rank, missing);
	ferry_future_release(t.flush[rank]);
}

/* What was made is counted, and done after a fence; the counter says that some did not come. */
static void check_counter(int rank)
{
	uint64_t posted, done, made = 0, missing = 0;
	int status = ferry_counter_read(t.counter[rank], &posted, &done);
	for (uint32_t i = 0; i < t.n_deeds; i++) {
		const struct deed *d = &t.deeds[i];
		bool counts = d->from == rank && d->kind->answer == COUNTED && d->made;
		made += counts;
		missing += counts && !d->came;
	}
	if (posted != made || done != made)
		wrong("rank %d: %llu posts count, and the counter has %llu and %llu", rank,
		      (unsigned long long)made, (unsigned long long)posted,
		      (unsigned long long)done);
	if (status != (missing ? FERRY_ENOMEM : FERRY_OK))
		wrong("rank %d: %llu posts that count did not come: %s", rank,
		      (unsigned long long)missing, ferry_strname(status));
}

/* After a fence nothing is under way: what did not come was refused. */
static void check_came(void)
{
	for (uint32_t i = 0; i < t.n_deeds; i++) {
		const struct deed *d = &t.deeds[i];
		bool must = d->made && (d->status == FERRY_OK ||
		                        (!d->kind->future && !is_large(d)) || !t.any_short);
		if ((must && d->came != 1) || (!d->made && d->came))
			wrong_deed(d, d->came ? "came, though it was refused," : "did not come",
			           d->status);
	}
}

static bool agreed(uint32_t n)
{
	for (int i = 0; i < RANKS; i++)
		if (fy_progress_of(t.engine[i])->agree.finished != n)
			return false;
	return true;
}

static bool go_on(void)
{
	return !t.wrong[0] && t.rounds < ROUNDS_MAX;
}

static void talk(unsigned first_kind, unsigned every)
{
	bool none[RANKS] = { false };
	for (unsigned k = first_kind; k < KINDS; k += every)
		for (int i = 0; i < RANKS; i++) {
			do_deed(i, (i + 1) % RANKS, &kinds[k]);
			if (k % 3 == 0)
				do_deed(i, i, &kinds[k]);
			if (k % 5 == 0)
				step(none);
		}
	for (int i = 0; i < RANKS; i++)
		post_flush(i);
}

static void fence(uint32_t n)
{
	bool none[RANKS] = { false };
	for (int i = 0; i < RANKS; i++)
		fy_agree_join(t.engine[i]->progress, FY_AGREE_FENCE);
	while (go_on()) {
		bool done = look_at_futures();
		if (agreed(n) && done && !t.n_kept)
			break;
		step(none);
	}
	if (t.rounds >= ROUNDS_MAX)
		wrong("fence %u does not end, or a future does not", n);
	for (int i = 0; i < RANKS && !t.wrong[0]; i++)
		check_flush(i);
	for (int i = 0; i < RANKS && !t.wrong[0]; i++)
		check_counter(i);
	if (!t.wrong[0])
		check_came();
}

static void close_rank(int rank)
{
	fy_store_release_32(&t.engine[rank]->phase, FY_CLOSING);
	fy_close_begin(t.engine[rank]->progress);
}

static void close_all(void)
{
	bool stopped[RANKS] = { false };
	unsigned n = 0;
	for (int i = 0; i < RANKS; i++)
		if (!fy_progress_of(t.engine[i])->close.begun)
			close_rank(i);
	while (go_on() && n < RANKS) {
		step(stopped);
		for (int i = 0; i < RANKS; i++) {
			n += !stopped[i] && fy_progress_of(t.engine[i])->close.stopped;
			stopped[i] = fy_progress_of(t.engine[i])->close.stopped;
		}
	}
	if (t.rounds >= ROUNDS_MAX)
		wrong("the close does not end: %u ranks of %d have stopped", n, RANKS);
}

static void check_end(void)
{
	for (int i = 0; i < RANKS; i++) {
		struct fy_progress *p = t.engine[i]->progress;
		uint64_t returned = t.engine[i]->told.large_returned - p->bulk.budget.seen;
		t.sinks += p->bulk.sink.space != NULL;
		for (struct fy_channel *ch = p->link.all; ch; ch = ch->all_next)
			if (fy_pair_in(ch)->first || fy_pair_out(ch)->active || ch->streams_out ||
			    ch->streams_in || fy_peer_of(ch)->undispatched || ch->gone ||
			    ch->credit.unreturned || fy_pair_in(ch)->lengths_bytes)
				wrong("rank %d has stopped and something of rank %d is left", i,
				      ch->rank);
		if (p->bulk.budget.used[0] - returned || p->bulk.budget.used[1] ||
		    p->link.stats.malformed || p->link.stats.kept)
			wrong("rank %d has stopped with %llu bytes of large messages, %llu "
			      "malformed batches",
			      i, (unsigned long long)(p->bulk.budget.used[0] - returned),
			      (unsigned long long)p->link.stats.malformed);
	}
	for (uint32_t i = 0; i < t.n_deeds; i++)
		if (t.deeds[i].lent != t.deeds[i].released)
			wrong_deed(&t.deeds[i], "was lent and not given back,", 0);
}

static void destroy(void)
{
	for (int i = 0; i < RANKS; i++) {
		ferry *before = fy_thread_begin(FY_INLINE, NULL);
		ferry_executor_destroy(t.queue[i]);
		ferry_counter_release(t.counter[i]);
		fy_thread_end(FY_INLINE, before);
		int status = fy_life_destroy(t.engine[i]);
		if (status)
			wrong("rank %d: close: %s", i, ferry_strname(status));
	}
	fy_thread_forget_lanes();
	for (int i = 0; i < RANKS; i++)
		fy_engine_release(t.engine[i]);
	if (fy_sim_outstanding(t.sim, FY_PORT_ANY))
		wrong("%zu requests are left in the network",
		      fy_sim_outstanding(t.sim, FY_PORT_ANY));
	fy_sim_destroy(t.sim);
}

static void start_ranks(uint64_t seed, const struct fy_sim_options *net)
{
	t.sim = fy_sim_create(RANKS, seed, net);
	for (int i = 0; i < RANKS; i++)
		start_rank(i);
}

/* From then on memory is short: see shortage_begin; and, with all allocations, for a while or
 * for good. */
static void start(unsigned long first, unsigned long count, size_t nbytes, bool for_good)
{
	struct fy_sim_options net = { .chunk_max = 20000, .count_misuse = true };
	memset(&t, 0, sizeof t);
	t.count = count;
	t.any_short = first != 0;
	t.for_good = for_good;
	start_ranks(1, &net);
	for (int i = 0; i < RANKS && for_good; i++)
		assert_non_null(fy_own_lane(t.engine[i])); /* which is large, too */
	shortage_begin(first, count, nbytes);
}

/* One allocation in some fails all the time, over some network. */
static void start_random(unsigned long seed)
{
	static const unsigned one_in[] = { 2, 3, 10, 50, 400 };
	uint64_t random = seed;
	struct fy_sim_options net = { .chunk_max = t_random(&random) % 2 ? 20000 : 1 << 20,
		                      .count_misuse = true };
	net.eager_max = t_random(&random) % 2 ? SIZE_MAX : 1;
	net.remote = t_random(&random) % 2;
	net.refuse_ppm = t_random(&random) % 3 ? 0 : 100000;
	memset(&t, 0, sizeof t);
	t.any_short = true;
	start_ranks(seed, &net);
	shortage_begin_random(seed, one_in[t_random(&random) % 5]);
}

/* How many allocations there were. The world of a run that went wrong is left as it is. */
static unsigned long finish(void)
{
	if (!t.wrong[0])
		close_all();
	shortage_end();
	if (!t.wrong[0])
		check_end();
	if (!t.wrong[0])
		destroy();
	return shortage_counted();
}

static unsigned long converse(void)
{
	talk(0, 1);
	fence(1);
	if (!t.wrong[0]) {
		talk(1, 2);
		fence(2);
	}
	return finish();
}

/* ---- tests ------------------------------------------------------------- */

static void prepare(void)
{
	uint64_t random = 1;
	for (size_t i = 0; i < PATTERN; i += 8) {
		uint64_t word = t_random(&random);
		memcpy(pattern + i, &word, sizeof word);
	}
}

/* With memory everything goes well; that is what the others are measured by. */
static void without_shortage(void **state)
{
	(void)state;
	start(0, 0, 0, false);
	unsigned long n = converse();
	printf("# %lu allocations, %lu rounds\n", n, t.rounds);
	assert_string_equal(t.wrong, "");
}

/* What is larger than a receiver's memory ends with FERRY_ENOMEM, and all else is as ever. */
static void what_is_too_large_is_refused(void **state)
{
	unsigned refused = 0;
	(void)state;
	start(1, SHORTAGE_ALL, 80000, true);
	converse();
	assert_string_equal(t.wrong, "");
	for (uint32_t i = 0; i < t.n_deeds; i++) {
		const struct deed *d = &t.deeds[i];
		assert_true(d->made);
		assert_int_equal(d->came, d->kind->part < 80000);
		refused += d->status == FERRY_ENOMEM;
	}
	assert_true(refused > 0);
}

/* Data that was sent without asking is taken and thrown away after a second, and its sender
 * hears it. */
static void what_is_prepaid_is_not_waited_for_for_ever(void **state)
{
	unsigned refused = 0;
	(void)state;
	start(1, SHORTAGE_ALL, 8900, true);
	converse();
	assert_string_equal(t.wrong, "");
	assert_true(t.sinks > 0);
	for (uint32_t i = 0; i < t.n_deeds; i++) {
		const struct deed *d = &t.deeds[i];
		refused += d->status == FERRY_ENOMEM;
		assert_true(d->kind->part < 8900 || d->kind->op == OP_LAND || !d->came);
	}
	assert_true(refused > 0);
}

/* A vote has no batch to ride on, once or several times. */
static void a_vote_is_sent_when_there_is_a_batch(void **state)
{
	(void)state;
	for (unsigned long count = 1; count <= 8; count++) {
		start(1, count, FY_BATCH_BYTES, false);
		fence(1);
		assert_int_equal(shortage_failed(), count);
		assert_true(t.starved > 0);
		for (int i = 0; i < RANKS; i++)
			assert_false(says_starved(i));
		finish();
		assert_string_equal(t.wrong, "");
	}
}

/* Ranks that never met agree, and what comes first finds no memory: the votes are not lost. */
static void a_first_word_is_kept(void **state)
{
	(void)state;
	for (unsigned long first = 1; first <= 12; first++)
		for (int all = 0; all < 2; all++) {
			start(first, all ? SHORTAGE_ALL : 1, 0, false);
			fence(1);
			finish();
			assert_string_equal(t.wrong, "");
			assert_true(shortage_failed() > 0);
		}
}

/* That a rank closes is heard by those in a fence, though there was no batch for the news
 * at first. */
static void news_of_a_close_are_kept(void **state)
{
	(void)state;
	for (unsigned long count = 1; count <= 4; count++) {
		bool none[RANKS] = { false };
		start(1, count, FY_BATCH_BYTES, false);
		close_rank(0);
		for (int i = 1; i < RANKS; i++)
			fy_agree_join(t.engine[i]->progress, FY_AGREE_FENCE);
		while (go_on() && fy_progress_of(t.engine[1])->agree.kind +
		                          fy_progress_of(t.engine[2])->agree.kind)
			step(none);
		assert_int_equal(shortage_failed(), count);
		assert_true(t.rounds < ROUNDS_MAX);
		finish();
		assert_string_equal(t.wrong, "");
	}
}

/* Places that are tried: a number of them, spread over all, or one that FERRY_SEED names. */
static void try_places(unsigned long count, unsigned long usual)
{
	unsigned long tries = t_seeds(usual), one = t_env("FERRY_SEED", 0), bad = 0;
	start(0, 0, 0, false);
	unsigned long all = converse(), stride = all / tries ? all / tries : 1;
	for (unsigned long first = one ? one : 1; first <= (one ? one : all); first += stride) {
		start(first, count, 0, false);
		converse();
		if (t.wrong[0] && ++bad < 20)
			printf("# seed %lu: after allocation %lu%s: %s\n", first, first,
			       count == 1 ? "" : " and those behind it", t.wrong);
	}
	assert_int_equal(bad, 0);
}

static void one_allocation_fails(void **state)
{
	(void)state;
	try_places(1, 200);
}

static void all_fail_for_a_while(void **state)
{
	(void)state;
	try_places(SHORTAGE_ALL, 60);
}

static void some_fail_again_and_again(void **state)
{
	unsigned long tries = t_seeds(40), one = t_env("FERRY_SEED", 0), bad = 0;
	(void)state;
	for (unsigned long seed = one ? one : 1; seed <= (one ? one : tries); seed++) {
		start_random(seed);
		converse();
		if (t.wrong[0] && ++bad < 20)
			printf("# seed %lu: %s\n", seed, t.wrong);
	}
	assert_int_equal(bad, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_shortage),
		cmocka_unit_test(what_is_too_large_is_refused),
		cmocka_unit_test(what_is_prepaid_is_not_waited_for_for_ever),
		cmocka_unit_test(a_vote_is_sent_when_there_is_a_batch),
		cmocka_unit_test(a_first_word_is_kept),
		cmocka_unit_test(news_of_a_close_are_kept),
		cmocka_unit_test(one_allocation_fails),
		cmocka_unit_test(all_fail_for_a_while),
		cmocka_unit_test(some_fail_again_and_again),
	};
	prepare();
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
