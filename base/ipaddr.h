/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ipaddr.h - one address type for both families, used by every layer.
 *
 * An IPv4 address a.b.c.d is kept as ::ffff:a.b.c.d, so that tables and keys need one shape only.
 * All-zero means "any" in both families. Bytes are in network order.
 */
#ifndef BASE_IPADDR_H
#define BASE_IPADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/relaxed.h"

struct ipaddr {
	union {
		uint8_t b[16];
		uint32_t w[4];
		uint64_t q[2];
	};
};

/* Room for any address as text, port and brackets included ("[...]:65535"). */
#define IPADDR_STRLEN 64

static inline bool ipaddr_equal(const struct ipaddr *a, const struct ipaddr *b)
{
	return a->q[0] == b->q[0] && a->q[1] == b->q[1];
}

static inline bool ipaddr_is_any(const struct ipaddr *a)
{
	return (a->q[0] | a->q[1]) == 0;
}

static inline bool ipaddr_is_v4(const struct ipaddr *a)
{
	return a->q[0] == 0 && a->w[2] == htonl(0xffff);
}

/*
 * For an address that is changed while others read it without a lock, as the kernel does it: an IPv4 address is the old
 * one or the new one, an IPv6 address may be half of each.
 */
static inline struct ipaddr ipaddr_read(const struct ipaddr *a)
{
	struct ipaddr copy = { .q = { relaxed_get(a->q[0]), relaxed_get(a->q[1]) } };

	return copy;
}

static inline void ipaddr_write(struct ipaddr *a, const struct ipaddr *value)
{
	relaxed_set(a->q[0], value->q[0]);
	relaxed_set(a->q[1], value->q[1]);
}

/* @addr: IPv4 address in network order; 0 gives "any". */
static inline struct ipaddr ipaddr_from_v4(uint32_t addr)
{
	struct ipaddr a = { .w = { 0, 0, addr ? htonl(0xffff) : 0, addr } };

	return a;
}

static inline struct ipaddr ipaddr_from_v6(const void *addr)
{
	struct ipaddr a;

	memcpy(a.b, addr, sizeof(a.b));
	return a;
}

/* The IPv4 address in network order; meaningful for mapped addresses and "any" only. */
static inline uint32_t ipaddr_v4(const struct ipaddr *a)
{
	return a->w[3];
}

static inline bool ipaddr_is_multicast(const struct ipaddr *a)
{
	return ipaddr_is_v4(a) ? (a->b[12] & 0xf0) == 0xe0 : a->b[0] == 0xff;
}

static inline bool ipaddr_is_loopback(const struct ipaddr *a)
{
	static const struct ipaddr one = { .b = { [15] = 1 } };

	return ipaddr_is_v4(a) ? a->b[12] == 127 : ipaddr_equal(a, &one);
}

static inline bool ipaddr_is_linklocal6(const struct ipaddr *a)
{
	return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

static inline uint32_t ipaddr_hash(const struct ipaddr *a)
{
	uint64_t h = (a->q[0] ^ (a->q[1] * 0x9e3779b97f4a7c15ull)) * 0xff51afd7ed558ccdull;

	h ^= h >> 32; /* on a little-endian machine an IPv4 address sits in the upper half */
	h *= 0xc4ceb9fe1a85ec53ull;
	return (uint32_t)(h >> 32);
}

#endif
