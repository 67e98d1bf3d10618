/* SPDX-License-Identifier: Apache-2.0 */
/* Objects as bodies: packing, lifting, decoding what may be malformed, codecs. */
#include "test.h"

#include <pthread.h>

#include "ferry_msgpack.h"
#include "shared/engine.h"
#include "shared/message.h"

#define OUT_OF_BAND 1000
#define DECODE_MEMORY 100000

/* ---- an engine that only its messages see --------------------------------- */

static ferry *engine;

static int make_engine(void **state)
{
	(void)state;
	engine = calloc(1, sizeof *engine);
	engine->refs = 1;
	engine->size = 1;
	engine->phase = FY_OPEN;
	engine->options.out_of_band = OUT_OF_BAND;
	engine->options.decode_memory = DECODE_MEMORY;
	return pthread_mutex_init(&engine->aside.lock, NULL);
}

static int free_engine(void **state)
{
	(void)state;
	bool alone = engine->refs == 1;
	for (unsigned i = 0; i < 2; i++)
		if (engine->aside.slots[i])
			engine->aside.slot_free[i](engine->aside.slots[i]);
	pthread_mutex_destroy(&engine->aside.lock);
	free(engine);
	return alone ? 0 : -1; /* a message was not freed */
}

static ferry_message *message_new(void)
{
	ferry_message *message;
	assert_int_equal(ferry_message_create(engine, 1, &message), FERRY_OK);
	return message;
}

static ferry_message *message_with(const void *bytes, size_t nbytes)
{
	ferry_message *message = message_new();
	assert_int_equal(ferry_message_write(message, bytes, nbytes), FERRY_OK);
	return message;
}

static size_t body_size(const ferry_message *message)
{
	size_t nbytes;
	ferry_message_body(message, &nbytes);
	return nbytes;
}

static const msgpack_object *object_of(ferry_message *message)
{
	const msgpack_object *object = NULL;
	assert_int_equal(ferry_message_object(message, &object), FERRY_OK);
	return object;
}

/* ---- objects -------------------------------------------------------------- */

static msgpack_object nil(void)
{
	return (msgpack_object){ .type = MSGPACK_OBJECT_NIL };
}

static msgpack_object number(uint64_t n)
{
	msgpack_object o = { .type = MSGPACK_OBJECT_POSITIVE_INTEGER };
	o.via.u64 = n;
	return o;
}

static msgpack_object bin(const char *data, size_t nbytes)
{
	msgpack_object o = { .type = MSGPACK_OBJECT_BIN };
	o.via.bin = (msgpack_object_bin){ (uint32_t)nbytes, data };
	return o;
}

static msgpack_object str(const char *text)
{
	msgpack_object o = { .type = MSGPACK_OBJECT_STR };
	o.via.str = (msgpack_object_str){ (uint32_t)strlen(text), text };
	return o;
}

static msgpack_object array(msgpack_object *elements, size_t count)
{
	msgpack_object o = { .type = MSGPACK_OBJECT_ARRAY };
	o.via.array = (msgpack_object_array){ (uint32_t)count, elements };
	return o;
}

static msgpack_object map(msgpack_object_kv *pairs, size_t count)
{
	msgpack_object o = { .type = MSGPACK_OBJECT_MAP };
	o.via.map = (msgpack_object_map){ (uint32_t)count, pairs };
	return o;
}

static msgpack_object ext(int8_t type, const char *data, size_t nbytes)
{
	msgpack_object o = { .type = MSGPACK_OBJECT_EXT };
	o.via.ext.type = type;
	o.via.ext.size = (uint32_t)nbytes;
	o.via.ext.ptr = data;
	return o;
}

/* ---- packing --------------------------------------------------------------- */

