/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A signal that writes what the engines wait for. Its handler tells the helper by a descriptor, and
 * then calls the handler that was there before. Both are safe in a handler: it writes, and looks
 * before whether the descriptor is still the one that it was, because a program may close what is
 * not its own. The descriptor stays open when the last engine has left, as a handler may run late.
 *
 * If the program has put a handler of its own in the place of this one meanwhile, that one stays.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "engine/dump_signal.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "ferry.h"
#include "base/fail.h"
#include "base/helper.h"

static struct {
	pthread_mutex_t gate;    /* joins and leaves come one at a time */
	unsigned joined;         /* under the gate */
	int number;              /* likewise: the signal */
	pid_t process;           /* constant while the handler is there: whose descriptor it is */
	struct sigaction before; /* constant while the handler is there */
	int event;               /* likewise */
	dev_t device;            /* likewise, of the descriptor */
	ino_t inode;
	pthread_mutex_t lock; /* of the list */
	struct fy_dumped *first;
	struct fy_helped helped;
} dump = { .gate = PTHREAD_MUTEX_INITIALIZER, .lock = PTHREAD_MUTEX_INITIALIZER, .event = -1 };

/* ---- in the signal handler ------------------------------------------------------------------ */

static void tell_helper(void)
{
	static const uint64_t one = 1;
	struct stat is;
	if (dump.process != getpid() || fstat(dump.event, &is) != 0 || is.st_dev != dump.device ||
	    is.st_ino != dump.inode)
		return;
	ssize_t written = write(dump.event, &one, sizeof one);
	(void)written;
}

static void handle(int number, siginfo_t *info, void *context)
{
	int kept = errno;
	const struct sigaction *before = &dump.before;
	tell_helper();
	if (before->sa_flags & SA_SIGINFO)
		before->sa_sigaction(number, info, context);
	else if (before->sa_handler != SIG_DFL && before->sa_handler != SIG_IGN)
		before->sa_handler(number);
	errno = kept;
}

/* ---- on the helper ------------------------------------------------------------------------- */

static void write_all(struct fy_helped *self, unsigned why)
{
	uint64_t count;
	if (!(why & FY_HELP_READY) || read(self->fd, &count, sizeof count) < 0)
		return;
	pthread_mutex_lock(&dump.lock);
	for (struct fy_dumped *d = dump.first; d; d = d->next)
		ferry_dump(d->engine, STDERR_FILENO);
	pthread_mutex_unlock(&dump.lock);
}

/* ---- the handler's life -------------------------------------------------------------------- */

/* A child of a fork would tell the helper of its parent. */
static int open_event(void)
{
	struct stat is;
	if (dump.event >= 0 && dump.process == getpid())
		return FERRY_OK;
	dump.event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (dump.event < 0 || fstat(dump.event, &is) != 0)
		return fy_fail(FERRY_ENOMEM, "dump_signal got no descriptor: %s", strerror(errno));
	dump.device = is.st_dev;
	dump.inode = is.st_ino;
	dump.process = getpid();
	dump.joined = 0;
	dump.first = NULL;
	return FERRY_OK;
}

/* A thread causes these itself, and goes on in the same place. */
static bool is_fault(int number)
{
	return number == SIGSEGV || number == SIGBUS || number == SIGFPE || number == SIGILL ||
	       number == SIGTRAP || number == SIGABRT || number == SIGSYS;
}

static int set_handler(int number)
{
	struct sigaction action = { .sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_RESTART };
	if (is_fault(number) || sigaction(number, NULL, &dump.before) != 0)
		return fy_fail(FERRY_EINVAL,
		               "dump_signal=%d cannot have a handler: choose another signal, such "
		               "as SIGUSR2",
		               number);
	action.sa_mask = dump.before.sa_mask;
	action.sa_flags |= dump.before.sa_flags & SA_ONSTACK;
	if (sigaction(number, &action, NULL) != 0)
		return fy_fail(FERRY_EINVAL, "dump_signal=%d: %s; choose another signal", number,
		               strerror(errno));
	dump.number = number;
	return FERRY_OK;
}

static int start(int number)
{
	int status = open_event();
	if (!status)
		status = fy_helper_join();
	if (status)
		return status;
	dump.helped = (struct fy_helped){
		.run = write_all, .fd = dump.event, .events = POLLIN, .due_at = INT64_MAX
	};
	status = fy_helper_add(&dump.helped);
	if (!status && (status = set_handler(number)))
		fy_helper_remove(&dump.helped);
	if (status)
		fy_helper_leave();
	return status;
}

static void stop(void)
{
	struct sigaction now;
	if (sigaction(dump.number, NULL, &now) == 0 && now.sa_flags & SA_SIGINFO &&
	    now.sa_sigaction == handle)
		sigaction(dump.number, &dump.before, NULL);
	fy_helper_remove(&dump.helped);
	fy_helper_leave();
}

/* ---- engines ------------------------------------------------------------------------------- */

int fy_dump_signal_join(struct fy_dumped *d, const ferry_options *options)
{
	int number = options->dump_signal, status = FERRY_OK;
	if (!number)
		return FERRY_OK;
	pthread_mutex_lock(&dump.gate);
	if (!dump.joined || dump.process != getpid())
		status = start(number);
	else if (number != dump.number)
		status = fy_fail(FERRY_EINVAL,
		                 "dump_signal=%d, but another engine of this process has %d: give "
		                 "all of them the same",
		                 number, dump.number);
	dump.joined += !status;
	d->joined = !status;
	pthread_mutex_unlock(&dump.gate);
	return status;
}

void fy_dump_signal_begin(struct fy_dumped *d, ferry *engine)
{
	if (!d->joined)
		return;
	pthread_mutex_lock(&dump.lock);
	d->engine = engine;
	d->next = dump.first;
	dump.first = d;
	pthread_mutex_unlock(&dump.lock);
}

static void take_out(const struct fy_dumped *d)
{
	struct fy_dumped **at = &dump.first;
	while (*at && *at != d)
		at = &(*at)->next;
	if (*at)
		*at = d->next;
}

void fy_dump_signal_leave(struct fy_dumped *d)
{
	if (!d->joined)
		return;
	d->joined = false;
	pthread_mutex_lock(&dump.lock);
	take_out(d);
	pthread_mutex_unlock(&dump.lock);
	pthread_mutex_lock(&dump.gate);
	if (--dump.joined == 0)
		stop();
	pthread_mutex_unlock(&dump.gate);
}
