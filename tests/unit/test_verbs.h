/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_verbs.h - a fake RDMA device for a test: its wire and its kernel's side are sockets of the test.
 *
 * The test runs in a network namespace of its own that has an interface "kbv0", which the device claims to be, and is started
 * again with the fake libibverbs.so.1 in LD_LIBRARY_PATH.
 */
#ifndef TESTS_UNIT_TEST_VERBS_H
#define TESTS_UNIT_TEST_VERBS_H

#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define VERBS_IF "kbv0"

static int wire, kernel_side; /* our ends */
static pid_t hca;
static int hca_in = -1, hca_out = -1;
static char hca_path[108];

static inline const char *build_dir(void)
{
	return getenv("BUILD") ? getenv("BUILD") : "build";
}

/* False: this machine, or this user, can not. */
static inline bool verbs_namespace(void)
{
	return geteuid() == 0 && unshare(CLONE_NEWNET) == 0 &&
	       system("ip link add " VERBS_IF " type veth peer name kbv1 && ip link set " VERBS_IF
		      " up") == 0;
}

/* Begins the program again with the fake library in its path. */
static inline void verbs_reexec(char **argv)
{
	char dir[512];

	if (getenv("VERBS_TEST"))
		return;
	snprintf(dir, sizeof(dir), "%s/tests/fake-verbs", build_dir());
	setenv("LD_LIBRARY_PATH", dir, 1);
	setenv("VERBS_TEST", "1", 1);
	execv("/proc/self/exe", argv);
	perror("exec");
	exit(1);
}

/* Does not inherit what it is not given: a copy of the test's connection would keep its device open. */
static inline void hca_exec(const int *ends, const int *in, const int *out, const char *options)
{
	char program[512], command[1024];

	dup2(in[0], 0);
	dup2(out[1], 1);
	dup2(ends[0], 10);
	dup2(ends[1], 11);
	closefrom(12);
	snprintf(program, sizeof(program), "%s/tests/fake-verbs/fake_hca", build_dir());
	snprintf(command, sizeof(command), "exec %s -s %s -w 10 -k 11 -n %u %s", program, hca_path,
		 if_nametoindex(VERBS_IF), options);
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	_exit(127);
}

static inline bool hca_says(const char *what)
{
	char line[64] = "";
	size_t n = 0;

	while (n < sizeof(line) - 1 && read(hca_out, line + n, 1) == 1 && line[n] != '\n')
		n++;
	line[n] = '\0';
	return strcmp(line, what) == 0;
}

/* Starts the device with @options, as fake_hca's. */
static inline bool hca_start(const char *options)
{
	int w[2], k[2], in[2], out[2], ends[2], size = 4 << 20;
	const char *tmp = getenv("KB_TMP") ? getenv("KB_TMP") : "/tmp";

	snprintf(hca_path, sizeof(hca_path), "%s/hca-%d", tmp, (int)getpid());
	unlink(hca_path);
	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, w) < 0 ||
	    socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, k) < 0 || pipe2(in, O_CLOEXEC) < 0 ||
	    pipe2(out, O_CLOEXEC) < 0)
		return false;
	for (int i = 0; i < 2; i++) {
		setsockopt(w[i], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
		setsockopt(k[i], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	}
	ends[0] = w[1];
	ends[1] = k[1];
	hca = fork();
	if (hca == 0)
		hca_exec(ends, in, out, options);
	close(w[1]);
	close(k[1]);
	close(in[0]);
	close(out[1]);
	wire = w[0];
	kernel_side = k[0];
	hca_in = in[1];
	hca_out = out[0];
	setenv("FAKE_VERBS", hca_path, 1);
	unsetenv("FAKE_VERBS_FAULT");
	return hca_says("ready");
}

/* True: it ended as it should. */
static inline bool hca_stop(void)
{
	int status;

	close(hca_in);
	waitpid(hca, &status, 0);
	close(hca_out);
	close(wire);
	close(kernel_side);
	unlink(hca_path);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Frames that wait at @fd within @ms of one another, as many as @want; the last one is in @frame. */
static inline unsigned frames_at(int fd, uint8_t *frame, size_t size, unsigned want, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	unsigned n = 0;

	while (n < want && poll(&p, 1, ms) == 1 && recv(fd, frame, size, 0) > 0)
		n++;
	return n;
}

#endif
