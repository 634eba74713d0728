/* SPDX-License-Identifier: BSD-3-Clause */
/* epoll_wait.c - the events of a set: the kernel's and ours in one pass (see epoll.h). */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/kernel.h"
#include "base/real.h"
#include "stack/epoll_internal.h"
#include "stack/stack.h"
#include "stack/usermem.h"
#include "stack/wait.h"

/* A descriptor of the item's socket: the number that it was added by may be another file's by now. -1: none known. */
static int descriptor_of(const struct epoll_item *it)
{
	const struct file *f = (const struct file *)it->sock;

	if (fdtable_peek(it->fd) == f)
		return it->fd;
	return fdtable_peek(it->sock->fd) == f ? it->sock->fd : -1;
}

/*
 * What else holds, since one report tells everything (ep_send_events()): writability, hang-ups and errors are the kernel's to
 * say. The latter are looked for when there can be any, and no more often than the kernel's side of the set.
 */
static uint32_t shadow_events(const struct epoll_item *it)
{
	uint32_t wanted = it->events & EPOLL_WRITE_EVENTS;
	struct pollfd pfd = { .fd = descriptor_of(it) };

	if (relaxed_get(it->sock->shut) ||
	    (relaxed_get(it->sock->errors_due) && clock_ticks() >= relaxed_get(it->set->kernel_due)))
		wanted |= (it->events & (EPOLLRDHUP | EPOLLPRI)) | EPOLLERR | EPOLLHUP;
	if (!wanted)
		return 0;
	if (pfd.fd < 0)
		return wanted & EPOLL_WRITE_EVENTS;
	pfd.events = (short)wanted;
	return kernel_ppoll(&pfd, 1, (struct timespec){ 0, 0 }, NULL) == 1
		       ? (uint32_t)pfd.revents & wanted
		       : 0;
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

	return events | shadow_events(it);
}

/* Another thread may close the descriptor while we wait: the call goes on with the set that it began with. */
static bool names(int epfd, const struct epoll_set *ep)
{
	return fdtable_peek(epfd) == (const struct file *)ep;
}

/*
 * A level-triggered member that can be written to, as @events say, is ready for the kernel all the time, and settle() adds what
 * we have: reported by the kernel only, it has no more turns than the other members.
 */
static bool kernel_reports(const struct epoll_item *it, uint32_t events, int epfd)
{
	return (events & EPOLL_WRITE_EVENTS) && !(it->events & EPOLLET) && it->tag &&
	       descriptor_of(it) >= 0 && names(epfd, it->set);
}

/* Takes @it off the ready list and reports it if an event still holds; -EFAULT: @to is bad. */
static int report_item(struct epoll_item *it, int epfd, struct epoll_event *to)
{
	uint32_t events = has_event(it) ? events_of(it) : 0;

	if (kernel_reports(it, events, epfd)) {
		epoll_ready_remove(it);
		epoll_ready_add(it);
		return 0;
	}
	if (events && !put_event(to, events, epoll_kernel_data(it)))
		return -EFAULT;
	epoll_ready_remove(it);
	it->edge = false;
	if (!events)
		return 0;
	if (it->events & EPOLLONESHOT)
		epoll_disarm(it, epfd);
	else if (!(it->events & EPOLLET))
		epoll_ready_add(it);
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
		r = report_item(it, epfd, &events[n]);
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

	if (!relaxed_get(ep->ready_items) || !lock_acquire(&ep->lock))
		return false;
	TAILQ_FOREACH(it, &ep->ready, of_ready)
		yes = yes || has_event(it);
	lock_release(&ep->lock);
	return yes;
}

/* Arrivals in a set and all below it: a change is an edge of the set around it. */
static unsigned feeds_of(const struct epoll_set *ep, int depth)
{
	const struct epoll_item *it;
	unsigned feeds = relaxed_get(ep->feeds);

	if (!relaxed_get(ep->children) || depth == MAX_NESTING)
		return feeds;
	LIST_FOREACH(it, &ep->items, of_set)
		if (it->child)
			feeds += feeds_of(it->child, depth + 1);
	return feeds;
}

static bool readable_at(struct epoll_set *ep, int depth);

/* Would this set inside another be reported? @depth is its own; @feeds: the arrivals in it. epoll_membership is held. */
static bool child_pending(const struct epoll_item *it, int depth, unsigned feeds)
{
	return relaxed_get(it->armed) && (it->events & EPOLL_READ_EVENTS) &&
	       (!(it->events & EPOLLET) || feeds != it->child_feeds) &&
	       readable_at(it->child, depth);
}

