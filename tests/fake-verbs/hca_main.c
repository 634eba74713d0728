/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hca_main.c - fake_hca: an RDMA NIC as a process, for the fake libibverbs.so.1.
 *
 *   fake_hca -s SOCKET -w WIRE -k KERNEL [-n IFINDEX] [option...]
 *     -s  where programs find it (FAKE_VERBS)     -n  the netdev's index, in the programs' namespace
 *     -w, -k  an interface in this namespace, or a descriptor number: a datagram socket that carries frames
 *     -o mlx4 | no-steering | no-raw | no-checksums | infiniband | no-clock | no-clock-page
 *     -r RULES    -i INLINE    -q WORK_REQUESTS
 *
 * SIGUSR1 removes the device, or brings it back; SIGUSR2 takes the port down, or up. Prints "ready", and what it did.
 * Ends when its standard input does.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/fake-verbs/hca.h"

#define BATCH 64

struct hca hca;

static void die(const char *what)
{
	perror(what);
	exit(2);
}

/* Frames of an interface, complete: checksums left to hardware must be switched off at the other ends. */
static int open_interface(const char *name)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_ALL),
				  .sll_ifindex = (int)if_nametoindex(name) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)), size = 8 << 20,
	    on = 1;

	if (fd < 0 || !at.sll_ifindex || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		die(name);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
	setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on));
	return fd;
}

static int open_side(const char *what)
{
	char *end;
	long fd = strtol(what, &end, 10);

	return *what && !*end ? (int)fd : open_interface(what);
}

static int listen_at(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (strlen(path) >= sizeof(at.sun_path))
		die(path);
	strcpy(at.sun_path, path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 64) < 0)
		die(path);
	return fd;
}

static void watch(int fd, void *what)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = what };

	/* EPERM: standard input is a file. */
	if (epoll_ctl(hca.epoll, EPOLL_CTL_ADD, fd, &event) < 0 && errno != EPERM)
		die("epoll");
}

static void accept_client(void)
{
	int fd = accept4(hca.listener, NULL, NULL, SOCK_CLOEXEC);
	struct ucred peer;
	socklen_t len = sizeof(peer);
	struct client *c;

	if (fd < 0)
		return;
	c = calloc(1, sizeof(*c));
	c->fd = fd;
	c->events = -1;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0)
		c->pid = peer.pid;
	LIST_INSERT_HEAD(&hca.clients, c, link);
	watch(fd, c);
}

/* A frame, and when it was sent (CLOCK_REALTIME ns; 0: not known). */
static ssize_t read_frame(int fd, uint8_t *frame, uint64_t *sent)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct timespec))];
	} control;
	struct iovec iov = { frame, FRAME_MAX };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	ssize_t len = recvmsg(fd, &msg, MSG_DONTWAIT);
	struct cmsghdr *c = len > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
	struct timespec ts;

	*sent = 0;
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPNS) {
		memcpy(&ts, CMSG_DATA(c), sizeof(ts));
		*sent = (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
	}
	return len;
}

/* What the kernel and queue pairs send leaves in the order in which they sent it. */
bool hca_pump(void)
{
	static uint8_t frame[FRAME_MAX];
	bool some = false;
	uint64_t sent;
	ssize_t len;

	for (int i = 0; i < BATCH && (len = read_frame(hca.kernel, frame, &sent)) > 0; i++) {
		hca_send_before(sent);
		if (!hca.down)
			hca_to(hca.wire, frame, (size_t)len);
		some = true;
	}
	some |= hca_send_before(UINT64_MAX);
	for (int i = 0; i < BATCH && (len = read_frame(hca.wire, frame, &sent)) > 0; i++) {
		hca_from_wire(frame, (size_t)len);
		some = true;
	}
	return some;
}

static void set_port(bool down)
{
	struct client *c;

	hca.down = down;
	LIST_FOREACH(c, &hca.clients, link)
		hca_event(c, down ? IBV_EVENT_PORT_ERR : IBV_EVENT_PORT_ACTIVE);
}

static void take_signal(int fd)
{
	struct signalfd_siginfo info;

	if (read(fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (info.ssi_signo == SIGUSR2) {
		set_port(!hca.down);
		puts(hca.down ? "port down" : "port up");
	} else if (hca.removed) {
		hca.removed = false;
		puts("device is back");
	} else {
		hca_remove();
		puts("device removed");
	}
}

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Work queues are polled; before a sleep the processes are told to ring. */
static int wait_events(struct epoll_event *events, int max)
{
	int n;

	if (hca_pump())
		return epoll_wait(hca.epoll, events, max, 0);
	hca_sleep(true);
	n = epoll_wait(hca.epoll, events, max, hca_posted() ? 0 : -1);
	hca_sleep(false);
	return n;
}

static struct client *client_of(void *what)
{
	struct client *c;

	LIST_FOREACH(c, &hca.clients, link)
		if (c == what)
			return c;
	return NULL;
}

static void serve(void)
{
	struct epoll_event events[BATCH];
	int n;

	for (;;) {
		n = wait_events(events, BATCH);
		for (int i = 0; i < n; i++) {
			void *what = events[i].data.ptr;
			struct client *c;

			if (what == &hca.listener)
				accept_client();
			else if (what == &hca.wire || what == &hca.kernel)
				continue; /* for hca_pump() */
			else if (what == &hca.signals)
				take_signal(hca.signals);
			else if (what == stdin)
				return;
			else if ((c = client_of(what)))
				hca_command(c);
		}
	}
}

static void set_option(const char *name)
{
	struct options *o = &hca.options;
	const struct {
		const char *name;
		bool *flag;
	} known[] = { { "mlx4", &o->mlx4 },
		      { "no-steering", &o->no_steering },
		      { "no-raw", &o->no_raw },
		      { "no-checksums", &o->no_checksums },
		      { "infiniband", &o->infiniband },
		      { "no-clock", &o->no_clock },
		      { "no-clock-page", &o->no_page } };

	for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(name, known[i].name) == 0) {
			*known[i].flag = true;
			return;
		}
	errno = EINVAL;
	die(name);
}

int main(int argc, char **argv)
{
	int option;
	const char *path = NULL;

	hca.options = (struct options){ .max_inline = 256, .max_wr = 16384 };
	hca.wire = hca.kernel = -1;
	hca.signals = open_signals();
	while ((option = getopt(argc, argv, "s:w:k:n:o:r:i:q:")) > 0) {
		switch (option) {
		case 's':
			path = optarg;
			break;
		case 'w':
			hca.wire = open_side(optarg);
			break;
		case 'k':
			hca.kernel = open_side(optarg);
			break;
		case 'n':
			hca.options.ifindex = (unsigned)atoi(optarg);
			break;
		case 'o':
			set_option(optarg);
			break;
		case 'r':
			hca.options.rules = (unsigned)atoi(optarg);
			break;
		case 'i':
			hca.options.max_inline = (unsigned)atoi(optarg);
			break;
		case 'q':
			hca.options.max_wr = (unsigned)atoi(optarg);
			break;
		default:
			return 2;
		}
	}
	if (!path || hca.wire < 0 || hca.kernel < 0)
		return 2;
	hca.epoll = epoll_create1(EPOLL_CLOEXEC);
	hca.listener = listen_at(path);
	watch(hca.listener, &hca.listener);
	watch(hca.wire, &hca.wire);
	watch(hca.kernel, &hca.kernel);
	watch(hca.signals, &hca.signals);
	watch(0, stdin);
	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("ready");
	serve();
	return 0;
}
