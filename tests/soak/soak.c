/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * soak.c - the programs of the soak test (soak.sh), which know the kernel's interface only.
 *
 *   soak serve epoll|workers|group|mmsg PORT    echoes, and after SIGUSR1 disturbs itself: starts programs, opens and closes sockets
 *   soak load ADDRESS PORTS... - SECONDS RATE   flows to each server: numbered, checksummed; RATE 0: as fast as they answer
 *   soak junk ADDRESS PORT SECONDS              damaged datagrams, which nobody may ever answer
 *
 * `serve` is: epoll, 4 sockets (PORT to PORT + 3) in one set with EPOLLONESHOT, 2 threads; workers, 3 processes on one socket; group, one
 * of a reuseport group; mmsg, recvmmsg() and sendmmsg() of 16.
 * PORT with a `u` behind it: several processes answer there, so that order means nothing.
 * A flow has no more than WINDOW datagrams on the way, which every queue between holds: whatever is lost is a fault.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#include "tests/netns/accel_common.h"

#define FLOWS 8 /* for each port */
#define WINDOW 32
#define MAX_FLOWS 256
#define GIVE_UP_US 10000000
#define BIG 4000 /* of one flow in FLOWS: fragments */

/* ---- what is sent ---- */

struct head {
	uint32_t magic, flow, seq, len, sum;
	uint32_t late; /* the server's: it had one with a higher number before */
};
#define MAGIC 0x6b61736fu

static uint32_t sum_of(const uint8_t *p, size_t len)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 16777619u;
	return h;
}

static void make(uint8_t *buf, uint32_t flow, uint32_t seq, uint32_t len)
{
	struct head h = { MAGIC, flow, seq, len, 0, 0 };

	for (size_t i = sizeof(h); i < len; i++)
		buf[i] = (uint8_t)(seq + flow * 3 + i);
	h.sum = sum_of(buf + sizeof(h), len - sizeof(h)) ^ flow ^ seq << 8;
	memcpy(buf, &h, sizeof(h));
}

static bool is_whole(const uint8_t *buf, size_t len, struct head *h)
{
	if (len < sizeof(*h))
		return false;
	memcpy(h, buf, sizeof(*h));
	return h->magic == MAGIC && h->len == len &&
	       h->sum == (sum_of(buf + sizeof(*h), len - sizeof(*h)) ^ h->flow ^ h->seq << 8);
}

/* ---- servers ---- */

static volatile sig_atomic_t ended, disturbing;

static void on_signal(int sig)
{
	if (sig == SIGTERM)
		ended = 1;
	else
		disturbing = sig == SIGUSR1;
}

static void run_program(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

/* Both kinds of ports: chosen and others. It is waited for in vain, so that the chosen one is steered for a moment. */
static void open_and_close(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	struct pollfd p = { .fd = socket(AF_INET, SOCK_DGRAM, 0), .events = POLLIN };

	any.sin_port = htons((uint16_t)(5350 + getpid() % 40));
	if (p.fd < 0 || bind(p.fd, (struct sockaddr *)&any, sizeof(any)) == 0)
		poll(&p, 1, 0);
	if (p.fd >= 0)
		close(p.fd);
	close(socket(AF_INET6, SOCK_DGRAM, 0));
}

static void disturb(void)
{
	static int64_t due;
	static unsigned turn;
	int64_t now = kb_now_us();

	if (!disturbing || now < due)
		return;
	if (turn++ % 2)
		run_program();
	else
		open_and_close();
	due = now + 500000;
}

static int server_socket(int port, bool shared)
{
	int big = 4 << 20, fd = kb_socket4(NULL, port, shared);

	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof(big));
	return fd;
}

/* Says in a datagram whether it came in order, so that the way there and the way back can be told apart. */
static void mark(uint8_t *buf, size_t len)
{
	static uint32_t last[MAX_FLOWS];
	struct head h;

	if (len < sizeof(h))
		return;
	memcpy(&h, buf, sizeof(h));
	if (h.magic != MAGIC || h.flow >= MAX_FLOWS)
		return;
	h.late = h.seq != 1 && h.seq < last[h.flow];
	if (!h.late)
		last[h.flow] = h.seq;
	memcpy(buf, &h, sizeof(h));
}

static void echo_all(int fd)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	uint8_t buf[8192];
	ssize_t n;

	while ((n = recvfrom(fd, buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *)&from, &len)) >=
	       0) {
		mark(buf, (size_t)n);
		sendto(fd, buf, (size_t)n, 0, (struct sockaddr *)&from, len);
		len = sizeof(from);
	}
}

static int epoll_fd;

