/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * peer.c - the other end of every comparison program: an agent on kernel sockets in the other namespace, commanded over a
 * Unix SEQPACKET socket. One command a message, one reply a message ("ok ..." or "error ..."), so that whoever
 * commands knows that a datagram has left before looking for it.
 *
 *   hello VARIANT                  forget all sockets, set the address family
 *   open ID NAME PORT              a bound socket in slot ID
 *   close ID
 *   connect ID NAME PORT
 *   send ID NAME PORT LEN SEED N   N payloads with seeds SEED, SEED+1, ...
 *   segments ID NAME PORT LEN SIZE SEED   one send of LEN bytes, a payload every SIZE bytes (opt segment)
 *   recv ID MS                     "LEN from WHO payload S intact" or "nothing"
 *   recvx ID MS                    the same with TTL, TOS and destination
 *   drain ID MS                    number and bytes of what arrives until MS of silence
 *   runs ID MS                     the same with lengths in their order, "3x100 1x50", and the first one's TTL, TOS, destination
 *   echo ID N MS                   send N datagrams back to where they came from
 *   opt ID ttl|tos|ipopt|mcast|join|rcvbuf|segment V
 *   sleep MS
 *   @MS command                    "ok" now, the command after MS, then its reply
 *
 * A new connection takes the place of the old one. Usage: peer PATH
 */
#include "lib.h"

#include "../fake-verbs/fake_proto.h"

#define SLOTS 16

static int slots[SLOTS];

static void forget_all(void)
{
	for (int i = 0; i < SLOTS; i++) {
		if (slots[i] >= 0)
			close(slots[i]);
		slots[i] = -1;
	}
}

/*
 * Where a NIC that is a process stands between the two (CF_HCA), what was sent arrives some time later: it is asked to finish. A veth
 * pair has delivered when the send returns.
 */
static void finish_wire(void)
{
	static const struct fake_request request = { .op = FAKE_SYNC };
	static int fd = -1;
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	const char *path = getenv("CF_HCA");
	struct fake_reply reply;

	if (!path)
		return;
	if (fd < 0) {
		snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
		fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
		if (connect(fd, (struct sockaddr *)&un, sizeof(un)) < 0)
			perror("peer: CF_HCA");
	}
	if (send(fd, &request, sizeof(request), MSG_NOSIGNAL) < 0 ||
	    recv(fd, &reply, sizeof(reply), 0) < 0)
		perror("peer: the NIC does not answer");
}

static void answer(int c, const char *format, ...)
{
	char line[512];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	finish_wire();
	if (send(c, line, (size_t)n, MSG_NOSIGNAL) < 0)
		perror("peer: answer");
}

static void answer_errno(int c, const char *what)
{
	answer(c, "error %s: %s", what, strerrorname_np(errno));
}

static void do_open(int c, const char *args)
{
	int id, port, one = 1, fd;
	char name[32];
	socklen_t len;
	addr_t a;

	if (sscanf(args, "%d %31s %d", &id, name, &port) != 3) {
		answer(c, "error usage");
		return;
	}
	len = wire_addr(&a, name, port);
	fd = socket(a.sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, &a.sa, len) < 0) {
		answer_errno(c, "open");
		return;
	}
	if (wire4()) {
		setsockopt(fd, IPPROTO_IP, IP_RECVTTL, &one, sizeof(one));
		setsockopt(fd, IPPROTO_IP, IP_RECVTOS, &one, sizeof(one));
		setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof(one));
	} else {
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &one, sizeof(one));
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, &one, sizeof(one));
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one, sizeof(one));
	}
	if (slots[id] >= 0)
		close(slots[id]);
	slots[id] = fd;
	answer(c, "ok");
}

static void do_send(int c, const char *args)
{
	static unsigned char buf[65536];
	int id, port, seed = 1, count = 1;
	socklen_t alen;
	size_t len;
	char name[32];
	addr_t a;

	if (sscanf(args, "%d %31s %d %zu %d %d", &id, name, &port, &len, &seed, &count) < 4) {
		answer(c, "error usage");
		return;
	}
	alen = wire_addr(&a, name, port);
	for (int i = 0; i < count; i++) {
		fill(buf, len, seed + i);
		if (sendto(slots[id], buf, len, 0, &a.sa, alen) == (ssize_t)len)
			continue;
		if (errno == ECONNREFUSED && i >= 0) { /* an earlier one's ICMP: try again, once */
			if (sendto(slots[id], buf, len, 0, &a.sa, alen) == (ssize_t)len)
				continue;
		}
		answer_errno(c, "send");
		return;
	}
	answer(c, "ok");
}

