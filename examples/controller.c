/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A controller and its workers, as in unidist: rank 0 puts data, submits tasks
 * by the name of a function, waits for results, gets them, and cleans up; the
 * other ranks store values and run tasks. What it shows of Ferry:
 *
 *   1. The communication routines: operations with their data, whole, from
 *      several application threads of one rank at once.
 *   2. Values of the program's own type (a codec) whose numbers are never
 *      copied: a block is packed once and sent to every worker that needs it.
 *   3. Arguments that are references: a worker fetches what another one made.
 *   4. Calls that are answered later: GET and WAIT for what is not there yet.
 *   5. A worker that dies (--lose RANK): the controller is told. It gives that
 *      worker's tasks to others, which also compute again what only that worker
 *      had.
 *
 * It computes D = A B + C in blocks and compares with a plain computation.
 * doc/unidist.md says what is what in the original.
 */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "controller_matrix.h"
#include "controller_worker.h"

enum { BLOCKS_MAX = 64, THREADS_MAX = 64 };

/*
 * A value with an id. The controller's own ones are here. Of the others the task is here that makes
 * the value on a worker. It is kept until nobody asks for the value any more: if the worker dies
 * another one gets the task.
 */
struct datum {
	uint64_t id;
	ferry_message *message; /* the value, or the task */
	bool *sent; /* of an own value: the ranks to which it was sent; under job.lock */
	/* of a task: */
	struct datum **needs; /* the values that it refers to */
	unsigned need_count;
	/* under job.lock; the owner is the worker that has the task; given to so many by now */
	int owner;
	uint64_t given;
	bool over; /* nobody asks any more */
	struct datum *next;
};

struct job {
	ferry *engine;
	int workers;
	/* rows; blocks a side; rows of a block; application threads */
	unsigned size, blocks, block, threads;
	unsigned corrupt; /* how many numbers to spoil, for the test of the verifier */
	unsigned lose;    /* the worker that dies, or 0 */
	pthread_mutex_t lock;
	pthread_cond_t changed; /* gone or owners have, or over */
	/* under lock */
	uint64_t last_id, last_worker;
	struct datum *tasks;
	bool *gone;
	bool over;              /* no task is given to anybody any more */
	ferry_future **leaving; /* of each rank's WATCH */
	struct matrix *a, *b, *c, *d;
	struct datum *blocks_a, *blocks_b;
};

/* An argument of a task: a datum, a matrix that travels with the task, or a number. */
struct operand {
	struct datum *datum;
	struct matrix *matrix;
	double number;
};

static void *need(void *allocated)
{
	if (!allocated)
		must(FERRY_ENOMEM, "controller");
	return allocated;
}

/* What is sent to a worker that is gone is sent to nobody: its tasks move, see move_tasks. EMPI:
 * MPI has noticed first that it cannot send there. */
static void must_unless_gone(int status, const char *what)
{
	if (status != FERRY_EPEER && status != FERRY_EMPI)
		must(status, what);
}

/* ---- messages ------------------------------------------------------------------ */

static ferry_message *message_begin(struct job *job, uint32_t op, unsigned elements)
{
	ferry_message *message;
	must(ferry_message_create(job->engine, op, &message), "a message");
	msgpack_packer *packer = need(ferry_message_packer(message));
	must(msgpack_pack_array(packer, elements) ? FERRY_ENOMEM : FERRY_OK, "a message");
	return message;
}

/* The packer's functions return anything but 0 when memory is exhausted. */
static void packed(int result)
{
	must(result ? FERRY_ENOMEM : FERRY_OK, "packing");
}

/* A call with an id, or without anything. NULL: the worker is gone. */
static ferry_future *call(struct job *job, uint32_t op, const struct datum *datum, int worker)
{
	ferry_message *message = message_begin(job, op, !datum ? 0 : op == GET ? 2 : 1);
	ferry_future *future = NULL;
	if (datum)
		packed(msgpack_pack_uint64(ferry_message_packer(message), datum->id));
	if (op == GET)
		packed(msgpack_pack_true(ferry_message_packer(message)));
	must_unless_gone(ferry_call_message(job->engine, worker, message, &future),
	                 "asking a worker");
	ferry_message_release(message);
	return future;
}

