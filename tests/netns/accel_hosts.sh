#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# TIMEOUT: 120
#
# accel_hosts.sh - a library in somebody else's program: other allocators, constructors that use sockets before ours has run,
# exit() while threads receive, cancellation, signal handlers that send. The programs are in accel_hosts.c.

# shellcheck source=tests/netns/lib_accel.sh
. "$(dirname "$0")/lib_accel.sh"
ns_pair
start_peer
run_in "$NS_A" ping -q -c 1 -W 1 "$B4" >/dev/null
hosts=("$bin/accel_hosts" "$B4" $PEER_PORT)

# ThreadSanitizer takes no notice of locks in a clean-up handler that ends a blocking call, and starts after constructors.
racing() { [[ ${KB_SAN_LIB:-} = *libtsan* ]] && skip "$1" "ThreadSanitizer $2"; }

for what in exit cancel handler churn; do
	[[ $what != cancel ]] || ! racing cancel 'ignores locks in the clean-up of a blocking call' || continue
	kernel_first 20 "${hosts[@]}" $what
	judge_run 20 '*' "${hosts[@]}" $what
	check "$what: nothing stays" wait_until 2 no_xdp "$NS_A" veth0
done

# Other allocators, before and behind the library.
found=
for allocator in libjemalloc.so.2 libmimalloc.so.2.0 libtcmalloc_minimal.so.4; do
	path=/usr/lib/$(gcc -print-multiarch)/$allocator
	[[ -e $path ]] || continue
	found=1
	[[ -z ${KB_SAN_LIB:-} ]] || { skip "$allocator" 'a sanitizer has an allocator of its own'; continue; }
	for order in "$path:$PRELOAD" "$PRELOAD:$path"; do
		name="$allocator, $([[ $order = "$path"* ]] && echo first || echo second)"
		run_in "$NS_A" env "LD_PRELOAD=$order" 'KBACCEL_PORTS=*' timeout 20 "${hosts[@]}" churn >"$KB_TMP/out" 2>&1
		check "$name: $(head -n 1 "$KB_TMP/out")" grep -q '^ok' "$KB_TMP/out"
		spawn "$NS_A" server env "LD_PRELOAD=$order" "KBACCEL_PORTS=$PORTS" "$bin/accel_server" -d -w epoll 5300
		wait_until 3 accelerated "$SPAWNED"
		exchange "$name" fast 50 "$A4" 5300
		stop "$SPAWNED"
	done
done
[[ -n $found ]] || skip 'allocators' 'none of jemalloc, mimalloc, tcmalloc is installed'

# A constructor that binds and receives: once it runs before the library's, once after.
gcc -shared -fPIC -DEARLY -I"$top" -o "$KB_TMP/early.so" "$top/tests/netns/accel_hosts.c" -lpthread || die 'no early.so'
for order in "$KB_TMP/early.so:$PRELOAD" "$PRELOAD:$KB_TMP/early.so"; do
	name="a constructor with a socket, the library $([[ $order = "$KB_TMP"* ]] && echo second || echo first)"
	! racing "$name" 'starts after constructors' || continue
	spawn "$NS_A" server env EARLY_PORT=5300 "LD_PRELOAD=$order" "KBACCEL_PORTS=$PORTS" sleep 60
	wait_until 3 udp_bound "$NS_A" 5300
	client -n 5 -t 500 "$A4" 5300 >/dev/null
	answer=$(client -n 50 "$A4" 5300)
	equal "$name: serves" 'sent 50 back 50 bad 0' "${answer% from*}"
	stop "$SPAWNED"
done
finish
