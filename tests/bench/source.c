// SPDX-License-Identifier: BSD-3-Clause
/*
 * source.c - sends UDP datagrams through a kernel socket (or, preloaded, through the library), one by one or 64 at a time.
 *
 * Prints one line: SENT SECONDS RATE ERRORS. --rate 0 is as fast as it goes.
 */
#define _GNU_SOURCE
#include "bench.h"

#define BATCH 64
#define MAX_SIZE 1472

struct source {
	int fd;
	struct bench_addr to;
	bool batched;
	size_t size;
	double rate;
	uint64_t sent, errors;
};

static char payload[MAX_SIZE];

static void source_one(struct source *s)
{
	ssize_t n = sendto(s->fd, payload, s->size, 0, (struct sockaddr *)&s->to.ss, s->to.len);

	if (n < 0)
		s->errors++;
	else
		s->sent++;
}

static void source_batch(struct source *s)
{
	static struct mmsghdr msgs[BATCH];
	struct iovec iov = { payload, s->size };
	int n;

	for (int i = 0; i < BATCH; i++)
		msgs[i].msg_hdr = (struct msghdr){ .msg_name = &s->to.ss,
						   .msg_namelen = s->to.len,
						   .msg_iov = &iov,
						   .msg_iovlen = 1 };
	n = sendmmsg(s->fd, msgs, BATCH, 0);
	if (n < 0)
		s->errors++;
	else
		s->sent += (uint64_t)n;
}

/* Holds the average rate: waits, spinning, until the next datagram is due. */
static void source_pace(const struct source *s, uint64_t start)
{
	uint64_t due;

	if (s->rate <= 0)
		return;
	due = start + (uint64_t)((double)(s->sent + s->errors) / s->rate * BENCH_NS);
	while (bench_now() < due && !bench_stopped)
		;
}

static const struct option options[] = {
	{ "address", required_argument, NULL, 'a' }, { "port", required_argument, NULL, 'p' },
	{ "size", required_argument, NULL, 'l' },    { "seconds", required_argument, NULL, 's' },
	{ "rate", required_argument, NULL, 'r' },    { "mode", required_argument, NULL, 'm' },
	{ "cpu", required_argument, NULL, 'c' },     { NULL, 0, NULL, 0 },
};

int main(int argc, char **argv)
{
	struct source s = { .size = 18 };
	const char *address = "127.0.0.1";
	double seconds = 2;
	uint64_t start, now;
	int port = 9000, c;

	while ((c = getopt_long(argc, argv, "a:p:l:s:r:m:c:", options, NULL)) != -1)
		switch (c) {
		case 'a':
			address = optarg;
			break;
		case 'p':
			port = (int)bench_number("port", optarg, 1, 65535);
			break;
		case 'l':
			s.size = (size_t)bench_number("size", optarg, 0, MAX_SIZE);
			break;
		case 's':
			seconds = bench_number("seconds", optarg, 0.01, 3600);
			break;
		case 'r':
			s.rate = bench_number("rate", optarg, 0, 1e9);
			break;
		case 'm':
			s.batched = !strcmp(optarg, "sendmmsg");
			break;
		case 'c':
			bench_pin((int)bench_number("cpu", optarg, 0, 1023));
			break;
		default:
			bench_die("usage: source [--address A] [--port N] [--mode sendto|sendmmsg] [--size BYTES]\n"
				  "              [--rate N] [--seconds S] [--cpu N]");
		}
	bench_catch_signals();
	s.to = bench_parse_addr(address, port);
	s.fd = bench_udp_socket(&s.to);
	start = bench_now();
	while ((now = bench_now()) - start < (uint64_t)(seconds * BENCH_NS) && !bench_stopped) {
		if (s.batched)
			source_batch(&s);
		else
			source_one(&s);
		source_pace(&s, start);
	}
	printf("%llu %.3f %.0f %llu\n", (unsigned long long)s.sent, bench_seconds(now - start),
	       (double)s.sent / bench_seconds(now - start), (unsigned long long)s.errors);
	return s.sent ? 0 : 1;
}
