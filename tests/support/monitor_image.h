/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of a monitor file, made by hand from src/monitor/format.h: for tests of what reads such
 * files. Knows nothing of the engine. Times are ages, in ns, before now.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "monitor/format.h"

struct image {
	struct fy_monitor_head *head; /* and all that is behind it */
	size_t nbytes;
};

/* A healthy engine of this process, just sampled, with counters and gauges and nothing else. */
void image_init(struct image *image, int rank, int size);
void image_free(struct image *image);
/* A table of the file. */
struct fy_monitor_section *image_section(struct image *image, enum fy_monitor_kind kind);
/* One more entry of it, all 0. Aborts where there is no room. */
void *image_add(struct image *image, enum fy_monitor_kind kind);
/* Set a counter or a gauge. */
void image_set(struct image *image, const char *name, int64_t value);
/* The last sample, all of it, was so long ago. */
void image_sampled(struct image *image, int64_t age);
struct fy_monitor_open *image_open(struct image *image, uint32_t kind, uint32_t state, int peer,
                                   uint32_t op, int64_t age);
struct fy_monitor_peer *image_peer(struct image *image, int rank, unsigned flags, int64_t heard);
struct fy_monitor_error *image_error(struct image *image, const char *text, uint64_t count);
struct fy_monitor_op *image_op(struct image *image, uint32_t op, uint64_t received);
/* So many operations that were so long in a stage. */
void image_stage(struct image *image, enum fy_monitor_stage stage, uint64_t ns, uint64_t count);
/* Once something is in a stage, all have their names. */
void image_rename_stage(struct image *image, enum fy_monitor_stage stage, const char *name);
void image_text(struct image *image, const char *lines);
