/* SPDX-License-Identifier: Apache-2.0 */
/*
 * monitor_file DIRECTORY SCENE...: write a monitor file for each scene, say "ready", and keep their
 * locks until stdin ends. For tests of what reads such files.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ferry.h"
#include "monitor_image.h"

#define MS INT64_C(1000000)
#define S (1000 * MS)
#define SCENES_MAX 300

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* ---- engines ----------------------------------------------------------------------------- */

static void well(struct image *image)
{
	image_set(image, "posts", 12345);
	image_peer(image, 2, 0, 50 * MS);
}

static void closing(struct image *image)
{
	image->head->now.state = FY_MONITOR_CLOSING;
}

static void new (struct image *image)
{
	image->head->now.samples = 0;
	image->head->now.sampled = 0;
}

static void silent(struct image *image)
{
	image_peer(image, 3, FY_MONITOR_PEER_SILENT | FY_MONITOR_PEER_AWAITED, 2400 * MS);
	image_open(image, FY_MONITOR_CALL, FY_MONITOR_AWAITED, 3, 7, 12 * S)->count = 9;
	image_open(image, FY_MONITOR_POST, FY_MONITOR_UNDER_WAY, 3, 8, 3 * S)->count = 5;
}

static void handler(struct image *image)
{
	image_sampled(image, 3200 * MS);
	image_set(image, "inside", 7);
}

static void stepless(struct image *image)
{
	image_sampled(image, 4 * S);
}

static void unstepped(struct image *image)
{
	stepless(image);
	image->head->flags = FY_MONITOR_NO_THREAD;
	image_open(image, FY_MONITOR_POST, FY_MONITOR_UNDER_WAY, 2, 8, 4 * S);
}

static void old(struct image *image)
{
	image_open(image, FY_MONITOR_REQUEST, FY_MONITOR_HELD, 5, 9, 75 * S);
}

static void credit(struct image *image)
{
	struct fy_monitor_peer *peer = image_peer(image, 4, FY_MONITOR_PEER_HUNGRY, 10 * MS);

	peer->queued = 120;
	peer->queued_bytes = 1536 << 10;
	peer->credit = 0;
}

static void gone(struct image *image)
{
	image_peer(image, 6, 0, 60 * S)->gone = FERRY_EPEER;
}

static void full(struct image *image)
{
	image_set(image, "receive_memory", 1 << 20);
	image_set(image, "memory_held", 1 << 20);
}

/* The process of somebody who has ended. */
static void bury(struct image *image)
{
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	if (child < 0 || waitpid(child, NULL, 0) != child)
		fail("fork");
	image->head->process.pid = child;
	image->head->process.started = 1;
}

static void dead(struct image *image)
{
	bury(image);
	image_sampled(image, 60 * S);
	image_open(image, FY_MONITOR_CALL, FY_MONITOR_AWAITED, 2, 7, 72 * S)->count = 13;
	image_open(image, FY_MONITOR_FENCE, FY_MONITOR_ENDING, -1, FY_MONITOR_NO_OP, 62 * S);
}

/* All of its job have ended. Later ones have lower ranks. */
static void over(struct image *image)
{
	dead(image);
	image->head->job++;
	image->head->rank = 7 - image->head->rank;
}

static void closed(struct image *image)
{
	bury(image);
	image->head->now.state = FY_MONITOR_CLOSED;
}

/* Each table has something. */
static void all(struct image *image)
{
	int i;

	silent(image);
	for (i = 0; i < 40; i++)
		image_peer(image, 10 + i, 0, i * MS)->sent = (uint64_t)i * 1000;
	image_section(image, FY_MONITOR_PEERS)->left_out = 17;
	image_error(image, "MPI_Isend to rank 3: no such \x1b[31mlink", 3);
	for (i = 0; i < 20; i++)
		image_op(image, (uint32_t)i, 1000u * (unsigned)i)->retained = (unsigned)i;
	for (i = 0; i < 30; i++)
		image_stage(image, FY_MONITOR_REPLY, UINT64_C(1000) << (i / 2),
		            100 - 3 * (unsigned)i);
	image_stage(image, FY_MONITOR_LANE, 300, 1000);
	image_text(image, "thread main waits in ferry_fence 3\nthread two waits for rank 3\n");
}

/* ---- files that are not as they should be ------------------------------------------------ */

static void truncated(struct image *image)
{
	image->nbytes = 1000;
}

static void empty(struct image *image)
{
	image->nbytes = 0;
}

static void headonly(struct image *image)
{
	all(image);
	image->nbytes = sizeof(*image->head);
}

static void layout(struct image *image)
{
	image->head->layout++;
}

static void order(struct image *image)
{
	image->head->order = __builtin_bswap32(image->head->order);
}

static void magic(struct image *image)
{
	image->head->magic[0] ^= 1;
}

static void torn(struct image *image)
{
	all(image);
	image->head->now.seq = 1;
}

