/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kernel.h - the socket calls that the library makes on its own account, on the shadow: they return -errno, leave
 * errno alone and are not cancellation points (a thread cancelled inside would leave its references behind). Calls that only pass
 * through, and sleeps, use real.h instead.
 */
#ifndef BASE_KERNEL_H
#define BASE_KERNEL_H

#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>

#include "base/sandbox.h"

#define KERNEL_SIGSET_SIZE 8

static inline ssize_t kernel_recvmsg(int fd, struct msghdr *msg, int flags)
{
	return own_call6(SYS_recvmsg, fd, (long)msg, flags, 0, 0, 0);
}

static inline ssize_t kernel_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	return own_call6(SYS_sendmsg, fd, (long)msg, flags, 0, 0, 0);
}

/* @timeout is not written back: a copy is passed. */
static inline int kernel_ppoll(struct pollfd *fds, nfds_t n, struct timespec timeout,
			       const sigset_t *mask)
{
	return (int)own_call6(SYS_ppoll, (long)fds, (long)n, (long)&timeout, (long)mask,
			      KERNEL_SIGSET_SIZE, 0);
}

static inline int kernel_epoll_now(int epfd, struct epoll_event *events, int max,
				   const sigset_t *mask)
{
#ifdef SYS_epoll_wait
	if (!mask && sandbox_forbids(SYS_epoll_pwait))
		return (int)own_call6(SYS_epoll_wait, epfd, (long)events, max, 0, 0, 0);
#endif
	return (int)own_call6(SYS_epoll_pwait, epfd, (long)events, max, 0, (long)mask,
			      KERNEL_SIGSET_SIZE);
}

static inline int kernel_epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
	return (int)own_call6(SYS_epoll_ctl, epfd, op, fd, (long)event, 0, 0);
}

static inline int kernel_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	return (int)own_call6(SYS_getsockopt, fd, level, name, (long)value, (long)len, 0);
}

static inline int kernel_fcntl(int fd, int command, long arg)
{
	return (int)own_call6(SYS_fcntl, fd, command, arg, 0, 0, 0);
}

static inline int kernel_getpid(void)
{
	return (int)own_call6(SYS_getpid, 0, 0, 0, 0, 0, 0);
}

#endif
