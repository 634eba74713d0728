/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_nic_wide.c - frames that come in several chunks, over rings in plain memory, with a kernel that we play: they are put together
 * whole and in order, whatever a burst ends with; without room one frame is lost, not the next; no chunk is lost.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "nic/xdp/xdp_rings.c"
#include "nic/xdp/xdp_wide.c"

#define FRAMES 512
#define FRAME 4096
#define CHUNK (FRAME - XDP_HEADROOM)
#define RING 128
#define WIDE 16
#define STEPS 60000

#include "test_nic_rings.h"

static struct shared rx, fill;
static struct xdp_queue x;
static uint32_t pool[FRAMES], wide_pool[WIDE];
static uint32_t sent, got; /* numbers of the next frames */
static struct nic_frame held[FRAMES + WIDE];
static unsigned held_count, held_wide;

void xdp_recover(struct nic_queue *q)
{
	(void)q; /* of its own in nic_xdp.c; here only what comes with it */
}

static int setup(void **state)
{
	(void)state;
	free(x.umem);
	memset(&x, 0, sizeof(x));
	x.umem = aligned_alloc(4096, FRAMES * FRAME + WIDE * XDP_WIDE_FRAME);
	x.q.frame_size = FRAME;
	x.q.fd = -1;
	x.frames = x.pool_count = FRAMES;
	x.pool = pool;
	for (unsigned i = 0; i < FRAMES; i++)
		pool[i] = i * FRAME;
	x.wide = x.umem + FRAMES * FRAME;
	x.wide_frames = WIDE;
	x.wide_pool = wide_pool;
	xdp_wide_reset(&x);
	ring_init((struct xsk_ring_prod *)&x.rx, &rx, false);
	ring_init(&x.fill, &fill, true);
	x.nic_wants = RING;
	xdp_refill(&x);
	sent = got = held_count = held_wide = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unpoison(x.umem, FRAMES * FRAME + WIDE * XDP_WIDE_FRAME);
	free(x.umem);
	x.umem = NULL;
	return 0;
}

/* Frame @number: its length, and what is at @at. */
static uint32_t length_of(uint32_t number)
{
	static const uint32_t lengths[] = { 60, 1500, CHUNK, CHUNK + 1, 9014, 2 * CHUNK, 64, 12000 };

	return lengths[number * 2654435761u >> 29];
}

static uint8_t byte_of(uint32_t number, uint32_t at)
{
	return (uint8_t)(number * 31 + at * 7 + (at >> 8));
}

/* As net/xdp/xsk.c __xsk_rcv(): all chunks of a frame, or none of it. */
static bool kernel_receives(void)
{
	uint32_t len = length_of(sent), chunks = (len + CHUNK - 1) / CHUNK, at = 0;

	if (fill.producer - fill.consumer < chunks || rx.producer - rx.consumer + chunks > RING)
		return false;
	while (at < len) {
		struct xdp_desc *d = &rx.desc[rx.producer++ & (RING - 1)];
		uint32_t part = len - at < CHUNK ? len - at : CHUNK;

		d->addr = fill.addr[fill.consumer++ & (RING - 1)] + XDP_HEADROOM;
		d->len = part;
		d->options = at + part < len ? XDP_PKT_CONTD : 0;
		unpoison(x.umem + d->addr, part);
		for (uint32_t i = 0; i < part; i++)
			x.umem[d->addr + i] = byte_of(sent, at + i);
		poison(x.umem + d->addr, part);
		at += part;
	}
	sent++;
	return true;
}

static void frame_is(const struct nic_frame *f, uint32_t number)
{
	assert_int_equal(f->len, length_of(number));
	for (uint32_t i = 0; i < f->len; i++)
		assert_int_equal(f->data[i], byte_of(number, i));
	/* The stack's own bytes are in front of it. */
	memset(nic_frame_base(&x.q, f->data), 0xaa, NIC_FRAME_PRIV);
}

static void hold(const struct nic_frame *f)
{
	held[held_count++] = *f;
	held_wide += is_wide(&x, f->data);
}

