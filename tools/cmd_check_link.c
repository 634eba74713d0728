/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cmd_check_link.c - facts about interfaces: one rtnetlink dump, then ethtool and the netdev family
 * for each. All of it asks the network namespace of this process; /sys may show another one's.
 * Nothing is changed anywhere.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/genetlink.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "nic/ethtool/bond.h"
#include "tools/cmd_check.h"

/* Of the netdev family (linux/netdev.h, kernel 6.3). */
#define DEV_GET 1
#define DEV_IFINDEX 1
#define DEV_XDP_FEATURES 3

/* A request: header, family header, one attribute at most. */
struct request {
	struct nlmsghdr head;
	union {
		struct ifinfomsg link;
		struct genlmsghdr generic;
	};
	char attributes[64];
};

typedef void (*message_fn)(const struct nlmsghdr *message, void *context);

static void start_request(struct request *r, uint16_t type, uint16_t flags, size_t header)
{
	memset(r, 0, sizeof(*r));
	r->head.nlmsg_len = NLMSG_LENGTH(header);
	r->head.nlmsg_type = type;
	r->head.nlmsg_flags = NLM_F_REQUEST | flags;
}

static void add_attribute(struct request *r, uint16_t type, const void *data, size_t len)
{
	struct rtattr *a = (struct rtattr *)((char *)r + NLMSG_ALIGN(r->head.nlmsg_len));

	a->rta_type = type;
	a->rta_len = (unsigned short)RTA_LENGTH(len);
	memcpy(RTA_DATA(a), data, len);
	r->head.nlmsg_len = NLMSG_ALIGN(r->head.nlmsg_len) + RTA_ALIGN(a->rta_len);
}

/* Reads one datagram of the answer: 1 more may come, 0 all was seen, or -errno. */
static int read_answer(int fd, bool dump, message_fn fn, void *context)
{
	static char buf[65536] __attribute__((aligned(8)));
	ssize_t n = recv(fd, buf, sizeof(buf), 0);
	struct nlmsghdr *m = (struct nlmsghdr *)buf;
	size_t left = n > 0 ? (size_t)n : 0;

	if (n < 0)
		return -errno;
	for (; NLMSG_OK(m, left); m = NLMSG_NEXT(m, left)) {
		if (m->nlmsg_type == NLMSG_DONE)
			return 0;
		if (m->nlmsg_type == NLMSG_ERROR)
			return ((struct nlmsgerr *)NLMSG_DATA(m))->error;
		fn(m, context);
	}
	return dump;
}

static int ask(int protocol, struct request *r, message_fn fn, void *context)
{
	static const struct timeval limit = { .tv_sec = 2 };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol), ret = 1;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (send(fd, r, r->head.nlmsg_len, 0) < 0)
		ret = -errno;
	while (ret > 0)
		ret = read_answer(fd, r->head.nlmsg_flags & NLM_F_DUMP, fn, context);
	close(fd);
	return ret;
}

static uint32_t u32_of(const struct rtattr *a)
{
	uint32_t value = 0;

	memcpy(&value, RTA_DATA(a), RTA_PAYLOAD(a) < 4 ? RTA_PAYLOAD(a) : 4);
	return value;
}

static void read_xdp(const struct rtattr *nest, struct check_link *link)
{
	const struct rtattr *a = RTA_DATA(nest);
	size_t left = RTA_PAYLOAD(nest);

	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == IFLA_XDP_ATTACHED)
			link->xdp_attached = *(const uint8_t *)RTA_DATA(a);
		else if (a->rta_type == IFLA_XDP_PROG_ID)
			link->xdp_prog = u32_of(a);
	}
}

struct link_list {
	struct check_link *links;
	unsigned max, count;
};

static void read_link(const struct nlmsghdr *m, void *context)
{
	struct link_list *list = context;
	const struct ifinfomsg *info = NLMSG_DATA(m);
	const struct rtattr *a = IFLA_RTA(info);
	size_t left = IFLA_PAYLOAD(m);
	struct check_link *link;

	if (m->nlmsg_type != RTM_NEWLINK || list->count == list->max)
		return;
	link = &list->links[list->count++];
	memset(link, 0, sizeof(*link));
	link->ifindex = info->ifi_index;
	link->flags = info->ifi_flags;
	link->type = info->ifi_type;
	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == IFLA_IFNAME)
			strncpy(link->name, RTA_DATA(a), sizeof(link->name) - 1);
		else if (a->rta_type == IFLA_MTU)
			link->mtu = u32_of(a);
		else if (a->rta_type == IFLA_NUM_RX_QUEUES)
			link->rx_queues = u32_of(a);
		else if (a->rta_type == IFLA_MASTER)
			link->master = (int)u32_of(a);
		else if (a->rta_type == IFLA_XDP)
			read_xdp(a, link);
	}
}

