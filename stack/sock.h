/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sock.h - a UDP socket of the program that is, or may become, accelerated.
 *
 * The file descriptor is a genuine kernel socket, the shadow (R1): addresses, options, permissions and errors are the kernel's,
 * and whatever cannot take the fast path goes through it. What is kept here is a mirror of the few things that
 * the data path has to know; sock_sync() reads them from the kernel after each call that may have changed them.
 *
 * Life: socket() gives a sock in SOCK_IDLE. A bind (explicit or implicit) to a chosen port makes it SOCK_PREPARED:
 * queues are open, it is in the demultiplexer, nothing is steered yet (R7). The first wait or receive makes it
 * SOCK_ACTIVE. Whatever cannot be accelerated ends in SOCK_KERNEL, with a reason, and behaves as without us; datagrams that are queued by then
 * are still delivered.
 *
 * A sock is shared by all descriptors that were dup()ed from one another; the last one closed ends it. Memory is
 * type-stable (slab.h): look-ups take a reference and check again (fdtable.h).
 */
#ifndef STACK_SOCK_H
#define STACK_SOCK_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/single_threaded.h>
#include <sys/socket.h>

#include "base/ipaddr.h"
#include "base/lock.h"
#include "base/relaxed.h"
#include "base/stats.h"
#include "stack/dgram.h"
#include "stack/hold.h"
#include "stack/hostnet.h"

enum sock_state {
	SOCK_IDLE,     /* not bound to a chosen port: the kernel does everything */
	SOCK_PREPARED, /* chosen, queues open, not steered */
	SOCK_ACTIVE,   /* steered */
	SOCK_KERNEL,   /* chosen, but on the kernel path */
};

/* Ancillary data that the program asked for on received datagrams. */
enum sock_want {
	WANT_TIMESTAMP = 1 << 0,
	WANT_TIMESTAMPNS = 1 << 1,
	WANT_TIMESTAMPING = 1 << 2,
	WANT_TIME_NEW = 1 << 3, /* ... in the 64-bit forms (SO_TIMESTAMP_NEW) */
	WANT_RXQ_OVFL = 1 << 4,
	WANT_PKTINFO = 1 << 5,
	WANT_TTL = 1 << 6,
	WANT_TOS = 1 << 7,
	WANT_ORIGDST = 1 << 8,
	WANT6_PKTINFO = 1 << 9,
	WANT6_HOPLIMIT = 1 << 10,
	WANT6_TCLASS = 1 << 11,
	WANT6_FLOWINFO = 1 << 12,
	WANT6_ORIGDST = 1 << 13,
	WANT_SIOCGSTAMP = 1 << 14,    /* not ancillary, but needs the same stamps */
	WANT_ERRORS = 1 << 15,	      /* not ancillary: errors_due, while options are read */
	WANT_HWSTAMP = 1 << 16,	      /* SO_TIMESTAMPING: the NIC's stamps */
	WANT_STAMP_PKTINFO = 1 << 17, /* ... and which NIC has made them */
};
#define WANT_STAMPS (WANT_TIMESTAMP | WANT_TIMESTAMPNS | WANT_TIMESTAMPING | WANT_HWSTAMP)
#define WANT_ANY_STAMP (WANT_STAMPS | WANT_SIOCGSTAMP)

struct file;
struct engine;
struct epoll_item;
struct flow;
struct group;

struct sock {
	/* fd table's part: the same in every kind of file. */
	int kind; /* enum file_kind */
	int refs, slots;

