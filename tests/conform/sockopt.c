/* SPDX-License-Identifier: BSD-3-Clause */
/* sockopt.c - options set and read back, before and after bind, with odd lengths; what a UDP socket refuses. */
/* expect: fast 1 */
#include "lib.h"
#include <linux/filter.h>

static char buf[2048];

static void show(const char *what, int fd, int level, int name)
{
	int v = -99;
	socklen_t len = sizeof(v);

	if (getsockopt(fd, level, name, &v, &len) < 0)
		say("%s = %s\n", what, strerrorname_np(errno));
	else
		say("%s = %d (len %u)\n", what, v, len);
}

static void set_show(const char *what, int fd, int level, int name, int v)
{
	say("%s: set %d ", what, v);
	res("gives", setsockopt(fd, level, name, &v, sizeof(v)));
	show(what, fd, level, name);
}

#define SET(name, value) set_show(#name, fd, SOL_SOCKET, name, value)
#define SET_IP(name, value) set_show(#name, fd, IPPROTO_IP, name, value)
#define SET_IPV6(name, value) set_show(#name, fd, IPPROTO_IPV6, name, value)
#define SET_UDP(name, value) set_show(#name, fd, SOL_UDP, name, value)

static void socket_level(int fd)
{
	say("-- SOL_SOCKET\n");
	show("SO_TYPE", fd, SOL_SOCKET, SO_TYPE);
	show("SO_PROTOCOL", fd, SOL_SOCKET, SO_PROTOCOL);
	show("SO_DOMAIN", fd, SOL_SOCKET, SO_DOMAIN);
	show("SO_ACCEPTCONN", fd, SOL_SOCKET, SO_ACCEPTCONN);
	show("SO_ERROR", fd, SOL_SOCKET, SO_ERROR);
	show("SO_RCVBUF", fd, SOL_SOCKET, SO_RCVBUF);
	show("SO_SNDBUF", fd, SOL_SOCKET, SO_SNDBUF);
	SET(SO_RCVBUF, 0);
	SET(SO_RCVBUF, 5000);
	SET(SO_RCVBUF, 65536);
	SET(SO_RCVBUF, 100000000);
	SET(SO_RCVBUFFORCE, 3000000);
	SET(SO_RCVBUF, -1);
	SET(SO_RCVBUF, 200000);
	SET(SO_SNDBUF, 0);
	SET(SO_SNDBUF, 30000);
	SET(SO_SNDBUF, 100000000);
	SET(SO_SNDBUFFORCE, 3000000);
	SET(SO_BROADCAST, 1);
	SET(SO_PRIORITY, 6);
	SET(SO_MARK, 0);
	SET(SO_RCVLOWAT, 5);
	SET(SO_RCVLOWAT, 1);
	SET(SO_BUSY_POLL, 0);
	SET(SO_TIMESTAMP, 1);
	SET(SO_TIMESTAMPNS, 1);
	show("SO_TIMESTAMP", fd, SOL_SOCKET, SO_TIMESTAMP);
	SET(SO_TIMESTAMPNS, 0);
	SET(SO_RXQ_OVFL, 1);
	SET(SO_NO_CHECK, 1);
	SET(SO_NO_CHECK, 0);
	SET(SO_REUSEADDR, 1);
	SET(SO_REUSEPORT, 1);
	SET(SO_DONTROUTE, 1);
	SET(SO_DONTROUTE, 0);
	SET(SO_KEEPALIVE, 1);
	SET(SO_OOBINLINE, 1);
	SET(SO_PASSCRED, 1);
	SET(SO_PEEK_OFF, -1);
	SET(SO_ZEROCOPY, 0);
	SET(SO_TYPE, 1);
	SET(9999, 1);
}

