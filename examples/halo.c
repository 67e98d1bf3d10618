/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heat in a square plate, by Jacobi's iteration on a grid that is cut into one block a rank. In
 * each iteration
 *
 *   - the halo is exchanged (ferry_irecv, ferry_isend), while the inner points are computed, which
 *     need no halo;
 *   - then the points at the edge of the block are computed;
 *   - the residual is summed over all ranks (ferry_allreduce), while the next iteration is
 *     computed; it is looked at after that iteration.
 *
 * The program itself uses MPI, too: the blocks are neighbours in a Cartesian communicator, and a
 * column travels as a datatype. At the end rank 0 gathers the blocks (ferry_gather) and compares
 * them with its own serial solution, bit by bit.
 *
 *   mpiexec -n 4 halo [points a side [iterations]]
 */
#include <ferry_mpi.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOLERANCE 1e-8 /* of the sum of squares that one iteration changes */

static void check(int status, const char *what)
{
	if (!status)
		return;
	fprintf(stderr, "halo: %s: %s: %s\n", what, ferry_strerror(status), ferry_last_error());
	MPI_Abort(MPI_COMM_WORLD, 1);
}
#define TRY(call) check(call, #call)

/* A part of the grid, with one more point on each side: the halo, or the plate's boundary. */
struct block {
	int row, column; /* of its first point in the whole grid */
	int rows, columns;
	double *now, *next;
};

struct solver {
	ferry *engine;
	MPI_Comm comm;
	int side;
	int up, down, left, right; /* neighbours, or MPI_PROC_NULL */
	MPI_Datatype column;
	struct block block;
	ferry_future *halo[8];
	ferry_future *summing; /* the residual of the iteration before, or NULL */
	double mine, all;      /* what is being summed, and the sum */
};

static double *at(const struct block *b, double *points, int row, int column)
{
	return points + (size_t)row * (size_t)(b->columns + 2) + column;
}

/* The plate is hot at its upper side, a sine, and cold elsewhere. */
static void block_create(struct block *b, int side)
{
	size_t n = (size_t)(b->rows + 2) * (size_t)(b->columns + 2);
	b->now = calloc(n, sizeof(double));
	b->next = calloc(n, sizeof(double));
	if (!b->now || !b->next)
		check(FERRY_ENOMEM, "the grid");
	for (int c = 0; b->row == 0 && c < b->columns + 2; c++)
		*at(b, b->now, 0, c) = *at(b, b->next, 0, c) =
			sin(acos(-1) * (b->column + c) / (side + 1));
}

/* One iteration for the points from row r0 to r1 and column c0 to c1. Returns the change. */
static double compute(struct block *b, int r0, int r1, int c0, int c1)
{
	double changed = 0;
	int width = b->columns + 2;
	for (int r = r0; r <= r1; r++) {
		const double *p = at(b, b->now, r, c0);
		double *to = at(b, b->next, r, c0);
		for (int c = c0; c <= c1; c++, p++, to++) {
			*to = 0.25 * (p[-width] + p[width] + p[-1] + p[1]);
			changed += (*to - *p) * (*to - *p);
		}
	}
	return changed;
}

static void block_turn(struct block *b)
{
	double *before = b->now;
	b->now = b->next;
	b->next = before;
}

/* ---- in parallel -------------------------------------------------------------- */

/* The tag says in which direction the message goes. */
enum { UPWARDS, DOWNWARDS, LEFTWARDS, RIGHTWARDS };

static void start_halo(struct solver *s)
{
	struct block *b = &s->block;
	ferry *e = s->engine;
	ferry_future **f = s->halo;
	int n = b->columns, last = b->rows;
	TRY(ferry_irecv(e, at(b, b->now, 0, 1), n, MPI_DOUBLE, s->up, DOWNWARDS, s->comm, f++));
	TRY(ferry_irecv(e, at(b, b->now, last + 1, 1), n, MPI_DOUBLE, s->down, UPWARDS, s->comm,
	                f++));
	TRY(ferry_irecv(e, at(b, b->now, 1, 0), 1, s->column, s->left, RIGHTWARDS, s->comm, f++));
	TRY(ferry_irecv(e, at(b, b->now, 1, n + 1), 1, s->column, s->right, LEFTWARDS, s->comm,
	                f++));
	TRY(ferry_isend(e, at(b, b->now, 1, 1), n, MPI_DOUBLE, s->up, UPWARDS, s->comm, f++));
	TRY(ferry_isend(e, at(b, b->now, last, 1), n, MPI_DOUBLE, s->down, DOWNWARDS, s->comm,
	                f++));
	TRY(ferry_isend(e, at(b, b->now, 1, 1), 1, s->column, s->left, LEFTWARDS, s->comm, f++));
	TRY(ferry_isend(e, at(b, b->now, 1, n), 1, s->column, s->right, RIGHTWARDS, s->comm, f++));
}

static void finish_halo(struct solver *s)
{
	TRY(ferry_finish_all(s->halo, 8, FERRY_FOREVER));
}

static double compute_edge(struct block *b)
{
	return compute(b, 1, 1, 1, b->columns) + compute(b, b->rows, b->rows, 1, b->columns) +
	       compute(b, 2, b->rows - 1, 1, 1) +
	       compute(b, 2, b->rows - 1, b->columns, b->columns);
}

/* True: the residual of the iteration before is small enough. */
static int converged(struct solver *s)
{
	if (!s->summing)
		return 0;
	TRY(ferry_future_wait(s->summing, FERRY_FOREVER));
	ferry_future_release(s->summing);
	s->summing = NULL;
	return s->all < TOLERANCE;
}

