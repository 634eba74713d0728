/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_hostnet.h - for the tests of hostnet: a network namespace of the test's own, `ip` commands
 * in it, and the comparison of hostnet_lookup() with what the kernel does (route look-up, connect()
 * and getsockname()).
 */
#ifndef TESTS_UNIT_TEST_HOSTNET_H
#define TESTS_UNIT_TEST_HOSTNET_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/ipaddr.h"
#include "stack/hostnet.h"

static inline struct ipaddr address(const char *text)
{
	struct ipaddr a = { 0 };

	if (inet_pton(AF_INET, text, &a.w[3]) == 1)
		a.w[2] = a.w[3] ? htonl(0xffff) : 0;
	else
		assert_int_equal(inet_pton(AF_INET6, text, a.b), 1);
	return a;
}

static inline const char *text_of(const struct ipaddr *a, char *text)
{
	if (ipaddr_is_v4(a))
		return inet_ntop(AF_INET, &a->w[3], text, IPADDR_STRLEN);
	return inet_ntop(AF_INET6, a->b, text, IPADDR_STRLEN);
}

/* A shell command in the test's namespace; its exit status. */
__attribute__((format(printf, 1, 2))) static inline int try(const char *format, ...)
{
	char command[1024];
	va_list ap;

	va_start(ap, format);
	vsnprintf(command, sizeof(command), format, ap);
	va_end(ap);
	return system(command);
}

#define run(...) assert_int_equal(try(__VA_ARGS__), 0)

static inline void set_sysctl(const char *name, const char *value)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/%s", name);
	fd = open(path, O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, value, strlen(value)), strlen(value));
	close(fd);
}

/*
 * A namespace for this process with links v0..v3; their peers p0..p3 have no addresses. False: not
 * permitted.
 */
static inline bool enter_namespace(void)
{
	char name[64];

	if (unshare(CLONE_NEWNET))
		return false;
	set_sysctl("ipv6/conf/default/accept_dad", "0");
	run("ip link set lo up");
	for (int i = 0; i < 4; i++) {
		run("ip link add v%d type veth peer name p%d", i, i);
		snprintf(name, sizeof(name), "ipv6/conf/p%d/disable_ipv6", i);
		set_sysctl(name, "1");
		run("ip link set v%d up && ip link set p%d up", i, i);
	}
	return true;
}

/* What the kernel would do. */
struct oracle {
	bool plain; /* a unicast route out of an interface */
	struct ipaddr source, next;
	int ifindex, mtu;
	char answer[512];
};

static inline void ask_route(struct oracle *o, const char *dst, const char *source, const char *dev)
{
	char command[256], via[64], out[IF_NAMESIZE], *p;
	FILE *f;

	snprintf(command, sizeof(command), "ip -o route get %s %s %s %s %s 2>&1", dst,
		 source ? "from" : "", source ? source : "", dev ? "oif" : "", dev ? dev : "");
	f = popen(command, "r");
	o->answer[0] = '\0';
	if (!fgets(o->answer, sizeof(o->answer), f))
		o->answer[0] = '\0';
	pclose(f);
	p = strstr(o->answer, " dev ");
	if (strncmp(o->answer, dst, strlen(dst)) != 0 || !p)
		return;
	sscanf(p, " dev %15s", out);
	o->ifindex = (int)if_nametoindex(out);
	o->plain = strcmp(out, "lo") != 0;
	o->next = address(dst);
	p = strstr(o->answer, " via ");
	if (p && sscanf(p, " via inet6 %63s", via) == 1)
		o->next = address(via);
	else if (p && sscanf(p, " via %63s", via) == 1)
		o->next = address(via);
}

/* The kernel believes a route's MTU even if the link's is smaller. */
static inline void limit_mtu(struct oracle *o, int fd)
{
	struct ifreq ifr = { 0 };

	if (if_indextoname((unsigned)o->ifindex, ifr.ifr_name) && !ioctl(fd, SIOCGIFMTU, &ifr) &&
	    ifr.ifr_mtu < o->mtu)
		o->mtu = ifr.ifr_mtu;
}

/* The source that a socket gets, and the MTU it sees; false: connect() fails. */
static inline bool ask_socket(struct oracle *o, const struct ipaddr *dst, const char *source,
			      const char *dev)
{
	union {
		struct sockaddr sa;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} to = { 0 }, own = { 0 };
	bool v4 = ipaddr_is_v4(dst);
	socklen_t len = sizeof(own), four = sizeof(o->mtu);
	int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM, 0), ret;
	struct ipaddr from = source ? address(source) : (struct ipaddr){ 0 };

	to.sa.sa_family = own.sa.sa_family = v4 ? AF_INET : AF_INET6;
	if (v4) {
		to.v4.sin_addr.s_addr = ipaddr_v4(dst);
		to.v4.sin_port = htons(9);
		own.v4.sin_addr.s_addr = ipaddr_v4(&from);
	} else {
		memcpy(&to.v6.sin6_addr, dst->b, 16);
		to.v6.sin6_port = htons(9);
		memcpy(&own.v6.sin6_addr, from.b, 16);
	}
	if (dev)
		setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, dev, (socklen_t)strlen(dev));
	ret = source ? bind(fd, &own.sa, sizeof(own)) : 0;
	if (!ret)
		ret = connect(fd, &to.sa, sizeof(to));
	if (!ret)
		ret = getsockname(fd, &own.sa, &len);
	if (!ret)
		ret = getsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_MTU : IPV6_MTU,
				 &o->mtu, &four);
	o->source = v4 ? ipaddr_from_v4(own.v4.sin_addr.s_addr) : ipaddr_from_v6(&own.v6.sin6_addr);
	limit_mtu(o, fd);
	close(fd);
	return !ret;
}

