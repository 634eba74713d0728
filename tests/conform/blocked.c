/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * blocked.c - a thread waits in a call while another one closes, replaces, shuts down, reconfigures or deletes what it waits for,
 * or cancels it.
 */
/* expect: fast 5 */
#include "lib.h"

static char buf[2048];
static int fd, ep;

static long do_recv(void)
{
	return recv(fd, buf, sizeof(buf), 0);
}
static long do_recvmmsg(void)
{
	struct iovec iov = { buf, sizeof(buf) };
	struct mmsghdr m = { .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } };

	return recvmmsg(fd, &m, 1, 0, NULL);
}
static long do_poll(void)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 200);
}
static long do_big_poll(void)
{
	static struct pollfd p[200];

	for (int i = 0; i < 200; i++)
		p[i] = (struct pollfd){ .fd = i == 150 ? fd : -1, .events = POLLIN };
	return poll(p, 200, 200);
}
static long do_select(void)
{
	fd_set rd;

	FD_ZERO(&rd);
	FD_SET(fd, &rd);
	return select(fd + 1, &rd, NULL, NULL, &(struct timeval){ 0, 200000 });
}
static long do_epoll(void)
{
	struct epoll_event ev;

	return epoll_wait(ep, &ev, 1, 200);
}

static const struct {
	const char *name;
	long (*call)(void);
} calls[] = {
	{ "recv", do_recv },	     { "recvmmsg", do_recvmmsg }, { "poll", do_poll },
	{ "big poll", do_big_poll }, { "select", do_select },	  { "epoll_wait", do_epoll },
};

static void open_all(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct timeval tv = { 0, 200000 };

	fd = bound("L1", PORT);
	ep = epoll_create1(0);
	must("add", epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	must("RCVTIMEO", setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
}

static void close_all(void)
{
	close(fd);
	close(ep);
}

/* The socket has to work as before. */
static void still_works(void)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct epoll_event ev;

	peer("send 0 L1 %d 20 9 1", PORT);
	say("  then: poll %d,", poll(&p, 1, 2000));
	say(" epoll %d,", epoll_wait(ep, &ev, 1, 2000));
	say(" recv %zd,", recv(fd, buf, sizeof(buf), 0));
	say(" send %zd, %s\n", send_to(fd, "y", 1, 0, "P1", PPORT), peer("drain 0 40"));
}

static long outcome;
static int outcome_errno;
static volatile int done;

static void *waiter(void *arg)
{
	outcome = calls[(size_t)arg].call();
	outcome_errno = errno;
	done = 1;
	return NULL;
}

static void act_nonblock(void)
{
	fcntl(fd, F_SETFL, O_NONBLOCK);
}
static void act_close(void)
{
	close(fd);
}
static void act_shut(void)
{
	shutdown(fd, SHUT_RD);
}
static void act_shut_connected(void)
{
	connect_to(fd, "P1", PPORT);
	shutdown(fd, SHUT_RDWR);
}
static void act_shut_write(void)
{
	connect_to(fd, "P1", PPORT);
	shutdown(fd, SHUT_WR);
}
static void act_connect(void)
{
	connect_to(fd, "P1", PPORT);
}
static void act_timeout(void)
{
	struct timeval tv = { 0, 1 };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
}
static void act_dup2(void)
{
	int null = open("/dev/null", O_RDONLY);

	dup2(null, fd);
	close(null);
}
static void act_arrival(void)
{
	peer("send 0 L1 %d 20 1 1", PORT);
}
static void act_del(void)
{
	epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL);
}
static void act_mod(void)
{
	epoll_ctl(ep, EPOLL_CTL_MOD, fd, &(struct epoll_event){ .events = EPOLLOUT });
}
static void act_close_set(void)
{
	close(ep);
}

static const struct {
	const char *name;
	void (*act)(void);
} acts[] = {
	{ "O_NONBLOCK", act_nonblock },
	{ "close", act_close },
	{ "shutdown, not connected", act_shut },
	{ "shutdown RDWR", act_shut_connected },
	{ "shutdown WR", act_shut_write },
	{ "connect", act_connect },
	{ "SO_RCVTIMEO", act_timeout },
	{ "dup2 over it", act_dup2 },
	{ "arrival", act_arrival },
	{ "EPOLL_CTL_DEL", act_del },
	{ "EPOLL_CTL_MOD to OUT", act_mod },
	{ "close of the set", act_close_set },
};

static void other_threads(void)
{
	say("-- another thread\n");
	for (size_t a = 0; a < NLEN(acts); a++) {
		for (size_t i = 0; i < NLEN(calls); i++) {
			pthread_t t;

			open_all();
			done = 0;
			must("thread", pthread_create(&t, NULL, waiter, (void *)i) ? -1 : 0);
			pause_ms(25);
			acts[a].act();
			pause_ms(50);
			say("%s, %s: %s", acts[a].name, calls[i].name,
			    done ? "at once" : "in the end");
			pthread_join(t, NULL);
			say(" %ld %s\n", outcome, outcome < 0 ? strerrorname_np(outcome_errno) : "");
			close_all();
		}
	}
}

static void cancels(void)
{
	say("-- cancelled\n");
	for (size_t i = 0; i < NLEN(calls); i++) {
		pthread_t t;
		void *how;

		open_all();
		done = 0;
		must("thread", pthread_create(&t, NULL, waiter, (void *)i) ? -1 : 0);
		pause_ms(25);
		pthread_cancel(t);
		pthread_join(t, &how);
		say("%s: %s\n", calls[i].name, how == PTHREAD_CANCELED ? "cancelled" : "not");
		still_works();
		close_all();
	}
}

int main(void)
{
	cf_start();
	other_threads();
	cancels();
	return 0;
}
