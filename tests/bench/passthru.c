// SPDX-License-Identifier: BSD-3-Clause
/*
 * passthru.c - nanoseconds of an intercepted call on a file descriptor that is none of the library's.
 *
 * Run it with and without the preload and subtract. Each figure is the median of many short batches, so that an
 * interrupt spoils one batch and not the figure. Prints one line per call: NAME NS.
 * --bind PORT opens a UDP socket on that port first, so that the library (when the port is chosen) is at work. --batches N: fewer,
 * for who counts instructions instead (count.sh).
 */
#define _GNU_SOURCE
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include "bench.h"

#define BATCHES 1501
#define CALLS 500

static int pair[2], epfd, batches = BATCHES;

static void call_read_bad(void)
{
	char b;
	ssize_t n = read(-1, &b, 1);

	(void)n;
}

static void call_recv(void)
{
	char b;

	recv(pair[0], &b, 1, MSG_DONTWAIT);
}

static void call_send(void)
{
	send(-1, "", 1, MSG_DONTWAIT);
}

static void call_poll(void)
{
	struct pollfd pfd = { .fd = pair[0], .events = POLLIN };

	poll(&pfd, 1, 0);
}

static void call_epoll_wait(void)
{
	struct epoll_event ev;

	epoll_wait(epfd, &ev, 1, 0);
}

static void call_ioctl(void)
{
	int n;

	ioctl(pair[0], FIONREAD, &n);
}

static void call_close_bad(void)
{
	close(-1);
}

static const struct passthru_case {
	const char *name;
	void (*call)(void);
} cases[] = {
	{ "read_badfd", call_read_bad },   { "recv_unix", call_recv },
	{ "send_badfd", call_send },	   { "poll_unix", call_poll },
	{ "epoll_wait", call_epoll_wait }, { "ioctl_unix", call_ioctl },
	{ "close_badfd", call_close_bad },
};

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static double passthru_median_ns(void (*call)(void))
{
	static uint64_t batch[BATCHES];

	for (int i = 0; i < batches; i++) {
		uint64_t start = bench_now();

		for (int k = 0; k < CALLS; k++)
			call();
		batch[i] = bench_now() - start;
	}
	qsort(batch, (size_t)batches, sizeof(batch[0]), compare_u64);
	return (double)batch[batches / 2] / CALLS;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "bind", required_argument, NULL, 'b' },
		{ "cpu", required_argument, NULL, 'c' },
		{ "batches", required_argument, NULL, 'n' },
		{ NULL, 0, NULL, 0 },
	};
	struct epoll_event ev = { .events = EPOLLIN };
	int c;

	while ((c = getopt_long(argc, argv, "b:c:n:", options, NULL)) != -1)
		switch (c) {
		case 'b':
			bench_udp_server("0.0.0.0", (int)bench_number("port", optarg, 1, 65535),
					 100, 0);
			break;
		case 'c':
			bench_pin((int)bench_number("cpu", optarg, 0, 1023));
			break;
		case 'n':
			batches = (int)bench_number("batches", optarg, 1, BATCHES);
			break;
		default:
			bench_die("usage: passthru [--bind PORT] [--cpu N] [--batches N]");
		}
	epfd = epoll_create1(EPOLL_CLOEXEC);
	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) || epfd < 0 ||
	    epoll_ctl(epfd, EPOLL_CTL_ADD, pair[0], &ev))
		bench_die("set-up: %s", strerror(errno));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		printf("%s %.1f\n", cases[i].name, passthru_median_ns(cases[i].call));
	return 0;
}
