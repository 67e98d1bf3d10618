/* SPDX-License-Identifier: Apache-2.0 */
/* Why a job does not go on: the verdict on two rounds of answers, in words or as a graph. */
#include "ask.h"

#include <stdlib.h>

#include "../text/json.h"
#include "watch/picture.h"
#include "watch/story.h"
#include "watch/verdict.h"

#define TEXT_BYTES ((size_t)1 << 20)

/* The picture that its process took; NULL: it gave none. */
static const struct fy_picture *picture_of(const struct ask_rank *rank)
{
	bool has = rank->known == ASK_ANSWER && rank->answer.has_picture &&
	           rank->answer.source != FY_ANSWER_FILE;
	return has ? &rank->answer.picture : NULL;
}

static const struct ask_job *find_same(const struct ask_jobs *jobs, const struct ask_job *job)
{
	for (unsigned i = 0; i < jobs->n; i++)
		if (jobs->jobs[i].id == job->id && jobs->jobs[i].size == job->size)
			return &jobs->jobs[i];
	return NULL;
}

static void show(FILE *file, const struct ask_options *o, const struct ask_job *job,
                 const struct fy_verdict_of *of, char *text)
{
	char why[ASK_WHY];
	if (o->dot) {
		fy_story_draw(of, text, TEXT_BYTES);
		fputs(text, file);
		return;
	}
	fy_story_tell(of, text, TEXT_BYTES);
	if (!o->json) {
		fprintf(file, "job %016llx of %d ranks: %s", (unsigned long long)job->id, job->size,
		        text);
		return;
	}
	fprintf(file, "{\"job\": \"%016llx\", \"size\": %d, \"verdict\": \"%s\", \"doubt\": ",
	        (unsigned long long)job->id, job->size, fy_verdict_name(fy_verdict(of)));
	text_json(file, fy_verdict_why_not(of, why, sizeof why));
	fprintf(file, ", \"text\": ");
	text_json(file, text);
	fprintf(file, "}");
}

/* 0: it is not stuck; 1: it is, or likely; -1: no memory. `before`: the round before, or NULL. */
static int tell(FILE *file, const struct ask_options *o, const struct ask_job *before,
                const struct ask_job *job)
{
	const struct fy_picture **of = calloc(2 * (size_t)job->size, sizeof *of);
	char *text = malloc(TEXT_BYTES);
	int status = -1;
	if (of && text) {
		for (int i = 0; i < job->size; i++) {
			of[i] = before ? picture_of(&before->ranks[i]) : NULL;
			of[job->size + i] = picture_of(&job->ranks[i]);
		}
		struct fy_verdict_of pictures = { of, of + job->size, job->size };
		show(file, o, job, &pictures, text);
		status = fy_verdict(&pictures) != FY_VERDICT_NO;
	}
	free(of);
	free(text);
	return status;
}

int ask_why(FILE *file, const struct ask_options *o, const struct ask_jobs *before,
            const struct ask_jobs *jobs)
{
	int worst = jobs->n ? 0 : 1;
	if (o->json)
		fprintf(file, "{\"version\": 1, \"jobs\": [");
	for (unsigned i = 0; i < jobs->n && worst >= 0; i++) {
		if (i)
			fputs(o->json ? ",\n" : "\n", file);
		int status = tell(file, o, find_same(before, &jobs->jobs[i]), &jobs->jobs[i]);
		worst = status < 0 || status > worst ? status : worst;
	}
	if (o->json)
		fprintf(file, "]}\n");
	return worst;
}
