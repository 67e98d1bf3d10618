/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hours of everything at once: `soak SECONDS THREADS`. Threads of all ranks do acts of a table at
 * random, against books in which each message stands. soak.sh runs it, and has the list of
 * functions that are left out.
 *
 * The run is made of rounds of a second. In a round the workers do acts, and the main thread does
 * what has an order over all ranks: collectives, and a second engine. At its end the workers await
 * all that they started, a fence follows, and each rank tells the others what it sent them:
 *
 *  - what a future, a counter or a flush confirmed has come, once, with its bytes;
 *  - what failed because it was given up has come once or not at all;
 *  - where the header promises an order it was kept: see group_of;
 *  - each callback ran once, with the status of its future, which is the same after the fence;
 *  - all memory that was lent came back.
 *
 * On request ranks are stopped (SOAK_STOP_MS), and inline handlers block (SOAK_BLOCK_MS), while
 * silence is an accusation (SOAK_PEER_TIMEOUT_MS). Nobody dies, so nobody may be told to be gone.
 *
 * No wait is longer than SOAK_LIMIT seconds (60): a thread that waits says in its spot for what,
 * and the watch ends the run with that sentence. The acts follow from SOAK_SEED, which rank 0
 * prints; when threads run does not.
 *
 * Who writes what: a worker's struct is its own between the barriers of a round, and the main
 * thread's after them. All else that is shared has a lock.
 */
#include <fcntl.h>
#include <ferry_mpi.h>
#include <ferry_msgpack.h>

#include "system.h"

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <sys/types.h>
#include <unistd.h>

enum stream { INLINE, ANYWHERE, NAMED, STRAND, QUEUE, MAIL, POOL, STREAMS };
enum answer { AT_ONCE, AS_MESSAGE, LATER, EMPTY, REFUSED, UNANSWERED, ANSWERS };
enum group { IN_LINE, IN_STRAND, IN_QUEUE, IN_MAIL, GROUPS, NO_ORDER = GROUPS };
enum { MAY = 0x80 }; /* in the books of the sender, beside the stream: it may not come */
enum kind { POST, CALL, PROMISE };
enum { OP_STREAM = 10, OP_ECHO = 50, OP_LEDGER, OP_VALUE, OP_NOTE, OP_BLOCK };
enum { THREADS_MAX = 64, PENDING = 48, BODY_MAX = 80 << 10, LARGE = 1 << 20, SLOTS = 16 };
enum { EXCHANGES = 8, TAG_PROBE = 100, TAG_NONE = 999, EXT_TEXT = 5, SPOTS = THREADS_MAX + 8 };

static const char *const stream_names[] = { "inline", "anywhere", "named memory", "strand",
	                                    "queue",  "mailbox",  "pool" };

/* In front of each body. */
struct head {
	uint32_t round, seq, nbytes; /* nbytes: of the body behind it */
	uint32_t attached[2];        /* lengths */
	uint16_t thread;
	uint8_t stream, answer, attachments;
	uint64_t sum;
};

static ferry *engine;
static int me, ranks;
static unsigned n_threads;
static uint64_t seed;
static double limit;
static MPI_Comm plain;
static uint32_t the_round;
static double until; /* the end of this round; written before its first barrier */
static bool over;    /* likewise */
static pthread_barrier_t gate;
static ferry_executor *pool, *steady, *strand, *queue;

/* ---- what each thread waits for ---------------------------------------- */

struct spot {
	pthread_mutex_t lock;
	const char *what; /* NULL: nothing */
	double since;
	char who[24];
};
static struct spot spots[SPOTS];
static unsigned n_spots;
static __thread struct spot *spot; /* NULL on threads of the library */

static struct spot *spot_new(const char *who, unsigned number)
{
	struct spot *s = &spots[n_spots++];

	CHECK(n_spots <= SPOTS);
	pthread_mutex_init(&s->lock, NULL);
	snprintf(s->who, sizeof s->who, "%s %u", who, number);
	return s;
}

static void enter(const char *what)
{
	if (!spot)
		return;
	pthread_mutex_lock(&spot->lock);
	spot->since = system_now();
	spot->what = what;
	pthread_mutex_unlock(&spot->lock);
}

static int leave(int status)
{
	if (!spot)
		return status;
	pthread_mutex_lock(&spot->lock);
	spot->what = NULL;
	pthread_mutex_unlock(&spot->lock);
	return status;
}

/* The call is made between the two. */
#define WATCHED(what, call) (enter(what), leave(call))

static void spot_look(struct spot *s)
{
	pthread_mutex_lock(&s->lock);
	if (s->what && system_now() - s->since > limit)
		CHECK_FAIL("rank %d, round %u: %s has waited %.0f s for %s", me, the_round, s->who,
		           system_now() - s->since, s->what);
	pthread_mutex_unlock(&s->lock);
}

static struct system_counter stopping = SYSTEM_COUNTER_INIT;

static void *watch(void *arg)
{
	(void)arg;
	while (!system_counted(&stopping)) {
		for (unsigned i = 0; i < n_spots; i++)
			spot_look(&spots[i]);
		system_sleep_ms(100);
	}
	return NULL;
}

static void is_ok(const char *what, int status)
{
	if (status != FERRY_OK)
		CHECK_FAIL("rank %d, round %u, %s: %s: %s (%s)", me, the_round,
		           spot ? spot->who : "a handler", what, ferry_strname(status),
		           ferry_last_error());
}
#define OK(what, call) is_ok(what, WATCHED(what, call))

static int await(const char *what, ferry_future *future)
{
	return WATCHED(what, ferry_future_wait(future, FERRY_FOREVER));
}

static void await_ok(const char *what, ferry_future *future)
{
	OK(what, ferry_future_wait(future, FERRY_FOREVER));
	ferry_future_release(future);
}

/* Until a counter is at least so high. */
static void await_count(const char *what, struct system_counter *counter, uint64_t value)
{
	enter(what);
	while (system_counted(counter) < value)
		system_sleep_ms(1);
	leave(0);
}

/* ---- contents ----------------------------------------------------------- */

static uint64_t seed_of(int source, const struct head *h)
{
	uint64_t x = (uint64_t)source << 48 | (uint64_t)h->thread << 32 | h->seq;

	return system_mix(seed ^ system_mix(x) ^ system_mix((uint64_t)h->round << 8 | h->stream));
}

static uint64_t sum_of(int source, const struct head *h)
{
	return system_mix(seed_of(source, h) + h->nbytes + ((uint64_t)h->attached[0] << 24) +
	                  ((uint64_t)h->attached[1] << 40) + h->answer * 7919u);
}

/* ---- books of the sender ------------------------------------------------ */

struct sent {
	unsigned char *state; /* by number: the stream, and perhaps MAY */
	uint32_t count, room;
};

struct pending {
	ferry_future *future;
	enum kind kind;
	int to;
	struct head head;
	bool cancelled, timed, then;
	unsigned calls; /* under told_lock, and told */
	int told;
	int status; /* once it is settled */
	struct pending *next;
};
static pthread_mutex_t told_lock = PTHREAD_MUTEX_INITIALIZER;

/* A message of plain MPI to the next rank, and one from the rank before. */
struct exchange {
	uint64_t out[32], in[32];
	ferry_future *sent, *got;
	MPI_Message handle;
};

struct figures {
	uint64_t messages, calls, bytes, asked, engines, memory, descriptors;
};

enum { ACTS_MAX = 40 };
struct worker {
	unsigned id;
	struct spot *spot;
	uint64_t chance;
	struct sent *sent; /* by rank */
	struct pending *pending[PENDING];
	unsigned n_pending;
	struct pending *settled; /* looked at once more after the fence */
	bool gave_up;            /* since the last flush */
	ferry_counter *counter;
	unsigned exchanges[2];
	struct exchange swaps[EXCHANGES], probes[EXCHANGES];
	struct figures did;
	uint64_t times[ACTS_MAX];
	char body[BODY_MAX];
};
static struct worker *workers;

static uint64_t any_below(struct worker *w, uint64_t n)
{
	w->chance = system_mix(w->chance);
	return w->chance % n;
}

static uint32_t next_seq(struct sent *s)
{
	if (s->count == s->room) {
		s->room = s->room ? 2 * s->room : 1024;
		s->state = realloc(s->state, s->room);
		CHECK(s->state);
	}
	return s->count;
}

static size_t any_size(struct worker *w)
{
	uint64_t kind = any_below(w, 100);

	return any_below(w, kind < 85 ? 200 : kind < 98 ? 6000 : 70000);
}

static size_t any_large(struct worker *w)
{
	uint64_t kind = any_below(w, 100);

	return any_below(w, kind < 60 ? 2000 : kind < 95 ? 40000 : LARGE);
}

