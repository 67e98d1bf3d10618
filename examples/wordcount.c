/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts words with many threads on many ranks. What it shows of Ferry:
 *
 *   1. Every thread reads its share of the files and posts each word, one post a word, to the rank
 *      that owns the word. No thread waits for its posts; the library packs many of them into one
 *      MPI message.
 *   2. The owner counts in a handler. Handlers of one engine that run inline run one after the
 *      other, on one thread, so its table needs no lock.
 *   3. A fence ends the phase: all words that anybody posted are counted.
 *   4. Rank 0 calls all ranks for their most frequent words, awaits the futures, merges and prints.
 *
 * The program does not use MPI itself. It also runs without a launcher, as one rank.
 */
#define _GNU_SOURCE /* asprintf */
#include "wordcount_input.h"
#include "wordcount_options.h"
#include "wordcount_table.h"
#include "wordcount_verify.h"
#include "wordcount_words.h"

#include <errno.h>
#include <fcntl.h>
#include <ferry.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum op {
	OP_WORD = 1, /* to the owner: count this word */
	OP_TALLY,    /* to rank 0: what one thread read */
	OP_REFUSED,  /* to rank 0: a file that could not be read, and why */
	OP_TOP,      /* call: your most frequent words, please */
	OP_LIST,     /* call: your words from this slot on, please */
};

enum { BLOCK = 1 << 16, LIST_BYTES = 1 << 16 };

/* What was read and posted. */
struct tally {
	uint64_t words;
	uint64_t bytes;
	uint64_t files;
};

/* What a rank says of its table, in front of its most frequent words. */
struct summary {
	uint64_t total;
	uint64_t distinct;
	uint64_t lost;
};

struct job {
	ferry *engine;
	const struct options *options;
	struct input input;
	double seconds;

	/* Handlers write these, and nobody reads them before the fence, which orders the two. */
	struct table table; /* the words that this rank owns */
	bool corrupt;
	struct tally tally;   /* rank 0: of all threads of all ranks */
	struct bytes refused; /* rank 0: lines of text */
	uint64_t refused_count;
};

struct worker {
	struct job *job;
	unsigned index; /* among the threads of all ranks */
	pthread_t thread;
	struct tally tally;
	int failed;
};

/* Prints what failed and, where the library knows it, why. Returns `status`. */
static int complain(const char *what, int status)
{
	fprintf(stderr, "wordcount: %s: %s: %s\n", what, ferry_strname(status), ferry_last_error());
	return status;
}

/* ---- handlers: they run on the progress thread, one at a time ---------- */

static void count_word(ferry *engine, ferry_message *message, void *arg)
{
	struct job *job = arg;
	size_t nbytes;
	const char *word = ferry_message_body(message, &nbytes);

	(void)engine;
	table_add(&job->table, word, nbytes);
	if (job->corrupt) {
		job->corrupt = false;
		table_add(&job->table, word, nbytes);
	}
}

static void add_tally(ferry *engine, ferry_message *message, void *arg)
{
	struct job *job = arg;
	struct tally tally;

	(void)engine;
	memcpy(&tally, ferry_message_body(message, NULL), sizeof tally);
	job->tally.words += tally.words;
	job->tally.bytes += tally.bytes;
	job->tally.files += tally.files;
}

static void note_refused(ferry *engine, ferry_message *message, void *arg)
{
	struct job *job = arg;
	size_t nbytes;
	const char *line = ferry_message_body(message, &nbytes);

	(void)engine;
	bytes_put(&job->refused, line, nbytes);
	job->refused_count++;
}

/* Answers a call with a list, or says why it cannot. */
static void reply_bytes(ferry_message *request, struct bytes *bytes)
{
	int status;

	if (bytes->failed)
		status =
			ferry_reply_error(request, FERRY_ENOMEM, "no memory for the list of words");
	else
		status = ferry_reply(request, bytes->data, bytes->nbytes);
	if (status)
		complain("ferry_reply", status);
	bytes_free(bytes);
}

static void answer_top(ferry *engine, ferry_message *request, void *arg)
{
	struct job *job = arg;
	struct summary summary = { job->table.total, job->table.used, job->table.lost };
	struct bytes bytes = { 0 };

	(void)engine;
	bytes_put(&bytes, &summary, sizeof summary);
	table_pack_top(&job->table, job->options->top, &bytes);
	reply_bytes(request, &bytes);
}

/* The request is a slot of the table, the reply the slot where the next request goes on, and
 * the words. */
