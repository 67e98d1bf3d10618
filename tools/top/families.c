/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <string.h>

#include "families.h"

static const struct top_family known[] = {
	{ "posts", true, TOP_NUMBER, "Posts that the engine took from its threads." },
	{ "calls", true, TOP_NUMBER, "Calls that the engine took from its threads." },
	{ "delivered", true, TOP_NUMBER, "Messages and replies delivered to this rank." },
	{ "handled", true, TOP_NUMBER, "Handlers that returned." },
	{ "batches_sent", true, TOP_NUMBER, "Batches sent, of many messages each." },
	{ "batches_received", true, TOP_NUMBER, "Batches received." },
	{ "bytes_sent", true, TOP_NUMBER, "Bytes of batches and attachments sent." },
	{ "bytes_received", true, TOP_NUMBER, "Bytes of batches and attachments received." },
	{ "lane_full", true, TOP_NUMBER, "Posts that found no room at first." },
	{ "channel_full", true, TOP_NUMBER, "Messages that had to wait in a channel." },
	{ "credit_out", true, TOP_NUMBER, "Times at which a channel ran out of credit." },
	{ "grants_waited", true, TOP_NUMBER, "Large messages that asked for memory first." },
	{ "refused", true, TOP_NUMBER, "Messages refused for want of memory or by a peer." },
	{ "dropped", true, TOP_NUMBER, "Messages that nobody read, dropped at the close." },
	{ "late_replies", true, TOP_NUMBER, "Replies to calls that were decided already." },
	{ "malformed", true, TOP_NUMBER, "Messages from the wire that failed the checks." },
	{ "sleeps", true, TOP_NUMBER, "Times at which the progress thread slept." },
	{ "wakes", true, TOP_NUMBER, "Times at which another thread woke it." },
	{ "steps", true, TOP_NUMBER, "Steps of the progress loop." },
	{ "lends", true, TOP_NUMBER, "Times at which a waiting thread took over." },
	{ "memory_held", false, TOP_NUMBER, "Bytes that received messages hold here." },
	{ "kept", true, TOP_NUMBER, "Buffers that MPI may still read after a close." },
	{ "mpi_errors", true, TOP_NUMBER, "Receives and sends that MPI ended with an error." },
	{ "busy", true, TOP_SECONDS, "Time in steps of the loop that did something." },
	{ "steps_long", true, TOP_NUMBER, "Steps that were longer than the threshold." },
	{ "step_threshold", false, TOP_SECONDS, "From when on a step counts as long." },
	{ "step_longest", false, TOP_SECONDS, "The longest step so far." },
	{ "step_longest_at", false, TOP_LEFT_OUT, "" },
	{ "step_longest_op", false, TOP_LEFT_OUT, "" },
	{ "step_long_op", false, TOP_LEFT_OUT, "" },
	{ "inside", false, TOP_LEFT_OUT, "" },
	{ "cpu", false, TOP_NUMBER, "The processor on which the progress thread ran." },
	{ "idle", false, TOP_NUMBER, "How it idles: looks, yields, naps, sleeps, driven, none." },
	{ "cpu_taken", false, TOP_NUMBER, "Times others took its processor since a sample." },
	{ "queued", false, TOP_NUMBER, "Messages that wait in channels." },
	{ "queued_bytes", false, TOP_NUMBER, "Bytes of messages that wait in channels." },
	{ "calls_open", false, TOP_NUMBER, "Calls without a reply." },
	{ "issued", true, TOP_NUMBER, "Records that were put here." },
	{ "done", true, TOP_NUMBER, "Records that came to their end here." },
	{ "gone", false, TOP_NUMBER, "Peers that are gone." },
	{ "unread", false, TOP_NUMBER, "Messages in the mailbox." },
	{ "peer_timeout", false, TOP_SECONDS, "The option of that name." },
	{ "sample_took", false, TOP_SECONDS, "How long a sample took." },
};

struct top_family top_family_of(const char *name, bool counter)
{
	struct top_family family = { name, counter, TOP_NUMBER, "As doc/monitor-format.md says." };
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(known[i].name, name) == 0)
			return known[i];
	return family;
}
