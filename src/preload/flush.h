/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Return when all that the threads of this process have posted is with MPI, and fy_next is there:
 * every wrapper of a non-local call begins with this. Ends the process with a sentence if fy_next
 * cannot be found. Any thread. */
void fy_preload_flush(void);