/* epoll_membership is held if the set has children. */
static bool readable_at(struct epoll_set *ep, int depth)
{
	struct epoll_item *it;
	bool yes = own_readable(ep);

	if (yes || !relaxed_get(ep->children) || depth == MAX_NESTING)
		return yes;
	LIST_FOREACH(it, &ep->items, of_set)
		yes = yes || (it->child && child_pending(it, depth + 1, feeds_of(it->child, 0)));
	return yes;
}

bool epoll_readable(struct epoll_set *ep)
{
	bool yes;

	if (!relaxed_get(ep->children))
		return own_readable(ep);
	if (!lock_acquire(&epoll_membership))
		return false;
	yes = readable_at(ep, 0);
	lock_release(&epoll_membership);
	return yes;
}

/* False: the kernel has reported it in the meantime, and it is one-shot. epoll_membership is held. */
static bool shoot_child(struct epoll_item *it, int epfd)
{
	bool first;

	if (!(it->events & EPOLLONESHOT) || !lock_acquire(&it->set->lock))
		return true;
	first = it->armed;
	if (first)
		epoll_disarm(it, epfd);
	lock_release(&it->set->lock);
	return first;
}

/* A set inside this one that has something to report is itself readable. */
static int report_children(struct epoll_set *ep, int epfd, struct epoll_event *events, int max)
{
	struct epoll_item *it;
	int n = 0;

	if (!relaxed_get(ep->children) || !lock_acquire(&epoll_membership))
		return 0;
	LIST_FOREACH(it, &ep->items, of_set) {
		unsigned feeds;

		if (!it->child || n == max)
			continue;
		feeds = feeds_of(it->child, 0);
		if (!child_pending(it, 0, feeds))
			continue;
		it->child_feeds = feeds;
		if (!put_event(&events[n], it->events & EPOLL_READ_EVENTS, epoll_kernel_data(it)))
			break;
		n += shoot_child(it, epfd);
	}
	lock_release(&epoll_membership);
	return n;
}

static int report_ours(struct epoll_set *ep, int epfd, struct epoll_event *events, int max)
{
	int n = 0;

	if (relaxed_get(ep->ready_items) && lock_acquire(&ep->lock)) {
		n = report_ready(ep, epfd, events, max);
		lock_release(&ep->lock);
	}
	return n < 0 ? n : n + report_children(ep, epfd, events + n, max - n);
}

enum { ITEMS_NONE, ITEMS_TAGGED, ITEMS_ALL };

/* What the kernel means by @data; @held: by lock_items(). NULL: a member of its own. */
static struct epoll_item *item_of(struct epoll_set *ep, uint64_t data, int held)
{
	struct epoll_item *it = epoll_tag_find(ep, data);

	if (it || held != ITEMS_ALL)
		return it;
	LIST_FOREACH(it, &ep->items, of_set)
		if (!it->tag && it->data == data)
			return it;
	return NULL;
}

/* Tags are looked up without the list of members, which has a lock of its own. What is held now, for release_items(). */
static int lock_items(struct epoll_set *ep)
{
	bool all = relaxed_get(ep->untagged) && lock_acquire(&epoll_membership);

	if (lock_acquire(&ep->lock))
		return all ? ITEMS_ALL : ITEMS_TAGGED;
	if (all)
		lock_release(&epoll_membership);
	return ITEMS_NONE;
}

static void release_items(struct epoll_set *ep, int held)
{
	lock_release(&ep->lock);
	if (held == ITEMS_ALL)
		lock_release(&epoll_membership);
}

static void leave_ready(struct epoll_item *it)
{
	if (it->ready && (it->events & (EPOLLET | EPOLLONESHOT))) {
		epoll_ready_remove(it);
		it->edge = false;
	}
}

static void settle_item(struct epoll_item *it, struct epoll_event *event)
{
	if (it->armed && it->sock && sock_readable(it->sock))
		event->events |= it->events & EPOLL_READ_EVENTS;
	leave_ready(it);
	if (it->events & EPOLLONESHOT)
		relaxed_set(it->armed, false);
}

/*
 * What the kernel has just reported, of members that we know: a report tells all that holds, what is in our queue too, it is
 * the edge-triggered member's only one, and it spends a one-shot member on both sides. @seen: epoll_shots_now() before the
 * kernel was asked. Returns how many of the events stay.
 */
