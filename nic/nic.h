/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nic.h - frames in, frames out: the contract between the stack and every NIC backend.
 *
 * A `struct nic` is one network interface opened by one backend; it has one `struct nic_queue` per RX/TX queue
 * pair. The backend owns the memory shared with the NIC, cut into frames of `frame_size` bytes that are aligned
 * to their size. A frame belongs to exactly one party at a time:
 *
 *     backend's pool --(refill, inside rx_burst)--> NIC --(rx_burst)--> stack --(free)--> pool
 *     pool --(tx_alloc)--> stack --(tx_burst)--> NIC --(completion, inside tx_alloc/tx_burst)--> pool
 *
 * While the stack owns a frame it may write all of it. The first NIC_FRAME_PRIV bytes never hold packet data and
 * are the stack's own (its buffer header lives there); received data starts at or behind NIC_FRAME_PRIV.
 *
 * Concurrency: the caller serialises all calls on one queue (the engine's lock); different queues are
 * independent. steer(), owns(), set_local(), set_mac() and set_lease() are serialised by the caller too. No call blocks, and after open() none
 * of them needs a privilege, the file system, or a system call other than sendto/recvfrom/poll on the queue's fd.
 *
 * When the interface goes away, its queues fall silent: no frame comes, tx_burst() may go on taking frames, and fd
 * is neither readable nor in error (Linux >= 5.11). Who must know listens to rtnetlink (RTM_DELLINK). In the same way
 * a changed MTU or MAC is not noticed here: frames to another address than nic->mac pass, until set_mac() tells it.
 * Where the queues can end although the interface is still there, a backend that has noticed says so in nic->broken.
 *
 * All functions return -errno on failure and leave errno undefined.
 */
#ifndef NIC_NIC_H
#define NIC_NIC_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/ipaddr.h"

#define NIC_FRAME_PRIV 192 /* bytes at the head of each frame that are the stack's */
#define NIC_FRAME_DATA                                                                             \
	256 /* where a transmitted frame's headers and data may start at the latest reserve */
#define NIC_FRAME_STAMP                                                                            \
	64 /* where in the private head a frame's hardware stamp is: NIC_F_HW_STAMPS */
#define NIC_MAX_QUEUES 64
#define NIC_BURST 64 /* largest burst the stack asks for */
#define NIC_WHY_LEN 256
#define NIC_ABI 10 /* changes with this file; a plugin of another version is refused */

/* What is known about a received frame. */
#define NIC_RX_CSUM_OK 0x1u /* IP and UDP checksums were verified by the NIC */

/* What is special about an interface. */
#define NIC_F_VIRTUAL                                                                              \
	0x1u /* peers may hand over frames with partial (pseudo-header only) UDP checksums */
#define NIC_F_RX_ONLY 0x2u /* frames can be received only (loopback): send through the shadow */

/*
 * A frame may be several datagrams that the kernel joined for a socket with UDP_GRO (generic XDP runs behind GRO), or has not
 * cut yet (UDP_SEGMENT of a local sender), and the kernel does not let us tell.
 */
#define NIC_F_JOINED 0x4u

/* The child of a fork can not drive the queues, nor keep them when its parent ends: see forked(). */
#define NIC_F_NO_INHERIT 0x8u

/*
 * Steering is rules in hardware. To change them takes system calls, and to add one CAP_NET_RAW; no two processes can have the
 * same one; there is nobody to ask whose a datagram is: steer() refuses NIC_FLOW_SHARED. There is no lease that runs out:
 * set_lease() takes the rules off and puts them back, and while a process is stopped its rules hold. What is in force when the
 * interface is sealed stays so.
 */
#define NIC_F_HARD_RULES 0x10u

/*
 * Every frame that rx_burst() gives carries in its private head, NIC_FRAME_STAMP bytes from the beginning, 64 bits in host order:
 * nanoseconds of the interface's PTP clock when it came in, as the kernel's driver would report them; 0: not known. Without
 * this flag nobody has written there. The backend decides at open(), by what the driver does then: whether the driver stamps
 * at the moment (SIOCGHWTSTAMP) is the stack's to know.
 */
#define NIC_F_HW_STAMPS 0x20u

struct nic_frame {
	uint8_t *data;	/* first byte of the Ethernet header, inside a frame */
	uint32_t len;	/* bytes, without FCS */
	uint32_t flags; /* NIC_RX_* */
};

/*
 * What the steering rule matches. "any" remote: every sender. "any" local: every local address of the family. A multicast
 * group as the local address: what is sent to it; the flags have no meaning then, since the kernel gives such a datagram
 * to every socket that hears the group: the caller steers it only while all of those are its own.
 */
struct nic_flow {
	struct ipaddr local;
	struct ipaddr remote;
	uint16_t local_port;  /* network order */
	uint16_t remote_port; /* network order; 0 with an "any" remote */
	uint8_t families; /* for an "any" local address: NIC_FLOW_V4 | NIC_FLOW_V6; else ignored */
	uint8_t flags;	  /* NIC_FLOW_SHARED, NIC_FLOW_DEVICE */
};
#define NIC_FLOW_V4 0x1u
#define NIC_FLOW_V6 0x2u

/*
 * The port may have further sockets that share or refine it, in this process or others: ours has SO_REUSEADDR or
 * SO_REUSEPORT, or is bound to a device (otherwise the kernel refuses the second bind). The backend then asks the
 * kernel for each datagram whose it is, and takes only what the kernel would give to a socket that owns() has named; where
 * the kernel's memory can not be read, to one of the shape of one of the port's flows. Both families at once in `families`
 * then mean one dual-stack socket. A backend that no kernel stands behind ignores it.
 */
#define NIC_FLOW_SHARED 0x4u
/* With NIC_FLOW_SHARED: the socket is bound to this interface. Without it, device-bound sockets are others'. */
#define NIC_FLOW_DEVICE 0x8u

/* Totals since open; frames unless said. Written by the backend, read by anyone (torn reads are harmless). */
struct nic_queue_stats {
	uint64_t rx_frames, rx_bytes;
	uint64_t tx_frames, tx_bytes;
	uint64_t tx_kicks; /* system calls made to start transmission */
	uint64_t tx_full;  /* tx_alloc() or tx_burst() could not take all */
	uint64_t rx_ring_full; /* lost by the NIC: RX ring full (from the kernel; refreshed by ->stats) */
	uint64_t rx_no_frame; /* lost by the NIC: fill ring empty (from the kernel; refreshed by ->stats) */
	uint64_t rx_dropped; /* lost by the NIC: other reasons (from the kernel; refreshed by ->stats) */
};

struct nic_queue {
	struct nic *nic;
	uint16_t index;	     /* RX/TX queue number on the interface */
	int fd;		     /* POLLIN when frames wait; -1: poll rx_burst() */
	uint32_t frame_size; /* a power of two; frames are aligned to it */
	struct nic_queue_stats stats;
};

struct nic_ops;

struct nic {
	const struct nic_ops *ops;
	char ifname[IF_NAMESIZE];
	int ifindex;
	uint8_t mac[6]; /* as at open, or as set_mac() said since */
	uint32_t mtu;	/* at open */
	uint32_t flags; /* NIC_F_* */
	char mode[64];	/* for people: "AF_XDP copy, native" */
	unsigned queue_count;
	struct nic_queue *queues[NIC_MAX_QUEUES];
	bool broken;   /* set by the backend, for good: the queues are dead, open it again */
	bool confined; /* set by the caller: the program has a seccomp filter, of whatever kind */
	bool sealed; /* set by the caller: the process may be killed for the system calls that steering takes */
	const char *steer_why; /* after a steer() or expect() that failed: what to do about it; NULL: it does not know better */
};

/* What open() is to do. */
struct nic_params {
	const char *ifname;
	unsigned rx_ring; /* entries, a power of two */
	unsigned tx_ring; /* entries, a power of two */
	unsigned frames;  /* frames per queue, > rx_ring + tx_ring */
	unsigned queues; /* RX queues that the NIC is to steer this process's traffic to; 0: all, and it is left as it is */
	bool confined; /* as in struct nic: only the calls of base/sandbox.def are allowed */
	const char *broker; /* Unix socket of who opens queues for processes without privileges; NULL: nobody */
	/* Where a backend's library messages go; level is enum log_level. May be NULL. */
	void (*log)(int level, const char *text);
	/* Moves a descriptor that the kernel gave out by itself out of the program's way; gives its new number. May be NULL. */
	int (*keep_fd)(int fd);
	char why[NIC_WHY_LEN]; /* out, on failure: one line, what is wrong and what to do about it */
};

struct nic_ops {
	const char *name;

	/*
	 * Opens the interface: memory, one queue pair per RX queue, steering switched off. On failure fills
	 * params->why and returns -errno with nothing left behind: ENODEV no such interface, EPERM privilege missing,
	 * EBUSY queue or steering taken by another program, ENOBUFS/ENOMEM memory (memlock), EOPNOTSUPP kernel, driver
	 * or a time namespace whose CLOCK_MONOTONIC is not the kernel's.
	 */
	int (*open)(struct nic_params *params, struct nic **out);

	/*
	 * Would this kernel take what open() gives it, for this caller? It is loaded, and let go again; no interface is looked at.
	 * -errno with params->why. NULL: open() gives the kernel nothing to judge.
	 */
	int (*probe)(struct nic_params *params);

	/* Takes steering and queues down; frames the stack still owns become invalid. */
	void (*close)(struct nic *nic);

	/*
	 * In the child of a fork, of what its parent has opened: gives up the child's references. The parent's queues and
	 * steering go on.
	 */
	void (*abandon)(struct nic *nic);

	/*
	 * With NIC_F_NO_INHERIT, in the child of a fork, at once: gives up whatever would keep the queues alive. From then on only
	 * the description in struct nic may be read, until abandon().
	 */
	void (*forked)(struct nic *nic);

	/* Receives up to @max (<= NIC_BURST) frames, which then are the stack's; refills the NIC from the pool. */
	unsigned (*rx_burst)(struct nic_queue *q, struct nic_frame *frames, unsigned max);

	/* Gives @n frames back to the pool; @data points anywhere into each. */
	void (*free)(struct nic_queue *q, uint8_t *const *data, unsigned n);

	/*
	 * Takes up to @n empty frames for transmission, never more than the TX ring has room for; @base gets their first
	 * bytes. Returns how many. What was taken is queued, or given back by free(), before more is taken.
	 */
	unsigned (*tx_alloc)(struct nic_queue *q, uint8_t **base, unsigned n);

	/*
	 * Queues @n frames (data/len set) on the TX ring; returns how many it took, which are the NIC's: all of them, if
	 * they are what tx_alloc() gave.
	 */
	unsigned (*tx_burst)(struct nic_queue *q, const struct nic_frame *frames, unsigned n);

	/* Makes the NIC send what tx_burst() queued, if it needs to be told. 0, or -EAGAIN: call again. */
	int (*tx_kick)(struct nic_queue *q);

	/* Before sleeping on q->fd: 0 when armed; 1 when frames came in meanwhile and the caller must not sleep. */
	int (*arm)(struct nic_queue *q);

	/* How many frames the pool could hand out now. */
	unsigned (*pool_free)(const struct nic_queue *q);

	/*
	 * Flows like @flow will be steered: what steer() needs of the NIC for that is done now, while system calls and
	 * privileges are there. May be called again for the same; there is no end to it. -ENOSPC, -EOPNOTSUPP, -EPERM, -EBUSY:
	 * steer() will fail. NULL: nothing to be done.
	 */
	int (*expect)(struct nic *nic, const struct nic_flow *flow);

	/*
	 * Steers @flow to the queues, or stops doing so. The caller keeps count: one call for each distinct flow;
	 * flows that differ in families or flags only are distinct, each stays until it is taken off itself.
	 * -ENOSPC: no room for another rule (the flow stays with the kernel), -ENOENT: no such flow, -EOPNOTSUPP: the NIC has no
	 * rule for it (see expect()). With NIC_F_HARD_RULES also -EEXIST (another process has it), -EPERM.
	 */
	int (*steer)(struct nic *nic, const struct nic_flow *flow, bool on);

	/*
	 * The kernel socket @fd with this SO_COOKIE is one that flows are steered for; or (@fd is not looked at) no longer.
	 * Counted. @fd is -1 where it may not be looked at. -ENOSPC: no room; what the kernel would give to it on a port with a NIC_FLOW_SHARED flow stays with the
	 * kernel. -ENOENT: not known. Any other error: no flow may be steered for it; -EACCES: whoever opened the queues
	 * does not let this process have its port.
	 */
	int (*owns)(struct nic *nic, int fd, uint64_t cookie, bool on);

	/* Takes all flows and sockets off, of whomever: a process that takes queues over does not know what is in the table. */
	void (*steer_none)(struct nic *nic);

	/*
	 * In a process that takes a queue over from one that is gone, at whatever point it was killed: frames that neither the
	 * NIC nor the TX ring has are the pool's again, also those that the stack of the dead process had. May be NULL.
	 */
	void (*recover)(struct nic_queue *q);

	/* Adds or removes an address that the host owns: flows with an "any" local address match only these. */
	int (*set_local)(struct nic *nic, const struct ipaddr *addr, bool on);

	/* The interface has this address now: into nic->mac, and frames to it are steered. */
	void (*set_mac)(struct nic *nic, const uint8_t mac[6]);

	/* Steering works until CLOCK_MONOTONIC reaches @until_ns, then everything passes to the kernel. 0: off now. */
	void (*set_lease)(struct nic *nic, uint64_t until_ns);

	/* Refreshes the queue's statistics that only the kernel knows. */
	void (*stats)(struct nic_queue *q);
};

/* The one symbol a plugin exports. NULL when @abi is not its own. */
typedef const struct nic_ops *(*nic_backend_fn)(unsigned abi);
#define NIC_BACKEND_SYMBOL "kbaccel_nic_backend"

/* Backends by name; "auto" tries what the interface can do best first. Fills params->why on failure. */
int nic_open(const char *backend, struct nic_params *params, struct nic **out);

/* ops->probe() of @backend; 0 if it has none. */
int nic_probe(const char *backend, struct nic_params *params);

/* As the operations of these names. They close descriptors of ours, which must not be taken for the program's. */
void nic_close(struct nic *nic);
void nic_abandon(struct nic *nic);
void nic_forked(struct nic *nic);

static inline unsigned nic_rx_burst(struct nic_queue *q, struct nic_frame *frames, unsigned max)
{
	return q->nic->ops->rx_burst(q, frames, max);
}

static inline void nic_free(struct nic_queue *q, uint8_t *const *data, unsigned n)
{
	q->nic->ops->free(q, data, n);
}

static inline unsigned nic_tx_alloc(struct nic_queue *q, uint8_t **base, unsigned n)
{
	return q->nic->ops->tx_alloc(q, base, n);
}

static inline unsigned nic_tx_burst(struct nic_queue *q, const struct nic_frame *frames, unsigned n)
{
	return q->nic->ops->tx_burst(q, frames, n);
}

static inline int nic_tx_kick(struct nic_queue *q)
{
	return q->nic->ops->tx_kick(q);
}

/* The first byte of the frame that @data points into. */
static inline uint8_t *nic_frame_base(const struct nic_queue *q, const void *data)
{
	return (uint8_t *)((uintptr_t)data & ~(uintptr_t)(q->frame_size - 1));
}

#endif