/* The head and body of the next message. It counts once it is posted. */
static size_t build(struct worker *w, struct pending *p, enum kind kind, unsigned attachments)
{
	struct head *h = &p->head;

	memset(p, 0, sizeof *p);
	p->kind = kind;
	p->to = (int)any_below(w, (uint64_t)ranks);
	h->round = the_round;
	h->seq = next_seq(&w->sent[p->to]);
	h->thread = (uint16_t)w->id;
	h->stream = (uint8_t)any_below(w, STREAMS);
	h->answer = kind == CALL ? (uint8_t)any_below(w, ANSWERS) : ANSWERS;
	h->attachments = (uint8_t)attachments;
	h->nbytes = (uint32_t)any_size(w);
	for (unsigned i = 0; i < attachments; i++)
		h->attached[i] = (uint32_t)any_large(w);
	h->sum = sum_of(me, h);
	memcpy(w->body, h, sizeof *h);
	system_fill(w->body + sizeof *h, h->nbytes, seed_of(me, h));
	return sizeof *h + h->nbytes;
}

static uint32_t op_of(const struct pending *p)
{
	return OP_STREAM + p->head.stream;
}

/* It was posted. */
static void count(struct worker *w, const struct pending *p)
{
	struct sent *s = &w->sent[p->to];

	s->state[s->count++] = p->head.stream;
	w->did.messages++;
	w->did.calls += p->kind == CALL;
	w->did.bytes += sizeof p->head + p->head.nbytes + p->head.attached[0] + p->head.attached[1];
}

/* ---- futures that are open ---------------------------------------------- */

static void check_reply(const struct pending *p)
{
	ferry_message *reply;
	size_t nbytes;
	uint64_t sum = system_mix(p->head.sum);

	OK("take a reply", ferry_future_take(p->future, &reply));
	const void *body = ferry_message_body(reply, &nbytes);
	CHECK_INT(nbytes, p->head.answer == EMPTY ? 0 : sizeof sum);
	if (nbytes && memcmp(body, &sum, sizeof sum) != 0)
		CHECK_FAIL("rank %d: the reply to number %u of thread %u is another one's", me,
		           p->head.seq, p->head.thread);
	if (p->head.answer == AS_MESSAGE) {
		CHECK_INT(ferry_message_attachments(reply), 1);
		body = ferry_message_attachment(reply, 0, &nbytes);
		CHECK_INT(nbytes, p->head.nbytes);
		CHECK(system_right(body, nbytes, sum));
	}
	ferry_message_release(reply);
}

static bool is_asked_for(const struct pending *p, int status)
{
	return (p->cancelled && status == FERRY_ECANCELED) ||
	       (p->timed && status == FERRY_ETIMEDOUT);
}

/* What came of it, and whether that may be. */
static void judge(struct worker *w, struct pending *p)
{
	bool refused =
		p->kind == CALL && (p->head.answer == REFUSED || p->head.answer == UNANSWERED);

	if (is_asked_for(p, p->status)) {
		w->did.asked++;
		if (p->kind != PROMISE)
			w->sent[p->to].state[p->head.seq] |= MAY;
	} else if (p->status != (refused ? FERRY_EREMOTE : FERRY_OK)) {
		CHECK_FAIL("rank %d, round %u, thread %u: a %s to rank %d (%s, number %u, answer "
		           "%u) ended with %s: %s",
		           me, the_round, w->id, p->kind == CALL ? "call" : "post", p->to,
		           stream_names[p->head.stream], p->head.seq, p->head.answer,
		           ferry_strname(p->status), ferry_future_detail(p->future));
	} else if (refused) {
		w->did.asked++;
		CHECK(*ferry_future_detail(p->future));
	} else if (p->kind == CALL || p->kind == PROMISE) {
		check_reply(p);
	}
}

/* Await number i. Some are kept, to look at them again. */
static void settle(struct worker *w, unsigned i)
{
	static const char *const names[] = { "a post", "a call", "a promise" };
	struct pending *p = w->pending[i];

	p->status = await(names[p->kind], p->future);
	judge(w, p);
	w->pending[i] = w->pending[--w->n_pending];
	if (p->then || any_below(w, 8) == 0) {
		p->next = w->settled;
		w->settled = p;
		return;
	}
	ferry_future_release(p->future);
	free(p);
}

static void add(struct worker *w, const struct pending *p)
{
	struct pending *kept = malloc(sizeof *kept);

	CHECK(kept);
	*kept = *p;
	if (w->n_pending == PENDING)
		settle(w, (unsigned)any_below(w, PENDING));
	w->pending[w->n_pending++] = kept;
}

/* One that is open, or NULL. */
static struct pending *any_pending(struct worker *w)
{
	return w->n_pending ? w->pending[any_below(w, w->n_pending)] : NULL;
}

/* ---- books of the receiver ---------------------------------------------- */

struct from {
	pthread_mutex_t lock;
	unsigned char *seen;
	uint32_t room, end; /* end: one more than the highest number */
	int64_t last[GROUPS];
};
static struct from *from; /* by rank and thread */

static struct from *from_of(int rank, unsigned thread)
{
	return &from[(unsigned)rank * n_threads + thread];
}

/* What is handled in the order of its thread. A pool of many begins in that order, which nobody can
 * see. */
static enum group group_of(unsigned stream)
{
	static const enum group groups[] = { IN_LINE,  IN_LINE, IN_LINE, IN_STRAND,
		                             IN_QUEUE, IN_MAIL, NO_ORDER };

	return groups[stream];
}

static void make_room(struct from *f, uint32_t seq)
{
	uint32_t room = f->room ? f->room : 1024;

	while (room <= seq)
		room *= 2;
	if (room > f->room) {
		f->seen = realloc(f->seen, room);
		CHECK(f->seen);
		memset(f->seen + f->room, 0, room - f->room);
		f->room = room;
	}
	if (seq >= f->end)
		f->end = seq + 1;
}

static void note(int source, const struct head *h)
{
	struct from *f = from_of(source, h->thread);
	enum group group = group_of(h->stream);

	pthread_mutex_lock(&f->lock);
	make_room(f, h->seq);
	if (f->seen[h->seq]++)
		CHECK_FAIL("rank %d, round %u: number %u of thread %u of rank %d (%s) came twice",
		           me, the_round, h->seq, h->thread, source, stream_names[h->stream]);
	if (group != NO_ORDER) {
		if (f->last[group] > (int64_t)h->seq)
			CHECK_FAIL("rank %d, round %u: number %u of thread %u of rank %d (%s) came "
			           "behind number %lld",
			           me, the_round, h->seq, h->thread, source,
			           stream_names[h->stream], (long long)f->last[group]);
		f->last[group] = h->seq;
	}
	pthread_mutex_unlock(&f->lock);
}

/* ---- named memory -------------------------------------------------------- */

static char *slots; /* SLOTS of LARGE bytes */
static bool slot_used[SLOTS];
static unsigned slot_turn;
static pthread_mutex_t slot_lock = PTHREAD_MUTEX_INITIALIZER;

static void *give_memory(ferry *e, int source, uint32_t op, size_t index, size_t nbytes, void *arg)
{
	char *given = NULL;

	(void)e, (void)source, (void)op, (void)index, (void)arg;
	pthread_mutex_lock(&slot_lock);
	unsigned i = slot_turn++ % (SLOTS + 4); /* sometimes the library's memory */
	if (i < SLOTS && !slot_used[i] && nbytes <= LARGE) {
		slot_used[i] = true;
		given = slots + (size_t)i * LARGE;
	}
	pthread_mutex_unlock(&slot_lock);
	return given;
}

static void take_back(const char *memory)
{
	if (memory < slots || memory >= slots + (size_t)SLOTS * LARGE)
		return;
	pthread_mutex_lock(&slot_lock);
	slot_used[(size_t)(memory - slots) / LARGE] = false;
	pthread_mutex_unlock(&slot_lock);
}

/* ---- what comes ----------------------------------------------------------- */

static struct head check_message(ferry_message *m, enum stream stream)
{
	size_t nbytes;
	const char *body = ferry_message_body(m, &nbytes);
	int source = ferry_message_source(m);
	struct head h;

	CHECK(nbytes >= sizeof h);
	memcpy(&h, body, sizeof h);
	if (h.sum != sum_of(source, &h) || nbytes != sizeof h + h.nbytes || h.thread >= n_threads ||
	    h.stream != stream || ferry_message_op(m) != OP_STREAM + (uint32_t)stream ||
	    !system_right(body + sizeof h, h.nbytes, seed_of(source, &h)))
		CHECK_FAIL("rank %d, round %u: a message of rank %d (%s) has wrong bytes", me,
		           the_round, source, stream_names[stream]);
	CHECK_INT(h.round, the_round);
	CHECK_INT(ferry_message_attachments(m), h.attachments);
	for (unsigned i = 0; i < h.attachments; i++) {
		const char *data = ferry_message_attachment(m, i, &nbytes);
		CHECK_INT(nbytes, h.attached[i]);
		if (!system_right(data, nbytes, seed_of(source, &h) + i + 1))
			CHECK_FAIL("rank %d, round %u: attachment %u of number %u of thread %u of "
			           "rank %d (%s) has wrong bytes",
			           me, the_round, i, h.seq, h.thread, source, stream_names[stream]);
		take_back(data);
	}
	note(source, &h);
	return h;
}

static struct system_counter lent = SYSTEM_COUNTER_INIT, returned = SYSTEM_COUNTER_INIT;

