/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread of the layer that asks MPI now and then (FERRY_PRELOAD=progress), so that what was
 * started proceeds while all threads of the program compute.
 */
#pragma once

#include <stdbool.h>

/* False: no thread could be made. */
bool fy_preload_progress_begin(void);
/* The thread is gone. */
void fy_preload_progress_end(void);
