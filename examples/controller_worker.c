/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker: one loop that receives an operation from anybody and then its data.
 *
 * Its store has values by id. A value is kept as the message that it came in, or that it was packed
 * into when a task made it. That message is sent to each rank that asks, as often as it is asked
 * for, without packing it again or copying its numbers. Requests and tasks that come before their
 * values are kept until then: requests at the value, tasks in a list of their own.
 */
#include "controller_worker.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "controller_matrix.h"

enum { BUCKETS = 1024, ARGUMENTS_MAX = 256 };

/* A message that waits, with a reference of its own. */
struct waiting {
	ferry_message *message;
	struct waiting *next;
};

struct value {
	uint64_t id;
	ferry_message *message;   /* [id, value]; NULL: not here, or not yet */
	int owner;                /* the rank that has it; -1: not known */
	uint64_t given;           /* the number with which the owner was told */
	bool asked;               /* the owner was asked for it */
	struct waiting *requests; /* GET and WAIT that came too early */
	struct value *next;
};

struct worker {
	ferry *engine;
	struct value *store[BUCKETS];
	struct waiting *tasks; /* in the order in which they came */
	struct worker_report *report;
	ferry_message *watch; /* answered when this worker leaves */
	uint64_t dies_after;
};

void must(int status, const char *what)
{
	if (status >= 0)
		return;
	fprintf(stderr, "%s: %s (%s)\n", what, ferry_strerror(status), ferry_last_error());
	_exit(1);
}

/* Nothing is sent to a worker that is gone: who waited for it is told by the controller. EMPI: MPI
 * has noticed first. */
static void must_unless_gone(int status, const char *what)
{
	if (status != FERRY_EPEER && status != FERRY_EMPI)
		must(status, what);
}

static void *memory(void *allocated)
{
	if (!allocated)
		must(FERRY_ENOMEM, "a worker's store");
	return allocated;
}

const msgpack_object *read_array(ferry_message *message, unsigned count)
{
	const msgpack_object *object;
	must(ferry_message_object(message, &object), "a message");
	if (object->type != MSGPACK_OBJECT_ARRAY || object->via.array.size < count)
		must(FERRY_EDECODE, "a message of the wrong shape");
	return object->via.array.ptr;
}

static uint64_t read_id(const msgpack_object *object)
{
	if (object->type != MSGPACK_OBJECT_POSITIVE_INTEGER)
		must(FERRY_EDECODE, "an id that is no number");
	return object->via.u64;
}

/* ---- the store -------------------------------------------------------------- */

static struct value **place_of(struct worker *w, uint64_t id)
{
	struct value **link = &w->store[id % BUCKETS];
	while (*link && (*link)->id != id)
		link = &(*link)->next;
	return link;
}

/* The value of this id. An entry is made if the id is new. */
static struct value *value_of(struct worker *w, uint64_t id)
{
	struct value **link = place_of(w, id);
	if (!*link) {
		*link = memory(calloc(1, sizeof **link));
		(*link)->id = id;
		(*link)->owner = -1;
	}
	return *link;
}

static void append(struct waiting **list, ferry_message *message)
{
	while (*list)
		list = &(*list)->next;
	*list = memory(malloc(sizeof **list));
	**list = (struct waiting){ message, NULL };
}

/* Answer a GET or WAIT for a value that is here, and let go of the request. */
static void answer(struct worker *w, struct value *value, ferry_message *request)
{
	if (ferry_message_op(request) == WAIT)
		must(ferry_reply(request, NULL, 0), "answering WAIT");
	else if (read_array(request, 2)[1].via.boolean)
		must(ferry_reply_message(request, value->message), "answering GET");
	else
		must_unless_gone(ferry_isend_complex_operation(w->engine,
		                                               ferry_message_source(request),
		                                               PUT_DATA, NULL, &value->message,
		                                               NULL),
		                 "sending a value to a worker");
	ferry_message_release(request);
}

static void put(struct worker *w, uint64_t id, ferry_message *message)
{
	struct value *value = value_of(w, id);
	if (value->message)
		ferry_message_release(value->message);
	value->message = message;
	while (value->requests) {
		struct waiting *first = value->requests;
		value->requests = first->next;
		answer(w, value, first->message);
		free(first);
	}
}

static void serve_request(struct worker *w, ferry_message *request)
{
	struct value *value = value_of(w, read_id(read_array(request, 1)));
	if (value->message)
		answer(w, value, request);
	else
		append(&value->requests, request);
}

static void forget(struct worker *w, uint64_t id)
{
	struct value **link = place_of(w, id), *value = *link;
	if (!value)
		return;
	*link = value->next;
	while (value->requests) { /* released unanswered, so each caller gets an error */
		struct waiting *first = value->requests;
		value->requests = first->next;
		ferry_message_release(first->message);
		free(first);
	}
	if (value->message)
		ferry_message_release(value->message);
	free(value);
}

