/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_ports.c - the parser of port lists: what is read, what is refused and how, and that nothing
 * else happens.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/ports.h"

#define MAX 8

static struct config_port_rule rules[MAX];
static unsigned count;
static bool all;
static char why[CONFIG_WHY_LEN];

static int parse(const char *spec)
{
	memset(rules, 0xee, sizeof(rules));
	why[0] = '\0';
	return ports_parse(spec, rules, MAX, &count, &all, why, sizeof(why));
}

static void assert_rule(unsigned i, const char *addr, unsigned first, unsigned last)
{
	struct ipaddr want = { .q = { 0, 0 } };
	uint8_t raw[16];

	if (inet_pton(AF_INET, addr, raw) == 1)
		memcpy(&want.b[12], raw, 4), want.b[10] = want.b[11] = 0xff;
	else if (inet_pton(AF_INET6, addr, raw) == 1)
		want = ipaddr_from_v6(raw);
	assert_memory_equal(&rules[i].addr, &want, sizeof(want));
	assert_int_equal(rules[i].first, first);
	assert_int_equal(rules[i].last, last);
}

static void test_good(void **state)
{
	(void)state;
	assert_int_equal(parse("53"), 0);
	assert_int_equal(count, 1);
	assert_false(all);
	assert_rule(0, "", 53, 53);

	assert_int_equal(parse("53,4000-4100"), 0);
	assert_int_equal(count, 2);
	assert_rule(1, "", 4000, 4100);

	assert_int_equal(parse("10.0.0.1:53,[fd00::1]:53,10.0.0.1:4000-4100"), 0);
	assert_int_equal(count, 3);
	assert_rule(0, "10.0.0.1", 53, 53);
	assert_rule(1, "fd00::1", 53, 53);
	assert_rule(2, "10.0.0.1", 4000, 4100);
}

static void test_wildcards(void **state)
{
	(void)state;
	assert_int_equal(parse("*"), 0);
	assert_true(all);
	assert_rule(0, "", 1, 65535);
	assert_int_equal(parse("10.0.0.1:*"), 0);
	assert_false(all);
	assert_rule(0, "10.0.0.1", 1, 65535);
	assert_int_equal(parse("[::1]:*"), 0);
	assert_false(all);
	assert_int_equal(parse("53,*"), 0);
	assert_true(all);
	assert_int_equal(parse("0.0.0.0:53,[::]:54"), 0);
	assert_rule(0, "", 53, 53);
	assert_rule(1, "", 54, 54);
}

static void test_edges(void **state)
{
	(void)state;
	assert_int_equal(parse("1,65535,1-65535,7-7"), 0);
	assert_int_equal(count, 4);
	assert_rule(3, "", 7, 7);
	assert_int_equal(parse("  53 ,\t4000-4100\n, [::1]:5 "), 0);
	assert_int_equal(count, 3);
	assert_int_equal(parse("[::ffff:10.0.0.1]:53"), 0);
	assert_rule(0, "10.0.0.1", 53, 53);
	assert_int_equal(parse("1,2,3,4,5,6,7,8"), 0);
	assert_int_equal(count, MAX);
	assert_int_equal(parse("1,2,3,4,5,6,7,8,9"), -E2BIG);
	assert_int_equal(count, 0);
	assert_non_null(strstr(why, "more than 8"));
}

static void test_bad(void **state)
{
	static const char *const bad[] = {
		"",
		" ",
		",",
		"53,",
		",53",
		"53,,54",
		"0",
		"65536",
		"99999999999999999999",
		"-",
		"53-",
		"-53",
		"54-53",
		"0-5",
		"5-0",
		"53-65536",
		"53x",
		"53 54",
		"53 - 54",
		"0x35",
		"+53",
		"53.",
		"1-2-3",
		"**",
		"*1",
		"*-5",
		"5-*",
		"10.0.0.1",
		"10.0.0.1:",
		"10.0.0:53",
		"10.0.0.256:53",
		":53",
		"fd00::1:53",
		"[fd00::1]",
		"[fd00::1]53",
		"[fd00::1]:",
		"[fd00::1:53",
		"[]:53",
		"[10.0.0.1]:53",
		"[fe80::1%eth0]:53",
		"10.0.0.1:0",
		"10.0.0.1:1-70000",
		"*:53",
		"host:53",
		"53;54",
		"53\x80",
		"[fd00::1]:53]",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (parse(bad[i]) != -EINVAL)
			fail_msg("accepted: \"%s\"", bad[i]);
		assert_int_equal(count, 0);
		assert_non_null(strstr(why, "element "));
	}
}

static void test_names_bad_element(void **state)
{
	(void)state;
	assert_int_equal(parse("53,4000-4100,70000"), -EINVAL);
	assert_string_equal(why, "element 3, \"70000\": a port is at most 65535");
	assert_int_equal(parse("53, 10.0.0.1:9-8"), -EINVAL);
	assert_string_equal(why, "element 2, \"10.0.0.1:9-8\": the range is reversed");
	assert_int_equal(parse("fd00::1:53"), -EINVAL);
	assert_non_null(strstr(why, "in brackets"));
	assert_int_equal(parse("5\n\x1b[31m"), -EINVAL);
	assert_null(strchr(why, '\n'));
	assert_null(strchr(why, '\x1b'));
}

static void test_format(void **state)
{
	static const char *const spec =
		"53,4000-4100,10.0.0.1:53,[fd00::1]:53,10.0.0.1:*,[::1]:1-2,*";
	char text[256], tiny[6];

	(void)state;
	assert_int_equal(parse(spec), 0);
	ports_format(rules, count, text, sizeof(text));
	assert_string_equal(text, spec);
	ports_format(rules, count, tiny, sizeof(tiny));
	assert_string_equal(tiny, "53,40");
	ports_format(rules, 0, text, sizeof(text));
	assert_string_equal(text, "");
}

/*
 * Whatever comes: an answer, a terminated reason, and what was accepted is written and read back
 * the same.
 */
static void test_random(void **state)
{
	static const char letters[] = "0123456789,,::--**..[[]]  afx%";
	struct config_port_rule first[MAX];
	char spec[48], text[1024];
	unsigned round, n, i, accepted = 0;

	(void)state;
	srandom(1);
	for (round = 0; round < 300000; round++) {
		n = (unsigned)random() % (round % 2 ? 6 : sizeof(spec) - 1);
		for (i = 0; i < n; i++)
			spec[i] = letters[(unsigned)random() % (sizeof(letters) - 1)];
		spec[n] = '\0';
		if (parse(spec) != 0) {
			assert_int_not_equal(why[0], '\0');
			continue;
		}
		accepted++;
		n = count;
		for (i = 0; i < n; i++)
			assert_true(rules[i].first >= 1 && rules[i].first <= rules[i].last);
		memcpy(first, rules, sizeof(first));
		ports_format(rules, n, text, sizeof(text));
		assert_int_equal(parse(text), 0);
		assert_int_equal(count, n);
		assert_memory_equal(first, rules, n * sizeof(first[0]));
	}
	assert_true(accepted > 100);
}

static void test_small_reason(void **state)
{
	char tiny[8];

	(void)state;
	assert_int_equal(ports_parse("70000", rules, MAX, &count, &all, tiny, sizeof(tiny)),
			 -EINVAL);
	assert_int_equal(strlen(tiny), sizeof(tiny) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_wildcards),
		cmocka_unit_test(test_edges),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_names_bad_element),
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_small_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
