/* SPDX-License-Identifier: BSD-3-Clause */
/* epoll_basic.c - epoll: level, edge, one-shot; MOD and DEL; errors; data; closing; duplicates in the set. */
/* expect: fast 10 */
#include "lib.h"

static char buf[2048];
static int ep;

static int ctl(const char *what, int op, int fd, unsigned events, uint64_t data)
{
	struct epoll_event ev = { .events = events, .data.u64 = data };
	int r = epoll_ctl(ep, op, fd, &ev);

	if (what)
		res(what, r);
	return r;
}

/* One epoll_wait(), printed in the order of the data words (the kernel's own order is another matter). */
static int waits(const char *what, int max, int ms)
{
	struct epoll_event ev[16];
	int r = epoll_wait(ep, ev, max, ms);

	res(what, r);
	for (uint64_t d = 0; d < 64; d++)
		for (int i = 0; i < r; i++)
			if ((ev[i].data.u64 & 63) == d)
				say("  %llx %s\n", (unsigned long long)ev[i].data.u64,
				    poll_names((int)ev[i].events));
	return r;
}

static void level(int fd)
{
	say("-- level\n");
	ctl("add", EPOLL_CTL_ADD, fd, EPOLLIN, 0x123456789abcde01);
	waits("empty", 16, 0);
	peer_sends(PORT, 10, 1, 2);
	waits("two", 16, 0);
	waits("two, for ever", 16, -1);
	recv(fd, buf, 10, 0);
	waits("one", 16, 0);
	recv(fd, buf, 10, 0);
	waits("none", 16, 0);
	ctl("mod OUT", EPOLL_CTL_MOD, fd, EPOLLOUT, 2);
	waits("OUT", 16, 0);
	waits("OUT again", 16, 0);
	ctl("mod IN|OUT", EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLOUT, 3);
	waits("IN|OUT", 16, 0);
	peer_sends(PORT, 10, 1, 1);
	waits("IN|OUT, one", 16, 0);
	ctl("mod all", EPOLL_CTL_MOD, fd,
	    EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDNORM | EPOLLWRNORM | EPOLLRDBAND | EPOLLWRBAND |
		    EPOLLRDHUP | EPOLLMSG,
	    4);
	waits("all, one", 16, 0);
	ctl("mod 0", EPOLL_CTL_MOD, fd, 0, 5);
	waits("nothing wished", 16, 0);
	ctl("mod IN", EPOLL_CTL_MOD, fd, EPOLLIN, 6);
	waits("IN, one", 16, 0);
	recv(fd, buf, 10, 0);
	ctl("del", EPOLL_CTL_DEL, fd, 0, 0);
	peer_sends(PORT, 10, 1, 1);
	waits("deleted", 16, 30);
	ctl("add again, ready", EPOLL_CTL_ADD, fd, EPOLLIN, 7);
	waits("ready before the add", 16, 0);
	recv(fd, buf, 10, 0);
	ctl("del", EPOLL_CTL_DEL, fd, 0, 0);
}

static void edge(int fd)
{
	say("-- edge\n");
	ctl("add", EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLET, 1);
	waits("empty", 16, 0);
	peer_sends(PORT, 10, 1, 1);
	waits("one", 16, 1000);
	waits("not again", 16, 30);
	peer_sends(PORT, 10, 2, 1);
	waits("a second one, first unread", 16, 1000);
	waits("not again", 16, 30);
	recv(fd, buf, 10, 0);
	waits("one read of two", 16, 30);
	recv(fd, buf, 10, 0);
	waits("both read", 16, 30);
	peer_sends(PORT, 10, 3, 1);
	waits("a third", 16, 1000);
	ctl("mod rearms", EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLET, 2);
	waits("after mod", 16, 0);
	waits("not again", 16, 30);
	drain("read", fd);
	res("recv until", recv(fd, buf, 10, MSG_DONTWAIT));
	ctl("mod IN|OUT|ET", EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLOUT | EPOLLET | EPOLLRDHUP, 3);
	waits("OUT edge", 16, 0);
	waits("not again", 16, 30);
	peer_sends(PORT, 10, 4, 1);
	waits("IN comes with OUT", 16, 1000);
	waits("not again", 16, 30);
	drain("read", fd);
	ctl("del", EPOLL_CTL_DEL, fd, 0, 0);
	peer_sends(PORT, 10, 5, 2);
	ctl("add when ready", EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLET, 4);
	waits("at once", 16, 0);
	waits("not again", 16, 30);
	drain("read", fd);
	ctl("del", EPOLL_CTL_DEL, fd, 0, 0);
}

