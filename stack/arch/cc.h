/* SPDX-License-Identifier: BSD-3-Clause */
/* cc.h - what lwIP wants to know of the compiler and the machine. */
#ifndef STACK_ARCH_CC_H
#define STACK_ARCH_CC_H

#include <endian.h>
#include <stdint.h>

#define lwip_htons(x) __builtin_bswap16((uint16_t)(x))
#define lwip_htonl(x) __builtin_bswap32((uint32_t)(x))
#if __BYTE_ORDER != __LITTLE_ENDIAN
#error "big-endian machines need plain lwip_htons()"
#endif
#define LWIP_DONT_PROVIDE_BYTEORDER_FUNCTIONS 1

/* The library never prints or aborts on lwIP's behalf: asserts are compiled out except in test builds. */
#define LWIP_PLATFORM_DIAG(x)                                                                      \
	do {                                                                                       \
	} while (0)
#define LWIP_PLATFORM_ASSERT(x) __builtin_trap()
#define LWIP_ERROR(message, expression, handler)                                                   \
	do {                                                                                       \
		if (!(expression)) {                                                               \
			handler;                                                                   \
		}                                                                                  \
	} while (0)
#define LWIP_RAND() 4u

uint16_t checksum_lwip(const void *data, int len);

#endif
