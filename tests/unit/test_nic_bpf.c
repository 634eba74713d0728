/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_nic_bpf.c - rule R3 in the real XDP program: hand-made frames through BPF_PROG_TEST_RUN.
 *
 * Each odd frame is a good one with one thing changed, so that a pass verdict has one reason.
 * Nothing is attached to an interface. Needs the right to load XDP programs.
 */
#define _GNU_SOURCE
#include "tests/unit/test_nic_prog.h"

static void good4(void)
{
	frame_make(&f, mac, "10.0.0.9", 1000, "10.0.0.1", 53, FRAME_PAYLOAD);
}

static void good6(void)
{
	frame_make(&f, mac, "fd00::9", 1000, "fd00::1", 53, FRAME_PAYLOAD);
}

static void set_flow(const char *local, uint16_t port, const char *remote, uint16_t rport, bool on)
{
	struct nic_flow flow = flow_of(local, port, remote, rport);

	assert_int_equal(steer_map_flow(map, &flow, on), 0);
}

static int setup(void **state)
{
	(void)state;
	fresh_map();
	set_flow(NULL, 53, NULL, 0, true);
	return 0;
}

static void plain_datagrams_are_taken(void **state)
{
	(void)state;
	good4();
	assert_true(taken());
	good6();
	assert_true(taken());
	good4();
	frame_ip4(&f)->frag_off = htons(0x4000); /* do not fragment */
	assert_true(taken());
	good4();
	frame_ip4(&f)->tos = 0xb9;
	frame_udp4(&f)->check = 0;
	assert_true(taken());
	frame_make(&f, mac, "10.0.0.9", 1000, "10.0.0.1", 53, 0);
	f.len = 60; /* Ethernet padding */
	assert_true(taken());
	good6();
	frame_ip6(&f)->priority = 0xb;
	frame_ip6(&f)->flow_lbl[1] = 0x55;
	assert_true(taken());
}

static void the_lease_decides(void **state)
{
	(void)state;
	good4();
	steer_map_lease(map, clock_ns() - 50 * NSEC_PER_MSEC);
	assert_false(taken());
	steer_map_lease(map, 0);
	assert_false(taken());
	steer_map_lease(map, clock_ns() + NSEC_PER_SEC);
	assert_true(taken());
}

static void another_port_or_address_passes(void **state)
{
	(void)state;
	frame_make(&f, mac, "10.0.0.9", 53, "10.0.0.1", 54, FRAME_PAYLOAD);
	assert_false(taken());
	frame_make(&f, mac, "10.0.0.9", 1000, "10.0.0.2", 53, FRAME_PAYLOAD);
	assert_false(taken());
	frame_make(&f, mac, "fd00::9", 1000, "fd00::2", 53, FRAME_PAYLOAD);
	assert_false(taken());
	good4();
	frame_eth(&f)->h_dest[5] ^= 4; /* another station's: the interface is promiscuous */
	assert_false(taken());
	set_flow(NULL, 53, NULL, 0, false);
	good6();
	assert_false(taken());
}

static void specific_flows(void **state)
{
	(void)state;
	set_flow(NULL, 53, NULL, 0, false);
	set_flow("10.0.0.1", 53, NULL, 0, true);
	good4();
	assert_true(taken());
	good6();
	assert_false(taken());
	set_flow("fd00::1", 53, "fd00::9", 1000, true);
	assert_true(taken());
	frame_make(&f, mac, "fd00::9", 1001, "fd00::1", 53, FRAME_PAYLOAD);
	assert_false(taken());
	set_flow(NULL, 60, "10.0.0.9", 7, true);
	frame_make(&f, mac, "10.0.0.9", 7, "10.0.0.1", 60, FRAME_PAYLOAD);
	assert_true(taken());
	frame_make(&f, mac, "10.0.0.9", 7, "10.0.0.2", 60, FRAME_PAYLOAD);
	assert_false(taken());
	frame_make(&f, mac, "10.0.0.8", 7, "10.0.0.1", 60, FRAME_PAYLOAD);
	assert_false(taken());
}

static void group_destinations_pass(void **state)
{
	static const uint8_t group[6] = { 1, 0, 0x5e, 0, 0, 0xfb };
	static const uint8_t all[6] = { 255, 255, 255, 255, 255, 255 };

	(void)state;
	frame_make(&f, group, "10.0.0.9", 1000, "224.0.0.251", 53, FRAME_PAYLOAD);
	assert_false(taken());
	frame_make(&f, mac, "10.0.0.9", 1000, "224.0.0.251", 53, FRAME_PAYLOAD);
	assert_false(taken());
	frame_make(&f, all, "10.0.0.9", 1000, "255.255.255.255", 53, FRAME_PAYLOAD);
	assert_false(taken());
	frame_make(&f, all, "10.0.0.9", 1000, "10.0.0.1", 53, FRAME_PAYLOAD);
	assert_false(taken());
	frame_make(&f, mac, "fd00::9", 1000, "ff02::fb", 53, FRAME_PAYLOAD);
	assert_false(taken());
}

