/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * xdp_guest.c - a seat that the broker has opened for this process, which has no privileges: asking for it, and telling the
 * broker which sockets it has.
 *
 * The process steers by its own struct steer_map, as any other. What it can get is bounded by the seat's struct steer_host,
 * which only the broker can write: of datagrams to the host's own addresses those that the kernel would give to a socket which
 * the process has shown to the broker. Multicast groups stay with the kernel, which alone knows who else hears them.
 *
 * A socket that no flow is for at the moment is not taken back at once, since one that forked workers share is named and taken
 * back with each wait.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/ports.h"
#include "base/rawcall.h"
#include "nic/xdp/xdp.h"
#include "nic/xdp/xdp_broker.h"

#define ANSWER_MS 10000
#define ROOM_MS 20
#define MAX_KNOWN 8192
#define MAX_IDLE 1024
#define BUCKETS 4096

/* A socket that the broker knows. */
struct known {
	uint64_t cookie;
	unsigned users;
	LIST_ENTRY(known) chain;
	TAILQ_ENTRY(known) idle; /* without users; or not in use at all */
};

struct xdp_grant {
	int fd;
	unsigned rules;
	struct config_port_rule rule[BROKER_MAX_RULES];
	unsigned idle_count;
	TAILQ_HEAD(, known) idle, unused; /* the one that was idle first is the first */
	LIST_HEAD(, known) bucket[BUCKETS];
	struct known known[MAX_KNOWN];
};

static void forget_all(struct xdp_grant *g)
{
	TAILQ_INIT(&g->idle);
	TAILQ_INIT(&g->unused);
	for (unsigned i = 0; i < BUCKETS; i++)
		LIST_INIT(&g->bucket[i]);
	for (unsigned i = 0; i < MAX_KNOWN; i++)
		TAILQ_INSERT_TAIL(&g->unused, &g->known[i], idle);
	g->idle_count = 0;
}

/* ---- messages ---- */

static bool is_ready(int fd, short events, int ms)
{
	struct pollfd p = { .fd = fd, .events = events };
	struct timespec limit = { ms / 1000, ms % 1000 * 1000000l };

	return rawcall6(SYS_ppoll, (long)&p, 1, (long)&limit, 0, 0, 0) == 1;
}

/* With descriptor @shown, unless it is -1. */
static int tell(const struct xdp_grant *g, uint64_t cookie, bool on, int shown)
{
	struct broker_own own = { .cookie = cookie, .on = on };
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { .align = { .cmsg_len = CMSG_LEN(sizeof(int)),
				 .cmsg_level = SOL_SOCKET,
				 .cmsg_type = SCM_RIGHTS } };
	struct iovec iov = { .iov_base = &own, .iov_len = sizeof(own) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	long ret;

	if (shown >= 0) {
		memcpy(CMSG_DATA(&control.align), &shown, sizeof(shown));
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control.buf);
	}
	ret = rawcall6(SYS_sendmsg, g->fd, (long)&msg, MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0, 0);
	if (ret == -EAGAIN && is_ready(g->fd, POLLOUT, ROOM_MS))
		ret = rawcall6(SYS_sendmsg, g->fd, (long)&msg, MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0, 0);
	return ret < 0 ? (int)ret : 0;
}

/* ---- which sockets the broker knows ---- */

static struct known *find(struct xdp_grant *g, uint64_t cookie)
{
	struct known *k;

	LIST_FOREACH(k, &g->bucket[cookie % BUCKETS], chain)
		if (k->cookie == cookie)
			return k;
	return NULL;
}

static void dismiss_oldest(struct xdp_grant *g)
{
	struct known *k = TAILQ_FIRST(&g->idle);

	tell(g, k->cookie, false, -1);
	TAILQ_REMOVE(&g->idle, k, idle);
	g->idle_count--;
	LIST_REMOVE(k, chain);
	TAILQ_INSERT_TAIL(&g->unused, k, idle);
}