static void *lend(size_t nbytes, uint64_t content)
{
	void *data = malloc(nbytes + 1);

	CHECK(data);
	system_fill(data, nbytes, content);
	system_count(&lent, 1);
	return data;
}

/* The engine stops between a message and its answer only when it is closed. */
static void answer(ferry_message *request, const struct head *h)
{
	uint64_t sum = system_mix(h->sum);
	ferry_message *reply;

	if (h->answer == REFUSED) {
		OK("refuse", ferry_reply_error(request, FERRY_EINVAL, "as asked for"));
	} else if (h->answer == AS_MESSAGE) {
		OK("create a reply", ferry_message_create(engine, OP_NOTE, &reply));
		OK("write a reply", ferry_message_write(reply, &sum, sizeof sum));
		OK("attach to a reply", ferry_message_attach(reply, lend(h->nbytes, sum), h->nbytes,
		                                             system_release, &returned));
		OK("reply by a message", ferry_reply_message(request, reply));
		ferry_message_release(reply);
	} else if (h->answer != EMPTY) {
		OK("reply", ferry_reply(request, &sum, sizeof sum));
		CHECK_STATUS(ferry_reply(request, &sum, sizeof sum), FERRY_EALREADY);
	}
}

struct later {
	ferry_message *request;
	struct head head;
	struct later *next;
};
static struct later *laters; /* under later_lock */
static pthread_mutex_t later_lock = PTHREAD_MUTEX_INITIALIZER;

static void put_off(ferry_message *request, const struct head *h)
{
	struct later *l = malloc(sizeof *l);

	CHECK(l);
	ferry_message_retain(request);
	l->request = request;
	l->head = *h;
	pthread_mutex_lock(&later_lock);
	l->next = laters;
	laters = l;
	pthread_mutex_unlock(&later_lock);
}

static void answer_later(void)
{
	pthread_mutex_lock(&later_lock);
	struct later *l = laters;
	laters = NULL;
	pthread_mutex_unlock(&later_lock);
	while (l) {
		struct later *next = l->next;
		if (l->head.answer == LATER)
			answer(l->request, &l->head);
		ferry_message_release(l->request); /* which refuses what has no answer */
		free(l);
		l = next;
	}
}

static void receive(ferry_message *m, enum stream stream)
{
	struct head h = check_message(m, stream);

	if (stream == POOL && h.seq % 16 == 0)
		system_sleep_ms(1); /* so that its pool has a queue */
	if (h.answer == LATER || h.answer == UNANSWERED)
		put_off(m, &h);
	else if (h.answer < ANSWERS)
		answer(m, &h);
}

static void on_stream(ferry *e, ferry_message *m, void *arg)
{
	(void)e;
	receive(m, (enum stream)(uintptr_t)arg);
}

static void on_echo(ferry *e, ferry_message *m, void *arg)
{
	(void)e, (void)arg;
	OK("reply to an echo", ferry_reply(m, NULL, 0));
}

static pthread_mutex_t mail_lock = PTHREAD_MUTEX_INITIALIZER;

/* One message of the mailbox; false if there is none. The lock keeps the order between readers. */
static bool read_mail(int64_t timeout)
{
	ferry_message *m;
	size_t nbytes;

	pthread_mutex_lock(&mail_lock);
	int status = WATCHED("mail", ferry_recv(engine, FERRY_ANY, OP_STREAM + MAIL, timeout, &m));
	if (status == FERRY_OK) {
		struct head h = check_message(m, MAIL);
		if (h.answer == LATER || h.answer == UNANSWERED) {
			put_off(m, &h);
		} else if (h.answer == EMPTY) {
			OK("reply to mail", ferry_reply(m, NULL, 0));
		} else if (h.answer < ANSWERS) {
			answer(m, &h);
		} else if (h.attachments) {
			/* memory that is taken is the program's, and as it was */
			int source = ferry_message_source(m);
			char *data = ferry_message_take(m, 0, &nbytes);
			CHECK(data || !nbytes);
			CHECK(!data || system_right(data, nbytes, seed_of(source, &h) + 1));
			free(data);
		}
		ferry_message_release(m);
	} else if (status != FERRY_PENDING) {
		is_ok("mail", status);
	}
	pthread_mutex_unlock(&mail_lock);
	return status == FERRY_OK;
}

static void *reader(void *arg)
{
	spot = arg;
	while (!system_counted(&stopping))
		if (!read_mail(FERRY_MS(2)))
			system_sleep_ms(1); /* lets the lock go */
	return NULL;
}

/* Runs the queue, and answers what was put off. */
static void *keeper(void *arg)
{
	struct pollfd ready = { .fd = ferry_executor_fd(queue), .events = POLLIN };

	spot = arg;
	CHECK(ready.fd >= 0);
	while (!system_counted(&stopping)) {
		if (poll(&ready, 1, 2) > 0)
			CHECK(WATCHED("the queue", ferry_executor_run(queue, 16, FERRY_MS(1))) >=
			      0);
		answer_later();
	}
	answer_later();
	return NULL;
}

/* ---- acts: posts and calls ------------------------------------------------ */

static void act_post(struct worker *w)
{
	struct pending p;
	size_t nbytes = build(w, &p, POST, 0);

	OK("post", ferry_post(engine, p.to, op_of(&p), w->body, nbytes, NULL));
	count(w, &p);
}

static void act_post_future(struct worker *w)
{
	struct pending p;
	size_t nbytes = build(w, &p, POST, 0);

	OK("post with a future", ferry_post(engine, p.to, op_of(&p), w->body, nbytes, &p.future));
	count(w, &p);
	add(w, &p);
}

static void act_post_for(struct worker *w)
{
	struct pending p;
	size_t nbytes = build(w, &p, POST, 0);
	int status = WATCHED("post for a time",
	                     ferry_post_for(engine, p.to, op_of(&p), w->body, nbytes,
	                                    (int64_t)any_below(w, 100000), &p.future));

	if (status == FERRY_EAGAIN) { /* it did not happen */
		w->did.asked++;
		return;
	}
	is_ok("post for a time", status);
	count(w, &p);
	add(w, &p);
}

static void act_counted(struct worker *w)
{
	struct pending p;
	size_t nbytes = build(w, &p, POST, 0);

	OK("counted post",
	   ferry_post_counted(engine, p.to, op_of(&p), w->body, nbytes, w->counter));
	count(w, &p);
}

static void act_call(struct worker *w)
{
	struct pending p;
	size_t nbytes = build(w, &p, CALL, 0);

	OK("call", ferry_call(engine, p.to, op_of(&p), w->body, nbytes, &p.future));
	count(w, &p);
	add(w, &p);
}

static void act_call_for(struct worker *w)
{
	struct pending p;
	size_t nbytes = build(w, &p, CALL, 0);
	int status = WATCHED("call for a time",
	                     ferry_call_for(engine, p.to, op_of(&p), w->body, nbytes,
	                                    (int64_t)any_below(w, 100000), &p.future));

	if (status == FERRY_EAGAIN) {
		w->did.asked++;
		return;
	}
	is_ok("call for a time", status);
	count(w, &p);
	add(w, &p);
}

static void send_message(struct worker *w, enum kind kind)
{
	struct pending p;
	size_t nbytes = build(w, &p, kind, 1 + (unsigned)any_below(w, 2));
	bool asks = kind == CALL || any_below(w, 2);
	ferry_message *m;

	OK("create a message", ferry_message_create(engine, op_of(&p), &m));
	OK("write a message", ferry_message_write(m, w->body, nbytes));
	for (unsigned i = 0; i < p.head.attachments; i++)
		OK("attach",
		   ferry_message_attach(m, lend(p.head.attached[i], seed_of(me, &p.head) + i + 1),
		                        p.head.attached[i], system_release, &returned));
	OK("post a message",
	   kind == CALL ? ferry_call_message(engine, p.to, m, &p.future)
	                : ferry_post_message(engine, p.to, m, asks ? &p.future : NULL));
	ferry_message_release(m);
	count(w, &p);
	if (asks)
		add(w, &p);
}

static void act_post_message(struct worker *w)
{
	send_message(w, POST);
}

static void act_call_message(struct worker *w)
{
	send_message(w, CALL);
}

/* ---- acts: futures --------------------------------------------------------- */

static void act_poll(struct worker *w)
{
	for (unsigned i = 0; i < w->n_pending; i++)
		if (ferry_future_poll(w->pending[i]->future) != FERRY_PENDING) {
			settle(w, i);
			return;
		}
}

static void act_wait(struct worker *w)
{
	if (w->n_pending)
		settle(w, (unsigned)any_below(w, w->n_pending));
}

/* The program gives up its reference; the operation goes on. */
static void act_forget(struct worker *w)
{
	if (!w->n_pending)
		return;
	unsigned i = (unsigned)any_below(w, w->n_pending);
	struct pending *p = w->pending[i];
	if (p->cancelled || p->timed || p->then || p->kind == PROMISE)
		return;
	w->pending[i] = w->pending[--w->n_pending];
	ferry_future_release(p->future);
	free(p);
}

