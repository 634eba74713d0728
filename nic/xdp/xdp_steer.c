/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * xdp_steer.c - steering: plain stores into the tables that the XDP program reads; and what the
 * kernel lost.
 */
#include <errno.h>
#include <linux/if_xdp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/rawcall.h"
#include "nic/ethtool/claim.h"
#include "nic/xdp/xdp.h"
#include "nic/xdp/xdp_hub.h"

/* For the operator: why the NIC does not steer it. */
static int why_not(struct nic *nic, int err)
{
	nic->steer_why = NULL;
	if (err == -ENOSPC)
		nic->steer_why =
			"the NIC's table is full: narrow KBACCEL_PORTS, or unset KBACCEL_QUEUES";
	else if (err == -EPERM)
		nic->steer_why =
			"KBACCEL_QUEUES takes CAP_NET_ADMIN for each socket: bind before privileges are dropped";
	else if (err < 0)
		nic->steer_why =
			"the NIC has none that leads it to this process's queue: unset KBACCEL_QUEUES";
	return err;
}

int xdp_flow(struct nic *nic, const struct nic_flow *flow, bool on)
{
	struct xdp_nic *x = xdp_nic_of(nic);
	int err;

	/* The program would not heed it: xdp_guest.c. */
	if (x->grant && ipaddr_is_multicast(&flow->local))
		return on ? -EOPNOTSUPP : -ENOENT;
	if (on && x->claim) {
		err = why_not(nic, claim_steer(x->claim, flow, true));
		if (err < 0)
			return err;
	}
	err = steer_map_flow(x->map, flow, on);
	if (err == 0 && x->hub)
		xdp_hub_tell_port(x, flow->local_port);
	if (x->claim && on == (err < 0))
		claim_steer(x->claim, flow, false);
	return err;
}

int xdp_expect(struct nic *nic, const struct nic_flow *flow)
{
	struct xdp_nic *x = xdp_nic_of(nic);

	return x->claim ? why_not(nic, claim_expect(x->claim, flow)) : 0;
}

int xdp_owns(struct nic *nic, int fd, uint64_t cookie, bool on)
{
	struct xdp_nic *x = xdp_nic_of(nic);

	return x->grant ? xdp_guest_owns(x, fd, cookie, on) : steer_host_owns(x->host, cookie, on);
}

void xdp_no_flows(struct nic *nic)
{
	struct xdp_nic *x = xdp_nic_of(nic);

	steer_map_no_flows(x->map);
	if (x->claim)
		claim_steer_none(x->claim);
	if (x->grant) {
		xdp_guest_no_owners(x);
		return;
	}
	steer_host_no_owners(x->host);
	for (unsigned i = 0; i < STEER_PORTS; i++)
		if (x->hub->ports[i])
			xdp_hub_tell_port(x, (uint16_t)i);
}

/* What the host's addresses are the broker knows by itself. */
int xdp_set_local(struct nic *nic, const struct ipaddr *addr, bool on)
{
	const struct xdp_nic *x = xdp_nic_of(nic);

	if (x->claim)
		claim_local(x->claim, addr, on);
	return x->host ? steer_host_local(x->host, addr, on) : 0;
}

void xdp_set_mac(struct nic *nic, const uint8_t mac[6])
{
	const struct xdp_nic *x = xdp_nic_of(nic);

	memcpy(nic->mac, mac, sizeof(nic->mac));
	if (x->host)
		steer_host_mac(x->host, mac);
}

/* Renewed several times a second: then it is noticed, too, that the broker has given up. */
void xdp_set_lease(struct nic *nic, uint64_t until_ns)
{
	struct xdp_nic *x = xdp_nic_of(nic);

	steer_map_lease(x->map, until_ns);
	if (x->grant && !nic->broken && xdp_guest_is_alone(x))
		__atomic_store_n(&nic->broken, true, __ATOMIC_RELAXED);
}

void xdp_stats(struct nic_queue *q)
{
	struct xdp_statistics kernel;
	socklen_t len = sizeof(kernel);

	memset(&kernel, 0, sizeof(kernel));
	if (rawcall6(SYS_getsockopt, q->fd, SOL_XDP, XDP_STATISTICS, (long)&kernel, (long)&len, 0) <
	    0)
		return;
	q->stats.rx_ring_full = kernel.rx_ring_full;
	q->stats.rx_no_frame = kernel.rx_fill_ring_empty_descs + xdp_queue_of(q)->wide_lost;
	q->stats.rx_dropped = kernel.rx_dropped + kernel.rx_invalid_descs;
}

void xdp_ring_stats(struct nic_queue *q)
{
	const struct xdp_nic *x = xdp_nic_of(q->nic);

	q->stats.rx_ring_full = __atomic_load_n(&x->map->lost, __ATOMIC_RELAXED);
}
