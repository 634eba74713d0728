/* SPDX-License-Identifier: BSD-3-Clause */
/* test_queue.c - the receive queue of a socket: order, accounting against SO_RCVBUF, drops, copies set aside, threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <pthread.h>

#include "stack/engine.h"
#include "tests/unit/test_stack.h"

static struct sock s;
static unsigned returned; /* frames that came back to the made-up NIC */

static void count_free(struct nic_queue *q, uint8_t *const *data, unsigned n)
{
	(void)q, (void)data;
	returned += n;
}

static const struct nic_ops ops = { .name = "none", .free = count_free };
static struct nic nic = { .ops = &ops };
static struct nic_queue nic_queue = { .nic = &nic };
static struct engine engine = { .queue = &nic_queue };

/* Datagrams as if they lay in frames of `engine`. */
static struct loose_dgram frame[64];

/* So far. */
static unsigned given_back(void)
{
	engine_reclaim(&engine);
	return returned;
}

static int fresh(void **state)
{
	(void)state;
	sock_make(&s, AF_INET, "10.0.0.1", 53, NULL, 0);
	engine_reclaim(&engine);
	returned = 0;
	memset(s.stats, 0, sizeof(*s.stats));
	return 0;
}

static struct dgram *make(unsigned i, const char *text)
{
	struct dgram *d;

	engine_reclaim(&engine); /* no frame is used again before that */
	d = loose_make(&frame[i], "10.0.0.9", (uint16_t)(1000 + i), "10.0.0.1", 53, text,
		       (unsigned)strlen(text));

	d->engine = &engine;
	return d;
}

static void put_numbered(unsigned from, unsigned to, bool aside)
{
	char text[8];

	for (unsigned i = from; i < to; i++) {
		snprintf(text, sizeof(text), "%u", i);
		queue_put(&s, make(i, text), aside);
	}
}

/* What readers go by, and what `kbaccel stat` shows. */
static void count_is(unsigned n)
{
	assert_int_equal(s.count, n);
	assert_int_equal(s.stats->queued, n);
}

static void chain_is(const struct dgram *d, unsigned from, unsigned to)
{
	char text[8];

	for (unsigned i = from; i < to; i++, d = d->next) {
		assert_non_null(d);
		snprintf(text, sizeof(text), "%u", i);
		assert_int_equal(d->len, strlen(text));
		assert_memory_equal(d->payload, text, d->len);
		assert_int_equal(dgram_source_port(d), htons((uint16_t)(1000 + i)));
	}
	assert_null(d);
}

static void empty(void **state)
{
	(void)state;
	assert_null(queue_take(&s, 1));
	assert_null(queue_take(&s, UINT32_MAX));
	queue_untake(&s, NULL);
	queue_free(NULL);
	queue_flush(&s);
	assert_false(sock_readable(&s));
	assert_int_equal(s.charged, 0);
}

static void first_in_first_out(void **state)
{
	struct dgram *d;

	(void)state;
	put_numbered(0, 10, false);
	count_is(10);
	d = queue_take(&s, 1);
	chain_is(d, 0, 1);
	queue_free(d);
	assert_int_equal(given_back(), 1);
	d = queue_take(&s, 5);
	chain_is(d, 1, 6);
	queue_free(d);
	put_numbered(10, 12, false);
	d = queue_take(&s, 100);
	chain_is(d, 6, 12);
	queue_free(d);
	assert_int_equal(given_back(), 12);
	count_is(0);
	assert_int_equal(s.charged, 0);
	assert_null(s.head);
	assert_ptr_equal(s.tail, &s.head);
	put_numbered(0, 1, false); /* the tail is in order again */
	chain_is(s.head, 0, 1);
}

static void take_exactly_all(void **state)
{
	(void)state;
	put_numbered(0, 3, false);
	chain_is(queue_take(&s, 3), 0, 3);
	assert_ptr_equal(s.tail, &s.head);
	put_numbered(3, 5, false);
	chain_is(queue_take(&s, 2), 3, 5);
	count_is(0);
}

static void take_none(void **state)
{
	(void)state;
	put_numbered(0, 3, false);
	assert_null(queue_take(&s, 0));
	count_is(3);
	chain_is(queue_take(&s, 3), 0, 3);
}