static void ip_level(int fd)
{
	say("-- IPPROTO_IP\n");
	SET_IP(IP_TTL, 55);
	SET_IP(IP_TTL, 0);
	SET_IP(IP_TTL, 256);
	SET_IP(IP_TTL, -1);
	SET_IP(IP_TOS, 0xb8);
	SET_IP(IP_TOS, 0x1ff);
	SET_IP(IP_TOS, 0);
	SET_IP(IP_PKTINFO, 1);
	SET_IP(IP_PKTINFO, 0);
	SET_IP(IP_RECVTTL, 1);
	SET_IP(IP_RECVTTL, 0);
	SET_IP(IP_RECVTOS, 1);
	SET_IP(IP_RECVTOS, 0);
	SET_IP(IP_RECVERR, 1);
	SET_IP(IP_RECVERR, 0);
	SET_IP(IP_MTU_DISCOVER, IP_PMTUDISC_DO);
	SET_IP(IP_MTU_DISCOVER, 99);
	SET_IP(IP_MTU_DISCOVER, IP_PMTUDISC_WANT);
	SET_IP(IP_FREEBIND, 1);
	SET_IP(IP_MULTICAST_TTL, 4);
	SET_IP(IP_MULTICAST_LOOP, 0);
	SET_IP(IP_MULTICAST_ALL, 0);
	SET_IP(IP_MINTTL, 3);
	SET_IP(IP_MINTTL, 0);
	SET_IP(IP_BIND_ADDRESS_NO_PORT, 0);
	SET_IP(IP_HDRINCL, 1);
	SET_IP(9999, 1);
}

static void ipv6_level(int fd)
{
	say("-- IPPROTO_IPV6\n");
	SET_IPV6(IPV6_UNICAST_HOPS, 55);
	SET_IPV6(IPV6_UNICAST_HOPS, -1);
	SET_IPV6(IPV6_UNICAST_HOPS, 256);
	SET_IPV6(IPV6_TCLASS, 0xb8);
	SET_IPV6(IPV6_TCLASS, -1);
	SET_IPV6(IPV6_RECVPKTINFO, 1);
	SET_IPV6(IPV6_RECVPKTINFO, 0);
	SET_IPV6(IPV6_RECVHOPLIMIT, 1);
	SET_IPV6(IPV6_RECVHOPLIMIT, 0);
	SET_IPV6(IPV6_RECVTCLASS, 1);
	SET_IPV6(IPV6_RECVTCLASS, 0);
	SET_IPV6(IPV6_RECVERR, 1);
	SET_IPV6(IPV6_RECVERR, 0);
	SET_IPV6(IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO);
	SET_IPV6(IPV6_MTU_DISCOVER, IPV6_PMTUDISC_WANT);
	SET_IPV6(IPV6_MTU, 1400);
	SET_IPV6(IPV6_DONTFRAG, 1);
	SET_IPV6(IPV6_DONTFRAG, 0);
	SET_IPV6(IPV6_MULTICAST_HOPS, 3);
	SET_IPV6(IPV6_MULTICAST_LOOP, 0);
	SET_IPV6(IPV6_V6ONLY, 1);
	SET_IPV6(IPV6_V6ONLY, 0);
	SET_IPV6(9999, 1);
}

static void udp_level(int fd)
{
	say("-- SOL_UDP and others\n");
	SET_UDP(UDP_SEGMENT, 1200);
	SET_UDP(UDP_SEGMENT, 0);
	SET_UDP(UDP_SEGMENT, 70000);
	SET_UDP(UDP_GRO, 1);
	SET_UDP(UDP_GRO, 0);
	SET_UDP(UDP_CORK, 0);
	SET_UDP(UDP_NO_CHECK6_TX, 0);
	SET_UDP(9999, 1);
	set_show("TCP_NODELAY", fd, IPPROTO_TCP, 1, 1);
	set_show("level 9999", fd, 9999, 1, 1);
}

static void lengths(int fd)
{
	int v = 1;
	socklen_t len;

	say("-- lengths\n");
	res("set, length 0", setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &v, 0));
	res("set, length 3", setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &v, 3));
	res("set, length 8", setsockopt(fd, SOL_SOCKET, SO_BROADCAST, (int[2]){ 1, 1 }, 8));
	res("set, length -1", setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &v, (socklen_t)-1));
	for (int i = 0; i < 5; i++) {
		len = (socklen_t)i;
		v = -1;
		res("get", getsockopt(fd, SOL_SOCKET, SO_BROADCAST, &v, &len));
		say("  length %d gives %u value %x\n", i, len, (unsigned)v);
		len = (socklen_t)i;
		v = -1;
		res("get IP_TTL", getsockopt(fd, IPPROTO_IP, IP_TTL, &v, &len));
		say("  length %d gives %u value %x\n", i, len, (unsigned)v);
	}
	v = 7;
	res("IP_TOS of one byte", setsockopt(fd, IPPROTO_IP, IP_TOS, &v, 1));
	show("IP_TOS", fd, IPPROTO_IP, IP_TOS);
	res("IP_TTL of one byte", setsockopt(fd, IPPROTO_IP, IP_TTL, &v, 1));
	show("IP_TTL", fd, IPPROTO_IP, IP_TTL);
	res("get NULL length", getsockopt(fd, SOL_SOCKET, SO_BROADCAST, &v, NULL));
	res("closed", setsockopt(999, SOL_SOCKET, SO_BROADCAST, &v, 4));
}

