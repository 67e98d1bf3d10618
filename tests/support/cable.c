/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cable between hosts that are network namespaces of this machine, with the faults that a real
 * one may have: it delays frames, by times that differ, loses some, doubles some, and can be cut.
 * The kernel's own way to do so (netem) is not in every kernel; this needs /dev/net/tun alone.
 *
 *     cable CONTROL REPORT SEED PID...
 *
 * It makes a device cable0 in the network namespace of each PID, and carries Ethernet frames from
 * one to another. The first PID's host is number 0. It reads commands from the fifo CONTROL, one a
 * line, and answers each with a line in the file REPORT, which says what it has done so far:
 *
 *     delay US, jitter US     each frame is late by so much, and by up to so much more; frames
 *                             overtake one another then
 *     loss N, double N        of a thousand frames
 *     cut [A [B]]             between all hosts, or A and all others, or A and B: nothing passes,
 *                             and nothing says so. What was on its way is lost, too.
 *     mend [A [B]]            likewise
 *     report                  only answers
 *
 * Chance is of the SEED: what happens to the n-th frame of a host is the same in each run, but
 * which frame is the n-th is not. The devices end with the program, and it ends with its parent.
 */
#define _GNU_SOURCE /* setns, ppoll */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { HOSTS = 8, FRAME = 65536, ADDRESS = 6, AT_ONCE = 64, UNDER_WAY = 65536 };

struct frame {
	uint64_t due; /* ns */
	unsigned from, to;
	size_t nbytes;
	unsigned char bytes[];
};

static struct host {
	int device;
	unsigned char address[ADDRESS];
	uint64_t chance;
	bool cut[HOSTS];
} hosts[HOSTS];
static unsigned count;

static struct {
	unsigned long delay, jitter, loss, twice;
} wire;

static struct {
	unsigned long frames, lost, doubled, cut, too_many;
} done;

/* What is under way, the first due at the top: a heap. */
static struct frame *heap[UNDER_WAY];
static size_t heaped;

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "cable: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* ---- what is under way --------------------------------------------------- */

static void push(struct frame *f)
{
	size_t at = heaped++;

	for (; at && heap[(at - 1) / 2]->due > f->due; at = (at - 1) / 2)
		heap[at] = heap[(at - 1) / 2];
	heap[at] = f;
}

static struct frame *pop(void)
{
	struct frame *first = heap[0], *last = heap[--heaped];
	size_t at = 0;

	for (;;) {
		size_t below = 2 * at + 1;
		if (below + 1 < heaped && heap[below + 1]->due < heap[below]->due)
			below++;
		if (below >= heaped || last->due <= heap[below]->due)
			break;
		heap[at] = heap[below];
		at = below;
	}
	heap[at] = last;
	return first;
}

/* ---- chance ---------------------------------------------------------------- */

static uint64_t draw(struct host *h)
{
	h->chance ^= h->chance << 13;
	h->chance ^= h->chance >> 7;
	h->chance ^= h->chance << 17;
	return h->chance >> 11; /* the lowest bits are the worst */
}

static bool happens(struct host *h, unsigned long of_thousand)
{
	return draw(h) % 1000 < of_thousand;
}

/* ---- frames ---------------------------------------------------------------- */

/* A frame that the kernel has no room for is lost, as on a wire. */
static void deliver(unsigned from, unsigned to, const unsigned char *bytes, size_t nbytes)
{
	if (hosts[from].cut[to])
		done.cut++;
	else if (write(hosts[to].device, bytes, nbytes) == (ssize_t)nbytes)
		done.frames++;
	else
		done.too_many++;
}

static void send_late(unsigned from, unsigned to, const unsigned char *bytes, size_t nbytes)
{
	struct frame *f = heaped < UNDER_WAY ? malloc(sizeof *f + nbytes) : NULL;
	uint64_t late = wire.delay;

	if (wire.jitter)
		late += draw(&hosts[from]) % wire.jitter;
	if (!f) {
		done.too_many++;
		return;
	}
	*f = (struct frame){ now() + 1000 * late, from, to, nbytes };
	memcpy(f->bytes, bytes, nbytes);
	push(f);
}

static void carry(unsigned from, unsigned to, const unsigned char *bytes, size_t nbytes)
{
	unsigned times = 1;

	if (hosts[from].cut[to]) {
		done.cut++;
		return;
	}
	if (happens(&hosts[from], wire.loss)) {
		done.lost++;
		times = 0;
	} else if (happens(&hosts[from], wire.twice)) {
		done.doubled++;
		times = 2;
	}
	for (; times; times--) {
		if (wire.delay || wire.jitter)
			send_late(from, to, bytes, nbytes);
		else
			deliver(from, to, bytes, nbytes);
	}
}

/* To the host whose address stands first in the frame, or to all: the lowest bit of an address says
 * that it is one of many hosts. */