	uint8_t state;	/* enum sock_state */
	uint8_t family; /* AF_INET or AF_INET6 */
	bool v6only;
	bool connected;
	bool reuseaddr, reuseport;
	bool tx_plain;	      /* no option that needs the kernel for sending */
	bool tx_sticky;	      /* the same, for what cannot be read back (IPV6_PKTINFO, shutdown) */
	const char *forsaken; /* why it is to stay on the kernel path; NULL */
	uint8_t empty_receives; /* in a row, while it is SOCK_PREPARED */
	int deferred_error;	/* recvmmsg() had it after some messages: the next call's answer */
	bool corked;		/* the shadow holds the beginning of a datagram (MSG_MORE) */
	bool nonblock;	     /* O_NONBLOCK, while this process alone can change it (not ->shared) */
	bool timeout_zero;   /* SO_RCVTIMEO was set to a negative time: do not wait at all */
	bool stamp_enabled;  /* SIOCGSTAMP was asked: stamp what comes from now on */
	bool option_refused; /* on the kernel path because of an option, which may be taken back */
	bool shut;	     /* shutdown() has been called: hang-ups are to be reported */
	bool errors_due;     /* connected or IP_RECVERR: the shadow may hold an error */
	bool watched;	     /* in an epoll set */
	bool write_edges;    /* in one that wants to hear of its sends (EPOLLET with EPOLLOUT) */
	bool inherited;	     /* not made here, and not touched yet (adopt.h) */
	bool shared; /* a fork has happened since it was made: another process may have it */
	bool served; /* this process has received on it: its datagrams come here, those of a reuseport twin may not */
	bool held;	   /* asked to be steered, and relatives have it, too (relatives.h) */
	bool address_gone; /* its own address was taken from the host: the kernel accepts nothing for it */
	bool in_demux;
	uint8_t ttl, tos, hops, tclass;
	uint8_t pmtudisc; /* IP_MTU_DISCOVER */
	uint16_t segment; /* UDP_SEGMENT: bytes of payload of each datagram that a send is cut into; 0: one */
	bool mc_loop; /* IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP: members on this host hear it, too */
	uint8_t mc_ttl;		 /* IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS */
	int mc_if;		 /* IP_MULTICAST_IF, IPV6_MULTICAST_IF; 0: by route, or not known */
	struct ipaddr mc_source; /* ... and the address that the IPv4 one was given by */
	uint32_t fragment_mtu;	 /* IPV6_MTU; 0: not set */
	const char *group_option; /* set on it: only the kernel can choose in its reuseport group */
	bool group_cpu;		  /* ... SO_INCOMING_CPU, for good */
	const char *hidden_option; /* set on it: cannot be honoured, nor read back */
	uint64_t options;	   /* those set of the table in sockopt.c, a bit for each */
	uint32_t want;		   /* enum sock_want */
	uint32_t stamping_flags;   /* SO_TIMESTAMPING */
	int bound_if;		   /* SO_BINDTODEVICE; 0: any */
	int fd;			   /* a descriptor of it, for messages */

	struct ipaddr local, remote;
	uint16_t local_port, remote_port; /* network order */

	/* Received datagrams. */
	struct lock lock; /* queue, items */
	struct dgram *head, **tail;
	uint32_t count;
	uint64_t charged, rcvbuf; /* bytes, as the kernel counts them */
	uint32_t dropped;
	uint64_t shadow_due; /* ticks: look at the shadow then, whatever is queued (R2) */
	uint64_t settle_until; /* ticks: steering was just switched on, what is in the shadow is older; 0: has been read */
	uint64_t rested;       /* ticks: steering was switched off for a while */
	uint64_t settle_grace; /* ... and what is on its way through the kernel will be there then */
	uint32_t settle_left;  /* ... or so many of it */
	uint32_t older;	       /* ... but than that many of our queue */
	bool claimed;	       /* the queue may have datagrams of before a fork (dgram.claim) */
	uint64_t error_due;    /* ticks: look for a pending error of the shadow then */
	uint64_t timeout_ns;   /* SO_RCVTIMEO; 0: for ever */
	uint64_t last_stamp; /* dgram.stamp of the last datagram read, if it was ours: 1 not stamped; else 0 */

	/* The last route used. */
	struct lock tx_lock;
	struct ipaddr tx_to, tx_from;
	uint32_t tx_generation;
	int tx_verdict; /* enum hostnet_verdict */
	struct hostnet_hop tx_hop;
	struct iface *tx_iface;
	struct hold hold;
	uint64_t confirm_due; /* ns: when a STALE neighbour is confirmed through the shadow again */

	struct group *groups; /* groups.c: multicast memberships; written with all engines locked */
	unsigned group_count;
	bool group_all4, group_all6; /* IP_MULTICAST_ALL, IPV6_MULTICAST_ALL */
	uint64_t cookie;	     /* SO_COOKIE, once it is chosen */

