/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_pathmtu.c - learned path MTUs: what is remembered, what a message teaches, and that the table stays bounded.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <string.h>

#include "base/clock.h"
#include "stack/pathmtu.h"

static int fresh(void **state)
{
	(void)state;
	pathmtu_forget();
	return 0;
}

static struct ipaddr v4(uint32_t addr)
{
	return ipaddr_from_v4(htonl(addr));
}

static uint32_t of(uint32_t addr)
{
	struct ipaddr a = v4(addr);

	return pathmtu_of(&a);
}

static bool learn(uint32_t addr, uint32_t mtu)
{
	struct ipaddr a = v4(addr);

	return pathmtu_learn(&a, mtu);
}

static void remembers_the_least(void **state)
{
	(void)state;
	assert_int_equal(of(0x0a000001), PATHMTU_UNKNOWN);
	assert_true(learn(0x0a000001, 1400));
	assert_int_equal(of(0x0a000001), 1400);
	assert_int_equal(of(0x0a000002), PATHMTU_UNKNOWN);
	assert_false(learn(0x0a000001, 1450));
	assert_false(learn(0x0a000001, 1400));
	assert_int_equal(of(0x0a000001), 1400);
	assert_true(learn(0x0a000001, 0));
	assert_int_equal(of(0x0a000001), 0);
}

static void is_bounded(void **state)
{
	unsigned known = 0;

	(void)state;
	for (uint32_t i = 0; i < 100000; i++)
		learn(0x0a000000 + i, 1300);
	assert_int_equal(of(0x0a000000 + 99999), 1300); /* the newest stays */
	for (uint32_t i = 0; i < 100000; i++)
		known += of(0x0a000000 + i) == 1300;
	assert_in_range(known, 512, 1024);
}

/* "Fragmentation needed" about a packet to @dst, behind an IP header of @words words. Returns its length. */
static uint32_t message4(uint8_t *out, unsigned words, uint8_t type, uint8_t code, uint16_t mtu,
			 uint32_t dst)
{
	uint8_t *icmp = out + words * 4, *ip = icmp + 8;
	uint32_t addr = htonl(dst);

	memset(out, 0, 128);
	out[0] = (uint8_t)(0x40 | words);
	icmp[0] = type;
	icmp[1] = code;
	icmp[6] = (uint8_t)(mtu >> 8);
	icmp[7] = (uint8_t)mtu;
	ip[0] = 0x45;
	memcpy(ip + 16, &addr, 4);
	return words * 4 + 8 + 28;
}

static void reads_icmp(void **state)
{
	uint8_t msg[128];
	uint32_t len;

	(void)state;
	len = message4(msg, 5, 3, 4, 1300, 0x0a000001);
	assert_true(pathmtu_message(msg, len, true));
	assert_int_equal(of(0x0a000001), 1300);
	len = message4(msg, 15, 3, 4, 1310, 0x0a000002); /* with options */
	assert_true(pathmtu_message(msg, len, true));
	assert_int_equal(of(0x0a000002), 1310);
	len = message4(msg, 5, 3, 4, 552, 0x0a000003);
	assert_true(pathmtu_message(msg, len, true));
	assert_int_equal(of(0x0a000003), 552);
	len = message4(msg, 5, 3, 4, 551, 0x0a000004); /* the kernel clears DF from here on */
	assert_true(pathmtu_message(msg, len, true));
	assert_int_equal(of(0x0a000004), 0);
	len = message4(msg, 5, 3, 4, 0, 0x0a000005); /* a router that does not say */
	assert_true(pathmtu_message(msg, len, true));
	assert_int_equal(of(0x0a000005), 0);
}

static void reads_redirects(void **state)
{
	uint8_t msg[128] = { 137 };
	uint32_t len = message4(msg, 6, 5, 1, 0x0a00, 0x0a000001);
	struct ipaddr dst;

	(void)state;
	assert_true(pathmtu_message(msg, len, true));
	assert_int_equal(of(0x0a000001), 0);
	assert_false(pathmtu_message(msg, len, true));
	memset(msg, 0x20, sizeof(msg)); /* the target */
	memset(msg + 24, 0x30, 16);
	msg[0] = 137;
	dst = ipaddr_from_v6(msg + 24);
	assert_false(pathmtu_message(msg, 39, false));
	assert_int_equal(pathmtu_of(&dst), PATHMTU_UNKNOWN);
	assert_true(pathmtu_message(msg, 48, false));
	assert_int_equal(pathmtu_of(&dst), 0);
}

static void ignores_the_rest(void **state)
{
	uint8_t msg[128];
	uint32_t len = message4(msg, 5, 3, 3, 1300, 0x0a000001);

	(void)state;
	assert_false(pathmtu_message(msg, len, true));
	len = message4(msg, 5, 11, 4, 1300, 0x0a000001);
	assert_false(pathmtu_message(msg, len, true));
	len = message4(msg, 5, 3, 4, 1300, 0x0a000001);
	for (uint32_t i = 0; i < 48; i++)
		assert_false(pathmtu_message(msg, i, true));
	msg[0] = 0x44;
	assert_false(pathmtu_message(msg, len, true));
	assert_int_equal(of(0x0a000001), PATHMTU_UNKNOWN);
}

static void reads_icmp6(void **state)
{
	struct ipaddr dst = { .b = { 0xfd, 1, [15] = 9 } };
	uint8_t msg[128] = { 2 };

	(void)state;
	msg[6] = 1400 >> 8;
	msg[7] = 1400 & 255;
	memcpy(msg + 8 + 24, dst.b, 16);
	for (uint32_t i = 0; i < 48; i++)
		assert_false(pathmtu_message(msg, i, false));
	assert_true(pathmtu_message(msg, 48, false));
	assert_int_equal(pathmtu_of(&dst), 1400);
	msg[6] = 2; /* less than IPv6 allows */
	assert_true(pathmtu_message(msg, 48, false));
	assert_int_equal(pathmtu_of(&dst), 1280);
	msg[0] = 1;
	msg[8 + 24] = 0xfe;
	assert_false(pathmtu_message(msg, 48, false));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(remembers_the_least, fresh),
		cmocka_unit_test_setup(is_bounded, fresh),
		cmocka_unit_test_setup(reads_icmp, fresh),
		cmocka_unit_test_setup(reads_redirects, fresh),
		cmocka_unit_test_setup(ignores_the_rest, fresh),
		cmocka_unit_test_setup(reads_icmp6, fresh),
	};

	clock_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
