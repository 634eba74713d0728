/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lwip_port.c - frames into lwIP and out of it (see lwip_port.h).
 *
 * In:  lwip_port_input -> ip4_input/ip6_input (lwIP) -> kb_udp_input (here; it stands in for udp_input in lwIP's ip4.c
 *      and ip6.c) -> udp_input (lwIP) -> deliver (here) -> engine_deliver().
 * Out: lwip_port_output -> udp_sendto_if_src -> ip4_output_if_src/ip6_output_if_src (lwIP) -> send_v4/send_v6 (here).
 *
 * The steering rule has matched the destination already, so the instance's interface takes each packet's
 * destination for its own address. lwIP would walk a linear list of PCBs to find the receiver; we look the socket up in
 * constant time (demux.h) and show lwIP a list of one PCB, whose callback argument is that socket.
 */
#define _GNU_SOURCE
#include "stack/lwip_port.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/clock.h"
#include "base/slab.h"
#include "base/stats.h"
#include "lwip/inet_chksum.h"
#include "lwip/ip.h"
#include "lwip/mld6.h"
#include "lwip/netif.h"
#include "lwip/pbuf.h"
#include "lwip/udp.h"
#include "stack/checksum.h"
#include "stack/demux.h"
#include "stack/engine.h"
#include "stack/hostnet.h"
#include "stack/sock.h"

#define ETH_HLEN 14
#define ETH_V4 0x0800
#define ETH_V6 0x86dd
#define TX_HEADERS                                                                                 \
	(NIC_FRAME_DATA + 64) /* room for Ethernet, IPv6 and UDP in front of the payload */

_Static_assert(sizeof(struct ip_globals) <= LWIP_IP_GLOBALS_SIZE, "raise LWIP_IP_GLOBALS_SIZE");

/* What stands in the private head of a frame while the stack owns it. The datagram first: see free_frames(). */
struct frame_head {
	struct dgram d;
	struct pbuf_custom pc;
};
_Static_assert(sizeof(struct frame_head) <= NIC_FRAME_PRIV, "NIC_FRAME_PRIV is too small");
_Static_assert(offsetof(struct frame_head, d.hwstamp) == NIC_FRAME_STAMP, "NICs stamp elsewhere");

struct lwip_port {
	struct engine *engine;
	struct netif nif;
	struct udp_pcb rx, tx;
	bool options_ok; /* the kernel will not see what has options: rules in hardware take it, too */
	bool partial_ok;	       /* a virtual link: peers leave checksums to be completed */
	bool csum_done;		       /* the NIC verified this frame */
	const struct hostnet_hop *hop; /* of the datagram being sent */
	const struct tx_dgram *dgram;  /* ... and the datagram itself */
	struct nic_frame *out;
	struct lwip_port *free_link;
};

static struct slab port_slab = SLAB(struct lwip_port, free_link, 0);

void kb_udp_input(struct pbuf *p, struct netif *inp);
void icmp6_param_problem(struct pbuf *p, int code, const void *pointer);
struct mld_group *kb_mld6_lookfor_group(struct netif *nif, const ip6_addr_t *addr);

/* ip6.c asks whether a group was joined: the steering rule has said so, and demux.h says who did. */
struct mld_group *kb_mld6_lookfor_group(struct netif *nif, const ip6_addr_t *addr)
{
	static struct mld_group joined;

	(void)nif, (void)addr;
	return &joined;
}

/* ip6.c calls it for bad extension headers even where ICMPv6 is off; answering is the kernel's business (R3). */
void icmp6_param_problem(struct pbuf *p, int code, const void *pointer)
{
	(void)p, (void)code, (void)pointer;
}

static struct lwip_port *port_of(struct netif *nif)
{
	return nif->state;
}

/* lwIP dropped the packet: its frame goes straight back. */
static void frame_dropped(struct pbuf *p)
{
	struct frame_head *head = (struct frame_head *)((char *)p - offsetof(struct frame_head, pc));

	stats_add(STAT_rx_malformed, 1);
	head->d.next = NULL;
	engine_return(head->d.engine, &head->d);
}

/* udp_input()'s callback: @p is the payload, and ours now. */
static void deliver(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *addr,
		    u16_t port)
{
	struct frame_head *head = (struct frame_head *)((char *)p - offsetof(struct frame_head, pc));
	struct dgram *d = &head->d;

	(void)pcb, (void)addr, (void)port;
	d->payload = p->payload;
	d->len = p->tot_len;
	engine_deliver(d->engine, arg, d);
}

static err_t send_v4(struct netif *nif, struct pbuf *p, const ip4_addr_t *to);
static err_t send_v6(struct netif *nif, struct pbuf *p, const ip6_addr_t *to);

struct lwip_port *lwip_port_open(struct engine *e)
{
	struct lwip_port *port = slab_get(&port_slab);

