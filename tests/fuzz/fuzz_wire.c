/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two lying peers and one live engine over the simulated network. The fuzzer's bytes are a program:
 * what the peers send, what the engine's own threads and handlers do meanwhile, and which of the
 * engine's allocations fails.
 *
 * Whatever was said: nothing crashes or leaks (the sanitizers), what the peers made the engine hold
 * is bounded, every future is decided at the end, and every attachment is given back once.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wire_acts.h"
#include "wire_peer.h"
#include "sim/net/sim.h"

#include "base/log.h"
#include "base/options.h"
#include "engine/life.h"
#include "helm/agree.h"
#include "helm/close.h"
#include "helm/gone.h"
#include "helm/progress.h"
#include "helm/step.h"
#include "shared/engine.h"
#include "shared/thread.h"

#define MUST(x)                                                                         \
	do {                                                                            \
		if (!(x)) {                                                             \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #x); \
			abort();                                                        \
		}                                                                       \
	} while (0)

enum { PEERS = 2, FUTURES = 64, KEPT = 32, MAILBOX_MAX = 8 << 20, LIMIT = 1 << 20 };

static struct wire_input in;
static fy_sim *sim;
static ferry *engine;
static struct fy_progress *p;
static struct wire_peer peers[PEERS];
static ferry_future *futures[FUTURES];
static ferry_message *kept[KEPT];
static unsigned n_futures, n_kept, attached, released;

/* ---- memory that fails ------------------------------------------------------------------ */

/* The n-th allocation from now fails (1: the next one; 0: none does), while `may_fail` is set. The
 * linker hands the allocations of what is linked here to these functions. */
static unsigned fails_at;
static bool may_fail;

static bool fails_now(void)
{
	return may_fail && fails_at && --fails_at == 0;
}

void *__real_malloc(size_t nbytes);
void *__real_calloc(size_t count, size_t nbytes);
void *__real_realloc(void *memory, size_t nbytes);
void *__real_aligned_alloc(size_t alignment, size_t nbytes);
void *__wrap_malloc(size_t nbytes);
void *__wrap_calloc(size_t count, size_t nbytes);
void *__wrap_realloc(void *memory, size_t nbytes);
void *__wrap_aligned_alloc(size_t alignment, size_t nbytes);

void *__wrap_malloc(size_t nbytes)
{
	return fails_now() ? NULL : __real_malloc(nbytes);
}

void *__wrap_calloc(size_t count, size_t nbytes)
{
	return fails_now() ? NULL : __real_calloc(count, nbytes);
}

void *__wrap_realloc(void *memory, size_t nbytes)
{
	return fails_now() ? NULL : __real_realloc(memory, nbytes);
}

void *__wrap_aligned_alloc(size_t alignment, size_t nbytes)
{
	return fails_now() ? NULL : __real_aligned_alloc(alignment, nbytes);
}

/* ---- the engine's program ------------------------------------------------------------------ */

static void give_back(void *data, void *arg)
{
	(void)arg;
	released++;
	free(data);
}

/* A message with an attachment; NULL: no memory for it. */
static ferry_message *message_with(size_t nbytes, uint32_t op)
{
	ferry_message *m;
	void *data = __real_calloc(1, nbytes);
	if (ferry_message_create(engine, op, &m)) {
		free(data);
		return NULL;
	}
	if (ferry_message_attach(m, data, nbytes, give_back, NULL))
		free(data);
	else
		attached++;
	return m;
}

static volatile unsigned sum_of_bytes;

/* Every byte of a message is there. */
static void read_all(ferry *e, ferry_message *m, void *arg)
{
	size_t nbytes;
	const unsigned char *body = ferry_message_body(m, &nbytes);
	unsigned sum = 0;
	(void)e;
	(void)arg;
	for (size_t i = 0; i < nbytes; i++)
		sum += body[i];
	for (size_t i = 0; i < ferry_message_attachments(m); i++) {
		const unsigned char *data = ferry_message_attachment(m, i, &nbytes);
		if (nbytes)
			sum += data[0] + data[nbytes - 1];
	}
	sum_of_bytes = sum;
}

static void keep(ferry *e, ferry_message *m, void *arg)
{
	read_all(e, m, arg);
	if (n_kept == KEPT)
		return;
	ferry_message_retain(m);
	kept[n_kept++] = m;
}

static void answer_large(ferry *e, ferry_message *m, void *arg)
{
	ferry_message *answer = message_with(60000, 5);
	(void)e;
	(void)arg;
	if (!answer)
		return;
	ferry_reply_message(m, answer);
	ferry_message_release(answer);
}

static void *land(ferry *e, int source, uint32_t op, size_t index, size_t nbytes, void *arg)
{
	static char memory[4096];
	(void)e, (void)source, (void)op, (void)index, (void)arg;
	return nbytes <= sizeof memory ? memory : NULL;
}

