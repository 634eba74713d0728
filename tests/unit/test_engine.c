/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_engine.c - frames into an engine and its lwIP instance: good ones, every sort of bad ones, too many, while others
 * hold the lock or give frames back.
 */
#define _GNU_SOURCE
#include <pthread.h>

#include "stack/stack.h"
#include "tests/unit/test_engine.h"

static void every_length(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++)
		for (unsigned len = 0; len <= MAX_V4 - (v6 ? 20u : 0u); len++) {
			make(v6, len);
			transmit(f.len);
			assert_int_equal(engine_poll(e), 1);
			got(v6 ? &s6 : &s4, len);
		}
	assert_int_equal(engine_poll(e), 0);
}

static void what_a_datagram_knows(void **state)
{
	struct ipaddr from = addr("10.0.0.9"), to = addr("10.0.0.1"), a;
	struct dgram *d;

	(void)state;
	make(false, 30);
	frame_ip4(&f)->ttl = 33;
	frame_ip4(&f)->tos = 0x48;
	mend(false, false);
	transmit(f.len);
	stack.stamp_wanted = 1;
	s4.want = WANT_PKTINFO;
	engine_poll(e);
	stack.stamp_wanted = 0;
	d = queue_take(&s4, 1);
	assert_non_null(d);
	a = dgram_source(d);
	assert_true(ipaddr_equal(&a, &from));
	a = dgram_destination(d);
	assert_true(ipaddr_equal(&a, &to));
	assert_int_equal(dgram_source_port(d), htons(99));
	assert_int_equal(dgram_destination_port(d), htons(53));
	assert_int_equal(dgram_ttl(d), 33);
	assert_int_equal(dgram_tos(d), 0x48);
	assert_int_equal(d->ifindex, IFINDEX);
	assert_true(d->stamp > 1600000000ull * NSEC_PER_SEC);
	assert_ptr_equal(d->engine, e);
	assert_int_equal(s4.stats->rx_fast, 1);
	assert_int_equal(s4.stats->rx_fast_bytes, 30);
	queue_free(d);
	make(true, 30);
	frame_ip6(&f)->hop_limit = 5;
	f.data[ETH_HLEN] = 0x6a;
	f.data[ETH_HLEN + 1] = 0xbc;
	transmit(f.len);
	engine_poll(e);
	d = queue_take(&s6, 1);
	assert_non_null(d);
	assert_int_equal(dgram_ttl(d), 5);
	assert_int_equal(dgram_tos(d), 0xab);
	assert_int_equal(d->stamp, 0);
	queue_free(d);
}

static const struct nic_ops *loop_ops;

/* As a NIC does that stamps: a time in each frame, here one more than in the frame before. */
static unsigned stamping_burst(struct nic_queue *q, struct nic_frame *frames, unsigned max)
{
	static uint64_t stamp = 1000;
	unsigned n = loop_ops->rx_burst(q, frames, max);

	for (unsigned i = 0; i < n; i++, stamp++)
		memcpy(nic_frame_base(q, frames[i].data) + NIC_FRAME_STAMP, &stamp, sizeof(stamp));
	return n;
}

/* A stamp is there if sockets want some and the driver gives some, too; it is kept in a copy. */
static void stamps_of_hardware(void **state)
{
	static const struct {
		bool wanted, stamping, tight;
		uint64_t hwstamp;
	} cases[] = {
		{ true, true, false, 1000 }, { true, true, true, 1001 },  { true, false, false, 0 },
		{ false, true, false, 0 },   { true, true, false, 1004 },
	};
	struct nic_ops ops = *far->ops;

	(void)state;
	loop_ops = far->ops;
	ops.rx_burst = stamping_burst;
	far->ops = &ops;
	for (unsigned i = 0; i < COUNT(cases); i++) {
		struct dgram *d;

		stack.stamp_wanted = cases[i].wanted;
		e->stamping = cases[i].stamping;
		e->frames = cases[i].tight ? 100 * FRAMES : FRAMES;
		make(false, 30);
		transmit(f.len);
		engine_poll(e);
		d = queue_take(&s4, 1);
		assert_non_null(d);
		assert_int_equal(d->engine == NULL, cases[i].tight);
		assert_int_equal(dgram_hwstamp(d), cases[i].hwstamp);
		if (cases[i].wanted)
			assert_true(dgram_stamp(d) > 1600000000ull * NSEC_PER_SEC &&
				    dgram_stamp(d) < 6000000000ull * NSEC_PER_SEC);
		else
			assert_int_equal(dgram_stamp(d), 0);
		queue_free(d);
	}
	stack.stamp_wanted = 0;
	e->frames = FRAMES;
	far->ops = loop_ops;
}

