/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * calls_mmsg.c - recvmmsg() that ends early: an error at message k and who hears of it, long vectors, timeouts together with
 * SO_RCVTIMEO, MSG_WAITFORONE and MSG_DONTWAIT.
 */
/* expect: fast 1000 */
#include "calls.h"

#define MANY (IOV_MAX + 40)

static struct mmsghdr vec[MANY];
static struct iovec iov[MANY];
static int fd;

static void reset(void)
{
	for (int i = 0; i < MANY; i++) {
		iov[i] = (struct iovec){ good + 16 * (i % 256), 16 };
		vec[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &iov[i], .msg_iovlen = 1 },
					   .msg_len = 777 };
	}
	errno = 0;
}

static int filled(void)
{
	int n = 0;

	while (n < MANY && vec[n].msg_len != 777)
		n++;
	return n;
}

static void send_it(int count)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	peer("send 0 L1 %d 16 1 %d", PORT, count);
	poll(&p, 1, 2000);
	pause_ms(count > 100 ? 50 : 3);
}

/* What makes message 2 fail. */
static void spoil(int how)
{
	switch (how) {
	case 0:
		iov[2].iov_base = unmapped;
		break;
	case 1:
		vec[2].msg_hdr.msg_iov = (struct iovec *)unmapped;
		break;
	case 2:
		vec[2].msg_hdr.msg_iovlen = IOV_MAX + 1;
		break;
	case 3:
		vec[2].msg_hdr.msg_name = good;
		vec[2].msg_hdr.msg_namelen = (socklen_t)-1;
		break;
	default:
		iov[2].iov_len = (size_t)-1;
	}
}

static long next_recv(void)
{
	return recv(fd, good, 16, MSG_DONTWAIT);
}
static long next_read(void)
{
	return read(fd, good, 16);
}
static long next_peek(void)
{
	return recv(fd, good, 16, MSG_DONTWAIT | MSG_PEEK);
}
static long next_recvmmsg(void)
{
	return recvmmsg(fd, vec, 1, MSG_DONTWAIT, NULL);
}
static long next_recvmmsg_none(void)
{
	return recvmmsg(fd, vec, 0, MSG_DONTWAIT, NULL);
}
static long next_recv_bad(void)
{
	return recv(fd, unmapped, 16, MSG_DONTWAIT);
}
static long next_bad_header(void)
{
	return recvmsg(fd, (struct msghdr *)unmapped, MSG_DONTWAIT);
}
static long next_errqueue(void)
{
	return recv(fd, good, 16, MSG_ERRQUEUE);
}
static long next_nothing(void)
{
	return 0;
}

static const struct {
	const char *name;
	long (*call)(void);
} nexts[] = { { "recv", next_recv },
	      { "read", next_read },
	      { "peek", next_peek },
	      { "recvmmsg", next_recvmmsg },
	      { "recvmmsg of none", next_recvmmsg_none },
	      { "recv to nowhere", next_recv_bad },
	      { "recvmsg of nothing", next_bad_header },
	      { "error queue", next_errqueue },
	      { "nothing", next_nothing } };

static void errors(void)
{
	for (int how = 0; how < 5; how++)
		for (size_t k = 0; k < NLEN(nexts); k++) {
			char c;
			long r;

			send_it(5);
			reset();
			spoil(how);
			r = recvmmsg(fd, vec, 5, MSG_DONTWAIT, NULL);
			say("spoilt %d: %s, filled %d", how, outcome(r), filled());
			reset();
			say("; %s %s", nexts[k].name, outcome(nexts[k].call()));
			for (int i = 0; i < 2; i++)
				say("; recv %s", outcome(recv(fd, &c, 1, MSG_DONTWAIT)));
			say(", left %d\n", take(NULL, fd));
		}
}

static void lengths(void)
{
	static const unsigned n[] = { 1, IOV_MAX - 1, IOV_MAX, IOV_MAX + 1, MANY, UINT_MAX };
	int size = 8 << 20;

	must("RCVBUFFORCE", setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)));
	for (size_t k = 0; k < NLEN(n); k++) {
		long r;

		for (int i = 0; i < 4; i++)
			send_it(MANY / 4 - (i == 3 ? 14 : 0));
		reset();
		r = recvmmsg(fd, vec, n[k], MSG_DONTWAIT, NULL);
		say("recvmmsg of %u, %d there: %s, filled %d", n[k], MANY - 14, outcome(r),
		    filled());
		say(", left %d\n", take(NULL, fd));
	}
}

static const struct {
	const char *name;
	int flags, timeout_ms, option_ms, there, wanted;
} waits[] = {
	{ "all there", 0, 1000, 0, 4, 4 },
	{ "time 0", 0, 0, 0, 4, 4 },
	{ "time 0, WAITFORONE", MSG_WAITFORONE, 0, 0, 4, 4 },
	{ "WAITFORONE", MSG_WAITFORONE, 1000, 0, 3, 4 },
	{ "WAITFORONE|PEEK", MSG_WAITFORONE | MSG_PEEK, 1000, 0, 3, 4 },
	{ "DONTWAIT", MSG_DONTWAIT, 1000, 0, 3, 4 },
	{ "DONTWAIT, nothing", MSG_DONTWAIT, 1000, 0, 0, 4 },
	{ "time 0, DONTWAIT, nothing", MSG_DONTWAIT, 0, 0, 0, 4 },
	{ "option, some", 0, -1, 40, 3, 4 },
	{ "option, nothing", 0, -1, 40, 0, 4 },
	{ "option and time, some", 0, 1000, 40, 3, 4 },
	{ "option and time 0, nothing", 0, 0, 40, 0, 4 },
	{ "option and time 0, some", 0, 0, 40, 3, 4 },
	{ "option, WAITFORONE, nothing", MSG_WAITFORONE, 1000, 40, 0, 4 },
	{ "PEEK", MSG_PEEK | MSG_DONTWAIT, -1, 0, 3, 4 },
	{ "TRUNC", MSG_TRUNC | MSG_DONTWAIT, -1, 0, 3, 4 },
};

static void timeouts(void)
{
	for (size_t i = 0; i < NLEN(waits); i++) {
		struct timespec ts = { waits[i].timeout_ms / 1000,
				       waits[i].timeout_ms % 1000 * 1000000L };
		struct timeval tv = { 0, waits[i].option_ms * 1000 };
		double t;
		long r;

		must("RCVTIMEO", setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
		if (waits[i].there)
			send_it(waits[i].there);
		reset();
		t = now_ms();
		r = recvmmsg(fd, vec, (unsigned)waits[i].wanted, waits[i].flags,
			     waits[i].timeout_ms < 0 ? NULL : &ts);
		say("%s: %s, filled %d, time left %s, %s, left %d\n", waits[i].name, outcome(r),
		    filled(), ts.tv_sec || ts.tv_nsec ? "some" : "none",
		    !waits[i].option_ms || waits[i].timeout_ms == 0 ? "-"
		    : now_ms() - t >= waits[i].option_ms	    ? "waited"
								    : "not waited",
		    take(NULL, fd));
	}
}

int main(void)
{
	cf_start();
	map_memory();
	fd = bound("L1", PORT);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	errors();
	lengths();
	fcntl(fd, F_SETFL, 0);
	timeouts();
	return 0;
}
