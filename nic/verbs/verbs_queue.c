/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * verbs_queue.c - the queue pair: its memory, completion queues and channel, the states up to "ready to send", and the end.
 *
 * The frames lie in shared memory, so that a fork never makes the kernel copy pages that the NIC writes to.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/rawcall.h"
#include "nic/verbs/verbs.h"

#define MAX_SIGNAL 64 /* sends in a row without a report of completion */

/* Shared memory that begins at a multiple of @align. */
static uint8_t *map_aligned(size_t len, size_t align)
{
	uint8_t *mem =
		mmap(NULL, len + align, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint8_t *first;
	size_t before;

	if (mem == MAP_FAILED)
		return NULL;
	first = (uint8_t *)(((uintptr_t)mem + align - 1) & ~(uintptr_t)(align - 1));
	before = (size_t)(first - mem);
	if (before)
		munmap(mem, before);
	munmap(first + len, align - before);
	return first;
}

static struct verbs_queue *make_queue(struct verbs_nic *v, const struct nic_params *params)
{
	struct verbs_queue *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->v = v;
	x->q.nic = &v->nic;
	x->q.fd = -1;
	x->q.frame_size = v->frame_size;
	x->frames = params->frames;
	x->umem_len = (size_t)params->frames * v->frame_size;
	x->umem = map_aligned(x->umem_len, v->frame_size);
	x->pool = calloc(x->frames, sizeof(*x->pool));
	x->tx_slot = calloc(params->tx_ring, sizeof(*x->tx_slot));
	x->rx_size = params->rx_ring;
	x->tx_size = params->tx_ring;
	x->tx_every = x->tx_size / 4 < MAX_SIGNAL ? x->tx_size / 4 : MAX_SIGNAL;
	x->pool_keep = x->frames / 8 < NIC_BURST ? x->frames / 8 : NIC_BURST;
	if (!x->umem || !x->pool || !x->tx_slot) {
		verbs_queue_forget(x);
		return NULL;
	}
	for (uint32_t i = 0; i < x->frames; i++)
		x->pool[i] = (x->frames - 1 - i) * v->frame_size;
	x->pool_count = x->frames;
	return x;
}

/* Neither reading nor a wait of ours may block on it. */
static int prepare_fd(const struct verbs_nic *v, int *fd)
{
	if (v->keep_fd)
		*fd = v->keep_fd(*fd);
	if (*fd < 0 || fcntl(*fd, F_SETFD, FD_CLOEXEC) < 0 ||
	    fcntl(*fd, F_SETFL, fcntl(*fd, F_GETFL) | O_NONBLOCK) < 0)
		return -EMFILE;
	return 0;
}

static int open_completions(struct verbs_queue *x, struct nic_params *params)
{
	struct verbs_nic *v = x->v;

	errno = 0;
	v->pd = ibv_alloc_pd(v->ctx);
	if (!v->pd)
		return verbs_why_call(v, params, errno, "no protection domain");
	x->channel = ibv_create_comp_channel(v->ctx);
	if (!x->channel)
		return verbs_why_call(v, params, errno, "no completion channel");
	if (prepare_fd(v, &x->channel->fd) < 0 || prepare_fd(v, &v->ctx->async_fd) < 0)
		return verbs_why(params, -EMFILE, "%s: no file descriptor: raise `ulimit -n`",
				 v->nic.ifname);
	x->q.fd = x->channel->fd;
	verbs_stamp_open(x);
	if (!x->rcq)
		x->rcq = ibv_create_cq(v->ctx, (int)x->rx_size, x, x->channel, 0);
	if (!x->rcq)
		return verbs_why_call(v, params, errno, "no receive completion queue");
	x->scq = ibv_create_cq(v->ctx, (int)x->tx_size, x, NULL, 0);
	if (!x->scq)
		return verbs_why_call(v, params, errno, "no send completion queue");
	x->mr = ibv_reg_mr(v->pd, x->umem, x->umem_len, IBV_ACCESS_LOCAL_WRITE);
	if (!x->mr)
		return verbs_why_call(v, params, errno, "can not register the frames");
	return 0;
}

/* Some providers refuse more inlined bytes than they have, others give less. */
static struct ibv_qp *create_qp(struct verbs_queue *x, uint32_t inlined)
{
	struct ibv_qp_init_attr attr = {
		.send_cq = x->scq,
		.recv_cq = x->rcq,
		.cap = { .max_send_wr = x->tx_size,
			 .max_recv_wr = x->rx_size,
			 .max_send_sge = 1,
			 .max_recv_sge = 1,
			 .max_inline_data = inlined },
		.qp_type = IBV_QPT_RAW_PACKET,
		.sq_sig_all = 0,
	};
	struct ibv_qp *qp = ibv_create_qp(x->v->pd, &attr);

	if (qp)
		x->max_inline = attr.cap.max_inline_data < inlined ? attr.cap.max_inline_data
								   : inlined;
	return qp;
}

/* A raw packet queue pair takes these attributes and no others. */
static int set_state(struct verbs_queue *x, enum ibv_qp_state state, int mask,
		     struct nic_params *params)
{
	struct ibv_qp_attr attr = { .qp_state = state, .port_num = x->v->port };
	int err = ibv_modify_qp(x->qp, &attr, mask);

	/* Old versions give -1 and errno. */
	if (err)
		return verbs_why_call(x->v, params, err < 0 ? errno : err,
				      "the queue pair does not start");
	return 0;
}

static int open_pair(struct verbs_queue *x, struct nic_params *params)
{
	int err;

	errno = 0;
	x->qp = create_qp(x, VERBS_INLINE_WANT);
	if (!x->qp && errno == EINVAL)
		x->qp = create_qp(x, 0);
	if (!x->qp)
		return verbs_why_call(x->v, params, errno, "no raw packet queue pair");
	err = set_state(x, IBV_QPS_INIT, IBV_QP_STATE | IBV_QP_PORT, params);
	if (err < 0)
		return err;
	poison(x->umem, x->umem_len);
	verbs_refill(x);
	if (x->nic_has < x->rx_size / 2)
		return verbs_why(params, -ENOMEM,
				 "%s: its queue takes no receive buffers: KBACCEL_NIC=xdp",
				 x->v->nic.ifname);
	err = set_state(x, IBV_QPS_RTR, IBV_QP_STATE, params);
	return err < 0 ? err : set_state(x, IBV_QPS_RTS, IBV_QP_STATE, params);
}

/* The device's limits; rings stay powers of two. */
static void fit_rings(struct verbs_nic *v, struct nic_params *params)
{
	struct ibv_device_attr_ex attr;
	unsigned limit;

	memset(&attr, 0, sizeof(attr));
	if (ibv_query_device_ex(v->ctx, NULL, &attr) != 0)
		return;
	limit = (unsigned)(attr.orig_attr.max_qp_wr < attr.orig_attr.max_cqe
				   ? attr.orig_attr.max_qp_wr
				   : attr.orig_attr.max_cqe);
	while (limit && params->rx_ring > limit && params->rx_ring > NIC_BURST)
		params->rx_ring /= 2;
	while (limit && params->tx_ring > limit && params->tx_ring > NIC_BURST)
		params->tx_ring /= 2;
}

int verbs_queue_open(struct verbs_nic *v, struct nic_params *params)
{
	int err;

	fit_rings(v, params);
	v->queue = make_queue(v, params);
	if (!v->queue)
		return verbs_why(params, -ENOMEM,
				 "no memory for %u frames: free some or lower KBACCEL_FRAMES",
				 params->frames);
	err = open_completions(v->queue, params);
	if (err == 0)
		err = open_pair(v->queue, params);
	return err;
}

void verbs_queue_forget(struct verbs_queue *x)
{
	if (x->umem) {
		unpoison(x->umem, x->umem_len);
		munmap(x->umem, x->umem_len);
	}
	free(x->pool);
	free(x->tx_slot);
	free(x->rx_slot);
	free(x);
}

/* Users first: the kernel refuses to destroy what something else uses, and waits for events that were not acknowledged. */
void verbs_queue_close(struct verbs_queue *x)
{
	if (x->qp)
		ibv_destroy_qp(x->qp);
	verbs_ack_all(x);
	if (x->rcq)
		ibv_destroy_cq(x->rcq);
	if (x->scq)
		ibv_destroy_cq(x->scq);
	if (x->channel)
		ibv_destroy_comp_channel(x->channel);
	if (x->mr)
		ibv_dereg_mr(x->mr);
	if (x->v->pd)
		ibv_dealloc_pd(x->v->pd);
	x->v->pd = NULL;
	verbs_queue_forget(x);
}
