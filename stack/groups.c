/* SPDX-License-Identifier: BSD-3-Clause */
/* groups.c - see groups.h. Memberships are written with all engines locked, and read under any engine's lock. */
#define _GNU_SOURCE
#include "stack/groups.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/kernel.h"
#include "base/log.h"
#include "base/slab.h"
#include "base/stats.h"
#include "stack/fdtable.h"
#include "stack/hostnet.h"
#include "stack/sock.h"
#include "stack/sockdiag.h"
#include "stack/stack.h"

#define GROUPS_MAX 1024 /* of one socket; further ones stay with the kernel */
#define CHECK_MS 20	/* between two looks at a port for other receivers */

static struct slab slab = SLAB(struct group, next, 65536);
static bool watched; /* some socket's groups may have other receivers */
static const struct ipaddr any;

void groups_reserve(void)
{
	slab_reserve(&slab, 256);
}

/* ---- which group an option is about ---- */

enum shape { SHAPE_V4, SHAPE_V6, SHAPE_STORAGE };

static const struct {
	int level, name;
	enum shape shape; /* of the group's address; a sockaddr_storage stands behind the interface's number */
} naming[] = {
	{ SOL_IP, IP_ADD_MEMBERSHIP, SHAPE_V4 },
	{ SOL_IP, IP_DROP_MEMBERSHIP, SHAPE_V4 },
	{ SOL_IP, IP_ADD_SOURCE_MEMBERSHIP, SHAPE_V4 },
	{ SOL_IP, IP_DROP_SOURCE_MEMBERSHIP, SHAPE_V4 },
	{ SOL_IP, IP_BLOCK_SOURCE, SHAPE_V4 },
	{ SOL_IP, IP_UNBLOCK_SOURCE, SHAPE_V4 },
	{ SOL_IP, IP_MSFILTER, SHAPE_V4 },
	{ SOL_IPV6, IPV6_ADD_MEMBERSHIP, SHAPE_V6 },
	{ SOL_IPV6, IPV6_DROP_MEMBERSHIP, SHAPE_V6 },
	{ 0, MCAST_JOIN_GROUP, SHAPE_STORAGE }, /* both levels have these */
	{ 0, MCAST_LEAVE_GROUP, SHAPE_STORAGE },
	{ 0, MCAST_JOIN_SOURCE_GROUP, SHAPE_STORAGE },
	{ 0, MCAST_LEAVE_SOURCE_GROUP, SHAPE_STORAGE },
	{ 0, MCAST_BLOCK_SOURCE, SHAPE_STORAGE },
	{ 0, MCAST_UNBLOCK_SOURCE, SHAPE_STORAGE },
	{ 0, MCAST_MSFILTER, SHAPE_STORAGE },
};

static bool from_storage(const void *value, socklen_t len, struct ipaddr *group)
{
	struct group_req req;

	if (len < sizeof(req))
		return false;
	memcpy(&req, value, sizeof(req));
	if (req.gr_group.ss_family == AF_INET)
		*group = ipaddr_from_v4(((struct sockaddr_in *)&req.gr_group)->sin_addr.s_addr);
	else if (req.gr_group.ss_family == AF_INET6)
		*group = ipaddr_from_v6(&((struct sockaddr_in6 *)&req.gr_group)->sin6_addr);
	else
		return false;
	return true;
}

static bool from_shape(enum shape shape, const void *value, socklen_t len, struct ipaddr *group)
{
	uint32_t v4;

	if (shape == SHAPE_STORAGE)
		return from_storage(value, len, group);
	if (len < (shape == SHAPE_V4 ? sizeof(v4) : sizeof(struct in6_addr)))
		return false;
	if (shape == SHAPE_V6) {
		*group = ipaddr_from_v6(value);
		return true;
	}
	memcpy(&v4, value, sizeof(v4));
	*group = ipaddr_from_v4(v4);
	return true;
}

bool groups_named(int level, int name, const void *value, socklen_t len, struct ipaddr *group)
{
	if (level != SOL_IP && level != SOL_IPV6)
		return false;
	for (size_t i = 0; i < sizeof(naming) / sizeof(naming[0]); i++)
		if (naming[i].name == name && (!naming[i].level || naming[i].level == level))
			return from_shape(naming[i].shape, value, len, group) &&
			       ipaddr_is_multicast(group);
	return false;
}

