/* SPDX-License-Identifier: BSD-3-Clause */
/* engine.c - see engine.h. */
#define _GNU_SOURCE
#include "stack/engine.h"

#include <string.h>
#include <sys/single_threaded.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/clock.h"
#include "base/sandbox.h"
#include "base/slab.h"
#include "base/stats.h"
#include "stack/capture.h"
#include "stack/epoll.h"
#include "stack/lwip_port.h"
#include "stack/sock.h"
#include "stack/stack.h"
#include "stack/wait.h"

#define RETURN_BATCH 64

__thread struct lwip_instance *lwip_current;
static struct slab engine_slab = SLAB(struct engine, lwip, STACK_MAX_ENGINES);

static struct stats_queue *stats_slot(const struct nic_queue *q)
{
	unsigned i = stack.engines < STATS_MAX_QUEUES ? stack.engines : STATS_MAX_QUEUES - 1;
	struct stats_queue *slot = &stats->queues[i];

	memcpy(slot->ifname, q->nic->ifname, sizeof(slot->ifname));
	memcpy(slot->mode, q->nic->mode, sizeof(slot->mode));
	slot->index = q->index;
	slot->in_use = 1;
	return slot;
}

struct engine *engine_open(struct nic_queue *queue, struct iface *iface)
{
	struct engine *e = slab_get(&engine_slab);

	if (!e)
		return NULL;
	memset(e, 0, sizeof(*e));
	e->queue = queue;
	e->iface = iface;
	e->port = lwip_port_open(e);
	if (!e->port) {
		slab_put(&engine_slab, e);
		return NULL;
	}
	e->frames = queue->nic->ops->pool_free(queue);
	e->stats = stats_slot(queue);
	return e;
}

void engine_close(struct engine *e)
{
	lwip_port_close(e->port);
	e->stats->in_use = 0;
	slab_put(&engine_slab, e);
}

void engine_recover(struct engine *e)
{
	e->returned = NULL;
	if (e->queue->nic->ops->recover)
		e->queue->nic->ops->recover(e->queue);
}

static void free_frames(struct engine *e, struct dgram *chain)
{
	uint8_t *data[RETURN_BATCH];
	struct dgram *next;
	unsigned n = 0;

	for (; chain; chain = next) {
		next = chain->next;
		data[n++] = (uint8_t *)chain;
		if (n == RETURN_BATCH) {
			nic_free(e->queue, data, n);
			n = 0;
		}
	}
	if (n)
		nic_free(e->queue, data, n);
}

