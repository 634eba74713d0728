/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hca_object.c - commands: objects, who uses whom, and the states of a queue pair, checked as the kernel does
 * (drivers/infiniband/core/uverbs_cmd.c, verbs.c ib_modify_qp_is_ok()).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/fake-verbs/hca.h"

#define MAX_FDS 4

void hca_event(struct client *c, enum ibv_event_type type)
{
	uint64_t event = type;

	if (c->events >= 0 && write(c->events, &event, sizeof(event)) < 0 && errno != EPIPE &&
	    errno != EAGAIN)
		_exit(3);
}

static struct object *find(const struct client *c, uint32_t handle, enum kind kind)
{
	struct object *o = handle && handle <= MAX_OBJECTS ? c->object[handle - 1] : NULL;

	return o && o->kind == kind ? o : NULL;
}

/* A new object of the client; NULL: it has too many. */
static void *make(struct client *c, enum kind kind, size_t size)
{
	struct object *o;
	uint32_t i = 0;

	while (i < MAX_OBJECTS && c->object[i])
		i++;
	if (i == MAX_OBJECTS || !(o = calloc(1, size)))
		return NULL;
	o->kind = kind;
	o->client = c;
	o->handle = i + 1;
	c->object[i] = o;
	return o;
}

static void unmake(struct object *o)
{
	o->client->object[o->handle - 1] = NULL;
	free(o);
}

static void free_cq(struct cq *c)
{
	munmap(c->mem, fake_cq_len(c->cqe));
	if (c->channel)
		c->channel->o.users--;
}

static void free_qp(struct qp *q)
{
	LIST_REMOVE(q, link);
	munmap(q->mem, fake_qp_len(q->max_send, q->max_recv));
	q->pd->users--;
	q->send_cq->o.users--;
	q->recv_cq->o.users--;
}

static void free_flow(struct flow *f)
{
	LIST_REMOVE(f, link);
	hca.flow_count--;
	f->qp->o.users--;
}

static int destroy(struct object *o)
{
	if (!o)
		return EINVAL;
	if (o->users)
		return EBUSY;
	switch (o->kind) {
	case KIND_MR:
		((struct mr *)o)->pd->users--;
		break;
	case KIND_CHANNEL:
		close(((struct channel *)o)->fd);
		break;
	case KIND_CQ:
		free_cq((struct cq *)o);
		break;
	case KIND_QP:
		free_qp((struct qp *)o);
		break;
	case KIND_FLOW:
		free_flow((struct flow *)o);
		break;
	default:
		break;
	}
	unmake(o);
	return 0;
}

/* Users before what they use, whatever the handles are. */
static void destroy_all(struct client *c)
{
	static const enum kind order[] = { KIND_FLOW,	 KIND_QP, KIND_CQ,
					   KIND_CHANNEL, KIND_MR, KIND_PD };

	for (unsigned k = 0; k < sizeof(order) / sizeof(order[0]); k++)
		for (unsigned i = 0; i < MAX_OBJECTS; i++)
			if (c->object[i] && c->object[i]->kind == order[k])
				destroy(c->object[i]);
}

void hca_free_client(struct client *c)
{
	destroy_all(c);
	LIST_REMOVE(c, link);
	epoll_ctl(hca.epoll, EPOLL_CTL_DEL, c->fd, NULL);
	close(c->fd);
	if (c->events >= 0)
		close(c->events);
	free(c);
}

void hca_remove(void)
{
	struct client *c;

	LIST_FOREACH(c, &hca.clients, link) {
		hca_event(c, IBV_EVENT_DEVICE_FATAL);
		destroy_all(c);
	}
	hca.removed = true;
}

/* ---- making ---- */

static int make_mr(struct client *c, const struct fake_request *r, struct fake_reply *reply)
{
	struct object *pd = find(c, r->handle, KIND_PD);
	struct mr *m;

	if (!pd || !r->mr.len || r->mr.addr + r->mr.len < r->mr.addr)
		return EINVAL;
	m = make(c, KIND_MR, sizeof(*m));
	if (!m)
		return ENOMEM;
	m->pd = pd;
	pd->users++;
	m->addr = r->mr.addr;
	m->len = r->mr.len;
	m->writable = r->mr.access & IBV_ACCESS_LOCAL_WRITE;
	reply->handle = m->o.handle;
	return 0;
}

