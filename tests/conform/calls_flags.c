/* SPDX-License-Identifier: BSD-3-Clause */
/* calls_flags.c - each of the 32 flag bits alone, in every call that takes flags, with data there, without, and when sending. */
/* expect: fast 200 */
#include "calls.h"

static struct iovec iov;
static struct msghdr msg;
static struct mmsghdr vec[3];
static addr_t name;
static socklen_t namelen;
static char control[128];

/* For receiving or for sending. */
static void reset(bool sends)
{
	memset(good, sends ? 0 : POISON, 4096);
	if (sends)
		fill(good, 100, 7);
	namelen = sends ? addr_of(&name, "P1", PPORT) : sizeof(name);
	iov = (struct iovec){ good, 60 };
	msg = (struct msghdr){ .msg_name = &name,
			       .msg_namelen = namelen,
			       .msg_iov = &iov,
			       .msg_iovlen = 1,
			       .msg_control = sends ? NULL : control,
			       .msg_controllen = sends ? 0 : sizeof(control),
			       .msg_flags = 0x5a5a };
	for (int i = 0; i < 3; i++) {
		vec[i].msg_hdr = msg;
		vec[i].msg_len = 777;
	}
}

static int left(int fd)
{
	int n = 0;

	while (recv(fd, good, 1, MSG_DONTWAIT) >= 0)
		n++;
	return n;
}

static long receive(int call, int fd, int flags)
{
	switch (call) {
	case 0:
		return recv(fd, good, 60, flags);
	case 1:
		return recvfrom(fd, good, 60, flags, &name.sa, &namelen);
	case 2:
		return recvmsg(fd, &msg, flags);
	case 3:
		return recvmmsg(fd, vec, 3, flags, NULL);
	case 4:
		return chk_recv(fd, good, 60, 60, flags);
	case 5:
		return chk_recvfrom(fd, good, 60, 60, flags, &name.sa, &namelen);
	case 6:
		return syscall(SYS_recvfrom, fd, good, 60L, flags, &name, &namelen);
	default:
		return syscall(SYS_recvmsg, fd, &msg, flags);
	}
}

static const char *const receives[] = { "recv",		"recvfrom",   "recvmsg",
					"recvmmsg",	"__recv_chk", "__recvfrom_chk",
					"SYS_recvfrom", "SYS_recvmsg" };

static void receiving(enum target t, bool fed)
{
	int fd = target_fd[t];

	for (size_t call = 0; call < NLEN(receives); call++)
		for (int bit = 0; bit < 32; bit++) {
			char line[512], *at = line;
			long r;

			if (fed)
				feed(t);
			reset(false);
			errno = 0;
			r = receive((int)call, fd, (int)(1u << bit));
			at += sprintf(at, "%s %s flag %x: %s", target_names[t], receives[call],
				      1u << bit, outcome(r));
			at += sprintf(at, "; buffer %zu namelen %u msg %u %zu %x",
				      written(good, 4096), namelen, msg.msg_namelen,
				      msg.msg_controllen, msg.msg_flags);
			for (int i = 0; i < 3; i++)
				at += sprintf(at, "; %u %x", vec[i].msg_len,
					      vec[i].msg_hdr.msg_flags);
			if (fed)
				at += sprintf(at, "; left %d", left(fd));
			say("%s\n", line);
		}
}

static long transmit(int call, int fd, int flags)
{
	switch (call) {
	case 0:
		return send(fd, good, 60, flags);
	case 1:
		return sendto(fd, good, 60, flags, &name.sa, namelen);
	case 2:
		return sendmsg(fd, &msg, flags);
	case 3:
		return sendmmsg(fd, vec, 2, flags);
	case 4:
		return by_alias.send(fd, good, 60, flags);
	case 5:
		return syscall(SYS_sendto, fd, good, 60L, flags, &name, namelen);
	default:
		return syscall(SYS_sendmsg, fd, &msg, flags);
	}
}

static const char *const transmits[] = { "send",   "sendto",	 "sendmsg",    "sendmmsg",
					 "__send", "SYS_sendto", "SYS_sendmsg" };

/* What MSG_MORE has left over is completed by the datagram after it. */
static void sending(enum target t)
{
	int fd = target_fd[t];

	for (size_t call = 0; call < NLEN(transmits); call++)
		for (int bit = 0; bit < 32; bit++) {
			char line[1024], *at = line;
			int datagrams;
			long r;

			reset(true);
			errno = 0;
			r = transmit((int)call, fd, (int)(1u << bit));
			at += sprintf(at, "%s %s flag %x: %s; %u %u", target_names[t],
				      transmits[call], 1u << bit, outcome(r), vec[0].msg_len,
				      vec[1].msg_len);
			datagrams = call == 3 ? (int)r : r >= 0;
			reset(true);
			r = sendto(fd, good, 5, 0, &name.sa, namelen);
			at += sprintf(at, "; then %s", outcome(r));
			if (1 << bit == MSG_MORE)
				datagrams = 0;
			for (int i = 0; i < datagrams + (r >= 0); i++)
				at += sprintf(at, "; %s", peer("recv 0 60"));
			say("%s\n", line);
		}
	say("peer: %s\n", peer("drain 0 60"));
}

int main(void)
{
	cf_start();
	map_memory();
	find_aliases();
	open_targets();
	for (enum target t = BOUND; t < TARGETS; t++)
		if (t <= UNBOUND || t == CLOSED || t == PIPE || t == TCP)
			receiving(t, false);
	receiving(BOUND, true);
	receiving(CONNECTED, true);
	for (enum target t = BOUND; t < UNBOUND; t++)
		sending(t);
	return 0;
}
