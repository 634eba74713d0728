/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * calls_send.c - every sending call with every argument odd, on every kind of descriptor: result, errno, msg_len of a vector's
 * messages, and what the peer got.
 */
/* expect: fast 2 */
#include "calls.h"

static const struct api *api;
static struct iovec iov[IOV_MAX + 1];
static struct msghdr msg;
static struct mmsghdr vec[IOV_MAX + 8];
static addr_t name;
static socklen_t namelen;
static char control[256];

/* All arguments good. */
static void reset(void)
{
	fill(good, GOOD_ALL, 1);
	memset(edge_page, 3, 4096);
	memset(control, 0, sizeof(control));
	namelen = addr_of(&name, "P1", PPORT);
	iov[0] = (struct iovec){ good, 50 };
	iov[1] = (struct iovec){ good + 50, 150 };
	for (int i = 2; i <= IOV_MAX; i++)
		iov[i] = (struct iovec){ good + 198 + i, 1 };
	msg = (struct msghdr){ .msg_name = &name,
			       .msg_namelen = namelen,
			       .msg_iov = iov,
			       .msg_iovlen = 2,
			       .msg_flags = 0x5a5a };
	for (int i = 0; i < 4; i++) {
		vec[i].msg_hdr = msg;
		vec[i].msg_len = 777;
	}
}

static bool is_socket(enum target t)
{
	return t == BOUND || t == CONNECTED || t == UNBOUND;
}

static void report(const char *call, const char *how, enum target t, long r)
{
	int datagrams = strncmp(call, "sendmmsg", 8) ? r >= 0 : (int)r;
	char line[1024], *at = line;

	at += sprintf(at, "%s/%s %s, %s: %s", target_names[t], api->name, call, how, outcome(r));
	for (int i = 0; i < 4; i++)
		if (vec[i].msg_len != 777)
			at += sprintf(at, ", vec%d.len %u", i, vec[i].msg_len);
	if (msg.msg_flags != 0x5a5a)
		at += sprintf(at, ", flags WRITTEN");
	for (int i = 0; is_socket(t) && i < datagrams; i++)
		at += sprintf(at, "; %s", peer("recv 0 100"));
	say("%s\n", line);
}

/* Pointers: @p stands for one argument. */
static long p_send(int fd, char *p)
{
	return api->send(fd, p, 100, 0);
}
static long p_write(int fd, char *p)
{
	return api->write(fd, p, 100);
}
static long p_sendto(int fd, char *p)
{
	return api->sendto(fd, p, 100, 0, &name.sa, namelen);
}
static long p_sendto_name(int fd, char *p)
{
	put(p, &name, namelen);
	return api->sendto(fd, good, 100, 0, (struct sockaddr *)p, namelen);
}
static long p_sendmsg(int fd, char *p)
{
	put(p, &msg, sizeof(msg));
	return api->sendmsg(fd, (struct msghdr *)p, 0);
}
static long p_sendmsg_name(int fd, char *p)
{
	put(p, &name, namelen);
	msg.msg_name = p;
	return api->sendmsg(fd, &msg, 0);
}
static long p_sendmsg_control(int fd, char *p)
{
	bool v4 = family() == AF_INET;
	struct {
		struct cmsghdr head;
		int value, pad;
	} ttl = { { .cmsg_len = CMSG_LEN(4),
		    .cmsg_level = v4 ? SOL_IP : SOL_IPV6,
		    .cmsg_type = v4 ? IP_TTL : IPV6_HOPLIMIT },
		  33,
		  0 };

	put(p, &ttl, sizeof(ttl));
	msg.msg_control = p;
	msg.msg_controllen = sizeof(ttl);
	return api->sendmsg(fd, &msg, 0);
}
static long p_sendmsg_iov(int fd, char *p)
{
	put(p, iov, 2 * sizeof(*iov));
	msg.msg_iov = (struct iovec *)p;
	return api->sendmsg(fd, &msg, 0);
}
static long p_sendmsg_base(int fd, char *p)
{
	iov[1] = (struct iovec){ p, 50 };
	return api->sendmsg(fd, &msg, 0);
}
static long p_sendmsg_base_empty(int fd, char *p)
{
	iov[1] = (struct iovec){ p, 0 };
	return api->sendmsg(fd, &msg, 0);
}
static long p_sendmmsg(int fd, char *p)
{
	put(p, vec, 2 * sizeof(*vec));
	return api->sendmmsg(fd, (struct mmsghdr *)p, 2, 0);
}
static long p_sendmmsg_one(int fd, char *p)
{
	put(p, vec, sizeof(*vec));
	return api->sendmmsg(fd, (struct mmsghdr *)p, 1, 0);
}
static long p_sendmmsg_base(int fd, char *p)
{
	struct iovec second = { p, 100 };

	vec[1].msg_hdr.msg_iov = &second;
	vec[1].msg_hdr.msg_iovlen = 1;
	return api->sendmmsg(fd, vec, 3, 0);
}
static long p_sendmmsg_name(int fd, char *p)
{
	put(p, &name, namelen);
	vec[1].msg_hdr.msg_name = p;
	return api->sendmmsg(fd, vec, 3, 0);
}
static long p_writev(int fd, char *p)
{
	put(p, iov, 2 * sizeof(*iov));
	return api->writev(fd, (struct iovec *)p, 2);
}
static long p_writev_base(int fd, char *p)
{
	iov[1] = (struct iovec){ p, 50 };
	return api->writev(fd, iov, 2);
}

