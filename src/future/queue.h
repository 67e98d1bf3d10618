/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include "ferry.h"

void fy_future_queue_submitted(ferry_executor *queue);
void fy_future_queue_destroy(ferry_executor *queue);
/* Run all tasks in the queues of an engine on the calling thread. Returns how many ran. */
unsigned fy_future_queue_engine_closing(ferry *engine);
/* The engine has ended: its queues forget it. */
void fy_future_queue_engine_closed(ferry *engine);
/* Run all tasks of a queue on the calling thread. Close does this for queues that nobody runs. */
unsigned fy_future_queue_drain(ferry_executor *where);
