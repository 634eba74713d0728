/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_engine.h - two loop NICs, an engine on one of them and two sockets, IPv4 and IPv6, for the tests of the frame
 * path. Whatever happens, no frame may be lost: leave() finds the pool full after each test.
 */
#ifndef TESTS_UNIT_TEST_ENGINE_H
#define TESTS_UNIT_TEST_ENGINE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "nic/loop.h"
#include "stack/demux.h"
#include "stack/engine.h"
#include "tests/unit/test_stack.h"

#define FRAMES 256
#define IFINDEX 7
#define MAX_V4 1472

static struct nic *near, *far; /* we send into `near`; `e` reads `far` */
static struct engine *e;
static struct sock s4, s6;
static struct test_frame f;
static uint8_t payload[2048];

static inline uint64_t count_of(enum stats_counter c)
{
	return stats->counters[c];
}

static inline void open_with(uint32_t flags, unsigned frames)
{
	struct nic_params np = { .rx_ring = 128, .tx_ring = 128, .frames = frames };

	assert_int_equal(nic_loop_pair(&near, &far, &np), 0);
	nic_loop_deliver_all(far, true);
	nic_loop_deliver_all(near, true);
	far->ifindex = IFINDEX;
	far->flags |= flags;
	e = engine_open(far->queues[0], NULL);
	assert_non_null(e);
	sock_make(&s4, AF_INET, "10.0.0.1", 53, NULL, 0);
	sock_make(&s6, AF_INET6, "fd00::1", 53, NULL, 0);
	demux_add(&s4);
	demux_add(&s6);
	memset(s4.stats, 0, sizeof(*s4.stats));
}

static inline int fresh(void **state)
{
	uint64_t seed = 77;

	(void)state;
	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)random_next(&seed);
	open_with(0, FRAMES);
	return 0;
}

static inline unsigned pool(void)
{
	return far->ops->pool_free(far->queues[0]);
}

static inline int leave(void **state)
{
	(void)state;
	queue_flush(&s4);
	queue_flush(&s6);
	engine_poll(e); /* takes what others gave back */
	assert_int_equal(pool(), e->frames);
	demux_remove(&s4);
	demux_remove(&s6);
	engine_close(e);
	nic_close(near);
	nic_close(far);
	return 0;
}

/* Puts the first @len bytes of f on the wire. */
static inline void transmit(uint32_t len)
{
	struct nic_frame out = { .len = len };
	uint8_t *base;

	assert_int_equal(nic_tx_alloc(near->queues[0], &base, 1), 1);
	out.data = base + NIC_FRAME_DATA;
	memcpy(out.data, f.data, len);
	assert_int_equal(nic_tx_burst(near->queues[0], &out, 1), 1);
	while (nic_tx_kick(near->queues[0]) == -EAGAIN)
		;
}

static inline void make(bool v6, unsigned len)
{
	if (v6)
		frame_make(&f, far->mac, "fd00::9", 99, "fd00::1", 53, len);
	else
		frame_make(&f, far->mac, "10.0.0.9", 99, "10.0.0.1", 53, len);
	frame_finish(&f, payload, len);
}

/* IPv4 header checksum and, unless it is meant to be wrong, the UDP one, after a change. */
static inline void mend(bool v6, bool udp_too)
{
	uint8_t *l3 = f.data + ETH_HLEN, *udp = l3 + (v6 ? 40 : 20);
	uint16_t sum;

	if (udp_too) {
		uint32_t len = (uint32_t)(udp[4] << 8 | udp[5]);

		sum = htons(slow_udp_checksum(l3, udp, len));
		memcpy(udp + 6, &sum, 2);
	}
	if (v6)
		return;
	memset(l3 + 10, 0, 2);
	sum = htons((uint16_t)~slow_sum(0, l3, (size_t)(l3[0] & 15) * 4));
	memcpy(l3 + 10, &sum, 2);
}

/* The next datagram of @s is @len bytes of payload[]. */
static inline void got(struct sock *s, unsigned len)
{
	struct dgram *d = queue_take(s, 1);

	assert_non_null(d);
	assert_int_equal(d->len, len);
	assert_memory_equal(d->payload, payload, len);
	queue_free(d);
}

static inline void nothing_came(void)
{
	assert_int_equal(s4.count + s6.count, 0);
	assert_int_equal(pool(), e->frames);
}

#endif
