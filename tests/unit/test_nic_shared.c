/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_nic_shared.c - NIC_FLOW_SHARED: the XDP program takes what the kernel would give to a socket
 * of ours, and nothing else of the port's.
 *
 * Kernel sockets are made in a network namespace of this process; frames go through
 * BPF_PROG_TEST_RUN, which looks sockets up in that namespace as if they came in by its loopback
 * device. Whose a socket is does not show in a look-up, so one process plays all parts. First with a
 * program that does not know where the kernel keeps a socket's cookie, then with one that does.
 */
#define _GNU_SOURCE
#include <sched.h>

#include "nic/xdp/xdp_cookie.c"
#include "tests/unit/test_nic_prog.h"

#define V4 NIC_FLOW_V4
#define V6 NIC_FLOW_V6

static int fds[16];
static unsigned fd_count;

static socklen_t sockaddr_of(int family, const char *text, uint16_t port, struct sockaddr_in6 *out)
{
	struct sockaddr_in *in = (struct sockaddr_in *)out;

	memset(out, 0, sizeof(*out));
	if (family == AF_INET) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		assert_int_equal(inet_pton(AF_INET, text ? text : "0.0.0.0", &in->sin_addr), 1);
		return sizeof(*in);
	}
	out->sin6_family = AF_INET6;
	out->sin6_port = htons(port);
	assert_int_equal(inet_pton(AF_INET6, text ? text : "::", &out->sin6_addr), 1);
	return sizeof(*out);
}

/* A socket on port 53 as server programs make them; closed after the test. */
static int bound_by(int option, int family, const char *local, const char *device)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0), on = 1, off = 0;
	struct sockaddr_in6 sa;
	socklen_t len = sockaddr_of(family, local, 53, &sa);

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, option, &on, sizeof(on)), 0);
	if (family == AF_INET6)
		assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)), 0);
	if (device)
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device,
					    (socklen_t)strlen(device) + 1),
				 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	fds[fd_count++] = fd;
	return fd;
}

static int bound(int family, const char *local, const char *device)
{
	return bound_by(SO_REUSEADDR, family, local, device);
}

static int connected(int family, const char *local, const char *remote, uint16_t port)
{
	int fd = bound(family, local, NULL);
	struct sockaddr_in6 sa;
	socklen_t len = sockaddr_of(family, remote, port, &sa);

	assert_int_equal(connect(fd, (struct sockaddr *)&sa, len), 0);
	return fd;
}

/* Closes the sockets from the @first on. */
static void close_from(unsigned first)
{
	while (fd_count > first)
		close(fds[--fd_count]);
}

static void flow(const char *local, const char *remote, uint8_t families, uint8_t flags)
{
	struct nic_flow rule = flow_of(local, 53, remote, remote ? 1000 : 0);

	rule.families = families;
	rule.flags = flags;
	assert_int_equal(steer_map_flow(map, &rule, true), 0);
}

static bool from(const char *remote, uint16_t port)
{
	frame_make(&f, mac, remote, port, strchr(remote, ':') ? "fd00::1" : "10.0.0.1", 53,
		   FRAME_PAYLOAD);
	return taken();
}

static bool taken4(void)
{
	return from("10.0.0.9", 1000);
}

static bool taken6(void)
{
	return from("fd00::9", 1000);
}

static int setup(void **state)
{
	(void)state;
	fresh_map();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close_from(0);
	return 0;
}

static void an_unshared_port_is_not_asked_for(void **state)
{
	(void)state;
	flow(NULL, NULL, V4 | V6, 0);
	assert_true(taken4() && taken6());
	bound(AF_INET, "10.0.0.1", NULL);
	assert_true(taken4() && taken6());
}

static void without_a_socket_frames_pass(void **state)
{
	(void)state;
	flow(NULL, NULL, V4 | V6, NIC_FLOW_SHARED);
	assert_false(taken4() || taken6());
	bound(AF_INET6, NULL, NULL);
	assert_true(taken4() && taken6());
	close_from(0);
	assert_false(taken4() || taken6());
}

static void a_more_specific_address_keeps_its_datagrams(void **state)
{
	(void)state;
	flow(NULL, NULL, V4 | V6, NIC_FLOW_SHARED);
	bound(AF_INET6, NULL, NULL);
	bound(AF_INET, "10.0.0.1", NULL);
	assert_false(taken4());
	assert_true(taken6());
	bound(AF_INET6, "fd00::1", NULL);
	assert_false(taken6());
	close_from(1);
	bound(AF_INET6, "::ffff:10.0.0.1", NULL);
	assert_false(taken4());
	close_from(1);
	assert_true(taken4() && taken6());
}

