/* SPDX-License-Identifier: BSD-3-Clause */
/* epoll_wait.c - the events of a set: the kernel's and ours in one pass (see epoll.h). */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/clock.h"
#include "base/fds.h"
#include "base/kernel.h"
#include "base/real.h"
#include "stack/epoll_internal.h"
#include "stack/stack.h"
#include "stack/usermem.h"
#include "stack/wait.h"

/* Writability is the kernel's to say; an edge reports all that holds at that moment (ep_send_events()). */
static uint32_t write_events(const struct epoll_item *it)
{
	struct pollfd pfd = { .fd = it->fd, .events = POLLOUT };

	if (!(it->events & EPOLL_WRITE_EVENTS))
		return 0;
	return kernel_ppoll(&pfd, 1, (struct timespec){ 0, 0 }, NULL) == 1 && (pfd.revents & POLLOUT)
		       ? it->events & EPOLL_WRITE_EVENTS
		       : 0;
}

/* The kernel's copy of a one-shot item must not fire once more. */
static void disarm(struct epoll_item *it, int epfd)
{
	struct epoll_event none = { .events = EPOLLONESHOT | EPOLLET, .data.u64 = it->data };

	it->armed = false;
	kernel_epoll_ctl(epfd, EPOLL_CTL_MOD, it->fd, &none);
}

static bool put_event(struct epoll_event *to, uint32_t events, uint64_t data)
{
	if (!usermem_writable(to, sizeof(*to)))
		return false;
	to->events = events;
	to->data.u64 = data;
	return true;
}

/* Would @it, on its set's ready list, be reported? */
static bool has_event(const struct epoll_item *it)
{
	return it->armed &&
	       (it->edge || ((it->events & EPOLL_READ_EVENTS) && sock_readable(it->sock)));
}

/* All that holds for @it now. */
static uint32_t events_of(const struct epoll_item *it)
{
	uint32_t events = sock_readable(it->sock) ? it->events & EPOLL_READ_EVENTS : 0;

	return events | write_events(it);
}

/* Takes @it off the ready list and reports it if an event still holds; -EFAULT: @to is bad. */
static int report_item(struct epoll_set *ep, struct epoll_item *it, int epfd, struct epoll_event *to)
{
	uint32_t events = has_event(it) ? events_of(it) : 0;

	TAILQ_REMOVE(&ep->ready, it, of_ready);
	it->ready = false;
	if (events && !put_event(to, events, it->data)) {
		it->ready = true;
		TAILQ_INSERT_HEAD(&ep->ready, it, of_ready);
		return -EFAULT;
	}
	it->edge = false;
	if (!events)
		return 0;
	if (it->events & EPOLLONESHOT) {
		disarm(it, epfd);
	} else if (!(it->events & EPOLLET)) {
		it->ready = true;
		TAILQ_INSERT_TAIL(&ep->ready, it, of_ready);
	}
	return 1;
}

static int report_ready(struct epoll_set *ep, int epfd, struct epoll_event *events, int max)
{
	struct epoll_item *it, *last = TAILQ_LAST(&ep->ready, epoll_ready);
	int n = 0, r;
	bool end = !last;

	while (!end && n < max) {
		it = TAILQ_FIRST(&ep->ready);
		end = it == last;
		r = report_item(ep, it, epfd, &events[n]);
		if (r < 0)
			return n ? n : r;
		n += r;
	}
	return n;
}

/* As deep as the kernel lets sets be nested (fs/eventpoll.c EP_MAX_NESTS), and one more to end a wrong count. */
#define MAX_NESTING 6

static bool own_readable(struct epoll_set *ep)
{
	struct epoll_item *it;
	bool yes = false;

	if (TAILQ_EMPTY(&ep->ready) || !lock_acquire(&ep->lock))
		return false;
	TAILQ_FOREACH(it, &ep->ready, of_ready)
		yes = yes || has_event(it);
	lock_release(&ep->lock);
	return yes;
}

/* epoll_membership is held if the set has children. */
static bool readable_at(struct epoll_set *ep, int depth)
{
	struct epoll_item *it;
	bool yes = own_readable(ep);

	if (yes || !ep->children || depth == MAX_NESTING)
		return yes;
	LIST_FOREACH(it, &ep->items, of_set)
		yes = yes || (it->child && it->armed && readable_at(it->child, depth + 1));
	return yes;
}

bool epoll_readable(struct epoll_set *ep)
{
	bool yes;

	if (!ep->children)
		return own_readable(ep);
	if (!lock_acquire(&epoll_membership))
		return false;
	yes = readable_at(ep, 0);
	lock_release(&epoll_membership);
	return yes;
}

/* Arrivals in a set and all below it: a change is an edge of the set around it. */
static unsigned feeds_of(const struct epoll_set *ep, int depth)
{
	const struct epoll_item *it;
	unsigned feeds = ep->feeds;

	if (!ep->children || depth == MAX_NESTING)
		return feeds;
	LIST_FOREACH(it, &ep->items, of_set)
		if (it->child)
			feeds += feeds_of(it->child, depth + 1);
	return feeds;
}

