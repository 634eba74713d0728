/* SPDX-License-Identifier: BSD-3-Clause */
/* badptr.c - pointers to nowhere: EFAULT as in the kernel, never a signal. Each call runs in a child, to see a crash. */
/* expect: fast 0 */
#include "lib.h"

static char *unmapped, *readonly, *half; /* half: 100 good bytes, then nothing */
static int fd, epfd;
static char good[4096];
static addr_t to;
static socklen_t tolen;

typedef long (*call_fn)(void *bad);

static long recv_(void *bad)
{
	return recv(fd, bad, 200, MSG_DONTWAIT);
}
static long read_(void *bad)
{
	return read(fd, bad, 200);
}
static long recvfrom_addr_(void *bad)
{
	socklen_t n = 128;
	return recvfrom(fd, good, 200, MSG_DONTWAIT, bad, &n);
}
static long recvfrom_len_(void *bad)
{
	addr_t a;
	return recvfrom(fd, good, 200, MSG_DONTWAIT, &a.sa, bad);
}
static long recvmsg_(void *bad)
{
	return recvmsg(fd, bad, MSG_DONTWAIT);
}
static long recvmsg_iov_(void *bad)
{
	struct msghdr m = { .msg_iov = bad, .msg_iovlen = 2 };
	return recvmsg(fd, &m, MSG_DONTWAIT);
}
static long recvmsg_base_(void *bad)
{
	struct iovec iov[2] = { { good, 50 }, { bad, 200 } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };
	return recvmsg(fd, &m, MSG_DONTWAIT);
}
static long recvmsg_name_(void *bad)
{
	struct iovec iov = { good, 200 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_name = bad, .msg_namelen = 128 };
	return recvmsg(fd, &m, MSG_DONTWAIT);
}
static long recvmsg_control_(void *bad)
{
	struct iovec iov = { good, 200 };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = bad, .msg_controllen = 200
	};
	return recvmsg(fd, &m, MSG_DONTWAIT);
}
static long recvmmsg_(void *bad)
{
	return recvmmsg(fd, bad, 2, MSG_DONTWAIT, NULL);
}
static long readv_(void *bad)
{
	return readv(fd, bad, 2);
}
static long send_(void *bad)
{
	return sendto(fd, bad, 200, 0, &to.sa, tolen);
}
static long sendto_addr_(void *bad)
{
	return sendto(fd, good, 20, 0, bad, 128);
}
static long sendmsg_(void *bad)
{
	return sendmsg(fd, bad, 0);
}
static long sendmsg_iov_(void *bad)
{
	struct msghdr m = { .msg_name = &to, .msg_namelen = tolen, .msg_iov = bad, .msg_iovlen = 2 };
	return sendmsg(fd, &m, 0);
}
static long sendmsg_base_(void *bad)
{
	struct iovec iov[2] = { { good, 50 }, { bad, 200 } };
	struct msghdr m = { .msg_name = &to, .msg_namelen = tolen, .msg_iov = iov, .msg_iovlen = 2 };
	return sendmsg(fd, &m, 0);
}
static long sendmsg_control_(void *bad)
{
	struct iovec iov = { good, 20 };
	struct msghdr m = { .msg_name = &to,
			    .msg_namelen = tolen,
			    .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = bad,
			    .msg_controllen = 128 };
	return sendmsg(fd, &m, 0);
}
static long sendmmsg_(void *bad)
{
	return sendmmsg(fd, bad, 2, 0);
}
static long writev_(void *bad)
{
	return writev(fd, bad, 2);
}
static long bind_(void *bad)
{
	return bind(fd, bad, 16);
}
static long connect_(void *bad)
{
	return connect(fd, bad, 28);
}
static long getsockname_(void *bad)
{
	socklen_t n = 128;
	return getsockname(fd, bad, &n);
}
static long setsockopt_(void *bad)
{
	return setsockopt(fd, SOL_SOCKET, SO_BROADCAST, bad, 4);
}
static long poll_(void *bad)
{
	return poll(bad, 2, 0);
}
static long select_(void *bad)
{
	return select(fd + 1, bad, NULL, NULL, &(struct timeval){ 0, 0 });
}
/* The case of epoll_ctl() may have read some event from the bad place, in the set that all children share. */
static long epoll_wait_(void *bad)
{
	struct epoll_event in = { .events = EPOLLIN };

	epoll_ctl(epfd, EPOLL_CTL_MOD, fd, &in);
	return epoll_wait(epfd, bad, 20, 0);
}

