/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * options_special.c - options whose effect needs a scene of its own: buffers and drops, timeouts, peeking, filters, path MTU,
 * a change of family, reports about what was received, and all of it without privileges.
 */
/* expect: fast 30 */
#include "options.h"
#include <linux/filter.h>
#include <net/if.h>

/* How many of 40 fit, and what SO_RXQ_OVFL says of the others. The sender's buffers differ, so only in classes. */
static void small_buffer(int size)
{
	int fd = bound("any", PORT), n = 0;

	say("-- SO_RCVBUF %d\n", size);
	set_int(fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
	set_int(fd, SOL_SOCKET, SO_RCVBUF, size);
	peer_sends(PORT, 40, 1, 40);
	poll1("queued", fd, POLLIN, 500);
	while (recv(fd, opt_buf, sizeof(opt_buf), MSG_DONTWAIT) >= 0)
		n++;
	say("  %s\n", n == 0 ? "none" : n < 10 ? "a few" : n < 40 ? "many" : "all");
	peer_sends(PORT, 40, 99, 1);
	poll1("one more", fd, POLLIN, 500);
	got("recv", recv(fd, opt_buf, sizeof(opt_buf), MSG_DONTWAIT), opt_buf, 40);
	set_int(fd, SOL_SOCKET, SO_RCVBUF, 200000);
	peer_sends(PORT, 40, 1, 40);
	for (n = 0; recv(fd, opt_buf, sizeof(opt_buf), MSG_DONTWAIT) >= 0; n++)
		;
	say("  larger again: %d\n", n);
	close(fd);
}

/* Larger than the buffer: it is taken when there is nothing else. */
static void large_in_small(void)
{
	int fd = bound("any", PORT), n;

	say("-- larger than SO_RCVBUF\n");
	set_int(fd, SOL_SOCKET, SO_RCVBUF, 0);
	for (int round = 0; round < 3; round++) {
		peer_sends(PORT, 1400, 1, 1);
		poll1("one", fd, POLLIN, 500);
		got("recv", recv(fd, opt_buf, sizeof(opt_buf), MSG_DONTWAIT), opt_buf, 1400);
	}
	peer_sends(PORT, 1400, 1, 10);
	for (n = 0; recv(fd, opt_buf, sizeof(opt_buf), MSG_DONTWAIT) >= 0; n++)
		;
	say("  of ten: %s\n", n == 0 ? "none" : n < 4 ? "a few" : "many");
	close(fd);
}

static void wait_with(const char *what, int fd, int name, const struct timeval *tv, double lo,
		      double hi)
{
	double start;

	say("%s ", what);
	res("set", setsockopt(fd, SOL_SOCKET, name, tv, sizeof(*tv)));
	start = now_ms();
	res("  recv", recv(fd, opt_buf, sizeof(opt_buf), 0));
	took("  it", start, lo, hi);
}

static void forever(const char *what, int fd, const struct timeval *tv)
{
	double start;

	say("%s ", what);
	res("set", setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, tv, sizeof(*tv)));
	peer_later(60, "send 0 L1 %d 20 1 1", PORT);
	start = now_ms();
	res("  recv", recv(fd, opt_buf, sizeof(opt_buf), 0));
	took("  it", start, 40, 3000);
	peer_done();
}

static void timeouts(enum moment m)
{
	int fd = at_moment(m, PORT);

	say("-- timeouts, %s\n", moment_name[m]);
	if (m == FRESH)
		must("bind", bind_to(fd, "any", PORT));
	wait_with("30 ms", fd, SO_RCVTIMEO, &(struct timeval){ 0, 30000 }, 25, 3000);
	wait_with("1 us", fd, SO_RCVTIMEO, &(struct timeval){ 0, 1 }, 0, 3000);
	wait_with("new form, 30 ms", fd, OPT_SO_RCVTIMEO_NEW, &(struct timeval){ 0, 30000 }, 25,
		  3000);
	wait_with("negative", fd, SO_RCVTIMEO, &(struct timeval){ -1, 0 }, 0, 3000);
	wait_with("new form, negative", fd, OPT_SO_RCVTIMEO_NEW, &(struct timeval){ -5, 0 }, 0,
		  3000);
	wait_with("microseconds out of range", fd, SO_RCVTIMEO, &(struct timeval){ 0, 1000000 }, 0,
		  3000);
	wait_with("again 30 ms", fd, SO_RCVTIMEO, &(struct timeval){ 0, 30000 }, 25, 3000);
	forever("zero", fd, &(struct timeval){ 0, 0 });
	forever("very long", fd, &(struct timeval){ 1000000000000, 0 });
	forever("longest", fd, &(struct timeval){ INT64_MAX, 0 });
	forever("overflow of nanoseconds", fd, &(struct timeval){ 18446744074, 0 });
	close(fd);
}