static void take(unsigned from)
{
	static unsigned char bytes[FRAME];

	for (int i = 0; i < AT_ONCE; i++) {
		ssize_t n = read(hosts[from].device, bytes, sizeof bytes);
		if (n < ADDRESS)
			return;
		for (unsigned to = 0; to < count; to++) {
			if (to != from &&
			    ((bytes[0] & 1) || memcmp(bytes, hosts[to].address, ADDRESS) == 0))
				carry(from, to, bytes, (size_t)n);
		}
	}
}

static void deliver_due(void)
{
	while (heaped && heap[0]->due <= now()) {
		struct frame *f = pop();
		deliver(f->from, f->to, f->bytes, f->nbytes);
		free(f);
	}
}

/* ---- commands -------------------------------------------------------------- */

static void set_cut(int a, int b, bool cut)
{
	for (int i = 0; i < HOSTS; i++) {
		for (int j = 0; j < HOSTS; j++) {
			bool named = a < 0 || (i == a && (b < 0 || j == b)) ||
			             (j == a && (b < 0 || i == b));
			if (named)
				hosts[i].cut[j] = cut;
		}
	}
}

/* False for what is no command. */
static bool obey(const char *line)
{
	char word[16] = "";
	int a = -1, b = -1, words = sscanf(line, "%15s %d %d", word, &a, &b);
	struct {
		const char *name;
		unsigned long *value;
	} settings[] = { { "delay", &wire.delay },
		         { "jitter", &wire.jitter },
		         { "loss", &wire.loss },
		         { "double", &wire.twice } };

	for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
		if (strcmp(word, settings[i].name) == 0 && words == 2 && a >= 0) {
			*settings[i].value = (unsigned long)a;
			return true;
		}
	}
	if (strcmp(word, "cut") == 0 || strcmp(word, "mend") == 0) {
		set_cut(a, b, *word == 'c');
		return true;
	}
	return strcmp(word, "report") == 0;
}

static void answer(const char *line, int report)
{
	const char *what = obey(line) ? line : "unknown";

	dprintf(report, "%s: %lu frames, %lu lost, %lu doubled, %lu cut, %lu too many\n", what,
	        done.frames, done.lost, done.doubled, done.cut, done.too_many);
}

/* Lines come whole: they are shorter than what a fifo takes at once. */
static void hear(int control, int report)
{
	char lines[4096], *rest = lines, *line;
	ssize_t n = read(control, lines, sizeof lines - 1);

	if (n <= 0)
		return;
	lines[n] = 0;
	while ((line = strtok_r(rest, "\n", &rest)))
		answer(line, report);
}

/* ---- begin ----------------------------------------------------------------- */

/* A device belongs to the namespace in which its file was opened. */
static void plug_in(struct host *h, const char *pid, uint64_t seed)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	char path[64];
	int space;

	snprintf(path, sizeof path, "/proc/%s/ns/net", pid);
	if ((space = open(path, O_RDONLY | O_CLOEXEC)) < 0 || setns(space, CLONE_NEWNET))
		fail(path);
	close(space);
	strcpy(request.ifr_name, "cable0");
	h->device = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (h->device < 0 || ioctl(h->device, TUNSETIFF, &request))
		fail("/dev/net/tun");
	if (ioctl(h->device, SIOCGIFHWADDR, &request))
		fail("its address");
	memcpy(h->address, request.ifr_hwaddr.sa_data, ADDRESS);
	h->chance = (seed + 1) * 0x9e3779b97f4a7c15u + count;
}

static void run(int control, int report)
{
	struct pollfd ready[HOSTS + 1] = { [HOSTS] = { control, POLLIN, 0 } };

	for (unsigned i = 0; i < HOSTS; i++)
		ready[i] = (struct pollfd){ i < count ? hosts[i].device : -1, POLLIN, 0 };
	for (;;) {
		uint64_t at = now(), due = heaped ? heap[0]->due : UINT64_MAX;
		uint64_t wait = due <= at ? 0 : due - at;
		struct timespec limit = { (time_t)(wait / 1000000000u),
			                  (long)(wait % 1000000000u) };

		ppoll(ready, HOSTS + 1, heaped ? &limit : NULL, NULL);
		if (ready[HOSTS].revents)
			hear(control, report);
		for (unsigned i = 0; i < count; i++) {
			if (ready[i].revents & POLLIN)
				take(i);
			else if (ready[i].revents) /* its host is gone */
				ready[i].fd = -1;
		}
		deliver_due();
	}
}

int main(int argc, char **argv)
{
	if (argc < 6 || argc - 4 > HOSTS) {
		fprintf(stderr, "usage: cable CONTROL REPORT SEED PID PID...\n");
		return 2;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	int control = open(argv[1], O_RDWR | O_NONBLOCK | O_CLOEXEC);
	int report = open(argv[2], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (control < 0 || report < 0)
		fail(argv[control < 0 ? 1 : 2]);
	for (; count < (unsigned)argc - 4; count++)
		plug_in(&hosts[count], argv[4 + count], strtoull(argv[3], NULL, 0));
	answer("report", report);
	run(control, report);
}