static void act_cancel(struct worker *w)
{
	struct pending *p = any_pending(w);

	if (!p || p->kind == PROMISE)
		return;
	int status = ferry_future_cancel(p->future);
	CHECK(status == FERRY_OK || status == FERRY_EALREADY);
	if (status == FERRY_OK) {
		CHECK_INT(ferry_future_poll(p->future), FERRY_ECANCELED);
		p->cancelled = w->gave_up = true;
	}
}

static void act_deadline(struct worker *w)
{
	struct pending *p = any_pending(w);

	if (!p || p->kind == PROMISE || p->timed)
		return;
	int status = ferry_future_deadline(p->future, (int64_t)any_below(w, FERRY_MS(2)));
	CHECK(status == FERRY_OK || status == FERRY_EALREADY);
	if (status == FERRY_OK)
		p->timed = w->gave_up = true;
}

static void told(ferry_future *future, int status, void *arg)
{
	struct pending *p = arg;

	CHECK_INT(ferry_future_poll(future), status);
	pthread_mutex_lock(&told_lock);
	p->calls++;
	p->told = status;
	pthread_mutex_unlock(&told_lock);
}

static void act_then(struct worker *w)
{
	struct pending *p = any_pending(w);
	ferry_executor *places[] = { FERRY_INLINE, steady, strand, queue };

	if (!p || p->then)
		return;
	p->then = true;
	OK("then", ferry_future_then(p->future, places[any_below(w, 4)], told, p));
}

/* Up to `most` different open futures. */
static unsigned pick(struct worker *w, ferry_future **futures, unsigned most)
{
	unsigned n = w->n_pending < most ? w->n_pending : most;

	for (unsigned i = 0; i < n; i++)
		futures[i] = w->pending[i]->future;
	return n;
}

static int first_failure(ferry_future **futures, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		int status = ferry_future_poll(futures[i]);
		CHECK(status != FERRY_PENDING);
		if (status != FERRY_OK)
			return status;
	}
	return FERRY_OK;
}

static void act_all(struct worker *w)
{
	ferry_future *futures[3], *all;
	unsigned n = pick(w, futures, 3);

	OK("all", ferry_future_all(futures, n, &all));
	CHECK_INT(await("all of some", all), first_failure(futures, n));
	ferry_future_release(all);
}

static void act_any(struct worker *w)
{
	ferry_future *futures[3], *any;
	unsigned n = pick(w, futures, 3);
	bool found = false;

	if (!n)
		return;
	OK("any", ferry_future_any(futures, n, &any));
	int status = await("any of some", any);
	for (unsigned i = 0; i < n; i++)
		found |= ferry_future_poll(futures[i]) == status;
	CHECK(found);
	ferry_future_release(any);
}

static int next_step(ferry_future *done, int status, void *arg, ferry_future **next_p)
{
	CHECK_INT(ferry_future_poll(done), status);
	return ferry_call(engine, (int)(uintptr_t)arg, OP_ECHO, NULL, 0, next_p);
}

static void act_and_then(struct worker *w)
{
	struct pending *p = any_pending(w);
	ferry_future *chain, *one;

	if (!p)
		return;
	/* what has a callback has a future of its own for the chain */
	OK("all of one", ferry_future_all(&p->future, 1, &one));
	OK("and then", ferry_future_and_then(one, any_below(w, 2) ? FERRY_INLINE : steady,
	                                     next_step, (void *)(uintptr_t)p->to, &chain));
	ferry_future_release(one);
	int status = await("a chain", chain);
	CHECK(status == FERRY_OK || status == FERRY_EAGAIN);
	ferry_future_release(chain);
}

static void act_wait_any(struct worker *w)
{
	ferry_future *futures[4];
	unsigned n = pick(w, futures, 4);
	size_t index = 0;

	if (!n)
		return;
	int status = WATCHED("one of some", ferry_wait_any(futures, n, FERRY_FOREVER, &index));
	CHECK(index < n);
	CHECK_INT(ferry_future_poll(futures[index]), status);
	settle(w, (unsigned)index);
}

static void act_wait_all(struct worker *w)
{
	ferry_future *futures[8];
	unsigned n = pick(w, futures, 8);
	int status = WATCHED("all of many", ferry_wait_all(futures, n, FERRY_FOREVER));

	CHECK_INT(status, first_failure(futures, n));
}

static void act_finish_all(struct worker *w)
{
	ferry_future *futures[5] = { NULL };

	for (unsigned i = 0; i < 4; i++) {
		struct pending p;
		size_t nbytes = build(w, &p, POST, 0);
		OK("post to finish",
		   ferry_post(engine, p.to, op_of(&p), w->body, nbytes, &futures[i]));
		count(w, &p);
	}
	OK("finish all", ferry_finish_all(futures, 5, FERRY_FOREVER));
	for (unsigned i = 0; i < 5; i++)
		CHECK(!futures[i]);
}

/* ---- acts: promises -------------------------------------------------------- */

/* A promise of one thread, which another one fulfils. */
static ferry_future *promised;
static struct head promised_head;
static pthread_mutex_t promise_lock = PTHREAD_MUTEX_INITIALIZER;

static ferry_future *swap_promise(ferry_future *mine, struct head *h)
{
	pthread_mutex_lock(&promise_lock);
	ferry_future *other = promised;
	struct head theirs = promised_head;
	promised = mine;
	promised_head = *h;
	*h = theirs;
	pthread_mutex_unlock(&promise_lock);
	return other;
}

static void fulfil(ferry_future *promise, const struct head *h)
{
	uint64_t sum = system_mix(h->sum);
	ferry_message *value;

	if (!promise)
		return;
	OK("create a value", ferry_message_create(engine, OP_VALUE, &value));
	OK("write a value", ferry_message_write(value, &sum, sizeof sum));
	OK("fulfil", ferry_promise_fulfil(promise, FERRY_OK, value));
	CHECK_STATUS(ferry_promise_fulfil(promise, FERRY_OK, NULL), FERRY_EALREADY);
	ferry_message_release(value);
	ferry_future_release(promise);
}

static void fulfil_last(void)
{
	struct head h = { 0 };

	fulfil(swap_promise(NULL, &h), &h);
}

static void act_promise(struct worker *w)
{
	struct pending p = { .kind = PROMISE };
	struct head h;

	p.head.sum = any_below(w, UINT64_MAX);
	OK("promise", ferry_promise_create(engine, &p.future));
	ferry_future_retain(p.future);
	h = p.head;
	ferry_future *other = swap_promise(p.future, &h);
	fulfil(other, &h);
	fulfil_last(); /* before any wait of this thread, so that nobody waits for it */
	add(w, &p);
}

/* ---- acts: order, room, errors ----------------------------------------------- */

static void flush(struct worker *w, int rank)
{
	int status = WATCHED("a flush", ferry_flush(engine, rank, FERRY_FOREVER));

	if (w->gave_up && (status == FERRY_ECANCELED || status == FERRY_ETIMEDOUT))
		w->did.asked++;
	else
		is_ok("flush", status);
	if (rank == FERRY_ALL)
		w->gave_up = false;
}

static void act_flush(struct worker *w)
{
	flush(w, any_below(w, 2) ? FERRY_ALL : (int)any_below(w, (uint64_t)ranks));
}

static void act_room(struct worker *w)
{
	ferry_future *room;

	OK("room", ferry_room(engine, (int)any_below(w, (uint64_t)ranks), &room));
	await_ok("room for a post", room);
}

/* What is wrong has no effect, and says why. */
static void act_wrong(struct worker *w)
{
	CHECK_STATUS(ferry_post(engine, ranks, OP_STREAM, "x", 1, NULL), FERRY_EINVAL);
	CHECK(*ferry_last_error() && *ferry_strerror(FERRY_EINVAL) && *ferry_version());
	CHECK_STATUS(ferry_peer_status(engine, ranks), FERRY_EINVAL);
	CHECK_OK(ferry_peer_status(engine, (int)any_below(w, (uint64_t)ranks)));
	CHECK_OK(ferry_status(engine));
	CHECK_STATUS(ferry_progress(engine, 0), FERRY_EINVAL);
	w->did.asked += 3;
}

static void act_nap(struct worker *w)
{
	struct timespec time = { 0, (long)any_below(w, 1000000) };

	nanosleep(&time, NULL);
}

/* ---- acts: plain MPI ---------------------------------------------------------- */

static uint64_t swap_content(int rank, unsigned thread, unsigned number)
{
	return system_mix(seed ^ (uint64_t)the_round << 24 ^ (uint64_t)rank << 16 ^ thread << 8 ^
	                  number);
}

static int next_rank(void)
{
	return (me + 1) % ranks;
}

static int rank_before(void)
{
	return (me + ranks - 1) % ranks;
}

static void act_sendrecv(struct worker *w)
{
	unsigned n = w->exchanges[0];

	if (n == EXCHANGES)
		return;
	struct exchange *x = &w->swaps[w->exchanges[0]++];
	system_fill(x->out, sizeof x->out, swap_content(me, w->id, n));
	OK("sendrecv",
	   ferry_sendrecv(engine, x->out, sizeof x->out, MPI_BYTE, next_rank(), (int)w->id, x->in,
	                  sizeof x->in, MPI_BYTE, rank_before(), (int)w->id, plain, &x->got));
}

