/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * iface.c - which interfaces serve a socket, and opening them (contracts in stack.h). The caller holds stack.lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/fds.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "stack/hostnet.h"
#include "stack/sock.h"
#include "stack/stack.h"

#define MAX_LOCAL 1024
#define RETRY_NS (5 * NSEC_PER_SEC)

/* Every local address, for interfaces that are opened later. */
static struct ipaddr local_list[MAX_LOCAL];
static unsigned locals;

static void tell_nics(const struct ipaddr *addr, bool on)
{
	for (unsigned i = 0; i < stack.ifaces; i++)
		stack.iface[i]->nic->ops->set_local(stack.iface[i]->nic, addr, on);
}

void local_address(const struct ipaddr *addr, bool on)
{
	unsigned i = 0;

	if (on || !hostnet_is_local(addr, NULL))
		sock_follow_address(addr, on);
	while (i < locals && !ipaddr_equal(&local_list[i], addr))
		i++;
	if (on && i == locals) {
		if (locals == MAX_LOCAL)
			return; /* its traffic stays with the kernel */
		local_list[locals++] = *addr;
		tell_nics(addr, true);
	} else if (!on && i < locals && !hostnet_is_local(addr, NULL)) {
		local_list[i] = local_list[--locals];
		tell_nics(addr, false);
	}
}

void ifaces_seal(const struct sandbox *s)
{
	unsigned ifaces = __atomic_load_n(&stack.ifaces, __ATOMIC_ACQUIRE);

	for (unsigned i = 0; i < ifaces; i++) {
		relaxed_set(stack.iface[i]->nic->sealed, sandbox_forbids_in(s, SYS_ioctl));
		relaxed_set(stack.iface[i]->nic->confined, s->entered);
	}
}

struct iface *stack_iface(int ifindex)
{
	for (unsigned i = 0; i < stack.ifaces; i++)
		if (stack.iface[i]->nic->ifindex == ifindex && !stack.iface[i]->dead)
			return stack.iface[i];
	return NULL;
}

static void backend_log(int level, const char *text)
{
	log_write((enum log_level)level, "%s", text);
}

static void open_engines(struct iface *f)
{
	for (unsigned i = 0; i < f->nic->queue_count && stack.engines < STACK_MAX_ENGINES; i++) {
		struct engine *e = engine_open(f->nic->queues[i], f);

		if (!e)
			break;
		f->engine[f->engines++] = e;
		/* Other threads run through the list meanwhile: the element first. */
		stack.engine[stack.engines] = e;
		__atomic_store_n(&stack.engines, stack.engines + 1, __ATOMIC_RELEASE);
	}
}

static int open_nic(const char *name, struct nic **nic, char why[NIC_WHY_LEN])
{
	struct nic_params params = { .ifname = name,
				     .rx_ring = config.rx_ring,
				     .tx_ring = config.tx_ring,
				     .frames = config.frames,
				     .queues = (unsigned)config.queues,
				     .confined = relaxed_get(sandbox.entered),
				     .broker = config.broker[0] ? config.broker : NULL,
				     .log = backend_log,
				     .keep_fd = fds_keep };
	int err = nic_open(config.nic, &params, nic);

	if (err)
		snprintf(why, NIC_WHY_LEN, "%s", params.why);
	return err;
}

static void start_iface(struct iface *f, struct nic *nic)
{
	f->nic = nic;
	f->engines = 0;
	relaxed_set(stack.hard_rules, stack.hard_rules || (nic->flags & NIC_F_HARD_RULES));
	open_engines(f);
	for (unsigned i = 0; i < locals; i++)
		nic->ops->set_local(nic, &local_list[i], true);
	log_info("%s: %u queue%s, %s", nic->ifname, nic->queue_count,
		 nic->queue_count == 1 ? "" : "s", nic->mode);
}

static struct iface *open_iface(const char *name, char why[NIC_WHY_LEN])
{
	static struct iface ifaces[STACK_MAX_IFACES];
	struct iface *f = &ifaces[stack.ifaces];
	struct nic *nic;

	if (stack_is_confined()) {
		snprintf(why, NIC_WHY_LEN, "%s: " STACK_CONFINED, name);
		return NULL;
	}
	if (stack.ifaces == STACK_MAX_IFACES) {
		snprintf(why, NIC_WHY_LEN,
			 "%s: more than %d interfaces; name the ones to use in "
			 "KBACCEL_INTERFACE",
			 name, STACK_MAX_IFACES);
		return NULL;
	}
	if (open_nic(name, &nic, why))
		return NULL;
	start_iface(f, nic);
	stack.iface[stack.ifaces] = f;
	__atomic_store_n(&stack.ifaces, stack.ifaces + 1, __ATOMIC_RELEASE);
	return f;
}

