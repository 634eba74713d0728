/* SPDX-License-Identifier: BSD-3-Clause */
/* wait.c - poll, select and epoll. */
#include <limits.h>
#include <pthread.h>
#include <time.h>

/* libc declares poll() as only writing its array; it is read first, of course. */
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#include "base/clock.h"
#include "preload/preload.h"
#include "stack/epoll.h"
#include "stack/pollset.h"
#include "stack/stack.h"
#include "stack/usermem.h"
#include "stack/wait.h"

/* A thread that was to be cancelled while it could not be is cancelled here, where it holds nothing of ours. */
static int result(int r, int saved)
{
	if (r == -EINTR && !__libc_single_threaded)
		pthread_testcancel();
	errno = r < 0 ? -r : saved;
	return r < 0 ? -1 : r;
}

/* Milliseconds as poll() and epoll_wait() take them: negative waits for ever. */
static uint64_t deadline_ms(int timeout)
{
	return timeout < 0    ? WAIT_FOREVER
	       : timeout == 0 ? 0
			      : wait_deadline((uint64_t)timeout * NSEC_PER_MSEC);
}

/* False: no valid time; the kernel says what it thinks of it. */
static bool deadline_ts(const struct timespec *ts, uint64_t *deadline)
{
	*deadline = WAIT_FOREVER;
	if (!ts)
		return true;
	if (!usermem_readable(ts, sizeof(*ts)) || ts->tv_sec < 0 ||
	    (unsigned long)ts->tv_nsec >= NSEC_PER_SEC)
		return false;
	*deadline = 0;
	if (ts->tv_sec || ts->tv_nsec)
		*deadline = (uint64_t)ts->tv_sec > WAIT_FOREVER / NSEC_PER_SEC / 2
				    ? WAIT_FOREVER
				    : wait_deadline((uint64_t)ts->tv_sec * NSEC_PER_SEC +
						    (uint64_t)ts->tv_nsec);
	return true;
}

/* The kernel's count has 32 bits. */
#define COUNT(n) ((n)&UINT_MAX)

/* A mask that can not be read: the kernel says so, also when something is ready. */
static bool is_mask(const sigset_t *mask)
{
	return !mask || usermem_readable(mask, 8);
}

/* Are there sockets of ours among these? Otherwise libc waits, and nothing of ours may have to wait for that. */
static bool has_fast(const struct pollfd *fds, nfds_t n)
{
	if (poll_is_fast(fds, n))
		return true;
	stack_kick_held();
	return false;
}

static bool has_fast_bits(int n, const fd_set *rd, const fd_set *wr, const fd_set *ex)
{
	if (select_is_fast(n, rd, wr, ex))
		return true;
	stack_kick_held();
	return false;
}

EXPORT int poll(struct pollfd *fds, nfds_t n, int timeout)
{
	int saved = errno;

	n = COUNT(n);
	if (!has_fast(fds, n))
		return real.poll(fds, n, timeout);
	return result(poll_wait(fds, n, deadline_ms(timeout), NULL), saved);
}

EXPORT_ALIAS(poll) int __poll(struct pollfd *fds, nfds_t n, int timeout);

EXPORT int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
	uint64_t deadline;
	int saved = errno;

	n = COUNT(n);
	if (!has_fast(fds, n) || !deadline_ts(timeout, &deadline) || !is_mask(mask))
		return real.ppoll(fds, n, timeout, mask);
	return result(poll_wait(fds, n, deadline, mask), saved);
}

int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t room);
int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask,
		size_t room);

EXPORT int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t room)
{
	if (room / sizeof(*fds) < n)
		__chk_fail();
	return poll(fds, n, timeout);
}

EXPORT int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
		       const sigset_t *mask, size_t room)
{
	if (room / sizeof(*fds) < n)
		__chk_fail();
	return ppoll(fds, n, timeout, mask);
}

