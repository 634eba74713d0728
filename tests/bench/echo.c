// SPDX-License-Identifier: BSD-3-Clause
/*
 * echo.c - a plain UDP echo server: the unmodified program whose round trip is compared with and without the preload.
 *
 * Prints the number of datagrams it sent back when --seconds are over or SIGTERM comes.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <sys/epoll.h>

#include "bench.h"

#define BATCH 64
#define BUF_SIZE 2048
#define WAIT_MS 200
#define SPINS_PER_CLOCK 1024 /* idle turns of the spinning server between two looks at the clock */

struct echo {
	int fd;
	uint64_t ends, replies;
};

static char buffers[BATCH][BUF_SIZE];

static bool echo_goes_on(const struct echo *e)
{
	return !bench_stopped && bench_now() < e->ends;
}

/* Receives one datagram with @flags and sends it back; false when none came. */
static bool echo_one(struct echo *e, int flags)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(e->fd, buffers[0], BUF_SIZE, flags, (struct sockaddr *)&from, &len);

	if (n < 0) {
		if (!bench_nothing_came())
			bench_die("recvfrom: %s", strerror(errno));
		return false;
	}
	if (sendto(e->fd, buffers[0], (size_t)n, 0, (struct sockaddr *)&from, len) == n)
		e->replies++;
	return true;
}

static void run_block(struct echo *e)
{
	while (echo_one(e, 0) || echo_goes_on(e))
		if (bench_stopped)
			break;
}

static void run_spin(struct echo *e)
{
	unsigned idle = 0;

	while (!bench_stopped) {
		if (echo_one(e, MSG_DONTWAIT))
			continue;
		if (++idle % SPINS_PER_CLOCK == 0 && !echo_goes_on(e))
			break;
	}
}

static void run_epoll(struct echo *e)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int epfd = epoll_create1(EPOLL_CLOEXEC);

	if (epfd < 0 || epoll_ctl(epfd, EPOLL_CTL_ADD, e->fd, &ev))
		bench_die("epoll: %s", strerror(errno));
	while (echo_goes_on(e)) {
		int n = epoll_wait(epfd, &ev, 1, WAIT_MS);

		if (n < 0 && errno != EINTR)
			bench_die("epoll_wait: %s", strerror(errno));
		if (n > 0)
			echo_one(e, MSG_DONTWAIT);
	}
	close(epfd);
}

static void run_poll(struct echo *e)
{
	struct pollfd pfd = { .fd = e->fd, .events = POLLIN };

	while (echo_goes_on(e)) {
		int n = poll(&pfd, 1, WAIT_MS);

		if (n < 0 && errno != EINTR)
			bench_die("poll: %s", strerror(errno));
		if (n > 0)
			echo_one(e, MSG_DONTWAIT);
	}
}

static void run_mmsg(struct echo *e)
{
	static struct sockaddr_storage from[BATCH];
	static struct mmsghdr msgs[BATCH];
	static struct iovec iov[BATCH];
	int n, i, sent;

	while (echo_goes_on(e)) {
		for (i = 0; i < BATCH; i++) {
			iov[i] = (struct iovec){ buffers[i], BUF_SIZE };
			msgs[i].msg_hdr = (struct msghdr){ .msg_name = &from[i],
							   .msg_namelen = sizeof(from[i]),
							   .msg_iov = &iov[i],
							   .msg_iovlen = 1 };
		}
		n = recvmmsg(e->fd, msgs, BATCH, MSG_WAITFORONE, NULL);
		if (n < 0 && !bench_nothing_came())
			bench_die("recvmmsg: %s", strerror(errno));
		for (i = 0; i < n; i++)
			iov[i].iov_len = msgs[i].msg_len;
		for (i = 0; i < n; i += sent) {
			sent = sendmmsg(e->fd, &msgs[i], (unsigned)(n - i), 0);
			if (sent <= 0)
				break;
			e->replies += (uint64_t)sent;
		}
	}
}

static const struct echo_mode {
	const char *name;
	void (*run)(struct echo *e);
} modes[] = {
	{ "block", run_block }, { "spin", run_spin }, { "epoll", run_epoll },
	{ "poll", run_poll },	{ "mmsg", run_mmsg },
};

static const struct echo_mode *mode_find(const char *name)
{
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcmp(modes[i].name, name))
			return &modes[i];
	bench_die("mode %s: not one of block spin epoll poll mmsg", name);
}

static const struct option options[] = {
	{ "address", required_argument, NULL, 'a' }, { "port", required_argument, NULL, 'p' },
	{ "mode", required_argument, NULL, 'm' },    { "seconds", required_argument, NULL, 's' },
	{ "cpu", required_argument, NULL, 'c' },     { NULL, 0, NULL, 0 },
};

int main(int argc, char **argv)
{
	const struct echo_mode *mode = &modes[0];
	const char *address = "0.0.0.0";
	struct echo e = { .fd = -1 };
	double seconds = 3600;
	int port = 9000, c;

	while ((c = getopt_long(argc, argv, "a:p:m:s:c:", options, NULL)) != -1)
		switch (c) {
		case 'a':
			address = optarg;
			break;
		case 'p':
			port = (int)bench_number("port", optarg, 1, 65535);
			break;
		case 'm':
			mode = mode_find(optarg);
			break;
		case 's':
			seconds = bench_number("seconds", optarg, 0.01, 3600);
			break;
		case 'c':
			bench_pin((int)bench_number("cpu", optarg, 0, 1023));
			break;
		default:
			bench_die("usage: echo [--address A] [--port N] [--mode block|spin|epoll|poll|mmsg]\n"
				  "            [--seconds S] [--cpu N]");
		}
	bench_catch_signals();
	e.fd = bench_udp_server(address, port, WAIT_MS, 0);
	e.ends = bench_now() + (uint64_t)(seconds * BENCH_NS);
	mode->run(&e);
	printf("%llu\n", (unsigned long long)e.replies);
	return 0;
}
