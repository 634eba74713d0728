/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * recv_chk.c - the fortified spellings (__recv_chk and so on) that binaries built with _FORTIFY_SOURCE call; called by
 * name, so that it does not depend on how this file is compiled.
 */
/* expect: fast 4 */
#include "lib.h"

ssize_t __read_chk(int fd, void *buf, size_t n, size_t room);
ssize_t __recv_chk(int fd, void *buf, size_t n, size_t room, int flags);
ssize_t __recvfrom_chk(int fd, void *buf, size_t n, size_t room, int flags, struct sockaddr *from,
		       socklen_t *len);
int __poll_chk(struct pollfd *fds, nfds_t n, int ms, size_t room);
int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *t, const sigset_t *mask,
		size_t room);
long int __fdelt_chk(long int d);

int main(void)
{
	struct pollfd p = { .events = POLLIN };
	struct timespec second = { 1, 0 };
	struct timeval tv = { 1, 0 };
	addr_t from;
	socklen_t len = sizeof(from);
	char buf[512];
	fd_set rd;

	cf_start();
	p.fd = bound("L1", PORT);
	res("poll_chk, empty", __poll_chk(&p, 1, 0, sizeof(p)));
	peer_sends(PORT, 100, 1, 5);
	res("poll_chk", __poll_chk(&p, 1, 1000, sizeof(p)));
	say("%s\n", poll_names(p.revents));
	got("recv_chk", __recv_chk(p.fd, buf, sizeof(buf), sizeof(buf), 0), buf, sizeof(buf));
	res("ppoll_chk", __ppoll_chk(&p, 1, &second, NULL, sizeof(p)));
	say("%s\n", poll_names(p.revents));
	got("recvfrom_chk", __recvfrom_chk(p.fd, buf, sizeof(buf), sizeof(buf), 0, &from.sa, &len),
	    buf, sizeof(buf));
	say("from %s\n", addr_name(&from, len));
	got("read_chk", __read_chk(p.fd, buf, sizeof(buf), sizeof(buf)), buf, sizeof(buf));
	FD_ZERO(&rd);
	((unsigned long *)&rd)[__fdelt_chk(p.fd)] |= 1ul << (p.fd % 64);
	res("select", select(p.fd + 1, &rd, NULL, NULL, &tv));
	got("recv_chk peek", __recv_chk(p.fd, buf, 10, sizeof(buf), MSG_PEEK | MSG_TRUNC), buf, 10);
	got("recv_chk", __recv_chk(p.fd, buf, 10, sizeof(buf), MSG_DONTWAIT), buf, 10);
	got("recv_chk", __recv_chk(p.fd, buf, 10, sizeof(buf), MSG_DONTWAIT), buf, 10);
	res("recv_chk", __recv_chk(p.fd, buf, 10, sizeof(buf), MSG_DONTWAIT));
	return 0;
}