static void the_packer_packs_into_the_body(void **state)
{
	(void)state;
	ferry_message *message = message_new();
	msgpack_packer *packer = ferry_message_packer(message);
	assert_ptr_equal(packer, ferry_message_packer(message));
	assert_int_equal(msgpack_pack_array(packer, 2), 0);
	assert_int_equal(msgpack_pack_int(packer, -5), 0);
	assert_int_equal(msgpack_pack_str_with_body(packer, "ab", 2), 0);
	assert_memory_equal(ferry_message_body(message, NULL),
	                    "\x92\xfb\xa2"
	                    "ab",
	                    5);
	const msgpack_object *object = object_of(message);
	assert_int_equal(object->via.array.size, 2);
	assert_int_equal(object->via.array.ptr[0].via.i64, -5);
	ferry_message_release(message);
	assert_null(ferry_message_packer(NULL));
}

static void every_kind_comes_back_as_it_was(void **state)
{
	(void)state;
	msgpack_object f32 = { .type = MSGPACK_OBJECT_FLOAT32 },
		       f64 = { .type = MSGPACK_OBJECT_FLOAT64 };
	msgpack_object truth = { .type = MSGPACK_OBJECT_BOOLEAN };
	msgpack_object negative = { .type = MSGPACK_OBJECT_NEGATIVE_INTEGER };
	f32.via.f64 = 0.5;
	f64.via.f64 = 3.14159265358979;
	truth.via.boolean = true;
	negative.via.i64 = INT64_MIN;
	msgpack_object_kv pair = { str("key"), number(UINT64_MAX) };
	msgpack_object all[] = { nil(),
		                 truth,
		                 number(7),
		                 negative,
		                 f32,
		                 f64,
		                 str("text"),
		                 bin("\0\1", 2),
		                 bin(NULL, 0),
		                 str(""),
		                 ext(5, "abc", 3),
		                 ext(-1, "abcd", 4),
		                 map(&pair, 1),
		                 array(NULL, 0),
		                 map(NULL, 0) };
	msgpack_object object = array(all, sizeof all / sizeof *all);
	ferry_message *message = message_new();
	assert_int_equal(ferry_message_pack(message, &object), FERRY_OK);
	assert_true(msgpack_object_equal(*object_of(message), object));
	assert_int_equal(ferry_message_attachments(message), 0);
	ferry_message_release(message);
}

static void large_binaries_are_lifted_wherever_they_are_nested(void **state)
{
	(void)state;
	static char big[OUT_OF_BAND], bigger[OUT_OF_BAND + 1], small[OUT_OF_BAND - 1];
	msgpack_object inner[] = { bin(small, sizeof small), bin(bigger, sizeof bigger) };
	msgpack_object_kv pair = { bin(big, sizeof big), array(inner, 2) };
	msgpack_object outer[] = { number(1), map(&pair, 1), bin(big, sizeof big) };
	msgpack_object object = array(outer, 3);
	ferry_message *message = message_new();
	assert_int_equal(ferry_message_pack(message, &object), FERRY_OK);
	assert_int_equal(ferry_message_attachments(message), 3);
	assert_true(body_size(message) < sizeof small + 50);
	assert_ptr_equal(ferry_message_attachment(message, 0, NULL), big);
	assert_ptr_equal(ferry_message_attachment(message, 1, NULL), bigger);

	const msgpack_object *o = object_of(message);
	assert_true(msgpack_object_equal(*o, object));
	assert_ptr_equal(o->via.array.ptr[1].via.map.ptr[0].key.via.bin.ptr, big);
	const msgpack_object *got = o->via.array.ptr[1].via.map.ptr[0].val.via.array.ptr;
	assert_ptr_equal(got[1].via.bin.ptr, bigger);
	assert_int_equal(got[1].via.bin.size, sizeof bigger);
	const char *body = ferry_message_body(message, NULL);
	assert_true(got[0].via.bin.ptr > body && got[0].via.bin.ptr < body + body_size(message));
	ferry_message_release(message);
}

static void nothing_is_lifted_where_out_of_band_is_off(void **state)
{
	(void)state;
	static char big[2 * OUT_OF_BAND];
	msgpack_object object = bin(big, sizeof big);
	engine->options.out_of_band = (size_t)FERRY_NONE;
	ferry_message *message = message_new();
	assert_int_equal(ferry_message_pack(message, &object), FERRY_OK);
	assert_int_equal(ferry_message_attachments(message), 0);
	assert_true(msgpack_object_equal(*object_of(message), object));
	ferry_message_release(message);
}

