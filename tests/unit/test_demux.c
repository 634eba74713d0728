/* SPDX-License-Identifier: BSD-3-Clause */
/* test_demux.c - which socket gets a packet: precedence, families, groups, many sockets; random tables against a plain list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "stack/demux.h"
#include "stack/groups.h"
#include "tests/unit/test_stack.h"

#define MANY 10000

static struct sock s[16];
static unsigned made;

static struct sock *add(int family, const char *local, uint16_t port, const char *remote,
			uint16_t remote_port)
{
	struct sock *n = &s[made++];

	sock_make(n, family, local, port, remote, remote_port);
	assert_int_equal(demux_add(n), 0);
	return n;
}

static int fresh(void **state)
{
	(void)state;
	while (made)
		demux_remove(&s[--made]);
	return 0;
}

/* The socket for a packet; its family is that of the addresses. */
static struct sock *find(const char *src, uint16_t sport, const char *dst, uint16_t dport)
{
	struct demux_key key = { .local = addr(dst),
				 .remote = addr(src),
				 .local_port = htons(dport),
				 .remote_port = htons(sport) };

	return demux_find(&key, !ipaddr_is_v4(&key.local));
}

static void precedence(void **state)
{
	struct sock *any, *bound, *connected, *half;

	(void)state;
	assert_null(find("10.0.0.9", 99, "10.0.0.1", 53));
	any = add(AF_INET, NULL, 53, NULL, 0);
	assert_ptr_equal(find("10.0.0.9", 99, "10.0.0.1", 53), any);
	bound = add(AF_INET, "10.0.0.1", 53, NULL, 0);
	half = add(AF_INET, NULL, 53, "10.0.0.9", 98);
	connected = add(AF_INET, "10.0.0.1", 53, "10.0.0.9", 99);
	assert_ptr_equal(find("10.0.0.9", 99, "10.0.0.1", 53), connected);
	assert_ptr_equal(find("10.0.0.9", 98, "10.0.0.1", 53), half);
	assert_ptr_equal(find("10.0.0.9", 98, "10.0.0.2", 53), half);
	assert_ptr_equal(find("10.0.0.9", 97, "10.0.0.1", 53), bound);
	assert_ptr_equal(find("10.0.0.8", 99, "10.0.0.1", 53), bound);
	assert_ptr_equal(find("10.0.0.9", 99, "10.0.0.2", 53), any);
	assert_null(find("10.0.0.9", 99, "10.0.0.1", 54));
	demux_remove(connected);
	assert_ptr_equal(find("10.0.0.9", 99, "10.0.0.1", 53), bound);
	demux_remove(bound);
	assert_ptr_equal(find("10.0.0.9", 99, "10.0.0.1", 53), any);
}

/* A connected socket does not take a stranger's datagram, even when it is the only one. */
static void connected_is_alone(void **state)
{
	(void)state;
	add(AF_INET, "10.0.0.1", 53, "10.0.0.9", 99);
	assert_null(find("10.0.0.9", 98, "10.0.0.1", 53));
	assert_null(find("10.0.0.8", 99, "10.0.0.1", 53));
	assert_null(find("10.0.0.9", 99, "10.0.0.2", 53));
	assert_non_null(find("10.0.0.9", 99, "10.0.0.1", 53));
}

static void families(void **state)
{
	struct sock *six, *four;

	(void)state;
	six = add(AF_INET6, NULL, 53, NULL, 0);
	assert_ptr_equal(find("2001:db8::9", 99, "2001:db8::1", 53), six);
	assert_ptr_equal(find("10.0.0.9", 99, "10.0.0.1", 53), six);
	six->v6only = true;
	assert_null(find("10.0.0.9", 99, "10.0.0.1", 53));
	assert_ptr_equal(find("2001:db8::9", 99, "2001:db8::1", 53), six);
	four = add(AF_INET, NULL, 53, NULL, 0);
	assert_ptr_equal(find("10.0.0.9", 99, "10.0.0.1", 53), four);
	assert_ptr_equal(find("2001:db8::9", 99, "2001:db8::1", 53), six);
}

