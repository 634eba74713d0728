/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ports.h - the text form of a list of chosen ports (KBACCEL_PORTS, `kbaccel run -p`), read and
 * written.
 *
 *     list    = element *( "," element )           blanks around commas are ignored
 *     element = "*" | range | address ":" ( "*" | range )
 *     range   = port | port "-" port               1..65535, first <= last
 *     address = dotted IPv4 | "[" IPv6 "]"
 *
 * Pure functions: no environment, no allocation, no state.
 */
#ifndef BASE_PORTS_H
#define BASE_PORTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/config.h"

/*
 * Reads @spec into @rules (room for @max); @all tells whether "*" was among them. 0, or
 * -EINVAL/-E2BIG with one line about the first bad element in @why, and *@count 0.
 */
int ports_parse(const char *spec, struct config_port_rule *rules, unsigned max, unsigned *count,
		bool *all, char *why, size_t len);

/* Writes the list so that ports_parse() reads the same rules; cut off where @len ends. */
void ports_format(const struct config_port_rule *rules, unsigned count, char *text, size_t len);

/*
 * Is a socket bound to @addr ("any" for a wildcard) and @port (host order) meant by one of @count rules? A rule without an
 * address means every address; one with an address means a socket bound to that address only.
 */
static inline bool ports_match(const struct config_port_rule *rules, unsigned count,
			       const struct ipaddr *addr, uint16_t port)
{
	for (unsigned i = 0; i < count; i++)
		if (port >= rules[i].first && port <= rules[i].last &&
		    (ipaddr_is_any(&rules[i].addr) || ipaddr_equal(&rules[i].addr, addr)))
			return true;
	return false;
}

#endif
