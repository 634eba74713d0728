/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_hostnet.c - the mirror of the kernel's tables, layout by layout, in a network namespace:
 * every hop is compared with what the kernel does, and every kind of change must be seen.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <net/if_arp.h>

#include "tests/unit/test_hostnet.h"

static void on_link_and_gateway(void **state)
{
	(void)state;
	is(HOSTNET_NO_ROUTE, "10.0.0.2");
	run("ip addr add 10.0.0.1/24 dev v0");
	is(HOSTNET_NO_NEIGHBOUR, "10.0.0.2");
	same("10.0.0.2");
	is(HOSTNET_NO_ROUTE, "192.0.2.1");
	run("ip route add default via 10.0.0.254");
	same("192.0.2.1");
	run("ip route add 192.0.2.0/24 via 10.0.0.253 mtu 1300");
	same("192.0.2.1");
	run("ip route add 192.0.2.0/24 dev v1 metric 5");
	same("192.0.2.1");
	run("ip route del 192.0.2.0/24 via 10.0.0.253");
	same("192.0.2.1");
	run("ip route replace 192.0.2.0/24 via 10.0.0.77 metric 5");
	same("192.0.2.1");
	run("ip route change 192.0.2.0/24 via 10.0.0.78 metric 5 mtu 1234");
	same("192.0.2.1");
	run("ip link set v0 mtu 1400");
	same("10.0.0.2");
	same_dev("10.0.0.2", "v0");
	assert_int_equal(verdict("10.0.0.2", NULL, "v2"), HOSTNET_NO_ROUTE);
	run("ip route add 203.0.113.0/24 via inet6 fe80::77 dev v0");
	same("203.0.113.5");
	run("ip route add 198.51.100.0/24 via 10.0.0.9 table default");
	run("ip route del default");
	same("198.51.100.1");
}

static void which_ipv4_source(void **state)
{
	(void)state;
	run("ip addr add 10.0.0.1/24 dev v0 && ip addr add 10.0.0.9/24 dev v0"); /* one secondary */
	run("ip addr add 10.0.1.1/24 dev v0 && ip addr add 10.0.2.1/28 dev v0 scope link");
	run("ip addr add 172.16.0.1/32 dev lo");
	catch_up();
	same("10.0.0.2");
	same("10.0.1.2");
	same("10.0.2.2");
	run("ip route add 192.0.2.0/24 via 10.0.1.254");
	run("ip route add 192.0.3.0/24 dev v0");
	run("ip route add 192.0.4.0/24 via 10.0.0.254 src 10.0.1.1");
	run("ip route add 192.0.5.0/24 dev v1"); /* a link without addresses borrows one */
	run("ip route add 192.0.6.0/24 via 10.0.2.2");
	for (int i = 2; i <= 6; i++) {
		char dst[32];

		snprintf(dst, sizeof(dst), "192.0.%d.9", i);
		same(dst);
		same_from(dst, "10.0.0.9");
		same_from(dst, "172.16.0.1");
	}
	assert_int_equal(verdict("192.0.2.9", "10.0.0.77", NULL), HOSTNET_ODD_ROUTE);
	assert_int_equal(verdict("192.0.2.9", "127.0.0.1", NULL), HOSTNET_ODD_ROUTE);
	assert_int_equal(verdict("192.0.2.9", "fe80::1", NULL), HOSTNET_ODD_ROUTE);
	set_sysctl("ipv4/conf/all/promote_secondaries", "1");
	run("ip addr del 10.0.0.1/24 dev v0"); /* the secondary one takes over */
	catch_up();
	same("10.0.0.2");
	same("192.0.3.9");
	run("ip addr add 10.9.9.1 peer 10.9.9.2/32 dev v2");
	catch_up();
	same("10.9.9.2");
	is(HOSTNET_LOCAL, "10.9.9.1");
}

