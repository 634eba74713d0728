/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sock_follow.c - sockets when the host changes under them: addresses that come and go, interfaces that are made anew. Contracts in
 * sock.h; stack.lock is held.
 */
#include "stack/fdtable.h"
#include "stack/sock_internal.h"
#include "stack/sock_options.h"
#include "stack/stack.h"

/* An address of the host that came or went, for follow_address(). */
static const struct ipaddr *address;
static bool address_came;

static void follow_address(int fd, struct file *f)
{
	struct sock *s = (struct sock *)f;

	(void)fd;
	if (f->kind != FILE_SOCK || !sock_may_be_steered(s) || !ipaddr_equal(&s->local, address) ||
	    s->address_gone == !address_came)
		return;
	s->address_gone = !address_came;
	if (s->flow && s->address_gone)
		sock_unsteer_address(s);
	else if (s->state == SOCK_ACTIVE)
		sock_resteer(s);
}

void sock_follow_address(const struct ipaddr *addr, bool on)
{
	address = addr;
	address_came = on;
	fdtable_each(follow_address);
}

static unsigned replaced;

static void replace_iface(int fd, struct file *f)
{
	struct sock *s = (struct sock *)f;
	uint32_t mask, bit = 1u << replaced;
	char why[NIC_WHY_LEN];
	const char *option;

	if (f->kind != FILE_SOCK || !sock_may_be_steered(s) || !(s->ifaces & bit))
		return;
	mask = stack_open_ifaces(&s->local, s->bound_if, why);
	if (!mask)
		return;
	s->ifaces = (s->ifaces & ~bit) | mask;
	option = sock_interface_option(s, fd);
	if (option)
		sock_refuse_option(s, option);
	else if (s->state == SOCK_ACTIVE)
		sock_resteer(s);
}

void sock_replace_iface(unsigned dead)
{
	replaced = dead;
	fdtable_each(replace_iface);
}
