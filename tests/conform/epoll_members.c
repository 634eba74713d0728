/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * epoll_members.c - many members of one set: equal data, order, turns when there is little room, one socket several times, numbers
 * that are closed and used again, datagrams that come by both paths, sockets that are not bound yet.
 */
/* expect: fast 20 */
#include "lib.h"

static char buf[70000];
static int ep;

static void ctl(int op, int fd, unsigned events, uint64_t data)
{
	struct epoll_event ev = { .events = events, .data.u64 = data };

	if (epoll_ctl(ep, op, fd, &ev) < 0)
		say("epoll_ctl: %s\n", strerrorname_np(errno));
}

static int by_data(const void *a, const void *b)
{
	const struct epoll_event *x = a, *y = b;

	return x->data.u64 != y->data.u64 ? (x->data.u64 > y->data.u64) - (x->data.u64 < y->data.u64)
					  : (x->events > y->events) - (x->events < y->events);
}

/* The events of one call in one line, sorted unless their order is the point. */
static int look(const char *what, int max, bool sorted)
{
	struct epoll_event ev[32];
	int r = epoll_wait(ep, ev, max, 0);

	say("%s: %d", what, r);
	if (sorted && r > 0)
		qsort(ev, (size_t)r, sizeof(ev[0]), by_data);
	for (int i = 0; i < r; i++)
		say(" %llx %s;", (unsigned long long)ev[i].data.u64, poll_names((int)ev[i].events));
	say("\n");
	return r;
}

static void fresh_set(void)
{
	if (ep > 0)
		close(ep);
	ep = epoll_create1(0);
}

static void read_all(int fd)
{
	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) >= 0)
		;
}

static void arrival(int port)
{
	peer_sends(port, 20, 1, 1);
}

/* Members of every kind with one and the same data word: each has events of its own. */
static void equal_data(uint64_t data, unsigned flags)
{
	int a = bound("L1", PORT), b = bound("L1", PORT + 1), c = bound("L1", PORT + 2), p[2];
	uint64_t one = 1;
	int ev = eventfd(0, EFD_NONBLOCK);

	say("-- equal data %llx, flags %x\n", (unsigned long long)data, flags);
	fresh_set();
	must("pipe", pipe(p));
	ctl(EPOLL_CTL_ADD, a, EPOLLIN | flags, data);
	ctl(EPOLL_CTL_ADD, b, EPOLLIN | EPOLLOUT | flags, data);
	ctl(EPOLL_CTL_ADD, c, EPOLLIN | flags, data);
	ctl(EPOLL_CTL_ADD, p[0], EPOLLIN | flags, data);
	ctl(EPOLL_CTL_ADD, ev, EPOLLIN | EPOLLOUT | flags, data);
	look("idle", 32, true);
	arrival(PORT);
	look("first", 32, true);
	arrival(PORT + 1);
	must("write", write(p[1], "x", 1));
	must("write", write(ev, &one, 8));
	look("three more", 32, true);
	arrival(PORT + 2);
	arrival(PORT);
	look("all", 32, true);
	look("all again", 32, true);
	for (int i = 0; i < 3; i++)
		ctl(EPOLL_CTL_MOD, (int[]){ a, b, c }[i], EPOLLIN | flags, data);
	look("changed", 32, true);
	read_all(a);
	look("first read", 32, true);
	ctl(EPOLL_CTL_DEL, b, 0, 0);
	look("second deleted", 32, true);
	close(c);
	look("third closed", 32, true);
	close(a);
	close(b);
	close(p[0]);
	close(p[1]);
	close(ev);
	look("all closed", 32, true);
}

/* One socket by two datagrams, one of which comes in fragments and so by the kernel. */
static void both_paths(unsigned events, const char *name)
{
	int fd = bound("L1", PORT);

	say("-- both paths, %s\n", name);
	fresh_set();
	ctl(EPOLL_CTL_ADD, fd, events, 5);
	look("idle", 32, true);
	peer_sends(PORT, 5000, 1, 1);
	look("fragments", 32, true);
	look("again", 32, true);
	arrival(PORT);
	look("plain", 32, true);
	look("again", 32, true);
	ctl(EPOLL_CTL_MOD, fd, events, 6);
	look("changed, both queued", 32, true);
	look("again", 32, true);
	res("recv", recv(fd, buf, sizeof(buf), 0) > 0);
	look("one read", 32, true);
	peer_sends(PORT, 5000, 1, 1);
	arrival(PORT);
	look("both", 32, true);
	look("again", 32, true);
	read_all(fd);
	look("all read", 32, true);
	ctl(EPOLL_CTL_DEL, fd, 0, 0);
	peer_sends(PORT, 5000, 1, 1);
	arrival(PORT);
	ctl(EPOLL_CTL_ADD, fd, events, 7);
	look("added, both queued", 32, true);
	look("again", 32, true);
	close(fd);
	look("closed", 32, true);
}

