/* SPDX-License-Identifier: Apache-2.0 */
/* One atomic step of a thread, as front/base/order.h calls it. `function`: where it is taken. */
#ifndef SCHEDULES_STEP_H
#define SCHEDULES_STEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum schedule_how { SCHEDULE_SWAP, SCHEDULE_ADD, SCHEDULE_OR };

uint64_t schedule_load(const void *word, unsigned bytes, const char *what, const char *function);
void schedule_store(void *word, uint64_t value, unsigned bytes, const char *what,
                    const char *function);
/* Returns the value before. */
uint64_t schedule_change(void *word, enum schedule_how how, uint64_t operand, unsigned bytes,
                         const char *function);
/* `old`: where the value before goes, or NULL. */
bool schedule_cas(void *word, uint64_t expected, uint64_t desired, unsigned bytes, void *old,
                  const char *function);
/* This thread waits for what others do, without sleeping: they go on. */
void schedule_yield(void);

#endif