static void which_ipv6_source(void **state)
{
	static const char *const dsts[] = { "2001:db8:1::9", "2001:db8:2::9", "fd00:1::9",
					    "fd00:2::9",     "2001:db8:9::9", "2002:101::1",
					    "2400::1" };

	(void)state;
	run("ip -6 addr add 2001:db8:1::1/64 dev v0 && ip -6 addr add 2001:db8:1::2/64 dev v0");
	run("ip -6 addr add fd00:1::1/64 dev v0 && ip -6 addr add 2001:db8:2::1/64 dev v1");
	run("ip -6 addr add 2001:db8:2::2/64 dev v1 preferred_lft 0 && ip -6 addr add 2001:db8:f::1/128 dev lo");
	run("ip -6 addr add 2001:db8:1:0:1::/128 dev v0");
	run("ip -6 route add default via fe80::99 dev v0 && ip -6 route add fd00:2::/32 dev v2");
	run("ip -6 route add 2001:db8:9::/48 via 2001:db8:2::99 src 2001:db8:f::1");
	catch_up();
	for (unsigned i = 0; i < sizeof(dsts) / sizeof(dsts[0]); i++) {
		same(dsts[i]);
		same_from(dsts[i], "2001:db8:f::1");
		same_from(dsts[i], "2001:db8:2::2");
	}
	run("ip -6 addr del 2001:db8:1::2/64 dev v0 && ip -6 addr change 2001:db8:1::1/64 dev v0 preferred_lft 0");
	catch_up();
	for (unsigned i = 0; i < sizeof(dsts) / sizeof(dsts[0]); i++)
		same(dsts[i]);
	run("ip addrlabel add prefix 2001:db8:1::/48 label 99");
	hostnet_close();
	assert_int_equal(hostnet_open(count), 0);
	is(HOSTNET_ODD_ROUTE, "2400::1");
	same_from("2400::1", "2001:db8:1::1");
}

static void ipv6_link_local(void **state)
{
	(void)state;
	catch_up();
	is(HOSTNET_ODD_ROUTE, "fe80::99");
	same_dev("fe80::99", "v0");
	same_dev("fe80::99", "v3");
	run("ip -6 addr add 2001:db8::1/64 dev v0 && ip -6 addr add fe80::1234/64 dev v1");
	catch_up();
	same_dev("fe80::99", "v0");
	same_dev("fe80::99", "v1");
	assert_int_equal(verdict("fe80::99", "fe80::1234", "v0"), HOSTNET_ODD_ROUTE);
	assert_true(compare("fe80::99", "2001:db8::1", "v1"));
	assert_int_equal(verdict("fe80::1234", NULL, "v1"), HOSTNET_LOCAL);
}

static void ipv6_routes(void **state)
{
	(void)state;
	run("ip -6 addr add 2001:db8::1/64 dev v0 && ip -6 addr add 2001:db8:1::1/64 dev v1");
	run("ip -6 route add 2400::/16 via 2001:db8::2");
	same("2400::1");
	run("ip -6 route add 2400::/16 via 2001:db8:1::2 metric 10");
	same("2400::1");
	run("ip -6 route replace 2400::/16 via 2001:db8:1::3 metric 10 mtu 1280");
	same("2400::1");
	run("ip -6 route append 2400::/16 via 2001:db8::3 metric 10"); /* now a multipath route */
	is(HOSTNET_ODD_ROUTE, "2400::1");
	run("ip -6 route del 2400::/16 via 2001:db8:1::3 metric 10"); /* and no longer */
	catch_up();
	same("2400::1");
	run("ip -6 route del 2400::/16 via 2001:db8::3 metric 10");
	same("2400::1");
	run("ip -6 route add 2400:1::/32 nexthop via 2001:db8::2 nexthop via 2001:db8:1::2");
	is(HOSTNET_ODD_ROUTE, "2400:1::1");
	run("ip -6 route del 2400:1::/32");
	catch_up();
	same("2400:1::1");
	run("ip -6 route add unreachable 2400:2::/32");
	is(HOSTNET_ODD_ROUTE, "2400:2::1");
	run("ip -6 route add 2400:3::/32 via 2001:db8::2 hoplimit 3");
	is(HOSTNET_ODD_ROUTE, "2400:3::1");
	set_sysctl("ipv6/conf/v0/mtu", "1350");
	run("ip link set v0 alias x"); /* of the former alone nobody is told */
	same("2001:db8::5");
}

