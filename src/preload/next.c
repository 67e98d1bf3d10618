/* SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "preload/next.h"

#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct fy_next fy_next;

static const struct function {
	const char *name;
	size_t offset; /* of its pointer in fy_next */
	enum { WRAPPED, NEEDED, OTHER } kind;
} functions[] = {
#define FUNCTION(name, kind) { "MPI_" #name, offsetof(struct fy_next, name), kind },
#define FY_NEXT(name, type, params, args) FUNCTION(name, WRAPPED)
#define FY_NEED(name, type, params, args) FUNCTION(name, NEEDED)
#define FY_ALSO(name, type, params, args) FUNCTION(name, OTHER)
#include "preload/next.inc"
#undef FY_NEXT
#undef FY_NEED
#undef FY_ALSO
#undef FUNCTION
};
#define N_FUNCTIONS (sizeof functions / sizeof *functions)

/* How the version of MPI begins that mpi.h is of. */
#if defined(OPEN_MPI)
#define BUILT_FOR "Open MPI"
#elif defined(MPICH_VERSION)
#define BUILT_FOR "MPICH"
#else
#error "what the handles of this MPI look like is not known"
#endif

static char trouble[512]; /* a sentence; empty if all were found */

static void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void complain(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(trouble, sizeof trouble, format, args);
	va_end(args);
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

/* The file that an address is in. */
static const char *file_of(const void *address)
{
	Dl_info info;
	return dladdr(address, &info) && info.dli_fname ? info.dli_fname : "";
}

/* ---- what is loaded ----------------------------------------------------------- */

struct objects {
	const char *path[1024];
	int n;
};

static int note_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	struct objects *objects = arg;
	if (info->dlpi_name[0]) /* the program has none */
		objects->path[objects->n++] = info->dlpi_name;
	return objects->n == (int)(sizeof objects->path / sizeof *objects->path);
}

/* In the order of loading. The names are noted and no more: who opened one while the loader lists
 * them could wait for another thread that waits for the list. */
static void list_objects(struct objects *objects)
{
	objects->n = 0;
	dl_iterate_phdr(note_object, objects);
}

/* The MPI of this process, which stays loaded from now on; NULL if there is none. RTLD_NEXT does
 * not find one that a program has loaded into a scope of its own, as Python does. */
static void *open_mpi(void)
{
	struct objects objects;
	list_objects(&objects);
	for (int i = 0; i < objects.n; i++) {
		const char *path = objects.path[i];
		void *mpi = strncmp(last_part(path), "libmpi", 6) == 0
		                    ? dlopen(path, RTLD_LAZY | RTLD_NOLOAD)
		                    : NULL;
		if (mpi && dlsym(mpi, "MPI_Get_library_version"))
			return mpi;
		if (mpi)
			dlclose(mpi);
	}
	return NULL;
}

/* ---- looking all up ---------------------------------------------------------- */

/* The file of the MPI that was found. */
static const char *mpi_file(void)
{
	void *version;
	memcpy(&version, &fy_next.Get_library_version, sizeof version);
	return file_of(version);
}

static bool find_one(const struct function *function, void **mpi)
{
	void *found = dlsym(RTLD_NEXT, function->name);
	if (!found && !*mpi)
		*mpi = open_mpi();
	if (!found && *mpi)
		found = dlsym(*mpi, function->name);
	if (!found && function->kind == OTHER)
		return true; /* no program that calls it would run */
	if (!found && !fy_next.Get_library_version)
		complain("there is no MPI in this process: no %s, and no library libmpi*",
		         function->name);
	else if (!found)
		complain("%s is missing in %s: this library was built for a later " BUILT_FOR,
		         function->name, mpi_file());
	else if (strncmp(last_part(file_of(found)), "libferry-preload", 16) == 0)
		complain("%s is loaded behind this library, and only one of this kind may be: look "
		         "at LD_PRELOAD",
		         file_of(found));
	else
		memcpy((char *)&fy_next + function->offset, &found, sizeof found);
	return trouble[0] == '\0';
}

