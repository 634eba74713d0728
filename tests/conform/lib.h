/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lib.h - what the comparison programs share: addresses with stable names, a control channel to the peer, and printing.
 *
 * A program runs twice in the same lab, on kernel sockets and under the preload, and its output must be the same
 * both times: so nothing printed here carries a time, an ephemeral port or a descriptor number. Addresses are
 * printed as L1, L2 (ours), P1, P2 (the peer's) and any; an IPv4-mapped one has "m:" in front.
 *
 * Environment from run.sh: CF_VARIANT (v4 v6 map lo4 lo6) and CF_CTL (the peer's Unix socket).
 */
#ifndef CONFORM_LIB_H
#define CONFORM_LIB_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FN static __attribute__((unused))
#define PORT 5000  /* our first port */
#define PPORT 7000 /* the peer's first port */
#define NLEN(x) (sizeof(x) / sizeof((x)[0]))

typedef union {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	unsigned char raw[128];
} addr_t;

static const char *cf_variant = "v4";
static int cf_ctl = -1;

FN void say(const char *format, ...)
{
	char line[2048];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	if (write(1, line, (size_t)n) != n)
		_exit(3);
}

FN void die(const char *what)
{
	say("FATAL %s: %s\n", what, strerrorname_np(errno));
	_exit(2);
}

/* An environment that cannot do this case: the whole program is skipped. */
FN void skip(const char *why)
{
	say("SKIP %s\n", why);
	_exit(77);
}

FN bool is_lo(void)
{
	return strncmp(cf_variant, "lo", 2) == 0;
}

FN bool is_map(void)
{
	return strcmp(cf_variant, "map") == 0;
}

/* IPv4 on the wire? */
FN bool wire4(void)
{
	return strchr(cf_variant, '6') == NULL;
}

FN int family(void)
{
	return wire4() && !is_map() ? AF_INET : AF_INET6;
}

struct cf_name {
	const char *name, *v4, *v6, *lo4, *lo6;
};

static const struct cf_name cf_names[] = {
	{ "L1", "10.77.0.1", "fd77::1", "127.0.0.1", "::1" },
	{ "L2", "10.77.0.2", "fd77::2", "127.0.0.2", "fd78::2" },
	{ "P1", "10.77.0.9", "fd77::9", "127.0.0.9", "fd78::9" },
	{ "P2", "10.77.0.10", "fd77::10", "127.0.0.10", "fd78::10" },
	{ "G1", "239.7.7.7", "ff15::7", "239.7.7.7", "ff15::7" },
	{ "N1", "10.99.0.1", "fd99::1", "10.99.0.1", "fd99::1" }, /* nobody's */
	{ "any", "0.0.0.0", "::", "0.0.0.0", "::" },
};

/* The address called @name as it is on the wire (the peer's view), with @port; returns its length. */
FN socklen_t wire_addr(addr_t *a, const char *name, int port)
{
	memset(a, 0, sizeof(*a));
	for (size_t i = 0; i < NLEN(cf_names); i++) {
		const struct cf_name *n = &cf_names[i];

		if (strcmp(n->name, name))
			continue;
		if (wire4()) {
			a->in.sin_family = AF_INET;
			a->in.sin_port = htons((uint16_t)port);
			inet_pton(AF_INET, is_lo() ? n->lo4 : n->v4, &a->in.sin_addr);
			return sizeof(a->in);
		}
		a->in6.sin6_family = AF_INET6;
		a->in6.sin6_port = htons((uint16_t)port);
		inet_pton(AF_INET6, is_lo() ? n->lo6 : n->v6, &a->in6.sin6_addr);
		return sizeof(a->in6);
	}
	say("FATAL no address %s\n", name);
	_exit(2);
}

/* The same as the program's own socket family writes it: IPv4-mapped in the variant "map". */
FN socklen_t addr_of(addr_t *a, const char *name, int port)
{
	socklen_t len = wire_addr(a, name, port);
	uint32_t v4 = a->in.sin_addr.s_addr;

	if (!is_map())
		return len;
	memset(a, 0, sizeof(*a));
	a->in6.sin6_family = AF_INET6;
	a->in6.sin6_port = htons((uint16_t)port);
	if (v4) {
		a->in6.sin6_addr.s6_addr16[5] = 0xffff;
		a->in6.sin6_addr.s6_addr32[3] = v4;
	}
	return sizeof(a->in6);
}

/* "P1" and so on for a raw address of either family, mapped ones with "m:" in front. */
FN const char *ip_name(int fam, const void *ip)
{
	static __thread char text[2][80];
	static __thread int turn;
	char *t = text[turn ^= 1], num[64];
	const char *prefix = "";

	if (fam == AF_INET6 && IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)ip)) {
		prefix = "m:";
		fam = AF_INET;
		ip = (const char *)ip + 12;
	}
	inet_ntop(fam, ip, num, sizeof(num));
	for (size_t i = 0; i < NLEN(cf_names); i++) {
		const struct cf_name *n = &cf_names[i];
		const char *want = fam == AF_INET ? (is_lo() ? n->lo4 : n->v4)
						  : (is_lo() ? n->lo6 : n->v6);

		if (!strcmp(want, num)) {
			snprintf(t, 80, "%s%s", prefix, n->name);
			return t;
		}
	}
	snprintf(t, 80, "%s%s", prefix, num);
	return t;
}

