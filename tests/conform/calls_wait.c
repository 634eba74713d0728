/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * calls_wait.c - every waiting call with every argument odd: poll, select, epoll and their relatives, on sets that have an
 * accelerated socket in them, with and without a datagram there.
 */
/* expect: fast 60 */
#pragma GCC diagnostic ignored "-Wstringop-overflow" /* wrong counts are the point */
#pragma GCC diagnostic ignored "-Wnonnull"
#include "calls.h"
#include <sys/resource.h>

static int sock, pipes[2], set;
static bool queued;

static void begin(void)
{
	if (queued) {
		peer("send 0 L1 %d 40 1 1", PORT);
		poll(&(struct pollfd){ .fd = sock, .events = POLLIN }, 1, 2000);
	}
	errno = 0;
}

static void end(const char *what, long r)
{
	say("%s = %s\n", what, outcome(r));
}

static void restore(void)
{
	char c;

	while (recv(sock, &c, 1, MSG_DONTWAIT) >= 0)
		;
}

/* poll() of the socket and another, which the table says. */
static const struct {
	const char *name;
	int other; /* -2: the pipe, -3: the file, -4: closed, -5: the epoll set */
	int events, more;
} polls[] = {
	{ "alone", -1, POLLIN, POLLIN },
	{ "no events", -1, 0, 0 },
	{ "OUT", -1, POLLOUT, 0 },
	{ "IN|OUT", -1, POLLIN | POLLOUT, 0 },
	{ "PRI", -1, POLLPRI, 0 },
	{ "RDHUP", -1, POLLRDHUP, 0 },
	{ "RDNORM", -1, POLLRDNORM, 0 },
	{ "RDBAND", -1, POLLRDBAND, 0 },
	{ "WRNORM|WRBAND", -1, POLLWRNORM | POLLWRBAND, 0 },
	{ "HUP|ERR|NVAL", -1, POLLHUP | POLLERR | POLLNVAL, 0 },
	{ "MSG|0x1000", -1, 0x1400, 0 },
	{ "all", -1, 0x7fff, 0 },
	{ "all 16", -1, 0xffff, 0 },
	{ "with a pipe", -2, POLLIN, POLLIN | POLLOUT },
	{ "with a file", -3, POLLIN, POLLIN | POLLOUT },
	{ "with a closed one", -4, POLLIN, POLLIN },
	{ "with a closed one, no events", -4, 0, 0 },
	{ "with an epoll set", -5, POLLIN, POLLIN },
	{ "with -7", -7, POLLIN, POLLIN },
	{ "with INT_MIN", INT_MIN, POLLIN, POLLIN },
	{ "with INT_MAX", INT_MAX, POLLIN, POLLIN },
};

static int number(int which)
{
	return which == -2   ? pipes[0]
	       : which == -3 ? target_fd[PLAIN_FILE]
	       : which == -4 ? CLOSED_FD
	       : which == -5 ? set
			     : which;
}

static void polling(void)
{
	struct timespec zero = { 0, 0 };

	for (size_t i = 0; i < NLEN(polls); i++)
		for (int call = 0; call < 3; call++) {
			struct pollfd p[3] = { { sock, (short)polls[i].events, 0x5555 },
					       { number(polls[i].other), (short)polls[i].more,
						 0x5555 },
					       { -sock, POLLIN, 0x5555 } };
			long r;

			begin();
			r = call == 0	? poll(p, 3, 0)
			    : call == 1 ? ppoll(p, 3, &zero, NULL)
					: syscall(SYS_poll, p, 3L, 20L);
			say("poll %s: %s; %s", polls[i].name, outcome(r),
			    poll_names(p[0].revents & 0xffff));
			say(" %s %s\n", poll_names(p[1].revents & 0xffff),
			    poll_names(p[2].revents & 0xffff));
			restore();
		}
}

