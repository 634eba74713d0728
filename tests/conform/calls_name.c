/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * calls_name.c - socket, bind, connect, getsockname, getpeername, shutdown, setsockopt and getsockopt with odd arguments, on every kind
 * of descriptor, and whether the socket still serves afterwards.
 */
/* expect: fast 4 */
#include "calls.h"

static addr_t name;
static socklen_t namelen;

static void serves(const char *what)
{
	char buf[256];

	if (target_fd[BOUND] < 0)
		return;
	feed(BOUND);
	for (int i = 0; i < 2; i++)
		got(what, recv(target_fd[BOUND], buf, sizeof(buf), MSG_DONTWAIT), buf, sizeof(buf));
}

static void sockets(void)
{
	static const int domains[] = { AF_INET, AF_INET6, AF_UNIX, AF_UNSPEC, -1, 4711 };
	static const int types[] = { SOCK_DGRAM,
				     SOCK_DGRAM | SOCK_CLOEXEC,
				     SOCK_DGRAM | SOCK_NONBLOCK,
				     SOCK_STREAM,
				     SOCK_SEQPACKET,
				     0,
				     -1,
				     SOCK_DGRAM | 0x100,
				     15 };
	static const int protocols[] = { 0, IPPROTO_UDP, IPPROTO_TCP, IPPROTO_UDPLITE, 255, 256, -1 };

	for (size_t i = 0; i < NLEN(domains); i++)
		for (size_t k = 0; k < NLEN(types); k++)
			for (size_t j = 0; j < NLEN(protocols); j++)
				for (int call = 0; call < 2; call++) {
					int fd = call ? (int)syscall(SYS_socket, domains[i],
								     types[k], protocols[j])
						      : socket(domains[i], types[k], protocols[j]);

					say("socket %d %x %d: %s", domains[i], types[k],
					    protocols[j], fd < 0 ? strerrorname_np(errno) : "made");
					say(" %d %d\n", fd < 0 ? -1 : fcntl(fd, F_GETFD),
					    fd < 0 ? -1 : fcntl(fd, F_GETFL) & O_NONBLOCK);
					close(fd);
				}
}

typedef int (*name_call)(int, const struct sockaddr *, socklen_t);

static int raw_bind(int fd, const struct sockaddr *a, socklen_t n)
{
	return (int)syscall(SYS_bind, fd, a, n);
}
static int raw_connect(int fd, const struct sockaddr *a, socklen_t n)
{
	return (int)syscall(SYS_connect, fd, a, n);
}

static void naming(const char *what, name_call call, bool binds)
{
	static const int lengths[] = { 0,  1,  2,  7,	8,   15,  16,	   23,
				       24, 27, 28, 127, 128, 129, INT_MAX, -1 };
	static const int families[] = { AF_UNSPEC, AF_INET, AF_INET6, AF_UNIX, 4711 };
	struct place place[PLACES];

	for (enum target t = BOUND; t < TARGETS; t++) {
		if (t == TCP)
			continue;
		for (size_t i = 0; i < NLEN(lengths); i++) {
			int fd = t == UNBOUND ? udp(0) : target_fd[t];

			namelen = addr_of(&name, binds ? "L1" : "P1", binds ? PORT + 5 : PPORT);
			say("%s %s, length %d: %s", what, target_names[t], lengths[i],
			    outcome(call(fd, &name.sa, (socklen_t)lengths[i])));
			namelen = sizeof(name);
			say(", now %s", getsockname(fd, &name.sa, &namelen) < 0
						? "-"
						: addr_name(&name, namelen));
			namelen = sizeof(name);
			say(", %s\n", getpeername(fd, &name.sa, &namelen) < 0
					      ? "-"
					      : addr_name(&name, namelen));
			if (t == UNBOUND)
				close(fd);
		}
	}
	for (size_t i = 0; i < NLEN(families); i++) {
		int fd = udp(0);

		namelen = addr_of(&name, binds ? "L1" : "P1", binds ? PORT + 5 : PPORT);
		name.sa.sa_family = (sa_family_t)families[i];
		say("%s family %d: %s\n", what, families[i],
		    outcome(call(fd, &name.sa, sizeof(name))));
		close(fd);
	}
	places(place, 16);
	for (int i = 0; i < PLACES; i++) {
		int fd = udp(0);

		namelen = addr_of(&name, binds ? "L1" : "P1", binds ? PORT + 5 : PPORT);
		places(place, namelen);
		put(place[i].p, &name, namelen);
		say("%s name %s: %s\n", what, place[i].name,
		    outcome(call(fd, (struct sockaddr *)place[i].p, namelen)));
		close(fd);
	}
	if (!binds) { /* the tables connected these */
		name.sa.sa_family = AF_UNSPEC;
		say("dissolve: %s", outcome(call(target_fd[BOUND], &name.sa, sizeof(name))));
		say(" %s\n", outcome(call(target_fd[CONNECTED], &name.sa, 2)));
	}
	serves(what);
}