static void *epoll_thread(void *arg)
{
	struct epoll_event ev;

	while (!ended) {
		if (epoll_wait(epoll_fd, &ev, 1, 100) == 1) {
			echo_all(ev.data.fd);
			ev.events = EPOLLIN | EPOLLONESHOT;
			epoll_ctl(epoll_fd, EPOLL_CTL_MOD, ev.data.fd, &ev);
		}
		if (arg)
			disturb();
	}
	return NULL;
}

static void serve_epoll(int port)
{
	pthread_t thread;

	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	for (int i = 0; i < 4; i++) {
		struct epoll_event ev = { .events = EPOLLIN | EPOLLONESHOT };

		ev.data.fd = server_socket(port + i, false);
		epoll_ctl(epoll_fd, EPOLL_CTL_ADD, ev.data.fd, &ev);
	}
	pthread_create(&thread, NULL, epoll_thread, NULL);
	epoll_thread(&thread);
	pthread_join(thread, NULL);
}

static void serve_poll(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	while (!ended) {
		if (poll(&p, 1, 100) == 1)
			echo_all(fd);
		disturb();
	}
}

static void serve_mmsg(int fd)
{
	static uint8_t buf[16][8192];
	struct sockaddr_storage from[16];
	struct mmsghdr vec[16];
	struct iovec iov[16];

	while (!ended) {
		int n;

		memset(vec, 0, sizeof(vec));
		for (int i = 0; i < 16; i++) {
			iov[i] = (struct iovec){ buf[i], sizeof(buf[i]) };
			vec[i].msg_hdr = (struct msghdr){ .msg_name = &from[i],
							  .msg_namelen = sizeof(from[i]),
							  .msg_iov = &iov[i],
							  .msg_iovlen = 1 };
		}
		n = recvmmsg(fd, vec, 16, MSG_WAITFORONE, NULL);
		for (int i = 0; i < n; i++) {
			iov[i].iov_len = vec[i].msg_len;
			mark(buf[i], vec[i].msg_len);
		}
		for (int done = 0, r; done < n; done += r)
			if ((r = sendmmsg(fd, vec + done, (unsigned)(n - done), 0)) <= 0)
				r = 1;
		disturb();
	}
}

static void serve(const char *how, int port)
{
	struct sigaction sa = { .sa_handler = on_signal };
	int fd;

	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGUSR2, &sa, NULL);
	if (strcmp(how, "epoll") == 0) {
		serve_epoll(port);
		return;
	}
	fd = server_socket(port, strcmp(how, "group") == 0);
	if (strcmp(how, "workers") == 0)
		for (int i = 0; i < 2 && fork() > 0; i++)
			;
	if (strcmp(how, "mmsg") == 0)
		serve_mmsg(fd);
	else
		serve_poll(fd);
}

/* ---- the load ---- */

static struct flow {
	int fd;
	uint32_t next, low; /* the next number; none below is on the way */
	uint32_t last;	    /* the highest that came back */
	int64_t since[WINDOW];
	bool back[WINDOW], ordered;
	uint32_t size, window;
	unsigned long sent, received, lost, twice, late, late_there;
} flow[MAX_FLOWS];
static unsigned flows;
static unsigned long corrupted;