static void untake(void **state)
{
	uint64_t charged;

	(void)state;
	put_numbered(0, 6, false);
	charged = s.charged;
	queue_untake(&s, queue_take(&s, 1)); /* as MSG_PEEK does */
	count_is(6);
	assert_int_equal(s.charged, charged);
	queue_untake(&s, queue_take(&s, 4));
	queue_untake(&s, queue_take(&s, 6));
	assert_int_equal(s.charged, charged);
	put_numbered(6, 8, false); /* behind them, though they were away */
	count_is(8);
	chain_is(queue_take(&s, 8), 0, 8);
	assert_int_equal(s.charged, 0);
}

static void untake_before_newcomers(void **state)
{
	struct dgram *d;

	(void)state;
	put_numbered(0, 3, false);
	d = queue_take(&s, 3);
	put_numbered(3, 5, false);
	queue_untake(&s, d);
	chain_is(queue_take(&s, 5), 0, 5);
}

/* The kernel drops what arrives while more than the limit is charged: one datagram may go beyond it. */
static void receive_buffer(void **state)
{
	unsigned fit;

	(void)state;
	put_numbered(0, 1, false);
	assert_in_range(s.charged, 512, 1024);
	s.rcvbuf = 5 * s.charged;
	put_numbered(1, 20, false);
	fit = s.count;
	assert_int_equal(fit, 6);
	assert_int_equal(s.dropped, 20 - fit);
	assert_int_equal(s.stats->drops, 20 - fit);
	assert_int_equal(given_back(), 20 - fit); /* what was dropped comes back, too */
	queue_free(queue_take(&s, 2));
	put_numbered(20, 30, false);
	count_is(6);
	queue_flush(&s);
	assert_int_equal(given_back(), 30);
	assert_int_equal(s.charged, 0);
}

static void rcvbuf_of_zero_still_takes_one(void **state)
{
	(void)state;
	s.rcvbuf = 0;
	put_numbered(0, 3, false);
	count_is(1);
	assert_int_equal(s.dropped, 2);
	chain_is(queue_take(&s, 1), 0, 1);
}

static void charge_grows_with_the_length(void **state)
{
	static char big[1401];
	uint64_t small;

	(void)state;
	put_numbered(0, 1, false);
	small = s.charged;
	memset(big, 'x', 1400);
	queue_put(&s, make(1, big), false);
	assert_in_range(s.charged - small, 1400 + 256, 1400 + 2048);
	queue_put(&s, make(2, ""), false); /* an empty one counts too */
	assert_true(s.charged - small > 1400 + 512);
	count_is(3);
	queue_flush(&s);
	assert_int_equal(s.charged, 0);
}

/* SO_RXQ_OVFL: each datagram says how many were dropped before it. */
static void drop_counts_travel_along(void **state)
{
	struct dgram *d;

	(void)state;
	s.rcvbuf = 1000;
	put_numbered(0, 5, false);
	d = queue_take(&s, UINT32_MAX);
	assert_int_equal(d->dropped, 0);
	assert_int_equal(d->next->dropped, 0);
	put_numbered(5, 6, false);
	assert_int_equal(s.head->dropped, 3);
}

static void set_aside(void **state)
{
	struct dgram *d;

	(void)state;
	put_numbered(0, 4, true);
	assert_int_equal(given_back(), 4); /* their frames are free */
	for (unsigned i = 0; i < 4; i++)
		memset(frame[i].f.data, 0xee, sizeof(frame[i].f.data));
	d = queue_take(&s, 4);
	chain_is(d, 0, 4);
	for (struct dgram *e = d; e; e = e->next) {
		struct ipaddr from = dgram_source(e), to = dgram_destination(e);
		struct ipaddr a = addr("10.0.0.9"), b = addr("10.0.0.1");

		assert_null(e->engine);
		assert_true(ipaddr_equal(&from, &a) && ipaddr_equal(&to, &b));
		assert_int_equal(dgram_ttl(e), 64);
		assert_int_equal(dgram_destination_port(e), htons(53));
	}
	queue_free(d);
	assert_int_equal(given_back(), 4);
}