/* Short packets are padded to 60 bytes on Ethernet. A UDP length below the packet's is taken as it is (Linux trims). */
static void padding(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		make(v6, 3);
		memset(f.data + f.len, 0xee, 100);
		transmit(f.len + 57);
		engine_poll(e);
		got(v6 ? &s6 : &s4, 3);
	}
	make(false, 20);
	frame_udp4(&f)->len = htons(8 + 5);
	frame_udp4(&f)->check = 0;
	transmit(f.len);
	engine_poll(e);
	got(&s4, 5);
}

static void truncated_at_every_length(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		uint64_t before = count_of(STAT_rx_malformed);

		make(v6, 40);
		for (uint32_t len = 1; len < f.len; len++) {
			transmit(len);
			assert_int_equal(engine_poll(e), 1);
			nothing_came();
		}
		assert_int_equal(count_of(STAT_rx_malformed) - before, f.len - 1);
	}
}

static void set16(unsigned at, uint16_t value)
{
	f.data[at] = (uint8_t)(value >> 8);
	f.data[at + 1] = (uint8_t)value;
}

static void dropped(enum stats_counter why, const char *what)
{
	uint64_t before = count_of(why), malformed = count_of(STAT_rx_malformed);

	transmit(f.len);
	assert_int_equal(engine_poll(e), 1);
	if (s4.count + s6.count || count_of(why) != before + 1 || pool() != e->frames)
		fail_msg("%s: %u delivered, counted %lu times", what, s4.count + s6.count,
			 (unsigned long)(count_of(why) - before));
	if (why != STAT_rx_malformed)
		assert_int_equal(count_of(STAT_rx_malformed), malformed);
}

/* Byte or 16-bit values at offsets of the IPv4 header (14..) and UDP header (34..) that make the packet bad. */
static void malformed_v4(void **state)
{
	static const struct {
		const char *what;
		unsigned at, size, value;
	} cases[] = {
		{ "ethertype ARP", 12, 2, 0x0806 },
		{ "ethertype VLAN", 12, 2, 0x8100 },
		{ "IPv6's ethertype", 12, 2, 0x86dd },
		{ "version 6", 14, 1, 0x65 },
		{ "version 0", 14, 1, 0x05 },
		{ "header of 16 bytes", 14, 1, 0x44 },
		{ "header of 0 bytes", 14, 1, 0x40 },
		{ "header of 60 bytes", 14, 1, 0x4f },
		{ "options", 14, 1, 0x46 },
		{ "longer than the frame", 16, 2, 69 },
		{ "much longer", 16, 2, 65535 },
		{ "shorter than its header", 16, 2, 19 },
		{ "no room for UDP", 16, 2, 27 },
		{ "nothing in it", 16, 2, 20 },
		{ "of no length", 16, 2, 0 },
		{ "first fragment", 20, 2, 0x2000 },
		{ "last fragment", 20, 2, 0x0004 },
		{ "TCP", 23, 1, 6 },
		{ "ICMP", 23, 1, 1 },
		{ "UDP length 0", 38, 2, 0 },
		{ "UDP length 7", 38, 2, 7 },
		{ "UDP length above the packet's", 38, 2, 49 },
		{ "UDP length 65535", 38, 2, 65535 },
	};

	(void)state;
	for (unsigned i = 0; i < COUNT(cases); i++) {
		make(false, 40);
		if (cases[i].size == 2)
			set16(cases[i].at, (uint16_t)cases[i].value);
		else
			f.data[cases[i].at] = (uint8_t)cases[i].value;
		if ((f.data[14] & 15) >= 5)
			mend(false, false);
		dropped(STAT_rx_malformed, cases[i].what);
	}
	make(false, 40);
	f.data[24] ^= 1;
	dropped(STAT_rx_malformed, "wrong header checksum");
}

