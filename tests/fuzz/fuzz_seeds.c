/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seeds for the fuzzers: what real traffic and real options look like.
 *
 *     fuzz_seeds wire DIRECTORY
 *         Runs three engines over the simulated network, records what two of them send to the
 *         first, and writes it as programs of fuzz_wire, a file a scene.
 *     fuzz_seeds options DIRECTORY
 *         Each option and each parameter of the policy with its default, as fuzz_options reads it.
 */
#include "support/life.h"
#include "sim/net/sim.h"

#include "wire_acts.h"

#include "base/option.h"
#include "base/options.h"
#include "helm/agree.h"
#include "helm/close.h"
#include "helm/progress.h"
#include "helm/step.h"
#include "shared/engine.h"
#include "shared/policy_table.h"
#include "shared/thread.h"
#include "wire/header.h"

#include <unistd.h>

enum { RANKS = 3, ROUNDS = 60, SEED_BYTES = 16384 };

static struct {
	fy_sim *sim;
	ferry *engines[RANKS];
	struct fy_progress *p[RANKS];
	unsigned char bytes[SEED_BYTES];
	size_t n;
	unsigned turns; /* of the first engine, that are not written yet */
} scene;

/* ---- writing a program ----------------------------------------------------------------- */

static void write_8(unsigned value)
{
	if (scene.n < SEED_BYTES)
		scene.bytes[scene.n++] = (unsigned char)value;
}

static void write_16(unsigned value)
{
	write_8(value & 0xff);
	write_8(value >> 8);
}

static void write_act(int rank, unsigned act)
{
	for (; scene.turns; scene.turns -= scene.turns < 63 ? scene.turns : 63) {
		write_8(ACT_TURNS);
		write_8(scene.turns < 63 ? scene.turns : 63);
	}
	write_8(act | (rank == 2 ? 128 : 0));
}

static void record(void *arg, int from, int to, int tag, const void *data, size_t nbytes)
{
	const struct fy_batch_header *h = data;
	const unsigned char *records = (const unsigned char *)(h + 1);
	(void)arg;
	if (to != 0 || from == 0)
		return;
	if (tag != FY_TAG_BATCH) {
		write_act(from, ACT_CHUNK);
		write_16((unsigned)tag - 1);
		write_16(nbytes & 0xffff);
		write_16((unsigned)(nbytes >> 16));
		return;
	}
	write_act(from, ACT_BATCH);
	write_8(h->flags);
	write_16((unsigned)(nbytes - sizeof *h));
	for (size_t i = 0; i < nbytes - sizeof *h; i++)
		write_8(records[i]);
}

static void write_file(const char *directory, const char *name, const void *bytes, size_t nbytes)
{
	char path[4096];
	snprintf(path, sizeof path, "%s/%s", directory, name);
	FILE *file = fopen(path, "wb");
	if (!file || fwrite(bytes, 1, nbytes, file) != nbytes || fclose(file)) {
		perror(path);
		exit(1);
	}
}

/* ---- what the engines do ---------------------------------------------------------------- */

static void give_back(void *data, void *arg)
{
	(void)arg;
	free(data);
}

static ferry_message *large(ferry *e, uint32_t op, size_t nbytes, unsigned parts)
{
	ferry_message *m;
	ferry_message_create(e, op, &m);
	for (unsigned i = 0; i < parts; i++)
		ferry_message_attach(m, calloc(1, nbytes), nbytes, give_back, NULL);
	return m;
}

static void ignore(ferry *e, ferry_message *m, void *arg)
{
	(void)e, (void)m, (void)arg;
}

static void answer_large(ferry *e, ferry_message *m, void *arg)
{
	ferry_message *answer = large(e, 5, 60000, 1);
	(void)arg;
	ferry_reply_message(m, answer);
	ferry_message_release(answer);
}

static ferry *as_handler(int rank)
{
	return fy_thread_begin(FY_INLINE, scene.engines[rank]);
}

