/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * verbs.h - the libibverbs backend's own types and seams; nothing outside nic/verbs/ includes it.
 *
 * A raw-packet queue pair beside the kernel's driver, and flow rules in the NIC that feed it. A process has one queue pair for
 * each interface. All kernel objects go with the descriptor of the device (struct ibv_context), rules included.
 *
 *   verbs_open.c    open/close, the ops table        verbs_rings.c  the data path
 *   verbs_device.c  netdev -> device and port        verbs_event.c  arming, asynchronous events
 *   verbs_link.c    what the interface is            verbs_flow.c   which rules there are to be
 *   verbs_queue.c   set-up and take-down             verbs_rule.c   one rule in the NIC
 *   verbs_why.c     errors in the operator's words   verbs_stamp.c  the receive queue that stamps
 */
#ifndef NIC_VERBS_VERBS_H
#define NIC_VERBS_VERBS_H

#include <infiniband/verbs.h>
#include <stddef.h>

#include "base/poison.h"
#include "nic/nic.h"
#include "nic/steer_map.h"

/* Where the NIC puts a received frame: on a cache line of its own, behind the stack's bytes. */
#define VERBS_HEADROOM 256
_Static_assert(VERBS_HEADROOM >= NIC_FRAME_PRIV,
	       "the stack's bytes must stay in front of packet data");

#define VERBS_BATCH 32 /* receive buffers posted at once, at least */
#define VERBS_INLINE_WANT                                                                          \
	204 /* bytes of a frame that the NIC may take from the work request itself */
#define VERBS_INLINED UINT32_MAX /* in tx_slot[]: the frame was inlined and is free already */

struct verbs_queue {
	struct nic_queue q; /* first: a nic_queue pointer is a verbs_queue pointer */
	struct verbs_nic *v;
	uint8_t *umem;
	size_t umem_len;
	uint32_t frames;
	uint32_t *pool; /* stack of free frames, as offsets into umem */
	uint32_t pool_count;
	uint32_t pool_keep; /* frames that refilling leaves for transmission */

	uint32_t rx_size; /* receive buffers that the queue pair takes */
	uint32_t nic_has; /* of them given to the NIC, and not received yet */
	struct ibv_wc wc[NIC_BURST];
	unsigned wc_next, wc_count; /* of wc[]: completions that arm() found */
	uint32_t *rx_slot; /* with ->stamping: the buffers that the NIC has, in their order */
	uint32_t rx_posted, rx_done; /* both only grow */
	bool busy;		     /* ... and the NIC's clock could not be read: poll again */

	uint32_t tx_size;
	uint32_t tx_every;	   /* so many sends, then one that reports its completion */
	uint32_t tx_head, tx_tail; /* sends posted, and known to be complete; both only grow */
	uint32_t *tx_slot;	   /* frames of those in between */
	unsigned staged;	   /* taken by tx_burst(), to be posted by the kick */
	struct nic_frame stage[NIC_BURST];
	uint32_t max_inline;

	bool armed;	  /* the receive CQ will report its next completion */
	bool polled;	  /* completions have been taken since, so it may have */
	unsigned unacked; /* events that were read, and not acknowledged yet */

	struct ibv_comp_channel *channel;
	struct ibv_cq *rcq, *scq;
	struct ibv_cq_ex *stamping; /* the same as rcq, if that is one which stamps; else NULL */
	struct ibv_mr *mr;
	struct ibv_qp *qp;
};

/* One rule that the NIC has, or should have; several flows may want the same one. */
struct verbs_rule {
	struct steer_key key;
	unsigned users;
	struct ibv_flow *flow; /* NULL: not in force */
	struct verbs_rule *next;
};

/* A flow as the stack gave it. */
struct verbs_want {
	struct nic_flow flow;
	struct verbs_want *next;
};

#define VERBS_RULE_BUCKETS 256
#define VERBS_MAX_LOCALS 1024

struct verbs_nic {
	struct nic nic; /* first */
	struct ibv_context *ctx;
	struct ibv_pd *pd;
	struct verbs_queue *queue;
	uint8_t port;
	uint32_t frame_size;
	bool checksums; /* the NIC says which received checksums are right */
	bool clock;	/* completions can be stamped */
	bool stamps_on; /* the kernel's driver stamps all that it receives */
	bool lost;	/* in the child of a fork: nothing here may be touched */
	void (*log)(int level, const char *text);
	int (*keep_fd)(int fd);

