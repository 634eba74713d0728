/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lwip_port.h - the seam between an engine and its lwIP instance; the only place that hands frames to lwIP and takes
 * frames from it. No lwIP type is visible here.
 */
#ifndef STACK_LWIP_PORT_H
#define STACK_LWIP_PORT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/ipaddr.h"
#include "nic/nic.h"

struct engine;
struct lwip_port;
struct hostnet_hop;

/* What a datagram to be sent looks like from above. Ports in network order. */
struct tx_dgram {
	struct ipaddr source, destination;
	uint16_t source_port, destination_port;
	uint8_t ttl, tos;
	bool dont_fragment;
	bool numbered; /* IPv4: takes the next identification; else it is @id */
	uint16_t id;
	uint16_t skip; /* bytes of the first element of iov that are not part of it */
	const struct iovec *iov;
	size_t iovcnt;
	uint32_t len; /* bytes of payload, at most the MTU less headers */
};

struct lwip_port *lwip_port_open(struct engine *e);
void lwip_port_close(struct lwip_port *port);

/* Feeds one received frame to lwIP; it comes back through engine_deliver(), or its frame is dropped. Lock held. */
void lwip_port_input(struct engine *e, const struct nic_frame *frame);

/*
 * Builds the Ethernet frame of @d to @hop in the empty frame @base, by lwIP's UDP and IP output, into @out. Lock
 * held. The payload is known to be readable. 0, or -EINVAL from lwIP: the frame stays the caller's.
 */
int lwip_port_output(struct engine *e, const struct tx_dgram *d, const struct hostnet_hop *hop,
		     uint8_t *base, struct nic_frame *out);

#endif
