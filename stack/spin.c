/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * spin.c - see spin.h.
 *
 * A signal that comes while a thread looks for frames has to end its wait as it would end the kernel's. So in a long spin signals are
 * blocked, and let in every 50 us by a ppoll() that can say EINTR. For the first of these steps they are not: a handler that runs
 * then has run before the call, as far as anybody can tell, and a wait that is over so soon needs no system call.
 */
#define _GNU_SOURCE
#include "stack/spin.h"

#include <signal.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/kernel.h"
#include "base/sandbox.h"
#include "base/stats.h"
#include "stack/stack.h"

#define STREAM_US 20	 /* so long after the last frame */
#define STREAM_GAP_US 40 /* if the last two came within this */
#define SKIP_MAX_LOG 6	 /* one try in 64 */

static uint64_t ticks(uint64_t us)
{
	return us * clock_ticks_per_us;
}

/* Looks at the kernel's side and for signals, without waiting. */
static int glance(struct pollfd *fds, unsigned n, const sigset_t *mask)
{
	int r = kernel_ppoll(fds, n, (struct timespec){ 0, 0 }, mask);

	return r > 0 ? WAIT_KERNEL : r;
}

/* Until @end (clock_ticks()), without a system call. */
static int look(const struct wait_target *t, uint64_t end)
{
	do {
		stack_poll();
		if (t->ready(t->arg)) {
			stats_add(STAT_spin_hits, 1);
			return WAIT_FED;
		}
		clock_pause();
	} while (stack_tick() < end);
	return WAIT_TIMEOUT;
}

/* Until @end, with a glance every 50 us; at each turn if the kernel's own files are waited for. */
static int look_on(const struct wait_target *t, struct pollfd *fds, unsigned n, uint64_t end,
		   uint64_t deadline, const sigset_t *mask)
{
	uint64_t step = t->mixed ? 0 : ticks(WAIT_KERNEL_US), now = clock_ticks();
	int r = WAIT_TIMEOUT;

	while (r == WAIT_TIMEOUT && now < end) {
		r = glance(fds, n, mask);
		if (r != WAIT_TIMEOUT || (deadline != WAIT_FOREVER && clock_ns() >= deadline))
			return r;
		r = look(t, now + step);
		now = clock_ticks();
	}
	return r;
}

/* Signals stay blocked while we poll: a handler may run only where we would see that it did. */
static int look_long(const struct wait_target *t, struct pollfd *fds, unsigned n, uint64_t end,
		     uint64_t deadline, const sigset_t *mask)
{
	static const uint64_t all = ~0ull;
	uint64_t old = 0;
	sigset_t before;
	int r;

	own_call6(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)&old, 8, 0, 0);
	sigemptyset(&before);
	__builtin_memcpy(&before, &old, sizeof(old));
	r = look_on(t, fds, n, end, deadline, mask ? mask : &before);
	own_call6(SYS_rt_sigprocmask, SIG_SETMASK, (long)&old, 0, 8, 0, 0);
	return r;
}

/* KBACCEL_SPIN. The kernel's own files come first: the program may have just made one of them ready. */
static int spin_as_told(const struct wait_target *t, struct pollfd *fds, unsigned n,
			uint64_t deadline, const sigset_t *mask)
{
	uint64_t now = clock_ticks(), end = now + ticks((uint64_t)config.spin_us);
	uint64_t first = now + ticks(WAIT_KERNEL_US);
	int r;

	if (!t->mixed) {
		r = look(t, first < end ? first : end);
		if (r != WAIT_TIMEOUT || first >= end)
			return r;
	}
	return look_long(t, fds, n, end, deadline, mask);
}

/*
 * In the middle of a stream the next frame comes sooner than a sleeper is woken, and to wake it costs the sender's core as
 * much: look on for a moment. Only while the last frames came close to one another, so that neither an idle server nor one
 * with a few thousand datagrams a second burns anything. A gap has the time in it that waking up took, so it may be longer than the
 * moment; where looking on is in vain all the same (the peer needs this very core, or frames do come that slowly) it is tried
 * more and more rarely.
 */
static unsigned in_vain, skip;

static bool in_stream(void)
{
	if (relaxed_get(stack.last_gap) >= ticks(STREAM_GAP_US) ||
	    clock_ticks() - relaxed_get(stack.last_burst) >= ticks(STREAM_US))
		return false;
	if (!relaxed_get(skip))
		return true;
	relaxed_set(skip, relaxed_get(skip) - 1);
	return false;
}

static void note_linger(bool paid)
{
	unsigned n = paid ? 0 : relaxed_get(in_vain) + 1;

	n = n < SKIP_MAX_LOG ? n : SKIP_MAX_LOG;
	relaxed_set(in_vain, n);
	relaxed_set(skip, (1u << n) - 1);
}

static int linger(const struct wait_target *t, struct pollfd *fds, unsigned n, const sigset_t *mask)
{
	int r = t->mixed ? glance(fds, n, mask) : WAIT_TIMEOUT;

	if (r != WAIT_TIMEOUT)
		return r;
	r = look(t, relaxed_get(stack.last_burst) + ticks(STREAM_US));
	note_linger(r != WAIT_TIMEOUT);
	return r;
}

int spin(const struct wait_target *t, struct pollfd *fds, unsigned n, uint64_t deadline,
	 const sigset_t *mask)
{
	if (t->kernel_only || !relaxed_get(stack.steered))
		return WAIT_TIMEOUT;
	if (!config.spin_us)
		return in_stream() ? linger(t, fds, n, mask) : WAIT_TIMEOUT;
	if (sandbox_forbids(SYS_rt_sigprocmask))
		return WAIT_TIMEOUT;
	return spin_as_told(t, fds, n, deadline, mask);
}