static void malformed_v6(void **state)
{
	static const struct {
		const char *what;
		unsigned at, size, value;
	} cases[] = {
		{ "version 4", 14, 1, 0x40 },
		{ "longer than the frame", 18, 2, 49 },
		{ "much longer", 18, 2, 65535 },
		{ "too short for UDP", 18, 2, 7 },
		{ "nothing in it", 18, 2, 0 },
		{ "TCP", 20, 1, 6 },
		{ "hop-by-hop", 20, 1, 0 },
		{ "routing", 20, 1, 43 },
		{ "fragment", 20, 1, 44 },
		{ "destination options", 20, 1, 60 },
		{ "nothing behind", 20, 1, 59 },
		{ "ICMPv6", 20, 1, 58 },
		{ "UDP length 0", 58, 2, 0 },
		{ "UDP length 7", 58, 2, 7 },
		{ "UDP length above the packet's", 58, 2, 49 },
	};

	(void)state;
	for (unsigned i = 0; i < COUNT(cases); i++) {
		make(true, 40);
		if (cases[i].size == 2)
			set16(cases[i].at, (uint16_t)cases[i].value);
		else
			f.data[cases[i].at] = (uint8_t)cases[i].value;
		dropped(STAT_rx_malformed, cases[i].what);
	}
	make(true, 40); /* an IPv4-mapped sender must not be taken for the IPv4 one */
	memset(f.data + 22, 0, 10);
	memset(f.data + 32, 0xff, 2);
	mend(true, true);
	dropped(STAT_rx_malformed, "mapped source");
}

