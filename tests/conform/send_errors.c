/* SPDX-License-Identifier: BSD-3-Clause */
/* send_errors.c - what a send refuses: sizes, families, ports, addresses, partial vectors, shut sockets. */
/* expect: fast 0 */
#include "lib.h"

static char buf[70000];

static void sizes(int fd)
{
	static const int n[] = { 65507, 65508, 65527, 65528, 65535, 65536, 70000 };
	int r;

	say("-- sizes\n");
	fill(buf, sizeof(buf), 3);
	set_int(fd, SOL_SOCKET, SO_SNDBUF, 200000);
	for (size_t i = 0; i < NLEN(n); i++) {
		r = (int)res("sendto", send_to(fd, buf, (size_t)n[i], 0, "P1", PPORT));
		if (r > 0)
			say("  peer: %s\n", peer("recv 0 500"));
	}
	set_int(fd, SOL_SOCKET, SO_SNDBUF, 2000);
	res("larger than SO_SNDBUF", send_to(fd, buf, 60000, MSG_DONTWAIT, "P1", PPORT));
	res("fits", send_to(fd, buf, 100, 0, "P1", PPORT));
	say("  peer: %s\n", peer("drain 0 100"));
	set_int(fd, SOL_SOCKET, SO_SNDBUF, 200000);
}

static void try_raw(int fd, const char *what, const void *addr, socklen_t len)
{
	res(what, sendto(fd, buf, 20, 0, addr, len));
}

static void addresses(int fd)
{
	addr_t a;
	socklen_t len = addr_of(&a, "P1", PPORT);
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(PPORT) };
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(PPORT) };

	say("-- addresses\n");
	try_raw(fd, "length 1", &a, 1);
	try_raw(fd, "length 2", &a, 2);
	try_raw(fd, "length 8", &a, 8);
	try_raw(fd, "length 15", &a, 15);
	try_raw(fd, "length 16", &a, 16);
	try_raw(fd, "length 20", &a, 20);
	try_raw(fd, "length 24", &a, 24);
	try_raw(fd, "length 27", &a, 27);
	try_raw(fd, "length 128", &a, 128);
	try_raw(fd, "length 129", &a, 129);
	try_raw(fd, "length -1", &a, (socklen_t)-1);
	a.sa.sa_family = AF_UNIX;
	try_raw(fd, "AF_UNIX", &a, len);
	a.sa.sa_family = AF_UNSPEC;
	try_raw(fd, "AF_UNSPEC", &a, len);
	a.sa.sa_family = 99;
	try_raw(fd, "family 99", &a, len);
	res("port 0", send_to(fd, buf, 20, 0, "P1", 0));
	inet_pton(AF_INET, is_lo() ? "127.0.0.9" : "10.77.0.9", &sin.sin_addr);
	try_raw(fd, "IPv4 address", &sin, sizeof(sin));
	inet_pton(AF_INET6, is_lo() ? "fd78::9" : "fd77::9", &sin6.sin6_addr);
	if (!is_map()) /* bound to a mapped address: which errno depends on the routes */
		try_raw(fd, "IPv6 address", &sin6, sizeof(sin6));
	say("  peer: %s\n", peer("drain 0 60"));
	if (!is_lo())
		res("no route", send_to(fd, buf, 20, 0, "N1", PPORT));
	res("to the wildcard", send_to(fd, buf, 20, 0, "any", 9));
	if (wire4()) {
		sin.sin_addr.s_addr = htonl(INADDR_BROADCAST);
		if (family() == AF_INET)
			try_raw(fd, "broadcast, not allowed", &sin, sizeof(sin));
		inet_pton(AF_INET, "10.77.0.255", &sin.sin_addr);
		if (family() == AF_INET && !is_lo()) {
			try_raw(fd, "subnet broadcast, not allowed", &sin, sizeof(sin));
			set_int(fd, SOL_SOCKET, SO_BROADCAST, 1);
			try_raw(fd, "subnet broadcast, allowed", &sin, sizeof(sin));
		}
	}
}

