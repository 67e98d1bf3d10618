/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdint.h>

#include "ferry.h"
#include "helm/command.h"

struct fy_errand_handler;
struct fy_handler;

/* Write a handler, with one reference. Its memory is malloc's, and may be longer. */
void fy_handle_init(struct fy_handler *h, uint32_t op, ferry_executor *where, ferry_handler_fn *fn,
                    void *arg);
/* Have the helm take r->handler in the place of the old one, by that errand. If that fails it is
 * released. Returns when the old one neither runs nor will run. */
int fy_handle_set(ferry *engine, fy_command_fn *errand, struct fy_errand_handler *r);