static void a_connected_socket_keeps_its_peer(void **state)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	int fd;

	(void)state;
	flow(NULL, NULL, V4 | V6, NIC_FLOW_SHARED);
	flow("10.0.0.1", NULL, 0, NIC_FLOW_SHARED);
	bound(AF_INET6, NULL, NULL);
	fd = connected(AF_INET, NULL, "10.0.0.9", 1000);
	connected(AF_INET6, NULL, "fd00::9", 1000);
	assert_false(taken4() || taken6());
	assert_true(from("10.0.0.9", 1001) && from("10.0.0.8", 1000));
	assert_true(from("fd00::9", 1001) && from("fd00::8", 1000));
	assert_int_equal(connect(fd, &none, sizeof(none)), 0);
	assert_false(taken4()); /* AF_INET beside our dual-stack one: now a wildcard, see below */
	close_from(1);
	connected(AF_INET6, NULL, "::ffff:10.0.0.9", 1000);
	assert_false(taken4());
	assert_true(taken6());
}

static void the_family_is_part_of_a_wildcard(void **state)
{
	(void)state;
	flow(NULL, NULL, V4 | V6, NIC_FLOW_SHARED);
	bound(AF_INET6, NULL, NULL);
	bound(AF_INET, NULL, NULL);
	assert_false(taken4());
	assert_true(taken6());
	flow(NULL, NULL, V4, NIC_FLOW_SHARED);
	assert_true(taken4());
	close_from(0);
	fresh_map();
	flow(NULL, NULL, V4, NIC_FLOW_SHARED);
	bound(AF_INET6, NULL, NULL);
	assert_false(taken4() || taken6());
}

static void a_local_rule_takes_its_own_only(void **state)
{
	(void)state;
	flow("10.0.0.1", NULL, 0, NIC_FLOW_SHARED);
	flow("fd00::1", NULL, 0, NIC_FLOW_SHARED);
	bound(AF_INET6, NULL, NULL);
	assert_false(taken4() || taken6());
	bound(AF_INET, "10.0.0.1", NULL);
	bound(AF_INET6, "fd00::1", NULL);
	assert_true(taken4() && taken6());
	connected(AF_INET, "10.0.0.1", "10.0.0.9", 1000);
	connected(AF_INET6, "fd00::1", "fd00::9", 1000);
	assert_false(taken4() || taken6());
	assert_true(from("10.0.0.9", 1001) && from("fd00::9", 1001));
	close_from(1);
	bound(AF_INET6, "::ffff:10.0.0.1", NULL);
	assert_true(taken4());
}

static void a_connected_rule_takes_its_own_only(void **state)
{
	(void)state;
	flow("10.0.0.1", "10.0.0.9", 0, NIC_FLOW_SHARED);
	flow("fd00::1", "fd00::9", 0, NIC_FLOW_SHARED);
	bound(AF_INET6, NULL, NULL);
	bound(AF_INET, "10.0.0.1", NULL);
	assert_false(taken4() || taken6());
	connected(AF_INET, NULL, "10.0.0.9", 1000);
	connected(AF_INET6, NULL, "fd00::9", 1000);
	assert_true(taken4() && taken6());
	assert_false(from("10.0.0.9", 1001) || from("fd00::9", 1001));
}

/* A server of ours with a socket for each session beside its wildcard, and a foreign session. */
static void all_kinds_of_one_port(void **state)
{
	(void)state;
	flow(NULL, NULL, V4, NIC_FLOW_SHARED);
	flow("10.0.0.1", "10.0.0.9", 0, NIC_FLOW_SHARED);
	bound(AF_INET, NULL, NULL);
	assert_true(from("10.0.0.8", 1000));
	assert_true(taken4()); /* our own wildcard still has it */
	connected(AF_INET, NULL, "10.0.0.9", 1000);
	connected(AF_INET, NULL, "10.0.0.7", 1000);
	assert_true(taken4());
	assert_true(from("10.0.0.8", 1000));
	assert_false(from("10.0.0.7", 1000));
}

static void a_device_is_more_specific(void **state)
{
	(void)state;
	flow(NULL, NULL, V4, NIC_FLOW_SHARED);
	bound(AF_INET, NULL, NULL);
	assert_true(taken4());
	bound(AF_INET, NULL, "lo");
	assert_false(taken4());
	flow(NULL, NULL, V4, NIC_FLOW_SHARED | NIC_FLOW_DEVICE);
	assert_true(taken4());
}

static uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len), 0);
	return cookie;
}

static void own(int fd, bool on)
{
	assert_int_equal(steer_host_owns(host, cookie_of(fd), on), 0);
}