static void answer_list(ferry *engine, ferry_message *request, void *arg)
{
	struct job *job = arg;
	struct bytes bytes = { 0 };
	uint64_t slot;

	(void)engine;
	memcpy(&slot, ferry_message_body(request, NULL), sizeof slot);
	bytes_put(&bytes, &slot, sizeof slot);
	slot = table_pack_from(&job->table, slot, LIST_BYTES, &bytes);
	if (slot == job->table.room)
		slot = UINT64_MAX;
	if (!bytes.failed)
		memcpy(bytes.data, &slot, sizeof slot);
	reply_bytes(request, &bytes);
}

static int register_handlers(struct job *job)
{
	static const struct {
		enum op op;
		ferry_handler_fn *fn;
	} handlers[] = {
		{ OP_WORD, count_word }, { OP_TALLY, add_tally },  { OP_REFUSED, note_refused },
		{ OP_TOP, answer_top },  { OP_LIST, answer_list },
	};

	for (size_t i = 0; i < sizeof handlers / sizeof *handlers; i++) {
		int status = ferry_handle(job->engine, handlers[i].op, FERRY_INLINE, handlers[i].fn,
		                          job);

		if (status)
			return complain("ferry_handle", status);
	}
	return 0;
}

/* ---- workers: threads that read and post ------------------------------- */

/* Fire and forget: ferry_post copies the word before it returns, and no future is asked for. It
 * waits only while the owner cannot keep up. */
static int post_word(void *arg, const char *word, size_t nbytes)
{
	struct worker *worker = arg;
	ferry *engine = worker->job->engine;
	int owner = (int)((word_hash(word, nbytes) >> 32) % (unsigned)ferry_size(engine));
	int status = ferry_post(engine, owner, OP_WORD, word, nbytes, NULL);

	if (status)
		return complain("ferry_post", status);
	worker->tally.words++;
	return 0;
}

static int post_refused(struct job *job, const char *path, const char *why)
{
	char *line;
	int nbytes = asprintf(&line, "  %s: %s\n", path, why);
	int status;

	if (nbytes < 0)
		return -1;
	status = ferry_post(job->engine, 0, OP_REFUSED, line, (size_t)nbytes, NULL);
	free(line);
	return status ? complain("ferry_post", status) : 0;
}

/* Cuts a file into words. 0; an errno: the file cannot be read; negative: the job cannot go on. */
static int read_words(struct words *words, const char *path, uint64_t limit, uint64_t *bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), failed = 0;
	char block[BLOCK];
	ssize_t got = 1;

	if (fd < 0)
		return errno;
	while (!failed && got > 0 && limit > 0) {
		got = read(fd, block, limit < sizeof block ? (size_t)limit : sizeof block);
		if (got > 0) {
			failed = words_feed(words, block, (size_t)got);
			limit -= (uint64_t)got;
			*bytes += (uint64_t)got;
		}
	}
	if (got < 0)
		failed = errno;
	if (failed >= 0 && words_end(words))
		failed = -1;
	close(fd);
	return failed;
}

static int read_file(struct worker *worker, struct words *words, const struct input_file *file,
                     uint64_t limit, bool first_time)
{
	const char *why = file->refused;
	int failed = 0;

	if (!why) {
		failed = read_words(words, file->path, limit, &worker->tally.bytes);
		why = failed > 0 ? strerror(failed) : NULL;
	}
	if (!why) {
		worker->tally.files++;
		return failed;
	}
	return first_time ? post_refused(worker->job, file->path, why) : 0;
}

/* Reads the worker's share: every n-th of the readings, where n is the number of threads of
 * all ranks. */
static int read_share(struct worker *worker, struct words *words)
{
	const struct input *input = &worker->job->input;
	unsigned all = (unsigned)ferry_size(worker->job->engine) * worker->job->options->threads;
	struct input_cursor cursor = { 0 };
	const struct input_file *file;
	uint64_t limit;
	int failed = 0;

	while (!failed && input_next(input, &cursor, &file, &limit))
		if ((cursor.readings - 1) % all == worker->index)
			failed = read_file(worker, words, file, limit,
			                   cursor.readings <= input->count);
	return failed;
}

static void *work(void *arg)
{
	struct worker *worker = arg;
	struct words words = { .emit = post_word, .arg = worker };
	int status;

	worker->failed = read_share(worker, &words);
	words_free(&words);
	status = ferry_post(worker->job->engine, 0, OP_TALLY, &worker->tally, sizeof worker->tally,
	                    NULL);
	if (status)
		worker->failed = complain("ferry_post", status);
	return NULL;
}

