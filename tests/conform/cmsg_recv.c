/* SPDX-License-Identifier: BSD-3-Clause */
/* cmsg_recv.c - received control messages: each alone, all together (the order), too little room, switched on late. */
/* expect: fast 10 */
#include "lib.h"

static char buf[2048];

struct option {
	const char *name;
	int level, option;
};

static const struct option ip_options[] = {
	{ "IP_PKTINFO", IPPROTO_IP, IP_PKTINFO },
	{ "IP_RECVTTL", IPPROTO_IP, IP_RECVTTL },
	{ "IP_RECVTOS", IPPROTO_IP, IP_RECVTOS },
	{ "IP_RECVORIGDSTADDR", IPPROTO_IP, IP_RECVORIGDSTADDR },
};

static const struct option ipv6_options[] = {
	{ "IPV6_RECVPKTINFO", IPPROTO_IPV6, IPV6_RECVPKTINFO },
	{ "IPV6_RECVHOPLIMIT", IPPROTO_IPV6, IPV6_RECVHOPLIMIT },
	{ "IPV6_RECVTCLASS", IPPROTO_IPV6, IPV6_RECVTCLASS },
	{ "IPV6_RECVORIGDSTADDR", IPPROTO_IPV6, IPV6_RECVORIGDSTADDR },
};

static const struct option so_options[] = {
	{ "SO_TIMESTAMP", SOL_SOCKET, SO_TIMESTAMP },
	{ "SO_TIMESTAMPNS", SOL_SOCKET, SO_TIMESTAMPNS },
	{ "SO_RXQ_OVFL", SOL_SOCKET, SO_RXQ_OVFL },
};

static void show_time(const char *name, const void *data, size_t len, bool nano)
{
	struct timespec now, ts;
	double age;

	memcpy(&ts, data, sizeof(ts));
	if (!nano)
		ts.tv_nsec *= 1000;
	clock_gettime(CLOCK_REALTIME, &now);
	age = (double)(now.tv_sec - ts.tv_sec) + (double)(now.tv_nsec - ts.tv_nsec) / 1e9;
	say("  %s len %zu %s\n", name, len, age >= 0 && age < 2 ? "now" : "WRONG");
}

/* Says that a control message is there in part, if it is. */
static bool cut_off(const struct cmsghdr *cm, size_t len)
{
	static const struct {
		int level, type;
		size_t len;
	} whole[] = {
		{ IPPROTO_IP, IP_PKTINFO, 12 },	    { IPPROTO_IP, IP_TTL, 4 },
		{ IPPROTO_IP, IP_TOS, 1 },	    { IPPROTO_IP, IP_ORIGDSTADDR, 16 },
		{ IPPROTO_IPV6, IPV6_PKTINFO, 20 }, { IPPROTO_IPV6, IPV6_HOPLIMIT, 4 },
		{ IPPROTO_IPV6, IPV6_TCLASS, 4 },   { IPPROTO_IPV6, IPV6_ORIGDSTADDR, 28 },
		{ SOL_SOCKET, SO_TIMESTAMP, 16 },   { SOL_SOCKET, SO_TIMESTAMPNS, 16 },
		{ SOL_SOCKET, SO_RXQ_OVFL, 4 },
	};

	for (size_t i = 0; i < NLEN(whole); i++) {
		if (cm->cmsg_level != whole[i].level || cm->cmsg_type != whole[i].type ||
		    len >= whole[i].len)
			continue;
		say("  level %d type %d, %zu bytes of %zu\n", cm->cmsg_level, cm->cmsg_type, len,
		    whole[i].len);
		return true;
	}
	return false;
}

static void show_ip(const struct cmsghdr *cm, const void *d, size_t len)
{
	const struct in_pktinfo *pi = d;

	if (cut_off(cm, len))
		return;
	if (cm->cmsg_type == IP_PKTINFO)
		say("  IP_PKTINFO len %zu to %s specific %s interface %s\n", len,
		    ip_name(AF_INET, &pi->ipi_addr), ip_name(AF_INET, &pi->ipi_spec_dst),
		    pi->ipi_ifindex > 0 ? "given" : "none");
	else if (cm->cmsg_type == IP_TTL)
		say("  IP_TTL len %zu %d\n", len, *(const int *)d);
	else if (cm->cmsg_type == IP_TOS)
		say("  IP_TOS len %zu %d\n", len, *(const unsigned char *)d);
	else if (cm->cmsg_type == IP_ORIGDSTADDR)
		say("  IP_ORIGDSTADDR len %zu %s\n", len, addr_name(d, (socklen_t)len));
	else
		say("  IP type %d len %zu\n", cm->cmsg_type, len);
}