/* A set inside this one that has something to report is itself readable. */
static int report_children(struct epoll_set *ep, int epfd, struct epoll_event *events, int max)
{
	struct epoll_item *it;
	int n = 0;

	if (!ep->children || !lock_acquire(&epoll_membership))
		return 0;
	LIST_FOREACH(it, &ep->items, of_set) {
		unsigned feeds;

		if (!it->child || !it->armed || !(it->events & EPOLL_READ_EVENTS) || n == max)
			continue;
		feeds = feeds_of(it->child, 0);
		if (((it->events & EPOLLET) && feeds == it->child_feeds) || !readable_at(it->child, 0))
			continue;
		it->child_feeds = feeds;
		if (!put_event(&events[n], it->events & EPOLL_READ_EVENTS, it->data))
			break;
		n++;
		if (it->events & EPOLLONESHOT)
			disarm(it, epfd);
	}
	lock_release(&epoll_membership);
	return n;
}

static int report_ours(struct epoll_set *ep, int epfd, struct epoll_event *events, int max)
{
	int n = 0;

	if (!TAILQ_EMPTY(&ep->ready) && lock_acquire(&ep->lock)) {
		n = report_ready(ep, epfd, events, max);
		lock_release(&ep->lock);
	}
	return n < 0 ? n : n + report_children(ep, epfd, events + n, max - n);
}

/*
 * The program's data is all that the kernel says of a member, and members may share it: an event with the data of one of ours is
 * only its own if its shadow has something.
 */
static bool is_of(const struct epoll_item *it, uint64_t data)
{
	struct pollfd pfd = { .fd = it->fd, .events = (short)(it->events & 0x7fff) };

	return it->data == data && kernel_ppoll(&pfd, 1, (struct timespec){ 0, 0 }, NULL) == 1;
}

/* One-shot members that the kernel reported are spent on our side as well. */
static void spend_oneshots(struct epoll_set *ep, const struct epoll_event *events, int n)
{
	struct epoll_item *it;

	if (!ep->oneshots || !n || !lock_acquire(&epoll_membership))
		return;
	for (int i = 0; i < n; i++)
		LIST_FOREACH(it, &ep->items, of_set)
			if ((it->events & EPOLLONESHOT) && is_of(it, events[i].data.u64))
				it->armed = false;
	lock_release(&epoll_membership);
}

static bool is_ours(struct epoll_set *ep, uint64_t data)
{
	struct epoll_item *it;
	bool yes = false;

	if (!lock_acquire(&epoll_membership))
		return false;
	LIST_FOREACH(it, &ep->items, of_set)
		yes = yes || is_of(it, data);
	lock_release(&epoll_membership);
	return yes;
}

/* Two reports of one member become one: events [@n, @n + @m) that are known from [0, @n) are merged into them. */
static int merge(struct epoll_set *ep, struct epoll_event *events, int n, int m)
{
	int kept = n;

	for (int k = n; k < n + m; k++) {
		int i = 0;

		while (i < n && events[i].data.u64 != events[k].data.u64)
			i++;
		if (i < n && is_ours(ep, events[k].data.u64))
			events[i].events |= events[k].events;
		else
			events[kept++] = events[k];
	}
	return kept;
}

/* What the event of epoll_kick_waiters() carries; no program's data has this address in it. */
static char kick_mark;
static int kick_fd = -1;

static int kick_data_fd(void)
{
	int fd, none = -1;

	if (__atomic_load_n(&kick_fd, __ATOMIC_ACQUIRE) >= 0)
		return kick_fd;
	fd = fds_keep((int)rawcall6(SYS_eventfd2, 1, EFD_NONBLOCK | EFD_CLOEXEC, 0, 0, 0, 0));
	if (fd >= 0 && !__atomic_compare_exchange_n(&kick_fd, &none, fd, false, __ATOMIC_ACQ_REL,
						    __ATOMIC_ACQUIRE))
		fds_close(fd);
	return kick_fd;
}

void epoll_kick_waiters(struct epoll_set *ep)
{
	struct epoll_event mark = { .events = EPOLLIN, .data.ptr = &kick_mark };

	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&ep->in_kernel, __ATOMIC_RELAXED) || kick_data_fd() < 0)
		return;
	__atomic_store_n(&ep->kicked, true, __ATOMIC_RELEASE);
	kernel_epoll_ctl(ep->epfd, EPOLL_CTL_ADD, kick_fd, &mark);
}

/* Takes the mark out of the events; true if it was there, and then out of the set when the last waiter has seen it. */
static bool swallow_kick(struct epoll_set *ep, struct epoll_event *events, int *n)
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
		kernel_epoll_ctl(ep->epfd, EPOLL_CTL_DEL, kick_fd, NULL);
	}
	return true;
}

