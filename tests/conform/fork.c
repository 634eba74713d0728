/* SPDX-License-Identifier: BSD-3-Clause */
/* fork.c - sockets across fork() and exec(): a child serves what its parent bound, workers share, the parent goes on. */
/* expect: fast 3 */
#include "lib.h"
#include <sys/prctl.h>

static char buf[2048];

static void wait_child(pid_t pid)
{
	int status = 0;

	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		say("child KILLED by %s\n", sigabbrev_np(WTERMSIG(status)));
	else if (WEXITSTATUS(status))
		say("child exits %d\n", WEXITSTATUS(status));
}

/* One datagram received and answered; in this process. */
static void serve(const char *who, int fd)
{
	addr_t from;
	socklen_t len = sizeof(from);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;

	if (poll(&p, 1, 3000) != 1) {
		say("%s: NOTHING came\n", who);
		return;
	}
	n = recvfrom(fd, buf, sizeof(buf), MSG_DONTWAIT, &from.sa, &len);
	got(who, n, buf, sizeof(buf));
	if (n > 0)
		res("  answer", sendto(fd, buf, (size_t)n, 0, &from.sa, len));
}

static void ask(int seed)
{
	peer("send 0 L1 %d 20 %d 1", PORT, seed);
}

static void answered(void)
{
	say("  peer: %s\n", peer("recv 0 1000"));
}

/* The daemon's way: bind, fork, the parent leaves, the child serves. */
static void daemonize(bool used_before)
{
	int fd;
	pid_t pid, child;

	say("-- the child serves, the parent has left; %s\n",
	    used_before ? "it had received before" : "bind only");
	if (used_before) {
		fd = bound("L1", PORT);
	} else {
		fd = udp(0);
		must("bind", bind_to(fd, "L1", PORT));
	}
	pid = fork();
	if (pid == 0) {
		child = fork();
		if (child)
			_exit(0); /* the middle one is the parent that leaves */
		setsid();
		for (int i = 0; i < 3; i++) {
			ask(i);
			serve("child", fd);
			answered();
		}
		_exit(0);
	}
	close(fd);
	wait_child(pid);
	wait_child(-1); /* the daemon: we are its reaper */
}

static void both(void)
{
	int fd = bound("L1", PORT), to_child[2], to_parent[2];
	pid_t pid;

	say("-- child and parent in turn\n");
	ask(1);
	serve("parent", fd);
	answered();
	must("pipe", pipe(to_child));
	must("pipe", pipe(to_parent));
	pid = fork();
	if (pid == 0) {
		for (int i = 0; i < 2; i++) {
			must("read", read(to_child[0], buf, 1));
			ask(10 + i);
			serve("child", fd);
			answered();
			must("write", write(to_parent[1], "x", 1));
		}
		_exit(0);
	}
	for (int i = 0; i < 2; i++) {
		must("write", write(to_child[1], "x", 1));
		must("read", read(to_parent[0], buf, 1));
		ask(20 + i);
		serve("parent", fd);
		answered();
	}
	wait_child(pid);
	ask(30);
	serve("parent, child gone", fd);
	answered();
	close(fd);
}

/* A child that only exists, does not take anything, and dies, changes nothing. */
static void idle_child(void)
{
	int fd = bound("L1", PORT), stay[2];
	pid_t pid;

	say("-- a child that does nothing\n");
	must("pipe", pipe(stay));
	pid = fork();
	if (pid == 0) {
		close(stay[1]);
		if (read(stay[0], buf, 1) < 0)
			_exit(1);
		_exit(0);
	}
	close(stay[0]);
	for (int i = 0; i < 3; i++) {
		ask(i);
		serve("parent", fd);
		answered();
	}
	close(stay[1]);
	wait_child(pid);
	ask(5);
	serve("parent", fd);
	answered();
	peer_sends(PORT, 20, 40, 2);
	pid = fork();
	if (pid == 0)
		_exit(0);
	wait_child(pid);
	drain("queued before the fork", fd);
	close(fd);
}

static void child_binds(void)
{
	pid_t pid;
	int fd = bound("L1", PORT + 1);

	say("-- a child with a socket of its own\n");
	pid = fork();
	if (pid == 0) {
		int mine;

		close(fd);
		mine = bound("L1", PORT);
		for (int i = 0; i < 3; i++) {
			ask(i);
			serve("child", mine);
			answered();
		}
		_exit(0);
	}
	wait_child(pid);
	peer("send 0 L1 %d 20 9 1", PORT + 1);
	serve("parent", fd);
	answered();
	close(fd);
}

/* Workers that share one socket: each datagram is served once. */
static void workers(void)
{
	int fd = bound("L1", PORT), results[2];
	pid_t pid[3];
	char c;
	int total = 0;

	say("-- three workers on one socket\n");
	must("pipe", pipe(results));
	for (int i = 0; i < 3; i++) {
		pid[i] = fork();
		if (pid[i])
			continue;
		while (recv(fd, buf, sizeof(buf), 0) > 1)
			must("write", write(results[1], "x", 1));
		_exit(0);
	}
	pause_ms(100);
	for (int i = 0; i < 6; i++) {
		peer("send 0 L1 %d 20 %d 10", PORT, i);
		pause_ms(10);
	}
	pause_ms(200);
	for (int i = 0; i < 3; i++) {
		peer("send 0 L1 %d 1 0 1", PORT);
		/* Who has it is to be gone before the next one comes: a busy machine does not run it at once. */
		pause_ms(400);
	}
	for (int i = 0; i < 3; i++)
		wait_child(pid[i]);
	close(results[1]);
	while (read(results[0], &c, 1) == 1)
		total++;
	say("served %d\n", total);
	drain("left", fd);
	close(results[0]);
	close(fd);
}

static void after_exec(char *self)
{
	int fd = bound("L1", PORT);
	char number[16];
	pid_t pid;

	say("-- exec with the socket\n");
	peer_sends(PORT, 20, 60, 1);
	got("before", recv(fd, buf, sizeof(buf), MSG_DONTWAIT), buf, sizeof(buf));
	snprintf(number, sizeof(number), "%d", fd);
	pid = fork();
	if (pid == 0) {
		fcntl(cf_ctl, F_SETFD, 0);
		execl(self, self, number, NULL);
		_exit(9);
	}
	close(fd);
	wait_child(pid);
}

static int serve_after_exec(int fd)
{
	cf_variant = getenv("CF_VARIANT");
	cf_ctl = 300;
	for (int i = 0; i < 3; i++) {
		ask(70 + i);
		serve("new program", fd);
		answered();
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2)
		return serve_after_exec(atoi(argv[1]));
	cf_start();
	must("prctl", prctl(PR_SET_CHILD_SUBREAPER, 1));
	daemonize(false);
	daemonize(true);
	both();
	idle_child();
	child_binds();
	workers();
	after_exec(argv[0]);
	return 0;
}