static const struct pcase {
	const char *name;
	size_t size;
	long (*call)(int fd, char *p);
} pcases[] = {
	{ "send buffer", 100, p_send },
	{ "write buffer", 100, p_write },
	{ "sendto buffer", 100, p_sendto },
	{ "sendto name", 16, p_sendto_name },
	{ "sendmsg header", sizeof(struct msghdr), p_sendmsg },
	{ "sendmsg name", 16, p_sendmsg_name },
	{ "sendmsg control", CMSG_SPACE(4), p_sendmsg_control },
	{ "sendmsg iov", 2 * sizeof(struct iovec), p_sendmsg_iov },
	{ "sendmsg second base", 50, p_sendmsg_base },
	{ "sendmsg second base, length 0", 50, p_sendmsg_base_empty },
	{ "sendmmsg vector", 2 * sizeof(struct mmsghdr), p_sendmmsg },
	{ "sendmmsg vector of one", sizeof(struct mmsghdr), p_sendmmsg_one },
	{ "sendmmsg second buffer", 100, p_sendmmsg_base },
	{ "sendmmsg second name", 16, p_sendmmsg_name },
	{ "writev iov", 2 * sizeof(struct iovec), p_writev },
	{ "writev second base", 50, p_writev_base },
};

static void pointers(enum target t)
{
	struct place place[PLACES];

	for (size_t i = 0; i < NLEN(pcases); i++) {
		size_t size = strstr(pcases[i].name, "name") ? addr_of(&name, "P1", PPORT)
							     : pcases[i].size;

		places(place, size);
		for (int k = 0; k < PLACES; k++) {
			reset();
			errno = 0;
			report(pcases[i].name, place[k].name, t,
			       pcases[i].call(target_fd[t], place[k].p));
		}
	}
}

