/* SPDX-License-Identifier: BSD-3-Clause */
/* shutdown.c - shutdown() and what it does to receives, to waiters in other threads and to the set; closing under a reader. */
/* expect: fast 2 */
#include "lib.h"

static char buf[2048];
static int fd, ep;

static int late_error;

static void *late_shutdown(void *arg)
{
	pause_ms(80);
	late_error = shutdown(fd, (int)(long)arg) < 0 ? errno : 0;
	return NULL;
}

/* The reader it wakes may be faster with its own line. */
static void join_late(pthread_t t)
{
	pthread_join(t, NULL);
	if (late_error)
		say("late shutdown: %s\n", strerrorname_np(late_error));
	late_error = 0;
}

static void states(int how, const char *name)
{
	say("-- %s\n", name);
	fd = bound("L1", PORT);
	res("unconnected", shutdown(fd, how));
	res("recv", recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
	poll1("unconnected", fd, POLLIN | POLLOUT | POLLRDHUP, 0);
	must("connect", connect_to(fd, "P1", PPORT));
	peer_sends(PORT, 20, 1, 2);
	res("shutdown", shutdown(fd, how));
	poll1("two queued", fd, POLLIN | POLLOUT | POLLRDHUP, 0);
	got("recv", recv(fd, buf, sizeof(buf), MSG_DONTWAIT), buf, sizeof(buf));
	got("read", read(fd, buf, sizeof(buf)), buf, sizeof(buf));
	res("recv, empty", recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
	peer_sends(PORT, 20, 3, 1);
	poll1("after", fd, POLLIN | POLLOUT | POLLRDHUP, 0);
	got("recv", recv(fd, buf, sizeof(buf), MSG_DONTWAIT), buf, sizeof(buf));
	res("send", send(fd, buf, 10, MSG_NOSIGNAL));
	res("shutdown again", shutdown(fd, how));
	res("bad how", shutdown(fd, 7));
	close(fd);
	res("closed", shutdown(fd, how));
}

static void wakes_recv(int how, const char *name)
{
	pthread_t t;
	double begin;

	say("-- a blocked recv, %s\n", name);
	fd = bound("L1", PORT);
	must("connect", connect_to(fd, "P1", PPORT));
	pthread_create(&t, NULL, late_shutdown, (void *)(long)how);
	begin = now_ms();
	res("recv", recv(fd, buf, sizeof(buf), 0));
	took("recv", begin, 60, 600);
	join_late(t);
	res("recv again", recv(fd, buf, sizeof(buf), 0));
	close(fd);
}

/* An old trick to end a reader: shutdown() of a socket that is not connected gives ENOTCONN and wakes it all the same. */
static void wakes_unconnected(void)
{
	pthread_t t;
	double begin;

	say("-- a blocked recv, not connected\n");
	fd = bound("L1", PORT);
	pthread_create(&t, NULL, late_shutdown, (void *)(long)SHUT_RDWR);
	begin = now_ms();
	res("recv", recv(fd, buf, sizeof(buf), 0));
	took("recv", begin, 60, 600);
	join_late(t);
	close(fd);
}

static void wakes_poll(void)
{
	pthread_t t;
	struct epoll_event ev = { .events = EPOLLIN | EPOLLRDHUP };
	double begin;

	say("-- poll and epoll_wait\n");
	fd = bound("L1", PORT);
	must("connect", connect_to(fd, "P1", PPORT));
	pthread_create(&t, NULL, late_shutdown, (void *)(long)SHUT_RD);
	begin = now_ms();
	poll1("shutdown", fd, POLLIN | POLLRDHUP, 2000);
	took("poll", begin, 60, 600);
	join_late(t);
	close(fd);
	fd = bound("L1", PORT);
	must("connect", connect_to(fd, "P1", PPORT));
	ep = epoll_create1(0);
	must("add", epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	pthread_create(&t, NULL, late_shutdown, (void *)(long)SHUT_RDWR);
	begin = now_ms();
	res("epoll_wait", epoll_wait(ep, &ev, 1, 2000));
	say("%s\n", poll_names((int)ev.events));
	took("epoll_wait", begin, 60, 600);
	join_late(t);
	close(fd);
	close(ep);
}

static void *late_close(void *arg)
{
	(void)arg;
	pause_ms(80);
	close(fd);
	return NULL;
}

/* The number is closed under a blocked reader: in the kernel the read goes on, on the socket that it holds. */
static void closed_under_reader(void)
{
	struct timeval tv = { 0, 300000 };
	pthread_t t;
	double begin;

	say("-- closed under a blocked reader\n");
	fd = bound("L1", PORT);
	must("RCVTIMEO", setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	pthread_create(&t, NULL, late_close, NULL);
	begin = now_ms();
	res("recv", recv(fd, buf, sizeof(buf), 0));
	took("recv", begin, 290, 800);
	pthread_join(t, NULL);
	res("recv, closed", recv(fd, buf, sizeof(buf), 0));
}

int main(void)
{
	cf_start();
	states(SHUT_RD, "SHUT_RD");
	states(SHUT_WR, "SHUT_WR");
	states(SHUT_RDWR, "SHUT_RDWR");
	wakes_recv(SHUT_RD, "SHUT_RD");
	wakes_recv(SHUT_RDWR, "SHUT_RDWR");
	wakes_unconnected();
	wakes_poll();
	closed_under_reader();
	return 0;
}
