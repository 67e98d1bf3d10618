/* SPDX-License-Identifier: Apache-2.0 */
/* Which Ferry this is: the library that is loaded, and how it was built. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <dlfcn.h>
#include <string.h>

#include "config.h"
#include "info.h"
#include "out.h"

#ifdef __clang__
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif
#ifdef FERRY_DEBUG
#define DEBUG true
#else
#define DEBUG false
#endif

/* The file that a function comes from. */
static const char *file_of(void *function)
{
	Dl_info found;
	return dladdr(function, &found) ? found.dli_fname : NULL;
}

void info_print_build(struct info_out *out)
{
	const char *version = ferry_version();
	info_out_section(out, "build", "Ferry");
	info_out_text(out, "version", version);
	info_out_text(out, "library", file_of((void *)(uintptr_t)&ferry_version));
	if (strcmp(version, FERRY_VERSION) != 0)
		info_out_text(out, "tool", FERRY_VERSION ", of another version than the library");
	info_out_text(out, "compiler", COMPILER);
	info_out_text(out, "command", INFO_CC);
	info_out_text(out, "flags", INFO_CFLAGS);
	info_out_text(out, "configure", INFO_CONFIGURE);
	info_out_flag(out, "debug", DEBUG);
	info_out_section_end(out);
}
