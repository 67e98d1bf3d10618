/* SPDX-License-Identifier: Apache-2.0 */
/* ferry-trace on files that are made here: clocks that differ, files that are cut off, and files
 * that lie. */
#include "test.h"

#include <dirent.h>
#include <unistd.h>

#include "timeline/align.h"
#include "timeline/job.h"
#include "timeline/picture.h"
#include "timeline/show.h"

enum { SLOTS = 4000, ASIDE = 64 };

struct book {
	struct fy_trace_head head;
	struct fy_trace_event aside[ASIDE], events[SLOTS];
};
static struct book books[3];
static char work[64];

static struct fy_trace_ring *ring_of(struct book *b)
{
	return &b->head.rings[FY_TRACE_MAIN];
}

static void empty_directory(void)
{
	DIR *dir = opendir(work);
	for (const struct dirent *e; dir && (e = readdir(dir));)
		unlinkat(dirfd(dir), e->d_name, 0);
	if (dir)
		closedir(dir);
}

static void begin_books(int ranks)
{
	memset(books, 0, sizeof books);
	empty_directory();
	for (int i = 0; i < ranks; i++) {
		struct fy_trace_head *h = &books[i].head;
		*h = (struct fy_trace_head){ .version = FY_TRACE_VERSION,
			                     .head_bytes = FY_TRACE_HEAD_BYTES,
			                     .event_bytes = sizeof(struct fy_trace_event),
			                     .rank = (uint32_t)i,
			                     .size = (uint32_t)ranks,
			                     .every = 1,
			                     .pid = 100 + (uint64_t)i,
			                     .time_space = 1 + (uint64_t)i };
		memcpy(h->magic, FY_TRACE_MAGIC, sizeof h->magic);
		snprintf(h->job, sizeof h->job, "job");
		snprintf(h->boot, sizeof h->boot, "boot");
		h->rings[FY_TRACE_ASIDE] = (struct fy_trace_ring){ FY_TRACE_HEAD_BYTES, ASIDE, 0 };
		*ring_of(&books[i]) = (struct fy_trace_ring){
			FY_TRACE_HEAD_BYTES + ASIDE * sizeof(struct fy_trace_event), SLOTS, 0
		};
	}
}

static void put(int rank, const struct fy_trace_event *event)
{
	struct fy_trace_ring *ring = ring_of(&books[rank]);
	struct fy_trace_event *slot = &books[rank].events[ring->head % SLOTS];
	*slot = *event;
	slot->number = (uint32_t)++ring->head;
}

static void path_of(char path[128], int rank)
{
	snprintf(path, 128, "%s/job-r%d-e0.trace", work, rank);
}

static size_t file_bytes(void)
{
	return FY_TRACE_HEAD_BYTES + (ASIDE + SLOTS) * sizeof(struct fy_trace_event);
}

static void write_book(int rank, size_t nbytes)
{
	static char bytes[FY_TRACE_HEAD_BYTES + sizeof(struct book)];
	char path[128];
	memcpy(bytes, &books[rank].head, sizeof books[rank].head);
	memcpy(bytes + FY_TRACE_HEAD_BYTES, books[rank].aside, sizeof books[rank].aside);
	memcpy(bytes + FY_TRACE_HEAD_BYTES + sizeof books[rank].aside, books[rank].events,
	       sizeof books[rank].events);
	path_of(path, rank);
	FILE *file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, nbytes, file), nbytes);
	fclose(file);
}

static void read_books(struct trace_job *job, int ranks)
{
	for (int i = 0; i < ranks; i++)
		write_book(i, file_bytes());
	assert_true(trace_job_read(job, work, NULL, stderr));
	assert_int_equal(job->count, ranks);
	assert_true(trace_align(job));
}

/* ---- clocks --------------------------------------------------------------------------------- */

/* A clock beside the true one. */
struct wrong {
	int64_t ahead;
	double gains; /* a second each second */
};

static int64_t seen(const struct wrong *clock, int64_t true_time)
{
	return true_time + clock->ahead + (int64_t)(clock->gains * (double)true_time);
}

