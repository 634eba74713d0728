/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * session.h - one client of kbacceld: a process of its own, which opens a seat for it on one interface, hands it over, gives up
 * all privileges and keeps the seat's bounds (struct steer_host) until the client is gone.
 *
 * It does not need the broker that has forked it: that one may be restarted without any client noticing.
 */
#ifndef DAEMON_SESSION_H
#define DAEMON_SESSION_H

#include "daemon/policy.h"

struct session_limits {
	uint64_t memory; /* bytes of frames that a client may have, all queues of its interface together */
};

/* Serves the connection @fd of @peer and ends the process. */
_Noreturn void session_run(int fd, const struct peer *peer, const struct policy *policy,
			   const struct session_limits *limits);

/* Who has connected @fd. 0, or -errno. */
int session_peer(int fd, struct peer *peer);

#endif
