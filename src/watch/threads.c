/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which threads there are, and which of them can still do something.
 *
 * The system's list is what counts: a thread that has no record of its own, or whose record says
 * that it waits while the system says that it runs, is one that can do something. A thread that was
 * woken and has got no processor yet runs, as the system sees it. So what another thread is about to
 * find at the end of its wait is not overlooked.
 */
#include "watch/threads.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "ferry.h"
#include "base/clock.h"
#include "base/waiting.h"
#include "watch/picture.h"

#define SPARE 16 /* records of threads that begin meanwhile */

struct look {
	struct fy_picture *picture;
	const void *engine;
	struct fy_waiting *waiting;
	size_t n;
};

/* ---- what the system says ------------------------------------------------------------------ */

/* "TID (NAME) STATE ...", where the name may have any bytes. */
static bool parse_stat(char *text, struct fy_picture_thread *t)
{
	char *from = strchr(text, '('), *to = strrchr(text, ')');
	if (!from || !to || to < from || to[1] != ' ')
		return false;
	t->state = to[2];
	*to = '\0';
	snprintf(t->name, sizeof t->name, "%.*s", (int)sizeof t->name - 1, from + 1);
	return true;
}

static bool read_stat(int tid, struct fy_picture_thread *t)
{
	char path[64], text[256];
	snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t got = read(fd, text, sizeof text - 1);
	close(fd);
	text[got > 0 ? got : 0] = '\0';
	return got > 0 && parse_stat(text, t);
}

/* Threads that libraries below MPI make, by the names that they give them: that of UCX. */
static bool is_helper(const char *name)
{
	return strcmp(name, "async") == 0;
}

/* ---- what it is ---------------------------------------------------------------------------- */

static enum fy_thread_kind kind_of_wait(const struct look *look, const struct fy_waiting *w)
{
	if (w->wait.until != INT64_MAX || w->wait.kind == FY_WAITS_DRIVING)
		return FY_THREAD_TIMED;
	if (w->wait.kind == FY_WAITS_STARTED || (w->wait.engine && w->wait.engine != look->engine))
		return FY_THREAD_ELSEWHERE;
	return FY_THREAD_WAITS;
}

static enum fy_thread_kind kind_of(const struct look *look, const struct fy_waiting *w,
                                   const struct fy_picture_thread *t)
{
	bool sleeps = t->state == 'S', waits = w && w->wait.kind != FY_WAITS_NOT;
	if (!waits && w && (w->role == FY_ROLE_HELM || w->role == FY_ROLE_WATCH))
		return FY_THREAD_OWN;
	if (waits && sleeps && w->wait.kind == FY_WAITS_IDLE)
		return FY_THREAD_OWN;
	if (waits && sleeps)
		return kind_of_wait(look, w);
	return !waits && sleeps && is_helper(t->name) ? FY_THREAD_HELPER : FY_THREAD_PROGRAM;
}

static void describe_wait(const struct look *look, const struct fy_waiting *w,
                          struct fy_picture_thread *t)
{
	int64_t waited = fy_clock_now() - w->wait.since;
	t->role = w->role;
	t->number = w->number;
	t->wait = w->wait.kind;
	t->op = w->wait.op;
	t->peer = w->wait.peer;
	t->of_engine = w->wait.engine == look->engine;
	t->object = (uintptr_t)w->wait.object;
	if (t->wait != FY_WAITS_NOT)
		t->waited_ms = (uint32_t)(waited / FERRY_MS(1));
}

/* ---- into the picture ---------------------------------------------------------------------- */

/* Those that say why nothing goes on come first: they take the place of the others. */
static bool is_of_interest(const struct fy_picture_thread *t)
{
	return t->kind != FY_THREAD_OWN && t->kind != FY_THREAD_HELPER;
}

static struct fy_picture_thread *find_place(struct fy_picture *p, const struct fy_picture_thread *t)
{
	if (p->n_threads < FY_PICTURE_THREADS)
		return &p->threads[p->n_threads++];
	p->more_threads++;
	for (uint32_t i = 0; i < p->n_threads && is_of_interest(t); i++)
		if (!is_of_interest(&p->threads[i]))
			return &p->threads[i];
	return NULL;
}

static void add(struct look *look, int tid)
{
	struct fy_picture *p = look->picture;
	struct fy_picture_thread t = { .tid = tid, .peer = FY_WAITS_NOBODY };
	const struct fy_waiting *w = look->waiting, *end = w + look->n;
	while (w < end && w->tid != tid)
		w++;
	if (!read_stat(tid, &t) || t.state == 'Z' || t.state == 'X')
		return; /* it has ended */
	if (w < end)
		describe_wait(look, w, &t);
	t.kind = kind_of(look, w < end ? w : NULL, &t);
	p->by_kind[t.kind]++;
	p->counts.threads += (uint64_t)tid * 2654435761u;
	if (t.kind != FY_THREAD_OWN || t.wait == FY_WAITS_IDLE)
		p->counts.waits += t.number;
	struct fy_picture_thread *place = find_place(p, &t);
	if (place)
		*place = t;
}

static bool add_all(struct look *look)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *task;
	if (!tasks)
		return false;
	while ((task = readdir(tasks)))
		if (task->d_name[0] != '.')
			add(look, (int)strtol(task->d_name, NULL, 10));
	closedir(tasks);
	return true;
}

static struct fy_waiting *read_waiting(size_t *n_p)
{
	size_t max = fy_waiting_read(NULL, 0) + SPARE;
	struct fy_waiting *list = malloc(max * sizeof *list);
	size_t n = list ? fy_waiting_read(list, max) : 0;
	*n_p = n < max ? n : max; /* a thread without its record counts as the program's */
	return list;
}

void fy_threads_look(struct fy_picture *picture, const void *engine)
{
	struct look look = { .picture = picture, .engine = engine };
	look.waiting = read_waiting(&look.n);
	if (!look.waiting || !add_all(&look))
		picture->flags |= FY_PICTURE_UNSEEN;
	free(look.waiting);
}
