/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cmd_stat_find.c - takes snapshots of the pages of counters (base/stats.h). A page is copied with pread(), not mapped: it belongs to a foreign process, which may cut
 * it short while it is read, and reading gives its untouched parts no memory.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "tools/cmd_stat.h"
#include "tools/pages.h"

/* A forked child has its parent's page until it makes its own: shown once. */
static bool is_known(const struct stat_samples *samples, const struct stat *st)
{
	size_t i;

	for (i = 0; i < samples->count; i++)
		if (samples->list[i]->ino == st->st_ino && samples->list[i]->dev == st->st_dev)
			return true;
	return false;
}

static int keep(struct stat_samples *out, struct stat_sample *sample)
{
	struct stat_sample **list;

	list = realloc(out->list, (out->count + 1) * sizeof(*list));
	if (!list)
		return -ENOMEM;
	out->list = list;
	out->list[out->count++] = sample;
	return 0;
}

static int read_page(int fd, pid_t pid, void *arg)
{
	struct stat_samples *out = arg;
	struct stat_sample *sample;
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st) < 0 || is_known(out, &st))
		return 0;
	sample = malloc(sizeof(*sample));
	if (!sample)
		return -ENOMEM;
	n = pread(fd, &sample->page, sizeof(sample->page), 0);
	if (n != sizeof(sample->page) || sample->page.magic != STATS_MAGIC ||
	    sample->page.size != sizeof(sample->page)) {
		out->foreign++;
		free(sample);
		return 0;
	}
	sample->pid = pid;
	sample->dev = st.st_dev;
	sample->ino = st.st_ino;
	if (keep(out, sample) == 0)
		return 0;
	free(sample);
	return -ENOMEM;
}

int stat_find(const pid_t *pids, size_t n, struct stat_samples *out)
{
	memset(out, 0, sizeof(*out));
	out->taken_ns = clock_ns();
	return pages_each(pids, n, O_RDONLY, read_page, out, &out->denied);
}

void stat_free(struct stat_samples *samples)
{
	size_t i;

	for (i = 0; i < samples->count; i++)
		free(samples->list[i]);
	free(samples->list);
	samples->list = NULL;
	samples->count = 0;
}

const struct stat_sample *stat_same(const struct stat_samples *samples, const struct stat_sample *s)
{
	size_t i;

	for (i = 0; i < samples->count; i++)
		if (samples->list[i]->ino == s->ino && samples->list[i]->dev == s->dev)
			return samples->list[i];
	return NULL;
}
