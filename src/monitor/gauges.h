/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gauges of a monitor file, in their order: how an engine is when it is sampled. Bytes,
 * ns, and numbers of things. -1: not known, or none.
 */
#pragma once

#define FY_MONITOR_GAUGE_MAP(X)                                                                   \
	/* the progress thread, or who steps in its place */                                      \
	X(busy)            /* ns in steps that did something; it only grows */                    \
	X(step_threshold)  /* ns: a longer step is long */                                        \
	X(steps_long)      /* how many were; it only grows */                                     \
	X(step_long_op)    /* whose inline handler the last long one ran */                       \
	X(step_longest)    /* ns: the longest so far */                                           \
	X(step_longest_op) /* whose inline handler that one ran */                                \
	X(step_longest_at) /* CLOCK_MONOTONIC: when it began */                                   \
	X(inside)          /* op of the inline handler that runs; -2: other code; -1: none */     \
	X(idle)      /* how: 0 looks, 1 yields, 2 naps, 3 sleeps, 4 others drive, 5: no thread */ \
	X(drivers)   /* threads that wait and take turns at the helm */                           \
	X(cpu)       /* where the progress thread ran */                                          \
	X(cpu_taken) /* times since the last sample that others took it from the thread */        \
	/* what is open */                                                                        \
	X(lanes)         /* threads that post */                                                  \
	X(lanes_waiting) /* of which the lane is not empty */                                     \
	X(queued)        /* messages in the queues of channels */                                 \
	X(queued_bytes)                                                                           \
	X(flying)    /* batches that MPI has */                                                   \
	X(pending)   /* posts with a future that are not accepted */                              \
	X(counted)   /* runs of posts that count and are not accepted */                          \
	X(streams)   /* streams whose records wait for an acknowledgement */                      \
	X(calls)     /* calls without a reply */                                                  \
	X(large_out) /* large messages on their way, to peers */                                  \
	X(large_in)  /* and from them */                                                          \
	X(starts)    /* operations of MPI that the program started */                             \
	X(fence)     /* 1: this rank is in a fence */                                             \
	X(closing)   /* 1: it is in ferry_close */                                                \
	X(issued)    /* records that were put here, for fence and close */                        \
	X(done)      /* and those that came to their end here */                                  \
	X(channels)  /* peers talked to */                                                        \
	X(gone)      /* of these are gone */                                                      \
	X(crew)      /* number of the crew: 0: all ranks are there */                             \
	/* memory */                                                                              \
	X(receive_memory)  /* the option; memory_held is part of it */                            \
	X(send_memory)     /* the option */                                                       \
	X(send_used)       /* long bodies that are not sent yet */                                \
	X(posters_waiting) /* threads that wait for room */                                       \
	X(unread)          /* messages in the mailbox */                                          \
	X(unread_bytes)                                                                           \
	X(blocks)      /* bytes kept for the next large messages */                               \
	X(credit_pool) /* what can still be lent to peers */                                      \
	/* the rest */                                                                            \
	X(peer_timeout) /* the option; -1: none */                                                \
	X(sample_took)  /* ns: the last sample but one */

enum fy_monitor_gauge {
#define FY_MONITOR_GAUGE(name) FY_MONITOR_GAUGE_##name,
	FY_MONITOR_GAUGE_MAP(FY_MONITOR_GAUGE)
#undef FY_MONITOR_GAUGE
		FY_MONITOR_GAUGES_NAMED
};