/* Each MPI writes as much as its own mpi.h says, and it may be another one than ours. */
static void check_version(void)
{
	static char version[16384];
	int length = 0;
	if (fy_next.Get_library_version(version, &length) != MPI_SUCCESS)
		version[0] = '\0';
	if (strncmp(version, BUILT_FOR, strlen(BUILT_FOR)) == 0)
		return;
	version[strcspn(version, "\n,")] = '\0';
	complain("this library was built for " BUILT_FOR ", and the MPI of this process is %.80s",
	         version);
}

/* The program's own copy comes first: the linker may have put the variable there. */
static void find_handle(const char *name, size_t offset, void **mpi)
{
	void *found = trouble[0] ? NULL : dlsym(RTLD_DEFAULT, name);
	if (!found && !trouble[0] && (*mpi || (*mpi = open_mpi())))
		found = dlsym(*mpi, name);
	if (found)
		memcpy((char *)&fy_next + offset, &found, sizeof found);
	else if (!trouble[0])
		complain("%s is missing in %s", name, mpi_file());
}

static void find_handles(void **mpi)
{
	(void)mpi;
	(void)find_handle;
#define FY_NEXT_HANDLE(name) find_handle(#name, offsetof(struct fy_next, name), mpi);
	FY_NEXT_HANDLES(FY_NEXT_HANDLE)
#undef FY_NEXT_HANDLE
}

/* Of another MPI than ours it is no news that it lacks functions. */
static void find_all(void)
{
	const struct function version = { "MPI_Get_library_version",
		                          offsetof(struct fy_next, Get_library_version), NEEDED };
	void *mpi = NULL;
	if (!find_one(&version, &mpi))
		return;
	check_version();
	for (size_t i = 0; i < N_FUNCTIONS && !trouble[0]; i++)
		find_one(&functions[i], &mpi);
	find_handles(&mpi);
}

int fy_next_find(char *why, size_t size)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, find_all);
	if (!trouble[0])
		return 0;
	snprintf(why, size, "%s", trouble);
	return -1;
}

void fy_next_need(void)
{
	char why[sizeof trouble];
	if (fy_next_find(why, sizeof why) == 0)
		return;
	fprintf(stderr, "ferry-preload: %s\n", why);
	_exit(1);
}

/* ---- who stands before us ----------------------------------------------------- */

/* Where `object` and what it needs, or RTLD_DEFAULT: what the program sees, defines that function.
 * False: nowhere. A program that compares its address has a symbol with a value for it, too, which
 * defines nothing. */
static bool find_definition(void *object, const char *name, Dl_info *where)
{
	void *symbol = NULL;
	void *found = dlsym(object, name);
	return found && dladdr1(found, where, &symbol, RTLD_DL_SYMENT) && symbol &&
	       ((const ElfW(Sym) *)symbol)->st_shndx != SHN_UNDEF;
}

/* The same, object by object. */
static const char *first_with(const char *name, const struct objects *objects)
{
	for (int i = 0; i < objects->n; i++) {
		Dl_info where;
		void *object = dlopen(objects->path[i], RTLD_LAZY | RTLD_NOLOAD);
		bool found = object && find_definition(object, name, &where) &&
		             strcmp(where.dli_fname, objects->path[i]) == 0;
		if (object)
			dlclose(object);
		if (found)
			return where.dli_fname;
	}
	return NULL;
}

bool fy_next_is_covered(const char **name, const char **file)
{
	struct objects objects;
	list_objects(&objects);
	const char *us = file_of(&fy_next);
	for (size_t i = 0; i < N_FUNCTIONS; i++) {
		Dl_info where;
		if (functions[i].kind != WRAPPED)
			continue;
		*name = functions[i].name;
		*file = find_definition(RTLD_DEFAULT, *name, &where) ? where.dli_fname
		                                                     : first_with(*name, &objects);
		if (*file && strcmp(*file, us) != 0)
			return true;
	}
	return false;
}
