/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kbacceld.c - the broker: opens queues for servers that have no privileges, as a policy file (policy.h) allows it.
 *
 * This process only listens. Each client gets a process of its own (session.h), which outlives this one.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "daemon/policy.h"
#include "daemon/session.h"

#define SOCKET_PATH "/run/kbacceld.sock"
#define POLICY_PATH "/etc/kbaccel/kbacceld.conf"
#define MAX_SESSIONS 256
#define DEFAULT_PER_USER 16
#define DEFAULT_MEMORY 256 /* MiB */

struct broker {
	const char *socket_path, *policy_path;
	unsigned per_user;
	struct session_limits limits;
	int listener, signals;
	struct policy policy;
	unsigned sessions;
	struct {
		pid_t pid;
		uid_t uid;
	} session[MAX_SESSIONS];
};

static const char usage[] =
	"usage: kbacceld [-s SOCKET] [-c POLICY] [-n SEATS] [-m MIB] [-q]\n"
	"       kbacceld -t [-c POLICY]\n"
	"\n"
	"Opens queues of network interfaces for servers without privileges that run under libkbaccel.so.\n"
	"\n"
	"  -s, --socket PATH   where it listens (default " SOCKET_PATH ")\n"
	"  -c, --config PATH   who may have which ports on which interfaces (default " POLICY_PATH
	")\n"
	"  -n, --seats N       most that one user may have at a time (default 16)\n"
	"  -m, --memory MIB    most frame memory of a seat (default 256)\n"
	"  -q, --quiet         log refusals only\n"
	"  -t, --test          read the policy, say what is wrong with it, and end\n"
	"  -h, --help\n"
	"  -V, --version\n"
	"\n"
	"SIGHUP: read the policy again, for clients to come. See kbacceld(8).\n";

/* ---- its clients ---- */

static void reap(struct broker *b)
{
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
		for (unsigned i = 0; i < b->sessions; i++)
			if (b->session[i].pid == pid) {
				b->session[i] = b->session[--b->sessions];
				break;
			}
}

static unsigned sessions_of(const struct broker *b, uid_t uid)
{
	unsigned n = 0;

	for (unsigned i = 0; i < b->sessions; i++)
		n += b->session[i].uid == uid;
	return n;
}

_Noreturn static void become_session(struct broker *b, int fd, const struct peer *peer)
{
	sigset_t none;

	close(b->listener);
	close(b->signals);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	session_run(fd, peer, &b->policy, &b->limits);
}

static void admit(struct broker *b, int fd)
{
	static struct peer peer;
	pid_t pid;
	int err = session_peer(fd, &peer);

	if (err < 0) {
		log_warn("refused: a client: %s", strerror(-err));
		return;
	}
	if (b->sessions == MAX_SESSIONS || sessions_of(b, peer.uid) >= b->per_user) {
		log_warn("refused: process %d of user %u: as many seats as there may be (--seats)",
			 (int)peer.pid, peer.uid);
		return;
	}
	pid = fork();
	if (pid == 0)
		become_session(b, fd, &peer);
	if (pid < 0) {
		log_error("can not fork: %s", strerror(errno));
		return;
	}
	b->session[b->sessions].pid = pid;
	b->session[b->sessions++].uid = peer.uid;
}

/* ---- itself ---- */

static int read_policy(const char *path, struct policy *policy)
{
	char why[512];
	int err = policy_read(policy, path, why, sizeof(why));

	if (err < 0)
		log_error("%s: %s", path, why);
	return err;
}

static void reload(struct broker *b)
{
	struct policy fresh;

	if (read_policy(b->policy_path, &fresh) < 0) {
		log_error("the policy stays as it was");
		return;
	}
	policy_free(&b->policy);
	STAILQ_INIT(&b->policy.rules);
	STAILQ_CONCAT(&b->policy.rules, &fresh.rules);
	log_info("policy read again");
}

/* False: it is to end. */
static bool follow_signal(struct broker *b)
{
	struct signalfd_siginfo info;

	if (read(b->signals, &info, sizeof(info)) != sizeof(info))
		return true;
	if (info.ssi_signo == SIGCHLD)
		reap(b);
	else if (info.ssi_signo == SIGHUP)
		reload(b);
	else
		return false;
	return true;
}

