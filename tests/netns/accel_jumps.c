/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * accel_jumps.c - a process that shares its socket with a forked one and whose signal handler jumps out of its waits. For
 * accel_jumps.sh.
 *
 *   accel_jumps PORT HELPER-THREADS
 *
 * After the jumps the child alone receives, while this process only sends ("the child serves"); at SIGUSR1 both receive ("both
 * serve"); at SIGTERM each says how many it has answered.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "accel_common.h"

#define JUMPS 25

static sigjmp_buf back;
static int fd, ep;
static volatile sig_atomic_t ended, both;

static void jump(int sig)
{
	(void)sig;
	siglongjmp(back, 1);
}

static void note(int sig)
{
	if (sig == SIGTERM)
		ended = 1;
	else
		both = 1;
}

static void wait_by(int how)
{
	static struct pollfd many[200];
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct epoll_event ev;
	char buf[2048];

	for (int i = 0; i < 200; i++)
		many[i] = (struct pollfd){ .fd = i == 150 ? fd : -1, .events = POLLIN };
	if (how == 0)
		recv(fd, buf, sizeof(buf), 0);
	else if (how == 1)
		epoll_wait(ep, &ev, 1, -1);
	else if (how == 2)
		poll(&p, 1, -1);
	else
		poll(many, 200, -1);
}

/* Late enough to be asleep by then: a jump out of the library's work is another matter. */
static void jump_out(int how)
{
	struct itimerval it = { { 0, 0 }, { 0, 15000 } };

	for (volatile int i = 0; i < JUMPS; i++)
		if (!sigsetjmp(back, 1)) {
			setitimer(ITIMER_REAL, &it, NULL);
			wait_by(how);
		}
}

static void serve(void)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct sockaddr_storage from;
	unsigned answered = 0;
	char buf[2048];
	ssize_t n;

	while (!ended) {
		socklen_t len = sizeof(from);

		if (poll(&p, 1, 100) != 1)
			continue;
		n = recvfrom(fd, buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *)&from, &len);
		if (n >= 0 && sendto(fd, buf, (size_t)n, 0, (struct sockaddr *)&from, len) == n)
			answered++;
	}
	dprintf(1, "answered %u\n", answered);
}

static void *idle(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static int descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* It has no time to receive, but to send. */
static void only_send(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };

	inet_pton(AF_INET, "10.77.1.2", &to.sin_addr);
	while (!both && !ended) {
		sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to));
		kb_pause_us(20000);
	}
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = note };
	struct epoll_event ev = { .events = EPOLLIN };
	int go[2], before = 0;
	pthread_t thread;
	sigset_t alarm_only;
	char c;

	if (argc != 3)
		kb_die("usage: accel_jumps PORT HELPER-THREADS");
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	fd = kb_socket4(NULL, atoi(argv[1]), false);
	ep = epoll_create1(0);
	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
	if (pipe(go) < 0)
		kb_die("pipe");
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		if (read(go[0], &c, 1) == 1)
			serve();
		return 0;
	}
	sigemptyset(&alarm_only);
	sigaddset(&alarm_only, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &alarm_only, NULL);
	for (int i = 0; i < atoi(argv[2]); i++)
		pthread_create(&thread, NULL, idle, NULL);
	pthread_sigmask(SIG_UNBLOCK, &alarm_only, NULL);
	sa.sa_handler = jump;
	sigaction(SIGALRM, &sa, NULL);
	for (int how = 0; how < 4; how++) {
		jump_out(how);
		if (how == 0)
			before = descriptors();
	}
	kb_case(descriptors() <= before, "%d jumps leave no descriptors behind (%d, %d)", 4 * JUMPS,
		before, descriptors());
	if (write(go[1], "x", 1) != 1)
		kb_die("write");
	dprintf(1, "the child serves\n");
	only_send();
	dprintf(1, "both serve\n");
	serve();
	return 0;
}