static void add_flows(const char *address, const char *ports)
{
	int port = atoi(ports);
	struct sockaddr_storage to;
	socklen_t len = kb_addr(address, port, &to);
	int big = 1 << 20;

	for (int i = 0; i < FLOWS && flows < MAX_FLOWS; i++) {
		struct flow *f = &flow[flows++];

		f->fd = socket(to.ss_family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
		if (f->fd < 0 || connect(f->fd, (struct sockaddr *)&to, len) < 0)
			kb_die("flow: %s", strerror(errno));
		setsockopt(f->fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof(big));
		f->size = i == FLOWS - 1 ? BIG : 64u + 190u * (uint32_t)i;
		f->window = i == FLOWS - 1 ? 4 : WINDOW;
		f->next = f->low = 1;
		f->ordered = !strchr(ports, 'u');
	}
}

/* Moves the window's lower end; what has been away for too long is lost. */
static void settle(struct flow *f, int64_t now, bool end)
{
	while (f->low < f->next) {
		uint32_t i = f->low % WINDOW;

		if (!f->back[i] && !end && now - f->since[i] < GIVE_UP_US)
			return;
		f->lost += !f->back[i];
		f->low++;
	}
}

static bool send_next(struct flow *f, int64_t now)
{
	uint8_t buf[8192];

	if (f->next - f->low >= f->window)
		return false;
	make(buf, (uint32_t)(f - flow), f->next, f->size);
	if (send(f->fd, buf, f->size, 0) != (ssize_t)f->size)
		return false;
	f->since[f->next % WINDOW] = now;
	f->back[f->next % WINDOW] = false;
	f->next++;
	f->sent++;
	return true;
}

static void take(struct flow *f)
{
	uint8_t buf[8192];
	struct head h;
	ssize_t n;

	while ((n = recv(f->fd, buf, sizeof(buf), 0)) >= 0) {
		if (!is_whole(buf, (size_t)n, &h) || h.flow != (uint32_t)(f - flow) ||
		    h.seq >= f->next) {
			corrupted++;
		} else if (h.seq < f->low || f->back[h.seq % WINDOW]) {
			f->twice++;
		} else {
			f->back[h.seq % WINDOW] = true;
			f->received++;
			f->late += f->ordered && h.seq < f->last;
			f->late_there += f->ordered && h.late;
			if (h.seq > f->last)
				f->last = h.seq;
		}
	}
}

static void report(double seconds)
{
	struct flow all = { 0 };

	for (unsigned i = 0; i < flows; i++) {
		struct flow *f = &flow[i];

		all.sent += f->sent;
		all.received += f->received;
		all.lost += f->lost;
		all.twice += f->twice;
		all.late += f->late;
		if (f->lost || f->twice || f->late || f->late_there)
			fprintf(stderr,
				"flow %u (%u bytes): sent %lu lost %lu twice %lu late %lu (%lu at the server), last %u\n",
				i, f->size, f->sent, f->lost, f->twice, f->late, f->late_there,
				f->last);
	}
	printf("sent %lu received %lu lost %lu duplicated %lu reordered %lu corrupted %lu rate %.0f\n",
	       all.sent, all.received, all.lost, all.twice, all.late, corrupted,
	       (double)all.received / seconds);
}

static void load(double seconds, double rate)
{
	int64_t begun = kb_now_us(), now = begun, end = begun + (int64_t)(seconds * 1e6);
	double tokens = 0;
	unsigned turn = 0, tried;

	for (int64_t before = now; now < end + GIVE_UP_US; before = now) {
		bool open = false;

		now = kb_now_us();
		tokens = rate ? tokens + (double)(now - before) * rate / 1e6 : 64;
		if (tokens > 256)
			tokens = 256;
		for (tried = 0; now < end && tokens >= 1 && tried < flows; tried++)
			tokens -= send_next(&flow[turn++ % flows], now);
		for (unsigned i = 0; i < flows; i++) {
			take(&flow[i]);
			settle(&flow[i], now, false);
			open |= flow[i].low < flow[i].next;
		}
		if (now >= end && !open)
			break;
		if (rate)
			kb_pause_us(50);
	}
	for (unsigned i = 0; i < flows; i++)
		settle(&flow[i], now, true);
	report(seconds);
}

/* ---- junk ---- */

static void junk(const char *address, int port, double seconds)
{
	struct sockaddr_storage to;
	socklen_t len = kb_addr(address, 0, &to);
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_UDP), count = 0;
	int64_t end = kb_now_us() + (int64_t)(seconds * 1e6);
	uint8_t packet[8 + 200];
	struct udphdr *udp = (struct udphdr *)packet;

	if (fd < 0)
		kb_die("raw socket: %s", strerror(errno));
	for (; kb_now_us() < end; count++) {
		make(packet + 8, 0, 1, 200);
		*udp = (struct udphdr){ .source = htons(7000), .dest = htons((uint16_t)port) };
		udp->len = htons(count % 3 == 1 ? 4 : count % 3 == 2 ? 900 : sizeof(packet));
		udp->check = htons((uint16_t)(0x1234 + count % 3));
		sendto(fd, packet, sizeof(packet), 0, (struct sockaddr *)&to, len);
		kb_pause_us(5000);
	}
	printf("junk %d\n", count);
}

int main(int argc, char **argv)
{
	int i = 3;

	if (argc == 4 && strcmp(argv[1], "serve") == 0) {
		serve(argv[2], atoi(argv[3]));
	} else if (argc > 5 && strcmp(argv[1], "load") == 0) {
		for (; i < argc && strcmp(argv[i], "-") != 0; i++)
			add_flows(argv[2], argv[i]);
		if (i + 3 != argc)
			kb_die("usage: soak load ADDRESS PORT... - SECONDS RATE");
		load(atof(argv[i + 1]), atof(argv[i + 2]));
	} else if (argc == 5 && strcmp(argv[1], "junk") == 0) {
		junk(argv[2], atoi(argv[3]), atof(argv[4]));
	} else {
		kb_die("usage: soak serve|load|junk ...");
	}
	return 0;
}
