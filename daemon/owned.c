/* SPDX-License-Identifier: BSD-3-Clause */
/* owned.c - see owned.h. */
#include "daemon/owned.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>

struct socket_of {
	uint64_t cookie;
	uint16_t port;
};

static int compare(const void *a, const void *b)
{
	uint64_t x = ((const struct socket_of *)a)->cookie,
		 y = ((const struct socket_of *)b)->cookie;

	return x < y ? -1 : x > y;
}

int owned_add(struct owned *o, uint64_t cookie, uint16_t port)
{
	struct socket_of *s, **found;

	if (o->total >= OWNED_MAX)
		return -ENOSPC;
	s = malloc(sizeof(*s));
	if (!s)
		return -ENOMEM;
	*s = (struct socket_of){ cookie, port };
	found = tsearch(s, &o->tree, compare);
	if (!found || *found != s) {
		free(s);
		return found ? -EEXIST : -ENOMEM;
	}
	o->total++;
	o->on[port]++;
	return 0;
}

uint16_t owned_remove(struct owned *o, uint64_t cookie)
{
	struct socket_of key = { .cookie = cookie }, **found = tfind(&key, &o->tree, compare), *s;
	uint16_t port;

	if (!found)
		return 0;
	s = *found;
	port = s->port;
	tdelete(&key, &o->tree, compare);
	free(s);
	o->total--;
	o->on[port]--;
	return port;
}