/* What the broker would refuse is not asked for: there is no answer. */
static int may_have(const struct xdp_grant *g, int fd, uint64_t cookie)
{
	struct broker_name name;
	int err = broker_name_of(fd, &name);

	if (err < 0)
		return err;
	if (name.cookie != cookie)
		return -EBADF;
	return ports_match(g->rule, g->rules, &name.addr, name.port) ? 0 : -EACCES;
}

static int show(struct xdp_grant *g, int fd, uint64_t cookie)
{
	int err = fd < 0 ? -EPERM : may_have(g, fd, cookie);
	struct known *k;

	if (err < 0)
		return err;
	if (TAILQ_EMPTY(&g->unused) && g->idle_count)
		dismiss_oldest(g);
	k = TAILQ_FIRST(&g->unused);
	if (!k)
		return -ENOBUFS;
	err = tell(g, cookie, true, fd);
	if (err < 0)
		return err;
	TAILQ_REMOVE(&g->unused, k, idle);
	k->cookie = cookie;
	k->users = 1;
	LIST_INSERT_HEAD(&g->bucket[cookie % BUCKETS], k, chain);
	return 0;
}

int xdp_guest_owns(struct xdp_nic *x, int fd, uint64_t cookie, bool on)
{
	struct xdp_grant *g = x->grant;
	struct known *k = find(g, cookie);

	if (!k)
		return on ? show(g, fd, cookie) : -ENOENT;
	if (on) {
		if (k->users++ == 0) {
			TAILQ_REMOVE(&g->idle, k, idle);
			g->idle_count--;
		}
	} else if (k->users && --k->users == 0) {
		TAILQ_INSERT_TAIL(&g->idle, k, idle);
		if (++g->idle_count > MAX_IDLE)
			dismiss_oldest(g);
	}
	return 0;
}

void xdp_guest_no_owners(struct xdp_nic *x)
{
	forget_all(x->grant);
}

bool xdp_guest_is_alone(const struct xdp_nic *x)
{
	return is_ready(x->grant->fd, POLLRDHUP, 0); /* it never says anything */
}

void xdp_guest_close(struct xdp_nic *x)
{
	if (x->map)
		munmap(x->map, (sizeof(*x->map) + 4095) & ~4095ul);
	x->map = NULL;
	if (x->grant->fd >= 0)
		close(x->grant->fd);
	free(x->grant);
	x->grant = NULL;
}

/* ---- opening ---- */

static int connect_broker(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, err;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENOENT;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	err = errno == ECONNREFUSED || errno == EACCES || errno == ENOTDIR ? -ENOENT : -errno;
	close(fd);
	return err;
}

static int send_request(int fd, const struct xdp_nic *x, const struct nic_params *params)
{
	struct broker_open request = { .version = BROKER_VERSION,
				       .rx_ring = params->rx_ring,
				       .tx_ring = params->tx_ring,
				       .frames = params->frames };

	memcpy(request.ifname, x->nic.ifname, sizeof(request.ifname));
	return send(fd, &request, sizeof(request), MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* To a number that the program does not use, and close-on-exec; -1 stays. */
static int own(int fd)
{
	int kept = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	if (fd >= 0)
		rawcall6(SYS_close, fd, 0, 0, 0, 0, 0);
	return kept;
}

struct received {
	struct broker_answer answer;
	int fds[BROKER_MAX_FDS];
	unsigned count, taken;
};

static void take_fds(struct msghdr *msg, struct received *r)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		int fd;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			r->fds[r->count++] = own(fd);
		}
	}
}

static int receive(int fd, struct received *r)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * BROKER_MAX_FDS)];
		struct cmsghdr align;
	} control;
	struct iovec iov = { .iov_base = &r->answer, .iov_len = sizeof(r->answer) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	long len;

	if (!is_ready(fd, POLLIN, ANSWER_MS))
		return -ETIMEDOUT;
	len = rawcall6(SYS_recvmsg, fd, (long)&msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT, 0, 0, 0);
	if (len < 0)
		return (int)len;
	take_fds(&msg, r);
	if (len != sizeof(r->answer) || r->answer.version != BROKER_VERSION)
		return -EPROTO;
	r->answer.why[NIC_WHY_LEN - 1] = '\0';
	return r->answer.err;
}

