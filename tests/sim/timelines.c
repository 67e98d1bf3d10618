/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Timelines of the mixed workload: what left has come, at the right place, and not before it left;
 * what a thread does lies within what it does, or apart. The files are read as ferry-trace reads
 * them. FERRY_SEEDS says how many seeds.
 */
#include "world.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/log.h"

#include "timeline/align.h"
#include "timeline/job.h"
#include "timeline/picture.h"

static char directory[64];

static void empty_directory(void)
{
	DIR *dir = opendir(directory);
	for (const struct dirent *e; dir && (e = readdir(dir));)
		unlinkat(dirfd(dir), e->d_name, 0);
	if (dir)
		closedir(dir);
}

/* The seed's workload, without what is meant to get lost. */
static void run(uint64_t seed, const char *every)
{
	static struct world w;
	struct plan plan;
	setenv("FERRY_TRACE", directory, 1);
	setenv("FERRY_TRACE_EVERY", every, 1);
	setenv("FERRY_TRACE_MEMORY", "4m", 1);
	memset(&w, 0, sizeof w);
	w.random = seed;
	w_plan(&w, &plan);
	plan.ranks = plan.ranks > 6 ? 6 : plan.ranks;
	plan.odd_max = 0;
	plan.early_close = plan.unread = false;
	plan.net.fail_data_ppm = 0;
	plan.records = plan.records > 1500 ? 1500 : plan.records;
	memset(&w, 0, sizeof w);
	bool ok = w_run_plan(&w, seed, &plan);
	if (!ok)
		print_message("seed %llu: %s\n", (unsigned long long)seed, w.failure);
	assert_true(ok);
	w_free(&w);
	unsetenv("FERRY_TRACE");
}

static void read_all(struct trace_job *job, struct trace_picture *p)
{
	assert_true(trace_job_read(job, directory, NULL, stderr));
	assert_int_equal(job->refused, 0);
	assert_true(trace_align(job));
	assert_true(trace_picture_make(p, job));
	for (size_t i = 0; i < job->count; i++) {
		const struct trace_file *f = &job->files[i];
		assert_true(f->lost == 0 && f->torn == 0 && f->malformed == 0 && f->cut == 0);
		assert_int_equal(f->head.closed, 1);
		assert_true(f->clock.shift == 0);
	}
}

/* Each slice of a thread lies within the one around it. */
static void nests(const struct trace_picture *p)
{
	size_t depth = 0, *around = malloc((p->n_slices + 1) * sizeof *around);
	for (size_t i = 0; i < p->n_slices; i++) {
		const struct trace_slice *s = &p->slices[i];
		if (i && p->slices[i - 1].track != s->track)
			depth = 0;
		assert_true(s->begin <= s->end);
		while (depth && p->slices[around[depth - 1]].end <= s->begin)
			depth--;
		assert_true(!depth || s->end <= p->slices[around[depth - 1]].end);
		around[depth++] = i;
	}
	free(around);
	assert_true(p->crossing == 0);
}

static bool goes_out(unsigned kind)
{
	return kind == FY_TRACE_POST || kind == FY_TRACE_CALL || kind == FY_TRACE_REPLY;
}

/* Inline or on an executor, at once or later: its messages do not go to readers. */
static bool is_handled(uint32_t op)
{
	return op == OP_INLINE || op == OP_HASHED || op == OP_QUEUE;
}

/* Both ends of an arrow say the same: op, length, who is at the other end. */
static void arrows_fit(const struct trace_picture *p)
{
	size_t out = 0;
	for (size_t i = 0; i < p->n_slices; i++)
		out += goes_out(p->slices[i].kind);
	for (size_t i = 0; i < p->n_arrows; i++) {
		const struct trace_slice *from = &p->slices[p->arrows[i].from];
		const struct trace_slice *to = &p->slices[p->arrows[i].to];
		const struct trace_file *f = &p->job->files[p->tracks[from->track].file];
		const struct trace_file *t = &p->job->files[p->tracks[to->track].file];
		assert_true(goes_out(from->kind));
		assert_int_equal(from->peer, t->head.rank);
		assert_int_equal(to->peer, f->head.rank);
		assert_int_equal(from->op, to->op);
		assert_true(from->id == to->id);
		assert_true(to->begin >= from->begin);
		if (from->kind == FY_TRACE_REPLY)
			assert_int_equal(to->kind, FY_TRACE_COMPLETED);
		else if (is_handled(from->op))
			assert_int_equal(to->kind, FY_TRACE_BEGIN);
		else
			assert_true(to->kind == FY_TRACE_BEGIN || to->kind == FY_TRACE_ARRIVED);
	}
	if (p->alone)
		print_message("%llu alone, %zu arrows, %zu out\n", (unsigned long long)p->alone,
		              p->n_arrows, out);
	assert_true(p->alone == 0);
	assert_int_equal(p->n_arrows, out);
}

/* How many of each kind came out of one run with all, and with some. */
static size_t look(uint64_t seed, const char *every)
{
	struct trace_job job;
	struct trace_picture p;
	run(seed, every);
	read_all(&job, &p);
	nests(&p);
	arrows_fit(&p);
	size_t arrows = p.n_arrows;
	trace_picture_free(&p);
	trace_job_free(&job);
	empty_directory();
	return arrows;
}

static void every_arrow_has_two_ends(void **state)
{
	size_t all = 0, some = 0;
	unsigned long seeds = t_seeds(12), first = t_env("FERRY_SEED", 1);
	(void)state;
	for (unsigned long seed = first; seed < first + seeds; seed++) {
		all += look(seed, "1");
		some += look(seed, "5");
	}
	print_message("# %zu arrows of all, %zu of one in five\n", all, some);
	assert_true(all > 1000 * seeds / 4);
	assert_true(some > all / 9 && some < all / 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_arrow_has_two_ends) };
	snprintf(directory, sizeof directory, "/tmp/ferry-timelines-XXXXXX");
	if (!mkdtemp(directory))
		return 1;
	fy_log_say_fd = open("/dev/null", O_WRONLY | O_CLOEXEC); /* of what nobody reads */
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	empty_directory();
	rmdir(directory);
	return failed != 0;
}
