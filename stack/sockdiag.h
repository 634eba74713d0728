/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sockdiag.h - which UDP sockets the kernel has on a port, ours and those of others, in this network namespace
 * (sock_diag(7)). Needs no privilege. Kernels without inet_diag for UDP say nothing: then "unknown".
 */
#ifndef STACK_SOCKDIAG_H
#define STACK_SOCKDIAG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ipaddr.h"

struct sockdiag_entry {
	uint64_t cookie; /* SO_COOKIE */
	struct ipaddr local;
	int bound_if; /* SO_BINDTODEVICE; 0: any */
};

/*
 * Calls @fn for each UDP socket whose local port is @port (network order). 0, or -errno: not all sockets were seen.
 * stack.lock held. Makes system calls: not for the data path.
 */
int sockdiag_each(uint16_t port, void (*fn)(void *arg, const struct sockdiag_entry *e), void *arg);

/* In the child of a fork: the parent's socket is not to be used. */
void sockdiag_forked(void);

#endif
