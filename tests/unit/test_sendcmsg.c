/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_sendcmsg.c - control messages of sendmsg(): what is taken over, what is left to the kernel, and that no buffer,
 * however broken, does harm. In a network namespace with 127.0.0.1 and ::1 as the only local addresses.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "stack/hostnet.h"
#include "stack/lwip_port.h"
#include "stack/sendcmsg.h"
#include "stack/usermem.h"
#include "tests/unit/test_stack.h"

static struct {
	_Alignas(8) uint8_t bytes[512];
	size_t len;
} control;
static struct tx_dgram d;
static struct sendcmsg more;

static int fresh(void **state)
{
	(void)state;
	memset(&control, 0, sizeof(control));
	memset(&d, 0, sizeof(d));
	d.ttl = 64;
	d.destination = addr("10.0.0.9");
	more = (struct sendcmsg){ .segment = 1000 };
	return 0;
}

static void add_len(int level, int type, const void *data, size_t len, size_t stated)
{
	struct cmsghdr *c = (struct cmsghdr *)(control.bytes + control.len);

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = stated;
	memcpy(CMSG_DATA(c), data, len);
	control.len += CMSG_SPACE(len);
}

static void add(int level, int type, const void *data, size_t len)
{
	add_len(level, type, data, len, CMSG_LEN(len));
}

static void add_int(int level, int type, int value)
{
	add(level, type, &value, sizeof(value));
}

static bool parse(int family)
{
	struct msghdr msg = { .msg_control = control.bytes, .msg_controllen = control.len };

	return sendcmsg_parse(&msg, family, &d, &more);
}

static bool accepts_int(int family, int level, int type, int value)
{
	fresh(NULL);
	if (family == AF_INET6)
		d.destination = addr("2001:db8::9");
	add_int(level, type, value);
	return parse(family);
}

static void nothing(void **state)
{
	(void)state;
	assert_true(parse(AF_INET));
	d.destination = addr("2001:db8::9");
	assert_true(parse(AF_INET6));
	assert_int_equal(d.ttl, 64);
	assert_int_equal(more.oif, 0);
}

static void ttl_and_tos(void **state)
{
	uint8_t tos = 0xb8;

	(void)state;
	assert_true(accepts_int(AF_INET, SOL_IP, IP_TTL, 7));
	assert_int_equal(d.ttl, 7);
	assert_true(accepts_int(AF_INET, SOL_IP, IP_TTL, 255));
	assert_int_equal(d.ttl, 255);
	assert_false(accepts_int(AF_INET, SOL_IP, IP_TTL, 0));
	assert_false(accepts_int(AF_INET, SOL_IP, IP_TTL, 256));
	assert_false(accepts_int(AF_INET, SOL_IP, IP_TTL, -1));
	assert_true(accepts_int(AF_INET, SOL_IP, IP_TOS, 0x10));
	assert_int_equal(d.tos, 0x10);
	assert_false(accepts_int(AF_INET, SOL_IP, IP_TOS, 256));
	assert_false(accepts_int(AF_INET, SOL_IP, IP_TOS, -1));
	fresh(NULL);
	add(SOL_IP, IP_TOS, &tos, 1);
	assert_true(parse(AF_INET));
	assert_int_equal(d.tos, 0xb8);
	fresh(NULL);
	add(SOL_IP, IP_TTL, &tos, 1); /* this one must be an int */
	assert_false(parse(AF_INET));
}

static void hop_limit_and_class(void **state)
{
	(void)state;
	assert_true(accepts_int(AF_INET6, SOL_IPV6, IPV6_HOPLIMIT, 9));
	assert_int_equal(d.ttl, 9);
	assert_true(accepts_int(AF_INET6, SOL_IPV6, IPV6_TCLASS, 0xff));
	assert_int_equal(d.tos, 0xff);
	assert_false(accepts_int(AF_INET6, SOL_IPV6, IPV6_HOPLIMIT, 256));
	assert_false(accepts_int(AF_INET6, SOL_IPV6, IPV6_HOPLIMIT, -2));
	assert_false(accepts_int(AF_INET6, SOL_IPV6, IPV6_TCLASS, 256));
	assert_false(accepts_int(AF_INET6, SOL_IPV6, IPV6_DONTFRAG, 1));
	/* IPv4 messages on an IPv6 socket, and the other way round: the kernel's business. */
	assert_false(accepts_int(AF_INET6, SOL_IP, IP_TTL, 7));
	assert_false(accepts_int(AF_INET, SOL_IPV6, IPV6_HOPLIMIT, 7));
}