static int run_workers(struct job *job)
{
	unsigned threads = job->options->threads, started = 0;
	struct worker *workers = calloc(threads, sizeof *workers);
	int failed = !workers;

	for (; !failed && started < threads; started += !failed) {
		struct worker *worker = &workers[started];

		worker->job = job;
		worker->index = (unsigned)ferry_rank(job->engine) * threads + started;
		failed = pthread_create(&worker->thread, NULL, work, worker);
	}
	if (failed)
		fprintf(stderr, "wordcount: only %u of %u threads could be started\n", started,
		        threads);
	for (unsigned i = 0; i < started; i++) {
		pthread_join(workers[i].thread, NULL);
		failed |= workers[i].failed;
	}
	free(workers);
	return failed;
}

/* ---- the phases -------------------------------------------------------- */

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static int fence(struct job *job)
{
	int status = ferry_fence(job->engine, FERRY_FOREVER);

	return status ? complain("ferry_fence", status) : 0;
}

/* Counts all words. The first fence starts the clock once all ranks are ready. A rank whose threads
 * failed still calls the fence, because the others wait for it there. */
static int count_words(struct job *job)
{
	double start;
	int failed;

	if (fence(job))
		return -1;
	start = now();
	failed = run_workers(job);
	if (fence(job))
		return -1;
	job->seconds = now() - start;
	return failed;
}

/* Awaits one reply; the caller releases it. */
static int take_reply(ferry_future *future, ferry_message **reply_p)
{
	int status = ferry_future_wait(future, FERRY_FOREVER);

	if (status)
		fprintf(stderr, "wordcount: a call failed: %s: %s\n", ferry_strname(status),
		        ferry_future_detail(future));
	else if ((status = ferry_future_take(future, reply_p)))
		complain("ferry_future_take", status);
	ferry_future_release(future);
	return status;
}

/* Calls every rank at once and only then waits, so that all of them sort at the same time. */
static int call_all(struct job *job, ferry_message **replies)
{
	int size = ferry_size(job->engine), called = 0, failed = 0;
	ferry_future **futures = calloc((size_t)size, sizeof *futures);

	if (!futures)
		return -1;
	for (; called < size && !failed; called += !failed) {
		failed = ferry_call(job->engine, called, OP_TOP, NULL, 0, &futures[called]);
		if (failed)
			complain("ferry_call", failed);
	}
	for (int rank = 0; rank < called; rank++)
		failed |= take_reply(futures[rank], &replies[rank]);
	free(futures);
	return failed;
}

/* Adds one rank's summary and appends its words. */
static int merge(ferry_message *reply, struct summary *sum, struct entry **entries_p,
                 size_t *count_p)
{
	size_t nbytes, room = *count_p;
	const char *list = ferry_message_body(reply, &nbytes), *end = list + nbytes;
	struct summary summary;
	struct entry entry, *grown;

	memcpy(&summary, list, sizeof summary);
	list += sizeof summary;
	sum->total += summary.total;
	sum->distinct += summary.distinct;
	sum->lost += summary.lost;
	while (entry_unpack(&list, end, &entry)) {
		if (*count_p == room) {
			room = 2 * room + 64;
			grown = realloc(*entries_p, room * sizeof *grown);
			if (!grown)
				return -1;
			*entries_p = grown;
		}
		(*entries_p)[(*count_p)++] = entry;
	}
	return 0;
}

static void print_top(struct entry *entries, size_t count, uint64_t top)
{
	if (count)
		qsort(entries, count, sizeof *entries, entry_order);
	for (size_t i = 0; i < count && i < top; i++) {
		printf("%9ju ", (uintmax_t)entries[i].count);
		fwrite(entries[i].word, 1, entries[i].nbytes, stdout);
		putchar('\n');
	}
}

static void print_totals(const struct job *job, const struct summary *sum)
{
	double seconds = job->seconds > 0 ? job->seconds : 1e-9;

	printf("%ju words, %ju distinct, in %ju bytes of %ju files\n", (uintmax_t)sum->total,
	       (uintmax_t)sum->distinct, (uintmax_t)job->tally.bytes, (uintmax_t)job->tally.files);
	if (job->refused_count) {
		printf("%ju files could not be read:\n", (uintmax_t)job->refused_count);
		fwrite(job->refused.data, 1, job->refused.nbytes, stdout);
	}
	printf("%d ranks of %u threads took %.3f s: %.2f million messages per second\n",
	       ferry_size(job->engine), job->options->threads, job->seconds,
	       1e-6 * (double)job->tally.words / seconds);
}

