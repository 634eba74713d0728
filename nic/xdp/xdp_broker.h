/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * xdp_broker.h - what a process without privileges (xdp_guest.c) and the broker (daemon/session.c) say to one another, over
 * a Unix socket of type SOCK_SEQPACKET.
 *
 * One connection is one seat on one interface. The process sends struct broker_open; the answer is struct broker_answer with
 * descriptors: the seat's struct steer_map, then for each queue its frame memory and its AF_XDP socket, or for a ring its BPF
 * ring buffer and, if it may transmit, its packet socket. After that it sends struct broker_own with the descriptor of a bound
 * socket whose datagrams it wants, or without one when it does not want them any more; there is no answer to these. The
 * seat lasts as long as the connection.
 */
#ifndef NIC_XDP_XDP_BROKER_H
#define NIC_XDP_XDP_BROKER_H

#include <net/if.h>
#include <stdint.h>

#include "base/config.h"
#include "nic/nic.h"

#define BROKER_VERSION 1u /* changes with this file */
#define BROKER_MAX_RULES 64
#define BROKER_MAX_FDS (1 + 2 * NIC_MAX_QUEUES)

struct broker_open {
	uint32_t version;
	uint32_t rx_ring, tx_ring, frames; /* as in struct nic_params */
	char ifname[IF_NAMESIZE];
};

struct broker_queue {
	uint16_t index;
	uint16_t zero;
	uint32_t tx_size; /* entries; 0: it can not send */
};

struct broker_answer {
	uint32_t version;
	int32_t err;	/* 0, or -errno and the reason in @why: nothing else is set then */
	uint32_t flags; /* NIC_F_* */
	uint32_t frame_size;
	uint32_t queue_count;
	uint32_t ring_size; /* bytes of the one queue's BPF ring buffer; 0: AF_XDP sockets */
	uint32_t rules;	    /* the ports that the process may have, as far as they fit here */
	struct config_port_rule rule[BROKER_MAX_RULES];
	struct broker_queue queue[NIC_MAX_QUEUES];
	char mode[64];
	char why[NIC_WHY_LEN];
};

struct broker_own {
	uint64_t cookie; /* SO_COOKIE of the socket */
	uint32_t on;
	uint32_t zero;
};

/* Whose datagrams a UDP socket would get. */
struct broker_name {
	uint64_t cookie;
	struct ipaddr addr; /* "any" for a wildcard */
	uint16_t port;	    /* host order; 0: it is not bound */
};

/* Reads it of @fd by system calls: 0, or -errno; -EPROTOTYPE: it is no UDP socket. */
int broker_name_of(int fd, struct broker_name *name);

#endif
