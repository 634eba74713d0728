/* SPDX-License-Identifier: BSD-3-Clause */
/* scm_rights.c - a bound socket handed to another process, and to oneself, through a Unix socket. */
/* expect: fast 1 */
#include "lib.h"

static char buf[2048];

static void pass(int unix_fd, int fd)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr cm;
	} control = { 0 };
	struct iovec iov = { "x", 1 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };

	control.cm.cmsg_level = SOL_SOCKET;
	control.cm.cmsg_type = SCM_RIGHTS;
	control.cm.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.cm), &fd, sizeof(fd));
	must("pass", sendmsg(unix_fd, &m, 0));
}

static int accept_fd(int unix_fd)
{
	union {
		char room[CMSG_SPACE(sizeof(int))];
		struct cmsghdr cm;
	} control = { 0 };
	struct iovec iov = { buf, 1 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	int fd = -1;

	must("accept", recvmsg(unix_fd, &m, MSG_CMSG_CLOEXEC));
	if (CMSG_FIRSTHDR(&m))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	return fd;
}

static void serve(const char *who, int fd, int seed)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	peer("send 0 L1 %d 20 %d 1", PORT, seed);
	say("%s: poll = %d\n", who, poll(&p, 1, 2000));
	got("  recv", recv(fd, buf, sizeof(buf), MSG_DONTWAIT), buf, sizeof(buf));
	fill(buf, 25, seed);
	res("  sendto", send_to(fd, buf, 25, 0, "P1", PPORT));
	say("  peer: %s\n", peer("recv 0 1000"));
}

static void to_a_child(bool owner_keeps)
{
	int sv[2], fd = bound("L1", PORT);
	pid_t pid;

	say("-- to a process that was there before%s\n", owner_keeps ? ", kept" : ", closed here");
	must("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	close(fd);
	pid = fork();
	if (pid == 0) {
		fd = accept_fd(sv[1]);
		serve("child", fd, 10);
		serve("child", fd, 11);
		_exit(0);
	}
	fd = bound("L1", PORT);
	serve("owner", fd, 1);
	pass(sv[0], fd);
	if (!owner_keeps)
		close(fd);
	waitpid(pid, NULL, 0);
	if (owner_keeps) {
		serve("owner again", fd, 20);
		close(fd);
	}
	close(sv[0]);
	close(sv[1]);
}

static void to_oneself(void)
{
	int sv[2], fd = bound("L1", PORT), twin;

	say("-- to oneself\n");
	must("socketpair", socketpair(AF_UNIX, SOCK_DGRAM, 0, sv));
	pass(sv[0], fd);
	twin = accept_fd(sv[1]);
	serve("twin", twin, 1);
	serve("first", fd, 2);
	close(fd);
	serve("twin alone", twin, 3);
	close(twin);
	fd = bound("L1", PORT);
	pass(sv[0], fd);
	close(fd);
	pause_ms(20);
	twin = accept_fd(sv[1]);
	serve("after a time in flight", twin, 4);
	close(twin);
	close(sv[0]);
	close(sv[1]);
}

int main(void)
{
	cf_start();
	to_oneself();
	to_a_child(true);
	to_a_child(false);
	return 0;
}
