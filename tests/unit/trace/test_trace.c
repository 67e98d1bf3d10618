/* SPDX-License-Identifier: Apache-2.0 */
/* The file of a timeline as an engine writes it, and where it cannot; and who decides what is in
 * it. */
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ferry.h"
#include "trace/records.h"
#include "trace/trace.h"
#include "wire/header.h"
#include "wire/record.h"

static char work[64];
static int64_t clock_now;

static int64_t now(struct fy_port *port)
{
	(void)port;
	return ++clock_now;
}

static struct fy_trace *open_in(const char *directory, size_t nbytes, uint64_t every)
{
	char why[FY_TRACE_WHY] = "";
	struct fy_trace_place place = {
		.directory = directory, .nbytes = nbytes, .rank = 1, .size = 4, .every = every
	};
	struct fy_trace *t = fy_trace_open(&place, now, NULL, why);
	if (!t)
		print_message("%s\n", why);
	assert_non_null(t);
	return t;
}

static void close_it(struct fy_trace *t)
{
	fy_trace_end(t);
	assert_int_equal(t->file->closed, 1);
	assert_true(t->file->ended.monotonic >= t->file->begun.monotonic);
	fy_trace_free(t);
}

static int begin(void **state)
{
	(void)state;
	snprintf(work, sizeof work, "/tmp/ferry-trace-XXXXXX");
	return mkdtemp(work) ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	DIR *dir = opendir(work);
	for (const struct dirent *e; dir && (e = readdir(dir));)
		unlinkat(dirfd(dir), e->d_name, 0);
	if (dir)
		closedir(dir);
	return rmdir(work);
}

static void put(struct fy_trace *t, uint64_t id)
{
	fy_trace_put(t, fy_trace_now(t),
	             &(struct fy_trace_says){ .kind = FY_TRACE_REPLY, .peer = 2, .id = id });
}

static void the_newest_events_stay(void **state)
{
	struct fy_trace *t = open_in(work, 64 << 10, 16);
	const struct fy_trace_ring *ring = &t->file->rings[FY_TRACE_MAIN];
	uint64_t slots = ring->slots, all = 3 * slots + 7;
	(void)state;
	assert_true(slots > 500 && slots < 1300);
	for (uint64_t i = 0; i < all; i++)
		put(t, i);
	assert_true(ring->head == all);
	for (uint64_t i = all - slots; i < all; i++) {
		const struct fy_trace_event *e = &t->main_ring[i % slots];
		assert_true(e->id == i);
		assert_int_equal(e->number, (uint32_t)i + 1);
	}
	close_it(t);
}

/* The rings do not reach into one another, nor beyond the file. */
static void the_rings_have_their_places(void **state)
{
	(void)state;
	for (size_t nbytes = 64 << 10; nbytes < 600000; nbytes += 33333) {
		struct fy_trace *t = open_in(work, nbytes, 1);
		const struct fy_trace_ring *aside = &t->file->rings[FY_TRACE_ASIDE];
		const struct fy_trace_ring *ring = &t->file->rings[FY_TRACE_MAIN];
		assert_true(aside->slots > 100);
		assert_true(aside->offset == FY_TRACE_HEAD_BYTES);
		assert_true(ring->offset == aside->offset + 48 * aside->slots);
		assert_true(ring->offset + 48 * ring->slots <= nbytes);
		close_it(t);
	}
}

struct writer {
	struct fy_trace *trace;
	unsigned which;
	pthread_barrier_t *together;
};

enum { WRITERS = 4, EVENTS = 200000 };

static void *write_aside(void *arg)
{
	struct writer *w = arg;
	pthread_barrier_wait(w->together);
	for (uint64_t i = 0; i < EVENTS; i++)
		fy_trace_put_aside(w->trace, 1,
		                   &(struct fy_trace_says){
					   .kind = FY_TRACE_BEGIN, .op = w->which, .id = i });
	fy_trace_lane(w->trace, w->which);
	return NULL;
}

/* Each event of many threads has a number of its own, and says who wrote it. */
static void threads_share_a_ring(void **state)
{
	struct fy_trace *t = open_in(work, 4 << 20, 1);
	pthread_t threads[WRITERS];
	struct writer writers[WRITERS];
	uint64_t next[WRITERS] = { 0 };
	unsigned torn = 0, places = 0;
	pthread_barrier_t together;
	(void)state;
	pthread_barrier_init(&together, NULL, WRITERS);
	for (unsigned i = 0; i < WRITERS; i++) {
		writers[i] = (struct writer){ t, i, &together };
		assert_int_equal(pthread_create(&threads[i], NULL, write_aside, &writers[i]), 0);
	}
	for (unsigned i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&together);
	const struct fy_trace_ring *ring = &t->file->rings[FY_TRACE_ASIDE];
	assert_int_equal(t->file->n_threads, WRITERS);
	for (unsigned i = 0; i < WRITERS; i++)
		places |= 1u << (t->file->lanes[i] - 1);
	assert_int_equal(places, (1u << WRITERS) - 1); /* each has its own */
	assert_true(ring->head == WRITERS * EVENTS && ring->slots < ring->head);
	for (uint64_t i = ring->head - ring->slots; i < ring->head; i++) {
		const struct fy_trace_event *e = &t->aside_ring[i % ring->slots];
		/* at the slot was one who had lost the processor in the middle of an event */
		if (e->number != (uint32_t)i + 1) {
			assert_true(++torn < WRITERS);
			continue;
		}
		assert_true(e->op < WRITERS && e->id >= next[e->op]);
		next[e->op] = e->id + 1;
		assert_int_equal(e->thread + 1, t->file->lanes[e->op]);
	}
	close_it(t);
}

