/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * accel_server.c - a plain UDP server for the accel_*.sh tests: echoes, tells on stdout what it got, and does on the way
 * from bind() to serving what servers do (fork, setuid, chroot, seccomp, closing descriptors).
 *
 *   accel_server [options] PORT [STEP...]
 *     -6 IPv6 only, -d dual stack      -b ADDRESS     -r BYTES   SO_RCVBUF      -s        sink: no replies
 *     -w block|poll|select|epoll|busy  how it waits   -q         no line for each datagram
 *     -n COUNT  exits after so many    -S   SO_REUSEPORT   -R SO_REUSEADDR
 *     -e STEP   a step before bind()
 *     -u MICROSECONDS pause after each datagram      -P  takes notice of numbered datagrams only
 *     -x PORT   one more socket, which is looked at once and never read
 *     -W COUNT  as many sockets, and a process for each; all of them have all open. The number of the process ends the lines
 *   STEP: daemon fork workers=N respawn nobody powerless vfork chroot=DIR seccomp strict narrow probe transparent alarm alarm-restart
 *     closefrom closeall pause=MS
 *
 * A datagram "CP" with a 32-bit number in it makes it compute for so many milliseconds, without any call.
 * Prints "bound PORT", "serving", for each datagram "got NUMBER LENGTH ok|BAD FROM [PROCESS]", at SIGTERM "total N bad N".
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "accel_common.h"

#define MAX_WORKERS 8

static uint8_t buf[KB_MAX];
static struct sockaddr_storage from;
static socklen_t fromlen;
static volatile sig_atomic_t ended;
static bool sink, quiet, picky;
static const char *wait_how = "block";
static unsigned long total, bad, limit;
static long pause_us;
static int fd = -1, epfd = -1;
static int workers = 1, worker;

/* One write() and no other call: stdio's would not pass step_seccomp(). */
__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
	char line[200];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	if (write(1, line, (size_t)n) != n && errno == EPIPE)
		ended = 1;
}

static void on_term(int sig)
{
	(void)sig;
	ended = 1;
}

static void step_daemon(int times)
{
	for (; times > 0; times--) {
		pid_t pid = fork();

		if (pid < 0)
			kb_die("fork: %s", strerror(errno));
		if (pid > 0)
			_exit(0);
		setsid();
	}
}

/* All of them serve, and this process, too. */
static void step_workers(int count)
{
	while (count-- > 0) {
		pid_t pid = fork();

		if (pid < 0)
			kb_die("fork: %s", strerror(errno));
		if (pid == 0)
			return;
	}
}

/* A child serves; when it dies, the next one. */
static void step_respawn(void)
{
	pid_t pid;

	while ((pid = fork()) > 0)
		waitpid(pid, NULL, 0);
}

static void step_nobody(void)
{
	if (setgroups(0, NULL) < 0 || setresgid(65534, 65534, 65534) < 0 ||
	    setresuid(65534, 65534, 65534) < 0)
		kb_die("setuid: %s", strerror(errno));
}

/* In no header of libc. */
int capset(struct __user_cap_header_struct *header, const struct __user_cap_data_struct *data);

/* As BIND does before it binds: still root, but for what matters. */
static void step_powerless(void)
{
	uint32_t left = 1 << CAP_NET_BIND_SERVICE | 1 << CAP_SETUID | 1 << CAP_SETGID;
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ .effective = left, .permitted = left },
	};

	if (capset(&header, data) < 0)
		kb_die("capset: %s", strerror(errno));
}

/* A child with this memory drops root, as on the way to another program. */
static void step_vfork(void)
{
	pid_t pid = vfork();

	if (pid == 0)
		_exit(setresuid(65534, 65534, 65534) < 0);
	waitpid(pid, NULL, 0);
}

/* A filter that lets @allowed through, ends with 0, and kills for anything else. */
static void confine(const int *allowed)
{
	struct sock_filter code[128];
	struct sock_fprog prog = { .filter = code };
	unsigned n = 0;

	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						 offsetof(struct seccomp_data, nr));
	for (; *allowed >= 0; allowed++) {
		code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
							 (uint32_t)*allowed, 0, 1);
		code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	}
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	prog.len = (unsigned short)n;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0) < 0)
		kb_die("seccomp: %s", strerror(errno));
}

