/* SPDX-License-Identifier: BSD-3-Clause */
/* fds.c - see fds.h. System calls are made directly: errno is not disturbed and nothing comes back into us. */
#define _GNU_SOURCE
#include "base/fds.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "base/sandbox.h"

#define HIGHEST_WANTED 65536 /* the kernel's table grows with the highest number: stay modest */
#define RESERVE 1024

uint64_t fds_map[FDS_MAX / 64];
__thread bool fds_inside;

static long first_high(void)
{
	struct rlimit64 lim = { 1024, 1024 };
	unsigned long top;

	own_call6(SYS_prlimit64, 0, RLIMIT_NOFILE, 0, (long)&lim, 0, 0);
	top = lim.rlim_cur < HIGHEST_WANTED ? lim.rlim_cur : HIGHEST_WANTED;
	return (long)(top > 2 * RESERVE ? top - RESERVE : top - top / 4);
}

void fds_mark(int fd, bool ours)
{
	uint64_t bit = 1ull << ((unsigned int)fd % 64);

	if ((unsigned int)fd >= FDS_MAX)
		return;
	if (ours)
		__atomic_or_fetch(&fds_map[fd / 64], bit, __ATOMIC_RELAXED);
	else
		__atomic_and_fetch(&fds_map[fd / 64], ~bit, __ATOMIC_RELAXED);
}

int fds_keep(int fd)
{
	long high;

	if (fd < 0)
		return fd;
	high = own_call6(SYS_fcntl, fd, F_DUPFD_CLOEXEC, first_high(), 0, 0, 0);
	if (high >= 0) {
		own_call6(SYS_close, fd, 0, 0, 0, 0, 0);
		fd = (int)high;
	} else {
		own_call6(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC, 0, 0, 0);
	}
	fds_mark(fd, true);
	return fd;
}

void fds_close(int fd)
{
	if (fd < 0)
		return;
	fds_mark(fd, false);
	own_call6(SYS_close, fd, 0, 0, 0, 0, 0);
}
