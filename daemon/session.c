/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * session.c - see session.h.
 *
 * What the client has been given it can write at any time, so nothing of that is read here after it was handed over: neither
 * the frames' memory nor struct steer_map. Everything stays open until the process ends, which is with the connection.
 */
#define _GNU_SOURCE
#include "daemon/session.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sockios.h>
#include <poll.h>
#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/ports.h"
#include "daemon/addresses.h"
#include "daemon/owned.h"
#include "nic/xdp/xdp.h"
#include "nic/xdp/xdp_broker.h"
#include "nic/xdp/xdp_hub.h"

#define REQUEST_MS 5000
#define MAX_COMPLAINTS 20
#define NOBODY 65534

struct session {
	int fd;
	const struct peer *peer;
	const struct session_limits *limits;
	struct policy_grant grant;
	struct xdp_guest guest;
	struct xdp_nic *x;
	struct addresses addresses;
	struct owned owned;
	unsigned complaints;
	char who[64]; /* for the log */
};

static void backend_log(int level, const char *text)
{
	log_write((enum log_level)level, "%s", text);
}

/* ---- the answer ---- */

static void send_refusal(const struct session *s, int err, const char *why)
{
	struct broker_answer answer;

	memset(&answer, 0, sizeof(answer));
	answer.version = BROKER_VERSION;
	answer.err = err;
	snprintf(answer.why, sizeof(answer.why), "%s", why);
	log_warn("refused: %s: %s", s->who, why);
	send(s->fd, &answer, sizeof(answer), MSG_NOSIGNAL);
}

static void fill_answer(const struct session *s, struct broker_answer *answer)
{
	const struct nic *nic = &s->x->nic;

	memset(answer, 0, sizeof(*answer));
	answer->version = BROKER_VERSION;
	answer->flags = nic->flags;
	answer->frame_size = s->x->frame_size;
	answer->queue_count = nic->queue_count;
	answer->rules = s->grant.ports;
	memcpy(answer->rule, s->grant.port, sizeof(answer->rule));
	snprintf(answer->mode, sizeof(answer->mode), "%s", nic->mode);
	for (unsigned i = 0; i < nic->queue_count; i++) {
		answer->queue[i].index = nic->queues[i]->index;
		answer->queue[i].tx_size = xdp_queue_of(nic->queues[i])->tx_size;
	}
	if (s->x->ring)
		answer->ring_size = xdp_ring_size(xdp_queue_of(nic->queues[0]));
}

static unsigned collect_fds(const struct session *s, int fds[BROKER_MAX_FDS])
{
	const struct nic *nic = &s->x->nic;
	unsigned n = 0;

	fds[n++] = s->guest.tables;
	for (unsigned i = 0; i < nic->queue_count; i++) {
		fds[n++] = s->guest.memory[i];
		fds[n++] = nic->queues[i]->fd;
	}
	if (s->x->ring && xdp_ring_packet(xdp_queue_of(nic->queues[0])) >= 0)
		fds[n++] = xdp_ring_packet(xdp_queue_of(nic->queues[0]));
	return n;
}