/* For an IPv4 packet an IPv4 socket is the better one, whichever came first. */
static void ipv4_beats_dual_stack(void **state)
{
	struct sock *six, *four;

	(void)state;
	four = add(AF_INET, NULL, 53, NULL, 0);
	six = add(AF_INET6, NULL, 53, NULL, 0);
	assert_ptr_equal(find("10.0.0.9", 99, "10.0.0.1", 53), four);
	assert_ptr_equal(find("2001:db8::9", 99, "2001:db8::1", 53), six);
	demux_remove(four);
	demux_add(four);
	assert_ptr_equal(find("10.0.0.9", 99, "10.0.0.1", 53), four);
}

/* A bound address is worth more than the family. */
static void mapped_addresses(void **state)
{
	struct sock *mapped, *peer;

	(void)state;
	add(AF_INET, NULL, 53, NULL, 0);
	mapped = add(AF_INET6, "::ffff:10.0.0.1", 53, NULL, 0);
	assert_ptr_equal(find("10.0.0.9", 99, "10.0.0.1", 53), mapped);
	assert_ptr_equal(find("10.0.0.9", 99, "10.0.0.2", 53), &s[0]);
	peer = add(AF_INET6, "::ffff:10.0.0.1", 53, "::ffff:10.0.0.9", 99);
	assert_ptr_equal(find("10.0.0.9", 99, "10.0.0.1", 53), peer);
}

static void last_bound_wins(void **state)
{
	struct sock *a, *b, *c;

	(void)state;
	a = add(AF_INET, NULL, 53, NULL, 0);
	b = add(AF_INET, NULL, 53, NULL, 0);
	for (uint16_t p = 1; p < 100; p++)
		assert_ptr_equal(find("10.0.0.9", p, "10.0.0.1", 53), b);
	c = add(AF_INET, NULL, 53, NULL, 0);
	b->reuseport = c->reuseport = true; /* not all of them: no group */
	assert_ptr_equal(find("10.0.0.9", 99, "10.0.0.1", 53), c);
	demux_remove(c);
	demux_remove(b);
	assert_ptr_equal(find("10.0.0.9", 99, "10.0.0.1", 53), a);
}

static unsigned index_of(const struct sock *n)
{
	assert_non_null(n);
	assert_in_range(n - s, 0, made - 1);
	return (unsigned)(n - s);
}

static void reuseport_spreads(void **state)
{
	unsigned hits[5] = { 0 }, by_port[5] = { 0 };
	char text[32];

	(void)state;
	for (int i = 0; i < 5; i++)
		add(AF_INET, NULL, 53, NULL, 0)->reuseport = true;
	for (unsigned i = 0; i < 10000; i++) {
		struct sock *n;

		snprintf(text, sizeof(text), "10.%u.%u.%u", i % 7, i % 250, i / 250);
		n = find(text, (uint16_t)(1024 + i), "10.0.0.1", 53);
		hits[index_of(n)]++;
		assert_ptr_equal(find(text, (uint16_t)(1024 + i), "10.0.0.1", 53), n);
		by_port[index_of(find("10.0.0.9", (uint16_t)(1024 + i), "10.0.0.1", 53))]++;
	}
	for (int i = 0; i < 5; i++) {
		assert_in_range(hits[i], 1700, 2300);
		assert_in_range(by_port[i], 1700, 2300);
	}
}

/* A member that nothing has been received on here is left alone, unless all are like that. */
static void reuseport_prefers_served(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++)
		add(AF_INET, NULL, 53, NULL, 0)->reuseport = true;
	for (int i = 0; i < 4; i++)
		s[i].served = i == 1; /* whether it is steered at the moment, or rests */
	for (uint16_t p = 1; p < 100; p++)
		assert_int_equal(index_of(find("10.0.0.9", p, "10.0.0.1", 53)), 1);
	s[3].served = true;
	for (uint16_t p = 1; p < 100; p++)
		assert_true(index_of(find("10.0.0.9", p, "10.0.0.1", 53)) & 1);
}

