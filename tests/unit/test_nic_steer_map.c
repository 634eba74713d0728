/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_nic_steer_map.c - the steering tables: what goes in is found, what goes out is not, and full
 * is full.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "nic/steer_map.h"
#include "nic/steer_rule.h"
#include "tests/unit/test_nic_frames.h"

static struct steer_map *map;
static struct steer_host *host;
static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };

static int setup(void **state)
{
	struct nic nic = { .ifname = "veth0", .mac = { 2, 0, 0, 0, 0, 1 } };

	(void)state;
	map = calloc(1, sizeof(*map));
	host = calloc(1, sizeof(*host));
	steer_host_init(host, &nic, 1792);
	return map && host ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	free(map);
	free(host);
	return 0;
}

static struct nic_flow flow_of(const char *local, uint16_t lport, const char *remote, uint16_t rport)
{
	struct nic_flow flow = { .local_port = htons(lport),
				 .remote_port = htons(rport),
				 .families = NIC_FLOW_V4 | NIC_FLOW_V6 };

	if (local)
		flow.local = addr(local);
	if (remote)
		flow.remote = addr(remote);
	return flow;
}

static int steer(const char *local, uint16_t lport, const char *remote, uint16_t rport, bool on)
{
	struct nic_flow flow = flow_of(local, lport, remote, rport);

	return steer_map_flow(map, &flow, on);
}

static int local(const char *text, bool on)
{
	struct ipaddr a = addr(text);

	return steer_host_local(host, &a, on);
}

static bool wanted(const char *src, uint16_t sport, const char *dst, uint16_t dport)
{
	struct steer_key key = { .zero = 0 };
	struct test_frame f;
	uint32_t bits;

	frame_make(&f, mac, src, sport, dst, dport, FRAME_PAYLOAD);
	if (ipaddr_is_multicast(&(struct ipaddr[]){ addr(dst) }[0]))
		frame_to_group(&f);
	bits = steer_parse(host, map, f.data, f.data + f.len, f.len, &key);
	return bits && steer_match(host, map, &key, bits);
}

static void any_needs_a_local_address(void **state)
{
	(void)state;
	assert_int_equal(steer(NULL, 53, NULL, 0, true), 0);
	assert_false(wanted("10.0.0.9", 1000, "10.0.0.1", 53));
	assert_int_equal(local("10.0.0.1", true), 0);
	assert_int_equal(local("fd00::1", true), 0);
	assert_true(wanted("10.0.0.9", 1000, "10.0.0.1", 53));
	assert_true(wanted("fd00::9", 1000, "fd00::1", 53));
	assert_false(wanted("10.0.0.9", 1000, "10.0.0.2", 53));
	assert_false(wanted("10.0.0.9", 1000, "10.0.0.1", 54));
	assert_int_equal(local("10.0.0.1", false), 0);
	assert_int_equal(local("10.0.0.1", false), -ENOENT);
	assert_false(wanted("10.0.0.9", 1000, "10.0.0.1", 53));
	assert_int_equal(steer(NULL, 53, NULL, 0, false), 0);
	assert_int_equal(steer(NULL, 53, NULL, 0, false), -ENOENT);
	assert_false(wanted("fd00::9", 1000, "fd00::1", 53));
}

static void families_are_apart(void **state)
{
	struct nic_flow flow = flow_of(NULL, 53, NULL, 0);

	(void)state;
	local("10.0.0.1", true);
	local("fd00::1", true);
	flow.families = NIC_FLOW_V6;
	assert_int_equal(steer_map_flow(map, &flow, true), 0);
	assert_false(wanted("10.0.0.9", 1000, "10.0.0.1", 53));
	assert_true(wanted("fd00::9", 1000, "fd00::1", 53));
	flow.families = NIC_FLOW_V4;
	assert_int_equal(steer_map_flow(map, &flow, false), -ENOENT);
	assert_int_equal(steer_map_flow(map, &flow, true), 0);
	assert_true(wanted("10.0.0.9", 1000, "10.0.0.1", 53));
	flow.families = 0;
	assert_int_equal(steer_map_flow(map, &flow, true), -EINVAL);
}

