/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_cmsg.c - name and control messages of a received datagram, byte by byte as the kernel writes them.
 *
 * A datagram goes over lo, in a network namespace, to a kernel socket with some options set. What recvmsg() gives for it is
 * the reference; the same packet made by hand goes through cmsg_fill(), with the options that sockopt_read() sees.
 * Both write into buffers of every size, prefilled with the same pattern.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/net_tstamp.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "stack/sockopt.h"
#include "stack/usermem.h"
#include "tests/unit/test_stack.h"

#define ROOM 512
#define PATTERN 0xa5
#define STAMPING (SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE)

enum path { V4, V6, DUAL, PATHS };

static const struct option {
	int level, name, value;
	bool six;
} options[] = {
	{ SOL_SOCKET, 29, 1, false },
	{ SOL_SOCKET, 35, 1, false },
	{ SOL_SOCKET, 63, 1, false },
	{ SOL_SOCKET, 64, 1, false },
	{ SOL_SOCKET, 37, STAMPING, false },
	{ SOL_SOCKET, 65, STAMPING, false },
	{ SOL_SOCKET, SO_RXQ_OVFL, 1, false },
	{ SOL_IP, IP_PKTINFO, 1, false },
	{ SOL_IP, IP_RECVTTL, 1, false },
	{ SOL_IP, IP_RECVTOS, 1, false },
	{ SOL_IP, IP_RECVORIGDSTADDR, 1, false },
	{ SOL_IPV6, IPV6_RECVPKTINFO, 1, true },
	{ SOL_IPV6, IPV6_RECVHOPLIMIT, 1, true },
	{ SOL_IPV6, IPV6_RECVTCLASS, 1, true },
	{ SOL_IPV6, 11, 1, true },
	{ SOL_IPV6, IPV6_RECVORIGDSTADDR, 1, true },
};
#define STAMPS 6u /* of the above; at most one is set at a time */

struct answer {
	struct msghdr msg;
	uint8_t control[ROOM];
	struct sockaddr_storage name;
};

static int to, from, keep_stamps_on;
static enum path path;
static struct sock s;
static struct loose_dgram hand;
static struct answer kernel, ours;

static void set(int fd, int level, int name, int value)
{
	if (setsockopt(fd, level, name, &value, sizeof(value)) < 0)
		fail_msg("option %d/%d: %s", level, name, strerror(errno));
}

static socklen_t local_name(struct sockaddr_storage *ss, enum path p)
{
	struct ipaddr a = addr(p == V6 ? "::1" : "127.0.0.1");
	struct sockaddr_in *in = (void *)ss;
	struct sockaddr_in6 *in6 = (void *)ss;

	memset(ss, 0, sizeof(*ss));
	if (p == V4) {
		in->sin_family = AF_INET;
		in->sin_addr.s_addr = ipaddr_v4(&a);
		return sizeof(*in);
	}
	in6->sin6_family = AF_INET6;
	memcpy(&in6->sin6_addr, a.b, 16);
	return sizeof(*in6);
}

static uint16_t port_of(int fd)
{
	struct sockaddr_in6 in6;
	socklen_t len = sizeof(in6);

	assert_int_equal(getsockname(fd, (void *)&in6, &len), 0);
	return in6.sin6_port;
}

/* A receiver with the options in @mask, and a sender connected to it. */
static void open_pair(enum path p, uint32_t mask)
{
	struct sockaddr_storage ss;
	socklen_t len;

	path = p;
	to = socket(p == V4 ? AF_INET : AF_INET6, SOCK_DGRAM, 0);
	from = socket(p == V6 ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);
	for (unsigned i = 0; i < COUNT(options); i++)
		if (mask & (1u << i) && !(options[i].six && p == V4))
			set(to, options[i].level, options[i].name, options[i].value);
	len = local_name(&ss, p);
	assert_int_equal(bind(to, (void *)&ss, len), 0);
	len = local_name(&ss, p == V6 ? V6 : V4);
	((struct sockaddr_in *)&ss)->sin_port = port_of(to);
	assert_int_equal(connect(from, (void *)&ss, len), 0);
	set(from, SOL_IP, IP_TTL, 41);
	set(from, SOL_IP, IP_TOS, 0x48);
	if (p == V6) {
		set(from, SOL_IPV6, IPV6_UNICAST_HOPS, 42);
		set(from, SOL_IPV6, IPV6_TCLASS, 0x5c);
	}
	sock_make(&s, p == V4 ? AF_INET : AF_INET6, NULL, 0, NULL, 0);
	assert_null(sockopt_read(&s, to, SOCKOPT_ALL, 0));
}