static void handle_all(int rank)
{
	static const uint32_t plain[] = { 1, 2, 6, 300 };
	ferry *e = scene.engines[rank], *before = as_handler(rank);
	for (unsigned i = 0; i < 4; i++)
		ferry_handle(e, plain[i], FERRY_INLINE, ignore, NULL);
	ferry_handle(e, 3, FERRY_INLINE, answer_large, NULL);
	fy_thread_end(FY_INLINE, before);
}

static void begin(unsigned mode)
{
	struct fy_sim_options net = { .eager_max = mode & RENDEZVOUS ? 8192 : 1 << 30,
		                      .tag_max = 64,
		                      .chunk_max = 1 << 20 };
	ferry_options given = FERRY_OPTIONS_INIT;
	given.flags = FERRY_NONBLOCK;
	given.handler_grace = FERRY_NONE;
	given.receive_memory = given.send_memory = 1 << 20;
	given.checksum = mode & CHECKSUM ? 1 : FERRY_NONE;
	memset(&scene, 0, sizeof scene);
	scene.sim = fy_sim_create(RANKS, 1, &net);
	for (int i = 0; i < RANKS; i++) {
		given.message_max = i == 0 && mode & SHORT_MESSAGES ? 20000 : 1 << 30;
		scene.engines[i] = t_open(fy_sim_port(scene.sim, i), &given);
		scene.p[i] = fy_progress_of(scene.engines[i]);
		handle_all(i);
	}
	fy_sim_record(scene.sim, record, NULL);
	write_8(mode);
}

static void run(unsigned rounds)
{
	for (unsigned i = 0; i < rounds; i++) {
		for (int rank = RANKS - 1; rank >= 0; rank--)
			if (!scene.p[rank]->close.stopped)
				fy_step_once(scene.p[rank], true);
		fy_sim_advance(scene.sim);
		scene.turns++;
	}
}

static void post(int from, int to, uint32_t op, size_t nbytes)
{
	static const char zeros[4096];
	ferry *before = as_handler(from);
	ferry_post(scene.engines[from], to, op, zeros, nbytes, NULL);
	fy_thread_end(FY_INLINE, before);
	if (from)
		return;
	write_act(to, ACT_POST);
	write_8((unsigned)nbytes);
}

static void call(int from, int to, uint32_t op, size_t nbytes)
{
	static const char zeros[4096];
	ferry_future *f;
	ferry *before = as_handler(from);
	if (ferry_call(scene.engines[from], to, op, zeros, nbytes, &f) == FERRY_OK)
		ferry_future_release(f);
	fy_thread_end(FY_INLINE, before);
	if (from)
		return;
	write_act(to, ACT_CALL);
	write_8((unsigned)nbytes);
}

static void post_large(int from, int to, uint32_t op, size_t nbytes, unsigned parts)
{
	ferry *before = as_handler(from);
	ferry_message *m = large(scene.engines[from], op, nbytes, parts);
	ferry_post_message(scene.engines[from], to, m, NULL);
	ferry_message_release(m);
	fy_thread_end(FY_INLINE, before);
	if (from)
		return;
	write_act(to, ACT_POST_LARGE);
	write_16((unsigned)(nbytes - 5000));
	write_8(0);
}

static void fence(int rank)
{
	fy_agree_join(scene.p[rank], FY_AGREE_FENCE);
	if (rank)
		return;
	write_act(0, ACT_JOIN);
	write_8(0);
}

static void close_rank(int rank)
{
	fy_store_release_32(&scene.engines[rank]->phase, FY_CLOSING);
	fy_close_begin(scene.p[rank]);
	if (rank)
		return;
	write_act(0, ACT_JOIN);
	write_8(1);
}

static void end(const char *directory, const char *name)
{
	write_act(0, ACT_TURNS);
	write_8(20);
	fy_sim_record(scene.sim, NULL, NULL);
	for (int i = 0; i < RANKS; i++)
		if (!scene.p[i]->close.begun)
			fy_close_begin(scene.p[i]);
	for (unsigned i = 0; i < 10000 && !scene.p[0]->close.stopped; i++) {
		run(1);
		fy_sim_advance_to(scene.sim, fy_sim_now(scene.sim) + FERRY_US(100));
	}
	run(1000);
	for (int i = 0; i < RANKS; i++) {
		fy_life_destroy(scene.engines[i]);
		fy_engine_release(scene.engines[i]);
	}
	fy_sim_destroy(scene.sim);
	write_file(directory, name, scene.bytes, scene.n);
}

