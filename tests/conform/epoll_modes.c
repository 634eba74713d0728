/* SPDX-License-Identifier: BSD-3-Clause */
/* epoll_modes.c - every useful mask of an epoll member through one script of arrivals, reads, sends and changes. */
/* expect: fast 60 */
#include "lib.h"

#define CLOSED 7999 /* nobody listens there */

static char buf[2048];
static int ep, fd;

#define ALL                                                                                        \
	(EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDNORM | EPOLLRDBAND | EPOLLWRNORM | EPOLLWRBAND |   \
	 EPOLLRDHUP | EPOLLMSG)

static const struct {
	const char *name;
	unsigned events;
} masks[] = {
	{ "0", 0 },
	{ "IN", EPOLLIN },
	{ "IN ET", EPOLLIN | EPOLLET },
	{ "IN ONESHOT", EPOLLIN | EPOLLONESHOT },
	{ "IN ET ONESHOT", EPOLLIN | EPOLLET | EPOLLONESHOT },
	{ "IN EXCLUSIVE", EPOLLIN | EPOLLEXCLUSIVE },
	{ "IN ET EXCLUSIVE", EPOLLIN | EPOLLET | EPOLLEXCLUSIVE },
	{ "IN OUT EXCLUSIVE", EPOLLIN | EPOLLOUT | EPOLLEXCLUSIVE },
	{ "IN WAKEUP", EPOLLIN | EPOLLWAKEUP },
	{ "IN ET WAKEUP", EPOLLIN | EPOLLET | EPOLLWAKEUP },
	{ "OUT", EPOLLOUT },
	{ "OUT ET", EPOLLOUT | EPOLLET },
	{ "OUT ONESHOT", EPOLLOUT | EPOLLONESHOT },
	{ "OUT ET ONESHOT", EPOLLOUT | EPOLLET | EPOLLONESHOT },
	{ "IN OUT", EPOLLIN | EPOLLOUT },
	{ "IN OUT ET", EPOLLIN | EPOLLOUT | EPOLLET },
	{ "IN OUT ONESHOT", EPOLLIN | EPOLLOUT | EPOLLONESHOT },
	{ "IN OUT ET ONESHOT", EPOLLIN | EPOLLOUT | EPOLLET | EPOLLONESHOT },
	{ "IN OUT ET RDHUP", EPOLLIN | EPOLLOUT | EPOLLET | EPOLLRDHUP },
	{ "RDNORM", EPOLLRDNORM },
	{ "RDNORM ET", EPOLLRDNORM | EPOLLET },
	{ "RDBAND", EPOLLRDBAND },
	{ "RDBAND ET", EPOLLRDBAND | EPOLLET },
	{ "WRNORM", EPOLLWRNORM },
	{ "WRNORM ET", EPOLLWRNORM | EPOLLET },
	{ "WRBAND ET", EPOLLWRBAND | EPOLLET },
	{ "OUT PRI ET", EPOLLOUT | EPOLLPRI | EPOLLET },
	{ "OUT RDBAND ET", EPOLLOUT | EPOLLRDBAND | EPOLLET },
	{ "OUT RDHUP ET", EPOLLOUT | EPOLLRDHUP | EPOLLET },
	{ "PRI", EPOLLPRI },
	{ "PRI ET", EPOLLPRI | EPOLLET },
	{ "RDHUP ET", EPOLLRDHUP | EPOLLET },
	{ "ET alone", EPOLLET },
	{ "ONESHOT alone", EPOLLONESHOT },
	{ "all", ALL },
	{ "all ET", ALL | EPOLLET },
	{ "all ET ONESHOT", ALL | EPOLLET | EPOLLONESHOT },
};

/* "WHAT events" or "WHAT -", without a line end; waits with a timeout of 0. */
static void look(const char *what)
{
	struct epoll_event ev[4];
	int r = epoll_wait(ep, ev, 4, 0);

	say(" %s", what);
	if (r < 0)
		say(" %s", strerrorname_np(errno));
	else if (r == 0)
		say(" -");
	for (int i = 0; i < r; i++)
		say(" %s%s", poll_names((int)ev[i].events),
		    ev[i].data.u64 == 77 ? "" : " WRONG DATA");
	say(";");
}

static void twice(const char *what)
{
	look(what);
	look("again");
}

static void change(const char *what, int op, unsigned events)
{
	struct epoll_event ev = { .events = events, .data.u64 = 77 };

	if (epoll_ctl(ep, op, fd, &ev) < 0)
		say(" %s %s;", what, strerrorname_np(errno));
}