/* ---- tasks ------------------------------------------------------------------- */

static uint64_t referred_id(const msgpack_object *object)
{
	uint64_t id;
	if (object->via.ext.size != sizeof id)
		must(FERRY_EDECODE, "a reference of the wrong length");
	memcpy(&id, object->via.ext.ptr, sizeof id);
	return id;
}

static bool is_reference(const msgpack_object *object)
{
	return object->type == MSGPACK_OBJECT_EXT && object->via.ext.type == EXT_ID;
}

/* Ask the owner of a value for it, once. It comes as PUT_DATA. */
static void fetch(struct worker *w, struct value *value)
{
	if (value->asked || value->owner < 0 || value->owner == ferry_rank(w->engine))
		return;
	msgpack_object pair[2] = { { .type = MSGPACK_OBJECT_POSITIVE_INTEGER },
		                   { .type = MSGPACK_OBJECT_BOOLEAN } };
	msgpack_object request = { .type = MSGPACK_OBJECT_ARRAY };
	pair[0].via.u64 = value->id;
	pair[1].via.boolean = false;
	request.via.array.size = 2;
	request.via.array.ptr = pair;
	must_unless_gone(ferry_isend_simple_operation(w->engine, value->owner, GET, &request, NULL),
	                 "asking for a value");
	value->asked = true;
	w->report->fetched++;
}

/* Are all values here that the task refers to? Fetches those that are not. */
static bool is_ready(struct worker *w, const msgpack_object *task, unsigned count)
{
	bool ready = true;
	for (unsigned i = 2; i < count; i++) {
		struct value *value =
			is_reference(&task[i]) ? value_of(w, referred_id(&task[i])) : NULL;
		if (value && !value->message) {
			ready = false;
			fetch(w, value);
		}
	}
	return ready;
}

/* Read a value as an argument. A value that is a text is the error of an earlier task, and becomes
 * this task's error, which is returned. NULL: no error. */
static const char *read_argument(ferry_message *message, const msgpack_object *object,
                                 struct argument *argument)
{
	void *matrix = NULL;
	*argument = (struct argument){ NULL, 0 };
	if (object->type == MSGPACK_OBJECT_FLOAT64)
		argument->number = object->via.f64;
	else if (object->type == MSGPACK_OBJECT_STR)
		return "an argument has an error for value";
	else if (ferry_message_value(message, object, &matrix) != FERRY_OK)
		return "an argument is neither a number nor a matrix";
	argument->matrix = matrix;
	return NULL;
}

/* Read all arguments. Returns what is wrong with them, or NULL. */
static const char *read_arguments(struct worker *w, ferry_message *message,
                                  const msgpack_object *task, unsigned count,
                                  struct argument *arguments)
{
	const char *error = NULL;
	for (unsigned i = 0; i < count; i++) {
		const msgpack_object *object = &task[2 + i];
		ferry_message *from = message;
		if (is_reference(object)) {
			from = value_of(w, referred_id(object))->message;
			object = &read_array(from, 2)[1];
		}
		const char *wrong = read_argument(from, object, &arguments[i]);
		error = error ? error : wrong;
	}
	return error;
}

/* [id, result] as a message, to be stored and sent to ranks that ask. */
static ferry_message *pack_result(struct worker *w, uint64_t id, struct matrix *result,
                                  const char *error)
{
	ferry_message *message;
	must(ferry_message_create(w->engine, PUT_DATA, &message), "a result");
	msgpack_packer *packer = ferry_message_packer(message);
	if (!packer || msgpack_pack_array(packer, 2) || msgpack_pack_uint64(packer, id))
		must(FERRY_ENOMEM, "a result");
	if (result)
		must(ferry_message_pack_value(message, EXT_MATRIX, result), "a result");
	else if (msgpack_pack_str_with_body(packer, error, strlen(error)))
		must(FERRY_ENOMEM, "a result");
	matrix_free(result);
	return message;
}

/* Run a task whose values are all here. As in the original, an error is a result. */
static void execute(struct worker *w, ferry_message *message, const msgpack_object *task,
                    unsigned count)
{
	struct argument arguments[ARGUMENTS_MAX];
	unsigned n = count - 2 < ARGUMENTS_MAX ? count - 2 : ARGUMENTS_MAX;
	task_fn *fn = task[0].type == MSGPACK_OBJECT_STR
	                      ? task_find(task[0].via.str.ptr, task[0].via.str.size)
	                      : NULL;
	if (w->dies_after && w->report->tasks == w->dies_after)
		kill(getpid(), SIGKILL);
	const char *error = read_arguments(w, message, task, n, arguments);
	struct matrix *result = NULL;
	if (!fn)
		error = "no such function";
	if (!error)
		result = fn(arguments, n, &error);
	for (unsigned i = 0; i < n; i++)
		free((void *)(uintptr_t)arguments[i].matrix);
	w->report->tasks++;
	put(w, read_id(&task[1]), pack_result(w, read_id(&task[1]), result, error));
}