static void own_broadcast_and_multicast(void **state)
{
	static const char *const locals[] = { "10.0.0.1",  "10.0.0.255",  "255.255.255.255",
					      "127.0.0.1", "127.9.9.9",	  "224.0.0.1",
					      "239.1.2.3", "0.0.0.0",	  "0.1.2.3",
					      "10.0.5.9",  "2001:db8::1", "::1",
					      "ff02::1",   "::" };

	(void)state;
	run("ip addr add 10.0.0.1/24 brd + dev v0 && ip addr add 10.0.5.1/24 brd 10.0.5.9 dev v1");
	run("ip -6 addr add 2001:db8::1/64 dev v0");
	for (unsigned i = 0; i < sizeof(locals) / sizeof(locals[0]); i++)
		is(HOSTNET_LOCAL, locals[i]);
	run("ip route add local 198.51.100.0/24 dev lo"); /* addresses of this host, too */
	is(HOSTNET_LOCAL, "198.51.100.7");
	run("ip addr del 10.0.5.1/24 dev v1");
	is(HOSTNET_NO_ROUTE, "10.0.5.9");
}

static void odd_routes(void **state)
{
	static const char *const odd[] = { "blackhole", "unreachable", "prohibit", "throw" };

	(void)state;
	run("ip addr add 10.0.0.1/24 dev v0 && ip addr add 10.0.1.1/24 dev v1");
	run("ip route add default via 10.0.0.254");
	for (int i = 0; i < 4; i++) {
		run("ip route add %s 192.0.2.0/24", odd[i]);
		is(HOSTNET_ODD_ROUTE, "192.0.2.1");
		run("ip route del %s 192.0.2.0/24", odd[i]);
		same("192.0.2.1");
	}
	run("ip route add 192.0.2.0/24 nexthop via 10.0.0.2 nexthop via 10.0.1.2");
	is(HOSTNET_ODD_ROUTE, "192.0.2.1");
	run("ip route del 192.0.2.0/24");
	same("192.0.2.1");
	run("ip route add 192.0.2.0/24 tos 0x10 via 10.0.0.2");
	is(HOSTNET_ODD_ROUTE, "192.0.2.1");
	run("ip route del 192.0.2.0/24 tos 0x10");
	run("ip route append default via 10.0.0.253"); /* the kernel takes the one that is alive */
	is(HOSTNET_ODD_ROUTE, "192.0.2.1");
	run("ip route del default via 10.0.0.253");
	same("192.0.2.1");
	run("ip link add br0 type bridge && ip link set v0 master br0");
	is(HOSTNET_ODD_ROUTE, "10.0.0.9");
	run("ip link set v0 nomaster");
	same("10.0.0.9");
	run("ip route add 192.0.9.0/24 dev lo"); /* no Ethernet */
	is(HOSTNET_ODD_ROUTE, "192.0.9.1");
}

static void nexthop_objects(void **state)
{
	(void)state;
	run("ip addr add 10.0.0.1/24 dev v0 && ip addr add 10.0.1.1/24 dev v1");
	run("ip nexthop add id 7 via 10.0.0.2 dev v0 && ip route add 192.0.2.0/24 nhid 7");
	catch_up();
	same("192.0.2.1");
	run("ip nexthop replace id 7 via 10.0.1.2 dev v1");
	catch_up();
	same("192.0.2.1");
	run("ip nexthop del id 7"); /* IPv4 says nothing of the route that goes with it */
	catch_up();
	is(HOSTNET_NO_ROUTE, "192.0.2.1");
}

static void policy_rules(void **state)
{
	(void)state;
	run("ip addr add 10.0.0.1/24 dev v0 && ip -6 addr add 2001:db8::1/64 dev v0");
	same("10.0.0.2");
	run("ip rule add from 10.0.0.1 lookup 100");
	is(HOSTNET_ODD_ROUTE, "10.0.0.2");
	same("2001:db8::2");
	run("ip rule del from 10.0.0.1 lookup 100");
	catch_up();
	same("10.0.0.2");
	run("ip -6 rule add fwmark 1 lookup 100");
	is(HOSTNET_ODD_ROUTE, "2001:db8::2");
	same("10.0.0.2");
	run("ip -6 rule del fwmark 1 lookup 100 && ip rule del lookup default");
	catch_up();
	same("2001:db8::2");
	is(HOSTNET_ODD_ROUTE, "10.0.0.2");
}

