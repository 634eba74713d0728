/* SPDX-License-Identifier: BSD-3-Clause */
/* echo.h - what the echo servers in C with an event library share: a bound socket, and answering all that is there. */
#ifndef ECHO_H
#define ECHO_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* A UDP socket bound to the address and port, or -1. */
static inline int echo_socket(const char *address, const char *port, int flags)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons((in_port_t)atoi(port)) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = v4.sin_port };
	int six = strchr(address, ':') != NULL;
	int fd = socket(six ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | flags, 0);

	if (inet_pton(six ? AF_INET6 : AF_INET, address, six ? (void *)&v6.sin6_addr : &v4.sin_addr) != 1)
		return -1;
	if (six ? bind(fd, (struct sockaddr *)&v6, sizeof(v6)) : bind(fd, (struct sockaddr *)&v4, sizeof(v4)))
		return -1;
	return fd;
}

/* Answers until a receive fails, with EAGAIN as a rule. */
static inline void echo_drain(int fd)
{
	static char data[65536];
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);
	ssize_t size;

	while ((size = recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&peer, &len)) >= 0) {
		sendto(fd, data, (size_t)size, 0, (struct sockaddr *)&peer, len);
		len = sizeof(peer);
	}
}

#endif
