/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hca_flow.c - rules. What is refused follows drivers/infiniband/core/uverbs_cmd.c ib_uverbs_ex_create_flow(),
 * drivers/infiniband/hw/mlx5/fs.c and drivers/infiniband/hw/mlx4/main.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <string.h>

#include "tests/fake-verbs/hca.h"

#define MAX_SPECS 10	 /* IB_FLOW_SPEC_SUPPORT_LAYERS */
#define LAST_PRIORITY 15 /* MLX5_IB_FLOW_LAST_PRIO */

/* What the specifications of a rule say, and what a frame is, in one shape. */
struct fields {
	uint8_t mac[6];
	uint16_t type;
	uint8_t src[16], dst[16];
	uint16_t sport, dport;
	bool v4, v6, udp;
};

struct layers {
	const struct ibv_flow_spec_eth *eth;
	const struct ibv_flow_spec_ipv4 *v4;
	const struct ibv_flow_spec_ipv6 *v6;
	const struct ibv_flow_spec_tcp_udp *udp;
};

static bool parse(const uint8_t *spec, uint32_t len, struct layers *l)
{
	memset(l, 0, sizeof(*l));
	for (uint32_t at = 0; at < len;) {
		const struct ibv_flow_spec_eth *head = (const void *)(spec + at);

		switch (head->type) {
		case IBV_FLOW_SPEC_ETH:
			l->eth = head;
			break;
		case IBV_FLOW_SPEC_IPV4:
			l->v4 = (const void *)head;
			break;
		case IBV_FLOW_SPEC_IPV6:
			l->v6 = (const void *)head;
			break;
		case IBV_FLOW_SPEC_UDP:
			l->udp = (const void *)head;
			break;
		default:
			return false;
		}
		at += head->size;
	}
	return true;
}

/* mlx5 is_valid_ethertype(): with an IP layer the type must be given in full, and be its. */
static bool type_fits(const struct layers *l)
{
	if (!l->eth || (!l->v4 && !l->v6))
		return true;
	if (l->eth->mask.ether_type != 0xffff)
		return false;
	return l->eth->val.ether_type == htons(l->v4 ? ETHERTYPE_IP : ETHERTYPE_IPV6);
}

static bool mac_given(const struct layers *l)
{
	static const uint8_t all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	return l->eth && memcmp(l->eth->mask.dst_mac, all, 6) == 0;
}

static int check_layers(const struct layers *l)
{
	if (hca.options.no_steering)
		return EINVAL;
	if (hca.options.mlx4 && (l->v6 || !mac_given(l)))
		return EINVAL;
	if (l->v4 && l->v6)
		return EINVAL;
	return type_fits(l) ? 0 : EINVAL;
}

/* The same match on another queue pair: a second one is refused, but for groups, whose frames are copied. */
static bool is_taken(const struct flow *f)
{
	struct flow *other;

	LIST_FOREACH(other, &hca.flows, link)
		if (other->priority == f->priority && other->len == f->len &&
		    memcmp(other->spec, f->spec, f->len) == 0 &&
		    (!f->multicast || other->qp == f->qp))
			return true;
	return false;
}

int hca_check_flow(const struct fake_request *r, struct flow *f)
{
	struct layers l;
	int err;

	if (r->flow.specs > MAX_SPECS || r->flow.len > FAKE_SPECS_MAX || r->flow.port != 1 ||
	    r->flow.flags || r->flow.type != IBV_FLOW_ATTR_NORMAL ||
	    !parse(r->flow.spec, r->flow.len, &l))
		return EINVAL;
	if (r->flow.priority > LAST_PRIORITY)
		return ENOMEM;
	err = check_layers(&l);
	if (err)
		return err;
	if (hca.options.rules && hca.flow_count >= hca.options.rules)
		return ENOSPC;
	f->priority = r->flow.priority;
	f->len = r->flow.len;
	memcpy(f->spec, r->flow.spec, f->len);
	/* mlx5 flow_is_multicast_only(): the first specification decides. */
	f->multicast = r->flow.len && (const void *)l.eth == (const void *)r->flow.spec &&
		       mac_given(&l) && hca_is_multicast(l.eth->val.dst_mac);
	return is_taken(f) ? EEXIST : 0;
}

/* ---- matching ---- */

/* As the NIC's parser: behind VLAN tags and IPv4 options, but no ports in fragments or behind extension headers. */
static void dissect(const uint8_t *d, size_t len, struct fields *f)
{
	size_t at = 12, header = 0;

	memset(f, 0, sizeof(*f));
	memcpy(f->mac, d, 6);
	while (at + 6 <= len && d[at] == 0x81 && d[at + 1] == 0x00)
		at += 4;
	memcpy(&f->type, d + at, 2);
	at += 2;
	if (f->type == htons(ETHERTYPE_IP) && at + 20 <= len) {
		f->v4 = true;
		memcpy(f->src, d + at + 12, 4);
		memcpy(f->dst, d + at + 16, 4);
		if (d[at + 9] == IPPROTO_UDP && !((d[at + 6] & 0x3f) | d[at + 7]))
			header = at + (d[at] & 15) * 4u;
	} else if (f->type == htons(ETHERTYPE_IPV6) && at + 40 <= len) {
		f->v6 = true;
		memcpy(f->src, d + at + 8, 16);
		memcpy(f->dst, d + at + 24, 16);
		if (d[at + 6] == IPPROTO_UDP)
			header = at + 40;
	}
	if (!header || header + 8 > len)
		return;
	f->udp = true;
	memcpy(&f->sport, d + header, 2);
	memcpy(&f->dport, d + header + 2, 2);
}

static bool same(const void *frame, const void *value, const void *mask, size_t len)
{
	const uint8_t *f = frame, *v = value, *m = mask;

	for (size_t i = 0; i < len; i++)
		if ((f[i] ^ v[i]) & m[i])
			return false;
	return true;
}

static bool fits(const struct layers *l, const struct fields *f)
{
	if (l->eth && (!same(f->mac, l->eth->val.dst_mac, l->eth->mask.dst_mac, 6) ||
		       !same(&f->type, &l->eth->val.ether_type, &l->eth->mask.ether_type, 2)))
		return false;
	if (l->v4 && (!f->v4 || !same(f->src, &l->v4->val.src_ip, &l->v4->mask.src_ip, 4) ||
		      !same(f->dst, &l->v4->val.dst_ip, &l->v4->mask.dst_ip, 4)))
		return false;
	if (l->v6 && (!f->v6 || !same(f->src, l->v6->val.src_ip, l->v6->mask.src_ip, 16) ||
		      !same(f->dst, l->v6->val.dst_ip, l->v6->mask.dst_ip, 16)))
		return false;
	return !l->udp ||
	       (f->udp && same(&f->sport, &l->udp->val.src_port, &l->udp->mask.src_port, 2) &&
		same(&f->dport, &l->udp->val.dst_port, &l->udp->mask.dst_port, 2));
}

bool hca_matches(const struct flow *f, const uint8_t *frame, size_t len)
{
	struct fields is;
	struct layers l;

	dissect(frame, len, &is);
	return parse(f->spec, f->len, &l) && fits(&l, &is);
}

struct qp *hca_match(const uint8_t *frame, size_t len)
{
	struct flow *f, *best = NULL;

	LIST_FOREACH(f, &hca.flows, link)
		if ((!best || f->priority < best->priority) && hca_matches(f, frame, len))
			best = f;
	return best ? best->qp : NULL;
}
