/* SPDX-License-Identifier: BSD-3-Clause */
/* epoll.c - which sockets are in which epoll sets (see epoll.h). */
#include "stack/epoll_internal.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/config.h"
#include "base/real.h"
#include "base/slab.h"
#include "stack/stack.h"
#include "stack/usermem.h"
#include "stack/wait.h"

struct lock epoll_membership;
static struct slab set_slab = SLAB_SHOWN(struct epoll_set, free_link, 0, sizeof(struct file));
/* Tags of members that are gone are still compared. */
static struct slab item_slab = SLAB_SHOWN(struct epoll_item, of_set, 0, sizeof(struct epoll_item));

void epoll_reserve(void)
{
	slab_reserve(&set_slab, 256);
	slab_reserve(&item_slab, 4096);
	epoll_tag_reserve(4096);
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
	relaxed_set(ep->kind, FILE_EPOLL);
	ep->epfd = epfd;
	TAILQ_INIT(&ep->ready);
	if (!fdtable_set(epfd, (struct file *)ep))
		slab_put(&set_slab, ep);
}

static bool sock_counts(const struct sock *s)
{
	return sock_may_be_steered(s);
}

/* The set's lock is held. */
static void count_item(struct epoll_item *it, bool now)
{
	if (it->counted == now)
		return;
	it->counted = now;
	relaxed_add(it->set->fast, now ? 1 : -1u);
	if (now)
		epoll_kick_waiters(it->set);
}

static void count_events(struct epoll_item *it, unsigned by)
{
	if (it->events & EPOLL_WRITE_EVENTS)
		relaxed_add(it->set->writers, by);
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
	epoll_ready_add(it);
}

/* Does any member of @s want to hear of its sends? The socket's lock is held. */
static void count_write_edges(struct sock *s)
{
	const struct epoll_item *it;
	bool any = false;

	LIST_FOREACH(it, &s->items, of_sock)
		any = any || epoll_has_write_edges(it);
	relaxed_set(s->write_edges, any);
}

/* The set's lock is held. */
static void take_events(struct epoll_item *it, const struct epoll_event *event)
{
	if ((it->events | event->events) & EPOLLONESHOT)
		epoll_count_shot(it);
	epoll_set_ghost(it, false);
	count_events(it, -1u);
	it->events = event->events;
	__atomic_store_n(&it->data, event->data.u64, __ATOMIC_RELEASE);
	relaxed_set(it->armed, true);
	count_events(it, 1);
	it->edge = false;
	/* A changed item is looked at afresh, edge-triggered or not (fs/eventpoll.c ep_modify()). */
	if (it->sock && sock_readable(it->sock))
		make_ready(it, EPOLL_READ_EVENTS);
	if (it->child)
		it->child_feeds = relaxed_get(it->child->feeds) - 1;
	/* The kernel's side is fresh as well: one event for both. */
	relaxed_set(it->set->kernel_due, 0);
}

static void update_write_edges(struct sock *s)
{
	if (!s || !lock_acquire(&s->lock))
		return;
	count_write_edges(s);
	lock_release(&s->lock);
}

static void set_events(struct epoll_item *it, const struct epoll_event *event)
{
	struct epoll_set *ep = it->set;

	if (!lock_acquire(&ep->lock))
		return;
	take_events(it, event);
	lock_release(&ep->lock);
	update_write_edges(it->sock);
}

static void link_item(struct epoll_item *it)
{
	struct epoll_set *ep = it->set;
	struct sock *s = it->sock;

	LIST_INSERT_HEAD(&ep->items, it, of_set);
	relaxed_add(ep->members, 1);
	relaxed_add(ep->untagged, !it->tag);
	if (!s) {
		relaxed_add(ep->children, 1);
		LIST_INSERT_HEAD(&it->child->parents, it, of_sock);
		return;
	}
	lock_acquire(&s->lock);
	LIST_INSERT_HEAD(&s->items, it, of_sock);
	relaxed_set(s->watched, true);
	lock_release(&s->lock);
	lock_acquire(&ep->lock);
	count_item(it, sock_counts(s));
	lock_release(&ep->lock);
}

/* From now on its tag is nobody's. */
static void free_item(struct epoll_item *it)
{
	relaxed_set(it->tag, 0);
	relaxed_set(it->set, NULL);
	slab_put(&item_slab, it);
}

