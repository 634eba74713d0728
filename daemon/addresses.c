/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * addresses.c - see addresses.h. Whatever changes, all addresses are asked for again and compared: an address may be on two
 * interfaces, and notifications can be lost.
 */
#define _GNU_SOURCE
#include "daemon/addresses.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <time.h>

#define BUFFER 8192 /* as libmnl advises: of a page, or at most this */

/* A dump, while it is read. */
struct listing {
	unsigned count;
	struct ipaddr addr[ADDRESSES_MAX];
};

static bool is_among(const struct ipaddr *list, unsigned count, const struct ipaddr *addr)
{
	for (unsigned i = 0; i < count; i++)
		if (ipaddr_equal(&list[i], addr))
			return true;
	return false;
}

/* IPv4's IFA_LOCAL is the host's end of a point-to-point link, IFA_ADDRESS the other one. */
static int list_one(const struct nlmsghdr *nlh, void *data)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	uint16_t wanted = ifa->ifa_family == AF_INET ? IFA_LOCAL : IFA_ADDRESS;
	size_t size = ifa->ifa_family == AF_INET ? 4 : 16;
	struct listing *l = data;
	const struct nlattr *attr;
	struct ipaddr addr;
	uint32_t v4;

	if (nlh->nlmsg_type != RTM_NEWADDR ||
	    (ifa->ifa_family != AF_INET && ifa->ifa_family != AF_INET6) ||
	    ((ifa->ifa_flags & IFA_F_TENTATIVE) && !(ifa->ifa_flags & IFA_F_OPTIMISTIC)))
		return MNL_CB_OK;
	mnl_attr_for_each(attr, nlh, sizeof(*ifa))
	{
		if (mnl_attr_get_type(attr) != wanted || mnl_attr_get_payload_len(attr) < size)
			continue;
		memcpy(&v4, mnl_attr_get_payload(attr), sizeof(v4));
		addr = size == 4 ? ipaddr_from_v4(v4) : ipaddr_from_v6(mnl_attr_get_payload(attr));
		if (l->count < ADDRESSES_MAX && !is_among(l->addr, l->count, &addr))
			l->addr[l->count++] = addr;
	}
	return MNL_CB_OK;
}

/* What is between the messages of the dump are notifications: of those that matter another one follows, or it is in the dump. */
static int dump(struct mnl_socket *nl, struct listing *l)
{
	char buf[BUFFER];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtgenmsg *rt;
	ssize_t len;
	int ret = MNL_CB_OK;

	nlh->nlmsg_type = RTM_GETADDR;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	nlh->nlmsg_seq = (uint32_t)time(NULL);
	rt = mnl_nlmsg_put_extra_header(nlh, sizeof(*rt));
	rt->rtgen_family = AF_UNSPEC;
	if (mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	while (ret == MNL_CB_OK) {
		len = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (len < 0)
			return -errno;
		ret = mnl_cb_run(buf, (size_t)len, 0, 0, list_one, l);
	}
	return ret < 0 ? -errno : 0;
}

/* By a socket of its own: no notification gets into the dump. */
static int list_all(struct listing *l)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int err;

	l->count = 0;
	if (!nl)
		return -errno;
	err = mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 ? -errno : dump(nl, l);
	mnl_socket_close(nl);
	return err;
}

static int refresh(struct addresses *a)
{
	static struct listing now;
	int err = list_all(&now);

	if (err < 0)
		return err;
	for (unsigned i = 0; i < a->count; i++)
		if (!is_among(now.addr, now.count, &a->addr[i]))
			steer_host_local(a->host, &a->addr[i], false);
	for (unsigned i = 0; i < now.count; i++)
		if (!is_among(a->addr, a->count, &now.addr[i]))
			steer_host_local(a->host, &now.addr[i], true);
	a->count = now.count;
	memcpy(a->addr, now.addr, now.count * sizeof(now.addr[0]));
	return 0;
}

int addresses_open(struct addresses *a, struct steer_host *host, int ifindex)
{
	memset(a, 0, sizeof(*a));
	a->host = host;
	a->ifindex = ifindex;
	a->nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!a->nl || mnl_socket_bind(a->nl, RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
				      MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	return refresh(a);
}

int addresses_fd(const struct addresses *a)
{
	return mnl_socket_get_fd(a->nl);
}

static int follow_link(struct addresses *a, const struct nlmsghdr *nlh)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;

	if (ifi->ifi_index != a->ifindex || ifi->ifi_family != AF_UNSPEC)
		return MNL_CB_OK;
	if (nlh->nlmsg_type == RTM_DELLINK) {
		errno = ENODEV;
		return MNL_CB_ERROR;
	}
	mnl_attr_for_each(attr, nlh, sizeof(*ifi)) if (mnl_attr_get_type(attr) == IFLA_ADDRESS &&
						       mnl_attr_get_payload_len(attr) >= 6)
		steer_host_mac(a->host, mnl_attr_get_payload(attr));
	return MNL_CB_OK;
}

static int follow_one(const struct nlmsghdr *nlh, void *data)
{
	if (nlh->nlmsg_type == RTM_NEWLINK || nlh->nlmsg_type == RTM_DELLINK)
		return follow_link(data, nlh);
	return MNL_CB_OK;
}

int addresses_follow(struct addresses *a)
{
	char buf[BUFFER];
	ssize_t len;

	for (;;) {
		len = mnl_socket_recvfrom(a->nl, buf, sizeof(buf));
		if (len < 0 && errno == ENOBUFS)
			continue; /* some were lost: all is asked for anyway */
		if (len < 0)
			break;
		if (mnl_cb_run(buf, (size_t)len, 0, 0, follow_one, a) < 0 && errno == ENODEV)
			return -ENODEV;
	}
	return refresh(a);
}
