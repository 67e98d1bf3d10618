/* SPDX-License-Identifier: Apache-2.0 */
/* How the schedules of a case are gone through; see choice.c. What a run asks is in run.h. */
#ifndef SCHEDULES_CHOICE_H
#define SCHEDULES_CHOICE_H

#include <stdbool.h>
#include <stddef.h>

void choice_clear(void);
/* From the first schedule on again, with the words that are known now. */
void choice_restart(void);
/* In the last run a word turned out to be shared that was not known as such. */
bool choice_has_grown(void);
/* The next schedule; false: that was the last one. */
bool choice_next(void);
/* The most choices that a run had. */
unsigned choice_deepest(void);
/* What the last run chose otherwise than the first one would, as STEP>THREAD,... */
void choice_write(char *text, size_t size);
/* From now on runs follow that. */
bool choice_follow(const char *schedule);

#endif
