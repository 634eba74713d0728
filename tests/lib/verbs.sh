# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# verbs.sh - the laboratory with an RDMA NIC in it that is a process (tests/fake-verbs). Sourced behind netns.sh:
#
#     verbs_pair [fake_hca option...]     # as ns_pair, but $NS_A's veth0 is the kernel's side of the NIC
#
#     $NS_A veth0 == k0 [fake_hca in $NS_H] w0 == veth0 $NS_B
#
# A program in $NS_A finds the NIC by FAKE_VERBS, and the fake libibverbs by LD_LIBRARY_PATH. On either side checksums are
# computed before a frame is sent, as on a wire.

NS_H='' HCA=''
export FAKE_VERBS=$KB_TMP/hca LD_LIBRARY_PATH=$BUILD/tests/fake-verbs

verbs_built()
{
	[[ -e $BUILD/kbaccel-verbs.so && -e $BUILD/tests/fake-verbs/libibverbs.so.1 ]] ||
		skip_all "the verbs plugin is not built (make deps installs libibverbs-dev)"
}

# hca_start [option...]: HCA is its process.
hca_start()
{
	rm -f "$FAKE_VERBS"
	spawn "$NS_H" hca "$BUILD/tests/fake-verbs/fake_hca" -s "$FAKE_VERBS" -w w0 -k k0 \
		-n "$(ip netns exec "$NS_A" cat /sys/class/net/veth0/ifindex)" "$@"
	HCA=$SPAWNED
	wait_until 5 grep -q ready "$KB_TMP/hca.log" || die "no fake device: $(cat "$KB_TMP/hca.log")"
	# Programs that gave up root open it, too.
	chmod 777 "$FAKE_VERBS"
}

verbs_side() # NS PORT IPV4 IPV6
{
	ip link add veth0 netns "$1" type veth peer name "$2" netns "$NS_H" || die "no veth pair"
	ip netns exec "$1" ethtool -K veth0 tx off >/dev/null || die "can not switch checksum offload off"
	ip -n "$NS_H" link set "$2" up
	ns_address "$1" veth0 "$3" "$4"
}

verbs_pair()
{
	need_root
	need ip ethtool
	verbs_built
	ns_add ha && NS_A=$NS
	ns_add hb && NS_B=$NS
	ns_add hh && NS_H=$NS
	A4=10.77.1.1 B4=10.77.1.2 A6=fd77:1::1 B6=fd77:1::2
	# What passes through is none of its business.
	ip netns exec "$NS_H" sh -c 'for f in all default; do echo 1 >/proc/sys/net/ipv6/conf/$f/disable_ipv6; done'
	verbs_side "$NS_A" k0 "$A4" "$A6"
	verbs_side "$NS_B" w0 "$B4" "$B6"
	# The kernel notices a carrier some time after it passes frames.
	for NS in "$NS_A" "$NS_B"; do wait_until 5 eval '[[ $(run_in "$NS" cat /sys/class/net/veth0/operstate) = up ]]'; done
	hca_start "$@"
	wait_until 5 run_in "$NS_A" ping -n -q -c 1 -W 1 "$B4" || die "the fake NIC does not pass frames"
	wait_until 5 run_in "$NS_A" ping -n -q -c 1 -W 1 "$B6" || die "the fake NIC does not pass frames"
}

# The device goes away, or comes back; the port goes down, or up.
hca_toggle() # device|port WHAT
{
	kill "-$([[ $1 = device ]] && echo USR1 || echo USR2)" "$HCA"
	wait_until 2 grep -q "$2" "$KB_TMP/hca.log" || note "fake_hca does not say: $2"
}
