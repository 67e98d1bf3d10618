/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything at once, at random: `soak SECONDS THREADS SEED`, 2 s and 4 threads if it is not said.
 *
 * Thread t of a rank and thread t of the other one go through steps together. A plan of each step
 * follows from the seed, so both know every message of it: how many each rank sends, how long they
 * are, with which tag, on the communicator of the pair or on the one of all threads. How a message
 * is sent, received and waited for, each thread chooses by itself.
 *
 *  - The contents say who sent it, and where it stands: each message comes once, whole, with its
 *    source, tag and count, and in the order of its tag.
 *  - One rank sends first in a step and the other receives first, so all calls may block.
 *  - Each step also sends a message to whichever thread of the other rank takes it. These are
 *    counted, and none comes twice.
 *  - Requests are given to other threads, which complete them.
 */
#include "check.h"

enum { THREADS_MAX = 64, BURST = 6, BYTES_MAX = 40000, TAGS = 3, BOXES = 8, TAG_CONTROL = 90 };
enum { TAG_NEVER = 91, SEEN = 1 << 16 };

static struct {
	MPI_Comm all, any;
	int threads;
	double seconds;
	uint64_t seed;
	atomic_llong messages, handed, cancelled, any_sent, any_received;
	atomic_uchar seen[THREADS_MAX][SEEN]; /* messages to whom they meet, by their sender */
} soak;

struct worker {
	MPI_Comm pair;
	int number;
	uint64_t random; /* its own choices */
	struct message *afoot[2 * BURST];
	int n_afoot;
};

/* ---- messages ----------------------------------------------------------------- */

/* Of a step, and the same at both ranks. */
struct plan {
	MPI_Comm comm;
	int tag, nbytes;
	uint64_t key; /* its contents follow from it */
};

struct message {
	struct plan plan;
	bool receive, persistent;
	MPI_Request request;
	MPI_Message matched;
	MPI_Datatype type; /* bytes, or so many as one */
	unsigned char bytes[BYTES_MAX];
};

static uint64_t mix(uint64_t a, uint64_t b)
{
	uint64_t state = a * 0x9e3779b97f4a7c15u + b;

	return check_random(&state);
}

static int choose(struct worker *w, int n)
{
	return (int)(check_random(&w->random) % (uint64_t)n);
}

static struct plan plan_of(const struct worker *w, int sender, int step, int index)
{
	static const int lengths[] = { 0, 1, 8, 200, 3000, BYTES_MAX };
	struct plan plan;

	plan.key = mix(mix(soak.seed + (uint64_t)sender, (uint64_t)w->number),
	               (uint64_t)step * BURST + (uint64_t)index);
	/* long ones are rare */
	plan.nbytes = lengths[plan.key % 32 ? plan.key % 5 : 5];
	plan.tag = w->number * TAGS + (int)(plan.key >> 8 & 0xff) % TAGS;
	plan.comm = plan.key >> 16 & 1 ? soak.all : w->pair;
	return plan;
}

static int n_planned(const struct worker *w, int sender, int step)
{
	return (int)(mix(mix(soak.seed, (uint64_t)(2 * w->number + sender)), (uint64_t)step) %
	             BURST);
}

static void fill(unsigned char *bytes, int nbytes, uint64_t key)
{
	for (int i = 0; i < nbytes; i++)
		bytes[i] = (unsigned char)(key >> i % 8 * 8) ^ (unsigned char)(i / 8);
}

static void check_bytes(const unsigned char *bytes, int nbytes, uint64_t key)
{
	for (int i = 0; i < nbytes; i++)
		CHECK(bytes[i] == ((unsigned char)(key >> i % 8 * 8) ^ (unsigned char)(i / 8)),
		      "byte %d of %d is wrong", i, nbytes);
}

static struct message *message_new(const struct plan *plan, bool receive)
{
	struct message *m = malloc(sizeof *m);

	CHECK(m, "no memory");
	m->plan = *plan;
	m->receive = receive;
	m->persistent = false;
	m->request = MPI_REQUEST_NULL;
	memset(m->bytes, 0xee, sizeof m->bytes);
	if (!receive)
		fill(m->bytes, plan->nbytes, plan->key);
	return m;
}

