/* SPDX-License-Identifier: BSD-3-Clause */
/* sock_show.c - a socket on the page of statistics (contracts in sock_internal.h). */
#include "stack/sock_internal.h"

void sock_show_state(const struct sock *s)
{
	static const enum stats_socket_state shown[] = {
		[SOCK_IDLE] = STATS_SOCKET_KERNEL,
		[SOCK_PREPARED] = STATS_SOCKET_PREPARED,
		[SOCK_ACTIVE] = STATS_SOCKET_ACTIVE,
		[SOCK_KERNEL] = STATS_SOCKET_KERNEL,
	};

	if (s->stats)
		relaxed_set(s->stats->state, shown[s->state]);
}

void sock_show_addresses(struct sock *s)
{
	if (!s->stats)
		__atomic_store_n(&s->stats, stats_socket_get(), __ATOMIC_RELEASE);
	s->stats->fd = s->fd;
	s->stats->family = s->family;
	s->stats->local = s->local;
	s->stats->remote = s->remote;
	s->stats->local_port = s->local_port;
	s->stats->remote_port = s->remote_port;
}
