#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# verbs.sh - some of the comparisons over a fake RDMA NIC. All of them: KB_NIC=verbs tests/conform/run.sh
here=$(cd "$(dirname "$0")" && pwd)
cases=()
for name in bind cmsg_recv connect dup epoll_basic fork icmp multihome poll recv_basic recv_msg recvmmsg send_basic; do
	cases+=("${name}[v4]" "${name}[v6]")
done
KB_NIC=verbs exec "$here/run.sh" "${cases[@]}"