/* It has come, or is sent. */
static void message_over(struct message *m, const MPI_Status *s)
{
	if (m->receive) {
		CHECK_STATUS(s, 1 - check_rank, m->plan.tag, MPI_BYTE, m->plan.nbytes);
		check_bytes(m->bytes, m->plan.nbytes, m->plan.key);
		atomic_fetch_add(&soak.messages, 1);
	}
	if (m->persistent) {
		CHECK(m->request != MPI_REQUEST_NULL, "a persistent handle is null");
		MPI_Request_free(&m->request);
	}
	CHECK(m->request == MPI_REQUEST_NULL, "a handle is left");
	free(m);
}

/* ---- how they are sent and received ------------------------------------------------ */

static void post(struct worker *w, struct message *m)
{
	w->afoot[w->n_afoot++] = m;
}

static void send_it(struct worker *w, struct message *m)
{
	int peer = 1 - check_rank, n = m->plan.nbytes, tag = m->plan.tag;
	MPI_Comm comm = m->plan.comm;
	MPI_Datatype type;
	MPI_Status none;

	check_forget(&none, 1);
	switch (choose(w, 8)) {
	case 0:
		MPI_Send(m->bytes, n, MPI_BYTE, peer, tag, comm);
		message_over(m, &none);
		return;
	case 1:
		MPI_Ssend(m->bytes, n, MPI_BYTE, peer, tag, comm);
		message_over(m, &none);
		return;
	case 2:
		MPI_Issend(m->bytes, n, MPI_BYTE, peer, tag, comm, &m->request);
		break;
	case 3:
		m->persistent = true;
		MPI_Send_init(m->bytes, n, MPI_BYTE, peer, tag, comm, &m->request);
		MPI_Start(&m->request);
		break;
	case 4:
		m->persistent = true;
		MPI_Ssend_init(m->bytes, n, MPI_BYTE, peer, tag, comm, &m->request);
		MPI_Startall(1, &m->request);
		break;
	case 5:
		MPI_Type_contiguous(n, MPI_BYTE, &type);
		MPI_Type_commit(&type);
		MPI_Isend(m->bytes, 1, type, peer, tag, comm, &m->request);
		MPI_Type_free(&type);
		break;
	default:
		MPI_Isend(m->bytes, n, MPI_BYTE, peer, tag, comm, &m->request);
	}
	post(w, m);
}

static void receive_it(struct worker *w, struct message *m)
{
	int peer = 1 - check_rank, tag = m->plan.tag, flag = 0;
	int source = choose(w, 2) ? peer : MPI_ANY_SOURCE;
	MPI_Comm comm = m->plan.comm;
	MPI_Datatype type;
	MPI_Status s;

	check_forget(&s, 1);
	switch (choose(w, 9)) {
	case 0:
		MPI_Recv(m->bytes, BYTES_MAX, MPI_BYTE, source, tag, comm, &s);
		message_over(m, &s);
		return;
	case 1:
		MPI_Probe(source, tag, comm, &s);
		CHECK_STATUS(&s, peer, tag, MPI_BYTE, m->plan.nbytes);
		MPI_Recv(m->bytes, m->plan.nbytes, MPI_BYTE, peer, tag, comm, &s);
		message_over(m, &s);
		return;
	case 2:
		MPI_Mprobe(source, tag, comm, &m->matched, &s);
		MPI_Mrecv(m->bytes, BYTES_MAX, MPI_BYTE, &m->matched, &s);
		message_over(m, &s);
		return;
	case 3:
		while (MPI_Improbe(source, tag, comm, &flag, &m->matched, &s), !flag)
			sched_yield();
		MPI_Imrecv(m->bytes, BYTES_MAX, MPI_BYTE, &m->matched, &m->request);
		break;
	case 4:
		while (MPI_Iprobe(source, tag, comm, &flag, &s), !flag)
			sched_yield();
		CHECK_STATUS(&s, peer, tag, MPI_BYTE, m->plan.nbytes);
		MPI_Irecv(m->bytes, m->plan.nbytes, MPI_BYTE, peer, tag, comm, &m->request);
		break;
	case 5:
		m->persistent = true;
		MPI_Recv_init(m->bytes, BYTES_MAX, MPI_BYTE, source, tag, comm, &m->request);
		MPI_Start(&m->request);
		break;
	case 6:
		MPI_Type_contiguous(BYTES_MAX, MPI_BYTE, &type);
		MPI_Type_commit(&type);
		MPI_Irecv(m->bytes, 1, type, source, tag, comm, &m->request);
		MPI_Type_free(&type);
		break;
	default:
		MPI_Irecv(m->bytes, BYTES_MAX, MPI_BYTE, source, tag, comm, &m->request);
	}
	post(w, m);
}