static void do_segments(int c, const char *args)
{
	static unsigned char buf[65536];
	size_t len, size, at;
	int id, port, seed;
	socklen_t alen;
	char name[32];
	addr_t a;

	if (sscanf(args, "%d %31s %d %zu %zu %d", &id, name, &port, &len, &size, &seed) != 6 ||
	    !size || len > sizeof(buf)) {
		answer(c, "error usage");
		return;
	}
	for (at = 0; at < len; at += size)
		fill(buf + at, len - at < size ? len - at : size, seed++);
	alen = wire_addr(&a, name, port);
	if (sendto(slots[id], buf, len, 0, &a.sa, alen) != (ssize_t)len)
		answer_errno(c, "segments");
	else
		answer(c, "ok");
}

/* One datagram and where it came from; -1 after @ms. */
static ssize_t fetch(int id, int ms, void *buf, size_t size, struct msghdr *m)
{
	struct pollfd p = { .fd = slots[id], .events = POLLIN };
	struct iovec *iov = m->msg_iov;

	iov->iov_base = buf;
	iov->iov_len = size;
	if (poll(&p, 1, ms) <= 0)
		return -1;
	return recvmsg(slots[id], m, MSG_DONTWAIT);
}

static void describe(char *out, struct msghdr *m)
{
	int ttl = -1, tos = -1;
	const char *to = "?";

	for (struct cmsghdr *cm = CMSG_FIRSTHDR(m); cm; cm = CMSG_NXTHDR(m, cm)) {
		const void *d = CMSG_DATA(cm);

		if (cm->cmsg_level == IPPROTO_IP && cm->cmsg_type == IP_TTL)
			ttl = *(const int *)d;
		else if (cm->cmsg_level == IPPROTO_IP && cm->cmsg_type == IP_TOS)
			tos = *(const unsigned char *)d;
		else if (cm->cmsg_level == IPPROTO_IP && cm->cmsg_type == IP_PKTINFO)
			to = ip_name(AF_INET, &((const struct in_pktinfo *)d)->ipi_addr);
		else if (cm->cmsg_level == IPPROTO_IPV6 && cm->cmsg_type == IPV6_HOPLIMIT)
			ttl = *(const int *)d;
		else if (cm->cmsg_level == IPPROTO_IPV6 && cm->cmsg_type == IPV6_TCLASS)
			tos = *(const int *)d;
		else if (cm->cmsg_level == IPPROTO_IPV6 && cm->cmsg_type == IPV6_PKTINFO)
			to = ip_name(AF_INET6, &((const struct in6_pktinfo *)d)->ipi6_addr);
	}
	sprintf(out, " ttl %d tos %d to %s", ttl, tos, to);
}

static void do_recv(int c, const char *args, bool extended)
{
	static unsigned char buf[65536];
	char control[256], more[160] = "";
	addr_t from;
	struct iovec iov;
	struct msghdr m = { .msg_name = &from,
			    .msg_namelen = sizeof(from),
			    .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };
	int id, ms;
	ssize_t n;

	if (sscanf(args, "%d %d", &id, &ms) != 2) {
		answer(c, "error usage");
		return;
	}
	n = fetch(id, ms, buf, sizeof(buf), &m);
	if (n < 0) {
		answer(c, "ok nothing");
		return;
	}
	if (extended)
		describe(more, &m);
	if (n == 0)
		answer(c, "ok 0 from %s%s", addr_name(&from, m.msg_namelen), more);
	else
		answer(c, "ok %zd from %s payload %d %s%s", n, addr_name(&from, m.msg_namelen),
		       buf[0], intact(buf, (size_t)n, buf[0]) ? "intact" : "CORRUPT", more);
}

static void do_drain(int c, const char *args)
{
	static unsigned char buf[65536];
	long count = 0, bytes = 0, bad = 0;
	struct iovec iov;
	int id, ms;
	ssize_t n;

	if (sscanf(args, "%d %d", &id, &ms) != 2) {
		answer(c, "error usage");
		return;
	}
	for (;;) {
		struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

		n = fetch(id, ms, buf, sizeof(buf), &m);
		if (n < 0)
			break;
		count++;
		bytes += n;
		if (n && !intact(buf, (size_t)n, buf[0]))
			bad++;
	}
	answer(c, "ok %ld datagrams %ld bytes %ld corrupt", count, bytes, bad);
}

