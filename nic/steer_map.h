/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * steer_map.h - what the steering rule knows: memory that we write with plain stores and the XDP
 * program reads.
 *
 * Two structs, each a mmapped BPF array or, for tests, any zeroed memory: struct steer_map is what a
 * process wants; struct steer_host is what bounds it, and may be somebody else's to write (the broker,
 * for a process without privileges). Compiled for BPF too, so they have kernel types only. steer_map.c
 * writes them, steer_rule.h reads them.
 *
 * A key lives in one of two buckets of four slots, both given by its hash; it is put into the
 * emptier one, which lets a table become more than half full before the first refusal. Both sides
 * look at all eight slots, so a removal leaves no mark, and two full buckets are -ENOSPC although
 * other slots are free.
 *
 * A slot is written key first, then `used` with release. A reader that races with a reuse of the
 * slot may see a key that is half old and half new; the frame that would match such a key by chance
 * is handed to the stack, which has no socket for it. No reader ever sees anything but a slot of
 * the table, so there is nothing to lock.
 */
#ifndef NIC_STEER_MAP_H
#define NIC_STEER_MAP_H

#include <linux/types.h>

#define STEER_PORTS 65536
#define STEER_FLOWS 16384 /* powers of two */
#define STEER_LOCALS 4096
#define STEER_COOKIES 16384
#define STEER_BUCKET 4
#define STEER_PROBES (2 * STEER_BUCKET)

/* What there is for a local port; no bit: the frame is passed after one look. */
#define STEER_ANY4 0x01	  /* any local IPv4 address, any remote */
#define STEER_ANY6 0x02	  /* any local IPv6 address, any remote */
#define STEER_ANY46 0x04  /* any local address of both families: a dual-stack socket's */
#define STEER_LOCAL 0x08  /* flows[] has one with a local address, any remote */
#define STEER_CONN 0x10	  /* flows[] has one with a remote, with or without a local address */
#define STEER_SHARED 0x20 /* NIC_FLOW_SHARED: only what the kernel would give to such a socket */
#define STEER_DEVICE 0x40 /* NIC_FLOW_DEVICE */
#define STEER_GROUP 0x80  /* flows[] has one with a multicast group as its local address */
#define STEER_BITS 8
#define STEER_ANY (STEER_ANY4 | STEER_ANY6 | STEER_ANY46)

/* Addresses as in base/ipaddr.h (IPv4 is mapped), ports in network order; zero means any. */
struct steer_key {
	__u64 local[2];
	__u64 remote[2];
	__u16 local_port;
	__u16 remote_port;
	__u32 zero;
};

struct steer_flow {
	struct steer_key key;
	__u64 used; /* how many flows differ from this one in their flags only */
};

struct steer_local {
	__u64 addr[2];
	__u64 used;
};

struct steer_cookie {
	__u64 cookie;
	__u64 used; /* how often it was entered */
};

/* What the host is, and which of its sockets the flows may be for. */
struct steer_host {
	__u32 max_len; /* longest frame that can be given to the seat */
	__u16 mac[3];  /* of the interface: frames for others pass */
	__u8 loopback; /* "lo": loopback and own addresses are no martians */
	__u8 guarded; /* the writer of struct steer_map is not trusted: every flow is STEER_SHARED, groups pass */
	__u8 wide; /* ... also in several buffers */
	struct steer_local locals[STEER_LOCALS];
	struct steer_cookie cookies[STEER_COOKIES];
};

struct steer_map {
	__u64 lease_until; /* CLOCK_MONOTONIC; behind it everything passes (R6) */
	__u64 lost;	   /* frames that found a full ring; the program counts */
	__u32 asleep;	   /* 1: sleeps, and is to be woken; the program takes it back then */
	__u32 zero;
	__u8 ports[STEER_PORTS]; /* STEER_* bits, indexed by the port in network order */
	struct steer_flow flows[STEER_FLOWS];
	/*
	 * How many flows set each bit of ports[]. For the writer only; here, so that a process which
	 * takes over after a fork has them.
	 */
	__u16 count[STEER_BITS][STEER_PORTS];
};

/*
 * Folded before the multiplication: the busy bits of an IPv4 address are in the upper half of its
 * word.
 */
static inline __attribute__((always_inline)) __u64 steer_mix(__u64 h, __u64 word)
{
	h ^= word;
	return (h ^ (h >> 32)) * 0x9e3779b97f4a7c15ull;
}

static inline __attribute__((always_inline)) __u32 steer_hash_addr(const __u64 *addr)
{
	return (__u32)(steer_mix(steer_mix(0, addr[0]), addr[1]) >> 32);
}

static inline __attribute__((always_inline)) __u32 steer_hash_cookie(__u64 cookie)
{
	return (__u32)(steer_mix(0, cookie) >> 32);
}

static inline __attribute__((always_inline)) __u32 steer_hash_key(const struct steer_key *key)
{
	__u64 h = steer_mix(steer_mix(0, key->local[0]), key->local[1]);

	h = steer_mix(steer_mix(h, key->remote[0]), key->remote[1]);
	return (__u32)(steer_mix(h, (__u64)key->local_port << 16 | key->remote_port) >> 32);
}

/* The slot to look at in the @i-th place, in a table of @size. */
static inline __attribute__((always_inline)) __u32 steer_slot(__u32 hash, __u32 i, __u32 size)
{
	__u32 bucket = i < STEER_BUCKET ? hash : hash >> 16;

	return (bucket * STEER_BUCKET + i % STEER_BUCKET) & (size - 1);
}

#ifndef __bpf__
#include "nic/nic.h"

/* Prepares zeroed memory for interface @nic whose frames hold at most @max_len bytes of packet. */
void steer_host_init(struct steer_host *host, const struct nic *nic, __u32 max_len);

/* Its frames may also be in several buffers, of @max_len bytes together. Before anything is steered. */
void steer_host_wide(struct steer_host *host, __u32 max_len);

/* As nic_ops.steer(); also -EOPNOTSUPP for a multicast remote and -EINVAL for mixed families. */
int steer_map_flow(struct steer_map *map, const struct nic_flow *flow, bool on);

/* Takes all flows off. */
void steer_map_no_flows(struct steer_map *map);

/* As nic_ops.owns(). */
int steer_host_owns(struct steer_host *host, __u64 cookie, bool on);

/* Takes all sockets off. */
void steer_host_no_owners(struct steer_host *host);

/*
 * As nic_ops.set_local(). Adding twice is adding once; addresses that never match (multicast) are
 * left out.
 */
int steer_host_local(struct steer_host *host, const struct ipaddr *addr, bool on);

/* As nic_ops.set_mac(), without nic->mac. In between a frame may match neither address, and pass. */
void steer_host_mac(struct steer_host *host, const uint8_t mac[6]);

/* As nic_ops.set_lease(). */
static inline void steer_map_lease(struct steer_map *map, uint64_t until_ns)
{
	__atomic_store_n(&map->lease_until, until_ns, __ATOMIC_RELEASE);
}
#endif

#endif
