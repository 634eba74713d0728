/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * queue.c - the receive queue of a socket (contract in sock.h).
 *
 * SO_RCVBUF is honoured in the kernel's currency: a datagram is charged about what its sk_buff would be, and one that
 * arrives while the charge is above the limit is dropped and counted (net/ipv4/udp.c __udp_enqueue_schedule_skb()).
 * Datagrams are queued by reference to their NIC frame, unless the engine runs short of frames: then they are set
 * aside in memory of their own, so that a socket nobody reads cannot starve the others (R10).
 */
#define _GNU_SOURCE
#include <string.h>

#include "base/slab.h"
#include "stack/engine.h"
#include "stack/sock.h"
#include "stack/stack.h"

#define SKB_OVERHEAD 640 /* what an empty sk_buff and its rounding come to on x86-64 */
#define SKB_ROUND 128
/* For so long at most; a process that is not scheduled for longer loses its lease, and settles again. */
#define SETTLE_US 1000000
/* And so many: a flood of what only the kernel takes must not keep the rest away. */
#define SETTLE_MAX 16384
/*
 * Frames come in batches (NAPI's, 64 of them). What the XDP program took before steering ended is on the ring with the end of its
 * batch, and what it passed before steering began is in the shadow then: later than this only if that processor was taken away.
 */
#define STRAGGLERS_US 100
#define SETTLE_GRACE_US 200
#define ASIDE_BYTES 4096    /* all but jumbo frames' packets fit */
#define ASIDE_RESERVED 2048 /* address space taken at the start */
#define ASIDE_MAX 32768	    /* 128 MiB at the very most, shared by all sockets */

#define ASIDE_WIDE_BYTES 16384
#define ASIDE_WIDE_MAX 2048

struct aside {
	struct dgram d;
	uint8_t packet[ASIDE_BYTES];
};

struct aside_wide {
	struct dgram d;
	uint8_t packet[ASIDE_WIDE_BYTES];
};

_Static_assert(offsetof(struct aside, packet) == offsetof(struct aside_wide, packet),
	       "set_aside() takes either for the other");

static struct slab aside_slab = SLAB(struct aside, d.next, ASIDE_MAX);
static struct slab wide_slab = SLAB(struct aside_wide, d.next, ASIDE_WIDE_MAX);

void queue_reserve(void)
{
	slab_reserve(&aside_slab, ASIDE_RESERVED);
}

static size_t packet_bytes(const struct dgram *d)
{
	return (size_t)(d->payload - d->l3) + d->len;
}

/* Where a copy of @d lies, or would. */
static struct slab *slab_of(const struct dgram *d)
{
	return packet_bytes(d) <= ASIDE_BYTES ? &aside_slab : &wide_slab;
}

/* The copy takes the packet's headers along: addresses and TTL are read from them later. */
static struct dgram *set_aside(const struct dgram *d)
{
	size_t bytes = packet_bytes(d);
	struct aside *a = bytes <= ASIDE_WIDE_BYTES ? slab_get(slab_of(d)) : NULL;

	if (!a)
		return NULL;
	memcpy(a->packet, d->l3, bytes);
	a->d = *d;
	a->d.l3 = a->packet;
	a->d.payload = a->packet + (d->payload - d->l3);
	a->d.engine = NULL;
	a->d.next = NULL;
	return &a->d;
}

static void count_drop(struct sock *s, enum stats_counter why)
{
	sock_count_drop(s);
	relaxed_add(s->stats->drops, 1);
	stats_add(why, 1);
}

static void drop(struct sock *s, struct dgram *d, enum stats_counter why)
{
	count_drop(s, why);
	queue_free(d);
}

static bool is_full(const struct sock *s)
{
	return relaxed_get(s->charged) > relaxed_get(s->rcvbuf);
}

/* What has been queued on it has given it a place on the page of statistics, too. Its lock is held. */
static inline void set_count(struct sock *s, uint32_t n)
{
	__atomic_store_n(&s->count, n, __ATOMIC_RELEASE);
	relaxed_set(s->stats->queued, n);
}

/* @d is the queue's from here on. */
static void append(struct sock *s, struct dgram *d)
{
	d->next = NULL;
	d->claim = 0;
	d->charge = SKB_OVERHEAD + ((d->len + SKB_ROUND - 1) & ~(uint32_t)(SKB_ROUND - 1));
	if (!lock_acquire(&s->lock)) {
		drop(s, d, STAT_rx_no_memory);
		return;
	}
	d->dropped = relaxed_get(s->dropped);
	*s->tail = d;
	s->tail = &d->next;
	relaxed_add(s->charged, d->charge);
	set_count(s, s->count + 1);
	lock_release(&s->lock);
}

void queue_put_copy(struct sock *s, const struct dgram *d)
{
	struct dgram *copy;

	if (is_full(s)) {
		count_drop(s, STAT_rx_queue_full);
		return;
	}
	copy = set_aside(d);
	if (copy)
		append(s, copy);
	else
		count_drop(s, STAT_rx_no_memory);
}

void queue_put(struct sock *s, struct dgram *d, bool aside)
{
	if (is_full(s)) {
		drop(s, d, STAT_rx_queue_full);
		return;
	}
	if (aside) {
		struct dgram *copy = set_aside(d);

		if (!copy) {
			drop(s, d, STAT_rx_no_memory);
			return;
		}
		queue_free(d);
		d = copy;
		stats_add(STAT_rx_copied, 1);
	}
	append(s, d);
}

