/* SPDX-License-Identifier: BSD-3-Clause */
/* wait.c - see wait.h. */
#define _GNU_SOURCE
#include "stack/wait.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <sys/single_threaded.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/fds.h"
#include "base/kernel.h"
#include "base/log.h"
#include "base/real.h"
#include "base/slab.h"
#include "base/stats.h"
#include "stack/sock.h"
#include "stack/spin.h"
#include "stack/stack.h"

#define SLICE_NS (300 * NSEC_PER_MSEC)
#define BLIND_SLICE_NS                                                                             \
	NSEC_PER_MSEC /* without an eventfd another thread cannot wake us: look often */

struct sleeper {
	LIST_ENTRY(sleeper) link;
	const struct sock *sock; /* as in struct wait_target, which may be gone after a longjmp() out of a handler */
	const struct epoll_set *set;
	int fd;		     /* eventfd */
	struct timespec *ts; /* see unwritable_time() */
	bool pending;	     /* written to since it was last read */
};

static LIST_HEAD(, sleeper) sleepers = LIST_HEAD_INITIALIZER(sleepers);
static struct lock sleepers_lock;
static int sleeping; /* elements of the list */
static struct slab sleeper_slab = SLAB(struct sleeper, sock, 65536);
static struct sleeper *spare;
static struct timespec *lone_ts; /* of a process without threads */

uint64_t wait_deadline(uint64_t ns)
{
	uint64_t now = clock_ns();

	return ns > WAIT_FOREVER - 1 - now ? WAIT_FOREVER : now + ns;
}

/*
 * ppoll() writes the time left back, and can be restarted only then: with a time that cannot be written it says EINTR instead, as
 * epoll_wait() and a receive with a time limit always do (fs/select.c poll_select_finish()). So the seconds, always 0, are the
 * end of a page that cannot be written, the nanoseconds the beginning of one that can. NULL: no memory.
 */
static struct timespec *unwritable_time(void)
{
	long page = sysconf(_SC_PAGESIZE), flags = MAP_PRIVATE | MAP_ANONYMOUS;
	long at = own_call6(SYS_mmap, 0, 2 * page, PROT_READ, flags, -1, 0);

	_Static_assert(offsetof(struct timespec, tv_nsec) == sizeof(time_t), "nothing in between");
	if (at < 0 && at >= -4095)
		return NULL;
	if (own_call6(SYS_mmap, at + page, page, PROT_READ | PROT_WRITE, flags | MAP_FIXED, -1,
		      0) != at + page)
		return NULL;
	return (struct timespec *)(at + page - (long)sizeof(time_t));
}

static struct sleeper *sleeper_new(void)
{
	struct sleeper *w = slab_get(&sleeper_slab);
	int fd;

	if (!w || w->fd > 0)
		return w; /* used before: has its eventfd */
	fd = (int)own_call6(SYS_eventfd2, 0, EFD_NONBLOCK | EFD_CLOEXEC, 0, 0, 0, 0);
	w->fd = fd < 0 ? -1 : fds_keep(fd);
	if (!w->ts)
		w->ts = unwritable_time();
	return w;
}

void wait_prepare(void)
{
	slab_reserve(&sleeper_slab, 64);
	if (!spare)
		spare = sleeper_new();
	if (!lone_ts)
		lone_ts = unwritable_time();
}

#define CONFINED_SLEEPERS 16 /* threads that wait at the same time */

static bool deaf;	   /* eventfds cannot be used: see BLIND_SLICE_NS */
static bool all_restarted; /* by the handlers that the program had when it forbade itself to change them */

static bool handlers_restart(void);

void wait_confine(const struct sandbox *next)
{
	struct sleeper *w, *list = NULL;

	if (!sandbox_forbids(SYS_rt_sigaction))
		all_restarted = handlers_restart();
	if (sandbox_forbids_in(next, SYS_read) || sandbox_forbids_in(next, SYS_write))
		relaxed_set(deaf, true);
	if (!sandbox_forbids_in(next, SYS_eventfd2) && !sandbox_forbids_in(next, SYS_mmap))
		return;
	wait_prepare();
	for (int i = 0; i < CONFINED_SLEEPERS && (w = sleeper_new()); i++) {
		w->link.le_next = list;
		list = w;
	}
	while ((w = list)) {
		list = w->link.le_next;
		slab_put(&sleeper_slab, w);
	}
}

