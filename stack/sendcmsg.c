/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sendcmsg.c - see sendcmsg.h. What is accepted, and the ranges, follow net/ipv4/ip_sockglue.c ip_cmsg_send() and
 * net/ipv6/datagram.c ip6_datagram_send_ctl(), and net/ipv4/udp.c udp_cmsg_send() for both.
 */
#include "stack/sendcmsg.h"

#include <linux/udp.h>
#include <netinet/in.h>
#include <string.h>

#include "stack/hostnet.h"
#include "stack/lwip_port.h"
#include "stack/usermem.h"

static bool value_int(const struct cmsghdr *c, int *value)
{
	if (c->cmsg_len == CMSG_LEN(sizeof(int))) {
		memcpy(value, CMSG_DATA(c), sizeof(*value));
		return true;
	}
	return false;
}

/* The source that is asked for has to be an address of this host; only the kernel knows what else is allowed. */
static bool use_source(struct tx_dgram *d, const struct ipaddr *source)
{
	if (ipaddr_is_any(source))
		return true;
	if (!hostnet_is_local(source, NULL))
		return false;
	d->source = *source;
	return true;
}

/* An IPv4 source of none is the route's, not the one that the socket is bound to (net/ipv4/udp.c udp_sendmsg()). */
static bool use_source4(struct tx_dgram *d, uint32_t v4)
{
	struct ipaddr source = ipaddr_from_v4(v4);

	if (!v4)
		d->source = source;
	return use_source(d, &source);
}

static bool pktinfo4(const struct cmsghdr *c, struct tx_dgram *d, struct sendcmsg *more)
{
	struct in_pktinfo info;

	if (c->cmsg_len != CMSG_LEN(sizeof(info)))
		return false;
	memcpy(&info, CMSG_DATA(c), sizeof(info));
	if (info.ipi_ifindex)
		more->oif = (uint32_t)info.ipi_ifindex;
	return use_source4(d, info.ipi_spec_dst.s_addr);
}

static bool pktinfo6(const struct cmsghdr *c, struct tx_dgram *d, struct sendcmsg *more)
{
	struct in6_pktinfo info;
	struct ipaddr source;

	if (c->cmsg_len != CMSG_LEN(sizeof(info)))
		return false;
	memcpy(&info, CMSG_DATA(c), sizeof(info));
	source = ipaddr_from_v6(&info.ipi6_addr);
	/* Another interface than the socket's or the address's: the kernel refuses most of them. */
	if (info.ipi6_ifindex && more->oif && more->oif != info.ipi6_ifindex)
		return false;
	if (info.ipi6_ifindex)
		more->oif = info.ipi6_ifindex;
	if (!ipaddr_is_any(&source) && ipaddr_is_v4(&source) != ipaddr_is_v4(&d->destination))
		return false;
	return use_source(d, &source);
}

static bool apply_v4(const struct cmsghdr *c, struct tx_dgram *d, struct sendcmsg *more)
{
	int value;

	switch (c->cmsg_type) {
	case IP_PKTINFO:
		return pktinfo4(c, d, more);
	case IP_TTL:
		if (!value_int(c, &value) || value < 1 || value > 255)
			return false;
		d->ttl = (uint8_t)value;
		return true;
	case IP_TOS:
		if (c->cmsg_len == CMSG_LEN(1))
			value = *(const uint8_t *)CMSG_DATA(c);
		else if (!value_int(c, &value) || value < 0 || value > 255)
			return false;
		d->tos = (uint8_t)value;
		return true;
	default:
		return false;
	}
}

static bool apply_v6(const struct cmsghdr *c, struct tx_dgram *d, struct sendcmsg *more)
{
	int value;

	if (c->cmsg_type == IPV6_PKTINFO)
		return pktinfo6(c, d, more);
	if (!value_int(c, &value) || value < 0 || value > 255)
		return false;
	if (c->cmsg_type == IPV6_HOPLIMIT)
		d->ttl = (uint8_t)value;
	else if (c->cmsg_type == IPV6_TCLASS)
		d->tos = (uint8_t)value;
	else
		return false;
	return true;
}

static bool apply_udp(const struct cmsghdr *c, struct sendcmsg *more)
{
	if (c->cmsg_type != UDP_SEGMENT || c->cmsg_len != CMSG_LEN(sizeof(more->segment)))
		return false;
	memcpy(&more->segment, CMSG_DATA(c), sizeof(more->segment));
	return true;
}

/*
 * To a mapped destination an IPv6 socket sends by IPv4's function, which knows IPv4's messages and this one of IPv6, with a
 * mapped address in it. Others of IPv6 are passed over there, which is so rare that the kernel may do it.
 */
static bool apply_mapped(const struct cmsghdr *c, struct tx_dgram *d, struct sendcmsg *more)
{
	struct in6_pktinfo info;

	if (c->cmsg_level == SOL_IP)
		return apply_v4(c, d, more);
	if (c->cmsg_type != IPV6_PKTINFO || c->cmsg_len != CMSG_LEN(sizeof(info)))
		return false;
	memcpy(&info, CMSG_DATA(c), sizeof(info));
	if (!IN6_IS_ADDR_V4MAPPED(&info.ipi6_addr))
		return false;
	if (info.ipi6_ifindex)
		more->oif = info.ipi6_ifindex;
	return use_source4(d, info.ipi6_addr.s6_addr32[3]);
}

static bool apply(const struct cmsghdr *c, int family, struct tx_dgram *d, struct sendcmsg *more)
{
	if (c->cmsg_level == IPPROTO_UDP)
		return apply_udp(c, more);
	if (c->cmsg_level != SOL_IP && c->cmsg_level != SOL_IPV6)
		return false;
	if (family == AF_INET6 && ipaddr_is_v4(&d->destination))
		return apply_mapped(c, d, more);
	if (family == AF_INET)
		return c->cmsg_level == SOL_IP && apply_v4(c, d, more);
	return c->cmsg_level == SOL_IPV6 && apply_v6(c, d, more);
}

bool sendcmsg_parse(const struct msghdr *msg, int family, struct tx_dgram *d, struct sendcmsg *more)
{
	const struct cmsghdr *c;

	if (!usermem_readable(msg->msg_control, msg->msg_controllen))
		return false;
	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR((struct msghdr *)msg, (struct cmsghdr *)c)) {
		size_t left =
			msg->msg_controllen - (size_t)((const char *)c - (char *)msg->msg_control);

		if (c->cmsg_len < sizeof(*c) || c->cmsg_len > left || !apply(c, family, d, more))
			return false;
	}
	return true;
}
