/* SPDX-License-Identifier: BSD-3-Clause */
/* epoll.c - which sockets are in which epoll sets (see epoll.h). */
#include "stack/epoll_internal.h"

#include <stddef.h>
#include <string.h>

#include "base/config.h"
#include "base/slab.h"
#include "stack/stack.h"
#include "stack/wait.h"

struct lock epoll_membership;
static struct slab set_slab = SLAB(struct epoll_set, free_link, 0);
static struct slab item_slab = SLAB(struct epoll_item, of_set, 0);

void epoll_reserve(void)
{
	slab_reserve(&set_slab, 256);
	slab_reserve(&item_slab, 4096);
}

void epoll_created(int epfd)
{
	struct epoll_set *ep;

	fdtable_clear(epfd);
	if (!config_active())
		return;
	ep = slab_get(&set_slab);
	if (!ep)
		return;
	/* Not the reference count, see sock_created(). */
	memset((char *)ep + offsetof(struct epoll_set, slots), 0,
	       sizeof(*ep) - offsetof(struct epoll_set, slots));
	ep->kind = FILE_EPOLL;
	ep->epfd = epfd;
	TAILQ_INIT(&ep->ready);
	if (!fdtable_set(epfd, (struct file *)ep))
		slab_put(&set_slab, ep);
}

static bool sock_counts(const struct sock *s)
{
	return s->state == SOCK_PREPARED || s->state == SOCK_ACTIVE;
}

/* The set's lock is held. */
static void count_item(struct epoll_item *it, bool now)
{
	if (it->counted == now)
		return;
	it->counted = now;
	it->set->fast += now ? 1 : -1u;
	if (now)
		epoll_kick_waiters(it->set);
}

static void count_events(struct epoll_item *it, unsigned by)
{
	if (it->events & EPOLLONESHOT)
		it->set->oneshots += by;
	if (it->events & EPOLL_WRITE_EVENTS)
		it->set->writers += by;
}

/*
 * Something of @why happened to the socket. An edge-triggered member is looked at when any of its events is among them, and
 * then reported with all that holds (fs/eventpoll.c ep_poll_callback(), ep_item_poll()): also with EPOLLOUT alone.
 * The set's lock is held.
 */
static void make_ready(struct epoll_item *it, uint32_t why)
{
	if (!it->armed || !(it->events & why))
		return;
	it->edge = it->edge || epoll_has_write_edges(it);
	if (it->ready || !(it->edge || (it->events & why & EPOLL_READ_EVENTS)))
		return;
	it->ready = true;
	TAILQ_INSERT_TAIL(&it->set->ready, it, of_ready);
}

/* Does any member of @s want to hear of its sends? The socket's lock is held. */
static void count_write_edges(struct sock *s)
{
	const struct epoll_item *it;
	bool any = false;

	LIST_FOREACH(it, &s->items, of_sock)
		any = any || epoll_has_write_edges(it);
	s->write_edges = any;
}

static void set_events(struct epoll_item *it, const struct epoll_event *event)
{
	struct epoll_set *ep = it->set;

	if (!lock_acquire(&ep->lock))
		return;
	count_events(it, -1u);
	it->events = event->events;
	it->data = event->data.u64;
	it->armed = true;
	count_events(it, 1);
	it->edge = false;
	/* A changed item is looked at afresh, edge-triggered or not (fs/eventpoll.c ep_modify()). */
	if (it->sock && sock_readable(it->sock))
		make_ready(it, EPOLL_READ_EVENTS);
	if (it->child)
		it->child_feeds = it->child->feeds - 1;
	lock_release(&ep->lock);
	if (it->sock && lock_acquire(&it->sock->lock)) {
		count_write_edges(it->sock);
		lock_release(&it->sock->lock);
	}
}

static void link_item(struct epoll_item *it)
{
	struct epoll_set *ep = it->set;
	struct sock *s = it->sock;

	LIST_INSERT_HEAD(&ep->items, it, of_set);
	if (!s) {
		ep->children++;
		LIST_INSERT_HEAD(&it->child->parents, it, of_sock);
		return;
	}
	lock_acquire(&s->lock);
	LIST_INSERT_HEAD(&s->items, it, of_sock);
	s->watched = true;
	lock_release(&s->lock);
	lock_acquire(&ep->lock);
	count_item(it, sock_counts(s));
	lock_release(&ep->lock);
}

/* epoll_membership is held. */
static void remove_item(struct epoll_item *it)
{
	struct epoll_set *ep = it->set;
	struct sock *s = it->sock;

	LIST_REMOVE(it, of_set);
	if (s) {
		lock_acquire(&s->lock);
		LIST_REMOVE(it, of_sock);
		s->watched = !LIST_EMPTY(&s->items);
		count_write_edges(s);
		lock_release(&s->lock);
	} else {
		ep->children--;
		LIST_REMOVE(it, of_sock);
	}
	lock_acquire(&ep->lock);
	if (it->ready)
		TAILQ_REMOVE(&ep->ready, it, of_ready);
	count_item(it, false);
	count_events(it, -1u);
	lock_release(&ep->lock);
	slab_put(&item_slab, it);
}

static struct epoll_item *find_item(struct epoll_set *ep, int fd, const struct sock *s,
				    const struct epoll_set *child)
{
	struct epoll_item *it;

	if (s) {
		LIST_FOREACH(it, &s->items, of_sock)
			if (it->set == ep && it->fd == fd)
				return it;
		return NULL;
	}
	LIST_FOREACH(it, &ep->items, of_set)
		if (it->child == child && it->fd == fd)
			return it;
	return NULL;
}

