/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * accel_fork.c - a bound socket across fork() (rule R8): exactly one process drives the queues, no datagram is lost or doubled.
 *
 *   accel_fork PEER PEERPORT SCENARIO     prints its cases; "fast" cases only with EXPECT_FAST=1 in the environment
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "accel_common.h"

#define PORT 5320
#define N 100

static const char *peer;
static int peer_port;
static bool expect_fast;

/* How often each number came, and to how many processes anything; in memory that all of them share. */
static struct shared {
	unsigned got[4096];
	unsigned by[8];
	pid_t orphan;
} * shared;

static long kernel_received(void)
{
	FILE *f = fopen("/proc/net/snmp", "r");
	char line[512];
	long n = -1;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Udp: %ld", &n) == 1)
			break;
	if (f)
		fclose(f);
	return n;
}

/* Receives until @idle_ms pass without anything, as process @who. (SO_RCVTIMEO would be shared by all of them.) */
static void receive(int fd, int who, int idle_ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint8_t buf[2048];
	uint32_t seq;
	ssize_t n;

	while (poll(&pfd, 1, idle_ms) > 0) {
		n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n < 0 || !kb_check(buf, (size_t)n, &seq) || seq >= 4096)
			continue;
		__atomic_add_fetch(&shared->got[seq], 1, __ATOMIC_RELAXED);
		__atomic_add_fetch(&shared->by[who], 1, __ATOMIC_RELAXED);
	}
}

static void ask(uint32_t first, uint32_t count)
{
	int ctl = kb_control(peer, peer_port);

	kb_ask(ctl, PORT, first, count, 64, 2000);
	close(ctl);
}

static unsigned once(unsigned first, unsigned count)
{
	unsigned n = 0;

	for (unsigned i = first; i < first + count; i++)
		n += shared->got[i] == 1;
	return n;
}

static unsigned doubled(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < 4096; i++)
		n += shared->got[i] > 1;
	return n;
}

static void fast_case(const char *name, long before)
{
	long through = kernel_received() - before;

	if (!expect_fast)
		return;
	if (through)
		printf("# %ld datagrams through the kernel\n", through);
	/* What comes between a fork and the next receive is the kernel's. */
	kb_case(through <= 3, "%s: past the kernel", name);
}

static pid_t start(void (*fn)(int), int fd)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		kb_die("fork");
	if (pid == 0) {
		fn(fd);
		fflush(stdout);
		_exit(0);
	}
	return pid;
}

static void serve_400(int fd)
{
	receive(fd, 1, 400);
}

static void sleep_a_second(int fd)
{
	(void)fd;
	kb_pause_us(1000000);
}

static void child_serves(void)
{
	int fd = kb_socket4(NULL, PORT, false);
	pid_t pid = start(serve_400, fd);
	long before;

	kb_pause_us(100000);
	before = kernel_received();
	ask(0, N);
	waitpid(pid, NULL, 0);
	kb_equal("the child serves: all once", N, once(0, N));
	fast_case("the child serves", before);
	/* The child has ended: the parent takes over. */
	start(sleep_a_second, fd);
	ask(1000, N);
	receive(fd, 0, 400);
	kb_equal("then the parent serves: all once", N, once(1000, N));
}

static void parent_serves(void)
{
	int fd = kb_socket4(NULL, PORT, false);
	pid_t pid;
	long before;

	ask(0, N);
	receive(fd, 0, 200);
	pid = start(sleep_a_second, fd);
	before = kernel_received();
	ask(1000, N);
	receive(fd, 0, 400);
	kb_equal("the parent serves, a child idles: all once", N, once(1000, N));
	fast_case("the parent serves, a child idles", before);
	waitpid(pid, NULL, 0);
	before = kernel_received();
	ask(2000, N);
	receive(fd, 0, 400);
	kb_equal("the child is gone: all once", N, once(2000, N));
	fast_case("the child is gone", before);
}

/* Like a prefork server: many wait on one socket; who gets a datagram is open, but one does. */
static void all_serve(void)
{
	int fd = kb_socket4(NULL, PORT, false);
	pid_t pids[3];

	for (int i = 0; i < 3; i++)
		pids[i] = start(serve_400, fd);
	kb_pause_us(50000);
	ask(0, 2 * N);
	receive(fd, 0, 600);
	for (int i = 0; i < 3; i++)
		waitpid(pids[i], NULL, 0);
	kb_equal("parent and three children serve: all once", 2 * N, once(0, 2 * N));
	kb_equal("parent and three children serve: none twice", 0, doubled());
}

