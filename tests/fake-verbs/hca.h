/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hca.h - fake_hca, the device behind the fake libibverbs: what its parts share.
 *
 *   hca_main.c    the wire, the kernel's side, clients    hca_data.c   work queues, completions, frames in and out
 *   hca_object.c  commands, with the kernel's checks      hca_flow.c   rules: what is refused, what a frame matches
 *
 * Between a wire and the kernel's network interface it does what a NIC with flow steering does: a frame from the wire goes to the
 * queue pairs whose rule it matches, else to the kernel; what queue pairs and the kernel send goes to the wire.
 */
#ifndef TESTS_FAKE_VERBS_HCA_H
#define TESTS_FAKE_VERBS_HCA_H

#include <infiniband/verbs.h>
#include <stdbool.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "tests/fake-verbs/fake_proto.h"

#define FRAME_MAX 65536
#define PTP_AHEAD_NS                                                                               \
	37000000000 /* its clock shows atomic time, as PTP does; and can be told from the system's */
#define MAX_OBJECTS 4096 /* of one client */

enum kind { KIND_NONE, KIND_PD, KIND_MR, KIND_CHANNEL, KIND_CQ, KIND_QP, KIND_FLOW };

struct object {
	enum kind kind;
	int users; /* objects that need it: it can not be destroyed before them */
	uint32_t handle;
	struct client *client;
};

struct mr {
	struct object o;
	struct object *pd;
	uint64_t addr, len;
	bool writable;
};

struct channel {
	struct object o;
	int fd;
};

struct cq {
	struct object o;
	struct channel *channel;
	struct fake_cq_mem *mem;
	uint64_t cookie;
	uint32_t cqe;
};

struct qp {
	struct object o;
	struct object *pd;
	struct cq *send_cq, *recv_cq;
	struct fake_qp_mem *mem;
	uint32_t max_send, max_recv;
	enum ibv_qp_state state;
	unsigned no_buffer; /* frames that were lost */
	LIST_ENTRY(qp) link;
};

struct flow {
	struct object o;
	struct qp *qp;
	uint32_t priority, len;
	bool multicast;
	uint8_t spec[FAKE_SPECS_MAX];
	LIST_ENTRY(flow) link;
};

struct client {
	int fd, events;
	pid_t pid;
	struct object *object[MAX_OBJECTS]; /* by handle - 1 */
	LIST_ENTRY(client) link;
};

/* How the device differs from an ordinary one. */
struct options {
	bool mlx4;	  /* IPv4 only, destination MAC mandatory */
	bool no_steering; /* mlx4 that was not configured for it */
	bool no_raw;	  /* no raw packet queue pairs, as most RDMA devices */
	bool no_checksums;
	unsigned rules; /* so many at most; 0: no limit */
	unsigned max_inline;
	unsigned max_wr;
	unsigned ifindex;
	bool infiniband;	/* the port is not Ethernet */
	bool no_clock, no_page; /* enum fake_clock */
};

struct hca {
	struct options options;
	int epoll, listener, wire, kernel, signals;
	bool removed, down;
	unsigned flow_count;
	LIST_HEAD(, client) clients;
	LIST_HEAD(, qp) qps;
	LIST_HEAD(, flow) flows;
};

extern struct hca hca;

/* hca_main.c. All frames that are there by now go where they belong. */
bool hca_pump(void);

/* hca_object.c. Answers one command; destroys all of a client. */
void hca_command(struct client *c);
void hca_free_client(struct client *c);
void hca_remove(void); /* the device goes, and all that was made on it */
void hca_event(struct client *c, enum ibv_event_type type);

/* hca_data.c. */
bool hca_send_before(uint64_t limit); /* what queue pairs have posted by then; true: there was something */
bool hca_posted(void);
void hca_sleep(bool asleep); /* doorbells are wanted from now on, or not */
void hca_flush(struct qp *q);
void hca_from_wire(const uint8_t *frame, size_t len);
void hca_to(int fd, const uint8_t *frame, size_t len);

/* hca_flow.c. 0 or errno. */
int hca_check_flow(const struct fake_request *request, struct flow *f);
struct qp *hca_match(const uint8_t *frame, size_t len); /* for one station; NULL: the kernel's */
bool hca_matches(const struct flow *f, const uint8_t *frame, size_t len);

static inline bool hca_is_multicast(const uint8_t *mac)
{
	return mac[0] & 1;
}

#endif
