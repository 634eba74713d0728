/* SPDX-License-Identifier: BSD-3-Clause */
/* cmd_stat.c - `kbaccel stat`: what accelerated processes count, once or again and again. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "tools/cmd.h"
#include "tools/cmd_stat.h"

static const char usage[] =
	"Usage: kbaccel stat [-w[SECONDS]] [-c COUNT] [PID...]\n"
	"Prints the counters of accelerated processes: of the given ones, or of all that may be looked into\n"
	"(one's own; root's: everybody's). Counters that are zero are left out.\n\n"
	"  -w, --watch[=SECONDS]  again every SECONDS (default 1), with rates, until all are gone\n"
	"  -c, --count=COUNT      with -w: stop after COUNT times\n"
	"  -h, --help             this text\n\n"
	"Exit status: 0; 1 if there is no such process.\n";

static const struct option options[] = { { "watch", optional_argument, NULL, 'w' },
					 { "count", required_argument, NULL, 'c' },
					 { "help", no_argument, NULL, 'h' },
					 { 0 } };

struct request {
	double interval; /* seconds; 0: once */
	long count;	 /* 0: no end */
	pid_t *pids;
	size_t n;
};

static bool parse_seconds(const char *text, double *value)
{
	char *end;

	*value = strtod(text, &end);
	return end != text && *end == '\0' && *value >= 0.05 && *value <= 86400;
}

static bool parse_whole(const char *text, long max, long *value)
{
	char *end;

	errno = 0;
	*value = strtol(text, &end, 10);
	return end != text && *end == '\0' && !errno && *value >= 1 && *value <= max;
}

static int parse_options(int argc, char **argv, struct request *r, bool *done)
{
	int option;

	while ((option = getopt_long(argc, argv, "w::c:h", options, NULL)) != -1) {
		if (option == 'h') {
			fputs(usage, stdout);
			*done = true;
			return STATUS_OK;
		}
		if (option == '?')
			return cmd_misused("stat", NULL);
		if (option == 'w') {
			r->interval = 1;
			if (optarg && !parse_seconds(optarg, &r->interval))
				return cmd_misused("stat",
						   "-w%s: not a number of seconds, 0.05 to 86400",
						   optarg);
		} else if (!parse_whole(optarg, 1000000000, &r->count)) {
			return cmd_misused("stat", "-c %s: not a number of times", optarg);
		}
	}
	return STATUS_OK;
}

static int parse_pids(int n, char **argv, struct request *r)
{
	long pid;

	if (n == 0)
		return STATUS_OK;
	r->pids = calloc((size_t)n, sizeof(*r->pids));
	if (!r->pids)
		return STATUS_NO;
	for (; r->n < (size_t)n; r->n++) {
		if (!parse_whole(argv[r->n], 1 << 22, &pid))
			return cmd_misused("stat", "\"%s\" is not a process id", argv[r->n]);
		r->pids[r->n] = (pid_t)pid;
	}
	return STATUS_OK;
}

static bool has_page(const struct stat_samples *found, pid_t pid)
{
	size_t i;

	for (i = 0; i < found->count; i++)
		if (found->list[i]->pid == pid)
			return true;
	return false;
}

/* Why something that was asked for is not shown. */
static void explain(const struct request *r, const struct stat_samples *found)
{
	size_t i;

	for (i = 0; i < r->n; i++)
		if (!has_page(found, r->pids[i]))
			cmd_complain(kill(r->pids[i], 0) < 0 && errno == ESRCH
					     ? "no process %d"
					     : "process %d: no counters found",
				     (int)r->pids[i]);
	if (found->denied)
		cmd_complain("permission denied for %u process%s: run this as root or as their user",
			     found->denied, found->denied == 1 ? "" : "es");
	if (found->foreign)
		cmd_complain("%u process%s with another version of libkbaccel.so: use the kbaccel that "
			     "belongs to it",
			     found->foreign, found->foreign == 1 ? "" : "es");
	if (found->count == 0)
		cmd_complain(
			"no accelerated process found (a process is one from its first bind() to "
			"a port in KBACCEL_PORTS on)");
}

static void print_all(const struct stat_samples *now, const struct stat_samples *before)
{
	double seconds = before ? (double)(now->taken_ns - before->taken_ns) / 1e9 : 0;
	size_t i;

	for (i = 0; i < now->count; i++)
		stat_print(now->list[i], before ? stat_same(before, now->list[i]) : NULL, seconds);
	fflush(stdout);
}

static void pause_for(double seconds)
{
	struct timespec ts = { (time_t)seconds,
			       (long)((seconds - (double)(time_t)seconds) * NSEC_PER_SEC) };

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

static void start_screen(bool terminal, bool first)
{
	if (terminal)
		fputs("\x1b[H\x1b[2J", stdout);
	else if (!first)
		putchar('\n');
}

static int watch(const struct request *r)
{
	struct stat_samples before = { 0 }, now;
	bool terminal = isatty(STDOUT_FILENO);
	long round;

	for (round = 0; r->count == 0 || round < r->count; round++) {
		if (round)
			pause_for(r->interval);
		if (stat_find(r->pids, r->n, &now) < 0 || now.count == 0)
			break;
		start_screen(terminal, round == 0);
		print_all(&now, round ? &before : NULL);
		stat_free(&before);
		before = now;
	}
	stat_free(&before);
	if (round == 0)
		explain(r, &now);
	return round ? STATUS_OK : STATUS_NO;
}

static int once(const struct request *r)
{
	struct stat_samples now;
	int ret = stat_find(r->pids, r->n, &now), status = STATUS_OK;

	if (ret < 0) {
		cmd_complain("%s", strerror(-ret));
		status = STATUS_NO;
	} else if (now.count == 0 || now.count < r->n) {
		explain(r, &now);
		status = STATUS_NO;
	}
	print_all(&now, NULL);
	stat_free(&now);
	return status;
}

int cmd_stat(int argc, char **argv)
{
	struct request r = { 0 };
	bool done = false;
	int status = parse_options(argc, argv, &r, &done);

	if (status == STATUS_OK && !done)
		status = parse_pids(argc - optind, argv + optind, &r);
	if (status == STATUS_OK && !done)
		status = r.interval > 0 ? watch(&r) : once(&r);
	free(r.pids);
	return status;
}