	if (!port)
		return NULL;
	memset(port, 0, sizeof(*port));
	port->engine = e;
	e->lwip.packet_id = (uint16_t)clock_ticks(); /* not the numbers of the last run */
	port->options_ok = e->queue->nic->flags & NIC_F_HARD_RULES;
	port->partial_ok = e->queue->nic->flags & NIC_F_VIRTUAL;
	port->nif.state = port;
	port->nif.mtu = 0; /* the MTU was checked above */
	port->nif.flags = NETIF_FLAG_UP | NETIF_FLAG_LINK_UP;
	port->nif.ip6_addr_state[0] = IP6_ADDR_PREFERRED;
	port->nif.output = send_v4;
	port->nif.output_ip6 = send_v6;
	port->rx.recv = deliver;
	port->rx.local_ip.type = IPADDR_TYPE_ANY;
	return port;
}

void lwip_port_close(struct lwip_port *port)
{
	slab_put(&port_slab, port);
}

static struct pbuf *wrap(struct frame_head *head, uint8_t *data, uint32_t len)
{
	struct pbuf *p = &head->pc.pbuf;

	p->next = NULL;
	p->payload = data;
	p->tot_len = p->len = (u16_t)len;
	p->type_internal = PBUF_REF;
	p->flags = PBUF_FLAG_IS_CUSTOM;
	p->ref = 1;
	p->if_idx = NETIF_NO_INDEX;
	head->pc.custom_free_function = frame_dropped;
	return p;
}

static void input_v4(struct lwip_port *port, struct pbuf *p)
{
	memcpy(&ip_2_ip4(&port->nif.ip_addr)->addr, (uint8_t *)p->payload + 16, 4);
	port->nif.ip_addr.type = IPADDR_TYPE_V4;
	ip4_input(p, &port->nif);
}

static void input_v6(struct lwip_port *port, struct pbuf *p)
{
	memcpy(ip_2_ip6(&port->nif.ip6_addr[0])->addr, (uint8_t *)p->payload + 24, 16);
	port->nif.ip6_addr[0].type = IPADDR_TYPE_V6;
	ip6_input(p, &port->nif);
}

void lwip_port_input(struct engine *e, const struct nic_frame *frame)
{
	struct frame_head *head = (struct frame_head *)nic_frame_base(e->queue, frame->data);
	uint8_t *l3 = frame->data + ETH_HLEN;
	uint32_t len = frame->len - ETH_HLEN;
	uint16_t type;

	head->d.engine = e;
	head->d.l3 = l3;
	if (frame->len < ETH_HLEN + 28) {
		frame_dropped(wrap(head, l3, 0));
		return;
	}
	memcpy(&type, frame->data + 12, sizeof(type));
	e->port->csum_done = frame->flags & NIC_RX_CSUM_OK;
	/* Options and extension headers are the kernel's (R3), whatever steered them here. */
	if (type == htons(ETH_V4) && (l3[0] == 0x45 || (e->port->options_ok && l3[0] >> 4 == 4)))
		input_v4(e->port, wrap(head, l3, len));
	else if (type == htons(ETH_V6) && len >= 48 && l3[6] == IPPROTO_UDP)
		input_v6(e->port, wrap(head, l3, len));
	else
		frame_dropped(wrap(head, l3, len));
}

static void packet_key(struct demux_key *key, const uint8_t *l3, const struct udp_hdr *udp, bool v6)
{
	uint32_t v4[2];

	if (v6) {
		key->local = ipaddr_from_v6(l3 + 24);
		key->remote = ipaddr_from_v6(l3 + 8);
	} else {
		memcpy(v4, l3 + 12, sizeof(v4));
		key->remote = ipaddr_from_v4(v4[0]);
		key->local = ipaddr_from_v4(v4[1]);
	}
	key->local_port = udp->dest;
	key->remote_port = udp->src;
}

static void refuse_packet(struct pbuf *p, enum stats_counter why)
{
	stats_add(why, 1);
	stats_add(STAT_rx_malformed, -1ull); /* frame_dropped() counts it as that */
	pbuf_free(p);
}

/* A multicast datagram on its way to all that hear it: copies for the others, itself for the last. */
struct fan_out {
	struct frame_head *head;
	struct sock *last;
};

static void next_receiver(void *arg, struct sock *s)
{
	struct fan_out *f = arg;

	if (f->last)
		engine_deliver_copy(f->head->d.engine, f->last, &f->head->d);
	f->last = s;
}

/* The last of the receivers; NULL: none. */
static struct sock *to_group(struct frame_head *head, const struct udp_hdr *udp,
			     const struct demux_key *key, bool v6)
{
	struct fan_out f = { .head = head };

	head->d.payload = (uint8_t *)(udp + 1);
	head->d.len = (uint32_t)lwip_ntohs(udp->len) - UDP_HLEN;
	demux_each(key, v6, next_receiver, &f);
	return f.last;
}

/*
 * Linux checks what lwIP leaves out: the UDP length (net/ipv4/udp.c __udp4_lib_rcv(): too short or longer than the
 * packet is dropped, longer packets are trimmed), a zero checksum over IPv6 (RFC 8200 8.1), and the sum itself.
 */
