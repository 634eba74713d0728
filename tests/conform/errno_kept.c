/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * errno_kept.c - calls by which a process gives up privileges, and the first ones on an inherited socket, open queues on the way: errno
 * is as it was if they succeed, and the kernel's if they do not.
 */
/* expect: fast 1 */
#include "lib.h"

#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static char buf[2048];

static void told(const char *name, long r)
{
	int e = errno;

	say("%s: %s, errno %s\n", name, r < 0 ? "fails" : "succeeds",
	    e == EXFULL ? "as it was" : strerrorname_np(e));
	errno = EXFULL;
}

static int same_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	syscall(SYS_capget, &head, data);
	errno = EXFULL;
	return (int)syscall(SYS_capset, &head, data);
}

/* In strict mode, or with a filter that allows everything. */
static struct sock_filter all[] = { BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
static struct sock_filter wrong[] = { BPF_STMT(BPF_JMP | BPF_JA, 7) };
static struct sock_fprog good = { 1, all }, bad = { 1, wrong }, empty = { 0, NULL };

static long call(int which)
{
	switch (which) {
	case 0:
		return setuid(getuid());
	case 1:
		return seteuid(geteuid());
	case 2:
		return setreuid(-1, -1);
	case 3:
		return setresuid(-1, -1, -1);
	case 4:
		return setuid(-1);
	case 5:
		return same_capabilities();
	case 6:
		return prctl(PR_SET_NAME, "other");
	case 7:
		return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	case 8:
		return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &good);
	case 9:
		return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &bad);
	case 10:
		return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL);
	case 11:
		return prctl(PR_SET_SECCOMP, 7, &good);
	case 12:
		return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &good);
	case 13:
		return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &bad);
	case 14:
		return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &empty);
	case 15:
		return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, 8);
	case 16:
		return syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, NULL);
	case 17:
		return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC,
			       &good);
	case 18:
		return syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &good, 0, 0);
	default:
		return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0,
			       &(uint32_t){ SECCOMP_RET_LOG });
	}
}

static const char *const names[] = {
	"setuid",
	"seteuid",
	"setreuid",
	"setresuid",
	"setuid(-1)",
	"capset",
	"prctl(PR_SET_NAME)",
	"prctl(PR_SET_NO_NEW_PRIVS)",
	"prctl, a filter",
	"prctl, a bad filter",
	"prctl, no filter",
	"prctl, no such mode",
	"seccomp, a filter",
	"seccomp, a bad filter",
	"seccomp, an empty filter",
	"seccomp, a bad pointer",
	"seccomp, strict with a flag",
	"seccomp, all threads",
	"prctl by number, a filter",
	"seccomp, a question",
};

/* Each in a child that shares the socket with its parent, which serves: the call opens queues. */
static void giving_up(int fd)
{
	int status;
	pid_t pid;

	for (unsigned i = 0; i < NLEN(names); i++) {
		peer_sends(PORT, 20, (int)i, 1);
		got("parent", recv(fd, buf, sizeof(buf), 0), buf, sizeof(buf));
		pid = fork();
		if (pid == 0) {
			prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
			errno = EXFULL;
			told(names[i], call((int)i));
			peer_sends(PORT, 20, 40, 1);
			errno = EXFULL;
			told("  receive", recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
			_exit(0);
		}
		waitpid(pid, &status, 0);
		if (status)
			say("  status %d\n", status);
	}
}

static int after_exec(int fd, int which)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	addr_t to;
	socklen_t len;

	cf_variant = getenv("CF_VARIANT");
	cf_ctl = 300;
	len = wire_addr(&to, "P1", PPORT);
	peer_sends(PORT, 20, 60, 1);
	errno = EXFULL;
	switch (which) {
	case 0:
		told("recv", recv(fd, buf, sizeof(buf), 0));
		break;
	case 1:
		told("read", read(fd, buf, sizeof(buf)));
		break;
	case 2:
		told("poll", poll(&p, 1, 1000));
		break;
	case 3:
		told("sendto", sendto(fd, "x", 1, 0, &to.sa, len));
		break;
	default:
		told("recv, nothing there", recv(fd, buf, sizeof(buf), MSG_DONTWAIT | MSG_PEEK));
		told("recv, MSG_ERRQUEUE", recv(fd, buf, sizeof(buf), MSG_ERRQUEUE));
	}
	return 0;
}

static void inherited(const char *self, int fd)
{
	char number[16], which[16];
	pid_t pid;

	for (int i = 0; i < 5; i++) {
		snprintf(number, sizeof(number), "%d", fd);
		snprintf(which, sizeof(which), "%d", i);
		pid = fork();
		if (pid == 0) {
			fcntl(cf_ctl, F_SETFD, 0);
			execl(self, self, number, which, NULL);
			_exit(9);
		}
		waitpid(pid, NULL, 0);
		drain("left", fd);
	}
}

int main(int argc, char **argv)
{
	int fd;

	if (argc == 3)
		return after_exec(atoi(argv[1]), atoi(argv[2]));
	cf_start();
	fd = bound("L1", PORT);
	giving_up(fd);
	inherited(argv[0], fd);
	return 0;
}
