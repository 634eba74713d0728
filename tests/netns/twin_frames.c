/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * twin_frames.c - sends a numbered UDP datagram in a frame with something odd about it, or an ICMP error about such a
 * datagram, through a packet socket; for the twin_*.sh tests.
 *
 *   twin_frames INTERFACE DESTINATION-MAC SOURCE DESTINATION SOURCE-PORT PORT NUMBER KIND...
 *   twin_frames ... NUMBER icmp TYPE CODE INFO [FROM]      about a datagram from DESTINATION:PORT to SOURCE:SOURCE-PORT
 *
 * INFO is the MTU or pointer, FROM the router that complains (default: SOURCE). Several kinds are sent one after the
 * other, with one number more each. `twin_frames kinds 4|6` lists the kinds.
 */
#define _GNU_SOURCE
#include <net/if.h>

#include "twin_frame.h"

/* ---- kinds ---- */

static void plain(struct frame *f)
{
	send_udp(f);
}

static void empty(struct frame *f)
{
	f->payload = 0;
	f->pad = f->v6 ? 0 : 18;
	send_udp(f);
}

static void no_sum(struct frame *f)
{
	f->sum = SUM_NONE;
	send_udp(f);
}

static void wrong_sum(struct frame *f)
{
	f->sum = SUM_WRONG;
	send_udp(f);
}

static void udp_shorter(struct frame *f)
{
	f->udp_len_add = -10;
	send_udp(f);
}

static void udp_longer(struct frame *f)
{
	f->udp_len_add = 10;
	send_udp(f);
}

static void udp_seven(struct frame *f)
{
	f->udp_len = 7;
	send_udp(f);
}

static void udp_zero(struct frame *f)
{
	f->udp_len = 0;
	send_udp(f);
}

static void padded(struct frame *f)
{
	f->payload = 8;
	f->pad = 14;
	send_udp(f);
}

static void trailer(struct frame *f)
{
	f->pad = 100;
	send_udp(f);
}

static void ip_shorter(struct frame *f)
{
	f->ip_len_add = -10;
	send_udp(f);
}

static void ip_longer(struct frame *f)
{
	f->ip_len_add = 10;
	send_udp(f);
}

static void ip_sum(struct frame *f)
{
	f->ip_sum_wrong = true;
	send_udp(f);
}

static void version(struct frame *f)
{
	f->version = 5;
	send_udp(f);
}

static void ihl4(struct frame *f)
{
	f->ihl_less = 1;
	send_udp(f);
}

static void ttl0(struct frame *f)
{
	f->ttl = 0;
	send_udp(f);
}

static void ttl1(struct frame *f)
{
	f->ttl = 1;
	send_udp(f);
}

static void congested(struct frame *f)
{
	f->tos = 0xbb;
	send_udp(f);
}

static void flow_label(struct frame *f)
{
	f->flow = 0x54321;
	send_udp(f);
}

static void vlan0(struct frame *f)
{
	f->vlan = 0;
	send_udp(f);
}

static void vlan7(struct frame *f)
{
	f->vlan = 7;
	send_udp(f);
}

static void other_mac(struct frame *f)
{
	memcpy(f->mac, "\x02\xaa\xbb\xcc\xdd\xee", 6);
	send_udp(f);
}

static void broadcast_mac(struct frame *f)
{
	memset(f->mac, 0xff, 6);
	send_udp(f);
}

static void multicast_mac(struct frame *f)
{
	memcpy(f->mac, "\x01\x00\x5e\x01\x02\x03", 6);
	send_udp(f);
}

static void llc(struct frame *f)
{
	f->llc = f->v6 ? "\xaa\xaa\x03\0\0\0\x86\xdd" : "\xaa\xaa\x03\0\0\0\x08\0";
	f->type = 76;
	send_udp(f);
}

static void twice(struct frame *f)
{
	send_udp(f);
	send_udp(f);
}

static void port_zero(struct frame *f)
{
	f->sport = 0;
	send_udp(f);
}

static void with_options(struct frame *f, const void *options, size_t len)
{
	f->options = options;
	f->options_len = len;
	send_udp(f);
}

static void nops(struct frame *f)
{
	with_options(f, "\1\1\1\0", 4);
}

static void record_route(struct frame *f)
{
	with_options(f, "\7\7\4\0\0\0\0\0", 8);
}

static void source_route(struct frame *f)
{
	with_options(f, "\x83\7\4\x0a\x63\1\1\0", 8);
}