/* Who has the task now, once more than `given` workers had it. */
static int owner_of(struct job *job, const struct datum *datum, uint64_t *given)
{
	pthread_mutex_lock(&job->lock);
	while (datum->given <= *given)
		pthread_cond_wait(&job->changed, &job->lock);
	*given = datum->given;
	int owner = datum->owner;
	pthread_mutex_unlock(&job->lock);
	return owner;
}

/* A call that is answered when the worker has the value: GET or WAIT. If the worker dies first, the
 * one that has the task then is asked. */
static ferry_message *ask(struct job *job, uint32_t op, const struct datum *datum)
{
	ferry_message *reply = NULL;
	uint64_t given = 0;
	while (!reply) {
		ferry_future *future = call(job, op, datum, owner_of(job, datum, &given));
		int status = future ? ferry_future_wait(future, FERRY_FOREVER) : FERRY_EPEER;
		must_unless_gone(status, "an answer of a worker");
		if (status == FERRY_OK)
			must(ferry_future_take(future, &reply), "an answer of a worker");
		ferry_future_release(future);
	}
	return reply;
}

/* ---- data ------------------------------------------------------------------------ */

static uint64_t next_of(struct job *job, uint64_t *counter)
{
	pthread_mutex_lock(&job->lock);
	uint64_t next = ++*counter;
	pthread_mutex_unlock(&job->lock);
	return next;
}

static struct matrix *cut_block(const struct job *job, const struct matrix *from, unsigned row,
                                unsigned col)
{
	struct matrix *m = need(matrix_create(job->block, job->block));
	for (unsigned i = 0; i < job->block; i++)
		memcpy(m->numbers + (size_t)i * job->block,
		       from->numbers + (size_t)(row * job->block + i) * job->size +
		               (size_t)col * job->block,
		       job->block * sizeof(double));
	return m;
}

static void paste_block(const struct job *job, const struct matrix *m, unsigned row, unsigned col)
{
	for (unsigned i = 0; i < job->block; i++)
		memcpy(job->d->numbers + (size_t)(row * job->block + i) * job->size +
		               (size_t)col * job->block,
		       m->numbers + (size_t)i * job->block, job->block * sizeof(double));
}

/* Put a matrix into the controller's own store: pack it, and send it to nobody yet. */
static struct datum put(struct job *job, struct matrix *matrix)
{
	struct datum datum = { .id = next_of(job, &job->last_id) };
	datum.sent = need(calloc((size_t)job->workers + 1, sizeof *datum.sent));
	datum.message = message_begin(job, PUT_DATA, 2);
	packed(msgpack_pack_uint64(ferry_message_packer(datum.message), datum.id));
	must(ferry_message_pack_value(datum.message, EXT_MATRIX, matrix), "packing a block");
	matrix_free(matrix);
	return datum;
}

static struct datum *put_blocks(struct job *job, const struct matrix *matrix)
{
	struct datum *data = need(calloc((size_t)job->blocks * job->blocks, sizeof *data));
	for (unsigned i = 0; i < job->blocks * job->blocks; i++)
		data[i] = put(job, cut_block(job, matrix, i / job->blocks, i % job->blocks));
	return data;
}

/* Send a datum of the controller's to a worker, unless it was sent there before. */
static void push_data(struct job *job, struct datum *datum, int worker)
{
	pthread_mutex_lock(&job->lock);
	bool sent = datum->sent[worker];
	datum->sent[worker] = true;
	pthread_mutex_unlock(&job->lock);
	if (!sent)
		must_unless_gone(ferry_isend_complex_operation(job->engine, worker, PUT_DATA, NULL,
		                                               &datum->message, NULL),
		                 "sending a block");
}

/* Tell a worker who has, or will have, a value. Several threads may tell it of the same one, in any
 * order: the highest `given` is the latest. */