/* Sockets are reported in the order in which they became ready, and again so. */
static void order(unsigned flags)
{
	static const int turns[][5] = { { 0, 1, 2, 3, 4 }, { 4, 3, 2, 1, 0 }, { 2, 4, 0, 3, 1 } };
	int fds[5];

	say("-- order, flags %x\n", flags);
	for (size_t t = 0; t < NLEN(turns); t++) {
		fresh_set();
		for (int i = 0; i < 5; i++) {
			fds[i] = bound("L1", PORT + i);
			ctl(EPOLL_CTL_ADD, fds[i], EPOLLIN | flags, (uint64_t)i);
		}
		for (int i = 0; i < 5; i++)
			arrival(PORT + turns[t][i]);
		look("first", 32, false);
		look("again", 32, false);
		look("two", 2, false);
		look("two more", 2, false);
		arrival(PORT + turns[t][2]);
		look("one has another", 32, false);
		for (int i = 0; i < 5; i++)
			close(fds[i]);
	}
}

/* With room for one event, each of the members that stay ready gets its turn before any has its second. */
static void turns(int sockets, int others, int room)
{
	int fds[8], evs[8], seen[16] = { 0 }, n = sockets + others, low = 99, high = 0, calls;
	struct epoll_event ev[8];

	fresh_set();
	for (int i = 0; i < sockets; i++) {
		fds[i] = bound("L1", PORT + i);
		ctl(EPOLL_CTL_ADD, fds[i], EPOLLIN, (uint64_t)i);
		peer("send 0 L1 %d 20 1 1", PORT + i);
	}
	for (int i = 0; i < others; i++) {
		evs[i] = eventfd(1, EFD_NONBLOCK);
		ctl(EPOLL_CTL_ADD, evs[i], EPOLLIN, (uint64_t)(sockets + i));
	}
	arrive();
	for (calls = 0; calls < 4 * n; calls++) {
		int r = epoll_wait(ep, ev, room, 0);

		if (r != room)
			say("%d events\n", r);
		for (int i = 0; i < r; i++)
			seen[ev[i].data.u64]++;
	}
	for (int i = 0; i < n; i++) {
		low = seen[i] < low ? seen[i] : low;
		high = seen[i] > high ? seen[i] : high;
	}
	say("-- turns of %d sockets and %d others, room for %d: %s, %s\n", sockets, others, room,
	    low >= 1 ? "all reported" : "SOME STARVED",
	    others && sockets ? "mixed"
	    : high - low <= 1 ? "evenly"
			      : "UNEVENLY");
	for (int i = 0; i < sockets; i++)
		close(fds[i]);
	for (int i = 0; i < others; i++)
		close(evs[i]);
}

/* A socket by two descriptors in one set, of which one goes, and the number is used again. */
static void descriptors(void)
{
	int fd = bound("L1", PORT), copy = dup(fd), other;

	say("-- descriptors\n");
	fresh_set();
	ctl(EPOLL_CTL_ADD, fd, EPOLLIN, 1);
	ctl(EPOLL_CTL_ADD, copy, EPOLLIN | EPOLLET, 2);
	arrival(PORT);
	look("two members", 32, true);
	look("level stays", 32, true);
	ctl(EPOLL_CTL_MOD, copy, EPOLLIN | EPOLLONESHOT, 3);
	look("one-shot", 32, true);
	look("spent", 32, true);
	close(copy);
	look("copy closed", 32, true);
	other = bound("L1", PORT + 1);
	say("number %s\n", other == copy ? "used again" : "NEW");
	ctl(EPOLL_CTL_ADD, other, EPOLLIN, 4);
	look("other socket, same number", 32, true);
	arrival(PORT + 1);
	look("both sockets", 32, true);
	ctl(EPOLL_CTL_MOD, other, EPOLLIN, 5);
	look("changed", 32, true);
	ctl(EPOLL_CTL_DEL, other, 0, 0);
	look("deleted", 32, true);
	close(other);
	close(fd);
	look("the one-shot of a closed number is left, spent", 32, true);
	fd = bound("L1", PORT + 2);
	ctl(EPOLL_CTL_ADD, fd, EPOLLIN, 6);
	arrival(PORT + 2);
	look("number once more", 32, true);
	other = bound("L1", PORT + 3);
	must("dup2", dup2(other, fd));
	look("replaced by dup2", 32, true);
	ctl(EPOLL_CTL_MOD, fd, EPOLLIN, 7);
	ctl(EPOLL_CTL_ADD, fd, EPOLLIN, 8);
	ctl(EPOLL_CTL_ADD, other, EPOLLIN, 9);
	arrival(PORT + 3);
	look("one socket twice", 32, true);
	close(fd);
	look("one of the two closed", 32, true);
	close(other);
	look("both closed", 32, true);
}

