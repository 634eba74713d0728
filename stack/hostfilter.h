/* SPDX-License-Identifier: BSD-3-Clause */
/* hostfilter.h - are there packet filter rules in this network namespace, which accelerated datagrams do not pass? */
#ifndef STACK_HOSTFILTER_H
#define STACK_HOSTFILTER_H

/*
 * Says so in one message, once, if nf_tables or iptables have a table hooked in. At a bind() of a chosen port, while the process
 * has its privileges and may open files (R7).
 */
void hostfilter_warn(void);

#endif
