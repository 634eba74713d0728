/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_nic_frames.h - hand-made frames for the tests of nic/: a correct UDP datagram, which a test
 * then spoils.
 */
#ifndef TESTS_UNIT_TEST_NIC_FRAMES_H
#define TESTS_UNIT_TEST_NIC_FRAMES_H

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <stdint.h>
#include <string.h>

#include "base/ipaddr.h"

#define FRAME_PAYLOAD 18

struct test_frame {
	_Alignas(4) uint8_t pad[2]; /* for an aligned IP header */
	uint8_t data[4098];
	uint32_t len;
};

static inline struct ethhdr *frame_eth(struct test_frame *f)
{
	return (struct ethhdr *)f->data;
}

static inline struct iphdr *frame_ip4(struct test_frame *f)
{
	return (struct iphdr *)(f->data + ETH_HLEN);
}

static inline struct ipv6hdr *frame_ip6(struct test_frame *f)
{
	return (struct ipv6hdr *)(f->data + ETH_HLEN);
}

static inline struct udphdr *frame_udp4(struct test_frame *f)
{
	return (struct udphdr *)(f->data + ETH_HLEN + sizeof(struct iphdr));
}

static inline struct udphdr *frame_udp6(struct test_frame *f)
{
	return (struct udphdr *)(f->data + ETH_HLEN + sizeof(struct ipv6hdr));
}

static inline struct ipaddr addr(const char *text)
{
	uint8_t raw[16];

	if (inet_pton(AF_INET, text, raw) == 1) {
		uint32_t v4;

		memcpy(&v4, raw, sizeof(v4));
		return ipaddr_from_v4(v4);
	}
	inet_pton(AF_INET6, text, raw);
	return ipaddr_from_v6(raw);
}

static inline void frame_udp(struct udphdr *udp, uint16_t sport, uint16_t dport, unsigned payload)
{
	udp->source = htons(sport);
	udp->dest = htons(dport);
	udp->len = htons((uint16_t)(sizeof(*udp) + payload));
	udp->check = htons(0x1234); /* steering does not look at it, but zero means none */
}

/* A datagram from @src:@sport to @dst:@dport, both of one family, for the station @mac. */
static inline void frame_make(struct test_frame *f, const uint8_t *mac, const char *src,
			      uint16_t sport, const char *dst, uint16_t dport, unsigned payload)
{
	struct ipaddr from = addr(src), to = addr(dst);

	memset(f->data, 0, sizeof(f->data));
	memcpy(frame_eth(f)->h_dest, mac, ETH_ALEN);
	frame_eth(f)->h_source[0] = 2;
	frame_eth(f)->h_source[5] = 9;
	if (ipaddr_is_v4(&to)) {
		frame_eth(f)->h_proto = htons(ETH_P_IP);
		frame_ip4(f)->version = 4;
		frame_ip4(f)->ihl = 5;
		frame_ip4(f)->ttl = 64;
		frame_ip4(f)->protocol = IPPROTO_UDP;
		frame_ip4(f)->tot_len = htons((uint16_t)(28 + payload));
		frame_ip4(f)->saddr = ipaddr_v4(&from);
		frame_ip4(f)->daddr = ipaddr_v4(&to);
		frame_udp(frame_udp4(f), sport, dport, payload);
		f->len = ETH_HLEN + 28 + payload;
	} else {
		frame_eth(f)->h_proto = htons(ETH_P_IPV6);
		frame_ip6(f)->version = 6;
		frame_ip6(f)->hop_limit = 64;
		frame_ip6(f)->nexthdr = IPPROTO_UDP;
		frame_ip6(f)->payload_len = htons((uint16_t)(8 + payload));
		memcpy(&frame_ip6(f)->saddr, from.b, 16);
		memcpy(&frame_ip6(f)->daddr, to.b, 16);
		frame_udp(frame_udp6(f), sport, dport, payload);
		f->len = ETH_HLEN + 48 + payload;
	}
}

/* Addressed to the station address of the group that its destination is. */
static inline void frame_to_group(struct test_frame *f)
{
	uint8_t *mac = frame_eth(f)->h_dest;

	if (frame_eth(f)->h_proto == htons(ETH_P_IP)) {
		memcpy(mac, "\x01\x00\x5e", 3);
		memcpy(mac + 3, (uint8_t *)&frame_ip4(f)->daddr + 1, 3);
		mac[3] &= 0x7f;
	} else {
		memcpy(mac, "\x33\x33", 2);
		memcpy(mac + 2, (uint8_t *)&frame_ip6(f)->daddr + 12, 4);
	}
}

#endif
