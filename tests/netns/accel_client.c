/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * accel_client.c - sends numbered datagrams to an echo server, one after another, and checks every byte that comes back.
 *
 *   accel_client [options] ADDRESS PORT
 *     -n COUNT (10)   -z SIZE (64)   -g MICROSECONDS between two (1000)   -t MILLISECONDS to wait for the last (1000)
 *     -N FIRST number   -c connects   -b ADDRESS   -p own PORT   -P COUNT sockets in turn   -O sends IP options   -s no replies
 *     -C MILLISECONDS  first asks the server to compute for so long
 *     -B COUNT of datagrams in each send, which the kernel cuts (UDP_SEGMENT)
 *     -l  in lock step: each is sent when the answer to the one before it is here
 *
 * Prints "sent N back N bad N from ADDRESS" and with -l the slowest round trip: "max N us".
 */
#define _GNU_SOURCE
#include <fcntl.h>

#include <netinet/udp.h>

#include "accel_common.h"

#define MAX_SOCKETS 512

static struct sockaddr_storage to;
static socklen_t tolen;
static int fds[MAX_SOCKETS], sockets = 1;
static unsigned sent, back, bad, count = 10, batch = 1;
static size_t size = 64;
static uint32_t first;
static char source[64] = "-";
static bool *seen;

static int open_socket(const char *address, int port, bool connected, bool options)
{
	static const uint8_t nops[4] = { 1, 1, 1, 0 };
	struct sockaddr_storage ss;
	int segment = (int)size;
	int fd = socket(to.ss_family, SOCK_DGRAM | SOCK_NONBLOCK, 0), room = 4 << 20;
	socklen_t len;

	if (fd < 0)
		kb_die("socket: %s", strerror(errno));
	/* What comes faster than it is read here is not to be counted as lost; refused to all but root. */
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	if (address || port) {
		len = kb_addr(address			 ? address
			      : to.ss_family == AF_INET6 ? "::"
							 : "0.0.0.0",
			      port, &ss);
		if (bind(fd, (struct sockaddr *)&ss, len) < 0)
			kb_die("bind: %s", strerror(errno));
	}
	if (options && setsockopt(fd, IPPROTO_IP, IP_OPTIONS, nops, sizeof(nops)) < 0)
		kb_die("IP_OPTIONS: %s", strerror(errno));
	if (batch > 1 && setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment)) < 0)
		kb_die("UDP_SEGMENT: %s", strerror(errno));
	if (connected && connect(fd, (struct sockaddr *)&to, tolen) < 0)
		kb_die("connect: %s", strerror(errno));
	return fd;
}

static void take(const uint8_t *buf, size_t len, const struct sockaddr_storage *from,
		 socklen_t fromlen)
{
	uint32_t seq = first;

	getnameinfo((const struct sockaddr *)from, fromlen, source, sizeof(source), NULL, 0,
		    NI_NUMERICHOST);
	if (len != size || (size >= KB_HEAD && (!kb_check(buf, len, &seq) || seq - first >= count))) {
		bad++;
		return;
	}
	if (size >= KB_HEAD && seen[seq - first]) {
		bad++; /* twice */
		return;
	}
	seen[seq - first] = size >= KB_HEAD;
	back++;
}

/* Takes what comes until @until, or until as many are back as were sent. */
static void collect(int64_t until)
{
	static uint8_t buf[KB_MAX];
	struct pollfd pfd[MAX_SOCKETS];
	struct sockaddr_storage from;
	socklen_t fromlen;
	ssize_t n;

	for (int64_t now = kb_now_us(); now < until && back < sent; now = kb_now_us()) {
		for (int i = 0; i < sockets; i++)
			pfd[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
		poll(pfd, (nfds_t)sockets, (int)((until - now) / 1000) + 1);
		for (int i = 0; i < sockets; i++) {
			fromlen = sizeof(from);
			n = recvfrom(fds[i], buf, sizeof(buf), 0, (struct sockaddr *)&from,
				     &fromlen);
			if (n < 0 && errno != EAGAIN)
				fprintf(stderr, "receive: %s\n", strerror(errno));
			if (n >= 0)
				take(buf, (size_t)n, &from, fromlen);
		}
	}
}

static void send_one(unsigned i, bool connected)
{
	static uint8_t buf[KB_MAX];
	ssize_t n;

	for (unsigned k = 0; k < batch; k++)
		kb_fill(buf + k * size, size, first + i + k);
	if (connected)
		n = send(fds[i % (unsigned)sockets], buf, batch * size, 0);
	else
		n = sendto(fds[i % (unsigned)sockets], buf, batch * size, 0, (struct sockaddr *)&to,
			   tolen);
	if (n == (ssize_t)(batch * size))
		sent += batch;
	else
		fprintf(stderr, "send: %s\n", strerror(errno));
}

static void ask_to_compute(uint32_t ms)
{
	uint8_t text[6] = "CP";

	memcpy(text + 2, &ms, sizeof(ms));
	sendto(fds[0], text, sizeof(text), 0, (struct sockaddr *)&to, tolen);
}

int main(int argc, char **argv)
{
	bool connected = false, options = false, step = false, sink = false;
	const char *address = NULL;
	long gap = 1000, last = 1000;
	int64_t begun, slowest = 0;
	uint32_t compute = 0;
	int port = 0, c;

	while ((c = getopt(argc, argv, "n:z:g:t:N:cb:p:P:OslC:B:")) != -1)
		switch (c) {
		case 'n':
			count = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'z':
			size = strtoul(optarg, NULL, 10);
			break;
		case 'g':
			gap = atol(optarg);
			break;
		case 't':
			last = atol(optarg);
			break;
		case 'N':
			first = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'c':
			connected = true;
			break;
		case 'b':
			address = optarg;
			break;
		case 'p':
			port = atoi(optarg);
			break;
		case 'P':
			sockets = atoi(optarg);
			break;
		case 'O':
			options = true;
			break;
		case 's':
			sink = true;
			break;
		case 'l':
			step = true;
			break;
		case 'B':
			batch = (unsigned)atoi(optarg);
			break;
		case 'C':
			compute = (uint32_t)atol(optarg);
			break;
		default:
			kb_die("usage: accel_client [options] ADDRESS PORT");
		}
	if (optind + 2 != argc || sockets < 1 || sockets > MAX_SOCKETS || batch < 1 ||
	    count % batch || size * batch > KB_MAX)
		kb_die("usage: accel_client [options] ADDRESS PORT");
	tolen = kb_addr(argv[optind], atoi(argv[optind + 1]), &to);
	seen = calloc(count + 1, sizeof(*seen));
	for (int i = 0; i < sockets; i++)
		fds[i] = open_socket(address, port ? port + i : 0, connected, options);
	if (compute)
		ask_to_compute(compute);
	for (unsigned i = 0; i < count; i += batch) {
		begun = kb_now_us();
		send_one(i, connected);
		if (sink) {
			kb_pause_us(gap);
			continue;
		}
		collect(begun + (step ? last * 1000 : gap));
		if (kb_now_us() - begun > slowest)
			slowest = kb_now_us() - begun;
		while (step && kb_now_us() < begun + gap)
			kb_pause_us(begun + gap - kb_now_us());
	}
	if (!sink)
		collect(kb_now_us() + last * 1000);
	printf("sent %u back %u bad %u from %s", sent, back, bad, source);
	if (step)
		printf(" max %lld us", (long long)slowest);
	putchar('\n');
	return 0;
}