static inline struct oracle ask_kernel(const char *dst, const char *source, const char *dev)
{
	struct ipaddr a = address(dst);
	struct oracle o = { 0 };

	ask_route(&o, dst, source, dev);
	if (!ask_socket(&o, &a, source, dev))
		o.plain = false;
	return o;
}

/* A link-layer address that differs from next hop to next hop. */
static inline void mac_of(const struct ipaddr *next, int ifindex, uint8_t *mac)
{
	mac[0] = 2;
	mac[1] = (uint8_t)ifindex;
	for (int i = 2; i < 6; i++)
		mac[i] = (uint8_t)(next->b[10 + i] ^ next->b[i] * 7);
}

static inline void make_neighbour(const struct ipaddr *next, int ifindex)
{
	char text[IPADDR_STRLEN], name[IF_NAMESIZE];
	uint8_t m[6];

	mac_of(next, ifindex, m);
	run("ip neigh replace %s dev %s lladdr %02x:%02x:%02x:%02x:%02x:%02x nud permanent",
	    text_of(next, text), if_indextoname((unsigned)ifindex, name), m[0], m[1], m[2], m[3],
	    m[4], m[5]);
}

static inline enum hostnet_verdict look(const char *dst, const char *source, const char *dev,
					struct hostnet_hop *hop)
{
	struct ipaddr to = address(dst), from = source ? address(source) : (struct ipaddr){ 0 };

	memset(hop, 0, sizeof(*hop));
	return hostnet_lookup(&to, &from, dev ? (int)if_nametoindex(dev) : 0, hop);
}

/* Reads notifications until what was to be dumped again has been (see hostnet_sync.c). */
static inline void catch_up(void)
{
	for (int i = 0; i < 4; i++) {
		hostnet_refresh();
		usleep(i ? 6000 : 0);
	}
	hostnet_refresh();
}

/* Says why and fails. */
static inline void disagree(const char *what, const char *dst, const char *source, const char *dev,
			    enum hostnet_verdict v, const struct hostnet_hop *hop,
			    const struct oracle *o)
{
	char a[IPADDR_STRLEN], b[IPADDR_STRLEN];

	print_error("%s: to %s from %s dev %s: verdict %d source %s if %d mtu %u gateway %d; kernel: "
		    "plain %d source %s if %d mtu %d: %s\n",
		    what, dst, source ? source : "-", dev ? dev : "-", v, text_of(&hop->source, a),
		    hop->ifindex, hop->mtu, hop->gateway, o->plain, text_of(&o->source, b),
		    o->ifindex, o->mtu, o->answer);
	if (!try("ip rule; ip addr; ip route; ip -6 route; ip neigh") || true)
		fail();
}

/*
 * Compares with the kernel; whoever has no neighbour there is given one first. Returns whether
 * there was a hop: "through the shadow" is never wrong by itself.
 */
static inline bool compare(const char *dst, const char *source, const char *dev)
{
	struct oracle o = ask_kernel(dst, source, dev);
	struct ipaddr to = address(dst);
	enum hostnet_verdict v;
	struct hostnet_hop hop;
	uint8_t mac[6];

	hostnet_refresh();
	v = look(dst, source, dev, &hop);
	if (v == HOSTNET_NO_NEIGHBOUR && o.plain) {
		make_neighbour(&o.next, o.ifindex);
		hostnet_refresh();
		v = look(dst, source, dev, &hop);
		if (v != HOSTNET_OK && v != HOSTNET_ODD_ROUTE)
			disagree("next hop", dst, source, dev, v, &hop, &o);
	}
	if (v != HOSTNET_OK)
		return false;
	mac_of(&o.next, o.ifindex, mac);
	if (!o.plain || !ipaddr_equal(&hop.source, &o.source) || hop.ifindex != o.ifindex ||
	    (int)hop.mtu != o.mtu || memcmp(mac, hop.mac, 6) ||
	    hop.gateway == ipaddr_equal(&to, &o.next))
		disagree("hop", dst, source, dev, v, &hop, &o);
	return true;
}

/* There must be a hop, after a while at the latest. */
static inline bool agrees(const char *dst, const char *source, const char *dev)
{
	if (compare(dst, source, dev))
		return true;
	catch_up();
	return compare(dst, source, dev);
}

#define same(dst) assert_true(agrees(dst, NULL, NULL))
#define same_from(dst, source) assert_true(agrees(dst, source, NULL))
#define same_dev(dst, dev) assert_true(agrees(dst, NULL, dev))

static inline enum hostnet_verdict verdict(const char *dst, const char *source, const char *dev)
{
	struct hostnet_hop hop;

	hostnet_refresh();
	return look(dst, source, dev, &hop);
}

/* The verdict is @want, after a while at the latest. */
#define is(want, dst)                                                                              \
	do {                                                                                       \
		if (verdict(dst, NULL, NULL) != want)                                              \
			catch_up();                                                                \
		assert_int_equal(verdict(dst, NULL, NULL), want);                                  \
	} while (0)

/* ---- the frame of each test ---- */

static int came, went;
static struct ipaddr last;

static inline void count(const struct ipaddr *addr, int ifindex, bool on)
{
	(void)ifindex;
	last = *addr;
	if (on)
		came++;
	else
		went++;
}

/* Each test begins with four bare links. */
static inline int fresh(void **state)
{
	(void)state;
	if (!enter_namespace())
		return -1;
	came = went = 0;
	return hostnet_open(count);
}

static inline int leave(void **state)
{
	(void)state;
	hostnet_close();
	return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fresh, leave)

#endif
