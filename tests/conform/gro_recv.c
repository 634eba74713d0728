/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gro_recv.c - UDP_GRO. The kernel may hand over several datagrams of one flow as one, with their size in a message; when it
 * does depends on the path that they took, and no program may rely on it. So what is received is cut by that size, as
 * programs do, and the datagrams that come out of it are compared; and all of it where nothing can be joined.
 */
#include "lib.h"

static unsigned char buf[65536];

/* One recvmsg(); the size from the control message, or 0. */
static ssize_t fetch(int fd, size_t room, int *size, int *flags)
{
	union {
		char room[256];
		struct cmsghdr align;
	} control;
	struct iovec iov = { buf, room };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT);

	*size = 0;
	*flags = m.msg_flags;
	if (n < 0)
		return n;
	for (struct cmsghdr *cm = CMSG_FIRSTHDR(&m); cm; cm = CMSG_NXTHDR(&m, cm))
		if (cm->cmsg_level == IPPROTO_UDP && cm->cmsg_type == UDP_GRO)
			memcpy(size, CMSG_DATA(cm), sizeof(*size));
	return n;
}

/* Everything that is queued, cut into datagrams: "3x100 1x50". */
static void take_all(const char *what, int fd)
{
	long run = 0, last = -1;
	int size, flags, bad = 0;
	ssize_t n;

	say("%s:", what);
	while ((n = fetch(fd, sizeof(buf), &size, &flags)) >= 0) {
		ssize_t at = 0;

		do {
			long len = size && n - at > size ? size : n - at;

			if (len != last && run) {
				say(" %ldx%ld", run, last);
				run = 0;
			}
			bad += len && !intact(buf + at, (size_t)len, buf[at]);
			last = len;
			run++;
			at += len;
		} while (at < n);
	}
	if (run)
		say(" %ldx%ld", run, last);
	say("%s\n", bad ? " CORRUPT" : run ? "" : " nothing");
}

static void single(int fd)
{
	static const int sizes[] = { 0, 1, 100, 1400 };
	int size, flags;

	say("-- one datagram at a time\n");
	for (size_t i = 0; i < NLEN(sizes); i++) {
		peer_sends(PORT, (size_t)sizes[i], 5, 1);
		res("recvmsg", fetch(fd, sizeof(buf), &size, &flags));
		say("  size %d, flags %x\n", size, (unsigned)flags);
	}
	peer_sends(PORT, 100, 6, 1);
	res("short buffer", fetch(fd, 10, &size, &flags));
	say("  size %d, flags %x\n", size, (unsigned)flags);
}

static void trains(int fd)
{
	static const int sizes[] = { 1, 100, 1000, 1400 };

	for (size_t i = 0; i < NLEN(sizes); i++) {
		say("segments of %d\n", sizes[i]);
		peer("opt 0 segment %d", sizes[i]);
		peer("segments 0 L1 %d %d %d 3", PORT, sizes[i] * 10, sizes[i]);
		arrive();
		take_all("  exact", fd);
		peer("segments 0 L1 %d %d %d 3", PORT, sizes[i] * 9 + sizes[i] / 2, sizes[i]);
		arrive();
		take_all("  with a rest", fd);
		peer("opt 0 segment 0");
		peer_sends(PORT, (size_t)sizes[i], 40, 4);
		take_all("  four plain ones", fd);
	}
}

int main(void)
{
	int fd, value = 7;
	socklen_t len = sizeof(value);

	cf_start();
	fd = bound("L1", PORT);
	set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, 2000000);
	must("get", getsockopt(fd, IPPROTO_UDP, UDP_GRO, &value, &len));
	say("at first %d\n", value);
	say("-- off\n");
	trains(fd);
	res("on", setsockopt(fd, IPPROTO_UDP, UDP_GRO, &(int){ 5 }, sizeof(int)));
	must("get", getsockopt(fd, IPPROTO_UDP, UDP_GRO, &value, &len));
	say("is %d\n", value);
	single(fd);
	trains(fd);
	set_int(fd, IPPROTO_UDP, UDP_GRO, 0);
	say("-- off again\n");
	trains(fd);
	return 0;
}
