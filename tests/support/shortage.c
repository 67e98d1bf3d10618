/* SPDX-License-Identifier: Apache-2.0 */
#include "shortage.h"
#include "base/clock.h"
#include "base/order.h"
#include "port/port.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* 1 while allocations are counted: set by begin (release), cleared by end (swap), read by
 * all (acquire) */
static uint32_t looked_at;
static uint64_t held; /* blocks that were not freed: atomic add */
static struct {       /* under lock */
	unsigned paused;
	unsigned long first, count, counted, failed;
	size_t nbytes;
	unsigned one_in;
	uint64_t random;
	int64_t lasts, until; /* ns; until: from the first that failed on */
} shortage;

void shortage_begin(unsigned long first, unsigned long count, size_t nbytes)
{
	pthread_mutex_lock(&lock);
	shortage.first = first;
	shortage.count = count;
	shortage.nbytes = nbytes;
	shortage.one_in = 0;
	shortage.lasts = shortage.until = 0;
	shortage.counted = shortage.failed = 0;
	pthread_mutex_unlock(&lock);
	fy_store_release_32(&looked_at, 1);
}

void shortage_begin_for(unsigned long first, unsigned long count, int64_t lasts)
{
	shortage_begin(first, count, 0);
	shortage.lasts = lasts;
}

void shortage_begin_random(unsigned long seed, unsigned one_in)
{
	shortage_begin(one_in ? 1 : 0, SHORTAGE_ALL, 0);
	shortage.one_in = one_in;
	shortage.random = seed * UINT64_C(0x9e3779b97f4a7c15);
}

unsigned long shortage_end(void)
{
	return fy_swap_32(&looked_at, 0) ? shortage_failed() : 0;
}

unsigned long shortage_held(void)
{
	return (unsigned long)fy_load_acquire_64(&held);
}

unsigned long shortage_counted(void)
{
	return shortage.counted;
}

unsigned long shortage_failed(void)
{
	pthread_mutex_lock(&lock);
	unsigned long failed = shortage.failed;
	pthread_mutex_unlock(&lock);
	return failed;
}

void shortage_pause(void)
{
	shortage.paused++;
}

void shortage_resume(void)
{
	shortage.paused--;
}

static bool one_of(unsigned n)
{
	shortage.random = shortage.random * UINT64_C(6364136223846793005) + 1;
	return (shortage.random >> 33) % n == 0;
}

/* Has it lasted as long as it was to? */
static bool is_over(void)
{
	int64_t now = shortage.lasts ? fy_clock_now() : 0;
	if (shortage.lasts && !shortage.until)
		shortage.until = now + shortage.lasts;
	return shortage.lasts && now >= shortage.until;
}

static bool is_to_fail(size_t nbytes)
{
	if (shortage.paused || nbytes < shortage.nbytes)
		return false;
	shortage.counted++;
	if (!shortage.first || shortage.counted < shortage.first ||
	    shortage.failed >= shortage.count)
		return false;
	if (shortage.one_in && !one_of(shortage.one_in))
		return false;
	if (is_over())
		return false;
	shortage.failed++;
	return true;
}

static bool fails(size_t nbytes)
{
	if (!fy_load_acquire_32(&looked_at))
		return false;
	pthread_mutex_lock(&lock);
	bool failed = is_to_fail(nbytes);
	pthread_mutex_unlock(&lock);
	if (failed)
		errno = ENOMEM;
	return failed;
}

static void *hold(void *memory)
{
	if (memory)
		fy_add_64(&held, 1);
	return memory;
}

/* ---- what the linker puts in the way ------------------------------------------------ */

void *__real_malloc(size_t nbytes);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t nbytes);
void *__real_aligned_alloc(size_t alignment, size_t nbytes);
int __real_posix_memalign(void **memory_p, size_t alignment, size_t nbytes);
char *__real_strdup(const char *text);
void __real_free(void *memory);

void *__wrap_malloc(size_t nbytes);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t nbytes);
void *__wrap_aligned_alloc(size_t alignment, size_t nbytes);
int __wrap_posix_memalign(void **memory_p, size_t alignment, size_t nbytes);
char *__wrap_strdup(const char *text);
void __wrap_free(void *memory);

void *__wrap_malloc(size_t nbytes)
{
	return fails(nbytes) ? NULL : hold(__real_malloc(nbytes));
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails(count * size) ? NULL : hold(__real_calloc(count, size));
}

void *__wrap_realloc(void *memory, size_t nbytes)
{
	if (fails(nbytes))
		return NULL;
	return memory ? __real_realloc(memory, nbytes) : hold(__real_malloc(nbytes));
}

void *__wrap_aligned_alloc(size_t alignment, size_t nbytes)
{
	return fails(nbytes) ? NULL : hold(__real_aligned_alloc(alignment, nbytes));
}

int __wrap_posix_memalign(void **memory_p, size_t alignment, size_t nbytes)
{
	int status = fails(nbytes) ? ENOMEM : __real_posix_memalign(memory_p, alignment, nbytes);
	if (status == 0)
		hold(*memory_p);
	return status;
}

char *__wrap_strdup(const char *text)
{
	return fails(strlen(text) + 1) ? NULL : hold(__real_strdup(text));
}

void __wrap_free(void *memory)
{
	if (memory)
		fy_add_64(&held, (uint64_t)-1);
	__real_free(memory);
}

/* ---- the network's own --------------------------------------------------------------- */

static const struct fy_port_ops *network; /* of all simulated ports */

static int spared_send(fy_port *port, int rank, int tag, const void *data, size_t nbytes,
                       fy_request *request)
{
	shortage_pause();
	int status = network->send(port, rank, tag, data, nbytes, request);
	shortage_resume();
	return status;
}

static int spared_recv(fy_port *port, int rank, int tag, void *data, size_t nbytes,
                       fy_request *request)
{
	shortage_pause();
	int status = network->recv(port, rank, tag, data, nbytes, request);
	shortage_resume();
	return status;
}

static bool spared_test(fy_port *port, fy_request *request)
{
	shortage_pause();
	bool done = network->test(port, request);
	shortage_resume();
	return done;
}

static void spared_cancel(fy_port *port, fy_request *request)
{
	shortage_pause();
	network->cancel(port, request);
	shortage_resume();
}

static int spared_close(fy_port *port, bool clean)
{
	shortage_pause();
	int status = network->close(port, clean);
	shortage_resume();
	return status;
}

void shortage_spare_port(fy_port *port)
{
	static struct fy_port_ops spared;
	if (port->ops == &spared)
		return;
	network = port->ops;
	spared = *network;
	spared.send = spared_send;
	spared.recv = spared_recv;
	spared.test = spared_test;
	spared.cancel = spared_cancel;
	spared.close = spared_close;
	port->ops = &spared;
}
