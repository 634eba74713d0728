/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fake_wire.bpf.c - sends each frame by the TX queue, and so to the RX queue of the veth's other end, that a NIC with these tables
 * would receive it on.
 */
#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>

#include "tests/netns/fake_wire.h"

struct wire wire;

struct packet {
	__u32 addr[4];
	__u16 port;
	__u16 v6;
	__u32 queue;
	__u32 found;
};

static long compare(__u32 i, struct packet *p)
{
	const struct wire_rule *r = &wire.rule[i & (WIRE_RULES - 1)];

	if (r->v6 != p->v6 || r->port != p->port)
		return 0;
	if (!r->any && (r->addr[0] != p->addr[0] || r->addr[1] != p->addr[1] ||
			r->addr[2] != p->addr[2] || r->addr[3] != p->addr[3]))
		return 0;
	p->queue = r->queue;
	p->found = 1;
	return 1;
}

static __always_inline __u32 entry(__u32 hash)
{
	return wire.table[hash & (wire.entries - 1) & (WIRE_RSS - 1)];
}

static __always_inline __u32 queue_of(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct packet p = { .found = 0 };
	struct ethhdr *eth = data;
	struct iphdr *ip4 = (void *)(eth + 1);
	struct ipv6hdr *ip6 = (void *)(eth + 1);
	struct udphdr *udp;

	if ((void *)(ip4 + 1) > end)
		return entry(0);
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		if (ip4->protocol != 17 || ip4->ihl != 5 || (ip4->frag_off & bpf_htons(0x3fff)))
			return entry(0);
		p.addr[0] = ip4->daddr;
		udp = (void *)(ip4 + 1);
	} else {
		if (eth->h_proto != bpf_htons(ETH_P_IPV6) || (void *)(ip6 + 1) > end ||
		    ip6->nexthdr != 17)
			return entry(0);
		__builtin_memcpy(p.addr, &ip6->daddr, sizeof(p.addr));
		p.v6 = 1;
		udp = (void *)(ip6 + 1);
	}
	if ((void *)(udp + 1) > end)
		return entry(0);
	p.port = udp->dest;
	bpf_loop(wire.rules, compare, &p, 0);
	return p.found ? p.queue : entry(bpf_ntohs(udp->source));
}

SEC("tc")
int fake_wire(struct __sk_buff *skb)
{
	/* As a recorded RX queue has it, by which netdev_pick_tx() goes then. */
	skb->queue_mapping = (__u16)(queue_of(skb) + 1);
	return TC_ACT_OK;
}

char program_license[] SEC("license") = "Dual BSD/GPL";