static void put_aside(struct fy_trace *t, uint64_t id)
{
	fy_trace_put_aside(t, 1, &(struct fy_trace_says){ .kind = FY_TRACE_BEGIN, .id = id });
}

/* Its event counts, and the slot stays as it was. */
static void is_left_alone(struct fy_trace *t, struct fy_trace_event *slot, uint32_t number)
{
	uint64_t *head = &t->file->rings[FY_TRACE_ASIDE].head, before = *head;
	slot->number = number;
	put_aside(t, 7);
	assert_true(*head == before + 1);
	assert_int_equal(slot->number, number);
	assert_true(slot->id != 7);
}

/* A slot that another thread is at is not written, nor one that has an event of a later round. */
static void a_slot_has_one_writer(void **state)
{
	struct fy_trace *t = open_in(work, 64 << 10, 1);
	uint32_t slots = (uint32_t)t->file->rings[FY_TRACE_ASIDE].slots;
	(void)state;
	for (uint32_t i = 0; i < slots; i++)
		put_aside(t, 1);
	is_left_alone(t, &t->aside_ring[0], FY_TRACE_WRITING);
	is_left_alone(t, &t->aside_ring[1], 2 * slots + 2);
	put_aside(t, 7);
	assert_true(t->aside_ring[2].id == 7);
	assert_int_equal(t->aside_ring[2].number, slots + 3);
	/* the event whose number would be that word is none; then they begin anew */
	t->file->rings[FY_TRACE_ASIDE].head = UINT32_MAX - 1;
	is_left_alone(t, &t->aside_ring[(UINT32_MAX - 1) % slots], UINT32_MAX - slots);
	t->aside_ring[UINT32_MAX % slots].number = UINT32_MAX - slots + 1;
	put_aside(t, 9);
	assert_true(t->aside_ring[UINT32_MAX % slots].id == 9);
	assert_int_equal(t->aside_ring[UINT32_MAX % slots].number, 0);
	close_it(t);
}

/* ---- where there is no place ---------------------------------------------------------------- */

static const char *const launchers[] = { "PMIX_NAMESPACE", "OMPI_MCA_ess_base_jobid",
	                                 "SLURM_JOB_ID",   "PMI_JOBID",
	                                 "FLUX_JOB_ID",    "PBS_JOBID",
	                                 "LSB_JOBID" };

static void says(const char *directory, size_t nbytes, const char *part)
{
	char why[FY_TRACE_WHY] = "";
	struct fy_trace_place place = {
		.directory = directory, .nbytes = nbytes, .rank = 0, .size = 1, .every = 1
	};
	assert_null(fy_trace_open(&place, now, NULL, why));
	assert_non_null(strstr(why, part));
	assert_non_null(strstr(why, "no timeline: "));
}

static void a_place_that_is_none_has_a_sentence(void **state)
{
	char path[128];
	(void)state;
	says("/proc/ferry", 1 << 20, "cannot be made");
	says("/proc", 1 << 20, "no file can be made in /proc");
	snprintf(path, sizeof path, "%s/file", work);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	says(path, 1 << 20, "no file can be made in");
	says(work, (size_t)1 << 60, "make trace_memory smaller");
	unlink(path);
}

/* All ranks of a job give it one name, which has to fit into a file's. */
static void a_job_has_the_name_of_its_launcher(void **state)
{
	char job[64], long_name[100], alone[64];
	(void)state;
	for (size_t i = 0; i < sizeof launchers / sizeof *launchers; i++)
		unsetenv(launchers[i]);
	fy_trace_file_job(1, job);
	snprintf(alone, sizeof alone, "p%ld", (long)getpid());
	assert_string_equal(job, alone);
	setenv("SLURM_JOB_ID", "", 1);
	setenv("PMI_JOBID", "../kvs 17.0", 1);
	fy_trace_file_job(4, job);
	assert_string_equal(job, ".._kvs_17.0");
	memset(long_name, 'x', sizeof long_name - 1);
	long_name[sizeof long_name - 1] = '\0';
	setenv("SLURM_JOB_ID", long_name, 1);
	fy_trace_file_job(4, job);
	assert_int_equal(strlen(job), sizeof job - 1);
	unsetenv("SLURM_JOB_ID");
	unsetenv("PMI_JOBID");
}

