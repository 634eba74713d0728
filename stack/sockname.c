/* SPDX-License-Identifier: BSD-3-Clause */
/* sockname.c - see sockname.h. */
#include "stack/sockname.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/sandbox.h"

/* What the kernel accepts as an IPv6 address without a scope (SIN6_LEN_RFC2133). */
#define SIN6_SHORT 24

static void split(const struct sockaddr_storage *ss, struct ipaddr *addr, uint16_t *port)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)ss;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)ss;

	if (ss->ss_family == AF_INET6) {
		*addr = ipaddr_from_v6(&in6->sin6_addr);
		*port = in6->sin6_port;
	} else {
		*addr = ipaddr_from_v4(in->sin_addr.s_addr);
		*port = in->sin_port;
	}
	if (ipaddr_is_v4(addr) && ipaddr_v4(addr) == 0)
		*addr = (struct ipaddr){ 0 }; /* ::ffff:0.0.0.0 */
}

int sockname_read(int fd, struct sockname *out)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int err;

	memset(out, 0, sizeof(*out));
	err = (int)own_call6(SYS_getsockname, fd, (long)&ss, (long)&len, 0, 0, 0);
	if (err < 0)
		return err;
	split(&ss, &out->local, &out->local_port);
	len = sizeof(ss);
	err = (int)own_call6(SYS_getpeername, fd, (long)&ss, (long)&len, 0, 0, 0);
	if (err == -EPERM)
		return err;
	if (err == 0) {
		split(&ss, &out->remote, &out->remote_port);
		out->connected = true;
	}
	return 0;
}

bool sockname_parse(int family, const struct sockaddr *sa, socklen_t len, struct ipaddr *addr,
		    uint16_t *port, uint32_t *scope)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)sa;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;

	*scope = 0;
	if (len >= sizeof(*in) && sa->sa_family == AF_INET) {
		*addr = ipaddr_from_v4(in->sin_addr.s_addr);
		*port = in->sin_port;
		return in->sin_port != 0;
	}
	if (family != AF_INET6 || len < SIN6_SHORT || sa->sa_family != AF_INET6 ||
	    in6->sin6_flowinfo)
		return false;
	*addr = ipaddr_from_v6(&in6->sin6_addr);
	*port = in6->sin6_port;
	if (len >= sizeof(*in6) && ipaddr_is_linklocal6(addr))
		*scope = in6->sin6_scope_id;
	return in6->sin6_port != 0;
}

socklen_t sockname_build(int family, struct sockaddr_storage *out, const struct ipaddr *addr,
			 uint16_t port, uint32_t scope)
{
	struct sockaddr_in *in = (struct sockaddr_in *)out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

	if (family == AF_INET) {
		memset(in, 0, sizeof(*in));
		in->sin_family = AF_INET;
		in->sin_port = port;
		in->sin_addr.s_addr = ipaddr_v4(addr);
		return sizeof(*in);
	}
	memset(in6, 0, sizeof(*in6));
	in6->sin6_family = AF_INET6;
	in6->sin6_port = port;
	memcpy(&in6->sin6_addr, addr->b, 16);
	if (ipaddr_is_linklocal6(addr))
		in6->sin6_scope_id = scope;
	return sizeof(*in6);
}

const char *sockname_text(char *text, const struct ipaddr *addr, uint16_t port, int family)
{
	char ip[INET6_ADDRSTRLEN];

	if (ipaddr_is_any(addr))
		snprintf(text, IPADDR_STRLEN, "%s:%u", family == AF_INET ? "*" : "[::]",
			 ntohs(port));
	else if (ipaddr_is_v4(addr))
		snprintf(text, IPADDR_STRLEN, "%s:%u",
			 inet_ntop(AF_INET, &addr->w[3], ip, sizeof(ip)), ntohs(port));
	else
		snprintf(text, IPADDR_STRLEN, "[%s]:%u",
			 inet_ntop(AF_INET6, addr->b, ip, sizeof(ip)), ntohs(port));
	return text;
}
