/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * threads_change.c - one thread changes a socket or a set, again and again, while another one sends, receives and waits with it:
 * options, the connection, members of a set, closing while it is being bound. What counts is that nothing is lost or mixed
 * up, and how the socket is afterwards.
 */
/* expect: fast 100 */
/* variants: v4 v6 map b4 */
#include "lib.h"

#include <sched.h>
#include <stdatomic.h>

#define ROUNDS 40

static char buf[2048];
static int fd, other, ep;
static atomic_bool begun, over;

struct change {
	const char *name;
	void (*make)(int i);
};

static void either(int level, int name, int i, int one, int two)
{
	set_int(fd, level, name, i & 1 ? one : two);
}

static void change_options(int i)
{
	struct timeval tv = { 5 + (i & 1), 0 };

	either(SOL_SOCKET, SO_TIMESTAMP, i, 1, 0);
	either(SOL_SOCKET, SO_RXQ_OVFL, i, 1, 0);
	either(SOL_SOCKET, SO_RCVBUF, i, 200000, 100000);
	must("timeout", setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	if (wire4()) {
		either(IPPROTO_IP, IP_TTL, i, 11, 12);
		either(IPPROTO_IP, IP_TOS, i, 16, 0);
		either(IPPROTO_IP, IP_PKTINFO, i, 1, 0);
		either(IPPROTO_IP, IP_MTU_DISCOVER, i, IP_PMTUDISC_DO, IP_PMTUDISC_DONT);
	} else {
		either(IPPROTO_IPV6, IPV6_UNICAST_HOPS, i, 11, 12);
		either(IPPROTO_IPV6, IPV6_TCLASS, i, 16, 0);
		either(IPPROTO_IPV6, IPV6_RECVPKTINFO, i, 1, 0);
	}
}

static void change_flags(int i)
{
	int dup_fd = dup(fd);

	must("dup", dup_fd);
	either(SOL_SOCKET, SO_REUSEADDR, i, 1, 0);
	must("fcntl", fcntl(dup_fd, F_SETFL, O_RDWR | (i & 1 ? O_NOATIME : 0)));
	close(dup_fd);
}

/* Only the data of the member that has events may be reported, whatever takes the place of the other one. */
static void change_members(int i)
{
	struct epoll_event ev = { .events = EPOLLIN | (i & 2 ? EPOLLET : 0),
				  .data.u64 = 1000u + (unsigned)i };

	must("add", epoll_ctl(ep, EPOLL_CTL_ADD, other, &ev));
	must("mod", epoll_ctl(ep, EPOLL_CTL_MOD, other, &ev));
	must("del", epoll_ctl(ep, EPOLL_CTL_DEL, other, NULL));
}

/* A datagram finds its member wanting it or not; in the end it does want it. */
static void change_events(int i)
{
	struct epoll_event ev = { .events = EPOLLPRI, .data.u64 = 1 };

	(void)i;
	must("mod", epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev));
	ev.events = EPOLLIN;
	must("mod", epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev));
}

static void *changer(void *arg)
{
	const struct change *c = arg;

	for (int i = 0; !over || i % 2; i++) {
		c->make(i);
		begun = true;
	}
	return NULL;
}

static bool one_round(int i)
{
	fill(buf, 30, i);
	if (send_to(fd, buf, 30, 0, "P1", PPORT) != 30)
		return false;
	return recv(fd, buf, sizeof(buf), 0) == 30 && intact(buf, 30, i);
}

static bool one_waited_round(int i)
{
	struct epoll_event ev[4];
	int n;

	fill(buf, 30, i);
	if (send_to(fd, buf, 30, 0, "P1", PPORT) != 30)
		return false;
	n = epoll_wait(ep, ev, 4, 3000);
	if (n != 1 || ev[0].data.u64 != 1 || ev[0].events != EPOLLIN) {
		say("epoll_wait: %d, events %x data %llu\n", n, ev[0].events,
		    (unsigned long long)ev[0].data.u64);
		return false;
	}
	return recv(fd, buf, sizeof(buf), MSG_DONTWAIT) == 30 && intact(buf, 30, i);
}