static void push_returned(struct engine *e, struct dgram *chain)
{
	struct dgram *last = chain;

	while (last->next)
		last = last->next;
	last->next = __atomic_load_n(&e->returned, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&e->returned, &last->next, chain, false,
					    __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}

void engine_reclaim(struct engine *e)
{
	if (__atomic_load_n(&e->returned, __ATOMIC_RELAXED))
		free_frames(e, __atomic_exchange_n(&e->returned, NULL, __ATOMIC_ACQUIRE));
}

void engine_return(struct engine *e, struct dgram *chain)
{
	/* The driver of the engine drops datagrams with its lock held. */
	if (__builtin_expect(lock_is_mine(&e->lock), 0))
		free_frames(e, chain);
	else
		push_returned(e, chain);
}

static uint64_t realtime_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static __attribute__((noinline)) uint64_t burst_stamp(const struct engine *e)
{
	return realtime_ns() | (relaxed_get(e->stamping) ? DGRAM_HWSTAMP : 0);
}

/* Once for each run of datagrams to one socket. */
static void tell_waiters(struct engine *e)
{
	for (unsigned i = 0; i < e->feds; i++) {
		if (relaxed_get(e->fed[i]->watched))
			epoll_feed(e->fed[i]);
		wait_wake_sock(e->fed[i]);
	}
	e->feds = 0;
}

static inline __attribute__((always_inline)) void describe(struct engine *e, struct sock *s,
							   struct dgram *d)
{
	d->engine = e;
	d->stamp = e->stamp;
	d->ifindex = e->queue->nic->ifindex;
	d->pktinfo_if = relaxed_get(s->want) & (WANT_PKTINFO | WANT6_PKTINFO) ? d->ifindex : 0;
	relaxed_add(s->stats->rx_fast, 1);
	relaxed_add(s->stats->rx_fast_bytes, d->len);
	stats_add(STAT_rx_fast, 1);
}

static void note_fed(struct engine *e, struct sock *s)
{
	if ((relaxed_get(s->watched) || !__libc_single_threaded) &&
	    (!e->feds || e->fed[e->feds - 1] != s))
		e->fed[e->feds++] = s;
}

void engine_deliver(struct engine *e, struct sock *s, struct dgram *d)
{
	describe(e, s, d);
	queue_put(s, d, e->tight);
	note_fed(e, s);
}

void engine_deliver_copy(struct engine *e, struct sock *s, struct dgram *d)
{
	describe(e, s, d);
	queue_put_copy(s, d);
	/* There are more receivers than frames in a burst: the list must keep room for one each. */
	if (e->feds >= NIC_BURST)
		tell_waiters(e);
	note_fed(e, s);
}

static unsigned drain(struct engine *e)
{
	struct nic_frame frames[NIC_BURST];
	uint64_t now;
	unsigned n;

	n = nic_rx_burst(e->queue, frames, NIC_BURST);
	if (!n)
		return 0;
	capture_frames(e->queue, frames, n, CAPTURE_IN);
	now = clock_ticks();
	relaxed_set(stack.last_gap, now - relaxed_get(stack.last_burst));
	relaxed_set(stack.last_burst, now);
	e->tight = e->queue->nic->ops->pool_free(e->queue) < e->frames / 4;
	e->stamp = relaxed_get(stack.stamp_wanted) ? burst_stamp(e) : 0;
	lwip_current = &e->lwip;
	for (unsigned i = 0; i < n; i++) {
		if (i + 1 < n)
			__builtin_prefetch(frames[i + 1].data);
		lwip_port_input(e, &frames[i]);
	}
	tell_waiters(e);
	return n;
}

#define KICKS 64

/*
 * Bounded: in copy mode one call sends at most 32 frames. They are held until they are out: who sends by the shadow in another thread
 * waits for that (stack_kick()), or would overtake them.
 */
void engine_kick(struct engine *e)
{
	for (int i = 0; i < KICKS && nic_tx_kick(e->queue) == -EAGAIN; i++)
		;
	relaxed_set(e->held, 0);
}

#define HELD_MAX_US 50

/* The holder's memory outlives it (sock.c), and one that is closed kicks. */
static bool held_enough(const struct engine *e)
{
	return !sock_readable(e->held_for) ||
	       clock_ticks() - e->held_since > HELD_MAX_US * clock_ticks_per_us;
}

unsigned engine_poll(struct engine *e)
{
	unsigned n;

	if (__builtin_expect(relaxed_get(e->dead), 0))
		return 0;
	if (!lock_try(&e->lock)) {
		stats_add(STAT_lock_contended, 1);
		return 0;
	}
	engine_reclaim(e);
	n = drain(e);
	if (__builtin_expect(e->held != 0, 0) && held_enough(e))
		engine_kick(e);
	lock_release(&e->lock);
	return n;
}

void engine_publish(struct engine *e)
{
	struct nic_queue *q = e->queue;
	struct stats_queue *to = e->stats;

	engine_reclaim(e);
	if (!sandbox_forbids(SYS_getsockopt))
		q->nic->ops->stats(q);
	to->frames_total = e->frames;
	to->frames_free = q->nic->ops->pool_free(q);
	to->rx_frames = q->stats.rx_frames;
	to->rx_bytes = q->stats.rx_bytes;
	to->tx_frames = q->stats.tx_frames;
	to->tx_bytes = q->stats.tx_bytes;
	to->tx_kicks = q->stats.tx_kicks;
	to->tx_full = q->stats.tx_full;
	to->rx_ring_full = q->stats.rx_ring_full;
	to->rx_no_frame = q->stats.rx_no_frame;
	to->rx_dropped = q->stats.rx_dropped;
}
