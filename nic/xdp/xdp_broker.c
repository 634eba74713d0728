/* SPDX-License-Identifier: BSD-3-Clause */
/* xdp_broker.c - what both sides of xdp_broker.h do: they look at a socket. */
#include "nic/xdp/xdp_broker.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/rawcall.h"

static int get_option(int fd, int name, void *value, socklen_t len)
{
	return (int)rawcall6(SYS_getsockopt, fd, SOL_SOCKET, name, (long)value, (long)&len, 0);
}

static void read_address(const struct sockaddr_storage *ss, struct broker_name *name)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)ss;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)ss;

	if (ss->ss_family == AF_INET6) {
		name->addr = ipaddr_from_v6(&in6->sin6_addr);
		name->port = ntohs(in6->sin6_port);
	} else if (ss->ss_family == AF_INET) {
		name->addr = ipaddr_from_v4(in->sin_addr.s_addr);
		name->port = ntohs(in->sin_port);
	}
	if (ipaddr_is_v4(&name->addr) && ipaddr_v4(&name->addr) == 0)
		name->addr = (struct ipaddr){ 0 }; /* ::ffff:0.0.0.0 */
}

int broker_name_of(int fd, struct broker_name *name)
{
	int type = 0, protocol = 0, domain = 0, err;
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	memset(name, 0, sizeof(*name));
	memset(&ss, 0, sizeof(ss));
	err = get_option(fd, SO_TYPE, &type, sizeof(type));
	if (err == 0)
		err = get_option(fd, SO_PROTOCOL, &protocol, sizeof(protocol));
	if (err == 0)
		err = get_option(fd, SO_DOMAIN, &domain, sizeof(domain));
	if (err < 0)
		return err;
	if (type != SOCK_DGRAM || protocol != IPPROTO_UDP ||
	    (domain != AF_INET && domain != AF_INET6))
		return -EPROTOTYPE;
	err = get_option(fd, SO_COOKIE, &name->cookie, sizeof(name->cookie));
	if (err == 0)
		err = (int)rawcall6(SYS_getsockname, fd, (long)&ss, (long)&len, 0, 0, 0);
	if (err == 0)
		read_address(&ss, name);
	return err;
}
