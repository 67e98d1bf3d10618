/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts again, to check the job: with one thread, without an engine, and without any code of the
 * job. It has its own walk through the directories, its own reader, which reads whole files, its
 * own cutting into words, its own table. Errors that both make are found by tests/mpi/wordcount.sh,
 * which counts with tr, sort and uniq.
 */
#ifndef WORDCOUNT_VERIFY_H
#define WORDCOUNT_VERIFY_H

#include <stddef.h>
#include <stdint.h>

struct verify;

struct verify_totals {
	uint64_t words;
	uint64_t distinct;
	uint64_t bytes;
	uint64_t files;
	uint64_t refused; /* files that could not be read */
};

/* Counts the words of the same files; NULL when memory is exhausted, which it prints. */
struct verify *verify_count(char *const *names, size_t count, uint64_t bytes);
void verify_totals(const struct verify *verify, struct verify_totals *totals);

/* The job counted this word so often. */
void verify_word(struct verify *verify, const char *word, size_t nbytes, uint64_t count);

/* Call it after the last word. Returns how many words differ, those that the job did not have
 * included, and prints the first of them. */
uint64_t verify_differences(struct verify *verify);
void verify_free(struct verify *verify);

#endif
