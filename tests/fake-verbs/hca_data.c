/* SPDX-License-Identifier: BSD-3-Clause */
/* hca_data.c - the device's side of work queues and completion queues, and the way of a frame. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "tests/fake-verbs/hca.h"

static uint32_t load(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static void to_error(struct qp *q, enum ibv_event_type type)
{
	if (q->state == IBV_QPS_ERR)
		return;
	q->state = IBV_QPS_ERR;
	hca_flush(q);
	hca_event(q->o.client, type);
}

/* An event for the first completion after the queue was armed; not for one that was there before. */
static void notify(struct cq *c)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!c->channel || !__atomic_load_n(&c->mem->armed, __ATOMIC_RELAXED) ||
	    !__atomic_exchange_n(&c->mem->armed, 0, __ATOMIC_SEQ_CST))
		return;
	if (write(c->channel->fd, &c->cookie, sizeof(c->cookie)) < 0 && errno != EPIPE)
		_exit(3);
}

/* False: the queue has overrun. It and its users are dead from then on. */
static bool complete(struct cq *c, struct qp *q, const struct fake_cqe *e)
{
	uint32_t prod = c->mem->prod;

	if (c->mem->overrun)
		return false;
	if (prod - load(&c->mem->cons) >= c->cqe) {
		c->mem->overrun = 1;
		hca_event(c->o.client, IBV_EVENT_CQ_ERR);
		to_error(q, IBV_EVENT_QP_FATAL);
		return false;
	}
	c->mem->entry[prod & (fake_round(c->cqe) - 1)] = *e;
	__atomic_store_n(&c->mem->prod, prod + 1, __ATOMIC_RELEASE);
	notify(c);
	return true;
}

static struct mr *region(const struct qp *q, const struct fake_wr *w)
{
	struct object *o = w->lkey && w->lkey <= MAX_OBJECTS ? q->o.client->object[w->lkey - 1]
							     : NULL;
	struct mr *m = (struct mr *)o;

	if (!o || o->kind != KIND_MR || m->pd != q->pd || w->addr < m->addr ||
	    w->addr + w->len > m->addr + m->len)
		return NULL;
	return m;
}

/* ---- receiving ---- */

static uint64_t ptp_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec + PTP_AHEAD_NS;
}

static void receive_completion(struct qp *q, struct fake_cqe *e)
{
	e->stamp = ptp_now();
	e->opcode = IBV_WC_RECV;
	e->qp_num = q->o.handle;
	e->done = ++q->mem->rq.cons;
	complete(q->recv_cq, q, e);
}

