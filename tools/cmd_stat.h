/* SPDX-License-Identifier: BSD-3-Clause */
/* cmd_stat.h - between the parts of `kbaccel stat`: finding pages, printing them. */
#ifndef TOOLS_CMD_STAT_H
#define TOOLS_CMD_STAT_H

#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "base/stats.h"

/* A snapshot of one process's counters. */
struct stat_sample {
	pid_t pid;
	dev_t dev; /* of the memfd: which process it was, should the pid be used again */
	ino_t ino;
	struct stats_page page;
};

struct stat_samples {
	struct stat_sample **list;
	size_t count;
	uint64_t taken_ns;
	unsigned denied;  /* processes that may not be looked into */
	unsigned foreign; /* pages of another version of the library */
};

/* Takes a snapshot of each of the @n processes, or of all with @n == 0. 0 or -ENOMEM. */
int stat_find(const pid_t *pids, size_t n, struct stat_samples *out);
void stat_free(struct stat_samples *samples);

/* The snapshot of the same process in @samples, or NULL. */
const struct stat_sample *stat_same(const struct stat_samples *samples, const struct stat_sample *s);

/* @before: an earlier snapshot, @seconds ago, for rates; or NULL. */
void stat_print(const struct stat_sample *s, const struct stat_sample *before, double seconds);

#endif
