/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * send.c - every send call on an accelerated socket (contracts in sock.h).
 *
 * The fast path takes what is ordinary: to a neighbour that is resolved, or to a group that this host is not to hear, out of an interface that is open,
 * within the MTU or cut into such (UDP_SEGMENT), with no option that changes the packet beyond TTL, TOS and source.
 * Everything else, all errors included, is sent by the shadow from the same port (R11), and so behaves as without us.
 */
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <string.h>

#include "base/clock.h"
#include "base/kernel.h"
#include "base/real.h"
#include "stack/capture.h"
#include "stack/epoll.h"
#include "stack/lwip_port.h"
#include "stack/pathmtu.h"
#include "stack/sendcmsg.h"
#include "stack/sock.h"
#include "stack/sockname.h"
#include "stack/stack.h"
#include "stack/usermem.h"
#include "stack/wait.h"

#define KNOWN_FLAGS (MSG_DONTWAIT | MSG_NOSIGNAL | MSG_CONFIRM)
#define CONFIRM_NS NSEC_PER_SEC
#define SAFE_MTU                                                                                   \
	1280 /* where only the kernel knows the path's MTU larger ones with DF are its own */
#define MAX_PAYLOAD 65507 /* bytes of payload in an IPv4 packet */
#define MAX_SEGMENTS                                                                               \
	64 /* UDP_MAX_SEGMENTS, which was this before Linux 6.9; more are the kernel's to send or to refuse */
_Static_assert(MAX_SEGMENTS <= NIC_BURST, "the segments of a send are one burst");

/* Where a datagram goes: filled step by step, any step may end on the kernel path. */
struct route {
	struct tx_dgram d;
	struct hostnet_hop hop;
	struct iface *iface;
	struct sendcmsg more; /* the interface; and the size of segments, 0: one datagram */
	uint32_t segments; /* of that size, and the last one of what is left; 0 also if it is one datagram */
	bool confirm; /* this one through the shadow: the kernel shall probe the neighbour */
};

static ssize_t through_shadow(struct sock *s, int fd, const struct msghdr *msg, int flags,
			      enum stats_counter why)
{
	struct stats_socket *shown = sock_stats(s);
	ssize_t r;

	stack_kick(); /* the order of sends */
	r = kernel_sendmsg(fd, msg, flags);
	if (r < 0)
		return r;
	relaxed_set(s->corked, (flags & MSG_MORE) != 0);
	stats_add(why, 1);
	stats_add(STAT_tx_shadow, 1);
	if (shown) {
		relaxed_add(shown->tx_shadow, 1);
		relaxed_add(shown->tx_shadow_bytes, (uint64_t)r);
	}
	return r;
}

/* What SO_ERROR says, and takes away, by a call that every server is allowed. */
static __attribute__((noinline)) int error_by_peeking(int fd)
{
	struct msghdr none = { .msg_iovlen = 0 };
	ssize_t r = kernel_recvmsg(fd, &none, MSG_PEEK | MSG_DONTWAIT);

	return r < 0 && r != -EAGAIN ? (int)-r : 0;
}