/* A filter set on a bound socket is in force. */
static void filter(int fd)
{
	struct sock_filter none[] = { { BPF_RET | BPF_K, 0, 0, 0 } };
	struct sock_filter cut[] = { { BPF_RET | BPF_K, 0, 0, 8 + 10 } };
	struct sock_fprog p = { 1, none };

	say("-- SO_ATTACH_FILTER\n");
	peer_sends(PORT, 40, 1, 1);
	got("recv", recv(fd, buf, sizeof(buf), MSG_DONTWAIT), buf, sizeof(buf));
	res("drop all", setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &p, sizeof(p)));
	res("recv", recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
	peer_sends(PORT, 40, 2, 1);
	res("recv", recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
	p.filter = cut;
	res("cut", setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &p, sizeof(p)));
	peer_sends(PORT, 40, 3, 1);
	got("recv", recv(fd, buf, sizeof(buf), MSG_DONTWAIT), buf, sizeof(buf));
	res("detach", setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &p, sizeof(p)));
	peer_sends(PORT, 40, 4, 1);
	got("recv", recv(fd, buf, sizeof(buf), MSG_DONTWAIT), buf, sizeof(buf));
}

static void device(int fd)
{
	const char *dev = is_lo() ? "lo" : "ve0", *wrong = is_lo() ? "ve0" : "lo";
	char name[32] = "";
	socklen_t len = sizeof(name);

	say("-- SO_BINDTODEVICE\n");
	res("the right one",
	    setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, dev, (socklen_t)strlen(dev)));
	res("read back", getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &len));
	say("  %s\n", strcmp(name, dev) ? "WRONG" : "right");
	settle(fd);
	peer_sends(PORT, 40, 1, 1);
	got("recv", recv(fd, buf, sizeof(buf), MSG_DONTWAIT), buf, sizeof(buf));
	res("another", setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, wrong, (socklen_t)strlen(wrong)));
	settle(fd);
	peer_sends(PORT, 40, 2, 1);
	res("recv", recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
	res("none", setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "", 0));
	peer_sends(PORT, 40, 3, 1);
	got("recv", recv(fd, buf, sizeof(buf), MSG_DONTWAIT), buf, sizeof(buf));
	res("no such", setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "nope0", 5));
}

static void min_ttl(int fd)
{
	int level = wire4() ? IPPROTO_IP : IPPROTO_IPV6;

	say("-- minimum TTL\n");
	set_int(fd, level, wire4() ? IP_MINTTL : IPV6_MINHOPCOUNT, 60);
	settle(fd);
	peer("opt 0 ttl 59");
	peer_sends(PORT, 40, 1, 1);
	res("recv, ttl 59", recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
	peer("opt 0 ttl 60");
	peer_sends(PORT, 40, 2, 1);
	got("recv, ttl 60", recv(fd, buf, sizeof(buf), MSG_DONTWAIT), buf, sizeof(buf));
	peer("opt 0 ttl 64");
}

int main(void)
{
	int fd;

	cf_start();
	for (int after = 0; after < 2; after++) {
		say("== %s bind\n", after ? "after" : "before");
		fd = after ? bound("any", PORT) : udp(0);
		socket_level(fd);
		ip_level(fd);
		ipv6_level(fd);
		udp_level(fd);
		lengths(fd);
		close(fd);
	}
	fd = bound("any", PORT);
	filter(fd);
	close(fd);
	fd = bound("any", PORT);
	device(fd);
	close(fd);
	fd = bound("any", PORT);
	min_ttl(fd);
	return 0;
}