static void wrong_checksums(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		unsigned check = v6 ? 60 : 40;

		make(v6, 40);
		for (unsigned bit = 0; bit < 16; bit++) {
			f.data[check + bit / 8] ^= (uint8_t)(1 << bit % 8);
			dropped(STAT_rx_checksum, "wrong sum");
			f.data[check + bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		f.data[f.len - 1] ^= 0x80;
		dropped(STAT_rx_checksum, "wrong payload");
	}
	make(true, 40);
	set16(60, 0);
	dropped(STAT_rx_checksum, "none over IPv6");
	make(false, 40);
	set16(40, 0);
	transmit(f.len);
	engine_poll(e);
	got(&s4, 40); /* none over IPv4 is fine */
}

/* Only a virtual link's frames may carry the pseudo header's sum alone (NIC_F_VIRTUAL). */
static void partial_checksums(void **state)
{
	for (int v6 = 0; v6 < 2; v6++) {
		make(v6, 40);
		set16(v6 ? 60 : 40, (uint16_t)slow_pseudo(f.data + ETH_HLEN, 48));
		dropped(STAT_rx_checksum, "partial on a real link");
	}
	leave(state);
	open_with(NIC_F_VIRTUAL, FRAMES);
	for (int v6 = 0; v6 < 2; v6++) {
		make(v6, 40);
		set16(v6 ? 60 : 40, (uint16_t)slow_pseudo(f.data + ETH_HLEN, 48));
		transmit(f.len);
		engine_poll(e);
		got(v6 ? &s6 : &s4, 40);
		set16(v6 ? 60 : 40, (uint16_t)(slow_pseudo(f.data + ETH_HLEN, 48) + 1));
		dropped(STAT_rx_checksum, "neither partial nor right");
	}
}

static void nobodys_datagrams(void **state)
{
	(void)state;
	make(false, 40);
	set16(36, 54);
	mend(false, true);
	dropped(STAT_rx_no_socket, "other port");
	make(false, 40);
	f.data[33] = 2;
	mend(false, true);
	dropped(STAT_rx_no_socket, "other address");
	demux_remove(&s6);
	make(true, 40);
	dropped(STAT_rx_no_socket, "closed");
}

/* Who is bound to another device gets nothing of this one (net/ipv4/udp.c compute_score()). */
static void bound_to_a_device(void **state)
{
	static struct sock here, elsewhere;
	uint32_t right, wrong, any;

	(void)state;
	sock_make(&here, AF_INET, NULL, 67, NULL, 0);
	sock_make(&elsewhere, AF_INET, NULL, 67, NULL, 0);
	here.bound_if = IFINDEX;
	elsewhere.bound_if = IFINDEX + 1;
	demux_add(&here);
	demux_add(&elsewhere);
	frame_make(&f, far->mac, "10.0.0.9", 99, "10.0.0.1", 67, 5);
	frame_finish(&f, payload, 5);
	transmit(f.len);
	engine_poll(e);
	right = here.count;
	wrong = elsewhere.count;
	demux_remove(&here);
	transmit(f.len);
	engine_poll(e);
	any = elsewhere.count;
	demux_remove(&elsewhere);
	queue_flush(&here);
	queue_flush(&elsewhere);
	assert_int_equal(right, 1);
	assert_int_equal(wrong, 0);
	assert_int_equal(any, 0);
}

/* R10: a socket that nobody reads holds no more than part of the frames; the rest is set aside in memory. */
static void tight_pool(void **state)
{
	uint64_t copied;

	leave(state);
	open_with(0, 64);
	copied = count_of(STAT_rx_copied);
	s4.rcvbuf = 1 << 20;
	for (unsigned i = 0; i < 500; i++) {
		make(false, 10 + i);
		transmit(f.len);
		engine_poll(e);
		make(true, 5); /* the other socket still gets its own */
		transmit(f.len);
		engine_poll(e);
		got(&s6, 5);
	}
	assert_int_equal(s4.count, 500);
	assert_true(count_of(STAT_rx_copied) - copied > 400);
	assert_true(pool() >= 8);
	assert_int_equal(far->queues[0]->stats.rx_no_frame, 0);
	for (unsigned i = 0; i < 500; i++)
		got(&s4, 10 + i);
}

static void bursts(void **state)
{
	(void)state;
	s4.rcvbuf = 1 << 20;
	for (int round = 0; round < 50; round++) {
		for (unsigned i = 0; i < 100; i++) {
			make(false, i);
			transmit(f.len);
		}
		assert_int_equal(engine_poll(e), NIC_BURST);
		assert_int_equal(engine_poll(e), 100 - NIC_BURST);
		for (unsigned i = 0; i < 100; i++)
			got(&s4, i);
		/* All but those of the last poll are back already. */
		assert_int_equal(pool(), e->frames - 100);
		engine_reclaim(e);
		assert_int_equal(pool(), e->frames);
	}
}

static void *give_back(void *arg)
{
	queue_free(arg);
	return NULL;
}

/* A thread that finds the engine busy leaves its frames for the one who is at it. */
static void frames_of_other_threads(void **state)
{
	pthread_t t;

	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		make(false, i);
		transmit(f.len);
	}
	engine_poll(e);
	lock_acquire(&e->lock);
	pthread_create(&t, NULL, give_back, queue_take(&s4, 4));
	pthread_join(t, NULL);
	pthread_create(&t, NULL, give_back, queue_take(&s4, 3));
	pthread_join(t, NULL);
	assert_int_equal(pool(), e->frames - 10);
	lock_release(&e->lock);
	engine_poll(e);
	assert_int_equal(pool(), e->frames - 3);
}

static void a_busy_engine_is_left_alone(void **state)
{
	uint64_t before = count_of(STAT_lock_contended);

	(void)state;
	make(false, 5);
	transmit(f.len);
	lock_acquire(&e->lock);
	assert_int_equal(engine_poll(e), 0);
	assert_int_equal(count_of(STAT_lock_contended), before + 1);
	lock_release(&e->lock);
	assert_int_equal(engine_poll(e), 1);
	e->dead = true;
	transmit(f.len);
	assert_int_equal(engine_poll(e), 0);
	e->dead = false;
	assert_int_equal(engine_poll(e), 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, fresh, leave)
	const struct CMUnitTest tests[] = {
		TEST(every_length),
		TEST(what_a_datagram_knows),
		TEST(stamps_of_hardware),
		TEST(padding),
		TEST(truncated_at_every_length),
		TEST(malformed_v4),
		TEST(malformed_v6),
		TEST(wrong_checksums),
		TEST(partial_checksums),
		TEST(nobodys_datagrams),
		TEST(bound_to_a_device),
		TEST(tight_pool),
		TEST(bursts),
		TEST(frames_of_other_threads),
		TEST(a_busy_engine_is_left_alone),
	};

	clock_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