static int hand_over(const struct session *s)
{
	union {
		char buf[CMSG_SPACE(sizeof(int) * BROKER_MAX_FDS)];
		struct cmsghdr align;
	} control;
	struct broker_answer answer;
	struct iovec iov = { .iov_base = &answer, .iov_len = sizeof(answer) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control };
	int fds[BROKER_MAX_FDS];
	size_t len = collect_fds(s, fds) * sizeof(int);

	fill_answer(s, &answer);
	memset(&control, 0, sizeof(control));
	control.align.cmsg_level = SOL_SOCKET;
	control.align.cmsg_type = SCM_RIGHTS;
	control.align.cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(&control.align), fds, len);
	msg.msg_controllen = CMSG_SPACE(len);
	return sendmsg(s->fd, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* ---- opening ---- */

static int receive_request(const struct session *s, struct broker_open *request)
{
	struct pollfd p = { .fd = s->fd, .events = POLLIN };
	ssize_t len;

	if (poll(&p, 1, REQUEST_MS) != 1)
		return -ETIMEDOUT;
	len = recv(s->fd, request, sizeof(*request), MSG_DONTWAIT);
	if (len < 0)
		return -errno;
	if (len != sizeof(*request) || request->version != BROKER_VERSION)
		return -EPROTO;
	return memchr(request->ifname, '\0', sizeof(request->ifname)) ? 0 : -EPROTO;
}

/* Into the network namespace of the client's socket; true in @other when it is not ours. */
static int enter_netns(const struct session *s, bool *other)
{
	int fd = ioctl(s->fd, SIOCGSKNS), err = 0;
	struct stat theirs, ours;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &theirs) < 0 || stat("/proc/self/ns/net", &ours) < 0)
		err = -errno;
	*other = err == 0 && (theirs.st_ino != ours.st_ino || theirs.st_dev != ours.st_dev);
	if (*other && setns(fd, CLONE_NEWNET) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* 0, or -errno after the client was told. */
static int open_seat(struct session *s, const struct broker_open *request)
{
	struct nic_params params = { .ifname = request->ifname,
				     .rx_ring = request->rx_ring,
				     .tx_ring = request->tx_ring,
				     .frames = request->frames,
				     .log = backend_log };
	int err;

	s->x = xdp_new(&params);
	if (!s->x) {
		send_refusal(s, -ENOMEM, params.why);
		return -ENOMEM;
	}
	s->guest.transmit = s->grant.raw;
	s->guest.max_memory = s->limits->memory;
	s->guest.tables = -1;
	memset(s->guest.memory, -1, sizeof(s->guest.memory));
	s->x->guest = &s->guest;
	err = xdp_open_seat(s->x, &params);
	if (err == 0 && !(s->x->hub->flags & HUB_COOKIES))
		err = xdp_why(
			&params, -EOPNOTSUPP,
			"this kernel does not let a program see whose a socket is (lockdown): run the "
			"server with privileges");
	if (err == 0) {
		err = addresses_open(&s->addresses, s->x->host, s->x->nic.ifindex);
		if (err < 0)
			xdp_why(&params, err, "can not follow the host's addresses: %s",
				strerror(-err));
	}
	if (err < 0)
		send_refusal(s, err, params.why);
	else
		xdp_hub_seal(s->x);
	return err;
}

static int start(struct session *s, const struct policy *policy)
{
	struct broker_open request;
	bool other = false;
	int err = receive_request(s, &request);

	if (err < 0) {
		if (err == -EPROTO)
			send_refusal(s, err,
				     "the client is of another version: install both from one build");
		return err;
	}
	err = enter_netns(s, &other);
	if (err < 0) {
		send_refusal(s, err, "can not enter the client's network namespace");
		return err;
	}
	policy_ask(policy, s->peer, request.ifname, other, &s->grant);
	if (s->grant.ports == 0) {
		send_refusal(
			s, -EACCES,
			"the policy has no line that lets this user have ports of this interface: add one, see "
			"`man kbacceld`");
		return -EACCES;
	}
	return open_seat(s, &request);
}

/* ---- afterwards ---- */

/* What is left to do needs none. */
static int drop_privileges(void)
{
	if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
	    setresuid(NOBODY, NOBODY, NOBODY) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return 0;
}

static void complain(struct session *s, const struct broker_name *name, const char *why)
{
	if (s->complaints++ < MAX_COMPLAINTS)
		log_warn("refused: %s: %u/udp on %s: %s", s->who, name->port, s->x->nic.ifname, why);
}

/* The port's bit in what all who use the interface share. */
static void tell_port(const struct session *s, uint16_t port, bool on)
{
	uint32_t bit = 1u << s->x->seat, *word = &s->x->hub->ports[htons(port)];

	if (on)
		__atomic_fetch_or(word, bit, __ATOMIC_SEQ_CST);
	else
		__atomic_fetch_and(word, ~bit, __ATOMIC_SEQ_CST);
}

static void take_back(struct session *s, uint64_t cookie)
{
	uint16_t port = owned_remove(&s->owned, cookie);

	if (!port)
		return;
	steer_host_owns(s->x->host, cookie, false);
	if (owned_on(&s->owned, port) == 0)
		tell_port(s, port, false);
}

static void grant(struct session *s, uint64_t cookie, int shown)
{
	struct broker_name name;
	bool fresh;

	if (shown < 0 || broker_name_of(shown, &name) < 0 || name.cookie != cookie || !name.port) {
		complain(s, &(struct broker_name){ 0 },
			 "what the client shows is not that bound UDP socket");
		return;
	}
	if (!ports_match(s->grant.port, s->grant.ports, &name.addr, name.port)) {
		complain(s, &name, "the policy does not allow it");
		return;
	}
	take_back(s, cookie);
	fresh = owned_on(&s->owned, name.port) == 0;
	if (owned_add(&s->owned, cookie, name.port) < 0 ||
	    steer_host_owns(s->x->host, cookie, true) < 0) {
		owned_remove(&s->owned, cookie);
		complain(s, &name, "too many sockets");
		return;
	}
	tell_port(s, name.port, true);
	if (fresh && !s->owned.named[name.port])
		log_info("granted: %s: %u/udp on %s", s->who, name.port, s->x->nic.ifname);
	s->owned.named[name.port] = true;
}

/* Closes all but the first. */
static int first_fd(struct msghdr *msg)
{
	int first = -1, fd;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (first < 0)
				first = fd;
			else
				close(fd);
		}
	}
	return first;
}

