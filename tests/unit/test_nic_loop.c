/* SPDX-License-Identifier: BSD-3-Clause */
/* test_nic_loop.c - the in-memory backend keeps the contract of nic.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "nic/loop.h"
#include "tests/unit/test_nic_frames.h"

static struct nic *a, *b;
static struct nic_queue *qa, *qb;
static uint64_t fake_now;
static const uint8_t mac_b[6] = { 2, 0, 0, 0, 0, 2 };

static uint64_t clock_fake(void)
{
	return fake_now;
}

static int setup(void **state)
{
	struct nic_params params = { .rx_ring = 64, .tx_ring = 64, .frames = 256 };

	(void)state;
	if (nic_loop_pair(&a, &b, &params) < 0)
		return -1;
	qa = a->queues[0];
	qb = b->queues[0];
	nic_loop_set_clock(b, clock_fake);
	fake_now = 1000;
	b->ops->set_lease(b, 2000);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	nic_close(a);
	nic_close(b);
	return 0;
}

/*
 * Queues @n datagrams to @port, numbered in their first byte of payload; returns how many were
 * taken.
 */
static unsigned queue_frames(unsigned n, uint16_t port)
{
	uint8_t *base[NIC_BURST];
	struct nic_frame out[NIC_BURST];
	struct test_frame f;

	n = nic_tx_alloc(qa, base, n);
	for (unsigned i = 0; i < n; i++) {
		frame_make(&f, mac_b, "10.0.0.9", 1000, "10.0.0.1", port, FRAME_PAYLOAD);
		f.data[42] = (uint8_t)i;
		out[i] = (struct nic_frame){ .data = base[i] + NIC_FRAME_DATA, .len = f.len };
		memcpy(out[i].data, f.data, f.len);
	}
	return nic_tx_burst(qa, out, n);
}

static void kick(void)
{
	for (int i = 0; i < 10 && nic_tx_kick(qa) == -EAGAIN; i++)
		;
}

static unsigned receive(struct nic_frame *in)
{
	return nic_rx_burst(qb, in, NIC_BURST);
}

static void give_back(struct nic_frame *in, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		nic_free(qb, &in[i].data, 1);
}

static bool readable(void)
{
	struct pollfd pfd = { .fd = qb->fd, .events = POLLIN };

	return poll(&pfd, 1, 0) == 1;
}

static void frames_arrive_in_order_after_the_kick(void **state)
{
	struct nic_frame in[NIC_BURST];

	(void)state;
	nic_loop_deliver_all(b, true);
	assert_int_equal(queue_frames(40, 53), 40);
	assert_int_equal(receive(in), 0);
	assert_int_equal(nic_tx_kick(qa), -EAGAIN);
	assert_int_equal(nic_tx_kick(qa), 0);
	assert_true(readable());
	assert_int_equal(b->ops->arm(qb), 1);
	assert_int_equal(receive(in), 40);
	for (unsigned i = 0; i < 40; i++) {
		assert_int_equal(in[i].data[42], i);
		assert_int_equal(in[i].len, ETH_HLEN + 28 + FRAME_PAYLOAD);
		assert_true(in[i].data - nic_frame_base(qb, in[i].data) >= NIC_FRAME_PRIV);
	}
	assert_false(readable());
	assert_int_equal(b->ops->arm(qb), 0);
	assert_int_equal(b->ops->pool_free(qb), 256 - 40);
	give_back(in, 40);
	assert_int_equal(b->ops->pool_free(qb), 256);
	assert_int_equal(a->ops->pool_free(qa), 256);
	assert_int_equal(qa->stats.tx_frames, 40);
	assert_int_equal(qb->stats.rx_frames, 40);
}

static void only_steered_frames_come(void **state)
{
	struct nic_flow flow = { .local_port = htons(53), .families = NIC_FLOW_V4 };
	struct ipaddr local = addr("10.0.0.1");
	struct nic_frame in[NIC_BURST];

	(void)state;
	queue_frames(3, 53);
	kick();
	assert_int_equal(receive(in), 0);
	assert_int_equal(nic_loop_passed(b), 3);
	assert_int_equal(b->ops->steer(b, &flow, true), 0);
	assert_int_equal(b->ops->set_local(b, &local, true), 0);
	queue_frames(3, 53);
	queue_frames(2, 54);
	kick();
	assert_int_equal(receive(in), 3);
	give_back(in, 3);
	assert_int_equal(nic_loop_passed(b), 5);
	fake_now = 2000; /* the lease is over */
	queue_frames(3, 53);
	kick();
	assert_int_equal(receive(in), 0);
	b->ops->set_lease(b, 3000);
	queue_frames(3, 53);
	kick();
	assert_int_equal(receive(in), 3);
	give_back(in, 3);
	assert_int_equal(b->ops->steer(b, &flow, false), 0);
	assert_int_equal(b->ops->steer(b, &flow, false), -ENOENT);
}

static void full_rings_are_counted(void **state)
{
	struct nic_frame in[NIC_BURST];

	(void)state;
	nic_loop_deliver_all(b, true);
	assert_int_equal(queue_frames(50, 53), 50);
	assert_int_equal(queue_frames(50, 53), 14);
	assert_int_equal(qa->stats.tx_full, 1);
	kick();
	queue_frames(10, 53);
	kick();
	assert_int_equal(qb->stats.rx_ring_full, 10);
	assert_int_equal(receive(in), 64);
	give_back(in, 64);
}

static void a_closed_peer_swallows(void **state)
{
	struct nic_params params = { .rx_ring = 64, .tx_ring = 64, .frames = 256 };

	(void)state;
	nic_close(b);
	assert_int_equal(queue_frames(5, 53), 5);
	kick();
	assert_int_equal(a->ops->pool_free(qa), 256);
	nic_close(a);
	assert_int_equal(nic_loop_pair(&a, &b, &params), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(frames_arrive_in_order_after_the_kick),
		CASE(only_steered_frames_come),
		CASE(full_rings_are_counted),
		CASE(a_closed_peer_swallows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
