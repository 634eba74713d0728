/* SPDX-License-Identifier: BSD-3-Clause */
/* loop.c - see loop.h. One lock for the pair: this backend is for tests and need not be fast. */
#define _GNU_SOURCE
#include "nic/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "nic/steer_map.h"
#include "nic/steer_rule.h"

#define LOOP_FRAME 2048
#define LOOP_MTU 1500

/* A ring of frames: offsets of data into the UMEM, and lengths. */
struct loop_ring {
	struct loop_entry {
		uint32_t offset, len;
	} * entries;
	unsigned size, head, count;
};

struct loop_wire;

struct loop_nic {
	struct nic nic; /* first */
	struct nic_queue q;
	struct loop_wire *wire;
	unsigned side;
	uint8_t *umem;
	size_t umem_len;
	unsigned frames;
	uint32_t *pool;
	unsigned pool_count;
	struct loop_ring rx, tx;
	struct steer_map *map;
	struct steer_host *host;
	bool deliver_all;
	uint64_t (*now)(void);
	uint64_t passed;
};

struct loop_wire {
	pthread_mutex_t lock;
	struct loop_nic *end[2]; /* NULL: closed */
};

static struct loop_nic *loop_of(const struct nic *nic)
{
	return (struct loop_nic *)(uintptr_t)nic;
}

static void lock(const struct loop_nic *l)
{
	pthread_mutex_lock(&l->wire->lock);
}

static void unlock(const struct loop_nic *l)
{
	pthread_mutex_unlock(&l->wire->lock);
}

static void ring_put(struct loop_ring *r, uint32_t offset, uint32_t len)
{
	struct loop_entry *e = &r->entries[(r->head + r->count++) % r->size];

	e->offset = offset;
	e->len = len;
}

static struct loop_entry ring_get(struct loop_ring *r)
{
	struct loop_entry e = r->entries[r->head];

	r->head = (r->head + 1) % r->size;
	r->count--;
	return e;
}

static void pool_put(struct loop_nic *l, uint32_t offset)
{
	l->pool[l->pool_count++] = offset & ~(LOOP_FRAME - 1u);
}

/* The descriptor is readable while frames wait. */
static void signal_rx(struct loop_nic *l, bool ready)
{
	uint64_t value = 1;
	ssize_t n = ready ? write(l->q.fd, &value, sizeof(value))
			  : read(l->q.fd, &value, sizeof(value));

	(void)n; /* it is in the wanted state already */
}

/*
 * Rule R3 reads headers in place, as if they were aligned; a copy with an aligned IP header keeps
 * that clean.
 */
static bool is_steered(const struct loop_nic *l, const uint8_t *data, uint32_t len)
{
	_Alignas(8) uint8_t copy[2 + LOOP_FRAME];
	struct steer_key key = { .zero = 0 };
	uint64_t now = l->now ? l->now() : clock_ns();
	uint32_t bits;

	if (len > l->host->max_len || l->map->lease_until <= now)
		return false;
	memcpy(copy + 2, data, len);
	bits = steer_parse(l->host, l->map, copy + 2, copy + 2 + len, len, &key);
	return bits && steer_match(l->host, l->map, &key, bits);
}

static void deliver(struct loop_nic *to, const uint8_t *data, uint32_t len)
{
	uint32_t offset;

	if (!to->deliver_all && !is_steered(to, data, len)) {
		to->passed++;
	} else if (to->rx.count == to->rx.size) {
		to->q.stats.rx_ring_full++;
	} else if (to->pool_count == 0) {
		to->q.stats.rx_no_frame++;
	} else if (len > LOOP_FRAME - NIC_FRAME_DATA) {
		to->q.stats.rx_dropped++;
	} else {
		offset = to->pool[--to->pool_count] + NIC_FRAME_DATA;
		memcpy(to->umem + offset, data, len);
		ring_put(&to->rx, offset, len);
		if (to->rx.count == 1)
			signal_rx(to, true);
	}
}

static unsigned loop_rx_burst(struct nic_queue *q, struct nic_frame *frames, unsigned max)
{
	struct loop_nic *l = loop_of(q->nic);
	unsigned n = 0;

	lock(l);
	for (; n < max && l->rx.count > 0; n++) {
		struct loop_entry e = ring_get(&l->rx);

		frames[n] = (struct nic_frame){ .data = l->umem + e.offset, .len = e.len };
		q->stats.rx_bytes += e.len;
	}
	q->stats.rx_frames += n;
	if (n > 0 && l->rx.count == 0)
		signal_rx(l, false);
	unlock(l);
	return n;
}

