/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control records that came. Only the holder of the helm may call.
 */
#include "helm/controls.h"

#include <stdint.h>
#include <string.h>

#include "ferry.h"
#include "bulk/inbound.h"
#include "bulk/outbound.h"
#include "helm/agree.h"
#include "helm/gone.h"
#include "helm/news.h"
#include "helm/progress.h"
#include "link/credit.h"
#include "link/stream_out.h"
#include "wire/bodies.h"
#include "wire/record.h"

enum fy_taken fy_controls_as_kept(int status)
{
	return status == FERRY_ENOMEM ? FY_PAUSED : status ? FY_MALFORMED : FY_TAKEN;
}

static void acked(struct fy_progress *p, struct fy_channel *ch, const struct fy_ack_stream *ack)
{
	uint32_t upto;
	if (fy_stream_out_acked(&p->link, ch, ack, &upto))
		fy_outbound_acked(&p->bulk, ch, ack->stream, upto);
}

enum fy_taken fy_controls_take(struct fy_progress *p, struct fy_channel *ch,
                               const struct fy_record *r)
{
	uint32_t n = fy_record_body(r);
	union {
		struct fy_ack_stream ack;
		struct fy_refused refused;
		struct fy_grant grant;
		struct fy_agree_word agree;
		struct fy_agree_news news;
		struct fy_lost lost;
		struct fy_sum sum;
		uint64_t amount;
	} body;
	memset(&body, 0, sizeof body);
	memcpy(&body, fy_record_data(r), n < sizeof body ? n : sizeof body);
	if (r->op == FY_OP_ACK_STREAM && n == sizeof body.ack)
		acked(p, ch, &body.ack);
	else if (r->op == FY_OP_REFUSED && n == sizeof body.refused)
		fy_gone_refused(p, ch, &body.refused);
	else if (r->op == FY_OP_GRANT && n == sizeof body.grant)
		fy_outbound_granted(&p->bulk, ch, &body.grant);
	else if (r->op == FY_OP_LENGTHS)
		return fy_controls_as_kept(fy_inbound_lengths(&p->bulk, ch, r));
	else if (r->op == FY_OP_LOST && n == sizeof body.lost)
		return fy_controls_as_kept(fy_inbound_lost(&p->bulk, ch, &body.lost));
	else if (r->op == FY_OP_SUM && n == sizeof body.sum)
		return fy_controls_as_kept(fy_inbound_summed(&p->bulk, ch, &body.sum));
	else if (r->op == FY_OP_AGREE_UP && n == sizeof body.agree)
		fy_agree_up(p, ch, &body.agree);
	else if (r->op == FY_OP_AGREE_DOWN && n == sizeof body.agree)
		fy_agree_down(p, ch, &body.agree);
	else if (r->op == FY_OP_AGREE_NEWS && n == sizeof body.news)
		fy_news_hear(p, ch, &body.news);
	else if (r->op == FY_OP_RECALL && n == sizeof body.amount)
		fy_credit_recalled(&p->link, ch);
	else if (r->op == FY_OP_GIVE && n == sizeof body.amount)
		fy_credit_given(&p->link, ch, body.amount);
	else
		return FY_MALFORMED;
	return FY_TAKEN;
}