	struct steer_host *host; /* addresses of the host, for what a rule can not say */
	bool locked;		 /* what follows: the lease is renewed beside everything else */
	bool in_force;		 /* rules are to be in the NIC */
	bool incomplete;	 /* some are not, and are tried again */
	bool no_v6;		 /* the NIC refuses rules for IPv6 */
	uint64_t retry_at;
	struct verbs_want *wants;
	struct verbs_rule *rules[VERBS_RULE_BUCKETS];
	struct ipaddr locals[VERBS_MAX_LOCALS];
	unsigned local_count;
};

static inline struct verbs_queue *verbs_queue_of(const struct nic_queue *q)
{
	return (struct verbs_queue *)(uintptr_t)q;
}

static inline struct verbs_nic *verbs_nic_of(const struct nic *nic)
{
	return (struct verbs_nic *)(uintptr_t)nic;
}

static inline uint32_t verbs_frame_start(const struct verbs_queue *x, uint32_t offset)
{
	return offset & ~(x->q.frame_size - 1);
}

static inline void verbs_pool_put(struct verbs_queue *x, uint32_t offset)
{
	x->pool[x->pool_count++] = verbs_frame_start(x, offset);
}

/* Fills name, index, MAC, MTU, frame size, stamps_on; refuses what has VLANs on it. */
int verbs_link_read(struct verbs_nic *v, struct nic_params *params);

/* Opens the device whose port the interface is: ctx, port, checksums, clock. */
int verbs_device_open(struct verbs_nic *v, struct nic_params *params);

/* Memory, queue pair and all that belongs to it; ready to receive. */
int verbs_queue_open(struct verbs_nic *v, struct nic_params *params);
void verbs_queue_close(struct verbs_queue *x);
void verbs_queue_forget(struct verbs_queue *x); /* in the child of a fork: memory only */

/* Data path, verbs_rings.c; see struct nic_ops. */
void verbs_refill(struct verbs_queue *x);
unsigned verbs_rx_burst(struct nic_queue *q, struct nic_frame *frames, unsigned max);
void verbs_free(struct nic_queue *q, uint8_t *const *data, unsigned n);
unsigned verbs_tx_alloc(struct nic_queue *q, uint8_t **base, unsigned n);
unsigned verbs_tx_burst(struct nic_queue *q, const struct nic_frame *frames, unsigned n);
int verbs_tx_kick(struct nic_queue *q);
unsigned verbs_pool_free(const struct nic_queue *q);

/*
 * verbs_stamp.c. Makes the receive completion queue one that stamps, if device and driver do; else nothing: it is to be a plain one.
 * Polling it fills ->wc as ibv_poll_cq() does, and the stamps in the frames; ->busy: there may be more than it could give.
 */
void verbs_stamp_open(struct verbs_queue *x);
int verbs_stamp_poll(struct verbs_queue *x, int max);

static inline int verbs_poll(struct verbs_queue *x, int max)
{
	return __builtin_expect(!x->stamping, 1) ? ibv_poll_cq(x->rcq, max, x->wc)
						 : verbs_stamp_poll(x, max);
}

void verbs_stamp_posted(struct verbs_queue *x, uint32_t n); /* the first @n frames of the pool */

/* verbs_event.c. */
int verbs_arm(struct nic_queue *q);
void verbs_stats(struct nic_queue *q);
void verbs_ack_all(struct verbs_queue *x);

/* verbs_flow.c; see struct nic_ops. */
int verbs_steer(struct nic *nic, const struct nic_flow *flow, bool on);
int verbs_owns(struct nic *nic, int fd, uint64_t cookie, bool on);
void verbs_steer_none(struct nic *nic);
int verbs_set_local(struct nic *nic, const struct ipaddr *addr, bool on);
void verbs_set_mac(struct nic *nic, const uint8_t mac[6]);
void verbs_set_lease(struct nic *nic, uint64_t until_ns);
void verbs_forget_rules(struct verbs_nic *v); /* memory only */

/* verbs_rule.c. Into the NIC: 0 or -errno, with nic.steer_why. */
int verbs_rule_put(struct verbs_nic *v, struct verbs_rule *rule);
void verbs_rule_take(const struct verbs_nic *v, struct verbs_rule *rule);

/* verbs_why.c. Writes params->why and returns @err. */
int verbs_why(struct nic_params *params, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* @what failed with errno @err while the interface was opened. */
int verbs_why_call(const struct verbs_nic *v, struct nic_params *params, int err, const char *what);

/* A rule was refused with errno @err: the error that steer() gives, and nic.steer_why. */
int verbs_why_rule(struct verbs_nic *v, int err, bool v6);

#define VERBS_CQ_DEAD "its completion queue is dead"

/* The queue pair is dead: says so once. */
void verbs_broken(struct verbs_nic *v, const char *how);

#endif