static void pktinfo(void **state)
{
	struct in_pktinfo info = { .ipi_ifindex = 7 };
	struct ipaddr lo = addr("127.0.0.1");

	(void)state;
	add(SOL_IP, IP_PKTINFO, &info, sizeof(info));
	assert_true(parse(AF_INET));
	assert_int_equal(more.oif, 7);
	assert_true(ipaddr_is_any(&d.source));

	fresh(NULL);
	info.ipi_ifindex = 0;
	info.ipi_spec_dst.s_addr = htonl(INADDR_LOOPBACK);
	info.ipi_addr.s_addr = htonl(0x08080808); /* not looked at when sending */
	add(SOL_IP, IP_PKTINFO, &info, sizeof(info));
	assert_true(parse(AF_INET));
	assert_int_equal(more.oif, 0);
	assert_true(ipaddr_equal(&d.source, &lo));

	fresh(NULL);
	info.ipi_spec_dst.s_addr = htonl(0x0a000063); /* nobody's */
	add(SOL_IP, IP_PKTINFO, &info, sizeof(info));
	assert_false(parse(AF_INET));

	fresh(NULL);
	add(SOL_IP, IP_PKTINFO, &info, sizeof(info) - 1);
	assert_false(parse(AF_INET));
}

static void pktinfo6(void **state)
{
	struct in6_pktinfo info = { .ipi6_ifindex = 7, .ipi6_addr = IN6ADDR_LOOPBACK_INIT };
	struct ipaddr lo = addr("::1"), mapped = addr("127.0.0.1");

	(void)state;
	d.destination = addr("2001:db8::9");
	add(SOL_IPV6, IPV6_PKTINFO, &info, sizeof(info));
	assert_true(parse(AF_INET6));
	assert_int_equal(more.oif, 7);
	assert_true(ipaddr_equal(&d.source, &lo));

	fresh(NULL);
	d.destination = addr("2001:db8::9");
	memcpy(&info.ipi6_addr, mapped.b, 16); /* an IPv4 source for an IPv6 destination */
	add(SOL_IPV6, IPV6_PKTINFO, &info, sizeof(info));
	assert_false(parse(AF_INET6));

	fresh(NULL);
	d.destination = addr("2001:db8::9");
	info.ipi6_addr = (struct in6_addr)IN6ADDR_ANY_INIT;
	add(SOL_IPV6, IPV6_PKTINFO, &info, sizeof(info));
	assert_true(parse(AF_INET6));
	assert_true(ipaddr_is_any(&d.source));
}

/* An IPv6 socket, an IPv4 destination: the rules are IPv4's, with one message of IPv6. */
static void mapped_destination(void **state)
{
	struct in6_pktinfo info = { .ipi6_ifindex = 7 };
	struct in_pktinfo info4 = { .ipi_ifindex = 8 };
	struct ipaddr lo = addr("127.0.0.1");

	(void)state;
	add_int(SOL_IPV6, IPV6_HOPLIMIT, 7);
	assert_false(parse(AF_INET6));
	fresh(NULL);
	add_int(SOL_IP, IP_TTL, 7);
	add_int(SOL_IP, IP_TOS, 8);
	assert_true(parse(AF_INET6));
	assert_int_equal(d.ttl, 7);
	assert_int_equal(d.tos, 8);
	fresh(NULL);
	info4.ipi_spec_dst.s_addr = htonl(INADDR_LOOPBACK);
	add(SOL_IP, IP_PKTINFO, &info4, sizeof(info4));
	assert_true(parse(AF_INET6));
	assert_int_equal(more.oif, 8);
	assert_true(ipaddr_equal(&d.source, &lo));

	fresh(NULL);
	memcpy(&info.ipi6_addr, lo.b, 16);
	add(SOL_IPV6, IPV6_PKTINFO, &info, sizeof(info));
	assert_true(parse(AF_INET6));
	assert_int_equal(more.oif, 7);
	assert_true(ipaddr_equal(&d.source, &lo));
	fresh(NULL);
	info.ipi6_addr.s6_addr32[3] = 0;
	add(SOL_IPV6, IPV6_PKTINFO, &info, sizeof(info));
	assert_true(parse(AF_INET6));
	assert_true(ipaddr_is_any(&d.source));
	fresh(NULL); /* EINVAL: not a mapped address */
	info.ipi6_addr = (struct in6_addr)IN6ADDR_ANY_INIT;
	add(SOL_IPV6, IPV6_PKTINFO, &info, sizeof(info));
	assert_false(parse(AF_INET6));
	fresh(NULL);
	memcpy(&info.ipi6_addr, lo.b, 16);
	add(SOL_IPV6, IPV6_PKTINFO, &info, sizeof(info) - 1);
	assert_false(parse(AF_INET6));
}

