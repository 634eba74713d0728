/* SPDX-License-Identifier: BSD-3-Clause */
/* select.c - select() and pselect(): readiness, timeouts, sets, mixtures, odd arguments. */
/* expect: fast 6 */
#include "lib.h"

static char buf[2048];
static int fds[4];
static const char *fd_names[4];
static int count;

static void watch(const char *name, int fd)
{
	fd_names[count] = name;
	fds[count++] = fd;
}

static void show_set(const char *what, fd_set *set)
{
	say(" %s{", what);
	for (int i = 0; i < count; i++)
		if (FD_ISSET(fds[i], set))
			say(" %s", fd_names[i]);
	say(" }");
}

/* All descriptors in the sets named by @sets ("r", "w", "x"). */
static int all(const char *what, const char *sets, int ms)
{
	fd_set rd, wr, ex;
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };
	int max = 0, r;

	FD_ZERO(&rd);
	FD_ZERO(&wr);
	FD_ZERO(&ex);
	for (int i = 0; i < count; i++) {
		FD_SET(fds[i], &rd);
		FD_SET(fds[i], &wr);
		FD_SET(fds[i], &ex);
		max = fds[i] > max ? fds[i] : max;
	}
	r = select(max + 1, strchr(sets, 'r') ? &rd : NULL, strchr(sets, 'w') ? &wr : NULL,
		   strchr(sets, 'x') ? &ex : NULL, ms < 0 ? NULL : &tv);
	res(what, r);
	if (r < 0)
		return r;
	if (strchr(sets, 'r'))
		show_set("read", &rd);
	if (strchr(sets, 'w'))
		show_set("write", &wr);
	if (strchr(sets, 'x'))
		show_set("except", &ex);
	say("\n");
	return r;
}

static void readiness(void)
{
	say("-- readiness\n");
	all("empty", "r", 0);
	all("empty", "rwx", 0);
	peer_sends(PORT, 10, 1, 1);
	all("socket 1", "r", 1000);
	all("socket 1", "rwx", 1000);
	all("socket 1", "w", 1000);
	all("socket 1", "x", 0);
	peer_sends(PORT + 1, 10, 1, 1);
	all("both", "r", -1);
	recv(fds[0], buf, 10, 0);
	all("socket 2", "r", 1000);
	recv(fds[1], buf, 10, 0);
	must("write", write(fds[3], "x", 1));
	all("pipe", "r", 1000);
	peer_sends(PORT, 10, 1, 1);
	all("pipe and socket 1", "r", 1000);
	recv(fds[0], buf, 10, 0);
	must("read", read(fds[2], buf, 1));
}

static void times(void)
{
	struct timeval tv = { 0, 150000 };
	struct timespec ts = { 0, 100000000 }, bad = { 0, -1 };
	fd_set rd;
	double t;

	say("-- time\n");
	FD_ZERO(&rd);
	FD_SET(fds[0], &rd);
	t = now_ms();
	all("100 ms", "r", 100);
	took("select", t, 99, 500);
	peer_later(50, "send 0 L1 %d 10 1 1", PORT);
	tv = (struct timeval){ 3, 0 };
	res("select", select(fds[0] + 1, &rd, NULL, NULL, &tv));
	say("time left %s\n", tv.tv_sec == 2 ? "about 2.9 s" : "something else");
	peer_done();
	tv = (struct timeval){ 0, 90000 };
	recv(fds[0], buf, 10, 0);
	res("select", select(fds[0] + 1, &rd, NULL, NULL, &tv));
	say("time left %ld us, set %s\n", tv.tv_sec * 1000000 + tv.tv_usec,
	    FD_ISSET(fds[0], &rd) ? "full" : "empty");
	FD_SET(fds[0], &rd);
	t = now_ms();
	res("pselect", pselect(fds[0] + 1, &rd, NULL, NULL, &ts, NULL));
	took("pselect", t, 99, 500);
	say("timeout %s\n", ts.tv_nsec == 100000000 ? "untouched" : "changed");
	FD_SET(fds[0], &rd);
	res("pselect bad", pselect(fds[0] + 1, &rd, NULL, NULL, &bad, NULL));
	tv = (struct timeval){ -1, 0 };
	res("select negative", select(fds[0] + 1, &rd, NULL, NULL, &tv));
	tv = (struct timeval){ 0, 1500000 };
	peer_later(30, "send 0 L1 %d 10 1 1", PORT);
	res("select, 1500000 us", select(fds[0] + 1, &rd, NULL, NULL, &tv));
	peer_done();
	recv(fds[0], buf, 10, 0);
	tv = (struct timeval){ 0, 60000 };
	t = now_ms();
	res("select of nothing", select(0, NULL, NULL, NULL, &tv));
	took("select", t, 59, 500);
}

static void odd(void)
{
	struct timeval zero = { 0, 0 };
	int hole = dup(fds[0]), high;
	fd_set rd;

	say("-- odd\n");
	close(hole);
	FD_ZERO(&rd);
	FD_SET(fds[0], &rd);
	FD_SET(hole, &rd);
	res("a closed descriptor", select(hole + 1, &rd, NULL, NULL, &zero));
	say("set %s\n", FD_ISSET(hole, &rd) && FD_ISSET(fds[0], &rd) ? "untouched" : "changed");
	res("below n", select(fds[0], &rd, NULL, NULL, &zero));
	res("n negative", select(-1, &rd, NULL, NULL, &zero));
	FD_ZERO(&rd);
	FD_SET(fds[0], &rd);
	res("n larger than any", select(FD_SETSIZE, &rd, NULL, NULL, &zero));
	high = fcntl(fds[0], F_DUPFD, 900);
	peer_sends(PORT, 10, 4, 1);
	FD_ZERO(&rd);
	FD_SET(high, &rd);
	res("descriptor 900", select(high + 1, &rd, NULL, NULL, &zero));
	close(high);
	drain("after", fds[0]);
}

int main(void)
{
	int pipefd[2];

	cf_start();
	watch("socket1", bound("L1", PORT));
	watch("socket2", bound("any", PORT + 1));
	must("pipe", pipe(pipefd));
	watch("pipe-out", pipefd[0]);
	watch("pipe-in", pipefd[1]);
	readiness();
	times();
	odd();
	return 0;
}