/* As servers do that know their libraries: what may come up while they serve. */
static void step_seccomp(void)
{
	static const int allowed[] = {
		SYS_read,
		SYS_write,
		SYS_close,
		SYS_poll,
		SYS_ppoll,
		SYS_select,
		SYS_pselect6,
		SYS_epoll_wait,
		SYS_epoll_pwait,
		SYS_epoll_pwait2,
		SYS_epoll_ctl,
		SYS_sendto,
		SYS_recvfrom,
		SYS_recvmsg,
		SYS_sendmsg,
		SYS_recvmmsg,
		SYS_sendmmsg,
		SYS_futex,
		SYS_exit,
		SYS_exit_group,
		SYS_rt_sigreturn,
		SYS_rt_sigprocmask,
		SYS_fcntl,
		SYS_getsockopt,
		SYS_clock_gettime,
		SYS_nanosleep,
		SYS_clock_nanosleep,
		SYS_restart_syscall,
		SYS_mmap,
		SYS_munmap,
		-1,
	};

	confine(allowed);
}

/* What the library cannot do without (R7), and of this program's own calls those that it makes. */
static void step_strict(void)
{
	static const int allowed[] = {
		SYS_ppoll, SYS_sendto,	   SYS_recvfrom, SYS_recvmsg,	    SYS_sendmsg,
		SYS_read,  SYS_write,	   SYS_futex,	 SYS_exit_group,    SYS_rt_sigreturn,
		SYS_poll,  SYS_epoll_wait, SYS_pselect6, SYS_clock_gettime, -1,
	};

	confine(allowed);
}

/* This program's own calls only. */
static void step_narrow(void)
{
	static const int allowed[] = { SYS_sendto,     SYS_recvfrom,	 SYS_write,
				       SYS_exit_group, SYS_rt_sigreturn, -1 };

	confine(allowed);
}

/* As libseccomp finds out what the kernel knows; and a filter that the kernel refuses. */
static void step_probe(void)
{
	struct sock_filter jump = BPF_STMT(BPF_JMP | BPF_JA, 9);
	struct sock_fprog prog = { .len = 1, .filter = &jump }, none = { .len = 0, .filter = NULL };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		kb_die("no_new_privs: %s", strerror(errno));
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, NULL) >= 0 || errno != EINVAL ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL) >= 0 || errno != EFAULT ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &none) >= 0 || errno != EINVAL ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) >= 0 || errno != EINVAL ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0) >= 0 || errno != EINVAL ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, 8, 0, 0) >= 0 || errno != EFAULT)
		kb_die("seccomp: %s", strerror(errno));
}