/* All texts lack their ends, and say things to terminals. */
static void endless(struct image *image)
{
	struct fy_monitor_head *head = image->head;

	all(image);
	memset(head->program, '\x1b', sizeof(head->program));
	memset(head->host, '"', sizeof(head->host));
	memset(head->version, '\xff', sizeof(head->version));
	memset(head->network, '\n', sizeof(head->network));
	memset(image_error(image, "", 1)->text, '\\', sizeof(((struct fy_monitor_error *)0)->text));
}

/* Counts beyond the table, the file, and all sense. */
static void lies(struct image *image)
{
	size_t i;

	all(image);
	for (i = 0; i < image->head->n_sections; i++)
		image->head->sections[i].count = i % 2 ? UINT32_MAX : 100000;
}

static void crumbs(struct image *image)
{
	size_t i;

	all(image);
	for (i = 0; i < image->head->n_sections; i++) {
		image->head->sections[i].entry_bytes = 1;
		image->head->sections[i].count = UINT32_MAX;
	}
}

/* Behind what says that it is such a file nothing makes sense. */
static void garbage(struct image *image)
{
	static uint64_t seed = 88172645463325252u;
	char *bytes = (char *)image->head;
	size_t i;

	for (i = 24; i < image->nbytes; i++) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		/* Sections that could be there, so that more is read. */
		if (i < 640 || i >= 2048)
			bytes[i] = (char)seed;
		else if (seed % 16 == 0)
			bytes[i] ^= (char)(seed >> 8);
	}
}

/* ---- writing ----------------------------------------------------------------------------- */

static const struct {
	const char *name;
	void (*set)(struct image *image);
} scenes[] = {
	{ "well", well },         { "moves", well },
	{ "closing", closing },   { "new", new },
	{ "silent", silent },     { "handler", handler },
	{ "stepless", stepless }, { "unstepped", unstepped },
	{ "old", old },           { "credit", credit },
	{ "gone", gone },         { "full", full },
	{ "dead", dead },         { "closed", closed },
	{ "all", all },           { "truncated", truncated },
	{ "empty", empty },       { "headonly", headonly },
	{ "layout", layout },     { "order", order },
	{ "magic", magic },       { "torn", torn },
	{ "endless", endless },   { "lies", lies },
	{ "crumbs", crumbs },     { "garbage", garbage },
	{ "over", over },
};

struct file {
	struct image image;
	int descriptor;
	int moves;
};
static struct file files[SCENES_MAX];

static void set_scene(struct image *image, const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
		if (strcmp(scenes[i].name, name) == 0) {
			scenes[i].set(image);
			return;
		}
	}
	fprintf(stderr, "monitor_file: no scene %s\n", name);
	exit(2);
}

static void write_all(int descriptor, const struct image *image)
{
	if (pwrite(descriptor, image->head, image->nbytes, 0) != (ssize_t)image->nbytes)
		fail("pwrite");
}

static int is_dead(const char *scene)
{
	return strcmp(scene, "dead") == 0 || strcmp(scene, "over") == 0 ||
	       strcmp(scene, "closed") == 0;
}

static void make_file(const char *directory, const char *scene, int number)
{
	struct file *file = &files[number];
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	const struct fy_monitor_process *process;
	char path[512];

	image_init(&file->image, number, 8);
	file->image.head->engine = (uint32_t)number + 1;
	process = &file->image.head->process;
	snprintf(path, sizeof(path), "%s/%" PRId32 "-%d-%" PRIx64 ".ferry", directory, process->pid,
	         number + 1, process->pid_namespace);
	set_scene(&file->image, scene);
	file->moves = strcmp(scene, "moves") == 0;
	file->descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (file->descriptor < 0)
		fail(path);
	if (!is_dead(scene) && fcntl(file->descriptor, F_OFD_SETLK, &lock) != 0)
		fail("lock");
	write_all(file->descriptor, &file->image);
	printf("%s %s\n", scene, path);
}

/* 100 posts and 1 ms of work in each sample, which is taken 20 times a second. */
static void move(struct file *file, int64_t beat)
{
	image_sampled(&file->image, 0);
	image_set(&file->image, "posts", 12345 + 100 * beat);
	image_set(&file->image, "busy", beat * MS);
	write_all(file->descriptor, &file->image);
}

int main(int argc, char **argv)
{
	struct pollfd input = { STDIN_FILENO, POLLIN, 0 };
	int64_t beat;
	char byte;
	int i;

	if (argc < 3 || argc - 2 > SCENES_MAX)
		return 2;
	for (i = 2; i < argc; i++)
		make_file(argv[1], argv[i], i - 2);
	puts("ready");
	fflush(stdout);
	alarm(120);
	for (beat = 1;; beat++) {
		if (poll(&input, 1, 50) > 0 && read(STDIN_FILENO, &byte, 1) <= 0)
			return 0;
		for (i = 0; i < argc - 2; i++)
			if (files[i].moves)
				move(&files[i], beat);
	}
}