/* A steered group is taken if the frame is addressed to it in Ethernet, too; whatever else the port is steered for. */
static void steered_groups_are_taken(void **state)
{
	static const struct {
		const char *group, *src;
	} cases[] = { { "239.129.7.7", "10.0.0.9" }, { "ff15::1:2:3", "fd00::9" } };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		set_flow(cases[i].group, 53, NULL, 0, true);
		frame_make(&f, mac, cases[i].src, 1000, cases[i].group, 53, FRAME_PAYLOAD);
		assert_false(taken());
		frame_to_group(&f);
		assert_true(taken());
		frame_eth(&f)->h_dest[5] ^= 1;
		assert_false(taken());
		frame_eth(&f)->h_dest[5] ^= 1;
		frame_eth(&f)->h_dest[0] ^= 4;
		assert_false(taken());
		frame_make(&f, mac, cases[i].src, 1000, cases[i].group, 54, FRAME_PAYLOAD);
		frame_to_group(&f);
		assert_false(taken());
		set_flow(cases[i].group, 53, NULL, 0, false);
		frame_make(&f, mac, cases[i].src, 1000, cases[i].group, 53, FRAME_PAYLOAD);
		frame_to_group(&f);
		assert_false(taken());
	}
	good4();
	assert_true(taken());
}

static void other_protocols_pass(void **state)
{
	static const uint16_t types[] = { ETH_P_ARP, ETH_P_8021Q, ETH_P_8021AD, ETH_P_MPLS_UC, 46 };
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_ICMP, IPPROTO_SCTP, 136 };

	(void)state;
	for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		good4();
		frame_eth(&f)->h_proto = htons(types[i]);
		assert_false(taken());
	}
	for (unsigned i = 0; i < sizeof(protocols); i++) {
		good4();
		frame_ip4(&f)->protocol = protocols[i];
		assert_false(taken());
		good6();
		frame_ip6(&f)->nexthdr = protocols[i];
		assert_false(taken());
	}
}

/* A real VLAN tag, with the datagram behind it. */
static void tagged_frames_pass(void **state)
{
	(void)state;
	good4();
	memmove(f.data + 16, f.data + 12, f.len - 12);
	frame_eth(&f)->h_proto = htons(ETH_P_8021Q);
	f.data[14] = 0;
	f.data[15] = 7;
	f.len += 4;
	assert_false(taken());
}

static void options_and_fragments_pass(void **state)
{
	static const uint16_t frag[] = { 0x2000, 0x2001, 0x0001, 0x1fff, 0x8000, 0x6000 };
	static const uint8_t next[] = { 0, 43, 44, 51, 59, 60 };

	(void)state;
	for (unsigned i = 0; i < sizeof(frag) / sizeof(frag[0]); i++) {
		good4();
		frame_ip4(&f)->frag_off = htons(frag[i]);
		assert_false(taken());
	}
	for (unsigned ihl = 0; ihl < 16; ihl++) {
		good4();
		frame_ip4(&f)->ihl = ihl & 15;
		assert_int_equal(taken(), ihl == 5);
	}
	for (unsigned i = 0; i < sizeof(next); i++) {
		good6();
		frame_ip6(&f)->nexthdr = next[i];
		assert_false(taken());
	}
	good4();
	frame_ip4(&f)->version = 6;
	assert_false(taken());
	good6();
	frame_ip6(&f)->version = 4;
	assert_false(taken());
}

static void cut_frames_pass(void **state)
{
	uint32_t whole;

	(void)state;
	good4();
	whole = f.len;
	for (f.len = ETH_HLEN; f.len < whole; f.len++)
		assert_false(taken());
	assert_true(taken());
	good6();
	whole = f.len;
	for (f.len = ETH_HLEN; f.len < whole; f.len++)
		assert_false(taken());
	assert_true(taken());
}

static void lengths_that_disagree_pass(void **state)
{
	(void)state;
	for (int delta = -30; delta <= 30; delta++) {
		if (delta == 0)
			continue;
		good4();
		frame_udp4(&f)->len = htons((uint16_t)(26 + delta));
		assert_false(taken());
		good4();
		frame_ip4(&f)->tot_len = htons((uint16_t)(46 + delta));
		assert_false(taken());
		good6();
		frame_udp6(&f)->len = htons((uint16_t)(26 + delta));
		assert_false(taken());
		good6();
		frame_ip6(&f)->payload_len = htons((uint16_t)(26 + delta));
		assert_false(taken());
	}
	good4();
	frame_ip4(&f)->tot_len = htons(27);
	frame_udp4(&f)->len = htons(7);
	assert_false(taken());
	good4();
	frame_ip4(&f)->tot_len = 0xffff;
	frame_udp4(&f)->len = htons(0xffff - 20);
	assert_false(taken());
	good6();
	frame_ip6(&f)->payload_len = frame_udp6(&f)->len = 0;
	assert_false(taken());
	good6();
	frame_udp6(&f)->check = 0;
	assert_false(taken());
}