static void segment_size(void **state)
{
	static const struct {
		int family;
		const char *to;
	} where[] = { { AF_INET, "10.0.0.9" },
		      { AF_INET6, "10.0.0.9" },
		      { AF_INET6, "2001:db8::9" } };
	static const uint16_t sizes[] = { 0, 1, 1472, UINT16_MAX };
	uint16_t size = 100;

	(void)state;
	assert_true(parse(AF_INET));
	assert_int_equal(more.segment, 1000); /* the socket's, without a message */
	for (unsigned i = 0; i < COUNT(where); i++) {
		for (unsigned k = 0; k < COUNT(sizes); k++) {
			fresh(NULL);
			d.destination = addr(where[i].to);
			add(IPPROTO_UDP, UDP_SEGMENT, &sizes[k], sizeof(sizes[k]));
			assert_true(parse(where[i].family));
			assert_int_equal(more.segment, sizes[k]);
		}
		fresh(NULL);
		d.destination = addr(where[i].to);
		add_int(IPPROTO_UDP, UDP_SEGMENT,
			100); /* as the option has it, but not the message */
		assert_false(parse(where[i].family));
		fresh(NULL);
		d.destination = addr(where[i].to);
		add(IPPROTO_UDP, UDP_CORK, &size, sizeof(size));
		assert_false(parse(where[i].family));
	}
	fresh(NULL); /* among others, the last one counts */
	add(IPPROTO_UDP, UDP_SEGMENT, &sizes[1], sizeof(size));
	add_int(SOL_IP, IP_TTL, 5);
	add(IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size));
	assert_true(parse(AF_INET));
	assert_int_equal(more.segment, 100);
	assert_int_equal(d.ttl, 5);
}

static void several_messages(void **state)
{
	struct in_pktinfo info = { .ipi_ifindex = 3 };

	(void)state;
	add_int(SOL_IP, IP_TTL, 5);
	add(SOL_IP, IP_PKTINFO, &info, sizeof(info));
	add_int(SOL_IP, IP_TOS, 4);
	add_int(SOL_IP, IP_TTL, 6);
	assert_true(parse(AF_INET));
	assert_int_equal(d.ttl, 6);
	assert_int_equal(d.tos, 4);
	assert_int_equal(more.oif, 3);
	add_int(SOL_SOCKET, SO_MARK, 1); /* one that we do not know spoils them all */
	assert_false(parse(AF_INET));
}

static void others_are_the_kernels(void **state)
{
	int fd = 0;

	(void)state;
	add(SOL_SOCKET, SCM_RIGHTS, &fd, sizeof(fd));
	assert_false(parse(AF_INET));
	fresh(NULL);
	add_int(SOL_IP, IP_RETOPTS, 0);
	assert_false(parse(AF_INET));
}

static void malformed(void **state)
{
	static const size_t lengths[] = { 0, 1, 15, 21, 24, 1000, INT_MAX, SIZE_MAX, SIZE_MAX - 7 };
	int value = 7;

	(void)state;
	for (unsigned i = 0; i < COUNT(lengths); i++) {
		fresh(NULL);
		add_len(SOL_IP, IP_TTL, &value, sizeof(value), lengths[i]);
		assert_false(parse(AF_INET));
		fresh(NULL); /* ... behind a good one */
		add_int(SOL_IP, IP_TOS, 4);
		add_len(SOL_IP, IP_TTL, &value, sizeof(value), lengths[i]);
		assert_false(parse(AF_INET));
	}
	fresh(NULL); /* the last one need not be padded */
	add_int(SOL_IP, IP_TTL, 9);
	control.len = CMSG_LEN(sizeof(int));
	assert_true(parse(AF_INET));
	assert_int_equal(d.ttl, 9);
	control.len--;
	assert_false(parse(AF_INET));
}