/* Linux's select() leaves the time that was not slept in its argument. */
static void write_back(struct timeval *timeout, uint64_t deadline)
{
	uint64_t now = clock_ns(), left = deadline > now ? deadline - now : 0;

	if (!timeout || !usermem_writable(timeout, sizeof(*timeout)))
		return;
	timeout->tv_sec = (time_t)(left / NSEC_PER_SEC);
	timeout->tv_usec = (suseconds_t)(left % NSEC_PER_SEC / NSEC_PER_USEC);
}

/*
 * The kernel looks at no more descriptors than the process's table has room for, which is much more since ours stand at its end: a
 * program that says more than its sets have bits must not suffer for it. Above FD_SETSIZE only open ones count.
 */
static int count_in_sets(int n, const fd_set *rd, const fd_set *wr, const fd_set *ex)
{
	return n > FD_SETSIZE && fdtable_in_use() ? select_count(n, rd, wr, ex) : n;
}

EXPORT int select(int n, fd_set *rd, fd_set *wr, fd_set *ex, struct timeval *timeout)
{
	uint64_t deadline = WAIT_FOREVER;
	int saved = errno, r;

	n = count_in_sets(n, rd, wr, ex);
	if (!has_fast_bits(n, rd, wr, ex) ||
	    (timeout && (!usermem_readable(timeout, sizeof(*timeout)) || timeout->tv_sec < 0 ||
			 timeout->tv_usec < 0)))
		return real.select(n, rd, wr, ex, timeout);
	if (timeout)
		deadline = !timeout->tv_sec && !timeout->tv_usec ? 0
			   : (uint64_t)timeout->tv_sec > WAIT_FOREVER / NSEC_PER_SEC / 2
				   ? WAIT_FOREVER
				   : wait_deadline((uint64_t)timeout->tv_sec * NSEC_PER_SEC +
						   (uint64_t)timeout->tv_usec * NSEC_PER_USEC);
	r = select_wait(n, rd, wr, ex, deadline, NULL);
	if (deadline != WAIT_FOREVER)
		write_back(timeout, deadline);
	return result(r, saved);
}

EXPORT_ALIAS(select)
int __select(int n, fd_set *rd, fd_set *wr, fd_set *ex, struct timeval *timeout);

EXPORT int pselect(int n, fd_set *rd, fd_set *wr, fd_set *ex, const struct timespec *timeout,
		   const sigset_t *mask)
{
	uint64_t deadline;
	int saved = errno;

	n = count_in_sets(n, rd, wr, ex);
	if (!has_fast_bits(n, rd, wr, ex) || !deadline_ts(timeout, &deadline) || !is_mask(mask))
		return real.pselect(n, rd, wr, ex, timeout, mask);
	return result(select_wait(n, rd, wr, ex, deadline, mask), saved);
}

static int epoll_made(int epfd)
{
	if (epfd >= 0)
		epoll_created(epfd);
	return epfd;
}

EXPORT int epoll_create(int size)
{
	return epoll_made(real.epoll_create(size));
}

EXPORT int epoll_create1(int flags)
{
	return epoll_made(real.epoll_create1(flags));
}

/* A set that was made before the library was there, or by a call it does not see, is taken up when it matters. */
static struct epoll_set *set_of(int epfd, bool wanted)
{
	struct epoll_set *ep = fdtable_epoll(epfd);

	if (ep || !wanted)
		return ep;
	epoll_created(epfd);
	ep = fdtable_epoll(epfd);
	if (ep)
		epoll_found(ep);
	return ep;
}

/* A set that we see for the first time has its member under the program's own data. */
static int control_unknown(int epfd, int op, int fd, struct epoll_event *event, struct sock *s,
			   struct epoll_set *child)
{
	struct epoll_set *ep;

	if (real.epoll_ctl(epfd, op, fd, event) < 0)
		return -errno;
	ep = set_of(epfd, s || child);
	if (ep) {
		epoll_changed(ep, op, fd, event, s, child);
		epoll_put(ep);
	}
	return 0;
}

