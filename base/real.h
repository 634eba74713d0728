/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * real.h - the next definition of every intercepted call, usually libc's.
 *
 * The library never calls an intercepted name directly: it calls real.recvfrom() and so on, so that its own use
 * of a call can not come back into itself, and so that another preloaded library behind us still sees it. The
 * calls keep libc's contract: -1 and errno, cancellation points included.
 */
#ifndef BASE_REAL_H
#define BASE_REAL_H

#include <aio.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#define CALL(ret, name, params) ret(*name) params;
#define ALIAS(name)
struct real_calls {
#include "base/calls.def"
};
#undef CALL
#undef ALIAS

extern struct real_calls real;

/* Looks every call up, once; safe to call again. Before it ran, `real` points to raw system calls. */
void real_init(void);

#endif
