/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fd.c - calls that close, copy and configure descriptors: the table follows, and our own descriptors survive programs
 * that close everything.
 */
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <linux/sockios.h>
#include <stdarg.h>
#include <sys/ioctl.h>

#include "base/clock.h"
#include "base/fds.h"
#include "preload/preload.h"
#include "stack/hwstamp.h"
#include "stack/usermem.h"

/* To the program a descriptor of ours does not exist. */
static bool hidden(int fd)
{
	return __builtin_expect(fds_is_internal(fd), 0) && !fds_inside;
}

static int refuse(int err)
{
	errno = err;
	return -1;
}

EXPORT int close(int fd)
{
	if (__builtin_expect(fds_is_internal(fd), 0)) {
		if (!fds_inside)
			return refuse(EBADF);
		fds_close(fd);
		return 0;
	}
	if (fdtable_in_use()) {
		int saved = errno;

		fdtable_clear(fd);
		errno = saved;
	}
	return real.close(fd);
}

EXPORT_ALIAS(close) int __close(int fd);

/* The next descriptor of ours from @fd on, at most @last; or @last + 1. */
static unsigned next_hidden(unsigned fd, unsigned last)
{
	for (; fd < FDS_MAX && fd <= last; fd++) {
		if (fd % 64 == 0 && !fds_map[fd / 64])
			fd += 63;
		else if (fds_is_internal((int)fd))
			return fd;
	}
	return last < UINT_MAX ? last + 1 : last;
}

/* Around our descriptors, piece by piece. */
static int close_between(unsigned first, unsigned last, int flags)
{
	unsigned at = first, stop;

	while (at <= last) {
		stop = next_hidden(at, last);
		if (stop > last || stop == UINT_MAX)
			return real.close_range(at, last, flags);
		if (stop > at && real.close_range(at, stop - 1, flags) < 0)
			return -1;
		at = stop + 1;
	}
	return 0;
}

EXPORT int close_range(unsigned int first, unsigned int last, int flags)
{
	int saved = errno;

	/* CLOSE_RANGE_UNSHARE first makes the table this thread's alone: leave it whole. */
	if (first > last || fds_inside ||
	    (flags & ~(int)(CLOSE_RANGE_CLOEXEC | CLOSE_RANGE_UNSHARE)))
		return real.close_range(first, last, flags);
	if (!(flags & CLOSE_RANGE_CLOEXEC)) {
		fdtable_clear_range(first, last);
		errno = saved;
	}
	return close_between(first, last, flags);
}

EXPORT void closefrom(int first)
{
	close_range(first < 0 ? 0 : (unsigned)first, UINT_MAX, 0);
}

static int copied(int from, int to)
{
	int saved = errno;

	if (to >= 0 && fdtable_in_use()) {
		fdtable_dup(from, to);
		errno = saved;
	}
	return to;
}

EXPORT int dup(int fd)
{
	if (hidden(fd))
		return refuse(EBADF);
	return copied(fd, real.dup(fd));
}

EXPORT int dup2(int fd, int target)
{
	if (hidden(fd) || hidden(target))
		return refuse(hidden(fd) ? EBADF : EBUSY);
	return copied(fd, real.dup2(fd, target));
}

EXPORT_ALIAS(dup2) int __dup2(int fd, int target) __attribute__((leaf, nothrow));

EXPORT int dup3(int fd, int target, int flags)
{
	if (hidden(fd) || hidden(target))
		return refuse(hidden(fd) ? EBADF : EBUSY);
	return copied(fd, real.dup3(fd, target, flags));
}

/* @async: SIGIO is wanted, and for a datagram in our queue that is nothing we could send. */
static void flags_changed(int fd, bool async)
{
	int saved = errno;
	struct sock *s = fdtable_sock(fd);

	if (!s)
		return;
	sock_sync_flags(s, fd);
	if (async)
		sock_refuse(s, "O_ASYNC is set, and only the kernel sends SIGIO");
	sock_put(s);
	errno = saved;
}

EXPORT int fcntl(int fd, int command, ...)
{
	va_list ap;
	void *arg;
	int r;

	va_start(ap, command);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (hidden(fd))
		return refuse(EBADF);
	r = real.fcntl(fd, command, arg);
	if (r >= 0 && (command == F_DUPFD || command == F_DUPFD_CLOEXEC)) {
		if (fds_inside)
			fds_mark(r, true);
		else
			copied(fd, r);
	}
	if (r == 0 && command == F_SETFL)
		flags_changed(fd, (long)arg & O_ASYNC);
	return r;
}

EXPORT_ALIAS(fcntl) int fcntl64(int fd, int command, ...);
EXPORT_ALIAS(fcntl) int __fcntl(int fd, int command, ...);

static int next_length(struct sock *s, int fd, int *out)
{
	int n;

	if (!usermem_writable(out, sizeof(*out)))
		return -EFAULT;
	n = sock_next_length(s, fd);
	if (n < 0)
		return n;
	*out = n;
	return 0;
}

/* Both structures are two longs. -ENOENT: the kernel knows. */
static int last_stamp(struct sock *s, int fd, unsigned long request, long *out)
{
	uint64_t ns = sock_last_stamp(s, fd);

	if (!ns)
		return -ENOENT;
	if (!usermem_writable(out, 2 * sizeof(*out)))
		return -EFAULT;
	out[0] = (long)(ns / NSEC_PER_SEC);
	out[1] = (long)(ns % NSEC_PER_SEC) / (request == SIOCGSTAMP ? 1000 : 1);
	return 0;
}

/* The kernel looks at 32 bits of the number only; the forms with 64-bit times differ from the others on 32-bit machines alone. */
static unsigned long ioctl_number(unsigned long request)
{
	switch ((uint32_t)request) {
	case (uint32_t)SIOCGSTAMP_NEW:
		return SIOCGSTAMP;
	case (uint32_t)SIOCGSTAMPNS_NEW:
		return SIOCGSTAMPNS;
	default:
		return (uint32_t)request;
	}
}

EXPORT int ioctl(int fd, unsigned long number, ...)
{
	unsigned long request = ioctl_number(number);
	va_list ap;
	void *arg;
	struct sock *s;
	int saved = errno, r;

	va_start(ap, number);
	arg = va_arg(ap, void *);
	va_end(ap);
	if (request == FIOASYNC || request == FIONBIO) {
		r = real.ioctl(fd, number, arg);
		if (r == 0)
			flags_changed(fd, request == FIOASYNC && *(const int *)arg);
		return r;
	}
	if (request == SIOCSHWTSTAMP) {
		r = real.ioctl(fd, number, arg);
		if (r == 0)
			hwstamp_changed();
		return r;
	}
	if ((request != FIONREAD && request != SIOCGSTAMP && request != SIOCGSTAMPNS) ||
	    !(s = fast_sock(fd)))
		return real.ioctl(fd, number, arg);
	if (request == FIONREAD)
		return (int)finish(s, next_length(s, fd, arg), saved);
	r = last_stamp(s, fd, request, arg);
	if (r == -ENOENT) {
		sock_put(s);
		return real.ioctl(fd, number, arg);
	}
	return (int)finish(s, r, saved);
}