static void loop_free(struct nic_queue *q, uint8_t *const *data, unsigned n)
{
	struct loop_nic *l = loop_of(q->nic);

	lock(l);
	for (unsigned i = 0; i < n && l->pool_count < l->frames; i++)
		pool_put(l, (uint32_t)(data[i] - l->umem));
	unlock(l);
}

static unsigned loop_tx_alloc(struct nic_queue *q, uint8_t **base, unsigned n)
{
	struct loop_nic *l = loop_of(q->nic);
	unsigned spare;

	lock(l);
	spare = l->tx.size - l->tx.count;
	if (spare > l->pool_count)
		spare = l->pool_count;
	if (n > spare) {
		n = spare;
		q->stats.tx_full++;
	}
	for (unsigned i = 0; i < n; i++)
		base[i] = l->umem + l->pool[--l->pool_count];
	unlock(l);
	return n;
}

static unsigned loop_tx_burst(struct nic_queue *q, const struct nic_frame *frames, unsigned n)
{
	struct loop_nic *l = loop_of(q->nic);

	lock(l);
	if (n > l->tx.size - l->tx.count) {
		n = l->tx.size - l->tx.count;
		q->stats.tx_full++;
	}
	for (unsigned i = 0; i < n; i++) {
		ring_put(&l->tx, (uint32_t)(frames[i].data - l->umem), frames[i].len);
		q->stats.tx_bytes += frames[i].len;
	}
	q->stats.tx_frames += n;
	unlock(l);
	return n;
}

static int loop_tx_kick(struct nic_queue *q)
{
	struct loop_nic *l = loop_of(q->nic), *peer;
	unsigned n;

	lock(l);
	peer = l->wire->end[!l->side];
	for (n = 0; n < NIC_LOOP_KICK && l->tx.count > 0; n++) {
		struct loop_entry e = ring_get(&l->tx);

		if (peer)
			deliver(peer, l->umem + e.offset, e.len);
		pool_put(l, e.offset);
	}
	q->stats.tx_kicks += n > 0;
	n = l->tx.count;
	unlock(l);
	return n > 0 ? -EAGAIN : 0;
}

static int loop_arm(struct nic_queue *q)
{
	struct loop_nic *l = loop_of(q->nic);
	int waiting;

	lock(l);
	waiting = l->rx.count > 0;
	unlock(l);
	return waiting;
}

static unsigned loop_pool_free(const struct nic_queue *q)
{
	struct loop_nic *l = loop_of(q->nic);
	unsigned n;

	lock(l);
	n = l->pool_count;
	unlock(l);
	return n;
}

static int loop_steer(struct nic *nic, const struct nic_flow *flow, bool on)
{
	struct loop_nic *l = loop_of(nic);
	int err;

	lock(l);
	err = steer_map_flow(l->map, flow, on);
	unlock(l);
	return err;
}

static void loop_set_mac(struct nic *nic, const uint8_t mac[6])
{
	struct loop_nic *l = loop_of(nic);

	lock(l);
	memcpy(nic->mac, mac, sizeof(nic->mac));
	steer_host_mac(l->host, mac);
	unlock(l);
}

static int loop_set_local(struct nic *nic, const struct ipaddr *addr, bool on)
{
	struct loop_nic *l = loop_of(nic);
	int err;

	lock(l);
	err = steer_host_local(l->host, addr, on);
	unlock(l);
	return err;
}

static void loop_set_lease(struct nic *nic, uint64_t until_ns)
{
	steer_map_lease(loop_of(nic)->map, until_ns);
}

/* All figures are kept up to date as frames come in. */
static void loop_stats(struct nic_queue *q)
{
	(void)q;
}

static void free_end(struct loop_nic *l)
{
	if (l->umem)
		munmap(l->umem, l->umem_len);
	if (l->q.fd >= 0)
		close(l->q.fd);
	free(l->pool);
	free(l->rx.entries);
	free(l->tx.entries);
	free(l->map);
	free(l->host);
	free(l);
}

static void loop_close(struct nic *nic)
{
	struct loop_nic *l = loop_of(nic);
	struct loop_wire *wire = l->wire;
	bool last;

	pthread_mutex_lock(&wire->lock);
	wire->end[l->side] = NULL;
	last = !wire->end[!l->side];
	pthread_mutex_unlock(&wire->lock);
	free_end(l);
	if (last) {
		pthread_mutex_destroy(&wire->lock);
		free(wire);
	}
}

