/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Monitor files: where they may be, that they are whole or not there, who is dead, what a reader
 * believes, and what is removed.
 */
#include "support/test.h"

#include "monitor/counters.h"
#include "monitor/directory.h"
#include "monitor/file.h"
#include "monitor/gauges.h"
#include "monitor/identity.h"
#include "monitor/layout.h"
#include "monitor/lock.h"
#include "monitor/reader.h"
#include "monitor/sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ENGINES = 200, PEERS = 100 };

static char place[72]; /* a directory for each test, which the files make */
static char why[FY_MONITOR_WHY];

static int setup(void **state)
{
	static unsigned n;
	(void)state;
	snprintf(place, sizeof place, "/dev/shm/ferry-test-%d-%u", (int)getpid(), n++);
	return 0;
}

static int teardown(void **state)
{
	char command[256];
	(void)state;
	snprintf(command, sizeof command, "rm -rf %s %s.link", place, place);
	return system(command) != 0;
}

static struct fy_monitor_head head_of(uint32_t engine)
{
	struct fy_monitor_head head = { .layout = FY_MONITOR_LAYOUT,
		                        .order = FY_MONITOR_ORDER,
		                        .head_bytes = sizeof head,
		                        .process = fy_identity_here(),
		                        .rank = 3,
		                        .size = 8,
		                        .engine = engine };
	memcpy(head.magic, FY_MONITOR_MAGIC, sizeof head.magic);
	strcpy(head.program, "test");
	fy_layout_set(&head);
	return head;
}

static int make(struct fy_file *file, uint32_t engine)
{
	struct fy_monitor_head head = head_of(engine);
	return fy_file_make(file, place, &head, FY_MONITOR_MAX_BYTES, why);
}

static void make_well(struct fy_file *file, uint32_t engine)
{
	if (make(file, engine))
		fail_msg("%s", why);
}

/* Reads the only file. */
static int read_one(struct fy_monitor_copy *copy)
{
	struct fy_monitor_list list;
	if (fy_monitor_list(place, &list, why))
		fail_msg("%s", why);
	assert_int_equal(list.n, 1);
	int status = fy_monitor_read(&list, list.names[0], copy, why);
	fy_monitor_list_free(&list);
	return status;
}

static unsigned count(void)
{
	struct fy_monitor_list list;
	assert_int_equal(fy_monitor_list(place, &list, why), 0);
	unsigned n = list.n;
	fy_monitor_list_free(&list);
	return n;
}

/* ---- where they may be ----------------------------------------------------------------------- */

static void refused(const char *words)
{
	struct fy_file file;
	assert_int_equal(make(&file, 1), -1);
	assert_null(file.head);
	if (!strstr(why, words))
		fail_msg("\"%s\" does not say \"%s\"", why, words);
}

static void a_directory_is_the_users_alone(void **state)
{
	(void)state;
	assert_int_equal(mkdir(place, 0700), 0);
	assert_int_equal(chmod(place, 0750), 0);
	refused("chmod 700");
	assert_int_equal(chmod(place, 0700), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(place, 12345, 12345), 0);
		refused("another user");
	}
}

static void a_link_is_refused(void **state)
{
	char link[80];
	(void)state;
	assert_int_equal(mkdir(place, 0700), 0);
	snprintf(link, sizeof link, "%s.link", place);
	assert_int_equal(symlink(place, link), 0);
	strcpy(place, link);
	refused("link");
	place[strlen(place) - strlen(".link")] = '\0';
}

