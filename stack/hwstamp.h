/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hwstamp.h - hardware receive stamps: a NIC with NIC_F_HW_STAMPS gives them to us with each frame, and sockets get them while the
 * kernel's driver gives them, too. Of all other NICs only the kernel has them. With stack.lock held, unless said.
 */
#ifndef STACK_HWSTAMP_H
#define STACK_HWSTAMP_H

#include <stdbool.h>
#include <stdint.h>

/*
 * May a datagram that comes in by one of the interfaces in @ifaces (a mask of stack.iface[]) have a hardware stamp that only the
 * kernel can give? Whether the driver stamps now is no state to rely on: any process may switch it on later. @fd: any socket. @phc: its stamps are to be
 * of another clock (SOF_TIMESTAMPING_BIND_PHC).
 */
bool hwstamp_kernels_only(int fd, uint32_t ifaces, bool phc);

/* Asks the drivers whether they stamp. */
void hwstamp_read(void);

/* The same once a second, while somebody wants stamps. @now: clock_ticks(). */
void hwstamp_follow(uint64_t now);

/* The program has told a driver to stamp, or not to: the next call into the library asks. Without the lock. */
void hwstamp_changed(void);

/* Do these filters of a driver (enum hwtstamp_rx_filters, a bit for each) let it stamp anything? */
bool hwstamp_filters(uint32_t rx_filters);

#endif
