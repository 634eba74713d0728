/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * twin_agent.c - carries out socket calls that it reads from its input and prints what came of them, for the twin_*.sh
 * tests, which run it once on kernel sockets and once under the library and compare what it said.
 *
 *   sock ID 4|6|dual            bind ID ADDRESS PORT         connect ID ADDRESS PORT | connect ID none
 *   send ID LENGTH NUMBER [ADDRESS PORT [IF|- SOURCE]]       IF and SOURCE: by IP_PKTINFO or IPV6_PKTINFO
 *   recv ID MS                  one datagram, everything about it
 *   drain ID MS                 how many, which numbers, until MS of silence
 *   errq ID                     one entry of the error queue
 *   error ID                    SO_ERROR
 *   poll ID MS
 *   set ID OPTION VALUE         get ID OPTION                name ID        close ID
 *   echo ID COUNT MS            sends COUNT datagrams back to where they came from
 *
 * Each command's answer ends with a line of ".". Nothing printed carries a time, an ephemeral port or an interface's number.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <net/if.h>

#include "accel_common.h"

#define SOCKETS 16

static int fds[SOCKETS];
static int families[SOCKETS];
static uint8_t buf[KB_MAX + 64];

static const struct option_name {
	const char *name;
	int level, option;
} options[] = {
	{ "recverr", SOL_IP, IP_RECVERR },
	{ "recverr6", SOL_IPV6, IPV6_RECVERR },
	{ "pmtudisc", SOL_IP, IP_MTU_DISCOVER },
	{ "pmtudisc6", SOL_IPV6, IPV6_MTU_DISCOVER },
	{ "dontfrag6", SOL_IPV6, IPV6_DONTFRAG },
	{ "mtu", SOL_IP, IP_MTU },
	{ "mtu6", SOL_IPV6, IPV6_MTU },
	{ "recvpathmtu", SOL_IPV6, IPV6_RECVPATHMTU },
	{ "broadcast", SOL_SOCKET, SO_BROADCAST },
	{ "reuseaddr", SOL_SOCKET, SO_REUSEADDR },
	{ "freebind", SOL_IP, IP_FREEBIND },
	{ "pktinfo", SOL_IP, IP_PKTINFO },
	{ "pktinfo6", SOL_IPV6, IPV6_RECVPKTINFO },
	{ "recvttl", SOL_IP, IP_RECVTTL },
	{ "recvtos", SOL_IP, IP_RECVTOS },
	{ "hoplimit", SOL_IPV6, IPV6_RECVHOPLIMIT },
	{ "tclass", SOL_IPV6, IPV6_RECVTCLASS },
	{ "recvopts", SOL_IP, IP_RECVOPTS },
	{ "ttl", SOL_IP, IP_TTL },
	{ "hops", SOL_IPV6, IPV6_UNICAST_HOPS },
	{ "rcvbuf", SOL_SOCKET, SO_RCVBUF },
	{ "v6only", SOL_IPV6, IPV6_V6ONLY },
};

static const char *outcome(long r)
{
	static char text[64];

	if (r < 0)
		snprintf(text, sizeof(text), "-1 %s", strerrorname_np(errno));
	else
		snprintf(text, sizeof(text), "%ld", r);
	return text;
}

static const char *address(const struct sockaddr_storage *ss)
{
	static char text[4][96];
	static int turn;
	char *t = text[turn++ & 3], ip[INET6_ADDRSTRLEN], port[8], scope[IF_NAMESIZE];
	const struct sockaddr_in *in = (const void *)ss;
	const struct sockaddr_in6 *in6 = (const void *)ss;

	if (ss->ss_family != AF_INET && ss->ss_family != AF_INET6)
		return "nobody";
	snprintf(port, sizeof(port), ntohs(in->sin_port) >= 32768 ? "*" : "%d", ntohs(in->sin_port));
	if (ss->ss_family == AF_INET) {
		inet_ntop(AF_INET, &in->sin_addr, ip, sizeof(ip));
		snprintf(t, 96, "%s:%s", ip, port);
		return t;
	}
	inet_ntop(AF_INET6, &in6->sin6_addr, ip, sizeof(ip));
	if (in6->sin6_scope_id && !if_indextoname(in6->sin6_scope_id, scope))
		strcpy(scope, "?");
	snprintf(t, 96, "[%s%s%s]:%s", ip, in6->sin6_scope_id ? "%" : "",
		 in6->sin6_scope_id ? scope : "", port);
	return t;
}

