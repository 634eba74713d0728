/* SPDX-License-Identifier: BSD-3-Clause */
/* multihome.c - a host with two addresses: which one sends, which one receives, and IP_PKTINFO to answer from the right one. */
/* expect: fast 5 */
#include "lib.h"

static char buf[2048];

/* Receives one datagram with the address that it came to; answers from there. */
static void answer_from_there(int fd)
{
	char control[128];
	struct iovec iov = { buf, sizeof(buf) };
	addr_t from;
	struct msghdr m = { .msg_name = &from,
			    .msg_namelen = sizeof(from),
			    .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(fd, &m, 0);
	struct cmsghdr *cm = CMSG_FIRSTHDR(&m);

	got("recvmsg", n, buf, sizeof(buf));
	if (n < 0 || !cm) {
		say("no control message\n");
		return;
	}
	if (cm->cmsg_level == IPPROTO_IP) {
		struct in_pktinfo *pi = (void *)CMSG_DATA(cm);

		say("  to %s, specific %s, interface %s\n", ip_name(AF_INET, &pi->ipi_addr),
		    ip_name(AF_INET, &pi->ipi_spec_dst), pi->ipi_ifindex > 0 ? "given" : "none");
		pi->ipi_ifindex = 0;
	} else {
		struct in6_pktinfo *pi = (void *)CMSG_DATA(cm);

		say("  to %s, interface %s\n", ip_name(AF_INET6, &pi->ipi6_addr),
		    pi->ipi6_ifindex > 0 ? "given" : "none");
	}
	iov.iov_len = (size_t)n;
	m.msg_controllen = sizeof(control) < m.msg_controllen ? sizeof(control) : m.msg_controllen;
	res("  sendmsg", sendmsg(fd, &m, 0));
	say("  peer: %s\n", peer("recvx 0 500"));
}

static void pktinfo(void)
{
	int fd = udp(0);

	say("-- IP_PKTINFO\n");
	if (family() == AF_INET)
		set_int(fd, IPPROTO_IP, IP_PKTINFO, 1);
	else
		set_int(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	must("bind", bind_to(fd, "any", PORT));
	settle(fd);
	peer("send 0 L1 %d 40 1 1", PORT);
	answer_from_there(fd);
	peer("send 0 L2 %d 40 2 1", PORT);
	answer_from_there(fd);
	peer("send 0 L1 %d 40 3 1", PORT);
	answer_from_there(fd);
	fill(buf, 40, 4);
	res("sendto", send_to(fd, buf, 40, 0, "P1", PPORT));
	say("  peer: %s\n", peer("recvx 0 500"));
	close(fd);
}

static void specific(const char *name)
{
	int fd = bound(name, PORT);

	say("-- bound to %s\n", name);
	fill(buf, 40, 5);
	res("sendto", send_to(fd, buf, 40, 0, "P1", PPORT));
	say("  peer: %s\n", peer("recvx 0 500"));
	peer("send 0 L1 %d 40 6 1", PORT);
	peer("send 0 L2 %d 40 7 1", PORT);
	arrive();
	got("recv", recv(fd, buf, sizeof(buf), MSG_DONTWAIT), buf, sizeof(buf));
	drain("after", fd);
	close(fd);
}

static void connected_wildcard(void)
{
	int fd = bound("any", PORT);
	addr_t a;
	socklen_t len = sizeof(a);

	say("-- wildcard, then connected\n");
	res("connect", connect_to(fd, "P1", PPORT));
	getsockname(fd, &a.sa, &len);
	say("local %s\n", addr_name(&a, len));
	peer("send 0 L1 %d 40 6 1", PORT);
	peer("send 0 L2 %d 40 7 1", PORT);
	arrive();
	got("recv", recv(fd, buf, sizeof(buf), MSG_DONTWAIT), buf, sizeof(buf));
	drain("after", fd);
	close(fd);
}

int main(void)
{
	cf_start();
	pktinfo();
	specific("L1");
	specific("L2");
	connected_wildcard();
	return 0;
}