static void bad_option(struct frame *f)
{
	with_options(f, "\7\x28\4\0", 4);
}

/* Two fragments, cut after 24 bytes; @order: which one first. */
static void fragments4(struct frame *f, int first)
{
	for (int i = 0; i < 2; i++) {
		bool head = (i ^ first) == 0;

		f->cut_from = head ? 0 : 24;
		f->cut_to = head ? 24 : 4096;
		f->fragment = head ? 0x2000 : 3;
		send_udp(f);
	}
}

static void in_order(struct frame *f)
{
	fragments4(f, 0);
}

static void reversed(struct frame *f)
{
	fragments4(f, 1);
}

static void first_only(struct frame *f)
{
	f->cut_to = 24;
	f->fragment = 0x2000;
	send_udp(f);
}

static void last_only(struct frame *f)
{
	f->cut_from = 24;
	f->cut_to = 4096;
	f->fragment = 3;
	send_udp(f);
}

static void reserved_bit(struct frame *f)
{
	f->fragment = 0x8000;
	send_udp(f);
}

static void dont_fragment(struct frame *f)
{
	f->fragment = 0x4000;
	send_udp(f);
}

/* One extension header @protocol of @len bytes, whose first byte says that UDP follows. */
static void extension(struct frame *f, uint8_t protocol, const void *header, size_t len)
{
	f->protocol = protocol;
	with_options(f, header, len);
}

static void hop_by_hop(struct frame *f)
{
	extension(f, 0, "\x11\0\1\4\0\0\0\0", 8);
}

static void unknown_option(struct frame *f)
{
	extension(f, 60, "\x11\0\xbe\4\0\0\0\0", 8);
}

static void destination_options(struct frame *f)
{
	extension(f, 60, "\x11\0\1\4\0\0\0\0", 8);
}

static void routing(struct frame *f)
{
	extension(f, 43, "\x11\0\4\0\0\0\0\0", 8);
}

static void no_next(struct frame *f)
{
	extension(f, 60, "\x3b\0\1\4\0\0\0\0", 8);
}

static void atomic6(struct frame *f)
{
	extension(f, 44, "\x11\0\0\0\x12\x34\x56\x78", 8);
}

static void fragments6(struct frame *f, int first)
{
	for (int i = 0; i < 2; i++) {
		bool head = (i ^ first) == 0;

		f->cut_from = head ? 0 : 24;
		f->cut_to = head ? 24 : 4096;
		extension(f, 44,
			  head ? "\x11\0\0\1\x9a\xbc\xde\xf0" : "\x11\0\0\x18\x9a\xbc\xde\xf0", 8);
	}
}

static void in_order6(struct frame *f)
{
	fragments6(f, 0);
}

static void reversed6(struct frame *f)
{
	fragments6(f, 1);
}

static const struct kind {
	const char *name;
	void (*send)(struct frame *f);
	int families; /* 4, 6, or both: 10 */
} kinds[] = {
	{ "plain", plain, 10 },
	{ "empty", empty, 10 },
	{ "no-checksum", no_sum, 10 },
	{ "wrong-checksum", wrong_sum, 10 },
	{ "udp-length-shorter", udp_shorter, 10 },
	{ "udp-length-longer", udp_longer, 10 },
	{ "udp-length-7", udp_seven, 10 },
	{ "udp-length-0", udp_zero, 10 },
	{ "padded", padded, 10 },
	{ "trailer", trailer, 10 },
	{ "ip-length-shorter", ip_shorter, 10 },
	{ "ip-length-longer", ip_longer, 10 },
	{ "ip-checksum-wrong", ip_sum, 4 },
	{ "ip-version-5", version, 10 },
	{ "ihl-4", ihl4, 4 },
	{ "ttl-0", ttl0, 10 },
	{ "ttl-1", ttl1, 10 },
	{ "congested", congested, 10 },
	{ "flow-label", flow_label, 6 },
	{ "vlan-0", vlan0, 10 },
	{ "vlan-7", vlan7, 10 },
	{ "other-mac", other_mac, 10 },
	{ "broadcast-mac", broadcast_mac, 10 },
	{ "multicast-mac", multicast_mac, 10 },
	{ "llc", llc, 10 },
	{ "twice", twice, 10 },
	{ "source-port-0", port_zero, 10 },
	{ "option-nops", nops, 4 },
	{ "option-record-route", record_route, 4 },
	{ "option-source-route", source_route, 4 },
	{ "option-bad", bad_option, 4 },
	{ "fragments", in_order, 4 },
	{ "fragments-reversed", reversed, 4 },
	{ "fragment-first-only", first_only, 4 },
	{ "fragment-last-only", last_only, 4 },
	{ "reserved-bit", reserved_bit, 4 },
	{ "dont-fragment", dont_fragment, 4 },
	{ "hop-by-hop", hop_by_hop, 6 },
	{ "destination-options", destination_options, 6 },
	{ "unknown-option", unknown_option, 6 },
	{ "routing-header", routing, 6 },
	{ "no-next-header", no_next, 6 },
	{ "atomic-fragment", atomic6, 6 },
	{ "fragments", in_order6, 6 },
	{ "fragments-reversed", reversed6, 6 },
};

