/* SPDX-License-Identifier: BSD-3-Clause */
/* verbs_open.c - the libibverbs backend as a whole: opening, closing, and the one symbol that the plugin exports. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nic/verbs/verbs.h"

#define MIN_RING 64
#define MAX_RING 16384

static bool is_ring_size(unsigned n)
{
	return n >= MIN_RING && n <= MAX_RING && (n & (n - 1)) == 0;
}

static int check_params(const struct verbs_nic *v, struct nic_params *params)
{
	uint32_t most = UINT32_MAX / v->frame_size;

	if (!is_ring_size(params->rx_ring) || !is_ring_size(params->tx_ring))
		return verbs_why(params, -EINVAL,
				 "ring sizes %u and %u: powers of two from %d to %d are possible",
				 params->rx_ring, params->tx_ring, MIN_RING, MAX_RING);
	if (params->frames <= params->rx_ring + params->tx_ring || params->frames > most)
		return verbs_why(params, -EINVAL, "%u frames: from %u to %u are possible",
				 params->frames, params->rx_ring + params->tx_ring + 1, most);
	return 0;
}

static void free_nic(struct verbs_nic *v)
{
	verbs_forget_rules(v);
	free(v->host);
	free(v);
}

static void verbs_close(struct nic *nic)
{
	struct verbs_nic *v = verbs_nic_of(nic);

	verbs_steer_none(nic);
	if (v->queue)
		verbs_queue_close(v->queue);
	if (v->ctx)
		ibv_close_device(v->ctx);
	free_nic(v);
}

/*
 * The device's descriptor keeps queue pair and rules in being, and a command by it from here would destroy the parent's: it is
 * closed behind libibverbs's back, whose structures are left alone.
 */
static void verbs_forked(struct nic *nic)
{
	struct verbs_nic *v = verbs_nic_of(nic);

	if (v->lost)
		return;
	v->lost = true;
	v->locked = false;
	close(v->ctx->cmd_fd);
	close(v->ctx->async_fd);
	close(v->queue->channel->fd);
}

static void verbs_abandon(struct nic *nic)
{
	struct verbs_nic *v = verbs_nic_of(nic);

	verbs_forked(nic);
	verbs_queue_forget(v->queue);
	free_nic(v);
}

static int verbs_open(struct nic_params *params, struct nic **out);

static const struct nic_ops verbs_ops = {
	.name = "verbs",
	.open = verbs_open,
	.close = verbs_close,
	.abandon = verbs_abandon,
	.forked = verbs_forked,
	.rx_burst = verbs_rx_burst,
	.free = verbs_free,
	.tx_alloc = verbs_tx_alloc,
	.tx_burst = verbs_tx_burst,
	.tx_kick = verbs_tx_kick,
	.arm = verbs_arm,
	.pool_free = verbs_pool_free,
	.steer = verbs_steer,
	.owns = verbs_owns,
	.steer_none = verbs_steer_none,
	.set_local = verbs_set_local,
	.set_mac = verbs_set_mac,
	.set_lease = verbs_set_lease,
	.stats = verbs_stats,
};

static int open_steps(struct verbs_nic *v, struct nic_params *params)
{
	int err = verbs_link_read(v, params);

	if (err == 0)
		err = check_params(v, params);
	if (err == 0)
		err = verbs_device_open(v, params);
	if (err < 0)
		return err;
	if (v->keep_fd)
		v->ctx->cmd_fd = v->keep_fd(v->ctx->cmd_fd);
	steer_host_init(v->host, &v->nic, v->frame_size - VERBS_HEADROOM);
	return verbs_queue_open(v, params);
}

static int verbs_open(struct nic_params *params, struct nic **out)
{
	struct verbs_nic *v = calloc(1, sizeof(*v));
	int err;

	if (v)
		v->host = calloc(1, sizeof(*v->host));
	if (!v || !v->host) {
		free(v);
		return verbs_why(params, -ENOMEM, "out of memory");
	}
	v->nic.ops = &verbs_ops;
	v->nic.flags = NIC_F_NO_INHERIT | NIC_F_HARD_RULES;
	v->log = params->log;
	v->keep_fd = params->keep_fd;
	/* A rule is in force at once: an error is steer()'s, not the next lease's. Before the first flow there is none. */
	v->in_force = true;
	err = open_steps(v, params);
	if (err < 0) {
		verbs_close(&v->nic);
		return err;
	}
	v->nic.queue_count = 1;
	v->nic.queues[0] = &v->queue->q;
	snprintf(v->nic.mode, sizeof(v->nic.mode), "verbs %.16s port %u%s", v->ctx->device->name,
		 v->port, v->queue->stamping ? ", stamps" : "");
	*out = &v->nic;
	return 0;
}

__attribute__((visibility("default"))) const struct nic_ops *kbaccel_nic_backend(unsigned abi);

const struct nic_ops *kbaccel_nic_backend(unsigned abi)
{
	return abi == NIC_ABI ? &verbs_ops : NULL;
}
