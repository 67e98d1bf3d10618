/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a body with three attachments: the check, the decoder behind
 * it, msgpack-c's decoder beside it, and packing what came out again.
 *
 *   clang-14 -g -O1 -fsanitize=fuzzer,address,undefined -I include -I src \
 *       tests/fuzz/fuzz_msgpack.c src/codec/check.c src/codec/decode.c src/codec/head.c \
 *       src/codec/pack.c src/base/fail.c src/base/status.c \
 *       -lmsgpackc -o fuzz_msgpack
 *   ./fuzz_msgpack -max_total_time=15 -max_len=512
 *
 * With -DFUZZ_REPLAY and without -fsanitize=fuzzer it is a program that runs
 * the files named on its command line.
 */
#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ferry_msgpack.h"
#include "codec/check.h"
#include "codec/decode.h"
#include "codec/pack.h"

#define ATTACHMENTS 3
#define OBJECTS_MAX 10000
#define OUT_OF_BAND 8

static char attachments[ATTACHMENTS][16];

static const char *judge(void *arg, uint32_t index)
{
	(void)arg;
	return index < ATTACHMENTS ? NULL : "not there";
}

static msgpack_object_bin reference_to(void *arg, uint32_t index)
{
	(void)arg;
	return (msgpack_object_bin){ sizeof attachments[index], attachments[index] };
}

static msgpack_object_bin lifted(void *packing, uint32_t index)
{
	return *((struct fy_packing *)packing)->lifted[index];
}

static const char *judge_lifted(void *packing, uint32_t index)
{
	return index < ((struct fy_packing *)packing)->n_lifted ? NULL : "not there";
}

static void must(int good, const char *what)
{
	if (!good) {
		fprintf(stderr, "%s\n", what);
		abort();
	}
}

/* Every byte that the object points to is really there. */
static uint64_t touch(const msgpack_object *o)
{
	uint64_t sum = 0;
	if (o->type == MSGPACK_OBJECT_STR || o->type == MSGPACK_OBJECT_BIN)
		for (uint32_t i = 0; i < o->via.bin.size; i++)
			sum += (unsigned char)o->via.bin.ptr[i];
	if (o->type == MSGPACK_OBJECT_EXT)
		for (uint32_t i = 0; i < o->via.ext.size; i++)
			sum += (unsigned char)o->via.ext.ptr[i];
	if (o->type == MSGPACK_OBJECT_ARRAY)
		for (uint32_t i = 0; i < o->via.array.size; i++)
			sum += touch(&o->via.array.ptr[i]);
	if (o->type == MSGPACK_OBJECT_MAP)
		for (uint32_t i = 0; i < o->via.map.size; i++)
			sum += touch(&o->via.map.ptr[i].key) + touch(&o->via.map.ptr[i].val);
	return sum;
}

/* A number that is not itself, or a reference in the place of a binary: the two decoders
 * rightly differ. */
static int is_odd(const msgpack_object *o)
{
	int odd = o->type == MSGPACK_OBJECT_FLOAT64 || o->type == MSGPACK_OBJECT_FLOAT32
	                  ? o->via.f64 != o->via.f64
	                  : 0;
	if (o->type == MSGPACK_OBJECT_BIN)
		odd = o->via.bin.ptr >= attachments[0] &&
		      o->via.bin.ptr <= attachments[ATTACHMENTS - 1];
	if (o->type == MSGPACK_OBJECT_ARRAY)
		for (uint32_t i = 0; !odd && i < o->via.array.size; i++)
			odd = is_odd(&o->via.array.ptr[i]);
	if (o->type == MSGPACK_OBJECT_MAP)
		for (uint32_t i = 0; !odd && i < o->via.map.size; i++)
			odd = is_odd(&o->via.map.ptr[i].key) || is_odd(&o->via.map.ptr[i].val);
	return odd;
}

static void beside_msgpack_c(const msgpack_object *object, const uint8_t *bytes, size_t nbytes)
{
	msgpack_unpacked theirs;
	size_t end = 0;
	msgpack_unpacked_init(&theirs);
	must(msgpack_unpack_next(&theirs, (const char *)bytes, nbytes, &end) ==
	             MSGPACK_UNPACK_SUCCESS,
	     "refused");
	must(end == nbytes, "msgpack-c sees another end");
	must(is_odd(object) || msgpack_object_equal(*object, theirs.data),
	     "msgpack-c decodes something else");
	msgpack_unpacked_destroy(&theirs);
}

/* What was decoded can be packed, and comes back the same. */
static void there_and_back(const msgpack_object *object)
{
	struct fy_packing packing = { .out_of_band = OUT_OF_BAND };
	struct fy_check check = { .objects_max = OBJECTS_MAX,
		                  .judge = judge_lifted,
		                  .arg = &packing };
	must(fy_pack(&packing, object) == FERRY_OK, "what was decoded is not packed");
	must(fy_check(&check, packing.bytes.data, packing.bytes.size),
	     "what was packed is refused");
	msgpack_object *objects = malloc(check.objects * sizeof *objects);
	fy_decode(packing.bytes.data, objects, lifted, &packing);
	must(is_odd(object) || msgpack_object_equal(*object, objects[0]),
	     "what was packed comes back changed");
	free(objects);
	fy_pack_end(&packing);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nbytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t nbytes)
{
	struct fy_check check = { .objects_max = OBJECTS_MAX, .judge = judge };
	if (!fy_check(&check, data, nbytes)) {
		must(check.reason && check.offset <= nbytes, "refused without a reason");
		return 0;
	}
	must(check.objects <= nbytes && check.objects <= OBJECTS_MAX, "more elements than bytes");
	msgpack_object *objects = malloc(check.objects * sizeof *objects);
	fy_decode(data, objects, reference_to, NULL);
	volatile uint64_t sum = touch(objects);
	(void)sum;
	beside_msgpack_c(objects, data, nbytes);
	there_and_back(objects);
	free(objects);
	return 0;
}

#ifdef FUZZ_REPLAY
int main(int argc, char **argv)
{
	static uint8_t bytes[1 << 20];
	for (int i = 1; i < argc; i++) {
		FILE *file = fopen(argv[i], "rb");
		must(file != NULL, argv[i]);
		size_t nbytes = fread(bytes, 1, sizeof bytes, file);
		fclose(file);
		uint8_t *exact = malloc(nbytes ? nbytes : 1);
		memcpy(exact, bytes, nbytes);
		LLVMFuzzerTestOneInput(exact, nbytes);
		free(exact);
	}
	printf("%d inputs, nothing found\n", argc - 1);
	return 0;
}
#endif