static void serve_long(int fd)
{
	receive(fd, 1, 3000);
}

/* The driver closes its descriptor and lives on without a call: the child gets what comes, at the latest when the lease has run out. */
static void driver_closes(void)
{
	int fd = kb_socket4(NULL, PORT, false);
	pid_t pid;

	ask(0, N);
	receive(fd, 0, 200);
	pid = start(serve_long, fd);
	ask(1000, 1);
	receive(fd, 0, 200);
	close(fd);
	kb_pause_us(1500000);
	ask(2000, N);
	kb_pause_us(500000);
	kb_equal("the driver closed its socket: the child gets all", N, once(2000, N));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* The driver dies: its descriptors live on in the child. */
static void driver(int fd)
{
	ask(0, N);
	receive(fd, 0, 200);
	shared->orphan = start(serve_long, fd);
	ask(1000, N);
	receive(fd, 0, 300);
	raise(SIGKILL);
}

static void driver_dies(void)
{
	int fd = kb_socket4(NULL, PORT, false), status;
	pid_t pid = start(driver, fd);

	close(fd);
	waitpid(pid, &status, 0);
	kb_case(WIFSIGNALED(status), "the driver is killed");
	kb_equal("before that each got its own, all once", N, once(1000, N));
	kb_pause_us(1500000);
	ask(2000, N);
	kb_pause_us(600000);
	kb_equal("the driver died: the child gets all", N, once(2000, N));
	kb_equal("the driver died: none twice", 0, doubled());
	kill(shared->orphan, SIGKILL);
}

static void child_execs(void)
{
	int fd = kb_socket4(NULL, PORT, false);
	long before;
	pid_t pid;

	ask(0, N);
	receive(fd, 0, 200);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		/* It may see the socket and what it inherited otherwise; anything of the library's is close-on-exec. */
		execl("/bin/sh", "sh", "-c",
		      "n=$(ls -l /proc/$$/fd | grep -cE 'bpf|eventfd|memfd|XDP|kbaccel'); [ $n = 0 ] || "
		      "{ ls -l /proc/$$/fd >&2; exit 1; }; sleep 0.7",
		      NULL);
		_exit(127);
	}
	before = kernel_received();
	ask(1000, N);
	receive(fd, 0, 400);
	kb_equal("a child execs: the parent goes on, all once", N, once(1000, N));
	fast_case("a child execs", before);
	int status = -1;

	waitpid(pid, &status, 0);
	kb_equal("a child execs: no descriptor of the library in it", 0, status);
	for (int i = 0; i < 20; i++)
		if (system("true") != 0)
			kb_case(false, "system() %d", i);
	before = kernel_received();
	ask(2000, N);
	receive(fd, 0, 400);
	kb_equal("after twenty system(): all once", N, once(2000, N));
	fast_case("after twenty system()", before);
}

/* A forked child with sockets of its own: another port, while the parent drives. */
static void own_socket(int parents)
{
	int fd = kb_socket4(NULL, PORT + 1, false), ctl = kb_control(peer, peer_port);

	close(parents);
	kb_ask(ctl, PORT + 1, 3000, N, 64, 1000);
	receive(fd, 1, 500);
}

static void child_binds(void)
{
	int fd = kb_socket4(NULL, PORT, false);
	pid_t pid;

	ask(0, N);
	receive(fd, 0, 200);
	pid = start(own_socket, fd);
	ask(1000, N);
	receive(fd, 0, 500);
	waitpid(pid, NULL, 0);
	kb_equal("a child binds another port: it gets all", N, once(3000, N));
	kb_equal("a child binds another port: so does the parent", N, once(1000, N));
}

static const struct {
	const char *name;
	void (*run)(void);
} scenarios[] = {
	{ "child-serves", child_serves }, { "parent-serves", parent_serves },
	{ "all-serve", all_serve },	  { "driver-closes", driver_closes },
	{ "driver-dies", driver_dies },	  { "child-execs", child_execs },
	{ "child-binds", child_binds },
};

int main(int argc, char **argv)
{
	if (argc != 4)
		kb_die("usage: accel_fork PEER PEERPORT SCENARIO");
	setvbuf(stdout, NULL, _IOLBF, 0);
	peer = argv[1];
	peer_port = atoi(argv[2]);
	expect_fast = getenv("EXPECT_FAST") != NULL;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++)
		if (strcmp(scenarios[i].name, argv[3]) == 0) {
			scenarios[i].run();
			return 0;
		}
	kb_die("no scenario %s", argv[3]);
}