/* ---- scenes ------------------------------------------------------------------------------ */

static void small_ones(void)
{
	post(1, 0, 1, 5);
	post(2, 0, 300, 40);
	call(1, 0, 2, 9);
	post(0, 1, 1, 8);
	run(ROUNDS);
	call(0, 2, 1, 16);
	call(2, 0, 2, 0);
	run(ROUNDS);
}

static void large_ones(void)
{
	post_large(1, 0, 1, 5000, 1);
	post(1, 0, 1, 5);
	run(ROUNDS);
	post_large(2, 0, 6, 30000, 2);
	post_large(0, 1, 1, 25000, 1);
	run(ROUNDS);
	call(0, 1, 3, 7);
	call(2, 0, 3, 7);
	run(ROUNDS);
}

static void many_parts(void)
{
	post_large(1, 0, 2, 20, 300);
	post(1, 0, 1, 1);
	run(2 * ROUNDS);
}

static void fences(void)
{
	post(1, 0, 1, 4);
	for (int rank = RANKS - 1; rank >= 0; rank--)
		fence(rank);
	post(2, 0, 1, 4);
	run(2 * ROUNDS);
	call(1, 0, 1, 4);
	if (!scene.p[0]->agree.kind && !scene.p[1]->agree.kind && !scene.p[2]->agree.kind)
		for (int rank = 0; rank < RANKS; rank++)
			fence(rank);
	run(2 * ROUNDS);
}

static void closes(void)
{
	post(1, 0, 1, 4);
	call(2, 0, 2, 4);
	for (int rank = RANKS - 1; rank >= 0; rank--)
		close_rank(rank);
	for (unsigned i = 0; i < 40; i++) {
		run(5);
		fy_sim_advance_to(scene.sim, fy_sim_now(scene.sim) + FERRY_US(50));
	}
}

static void write_scenes(const char *directory)
{
	static const struct {
		const char *name;
		void (*play)(void);
	} scenes[] = { { "small", small_ones },
		       { "large", large_ones },
		       { "parts", many_parts },
		       { "fence", fences },
		       { "close", closes } };
	static const struct {
		const char *name;
		unsigned mode;
	} modes[] = { { "plain", 0 },
		      { "sums", CHECKSUM },
		      { "rendezvous", RENDEZVOUS },
		      { "refused", SHORT_MESSAGES } };
	for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++)
		for (size_t j = 0; j < sizeof modes / sizeof *modes; j++) {
			char name[64];
			snprintf(name, sizeof name, "seed-%s-%s", scenes[i].name, modes[j].name);
			begin(modes[j].mode);
			scenes[i].play();
			end(directory, name);
		}
}

/* ---- options ------------------------------------------------------------------------------ */

static void write_option(const char *directory, const char *prefix, const struct fy_option *option)
{
	char variable[FY_OPTION_NAME + 16], value[100] = "none", line[300], file[100];
	if (option->type != FY_OPTION_TEXT && option->preset != FY_OPTION_COMPUTED)
		fy_option_format(option, option->preset, value, sizeof value);
	fy_option_variable(option, variable);
	snprintf(file, sizeof file, "seed-%s%s", prefix, variable);
	write_file(directory, file, line,
	           (size_t)snprintf(line, sizeof line, "%s=%s\n", variable, value));
}

static void write_options(const char *directory)
{
	size_t count;
	const struct fy_option *options = fy_options_table(&count);
	for (size_t i = 0; i < count; i++)
		write_option(directory, "", &options[i]);
	const struct fy_policy_parameter *parameters = fy_policy_table(&count);
	for (size_t i = 0; i < count; i++)
		write_option(directory, "policy-", &parameters[i].option);
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "fuzz_seeds wire|options DIRECTORY\n");
		return 2;
	}
	if (strcmp(argv[1], "wire") == 0)
		write_scenes(argv[2]);
	else
		write_options(argv[2]);
	return 0;
}