static void a_local_flow_matches_its_address(void **state)
{
	(void)state;
	assert_int_equal(steer("10.0.0.1", 53, NULL, 0, true), 0);
	assert_true(wanted("10.0.0.9", 1000, "10.0.0.1", 53));
	assert_false(wanted("10.0.0.9", 1000, "10.0.0.2", 53));
	assert_int_equal(steer("10.0.0.2", 53, NULL, 0, true), 0);
	assert_int_equal(steer("10.0.0.1", 53, NULL, 0, false), 0);
	assert_false(wanted("10.0.0.9", 1000, "10.0.0.1", 53));
	assert_true(wanted("10.0.0.9", 1000, "10.0.0.2", 53));
	assert_int_equal(steer("10.0.0.2", 53, NULL, 0, false), 0);
	assert_int_equal(map->ports[htons(53)], 0);
	assert_int_equal(steer("10.0.0.2", 53, NULL, 0, false), -ENOENT);
}

static void a_connected_flow_matches_its_peer(void **state)
{
	(void)state;
	assert_int_equal(steer("fd00::1", 53, "fd00::9", 1000, true), 0);
	assert_true(wanted("fd00::9", 1000, "fd00::1", 53));
	assert_false(wanted("fd00::9", 1001, "fd00::1", 53));
	assert_false(wanted("fd00::8", 1000, "fd00::1", 53));
	assert_int_equal(steer(NULL, 54, "10.0.0.9", 1000, true), 0);
	assert_false(wanted("10.0.0.9", 1000, "10.0.0.1", 54));
	local("10.0.0.1", true);
	assert_true(wanted("10.0.0.9", 1000, "10.0.0.1", 54));
	assert_false(wanted("10.0.0.8", 1000, "10.0.0.1", 54));
	assert_int_equal(steer(NULL, 54, "10.0.0.9", 1000, false), 0);
	assert_false(wanted("10.0.0.9", 1000, "10.0.0.1", 54));
}

static void kinds_of_one_port_do_not_disturb(void **state)
{
	(void)state;
	local("10.0.0.1", true);
	assert_int_equal(steer(NULL, 53, NULL, 0, true), 0);
	assert_int_equal(steer("10.0.0.7", 53, NULL, 0, true), 0);
	assert_int_equal(steer("10.0.0.6", 53, "10.0.0.9", 1000, true), 0);
	assert_true(wanted("10.0.0.9", 1000, "10.0.0.1", 53));
	assert_true(wanted("10.0.0.9", 1001, "10.0.0.7", 53));
	assert_true(wanted("10.0.0.9", 1000, "10.0.0.6", 53));
	assert_false(wanted("10.0.0.9", 1001, "10.0.0.6", 53));
	assert_int_equal(steer(NULL, 53, NULL, 0, false), 0);
	assert_int_equal(steer("10.0.0.7", 53, NULL, 0, false), 0);
	assert_int_equal(map->ports[htons(53)], STEER_CONN);
	assert_true(wanted("10.0.0.9", 1000, "10.0.0.6", 53));
}

