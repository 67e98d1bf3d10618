/* SPDX-License-Identifier: Apache-2.0 */
#include "query/answer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "ferry.h"
#include "monitor/format.h"
#include "monitor/reader.h"
#include "watch/picture.h"

void fy_answer_begin(struct fy_answer *answer, int rank, int size, enum fy_answer_source source)
{
	memset(answer, 0, sizeof *answer);
	answer->version = FY_ANSWER_VERSION;
	answer->nbytes = sizeof *answer;
	answer->rank = rank;
	answer->size = size;
	answer->source = source;
	answer->sampled = -1;
}

/* ---- from a file --------------------------------------------------------------------------- */

/* The state letter of /proc/PID/stat, behind the name, which may have any characters. */
static enum fy_answer_process look_at_process(int pid)
{
	char path[64], text[512], *end;
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	FILE *file = fopen(path, "re");
	if (!file)
		return FY_ANSWER_UNKNOWN;
	size_t n = fread(text, 1, sizeof text - 1, file);
	fclose(file);
	text[n] = '\0';
	end = strrchr(text, ')');
	if (!end || end[1] != ' ')
		return FY_ANSWER_UNKNOWN;
	return end[2] == 'T' || end[2] == 't'                     ? FY_ANSWER_STOPPED
	       : end[2] == 'Z' || end[2] == 'X' || end[2] == '\0' ? FY_ANSWER_DEAD
	                                                          : FY_ANSWER_RUNS;
}

static enum fy_answer_process process_of(const struct fy_monitor_copy *copy)
{
	if (copy->life == FY_MONITOR_DEAD)
		return FY_ANSWER_DEAD;
	return copy->life == FY_MONITOR_ALIVE ? look_at_process(copy->head->process.pid)
	                                      : FY_ANSWER_UNKNOWN;
}

static int64_t age_of(int64_t since, int64_t now)
{
	return since < now ? now - since : 0;
}

static void add_open(struct fy_answer *answer, const struct fy_monitor_copy *copy, int64_t now)
{
	struct fy_monitor_open open;
	unsigned n = fy_monitor_count(copy, FY_MONITOR_OPEN);
	for (unsigned i = 0; i < n; i++) {
		if (!fy_monitor_entry(copy, FY_MONITOR_OPEN, i, &open, sizeof open))
			continue;
		if (answer->n_open == FY_ANSWER_OPEN) {
			answer->more_open++;
			continue;
		}
		answer->open[answer->n_open++] =
			(struct fy_answer_open){ .kind = open.kind,
			                         .state = open.state,
			                         .peer = open.peer,
			                         .op = open.op,
			                         .count = open.count,
			                         .age = age_of(open.since, now) };
	}
	answer->more_open += (uint32_t)fy_monitor_left_out(copy, FY_MONITOR_OPEN);
}

static void add_peers(struct fy_answer *answer, const struct fy_monitor_copy *copy, int64_t now)
{
	struct fy_monitor_peer peer;
	unsigned n = fy_monitor_count(copy, FY_MONITOR_PEERS);
	for (unsigned i = 0; i < n; i++) {
		if (!fy_monitor_entry(copy, FY_MONITOR_PEERS, i, &peer, sizeof peer) ||
		    (!peer.gone && !(peer.flags & FY_MONITOR_PEER_AWAITED)))
			continue;
		if (answer->n_peers == FY_ANSWER_PEERS) {
			answer->more_peers++;
			continue;
		}
		answer->peers[answer->n_peers++] =
			(struct fy_answer_peer){ .rank = peer.rank,
			                         .gone = peer.gone,
			                         .flags = peer.flags,
			                         .silent =
			                                 peer.heard ? age_of(peer.heard, now) : -1,
			                         .queued = peer.queued,
			                         .unacknowledged = peer.unacknowledged };
	}
}

static int64_t value_of(const struct fy_monitor_copy *copy, const char *name)
{
	int64_t value;
	return fy_monitor_value(copy, name, &value) ? value : 0;
}

void fy_answer_add_file(struct fy_answer *answer, const struct fy_monitor_copy *copy, int64_t now)
{
	const struct fy_monitor_head *head = copy->head;
	answer->job = head->job;
	answer->pid = head->process.pid;
	answer->process = process_of(copy);
	answer->state = head->now.state;
	if (head->now.samples)
		answer->sampled = age_of(head->now.sampled, now);
	answer->posts = value_of(copy, "posts");
	answer->delivered = value_of(copy, "delivered");
	answer->queued = value_of(copy, "queued");
	answer->unread = value_of(copy, "unread");
	answer->held = value_of(copy, "memory_held");
	memcpy(answer->host, head->host, sizeof answer->host);
	memcpy(answer->program, head->program, sizeof answer->program);
	add_open(answer, copy, now);
	add_peers(answer, copy, now);
}

/* ---- from elsewhere ------------------------------------------------------------------------ */

static bool are_ranks_there(const struct fy_answer *a)
{
	for (uint32_t i = 0; i < a->n_open; i++)
		if (a->open[i].peer < FERRY_ALL || a->open[i].peer >= a->size || a->open[i].age < 0)
			return false;
	for (uint32_t i = 0; i < a->n_peers; i++)
		if (a->peers[i].rank < 0 || a->peers[i].rank >= a->size || a->peers[i].silent < -1)
			return false;
	return true;
}

/* Terminals obey some characters. */
static void make_printable(char *text, size_t nbytes)
{
	text[nbytes - 1] = '\0';
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

bool fy_answer_read(struct fy_answer *answer, const void *bytes, size_t nbytes, int rank, int size)
{
	if (nbytes != sizeof *answer)
		return false;
	memcpy(answer, bytes, sizeof *answer);
	if (answer->version != FY_ANSWER_VERSION || answer->nbytes != sizeof *answer ||
	    answer->rank != rank || answer->size != size || answer->source > FY_ANSWER_FILE ||
	    answer->process > FY_ANSWER_DEAD || answer->n_open > FY_ANSWER_OPEN ||
	    answer->n_peers > FY_ANSWER_PEERS || answer->sampled < -1 || !are_ranks_there(answer))
		return false;
	make_printable(answer->host, sizeof answer->host);
	make_printable(answer->program, sizeof answer->program);
	if (!answer->has_picture)
		return true;
	return fy_picture_check(&answer->picture, sizeof answer->picture) &&
	       answer->picture.rank == rank && answer->picture.size == size;
}
