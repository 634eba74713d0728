/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * verbs_rule.c - one rule in the NIC: destination MAC, addresses and ports, as the contiguous list of specifications that
 * ibv_create_flow(3) takes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/relaxed.h"
#include "nic/verbs/verbs.h"

/* Behind ipaddr.h: libc's and the kernel's headers agree in this order only. */
#include "nic/steer_rule.h"

/* A connected socket's rule comes before one for the same port with any sender. */
#define PRIORITY_CONNECTED 0
#define PRIORITY_ANY 1

struct flow4 {
	struct ibv_flow_attr attr;
	struct ibv_flow_spec_eth eth;
	struct ibv_flow_spec_ipv4 ip;
	struct ibv_flow_spec_tcp_udp udp;
};

struct flow6 {
	struct ibv_flow_attr attr;
	struct ibv_flow_spec_eth eth;
	struct ibv_flow_spec_ipv6 ip;
	struct ibv_flow_spec_tcp_udp udp;
};

/* The library walks from the end of the attributes from one size to the next. */
#define PACKED_LIKE(type)                                                                          \
	_Static_assert(                                                                            \
		offsetof(type, eth) == sizeof(struct ibv_flow_attr) &&                             \
			offsetof(type, ip) == offsetof(type, eth) + sizeof(((type *)0)->eth) &&    \
			offsetof(type, udp) == offsetof(type, ip) + sizeof(((type *)0)->ip) &&     \
			sizeof(type) == offsetof(type, udp) + sizeof(((type *)0)->udp),            \
		"specifications must follow one another")
PACKED_LIKE(struct flow4);
PACKED_LIKE(struct flow6);

static bool any_remote(const struct steer_key *key)
{
	return !key->remote[0] && !key->remote[1];
}

static void fill_attr(struct ibv_flow_attr *attr, const struct verbs_nic *v,
		      const struct steer_key *key, size_t size)
{
	attr->type = IBV_FLOW_ATTR_NORMAL;
	attr->size = (uint16_t)size;
	attr->priority = any_remote(key) ? PRIORITY_ANY : PRIORITY_CONNECTED;
	attr->num_of_specs = 3;
	attr->port = v->port;
}

/* The group's Ethernet address (RFC 1112 6.4, RFC 2464 7), else the interface's. */
static void destination_mac(uint8_t mac[6], const struct verbs_nic *v, const struct steer_key *key)
{
	const uint8_t *b = (const uint8_t *)key->local + 12;

	if (!steer_is_group(key->local)) {
		memcpy(mac, v->nic.mac, 6);
	} else if (steer_is_v4(key->local)) {
		memcpy(mac, "\x01\x00\x5e", 3);
		memcpy(mac + 3, b + 1, 3);
		mac[3] &= 0x7f;
	} else {
		memcpy(mac, "\x33\x33", 2);
		memcpy(mac + 2, b, 4);
	}
}

/* It stands first: what kind of rule it is mlx5 tells by the first specification. */
static void fill_eth(struct ibv_flow_spec_eth *eth, const struct verbs_nic *v,
		     const struct steer_key *key, uint16_t type)
{
	eth->type = IBV_FLOW_SPEC_ETH;
	eth->size = sizeof(*eth);
	destination_mac(eth->val.dst_mac, v, key);
	memset(eth->mask.dst_mac, 0xff, sizeof(eth->mask.dst_mac));
	eth->val.ether_type = htons(type);
	eth->mask.ether_type = 0xffff;
}

static void fill_udp(struct ibv_flow_spec_tcp_udp *udp, const struct steer_key *key)
{
	udp->type = IBV_FLOW_SPEC_UDP;
	udp->size = sizeof(*udp);
	udp->val.dst_port = key->local_port;
	udp->mask.dst_port = 0xffff;
	if (any_remote(key))
		return;
	udp->val.src_port = key->remote_port;
	udp->mask.src_port = 0xffff;
}

static struct ibv_flow *create4(const struct verbs_nic *v, const struct steer_key *key)
{
	struct flow4 f;

	memset(&f, 0, sizeof(f));
	fill_attr(&f.attr, v, key, sizeof(f));
	fill_eth(&f.eth, v, key, ETHERTYPE_IP);
	f.ip.type = IBV_FLOW_SPEC_IPV4;
	f.ip.size = sizeof(f.ip);
	memcpy(&f.ip.val.dst_ip, (const uint8_t *)key->local + 12, 4);
	f.ip.mask.dst_ip = UINT32_MAX;
	if (!any_remote(key)) {
		memcpy(&f.ip.val.src_ip, (const uint8_t *)key->remote + 12, 4);
		f.ip.mask.src_ip = UINT32_MAX;
	}
	fill_udp(&f.udp, key);
	return ibv_create_flow(v->queue->qp, &f.attr);
}

static struct ibv_flow *create6(const struct verbs_nic *v, const struct steer_key *key)
{
	struct flow6 f;

	memset(&f, 0, sizeof(f));
	fill_attr(&f.attr, v, key, sizeof(f));
	fill_eth(&f.eth, v, key, ETHERTYPE_IPV6);
	f.ip.type = IBV_FLOW_SPEC_IPV6;
	f.ip.size = sizeof(f.ip);
	memcpy(f.ip.val.dst_ip, key->local, 16);
	memset(f.ip.mask.dst_ip, 0xff, 16);
	if (!any_remote(key)) {
		memcpy(f.ip.val.src_ip, key->remote, 16);
		memset(f.ip.mask.src_ip, 0xff, 16);
	}
	fill_udp(&f.udp, key);
	return ibv_create_flow(v->queue->qp, &f.attr);
}

int verbs_rule_put(struct verbs_nic *v, struct verbs_rule *rule)
{
	bool v6 = !steer_is_v4(rule->key.local);
	int saved = errno, err = 0;

	if (rule->flow)
		return 0;
	if (relaxed_get(v->nic.sealed)) {
		v->nic.steer_why =
			"the program had entered seccomp before it first waited: KBACCEL_NIC=xdp";
		return -EPERM;
	}
	errno = 0;
	rule->flow = v6 ? create6(v, &rule->key) : create4(v, &rule->key);
	if (!rule->flow)
		err = verbs_why_rule(v, errno ? errno : EOPNOTSUPP, v6);
	errno = saved;
	return err;
}

/* An error means that the device is gone, and the rule with it. */
void verbs_rule_take(const struct verbs_nic *v, struct verbs_rule *rule)
{
	if (rule->flow && !relaxed_get(v->nic.sealed))
		ibv_destroy_flow(rule->flow);
	rule->flow = NULL;
}
