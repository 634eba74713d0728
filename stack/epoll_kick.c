/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * epoll_kick.c - threads that wait in the kernel for a set of its own files come back when the set has become fast (see epoll.h): a
 * descriptor that is always readable is added to it, and taken out again by the last of them.
 */
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>

#include "base/fds.h"
#include "base/kernel.h"
#include "base/real.h"
#include "stack/epoll_internal.h"

/* What the event of epoll_kick_waiters() carries; no program's data has this address in it. */
static char kick_mark;
static int kick_fd = -1;

static int kick_data_fd(void)
{
	int fd, none = -1;

	fd = __atomic_load_n(&kick_fd, __ATOMIC_ACQUIRE);
	if (fd >= 0)
		return fd;
	fd = fds_keep((int)own_call6(SYS_eventfd2, 1, EFD_NONBLOCK | EFD_CLOEXEC, 0, 0, 0, 0));
	if (fd < 0 || __atomic_compare_exchange_n(&kick_fd, &none, fd, false, __ATOMIC_ACQ_REL,
						  __ATOMIC_ACQUIRE))
		return fd;
	fds_close(fd);
	return none;
}

void epoll_confine(void)
{
	kick_data_fd();
}

void epoll_kick_waiters(struct epoll_set *ep)
{
	struct epoll_event mark = { .events = EPOLLIN, .data.ptr = &kick_mark };
	int fd;

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!relaxed_get(ep->in_kernel))
		return;
	fd = kick_data_fd();
	if (fd < 0)
		return;
	__atomic_store_n(&ep->kicked, true, __ATOMIC_RELEASE);
	kernel_epoll_ctl(ep->epfd, EPOLL_CTL_ADD, fd, &mark);
}

bool epoll_swallow_kick(struct epoll_set *ep, struct epoll_event *events, int *n)
{
	int kept = 0;

	if (!__atomic_load_n(&ep->kicked, __ATOMIC_ACQUIRE))
		return false;
	for (int i = 0; i < *n; i++)
		if (events[i].data.ptr != &kick_mark)
			events[kept++] = events[i];
	*n = kept;
	if (__atomic_load_n(&ep->in_kernel, __ATOMIC_ACQUIRE) == 0) {
		__atomic_store_n(&ep->kicked, false, __ATOMIC_RELEASE);
		kernel_epoll_ctl(ep->epfd, EPOLL_CTL_DEL, kick_data_fd(), NULL);
	}
	return true;
}