/* ---- memberships, read back ---- */

static struct group *find(struct sock *s, const struct ipaddr *addr, int ifindex)
{
	struct group *g = s->groups;

	while (g && (g->ifindex != ifindex || !ipaddr_equal(&g->addr, addr)))
		g = g->next;
	return g;
}

static void add(struct sock *s, const struct group *model)
{
	struct group *g;

	if (s->group_count >= GROUPS_MAX || !(g = slab_get(&slab)))
		return;
	*g = *model;
	g->next = s->groups;
	s->groups = g;
	s->group_count++;
}

static void drop_flow(struct group *g)
{
	if (g->flow)
		flow_put(g->flow, NULL);
	g->flow = NULL;
}

void groups_forget_flows(struct sock *s)
{
	for (struct group *g = s->groups; g; g = g->next)
		g->flow = NULL;
}

/* All of @addr that are not fresh, or, for NULL, all. */
static void remove_stale(struct sock *s, const struct ipaddr *addr)
{
	struct group **p = &s->groups, *g;

	while ((g = *p)) {
		if (addr && (g->fresh || !g->ifindex || !ipaddr_equal(&g->addr, addr))) {
			p = &g->next;
			continue;
		}
		drop_flow(g);
		*p = g->next;
		s->group_count--;
		slab_put(&slab, g);
	}
}

/* A group_filter with room for sources, as the kernel fills it in. */
union filter {
	struct group_filter gf;
	uint8_t bytes[sizeof(struct group_filter) + GROUP_SOURCES * sizeof(struct sockaddr_storage)];
};

static struct ipaddr address_of(const struct sockaddr_storage *ss)
{
	if (ss->ss_family == AF_INET)
		return ipaddr_from_v4(((const struct sockaddr_in *)ss)->sin_addr.s_addr);
	return ipaddr_from_v6(&((const struct sockaddr_in6 *)ss)->sin6_addr);
}

static void name_group(struct sockaddr_storage *ss, const struct ipaddr *addr)
{
	if (ipaddr_is_v4(addr)) {
		ss->ss_family = AF_INET;
		((struct sockaddr_in *)ss)->sin_addr.s_addr = ipaddr_v4(addr);
	} else {
		ss->ss_family = AF_INET6;
		memcpy(&((struct sockaddr_in6 *)ss)->sin6_addr, addr->b, 16);
	}
}

/* Is the socket a member of @g->addr on @g->ifindex? Fills in the rest. */
static bool read_filter(int fd, struct group *g)
{
	union filter f = { .gf = { .gf_interface = (uint32_t)g->ifindex,
				   .gf_numsrc = GROUP_SOURCES } };
	socklen_t len = (socklen_t)GROUP_FILTER_SIZE(GROUP_SOURCES);

	name_group(&f.gf.gf_group, &g->addr);
	if (kernel_getsockopt(fd, ipaddr_is_v4(&g->addr) ? SOL_IP : SOL_IPV6, MCAST_MSFILTER, &f,
			      &len) < 0)
		return false;
	g->exclude = f.gf.gf_fmode == MCAST_EXCLUDE;
	g->too_many = f.gf.gf_numsrc > GROUP_SOURCES;
	g->sources = (uint8_t)(g->too_many ? 0 : f.gf.gf_numsrc);
	for (unsigned i = 0; i < g->sources; i++)
		g->source[i] = address_of(&f.gf.gf_slist[i]);
	return true;
}

static void take_over(struct sock *s, const struct group *now)
{
	struct group *g = find(s, &now->addr, now->ifindex), *next;
	struct flow *flow;

	if (!g) {
		add(s, now);
		return;
	}
	next = g->next;
	flow = g->flow;
	*g = *now;
	g->next = next;
	g->flow = flow;
}

/* The name itself is kept while there is a membership, or while it cannot be told yet. */
static void read_group(struct sock *s, int fd, const struct ipaddr *addr)
{
	static struct hostnet_link links[HOSTNET_MAX_LINKS];
	unsigned n = hostnet_links(links, HOSTNET_MAX_LINKS);

	if (!stack_exclusive_begin())
		return;
	for (struct group *g = s->groups; g; g = g->next)
		g->fresh = false;
	for (unsigned i = 0; i < n; i++) {
		struct group now = { .addr = *addr, .ifindex = links[i].ifindex, .fresh = true };

		if (read_filter(fd, &now))
			take_over(s, &now);
	}
	remove_stale(s, addr);
	stack_exclusive_end();
}

