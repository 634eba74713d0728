#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# guest.sh - process 1 of the virtual machine, in the host's file tree: the file systems and modules that tests expect, then the
# command that run.sh has written down, its exit status, and the end.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb LC_ALL=C
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t tmpfs run /run
mount -t bpf bpf /sys/fs/bpf
mount -t cgroup2 cgroup /sys/fs/cgroup
mkdir -p /lib/modules
mount --bind "$2" "/lib/modules"
for link in fd:/proc/self/fd stdin:fd/0 stdout:fd/1 stderr:fd/2; do ln -sf "${link#*:}" "/dev/${link%%:*}"; done
ulimit -n 1024 -l 8192
ip link set lo up
for module in veth udp_diag xsk_diag; do modprobe -q $module; done
echo "vm: Linux $(uname -r), $(nproc) CPUs"
setsid -w bash "$1/command" </dev/ttyS0 >/dev/ttyS0 2>&1
echo "vm: exit status $?"
sync
echo o >/proc/sysrq-trigger
while :; do :; done
