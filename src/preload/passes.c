/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions of MPI that do nothing here but see to it that MPI has what was posted before:
 * those of the class flush of functions.list. Any thread.
 */
#include "preload/flush.h"
#include "preload/next.h"
#include "preload/passes.inc"
