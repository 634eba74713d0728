/* SPDX-License-Identifier: BSD-3-Clause */
/* sock_options.c - options that stand in the way, beside those of the table in sockopt.c (contracts in sock_options.h). */
#define _GNU_SOURCE
#include "stack/sock_options.h"

#include <fcntl.h>
#include <linux/net_tstamp.h>
#include <linux/udp.h>

#include "base/kernel.h"
#include "stack/hwstamp.h"
#include "stack/stack.h"

const char *sock_hidden_option(struct sock *s, int fd)
{
	if (kernel_fcntl(fd, F_GETFL, 0) & O_ASYNC)
		return "O_ASYNC";
	return s->reuseport ? sock_group_option(s) : NULL;
}

static bool is_set(int fd, int level, int name)
{
	int value = 0;
	socklen_t len = sizeof(value);

	return kernel_getsockopt(fd, level, name, &value, &len) == 0 && value;
}

/*
 * What the kernel joins for UDP_GRO could not be told apart; a rule in the NIC takes what other sockets should get, and what has
 * IPv4 options; stamps of the hardware not every NIC gives us.
 */
const char *sock_interface_option(const struct sock *s, int fd)
{
	uint32_t flags = 0;

	for (unsigned i = 0; i < stack.ifaces; i++)
		flags |= s->ifaces & (1u << i) ? stack.iface[i]->nic->flags : 0;
	if ((flags & NIC_F_JOINED) && is_set(fd, IPPROTO_UDP, UDP_GRO))
		return "UDP_GRO, on an interface with generic XDP,";
	if ((flags & NIC_F_HARD_RULES) && (s->reuseaddr || s->reuseport || s->bound_if))
		return "SO_REUSEADDR, SO_REUSEPORT or SO_BINDTODEVICE, on an interface with rules in the NIC,";
	if ((flags & NIC_F_HARD_RULES) &&
	    (is_set(fd, SOL_IP, IP_RECVOPTS) || is_set(fd, SOL_IP, IP_RETOPTS)))
		return "IP_RECVOPTS or IP_RETOPTS, on an interface with rules in the NIC,";
	if ((s->want & WANT_HWSTAMP) &&
	    hwstamp_kernels_only(fd, s->ifaces, s->stamping_flags & SOF_TIMESTAMPING_BIND_PHC))
		return "SO_TIMESTAMPING with hardware stamps";
	return NULL;
}
