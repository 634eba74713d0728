/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * broker_hostile.c - a client of kbacceld that wants more than is its due. Speaks the protocol itself, without the library.
 *
 *   broker_hostile SOCKET IFNAME steal PORT      shows a socket on PORT, asks in its own table for every datagram of every port,
 *                                                and reports on standard input's lines: "count", "close" (the socket), "end"
 *   broker_hostile SOCKET IFNAME show PORT KIND  shows what it has no right to: tcp, unbound, cookie (of another socket), port
 *   broker_hostile SOCKET IFNAME nonsense        messages of all kinds; ends when the broker still answers a good one
 *   broker_hostile SOCKET IFNAME sniff           listens to everything by the packet socket that it sends by
 *   broker_hostile SOCKET IFNAME ask FRAMES      whether it gets a seat with that many frames
 *
 * The interface has to be in use already, so that the seat has a ring, whose position tells how many frames came.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "nic/steer_map.h"
#include "nic/xdp/xdp_broker.h"

static const char *path, *ifname;
static int broker, fds[BROKER_MAX_FDS];
static unsigned fd_count;
static struct broker_answer answer;
static struct steer_map *map;
static const volatile uint64_t *produced;

static void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(2);
}

static int connect_broker(void)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		die("connect");
	return fd;
}

static void send_fds(int fd, const void *data, size_t len, const int *list, unsigned n)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * 64)];
		struct cmsghdr align;
	} control = { .align = { .cmsg_level = SOL_SOCKET,
				 .cmsg_type = SCM_RIGHTS,
				 .cmsg_len = CMSG_LEN(n * sizeof(int)) } };
	struct iovec iov = { (void *)(uintptr_t)data, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	memcpy(CMSG_DATA(&control.align), list, n * sizeof(int));
	if (n) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
	}
	sendmsg(fd, &msg, MSG_NOSIGNAL);
}

static void receive_answer(void)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * BROKER_MAX_FDS)];
		struct cmsghdr align;
	} control;
	struct iovec iov = { &answer, sizeof(answer) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *c;

	if (recvmsg(broker, &msg, 0) != sizeof(answer))
		die("answer");
	c = CMSG_FIRSTHDR(&msg);
	if (!c)
		return;
	fd_count = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
	memcpy(fds, CMSG_DATA(c), fd_count * sizeof(int));
}

static int open_seat(unsigned frames)
{
	struct broker_open request = {
		.version = BROKER_VERSION, .rx_ring = 1024, .tx_ring = 256, .frames = frames
	};

	strcpy(request.ifname, ifname);
	broker = connect_broker();
	send_fds(broker, &request, sizeof(request), NULL, 0);
	receive_answer();
	return answer.err;
}

static int udp_on(int port)
{
	struct sockaddr_in6 sa = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);

	if (fd < 0 || (port && bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0))
		die("bind");
	return fd;
}

static uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len);
	return cookie;
}

static void show(uint64_t cookie, int fd)
{
	struct broker_own own = { .cookie = cookie, .on = 1 };

	send_fds(broker, &own, sizeof(own), &fd, 1);
	usleep(200000);
}

/* Every port, every address, whatever the sender, for a day. */
static void want_everything(void)
{
	for (unsigned i = 0; i < STEER_PORTS; i++)
		map->ports[i] = STEER_ANY4 | STEER_ANY6 | STEER_ANY46 | STEER_GROUP;
	map->lease_until = clock_ns() + 86400ull * NSEC_PER_SEC;
}

static void map_all(void)
{
	void *mem = mmap(NULL, sizeof(*map), PROT_READ | PROT_WRITE, MAP_SHARED, fds[0], 0);

	if (!answer.ring_size || mem == MAP_FAILED)
		die("no ring");
	map = mem;
	mem = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fds[2], 4096);
	if (mem == MAP_FAILED)
		die("ring");
	produced = mem;
}