/* Of sockets that share a port, each has a flow; one that goes leaves the others' alone. */
static void alike_flows_are_counted(void **state)
{
	struct nic_flow v4 = flow_of(NULL, 53, NULL, 0), dual = v4,
			one = flow_of("10.0.0.1", 54, NULL, 0);
	struct nic_flow shared = one;

	(void)state;
	local("10.0.0.1", true);
	local("fd00::1", true);
	v4.families = NIC_FLOW_V4;
	assert_int_equal(steer_map_flow(map, &v4, true), 0);
	assert_int_equal(steer_map_flow(map, &dual, true), 0);
	assert_int_equal(steer_map_flow(map, &dual, false), 0);
	assert_true(wanted("10.0.0.9", 1000, "10.0.0.1", 53));
	assert_false(wanted("fd00::9", 1000, "fd00::1", 53));
	assert_int_equal(steer_map_flow(map, &dual, true), 0);
	assert_int_equal(steer_map_flow(map, &v4, false), 0);
	assert_true(wanted("10.0.0.9", 1000, "10.0.0.1", 53));
	assert_int_equal(steer_map_flow(map, &v4, false), -ENOENT);
	shared.flags = NIC_FLOW_SHARED | NIC_FLOW_DEVICE;
	assert_int_equal(steer_map_flow(map, &one, true), 0);
	assert_int_equal(steer_map_flow(map, &shared, false), -ENOENT);
	assert_int_equal(steer_map_flow(map, &shared, true), 0);
	assert_int_equal(map->ports[htons(54)], STEER_LOCAL | STEER_SHARED | STEER_DEVICE);
	assert_int_equal(steer_map_flow(map, &shared, false), 0);
	assert_int_equal(map->ports[htons(54)], STEER_LOCAL);
	assert_true(wanted("10.0.0.9", 1000, "10.0.0.1", 54));
	assert_int_equal(steer_map_flow(map, &one, false), 0);
	assert_int_equal(map->ports[htons(54)], 0);
	assert_false(wanted("10.0.0.9", 1000, "10.0.0.1", 54));
}

static void a_shared_wildcard_is_both_or_neither(void **state)
{
	struct nic_flow plain = flow_of(NULL, 53, NULL, 0), shared = plain;

	(void)state;
	shared.flags = NIC_FLOW_SHARED;
	assert_int_equal(steer_map_flow(map, &plain, true), 0);
	assert_int_equal(steer_map_flow(map, &shared, true), 0);
	assert_int_equal(map->ports[htons(53)], STEER_ANY46 | STEER_SHARED);
	assert_int_equal(steer_map_flow(map, &plain, false), 0);
	assert_int_equal(map->ports[htons(53)], STEER_ANY46 | STEER_SHARED);
	assert_int_equal(steer_map_flow(map, &shared, false), 0);
	assert_int_equal(map->ports[htons(53)], 0);
}

static void odd_flows_are_refused(void **state)
{
	(void)state;
	assert_int_equal(steer("10.0.0.1", 53, "fd00::9", 1000, true), -EINVAL);
	assert_int_equal(local("224.0.0.251", true), 0);
	assert_int_equal(steer(NULL, 5353, NULL, 0, true), 0);
	assert_false(wanted("10.0.0.9", 5353, "224.0.0.251", 5353));
}

static void groups_need_their_own_rule(void **state)
{
	(void)state;
	assert_int_equal(steer(NULL, 5353, NULL, 0, true), 0);
	assert_false(wanted("10.0.0.9", 5353, "224.0.0.251", 5353));
	assert_int_equal(steer("224.0.0.251", 5353, NULL, 0, true), 0);
	assert_true(wanted("10.0.0.9", 5353, "224.0.0.251", 5353));
	assert_false(wanted("10.0.0.9", 5353, "224.0.0.252", 5353));
	assert_false(wanted("10.0.0.9", 5353, "224.0.0.251", 5354));
	assert_int_equal(steer("ff02::fb", 5353, "fe80::9", 7, true), 0);
	assert_true(wanted("fe80::9", 7, "ff02::fb", 5353));
	assert_false(wanted("fe80::9", 8, "ff02::fb", 5353));
	assert_int_equal(steer("ff01::fb", 5353, NULL, 0, true), 0);
	assert_false(wanted("fe80::9", 7, "ff01::fb",
			    5353)); /* of one host: nothing that comes by wire */
	assert_int_equal(steer(NULL, 5353, "224.0.0.251", 1, true), -EOPNOTSUPP);
	assert_int_equal(steer("224.0.0.251", 5353, NULL, 0, false), 0);
	assert_false(wanted("10.0.0.9", 5353, "224.0.0.251", 5353));
	local("10.0.0.9", true);
	assert_false(wanted("10.0.0.9", 7, "224.0.0.251", 5353)); /* from an own address */
}

