// SPDX-License-Identifier: BSD-3-Clause
/*
 * source.c - sends UDP datagrams through a kernel socket (or, preloaded, through the library), one by one or 64 at a time.
 *
 * Prints one line: SENT SECONDS RATE ERRORS. --rate 0 is as fast as it goes. --peers N: to N consecutive IPv4 addresses in turn.
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
	uint32_t first, peers; /* host byte order; 1: always the same */
	double rate;
	uint64_t sent, errors;
};

static char payload[MAX_SIZE];

static struct bench_addr *next_peer(struct source *s)
{
	static uint32_t at;

	if (s->peers > 1) {
		at = at + 1 < s->peers ? at + 1 : 0;
		((struct sockaddr_in *)&s->to.ss)->sin_addr.s_addr = htonl(s->first + at);
	}
	return &s->to;
}

static void source_one(struct source *s)
{
	const struct bench_addr *to = next_peer(s);
	ssize_t n = sendto(s->fd, payload, s->size, 0, (struct sockaddr *)&to->ss, to->len);

	if (n < 0)
		s->errors++;
	else
		s->sent++;
}

static void source_batch(struct source *s)
{
	static struct mmsghdr msgs[BATCH];
	static struct bench_addr to[BATCH];
	struct iovec iov = { payload, s->size };
	int n;

	for (int i = 0; i < BATCH; i++) {
		to[i] = *next_peer(s);
		msgs[i].msg_hdr = (struct msghdr){ .msg_name = &to[i].ss,
						   .msg_namelen = to[i].len,
						   .msg_iov = &iov,
						   .msg_iovlen = 1 };
	}
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
	{ "address", required_argument, NULL, 'a' },
	{ "port", required_argument, NULL, 'p' },
	{ "size", required_argument, NULL, 'l' },
	{ "seconds", required_argument, NULL, 's' },
	{ "rate", required_argument, NULL, 'r' },
	{ "mode", required_argument, NULL, 'm' },
	{ "cpu", required_argument, NULL, 'c' },
	{ "peers", required_argument, NULL, 'n' },
	{ NULL, 0, NULL, 0 },
};

int main(int argc, char **argv)
{
	struct source s = { .size = 18 };
	const char *address = "127.0.0.1";
	double seconds = 2;
	uint64_t start, now;
	int port = 9000, c;

	while ((c = getopt_long(argc, argv, "a:p:l:s:r:m:c:n:", options, NULL)) != -1)
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
		case 'n':
			s.peers = (uint32_t)bench_number("peers", optarg, 1, 1 << 24);
			break;
		default:
			bench_die("usage: source [--address A] [--port N] [--mode sendto|sendmmsg] [--size BYTES]\n"
				  "              [--rate N] [--seconds S] [--cpu N] [--peers N]");
		}
	bench_catch_signals();
	s.to = bench_parse_addr(address, port);
	if (s.peers > 1 && s.to.ss.ss_family != AF_INET)
		bench_die("--peers is for IPv4");
	s.first = ntohl(((struct sockaddr_in *)&s.to.ss)->sin_addr.s_addr);
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
