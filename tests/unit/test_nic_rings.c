/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_nic_rings.c - the data path of the AF_XDP backend over rings in plain memory, with a kernel
 * that we play.
 *
 * What matters is that a frame always has exactly one owner; a long random sequence of all
 * operations is checked against a table of owners. No privilege is needed.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "nic/xdp/xdp_rings.c"

#define FRAMES 256
#define FRAME 2048
#define RING 64
#define STEPS 200000

#include "test_nic_rings.h"

enum owner { POOL, NIC, STACK };

static struct shared rx, fill, tx, comp;
static struct xdp_queue x;
static uint32_t pool[FRAMES];
static enum owner owners[FRAMES];
static uint8_t *held[FRAMES];
static unsigned held_count;

static int setup(void **state)
{
	(void)state;
	free(x.umem);
	memset(&x, 0, sizeof(x));
	x.umem = aligned_alloc(4096, FRAMES * FRAME);
	x.q.frame_size = FRAME;
	x.q.fd = -1;
	x.frames = x.pool_count = FRAMES;
	x.pool = pool;
	x.pool_keep = 8;
	x.tx_size = RING;
	x.tx_lazy = RING / 2;
	for (unsigned i = 0; i < FRAMES; i++) {
		pool[i] = i * FRAME;
		owners[i] = POOL;
	}
	held_count = 0;
	ring_init((struct xsk_ring_prod *)&x.rx, &rx, false);
	ring_init(&x.fill, &fill, true);
	ring_init(&x.tx, &tx, true);
	ring_init((struct xsk_ring_prod *)&x.comp, &comp, false);
	x.nic_wants = RING;
	xdp_refill(&x);
	return 0;
}

/* The kernel receives up to @n frames: from the fill ring onto the RX ring. */
static void kernel_receives(uint32_t n)
{
	while (n-- && fill.consumer != fill.producer && rx.producer - rx.consumer < RING) {
		struct xdp_desc *d = &rx.desc[rx.producer & (RING - 1)];

		d->addr = fill.addr[fill.consumer++ & (RING - 1)] + XDP_HEADROOM;
		d->len = 60;
		rx.producer++;
	}
}

/* The kernel sends up to @n frames: from the TX ring onto the completion ring. */
static void kernel_sends(uint32_t n)
{
	while (n-- && tx.consumer != tx.producer) {
		assert_true(comp.producer - comp.consumer < RING);
		comp.addr[comp.producer++ & (RING - 1)] = tx.desc[tx.consumer++ & (RING - 1)].addr;
	}
}

static void hold(uint8_t *data)
{
	uint32_t i = (uint32_t)(data - x.umem) / FRAME;

	assert_true(i < FRAMES && owners[i] != STACK);
	owners[i] = STACK;
	held[held_count++] = data;
}

static uint8_t *let_go(enum owner to)
{
	uint32_t at = draw(held_count);
	uint8_t *data = held[at];

	held[at] = held[--held_count];
	owners[(data - x.umem) / FRAME] = to;
	return data;
}

static void receive(void)
{
	struct nic_frame frames[NIC_BURST];
	unsigned n = xdp_rx_burst(&x.q, frames, 1 + draw(NIC_BURST));

	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(frames[i].len, 60);
		assert_int_equal((frames[i].data - x.umem) % FRAME, XDP_HEADROOM);
		hold(frames[i].data);
	}
}

static void allocate(void)
{
	uint8_t *base[NIC_BURST];
	unsigned n = xdp_tx_alloc(&x.q, base, 1 + draw(8));

	for (unsigned i = 0; i < n; i++) {
		assert_int_equal((base[i] - x.umem) % FRAME, 0);
		hold(base[i]);
	}
}

static void give_back(void)
{
	uint8_t *data[NIC_BURST];
	unsigned n = draw(NIC_BURST);

	n = n < held_count ? n : held_count;
	for (unsigned i = 0; i < n; i++)
		data[i] = let_go(POOL) + draw(100);
	xdp_free(&x.q, data, n);
}

static void transmit(void)
{
	struct nic_frame frames[NIC_BURST] = { { .len = 0 } };
	unsigned n = draw(16), taken;

	n = n < held_count ? n : held_count;
	for (unsigned i = 0; i < n; i++) {
		frames[i].data = let_go(NIC);
		frames[i].len = 60;
	}
	taken = xdp_tx_burst(&x.q, frames, n);
	assert_true(taken == n || x.tx_out == RING);
	for (unsigned i = taken; i < n; i++)
		hold(frames[i].data);
}

/* Frames in the pool, on the rings and with the stack make up all of them, each once. */
static void audit(void)
{
	uint8_t seen[FRAMES] = { 0 };
	unsigned in_nic = 0;

	for (uint32_t i = 0; i < x.pool_count; i++)
		seen[pool[i] / FRAME]++;
	for (uint32_t i = fill.consumer; i != fill.producer; i++, in_nic++)
		seen[fill.addr[i & (RING - 1)] / FRAME]++;
	for (uint32_t i = rx.consumer; i != rx.producer; i++, in_nic++)
		seen[rx.desc[i & (RING - 1)].addr / FRAME]++;
	for (uint32_t i = tx.consumer; i != tx.producer; i++, in_nic++)
		seen[tx.desc[i & (RING - 1)].addr / FRAME]++;
	for (uint32_t i = comp.consumer; i != comp.producer; i++, in_nic++)
		seen[comp.addr[i & (RING - 1)] / FRAME]++;
	for (unsigned i = 0; i < held_count; i++)
		seen[(held[i] - x.umem) / FRAME]++;
	for (unsigned i = 0; i < FRAMES; i++)
		assert_int_equal(seen[i], 1);
	assert_int_equal(in_nic + x.pool_count + held_count, FRAMES);
}

