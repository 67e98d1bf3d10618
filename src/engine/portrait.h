/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The picture of this process, taken by a thread that has not the helm: it takes it for a moment if
 * it can, and makes no step. Any thread but one that steps the engine.
 */
#pragma once

#include <stdint.h>

#include "ferry.h"

struct fy_picture;

/* Tries to get the helm for so long (ns). Without it the picture has no FY_PICTURE_HELM, and
 * FY_PICTURE_BUSY if steps were made meanwhile. FERRY_OK, or FERRY_ESTOPPED with a sentence. */
int fy_portrait_take(ferry *engine, int64_t patience, struct fy_picture *picture);
