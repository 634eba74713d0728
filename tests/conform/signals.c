/* SPDX-License-Identifier: BSD-3-Clause */
/* signals.c - signals against blocked calls: EINTR, SA_RESTART, masks of ppoll/pselect/epoll_pwait, sending from a handler. */
/* expect: fast 4 */
#include "waits.h"

static volatile sig_atomic_t hits;

static void handler(int sig)
{
	(void)sig;
	hits++;
}

static void install(int flags)
{
	struct sigaction sa = { .sa_handler = handler, .sa_flags = flags };

	must("sigaction", sigaction(SIGALRM, &sa, NULL));
	hits = 0;
}

static void alarm_in(int ms)
{
	struct itimerval it = { .it_value = { 0, ms * 1000 } };

	must("setitimer", setitimer(ITIMER_REAL, &it, NULL));
}

static const struct {
	const char *name;
	long (*call)(void);
	bool recv;
} calls[] = {
	{ "recv", do_recv, true },
	{ "read", do_read, true },
	{ "recvmsg", do_recvmsg, true },
	{ "recvmmsg", do_recvmmsg, true },
	{ "poll", do_poll, false },
	{ "ppoll", do_ppoll, false },
	{ "select", do_select, false },
	{ "epoll_wait", do_epoll, false },
	{ "epoll_pwait", do_epoll_pwait, false },
};

static void sweep(const char *what, int flags)
{
	double t;

	say("-- %s\n", what);
	for (size_t i = 0; i < NLEN(calls); i++) {
		bool sends = flags & SA_RESTART && calls[i].recv;

		install(flags);
		if (sends)
			peer_later(200, "send 0 L1 %d 20 5 1", PORT);
		t = now_ms();
		alarm_in(80);
		res(calls[i].name, calls[i].call());
		if (sends)
			took(calls[i].name, t, 150, 900);
		else
			took(calls[i].name, t, 70, 380);
		say("  handled %d\n", (int)hits);
		if (sends)
			peer_done();
	}
	drain("after", fd);
}

static void with_timeout(void)
{
	double t;

	say("-- SO_RCVTIMEO and SA_RESTART\n");
	limit_receives(300);
	install(SA_RESTART);
	t = now_ms();
	alarm_in(80);
	res("recv", do_recv());
	took("recv", t, 70, 290);
	say("handled %d\n", (int)hits);
	limit_receives(0);
}

static void masks(void)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct timespec ts = { 0, 300000000 }, brief = { 0, 50000000 };
	struct epoll_event ev;
	sigset_t block, empty, old;
	fd_set rd;

	say("-- masks\n");
	install(0);
	sigemptyset(&empty);
	sigemptyset(&block);
	sigaddset(&block, SIGALRM);
	sigprocmask(SIG_BLOCK, &block, &old);
	raise(SIGALRM);
	res("poll with a pending, blocked signal", poll(&p, 1, 50));
	say("handled %d\n", (int)hits);
	res("ppoll unblocks it", ppoll(&p, 1, &ts, &empty));
	say("handled %d\n", (int)hits);
	raise(SIGALRM);
	FD_ZERO(&rd);
	FD_SET(fd, &rd);
	res("pselect unblocks it", pselect(fd + 1, &rd, NULL, NULL, &ts, &empty));
	say("handled %d\n", (int)hits);
	raise(SIGALRM);
	res("epoll_pwait unblocks it", epoll_pwait(ep, &ev, 1, 300, &empty));
	say("handled %d\n", (int)hits);
	raise(SIGALRM);
	peer_sends(PORT, 20, 1, 1);
	res("ppoll, ready", ppoll(&p, 1, &ts, &empty));
	say("handled %d\n", (int)hits);
	res("ppoll again, ready", ppoll(&p, 1, &ts, &empty));
	drain("read", fd);
	sigprocmask(SIG_SETMASK, &old, NULL);
	say("handled %d\n", (int)hits);
	alarm_in(20);
	res("ppoll with the signal blocked", ppoll(&p, 1, &brief, &block));
	say("handled %d\n", (int)hits);
	sigprocmask(SIG_SETMASK, NULL, &old);
	say("mask is %s\n", sigismember(&old, SIGALRM) ? "LEFT changed" : "as before");
}

static void send_handler(int sig)
{
	int saved = errno;
	char c[20];

	(void)sig;
	fill(c, sizeof(c), 33);
	if (send_to(fd, c, sizeof(c), 0, "P1", PPORT) == 20)
		hits++;
	if (recv(fd, c, sizeof(c), MSG_DONTWAIT) == -1 && errno == EAGAIN)
		hits++;
	errno = saved;
}

static void from_handler(void)
{
	struct sigaction sa = { .sa_handler = send_handler, .sa_flags = SA_RESTART };

	say("-- sending and receiving in a handler\n");
	must("sigaction", sigaction(SIGALRM, &sa, NULL));
	hits = 0;
	peer_later(200, "send 0 L1 %d 20 6 1", PORT);
	alarm_in(80);
	got("recv", recv(fd, buf, sizeof(buf), 0), buf, sizeof(buf));
	say("handled %d\n", (int)hits);
	peer_done();
	say("peer: %s\n", peer("recv 0 500"));
}

static void *late_kill(void *arg)
{
	pause_ms(80);
	pthread_kill(*(pthread_t *)arg, SIGUSR1);
	return NULL;
}

/* To end a blocked reader: another file takes the number, a signal takes the reader out of the call. */
static void *dup_and_kill(void *arg)
{
	int null = open("/dev/null", O_RDONLY);

	pause_ms(80);
	dup2(null, fd);
	close(null);
	pthread_kill(*(pthread_t *)arg, SIGUSR1);
	return NULL;
}

static void other_thread(void)
{
	struct sigaction sa = { .sa_handler = handler };
	pthread_t me = pthread_self(), t;

	say("-- a signal from another thread\n");
	must("sigaction", sigaction(SIGUSR1, &sa, NULL));
	pthread_create(&t, NULL, late_kill, &me);
	res("recv", do_recv());
	pthread_join(t, NULL);
	sa.sa_flags = SA_RESTART;
	must("sigaction", sigaction(SIGUSR1, &sa, NULL));
	pthread_create(&t, NULL, dup_and_kill, &me);
	res("read, number replaced under it", do_read());
	pthread_join(t, NULL);
	res("recv", do_recv());
}

int main(void)
{
	cf_start();
	open_all();
	sweep("no SA_RESTART", 0);
	sweep("SA_RESTART", SA_RESTART);
	with_timeout();
	masks();
	from_handler();
	other_thread();
	return 0;
}
