/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * accel_threads.c - several threads of one program: sockets of their own, one shared, readers and writers, several epoll
 * sets with one socket, close() in another thread. At a low rate every count must be exact.
 *
 *   accel_threads PEER PEERPORT SCENARIO
 *   accel_threads - PORT reuseport          a server of four threads; says at SIGTERM what each of them got
 *   accel_threads - PORT one-shot           one of four threads on one set; says at SIGTERM whether two ever had the same socket
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>

#include "accel_common.h"

#define PORT 5330
#define THREADS 4
#define N 200

static const char *peer;
static int peer_port, shared_fd;
static unsigned got[8192];
static volatile bool over;

static bool note_number(const uint8_t *buf, ssize_t n)
{
	uint32_t seq;

	if (n < 0 || !kb_check(buf, (size_t)n, &seq) || seq >= 8192)
		return false;
	__atomic_add_fetch(&got[seq], 1, __ATOMIC_RELAXED);
	return true;
}

static unsigned once(unsigned first, unsigned count)
{
	unsigned n = 0;

	for (unsigned i = first; i < first + count; i++)
		n += got[i] == 1;
	return n;
}

static void timeout_of(int fd, int ms)
{
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
}

static pthread_t start(void *(*fn)(void *), void *arg)
{
	pthread_t t;

	if (pthread_create(&t, NULL, fn, arg))
		kb_die("pthread_create");
	return t;
}

/* ---- four threads, each with a socket on the same port ---- */

struct worker {
	int fd;
	unsigned got;
	uint8_t ports[65536]; /* by which clients' ports */
};

static struct worker workers[THREADS];

static void *echo(void *arg)
{
	struct worker *w = arg;
	struct sockaddr_in from;
	socklen_t len;
	uint8_t buf[2048];
	ssize_t n;

	while (!over) {
		len = sizeof(from);
		n = recvfrom(w->fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len);
		if (n < 0)
			continue;
		w->got++;
		w->ports[ntohs(from.sin_port)] = 1;
		sendto(w->fd, buf, (size_t)n, 0, (struct sockaddr *)&from, len);
	}
	return NULL;
}

static void on_term(int sig)
{
	(void)sig;
	over = true;
}

static int reuseport(int port)
{
	struct sigaction sa = { .sa_handler = on_term };
	pthread_t t[THREADS];
	unsigned busy = 0, total = 0, shared = 0;

	sigaction(SIGTERM, &sa, NULL);
	for (int i = 0; i < THREADS; i++) {
		workers[i].fd = kb_socket4(NULL, port, true);
		timeout_of(workers[i].fd, 100);
	}
	for (int i = 0; i < THREADS; i++)
		t[i] = start(echo, &workers[i]);
	puts("serving");
	fflush(stdout);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(t[i], NULL);
		total += workers[i].got;
		busy += workers[i].got != 0;
	}
	for (unsigned p = 0; p < 65536; p++)
		shared += workers[0].ports[p] + workers[1].ports[p] + workers[2].ports[p] +
				  workers[3].ports[p] >
			  1;
	printf("total %u busy %u shared %u\n", total, busy, shared);
	return 0;
}

/* ---- four threads on one set, whose members are one-shot: who is told of a socket has it alone ---- */

#define SHOTS 4

static struct {
	int busy;
	unsigned got;
} shots[65536]; /* by descriptor */
static int shot_set;
static unsigned together;

static void *shoot(void *arg)
{
	struct sockaddr_in from;
	struct epoll_event ev;
	uint8_t buf[8192];
	socklen_t len;
	ssize_t n;

	(void)arg;
	while (!over) {
		if (epoll_wait(shot_set, &ev, 1, 100) != 1)
			continue;
		if (__atomic_exchange_n(&shots[ev.data.fd].busy, 1, __ATOMIC_SEQ_CST))
			__atomic_add_fetch(&together, 1, __ATOMIC_RELAXED);
		while (len = sizeof(from), (n = recvfrom(ev.data.fd, buf, sizeof(buf), MSG_DONTWAIT,
							 (struct sockaddr *)&from, &len)) >= 0) {
			__atomic_add_fetch(&shots[ev.data.fd].got, 1, __ATOMIC_RELAXED);
			sendto(ev.data.fd, buf, (size_t)n, 0, (struct sockaddr *)&from, len);
		}
		__atomic_store_n(&shots[ev.data.fd].busy, 0, __ATOMIC_SEQ_CST);
		ev.events = EPOLLIN | EPOLLONESHOT;
		epoll_ctl(shot_set, EPOLL_CTL_MOD, ev.data.fd, &ev);
	}
	return NULL;
}