static void act_probe(struct worker *w)
{
	unsigned n = w->exchanges[1];

	if (n == EXCHANGES)
		return;
	struct exchange *x = &w->probes[w->exchanges[1]++];
	system_fill(x->out, sizeof x->out, swap_content(me, w->id, n + EXCHANGES));
	OK("probe", ferry_improbe(engine, rank_before(), TAG_PROBE + (int)w->id, plain, &x->handle,
	                          &x->got));
	OK("isend", ferry_isend(engine, x->out, sizeof x->out, MPI_BYTE, next_rank(),
	                        TAG_PROBE + (int)w->id, plain, &x->sent));
}

static void act_irecv(struct worker *w)
{
	ferry_future *future;
	char byte;

	/* a message to itself, and one that nobody sends */
	(void)w;
	OK("irecv", ferry_irecv(engine, &byte, 0, MPI_BYTE, MPI_PROC_NULL, 0, plain, &future));
	await_ok("a receive from nobody", future);
	OK("irecv", ferry_irecv(engine, NULL, 0, MPI_BYTE, me, TAG_NONE, plain, &future));
	OK("cancel a receive", ferry_future_cancel(future));
	CHECK_INT(await("a receive that is cancelled", future), FERRY_ECANCELED);
	ferry_future_release(future);
	w->did.asked++;
}

static void check_exchange(struct worker *w, struct exchange *x, unsigned number)
{
	if (!system_right(x->in, sizeof x->in, swap_content(rank_before(), w->id, number)))
		CHECK_FAIL("rank %d, round %u, thread %u: exchange %u has wrong bytes", me,
		           the_round, w->id, number);
}

static void finish_exchanges(struct worker *w)
{
	MPI_Status status;
	int n;

	while (w->exchanges[0] < EXCHANGES)
		act_sendrecv(w);
	while (w->exchanges[1] < EXCHANGES)
		act_probe(w);
	for (unsigned i = 0; i < EXCHANGES; i++) {
		struct exchange *x = &w->swaps[i];
		await_ok("a sendrecv", x->got);
		check_exchange(w, x, i);
		x = &w->probes[i];
		OK("a probe", ferry_future_wait(x->got, FERRY_FOREVER));
		OK("a probe's status", ferry_future_mpi_status(x->got, &status));
		MPI_Get_count(&status, MPI_BYTE, &n);
		CHECK_INT(n, sizeof x->in);
		ferry_future_release(x->got);
		OK("imrecv", ferry_imrecv(engine, x->in, n, MPI_BYTE, &x->handle, &x->got));
		await_ok("an imrecv", x->got);
		await_ok("an isend", x->sent);
		check_exchange(w, x, i + EXCHANGES);
	}
	w->exchanges[0] = w->exchanges[1] = 0;
}

/* ---- the table of acts, and a worker -------------------------------------------- */

static const struct act {
	const char *name;
	unsigned weight;
	void (*act)(struct worker *w);
} acts[] = {
	{ "post", 60, act_post },
	{ "post with a future", 20, act_post_future },
	{ "post for a time", 5, act_post_for },
	{ "counted post", 20, act_counted },
	{ "post a message", 8, act_post_message },
	{ "call", 12, act_call },
	{ "call for a time", 3, act_call_for },
	{ "call by a message", 3, act_call_message },
	{ "poll", 20, act_poll },
	{ "wait", 3, act_wait },
	{ "forget", 5, act_forget },
	{ "cancel", 4, act_cancel },
	{ "deadline", 4, act_deadline },
	{ "then", 4, act_then },
	{ "all", 1, act_all },
	{ "any", 2, act_any },
	{ "and then", 1, act_and_then },
	{ "wait any", 2, act_wait_any },
	{ "wait all", 1, act_wait_all },
	{ "finish all", 1, act_finish_all },
	{ "promise", 3, act_promise },
	{ "flush", 1, act_flush },
	{ "room", 1, act_room },
	{ "wrong", 1, act_wrong },
	{ "nap", 1, act_nap },
	{ "sendrecv", 1, act_sendrecv },
	{ "probe", 1, act_probe },
	{ "irecv", 1, act_irecv },
};
_Static_assert(COUNT_OF(acts) <= ACTS_MAX, "they have room");

static void act_once(struct worker *w)
{
	uint64_t total = 0, at;
	size_t i = 0;

	for (size_t k = 0; k < COUNT_OF(acts); k++)
		total += acts[k].weight;
	for (at = any_below(w, total); at >= acts[i].weight; i++)
		at -= acts[i].weight;
	acts[i].act(w);
	w->times[i]++;
}

static struct system_counter counted_told = SYSTEM_COUNTER_INIT;

static void counter_told(ferry_future *future, int status, void *arg)
{
	(void)arg;
	CHECK(!future);
	is_ok("a counter's callback", status);
	system_count(&counted_told, 1);
}

static void finish_counter(struct worker *w)
{
	uint64_t posted, done;

	OK("read a counter", ferry_counter_read(w->counter, &posted, &done));
	CHECK(done <= posted);
	OK("counter then",
	   ferry_counter_then(w->counter, posted, FERRY_INLINE, counter_told, NULL));
	OK("a counter", ferry_counter_wait(w->counter, posted, FERRY_FOREVER));
	OK("read a counter", ferry_counter_read(w->counter, NULL, &done));
	CHECK_INT(done, posted);
	ferry_counter_release(w->counter);
}

static void await_callback(struct pending *p)
{
	bool ran = false;

	enter("a callback");
	while (!ran) {
		pthread_mutex_lock(&told_lock);
		ran = p->calls > 0;
		pthread_mutex_unlock(&told_lock);
		if (!ran)
			system_sleep_ms(1);
	}
	leave(0);
}

static void finish(struct worker *w)
{
	fulfil_last();
	while (w->n_pending)
		settle(w, 0);
	finish_exchanges(w);
	finish_counter(w);
	flush(w, FERRY_ALL);
	for (struct pending *p = w->settled; p; p = p->next)
		if (p->then)
			await_callback(p);
}

static int pass_gate(void)
{
	pthread_barrier_wait(&gate);
	return 0;
}

static void *work(void *arg)
{
	struct worker *w = arg;

	spot = w->spot;
	for (;;) {
		WATCHED("the next round", pass_gate());
		if (over)
			return NULL;
		OK("counter", ferry_counter_create(engine, &w->counter));
		while (system_now() < until)
			act_once(w);
		finish(w);
		WATCHED("the end of the round", pass_gate());
	}
}

/* ---- the main thread: collectives ------------------------------------------------- */

static int start_sum(MPI_Comm comm, void *arg, MPI_Request *request)
{
	int *numbers = arg;

	return MPI_Iallreduce(&numbers[0], &numbers[1], 1, MPI_INT, MPI_SUM, comm, request);
}

static int start_barrier(MPI_Comm comm, void *arg, MPI_Request *request)
{
	(void)arg;
	return MPI_Ibarrier(comm, request);
}

static int run_size(MPI_Comm comm, void *arg)
{
	return MPI_Comm_size(comm, arg);
}

static void released(void *data, void *arg)
{
	(void)data;
	system_count(arg, 1);
}

static void check_gathered(ferry_future *future)
{
	ferry_message *all;
	size_t nbytes;

	OK("take what was gathered", ferry_future_take(future, &all));
	CHECK_INT(ferry_message_attachments(all), ranks);
	for (int r = 0; r < ranks; r++) {
		const void *part = ferry_message_attachment(all, (size_t)r, &nbytes);
		CHECK_INT(nbytes, 1000 + 5000 * (size_t)r);
		CHECK(system_right(part, nbytes, swap_content(r, 0, 99)));
	}
	ferry_message_release(all);
}

static void gather(int root)
{
	size_t nbytes = 1000 + 5000 * (size_t)me;
	char *data = malloc(nbytes);
	ferry_future *future;

	CHECK(data);
	system_fill(data, nbytes, swap_content(me, 0, 99));
	OK("gather", ferry_gather(engine, data, nbytes, root, &future));
	OK("a gather", ferry_future_wait(future, FERRY_FOREVER));
	if (me == root)
		check_gathered(future);
	ferry_future_release(future);
	free(data);
}

static void collectives(void)
{
	int root = (int)(the_round % (unsigned)ranks), sum = 0, numbers[2] = { me, -1 }, size = 0;
	int total = ranks * (ranks - 1) / 2, word = me == root ? (int)the_round : -1;
	struct system_counter ended = SYSTEM_COUNTER_INIT;
	ferry_future *f[6];

	OK("barrier", ferry_barrier(engine, &f[0]));
	OK("bcast", ferry_bcast(engine, &word, 1, MPI_INT, root, &f[1]));
	OK("reduce", ferry_reduce(engine, &me, &sum, 1, MPI_INT, MPI_SUM, root, &f[2]));
	OK("start", ferry_start(engine, start_sum, numbers, &f[3]));
	OK("start with a release",
	   ferry_start_release(engine, start_barrier, &ended, released, &f[4]));
	OK("run", ferry_run(engine, run_size, &size, &f[5]));
	OK("collectives", ferry_finish_all(f, 6, FERRY_FOREVER));
	CHECK_INT(word, the_round);
	CHECK_INT(me == root ? sum : total, total);
	CHECK_INT(numbers[1], total);
	CHECK_INT(size, ranks);
	OK("allreduce", ferry_allreduce(engine, &me, &sum, 1, MPI_INT, MPI_SUM, &f[0]));
	await_ok("an allreduce", f[0]);
	CHECK_INT(sum, total);
	gather(root);
	await_count("a release of MPI's", &ended, 1);
}

