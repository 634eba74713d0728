/* SPDX-License-Identifier: BSD-3-Clause */
/* test_sockname.c - addresses (base/ipaddr.h) and socket addresses: to and from the kernel's structures, and as text. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "stack/sockname.h"
#include "tests/unit/test_stack.h"

static bool have_net;

static void kinds_of_addresses(void **state)
{
	static const struct {
		const char *text;
		bool v4, any, multicast, loopback, linklocal;
	} cases[] = {
		{ "10.0.0.1", true, false, false, false, false },
		{ "127.0.0.1", true, false, false, true, false },
		{ "127.255.0.9", true, false, false, true, false },
		{ "128.0.0.1", true, false, false, false, false },
		{ "224.0.0.1", true, false, true, false, false },
		{ "239.255.255.255", true, false, true, false, false },
		{ "240.0.0.1", true, false, false, false, false },
		{ "255.255.255.255", true, false, false, false, false },
		{ "0.0.0.0", false, true, false, false, false },
		{ "::", false, true, false, false, false },
		{ "::1", false, false, false, true, false },
		{ "::2", false, false, false, false, false },
		{ "::ffff:10.0.0.1", true, false, false, false, false },
		{ "::ffff:127.0.0.1", true, false, false, true, false },
		{ "::10.0.0.1", false, false, false, false, false },
		{ "fe80::1", false, false, false, false, true },
		{ "febf::1", false, false, false, false, true },
		{ "fec0::1", false, false, false, false, false },
		{ "ff02::1", false, false, true, false, false },
		{ "2001:db8::1", false, false, false, false, false },
	};

	(void)state;
	for (unsigned i = 0; i < COUNT(cases); i++) {
		struct ipaddr a = addr(cases[i].text);

		assert_int_equal(ipaddr_is_v4(&a), cases[i].v4);
		assert_int_equal(ipaddr_is_any(&a), cases[i].any);
		assert_int_equal(ipaddr_is_multicast(&a), cases[i].multicast);
		assert_int_equal(ipaddr_is_loopback(&a), cases[i].loopback);
		assert_int_equal(ipaddr_is_linklocal6(&a), cases[i].linklocal);
		for (unsigned k = 0; k < COUNT(cases); k++) {
			struct ipaddr b = addr(cases[k].text);

			assert_int_equal(ipaddr_equal(&a, &b), memcmp(&a, &b, 16) == 0);
		}
	}
}

static void hash_spreads(void **state)
{
	unsigned used[256] = { 0 }, empty = 0;

	(void)state;
	for (uint32_t i = 0; i < 4096; i++) {
		struct ipaddr a = ipaddr_from_v4(htonl(0x0a000000 + i));

		used[ipaddr_hash(&a) % 256]++;
	}
	for (int i = 0; i < 256; i++) {
		empty += used[i] == 0;
		assert_true(used[i] < 80);
	}
	assert_true(empty < 64);
}

static struct sockaddr_in in4(const char *text, uint16_t port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };

	inet_pton(AF_INET, text, &in.sin_addr);
	return in;
}

static struct sockaddr_in6 in6(const char *text, uint16_t port, uint32_t scope)
{
	struct sockaddr_in6 in = { .sin6_family = AF_INET6,
				   .sin6_port = htons(port),
				   .sin6_scope_id = scope };

	inet_pton(AF_INET6, text, &in.sin6_addr);
	return in;
}

static struct ipaddr got;
static uint16_t got_port;
static uint32_t got_scope;

static bool parse(int family, const void *sa, socklen_t len)
{
	got_scope = 99;
	return sockname_parse(family, sa, len, &got, &got_port, &got_scope);
}

static void is(const char *text, uint16_t port, uint32_t scope)
{
	struct ipaddr want = addr(text);

	assert_memory_equal(&got, &want, sizeof(want));
	assert_int_equal(got_port, htons(port));
	assert_int_equal(got_scope, scope);
}

static void parses_destinations(void **state)
{
	struct sockaddr_in four = in4("10.1.2.3", 53);
	struct sockaddr_in6 six = in6("2001:db8::9", 54, 3), local = in6("fe80::9", 55, 3);
	struct sockaddr_in6 mapped = in6("::ffff:10.1.2.3", 56, 0);

	(void)state;
	assert_true(parse(AF_INET, &four, sizeof(four)));
	is("10.1.2.3", 53, 0);
	assert_true(parse(AF_INET, &four, 128)); /* longer is allowed */
	assert_true(parse(AF_INET6, &four, sizeof(four)));
	is("10.1.2.3", 53, 0);
	assert_true(parse(AF_INET6, &six, sizeof(six)));
	is("2001:db8::9", 54, 0); /* a scope means nothing for it */
	assert_true(parse(AF_INET6, &local, sizeof(local)));
	is("fe80::9", 55, 3);
	assert_true(parse(AF_INET6, &local, 24)); /* RFC 2133: without a scope */
	is("fe80::9", 55, 0);
	assert_true(parse(AF_INET6, &mapped, sizeof(mapped)));
	is("10.1.2.3", 56, 0);
}

