/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * options.h - what the programs about options share: tables of options, one printed line for everything that
 * setsockopt() and getsockopt() say about one of them, and received control messages in words.
 */
#ifndef CONFORM_OPTIONS_H
#define CONFORM_OPTIONS_H

#include "lib.h"

/* Names that headers of different age lack, or spell in conflict with one another. */
#define OPT_SO_PEEK_OFF 42
#define OPT_SO_TIMESTAMP_NEW 63
#define OPT_SO_TIMESTAMPNS_NEW 64
#define OPT_SO_TIMESTAMPING_NEW 65
#define OPT_SO_RCVTIMEO_NEW 66
#define OPT_SO_SNDTIMEO_NEW 67
#define OPT_SO_RESERVE_MEM 73
#define OPT_SO_TXREHASH 74
#define OPT_SO_RCVMARK 75
#define OPT_SO_RCVPRIORITY 82
#define OPT_IP_RECVERR_RFC4884 26
#define OPT_IP_RECVFRAGSIZE 25
#define OPT_IP_LOCAL_PORT_RANGE 51
#define OPT_IP_PROTOCOL 52
#define OPT_IPV6_2292PKTINFO 2
#define OPT_IPV6_2292HOPOPTS 3
#define OPT_IPV6_2292DSTOPTS 4
#define OPT_IPV6_2292RTHDR 5
#define OPT_IPV6_2292PKTOPTIONS 6
#define OPT_IPV6_2292HOPLIMIT 8
#define OPT_IPV6_FLOWINFO 11
#define OPT_IPV6_MULTICAST_ALL 29
#define OPT_IPV6_ROUTER_ALERT_ISOLATE 30
#define OPT_IPV6_RECVERR_RFC4884 31
#define OPT_IPV6_FLOWLABEL_MGR 32
#define OPT_IPV6_FLOWINFO_SEND 33
#define OPT_IPV6_AUTOFLOWLABEL 70
#define OPT_IPV6_ADDR_PREFERENCES 72
#define OPT_IPV6_MINHOPCOUNT 73
#define OPT_IPV6_ORIGDSTADDR 74
#define OPT_IPV6_RECVFRAGSIZE 77

struct opt {
	const char *name;
	int level, opt;
	int special[4]; /* values to try besides the usual ones */
	const char *how; /* v: the value differs between runs, only its length is printed; w: not set */
};

/* When, in the life of a socket, an option is looked at. */
enum moment { FRESH, BOUND, RECEIVED, CONNECTED, MOMENTS };

static const char *const moment_name[] = { "fresh", "bound", "received", "connected" };

static char opt_buf[65536];

/* A socket that has got as far as @m. */
FN int at_moment(enum moment m, int port)
{
	int fd = udp(0);

	if (m >= BOUND)
		must("bind", bind_to(fd, "any", port));
	if (m >= RECEIVED)
		settle(fd);
	if (m == CONNECTED)
		must("connect", connect_to(fd, "P1", PPORT));
	return fd;
}

/* The value as the kernel gives it: a number if it is one, bytes otherwise. */
FN void append_value(char *to, size_t size, int fd, const struct opt *o, socklen_t room)
{
	unsigned char value[256];
	socklen_t len = room;
	size_t at = strlen(to);
	int number = 0;

	memset(value, 0xee, sizeof(value));
	if (getsockopt(fd, o->level, o->opt, value, &len) < 0) {
		snprintf(to + at, size - at, "%s", strerrorname_np(errno));
		return;
	}
	memcpy(&number, value, sizeof(number));
	if (strchr(o->how, 'v') && len)
		snprintf(to + at, size - at, "?/%u", (unsigned)len);
	else if (len == 4)
		snprintf(to + at, size - at, "%d/4", number);
	else {
		snprintf(to + at, size - at, "/%u:", (unsigned)len);
		for (unsigned i = 0; i < (len < 16 ? len : 16); i++)
			snprintf(to + strlen(to), size - strlen(to), "%02x", value[i]);
	}
	/* Nothing may be written beyond what was said. */
	for (size_t i = len > room ? len : room; i < sizeof(value); i++)
		if (value[i] != 0xee) {
			snprintf(to + strlen(to), size - strlen(to), " BEYOND");
			break;
		}
}

