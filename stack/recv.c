/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * recv.c - every receive call on an accelerated socket (contracts in sock.h).
 *
 * Two queues feed one socket (R2): ours and the shadow's. While ours has datagrams the shadow is looked at every 50
 * us; when ours is empty it is looked at always, before a call says EAGAIN or sleeps. The shadow's answer, data or
 * error, is passed on as it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/clock.h"
#include "base/kernel.h"
#include "base/real.h"
#include "stack/epoll.h"
#include "stack/fdtable.h"
#include "stack/sock.h"
#include "stack/stack.h"
#include "stack/usermem.h"
#include "stack/wait.h"

/* With these the call is the kernel's; UDP ignores all others that it has no use for, MSG_OOB included. */
#define KERNEL_FLAGS (MSG_ERRQUEUE | (int)0x80000000 /* MSG_CMSG_COMPAT: EINVAL */)

#define BATCH 64

static void count_shadow(struct sock *s, ssize_t bytes)
{
	relaxed_add(s->stats->rx_shadow, 1);
	relaxed_add(s->stats->rx_shadow_bytes, (uint64_t)bytes);
	stats_add(STAT_rx_shadow, 1);
}

/*
 * Another thread may close the descriptor, or give its number to another file, while we wait: a call in progress goes on
 * with the file it began with, but only our own queue can still feed it.
 */
static bool names(int fd, const struct sock *s)
{
	return fdtable_peek(fd) == (const struct file *)s;
}

/* The shadow has just been looked at: while there is work in our queue it is not for the next 50 us. */
static void shadow_seen(struct sock *s)
{
	relaxed_set(s->shadow_due, clock_ticks() + WAIT_KERNEL_US * clock_ticks_per_us);
}

/* The kernel goes on while steering is off, for a fork: what it got meanwhile comes before what is steered again. */
static bool is_settling(const struct sock *s)
{
	uint64_t until = relaxed_get(s->settle_until);

	return __builtin_expect(until != 0, 0) && clock_ticks() < until;
}

static bool in_grace(const struct sock *s)
{
	return is_settling(s) && clock_ticks() < relaxed_get(s->settle_grace);
}

static bool shadow_is_due(const struct sock *s)
{
	return is_settling(s) ? relaxed_get(s->older) == 0
			      : clock_ticks() >= relaxed_get(s->shadow_due);
}

/* The shadow's next datagram or error; -EAGAIN: nothing there. */
static ssize_t from_shadow(struct sock *s, int fd, struct msghdr *msg, int flags)
{
	ssize_t r;

	if (!names(fd, s) || sandbox_forbids(SYS_recvmsg))
		return -EAGAIN;
	r = kernel_recvmsg(fd, msg, flags | MSG_DONTWAIT);
	shadow_seen(s);
	if (r == -EMSGSIZE)
		stack_path_changed();
	if (r == -EAGAIN && relaxed_get(s->settle_until) && !in_grace(s))
		relaxed_set(s->settle_until, 0);
	if (r < 0)
		return r;
	if (__builtin_expect(relaxed_get(s->settle_until) != 0, 0))
		queue_settle_read(s);
	relaxed_set(s->last_stamp, 0);
	count_shadow(s, r);
	return r;
}

/* What is read now is older than what the shadow has. */
static void queue_read(struct sock *s, unsigned n)
{
	uint32_t older = relaxed_get(s->older);

	if (__builtin_expect(older != 0, 0))
		relaxed_set(s->older, older > n ? older - n : 0);
}

/* A datagram that could not be copied is lost, and counted as such (net/ipv4/udp.c udp_recvmsg()). */
static ssize_t lose(struct sock *s, ssize_t err, int flags)
{
	if (!(flags & MSG_PEEK))
		sock_count_drop(s);
	return err;
}

/*
 * Copies @d out as recvmsg(2) does; the caller frees it or keeps it (MSG_PEEK). In the kernel's order: data, control messages, name,
 * and at the end the header, of which nothing is written if any of it fails.
 */
