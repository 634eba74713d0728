/* SPDX-License-Identifier: BSD-3-Clause */
/* syscalls.c - the same calls through syscall(2)'s libc function, as some event libraries make them. */
/* expect: fast 6 */
#include "lib.h"
#include <sys/syscall.h>

static char buf[2048];

static void receive(int fd)
{
	addr_t from;
	socklen_t len = sizeof(from);
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr m = {
		.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1
	};
	struct mmsghdr mm = { .msg_hdr = m };

	say("-- receive\n");
	res("recvfrom, empty",
	    syscall(SYS_recvfrom, fd, buf, sizeof(buf), MSG_DONTWAIT, NULL, NULL));
	peer_sends(PORT, 40, 1, 5);
	got("recvfrom", syscall(SYS_recvfrom, fd, buf, sizeof(buf), 0, &from, &len), buf, 2048);
	say("from %s\n", addr_name(&from, len));
	got("recvmsg", syscall(SYS_recvmsg, fd, &m, 0), buf, sizeof(buf));
	say("from %s\n", addr_name(&from, m.msg_namelen));
	res("recvmmsg", syscall(SYS_recvmmsg, fd, &mm, 1, MSG_DONTWAIT, NULL));
	got("read", syscall(SYS_read, fd, buf, sizeof(buf)), buf, sizeof(buf));
	got("readv", syscall(SYS_readv, fd, &iov, 1), buf, sizeof(buf));
	res("recvfrom, empty",
	    syscall(SYS_recvfrom, fd, buf, sizeof(buf), MSG_DONTWAIT, NULL, NULL));
	res("bad flags ", syscall(SYS_recvfrom, fd, NULL, 5, MSG_OOB | MSG_DONTWAIT, NULL, NULL));
}

static void sends(int fd)
{
	addr_t to;
	socklen_t len = addr_of(&to, "P1", PPORT);
	struct iovec iov = { buf, 30 };
	struct msghdr m = { .msg_name = &to, .msg_namelen = len, .msg_iov = &iov, .msg_iovlen = 1 };
	struct mmsghdr mm[2] = { { .msg_hdr = m }, { .msg_hdr = m } };

	say("-- send\n");
	fill(buf, sizeof(buf), 4);
	res("sendto", syscall(SYS_sendto, fd, buf, 30, 0, &to, len));
	res("sendmsg", syscall(SYS_sendmsg, fd, &m, 0));
	res("sendmmsg", syscall(SYS_sendmmsg, fd, mm, 2, 0));
	res("connect", syscall(SYS_connect, fd, &to, len));
	res("write", syscall(SYS_write, fd, buf, 31));
	res("writev", syscall(SYS_writev, fd, &iov, 1));
	res("sendto NULL", syscall(SYS_sendto, fd, buf, 30, 0, NULL, 0));
	say("peer: %s\n", peer("drain 0 100"));
	to.sa.sa_family = AF_UNSPEC;
	res("dissolve", syscall(SYS_connect, fd, &to, len));
}

static void waits(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct timespec ts = { 0, 60000000 };
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 77 };
	struct timeval tv = { 0, 60000 };
	int ep = (int)syscall(SYS_epoll_create1, 0);
	fd_set rd;

	say("-- wait\n");
	FD_ZERO(&rd);
	FD_SET(fd, &rd);
	res("epoll_ctl", syscall(SYS_epoll_ctl, ep, EPOLL_CTL_ADD, fd, &ev));
	res("poll, empty", syscall(SYS_poll, &p, 1, 30));
	res("ppoll, empty", syscall(SYS_ppoll, &p, 1, &ts, NULL, 8));
	ts.tv_nsec = 60000000;
	res("select, empty", syscall(SYS_select, fd + 1, &rd, NULL, NULL, &tv));
	FD_SET(fd, &rd);
	res("pselect6, empty", syscall(SYS_pselect6, fd + 1, &rd, NULL, NULL, &ts, NULL));
	FD_SET(fd, &rd);
	res("epoll_wait, empty", syscall(SYS_epoll_wait, ep, &ev, 1, 30));
	res("epoll_pwait, empty", syscall(SYS_epoll_pwait, ep, &ev, 1, 30, NULL, 8));
	peer_sends(PORT, 40, 1, 1);
	ts = (struct timespec){ 1, 0 };
	tv = (struct timeval){ 1, 0 };
	res("poll", syscall(SYS_poll, &p, 1, 1000));
	res("ppoll", syscall(SYS_ppoll, &p, 1, &ts, NULL, 8));
	res("select", syscall(SYS_select, fd + 1, &rd, NULL, NULL, &tv));
	ts = (struct timespec){ 1, 0 };
	res("pselect6", syscall(SYS_pselect6, fd + 1, &rd, NULL, NULL, &ts, NULL));
	ev.data.u64 = 0;
	res("epoll_wait", syscall(SYS_epoll_wait, ep, &ev, 1, 1000));
	say("data %d\n", (int)ev.data.u64);
	res("epoll_pwait", syscall(SYS_epoll_pwait, ep, &ev, 1, 1000, NULL, 8));
	drain("read", fd);
	peer_later(60, "send 0 L1 %d 20 6 1", PORT);
	res("epoll_wait, later", syscall(SYS_epoll_wait, ep, &ev, 1, 2000));
	peer_done();
	drain("read", fd);
	close(ep);
}

static void numbers(void)
{
	int fd = (int)syscall(SYS_socket, family(), SOCK_DGRAM, 0), c;
	addr_t a;
	socklen_t len = addr_of(&a, "L1", PORT + 1);

	say("-- socket, bind, dup, close\n");
	res("bind", syscall(SYS_bind, fd, &a, len));
	peer_sends(PORT + 1, 20, 1, 2);
	got("recv", recv(fd, buf, sizeof(buf), MSG_DONTWAIT), buf, sizeof(buf));
	c = (int)syscall(SYS_dup, fd);
	res("close", syscall(SYS_close, fd));
	got("recv by the copy", recv(c, buf, sizeof(buf), MSG_DONTWAIT), buf, sizeof(buf));
	res("fcntl", syscall(SYS_fcntl, c, F_SETFL, O_NONBLOCK));
	res("recv", recv(c, buf, sizeof(buf), 0));
	close(c);
	res("unknown", syscall(9999));
	res("getpid", syscall(SYS_getpid) == getpid());
	fd = udp(0);
	res("the port is free", bind_to(fd, "L1", PORT + 1));
	close(fd);
}

int main(void)
{
	int fd;

	cf_start();
	fd = bound("L1", PORT);
	receive(fd);
	sends(fd);
	waits(fd);
	numbers();
	return 0;
}
