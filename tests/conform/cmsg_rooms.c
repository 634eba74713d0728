/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cmsg_rooms.c - all control messages at once into buffers of every length from 0 to more than enough: lengths, flags, what is
 * written and what not, with MSG_PEEK, through recvmmsg(), and into memory that is not there.
 */
/* expect: fast 100 */
#include "options.h"

#define FULL 400

static const struct opt wanted[] = {
	{ "", SOL_SOCKET, SO_TIMESTAMPNS, { 0 }, "" },
	{ "", SOL_SOCKET, SO_TIMESTAMPING, { 0 }, "" },
	{ "", SOL_SOCKET, SO_RXQ_OVFL, { 0 }, "" },
	{ "", IPPROTO_IP, IP_PKTINFO, { 0 }, "" },
	{ "", IPPROTO_IP, IP_RECVTTL, { 0 }, "" },
	{ "", IPPROTO_IP, IP_RECVTOS, { 0 }, "" },
	{ "", IPPROTO_IP, IP_RECVOPTS, { 0 }, "" },
	{ "", IPPROTO_IP, IP_RETOPTS, { 0 }, "" },
	{ "", IPPROTO_IP, IP_RECVORIGDSTADDR, { 0 }, "" },
	{ "", IPPROTO_IP, OPT_IP_RECVFRAGSIZE, { 0 }, "" },
	{ "", IPPROTO_IPV6, IPV6_RECVPKTINFO, { 0 }, "" },
	{ "", IPPROTO_IPV6, IPV6_RECVHOPLIMIT, { 0 }, "" },
	{ "", IPPROTO_IPV6, IPV6_RECVTCLASS, { 0 }, "" },
	{ "", IPPROTO_IPV6, IPV6_RECVHOPOPTS, { 0 }, "" },
	{ "", IPPROTO_IPV6, IPV6_RECVRTHDR, { 0 }, "" },
	{ "", IPPROTO_IPV6, IPV6_RECVDSTOPTS, { 0 }, "" },
	{ "", IPPROTO_IPV6, OPT_IPV6_ORIGDSTADDR, { 0 }, "" },
	{ "", IPPROTO_IPV6, OPT_IPV6_RECVFRAGSIZE, { 0 }, "" },
};

static void want_all(int fd)
{
	for (size_t i = 0; i < NLEN(wanted); i++) {
		int v = wanted[i].opt == SO_TIMESTAMPING && wanted[i].level == SOL_SOCKET ? 0x18 : 1;

		setsockopt(fd, wanted[i].level, wanted[i].opt, &v, sizeof(v));
	}
}

/* Every message's head, as far as it is there, and how many bytes of the buffer were touched. */
static void describe(struct msghdr *m, const unsigned char *room, size_t size)
{
	const struct cmsghdr *cm;
	size_t at = 0, touched = 0;

	for (size_t i = 0; i < size; i++)
		if (room[i] != 0xa5)
			touched = i + 1;
	say(" flags %x controllen %zu%s:", m->msg_flags, m->msg_controllen,
	    touched > m->msg_controllen ? " BEYOND" : "");
	while (at + sizeof(*cm) <= m->msg_controllen) {
		cm = (const void *)(room + at);
		say(" %d.%d/%zu", cm->cmsg_level, cm->cmsg_type, (size_t)cm->cmsg_len);
		if (cm->cmsg_len < sizeof(*cm))
			break;
		at += CMSG_ALIGN(cm->cmsg_len);
	}
	say("\n");
}

static void one(const char *what, int fd, size_t room, size_t data, int flags)
{
	static unsigned char control[FULL + 64] __attribute__((aligned(8)));
	struct iovec iov = { opt_buf, data };
	addr_t from;
	struct msghdr m = { .msg_name = &from,
			    .msg_namelen = sizeof(from),
			    .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = room };
	long n;

	memset(control, 0xa5, sizeof(control));
	n = recvmsg(fd, &m, MSG_DONTWAIT | flags);
	say("%s room %zu: %ld", what, room, n);
	describe(&m, control, sizeof(control));
}

static void rooms(int fd, size_t step)
{
	for (size_t room = 0; room <= FULL; room += step) {
		peer("send 0 L1 %d 20 1 1", PORT);
		poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 500);
		if (room % 5 == 0)
			one("peek", fd, room, 7, MSG_PEEK | (room % 2 ? MSG_TRUNC : 0));
		one("recv", fd, room, room % 3 ? 64 : 9, room % 7 ? 0 : MSG_TRUNC);
	}
}

/* The buffer is there, its length is not what it seems; or it is not there. */
static void odd_buffers(int fd)
{
	unsigned char *page =
		mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iovec iov = { opt_buf, 64 };
	const struct {
		const char *what;
		void *control;
		size_t len;
	} cases[] = {
		{ "NULL, length 0", NULL, 0 },
		{ "NULL, length 200", NULL, 200 },
		{ "no such memory", (void *)16, 200 },
		{ "read only", page + 4096, 400 },
		{ "ends in the middle", page + 4096 - 100, 400 },
		{ "ends in the first", page + 4096 - 8, 400 },
		{ "unaligned", page + 3, 300 },
	};

	mprotect(page + 4096, 4096, PROT_NONE);
	for (size_t i = 0; i < NLEN(cases); i++) {
		struct msghdr m = { .msg_iov = &iov,
				    .msg_iovlen = 1,
				    .msg_control = cases[i].control,
				    .msg_controllen = cases[i].len };

		peer("send 0 L1 %d 20 %zu 1", PORT, i);
		poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 500);
		say("%s: ", cases[i].what);
		res("recvmsg", recvmsg(fd, &m, MSG_DONTWAIT));
		say("  flags %x controllen %zu\n", m.msg_flags, m.msg_controllen);
	}
	drain("odd buffers", fd);
	munmap(page, 8192);
}

static void vector(int fd)
{
	static unsigned char control[8][FULL] __attribute__((aligned(8)));
	static const size_t size[8] = { FULL, 0, 16, 30, 31, 90, FULL, 120 };
	char data[8][32];
	struct iovec iov[8];
	struct mmsghdr mm[8];
	int r;

	memset(mm, 0, sizeof(mm));
	memset(control, 0xa5, sizeof(control));
	for (int i = 0; i < 8; i++) {
		iov[i] = (struct iovec){ data[i], i == 3 ? 5 : 32 };
		mm[i].msg_hdr = (struct msghdr){ .msg_iov = &iov[i],
						 .msg_iovlen = 1,
						 .msg_control = control[i],
						 .msg_controllen = size[i] };
	}
	peer_sends(PORT, 20, 1, 8);
	r = (int)res("recvmmsg", recvmmsg(fd, mm, 8, MSG_DONTWAIT, NULL));
	for (int i = 0; i < r; i++) {
		say("%d: %u", i, mm[i].msg_len);
		describe(&mm[i].msg_hdr, control[i], FULL);
	}
}

int main(void)
{
	int fd;

	cf_start();
	set_int(udp(0), SOL_SOCKET, SO_TIMESTAMP, 1); /* the kernel stamps all along */
	pause_ms(100);
	fd = bound("any", PORT);
	want_all(fd);
	rooms(fd, 1);
	odd_buffers(fd);
	vector(fd);
	must("connect", connect_to(fd, "P1", PPORT));
	rooms(fd, 16);
	vector(fd);
	return 0;
}