static ssize_t copy_out(struct sock *s, const struct dgram *d, struct msghdr *msg, int flags)
{
	struct msghdr out = *msg;
	ssize_t copied;
	int err;

	if (!(flags & MSG_PEEK))
		relaxed_set(s->last_stamp, d->stamp ? d->stamp : 1);
	out.msg_flags = flags & MSG_CMSG_CLOEXEC;
	copied = usermem_scatter(out.msg_iov, out.msg_iovlen, d->payload, d->len);
	if (copied < 0)
		return lose(s, copied, flags);
	if ((size_t)copied < d->len)
		out.msg_flags |= MSG_TRUNC;
	cmsg_fill(s, d, &out);
	if (!usermem_writable_kept(msg, sizeof(*msg)))
		return -EFAULT;
	if (out.msg_name) {
		err = cmsg_fill_name(s, d, &out);
		msg->msg_namelen = out.msg_namelen;
		if (err)
			return err;
	}
	msg->msg_controllen = out.msg_controllen;
	msg->msg_flags = out.msg_flags;
	return flags & MSG_TRUNC ? (ssize_t)d->len : copied;
}

/* It stays where it is: taken off and put back, it would be missed by others who look in between. */
static ssize_t peek_queue(struct sock *s, struct msghdr *msg, int flags)
{
	ssize_t r = -EAGAIN;

	queue_forget_read(s);
	if (!lock_acquire(&s->lock))
		return r;
	if (s->head)
		r = copy_out(s, s->head, msg, flags);
	lock_release(&s->lock);
	return r;
}

/* One datagram of our queue; -EAGAIN: another reader was faster. */
static ssize_t from_queue(struct sock *s, struct msghdr *msg, int flags)
{
	struct dgram *d;
	ssize_t r;

	if (flags & MSG_PEEK)
		return peek_queue(s, msg, flags);
	d = queue_take(s, 1);
	if (!d)
		return -EAGAIN;
	queue_read(s, 1);
	r = copy_out(s, d, msg, flags);
	queue_free(d);
	return r;
}

/* Our queue, unless it is the shadow's turn; -EAGAIN: nothing, or its turn. */
static ssize_t take_fast(struct sock *s, struct msghdr *msg, int flags)
{
	if (!sock_readable(s))
		stack_poll();
	if (sock_readable(s) && !shadow_is_due(s))
		return from_queue(s, msg, flags);
	return -EAGAIN;
}

/* Until when a call may wait: 0 not at all. Of a socket that other processes have, too, the kernel is asked. */
static inline __attribute__((always_inline)) uint64_t wait_until(struct sock *s, int fd, int flags)
{
	uint64_t timeout;

	if ((flags & MSG_DONTWAIT) || relaxed_get(s->timeout_zero))
		return 0;
	if (__builtin_expect(relaxed_get(s->shared), 0) ? sock_is_nonblocking(s, fd)
							: relaxed_get(s->nonblock))
		return 0;
	timeout = relaxed_get(s->timeout_ns);
	return timeout ? wait_deadline(timeout) : WAIT_FOREVER;
}

#define EMPTY_RECEIVES 32

/*
 * A receive that does not wait says nothing about how the program hears of datagrams. Where it is a way that is not seen here (an
 * epoll set filled by io_uring, as new libuv does it, or a plugin bound past us) only the kernel's socket can wake it:
 * steering would silence that. So the socket has to be waited for through libc, or asked in vain again and again.
 */
static void activate_receiver(struct sock *s, int fd, int flags)
{
	if (__builtin_expect(relaxed_get(s->state) != SOCK_PREPARED, 1))
		return;
	if (relaxed_get(s->watched) || relaxed_get(s->empty_receives) >= EMPTY_RECEIVES ||
	    wait_until(s, fd, flags))
		sock_activate(s);
}

/* Whatever is there now, on either side. */
static ssize_t take_now(struct sock *s, int fd, struct msghdr *msg, int flags)
{
	ssize_t r = take_fast(s, msg, flags);

	/* Another thread has let it rest since this call began: what was steered before comes before what the shadow gets now. */
	if (r == -EAGAIN && __builtin_expect(relaxed_get(s->state) == SOCK_PREPARED, 0)) {
		activate_receiver(s, fd, flags);
		r = take_fast(s, msg, flags);
	}
	if (r != -EAGAIN)
		return r;
	r = from_shadow(s, fd, msg, flags);
	/* What was steered since has to wait for what is still on its way to the shadow: for the moment of grace. */
	while (r == -EAGAIN && in_grace(s) && sock_readable(s) && !relaxed_get(s->older)) {
		clock_pause();
		r = from_shadow(s, fd, msg, flags);
	}
	return r == -EAGAIN ? from_queue(s, msg, flags) : r;
}

static bool readable(void *arg)
{
	return sock_readable(arg);
}