static void each_frame_has_one_owner(void **state)
{
	(void)state;
	for (unsigned step = 0; step < STEPS; step++) {
		switch (draw(7)) {
		case 0:
			kernel_receives(draw(RING));
			break;
		case 1:
			kernel_sends(draw(RING));
			break;
		case 2:
			receive();
			break;
		case 3:
			allocate();
			break;
		case 4:
			give_back();
			break;
		case 5:
			transmit();
			break;
		default:
			if (step % 16 == 0)
				audit();
		}
	}
	audit();
	assert_true(x.q.stats.rx_frames > STEPS / 10 && x.q.stats.tx_frames > STEPS / 100);
}

static void the_fill_ring_is_kept_full(void **state)
{
	struct nic_frame frames[NIC_BURST];
	unsigned n;

	(void)state;
	assert_int_equal(fill.producer - fill.consumer, RING);
	kernel_receives(10);
	n = xdp_rx_burst(&x.q, frames, NIC_BURST);
	assert_int_equal(n, 10);
	assert_int_equal(fill.producer - fill.consumer, RING);
	assert_int_equal(rx.consumer, 10);
}

static void an_empty_pool_recovers(void **state)
{
	struct nic_frame frames[NIC_BURST];
	unsigned n = 0, total = 0;

	(void)state;
	do {
		kernel_receives(RING);
		n = xdp_rx_burst(&x.q, frames, NIC_BURST);
		for (unsigned i = 0; i < n; i++)
			hold(frames[i].data);
		total += n;
	} while (n);
	/* What is kept for transmission stays. */
	assert_int_equal(total, FRAMES - 8);
	assert_int_equal(xdp_pool_free(&x.q), 8);
	assert_true(fill.producer - fill.consumer < RING);
	while (held_count) {
		uint8_t *data = let_go(POOL);

		xdp_free(&x.q, &data, 1);
	}
	assert_int_equal(xdp_rx_burst(&x.q, frames, NIC_BURST), 0);
	assert_int_equal(fill.producer - fill.consumer, RING);
}

static void a_full_tx_ring_is_counted(void **state)
{
	struct nic_frame frames[NIC_BURST];
	uint8_t *base[NIC_BURST];

	(void)state;
	assert_int_equal(xdp_tx_alloc(&x.q, base, NIC_BURST), NIC_BURST);
	for (unsigned i = 0; i < NIC_BURST; i++)
		frames[i] = (struct nic_frame){ .data = base[i], .len = 60 };
	assert_int_equal(xdp_tx_burst(&x.q, frames, 40), 40);
	assert_int_equal(xdp_tx_burst(&x.q, frames + 40, 24), 24);
	assert_int_equal(xdp_tx_alloc(&x.q, base, 1), 0);
	assert_int_equal(x.q.stats.tx_full, 1);
	kernel_sends(5);
	/* Never more than the ring takes: all of them can be queued. */
	assert_int_equal(xdp_tx_alloc(&x.q, base, 8), 5);
	assert_int_equal(x.q.stats.tx_full, 2);
	for (unsigned i = 0; i < 5; i++)
		frames[i].data = base[i];
	assert_int_equal(xdp_tx_burst(&x.q, frames, 5), 5);
	assert_int_equal(xdp_tx_burst(&x.q, frames, 1), 0);
	assert_int_equal(x.q.stats.tx_full, 3);
	/* A queue that can not send gives nothing out. */
	x.tx_size = x.tx_out = 0;
	assert_int_equal(xdp_tx_alloc(&x.q, base, 1), 0);
	assert_int_equal(xdp_tx_burst(&x.q, frames, 1), 0);
	assert_int_equal(xdp_tx_kick(&x.q), 0);
}

static void too_many_given_back_do_no_harm(void **state)
{
	uint8_t *data[2] = { x.umem, x.umem };

	(void)state;
	xdp_free(&x.q, data, 2);
	x.pool_count = FRAMES;
	xdp_free(&x.q, data, 2);
	assert_int_equal(xdp_pool_free(&x.q), FRAMES);
}

/* For people: what our side costs, the kernel's part being a few plain copies. */
static void show_cost(void **state)
{
	struct nic_frame frames[32];
	uint8_t *data[32];
	uint64_t start, ns = 0;

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		kernel_receives(32);
		start = clock_ns();
		assert_int_equal(xdp_rx_burst(&x.q, frames, 32), 32);
		for (unsigned k = 0; k < 32; k++)
			data[k] = frames[k].data;
		xdp_free(&x.q, data, 32);
		ns += clock_ns() - start;
	}
	printf("# receive and free: %.2f ns per frame\n", (double)ns / 3200000);
}

#define CASE(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_fill_ring_is_kept_full), CASE(an_empty_pool_recovers),
		CASE(a_full_tx_ring_is_counted),  CASE(too_many_given_back_do_no_harm),
		CASE(each_frame_has_one_owner),	  CASE(show_cost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
