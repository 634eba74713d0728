/* SPDX-License-Identifier: BSD-3-Clause */
/* test_engine_output.c - the frames that an engine builds, byte by byte, and that another engine understands them. */
#define _GNU_SOURCE
#include <errno.h>

#include "stack/hostnet.h"
#include "stack/lwip_port.h"
#include "tests/unit/test_engine.h"

static struct hostnet_hop hop = { .mac = { 2, 1, 2, 3, 4, 5 } };
static struct nic_frame out;
static uint8_t *out_base;

static int build(struct tx_dgram *d)
{
	int r;

	assert_int_equal(nic_tx_alloc(far->queues[0], &out_base, 1), 1);
	lock_acquire(&e->lock);
	r = lwip_port_output(e, d, &hop, out_base, &out);
	lock_release(&e->lock);
	return r;
}

static void unbuild(void)
{
	nic_free(far->queues[0], &out_base, 1);
}

static struct tx_dgram ordinary(bool v6, const struct iovec *iov, size_t n)
{
	struct tx_dgram d = { .source = addr(v6 ? "fd00::1" : "10.0.0.1"),
			      .destination = addr(v6 ? "fd00::9" : "10.0.0.9"),
			      .source_port = htons(53),
			      .destination_port = htons(4000),
			      .ttl = 61,
			      .tos = 0xb8,
			      .dont_fragment = true,
			      .id = 4660,
			      .iov = iov,
			      .iovcnt = n };

	for (size_t i = 0; i < n; i++)
		d.len += (uint32_t)iov[i].iov_len;
	return d;
}

static void check_ethernet(uint16_t type)
{
	assert_true(out.data >= out_base && out.data + out.len <= out_base + 2048);
	assert_memory_equal(out.data, hop.mac, 6);
	assert_memory_equal(out.data + 6, far->mac, 6);
	assert_int_equal(out.data[12] << 8 | out.data[13], type);
	assert_int_equal(out.flags, 0);
}

static void check_udp(const uint8_t *l3, const uint8_t *udp, unsigned len)
{
	assert_int_equal(udp[0] << 8 | udp[1], 53);
	assert_int_equal(udp[2] << 8 | udp[3], 4000);
	assert_int_equal(udp[4] << 8 | udp[5], len + 8);
	assert_int_equal(udp[6] << 8 | udp[7], slow_udp_checksum(l3, udp, len + 8));
	assert_memory_equal(udp + 8, payload, len);
}

static void output_v4(void **state)
{
	(void)state;
	for (unsigned len = 0; len <= MAX_V4; len += len < 70 ? 1 : 67) {
		struct iovec iov = { payload, len };
		struct tx_dgram d = ordinary(false, &iov, 1);
		const uint8_t *ip;

		assert_int_equal(build(&d), 0);
		ip = out.data + 14;
		assert_int_equal(out.len, 14 + 28 + len);
		check_ethernet(0x0800);
		assert_int_equal(ip[0], 0x45);
		assert_int_equal(ip[1], 0xb8);
		assert_int_equal(ip[2] << 8 | ip[3], 28 + len);
		assert_int_equal(ip[4] << 8 | ip[5], 4660);
		assert_int_equal(ip[6] << 8 | ip[7], 0x4000);
		assert_int_equal(ip[8], 61);
		assert_int_equal(ip[9], 17);
		assert_int_equal(slow_sum(0, ip, 20), 0xffff);
		assert_memory_equal(ip + 12, "\x0a\x00\x00\x01\x0a\x00\x00\x09", 8);
		check_udp(ip, ip + 20, len);
		unbuild();
	}
}

static void output_with_numbers(void **state)
{
	struct iovec iov = { payload, 10 };
	struct tx_dgram d = ordinary(false, &iov, 1);
	unsigned last = 0, id;

	(void)state;
	d.numbered = true;
	for (int i = 0; i < 6; i++) {
		d.dont_fragment = i % 2;
		assert_int_equal(build(&d), 0);
		assert_int_equal(out.data[20] << 8 | out.data[21], i % 2 ? 0x4000 : 0);
		assert_int_equal(slow_sum(0, out.data + 14, 20), 0xffff);
		id = (unsigned)(out.data[18] << 8 | out.data[19]);
		if (i)
			assert_int_equal(id, (last + 1) & 0xffff);
		last = id;
		unbuild();
	}
}