static void release(void *arg)
{
	sock_put(arg);
}

/* What a blocking receive remembers from one sleep to the next. */
struct waiting {
	uint64_t deadline;
	unsigned blind_ms; /* the shadow has an error that reading does not take away: sleep without it for so long */
};

#define BLIND_MAX_MS 64

/*
 * Until something may be there on either side. 0; 1: shut down for reading; -EAGAIN: time is up; -EINTR; -ERESTART: interrupted, to be
 * begun again from the top.
 */
static int wait_for_datagram(struct sock *s, int fd, struct waiting *w)
{
	struct wait_target target = { .sock = s,
				      .ready = readable,
				      .arg = s,
				      .release = release,
				      .no_restart = w->deadline != WAIT_FOREVER };
	bool blind = w->blind_ms || !names(fd, s);
	struct pollfd pfd[1 + WAIT_EXTRA] = { { .fd = blind ? -1 : fd,
						.events = POLLIN | POLLRDHUP } };
	uint64_t until = w->deadline;
	int r;

	if (w->blind_ms && wait_deadline(w->blind_ms * NSEC_PER_MSEC) < until)
		until = wait_deadline(w->blind_ms * NSEC_PER_MSEC);
	r = wait_for(&target, pfd, 1, until, NULL);
	/* With a timeout the kernel does not restart either (net/core/sock.c sock_intr_errno()). */
	if (r == -EINTR)
		return w->deadline == WAIT_FOREVER && wait_restarts() ? -ERESTART : -EINTR;
	if (r < 0)
		return r;
	/* poll() looks its descriptors up again when a signal wakes it: it may answer for another file now. */
	if (r == WAIT_KERNEL && !(pfd[0].revents & POLLNVAL) && !names(fd, s))
		return until != WAIT_FOREVER && clock_ns() >= until ? -EAGAIN : -ERESTART;
	if (r == WAIT_READY)
		shadow_seen(s);
	else if (r == WAIT_KERNEL)
		relaxed_set(s->shadow_due, 0);
	w->blind_ms = 0;
	if (r == WAIT_KERNEL && !(pfd[0].revents & (POLLIN | POLLRDHUP)))
		w->blind_ms = 1;
	if (r == WAIT_KERNEL && (pfd[0].revents & POLLRDHUP))
		return 1;
	return w->deadline != WAIT_FOREVER && clock_ns() >= w->deadline ? -EAGAIN : 0;
}

static ssize_t wait_and_take(struct sock *s, int fd, struct msghdr *msg, int flags,
			     uint64_t deadline)
{
	struct waiting w = { .deadline = deadline };
	unsigned blind = 0;
	ssize_t r;
	int err;

	do {
		err = wait_for_datagram(s, fd, &w);
		if (err < 0 && err != -EAGAIN)
			return err;
		r = take_now(s, fd, msg, flags);
		/* Nothing more will come: the kernel ends such a call at once, a non-blocking one it does not. */
		if (err == 1 && r == -EAGAIN)
			return kernel_recvmsg(fd, msg, flags);
		/* POLLERR that stays (IP_RECVERR, the error queue is not read) must not turn into a busy loop. */
		blind = w.blind_ms ? (blind < BLIND_MAX_MS ? blind * 2 + 1 : blind) : 0;
		w.blind_ms = blind;
	} while (r == -EAGAIN && err != -EAGAIN);
	return r;
}

/* What recvmmsg() left behind, for one caller only, as the kernel's sock_error(). */
static int deferred_error(struct sock *s)
{
	if (__builtin_expect(relaxed_get(s->deferred_error) == 0, 1))
		return 0;
	return __atomic_exchange_n(&s->deferred_error, 0, __ATOMIC_RELAXED);
}

/* One datagram, waiting for it unless @flags or the socket say no. */
static ssize_t receive(struct sock *s, int fd, struct msghdr *msg, int flags)
{
	ssize_t r = deferred_error(s);
	uint64_t deadline;

	if (r)
		return r;
	r = take_fast(s, msg, flags);
	if (r != -EAGAIN)
		return r;
	/* With nothing in our queue a call that may sleep need not ask the shadow first: the sleep looks at it. */
	deadline = wait_until(s, fd, flags);
	if (deadline && !sock_readable(s))
		return wait_and_take(s, fd, msg, flags, deadline);
	r = take_now(s, fd, msg, flags);
	return r == -EAGAIN && deadline ? wait_and_take(s, fd, msg, flags, deadline) : r;
}

