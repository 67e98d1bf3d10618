/* SPDX-License-Identifier: Apache-2.0 */
/* The sink: a place of any length for what nobody keeps, in the memory of one piece. */
#include "support/engine.h"

#include <sys/mman.h>
#include <sys/types.h>

#include "bulk/sink.h"

/* ---- a system that has nothing left --------------------------------------------------------- */

static enum { NOTHING, MEMORY_FILE, LENGTH, SPACE, PIECE } fails;
static int mapped; /* spaces that were mapped and not unmapped */

int __real_memfd_create(const char *name, unsigned flags);
int __real_ftruncate(int file, off_t length);
void *__real_mmap(void *at, size_t nbytes, int protection, int flags, int file, off_t offset);
int __real_munmap(void *at, size_t nbytes);
int __wrap_memfd_create(const char *name, unsigned flags);
int __wrap_ftruncate(int file, off_t length);
void *__wrap_mmap(void *at, size_t nbytes, int protection, int flags, int file, off_t offset);
int __wrap_munmap(void *at, size_t nbytes);

int __wrap_memfd_create(const char *name, unsigned flags)
{
	return fails == MEMORY_FILE ? -1 : __real_memfd_create(name, flags);
}

int __wrap_ftruncate(int file, off_t length)
{
	return fails == LENGTH ? -1 : __real_ftruncate(file, length);
}

void *__wrap_mmap(void *at, size_t nbytes, int protection, int flags, int file, off_t offset)
{
	if (fails == (at ? PIECE : SPACE))
		return MAP_FAILED;
	mapped += !at;
	return __real_mmap(at, nbytes, protection, flags, file, offset);
}

int __wrap_munmap(void *at, size_t nbytes)
{
	mapped--;
	return __real_munmap(at, nbytes);
}

/* ---- the tests ------------------------------------------------------------------------------ */

static struct fy_bulk *bulk(void)
{
	fails = NOTHING;
	mapped = 0;
	return &t_helm(0)->bulk;
}

static void all_of_it_is_one_piece(void **state)
{
	struct fy_bulk *b = bulk();
	(void)state;
	assert_true(fy_sink_open(b));
	size_t piece = 256 << 10;
	b->sink.space[7] = 'a';
	b->sink.space[piece - 1] = 'z';
	assert_int_equal(b->sink.space[piece + 7], 'a');
	assert_int_equal(b->sink.space[2 * piece - 1], 'z');
	fy_sink_close(b, true);
	assert_null(b->sink.space);
	assert_int_equal(mapped, 0);
}

static void it_is_opened_once(void **state)
{
	struct fy_bulk *b = bulk();
	(void)state;
	assert_true(fy_sink_open(b));
	char *space = b->sink.space;
	assert_true(fy_sink_open(b));
	assert_ptr_equal(b->sink.space, space);
	assert_int_equal(mapped, 1);
	fy_sink_close(b, true);
	fy_sink_close(b, true); /* nothing is left to close */
	assert_int_equal(mapped, 0);
}

/* What MPI may still write to stays mapped. */
static void it_may_be_left_where_it_is(void **state)
{
	struct fy_bulk *b = bulk();
	(void)state;
	assert_true(fy_sink_open(b));
	char *space = b->sink.space;
	fy_sink_close(b, false);
	assert_null(b->sink.space);
	space[1] = 'x';
	assert_int_equal(mapped, 1);
}

static void what_cannot_be_had_leaves_nothing(void **state)
{
	struct fy_bulk *b = bulk();
	(void)state;
	for (fails = MEMORY_FILE; fails <= PIECE; fails++) {
		assert_false(fy_sink_open(b));
		assert_null(b->sink.space);
		assert_int_equal(mapped, 0);
	}
	fails = NOTHING;
	assert_true(fy_sink_open(b)); /* and later it can */
	fy_sink_close(b, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_CASE(all_of_it_is_one_piece),
		T_CASE(it_is_opened_once),
		T_CASE(it_may_be_left_where_it_is),
		T_CASE(what_cannot_be_had_leaves_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
