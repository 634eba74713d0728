/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * xfrm_policy.c - IP_XFRM_POLICY and IPV6_XFRM_POLICY: an IPsec policy of the socket's own. IKE daemons set one that lets everything
 * pass as it is, which costs nothing; others are the kernel's.
 */
/* expect: fast 5 */
#include "lib.h"

#include <linux/xfrm.h>

static char buf[2048];

static const struct policy {
	const char *name;
	uint8_t action[2]; /* for what comes in, for what goes out */
	size_t extra;	   /* zeroes behind it */
} policies[] = {
	{ "lets all pass", { XFRM_POLICY_ALLOW, XFRM_POLICY_ALLOW }, 0 },
	{ "blocks what goes out", { XFRM_POLICY_ALLOW, XFRM_POLICY_BLOCK }, 0 },
	{ "blocks what comes in", { XFRM_POLICY_BLOCK, XFRM_POLICY_ALLOW }, 0 },
	{ "a part of a template behind it", { XFRM_POLICY_ALLOW, XFRM_POLICY_ALLOW }, 4 },
};

static void set(int fd, const struct policy *p)
{
	static const int levels[][2] = {
		{ IPPROTO_IP, IP_XFRM_POLICY },
		{ IPPROTO_IPV6, IPV6_XFRM_POLICY },
	};
	static const int dirs[] = { XFRM_POLICY_IN, XFRM_POLICY_OUT };
	struct {
		struct xfrm_userpolicy_info info;
		char rest[64];
	} value;

	for (size_t i = 0; i < NLEN(levels); i++)
		for (size_t dir = 0; dir < NLEN(dirs); dir++) {
			memset(&value, 0, sizeof(value));
			value.info.sel.family = levels[i][0] == IPPROTO_IP ? AF_INET : AF_INET6;
			value.info.action = p->action[dir];
			value.info.dir = (uint8_t)dirs[dir];
			res(i ? "IPV6_XFRM_POLICY" : "IP_XFRM_POLICY",
			    setsockopt(fd, levels[i][0], levels[i][1], &value,
				       (socklen_t)(sizeof(value.info) + p->extra)));
		}
}

static void exchange(int fd)
{
	for (int i = 0; i < 3; i++) {
		peer_sends(PORT, 100, i, 1);
		poll1("in", fd, POLLIN, 200);
		got("recv", recv(fd, buf, sizeof(buf), MSG_DONTWAIT), buf, sizeof(buf));
		fill(buf, 50, i);
		res("send", send_to(fd, buf, 50, 0, "P1", PPORT));
		say("  peer: %s\n", peer("recv 0 100"));
	}
}

int main(void)
{
	cf_start();
	for (size_t i = 0; i < NLEN(policies); i++) {
		int fd = udp(0);

		say("-- %s, before bind\n", policies[i].name);
		set(fd, &policies[i]);
		res("bind", bind_to(fd, "L1", PORT));
		exchange(fd);
		close(fd);
		fd = bound("L1", PORT);
		say("-- %s, after a first receive\n", policies[i].name);
		poll1("nothing", fd, POLLIN, 0);
		set(fd, &policies[i]);
		exchange(fd);
		close(fd);
	}
	return 0;
}