static void peeking(enum moment m)
{
	int fd = at_moment(m, PORT);
	char c[64];

	say("-- SO_PEEK_OFF, %s\n", moment_name[m]);
	set_int(fd, SOL_SOCKET, OPT_SO_PEEK_OFF, 4);
	if (m == FRESH)
		must("bind", bind_to(fd, "any", PORT));
	peer_sends(PORT, 20, 1, 2);
	for (int i = 0; i < 6; i++) {
		memset(c, 0, sizeof(c));
		res("peek", recv(fd, c, 5, MSG_PEEK | MSG_DONTWAIT));
		say("  first byte %d\n", (unsigned char)c[0]);
	}
	got("recv", recv(fd, opt_buf, sizeof(opt_buf), MSG_DONTWAIT), opt_buf, 20);
	set_int(fd, SOL_SOCKET, OPT_SO_PEEK_OFF, -1);
	got("peek", recv(fd, opt_buf, sizeof(opt_buf), MSG_PEEK | MSG_DONTWAIT), opt_buf, 20);
	got("recv", recv(fd, opt_buf, sizeof(opt_buf), MSG_DONTWAIT), opt_buf, 20);
	drain("peeking", fd);
	close(fd);
}

/* Lets pass what begins with @value, or all when it is negative, cut to @length. */
static int filter(int fd, int value, unsigned length)
{
	struct sock_filter code[] = {
		{ BPF_LD | BPF_B | BPF_ABS, 0, 0, 8 },
		{ BPF_JMP | BPF_JEQ | BPF_K, 0, 1, (unsigned)value },
		{ BPF_RET | BPF_K, 0, 0, length },
		{ BPF_RET | BPF_K, 0, 0, value < 0 ? length : 0 },
	};
	struct sock_fprog p = { NLEN(code), code };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &p, sizeof(p));
}

static void filters(enum moment m)
{
	int fd = at_moment(m, PORT), one = 1;

	say("-- filters, %s\n", moment_name[m]);
	res("only 3", filter(fd, 3, 65535));
	if (m == FRESH)
		must("bind", bind_to(fd, "any", PORT));
	peer_sends(PORT, 20, 1, 5);
	take("through", fd);
	res("cut to 12", filter(fd, -1, 12));
	peer_sends(PORT, 20, 1, 2);
	show_dgram("cut", fd, 0, 500);
	show_dgram("cut", fd, MSG_TRUNC, 0);
	res("cut into the header", filter(fd, -1, 3));
	peer_sends(PORT, 20, 1, 1);
	take("through", fd);
	res("detach", setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &one, sizeof(one)));
	peer_sends(PORT, 20, 1, 2);
	take("through", fd);
	res("only 4", filter(fd, 4, 65535));
	res("lock", setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &one, sizeof(one)));
	res("detach", setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &one, sizeof(one)));
	res("another", filter(fd, 3, 65535));
	peer_sends(PORT, 20, 3, 2);
	take("through", fd);
	close(fd);
}

/* What is queued when an option begins or ends. */
static void queued_before(void)
{
	int fd = bound("any", PORT), one = 1;

	say("-- datagrams queued before\n");
	peer_sends(PORT, 20, 1, 3);
	poll1("queued", fd, POLLIN, 500);
	res("filter of all", filter(fd, 200, 65535));
	take("those from before", fd);
	peer_sends(PORT, 20, 1, 3);
	take("later ones", fd);
	res("detach", setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &one, sizeof(one)));
	peer_sends(PORT, 20, 4, 3);
	poll1("queued", fd, POLLIN, 500);
	set_int(fd, SOL_SOCKET, OPT_SO_RCVMARK, 1);
	peer_sends(PORT, 20, 7, 1);
	for (int i = 0; i < 5; i++)
		got("recv", recv(fd, opt_buf, sizeof(opt_buf), MSG_DONTWAIT), opt_buf, 20);
	close(fd);
}