/* The kernel removes IPv4 routes without a word then. */
static void silent_removals(void **state)
{
	(void)state;
	run("ip addr add 10.0.0.1/24 dev v0 && ip addr add 10.0.1.1/24 dev v1 && ip addr add 10.0.2.1/24 dev v1");
	run("ip route add 192.0.2.0/24 via 10.0.0.2 && ip route add 192.0.2.0/24 via 10.0.1.2 metric 9");
	same("192.0.2.1");
	run("ip link set v0 down");
	same("192.0.2.1");
	is(HOSTNET_NO_ROUTE, "10.0.0.2");
	run("ip link set v0 up");
	same("10.0.0.2");
	same("192.0.2.1");
	run("ip route add 192.0.3.0/24 via 10.0.0.2 src 10.0.2.1");
	catch_up();
	same("192.0.3.1");
	run("ip addr del 10.0.2.1/24 dev v1");
	is(HOSTNET_NO_ROUTE, "192.0.3.1");
	run("ip route add 192.0.4.0/24 dev v0");
	same("192.0.4.1");
	run("ip addr del 10.0.0.1/24 dev v0"); /* its last one */
	is(HOSTNET_NO_ROUTE, "192.0.4.1");
	run("ip route add 192.0.5.0/24 dev v1 && ip -6 addr add 2001:db8::1/64 dev v1");
	same("2001:db8::2");
	run("ip link del v1");
	is(HOSTNET_NO_ROUTE, "192.0.5.1");
	is(HOSTNET_NO_ROUTE, "2001:db8::2");
	set_sysctl("ipv6/route/skip_notify_on_dev_down", "1");
	run("ip -6 addr add 2001:db8:2::1/64 dev v2 && ip -6 route add 2400::/16 dev v2");
	same("2400::1");
	run("ip link set v2 down");
	is(HOSTNET_NO_ROUTE, "2400::1");
}

static void links_that_are_not_ready(void **state)
{
	(void)state;
	run("ip addr add 10.0.0.1/24 dev v0");
	same("10.0.0.2");
	run("ip link set p0 down"); /* no carrier */
	catch_up();
	is(HOSTNET_ODD_ROUTE, "10.0.0.2");
	run("ip link set p0 up");
	for (int i = 0; i < 100 && verdict("10.0.0.2", NULL, NULL) == HOSTNET_ODD_ROUTE; i++)
		usleep(20000);
	same("10.0.0.2");
}

static void neighbour_states(void **state)
{
	static const struct {
		const char *nud;
		enum hostnet_verdict verdict;
		bool confirm;
	} states[] = {
		{ "permanent", HOSTNET_OK, false },
		{ "stale", HOSTNET_OK, true },
		{ "reachable", HOSTNET_OK, false },
		{ "noarp", HOSTNET_OK, false },
		{ "failed", HOSTNET_NO_NEIGHBOUR, false },
		{ "stale", HOSTNET_OK, true },
		{ "incomplete", HOSTNET_NO_NEIGHBOUR, false },
		{ "delay", HOSTNET_OK, false },
	};
	struct hostnet_hop hop;
	uint32_t generation;

	(void)state;
	run("ip addr add 10.0.0.1/24 dev v0");
	for (unsigned i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		hostnet_refresh();
		generation = hostnet_generation;
		run("ip neigh replace 10.0.0.2 dev v0 lladdr 02:00:00:00:00:%02x nud %s", i,
		    states[i].nud);
		hostnet_refresh();
		assert_int_equal(look("10.0.0.2", NULL, NULL, &hop), states[i].verdict);
		assert_int_equal(hop.confirm, states[i].confirm);
		assert_int_equal(hop.mac[5], states[i].verdict == HOSTNET_OK ? i : 0);
		assert_int_not_equal(generation, hostnet_generation);
	}
	run("ip neigh del 10.0.0.2 dev v0 && ip neigh add proxy 10.0.0.2 dev v0");
	is(HOSTNET_NO_NEIGHBOUR, "10.0.0.2");
	hostnet_refresh();
	generation = hostnet_generation;
	hostnet_refresh();
	assert_int_equal(generation, hostnet_generation);
}