static void partial(int fd)
{
	struct mmsghdr mm[4];
	struct iovec iov = { buf, 25 };
	addr_t a, bad;
	socklen_t len = addr_of(&a, "P1", PPORT);

	say("-- sendmmsg in part\n");
	addr_of(&bad, "P1", 0);
	for (int i = 0; i < 4; i++)
		mm[i] = (struct mmsghdr){ .msg_hdr = { .msg_name = &a,
						       .msg_namelen = len,
						       .msg_iov = &iov,
						       .msg_iovlen = 1 },
					  .msg_len = 777 };
	mm[2].msg_hdr.msg_name = &bad;
	res("third one bad", sendmmsg(fd, mm, 4, 0));
	say("lengths %u %u %u %u\n", mm[0].msg_len, mm[1].msg_len, mm[2].msg_len, mm[3].msg_len);
	say("  peer: %s\n", peer("drain 0 60"));
	res("no error left behind", send_to(fd, buf, 25, 0, "P1", PPORT));
	res("first one bad", sendmmsg(fd, mm + 2, 2, 0));
	res("none", sendmmsg(fd, mm, 0, 0));
	res("NULL of none", sendmmsg(fd, NULL, 0, 0));
	mm[2].msg_hdr.msg_name = &a;
	mm[1].msg_hdr.msg_iov = (void *)16;
	res("second one faults", sendmmsg(fd, mm, 4, 0));
	say("  peer: %s\n", peer("drain 0 60"));
}

static void vectors(int fd)
{
	static struct iovec iov[1025];
	addr_t a;
	socklen_t len = addr_of(&a, "P1", PPORT);
	struct msghdr m = { .msg_name = &a, .msg_namelen = len, .msg_iov = iov };
	static const int counts[] = { 0, 1, 9, 100, 1024, 1025 };

	say("-- vectors\n");
	fill(buf, sizeof(buf), 8);
	for (int i = 0; i < 1025; i++)
		iov[i] = (struct iovec){ buf + i, 1 };
	for (size_t i = 0; i < NLEN(counts); i++) {
		m.msg_iovlen = (size_t)counts[i];
		if (res("sendmsg", sendmsg(fd, &m, 0)) >= 0)
			say("  peer: %s\n", peer("recv 0 500"));
	}
	iov[1].iov_len = (size_t)-1;
	m.msg_iovlen = 3;
	res("huge element", sendmsg(fd, &m, 0));
	iov[1].iov_len = 66000;
	res("too long together", sendmsg(fd, &m, 0));
	m.msg_namelen = 4;
	res("short name", sendmsg(fd, &m, 0));
	m.msg_namelen = (socklen_t)-5;
	res("negative name", sendmsg(fd, &m, 0));
}

static void shut(void)
{
	int fd = bound("L1", PORT + 1);

	say("-- after shutdown(SHUT_WR)\n");
	res("shutdown, unconnected", shutdown(fd, SHUT_WR));
	res("connect", connect_to(fd, "P1", PPORT));
	res("shutdown", shutdown(fd, SHUT_WR));
	res("send", send(fd, buf, 10, MSG_NOSIGNAL));
	res("send again", send(fd, buf, 10, MSG_NOSIGNAL));
	res("sendto", send_to(fd, buf, 10, MSG_NOSIGNAL, "P1", PPORT));
	peer_sends(PORT + 1, 30, 7, 1);
	got("recv still", recv(fd, buf, 100, MSG_DONTWAIT), buf, 100);
	close(fd);
}

static void mtu_discover(void)
{
	int fd = bound("L1", PORT + 2), level = wire4() ? IPPROTO_IP : IPPROTO_IPV6, mtu = 0;
	int opt = wire4() ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER;
	socklen_t len = sizeof(mtu);
	size_t big = is_lo() ? 65500 : 3000;

	say("-- path MTU discovery\n");
	fill(buf, sizeof(buf), 11);
	set_int(fd, level, opt, IP_PMTUDISC_DO);
	res("DO, too big", send_to(fd, buf, 3000, 0, "P1", PPORT));
	res("DO, fits", send_to(fd, buf, 1400, 0, "P1", PPORT));
	res("IP_MTU unconnected", getsockopt(fd, level, wire4() ? IP_MTU : IPV6_MTU, &mtu, &len));
	must("connect", connect_to(fd, "P1", PPORT));
	res("DO, connected", send(fd, buf, 3000, 0));
	res("IP_MTU", getsockopt(fd, level, wire4() ? IP_MTU : IPV6_MTU, &mtu, &len));
	say("mtu %d\n", mtu);
	set_int(fd, level, opt, IP_PMTUDISC_PROBE);
	res("PROBE, too big", send(fd, buf, big, 0));
	set_int(fd, level, opt, IP_PMTUDISC_DONT);
	res("DONT", send(fd, buf, 3000, 0));
	set_int(fd, level, opt, IP_PMTUDISC_WANT);
	res("WANT", send(fd, buf, 3000, 0));
	say("  peer: %s\n", peer("drain 0 100"));
	close(fd);
}

int main(void)
{
	int fd;

	cf_start();
	fd = bound("L1", PORT);
	sizes(fd);
	addresses(fd);
	partial(fd);
	vectors(fd);
	shut();
	mtu_discover();
	return 0;
}
