/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WORDCOUNT_OPTIONS_H
#define WORDCOUNT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct options {
	unsigned threads; /* on each rank */
	uint64_t top;     /* how many words to print */
	uint64_t bytes;   /* 0: each file once, to its end */
	bool verify;
	int corrupt; /* the rank that makes one count wrong, for the test of --verify */
	char *const *names;
	size_t count;
};

/* Reads the command line. Ends the program for --help, and with status 2 for options that it does
 * not know. */
void options_parse(int argc, char **argv, struct options *options);

#endif
