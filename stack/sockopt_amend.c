/* SPDX-License-Identifier: BSD-3-Clause */
/* sockopt_amend.c - options of which the kernel knows only its own part (contract in sockopt.h). */
#define _GNU_SOURCE
#include <linux/sock_diag.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/sandbox.h"
#include "stack/sock.h"
#include "stack/sockopt.h"

/* What the kernel counts of the socket, with our queue's share (net/core/sock.c sk_get_meminfo()). */
static void amend_meminfo(const struct sock *s, void *value, socklen_t len)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 };

	if (len > sizeof(info))
		len = sizeof(info);
	memcpy(info, value, len);
	info[SK_MEMINFO_RMEM_ALLOC] += (uint32_t)relaxed_get(s->charged);
	info[SK_MEMINFO_DROPS] += relaxed_get(s->dropped);
	memcpy(value, info, len);
}

/*
 * The CPU that ran the protocol for the last datagram of a connected socket: on the fast path that is whoever receives.
 * The kernel keeps none for an unconnected one (net/ipv4/udp.c __udp_queue_rcv_skb()).
 */
static void amend_cpu(const struct sock *s, void *value, socklen_t len)
{
	uint32_t cpu;

	if (relaxed_get(s->state) != SOCK_ACTIVE || !relaxed_get(s->connected) ||
	    !relaxed_get(sock_stats(s)->rx_fast) ||
	    own_call6(SYS_getcpu, (long)&cpu, 0, 0, 0, 0, 0) < 0)
		return;
	memcpy(value, &cpu, len < sizeof(cpu) ? len : sizeof(cpu));
}

void sockopt_amend(const struct sock *s, int name, void *value, socklen_t len)
{
	if (!sock_stats(s))
		return;
	if (name == SO_MEMINFO)
		amend_meminfo(s, value, len);
	else if (name == SO_INCOMING_CPU)
		amend_cpu(s, value, len);
}
