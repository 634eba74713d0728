/* SPDX-License-Identifier: BSD-3-Clause */
/* pages.c - see pages.h. */
#define _GNU_SOURCE
#include "tools/pages.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/stats.h"

struct walk {
	int flags;
	pages_fn fn;
	void *arg;
	unsigned *denied;
};

static bool is_page(int dir, const char *name)
{
	static const char want[] = "/memfd:" STATS_MEMFD_NAME " ";
	char target[sizeof(want)] = "";

	return readlinkat(dir, name, target, sizeof(want) - 1) == (ssize_t)sizeof(want) - 1 &&
	       strcmp(target, want) == 0;
}

static int look_into(const struct walk *w, pid_t pid)
{
	char path[32];
	struct dirent *entry;
	int fd, ret = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	if (!dir) {
		*w->denied += errno == EACCES || errno == EPERM;
		return 0;
	}
	while (ret == 0 && (entry = readdir(dir))) {
		if (!isdigit((unsigned char)entry->d_name[0]) || !is_page(dirfd(dir), entry->d_name))
			continue;
		fd = openat(dirfd(dir), entry->d_name, w->flags | O_CLOEXEC);
		if (fd < 0) {
			*w->denied += errno == EACCES || errno == EPERM;
			continue;
		}
		ret = w->fn(fd, pid, w->arg);
		close(fd);
	}
	closedir(dir);
	return ret;
}

static int look_into_all(const struct walk *w)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	int ret = 0;

	if (!dir)
		return -errno;
	while (ret == 0 && (entry = readdir(dir)))
		if (isdigit((unsigned char)entry->d_name[0]))
			ret = look_into(w, (pid_t)atoi(entry->d_name));
	closedir(dir);
	return ret;
}

int pages_each(const pid_t *pids, size_t n, int flags, pages_fn fn, void *arg, unsigned *denied)
{
	const struct walk w = { flags, fn, arg, denied };
	int ret = 0;

	for (size_t i = 0; i < n && ret == 0; i++)
		ret = look_into(&w, pids[i]);
	return n ? ret : look_into_all(&w);
}
