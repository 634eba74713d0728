/* SPDX-License-Identifier: BSD-3-Clause */
/* checksum.c - see checksum.h. One's complement sums do not depend on word size or byte order: add 64 bits at a time. */
#include "stack/checksum.h"

#include <netinet/in.h>
#include <string.h>

static uint64_t add(uint64_t sum, uint64_t value)
{
	sum += value;
	return sum + (sum < value);
}

static uint16_t fold(uint64_t sum)
{
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)sum;
}

/* Fewer than 8 bytes; an odd one is followed by a zero. Each part begins at an even place. */
static inline uint64_t sum_tail(const uint8_t *p, size_t len)
{
	uint32_t four = 0;
	uint16_t two = 0, one = 0;

	if (len & 4) {
		memcpy(&four, p, 4);
		p += 4;
	}
	if (len & 2) {
		memcpy(&two, p, 2);
		p += 2;
	}
	if (len & 1)
		memcpy(&one, p, 1);
	return (uint64_t)four + two + one;
}

static uint64_t sum_bytes(const uint8_t *p, size_t len)
{
	uint64_t sum = 0, w[4];

	for (; len >= 32; p += 32, len -= 32) {
		memcpy(w, p, 32);
		sum = add(sum, w[0]);
		sum = add(sum, w[1]);
		sum = add(sum, w[2]);
		sum = add(sum, w[3]);
	}
	for (; len >= 8; p += 8, len -= 8) {
		memcpy(w, p, 8);
		sum = add(sum, w[0]);
	}
	return len ? add(sum, sum_tail(p, len)) : sum;
}

uint16_t checksum_lwip(const void *data, int len)
{
	return fold(sum_bytes(data, (size_t)len));
}

static uint64_t pseudo_header(const uint8_t *l3, uint32_t len)
{
	uint64_t sum = (uint64_t)htonl(len) + htonl(IPPROTO_UDP);

	return l3[0] >> 4 == 6 ? add(sum, sum_bytes(l3 + 8, 32)) : add(sum, sum_bytes(l3 + 12, 8));
}

bool checksum_udp_ok(const uint8_t *l3, const uint8_t *udp, uint32_t len, bool allow_partial)
{
	uint64_t pseudo = pseudo_header(l3, len);
	uint16_t stated;

	memcpy(&stated, udp + 6, sizeof(stated));
	if (stated == 0)
		return l3[0] >> 4 == 4; /* "no checksum", not allowed over IPv6 (RFC 8200, 8.1) */
	if (fold(add(pseudo, sum_bytes(udp, len))) == 0xffff)
		return true;
	return allow_partial && stated == fold(pseudo);
}