static void packer_and_pack_may_be_mixed(void **state)
{
	(void)state;
	static char big[OUT_OF_BAND];
	msgpack_object object = bin(big, sizeof big);
	ferry_message *message = message_new();
	msgpack_packer *packer = ferry_message_packer(message);
	assert_int_equal(ferry_message_attach(message, "own", 3, NULL, NULL), FERRY_OK);
	msgpack_pack_array(packer, 3);
	assert_int_equal(ferry_message_pack(message, &object), FERRY_OK);
	msgpack_pack_int(packer, 1);
	assert_int_equal(ferry_message_pack(message, &object), FERRY_OK);
	const msgpack_object *o = object_of(message);
	assert_ptr_equal(o->via.array.ptr[0].via.bin.ptr, big);
	assert_int_equal(o->via.array.ptr[1].via.u64, 1);
	assert_int_equal(ferry_message_attachments(message), 3);
	ferry_message_release(message);
}

static msgpack_object nested(msgpack_object *levels, size_t depth)
{
	levels[0] = nil();
	for (size_t i = 1; i <= depth; i++)
		levels[i] = array(&levels[i - 1], 1);
	return levels[depth];
}

static void refuse(const msgpack_object *object, const char *word)
{
	static char big[OUT_OF_BAND];
	msgpack_object pair[] = { bin(big, sizeof big), *object };
	msgpack_object behind_a_big_one = array(pair, 2);
	ferry_message *message = message_with("\x92\x01", 2);
	assert_int_equal(ferry_message_pack(message, &behind_a_big_one), FERRY_EINVAL);
	assert_non_null(strstr(ferry_last_error(), word));
	assert_int_equal(body_size(message), 2);
	assert_int_equal(ferry_message_attachments(message), 0);
	ferry_message_release(message);
}

static void what_cannot_be_decoded_is_refused_and_leaves_the_message_alone(void **state)
{
	(void)state;
	msgpack_object levels[40], object = nested(levels, FERRY_DEPTH_MAX), self;
	ferry_message *message = message_new();
	assert_int_equal(ferry_message_pack(message, &object), FERRY_OK);
	assert_true(msgpack_object_equal(*object_of(message), object));
	ferry_message_release(message);

	object = nested(levels, FERRY_DEPTH_MAX); /* one more around it */
	refuse(&object, "FERRY_DEPTH_MAX");
	self = array(&self, 1);
	refuse(&self, "FERRY_DEPTH_MAX");
	object = ext(FERRY_EXT_BINARY, "\0\0\0\0", 4);
	refuse(&object, "FERRY_EXT_BINARY");
	object = (msgpack_object){ .type = (msgpack_object_type)0x55 };
	refuse(&object, "type");
}

static void wrong_arguments_are_named(void **state)
{
	(void)state;
	const msgpack_object *object_p = (const msgpack_object *)1;
	ferry_message *message = message_new();
	assert_int_equal(ferry_message_pack(message, NULL), FERRY_EINVAL);
	assert_int_equal(ferry_message_pack(NULL, NULL), FERRY_EINVAL);
	assert_int_equal(ferry_message_object(message, NULL), FERRY_EINVAL);
	assert_int_equal(ferry_message_object(NULL, &object_p), FERRY_EINVAL);
	/* an empty body */
	assert_int_equal(ferry_message_object(message, &object_p), FERRY_EDECODE);
	assert_ptr_equal(object_p, (const msgpack_object *)1);
	message->flags |= FY_MESSAGE_POSTED;
	msgpack_object object = nil();
	assert_int_equal(ferry_message_pack(message, &object), FERRY_EINVAL);
	assert_null(ferry_message_packer(message));
	ferry_message_release(message);
}

/* ---- decoding what may be malformed ---------------------------------------- */

