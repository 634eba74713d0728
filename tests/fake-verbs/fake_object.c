/* SPDX-License-Identifier: BSD-3-Clause */
/* fake_object.c - protection domains, memory regions, channels, completion queues, queue pairs: made and destroyed. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/fake-verbs/fake_lib.h"

/* EIO is how a device that is gone answers: what is destroyed then is gone, too. */
static int destroyed(int err)
{
	return err == EIO ? 0 : err;
}

/* Creates: the handle, or 0 and errno. */
static uint32_t create(struct ibv_context *ctx, const char *call, struct fake_request *request,
		       struct fake_reply *reply, const int *fds, int nfds)
{
	int err = fake_fault(call);

	if (err) {
		errno = err;
		return 0;
	}
	return fake_call(ctx, request, reply, fds, nfds) ? 0 : reply->handle;
}

API struct ibv_pd *ibv_alloc_pd(struct ibv_context *ctx)
{
	struct fake_request request = { .op = FAKE_PD };
	struct fake_reply reply;
	struct ibv_pd *pd = calloc(1, sizeof(*pd));

	pd->context = ctx;
	pd->handle = create(ctx, "alloc_pd", &request, &reply, NULL, 0);
	if (pd->handle)
		return pd;
	free(pd);
	return NULL;
}

API int ibv_dealloc_pd(struct ibv_pd *pd)
{
	int err = destroyed(fake_destroy(pd->context, pd->handle));

	if (!err)
		free(pd);
	return err;
}

/* ib_umem_get(): pinned pages count against the limit, unless the process may lock what it likes. */
static bool may_pin(size_t len)
{
	struct rlimit limit;

	return fake_may(CAP_IPC_LOCK) ||
	       (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && len <= limit.rlim_cur);
}

static struct ibv_mr *reg_mr(struct ibv_pd *pd, void *addr, size_t len, unsigned access)
{
	struct fake_request request = { .op = FAKE_MR, .handle = pd->handle };
	struct fake_reply reply;
	struct ibv_mr *mr = calloc(1, sizeof(*mr));

	request.mr.addr = (uintptr_t)addr;
	request.mr.len = len;
	request.mr.access = access;
	if (!may_pin(len)) {
		errno = ENOMEM;
	} else {
		mr->handle = create(pd->context, "reg_mr", &request, &reply, NULL, 0);
	}
	if (!mr->handle) {
		free(mr);
		return NULL;
	}
	mr->context = pd->context;
	mr->pd = pd;
	mr->addr = addr;
	mr->length = len;
	mr->lkey = mr->rkey = mr->handle;
	return mr;
}

#undef ibv_reg_mr
API struct ibv_mr *ibv_reg_mr(struct ibv_pd *pd, void *addr, size_t len, int access)
{
	return reg_mr(pd, addr, len, (unsigned)access);
}

API struct ibv_mr *ibv_reg_mr_iova2(struct ibv_pd *pd, void *addr, size_t len, uint64_t iova,
				    unsigned access)
{
	(void)iova;
	return reg_mr(pd, addr, len, access);
}

API int ibv_dereg_mr(struct ibv_mr *mr)
{
	int err = destroyed(fake_destroy(mr->context, mr->handle));

	if (!err)
		free(mr);
	return err;
}

API struct ibv_comp_channel *ibv_create_comp_channel(struct ibv_context *ctx)
{
	struct fake_request request = { .op = FAKE_CHANNEL };
	struct fake_reply reply;
	struct ibv_comp_channel *ch = calloc(1, sizeof(*ch));
	uint32_t handle = 0;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) == 0) {
		handle = create(ctx, "create_comp_channel", &request, &reply, &ends[1], 1);
		close(ends[1]);
		if (!handle)
			close(ends[0]);
	}
	if (!handle) {
		free(ch);
		return NULL;
	}
	ch->context = ctx;
	ch->fd = ends[0];
	ch->refcnt = (int)handle << 8; /* the handle above, completion queues that use it below */
	return ch;
}

API int ibv_destroy_comp_channel(struct ibv_comp_channel *ch)
{
	int err;

	if (ch->refcnt & 0xff)
		return EBUSY;
	err = destroyed(fake_destroy(ch->context, (uint32_t)ch->refcnt >> 8));
	if (err)
		return err;
	close(ch->fd);
	free(ch);
	return 0;
}

/* Memory that the device shares with this process, but not with its children. */
static void *map_queue(int fd, size_t len)
{
	void *mem;

	if (fd < 0 || ftruncate(fd, (off_t)len) < 0)
		return NULL;
	mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mem == MAP_FAILED)
		return NULL;
	madvise(mem, len, MADV_DONTFORK);
	return mem;
}

struct completion_queue *fake_make_cq(struct ibv_context *ctx, int cqe, void *cookie,
				      struct ibv_comp_channel *ch, int vector)
{
	struct fake_request request = { .op = FAKE_CQ };
	struct fake_reply reply;
	struct completion_queue *c = calloc(1, sizeof(*c));
	int fd;

