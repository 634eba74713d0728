/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * xdp_own.c - which queues a seat gets: some that the NIC steers its traffic to (nic/ethtool/claim.h), all, or none but a ring.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "nic/ethtool/claim.h"
#include "nic/xdp/xdp.h"

void xdp_close_queues(struct xdp_nic *x)
{
	while (x->nic.queue_count > 0) {
		struct xdp_queue *q = xdp_queue_of(x->nic.queues[--x->nic.queue_count]);

		if (x->ring)
			xdp_ring_close(q);
		else
			xdp_queue_close(q);
	}
}

static unsigned usable_queues(const struct xdp_nic *x)
{
	return x->rx_queues < NIC_MAX_QUEUES ? x->rx_queues : NIC_MAX_QUEUES;
}

static void name_mode(struct xdp_nic *x, bool zero_copy)
{
	char own[24] = "";

	if (x->claim && x->nic.queue_count == 1)
		snprintf(own, sizeof(own), ", own queue %u", x->nic.queues[0]->index);
	else if (x->claim)
		snprintf(own, sizeof(own), ", %u own queues", x->nic.queue_count);
	snprintf(x->nic.mode, sizeof(x->nic.mode), "AF_XDP %s, %s%s%s",
		 zero_copy ? "zero-copy" : "copy", x->native ? "native" : "generic",
		 x->wide ? ", jumbo" : "", own);
}

/* One on each queue in @mask. */
static int open_sockets(struct xdp_nic *x, uint64_t mask, struct nic_params *params)
{
	/* In zero-copy mode the NIC writes every frame of the queue into the memory, whose ever it is. */
	bool zero_copy = x->native && !x->guest;
	struct xdp_queue *queue;
	int err;

	for (unsigned i = 0; i < NIC_MAX_QUEUES; i++) {
		if (!(mask >> i & 1))
			continue;
		err = xdp_queue_open(x, i, zero_copy, params, &queue);
		if (err < 0)
			return err;
		x->nic.queues[x->nic.queue_count++] = &queue->q;
		err = xdp_hub_add_queue(x, i, queue->q.fd, params);
		if (err < 0)
			return err;
		zero_copy = queue->zero_copy;
	}
	name_mode(x, zero_copy);
	x->nic.ops = xdp_ops_of(x);
	if (x->wide)
		steer_host_wide(x->host, XDP_WIDE_FRAME - XDP_HEADROOM);
	return 0;
}

static void give_up(struct xdp_nic *x)
{
	xdp_close_queues(x);
	xdp_hub_drop_queues(x);
}

static int open_ring(struct xdp_nic *x, struct nic_params *params)
{
	struct xdp_queue *queue;
	int err;

	x->ring = true;
	x->wide = false;
	x->nic.ops = xdp_ops_of(x);
	err = xdp_ring_open(x, params, &queue);
	if (err < 0)
		return err;
	x->nic.queues[x->nic.queue_count++] = &queue->q;
	snprintf(x->nic.mode, sizeof(x->nic.mode), "XDP ring, %s", x->native ? "native" : "generic");
	return 0;
}

static void explain(struct nic_params *params, const char *why)
{
	char text[NIC_WHY_LEN + 96];

	snprintf(text, sizeof(text),
		 "no RX queue of its own (KBACCEL_QUEUES), steering in software: %s", why);
	if (params->log)
		params->log(LOG_LEVEL_WARN, text);
}

/* 0: there are some, as asked for. Else it is as before, and said why. */
static int open_own(struct xdp_nic *x, struct nic_params *params)
{
	struct claim_wish wish = { .ifname = x->nic.ifname,
				   .want = params->queues,
				   .queues = usable_queues(x),
				   .busy = xdp_hub_queues(x),
				   .log = params->log,
				   .confined = &x->nic.confined };
	char why[NIC_WHY_LEN] = "";
	int err;

	if (x->guest || x->loopback || params->confined) {
		explain(params, x->guest      ? "kbacceld gives none"
				: x->loopback ? "it is the loopback"
					      : "the program has entered seccomp");
		return -EOPNOTSUPP;
	}
	err = claim_open(&wish, &x->claim, why);
	if (err < 0) {
		explain(params, why);
		return err;
	}
	err = open_sockets(x, claim_queues(x->claim), params);
	if (err == 0)
		return 0;
	give_up(x);
	claim_close(x->claim);
	x->claim = NULL;
	explain(params, params->why);
	return err;
}

int xdp_open_queues(struct xdp_nic *x, struct nic_params *params)
{
	unsigned count = usable_queues(x);
	uint64_t all = count < 64 ? (1ull << count) - 1 : ~0ull;
	int err;

	if (!params->confined)
		claim_reap(x->nic.ifname, NULL);
	if (params->queues && open_own(x, params) == 0)
		return 0;
	params->why[0] = '\0';
	/* All or none: a seat that has some has no ring for what comes by others, and who has those may give them up. */
	err = xdp_hub_queues(x) ? -EBUSY : open_sockets(x, all, params);
	if (err != -EBUSY)
		return err;
	give_up(x);
	return open_ring(x, params);
}