static int make_channel(struct client *c, const int *fds, struct fake_reply *reply)
{
	struct channel *ch = make(c, KIND_CHANNEL, sizeof(*ch));

	if (!ch)
		return ENOMEM;
	ch->fd = dup(fds[0]);
	reply->handle = ch->o.handle;
	return 0;
}

static void *map(int fd, size_t len)
{
	void *mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return mem == MAP_FAILED ? NULL : mem;
}

static int make_cq(struct client *c, const struct fake_request *r, const int *fds,
		   struct fake_reply *reply)
{
	struct channel *ch = (struct channel *)find(c, r->cq.channel, KIND_CHANNEL);
	struct cq *q;

	if (!r->cq.cqe || r->cq.cqe > hca.options.max_wr || (r->cq.channel && !ch))
		return EINVAL;
	q = make(c, KIND_CQ, sizeof(*q));
	if (!q)
		return ENOMEM;
	q->cqe = r->cq.cqe;
	q->mem = map(fds[0], fake_cq_len(q->cqe));
	q->cookie = r->cq.cookie;
	q->channel = ch;
	if (ch)
		ch->o.users++;
	reply->handle = q->o.handle;
	return 0;
}

static void fill_qp(struct qp *q, const struct fake_request *r, const int *fds)
{
	q->max_send = r->qp.max_send;
	q->max_recv = r->qp.max_recv;
	q->mem = map(fds[0], fake_qp_len(q->max_send, q->max_recv));
	q->state = IBV_QPS_RESET;
	q->pd->users++;
	q->send_cq->o.users++;
	q->recv_cq->o.users++;
	LIST_INSERT_HEAD(&hca.qps, q, link);
}

static int make_qp(struct client *c, const struct fake_request *r, const int *fds,
		   struct fake_reply *reply)
{
	struct object *pd = find(c, r->handle, KIND_PD);
	struct cq *send_cq = (struct cq *)find(c, r->qp.send_cq, KIND_CQ);
	struct cq *recv_cq = (struct cq *)find(c, r->qp.recv_cq, KIND_CQ);
	struct qp *q;

	if (r->qp.type != IBV_QPT_RAW_PACKET || hca.options.no_raw)
		return EOPNOTSUPP;
	if (!pd || !send_cq || !recv_cq || r->qp.max_send > hca.options.max_wr ||
	    r->qp.max_recv > hca.options.max_wr || r->qp.max_inline > FAKE_INLINE_MAX)
		return EINVAL;
	q = make(c, KIND_QP, sizeof(*q));
	if (!q)
		return ENOMEM;
	q->pd = pd;
	q->send_cq = send_cq;
	q->recv_cq = recv_cq;
	fill_qp(q, r, fds);
	reply->handle = q->o.handle;
	reply->max_inline = r->qp.max_inline < hca.options.max_inline ? r->qp.max_inline
								      : hca.options.max_inline;
	return 0;
}

/* A raw packet queue pair takes its port on the way to INIT, and nothing else anywhere. */
static bool may_become(enum ibv_qp_state from, const struct fake_request *r)
{
	uint32_t mask = r->modify.mask;

	switch (r->modify.state) {
	case IBV_QPS_RESET:
	case IBV_QPS_ERR:
		return mask == IBV_QP_STATE;
	case IBV_QPS_INIT:
		return (from == IBV_QPS_RESET || from == IBV_QPS_INIT) &&
		       mask == (IBV_QP_STATE | IBV_QP_PORT) && r->modify.port == 1;
	case IBV_QPS_RTR:
		return from == IBV_QPS_INIT && mask == IBV_QP_STATE;
	case IBV_QPS_RTS:
		return (from == IBV_QPS_RTR || from == IBV_QPS_RTS) && mask == IBV_QP_STATE;
	default:
		return false;
	}
}

static int modify_qp(struct client *c, const struct fake_request *r)
{
	struct qp *q = (struct qp *)find(c, r->handle, KIND_QP);

	if (!q || !may_become(q->state, r))
		return EINVAL;
	q->state = r->modify.state;
	if (q->state == IBV_QPS_ERR)
		hca_flush(q);
	return 0;
}

