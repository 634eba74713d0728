/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * poll_bits.c - every event bit, by poll(), select() and epoll_wait(), in every state of a socket: idle, readable, shut down, with errors
 * pending or queued; fd sets beyond FD_SETSIZE, many descriptors, select()'s remaining time.
 */
/* expect: fast 10 */
#include "lib.h"
#include <linux/errqueue.h>
#include <sys/resource.h>

#define CLOSED 7999 /* nobody listens there */

static char buf[4096];

static const int wishes[] = { 0,
			      POLLIN,
			      POLLPRI,
			      POLLOUT,
			      POLLRDHUP,
			      POLLRDNORM | POLLRDBAND,
			      POLLWRNORM | POLLWRBAND,
			      POLLIN | POLLOUT | POLLPRI | POLLRDHUP | POLLRDNORM | POLLRDBAND |
				      POLLWRNORM | POLLWRBAND | POLLMSG };

/* Looks without changing anything: poll() for each wish, select() for each set, and a set of epoll's. */
static void look(const char *what, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP };
	struct timeval now = { 0, 0 };
	fd_set set[3];
	int ep = epoll_create1(0), r;

	say("%s:", what);
	for (size_t i = 0; i < NLEN(wishes); i++) {
		struct pollfd p = { .fd = fd, .events = (short)wishes[i] };

		poll(&p, 1, 0);
		say(" %s;", poll_names(p.revents));
	}
	for (int i = 0; i < 3; i++) {
		FD_ZERO(&set[i]);
		FD_SET(fd, &set[i]);
	}
	r = select(fd + 1, &set[0], &set[1], &set[2], &now);
	say(" select %d %d%d%d;", r, FD_ISSET(fd, &set[0]) != 0, FD_ISSET(fd, &set[1]) != 0,
	    FD_ISSET(fd, &set[2]) != 0);
	must("add", epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	for (int i = 0; i < 2; i++) {
		ev.events = 0;
		r = epoll_wait(ep, &ev, 1, 0);
		say(" epoll %d %s;", r, r == 1 ? poll_names((int)ev.events) : "-");
	}
	ev.events = EPOLLIN | EPOLLET;
	must("mod", epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev));
	r = epoll_wait(ep, &ev, 1, 0);
	say(" edge %d %s\n", r, r == 1 ? poll_names((int)ev.events) : "-");
	close(ep);
}

static void plain(void)
{
	int fd = udp(0);

	say("-- plain\n");
	look("unbound", fd);
	must("bind", bind_to(fd, "L1", PORT));
	look("bound", fd);
	peer_sends(PORT, 20, 1, 1);
	look("readable", fd);
	peer_sends(PORT, 0, 1, 1);
	recv(fd, buf, sizeof(buf), 0);
	look("an empty datagram", fd);
	recv(fd, buf, sizeof(buf), 0);
	look("read", fd);
	peer_sends(PORT, 3000, 1, 1);
	look("fragments", fd);
	peer_sends(PORT, 20, 1, 1);
	look("both paths", fd);
	recv(fd, buf, sizeof(buf), 0);
	look("one read", fd);
	close(fd);
}

static void shut(int how, const char *name, bool queued)
{
	int fd = bound("L1", PORT);

	say("-- shutdown %s%s\n", name, queued ? ", a datagram is queued" : "");
	must("connect", connect_to(fd, "P1", PPORT));
	look("connected", fd);
	if (queued)
		peer_sends(PORT, 20, 1, 1);
	must("shutdown", shutdown(fd, how));
	look("shut", fd);
	peer_sends(PORT, 20, 2, 1);
	look("an arrival later", fd);
	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
	look("read", fd);
	close(fd);
}

static void read_error(int fd)
{
	char control[512];
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };

	res("error queue", recvmsg(fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT));
}

