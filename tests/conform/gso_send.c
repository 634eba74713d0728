/* SPDX-License-Identifier: BSD-3-Clause */
/* gso_send.c - UDP_SEGMENT, as an option and as a control message: what is cut into datagrams, and what is refused. */
/* expect: fast 0 */
/* expect: sent 60 */
#include "lib.h"

#define MAX 66000

static unsigned char buf[MAX];

/* Each segment is a payload of its own, so that the peer can tell. */
static void fill_segments(size_t n, size_t size, int seed)
{
	if (!size)
		size = n ? n : 1;
	for (size_t at = 0; at < n; at += size, seed++)
		fill(buf + at, n - at < size ? n - at : size, seed);
}

static void result(long r)
{
	say("  peer: %s\n", peer("runs 0 %d", r < 0 ? 5 : 25));
}

/* A message with up to some control messages; room for them is the caller's. */
struct message {
	struct msghdr h;
	struct iovec iov[4];
	addr_t to;
	union {
		char room[256];
		struct cmsghdr align;
	} control;
};

static struct message *message(struct message *m, size_t n, bool named)
{
	memset(m, 0, sizeof(*m));
	m->iov[0] = (struct iovec){ buf, n };
	m->h.msg_iov = m->iov;
	m->h.msg_iovlen = 1;
	if (named) {
		m->h.msg_namelen = addr_of(&m->to, "P1", PPORT);
		m->h.msg_name = &m->to;
	}
	return m;
}

static void put(struct message *m, int level, int type, const void *data, size_t len)
{
	struct cmsghdr *cm = (void *)(m->control.room + m->h.msg_controllen);

	m->h.msg_control = &m->control;
	cm->cmsg_level = level;
	cm->cmsg_type = type;
	cm->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(cm), data, len);
	m->h.msg_controllen += CMSG_SPACE(len);
}

static void put_size(struct message *m, unsigned size)
{
	uint16_t value = (uint16_t)size;

	put(m, IPPROTO_UDP, UDP_SEGMENT, &value, sizeof(value));
}

static const struct shape {
	unsigned size, n;
} shapes[] = {
	{ 0, 0 },	 { 0, 100 },	  { 100, 0 },	   { 100, 1 },	    { 100, 99 },
	{ 100, 100 },	 { 100, 101 },	  { 100, 199 },	   { 100, 200 },    { 100, 201 },
	{ 100, 1000 },	 { 1, 1 },	  { 1, 2 },	   { 1, 64 },	    { 1, 65 },
	{ 1, 128 },	 { 1, 129 },	  { 7, 448 },	   { 7, 449 },	    { 500, 32000 },
	{ 500, 32001 },	 { 500, 64000 },  { 500, 64001 },  { 1000, 64000 }, { 1000, 65507 },
	{ 1000, 65508 }, { 1000, 65527 }, { 1000, 65528 }, { 1000, 65536 }, { 1200, 12000 },
	{ 1400, 5000 },	 { 1452, 14520 }, { 1453, 1400 },  { 1472, 2944 },  { 1472, 100 },
};

/* Larger than the MTU of the veth pair, and smaller than lo's. */
static const struct shape large[] = {
	{ 1473, 100 },	{ 1473, 1473 },	 { 1473, 3000 },  { 1481, 1400 }, { 5000, 1400 },
	{ 5000, 5000 }, { 5000, 12000 }, { 65507, 1000 }, { 65535, 100 }, { 65535, 30000 },
};

static void by_option(const struct shape *s, int fd, bool named)
{
	long r;

	set_int(fd, IPPROTO_UDP, UDP_SEGMENT, (int)s->size);
	fill_segments(s->n, s->size, 1);
	say("option %u, %u bytes%s: ", s->size, s->n, named ? "" : ", connected");
	r = named ? res("sendto", send_to(fd, buf, s->n, 0, "P1", PPORT))
		  : res("send", send(fd, buf, s->n, 0));
	result(r);
}

static void by_message(const struct shape *s, int fd, bool named)
{
	struct message m;

	fill_segments(s->n, s->size, 101);
	put_size(message(&m, s->n, named), s->size);
	say("message %u, %u bytes%s: ", s->size, s->n, named ? "" : ", connected");
	result(res("sendmsg", sendmsg(fd, &m.h, 0)));
}

static void all_shapes(void)
{
	int one = bound("any", PORT), other = bound("L2", PORT + 1);

	say("-- shapes\n");
	must("connect", connect_to(other, "P1", PPORT));
	for (size_t i = 0; i < NLEN(shapes); i++) {
		by_option(&shapes[i], one, true);
		by_message(&shapes[i], other, false);
	}
	set_int(one, IPPROTO_UDP, UDP_SEGMENT, 0);
	set_int(other, IPPROTO_UDP, UDP_SEGMENT, 77);
	for (size_t i = 0; i < 12; i++) {
		by_message(&shapes[i], one, true);
		by_message(&shapes[i], other, true);
		by_option(&shapes[i], other, false);
	}
	close(one);
	close(other);
}

