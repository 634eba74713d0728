/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * steer_rule.h - rule R3: which frames leave the kernel. Compiled into the XDP program and into the
 * loop backend.
 *
 * Everything that is not a plain UDP datagram for us is none of our business: tags, options,
 * extension headers, fragments, lengths that disagree, martians, frames for another station. The
 * kernel gets it and decides.
 */
#ifndef NIC_STEER_RULE_H
#define NIC_STEER_RULE_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <stdbool.h>

#include "nic/steer_map.h"

#define STEER_INLINE static inline __attribute__((always_inline))

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define STEER_NET16(x) __builtin_bswap16((__u16)(x))
#define STEER_MAPPED_WORD 0xffff0000u
#define STEER_LOOPBACK6_LOW (1ull << 56) /* of ::1 */
#else
#define STEER_NET16(x) ((__u16)(x))
#define STEER_MAPPED_WORD 0x0000ffffu
#define STEER_LOOPBACK6_LOW 1ull
#endif

#define STEER_IP_NOT_DF 0xbfff /* reserved bit, more fragments, offset */

STEER_INLINE __u64 steer_pair(__u32 first, __u32 second)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return first | (__u64)second << 32;
#else
	return (__u64)first << 32 | second;
#endif
}

/* The two halves of what steer_pair() made. */
STEER_INLINE __u32 steer_first(__u64 pair)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return (__u32)pair;
#else
	return (__u32)(pair >> 32);
#endif
}

STEER_INLINE __u32 steer_second(__u64 pair)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return (__u32)(pair >> 32);
#else
	return (__u32)pair;
#endif
}

/* Is @addr that of an IPv4 packet? steer_parse() lets no mapped address of an IPv6 packet in. */
STEER_INLINE bool steer_is_v4(const __u64 *addr)
{
	return addr[0] == 0 && steer_first(addr[1]) == STEER_MAPPED_WORD;
}

STEER_INLINE bool steer_for_us(const struct steer_host *host, const struct ethhdr *eth)
{
	const __u16 *dest = (const __u16 *)eth->h_dest;

	return dest[0] == host->mac[0] && dest[1] == host->mac[1] && dest[2] == host->mac[2];
}

/* Is @addr a multicast group, of either family? Not those of one host only (ff00::/16, ff01::/16). */
STEER_INLINE bool steer_is_group(const __u64 *addr)
{
	const __u8 *b = (const __u8 *)addr;

	if (steer_is_v4(addr))
		return (b[12] & 0xf0) == 0xe0;
	return b[0] == 0xff && (b[1] & 0x0f) > 1;
}

/* The Ethernet address that a group's datagrams are sent to: RFC 1112 6.4, RFC 2464 7. */
STEER_INLINE bool steer_for_group(const struct ethhdr *eth, const __u64 *group)
{
	const __u8 *b = (const __u8 *)group + 12, *mac = eth->h_dest;

	if (mac[3] != (steer_is_v4(group) ? b[1] & 0x7f : b[1]) || mac[4] != b[2] || mac[5] != b[3])
		return false;
	if (steer_is_v4(group))
		return mac[0] == 0x01 && mac[1] == 0x00 && mac[2] == 0x5e;
	return mac[0] == 0x33 && mac[1] == 0x33 && mac[2] == b[0];
}

/* 0/8, 127/8, multicast, reserved: nothing that comes by wire may carry them as its source. */
STEER_INLINE bool steer_martian4(__u32 addr)
{
	__u8 first = *(const __u8 *)&addr;

	return first == 0 || first == 127 || first >= 224;
}

/* The same for a destination, which may be a group. */
STEER_INLINE bool steer_martian_to4(__u32 addr)
{
	__u8 first = *(const __u8 *)&addr;

	return first == 0 || first == 127 || first >= 240;
}