/* An ICMP error that the shadow got is this call's error, as in the kernel; looked for every 50 us. */
static inline __attribute__((always_inline)) int pending_error(struct sock *s, int fd)
{
	uint64_t now = clock_ticks();
	int err = 0;
	socklen_t len = sizeof(err);

	if (!relaxed_get(s->errors_due) || now < relaxed_get(s->error_due))
		return 0;
	relaxed_set(s->error_due, now + WAIT_KERNEL_US * clock_ticks_per_us);
	if (sandbox_forbids(SYS_getsockopt))
		err = error_by_peeking(fd);
	else if (kernel_getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		return 0;
	if (err == EMSGSIZE)
		stack_path_changed();
	return -err;
}

static bool total_length(const struct msghdr *msg, uint32_t *total)
{
	size_t sum = 0;

	if (msg->msg_iovlen > IOV_MAX ||
	    !usermem_readable(msg->msg_iov, msg->msg_iovlen * sizeof(*msg->msg_iov)))
		return false;
	for (size_t i = 0; i < msg->msg_iovlen; i++) {
		if (msg->msg_iov[i].iov_len > UINT16_MAX ||
		    !usermem_plain(msg->msg_iov[i].iov_base, msg->msg_iov[i].iov_len))
			return false;
		sum += msg->msg_iov[i].iov_len;
	}
	*total = (uint32_t)sum;
	return sum <= UINT16_MAX && usermem_iov_readable(msg->msg_iov, msg->msg_iovlen);
}

static bool destination(const struct sock *s, const struct msghdr *msg, struct route *r)
{
	if (!msg->msg_name) {
		r->d.destination = ipaddr_read(&s->remote);
		r->d.destination_port = relaxed_get(s->remote_port);
		return relaxed_get(s->connected);
	}
	return usermem_readable(msg->msg_name, msg->msg_namelen) && msg->msg_namelen >= 16 &&
	       msg->msg_namelen <= sizeof(struct sockaddr_storage) &&
	       sockname_parse(relaxed_get(s->family), msg->msg_name, msg->msg_namelen,
			      &r->d.destination, &r->d.destination_port, &r->more.oif);
}

/*
 * A program that only sends takes the queues over by its first datagram, as others do by their first wait; but not those of a
 * socket that a relative may be about to serve.
 */
static bool may_drive(const struct sock *s)
{
	return __builtin_expect(relaxed_get(stack.owner), 1) ||
	       (!relaxed_get(s->shared) && stack_claim_to_send());
}

/* Which sockets set DF: net/ipv4/ip_output.c __ip_make_skb(). */
static bool sets_df(const struct sock *s)
{
	uint8_t how = relaxed_get(s->pmtudisc);

	return how == IP_PMTUDISC_WANT || how == IP_PMTUDISC_DO || how == IP_PMTUDISC_PROBE;
}

/*
 * Which datagrams are numbered: include/net/ip.h ip_select_ident_segs(). Those of connected sockets, and of others unless
 * the sender insists on DF.
 */
static bool is_numbered(const struct sock *s)
{
	uint8_t how = relaxed_get(s->pmtudisc);

	return relaxed_get(s->connected) || (how != IP_PMTUDISC_DO && how != IP_PMTUDISC_PROBE);
}

/* Fills in what the packet looks like. False: not for the fast path. */
static bool describe(struct sock *s, const struct msghdr *msg, int flags, struct route *r)
{
	int family = relaxed_get(s->family), bound_if = relaxed_get(s->bound_if);
	bool v4;

	if ((flags & ~KNOWN_FLAGS) || !relaxed_get(s->tx_plain) || relaxed_get(s->tx_sticky) ||
	    relaxed_get(s->corked) || !may_drive(s) || !total_length(msg, &r->d.len) ||
	    !destination(s, msg, r))
		return false;
	v4 = ipaddr_is_v4(&r->d.destination);
	r->d.source = ipaddr_read(&s->local);
	r->d.source_port = relaxed_get(s->local_port);
	r->d.ttl = v4 ? relaxed_get(s->ttl) : relaxed_get(s->hops);
	r->d.tos = v4 ? relaxed_get(s->tos) : relaxed_get(s->tclass);
	r->d.dont_fragment = sets_df(s);
	r->d.numbered = is_numbered(s);
	r->more.segment = relaxed_get(s->segment);
	r->d.iov = msg->msg_iov;
	r->d.iovcnt = msg->msg_iovlen;
	if (bound_if && !r->more.oif)
		r->more.oif = (uint32_t)bound_if;
	if (!v4 && family == AF_INET6 && ipaddr_is_v4(&r->d.source))
		return false;
	if (v4 && relaxed_get(s->v6only))
		return false;
	return !msg->msg_controllen ||
	       (msg->msg_control && sendcmsg_parse(msg, family, &r->d, &r->more));
}

static enum stats_counter reason(enum hostnet_verdict verdict)
{
	switch (verdict) {
	case HOSTNET_LOCAL:
		return STAT_tx_local;
	case HOSTNET_NO_NEIGHBOUR:
		return STAT_tx_no_neighbour;
	default:
		return STAT_tx_no_route;
	}
}

static bool cached(const struct sock *s, const struct route *r)
{
	return relaxed_get(s->tx_generation) ==
		       __atomic_load_n(&hostnet_generation, __ATOMIC_ACQUIRE) &&
	       !r->more.oif && ipaddr_equal(&s->tx_to, &r->d.destination) &&
	       ipaddr_equal(&s->tx_from, &r->d.source);
}

/* The route and neighbour, from the socket's last datagram or from the tables. */
static enum hostnet_verdict look_up(struct sock *s, struct route *r)
{
	enum hostnet_verdict v;
	uint32_t generation;

	if (!lock_try(&s->tx_lock))
		return HOSTNET_ODD_ROUTE;
	if (cached(s, r)) {
		v = (enum hostnet_verdict)s->tx_verdict;
		r->hop = s->tx_hop;
		r->iface = s->tx_iface;
	} else {
		generation = __atomic_load_n(&hostnet_generation, __ATOMIC_ACQUIRE);
		v = hostnet_lookup(&r->d.destination, &r->d.source, (int)r->more.oif, &r->hop);
		r->iface = v == HOSTNET_OK ? stack_iface(r->hop.ifindex) : NULL;
		/* "Odd" may also mean that the tables were busy: ask again next time. */
		if (!r->more.oif && v != HOSTNET_ODD_ROUTE) {
			s->tx_to = r->d.destination;
			s->tx_from = r->d.source;
			s->tx_verdict = (int)v;
			s->tx_hop = r->hop;
			s->tx_iface = r->iface;
			relaxed_set(s->tx_generation, generation);
		}
	}
	if (v == HOSTNET_OK && r->hop.confirm && clock_ns() >= s->confirm_due) {
		s->confirm_due = clock_ns() + CONFIRM_NS;
		r->confirm = true;
	}
	lock_release(&s->tx_lock);
	return v;
}

/* The interface that a link-local group's address names. */
static uint32_t group_scope(const struct sock *s, const struct msghdr *msg)
{
	const struct sockaddr_in6 *to = msg->msg_name;

	return relaxed_get(s->family) == AF_INET6 && to && msg->msg_namelen >= sizeof(*to)
		       ? to->sin6_scope_id
		       : 0;
}

/*
 * To a group: by udp_sendmsg() and udpv6_sendmsg() from the interface that the message, the address, or the option names.
 * Without one, and where members on this host may hear it (sk_mc_loop()), it is the kernel's.
 */
static __attribute__((noinline)) enum hostnet_verdict
look_up_group(const struct sock *s, const struct msghdr *msg, struct route *r)
{
	bool v4 = ipaddr_is_v4(&r->d.destination);
	int family = relaxed_get(s->family), mc_if = relaxed_get(s->mc_if);
	uint8_t ttl = relaxed_get(s->mc_ttl);
	unsigned scope = v4 ? 14 : r->d.destination.b[1] & 0xf;
	enum hostnet_verdict v;
	uint32_t given;

	/* The other family's options would hold; the node's own scope; one that is not to leave the host. */
	if (relaxed_get(s->mc_loop) || v4 != (family == AF_INET) || scope < 2 || !ttl)
		return HOSTNET_LOCAL;
	given = scope == 2 ? group_scope(s, msg) : 0;
	if (!given)
		given = (uint32_t)relaxed_get(s->bound_if);
	r->d.source = ipaddr_read(&s->local);
	if (ipaddr_is_multicast(&r->d.source) || ipaddr_is_any(&r->d.source))
		r->d.source = ipaddr_read(&s->mc_source);
	r->d.ttl = ttl;
	r->more.oif = given;
	if (msg->msg_control && msg->msg_controllen && !sendcmsg_parse(msg, family, &r->d, &r->more))
		return HOSTNET_ODD_ROUTE;
	if (!r->d.ttl || (given && r->more.oif != given))
		return HOSTNET_ODD_ROUTE;
	if (!r->more.oif)
		r->more.oif = (uint32_t)mc_if;
	if (!r->more.oif)
		return HOSTNET_ODD_ROUTE;
	v = hostnet_lookup_group(&r->d.destination, &r->d.source, (int)r->more.oif, &r->hop);
	r->iface = v == HOSTNET_OK ? stack_iface(r->hop.ifindex) : NULL;
	return v;
}

/* May an IP packet of @len bytes go straight to the neighbour? */
static bool fits(const struct route *r, uint32_t len, bool bound_by_path)
{
	return len <= r->hop.mtu && len <= r->iface->engine[0]->queue->frame_size - 512 &&
	       !(r->hop.gateway && len > SAFE_MTU && bound_by_path && !pathmtu_is_open());
}

/*
 * UDP_SEGMENT, as net/ipv4/udp.c udp_send_skb() and net/ipv6/udp.c udp_v6_send_skb() have it: the size has to fit the path's
 * MTU even if there is less to send. What they refuse is left to them.
 */
static __attribute__((noinline)) bool fits_in_segments(const struct sock *s, struct route *r,
						       uint32_t headers)
{
	uint32_t size = r->more.segment;

	if (!fits(r, size + headers, true) || r->d.len > size * MAX_SEGMENTS ||
	    r->d.len > MAX_PAYLOAD)
		return false;
	if (r->d.len <= size)
		return true;
	r->segments = (r->d.len + size - 1) / size;
	/* ip_output.c __ip_make_skb() looks at the length of all of them together. */
	if (relaxed_get(s->pmtudisc) == IP_PMTUDISC_WANT && r->d.len + headers > r->hop.mtu)
		r->d.dont_fragment = false;
	return true;
}

/* Decides the way of one datagram: STAT_COUNT for the fast path, else why not. */
static enum stats_counter decide(struct sock *s, const struct msghdr *msg, int flags,
				 struct route *r)
{
	enum hostnet_verdict v;
	uint32_t headers, mtu;
	bool v4;

	memset(r, 0, offsetof(struct route, hop));
	r->iface = NULL;
	r->more.oif = 0;
	r->segments = 0;
	r->confirm = false;
	if (!describe(s, msg, flags, r))
		return STAT_tx_option;
	v = look_up(s, r);
	if (v == HOSTNET_LOCAL && ipaddr_is_multicast(&r->d.destination))
		v = look_up_group(s, msg, r);
	if (v != HOSTNET_OK)
		return reason(v);
	if (!r->iface || relaxed_get(r->iface->dead) || !r->iface->engines ||
	    (r->iface->nic->flags & NIC_F_RX_ONLY))
		return STAT_tx_no_route;
	if (r->confirm)
		return STAT_tx_no_neighbour;
	v4 = ipaddr_is_v4(&r->d.destination);
	headers = v4 ? 28 : 48;
	mtu = relaxed_get(s->fragment_mtu);
	if (__builtin_expect(mtu && !v4 && r->d.len + headers > mtu, 0))
		return STAT_tx_too_big;
	if (__builtin_expect(r->more.segment, 0)
		    ? !fits_in_segments(s, r, headers)
		    : !fits(r, r->d.len + headers, !v4 || r->d.dont_fragment))
		return STAT_tx_too_big;
	r->d.source = r->hop.source;
	return STAT_COUNT;
}

static struct engine *pick_engine(const struct iface *f)
{
	return f->engine[__libc_single_threaded || f->engines == 1 ? 0 : lock_self() % f->engines];
}

/* The next segment of at most @size bytes out of @all, whose rest stays there. */
static struct tx_dgram cut(struct tx_dgram *all, uint32_t size)
{
	struct tx_dgram d = *all;
	size_t left;

	d.len = all->len < size ? all->len : size;
	all->len -= d.len;
	all->id++;
	for (left = d.len + all->skip; all->iovcnt && left >= all->iov->iov_len; all->iovcnt--)
		left -= all->iov++->iov_len;
	all->skip = (uint16_t)left;
	return d;
}

static unsigned build_segments(struct engine *e, const struct route *r, uint8_t *const *base,
			       struct nic_frame *frames)
{
	struct tx_dgram all = r->d, d;
	unsigned i;

	for (i = 0; i < r->segments; i++) {
		d = cut(&all, r->more.segment);
		if (lwip_port_output(e, &d, &r->hop, base[i], &frames[i]) < 0)
			break;
	}
	return i;
}

/* All of them or none: half of a send could neither be reported nor repeated. */
static __attribute__((noinline)) bool put_segments(struct engine *e, const struct route *r)
{
	struct nic_frame frames[MAX_SEGMENTS];
	uint8_t *base[MAX_SEGMENTS];
	unsigned got = nic_tx_alloc(e->queue, base, r->segments), sent = 0;

	if (got == r->segments && build_segments(e, r, base, frames) == got) {
		capture_frames(e->queue, frames, got, CAPTURE_OUT);
		sent = nic_tx_burst(e->queue, frames, got);
	}
	if (sent < got)
		nic_free(e->queue, base + sent, got - sent);
	return sent > 0;
}

/* The engine's lock is held. False: no room. */
static bool put_frame(struct engine *e, const struct route *r)
{
	struct nic_frame frame;
	uint8_t *base;

	if (__builtin_expect(r->segments, 0))
		return put_segments(e, r);
	if (nic_tx_alloc(e->queue, &base, 1) == 0)
		return false;
	if (lwip_port_output(e, &r->d, &r->hop, base, &frame) == 0) {
		capture_frames(e->queue, &frame, 1, CAPTURE_OUT);
		if (nic_tx_burst(e->queue, &frame, 1) == 1)
			return true;
	}
	nic_free(e->queue, &base, 1);
	return false;
}

/* The ring was full, or the pool empty: readers may have given frames back, and the NIC may be through with others. */
static __attribute__((noinline)) bool put_again(struct engine *e, const struct route *r)
{
	engine_reclaim(e);
	engine_kick(e);
	return put_frame(e, r);
}

/* See hold.h. */
static inline bool may_hold(struct sock *s, const struct engine *e, uint64_t now)
{
	return __builtin_expect(config.tx_batch > 1, 1) &&
	       hold_trusts(&s->hold, now, e->held != 0) &&
	       e->held + 1 < (uint64_t)config.tx_batch && sock_readable(s);
}

static inline void hold(struct engine *e, const struct sock *s, uint64_t now)
{
	engine_hold(e, s, now);
	__atomic_store_n(&stack.holding, true, __ATOMIC_RELEASE);
}

static inline __attribute__((always_inline)) void count_fast(struct sock *s, const struct route *r)
{
	uint32_t datagrams = r->segments + !r->segments;

	relaxed_add(s->stats->tx_fast, datagrams);
	relaxed_add(s->stats->tx_fast_bytes, r->d.len);
	stats_add(STAT_tx_fast, datagrams);
	if (__builtin_expect(relaxed_get(s->write_edges), 0))
		epoll_sent(s);
}

ssize_t sock_sendmsg(struct sock *s, int fd, const struct msghdr *msg, int flags)
{
	struct engine *e;
	enum stats_counter why;
	struct route r;
	uint64_t now;
	bool sent;
	int err;

	if (!usermem_readable(msg, sizeof(*msg)))
		return -EFAULT;
	now = stack_tick();
	why = decide(s, msg, flags, &r);
	if (why != STAT_COUNT)
		return through_shadow(s, fd, msg, flags, why);
	err = pending_error(s, fd);
	if (err)
		return err;
	e = pick_engine(r.iface);
	if (!lock_acquire(&e->lock))
		return through_shadow(s, fd, msg, flags, STAT_tx_ring_full);
	sent = put_frame(e, &r) || put_again(e, &r);
	if (sent && may_hold(s, e, now))
		hold(e, s, now);
	else if (sent)
		engine_kick(e);
	lock_release(&e->lock);
	if (!sent)
		return through_shadow(s, fd, msg, flags, STAT_tx_ring_full);
	count_fast(s, &r);
	return (ssize_t)r.d.len;
}

/*
 * The fast part of a vector: frames of consecutive messages go to the ring under one lock, with one kick at the end.
 * Returns how many. @why: STAT_COUNT, or why the message after them is the kernel's to send.
 */
static unsigned send_burst(struct sock *s, struct mmsghdr *vec, unsigned n, int flags,
			   enum stats_counter *why)
{
	struct engine *e = NULL;
	struct route r;
	unsigned i;

	*why = STAT_COUNT;
	for (i = 0; i < n; i++) {
		*why = decide(s, &vec[i].msg_hdr, flags, &r);
		if (*why != STAT_COUNT)
			break;
		if (e && e->iface != r.iface)
			break;
		if (!e) {
			e = pick_engine(r.iface);
			if (!lock_acquire(&e->lock))
				return 0;
		}
		if (!put_frame(e, &r) && !put_again(e, &r))
			break;
		count_fast(s, &r);
		vec[i].msg_len = r.d.len;
	}
	if (e) {
		engine_kick(e);
		lock_release(&e->lock);
	}
	return i;
}

int sock_sendmmsg(struct sock *s, int fd, struct mmsghdr *vec, unsigned n, int flags)
{
	enum stats_counter why;
	unsigned done = 0;
	ssize_t r;

	if (n > IOV_MAX)
		n = IOV_MAX;
	if (n == 0 || !usermem_readable(vec, n * sizeof(*vec)) ||
	    !usermem_writable_kept(&vec[0].msg_len, sizeof(vec[0].msg_len))) {
		r = real.sendmmsg(fd, vec, n, flags);
		return r < 0 ? -errno : (int)r;
	}
	stack_tick();
	r = pending_error(s, fd);
	if (r)
		return (int)r;
	while (done < n) {
		done += send_burst(s, vec + done, n - done, flags, &why);
		if (done == n)
			break;
		r = why == STAT_COUNT ? sock_sendmsg(s, fd, &vec[done].msg_hdr, flags)
				      : through_shadow(s, fd, &vec[done].msg_hdr, flags, why);
		if (r < 0)
			return done ? (int)done : (int)r;
		vec[done++].msg_len = (unsigned)r;
		/* The kernel's MSG_PROBE: data is left, where net/socket.c __sys_sendmmsg() stops. */
		if (r && (flags & MSG_PROXY))
			break;
	}
	return (int)done;
}