	struct sock *hash_next; /* demux.c: same bucket */
	LIST_HEAD(, epoll_item) items;
	LIST_ENTRY(sock) of_shared; /* family.c: shared and active; under stack.lock */
	bool listed;		    /* ... is in that list */
	uint32_t ifaces;	    /* bit mask of stack.iface[] that serve it */
	struct flow *flow;	    /* its steering rule, when active */
	struct stats_socket *stats; /* NULL: not chosen so far (sock_stats()); its slot until it is gone */
	void *free_link;
};

/* A new socket of the program. @fd has just been returned by socket(). Does nothing without memory: kernel path. */
void sock_created(int fd, int domain, int type, int protocol);

/* The program has closed its last descriptor: steering off, out of the demultiplexer. Calls may still be in progress. */
void sock_closed(struct sock *s);

/* The last reference is gone, too. */
void sock_destroy(struct sock *s);

/* Finishes what sock_closed() could not, called as it was from a signal handler. stack.lock held. */
void sock_reap(void);

/*
 * After a successful bind(), connect() or implicit bind of @fd: reads the addresses back from the kernel and acts on
 * what changed. 0; with KBACCEL_STRICT -errno when the socket is chosen but cannot be accelerated.
 */
int sock_bound(struct sock *s, int fd);

/* The program may have changed O_NONBLOCK. */
void sock_sync_flags(struct sock *s, int fd);

/* O_NONBLOCK of a socket that other processes may have, too; where it is forbidden to ask, as it was before that. */
bool sock_is_nonblocking(const struct sock *s, int fd);

/*
 * The program has set @name at @level: reads back from the kernel what that may have changed; a socket whose options we
 * cannot honour goes to the kernel, one whose options we can honour again comes back.
 */
void sock_sync(struct sock *s, int fd, int level, int name);

