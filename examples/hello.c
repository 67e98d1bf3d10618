/* SPDX-License-Identifier: Apache-2.0 */
#include <ferry.h>
#include <stdio.h>
#include <stdlib.h>

static void must(int status) /* what went wrong, and the end */
{
	if (status == FERRY_OK)
		return;
	fprintf(stderr, "%s: %s\n", ferry_strname(status), ferry_last_error());
	_Exit(1);
}

static void hear(ferry *engine, ferry_message *message, void *answer)
{
	printf("rank %d hears \"%s\" from rank %d\n", ferry_rank(engine),
	       (const char *)ferry_message_body(message, NULL), ferry_message_source(message));
	if (answer)
		must(ferry_reply(message, answer, 5));
}

int main(void)
{
	ferry *engine;
	ferry_future *future;
	ferry_message *reply;

	must(ferry_open(NULL, &engine)); /* starts the thread that owns MPI */
	int next = (ferry_rank(engine) + 1) % ferry_size(engine);
	must(ferry_handle(engine, 1, FERRY_INLINE, hear, NULL));
	must(ferry_handle(engine, 2, FERRY_INLINE, hear, "aye!"));
	must(ferry_post(engine, next, 1, "ahoy", 5, NULL)); /* fire and forget, from any thread */
	/* asks, and does not wait ... */
	must(ferry_call(engine, next, 2, "all well?", 10, &future));
	must(ferry_future_wait(future, FERRY_FOREVER));
	must(ferry_future_take(future, &reply));
	printf("rank %d answers \"%s\"\n", next, (const char *)ferry_message_body(reply, NULL));
	ferry_message_release(reply);
	ferry_future_release(future);
	must(ferry_close(engine)); /* delivers all that was posted */
	return 0;
}