/* The payloads of one program may be numbered from any seed, but each one by one from there. */
static void do_runs(int c, const char *args)
{
	static unsigned char buf[65536];
	char control[256], first[160] = "", text[320] = "";
	long count = 0, bad = 0, odd = 0, run = 0;
	ssize_t n, last = -1;
	struct iovec iov;
	int id, ms, next = -1;

	if (sscanf(args, "%d %d", &id, &ms) != 2) {
		answer(c, "error usage");
		return;
	}
	for (;; count++, last = n) {
		struct msghdr m = { .msg_iov = &iov,
				    .msg_iovlen = 1,
				    .msg_control = control,
				    .msg_controllen = sizeof(control) };

		n = fetch(id, ms, buf, sizeof(buf), &m);
		if (n != last && count && strlen(text) < 280)
			sprintf(text + strlen(text), " %ldx%zd", run, last);
		if (n < 0)
			break;
		run = n == last ? run + 1 : 1;
		if (!count)
			describe(first, &m);
		bad += n && !intact(buf, (size_t)n, buf[0]);
		odd += n && next >= 0 && buf[0] != next;
		next = n ? (buf[0] + 1) & 255 : next;
	}
	answer(c, "ok%s%s%s%s%s", count ? text : " nothing", count ? "," : "", first,
	       bad ? " CORRUPT" : "", odd ? " OUT OF ORDER" : "");
}

static void do_echo(int c, const char *args)
{
	static unsigned char buf[65536];
	int id, count, ms, done = 0;
	addr_t from;
	struct iovec iov;
	ssize_t n;

	if (sscanf(args, "%d %d %d", &id, &count, &ms) != 3) {
		answer(c, "error usage");
		return;
	}
	for (; done < count; done++) {
		struct msghdr m = { .msg_name = &from,
				    .msg_namelen = sizeof(from),
				    .msg_iov = &iov,
				    .msg_iovlen = 1 };

		n = fetch(id, ms, buf, sizeof(buf), &m);
		if (n < 0)
			break;
		if (sendto(slots[id], buf, (size_t)n, 0, &from.sa, m.msg_namelen) < 0) {
			answer_errno(c, "echo");
			return;
		}
	}
	answer(c, "ok %d echoed", done);
}

/* The group G1, and one of the link's own. */
static int join(int fd, int ifindex)
{
	struct ip_mreqn m4 = { .imr_ifindex = ifindex };
	struct ipv6_mreq m6 = { .ipv6mr_interface = (unsigned)ifindex };
	addr_t a;

	wire_addr(&a, "G1", 0);
	m4.imr_multiaddr = a.in.sin_addr;
	m6.ipv6mr_multiaddr = a.in6.sin6_addr;
	if (wire4() ? setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m4, sizeof(m4))
		    : setsockopt(fd, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &m6, sizeof(m6)))
		return -1;
	inet_pton(AF_INET, "224.0.0.77", &m4.imr_multiaddr);
	inet_pton(AF_INET6, "ff02::77", &m6.ipv6mr_multiaddr);
	return wire4() ? setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m4, sizeof(m4))
		       : setsockopt(fd, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &m6, sizeof(m6));
}

static void do_opt(int c, const char *args)
{
	int id, value, level = wire4() ? IPPROTO_IP : IPPROTO_IPV6, r = -1;
	unsigned char nops[4] = { 1, 1, 1, 0 };
	char name[32];
	addr_t a;

	if (sscanf(args, "%d %31s %d", &id, name, &value) != 3) {
		answer(c, "error usage");
		return;
	}
	if (!strcmp(name, "ttl")) {
		r = setsockopt(slots[id], level, wire4() ? IP_TTL : IPV6_UNICAST_HOPS, &value, 4);
	} else if (!strcmp(name, "tos")) {
		r = setsockopt(slots[id], level, wire4() ? IP_TOS : IPV6_TCLASS, &value, 4);
	} else if (!strcmp(name, "ipopt")) {
		r = setsockopt(slots[id], IPPROTO_IP, IP_OPTIONS, nops, value ? sizeof(nops) : 0);
	} else if (!strcmp(name, "join")) {
		r = join(slots[id], value);
	} else if (!strcmp(name, "rcvbuf")) {
		r = setsockopt(slots[id], SOL_SOCKET, SO_RCVBUFFORCE, &value, 4);
	} else if (!strcmp(name, "segment")) {
		r = setsockopt(slots[id], IPPROTO_UDP, UDP_SEGMENT, &value, 4);
	} else if (!strcmp(name, "mcast")) {
		wire_addr(&a, "P1", 0);
		r = wire4() ? setsockopt(slots[id], level, IP_MULTICAST_IF, &a.in.sin_addr, 4)
			    : setsockopt(slots[id], level, IPV6_MULTICAST_IF, &value, 4);
	}
	if (r < 0)
		answer_errno(c, "opt");
	else
		answer(c, "ok");
}

