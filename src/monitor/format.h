/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of a monitor file: what an engine shows to other programs while it runs, hangs, or is
 * dead. doc/monitor-format.md explains them for readers without the library. Numbers are in the
 * order of the machine, times in ns. (Simulations have a clock of their own in the place of
 * CLOCK_MONOTONIC.)
 *
 * The head is at the beginning, with the table of sections in it. Readers find a section by its
 * kind, and step through it by the table's entry_bytes: so a later library can add kinds, and
 * members at the end of entries, and old readers go on. Whatever breaks that gets another
 * FY_MONITOR_LAYOUT.
 *
 * What is said once, when the file is made, is before `now`. All behind it is written by the
 * holder of the helm alone, with now.seq odd meanwhile. One section has a number of its own: see
 * struct fy_monitor_text.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "monitor/entries.h"

#define FY_MONITOR_MAGIC "FERRYMON"
#define FY_MONITOR_LAYOUT 1u
#define FY_MONITOR_ORDER 0x01020304u
#define FY_MONITOR_BYTES (64u << 10)    /* without peers, which begin here */
#define FY_MONITOR_MAX_BYTES (1u << 20) /* with all peers that a file can name */
#define FY_MONITOR_SECTIONS 24u

enum fy_monitor_kind {
	FY_MONITOR_NONE,
	FY_MONITOR_COUNTERS,   /* fy_monitor_value: the members of ferry_stats; they only grow,
				* but for memory_held */
	FY_MONITOR_GAUGES,     /* fy_monitor_value: how it is now, see the page */
	FY_MONITOR_HISTOGRAMS, /* fy_monitor_histogram: a stage of sampled operations each */
	FY_MONITOR_OPS,        /* fy_monitor_op */
	FY_MONITOR_ERRORS,     /* fy_monitor_error: each kind once, the first ones that came */
	FY_MONITOR_OPEN,       /* fy_monitor_open: the oldest first */
	FY_MONITOR_TEXT,       /* one fy_monitor_text */
	FY_MONITOR_PEERS,      /* fy_monitor_peer: the worst first */
};

enum fy_monitor_state { FY_MONITOR_OPENED = 1, FY_MONITOR_CLOSING, FY_MONITOR_CLOSED };

#define FY_MONITOR_NO_THREAD 0x1u /* flags: the program steps the engine itself */

/* Constant, but for count and left_out. */
struct fy_monitor_section {
	uint32_t kind;
	uint32_t entry_bytes;
	uint32_t offset;   /* of the first entry, in the file */
	uint32_t capacity; /* entries; of peers: at most, see file_bytes */
	uint32_t count;    /* entries that are there */
	uint32_t spare;
	uint64_t left_out; /* what there was no room for */
};

/* Which process it is, in a namespace of its host. */
struct fy_monitor_process {
	int32_t pid;
	uint32_t uid;
	uint64_t pid_namespace; /* inode of /proc/self/ns/pid; 0: not known */
	uint64_t started;       /* field 22 of /proc/PID/stat, in clock ticks; 0: not known */
};

/* What a sample says beside the sections. */
struct fy_monitor_now {
	/* even: the sections are as one sample left them; odd: one is being written. By the holder
	 * of the helm: odd (relaxed, then a full fence), the sample, even (release) */
	uint32_t seq;
	uint32_t state;       /* enum fy_monitor_state */
	uint64_t file_bytes;  /* that have memory behind them */
	uint64_t samples;     /* how many were written; 0: nothing is set yet */
	int64_t sampled;      /* CLOCK_MONOTONIC */
	int64_t sampled_wall; /* since 1970 */
	int64_t period;       /* until the next one; 0: when something happens again */
	char spare[80];       /* 0 */
};

struct fy_monitor_head {
	char magic[8];
	uint32_t layout;
	uint32_t order;      /* FY_MONITOR_ORDER */
	uint32_t head_bytes; /* sizeof this */
	uint32_t n_sections;
	struct fy_monitor_process process;
	uint64_t job; /* equal on all ranks of an engine, and only there */
	int32_t rank, size;
	uint32_t engine; /* its number in its process, from 1 on */
	uint32_t flags;
	int64_t opened_wall; /* since 1970 */
	int64_t opened;      /* monotonic, of the host (CLOCK_MONOTONIC) */
	char host[64];
	char program[64];
	char version[32];                                        /* of the library */
	char network[96];                                        /* MPI's name and version */
	char spare[168];                                         /* 0 */
	struct fy_monitor_now now;                               /* 512 */
	struct fy_monitor_section sections[FY_MONITOR_SECTIONS]; /* 640 */
	char end[640];                                           /* 0; up to 2048 */
};
_Static_assert(sizeof(struct fy_monitor_head) == 2048, "the page says 2048 bytes");

/* Lines for people. Whoever writes them may be another thread than the helm's holder, so it has a
 * `seq` of its own, of the same kind. */
#define FY_MONITOR_TEXT_BYTES (12u << 10)
struct fy_monitor_text {
	uint32_t seq;
	uint32_t nbytes;   /* that are set in `text` */
	uint64_t left_out; /* lines that found no room */
	int64_t written;   /* CLOCK_MONOTONIC */
	char spare[8];
	char text[FY_MONITOR_TEXT_BYTES - 32]; /* lines, each ends with a newline */
};

_Static_assert(sizeof(struct fy_monitor_now) == 128 && sizeof(struct fy_monitor_section) == 32 &&
                       sizeof(struct fy_monitor_text) == FY_MONITOR_TEXT_BYTES &&
                       offsetof(struct fy_monitor_head, now) == 512 &&
                       offsetof(struct fy_monitor_head, sections) == 640,
               "the page says so");

/* Where this library puts the sections, and how much is in them. Readers use the table. */
#define FY_MONITOR_N_COUNTERS 64u
#define FY_MONITOR_N_GAUGES 96u
#define FY_MONITOR_N_OPS 128u
#define FY_MONITOR_N_ERRORS 32u
#define FY_MONITOR_N_OPEN 128u
#define FY_MONITOR_N_PEERS \
	((FY_MONITOR_MAX_BYTES - FY_MONITOR_BYTES) / (uint32_t)sizeof(struct fy_monitor_peer))
