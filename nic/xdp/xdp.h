/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * xdp.h - the AF_XDP backend's own types and seams; nothing outside nic/xdp/ includes it.
 *
 * One XSK with its own UMEM per RX queue, or for a process that comes second one ring for all of
 * them. A queue's whole state (rings, frame pool, counters) lies
 * in the same shared mapping as its UMEM, so that a process which takes over after a fork finds it
 * current. What holds kernel objects alive are the link's and the sockets' descriptors only: all
 * goes when they close.
 *
 *   xdp_open.c   open/close, the ops table           xdp_queue.c  one XSK + UMEM: set-up and take-down
 *   xdp_link.c   what the interface is               xdp_rings.c  its data path
 *   xdp_hub.c    sharing the program, seats          xdp_ring.c   the queue of a seat without an XSK
 *   xdp_prog.c   XDP program: load, attach           xdp_steer.c  steering ops and kernel statistics
 *   xdp_why.c    errors in the operator's words      xdp_steer.bpf.c  the XDP program
 *   xdp_generic.c  the kernel's structures, for generic mode
 *   xdp_cookie.c   where the kernel keeps a socket's cookie  xdp_measure.bpf.c  looks for it
 *   xdp_wide.c     frames of several chunks
 *   xdp_guest.c    a seat that the broker opened     xdp_join.c   its queues
 *   xdp_broker.h   what is said to the broker        xdp_own.c    which queues a seat gets
 */
#ifndef NIC_XDP_XDP_H
#define NIC_XDP_XDP_H

#include <stddef.h>
#include <xdp/xsk.h>

#include "base/poison.h"
#include "nic/nic.h"
#include "nic/steer_map.h"

/* The kernel's XDP_PACKET_HEADROOM: where it puts packet data in a chunk. */
#define XDP_HEADROOM 256

_Static_assert(XDP_HEADROOM >= NIC_FRAME_PRIV,
	       "the stack's bytes must stay in front of packet data");

/* Newer than Debian 12's headers (Linux 6.6). */
#ifndef XDP_USE_SG
#define XDP_USE_SG (1 << 4)
#define XDP_PKT_CONTD (1 << 0)
#endif

#define XDP_WIDE_FRAME 16384 /* for jumbo frames, which no chunk holds */

struct xdp_mapping {
	void *mem;
	size_t len;
};

struct xdp_queue {
	struct nic_queue q; /* first: a nic_queue pointer is an xdp_queue pointer */
	uint8_t *umem;
	uint32_t *pool; /* stack of free frames, as offsets into umem */
	uint32_t pool_count;
	uint32_t pool_keep; /* frames that refilling leaves for transmission */
	uint32_t nic_has;   /* frames given to the NIC to receive into, and not received yet */
	uint32_t nic_wants; /* how many it should have: half of the fill ring */
	uint32_t tx_out;    /* frames on the TX ring or not yet seen completed */
	uint32_t tx_lazy;   /* completions are looked at from this many on */
	uint32_t tx_size;   /* entries of the TX ring; 0: this queue can not send */
	struct xsk_ring_cons rx;
	struct xsk_ring_prod fill;
	struct xsk_ring_prod tx;
	struct xsk_ring_cons comp;
	struct xsk_umem *xsk_umem;
	struct xsk_socket *xsk;
	uint32_t frames;
	uint8_t *wide;	     /* xdp_wide.c: frames of XDP_WIDE_FRAME bytes, behind the others */
	uint32_t *wide_pool; /* as pool, offsets into wide */
	uint32_t wide_frames, wide_count;
	uint64_t wide_lost; /* frames that found none free; the kernel does not count these */
	uint32_t wide_at, wide_len; /* the one that is being put together */
	bool wide_begun;	    /* the RX ring begins within a frame */
	size_t map_len;
	bool zero_copy;
	struct xdp_mapping joined[4]; /* rings that xdp_join.c has mapped */
	unsigned joins;
};

/* Descriptors that are needed while opening only; -1: none. */
struct xdp_fds {
	int prog, hub, seats, hosts, rings, xsks, alive;
};

/* In the broker: of a seat that it opens for another process, what that one gets besides the queues' own descriptors. */
struct xdp_guest {
	bool transmit;		    /* it may send frames, whatever is in them */
	uint64_t max_memory;	    /* bytes of frames, of all queues together */
	int tables;		    /* of its struct steer_map */
	int memory[NIC_MAX_QUEUES]; /* of each queue's frames */
};

#define XDP_PROGRAM_NAME "kbaccel_steer"

struct hub;
struct xdp_grant;
struct claim;