/* epoll_membership is held. */
static void remove_item(struct epoll_item *it)
{
	struct epoll_set *ep = it->set;
	struct sock *s = it->sock;

	LIST_REMOVE(it, of_set);
	relaxed_add(ep->members, -1u);
	if (s) {
		lock_acquire(&s->lock);
		LIST_REMOVE(it, of_sock);
		relaxed_set(s->watched, !LIST_EMPTY(&s->items));
		count_write_edges(s);
		lock_release(&s->lock);
	} else {
		relaxed_add(ep->children, -1u);
		LIST_REMOVE(it, of_sock);
	}
	lock_acquire(&ep->lock);
	if (it->ready)
		epoll_ready_remove(it);
	count_item(it, false);
	count_events(it, -1u);
	epoll_set_ghost(it, false);
	relaxed_add(ep->untagged, -(unsigned)!it->tag);
	relaxed_set(it->set, NULL);
	lock_release(&ep->lock);
	free_item(it);
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

static struct epoll_item *new_item(struct epoll_set *ep, int fd, const struct epoll_event *event,
				   struct sock *s, struct epoll_set *child)
{
	struct epoll_item *it = slab_get(&item_slab);

	if (!it)
		return NULL;
	memset(it, 0, offsetof(struct epoll_item, set));
	relaxed_set(it->set, ep);
	it->fd = fd;
	it->sock = s;
	it->child = child;
	__atomic_store_n(&it->data, event->data.u64, __ATOMIC_RELEASE);
	return it;
}

static void follow_others(struct epoll_set *ep, int op)
{
	if (op == EPOLL_CTL_ADD)
		__atomic_add_fetch(&ep->others, 1, __ATOMIC_RELAXED);
	else if (op == EPOLL_CTL_DEL && relaxed_get(ep->others))
		__atomic_sub_fetch(&ep->others, 1, __ATOMIC_RELAXED);
}

/* @it: what an EPOLL_CTL_ADD adds. */
static void follow(struct epoll_set *ep, int op, int fd, const struct epoll_event *event,
		   struct sock *s, struct epoll_set *child, struct epoll_item *it)
{
	if (!lock_acquire(&epoll_membership))
		return;
	if (op != EPOLL_CTL_ADD)
		it = find_item(ep, fd, s, child);
	if (op == EPOLL_CTL_DEL && it)
		remove_item(it);
	if (op == EPOLL_CTL_ADD && it)
		link_item(it);
	if (op != EPOLL_CTL_DEL && it)
		set_events(it, event);
	lock_release(&epoll_membership);
	wait_wake_set(ep);
}

void epoll_changed(struct epoll_set *ep, int op, int fd, const struct epoll_event *event,
		   struct sock *s, struct epoll_set *child)
{
	struct epoll_item *it = NULL;

	if (!s && !child) {
		follow_others(ep, op);
		return;
	}
	if (op == EPOLL_CTL_ADD)
		it = new_item(ep, fd, event, s, child);
	follow(ep, op, fd, event, s, child, it);
}

static int ask_kernel(int epfd, int op, int fd, struct epoll_event *event)
{
	return real.epoll_ctl(epfd, op, fd, event) < 0 ? -errno : 0;
}

/*
 * Both sides under the set's lock: a one-shot member is not to fire on one of them before it is armed on the other. It is a member
 * before the kernel has it, since another thread may be told of it at once.
 */
static int add_item(struct epoll_item *it, int epfd, const struct epoll_event *event)
{
	struct epoll_set *ep = it->set;
	struct epoll_event ours = *event;
	bool locked;
	int r;

	if (!relaxed_get(ep->inherited)) {
		epoll_tag_give(it);
		ours.data.u64 = epoll_kernel_data(it);
	}
	link_item(it);
	locked = lock_acquire(&ep->lock);
	r = ask_kernel(epfd, EPOLL_CTL_ADD, it->fd, &ours);
	if (locked && r == 0)
		take_events(it, event);
	if (locked)
		lock_release(&ep->lock);
	if (r == 0)
		update_write_edges(it->sock);
	else
		remove_item(it);
	return r;
}

static int add(struct epoll_set *ep, int epfd, int fd, struct epoll_event *event, struct sock *s,
	       struct epoll_set *child)
{
	struct epoll_item *it = new_item(ep, fd, event, s, child);
	int r;

	if (!it || !lock_acquire(&epoll_membership)) {
		if (it)
			free_item(it);
		return ask_kernel(epfd, EPOLL_CTL_ADD, fd, event);
	}
	r = add_item(it, epfd, event);
	lock_release(&epoll_membership);
	if (r == 0)
		wait_wake_set(ep);
	return r;
}

/* As in add_item(). */
static int modify_item(struct epoll_item *it, int epfd, struct epoll_event *event)
{
	struct epoll_set *ep = it->set;
	struct epoll_event ours = { .events = event->events,
				    .data.u64 = it->tag ? it->tag : event->data.u64 };
	bool locked = lock_acquire(&ep->lock);
	int r = ask_kernel(epfd, EPOLL_CTL_MOD, it->fd, &ours);

	if (locked && r == 0)
		take_events(it, event);
	if (locked)
		lock_release(&ep->lock);
	else if (r == 0)
		relaxed_set(ep->blind, true);
	update_write_edges(it->sock);
	return r;
}

static int modify(struct epoll_set *ep, int epfd, int fd, struct epoll_event *event, struct sock *s,
		  struct epoll_set *child)
{
	bool locked = lock_acquire(&epoll_membership);
	struct epoll_item *it = locked ? find_item(ep, fd, s, child) : NULL;
	int r = it ? modify_item(it, epfd, event) : ask_kernel(epfd, EPOLL_CTL_MOD, fd, event);

	if (locked)
		lock_release(&epoll_membership);
	if (r == 0)
		wait_wake_set(ep);
	return r;
}

int epoll_control(struct epoll_set *ep, int epfd, int op, int fd, struct epoll_event *event,
		  struct sock *s, struct epoll_set *child)
{
	bool known = (s || child) && usermem_readable(event, sizeof(*event));
	int r;

	epoll_shared_note(ep);
	if (known && op == EPOLL_CTL_ADD)
		return add(ep, epfd, fd, event, s, child);
	if (known && op == EPOLL_CTL_MOD)
		return modify(ep, epfd, fd, event, s, child);
	r = ask_kernel(epfd, op, fd, event);
	if (r == 0)
		epoll_changed(ep, op, fd, event, s, child);
	return r;
}

void epoll_sock_gone(struct sock *s)
{
	if (!relaxed_get(s->watched) || !lock_acquire(&epoll_membership))
		return;
	while (!LIST_EMPTY(&s->items))
		remove_item(LIST_FIRST(&s->items));
	lock_release(&epoll_membership);
}

void epoll_found(struct epoll_set *ep)
{
	relaxed_set(ep->inherited, true);
	relaxed_set(ep->others, 1);
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
	relaxed_set(ep->kind, 0);
	slab_put(&set_slab, ep);
}

void epoll_sock_changed(struct sock *s)
{
	struct epoll_item *it;

	/* Whether it is watched is asked under the lock: link_item() may just be looking at the state. */
	if (!lock_acquire(&epoll_membership))
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

/*
 * Under the set's lock from the look at the events on: take_events() changes them and then looks at the queue, so one of both
 * sees what the other did. Re-entered by a signal handler: somebody is to look.
 */
static bool tell_item(struct epoll_item *it, uint32_t what)
{
	struct epoll_set *ep = it->set;
	bool wanted;

	if (!lock_acquire(&ep->lock))
		return true;
	wanted = it->events & what;
	if (wanted) {
		make_ready(it, what);
		relaxed_add(ep->feeds, 1);
	}
	lock_release(&ep->lock);
	return wanted;
}

static void tell_items(struct sock *s, uint32_t what)
{
	struct epoll_item *it;

	if (!lock_acquire(&s->lock))
		return;
	LIST_FOREACH(it, &s->items, of_sock) {
		if (tell_item(it, what))
			wait_wake_set(it->set);
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

	if (relaxed_get(ep->fast) || !relaxed_get(ep->children) || depth == 6)
		return relaxed_get(ep->fast) != 0;
	LIST_FOREACH(it, &ep->items, of_set)
		if (it->child && is_fast(it->child, depth + 1))
			return true;
	return false;
}

bool epoll_is_fast(struct epoll_set *ep)
{
	/* Not a relaxed one: see epoll_wait_kernel(). */
	bool fast = __atomic_load_n(&ep->fast, __ATOMIC_SEQ_CST) != 0;

	if (fast || !relaxed_get(ep->children) || !lock_acquire(&epoll_membership))
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
	for (int rounds = 0; __builtin_expect(relaxed_get(stack.prepared) != 0, 0) && rounds < 1024;
	     rounds++) {
		n = 0;
		if (!lock_acquire(&epoll_membership))
			return;
		LIST_FOREACH(it, &ep->items, of_set) {
			if (it->sock && relaxed_get(it->sock->state) == SOCK_PREPARED && n < 16 &&
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
	epoll_shared_prepare();
	fork_locked = lock_acquire(&epoll_membership);
}

void epoll_fork_parent(void)
{
	if (fork_locked)
		lock_release(&epoll_membership);
}

/* Another thread may have been at the list of ready items when the process forked. */
static void relist(struct epoll_set *ep)
{
	struct epoll_item *it;

	TAILQ_INIT(&ep->ready);
	relaxed_set(ep->ready_items, 0);
	LIST_FOREACH(it, &ep->items, of_set) {
		it->ready = false;
		if (it->sock && sock_readable(it->sock))
			make_ready(it, EPOLL_READ_EVENTS);
	}
}

static void reset_set(int fd, struct file *f)
{
	struct epoll_set *ep = (struct epoll_set *)f;

	(void)fd;
	if (f->kind != FILE_EPOLL)
		return;
	lock_reset(&ep->lock);
	relaxed_set(ep->inherited, true);
	relist(ep);
}

void epoll_forked(void)
{
	lock_reset(&epoll_membership);
	fdtable_each(reset_set);
}