static int report_kernel(struct epoll_set *ep, int epfd, struct epoll_event *events, int max,
			 const sigset_t *mask)
{
	int n = kernel_epoll_now(epfd, events, max, mask);

	if (n < 0)
		return n;
	swallow_kick(ep, events, &n);
	spend_oneshots(ep, events, n);
	return n;
}

/*
 * Everything that is ready now. With members that only the kernel knows it is asked each time; for shadows
 * alone every 50 us are enough while there is work (R2), but always before saying "nothing". @quiet: a sleep has just
 * ended that found nothing on its side.
 */
static int gather(struct epoll_set *ep, int epfd, struct epoll_event *events, int max,
		  const sigset_t *mask, bool quiet)
{
	uint64_t now = clock_ticks();
	bool kernel_first = ep->kernel_first && !quiet;
	int n = 0, m = 0;

	if (!kernel_first) {
		n = report_ours(ep, epfd, events, max);
		if (n < 0)
			return n;
	}
	if (quiet && n)
		ep->kernel_due = now + WAIT_KERNEL_US * clock_ticks_per_us;
	else if (!n || ep->others || ep->writers || now >= ep->kernel_due) {
		ep->kernel_due = now + WAIT_KERNEL_US * clock_ticks_per_us;
		if (n < max) {
			m = report_kernel(ep, epfd, events + n, max - n, n ? NULL : mask);
			if (m < 0)
				return n ? n : m;
		}
		ep->kernel_first = n == max;
	}
	if (kernel_first) {
		n = m;
		m = report_ours(ep, epfd, events + n, max - n);
		ep->kernel_first = false;
		if (m < 0)
			return n ? n : m;
	}
	return merge(ep, events, n, m);
}

static void release_set(void *arg)
{
	epoll_put(arg);
}

static bool child_ready(struct epoll_set *ep)
{
	struct epoll_item *it;
	bool yes = false;

	if (!lock_acquire(&epoll_membership))
		return false;
	LIST_FOREACH(it, &ep->items, of_set)
		yes = yes || (it->child && it->armed && feeds_of(it->child, 0) != it->child_feeds &&
			      readable_at(it->child, 0));
	lock_release(&epoll_membership);
	return yes;
}

static bool set_ready(void *arg)
{
	struct epoll_set *ep = arg;

	return own_readable(ep) || (ep->children && child_ready(ep));
}

int epoll_wait_set(struct epoll_set *ep, int epfd, struct epoll_event *events, int max,
		   uint64_t deadline, const sigset_t *mask)
{
	/* With sets inside, any of their sockets may end the wait: be woken for all. */
	struct wait_target target = { .set = ep->children ? NULL : ep,
				      .ready = set_ready,
				      .arg = ep,
				      .release = release_set };
	struct pollfd pfd[1 + WAIT_EXTRA];
	bool last = deadline == 0, look = false, quiet = false;
	int n = 0;

	for (;;) {
		epoll_activate(ep);
		stack_tick();
		target.kernel_only = !epoll_is_fast(ep);
		target.mixed = ep->others || ep->writers || ep->children;
		if (!target.kernel_only)
			stack_poll();
		/* A call that may sleep need not ask the kernel for nothing: the sleep looks at its side. */
		if (last || look || set_ready(ep))
			n = gather(ep, epfd, events, max, mask, quiet);
		if (n || last)
			return n;
		pfd[0] = (struct pollfd){ .fd = epfd, .events = POLLIN };
		n = wait_for(&target, pfd, 1, deadline, mask);
		if (n < 0)
			return n;
		last = n == WAIT_TIMEOUT;
		look = n == WAIT_KERNEL;
		quiet = n == WAIT_READY;
		if (look)
			ep->kernel_due = 0;
		n = 0;
	}
}

static struct timespec until(uint64_t deadline)
{
	uint64_t now = clock_ns(), left = deadline > now ? deadline - now : 0;

	return (struct timespec){ (time_t)(left / NSEC_PER_SEC), (long)(left % NSEC_PER_SEC) };
}

int epoll_wait_kernel(struct epoll_set *ep, int epfd, struct epoll_event *events, int max,
		      uint64_t deadline, const sigset_t *mask)
{
	struct timespec ts = until(deadline);
	bool kicked;
	int n;

	__atomic_add_fetch(&ep->in_kernel, 1, __ATOMIC_SEQ_CST);
	/* Cancelled in there, the thread leaves the count too high: kicks for nobody, which the next one takes out. */
	n = epoll_is_fast(ep) ? 0
			      : real.epoll_pwait2(epfd, events, max,
						  deadline == WAIT_FOREVER ? NULL : &ts, mask);
	if (n < 0)
		n = -errno;
	__atomic_sub_fetch(&ep->in_kernel, 1, __ATOMIC_SEQ_CST);
	kicked = n > 0 && swallow_kick(ep, events, &n);
	if (n == 0 && (kicked || epoll_is_fast(ep)))
		return epoll_wait_set(ep, epfd, events, max, deadline, mask);
	return n;
}