static void the_cookie_is_compared(void **state)
{
	int ours, other;

	(void)state;
	flow(NULL, NULL, V4 | V6, NIC_FLOW_SHARED);
	ours = bound(AF_INET6, NULL, NULL);
	assert_false(taken4() || taken6()); /* nobody has named it */
	own(ours, true);
	assert_true(taken4() && taken6());
	other = bound(AF_INET6, NULL, NULL);
	assert_false(taken4() || taken6()); /* of the same shape, without a cookie */
	cookie_of(other);
	assert_false(taken4() || taken6());
	own(other, true);
	assert_true(taken4() && taken6());
	own(ours, false);
	assert_true(taken4() && taken6());
	close_from(1);
	assert_false(taken4() || taken6());
}

static void cookies_are_counted(void **state)
{
	int ours;

	(void)state;
	flow(NULL, NULL, V4, NIC_FLOW_SHARED);
	ours = bound(AF_INET, NULL, NULL);
	own(ours, true);
	own(ours, true);
	own(ours, false);
	assert_true(taken4());
	own(ours, false);
	assert_false(taken4());
	assert_int_equal(steer_host_owns(host, cookie_of(ours), false), -ENOENT);
}

/* Without a rule for it, a socket of ours gets nothing. */
static void a_rule_is_needed_too(void **state)
{
	(void)state;
	flow("10.0.0.1", "10.0.0.8", 0, NIC_FLOW_SHARED);
	own(bound(AF_INET, NULL, NULL), true);
	assert_false(taken4());
	own(connected(AF_INET, NULL, "10.0.0.8", 1000), true);
	assert_true(from("10.0.0.8", 1000));
	assert_false(taken4());
}

/* Each flow of a group is taken if and only if the kernel has chosen ours. */
static void a_group_is_divided(void **state)
{
	unsigned n[3] = { 0 };

	(void)state;
	flow(NULL, NULL, V4 | V6, NIC_FLOW_SHARED);
	for (int i = 0; i < 2; i++)
		bound_by(SO_REUSEPORT, AF_INET6, NULL, NULL);
	for (uint16_t port = 1000; port < 1200; port++) {
		bool four[2], six[2];

		for (int i = 0; i < 2; i++) {
			own(fds[i], true);
			four[i] = from("10.0.0.9", port);
			six[i] = from("fd00::9", port);
			own(fds[i], false);
			n[i] += four[i] + six[i];
		}
		assert_true(four[0] != four[1] && six[0] != six[1]);
	}
	assert_true(n[0] > 100 && n[1] > 100);
}

/* For people. */
static void show_cost(void **state)
{
	uint32_t plain, asked, passed;

	(void)state;
	own(bound(AF_INET6, NULL, NULL), true);
	flow(NULL, NULL, V4 | V6, 0);
	assert_true(taken4());
	run_frame(&f, f.len, 100000, &plain);
	flow(NULL, NULL, V4 | V6, NIC_FLOW_SHARED);
	run_frame(&f, f.len, 100000, &asked);
	bound(AF_INET, "10.0.0.1", NULL);
	run_frame(&f, f.len, 100000, &passed);
	printf("# ns per frame: unshared %u, shared %u, another's %u\n", plain, asked, passed);
}

/* Addresses to bind to and a route to connect by, in a namespace of our own. */
static bool lay_out(void)
{
	return unshare(CLONE_NEWNET) == 0 &&
	       system("PATH=$PATH:/usr/sbin:/sbin; ip link set lo up && "
		      "ip addr add 10.0.0.1/24 dev lo && ip addr add fd00::1/64 dev lo nodad") == 0;
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void the_place_is_found(void **state)
{
	uint64_t begun = clock_ns();

	(void)state;
	assert_in_range(xdp_cookie_index(), 1, COOKIE_WORDS - 1);
	printf("# finding the cookie took %u us\n", (unsigned)((clock_ns() - begun) / 1000));
	assert_int_equal(xdp_cookie_index(), cookie_index);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(an_unshared_port_is_not_asked_for),
		CASE(without_a_socket_frames_pass),
		CASE(a_more_specific_address_keeps_its_datagrams),
		CASE(a_connected_socket_keeps_its_peer),
		CASE(the_family_is_part_of_a_wildcard),
		CASE(a_local_rule_takes_its_own_only),
		CASE(a_connected_rule_takes_its_own_only),
		CASE(all_kinds_of_one_port),
		CASE(a_device_is_more_specific),
		CASE(show_cost),
	};
	const struct CMUnitTest exact[] = {
		CASE(the_place_is_found),   CASE(the_cookie_is_compared), CASE(cookies_are_counted),
		CASE(a_rule_is_needed_too), CASE(a_group_is_divided),	  CASE(show_cost),
	};
	int status = program_open();

	if (status)
		return status;
	if (!lay_out()) {
		printf("no network namespace can be made here\n");
		return 77;
	}
	status = cmocka_run_group_tests_name("by shape", tests, NULL, NULL);
	program_close();
	cookie_index = xdp_cookie_index();
	status = status || program_open() ||
		 cmocka_run_group_tests_name("by cookie", exact, NULL, NULL);
	program_close();
	return status;
}