static const char *payload(const uint8_t *data, ssize_t len)
{
	static char text[64];
	uint32_t seq;

	if (len < KB_HEAD)
		snprintf(text, sizeof(text), "%zd bytes", len);
	else if (kb_check(data, (size_t)len, &seq))
		snprintf(text, sizeof(text), "%zd bytes, number %u", len, seq);
	else
		snprintf(text, sizeof(text), "%zd bytes, UNKNOWN", len);
	return text;
}

static const char *if_name(unsigned index)
{
	static char name[IF_NAMESIZE];

	return index && if_indextoname(index, name) ? name : "no interface";
}

static void print_error(const struct cmsghdr *c)
{
	const struct sock_extended_err *ee = (const void *)CMSG_DATA(c);
	const char *by = address((const void *)SO_EE_OFFENDER(ee));

	printf("  %s: %s origin %u type %u code %u pad %u info %u data %u by %s (cmsg %zu)\n",
	       c->cmsg_level == SOL_IP ? "IP_RECVERR" : "IPV6_RECVERR",
	       strerrorname_np((int)ee->ee_errno), ee->ee_origin, ee->ee_type, ee->ee_code,
	       ee->ee_pad, ee->ee_info, ee->ee_data, by, (size_t)c->cmsg_len);
}

static void print_control4(const struct cmsghdr *c)
{
	char a[INET_ADDRSTRLEN], b[INET_ADDRSTRLEN];
	const struct in_pktinfo *info = (const void *)CMSG_DATA(c);

	if (c->cmsg_type == IP_RECVERR)
		print_error(c);
	else if (c->cmsg_type == IP_PKTINFO)
		printf("  IP_PKTINFO %s spec %s addr %s\n", if_name((unsigned)info->ipi_ifindex),
		       inet_ntop(AF_INET, &info->ipi_spec_dst, a, sizeof(a)),
		       inet_ntop(AF_INET, &info->ipi_addr, b, sizeof(b)));
	else if (c->cmsg_type == IP_TOS)
		printf("  IP_TOS %#x\n", *CMSG_DATA(c));
	else if (c->cmsg_type == IP_TTL)
		printf("  IP_TTL %d\n", *(const int *)CMSG_DATA(c));
	else
		printf("  IP control %d, %zu\n", c->cmsg_type, (size_t)c->cmsg_len);
}

static void print_control6(const struct cmsghdr *c)
{
	char a[INET6_ADDRSTRLEN];
	const struct in6_pktinfo *info = (const void *)CMSG_DATA(c);

	if (c->cmsg_type == IPV6_RECVERR)
		print_error(c);
	else if (c->cmsg_type == IPV6_PKTINFO)
		printf("  IPV6_PKTINFO %s %s\n", if_name(info->ipi6_ifindex),
		       inet_ntop(AF_INET6, &info->ipi6_addr, a, sizeof(a)));
	else if (c->cmsg_type == IPV6_PATHMTU)
		printf("  IPV6_PATHMTU %u\n",
		       ((const struct ip6_mtuinfo *)(const void *)CMSG_DATA(c))->ip6m_mtu);
	else
		printf("  IPv6 control %d %d\n", c->cmsg_type, *(const int *)CMSG_DATA(c));
}

/* A receive of either queue. */
static ssize_t take(int id, int flags)
{
	char control[512];
	struct sockaddr_storage from = { 0 };
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr m = { .msg_name = &from,
			    .msg_namelen = sizeof(from),
			    .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(fds[id], &m, flags);

	if (n < 0) {
		printf("%s\n", outcome(n));
		return n;
	}
	printf("%s %s %s flags %#x\n", payload(buf, n), flags & MSG_ERRQUEUE ? "to" : "from",
	       m.msg_namelen ? address(&from) : "nobody", (unsigned)m.msg_flags);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		if (c->cmsg_level == SOL_IP)
			print_control4(c);
		else if (c->cmsg_level == SOL_IPV6)
			print_control6(c);
		else
			printf("  control %d/%d\n", c->cmsg_level, c->cmsg_type);
	}
	return n;
}

static short wait_for(int id, int ms)
{
	struct pollfd p = { .fd = fds[id], .events = POLLIN | POLLOUT };

	if (ms)
		p.events = POLLIN;
	poll(&p, 1, ms);
	return p.revents;
}