static void assert_malformed(ferry_message *message, const char *text)
{
	const msgpack_object *object = (const msgpack_object *)1;
	size_t before = body_size(message);
	assert_int_equal(ferry_message_object(message, &object), FERRY_EDECODE);
	assert_string_equal(ferry_last_error(), text);
	assert_ptr_equal(object, (const msgpack_object *)1);
	assert_int_equal(body_size(message), before);
	ferry_message_release(message);
}

#define FY_MALFORMED(bytes, text) assert_malformed(message_with(bytes, sizeof(bytes) - 1), text)

static void each_class_of_malformed_bytes_has_its_offset_and_reason(void **state)
{
	(void)state;
	FY_MALFORMED("\x92\x01\xc1", "at byte 2 of 3: a byte that msgpack does not use");
	FY_MALFORMED("\x91\xcd\x01", "at byte 1 of 3: the bytes end inside a header");
	FY_MALFORMED("\xa5"
	             "abcd",
	             "at byte 0 of 5: a length beyond the end of the bytes");
	FY_MALFORMED("\xc6\xff\xff\xff\xff",
	             "at byte 0 of 5: a length beyond the end of the bytes");
	FY_MALFORMED("\xc9\xff\xff\xff\xff\x05",
	             "at byte 0 of 6: a length beyond the end of the bytes");
	FY_MALFORMED("\xdd\xff\xff\xff\xff", "at byte 0 of 5: a count beyond the end of the bytes");
	FY_MALFORMED("\xdf\xff\xff\xff\xff", "at byte 0 of 5: a count beyond the end of the bytes");
	FY_MALFORMED("\x01\x02", "at byte 1 of 2: bytes after the object");
	FY_MALFORMED("\x91\xd6\x7f\x00\x00\x00\x00",
	             "at byte 1 of 7: a reference to an attachment that is not there");
	FY_MALFORMED("\xd5\x7f\x00\x00",
	             "at byte 0 of 4: a reference to an attachment does not have four bytes");
	char deep[100];
	memset(deep, 0x91, sizeof deep);
	assert_malformed(message_with(deep, sizeof deep), "at byte 31 of 100: nested too deeply");
}

static void references_are_held_to_the_attachments_that_are_there(void **state)
{
	(void)state;
	static char huge; /* its length is believed, it is not read */
	ferry_message *message = message_with("\xd6\x7f\x01\x00\x00\x00", 6);
	assert_int_equal(ferry_message_attach(message, "abc", 3, NULL, NULL), FERRY_OK);
	ferry_message_retain(message);
	assert_malformed(message, "at byte 0 of 6: a reference to an attachment that is not there");
	assert_int_equal(ferry_message_attach(message, &huge, (size_t)5 << 30, NULL, NULL),
	                 FERRY_OK);
	assert_malformed(
		message,
		"at byte 0 of 6: a reference to an attachment that is too long for a binary");

	message = message_with("\x92\xd6\x7f\x00\x00\x00\x00\xd6\x7f\x00\x00\x00\x00", 13);
	assert_int_equal(ferry_message_attach(message, "abc", 3, NULL, NULL), FERRY_OK);
	const msgpack_object *o = object_of(message);
	assert_ptr_equal(o->via.array.ptr[0].via.bin.ptr, o->via.array.ptr[1].via.bin.ptr);
	ferry_message_release(message);
}

static void one_object_is_bounded_by_decode_memory(void **state)
{
	(void)state;
	enum {
		FIT = DECODE_MEMORY / sizeof(msgpack_object) - 2,
		OVER = DECODE_MEMORY / sizeof(msgpack_object)
	};
	unsigned char bytes[3 + OVER] = { 0xdc, FIT >> 8, FIT & 0xff };
	ferry_message *message = message_with(bytes, 3 + FIT);
	assert_int_equal(object_of(message)->via.array.size, FIT);
	ferry_message_release(message);
	bytes[1] = OVER >> 8;
	bytes[2] = OVER & 0xff;
	assert_malformed(message_with(bytes, 3 + OVER),
	                 "at byte 0 of 4169: the object would take more than decode_memory");
	engine->options.decode_memory = (size_t)FERRY_NONE;
	message = message_with(bytes, 3 + OVER);
	assert_int_equal(object_of(message)->via.array.size, OVER);
	ferry_message_release(message);
}

