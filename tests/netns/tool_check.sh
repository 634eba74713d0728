#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# tool_check.sh - `kbaccel check` in namespaces of its own: good and bad interfaces, missing privilege, little memory,
# an interface that is taken; and that it changes nothing.
# shellcheck source=tests/lib/netns.sh
. "$(dirname "$0")/../lib/netns.sh"
need_root
need ip
tool=$BUILD/kbaccel
[[ -x $tool ]] || die "no $tool"
ns_pair -q 3
ns=$NS_A

# says NAME STATUS PATTERN COMMAND...: in the namespace; a line of the output matches the extended regular expression.
says()
{
	local name=$1 want=$2 pattern=$3 out status
	shift 3
	out=$(ip netns exec "$ns" "$@" 2>&1)
	status=$?
	if [[ $status = "$want" ]] && grep -qE -- "$pattern" <<<"$out"; then
		ok "$name"
	else
		note "status $status, output:"
		note "${out//$'\n'/$'\n'# }"
		not_ok "$name"
	fi
}

says 'veth: native' 0 '^pass  veth0: driver veth: native XDP' "$tool" check veth0
says 'queues are counted' 0 '^pass  veth0: 3 RX queues, MTU 1500' "$tool" check veth0
says 'all that are up' 0 '^pass  veth0: no XDP program' "$tool" check
says 'loopback alone, named' 0 '^warn  lo: loopback: generic XDP' "$tool" check lo
says 'no such interface' 1 '^fail  nope: no such interface - ' "$tool" check nope
says 'one bad, one good' 0 '^fail  nope: ' "$tool" check nope veth0
says 'verdict' 0 '^1 interface can be accelerated' "$tool" check veth0
says 'every line has its form' 0 '.' sh -c "'$tool' check | grep -vE '^(pass|warn|fail)  |can be accelerated' && exit 9
	'$tool' check >/dev/null && echo fine"
equal 'nothing is attached' '' "$(ip -n "$ns" link show | grep -i xdp)"

ip -n "$ns" link add down0 type veth peer name down1
says 'interface that is down' 1 '^fail  down0: is down - ip link set down0 up' "$tool" check down0
ip -n "$ns" link set veth0 mtu 9000
says 'the real program is tried' 0 '^pass  the steering program: this kernel takes it' "$tool" check veth0
says 'large MTU' 0 '^(warn|pass)  veth0: frames above ' "$tool" check veth0
ip -n "$ns" link set veth0 mtu 1500

empty=$KB_PREFIX-empty
ip netns add "$empty" && ns_list+=("$empty")
ns=$empty says 'nothing is up' 1 '^fail  no interface is up' "$tool" check
ns=$NS_A

if command -v setpriv >/dev/null; then
	says 'no privilege' 1 '^fail  capability CAP_NET_ADMIN, .*: missing - run as root' \
		setpriv --inh-caps -all --bounding-set -all --ambient-caps -all "$tool" check veth0
	says 'no privilege: AF_XDP' 1 '^fail  AF_XDP sockets: .* - needs CAP_NET_RAW' \
		setpriv --inh-caps -all --bounding-set -all --ambient-caps -all "$tool" check veth0
	# shellcheck disable=SC2016
	says 'little memory' 1 '^fail  veth0: .*may be locked - grant CAP_IPC_LOCK, or ulimit -l' \
		sh -c 'ulimit -l 64; exec setpriv --inh-caps -ipc_lock --bounding-set -ipc_lock "$@"' sh "$tool" check veth0
else
	skip 'no privilege' 'needs setpriv'
fi

# The pair's other end would do as well; a program of another owner is put here with ip(8).
if command -v clang >/dev/null && [[ -e /usr/include/linux/bpf.h ]]; then
	cat >"$KB_TMP/pass.c" <<-'END'
		__attribute__((section("xdp"), used)) int somebody(void *ctx) { return 2; }
	END
	clang -target bpf -O2 -c "$KB_TMP/pass.c" -o "$KB_TMP/pass.o" &&
		ip -n "$ns" link set dev veth0 xdpgeneric obj "$KB_TMP/pass.o" sec xdp
	says 'taken by another program' 1 \
		'^fail  veth0: XDP program [0-9]+ \(somebody\) is attached - stop its owner, or: ip link set dev veth0 xdpgeneric off' \
		"$tool" check veth0
	ip -n "$ns" link set dev veth0 xdpgeneric off
	says 'free again' 0 '^pass  veth0: no XDP program' "$tool" check veth0
else
	skip 'taken by another program' 'needs clang'
fi
finish