/* Numbers. */
static long n_send(int fd, long n)
{
	return api->send(fd, good, (size_t)n, 0);
}
static long n_sendto(int fd, long n)
{
	return api->sendto(fd, good, (size_t)n, 0, &name.sa, namelen);
}
static long n_write(int fd, long n)
{
	return api->write(fd, good, (size_t)n);
}
static long n_send_null(int fd, long n)
{
	return api->send(fd, NULL, (size_t)n, 0);
}
static long n_sendto_namelen(int fd, long n)
{
	return api->sendto(fd, good, 100, 0, &name.sa, (socklen_t)n);
}
static long n_sendto_namelen_null(int fd, long n)
{
	return api->sendto(fd, good, 100, 0, NULL, (socklen_t)n);
}
static long n_sendmsg_namelen(int fd, long n)
{
	msg.msg_namelen = (socklen_t)n;
	return api->sendmsg(fd, &msg, 0);
}
static long n_sendmsg_namelen_null(int fd, long n)
{
	msg.msg_name = NULL;
	msg.msg_namelen = (socklen_t)n;
	return api->sendmsg(fd, &msg, 0);
}
static long n_sendmsg_controllen(int fd, long n)
{
	msg.msg_control = control;
	msg.msg_controllen = (size_t)n;
	return api->sendmsg(fd, &msg, 0);
}
static long n_sendmsg_controllen_null(int fd, long n)
{
	msg.msg_controllen = (size_t)n;
	return api->sendmsg(fd, &msg, 0);
}
static long n_sendmsg_iovlen(int fd, long n)
{
	msg.msg_iovlen = (size_t)n;
	return api->sendmsg(fd, &msg, 0);
}
static long n_sendmsg_iovlen_null(int fd, long n)
{
	msg.msg_iov = NULL;
	msg.msg_iovlen = (size_t)n;
	return api->sendmsg(fd, &msg, 0);
}
static long n_sendmsg_only(int fd, long n)
{
	iov[0].iov_len = (size_t)n;
	msg.msg_iovlen = 1;
	return api->sendmsg(fd, &msg, 0);
}
static long n_sendmsg_second(int fd, long n)
{
	iov[1] = (struct iovec){ good, (size_t)n };
	return api->sendmsg(fd, &msg, 0);
}
static long n_sendmsg_both(int fd, long n)
{
	iov[0] = iov[1] = (struct iovec){ good, (size_t)n };
	return api->sendmsg(fd, &msg, 0);
}
static long n_writev(int fd, long n)
{
	return api->writev(fd, iov, (int)n);
}
static long n_writev_null(int fd, long n)
{
	return api->writev(fd, NULL, (int)n);
}
static long n_writev_only(int fd, long n)
{
	iov[0].iov_len = (size_t)n;
	return api->writev(fd, iov, 1);
}
static long n_writev_second(int fd, long n)
{
	iov[1] = (struct iovec){ good, (size_t)n };
	return api->writev(fd, iov, 2);
}
static long n_writev_both(int fd, long n)
{
	iov[0] = iov[1] = (struct iovec){ good, (size_t)n };
	return api->writev(fd, iov, 2);
}
static long n_sendmmsg_iovlen(int fd, long n)
{
	vec[1].msg_hdr.msg_iovlen = (size_t)n;
	return api->sendmmsg(fd, vec, 2, 0);
}
static long n_sendmmsg_namelen(int fd, long n)
{
	vec[1].msg_hdr.msg_namelen = (socklen_t)n;
	return api->sendmmsg(fd, vec, 2, 0);
}
static long n_sendmmsg_vlen(int fd, long n)
{
	return api->sendmmsg(fd, vec, (unsigned)n, 0);
}
static long n_sendmmsg_vlen_null(int fd, long n)
{
	return api->sendmmsg(fd, NULL, (unsigned)n, 0);
}

static const long lengths[] = { 0,	    1,	      1472,	   1473,     65507,    65508,
				65527,	    65528,    65535,	   65536,    INT_MAX,  0x7ffff000,
				0x80000000, UINT_MAX, 0x100000000, LONG_MAX, LONG_MIN, -1 };
static const long namelens[] = { 0, 1, 2, 15, 16, 24, 27, 28, 127, 128, 129, INT_MAX, INT_MIN, -1 };
static const long controllens[] = { 0, 1, 12, 15, 16, 17, 24, 256, 0x80000000, 0x100000000, -1 };
static const long counts[] = { 0, 1, 2, IOV_MAX, IOV_MAX + 1, INT_MAX, INT_MIN, -1 };
static const long vlens[] = { 0, 1, 2, 3, 4 };
static const long null_vlens[] = { 0, 1, 1024, 1025, UINT_MAX };