/* One flow stays with its socket while the group stays the same, and the group shrinks well. */
static void reuseport_members_go(void **state)
{
	bool seen[4] = { false };

	(void)state;
	for (int i = 0; i < 4; i++)
		add(AF_INET6, NULL, 53, NULL, 0)->reuseport = true;
	demux_remove(&s[1]);
	for (uint16_t p = 1; p < 1000; p++) {
		seen[index_of(find("10.0.0.9", p, "10.0.0.1", 53))] = true;
		seen[index_of(find("2001:db8::9", p, "2001:db8::1", 53))] = true;
	}
	assert_true(seen[0] && !seen[1] && seen[2] && seen[3]);
}

/* Of two groups, IPv4 and dual-stack, an IPv4 packet goes to the first only. */
static void groups_of_two_families(void **state)
{
	(void)state;
	for (int i = 0; i < 6; i++)
		add(i % 2 ? AF_INET : AF_INET6, NULL, 53, NULL, 0)->reuseport = true;
	for (uint16_t p = 1; p < 1000; p++) {
		assert_int_equal(find("10.0.0.9", p, "10.0.0.1", 53)->family, AF_INET);
		assert_int_equal(find("2001:db8::9", p, "2001:db8::1", 53)->family, AF_INET6);
	}
}

static void idempotent(void **state)
{
	struct sock *n = add(AF_INET, "10.0.0.1", 53, NULL, 0);

	(void)state;
	assert_int_equal(demux_add(n), 0);
	assert_true(n->in_demux);
	demux_remove(n);
	assert_false(n->in_demux);
	demux_remove(n);
	assert_null(find("10.0.0.9", 99, "10.0.0.1", 53));
	demux_add(n);
	assert_ptr_equal(find("10.0.0.9", 99, "10.0.0.1", 53), n);
}

static struct sock many[MANY];

/* Constant time: the look-up among 10000 must not be far from the one among 10. */
static uint64_t time_of(unsigned n)
{
	uint64_t begun = clock_ns();

	for (uint32_t i = 0; i < 200000; i++) {
		const struct sock *m = &many[i * 7919u % n];
		struct demux_key key = { .local = m->local,
					 .remote = addr("10.9.9.9"),
					 .local_port = m->local_port,
					 .remote_port = htons(7) };

		if (m->connected) {
			key.remote = m->remote;
			key.remote_port = m->remote_port;
		}
		if (demux_find(&key, false) != m)
			return 0;
	}
	return (clock_ns() - begun) / 200000;
}

static void make_many(unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		char peer[32];

		snprintf(peer, sizeof(peer), "10.1.%u.%u", i / 200 % 200, i % 200);
		/* Half have a port each; half share one port and have a peer each, as accepted QUIC connections do. */
		if (i % 2)
			sock_make(&many[i], AF_INET, "10.0.0.1", (uint16_t)(10000 + i), NULL, 0);
		else
			sock_make(&many[i], AF_INET, "10.0.0.1", 443, peer,
				  (uint16_t)(5000 + i / 40000));
		assert_int_equal(demux_add(&many[i]), 0);
	}
}

static void ten_thousand(void **state)
{
	uint64_t few, all;

	(void)state;
	make_many(0, 10);
	few = time_of(10);
	make_many(10, MANY);
	all = time_of(MANY);
	print_message("look-up among 10: %lu ns, among %d: %lu ns\n", (unsigned long)few, MANY,
		      (unsigned long)all);
	assert_true(few > 0 && all > 0);
	assert_true(all < 5 * few + 400);
	for (unsigned i = 0; i < MANY; i++)
		demux_remove(&many[i]);
	assert_null(find("10.1.0.0", 5000, "10.0.0.1", 443));
}

