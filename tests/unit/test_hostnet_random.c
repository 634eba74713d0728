/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_hostnet_random.c - addresses, routes, links and rules that come and go at random, in a
 * network namespace; after each change some destinations are compared with the kernel. A hop that
 * differs from the kernel's is a failure; that there is one most of the time, too. KB_SEED and
 * KB_STEPS choose another run (40 steps take 5 s, 150 half a minute).
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/test_hostnet.h"

#define STEPS 40
#define ASKED 3

static const char *pick(const char *const *from, unsigned n)
{
	return from[(unsigned)rand() % n];
}

#define PICK(list) pick(list, sizeof(list) / sizeof((list)[0]))

static const char *const devs[] = { "v0", "v1", "v2", "v3" };
static const char *const addrs4[] = { "10.0.0.1/24",	       "10.0.0.2/24",
				      "10.0.0.3/16",	       "10.0.1.1/24",
				      "10.1.0.1/16",	       "172.16.0.1/32",
				      "10.0.0.1/16",	       "10.0.2.1 peer 10.0.2.2/32",
				      "10.2.0.1/24 scope link" };
static const char *const addrs6[] = { "2001:db8:1::1/64",
				      "2001:db8:1::2/64",
				      "2001:db8:2::1/64",
				      "2001:db8:2:0:1::/128",
				      "fd00:1::1/64",
				      "fd00:1::2/48",
				      "2001:db8:1::3/64 preferred_lft 0",
				      "fe80::77/64",
				      "2002:1::1/48" };
static const char *const prefixes4[] = { "default", "192.0.2.0/24", "192.0.2.128/25", "10.0.0.0/8",
					 "192.0.2.9/32" };
static const char *const prefixes6[] = { "default", "2400::/16", "2400:1::/32", "fd00::/8",
					 "2400:1::9/128" };
static const char *const nexts4[] = { "via 10.0.0.254",
				      "via 10.0.0.253",
				      "via 10.0.1.254",
				      "dev v0",
				      "dev v1",
				      "dev v2",
				      "via 10.1.0.9",
				      "via 10.0.0.254 src 10.0.1.1",
				      "via inet6 fe80::99 dev v1" };
static const char *const nexts6[] = { "via 2001:db8:1::99",
				      "via 2001:db8:2::99",
				      "via fe80::99 dev v0",
				      "dev v1",
				      "via fe80::99 dev v2",
				      "dev v3",
				      "via 2001:db8:1::98 src fd00:1::1" };
static const char *const extras[] = { "",	  "",	      "",	  "",
				      "metric 5", "metric 7", "mtu 1400", "metric 5 mtu 1300" };
static const char *const verbs[] = { "add",	"add",	  "add", "append",
				     "replace", "change", "del", "del" };
static const char *const dsts[] = {
	"10.0.0.9",    "10.0.1.9",	"10.1.0.9",	    "10.0.2.2",	     "192.0.2.9",
	"192.0.2.200", "192.0.2.77",	"8.8.8.8",	    "10.200.0.1",    "10.0.0.1",
	"10.0.0.255",  "10.2.0.9",	"2001:db8:1::9",    "2001:db8:2::9", "fd00:1::9",
	"fd00:2::9",   "2400::9",	"2400:1::9",	    "2400:1::8",     "2001:4860::1",
	"2002::1",     "2001:db8:1::1", "2001:db8:2:0:1::",
};

/* One change; most of the impossible ones are refused by the kernel, which is fine. */
static void change(void)
{
	const char *quiet = ">/dev/null 2>&1";

	switch (rand() % 20) {
	case 0:
	case 1:
	case 2:
		try("ip addr add %s dev %s %s", PICK(addrs4), PICK(devs), quiet);
		break;
	case 3:
		try("ip addr del %s dev %s %s", PICK(addrs4), PICK(devs), quiet);
		break;
	case 4:
	case 5:
	case 6:
		try("ip -6 addr add %s dev %s %s", PICK(addrs6), PICK(devs), quiet);
		break;
	case 7:
		try("ip -6 addr del %s dev %s %s", PICK(addrs6), PICK(devs), quiet);
		break;
	case 8:
		try("ip link set %s down %s", PICK(devs), quiet);
		break;
	case 9:
	case 10:
		for (int i = 0; i < 4; i++)
			try("ip link set v%d up %s", i, quiet);
		break;
	case 11:
		try("ip link set %s mtu %d %s", PICK(devs), 1300 + rand() % 200, quiet);
		break;
	case 12:
		try("ip route %s blackhole %s %s", PICK(verbs), PICK(prefixes4), quiet);
		break;
	case 13:
		try("ip addr flush dev %s %s", PICK(devs), quiet);
		break;
	case 14:
	case 15:
	case 16:
		try("ip route %s %s %s %s %s", PICK(verbs), PICK(prefixes4), PICK(nexts4),
		    PICK(extras), quiet);
		break;
	default:
		try("ip -6 route %s %s %s %s %s", PICK(verbs), PICK(prefixes6), PICK(nexts6),
		    PICK(extras), quiet);
	}
}

/* The mirror that followed all changes must say what one says that was made just now. */
static void compare_with_a_fresh_one(void)
{
	enum { N = sizeof(dsts) / sizeof(dsts[0]) };
	struct hostnet_hop before[N][2], after;
	int verdicts[N][2], v;

	catch_up();
	for (int i = 0; i < 2 * N; i++)
		verdicts[i / 2][i % 2] =
			look(dsts[i / 2], NULL, i % 2 ? "v1" : NULL, &before[i / 2][i % 2]);
	assert_int_equal(hostnet_reopen(), 0);
	for (int i = 0; i < 2 * N; i++) {
		v = look(dsts[i / 2], NULL, i % 2 ? "v1" : NULL, &after);
		if (v != verdicts[i / 2][i % 2] ||
		    memcmp(&after, &before[i / 2][i % 2], sizeof(after)) != 0) {
			print_error("%s %s: verdict %d, but %d afresh\n", dsts[i / 2],
				    i % 2 ? "dev v1" : "", verdicts[i / 2][i % 2], v);
			try("ip addr; ip route show table all; ip -6 route show table all");
			fail();
		}
	}
}

static int number(const char *name, int otherwise)
{
	const char *text = getenv(name);

	return text ? atoi(text) : otherwise;
}

static void random_changes_against_the_kernel(void **state)
{
	int steps = number("KB_STEPS", STEPS), asked = 0, plain = 0, hops = 0;
	struct oracle o;
	const char *dst, *dev;

	(void)state;
	srand((unsigned)number("KB_SEED", 7));
	assert_true(enter_namespace());
	assert_int_equal(hostnet_open(NULL), 0);
	for (int step = 0; step < steps; step++) {
		change();
		if (step % 3 == 0)
			catch_up();
		for (int i = 0; i < ASKED; i++) {
			dst = PICK(dsts);
			dev = rand() % 4 ? NULL : PICK(devs);
			o = ask_kernel(dst, NULL, dev);
			asked++;
			plain += o.plain;
			hops += compare(dst, NULL, dev);
		}
		if (step % 15 == 14)
			compare_with_a_fresh_one();
	}
	print_message("%d asked, %d of them plain for the kernel, %d hops\n", asked, plain, hops);
	assert_true(steps < STEPS || hops * 2 > plain);
	hostnet_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_changes_against_the_kernel),
	};

	if (unshare(CLONE_NEWNET) || system("ip link show >/dev/null")) {
		puts("network namespaces need root, and iproute2");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
