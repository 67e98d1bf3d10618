/* SPDX-License-Identifier: Apache-2.0 */
#include <ferry.h>
#include <stdio.h>

static void hear(ferry *engine, ferry_message *message, void *answer)
{
	printf("rank %d hears \"%s\" from rank %d\n", ferry_rank(engine),
	       (const char *)ferry_message_body(message, NULL), ferry_message_source(message));
	if (answer)
		ferry_reply(message, answer, 5);
}

int main(void)
{
	ferry *engine;
	ferry_future *future;
	ferry_message *reply;

	if (ferry_open(NULL, &engine))                          /* starts the thread that owns MPI */
		return fprintf(stderr, "%s\n", ferry_last_error()), 1;
	int next = (ferry_rank(engine) + 1) % ferry_size(engine);
	ferry_handle(engine, 1, FERRY_INLINE, hear, NULL);
	ferry_handle(engine, 2, FERRY_INLINE, hear, "aye!");
	ferry_post(engine, next, 1, "ahoy", 5, NULL);           /* fire and forget, from any thread */
	ferry_call(engine, next, 2, "all well?", 10, &future);  /* asks, and does not wait ... */
	if (ferry_future_wait(future, FERRY_FOREVER) == FERRY_OK && ferry_future_take(future, &reply) == FERRY_OK) {
		printf("rank %d answers \"%s\"\n", next, (const char *)ferry_message_body(reply, NULL));
		ferry_message_release(reply);
	}
	ferry_future_release(future);
	return ferry_close(engine) ? 1 : 0;                     /* delivers all that was posted */
}
