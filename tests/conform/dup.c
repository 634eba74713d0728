/* SPDX-License-Identifier: BSD-3-Clause */
/* dup.c - several numbers for one socket, numbers taken over by other files, close_range(); the numbers a program gets. */
/* expect: fast 8 */
#include "lib.h"
#include <linux/close_range.h>
#include <sys/resource.h>
#include <sys/stat.h>

static char buf[2048];

static void both_read(const char *what, int a, int b)
{
	say("%s: number %d\n", what, b);
	if (b < 0)
		return;
	peer_sends(PORT, 20, 1, 2);
	got("  by the copy", recv(b, buf, sizeof(buf), MSG_DONTWAIT), buf, sizeof(buf));
	got("  by the first", recv(a, buf, sizeof(buf), MSG_DONTWAIT), buf, sizeof(buf));
	res("  copy is CLOEXEC", fcntl(b, F_GETFD));
}

static void copies(int fd)
{
	int c;

	say("-- copies\n");
	both_read("dup", fd, c = dup(fd));
	close(c);
	both_read("dup2", fd, c = dup2(fd, 40));
	close(c);
	both_read("dup3", fd, c = dup3(fd, 41, O_CLOEXEC));
	close(c);
	both_read("F_DUPFD", fd, c = fcntl(fd, F_DUPFD, 50));
	close(c);
	both_read("F_DUPFD_CLOEXEC", fd, c = fcntl(fd, F_DUPFD_CLOEXEC, 60));
	res("dup2 onto itself", dup2(fd, fd));
	res("dup3 onto itself", dup3(fd, fd, 0));
	res("dup2 from nothing", dup2(999, 42));
	res("dup2 to -1", dup2(fd, -1));
	res("F_DUPFD -1", fcntl(fd, F_DUPFD, -1));
	res("O_NONBLOCK by the copy", fcntl(c, F_SETFL, O_NONBLOCK));
	res("recv by the first", recv(fd, buf, sizeof(buf), 0));
	res("off by the first", fcntl(fd, F_SETFL, 0));
	say("copy %s\n", fcntl(c, F_GETFL) & O_NONBLOCK ? "still NONBLOCK" : "blocks");
	res("connect by the copy", connect_to(c, "P1", PPORT));
	fill(buf, 30, 2);
	res("send by the first", send(fd, buf, 30, 0));
	say("peer: %s\n", peer("recv 0 500"));
	res("dissolve",
	    connect(fd, &(struct sockaddr){ .sa_family = AF_UNSPEC }, sizeof(struct sockaddr)));
	close(c);
}

/* The first number is closed, the copy serves on. */
static int hand_over(int fd)
{
	int c = dup(fd);

	say("-- the first one closed\n");
	res("close", close(fd));
	res("recv by the closed one", recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
	peer_sends(PORT, 20, 5, 1);
	poll1("copy", c, POLLIN, 500);
	got("recv by the copy", recv(c, buf, sizeof(buf), MSG_DONTWAIT), buf, sizeof(buf));
	fill(buf, 30, 3);
	res("send by the copy", send_to(c, buf, 30, 0, "P1", PPORT));
	say("peer: %s\n", peer("recv 0 500"));
	return c;
}

static void taken_over(int fd)
{
	int other = bound("L1", PORT + 1), c = dup(fd), p[2];

	say("-- numbers taken over\n");
	must("pipe", pipe(p));
	must("write", write(p[1], "pipe", 4));
	res("a pipe over the copy", dup2(p[0], c) == c ? 0 : -1);
	res("read it", read(c, buf, sizeof(buf)));
	res("recv it", recv(c, buf, sizeof(buf), MSG_DONTWAIT));
	res("the other socket over it", dup2(other, c) == c ? 0 : -1);
	peer("send 0 L1 %d 20 7 1", PORT + 1);
	peer("send 0 L1 %d 20 8 1", PORT);
	arrive();
	got("recv by the copy", recv(c, buf, sizeof(buf), MSG_DONTWAIT), buf, sizeof(buf));
	got("recv by the first", recv(fd, buf, sizeof(buf), MSG_DONTWAIT), buf, sizeof(buf));
	close(other);
	peer_sends(PORT + 1, 20, 9, 1);
	got("the other closed, copy", recv(c, buf, sizeof(buf), MSG_DONTWAIT), buf, sizeof(buf));
	close(c);
	other = udp(0);
	res("the port is free again", bind_to(other, "L1", PORT + 1));
	close(other);
	close(p[0]);
	close(p[1]);
}

static void numbers(void)
{
	int a, b, c, d;

	say("-- the numbers a program gets\n");
	a = udp(0);
	b = udp(0);
	must("bind", bind_to(a, "any", PORT + 5));
	settle(a);
	c = udp(0);
	d = open("/dev/null", O_RDONLY);
	say("steps %d %d %d\n", b - a, c - b, d - c);
	close(a);
	res("the lowest is used again", open("/dev/null", O_RDONLY) == a);
	res("recv by that number", recv(a, buf, 1, MSG_DONTWAIT));
	res("and read", read(a, buf, 1));
	close(a);
	close(b);
	close(c);
	close(d);
}

/* What daemons do at start: close everything that they did not open. */
static void close_all(const char *what, int fd, int how)
{
	int top = fd + 1, ep;
	struct epoll_event ev = { .events = EPOLLIN };

	say("-- %s\n", what);
	if (how == 0)
		res("close_range", close_range((unsigned)top, 299, 0));
	else if (how == 1)
		for (int i = top; i < 299; i++)
			close(i);
	else if (how == 2)
		res("close_range CLOEXEC", close_range((unsigned)top, ~0u, CLOSE_RANGE_CLOEXEC));
	else if (how == 3) {
		res("close_range", close_range(301, ~0u, 0));
		for (int i = 301; i < 4096; i++)
			close(i);
	}
	peer_sends(PORT, 20, 5, 2);
	poll1("poll", fd, POLLIN, 500);
	got("recv", recv(fd, buf, sizeof(buf), MSG_DONTWAIT), buf, sizeof(buf));
	ep = epoll_create1(0);
	res("add", epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	res("epoll_wait", epoll_wait(ep, &ev, 1, 500));
	drain("read", fd);
	peer_later(60, "send 0 L1 %d 20 6 1", PORT);
	got("blocking recv", recv(fd, buf, sizeof(buf), 0), buf, sizeof(buf));
	peer_done();
	fill(buf, 30, 3);
	res("sendto", send_to(fd, buf, 30, 0, "P1", PPORT));
	say("peer: %s\n", peer("recv 0 500"));
	close(ep);
}

static void range_takes_socket(void)
{
	int fd = bound("L1", PORT + 6), c;

	say("-- close_range() over the socket\n");
	res("bad", close_range(10, 5, 0));
	res("close_range", close_range((unsigned)fd, (unsigned)fd, 0));
	res("recv", recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
	c = udp(0);
	res("the port is free", bind_to(c, "L1", PORT + 6));
	closefrom(c + 400);
	res("recv", recv(c, buf, sizeof(buf), MSG_DONTWAIT));
	close(c);
}

int main(void)
{
	int fd;

	cf_start();
	fd = bound("L1", PORT);
	copies(fd);
	fd = hand_over(fd);
	taken_over(fd);
	numbers();
	close_all("close_range()", fd, 0);
	close_all("close() one by one", fd, 1);
	close_all("everything CLOEXEC", fd, 2);
	close_all("all high numbers", fd, 3);
	range_takes_socket();
	return 0;
}