static bool is_plain_vector(const struct iovec *iov, size_t n)
{
	if (n > IOV_MAX || !usermem_readable(iov, n * sizeof(*iov)))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!usermem_plain(iov[i].iov_base, iov[i].iov_len))
			return false;
	return true;
}

/* Nothing that the kernel could object to before it looks for a datagram. */
static bool is_plain(const struct msghdr *msg)
{
	return is_plain_vector(msg->msg_iov, msg->msg_iovlen) &&
	       (!msg->msg_name || (int)msg->msg_namelen >= 0);
}

static ssize_t receive_now(struct sock *s, int fd, struct msghdr *msg, int flags)
{
	ssize_t r;

	stack_tick();
	activate_receiver(s, fd, flags);
	r = receive(s, fd, msg, flags);
	if (__builtin_expect(relaxed_get(s->state) == SOCK_PREPARED, 0))
		relaxed_set(s->empty_receives,
			    r == -EAGAIN ? relaxed_get(s->empty_receives) + 1 : 0);
	family_received(s);
	return r;
}

ssize_t sock_recvmsg(struct sock *s, int fd, struct msghdr *msg, int flags)
{
	long verdict;

	if (!usermem_readable(msg, sizeof(*msg)))
		return -EFAULT;
	if (__builtin_expect(flags & KERNEL_FLAGS, 0)) {
		if (flags & MSG_ERRQUEUE)
			stack_path_changed(); /* maybe */
		return kernel_recvmsg(fd, msg, flags);
	}
	if (__builtin_expect(!is_plain(msg), 0)) {
		verdict = usermem_judge(SYS_recvmsg, msg, MSG_DONTWAIT, 0, 0);
		if (verdict != -EAGAIN)
			return verdict;
	}
	return receive_now(s, fd, msg, flags);
}

ssize_t sock_readv(struct sock *s, int fd, const struct iovec *iov, int n, int rwf)
{
	struct msghdr msg = { .msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)n };
	size_t room = 0;
	long verdict;

	if (n > 0 && is_plain_vector(iov, (size_t)n))
		for (int i = 0; i < n; i++)
			room |= iov[i].iov_len;
	/* Nor does a vector without room take a datagram: the result is 0 then. */
	if (!room || rwf) {
		verdict = rwf ? usermem_judge(SYS_preadv2, iov, (size_t)n, -1, rwf)
			      : usermem_judge(SYS_readv, iov, (size_t)n, 0, 0);
		if (verdict != -EAGAIN)
			return verdict;
	}
	return receive_now(s, fd, &msg, rwf & RWF_NOWAIT ? MSG_DONTWAIT : 0);
}

