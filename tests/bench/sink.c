// SPDX-License-Identifier: BSD-3-Clause
/*
 * sink.c - a plain UDP receiver that counts: the unmodified program whose receive rate is compared with and without
 * the preload.
 *
 * The clock starts --warmup after the first datagram and runs for --seconds. Prints one line:
 *     DATAGRAMS SECONDS RATE BYTES TOTAL
 * where DATAGRAMS and BYTES are those within the window and TOTAL all that were received since the start.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <sys/epoll.h>

#include "bench.h"

#define BATCH 64
#define BUF_SIZE 2048
#define WAIT_MS 200

struct sink {
	int fd, epfd;
	uint64_t warmup_ns, window_ns, give_up_ns;
	uint64_t started, opens, closes; /* times; opens is 0 until the first datagram */
	uint64_t datagrams, bytes, total;
	uint64_t unchecked; /* datagrams since the clock was looked at */
};

static char buffers[BATCH][BUF_SIZE];

/* Counts @n datagrams of @bytes together; false when the window has closed. */
static bool sink_count(struct sink *s, uint64_t n, uint64_t bytes)
{
	uint64_t now;

	s->total += n;
	s->datagrams += n;
	s->bytes += bytes;
	s->unchecked += n;
	if (n && s->opens && s->unchecked < BATCH)
		return true;
	s->unchecked = 0;
	now = bench_now();
	if (!s->opens) {
		if (!n)
			return !bench_stopped && now - s->started < s->give_up_ns;
		s->opens = now + s->warmup_ns;
	}
	if (!s->closes && now >= s->opens) {
		s->opens = now;
		s->closes = now + s->window_ns;
		s->datagrams = s->bytes = 0;
	}
	if (s->closes && now >= s->closes)
		s->closes = now;
	return !bench_stopped && !(s->closes && now >= s->closes);
}

/* One receive call with @flags; like sink_count(). */
static bool sink_recvfrom(struct sink *s, int flags)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(s->fd, buffers[0], BUF_SIZE, flags, (struct sockaddr *)&from, &len);

	if (n < 0 && !bench_nothing_came())
		bench_die("recvfrom: %s", strerror(errno));
	return sink_count(s, n >= 0, n < 0 ? 0 : (uint64_t)n);
}

static void run_recvfrom(struct sink *s)
{
	while (sink_recvfrom(s, 0))
		;
}

static void run_recvmsg(struct sink *s)
{
	struct iovec iov = { buffers[0], BUF_SIZE };
	struct sockaddr_storage from;
	ssize_t n;

	do {
		struct msghdr msg = { .msg_name = &from,
				      .msg_namelen = sizeof(from),
				      .msg_iov = &iov,
				      .msg_iovlen = 1 };

		n = recvmsg(s->fd, &msg, 0);
		if (n < 0 && !bench_nothing_came())
			bench_die("recvmsg: %s", strerror(errno));
	} while (sink_count(s, n >= 0, n < 0 ? 0 : (uint64_t)n));
}

static void run_recvmmsg(struct sink *s)
{
	static struct mmsghdr msgs[BATCH];
	static struct iovec iov[BATCH];
	uint64_t bytes;
	int n, i;

	for (i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){ buffers[i], BUF_SIZE };
		msgs[i].msg_hdr = (struct msghdr){ .msg_iov = &iov[i], .msg_iovlen = 1 };
	}
	do {
		n = recvmmsg(s->fd, msgs, BATCH, MSG_WAITFORONE, NULL);
		if (n < 0 && !bench_nothing_came())
			bench_die("recvmmsg: %s", strerror(errno));
		for (bytes = 0, i = 0; i < n; i++)
			bytes += msgs[i].msg_len;
	} while (sink_count(s, n < 0 ? 0 : (uint64_t)n, bytes));
}