/* Whoever is bound to the device comes before those that take any, whichever was bound last. */
static void devices(void **state)
{
	struct demux_key key = { .local = addr("10.0.0.1"),
				 .remote = addr("10.0.0.9"),
				 .local_port = htons(67),
				 .remote_port = htons(68),
				 .ifindex = 7 };
	struct sock *all, *seven, *eight;

	(void)state;
	eight = add(AF_INET, NULL, 67, NULL, 0);
	eight->bound_if = 8;
	assert_null(demux_find(&key, false));
	seven = add(AF_INET, NULL, 67, NULL, 0);
	seven->bound_if = 7;
	assert_ptr_equal(demux_find(&key, false), seven);
	all = add(AF_INET, NULL, 67, NULL, 0);
	assert_ptr_equal(demux_find(&key, false), seven);
	key.ifindex = 9;
	assert_ptr_equal(demux_find(&key, false), all);
	key.ifindex = 8;
	assert_ptr_equal(demux_find(&key, false), eight);
}

/* compute_score() of the kernel, over a plain list in the order of binding. */
static int score(const struct sock *n, const struct demux_key *k, bool v6)
{
	int points = 1;

	if (!n->in_demux || n->local_port != k->local_port ||
	    (n->bound_if && n->bound_if != k->ifindex))
		return -1;
	if (v6 ? n->family != AF_INET6 : n->family != AF_INET && n->v6only)
		return -1;
	if (!ipaddr_is_any(&n->local)) {
		if (!ipaddr_equal(&n->local, &k->local))
			return -1;
		points += 50;
	}
	if (!ipaddr_is_any(&n->remote)) {
		if (!ipaddr_equal(&n->remote, &k->remote) || n->remote_port != k->remote_port)
			return -1;
		points += 100;
	}
	return points + (n->bound_if ? 4 : 0) + (!v6 && n->family == AF_INET);
}

static void random_tables_against_the_kernels_rule(void **state)
{
	static const char *const v4[] = { NULL, "10.0.0.1", "10.0.0.2" };
	static const char *const v6[] = { NULL, "fd00::1", "fd00::2", "::ffff:10.0.0.1" };
	uint64_t seed = 11;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		for (unsigned i = 0; i < 12; i++) {
			bool six = random_next(&seed) % 2;
			const char *local = six ? v6[random_next(&seed) % 4]
						: v4[random_next(&seed) % 3];
			bool mapped = local && local[0] != 'f', peer = random_next(&seed) % 3 == 0;

			add(six ? AF_INET6 : AF_INET, local, (uint16_t)(53 + random_next(&seed) % 2),
			    !peer	     ? NULL
			    : six && !mapped ? "fd00::9"
					     : "10.0.0.9",
			    peer ? 99 : 0);
			s[i].bound_if = random_next(&seed) % 4 ? 0 : 7;
			s[i].v6only = six && !mapped && random_next(&seed) % 2;
		}
		demux_remove(&s[random_next(&seed) % 12]);
		for (unsigned i = 0; i < 24; i++) {
			bool six = i % 2;
			struct demux_key k = { .local = addr(six ? v6[1 + i / 2 % 2]
								 : v4[1 + i / 2 % 2]),
					       .remote = addr(six ? i % 3 ? "fd00::9" : "fd00::8"
							      : i % 3 ? "10.0.0.9"
								      : "10.0.0.8"),
					       .local_port = htons((uint16_t)(53 + i / 4 % 2)),
					       .remote_port = htons(i % 5 ? 99 : 98),
					       .ifindex = i % 7 ? 7 : 8 };
			struct sock *best = NULL;

			for (unsigned n = 0; n < 12; n++)
				if (score(&s[n], &k, six) >= 0 &&
				    (!best || score(&s[n], &k, six) >= score(best, &k, six)))
					best = &s[n];
			assert_ptr_equal(demux_find(&k, six), best);
		}
		fresh(NULL);
	}
}