struct xdp_nic {
	struct nic nic; /* first */
	struct hub *hub; /* shared with the XDP program and all that use the interface; NULL: a guest's */
	struct steer_host *host; /* shared with the XDP program; NULL: a guest's, the broker has it */
	struct steer_map *map;	 /* shared with the XDP program: what is steered to this process */
	struct xdp_guest *guest; /* in the broker; else NULL */
	struct xdp_grant *grant; /* of a guest; else NULL */
	struct claim *claim;	 /* the NIC steers to queues of its own; else NULL */
	struct xdp_fds fds;
	uint32_t seat;
	int seat_fd;  /* as long as anybody has it open the seat is taken */
	int alive_fd; /* and as long as anybody has this one open, the program gives it frames */
	int link_fd;
	bool ring;   /* frames come by xdp_ring.c, not by AF_XDP */
	bool native; /* driver XDP; else generic */
	bool wide;   /* the MTU is more than a chunk holds, and queues give frames in several */
	bool tells_batches; /* generic, and the program knows joined datagrams from single ones */
	bool knows_cookies; /* the program that was started here does */
	bool loopback;
	bool generic_only; /* driver XDP is not to be tried */
	unsigned rx_queues, tx_queues;
	uint32_t frame_size;
};

static inline struct xdp_queue *xdp_queue_of(const struct nic_queue *q)
{
	return (struct xdp_queue *)(uintptr_t)q;
}

/* For a sanitizer: what is the stack's of a received frame. */
static inline void xdp_frame_show(const struct xdp_queue *x, const struct nic_frame *f)
{
	unpoison(nic_frame_base(&x->q, f->data), NIC_FRAME_PRIV);
	unpoison(f->data, f->len);
}

static inline struct xdp_nic *xdp_nic_of(struct nic *nic)
{
	return (struct xdp_nic *)nic;
}

/* Fills name, index, MAC, MTU, flags, queue counts and frame size of @x. */
int xdp_link_read(struct xdp_nic *x, struct nic_params *params);

/* xdp_features.c: does GRO join datagrams that are for no socket with UDP_GRO? */
bool xdp_link_joins(const struct xdp_nic *x);

/*
 * Loads the program and attaches it. 0; -EEXIST: there is one already; other errors with params->why.
 */
int xdp_prog_start(struct xdp_nic *x, struct nic_params *params);

/* Loads it as for native and as for generic mode, and no more. 0, or -errno with params->why. */
int xdp_prog_try(struct xdp_nic *x, struct nic_params *params);

/*
 * xdp_hub.c. Finds or starts the program, takes a seat, and opens the queues (xdp_open_queues()) before anybody else can
 * take one.
 */
int xdp_hub_enter(struct xdp_nic *x, struct nic_params *params);

/* Maps what x->fds.hub is. */
int xdp_hub_map(struct xdp_nic *x, struct nic_params *params);

/* Lets the program redirect frames of RX queue @index to socket @fd. */
int xdp_hub_add_queue(struct xdp_nic *x, unsigned index, int fd, struct nic_params *params);

/* They are this seat's no longer. Only while it opens: later they go with the seat. */
void xdp_hub_drop_queues(struct xdp_nic *x);

/* The queues that seats have, as a bit mask. */
uint64_t xdp_hub_queues(const struct xdp_nic *x);

/* The seat has rules for @port (network order), or no more, as its tables say. */
void xdp_hub_tell_port(struct xdp_nic *x, uint16_t port);

/* Gives up what is needed while opening only. */
void xdp_hub_seal(struct xdp_nic *x);

/* Closes and unmaps everything of this process; the program goes with the last one. */
void xdp_hub_leave(struct xdp_nic *x);

/* Length of a ring's records on this interface. */
uint32_t xdp_record_len(const struct xdp_nic *x);

/* xdp_own.c. By XSK on queues of its own, if that is asked for and possible, or on all if nobody has any, else by ring. */
int xdp_open_queues(struct xdp_nic *x, struct nic_params *params);

/*
 * Frames, a header of @size bytes that begins with struct xdp_queue, and the pool, in new shared memory or (unless @memory
 * is -1) in what the broker has made. NULL: no memory.
 */
struct xdp_queue *xdp_queue_map(struct xdp_nic *nic, const struct nic_params *params, size_t size,
				int memory);

/* Opens queue @index, zero-copy if @zero_copy and possible; x->wide is taken back if that is not. */
int xdp_queue_open(struct xdp_nic *x, unsigned index, bool zero_copy, struct nic_params *params,
		   struct xdp_queue **out);
void xdp_queue_close(struct xdp_queue *x);

/* Gives the NIC what it is to receive into at first. */
void xdp_queue_start(struct xdp_queue *x);

/* xdp_join.c. The queue gets AF_XDP socket @fd, which the broker has opened; @fd is the queue's, also on failure: -errno. */
int xdp_queue_join(struct xdp_queue *x, int fd, uint32_t tx_size, const struct nic_params *params);
void xdp_queue_unjoin(struct xdp_queue *x);

/* For ops->recover(): the pool's memory is a mark for each frame first, then all that are not marked go into the pool. */
void xdp_pool_forget(struct xdp_queue *x);
void xdp_pool_rebuild(struct xdp_queue *x);

