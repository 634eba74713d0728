/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nic_common.h - shared by the programs of the nic_*.sh tests: a backend's plugin, opened without
 * the library, and kernel sockets on both sides of the veth pair.
 */
#ifndef TESTS_NETNS_NIC_COMMON_H
#define TESTS_NETNS_NIC_COMMON_H

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "nic/nic.h"

static const struct nic_ops *ops;
static struct nic *nic;
static int failures;
static struct nic_params params = { .rx_ring = 512, .tx_ring = 256, .frames = 2048 };

static void check(bool good, const char *name)
{
	printf("%s %s: %s\n", good ? "ok" : "not ok", params.ifname, name);
	failures += !good;
}

static struct ipaddr addr(const char *text)
{
	uint8_t raw[16];
	uint32_t v4;

	if (inet_pton(AF_INET6, text, raw) == 1)
		return ipaddr_from_v6(raw);
	inet_pton(AF_INET, text, &v4);
	return ipaddr_from_v4(v4);
}

static socklen_t sockaddr_of(const char *text, uint16_t port, struct sockaddr_storage *ss)
{
	struct sockaddr_in *in = (struct sockaddr_in *)ss;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;

	memset(ss, 0, sizeof(*ss));
	if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		return sizeof(*in6);
	}
	inet_pton(AF_INET, text, &in->sin_addr);
	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	return sizeof(*in);
}

/* A kernel UDP socket (SO_REUSEADDR) bound to @local, in the namespace @ns (NULL: ours). */
static int udp_socket(const char *ns, const char *local, uint16_t port)
{
	int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), other, fd, size = 4 << 20, on = 1;
	struct sockaddr_storage ss;
	socklen_t len = sockaddr_of(local, port, &ss);
	char path[128];

	if (ns) {
		snprintf(path, sizeof(path), "/run/netns/%s", ns);
		other = open(path, O_RDONLY | O_CLOEXEC);
		if (other < 0 || setns(other, CLONE_NEWNET) < 0)
			exit(2);
		close(other);
	}
	fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd < 0 || bind(fd, (struct sockaddr *)&ss, len) < 0) {
		perror("bind");
		exit(2);
	}
	if (setns(own, CLONE_NEWNET) < 0)
		exit(2);
	close(own);
	return fd;
}

static void send_numbered(int fd, const char *to, uint16_t port, unsigned first, unsigned n,
			  size_t size)
{
	static uint8_t payload[9000];
	struct sockaddr_storage ss;
	socklen_t len = sockaddr_of(to, port, &ss);

	for (uint32_t i = first; i < first + n; i++) {
		memcpy(payload, &i, sizeof(i));
		if (sendto(fd, payload, size, 0, (struct sockaddr *)&ss, len) < 0)
			perror("sendto");
	}
}

/* Datagrams that the kernel has for @fd; waits a moment for the first. */
static unsigned kernel_got(int fd, int wait_ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint8_t buf[9000];
	unsigned n = 0;

	poll(&pfd, 1, wait_ms);
	while (recv(fd, buf, sizeof(buf), 0) >= 0)
		n++;
	return n;
}

static void lease(int64_t ms)
{
	nic->ops->set_lease(nic, ms ? clock_ns() + (uint64_t)ms * NSEC_PER_MSEC : 0);
}

static bool open_nic(void)
{
	int err = ops->open(&params, &nic);

	if (err < 0)
		printf("%s %s\n", strerrorname_np(-err), params.why);
	else
		printf("# %s: %s, flags %x, %u queue(s), frames of %u, MTU %u\n", nic->ifname,
		       nic->mode, nic->flags, nic->queue_count, nic->queues[0]->frame_size,
		       nic->mtu);
	return err == 0;
}

static void message(int level, const char *text)
{
	printf("# library (%d): %s\n", level, text);
}

/* Loads the plugin for interface @ifname. */
static bool nic_load(const char *plugin, const char *ifname)
{
	void *handle = dlopen(plugin, RTLD_NOW | RTLD_LOCAL), *symbol;
	nic_backend_fn entry;

	if (!handle) {
		puts(dlerror());
		return false;
	}
	symbol = dlsym(handle, NIC_BACKEND_SYMBOL);
	memcpy(&entry, &symbol, sizeof(entry));
	if (!entry || entry(NIC_ABI + 1))
		return false;
	ops = entry(NIC_ABI);
	setvbuf(stdout, NULL, _IOLBF, 0);
	params.ifname = ifname;
	params.log = getenv("NIC_XDP_LOG") ? message : NULL;
	return ops != NULL;
}

#endif
