/* SPDX-License-Identifier: BSD-3-Clause */
/* multicast.c - joining, leaving, sources, who hears what, sending to a group and hearing oneself. */
/* expect: fast 0 */
#include "lib.h"
#include <net/if.h>

static char buf[2048];

static int ifindex(void)
{
	return (int)if_nametoindex(is_lo() ? "lo" : "ve0");
}

static int member(int fd, bool join)
{
	struct ip_mreqn m4 = { .imr_ifindex = ifindex() };
	struct ipv6_mreq m6 = { .ipv6mr_interface = (unsigned)ifindex() };
	addr_t a;

	wire_addr(&a, "G1", 0);
	if (wire4()) {
		m4.imr_multiaddr = a.in.sin_addr;
		return setsockopt(fd, IPPROTO_IP, join ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP,
				  &m4, sizeof(m4));
	}
	m6.ipv6mr_multiaddr = a.in6.sin6_addr;
	return setsockopt(fd, IPPROTO_IPV6, join ? IPV6_ADD_MEMBERSHIP : IPV6_DROP_MEMBERSHIP, &m6,
			  sizeof(m6));
}

static int reuser(const char *name)
{
	int fd = udp(0);

	set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	must("bind", bind_to(fd, name, PORT));
	recv(fd, buf, 1, MSG_DONTWAIT);
	return fd;
}

static void to_group(int seed)
{
	peer("send 0 G1 %d 20 %d 1", PORT, seed);
	arrive();
}

static void joining(void)
{
	int fd = reuser("any");

	say("-- joining and leaving\n");
	to_group(1);
	take("not joined", fd);
	res("join", member(fd, true));
	res("join again", member(fd, true));
	recv(fd, buf, 1, MSG_DONTWAIT);
	to_group(2);
	take("joined", fd);
	peer_sends(PORT, 20, 3, 1);
	take("unicast", fd);
	res("leave", member(fd, false));
	res("leave again", member(fd, false));
	to_group(4);
	take("left", fd);
	close(fd);
}

static void several(void)
{
	int a = reuser("any"), b = reuser("any"), group = reuser("G1"), one = reuser("L1");

	say("-- several sockets\n");
	res("join", member(a, true));
	res("join", member(b, true));
	res("join", member(group, true));
	to_group(1);
	take("first", a);
	take("second", b);
	take("bound to the group", group);
	take("bound to L1", one);
	peer_sends(PORT, 20, 2, 1);
	take("bound to the group, unicast", group);
	take("bound to L1, unicast", one);
	close(one);
	res("leave", member(a, false));
	to_group(3);
	take("left", a);
	take("second", b);
	close(b);
	to_group(4);
	take("bound to the group", group);
	close(group);
	close(a);
}

static void all_option(void)
{
	int a = reuser("any"), b = reuser("any");

	say("-- MULTICAST_ALL off\n");
	if (wire4())
		set_int(b, IPPROTO_IP, IP_MULTICAST_ALL, 0);
	else
		set_int(b, IPPROTO_IPV6, 29 /* IPV6_MULTICAST_ALL */, 0);
	res("join", member(a, true));
	to_group(1);
	take("joined", a);
	take("not joined, off", b);
	close(a);
	close(b);
}

static void sends(void)
{
	int fd = reuser("any"), level = wire4() ? IPPROTO_IP : IPPROTO_IPV6;
	struct ip_mreqn m4 = { .imr_ifindex = ifindex() };

	say("-- sending\n");
	if (wire4())
		must("IF", setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &m4, sizeof(m4)));
	else
		set_int(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, ifindex());
	fill(buf, 30, 9);
	res("join", member(fd, true));
	res("sendto", send_to(fd, buf, 30, 0, "G1", PORT));
	arrive();
	take("heard", fd);
	set_int(fd, level, wire4() ? IP_MULTICAST_LOOP : IPV6_MULTICAST_LOOP, 0);
	fill(buf, 30, 10);
	res("sendto, no loop", send_to(fd, buf, 30, 0, "G1", PORT));
	arrive();
	take("heard", fd);
	close(fd);
}

int main(void)
{
	cf_start();
	if (is_map())
		skip("not covered: joining an IPv4 group from an IPv6 socket");
	if (is_lo())
		skip("lo is not a multicast interface");
	peer("opt 0 mcast 2");
	joining();
	several();
	all_option();
	sends();
	return 0;
}
