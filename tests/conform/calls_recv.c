/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * calls_recv.c - every receiving call with every argument odd, on every kind of descriptor: result, errno, what was
 * written into each output argument, and what is still queued afterwards.
 */
/* expect: fast 300 */
#include "calls.h"

static const struct api *api;
static struct iovec iov[IOV_MAX + 1];
static struct msghdr msg;
static struct mmsghdr vec[4];
static struct timespec timeout;
static addr_t name;
static socklen_t namelen;
static char control[256];
/* What stands in a control buffer that ends before the message does depends on how the kernel copies: not compared. */
static bool control_ends;

/* All arguments good, all outputs poisoned. */
static void reset(void)
{
	memset(good, POISON, GOOD_SIZE);
	memset(edge_page, POISON, 4096);
	memset(&name, POISON, sizeof(name));
	memset(control, POISON, sizeof(control));
	namelen = sizeof(name);
	iov[0] = (struct iovec){ good, 50 };
	iov[1] = (struct iovec){ good + 50, 150 };
	for (int i = 2; i <= IOV_MAX; i++)
		iov[i] = (struct iovec){ good + 200 + i, 1 };
	msg = (struct msghdr){ .msg_name = &name,
			       .msg_namelen = sizeof(name),
			       .msg_iov = iov,
			       .msg_iovlen = 2,
			       .msg_control = control,
			       .msg_controllen = sizeof(control),
			       .msg_flags = 0x5a5a };
	for (int i = 0; i < 4; i++) {
		vec[i].msg_hdr = msg;
		vec[i].msg_len = 777;
	}
	timeout = (struct timespec){ 1, 0 };
	control_ends = false;
}

static char line[1024];

static void add(const char *format, ...)
{
	size_t n = strlen(line);
	va_list ap;

	va_start(ap, format);
	vsnprintf(line + n, sizeof(line) - n, format, ap);
	va_end(ap);
}

static void add_msg(const char *what, const struct msghdr *m)
{
	if (m->msg_namelen != sizeof(name))
		add(" %s.namelen %d", what, (int)m->msg_namelen);
	if (m->msg_controllen != sizeof(control))
		add(" %s.controllen %zd", what, (ssize_t)m->msg_controllen);
	if (m->msg_flags != 0x5a5a)
		add(" %s.flags %x", what, (unsigned)m->msg_flags);
}

/* Whatever is not as reset() left it. */
static void add_outputs(void)
{
	if (written(good, GOOD_SIZE))
		add(" buffer %zu", written(good, GOOD_SIZE));
	if (written(edge_page, 4096) && !control_ends)
		add(" edge %zu", written(edge_page, 4096));
	if (written(&name, sizeof(name)))
		add(" name %zu", written(&name, sizeof(name)));
	if (written(control, sizeof(control)))
		add(" control %zu", written(control, sizeof(control)));
	if (namelen != sizeof(name))
		add(" namelen %d", (int)namelen);
	add_msg("msg", &msg);
	for (int i = 0; i < 4; i++) {
		char what[16];

		snprintf(what, sizeof(what), "vec%d", i);
		if (vec[i].msg_len != 777)
			add(" %s.len %u", what, vec[i].msg_len);
		add_msg(what, &vec[i].msg_hdr);
	}
	if (timeout.tv_sec != 1 || timeout.tv_nsec)
		add(" timeout %s", timeout.tv_sec == 0 && timeout.tv_nsec > 0 ? "less" : "odd");
}

static void add_left(int fd)
{
	int n = 0, errors = 0;
	char c;

	for (;;) {
		ssize_t r = recv(fd, &c, 1, MSG_DONTWAIT);

		if (r < 0 && (errno == EAGAIN || errors++ == 3))
			break;
		if (r < 0)
			add(" then %s", strerrorname_np(errno));
		else
			n++;
	}
	add(", left %d", n);
}

/* One case is done: @r and errno are its result. */
static void report(const char *call, const char *how, enum target t, long r, bool fed)
{
	const char *what = outcome(r);

	line[0] = 0;
	add("%s/%s %s, %s: %s;", target_names[t], api->name, call, how, what);
	add_outputs();
	if (fed)
		add_left(target_fd[t]);
	say("%s\n", line);
}