/* The most address space that the process ever had, in bytes; 0 where it says nothing. */
static size_t peak(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return 0;
#endif
	char line[256];
	size_t kib = 0;
	FILE *file = fopen("/proc/self/status", "r");
	while (file && fgets(line, sizeof line, file))
		if (sscanf(line, "VmPeak: %zu", &kib) == 1)
			break;
	if (file)
		fclose(file);
	return kib * 1024;
}

/* What makes msgpack-c take gigabytes takes nothing here. */
static void bombs_take_no_memory(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		size_t nbytes, times;
	} bombs[] = { { "\xdd\x05\xf5\xe1\x00", 5, 1 },
		      { "\xdd\xff\xff\xff\xff", 5, 1 },
		      { "\xdf\x05\xf5\xe1\x00", 5, 1 },
		      { "\xdf\xff\xff\xff\xff", 5, 1 },
		      { "\xdc\xff\xff", 3, 31 },
		      { "\xdd\x00\xff\xff\xff", 5, 31 },
		      { "\xde\xff\xff", 3, 31 },
		      { "\xc6\xff\xff\xff\xff", 5, 1 },
		      { "\xdb\xff\xff\xff\xff", 5, 1 },
		      { "\xc9\xff\xff\xff\xff\x01", 6, 1 },
		      { "\x91", 1, 60000 },
		      { "\x9f", 1, 60000 } };
	ferry_message *messages[sizeof bombs / sizeof *bombs];
	for (size_t i = 0; i < sizeof bombs / sizeof *bombs; i++) {
		messages[i] = message_new();
		for (size_t k = 0; k < bombs[i].times; k++)
			ferry_message_write(messages[i], bombs[i].bytes, bombs[i].nbytes);
	}
	size_t before = peak();
	for (size_t i = 0; i < sizeof bombs / sizeof *bombs; i++) {
		const msgpack_object *object;
		assert_int_equal(ferry_message_object(messages[i], &object), FERRY_EDECODE);
		ferry_message_release(messages[i]);
	}
	assert_true(peak() - before < ((size_t)1 << 20) + DECODE_MEMORY);
}

/* ---- decoded once ----------------------------------------------------------- */

static void an_object_is_decoded_once(void **state)
{
	(void)state;
	ferry_message *message = message_with("\x92\x01\x02", 3);
	const msgpack_object *first = object_of(message);
	assert_ptr_equal(object_of(message), first);
	ferry_message_release(message);
}

static void a_message_that_is_written_on_is_decoded_anew(void **state)
{
	(void)state;
	ferry_message *message = message_with("\x92\x01", 2);
	const msgpack_object *object;
	assert_int_equal(ferry_message_object(message, &object), FERRY_EDECODE);
	assert_int_equal(ferry_message_write(message,
	                                     "\xa3"
	                                     "abc",
	                                     4),
	                 FERRY_OK);
	assert_int_equal(object_of(message)->via.array.ptr[1].via.str.size, 3);
	assert_int_equal(ferry_message_write(message, "\x01", 1), FERRY_OK);
	assert_int_equal(ferry_message_object(message, &object), FERRY_EDECODE);
	ferry_message_release(message);
}

#define THREADS 8

struct reader {
	pthread_barrier_t *barrier;
	ferry_message *message;
	const msgpack_object *object;
	int status;
};

static void *read_object(void *arg)
{
	struct reader *reader = arg;
	pthread_barrier_wait(reader->barrier);
	reader->status = ferry_message_object(reader->message, &reader->object);
	return NULL;
}

