/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * accel_fds.c - descriptors (fds.h): a program sees the numbers that it would see without the library, and whatever it closes or
 * replaces, the library's own descriptors survive.
 *
 *   accel_fds PEER PEERPORT numbers       prints the numbers it gets, for comparison
 *   accel_fds PEER PEERPORT survive       prints cases
 *   accel_fds PEER PEERPORT few           with RLIMIT_NOFILE 64
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "accel_common.h"

#define PORT 5360
#define N 40

static const char *peer;
static int peer_port, inherited[256], inherited_count;

static long kernel_received(void)
{
	FILE *f = fopen("/proc/net/snmp", "r");
	char line[512];
	long n = -1;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Udp: %ld", &n) == 1)
			break;
	if (f)
		fclose(f);
	return n;
}

/* N datagrams to @fd; how many came, and whether the kernel saw them. */
static void traffic(const char *name, int fd, int port)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int ctl = kb_control(peer, peer_port), got = 0;
	uint8_t buf[2048];
	uint32_t seq;
	long before;

	poll(&pfd, 1, 0); /* steering is on from here */
	before = kernel_received();
	kb_ask(ctl, port, 0, N, 64, 500);
	while (got < N && poll(&pfd, 1, 500) > 0)
		got += kb_check(buf, (size_t)recv(fd, buf, sizeof(buf), MSG_DONTWAIT), &seq);
	close(ctl);
	kb_equal(name, N, got);
	if (getenv("EXPECT_FAST"))
		kb_case(kernel_received() == before, "%s: past the kernel", name);
}

static void numbers(void)
{
	int fd[20], n = 0, pair[2];

	fd[n++] = socket(AF_INET, SOCK_DGRAM, 0);
	fd[n++] = kb_socket4(NULL, PORT, false);
	recv(fd[1], &n, 0, MSG_DONTWAIT);
	fd[n++] = open("/dev/null", O_RDONLY);
	fd[n++] = epoll_create1(0);
	fd[n++] = kb_socket4(NULL, PORT + 1, false);
	fd[n++] = dup(fd[1]);
	fd[n++] = fcntl(fd[1], F_DUPFD, 0);
	fd[n++] = fcntl(fd[1], F_DUPFD, 100);
	close(fd[2]);
	fd[n++] = eventfd(0, 0);
	if (pipe(pair) == 0) {
		fd[n++] = pair[0];
		fd[n++] = pair[1];
	}
	fd[n++] = socket(AF_INET6, SOCK_DGRAM, 0);
	fd[n++] = socket(AF_UNIX, SOCK_STREAM, 0);
	for (int i = 0; i < n; i++)
		printf("%d%c", fd[i], i + 1 < n ? ' ' : '\n');
}

static int list_of_own(int *list, int max, int from)
{
	struct dirent *e;
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (d && (e = readdir(d)))
		if (atoi(e->d_name) > from && n < max)
			list[n++] = atoi(e->d_name);
	if (d)
		closedir(d);
	return n;
}

static bool was_inherited(int fd)
{
	for (int i = 0; i < inherited_count; i++)
		if (inherited[i] == fd)
			return true;
	return false;
}

/* Numbers above the program's own that it did not inherit: the library's. */
static void hit_ours(int fd)
{
	int list[256], all = list_of_own(list, 256, 60), n = 0, survived = 0;
	char path[64], before[128], after[128];

	for (int i = 0; i < all; i++)
		if (!was_inherited(list[i]))
			list[n++] = list[i];
	dprintf(1, "# %d descriptors are not the program's\n", n);
	for (int i = 0; i < n; i++) {
		ssize_t a, b;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", list[i]);
		a = readlink(path, before, sizeof(before));
		close(list[i]);
		dup2(1, list[i]);
		dup3(1, list[i], O_CLOEXEC);
		syscall(SYS_close, list[i]);
		syscall(SYS_dup2, 1, list[i]);
		fcntl(list[i], F_SETFD, 0);
		b = readlink(path, after, sizeof(after));
		survived += a > 0 && a == b && memcmp(before, after, (size_t)a) == 0;
	}
	if (getenv("EXPECT_FAST"))
		kb_case(n > 0, "the library has descriptors");
	kb_equal("close() and dup2() of each of the library's leave them alone", n, survived);
	for (int i = 0; i < n; i++)
		if (close(list[i]) != -1 || errno != EBADF)
			kb_case(false, "close(%d) says EBADF", list[i]);
	traffic("close() and dup2() over the library's", fd, PORT);
}

static void survive(void)
{
	struct rlimit lim;
	int fd = kb_socket4(NULL, PORT, false), other, high;

	traffic("at first", fd, PORT);
	hit_ours(fd);
	closefrom(fd + 1);
	traffic("closefrom()", fd, PORT);
	close_range((unsigned)fd + 1, ~0u, 0);
	traffic("close_range()", fd, PORT);
	close_range((unsigned)fd + 1, ~0u, CLOSE_RANGE_CLOEXEC);
	traffic("close_range(CLOEXEC)", fd, PORT);
	syscall(SYS_close_range, (unsigned)fd + 1, ~0u, 0);
	traffic("close_range() by number", fd, PORT);
	getrlimit(RLIMIT_NOFILE, &lim);
	for (int i = fd + 1; i < (int)lim.rlim_cur; i++)
		close(i);
	traffic("close() of every number", fd, PORT);
	high = dup2(fd, 50);
	close(fd);
	traffic("moved by dup2() to another number", high, PORT);
	close_range(3, ~0u, 0);
	other = kb_socket4(NULL, PORT, false);
	kb_equal("all closed, the next one gets the lowest number", 3, other);
	traffic("all closed, a new socket on the same port", other, PORT);
	closefrom(3);
	other = kb_socket4(NULL, PORT + 1, false);
	traffic("all closed again, another port", other, PORT + 1);
	/* Another file under the socket's number, and back. */
	fd = open("/dev/null", O_RDWR);
	high = dup(other);
	dup2(fd, other);
	kb_equal("dup2(): the number is a file now", 0, read(other, &fd, sizeof(fd)));
	traffic("dup2(): the copy is the socket", high, PORT + 1);
	dup2(high, other);
	traffic("dup2(): and back", other, PORT + 1);
}

/* Descriptors are scarce: the program still gets nearly as many as without the library. */
static void few(void)
{
	int fd = kb_socket4(NULL, PORT, false), n = 0, list[64];

	traffic("few descriptors", fd, PORT);
	while (n < 64 && (list[n] = open("/dev/null", O_RDONLY)) >= 0)
		n++;
	dprintf(1, "# %d more could be opened\n", n);
	kb_case(n >= 30, "few descriptors: enough are left for the program");
	while (n > 4)
		close(list[--n]);
	traffic("few descriptors: still serves", fd, PORT);
}

int main(int argc, char **argv)
{
	if (argc != 4)
		kb_die("usage: accel_fds PEER PEERPORT numbers|survive|few");
	peer = argv[1];
	peer_port = atoi(argv[2]);
	inherited_count = list_of_own(inherited, 256, 2);
	if (strcmp(argv[3], "numbers") == 0)
		numbers();
	else if (strcmp(argv[3], "survive") == 0)
		survive();
	else
		few();
	return 0;
}