static void push_owner(struct job *job, const struct datum *datum, int worker)
{
	msgpack_object triple[3];
	msgpack_object object = { .type = MSGPACK_OBJECT_ARRAY };
	uint64_t given = 0;
	for (unsigned i = 0; i < 3; i++)
		triple[i].type = MSGPACK_OBJECT_POSITIVE_INTEGER;
	triple[0].via.u64 = datum->id;
	int owner = owner_of(job, datum, &given);
	if (owner == worker)
		return;
	triple[1].via.u64 = (uint64_t)owner;
	triple[2].via.u64 = given;
	object.via.array.size = 3;
	object.via.array.ptr = triple;
	must_unless_gone(ferry_isend_simple_operation(job->engine, worker, PUT_OWNER, &object,
	                                              NULL),
	                 "telling who owns a value");
}

/* Tell all workers that nobody asks for these any more: serialized once, sent to each. */
static void clean_up(struct job *job, struct datum *const *data, unsigned count)
{
	msgpack_sbuffer bytes;
	msgpack_packer packer;
	msgpack_sbuffer_init(&bytes);
	msgpack_packer_init(&packer, &bytes, msgpack_sbuffer_write);
	packed(msgpack_pack_array(&packer, count));
	for (unsigned i = 0; i < count; i++)
		packed(msgpack_pack_uint64(&packer, data[i]->id));
	for (int worker = 1; worker <= job->workers; worker++)
		must_unless_gone(ferry_isend_serialized_operation(job->engine, worker, CLEANUP,
		                                                  bytes.data, bytes.size, NULL),
		                 "cleaning up");
	msgpack_sbuffer_destroy(&bytes);
	pthread_mutex_lock(&job->lock);
	for (unsigned i = 0; i < count; i++)
		data[i]->over = true; /* so its task does not move any more */
	pthread_mutex_unlock(&job->lock);
	for (unsigned i = 0; i < count; i++)
		ferry_message_release(data[i]->message);
}

/* ---- tasks ------------------------------------------------------------------------- */

static void pack_operand(ferry_message *message, const struct operand *operand)
{
	msgpack_packer *packer = ferry_message_packer(message);
	if (operand->datum)
		packed(msgpack_pack_ext_with_body(packer, &operand->datum->id,
		                                  sizeof operand->datum->id, EXT_ID));
	else if (operand->matrix)
		must(ferry_message_pack_value(message, EXT_MATRIX, operand->matrix),
		     "packing an argument");
	else
		packed(msgpack_pack_double(packer, operand->number));
}

/* The next worker in turn. Under job.lock. */
static int next_worker(struct job *job)
{
	for (int i = 0; i < job->workers; i++) {
		int worker = 1 + (int)(job->last_worker++ % (uint64_t)job->workers);
		if (!job->gone[worker])
			return worker;
	}
	must(FERRY_EPEER, "no worker is left");
	return 0;
}

/* Give a task to a worker, and first what it refers to: the value, or who has that. */
static void give(struct job *job, struct datum *task, int worker)
{
	for (unsigned i = 0; i < task->need_count; i++) {
		if (task->needs[i]->sent)
			push_data(job, task->needs[i], worker);
		else
			push_owner(job, task->needs[i], worker);
	}
	must_unless_gone(ferry_isend_complex_operation(job->engine, worker, EXECUTE, NULL,
	                                               &task->message, NULL),
	                 "a task");
}

/* Have the next worker in turn compute name(operands...); the result stays there. */
static struct datum *submit(struct job *job, const char *name, const struct operand *operands,
                            unsigned count)
{
	struct datum *task = need(calloc(1, sizeof *task));
	task->id = next_of(job, &job->last_id);
	task->needs = need(calloc(count, sizeof(struct datum *)));
	task->message = message_begin(job, EXECUTE, 2 + count);
	packed(msgpack_pack_str_with_body(ferry_message_packer(task->message), name, strlen(name)));
	packed(msgpack_pack_uint64(ferry_message_packer(task->message), task->id));
	for (unsigned i = 0; i < count; i++) {
		if (operands[i].datum)
			task->needs[task->need_count++] = operands[i].datum;
		pack_operand(task->message, &operands[i]);
	}
	pthread_mutex_lock(&job->lock);
	int worker = task->owner = next_worker(job);
	task->given = 1;
	task->next = job->tasks;
	job->tasks = task;
	pthread_mutex_unlock(&job->lock);
	give(job, task, worker);
	return task;
}