static void close_pair(void)
{
	close(to);
	close(from);
}

static void prepare(struct answer *a, struct iovec *iov, size_t room, socklen_t namelen)
{
	memset(a->control, PATTERN, sizeof(a->control));
	memset(&a->name, PATTERN, sizeof(a->name));
	memset(&a->msg, 0, sizeof(a->msg));
	a->msg.msg_name = &a->name;
	a->msg.msg_namelen = namelen;
	a->msg.msg_control = a->control;
	a->msg.msg_controllen = room;
	a->msg.msg_iov = iov;
	a->msg.msg_iovlen = 1;
}

static void ask_kernel(size_t room, socklen_t namelen, int flags)
{
	char text[16];
	struct iovec iov = { text, sizeof(text) };

	prepare(&kernel, &iov, room, namelen);
	assert_int_equal(recvmsg(to, &kernel.msg, MSG_DONTWAIT | flags), 5);
}

static void ask_ours(size_t room, socklen_t namelen)
{
	prepare(&ours, NULL, room, namelen);
	cmsg_fill(&s, &hand.d, &ours.msg);
	assert_int_equal(cmsg_fill_name(&s, &hand.d, &ours.msg), 0);
}

static void dump(const char *who, const struct answer *a)
{
	print_message("%s: controllen %zu flags %x\n", who, a->msg.msg_controllen,
		      (unsigned)a->msg.msg_flags);
	for (unsigned i = 0; i < 200; i++)
		print_message("%02x%s", a->control[i], i % 16 == 15 ? "\n" : " ");
	print_message("\n");
}

static void compare(const char *what, uint32_t mask, size_t room)
{
	if (ours.msg.msg_controllen == kernel.msg.msg_controllen &&
	    ours.msg.msg_flags == kernel.msg.msg_flags &&
	    ours.msg.msg_namelen == kernel.msg.msg_namelen &&
	    memcmp(ours.control, kernel.control, ROOM) == 0 &&
	    memcmp(&ours.name, &kernel.name, sizeof(ours.name)) == 0)
		return;
	dump("kernel", &kernel);
	dump("ours", &ours);
	fail_msg("%s, path %d, options %x, room %zu", what, path, mask, room);
}

/* What cannot be known beforehand is copied from the reference: the stamp and the flow label. */
static void learn(void)
{
	struct timespec ts;
	struct timeval tv;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(&kernel.msg); c; c = CMSG_NXTHDR(&kernel.msg, c)) {
		if (c->cmsg_level == SOL_IPV6 && c->cmsg_type == 11) {
			memcpy(hand.d.l3, CMSG_DATA(c), 4);
			hand.d.l3[0] |= 0x60;
		}
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == 29 || c->cmsg_type == 63) {
			memcpy(&tv, CMSG_DATA(c), sizeof(tv));
			hand.d.stamp =
				(uint64_t)tv.tv_sec * 1000000000ull + (uint64_t)tv.tv_usec * 1000;
		} else if (c->cmsg_type != SO_RXQ_OVFL) {
			memcpy(&ts, CMSG_DATA(c), sizeof(ts));
			hand.d.stamp = (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
		}
	}
}

static void make_by_hand(void)
{
	const char *ip = path == V6 ? "::1" : "127.0.0.1";

	loose_make(&hand, ip, ntohs(port_of(from)), ip, ntohs(port_of(to)), "hello", 5);
	hand.d.ifindex = 1;
	hand.d.pktinfo_if = s.want & (WANT_PKTINFO | WANT6_PKTINFO) ? 1 : 0;
	if (path == V6) {
		hand.d.l3[0] = 0x60 | 0x5c >> 4;
		hand.d.l3[1] = (0x5c & 15) << 4;
		hand.d.l3[7] = 42;
	} else {
		hand.d.l3[1] = 0x48;
		hand.d.l3[8] = 41;
	}
}

