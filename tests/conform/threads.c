/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * threads.c - several threads on one socket: a blocked reader while another thread sends, readers that share, sets waited on
 * by two threads, closing under a waiter's number, poll in one thread and receive in another.
 */
/* expect: fast 40 */
#include "lib.h"

static char buf[2048];
static int fd, ep;

static pthread_t start(void *(*fn)(void *), void *arg)
{
	pthread_t t;

	if (pthread_create(&t, NULL, fn, arg))
		die("pthread_create");
	pause_ms(60);
	return t;
}

static void *one_recv(void *arg)
{
	char b[200];
	ssize_t n = recv(fd, b, sizeof(b), 0);

	*(long *)arg = n > 0 ? b[0] : n < 0 ? -errno : 0;
	return NULL;
}

static void reader_and_writer(void)
{
	pthread_t t;
	long r = -1;

	say("-- a blocked reader while another thread sends\n");
	t = start(one_recv, &r);
	for (int i = 0; i < 20; i++) {
		fill(buf, 30, i);
		if (send_to(fd, buf, 30, 0, "P1", PPORT) != 30)
			say("sendto FAILED\n");
	}
	say("peer: %s\n", peer("drain 0 60"));
	peer("send 0 L1 %d 20 42 1", PORT);
	pthread_join(t, NULL);
	say("reader got payload %ld\n", r);
}

static void two_readers(void)
{
	pthread_t t[2];
	long r[2] = { -1, -1 };

	say("-- two blocked readers get one each\n");
	t[0] = start(one_recv, &r[0]);
	t[1] = start(one_recv, &r[1]);
	peer("send 0 L1 %d 20 50 1", PORT);
	pause_ms(60);
	say("one is served: %s\n", (r[0] == 50) + (r[1] == 50) == 1 ? "yes" : "NO");
	peer("send 0 L1 %d 20 51 1", PORT);
	pthread_join(t[0], NULL);
	pthread_join(t[1], NULL);
	say("together %ld\n", r[0] + r[1]);
	drain("after", fd);
}

static void *count_recv(void *arg)
{
	char b[200];
	long n = 0;

	while (recv(fd, b, sizeof(b), 0) > 1)
		n++;
	*(long *)arg = n;
	return NULL;
}

static void shared_load(void)
{
	pthread_t t[3];
	long n[3];

	say("-- three readers share 300\n");
	for (int i = 0; i < 3; i++)
		t[i] = start(count_recv, &n[i]);
	for (int i = 0; i < 30; i++) {
		peer("send 0 L1 %d 20 %d 10", PORT, i);
		if (i % 10 == 0)
			pause_ms(10);
	}
	arrive();
	for (int i = 0; i < 3; i++) {
		peer("send 0 L1 %d 1 0 1", PORT);
		arrive();
	}
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	say("together %ld\n", n[0] + n[1] + n[2]);
	drain("after", fd);
}

static void *one_wait(void *arg)
{
	struct epoll_event ev;

	*(long *)arg = epoll_wait(ep, &ev, 1, 1500);
	return NULL;
}

static void two_waiters(const char *what, unsigned flags)
{
	struct epoll_event ev = { .events = EPOLLIN | flags };
	pthread_t t[2];
	long r[2] = { -1, -1 };

	say("-- two threads in epoll_wait, %s\n", what);
	ep = epoll_create1(0);
	must("add", epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	t[0] = start(one_wait, &r[0]);
	t[1] = start(one_wait, &r[1]);
	peer("send 0 L1 %d 20 1 1", PORT);
	pause_ms(60);
	if (flags) {
		say("woken by the first: %d\n", (r[0] == 1) + (r[1] == 1));
		drain("read", fd);
		ev.events = EPOLLIN | flags;
		if (flags & EPOLLONESHOT)
			res("mod", epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev));
		peer("send 0 L1 %d 20 2 1", PORT);
	}
	pthread_join(t[0], NULL);
	pthread_join(t[1], NULL);
	say("in the end: %ld\n", r[0] + r[1]);
	drain("read", fd);
	close(ep);
}

static void *one_poll(void *arg)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	*(long *)arg = poll(&p, 1, 1500);
	return NULL;
}

static void poll_here_recv_there(void)
{
	pthread_t t[4];
	long r[4] = { -1, -1, -1, -1 };
	struct epoll_event ev = { .events = EPOLLIN };

	say("-- waiters of several kinds on one socket\n");
	ep = epoll_create1(0);
	must("add", epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	t[0] = start(one_poll, &r[0]);
	t[1] = start(one_poll, &r[1]);
	t[2] = start(one_wait, &r[2]);
	peer("send 0 L1 %d 20 1 1", PORT);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	say("poll %ld, poll %ld, epoll_wait %ld\n", r[0], r[1], r[2]);
	drain("read", fd);
	close(ep);
}

/* A socket that is fed while its thread sleeps in the wait for another socket. */
static void *other_recv(void *arg)
{
	char b[100];
	ssize_t n = recv(*(int *)arg, b, sizeof(b), 0);

	*(int *)arg = n > 0 ? b[0] : -1;
	return NULL;
}

static void two_sockets(void)
{
	int other = bound("L1", PORT + 1), a = other;
	pthread_t t1, t2;
	long r = -1;

	say("-- two threads, two sockets\n");
	t1 = start(one_recv, &r);
	t2 = start(other_recv, &a);
	peer("send 0 L1 %d 20 7 1", PORT + 1);
	pthread_join(t2, NULL);
	say("the other socket's reader: %d\n", a);
	peer("send 0 L1 %d 20 8 1", PORT);
	pthread_join(t1, NULL);
	say("the first socket's reader: %ld\n", r);
	for (int i = 0; i < 20; i++) {
		a = other;
		t1 = start(one_recv, &r);
		t2 = start(other_recv, &a);
		peer("send 0 L1 %d 20 %d 1", PORT + i % 2, i + 10);
		peer("send 0 L1 %d 20 %d 1", PORT + 1 - i % 2, i + 10);
		pthread_join(t1, NULL);
		pthread_join(t2, NULL);
		if (r != i + 10 || a != i + 10)
			say("round %d: %ld %d\n", i, r, a);
		i += 3;
	}
	close(other);
}

static void *add_later(void *arg)
{
	struct epoll_event ev = { .events = EPOLLIN };

	pause_ms(60);
	*(long *)arg = epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
	return NULL;
}

static void added_while_waiting(void)
{
	struct epoll_event ev;
	pthread_t t;
	long r;
	double begin;

	say("-- added to a set that is being waited on\n");
	ep = epoll_create1(0);
	peer_sends(PORT, 20, 3, 1);
	pthread_create(&t, NULL, add_later, &r);
	begin = now_ms();
	res("epoll_wait", epoll_wait(ep, &ev, 1, 2000));
	took("wait", begin, 40, 600);
	pthread_join(t, NULL);
	drain("read", fd);
	pthread_create(&t, NULL, add_later, &r);
	must("del", epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL));
	begin = now_ms();
	peer_later(150, "send 0 L1 %d 20 4 1", PORT);
	res("epoll_wait", epoll_wait(ep, &ev, 1, 2000));
	took("wait", begin, 120, 700);
	peer_done();
	pthread_join(t, NULL);
	drain("read", fd);
	close(ep);
}

int main(void)
{
	cf_start();
	fd = bound("L1", PORT);
	reader_and_writer();
	two_readers();
	shared_load();
	two_waiters("level", 0);
	two_waiters("edge", EPOLLET);
	two_waiters("one-shot", EPOLLONESHOT);
	poll_here_recv_there();
	two_sockets();
	added_while_waiting();
	return 0;
}