/* There is one end only together with the other. */
static int loop_open(struct nic_params *params, struct nic **out)
{
	(void)out;
	snprintf(params->why, sizeof(params->why), "the loop backend is opened in pairs, by tests");
	return -EOPNOTSUPP;
}

static int loop_owns(struct nic *nic, int fd, uint64_t cookie, bool on)
{
	struct loop_nic *l = loop_of(nic);
	int err;

	(void)fd;
	lock(l);
	err = steer_host_owns(l->host, cookie, on);
	unlock(l);
	return err;
}

static void loop_no_flows(struct nic *nic)
{
	struct loop_nic *l = loop_of(nic);

	lock(l);
	steer_map_no_flows(l->map);
	steer_host_no_owners(l->host);
	unlock(l);
}

static const struct nic_ops loop_ops = {
	.name = "loop",
	.open = loop_open,
	.close = loop_close,
	.abandon = loop_close,
	.rx_burst = loop_rx_burst,
	.free = loop_free,
	.tx_alloc = loop_tx_alloc,
	.tx_burst = loop_tx_burst,
	.tx_kick = loop_tx_kick,
	.arm = loop_arm,
	.pool_free = loop_pool_free,
	.steer = loop_steer,
	.owns = loop_owns,
	.steer_none = loop_no_flows,
	.set_local = loop_set_local,
	.set_mac = loop_set_mac,
	.set_lease = loop_set_lease,
	.stats = loop_stats,
};

static int alloc_end(struct loop_nic *l, const struct nic_params *params)
{
	l->frames = params->frames;
	l->umem_len = (size_t)params->frames * LOOP_FRAME;
	l->umem = mmap(NULL, l->umem_len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (l->umem == MAP_FAILED)
		l->umem = NULL;
	l->rx.size = params->rx_ring;
	l->tx.size = params->tx_ring;
	l->pool = calloc(l->frames, sizeof(*l->pool));
	l->rx.entries = calloc(l->rx.size, sizeof(*l->rx.entries));
	l->tx.entries = calloc(l->tx.size, sizeof(*l->tx.entries));
	l->map = calloc(1, sizeof(*l->map));
	l->host = calloc(1, sizeof(*l->host));
	l->q.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (!l->umem || !l->pool || !l->rx.entries || !l->tx.entries || !l->map || !l->host ||
	    l->q.fd < 0)
		return -ENOMEM;
	for (unsigned i = l->frames; i-- > 0;)
		pool_put(l, i * LOOP_FRAME);
	return 0;
}

static struct loop_nic *make_end(struct loop_wire *wire, unsigned side,
				 const struct nic_params *params)
{
	struct loop_nic *l = calloc(1, sizeof(*l));
	struct nic *nic = &l->nic;

	if (!l)
		return NULL;
	l->q.fd = -1;
	if (alloc_end(l, params) < 0) {
		free_end(l);
		return NULL;
	}
	l->wire = wire;
	l->side = side;
	l->q.nic = nic;
	l->q.frame_size = LOOP_FRAME;
	nic->ops = &loop_ops;
	snprintf(nic->ifname, sizeof(nic->ifname), "loop%c", 'A' + (int)side);
	snprintf(nic->mode, sizeof(nic->mode), "loop");
	nic->mac[0] = 2;
	nic->mac[5] = (uint8_t)(1 + side);
	nic->mtu = LOOP_MTU;
	nic->queue_count = 1;
	nic->queues[0] = &l->q;
	steer_host_init(l->host, nic, LOOP_FRAME - NIC_FRAME_DATA);
	wire->end[side] = l;
	return l;
}

int nic_loop_pair(struct nic **a, struct nic **b, struct nic_params *params)
{
	struct loop_wire *wire = calloc(1, sizeof(*wire));

	if (!wire)
		return -ENOMEM;
	pthread_mutex_init(&wire->lock, NULL);
	if (make_end(wire, 0, params) && make_end(wire, 1, params)) {
		*a = &wire->end[0]->nic;
		*b = &wire->end[1]->nic;
		return 0;
	}
	if (wire->end[0])
		free_end(wire->end[0]);
	free(wire);
	snprintf(params->why, sizeof(params->why), "out of memory");
	return -ENOMEM;
}

void nic_loop_deliver_all(struct nic *nic, bool on)
{
	loop_of(nic)->deliver_all = on;
}

void nic_loop_set_clock(struct nic *nic, uint64_t (*now)(void))
{
	loop_of(nic)->now = now;
}

uint64_t nic_loop_passed(const struct nic *nic)
{
	return loop_of(nic)->passed;
}
