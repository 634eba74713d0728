/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * reuse.c - SO_REUSEPORT groups in which a program or the CPU chooses the socket: the kernel's, as long as that is so (contracts in
 * sock.h, sock_options.h).
 */
#include <stddef.h>

#include "stack/fdtable.h"
#include "stack/sock_options.h"
#include "stack/sockopt.h"
#include "stack/stack.h"

/* The member whose group is meant; stack.lock held. */
static const struct sock *group;

static bool is_of_group(const struct file *f)
{
	const struct sock *s = (const struct sock *)f;

	return f->kind == FILE_SOCK && s->local_port == group->local_port &&
	       s->family == group->family;
}

static void refuse_member(int fd, struct file *f)
{
	struct sock *s = (struct sock *)f;

	(void)fd;
	if (is_of_group(f) && s->reuseport && sock_may_be_steered(s))
		sock_refuse_option(s, group->group_option);
}

void sock_refuse_group(struct sock *s)
{
	if (!s->local_port || !lock_acquire(&stack.lock))
		return;
	group = s;
	fdtable_each(refuse_member);
	lock_release(&stack.lock);
}

static const char *groups_option;

static void look_for_option(int fd, struct file *f)
{
	(void)fd;
	if (is_of_group(f) && ((struct sock *)f)->group_option)
		groups_option = ((struct sock *)f)->group_option;
}

const char *sock_group_option(const struct sock *s)
{
	group = s;
	groups_option = NULL;
	fdtable_each(look_for_option);
	return groups_option;
}

/* In one group of the kernel: all this is the same (net/ipv4/udp.c udp_reuseport_add_sock()), whoever attached the program. */
static void forget_selector(int fd, struct file *f)
{
	struct sock *s = (struct sock *)f;

	(void)fd;
	if (is_of_group(f) && ipaddr_equal(&s->local, &group->local) &&
	    s->bound_if == group->bound_if && s->v6only == group->v6only && !s->group_cpu)
		s->group_option = NULL;
}

static void readmit_member(int fd, struct file *f)
{
	struct sock *s = (struct sock *)f;

	if (is_of_group(f) && s->option_refused && !sockopt_read(s, fd, SOCKOPT_ALL, 0) &&
	    !sock_hidden_option(s, fd))
		sock_readmit(s, fd);
}

void sock_readmit_group(struct sock *s)
{
	if (!s->local_port || !lock_acquire(&stack.lock))
		return;
	group = s;
	fdtable_each(forget_selector);
	fdtable_each(readmit_member);
	lock_release(&stack.lock);
}
