/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * interrupted.c - what ends, or does not end, a call that waits: a jump out of a signal handler, a storm of signals, stopping
 * and continuing.
 */
/* expect: fast 20 */
#include "waits.h"
#include <setjmp.h>

static sigjmp_buf back;
static volatile sig_atomic_t hits;

static const struct {
	const char *name;
	long (*call)(void);
} calls[] = {
	{ "recv", do_recv },	     { "read", do_read },
	{ "recvmsg", do_recvmsg },   { "recvmmsg", do_recvmmsg },
	{ "poll", do_poll },	     { "ppoll", do_ppoll },
	{ "big poll", do_big_poll }, { "select", do_select },
	{ "epoll_wait", do_epoll },  { "epoll_pwait", do_epoll_pwait },
};

static void jump(int sig)
{
	(void)sig;
	siglongjmp(back, 1);
}

static void count(int sig)
{
	(void)sig;
	hits++;
}

static void install(int sig, void (*fn)(int), int flags)
{
	struct sigaction sa = { .sa_handler = fn, .sa_flags = flags };

	must("sigaction", sigaction(sig, &sa, NULL));
	hits = 0;
}

static void alarm_every(int first_us, int again_us)
{
	struct itimerval it = { { 0, again_us }, { 0, first_us } };

	must("setitimer", setitimer(ITIMER_REAL, &it, NULL));
}

static void jumps(const char *what)
{
	say("-- a jump out of a handler, %s\n", what);
	for (volatile size_t i = 0; i < NLEN(calls); i++) {
		open_all();
		limit_receives(wait_ms);
		install(SIGALRM, jump, 0);
		for (volatile int k = 0; k < 3; k++) {
			if (!sigsetjmp(back, 1)) {
				alarm_every(20000, 0);
				calls[i].call();
				say("%s returned\n", calls[i].name);
			}
		}
		say("%s\n", calls[i].name);
		still_works();
		close_all();
	}
}

/* Signals every 300 us while 200 datagrams are read; the handler itself sends and receives. */
static void busy_handler(int sig)
{
	char c[16];
	int saved = errno;

	(void)sig;
	hits++;
	recv(fd, c, 0, MSG_DONTWAIT | MSG_PEEK);
	send_to(fd, c, 1, MSG_DONTWAIT, "P1", PPORT + 5);
	errno = saved;
}

static void storm(int flags, const char *what)
{
	int n = 0, other = 0;

	say("-- a storm of signals, %s\n", what);
	open_all();
	install(SIGALRM, busy_handler, flags);
	peer("send 0 L1 %d 20 0 100", PORT);
	peer_later(50, "send 0 L1 %d 20 100 100", PORT);
	alarm_every(300, 300);
	while (n < 200) {
		long r = calls[n % 4].call();

		if (r > 0)
			n++;
		else if (errno != EINTR)
			other++;
	}
	alarm_every(0, 0);
	say("read %d, other errors %d, handled %s\n", n, other, hits > 5 ? "many" : "FEW");
	peer_done();
	install(SIGALRM, count, 0);
	still_works();
	close_all();
}

/* Stopped and continued by a child while it waits: these calls go on. */
static void stops(void)
{
	say("-- stopped and continued\n");
	for (size_t i = 0; i < NLEN(calls); i++) {
		pid_t child, me = getpid();
		long r;
		int err;

		if (strstr(calls[i].name, "epoll"))
			continue; /* documented: EINTR in the kernel only */
		open_all();
		child = fork();
		if (!child) {
			pause_ms(50);
			kill(me, SIGSTOP);
			pause_ms(50);
			kill(me, SIGCONT);
			_exit(0);
		}
		peer_later(220, "send 0 L1 %d 20 5 1", PORT);
		r = calls[i].call();
		err = errno;
		waitpid(child, NULL, 0);
		peer_done();
		say("%s: %ld %s\n", calls[i].name, r, r < 0 ? strerrorname_np(err) : "");
		pause_ms(20);
		while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
			;
		still_works();
		close_all();
	}
}

static void *idle(void *arg)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	recv(*(int *)arg, &(char){ 0 }, 1, 0);
	return NULL;
}

int main(void)
{
	pthread_t t;
	int other;

	cf_start();
	wait_ms = 600;
	jumps("one thread");
	storm(0, "no SA_RESTART");
	storm(SA_RESTART, "SA_RESTART");
	install(SIGALRM, SIG_DFL, 0);
	stops();
	other = bound("L1", PORT + 1);
	must("thread", pthread_create(&t, NULL, idle, &other) ? -1 : 0);
	jumps("two threads");
	peer("send 0 L1 %d 20 1 1", PORT + 1);
	pthread_join(t, NULL);
	return 0;
}
