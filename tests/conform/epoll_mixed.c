/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * epoll_mixed.c - several sockets and kernel objects in one set, one socket in several sets, a set inside a set, and poll() and
 * select() on the descriptor of a set.
 */
/* expect: fast 10 */
#include "lib.h"

static char buf[2048];

static void add(int ep, int fd, unsigned events, uint64_t data)
{
	struct epoll_event ev = { .events = events, .data.u64 = data };

	must("epoll_ctl", epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
}

static int waits(const char *what, int ep, int max, int ms)
{
	struct epoll_event ev[16];
	int r = epoll_wait(ep, ev, max, ms);

	res(what, r);
	for (uint64_t d = 0; d < 64; d++)
		for (int i = 0; i < r; i++)
			if (ev[i].data.u64 == d)
				say("  %llu %s\n", (unsigned long long)d,
				    poll_names((int)ev[i].events));
	return r;
}

static void kernel_objects(int fd, int other)
{
	int ep = epoll_create1(0), ev = eventfd(0, EFD_NONBLOCK), pipefd[2], sv[2];
	int tfd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	struct itimerspec its = { .it_value = { 0, 60000000 } };
	uint64_t one = 1;
	double t;

	say("-- with kernel objects\n");
	must("pipe", pipe(pipefd));
	must("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	add(ep, fd, EPOLLIN, 1);
	add(ep, ev, EPOLLIN, 2);
	add(ep, pipefd[0], EPOLLIN, 3);
	add(ep, tfd, EPOLLIN, 4);
	add(ep, sv[0], EPOLLIN, 5);
	add(ep, other, EPOLLIN | EPOLLET, 6);
	waits("nothing", ep, 16, 0);
	must("write", write(ev, &one, 8));
	waits("eventfd", ep, 16, 1000);
	peer_sends(PORT, 10, 1, 1);
	waits("eventfd and socket", ep, 16, 1000);
	must("write", write(pipefd[1], "x", 1));
	must("write", write(sv[1], "x", 1));
	peer_sends(PORT + 1, 10, 1, 1);
	waits("all but the timer", ep, 16, 1000);
	must("read", read(ev, buf, 8));
	must("read", read(pipefd[0], buf, 1));
	must("read", read(sv[0], buf, 1));
	recv(fd, buf, 10, 0);
	waits("the edge is spent", ep, 16, 30);
	recv(other, buf, 10, 0);
	must("timerfd", timerfd_settime(tfd, 0, &its, NULL));
	t = now_ms();
	waits("timer", ep, 16, 2000);
	took("wait", t, 50, 500);
	must("read", read(tfd, buf, 8));
	t = now_ms();
	peer_later(60, "send 0 L1 %d 10 1 1", PORT);
	waits("socket", ep, 16, 2000);
	took("wait", t, 30, 500);
	peer_done();
	recv(fd, buf, 10, 0);
	t = now_ms();
	waits("timeout", ep, 16, 70);
	took("wait", t, 69, 500);
	must("read", read(tfd, buf, 8) == -1 ? 0 : -1);
	close(pipefd[1]);
	waits("pipe hung up", ep, 16, 100);
	close(pipefd[0]);
	close(sv[0]);
	close(sv[1]);
	close(ev);
	close(tfd);
	waits("closed", ep, 16, 0);
	close(ep);
}

/* With fewer places than ready descriptors, each gets its turn. */
static void turns(void)
{
	int ep = epoll_create1(0), fds[6], seen[6] = { 0 }, r;
	struct epoll_event ev[2];

	say("-- fewer places than ready ones\n");
	for (int i = 0; i < 6; i++) {
		fds[i] = bound("L1", PORT + 20 + i);
		add(ep, fds[i], EPOLLIN, (uint64_t)i);
		peer("send 0 L1 %d 10 %d 1", PORT + 20 + i, i);
	}
	arrive();
	for (int round = 0; round < 6; round++) {
		r = epoll_wait(ep, ev, 2, 100);
		for (int i = 0; i < r; i++)
			seen[ev[i].data.u64]++;
	}
	for (int i = 0; i < 6; i++)
		say("socket %d was %s\n", i, seen[i] ? "reported" : "STARVED");
	waits("all", ep, 16, 100);
	for (int i = 0; i < 6; i++)
		close(fds[i]);
	waits("closed", ep, 16, 0);
	close(ep);
}

/* One place: each report tells all that holds of its member, whichever side it comes from. */
static void one_place(void)
{
	static const unsigned masks[] = { EPOLLIN | EPOLLOUT, EPOLLIN | EPOLLOUT | EPOLLET,
					  EPOLLIN | EPOLLOUT | EPOLLONESHOT, EPOLLIN, EPOLLOUT };
	int ep, fds[3];
	struct epoll_event ev;

	say("-- one place\n");
	for (int i = 0; i < 3; i++)
		fds[i] = bound("L1", PORT + 30 + i);
	for (size_t m = 0; m < NLEN(masks); m++) {
		for (int members = 1; members <= 3; members++) {
			unsigned seen[3] = { 0 }, count[3] = { 0 };

			ep = epoll_create1(0);
			for (int i = 0; i < members; i++)
				add(ep, fds[i], masks[m], (uint64_t)i);
			waits("primed", ep, 4, 0);
			peer_sends(PORT + 30, 10, 1, 1);
			for (int i = 0; i < 12; i++) {
				if (epoll_wait(ep, &ev, 1, 0) != 1)
					continue;
				seen[ev.data.u64] = ev.events;
				count[ev.data.u64]++;
				if (ev.data.u64 == 0 &&
				    ev.events != (masks[m] & (EPOLLIN | EPOLLOUT)))
					say("  call %d: only %s\n", i, poll_names((int)ev.events));
			}
			for (int i = 0; i < members; i++)
				say("%zu, %d of %d: %u times, %s\n", m, i + 1, members, count[i],
				    poll_names((int)seen[i]));
			drain("read", fds[0]);
			close(ep);
		}
	}
	for (int i = 0; i < 3; i++)
		close(fds[i]);
}

static void two_sets(int fd)
{
	int a = epoll_create1(0), b = epoll_create1(0), c = epoll_create1(0);

	say("-- one socket in three sets\n");
	add(a, fd, EPOLLIN, 1);
	add(b, fd, EPOLLIN | EPOLLET, 2);
	add(c, fd, EPOLLOUT, 3);
	peer_sends(PORT, 10, 1, 1);
	waits("level set", a, 4, 1000);
	waits("edge set", b, 4, 1000);
	waits("out set", c, 4, 1000);
	waits("level set again", a, 4, 30);
	waits("edge set again", b, 4, 30);
	peer_sends(PORT, 10, 2, 1);
	waits("edge set, another datagram", b, 4, 1000);
	drain("read", fd);
	waits("level set", a, 4, 30);
	waits("edge set", b, 4, 30);
	close(a);
	peer_sends(PORT, 10, 3, 1);
	waits("edge set", b, 4, 1000);
	drain("read", fd);
	close(b);
	close(c);
}

static void nested(int fd)
{
	int in = epoll_create1(0), out = epoll_create1(0);

	say("-- a set in a set\n");
	add(in, fd, EPOLLIN, 1);
	add(out, in, EPOLLIN, 2);
	waits("outer, nothing", out, 4, 30);
	peer_sends(PORT, 10, 1, 1);
	waits("outer", out, 4, 1000);
	waits("inner", in, 4, 1000);
	waits("outer still", out, 4, 100);
	drain("read", fd);
	waits("outer, nothing", out, 4, 30);
	peer_later(60, "send 0 L1 %d 10 1 1", PORT);
	waits("outer waits", out, 4, 2000);
	peer_done();
	drain("read", fd);
	peer_sends(PORT, 10, 2, 1);
	drain("read before the wait", fd);
	waits("outer, nothing", out, 4, 30);
	waits("inner, nothing", in, 4, 30);
	close(in);
	peer_sends(PORT, 10, 1, 1);
	waits("outer, inner closed", out, 4, 30);
	drain("read", fd);
	close(out);
}

static void poll_on_set(int fd)
{
	struct timeval tv;
	fd_set rd;
	int ep = epoll_create1(0);
	double t;

	say("-- poll() and select() on a set\n");
	add(ep, fd, EPOLLIN, 1);
	poll1("nothing", ep, POLLIN, 30);
	peer_sends(PORT, 10, 1, 1);
	poll1("one", ep, POLLIN, 1000);
	poll1("one", ep, POLLIN | POLLOUT, 0);
	FD_ZERO(&rd);
	FD_SET(ep, &rd);
	tv = (struct timeval){ 1, 0 };
	res("select", select(ep + 1, &rd, NULL, NULL, &tv));
	waits("wait", ep, 4, 0);
	drain("read", fd);
	poll1("nothing", ep, POLLIN, 30);
	t = now_ms();
	peer_later(60, "send 0 L1 %d 10 1 1", PORT);
	poll1("waits", ep, POLLIN, 2000);
	took("poll", t, 30, 500);
	peer_done();
	drain("read", fd);
	t = now_ms();
	peer_later(60, "send 0 L1 %d 10 1 1", PORT);
	FD_ZERO(&rd);
	FD_SET(ep, &rd);
	tv = (struct timeval){ 2, 0 };
	res("select waits", select(ep + 1, &rd, NULL, NULL, &tv));
	took("select", t, 30, 500);
	peer_done();
	drain("read", fd);
	close(ep);
}

static void pwaits(int fd)
{
	int ep = epoll_create1(0);
	struct epoll_event ev[4];
	struct timespec ts = { 0, 60000000 };
	double t;

	say("-- epoll_pwait and epoll_pwait2\n");
	add(ep, fd, EPOLLIN, 1);
	t = now_ms();
	res("epoll_pwait", epoll_pwait(ep, ev, 4, 60, NULL));
	took("pwait", t, 59, 500);
	t = now_ms();
	res("epoll_pwait2", epoll_pwait2(ep, ev, 4, &ts, NULL));
	took("pwait2", t, 59, 500);
	peer_later(60, "send 0 L1 %d 10 1 1", PORT);
	res("epoll_pwait2, no timeout", epoll_pwait2(ep, ev, 4, NULL, NULL));
	peer_done();
	res("epoll_pwait", epoll_pwait(ep, ev, 4, -1, NULL));
	drain("read", fd);
	close(ep);
}

int main(void)
{
	int fd, other;

	cf_start();
	fd = bound("L1", PORT);
	other = bound("any", PORT + 1);
	kernel_objects(fd, other);
	turns();
	one_place();
	two_sets(fd);
	nested(fd);
	poll_on_set(fd);
	pwaits(fd);
	return 0;
}
