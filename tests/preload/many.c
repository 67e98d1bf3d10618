/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that come and go. `many N`, N of 0 to 4: rank 0 and rank 1 each block in another call
 * while a second thread calls MPI for the first time, which a process can see only once.
 */
#include "check.h"

enum { TAG = 60, TAG_PEER = 61, TAG_LATE = 62, SHORT_THREADS = 100, LOOPS = 8, ROUNDS = 10 };

static MPI_Comm comm; /* of both ranks */
static MPI_Comm self; /* of this one */

/* ---- one thread ------------------------------------------------------------- */

/* Blocking calls, while no other thread has called MPI. */
static void alone(void)
{
	int peer = 1 - check_rank, in, flag, sum;
	MPI_Message message;
	MPI_Status s;

	for (int i = 0; i < ROUNDS; i++) {
		for (int sender = 0; sender < 2; sender++) {
			in = -1;
			if (check_rank == sender) {
				if (i % 2)
					MPI_Ssend(&i, 1, MPI_INT, peer, TAG, comm);
				else
					MPI_Send(&i, 1, MPI_INT, peer, TAG, comm);
				continue;
			}
			check_forget(&s, 1);
			if (i % 3 == 1)
				MPI_Probe(MPI_ANY_SOURCE, TAG, comm, &s);
			if (i % 3 == 2) {
				MPI_Mprobe(peer, TAG, comm, &message, &s);
				MPI_Mrecv(&in, 1, MPI_INT, &message, &s);
			} else {
				MPI_Recv(&in, 1, MPI_INT, peer, MPI_ANY_TAG, comm, &s);
			}
			CHECK_STATUS(&s, peer, TAG, MPI_INT, 1);
			CHECK_INT(in, i);
		}
		MPI_Sendrecv(&i, 1, MPI_INT, peer, TAG, &in, 1, MPI_INT, peer, TAG, comm, &s);
		CHECK_INT(in, i);
		MPI_Allreduce(&i, &sum, 1, MPI_INT, MPI_SUM, comm);
		CHECK_INT(sum, 2 * i);
	}
	MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, comm, &flag, &s);
	CHECK(!flag, "a message is left");
}

/* ---- the second thread comes ---------------------------------------------------- */

enum block {
	RECV,
	IN_WAIT,
	PROBE,
	IN_WAITALL,
	IN_WAITANY,
	IN_WAITSOME,
	MPROBE,
	SSEND,
	SENDRECV,
	BLOCKS
};

static enum block block_of(int number, int rank)
{
	return (enum block)((2 * number + rank) % BLOCKS);
}

/* Another thread waits as well, and then lets the first one of the peer go. */
static void *come_second(void *arg)
{
	int peer = 1 - check_rank, in = -1, out = 70;
	enum block theirs = block_of(*(int *)arg, peer);
	MPI_Request r[2];
	MPI_Status s[2];

	check_sleep_us(20000);
	MPI_Irecv(&in, 1, MPI_INT, peer, TAG_PEER, comm, &r[0]);
	MPI_Isend(&out, 1, MPI_INT, peer, TAG_PEER, comm, &r[1]);
	MPI_Waitall(2, r, s);
	CHECK_INT(in, 70);
	check_sleep_us(5000);
	if (theirs == SSEND || theirs == SENDRECV) {
		MPI_Recv(&in, 1, MPI_INT, peer, TAG, comm, s);
		CHECK_INT(in, 71);
	}
	if (theirs != SSEND)
		MPI_Send(&out, 1, MPI_INT, peer, TAG_LATE, comm);
	return NULL;
}