static void threads_that_ask_at_once_get_the_same_object(void **state)
{
	(void)state;
	for (unsigned long round = 0; round < t_scaled(200); round++) {
		pthread_t threads[THREADS];
		struct reader readers[THREADS];
		pthread_barrier_t barrier;
		ferry_message *message = message_with("\x93\x01\xa1z\x03", 5);
		pthread_barrier_init(&barrier, NULL, THREADS);
		for (int i = 0; i < THREADS; i++) {
			readers[i] = (struct reader){ &barrier, message, NULL, 1 };
			assert_int_equal(pthread_create(&threads[i], NULL, read_object,
			                                &readers[i]),
			                 0);
		}
		for (int i = 0; i < THREADS; i++)
			pthread_join(threads[i], NULL);
		for (int i = 0; i < THREADS; i++) {
			assert_int_equal(readers[i].status, FERRY_OK);
			assert_ptr_equal(readers[i].object, readers[0].object);
		}
		pthread_barrier_destroy(&barrier);
		ferry_message_release(message);
	}
}

/* ---- codecs ------------------------------------------------------------------ */

/* A value of a program: a name in the body and samples beside it. */
struct series {
	const char *name;
	const double *samples;
	size_t count;
};

static int releases;

static void count_release(void *data, void *arg)
{
	(void)data;
	(void)arg;
	releases++;
}

static int encode_series(ferry_message *message, const void *value, void *arg)
{
	const struct series *series = value;
	uint32_t index = (uint32_t)ferry_message_attachments(message);
	assert_ptr_equal(arg, &releases);
	int status = ferry_message_attach(message, series->samples, series->count * sizeof(double),
	                                  count_release, NULL);
	if (status == FERRY_OK)
		status = ferry_message_write(message, &index, sizeof index);
	if (status == FERRY_OK)
		status = ferry_message_write(message, series->name, strlen(series->name));
	return strcmp(series->name, "bad") ? status : FERRY_ENOTSUP;
}

static int decode_series(const ferry_message *message, const void *data, size_t nbytes,
                         void **value_p, void *arg)
{
	uint32_t index;
	size_t size;
	assert_ptr_equal(arg, &releases);
	if (nbytes < sizeof index)
		return FERRY_EDECODE;
	memcpy(&index, data, sizeof index);
	const double *samples = ferry_message_attachment(message, index, &size);
	if (!samples)
		return FERRY_EDECODE;
	struct series *series = malloc(sizeof *series);
	*series =
		(struct series){ strndup((const char *)data + sizeof index, nbytes - sizeof index),
		                 samples, size / sizeof(double) };
	*value_p = series;
	return FERRY_OK;
}

static void register_series(void)
{
	releases = 0;
	assert_int_equal(ferry_codec_register(engine, 9, encode_series, decode_series, &releases),
	                 FERRY_OK);
}

static void check_series(ferry_message *message, const msgpack_object *extension,
                         const struct series *sent)
{
	void *value = NULL;
	assert_int_equal(ferry_message_value(message, extension, &value), FERRY_OK);
	struct series *got = value;
	assert_string_equal(got->name, sent->name);
	assert_ptr_equal(got->samples, sent->samples);
	assert_int_equal(got->count, sent->count);
	free((char *)(uintptr_t)got->name);
	free(got);
}

static void values_go_and_come_back_with_their_buffers(void **state)
{
	(void)state;
	static const double samples[] = { 1, 2, 3 };
	static char long_name[70000];
	memset(long_name, 'n', sizeof long_name - 1);
	struct series sent[] = { { "", samples, 3 },
		                 { "temperature", samples, 2 },
		                 { long_name, samples, 1 } };
	register_series();
	ferry_message *message = message_new();
	msgpack_pack_array(ferry_message_packer(message), 4);
	for (int i = 0; i < 3; i++)
		assert_int_equal(ferry_message_pack_value(message, 9, &sent[i]), FERRY_OK);
	msgpack_pack_nil(ferry_message_packer(message));
	const msgpack_object *object = object_of(message);
	for (int i = 0; i < 3; i++)
		check_series(message, &object->via.array.ptr[i], &sent[i]);
	assert_int_equal(object->via.array.ptr[3].type, MSGPACK_OBJECT_NIL);
	ferry_message_release(message);
	assert_int_equal(releases, 3);
}