/* All that is afoot, in one of all ways. */
static void finish_afoot(struct worker *w)
{
	MPI_Request r[2 * BURST];
	MPI_Status s[2 * BURST];

	for (int i = 0; i < w->n_afoot; i++)
		r[i] = w->afoot[i]->request;
	check_forget(s, w->n_afoot);
	finish((enum way)choose(w, WAYS), w->n_afoot, r, s);
	for (int i = 0; i < w->n_afoot; i++) {
		w->afoot[i]->request = r[i];
		message_over(w->afoot[i], &s[i]);
	}
	w->n_afoot = 0;
}

/* ---- requests that others complete ---------------------------------------------------- */

static struct {
	pthread_mutex_t lock;
	struct message *message;
} boxes[BOXES];

/* Puts one in a box, and gets what was there. */
static void hand_over(struct worker *w)
{
	int box = choose(w, BOXES), which;
	struct message *mine;

	if (!w->n_afoot)
		return;
	which = choose(w, w->n_afoot);
	pthread_mutex_lock(&boxes[box].lock);
	mine = boxes[box].message;
	boxes[box].message = w->afoot[which];
	pthread_mutex_unlock(&boxes[box].lock);
	if (mine)
		w->afoot[which] = mine;
	else
		w->afoot[which] = w->afoot[--w->n_afoot];
	atomic_fetch_add(&soak.handed, 1);
}

/* ---- acts without a message of the plan ------------------------------------------------- */

/* One for whichever thread of the other rank takes it: its sender and number. */
static void send_any(struct worker *w, int step, int *out, MPI_Request *r)
{
	out[0] = w->number;
	out[1] = step;
	MPI_Isend(out, 2, MPI_INT, 1 - check_rank, step % 2, soak.any, r);
	atomic_fetch_add(&soak.any_sent, 1);
}

static void receive_any(struct worker *w)
{
	int in[2] = { -1, -1 };
	MPI_Message message;
	MPI_Request r;
	MPI_Status s;

	check_forget(&s, 1);
	if (choose(w, 2)) {
		MPI_Irecv(in, 2, MPI_INT, MPI_ANY_SOURCE, MPI_ANY_TAG, soak.any, &r);
		finish((enum way)choose(w, WAYS), 1, &r, &s);
	} else {
		MPI_Mprobe(1 - check_rank, MPI_ANY_TAG, soak.any, &message, &s);
		MPI_Mrecv(in, 2, MPI_INT, &message, &s);
	}
	CHECK(in[0] >= 0 && in[0] < soak.threads && in[1] >= 0, "from thread %d, step %d", in[0],
	      in[1]);
	CHECK_STATUS(&s, 1 - check_rank, in[1] % 2, MPI_INT, 2);
	if (in[1] < SEEN)
		CHECK(atomic_fetch_add(&soak.seen[in[0]][in[1]], 1) == 0, "it has come twice");
	atomic_fetch_add(&soak.any_received, 1);
}

static void cancel_one(void)
{
	int in, flag = 0;
	MPI_Request r;
	MPI_Status s;

	MPI_Irecv(&in, 1, MPI_INT, MPI_ANY_SOURCE, TAG_NEVER, soak.any, &r);
	MPI_Cancel(&r);
	check_forget(&s, 1);
	MPI_Wait(&r, &s);
	MPI_Test_cancelled(&s, &flag);
	CHECK(flag, "a receive without a message was not cancelled");
	atomic_fetch_add(&soak.cancelled, 1);
}

/* ---- steps --------------------------------------------------------------------------------- */

