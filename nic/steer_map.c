/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * steer_map.c - the writer's side of steer_map.h: flows, sockets and local addresses in and
 * out of the tables.
 *
 * Plain stores only: no system call, no privilege, no lock; the caller serialises. Linked into the
 * AF_XDP plugin and, for the loop backend, into tests.
 */
#include "nic/steer_map.h"

#include <errno.h>
#include <string.h>

#include "nic/steer_rule.h"

void steer_host_mac(struct steer_host *host, const uint8_t mac[6])
{
	uint16_t words[3];

	memcpy(words, mac, sizeof(words));
	for (int i = 0; i < 3; i++)
		__atomic_store_n(&host->mac[i], words[i], __ATOMIC_RELAXED);
}

void steer_host_init(struct steer_host *host, const struct nic *nic, __u32 max_len)
{
	steer_host_mac(host, nic->mac);
	host->loopback = strcmp(nic->ifname, "lo") == 0;
	host->max_len = max_len;
}

void steer_host_wide(struct steer_host *host, __u32 max_len)
{
	host->max_len = max_len;
	host->wide = 1;
}

/* One more or one less flow for each of @bits; they change together. */
static void port_count(struct steer_map *map, uint16_t port, uint8_t bits, bool on)
{
	uint8_t now = map->ports[port];

	for (unsigned i = 0; i < STEER_BITS; i++) {
		__u16 *count = &map->count[i][port];

		if (!(bits & 1u << i))
			continue;
		*count = (__u16)(*count + (on ? 1 : -1));
		now = (uint8_t)(*count ? now | 1u << i : now & ~(1u << i));
	}
	__atomic_store_n(&map->ports[port], now, __ATOMIC_RELEASE);
}

/* Is there a count of @limit among those of @bits? */
static bool any_count_is(const struct steer_map *map, uint16_t port, uint8_t bits, __u16 limit)
{
	for (unsigned i = 0; i < STEER_BITS; i++)
		if ((bits & 1u << i) && map->count[i][port] == limit)
			return true;
	return false;
}

static uint8_t flag_bits(const struct nic_flow *flow)
{
	return (flow->flags & NIC_FLOW_SHARED ? STEER_SHARED : 0) |
	       (flow->flags & NIC_FLOW_DEVICE ? STEER_DEVICE : 0);
}

static void slot_publish(__u64 *used)
{
	__atomic_store_n(used, 1, __ATOMIC_RELEASE);
}

/* Nothing that is stored into the slot later may be seen before it is free. */
static void slot_clear(__u64 *used)
{
	__atomic_exchange_n(used, 0, __ATOMIC_SEQ_CST);
}

/*
 * The first slot of the bucket that has more room, given the free slots (a bit each) of both; -1:
 * no room.
 */
static int choose_slot(unsigned free_slots)
{
	unsigned first = free_slots & ((1u << STEER_BUCKET) - 1),
		 second = free_slots >> STEER_BUCKET;

	if (!free_slots)
		return -1;
	if (__builtin_popcount(second) > __builtin_popcount(first))
		return STEER_BUCKET + __builtin_ctz(second);
	return __builtin_ctz(first);
}

/* The slot that holds @key, or NULL; @empty gets the one that should take it, or NULL. */
static struct steer_flow *find_flow(struct steer_map *map, const struct steer_key *key,
				    struct steer_flow **empty)
{
	uint32_t hash = steer_hash_key(key);
	unsigned free_slots = 0;
	int chosen;

	for (uint32_t i = 0; i < STEER_PROBES; i++) {
		struct steer_flow *slot = &map->flows[steer_slot(hash, i, STEER_FLOWS)];

		if (slot->used && steer_same_key(&slot->key, key))
			return slot;
		free_slots |= !slot->used << i;
	}
	chosen = choose_slot(free_slots);
	*empty = chosen < 0 ? NULL : &map->flows[steer_slot(hash, (uint32_t)chosen, STEER_FLOWS)];
	return NULL;
}

static struct steer_local *find_local(struct steer_host *host, const struct ipaddr *addr,
				      struct steer_local **empty)
{
	__u64 words[2] = { addr->q[0], addr->q[1] };
	uint32_t hash = steer_hash_addr(words);
	unsigned free_slots = 0;
	int chosen;

	for (uint32_t i = 0; i < STEER_PROBES; i++) {
		struct steer_local *slot = &host->locals[steer_slot(hash, i, STEER_LOCALS)];

		if (slot->used && slot->addr[0] == words[0] && slot->addr[1] == words[1])
			return slot;
		free_slots |= !slot->used << i;
	}
	chosen = choose_slot(free_slots);
	*empty = chosen < 0 ? NULL : &host->locals[steer_slot(hash, (uint32_t)chosen, STEER_LOCALS)];
	return NULL;
}

static struct steer_cookie *find_cookie(struct steer_host *host, __u64 cookie,
					struct steer_cookie **empty)
{
	uint32_t hash = steer_hash_cookie(cookie);
	unsigned free_slots = 0;
	int chosen;