static void larger(int discover)
{
	int fd = bound("L1", PORT);

	say("-- larger than the MTU, discovery %d\n", discover);
	set_int(fd, wire4() ? IPPROTO_IP : IPPROTO_IPV6,
		wire4() ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER, discover);
	for (size_t i = 0; i < NLEN(large); i++) {
		by_option(&large[i], fd, true);
		set_int(fd, IPPROTO_UDP, UDP_SEGMENT, 0);
		by_message(&large[i], fd, true);
	}
	close(fd);
}

static void option_values(void)
{
	static const int values[] = { 0, 1, 1472, 1473, 65535, 65536, -1, 0x10001 };
	int fd = bound("L1", PORT), v;
	socklen_t len;

	say("-- values of the option\n");
	for (size_t i = 0; i < NLEN(values); i++) {
		say("%d: ", values[i]);
		res("set", setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &values[i], sizeof(int)));
		len = sizeof(v);
		must("get", getsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &v, &len));
		say("  is %d\n", v);
		fill_segments(1000, (size_t)v, 9);
		result(res("  send", send_to(fd, buf, 1000, 0, "P1", PPORT)));
	}
	res("two bytes", setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &values[1], 2));
	close(fd);
}

/* The option is set before the bind, and on a socket that connects later. */
static void early(void)
{
	int fd = udp(0);

	say("-- set before bind() and connect()\n");
	set_int(fd, IPPROTO_UDP, UDP_SEGMENT, 200);
	must("bind", bind_to(fd, "L1", PORT));
	settle(fd);
	fill_segments(900, 200, 3);
	result(res("sendto", send_to(fd, buf, 900, 0, "P1", PPORT)));
	must("connect", connect_to(fd, "P1", PPORT));
	result(res("send", send(fd, buf, 900, 0)));
	result(res("write", write(fd, buf, 900)));
	result(res("writev", writev(fd, &(struct iovec){ buf, 900 }, 1)));
	result(res("nothing", send(fd, buf, 0, 0)));
	close(fd);
}

static void bad_messages(void)
{
	int fd = bound("L1", PORT), value = 100;
	struct message m;

	say("-- malformed messages\n");
	fill_segments(300, 100, 50);
	put(message(&m, 300, true), IPPROTO_UDP, UDP_SEGMENT, &value, sizeof(value));
	result(res("four bytes", sendmsg(fd, &m.h, 0)));
	put(message(&m, 300, true), IPPROTO_UDP, UDP_SEGMENT, &value, 1);
	result(res("one byte", sendmsg(fd, &m.h, 0)));
	put(message(&m, 300, true), IPPROTO_UDP, UDP_SEGMENT, &value, 0);
	result(res("no byte", sendmsg(fd, &m.h, 0)));
	put(message(&m, 300, true), IPPROTO_UDP, UDP_GRO, &value, 2);
	result(res("another one", sendmsg(fd, &m.h, 0)));
	put_size(message(&m, 300, true), 100);
	put(&m, 4711, 1, &value, sizeof(value));
	result(res("an unknown level behind it", sendmsg(fd, &m.h, 0)));
	put_size(message(&m, 300, true), 30);
	put_size(&m, 100);
	result(res("two of them", sendmsg(fd, &m.h, 0)));
	close(fd);
}

static void put_source(struct message *m, const char *name)
{
	struct in6_pktinfo six = { .ipi6_ifindex = 0 };
	struct in_pktinfo four = { .ipi_ifindex = 0 };
	addr_t a;

	addr_of(&a, name, 0);
	if (family() == AF_INET) {
		four.ipi_spec_dst = a.in.sin_addr;
		put(m, IPPROTO_IP, IP_PKTINFO, &four, sizeof(four));
	} else {
		six.ipi6_addr = a.in6.sin6_addr;
		put(m, IPPROTO_IPV6, IPV6_PKTINFO, &six, sizeof(six));
	}
}

static void among_others(void)
{
	int fd = bound("any", PORT), ttl = 33, tos = 0x28, hop = 9;
	int level = wire4() ? IPPROTO_IP : IPPROTO_IPV6;
	struct message m;

	say("-- with other control messages\n");
	fill_segments(450, 100, 20);
	put_size(message(&m, 450, true), 100);
	put(&m, level, wire4() ? IP_TTL : IPV6_HOPLIMIT, &ttl, sizeof(ttl));
	result(res("TTL", sendmsg(fd, &m.h, 0)));
	put(message(&m, 450, true), level, wire4() ? IP_TOS : IPV6_TCLASS, &tos, sizeof(tos));
	put_size(&m, 100);
	result(res("TOS", sendmsg(fd, &m.h, 0)));
	put_source(message(&m, 450, true), "L2");
	put_size(&m, 100);
	put(&m, level, wire4() ? IP_TTL : IPV6_HOPLIMIT, &ttl, sizeof(ttl));
	say("  source: ");
	res("sendmsg", sendmsg(fd, &m.h, 0));
	say("  peer: %s\n", peer("recvx 0 500"));
	result(0);
	put_source(message(&m, 450, true), "N1");
	put_size(&m, 100);
	result(res("a source that is not ours", sendmsg(fd, &m.h, 0)));
	set_int(fd, level, wire4() ? IP_TTL : IPV6_UNICAST_HOPS, hop);
	set_int(fd, level, wire4() ? IP_TOS : IPV6_TCLASS, tos);
	put_size(message(&m, 450, true), 100);
	result(res("options of the socket", sendmsg(fd, &m.h, 0)));
	set_int(fd, SOL_SOCKET, SO_NO_CHECK, 1);
	result(res("without checksums", sendmsg(fd, &m.h, 0)));
	put_size(message(&m, 90, true), 100);
	result(res("without checksums, one", sendmsg(fd, &m.h, 0)));
	set_int(fd, SOL_SOCKET, SO_NO_CHECK, 0);
	if (family() == AF_INET6) {
		set_int(fd, IPPROTO_UDP, UDP_NO_CHECK6_TX, 1);
		put_size(message(&m, 450, true), 100);
		result(res("without IPv6 checksums", sendmsg(fd, &m.h, 0)));
	}
	close(fd);
}