static void output_v6(void **state)
{
	struct ipaddr from = addr("fd00::1"), to = addr("fd00::9");

	(void)state;
	for (unsigned len = 0; len <= MAX_V4 - 20; len += len < 70 ? 1 : 67) {
		struct iovec iov = { payload, len };
		struct tx_dgram d = ordinary(true, &iov, 1);
		const uint8_t *ip;

		assert_int_equal(build(&d), 0);
		ip = out.data + 14;
		assert_int_equal(out.len, 14 + 48 + len);
		check_ethernet(0x86dd);
		assert_int_equal(ip[0], 0x6b);
		assert_int_equal(ip[1] & 0xf0, 0x80);
		assert_int_equal(ip[4] << 8 | ip[5], 8 + len);
		assert_int_equal(ip[6], 17);
		assert_int_equal(ip[7], 61);
		assert_memory_equal(ip + 8, from.b, 16);
		assert_memory_equal(ip + 24, to.b, 16);
		check_udp(ip, ip + 40, len);
		unbuild();
	}
}

static void output_gathers(void **state)
{
	struct iovec iov[] = {
		{ payload, 1 }, { NULL, 0 }, { payload + 1, 100 }, { payload + 101, 7 }
	};
	struct tx_dgram d = ordinary(false, iov, 4);

	(void)state;
	assert_int_equal(build(&d), 0);
	check_udp(out.data + 14, out.data + 34, 108);
	unbuild();
	d.len = 50; /* never more than was announced */
	assert_int_equal(build(&d), 0);
	check_udp(out.data + 14, out.data + 34, 50);
	unbuild();
}

/* Segments: what lies in front of @skip belongs to another one. */
static void output_of_a_part(void **state)
{
	static const unsigned sizes[] = { 1, 7, 100, 0, 3 };
	struct iovec iov[COUNT(sizes)];
	unsigned sum = 0;

	(void)state;
	for (unsigned i = 0; i < COUNT(sizes); sum += sizes[i++])
		iov[i] = (struct iovec){ payload + sum, sizes[i] };
	for (unsigned first = 0; first < COUNT(sizes); first++)
		for (unsigned skip = 0; skip < sizes[first]; skip++) {
			struct tx_dgram d = ordinary(false, iov + first, COUNT(sizes) - first);
			const uint8_t *from = (uint8_t *)iov[first].iov_base + skip;

			d.skip = (uint16_t)skip;
			d.len -= skip;
			assert_int_equal(build(&d), 0);
			assert_int_equal(out.len, 14 + 28 + d.len);
			assert_memory_equal(out.data + 42, from, d.len);
			assert_int_equal(slow_udp_checksum(out.data + 14, out.data + 34, d.len + 8),
					 out.data[40] << 8 | out.data[41]);
			unbuild();
		}
}

/* A checksum that comes out as zero is sent as 0xffff. */
static void output_of_a_zero_sum(void **state)
{
	uint8_t text[2] = { 0, 0 };

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct iovec iov = { text, 2 };
		struct tx_dgram d = ordinary(v6, &iov, 1);
		unsigned at = v6 ? 60 : 40;

		memset(text, 0, 2);
		assert_int_equal(build(&d), 0);
		memcpy(text, out.data + at, 2);
		unbuild();
		assert_int_equal(build(&d), 0);
		assert_int_equal(out.data[at], 0xff);
		assert_int_equal(out.data[at + 1], 0xff);
		unbuild();
	}
}

static void output_of_mixed_families(void **state)
{
	struct iovec iov = { payload, 10 };
	struct tx_dgram d = ordinary(false, &iov, 1);

	(void)state;
	d.source = addr("fd00::1");
	assert_int_equal(build(&d), -EINVAL);
	unbuild();
	d = ordinary(true, &iov, 1);
	d.source = addr("10.0.0.1");
	assert_int_equal(build(&d), -EINVAL);
	unbuild();
}

/* What one engine sends another one receives. */
static void there_and_back(void **state)
{
	struct engine *peer = engine_open(near->queues[0], NULL);
	static struct sock client;

	(void)state;
	assert_non_null(peer);
	for (int v6 = 0; v6 < 2; v6++) {
		sock_make(&client, v6 ? AF_INET6 : AF_INET, NULL, 4000, v6 ? "fd00::1" : "10.0.0.1",
			  53);
		demux_add(&client);
		for (unsigned len = 0; len <= MAX_V4 - 20; len += 13) {
			struct iovec iov = { payload, len };
			struct tx_dgram d = ordinary(v6, &iov, 1);

			assert_int_equal(build(&d), 0);
			assert_int_equal(nic_tx_burst(far->queues[0], &out, 1), 1);
			while (nic_tx_kick(far->queues[0]) == -EAGAIN)
				;
			assert_int_equal(engine_poll(peer), 1);
			got(&client, len);
		}
		demux_remove(&client);
	}
	engine_reclaim(peer);
	assert_int_equal(near->ops->pool_free(near->queues[0]), peer->frames);
	engine_close(peer);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, fresh, leave)
	const struct CMUnitTest tests[] = {
		TEST(output_v4),
		TEST(output_with_numbers),
		TEST(output_v6),
		TEST(output_gathers),
		TEST(output_of_a_part),
		TEST(output_of_a_zero_sum),
		TEST(output_of_mixed_families),
		TEST(there_and_back),
	};

	clock_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