static void one_set_of_options(enum path p, uint32_t mask, size_t step)
{
	open_pair(p, mask);
	assert_int_equal(send(from, "hello", 5, 0), 5);
	make_by_hand();
	ask_kernel(ROOM, sizeof(kernel.name), MSG_PEEK);
	learn();
	for (size_t room = 0; room < 260; room += step) {
		ask_kernel(room, sizeof(kernel.name), MSG_PEEK);
		ask_ours(room, sizeof(ours.name));
		compare("control", mask, room);
	}
	for (socklen_t len = 0; len <= 40; len++) {
		ask_kernel(ROOM, len, MSG_PEEK);
		ask_ours(ROOM, len);
		compare("name", mask, len);
	}
	close_pair();
}

static void no_option(void **state)
{
	(void)state;
	for (enum path p = V4; p < PATHS; p++)
		one_set_of_options(p, 0, 1);
}

static void each_option_in_every_room(void **state)
{
	(void)state;
	for (enum path p = V4; p < PATHS; p++)
		for (unsigned i = 0; i < COUNT(options); i++)
			if (i != 5)
				one_set_of_options(p, 1u << i, 1);
}

static void timestamping_in_its_new_form(void **state)
{
	(void)state;
	for (enum path p = V4; p < PATHS; p++)
		one_set_of_options(p, 1u << 5, 1);
}

static void random_sets_of_options(void **state)
{
	uint64_t seed = 5;

	(void)state;
	for (int i = 0; i < 300; i++) {
		uint32_t mask = random_next(&seed) << STAMPS & ((1u << COUNT(options)) - 1);

		if (i % 3)
			mask |= 1u << random_next(&seed) % (STAMPS - 1);
		one_set_of_options((enum path)(i % PATHS), mask, 1 + (size_t)i % 7);
	}
}

static void everything_at_once(void **state)
{
	(void)state;
	for (enum path p = V4; p < PATHS; p++)
		one_set_of_options(p, 0xffc2, 1);
}

/* Old stamps in seconds together with SO_TIMESTAMPING: both are given. */
static void two_kinds_of_stamps(void **state)
{
	(void)state;
	one_set_of_options(V4, 1u << 1 | 1u << 4, 1);
	one_set_of_options(V6, 1u << 1 | 1u << 4, 1);
}

/* The receive buffer overflowed: the number of lost ones stands between the stamp and the rest. */
static void with_lost_ones(void **state)
{
	(void)state;
	for (enum path p = V4; p < PATHS; p++) {
		unsigned n = 0;

		open_pair(p, 1u << 1 | 1u << 6 | 1u << 8 | 1u << 7);
		set(to, SOL_SOCKET, SO_RCVBUF, 1);
		for (int i = 0; i < 40; i++)
			send(from, "hello", 5, 0);
		while (recv(to, &kernel, sizeof(kernel), MSG_DONTWAIT) == 5)
			n++;
		assert_in_range(n, 1, 39);
		send(from, "hello", 5, 0);
		make_by_hand();
		hand.d.dropped = 40 - n;
		ask_kernel(ROOM, sizeof(kernel.name), MSG_PEEK);
		learn();
		for (size_t room = 0; room < 200; room++) {
			ask_kernel(room, sizeof(kernel.name), MSG_PEEK);
			ask_ours(room, sizeof(ours.name));
			compare("lost", 0, room);
		}
		close_pair();
	}
}

/* Neither name nor control asked for. */
static void null_pointers(void **state)
{
	char text[16];
	struct iovec iov = { text, sizeof(text) };

	(void)state;
	for (int want = 0; want < 2; want++) {
		open_pair(V4, want ? 1u << 8 : 0);
		send(from, "hello", 5, 0);
		make_by_hand();
		for (int i = 0; i < 4; i++) {
			struct msghdr k = { .msg_iov = &iov,
					    .msg_iovlen = 1,
					    .msg_name = i & 1 ? &kernel.name : NULL,
					    .msg_namelen = 77,
					    .msg_control = i & 2 ? kernel.control : NULL,
					    .msg_controllen = 100 };
			struct msghdr o = k;

			o.msg_name = i & 1 ? &ours.name : NULL;
			o.msg_control = i & 2 ? ours.control : NULL;
			assert_int_equal(recvmsg(to, &k, MSG_PEEK), 5);
			cmsg_fill(&s, &hand.d, &o);
			assert_int_equal(o.msg_name ? cmsg_fill_name(&s, &hand.d, &o) : 0, 0);
			assert_int_equal(o.msg_namelen, k.msg_namelen);
			assert_int_equal(o.msg_controllen, k.msg_controllen);
			assert_int_equal(o.msg_flags, k.msg_flags);
		}
		close_pair();
	}
}