static void corked(void)
{
	int fd = bound("L1", PORT);
	struct message m;

	say("-- corked\n");
	fill_segments(600, 100, 60);
	set_int(fd, IPPROTO_UDP, UDP_SEGMENT, 100);
	res("MSG_MORE", send_to(fd, buf, 150, MSG_MORE, "P1", PPORT));
	message(&m, 0, true)->iov[0] = (struct iovec){ buf + 150, 100 };
	res("more", sendmsg(fd, &m.h, MSG_MORE));
	m.iov[0] = (struct iovec){ buf + 250, 350 };
	result(res("the end", sendmsg(fd, &m.h, 0)));
	set_int(fd, IPPROTO_UDP, UDP_CORK, 1);
	res("under UDP_CORK", send_to(fd, buf, 330, 0, "P1", PPORT));
	message(&m, 0, true)->iov[0] = (struct iovec){ buf + 330, 270 };
	res("under UDP_CORK", sendmsg(fd, &m.h, 0));
	result(-1);
	set_int(fd, IPPROTO_UDP, UDP_CORK, 0);
	result(0);
	result(res("and then", send_to(fd, buf, 600, 0, "P1", PPORT)));
	close(fd);
}

static void vectors(void)
{
	int fd = bound("L1", PORT);
	struct message m;

	say("-- vectors whose elements are cut elsewhere\n");
	fill_segments(1000, 300, 70);
	for (size_t a = 0; a <= 400; a += 100) {
		message(&m, a, true);
		m.iov[1] = (struct iovec){ NULL, 0 };
		m.iov[2] = (struct iovec){ buf + a, 1 };
		m.iov[3] = (struct iovec){ buf + a + 1, 999 - a };
		m.h.msg_iovlen = 4;
		put_size(&m, 300);
		result(res("sendmsg", sendmsg(fd, &m.h, 0)));
	}
	m.iov[3].iov_base = (void *)16;
	result(res("that fault", sendmsg(fd, &m.h, 0)));
	close(fd);
}

/* Vectors of messages of all kinds. By which paths they go decides on their order: the peer counts. */
static void many(void)
{
	static struct message m[40];
	struct mmsghdr vec[40];
	int fd = bound("L1", PORT), r;

	say("-- sendmmsg\n");
	peer("opt 0 rcvbuf 8000000");
	for (unsigned i = 0; i < NLEN(m); i++) {
		message(&m[i], 40 * i, true);
		if (i % 3)
			put_size(&m[i], 100 * (i % 3));
		vec[i] = (struct mmsghdr){ .msg_hdr = m[i].h };
	}
	r = (int)res("all", sendmmsg(fd, vec, NLEN(m), 0));
	for (int i = 0; i < r; i++)
		if (vec[i].msg_len != 40 * (unsigned)i)
			say("  length %d: %u\n", i, vec[i].msg_len);
	say("  peer: %s\n", peer("drain 0 100"));
	fill_segments(60000, 1000, 0);
	for (unsigned i = 0; i < 12; i++) {
		put_size(message(&m[i], 60000, true), 1000);
		vec[i] = (struct mmsghdr){ .msg_hdr = m[i].h };
	}
	res("twelve large ones", sendmmsg(fd, vec, 12, 0));
	say("  peer: %s\n", peer("drain 0 100"));
	put_size(message(&m[2], 1000, true), 1);
	vec[2].msg_hdr = m[2].h;
	res("the third refused", sendmmsg(fd, vec, 4, 0));
	say("  lengths %u %u\n", vec[0].msg_len, vec[1].msg_len);
	say("  peer: %s\n", peer("drain 0 100"));
	res("the first refused", sendmmsg(fd, vec + 2, 2, 0));
	close(fd);
}

int main(void)
{
	cf_start();
	peer("opt 0 rcvbuf 2000000");
	all_shapes();
	for (int i = 0; i <= 3; i++)
		larger(i);
	option_values();
	early();
	bad_messages();
	among_others();
	corked();
	vectors();
	many();
	return 0;
}
