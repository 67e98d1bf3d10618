/* SPDX-License-Identifier: Apache-2.0 */
/* Which MPI this is, where it was found, and what it gives. Its own calls work at any level. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <dlfcn.h>
#include <mpi.h>
#include <stdint.h>
#include <string.h>

#include "config.h"
#include "info.h"
#include "out.h"

static const char *level_name(int level)
{
	return level == MPI_THREAD_MULTIPLE     ? "multiple"
	       : level == MPI_THREAD_SERIALIZED ? "serialized"
	       : level == MPI_THREAD_FUNNELED   ? "funneled"
	                                        : "single";
}

void info_print_mpi(struct info_out *out, const struct info *info)
{
	char version[MPI_MAX_LIBRARY_VERSION_STRING];
	int length, major, minor, level;
	Dl_info found;
	MPI_Get_library_version(version, &length);
	MPI_Get_version(&major, &minor);
	version[strcspn(version, "\n")] = '\0';
	for (char *at = version; (at = strchr(at, '\t'));)
		*at = ' ';
	info_out_section(out, "mpi", "MPI");
	info_out_text(out, "name", INFO_MPI);
	info_out_text(out, "version", version);
	info_out_text(out, "library",
	              dladdr((void *)(uintptr_t)&MPI_Query_thread, &found) ? found.dli_fname
	                                                                   : NULL);
	char standard[16];
	snprintf(standard, sizeof standard, "%d.%d", major, minor);
	info_out_text(out, "standard", standard);
	info_out_text(out, "compiler", INFO_MPICC);
	info_out_text(out, "launcher", INFO_MPIEXEC);
	info_out_text(out, "started_by", info->launcher);
	if (info->engine && MPI_Query_thread(&level) == MPI_SUCCESS)
		info_out_text(out, "thread_level", level_name(level));
	if (info->engine)
		info_out_number(out, "ranks", ferry_size(info->engine));
	info_out_section_end(out);
}