static void replace(struct iface *f, struct nic *nic)
{
	for (unsigned i = 0; i < f->engines; i++)
		engine_close(f->engine[i]);
	nic_abandon(f->nic);
	start_iface(f, nic);
}

int ifaces_reopen(char why[NIC_WHY_LEN])
{
	struct nic *fresh[STACK_MAX_IFACES] = { NULL };
	int err = 0;

	for (unsigned i = 0; err == 0 && i < stack.ifaces; i++)
		if (!stack.iface[i]->dead)
			err = open_nic(stack.iface[i]->nic->ifname, &fresh[i], why);
	for (unsigned i = 0; err && i < stack.ifaces; i++)
		if (fresh[i])
			nic_close(fresh[i]);
	if (err)
		return err;
	relaxed_set(stack.engines, 0);
	for (unsigned i = 0; i < stack.ifaces; i++)
		if (fresh[i])
			replace(stack.iface[i], fresh[i]);
	return 0;
}

static struct hostnet_link links[HOSTNET_MAX_LINKS];

static const struct hostnet_link *link_named(unsigned n, const char *name, int ifindex)
{
	for (unsigned i = 0; i < n; i++)
		if (name ? strcmp(links[i].name, name) == 0 : links[i].ifindex == ifindex)
			return &links[i];
	return NULL;
}

static void declare_dead(struct iface *f, const char *how)
{
	relaxed_set(f->dead, true);
	for (unsigned i = 0; i < f->engines; i++)
		relaxed_set(f->engine[i]->dead, true);
	log_warn("%s is gone: its traffic is on the kernel path until %s", f->nic->ifname, how);
}

/* One that could not be opened again is tried from time to time: whoever opens queues for us may come back. */
static bool is_due(const struct iface *f)
{
	if (f->dead)
		return f->retry_at && clock_ns() >= f->retry_at;
	return relaxed_get(f->nic->broken);
}

bool ifaces_broken(void)
{
	for (unsigned i = 0; i < stack.ifaces; i++)
		if (__builtin_expect(is_due(stack.iface[i]), 0))
			return true;
	return false;
}

/* The kernel gives the frames of a port to its master. What is queued by then is still ours. */
static void pause_port(struct iface *f, bool port)
{
	if (f->paused == port)
		return;
	relaxed_set(f->paused, port);
	if (port)
		f->nic->ops->set_lease(f->nic, 0);
	log_info("%s is %s port of another interface: its traffic is on the %s path",
		 f->nic->ifname, port ? "a" : "no longer a", port ? "kernel" : "fast");
}

/* Opens one interface if it is not open yet, and adds it to @mask. A failure is remembered in @why. */
static void want(uint32_t *mask, unsigned n, const char *name, int ifindex, char why[NIC_WHY_LEN])
{
	const struct hostnet_link *l = link_named(n, name, ifindex);
	struct iface *f;

	if (!l) {
		snprintf(why, NIC_WHY_LEN,
			 "no interface %s here: check KBACCEL_INTERFACE against `ip link`",
			 name ? name : "with that index");
		return;
	}
	if (!(l->flags & IFF_UP)) {
		snprintf(why, NIC_WHY_LEN, "%s is down: `ip link set %s up`", l->name, l->name);
		return;
	}
	if (l->type != ARPHRD_ETHER && l->type != ARPHRD_LOOPBACK) {
		snprintf(why, NIC_WHY_LEN,
			 "%s is not an Ethernet interface: name another one in "
			 "KBACCEL_INTERFACE",
			 l->name);
		return;
	}
	if (l->vrf) {
		snprintf(why, NIC_WHY_LEN,
			 "%s is a VRF or in one: whose a datagram is there, and by which table it leaves, "
			 "only the kernel knows",
			 l->name);
		return;
	}
	if (l->enslaved && !name) {
		snprintf(why, NIC_WHY_LEN,
			 "%s is a port of a bridge, bond or team: name it, or its master, in "
			 "KBACCEL_INTERFACE",
			 l->name);
		return;
	}
	f = stack_iface(l->ifindex);
	if (!f) {
		f = open_iface(l->name, why);
		if (!f)
			return;
		f->port = l->enslaved;
	}
	for (unsigned i = 0; i < stack.ifaces; i++)
		if (stack.iface[i]->nic->ifindex == l->ifindex && !stack.iface[i]->dead)
			*mask |= 1u << i;
}

/*
 * A removed interface is there again. It is opened beside the dead one, in whose memory received datagrams may still lie, and takes
 * over the sockets that have their address by now; the others follow with a later change.
 */