static void reports_addresses(void **state)
{
	struct ipaddr a = address("10.0.0.1"), b = address("2001:db8::1");
	int before, ifindex = 0;

	(void)state;
	assert_true(came >= 2); /* 127.0.0.1, ::1 and those of the links */
	catch_up();
	came = went = 0;
	run("ip addr add 10.0.0.1/24 dev v0");
	hostnet_refresh();
	assert_int_equal(came, 1);
	assert_true(ipaddr_equal(&last, &a));
	assert_true(hostnet_is_local(&a, &ifindex));
	assert_int_equal(ifindex, if_nametoindex("v0"));
	run("ip addr add 10.0.0.1/16 dev v0 && ip addr change 10.0.0.1/24 dev v0 metric 7");
	catch_up();
	assert_int_equal(came, 1); /* the same address with another prefix */
	run("ip addr del 10.0.0.1/24 dev v0");
	catch_up();
	assert_int_equal(went, 0);
	run("ip addr del 10.0.0.1/16 dev v0");
	catch_up();
	assert_int_equal(went, 1);
	assert_false(hostnet_is_local(&a, NULL));
	set_sysctl("ipv6/conf/v0/accept_dad", "1");
	run("ip -6 addr add 2001:db8::1/64 dev v0"); /* tentative for about a second */
	hostnet_refresh();
	before = came;
	assert_false(hostnet_is_local(&b, NULL));
	for (int i = 0; i < 150 && came == before; i++) {
		usleep(20000);
		hostnet_refresh();
	}
	assert_int_equal(came, before + 1);
	assert_true(hostnet_is_local(&b, NULL));
	run("ip link del v0");
	catch_up();
	assert_false(hostnet_is_local(&b, NULL));
	assert_true(went >= 2);
}

static void lists_links(void **state)
{
	struct hostnet_link links[HOSTNET_MAX_LINKS];
	unsigned n, seen = 0;

	(void)state;
	run("ip addr add 10.0.0.1/24 dev v0 && ip -6 addr add 2001:db8::1/64 dev v1 && ip link set v2 mtu 1300");
	run("ip addr add 169.254.7.7/16 dev v3 && ip link set v1 down && ip link set v1 name w1 && ip link set w1 up");
	catch_up();
	n = hostnet_links(links, HOSTNET_MAX_LINKS);
	for (unsigned i = 0; i < n; i++) {
		struct hostnet_link *l = &links[i];

		assert_int_equal(l->ifindex, if_nametoindex(l->name));
		assert_int_equal(l->type, strcmp(l->name, "lo") && *l->name != 't'
						  ? l->type
						  : ARPHRD_LOOPBACK);
		if (l->name[0] != 'v' && l->name[0] != 'w')
			continue;
		seen++;
		assert_int_equal(l->has_v4, !strcmp(l->name, "v0"));
		assert_int_equal(l->has_v6, false); /* v1's address went when it was down */
		assert_int_equal(l->mtu, strcmp(l->name, "v2") ? 1500 : 1300);
		assert_int_equal(l->type, ARPHRD_ETHER);
		assert_true(l->flags & IFF_UP);
	}
	assert_int_equal(seen, 4);
	assert_int_equal(hostnet_links(links, 2), 2);
}

