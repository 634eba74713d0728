/* SPDX-License-Identifier: BSD-3-Clause */
/* stopped.c - SIGSTOP and SIGCONT while a call waits: which calls say EINTR although no handler runs (signal(7)). */
/* expect: fast 3 */
#include "waits.h"

static int order[2];
static pid_t helper;
static volatile sig_atomic_t hits;

/* A process that stops this one for a moment; made before the sockets, which it must not share. */
static void start_helper(void)
{
	pid_t parent = getpid();
	char c;

	must("pipe", pipe(order));
	helper = fork();
	if (helper)
		return;
	close(order[1]);
	while (read(order[0], &c, 1) == 1) {
		pause_ms(60);
		kill(parent, SIGSTOP);
		pause_ms(60);
		kill(parent, SIGCONT);
	}
	_exit(0);
}

static const struct {
	const char *name;
	long (*call)(void);
	int limit;
	bool sends; /* it would wait for ever */
} cases[] = {
	{ "recv", do_recv, 0, true },
	{ "read", do_read, 0, true },
	{ "recvmmsg", do_recvmmsg, 0, true },
	{ "recv, time limit", do_recv, 400, false },
	{ "read, time limit", do_read, 400, false },
	{ "recvmmsg, time limit", do_recvmmsg, 400, false },
	{ "poll", do_poll, 0, false },
	{ "ppoll", do_ppoll, 0, false },
	{ "select", do_select, 0, false },
	{ "epoll_wait", do_epoll, 0, false },
	{ "epoll_wait for ever", do_epoll_forever, 0, false },
	{ "epoll_pwait2", do_epoll_pwait2, 0, false },
};

static void sweep(const char *what)
{
	say("-- %s\n", what);
	for (size_t i = 0; i < NLEN(cases); i++) {
		limit_receives(cases[i].limit);
		hits = 0;
		if (cases[i].sends)
			peer_later(400, "send 0 L1 %d 20 5 1", PORT);
		must("order", write(order[1], "x", 1));
		res(cases[i].name, cases[i].call());
		say("  handled %d\n", (int)hits);
		if (cases[i].sends)
			peer_done();
		pause_ms(100);
	}
	drain("after", fd);
}

static void handler(int sig)
{
	(void)sig;
	hits++;
}

static void install(int flags)
{
	struct sigaction sa = { .sa_handler = handler, .sa_flags = flags };

	must("sigaction", sigaction(SIGCONT, &sa, NULL));
}

static void *threaded(void *arg)
{
	sweep("in a thread");
	return arg;
}

int main(void)
{
	pthread_t thread;

	cf_start();
	start_helper();
	close(order[0]);
	open_all();
	sweep("no handler");
	install(SA_RESTART);
	sweep("a handler for SIGCONT, SA_RESTART");
	install(0);
	sweep("a handler for SIGCONT");
	signal(SIGCONT, SIG_DFL);
	must("thread", -pthread_create(&thread, NULL, threaded, NULL));
	pthread_join(thread, NULL);
	close(order[1]);
	waitpid(helper, NULL, 0);
	return 0;
}