static void revive(unsigned dead, unsigned n)
{
	struct iface *f = stack.iface[dead];
	const struct hostnet_link *l = link_named(n, f->nic->ifname, 0);
	char why[NIC_WHY_LEN] = STACK_CONFINED;
	uint32_t mask = 0;

	if (!l || !(l->flags & IFF_UP) || (l->enslaved && !f->port) ||
	    (f->refused == l->ifindex && !is_due(f)))
		return;
	if (!stack_iface(l->ifindex)) {
		if (!stack_is_confined())
			want(&mask, n, f->nic->ifname, l->ifindex, why);
		f->retry_at = 0;
		if (!mask) {
			f->retry_at = relaxed_get(f->nic->broken) ? clock_ns() + RETRY_NS : 0;
			if (f->refused == l->ifindex)
				return;
			f->refused = l->ifindex;
			log_warn("%s is there again, but its traffic stays on the kernel path: %s",
				 f->nic->ifname, why);
			return;
		}
		log_warn("%s is there again, and accelerated", f->nic->ifname);
	}
	sock_replace_iface(dead);
}

void ifaces_follow_links(void)
{
	unsigned n = hostnet_links(links, HOSTNET_MAX_LINKS);

	for (unsigned i = 0; n && i < stack.ifaces; i++) {
		struct iface *f = stack.iface[i];
		const struct hostnet_link *l = link_named(n, NULL, f->nic->ifindex);

		if (!f->dead && l && relaxed_get(f->nic->broken))
			declare_dead(f, "its queues have been opened again");
		if (f->dead) {
			revive(i, n);
			continue;
		}
		if (!l) {
			declare_dead(f, "an interface of that name is there");
			continue;
		}
		pause_port(f, l->enslaved && !f->port);
		if (memcmp(f->nic->mac, l->mac, sizeof(f->nic->mac)) != 0)
			f->nic->ops->set_mac(f->nic, l->mac);
	}
}

/*
 * A bridge would only run the program in generic mode, at the cost of everything that it forwards: it is used when named.
 */
static bool is_bridge(const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/class/net/%s/bridge", name);
	return own_call6(SYS_faccessat, AT_FDCWD, (long)path, F_OK, 0, 0, 0) == 0;
}

/* An address on lo or on a dummy interface (anycast) is reached by way of the other interfaces. */
static bool is_carrier(const struct hostnet_link *l)
{
	return l && !(l->flags & IFF_LOOPBACK) && strncmp(l->name, "dummy", 5) != 0;
}

static bool routed(const struct hostnet_link *l)
{
	return (l->flags & IFF_UP) && !(l->flags & IFF_LOOPBACK) && l->type == ARPHRD_ETHER &&
	       (l->has_v4 || l->has_v6);
}

static void want_routed(uint32_t *mask, unsigned n, const struct hostnet_link *l,
			char why[NIC_WHY_LEN])
{
	if (is_bridge(l->name))
		snprintf(why, NIC_WHY_LEN,
			 "%s is a bridge, where there is only generic XDP, at a cost for all that it "
			 "forwards: to use it, name it in KBACCEL_INTERFACE",
			 l->name);
	else
		want(mask, n, NULL, l->ifindex, why);
}

uint32_t stack_open_ifaces(const struct ipaddr *local, int bound_if, char why[NIC_WHY_LEN])
{
	unsigned n = hostnet_links(links, HOSTNET_MAX_LINKS);
	uint32_t mask = 0;
	int ifindex = 0;

	snprintf(why, NIC_WHY_LEN,
		 "no Ethernet interface with a route: name one in KBACCEL_INTERFACE");
	if (bound_if) {
		want(&mask, n, NULL, bound_if, why);
	} else if (config.interfaces) {
		for (unsigned i = 0; i < config.interfaces; i++)
			want(&mask, n, config.interface[i], 0, why);
	} else if (ipaddr_is_loopback(local)) {
		snprintf(why, NIC_WHY_LEN,
			 "it is bound to the loopback, where there is only generic XDP, at a cost for all "
			 "other traffic of lo: to try it, name lo in KBACCEL_INTERFACE");
	} else if (!ipaddr_is_any(local) && !ipaddr_is_multicast(local) &&
		   !hostnet_is_local(local, &ifindex)) {
		snprintf(why, NIC_WHY_LEN,
			 "the bound address is on no interface: name the one "
			 "that its datagrams come in by in KBACCEL_INTERFACE");
	} else if (is_carrier(link_named(n, NULL, ifindex))) {
		want(&mask, n, NULL, ifindex, why);
	} else {
		for (unsigned i = 0; i < n; i++)
			if (routed(&links[i]))
				want_routed(&mask, n, &links[i], why);
	}
	return mask;
}
