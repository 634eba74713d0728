/* SPDX-License-Identifier: BSD-3-Clause */
/* checksum.h - the Internet checksum (RFC 1071), for lwIP and for received datagrams. */
#ifndef STACK_CHECKSUM_H
#define STACK_CHECKSUM_H

#include <stdbool.h>
#include <stdint.h>

/* The folded, uncomplemented sum as it stands in memory (lwIP's LWIP_CHKSUM). Any alignment. */
uint16_t checksum_lwip(const void *data, int len);

/*
 * Is the UDP checksum of a packet acceptable? @l3: its IP header, either family; @len: bytes from the UDP header on.
 * @allow_partial: a sum over the pseudo header only is accepted too. A sender on the same host leaves that
 * (CHECKSUM_PARTIAL) for hardware that a virtual link does not have, and AF_XDP cannot tell us.
 */
bool checksum_udp_ok(const uint8_t *l3, const uint8_t *udp, uint32_t len, bool allow_partial);

#endif