static int settle(struct epoll_set *ep, int epfd, struct epoll_event *events, int n, uint64_t seen)
{
	struct epoll_item *it;
	int held, kept = 0;

	if (n <= 0 || !relaxed_get(ep->members) || !(held = lock_items(ep)))
		return n;
	for (int i = 0; i < n; i++) {
		it = item_of(ep, events[i].data.u64, held);
		if (it && epoll_is_void(it, epfd, &events[i], seen))
			continue;
		if (it)
			settle_item(it, &events[i]);
		events[kept++] = events[i];
	}
	release_items(ep, held);
	return kept;
}

/* Two reports of one member become one: events [@n, @n + @m) that are known from [0, @n) are merged into them. */
static int merge(struct epoll_set *ep, struct epoll_event *events, int n, int m)
{
	int kept = n, held;

	if (!n || !m || !(held = lock_items(ep)))
		return n + m;
	for (int k = n; k < n + m; k++) {
		int i = n;

		if (item_of(ep, events[k].data.u64, held))
			for (i = 0; i < n && events[i].data.u64 != events[k].data.u64;)
				i++;
		if (i < n)
			events[i].events |= events[k].events;
		else
			events[kept++] = events[k];
	}
	release_items(ep, held);
	return kept;
}

bool epoll_has_items(const struct epoll_set *ep)
{
	return relaxed_get(ep->members) != 0;
}

bool epoll_has_ghosts(const struct epoll_set *ep)
{
	return relaxed_get(ep->ghosts) != 0;
}

/* The program's data takes the place of tags; events of members that are gone by now are left out. */
static int translate(const struct epoll_set *ep, struct epoll_event *events, int n)
{
	int kept = 0;

	for (int i = 0; i < n; i++) {
		uint64_t data = events[i].data.u64;

		if (!epoll_tag_translate(ep, &data) && epoll_tag_stale(ep, data))
			continue;
		events[kept].events = events[i].events;
		events[kept++].data.u64 = data;
	}
	return kept;
}

int epoll_translate(struct epoll_set *ep, struct epoll_event *events, int n)
{
	n = settle(ep, ep->epfd, events, n, epoll_shots_now(ep));
	return n > 0 ? translate(ep, events, n) : n;
}

/* Each void event takes the place of one that counts. */
#define VOID_MAX 16

static int report_kernel(struct epoll_set *ep, int epfd, struct epoll_event *events, int max,
			 const sigset_t *mask)
{
	int n, kept = 0;

	for (int i = 0; i < VOID_MAX && !kept; i++) {
		uint64_t seen = epoll_shots_now(ep);

		n = names(epfd, ep) ? kernel_epoll_now(epfd, events, max, mask) : 0;
		if (n < 0)
			return n;
		epoll_swallow_kick(ep, events, &n);
		kept = settle(ep, epfd, events, n, seen);
		if (!n)
			break;
	}
	return kept;
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
	bool kernel_first = relaxed_get(ep->kernel_first) && !quiet;
	int n = 0, m = 0;

	if (!kernel_first) {
		n = report_ours(ep, epfd, events, max);
		if (n < 0)
			return n;
	}
	if (quiet && n)
		relaxed_set(ep->kernel_due, now + WAIT_KERNEL_US * clock_ticks_per_us);
	else if (!n || relaxed_get(ep->others) || relaxed_get(ep->writers) ||
		 now >= relaxed_get(ep->kernel_due)) {
		relaxed_set(ep->kernel_due, now + WAIT_KERNEL_US * clock_ticks_per_us);
		if (n < max) {
			m = report_kernel(ep, epfd, events + n, max - n, n ? NULL : mask);
			if (m < 0 && !n)
				return m;
			if (m < 0)
				m = 0;
		}
		relaxed_set(ep->kernel_first, n == max);
	}
	if (kernel_first) {
		n = m;
		m = report_ours(ep, epfd, events + n, max - n);
		relaxed_set(ep->kernel_first, false);
		if (m < 0)
			m = n ? 0 : m;
	}
	if (m < 0)
		return m;
	return translate(ep, events, merge(ep, events, n, m));
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
		yes = yes || (it->child && child_pending(it, 0, feeds_of(it->child, 0)));
	lock_release(&epoll_membership);
	return yes;
}

