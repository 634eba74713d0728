/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * syscall.c - syscall(2): some programs make their socket calls by number. Numbers of intercepted calls go to
 * the interceptors above; all others to the kernel with six arguments, as libc does it.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fds.h"
#include "preload/preload.h"
#include "stack/pollset.h"
#include "stack/stack.h"
#include "stack/usermem.h"

struct args {
	long v[6];
};

#define A(i, type) ((type)a->v[i])

/*
 * Raw ppoll, pselect6 and the epoll calls take the size of the mask, which is not libc's: kernel masks have 8 bytes. False: the
 * kernel has something against it. *@mask: NULL or @copy.
 */
static bool mask_of(const long *raw, long size, sigset_t *copy, const sigset_t **mask)
{
	*mask = NULL;
	if (!raw)
		return true;
	if (size != 8 || !stack_is_ready() || !usermem_readable(raw, 8))
		return false;
	sigemptyset(copy);
	__builtin_memcpy(copy, raw, 8);
	*mask = copy;
	return true;
}

/* Raw pselect6's last argument: a structure of the mask's address and its size. */
static bool mask_of_pselect(const long *pair, sigset_t *copy, const sigset_t **mask)
{
	*mask = NULL;
	if (!pair)
		return true;
	return usermem_readable(pair, 2 * sizeof(*pair)) &&
	       mask_of((const long *)pair[0], pair[1], copy, mask);
}

static bool is_time(const struct timespec *ts)
{
	return !ts || (usermem_readable(ts, sizeof(*ts)) && ts->tv_sec >= 0 &&
		       (unsigned long)ts->tv_nsec < NSEC_PER_SEC);
}

/* The raw calls leave the time that was not slept in their argument, if they can (fs/select.c poll_select_finish()). */
static void write_back(struct timespec *ts, uint64_t began)
{
	struct timespec left = { 0, 0 };
	uint64_t slept = clock_ns() - began, all;

	if (!ts || (!ts->tv_sec && !ts->tv_nsec) || !usermem_writable_kept(ts, sizeof(*ts)))
		return;
	all = (uint64_t)ts->tv_sec > UINT64_MAX / 4 / NSEC_PER_SEC
		      ? UINT64_MAX / 4
		      : (uint64_t)ts->tv_sec * NSEC_PER_SEC + (uint64_t)ts->tv_nsec;
	if (all > slept) {
		left.tv_sec = (time_t)((all - slept) / NSEC_PER_SEC);
		left.tv_nsec = (long)((all - slept) % NSEC_PER_SEC);
	}
	*ts = left;
}

/* False: no accelerated socket in it, or arguments that the kernel has to judge. libc's functions would read a bad time themselves. */
static bool raw_ppoll(const struct args *a, long *r)
{
	struct pollfd *fds = A(0, struct pollfd *);
	nfds_t n = A(1, unsigned);
	struct timespec *ts = A(2, struct timespec *);
	const sigset_t *mask;
	uint64_t began;
	sigset_t copy;

	if (!poll_is_fast(fds, n) || !is_time(ts) ||
	    !mask_of(A(3, const long *), A(4, long), &copy, &mask))
		return false;
	began = clock_ns();
	*r = ppoll(fds, n, ts, mask);
	write_back(ts, began);
	return true;
}

static bool raw_pselect(const struct args *a, long *r)
{
	struct timespec *ts = A(4, struct timespec *);
	const sigset_t *mask;
	uint64_t began;
	sigset_t copy;

	if (!select_is_fast(A(0, int), A(1, fd_set *), A(2, fd_set *), A(3, fd_set *)) ||
	    !is_time(ts) || !mask_of_pselect(A(5, const long *), &copy, &mask))
		return false;
	began = clock_ns();
	*r = pselect(A(0, int), A(1, fd_set *), A(2, fd_set *), A(3, fd_set *), ts, mask);
	write_back(ts, began);
	return true;
}

static bool raw_select(const struct args *a, long *r)
{
	struct timeval *tv = A(4, struct timeval *);

	if (!select_is_fast(A(0, int), A(1, fd_set *), A(2, fd_set *), A(3, fd_set *)) ||
	    (tv && (!usermem_readable(tv, sizeof(*tv)) || tv->tv_sec < 0 || tv->tv_usec < 0)))
		return false;
	*r = select(A(0, int), A(1, fd_set *), A(2, fd_set *), A(3, fd_set *), tv);
	return true;
}

static bool receive(long nr, const struct args *a, long *r)
{
	switch (nr) {
	case SYS_recvfrom:
		*r = recvfrom(A(0, int), A(1, void *), A(2, size_t), A(3, int),
			      A(4, struct sockaddr *), A(5, socklen_t *));
		return true;
	case SYS_recvmsg:
		*r = recvmsg(A(0, int), A(1, struct msghdr *), A(2, int));
		return true;
	case SYS_recvmmsg:
		*r = recvmmsg(A(0, int), A(1, struct mmsghdr *), A(2, unsigned), A(3, int),
			      A(4, struct timespec *));
		return true;
	case SYS_read:
		*r = read(A(0, int), A(1, void *), A(2, size_t));
		return true;
	case SYS_readv:
		*r = readv(A(0, int), A(1, const struct iovec *), A(2, int));
		return true;
	case SYS_preadv2:
		*r = preadv2(A(0, int), A(1, const struct iovec *), A(2, int), A(3, off_t),
			     A(5, int));
		return true;
	case SYS_splice:
		*r = splice(A(0, int), A(1, off64_t *), A(2, int), A(3, off64_t *), A(4, size_t),
			    A(5, unsigned));
		return true;
	case SYS_sendfile:
		*r = sendfile(A(0, int), A(1, int), A(2, off_t *), A(3, size_t));
		return true;
	default:
		return false;
	}
}