static void mixed_chains(void **state)
{
	(void)state;
	put_numbered(0, 3, false);
	put_numbered(3, 6, true);
	put_numbered(6, 7, false);
	put_numbered(7, 8, true);
	put_numbered(8, 10, false);
	assert_int_equal(given_back(), 4);
	chain_is(s.head, 0, 10);
	queue_flush(&s);
	assert_int_equal(given_back(), 10);
	put_numbered(0, 60, true); /* those set aside are used again */
	chain_is(s.head, 0, 60);
	queue_flush(&s);
}

/* A datagram of @len bytes, with the bytes of a packet in front of it. */
static struct dgram *make_large(unsigned len)
{
	static uint8_t packet[28 + 60000];
	struct dgram *d = make(0, "x");

	packet[0] = 0x45;
	for (unsigned i = 28; i < sizeof(packet); i++)
		packet[i] = (uint8_t)(i * 7 + (i >> 8));
	d->l3 = packet;
	d->payload = packet + 28;
	d->len = len;
	return d;
}

static void jumbo_set_aside(void **state)
{
	struct dgram *d;

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		put_numbered(0, 2, true);
		queue_put(&s, make_large(8972), true);
		put_numbered(2, 4, true);
		count_is(5);
		queue_free(queue_take(&s, 2));
		d = queue_take(&s, 1);
		assert_int_equal(d->len, 8972);
		assert_null(d->engine);
		assert_ptr_not_equal(d->payload, make_large(8972)->payload);
		assert_memory_equal(d->payload, make_large(8972)->payload, 8972);
		queue_free(d);
		d = queue_take(&s, 2);
		chain_is(d, 2, 4);
		queue_free(d);
	}
}

/* Larger than any place aside: dropped and counted, not cut. */
static void too_large_to_set_aside(void **state)
{
	uint64_t before = stats->counters[STAT_rx_no_memory];

	(void)state;
	queue_put(&s, make_large(20000), true);
	count_is(0);
	assert_int_equal(s.dropped, 1);
	assert_int_equal(given_back(), 1);
	assert_int_equal(stats->counters[STAT_rx_no_memory], before + 1);
}

/* A signal handler's receive interrupted the owner of the queue: nothing is lost, nothing is waited for. */
static void reentered(void **state)
{
	(void)state;
	put_numbered(0, 2, false);
	lock_acquire(&s.lock);
	assert_null(queue_take(&s, 1));
	lock_release(&s.lock);
	chain_is(queue_take(&s, 2), 0, 2);
}

#define PASSED 200000

static void *reader(void *arg)
{
	uint64_t *sum = arg;

	while (!__atomic_load_n(&s.dropped, __ATOMIC_RELAXED)) {
		struct dgram *d = queue_take(&s, 4);

		for (struct dgram *e = d; e; e = e->next)
			*sum += e->len;
		queue_free(d);
	}
	return NULL;
}

/* One feeds copies, two read: each datagram reaches one of them. */
static void two_readers(void **state)
{
	uint64_t sums[2] = { 0, 0 }, sent = 0;
	pthread_t t[2];

	(void)state;
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, reader, &sums[i]);
	for (unsigned i = 0; i < PASSED / 20; i++) {
		unsigned len = 1 + i % 7;

		while (__atomic_load_n(&s.count, __ATOMIC_RELAXED) > 100)
			sched_yield();
		queue_put(&s, make(0, &"xxxxxxx"[7 - len]), true);
		sent += len;
	}
	while (__atomic_load_n(&s.count, __ATOMIC_RELAXED))
		sched_yield();
	__atomic_store_n(&s.dropped, 1, __ATOMIC_RELAXED);
	pthread_join(t[0], NULL);
	pthread_join(t[1], NULL);
	assert_int_equal(sums[0] + sums[1], sent);
	assert_int_equal(s.charged, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, fresh)
	const struct CMUnitTest tests[] = {
		TEST(empty),
		TEST(first_in_first_out),
		TEST(take_exactly_all),
		TEST(take_none),
		TEST(untake),
		TEST(untake_before_newcomers),
		TEST(receive_buffer),
		TEST(rcvbuf_of_zero_still_takes_one),
		TEST(charge_grows_with_the_length),
		TEST(drop_counts_travel_along),
		TEST(set_aside),
		TEST(mixed_chains),
		TEST(jumbo_set_aside),
		TEST(too_large_to_set_aside),
		TEST(reentered),
		TEST(two_readers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
