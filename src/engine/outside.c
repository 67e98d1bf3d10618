/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An engine is shown to other programs: its monitor file is made, and what dead processes left
 * behind is removed. The helm writes into the file (helm/show.c).
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "engine/outside.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ferry.h"
#include "base/clock.h"
#include "base/letters.h"
#include "base/log.h"
#include "base/order.h"
#include "helm/progress.h"
#include "monitor/file.h"
#include "monitor/identity.h"
#include "monitor/layout.h"
#include "monitor/sweep.h"
#include "port/port.h"
#include "shared/engine.h"

/* engines of this process that have been shown: atomic add by threads that open one */
static uint32_t shown;

static void put(char *to, size_t nbytes, const char *from)
{
	snprintf(to, nbytes, "%s", from ? from : "");
}

static void fill_head(struct fy_monitor_head *head, const ferry *engine, const char *network)
{
	memcpy(head->magic, FY_MONITOR_MAGIC, sizeof head->magic);
	head->layout = FY_MONITOR_LAYOUT;
	head->order = FY_MONITOR_ORDER;
	head->head_bytes = sizeof *head;
	head->process = fy_identity_here();
	head->job = fy_progress_of(engine)->link.port->job;
	head->rank = engine->rank;
	head->size = engine->size;
	head->engine = (uint32_t)engine->serial;
	head->flags = engine->options.flags & FERRY_NO_THREAD ? FY_MONITOR_NO_THREAD : 0;
	head->opened = fy_progress_of(engine)->link.now;
	head->opened_wall = fy_clock_wall();
	gethostname(head->host, sizeof head->host - 1);
	put(head->program, sizeof head->program, program_invocation_short_name);
	put(head->version, sizeof head->version, ferry_version());
	put(head->network, sizeof head->network, network);
	head->now.state = FY_MONITOR_OPENED;
	fy_layout_set(head);
}

static size_t room_for(int peers)
{
	uint64_t room = FY_MONITOR_BYTES +
	                ((uint64_t)peers * sizeof(struct fy_monitor_peer) + 4095) / 4096 * 4096;
	return room < FY_MONITOR_MAX_BYTES ? (size_t)room : FY_MONITOR_MAX_BYTES;
}

void fy_outside_show(ferry *engine, const char *network)
{
	const char *directory = engine->options.monitor;
	struct fy_monitor_head head = { 0 };
	char why[FY_DIRECTORY_WHY];
	if (directory && fy_letters_is_word(directory, "none"))
		return;
	if (fy_add_32(&shown, 1) == 0)
		fy_sweep(directory);
	fill_head(&head, engine, network);
	if (fy_file_make(&fy_progress_of(engine)->sample.file, directory, &head,
	                 room_for(engine->size), why))
		fy_log(engine->log,
		       "other programs do not see this engine: %s (option monitor names another "
		       "directory; none switches it off)",
		       why);
}