static void do_connect(int c, const char *args)
{
	char name[32];
	int id, port;
	addr_t a;
	socklen_t len;

	if (sscanf(args, "%d %31s %d", &id, name, &port) != 3) {
		answer(c, "error usage");
		return;
	}
	len = wire_addr(&a, name, port);
	if (connect(slots[id], &a.sa, len) < 0)
		answer_errno(c, "connect");
	else
		answer(c, "ok");
}

static void do_hello(int c, const char *args)
{
	static char variant[16];

	snprintf(variant, sizeof(variant), "%s", args);
	cf_variant = variant;
	forget_all();
	answer(c, "ok");
}

static void obey(int c, char *line)
{
	char *args = strchr(line, ' ');
	int id;

	if (line[0] == '@' && args) {
		answer(c, "ok");
		pause_ms(atoi(line + 1));
		obey(c, args + 1);
		return;
	}
	if (args)
		*args++ = 0;
	else
		args = line + strlen(line);
	if (!strcmp(line, "hello")) {
		do_hello(c, args);
	} else if (!strcmp(line, "sleep")) {
		pause_ms(atoi(args));
		answer(c, "ok");
	} else if ((id = atoi(args)) < 0 || id >= SLOTS) {
		answer(c, "error slot");
	} else if (!strcmp(line, "open")) {
		do_open(c, args);
	} else if (slots[id] < 0) {
		answer(c, "error no socket %d", id);
	} else if (!strcmp(line, "close")) {
		close(slots[id]);
		slots[id] = -1;
		answer(c, "ok");
	} else if (!strcmp(line, "connect")) {
		do_connect(c, args);
	} else if (!strcmp(line, "send")) {
		do_send(c, args);
	} else if (!strcmp(line, "segments")) {
		do_segments(c, args);
	} else if (!strcmp(line, "recv") || !strcmp(line, "recvx")) {
		do_recv(c, args, line[4] == 'x');
	} else if (!strcmp(line, "drain")) {
		do_drain(c, args);
	} else if (!strcmp(line, "runs")) {
		do_runs(c, args);
	} else if (!strcmp(line, "echo")) {
		do_echo(c, args);
	} else if (!strcmp(line, "opt")) {
		do_opt(c, args);
	} else {
		answer(c, "error command %s", line);
	}
}

/* Waits for a command or for a new connection, which replaces *@c. */
static void serve(int listener, int *c)
{
	struct pollfd p[2] = { { .fd = listener, .events = POLLIN },
			       { .fd = *c, .events = POLLIN } };
	char line[512];
	ssize_t n;

	if (poll(p, 2, -1) < 0)
		return;
	if (*c >= 0 && p[1].revents) {
		n = recv(*c, line, sizeof(line) - 1, 0);
		if (n > 0) {
			line[n] = 0;
			obey(*c, line);
			return;
		}
		close(*c);
		*c = -1;
		forget_all();
	}
	if (p[0].revents & POLLIN) {
		if (*c >= 0)
			close(*c);
		*c = accept(listener, NULL, NULL);
		forget_all();
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int listener, c = -1;

	if (argc != 2) {
		fprintf(stderr, "usage: peer PATH\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	memset(slots, -1, sizeof(slots));
	snprintf(un.sun_path, sizeof(un.sun_path), "%s", argv[1]);
	unlink(argv[1]);
	listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (bind(listener, (struct sockaddr *)&un, sizeof(un)) < 0 || listen(listener, 4) < 0) {
		perror(argv[1]);
		return 1;
	}
	for (;;)
		serve(listener, &c);
}
