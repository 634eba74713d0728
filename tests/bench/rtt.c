// SPDX-License-Identifier: BSD-3-Clause
/*
 * rtt.c - ping-pong client over a kernel socket, spinning, so that what changes between two runs is the server.
 *
 * Every round trip is kept and sorted: percentiles are exact. Prints one line, times in microseconds:
 *     P50 P90 P99 P99.9 ROUNDTRIPS LOST SENT
 * The first --warmup seconds count in SENT only. Each datagram carries its number; every byte of a reply is compared.
 */
#define _GNU_SOURCE
#include "bench.h"

#define MAX_SAMPLES (1u << 22)
#define MAX_SIZE 1472
#define LOST_NS (BENCH_NS / 5) /* no reply for this long: lost */

struct rtt {
	int fd;
	size_t size;
	uint32_t *samples; /* ns */
	size_t count;
	uint64_t sent, lost;
	unsigned char request[MAX_SIZE], reply[MAX_SIZE + 1];
};

/* Waits for the reply to the request; its time in ns, or 0 when it is lost. */
static uint64_t rtt_wait(struct rtt *r, uint64_t sent_at)
{
	for (;;) {
		ssize_t n = recv(r->fd, r->reply, sizeof(r->reply), MSG_DONTWAIT);
		uint64_t now = bench_now();

		if (n == (ssize_t)r->size && !memcmp(r->reply, r->request, r->size))
			return now - sent_at;
		if (n == (ssize_t)r->size && !memcmp(r->reply + 8, r->request + 8, r->size - 8))
			continue; /* a late reply to one that was given up */
		if (n >= 0)
			bench_die("reply of %zd bytes differs from the request of %zu", n, r->size);
		if (errno == ECONNREFUSED || now - sent_at > LOST_NS || bench_stopped)
			return 0;
	}
}

static uint64_t rtt_once(struct rtt *r)
{
	uint64_t sent_at, ns;

	memcpy(r->request, &r->sent, sizeof(r->sent));
	r->sent++;
	sent_at = bench_now();
	if (send(r->fd, r->request, r->size, 0) < 0) {
		usleep(1000); /* refused: the server is not up yet */
		ns = 0;
	} else {
		ns = rtt_wait(r, sent_at);
	}
	return ns;
}

static void rtt_run(struct rtt *r, double warmup, double seconds)
{
	uint64_t start = bench_now(), counts = start + (uint64_t)(warmup * BENCH_NS);
	uint64_t ends = counts + (uint64_t)(seconds * BENCH_NS), now;

	while ((now = bench_now()) < ends && !bench_stopped && r->count < MAX_SAMPLES) {
		uint64_t ns = rtt_once(r);

		if (now < counts)
			continue;
		if (ns)
			r->samples[r->count++] = (uint32_t)ns;
		else
			r->lost++;
	}
}

static int compare_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static double rtt_percentile_us(const struct rtt *r, double p)
{
	size_t i = (size_t)(p / 100 * (double)r->count);

	return r->samples[i < r->count ? i : r->count - 1] / 1000.0;
}

static const struct option options[] = {
	{ "address", required_argument, NULL, 'a' },
	{ "port", required_argument, NULL, 'p' },
	{ "size", required_argument, NULL, 'l' },
	{ "seconds", required_argument, NULL, 's' },
	{ "warmup", required_argument, NULL, 'w' },
	{ "cpu", required_argument, NULL, 'c' },
	{ NULL, 0, NULL, 0 },
};

int main(int argc, char **argv)
{
	const char *address = "127.0.0.1";
	double seconds = 2, warmup = 0.2;
	struct rtt r = { .size = 18 };
	struct bench_addr to;
	int port = 9000, c;

	while ((c = getopt_long(argc, argv, "a:p:l:s:w:c:", options, NULL)) != -1)
		switch (c) {
		case 'a':
			address = optarg;
			break;
		case 'p':
			port = (int)bench_number("port", optarg, 1, 65535);
			break;
		case 'l':
			r.size = (size_t)bench_number("size", optarg, 8, MAX_SIZE);
			break;
		case 's':
			seconds = bench_number("seconds", optarg, 0.01, 3600);
			break;
		case 'w':
			warmup = bench_number("warmup", optarg, 0, 60);
			break;
		case 'c':
			bench_pin((int)bench_number("cpu", optarg, 0, 1023));
			break;
		default:
			bench_die("usage: rtt [--address A] [--port N] [--size BYTES] [--seconds S] [--warmup S]\n"
				  "           [--cpu N]");
		}
	bench_catch_signals();
	r.samples = malloc(MAX_SAMPLES * sizeof(*r.samples));
	if (!r.samples)
		bench_die("out of memory");
	for (size_t i = 8; i < r.size; i++)
		r.request[i] = (unsigned char)(i * 7);
	to = bench_parse_addr(address, port);
	r.fd = bench_udp_socket(&to);
	if (connect(r.fd, (struct sockaddr *)&to.ss, to.len))
		bench_die("connect: %s", strerror(errno));
	rtt_run(&r, warmup, seconds);
	if (!r.count)
		bench_die("no reply to any of %llu datagrams", (unsigned long long)r.sent);
	qsort(r.samples, r.count, sizeof(*r.samples), compare_u32);
	printf("%.2f %.2f %.2f %.2f %zu %llu %llu\n", rtt_percentile_us(&r, 50),
	       rtt_percentile_us(&r, 90), rtt_percentile_us(&r, 99), rtt_percentile_us(&r, 99.9),
	       r.count, (unsigned long long)r.lost, (unsigned long long)r.sent);
	return 0;
}
