/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * slots.h - one lwIP instance per engine, without editing lwIP.
 *
 * lwIP keeps its state in globals. This header is force-included into every lwIP file and into ours: each global
 * that our configuration writes becomes a macro for "that slot of the current instance". Where lwIP defines the
 * global, the text then reads as one more declaration of the inline function below, which C allows; where it
 * uses it, as an lvalue. tests/check-exports.sh holds lwIP's objects against this list: no other writable state may
 * turn up in them.
 *
 * lwip_current is set under an engine's lock for the time of a batch.
 */
#ifndef STACK_SLOTS_H
#define STACK_SLOTS_H

#include <stdint.h>

struct udp_pcb;
struct ip_globals;

#define LWIP_IP_GLOBALS_SIZE 128

struct lwip_instance {
	struct udp_pcb *bucket; /* udp_pcbs: the candidates for the packet at hand */
	uint16_t packet_id;	/* ip_id */
	uint64_t globals[LWIP_IP_GLOBALS_SIZE / 8]; /* ip_data */
};

extern __thread struct lwip_instance *lwip_current
	__attribute__((tls_model("initial-exec"), visibility("hidden")));

static inline struct udp_pcb **lwip_slot_pcbs(void)
{
	return &lwip_current->bucket;
}

static inline uint16_t *lwip_slot_id(void)
{
	return &lwip_current->packet_id;
}

static inline struct ip_globals *lwip_slot_globals(void)
{
	return (struct ip_globals *)lwip_current->globals;
}

#define udp_pcbs (*lwip_slot_pcbs())
#define ip_id (*lwip_slot_id())
#define ip_data (*lwip_slot_globals())

#endif