/* Something that only the kernel can honour. */
static void step_transparent(void)
{
	int on = 1;

	if (setsockopt(fd, SOL_IP, IP_TRANSPARENT, &on, sizeof(on)) < 0)
		kb_die("IP_TRANSPARENT: %s", strerror(errno));
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* Signals all the time. */
static void step_alarm(int flags)
{
	struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = flags };
	struct itimerval often = { { 0, 3000 }, { 0, 3000 } };

	sigaction(SIGALRM, &sa, NULL);
	/* SIGTERM's would be the one that does not restart. */
	sa.sa_handler = on_term;
	sigaction(SIGTERM, &sa, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
}

/* As old daemons do it; its own socket stays open. */
static void step_closeall(void)
{
	struct rlimit lim;

	getrlimit(RLIMIT_NOFILE, &lim);
	for (int i = 3; i < (int)lim.rlim_cur; i++)
		if (i != fd && i != epfd)
			close(i);
}

static void step_compute(long ms)
{
	int64_t end = kb_now_us() + ms * 1000;

	while (kb_now_us() < end)
		;
}

static void step(const char *name)
{
	if (strcmp(name, "daemon") == 0)
		step_daemon(2);
	else if (strcmp(name, "fork") == 0)
		step_daemon(1);
	else if (strncmp(name, "workers=", 8) == 0)
		step_workers(atoi(name + 8));
	else if (strcmp(name, "respawn") == 0)
		step_respawn();
	else if (strcmp(name, "nobody") == 0)
		step_nobody();
	else if (strcmp(name, "powerless") == 0)
		step_powerless();
	else if (strcmp(name, "vfork") == 0)
		step_vfork();
	else if (strncmp(name, "chroot=", 7) == 0 && (chroot(name + 7) < 0 || chdir("/") < 0))
		kb_die("chroot: %s", strerror(errno));
	else if (strcmp(name, "seccomp") == 0)
		step_seccomp();
	else if (strcmp(name, "strict") == 0)
		step_strict();
	else if (strcmp(name, "narrow") == 0)
		step_narrow();
	else if (strcmp(name, "probe") == 0)
		step_probe();
	else if (strcmp(name, "transparent") == 0)
		step_transparent();
	else if (strcmp(name, "alarm") == 0 || strcmp(name, "alarm-restart") == 0)
		step_alarm(name[5] ? SA_RESTART : 0);
	else if (strcmp(name, "closefrom") == 0)
		closefrom(fd + 1);
	else if (strcmp(name, "closeall") == 0)
		step_closeall();
	else if (strncmp(name, "pause=", 6) == 0)
		kb_pause_us(atol(name + 6) * 1000);
	else if (strncmp(name, "chroot=", 7) != 0)
		kb_die("no step %s", name);
}

static void serve_request(const struct kb_request *rq)
{
	static uint8_t out[KB_MAX];
	struct sockaddr_storage to = from;

	if (to.ss_family == AF_INET)
		((struct sockaddr_in *)&to)->sin_port = htons(rq->port);
	else
		((struct sockaddr_in6 *)&to)->sin6_port = htons(rq->port);
	for (uint32_t i = 0; i < rq->count; i++) {
		kb_fill(out, rq->size, rq->first + i);
		sendto(fd, out, rq->size, 0, (struct sockaddr *)&to, fromlen);
		if (rq->gap_us)
			kb_pause_us(rq->gap_us);
	}
}

static void tell(size_t len, bool ok, uint32_t seq)
{
	char host[64] = "?", number[16] = "";

	if (from.ss_family == AF_INET)
		inet_ntop(AF_INET, &((struct sockaddr_in *)&from)->sin_addr, host, sizeof(host));
	else
		inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&from)->sin6_addr, host, sizeof(host));
	if (workers > 1)
		snprintf(number, sizeof(number), " %d", worker);
	say("got %u %zu %s %s%s\n", seq, len, ok ? "ok" : "BAD", host, number);
}

static void got(size_t len)
{
	uint32_t seq = 0;
	bool ok;

	if (len == sizeof(struct kb_request) && memcmp(buf, "RQ", 2) == 0) {
		serve_request((const struct kb_request *)buf);
		return;
	}
	if (len == 6 && memcmp(buf, "CP", 2) == 0) {
		memcpy(&seq, buf + 2, sizeof(seq));
		step_compute(seq);
		return;
	}
	ok = len < KB_HEAD || kb_check(buf, len, &seq);
	if (picky && (!ok || len < KB_HEAD))
		return;
	total++;
	bad += !ok;
	if (!quiet)
		tell(len, ok, seq);
	if (!sink && sendto(fd, buf, len, 0, (struct sockaddr *)&from, fromlen) < 0 && !quiet)
		say("# sendto: %s\n", strerror(errno));
	if (pause_us)
		kb_pause_us(pause_us);
}

/* True when a receive may be tried. */
static bool wait_one(void)
{
	struct epoll_event ev;
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	fd_set set;

	if (strcmp(wait_how, "poll") == 0)
		return poll(&pfd, 1, -1) > 0;
	if (strcmp(wait_how, "epoll") == 0)
		return epoll_wait(epfd, &ev, 1, -1) > 0;
	if (strcmp(wait_how, "select") == 0) {
		FD_ZERO(&set);
		FD_SET(fd, &set);
		return select(fd + 1, &set, NULL, NULL, NULL) > 0;
	}
	return true;
}

