/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * specdst.c - see specdst.h. The mirror of the host's routes gives the answer; where it cannot tell (policy rules and
 * other odd routes) the kernel is asked by connecting a socket, which sends nothing.
 */
#define _GNU_SOURCE
#include "stack/specdst.h"

#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/sandbox.h"
#include "stack/hostnet.h"

/* No route back to the sender: the interface's own first address (net/ipv4/devinet.c inet_select_addr()). */
static uint32_t first_address(int fd, int ifindex)
{
	struct ifreq ifr = { .ifr_ifindex = ifindex };
	struct sockaddr_in in;

	if (own_call6(SYS_ioctl, fd, SIOCGIFNAME, (long)&ifr, 0, 0, 0) < 0 ||
	    own_call6(SYS_ioctl, fd, SIOCGIFADDR, (long)&ifr, 0, 0, 0) < 0)
		return 0;
	memcpy(&in, &ifr.ifr_addr, sizeof(in));
	return in.sin_addr.s_addr;
}

static uint32_t ask_kernel(uint32_t sender, int ifindex)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons(9),
				  .sin_addr.s_addr = sender };
	int len = sizeof(in), fd;
	uint32_t addr = 0;

	fd = (int)own_call6(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0, 0, 0, 0);
	if (fd < 0)
		return 0;
	if (own_call6(SYS_connect, fd, (long)&in, sizeof(in), 0, 0, 0) == 0 &&
	    own_call6(SYS_getsockname, fd, (long)&in, (long)&len, 0, 0, 0) == 0)
		addr = in.sin_addr.s_addr;
	else
		addr = first_address(fd, ifindex);
	own_call6(SYS_close, fd, 0, 0, 0, 0, 0);
	return addr;
}

uint32_t specdst_of(const struct ipaddr *sender, int ifindex)
{
	static const struct ipaddr any;
	struct hostnet_hop hop = { .ifindex = 0 };
	enum hostnet_verdict v = hostnet_lookup(sender, &any, 0, &hop);

	if ((v == HOSTNET_OK || v == HOSTNET_NO_NEIGHBOUR) && !ipaddr_is_any(&hop.source))
		return ipaddr_v4(&hop.source);
	return ask_kernel(ipaddr_v4(sender), ifindex);
}
