/* SPDX-License-Identifier: BSD-3-Clause */
/* recv_nonblock.c - not waiting, by every way to say so; and waiting for a while (SO_RCVTIMEO). */
/* expect: fast 3 */
#include "lib.h"

static char buf[2048];

static void all_calls(const char *what, int fd)
{
	struct iovec iov = { buf, sizeof(buf) };
	struct mmsghdr mm = { .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } };

	say("-- %s\n", what);
	say("O_NONBLOCK %s\n", fcntl(fd, F_GETFL) & O_NONBLOCK ? "set" : "clear");
	res("recv", recv(fd, buf, sizeof(buf), 0));
	res("recvfrom", recvfrom(fd, buf, sizeof(buf), 0, NULL, NULL));
	res("read", read(fd, buf, sizeof(buf)));
	res("readv", readv(fd, &iov, 1));
	res("recvmsg", recvmsg(fd, &mm.msg_hdr, 0));
	res("recvmmsg", recvmmsg(fd, &mm, 1, 0, NULL));
}

static void ways(void)
{
	int fd, on = 1, off = 0;

	fd = udp(SOCK_NONBLOCK);
	must("bind", bind_to(fd, "L1", PORT));
	all_calls("SOCK_NONBLOCK", fd);
	res("F_SETFL", fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK));
	peer_later(100, "send 0 L1 %d 10 1 1", PORT);
	got("blocking again, recv", recv(fd, buf, sizeof(buf), 0), buf, sizeof(buf));
	peer_done();
	res("F_SETFL", fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK));
	all_calls("O_NONBLOCK by fcntl", fd);
	res("FIONBIO 0", ioctl(fd, FIONBIO, &off));
	peer_later(100, "send 0 L1 %d 10 2 1", PORT);
	got("blocking again, read", read(fd, buf, sizeof(buf)), buf, sizeof(buf));
	peer_done();
	res("FIONBIO 1", ioctl(fd, FIONBIO, &on));
	all_calls("FIONBIO", fd);
	peer_sends(PORT, 10, 3, 1);
	got("recv of what is there", recv(fd, buf, sizeof(buf), 0), buf, sizeof(buf));
	close(fd);
	fd = bound("any", PORT + 1);
	say("-- MSG_DONTWAIT\n");
	res("recv", recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
	say("O_NONBLOCK %s\n", fcntl(fd, F_GETFL) & O_NONBLOCK ? "set" : "clear");
	close(fd);
}

static void timeouts(void)
{
	static const int usecs[] = { 1, 1000, 50000, 150000 };
	struct iovec iov = { buf, sizeof(buf) };
	struct mmsghdr mm = { .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } };
	int fd = bound("L1", PORT);
	double t;

	say("-- SO_RCVTIMEO\n");
	for (size_t i = 0; i < NLEN(usecs); i++) {
		struct timeval tv = { 0, usecs[i] }, back = { -1, -1 };
		socklen_t len = sizeof(back);

		must("RCVTIMEO", setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
		getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &back, &len);
		say("%d us reads back as %ld us\n", usecs[i], back.tv_sec * 1000000 + back.tv_usec);
		t = now_ms();
		res("recv", recv(fd, buf, sizeof(buf), 0));
		took("recv", t, usecs[i] / 1000.0, usecs[i] / 1000.0 + 400);
	}
	t = now_ms();
	res("read", read(fd, buf, sizeof(buf)));
	took("read", t, 149, 550);
	t = now_ms();
	res("recvmsg", recvmsg(fd, &mm.msg_hdr, 0));
	took("recvmsg", t, 149, 550);
	t = now_ms();
	res("recvmmsg", recvmmsg(fd, &mm, 1, 0, NULL));
	took("recvmmsg", t, 149, 550);
	t = now_ms();
	res("recv DONTWAIT", recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
	took("recv DONTWAIT", t, 0, 100);
	peer_later(60, "send 0 L1 %d 20 4 1", PORT);
	t = now_ms();
	got("recv in time", recv(fd, buf, sizeof(buf), 0), buf, sizeof(buf));
	took("recv", t, 30, 149);
	peer_done();
	t = now_ms();
	poll1("poll is not limited by it", fd, POLLIN, 250);
	took("poll", t, 249, 650);
}

static void bad_timeouts(void)
{
	int fd = udp(0);
	struct timeval tv = { 0, 1000000 };

	say("-- bad timeouts\n");
	res("usec 1000000", setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	tv = (struct timeval){ -1, 0 };
	res("sec -1", setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	res("short", setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, 4));
	must("bind", bind_to(fd, "L1", PORT + 7));
	res("recv after sec -1", recv(fd, buf, sizeof(buf), 0));
	close(fd);
}

int main(void)
{
	cf_start();
	ways();
	timeouts();
	bad_timeouts();
	return 0;
}
