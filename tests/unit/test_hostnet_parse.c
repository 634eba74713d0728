/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_hostnet_parse.c - rtnetlink messages that are cut short, that lie about their lengths or
 * that are noise: the parser reads nothing outside of them (each lies in memory of exactly its
 * size; `make asan` watches) and the tables stay sound.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <string.h>
#include <sys/socket.h>

#include "stack/hostnet_tables.h"

#define ROUNDS 200000

static const uint16_t types[] = { RTM_NEWLINK,	RTM_DELLINK,	  RTM_NEWADDR,	RTM_DELADDR,
				  RTM_NEWROUTE, RTM_DELROUTE,	  RTM_NEWNEIGH, RTM_DELNEIGH,
				  RTM_NEWRULE,	RTM_NEWADDRLABEL, RTM_DELRULE,	RTM_NEWNEXTHOP };
static struct hostnet_tables t;

static unsigned below(unsigned n)
{
	return (unsigned)rand() % n;
}

/*
 * Attributes that are mostly well formed: the right sizes for addresses and numbers, small types.
 */
static size_t random_attrs(uint8_t *at, size_t room)
{
	static const uint8_t sizes[] = { 4, 4, 4, 16, 16, 6, 1, 0, 8, 20, 36 };
	struct rtattr a;
	size_t used = 0;

	while (below(8)) {
		a.rta_type = (unsigned short)(below(30) ? below(40) : (unsigned)rand());
		a.rta_len = (unsigned short)RTA_LENGTH(sizes[below(sizeof(sizes))]);
		if (used + RTA_ALIGN(a.rta_len) > room)
			break;
		if (!below(40))
			a.rta_len = (unsigned short)rand();
		for (size_t i = 0; i < RTA_ALIGN(a.rta_len) && used + i < room; i++)
			at[used + i] = (uint8_t)(below(3) ? below(4) : (unsigned)rand());
		memcpy(at + used, &a, sizeof(a));
		used += RTA_ALIGN(a.rta_len);
		if (used > room)
			return room;
	}
	return used;
}

/* A message in memory of exactly its length. */
static struct nlmsghdr *random_message(void)
{
	uint8_t body[512];
	struct nlmsghdr *msg;
	size_t fixed = below(20) ? (below(2) ? 12 : 8) : below(20), len;

	for (size_t i = 0; i < sizeof(body); i++)
		body[i] = (uint8_t)(below(3) ? below(4) : (unsigned)rand());
	body[0] = (uint8_t)(below(3) ? (below(2) ? AF_INET : AF_INET6) : 0);
	body[1] = (uint8_t)below(140);
	if (below(2))
		fixed = 16;
	if (below(2))
		body[4] = RT_TABLE_MAIN; /* of a route; else the lowest byte of an interface number */
	len = fixed + random_attrs(body + fixed, sizeof(body) - fixed);
	if (!below(10))
		len = below((unsigned)len + 1);
	msg = malloc(NLMSG_LENGTH(len));
	memset(msg, 0, sizeof(*msg));
	msg->nlmsg_len = (uint32_t)NLMSG_LENGTH(len);
	msg->nlmsg_type = types[below(sizeof(types) / sizeof(types[0]))];
	msg->nlmsg_flags = below(4) ? 0 : NLM_F_REPLACE;
	memcpy(NLMSG_DATA(msg), body, len);
	return msg;
}

static void tables_are_sound(void)
{
	struct ipaddr dst = ipaddr_from_v4(htonl(0x01020302)), any = { 0 };
	struct hostnet_hop hop;

	hostnet_resolve(&t, &dst, &any, 0, &hop);
	for (uint32_t i = 0; i < t.links.count; i++)
		assert_ptr_equal(links_find(&t.links, links_all(&t.links)[i].pub.ifindex),
				 &links_all(&t.links)[i]);
	for (uint32_t i = 0; i < t.addrs.count; i++) {
		const struct addr *a = &addrs_all(&t.addrs)[i];

		assert_true(a->len <= 128 && a->ifindex > 0);
		if (addr_usable(a))
			assert_non_null(addrs_find(&t.addrs, &a->local, a->ifindex));
	}
}

static void noise_does_no_harm(void **state)
{
	struct nlmsghdr *msg;

	(void)state;
	srand(3);
	for (int i = 0; i < ROUNDS; i++) {
		msg = random_message();
		hostnet_apply(&t, msg, below(2));
		free(msg);
		t.event_count = t.event_first = 0;
		if (i % 1000 == 0)
			tables_are_sound();
	}
	print_message("%u links, %u addresses, %u neighbours, %u+%u routes\n", t.links.count,
		      t.addrs.count, t.neighbours.count, t.routes[0][1].count, t.routes[1][1].count);
	assert_true(t.links.count && t.addrs.count);
	hostnet_sync_stop(&t);
}

static void attributes_with_lies(void **state)
{
	const struct rtattr *tb[5];
	uint32_t space[8] = { 0 };
	struct rtattr *a = (struct rtattr *)space;

	(void)state;
	a->rta_type = 2;
	a->rta_len = 8;
	space[1] = 77;
	netlink_attrs(space, 8, tb, 4);
	assert_int_equal(netlink_u32(tb[2], 5), 77);
	assert_null(tb[1]);
	a->rta_len = 9; /* more than there is */
	netlink_attrs(space, 8, tb, 4);
	assert_null(tb[2]);
	a->rta_len = 3; /* less than its own head: an endless loop for the careless */
	netlink_attrs(space, sizeof(space), tb, 4);
	assert_null(tb[2]);
	a->rta_len = 6; /* too short for a number */
	netlink_attrs(space, 8, tb, 4);
	assert_int_equal(netlink_u32(tb[2], 5), 5);
	a->rta_type = 2 | NLA_F_NESTED;
	a->rta_len = 8;
	netlink_attrs(space, 8, tb, 4);
	assert_int_equal(netlink_u32(tb[2], 5), 77);
	a->rta_type = 5; /* unknown */
	netlink_attrs(space, 8, tb, 4);
	assert_null(tb[4]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(attributes_with_lies),
		cmocka_unit_test(noise_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
