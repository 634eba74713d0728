/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * accel_hosts.c - what host programs do to a library inside them, for accel_hosts.sh:
 *
 *   accel_hosts PEER PEER_PORT exit      exit() while threads are blocked in receives and waits
 *   accel_hosts PEER PEER_PORT cancel    threads are cancelled in receives; others go on with the same socket
 *   accel_hosts PEER PEER_PORT handler   a signal handler sends while the program sends and receives
 *   accel_hosts PEER PEER_PORT churn     threads open, bind, use and close sockets while others allocate memory
 *
 * Built with -DEARLY it is a shared object whose constructor binds a socket, on port $EARLY_PORT, before any other code has
 * run, and echoes the first datagrams in a thread.
 */
#define _GNU_SOURCE
#include "accel_common.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

static struct sockaddr_in peer;
static int fd;

static int bound(int port)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	if (s < 0 || bind(s, (struct sockaddr *)&any, sizeof(any)) < 0) {
		perror("bind");
		exit(2);
	}
	return s;
}

#ifdef EARLY
static void *echo(void *arg)
{
	char buf[2048];
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	ssize_t n;

	(void)arg;
	while ((n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len)) >= 0) {
		sendto(fd, buf, (size_t)n, 0, (struct sockaddr *)&from, len);
		len = sizeof(from);
	}
	return NULL;
}

static __attribute__((constructor)) void start_early(void)
{
	const char *port = getenv("EARLY_PORT");
	pthread_t t;

	if (!port)
		return;
	unsetenv("EARLY_PORT");
	fd = bound(atoi(port));
	pthread_create(&t, NULL, echo, NULL);
}
#else

static void *receiver(void *arg)
{
	char buf[2048];
	struct pollfd p = { .fd = fd, .events = POLLIN };

	for (;;) {
		if (arg)
			poll(&p, 1, -1);
		if (recv(fd, buf, sizeof(buf), arg ? MSG_DONTWAIT : 0) < 0 && errno != EAGAIN)
			return NULL;
	}
}

static int ends_by_exit(void)
{
	pthread_t t;

	for (long i = 0; i < 8; i++)
		pthread_create(&t, NULL, receiver, (void *)(i % 2));
	usleep(200000);
	printf("ok exit() with eight threads in receives\n");
	exit(0);
}

/* One request, one answer, by whichever thread is here. */
static bool ask(uint32_t number)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint32_t back = 0;

	if (sendto(fd, &number, sizeof(number), 0, (struct sockaddr *)&peer, sizeof(peer)) !=
	    sizeof(number))
		return false;
	if (poll(&p, 1, 1000) != 1)
		return false;
	return recv(fd, &back, sizeof(back), MSG_DONTWAIT) == sizeof(back) && back == number;
}

static int cancels(void)
{
	unsigned good = 0;
	pthread_t t[2];
	void *end;

	for (int round = 0; round < 50; round++) {
		bool both;

		for (long i = 0; i < 2; i++)
			pthread_create(&t[i], NULL, receiver, (void *)i);
		usleep((useconds_t)(round * 137 % 3000));
		for (int i = 0; i < 2; i++)
			pthread_cancel(t[i]);
		pthread_join(t[0], &end);
		both = end == PTHREAD_CANCELED;
		pthread_join(t[1], &end);
		both = both && end == PTHREAD_CANCELED;
		good += both && ask((uint32_t)round);
	}
	kb_case(good == 50, "cancelled in a receive, fifty times, and the socket serves on (%u)",
		good);
	return good != 50;
}

static volatile sig_atomic_t sends;

static void on_alarm(int sig)
{
	static const char mark[1] = { 'h' };
	int saved = errno;

	(void)sig;
	if (sendto(fd, mark, 1, MSG_DONTWAIT, (struct sockaddr *)&peer, sizeof(peer)) == 1)
		sends++;
	errno = saved;
}

static int handles(void)
{
	struct itimerval every = { { 0, 500 }, { 0, 500 } };
	struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	char buf[2048];
	int64_t end = kb_now_us() + 2000000;
	unsigned long asked = 0, answers = 0, marks = 0;
	ssize_t n;

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	while (kb_now_us() < end) {
		uint32_t number = (uint32_t)asked;

		asked += sendto(fd, &number, sizeof(number), 0, (struct sockaddr *)&peer,
				sizeof(peer)) > 0;
		while ((n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
			*(n == 1 ? &marks : &answers) += 1;
		usleep(100);
	}
	memset(&every, 0, sizeof(every));
	setitimer(ITIMER_REAL, &every, NULL);
	end = kb_now_us() + 500000;
	while (kb_now_us() < end)
		if ((n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
			*(n == 1 ? &marks : &answers) += 1;
	kb_case(sends > 500, "a handler sends, %d times", (int)sends);
	kb_case(answers == asked, "what the program sends meanwhile is answered (%lu of %lu)",
		answers, asked);
	kb_case(marks == (unsigned long)sends, "so is what the handler sends (%lu of %d)", marks,
		(int)sends);
	return answers != asked || marks != (unsigned long)sends;
}

static void *churner(void *arg)
{
	unsigned good = 0;

	for (int i = 0; i < 40; i++) {
		int s = bound(0);
		struct pollfd p = { .fd = s, .events = POLLIN };
		void *mem[32];
		uint32_t back = 0, number = (uint32_t)i;

		for (int k = 0; k < 32; k++)
			mem[k] = malloc((size_t)(k * 997 + 1));
		sendto(s, &number, sizeof(number), 0, (struct sockaddr *)&peer, sizeof(peer));
		if (poll(&p, 1, 1000) == 1 && recv(s, &back, sizeof(back), 0) == sizeof(back))
			good += back == number;
		for (int k = 0; k < 32; k++)
			free(mem[k]);
		close(s);
	}
	*(unsigned *)arg = good;
	return NULL;
}

static int churns(void)
{
	unsigned good[4] = { 0 }, all = 0;
	pthread_t t[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, churner, &good[i]);
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], NULL);
		all += good[i];
	}
	kb_case(all == 160, "four threads make, use and close sockets (%u of 160 answers)", all);
	return all != 160;
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc != 4)
		return 2;
	peer = (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons((uint16_t)atoi(argv[2])) };
	inet_pton(AF_INET, argv[1], &peer.sin_addr);
	fd = bound(5300);
	return strcmp(argv[3], "exit") == 0	 ? ends_by_exit()
	       : strcmp(argv[3], "cancel") == 0	 ? cancels()
	       : strcmp(argv[3], "handler") == 0 ? handles()
						 : churns();
}
#endif
