/* SPDX-License-Identifier: BSD-3-Clause */
/* sock.c - the life of a socket (see sock.h): made, bound, prepared, activated, refused, gone. */
#include "stack/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/config.h"
#include "base/kernel.h"
#include "base/log.h"
#include "base/slab.h"
#include "stack/adopt.h"
#include "stack/demux.h"
#include "stack/epoll.h"
#include "stack/fdtable.h"
#include "stack/groups.h"
#include "stack/hostfilter.h"
#include "stack/hwstamp.h"
#include "stack/relatives.h"
#include "stack/sock_internal.h"
#include "stack/sock_options.h"
#include "stack/sockname.h"
#include "stack/sockopt.h"
#include "stack/stack.h"
#include "stack/wait.h"

static struct slab slab = SLAB_SHOWN(struct sock, free_link, 0, sizeof(struct file));

void sock_created(int fd, int domain, int type, int protocol)
{
	struct sock *s;

	fdtable_clear(fd);
	if (!config_active() || (domain != AF_INET && domain != AF_INET6) ||
	    (type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != SOCK_DGRAM ||
	    (protocol != 0 && protocol != IPPROTO_UDP))
		return;
	s = slab_get(&slab);
	if (!s)
		return;
	/* Not the reference count: a stale pointer's holder may still be looking at it. */
	memset((char *)s + offsetof(struct sock, slots), 0,
	       sizeof(*s) - offsetof(struct sock, slots));
	relaxed_set(s->kind, FILE_SOCK);
	s->family = (uint8_t)domain;
	s->fd = fd;
	s->tail = &s->head;
	LIST_INIT(&s->items);
	if (!fdtable_set(fd, (struct file *)s))
		slab_put(&slab, s);
}

static bool wants_stamps(const struct sock *s)
{
	return s->want & WANT_ANY_STAMP;
}

void sock_unsteer_address(struct sock *s)
{
	if (s->flow)
		flow_put(s->flow, s);
	s->flow = NULL;
}

/* Steering off. Called with stack.lock held, like all below that change the state. */
static void unsteer(struct sock *s)
{
	sock_unsteer_address(s);
	groups_unsteer(s);
	family_unsteered(s);
	if (s->state == SOCK_ACTIVE) {
		relaxed_add(stack.steered, -1u);
		relaxed_add(stack.stamp_wanted, -(unsigned)wants_stamps(s));
	} else if (s->state == SOCK_PREPARED) {
		relaxed_add(stack.prepared, -1u);
	}
}

static void set_state(struct sock *s, enum sock_state state)
{
	relaxed_set(s->state, state);
	sock_show_state(s);
	epoll_sock_changed(s);
}

/* Out of the demultiplexer; a thread that is just delivering to it is waited for. */
static void unlink_sock(struct sock *s)
{
	if (!s->in_demux || !stack_exclusive_begin())
		return;
	demux_remove(s);
	stack_exclusive_end();
}

static void link_sock(struct sock *s)
{
	stack_drain();
	if (!stack_exclusive_begin())
		return;
	demux_add(s);
	stack_exclusive_end();
}

/* Those that sock_closed() could not take out, each with a reference of its own. */
static struct sock *graveyard;

static void bury(struct sock *s)
{
	unsteer(s);
	unlink_sock(s);
	relaxed_set(s->state, SOCK_IDLE);
}

void sock_closed(struct sock *s)
{
	adopt_never(s);
	/* Pairs with the one in prepare(). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!sock_stats(s))
		return;
	stack_kick();
	if (lock_acquire(&stack.lock)) {
		bury(s);
		lock_release(&stack.lock);
		return;
	}
	/* A signal handler closed it and had interrupted the lock's owner. */
	file_hold((struct file *)s);
	s->free_link = __atomic_load_n(&graveyard, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&graveyard, (struct sock **)&s->free_link, s, false,
					    __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}

void sock_reap(void)
{
	struct sock *s, *next;

	if (!relaxed_get(graveyard))
		return;
	for (s = __atomic_exchange_n(&graveyard, NULL, __ATOMIC_ACQUIRE); s; s = next) {
		next = s->free_link;
		bury(s);
		sock_put(s);
	}
}

void sock_destroy(struct sock *s)
{
	epoll_sock_gone(s);
	queue_flush(s);
	groups_free(s);
	/* Not before: calls in progress count. The counters of a borrowed page are the parent's. */
	if (s->stats && !relaxed_get(stack.borrowed))
		stats_socket_put(s->stats);
	relaxed_set(s->kind, 0);
	slab_put(&slab, s);
}

static void refuse(struct sock *s, const char *why)
{
	char local[IPADDR_STRLEN];

	unsteer(s);
	sock_show_addresses(s);
	snprintf(s->stats->why, sizeof(s->stats->why), "%s", why);
	stats_add(STAT_sockets_refused, 1);
	set_state(s, SOCK_KERNEL);
	unlink_sock(s);
	log_warn("%s stays on the kernel path: %s",
		 sockname_text(local, &s->local, s->local_port, s->family), why);
}

void sock_refuse(struct sock *s, const char *format, ...)
{
	char why[NIC_WHY_LEN];
	va_list ap;

	va_start(ap, format);
	vsnprintf(why, sizeof(why), format, ap);
	va_end(ap);
	if (!lock_acquire(&stack.lock))
		return;
	if (sock_may_be_steered(s))
		refuse(s, why);
	lock_release(&stack.lock);
}

void sock_forsake(struct sock *s, const char *why)
{
	relaxed_set(s->forsaken, why);
	if (!sock_may_be_steered(s))
		return;
	stack_poll(); /* what has arrived by now would have been the shadow's */
	sock_refuse(s, "%s", why);
}

#define SHARED                                                                                     \
	"processes that were forked from one another receive on it; let one of them bind it, or use SO_REUSEPORT"

/* Of a socket that changes after the program has entered seccomp. */
#define UNREADABLE                                                                                 \
	"the program has changed it under a seccomp filter that does not let it be read back"

void sock_refuse_option(struct sock *s, const char *option)
{
	char why[NIC_WHY_LEN];

	snprintf(why, sizeof(why), "%s is set, which only the kernel can honour", option);
	s->option_refused = true;
	refuse(s, why);
}

/* What the kernel tells this socket by from others: read while system calls are allowed (R7). */
static void read_cookie(struct sock *s, int fd)
{
	socklen_t len = sizeof(s->cookie);

	if (!s->cookie)
		kernel_getsockopt(fd, SOL_SOCKET, SO_COOKIE, &s->cookie, &len);
}

static void read_flags(struct sock *s, int fd)
{
	int flags = kernel_fcntl(fd, F_GETFL, 0);

	if (flags >= 0)
		relaxed_set(s->nonblock, (flags & O_NONBLOCK) != 0);
}

void sock_sync_flags(struct sock *s, int fd)
{
	if (sandbox_forbids(SYS_fcntl))
		sock_refuse(s, UNREADABLE);
	if (!sock_stats(s) || !lock_acquire(&stack.lock))
		return;
	read_flags(s, fd);
	lock_release(&stack.lock);
}

/* Options and flags have to be known; the program may have forbidden itself to ask. */
static bool may_be_read(char why[NIC_WHY_LEN])
{
	if (!sandbox_forbids(SYS_getsockopt) && !sandbox_forbids(SYS_fcntl) &&
	    !sandbox_lacks(&sandbox))
		return true;
	snprintf(why, NIC_WHY_LEN, STACK_CONFINED);
	return false;
}

/* Opens what it needs; 0, or -errno after refuse(). */
static int prepare(struct sock *s, int fd)
{
	char why[NIC_WHY_LEN] = "";
	const char *option;

	if (!s->stats)
		stats_add(STAT_sockets_chosen, 1);
	if (stack_init(why) < 0 || !may_be_read(why)) {
		refuse(s, why);
		return -ENOTSUP;
	}
	sock_show_addresses(s);
	/*
	 * Other threads may be closing it, or setting options. Pairs with the one in sock_closed() and with their system
	 * calls: either they see that it is chosen, and wait for the lock, or what they did is seen here.
	 */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!relaxed_get(s->slots))
		return 0;
	read_flags(s, fd);
	read_cookie(s, fd);
	option = sockopt_read(s, fd, SOCKOPT_ALL, 0);
	if (!option)
		option = sock_hidden_option(s, fd);
	if (option) {
		sock_refuse_option(s, option);
		return -ENOTSUP;
	}
	if (s->forsaken) {
		refuse(s, s->forsaken);
		return -ENOTSUP;
	}
	s->ifaces = stack_open_ifaces(&s->local, s->bound_if, why);
	if (!s->ifaces || flow_admit(s, fd, s->ifaces, why) < 0) {
		refuse(s, why);
		return -ENOTSUP;
	}
	option = sock_interface_option(s, fd);
	if (option) {
		sock_refuse_option(s, option);
		return -ENOTSUP;
	}
	stack_claim_early();
	groups_read(s, fd);
	hostfilter_warn();
	link_sock(s);
	relaxed_add(stack.prepared, 1);
	set_state(s, SOCK_PREPARED);
	return 0;
}

/* Bound to a group, it gets nothing else; connected to one, nothing at all, since nobody sends from a group. */
static bool hears_groups_only(const struct sock *s)
{
	return ipaddr_is_multicast(&s->local) || ipaddr_is_multicast(&s->remote) || s->address_gone;
}

/* Before it is changed, so that no datagram falls between two rules, the new one is installed. */
void sock_resteer(struct sock *s)
{
	char why[NIC_WHY_LEN];
	struct nic_flow rule = flow_rule(s);
	struct flow *f;

	groups_steer(s);
	if (hears_groups_only(s)) {
		sock_unsteer_address(s);
		return;
	}
	f = flow_get(&rule, s->ifaces, s, why);
	if (!f) {
		refuse(s, why);
		return;
	}
	if (s->flow)
		flow_put(s->flow, s);
	s->flow = f;
}

void sock_yield(int fd, struct file *f)
{
	struct sock *s = (struct sock *)f;

	(void)fd;
	if (f->kind == FILE_SOCK && s->shared && sock_may_be_steered(s))
		refuse(s, SHARED);
}

void sock_rest(struct sock *s)
{
	if (s->state != SOCK_ACTIVE)
		return;
	unsteer(s);
	relaxed_set(s->rested, clock_ticks());
	relaxed_add(stack.prepared, 1);
	set_state(s, SOCK_PREPARED);
}

static void announce(const struct sock *s)
{
	char local[IPADDR_STRLEN];

	for (unsigned i = 0; i < stack.ifaces; i++)
		if (s->ifaces & (1u << i))
			log_info("%s is accelerated on %s (%s)",
				 sockname_text(local, &s->local, s->local_port, s->family),
				 stack.iface[i]->nic->ifname, stack.iface[i]->nic->mode);
}

/* Puts its rules in force. False: it can not be. */
static bool activate(struct sock *s)
{
	if (!stack_claim(s->shared)) {
		stack_contend();
		refuse(s, SHARED);
		return false;
	}
	if (s->shared)
		family_receives();
	queue_settle(s, !s->shared || !family_others_receive());
	sock_resteer(s);
	return s->state == SOCK_PREPARED;
}

void sock_activate_slow(struct sock *s)
{
	if (relatives_undecided(s))
		return;
	if (!lock_acquire(&stack.lock))
		return;
	if (s->state == SOCK_PREPARED && !relatives_have(s) && activate(s)) {
		relaxed_add(stack.prepared, -1u);
		relaxed_add(stack.steered, 1);
		relaxed_add(stack.stamp_wanted, wants_stamps(s));
		if (s->want & WANT_HWSTAMP)
			hwstamp_read();
		relaxed_set(s->served, true);
		s->stats->why[0] = '\0';
		set_state(s, SOCK_ACTIVE);
		family_steered(s);
		if (family_sharing) {
			stack_renew_lease(clock_ns() + STACK_LEASE_NS);
		} else {
			relaxed_set(stack.tick_due, 0); /* the first lease, at once */
			announce(s);
		}
	}
	lock_release(&stack.lock);
	wait_tick();
}

/* The kernel changed its addresses: the same on our side. */
static void move(struct sock *s, const struct sockname *now)
{
	bool linked = s->in_demux;

	stack_drain();
	if (linked && !stack_exclusive_begin())
		return;
	if (linked)
		demux_remove(s);
	ipaddr_write(&s->local, &now->local);
	relaxed_set(s->local_port, now->local_port);
	ipaddr_write(&s->remote, &now->remote);
	relaxed_set(s->remote_port, now->remote_port);
	relaxed_set(s->connected, now->connected);
	s->address_gone = false;
	relaxed_set(s->errors_due, s->errors_due || now->connected);
	relaxed_set(s->tx_generation, 0);
	if (linked && now->local_port)
		demux_add(s);
	if (linked)
		stack_exclusive_end();
}

/* To the interfaces that serve it now. False: it can not be. */
static bool change_ifaces(struct sock *s, int fd)
{
	char why[NIC_WHY_LEN];
	const char *option;

	s->ifaces = stack_open_ifaces(&s->local, s->bound_if, why);
	if (!s->ifaces) {
		refuse(s, why);
		return false;
	}
	option = sock_interface_option(s, fd);
	if (option)
		sock_refuse_option(s, option);
	return !option;
}

static bool moved(const struct sock *s, const struct sockname *now)
{
	struct ipaddr local = ipaddr_read(&s->local), remote = ipaddr_read(&s->remote);

	return !ipaddr_equal(&local, &now->local) || !ipaddr_equal(&remote, &now->remote) ||
	       relaxed_get(s->local_port) != now->local_port ||
	       relaxed_get(s->remote_port) != now->remote_port;
}

static int follow_names(struct sock *s, int fd, const struct sockname *now)
{
	move(s, now);
	if (s->stats)
		sock_show_addresses(s);
	if (s->state == SOCK_IDLE && now->local_port &&
	    config_chosen(&now->local, ntohs(now->local_port)))
		return prepare(s, fd);
	if (s->state == SOCK_ACTIVE && now->local_port) {
		/* Another local address may mean another interface. */
		if (change_ifaces(s, fd))
			sock_resteer(s);
	} else if (!now->local_port && s->state != SOCK_IDLE) {
		/* Disconnected and unbound (connect(AF_UNSPEC) on an implicitly bound one). */
		unsteer(s);
		set_state(s, SOCK_IDLE);
	}
	return 0;
}

int sock_bound(struct sock *s, int fd)
{
	struct sockname now;
	int err = 0;

	if (sandbox_forbids(SYS_getsockname) || sandbox_forbids(SYS_getpeername))
		sock_refuse(s, UNREADABLE);
	if (sockname_read(fd, &now) < 0 || !moved(s, &now) || !lock_acquire(&stack.lock))
		return 0;
	/* Another thread may have connected it elsewhere meanwhile, or closed the descriptor: the last name counts. */
	if (fdtable_peek(fd) == (struct file *)s && sockname_read(fd, &now) == 0 && moved(s, &now))
		err = follow_names(s, fd, &now);
	lock_release(&stack.lock);
	return config.strict ? err : 0;
}

void sock_readmit(struct sock *s, int fd)
{
	s->option_refused = false;
	s->stats->why[0] = '\0';
	if (s->local_port)
		prepare(s, fd);
}

/* SO_BINDTODEVICE: from now on by another interface. In between the kernel has it. */
static void change_device(struct sock *s, int fd)
{
	sock_unsteer_address(s);
	groups_unsteer(s);
	if (change_ifaces(s, fd) && s->state == SOCK_ACTIVE)
		sock_resteer(s);
}

/* IPV6_ADDRFORM: it is an IPv4 socket now, and so are its addresses. */
static void change_family(struct sock *s)
{
	bool exclusive = s->in_demux && stack_exclusive_begin();

	relaxed_set(s->family, AF_INET);
	if (exclusive)
		stack_exclusive_end();
	if (s->stats)
		sock_show_addresses(s);
}

/* stack.lock is held. */
static void follow_option(struct sock *s, int fd, int level, int name)
{
	bool stamps = wants_stamps(s);
	bool fast = sock_may_be_steered(s);
	bool shared = s->reuseaddr || s->reuseport, grouped = s->reuseport;
	bool other_family = level == SOL_IPV6 && name == IPV6_ADDRFORM;
	int device = s->bound_if;
	const char *option;

	if (!fast && !s->option_refused && !other_family)
		return;
	stack_drain();
	if (other_family)
		change_family(s);
	option = sockopt_read(s, fd, other_family ? SOCKOPT_ALL : level, name);
	if (!option)
		option = sock_interface_option(s, fd);
	if (s->state == SOCK_ACTIVE)
		relaxed_add(stack.stamp_wanted, (unsigned)wants_stamps(s) - stamps);
	if (!option && ((!fast && s->option_refused) || s->reuseport != grouped))
		option = sock_hidden_option(s, fd);
	if (fast && option)
		sock_refuse_option(s, option);
	else if (!fast && s->option_refused && !option)
		sock_readmit(s, fd);
	else if (fast && s->bound_if != device)
		change_device(s, fd);
	else if (s->state == SOCK_ACTIVE && (s->reuseaddr || s->reuseport) != shared)
		sock_resteer(s);
}

void sock_sync(struct sock *s, int fd, int level, int name)
{
	bool other_family = level == SOL_IPV6 && name == IPV6_ADDRFORM;

	if (sock_stats(s) && sandbox_forbids(SYS_getsockopt)) {
		sock_refuse(s, UNREADABLE);
		return;
	}
	if ((!sock_stats(s) && !other_family) || !lock_acquire(&stack.lock))
		return;
	follow_option(s, fd, level, name);
	lock_release(&stack.lock);
}
