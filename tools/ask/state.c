/* SPDX-License-Identifier: Apache-2.0 */
/* The state of one rank in words, and ranks and times in words. */
#include "ask.h"

#include <stdarg.h>
#include <string.h>

#include "base/bits.h"
#include "base/waiting.h"
#include "ferry.h"
#include "monitor/format.h"
#include "shared/inside.h"

struct text {
	char *at;
	size_t room;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *t, const char *format, ...)
{
	va_list list;
	va_start(list, format);
	int n = vsnprintf(t->at, t->room, format, list);
	va_end(list);
	if (n < 0)
		return;
	size_t used = (size_t)n < t->room ? (size_t)n : t->room - 1;
	t->at += used;
	t->room -= used;
}

void ask_name_ranks(const uint64_t *set, int size, char *text, size_t nbytes)
{
	struct text t = { text, nbytes };
	const char *comma = "";
	*text = '\0';
	for (int i = fy_bits_next(set, 0, size); i < size;) {
		int end = i;
		while (end + 1 < size && fy_bits_has(set, end + 1))
			end++;
		put(&t, "%s%d", comma, i);
		if (end > i)
			put(&t, "%s%d", end > i + 1 ? "-" : ",", end);
		comma = ",";
		i = fy_bits_next(set, end + 1, size);
	}
}

void ask_name_time(int64_t ns, char *text, size_t nbytes)
{
	if (ns < FERRY_S(1))
		snprintf(text, nbytes, "%d ms", (int)(ns / FERRY_MS(1)));
	else if (ns < FERRY_S(10))
		snprintf(text, nbytes, "%d.%d s", (int)(ns / FERRY_S(1)),
		         (int)(ns / FERRY_MS(100) % 10));
	else
		snprintf(text, nbytes, "%lld s", (long long)(ns / FERRY_S(1)));
}

/* ---- what a thread waits for ---------------------------------------------------------------- */

static void put_wait(struct text *t, const struct fy_picture_thread *thread)
{
	static const char *const names[FY_WAITS_KINDS] = {
		[FY_WAITS_FUTURE] = "a future",
		[FY_WAITS_CALL] = "a reply",
		[FY_WAITS_POST] = "the acceptance of a post",
		[FY_WAITS_PROMISE] = "a promise that the program fulfils",
		[FY_WAITS_STARTED] = "an operation of MPI",
		[FY_WAITS_COMPOSED] = "a set of futures",
		[FY_WAITS_ANY] = "any of several futures",
		[FY_WAITS_FLUSH] = "ferry_flush",
		[FY_WAITS_COUNTER] = "a counter",
		[FY_WAITS_FENCE] = "ferry_fence",
		[FY_WAITS_CLOSE] = "ferry_close",
		[FY_WAITS_ROOM] = "room for a post",
		[FY_WAITS_RECV] = "a message in ferry_recv",
		[FY_WAITS_TASK] = "something to run in ferry_executor_run",
		[FY_WAITS_HANDLER] = "the end of a handler",
		[FY_WAITS_EXECUTOR] = "the end of an executor",
		[FY_WAITS_HELM] = "the progress thread",
		[FY_WAITS_DRIVING] = "a message, in the place of a progress thread",
	};
	const char *name = thread->wait < FY_WAITS_KINDS ? names[thread->wait] : NULL;
	put(t, "%s", name ? name : "something else");
	bool has_op = thread->wait == FY_WAITS_CALL || thread->wait == FY_WAITS_RECV ||
	              thread->wait == FY_WAITS_HANDLER;
	if (has_op && thread->op != FERRY_ANY_OP)
		put(t, " of op %u", thread->op);
	if (thread->peer >= 0 && (thread->wait == FY_WAITS_CALL || thread->wait == FY_WAITS_ROOM ||
	                          thread->wait == FY_WAITS_RECV || thread->wait == FY_WAITS_POST))
		put(t, thread->wait == FY_WAITS_RECV ? " from rank %d" : " of rank %d",
		    thread->peer);
}

