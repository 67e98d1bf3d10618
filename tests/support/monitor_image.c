/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "monitor_image.h"

#define PEERS 64

static int64_t clock_of(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* ---- where things are -------------------------------------------------------------------- */

static const struct {
	enum fy_monitor_kind kind;
	uint32_t entry_bytes, capacity;
} layout[] = {
	{ FY_MONITOR_COUNTERS, sizeof(struct fy_monitor_value), FY_MONITOR_N_COUNTERS },
	{ FY_MONITOR_GAUGES, sizeof(struct fy_monitor_value), FY_MONITOR_N_GAUGES },
	{ FY_MONITOR_HISTOGRAMS, sizeof(struct fy_monitor_histogram), FY_MONITOR_N_STAGES },
	{ FY_MONITOR_OPS, sizeof(struct fy_monitor_op), FY_MONITOR_N_OPS },
	{ FY_MONITOR_ERRORS, sizeof(struct fy_monitor_error), FY_MONITOR_N_ERRORS },
	{ FY_MONITOR_OPEN, sizeof(struct fy_monitor_open), FY_MONITOR_N_OPEN },
	{ FY_MONITOR_TEXT, sizeof(struct fy_monitor_text), 1 },
	{ FY_MONITOR_PEERS, sizeof(struct fy_monitor_peer), PEERS },
};
#define KINDS (sizeof(layout) / sizeof(layout[0]))

static void place_sections(struct image *image)
{
	uint32_t offset = sizeof(*image->head);
	size_t i;

	image->head->n_sections = KINDS;
	for (i = 0; i < KINDS; i++) {
		struct fy_monitor_section *section = &image->head->sections[i];

		if (layout[i].kind == FY_MONITOR_PEERS)
			offset = FY_MONITOR_BYTES;
		section->kind = layout[i].kind;
		section->entry_bytes = layout[i].entry_bytes;
		section->offset = offset;
		section->capacity = layout[i].capacity;
		offset += layout[i].capacity * layout[i].entry_bytes;
	}
}

struct fy_monitor_section *image_section(struct image *image, enum fy_monitor_kind kind)
{
	size_t i;

	for (i = 0; i < KINDS; i++)
		if (image->head->sections[i].kind == kind)
			return &image->head->sections[i];
	abort();
}

static void *entry_at(struct image *image, const struct fy_monitor_section *section, uint32_t i)
{
	return (char *)image->head + section->offset + (size_t)i * section->entry_bytes;
}

void *image_add(struct image *image, enum fy_monitor_kind kind)
{
	struct fy_monitor_section *section = image_section(image, kind);

	if (section->count == section->capacity)
		abort();
	return entry_at(image, section, section->count++);
}

/* ---- the head ---------------------------------------------------------------------------- */

/* Field 22 of /proc/self/stat. */
static uint64_t process_start(void)
{
	char text[1024] = "";
	FILE *file = fopen("/proc/self/stat", "r");
	const char *at;
	int field;

	if (!file || !fgets(text, sizeof(text), file))
		abort();
	fclose(file);
	at = strrchr(text, ')');
	for (field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	return at ? strtoull(at, NULL, 10) : 0;
}

static void set_process(struct fy_monitor_process *process)
{
	struct stat status;

	if (stat("/proc/self/ns/pid", &status) != 0)
		abort();
	process->pid = getpid();
	process->uid = geteuid();
	process->pid_namespace = status.st_ino;
	process->started = process_start();
}

static void set_head(struct fy_monitor_head *head, int rank, int size)
{
	memcpy(head->magic, FY_MONITOR_MAGIC, sizeof(head->magic));
	head->layout = FY_MONITOR_LAYOUT;
	head->order = FY_MONITOR_ORDER;
	head->head_bytes = sizeof(*head);
	set_process(&head->process);
	head->job = 0x4b8212eeu;
	head->rank = rank;
	head->size = size;
	head->engine = 1;
	head->opened = clock_of(CLOCK_MONOTONIC) - INT64_C(123000000000);
	head->opened_wall = clock_of(CLOCK_REALTIME) - INT64_C(123000000000);
	strcpy(head->host, "node7");
	strcpy(head->program, "wordcount");
	strcpy(head->version, "0.1.0");
	strcpy(head->network, "An MPI 4.0");
}

static const char *const counters[] = {
	"posts",       "calls",          "delivered",
	"handled",     "batches_sent",   "batches_received",
	"bytes_sent",  "bytes_received", "steps",
	"memory_held", "mpi_errors",
};

static void add_value(struct image *image, enum fy_monitor_kind kind, const char *name)
{
	struct fy_monitor_value *value = image_add(image, kind);

	snprintf(value->name, sizeof(value->name), "%s", name);
	value->value = kind == FY_MONITOR_GAUGES ? -1 : 0;
}

void image_init(struct image *image, int rank, int size)
{
	static const char *const gauges[] = { "busy", "inside",       "idle",
		                              "cpu",  "step_longest", "receive_memory" };
	size_t i;

	image->nbytes = FY_MONITOR_BYTES + PEERS * sizeof(struct fy_monitor_peer);
	image->head = calloc(1, image->nbytes);
	if (!image->head)
		abort();
	set_head(image->head, rank, size);
	place_sections(image);
	image->head->now.state = FY_MONITOR_OPENED;
	image->head->now.file_bytes = image->nbytes;
	image->head->now.period = 100000000;
	image_sampled(image, 0);
	for (i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		add_value(image, FY_MONITOR_COUNTERS, counters[i]);
	for (i = 0; i < sizeof(gauges) / sizeof(gauges[0]); i++)
		add_value(image, FY_MONITOR_GAUGES, gauges[i]);
	image_set(image, "busy", 0);
}

void image_free(struct image *image)
{
	free(image->head);
	image->head = NULL;
}

void image_sampled(struct image *image, int64_t age)
{
	image->head->now.samples++;
	image->head->now.sampled = clock_of(CLOCK_MONOTONIC) - age;
	image->head->now.sampled_wall = clock_of(CLOCK_REALTIME) - age;
}

/* ---- tables ------------------------------------------------------------------------------ */

static struct fy_monitor_value *find(struct image *image, enum fy_monitor_kind kind,
                                     const char *name)
{
	struct fy_monitor_section *section = image_section(image, kind);
	struct fy_monitor_value *values = entry_at(image, section, 0);
	uint32_t i;

	for (i = 0; i < section->count; i++)
		if (strcmp(values[i].name, name) == 0)
			return &values[i];
	return NULL;
}

void image_set(struct image *image, const char *name, int64_t value)
{
	struct fy_monitor_value *there = find(image, FY_MONITOR_COUNTERS, name);

	if (!there)
		there = find(image, FY_MONITOR_GAUGES, name);
	if (!there)
		abort();
	there->value = value;
}

struct fy_monitor_open *image_open(struct image *image, uint32_t kind, uint32_t state, int peer,
                                   uint32_t op, int64_t age)
{
	struct fy_monitor_open *open = image_add(image, FY_MONITOR_OPEN);

	open->kind = kind;
	open->state = state;
	open->peer = peer;
	open->op = op;
	open->since = clock_of(CLOCK_MONOTONIC) - age;
	open->count = 1;
	return open;
}

struct fy_monitor_peer *image_peer(struct image *image, int rank, unsigned flags, int64_t heard)
{
	struct fy_monitor_peer *peer = image_add(image, FY_MONITOR_PEERS);

	peer->rank = rank;
	peer->flags = (uint16_t)flags;
	peer->credit = 65536;
	peer->heard = clock_of(CLOCK_MONOTONIC) - heard;
	return peer;
}

struct fy_monitor_error *image_error(struct image *image, const char *text, uint64_t count)
{
	struct fy_monitor_error *error = image_add(image, FY_MONITOR_ERRORS);

	error->status = -5;
	error->rank = -1;
	error->count = count;
	error->first_wall = error->last_wall = clock_of(CLOCK_REALTIME);
	snprintf(error->text, sizeof(error->text), "%s", text);
	return error;
}

struct fy_monitor_op *image_op(struct image *image, uint32_t op, uint64_t received)
{
	struct fy_monitor_op *entry = image_add(image, FY_MONITOR_OPS);

	entry->op = op;
	entry->flags = FY_MONITOR_OP_HANDLED;
	entry->received = received;
	return entry;
}

void image_stage(struct image *image, enum fy_monitor_stage stage, uint64_t ns, uint64_t count)
{
	static const char *const names[] = {
#define NAME(name, text) text,
		FY_MONITOR_STAGES(NAME)
#undef NAME
	};
	struct fy_monitor_section *section = image_section(image, FY_MONITOR_HISTOGRAMS);
	struct fy_monitor_histogram *histogram;
	uint32_t i;

	for (i = section->count; i < FY_MONITOR_N_STAGES; i++) {
		histogram = image_add(image, FY_MONITOR_HISTOGRAMS);
		strcpy(histogram->name, names[i]);
		histogram->buckets = FY_MONITOR_BUCKETS;
	}
	histogram = entry_at(image, section, stage);
	histogram->count += count;
	histogram->sum += count * ns;
	if (ns > histogram->longest)
		histogram->longest = ns;
	histogram->in[fy_monitor_bucket_of(ns)] += count;
}

void image_rename_stage(struct image *image, enum fy_monitor_stage stage, const char *name)
{
	struct fy_monitor_histogram *histogram =
		entry_at(image, image_section(image, FY_MONITOR_HISTOGRAMS), stage);

	snprintf(histogram->name, sizeof(histogram->name), "%s", name);
}

void image_text(struct image *image, const char *lines)
{
	struct fy_monitor_text *text = image_add(image, FY_MONITOR_TEXT);

	text->nbytes = (uint32_t)strlen(lines);
	memcpy(text->text, lines, text->nbytes);
}