/* Who hears a datagram to a group: one bit for each socket, in the order in which they were made. */
static void note_hearer(void *arg, struct sock *who)
{
	*(unsigned *)arg |= 1u << (who - s);
}

static unsigned hearers(const char *src, const char *group, uint16_t dport, int ifindex)
{
	struct demux_key key = { .local = addr(group),
				 .remote = addr(src),
				 .local_port = htons(dport),
				 .remote_port = htons(99),
				 .ifindex = ifindex };
	unsigned mask = 0;

	demux_each(&key, !ipaddr_is_v4(&key.local), note_hearer, &mask);
	return mask;
}

static void groups(void **state)
{
	struct group member = { .addr = addr("239.1.1.1"), .ifindex = 5, .exclude = true };
	struct group sources = {
		.addr = addr("239.1.1.1"), .ifindex = 5, .sources = 1, .source = { addr("10.0.0.9") }
	};
	struct group name = { .addr = addr("239.1.1.1"), .next = &sources };
	struct sock *wild, *bound, *picky, *connected;

	(void)state;
	wild = add(AF_INET, NULL, 53, NULL, 0);
	bound = add(AF_INET, "239.1.1.1", 53, NULL, 0);
	picky = add(AF_INET6, NULL, 53, NULL, 0);
	connected = add(AF_INET, NULL, 53, "10.0.0.9", 99);
	add(AF_INET, "10.0.0.1", 53, NULL, 0);
	assert_int_equal(hearers("10.0.0.9", "239.1.1.1", 53, 5),
			 0); /* no member, IP_MULTICAST_ALL off */
	wild->group_all4 = true;
	assert_int_equal(hearers("10.0.0.9", "239.1.1.1", 53, 5), 1);
	bound->groups = connected->groups = &member;
	picky->groups = &name;
	assert_int_equal(hearers("10.0.0.9", "239.1.1.1", 53, 5), 1 | 2 | 4 | 8);
	assert_int_equal(hearers("10.0.0.8", "239.1.1.1", 53, 5), 1 | 2);
	assert_int_equal(hearers("10.0.0.9", "239.1.1.1", 53, 6),
			 1); /* joined on the other interface */
	assert_int_equal(hearers("10.0.0.9", "239.1.1.1", 54, 5), 0);
	member.sources = 1;
	member.source[0] = addr("10.0.0.9"); /* blocked */
	assert_int_equal(hearers("10.0.0.9", "239.1.1.1", 53, 5), 1 | 4);
	picky->v6only = true;
	assert_int_equal(hearers("10.0.0.9", "239.1.1.1", 53, 5), 1);
	picky->group_all6 = true;
	assert_int_equal(hearers("fd00::9", "ff15::7", 53, 5), 4);
	sources.addr = addr("ff15::7"); /* IPv6 does not look at the interface */
	sources.source[0] = addr("fd00::9");
	name.addr = sources.addr;
	assert_int_equal(hearers("fd00::9", "ff15::7", 53, 6), 4);
	assert_int_equal(hearers("fd00::8", "ff15::7", 53, 6), 0);
	for (unsigned i = 0; i < made; i++)
		s[i].groups = NULL;
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, fresh, fresh)
	const struct CMUnitTest tests[] = {
		TEST(precedence),
		TEST(connected_is_alone),
		TEST(families),
		TEST(ipv4_beats_dual_stack),
		TEST(mapped_addresses),
		TEST(last_bound_wins),
		TEST(reuseport_spreads),
		TEST(reuseport_members_go),
		TEST(reuseport_prefers_served),
		TEST(groups),
		TEST(groups_of_two_families),
		TEST(idempotent),
		TEST(devices),
		TEST(ten_thousand),
		TEST(random_tables_against_the_kernels_rule),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