static void oneshot(int fd)
{
	say("-- one-shot\n");
	ctl("add", EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLONESHOT, 1);
	peer_sends(PORT, 10, 1, 1);
	waits("first", 16, 1000);
	waits("not again", 16, 30);
	peer_sends(PORT, 10, 2, 1);
	waits("nor for another", 16, 30);
	ctl("mod", EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLONESHOT, 2);
	waits("armed", 16, 0);
	waits("not again", 16, 30);
	drain("read", fd);
	ctl("mod", EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLONESHOT | EPOLLET, 3);
	waits("armed, nothing there", 16, 30);
	peer_sends(PORT, 10, 3, 1);
	waits("one-shot edge", 16, 1000);
	drain("read", fd);
	peer_sends(PORT, 10, 4, 1);
	waits("spent", 16, 30);
	drain("read", fd);
	ctl("del", EPOLL_CTL_DEL, fd, 0, 0);
	ctl("add EXCLUSIVE", EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLEXCLUSIVE, 4);
	ctl("mod of it", EPOLL_CTL_MOD, fd, EPOLLIN, 4);
	peer_sends(PORT, 10, 5, 1);
	waits("exclusive", 16, 1000);
	drain("read", fd);
	ctl("del", EPOLL_CTL_DEL, fd, 0, 0);
	ctl("EXCLUSIVE|ONESHOT", EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT, 4);
	ctl("mod EXCLUSIVE", EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLEXCLUSIVE, 4);
}

static void errors(int fd)
{
	struct epoll_event ev[4], in = { .events = EPOLLIN };
	volatile int minus_one = -1;
	int copy;

	say("-- errors\n");
	ctl("mod absent", EPOLL_CTL_MOD, fd, EPOLLIN, 1);
	ctl("del absent", EPOLL_CTL_DEL, fd, 0, 1);
	ctl("add", EPOLL_CTL_ADD, fd, EPOLLIN, 1);
	ctl("add twice", EPOLL_CTL_ADD, fd, EPOLLIN, 2);
	ctl("bad op", 99, fd, EPOLLIN, 2);
	ctl("bad descriptor", EPOLL_CTL_ADD, 999, EPOLLIN, 2);
	ctl("itself", EPOLL_CTL_ADD, ep, EPOLLIN, 2);
	res("not an epoll", epoll_ctl(fd, EPOLL_CTL_ADD, fd, &in));
	res("closed epoll", epoll_ctl(999, EPOLL_CTL_ADD, fd, &in));
	res("add NULL", epoll_ctl(ep, EPOLL_CTL_MOD, fd, NULL));
	res("del NULL", epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL));
	res("wait max 0", epoll_wait(ep, ev, 0, 0));
	res("wait max -1", epoll_wait(ep, ev, minus_one, 0));
	res("wait on a socket", epoll_wait(fd, ev, 4, 0));
	res("wait on nothing", epoll_wait(999, ev, 4, 0));
	res("create 0", epoll_create(0));
	res("create1 bad", epoll_create1(12345));
	copy = dup(fd);
	ctl("add", EPOLL_CTL_ADD, fd, EPOLLIN, 10);
	ctl("add duplicate", EPOLL_CTL_ADD, copy, EPOLLIN, 11);
	peer_sends(PORT, 10, 1, 1);
	waits("both entries", 16, 100);
	res("one at a time", epoll_wait(ep, ev, 1, 100));
	close(copy);
	waits("duplicate closed: its entry lives", 16, 100);
	drain("read", fd);
	ctl("del", EPOLL_CTL_DEL, fd, 0, 0);
	peer_sends(PORT, 10, 2, 1);
	waits("the entry of the closed one", 16, 100);
	drain("read", fd);
}

static void closing(void)
{
	int fd = bound("any", PORT + 1), copy;
	double t;

	say("-- closing\n");
	ctl("add", EPOLL_CTL_ADD, fd, EPOLLIN, 1);
	peer_sends(PORT + 1, 10, 1, 1);
	waits("ready", 16, 100);
	close(fd);
	waits("closed", 16, 30);
	ctl("del closed", EPOLL_CTL_DEL, fd, 0, 1);
	fd = bound("any", PORT + 1);
	waits("number used again", 16, 30);
	ctl("mod", EPOLL_CTL_MOD, fd, EPOLLIN, 2);
	ctl("add", EPOLL_CTL_ADD, fd, EPOLLIN, 2);
	copy = dup(fd);
	close(fd);
	peer_sends(PORT + 1, 10, 2, 1);
	waits("entry of a closed number whose socket lives", 16, 100);
	got("recv by the duplicate", recv(copy, buf, 10, MSG_DONTWAIT), buf, 10);
	waits("read", 16, 30);
	ctl("del by the duplicate", EPOLL_CTL_DEL, copy, 0, 0);
	close(copy);
	waits("all closed", 16, 30);
	t = now_ms();
	waits("timeout of an empty set", 16, 80);
	took("wait", t, 79, 500);
}

int main(void)
{
	int fd;

	cf_start();
	ep = epoll_create1(EPOLL_CLOEXEC);
	fd = bound("L1", PORT);
	level(fd);
	edge(fd);
	oneshot(fd);
	close(ep);
	ep = epoll_create1(0);
	errors(fd);
	close(ep);
	ep = epoll_create(1);
	closing();
	return 0;
}
