/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * xdp_hub.h - what the processes that share an interface have in common. Compiled for BPF, too.
 *
 * There is one XDP program on an interface, attached by whoever came first and kept by each process
 * that uses it: it is there as long as one of them lives. Each process has a *seat* at it: steering
 * tables of its own (steer_map.h), which say what it wants, and a way for the frames to get there. The seat that
 * has the RX queue that a frame came by (a queue has one AF_XDP socket) gets it by XSK, any other one by a ring of its own that
 * the program copies frames into, which nobody else can see. A seat has queues or a ring. The queues are all that there are, or
 * some that the NIC steers its frames to (nic/ethtool/claim.h); then those that come by another one are left to the kernel.
 */
#ifndef NIC_XDP_XDP_HUB_H
#define NIC_XDP_XDP_HUB_H

#include <linux/types.h>

#include "nic/steer_map.h"

#define HUB_VERSION 6u /* changes with this file and with steer_map.h */
#define HUB_SEATS 32
#define HUB_NO_SEAT HUB_SEATS
#define HUB_QUEUES 64 /* NIC_MAX_QUEUES */

#define HUB_NATIVE 0x1u	 /* the program runs in the driver */
#define HUB_COOKIES 0x4u /* it is known where a socket's cookie is */
#define HUB_TELLS 0x2u	 /* generic, and joined datagrams are known from single ones */

struct hub {
	__u32 version;
	__u32 flags;	  /* HUB_* */
	__u32 record_len; /* of every record in the rings: struct hub_record */
	__u32 zero;
	__u32 queue_seat[HUB_QUEUES]; /* whose AF_XDP socket is on each: its number and one; 0: nobody's */
	__u32 ports[STEER_PORTS]; /* bit i: seat i has rules for this port (network order) */
};

/* A frame in a ring. */
struct hub_record {
	__u32 len;
	__u32 zero;
	__u8 data[];
};

#define HUB_RECORD_SMALL (8 + 2048 - 256) /* for the frame sizes of xdp_link.c, without headroom */
#define HUB_RECORD_LARGE (8 + 4096 - 256)

#endif
