/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FY_FUTURE_QUEUE_H
#define FY_FUTURE_QUEUE_H

#include "ferry.h"

void fy_future_queue_submitted(ferry_executor *queue);
void fy_future_queue_destroy(ferry_executor *queue);
/* Run all that is queued on the queues of an engine, on the calling thread. How many ran. */
unsigned fy_future_queue_engine_closing(ferry *engine);
/* Nothing of it is any more: the queues of this engine are nobody's. */
void fy_future_queue_engine_closed(ferry *engine);
/* Run all that is queued on the calling thread (close does this for queues nobody runs). */
unsigned fy_future_queue_drain(ferry_executor *where);

#endif