static void remember(int status, ferry_future *f)
{
	if (status)
		return;
	if (n_futures < FUTURES)
		futures[n_futures++] = f;
	else
		ferry_future_release(f);
}

static void post_small(int rank, bool call)
{
	static const char body[64];
	ferry_future *f = NULL;
	size_t nbytes = in_8(&in) % sizeof body;
	remember(call ? ferry_call(engine, rank, 1, body, nbytes, &f)
	              : ferry_post(engine, rank, 1, body, nbytes, &f),
	         f);
}

static void post_large(int rank)
{
	ferry_message *m = message_with(5000u + in_16(&in), 1);
	ferry_future *f = NULL;
	bool call = in_8(&in) & 1;
	if (!m)
		return;
	remember(call ? ferry_call_message(engine, rank, m, &f)
	              : ferry_post_message(engine, rank, m, &f),
	         f);
	ferry_message_release(m);
}

static void give_up(void)
{
	if (!n_futures)
		return;
	ferry_future *f = futures[in_8(&in) % n_futures];
	if (in_8(&in) & 1)
		ferry_future_cancel(f);
	else
		ferry_future_deadline(f, in_16(&in));
}

static void receive(int rank)
{
	ferry_message *m;
	if (ferry_recv(engine, in_8(&in) & 1 ? FERRY_ANY : rank, FERRY_ANY_OP, 0, &m))
		return;
	read_all(engine, m, NULL);
	if (in_8(&in) & 1)
		ferry_reply(m, "x", 1);
	ferry_message_release(m);
}

static void let_go(void)
{
	static const char answer[1 << 16];
	if (!n_kept)
		return;
	ferry_message *m = kept[--n_kept];
	if (in_8(&in) & 1)
		ferry_reply(m, answer, in_16(&in));
	ferry_message_release(m);
}

static void send_on(int rank)
{
	ferry_future *f = NULL;
	if (n_kept)
		remember(ferry_post_message(engine, rank, kept[0], &f), f);
}

static void change_handler(void)
{
	uint8_t how = in_8(&in);
	ferry_handle(engine, 1 + (how >> 1) % 4, FERRY_INLINE, how & 128 ? NULL : read_all, NULL);
}

/* ---- what happens ---------------------------------------------------------------------------- */

static void turn(void)
{
	may_fail = true;
	fy_step_once(p, true);
	may_fail = false;
	for (unsigned i = 0; i < PEERS; i++) {
		MUST(wire_peer_listen(&peers[i]));
		peers[i].issued = p->link.counts.issued[0] + p->link.counts.issued[1];
	}
	fy_sim_advance(sim);
}

static void turns(unsigned count)
{
	while (count--)
		turn();
}

/* As a handler of the engine would. */
static void program_acts(unsigned what, int rank)
{
	ferry *before = fy_thread_begin(FY_INLINE, engine);
	may_fail = true;
	switch (what) {
	case 0:
		post_small(rank, false);
		break;
	case 1:
		post_small(rank, true);
		break;
	case 2:
		post_large(rank);
		break;
	case 3:
		give_up();
		break;
	case 4:
		receive(rank);
		break;
	case 5:
		let_go();
		break;
	case 6:
		send_on(rank);
		break;
	default:
		change_handler();
		break;
	}
	may_fail = false;
	fy_thread_end(FY_INLINE, before);
}

/* A fence or the close begins, once the last one is over. */
static void join(bool close)
{
	if (close && !p->close.begun)
		fy_close_begin(p);
	else if (!close && !p->close.begun && !p->agree.kind)
		fy_agree_join(p, FY_AGREE_FENCE);
}

static void act(void)
{
	uint8_t byte = in_8(&in);
	struct wire_peer *q = &peers[byte >> 7];
	unsigned what = (byte & 0x7f) % ACTS;
	switch (what) {
	case 0:
	case 1:
		wire_peer_put_message(q, &in);
		break;
	case 2:
	case 3:
		wire_peer_put_control(q, &in);
		break;
	case 4:
		wire_peer_put_reply(q, &in);
		break;
	case 5:
		wire_peer_put_announcement(q, &in);
		break;
	case 6:
	case 7:
		wire_peer_send_batch(q, &in);
		break;
	case 8:
		wire_peer_send_chunk(q, &in, p->bulk.tag_span);
		break;
	case 9:
	case ACT_TURNS:
		turns(in_8(&in) & 63);
		break;
	case ACT_BATCH:
		wire_peer_replay_batch(q, &in, LIMIT);
		break;
	case ACT_CHUNK:
		wire_peer_replay_chunk(q, &in, p->bulk.tag_span);
		break;
	case ACT_JOIN:
		join(in_8(&in) & 1);
		break;
	case ACT_ASK:
		wire_peer_send_word(q, &in);
		break;
	default:
		program_acts(what - ACT_POST, q->rank);
		break;
	}
}

