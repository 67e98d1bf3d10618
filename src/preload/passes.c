/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions of MPI that do nothing here but see to it that MPI has what was posted before:
 * those of the class flush of functions.list. And all others, which go straight to MPI unless all
 * calls are serialized (serialized.h). Any thread.
 */
#include "preload/flush.h"
#include "preload/next.h"
#include "preload/passes.inc"
#include "preload/others.inc"