static void do_sock(int id, char *args)
{
	int six = strncmp(args, "4", 1) != 0, only = strncmp(args, "6", 1) == 0;

	families[id] = six ? AF_INET6 : AF_INET;
	fds[id] = socket(families[id], SOCK_DGRAM, 0);
	if (six)
		setsockopt(fds[id], SOL_IPV6, IPV6_V6ONLY, &only, sizeof(only));
	printf("%s\n", fds[id] < 0 ? outcome(-1) : "made");
}

static void do_bind(int id, char *args)
{
	struct sockaddr_storage ss;
	char where[64];
	socklen_t len;
	int port;

	if (sscanf(args, "%63s %d", where, &port) != 2)
		kb_die("bind: usage");
	len = kb_addr(where, port, &ss);
	printf("%s\n", outcome(bind(fds[id], (struct sockaddr *)&ss, len)));
}

static void do_connect(int id, char *args)
{
	struct sockaddr_storage ss = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(struct sockaddr_in);
	char where[64];
	int port;

	if (sscanf(args, "%63s %d", where, &port) == 2)
		len = kb_addr(where, port, &ss);
	printf("%s\n", outcome(connect(fds[id], (struct sockaddr *)&ss, len)));
}

/* Adds a control message that chooses the interface and the source. */
static void choose(struct msghdr *m, int family, const char *dev, const char *source)
{
	struct cmsghdr *c = m->msg_control;
	unsigned index = if_nametoindex(dev);

	if (family == AF_INET6) {
		struct in6_pktinfo info = { .ipi6_ifindex = index };

		inet_pton(AF_INET6, source, &info.ipi6_addr);
		m->msg_controllen = CMSG_SPACE(sizeof(info));
		*c = (struct cmsghdr){ CMSG_LEN(sizeof(info)), SOL_IPV6, IPV6_PKTINFO };
		memcpy(CMSG_DATA(c), &info, sizeof(info));
	} else {
		struct in_pktinfo info = { .ipi_ifindex = (int)index };

		inet_pton(AF_INET, source, &info.ipi_spec_dst);
		m->msg_controllen = CMSG_SPACE(sizeof(info));
		*c = (struct cmsghdr){ CMSG_LEN(sizeof(info)), SOL_IP, IP_PKTINFO };
		memcpy(CMSG_DATA(c), &info, sizeof(info));
	}
}

static void do_send(int id, char *args)
{
	char where[64], dev[IF_NAMESIZE], source[64], control[64];
	struct sockaddr_storage ss;
	struct iovec iov = { .iov_base = buf };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	unsigned seq;
	int port, n;

	n = sscanf(args, "%zu %u %63s %d %15s %63s", &iov.iov_len, &seq, where, &port, dev, source);
	if (n < 2 || iov.iov_len > sizeof(buf))
		kb_die("send: usage");
	kb_fill(buf, iov.iov_len, seq);
	if (n >= 4) {
		m.msg_namelen = kb_addr(where, port, &ss);
		m.msg_name = &ss;
	}
	if (n == 6) {
		m.msg_control = control;
		choose(&m, families[id], dev, source);
	}
	printf("%s\n", outcome(sendmsg(fds[id], &m, 0)));
}

