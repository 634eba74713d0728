/* SPDX-License-Identifier: BSD-3-Clause */
/* test_hwstamp.c - who gives hardware stamps: which drivers can, which do at the moment, and whose only the kernel has. */
#define _GNU_SOURCE
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/clock.h"
#include "stack/hostnet.h"
#include "stack/hwstamp.h"
#include "stack/stack.h"
#include "tests/unit/test_stamping.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static bool entered; /* there is a namespace with an interface, and a driver for it */
static struct nic nic;
static struct engine engine;
static struct iface iface = { .nic = &nic, .engines = 1, .engine = { &engine } };
static int fd;

static void test_filters(void **state)
{
	(void)state;
	assert_false(hwstamp_filters(0));
	assert_false(hwstamp_filters(1u << HWTSTAMP_FILTER_NONE));
	assert_true(hwstamp_filters(1u << HWTSTAMP_FILTER_ALL));
	assert_true(hwstamp_filters(1u << HWTSTAMP_FILTER_NONE | 1u << HWTSTAMP_FILTER_ALL));
	assert_true(hwstamp_filters(1u << HWTSTAMP_FILTER_NONE | 1u << HWTSTAMP_FILTER_PTP_V2_EVENT));
}

/* No link is known: nothing can stamp, whatever the descriptor. */
static void test_no_links(void **state)
{
	(void)state;
	assert_false(hwstamp_kernels_only(-1, 1, false));
}

static void begin(void)
{
	if (!entered)
		skip();
	assert_int_equal(hostnet_open(NULL), 0);
	stack.iface[0] = &iface;
	stack.ifaces = 1;
	nic.ifindex = (int)if_nametoindex("kbs0");
}

static void test_whose(void **state)
{
	static const struct {
		uint32_t possible, flags, ifaces;
		bool phc, kernels;
	} cases[] = {
		{ 0, 0, 1, false, false },
		{ 1u << HWTSTAMP_FILTER_NONE, 0, 1, false, false },
		{ 1u << HWTSTAMP_FILTER_ALL, 0, 1, false, true },
		{ 1u << HWTSTAMP_FILTER_ALL, 0, 2, false, false }, /* by another interface */
		{ 1u << HWTSTAMP_FILTER_ALL, NIC_F_HW_STAMPS, 1, false, false },
		{ 1u << HWTSTAMP_FILTER_ALL, NIC_F_HW_STAMPS, 1, true, true },
		{ 0, NIC_F_HW_STAMPS, 1, true, false },
	};

	(void)state;
	begin();
	for (unsigned i = 0; i < COUNT(cases); i++) {
		stamping_possible = cases[i].possible;
		nic.flags = cases[i].flags;
		assert_int_equal(hwstamp_kernels_only(fd, cases[i].ifaces, cases[i].phc),
				 cases[i].kernels);
	}
	hostnet_close();
}

/* A port of a bridge or bond brings what its master serves. */
static void test_ports(void **state)
{
	(void)state;
	begin();
	assert_int_equal(system("ip link add kbs2 type bridge && ip link set kbs1 master kbs2"), 0);
	hostnet_refresh();
	nic.ifindex = (int)if_nametoindex("kbs2");
	nic.flags = NIC_F_HW_STAMPS;
	stamping_possible = 1u << HWTSTAMP_FILTER_ALL;
	assert_true(hwstamp_kernels_only(fd, 1, false));
	assert_false(hwstamp_kernels_only(fd, 0, false));
	assert_int_equal(system("ip link del kbs2"), 0);
	hostnet_close();
}

static void test_what_is_on(void **state)
{
	static const struct {
		int filter;
		uint32_t flags;
		bool stamping;
	} cases[] = {
		{ HWTSTAMP_FILTER_ALL, NIC_F_HW_STAMPS, true },
		{ HWTSTAMP_FILTER_NONE, NIC_F_HW_STAMPS, false },
		{ HWTSTAMP_FILTER_ALL, 0, false },
		{ HWTSTAMP_FILTER_PTP_V2_EVENT, NIC_F_HW_STAMPS, false },
		{ HWTSTAMP_FILTER_ALL, NIC_F_HW_STAMPS, true },
		{ -1, NIC_F_HW_STAMPS, false },
	};

	(void)state;
	begin();
	for (unsigned i = 0; i < COUNT(cases); i++) {
		stamping_filter = cases[i].filter;
		nic.flags = cases[i].flags;
		hwstamp_read();
		assert_int_equal(engine.stamping, cases[i].stamping);
	}
	hostnet_close();
}

/* Once a second while somebody wants stamps, and when the program has changed it. */
static void test_when_it_asks(void **state)
{
	uint64_t now = 1000000000, second = 1000000 * clock_ticks_per_us;

	(void)state;
	begin();
	nic.flags = NIC_F_HW_STAMPS;
	stack.stamp_wanted = 0;
	stamping_asked = 0;
	hwstamp_follow(now);
	assert_int_equal(stamping_asked, 0);
	stack.stamp_wanted = 1;
	hwstamp_follow(now);
	hwstamp_follow(now + second / 2);
	assert_int_equal(stamping_asked, 1);
	hwstamp_follow(now + second + 1);
	assert_int_equal(stamping_asked, 2);
	stack.tick_due = now;
	hwstamp_changed();
	assert_int_equal(stack.tick_due, 0);
	hwstamp_follow(now + second + 2);
	assert_int_equal(stamping_asked, 3);
	hostnet_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_filters),	   cmocka_unit_test(test_no_links),
		cmocka_unit_test(test_whose),	   cmocka_unit_test(test_ports),
		cmocka_unit_test(test_what_is_on), cmocka_unit_test(test_when_it_asks),
	};

	clock_init();
	entered = unshare(CLONE_NEWNET) == 0 &&
		  system("ip link add kbs0 type veth peer name kbs1 2>/dev/null") == 0 &&
		  stamping_begin();
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