static bool can_be_woken(const struct sleeper *w)
{
	return w && w->fd >= 0 && !relaxed_get(deaf);
}

/* A thread that sleeps, for the case that it is cancelled there. */
struct asleep {
	struct sleeper *sleeper;
	const struct wait_target *target;
	struct sleeper outer; /* what the sleeper was for when @again */
	bool again;
};

/*
 * This thread's sleeper, until its sleep is over. If there is one already a signal handler that interrupted the sleep waits, too, or
 * it has jumped out of the sleep: that cannot be told apart. So it serves the new sleep and is then given back as it was: a jump
 * leaves no more than one behind.
 */
static __thread struct sleeper *mine __attribute__((tls_model("initial-exec")));

static void drain(struct sleeper *w)
{
	uint64_t value;

	if (w->pending)
		own_call6(SYS_read, w->fd, (long)&value, sizeof(value), 0, 0, 0);
	w->pending = false;
}

static void reuse(struct asleep *a)
{
	struct sleeper *w = mine;

	if (!lock_acquire(&sleepers_lock))
		return;
	a->again = true;
	a->outer = *w;
	a->sleeper = w;
	w->sock = a->target->sock;
	w->set = a->target->set;
	drain(w);
	lock_release(&sleepers_lock);
}

static void sleeper_get(struct asleep *a)
{
	struct sleeper *w;

	if (mine) {
		reuse(a);
		return;
	}
	w = __atomic_exchange_n(&spare, NULL, __ATOMIC_ACQ_REL);
	if (!w)
		w = sleeper_new();
	if (!w)
		return;
	w->sock = a->target->sock;
	w->set = a->target->set;
	w->pending = false;
	if (!lock_acquire(&sleepers_lock)) {
		slab_put(&sleeper_slab, w);
		return;
	}
	LIST_INSERT_HEAD(&sleepers, w, link);
	__atomic_add_fetch(&sleeping, 1, __ATOMIC_SEQ_CST);
	a->sleeper = mine = w;
	lock_release(&sleepers_lock);
}

static void wake(struct sleeper *w)
{
	static const uint64_t one = 1;

	w->pending = true;
	own_call6(SYS_write, w->fd, (long)&one, sizeof(one), 0, 0, 0);
}

static void give_back(struct sleeper *w, const struct asleep *a)
{
	w->sock = a->outer.sock;
	w->set = a->outer.set;
	if (a->outer.pending && !w->pending)
		wake(w);
}

static void sleeper_put(struct asleep *a)
{
	struct sleeper *w = a->sleeper;

	a->sleeper = NULL;
	if (!w)
		return;
	lock_acquire(&sleepers_lock);
	if (a->again) {
		give_back(w, a);
		lock_release(&sleepers_lock);
		return;
	}
	LIST_REMOVE(w, link);
	__atomic_sub_fetch(&sleeping, 1, __ATOMIC_SEQ_CST);
	mine = NULL;
	lock_release(&sleepers_lock);
	drain(w);
	slab_put(&sleeper_slab, w);
}