static void exchange(struct worker *w, int step)
{
	int first = (w->number + step) % 2;

	for (int half = 0; half < 2; half++) {
		int sender = half ? 1 - first : first, n = n_planned(w, sender, step);

		for (int i = 0; i < n; i++) {
			struct plan plan = plan_of(w, sender, step, i);
			struct message *m = message_new(&plan, sender != check_rank);

			if (m->receive)
				receive_it(w, m);
			else
				send_it(w, m);
		}
		if (choose(w, 4) == 0)
			hand_over(w);
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;
	double end = check_now() + soak.seconds;
	int more = 1;

	for (int step = 0; more; step++) {
		int any[2], goes_on = check_now() < end, theirs;
		MPI_Request r;
		MPI_Status s;

		send_any(w, step, any, &r);
		exchange(w, step);
		if (choose(w, 8) == 0)
			cancel_one();
		receive_any(w);
		finish_afoot(w);
		finish((enum way)choose(w, WAYS), 1, &r, &s);
		MPI_Sendrecv(&goes_on, 1, MPI_INT, 1 - check_rank, TAG_CONTROL, &theirs, 1, MPI_INT,
		             1 - check_rank, TAG_CONTROL, w->pair, MPI_STATUS_IGNORE);
		more = goes_on && theirs;
	}
	return NULL;
}

/* What was handed over and taken by nobody. */
static void empty_boxes(void)
{
	struct worker last = { .random = 1 };

	for (int i = 0; i < BOXES; i++)
		if (boxes[i].message)
			post(&last, boxes[i].message);
	finish_afoot(&last);
}

static void check_books(void)
{
	long long sent = atomic_load(&soak.any_sent), theirs, flag, sums[3], mine[3];
	int there;

	MPI_Sendrecv(&sent, 1, MPI_LONG_LONG, 1 - check_rank, 0, &theirs, 1, MPI_LONG_LONG,
	             1 - check_rank, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	CHECK_INT(atomic_load(&soak.any_received), theirs);
	MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, soak.any, &there, MPI_STATUS_IGNORE);
	CHECK(!there, "a message is left");
	MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, soak.all, &there, MPI_STATUS_IGNORE);
	CHECK(!there, "a message is left");
	flag = atomic_load(&soak.messages);
	mine[0] = flag;
	mine[1] = atomic_load(&soak.handed);
	mine[2] = atomic_load(&soak.cancelled);
	MPI_Reduce(mine, sums, 3, MPI_LONG_LONG, MPI_SUM, 0, MPI_COMM_WORLD);
	if (check_rank == 0)
		printf("%lld messages, %lld handed over, %lld cancelled\n", sums[0], sums[1],
		       sums[2]);
}

int main(int argc, char **argv)
{
	static struct worker workers[THREADS_MAX];
	pthread_t threads[THREADS_MAX];

	soak.seconds = argc > 1 ? atof(argv[1]) : 2;
	soak.threads = argc > 2 ? atoi(argv[2]) : 4;
	soak.seed = argc > 3 ? strtoull(argv[3], NULL, 0) : 1;
	if (soak.threads < 1 || soak.threads > THREADS_MAX)
		return 2;
	check_begin((unsigned)soak.seconds + 60);
	MPI_Comm_dup(MPI_COMM_WORLD, &soak.all);
	MPI_Comm_dup(MPI_COMM_WORLD, &soak.any);
	for (int i = 0; i < BOXES; i++)
		pthread_mutex_init(&boxes[i].lock, NULL);
	for (int i = 0; i < soak.threads; i++) {
		workers[i].number = i;
		workers[i].random = mix(soak.seed + 77, (uint64_t)(2 * i + check_rank));
		MPI_Comm_dup(MPI_COMM_WORLD, &workers[i].pair);
	}
	for (int i = 0; i < soak.threads; i++)
		threads[i] = check_thread(work, &workers[i]);
	for (int i = 0; i < soak.threads; i++)
		pthread_join(threads[i], NULL);
	empty_boxes();
	check_books();
	for (int i = 0; i < soak.threads; i++)
		MPI_Comm_free(&workers[i].pair);
	MPI_Comm_free(&soak.all);
	MPI_Comm_free(&soak.any);
	check_ok("soak", "");
	MPI_Finalize();
	return 0;
}
