/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * config.h - the settings: KBACCEL_* environment variables, parsed once from one table
 * (config.def).
 *
 * A malformed value is reported in one line (name, value, what is allowed) and the default stands;
 * an unknown KBACCEL_* name is warned about with the nearest known one. Nothing else in the library
 * reads the environment. Immutable after config_init(), so no lock.
 */
#ifndef BASE_CONFIG_H
#define BASE_CONFIG_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ipaddr.h"

#define CONFIG_MAX_PORT_RULES 256
#define CONFIG_MAX_INTERFACES 16

/* One element of KBACCEL_PORTS; ports in host order, addr "any" when none was written. */
struct config_port_rule {
	struct ipaddr addr;
	uint16_t first, last;
};

struct config {
	bool active;	/* KBACCEL_PORTS is set and valid: else the library is inert */
	bool all_ports; /* "*" was among the rules */
	unsigned port_rules;
	struct config_port_rule ports[CONFIG_MAX_PORT_RULES];
	unsigned interfaces; /* 0: choose by address and route */
	char interface[CONFIG_MAX_INTERFACES][IF_NAMESIZE];
	char nic[16];	 /* KBACCEL_NIC: auto, xdp, verbs */
	int64_t spin_us; /* KBACCEL_SPIN: microseconds to poll before sleeping; 0 default, max 1 h */
	bool strict;	 /* KBACCEL_STRICT */
	int log_level;	 /* KBACCEL_LOG: enum log_level */
	char broker[108]; /* KBACCEL_BROKER: path of kbacceld's socket (as long as a sockaddr_un has room for); "": none */
	unsigned rx_ring; /* KBACCEL_RX_RING: entries per queue, power of two, 64..16384, default 2048 */
	unsigned tx_ring; /* KBACCEL_TX_RING: the same, default 1024 */
	int64_t queues;	  /* KBACCEL_QUEUES: RX queues of its own on each interface; 0: none */
	int64_t tx_batch; /* KBACCEL_TX_BATCH: sends that one kick of the NIC may serve, 1..64 */
	unsigned frames; /* KBACCEL_FRAMES: frames per queue, power of two, default 8192, at least 2x the rings' sum is advised */
};

extern struct config config;

/*
 * Reads the environment; @secure (AT_SECURE: set-uid program) ignores it, the library stays inert.
 */
void config_init(bool secure);

/*
 * Is a socket bound to @addr ("any" for a wildcard) and @port (host order) chosen? A rule without
 * an address chooses every address; one with an address chooses a socket bound to that address
 * only.
 */
bool config_chosen(const struct ipaddr *addr, uint16_t port);

/*
 * Could any socket of this family still become chosen? (Cheap first filter for connect() and
 * implicit binds.)
 */
static inline bool config_active(void)
{
	return config.active;
}

/*
 * The parser itself, without environment or state, for the tools and the tests. config_set() reads
 * @value for the setting @name ("KBACCEL_SPIN") into @c: 0; -ENOENT: no such setting; -EINVAL:
 * malformed, one line about it is in @why and the setting has its default.
 */
#define CONFIG_WHY_LEN 320
void config_defaults(struct config *c);
int config_set(struct config *c, const char *name, const char *value, char *why, size_t len);

/* The known name that is nearest to the @len characters at @name. */
const char *config_nearest(const char *name, size_t len);

/*
 * Walks the KBACCEL_* entries of @env (like environ) that no setting has: the name's length, 0 at
 * the end. *@pos starts at 0; *@name is not terminated.
 */
size_t config_unknown(char *const *env, size_t *pos, const char **name);

/* For `kbaccel config`: one setting as the table knows it. */
struct config_setting {
	const char *name;  /* "KBACCEL_SPIN" */
	const char *type;  /* "ports", "number", "choice", ... */
	const char *range; /* "0..3600000000", "auto|xdp|verbs" */
	const char *def;   /* default, as text */
	const char *unit;  /* "us", "" */
	const char *help;  /* one sentence */
};
size_t config_settings(const struct config_setting **settings);

/*
 * The value in force of setting @i as text, into @text; and whether it came from the environment.
 */
bool config_value(size_t i, char *text, size_t len);

#endif