static void poll_arguments(void)
{
	struct pollfd p = { sock, POLLIN, 0 };
	struct rlimit old, low = { 200, 0 };
	struct place place[PLACES];
	struct timespec bad[] = { { 0, -1 }, { 0, 1000000000 }, { -1, 0 }, { 0, 0 }, { 0, 1 } };

	begin();
	end("poll of none", poll(&p, 0, 0));
	end("poll NULL of none", poll(NULL, 0, 0));
	end("poll unmapped of none", poll((struct pollfd *)unmapped, 0, 10));
	getrlimit(RLIMIT_NOFILE, &old);
	low.rlim_max = old.rlim_max;
	setrlimit(RLIMIT_NOFILE, &low);
	{
		static struct pollfd many[300];

		for (size_t i = 0; i < NLEN(many); i++)
			many[i] = (struct pollfd){ i ? -1 : sock, POLLIN, 0 };
		end("poll of the limit", poll(many, 200, 0));
		end("poll above the limit", poll(many, 201, 0));
		end("ppoll above the limit", ppoll(many, 300, &bad[3], NULL));
	}
	setrlimit(RLIMIT_NOFILE, &old);
	end("poll of 2^31", poll(&p, 0x80000000ul, 0));
	end("poll of 2^60", poll(&p, 1ul << 60, 0));
	end("poll of -1", poll(&p, (nfds_t)-1, 0));
	places(place, 2 * sizeof(p));
	for (int i = 0; i < PLACES; i++) {
		struct pollfd two[2] = { { sock, POLLIN, 0 }, { -1, 0, 0 } };

		put(place[i].p, two, sizeof(two));
		say("poll array %s = %s\n", place[i].name,
		    outcome(poll((struct pollfd *)place[i].p, 2, 0)));
		put(place[i].p, two, sizeof(two));
		say("ppoll array %s = %s\n", place[i].name,
		    outcome(ppoll((struct pollfd *)place[i].p, 2, &bad[3], NULL)));
	}
	places(place, sizeof(struct timespec));
	for (int i = 0; i < PLACES; i++) {
		put(place[i].p, &bad[3], sizeof(bad[3]));
		say("SYS_ppoll timeout %s = %s\n", place[i].name,
		    i == 0 && !queued ? "-"
				      : outcome(syscall(SYS_ppoll, &p, 1L, place[i].p, NULL, 8L)));
	}
	for (size_t i = 0; i < NLEN(bad); i++)
		say("ppoll time %ld.%ld = %s\n", (long)bad[i].tv_sec, bad[i].tv_nsec,
		    outcome(ppoll(&p, 1, &bad[i], NULL)));
	end("SYS_ppoll, mask size 4", syscall(SYS_ppoll, &p, 1L, &bad[3], good, 4L));
	end("SYS_ppoll, mask size 128", syscall(SYS_ppoll, &p, 1L, &bad[3], good, 128L));
	end("SYS_ppoll, no mask, size 4", syscall(SYS_ppoll, &p, 1L, &bad[3], NULL, 4L));
	end("SYS_ppoll, mask unmapped", syscall(SYS_ppoll, &p, 1L, &bad[3], unmapped, 8L));
	end("ppoll, mask unmapped", ppoll(&p, 1, &bad[3], (sigset_t *)unmapped));
	for (int call = 0; call < 2;
	     call++) { /* the numbers leave the rest of the time, libc's calls do not */
		struct timespec ts = { queued ? 5 : 0, 20000000 },
				same = { queued ? 5 : 0, 20000000 };
		unsigned long rd[16] = { 0 };

		rd[sock / 64] = 1ul << sock % 64;
		end("by number", call ? syscall(SYS_ppoll, &p, 1L, &ts, NULL, 8L)
				      : syscall(SYS_pselect6, sock + 1L, rd, NULL, NULL, &ts, NULL));
		say("  left %ld s and %s\n", (long)ts.tv_sec, ts.tv_nsec ? "more" : "no more");
		rd[sock / 64] = 1ul << sock % 64;
		end("by name", call ? ppoll(&p, 1, &same, NULL)
				    : pselect(sock + 1, (fd_set *)rd, NULL, NULL, &same, NULL));
		say("  left %ld s and %ld ms\n", (long)same.tv_sec, same.tv_nsec / 1000000);
	}
	end("poll, timeout INT_MIN", queued ? poll(&p, 1, INT_MIN) : 0);
	end("poll, timeout 1", poll(&p, 1, 1));
	restore();
}

/* A set of @bytes with the socket in it, and what else. */
static unsigned long sets[3][64];

static void fill_sets(bool rd, bool wr, bool ex)
{
	bool in[3] = { rd, wr, ex };

	memset(sets, 0, sizeof(sets));
	for (int i = 0; i < 3; i++)
		if (in[i])
			sets[i][sock / 64] |= 1ul << sock % 64;
}

