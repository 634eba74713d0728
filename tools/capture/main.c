/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * main.c - kbaccel-capture, which `kbaccel capture` starts: what accelerated processes receive and send past the kernel, where no
 * packet socket sees it. Writes pcapng, or lets tcpdump print it. A program of its own since nothing else needs libpcap, which
 * compiles filters.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <pcap/pcap.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "tools/capture/capture.h"

#define MAX_PIDS 64
#define MAX_FRAME 4096
#define NAP_NS 2000000
#define LOOK_NS (NSEC_PER_SEC / 2) /* for new processes */
#define FIRST_NS (3 * NSEC_PER_SEC)

static const char usage[] =
	"Usage: kbaccel capture [-w FILE] [-c COUNT] [-s BYTES] [-p PID]... [-i IFNAME] [FILTER]\n"
	"Shows the datagrams that accelerated processes receive and send past the kernel: tcpdump on the\n"
	"interface does not see them. What goes through the kernel is not shown here.\n"
	"\n"
	"  -w, --write FILE    write a pcapng file, for tcpdump -r and Wireshark; - is standard output.\n"
	"                      Without it, tcpdump prints what comes\n"
	"  -c, --count COUNT   end after so many\n"
	"  -s, --snaplen BYTES of each frame; default, and most: 4096\n"
	"  -b, --buffer COUNT  frames that may wait for us in each process, a power of two (default 4096)\n"
	"  -p, --pid PID       of this process; may be given several times. Default: of all that may be looked into\n"
	"  -i, --interface IF  of this interface\n"
	"  -h, --help\n"
	"\n"
	"FILTER is as for tcpdump: see pcap-filter(7).\n";

struct options {
	const char *file, *ifname;
	uint64_t count;
	uint32_t snaplen, slots;
	pid_t pid[MAX_PIDS];
	size_t pids;
	struct bpf_program filter;
	bool filtered;
};

static volatile sig_atomic_t ended;

static void on_signal(int number)
{
	(void)number;
	ended = 1;
}

__attribute__((format(printf, 1, 2))) static int complain(const char *format, ...)
{
	va_list ap;

	fputs("kbaccel capture: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	return EXIT_FAILURE;
}

/* ---- options ---- */

static bool number(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 10);
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *value >= min &&
	       *value <= max;
}

static bool take_number(struct options *o, int c, const char *text)
{
	uint64_t value;

	switch (c) {
	case 'c':
		return number(text, 1, UINT64_MAX, &o->count);
	case 's':
		if (!number(text, 14, MAX_FRAME, &value))
			return false;
		o->snaplen = (uint32_t)value;
		return true;
	case 'b':
		if (!number(text, 16, CAPTURE_MAX_SLOTS, &value) || (value & (value - 1)))
			return false;
		o->slots = (uint32_t)value;
		return true;
	default:
		if (o->pids == MAX_PIDS || !number(text, 1, INT32_MAX, &value))
			return false;
		o->pid[o->pids++] = (pid_t)value;
		return true;
	}
}

static bool compile(struct options *o, char **words, int n)
{
	char text[4096] = "";
	size_t len = 0;
	pcap_t *dead = pcap_open_dead(DLT_EN10MB, MAX_FRAME);
	bool good = dead != NULL;

	for (int i = 0; i < n && len < sizeof(text); i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i ? " " : "",
					words[i]);
	if (good && pcap_compile(dead, &o->filter, text, 1, PCAP_NETMASK_UNKNOWN) < 0) {
		complain("filter: %s", pcap_geterr(dead));
		good = false;
	}
	if (dead)
		pcap_close(dead);
	o->filtered = good;
	return good;
}

/* -1: go on; else the exit status. */
static int read_options(struct options *o, int argc, char **argv)
{
	static const struct option names[] = { { "write", required_argument, NULL, 'w' },
					       { "count", required_argument, NULL, 'c' },
					       { "snaplen", required_argument, NULL, 's' },
					       { "buffer", required_argument, NULL, 'b' },
					       { "pid", required_argument, NULL, 'p' },
					       { "interface", required_argument, NULL, 'i' },
					       { "help", no_argument, NULL, 'h' },
					       { 0 } };
	int c;

	while ((c = getopt_long(argc, argv, "w:c:s:b:p:i:h", names, NULL)) != -1) {
		if (c == 'h') {
			fputs(usage, stdout);
			return EXIT_SUCCESS;
		}
		if (c == 'w') {
			o->file = optarg;
		} else if (c == 'i') {
			o->ifname = optarg;
		} else if (c == '?' || !take_number(o, c, optarg)) {
			if (c != '?')
				complain("-%c %s: not a number that it can be", c, optarg);
			fputs("Try `kbaccel capture --help`.\n", stderr);
			return 2;
		}
	}
	return optind < argc && !compile(o, argv + optind, argc - optind) ? 2 : -1;
}

/* ---- where it goes ---- */

/* tcpdump at the other end of a pipe; its process in @pid. */
static FILE *start_tcpdump(pid_t *pid)
{
	int ends[2];

	if (pipe(ends) < 0)
		return NULL;
	*pid = fork();
	if (*pid == 0) {
		signal(SIGINT, SIG_IGN); /* it ends with us, after the last one */
		dup2(ends[0], STDIN_FILENO);
		close(ends[0]);
		close(ends[1]);
		execlp("tcpdump", "tcpdump", "-n", "-l", "-r", "-", (char *)NULL);
		complain("tcpdump: %s: apt install tcpdump, or use -w FILE", strerror(errno));
		_exit(127);
	}
	close(ends[0]);
	return *pid < 0 ? NULL : fdopen(ends[1], "w");
}

