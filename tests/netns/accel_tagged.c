/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * accel_tagged.c - sends numbered UDP datagrams in VLAN-tagged frames through a packet socket, for accel_vlan.sh and
 * accel_checksum.sh.
 *
 * In the environment CHECKSUM=right or wrong gives them a UDP checksum; otherwise they have none.
 *
 *   accel_tagged INTERFACE DESTINATION-MAC VLAN SOURCE DESTINATION PORT FIRST COUNT    (VLAN -1: no tag)
 */
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>

#include "accel_common.h"

#define PAYLOAD 32

static uint16_t ip_sum(const void *data, size_t len)
{
	const uint16_t *w = data;
	uint32_t sum = 0;

	for (; len; len -= 2)
		sum += *w++;
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~(sum + (sum >> 16));
}

static uint16_t udp_sum(const struct iphdr *ip, const struct udphdr *udp, const uint8_t *payload)
{
	struct {
		uint32_t saddr, daddr;
		uint16_t protocol, len;
		struct udphdr udp;
		uint8_t payload[PAYLOAD];
	} __attribute__((packed))
	all = { ip->saddr, ip->daddr, htons(IPPROTO_UDP), udp->len, *udp, { 0 } };
	uint16_t copy[sizeof(all) / 2], sum;

	memcpy(all.payload, payload, PAYLOAD);
	memcpy(copy, &all, sizeof(all));
	sum = ip_sum(copy, sizeof(copy));
	return sum ? sum : 0xffff;
}

static size_t build(uint8_t *frame, char **argv, uint32_t seq)
{
	const char *checksum = getenv("CHECKSUM");
	int vlan = atoi(argv[3]);
	size_t at = 14;
	struct iphdr ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP };
	struct udphdr udp = { .source = htons(7777), .dest = htons((uint16_t)atoi(argv[6])) };

	sscanf(argv[2], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &frame[0], &frame[1], &frame[2], &frame[3],
	       &frame[4], &frame[5]);
	memcpy(frame + 6, "\x02\0\0\0\0\x09", 6);
	if (vlan >= 0) {
		frame[12] = 0x81;
		frame[13] = 0;
		frame[14] = (uint8_t)(vlan >> 8);
		frame[15] = (uint8_t)vlan;
		at = 18;
	}
	frame[at - 2] = 0x08;
	frame[at - 1] = 0;
	ip.tot_len = htons(sizeof(ip) + sizeof(udp) + PAYLOAD);
	ip.saddr = inet_addr(argv[4]);
	ip.daddr = inet_addr(argv[5]);
	ip.check = ip_sum(&ip, sizeof(ip));
	udp.len = htons(sizeof(udp) + PAYLOAD);
	memcpy(frame + at, &ip, sizeof(ip));
	memcpy(frame + at + sizeof(ip), &udp, sizeof(udp));
	kb_fill(frame + at + sizeof(ip) + sizeof(udp), PAYLOAD, seq);
	if (checksum) {
		udp.check = udp_sum(&ip, &udp, frame + at + sizeof(ip) + sizeof(udp));
		if (strcmp(checksum, "wrong") == 0)
			udp.check ^= 0x0110;
		memcpy(frame + at + sizeof(ip), &udp, sizeof(udp));
	}
	return at + sizeof(ip) + sizeof(udp) + PAYLOAD;
}

int main(int argc, char **argv)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET };
	uint8_t frame[256];
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	if (argc != 9 || fd < 0)
		kb_die("usage, or no packet socket");
	to.sll_ifindex = (int)if_nametoindex(argv[1]);
	for (uint32_t i = 0; i < (uint32_t)atoi(argv[8]); i++) {
		size_t len = build(frame, argv, (uint32_t)atoi(argv[7]) + i);

		if (sendto(fd, frame, len, 0, (struct sockaddr *)&to, sizeof(to)) < 0)
			kb_die("sendto: %s", strerror(errno));
		kb_pause_us(1000);
	}
	return 0;
}