/* Pointers: @p stands for one argument. */
static long p_recv(int fd, char *p)
{
	return api->recv(fd, p, 100, 0);
}
static long p_read(int fd, char *p)
{
	return api->read(fd, p, 100);
}
static long p_recvfrom(int fd, char *p)
{
	return api->recvfrom(fd, p, 100, 0, &name.sa, &namelen);
}
static long p_recvfrom_peek(int fd, char *p)
{
	return api->recvfrom(fd, p, 100, MSG_PEEK, &name.sa, &namelen);
}
static long p_recvfrom_name(int fd, char *p)
{
	return api->recvfrom(fd, good, 200, 0, (struct sockaddr *)p, &namelen);
}
static long p_recvfrom_namelen(int fd, char *p)
{
	put(p, &namelen, sizeof(namelen));
	return api->recvfrom(fd, good, 200, 0, &name.sa, (socklen_t *)p);
}
static long p_recvmsg(int fd, char *p)
{
	put(p, &msg, sizeof(msg));
	return api->recvmsg(fd, (struct msghdr *)p, 0);
}
static long p_recvmsg_name(int fd, char *p)
{
	msg.msg_name = p;
	return api->recvmsg(fd, &msg, 0);
}
static long p_recvmsg_control(int fd, char *p)
{
	control_ends = p > edge_page && p != edge(256) && p < edge(0);
	msg.msg_control = p;
	return api->recvmsg(fd, &msg, 0);
}
static long p_recvmsg_control_short(int fd, char *p)
{
	control_ends = p > edge_page && p != edge(64) && p < edge(0);
	msg.msg_control = p;
	msg.msg_controllen = 64;
	return api->recvmsg(fd, &msg, 0);
}
static long p_recvmsg_iov(int fd, char *p)
{
	put(p, iov, 2 * sizeof(*iov));
	msg.msg_iov = (struct iovec *)p;
	return api->recvmsg(fd, &msg, 0);
}
static long p_recvmsg_base(int fd, char *p)
{
	iov[1] = (struct iovec){ p, 50 };
	return api->recvmsg(fd, &msg, 0);
}
static long p_recvmsg_base_peek(int fd, char *p)
{
	iov[1] = (struct iovec){ p, 50 };
	return api->recvmsg(fd, &msg, MSG_PEEK);
}
static long p_recvmsg_base_unused(int fd, char *p)
{
	iov[1].iov_len = 50;
	iov[2] = (struct iovec){ p, 50 };
	msg.msg_iovlen = 3;
	return api->recvmsg(fd, &msg, 0);
}
static long p_recvmmsg(int fd, char *p)
{
	put(p, vec, 2 * sizeof(*vec));
	return api->recvmmsg(fd, (struct mmsghdr *)p, 2, 0, NULL);
}
static long p_recvmmsg_one(int fd, char *p)
{
	put(p, vec, sizeof(*vec));
	return api->recvmmsg(fd, (struct mmsghdr *)p, 1, 0, NULL);
}
static long p_recvmmsg_base(int fd, char *p)
{
	struct iovec second = { p, 100 };

	vec[1].msg_hdr.msg_iov = &second;
	vec[1].msg_hdr.msg_iovlen = 1;
	return api->recvmmsg(fd, vec, 3, 0, NULL);
}
static long p_recvmmsg_name(int fd, char *p)
{
	vec[1].msg_hdr.msg_name = p;
	return api->recvmmsg(fd, vec, 3, 0, NULL);
}
static long p_recvmmsg_timeout(int fd, char *p)
{
	put(p, &timeout, sizeof(timeout));
	return api->recvmmsg(fd, vec, 1, 0, (struct timespec *)p);
}
static long p_readv(int fd, char *p)
{
	put(p, iov, 2 * sizeof(*iov));
	return api->readv(fd, (struct iovec *)p, 2);
}
static long p_readv_base(int fd, char *p)
{
	iov[1] = (struct iovec){ p, 50 };
	return api->readv(fd, iov, 2);
}

static const struct pcase {
	const char *name;
	size_t size;
	long (*call)(int fd, char *p);
} pcases[] = {
	{ "recv buffer", 100, p_recv },
	{ "read buffer", 100, p_read },
	{ "recvfrom buffer", 100, p_recvfrom },
	{ "recvfrom buffer, peek", 100, p_recvfrom_peek },
	{ "recvfrom name", 16, p_recvfrom_name },
	{ "recvfrom namelen", 4, p_recvfrom_namelen },
	{ "recvmsg header", sizeof(struct msghdr), p_recvmsg },
	{ "recvmsg name", 16, p_recvmsg_name },
	{ "recvmsg control", 256, p_recvmsg_control },
	{ "recvmsg short control", 64, p_recvmsg_control_short },
	{ "recvmsg iov", 2 * sizeof(struct iovec), p_recvmsg_iov },
	{ "recvmsg second base", 50, p_recvmsg_base },
	{ "recvmsg second base, peek", 50, p_recvmsg_base_peek },
	{ "recvmsg third base, not reached", 50, p_recvmsg_base_unused },
	{ "recvmmsg vector", 2 * sizeof(struct mmsghdr), p_recvmmsg },
	{ "recvmmsg vector of one", sizeof(struct mmsghdr), p_recvmmsg_one },
	{ "recvmmsg second buffer", 100, p_recvmmsg_base },
	{ "recvmmsg second name", 16, p_recvmmsg_name },
	{ "recvmmsg timeout", sizeof(struct timespec), p_recvmmsg_timeout },
	{ "readv iov", 2 * sizeof(struct iovec), p_readv },
	{ "readv second base", 50, p_readv_base },
};