/* Puts @s on the kernel path for good: steering off, reason logged and recorded. */
void sock_refuse(struct sock *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * The same, and for one that is not bound yet: something reads it that we can not see. @why: a string that stays. What is in our
 * queue is still delivered to calls that we do see.
 */
void sock_forsake(struct sock *s, const char *why);

/* Steering off until the next wait or receive. stack.lock held. */
void sock_rest(struct sock *s);

/* fdtable_each(): a socket shared with another process goes to the kernel path. stack.lock held. */
void sock_yield(int fd, struct file *f);

/* An address of the host came or went: sockets bound to it are steered while it is there. stack.lock held. */
void sock_follow_address(const struct ipaddr *addr, bool on);

/* The place of stack.iface[@dead] is taken by one that is open now: sockets whose addresses lead there move. stack.lock held. */
void sock_replace_iface(unsigned dead);

/* The whole reuseport group of @s has a group_option now: only the kernel can choose among them. */
void sock_refuse_group(struct sock *s);

/* The program that chose in the reuseport group of @s has been detached: the group comes back. */
void sock_readmit_group(struct sock *s);

/* Switches steering on if it is not yet (R7). Called by every wait and receive. */
void sock_activate_slow(struct sock *s);

static inline void sock_activate(struct sock *s)
{
	if (__builtin_expect(relaxed_get(s->state) == SOCK_PREPARED, 0))
		sock_activate_slow(s);
}

/* NULL: it was never bound to a chosen port. */
static inline struct stats_socket *sock_stats(const struct sock *s)
{
	return __atomic_load_n(&s->stats, __ATOMIC_ACQUIRE);
}

/* May datagrams for it come past the kernel? For callers without stack.lock it is a hint. */
static inline bool sock_may_be_steered(const struct sock *s)
{
	uint8_t state = relaxed_get(s->state);

	return state == SOCK_PREPARED || state == SOCK_ACTIVE;
}

/* May datagrams for it come past the kernel, or still be queued? Otherwise every call is the kernel's alone. */
static inline bool sock_is_fast(const struct sock *s)
{
	return sock_may_be_steered(s) || __builtin_expect(relaxed_get(s->count) != 0, 0);
}

static inline bool sock_readable(const struct sock *s)
{
	return __atomic_load_n(&s->count, __ATOMIC_ACQUIRE) != 0;
}

/* The program is told the number (SO_RXQ_OVFL): engines and readers that drop at the same time must not lose one. */
static inline void sock_count_drop(struct sock *s)
{
	if (__libc_single_threaded)
		s->dropped++;
	else
		__atomic_add_fetch(&s->dropped, 1, __ATOMIC_RELAXED);
}

/* queue.c. Address space for datagrams set aside, while system calls are allowed (R7). */
void queue_reserve(void);

/* Enqueue takes @d over, or drops it when the receive buffer is full. @aside: copy it out of its frame. */
void queue_put(struct sock *s, struct dgram *d, bool aside);
/* Enqueues a copy of @d, which stays the caller's: a multicast datagram for several sockets. */
void queue_put_copy(struct sock *s, const struct dgram *d);
/* Takes up to @max datagrams off as a chain, or NULL. */
struct dgram *queue_take(struct sock *s, unsigned max);
/* Puts a chain back in front, for datagrams that were not read after all. */
void queue_untake(struct sock *s, struct dgram *first);
/* Frees a chain of consumed datagrams. */
void queue_free(struct dgram *chain);
void queue_flush(struct sock *s);
/* Before a fork: parent and child have what is queued by now, and whoever reads a datagram first gets it. */
void queue_share(struct sock *s);
/* In the child: leaves what could not be shared to the parent. */
void queue_inherit(struct sock *s);
/* Takes off what a relative has read meanwhile, up to the first that it has not. */
void queue_forget_read(struct sock *s);
/*
 * Steering is about to be switched on: what the shadow has by then is read before what comes by the queues afterwards. @in_order: also
 * what is still on its way to the one or the other, which takes a moment.
 */
void queue_settle(struct sock *s, bool in_order);

/* A datagram of the shadow was read meanwhile. */
void queue_settle_read(struct sock *s);

/* recv.c: the receive calls on an accelerated socket. All return bytes or -errno. */
/*
 * The shortest way, for what most programs do: one datagram that is there, into one buffer. @name (NULL: nobody asks) and @namelen get
 * its source. False: something is out of the ordinary, and nothing was taken: sock_recvmsg().
 */
bool sock_recv_plain(struct sock *s, void *buf, size_t len, int flags,
		     struct sockaddr_storage *name, socklen_t *namelen, ssize_t *r);
ssize_t sock_recvmsg(struct sock *s, int fd, struct msghdr *msg, int flags);
int sock_recvmmsg(struct sock *s, int fd, struct mmsghdr *vec, unsigned n, int flags,
		  struct timespec *timeout);
/* @rwf: RWF_* of preadv2(). */
ssize_t sock_readv(struct sock *s, int fd, const struct iovec *iov, int n, int rwf);
ssize_t sock_read(struct sock *s, int fd, void *buf, size_t len);
/* A datagram that is in our queue by now, without looking at the shadow; -EAGAIN: none. */
ssize_t sock_take_queued(struct sock *s, void *buf, size_t len);

/* send.c. */
ssize_t sock_sendmsg(struct sock *s, int fd, const struct msghdr *msg, int flags);
int sock_sendmmsg(struct sock *s, int fd, struct mmsghdr *vec, unsigned n, int flags);

/*
 * SIOCGSTAMP and SIOCGSTAMPNS: CLOCK_REALTIME ns of the last datagram that was read, or 0: it was the shadow's, or
 * there was none.
 */
uint64_t sock_last_stamp(struct sock *s, int fd);

/* FIONREAD: length of the next datagram. */
int sock_next_length(struct sock *s, int fd);

/*
 * cmsg.c: fills control data, and the bits of msg_flags that say so, for @d. A message that can not be written is left out without a
 * word, as put_cmsg()'s callers do.
 */
void cmsg_fill(struct sock *s, const struct dgram *d, struct msghdr *msg);
/* The source of @d as a program on @s sees it; its length. */
socklen_t cmsg_name(const struct sock *s, const struct dgram *d, struct sockaddr_storage *name);
/* ... its source and msg_namelen. 0, or -EFAULT: the name could not be written, the length is right. */
int cmsg_fill_name(const struct sock *s, const struct dgram *d, struct msghdr *msg);

#endif