/* ---- the main thread: a second engine, and its objects ------------------------------ */

/* [number, bytes]: both follow from the number. */
struct parcel {
	msgpack_object object, items[2];
	char *bytes;
	uint64_t number;
};

static size_t parcel_size(uint64_t number)
{
	return number % 3 ? 50 + number % 500 : 300000; /* some are attached */
}

static void parcel_make(struct parcel *p, unsigned step)
{
	p->number = (uint64_t)the_round * 64 + step;
	size_t nbytes = parcel_size(p->number);
	p->bytes = malloc(nbytes);
	CHECK(p->bytes);
	system_fill(p->bytes, nbytes, p->number);
	p->items[0].type = MSGPACK_OBJECT_POSITIVE_INTEGER;
	p->items[0].via.u64 = p->number;
	p->items[1].type = MSGPACK_OBJECT_BIN;
	p->items[1].via.bin.size = (uint32_t)nbytes;
	p->items[1].via.bin.ptr = p->bytes;
	p->object.type = MSGPACK_OBJECT_ARRAY;
	p->object.via.array.size = 2;
	p->object.via.array.ptr = p->items;
}

static void parcel_check(ferry_message *m, const struct parcel *p)
{
	const msgpack_object *o;

	OK("an object", ferry_message_object(m, &o));
	CHECK(o->type == MSGPACK_OBJECT_ARRAY && o->via.array.size >= 2);
	CHECK_INT(o->via.array.ptr[0].via.u64, p->number);
	CHECK_INT(o->via.array.ptr[1].via.bin.size, parcel_size(p->number));
	CHECK(system_right(o->via.array.ptr[1].via.bin.ptr, parcel_size(p->number), p->number));
}

static void parcel_end(ferry_message *m, struct parcel *p)
{
	parcel_check(m, p);
	ferry_message_release(m);
	free(p->bytes);
}

static void talk_objects(ferry *e)
{
	struct parcel p;
	ferry_message *m;
	ferry_future *f;

	parcel_make(&p, 0);
	OK("send object", ferry_send_object(e, next_rank(), &p.object));
	OK("an object", ferry_recv_object(e, rank_before(), FERRY_FOREVER, &m));
	parcel_end(m, &p);
	parcel_make(&p, 1);
	OK("isend object", ferry_isend_object(e, next_rank(), &p.object, &f));
	OK("an object that is polled for", ferry_busy_wait_recv(e, rank_before(), 1000, &m));
	await_ok("an isend of an object", f);
	parcel_end(m, &p);
}

static void talk_buffers(ferry *e)
{
	struct system_counter back = SYSTEM_COUNTER_INIT;
	size_t nbytes = 100000, got;
	char *data = malloc(nbytes);
	void *in;
	ferry_future *f;

	CHECK(data);
	system_fill(data, nbytes, the_round);
	OK("send buffer", ferry_send_buffer(e, next_rank(), data, nbytes));
	OK("isend buffer",
	   ferry_isend_buffer(e, next_rank(), data, nbytes, system_release, &back, &f));
	for (int i = 0; i < 2; i++) {
		in = NULL;
		OK("a buffer", ferry_recv_buffer(e, rank_before(), FERRY_FOREVER, &in, &got));
		CHECK_INT(got, nbytes);
		CHECK(system_right(in, got, the_round));
		free(in);
	}
	await_ok("an isend of a buffer", f);
	enter("a buffer that was lent");
	while (!system_counted(&back)) /* which the engine may be driven for */
		OK("statistics", ferry_flush(e, FERRY_ALL, FERRY_FOREVER));
	leave(0);
}

static void talk_operation(ferry *e, uint32_t op)
{
	uint32_t got;
	int source;

	OK("an operation", ferry_recv_operation_type(e, FERRY_FOREVER, &got, &source));
	CHECK_INT(got, op);
	CHECK_INT(source, rank_before());
}

static void talk_operations(ferry *e)
{
	struct parcel p;
	ferry_message *m;
	ferry_future *f;
	size_t nbytes;

	parcel_make(&p, 2);
	OK("operation", ferry_send_simple_operation(e, next_rank(), 70, &p.object));
	OK("operation", ferry_isend_simple_operation(e, next_rank(), 71, &p.object, &f));
	for (uint32_t op = 70; op <= 71; op++) {
		talk_operation(e, op);
		OK("data", ferry_recv_simple_operation(e, rank_before(), FERRY_FOREVER, &m));
		parcel_check(m, &p);
		ferry_message_release(m);
	}
	await_ok("an operation", f);
	OK("bytes", ferry_isend_serialized_operation(e, next_rank(), 72, p.bytes, 40, &f));
	talk_operation(e, 72);
	OK("bytes", ferry_recv_serialized_data(e, rank_before(), FERRY_FOREVER, &m));
	CHECK(memcmp(ferry_message_data(m, &nbytes), p.bytes, 40) == 0);
	CHECK_INT(nbytes, 40);
	await_ok("an operation with bytes", f);
	ferry_message_release(m);
	free(p.bytes);
}

static void talk_complex(ferry *e)
{
	struct parcel p;
	ferry_message *m, *packed = NULL;
	ferry_future *f[2];

	parcel_make(&p, 3);
	OK("complex data", ferry_send_complex_data(e, next_rank(), &p.object, &packed));
	OK("again", ferry_isend_complex_data(e, next_rank(), NULL, &packed, &f[0]));
	OK("and as an operation",
	   ferry_isend_complex_operation(e, next_rank(), 73, NULL, &packed, &f[1]));
	for (int i = 0; i < 2; i++) {
		OK("data", ferry_recv_complex_data(e, rank_before(), FERRY_FOREVER, &m));
		parcel_check(m, &p);
		ferry_message_release(m);
	}
	talk_operation(e, 73);
	OK("data", ferry_recv_complex_data(e, rank_before(), FERRY_FOREVER, &m));
	OK("complex sends", ferry_finish_all(f, 2, FERRY_FOREVER));
	ferry_message_release(packed);
	parcel_end(m, &p);
}

static int encode(ferry_message *m, const void *value, void *arg)
{
	(void)arg;
	return ferry_message_write(m, value, 8);
}

static int decode(const ferry_message *m, const void *data, size_t nbytes, void **value_p,
                  void *arg)
{
	(void)m, (void)arg;
	if (nbytes != 8)
		return FERRY_EDECODE;
	*value_p = (void *)(uintptr_t)data;
	return 0;
}

static void talk_values(ferry *e)
{
	struct parcel p;
	ferry_message *m;
	const msgpack_object *o;
	void *value;

	parcel_make(&p, 4);
	OK("codec", ferry_codec_register(e, EXT_TEXT, encode, decode, NULL));
	OK("create a message", ferry_message_create(e, OP_VALUE, &m));
	msgpack_pack_array(ferry_message_packer(m), 3);
	OK("pack", ferry_message_pack(m, &p.items[0]));
	OK("pack", ferry_message_pack(m, &p.items[1]));
	OK("pack a value", ferry_message_pack_value(m, EXT_TEXT, "eight ch"));
	OK("post a message", ferry_post_message(e, next_rank(), m, NULL));
	ferry_message_release(m);
	OK("flush", ferry_flush(e, next_rank(), FERRY_FOREVER));
	OK("a value", ferry_recv(e, rank_before(), OP_VALUE, FERRY_FOREVER, &m));
	OK("an object", ferry_message_object(m, &o));
	OK("value", ferry_message_value(m, &o->via.array.ptr[2], &value));
	CHECK(memcmp(value, "eight ch", 8) == 0);
	parcel_end(m, &p);
}

static void talk(ferry *e)
{
	talk_objects(e);
	talk_buffers(e);
	talk_operations(e);
	talk_complex(e);
	talk_values(e);
}

static struct system_counter lines = SYSTEM_COUNTER_INIT;

static void on_line(int level, const char *line, void *arg)
{
	CHECK(level >= FERRY_LOG_ERROR && level <= FERRY_LOG_DEBUG);
	CHECK(strncmp(line, "ferry", 5) == 0);
	system_count(arg, 1);
}