static const struct ncase {
	const char *name;
	long (*call)(int fd, long n);
	const long *values;
	size_t n;
} ncases[] = {
#define CASE(name, call, values)                                                                   \
	{                                                                                          \
		name, call, values, NLEN(values)                                                   \
	}
	CASE("send length", n_send, lengths),
	CASE("sendto length", n_sendto, lengths),
	CASE("write length", n_write, lengths),
	CASE("send NULL, length", n_send_null, lengths),
	CASE("sendto namelen", n_sendto_namelen, namelens),
	CASE("sendto NULL, namelen", n_sendto_namelen_null, namelens),
	CASE("sendmsg namelen", n_sendmsg_namelen, namelens),
	CASE("sendmsg NULL, namelen", n_sendmsg_namelen_null, namelens),
	CASE("sendmsg controllen", n_sendmsg_controllen, controllens),
	CASE("sendmsg NULL, controllen", n_sendmsg_controllen_null, controllens),
	CASE("sendmsg iovlen", n_sendmsg_iovlen, counts),
	CASE("sendmsg NULL, iovlen", n_sendmsg_iovlen_null, counts),
	CASE("sendmsg only length", n_sendmsg_only, lengths),
	CASE("sendmsg second length", n_sendmsg_second, lengths),
	CASE("sendmsg both lengths", n_sendmsg_both, lengths),
	CASE("writev count", n_writev, counts),
	CASE("writev NULL, count", n_writev_null, counts),
	CASE("writev only length", n_writev_only, lengths),
	CASE("writev second length", n_writev_second, lengths),
	CASE("writev both lengths", n_writev_both, lengths),
	CASE("sendmmsg second iovlen", n_sendmmsg_iovlen, counts),
	CASE("sendmmsg second namelen", n_sendmmsg_namelen, namelens),
	CASE("sendmmsg vlen", n_sendmmsg_vlen, vlens),
	CASE("sendmmsg NULL, vlen", n_sendmmsg_vlen_null, null_vlens),
};

static void numbers(enum target t)
{
	char how[32];

	for (size_t i = 0; i < NLEN(ncases); i++)
		for (size_t k = 0; k < ncases[i].n; k++) {
			reset();
			errno = 0;
			snprintf(how, sizeof(how), "%ld", ncases[i].values[k]);
			report(ncases[i].name, how, t,
			       ncases[i].call(target_fd[t], ncases[i].values[k]));
		}
}

/* Destinations that are none, or not of the socket's family. */
static const struct {
	const char *what;
	int family;
	const char *ip;
	int port;
} odd[] = {
	{ "port 0", 0, "P1", 0 },
	{ "nobody's", 0, "N1", PPORT },
	{ "AF_UNSPEC", AF_UNSPEC, "P1", PPORT },
	{ "AF_UNIX", AF_UNIX, "P1", PPORT },
	{ "AF_PACKET", AF_PACKET, "P1", PPORT },
	{ "family 4711", 4711, "P1", PPORT },
	{ "AF_INET", AF_INET, "10.77.0.9", PPORT },
	{ "AF_INET any", AF_INET, "0.0.0.0", 9 },
	{ "AF_INET broadcast", AF_INET, "255.255.255.255", PPORT },
	{ "AF_INET subnet's broadcast", AF_INET, "10.77.0.255", PPORT },
	{ "AF_INET class E", AF_INET, "250.1.2.3", PPORT },
	{ "AF_INET6", AF_INET6, "fd77::9", PPORT },
	{ "AF_INET6 any", AF_INET6, "::", 9 },
	{ "AF_INET6 mapped", AF_INET6, "::ffff:10.77.0.9", PPORT },
	{ "AF_INET6 mapped any", AF_INET6, "::ffff:0.0.0.0", 9 },
	{ "AF_INET6 link-local without scope", AF_INET6, "fe80::1", PPORT },
	{ "AF_INET6 documentation", AF_INET6, "2001:db8::1", PPORT },
};