static void show_select(const char *what, long r)
{
	say("%s: %s; sets", what, outcome(r));
	for (int i = 0; i < 3; i++) {
		int n = 0;

		for (size_t k = 0; k < NLEN(sets[i]); k++)
			n += __builtin_popcountl(sets[i][k]);
		say(" %d/%d", n, (int)(sets[i][sock / 64] >> sock % 64 & 1));
	}
	say("\n");
}

static fd_set *as_set(int i)
{
	return (fd_set *)sets[i];
}

static void selecting(void)
{
	static const int ns[] = { 0, 1, 1024, 1025, 2000, 4096, 100000, INT_MAX, -1, INT_MIN };
	struct timeval odd[] = { { 0, 0 },	 { 0, 1 },	 { -1, 0 },	 { 0, -1 },
				 { 0, 1000000 }, { 0, 2500000 }, { LONG_MAX, 0 } };
	struct timespec zero = { 0, 0 };
	struct place place[PLACES];
	char what[64];
	int high;

	for (int k = 0; k < 8; k++) {
		struct timeval tv = { 0, 0 };

		begin();
		fill_sets(k & 1, k & 2, k & 4);
		snprintf(what, sizeof(what), "select%s%s%s", k & 1 ? " rd" : "", k & 2 ? " wr" : "",
			 k & 4 ? " ex" : "");
		show_select(what, select(sock + 1, as_set(0), as_set(1), as_set(2), &tv));
		fill_sets(k & 1, k & 2, k & 4);
		show_select(what,
			    pselect(sock + 1, k & 1 ? as_set(0) : NULL, k & 2 ? as_set(1) : NULL,
				    k & 4 ? as_set(2) : NULL, &zero, NULL));
		restore();
	}
	begin();
	for (size_t i = 0; i < NLEN(ns); i++) {
		struct timeval tv = { 0, 0 };

		fill_sets(true, true, false);
		snprintf(what, sizeof(what), "select of %d", ns[i]);
		show_select(what, select(ns[i], as_set(0), as_set(1), NULL, &tv));
	}
	high = fcntl(sock, F_DUPFD, 700);
	if (high >= 0 && queued) {
		fill_sets(false, false, false);
		sets[0][high / 64] |= 1ul << high % 64;
		show_select("select of a copy",
			    select(high + 1, as_set(0), NULL, NULL, &(struct timeval){ 1, 0 }));
	}
	close(high);
	fill_sets(true, false, false);
	sets[1][CLOSED_FD / 64] |= 1ul << CLOSED_FD % 64;
	show_select("select with a closed one",
		    select(CLOSED_FD + 1, as_set(0), as_set(1), NULL, &(struct timeval){ 0, 0 }));
	fill_sets(true, false, false);
	sets[0][3000 / 64] |= 1ul << 3000 % 64;
	show_select("select with one above the table",
		    select(3001, as_set(0), as_set(1), NULL, &(struct timeval){ 0, 0 }));
	for (size_t i = 0; i < NLEN(odd); i++) {
		struct timeval tv = odd[i];

		if (!queued && i > 3)
			continue;
		fill_sets(true, false, false);
		snprintf(what, sizeof(what), "select time %ld.%ld", (long)tv.tv_sec,
			 (long)tv.tv_usec);
		show_select(what, select(sock + 1, as_set(0), NULL, NULL, &tv));
	}
	for (int which = 0; which < 4; which++) {
		places(place, which == 3 ? sizeof(struct timeval) : (size_t)(sock / 64 + 1) * 8);
		for (int i = 0; i < PLACES; i++) {
			struct timeval tv = { 0, 0 };
			long r;

			fill_sets(true, true, true);
			if (which < 3)
				put(place[i].p, sets[which], (size_t)(sock / 64 + 1) * 8);
			else
				put(place[i].p, &tv, sizeof(tv));
			if (which == 3 && i == 0 && !queued)
				continue;
			/* By number: libc's own function looks at the time itself. */
			r = syscall(SYS_select, sock + 1L, which == 0 ? place[i].p : (char *)sets[0],
				    which == 1 ? place[i].p : (char *)sets[1],
				    which == 2 ? place[i].p : (char *)sets[2],
				    which == 3 ? place[i].p : (char *)&tv);
			snprintf(what, sizeof(what), "select argument %d %s", which, place[i].name);
			show_select(what, r);
		}
	}
	fill_sets(true, false, false);
	show_select("pselect, mask unmapped",
		    pselect(sock + 1, as_set(0), NULL, NULL, &zero, (sigset_t *)unmapped));
	restore();
}

