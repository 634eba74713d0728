/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * verbs_stamp.c - hardware stamps: a receive completion queue that tells when each frame came in, by the NIC's PTP clock.
 *
 * It is an extended one (ibv_create_cq_ex(3)), which is polled one completion after the other by calls into the provider: slower
 * than a plain one, so it is made only if the kernel's driver stamps when the interface is opened. Without that no socket gets a
 * hardware stamp from the kernel either; one that asks later is served by the kernel.
 *
 * What is asked for is nanoseconds (..._WALLCLOCK). Cycles of the NIC are another clock than the kernel reports.
 *
 * The provider converts by a page that the kernel writes, and says EBUSY if it finds it being written. By then libmlx5 before 2026
 * has taken the completion from the queue (rdma-core pull request 1781), and before 2024 does not give back the queue's lock
 * either (1470). So the queue is one without a lock: the engine's is enough. And buffers that the NIC has are remembered in
 * their order, which is the order of a receive queue's completions: one that is missing was lost so, and its buffer is free.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "nic/verbs/verbs.h"

void verbs_stamp_open(struct verbs_queue *x)
{
	struct ibv_cq_init_attr_ex attr = {
		.cqe = x->rx_size,
		.cq_context = x,
		.channel = x->channel,
		.wc_flags = IBV_WC_EX_WITH_BYTE_LEN | IBV_WC_EX_WITH_COMPLETION_TIMESTAMP_WALLCLOCK,
		.comp_mask = IBV_CQ_INIT_ATTR_MASK_FLAGS,
		.flags = IBV_CREATE_CQ_ATTR_SINGLE_THREADED
	};

	if (!x->v->clock || !x->v->stamps_on)
		return;
	x->rx_slot = calloc(x->rx_size, sizeof(*x->rx_slot));
	if (!x->rx_slot)
		return;
	x->stamping = ibv_create_cq_ex(x->v->ctx, &attr);
	if (!x->stamping)
		return;
	x->rcq = ibv_cq_ex_to_cq(x->stamping);
	x->v->nic.flags |= NIC_F_HW_STAMPS;
}

void verbs_stamp_posted(struct verbs_queue *x, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		x->rx_slot[x->rx_posted++ & (x->rx_size - 1)] = x->pool[x->pool_count - 1 - i];
}

/* The buffers before this one will not be heard of any more. False: it is none that the NIC has. */
static __attribute__((noinline)) bool skip_lost(struct verbs_queue *x, uint32_t frame)
{
	uint32_t at = x->rx_done, mask = x->rx_size - 1;

	while (at != x->rx_posted && x->rx_slot[at & mask] != frame)
		at++;
	if (at == x->rx_posted)
		return false;
	for (; x->rx_done != at; x->rx_done++) {
		verbs_pool_put(x, x->rx_slot[x->rx_done & mask]);
		x->nic_has--;
		x->q.stats.rx_frames++;
		x->q.stats.rx_dropped++;
	}
	return true;
}

static bool take_slot(struct verbs_queue *x, uint64_t wr_id)
{
	uint32_t frame = verbs_frame_start(x, (uint32_t)wr_id);

	if (__builtin_expect(x->rx_done == x->rx_posted ||
				     x->rx_slot[x->rx_done & (x->rx_size - 1)] != frame,
			     0) &&
	    !skip_lost(x, frame))
		return false;
	x->rx_done++;
	return true;
}

/* Of one in error nothing else is defined. */
static void read_completion(struct verbs_queue *x, struct ibv_wc *wc)
{
	struct ibv_cq_ex *cq = x->stamping;
	uint8_t *at = x->umem + verbs_frame_start(x, (uint32_t)cq->wr_id) + NIC_FRAME_STAMP;
	uint64_t stamp;

	wc->wr_id = cq->wr_id;
	wc->status = cq->status;
	if (cq->status != IBV_WC_SUCCESS)
		return;
	wc->byte_len = ibv_wc_read_byte_len(cq);
	wc->wc_flags = ibv_wc_read_wc_flags(cq);
	stamp = ibv_wc_read_completion_wallclock_ns(cq);
	unpoison(at, sizeof(stamp));
	memcpy(at, &stamp, sizeof(stamp));
}

int verbs_stamp_poll(struct verbs_queue *x, int max)
{
	struct ibv_poll_cq_attr attr = { 0 };
	int err = ibv_start_poll(x->stamping, &attr), n = 0;

	x->busy = err == EBUSY;
	if (x->busy)
		x->polled = true;
	if (err)
		return err == ENOENT || err == EBUSY ? 0 : -1;
	do {
		if (!take_slot(x, x->stamping->wr_id)) {
			verbs_broken(x->v, "it received what it was not given");
			break;
		}
		read_completion(x, &x->wc[n++]);
		err = n < max ? ibv_next_poll(x->stamping) : ENOENT;
	} while (err == 0);
	ibv_end_poll(x->stamping);
	if (err && err != ENOENT)
		verbs_broken(x->v, VERBS_CQ_DEAD);
	return n;
}