static void odd_name(size_t i)
{
	if (odd[i].ip[0] == 'P' || odd[i].ip[0] == 'N') {
		namelen = addr_of(&name, odd[i].ip, odd[i].port);
		if (strcmp(odd[i].what, "port 0") && strcmp(odd[i].what, "nobody's"))
			name.sa.sa_family = (sa_family_t)odd[i].family;
		return;
	}
	memset(&name, 0, sizeof(name));
	name.sa.sa_family = (sa_family_t)odd[i].family;
	name.in.sin_port = htons((uint16_t)odd[i].port);
	inet_pton(odd[i].family, odd[i].ip,
		  odd[i].family == AF_INET ? (void *)&name.in.sin_addr
					   : (void *)&name.in6.sin6_addr);
	namelen = odd[i].family == AF_INET ? sizeof(name.in) : sizeof(name.in6);
}

static void destinations(enum target t)
{
	for (size_t i = 0; i < NLEN(odd); i++) {
		for (int call = 0; call < 4; call++) {
			static const char *const what[] = { "sendto", "sendto 128", "sendmsg",
							    "sendmmsg" };
			long r;

			reset();
			odd_name(i);
			msg.msg_namelen = namelen;
			vec[1].msg_hdr = msg;
			errno = 0;
			if (call < 2)
				r = api->sendto(target_fd[t], good, 100, 0, &name.sa,
						call ? 128 : namelen);
			else if (call == 2)
				r = api->sendmsg(target_fd[t], &msg, 0);
			else
				r = api->sendmmsg(target_fd[t], vec + 1, 2, 0);
			say("%s/%s %s to %s: %s, lens %u %u\n", target_names[t], api->name,
			    what[call], odd[i].what, outcome(r), vec[1].msg_len, vec[2].msg_len);
		}
	}
	say("peer: %s\n", peer("drain 0 60"));
}

/* More messages than a call may send: to a port where nobody is. */
static void long_vector(enum target t)
{
	static const unsigned n[] = { IOV_MAX - 1, IOV_MAX, IOV_MAX + 1, IOV_MAX + 8, UINT_MAX };

	for (size_t k = 0; k < NLEN(n); k++) {
		unsigned sent = 0;
		long r;

		reset();
		namelen = addr_of(&name, "P2", 9);
		for (unsigned i = 0; i < NLEN(vec); i++) {
			vec[i].msg_hdr = msg;
			vec[i].msg_hdr.msg_iovlen = 1;
			vec[i].msg_len = 777;
		}
		r = api->sendmmsg(target_fd[t], vec, n[k], 0);
		while (sent < NLEN(vec) && vec[sent].msg_len == 50)
			sent++;
		say("sendmmsg of %u = %s, lengths of %u\n", n[k], outcome(r), sent);
	}
}

static void all(const struct api *a, enum target t)
{
	api = a;
	say("-- %s by %s\n", target_names[t], a->name);
	pointers(t);
	if (is_socket(t)) /* what was sent by a call that then failed */
		say("peer: %s\n", peer("drain 0 60"));
	numbers(t);
	destinations(t);
	if (is_socket(t))
		say("peer: %s\n", peer("drain 0 60"));
}

int main(void)
{
	char c[16];

	cf_start();
	map_memory();
	find_aliases();
	open_targets();
	for (enum target t = BOUND; t < TARGETS; t++)
		all(&by_name, t);
	all(&by_number, BOUND);
	all(&by_number, CONNECTED);
	all(&by_alias, CONNECTED);
	long_vector(BOUND);
	for (int i = 0; i < 3; i++) { /* one way back, for the count of datagrams past the kernel */
		feed(BOUND);
		res("recv", recv(target_fd[BOUND], c, sizeof(c), 0));
		res("recv", recv(target_fd[BOUND], c, sizeof(c), 0));
	}
	return 0;
}