/* A batch each way between two ranks, `n` times in `length`; the fastest takes `way`. */
static void exchange(int a, int b, const struct wrong *clocks, int n, int64_t length, int64_t way)
{
	uint64_t random = 7;
	for (int i = 0; i < n; i++)
		for (int back = 0; back < 2; back++) {
			int from = back ? b : a, to = back ? a : b;
			int64_t left = 1000000000 + length / n * i + 500 * back;
			int64_t took =
				way +
				(int64_t)(t_random(&random) % 3 ? t_random(&random) % 90000 : 0);
			struct fy_trace_event out = { .time = seen(&clocks[from], left),
				                      .kind = FY_TRACE_SENT,
				                      .peer = (uint32_t)to,
				                      .id = (uint64_t)i };
			struct fy_trace_event in = { .time = seen(&clocks[to], left + took),
				                     .kind = FY_TRACE_CAME,
				                     .peer = (uint32_t)from,
				                     .id = (uint64_t)i };
			put(from, &out);
			put(to, &in);
		}
}

/* How wrong is that file's clock at a true time, once it is aligned with rank 0's? */
static int64_t error_at(const struct trace_job *job, int rank, const struct wrong *clocks,
                        int64_t true_time)
{
	return trace_file_time(&job->files[rank], seen(&clocks[rank], true_time)) -
	       trace_file_time(&job->files[0], seen(&clocks[0], true_time));
}

static void clocks_are_told_from_the_batches(void **state)
{
	static const struct wrong clocks[] = { { 0, 0 }, { 3600000000123, 0 }, { -5000000, 0 } };
	struct trace_job job;
	(void)state;
	begin_books(3);
	exchange(0, 1, clocks, 400, 1000000000, 700);
	exchange(1, 2, clocks, 400, 1000000000, 700);
	read_books(&job, 3);
	for (int i = 1; i < 3; i++) {
		assert_int_equal(job.files[i].clock.method, TRACE_MEASURED);
		assert_true(llabs(error_at(&job, i, clocks, 1500000000)) <= 2);
		assert_true(job.files[i].clock.unsure >= 700);
		assert_true(job.files[i].clock.unsure <= 2 * 700);
	}
	trace_job_free(&job);
}

/* In a minute 20 ppm are 1.2 ms: much more than a batch takes. */
static void a_clock_that_drifts_is_a_line(void **state)
{
	static const struct wrong clocks[] = { { 77, 0 }, { 1000000, 20e-6 } };
	struct trace_job job;
	(void)state;
	begin_books(2);
	exchange(0, 1, clocks, 900, 60000000000, 700);
	read_books(&job, 2);
	assert_true(job.files[1].clock.rate < -19e-6 && job.files[1].clock.rate > -21e-6);
	for (int64_t t = 1000000000; t < 61000000000; t += 6000000000)
		assert_true(llabs(error_at(&job, 1, clocks, t)) < 60000);
	trace_job_free(&job);
}

static void a_clock_that_says_to_be_the_same_is_checked(void **state)
{
	static const struct wrong same[] = { { 0, 0 }, { 0, 0 } },
				  lie[] = { { 0, 0 }, { 50000, 0 } };
	struct trace_job job;
	(void)state;
	for (int lies = 0; lies < 2; lies++) {
		const struct wrong *clocks = lies ? lie : same;
		begin_books(2);
		books[1].head.time_space = books[0].head.time_space;
		exchange(0, 1, clocks, 200, 1000000000, 700);
		read_books(&job, 2);
		assert_int_equal(job.files[1].clock.method, lies ? TRACE_MEASURED : TRACE_SAME);
		assert_true(llabs(error_at(&job, 1, clocks, 1500000000)) <= 2);
		trace_job_free(&job);
	}
}

static void without_batches_the_wall_tells_it(void **state)
{
	struct trace_job job;
	(void)state;
	begin_books(2);
	books[0].head.begun = (struct fy_trace_clock){ 1000, 5000000 };
	books[1].head.begun = (struct fy_trace_clock){ 900000, 5000500 };
	put(0, &(struct fy_trace_event){ .kind = FY_TRACE_STEP, .time = 1000, .extra = 5 });
	put(1, &(struct fy_trace_event){ .kind = FY_TRACE_STEP, .time = 900000, .extra = 5 });
	read_books(&job, 2);
	assert_int_equal(job.files[1].clock.method, TRACE_WALL);
	assert_true(trace_file_time(&job.files[1], 900000) == 1000 + 500);
	trace_job_free(&job);
}

