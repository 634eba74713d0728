/* SPDX-License-Identifier: BSD-3-Clause */
/* fake_data.c - the data path of the fake library: posting, polling, arming, and reading events. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/fake-verbs/fake_lib.h"

static uint32_t load(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static struct queue_pair *pair_numbered(struct ibv_context *ctx, uint32_t number)
{
	struct queue_pair *p = context_of(ctx)->pairs;

	while (p && p->qp.qp_num != number)
		p = p->next;
	return p;
}

/* A place in a work queue is free again only when a completion has told so. */
void fake_note_done(struct ibv_context *ctx, const struct fake_cqe *e)
{
	struct queue_pair *p = pair_numbered(ctx, e->qp_num);

	if (!p)
		return;
	if (e->opcode & IBV_WC_RECV)
		p->rq_done = e->done;
	else
		p->sq_done = e->done;
}

int fake_poll_cq(struct ibv_cq *cq, int n, struct ibv_wc *wc)
{
	struct completion_queue *c = (struct completion_queue *)cq;
	uint32_t mask = fake_round(c->cqe) - 1, cons = c->mem->cons;
	uint32_t waiting = load(&c->mem->prod) - cons;
	int got;

	if (c->extended)
		fake_abort("ibv_poll_cq() of an extended completion queue");
	if (c->mem->overrun)
		return -1;
	if (n > 1 && getenv("FAKE_VERBS_FAULT") && fake_fault("short_poll"))
		n = 1;
	if ((uint32_t)n > waiting)
		n = (int)waiting;
	for (got = 0; got < n; got++, cons++, wc++) {
		const struct fake_cqe *e = &c->mem->entry[cons & mask];

		/* What an unsuccessful completion does not define is rubbish. */
		memset(wc, e->status == IBV_WC_SUCCESS ? 0 : 0xa5, sizeof(*wc));
		wc->wr_id = e->wr_id;
		wc->status = e->status;
		wc->qp_num = e->qp_num;
		fake_note_done(cq->context, e);
		if (e->status != IBV_WC_SUCCESS)
			continue;
		wc->opcode = e->opcode;
		wc->byte_len = e->byte_len;
		wc->wc_flags = e->wc_flags;
	}
	__atomic_store_n(&c->mem->cons, cons, __ATOMIC_RELEASE);
	return got;
}

int fake_req_notify(struct ibv_cq *cq, int solicited)
{
	struct completion_queue *c = (struct completion_queue *)cq;

	(void)solicited;
	__atomic_store_n(&c->mem->armed, 1, __ATOMIC_SEQ_CST);
	return 0;
}

/* Only while the device sleeps; it has no descriptor of its own in the process, as hardware has none. */
static void ring(struct queue_pair *p)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&p->mem->asleep, __ATOMIC_RELAXED) &&
	    __atomic_exchange_n(&p->mem->asleep, 0, __ATOMIC_SEQ_CST))
		send(p->qp.context->cmd_fd, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static uint64_t realtime_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* All into the work request, as the NIC would fetch it. */
static int gather_inline(struct fake_wr *to, const struct queue_pair *p,
			 const struct ibv_send_wr *wr)
{
	to->len = 0;
	for (int i = 0; i < wr->num_sge; i++) {
		const struct ibv_sge *s = &wr->sg_list[i];

		if (to->len + s->length > p->max_inline)
			return EINVAL;
		memcpy(to->data + to->len, (void *)(uintptr_t)s->addr, s->length);
		to->len += s->length;
	}
	return 0;
}

static int post_one(struct queue_pair *p, const struct ibv_send_wr *wr)
{
	struct fake_wr *to = fake_send_wr(p->mem, p->max_send, p->mem->sq.prod);

	if (wr->opcode != IBV_WR_SEND || wr->num_sge != 1)
		return EINVAL;
	if (p->mem->sq.prod - p->sq_done >= p->max_send)
		return ENOMEM;
	to->wr_id = wr->wr_id;
	to->posted = realtime_ns();
	to->flags = wr->send_flags | (p->all_signalled ? IBV_SEND_SIGNALED : 0u);
	to->addr = wr->sg_list->addr;
	to->len = wr->sg_list->length;
	to->lkey = wr->sg_list->lkey;
	if (wr->send_flags & IBV_SEND_INLINE) {
		int err = gather_inline(to, p, wr);

		if (err)
			return err;
	}
	__atomic_store_n(&p->mem->sq.prod, p->mem->sq.prod + 1, __ATOMIC_RELEASE);
	return 0;
}

int fake_post_send(struct ibv_qp *qp, struct ibv_send_wr *wr, struct ibv_send_wr **bad)
{
	struct queue_pair *p = (struct queue_pair *)qp;
	int err = fake_fault("post_send");

	for (; wr && !err; wr = wr->next) {
		err = post_one(p, wr);
		if (err)
			break;
	}
	if (err)
		*bad = wr;
	ring(p);
	return err;
}

int fake_post_recv(struct ibv_qp *qp, struct ibv_recv_wr *wr, struct ibv_recv_wr **bad)
{
	struct queue_pair *p = (struct queue_pair *)qp;
	int err = fake_fault("post_recv");

	if (!err && qp->state == IBV_QPS_RESET)
		err = EINVAL;
	for (; wr && !err; wr = wr->next) {
		struct fake_wr *to = fake_recv_wr(p->mem, p->max_send, p->max_recv, p->mem->rq.prod);

		if (wr->num_sge != 1)
			err = EINVAL;
		else if (p->mem->rq.prod - p->rq_done >= p->max_recv)
			err = ENOMEM;
		if (err)
			break;
		to->wr_id = wr->wr_id;
		to->addr = wr->sg_list->addr;
		to->len = wr->sg_list->length;
		to->lkey = wr->sg_list->lkey;
		__atomic_store_n(&p->mem->rq.prod, p->mem->rq.prod + 1, __ATOMIC_RELEASE);
	}
	if (err)
		*bad = wr;
	return err;
}

/* 0, or -1 and errno: the other end is gone when the device is. */
static int read_event(int fd, uint64_t *event)
{
	ssize_t n = read(fd, event, sizeof(*event));

	if (n == (ssize_t)sizeof(*event))
		return 0;
	if (n >= 0)
		errno = EIO;
	return -1;
}

API int ibv_get_cq_event(struct ibv_comp_channel *ch, struct ibv_cq **cq, void **context)
{
	struct completion_queue *c;
	uint64_t event;

	if (read_event(ch->fd, &event) < 0)
		return -1;
	c = (struct completion_queue *)(uintptr_t)event;
	*cq = &c->cq;
	*context = c->cq.cq_context;
	pthread_mutex_lock(&c->cq.mutex);
	c->cq.comp_events_completed++; /* here: those that were read and not acknowledged */
	pthread_mutex_unlock(&c->cq.mutex);
	return 0;
}

API void ibv_ack_cq_events(struct ibv_cq *cq, unsigned n)
{
	pthread_mutex_lock(&cq->mutex);
	cq->comp_events_completed -= n;
	pthread_mutex_unlock(&cq->mutex);
}

API int ibv_get_async_event(struct ibv_context *ctx, struct ibv_async_event *event)
{
	uint64_t type;

	if (read_event(ctx->async_fd, &type) < 0)
		return -1;
	memset(event, 0, sizeof(*event));
	event->event_type = (enum ibv_event_type)type;
	event->element.port_num = 1;
	return 0;
}

API void ibv_ack_async_event(struct ibv_async_event *event)
{
	(void)event;
}
