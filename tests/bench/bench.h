/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bench.h - the few helpers that all benchmark programs share: time, numbers, addresses, pinning, a stop flag.
 *
 * Header only, so that each program is one C file that builds on its own. The programs that run under the preload
 * (sink, echo, passthru) use nothing but libc: they have to be what any program is.
 */
#ifndef BENCH_H
#define BENCH_H

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define BENCH_NS 1000000000ull

struct bench_addr {
	struct sockaddr_storage ss;
	socklen_t len;
};

static volatile sig_atomic_t bench_stopped;

static inline void __attribute__((noreturn, format(printf, 1, 2))) bench_die(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static inline uint64_t bench_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * BENCH_NS + (uint64_t)ts.tv_nsec;
}

static inline double bench_seconds(uint64_t ns)
{
	return (double)ns / (double)BENCH_NS;
}

/* A number within [@min, @max], or the end of the program. */
static inline double bench_number(const char *what, const char *text, double min, double max)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value >= min && value <= max))
		bench_die("%s: %s is not a number from %g to %g", what, text, min, max);
	return value;
}

static inline void bench_pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		bench_die("cpu %d: %s", cpu, strerror(errno));
}

static inline void bench_on_signal(int sig)
{
	(void)sig;
	bench_stopped = 1;
}

/* SIGINT and SIGTERM end the measurement, and so that waits return, without SA_RESTART. */
static inline void bench_catch_signals(void)
{
	struct sigaction sa = { .sa_handler = bench_on_signal };

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
}

/* Numeric IPv4 or IPv6 @host and @port. */
static inline struct bench_addr bench_parse_addr(const char *host, int port)
{
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICHOST }, *res;
	struct bench_addr addr = { .len = 0 };
	char service[8];
	int err;

	snprintf(service, sizeof(service), "%d", port & 0xffff);
	err = getaddrinfo(host, service, &hints, &res);
	if (err)
		bench_die("%s: %s", host, gai_strerror(err));
	memcpy(&addr.ss, res->ai_addr, res->ai_addrlen);
	addr.len = res->ai_addrlen;
	freeaddrinfo(res);
	return addr;
}

static inline int bench_udp_socket(const struct bench_addr *addr)
{
	int fd = socket(addr->ss.ss_family, SOCK_DGRAM, 0);

	if (fd < 0)
		bench_die("socket: %s", strerror(errno));
	return fd;
}

/* A bound UDP socket whose blocking calls return at least every @timeout_ms. */
static inline int bench_udp_server(const char *host, int port, int timeout_ms, int rcvbuf)
{
	struct bench_addr addr = bench_parse_addr(host, port);
	struct timeval tv = { .tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000 };
	int fd = bench_udp_socket(&addr);

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)))
		bench_die("SO_RCVTIMEO: %s", strerror(errno));
	if (rcvbuf && setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf)))
		bench_die("SO_RCVBUF: %s", strerror(errno));
	if (bind(fd, (struct sockaddr *)&addr.ss, addr.len))
		bench_die("bind %s port %d: %s", host, port, strerror(errno));
	return fd;
}

/* Did a receive call fail only because nothing came, or because a signal did? */
static inline bool bench_nothing_came(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

#endif