FN void append_set(char *to, size_t size, int fd, const struct opt *o, const void *value,
		   socklen_t len, const char *what)
{
	int r = setsockopt(fd, o->level, o->opt, value, len);
	size_t at = strlen(to);

	snprintf(to + at, size - at, " %s:%s", what, r == 0 ? "ok=" : strerrorname_np(errno));
	if (r == 0)
		append_value(to, size, fd, o, sizeof(int));
}

/* Lengths that are not an int's. */
FN void odd_lengths(char *line, size_t size, int fd, const struct opt *o)
{
	unsigned char value[128] = { 1 };

	for (socklen_t len = 0; len < 4; len++) {
		size_t at = strlen(line);

		snprintf(line + at, size - at, " get%u:", (unsigned)len);
		append_value(line, size, fd, o, len);
	}
	snprintf(line + strlen(line), size - strlen(line), " get200:");
	append_value(line, size, fd, o, 200);
	if (strchr(o->how, 'w'))
		return;
	append_set(line, size, fd, o, value, 0, "len0");
	append_set(line, size, fd, o, value, 1, "len1");
	append_set(line, size, fd, o, value, 3, "len3");
	append_set(line, size, fd, o, value, 8, "len8");
	append_set(line, size, fd, o, value, 128, "len128");
	append_set(line, size, fd, o, NULL, 4, "null");
	append_set(line, size, fd, o, NULL, 0, "null0");
}

FN void values(char *line, size_t size, int fd, const struct opt *o)
{
	static const int usual[] = { 1, 0, 2, 255, 256, -1, -2, 0x7fffffff };
	char what[24];

	for (size_t i = 0; i < NLEN(usual) + NLEN(o->special); i++) {
		int v = i < NLEN(usual) ? usual[i] : o->special[i - NLEN(usual)];

		if (i >= NLEN(usual) && !v)
			break;
		snprintf(what, sizeof(what), "%d", v);
		append_set(line, size, fd, o, &v, sizeof(v), what);
	}
}

/* A datagram each way: whatever was done to the options, the socket still works as the kernel's does. */
FN void still_works(char *line, size_t size, int fd, int port, bool any_source)
{
	char c = 7;

	peer("send 0 L1 %d 20 9 1", port);
	for (int i = 0; i < 20 && recv(fd, opt_buf, sizeof(opt_buf), MSG_DONTWAIT | MSG_PEEK) < 0;
	     i++)
		pause_ms(1);
	snprintf(line + strlen(line), size - strlen(line), " recv:%zd",
		 recv(fd, opt_buf, sizeof(opt_buf), MSG_DONTWAIT));
	snprintf(line + strlen(line), size - strlen(line), " send:%zd",
		 send_to(fd, &c, 1, MSG_DONTWAIT, "P1", PPORT));
	snprintf(line + strlen(line), size - strlen(line), " %s",
		 any_source ? peer("recv 0 15") : peer("recvx 0 15"));
}

/* Everything about one option at one moment, in one line. */
FN void probe(const struct opt *o, enum moment m, int port)
{
	static char line[4096];
	int fd = at_moment(m, port), old = 0;
	socklen_t len = sizeof(old);
	bool number = getsockopt(fd, o->level, o->opt, &old, &len) == 0 && len == sizeof(old);

	line[0] = 0;
	append_value(line, sizeof(line), fd, o, sizeof(int));
	if (!strchr(o->how, 'w'))
		values(line, sizeof(line), fd, o);
	odd_lengths(line, sizeof(line), fd, o);
	if (number && !strchr(o->how, 'w'))
		append_set(line, sizeof(line), fd, o, &old, sizeof(old), "back");
	if (m >= RECEIVED)
		still_works(line, sizeof(line), fd, port, false);
	/* say() has a limit. */
	for (char *at = line; *at; at += strlen(at) < 1000 ? strlen(at) : 1000)
		say("%s%s %s: %.1000s\n", at == line ? "" : "  ", o->name, moment_name[m], at);
	close(fd);
}

FN void probe_all(const struct opt *table, size_t n)
{
	for (enum moment m = FRESH; m < MOMENTS; m++)
		for (size_t i = 0; i < n; i++)
			probe(&table[i], m, PORT);
}

