/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fake_lib.h - the fake libibverbs.so.1: what its parts share.
 *
 *   fake_device.c  device list, opening, queries    fake_call.c  commands to the device, faults on request
 *   fake_object.c  everything that is created       fake_data.c  posting, polling, arming, events
 *   fake_flow.c    ibv_create_flow()                fake_stamp.c  extended completion queues
 *
 * FAKE_VERBS names the socket of fake_hca; without it there is no device (ENOSYS), as on a host without RDMA.
 * FAKE_VERBS_FAULT is a list like "create_flow=EEXIST,create_qp=EPERM@2": the call fails so, from its second time on.
 * "short_poll" makes ibv_poll_cq() give one completion at a time. "start_poll=EBUSY" is the clock of libmlx5 that can not be read:
 * the completion is gone then; "clock_busy=EBUSY" is the same in later versions, where it is not.
 */
#ifndef TESTS_FAKE_VERBS_FAKE_LIB_H
#define TESTS_FAKE_VERBS_FAKE_LIB_H

#include <infiniband/verbs.h>
#include <stdbool.h>

#include "tests/fake-verbs/fake_proto.h"

#define API __attribute__((visibility("default")))

struct context {
	struct verbs_context v; /* first; its last member is the ibv_context */
	struct fake_device device;
	struct queue_pair *pairs; /* poll_cq() has to find one by its number */
};

struct completion_queue {
	union {
		struct ibv_cq cq; /* first */
		struct ibv_cq_ex ex;
	};
	struct fake_cq_mem *mem;
	uint32_t cqe;
	bool extended, unlocked;
	bool polling;			/* between start_poll() and end_poll() */
	const struct fake_cqe *current; /* the completion that can be read; NULL: none */
};

struct queue_pair {
	struct ibv_qp qp; /* first */
	struct fake_qp_mem *mem;
	uint32_t max_send, max_recv, max_inline;
	bool all_signalled;
	uint32_t sq_done,
		rq_done; /* work requests whose places are free again, as completions have told */
	struct queue_pair *next;
};

static inline struct context *context_of(struct ibv_context *ctx)
{
	return (struct context *)(uintptr_t)((char *)ctx - offsetof(struct verbs_context, context));
}

/* fake_call.c. 0, or a positive errno, which errno has, too. */
int fake_call(struct ibv_context *ctx, struct fake_request *request, struct fake_reply *reply,
	      const int *fds, int nfds);
int fake_destroy(struct ibv_context *ctx, uint32_t handle);
int fake_connect(void);
int fake_fault(const char *call); /* the errno that @call is to fail with; 0: none */
void fake_abort(const char *what)
	__attribute__((noreturn)); /* the caller's mistake, which hardware would not tell */
bool fake_may(unsigned cap);	   /* has the process this capability? */

/* fake_object.c. NULL: errno. */
struct completion_queue *fake_make_cq(struct ibv_context *ctx, int cqe, void *cookie,
				      struct ibv_comp_channel *ch, int vector);

/* fake_stamp.c. */
struct ibv_cq_ex *fake_create_cq_ex(struct ibv_context *ctx, struct ibv_cq_init_attr_ex *attr);

/* fake_data.c. */
void fake_note_done(struct ibv_context *ctx, const struct fake_cqe *e);
int fake_poll_cq(struct ibv_cq *cq, int n, struct ibv_wc *wc);
int fake_req_notify(struct ibv_cq *cq, int solicited);
int fake_post_send(struct ibv_qp *qp, struct ibv_send_wr *wr, struct ibv_send_wr **bad);
int fake_post_recv(struct ibv_qp *qp, struct ibv_recv_wr *wr, struct ibv_recv_wr **bad);

/* fake_flow.c. */
struct ibv_flow *fake_create_flow(struct ibv_qp *qp, struct ibv_flow_attr *attr);
int fake_destroy_flow(struct ibv_flow *flow);

#endif