static void asking(void)
{
	static const int lengths[] = { 0, 1, 2, 8, 15, 16, 28, 128, 129, INT_MAX, -1 };

	for (enum target t = BOUND; t < TARGETS; t++)
		for (size_t i = 0; i < NLEN(lengths); i++)
			for (int peers = 0; peers < 2; peers++) {
				memset(&name, POISON, sizeof(name));
				namelen = (socklen_t)lengths[i];
				say("%s %s, length %d: %s", peers ? "getpeername" : "getsockname",
				    target_names[t], lengths[i],
				    outcome(peers ? getpeername(target_fd[t], &name.sa, &namelen)
						  : getsockname(target_fd[t], &name.sa, &namelen)));
				say(", length %d written %zu\n", (int)namelen,
				    written(&name, sizeof(name)));
			}
}

static void options(void)
{
	static const int lengths[] = { 0, 1, 3, 4, 5, 16, 4096, INT_MAX, -1 };
	static const struct {
		int level, name;
	} names[] = { { SOL_SOCKET, SO_RCVBUF },
		      { SOL_SOCKET, SO_RCVTIMEO },
		      { SOL_SOCKET, SO_BROADCAST },
		      { SOL_SOCKET, 4711 },
		      { SOL_SOCKET, -1 },
		      { SOL_IP, IP_TOS },
		      { SOL_IP, 4711 },
		      { SOL_IPV6, IPV6_TCLASS },
		      { SOL_UDP, UDP_CORK },
		      { SOL_UDP, 4711 },
		      { IPPROTO_TCP, 1 },
		      { 4711, 1 },
		      { -1, -1 } };
	struct place place[PLACES];
	char value[4096] = { 0 };
	socklen_t len;

	for (size_t i = 0; i < NLEN(names); i++)
		for (size_t k = 0; k < NLEN(lengths); k++) {
			say("option %d/%d length %d: set %s", names[i].level, names[i].name,
			    lengths[k],
			    outcome(setsockopt(target_fd[BOUND], names[i].level, names[i].name,
					       value, (socklen_t)lengths[k])));
			say(" %s", outcome(syscall(SYS_setsockopt, target_fd[BOUND], names[i].level,
						   names[i].name, value, lengths[k])));
			len = (socklen_t)(lengths[k] > 4096 ? 4096 : lengths[k]);
			say(", get %s %d\n",
			    outcome(getsockopt(target_fd[BOUND], names[i].level, names[i].name,
					       value, &len)),
			    (int)len);
			memset(value, 0, sizeof(value));
		}
	places(place, sizeof(struct timeval));
	for (int i = 0; i < PLACES; i++) {
		struct timeval tv = { 0, 0 };

		put(place[i].p, &tv, sizeof(tv));
		say("SO_RCVTIMEO %s: %s\n", place[i].name,
		    outcome(setsockopt(target_fd[BOUND], SOL_SOCKET, SO_RCVTIMEO, place[i].p,
				       sizeof(tv))));
	}
	for (enum target t = UNBOUND; t < TARGETS; t++)
		say("option of %s: %s\n", target_names[t],
		    outcome(setsockopt(target_fd[t], SOL_SOCKET, SO_RCVTIMEO, value,
				       sizeof(struct timeval))));
	serves("options");
}