/* One block of the result: its products, whichever worker makes them, and their sum with the block
 * of C. */
struct block_job {
	struct datum *products[BLOCKS_MAX], *total;
};

static void submit_block(struct job *job, struct block_job *b, unsigned row, unsigned col)
{
	struct operand sum[BLOCKS_MAX + 1];
	sum[0] = (struct operand){ .matrix = cut_block(job, job->c, row, col) };
	for (unsigned k = 0; k < job->blocks; k++) {
		struct operand product[] = { { .datum = &job->blocks_a[row * job->blocks + k] },
			                     { .datum = &job->blocks_b[k * job->blocks + col] },
			                     { .number = 1 } };
		b->products[k] = submit(job, "multiply", product, 3);
		sum[k + 1] = (struct operand){ .datum = b->products[k] };
	}
	b->total = submit(job, "sum", sum, job->blocks + 1);
	matrix_free(sum[0].matrix);
}

static void collect_block(struct job *job, struct block_job *b, unsigned row, unsigned col)
{
	struct datum *done[BLOCKS_MAX + 1];
	void *matrix;
	ferry_message_release(ask(job, WAIT, b->total));
	ferry_message *reply = ask(job, GET, b->total);
	must(ferry_message_value(reply, &read_array(reply, 2)[1], &matrix),
	     "a block of the result");
	paste_block(job, matrix, row, col);
	free(matrix);
	ferry_message_release(reply);
	for (unsigned k = 0; k < job->blocks; k++)
		done[k] = b->products[k];
	done[job->blocks] = b->total;
	clean_up(job, done, job->blocks + 1);
}

/* ---- the application's threads ------------------------------------------------------- */

struct share {
	struct job *job;
	unsigned index;
	pthread_t thread;
};

/* A thread's share: every threads-th block of the result. Submit all of them, then collect. */
static void *run_share(void *arg)
{
	struct share *share = arg;
	struct job *job = share->job;
	unsigned count = job->blocks * job->blocks;
	struct block_job *blocks = need(calloc(count, sizeof *blocks));
	for (unsigned i = share->index; i < count; i += job->threads)
		submit_block(job, &blocks[i], i / job->blocks, i % job->blocks);
	for (unsigned i = share->index; i < count; i += job->threads)
		collect_block(job, &blocks[i], i / job->blocks, i % job->blocks);
	must_unless_gone(ferry_flush(job->engine, FERRY_ALL, FERRY_FOREVER),
	                 "what this thread sent");
	free(blocks);
	return NULL;
}

static void compute(struct job *job)
{
	struct share shares[THREADS_MAX];
	for (unsigned i = 0; i < job->threads; i++) {
		shares[i] = (struct share){ .job = job, .index = i };
		if (pthread_create(&shares[i].thread, NULL, run_share, &shares[i]) != 0)
			must(FERRY_ENOMEM, "a thread");
	}
	for (unsigned i = 0; i < job->threads; i++)
		pthread_join(shares[i].thread, NULL);
}

/* ---- a worker that dies ----------------------------------------------------------------- */

/* Inline, so it only says so to move_tasks. */
static void on_gone(ferry *engine, int rank, int status, const char *why, void *arg)
{
	struct job *job = arg;
	(void)engine;
	(void)status;
	if (rank == 0)
		return;
	fprintf(stderr, "worker %d is gone: %s\n", rank, why);
	pthread_mutex_lock(&job->lock);
	job->gone[rank] = true;
	pthread_cond_broadcast(&job->changed);
	pthread_mutex_unlock(&job->lock);
}