ssize_t sock_read(struct sock *s, int fd, void *buf, size_t len)
{
	struct iovec iov = { buf, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	long verdict;

	if (__builtin_expect(!len || !usermem_plain(buf, len), 0)) {
		verdict = usermem_judge(SYS_read, buf, len, 0, 0);
		if (verdict != -EAGAIN)
			return verdict;
	}
	return receive_now(s, fd, &msg, 0);
}

ssize_t sock_take_queued(struct sock *s, void *buf, size_t len)
{
	struct iovec iov = { buf, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	return from_queue(s, &msg, 0);
}

/* Copies a chain out into consecutive messages. Returns how many; what is left of the chain is put back. */
static int copy_chain(struct sock *s, struct dgram *chain, struct mmsghdr *vec, int flags, int *err)
{
	struct dgram *d = chain;
	int n = 0;

	for (; d; d = d->next, n++) {
		ssize_t r;

		if (d->next)
			__builtin_prefetch(d->next->payload);
		r = copy_out(s, d, &vec[n].msg_hdr, flags);
		if (r >= 0 && !usermem_writable_kept(&vec[n].msg_len, sizeof(int)))
			r = -EFAULT;
		if (r < 0) {
			*err = (int)r;
			break;
		}
		vec[n].msg_len = (unsigned)r;
	}
	if (d) { /* the one that failed is lost, as in the kernel; those behind it are not */
		queue_untake(s, d->next);
		d->next = NULL;
		epoll_sock_changed(s);
		wait_wake_sock(s);
	}
	queue_free(chain);
	return n;
}

/* Of a vector, what the kernel reads and writes: not the padding at its end. */
static size_t vector_size(unsigned n)
{
	return n * sizeof(struct mmsghdr) -
	       (sizeof(struct mmsghdr) - offsetof(struct mmsghdr, msg_len) - sizeof(int));
}

static bool plain_messages(const struct mmsghdr *vec, unsigned n)
{
	if (!usermem_readable(vec, vector_size(n)))
		return false;
	for (unsigned i = 0; i < n; i++)
		if (!is_plain(&vec[i].msg_hdr))
			return false;
	return true;
}

/* As many as our queue has, in one go: one lock for the queue, one for the frames. */
static int receive_batch(struct sock *s, struct mmsghdr *vec, unsigned n, int flags, int *err)
{
	unsigned max = n < BATCH ? n : BATCH, there;
	int got;

	if (!sock_readable(s))
		stack_poll();
	there = is_settling(s) ? relaxed_get(s->older) : relaxed_get(s->count);
	if (there && there < max)
		max = there;
	if (!sock_readable(s) || shadow_is_due(s) || (flags & MSG_PEEK) || !plain_messages(vec, max))
		return 0;
	got = copy_chain(s, queue_take(s, max), vec, flags, err);
	queue_read(s, (unsigned)got);
	return got;
}

static bool time_is_up(uint64_t deadline)
{
	return deadline != WAIT_FOREVER && clock_ns() >= deadline;
}

/*
 * net/socket.c do_recvmmsg(): MSG_WAITFORONE stops waiting after the first message, the timeout is looked at after
 * each message only, an error after the first message is kept for the next call.
 */
static int receive_many(struct sock *s, int fd, struct mmsghdr *vec, unsigned n, int flags,
			uint64_t deadline)
{
	unsigned done = 0;
	int err = deferred_error(s), got;
	ssize_t r;

	if (err)
		return err;
	while (done < n) {
		/* The time is looked at after each message: once it is up there is one more at the most. */
		got = receive_batch(s, vec + done, time_is_up(deadline) ? 1 : n - done, flags, &err);
		done += (unsigned)got;
		if (err)
			break;
		/* What is there was taken, and the shadow has been looked at lately: no system call to hear "nothing". */
		if (!got && done && (flags & (MSG_DONTWAIT | MSG_PEEK)) == MSG_DONTWAIT &&
		    !sock_readable(s) && !shadow_is_due(s))
			break;
		if (!got) {
			/* The element's first member, without a look at what may be no pointer at all. */
			r = sock_recvmsg(s, fd, (struct msghdr *)(vec + done),
					 flags & ~MSG_WAITFORONE);
			if (r >= 0 && !usermem_writable_kept(&vec[done].msg_len, sizeof(int)))
				r = -EFAULT;
			if (r < 0) {
				err = (int)r;
				break;
			}
			vec[done++].msg_len = (unsigned)r;
		}
		if (flags & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
		if (time_is_up(deadline))
			break;
	}
	if (done && err && err != -EAGAIN && err != -EINTR && err != -ERESTART)
		relaxed_set(s->deferred_error, err);
	return done ? (int)done : err;
}

static bool is_time(const struct timespec *ts)
{
	return !ts || (usermem_readable(ts, sizeof(*ts)) && ts->tv_sec >= 0 &&
		       (unsigned long)ts->tv_nsec < NSEC_PER_SEC);
}

int sock_recvmmsg(struct sock *s, int fd, struct mmsghdr *vec, unsigned n, int flags,
		  struct timespec *timeout)
{
	uint64_t deadline = WAIT_FOREVER, now;
	int r;

	if ((flags & KERNEL_FLAGS) || !is_time(timeout)) {
		r = real.recvmmsg(fd, vec, n, flags, timeout);
		return r < 0 ? -errno : r;
	}
	if (timeout)
		deadline = wait_deadline((uint64_t)timeout->tv_sec * NSEC_PER_SEC +
					 (uint64_t)timeout->tv_nsec);
	stack_tick();
	activate_receiver(s, fd, flags);
	r = receive_many(s, fd, vec, n, flags, deadline);
	family_received(s);
	if (timeout && r > 0) { /* the time that was left, as the kernel writes it back */
		now = clock_ns();
		deadline = deadline > now ? deadline - now : 0;
		if (!usermem_writable_kept(timeout, sizeof(*timeout)))
			return -EFAULT;
		timeout->tv_sec = (time_t)(deadline / NSEC_PER_SEC);
		timeout->tv_nsec = (long)(deadline % NSEC_PER_SEC);
	}
	return r;
}
