/* SPDX-License-Identifier: Apache-2.0 */
/* All schedules of all cases of a program, and what is said of them. */
#include "schedules/schedule.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "schedules/choice.h"
#include "schedules/run.h"

struct result {
	unsigned long schedules;
	bool failed;
	char sentence[320], schedule[200];
};

static unsigned long number(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);
	return text && *text ? strtoul(text, NULL, 0) : otherwise;
}

/* An access to nowhere is an error of the case. */
static void ends_by_signal(int number_of_signal)
{
	if (run->running)
		schedule_fail("signal %d in thread %d, in %s", number_of_signal, run->current,
		              run->threads[run->current].function);
	_exit(128 + number_of_signal);
}

static void begin(const struct schedule_case *what, const struct schedule_mistake *mistake)
{
	run->what = what;
	run->mistake = mistake && mistake->function ? mistake : NULL;
	run->preemptions_max = what->preemptions ? what->preemptions : 3;
	run->preemptions_max = (unsigned)number("FERRY_PREEMPTIONS", run->preemptions_max);
	choice_clear();
	memory_keep_statics();
}

/* Words turn out to be shared only when a second thread uses them. Then all begins anew, until no
 * schedule finds another one. */
static void explore(const struct schedule_case *what, const struct schedule_mistake *mistake,
                    struct result *r)
{
	memset(r, 0, sizeof *r);
	begin(what, mistake);
	for (;;) {
		run_once();
		r->schedules++;
		if (run->failed) {
			r->failed = true;
			memcpy(r->sentence, run->sentence, sizeof r->sentence);
			choice_write(r->schedule, sizeof r->schedule);
			return;
		}
		if (choice_has_grown()) {
			choice_restart();
			continue;
		}
		if (!choice_next())
			return;
	}
}

/* One schedule; true: it fails with that sentence. */
static bool repeats(const struct schedule_case *what, const struct schedule_mistake *mistake,
                    const char *schedule, bool told, const char *sentence)
{
	begin(what, mistake);
	if (!choice_follow(schedule)) {
		printf("# %s is no schedule\n", schedule);
		return false;
	}
	run->told = told;
	run_once();
	run->told = false;
	if (told)
		printf("# %s\n", run->failed ? run->sentence : "no error");
	return run->failed && (!sentence || strcmp(sentence, run->sentence) == 0);
}

static bool check_right(const struct schedule_case *c)
{
	struct result r;
	explore(c, NULL, &r);
	if (r.failed)
		printf("# %s: %s\n# again with FERRY_SCHEDULE='%s %s'\n", c->name, r.sentence,
		       c->name, r.schedule);
	else
		printf("# %s: %lu schedules, all with at most %u preemptions; up to %u choices\n",
		       c->name, r.schedules, run->preemptions_max, choice_deepest());
	return !r.failed;
}

static bool check_mistake(const struct schedule_case *c, unsigned i)
{
	static const char *const how[] = { "late", "not atomic", "left out" };
	const struct schedule_mistake *m = &c->mistakes[i];
	struct result r;
	explore(c, m, &r);
	printf("# %s/%u: %s in %s is %s: ", c->name, i + 1, m->operation, m->function, how[m->how]);
	if (!r.failed) {
		printf("not found in %lu schedules\n", r.schedules);
		return false;
	}
	printf("found after %lu: %s (%s)\n", r.schedules, r.sentence, r.schedule);
	if (repeats(c, m, r.schedule, false, r.sentence))
		return true;
	printf("# and not found again by its schedule: %s\n",
	       run->failed ? run->sentence : "no error");
	return false;
}

/* "CASE[/MISTAKE] SCHEDULE" */
static int follow(const struct schedule_case *cases, unsigned count, const char *wanted)
{
	for (unsigned i = 0; i < count; i++) {
		size_t length = strlen(cases[i].name);
		unsigned long mistake = 0;
		if (strncmp(wanted, cases[i].name, length) != 0)
			continue;
		const char *rest = wanted + length;
		if (*rest == '/')
			mistake = strtoul(rest + 1, (char **)&rest, 10);
		if (*rest != ' ' && *rest != '\0')
			continue;
		if (mistake > SCHEDULE_MISTAKES)
			break;
		return repeats(&cases[i], mistake ? &cases[i].mistakes[mistake - 1] : NULL,
		               *rest ? rest + 1 : rest, true, NULL);
	}
	printf("# there is no such case: %s\n", wanted);
	return 2;
}

static unsigned tests_of(const struct schedule_case *cases, unsigned count)
{
	unsigned tests = count;
	for (unsigned i = 0; i < count; i++)
		for (unsigned m = 0; m < SCHEDULE_MISTAKES && cases[i].mistakes[m].function; m++)
			tests++;
	return tests;
}

static int test(unsigned n, bool ok, const char *name, const char *what)
{
	printf("%sok %u - %s%s\n", ok ? "" : "not ", n, name, what);
	fflush(stdout);
	return !ok;
}

static bool is_sanitized(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
	return true;
#endif
#endif
	return false;
}

static void prepare(void)
{
	run = calloc(1, sizeof *run);
	if (!run)
		abort();
	struct sigaction action = { .sa_handler = ends_by_signal, .sa_flags = SA_NODEFER };
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGABRT, &action, NULL);
	setvbuf(stdout, NULL, _IOLBF, 4096);
}

int schedule_main(const struct schedule_case *cases, unsigned count)
{
	const char *wanted = getenv("FERRY_SCHEDULE"), *only = getenv("FERRY_CASE");
	unsigned n = 0;
	int failures = 0;
	if (is_sanitized())
		return puts("1..0 # SKIP a sanitizer does not follow contexts"), 0;
	if (getenv("TEST_COVERAGE"))
		return puts("1..0 # SKIP what runs here is not counted"), 0;
	prepare();
	if (wanted && *wanted)
		return follow(cases, count, wanted);
	if (only && *only) {
		while (count && strcmp(cases->name, only) != 0)
			cases++, count--;
		count = count > 0;
	}
	printf("1..%u\n", tests_of(cases, count));
	for (unsigned i = 0; i < count; i++) {
		failures += test(++n, check_right(&cases[i]), cases[i].name, "");
		for (unsigned m = 0; m < SCHEDULE_MISTAKES && cases[i].mistakes[m].function; m++)
			failures += test(++n, check_mistake(&cases[i], m), cases[i].name,
			                 ": a mistake is found");
	}
	return failures != 0;
}
