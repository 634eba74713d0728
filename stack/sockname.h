/* SPDX-License-Identifier: BSD-3-Clause */
/* sockname.h - socket addresses: the kernel's structures and ours. */
#ifndef STACK_SOCKNAME_H
#define STACK_SOCKNAME_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/ipaddr.h"

/* What getsockname() and getpeername() say. Ports in network order, 0: not bound, not connected. */
struct sockname {
	struct ipaddr local, remote;
	uint16_t local_port, remote_port;
	bool connected;
};

/* 0 or -errno. An IPv6 wildcard reads as "any", a mapped address as IPv4. */
int sockname_read(int fd, struct sockname *out);

/*
 * A destination as the program gave it. @family: of the socket. @scope gets the interface of a link-local address, 0
 * if none. False: not an address that the fast path understands; the kernel decides what to say.
 */
bool sockname_parse(int family, const struct sockaddr *sa, socklen_t len, struct ipaddr *addr,
		    uint16_t *port, uint32_t *scope);

/* The sockaddr that a receive on a socket of @family gives for @addr; returns its length. @scope for link-local ones. */
socklen_t sockname_build(int family, struct sockaddr_storage *out, const struct ipaddr *addr,
			 uint16_t port, uint32_t scope);

/* "10.0.0.1:53", "*:53", "[fd00::1]:53", into @text (IPADDR_STRLEN bytes), which is returned. */
const char *sockname_text(char *text, const struct ipaddr *addr, uint16_t port, int family);

#endif