static int one_shot(int port)
{
	struct sigaction sa = { .sa_handler = on_term };
	int big = 4 << 20, fd[SHOTS];
	pthread_t t[THREADS];
	unsigned total = 0;

	sigaction(SIGTERM, &sa, NULL);
	shot_set = epoll_create1(0);
	for (int i = 0; i < SHOTS; i++) {
		struct epoll_event ev = { .events = EPOLLIN | EPOLLONESHOT };

		ev.data.fd = fd[i] = kb_socket4(NULL, port + i, false);
		setsockopt(fd[i], SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof(big));
		epoll_ctl(shot_set, EPOLL_CTL_ADD, fd[i], &ev);
	}
	for (int i = 0; i < THREADS; i++)
		t[i] = start(shoot, NULL);
	puts("serving");
	fflush(stdout);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	for (int i = 0; i < SHOTS; i++)
		total += shots[fd[i]].got;
	printf("total %u together %u\n", total, together);
	return 0;
}

/* ---- several threads blocked on one socket ---- */

static void *read_shared(void *arg)
{
	uint8_t buf[2048];
	ssize_t n;
	unsigned *count = arg;

	while ((n = recv(shared_fd, buf, sizeof(buf), 0)) >= 0)
		*count += note_number(buf, n);
	return NULL;
}

static void *poll_shared(void *arg)
{
	struct pollfd pfd = { .fd = shared_fd, .events = POLLIN };
	uint8_t buf[2048];
	unsigned *count = arg;

	while (poll(&pfd, 1, 600) > 0)
		*count += note_number(buf, recv(shared_fd, buf, sizeof(buf), MSG_DONTWAIT));
	return NULL;
}

static void readers(const char *name, void *(*fn)(void *), int ctl)
{
	unsigned counts[THREADS] = { 0 }, busy = 0;
	pthread_t t[THREADS];

	memset(got, 0, sizeof(got));
	for (int i = 0; i < THREADS; i++)
		t[i] = start(fn, &counts[i]);
	kb_pause_us(50000);
	kb_ask(ctl, PORT, 0, N, 64, 1000);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(t[i], NULL);
		busy += counts[i] != 0;
	}
	kb_equal(name, N, once(0, N));
	dprintf(1, "# %s: %u of %d threads got some\n", name, busy, THREADS);
}

static void one_socket(void)
{
	int ctl = kb_control(peer, peer_port);

	shared_fd = kb_socket4(NULL, PORT, false);
	timeout_of(shared_fd, 600);
	readers("four threads blocked in recv() on one socket", read_shared, ctl);
	readers("four threads in poll() on one socket", poll_shared, ctl);
	close(shared_fd);
}

/* ---- one thread sends, another receives the echoes ---- */

static void *send_all(void *arg)
{
	struct sockaddr_storage ss;
	socklen_t len = kb_addr(peer, peer_port, &ss);
	uint8_t buf[64];

	(void)arg;
	for (uint32_t i = 0; i < 5 * N; i++) {
		kb_fill(buf, sizeof(buf), i);
		if (sendto(shared_fd, buf, sizeof(buf), 0, (struct sockaddr *)&ss, len) !=
		    (ssize_t)sizeof(buf))
			kb_case(false, "sendto %u: %s", i, strerror(errno));
		kb_pause_us(200);
	}
	return NULL;
}

static void reader_writer(void)
{
	unsigned count = 0;
	pthread_t r, w[2];

	shared_fd = kb_socket4(NULL, PORT, false);
	timeout_of(shared_fd, 600);
	r = start(read_shared, &count);
	kb_pause_us(20000);
	w[0] = start(send_all, NULL);
	pthread_join(w[0], NULL);
	pthread_join(r, NULL);
	kb_equal("a reader and a writer: every echo once", 5 * N, once(0, 5 * N));
	memset(got, 0, sizeof(got));
	count = 0;
	r = start(read_shared, &count);
	w[0] = start(send_all, NULL);
	w[1] = start(send_all, NULL);
	pthread_join(w[0], NULL);
	pthread_join(w[1], NULL);
	pthread_join(r, NULL);
	kb_equal("a reader and two writers: every echo", 10 * N, count);
	close(shared_fd);
}

/* ---- several epoll sets ---- */

static unsigned wakes[THREADS];

static void *own_set(void *arg)
{
	struct epoll_event ev = { .events = EPOLLIN }, out;
	unsigned id = (unsigned)(uintptr_t)arg;
	int ep = epoll_create1(0);
	uint8_t buf[2048];

	epoll_ctl(ep, EPOLL_CTL_ADD, shared_fd, &ev);
	while (epoll_wait(ep, &out, 1, 600) > 0) {
		wakes[id]++;
		while (note_number(buf, recv(shared_fd, buf, sizeof(buf), MSG_DONTWAIT)))
			;
	}
	close(ep);
	return NULL;
}