static inline void xdp_pool_mark(struct xdp_queue *x, uint64_t offset)
{
	if (offset / x->q.frame_size < x->frames)
		x->pool[offset / x->q.frame_size] = 1;
}

void xdp_recover(struct nic_queue *q);
void xdp_ring_recover(struct nic_queue *q);

/* Data path, xdp_rings.c; see struct nic_ops. */
void xdp_refill(struct xdp_queue *x);
unsigned xdp_rx_burst(struct nic_queue *q, struct nic_frame *frames, unsigned max);
void xdp_free(struct nic_queue *q, uint8_t *const *data, unsigned n);
unsigned xdp_tx_alloc(struct nic_queue *q, uint8_t **base, unsigned n);
unsigned xdp_tx_burst(struct nic_queue *q, const struct nic_frame *frames, unsigned n);
int xdp_tx_kick(struct nic_queue *q);
int xdp_arm(struct nic_queue *q);
unsigned xdp_pool_free(const struct nic_queue *q);

/* xdp_wide.c: the same where frames may come in several chunks. */
unsigned xdp_wide_rx_burst(struct nic_queue *q, struct nic_frame *frames, unsigned max);
void xdp_wide_free(struct nic_queue *q, uint8_t *const *data, unsigned n);
void xdp_wide_recover(struct nic_queue *q);

/* All wide frames are free. */
void xdp_wide_reset(struct xdp_queue *x);

/* xdp_ring.c: one queue for the whole interface. */
int xdp_ring_open(struct xdp_nic *nic, struct nic_params *params, struct xdp_queue **out);

/* Its ring as the broker needs it: bytes, and the packet socket or -1. */
uint32_t xdp_ring_size(const struct xdp_queue *x);
int xdp_ring_packet(const struct xdp_queue *x);

/*
 * The queue over what the broker has made: frame memory, BPF ring buffer of @size bytes, packet socket or -1. The last
 * two become the queue's, also on failure.
 */
int xdp_ring_join(struct xdp_nic *nic, const struct nic_params *params, const int fds[3],
		  uint32_t size, struct xdp_queue **out);
void xdp_ring_close(struct xdp_queue *x);
unsigned xdp_ring_rx_burst(struct nic_queue *q, struct nic_frame *frames, unsigned max);
unsigned xdp_ring_tx_alloc(struct nic_queue *q, uint8_t **base, unsigned n);
unsigned xdp_ring_tx_burst(struct nic_queue *q, const struct nic_frame *frames, unsigned n);
int xdp_ring_tx_kick(struct nic_queue *q);
int xdp_ring_arm(struct nic_queue *q);

/* xdp_guest.c. Asks the broker at params->broker for a seat: 0; -ENOENT: there is none; other -errno with params->why. */
int xdp_guest_open(struct xdp_nic *x, struct nic_params *params);

/* As nic_ops.owns(): the broker is told. */
int xdp_guest_owns(struct xdp_nic *x, int fd, uint64_t cookie, bool on);
void xdp_guest_no_owners(struct xdp_nic *x);
void xdp_guest_close(struct xdp_nic *x);

/* Is there nobody at the other end any more, who keeps the seat? */
bool xdp_guest_is_alone(const struct xdp_nic *x);

/* xdp_open.c. The operations of a nic with AF_XDP sockets, of chunks or wide frames, or with a ring. */
const struct nic_ops *xdp_ops_of(const struct xdp_nic *x);
int xdp_check_params(struct nic_params *params, uint32_t frame_size);

/* A nic of nothing yet; NULL with params->why. nic_ops.close() ends it. */
struct xdp_nic *xdp_new(struct nic_params *params);

/* Reads the interface, finds or starts its program, takes a seat, opens the queues. 0, or -errno with params->why. */
int xdp_open_seat(struct xdp_nic *x, struct nic_params *params);

/* xdp_own.c. Closes what x->nic.queues has. */
void xdp_close_queues(struct xdp_nic *x);

/* xdp_steer.c; see struct nic_ops. */
int xdp_flow(struct nic *nic, const struct nic_flow *flow, bool on);
int xdp_expect(struct nic *nic, const struct nic_flow *flow);
int xdp_owns(struct nic *nic, int fd, uint64_t cookie, bool on);
void xdp_no_flows(struct nic *nic);
int xdp_set_local(struct nic *nic, const struct ipaddr *addr, bool on);
void xdp_set_mac(struct nic *nic, const uint8_t mac[6]);
void xdp_set_lease(struct nic *nic, uint64_t until_ns);
void xdp_stats(struct nic_queue *q);
void xdp_ring_stats(struct nic_queue *q);

/* Writes params->why and returns @err. */
int xdp_why(struct nic_params *params, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* @err came from a call that needs privileges: says which are missing, if that is the reason. */
int xdp_why_privilege(struct nic_params *params, int err, const char *what);

/* The XDP hook is taken: says by whom. */
int xdp_why_occupied(const struct xdp_nic *x, struct nic_params *params);

#endif
