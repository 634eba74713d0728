/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * verbs_event.c - before a sleep, and what the device reports by itself.
 *
 * A completion queue that is armed writes one event to the channel for its next completion, and is not armed any more. The
 * caller has drained it: arm, drain again, and only if that finds nothing sleep (ibv_get_cq_event(3)). Some devices
 * report a completion that was there before, others do not; an event too many is a wake-up too many. Events are
 * acknowledged many at a time, since that takes a mutex.
 */
#include <errno.h>

#include "nic/verbs/verbs.h"

#define ACK_BATCH 64

void verbs_ack_all(struct verbs_queue *x)
{
	if (x->unacked)
		ibv_ack_cq_events(x->rcq, x->unacked);
	x->unacked = 0;
}

/* Reads the event that has come since the queue was armed, if any. */
static void take_event(struct verbs_queue *x)
{
	struct ibv_cq *cq;
	void *context;

	if (ibv_get_cq_event(x->channel, &cq, &context) != 0) {
		if (errno != EAGAIN && errno != EINTR)
			verbs_broken(x->v, "the completion channel has ended");
		return;
	}
	x->armed = false;
	if (++x->unacked == ACK_BATCH)
		verbs_ack_all(x);
}

int verbs_arm(struct nic_queue *q)
{
	struct verbs_queue *x = verbs_queue_of(q);
	int n;

	if (x->wc_next < x->wc_count)
		return 1;
	if (x->armed && x->polled)
		take_event(x);
	if (!x->armed) {
		if (ibv_req_notify_cq(x->rcq, 0) != 0) {
			verbs_broken(x->v, "its completion queue can not be armed");
			return 0;
		}
		x->armed = true;
		x->polled = false;
	}
	verbs_refill(x);
	n = verbs_poll(x, NIC_BURST);
	if (n < 0)
		verbs_broken(x->v, VERBS_CQ_DEAD);
	if (n <= 0)
		return n == 0 && x->busy;
	x->wc_next = 0;
	x->wc_count = (unsigned)n;
	x->polled = true;
	return 1;
}

static void take_async(struct verbs_nic *v, const struct ibv_async_event *event)
{
	switch (event->event_type) {
	case IBV_EVENT_DEVICE_FATAL:
		verbs_broken(v, "the device was removed or has failed");
		break;
	case IBV_EVENT_QP_FATAL:
	case IBV_EVENT_QP_REQ_ERR:
	case IBV_EVENT_QP_ACCESS_ERR:
		verbs_broken(v, "the queue pair has failed");
		break;
	case IBV_EVENT_CQ_ERR:
		verbs_broken(v, "the completion queue has failed");
		break;
	default:
		break; /* of a port: carrier and addresses are the kernel's to tell */
	}
}

/* The NIC counts what it drops for the whole port, in files: nothing that could be read here. */
void verbs_stats(struct nic_queue *q)
{
	struct verbs_queue *x = verbs_queue_of(q);
	struct ibv_async_event event;

	if (x->v->lost)
		return;
	while (!x->v->nic.broken && ibv_get_async_event(x->v->ctx, &event) == 0) {
		take_async(x->v, &event);
		ibv_ack_async_event(&event);
	}
}