/* Members before they are bound, connected or chosen. */
static void states(void)
{
	int fd = udp(0), all = EPOLLIN | EPOLLOUT | EPOLLRDHUP;

	say("-- states\n");
	fresh_set();
	ctl(EPOLL_CTL_ADD, fd, (unsigned)all | EPOLLET, 1);
	look("fresh", 32, true);
	look("again", 32, true);
	must("bind", bind_to(fd, "L1", PORT));
	look("bound", 32, true);
	arrival(PORT);
	look("arrival", 32, true);
	look("again", 32, true);
	must("connect", connect_to(fd, "P1", PPORT));
	look("connected", 32, true);
	arrival(PORT);
	look("arrival", 32, true);
	read_all(fd);
	look("read", 32, true);
	must("shutdown", shutdown(fd, SHUT_RD));
	look("SHUT_RD", 32, true);
	look("again", 32, true);
	arrival(PORT);
	look("arrival", 32, true);
	read_all(fd);
	ctl(EPOLL_CTL_MOD, fd, (unsigned)all, 2);
	look("level", 32, true);
	arrival(PORT);
	look("arrival", 32, true);
	res("recv", recv(fd, buf, 10, MSG_DONTWAIT));
	must("shutdown", shutdown(fd, SHUT_RDWR));
	look("SHUT_RDWR", 32, true);
	ctl(EPOLL_CTL_MOD, fd, 0, 3);
	look("no wishes", 32, true);
	close(fd);
	look("closed", 32, true);
}

/* One socket in three sets with different modes, and a fourth set that is not looked at. */
static void several_sets(void)
{
	int fd = bound("L1", PORT), sets[4];
	static const unsigned modes[] = { EPOLLIN, EPOLLIN | EPOLLET, EPOLLIN | EPOLLONESHOT,
					  EPOLLIN | EPOLLEXCLUSIVE };

	say("-- several sets\n");
	for (int i = 0; i < 4; i++) {
		sets[i] = ep = epoll_create1(0);
		ctl(EPOLL_CTL_ADD, fd, modes[i], 0xfeed);
	}
	for (int round = 0; round < 3; round++) {
		if (round < 2)
			arrival(PORT);
		for (int i = 0; i < 4; i++) {
			ep = sets[i];
			look("set", 32, true);
			look("again", 32, true);
		}
		if (round)
			read_all(fd);
	}
	close(fd);
	for (int i = 0; i < 4; i++) {
		ep = sets[i];
		look("closed", 32, true);
		close(ep);
	}
	ep = 0;
}

/* Added before anything in the process was bound: reactors do it so. */
static void before_all(void)
{
	int fd = udp(SOCK_NONBLOCK), other = udp(SOCK_NONBLOCK);

	say("-- added before the first bind of the process\n");
	fresh_set();
	ctl(EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLET, 0x1111111111111111);
	ctl(EPOLL_CTL_ADD, other, EPOLLIN, 2);
	must("bind", bind_to(fd, "L1", PORT));
	look("bound", 8, true);
	arrival(PORT);
	look("arrived", 8, true);
	must("bind", bind_to(other, "L1", PORT + 1));
	read_all(fd);
	arrival(PORT);
	arrival(PORT + 1);
	look("both", 8, true);
	ctl(EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLONESHOT, 3);
	look("changed", 8, true);
	look("again", 8, true);
	close(fd);
	close(other);
}

int main(void)
{
	cf_start();
	before_all();
	equal_data(0, 0);
	equal_data(0x1234567812345678, EPOLLET);
	equal_data(3, EPOLLONESHOT);
	equal_data(0xa5c3b70000100001, 0);
	both_paths(EPOLLIN, "level");
	both_paths(EPOLLIN | EPOLLET, "edge");
	both_paths(EPOLLIN | EPOLLOUT | EPOLLET, "edge with OUT");
	both_paths(EPOLLIN | EPOLLONESHOT, "one-shot");
	order(0);
	order(EPOLLET);
	for (int room = 1; room < 4; room++) {
		turns(5, 0, room);
		turns(4, 1, room);
		turns(2, 3, room);
		turns(1, 6, room > 1 ? 2 : 1);
	}
	descriptors();
	states();
	several_sets();
	return 0;
}
