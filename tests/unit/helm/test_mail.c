/* SPDX-License-Identifier: Apache-2.0 */
/* The helm's side of the mailbox: messages that come back from an executor find the new handler. */
#include "support/engine.h"

#include "helm/handlers.h"
#include "helm/mail.h"
#include "helm/peer.h"
#include "helm/progress.h"
#include "shared/handler.h"
#include "shared/mailbox.h"
#include "shared/message.h"

enum { OP = 5 };

static struct fy_mailbox *box;
static unsigned come_late;

/* As an executor does it that finds its handler closed. */
static void come_back(void)
{
	ferry_message *m = fy_message_new(t_engines[0], OP, 0);
	assert_non_null(m);
	m->source = 0;
	assert_non_null(fy_peer_get(fy_progress_of(t_engines[0]), 0)); /* it came from there */
	m->flags |= FY_MESSAGE_RETURNED;
	m->holds.charge = 1; /* for left() */
	fy_mailbox_push(box, m);
	fy_store_release_32(&box->rescan, 1);
}

/* The program wraps it: a message may come right after the inbox was emptied. */
bool __wrap_fy_mailbox_try(struct fy_mailbox *mailbox);
bool __real_fy_mailbox_try(struct fy_mailbox *mailbox);
bool __wrap_fy_mailbox_try(struct fy_mailbox *mailbox)
{
	bool open = __real_fy_mailbox_try(mailbox);
	if (open && come_late) {
		come_late--;
		come_back();
	}
	return open;
}

/* An engine that is never stepped has it run later. */
static void handle(ferry *engine, ferry_message *m, void *arg)
{
	(void)engine, (void)m, (void)arg;
}

/* How many are in the mailbox. */
static unsigned left(void)
{
	return (unsigned)box->bytes;
}

static void set_handler(void)
{
	struct fy_handler *h = calloc(1, sizeof *h);
	assert_non_null(h);
	*h = (struct fy_handler){ .op = OP, .fn = handle, .refs = 1 };
	assert_true(fy_mail_set_handler(t_helm(0), h, OP, NULL));
}

static void begin(void)
{
	box = &t_engines[0]->mailbox;
	come_late = 0;
	set_handler();
}

static void what_comes_back_is_handled(void **state)
{
	(void)state;
	begin();
	come_back();
	fy_mail_look(t_helm(0));
	assert_int_equal(left(), 0);
	assert_int_equal(box->rescan, 0);
}

static void what_comes_back_during_a_look_is_handled_by_the_next_one(void **state)
{
	(void)state;
	begin();
	come_back();
	come_late = 1;
	fy_mail_look(t_helm(0));
	assert_int_equal(left(), 1);
	fy_mail_look(t_helm(0));
	assert_int_equal(left(), 0);
}

static void a_reader_does_not_lose_it(void **state)
{
	(void)state;
	begin();
	come_back();
	pthread_mutex_lock(&box->lock); /* a reader */
	fy_mail_look(t_helm(0));
	pthread_mutex_unlock(&box->lock);
	assert_int_equal(left(), 1);
	fy_mail_look(t_helm(0));
	assert_int_equal(left(), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T_CASE(what_comes_back_is_handled),
		T_CASE(what_comes_back_during_a_look_is_handled_by_the_next_one),
		T_CASE(a_reader_does_not_lose_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