static int make_flow(struct client *c, const struct fake_request *r, struct fake_reply *reply)
{
	struct qp *q = (struct qp *)find(c, r->handle, KIND_QP);
	struct flow *f;
	int err;

	if (!q)
		return EINVAL;
	f = make(c, KIND_FLOW, sizeof(*f));
	if (!f)
		return ENOMEM;
	f->qp = q;
	err = hca_check_flow(r, f);
	if (err) {
		unmake(&f->o);
		return err;
	}
	q->o.users++;
	hca.flow_count++;
	LIST_INSERT_HEAD(&hca.flows, f, link);
	reply->handle = f->o.handle;
	return 0;
}

static int make_pd(struct client *c, struct fake_reply *reply)
{
	struct object *pd = make(c, KIND_PD, sizeof(*pd));

	if (!pd)
		return ENOMEM;
	reply->handle = pd->handle;
	return 0;
}

static int open_device(struct client *c, const int *fds)
{
	if (c->events >= 0)
		return EINVAL;
	c->events = dup(fds[0]);
	return 0;
}

/* How many descriptors each command brings. */
static int fds_of(uint32_t op)
{
	switch (op) {
	case FAKE_OPEN:
	case FAKE_CHANNEL:
	case FAKE_CQ:
	case FAKE_QP:
		return 1;
	default:
		return 0;
	}
}

static int execute(struct client *c, const struct fake_request *r, const int *fds,
		   struct fake_reply *reply)
{
	struct object *o;

	switch (r->op) {
	case FAKE_OPEN:
		return open_device(c, fds);
	case FAKE_PORT:
		return 0;
	case FAKE_PD:
		return make_pd(c, reply);
	case FAKE_MR:
		return make_mr(c, r, reply);
	case FAKE_CHANNEL:
		return make_channel(c, fds, reply);
	case FAKE_CQ:
		return make_cq(c, r, fds, reply);
	case FAKE_QP:
		return make_qp(c, r, fds, reply);
	case FAKE_MODIFY_QP:
		return modify_qp(c, r);
	case FAKE_FLOW:
		return make_flow(c, r, reply);
	case FAKE_DESTROY:
		o = r->handle && r->handle <= MAX_OBJECTS ? c->object[r->handle - 1] : NULL;
		return destroy(o);
	default:
		return EINVAL;
	}
}

static int take_fds(struct msghdr *msg, int *fds)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(msg);
	int n = 0;

	if (c && c->cmsg_type == SCM_RIGHTS) {
		n = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(c), (size_t)n * sizeof(int));
	}
	return n;
}

static uint32_t clock_kind(void)
{
	if (hca.options.no_clock)
		return FAKE_CLOCK_NONE;
	if (hca.options.mlx4)
		return FAKE_CLOCK_CYCLES;
	return hca.options.no_page ? FAKE_CLOCK_NO_PAGE : FAKE_CLOCK_NS;
}

static void describe(struct fake_device *d)
{
	*d = (struct fake_device){ .ifindex = hca.options.ifindex,
				   .max_wr = hca.options.max_wr,
				   .max_cqe = hca.options.max_wr,
				   .checksums = !hca.options.no_checksums,
				   .clock = clock_kind(),
				   .port_state = hca.down ? IBV_PORT_DOWN : IBV_PORT_ACTIVE,
				   .link_layer = hca.options.infiniband ? IBV_LINK_LAYER_INFINIBAND
									: IBV_LINK_LAYER_ETHERNET };
}

void hca_command(struct client *c)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(MAX_FDS * sizeof(int))];
	} control;
	struct fake_request request;
	struct fake_reply reply;
	struct iovec iov = { &request, sizeof(request) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	int fds[MAX_FDS], n;
	ssize_t len = recvmsg(c->fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);

	if ((len < 0 && errno == EAGAIN) || len == 1)
		return;
	if (len != (ssize_t)sizeof(request)) {
		hca_free_client(c);
		return;
	}
	memset(&reply, 0, sizeof(reply));
	describe(&reply.device);
	n = take_fds(&msg, fds);
	if (request.op == FAKE_SYNC)
		while (hca_pump())
			;
	else if (hca.removed)
		reply.err = EIO;
	else
		reply.err = n == fds_of(request.op) ? execute(c, &request, fds, &reply) : EINVAL;
	while (n > 0)
		close(fds[--n]);
	send(c->fd, &reply, sizeof(reply), MSG_NOSIGNAL);
}