/* Every other round: one with a thread, without one, or without threads that drive it. */
static void second_engine(struct figures *did)
{
	ferry_options options = FERRY_OPTIONS_INIT, resolved = FERRY_OPTIONS_INIT;
	ferry *e;
	unsigned way = the_round / 2 % 3;

	if (the_round % 2)
		return;
	uint64_t before = system_counted(&lines);
	OK("the log", ferry_log_to(on_line, &lines));
	if (way == 1)
		options.flags = FERRY_NO_THREAD;
	if (way == 2)
		options.lend = FERRY_NONE;
	OK("open a second engine",
	   way ? ferry_open(&options, &e) : ferry_open_comm(plain, &options, &e));
	OK("options", ferry_options_resolved(e, &resolved));
	CHECK_INT(resolved.flags, options.flags);
	CHECK_INT(ferry_size(e), ranks);
	for (int i = 0; way == 1 && i < 20; i++) {
		int status = ferry_progress(e, 1000);
		CHECK(status == FERRY_OK || status == FERRY_PENDING);
	}
	talk(e);
	OK("a fence of the second engine", ferry_fence(e, FERRY_FOREVER));
	OK("close the second engine", ferry_close(e));
	OK("the log", ferry_log_to(NULL, NULL));
	CHECK(system_counted(&lines) >= before + 2); /* at its open and at its close */
	did->engines++;
}

/* While messages come: the pool of a handler is another one. What was queued comes back. */
/* An inline handler that keeps the progress thread of a rank for SOAK_BLOCK_MS. */
static void on_block(ferry *e, ferry_message *m, void *arg)
{
	(void)e, (void)arg;
	system_sleep_ms((unsigned)check_env("SOAK_BLOCK_MS", 0));
	ferry_reply(m, NULL, 0);
}

static void block_a_rank(void)
{
	ferry_future *future;

	if (!check_env("SOAK_BLOCK_MS", 0) || me != (int)(the_round % (uint32_t)ranks))
		return;
	OK("block a rank", ferry_call(engine, next_rank(), OP_BLOCK, NULL, 0, &future));
	await_ok("a handler that blocks", future);
}

/* A child, from before there are threads, stops this rank again and again until it ends. */
static void stop_now_and_then(unsigned ms)
{
	pid_t rank = getpid();

	if (ms == 0 || fork() != 0)
		return;
	for (unsigned i = 0; getppid() == rank; i++) {
		system_sleep_ms(1000 + (unsigned)(system_mix((uint64_t)rank << 32 | i) % 4000));
		if (getppid() != rank)
			break;
		kill(rank, SIGSTOP);
		system_sleep_ms(ms);
		kill(rank, SIGCONT);
	}
	_exit(0);
}

static void change_pool(void)
{
	ferry_executor *before = pool;

	system_sleep_ms(5);
	OK("workers", ferry_workers_create(engine, 1 + the_round % 3, &pool));
	OK("another handler",
	   ferry_handle(engine, OP_STREAM + POOL, pool, on_stream, (void *)(uintptr_t)POOL));
	WATCHED("the end of a pool", (ferry_executor_destroy(before), 0));
}

/* ---- the main thread: the books are compared ------------------------------------------ */

/* For each thread: how many it sent to that rank, and what may be of each. */
static void tell(int rank)
{
	size_t nbytes = 0, at = 0;
	ferry_future *f;

	for (unsigned t = 0; t < n_threads; t++)
		nbytes += sizeof(uint32_t) + workers[t].sent[rank].count;
	char *ledger = malloc(nbytes);
	CHECK(ledger);
	for (unsigned t = 0; t < n_threads; t++) {
		struct sent *s = &workers[t].sent[rank];
		memcpy(ledger + at, &s->count, sizeof s->count);
		if (s->count)
			memcpy(ledger + at + sizeof s->count, s->state, s->count);
		at += sizeof s->count + s->count;
		s->count = 0;
	}
	OK("tell", ferry_post(engine, rank, OP_LEDGER, ledger, nbytes, &f));
	ferry_future_release(f);
	free(ledger);
}

static void compare(int source, unsigned thread, const unsigned char *state, uint32_t n)
{
	struct from *f = from_of(source, thread);

	pthread_mutex_lock(&f->lock);
	if (f->end > n)
		CHECK_FAIL("rank %d, round %u: number %u of thread %u of rank %d came, and was "
		           "not sent",
		           me, the_round, f->end - 1, thread, source);
	for (uint32_t i = 0; i < n; i++)
		if (!(state[i] & MAY) && (i >= f->end || !f->seen[i]))
			CHECK_FAIL(
				"rank %d, round %u: number %u of %u of thread %u of rank %d (%s) "
				"is confirmed, and has not come",
				me, the_round, i, n, thread, source, stream_names[state[i]]);
	if (f->end)
		memset(f->seen, 0, f->end);
	f->end = 0;
	for (unsigned g = 0; g < GROUPS; g++)
		f->last[g] = -1;
	pthread_mutex_unlock(&f->lock);
}

static void hear(int source)
{
	ferry_message *m;
	size_t nbytes, at = 0;

	OK("a ledger", ferry_recv(engine, source, OP_LEDGER, FERRY_FOREVER, &m));
	const unsigned char *ledger = ferry_message_body(m, &nbytes);
	for (unsigned t = 0; t < n_threads; t++) {
		uint32_t n;
		memcpy(&n, ledger + at, sizeof n);
		compare(source, t, ledger + at + sizeof n, n);
		at += sizeof n + n;
	}
	CHECK_INT(at, nbytes);
	ferry_message_release(m);
}

/* What was settled is as it was. */
static void look_again(struct worker *w)
{
	while (w->settled) {
		struct pending *p = w->settled;
		w->settled = p->next;
		CHECK_INT(ferry_future_poll(p->future), p->status);
		pthread_mutex_lock(&told_lock);
		CHECK_INT(p->calls, p->then);
		CHECK_INT(p->then ? p->told : p->status, p->status);
		pthread_mutex_unlock(&told_lock);
		ferry_future_release(p->future);
		free(p);
	}
}

static void check_books(void)
{
	OK("a fence", ferry_fence(engine, FERRY_FOREVER));
	while (read_mail(0))
		;
	for (unsigned t = 0; t < n_threads; t++)
		look_again(&workers[t]);
	for (int r = 0; r < ranks; r++)
		tell(r);
	for (int r = 0; r < ranks; r++)
		hear(r);
	await_count("memory that was lent", &returned, system_counted(&lent));
	CHECK_INT(system_counted(&returned), system_counted(&lent));
	await_count("callbacks of counters", &counted_told, (uint64_t)n_threads * (the_round + 1));
	CHECK_INT(system_counted(&counted_told), (uint64_t)n_threads * (the_round + 1));
	pthread_mutex_lock(&slot_lock);
	memset(slot_used, 0, sizeof slot_used);
	pthread_mutex_unlock(&slot_lock);
}

/* ---- the main thread: what is printed ---------------------------------------------------- */

static uint64_t memory_now(void) /* KiB */
{
	FILE *file = fopen("/proc/self/status", "r");
	char line[256];
	unsigned long long kib = 0;

	CHECK(file);
	while (!kib && fgets(line, sizeof line, file))
		if (sscanf(line, "VmRSS: %llu kB", &kib) != 1)
			kib = 0;
	fclose(file);
	return kib;
}

static uint64_t descriptors_now(void)
{
	DIR *all = opendir("/proc/self/fd");
	uint64_t n = 0;

	CHECK(all);
	while (readdir(all))
		n++;
	closedir(all);
	return n - 3; /* itself, and two dots */
}

static struct figures figures_now(uint64_t engines)
{
	struct figures sum = { .engines = engines,
		               .memory = memory_now(),
		               .descriptors = descriptors_now() };

	for (unsigned t = 0; t < n_threads; t++) {
		sum.messages += workers[t].did.messages;
		sum.calls += workers[t].did.calls;
		sum.bytes += workers[t].did.bytes;
		sum.asked += workers[t].did.asked;
	}
	return sum;
}

static void print_figures(const struct figures *all, double age)
{
	struct figures sum = { 0 };

	for (int r = 0; r < ranks; r++) {
		sum.messages += all[r].messages;
		sum.calls += all[r].calls;
		sum.bytes += all[r].bytes;
		sum.asked += all[r].asked;
	}
	printf("%6.0f s: %llu messages, %llu of them calls, %llu MiB, %llu failures asked for, "
	       "%llu second engines; MiB and descriptors:",
	       age, (unsigned long long)sum.messages, (unsigned long long)sum.calls,
	       (unsigned long long)(sum.bytes >> 20), (unsigned long long)sum.asked,
	       (unsigned long long)all[0].engines);
	for (int r = 0; r < ranks; r++)
		printf(" %llu/%llu", (unsigned long long)(all[r].memory >> 10),
		       (unsigned long long)all[r].descriptors);
	puts("");
	fflush(stdout);
}

/* Rank 0's are those of all. */
static void gather_figures(const struct figures *mine, struct figures *all)
{
	ferry_future *future;
	ferry_message *m;

	OK("gather figures", ferry_gather(engine, mine, sizeof *mine, 0, &future));
	OK("figures", ferry_future_wait(future, FERRY_FOREVER));
	if (me == 0) {
		OK("take figures", ferry_future_take(future, &m));
		for (int r = 0; r < ranks; r++)
			memcpy(&all[r], ferry_message_attachment(m, (size_t)r, NULL), sizeof *all);
		ferry_message_release(m);
	}
	ferry_future_release(future);
}

