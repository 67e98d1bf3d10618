/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which thread goes on: depth first over all choices. A run repeats the choices of the one before
 * as far as the last that has an alternative left, takes that, and from there on the first ones.
 */
#include "schedules/choice.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schedules/run.h"

#define WORDS 8192u
#define PATH (2 * RUN_STEPS_MAX)

struct word {
	const void *at;
	int user;
	bool written, shared;
};

struct choice {
	struct {
		uint16_t step, thread;
		uint8_t taken, count;
	} path[PATH];
	unsigned depth, length, deepest;
	/* a schedule that is followed: pairs of step and thread */
	unsigned follow[64][2], follows;
	bool following;
	struct word words[WORDS];
	bool grown;
};
static struct choice *choice;

void choice_clear(void)
{
	if (!choice)
		choice = malloc(sizeof *choice);
	memset(choice, 0, sizeof *choice);
}

void choice_restart(void)
{
	choice->length = choice->deepest = 0;
	choice->grown = false;
}

bool choice_has_grown(void)
{
	return choice->grown;
}

unsigned choice_deepest(void)
{
	return choice->deepest;
}

bool choice_follow(const char *schedule)
{
	choice->following = true;
	choice->follows = 0;
	while (*schedule && choice->follows < 64) {
		unsigned *pair = choice->follow[choice->follows];
		int used = 0;
		if (sscanf(schedule, "%u>%u%n", &pair[0], &pair[1], &used) != 2 || !used)
			return false;
		choice->follows++;
		schedule += used;
		if (*schedule == ',')
			schedule++;
	}
	return true;
}

void choice_begin(void)
{
	choice->depth = 0;
}

static unsigned followed(const int *threads, unsigned count)
{
	for (unsigned i = 0; i < choice->follows; i++)
		for (unsigned t = 0; t < count; t++)
			if (choice->follow[i][0] == run->steps &&
			    (int)choice->follow[i][1] == threads[t])
				return t;
	return 0;
}

unsigned choice_take(const int *threads, unsigned count)
{
	if (choice->following)
		return followed(threads, count);
	if (count == 1)
		return 0;
	unsigned at = choice->depth++;
	if (at >= choice->length) {
		if (at == PATH)
			schedule_fail("there are more than %u choices", PATH);
		choice->length = at + 1;
		choice->path[at].taken = 0;
		choice->path[at].count = (uint8_t)count;
	} else if (choice->path[at].count != count) {
		schedule_fail("the case does not repeat itself: %u instead of %u can go on", count,
		              choice->path[at].count);
	}
	if (choice->length > choice->deepest)
		choice->deepest = choice->length;
	choice->path[at].step = (uint16_t)run->steps;
	choice->path[at].thread = (uint16_t)threads[choice->path[at].taken];
	return choice->path[at].taken;
}

bool choice_next(void)
{
	while (choice->length > 0) {
		unsigned last = choice->length - 1;
		if (++choice->path[last].taken < choice->path[last].count)
			return true;
		choice->length--;
	}
	return false;
}

void choice_write(char *text, size_t size)
{
	size_t used = 0;
	*text = '\0';
	for (unsigned i = 0; i < choice->depth && used < size; i++)
		if (choice->path[i].taken)
			used += (size_t)snprintf(text + used, size - used, "%s%u>%u",
			                         used ? "," : "", choice->path[i].step,
			                         choice->path[i].thread);
}

static struct word *find_word(const void *at)
{
	unsigned i = (unsigned)((uintptr_t)at * 0x9e3779b97f4a7c15u >> 51) % WORDS;
	for (unsigned tries = 0; tries < WORDS; tries++, i = (i + 1) % WORDS)
		if (!choice->words[i].at || choice->words[i].at == at)
			return &choice->words[i];
	schedule_fail("there are more than %u words", WORDS);
}

bool choice_is_shared(const void *at, bool writes)
{
	struct word *word = find_word(at);
	if (choice->following || word->shared)
		return true;
	if (!word->at) {
		word->at = at;
		word->user = run->current;
	}
	word->written |= writes;
	if (word->user == run->current)
		return false;
	if (word->user >= 0)
		word->user = -1; /* more than one */
	word->shared = word->written;
	choice->grown |= word->shared;
	return word->shared;
}