static void meanwhile(const struct change *c, bool (*round)(int i))
{
	pthread_t t;
	int good = 0;

	say("-- %s\n", c->name);
	begun = over = false;
	must("thread", pthread_create(&t, NULL, changer, (void *)c) ? -1 : 0);
	while (!begun)
		sched_yield();
	peer_later(0, "echo 0 %d 3000", ROUNDS);
	for (int i = 0; i < ROUNDS; i++)
		good += round(i);
	over = true;
	pthread_join(t, NULL);
	say("%d of %d, peer %s\n", good, ROUNDS, peer_done());
}

static int value_of(int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	getsockopt(fd, level, name, &value, &len);
	return value;
}

/* The change that came last holds. */
static void afterwards(void)
{
	char control[256];
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };

	say("timestamp %d, peer: ", value_of(SOL_SOCKET, SO_TIMESTAMP));
	fill(buf, 30, 5);
	send_to(fd, buf, 30, 0, "P1", PPORT);
	say("%s\n", peer("recvx 0 1000"));
	peer("send 0 L1 %d 30 6 1", PORT);
	got("recvmsg", recvmsg(fd, &msg, 0), buf, sizeof(buf));
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
		say("  control message %d %d\n", c->cmsg_level, c->cmsg_type);
}

/* The peer hears all that is sent to it while the socket is connected to it and disconnected. */
static void *connecter(void *arg)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };

	(void)arg;
	while (!over) {
		must("connect", connect_to(fd, "P1", PPORT));
		must("disconnect", connect(fd, &none, sizeof(none)));
	}
	return NULL;
}

static void connected_meanwhile(void)
{
	pthread_t t;
	int good = 0;

	say("-- connect() and sendto()\n");
	over = false;
	must("thread", pthread_create(&t, NULL, connecter, NULL) ? -1 : 0);
	for (int i = 0; i < 100; i++) {
		fill(buf, 30, i);
		good += send_to(fd, buf, 30, 0, "P1", PPORT) == 30;
		usleep(200);
	}
	over = true;
	pthread_join(t, NULL);
	say("%d sent, peer: %s\n", good, peer("drain 0 100"));
	peer_sends(PORT, 20, 7, 1);
	drain("after", fd);
}

static atomic_int victim = -1;

static void *closer(void *arg)
{
	(void)arg;
	while (!over) {
		int f = atomic_exchange(&victim, -1), on = 1;

		if (f < 0)
			continue;
		setsockopt(f, SOL_SOCKET, SO_TIMESTAMP, &on, sizeof(on));
		/* To ThreadSanitizer close() under another thread's call is an error of the program; this it does not see. */
		close_range((unsigned)f, (unsigned)f, 0);
	}
	return NULL;
}

/* Whichever comes first; no socket is left on the port that could take a datagram. */
static void closed_meanwhile(void)
{
	pthread_t t;
	int strange = 0;

	say("-- bind() and close()\n");
	over = false;
	must("thread", pthread_create(&t, NULL, closer, NULL) ? -1 : 0);
	for (int i = 0; i < 200; i++) {
		int f = udp(0), r;

		victim = f;
		r = bind_to(f, "L1", (PORT + 1));
		/* The kernel may be late in giving the last one's port back. */
		if (r < 0 && errno != EBADF && errno != EADDRINUSE && !strange)
			strange = errno;
		while (victim >= 0)
			sched_yield();
		/* It may still be on its way into close(). */
		while (fcntl(f, F_GETFD) >= 0)
			sched_yield();
	}
	over = true;
	pthread_join(t, NULL);
	say("other errors: %s\n", strange ? strerrorname_np(strange) : "none");
	close(fd);
	fd = bound("L1", (PORT + 1));
	peer_sends((PORT + 1), 20, 8, 3);
	drain("after", fd);
}

int main(void)
{
	static const struct change options = { "options", change_options },
				   flags = { "flags", change_flags },
				   members = { "members of the set", change_members },
				   events = { "events of the member", change_events };
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 1 };

	cf_start();
	fd = bound("L1", PORT);
	other = bound("L1", (PORT + 1));
	meanwhile(&options, one_round);
	afterwards();
	meanwhile(&flags, one_round);
	ep = epoll_create1(0);
	must("epoll_ctl", epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	meanwhile(&members, one_waited_round);
	meanwhile(&events, one_waited_round);
	connected_meanwhile();
	close(other);
	closed_meanwhile();
	return 0;
}