/* "P1:7000"; ephemeral ports as "*"; also says what is wrong with a length. */
FN const char *addr_name(const void *addr, socklen_t len)
{
	static __thread char text[2][128];
	static __thread int turn;
	char *t = text[turn ^= 1], port[16];
	addr_t a;

	memset(&a, 0, sizeof(a));
	memcpy(&a, addr, len < sizeof(a) ? len : sizeof(a));
	if (len < 2) {
		snprintf(t, 128, "none(len %u)", (unsigned)len);
		return t;
	}
	if (a.sa.sa_family != AF_INET && a.sa.sa_family != AF_INET6) {
		snprintf(t, 128, "family %d(len %u)", a.sa.sa_family, (unsigned)len);
		return t;
	}
	snprintf(port, sizeof(port), ntohs(a.in.sin_port) >= 32768 ? "*" : "%d",
		 ntohs(a.in.sin_port));
	if (a.sa.sa_family == AF_INET)
		snprintf(t, 128, "%s:%s%s", ip_name(AF_INET, &a.in.sin_addr), port,
			 len == sizeof(a.in) ? "" : "(len?)");
	else
		snprintf(t, 128, "%s:%s%s%s", ip_name(AF_INET6, &a.in6.sin6_addr), port,
			 a.in6.sin6_scope_id ? "%scope" : "", len == sizeof(a.in6) ? "" : "(len?)");
	return t;
}

/* Prints "what = r", and errno's name for -1. */
FN long res(const char *what, long r)
{
	if (r == -1)
		say("%s = -1 %s\n", what, strerrorname_np(errno));
	else
		say("%s = %ld\n", what, r);
	return r;
}

/* Payload number @seed: its bytes follow from it. */
FN void fill(void *buf, size_t len, int seed)
{
	unsigned char *b = buf;

	for (size_t i = 0; i < len; i++)
		b[i] = (unsigned char)(seed + i * 7 + (i >> 8));
}

FN bool intact(const void *buf, size_t len, int seed)
{
	const unsigned char *b = buf;

	for (size_t i = 0; i < len; i++)
		if (b[i] != (unsigned char)(seed + i * 7 + (i >> 8)))
			return false;
	return true;
}

/* Prints a receive's outcome: the result, which payload it was and whether its first @have bytes are intact. */
FN long got(const char *what, long r, const void *buf, size_t have)
{
	if (r <= 0 || have == 0)
		return res(what, r);
	say("%s = %ld, payload %d %s\n", what, r, *(const unsigned char *)buf,
	    intact(buf, have < (size_t)r ? have : (size_t)r, *(const unsigned char *)buf)
		    ? "intact"
		    : "CORRUPT");
	return r;
}

FN void must(const char *what, long r)
{
	if (r == -1)
		die(what);
}

FN double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

/* Prints whether the time since @start lies between @lo and @hi ms: a class, not a number. */
FN void took(const char *what, double start, double lo, double hi)
{
	double t = now_ms() - start;

	if (t < lo)
		say("%s: TOO EARLY (%.0f ms, at least %.0f)\n", what, t, lo);
	else if (t > hi)
		say("%s: TOO LATE (%.0f ms, at most %.0f)\n", what, t, hi);
	else
		say("%s: in time\n", what);
}

/* One command to the peer; the reply, without "ok ", is in a static buffer. A refusal ends the program. */
FN const char *cf_reply(void)
{
	static __thread char reply[512];
	ssize_t n;

	do
		n = recv(cf_ctl, reply, sizeof(reply) - 1, 0);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		die("peer is gone");
	reply[n] = 0;
	if (strncmp(reply, "ok", 2)) {
		say("FATAL peer: %s\n", reply);
		_exit(2);
	}
	return reply[2] ? reply + 3 : reply + 2;
}

FN void cf_command(const char *format, va_list ap)
{
	char line[512];
	int n = vsnprintf(line, sizeof(line), format, ap);

	if (send(cf_ctl, line, (size_t)n, MSG_NOSIGNAL) != n)
		die("peer command");
}

FN const char *peer(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	cf_command(format, ap);
	va_end(ap);
	return cf_reply();
}

/* The same, carried out @ms from now; the reply is read by peer_done(). */
FN void peer_later(int ms, const char *format, ...)
{
	char line[400];
	va_list ap;

	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	peer("@%d %s", ms, line);
}

FN const char *peer_done(void)
{
	return cf_reply();
}

/* Gives what the peer has just sent the time to arrive. */
FN void arrive(void)
{
	struct timespec ts = { 0, 30 * 1000 * 1000 };

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

FN void pause_ms(int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

/* The peer sends @count payloads of @len bytes, numbered from @seed, from its socket 0 (P1:PPORT) to L1:@port. */
FN void peer_sends(int port, size_t len, int seed, int count)
{
	peer("send 0 L1 %d %zu %d %d", port, len, seed, count);
	arrive();
}

FN int udp(int flags)
{
	int fd = socket(family(), SOCK_DGRAM | flags, 0), off = 0;

	must("socket", fd);
	if (family() == AF_INET6)
		must("V6ONLY", setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)));
	return fd;
}

