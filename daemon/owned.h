/* SPDX-License-Identifier: BSD-3-Clause */
/* owned.h - the sockets that a client of kbacceld has shown: which port each of them was bound to, and how many there are on each. */
#ifndef DAEMON_OWNED_H
#define DAEMON_OWNED_H

#include <stdbool.h>
#include <stdint.h>

struct owned {
	void *tree; /* of tsearch(3) */
	unsigned total;
	uint16_t on[65536];
	bool named[65536]; /* ports that were there, for whoever wants to know */
};

#define OWNED_MAX 16000 /* fewer than STEER_COOKIES */

/* @cookie's socket is bound to @port (host order). 0; -ENOMEM, -ENOSPC; -EEXIST: it is there already. */
int owned_add(struct owned *o, uint64_t cookie, uint16_t port);

/* Its port; 0: it was not there. */
uint16_t owned_remove(struct owned *o, uint64_t cookie);

static inline unsigned owned_on(const struct owned *o, uint16_t port)
{
	return o->on[port];
}

#endif
