/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * recv_ioctl.c - what ioctl() asks of the receive queue (contracts in sock.h): FIONREAD, and SIOCGSTAMP's last stamp.
 */
#include <errno.h>
#include <sys/ioctl.h>
#include <time.h>

#include "base/clock.h"
#include "base/real.h"
#include "stack/sock.h"
#include "stack/stack.h"

int sock_next_length(struct sock *s, int fd)
{
	struct dgram *d;
	int len = 0;

	stack_tick();
	stack_poll();
	if (sock_readable(s) && lock_acquire(&s->lock)) {
		d = s->head;
		len = d ? (int)d->len : 0;
		lock_release(&s->lock);
		return len;
	}
	return real.ioctl(fd, FIONREAD, &len) < 0 ? -errno : len;
}

/* The first call switches stamps on and says "now", as the kernel's does (net/core/sock.c sock_gettstamp()). */
uint64_t sock_last_stamp(struct sock *s, int fd)
{
	uint64_t stamp = relaxed_get(s->last_stamp) & ~DGRAM_HWSTAMP;
	struct timespec now;

	if (!stamp)
		return 0;
	if (!relaxed_get(s->stamp_enabled)) {
		relaxed_set(s->stamp_enabled, true);
		sock_sync(s, fd, SOL_SOCKET, SO_TIMESTAMP);
	}
	if (stamp == 1) {
		clock_gettime(CLOCK_REALTIME, &now);
		stamp = (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
		relaxed_set(s->last_stamp, stamp);
	}
	return stamp;
}
