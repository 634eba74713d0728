/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fake_proto.h - between the fake libibverbs in a process and the fake device (fake_hca).
 *
 * One connection (SOCK_SEQPACKET) is one opened device: its descriptor is ibv_context.cmd_fd, and when its last copy is closed the
 * device destroys what belongs to it, as the kernel does. A command is a struct fake_request, maybe with descriptors,
 * and is answered by a struct fake_reply; a message of one byte is a doorbell. Work queues and completion queues are shared memory, which is not inherited by
 * children (as VM_DONTCOPY); frames stay in the process's own memory, where the device reads and writes them.
 */
#ifndef TESTS_FAKE_VERBS_FAKE_PROTO_H
#define TESTS_FAKE_VERBS_FAKE_PROTO_H

#include <stddef.h>
#include <stdint.h>

#define FAKE_SPECS_MAX 600
#define FAKE_INLINE_MAX 512
#define FAKE_EVENTS_LEN sizeof(uint64_t)

enum fake_op {
	FAKE_OPEN, /* -> struct fake_device; with the writing end of the asynchronous events */
	FAKE_PORT, /* -> device.port_state */
	FAKE_PD,
	FAKE_MR,
	FAKE_CHANNEL, /* with the writing end of a pipe */
	FAKE_CQ,      /* with its memory */
	FAKE_QP,      /* with its memory */
	FAKE_MODIFY_QP,
	FAKE_FLOW,
	FAKE_DESTROY,
	FAKE_SYNC, /* answered when what was on its way is where it belongs; for tests, without FAKE_OPEN */
};

struct fake_request {
	uint32_t op;
	uint32_t handle; /* of what it is about: the protection domain of FAKE_MR, the queue pair of FAKE_FLOW ... */
	union {
		struct {
			uint64_t addr, len;
			uint32_t access;
		} mr;
		struct {
			uint64_t cookie; /* what events name it by */
			uint32_t cqe, channel;
		} cq;
		struct {
			uint32_t type, send_cq, recv_cq, max_send, max_recv, max_inline;
		} qp;
		struct {
			uint32_t state, mask, port;
		} modify;
		struct {
			uint32_t type, priority, flags, port, specs, len;
			uint8_t spec[FAKE_SPECS_MAX];
		} flow;
	};
};

struct fake_device {
	uint32_t ifindex; /* of the netdev, in the namespace of the programs */
	uint32_t max_wr, max_cqe;
	uint32_t checksums;
	uint32_t port_state; /* enum ibv_port_state */
	uint32_t link_layer;
	uint32_t clock; /* enum fake_clock */
};

/* What the device can tell about the time of a completion. */
enum fake_clock {
	FAKE_CLOCK_NONE,
	FAKE_CLOCK_CYCLES, /* cycles only (mlx4) */
	FAKE_CLOCK_NO_PAGE, /* nanoseconds, but the kernel does not give out the page to convert by */
	FAKE_CLOCK_NS,
};

struct fake_reply {
	int32_t err;
	uint32_t handle;
	uint32_t max_inline; /* of FAKE_QP: what was granted */
	struct fake_device device;
};

struct fake_cqe {
	uint64_t wr_id;
	uint64_t stamp; /* ns of the PTP clock */
	uint32_t status, opcode, byte_len, wc_flags, qp_num;
	uint32_t done; /* work requests of the queue pair's send or receive queue that are done by now, modulo 2^32 */
};

struct fake_cq_mem {
	uint32_t prod, cons, armed, overrun;
	struct fake_cqe entry[]; /* a power of two of them */
};

struct fake_wr {
	uint64_t wr_id, addr;
	uint64_t posted; /* CLOCK_REALTIME ns */
	uint32_t len, lkey, flags, pad;
	uint8_t data[FAKE_INLINE_MAX];
};

struct fake_queue {
	uint32_t prod, cons; /* of the process, of the device; both only grow */
};

struct fake_qp_mem {
	struct fake_queue sq, rq;
	uint32_t asleep; /* the device wants its doorbell rung */
	uint32_t pad;
	struct fake_wr wr[]; /* of the send queue, then of the receive queue */
};

static inline uint32_t fake_round(uint32_t n)
{
	uint32_t size = 1;

	while (size < n)
		size *= 2;
	return size;
}

static inline size_t fake_cq_len(uint32_t cqe)
{
	return sizeof(struct fake_cq_mem) + fake_round(cqe) * sizeof(struct fake_cqe);
}

static inline size_t fake_qp_len(uint32_t max_send, uint32_t max_recv)
{
	return sizeof(struct fake_qp_mem) +
	       (size_t)(fake_round(max_send) + fake_round(max_recv)) * sizeof(struct fake_wr);
}

static inline struct fake_wr *fake_send_wr(struct fake_qp_mem *m, uint32_t max_send, uint32_t i)
{
	return &m->wr[i & (fake_round(max_send) - 1)];
}

static inline struct fake_wr *fake_recv_wr(struct fake_qp_mem *m, uint32_t max_send,
					   uint32_t max_recv, uint32_t i)
{
	return &m->wr[fake_round(max_send) + (i & (fake_round(max_recv) - 1))];
}

#endif