static void controlling(void)
{
	static const uint32_t events[] = { 0,
					   EPOLLIN,
					   EPOLLOUT,
					   EPOLLEXCLUSIVE,
					   EPOLLEXCLUSIVE | EPOLLIN,
					   EPOLLEXCLUSIVE | EPOLLIN | EPOLLONESHOT,
					   EPOLLEXCLUSIVE | EPOLLPRI,
					   EPOLLEXCLUSIVE | EPOLLIN | EPOLLET | EPOLLWAKEUP,
					   0xffffffff,
					   0x00ffffff,
					   EPOLLRDNORM,
					   EPOLLMSG,
					   EPOLLET | EPOLLONESHOT };
	static const int ops[] = { EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL, 0, 4, -1 };
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 7 };
	int e = epoll_create1(0), inner = epoll_create1(0), chain[8];
	struct place place[PLACES];

	end("epoll_create 0", epoll_create(0));
	end("epoll_create -1", epoll_create(-1));
	end("epoll_create1, bad flag", epoll_create1(1));
	for (size_t i = 0; i < NLEN(ops); i++) {
		int others[] = { sock,	   target_fd[PLAIN_FILE], CLOSED_FD, -1, e, inner,
				 pipes[0], target_fd[TCP] };

		for (size_t k = 0; k < NLEN(others); k++) {
			say("epoll_ctl op %d on number %zu = %s\n", ops[i], k,
			    outcome(epoll_ctl(e, ops[i], others[k], &ev)));
			say("  in a file: %s",
			    outcome(epoll_ctl(target_fd[PLAIN_FILE], ops[i], others[k], &ev)));
			say(", in the socket: %s", outcome(epoll_ctl(sock, ops[i], others[k], &ev)));
			say(", in a closed one: %s\n",
			    outcome(epoll_ctl(CLOSED_FD, ops[i], others[k], &ev)));
		}
	}
	for (size_t i = 0; i < NLEN(events); i++) {
		ev = (struct epoll_event){ .events = events[i], .data.u64 = i };
		say("events %x: add %s", events[i], outcome(epoll_ctl(e, EPOLL_CTL_ADD, sock, &ev)));
		say(", add %s", outcome(epoll_ctl(e, EPOLL_CTL_ADD, sock, &ev)));
		say(", change %s", outcome(epoll_ctl(e, EPOLL_CTL_MOD, sock, &ev)));
		begin();
		for (int k = 0; k < 2; k++) {
			struct epoll_event out[2] = { { .events = 0x5555, .data.u64 = 99 } };

			say(k ? ", again %s" : ", wait %s", outcome(epoll_wait(e, out, 2, 0)));
			say(" %x data %d", out[0].events, (int)out[0].data.u64);
		}
		ev = (struct epoll_event){ .events = EPOLLIN, .data.u64 = 8 };
		say(", to plain %s", outcome(epoll_ctl(e, EPOLL_CTL_MOD, sock, &ev)));
		say(", delete %s", outcome(epoll_ctl(e, EPOLL_CTL_DEL, sock, NULL)));
		say(", delete %s\n", outcome(epoll_ctl(e, EPOLL_CTL_DEL, sock, NULL)));
		restore();
	}
	ev = (struct epoll_event){ .events = EPOLLIN | EPOLLEXCLUSIVE };
	end("a set exclusively", epoll_ctl(e, EPOLL_CTL_ADD, inner, &ev));
	ev.events = EPOLLIN;
	end("a set", epoll_ctl(e, EPOLL_CTL_ADD, inner, &ev));
	end("the other way", epoll_ctl(inner, EPOLL_CTL_ADD, e, &ev));
	for (int i = 0; i < 8; i++)
		chain[i] = epoll_create1(0);
	for (int i = 1; i < 8; i++)
		say("chain %d: %s\n", i,
		    outcome(epoll_ctl(chain[i], EPOLL_CTL_ADD, chain[i - 1], &ev)));
	end("the socket at its end", epoll_ctl(chain[0], EPOLL_CTL_ADD, sock, &ev));
	begin();
	for (int i = 0; i < 8; i++)
		say("chain %d: %s\n", i, outcome(epoll_wait(chain[i], &ev, 1, 0)));
	restore();
	for (int i = 0; i < 8; i++)
		close(chain[i]);
	places(place, sizeof(ev));
	for (int i = 0; i < PLACES; i++) {
		ev = (struct epoll_event){ .events = EPOLLIN };
		put(place[i].p, &ev, sizeof(ev));
		say("event %s: add %s", place[i].name,
		    outcome(epoll_ctl(e, EPOLL_CTL_ADD, sock, (struct epoll_event *)place[i].p)));
		say(", delete %s\n",
		    outcome(epoll_ctl(e, EPOLL_CTL_DEL, sock, (struct epoll_event *)place[i].p)));
	}
	close(e);
	close(inner);
}

