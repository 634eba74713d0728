/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * relatives.c - see relatives.h.
 *
 * Each process holds a robust mutex in shared memory. The kernel marks it when the holder ends or executes another program
 * (futex(2), get_robust_list(2)), and whoever tries it next is told. No system call is made.
 */
#define _GNU_SOURCE
#include "stack/relatives.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/kernel.h"
#include "base/log.h"
#include "base/relaxed.h"
#include "stack/fdtable.h"
#include "stack/sock.h"
#include "stack/sockname.h"
#include "stack/stack.h"

#define MAX_RELATIVES 256
#define ASK_MS 100 /* longer than a child takes to begin */
#define LEAVING_MS 50

#define NOT_ALONE                                                                                  \
	"processes that were forked have it, too, and a rule in the NIC can not be shared: they must close it, or end"

static pthread_mutex_t *member;
static pthread_mutex_t *mine;
static uint64_t due;
static bool holding; /* some socket is held */

static bool map_members(void)
{
	size_t len = MAX_RELATIVES * sizeof(*member);
	pthread_mutexattr_t attr;
	void *mem;

	if (member)
		return true;
	mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		return false;
	member = mem;
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	for (unsigned i = 0; i < MAX_RELATIVES; i++)
		pthread_mutex_init(&member[i], &attr);
	pthread_mutexattr_destroy(&attr);
	return true;
}

/* Takes @m if nobody has it, or nobody who lives. */
static bool take(pthread_mutex_t *m)
{
	int err = pthread_mutex_trylock(m);

	if (err == EOWNERDEAD)
		err = pthread_mutex_consistent(m);
	return err == 0;
}

/* With no place left this process is not known, and the others go on without regard to it: there are 255 of them. */
static void enter(void)
{
	mine = NULL;
	for (unsigned i = 0; i < MAX_RELATIVES && !mine; i++)
		if (take(&member[i]))
			mine = &member[i];
}

void relatives_prepare(void)
{
	if (!map_members())
		return;
	if (!mine)
		enter();
	relaxed_set(due, clock_ns() + ASK_MS * NSEC_PER_MSEC);
}

void relatives_forked(void)
{
	if (member)
		enter();
}

static bool alone(void)
{
	for (unsigned i = 0; member && i < MAX_RELATIVES; i++) {
		if (&member[i] == mine)
			continue;
		if (!take(&member[i])) {
			relaxed_set(due, clock_ns() + ASK_MS * NSEC_PER_MSEC);
			return false;
		}
		pthread_mutex_unlock(&member[i]);
	}
	return true;
}

static void hold(struct sock *s)
{
	relaxed_set(s->held, true);
	relaxed_set(holding, true);
}

bool relatives_undecided(struct sock *s)
{
	if (!relaxed_get(s->shared) || !relaxed_get(stack.hard_rules) ||
	    clock_ns() >= relaxed_get(due))
		return false;
	hold(s);
	return true;
}

bool relatives_have(struct sock *s)
{
	char local[IPADDR_STRLEN];

	if (!s->shared || !stack.hard_rules || alone())
		return false;
	if (!s->stats->why[0])
		log_info("%s is on the kernel path for now: " NOT_ALONE,
			 sockname_text(local, &s->local, s->local_port, s->family));
	snprintf(s->stats->why, sizeof(s->stats->why), NOT_ALONE);
	hold(s);
	return true;
}

static void ask_again(int fd, struct file *f)
{
	struct sock *s = (struct sock *)f;

	(void)fd;
	if (f->kind != FILE_SOCK || !relaxed_get(s->held))
		return;
	relaxed_set(s->held, false);
	sock_activate(s);
}

/* A child may have taken longer to begin than we waited for it. */
static void give_back(int fd, struct file *f)
{
	struct sock *s = (struct sock *)f;

	(void)fd;
	if (f->kind != FILE_SOCK || !s->shared || s->state != SOCK_ACTIVE)
		return;
	sock_rest(s);
	hold(s);
}

static void look_around(void)
{
	if (!relaxed_get(stack.owner) || !lock_try(&stack.lock))
		return;
	if (stack.hard_rules && !alone())
		fdtable_each(give_back);
	lock_release(&stack.lock);
}

void relatives_tick(void)
{
	uint64_t now;

	if (__builtin_expect(!member, 1) || (now = clock_ns()) < relaxed_get(due))
		return;
	relaxed_set(due, now + ASK_MS * NSEC_PER_MSEC);
	look_around();
	if (!relaxed_get(holding))
		return;
	relaxed_set(holding, false);
	relaxed_set(due, now);
	fdtable_each(ask_again);
}

void relatives_wait(void)
{
	static const struct timespec nap = { 0, NSEC_PER_MSEC };

	for (unsigned i = 0; i < LEAVING_MS && !alone(); i++)
		kernel_ppoll(NULL, 0, nap, NULL);
	relaxed_set(due, 0);
}