static int block_in(enum block block)
{
	int peer = 1 - check_rank, in = -1, out = 71, index = -1, some = 0, which[2];
	MPI_Request r[2] = { MPI_REQUEST_NULL, MPI_REQUEST_NULL };
	MPI_Message message;
	MPI_Status s[2];

	check_forget(s, 2);
	if (block == IN_WAIT || block == IN_WAITALL || block == IN_WAITANY || block == IN_WAITSOME)
		MPI_Irecv(&in, 1, MPI_INT, MPI_ANY_SOURCE, TAG_LATE, comm, &r[1]);
	switch (block) {
	case RECV:
		MPI_Recv(&in, 1, MPI_INT, peer, TAG_LATE, comm, s);
		break;
	case IN_WAIT:
		MPI_Wait(&r[1], s);
		break;
	case PROBE:
		MPI_Probe(peer, TAG_LATE, comm, s);
		CHECK_STATUS(s, peer, TAG_LATE, MPI_INT, 1);
		MPI_Recv(&in, 1, MPI_INT, peer, TAG_LATE, comm, s);
		break;
	case IN_WAITALL:
		MPI_Waitall(2, r, s);
		s[0] = s[1];
		break;
	case IN_WAITANY:
		MPI_Waitany(2, r, &index, s);
		CHECK_INT(index, 1);
		break;
	case IN_WAITSOME:
		MPI_Waitsome(2, r, &some, which, s);
		CHECK_INT(some, 1);
		CHECK_INT(which[0], 1);
		break;
	case MPROBE:
		MPI_Mprobe(MPI_ANY_SOURCE, TAG_LATE, comm, &message, s);
		MPI_Mrecv(&in, 1, MPI_INT, &message, s);
		break;
	case SSEND:
		MPI_Ssend(&out, 1, MPI_INT, peer, TAG, comm);
		return 70;
	default:
		MPI_Sendrecv(&out, 1, MPI_INT, peer, TAG, &in, 1, MPI_INT, peer, TAG_LATE, comm, s);
	}
	CHECK(r[1] == MPI_REQUEST_NULL, "the handle is left");
	CHECK_STATUS(s, peer, TAG_LATE, MPI_INT, 1);
	return in;
}

static void second_comes(int number)
{
	pthread_t thread = check_thread(come_second, &number);

	CHECK_INT(block_in(block_of(number, check_rank)), 70);
	pthread_join(thread, NULL);
	check_ok("a second thread comes while the first is blocked", "");
}

/* ---- what the first thread posted before -------------------------------------------- */

static struct {
	MPI_Request before[3];
	int in[3];
} first;

static void post_before(void)
{
	for (int i = 0; i < 3; i++) {
		first.in[i] = -1;
		MPI_Irecv(&first.in[i], 1, MPI_INT, 1 - check_rank, TAG + 10 + i, comm,
		          &first.before[i]);
	}
}

/* Requests from before are completed together with those of now. */
static void mix_with_before(void)
{
	int peer = 1 - check_rank, in[3], out[6] = { 0, 1, 2, 3, 4, 5 };
	MPI_Request r[12];
	MPI_Status s[12];
	struct noise noise;

	noise_begin(&noise);
	check_sleep_us(1000);
	for (int i = 0; i < 3; i++) {
		r[2 * i] = first.before[i];
		MPI_Irecv(&in[i], 1, MPI_INT, peer, TAG + 13 + i, comm, &r[2 * i + 1]);
	}
	for (int i = 0; i < 6; i++)
		MPI_Isend(&out[i], 1, MPI_INT, peer, TAG + 10 + i, comm, &r[6 + i]);
	finish(WAITSOME, 12, r, s);
	noise_end(&noise);
	for (int i = 0; i < 3; i++) {
		CHECK_INT(first.in[i], i);
		CHECK_INT(in[i], 3 + i);
		CHECK_STATUS(&s[2 * i], peer, TAG + 10 + i, MPI_INT, 1);
		CHECK_STATUS(&s[2 * i + 1], peer, TAG + 13 + i, MPI_INT, 1);
	}
	check_ok("requests from before the second thread", "");
}

/* ---- threads that come and go --------------------------------------------------------- */

struct short_life {
	int number, in, out, left_in, left_out;
	MPI_Request left[2]; /* what it leaves to others */
};

static void *live_shortly(void *arg)
{
	struct short_life *life = arg;
	int peer = 1 - check_rank;
	MPI_Request r[2];
	MPI_Status s[2];

	life->out = life->number;
	MPI_Irecv(&life->left_in, 1, MPI_INT, peer, 1000 + life->number, comm, &life->left[0]);
	MPI_Irecv(&life->in, 1, MPI_INT, peer, life->number, comm, &r[0]);
	MPI_Isend(&life->out, 1, MPI_INT, peer, life->number, comm, &r[1]);
	if (life->number % 4 == 0)
		MPI_Request_free(&r[1]);
	else if (life->number % 4 == 1)
		MPI_Sendrecv(&life->out, 1, MPI_INT, 0, life->number, &life->left_out, 1, MPI_INT,
		             0, life->number, self, s);
	finish((enum way)(life->number % WAYS), 2, r, s);
	CHECK_INT(life->in, life->number);
	if (life->number % 4 == 1)
		CHECK_INT(life->left_out, life->number);
	life->left_out = 1000 + life->number;
	MPI_Isend(&life->left_out, 1, MPI_INT, peer, 1000 + life->number, comm, &life->left[1]);
	return NULL;
}