void groups_read(struct sock *s, int fd)
{
	struct ipaddr name[64];
	unsigned n = 0;

	for (struct group *g = s->groups; g && n < 64; g = g->next)
		if (!g->ifindex)
			name[n++] = g->addr;
	for (unsigned i = 0; i < n; i++)
		read_group(s, fd, &name[i]);
}

void groups_changed(struct sock *s, int fd, const struct ipaddr *group)
{
	struct group name = { .addr = *group };

	if (!lock_acquire(&stack.lock))
		return;
	stack_drain();
	if (!find(s, group, 0))
		add(s, &name);
	if (stack_is_ready() && s->state != SOCK_IDLE) {
		read_group(s, fd, group);
		if (s->state == SOCK_ACTIVE)
			groups_steer(s);
	}
	lock_release(&stack.lock);
}

void groups_free(struct sock *s)
{
	remove_stale(s, NULL);
}

static bool listed(const struct group *g, const struct ipaddr *source)
{
	for (unsigned i = 0; i < g->sources; i++)
		if (ipaddr_equal(&g->source[i], source))
			return true;
	return false;
}

/* IPv6 goes by the group alone, whatever interface the datagram came in by; IPv4 by both. */
bool groups_hears(const struct sock *s, const struct demux_key *packet, bool v6)
{
	const struct group *g = s->groups;

	while (g && (!g->ifindex || (!v6 && g->ifindex != packet->ifindex) ||
		     !ipaddr_equal(&g->addr, &packet->local)))
		g = g->next;
	if (!g)
		return v6 ? s->group_all6 : s->group_all4;
	return listed(g, &packet->remote) != g->exclude;
}

/* ---- other receivers ---- */

/* What else the kernel has on a port. */
static struct survey {
	uint16_t port;
	bool known;	/* false: could not be told */
	bool fresh;	/* made a moment ago, for all sockets of the port */
	bool wildcard;	/* somebody else's socket takes any group */
	unsigned bound; /* others bound to a group: */
	struct ipaddr group[16];
} survey;

static uint64_t looked_for;
static bool is_own;

static void compare_cookie(int fd, struct file *f)
{
	struct sock *s = (struct sock *)f;

	(void)fd;
	if (f->kind != FILE_SOCK || !sock_may_be_steered(s) || s->local_port != survey.port)
		return;
	is_own = is_own || s->cookie == looked_for;
}

static void note_socket(void *arg, const struct sockdiag_entry *e)
{
	(void)arg;
	if (!ipaddr_is_any(&e->local) && !ipaddr_is_multicast(&e->local))
		return;
	looked_for = e->cookie;
	is_own = false;
	fdtable_each(compare_cookie);
	if (is_own)
		return;
	if (ipaddr_is_any(&e->local) ||
	    survey.bound == sizeof(survey.group) / sizeof(survey.group[0]))
		survey.wildcard = true;
	else
		survey.group[survey.bound++] = e->local;
}

static void look_around(uint16_t port)
{
	survey = (struct survey){ .port = port };
	survey.known = sockdiag_each(port, note_socket, NULL) == 0;
}

static bool heard_elsewhere(const struct ipaddr *group)
{
	if (!survey.known || survey.wildcard)
		return true;
	for (unsigned i = 0; i < survey.bound; i++)
		if (ipaddr_equal(&survey.group[i], group))
			return true;
	return false;
}

/* Without these nobody else can be bound to the port in a way that hears a group. */
static bool may_be_shared(const struct sock *s)
{
	return s->reuseaddr || s->reuseport || s->bound_if;
}

/* Does the host forward what it hears on that interface (a multicast routing daemon runs)? */
static bool is_routed(const char *ifname, bool v4)
{
	char path[96], c = '0';
	long fd;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv%d/conf/%s/mc_forwarding", v4 ? 4 : 6,
		 ifname);
	fd = own_call6(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0, 0, 0);
	if (fd < 0)
		return false;
	own_call6(SYS_read, fd, (long)&c, 1, 0, 0, 0);
	own_call6(SYS_close, fd, 0, 0, 0, 0, 0);
	return c != '0';
}

/* ---- steering ---- */