static void run(struct broker *b)
{
	struct pollfd p[2] = { { .fd = b->signals, .events = POLLIN },
			       { .fd = b->listener, .events = POLLIN } };
	int fd;

	for (;;) {
		if (poll(p, 2, -1) < 0)
			continue;
		if (p[0].revents && !follow_signal(b))
			return;
		if (!p[1].revents)
			continue;
		fd = accept4(b->listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			continue;
		admit(b, fd);
		close(fd);
	}
}

static bool somebody_listens(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	bool yes = fd >= 0 && connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0;

	if (fd >= 0)
		close(fd);
	return yes;
}

/* Everybody may ask; who it is the kernel tells. */
static int open_listener(struct broker *b)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	mode_t mask;
	int err;

	if (strlen(b->socket_path) >= sizeof(addr.sun_path)) {
		log_error("%s is longer than the path of a socket may be", b->socket_path);
		return -ENAMETOOLONG;
	}
	strcpy(addr.sun_path, b->socket_path);
	if (somebody_listens(&addr)) {
		log_error("another kbacceld listens on %s: stop it, or choose another path with --socket",
			  b->socket_path);
		return -EADDRINUSE;
	}
	unlink(b->socket_path);
	b->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	mask = umask(0);
	err = b->listener < 0 || bind(b->listener, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
			      listen(b->listener, 64) < 0
		      ? -errno
		      : 0;
	umask(mask);
	if (err < 0)
		log_error("can not listen on %s: %s", b->socket_path, strerror(-err));
	return err;
}

static int open_signals(struct broker *b)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	b->signals = signalfd(-1, &set, SFD_CLOEXEC);
	return b->signals < 0 ? -errno : 0;
}

/* 0: go on; else an exit status + 1. */
static int read_options(struct broker *b, int argc, char **argv, bool *test)
{
	static const struct option options[] = { { "socket", required_argument, NULL, 's' },
						 { "config", required_argument, NULL, 'c' },
						 { "seats", required_argument, NULL, 'n' },
						 { "memory", required_argument, NULL, 'm' },
						 { "quiet", no_argument, NULL, 'q' },
						 { "test", no_argument, NULL, 't' },
						 { "help", no_argument, NULL, 'h' },
						 { "version", no_argument, NULL, 'V' },
						 { NULL, 0, NULL, 0 } };
	int c;

	while ((c = getopt_long(argc, argv, "s:c:n:m:qthV", options, NULL)) != -1) {
		switch (c) {
		case 's':
			b->socket_path = optarg;
			break;
		case 'c':
			b->policy_path = optarg;
			break;
		case 'n':
			b->per_user = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'm':
			b->limits.memory = strtoull(optarg, NULL, 10) << 20;
			break;
		case 'q':
			log_threshold = LOG_LEVEL_WARN;
			break;
		case 't':
			*test = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return 1 + EXIT_SUCCESS;
		case 'V':
			puts("kbacceld " KBACCEL_VERSION);
			return 1 + EXIT_SUCCESS;
		default:
			fputs("kbacceld --help lists the options\n", stderr);
			return 1 + 2;
		}
	}
	if (optind == argc && b->per_user > 0 && b->limits.memory > 0)
		return 0;
	fputs(usage, stderr);
	return 1 + 2;
}

int main(int argc, char **argv)
{
	static struct broker b = { .socket_path = SOCKET_PATH,
				   .policy_path = POLICY_PATH,
				   .per_user = DEFAULT_PER_USER,
				   .limits = { .memory = DEFAULT_MEMORY << 20 } };
	bool test = false;
	int status;

	log_init();
	log_threshold = LOG_LEVEL_INFO;
	status = read_options(&b, argc, argv, &test);
	if (status)
		return status - 1;
	if (read_policy(b.policy_path, &b.policy) < 0)
		return EXIT_FAILURE;
	if (test)
		return EXIT_SUCCESS;
	if (STAILQ_EMPTY(&b.policy.rules))
		log_warn("%s allows nobody anything", b.policy_path);
	if (open_signals(&b) < 0 || open_listener(&b) < 0)
		return EXIT_FAILURE;
	log_info("listening on %s", b.socket_path);
	run(&b);
	unlink(b.socket_path);
	log_info("ended; the seats of clients stay as long as these");
	return EXIT_SUCCESS;
}