static void epoll_sets(void)
{
	int ctl = kb_control(peer, peer_port);
	unsigned woken = 0;
	pthread_t t[THREADS];

	shared_fd = kb_socket4(NULL, PORT, false);
	for (int i = 0; i < THREADS; i++)
		t[i] = start(own_set, (void *)(uintptr_t)i);
	kb_pause_us(50000);
	kb_ask(ctl, PORT, 0, N, 64, 3000);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(t[i], NULL);
		woken += wakes[i] != 0;
	}
	kb_equal("four epoll sets, one socket: every datagram once", N, once(0, N));
	/* A thread that is slow to start may find everything read: it happens on kernel sockets, too. */
	kb_equal("four epoll sets, one socket: more than one was woken", true, woken > 1);
	close(shared_fd);
}

/* Several threads wait on one set. */
static int common_set;

static void *common(void *arg)
{
	struct epoll_event out;
	uint8_t buf[2048];
	unsigned *count = arg;

	while (epoll_wait(common_set, &out, 1, 600) > 0)
		if (note_number(buf, recv(out.data.fd, buf, sizeof(buf), MSG_DONTWAIT)))
			++*count;
	return NULL;
}

static void one_set(void)
{
	int ctl = kb_control(peer, peer_port), fd[8];
	unsigned counts[THREADS] = { 0 };
	pthread_t t[THREADS];

	common_set = epoll_create1(0);
	for (int i = 0; i < 8; i++) {
		struct epoll_event ev = { .events = EPOLLIN };

		fd[i] = kb_socket4(NULL, PORT + i, false);
		ev.data.fd = fd[i];
		epoll_ctl(common_set, EPOLL_CTL_ADD, fd[i], &ev);
	}
	for (int i = 0; i < THREADS; i++)
		t[i] = start(common, &counts[i]);
	kb_pause_us(50000);
	for (int round = 0; round < 5; round++)
		for (int i = 0; i < 8; i++)
			kb_ask(ctl, PORT + i, (uint32_t)(round * 80 + i * 10), 10, 64, 500);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	kb_equal("four threads on one set of eight sockets: every datagram once", 400, once(0, 400));
	for (int i = 0; i < 8; i++)
		close(fd[i]);
	close(common_set);
}

/* ---- close() elsewhere ---- */

static void *churn(void *arg)
{
	(void)arg;
	while (!over) {
		int fd = kb_socket4(NULL, PORT + 9, true);
		uint8_t b[8];

		recv(fd, b, sizeof(b), MSG_DONTWAIT);
		close(fd);
		kb_pause_us(500);
	}
	return NULL;
}

static void closing(void)
{
	int ctl = kb_control(peer, peer_port), fd;
	unsigned count = 0;
	int64_t begun;
	pthread_t r, c;

	shared_fd = kb_socket4(NULL, PORT, false);
	timeout_of(shared_fd, 600);
	r = start(read_shared, &count);
	c = start(churn, NULL);
	kb_pause_us(20000);
	kb_ask(ctl, PORT, 0, N, 64, 2000);
	pthread_join(r, NULL);
	over = true;
	pthread_join(c, NULL);
	kb_equal("another thread opens and closes sockets all the time: every datagram once", N,
		 once(0, N));

	/*
	 * Under a waiter: it sleeps on, as in the kernel, until its time is over, and so long keeps the port; the number is
	 * another's by then.
	 */
	count = 0;
	begun = kb_now_us();
	r = start(read_shared, &count);
	kb_pause_us(100000);
	close(shared_fd);
	fd = kb_socket4(NULL, PORT + 1, false);
	timeout_of(fd, 600);
	kb_equal("the number is used again", shared_fd, fd);
	pthread_join(r, NULL);
	kb_case(kb_now_us() - begun < 2500000, "a reader whose socket was closed comes back");
	memset(got, 0, sizeof(got));
	r = start(read_shared, &count);
	kb_pause_us(20000);
	kb_ask(ctl, PORT + 1, 0, N, 64, 1000);
	pthread_join(r, NULL);
	kb_equal("the socket that took its number works", N, once(0, N));
	close(fd);
}

static const struct {
	const char *name;
	void (*run)(void);
} scenarios[] = {
	{ "one-socket", one_socket }, { "reader-writer", reader_writer },
	{ "epoll-sets", epoll_sets }, { "one-set", one_set },
	{ "closing", closing },
};

int main(int argc, char **argv)
{
	if (argc != 4)
		kb_die("usage: accel_threads PEER PEERPORT SCENARIO");
	peer = argv[1];
	peer_port = atoi(argv[2]);
	if (strcmp(argv[3], "reuseport") == 0)
		return reuseport(peer_port);
	if (strcmp(argv[3], "one-shot") == 0)
		return one_shot(peer_port);
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++)
		if (strcmp(scenarios[i].name, argv[3]) == 0) {
			scenarios[i].run();
			return 0;
		}
	kb_die("no scenario %s", argv[3]);
}