static void an_encoder_that_fails_leaves_the_message_as_it_was(void **state)
{
	(void)state;
	static const double samples[] = { 1 };
	struct series bad = { "bad", samples, 1 };
	register_series();
	ferry_message *message = message_with("\x91", 1);
	assert_int_equal(ferry_message_pack_value(message, 9, &bad), FERRY_ENOTSUP);
	assert_int_equal(body_size(message), 1);
	assert_int_equal(ferry_message_attachments(message), 0);
	assert_int_equal(releases, 1);
	assert_int_equal(ferry_message_pack_value(message, 10, &bad), FERRY_EINVAL);
	ferry_message_release(message);
}

static void values_that_cannot_be_decoded_say_so(void **state)
{
	(void)state;
	void *value = &releases;
	msgpack_object short_one = ext(9, "ab", 2), unknown = ext(10, "ab", 2), none = nil();
	msgpack_object no_buffer = ext(9, "\xff\0\0\0", 4);
	register_series();
	ferry_message *message = message_new();
	assert_int_equal(ferry_message_value(message, &short_one, &value), FERRY_EDECODE);
	assert_int_equal(ferry_message_value(message, &no_buffer, &value), FERRY_EDECODE);
	assert_int_equal(ferry_message_value(message, &unknown, &value), FERRY_EINVAL);
	assert_int_equal(ferry_message_value(message, &none, &value), FERRY_EINVAL);
	assert_int_equal(ferry_message_value(message, NULL, &value), FERRY_EINVAL);
	assert_ptr_equal(value, &releases);
	ferry_message_release(message);
}

static void a_type_has_one_codec_at_a_time(void **state)
{
	(void)state;
	register_series();
	assert_int_equal(ferry_codec_register(engine, 9, encode_series, NULL, NULL),
	                 FERRY_EALREADY);
	assert_int_equal(ferry_codec_register(engine, -1, encode_series, NULL, NULL), FERRY_OK);
	assert_int_equal(ferry_codec_register(engine, FERRY_EXT_BINARY, encode_series, NULL, NULL),
	                 FERRY_EINVAL);
	assert_int_equal(ferry_codec_register(NULL, 9, encode_series, NULL, NULL), FERRY_EINVAL);
	engine->phase = FY_STOPPED;
	assert_int_equal(ferry_codec_register(engine, 11, encode_series, NULL, NULL),
	                 FERRY_ESTOPPED);
	engine->phase = FY_OPEN;
	assert_int_equal(ferry_codec_register(engine, 9, NULL, NULL, NULL), FERRY_OK);
	assert_int_equal(ferry_codec_register(engine, 9, NULL, NULL, NULL), FERRY_OK);
	assert_int_equal(ferry_codec_register(engine, 9, NULL, decode_series, NULL), FERRY_OK);
	ferry_message *message = message_new();
	assert_int_equal(ferry_message_pack_value(message, 9, NULL), FERRY_EINVAL);
	ferry_message_release(message);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_engine, free_engine)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_packer_packs_into_the_body),
		TEST(every_kind_comes_back_as_it_was),
		TEST(large_binaries_are_lifted_wherever_they_are_nested),
		TEST(nothing_is_lifted_where_out_of_band_is_off),
		TEST(packer_and_pack_may_be_mixed),
		TEST(what_cannot_be_decoded_is_refused_and_leaves_the_message_alone),
		TEST(wrong_arguments_are_named),
		TEST(each_class_of_malformed_bytes_has_its_offset_and_reason),
		TEST(references_are_held_to_the_attachments_that_are_there),
		TEST(one_object_is_bounded_by_decode_memory),
		TEST(bombs_take_no_memory),
		TEST(an_object_is_decoded_once),
		TEST(a_message_that_is_written_on_is_decoded_anew),
		TEST(threads_that_ask_at_once_get_the_same_object),
		TEST(values_go_and_come_back_with_their_buffers),
		TEST(an_encoder_that_fails_leaves_the_message_as_it_was),
		TEST(values_that_cannot_be_decoded_say_so),
		TEST(a_type_has_one_codec_at_a_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