static struct dgram *take(struct sock *s, unsigned max)
{
	struct dgram *first, *d;
	uint64_t charge;
	unsigned n = 0;

	if (!max || !sock_readable(s) || !lock_acquire(&s->lock))
		return NULL;
	first = s->head;
	charge = s->charged;
	for (struct dgram **p = &s->head; (d = *p) && n < max; p = &d->next, n++) {
		charge -= d->charge;
		if (!d->next || n + 1 == max) {
			s->head = d->next;
			if (!s->head)
				s->tail = &s->head;
			d->next = NULL;
			n++;
			break;
		}
	}
	relaxed_set(s->charged, charge);
	set_count(s, s->count - n);
	hold_received(&s->hold, n);
	lock_release(&s->lock);
	return first;
}

/* One that no relative has read. */
static struct dgram *take_claimed(struct sock *s)
{
	struct dgram *d;

	while ((d = take(s, 1))) {
		if (!d->claim || family_claim(d->claim)) {
			d->claim = 0;
			return d;
		}
		queue_free(d);
	}
	relaxed_set(s->claimed, false);
	return NULL;
}

struct dgram *queue_take(struct sock *s, unsigned max)
{
	if (__builtin_expect(relaxed_get(s->claimed), 0))
		return max ? take_claimed(s) : NULL;
	return take(s, max);
}

static bool first_is_read(struct sock *s)
{
	bool read = false;

	if (!lock_acquire(&s->lock))
		return false;
	if (s->head)
		read = s->head->claim && family_claimed(s->head->claim);
	lock_release(&s->lock);
	return read;
}

void queue_forget_read(struct sock *s)
{
	while (relaxed_get(s->claimed) && first_is_read(s))
		queue_free(take(s, 1));
}

/* Frames are the parent's to give back, at a time that the child does not know: the child's copy is made before. */
static struct dgram *shareable(struct dgram *d)
{
	struct dgram *copy = d->engine ? set_aside(d) : d;

	if (copy && !copy->claim)
		copy->claim = family_new_claim();
	return copy;
}

void queue_share(struct sock *s)
{
	struct dgram **p, *d, *copy, *frames = NULL;

	if (!sock_readable(s) || !lock_acquire(&s->lock))
		return;
	for (p = &s->head; (d = *p); p = &(*p)->next) {
		copy = shareable(d);
		if (!copy || copy == d)
			continue;
		copy->next = d->next;
		*p = copy;
		d->next = frames;
		frames = d;
	}
	s->tail = p;
	relaxed_set(s->claimed, true);
	lock_release(&s->lock);
	queue_free(frames);
}

void queue_inherit(struct sock *s)
{
	struct dgram **p = &s->head, *d;

	relaxed_set(s->count, 0);
	relaxed_set(s->charged, 0);
	while ((d = *p)) {
		if (!d->claim) {
			*p = d->next;
			continue;
		}
		relaxed_add(s->count, 1);
		relaxed_add(s->charged, d->charge);
		p = &d->next;
	}
	s->tail = p;
	if (s->stats)
		relaxed_set(s->stats->queued, s->count);
}

void queue_untake(struct sock *s, struct dgram *first)
{
	struct dgram *last = first;
	uint64_t charge;
	unsigned n = 1;

	if (!first)
		return;
	if (!lock_acquire(&s->lock)) {
		queue_free(first);
		return;
	}
	charge = last->charge;
	for (; last->next; last = last->next, n++)
		charge += last->next->charge;
	relaxed_add(s->charged, charge);
	last->next = s->head;
	if (!s->head)
		s->tail = &last->next;
	s->head = first;
	set_count(s, s->count + n);
	lock_release(&s->lock);
}

/* Frames of one engine go back in one call. */
void queue_free(struct dgram *chain)
{
	while (chain) {
		struct dgram *first = chain, *last = chain;

		chain = chain->next;
		if (!first->engine) {
			slab_put(slab_of(first), first);
			continue;
		}
		while (chain && chain->engine == first->engine) {
			last = chain;
			chain = chain->next;
		}
		last->next = NULL;
		engine_return(first->engine, first);
	}
}

void queue_flush(struct sock *s)
{
	queue_free(take(s, UINT32_MAX));
	hold_received(&s->hold, 0); /* by nobody */
}

/* What was taken for @s before steering ended, not long ago, into its queue. */
static void gather_stragglers(const struct sock *s)
{
	uint64_t end = relaxed_get(s->rested) + STRAGGLERS_US * clock_ticks_per_us;

	do
		stack_drain();
	while (clock_ticks() < end);
}

void queue_settle(struct sock *s, bool in_order)
{
	uint64_t now;

	if (in_order)
		gather_stragglers(s);
	else
		stack_drain();
	now = clock_ticks();
	relaxed_set(s->older, relaxed_get(s->count));
	relaxed_set(s->settle_left, SETTLE_MAX);
	relaxed_set(s->settle_grace, in_order ? now + SETTLE_GRACE_US * clock_ticks_per_us : 0);
	relaxed_set(s->settle_until, now + SETTLE_US * clock_ticks_per_us);
}

void queue_settle_read(struct sock *s)
{
	uint32_t left = relaxed_get(s->settle_left);

	relaxed_set(s->settle_left, left - 1);
	if (left <= 1)
		relaxed_set(s->settle_until, 0);
}