EXPORT int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
	struct sock *s = fdtable_sock(fd);
	struct epoll_set *child = s ? NULL : fdtable_epoll(fd);
	struct epoll_set *ep = fdtable_epoll(epfd);
	int saved = errno, r;

	if (!ep && !s && !child)
		return real.epoll_ctl(epfd, op, fd, event);
	if (s && relaxed_get(s->inherited))
		adopt_now(s, fd);
	r = ep ? epoll_control(ep, epfd, op, fd, event, s, child)
	       : control_unknown(epfd, op, fd, event, s, child);
	if (s)
		sock_put(s);
	if (child)
		epoll_put(child);
	if (ep)
		epoll_put(ep);
	errno = r < 0 ? -r : saved;
	return r < 0 ? -1 : 0;
}

/* The set of @epfd if the stack has a say in it, with a reference. */
static struct epoll_set *fast_set(int epfd, const struct epoll_event *events, int max)
{
	struct epoll_set *ep = fdtable_epoll(epfd);

	stack_kick_held();
	if (!ep)
		return NULL;
	/* With other threads about, an accelerated socket may be added while we wait. */
	if (max > 0 && (size_t)max <= INT_MAX / sizeof(*events) &&
	    usermem_plain(events, (size_t)max * sizeof(*events)) &&
	    (!__libc_single_threaded || epoll_has_items(ep) || epoll_is_fast(ep)))
		return ep;
	epoll_put(ep);
	return NULL;
}

/* Nothing but the kernel's to report, and no other thread to change that: the program's own call, translated. */
static bool is_plain(struct epoll_set *ep)
{
	return __libc_single_threaded && !epoll_is_fast(ep) && !epoll_has_ghosts(ep);
}

static int translated(struct epoll_set *ep, struct epoll_event *events, int n)
{
	n = epoll_translate(ep, events, n);
	epoll_put(ep);
	return n;
}

static int wait_fast(struct epoll_set *ep, int epfd, struct epoll_event *events, int max,
		     uint64_t deadline, const sigset_t *mask)
{
	int saved = errno, r;

	if (epoll_is_fast(ep))
		r = epoll_wait_set(ep, epfd, events, max, deadline, mask);
	else
		r = epoll_wait_kernel(ep, epfd, events, max, deadline, mask);
	epoll_put(ep);
	return result(r, saved);
}

EXPORT int epoll_wait(int epfd, struct epoll_event *events, int max, int timeout)
{
	struct epoll_set *ep = fast_set(epfd, events, max);

	if (!ep)
		return real.epoll_wait(epfd, events, max, timeout);
	if (is_plain(ep))
		return translated(ep, events, real.epoll_wait(epfd, events, max, timeout));
	return wait_fast(ep, epfd, events, max, deadline_ms(timeout), NULL);
}

EXPORT int epoll_pwait(int epfd, struct epoll_event *events, int max, int timeout,
		       const sigset_t *mask)
{
	struct epoll_set *ep = fast_set(epfd, events, max);

	if (ep && !is_mask(mask)) {
		epoll_put(ep);
		ep = NULL;
	}
	if (!ep)
		return real.epoll_pwait(epfd, events, max, timeout, mask);
	if (is_plain(ep))
		return translated(ep, events, real.epoll_pwait(epfd, events, max, timeout, mask));
	return wait_fast(ep, epfd, events, max, deadline_ms(timeout), mask);
}

EXPORT int epoll_pwait2(int epfd, struct epoll_event *events, int max,
			const struct timespec *timeout, const sigset_t *mask)
{
	struct epoll_set *ep = fast_set(epfd, events, max);
	uint64_t deadline;

	if (!ep)
		return real.epoll_pwait2(epfd, events, max, timeout, mask);
	if (is_plain(ep))
		return translated(ep, events, real.epoll_pwait2(epfd, events, max, timeout, mask));
	if (!deadline_ts(timeout, &deadline) || !is_mask(mask)) {
		epoll_put(ep);
		return real.epoll_pwait2(epfd, events, max, timeout, mask);
	}
	return wait_fast(ep, epfd, events, max, deadline, mask);
}