static void pointers(enum target t, bool fed)
{
	struct place place[PLACES];

	for (size_t i = 0; i < NLEN(pcases); i++) {
		places(place, pcases[i].size);
		for (int k = 0; k < PLACES; k++) {
			if (fed)
				feed(t);
			reset();
			errno = 0;
			report(pcases[i].name, place[k].name, t,
			       pcases[i].call(target_fd[t], place[k].p), fed);
		}
	}
}

/* Numbers. */
static long n_recv(int fd, long n)
{
	return api->recv(fd, good, (size_t)n, 0);
}
static long n_recv_trunc(int fd, long n)
{
	return api->recv(fd, good, (size_t)n, MSG_TRUNC);
}
static long n_recv_null(int fd, long n)
{
	return api->recv(fd, NULL, (size_t)n, 0);
}
static long n_read(int fd, long n)
{
	return api->read(fd, good, (size_t)n);
}
static long n_recvfrom(int fd, long n)
{
	return api->recvfrom(fd, good, (size_t)n, 0, &name.sa, &namelen);
}
static long n_recvfrom_namelen(int fd, long n)
{
	namelen = (socklen_t)n;
	return api->recvfrom(fd, good, 200, 0, &name.sa, &namelen);
}
static long n_recvfrom_namelen_null(int fd, long n)
{
	namelen = (socklen_t)n;
	return api->recvfrom(fd, good, 200, 0, NULL, &namelen);
}
static long n_recvmsg_namelen(int fd, long n)
{
	msg.msg_namelen = (socklen_t)n;
	return api->recvmsg(fd, &msg, 0);
}
static long n_recvmsg_namelen_null(int fd, long n)
{
	msg.msg_name = NULL;
	msg.msg_namelen = (socklen_t)n;
	return api->recvmsg(fd, &msg, 0);
}
static long n_recvmsg_controllen(int fd, long n)
{
	msg.msg_controllen = (size_t)n;
	return api->recvmsg(fd, &msg, 0);
}
static long n_recvmsg_controllen_null(int fd, long n)
{
	msg.msg_control = NULL;
	msg.msg_controllen = (size_t)n;
	return api->recvmsg(fd, &msg, 0);
}
static long n_recvmsg_iovlen(int fd, long n)
{
	msg.msg_iovlen = (size_t)n;
	return api->recvmsg(fd, &msg, 0);
}
static long n_recvmsg_iovlen_null(int fd, long n)
{
	msg.msg_iov = NULL;
	msg.msg_iovlen = (size_t)n;
	return api->recvmsg(fd, &msg, 0);
}
static long n_readv(int fd, long n)
{
	return api->readv(fd, iov, (int)n);
}
static long n_readv_null(int fd, long n)
{
	return api->readv(fd, NULL, (int)n);
}
static long n_readv_first(int fd, long n)
{
	iov[0].iov_len = (size_t)n;
	return api->readv(fd, iov, 2);
}
static long n_readv_only(int fd, long n)
{
	iov[0].iov_len = (size_t)n;
	return api->readv(fd, iov, 1);
}
static long n_readv_second(int fd, long n)
{
	iov[1].iov_len = (size_t)n;
	return api->readv(fd, iov, 2);
}
static long n_readv_both(int fd, long n)
{
	iov[0].iov_len = iov[1].iov_len = (size_t)n;
	return api->readv(fd, iov, 2);
}
static long n_recvmsg_only(int fd, long n)
{
	iov[0].iov_len = (size_t)n;
	msg.msg_iovlen = 1;
	return api->recvmsg(fd, &msg, 0);
}
static long n_recvmsg_first(int fd, long n)
{
	iov[0].iov_len = (size_t)n;
	return api->recvmsg(fd, &msg, 0);
}
static long n_recvmsg_second(int fd, long n)
{
	iov[1].iov_len = (size_t)n;
	return api->recvmsg(fd, &msg, 0);
}
static long n_recvmsg_both(int fd, long n)
{
	iov[0].iov_len = iov[1].iov_len = (size_t)n;
	return api->recvmsg(fd, &msg, 0);
}
static long n_recvmmsg_iovlen(int fd, long n)
{
	vec[1].msg_hdr.msg_iovlen = (size_t)n;
	return api->recvmmsg(fd, vec, 2, 0, NULL);
}
static long n_recvmmsg_namelen(int fd, long n)
{
	vec[1].msg_hdr.msg_namelen = (socklen_t)n;
	return api->recvmmsg(fd, vec, 2, 0, NULL);
}