/* ---- slices --------------------------------------------------------------------------------- */

static const struct trace_slice *handler(const struct trace_picture *p, uint64_t id)
{
	for (size_t i = 0; i < p->n_slices; i++)
		if (p->slices[i].kind == FY_TRACE_BEGIN && p->slices[i].id == id)
			return &p->slices[i];
	return NULL;
}

/* The end of one is lost, one has not ended, one has only an end. */
static void handlers_end_where_they_can(void **state)
{
	static const struct fy_trace_event events[] = {
		{ .time = 90, .kind = FY_TRACE_END, .id = 9 },
		{ .time = 100, .kind = FY_TRACE_BEGIN, .id = 1 },
		{ .time = 110, .kind = FY_TRACE_BEGIN, .id = 2 },
		{ .time = 120, .kind = FY_TRACE_BEGIN, .id = 3 },
		{ .time = 130, .kind = FY_TRACE_END, .id = 3 },
		{ .time = 200, .kind = FY_TRACE_END, .id = 1 },
		{ .time = 300, .kind = FY_TRACE_BEGIN, .id = 4 },
		{ .time = 400, .kind = FY_TRACE_STEP, .extra = 100 },
	};
	struct trace_job job;
	struct trace_picture p;
	(void)state;
	begin_books(1);
	for (size_t i = 0; i < sizeof events / sizeof *events; i++)
		put(0, &events[i]);
	read_books(&job, 1);
	assert_true(trace_picture_make(&p, &job));
	assert_null(handler(&p, 9));
	assert_true(handler(&p, 1)->end == 200 && !handler(&p, 1)->open);
	assert_true(handler(&p, 2)->end == 200);
	assert_true(handler(&p, 3)->end == 130);
	assert_true(handler(&p, 4)->open && handler(&p, 4)->end == 500);
	trace_picture_free(&p);
	trace_job_free(&job);
}

static void slices_that_cross_are_counted_and_cut(void **state)
{
	struct trace_job job;
	struct trace_picture p;
	(void)state;
	begin_books(1);
	put(0, &(struct fy_trace_event){ .time = 100, .kind = FY_TRACE_STEP, .extra = 50 });
	put(0, &(struct fy_trace_event){ .time = 120, .kind = FY_TRACE_STEP, .extra = 50 });
	read_books(&job, 1);
	assert_true(trace_picture_make(&p, &job));
	assert_true(p.crossing == 1);
	assert_true(p.slices[1].end == p.slices[0].end);
	trace_picture_free(&p);
	trace_job_free(&job);
}

/* ---- files that lie ------------------------------------------------------------------------- */

/* All forms of what is there, to nowhere. */
static void show_all(void)
{
	struct trace_job job;
	struct trace_picture p;
	FILE *nowhere = fopen("/dev/null", "w");
	if (trace_job_read(&job, work, NULL, nowhere)) {
		assert_true(trace_align(&job));
		assert_true(trace_picture_make(&p, &job));
		assert_true(trace_show_events(&p, nowhere));
		assert_true(trace_show_page(&p, 100, nowhere));
		assert_true(trace_show_lines(&p, nowhere));
		assert_true(trace_show_summary(&p, nowhere));
		assert_true(trace_show_figures(&p, nowhere));
		trace_picture_free(&p);
	}
	trace_job_free(&job);
	fclose(nowhere);
}

static void some_traffic(void)
{
	static const struct wrong clocks[] = { { 0, 0 }, { 12345, 0 } };
	begin_books(2);
	exchange(0, 1, clocks, 40, 1000000, 300);
	for (uint64_t i = 0; i < 20; i++) {
		int64_t t = 1000000000 + (int64_t)i * 1000;
		put(0, &(struct fy_trace_event){
			       .time = t, .kind = FY_TRACE_CALL, .peer = 1, .id = i, .extra = i });
		put(1, &(struct fy_trace_event){
			       .time = t + 10, .kind = FY_TRACE_BEGIN, .id = i, .extra = i });
		put(1, &(struct fy_trace_event){ .time = t + 20, .kind = FY_TRACE_END, .id = i });
		put(1, &(struct fy_trace_event){
			       .time = t + 30, .kind = FY_TRACE_REPLY, .id = 50 + i, .extra = i });
		put(0, &(struct fy_trace_event){ .time = t + 40,
		                                 .kind = FY_TRACE_COMPLETED,
		                                 .peer = 1,
		                                 .id = 50 + i,
		                                 .extra = i });
	}
}