	if (cqe <= 0 || vector < 0 || vector >= ctx->num_comp_vectors) {
		free(c);
		errno = EINVAL;
		return NULL;
	}
	fd = memfd_create("fake-cq", MFD_CLOEXEC);
	c->cqe = (uint32_t)cqe;
	c->mem = map_queue(fd, fake_cq_len(c->cqe));
	request.cq.cqe = c->cqe;
	request.cq.cookie = (uintptr_t)c;
	request.cq.channel = ch ? (uint32_t)ch->refcnt >> 8 : 0;
	c->cq.handle = create(ctx, "create_cq", &request, &reply, &fd, 1);
	close(fd);
	if (!c->cq.handle) {
		munmap(c->mem, fake_cq_len(c->cqe));
		free(c);
		return NULL;
	}
	c->cq.context = ctx;
	c->cq.channel = ch;
	c->cq.cq_context = cookie;
	c->cq.cqe = cqe;
	pthread_mutex_init(&c->cq.mutex, NULL);
	pthread_cond_init(&c->cq.cond, NULL);
	if (ch)
		ch->refcnt++;
	return c;
}

API struct ibv_cq *ibv_create_cq(struct ibv_context *ctx, int cqe, void *cookie,
				 struct ibv_comp_channel *ch, int vector)
{
	struct completion_queue *c = fake_make_cq(ctx, cqe, cookie, ch, vector);

	return c ? &c->cq : NULL;
}

/* As the library: waits until every event that was read has been acknowledged. Here a test would hang, so it says so. */
API int ibv_destroy_cq(struct ibv_cq *cq)
{
	struct completion_queue *c = (struct completion_queue *)cq;
	int err = destroyed(fake_destroy(cq->context, cq->handle));

	if (err)
		return err;
	if (cq->channel) {
		cq->channel->refcnt--;
		if (cq->comp_events_completed != 0)
			fake_abort("ibv_destroy_cq() would hang: events not acknowledged");
	}
	munmap(c->mem, fake_cq_len(c->cqe));
	pthread_mutex_destroy(&cq->mutex);
	pthread_cond_destroy(&cq->cond);
	free(c);
	return 0;
}

static void fill_request(struct fake_request *request, const struct ibv_qp_init_attr *attr)
{
	request->qp.type = attr->qp_type;
	request->qp.send_cq = attr->send_cq->handle;
	request->qp.recv_cq = attr->recv_cq->handle;
	request->qp.max_send = attr->cap.max_send_wr;
	request->qp.max_recv = attr->cap.max_recv_wr;
	request->qp.max_inline = attr->cap.max_inline_data;
}

static struct queue_pair *fill_pair(struct queue_pair *p, struct ibv_pd *pd,
				    const struct ibv_qp_init_attr *attr)
{
	struct context *c = context_of(pd->context);

	p->qp.context = pd->context;
	p->qp.qp_context = attr->qp_context;
	p->qp.pd = pd;
	p->qp.send_cq = attr->send_cq;
	p->qp.recv_cq = attr->recv_cq;
	p->qp.qp_num = p->qp.handle;
	p->qp.state = IBV_QPS_RESET;
	p->qp.qp_type = attr->qp_type;
	p->all_signalled = attr->sq_sig_all;
	p->next = c->pairs;
	c->pairs = p;
	return p;
}

API struct ibv_qp *ibv_create_qp(struct ibv_pd *pd, struct ibv_qp_init_attr *attr)
{
	struct fake_request request = { .op = FAKE_QP, .handle = pd->handle };
	struct fake_reply reply;
	struct queue_pair *p;
	size_t len = fake_qp_len(attr->cap.max_send_wr, attr->cap.max_recv_wr);
	int fd;

	if (attr->qp_type == IBV_QPT_RAW_PACKET && !fake_may(CAP_NET_RAW)) {
		errno = EPERM;
		return NULL;
	}
	if (attr->cap.max_send_sge > 4 || attr->cap.max_recv_sge > 4 || attr->srq) {
		errno = EINVAL;
		return NULL;
	}
	p = calloc(1, sizeof(*p));
	fd = memfd_create("fake-qp", MFD_CLOEXEC);
	p->mem = map_queue(fd, len);
	fill_request(&request, attr);
	p->qp.handle = create(pd->context, "create_qp", &request, &reply, &fd, 1);
	close(fd);
	if (!p->qp.handle) {
		munmap(p->mem, len);
		free(p);
		return NULL;
	}
	p->max_send = attr->cap.max_send_wr;
	p->max_recv = attr->cap.max_recv_wr;
	p->max_inline = attr->cap.max_inline_data = reply.max_inline;
	return &fill_pair(p, pd, attr)->qp;
}

API int ibv_modify_qp(struct ibv_qp *qp, struct ibv_qp_attr *attr, int mask)
{
	struct fake_request request = { .op = FAKE_MODIFY_QP, .handle = qp->handle };
	struct fake_reply reply;
	int err = fake_fault("modify_qp");

	request.modify.state = attr->qp_state;
	request.modify.mask = (uint32_t)mask;
	request.modify.port = attr->port_num;
	if (!err)
		err = fake_call(qp->context, &request, &reply, NULL, 0);
	if (!err)
		qp->state = attr->qp_state;
	return err;
}

API int ibv_destroy_qp(struct ibv_qp *qp)
{
	struct queue_pair *p = (struct queue_pair *)qp, **at = &context_of(qp->context)->pairs;
	int err = destroyed(fake_destroy(qp->context, qp->handle));

	if (err)
		return err;
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	munmap(p->mem, fake_qp_len(p->max_send, p->max_recv));
	free(p);
	return 0;
}
