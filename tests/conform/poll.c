/* SPDX-License-Identifier: BSD-3-Clause */
/* poll.c - poll() and ppoll(): readiness, timeouts, mixtures with other descriptors, odd arguments. */
/* expect: fast 6 */
#include "lib.h"

static char buf[2048];

static void readiness(int fd)
{
	say("-- readiness\n");
	poll1("empty", fd, POLLIN, 0);
	poll1("empty", fd, POLLIN | POLLOUT, 0);
	poll1("empty", fd, POLLOUT | POLLWRNORM | POLLWRBAND, 0);
	poll1("empty", fd, 0, 0);
	peer_sends(PORT, 10, 1, 2);
	poll1("two", fd, POLLIN, 0);
	poll1("two", fd, POLLIN | POLLOUT | POLLPRI | POLLRDNORM | POLLRDBAND | POLLRDHUP, 0);
	poll1("two", fd, POLLRDNORM, 0);
	poll1("two", fd, POLLPRI, 0);
	poll1("two", fd, POLLOUT, 0);
	poll1("two", fd, 0, 0);
	poll1("two, for ever", fd, POLLIN, -1);
	recv(fd, buf, sizeof(buf), 0);
	poll1("one", fd, POLLIN, 0);
	recv(fd, buf, sizeof(buf), MSG_PEEK);
	poll1("one, peeked", fd, POLLIN, 0);
	recv(fd, buf, sizeof(buf), 0);
	poll1("none", fd, POLLIN, 0);
}

static void times(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct timespec ts = { 0, 120000000 }, bad = { 0, 1000000000 }, neg = { -1, 0 };
	double t;

	say("-- time\n");
	t = now_ms();
	poll1("100 ms", fd, POLLIN, 100);
	took("poll", t, 99, 500);
	t = now_ms();
	res("ppoll 120 ms", ppoll(&p, 1, &ts, NULL));
	took("ppoll", t, 119, 500);
	say("timeout %s\n", ts.tv_nsec == 120000000 ? "untouched" : "changed");
	res("ppoll bad", ppoll(&p, 1, &bad, NULL));
	res("ppoll negative", ppoll(&p, 1, &neg, NULL));
	ts.tv_nsec = 0;
	res("ppoll 0", ppoll(&p, 1, &ts, NULL));
	t = now_ms();
	peer_later(80, "send 0 L1 %d 10 1 1", PORT);
	poll1("for ever, then one", fd, POLLIN, -1);
	took("poll", t, 40, 500);
	peer_done();
	recv(fd, buf, sizeof(buf), 0);
	peer_later(80, "send 0 L1 %d 10 1 1", PORT);
	res("ppoll, no timeout", ppoll(&p, 1, NULL, NULL));
	peer_done();
	recv(fd, buf, sizeof(buf), 0);
	t = now_ms();
	res("poll of nothing", poll(NULL, 0, 60));
	took("poll", t, 59, 500);
	res("poll -5, ready", (peer_sends(PORT, 10, 1, 1), poll(&p, 1, -5)));
	recv(fd, buf, sizeof(buf), 0);
}

static void show(const char *what, int r, struct pollfd *p, int n)
{
	say("%s = %d:", what, r);
	for (int i = 0; i < n; i++)
		say(" %s", poll_names(p[i].revents));
	say("\n");
}

static void mixture(int fd)
{
	int pipefd[2], ev = eventfd(0, EFD_NONBLOCK), other = bound("L1", PORT + 1);
	int tfd = timerfd_create(CLOCK_MONOTONIC, 0);
	struct itimerspec its = { .it_value = { 0, 60000000 } };
	uint64_t one = 1;
	double t;

	say("-- mixture\n");
	must("pipe", pipe(pipefd));
	struct pollfd p[] = { { .fd = pipefd[0], .events = POLLIN },
			      { .fd = fd, .events = POLLIN },
			      { .fd = ev, .events = POLLIN },
			      { .fd = other, .events = POLLIN },
			      { .fd = tfd, .events = POLLIN },
			      { .fd = -1, .events = POLLIN },
			      { .fd = 999, .events = 0 } };
	show("nothing but a bad one", poll(p, 7, 0), p, 7);
	p[6].fd = -999;
	show("nothing", poll(p, 7, 0), p, 7);
	must("write", write(pipefd[1], "x", 1));
	show("pipe", poll(p, 7, 1000), p, 7);
	peer_sends(PORT, 10, 1, 1);
	show("pipe and socket", poll(p, 7, 1000), p, 7);
	peer_sends(PORT + 1, 10, 1, 1);
	must("write", write(ev, &one, 8));
	show("all but the timer", poll(p, 7, 1000), p, 7);
	p[1].events = 0;
	p[3].events = POLLOUT;
	show("other wishes", poll(p, 7, 1000), p, 7);
	p[1].events = p[3].events = POLLIN;
	must("read", read(pipefd[0], buf, 1));
	must("read", read(ev, buf, 8));
	recv(fd, buf, 10, 0);
	recv(other, buf, 10, 0);
	must("timerfd", timerfd_settime(tfd, 0, &its, NULL));
	t = now_ms();
	show("timer ends it", poll(p, 7, 2000), p, 7);
	took("poll", t, 55, 500);
	must("read", read(tfd, buf, 8));
	peer_later(60, "send 0 L1 %d 10 5 1", PORT + 1);
	t = now_ms();
	show("second socket ends it", poll(p, 7, 2000), p, 7);
	took("poll", t, 30, 500);
	peer_done();
	recv(other, buf, 10, 0);
	close(pipefd[1]);
	show("pipe hung up", poll(p, 7, 2000), p, 7);
	p[2].fd = p[0].fd = p[4].fd = -1;
	close(other);
	show("a closed socket in it", poll(p, 4, 2000), p, 4);
	close(pipefd[0]);
	close(ev);
	close(tfd);
}

static void twice(int fd)
{
	struct pollfd p[3] = { { .fd = fd, .events = POLLIN },
			       { .fd = fd, .events = POLLOUT },
			       { .fd = fd, .events = POLLIN | POLLOUT } };
	static struct pollfd big[300];

	say("-- the same socket several times, and a big set\n");
	show("empty", poll(p, 3, 0), p, 3);
	peer_sends(PORT, 10, 1, 1);
	show("one", poll(p, 3, 0), p, 3);
	for (int i = 0; i < 300; i++)
		big[i] = (struct pollfd){ .fd = i == 250 ? fd : -1, .events = POLLIN };
	res("300 entries", poll(big, 300, 100));
	say("entry 250 %s\n", poll_names(big[250].revents));
	drain("after", fd);
	res("300 entries", poll(big, 300, 50));
}

static void unconnected_shut(void)
{
	int fd = udp(0), all = POLLIN | POLLOUT | POLLRDHUP;

	say("-- states\n");
	poll1("fresh", fd, all, 0);
	must("bind", bind_to(fd, "L1", PORT + 2));
	poll1("bound", fd, all, 0);
	must("connect", connect_to(fd, "P1", PPORT));
	poll1("connected", fd, all, 0);
	res("SHUT_WR", shutdown(fd, SHUT_WR));
	poll1("SHUT_WR", fd, all, 0);
	res("SHUT_RD", shutdown(fd, SHUT_RD));
	poll1("SHUT_RD", fd, all, 0);
	close(fd);
	poll1("closed", fd, all, 0);
}

int main(void)
{
	int fd;

	cf_start();
	fd = bound("L1", PORT);
	readiness(fd);
	times(fd);
	mixture(fd);
	twice(fd);
	unconnected_shut();
	return 0;
}