static void collecting(void)
{
	static const int maxes[] = { 0, -1, INT_MIN, 1, 2, 1000, INT_MAX };
	struct epoll_event ev[1001] = { 0 };
	struct timespec times[] = { { 0, 0 }, { 0, -1 }, { 0, 1000000000 }, { -1, 0 }, { 0, 1 } };
	struct place place[PLACES];

	begin();
	for (size_t i = 0; i < NLEN(maxes); i++) {
		say("epoll_wait max %d = %s", maxes[i], outcome(epoll_wait(set, ev, maxes[i], 0)));
		say(", pwait %s", outcome(epoll_pwait(set, ev, maxes[i], 0, NULL)));
		say(", pwait2 %s\n", outcome(epoll_pwait2(set, ev, maxes[i], &times[0], NULL)));
	}
	for (enum target t = BOUND; t < TARGETS; t++) {
		say("epoll_wait on %s = %s", target_names[t],
		    outcome(epoll_wait(target_fd[t], ev, 1, 0)));
		say(", max 0 %s", outcome(epoll_wait(target_fd[t], ev, 0, 0)));
		say(", NULL %s\n", outcome(epoll_wait(target_fd[t], NULL, 1, 0)));
	}
	places(place, 2 * sizeof(*ev));
	for (int i = 0; i < PLACES; i++) {
		say("epoll_wait events %s = %s", place[i].name,
		    outcome(epoll_wait(set, (struct epoll_event *)place[i].p, 2, 0)));
		say(", max 1 %s", outcome(epoll_wait(set, (struct epoll_event *)place[i].p, 1, 0)));
		say(", max 1000 %s\n",
		    outcome(epoll_wait(set, (struct epoll_event *)place[i].p, 1000, 0)));
	}
	for (size_t i = 0; i < NLEN(times); i++)
		say("epoll_pwait2 time %ld.%ld = %s\n", (long)times[i].tv_sec, times[i].tv_nsec,
		    outcome(epoll_pwait2(set, ev, 1, &times[i], NULL)));
	end("epoll_pwait2, time unmapped",
	    epoll_pwait2(set, ev, 1, (struct timespec *)unmapped, NULL));
	end("epoll_pwait, mask unmapped", epoll_pwait(set, ev, 1, 0, (sigset_t *)unmapped));
	end("SYS_epoll_pwait, mask size 4", syscall(SYS_epoll_pwait, set, ev, 1L, 0L, good, 4L));
	end("SYS_epoll_pwait, mask size 128", syscall(SYS_epoll_pwait, set, ev, 1L, 0L, good, 128L));
	end("SYS_epoll_pwait2, mask size 4",
	    syscall(SYS_epoll_pwait2, set, ev, 1L, &times[0], good, 4L));
	end("epoll_wait, timeout 1", epoll_wait(set, ev, 1, 1));
	restore();
}

static void everything(void)
{
	polling();
	poll_arguments();
	selecting();
	controlling();
	collecting();
}

int main(void)
{
	struct epoll_event ev = { .events = EPOLLIN };

	cf_start();
	map_memory();
	find_aliases();
	open_targets();
	sock = target_fd[BOUND];
	must("pipe", pipe2(pipes, O_NONBLOCK));
	set = epoll_create1(0);
	must("epoll_ctl", epoll_ctl(set, EPOLL_CTL_ADD, sock, &ev));
	must("epoll_ctl", epoll_ctl(set, EPOLL_CTL_ADD, pipes[0], &ev));
	say("-- nothing there\n");
	everything();
	queued = true;
	say("-- a datagram there\n");
	everything();
	return 0;
}