static void judge_growth(const struct figures *begin, const struct figures *end)
{
	int64_t mib = (int64_t)(end->memory - begin->memory) / 1024;
	int64_t more = (int64_t)(end->descriptors - begin->descriptors);
	int64_t mib_max = (int64_t)check_env("SOAK_MIB", 64), more_max = 4;

	if (mib > mib_max || more > more_max)
		CHECK_FAIL("rank %d grew by %lld MiB (may be %lld) and %lld descriptors (may be "
		           "%lld) since its memory was first looked at",
		           me, (long long)mib, (long long)mib_max, (long long)more,
		           (long long)more_max);
}

static void check_acts(void)
{
	for (size_t i = 0; i < COUNT_OF(acts); i++) {
		uint64_t times = 0;
		for (unsigned t = 0; t < n_threads; t++)
			times += workers[t].times[i];
		if (!times)
			CHECK_FAIL("rank %d never did this: %s", me, acts[i].name);
	}
}

/* What it says is not looked at: that it neither waits nor disturbs is what counts here. */
static void check_dump(void)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	OK("a dump", ferry_dump(engine, null));
	close(null);
}

static void check_stats(void)
{
	ferry_stats stats = FERRY_STATS_INIT;

	OK("statistics", ferry_stats_read(engine, &stats));
	CHECK_INT(stats.malformed + stats.mpi_errors + stats.dropped + stats.refused, 0);
}

/* ---- the run ---------------------------------------------------------------------------- */

static void run_round(struct figures *did)
{
	until = system_now() + 1;
	WATCHED("the start of a round", pass_gate());
	collectives();
	second_engine(did);
	block_a_rank();
	change_pool(); /* once: the next one would find what this one has lost */
	WATCHED("the workers of this rank", pass_gate());
	check_books();
}

static int go_on(double begun, double seconds)
{
	int word = system_now() - begun < seconds;
	ferry_future *future;

	OK("bcast", ferry_bcast(engine, &word, 1, MPI_INT, 0, &future));
	await_ok("rank 0's word to go on", future);
	OK("the fence of a round", ferry_fence(engine, FERRY_FOREVER));
	return word;
}

/* Memory is compared with that of the first look: what is kept for reuse is there by then. */
static void run(double seconds)
{
	struct figures did = { 0 }, first = { 0 }, now, *all = calloc((size_t)ranks, sizeof *all);
	double begun = system_now(), printed = 0, look = seconds / 4 < 30 ? seconds / 4 : 30;
	bool more = true;

	CHECK(all);
	now = figures_now(0);
	gather_figures(&now, all);
	if (me == 0)
		print_figures(all, 0);
	while (more) {
		run_round(&did);
		now = figures_now(did.engines);
		gather_figures(&now, all);
		double age = system_now() - begun;
		if (!first.memory && age >= look)
			first = now;
		the_round++; /* before the fence, behind which the others begin the next one */
		more = go_on(begun, seconds);
		if (me == 0 && (age - printed >= 10 || !more)) {
			print_figures(all, age);
			printed = age;
		}
	}
	free(all);
	judge_growth(&first, &now);
}

static void on_peer(ferry *e, int rank, int status, const char *why, void *arg)
{
	(void)e, (void)arg;
	CHECK_FAIL("rank %d is told that rank %d is gone: %s, %s", me, rank, ferry_strname(status),
	           why);
}

static void handle_all(void)
{
	OK("workers", ferry_workers_create(engine, 2, &pool));
	OK("workers", ferry_workers_create(engine, 2, &steady));
	OK("strand", ferry_strand_create(steady, &strand));
	OK("queue", ferry_queue_create(engine, &queue));
	ferry_executor *places[] = { FERRY_INLINE, FERRY_ANYWHERE, FERRY_INLINE, strand,
		                     queue,        NULL,           pool };
	for (uint32_t s = 0; s < STREAMS; s++)
		if (s != MAIL)
			OK("handle", ferry_handle(engine, OP_STREAM + s, places[s], on_stream,
			                          (void *)(uintptr_t)s));
	OK("handle", ferry_handle(engine, OP_ECHO, FERRY_INLINE, on_echo, NULL));
	OK("handle", ferry_handle(engine, OP_BLOCK, FERRY_INLINE, on_block, NULL));
	OK("memory", ferry_handle_memory(engine, OP_STREAM + NAMED, give_memory, NULL));
	OK("peers", ferry_on_peer(engine, FERRY_INLINE, on_peer, NULL));
}

static void make_books(void)
{
	from = calloc((size_t)ranks * n_threads, sizeof *from);
	workers = calloc(n_threads, sizeof *workers);
	slots = malloc((size_t)SLOTS * LARGE);
	CHECK(from && workers && slots);
	for (unsigned i = 0; i < (unsigned)ranks * n_threads; i++) {
		pthread_mutex_init(&from[i].lock, NULL);
		for (unsigned g = 0; g < GROUPS; g++)
			from[i].last[g] = -1;
	}
	for (unsigned t = 0; t < n_threads; t++) {
		struct worker *w = &workers[t];
		w->id = t;
		w->spot = spot_new("thread", t);
		w->chance = system_mix(seed ^ system_mix((uint64_t)me << 16 | t));
		w->sent = calloc((size_t)ranks, sizeof *w->sent);
		CHECK(w->sent);
	}
}

static void end_books(void)
{
	for (unsigned i = 0; i < (unsigned)ranks * n_threads; i++)
		free(from[i].seen);
	for (unsigned t = 0; t < n_threads; t++) {
		for (int r = 0; r < ranks; r++)
			free(workers[t].sent[r].state);
		free(workers[t].sent);
	}
	free(from);
	free(workers);
	free(slots);
}

/* One seed for all ranks. */
static void choose_seed(void)
{
	seed = check_env("SOAK_SEED", (unsigned long)time(NULL));
	MPI_Bcast(&seed, 1, MPI_UINT64_T, 0, plain);
}

static void open_all(void)
{
	ferry_options options = FERRY_OPTIONS_INIT;
	int level;

	CHECK_INT(MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &level), MPI_SUCCESS);
	CHECK(level == MPI_THREAD_MULTIPLE);
	CHECK_INT(MPI_Comm_dup(MPI_COMM_WORLD, &plain), MPI_SUCCESS);
	options.handler_grace = FERRY_NONE; /* a reader may come late where much else runs */
	/* where nothing else is asked for the watch says more */
	options.peer_timeout = FERRY_NONE;
	if (check_env("SOAK_PEER_TIMEOUT_MS", 0))
		options.peer_timeout = FERRY_MS((int64_t)check_env("SOAK_PEER_TIMEOUT_MS", 0));
	OK("open", ferry_open(&options, &engine));
	me = ferry_rank(engine);
	ranks = ferry_size(engine);
}

static void close_all(void)
{
	ferry_executor *all[] = { pool, strand, steady, queue };

	for (unsigned i = 0; i < COUNT_OF(all); i++)
		WATCHED("the end of an executor", (ferry_executor_destroy(all[i]), 0));
	OK("close", ferry_close(engine));
	MPI_Comm_free(&plain);
	MPI_Finalize();
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : 5;
	pthread_t threads[THREADS_MAX + 3];

	n_threads = argc > 2 ? (unsigned)atoi(argv[2]) : 4;
	if (n_threads < 1 || n_threads > THREADS_MAX || seconds <= 0)
		CHECK_FAIL("say `soak SECONDS THREADS`, with 1 to %d threads", THREADS_MAX);
	limit = (double)check_env("SOAK_LIMIT", 60);
	spot = spot_new("the main thread", 0);
	stop_now_and_then((unsigned)check_env("SOAK_STOP_MS", 0));
	open_all();
	choose_seed();
	make_books();
	handle_all();
	if (me == 0)
		printf("SOAK_SEED=%llu, %d ranks of %u threads, %.0f s\n", (unsigned long long)seed,
		       ranks, n_threads, seconds);
	CHECK(pthread_barrier_init(&gate, NULL, n_threads + 1) == 0);
	struct spot *reads = spot_new("the reader", 0), *keeps = spot_new("the keeper", 0);
	CHECK_INT(pthread_create(&threads[n_threads], NULL, reader, reads), 0);
	CHECK_INT(pthread_create(&threads[n_threads + 1], NULL, keeper, keeps), 0);
	CHECK_INT(pthread_create(&threads[n_threads + 2], NULL, watch, NULL), 0);
	for (unsigned t = 0; t < n_threads; t++)
		CHECK_INT(pthread_create(&threads[t], NULL, work, &workers[t]), 0);
	OK("the first fence", ferry_fence(engine, FERRY_FOREVER));
	run(seconds);
	over = true;
	WATCHED("the workers' end", pass_gate());
	for (unsigned t = 0; t < n_threads; t++)
		CHECK_INT(pthread_join(threads[t], NULL), 0);
	system_count(&stopping, 1);
	for (unsigned t = n_threads; t < n_threads + 3; t++)
		CHECK_INT(pthread_join(threads[t], NULL), 0);
	check_acts();
	check_stats();
	check_dump();
	close_all();
	end_books();
	if (me == 0)
		puts("PASS: each message came as its future said, in order, with its bytes");
	return 0;
}
