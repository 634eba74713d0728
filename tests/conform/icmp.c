/* SPDX-License-Identifier: BSD-3-Clause */
/* icmp.c - errors that come back: port unreachable on connected and unconnected sockets, IP_RECVERR and MSG_ERRQUEUE. */
/* expect: fast 0 */
#include "lib.h"
#include <linux/errqueue.h>

#define CLOSED 7999 /* nobody listens there */

static char buf[2048];

static void so_error(const char *what, int fd)
{
	int err = -1;
	socklen_t len = sizeof(err);

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
	say("%s: SO_ERROR %s\n", what, err ? strerrorname_np(err) : "none");
}

static void provoke(int fd)
{
	res("send", send(fd, buf, 20, 0));
	pause_ms(60);
}

static void connected(void)
{
	int fd = bound("L1", PORT);

	say("-- connected\n");
	fill(buf, 20, 5);
	must("connect", connect_to(fd, "P1", CLOSED));
	provoke(fd);
	res("recv", recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
	res("recv again", recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
	provoke(fd);
	res("send", send(fd, buf, 20, 0));
	pause_ms(60);
	so_error("after", fd);
	so_error("again", fd);
	provoke(fd);
	poll1("poll", fd, POLLIN | POLLOUT, 0);
	poll1("poll of nothing", fd, 0, 0);
	res("recvfrom", recvfrom(fd, buf, sizeof(buf), MSG_DONTWAIT, NULL, NULL));
	poll1("poll", fd, POLLIN | POLLOUT, 0);
	provoke(fd);
	res("blocking recv", recv(fd, buf, sizeof(buf), 0));
	provoke(fd);
	res("recv PEEK", recv(fd, buf, sizeof(buf), MSG_PEEK | MSG_DONTWAIT));
	res("recv", recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
	provoke(fd);
	res("recvmmsg", recvmmsg(fd, &(struct mmsghdr){ .msg_hdr = { .msg_iovlen = 0 } }, 1,
				 MSG_DONTWAIT, NULL));
	provoke(fd);
	res("write", write(fd, buf, 20));
	pause_ms(60);
	res("connect elsewhere", connect_to(fd, "P1", PPORT));
	res("recv", recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
	fill(buf, 20, 6);
	res("send", send(fd, buf, 20, 0));
	say("peer: %s\n", peer("recv 0 500"));
	close(fd);
}

static void data_and_error(void)
{
	int fd = bound("L1", PORT);

	say("-- data queued, then an error\n");
	peer_sends(PORT, 30, 9, 2);
	must("connect", connect_to(fd, "P1", CLOSED));
	provoke(fd);
	poll1("poll", fd, POLLIN, 0);
	res("recv", recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
	res("recv", recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
	res("recv", recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
	close(fd);
}

static void unconnected(void)
{
	int fd = bound("L1", PORT);

	say("-- unconnected\n");
	fill(buf, 20, 5);
	res("sendto", send_to(fd, buf, 20, 0, "P1", CLOSED));
	pause_ms(60);
	so_error("after", fd);
	res("recv", recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
	res("sendto", send_to(fd, buf, 20, 0, "P1", PPORT));
	say("peer: %s\n", peer("recv 0 500"));
	close(fd);
}

static void *late_send(void *arg)
{
	pause_ms(80);
	if (send(*(int *)arg, buf, 20, 0) < 0)
		say("late send %s\n", strerrorname_np(errno));
	return NULL;
}

static void wakes(void)
{
	int fd = bound("L1", PORT), ep = epoll_create1(0);
	struct epoll_event ev = { .events = EPOLLIN };
	pthread_t t;
	double begin;

	say("-- an error wakes a waiter\n");
	must("connect", connect_to(fd, "P1", CLOSED));
	pthread_create(&t, NULL, late_send, &fd);
	begin = now_ms();
	res("recv", recv(fd, buf, sizeof(buf), 0));
	took("recv", begin, 60, 800);
	pthread_join(t, NULL);
	pthread_create(&t, NULL, late_send, &fd);
	begin = now_ms();
	poll1("poll", fd, POLLIN, 2000);
	took("poll", begin, 60, 800);
	pthread_join(t, NULL);
	so_error("after", fd);
	must("add", epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	pthread_create(&t, NULL, late_send, &fd);
	begin = now_ms();
	res("epoll_wait", epoll_wait(ep, &ev, 1, 2000));
	say("%s\n", poll_names((int)ev.events));
	took("epoll_wait", begin, 60, 800);
	pthread_join(t, NULL);
	so_error("after", fd);
	res("epoll_wait, cleared", epoll_wait(ep, &ev, 1, 30));
	close(ep);
	close(fd);
}

static void read_errqueue(int fd, int flags)
{
	char control[512];
	struct iovec iov = { buf, sizeof(buf) };
	addr_t name;
	struct msghdr m = { .msg_name = &name,
			    .msg_namelen = sizeof(name),
			    .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };

	if (got("ERRQUEUE", recvmsg(fd, &m, MSG_ERRQUEUE | flags), buf, sizeof(buf)) < 0)
		return;
	say("  to %s flags %x\n", addr_name(&name, m.msg_namelen), m.msg_flags);
	for (struct cmsghdr *cm = CMSG_FIRSTHDR(&m); cm; cm = CMSG_NXTHDR(&m, cm)) {
		struct sock_extended_err *ee = (void *)CMSG_DATA(cm);
		addr_t *from = (void *)SO_EE_OFFENDER(ee);

		if (cm->cmsg_type != IP_RECVERR && cm->cmsg_type != IPV6_RECVERR) {
			say("  control %d/%d\n", cm->cmsg_level, cm->cmsg_type);
			continue;
		}
		say("  level %d errno %s origin %d type %d code %d from %s\n", cm->cmsg_level,
		    strerrorname_np((int)ee->ee_errno), ee->ee_origin, ee->ee_type, ee->ee_code,
		    ip_name(from->sa.sa_family, from->sa.sa_family == AF_INET
							? (void *)&from->in.sin_addr
							: (void *)&from->in6.sin6_addr));
	}
}

static void recverr(void)
{
	int fd = bound("L1", PORT), on = 1;

	say("-- IP_RECVERR, unconnected\n");
	if (wire4())
		res("IP_RECVERR", setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on)));
	if (family() == AF_INET6)
		res("IPV6_RECVERR", setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on)));
	read_errqueue(fd, 0);
	fill(buf, 20, 5);
	res("sendto", send_to(fd, buf, 20, 0, "P1", CLOSED));
	pause_ms(60);
	poll1("poll", fd, POLLIN | POLLOUT | POLLPRI, 0);
	read_errqueue(fd, 0);
	so_error("after", fd);
	read_errqueue(fd, MSG_DONTWAIT);
	poll1("poll", fd, POLLIN | POLLOUT, 0);
	fill(buf, 20, 7);
	res("sendto", send_to(fd, buf, 20, 0, "P1", CLOSED));
	pause_ms(60);
	res("recv gives the error", recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
	res("recv then", recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
	read_errqueue(fd, 0);
	peer_sends(PORT, 20, 9, 1);
	read_errqueue(fd, 0);
	got("recv", recv(fd, buf, sizeof(buf), MSG_DONTWAIT), buf, sizeof(buf));
	set_int(fd, SOL_SOCKET, SO_SELECT_ERR_QUEUE, 1);
	fill(buf, 20, 8);
	res("sendto", send_to(fd, buf, 20, 0, "P1", CLOSED));
	pause_ms(60);
	poll1("poll with SO_SELECT_ERR_QUEUE", fd, POLLIN | POLLOUT | POLLPRI, 0);
	read_errqueue(fd, 0);
	so_error("after", fd);
	close(fd);
}

static void too_big(void)
{
	static char big[3000];
	int fd = bound("L1", PORT), level = wire4() ? IPPROTO_IP : IPPROTO_IPV6;

	say("-- EMSGSIZE in the error queue\n");
	if (is_lo() || is_map()) {
		say("not here\n");
		close(fd);
		return;
	}
	set_int(fd, level, wire4() ? IP_RECVERR : IPV6_RECVERR, 1);
	set_int(fd, level, wire4() ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER, IP_PMTUDISC_DO);
	res("sendto", send_to(fd, big, sizeof(big), 0, "P1", PPORT));
	read_errqueue(fd, 0);
	so_error("after", fd);
	close(fd);
}

int main(void)
{
	cf_start();
	connected();
	data_and_error();
	unconnected();
	wakes();
	recverr();
	too_big();
	return 0;
}