static uint32_t sum_words(const uint8_t *d, size_t len, uint32_t sum)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)(d[i] << 8 | d[i + 1]);
	if (len & 1)
		sum += (uint32_t)d[len - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* mlx5 get_csum_ok(): both are right, and it is IPv4. */
static bool checksums_right(const uint8_t *d, size_t len)
{
	const uint8_t *ip = d + 14;
	uint32_t udp_len;

	if (hca.options.no_checksums || len < 42 || d[12] != 8 || d[13] != 0 || ip[0] != 0x45 ||
	    ip[9] != IPPROTO_UDP)
		return false;
	udp_len = (uint32_t)(ip[24] << 8 | ip[25]);
	if (34 + udp_len > len || (!ip[26] && !ip[27]) || sum_words(ip, 20, 0) != 0xffff)
		return false;
	return sum_words(ip + 20, udp_len, sum_words(ip + 12, 8, IPPROTO_UDP + udp_len)) == 0xffff;
}

static void receive(struct qp *q, const uint8_t *frame, size_t len)
{
	struct fake_wr *w = fake_recv_wr(q->mem, q->max_send, q->max_recv, q->mem->rq.cons);
	struct fake_cqe e = { .status = IBV_WC_SUCCESS, .byte_len = (uint32_t)len };
	struct iovec from = { (void *)(uintptr_t)frame, len },
		     to = { (void *)(uintptr_t)w->addr, len };
	struct mr *m;

	if (q->state != IBV_QPS_RTR && q->state != IBV_QPS_RTS)
		return;
	if (load(&q->mem->rq.prod) == q->mem->rq.cons) {
		q->no_buffer++;
		return;
	}
	e.wr_id = w->wr_id;
	m = region(q, w);
	if (len > w->len)
		e.status = IBV_WC_LOC_LEN_ERR;
	else if (!m || !m->writable ||
		 process_vm_writev(q->o.client->pid, &from, 1, &to, 1, 0) != (ssize_t)len)
		e.status = IBV_WC_LOC_PROT_ERR;
	else if (checksums_right(frame, len))
		e.wc_flags = IBV_WC_IP_CSUM_OK;
	receive_completion(q, &e);
	if (e.status != IBV_WC_SUCCESS)
		to_error(q, IBV_EVENT_QP_FATAL);
}

/* A group's frames are copied to each queue pair that has a rule for it. */
static bool to_group(const uint8_t *frame, size_t len)
{
	bool found = false;
	struct qp *q;

	LIST_FOREACH(q, &hca.qps, link) {
		struct flow *f;

		LIST_FOREACH(f, &hca.flows, link)
			if (f->qp == q && hca_matches(f, frame, len))
				break;
		if (!f)
			continue;
		receive(q, frame, len);
		found = true;
	}
	return found;
}

static bool steer(const uint8_t *frame, size_t len)
{
	struct qp *q;

	if (hca_is_multicast(frame))
		return to_group(frame, len);
	q = hca_match(frame, len);
	if (q)
		receive(q, frame, len);
	return q != NULL;
}

void hca_to(int fd, const uint8_t *frame, size_t len)
{
	/* A full queue or an interface that is down loses frames, as a wire does. */
	if (send(fd, frame, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == EBADF)
		_exit(3);
}

void hca_from_wire(const uint8_t *frame, size_t len)
{
	if (hca.down || len < ETHER_HDR_LEN)
		return;
	if (!steer(frame, len))
		hca_to(hca.kernel, frame, len);
}

/* ---- sending ---- */

static void send_completion(struct qp *q, const struct fake_wr *w, uint32_t status)
{
	struct fake_cqe e = { .wr_id = w->wr_id,
			      .status = status,
			      .opcode = IBV_WC_SEND,
			      .qp_num = q->o.handle,
			      .done = q->mem->sq.cons };

	if (status != IBV_WC_SUCCESS || (w->flags & IBV_SEND_SIGNALED))
		complete(q->send_cq, q, &e);
}

static bool fetch(const struct qp *q, const struct fake_wr *w, uint8_t *frame)
{
	struct iovec to = { frame, w->len }, from = { (void *)(uintptr_t)w->addr, w->len };

	if (w->len > FRAME_MAX)
		return false;
	if (w->flags & IBV_SEND_INLINE) {
		memcpy(frame, w->data, w->len);
		return true;
	}
	return region(q, w) &&
	       process_vm_readv(q->o.client->pid, &to, 1, &from, 1, 0) == (ssize_t)w->len;
}

/* What one queue pair sends to a group the others on the device receive, and it itself. */
static void transmit(const uint8_t *frame, size_t len)
{
	if (hca.down || len < ETHER_HDR_LEN)
		return;
	if (hca_is_multicast(frame))
		to_group(frame, len);
	hca_to(hca.wire, frame, len);
}

static void send_one(struct qp *q)
{
	static uint8_t frame[FRAME_MAX];
	struct fake_wr *w = fake_send_wr(q->mem, q->max_send, q->mem->sq.cons);
	bool good = fetch(q, w, frame);

	q->mem->sq.cons++;
	if (good)
		transmit(frame, w->len);
	send_completion(q, w, good ? IBV_WC_SUCCESS : IBV_WC_LOC_PROT_ERR);
	if (!good)
		to_error(q, IBV_EVENT_QP_FATAL);
}

/* The queue pair whose next send was posted first, before @limit; NULL: none. */
static struct qp *first_to_send(uint64_t limit)
{
	struct qp *q, *first = NULL;

	LIST_FOREACH(q, &hca.qps, link) {
		if (q->state == IBV_QPS_ERR)
			hca_flush(q);
		if (q->state != IBV_QPS_RTS || load(&q->mem->sq.prod) == q->mem->sq.cons)
			continue;
		if (fake_send_wr(q->mem, q->max_send, q->mem->sq.cons)->posted < limit) {
			first = q;
			limit = fake_send_wr(q->mem, q->max_send, q->mem->sq.cons)->posted;
		}
	}
	return first;
}

bool hca_send_before(uint64_t limit)
{
	struct qp *q;
	bool some = false;

	while ((q = first_to_send(limit))) {
		send_one(q);
		some = true;
	}
	return some;
}

bool hca_posted(void)
{
	return first_to_send(UINT64_MAX) != NULL;
}

void hca_sleep(bool asleep)
{
	struct qp *q;

	LIST_FOREACH(q, &hca.qps, link)
		__atomic_store_n(&q->mem->asleep, asleep, __ATOMIC_SEQ_CST);
}

/* In the error state every work request is completed with an error. */
void hca_flush(struct qp *q)
{
	while (load(&q->mem->sq.prod) != q->mem->sq.cons && !q->send_cq->mem->overrun) {
		struct fake_wr *w = fake_send_wr(q->mem, q->max_send, q->mem->sq.cons++);

		send_completion(q, w, IBV_WC_WR_FLUSH_ERR);
	}
	while (load(&q->mem->rq.prod) != q->mem->rq.cons && !q->recv_cq->mem->overrun) {
		struct fake_wr *w = fake_recv_wr(q->mem, q->max_send, q->max_recv, q->mem->rq.cons);
		struct fake_cqe e = { .wr_id = w->wr_id, .status = IBV_WC_WR_FLUSH_ERR };

		receive_completion(q, &e);
	}
}