static void let_go(unsigned n)
{
	uint8_t *data[NIC_BURST];
	unsigned at;

	for (unsigned i = 0; i < n; i++) {
		at = draw(held_count);
		held_wide -= is_wide(&x, held[at].data);
		data[i] = held[at].data + draw(60); /* anywhere among its headers */
		held[at] = held[--held_count];
	}
	xdp_wide_free(&x.q, data, n);
}

/* Chunks and wide frames are all somewhere. */
static void audit(void)
{
	unsigned chunks = x.pool_count + (fill.producer - fill.consumer) +
			  (rx.producer - rx.consumer) + held_count - held_wide;

	assert_int_equal(chunks, FRAMES);
	assert_int_equal(x.wide_count + held_wide + (x.wide_begun && x.wide_at != NOWHERE), WIDE);
}

static void whole_and_in_order(void **state)
{
	struct nic_frame frames[NIC_BURST];
	unsigned n;

	(void)state;
	for (unsigned step = 0; step < STEPS; step++) {
		if (draw(2))
			kernel_receives();
		n = xdp_wide_rx_burst(&x.q, frames, 1 + draw(5));
		for (unsigned i = 0; i < n; i++, got++) {
			frame_is(&frames[i], got);
			hold(&frames[i]);
		}
		/* Never so many that there is no room for the next. */
		while (held_wide > WIDE - 6 || held_count > FRAMES / 2)
			let_go(1);
		if (draw(4) == 0)
			let_go(draw(held_count < 20 ? held_count + 1 : 20));
		audit();
	}
	assert_true(got > STEPS / 4);
	assert_int_equal(x.wide_lost, 0);
	assert_int_equal(x.q.stats.rx_frames, got);
}

static unsigned receive_all(void)
{
	struct nic_frame frames[NIC_BURST];
	unsigned n, total = 0;

	while ((n = xdp_wide_rx_burst(&x.q, frames, 3)) || rx.consumer != rx.producer)
		for (unsigned i = 0; i < n; i++, total++)
			hold(&frames[i]);
	return total;
}

static void without_room_one_is_lost(void **state)
{
	unsigned wide = 0, small = 0, n = 0;

	(void)state;
	while (wide < WIDE + 5) {
		wide += length_of(sent) > CHUNK;
		small += length_of(sent) <= CHUNK;
		assert_true(kernel_receives());
		n += receive_all();
		audit();
	}
	assert_int_equal(n, WIDE + small);
	assert_int_equal(held_wide, WIDE);
	assert_int_equal(x.wide_lost, 5);
	/* And there is room again. */
	while (held_count)
		let_go(1);
	while (length_of(sent) <= CHUNK)
		sent++;
	assert_true(kernel_receives());
	assert_int_equal(receive_all(), 1);
	frame_is(&held[0], sent - 1);
	audit();
}

static void a_new_owner_begins_with_a_whole_frame(void **state)
{
	struct nic_frame frames[NIC_BURST];

	(void)state;
	while (length_of(sent) <= 2 * CHUNK)
		sent++;
	assert_true(kernel_receives());
	assert_int_equal(xdp_wide_rx_burst(&x.q, frames, 2), 0);
	assert_true(x.wide_begun);
	xdp_wide_recover(&x.q);
	assert_true(kernel_receives());
	assert_int_equal(receive_all(), 1);
	frame_is(&held[0], sent - 1);
	audit();
}

/* Longer than a wide frame: the MTU has grown since. It is cut, and the lengths in its headers tell the stack. */
static void too_long_is_cut(void **state)
{
	struct nic_frame frames[NIC_BURST];

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		struct xdp_desc *d = &rx.desc[rx.producer++ & (RING - 1)];

		d->addr = fill.addr[fill.consumer++ & (RING - 1)] + XDP_HEADROOM;
		d->len = CHUNK;
		d->options = i < 4 ? XDP_PKT_CONTD : 0;
	}
	assert_int_equal(xdp_wide_rx_burst(&x.q, frames, 8), 1);
	assert_int_equal(frames[0].len, XDP_WIDE_FRAME - XDP_HEADROOM);
	hold(&frames[0]);
	audit();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(whole_and_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(without_room_one_is_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(a_new_owner_begins_with_a_whole_frame, setup,
						teardown),
		cmocka_unit_test_setup_teardown(too_long_is_cut, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