/* Choose another worker for each task of one that is gone. Returns how many there are. Each has a
 * reference of its message, because what it makes may be cleaned up meanwhile. Under job.lock. */
static unsigned choose_others(struct job *job, struct datum ***moved_p)
{
	unsigned count = 0;
	struct datum **moved = NULL;
	for (struct datum *task = job->tasks; task; task = task->next) {
		if (task->over || !job->gone[task->owner])
			continue;
		moved = need(realloc(moved, (count + 1) * sizeof(struct datum *)));
		moved[count++] = task;
		ferry_message_retain(task->message);
		task->owner = next_worker(job);
		task->given++;
	}
	pthread_cond_broadcast(&job->changed);
	*moved_p = moved;
	return count;
}

/* All workers are told who will have each value, because some wait for it. */
static void give_to_others(struct job *job, struct datum *task)
{
	uint64_t given = 0;
	for (int worker = 1; worker <= job->workers; worker++)
		push_owner(job, task, worker);
	give(job, task, owner_of(job, task, &given));
	ferry_message_release(task->message);
}

/* A thread of its own: tasks of workers that are gone go to others. */
static void *move_tasks(void *arg)
{
	struct job *job = arg;
	struct datum **moved;
	pthread_mutex_lock(&job->lock);
	while (!job->over) {
		unsigned count = choose_others(job, &moved);
		if (count == 0) {
			pthread_cond_wait(&job->changed, &job->lock);
			continue;
		}
		pthread_mutex_unlock(&job->lock);
		for (unsigned i = 0; i < count; i++)
			give_to_others(job, moved[i]);
		printf("%u tasks were given to other workers\n", count);
		free(moved);
		pthread_mutex_lock(&job->lock);
	}
	pthread_mutex_unlock(&job->lock);
	return NULL;
}

/* A worker that owes nothing is not missed. So each one owes the answer to a WATCH, until it
 * leaves. */
static void watch_workers(struct job *job)
{
	job->leaving = need(calloc((size_t)job->workers + 1, sizeof(ferry_future *)));
	for (int worker = 1; worker <= job->workers; worker++)
		job->leaving[worker] = call(job, WATCH, NULL, worker);
	must(ferry_on_peer(job->engine, FERRY_INLINE, on_gone, job), "watching the workers");
}

/* Did this worker leave as it was told? False: it is gone. */
static bool has_left(struct job *job, int worker)
{
	ferry_future *leaving = job->leaving[worker];
	int status = leaving ? ferry_future_wait(leaving, FERRY_FOREVER) : FERRY_EPEER;
	must_unless_gone(status, "a worker that is to leave");
	ferry_future_release(leaving);
	return status == FERRY_OK;
}

static void free_tasks(struct job *job)
{
	while (job->tasks) {
		struct datum *task = job->tasks;
		job->tasks = task->next;
		free(task->needs);
		free(task);
	}
	free(job->leaving);
}

/* ---- what must be true ------------------------------------------------------------------ */

/* Compare with the same computation in three plain loops. */
static bool verify(const struct job *job)
{
	size_t n = job->size;
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < n; j++) {
			double expected = job->c->numbers[i * n + j],
			       got = job->d->numbers[i * n + j];
			for (size_t k = 0; k < n; k++)
				expected += job->a->numbers[i * n + k] * job->b->numbers[k * n + j];
			if (!(fabs(got - expected) <= 1e-9 * (double)n)) {
				printf("D[%zu][%zu] is %g, not %g\n", i, j, got, expected);
				return false;
			}
		}
	return true;
}

/* An error in a task is the result of that task, and of the tasks that depend on it. */
static bool errors_arrive(struct job *job)
{
	struct operand none = { .number = 1 };
	struct datum *failed = submit(job, "invert", &none, 1);
	struct operand of_it = { .datum = failed };
	struct datum *follower = submit(job, "sum", &of_it, 1);
	struct datum *both[] = { failed, follower };
	bool good = true;
	for (unsigned i = 0; i < 2; i++) {
		ferry_message *reply = ask(job, GET, both[i]);
		good = good && read_array(reply, 2)[1].type == MSGPACK_OBJECT_STR;
		ferry_message_release(reply);
	}
	clean_up(job, both, 2);
	return good;
}