/* A datagram too large for IPV6_DONTFRAG is refused, and with IPV6_RECVPATHMTU a report comes to the receiver. */
static void path_mtu(int report)
{
	union {
		char room[256];
		struct cmsghdr align;
	} control;
	int fd = bound("any", PORT);
	struct timeval tv = { 0, 200000 };
	struct iovec iov = { opt_buf, sizeof(opt_buf) };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };

	say("-- IPV6_DONTFRAG, IPV6_RECVPATHMTU %d\n", report);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, IPPROTO_IPV6, IPV6_DONTFRAG, &(int){ 1 }, sizeof(int));
	res("report", setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPATHMTU, &report, sizeof(int)));
	res("send", send_to(fd, opt_buf, is_lo() ? 65500 : 3000, 0, "P1", PPORT));
	if (res("recvmsg", recvmsg(fd, &m, 0)) >= 0) {
		say(" flags %x control %zu", m.msg_flags, m.msg_controllen);
		say_control(&m);
		say("\n");
	}
	close(fd);
}

/* Fragments to IPV6_MTU are whole at the other end; what fits goes as it is. */
static void fragment_mtu(void)
{
	static const int sizes[] = { 100, 1230, 1233, 1300, 1440, 2000 };
	int fd = bound("any", PORT), mtu = 1280;

	say("-- IPV6_MTU\n");
	res("1280", setsockopt(fd, IPPROTO_IPV6, IPV6_MTU, &mtu, sizeof(mtu)));
	for (size_t i = 0; i < NLEN(sizes); i++) {
		fill(opt_buf, (size_t)sizes[i], 5);
		say("%d: ", sizes[i]);
		res("send", send_to(fd, opt_buf, (size_t)sizes[i], 0, "P1", PPORT));
		say("  %s\n", peer("recvx 0 300"));
	}
	close(fd);
}

/* An IPv6 socket that turns into an IPv4 one. */
static void change_family(int active)
{
	int fd = active ? bound("any", PORT) : udp(0), to = AF_INET, domain = 0;
	socklen_t len = sizeof(domain);
	addr_t a;

	say("-- IPV6_ADDRFORM %s\n", active ? "bound" : "fresh");
	must("connect", connect_to(fd, "P1", PPORT));
	res("to IPv4", setsockopt(fd, IPPROTO_IPV6, IPV6_ADDRFORM, &to, sizeof(to)));
	getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len);
	say("  domain %d\n", domain);
	len = sizeof(a);
	res("getpeername", getpeername(fd, &a.sa, &len));
	say("  %s\n", addr_name(&a, len));
	res("send", send(fd, "x", 1, 0));
	say("  %s\n", active ? peer("recvx 0 300") : peer("recv 0 300"));
	peer("echo 0 0 1");
	set_int(fd, IPPROTO_IP, IP_PKTINFO, 1);
	if (active) {
		peer_sends(PORT, 20, 1, 2);
		show_dgram("recv", fd, 0, 500);
		show_dgram("recv", fd, 0, 500);
	}
	wire_addr(&a, "P1", PPORT);
	res("IPv4 address", wire4() ? sendto(fd, "x", 1, 0, &a.sa, sizeof(a.in)) : 0);
	say("  %s\n", active ? peer("recvx 0 30") : peer("recv 0 30"));
	close(fd);
}

/* Where the kernel keeps a number of received datagrams. */
static void reports(void)
{
	int fd = bound("any", PORT), v;
	uint32_t info[9];
	socklen_t len = sizeof(info);

	say("-- reports\n");
	peer_sends(PORT, 200, 1, 3);
	poll1("queued", fd, POLLIN, 500);
	res("SO_MEMINFO", getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len));
	say("  len %u, receive queue %s, drops %s\n", (unsigned)len,
	    info[0] ? "not empty" : "empty", info[8] ? "some" : "none");
	len = sizeof(v);
	res("SO_INCOMING_CPU", getsockopt(fd, SOL_SOCKET, SO_INCOMING_CPU, &v, &len));
	say("  %d\n", v);
	take("queue", fd);
	len = sizeof(info);
	res("SO_MEMINFO", getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len));
	say("  receive queue %s\n", info[0] ? "not empty" : "empty");
	set_int(fd, SOL_SOCKET, SO_RCVBUF, 0);
	peer_sends(PORT, 200, 1, 40);
	len = sizeof(info);
	poll1("queued", fd, POLLIN, 500);
	pause_ms(100); /* the last one must not be the next socket's */
	res("SO_MEMINFO", getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len));
	say("  drops %s\n", info[8] ? "some" : "none");
	len = sizeof(info);
	res("of 8 bytes", getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &(socklen_t){ 8 }));
	res("NULL", getsockopt(fd, SOL_SOCKET, SO_MEMINFO, NULL, &len));
	close(fd);
	fd = bound("any", PORT);
	must("connect", connect_to(fd, "P1", PPORT));
	peer_sends(PORT, 200, 1, 3);
	poll1("queued", fd, POLLIN, 500);
	take("connected", fd);
	len = sizeof(v);
	res("SO_INCOMING_CPU", getsockopt(fd, SOL_SOCKET, SO_INCOMING_CPU, &v, &len));
	say("  %s\n", v >= 0 ? "a CPU" : "none");
	close(fd);
}