static void come_and_go(void)
{
	enum { AT_ONCE = 5 };
	static struct short_life lives[SHORT_THREADS];
	static MPI_Request r[2 * SHORT_THREADS];
	static MPI_Status s[2 * SHORT_THREADS];
	pthread_t threads[AT_ONCE];

	for (int i = 0; i < SHORT_THREADS; i += AT_ONCE) {
		for (int k = 0; k < AT_ONCE; k++) {
			lives[i + k].number = i + k;
			threads[k] = check_thread(live_shortly, &lives[i + k]);
		}
		for (int k = 0; k < AT_ONCE; k++)
			pthread_join(threads[k], NULL);
	}
	for (int i = 0; i < SHORT_THREADS; i++)
		memcpy(&r[2 * i], lives[i].left, sizeof lives[i].left);
	finish(TESTSOME, 2 * SHORT_THREADS, r, s);
	for (int i = 0; i < SHORT_THREADS; i++) {
		CHECK_INT(lives[i].left_in, 1000 + i);
		CHECK_STATUS(&s[2 * i], 1 - check_rank, 1000 + i, MPI_INT, 1);
	}
	check_ok("threads that come and go", "");
}

/* ---- loops of Test beside calls that block ---------------------------------------------- */

static atomic_bool over;

/* Until the very end each of them has a receive open, and asks for it in its own way. */
static void *test_until_over(void *arg)
{
	int me = *(int *)arg, in = -1, flag = 0, index, some, which[1];
	MPI_Request r;
	MPI_Status s;

	MPI_Irecv(&in, 1, MPI_INT, 0, 100 + me, self, &r);
	while (!atomic_load(&over)) {
		if (me % 4 == 0)
			MPI_Test(&r, &flag, &s);
		else if (me % 4 == 1)
			MPI_Testany(1, &r, &index, &flag, &s);
		else if (me % 4 == 2)
			MPI_Testall(1, &r, &flag, &s);
		else
			MPI_Testsome(1, &r, &some, which, &s), flag = some;
		CHECK(!flag, "a receive has ended without a message");
		if (me >= 4)
			sched_yield();
	}
	MPI_Send(&me, 1, MPI_INT, 0, 100 + me, self);
	finish((enum way)me, 1, &r, &s);
	CHECK_INT(in, me);
	return NULL;
}

static void *block_in_turn(void *arg)
{
	int me = *(int *)arg, in, peer = 1 - check_rank;
	MPI_Status s;

	for (int i = 0; i < ROUNDS; i++) {
		if (check_rank == i % 2)
			MPI_Ssend(&i, 1, MPI_INT, peer, 200 + me, comm);
		check_forget(&s, 1);
		if (check_rank != i % 2 && i % 3)
			MPI_Probe(peer, 200 + me, comm, &s);
		if (check_rank != i % 2) {
			MPI_Recv(&in, 1, MPI_INT, peer, 200 + me, comm, &s);
			CHECK_INT(in, i);
		}
	}
	return NULL;
}

static pthread_t testers[LOOPS];
static int numbers[LOOPS];

static void test_loops(void)
{
	pthread_t blockers[LOOPS];
	int in, peer = 1 - check_rank;
	MPI_Status s;

	for (int i = 0; i < LOOPS; i++) {
		numbers[i] = i;
		testers[i] = check_thread(test_until_over, &numbers[i]);
	}
	for (int i = 0; i < LOOPS / 2; i++)
		blockers[i] = check_thread(block_in_turn, &numbers[i]);
	for (int i = 0; i < ROUNDS; i++) {
		MPI_Sendrecv(&i, 1, MPI_INT, peer, TAG, &in, 1, MPI_INT, peer, TAG, comm, &s);
		CHECK_INT(in, i);
	}
	for (int i = 0; i < LOOPS / 2; i++)
		pthread_join(blockers[i], NULL);
	check_ok("loops of Test beside calls that block", "");
}

/* They test until just before the end. */
static void end_loops(void)
{
	MPI_Barrier(MPI_COMM_WORLD);
	atomic_store(&over, true);
	for (int i = 0; i < LOOPS; i++)
		pthread_join(testers[i], NULL);
}

int main(int argc, char **argv)
{
	int number = argc > 1 ? atoi(argv[1]) : 0;

	check_begin(60);
	MPI_Comm_dup(MPI_COMM_WORLD, &comm);
	MPI_Comm_dup(MPI_COMM_SELF, &self);
	alone();
	check_ok("one thread alone", "");
	post_before();
	second_comes(number);
	mix_with_before();
	/* the rest is the same for all of them */
	if (number == 0) {
		come_and_go();
		test_loops();
	}
	MPI_Comm_free(&comm);
	if (number == 0)
		end_loops();
	MPI_Finalize();
	if (check_rank == 0)
		puts("ok MPI_Finalize");
	return 0;
}