FN int bind_to(int fd, const char *name, int port)
{
	addr_t a;
	socklen_t len = addr_of(&a, name, port);

	return bind(fd, &a.sa, len);
}

FN int connect_to(int fd, const char *name, int port)
{
	addr_t a;
	socklen_t len = addr_of(&a, name, port);

	return connect(fd, &a.sa, len);
}

FN ssize_t send_to(int fd, const void *buf, size_t n, int flags, const char *name, int port)
{
	addr_t a;
	socklen_t len = addr_of(&a, name, port);

	return sendto(fd, buf, n, flags, &a.sa, len);
}

/* Waits for @fd without waiting: steering is on then. A receive that does not wait would not do. */
FN void settle(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	poll(&p, 1, 0);
}

/* A socket bound to @name:@port that has received once, and that steering is on for. */
FN int bound(const char *name, int port)
{
	int fd = udp(0);
	ssize_t n;
	char c;

	must("bind", bind_to(fd, name, port));
	settle(fd);
	n = recv(fd, &c, 1, MSG_DONTWAIT);
	if (n >= 0)
		say("a new socket has a datagram ALREADY (%zd)\n", n);
	else if (errno != EAGAIN)
		die("first recv");
	return fd;
}

/* Reads what is queued, without waiting; prints and returns how many. */
FN int drain(const char *what, int fd)
{
	char buf[65536];
	int n = 0;

	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) >= 0)
		n++;
	say("%s: %d left\n", what, n);
	return n;
}

/*
 * The same with payloads and sources, sorted by payload: the order of datagrams that come by different paths is
 * nobody's promise. NULL as @what: only counts.
 */
FN int take(const char *what, int fd)
{
	char lines[256][96] = { { 0 } };
	char buf[2048];
	addr_t from;
	socklen_t len = sizeof(from);
	int count = 0;

	while (recvfrom(fd, buf, sizeof(buf), MSG_DONTWAIT, &from.sa, &len) >= 0) {
		char *line = lines[(unsigned char)buf[0]];

		snprintf(line + strlen(line), 96 - strlen(line), " from %s", addr_name(&from, len));
		len = sizeof(from);
		count++;
	}
	if (errno != EAGAIN && what)
		say("  %s: %s\n", what, strerrorname_np(errno));
	for (int i = 0; i < 256 && what; i++)
		if (lines[i][0])
			say("  %s: payload %d%s\n", what, i, lines[i]);
	if (!count && what)
		say("  %s: nothing\n", what);
	return count;
}

FN void set_int(int fd, int level, int name, int value)
{
	must("setsockopt", setsockopt(fd, level, name, &value, sizeof(value)));
}

FN const char *poll_names(int ev)
{
	static __thread char text[4][96];
	static __thread int turn;
	static const struct {
		int bit;
		const char *name;
	} bits[] = { { POLLIN, "IN" },	       { POLLPRI, "PRI" },	 { POLLOUT, "OUT" },
		     { POLLERR, "ERR" },       { POLLHUP, "HUP" },	 { POLLNVAL, "NVAL" },
		     { POLLRDNORM, "RDNORM" }, { POLLRDBAND, "RDBAND" }, { POLLWRNORM, "WRNORM" },
		     { POLLWRBAND, "WRBAND" }, { POLLMSG, "MSG" },	 { POLLRDHUP, "RDHUP" } };
	char *t = text[turn = (turn + 1) % 4];

	*t = 0;
	for (size_t i = 0; i < NLEN(bits); i++)
		if (ev & bits[i].bit)
			sprintf(t + strlen(t), "%s%s", *t ? "|" : "", bits[i].name);
	return *t ? t : "0";
}

/* poll() on one descriptor, printed. */
FN int poll1(const char *what, int fd, int events, int ms)
{
	struct pollfd p = { .fd = fd, .events = (short)events, .revents = -1 };
	int r = poll(&p, 1, ms);

	say("%s: poll(%s) = %d %s\n", what, poll_names(events), r, poll_names(p.revents));
	return r;
}

/* Opens the channel and the peer's socket 0 at P1:PPORT, and has neighbours resolved. */
FN void cf_start(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	const char *path = getenv("CF_CTL");
	int tries = 200, low;

	if (getenv("CF_VARIANT"))
		cf_variant = getenv("CF_VARIANT");
	if (!path) {
		say("FATAL CF_CTL is not set: start me through run.sh\n");
		_exit(2);
	}
	signal(SIGPIPE, SIG_IGN);
	snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	low = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	cf_ctl = fcntl(low, F_DUPFD_CLOEXEC, 300); /* out of the way of the numbers under test */
	close(low);
	while (connect(cf_ctl, (struct sockaddr *)&un, sizeof(un)) < 0) {
		if (!--tries)
			die("peer control socket");
		usleep(10000);
	}
	peer("hello %s", cf_variant);
	peer("open 0 P1 %d", PPORT);
}

#endif