/* The device by name and number: the right one, another one, one that does not exist. */
static void devices(enum moment m)
{
	static const char *const names[] = { "lo", "ve0", "" };
	int fd = at_moment(m, PORT);

	say("-- devices, %s\n", moment_name[m]);
	for (size_t i = 0; i < 2 * NLEN(names); i++) {
		const char *name = names[i / 2];
		int index = *name ? (int)if_nametoindex(name) : 0;
		int r = i % 2 ? setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &index, sizeof(index))
			      : setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name,
					   (socklen_t)strlen(name));

		say("%s by %s: %s\n", *name ? name : "none", i % 2 ? "number" : "name",
		    r < 0 ? strerrorname_np(errno) : "ok");
		if (m == FRESH && i == 0)
			must("bind", bind_to(fd, "any", PORT));
		settle(fd);
		peer("send 0 L1 %d 20 1 1", PORT);
		show_dgram("  recv", fd, 0, 40);
		say("  send %s", send_to(fd, "x", 1, 0, "P1", PPORT) < 0 ? "fails" : "works");
		say(" %s\n", peer("recv 0 40"));
	}
	close(fd);
}

/* The CPU chooses in the group, which depends on the sender's: but every datagram is read once, whatever the order of options. */
static void cpu_group(int cpu_first)
{
	int fd[2], sum = 0, one = 1, cpu;

	say("-- SO_INCOMING_CPU in a group, set %s SO_REUSEPORT\n", cpu_first ? "before" : "after");
	for (int i = 0; i < 2; i++) {
		fd[i] = udp(0);
		cpu = i;
		if (cpu_first)
			set_int(fd[i], SOL_SOCKET, SO_INCOMING_CPU, cpu);
		set_int(fd[i], SOL_SOCKET, SO_REUSEPORT, one);
		must("bind", bind_to(fd[i], "any", PORT));
		settle(fd[i]);
		if (!cpu_first)
			set_int(fd[i], SOL_SOCKET, SO_INCOMING_CPU, cpu);
	}
	peer_sends(PORT, 20, 1, 20);
	for (int i = 0; i < 2; i++)
		sum += take(NULL, fd[i]);
	say("  both together: %d\n", sum);
	close(fd[0]);
	close(fd[1]);
}

/* Options and extension headers for all that is sent; the value is read back, and the datagrams still arrive. */
static void headers(void)
{
	static const struct {
		const char *name;
		int level, opt;
		unsigned char value[8];
		socklen_t len;
	} cases[] = {
		{ "IP_OPTIONS", IPPROTO_IP, IP_OPTIONS, { 1, 1, 1, 0 }, 4 },
		{ "IPV6_HOPOPTS", IPPROTO_IPV6, IPV6_HOPOPTS, { 0, 0, 1, 4, 0, 0, 0, 0 }, 8 },
		{ "IPV6_DSTOPTS", IPPROTO_IPV6, IPV6_DSTOPTS, { 0, 0, 1, 4, 0, 0, 0, 0 }, 8 },
		{ "IPV6_RTHDRDSTOPTS", IPPROTO_IPV6, IPV6_RTHDRDSTOPTS, { 0, 0, 1, 4, 0, 0, 0, 0 }, 8 },
	};

	for (size_t i = 0; i < NLEN(cases); i++) {
		int fd = bound("any", PORT);
		unsigned char back[64];
		socklen_t len = sizeof(back);

		say("-- %s\n", cases[i].name);
		res("set",
		    setsockopt(fd, cases[i].level, cases[i].opt, cases[i].value, cases[i].len));
		res("get", getsockopt(fd, cases[i].level, cases[i].opt, back, &len));
		say("  %u bytes\n", (unsigned)len);
		res("send", send_to(fd, "x", 1, 0, "P1", PPORT));
		say("  %s\n", peer("recvx 0 200"));
		res("unset", setsockopt(fd, cases[i].level, cases[i].opt, NULL, 0));
		res("send", send_to(fd, "x", 1, 0, "P1", PPORT));
		say("  %s\n", peer("recvx 0 200"));
		close(fd);
	}
}

