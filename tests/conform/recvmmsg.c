/* SPDX-License-Identifier: BSD-3-Clause */
/* recvmmsg.c - vectors of datagrams: counts, MSG_WAITFORONE, the timeout, names, flags. */
/* expect: fast 30 */
#include "lib.h"

#define N 8

static char bufs[N][256];
static struct iovec iov[N];
static addr_t from[N];
static struct mmsghdr mm[N];

static void prepare(size_t room)
{
	memset(mm, 0, sizeof(mm));
	memset(bufs, 0, sizeof(bufs));
	for (int i = 0; i < N; i++) {
		iov[i] = (struct iovec){ bufs[i], room };
		mm[i].msg_hdr = (struct msghdr){ .msg_name = &from[i],
						 .msg_namelen = sizeof(from[i]),
						 .msg_iov = &iov[i],
						 .msg_iovlen = 1 };
		mm[i].msg_len = 777;
	}
}

static void show(const char *what, int r)
{
	res(what, r);
	for (int i = 0; i < r && i < N; i++) {
		say("  %d: from %s flags %x ", i, addr_name(&from[i], mm[i].msg_hdr.msg_namelen),
		    mm[i].msg_hdr.msg_flags);
		got("len", mm[i].msg_len, bufs[i], iov[i].iov_len);
	}
	if (r >= 0 && r < N)
		say("  next one's length %s\n", mm[r].msg_len == 777 ? "untouched" : "WRITTEN");
}

static void counts(int fd)
{
	say("-- counts\n");
	prepare(256);
	show("none there", recvmmsg(fd, mm, N, MSG_DONTWAIT, NULL));
	peer_sends(PORT, 64, 1, 3);
	show("3 there", recvmmsg(fd, mm, N, MSG_DONTWAIT, NULL));
	peer_sends(PORT, 64, 10, 10);
	prepare(256);
	show("10 there", recvmmsg(fd, mm, N, 0, NULL));
	prepare(20);
	show("2 there, truncated", recvmmsg(fd, mm, N, MSG_DONTWAIT | MSG_TRUNC, NULL));
	peer_sends(PORT, 64, 30, 2);
	show("vector of 0", recvmmsg(fd, mm, 0, MSG_DONTWAIT, NULL));
	show("NULL of 0", recvmmsg(fd, NULL, 0, MSG_DONTWAIT, NULL));
	prepare(256);
	show("vector of 1", recvmmsg(fd, mm, 1, MSG_DONTWAIT, NULL));
	show("NULL vector", recvmmsg(fd, NULL, 2, MSG_DONTWAIT, NULL));
	drain("after", fd);
	peer_sends(PORT, 0, 0, 3);
	prepare(256);
	show("3 empty ones", recvmmsg(fd, mm, N, MSG_DONTWAIT, NULL));
}

static void wait_for_one(int fd)
{
	double t;

	say("-- MSG_WAITFORONE\n");
	prepare(256);
	peer_sends(PORT, 32, 1, 2);
	t = now_ms();
	show("2 there", recvmmsg(fd, mm, N, MSG_WAITFORONE, NULL));
	took("recvmmsg", t, 0, 100);
	prepare(256);
	peer_later(100, "send 0 L1 %d 32 3 1", PORT);
	t = now_ms();
	show("1 later", recvmmsg(fd, mm, N, MSG_WAITFORONE, NULL));
	took("recvmmsg", t, 60, 500);
	peer_done();
	prepare(256);
	peer_later(100, "send 0 L1 %d 32 4 3", PORT);
	t = now_ms();
	show("blocks until full", recvmmsg(fd, mm, 3, 0, NULL));
	took("recvmmsg", t, 60, 500);
	peer_done();
	drain("after", fd);
}

static void timeouts(int fd)
{
	struct timespec bad = { 0, 1000000000 }, zero = { 0, 0 }, neg = { -1, 0 },
			ts = { 0, 50000000 };
	struct timeval tv = { 0, 100000 };
	double t;

	say("-- timeout\n");
	prepare(256);
	show("bad timeout", recvmmsg(fd, mm, N, 0, &bad));
	show("negative timeout", recvmmsg(fd, mm, N, 0, &neg));
	peer_sends(PORT, 32, 1, 3);
	show("zero timeout, 3 there", recvmmsg(fd, mm, N, 0, &zero));
	say("left %ld.%09ld\n", (long)zero.tv_sec, zero.tv_nsec);
	drain("after", fd);
	/* The kernel looks at the timeout after each datagram only. */
	prepare(256);
	peer_later(100, "send 0 L1 %d 32 5 1", PORT);
	t = now_ms();
	show("expired when the first one comes", recvmmsg(fd, mm, N, 0, &ts));
	took("recvmmsg", t, 60, 500);
	say("left %ld.%09ld\n", (long)ts.tv_sec, ts.tv_nsec);
	peer_done();
	must("RCVTIMEO", setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	ts = (struct timespec){ 5, 0 };
	prepare(256);
	peer_sends(PORT, 32, 7, 2);
	t = now_ms();
	show("SO_RCVTIMEO ends it", recvmmsg(fd, mm, N, 0, &ts));
	took("recvmmsg", t, 99, 500);
	say("left %s\n", ts.tv_sec == 4 ? "about 4.9 s" : "something else");
	t = now_ms();
	show("SO_RCVTIMEO with nothing", recvmmsg(fd, mm, N, 0, NULL));
	took("recvmmsg", t, 99, 500);
}

static void sources(int fd)
{
	say("-- two sources in one vector\n");
	peer("open 1 P2 %d", PPORT + 1);
	prepare(256);
	for (int i = 0; i < 6; i++)
		peer("send %d L1 %d %d %d 1", i % 2, PORT, 10 * i + 1, i + 50);
	arrive();
	show("6 there", recvmmsg(fd, mm, N, MSG_DONTWAIT, NULL));
	mm[0].msg_hdr.msg_name = NULL;
	mm[1].msg_hdr.msg_namelen = 4;
	memset(from, 0, sizeof(from));
	peer_sends(PORT, 20, 60, 3);
	res("odd names", recvmmsg(fd, mm, 3, MSG_DONTWAIT, NULL));
	say("namelens %u %u %u\n", mm[0].msg_hdr.msg_namelen, mm[1].msg_hdr.msg_namelen,
	    mm[2].msg_hdr.msg_namelen);
}

static void one_bad(int fd)
{
	say("-- a bad element after a good one\n");
	prepare(256);
	iov[1].iov_base = (void *)16;
	peer_sends(PORT, 20, 70, 3);
	res("recvmmsg", recvmmsg(fd, mm, 3, MSG_DONTWAIT, NULL));
	say("lengths %u %u\n", mm[0].msg_len, mm[1].msg_len);
	prepare(256);
	res("recvmmsg again", recvmmsg(fd, mm, 3, MSG_DONTWAIT, NULL));
	res("recvmmsg again", recvmmsg(fd, mm, 3, MSG_DONTWAIT, NULL));
	drain("after", fd);
}

int main(void)
{
	int fd;

	cf_start();
	fd = bound("L1", PORT);
	counts(fd);
	wait_for_one(fd);
	timeouts(fd);
	sources(fd);
	one_bad(fd);
	return 0;
}