static int iface_of(int ifindex)
{
	for (unsigned i = 0; i < stack.ifaces; i++)
		if (stack.iface[i]->nic->ifindex == ifindex && !stack.iface[i]->dead)
			return (int)i;
	return -1;
}

/* A membership may name an interface that the addresses of the socket did not lead to. */
static int open_iface_of(int ifindex)
{
	char why[NIC_WHY_LEN];
	int i = iface_of(ifindex);

	if (i >= 0 || config.interfaces)
		return i;
	stack_open_ifaces(&any, ifindex, why);
	return iface_of(ifindex);
}

static bool fits(const struct sock *s, const struct group *g)
{
	bool v4 = ipaddr_is_v4(&g->addr);

	return g->ifindex && !g->too_many && (!s->bound_if || s->bound_if == g->ifindex) &&
	       (ipaddr_is_any(&s->local) || ipaddr_equal(&s->local, &g->addr)) &&
	       !ipaddr_is_multicast(&s->remote) &&
	       (v4 ? s->family == AF_INET || !s->v6only : s->family == AF_INET6);
}

static bool may_steer(const struct sock *s, const struct group *g, int iface)
{
	const struct nic *nic;

	if (iface < 0)
		return false;
	nic = stack.iface[iface]->nic;
	if (nic->flags & NIC_F_RX_ONLY || is_routed(nic->ifname, ipaddr_is_v4(&g->addr)))
		return false;
	return !may_be_shared(s) || !heard_elsewhere(&g->addr);
}

static void steer_one(struct sock *s, struct group *g)
{
	struct nic_flow rule = { .local = g->addr,
				 .remote = s->remote,
				 .local_port = s->local_port,
				 .remote_port = s->remote_port };
	char why[NIC_WHY_LEN], text[INET6_ADDRSTRLEN];
	int iface = fits(s, g) ? open_iface_of(g->ifindex) : -1;
	bool may = may_steer(s, g, iface);
	struct flow *before = g->flow;

	if (!may && before)
		log_info("group %s is left to the kernel: other sockets hear it too",
			 inet_ntop(AF_INET6, g->addr.b, text, sizeof(text)));
	if (!may) {
		stats_add(STAT_groups_left, iface >= 0 && (before || !g->refused));
		g->refused = true;
		drop_flow(g);
		return;
	}
	g->refused = false;
	/* The new rule first: its addresses may have changed. */
	g->flow = flow_get(&rule, 1u << iface, NULL, why);
	if (before)
		flow_put(before, NULL);
}

void groups_steer(struct sock *s)
{
	bool shared = may_be_shared(s);

	if (!s->groups)
		return;
	if (shared) {
		watched = true;
		if (survey.port != s->local_port || !survey.fresh)
			look_around(s->local_port);
	}
	for (struct group *g = s->groups; g; g = g->next)
		steer_one(s, g);
	survey.fresh = false;
}

void groups_unsteer(struct sock *s)
{
	for (struct group *g = s->groups; g; g = g->next)
		drop_flow(g);
}

/* The next port in turn, so that many of them cost no more than one. */
static uint16_t last_port, next_port, lowest_port;

static bool is_watched(const struct file *f)
{
	const struct sock *s = (const struct sock *)f;

	return f->kind == FILE_SOCK && s->state == SOCK_ACTIVE && s->groups && may_be_shared(s);
}

static void choose_port(int fd, struct file *f)
{
	uint16_t port;

	(void)fd;
	if (!is_watched(f))
		return;
	port = ntohs(((struct sock *)f)->local_port);
	if (!lowest_port || port < lowest_port)
		lowest_port = port;
	if (port > last_port && (!next_port || port < next_port))
		next_port = port;
}

static void check_socket(int fd, struct file *f)
{
	struct sock *s = (struct sock *)f;

	(void)fd;
	if (!is_watched(f) || s->local_port != htons(last_port))
		return;
	survey.fresh = true;
	groups_steer(s);
}

void groups_check(void)
{
	static uint64_t due;
	uint64_t now = clock_ns();

	if (!watched || now < due)
		return;
	due = now + CHECK_MS * NSEC_PER_MSEC;
	next_port = lowest_port = 0;
	fdtable_each(choose_port);
	last_port = next_port ? next_port : lowest_port;
	watched = last_port != 0;
	if (!watched)
		return;
	look_around(htons(last_port));
	fdtable_each(check_socket);
}