static bool is_of(const struct kind *k, int family)
{
	return k->families == 10 || k->families == family;
}

static void list_kinds(int family)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (is_of(&kinds[i], family))
			puts(kinds[i].name);
}

static void send_kind(const struct frame *base, const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct frame f = *base;

		if (strcmp(kinds[i].name, name) != 0 || !is_of(&kinds[i], f.v6 ? 6 : 4))
			continue;
		kinds[i].send(&f);
		return;
	}
	kb_die("no kind %s", name);
}

/* ---- ICMP ---- */

/* The datagram that the error is about: the other direction. */
static size_t quoted(const struct frame *f, uint8_t *out)
{
	static uint8_t data[2048];
	struct frame q = *f;
	size_t head, len;

	memcpy(q.from, f->to, 16);
	memcpy(q.to, f->from, 16);
	q.sport = f->dport;
	q.dport = f->sport;
	len = build_udp(&q, data);
	head = f->v6 ? put_ip6(&q, out, len) : put_ip4(&q, out, len);
	memcpy(out + head, data, len);
	return head + len;
}

static void send_icmp(struct frame *f, char **args, int n)
{
	static uint8_t data[2048];
	uint32_t info = htonl((uint32_t)strtoul(args[2], NULL, 0));
	size_t len;
	uint16_t sum;

	data[0] = (uint8_t)atoi(args[0]);
	data[1] = (uint8_t)atoi(args[1]);
	memcpy(data + 4, &info, 4);
	len = 8 + quoted(f, data + 8);
	if (n > 3 && inet_pton(f->v6 ? AF_INET6 : AF_INET, args[3], f->from) != 1)
		kb_die("bad address %s", args[3]);
	f->protocol = f->v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	sum = f->v6 ? pseudo_sum(f, data, len, IPPROTO_ICMPV6) : folded(sum_of(data, len, 0));
	data[2] = (uint8_t)(sum >> 8);
	data[3] = (uint8_t)sum;
	transmit(f, data, len);
}

int main(int argc, char **argv)
{
	struct frame f = {
		.vlan = -1, .ttl = 64, .protocol = IPPROTO_UDP, .udp_len = -1, .payload = PAYLOAD
	};
	int family;

	if (argc == 3 && strcmp(argv[1], "kinds") == 0) {
		list_kinds(atoi(argv[2]));
		return 0;
	}
	packet_fd = socket(AF_PACKET, SOCK_RAW, 0);
	if (argc < 9 || packet_fd < 0)
		kb_die("usage, or no packet socket");
	f.v6 = strchr(argv[4], ':') != NULL;
	family = f.v6 ? AF_INET6 : AF_INET;
	f.type = f.v6 ? ETHERTYPE_IPV6 : ETHERTYPE_IP;
	packet_to.sll_ifindex = (int)if_nametoindex(argv[1]);
	if (sscanf(argv[2], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &f.mac[0], &f.mac[1], &f.mac[2],
		   &f.mac[3], &f.mac[4], &f.mac[5]) != 6 ||
	    inet_pton(family, argv[3], f.from) != 1 || inet_pton(family, argv[4], f.to) != 1)
		kb_die("bad address");
	f.sport = (uint16_t)atoi(argv[5]);
	f.dport = (uint16_t)atoi(argv[6]);
	f.number = (uint32_t)strtoul(argv[7], NULL, 10);
	if (strcmp(argv[8], "icmp") == 0 && argc >= 12) {
		send_icmp(&f, argv + 9, argc - 9);
		return 0;
	}
	for (int i = 8; i < argc; i++, f.number++)
		send_kind(&f, argv[i]);
	return 0;
}
