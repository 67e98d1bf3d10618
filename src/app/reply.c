/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replies of the program to requests. Any thread, also in handlers. The first answer counts.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ferry.h"
#include "base/fail.h"
#include "base/order.h"
#include "helm/ask.h"
#include "shared/engine.h"
#include "shared/message.h"

/* FERRY_OK for the first thread that answers, FERRY_EALREADY for all others. */
static int claim_answer(ferry_message *request, const char *what)
{
	if (!request || !(request->flags & FY_MESSAGE_CALL))
		return fy_fail(FERRY_EINVAL, "%s: this is not a request that awaits a reply", what);
	if (fy_engine_has_stopped(request->engine))
		return fy_fail(FERRY_ESTOPPED, "%s: the engine has stopped", what);
	bool won;
	uint32_t before;
	if (request->flags & FY_MESSAGE_VIEW) { /* only its handler's thread has it */
		won = request->answered != FY_ANSWERED;
		request->answered = FY_ANSWERED;
	} else {
		won = fy_message_may_answer(request, &before);
	}
	return won ? FERRY_OK
	           : fy_fail(FERRY_EALREADY, "%s: this request was answered already", what);
}

static int answer_with(ferry_message *request, ferry_message *answer, int status)
{
	if (request->flags & FY_MESSAGE_VIEW)
		fy_message_keep(request);
	fy_add_32(&request->refs, 1);
	request->answer.message = answer;
	request->answer.status = status;
	fy_message_send_answer(request);
	return FERRY_OK;
}

int ferry_reply(ferry_message *request, const void *body, size_t nbytes)
{
	if (!body && nbytes)
		return fy_fail(FERRY_EINVAL, "ferry_reply: body is NULL and nbytes is %zu", nbytes);
	int bad = claim_answer(request, "ferry_reply");
	if (bad)
		return bad;
	if (request->flags & FY_MESSAGE_VIEW && fy_ask_reply_in_place(request, body, nbytes))
		return FERRY_OK;
	ferry_message *answer = fy_message_new(request->engine, 0, nbytes);
	if (!answer) {
		fy_store_release_32(&request->answered, FY_ANSWER_FAILED);
		return fy_fail(FERRY_ENOMEM, "no memory for a reply of %zu bytes", nbytes);
	}
	if (nbytes)
		memcpy(answer->body, body, nbytes);
	return answer_with(request, answer, 0);
}

int ferry_reply_message(ferry_message *request, ferry_message *reply)
{
	if (!reply)
		return fy_fail(FERRY_EINVAL,
		               "ferry_reply_message needs a reply; ferry_reply sends an empty one");
	int bad = claim_answer(request, "ferry_reply_message");
	if (bad)
		return bad;
	reply->flags |= reply->flags & FY_MESSAGE_VIEW ? 0 : FY_MESSAGE_POSTED;
	ferry_message_retain(reply);
	return answer_with(request, reply, 0);
}

int ferry_reply_error(ferry_message *request, int status, const char *detail)
{
	if (status == FERRY_OK)
		return fy_fail(FERRY_EINVAL,
		               "ferry_reply_error: 0 is not an error; ferry_reply sends an answer");
	int bad = claim_answer(request, "ferry_reply_error");
	if (bad)
		return bad;
	size_t n = detail ? strlen(detail) : 0;
	if (n > 1024)
		n = 1024;
	ferry_message *answer = n ? fy_message_new(request->engine, 0, n) : NULL;
	if (answer)
		memcpy(answer->body, detail, n);
	return answer_with(request, answer, status);
}