/* ---- a run ------------------------------------------------------------- */

static size_t report(struct fy_progress *of, int rank, void *room, size_t max)
{
	MUST(of == p && rank >= 0 && rank <= PEERS);
	memset(room, 1, max);
	return max;
}

static void hear_report(void *arg, const struct fy_question_heard *heard)
{
	uint64_t *sum = arg;
	MUST(heard->about >= 0 && heard->about <= PEERS);
	for (size_t i = 0; i < heard->nbytes; i++)
		*sum += ((const uint8_t *)heard->bytes)[i];
}

/* The engine asks its peers how they are. */
static void ask(void)
{
	static const struct fy_question_side side = { report, hear_report };
	static uint64_t sum;
	uint64_t peers_all = 6;
	p->questions.side = &side;
	p->questions.arg = &sum;
	fy_question_ask(p, 1, &peers_all, NULL);
}

static void open_engine(uint8_t mode)
{
	struct fy_sim_options net = { .eager_max = mode & RENDEZVOUS ? 8192 : 1 << 30,
		                      .tag_max = mode & FEW_TAGS ? 3 : 64,
		                      .chunk_max = 1 << 20,
		                      .count_misuse = true };
	ferry_options given = FERRY_OPTIONS_INIT, options;
	given.flags = FERRY_NONBLOCK;
	given.message_max = mode & SHORT_MESSAGES ? 20000 : 1 << 30;
	given.handler_grace = FERRY_NONE;
	given.receive_memory = given.send_memory = 1 << 20;
	given.checksum = mode & CHECKSUM ? 1 : FERRY_NONE;
	sim = fy_sim_create(PEERS + 1, 1, &net);
	MUST(sim && !fy_options_resolve(&given, &options));
	MUST(!fy_life_create(fy_sim_port(sim, 0), &options, 1, &engine));
	p = engine->progress;
	for (int i = 0; i < PEERS; i++) {
		wire_peer_open(&peers[i], sim, i + 1);
		peers[i].checks = mode & CHECKSUM;
	}
	ferry *before = fy_thread_begin(FY_INLINE, engine);
	ferry_handle(engine, 1, FERRY_INLINE, read_all, NULL);
	ferry_handle(engine, 2, FERRY_INLINE, keep, NULL);
	ferry_handle(engine, 3, FERRY_INLINE, answer_large, NULL);
	ferry_handle(engine, 300, FERRY_INLINE, keep, NULL);
	ferry_handle_memory(engine, 6, land, NULL);
	fy_thread_end(FY_INLINE, before);
	ask();
	turns(4);
}

/* The network dies, and the engine with it. */
static void close_engine(void)
{
	fails_at = 0;
	fy_sim_kill(sim, 0);
	for (unsigned i = 0; i < 30; i++)
		fy_step_once(p, true);
	for (int i = 1; i <= PEERS; i++)
		if (p->link.channels[i])
			fy_gone_end(p, p->link.channels[i], FERRY_EPEER, "the test ends");
	p->lookout.on = false; /* with a crew it would wait for close_timeout */
	if (!p->close.begun)
		fy_close_begin(p);
	for (unsigned i = 0; i < 30; i++)
		fy_step_once(p, true);
	MUST(p->close.stopped || !p->losses.since); /* nobody is gone whom nobody ever talked to */
	p->close.stopped = p->close.clean = true;
	fy_life_destroy(engine);
}

static void look_at_the_end(void)
{
	for (unsigned i = 0; i < n_kept; i++)
		ferry_message_release(kept[i]);
	for (unsigned i = 0; i < n_futures; i++) {
		MUST(ferry_future_poll(futures[i]) != FERRY_PENDING);
		ferry_future_release(futures[i]);
	}
	fy_engine_release(engine);
	MUST(attached == released);
	for (int i = 0; i < PEERS; i++)
		wire_peer_free(&peers[i]);
	if (*fy_sim_misuse(sim))
		fprintf(stderr, "%s\n", fy_sim_misuse(sim));
	MUST(!*fy_sim_misuse(sim));
	fy_sim_destroy(sim);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (fy_log_say_fd == STDERR_FILENO)
		/* of what nobody reads there is much */
		fy_log_say_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	in = (struct wire_input){ data, size };
	n_futures = n_kept = attached = released = 0;
	uint8_t mode = in_8(&in);
	open_engine(mode);
	fails_at = mode & MEMORY_FAILS ? 1u + in_8(&in) : 0;
	if (mode & FENCE)
		fy_agree_join(p, FY_AGREE_FENCE);
	while (in.left)
		act();
	if (mode & CLOSE)
		join(true);
	turns(60);
	MUST(engine->mailbox.bytes < MAILBOX_MAX);
	close_engine();
	look_at_the_end();
	return 0;
}
