/* SPDX-License-Identifier: Apache-2.0 */
/* The files of one job: which of those in a directory belong together. */
#include "timeline/job.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool ends_in(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);
	return n > m && strcmp(name + n - m, end) == 0;
}

static void add(struct trace_job *job, const char *path, FILE *complaints)
{
	char why[TRACE_WHY];
	struct trace_file file;
	if (!trace_file_read(&file, path, why)) {
		fprintf(complaints, "ferry-trace: %s\n", why);
		job->refused++;
		return;
	}
	struct trace_file *files = realloc(job->files, (job->count + 1) * sizeof *files);
	if (!files) {
		fprintf(complaints, "ferry-trace: no memory for %s\n", path);
		trace_file_free(&file);
		job->refused++;
		return;
	}
	job->files = files;
	job->files[job->count++] = file;
}

/* The job of the file that was begun last. */
static const char *newest(const struct trace_job *job)
{
	const struct fy_trace_head *last = &job->files[0].head;
	for (size_t i = 1; i < job->count; i++)
		if (job->files[i].head.begun.real > last->begun.real)
			last = &job->files[i].head;
	return last->job;
}

static void keep_only(struct trace_job *job, const char *name)
{
	size_t kept = 0;
	snprintf(job->name, sizeof job->name, "%s", name);
	for (size_t i = 0; i < job->count; i++) {
		if (strcmp(job->files[i].head.job, job->name) == 0)
			job->files[kept++] = job->files[i];
		else
			trace_file_free(&job->files[i]);
	}
	job->others = job->count - kept;
	job->count = kept;
}

static int by_rank(const void *a, const void *b)
{
	const struct fy_trace_head *x = &((const struct trace_file *)a)->head;
	const struct fy_trace_head *y = &((const struct trace_file *)b)->head;
	if (x->engine != y->engine)
		return x->engine < y->engine ? -1 : 1;
	return (x->rank > y->rank) - (x->rank < y->rank);
}

/* Two files that say the same rank of the same engine cannot both be right. The first one stays. */
static void drop_twins(struct trace_job *job, FILE *complaints)
{
	size_t kept = 0;
	for (size_t i = 0; i < job->count; i++) {
		if (kept && by_rank(&job->files[kept - 1], &job->files[i]) == 0) {
			fprintf(complaints, "ferry-trace: %s says the rank of %s and is left out\n",
			        job->files[i].path, job->files[kept - 1].path);
			trace_file_free(&job->files[i]);
			job->refused++;
			continue;
		}
		job->files[kept++] = job->files[i];
	}
	job->count = kept;
}

static bool read_directory(struct trace_job *job, const char *directory, FILE *complaints)
{
	DIR *dir = opendir(directory);
	if (!dir) {
		fprintf(complaints, "ferry-trace: %s: %s\n", directory, strerror(errno));
		return false;
	}
	for (const struct dirent *entry; (entry = readdir(dir));) {
		char path[4352];
		snprintf(path, sizeof path, "%.4000s/%s", directory, entry->d_name);
		if (ends_in(entry->d_name, FY_TRACE_SUFFIX))
			add(job, path, complaints);
	}
	closedir(dir);
	return true;
}

bool trace_job_read(struct trace_job *job, const char *directory, const char *name,
                    FILE *complaints)
{
	char chosen[64];
	memset(job, 0, sizeof *job);
	if (!read_directory(job, directory, complaints))
		return false;
	if (job->count) {
		snprintf(chosen, sizeof chosen, "%s", name ? name : newest(job));
		keep_only(job, chosen);
		qsort(job->files, job->count, sizeof *job->files, by_rank);
		drop_twins(job, complaints);
	}
	if (!job->count)
		fprintf(complaints,
		        name ? "ferry-trace: %s has no timeline of the job %s\n"
		             : "ferry-trace: %s has no timeline (a job writes them with "
		               "FERRY_TRACE=DIR)\n",
		        directory, name);
	return job->count > 0;
}

size_t trace_job_find(const struct trace_job *job, uint32_t engine, uint32_t rank)
{
	size_t low = 0, high = job->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct fy_trace_head *h = &job->files[middle].head;
		if (h->engine < engine || (h->engine == engine && h->rank < rank))
			low = middle + 1;
		else
			high = middle;
	}
	const struct fy_trace_head *h = low < job->count ? &job->files[low].head : NULL;
	return h && h->engine == engine && h->rank == rank ? low : job->count;
}

void trace_job_free(struct trace_job *job)
{
	for (size_t i = 0; i < job->count; i++)
		trace_file_free(&job->files[i]);
	free(job->files);
	job->files = NULL;
	job->count = 0;
}