static void bad_pointers(void **state)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	munmap(page + 4096, 4096);
	open_pair(V4, 1u << 8);
	make_by_hand();
	prepare(&ours, NULL, 100, sizeof(ours.name));
	ours.msg.msg_control = page + 4096;
	cmsg_fill(&s, &hand.d, &ours.msg);
	assert_int_equal(ours.msg.msg_controllen, 0); /* left out, and the call succeeds */
	prepare(&ours, NULL, 100, sizeof(ours.name));
	ours.msg.msg_control = page + 4096 - 10;
	cmsg_fill(&s, &hand.d, &ours.msg);
	assert_int_equal(ours.msg.msg_controllen, 0);
	prepare(&ours, NULL, 100, 128);
	ours.msg.msg_name = page + 4096 - 8;
	assert_int_equal(cmsg_fill_name(&s, &hand.d, &ours.msg), -EFAULT);
	assert_int_equal(ours.msg.msg_namelen, 16);
	ours.msg.msg_namelen = 8; /* as much as fits is written: fine */
	assert_int_equal(cmsg_fill_name(&s, &hand.d, &ours.msg), 0);
	assert_int_equal(ours.msg.msg_namelen, 16);
	close_pair();
	munmap(page, 4096);
}

/*
 * A datagram that came before anybody wanted stamps has none: the kernel gives the present time then
 * (__sock_recv_timestamp()), never 1970.
 */
static void datagram_without_a_stamp(void **state)
{
	struct timespec now, got = { 0, 0 };
	struct cmsghdr *c;

	(void)state;
	open_pair(V4, 1u << 1);
	make_by_hand();
	hand.d.stamp = 0;
	ask_ours(ROOM, sizeof(ours.name));
	clock_gettime(CLOCK_REALTIME, &now);
	c = CMSG_FIRSTHDR(&ours.msg);
	if (c)
		memcpy(&got, CMSG_DATA(c), sizeof(got));
	close_pair();
	assert_non_null(c);
	assert_int_equal(c->cmsg_type, 35);
	assert_in_range(got.tv_sec, now.tv_sec - 2, now.tv_sec + 2);
}

#define SECOND 1000000000ull
#define HARDWARE (1700000037 * SECOND + 5)
#define SYSTEM (1700000000 * SECOND + 7)

/* The control messages of ours, in words: their types and the stamps in them. */
static const char *stamps_told(void)
{
	static char text[200];
	struct timespec ts[3];
	uint32_t info[4];
	size_t n = 0;

	text[0] = '\0';
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&ours.msg); c; c = CMSG_NXTHDR(&ours.msg, c)) {
		bool stamping = c->cmsg_type == 37 || c->cmsg_type == 65;

		assert_int_equal(c->cmsg_level, SOL_SOCKET);
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%d", n ? " " : "",
				      c->cmsg_type);
		memset(ts, 0, sizeof(ts));
		memcpy(info, CMSG_DATA(c), sizeof(info));
		memcpy(ts, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
		if (c->cmsg_type == 58) {
			n += (size_t)snprintf(text + n, sizeof(text) - n, " if %u len %u", info[0],
					      info[1]);
			assert_true(!info[2] && !info[3]);
			continue;
		}
		assert_int_equal(c->cmsg_len, CMSG_LEN(stamping ? sizeof(ts) : sizeof(ts[0])));
		assert_true(!ts[1].tv_sec && !ts[1].tv_nsec);
		if ((uint64_t)ts[0].tv_sec * SECOND + (uint64_t)ts[0].tv_nsec == SYSTEM)
			n += (size_t)snprintf(text + n, sizeof(text) - n, " sw");
		else
			assert_true(!ts[0].tv_sec && !ts[0].tv_nsec);
		if ((uint64_t)ts[2].tv_sec * SECOND + (uint64_t)ts[2].tv_nsec == HARDWARE)
			n += (size_t)snprintf(text + n, sizeof(text) - n, " hw");
		else
			assert_true(!ts[2].tv_sec && !ts[2].tv_nsec);
	}
	return text;
}

