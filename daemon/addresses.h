/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * addresses.h - the host's own addresses, kept up to date in a seat's struct steer_host by rtnetlink: a guest's datagrams are
 * bounded by them, so it is not the guest who says which they are.
 */
#ifndef DAEMON_ADDRESSES_H
#define DAEMON_ADDRESSES_H

#include "nic/steer_map.h"

#define ADDRESSES_MAX 1024

struct mnl_socket;

struct addresses {
	struct mnl_socket *nl;
	struct steer_host *host;
	int ifindex; /* whose Ethernet address is followed */
	unsigned count;
	struct ipaddr addr[ADDRESSES_MAX];
};

/* Enters what there is in the network namespace of the caller, and listens for changes. 0, or -errno. */
int addresses_open(struct addresses *a, struct steer_host *host, int ifindex);

/* Readable: something changed. */
int addresses_fd(const struct addresses *a);

/* Follows what changed. 0; -ENODEV: the interface is gone; other -errno. */
int addresses_follow(struct addresses *a);

#endif
