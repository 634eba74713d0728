/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * epoll_internal.h - between epoll.c (membership), epoll_wait.c (events), epoll_shots.c, epoll_kick.c and epoll_tag.c (names).
 *
 * The kernel names a member by the data word that the program gave, and members may share it. So members that we know are in
 * the kernel's set under a word of our own, the item's tag, and what the kernel reports is translated back. Without
 * a tag (no memory; a set that another process may share and would not understand) the kernel has the program's word.
 */
#ifndef STACK_EPOLL_INTERNAL_H
#define STACK_EPOLL_INTERNAL_H

#include <sys/queue.h>

#include "base/lock.h"
#include "base/relaxed.h"
#include "stack/epoll.h"
#include "stack/fdtable.h"
#include "stack/sock.h"

/* An accelerated socket, or a set of ours, in a set. */
struct epoll_item {
	LIST_ENTRY(epoll_item) of_sock; /* the socket's items (its lock), or the child's parents */
	LIST_ENTRY(epoll_item) of_set;	/* the set's items: epoll_membership lock */
	TAILQ_ENTRY(epoll_item) of_ready; /* the set's lock, as all below */
	struct sock *sock;		  /* one of these two */
	struct epoll_set *child;
	unsigned child_feeds; /* the child's ->feeds when last reported (edge) */
	int fd;
	uint32_t events; /* changed under epoll_membership and the set's lock: either will do to read */
	bool ready;	 /* on the ready list */
	bool armed;	 /* false: a one-shot that has fired; the set's lock */
	bool ghost; /* disarmed by us: errors are still the kernel's to report, see epoll_disarm() */
	uint64_t shot; /* set->shots when it was last armed, or disarmed by us */
	bool edge;    /* edge-triggered, wants EPOLLOUT, and was woken since it was last reported */
	bool counted; /* in set->fast */
	/* By these a tag is looked up and translated, without a lock: epoll_tag.c. The last two are kept while the item is free. */
	struct epoll_set *set;	    /* NULL: no member any more */
	uint64_t data;		    /* the program's */
	uint64_t tag;		    /* what the kernel has instead; 0: the program's */
	uint32_t generation, index; /* of the tag */
};

struct epoll_set {
	int kind, refs, slots;
	struct lock lock;
	LIST_HEAD(, epoll_item) items;
	LIST_HEAD(, epoll_item) parents; /* items of sets around this one */
	TAILQ_HEAD(epoll_ready, epoll_item) ready;
	/* Numbers that are changed under the lock named, and read without any: is there something to lock for? */
	unsigned ready_items; /* on the list; the set's */
	unsigned fast;	   /* items whose socket is accelerated; epoll_membership and the set's */
	unsigned members;  /* items; epoll_membership */
	unsigned children; /* those that are sets; epoll_membership */
	unsigned others;   /* members that only the kernel knows; never too low; none */
	unsigned feeds;	   /* counts arrivals, for edge-triggered sets around this one; the set's */
	unsigned writers;  /* items that want EPOLLOUT; the set's */
	unsigned untagged; /* items without a tag: found by the program's data; epoll_membership */
	unsigned shots;	   /* counts one-shot members that are armed or disarmed by us; the set's */
	unsigned ghosts;   /* items that are; the set's */
	bool blind; /* a signal handler changed a member while this thread held the lock: our side has missed it */
	bool inherited;	    /* from before a fork or exec: another process may share it */
	int epfd;	    /* the number it was made with */
	unsigned in_kernel; /* threads inside the kernel's epoll_wait() on it */
	bool kicked;	    /* they have been, or are being, called back (epoll_kick_waiters()) */
	bool kernel_first; /* whose turn it is when max is too small for both sides; the last waiter's */
	uint64_t kernel_due; /* ticks; the same, and 0 by whoever changes an item */
	struct epoll_set *free_link;
};

#define EPOLL_READ_EVENTS (EPOLLIN | EPOLLRDNORM)
#define EPOLL_WRITE_EVENTS (EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND)
/* What an arrival wakes (net/core/sock.c sock_def_readable()). */
#define EPOLL_ARRIVAL (EPOLLIN | EPOLLPRI | EPOLLRDNORM | EPOLLRDBAND)

static inline bool epoll_has_write_edges(const struct epoll_item *it)
{
	return (it->events & EPOLLET) && (it->events & EPOLL_WRITE_EVENTS);
}

/* On the ready list and off it; the set's lock is held. */
static inline void epoll_ready_add(struct epoll_item *it)
{
	it->ready = true;
	TAILQ_INSERT_TAIL(&it->set->ready, it, of_ready);
	relaxed_add(it->set->ready_items, 1);
}

static inline void epoll_ready_remove(struct epoll_item *it)
{
	it->ready = false;
	TAILQ_REMOVE(&it->set->ready, it, of_ready);
	relaxed_add(it->set->ready_items, -1u);
}

/* Guards which items exist; taken before any socket's or set's lock. */
extern struct lock epoll_membership;

/* Address space for the tags of so many items, while that is allowed (R7). */
void epoll_tag_reserve(unsigned items);

/*
 * Takes the mark of epoll_kick_waiters() out of @events; true if there has been a kick, and then out of the set when the last waiter has
 * seen it.
 */
bool epoll_swallow_kick(struct epoll_set *ep, struct epoll_event *events, int *n);

/* A new tag for @it, which is about to become a member. */
void epoll_tag_give(struct epoll_item *it);

/* The member of @ep that has this tag, or NULL. It stays one while the set's lock is held. */
struct epoll_item *epoll_tag_find(const struct epoll_set *ep, uint64_t tag);

/* Puts the program's data in the place of its tag. False: @data is no tag of a member of @ep. */
bool epoll_tag_translate(const struct epoll_set *ep, uint64_t *data);

/* Is this the tag of a member that @ep has no more? Its event crossed with the removal. */
bool epoll_tag_stale(const struct epoll_set *ep, uint64_t tag);

/* epoll_shots.c. The number of changes: what the kernel is asked after this is of the time after them. */
static inline uint64_t epoll_shots_now(const struct epoll_set *ep)
{
	return __atomic_load_n(&ep->shots, __ATOMIC_ACQUIRE);
}

/* The kernel has been told already. The set's lock is held. */
static inline void epoll_count_shot(struct epoll_item *it)
{
	it->shot = it->set->shots + 1;
	__atomic_store_n(&it->set->shots, it->shot, __ATOMIC_RELEASE);
}

static inline void epoll_set_ghost(struct epoll_item *it, bool now)
{
	if (it->ghost != now)
		relaxed_add(it->set->ghosts, now ? 1 : -1u);
	it->ghost = now;
}

/* Before a fork; and when a set is used: if it is inherited all relatives are told. */
void epoll_shared_prepare(void);
void epoll_shared_note(const struct epoll_set *ep);

/*
 * We have reported the one-shot @it: the kernel's copy is not to fire once more. Errors it cannot be kept from: a ghost. The set's
 * lock is held.
 */
void epoll_disarm(struct epoll_item *it, int epfd);

/*
 * Is the kernel's @event of @it not to be reported: of a one-shot member that we have reported, or that was armed anew, after the kernel
 * was asked (@seen: epoll_shots_now() before), or of a ghost? The set's lock is held.
 */
bool epoll_is_void(struct epoll_item *it, int epfd, const struct epoll_event *event, uint64_t seen);

/* The word that the kernel has for @it. */
static inline uint64_t epoll_kernel_data(const struct epoll_item *it)
{
	return it->tag ? it->tag : it->data;
}

#endif