static bool transmit(long nr, const struct args *a, long *r)
{
	switch (nr) {
	case SYS_sendto:
		*r = sendto(A(0, int), A(1, const void *), A(2, size_t), A(3, int),
			    A(4, const struct sockaddr *), A(5, socklen_t));
		return true;
	case SYS_sendmsg:
		*r = sendmsg(A(0, int), A(1, const struct msghdr *), A(2, int));
		return true;
	case SYS_sendmmsg:
		*r = sendmmsg(A(0, int), A(1, struct mmsghdr *), A(2, unsigned), A(3, int));
		return true;
	case SYS_write:
		*r = write(A(0, int), A(1, const void *), A(2, size_t));
		return true;
	case SYS_writev:
		*r = writev(A(0, int), A(1, const struct iovec *), A(2, int));
		return true;
	default:
		return false;
	}
}

static bool configure(long nr, const struct args *a, long *r)
{
	switch (nr) {
	case SYS_socket:
		*r = socket(A(0, int), A(1, int), A(2, int));
		return true;
	case SYS_bind:
		*r = bind(A(0, int), A(1, const struct sockaddr *), A(2, socklen_t));
		return true;
	case SYS_connect:
		*r = connect(A(0, int), A(1, const struct sockaddr *), A(2, socklen_t));
		return true;
	case SYS_shutdown:
		*r = shutdown(A(0, int), A(1, int));
		return true;
	case SYS_setsockopt:
		*r = setsockopt(A(0, int), A(1, int), A(2, int), A(3, const void *),
				A(4, socklen_t));
		return true;
	case SYS_getsockopt:
		*r = getsockopt(A(0, int), A(1, int), A(2, int), A(3, void *), A(4, socklen_t *));
		return true;
	case SYS_ioctl:
		*r = ioctl(A(0, int), A(1, unsigned long), A(2, void *));
		return true;
	default:
		return false;
	}
}

static bool descriptors(long nr, const struct args *a, long *r)
{
	switch (nr) {
	case SYS_close:
		*r = close(A(0, int));
		return true;
	case SYS_close_range:
		*r = close_range(A(0, unsigned), A(1, unsigned), A(2, int));
		return true;
	case SYS_dup:
		*r = dup(A(0, int));
		return true;
#ifdef SYS_dup2
	case SYS_dup2:
		*r = dup2(A(0, int), A(1, int));
		return true;
#endif
	case SYS_dup3:
		*r = dup3(A(0, int), A(1, int), A(2, int));
		return true;
	case SYS_fcntl:
		*r = fcntl(A(0, int), A(1, int), A(2, void *));
		return true;
	default:
		return false;
	}
}

static bool waiting(long nr, const struct args *a, long *r)
{
	const sigset_t *mask;
	sigset_t copy;

	switch (nr) {
#ifdef SYS_poll
	case SYS_poll:
		*r = poll(A(0, struct pollfd *), A(1, nfds_t), A(2, int));
		return true;
#endif
	case SYS_ppoll:
		return raw_ppoll(a, r);
#ifdef SYS_select
	case SYS_select:
		return raw_select(a, r);
#endif
	case SYS_pselect6:
		return raw_pselect(a, r);
#ifdef SYS_epoll_create
	case SYS_epoll_create:
		*r = epoll_create(A(0, int));
		return true;
#endif
	case SYS_epoll_create1:
		*r = epoll_create1(A(0, int));
		return true;
	case SYS_epoll_ctl:
		*r = epoll_ctl(A(0, int), A(1, int), A(2, int), A(3, struct epoll_event *));
		return true;
#ifdef SYS_epoll_wait
	case SYS_epoll_wait:
		*r = epoll_wait(A(0, int), A(1, struct epoll_event *), A(2, int), A(3, int));
		return true;
#endif
	case SYS_epoll_pwait:
		if (!mask_of(A(4, const long *), A(5, long), &copy, &mask))
			return false;
		*r = epoll_pwait(A(0, int), A(1, struct epoll_event *), A(2, int), A(3, int), mask);
		return true;
	case SYS_epoll_pwait2:
		if (!mask_of(A(4, const long *), A(5, long), &copy, &mask))
			return false;
		*r = epoll_pwait2(A(0, int), A(1, struct epoll_event *), A(2, int),
				  A(3, const struct timespec *), mask);
		return true;
	default:
		return false;
	}
}

/* As in leave.c. */
static bool leaves(long nr)
{
	return nr == SYS_exit || nr == SYS_exit_group || nr == SYS_execve || nr == SYS_execveat;
}

/* libbpf makes its descriptors by number: those of ours are kept out of the program's way. */
static long keep_ours(long nr, long r)
{
	return fds_inside && nr == SYS_bpf && r > 2 ? fds_keep((int)r) : r;
}

EXPORT long syscall(long number, ...)
{
	struct args a;
	va_list ap;
	long r;

	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		a.v[i] = va_arg(ap, long);
	va_end(ap);
	if ((fdtable_in_use() || number == SYS_socket || number == SYS_close) && !fds_inside &&
	    (receive(number, &a, &r) || transmit(number, &a, &r) || configure(number, &a, &r) ||
	     descriptors(number, &a, &r) || waiting(number, &a, &r)))
		return r;
	if (seccomp_by_number(number, a.v, &r))
		return r;
	if (number == SYS_prctl && a.v[0] == PR_SET_SECCOMP)
		return prctl(PR_SET_SECCOMP, a.v[1], a.v[2], a.v[3], a.v[4]);
	if (leaves(number))
		stack_kick_leaving();
	r = real.syscall(number, a.v[0], a.v[1], a.v[2], a.v[3], a.v[4], a.v[5]);
	return keep_ours(number, r);
}
