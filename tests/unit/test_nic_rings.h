/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_nic_rings.h - the kernel's side of AF_XDP rings in plain memory, for tests that play it. RING, the entries of each, is defined
 * by who includes it.
 */
#ifndef TEST_NIC_RINGS_H
#define TEST_NIC_RINGS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <xdp/xsk.h>

/* What the kernel would share: indices, flags and entries of a ring. */
struct shared {
	uint32_t producer, consumer, flags;
	union {
		uint64_t addr[RING];
		struct xdp_desc desc[RING];
	};
};

static uint64_t seed = 88172645463325252ull;

static uint32_t draw(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 20) % below;
}

static void ring_init(struct xsk_ring_prod *r, struct shared *s, bool producer)
{
	memset(s, 0, sizeof(*s));
	r->mask = RING - 1;
	r->size = RING;
	r->producer = &s->producer;
	r->consumer = &s->consumer;
	r->flags = &s->flags;
	r->ring = s->addr;
	r->cached_prod = 0;
	r->cached_cons = producer ? RING : 0;
}

#endif