static long epoll_ctl_(void *bad)
{
	return epoll_ctl(epfd, EPOLL_CTL_MOD, fd, bad);
}
static long fionread_(void *bad)
{
	return ioctl(fd, FIONREAD, bad);
}

static const struct {
	const char *name;
	call_fn call;
	bool takes; /* it may consume the datagram */
} calls[] = {
	{ "recv", recv_, true },
	{ "read", read_, true },
	{ "recvfrom address", recvfrom_addr_, true },
	{ "recvfrom length", recvfrom_len_, true },
	{ "recvmsg", recvmsg_, true },
	{ "recvmsg iov", recvmsg_iov_, true },
	{ "recvmsg iov base", recvmsg_base_, true },
	{ "recvmsg name", recvmsg_name_, true },
	{ "recvmsg control", recvmsg_control_, true },
	{ "recvmmsg", recvmmsg_, true },
	{ "readv", readv_, true },
	{ "sendto", send_, false },
	{ "sendto address", sendto_addr_, false },
	{ "sendmsg", sendmsg_, false },
	{ "sendmsg iov", sendmsg_iov_, false },
	{ "sendmsg iov base", sendmsg_base_, false },
	{ "sendmsg control", sendmsg_control_, false },
	{ "sendmmsg", sendmmsg_, false },
	{ "writev", writev_, false },
	{ "bind", bind_, false },
	{ "connect", connect_, false },
	{ "getsockname", getsockname_, false },
	{ "setsockopt", setsockopt_, false },
	{ "poll", poll_, false },
	{ "select", select_, false },
	{ "epoll_wait", epoll_wait_, true },
	{ "epoll_ctl", epoll_ctl_, false },
	{ "FIONREAD", fionread_, false },
};

static void in_child(const char *what, call_fn call, void *bad)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		res(what, call(bad));
		_exit(0);
	}
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		say("%s: KILLED by %s\n", what, sigabbrev_np(WTERMSIG(status)));
}

static void in_parent(const char *what, call_fn call, void *bad)
{
	char left[64];

	snprintf(left, sizeof(left), "%s, after", what);
	peer("send 0 L1 %d 200 9 2", PORT);
	arrive();
	res(what, call(bad));
	drain(left, fd);
}

static void sweep(const char *where, void *bad, bool parent)
{
	char what[80];

	for (size_t i = 0; i < NLEN(calls); i++) {
		snprintf(what, sizeof(what), "%s, %s", calls[i].name, where);
		if (!parent)
			in_child(what, calls[i].call, bad);
		else if (calls[i].takes)
			in_parent(what, calls[i].call, bad);
	}
}

int main(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	long page = sysconf(_SC_PAGESIZE);

	cf_start();
	unmapped = mmap(NULL, (size_t)page * 3, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);
	half = unmapped + page - 100;
	unmapped += page;
	mprotect(unmapped, (size_t)page, PROT_NONE);
	readonly = mmap(NULL, (size_t)page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	fd = udp(SOCK_NONBLOCK);
	must("bind", bind_to(fd, "L1", PORT));
	tolen = addr_of(&to, "P1", PPORT);
	epfd = epoll_create1(0);
	must("epoll_ctl", epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev));
	say("-- nothing queued\n");
	sweep("unmapped", unmapped, false);
	sweep("NULL", NULL, false);
	sweep("readonly", readonly, false);
	say("-- datagrams queued\n");
	sweep("unmapped", unmapped, true);
	sweep("NULL", NULL, true);
	sweep("readonly", readonly, true);
	say("-- half of the buffer is there\n");
	in_parent("recv", recv_, half);
	in_parent("recvmsg iov base", recvmsg_base_, half);
	in_child("sendto", send_, half);
	say("the peer has %s\n", peer("drain 0 100"));
	return 0;
}