static void show_ipv6(const struct cmsghdr *cm, const void *d, size_t len)
{
	const struct in6_pktinfo *pi = d;

	if (cut_off(cm, len))
		return;
	if (cm->cmsg_type == IPV6_PKTINFO)
		say("  IPV6_PKTINFO len %zu to %s interface %s\n", len,
		    ip_name(AF_INET6, &pi->ipi6_addr), pi->ipi6_ifindex > 0 ? "given" : "none");
	else if (cm->cmsg_type == IPV6_HOPLIMIT)
		say("  IPV6_HOPLIMIT len %zu %d\n", len, *(const int *)d);
	else if (cm->cmsg_type == IPV6_TCLASS)
		say("  IPV6_TCLASS len %zu %d\n", len, *(const int *)d);
	else if (cm->cmsg_type == IPV6_ORIGDSTADDR)
		say("  IPV6_ORIGDSTADDR len %zu %s\n", len, addr_name(d, (socklen_t)len));
	else
		say("  IPV6 type %d len %zu\n", cm->cmsg_type, len);
}

static void show_control(struct msghdr *m)
{
	for (struct cmsghdr *cm = CMSG_FIRSTHDR(m); cm; cm = CMSG_NXTHDR(m, cm)) {
		const void *d = CMSG_DATA(cm);
		size_t len = cm->cmsg_len - CMSG_LEN(0);

		if (cm->cmsg_level == SOL_SOCKET && cut_off(cm, len))
			continue;
		if (cm->cmsg_level == IPPROTO_IP)
			show_ip(cm, d, len);
		else if (cm->cmsg_level == IPPROTO_IPV6)
			show_ipv6(cm, d, len);
		else if (cm->cmsg_level == SOL_SOCKET && cm->cmsg_type == SO_TIMESTAMP)
			show_time("SO_TIMESTAMP", d, len, false);
		else if (cm->cmsg_level == SOL_SOCKET && cm->cmsg_type == SO_TIMESTAMPNS)
			show_time("SO_TIMESTAMPNS", d, len, true);
		else if (cm->cmsg_level == SOL_SOCKET && cm->cmsg_type == SO_RXQ_OVFL)
			say("  SO_RXQ_OVFL len %zu %u\n", len, *(const unsigned *)d);
		else
			say("  level %d type %d len %zu\n", cm->cmsg_level, cm->cmsg_type, len);
	}
}

static void show_one(const char *what, int fd, size_t room, int flags)
{
	char control[512];
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = room ? control : NULL,
			    .msg_controllen = room };
	struct pollfd p = { .fd = fd, .events = POLLIN };

	poll(&p, 1, 1000);
	if (got(what, recvmsg(fd, &m, MSG_DONTWAIT | flags), buf, sizeof(buf)) < 0)
		return;
	say("  flags %x controllen %zu\n", m.msg_flags, m.msg_controllen);
	show_control(&m);
}

static void brief(const char *what, int fd)
{
	char control[512];
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };

	got(what, recvmsg(fd, &m, MSG_DONTWAIT), buf, sizeof(buf));
	say("  flags %x controllen %zu\n", m.msg_flags, m.msg_controllen);
}

static int opt(int fd, const struct option *o, int value)
{
	return setsockopt(fd, o->level, o->option, &value, sizeof(value));
}

static void each(const struct option *o, size_t n)
{
	int fd = bound("any", PORT);

	for (size_t i = 0; i < n; i++) {
		say("-- %s\n", o[i].name);
		if (res("on", opt(fd, &o[i], 1)) < 0)
			continue;
		peer("send 0 L1 %d 20 %zu 1", PORT, i);
		show_one("recvmsg", fd, 512, 0);
		peer("send 0 L2 %d 20 %zu 1", PORT, i);
		show_one("recvmsg, other address", fd, 512, 0);
		res("off", opt(fd, &o[i], 0));
		peer("send 0 L1 %d 20 %zu 1", PORT, i);
		show_one("recvmsg", fd, 512, 0);
	}
	close(fd);
}