static int ethtool(int fd, const char *name, void *command)
{
	struct ifreq ifr = { .ifr_data = command };

	memcpy(ifr.ifr_name, name, IF_NAMESIZE);
	return ioctl(fd, SIOCETHTOOL, &ifr) < 0 ? -errno : 0;
}

/* rtnetlink tells how many queues were made, ethtool how many are in use, which is one if the driver does not say. */
static void ask_driver(struct check_link *link)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ethtool_channels channels = { .cmd = ETHTOOL_GCHANNELS };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ethtool e;
	unsigned ports;

	if (fd < 0)
		return;
	if (ethtool(fd, link->name, &info) == 0)
		memcpy(link->driver, info.driver, sizeof(link->driver) - 1);
	link->rx_queues = 1;
	if (ethtool(fd, link->name, &channels) == 0 &&
	    channels.rx_count + channels.combined_count > 0)
		link->rx_queues = channels.rx_count + channels.combined_count;
	e.fd = fd;
	memcpy(e.ifname, link->name, IF_NAMESIZE);
	ports = bond_queues(&e);
	link->bond = ports > 0;
	if (link->bond)
		link->rx_queues = ports;
	close(fd);
}

static const struct rtattr *find_attribute(const struct nlmsghdr *m, uint16_t type)
{
	const struct rtattr *a = (const void *)((const char *)NLMSG_DATA(m) + GENL_HDRLEN);
	size_t left = m->nlmsg_len - NLMSG_LENGTH(GENL_HDRLEN);

	for (; RTA_OK(a, left); a = RTA_NEXT(a, left))
		if (a->rta_type == type)
			return a;
	return NULL;
}

static void read_family(const struct nlmsghdr *m, void *context)
{
	const struct rtattr *a = find_attribute(m, CTRL_ATTR_FAMILY_ID);

	if (a)
		memcpy(context, RTA_DATA(a), sizeof(uint16_t));
}

static void read_features(const struct nlmsghdr *m, void *context)
{
	const struct rtattr *a = find_attribute(m, DEV_XDP_FEATURES);
	struct check_link *link = context;

	if (!a || RTA_PAYLOAD(a) < sizeof(link->features))
		return;
	memcpy(&link->features, RTA_DATA(a), sizeof(link->features));
	link->features_known = true;
}

/* The number of the netdev family, or 0. */
static uint16_t netdev_family(void)
{
	struct request r;
	uint16_t id = 0;

	start_request(&r, GENL_ID_CTRL, 0, GENL_HDRLEN);
	r.generic.cmd = CTRL_CMD_GETFAMILY;
	r.generic.version = 1;
	add_attribute(&r, CTRL_ATTR_FAMILY_NAME, "netdev", sizeof("netdev"));
	ask(NETLINK_GENERIC, &r, read_family, &id);
	return id;
}

static void ask_features(uint16_t family, struct check_link *link)
{
	struct request r;

	start_request(&r, family, 0, GENL_HDRLEN);
	r.generic.cmd = DEV_GET;
	r.generic.version = 1;
	add_attribute(&r, DEV_IFINDEX, &link->ifindex, sizeof(link->ifindex));
	ask(NETLINK_GENERIC, &r, read_features, link);
}

int check_links(struct check_link *links, unsigned max)
{
	struct link_list list = { links, max, 0 };
	uint16_t family = netdev_family();
	struct request r;
	unsigned i;
	int ret;

	start_request(&r, RTM_GETLINK, NLM_F_DUMP, sizeof(struct ifinfomsg));
	ret = ask(NETLINK_ROUTE, &r, read_link, &list);
	if (ret < 0)
		return ret;
	for (i = 0; i < list.count; i++) {
		ask_driver(&links[i]);
		if (family)
			ask_features(family, &links[i]);
	}
	return (int)list.count;
}