static void add_report(struct job *job, int worker, struct worker_report *all)
{
	ferry_message *message;
	must(ferry_recv_object(job->engine, worker, FERRY_FOREVER, &message), "a worker's report");
	const msgpack_object *report = read_array(message, 3);
	all->tasks += report[0].via.u64;
	all->fetched += report[1].via.u64;
	all->held += report[2].via.u64;
	ferry_message_release(message);
}

/* Send CANCEL to each worker; then all report what they did. True: that is what there was to do. Of
 * a worker that died the report is missing, and values that were on their way to others because of
 * it may be left there. */
static bool shut_down(struct job *job)
{
	struct worker_report all = { 0, 0, 0 };
	uint64_t blocks = (uint64_t)job->blocks * job->blocks,
		 expected = blocks * (job->blocks + 1) + 2;
	bool lost = false;
	must(ferry_on_peer(job->engine, NULL, NULL, NULL), "workers that leave");
	for (int worker = 1; worker <= job->workers; worker++)
		must_unless_gone(ferry_send_simple_operation(job->engine, worker, CANCEL, NULL),
		                 "shutting down");
	for (int worker = 1; worker <= job->workers; worker++) {
		if (has_left(job, worker))
			add_report(job, worker, &all);
		else
			lost = true;
	}
	printf("%d workers, %u threads: %llu of %llu tasks, %llu values fetched by workers from "
	       "each other, %llu left after CLEANUP\n",
	       job->workers, job->threads, (unsigned long long)all.tasks,
	       (unsigned long long)expected, (unsigned long long)all.fetched,
	       (unsigned long long)all.held);
	return lost ? job->lose != 0 : all.tasks == expected && all.held == 0 && job->lose == 0;
}

/* ---- both sides -------------------------------------------------------------------------- */

static struct matrix *random_matrix(unsigned n, unsigned *seed)
{
	struct matrix *m = need(matrix_create(n, n));
	for (size_t i = 0; i < (size_t)n * n; i++)
		m->numbers[i] = (double)rand_r(seed) / RAND_MAX - 0.5;
	return m;
}

static void free_blocks(struct job *job, struct datum *data)
{
	struct datum *all[BLOCKS_MAX * BLOCKS_MAX] = { NULL };
	unsigned count = job->blocks * job->blocks;
	for (unsigned i = 0; i < count; i++)
		all[i] = &data[i];
	clean_up(job, all, count);
	for (unsigned i = 0; i < count; i++)
		free(data[i].sent);
	free(data);
}

static int run_controller(struct job *job)
{
	unsigned seed = 1;
	pthread_t mover;
	watch_workers(job);
	if (pthread_create(&mover, NULL, move_tasks, job) != 0)
		must(FERRY_ENOMEM, "a thread");
	job->a = random_matrix(job->size, &seed);
	job->b = random_matrix(job->size, &seed);
	job->c = random_matrix(job->size, &seed);
	job->d = need(matrix_create(job->size, job->size));
	job->blocks_a = put_blocks(job, job->a);
	job->blocks_b = put_blocks(job, job->b);
	compute(job);
	bool good = errors_arrive(job);
	pthread_mutex_lock(&job->lock);
	job->over = true;
	pthread_cond_broadcast(&job->changed);
	pthread_mutex_unlock(&job->lock);
	pthread_join(mover, NULL);
	free_blocks(job, job->blocks_a);
	free_blocks(job, job->blocks_b);
	good = shut_down(job) && good;
	free_tasks(job);
	for (unsigned i = 0; i < job->corrupt && i < job->size; i++)
		job->d->numbers[(size_t)i * job->size + i] += 1e-3;
	good = verify(job) && good;
	puts(good ? "verified" : "NOT verified");
	struct matrix *all[] = { job->a, job->b, job->c, job->d };
	for (unsigned i = 0; i < 4; i++)
		matrix_free(all[i]);
	return good ? 0 : 1;
}