/* How many iterations were needed. */
static int solve(struct solver *s, int iterations)
{
	struct block *b = &s->block;
	int done = 0;
	while (done < iterations) {
		start_halo(s);
		double changed = compute(b, 2, b->rows - 1, 2, b->columns - 1);
		finish_halo(s);
		changed += compute_edge(b);
		block_turn(b);
		done++;
		if (converged(s))
			break;
		s->mine = changed;
		TRY(ferry_allreduce(s->engine, &s->mine, &s->all, 1, MPI_DOUBLE, MPI_SUM,
		                    &s->summing));
	}
	converged(s);
	return done;
}

/* ---- the serial solution --------------------------------------------------------- */

static double solve_serially(struct block *whole, int iterations)
{
	double changed = 0;
	for (int i = 0; i < iterations; i++) {
		changed = compute(whole, 1, whole->rows, 1, whole->columns);
		block_turn(whole);
	}
	return changed;
}

/* Where the block of a rank is. All ranks compute this in the same way. */
static void place(struct solver *s, int rank, struct block *b)
{
	int dims[2], periods[2], mine[2], here[2];
	MPI_Cart_get(s->comm, 2, dims, periods, mine);
	MPI_Cart_coords(s->comm, rank, 2, here);
	b->row = here[0] * s->side / dims[0];
	b->rows = (here[0] + 1) * s->side / dims[0] - b->row;
	b->column = here[1] * s->side / dims[1];
	b->columns = (here[1] + 1) * s->side / dims[1] - b->column;
}

static int differing(struct solver *s, ferry_message *blocks, struct block *whole)
{
	int bad = 0;
	for (int rank = 0; rank < ferry_size(s->engine); rank++) {
		struct block b;
		place(s, rank, &b);
		double *points =
			(double *)(uintptr_t)ferry_message_attachment(blocks, (size_t)rank, NULL);
		for (int r = 1; r <= b.rows; r++)
			for (int c = 1; c <= b.columns; c++)
				bad += *at(&b, points, r, c) !=
				       *at(whole, whole->now, b.row + r, b.column + c);
	}
	return bad;
}

/* 0: all ranks together found what one rank finds alone. */
static int verify(struct solver *s, int iterations)
{
	struct block *b = &s->block, whole = { .rows = s->side, .columns = s->side };
	ferry_future *gathering;
	ferry_message *blocks;
	size_t n = (size_t)(b->rows + 2) * (size_t)(b->columns + 2);
	TRY(ferry_gather(s->engine, b->now, n * sizeof(double), 0, &gathering));
	TRY(ferry_future_wait(gathering, FERRY_FOREVER));
	int bad = 0;
	if (ferry_rank(s->engine) == 0) {
		TRY(ferry_future_take(gathering, &blocks));
		block_create(&whole, s->side);
		double changed = solve_serially(&whole, iterations);
		bad = differing(s, blocks, &whole);
		printf("halo: %d x %d points on %d ranks, %d iterations, residual %.3g (alone "
		       "%.3g), %d points differ\n",
		       s->side, s->side, ferry_size(s->engine), iterations, sqrt(s->all),
		       sqrt(changed), bad);
		bad += fabs(s->all - changed) > 1e-6 * changed + TOLERANCE;
		free(whole.now);
		free(whole.next);
		ferry_message_release(blocks);
	}
	ferry_future_release(gathering);
	return bad != 0;
}

/* ---- all of it --------------------------------------------------------------------- */

static void solver_create(struct solver *s, int side)
{
	int ranks, rank, dims[2] = { 0, 0 }, periods[2] = { 0, 0 };
	MPI_Comm_size(MPI_COMM_WORLD, &ranks);
	MPI_Dims_create(ranks, 2, dims);
	MPI_Cart_create(MPI_COMM_WORLD, 2, dims, periods, 0, &s->comm);
	MPI_Comm_rank(s->comm, &rank);
	MPI_Cart_shift(s->comm, 0, 1, &s->up, &s->down);
	MPI_Cart_shift(s->comm, 1, 1, &s->left, &s->right);
	TRY(ferry_open_comm(s->comm, NULL, &s->engine));
	s->side = side;
	place(s, rank, &s->block);
	if (s->block.rows < 2 || s->block.columns < 2)
		check(FERRY_EINVAL, "each rank needs at least 2 x 2 points");
	block_create(&s->block, side);
	MPI_Type_vector(s->block.rows, 1, s->block.columns + 2, MPI_DOUBLE, &s->column);
	MPI_Type_commit(&s->column);
}

static void solver_destroy(struct solver *s)
{
	TRY(ferry_close(s->engine));
	MPI_Type_free(&s->column);
	MPI_Comm_free(&s->comm);
	free(s->block.now);
	free(s->block.next);
}

/* The argument as a number from 1 to `most`; `number` if there is no argument, 0 if it is wrong. */
static int read_number(int argc, char **argv, int at, int number, int most)
{
	char *end;
	if (argc <= at)
		return number;
	long given = strtol(argv[at], &end, 10);
	return end == argv[at] || *end || given < 1 || given > most ? 0 : (int)given;
}

int main(int argc, char **argv)
{
	struct solver solver = { 0 };
	int provided, rank;
	MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	int side = read_number(argc, argv, 1, 120, 10000),
	    iterations = read_number(argc, argv, 2, 300, 100000000);
	if (argc > 3 || !side || !iterations) {
		if (rank == 0)
			fprintf(stderr, "halo: give at most two numbers: points a side, from 1 to "
			                "10000, and iterations\n");
		MPI_Finalize();
		return 2;
	}
	solver_create(&solver, side);
	int bad = verify(&solver, solve(&solver, iterations));
	solver_destroy(&solver);
	MPI_Finalize();
	return bad;
}