/* One message of the client. False: it is gone, or does not know how to talk. */
static bool listen_once(struct session *s)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct broker_own own;
	struct iovec iov = { .iov_base = &own, .iov_len = sizeof(own) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	ssize_t len = recvmsg(s->fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	int shown;

	if (len < 0)
		return errno == EAGAIN || errno == EINTR;
	shown = first_fd(&msg);
	if (len == sizeof(own) && own.on)
		grant(s, own.cookie, shown);
	else if (len == sizeof(own))
		take_back(s, own.cookie);
	if (shown >= 0)
		close(shown);
	return len == sizeof(own);
}

static void serve(struct session *s)
{
	struct pollfd p[2] = { { .fd = s->fd, .events = POLLIN },
			       { .fd = addresses_fd(&s->addresses), .events = POLLIN } };

	for (;;) {
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return;
		if (p[1].revents && addresses_follow(&s->addresses) == -ENODEV)
			return;
		if (p[0].revents && !listen_once(s))
			return;
	}
}

static void name_peer(struct session *s)
{
	const struct passwd *pw = getpwuid(s->peer->uid);

	snprintf(s->who, sizeof(s->who), "process %d of user %s (%u)", (int)s->peer->pid,
		 pw ? pw->pw_name : "?", s->peer->uid);
}

int session_peer(int fd, struct peer *peer)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -errno;
	peer->pid = cred.pid;
	peer->uid = cred.uid;
	peer->gid = cred.gid;
	len = sizeof(peer->group);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, peer->group, &len) < 0)
		len = 0; /* in more groups than there is room for: in none */
	peer->groups = len / sizeof(peer->group[0]);
	return 0;
}

void session_run(int fd, const struct peer *peer, const struct policy *policy,
		 const struct session_limits *limits)
{
	static struct session s;
	int err;

	s.fd = fd;
	s.peer = peer;
	s.limits = limits;
	name_peer(&s);
	prctl(PR_SET_NAME, "kbacceld-seat", 0, 0, 0);
	if (start(&s, policy) < 0)
		_exit(1);
	err = hand_over(&s);
	if (err == 0)
		err = drop_privileges();
	if (err < 0) {
		log_error("%s: the seat can not be handed over: %s", s.who, strerror(-err));
		_exit(1);
	}
	log_info("granted: %s: seat %u on %s (%s%s)", s.who, s.x->seat, s.x->nic.ifname,
		 s.x->nic.mode, s.grant.raw ? ", sends frames of any content" : "");
	serve(&s);
	for (unsigned port = 1; port < 65536; port++)
		if (owned_on(&s.owned, (uint16_t)port))
			tell_port(&s, (uint16_t)port, false);
	log_info("ended: %s: seat %u on %s", s.who, s.x->seat, s.x->nic.ifname);
	_exit(0);
}