/* All that was posted must be counted. A difference would be a fault of the library. */
static int check_sum(const struct job *job, const struct summary *sum)
{
	if (!sum->lost && !job->refused.failed && sum->total == job->tally.words)
		return 0;
	fprintf(stderr,
	        "wordcount: %ju words were posted, %ju counted, %ju did not fit into memory\n",
	        (uintmax_t)job->tally.words, (uintmax_t)sum->total, (uintmax_t)sum->lost);
	return -1;
}

static int report(struct job *job, struct summary *sum)
{
	int size = ferry_size(job->engine), failed;
	ferry_message **replies = calloc((size_t)size, sizeof(ferry_message *));
	struct entry *entries = NULL;
	size_t count = 0;

	failed = replies ? call_all(job, replies) : -1;
	for (int rank = 0; rank < size && !failed; rank++)
		failed = merge(replies[rank], sum, &entries, &count);
	if (!failed) {
		print_top(entries, count, job->options->top);
		print_totals(job, sum);
		failed = check_sum(job, sum);
	}
	for (int rank = 0; replies && rank < size; rank++)
		ferry_message_release(replies[rank]);
	free(replies);
	free(entries);
	return failed;
}

/* ---- --verify ---------------------------------------------------------- */

/* Fetches all words that `rank` owns, a piece of its table at a time, and compares each count. */
static int verify_rank(struct job *job, struct verify *verify, int rank)
{
	uint64_t slot = 0;

	while (slot != UINT64_MAX) {
		ferry_future *future;
		ferry_message *reply;
		struct entry entry;
		size_t nbytes;
		const char *list, *end;
		int status = ferry_call(job->engine, rank, OP_LIST, &slot, sizeof slot, &future);

		if (status)
			return complain("ferry_call", status);
		if (take_reply(future, &reply))
			return -1;
		list = ferry_message_body(reply, &nbytes);
		end = list + nbytes;
		memcpy(&slot, list, sizeof slot);
		list += sizeof slot;
		while (entry_unpack(&list, end, &entry))
			verify_word(verify, entry.word, entry.nbytes, entry.count);
		ferry_message_release(reply);
	}
	return 0;
}

static int compare_totals(const struct job *job, const struct summary *sum,
                          const struct verify *verify)
{
	struct verify_totals right;

	verify_totals(verify, &right);
	if (right.words == sum->total && right.distinct == sum->distinct &&
	    right.bytes == job->tally.bytes && right.files == job->tally.files &&
	    right.refused == job->refused_count)
		return 0;
	printf("differs: right is %ju words, %ju distinct, in %ju bytes of %ju files, %ju "
	       "unreadable\n",
	       (uintmax_t)right.words, (uintmax_t)right.distinct, (uintmax_t)right.bytes,
	       (uintmax_t)right.files, (uintmax_t)right.refused);
	return -1;
}

static int verify(struct job *job, const struct summary *sum)
{
	const struct options *options = job->options;
	struct verify *again = verify_count(options->names, options->count, options->bytes);
	uint64_t differences;
	int failed = !again;

	for (int rank = 0; rank < ferry_size(job->engine) && !failed; rank++)
		failed = verify_rank(job, again, rank);
	if (!failed) {
		failed = compare_totals(job, sum, again);
		differences = verify_differences(again);
		failed |= differences > 0;
		if (differences)
			printf("%ju counts differ\n", (uintmax_t)differences);
	}
	verify_free(again);
	printf(failed ? "NOT verified\n" : "verified\n");
	return failed;
}

/* ---- main -------------------------------------------------------------- */

/* The other ranks go straight to ferry_close. Their handlers answer rank 0 until it closes, too. */
static int run(struct job *job)
{
	struct summary sum = { 0 };
	int failed = register_handlers(job);

	failed |= count_words(job);
	if (ferry_rank(job->engine) == 0) {
		failed |= report(job, &sum);
		if (job->options->verify)
			failed |= verify(job, &sum);
	}
	return failed;
}

int main(int argc, char **argv)
{
	struct options options;
	struct job job = { .options = &options };
	int failed, status;

	options_parse(argc, argv, &options);
	failed = input_list(&job.input, options.names, options.count, options.bytes);
	status = ferry_open(NULL, &job.engine);
	if (status) {
		complain("ferry_open", status);
		return 1;
	}
	job.corrupt = ferry_rank(job.engine) == options.corrupt;
	failed |= run(&job);
	status = ferry_close(job.engine);
	if (status)
		failed = complain("ferry_close", status);
	table_free(&job.table);
	bytes_free(&job.refused);
	input_free(&job.input);
	return failed ? 1 : 0;
}
