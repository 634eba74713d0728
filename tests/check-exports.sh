#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# TIMEOUT: 180
#
# check-exports.sh - what the linked files show to others: libkbaccel.so exports the calls of base/calls.def and
# nothing else, and needs libc only (R12); a plugin exports its one symbol; lwIP's objects have no writable state
# that several instances would share (stack/slots.h).

# shellcheck source=tests/lib/test.sh
. "$(dirname "$0")/lib/test.sh"
cd "$top" || exit 1
need readelf
[[ -e $BUILD/libkbaccel.so ]] || die "no $BUILD/libkbaccel.so: run make"

exported() { readelf -W --dyn-syms "$1" | awk '$7 != "UND" && $5 != "LOCAL" && $8 != "" && $1 ~ /:$/ && $1 != "Num:" {
	sub(/@.*/, "", $8); print $8 }' | sort; }

needed() { readelf -W -d "$1" | sed -nE 's/.*\(NEEDED\).*\[(.*)\]/\1/p' | sort; }

# same NAME WANTED GOT: two sorted lists; shows what differs.
same()
{
	if diff <(echo "$2") <(echo "$3") >"$KB_TMP/diff"; then
		ok "$1"
	else
		sed -n 's/^</# missing:/p; s/^>/# too much:/p' "$KB_TMP/diff"
		not_ok "$1"
	fi
}

calls=$(sed -nE 's/^(CALL\([^,]+, *|ALIAS\()([A-Za-z0-9_]+).*/\2/p' base/calls.def | sort)
same "libkbaccel.so exports exactly the calls of calls.def" "$calls" "$(exported "$BUILD/libkbaccel.so")"

same "libkbaccel.so needs libc only" "libc.so.6" \
	"$(needed "$BUILD/libkbaccel.so" | grep -vE '^ld-linux|^lib(asan|ubsan|tsan)\.')"

for plugin in "$BUILD"/kbaccel-*.so; do
	[[ -e $plugin ]] || continue
	same "${plugin##*/} exports one symbol" kbaccel_nic_backend "$(exported "$plugin")"
done

# The program may export any name (dnsdist has a bpf_prog_load of its own): calls inside the plugin must not find it.
undefined() { readelf -W --dyn-syms "$1" | awk '$7 == "UND" && $8 != "" { sub(/@.*/, "", $8); print $8 }'; }
same "kbaccel-xdp.so brings libbpf and libxdp with it" "" \
	"$(undefined "$BUILD/kbaccel-xdp.so" | grep -E '^(bpf|btf|libbpf|libxdp|ring_buffer|perf_buffer|xdp|xsk)_')"
same "kbaccel-xdp.so needs no other library" "$(printf 'libc.so.6\nlibelf.so.1\nlibz.so.1')" \
	"$(needed "$BUILD/kbaccel-xdp.so" | grep -vE '^ld-linux|^lib(asan|ubsan|tsan)\.')"

# An exported name that the library itself uses must not be found through another object.
check "the library is bound at load time" sh -c "readelf -W -d '$BUILD/libkbaccel.so' | grep -qE 'BIND_NOW|NOW'"
check "the stack of the process stays not executable" sh -c \
	"readelf -W -l '$BUILD/libkbaccel.so' | grep GNU_STACK | grep -q 'RW '"
check "no text relocations" sh -c "! readelf -W -d '$BUILD/libkbaccel.so' | grep -q TEXTREL"

# udp_port: start of a search for free ports that never happens, every port comes from the kernel. netif_default: each
# engine passes its own interface. nd6.c's: neighbours are the kernel's, only its routing hooks are linked. str: the
# buffers of functions that print addresses, which nobody calls.
shared='udp_port|netif_default|default_router_list|neighbor_cache|destination_cache|prefix_list|reachable_time|'
shared+='retrans_timer|multicast_address|last_router\.[0-9]+|nd6_ra_buffer|nd6_cached_(destination|neighbor)_index|'
shared+='str\.[0-9]+'
find "$BUILD/obj/lwip" -name '*.o' -exec readelf -W -S -s {} + 2>/dev/null | awk '
	/^File:/ { file = $2; delete writable }
	match($0, /^ *\[ *[0-9]+\]/) {
		line = $0
		gsub(/[][]/, " ", line)
		split(line, field, " ")
		if (field[2] ~ /^\.(data|bss|tdata|tbss)/ && field[2] !~ /^\.data\.rel\.ro/) writable[field[1]] = 1
	}
	$4 == "OBJECT" && ($7 in writable || $7 == "COM") && $8 !~ /^__odr_asan|^\.L/ { print $8 }' | sort -u |
	grep -vxE "$shared" >"$KB_TMP/state"
same "lwIP has no state beside its instance" "" "$(cat "$KB_TMP/state")"

finish
