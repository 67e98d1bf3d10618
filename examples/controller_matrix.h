/* SPDX-License-Identifier: Apache-2.0 */
/* What is computed: matrices, how they travel, and the functions that tasks may name. */
#ifndef CONTROLLER_MATRIX_H
#define CONTROLLER_MATRIX_H

#include <ferry_msgpack.h>

struct matrix {
	uint32_t rows, cols;
	double *numbers; /* row after row */
};

/* The extension types of this program. */
enum { EXT_ID = 1, EXT_MATRIX = 2 };

/* NULL: no memory. */
struct matrix *matrix_create(uint32_t rows, uint32_t cols);
void matrix_free(struct matrix *matrix);
/*
 * Matrices as values of messages. Packing a matrix moves its numbers into the message, and leaves
 * the struct without numbers. The message sends the numbers from where they are, and frees them
 * when they are no longer read. ferry_message_value gives a struct to free(). Its numbers are the
 * message's own: they were received straight into that memory.
 */
int matrix_register(ferry *engine);

/* One argument of a task: a matrix, or a number where that is NULL. */
struct argument {
	const struct matrix *matrix;
	double number;
};

/* A function that a task may name. On failure it returns NULL and sets *error_p, a constant
 * text. */
typedef struct matrix *task_fn(const struct argument *arguments, unsigned count,
                               const char **error_p);
/* The function of this name, or NULL. */
task_fn *task_find(const char *name, size_t length);

#endif