static void what_is_no_directory_is_refused(void **state)
{
	(void)state;
	int fd = open(place, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	refused("no directory");
	strcat(place, "/below");
	refused("");
	place[strlen(place) - strlen("/below")] = '\0';
}

static void networks_are_known(void **state)
{
	char path[FY_DIRECTORY_PATH];
	(void)state;
	assert_true(fy_directory_is_network(NFS_SUPER_MAGIC));
	assert_true(fy_directory_is_network(CIFS_SUPER_MAGIC));
	assert_true(fy_directory_is_network(V9FS_MAGIC));
	assert_false(fy_directory_is_network(TMPFS_MAGIC));
	assert_false(fy_directory_is_network(EXT4_SUPER_MAGIC));
	assert_int_equal(fy_directory_choose("", path, why), -1);
}

static void the_default_is_in_the_session_or_in_memory(void **state)
{
	char path[FY_DIRECTORY_PATH], wanted[96];
	(void)state;
	assert_int_equal(mkdir(place, 0700), 0);
	setenv("XDG_RUNTIME_DIR", place, 1);
	assert_int_equal(fy_directory_choose(NULL, path, why), 0);
	snprintf(wanted, sizeof wanted, "%s/ferry", place);
	assert_string_equal(path, wanted);
	unsetenv("XDG_RUNTIME_DIR");
	assert_int_equal(fy_directory_choose(NULL, path, why), 0);
	snprintf(wanted, sizeof wanted, "/dev/shm/ferry-%u", (unsigned)geteuid());
	assert_string_equal(path, wanted);
}

static void a_reader_looks_where_files_may_be(void **state)
{
	char paths[FY_DIRECTORY_DEFAULTS][FY_DIRECTORY_PATH], session[96], login[96], memory[96];
	(void)state;
	snprintf(session, sizeof session, "%s/ferry", place);
	snprintf(login, sizeof login, "/run/user/%u/ferry", (unsigned)geteuid());
	snprintf(memory, sizeof memory, "/dev/shm/ferry-%u", (unsigned)geteuid());
	assert_int_equal(mkdir(place, 0700), 0);
	setenv("XDG_RUNTIME_DIR", place, 1);
	assert_int_equal(fy_directory_defaults(paths), 3);
	assert_string_equal(paths[0], session);
	assert_string_equal(paths[1], login);
	assert_string_equal(paths[2], memory);
	unsetenv("XDG_RUNTIME_DIR"); /* as after su or ssh */
	assert_int_equal(fy_directory_defaults(paths), 2);
	assert_string_equal(paths[0], login);
	assert_string_equal(paths[1], memory);
}

/* A limit of the process stands for a file system that is full. */
static void without_memory_there_is_no_file(void **state)
{
	struct rlimit before, little;
	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	little = before;
	little.rlim_cur = FY_MONITOR_BYTES / 2;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
	refused(strerror(EFBIG));
	assert_int_equal(count(), 0);
	/* and one that has got as much as it begins with does not grow */
	struct fy_file file;
	little.rlim_cur = FY_MONITOR_BYTES;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
	make_well(&file, 1);
	assert_false(fy_file_grow(&file, FY_MONITOR_BYTES + 4096));
	assert_int_equal(file.head->now.file_bytes, FY_MONITOR_BYTES);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	fy_file_remove(&file);
}

/* ---- what is in one -------------------------------------------------------------------------- */

static void what_is_written_is_read(void **state)
{
	struct fy_file file;
	struct fy_monitor_copy copy;
	struct fy_monitor_peer peer;
	int64_t value = 0;
	(void)state;
	make_well(&file, 1);
	struct fy_monitor_value *counters = fy_layout_entries(file.head, FY_MONITOR_COUNTERS);
	counters[FY_MONITOR_COUNTER_wakes].value = 77;
	assert_true(fy_file_grow(&file, FY_MONITOR_BYTES + 64 * PEERS));
	struct fy_monitor_peer *peers = fy_layout_entries(file.head, FY_MONITOR_PEERS);
	peers[PEERS - 1].rank = 99;
	fy_layout_section(file.head, FY_MONITOR_PEERS)->count = PEERS;
	assert_int_equal(read_one(&copy), 0);
	assert_int_equal(copy.life, FY_MONITOR_ALIVE);
	assert_false(copy.torn);
	assert_string_equal(copy.head->program, "test");
	assert_true(fy_monitor_value(&copy, "wakes", &value));
	assert_int_equal(value, 77);
	assert_true(fy_monitor_value(&copy, "cpu", &value));
	assert_false(fy_monitor_value(&copy, "cp", &value));
	assert_int_equal(fy_monitor_count(&copy, FY_MONITOR_PEERS), PEERS);
	assert_true(fy_monitor_entry(&copy, FY_MONITOR_PEERS, PEERS - 1, &peer, sizeof peer));
	assert_int_equal(peer.rank, 99);
	assert_false(fy_monitor_entry(&copy, FY_MONITOR_PEERS, PEERS, &peer, sizeof peer));
	fy_monitor_copy_free(&copy);
	fy_file_remove(&file);
	assert_int_equal(count(), 0);
}

static void a_torn_sample_is_said_to_be(void **state)
{
	struct fy_file file;
	struct fy_monitor_copy copy;
	(void)state;
	make_well(&file, 1);
	file.head->now.seq = 5;
	assert_int_equal(read_one(&copy), 0);
	assert_true(copy.torn);
	fy_monitor_copy_free(&copy);
	fy_file_remove(&file);
}

static void buckets_hold_what_they_say(void **state)
{
	(void)state;
	for (uint32_t i = 0; i + 1 < FY_MONITOR_BUCKETS; i++) {
		assert_int_equal(fy_monitor_bucket_of(fy_monitor_bucket_low(i)), i);
		assert_int_equal(fy_monitor_bucket_of(fy_monitor_bucket_low(i + 1) - 1), i);
	}
	assert_int_equal(fy_monitor_bucket_of(UINT64_MAX), FY_MONITOR_BUCKETS - 1);
}

/* ---- what is not believed -------------------------------------------------------------------- */

static int spoilt(void (*spoil)(struct fy_file *file, const char *path))
{
	char path[FY_DIRECTORY_PATH + FY_FILE_NAME + 8];
	struct fy_file file;
	struct fy_monitor_copy copy;
	make_well(&file, 1);
	snprintf(path, sizeof path, "%s/%s", file.path, file.name);
	spoil(&file, path);
	int status = read_one(&copy);
	for (unsigned i = 0; !status && i < copy.head->n_sections; i++) {
		const struct fy_monitor_section *s = &copy.head->sections[i];
		assert_in_range(s->offset + (uint64_t)s->count * s->entry_bytes, 0, copy.nbytes);
	}
	fy_monitor_copy_free(&copy);
	fy_file_remove(&file);
	return status;
}

static void cut_head(struct fy_file *file, const char *path)
{
	(void)file;
	assert_int_equal(truncate(path, 100), 0);
}

static void cut_sections(struct fy_file *file, const char *path)
{
	(void)file;
	assert_int_equal(truncate(path, 8192), 0);
}

static void change_layout(struct fy_file *file, const char *path)
{
	(void)path;
	file->head->layout++;
}

static void lie_about_sections(struct fy_file *file, const char *path)
{
	(void)path;
	file->head->sections[0].count = UINT32_MAX;
	file->head->sections[1].offset = 0xFFFFFFF8u;
	file->head->sections[2].entry_bytes = 0;
}

static void what_is_wrong_with_a_file_is_said(void **state)
{
	(void)state;
	assert_int_equal(spoilt(cut_head), -1);
	assert_non_null(strstr(why, "too short"));
	assert_int_equal(spoilt(change_layout), -1);
	assert_non_null(strstr(why, "another layout"));
	assert_int_equal(spoilt(cut_sections), 0); /* what is left is read */
	assert_int_equal(spoilt(lie_about_sections), 0);
}

/* ---- who is dead ----------------------------------------------------------------------------- */

/* A process that makes a file, and then does that. */
static pid_t other_process(void (*then)(void))
{
	int pipes[2];
	char byte;
	assert_int_equal(pipe(pipes), 0);
	pid_t child = fork();
	if (child == 0) {
		struct fy_file file;
		byte = (char)make(&file, 1);
		if (write(pipes[1], &byte, 1) == 1 && !byte)
			then();
		_exit(0);
	}
	assert_int_equal(read(pipes[0], &byte, 1), 1);
	assert_int_equal(byte, 0);
	close(pipes[0]);
	close(pipes[1]);
	return child;
}

static void wait_here(void)
{
	alarm(60);
	pause();
}

/* Under an emulator /proc/self is not what others see of a process, and a child has the mapping
 * that holds the lock. */
static bool is_emulated(void)
{
	const char *wrapper = getenv("TEST_WRAPPER");
	return wrapper && strstr(wrapper, "qemu");
}

static void leave_a_child(void)
{
	if (fork() == 0)
		sleep(1);
}

static enum fy_monitor_life life(void)
{
	struct fy_monitor_copy copy;
	assert_int_equal(read_one(&copy), 0);
	fy_monitor_copy_free(&copy);
	return copy.life;
}

static int clean_one(void)
{
	struct fy_monitor_list list;
	assert_int_equal(fy_monitor_list(place, &list, why), 0);
	assert_int_equal(list.n, 1);
	int removed = fy_monitor_clean(&list, list.names[0], why);
	fy_monitor_list_free(&list);
	return removed;
}

static void the_dead_are_read_and_cleaned(void **state)
{
	(void)state;
	if (is_emulated())
		return;
	pid_t child = other_process(wait_here);
	assert_int_equal(life(), FY_MONITOR_ALIVE);
	assert_int_equal(clean_one(), 0);
	assert_int_equal(kill(child, SIGKILL), 0);
	siginfo_t info;
	assert_int_equal(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(life(), FY_MONITOR_DEAD); /* nobody has waited for it yet */
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(life(), FY_MONITOR_DEAD);
	assert_int_equal(clean_one(), 1);
	assert_int_equal(count(), 0);
}

static void a_child_of_the_dead_does_not_hold_their_file(void **state)
{
	(void)state;
	if (is_emulated())
		return;
	char path[FY_DIRECTORY_PATH + FY_FILE_NAME];
	struct fy_monitor_list list;
	pid_t child = other_process(leave_a_child);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(fy_monitor_list(place, &list, why), 0);
	snprintf(path, sizeof path, "%s/%s", place, list.names[0]);
	fy_monitor_list_free(&list);
	int fd = open(path, O_RDONLY);
	assert_false(fy_lock_is_held(fd));
	close(fd);
	assert_int_equal(life(), FY_MONITOR_DEAD);
	assert_int_equal(clean_one(), 1);
}

static void what_has_the_number_of_the_dead_is_not_them(void **state)
{
	struct fy_monitor_process here = fy_identity_here();
	(void)state;
	assert_true(here.started && here.pid_namespace);
	assert_int_equal(fy_identity_look(&here), FY_IDENTITY_LIVES);
	here.started++;
	assert_int_equal(fy_identity_look(&here), FY_IDENTITY_GONE);
	here.pid_namespace++;
	assert_int_equal(fy_identity_look(&here), FY_IDENTITY_UNKNOWN);
}

/* ---- many, and what is left ------------------------------------------------------------------ */

static void a_process_has_hundreds(void **state)
{
	static struct fy_file files[ENGINES];
	(void)state;
	for (unsigned i = 0; i < ENGINES; i++)
		make_well(&files[i], i + 1);
	assert_int_equal(count(), ENGINES);
	for (unsigned i = 0; i < ENGINES; i++) {
		fy_file_remove(&files[i]);
		assert_int_equal(count(), ENGINES - 1 - i);
	}
}

static void one_that_vanished_is_made_again(void **state)
{
	char path[FY_DIRECTORY_PATH + FY_FILE_NAME + 8];
	struct fy_file file;
	struct fy_monitor_copy copy;
	(void)state;
	make_well(&file, 1);
	const struct fy_monitor_head *at = file.head;
	assert_true(fy_file_keep(&file));
	file.head->now.samples = 41;
	snprintf(path, sizeof path, "%s/%s", file.path, file.name);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(place), 0);
	assert_true(fy_file_keep(&file));
	assert_ptr_equal(file.head, at);
	file.head->now.samples++;
	assert_int_equal(read_one(&copy), 0);
	assert_int_equal(copy.head->now.samples, 42);
	assert_int_equal(copy.life, FY_MONITOR_ALIVE);
	fy_monitor_copy_free(&copy);
	fy_file_remove(&file);
}

static void old_ones_of_the_dead_are_swept(void **state)
{
	char path[FY_DIRECTORY_PATH + FY_FILE_NAME + 8];
	struct fy_file mine;
	(void)state;
	make_well(&mine, 9);
	pid_t child = other_process(wait_here);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(count(), 2);
	assert_int_equal(fy_sweep(place), 0); /* it died just now */
	struct fy_monitor_process dead = fy_identity_here();
	dead.pid = child;
	char name[FY_FILE_NAME];
	fy_identity_name(&dead, 1, FY_MONITOR_SUFFIX, name, sizeof name);
	snprintf(path, sizeof path, "%s/%s", place, name);
	int fd = open(path, O_WRONLY);
	int64_t long_ago = 1000000000;
	assert_int_equal(pwrite(fd, &long_ago, sizeof long_ago,
	                        offsetof(struct fy_monitor_head, now.sampled_wall)),
	                 sizeof long_ago);
	close(fd);
	strcat(path, FY_IDENTITY_TEMPORARY);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(fy_sweep(place), 2);
	assert_int_equal(count(), 1);
	fy_file_remove(&mine);
}

/* ---- the page -------------------------------------------------------------------------------- */

/* A reader that knows nothing but the page says the same. */
static void the_page_suffices(void **state)
{
	char command[512], line[256], wanted[64];
	const char *srcdir = getenv("TEST_SRCDIR");
	struct fy_file file;
	unsigned found = 0, lines = 0;
	(void)state;
	if (!srcdir || system("python3 -c '' 2>/dev/null") != 0) {
		print_message("python3 is not there, or TEST_SRCDIR is not set\n");
		return;
	}
	make_well(&file, 1);
	struct fy_monitor_value *values = fy_layout_entries(file.head, FY_MONITOR_COUNTERS);
	for (unsigned i = 0; i < FY_MONITOR_COUNTERS_NAMED; i++)
		values[i].value = 1000 + i;
	struct fy_monitor_open *open = fy_layout_entries(file.head, FY_MONITOR_OPEN);
	*open = (struct fy_monitor_open){ .kind = FY_MONITOR_CALL,
		                          .state = FY_MONITOR_AWAITED,
		                          .peer = 5,
		                          .op = 7,
		                          .since = 1,
		                          .count = 1 };
	fy_layout_section(file.head, FY_MONITOR_OPEN)->count = 1;
	snprintf(command, sizeof command, "python3 %s/examples/python_monitor.py %s/%s", srcdir,
	         file.path, file.name);
	FILE *out = popen(command, "r");
	assert_non_null(out);
	while (fgets(line, sizeof line, out)) {
		lines++;
		found += strstr(line, "open: call of op 7 to rank 5, not answered") != NULL;
		found += strstr(line, "rank 3 of 8") != NULL;
		for (unsigned i = 0; i < FY_MONITOR_COUNTERS_NAMED; i++) {
			snprintf(wanted, sizeof wanted, "counter %s %u\n", values[i].name,
			         1000 + i);
			found += strcmp(line, wanted) == 0;
		}
	}
	assert_int_equal(pclose(out), 0);
	assert_int_equal(found, FY_MONITOR_COUNTERS_NAMED + 2);
	fy_file_remove(&file);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_directory_is_the_users_alone),
		TEST(a_link_is_refused),
		TEST(what_is_no_directory_is_refused),
		TEST(networks_are_known),
		TEST(the_default_is_in_the_session_or_in_memory),
		TEST(a_reader_looks_where_files_may_be),
		TEST(without_memory_there_is_no_file),
		TEST(what_is_written_is_read),
		TEST(a_torn_sample_is_said_to_be),
		TEST(buckets_hold_what_they_say),
		TEST(what_is_wrong_with_a_file_is_said),
		TEST(the_dead_are_read_and_cleaned),
		TEST(a_child_of_the_dead_does_not_hold_their_file),
		TEST(what_has_the_number_of_the_dead_is_not_them),
		TEST(a_process_has_hundreds),
		TEST(one_that_vanished_is_made_again),
		TEST(old_ones_of_the_dead_are_swept),
		TEST(the_page_suffices),
	};
	return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
