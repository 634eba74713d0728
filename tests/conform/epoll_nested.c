/* SPDX-License-Identifier: BSD-3-Clause */
/* epoll_nested.c - sets in sets, up to four deep and in every mixture of level, edge and one-shot; poll() and select() on them. */
/* expect: fast 60 */
#include "lib.h"

#define DEPTH 4

static char buf[2048];
static int fd, sets[DEPTH];

/* By bit: is the member at this depth edge-triggered? */
static void build(int depth, unsigned edges, unsigned extra)
{
	for (int i = 0; i < depth; i++) {
		struct epoll_event ev = { .events = EPOLLIN | (edges >> i & 1 ? EPOLLET : 0) | extra,
					  .data.u64 = (uint64_t)i };

		sets[i] = epoll_create1(0);
		must("add", epoll_ctl(sets[i], EPOLL_CTL_ADD, i ? sets[i - 1] : fd, &ev));
	}
}

static void tear_down(int depth)
{
	for (int i = depth; i-- > 0;)
		close(sets[i]);
}

static const char *look(int set)
{
	static char text[32];
	struct epoll_event ev[4];
	int r = epoll_wait(sets[set], ev, 4, 0);

	snprintf(text, sizeof(text), "%d%s%s", r, r > 0 ? " " : "",
		 r > 0 ? poll_names((int)ev[0].events) : "");
	return text;
}

static void arrival(void)
{
	peer("send 0 L1 %d 20 1 1", PORT);
	pause_ms(8);
}

static void read_all(void)
{
	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) >= 0)
		;
}

static const char *polled(int set)
{
	struct pollfd p = { .fd = sets[set], .events = POLLIN | POLLOUT | POLLRDNORM };
	int r = poll(&p, 1, 0);
	fd_set rd;
	static char text[64];

	FD_ZERO(&rd);
	FD_SET(sets[set], &rd);
	snprintf(text, sizeof(text), "%s/%d", r ? poll_names(p.revents) : "0",
		 select(sets[set] + 1, &rd, NULL, NULL, &(struct timeval){ 0, 0 }));
	return text;
}

/* Only the outermost set is waited on. */
static void outer_only(int depth, unsigned edges)
{
	build(depth, edges, 0);
	say("depth %d edges %x, outermost:", depth, edges);
	say(" idle %s;", look(depth - 1));
	arrival();
	say(" poll %s;", polled(depth - 1));
	say(" one %s;", look(depth - 1));
	say(" again %s;", look(depth - 1));
	say(" poll %s;", polled(depth - 1));
	arrival();
	say(" another %s;", look(depth - 1));
	say(" again %s;", look(depth - 1));
	read_all();
	say(" read %s;", look(depth - 1));
	say(" poll %s;", polled(depth - 1));
	arrival();
	read_all();
	say(" arrived and read %s;", look(depth - 1));
	arrival();
	say(" a last one %s\n", look(depth - 1));
	read_all();
	tear_down(depth);
}

/* From the outermost to the innermost, as an event loop of event loops does it. */
static void outside_in(int depth, unsigned edges, unsigned extra)
{
	build(depth, edges, extra);
	say("depth %d edges %x extra %x, outside in:", depth, edges, extra);
	for (int round = 0; round < 3; round++) {
		arrival();
		for (int i = depth; i-- > 0;)
			say(" %s", look(i));
		say(";");
		for (int i = depth; i-- > 0;)
			say(" %s", look(i));
		say(";");
		if (round == 1)
			read_all();
	}
	read_all();
	say(" read:");
	for (int i = depth; i-- > 0;)
		say(" %s", look(i));
	say("\n");
	tear_down(depth);
}

static void inside_out(int depth, unsigned edges)
{
	build(depth, edges, 0);
	say("depth %d edges %x, inside out:", depth, edges);
	for (int round = 0; round < 2; round++) {
		arrival();
		for (int i = 0; i < depth; i++)
			say(" %s", look(i));
		say(";");
	}
	read_all();
	for (int i = 0; i < depth; i++)
		say(" %s", look(i));
	say("\n");
	tear_down(depth);
}

/* The outermost set sleeps while a datagram comes. */
static void sleeps(int depth, unsigned edges)
{
	struct epoll_event ev;
	struct pollfd p;

	build(depth, edges, 0);
	peer_later(30, "send 0 L1 %d 20 1 1", PORT);
	say("depth %d edges %x sleeps: epoll_wait %d", depth, edges,
	    epoll_wait(sets[depth - 1], &ev, 1, 3000));
	peer_done();
	read_all();
	p = (struct pollfd){ .fd = sets[depth - 1], .events = POLLIN };
	peer_later(30, "send 0 L1 %d 20 1 1", PORT);
	say(", poll %d\n", poll(&p, 1, 3000));
	peer_done();
	read_all();
	tear_down(depth);
}

/* Changes inside, seen from outside. */
static void changes(void)
{
	struct epoll_event ev = { .events = EPOLLIN };

	say("-- changes\n");
	build(2, 0, 0);
	arrival();
	say("ready %s\n", look(1));
	must("mod", epoll_ctl(sets[0], EPOLL_CTL_MOD, fd, &(struct epoll_event){ .events = 0 }));
	say("inner wants nothing %s\n", look(1));
	must("mod", epoll_ctl(sets[0], EPOLL_CTL_MOD, fd, &ev));
	say("inner wants IN %s\n", look(1));
	must("del", epoll_ctl(sets[0], EPOLL_CTL_DEL, fd, NULL));
	say("inner is empty %s\n", look(1));
	must("add", epoll_ctl(sets[0], EPOLL_CTL_ADD, fd, &ev));
	say("inner has it again %s\n", look(1));
	must("add", epoll_ctl(sets[1], EPOLL_CTL_ADD, fd, &ev));
	say("socket in both %s\n", look(1));
	must("del", epoll_ctl(sets[1], EPOLL_CTL_DEL, sets[0], NULL));
	say("without the inner set %s\n", look(1));
	res("a circle", epoll_ctl(sets[0], EPOLL_CTL_ADD, sets[0], &ev));
	must("add", epoll_ctl(sets[1], EPOLL_CTL_ADD, sets[0], &ev));
	res("a larger circle", epoll_ctl(sets[0], EPOLL_CTL_ADD, sets[1], &ev));
	close(sets[0]);
	say("inner closed %s\n", look(1));
	read_all();
	say("read %s\n", look(1));
	close(sets[1]);
}

static void too_deep(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int e[8], r = 0;

	for (int i = 0; i < 8; i++) {
		e[i] = epoll_create1(0);
		r = epoll_ctl(e[i], EPOLL_CTL_ADD, i ? e[i - 1] : fd, &ev);
		say("level %d: %s\n", i, r ? strerrorname_np(errno) : "ok");
	}
	for (int i = 0; i < 8; i++)
		close(e[i]);
}

int main(void)
{
	cf_start();
	fd = bound("L1", PORT);
	for (int depth = 1; depth <= DEPTH; depth++) {
		for (unsigned edges = 0; edges < 1u << depth; edges++) {
			if (depth == 3 && edges % 3 == 1)
				continue;
			if (depth == 4 && edges != 0 && edges != 15 && edges != 5 && edges != 8)
				continue;
			outer_only(depth, edges);
			outside_in(depth, edges, 0);
			inside_out(depth, edges);
		}
		outside_in(depth, 0, EPOLLONESHOT);
		outside_in(depth, 1, EPOLLONESHOT);
		sleeps(depth, 0);
		sleeps(depth, (1u << depth) - 1);
	}
	changes();
	too_deep();
	return 0;
}