/* Switches everything on that the socket knows. */
static int everything(const char *name, int port)
{
	int fd = bound(name, port);

	for (size_t i = 0; i < NLEN(so_options); i++)
		if (so_options[i].option != SO_TIMESTAMP)
			opt(fd, &so_options[i], 1);
	for (size_t i = 0; i < NLEN(ip_options); i++)
		if (wire4())
			opt(fd, &ip_options[i], 1);
	for (size_t i = 0; i < NLEN(ipv6_options); i++)
		if (family() == AF_INET6)
			opt(fd, &ipv6_options[i], 1);
	return fd;
}

static void together(void)
{
	int fd = everything("any", PORT);

	say("-- all together\n");
	peer("opt 0 ttl 33");
	peer("opt 0 tos 184");
	peer("send 0 L1 %d 20 1 2", PORT);
	show_one("recvmsg PEEK", fd, 512, MSG_PEEK);
	show_one("recvmsg", fd, 512, 0);
	show_one("recvmsg", fd, 512, 0);
	peer("opt 0 tos 0");
	peer("opt 0 ttl 64");
	peer("send 0 L2 %d 0 1 1", PORT);
	show_one("recvmsg of an empty one", fd, 512, 0);
	close(fd);
	fd = everything("L1", PORT + 1);
	peer("send 0 L1 %d 20 7 1", PORT + 1);
	show_one("bound to L1", fd, 512, 0);
	must("connect", connect_to(fd, "P1", PPORT));
	peer("send 0 L1 %d 20 8 1", PORT + 1);
	show_one("connected", fd, 512, 0);
	close(fd);
}

static void little_room(void)
{
	static const size_t rooms[] = { 0,  1,	 8,   15,  16,	17,  20,  23, 24, 27,
					28, 30,	 32,  40,  48,	56,  60,  64, 72, 80,
					96, 100, 120, 128, 136, 150, 160, 200 };
	int fd = everything("any", PORT);

	say("-- too little room\n");
	for (size_t i = 0; i < NLEN(rooms); i++) {
		say("room %zu\n", rooms[i]);
		peer("send 0 L1 %d 20 %zu 1", PORT, i);
		show_one("recvmsg", fd, rooms[i], 0);
	}
	close(fd);
}

/*
 * Queued before the option was set: the kernel then knows the destination only, not the interface; whoever knows
 * more may say more, so only the length is looked at.
 */
static void late(void)
{
	int fd = bound("any", PORT);

	say("-- switched on with a datagram queued\n");
	peer_sends(PORT, 20, 3, 1);
	poll1("queued", fd, POLLIN, 1000);
	if (wire4())
		opt(fd, &ip_options[0], 1);
	if (family() == AF_INET6)
		opt(fd, &ipv6_options[0], 1);
	brief("recvmsg", fd);
	peer("send 0 L1 %d 20 4 1", PORT);
	show_one("recvmsg", fd, 512, 0);
	peer("send 0 L1 %d 20 5 1", PORT);
	got("plain recv", recv(fd, buf, sizeof(buf), 0), buf, sizeof(buf));
	close(fd);
}

static void vector(void)
{
	char control[3][256];
	char data[3][64];
	struct iovec iov[3];
	struct mmsghdr mm[3];
	int fd = everything("any", PORT), r;

	say("-- recvmmsg\n");
	memset(mm, 0, sizeof(mm));
	for (int i = 0; i < 3; i++) {
		iov[i] = (struct iovec){ data[i], 64 };
		mm[i].msg_hdr = (struct msghdr){ .msg_iov = &iov[i],
						 .msg_iovlen = 1,
						 .msg_control = control[i],
						 .msg_controllen = i == 1 ? 40 : 256 };
	}
	peer("send 0 L1 %d 20 1 3", PORT);
	arrive();
	r = (int)res("recvmmsg", recvmmsg(fd, mm, 3, MSG_DONTWAIT, NULL));
	for (int i = 0; i < r; i++) {
		say("%d: len %u flags %x controllen %zu\n", i, mm[i].msg_len,
		    mm[i].msg_hdr.msg_flags, mm[i].msg_hdr.msg_controllen);
		show_control(&mm[i].msg_hdr);
	}
	close(fd);
}

int main(void)
{
	cf_start();
	if (wire4())
		each(ip_options, NLEN(ip_options));
	if (family() == AF_INET6)
		each(ipv6_options, NLEN(ipv6_options));
	each(so_options, NLEN(so_options));
	together();
	little_room();
	late();
	vector();
	return 0;
}
