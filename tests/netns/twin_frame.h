/* SPDX-License-Identifier: BSD-3-Clause */
/* twin_frame.h - builds a frame with something odd about it and sends it through a packet socket; for twin_frames.c. */
#ifndef TESTS_NETNS_TWIN_FRAME_H
#define TESTS_NETNS_TWIN_FRAME_H

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>

#include "accel_common.h"

#define PAYLOAD 32

/* A frame under construction: what differs from a plain one. */
struct frame {
	bool v6;
	uint8_t mac[6];
	uint8_t from[16], to[16];
	uint16_t sport, dport;
	uint32_t number;
	size_t payload;
	int vlan;	 /* -1: none */
	uint16_t type;	 /* EtherType, or a length */
	const char *llc; /* in front of the packet */
	uint8_t version, ihl_less, ttl, tos, protocol;
	const uint8_t *options; /* of IPv4, or the extension headers of IPv6 */
	size_t options_len;
	uint16_t fragment;	     /* IPv4: flags and offset */
	int ip_len_add, udp_len_add; /* what the headers lie about their lengths */
	int udp_len;		     /* or what they say in any case */
	enum { SUM_RIGHT, SUM_NONE, SUM_WRONG } sum;
	bool ip_sum_wrong;
	size_t pad;		 /* at the end of the frame */
	size_t cut_from, cut_to; /* of the IP payload only this part */
	uint32_t flow;
};

static int packet_fd;
static struct sockaddr_ll packet_to = { .sll_family = AF_PACKET };

static uint32_t sum_of(const void *data, size_t len, uint32_t sum)
{
	const uint8_t *b = data;

	for (size_t i = 0; i < len; i++)
		sum += i & 1 ? b[i] : (uint32_t)b[i] << 8;
	return sum;
}

static uint16_t folded(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static uint16_t pseudo_sum(const struct frame *f, const void *data, size_t len, uint8_t protocol)
{
	size_t alen = f->v6 ? 16 : 4;
	uint32_t sum = sum_of(f->from, alen, sum_of(f->to, alen, (uint32_t)len + protocol));

	return folded(sum_of(data, len, sum));
}

static size_t build_udp(const struct frame *f, uint8_t *out)
{
	struct udphdr udp = { .source = htons(f->sport), .dest = htons(f->dport) };
	size_t len = sizeof(udp) + f->payload;
	uint16_t sum;

	udp.len = htons((uint16_t)(f->udp_len >= 0 ? f->udp_len : (int)len + f->udp_len_add));
	memcpy(out, &udp, sizeof(udp));
	kb_fill(out + sizeof(udp), f->payload, f->number);
	if (f->sum == SUM_NONE)
		return len;
	/* Over what the length in the header says, as the receiver counts. */
	sum = pseudo_sum(f, out, ntohs(udp.len) <= len && ntohs(udp.len) >= 8 ? ntohs(udp.len) : len,
			 IPPROTO_UDP);
	udp.check = htons((uint16_t)(sum ? sum : 0xffff));
	if (f->sum == SUM_WRONG)
		udp.check ^= 0x0110;
	memcpy(out, &udp, sizeof(udp));
	return len;
}

static size_t put_ip4(const struct frame *f, uint8_t *out, size_t len)
{
	struct iphdr ip = { .version = f->version ? f->version & 15 : 4,
			    .ttl = f->ttl,
			    .tos = f->tos,
			    .protocol = f->protocol,
			    .frag_off = htons(f->fragment),
			    .id = 0x4242 };
	size_t head = sizeof(ip) + f->options_len;

	ip.ihl = (unsigned)(head / 4 - f->ihl_less) & 15;
	ip.tot_len = htons((uint16_t)((int)(head + len) + f->ip_len_add));
	memcpy(&ip.saddr, f->from, 4);
	memcpy(&ip.daddr, f->to, 4);
	memcpy(out, &ip, sizeof(ip));
	if (f->options_len)
		memcpy(out + sizeof(ip), f->options, f->options_len);
	ip.check = htons(folded(sum_of(out, head, 0)));
	if (f->ip_sum_wrong)
		ip.check ^= 0x0110;
	memcpy(out, &ip, sizeof(ip));
	return head;
}

/* The extension headers in f->options begin with their own "next header" at byte 0; the last one's is set here. */
static size_t put_ip6(const struct frame *f, uint8_t *out, size_t len)
{
	struct ip6_hdr ip = { .ip6_flow = htonl((uint32_t)(f->version ? f->version : 6) << 28 |
						(uint32_t)f->tos << 20 | f->flow) };

	ip.ip6_plen = htons((uint16_t)((int)(f->options_len + len) + f->ip_len_add));
	ip.ip6_hlim = f->ttl;
	ip.ip6_nxt = f->protocol;
	memcpy(&ip.ip6_src, f->from, 16);
	memcpy(&ip.ip6_dst, f->to, 16);
	memcpy(out, &ip, sizeof(ip));
	if (f->options_len)
		memcpy(out + sizeof(ip), f->options, f->options_len);
	return sizeof(ip) + f->options_len;
}

/* Puts Ethernet and IP around @len bytes of @data, and sends. */
static void transmit(const struct frame *f, const uint8_t *data, size_t len)
{
	static uint8_t out[4096];
	uint16_t type = htons(f->type);
	size_t at = 12;

	if (f->cut_to) {
		len = (f->cut_to < len ? f->cut_to : len) - f->cut_from;
		data += f->cut_from;
	}
	memcpy(out, f->mac, 6);
	memcpy(out + 6, "\x02\0\0\0\0\x09", 6);
	if (f->vlan >= 0) {
		memcpy(out + at, (uint8_t[]){ 0x81, 0, (uint8_t)(f->vlan >> 8), (uint8_t)f->vlan },
		       4);
		at += 4;
	}
	memcpy(out + at, &type, 2);
	at += 2;
	if (f->llc) {
		memcpy(out + at, f->llc, 8);
		at += 8;
	}
	at += f->v6 ? put_ip6(f, out + at, len) : put_ip4(f, out + at, len);
	memcpy(out + at, data, len);
	at += len;
	memset(out + at, 0xee, f->pad);
	at += f->pad;
	if (sendto(packet_fd, out, at, 0, (struct sockaddr *)&packet_to, sizeof(packet_to)) < 0)
		kb_die("sendto: %s", strerror(errno));
	kb_pause_us(2000);
}

static void send_udp(const struct frame *f)
{
	static uint8_t data[2048];

	transmit(f, data, build_udp(f, data));
}

#endif
