/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * policy.h - who may have which ports on which interfaces: the policy file of kbacceld.
 *
 *     # comment
 *     allow user=knot ports=53,853 interface=eth0
 *     allow group=voip ports=5060,10000-20000 interface=eth0,eth1 transmit=raw
 *
 * One rule a line: `allow`, then words NAME=VALUE in any order, each once.
 *
 *     user=NAME|UID|*       or group=NAME|GID: whose processes; `*` is everybody
 *     ports=LIST            as KBACCEL_PORTS has them (base/ports.h)
 *     interface=NAME,...|*
 *     transmit=kernel|raw   raw: sends past the kernel, too, frames of any content: as if it had CAP_NET_RAW. Default: kernel
 *     netns=own|any         own (default): in the network namespace of kbacceld only
 *
 * What no line allows is refused. What several lines allow is allowed together.
 */
#ifndef DAEMON_POLICY_H
#define DAEMON_POLICY_H

#include <net/if.h>
#include <stdbool.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "base/config.h"
#include "nic/xdp/xdp_broker.h"

struct policy_rule {
	STAILQ_ENTRY(policy_rule) next;
	bool everybody, by_group;
	unsigned id; /* uid or gid */
	bool any_interface, raw, any_netns;
	unsigned interfaces, ports;
	char interface[CONFIG_MAX_INTERFACES][IF_NAMESIZE];
	struct config_port_rule port[BROKER_MAX_RULES];
};

struct policy {
	STAILQ_HEAD(, policy_rule) rules;
};

/* Who asks, as the kernel says (SO_PEERCRED, SO_PEERGROUPS). */
#define PEER_MAX_GROUPS 256
struct peer {
	pid_t pid;
	uid_t uid;
	gid_t gid;
	unsigned groups;
	gid_t group[PEER_MAX_GROUPS];
};

/* What all rules together allow. */
struct policy_grant {
	bool raw;
	unsigned ports; /* 0: nothing */
	struct config_port_rule port[BROKER_MAX_RULES];
};

/*
 * Reads the file @path. 0; -errno with one line in @why that names the line; @policy is empty then. -EPERM: others than root can
 * write it.
 */
int policy_read(struct policy *policy, const char *path, char *why, size_t len);

/* Reads one line that is no comment. 0, or -EINVAL/-E2BIG/-ENOENT/-ENOMEM with @why. */
int policy_add(struct policy *policy, const char *line, char *why, size_t len);

void policy_free(struct policy *policy);

/* What @peer may have on @ifname; @other_netns: which is not in our network namespace. */
void policy_ask(const struct policy *policy, const struct peer *peer, const char *ifname,
		bool other_netns, struct policy_grant *grant);

#endif