static void wake_matching(const struct sock *s, const struct epoll_set *set)
{
	struct sleeper *w;

	if (__libc_single_threaded)
		return;
	/* Pairs with the one in sleep_once(): either we see the sleeper, or it sees what we queued. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!relaxed_get(sleeping) || !lock_acquire(&sleepers_lock))
		return;
	LIST_FOREACH(w, &sleepers, link) {
		bool many = !w->sock && !w->set;

		if (w->pending || !can_be_woken(w) ||
		    !(many || (s && w->sock == s) || (set && w->set == set)))
			continue;
		stats_add(STAT_cross_wakes, 1);
		wake(w);
	}
	lock_release(&sleepers_lock);
}

void wait_wake_sock(const struct sock *s)
{
	wake_matching(s, NULL);
}

void wait_wake_set(const struct epoll_set *set)
{
	wake_matching(NULL, set);
}

/*
 * Arming moves frames from the pool to the fill ring, as receiving and sending do. In a signal handler that interrupted
 * the holder there is nothing to arm with: the descriptor alone has to do.
 */
static bool arm(struct engine *e)
{
	bool has_frames;

	if (!lock_acquire(&e->lock))
		return false;
	engine_reclaim(e);
	has_frames = e->queue->nic->ops->arm(e->queue) != 0;
	lock_release(&e->lock);
	return has_frames;
}

/* Adds the queues to the descriptors to poll; -1: one of them has frames already. */
static int add_engines(struct pollfd *fds, unsigned n)
{
	unsigned engines = __atomic_load_n(&stack.engines, __ATOMIC_ACQUIRE);

	for (unsigned i = 0; i < engines; i++) {
		struct engine *e = stack.engine[i];

		if (relaxed_get(e->dead))
			continue;
		if (arm(e))
			return -1;
		fds[n++] = (struct pollfd){ .fd = e->queue->fd, .events = POLLIN };
	}
	return (int)n;
}

/* A queue that reports an error instead of frames would turn every sleep into a busy loop. */
static void bury_dead(const struct pollfd *fds, unsigned first, unsigned last)
{
	unsigned engines = __atomic_load_n(&stack.engines, __ATOMIC_ACQUIRE);

	for (unsigned i = first; i < last; i++) {
		if (!(fds[i].revents & (POLLERR | POLLNVAL | POLLHUP)))
			continue;
		for (unsigned k = 0; k < engines; k++) {
			struct engine *e = stack.engine[k];

			/* Several sleepers see it at once: one of them says so. */
			if (e->queue->fd != fds[i].fd ||
			    __atomic_exchange_n(&e->dead, true, __ATOMIC_RELAXED))
				continue;
			log_warn("%s queue %u is gone (interface removed or reset): its traffic is on the kernel path now",
				 e->queue->nic->ifname, e->queue->index);
			relaxed_set(e->queue->nic->broken, true);
			relaxed_set(stack.tick_due, 0);
		}
	}
}

static bool kernel_event(const struct pollfd *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (fds[i].revents)
			return true;
	return false;
}

/*
 * Is the thread in family_asleep? A jump out of a handler leaves it so until its next wait ends, or its next call turns the clockwork. A
 * handler that waits itself ends it early, but then the wait that it interrupted is over, too.
 */
static __thread bool counted __attribute__((tls_model("initial-exec")));
__thread bool wait_attending __attribute__((tls_model("initial-exec")));

static void count_asleep(void)
{
	if (!counted)
		__atomic_add_fetch(&family_asleep, 1, __ATOMIC_RELAXED);
	counted = true;
}

static void count_awake(void)
{
	if (counted)
		__atomic_sub_fetch(&family_asleep, 1, __ATOMIC_RELAXED);
	counted = false;
}

void wait_is_over(void)
{
	if (!wait_attending)
		count_awake();
}

static void cancelled(void *arg)
{
	struct asleep *a = arg;

	count_awake();
	sleeper_put(a);
	if (a->target->release)
		a->target->release(a->target->arg);
}

/* libc's ppoll() would copy @ts. The call has no effect that a cancellation at any moment could lose. */
static int ppoll_without_restart(struct pollfd *fds, nfds_t n, const struct timespec *ts,
				 const sigset_t *mask)
{
	int r, type;

	if (__libc_single_threaded)
		return (int)own_call6(SYS_ppoll, (long)fds, (long)n, (long)ts, (long)mask, 8, 0);
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &type);
	r = (int)own_call6(SYS_ppoll, (long)fds, (long)n, (long)ts, (long)mask, 8, 0);
	pthread_setcanceltype(type, NULL);
	return r;
}

static int cancellable_ppoll(struct asleep *a, struct pollfd *fds, nfds_t n, uint64_t ns,
			     const sigset_t *mask)
{
	struct timespec ts = { (time_t)(ns / NSEC_PER_SEC), (long)(ns % NSEC_PER_SEC) };
	struct timespec *unwritable = a->sleeper ? a->sleeper->ts : lone_ts;
	int r;

	pthread_cleanup_push(cancelled, a);
	if (a->target->no_restart && unwritable && ts.tv_sec == 0) {
		unwritable->tv_nsec = ts.tv_nsec;
		r = ppoll_without_restart(fds, n, unwritable, mask);
	} else {
		r = real.ppoll(fds, n, &ts, mask);
		if (r < 0)
			r = -errno;
	}
	pthread_cleanup_pop(0);
	return r;
}

