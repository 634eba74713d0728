/* SPDX-License-Identifier: BSD-3-Clause */
/* pages.h - finds the pages of counters (base/stats.h) of accelerated processes: /proc/PID/fd/N that leads to our memfd. */
#ifndef TOOLS_PAGES_H
#define TOOLS_PAGES_H

#include <stddef.h>
#include <sys/types.h>

/* @fd is open with the flags that were asked for, and closed after the call. Not 0: it ends the walk. */
typedef int (*pages_fn)(int fd, pid_t pid, void *arg);

/*
 * Calls @fn for each page of the @n processes, or of all with @n == 0; a page that a forked child still has in common with
 * its parent comes twice. @flags: of open(2). *@denied counts what may not be looked into. 0, -errno, or what @fn has returned.
 */
int pages_each(const pid_t *pids, size_t n, int flags, pages_fn fn, void *arg, unsigned *denied);

#endif
