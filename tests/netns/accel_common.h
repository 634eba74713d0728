/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * accel_common.h - shared by the programs of the accel_*.sh tests: numbered datagrams whose bytes can be checked, and
 * requests by which a program under test makes the peer (accel_server) send such datagrams to it.
 */
#ifndef TESTS_NETNS_ACCEL_COMMON_H
#define TESTS_NETNS_ACCEL_COMMON_H

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define KB_MAX 65536
#define KB_HEAD 6 /* "KB" and the number */

/* Asks the peer for @count datagrams to @port of the asker's address, numbered from @first. */
struct kb_request {
	char magic[2]; /* "RQ" */
	uint16_t port;
	uint32_t first, count, size, gap_us;
};

__attribute__((format(printf, 1, 2), noreturn, unused)) static void kb_die(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(2);
}

__attribute__((unused)) static int64_t kb_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* Without a system call that a blocked socket of ours would share. */
__attribute__((unused)) static void kb_pause_us(int64_t us)
{
	struct timespec ts = { us / 1000000, us % 1000000 * 1000 };

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

/* The bytes of number @seq; shorter ones than the head carry no number. */
__attribute__((unused)) static void kb_fill(uint8_t *buf, size_t len, uint32_t seq)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = (uint8_t)(seq * 7 + i * 13 + (i >> 8));
	if (len >= KB_HEAD) {
		memcpy(buf, "KB", 2);
		memcpy(buf + 2, &seq, sizeof(seq));
	}
}

/* Is it one of those, and whole? */
__attribute__((unused)) static bool kb_check(const uint8_t *buf, size_t len, uint32_t *seq)
{
	if (len < KB_HEAD || memcmp(buf, "KB", 2) != 0)
		return false;
	memcpy(seq, buf + 2, sizeof(*seq));
	for (size_t i = KB_HEAD; i < len; i++)
		if (buf[i] != (uint8_t)(*seq * 7 + i * 13 + (i >> 8)))
			return false;
	return true;
}

__attribute__((unused)) static socklen_t kb_addr(const char *text, int port,
						 struct sockaddr_storage *out)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
				  .ai_socktype = SOCK_DGRAM },
			*ai;
	char service[16];
	socklen_t len;

	snprintf(service, sizeof(service), "%d", port);
	if (getaddrinfo(text, service, &hints, &ai) != 0)
		kb_die("bad address %s", text);
	len = ai->ai_addrlen;
	memcpy(out, ai->ai_addr, len);
	freeaddrinfo(ai);
	return len;
}

/* An IPv4 socket bound to @address (or any) and @port. */
__attribute__((unused)) static int kb_socket4(const char *address, int port, bool reuseport)
{
	struct sockaddr_storage ss;
	int fd = socket(AF_INET, SOCK_DGRAM, 0), on = 1;
	socklen_t len = kb_addr(address ? address : "0.0.0.0", port, &ss);

	if (fd < 0)
		kb_die("socket: %s", strerror(errno));
	if (reuseport)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&ss, len) < 0)
		kb_die("bind %d: %s", port, strerror(errno));
	return fd;
}

/* @ctl: a socket connected to the peer. */
__attribute__((unused)) static void kb_ask(int ctl, int port, uint32_t first, uint32_t count,
					   uint32_t size, uint32_t gap_us)
{
	struct kb_request rq = { .magic = "RQ" };

	rq.port = (uint16_t)port;
	rq.first = first;
	rq.count = count;
	rq.size = size;
	rq.gap_us = gap_us;
	if (send(ctl, &rq, sizeof(rq), 0) != (ssize_t)sizeof(rq))
		kb_die("request: %s", strerror(errno));
}

/* A kernel socket to the peer, for requests: bind it to no chosen port. */
__attribute__((unused)) static int kb_control(const char *peer, int port)
{
	struct sockaddr_storage ss;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	socklen_t len = kb_addr(peer, port, &ss);

	if (fd < 0 || connect(fd, (struct sockaddr *)&ss, len) < 0)
		kb_die("control: %s", strerror(errno));
	return fd;
}

/* One case of a program that judges itself. */
__attribute__((format(printf, 2, 3), unused)) static void kb_case(bool pass, const char *format, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	dprintf(1, "%s %s\n", pass ? "ok" : "not ok", text);
}

/* equal NAME want got, as in the shell. */
__attribute__((unused)) static void kb_equal(const char *name, long want, long got)
{
	if (want != got)
		dprintf(1, "# %s: want %ld, got %ld\n", name, want, got);
	kb_case(want == got, "%s", name);
}

#endif