static void say_count(uint64_t from)
{
	printf("frames %u\n", *produced != from);
	fflush(stdout);
}

static int steal(int port)
{
	int fd = udp_on(port);
	uint64_t seen;
	char line[32];

	if (open_seat(4096) < 0)
		die(answer.why);
	map_all();
	show(cookie_of(fd), fd);
	want_everything();
	seen = *produced;
	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		if (strncmp(line, "close", 5) == 0)
			close(fd);
		else if (strncmp(line, "count", 5) != 0)
			break;
		say_count(seen);
		seen = *produced;
	}
	return 0;
}

static int show_kind(int port, const char *kind)
{
	int fd = udp_on(port);

	if (open_seat(4096) < 0)
		die(answer.why);
	map_all();
	want_everything();
	if (strcmp(kind, "tcp") == 0)
		fd = socket(AF_INET, SOCK_STREAM, 0);
	else if (strcmp(kind, "unbound") == 0)
		fd = udp_on(0);
	show(strcmp(kind, "cookie") == 0 ? 1 : cookie_of(fd), fd);
	puts("ready");
	fflush(stdout);
	getchar();
	say_count(0);
	return 0;
}

static void one_nonsense(unsigned i)
{
	unsigned char junk[sizeof(struct broker_open) + 64];
	struct broker_own own = { .cookie = i, .on = i & 1 };
	int list[16], n = (int)(i % 17), fd;

	for (size_t k = 0; k < sizeof(junk); k++)
		junk[k] = (unsigned char)(rand() >> 8);
	for (int k = 0; k < 16; k++)
		list[k] = k % 3;
	if (i % 4 == 0 && open_seat(4096) == 0) {
		fd = broker;
	} else {
		fd = connect_broker();
		if (i % 3 == 0)
			memcpy(junk, &(struct broker_open){ .version = BROKER_VERSION }, 8);
	}
	send_fds(fd, junk, (size_t)rand() % sizeof(junk), list, (unsigned)n);
	send_fds(fd, &own, sizeof(own), list, (unsigned)n);
	if (i % 2)
		shutdown(fd, SHUT_WR);
	while (fd_count > 0)
		close(fds[--fd_count]);
	close(fd);
}

static int sniff(void)
{
	struct sockaddr_ll all = { .sll_family = AF_PACKET, .sll_protocol = htons(0x0003) };
	struct timeval limit = { .tv_sec = 2 };
	char frame[64];

	if (open_seat(4096) < 0 || !answer.ring_size || fd_count != 4)
		die("no packet socket");
	if (bind(fds[3], (struct sockaddr *)&all, sizeof(all)) < 0)
		die("bind");
	setsockopt(fds[3], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (setsockopt(fds[3], SOL_SOCKET, SO_DETACH_FILTER, NULL, 0) == 0)
		puts("the filter is off");
	puts("ready");
	fflush(stdout);
	printf("frames %d\n", recv(fds[3], frame, sizeof(frame), 0) >= 0);
	return 0;
}

static int nonsense(void)
{
	srand(1);
	for (unsigned i = 0; i < 60; i++) {
		one_nonsense(i);
		usleep(i % 4 ? 2000 : 20000);
	}
	usleep(300000);
	return open_seat(4096) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	if (argc < 4)
		return 2;
	path = argv[1];
	ifname = argv[2];
	if (strcmp(argv[3], "steal") == 0 && argc == 5)
		return steal(atoi(argv[4]));
	if (strcmp(argv[3], "show") == 0 && argc == 6)
		return show_kind(atoi(argv[4]), argv[5]);
	if (strcmp(argv[3], "sniff") == 0)
		return sniff();
	if (strcmp(argv[3], "nonsense") == 0)
		return nonsense();
	if (strcmp(argv[3], "ask") == 0 && argc == 5) {
		printf("%d %s\n", open_seat((unsigned)strtoul(argv[4], NULL, 0)), answer.why);
		return 0;
	}
	return 2;
}