/* What is there of a datagram that the NIC has stamped: the kernel that runs this has no such NIC to compare with. */
static void hardware_stamps(void **state)
{
	static const struct {
		int name;
		uint32_t flags; /* of SO_TIMESTAMPING */
		bool stamped;
		const char *expect;
	} cases[] = {
		{ 37, SOF_TIMESTAMPING_RAW_HARDWARE | SOF_TIMESTAMPING_RX_HARDWARE, true, "37 hw" },
		{ 65, SOF_TIMESTAMPING_RAW_HARDWARE | SOF_TIMESTAMPING_RX_HARDWARE, true, "65 hw" },
		{ 37, SOF_TIMESTAMPING_RAW_HARDWARE, true, "37 hw" },
		{ 37, SOF_TIMESTAMPING_RX_HARDWARE, true, "" },
		{ 37, SOF_TIMESTAMPING_RAW_HARDWARE, false, "" },
		{ 37, SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE, true, "37 sw" },
		{ 37, SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RAW_HARDWARE, true, "37 sw hw" },
		{ 37, SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RAW_HARDWARE, false, "37 sw" },
		{ 37, SOF_TIMESTAMPING_RAW_HARDWARE | SOF_TIMESTAMPING_OPT_PKTINFO, true,
		  "58 if 1 len 47 37 hw" },
		{ 37, SOF_TIMESTAMPING_RAW_HARDWARE | SOF_TIMESTAMPING_OPT_PKTINFO, false, "" },
		{ 37, SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_PKTINFO, true, "37 sw" },
	};

	(void)state;
	for (unsigned i = 0; i < COUNT(cases); i++) {
		open_pair(V4, 0);
		set(to, SOL_SOCKET, cases[i].name, (int)cases[i].flags);
		assert_null(sockopt_read(&s, to, SOL_SOCKET, cases[i].name));
		make_by_hand();
		hand.d.stamp = SYSTEM | (cases[i].stamped ? DGRAM_HWSTAMP : 0);
		hand.d.hwstamp = HARDWARE;
		ask_ours(ROOM, sizeof(ours.name));
		assert_string_equal(stamps_told(), cases[i].expect);
		close_pair();
	}
}

/* SO_TIMESTAMPNS with it: the same stamp of the system, never the NIC's; and a buffer that ends in the middle. */
static void hardware_stamps_beside_others(void **state)
{
	(void)state;
	open_pair(V4, 1u << 1);
	set(to, SOL_SOCKET, 37,
	    SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_RAW_HARDWARE | SOF_TIMESTAMPING_OPT_PKTINFO);
	assert_null(sockopt_read(&s, to, SOL_SOCKET, 37));
	make_by_hand();
	hand.d.stamp = SYSTEM | DGRAM_HWSTAMP;
	hand.d.hwstamp = HARDWARE;
	ask_ours(ROOM, sizeof(ours.name));
	assert_string_equal(stamps_told(), "35 sw 58 if 1 len 47 37 sw hw");
	assert_int_equal(ours.msg.msg_flags, 0);
	ask_ours(CMSG_SPACE(16) + CMSG_SPACE(16) + CMSG_LEN(20), sizeof(ours.name));
	assert_int_equal(ours.msg.msg_flags, MSG_CTRUNC);
	assert_int_equal(ours.msg.msg_controllen, CMSG_SPACE(16) + CMSG_SPACE(16) + CMSG_LEN(20));
	close_pair();
}

/* A namespace of our own with lo up; and stamps on for everything, which takes the kernel a moment. */
static int enter(void **state)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };

	(void)state;
	keep_stamps_on = socket(AF_INET, SOCK_DGRAM, 0);
	set(keep_stamps_on, SOL_SOCKET, SO_TIMESTAMPNS, 1);
	usleep(100000);
	usermem_init();
	return ioctl(keep_stamps_on, SIOCSIFFLAGS, &ifr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_option),
		cmocka_unit_test(each_option_in_every_room),
		cmocka_unit_test(timestamping_in_its_new_form),
		cmocka_unit_test(random_sets_of_options),
		cmocka_unit_test(everything_at_once),
		cmocka_unit_test(two_kinds_of_stamps),
		cmocka_unit_test(with_lost_ones),
		cmocka_unit_test(null_pointers),
		cmocka_unit_test(bad_pointers),
		cmocka_unit_test(datagram_without_a_stamp),
		cmocka_unit_test(hardware_stamps),
		cmocka_unit_test(hardware_stamps_beside_others),
	};

	if (unshare(CLONE_NEWNET) < 0) {
		puts("network namespaces need root");
		return 77;
	}
	return cmocka_run_group_tests(tests, enter, NULL);
}