static bool is_waiting(const struct fy_picture_thread *thread)
{
	return (thread->kind == FY_THREAD_WAITS || thread->kind == FY_THREAD_TIMED) &&
	       thread->wait != FY_WAITS_NOT && thread->wait != FY_WAITS_IDLE &&
	       thread->wait != FY_WAITS_FENCE && thread->wait != FY_WAITS_CLOSE;
}

static bool is_same(const struct fy_picture_thread *a, const struct fy_picture_thread *b)
{
	return is_waiting(a) && is_waiting(b) && a->wait == b->wait && a->op == b->op &&
	       a->peer == b->peer;
}

/* Threads that wait for the same are named once. */
static void put_threads(struct text *t, const struct fy_picture *p, const char *comma)
{
	for (uint32_t i = 0; i < p->n_threads; i++) {
		unsigned n = 0, before = 0;
		for (uint32_t j = 0; j < p->n_threads; j++) {
			bool same = is_same(&p->threads[i], &p->threads[j]);
			n += same;
			before += same && j < i;
		}
		if (!n || before)
			continue;
		if (n == 1)
			put(t, "%sa thread waits for ", comma);
		else
			put(t, "%s%u threads wait for ", comma, n);
		put_wait(t, &p->threads[i]);
		comma = ", ";
	}
}

static int64_t longest_wait(const struct fy_picture *p)
{
	uint32_t ms = 0;
	for (uint32_t i = 0; i < p->n_threads; i++)
		if ((p->threads[i].kind == FY_THREAD_WAITS ||
		     p->threads[i].kind == FY_THREAD_TIMED) &&
		    p->threads[i].wait != FY_WAITS_IDLE && p->threads[i].waited_ms > ms)
			ms = p->threads[i].waited_ms;
	return ms * FERRY_MS(1);
}

/* ---- a rank --------------------------------------------------------------------------------- */

static void put_agreement(struct text *t, const struct fy_picture *p)
{
	if (p->flags & FY_PICTURE_CLOSE)
		put(t, "waiting in ferry_close");
	else if (p->flags & FY_PICTURE_FENCE)
		put(t, "waiting in ferry_fence %u", p->agreement);
	else
		put(t, "closing, with code of the program under way");
	if (!p->n_awaited || p->n_awaited > sizeof p->awaited / sizeof *p->awaited)
		return;
	put(t, p->n_awaited == 1 ? " for rank" : " for ranks");
	for (uint32_t i = 0; i < p->n_awaited; i++)
		put(t, "%s%u", i ? "," : " ", p->awaited[i]);
}

static void put_inside(struct text *t, const struct fy_picture *p, const char *comma)
{
	if (p->inside == FY_INSIDE_NOTHING)
		put(t, "%sthe progress thread does not come back", comma);
	else if (p->inside == FY_INSIDE_CALLBACK)
		put(t, "%sthe progress thread is inside of a callback", comma);
	else
		put(t, "%sthe progress thread is inside of the handler of op %u", comma, p->inside);
}

int64_t ask_state(const struct fy_answer *answer, char *text, size_t nbytes)
{
	struct text t = { text, nbytes };
	const struct fy_picture *p = &answer->picture;
	*text = '\0';
	if (!answer->has_picture) {
		put(&t, "it is there");
		return 0;
	}
	if (p->flags & (FY_PICTURE_CLOSE | FY_PICTURE_FENCE))
		put_agreement(&t, p);
	if (answer->source == FY_ANSWER_HELPER && p->inside != FY_INSIDE_END)
		put_inside(&t, p, *text ? ", " : "");
	put_threads(&t, p, *text ? ", " : "");
	if (!*text)
		put(&t, "%s",
		    answer->n_open ? "running, with operations open" : "running, nothing is open");
	return longest_wait(p);
}
