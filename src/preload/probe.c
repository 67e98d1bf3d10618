/* SPDX-License-Identifier: Apache-2.0 */
/* Probes: any thread of the program. */
#include "preload/probe.h"

#include <stdbool.h>
#include <stddef.h>

#include "preload/helm.h"
#include "preload/next.h"

static bool look(void *arg)
{
	struct fy_preload_probe *p = arg;
	p->flag = 0;
	p->code = p->message ? fy_next.Improbe(p->peer, p->tag, p->comm, &p->flag, p->message,
	                                       p->status)
	                     : fy_next.Iprobe(p->peer, p->tag, p->comm, &p->flag, p->status);
	return p->flag || p->once || p->code != MPI_SUCCESS;
}

int fy_preload_probe(struct fy_preload_probe *probe)
{
	fy_preload_helm_run(look, probe);
	return probe->code;
}