static void leaves_the_odd_to_the_kernel(void **state)
{
	struct sockaddr_in four = in4("10.1.2.3", 53), none = in4("10.1.2.3", 0);
	struct sockaddr_in6 six = in6("2001:db8::9", 54, 0), flow = six, none6 = six;
	struct sockaddr_in unspec = four;

	(void)state;
	unspec.sin_family = AF_UNSPEC;
	flow.sin6_flowinfo = htonl(0x12345);
	none6.sin6_port = 0;
	assert_false(parse(AF_INET, &four, 15));
	assert_false(parse(AF_INET, &four, 2));
	assert_false(parse(AF_INET, &four, 0));
	assert_false(parse(AF_INET, &six, sizeof(six)));
	assert_false(parse(AF_INET, &none, sizeof(none)));
	assert_false(parse(AF_INET, &unspec, sizeof(unspec)));
	assert_false(parse(AF_INET6, &unspec, sizeof(unspec)));
	assert_false(parse(AF_INET6, &six, 23));
	assert_false(parse(AF_INET6, &six, 16));
	assert_false(parse(AF_INET6, &flow, sizeof(flow)));
	assert_false(parse(AF_INET6, &none6, sizeof(none6)));
}

static void builds_names(void **state)
{
	struct ipaddr four = addr("10.1.2.3"), six = addr("2001:db8::9"), local = addr("fe80::9");
	struct sockaddr_in want4 = in4("10.1.2.3", 53);
	struct sockaddr_in6 mapped = in6("::ffff:10.1.2.3", 53, 0),
			    want6 = in6("2001:db8::9", 53, 0);
	struct sockaddr_in6 scoped = in6("fe80::9", 53, 4);
	struct sockaddr_storage ss;

	(void)state;
	memset(&ss, 0xff, sizeof(ss));
	assert_int_equal(sockname_build(AF_INET, &ss, &four, htons(53), 4), sizeof(want4));
	assert_memory_equal(&ss, &want4, sizeof(want4));
	memset(&ss, 0xff, sizeof(ss));
	assert_int_equal(sockname_build(AF_INET6, &ss, &four, htons(53), 4), sizeof(mapped));
	assert_memory_equal(&ss, &mapped, sizeof(mapped));
	memset(&ss, 0xff, sizeof(ss));
	assert_int_equal(sockname_build(AF_INET6, &ss, &six, htons(53), 4), sizeof(want6));
	assert_memory_equal(&ss, &want6, sizeof(want6));
	memset(&ss, 0xff, sizeof(ss));
	assert_int_equal(sockname_build(AF_INET6, &ss, &local, htons(53), 4), sizeof(scoped));
	assert_memory_equal(&ss, &scoped, sizeof(scoped));
}

static void text_is(const char *want, const char *ip, uint16_t port, int family)
{
	char text[IPADDR_STRLEN];
	struct ipaddr a = ip_of(ip);

	assert_string_equal(sockname_text(text, &a, htons(port), family), want);
}