STEER_INLINE bool steer_parse4(const struct steer_host *host, const void *data, const void *end,
			       __u32 len, struct steer_key *key)
{
	const struct ethhdr *eth = data;
	const struct iphdr *ip = (const void *)(eth + 1);
	const struct udphdr *udp = (const void *)(ip + 1);
	__u32 ip_len, udp_len, src, dst;

	if ((const void *)(udp + 1) > end)
		return false;
	if (*(const __u8 *)ip != 0x45 || ip->protocol != IPPROTO_UDP ||
	    (ip->frag_off & STEER_NET16(STEER_IP_NOT_DF)))
		return false;
	ip_len = STEER_NET16(ip->tot_len);
	udp_len = STEER_NET16(udp->len);
	if (udp_len < sizeof(*udp) || ip_len != udp_len + sizeof(*ip) || sizeof(*eth) + ip_len > len)
		return false;
	src = ip->saddr;
	dst = ip->daddr;
	if (!host->loopback && (steer_martian4(src) || steer_martian_to4(dst) || src == dst))
		return false;
	key->local[0] = 0;
	key->local[1] = steer_pair(STEER_MAPPED_WORD, dst);
	key->remote[0] = 0;
	key->remote[1] = steer_pair(STEER_MAPPED_WORD, src);
	key->local_port = udp->dest;
	key->remote_port = udp->source;
	key->zero = 0;
	return true;
}

/*
 * An upper half of zero: unspecified, loopback, and the IPv4-mapped addresses, which must never be
 * taken for the IPv4 ones of our tables.
 */
STEER_INLINE bool steer_martian6(const struct steer_host *host, __u64 high, __u64 low)
{
	if (*(const __u8 *)&high == 0xff)
		return true;
	return high == 0 && !(host->loopback && low == STEER_LOOPBACK6_LOW);
}

STEER_INLINE bool steer_parse6(const struct steer_host *host, const void *data, const void *end,
			       __u32 len, struct steer_key *key)
{
	const struct ethhdr *eth = data;
	const struct ipv6hdr *ip = (const void *)(eth + 1);
	const struct udphdr *udp = (const void *)(ip + 1);
	const __u32 *src = (const __u32 *)&ip->saddr;
	const __u32 *dst = (const __u32 *)&ip->daddr;
	__u32 udp_len;

	if ((const void *)(udp + 1) > end)
		return false;
	if ((*(const __u8 *)ip & 0xf0) != 0x60 || ip->nexthdr != IPPROTO_UDP || udp->check == 0)
		return false;
	udp_len = STEER_NET16(ip->payload_len);
	if (udp_len < sizeof(*udp) || udp->len != ip->payload_len ||
	    sizeof(*eth) + sizeof(*ip) + udp_len > len)
		return false;
	key->local[0] = steer_pair(dst[0], dst[1]);
	key->local[1] = steer_pair(dst[2], dst[3]);
	key->remote[0] = steer_pair(src[0], src[1]);
	key->remote[1] = steer_pair(src[2], src[3]);
	key->local_port = udp->dest;
	key->remote_port = udp->source;
	key->zero = 0;
	if (steer_martian6(host, key->remote[0], key->remote[1]))
		return false;
	if (steer_is_group(key->local))
		return true;
	if (steer_martian6(host, key->local[0], key->local[1]))
		return false;
	return host->loopback || key->local[0] != key->remote[0] || key->local[1] != key->remote[1];
}

/*
 * Where the destination port of a frame is that can be ours: for a first look that needs no tables. STEER_PORTS: none.
 */
STEER_INLINE __u32 steer_peek_port(const void *data, const void *end)
{
	const struct ethhdr *eth = data;
	const struct udphdr *udp;

	if ((const void *)(eth + 1) > end)
		return STEER_PORTS;
	if (eth->h_proto == STEER_NET16(ETH_P_IP))
		udp = (const void *)((const struct iphdr *)(eth + 1) + 1);
	else if (eth->h_proto == STEER_NET16(ETH_P_IPV6))
		udp = (const void *)((const struct ipv6hdr *)(eth + 1) + 1);
	else
		return STEER_PORTS;
	return (const void *)(udp + 1) > end ? STEER_PORTS : udp->dest;
}

/*
 * Reads a frame of @len bytes that starts at @data and whose first, contiguous part ends at @end. Gives the
 * STEER_* bits of its port, without those of the other family; 0: not ours.
 */