/* One wait, one datagram: how a level-triggered event loop receives. */
static void run_epoll(struct sink *s)
{
	struct epoll_event ev = { .events = EPOLLIN };
	bool more = true;

	s->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (s->epfd < 0 || epoll_ctl(s->epfd, EPOLL_CTL_ADD, s->fd, &ev))
		bench_die("epoll: %s", strerror(errno));
	while (more) {
		int n = epoll_wait(s->epfd, &ev, 1, WAIT_MS);

		if (n < 0 && errno != EINTR)
			bench_die("epoll_wait: %s", strerror(errno));
		more = n > 0 ? sink_recvfrom(s, MSG_DONTWAIT) : sink_count(s, 0, 0);
	}
}

static void run_poll(struct sink *s)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	bool more = true;

	while (more) {
		int n = poll(&pfd, 1, WAIT_MS);

		if (n < 0 && errno != EINTR)
			bench_die("poll: %s", strerror(errno));
		more = n > 0 ? sink_recvfrom(s, MSG_DONTWAIT) : sink_count(s, 0, 0);
	}
}

static const struct sink_mode {
	const char *name;
	void (*run)(struct sink *s);
} modes[] = {
	{ "recvfrom", run_recvfrom }, { "recvmsg", run_recvmsg }, { "recvmmsg", run_recvmmsg },
	{ "epoll", run_epoll },	      { "poll", run_poll },
};

static const struct sink_mode *mode_find(const char *name)
{
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcmp(modes[i].name, name))
			return &modes[i];
	bench_die("mode %s: not one of recvfrom recvmsg recvmmsg epoll poll", name);
}

static void __attribute__((noreturn)) usage(void)
{
	bench_die(
		"usage: sink [--address A] [--port N] [--mode recvfrom|recvmsg|recvmmsg|epoll|poll]\n"
		"            [--seconds S] [--warmup S] [--give-up S] [--rcvbuf BYTES] [--cpu N]");
}

static const struct option options[] = {
	{ "address", required_argument, NULL, 'a' },
	{ "port", required_argument, NULL, 'p' },
	{ "mode", required_argument, NULL, 'm' },
	{ "seconds", required_argument, NULL, 's' },
	{ "warmup", required_argument, NULL, 'w' },
	{ "give-up", required_argument, NULL, 'g' },
	{ "rcvbuf", required_argument, NULL, 'r' },
	{ "cpu", required_argument, NULL, 'c' },
	{ NULL, 0, NULL, 0 },
};

int main(int argc, char **argv)
{
	const struct sink_mode *mode = &modes[0];
	double seconds = 2, warmup = 0, give_up = 10, elapsed;
	const char *address = "0.0.0.0";
	int port = 9000, rcvbuf = 0, c;
	struct sink s = { .fd = -1 };

	while ((c = getopt_long(argc, argv, "a:p:m:s:w:g:r:c:", options, NULL)) != -1)
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
		case 'w':
			warmup = bench_number("warmup", optarg, 0, 60);
			break;
		case 'g':
			give_up = bench_number("give-up", optarg, 0.1, 3600);
			break;
		case 'r':
			rcvbuf = (int)bench_number("rcvbuf", optarg, 1, 1 << 30);
			break;
		case 'c':
			bench_pin((int)bench_number("cpu", optarg, 0, 1023));
			break;
		default:
			usage();
		}
	bench_catch_signals();
	s.fd = bench_udp_server(address, port, WAIT_MS, rcvbuf);
	s.started = bench_now();
	s.warmup_ns = (uint64_t)(warmup * BENCH_NS);
	s.window_ns = (uint64_t)(seconds * BENCH_NS);
	s.give_up_ns = (uint64_t)(give_up * BENCH_NS);
	mode->run(&s);
	elapsed =
		s.closes ? bench_seconds((s.closes < bench_now() ? s.closes : bench_now()) - s.opens)
			 : 0;
	printf("%llu %.3f %.0f %llu %llu\n", (unsigned long long)s.datagrams, elapsed,
	       elapsed > 0 ? (double)s.datagrams / elapsed : 0, (unsigned long long)s.bytes,
	       (unsigned long long)s.total);
	return s.total ? 0 : 1;
}