static void as_text(void **state)
{
	(void)state;
	text_is("10.0.0.1:53", "10.0.0.1", 53, AF_INET);
	text_is("10.0.0.1:53", "10.0.0.1", 53, AF_INET6);
	text_is("*:53", NULL, 53, AF_INET);
	text_is("[::]:53", NULL, 53, AF_INET6);
	text_is("[fd00::1]:65535", "fd00::1", 65535, AF_INET6);
	text_is("255.255.255.255:65535", "255.255.255.255", 65535, AF_INET);
	text_is("[1111:2222:3333:4444:5555:6666:7777:8888]:65535",
		"1111:2222:3333:4444:5555:6666:7777:8888", 65535, AF_INET6);
}

static void reads_the_kernel(void **state)
{
	struct sockaddr_in four = in4("127.0.0.1", 0), peer = in4("127.0.0.2", 4444);
	struct sockaddr_in6 any = in6("::", 0, 0), mapped = in6("::ffff:127.0.0.1", 0, 0);
	struct ipaddr one = addr("127.0.0.1"), two = addr("127.0.0.2");
	int s4 = socket(AF_INET, SOCK_DGRAM, 0), s6 = socket(AF_INET6, SOCK_DGRAM, 0), m6;
	struct sockname n;

	(void)state;
	if (!have_net || s6 < 0)
		skip();
	assert_int_equal(sockname_read(s4, &n), 0);
	assert_true(ipaddr_is_any(&n.local) && !n.local_port && !n.remote_port && !n.connected);
	assert_int_equal(bind(s4, (void *)&four, sizeof(four)), 0);
	assert_int_equal(connect(s4, (void *)&peer, sizeof(peer)), 0);
	assert_int_equal(sockname_read(s4, &n), 0);
	assert_true(ipaddr_equal(&n.local, &one) && n.local_port);
	assert_true(ipaddr_equal(&n.remote, &two) && n.connected);
	assert_int_equal(n.remote_port, htons(4444));
	assert_int_equal(bind(s6, (void *)&any, sizeof(any)), 0);
	assert_int_equal(sockname_read(s6, &n), 0);
	assert_true(ipaddr_is_any(&n.local) && n.local_port && !n.connected);
	m6 = socket(AF_INET6, SOCK_DGRAM, 0);
	assert_int_equal(bind(m6, (void *)&mapped, sizeof(mapped)), 0);
	assert_int_equal(sockname_read(m6, &n), 0);
	assert_true(ipaddr_equal(&n.local, &one));
	assert_int_equal(sockname_read(-1, &n), -EBADF);
	close(s4);
	close(s6);
	close(m6);
}

static void read_of_a_mapped_wildcard(void **state)
{
	struct sockaddr_in6 mapped = in6("::ffff:0.0.0.0", 0, 0);
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);
	struct sockname n;

	(void)state;
	if (!have_net || fd < 0)
		skip();
	assert_int_equal(bind(fd, (void *)&mapped, sizeof(mapped)), 0);
	assert_int_equal(sockname_read(fd, &n), 0);
	assert_true(ipaddr_is_any(&n.local) && n.local_port);
	close(fd);
}

/* A namespace of our own with lo up. */
static int enter(void **state)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd;

	(void)state;
	if (unshare(CLONE_NEWNET) < 0)
		return 0;
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	have_net = ioctl(fd, SIOCSIFFLAGS, &ifr) == 0;
	close(fd);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds_of_addresses),
		cmocka_unit_test(hash_spreads),
		cmocka_unit_test(parses_destinations),
		cmocka_unit_test(leaves_the_odd_to_the_kernel),
		cmocka_unit_test(builds_names),
		cmocka_unit_test(as_text),
		cmocka_unit_test(reads_the_kernel),
		cmocka_unit_test(read_of_a_mapped_wildcard),
	};

	return cmocka_run_group_tests(tests, enter, NULL);
}