static void arrivals(int seed, int count)
{
	peer_sends(PORT, 20, seed, count);
}

static void read_one(void)
{
	if (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) < 0)
		say(" recv %s;", strerrorname_np(errno));
}

static void read_all(void)
{
	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) >= 0)
		;
}

/* A datagram of ours that leaves; the buffer it had is free again. */
static void send_one(void)
{
	if (send_to(fd, "x", 1, 0, "P1", PPORT) != 1)
		say(" send FAILED;");
	peer("recv 0 500");
	pause_ms(5);
}

static void script(const char *name, unsigned events)
{
	say("%s:", name);
	change("add", EPOLL_CTL_ADD, events);
	twice("idle");
	arrivals(1, 1);
	twice("one");
	arrivals(2, 1);
	twice("two");
	read_one();
	twice("partly read");
	arrivals(3, 2);
	twice("more");
	change("mod", EPOLL_CTL_MOD, events);
	twice("mod while ready");
	read_all();
	twice("read");
	send_one();
	twice("sent");
	arrivals(4, 1);
	send_one();
	twice("arrival and sent");
	read_all();
	twice("read again");
	arrivals(6, 1);
	read_all();
	twice("arrived and read");
	change("mod", EPOLL_CTL_MOD, events);
	twice("mod while idle");
	arrivals(5, 1);
	twice("one");
	change("del", EPOLL_CTL_DEL, 0);
	look("deleted");
	change("add", EPOLL_CTL_ADD, events);
	twice("added while ready");
	change("del", EPOLL_CTL_DEL, 0);
	read_all();
	say("\n");
}

/* A member's events are narrowed or widened while datagrams are queued. */
static void transitions(void)
{
	static const unsigned steps[] = { EPOLLIN,
					  EPOLLIN | EPOLLET,
					  EPOLLOUT,
					  EPOLLIN | EPOLLOUT | EPOLLET,
					  0,
					  EPOLLIN | EPOLLONESHOT,
					  EPOLLOUT | EPOLLONESHOT,
					  EPOLLET,
					  EPOLLRDNORM };

	say("-- from one mask to another\n");
	for (size_t a = 0; a < NLEN(steps); a++) {
		arrivals((int)a, 1);
		for (size_t b = 0; b < NLEN(steps); b++) {
			say("%zx to %zx:", a, b);
			change("add", EPOLL_CTL_ADD, steps[a]);
			look("first");
			change("mod", EPOLL_CTL_MOD, steps[b]);
			twice("then");
			change("del", EPOLL_CTL_DEL, 0);
			say("\n");
		}
		read_all();
	}
}

/* A one-shot member that has been reported is silent until it is armed again, also about errors. */
static void spent(unsigned events)
{
	struct epoll_event other = { .events = EPOLLIN, .data.u64 = 78 };
	int pipes[2];

	say("-- an error after the shot:");
	change("add", EPOLL_CTL_ADD, events);
	arrivals(1, 1);
	look("arrival");
	must("connect", connect_to(fd, "P1", CLOSED));
	res("send", send(fd, buf, 1, 0));
	pause_ms(60);
	must("pipe", pipe(pipes));
	must("write", (int)write(pipes[1], "x", 1) - 1);
	must("add", epoll_ctl(ep, EPOLL_CTL_ADD, pipes[0], &other));
	say(" one event: %d,", epoll_wait(ep, &other, 1, 0));
	say(" of %d;", (int)other.data.u64);
	close(pipes[0]);
	close(pipes[1]);
	twice("error");
	arrivals(2, 1);
	look("both");
	change("mod", EPOLL_CTL_MOD, events);
	twice("armed");
	change("mod", EPOLL_CTL_MOD, events);
	look("armed again");
	read_one();
	read_all();
	change("mod", EPOLL_CTL_MOD, events);
	look("read");
	change("del", EPOLL_CTL_DEL, 0);
	must("disconnect",
	     connect(fd, &(struct sockaddr){ .sa_family = AF_UNSPEC }, sizeof(struct sockaddr)));
	say("\n");
}

int main(void)
{
	cf_start();
	ep = epoll_create1(0);
	fd = bound("L1", PORT);
	send_one();
	for (size_t i = 0; i < NLEN(masks); i++)
		script(masks[i].name, masks[i].events);
	transitions();
	spent(EPOLLIN | EPOLLONESHOT);
	spent(EPOLLIN | EPOLLET | EPOLLONESHOT);
	return 0;
}
