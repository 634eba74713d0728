/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dgram.h - one received datagram on its way from a NIC frame to the application's buffer.
 *
 * The header lives in the private head of the NIC frame that holds the packet (no allocation, no copy), or, when
 * the datagram was set aside to give the frame back, in front of a copy from the aside slab (queue.c).
 */
#ifndef STACK_DGRAM_H
#define STACK_DGRAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ipaddr.h"

struct engine;

struct dgram {
	struct dgram *next;
	struct engine *engine; /* whose frame it is; NULL: set aside */
	uint8_t *l3;	       /* IP header; the UDP header stands right before payload */
	uint8_t *payload;
	uint32_t len;	 /* bytes of payload */
	uint32_t charge; /* what it counts against SO_RCVBUF */
	uint64_t stamp; /* CLOCK_REALTIME ns at reception, 0: nobody asked; and DGRAM_HWSTAMP: there is ->hwstamp */
	int32_t ifindex;
	int32_t pktinfo_if; /* what IP_PKTINFO names: 0 if it was not wanted yet when the datagram came */
	uint32_t claim; /* queued before a fork: who reads it first has it (family_claim()); 0: nobody else can */
	uint32_t dropped; /* the socket's drop count when it was queued (SO_RXQ_OVFL) */
	uint64_t hwstamp; /* where the NIC put its stamp (NIC_FRAME_STAMP) */
};

#define DGRAM_HWSTAMP (1ull << 63)

static inline uint64_t dgram_stamp(const struct dgram *d)
{
	return d->stamp & ~DGRAM_HWSTAMP;
}

/* ns of the NIC's clock; 0: none that the kernel would report, too. */
static inline uint64_t dgram_hwstamp(const struct dgram *d)
{
	return d->stamp & DGRAM_HWSTAMP ? d->hwstamp : 0;
}

static inline bool dgram_is_v6(const struct dgram *d)
{
	return d->l3[0] >> 4 == 6;
}

static inline struct ipaddr dgram_source(const struct dgram *d)
{
	uint32_t v4;

	if (dgram_is_v6(d))
		return ipaddr_from_v6(d->l3 + 8);
	memcpy(&v4, d->l3 + 12, sizeof(v4));
	return ipaddr_from_v4(v4);
}

static inline struct ipaddr dgram_destination(const struct dgram *d)
{
	uint32_t v4;

	if (dgram_is_v6(d))
		return ipaddr_from_v6(d->l3 + 24);
	memcpy(&v4, d->l3 + 16, sizeof(v4));
	return ipaddr_from_v4(v4);
}

/* Ports in network order. */
static inline uint16_t dgram_source_port(const struct dgram *d)
{
	uint16_t port;

	memcpy(&port, d->payload - 8, sizeof(port));
	return port;
}

static inline uint16_t dgram_destination_port(const struct dgram *d)
{
	uint16_t port;

	memcpy(&port, d->payload - 6, sizeof(port));
	return port;
}

static inline uint8_t dgram_ttl(const struct dgram *d)
{
	return d->l3[dgram_is_v6(d) ? 7 : 8];
}

/* Type of service, or traffic class. */
static inline uint8_t dgram_tos(const struct dgram *d)
{
	return dgram_is_v6(d) ? (uint8_t)(d->l3[0] << 4 | d->l3[1] >> 4) : d->l3[1];
}

#endif