static void martians_pass(void **state)
{
	static const char *const bad4[] = { "127.0.0.1", "0.0.0.0",	    "0.1.2.3", "224.0.0.1",
					    "240.0.0.1", "255.255.255.255", "10.0.0.1" };
	static const char *const bad6[] = { "::", "::1", "ff02::1", "fd00::1" };
	struct ipaddr mapped;

	(void)state;
	for (unsigned i = 0; i < sizeof(bad4) / sizeof(bad4[0]); i++) {
		struct ipaddr src = addr(bad4[i]);

		good4();
		frame_ip4(&f)->saddr = ipaddr_v4(&src);
		assert_false(taken());
	}
	for (unsigned i = 0; i < sizeof(bad6) / sizeof(bad6[0]); i++) {
		struct ipaddr src = addr(bad6[i]);

		good6();
		memcpy(&frame_ip6(&f)->saddr, src.b, 16);
		assert_false(taken());
	}
	/* An IPv6 packet must not pose as one of IPv4. */
	good6();
	mapped = addr("10.0.0.1");
	memcpy(&frame_ip6(&f)->daddr, mapped.b, 16);
	assert_false(taken());
}

/* As a source they come from a liar, wherever they are addressed to. */
static void own_addresses_as_source_pass(void **state)
{
	struct ipaddr more4 = addr("10.0.0.2"), more6 = addr("fd00::2");

	(void)state;
	frame_make(&f, mac, "10.0.0.2", 1000, "10.0.0.1", 53, FRAME_PAYLOAD);
	assert_true(taken());
	steer_host_local(host, &more4, true);
	assert_false(taken());
	set_flow("10.0.0.1", 60, NULL, 0, true);
	set_flow("10.0.0.1", 60, "10.0.0.2", 7, true);
	frame_make(&f, mac, "10.0.0.2", 7, "10.0.0.1", 60, FRAME_PAYLOAD);
	assert_false(taken());
	steer_host_local(host, &more4, false);
	assert_true(taken());
	frame_make(&f, mac, "fd00::2", 1000, "fd00::1", 53, FRAME_PAYLOAD);
	assert_true(taken());
	steer_host_local(host, &more6, true);
	assert_false(taken());
	host->loopback = 1;
	assert_true(taken());
}

static void what_does_not_fit_passes(void **state)
{
	(void)state;
	frame_make(&f, mac, "10.0.0.9", 1000, "10.0.0.1", 53, MAX_LEN - 42);
	assert_true(taken());
	frame_make(&f, mac, "10.0.0.9", 1000, "10.0.0.1", 53, MAX_LEN - 41);
	assert_false(taken());
	host->max_len = 3840;
	assert_true(taken());
	/* Longer than one page: the frame comes in several buffers. */
	frame_make(&f, mac, "10.0.0.9", 1000, "10.0.0.1", 53, 4090 - 42);
	assert_false(taken());
}

static void a_queue_without_socket_passes(void **state)
{
	uint32_t key = 0;

	(void)state;
	good4();
	assert_int_equal(bpf_map_delete_elem(bpf_map__fd(skel->maps.xsks), &key), 0);
	assert_false(taken());
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(skel->maps.xsks), &key, &xsk, 0), 0);
	assert_true(taken());
}

/* For people; the figures of one run are no basis for a verdict. */
static void show_cost(void **state)
{
	uint32_t other, any, conn, ns6;

	(void)state;
	frame_make(&f, mac, "10.0.0.9", 1000, "10.0.0.1", 54, FRAME_PAYLOAD);
	run_frame(&f, f.len, 100000, &other);
	good4();
	run_frame(&f, f.len, 100000, &any);
	good6();
	run_frame(&f, f.len, 100000, &ns6);
	set_flow("10.0.0.1", 60, "10.0.0.9", 1000, true);
	frame_make(&f, mac, "10.0.0.9", 1000, "10.0.0.1", 60, FRAME_PAYLOAD);
	run_frame(&f, f.len, 100000, &conn);
	printf("# ns per frame: other port %u, any %u, any IPv6 %u, connected %u\n", other, any,
	       ns6, conn);
}

#define CASE(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(plain_datagrams_are_taken),      CASE(the_lease_decides),
		CASE(another_port_or_address_passes), CASE(specific_flows),
		CASE(group_destinations_pass),	      CASE(steered_groups_are_taken),
		CASE(other_protocols_pass),	      CASE(tagged_frames_pass),
		CASE(options_and_fragments_pass),     CASE(cut_frames_pass),
		CASE(lengths_that_disagree_pass),     CASE(martians_pass),
		CASE(own_addresses_as_source_pass),   CASE(what_does_not_fit_passes),
		CASE(a_queue_without_socket_passes),  CASE(show_cost),
	};
	int status = program_open();

	if (status)
		return status;
	status = cmocka_run_group_tests(tests, NULL, NULL);
	program_close();
	return status;
}