/* Too short for a header: the kernel ignores it (CMSG_OK() is not even asked). */
static void short_rests(void **state)
{
	(void)state;
	for (size_t len = 1; len < sizeof(struct cmsghdr); len++) {
		fresh(NULL);
		memset(control.bytes, 0xff, sizeof(control.bytes));
		control.len = len;
		assert_true(parse(AF_INET));
		fresh(NULL);
		add_int(SOL_IP, IP_TTL, 9);
		memset(control.bytes + control.len, 0xff, 64);
		control.len += len;
		assert_true(parse(AF_INET));
		assert_int_equal(d.ttl, 9);
	}
}

static void bad_pointers(void **state)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct msghdr msg = { .msg_control = page + 4096, .msg_controllen = 64 };

	(void)state;
	munmap(page + 4096, 4096);
	assert_false(sendcmsg_parse(&msg, AF_INET, &d, &more));
	msg.msg_control = page + 4096 - 32;
	assert_false(sendcmsg_parse(&msg, AF_INET, &d, &more));
	msg.msg_control = NULL;
	assert_false(sendcmsg_parse(&msg, AF_INET, &d, &more));
	msg.msg_control = (void *)~15ul;
	assert_false(sendcmsg_parse(&msg, AF_INET, &d, &more));
	munmap(page, 4096);
}

/*
 * Random mutations of a valid buffer that ends where readable memory ends, as lengths lie most. The kernel's own sendmsg()
 * is the oracle for "malformed": what it refuses with EINVAL must not be accepted here.
 */
static void mutations_against_the_kernel(void **state)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
	struct iovec iov = { "x", 1 };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	uint64_t seed = 3;
	unsigned accepted = 0;

	(void)state;
	munmap(page + 4096, 4096);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (int i = 0; i < 30000; i++) {
		struct in_pktinfo info = { .ipi_ifindex = 1 };
		struct msghdr msg = {
			.msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = &iov, .msg_iovlen = 1
		};

		fresh(NULL);
		add_int(SOL_IP, IP_TTL, 5);
		add(SOL_IP, IP_PKTINFO, &info, sizeof(info));
		add_int(SOL_IP, IP_TOS, 4);
		for (unsigned n = random_next(&seed) % 3; n > 0; n--)
			control.bytes[random_next(&seed) % control.len] =
				(uint8_t)random_next(&seed);
		control.len -= random_next(&seed) % 4 ? 0 : random_next(&seed) % control.len;
		msg.msg_controllen = control.len;
		msg.msg_control = page + 4096 - control.len;
		memcpy(msg.msg_control, control.bytes, control.len);
		if (!sendcmsg_parse(&msg, AF_INET, &d, &more))
			continue;
		accepted++;
		if (sendmsg(fd, &msg, 0) != 1 && errno == EINVAL)
			fail_msg("round %d: the kernel calls it malformed", i);
	}
	assert_true(accepted > 3000);
	close(fd);
	munmap(page, 4096);
}

static int enter(void **state)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	(void)state;
	if (ioctl(fd, SIOCSIFFLAGS, &ifr) < 0 || usermem_init() || hostnet_open(NULL))
		return -1;
	close(fd);
	return 0;
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, fresh)
	const struct CMUnitTest tests[] = {
		TEST(nothing),
		TEST(ttl_and_tos),
		TEST(hop_limit_and_class),
		TEST(pktinfo),
		TEST(pktinfo6),
		TEST(mapped_destination),
		TEST(segment_size),
		TEST(several_messages),
		TEST(others_are_the_kernels),
		TEST(malformed),
		TEST(short_rests),
		TEST(bad_pointers),
		TEST(mutations_against_the_kernel),
	};

	if (unshare(CLONE_NEWNET) < 0) {
		puts("network namespaces need root");
		return 77;
	}
	return cmocka_run_group_tests(tests, enter, NULL);
}
