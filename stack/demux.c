/* SPDX-License-Identifier: BSD-3-Clause */
/* demux.c - see demux.h. A fixed table of chains; chains are short as every socket has a port of its own or a peer. */
#include "stack/demux.h"

#include <stddef.h>
#include <sys/socket.h>

#include "stack/groups.h"
#include "stack/sock.h"

#define BUCKETS 16384 /* power of two; untouched pages cost nothing */

static struct sock *bucket[BUCKETS];
static unsigned connected,
	specific; /* sockets of that sort: without any, their look-ups are skipped */

static const struct ipaddr any;

static inline __attribute__((always_inline)) uint32_t hash(const struct ipaddr *local,
							   uint16_t local_port,
							   const struct ipaddr *remote,
							   uint16_t remote_port)
{
	uint32_t h = ipaddr_hash(local) + 31 * ipaddr_hash(remote);

	h ^= ((uint32_t)local_port << 16 | remote_port) * 0x9e3779b1u;
	h ^= h >> 15;
	return h & (BUCKETS - 1);
}

static uint32_t hash_of(const struct sock *s)
{
	return hash(&s->local, s->local_port, &s->remote, s->remote_port);
}

int demux_add(struct sock *s)
{
	struct sock **head = &bucket[hash_of(s)];

	if (s->in_demux)
		return 0;
	s->hash_next = *head; /* in front: the last bound one is found first */
	*head = s;
	s->in_demux = true;
	connected += !ipaddr_is_any(&s->remote);
	specific += !ipaddr_is_any(&s->local);
	return 0;
}

void demux_remove(struct sock *s)
{
	struct sock **p = &bucket[hash_of(s)];

	if (!s->in_demux)
		return;
	while (*p != s)
		p = &(*p)->hash_next;
	*p = s->hash_next;
	s->in_demux = false;
	connected -= !ipaddr_is_any(&s->remote);
	specific -= !ipaddr_is_any(&s->local);
}

static bool takes(const struct sock *s, const struct ipaddr *local, const struct ipaddr *remote,
		  const struct demux_key *packet, uint16_t remote_port, bool v6)
{
	if (s->local_port != packet->local_port || s->remote_port != remote_port ||
	    !ipaddr_equal(&s->local, local) || !ipaddr_equal(&s->remote, remote) ||
	    (s->bound_if && s->bound_if != packet->ifindex))
		return false;
	return v6 ? s->family == AF_INET6 : s->family == AF_INET || !s->v6only;
}

/* Under one key: bound to the device, then of the packet's own family (net/ipv4/udp.c compute_score()). */
static int rank(const struct sock *s)
{
	return (s->bound_if != 0) * 2 + (s->family == AF_INET);
}

/*
 * The socket of a reuseport group that the four-tuple falls on; @n members, counted by the caller. Those that nobody here has
 * received on yet have rules in another process, if at all. One that rests (sock_rest()) had a rule when the frame came.
 */
static struct sock *choose(struct sock *first, unsigned n, bool served, const struct ipaddr *local,
			   const struct ipaddr *remote, const struct demux_key *packet,
			   uint16_t remote_port, bool v6)
{
	uint32_t h = ipaddr_hash(&packet->remote) ^ (packet->remote_port * 0x9e3779b1u);
	unsigned k = (unsigned)(((uint64_t)(h * 0x85ebca6bu) * n) >> 32);

	for (struct sock *s = first; s; s = s->hash_next)
		if (rank(s) == rank(first) && (!served || relaxed_get(s->served)) &&
		    takes(s, local, remote, packet, remote_port, v6) && k-- == 0)
			return s;
	return first;
}

/* The best for it among @s, which takes it, and those behind it in the chain. */
static __attribute__((noinline)) struct sock *find_among(struct sock *s, const struct ipaddr *local,
							 const struct ipaddr *remote,
							 uint16_t remote_port,
							 const struct demux_key *packet, bool v6)
{
	struct sock *best = NULL;
	unsigned same = 0, served = 0;
	bool group = true;

	for (; s; s = s->hash_next) {
		if (!takes(s, local, remote, packet, remote_port, v6))
			continue;
		if (!best || rank(s) > rank(best)) {
			best = s;
			same = served = 0;
			group = true;
		}
		if (rank(s) != rank(best))
			continue;
		same++;
		served += relaxed_get(s->served);
		group = group && s->reuseport;
	}
	if (same > 1 && group)
		return choose(best, served ? served : same, served, local, remote, packet,
			      remote_port, v6);
	return best;
}

/* Inlined, as much of it is done by the compiler where the addresses are constants. */
static inline __attribute__((always_inline)) struct sock *
find(const struct ipaddr *local, const struct ipaddr *remote, uint16_t remote_port,
     const struct demux_key *packet, bool v6)
{
	struct sock *s = bucket[hash(local, packet->local_port, remote, remote_port)];

	while (s && !takes(s, local, remote, packet, remote_port, v6))
		s = s->hash_next;
	if (__builtin_expect(!s || !s->hash_next, 1))
		return s;
	return find_among(s, local, remote, remote_port, packet, v6);
}

static __attribute__((noinline)) struct sock *find_connected(const struct demux_key *packet, bool v6)
{
	struct sock *s = find(&packet->local, &packet->remote, packet->remote_port, packet, v6);

	return s ? s : find(&any, &packet->remote, packet->remote_port, packet, v6);
}

static __attribute__((noinline)) struct sock *find_specific(const struct demux_key *packet, bool v6)
{
	return find(&packet->local, &any, 0, packet, v6);
}

struct sock *demux_find(const struct demux_key *packet, bool v6)
{
	struct sock *s = connected ? find_connected(packet, v6) : NULL;

	if (!s && specific)
		s = find_specific(packet, v6);
	return s ? s : find(&any, &any, 0, packet, v6);
}

static void visit(const struct ipaddr *local, const struct ipaddr *remote, uint16_t remote_port,
		  const struct demux_key *packet, bool v6, void (*fn)(void *, struct sock *),
		  void *arg)
{
	for (struct sock *s = bucket[hash(local, packet->local_port, remote, remote_port)]; s;
	     s = s->hash_next)
		if (takes(s, local, remote, packet, remote_port, v6) && groups_hears(s, packet, v6))
			fn(arg, s);
}

void demux_each(const struct demux_key *packet, bool v6, void (*fn)(void *arg, struct sock *s),
		void *arg)
{
	if (connected) {
		visit(&packet->local, &packet->remote, packet->remote_port, packet, v6, fn, arg);
		visit(&any, &packet->remote, packet->remote_port, packet, v6, fn, arg);
	}
	visit(&packet->local, &any, 0, packet, v6, fn, arg);
	visit(&any, &any, 0, packet, v6, fn, arg);
}