STEER_INLINE __u32 steer_parse(const struct steer_host *host, const struct steer_map *map,
			       const void *data, const void *end, __u32 len, struct steer_key *key)
{
	const struct ethhdr *eth = data;
	__u32 other = STEER_ANY6;

	if ((const void *)(eth + 1) > end)
		return 0;
	if (eth->h_proto == STEER_NET16(ETH_P_IP)) {
		if (!steer_parse4(host, data, end, len, key))
			return 0;
	} else if (eth->h_proto == STEER_NET16(ETH_P_IPV6)) {
		if (!steer_parse6(host, data, end, len, key))
			return 0;
		other = STEER_ANY4;
	} else {
		return 0;
	}
	if (steer_is_group(key->local)) {
		/* Who else hears the group only the kernel knows. */
		if (host->guarded || !steer_for_group(eth, key->local))
			return 0;
		return map->ports[key->local_port] & STEER_GROUP;
	}
	if (!steer_for_us(host, eth))
		return 0;
	return map->ports[key->local_port] & ~(other | STEER_GROUP);
}

STEER_INLINE bool steer_is_local(const struct steer_host *host, const __u64 *addr)
{
	__u32 hash = steer_hash_addr(addr), i;

	for (i = 0; i < STEER_PROBES; i++) {
		const struct steer_local *slot = &host->locals[steer_slot(hash, i, STEER_LOCALS)];

		if (slot->used && slot->addr[0] == addr[0] && slot->addr[1] == addr[1])
			return true;
	}
	return false;
}

/* Is the socket with @cookie one that there are flows for? */
STEER_INLINE bool steer_is_owned(const struct steer_host *host, __u64 cookie)
{
	__u32 hash = steer_hash_cookie(cookie), i;

	for (i = 0; i < STEER_PROBES; i++) {
		const struct steer_cookie *slot = &host->cookies[steer_slot(hash, i, STEER_COOKIES)];

		if (slot->used && slot->cookie == cookie)
			return true;
	}
	return false;
}

STEER_INLINE bool steer_same_key(const struct steer_key *a, const struct steer_key *b)
{
	return a->local[0] == b->local[0] && a->local[1] == b->local[1] &&
	       a->remote[0] == b->remote[0] && a->remote[1] == b->remote[1] &&
	       a->local_port == b->local_port && a->remote_port == b->remote_port;
}

STEER_INLINE bool steer_has_flow(const struct steer_map *map, const struct steer_key *key)
{
	__u32 hash = steer_hash_key(key), i;

	for (i = 0; i < STEER_PROBES; i++) {
		const struct steer_flow *slot = &map->flows[steer_slot(hash, i, STEER_FLOWS)];

		if (slot->used && steer_same_key(&slot->key, key))
			return true;
	}
	return false;
}

/* Is there a flow for @key, whose port has @bits? */
STEER_INLINE bool steer_has_rule(const struct steer_host *host, const struct steer_map *map,
				 const struct steer_key *key, __u32 bits)
{
	struct steer_key part = *key;
	bool local = false;

	if (bits & (STEER_ANY | STEER_CONN))
		local = steer_is_local(host, key->local);
	if (local && (bits & STEER_ANY))
		return true;
	if (bits & (STEER_CONN | STEER_GROUP)) {
		if (steer_has_flow(map, key))
			return true;
		part.local[0] = part.local[1] = 0;
		if (local && steer_has_flow(map, &part))
			return true;
	}
	if (!(bits & (STEER_LOCAL | STEER_GROUP)))
		return false;
	part.local[0] = key->local[0];
	part.local[1] = key->local[1];
	part.remote[0] = part.remote[1] = 0;
	part.remote_port = 0;
	return steer_has_flow(map, &part);
}

/*
 * Is the frame ours? Not when it comes from outside with one of the host's own addresses as its
 * source: the kernel refuses that for IPv4, whatever rp_filter says, and programs rely on it.
 */
STEER_INLINE bool steer_match(const struct steer_host *host, const struct steer_map *map,
			      const struct steer_key *key, __u32 bits)
{
	return steer_has_rule(host, map, key, bits) &&
	       (host->loopback || !steer_is_local(host, key->remote));
}

#endif