/* @extended: IP_RECVERR, which queues errors; @exceptional: SO_SELECT_ERR_QUEUE. */
static void errors(bool connected, bool extended, bool exceptional)
{
	int fd = bound("L1", PORT), err = 0;
	socklen_t len = sizeof(err);

	say("-- errors:%s%s%s\n", connected ? " connected" : "", extended ? " RECVERR" : "",
	    exceptional ? " SELECT_ERR_QUEUE" : "");
	if (extended && family() == AF_INET6)
		set_int(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
	if (extended && wire4())
		set_int(fd, IPPROTO_IP, IP_RECVERR, 1);
	if (exceptional)
		set_int(fd, SOL_SOCKET, SO_SELECT_ERR_QUEUE, 1);
	/* What came before the connection stays queued: an arrival beside the error. */
	peer_sends(PORT, 20, 1, 1);
	if (connected)
		must("connect", connect_to(fd, "P1", CLOSED));
	must("send", send_to(fd, "x", 1, 0, "P1", CLOSED));
	pause_ms(40);
	look("an error and an arrival", fd);
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
	say("SO_ERROR %s\n", err ? strerrorname_np(err) : "0");
	look("error taken", fd);
	got("recv", recv(fd, buf, 20, MSG_DONTWAIT), buf, 20);
	look("read", fd);
	read_error(fd);
	look("error queue read", fd);
	close(fd);
}

/* Descriptors above FD_SETSIZE, and thousands at once, some of them ours. */
static void many(void)
{
	static unsigned long words[3][8192 / 64];
	static struct pollfd p[3000];
	struct rlimit rl = { 8192, 8192 };
	int fd = bound("L1", PORT), high, ev = eventfd(1, 0);
	struct timeval tv = { 1, 0 };

	say("-- many\n");
	must("rlimit", setrlimit(RLIMIT_NOFILE, &rl));
	high = fcntl(fd, F_DUPFD, 5000);
	say("above FD_SETSIZE: %s\n", high >= 5000 ? "yes" : "NO");
	peer_sends(PORT, 20, 1, 1);
	for (int i = 0; i < 3; i++)
		words[i][high / 64] |= 1ul << high % 64;
	res("select", select(high + 1, (void *)words[0], (void *)words[1], (void *)words[2], &tv));
	for (int i = 0; i < 3; i++)
		say("  %s\n", words[i][high / 64] ? "set" : "not set");
	for (int i = 0; i < 3000; i++)
		p[i] = (struct pollfd){ .fd = i % 3 ? ev : i % 2 ? fd : high, .events = POLLIN };
	res("poll", poll(p, 3000, 1000));
	recv(fd, buf, sizeof(buf), 0);
	res("poll, read", poll(p, 3000, 1000));
	for (int i = 0; i < 3000; i++)
		p[i] = (struct pollfd){ .fd = i == 2222 ? fd : -1, .events = POLLIN };
	res("poll, nothing", poll(p, 3000, 30));
	peer_later(30, "send 0 L1 %d 20 1 1", PORT);
	res("poll waits", poll(p, 3000, 3000));
	peer_done();
	recv(fd, buf, sizeof(buf), 0);
	close(fd);
	close(high);
	close(ev);
}

/* Linux's select() writes back what is left of the time, pselect() and ppoll() do not. */
static void times(void)
{
	int fd = bound("L1", PORT);
	struct timeval tv = { 5, 0 };
	struct timespec ts = { 5, 0 };
	struct pollfd p = { .fd = fd, .events = POLLIN };
	fd_set rd;

	say("-- remaining time\n");
	FD_ZERO(&rd);
	FD_SET(fd, &rd);
	peer_later(60, "send 0 L1 %d 20 1 1", PORT);
	res("select", select(fd + 1, &rd, NULL, NULL, &tv));
	peer_done();
	say("left: %s\n", tv.tv_sec < 5 && tv.tv_sec > 0 ? "some" : "WRONG");
	res("select, ready", select(fd + 1, &rd, NULL, NULL, &tv));
	say("left: %s\n", tv.tv_sec > 0 ? "some" : "WRONG");
	res("pselect", pselect(fd + 1, &rd, NULL, NULL, &ts, NULL));
	res("ppoll", ppoll(&p, 1, &ts, NULL));
	say("timespec %s\n", ts.tv_sec == 5 && !ts.tv_nsec ? "untouched" : "CHANGED");
	recv(fd, buf, sizeof(buf), 0);
	tv = (struct timeval){ 0, 40000 };
	res("select, time is up", select(fd + 1, &rd, NULL, NULL, &tv));
	say("left: %ld %ld, set %d\n", (long)tv.tv_sec, (long)tv.tv_usec, FD_ISSET(fd, &rd) != 0);
	tv = (struct timeval){ -1, 0 };
	res("select, negative", select(fd + 1, &rd, NULL, NULL, &tv));
	tv = (struct timeval){ 0, 5500000 };
	FD_SET(fd, &rd);
	peer_later(30, "send 0 L1 %d 20 1 1", PORT);
	res("select, 5.5 million us", select(fd + 1, &rd, NULL, NULL, &tv));
	peer_done();
	say("left: %s\n", tv.tv_sec >= 1 && tv.tv_usec < 1000000 ? "some" : "WRONG");
	close(fd);
}

/* Datagrams for a socket that nobody asked about do not end a wait, nor change its time. */
static void unrelated(void)
{
	int fd = bound("L1", PORT), other = bound("L1", PORT + 1), ep = epoll_create1(0), r = 0;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct epoll_event ev = { .events = EPOLLIN };
	struct timeval tv;
	fd_set rd;
	double t;

	say("-- arrivals elsewhere\n");
	must("add", epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	for (int i = 0; i < 5; i++) {
		peer_later(40, "send 0 L1 %d 20 1 1", PORT + 1);
		t = now_ms();
		FD_ZERO(&rd);
		FD_SET(fd, &rd);
		tv = (struct timeval){ 0, 120000 };
		if (i == 0)
			r = poll(&p, 1, 120);
		else if (i == 1)
			r = select(fd + 1, &rd, NULL, NULL, &tv);
		else if (i == 2)
			r = epoll_wait(ep, &ev, 1, 120);
		else if (i == 3)
			r = ppoll(&p, 1, &(struct timespec){ 0, 120000000 }, NULL);
		else
			r = epoll_pwait2(ep, &ev, 1, &(struct timespec){ 0, 120000000 }, NULL);
		say("wait %d = %d\n", i, r);
		took("  it", t, 119, 500);
		peer_done();
		res("  the other", recv(other, buf, sizeof(buf), MSG_DONTWAIT));
	}
	close(ep);
	close(fd);
	close(other);
}

int main(void)
{
	cf_start();
	plain();
	for (int queued = 0; queued < 2; queued++) {
		shut(SHUT_RD, "RD", queued);
		shut(SHUT_WR, "WR", queued);
		shut(SHUT_RDWR, "RDWR", queued);
	}
	errors(true, false, false);
	errors(false, false, false);
	errors(true, true, false);
	errors(false, true, false);
	errors(true, true, true);
	errors(false, true, true);
	times();
	unrelated();
	many();
	return 0;
}