/* The next descriptor of the answer; -1: there is none. */
static int next_fd(struct received *r)
{
	return r->taken < r->count ? r->fds[r->taken++] : -1;
}

static int map_tables(struct xdp_nic *x, int fd)
{
	void *mem = mmap(NULL, (sizeof(*x->map) + 4095) & ~4095ul, PROT_READ | PROT_WRITE,
			 MAP_SHARED, fd, 0);
	int err = mem == MAP_FAILED ? -errno : 0;

	if (fd >= 0)
		close(fd);
	if (err == 0)
		x->map = mem;
	return err;
}

static int join_ring(struct xdp_nic *x, const struct nic_params *params, struct received *r)
{
	bool sends = r->answer.queue[0].tx_size != 0;
	struct xdp_queue *queue = NULL;
	int fds[3], err;

	fds[0] = next_fd(r);
	fds[1] = next_fd(r);
	fds[2] = sends ? next_fd(r) : -1;
	x->ring = true;
	x->nic.ops = xdp_ops_of(x);
	err = xdp_ring_join(x, params, fds, r->answer.ring_size, &queue);
	close(fds[0]);
	if (err == 0)
		x->nic.queues[x->nic.queue_count++] = &queue->q;
	return err;
}

static int join_queue(struct xdp_nic *x, const struct nic_params *params, struct received *r,
		      unsigned i)
{
	int memory = next_fd(r), fd = next_fd(r), err;
	struct xdp_queue *queue;

	if (fd < 0)
		return -EPROTO;
	queue = xdp_queue_map(x, params, sizeof(*queue), memory);
	close(memory);
	if (!queue) {
		close(fd);
		return -ENOMEM;
	}
	queue->q.index = r->answer.queue[i].index;
	err = xdp_queue_join(queue, fd, r->answer.queue[i].tx_size, params);
	if (err < 0)
		xdp_queue_close(queue);
	else
		x->nic.queues[x->nic.queue_count++] = &queue->q;
	return err;
}

static int use_answer(struct xdp_nic *x, const struct nic_params *params, struct received *r)
{
	const struct broker_answer *a = &r->answer;
	int err;

	if (a->queue_count == 0 || a->queue_count > NIC_MAX_QUEUES || a->rules > BROKER_MAX_RULES)
		return -EPROTO;
	x->nic.flags = a->flags;
	x->frame_size = a->frame_size;
	memcpy(x->nic.mode, a->mode, sizeof(x->nic.mode) - 1);
	x->grant->rules = a->rules;
	memcpy(x->grant->rule, a->rule, sizeof(a->rule));
	err = map_tables(x, next_fd(r));
	if (err == 0 && a->ring_size)
		return join_ring(x, params, r);
	for (unsigned i = 0; err == 0 && i < a->queue_count; i++)
		err = join_queue(x, params, r, i);
	return err;
}

static int why_not(struct nic_params *params, const struct received *r, int err)
{
	if (r->answer.why[0])
		return xdp_why(params, err, "kbacceld: %s", r->answer.why);
	if (err == -EPROTO)
		return xdp_why(
			params, err,
			"kbacceld is of another version: install both from one build, and restart it");
	return xdp_why(params, err, "kbacceld at %s does not answer (%s): see its log",
		       params->broker, strerror(-err));
}

int xdp_guest_open(struct xdp_nic *x, struct nic_params *params)
{
	struct received *r = calloc(1, sizeof(*r));
	int err = xdp_link_read(x, params);

	x->grant = calloc(1, sizeof(*x->grant));
	if (!r || !x->grant) {
		free(r);
		return xdp_why(params, -ENOMEM, "out of memory");
	}
	forget_all(x->grant);
	x->grant->fd = err < 0 ? err : connect_broker(params->broker);
	err = x->grant->fd < 0 ? x->grant->fd : send_request(x->grant->fd, x, params);
	if (err == 0)
		err = receive(x->grant->fd, r);
	if (err == 0)
		err = use_answer(x, params, r);
	while (r->taken < r->count)
		close(next_fd(r));
	if (err < 0 && err != -ENOENT)
		why_not(params, r, err);
	free(r);
	return err;
}