static bool set_ready(void *arg)
{
	struct epoll_set *ep = arg;

	return own_readable(ep) || (relaxed_get(ep->children) && child_ready(ep));
}

static int wait_set(struct epoll_set *ep, int epfd, struct epoll_event *events, int max,
		    uint64_t deadline, const sigset_t *mask)
{
	/* With sets inside, any of their sockets may end the wait: be woken for all. */
	struct wait_target target = { .set = relaxed_get(ep->children) ? NULL : ep,
				      .ready = set_ready,
				      .arg = ep,
				      .no_restart = true,
				      .release = release_set };
	struct pollfd pfd[1 + WAIT_EXTRA];
	bool last = deadline == 0, look = false, quiet = false;
	int n = 0;

	for (;;) {
		epoll_activate(ep);
		wait_tick();
		target.kernel_only = !epoll_is_fast(ep);
		target.mixed = relaxed_get(ep->others) || relaxed_get(ep->writers) ||
			       relaxed_get(ep->children);
		if (!target.kernel_only)
			stack_poll();
		/* A call that may sleep need not ask the kernel for nothing: the sleep looks at its side. */
		if (last || look || set_ready(ep))
			n = gather(ep, epfd, events, max, mask, quiet);
		if (n || last)
			return n;
		pfd[0] = (struct pollfd){ .fd = names(epfd, ep) ? epfd : -1, .events = POLLIN };
		n = wait_for(&target, pfd, 1, deadline, mask);
		if (n < 0)
			return n;
		last = n == WAIT_TIMEOUT;
		look = n == WAIT_KERNEL;
		quiet = n == WAIT_READY;
		if (look)
			relaxed_set(ep->kernel_due, 0);
		n = 0;
	}
}

int epoll_wait_set(struct epoll_set *ep, int epfd, struct epoll_event *events, int max,
		   uint64_t deadline, const sigset_t *mask)
{
	int n;

	epoll_shared_note(ep);
	n = wait_set(ep, epfd, events, max, deadline, mask);
	family_waited();
	return n;
}

static struct timespec until(uint64_t deadline)
{
	uint64_t now = clock_ns(), left = deadline > now ? deadline - now : 0;

	return (struct timespec){ (time_t)(left / NSEC_PER_SEC), (long)(left % NSEC_PER_SEC) };
}

/* The newest of the calls is one that a filter may not know: then to the millisecond, not too early. */
static int sleep_in_kernel(int epfd, struct epoll_event *events, int max, uint64_t deadline,
			   const sigset_t *mask)
{
	struct timespec ts = until(deadline);
	uint64_t ms = (uint64_t)ts.tv_sec * 1000 + (uint64_t)(ts.tv_nsec + 999999) / 1000000;
	int timeout = deadline == WAIT_FOREVER ? -1 : ms > INT_MAX ? INT_MAX : (int)ms;

	if (!sandbox_forbids(SYS_epoll_pwait2))
		return real.epoll_pwait2(epfd, events, max, deadline == WAIT_FOREVER ? NULL : &ts,
					 mask);
	return mask || !sandbox_forbids(SYS_epoll_pwait)
		       ? real.epoll_pwait(epfd, events, max, timeout, mask)
		       : real.epoll_wait(epfd, events, max, timeout);
}

int epoll_wait_kernel(struct epoll_set *ep, int epfd, struct epoll_event *events, int max,
		      uint64_t deadline, const sigset_t *mask)
{
	uint64_t seen = epoll_shots_now(ep);
	bool kicked;
	int n, raw;

	/* Pairs with the fence in epoll_kick_waiters(): either it sees us there, or we see that the set is fast. */
	__atomic_add_fetch(&ep->in_kernel, 1, __ATOMIC_SEQ_CST);
	/* Cancelled in there, the thread leaves the count too high: kicks for nobody, which the next one takes out. */
	n = epoll_is_fast(ep) ? 0 : sleep_in_kernel(epfd, events, max, deadline, mask);
	if (n < 0)
		n = -errno;
	__atomic_sub_fetch(&ep->in_kernel, 1, __ATOMIC_SEQ_CST);
	kicked = n > 0 && epoll_swallow_kick(ep, events, &n);
	raw = n;
	n = settle(ep, epfd, events, n, seen);
	if (n > 0)
		n = translate(ep, events, n);
	if (n == 0 && (kicked || raw > 0 || epoll_is_fast(ep)))
		return epoll_wait_set(ep, epfd, events, max, deadline, mask);
	return n;
}