/* An address that the host lacks. */
static void foreign(void)
{
	int fd = udp(0), one = 1, zero = 0;

	say("-- IP_FREEBIND\n");
	res("without", bind_to(fd, "N1", PORT));
	res("set", setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &one, sizeof(one)));
	res("bind", bind_to(fd, "N1", PORT));
	res("unset", setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &zero, sizeof(zero)));
	res("recv", recv(fd, opt_buf, 1, MSG_DONTWAIT));
	res("send", send_to(fd, "x", 1, 0, "P1", PPORT));
	say("  %s\n", peer("recvx 0 50"));
	close(fd);
}

/* Bound with privileges, used without. */
static void unprivileged(void)
{
	static const struct opt some[] = {
		{ "SO_MARK", SOL_SOCKET, SO_MARK, { 0 }, "" },
		{ "SO_PRIORITY", SOL_SOCKET, SO_PRIORITY, { 6, 7 }, "" },
		{ "SO_RCVBUFFORCE", SOL_SOCKET, SO_RCVBUFFORCE, { 100000 }, "" },
		{ "SO_SNDBUFFORCE", SOL_SOCKET, SO_SNDBUFFORCE, { 100000 }, "" },
		{ "SO_RCVBUF", SOL_SOCKET, SO_RCVBUF, { 100000 }, "" },
		{ "SO_BUSY_POLL", SOL_SOCKET, SO_BUSY_POLL, { 0 }, "" },
		{ "SO_PREFER_BUSY_POLL", SOL_SOCKET, SO_PREFER_BUSY_POLL, { 0 }, "" },
		{ "SO_DEBUG", SOL_SOCKET, SO_DEBUG, { 0 }, "" },
		{ "SO_RCVMARK", SOL_SOCKET, OPT_SO_RCVMARK, { 0 }, "" },
		{ "IP_TRANSPARENT", IPPROTO_IP, IP_TRANSPARENT, { 0 }, "" },
		{ "IP_FREEBIND", IPPROTO_IP, IP_FREEBIND, { 0 }, "" },
		{ "IP_XFRM_POLICY", IPPROTO_IP, IP_XFRM_POLICY, { 0 }, "" },
		{ "IPV6_TRANSPARENT", IPPROTO_IPV6, IPV6_TRANSPARENT, { 0 }, "" },
		{ "UDP_ENCAP", SOL_UDP, UDP_ENCAP, { 0 }, "" },
		/* The last one: without privileges it can not be taken back. */
		{ "SO_BINDTOIFINDEX", SOL_SOCKET, SO_BINDTOIFINDEX, { 0 }, "" },
	};
	static char line[4096];
	int fd = bound("any", PORT), fresh = udp(0), old = 0;

	say("-- without privileges\n");
	must("seteuid", seteuid(65534));
	for (size_t i = 0; i < NLEN(some); i++) {
		line[0] = 0;
		append_value(line, sizeof(line), fresh, &some[i], sizeof(int));
		values(line, sizeof(line), fresh, &some[i]);
		say("fresh %s:%s\n", some[i].name, line);
		line[0] = 0;
		values(line, sizeof(line), fd, &some[i]);
		append_set(line, sizeof(line), fd, &some[i], &old, sizeof(old), "back");
		still_works(line, sizeof(line), fd, PORT, false);
		say("bound %s:%s\n", some[i].name, line);
	}
	must("seteuid", seteuid(0));
	close(fd);
	close(fresh);
}

int main(void)
{
	cf_start();
	small_buffer(0);
	small_buffer(8000);
	large_in_small();
	for (enum moment m = FRESH; m < MOMENTS; m++)
		filters(m);
	queued_before();
	for (enum moment m = FRESH; m < MOMENTS; m++)
		peeking(m);
	timeouts(FRESH);
	timeouts(RECEIVED);
	for (enum moment m = FRESH; m < CONNECTED; m++)
		devices(m);
	cpu_group(0);
	cpu_group(1);
	headers();
	foreign();
	fragment_mtu();
	path_mtu(0);
	path_mtu(1);
	change_family(0);
	change_family(1);
	unprivileged();
	reports();
	return 0;
}