static void a_file_that_is_cut_off_shows_what_is_there(void **state)
{
	struct trace_file file;
	char path[128], why[TRACE_WHY];
	(void)state;
	some_traffic();
	path_of(path, 0);
	for (size_t nbytes = 0; nbytes < file_bytes(); nbytes += 997) {
		write_book(0, nbytes);
		bool is_one = trace_file_read(&file, path, why);
		assert_true(is_one == (nbytes >= FY_TRACE_HEAD_BYTES));
		if (!is_one) {
			assert_non_null(strstr(why, "is shorter than the head"));
			continue;
		}
		assert_true(file.count + file.cut == ring_of(&books[0])->head);
		assert_true(file.torn == 0 && file.malformed == 0);
		trace_file_free(&file);
	}
}

static void another_layout_is_named(void **state)
{
	struct trace_file file;
	char path[128], why[TRACE_WHY];
	(void)state;
	some_traffic();
	path_of(path, 0);
	books[0].head.version++;
	write_book(0, file_bytes());
	assert_false(trace_file_read(&file, path, why));
	assert_non_null(strstr(why, "of another version of Ferry: use its ferry-trace"));
	books[0].head.magic[0] = 'X';
	write_book(0, file_bytes());
	assert_false(trace_file_read(&file, path, why));
	assert_non_null(strstr(why, "is no timeline"));
}

/* An event whose number is not that of its slot was being written when the process ended. */
static void what_was_being_written_is_left_out(void **state)
{
	struct trace_file file;
	char path[128], why[TRACE_WHY];
	(void)state;
	some_traffic();
	books[0].events[3].number = 0;
	books[0].events[5].kind = FY_TRACE_KINDS;
	books[0].events[6].peer = 2;
	write_book(0, file_bytes());
	path_of(path, 0);
	assert_true(trace_file_read(&file, path, why));
	assert_true(file.torn == 1 && file.malformed == 2);
	assert_true(file.count == ring_of(&books[0])->head - 3);
	trace_file_free(&file);
}

static void lying_files_do_no_harm(void **state)
{
	uint64_t random = t_env("FERRY_SEED", 1);
	(void)state;
	for (unsigned long i = 0; i < t_scaled(400); i++) {
		some_traffic();
		for (int rank = 0; rank < 2; rank++) {
			bool head = t_random(&random) % 2;
			char *bytes = head ? (char *)&books[rank].head : (char *)books[rank].events;
			size_t n = head ? sizeof books[rank].head : 100 * 48;
			for (int k = 0; k < 4; k++) {
				size_t at = t_random(&random) % (n / 8) * 8;
				uint64_t lie = t_random(&random) >> t_random(&random) % 64;
				memcpy(bytes + at, &lie, sizeof lie);
			}
			size_t cut = t_random(&random) % 4 ? 0 : t_random(&random) % file_bytes();
			write_book(rank, file_bytes() - cut);
		}
		show_all();
	}
}

static int end(void **state)
{
	(void)state;
	empty_directory();
	return rmdir(work);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clocks_are_told_from_the_batches),
		cmocka_unit_test(a_clock_that_drifts_is_a_line),
		cmocka_unit_test(a_clock_that_says_to_be_the_same_is_checked),
		cmocka_unit_test(without_batches_the_wall_tells_it),
		cmocka_unit_test(handlers_end_where_they_can),
		cmocka_unit_test(slices_that_cross_are_counted_and_cut),
		cmocka_unit_test(a_file_that_is_cut_off_shows_what_is_there),
		cmocka_unit_test(another_layout_is_named),
		cmocka_unit_test(what_was_being_written_is_left_out),
		cmocka_unit_test(lying_files_do_no_harm),
	};
	snprintf(work, sizeof work, "/tmp/ferry-timeline-XXXXXX");
	if (!mkdtemp(work))
		return 1;
	return cmocka_run_group_tests(tests, NULL, end) != 0;
}