static void a_full_table_says_so_and_recovers(void **state)
{
	unsigned in = 0, first_full = 0;
	int err;

	(void)state;
	for (unsigned i = 0; i < 2 * STEER_FLOWS; i++) {
		struct nic_flow flow = flow_of("10.0.0.1", 53, "10.0.0.9", 1000);

		flow.remote.w[3] = htonl(0x0b000000 + i);
		err = steer_map_flow(map, &flow, true);
		in += err == 0;
		if (err == -ENOSPC && !first_full)
			first_full = i;
		assert_true(err == 0 || err == -ENOSPC);
	}
	assert_true(first_full > STEER_FLOWS / 2);
	assert_true(in <= STEER_FLOWS && in > STEER_FLOWS * 9 / 10);
	for (unsigned i = 0; i < 2 * STEER_FLOWS; i++) {
		struct nic_flow flow = flow_of("10.0.0.1", 53, "10.0.0.9", 1000);

		flow.remote.w[3] = htonl(0x0b000000 + i);
		in -= steer_map_flow(map, &flow, false) == 0;
	}
	assert_int_equal(in, 0);
	assert_int_equal(map->ports[htons(53)], 0);
	assert_int_equal(steer("10.0.0.1", 53, "11.0.0.1", 1000, true), 0);
	assert_true(wanted("11.0.0.1", 1000, "10.0.0.1", 53));
}

static void many_local_addresses(void **state)
{
	struct ipaddr a = addr("10.1.0.0");
	unsigned in = 0;

	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		a.w[3] = htonl(0x0a010000 + i);
		in += steer_host_local(host, &a, true) == 0;
	}
	assert_true(in == 2000);
	for (unsigned i = 2000; i <= STEER_LOCALS && steer_host_local(host, &a, true) == 0; i++)
		a.w[3] = htonl(0x0a010000 + i);
	assert_int_equal(steer_host_local(host, &a, true), -ENOSPC);
}

static void martians_pass_except_on_loopback(void **state)
{
	(void)state;
	local("127.0.0.1", true);
	local("::1", true);
	local("10.0.0.1", true);
	steer(NULL, 53, NULL, 0, true);
	assert_false(wanted("127.0.0.1", 1, "10.0.0.1", 53));
	assert_false(wanted("10.0.0.9", 1, "127.0.0.1", 53));
	assert_false(wanted("10.0.0.1", 1, "10.0.0.1", 53));
	assert_false(wanted("::1", 1, "::1", 53));
	local("10.0.0.2", true);
	assert_false(wanted("10.0.0.2", 1, "10.0.0.1", 53));
	host->loopback = 1;
	assert_true(wanted("10.0.0.2", 1, "10.0.0.1", 53));
	assert_true(wanted("127.0.0.1", 1, "127.0.0.1", 53));
	assert_true(wanted("10.0.0.1", 1, "10.0.0.1", 53));
	assert_true(wanted("::1", 1, "::1", 53));
}

static void cookies_fill_up(void **state)
{
	uint64_t n = 0, gone;

	(void)state;
	while (steer_host_owns(host, n + 1, true) == 0)
		n++;
	assert_in_range(n, STEER_COOKIES / 2, STEER_COOKIES);
	for (uint64_t i = 1; i <= n; i++)
		assert_true(steer_is_owned(host, i));
	assert_false(steer_is_owned(host, n + 1) || steer_is_owned(host, 0));
	gone = n / 2;
	assert_int_equal(steer_host_owns(host, gone, false), 0);
	assert_false(steer_is_owned(host, gone));
	assert_int_equal(steer_host_owns(host, gone, false), -ENOENT);
	steer_host_no_owners(host);
	for (uint64_t i = 1; i <= n; i++)
		assert_false(steer_is_owned(host, i));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(any_needs_a_local_address),
		CASE(families_are_apart),
		CASE(a_local_flow_matches_its_address),
		CASE(a_connected_flow_matches_its_peer),
		CASE(kinds_of_one_port_do_not_disturb),
		CASE(odd_flows_are_refused),
		CASE(alike_flows_are_counted),
		CASE(a_shared_wildcard_is_both_or_neither),
		CASE(a_full_table_says_so_and_recovers),
		CASE(many_local_addresses),
		CASE(martians_pass_except_on_loopback),
		CASE(groups_need_their_own_rule),
		CASE(cookies_fill_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