/* One sleep of at most a slice. WAIT_TIMEOUT also when the slice is over. */
static int sleep_once(const struct wait_target *t, struct pollfd *fds, unsigned n, uint64_t ns,
		      const sigset_t *mask)
{
	struct asleep a = { .target = t };
	const struct sleeper *w;
	int all, r;

	if (!__libc_single_threaded)
		sleeper_get(&a);
	w = a.sleeper;
	all = t->kernel_only ? (int)n : add_engines(fds, n);
	/* Pairs with the one in wake_matching(). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (all < 0 || t->ready(t->arg)) {
		sleeper_put(&a);
		return WAIT_FED;
	}
	if (can_be_woken(w))
		fds[all] = (struct pollfd){ .fd = w->fd, .events = POLLIN };
	else if (!__libc_single_threaded && ns > BLIND_SLICE_NS)
		ns = BLIND_SLICE_NS;
	stats_add(STAT_sleeps, 1);
	r = cancellable_ppoll(&a, fds, (nfds_t)all + can_be_woken(w), ns, mask);
	/* With ours there are more than RLIMIT_NOFILE allows: look at our side often instead. */
	if (__builtin_expect(r == -EINVAL && all > (int)n, 0)) {
		all = (int)n;
		r = cancellable_ppoll(&a, fds, n, ns < BLIND_SLICE_NS ? ns : BLIND_SLICE_NS, mask);
	}
	sleeper_put(&a);
	if (r <= 0)
		return r;
	bury_dead(fds, n, (unsigned)all);
	stats_add(STAT_wake_ups, 1);
	return kernel_event(fds, n) ? WAIT_KERNEL : WAIT_READY;
}

/* How long to sleep at once; the lease is renewed in between. */
static uint64_t slice(uint64_t now, uint64_t deadline)
{
	if (deadline <= now)
		return 0;
	return deadline - now < SLICE_NS ? deadline - now : SLICE_NS;
}

static int sleep_long(const struct wait_target *t, struct pollfd *fds, unsigned n,
		      uint64_t deadline, const sigset_t *mask)
{
	uint64_t now;
	int r;

	wait_tick();
	stack_kick();
	for (;;) {
		now = clock_ns();
		r = sleep_once(t, fds, n, slice(now, deadline), mask);
		/* After a sleep that was too long: what our queues have is looked at before what the kernel has. */
		wait_tick();
		if (r != WAIT_TIMEOUT)
			return r;
		if (deadline != WAIT_FOREVER && clock_ns() >= deadline)
			return WAIT_TIMEOUT;
	}
}

int wait_for(const struct wait_target *t, struct pollfd *fds, unsigned n, uint64_t deadline,
	     const sigset_t *mask)
{
	int r = spin(t, fds, n, deadline, mask);

	if (r != WAIT_TIMEOUT)
		return r;
	count_asleep();
	r = sleep_long(t, fds, n, deadline, mask);
	count_awake();
	return r;
}

/*
 * The kernel restarts an interrupted receive if the handler that ran was installed with SA_RESTART; which one ran
 * cannot be seen from here. With handlers of both kinds installed the answer is "no": a program that
 * has interrupting handlers checks for EINTR. With none it was one of libc's own (setuid() in a threaded program).
 */
static bool handlers_restart(void)
{
	for (int sig = 1; sig < NSIG; sig++) {
		struct sigaction sa;

		if (sig == SIGKILL || sig == SIGSTOP || sigaction(sig, NULL, &sa) < 0 ||
		    sa.sa_handler == SIG_DFL || sa.sa_handler == SIG_IGN)
			continue;
		if (!(sa.sa_flags & SA_RESTART))
			return false;
	}
	return true;
}

bool wait_restarts(void)
{
	return sandbox_forbids(SYS_rt_sigaction) ? all_restarted : handlers_restart();
}

void wait_forked(void)
{
	lock_reset(&sleepers_lock);
	LIST_INIT(&sleepers);
	sleeping = 0;
	/* The eventfds are shared with the parent: a wake-up meant for one must not reach the other. */
	sleeper_slab.free = NULL;
	spare = mine = NULL;
	counted = wait_attending = false;
}
