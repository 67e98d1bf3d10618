/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* All that the threads of this process have posted is with MPI. Every wrapper of a call that is not
 * local begins with this. Any thread. */
void fy_preload_flush(void);