static void do_recv(int id, char *args)
{
	int ms = atoi(args);

	if (ms)
		wait_for(id, ms);
	take(id, MSG_DONTWAIT);
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Sorted: between the two paths there is no order. */
static void do_drain(int id, char *args)
{
	static uint32_t numbers[4096];
	unsigned n = 0, small = 0, bad = 0;
	int ms = atoi(args);
	ssize_t len;

	while (wait_for(id, ms) & POLLIN && n < 4096) {
		len = recv(fds[id], buf, sizeof(buf), MSG_DONTWAIT);
		if (len < 0)
			break;
		if (len < KB_HEAD)
			small++;
		else if (kb_check(buf, (size_t)len, &numbers[n]))
			n++;
		else
			bad++;
	}
	qsort(numbers, n, sizeof(numbers[0]), by_number);
	printf("%u numbered, %u small, %u unknown:", n, small, bad);
	for (unsigned i = 0, j; i < n; i = j) {
		for (j = i + 1; j < n && numbers[j] == numbers[j - 1] + 1;)
			j++;
		printf(j == i + 1 ? " %u" : " %u-%u", numbers[i], numbers[j - 1]);
	}
	printf("\n");
}

static void do_errq(int id, char *args)
{
	(void)args;
	take(id, MSG_ERRQUEUE);
}

static void do_error(int id, char *args)
{
	int err = 0;
	socklen_t len = sizeof(err);

	(void)args;
	getsockopt(fds[id], SOL_SOCKET, SO_ERROR, &err, &len);
	printf("%s\n", err ? strerrorname_np(err) : "none");
}

static void do_poll(int id, char *args)
{
	static const struct {
		short bit;
		const char *name;
	} bits[] = { { POLLIN, "IN" },	 { POLLOUT, "OUT" }, { POLLPRI, "PRI" },
		     { POLLERR, "ERR" }, { POLLHUP, "HUP" }, { POLLNVAL, "NVAL" } };
	short r = wait_for(id, atoi(args));

	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
		if (r & bits[i].bit)
			printf("%s ", bits[i].name);
	printf("%s\n", r ? "" : "nothing");
}

static const struct option_name *find_option(const char *name)
{
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (strcmp(options[i].name, name) == 0)
			return &options[i];
	kb_die("no option %s", name);
}

static void do_set(int id, char *args)
{
	const struct option_name *o;
	char name[32];
	int value;

	if (sscanf(args, "%31s %d", name, &value) != 2)
		kb_die("set: usage");
	o = find_option(name);
	printf("%s\n", outcome(setsockopt(fds[id], o->level, o->option, &value, sizeof(value))));
}

static void do_get(int id, char *args)
{
	const struct option_name *o = find_option(args);
	int value = 0, r;
	socklen_t len = sizeof(value);

	r = getsockopt(fds[id], o->level, o->option, &value, &len);
	printf("%s, value %d\n", outcome(r), value);
}

static void do_name(int id, char *args)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	(void)args;
	if (getsockname(fds[id], (struct sockaddr *)&ss, &len) < 0)
		printf("%s\n", outcome(-1));
	else
		printf("%s\n", address(&ss));
}

static void do_echo(int id, char *args)
{
	struct sockaddr_storage from;
	int count, ms, done = 0;
	socklen_t len;
	ssize_t n;

	if (sscanf(args, "%d %d", &count, &ms) != 2)
		kb_die("echo: usage");
	for (; done < count && wait_for(id, ms) & POLLIN; done++) {
		len = sizeof(from);
		n = recvfrom(fds[id], buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *)&from,
			     &len);
		if (n < 0 || sendto(fds[id], buf, (size_t)n, 0, (struct sockaddr *)&from, len) < 0) {
			printf("%s, ", outcome(-1));
			break;
		}
	}
	printf("%d sent back\n", done);
}

static void do_close(int id, char *args)
{
	(void)args;
	printf("%s\n", outcome(close(fds[id])));
	fds[id] = -1;
}

static const struct {
	const char *name;
	void (*fn)(int id, char *args);
} commands[] = {
	{ "sock", do_sock }, { "bind", do_bind },   { "connect", do_connect },
	{ "send", do_send }, { "recv", do_recv },   { "drain", do_drain },
	{ "errq", do_errq }, { "error", do_error }, { "poll", do_poll },
	{ "set", do_set },   { "get", do_get },	    { "name", do_name },
	{ "echo", do_echo }, { "close", do_close },
};

/*
 * Waits for a command as a server waits for work, with its sockets in the set: asleep outside of the library it would lose its
 * lease, if the next command is long in coming.
 */
static void wait_for_command(void)
{
	struct pollfd p[SOCKETS + 1] = { { .fd = 0, .events = POLLIN } };

	for (int i = 0; i < SOCKETS; i++)
		p[i + 1] = (struct pollfd){ .fd = fds[i] };
	poll(p, SOCKETS + 1, -1); /* an error of a socket ends it, too: then fgets() waits */
}

int main(void)
{
	char line[256], name[32];
	int id, used;

	memset(fds, -1, sizeof(fds));
	while (wait_for_command(), fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = 0;
		used = 0;
		if (sscanf(line, "%31s %d %n", name, &id, &used) < 2 || id < 0 || id >= SOCKETS)
			kb_die("bad command: %s", line);
		for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
			if (strcmp(commands[i].name, name) == 0)
				commands[i].fn(id, line + used);
		printf(".\n");
		fflush(stdout);
	}
	return 0;
}