/* Run it if it is ready. */
static bool try_task(struct worker *w, ferry_message *message)
{
	const msgpack_object *whole, *task = read_array(message, 2);
	must(ferry_message_object(message, &whole), "a task");
	if (!is_ready(w, task, whole->via.array.size))
		return false;
	execute(w, message, task, whole->via.array.size);
	ferry_message_release(message);
	return true;
}

/* A value came: run the tasks that waited for it, then those that waited for their results. */
static void try_tasks(struct worker *w)
{
	for (struct waiting **link = &w->tasks; *link;) {
		struct waiting *task = *link;
		if (!try_task(w, task->message)) {
			link = &task->next;
			continue;
		}
		*link = task->next;
		free(task);
		link = &w->tasks;
	}
}

/* ---- the loop ------------------------------------------------------------------ */

/* The data of an operation, by the routine that the original uses for it. */
static ferry_message *receive_data(struct worker *w, uint32_t op, int source)
{
	ferry_message *message;
	int status;
	if (op == EXECUTE || op == PUT_DATA)
		status = ferry_recv_complex_data(w->engine, source, FERRY_FOREVER, &message);
	else if (op == CLEANUP)
		status = ferry_recv_serialized_data(w->engine, source, FERRY_FOREVER, &message);
	else
		status = ferry_recv_simple_operation(w->engine, source, FERRY_FOREVER, &message);
	must(status, "receiving the data of an operation");
	return message;
}

/* A value that has not come from its first owner is asked of the next one. */
static void put_owner(struct worker *w, ferry_message *message)
{
	const msgpack_object *triple = read_array(message, 3);
	struct value *value = value_of(w, read_id(&triple[0]));
	uint64_t given = read_id(&triple[2]);
	if (given > value->given) {
		value->owner = (int)triple[1].via.i64;
		value->given = given;
		value->asked = false;
	}
	ferry_message_release(message);
}

static void clean_up(struct worker *w, ferry_message *message)
{
	const msgpack_object *ids;
	must(ferry_message_object(message, &ids), "CLEANUP");
	for (uint32_t i = 0; i < ids->via.array.size; i++)
		forget(w, read_id(&ids->via.array.ptr[i]));
	ferry_message_release(message);
}

/* The function that serves an operation takes its message over. */
static void serve(struct worker *w, uint32_t op, ferry_message *message)
{
	switch (op) {
	case EXECUTE:
		append(&w->tasks, message);
		break;
	case PUT_DATA:
		put(w, read_id(read_array(message, 2)), message);
		break;
	case PUT_OWNER:
		put_owner(w, message);
		break;
	case GET:
	case WAIT:
		serve_request(w, message);
		break;
	case CLEANUP:
		clean_up(w, message);
		break;
	case WATCH:
		w->watch = message;
		break;
	default:
		must(FERRY_EINVAL, "an operation that is none");
	}
	try_tasks(w);
}

/* Free what is left. Returns how many values nobody cleaned up. */
static uint64_t empty_store(struct worker *w)
{
	uint64_t held = 0;
	for (unsigned i = 0; i < BUCKETS; i++)
		while (w->store[i]) {
			held += w->store[i]->message != NULL;
			forget(w, w->store[i]->id);
		}
	return held;
}

/* Without its controller a worker ends. */
static void on_gone(ferry *engine, int rank, int status, const char *why, void *arg)
{
	(void)why;
	(void)arg;
	if (rank == 0)
		ferry_abort(engine, status);
}

/* From here on the controller may go first. */
static void leave(struct worker *w)
{
	must(ferry_on_peer(w->engine, NULL, NULL, NULL), "leaving");
	if (w->watch) {
		must(ferry_reply(w->watch, NULL, 0), "leaving");
		ferry_message_release(w->watch);
	}
	w->report->held = empty_store(w);
}

void worker_loop(ferry *engine, struct worker_report *report, uint64_t dies_after)
{
	struct worker w = { .engine = engine, .report = report, .dies_after = dies_after };
	must(ferry_on_peer(engine, FERRY_INLINE, on_gone, NULL), "watching the controller");
	for (;;) {
		uint32_t op;
		int source;
		must(ferry_recv_operation_type(engine, FERRY_FOREVER, &op, &source),
		     "receiving an operation");
		if (op == CANCEL)
			break;
		serve(&w, op, receive_data(&w, op, source));
	}
	leave(&w);
}
