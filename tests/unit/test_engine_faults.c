/* SPDX-License-Identifier: BSD-3-Clause */
/* test_engine_faults.c - an engine behind a bad cable (nic/fault.h), and one that two threads drive at once. */
#define _GNU_SOURCE
#include <pthread.h>
#include <time.h>

#include "nic/fault.h"
#include "tests/unit/test_engine.h"

static unsigned intact, repeated;

/* Whatever is delivered from a bad cable is what was sent. */
static void check_delivered(struct sock *s)
{
	for (struct dgram *d; (d = queue_take(s, 1)); queue_free(d)) {
		uint32_t number;

		assert_true(d->len >= 4);
		memcpy(&number, d->payload, 4);
		assert_int_equal(d->len, 4 + number % 600);
		assert_memory_equal(d->payload + 4, payload, d->len - 4);
		intact++;
	}
}

static void send_numbered(uint32_t number)
{
	uint8_t text[1024];
	bool v6 = number & 1;

	memcpy(text, &number, 4);
	memcpy(text + 4, payload, number % 600);
	frame_make(&f, far->mac, v6 ? "fd00::9" : "10.0.0.9", 99, v6 ? "fd00::1" : "10.0.0.1", 53,
		   4 + number % 600);
	frame_finish(&f, text, 4 + number % 600);
	transmit(f.len);
}

static void bad_cable(uint64_t seed, unsigned corrupt, unsigned truncate, unsigned rest)
{
	struct nic_fault_params p = { .seed = seed,
				      .drop = rest,
				      .corrupt = corrupt,
				      .truncate = truncate,
				      .duplicate = rest,
				      .reorder = rest };
	struct nic_fault_stats done;
	struct nic *bad;

	intact = 0;
	engine_close(e);
	assert_int_equal(nic_fault_wrap(far, &p, &bad), 0);
	far = bad;
	e = engine_open(far->queues[0], NULL);
	for (uint32_t i = 0; i < 20000;) {
		for (int n = 0; n < 20; n++)
			send_numbered(i++);
		while (engine_poll(e))
			;
		check_delivered(&s4);
		check_delivered(&s6);
	}
	for (int i = 0; i < 3; i++)
		engine_poll(e); /* those that were held back */
	check_delivered(&s4);
	check_delivered(&s6);
	nic_fault_get_stats(far, &done);
	repeated = (unsigned)done.duplicated;
	assert_true(done.corrupted > 0 || !corrupt);
	assert_true(done.truncated > 0 || !truncate);
}

static void corrupted_frames(void **state)
{
	(void)state;
	bad_cable(1, 1000, 0, 0);
	/* MACs, TTL over IPv6 and the like are under no checksum. */
	assert_in_range(intact, 100, 6000);
}

static void truncated_frames(void **state)
{
	(void)state;
	bad_cable(2, 0, 1000, 0);
	assert_int_equal(intact, 0);
}

static void everything_at_once(void **state)
{
	(void)state;
	bad_cable(3, 200, 200, 200);
	assert_in_range(intact, 5000, 20000);
	assert_true(repeated > 100);
}

static int stop;

static void *poll_and_read(void *arg)
{
	uint64_t *bytes = arg;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		struct dgram *d;

		engine_poll(e);
		d = queue_take(&s4, 8);
		for (struct dgram *k = d; k; k = k->next)
			*bytes += k->len;
		queue_free(d);
	}
	return NULL;
}

static void two_threads_on_one_engine(void **state)
{
	uint64_t bytes[2] = { 0, 0 }, sent = 0;
	pthread_t t[2];

	(void)state;
	s4.rcvbuf = 1 << 24;
	stop = 0;
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, poll_and_read, &bytes[i]);
	for (unsigned i = 0; i < 20000; i++) {
		make(false, 1 + i % 300);
		while (pool() < FRAMES - 64) /* let them keep up: nothing may be lost */
			sched_yield();
		transmit(f.len);
		sent += 1 + i % 300;
	}
	for (int i = 0; i < 1000 && (pool() < e->frames || s4.count); i++)
		nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(far->queues[0]->stats.rx_ring_full + far->queues[0]->stats.rx_no_frame, 0);
	assert_int_equal(bytes[0] + bytes[1], sent);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, fresh, leave)
	const struct CMUnitTest tests[] = {
		TEST(corrupted_frames),
		TEST(truncated_frames),
		TEST(everything_at_once),
		TEST(two_threads_on_one_engine),
	};

	clock_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