static void serve(void)
{
	int flags = strcmp(wait_how, "block") == 0 ? 0 : MSG_DONTWAIT;
	ssize_t n;

	while (!ended && (!limit || total < limit)) {
		if (!wait_one())
			continue;
		fromlen = sizeof(from);
		n = recvfrom(fd, buf, sizeof(buf), flags, (struct sockaddr *)&from, &fromlen);
		if (n >= 0)
			got((size_t)n);
		else if (errno != EAGAIN && errno != EINTR)
			say("# recvfrom: %s\n", strerror(errno));
	}
}

static void open_socket(int family, bool dual, int reuse, int rcvbuf, const char *address, int port)
{
	struct sockaddr_storage ss;
	int only = !dual, on = 1;
	socklen_t len;

	fd = socket(family, SOCK_DGRAM, 0);
	if (fd < 0)
		kb_die("socket: %s", strerror(errno));
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
	if (reuse)
		setsockopt(fd, SOL_SOCKET, reuse, &on, sizeof(on));
	if (rcvbuf)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf));
	len = kb_addr(address ? address : family == AF_INET6 ? "::" : "0.0.0.0", port, &ss);
	if (bind(fd, (struct sockaddr *)&ss, len) < 0)
		kb_die("bind: %s", strerror(errno));
	len = sizeof(ss);
	getsockname(fd, (struct sockaddr *)&ss, &len);
	say("bound %d fd %d\n", ntohs(((struct sockaddr_in *)&ss)->sin_port), fd);
}

/* Like a prefork server. The parent is the last one, and the others end with it. */
static void fork_workers(const int *sockets)
{
	while (worker < workers - 1 && fork() > 0)
		worker++;
	if (worker < workers - 1)
		prctl(PR_SET_PDEATHSIG, SIGTERM);
	fd = sockets[worker];
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_term };
	struct epoll_event ev = { .events = EPOLLIN };
	bool dual = false;
	int family = AF_INET, reuse = 0, rcvbuf = 0, unread = 0, c;
	const char *address = NULL;
	int sockets[MAX_WORKERS];

	while ((c = getopt(argc, argv, "6db:e:r:sw:qn:SRu:Px:W:")) != -1)
		switch (c) {
		case '6':
			family = AF_INET6;
			break;
		case 'd':
			family = AF_INET6, dual = true;
			break;
		case 'b':
			address = optarg;
			break;
		case 'r':
			rcvbuf = atoi(optarg);
			break;
		case 's':
			sink = true;
			break;
		case 'w':
			wait_how = optarg;
			break;
		case 'q':
			quiet = true;
			break;
		case 'n':
			limit = strtoul(optarg, NULL, 10);
			break;
		case 'S':
			reuse = SO_REUSEPORT;
			break;
		case 'R':
			reuse = SO_REUSEADDR;
			break;
		case 'x':
			unread = atoi(optarg);
			break;
		case 'P':
			picky = true;
			break;
		case 'W':
			workers = atoi(optarg);
			break;
		case 'e':
			step(optarg);
			break;
		case 'u':
			pause_us = atol(optarg);
			break;
		default:
			kb_die("usage: accel_server [options] PORT [STEP...]");
		}
	if (optind >= argc || workers < 1 || workers > MAX_WORKERS)
		kb_die("no port, or too many processes");
	sigaction(SIGTERM, &sa, NULL);
	for (int i = 0; i < workers; i++) {
		open_socket(family, dual, reuse, rcvbuf, address, atoi(argv[optind]));
		sockets[i] = fd;
	}
	fork_workers(sockets);
	if (strcmp(wait_how, "epoll") == 0) {
		epfd = epoll_create1(0);
		epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev);
	}
	for (int i = optind + 1; i < argc; i++)
		step(argv[i]);
	if (unread)
		poll(&(struct pollfd){ kb_socket4(NULL, unread, false), POLLIN, 0 }, 1, 0);
	say("serving\n");
	serve();
	say("total %lu bad %lu\n", total, bad);
	return 0;
}