static FILE *open_output(const struct options *o, pid_t *tcpdump)
{
	if (!o->file)
		return start_tcpdump(tcpdump);
	return strcmp(o->file, "-") == 0 ? stdout : fopen(o->file, "we");
}

static bool is_wanted(const struct options *o, const struct capture_slot *slot, uint32_t kept)
{
	struct pcap_pkthdr head = { .caplen = kept, .len = slot->len };

	if (o->ifname && strncmp(o->ifname, slot->ifname, IF_NAMESIZE) != 0)
		return false;
	return !o->filtered || pcap_offline_filter(&o->filter, &head, slot->data);
}

/* ---- the loop ---- */

static bool is_enough(const struct options *o, uint64_t taken)
{
	return o->count && taken >= o->count;
}

/*
 * All that waits, also when we have been told to end: that came before. As many as the rings hold, since one that is flooded would
 * go on for ever. False: it can not be written.
 */
static bool take_all(const struct options *o, struct sources *s, FILE *out, uint64_t *taken)
{
	uint64_t left = (uint64_t)s->slots * s->count;
	struct capture_slot *slot;
	struct source *from;
	uint32_t room = s->slot_size - (uint32_t)sizeof(*slot), kept;
	bool good = true;

	while (good && left-- && !is_enough(o, *taken) && (slot = sources_next(s, &from))) {
		kept = slot->kept < room ? slot->kept : room;
		if (is_wanted(o, slot, kept)) {
			good = pcapng_frame(out, from, slot, kept < o->snaplen ? kept : o->snaplen);
			++*taken;
		}
		source_done(from);
	}
	return good && fflush(out) == 0;
}

static void tell_beginning(const struct sources *s)
{
	fprintf(stderr, "kbaccel capture: %u process%s; ^C ends it\n", s->count,
		s->count == 1 ? "" : "es");
}

static int why_none(const struct sources *s)
{
	if (s->busy)
		return complain("another capture of the same process is under way");
	if (s->denied)
		return complain("no accelerated process that may be looked into: try as root");
	return complain("no accelerated process: `kbaccel stat` lists them");
}

static bool all_attached(const struct sources *s)
{
	for (unsigned i = 0; i < s->count; i++)
		if (!s->list[i].attached)
			return false;
	return true;
}

static void warn_unattached(const struct sources *s)
{
	for (unsigned i = 0; i < s->count; i++)
		if (!s->list[i].attached)
			fprintf(stderr,
				"kbaccel capture: process %d gives nothing: it does nothing at the moment, or its seccomp "
				"filter forbids it\n",
				(int)s->list[i].pid);
}

static int run(struct options *o, struct sources *s, FILE *out)
{
	const struct timespec nap = { 0, NAP_NS };
	uint64_t taken = 0, look = 0, warn = clock_ns() + FIRST_NS, lost = 0;
	bool good = pcapng_begin(out) && fflush(out) == 0, told = false;

	while (good && !ended && !is_enough(o, taken)) {
		if (clock_ns() >= look) {
			sources_find(s, o->pid, o->pids);
			look = clock_ns() + LOOK_NS;
		}
		sources_renew(s);
		good = take_all(o, s, out, &taken);
		if (!told && all_attached(s)) {
			tell_beginning(s);
			told = true;
		}
		if (!told && clock_ns() > warn) {
			warn_unattached(s);
			told = true;
		}
		if (!sources_alive(s))
			break;
		nanosleep(&nap, NULL);
	}
	good = good && take_all(o, s, out, &taken);
	sources_renew(s);
	for (unsigned i = 0; i < s->count; i++) {
		lost += s->list[i].lost;
		good = good && pcapng_lost(out, &s->list[i]);
	}
	sources_close(s);
	fprintf(stderr, "kbaccel capture: %llu frames%s", (unsigned long long)taken,
		lost ? "" : "\n");
	if (lost)
		fprintf(stderr,
			", %llu lost: larger --buffer, or a FILTER does not help, since it is applied here\n",
			(unsigned long long)lost);
	return good || errno == EPIPE
		       ? EXIT_SUCCESS
		       : complain("%s: %s", o->file ? o->file : "tcpdump", strerror(errno));
}

int main(int argc, char **argv)
{
	static struct options o = { .snaplen = MAX_FRAME, .slots = 4096 };
	static struct sources s;
	struct sigaction sa = { .sa_handler = on_signal };
	int status = read_options(&o, argc, argv);
	pid_t tcpdump = 0;
	FILE *out;

	if (status >= 0)
		return status;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	s.slots = o.slots;
	s.slot_size = (uint32_t)((sizeof(struct capture_slot) +
				  (o.snaplen < MAX_FRAME ? 256u > o.snaplen ? 256u : o.snaplen
							 : MAX_FRAME) +
				  7) &
				 ~7u);
	if (!sources_find(&s, o.pid, o.pids))
		return why_none(&s);
	out = open_output(&o, &tcpdump);
	if (!out) {
		status = complain("%s: %s", o.file ? o.file : "tcpdump", strerror(errno));
		sources_close(&s);
		return status;
	}
	status = run(&o, &s, out);
	if (fclose(out) != 0 && status == EXIT_SUCCESS && errno != EPIPE)
		status = complain("%s", strerror(errno));
	if (tcpdump > 0)
		waitpid(tcpdump, NULL, 0);
	return status;
}
