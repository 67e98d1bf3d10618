/* SPDX-License-Identifier: Apache-2.0 */
/* Probes: any thread of the program. */
#include "preload/probe.h"

#include <stdbool.h>
#include <stddef.h>

#include "preload/caller.h"
#include "preload/helm.h"
#include "preload/next.h"
#include "preload/start.h"

static bool look(void *arg)
{
	struct fy_preload_probe *p = arg;
	p->flag = 0;
	p->code = p->message ? fy_next.Improbe(p->peer, p->tag, p->comm, &p->flag, p->message,
	                                       p->status)
	                     : fy_next.Iprobe(p->peer, p->tag, p->comm, &p->flag, p->status);
	return p->flag || p->once || p->code != MPI_SUCCESS;
}

/* A probe takes the arguments of a receive. */
static bool looks_right(const struct fy_preload_probe *p)
{
	struct fy_preload_start as_receive = { .type = MPI_BYTE,
		                               .peer = p->peer,
		                               .tag = p->tag,
		                               .comm = p->comm,
		                               .kind = FY_PRELOAD_RECV };
	return fy_preload_start_looks_right(&as_receive);
}

int fy_preload_probe(struct fy_preload_probe *probe)
{
	/* The error of a wrong argument is raised in this thread. */
	if (fy_caller_way_of(NULL) == FY_WAY_HELM && !looks_right(probe) && look(probe))
		return probe->code;
	fy_preload_helm_run(look, probe);
	return probe->code;
}