static void shutting(void)
{
	static const int hows[] = { -1, 3, INT_MAX, INT_MIN, SHUT_RD, SHUT_WR, SHUT_RDWR };

	for (enum target t = CONNECTED; t < TARGETS; t++)
		for (size_t i = 0; i < NLEN(hows); i++)
			say("shutdown %s %d: %s\n", target_names[t], hows[i],
			    outcome(shutdown(target_fd[t], hows[i])));
	for (int i = 0; i < 4; i++)
		say("shutdown bound %d: %s\n", hows[i],
		    outcome(i & 1 ? syscall(SYS_shutdown, target_fd[BOUND], hows[i])
				  : shutdown(target_fd[BOUND], hows[i])));
	serves("shutdown");
	res("send", send_to(target_fd[BOUND], "\1", 1, 0, "P1", PPORT));
	say("peer: %s\n", peer("recv 0 500"));
}

static void descriptors(void)
{
	static const int commands[] = { F_GETFD,      F_GETFL, F_GETOWN, F_GETSIG, F_GETLEASE,
					F_GETPIPE_SZ, 4711,    -1,	 F_SETLK,  F_ADD_SEALS };
	static const int targets[] = { -1, INT_MAX, INT_MIN };
	int limit = 1 << 30, copy;

	for (enum target t = BOUND; t < TARGETS; t++) {
		for (size_t i = 0; i < NLEN(commands); i++)
			say("fcntl %s %d: %s\n", target_names[t], commands[i],
			    outcome(fcntl(target_fd[t], commands[i], 0)));
		for (size_t i = 0; i < NLEN(targets); i++) {
			say("dup of %s to %d: %s", target_names[t], targets[i],
			    outcome(dup2(target_fd[t], targets[i])));
			say(" %s", outcome(dup3(target_fd[t], targets[i], 0)));
			say(" %s", outcome(dup3(target_fd[t], 240, 4711)));
			say(" %s", outcome(dup3(target_fd[t], target_fd[t], 0)));
			say(" %s",
			    dup2(target_fd[t], target_fd[t]) == target_fd[t] ? "same" : "other");
			say(" %s\n", outcome(fcntl(target_fd[t], F_DUPFD, i ? limit : -1)));
		}
	}
	copy = dup2(target_fd[BOUND], 240);
	res("FIONBIO NULL", ioctl(copy, FIONBIO, NULL));
	res("FIOASYNC NULL", ioctl(copy, FIOASYNC, NULL));
	res("FIONREAD NULL", ioctl(copy, FIONREAD, NULL));
	res("FIONREAD unmapped", ioctl(copy, FIONREAD, unmapped));
	res("unknown", ioctl(copy, 0x12345678, NULL));
	res("unknown", ioctl(copy, 0xffffffff12345678ul, NULL));
	res("FIONREAD with high bits", ioctl(copy, 0xffffffff00000000ul | FIONREAD, &limit));
	res("close_range backwards", close_range(241, 240, 0));
	res("close_range flags", close_range(240, 240, 0x100));
	res("close_range", close_range(240, 240, 0));
	res("close", close(240));
	res("close -1", close(-1));
	res("close INT_MIN", close(INT_MIN));
	serves("descriptors");
}

int main(void)
{
	cf_start();
	map_memory();
	find_aliases();
	open_targets();
	sockets();
	naming("bind", bind, true);
	naming("SYS_bind", raw_bind, true);
	asking();
	options();
	descriptors();
	naming("connect", connect, false);
	naming("SYS_connect", raw_connect, false);
	*(void **)&chk_recv = by_symbol("__connect");
	naming("__connect", (name_call)(void *)chk_recv, false);
	shutting();
	return 0;
}
