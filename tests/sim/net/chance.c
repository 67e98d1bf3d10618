/* SPDX-License-Identifier: Apache-2.0 */
/* Draws by one generator, so that the order of the calls is the course of the run. */
#include "sim/net/chance.h"

#include "port/port.h"

uint64_t chance_mix(uint64_t x)
{
	x ^= x >> 30;
	x *= UINT64_C(0xbf58476d1ce4e5b9);
	x ^= x >> 27;
	x *= UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/* splitmix64 */
uint64_t chance_draw(struct chance *chance)
{
	chance->random += UINT64_C(0x9e3779b97f4a7c15);
	return chance_mix(chance->random);
}

/* 0 to `most`, both included. */
static int64_t draw_time(struct chance *chance, int64_t most)
{
	return most <= 0 ? 0 : (int64_t)(chance_draw(chance) % ((uint64_t)most + 1));
}

bool chance_comes(struct chance *chance, uint32_t ppm)
{
	return ppm != 0 && chance_draw(chance) % 1000000 < ppm;
}

/* Of an ordered pair: some reach all of delay_max, most a part. The same for
 * the whole run, so that one pair is slow and another fast. */
int64_t chance_delay(struct chance *chance, int from, int to)
{
	uint64_t pair = chance_mix(chance->seed ^
	                           chance_mix(((uint64_t)(uint32_t)from << 32) | (uint32_t)to));
	int64_t reach =
		(chance->options->delay_max - chance->options->delay_min) >> (2 * (pair & 3));
	return chance->options->delay_min + draw_time(chance, reach);
}

/* Mostly soon, often late. */
int64_t chance_late(struct chance *chance)
{
	int64_t most = chance->options->late_max;
	return draw_time(chance, (chance_draw(chance) & 1) != 0 ? most : most / 16);
}

bool chance_due(struct fault *fault)
{
	if (fault->count == 0)
		return false;
	if (fault->skip > 0) {
		fault->skip--;
		return false;
	}
	fault->count--;
	return true;
}

bool chance_data_fails(struct chance *chance, struct fault *fault, int tag)
{
	return tag != FY_TAG_BATCH &&
	       (chance_due(fault) || chance_comes(chance, chance->options->fail_data_ppm));
}
