/* SPDX-License-Identifier: Apache-2.0 */
#include "controller_matrix.h"

#include <stdlib.h>
#include <string.h>

/* ---- matrices -------------------------------------------------------------- */

struct matrix *matrix_create(uint32_t rows, uint32_t cols)
{
	struct matrix *m = malloc(sizeof *m);
	if (!m)
		return NULL;
	*m = (struct matrix){ rows, cols, calloc((size_t)rows * cols + 1, sizeof(double)) };
	if (m->numbers)
		return m;
	free(m);
	return NULL;
}

void matrix_free(struct matrix *matrix)
{
	if (matrix)
		free(matrix->numbers);
	free(matrix);
}

/* ---- on their way ------------------------------------------------------------ */

/* In the body: how large it is, and which attachment has the numbers. */
struct description {
	uint32_t rows, cols, index;
};

static void free_numbers(void *numbers, void *arg)
{
	(void)arg;
	free(numbers);
}

static int encode(ferry_message *message, const void *value, void *arg)
{
	struct matrix *m = (struct matrix *)(uintptr_t)value;
	struct description d = { m->rows, m->cols, (uint32_t)ferry_message_attachments(message) };
	(void)arg;
	int status = ferry_message_write(message, &d, sizeof d);
	if (status != FERRY_OK)
		return status;
	status = ferry_message_attach(message, m->numbers,
	                              (size_t)m->rows * m->cols * sizeof(double), free_numbers,
	                              NULL);
	if (status == FERRY_OK)
		m->numbers = NULL;
	return status;
}

static int decode(const ferry_message *message, const void *data, size_t nbytes, void **value_p,
                  void *arg)
{
	struct description d;
	size_t size;
	(void)arg;
	if (nbytes != sizeof d)
		return FERRY_EDECODE;
	memcpy(&d, data, sizeof d);
	const void *numbers = ferry_message_attachment(message, d.index, &size);
	if (!numbers || (uint64_t)d.rows * d.cols != size / sizeof(double) || size % sizeof(double))
		return FERRY_EDECODE;
	struct matrix *m = malloc(sizeof *m);
	if (!m)
		return FERRY_ENOMEM;
	*m = (struct matrix){ d.rows, d.cols, (double *)(uintptr_t)numbers };
	*value_p = m;
	return FERRY_OK;
}

int matrix_register(ferry *engine)
{
	return ferry_codec_register(engine, EXT_MATRIX, encode, decode, NULL);
}

/* ---- what tasks compute -------------------------------------------------------- */

/* multiply(A, B, factor) = factor A B */
static struct matrix *multiply(const struct argument *arguments, unsigned count,
                               const char **error_p)
{
	const struct matrix *a = count == 3 ? arguments[0].matrix : NULL,
			    *b = a ? arguments[1].matrix : NULL;
	if (!b || arguments[2].matrix || a->cols != b->rows) {
		*error_p = "multiply takes two matrices that fit and a number";
		return NULL;
	}
	struct matrix *c = matrix_create(a->rows, b->cols);
	for (uint32_t i = 0; c && i < a->rows; i++)
		for (uint32_t k = 0; k < a->cols; k++) {
			double x = arguments[2].number * a->numbers[(size_t)i * a->cols + k];
			for (uint32_t j = 0; j < b->cols; j++)
				c->numbers[(size_t)i * c->cols + j] +=
					x * b->numbers[(size_t)k * b->cols + j];
		}
	if (!c)
		*error_p = "no memory for a product";
	return c;
}

/* sum(A, B, ...) = A + B + ... */
static struct matrix *sum(const struct argument *arguments, unsigned count, const char **error_p)
{
	const struct matrix *a = count ? arguments[0].matrix : NULL;
	for (unsigned k = 0; k < count; k++) {
		const struct matrix *b = arguments[k].matrix;
		if (!a || !b || b->rows != a->rows || b->cols != a->cols) {
			*error_p = "sum takes matrices of one size";
			return NULL;
		}
	}
	struct matrix *c = a ? matrix_create(a->rows, a->cols) : NULL;
	for (unsigned k = 0; c && k < count; k++)
		for (size_t i = 0; i < (size_t)c->rows * c->cols; i++)
			c->numbers[i] += arguments[k].matrix->numbers[i];
	if (!c)
		*error_p = "sum takes at least one matrix, and memory";
	return c;
}

task_fn *task_find(const char *name, size_t length)
{
	static const struct {
		const char *name;
		task_fn *fn;
	} table[] = { { "multiply", multiply }, { "sum", sum } };
	for (unsigned i = 0; i < sizeof table / sizeof *table; i++)
		if (strlen(table[i].name) == length && memcmp(table[i].name, name, length) == 0)
			return table[i].fn;
	return NULL;
}