FN bool is_now(const void *data, bool nano, size_t len)
{
	struct timespec now, ts;
	double age;

	if (len < sizeof(ts))
		return false;
	memcpy(&ts, data, sizeof(ts));
	if (!nano)
		ts.tv_nsec *= 1000;
	clock_gettime(CLOCK_REALTIME, &now);
	age = (double)(now.tv_sec - ts.tv_sec) + (double)(now.tv_nsec - ts.tv_nsec) / 1e9;
	return age >= 0 && age < 2;
}

FN void say_ip_control(const struct cmsghdr *cm, const void *d, size_t len)
{
	const struct in_pktinfo *p4 = d;
	const struct in6_pktinfo *p6 = d;

	if (cm->cmsg_level == IPPROTO_IP && cm->cmsg_type == IP_PKTINFO && len == sizeof(*p4))
		say(" IP_PKTINFO=%s,%s,%s", ip_name(AF_INET, &p4->ipi_addr),
		    ip_name(AF_INET, &p4->ipi_spec_dst), p4->ipi_ifindex > 0 ? "if" : "-");
	else if (cm->cmsg_level == IPPROTO_IPV6 && cm->cmsg_type == IPV6_PKTINFO &&
		 len == sizeof(*p6))
		say(" IPV6_PKTINFO=%s,%s", ip_name(AF_INET6, &p6->ipi6_addr),
		    p6->ipi6_ifindex > 0 ? "if" : "-");
	else if (cm->cmsg_type == IP_ORIGDSTADDR || cm->cmsg_type == OPT_IPV6_ORIGDSTADDR)
		say(" %d.%d=%s", cm->cmsg_level, cm->cmsg_type, addr_name(d, (socklen_t)len));
	else if (len == 4)
		say(" %d.%d=%d", cm->cmsg_level, cm->cmsg_type, *(const int *)d);
	else if (len == 1)
		say(" %d.%d=byte %d", cm->cmsg_level, cm->cmsg_type, *(const unsigned char *)d);
	else
		say(" %d.%d(%zu)", cm->cmsg_level, cm->cmsg_type, len);
}

/* All messages of @m on the present line. */
FN void say_control(struct msghdr *m)
{
	for (struct cmsghdr *cm = CMSG_FIRSTHDR(m); cm; cm = CMSG_NXTHDR(m, cm)) {
		size_t len = cm->cmsg_len - CMSG_LEN(0);
		const void *d = CMSG_DATA(cm);
		bool nano = cm->cmsg_type != SO_TIMESTAMP && cm->cmsg_type != OPT_SO_TIMESTAMP_NEW;

		if (cm->cmsg_level != SOL_SOCKET)
			say_ip_control(cm, d, len);
		else if (len >= 16)
			say(" so.%d(%zu)%s", cm->cmsg_type, len,
			    is_now(d, nano, len) ? "now" : "NOT NOW");
		else
			say(" so.%d(%zu)=%u", cm->cmsg_type, len, *(const unsigned *)d);
	}
}

/* Receives one datagram (waiting for at most @ms) and prints it with its control messages in a line. */
FN long show_dgram(const char *what, int fd, int flags, int ms)
{
	union {
		char room[1024];
		struct cmsghdr align;
	} control;
	struct iovec iov = { opt_buf, sizeof(opt_buf) };
	addr_t from;
	struct msghdr m = { .msg_name = &from,
			    .msg_namelen = sizeof(from),
			    .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	struct pollfd p = { .fd = fd, .events = POLLIN };
	long n;

	if (ms)
		poll(&p, 1, ms);
	n = recvmsg(fd, &m, flags | MSG_DONTWAIT);
	if (n < 0) {
		say("%s: %s\n", what, strerrorname_np(errno));
		return n;
	}
	say("%s: %ld", what, n);
	if (n)
		say(" payload %d%s", (unsigned char)opt_buf[0],
		    intact(opt_buf, (size_t)n, (unsigned char)opt_buf[0]) ? "" : " CORRUPT");
	say(" from %s flags %x control %zu", addr_name(&from, m.msg_namelen), m.msg_flags,
	    m.msg_controllen);
	say_control(&m);
	say("\n");
	return n;
}

#endif