	for (uint32_t i = 0; i < STEER_PROBES; i++) {
		struct steer_cookie *slot = &host->cookies[steer_slot(hash, i, STEER_COOKIES)];

		if (slot->used && slot->cookie == cookie)
			return slot;
		free_slots |= !slot->used << i;
	}
	chosen = choose_slot(free_slots);
	*empty = chosen < 0 ? NULL
			    : &host->cookies[steer_slot(hash, (uint32_t)chosen, STEER_COOKIES)];
	return NULL;
}

static int add_flow(struct steer_map *map, const struct steer_key *key, uint8_t bits)
{
	struct steer_flow *empty = NULL, *slot = find_flow(map, key, &empty);

	if (any_count_is(map, key->local_port, bits, UINT16_MAX) || (!slot && !empty))
		return -ENOSPC;
	if (slot) {
		slot->used++;
	} else {
		empty->key = *key;
		slot_publish(&empty->used);
	}
	port_count(map, key->local_port, bits, true);
	return 0;
}

static int remove_flow(struct steer_map *map, const struct steer_key *key, uint8_t bits)
{
	struct steer_flow *empty = NULL, *slot = find_flow(map, key, &empty);

	if (!slot || any_count_is(map, key->local_port, bits, 0))
		return -ENOENT;
	port_count(map, key->local_port, bits, false);
	if (slot->used > 1)
		slot->used--;
	else
		slot_clear(&slot->used);
	return 0;
}

static int set_any(struct steer_map *map, const struct nic_flow *flow, bool on)
{
	static const uint8_t any[] = { [NIC_FLOW_V4] = STEER_ANY4,
				       [NIC_FLOW_V6] = STEER_ANY6,
				       [NIC_FLOW_V4 | NIC_FLOW_V6] = STEER_ANY46 };
	uint8_t bits = any[flow->families & (NIC_FLOW_V4 | NIC_FLOW_V6)];

	if (!bits)
		return -EINVAL;
	bits |= flag_bits(flow);
	if (any_count_is(map, flow->local_port, bits, on ? UINT16_MAX : 0))
		return on ? -ENOSPC : -ENOENT;
	port_count(map, flow->local_port, bits, on);
	return 0;
}

int steer_map_flow(struct steer_map *map, const struct nic_flow *flow, bool on)
{
	bool any_local = ipaddr_is_any(&flow->local), any_remote = ipaddr_is_any(&flow->remote);
	struct steer_key key = {
		.local = { flow->local.q[0], flow->local.q[1] },
		.remote = { flow->remote.q[0], flow->remote.q[1] },
		.local_port = flow->local_port,
		.remote_port = any_remote ? 0 : flow->remote_port,
	};
	uint8_t bits = (any_remote ? STEER_LOCAL : STEER_CONN) | flag_bits(flow);

	if (any_local && any_remote)
		return set_any(map, flow, on);
	if (ipaddr_is_multicast(&flow->remote))
		return -EOPNOTSUPP;
	if (ipaddr_is_multicast(&flow->local))
		bits = STEER_GROUP;
	if (!any_local && !any_remote && ipaddr_is_v4(&flow->local) != ipaddr_is_v4(&flow->remote))
		return -EINVAL;
	return on ? add_flow(map, &key, bits) : remove_flow(map, &key, bits);
}

int steer_host_owns(struct steer_host *host, __u64 cookie, bool on)
{
	struct steer_cookie *empty = NULL, *slot = find_cookie(host, cookie, &empty);

	if (slot) {
		if (on)
			slot->used++;
		else if (slot->used > 1)
			slot->used--;
		else
			slot_clear(&slot->used);
		return 0;
	}
	if (!on || !empty)
		return on ? -ENOSPC : -ENOENT;
	empty->cookie = cookie;
	slot_publish(&empty->used);
	return 0;
}

void steer_map_no_flows(struct steer_map *map)
{
	memset(map->ports, 0, sizeof(map->ports));
	memset(map->count, 0, sizeof(map->count));
	for (unsigned i = 0; i < STEER_FLOWS; i++)
		if (map->flows[i].used)
			slot_clear(&map->flows[i].used);
}

void steer_host_no_owners(struct steer_host *host)
{
	for (unsigned i = 0; i < STEER_COOKIES; i++)
		if (host->cookies[i].used)
			slot_clear(&host->cookies[i].used);
}

int steer_host_local(struct steer_host *host, const struct ipaddr *addr, bool on)
{
	struct steer_local *empty = NULL, *slot = find_local(host, addr, &empty);

	if (!on) {
		if (!slot)
			return -ENOENT;
		slot_clear(&slot->used);
		return 0;
	}
	if (slot || ipaddr_is_multicast(addr) || ipaddr_is_any(addr))
		return 0;
	if (!empty)
		return -ENOSPC;
	empty->addr[0] = addr->q[0];
	empty->addr[1] = addr->q[1];
	slot_publish(&empty->used);
	return 0;
}