/* Compares source and MTU with what a socket of the kernel sees; returns whether there was a hop. */
static bool group_by(const char *dst, const char *source, const char *dev)
{
	struct oracle o = { .ifindex = (int)if_nametoindex(dev) };
	struct ipaddr to = address(dst), from = source ? address(source) : (struct ipaddr){ 0 };
	static const uint8_t v4[] = { 1, 0, 0x5e }, v6[] = { 0x33, 0x33 };
	struct hostnet_hop hop = { 0 };
	enum hostnet_verdict v = hostnet_lookup_group(&to, &from, o.ifindex, &hop);

	o.plain = ask_socket(&o, &to, source, dev);
	if (v != HOSTNET_OK)
		return false;
	if (!o.plain || !ipaddr_equal(&hop.source, &o.source) || (int)hop.mtu != o.mtu ||
	    hop.ifindex != o.ifindex || hop.gateway || hop.confirm)
		disagree("group", dst, source, dev, v, &hop, &o);
	if (ipaddr_is_v4(&to)) {
		assert_memory_equal(hop.mac, v4, sizeof(v4));
		assert_int_equal(hop.mac[3], to.b[13] & 0x7f);
		assert_memory_equal(hop.mac + 4, to.b + 14, 2);
	} else {
		assert_memory_equal(hop.mac, v6, sizeof(v6));
		assert_memory_equal(hop.mac + 2, to.b + 12, 4);
	}
	return true;
}

static void groups(void **state)
{
	static const char *const four[] = { "239.1.1.1", "239.255.129.7", "224.0.0.251",
					    "224.0.1.129" };
	static const char *const six[] = { "ff02::fb", "ff05::2", "ff08::1:2", "ff0e::7",
					   "ff15::9" };

	(void)state;
	assert_false(group_by(four[0], NULL, "v0")); /* no address, perhaps no IPv4 at all */
	run("ip addr add 10.0.3.1/24 dev v0 scope link && ip addr add 10.0.0.1/24 dev v0 && ip addr add 10.0.0.9/24 dev v0");
	run("ip addr add 10.0.1.1/24 dev v1 && ip addr add 10.0.2.1/24 dev v2 scope link");
	run("ip -6 addr add fd00::1/64 dev v0 nodad && ip -6 addr add 2001:db8::1/64 dev v0 nodad");
	run("ip -6 addr add fd00:1::1/64 dev v1 nodad && ip link set v1 mtu 1400");
	catch_up();
	for (size_t i = 0; i < sizeof(four) / sizeof(four[0]); i++) {
		assert_true(group_by(four[i], NULL, "v0"));
		assert_true(group_by(four[i], "10.0.0.9", "v0"));
		assert_true(group_by(four[i], "10.0.1.1", "v0")); /* another link's */
		assert_true(group_by(four[i], NULL, "v1"));
		group_by(four[i], NULL, "v2");
		assert_false(group_by(four[i], "10.0.0.77", "v0"));
		assert_false(group_by(four[i], NULL, "lo"));
	}
	for (size_t i = 0; i < sizeof(six) / sizeof(six[0]); i++) {
		assert_true(group_by(six[i], NULL, "v0"));
		assert_true(group_by(six[i], "2001:db8::1", "v0"));
		assert_true(group_by(six[i], NULL, "v1"));
		assert_true(group_by(six[i], NULL, "v2"));
		assert_false(group_by(six[i], "fd00::77", "v0"));
	}
	run("ip route add default via 10.0.0.254"); /* without effect on groups */
	catch_up();
	assert_true(group_by(four[0], NULL, "v0"));
	run("ip route add 239.1.0.0/16 via 10.0.0.254");
	catch_up();
	assert_false(group_by(four[0], NULL, "v0"));
	assert_true(group_by(four[1], NULL, "v0"));
	run("ip link set v0 multicast off");
	catch_up();
	assert_false(group_by(four[1], NULL, "v0"));
	run("ip link set v1 down");
	catch_up();
	assert_false(group_by(six[4], NULL, "v1"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(on_link_and_gateway),
		TEST(which_ipv4_source),
		TEST(which_ipv6_source),
		TEST(ipv6_link_local),
		TEST(ipv6_routes),
		TEST(own_broadcast_and_multicast),
		TEST(groups),
		TEST(odd_routes),
		TEST(nexthop_objects),
		TEST(policy_rules),
		TEST(silent_removals),
		TEST(links_that_are_not_ready),
		TEST(neighbour_states),
		TEST(reports_addresses),
		TEST(lists_links),
	};

	if (unshare(CLONE_NEWNET) || system("ip link show >/dev/null")) {
		puts("network namespaces need root, and iproute2");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
