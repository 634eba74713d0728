/* SPDX-License-Identifier: BSD-3-Clause */
/* fake_call.c - commands to the device, and the checks that the kernel makes on the caller. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/capability.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/fake-verbs/fake_lib.h"

static int fail(int err)
{
	errno = err;
	return err;
}

void fake_abort(const char *what)
{
	fprintf(stderr, "fake libibverbs: %s\n", what);
	abort();
}

bool fake_may(unsigned cap)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	memset(data, 0, sizeof(data));
	return syscall(SYS_capget, &header, data) == 0 &&
	       (data[cap / 32].effective >> (cap % 32) & 1);
}

static int errno_named(const char *name, size_t len)
{
	for (int i = 1; i < 200; i++)
		if (strerrorname_np(i) && strlen(strerrorname_np(i)) == len &&
		    strncmp(strerrorname_np(i), name, len) == 0)
			return i;
	return EIO;
}

int fake_fault(const char *call)
{
	static unsigned calls[64];
	static char seen[256]; /* another list counts from the beginning */
	const char *p = getenv("FAKE_VERBS_FAULT");
	size_t len = strlen(call);

	if (p && strncmp(seen, p, sizeof(seen) - 1) != 0) {
		snprintf(seen, sizeof(seen), "%s", p);
		memset(calls, 0, sizeof(calls));
	}

	for (unsigned i = 0; p && *p && i < 64; i++) {
		size_t item = strcspn(p, ","), value = strcspn(p, "=,");
		unsigned from = 1;

		if (value == len && strncmp(p, call, len) == 0) {
			const char *at = memchr(p, '@', item);

			if (at)
				from = (unsigned)atoi(at + 1);
			if (__atomic_add_fetch(&calls[i], 1, __ATOMIC_RELAXED) < from)
				return 0;
			if (value == item)
				return EIO;
			return errno_named(p + value + 1,
					   (at ? (size_t)(at - p) : item) - value - 1);
		}
		p += item + (p[item] == ',');
	}
	return 0;
}

int fake_connect(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	const char *path = getenv("FAKE_VERBS");
	struct ucred peer;
	socklen_t len = sizeof(peer);
	int fd;

	if (!path || strlen(path) >= sizeof(to.sun_path))
		return -1;
	strcpy(to.sun_path, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	/* The device reads and writes our memory. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0)
		prctl(PR_SET_PTRACER, peer.pid, 0, 0, 0);
	return fd;
}

static ssize_t send_request(int fd, const struct fake_request *request, const int *fds, int nfds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(4 * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = (void *)(uintptr_t)request, .iov_len = sizeof(*request) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (nfds) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE((size_t)nfds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN((size_t)nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, (size_t)nfds * sizeof(int));
	}
	return sendmsg(fd, &msg, MSG_NOSIGNAL);
}

int fake_call(struct ibv_context *ctx, struct fake_request *request, struct fake_reply *reply,
	      const int *fds, int nfds)
{
	ssize_t n = -1;

	pthread_mutex_lock(&ctx->mutex);
	if (send_request(ctx->cmd_fd, request, fds, nfds) == (ssize_t)sizeof(*request))
		n = recv(ctx->cmd_fd, reply, sizeof(*reply), 0);
	pthread_mutex_unlock(&ctx->mutex);
	if (n != (ssize_t)sizeof(*reply))
		return fail(EIO);
	return reply->err ? fail(reply->err) : 0;
}

int fake_destroy(struct ibv_context *ctx, uint32_t handle)
{
	struct fake_request request = { .op = FAKE_DESTROY, .handle = handle };
	struct fake_reply reply;

	return fake_call(ctx, &request, &reply, NULL, 0);
}