static void add_item(struct epoll_set *ep, int fd, const struct epoll_event *event, struct sock *s,
		     struct epoll_set *child)
{
	struct epoll_item *it = slab_get(&item_slab);

	if (!it)
		return;
	memset(it, 0, sizeof(*it));
	it->set = ep;
	it->fd = fd;
	it->sock = s;
	it->child = child;
	link_item(it);
	set_events(it, event);
}

void epoll_changed(struct epoll_set *ep, int op, int fd, const struct epoll_event *event,
		   struct sock *s, struct epoll_set *child)
{
	struct epoll_item *it;

	if (!s && !child) {
		if (op == EPOLL_CTL_ADD)
			__atomic_add_fetch(&ep->others, 1, __ATOMIC_RELAXED);
		else if (op == EPOLL_CTL_DEL && ep->others)
			__atomic_sub_fetch(&ep->others, 1, __ATOMIC_RELAXED);
		return;
	}
	if (!lock_acquire(&epoll_membership))
		return;
	it = find_item(ep, fd, s, child);
	if (op == EPOLL_CTL_DEL && it)
		remove_item(it);
	else if (op == EPOLL_CTL_MOD && it)
		set_events(it, event);
	else if (op == EPOLL_CTL_ADD && !it)
		add_item(ep, fd, event, s, child);
	lock_release(&epoll_membership);
	wait_wake_set(ep);
}

void epoll_sock_gone(struct sock *s)
{
	if (!s->watched || !lock_acquire(&epoll_membership))
		return;
	while (!LIST_EMPTY(&s->items))
		remove_item(LIST_FIRST(&s->items));
	lock_release(&epoll_membership);
}

void epoll_destroy(struct epoll_set *ep)
{
	if (lock_acquire(&epoll_membership)) {
		while (!LIST_EMPTY(&ep->items))
			remove_item(LIST_FIRST(&ep->items));
		while (!LIST_EMPTY(&ep->parents))
			remove_item(LIST_FIRST(&ep->parents));
		lock_release(&epoll_membership);
	}
	ep->kind = 0;
	slab_put(&set_slab, ep);
}

void epoll_sock_changed(struct sock *s)
{
	struct epoll_item *it;

	if (!s->watched || !lock_acquire(&epoll_membership))
		return;
	LIST_FOREACH(it, &s->items, of_sock) {
		lock_acquire(&it->set->lock);
		count_item(it, sock_counts(s));
		if (sock_readable(s))
			make_ready(it, EPOLL_READ_EVENTS);
		lock_release(&it->set->lock);
	}
	lock_release(&epoll_membership);
}

static void tell_items(struct sock *s, uint32_t what)
{
	struct epoll_item *it;

	if (!lock_acquire(&s->lock))
		return;
	LIST_FOREACH(it, &s->items, of_sock) {
		struct epoll_set *ep = it->set;

		if (!(it->events & what))
			continue;
		if (lock_acquire(&ep->lock)) {
			make_ready(it, what);
			ep->feeds++;
			lock_release(&ep->lock);
		}
		wait_wake_set(ep);
	}
	lock_release(&s->lock);
}

void epoll_feed(struct sock *s)
{
	tell_items(s, EPOLL_ARRIVAL);
}

void epoll_sent(struct sock *s)
{
	tell_items(s, EPOLL_WRITE_EVENTS);
}

static bool is_fast(const struct epoll_set *ep, int depth)
{
	const struct epoll_item *it;

	if (ep->fast || !ep->children || depth == 6)
		return ep->fast != 0;
	LIST_FOREACH(it, &ep->items, of_set)
		if (it->child && is_fast(it->child, depth + 1))
			return true;
	return false;
}

bool epoll_is_fast(struct epoll_set *ep)
{
	bool fast = ep->fast != 0;

	if (fast || !ep->children || !lock_acquire(&epoll_membership))
		return fast;
	fast = is_fast(ep, 0);
	lock_release(&epoll_membership);
	return fast;
}

void epoll_activate(struct epoll_set *ep)
{
	struct epoll_item *it;
	struct sock *todo[16];
	unsigned n;

	/*
	 * A handful at a time: switching steering on takes locks that come before epoll_membership. Not for ever: a signal
	 * handler that interrupted their holder can switch nothing on.
	 */
	for (int rounds = 0; __builtin_expect(stack.prepared != 0, 0) && rounds < 1024; rounds++) {
		n = 0;
		if (!lock_acquire(&epoll_membership))
			return;
		LIST_FOREACH(it, &ep->items, of_set) {
			if (it->sock && it->sock->state == SOCK_PREPARED && n < 16 &&
			    file_hold_live((struct file *)it->sock))
				todo[n++] = it->sock;
		}
		lock_release(&epoll_membership);
		for (unsigned i = 0; i < n; i++) {
			sock_activate(todo[i]);
			sock_put(todo[i]);
		}
		if (!n)
			break;
	}
}

static bool fork_locked;

void epoll_fork_prepare(void)
{
	fork_locked = lock_acquire(&epoll_membership);
}

void epoll_fork_parent(void)
{
	if (fork_locked)
		lock_release(&epoll_membership);
}

static void reset_locks(int fd, struct file *f)
{
	(void)fd;
	if (f->kind == FILE_EPOLL)
		lock_reset(&((struct epoll_set *)f)->lock);
}

void epoll_forked(void)
{
	lock_reset(&epoll_membership);
	fdtable_each(reset_locks);
}
