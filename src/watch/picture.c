/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures that came from elsewhere. */
#include "watch/picture.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* It is shown on terminals. */
static void clean_name(char *name)
{
	name[FY_PICTURE_NAME - 1] = '\0';
	for (; *name; name++)
		if (*name < ' ' || *name > '~')
			*name = '?';
}

bool fy_picture_check(struct fy_picture *p, size_t nbytes)
{
	if (nbytes != sizeof *p || p->version != FY_PICTURE_VERSION || p->nbytes != sizeof *p)
		return false;
	if (p->n_threads > FY_PICTURE_THREADS || p->n_peers > FY_PICTURE_PEERS ||
	    p->n_ops > FY_PICTURE_OPS)
		return false;
	for (uint32_t i = 0; i < p->n_threads; i++)
		clean_name(p->threads[i].name);
	return true;
}