void kb_udp_input(struct pbuf *p, struct netif *inp)
{
	struct lwip_port *port = port_of(inp);
	struct frame_head *head = (struct frame_head *)((char *)p - offsetof(struct frame_head, pc));
	struct udp_hdr *udp = p->payload;
	bool v6 = dgram_is_v6(&head->d);
	struct demux_key key;
	struct sock *s;
	u16_t len;

	len = p->tot_len < UDP_HLEN ? 0 : lwip_ntohs(udp->len);
	if (len < UDP_HLEN || len > p->tot_len) {
		pbuf_free(p);
		return;
	}
	p->len = p->tot_len = len;
	if (!port->csum_done && !checksum_udp_ok(head->d.l3, (uint8_t *)udp, len, port->partial_ok)) {
		refuse_packet(p, STAT_rx_checksum);
		return;
	}
	packet_key(&key, head->d.l3, udp, v6);
	key.ifindex = port->engine->queue->nic->ifindex;
	s = __builtin_expect(ipaddr_is_multicast(&key.local), 0) ? to_group(head, udp, &key, v6)
								 : demux_find(&key, v6);
	if (!s) {
		refuse_packet(p, STAT_rx_no_socket);
		return;
	}
	port->rx.local_port = lwip_ntohs(udp->dest);
	port->rx.recv_arg = s;
	lwip_current->bucket = &port->rx;
	udp_input(p, inp);
}

static void put_ethernet(struct lwip_port *port, struct pbuf *p, uint16_t type)
{
	uint8_t *eth = (uint8_t *)p->payload - ETH_HLEN;

	memcpy(eth, port->hop->mac, 6);
	memcpy(eth + 6, port->engine->queue->nic->mac, 6);
	type = htons(type);
	memcpy(eth + 12, &type, sizeof(type));
	port->out->data = eth;
	port->out->len = p->tot_len + ETH_HLEN;
	port->out->flags = 0;
}

/* lwIP has given it the next identification already. */
static err_t send_v4(struct netif *nif, struct pbuf *p, const ip4_addr_t *to)
{
	struct lwip_port *port = port_of(nif);
	struct ip_hdr *ip = p->payload;

	(void)to;
	if (port->dgram->dont_fragment)
		IPH_OFFSET_SET(ip, PP_HTONS(IP_DF));
	if (!port->dgram->numbered)
		IPH_ID_SET(ip, lwip_htons(port->dgram->id));
	IPH_CHKSUM_SET(ip, 0);
	IPH_CHKSUM_SET(ip, (u16_t)~checksum_lwip(ip, IP_HLEN));
	put_ethernet(port, p, ETH_V4);
	return ERR_OK;
}

static err_t send_v6(struct netif *nif, struct pbuf *p, const ip6_addr_t *to)
{
	(void)to;
	put_ethernet(port_of(nif), p, ETH_V6);
	return ERR_OK;
}

static void to_lwip_addr(ip_addr_t *to, const struct ipaddr *from)
{
	memset(to, 0, sizeof(*to));
	if (ipaddr_is_v4(from)) {
		ip_2_ip4(to)->addr = ipaddr_v4(from);
		to->type = IPADDR_TYPE_V4;
	} else {
		memcpy(ip_2_ip6(to)->addr, from->b, 16);
		to->type = IPADDR_TYPE_V6;
	}
}

static void gather(uint8_t *to, const struct tx_dgram *d)
{
	const struct iovec *iov = d->iov, *end = iov + d->iovcnt;
	size_t skip = d->skip, left = d->len;

	for (; iov < end && left; iov++, skip = 0) {
		size_t part = iov->iov_len - skip < left ? iov->iov_len - skip : left;

		if (!part)
			continue;
		memcpy(to, (const uint8_t *)iov->iov_base + skip, part);
		to += part;
		left -= part;
	}
}

int lwip_port_output(struct engine *e, const struct tx_dgram *d, const struct hostnet_hop *hop,
		     uint8_t *base, struct nic_frame *out)
{
	struct lwip_port *port = e->port;
	struct frame_head *head = (struct frame_head *)base;
	uint8_t *payload = base + TX_HEADERS;
	/* A signal handler may send in the middle of another engine's burst. */
	struct lwip_instance *before = lwip_current;
	ip_addr_t from, to;
	struct pbuf *p;
	err_t err;

	gather(payload, d);
	p = wrap(head, payload, d->len);
	/* Headers may be put in front: the pbuf itself lies far enough below. */
	p->type_internal = (u8_t)PBUF_RAM;
	to_lwip_addr(&from, &d->source);
	to_lwip_addr(&to, &d->destination);
	port->hop = hop;
	port->dgram = d;
	port->out = out;
	port->tx.local_ip.type = port->tx.remote_ip.type = to.type;
	port->tx.local_port = lwip_ntohs(d->source_port);
	port->tx.ttl = d->ttl;
	port->tx.tos = d->tos;
	lwip_current = &e->lwip;
	err = udp_sendto_if_src(&port->tx, p, &to, lwip_ntohs(d->destination_port), &port->nif,
				&from);
	lwip_current = before;
	return err == ERR_OK ? 0 : -EINVAL;
}