static const long lengths[] = { 0,	  1,	      99,	  100,	    101,
				INT_MAX,  0x7ffff000, 0x80000000, UINT_MAX, 0x100000000,
				LONG_MAX, LONG_MIN,   -1 };
static const long namelens[] = { 0, 1, 2, 15, 16, 27, 28, 127, 129, INT_MAX, INT_MIN, -1 };
static const long controllens[] = { 0, 1, 12, 15, 16, 17, 20, 24, 28, 40, 48, 64, 0x80000000, -1 };
static const long counts[] = { 0, 1, 2, IOV_MAX, IOV_MAX + 1, INT_MAX, INT_MIN, -1 };

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
	CASE("recv length", n_recv, lengths),
	CASE("recv length, MSG_TRUNC", n_recv_trunc, lengths),
	CASE("recv NULL, length", n_recv_null, lengths),
	CASE("read length", n_read, lengths),
	CASE("recvfrom length", n_recvfrom, lengths),
	CASE("recvfrom namelen", n_recvfrom_namelen, namelens),
	CASE("recvfrom NULL, namelen", n_recvfrom_namelen_null, namelens),
	CASE("recvmsg namelen", n_recvmsg_namelen, namelens),
	CASE("recvmsg NULL, namelen", n_recvmsg_namelen_null, namelens),
	CASE("recvmsg controllen", n_recvmsg_controllen, controllens),
	CASE("recvmsg NULL, controllen", n_recvmsg_controllen_null, controllens),
	CASE("recvmsg iovlen", n_recvmsg_iovlen, counts),
	CASE("recvmsg NULL, iovlen", n_recvmsg_iovlen_null, counts),
	CASE("recvmsg only length", n_recvmsg_only, lengths),
	CASE("recvmsg first length", n_recvmsg_first, lengths),
	CASE("recvmsg second length", n_recvmsg_second, lengths),
	CASE("recvmsg both lengths", n_recvmsg_both, lengths),
	CASE("readv count", n_readv, counts),
	CASE("readv NULL, count", n_readv_null, counts),
	CASE("readv only length", n_readv_only, lengths),
	CASE("readv first length", n_readv_first, lengths),
	CASE("readv second length", n_readv_second, lengths),
	CASE("readv both lengths", n_readv_both, lengths),
	CASE("recvmmsg second iovlen", n_recvmmsg_iovlen, counts),
	CASE("recvmmsg second namelen", n_recvmmsg_namelen, namelens),
};

static void numbers(enum target t, bool fed)
{
	char how[32];

	for (size_t i = 0; i < NLEN(ncases); i++)
		for (size_t k = 0; k < ncases[i].n; k++) {
			if (fed)
				feed(t);
			reset();
			errno = 0;
			snprintf(how, sizeof(how), "%ld", ncases[i].values[k]);
			report(ncases[i].name, how, t,
			       ncases[i].call(target_fd[t], ncases[i].values[k]), fed);
		}
}

static void all(const struct api *a, enum target t, bool fed)
{
	api = a;
	pointers(t, fed);
	numbers(t, fed);
}

/* The same with control messages wanted. */
static void with_messages(void)
{
	int fd = target_fd[BOUND];

	say("-- control messages\n");
	set_int(fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
	if (wire4() && !is_map()) {
		set_int(fd, SOL_IP, IP_PKTINFO, 1);
		set_int(fd, SOL_IP, IP_RECVTTL, 1);
	} else {
		set_int(fd, SOL_IPV6, IPV6_RECVPKTINFO, 1);
		set_int(fd, SOL_IPV6, IPV6_RECVHOPLIMIT, 1);
	}
	all(&by_name, BOUND, true);
}

int main(void)
{
	cf_start();
	map_memory();
	find_aliases();
	open_targets();
	for (enum target t = BOUND; t < TARGETS; t++)
		all(&by_name, t, false);
	all(&by_number, BOUND, false);
	all(&by_alias, BOUND, false);
	all(&by_number, CLOSED, false);
	say("-- datagrams queued\n");
	all(&by_name, BOUND, true);
	all(&by_name, CONNECTED, true);
	all(&by_number, BOUND, true);
	with_messages();
	for (int i = 0; i < 3;
	     i++) { /* one way back, so that a peer under the library has something, too */
		res("send", send_to(target_fd[BOUND], "\1", 1, 0, "P1", PPORT));
		say("peer: %s\n", peer("recv 0 1000"));
	}
	return 0;
}
