/* SPDX-License-Identifier: BSD-3-Clause */
/* test_nic_rule.c - what a NIC is told: RSS tables without our queues, ntuple rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>

#include "nic/ethtool/rule.h"

#define MAX 128

/* The table of @before without @taken, as text; "-": there is none. */
static const char *shrink(const char *before, uint64_t taken, unsigned queues)
{
	static char text[MAX * 3];
	uint32_t in[MAX] = { 0 }, out[MAX];
	unsigned n = 0, at = 0;

	for (const char *p = before; *p; p++)
		in[n++] = (uint32_t)(*p - '0');
	if (!rule_shrink_rss(in, n, taken, queues, out))
		return "-";
	for (unsigned i = 0; i < n; i++)
		text[at++] = (char)('0' + out[i]);
	text[at] = '\0';
	return text;
}

static void test_shrink(void **state)
{
	static const struct {
		const char *before;
		uint64_t taken;
		unsigned queues;
		const char *after;
	} cases[] = {
		{ "0123", 0, 4, "0123" },
		{ "01230123", 8, 4, "01200121" },
		{ "01230123", 8 | 4, 4, "01010101" },
		{ "01230123", 1, 4, "11232123" },
		{ "0000111223", 8, 4, "0000111220" }, /* an operator's weights */
		{ "0000111223", 4, 4, "0000111013" },
		{ "00112211", 8, 4, "00112211" }, /* nothing led there */
		{ "3333", 8, 4, "0120" },	  /* everything did */
		{ "33", 8 | 2, 4, "02" },
		{ "0101", 3, 2, "-" },
		{ "0000", 1, 1, "-" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(shrink(cases[i].before, cases[i].taken, cases[i].queues),
				    cases[i].after);
}

static void test_even(void **state)
{
	uint32_t before[MAX], after[MAX];
	unsigned count[8] = { 0 };

	(void)state;
	for (unsigned i = 0; i < MAX; i++)
		before[i] = i % 8;
	assert_true(rule_default_rss(before, MAX, 8));
	assert_true(rule_shrink_rss(before, MAX, 1u << 7 | 1u << 6, 8, after));
	assert_false(rule_default_rss(after, MAX, 8));
	for (unsigned i = 0; i < MAX; i++)
		count[after[i]]++;
	for (unsigned q = 0; q < 6; q++)
		assert_in_range(count[q], MAX / 6, MAX / 6 + 1);
	assert_int_equal(count[6] + count[7], 0);
}

/* Queues that no mask can name are nobody's to take. */
static void test_many_queues(void **state)
{
	uint32_t before[4] = { 70, 63, 100, 0 }, after[4];

	(void)state;
	assert_true(rule_shrink_rss(before, 4, 1ull << 63, 128, after));
	assert_int_equal(after[0], 70);
	assert_int_equal(after[1], 0);
	assert_int_equal(after[2], 100);
}

static void test_build(void **state)
{
	const struct ipaddr any = { .q = { 0, 0 } }, v4 = ipaddr_from_v4(htonl(0x0a000001));
	struct ipaddr v6 = { .b = { 0xfd, 1, [15] = 9 } };
	struct ethtool_rx_flow_spec s;

	(void)state;
	rule_build(&s, false, &any, htons(53), 3);
	assert_int_equal(s.flow_type, UDP_V4_FLOW);
	assert_int_equal(s.ring_cookie, 3);
	assert_int_equal(s.h_u.udp_ip4_spec.pdst, htons(53));
	assert_int_equal(s.m_u.udp_ip4_spec.pdst, 0xffff);
	assert_int_equal(s.m_u.udp_ip4_spec.ip4dst, 0);
	rule_build(&s, false, &v4, htons(53), 3);
	assert_int_equal(s.h_u.udp_ip4_spec.ip4dst, htonl(0x0a000001));
	assert_int_equal(s.m_u.udp_ip4_spec.ip4dst, 0xffffffff);
	assert_int_equal(
		s.m_u.udp_ip4_spec.ip4src | s.m_u.udp_ip4_spec.psrc | s.m_u.udp_ip4_spec.tos, 0);
	rule_build(&s, true, &v6, htons(53), 1);
	assert_int_equal(s.flow_type, UDP_V6_FLOW);
	assert_memory_equal(s.h_u.udp_ip6_spec.ip6dst, v6.b, 16);
	assert_int_equal(s.m_u.udp_ip6_spec.ip6dst[3], 0xffffffff);
	rule_build(&s, true, &any, htons(53), 1);
	assert_int_equal(s.m_u.udp_ip6_spec.ip6dst[0], 0);
}

static void test_same(void **state)
{
	const struct ipaddr any = { .q = { 0, 0 } }, v4 = ipaddr_from_v4(htonl(0x0a000001));
	struct ipaddr v6 = { .b = { 0xfd, 1, [15] = 9 } };
	struct ethtool_rx_flow_spec a, b;

	(void)state;
	rule_build(&a, false, &v4, htons(53), 3);
	b = a;
	b.location = 7;
	b.h_u.udp_ip4_spec.ip4src = 5; /* not looked at */
	assert_true(rule_same(&a, &b));
	b.ring_cookie = 2;
	assert_false(rule_same(&a, &b));
	b.ring_cookie = RX_CLS_FLOW_DISC;
	assert_false(rule_same(&a, &b));
	b = a;
	b.m_u.udp_ip4_spec.psrc = 0xffff; /* finer than ours */
	assert_false(rule_same(&a, &b));
	rule_build(&b, false, &any, htons(53), 3);
	assert_false(rule_same(&a, &b));
	b = a;
	b.flow_type |= FLOW_RSS;
	assert_false(rule_same(&a, &b));
	rule_build(&a, true, &v6, htons(53), 3);
	b = a;
	assert_true(rule_same(&a, &b));
	b.h_u.udp_ip6_spec.ip6dst[3] ^= 1;
	assert_false(rule_same(&a, &b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shrink),	    cmocka_unit_test(test_even),
		cmocka_unit_test(test_many_queues), cmocka_unit_test(test_build),
		cmocka_unit_test(test_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
