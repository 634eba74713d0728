/* SPDX-License-Identifier: BSD-3-Clause */
/* hostnet_source.h - which source address the kernel would choose for a destination. */
#ifndef STACK_HOSTNET_SOURCE_H
#define STACK_HOSTNET_SOURCE_H

#include "stack/hostnet_tables.h"

/* The source for @dst by @r in *@source; false: it can not be told. */
bool hostnet_source(struct hostnet_tables *t, struct route *r, const struct ipaddr *dst,
		    struct ipaddr *source);

/* Is it one of the labels that the kernel begins with (RFC 6724's table)? */
bool hostnet_label_default(const struct ipaddr *prefix, unsigned len, uint32_t label);

#endif