/* Nobody else may read it; what is there already stays as it is. */
static void it_replaces_nothing(void **state)
{
	char path[160], job[64];
	struct stat info;
	(void)state;
	fy_trace_file_job(4, job);
	snprintf(path, sizeof path, "%s/%s-r1-e0.trace", work, job);
	unlink(path);
	assert_int_equal(symlink("/tmp/ferry-trace-elsewhere", path), 0);
	struct fy_trace *t = open_in(work, 64 << 10, 1);
	assert_true(t->file->engine > 0);
	assert_int_not_equal(access("/tmp/ferry-trace-elsewhere", F_OK), 0);
	snprintf(path, sizeof path, "%s/%s-r1-e%u.trace", work, job, t->file->engine);
	assert_int_equal(lstat(path, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0600);
	close_it(t);
}

/* ---- which records -------------------------------------------------------------------------- */

enum { RECORDS = 200 };

static _Alignas(8) char batch[FY_BATCH_BYTES];

static uint32_t fill_batch(uint32_t seq)
{
	struct fy_batch_header *h = fy_header_of(batch);
	uint32_t at = sizeof *h;
	*h = (struct fy_batch_header){ .seq = seq, .nrecords = RECORDS };
	for (uint32_t i = 0; i < RECORDS; i++) {
		bool call = i % 3 == 1;
		uint32_t word = call ? FY_KIND_CALL | FY_EXT : FY_KIND_POST | 8;
		struct fy_record *r = fy_record_at(batch + at);
		*r = (struct fy_record){ word, 5, 2, 9 };
		if (call)
			fy_record_set_ext(r, (uint64_t)seq << 32 | (i + 1));
		at += fy_record_size(word);
	}
	return at;
}

/* Begin anew at the receiver: as if the batch was dispatched in parts. */
static void both_ends_take_the_same(struct fy_trace *t, uint32_t seq, uint64_t *taken)
{
	uint32_t nbytes = fill_batch(seq), index = 0;
	uint64_t first = t->head;
	fy_trace_records_leaves(t, 2, batch, nbytes, 0);
	for (uint32_t at = sizeof(struct fy_batch_header); at < nbytes;) {
		const struct fy_record *r = fy_record_at(batch + at);
		bool is_next = fy_trace_records_next(t, seq, index, batch, at, nbytes) == at;
		const struct fy_trace_event *e = &t->main_ring[first];
		if (first < t->head && e->kind == FY_TRACE_SENT)
			e = &t->main_ring[++first];
		bool was_out = first < t->head && e->id == fy_trace_place_of(seq, index);
		assert_int_equal(is_next, was_out);
		first += was_out;
		*taken += was_out;
		index++;
		at += fy_record_size(r->size_flags);
	}
	assert_true(first == t->head);
}

static void both_ends_decide_alike(void **state)
{
	static const uint64_t everies[] = { 1, 2, 7, 16, 1000 };
	(void)state;
	for (size_t i = 0; i < sizeof everies / sizeof *everies; i++) {
		struct fy_trace *t = open_in(work, 8 << 20, everies[i]);
		uint64_t taken = 0, all = 0;
		for (uint32_t seq = UINT32_MAX - 100; seq != 100; seq++, all += RECORDS)
			both_ends_take_the_same(t, seq, &taken);
		assert_true(taken > all / everies[i] * 8 / 10 - 30);
		assert_true(taken < all / everies[i] * 12 / 10 + 30);
		close_it(t);
	}
}

/* A record that says to be longer than the batch is nothing for the timeline. */
static void a_record_that_is_cut_off_is_left_alone(void **state)
{
	struct fy_trace *t = open_in(work, 64 << 10, 1);
	uint32_t nbytes = fill_batch(1), head = sizeof(struct fy_batch_header);
	(void)state;
	for (uint32_t cut = head; cut < head + 24; cut++)
		assert_int_equal(fy_trace_records_next(t, 1, 0, batch, head, cut), cut);
	assert_int_equal(fy_trace_records_next(t, 1, 0, batch, head, nbytes), head);
	fy_record_at(batch + head)->size_flags |= FY_BODY_MAX;
	assert_int_equal(fy_trace_records_next(t, 1, 0, batch, head, nbytes), nbytes);
	close_it(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_newest_events_stay),
		cmocka_unit_test(the_rings_have_their_places),
		cmocka_unit_test(threads_share_a_ring),
		cmocka_unit_test(a_slot_has_one_writer),
		cmocka_unit_test(a_place_that_is_none_has_a_sentence),
		cmocka_unit_test(a_job_has_the_name_of_its_launcher),
		cmocka_unit_test(it_replaces_nothing),
		cmocka_unit_test(both_ends_decide_alike),
		cmocka_unit_test(a_record_that_is_cut_off_is_left_alone),
	};
	return cmocka_run_group_tests(tests, begin, end) != 0;
}