static void run_worker(struct job *job)
{
	struct worker_report report = { 0, 0, 0 };
	/* in the middle: after half of its share */
	unsigned share = job->blocks * job->blocks * (job->blocks + 1) / (unsigned)job->workers;
	bool dies = (int)job->lose == ferry_rank(job->engine);
	worker_loop(job->engine, &report, dies ? share / 2 + 1 : 0);
	uint64_t numbers[] = { report.tasks, report.fetched, report.held };
	msgpack_object elements[3], object = { .type = MSGPACK_OBJECT_ARRAY };
	for (unsigned i = 0; i < 3; i++) {
		elements[i].type = MSGPACK_OBJECT_POSITIVE_INTEGER;
		elements[i].via.u64 = numbers[i];
	}
	object.via.array.size = 3;
	object.via.array.ptr = elements;
	/* EPEER: after a death the controller may close before it has confirmed this */
	must_unless_gone(ferry_send_object(job->engine, 0, &object), "reporting");
}

/* --size ROWS, --blocks A_SIDE, --threads N, --corrupt N, --lose RANK. False: something else, or
 * numbers that do not fit together. */
static bool read_options(struct job *job, int argc, char **argv)
{
	for (int i = 1; i < argc; i += 2) {
		unsigned *option = strcmp(argv[i], "--size") == 0      ? &job->size
		                   : strcmp(argv[i], "--blocks") == 0  ? &job->blocks
		                   : strcmp(argv[i], "--threads") == 0 ? &job->threads
		                   : strcmp(argv[i], "--corrupt") == 0 ? &job->corrupt
		                   : strcmp(argv[i], "--lose") == 0    ? &job->lose
		                                                       : NULL;
		char *end = NULL;
		if (option && i + 1 < argc)
			*option = (unsigned)strtoul(argv[i + 1], &end, 10);
		if (!end || *end)
			return false;
	}
	bool good = job->blocks >= 1 && job->blocks <= BLOCKS_MAX && job->threads >= 1 &&
	            job->threads <= THREADS_MAX && job->size >= 1 && job->size <= 8192 &&
	            job->size % job->blocks == 0 &&
	            (job->lose == 0 || (job->workers > 1 && (int)job->lose <= job->workers));
	job->block = good ? job->size / job->blocks : 0;
	return good;
}

/* After a death nobody is left who could end MPI with the others. */
static void close_all(struct job *job, int result)
{
	int status = ferry_close(job->engine);
	if (status == FERRY_EPEER) {
		fflush(stdout);
		_exit(result);
	}
	must(status, "ferry_close");
}

static const char usage[] =
	"usage: mpiexec -n RANKS controller [--size ROWS] [--blocks A_SIDE] [--threads N]\n"
	"                                   [--lose RANK]\n"
	"with 2 or more ranks, 3 for --lose; --blocks divides --size\n";

int main(int argc, char **argv)
{
	struct job job = { .size = 384, .blocks = 4, .threads = 4 };
	int result = 1;
	must(ferry_open(NULL, &job.engine), "ferry_open");
	bool controller = ferry_rank(job.engine) == 0;
	job.workers = ferry_size(job.engine) - 1;
	job.gone = need(calloc((size_t)job.workers + 1, sizeof *job.gone));
	pthread_mutex_init(&job.lock, NULL);
	pthread_cond_init(&job.changed, NULL);
	must(matrix_register(job.engine), "the codec");
	if (!read_options(&job, argc, argv) || job.workers == 0) {
		if (controller)
			fputs(usage, stderr);
	} else if (controller)
		result = run_controller(&job);
	else {
		run_worker(&job);
		result = 0;
	}
	close_all(&job, result);
	pthread_cond_destroy(&job.changed);
	pthread_mutex_destroy(&job.lock);
	free(job.gone);
	return result;
}
