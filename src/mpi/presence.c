/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MPI_Finalize while an engine is open is a mistake of the program, and ends the job with a
 * sentence. Called under the lock of life.c.
 */
#include "mpi/presence.h"

#include <errno.h>
#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

/*
 * MPI_Finalize begins by deleting the attributes of MPI_COMM_SELF, and so calls on_finalize.
 * Without it the mistake would end in assertions of the transport, or unnoticed. `over`: the
 * library itself deletes the attribute.
 */
static struct {
	int key;
	bool set, over;
} presence = { .key = MPI_KEYVAL_INVALID }; /* under the lock of life.c */

static int on_finalize(MPI_Comm comm, int key, void *value, void *extra)
{
	(void)comm;
	(void)key;
	(void)value;
	(void)extra;
	if (presence.over)
		return MPI_SUCCESS;
	fy_log_say(NULL, -1,
	           "MPI_Finalize was called while an engine is open: call ferry_close on every "
	           "rank first. The job is aborted.");
	/* launchers drop output that comes right before the end of a job */
	struct timespec moment = { 0, 50000000 };
	while (nanosleep(&moment, &moment) != 0 && errno == EINTR)
		;
	MPI_Abort(MPI_COMM_WORLD, 1);
	_exit(1);
}

void fy_mpi_presence_begin(void)
{
	presence.over = false;
	/* still set after a port that was not closed clean: setting it again would delete it */
	if (presence.set)
		return;
	if (presence.key == MPI_KEYVAL_INVALID &&
	    MPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, on_finalize, &presence.key, NULL) !=
	            MPI_SUCCESS)
		presence.key = MPI_KEYVAL_INVALID;
	presence.set = presence.key != MPI_KEYVAL_INVALID &&
	               MPI_Comm_set_attr(MPI_COMM_SELF, presence.key, &presence) == MPI_SUCCESS;
}

void fy_mpi_presence_end(bool clean)
{
	presence.over = true;
	if (!clean)
		return;
	if (presence.set)
		MPI_Comm_delete_attr(MPI_COMM_SELF, presence.key);
	if (presence.key != MPI_KEYVAL_INVALID)
		MPI_Comm_free_keyval(&presence.key);
	presence.set = false;
}
