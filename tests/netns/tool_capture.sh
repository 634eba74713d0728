#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# TIMEOUT: 120
#
# tool_capture.sh - `kbaccel capture`: what goes past the kernel, as tcpdump reads it, in both directions; and nothing of it is left
# when it ends, however that is.

# shellcheck source=tests/netns/lib_accel.sh
. "$(dirname "$0")/lib_accel.sh"
ns_pair
command -v tcpdump >/dev/null || { skip 'kbaccel capture' 'tcpdump is not installed'; finish; }
file=$KB_TMP/file.pcapng

# The tool finds processes by /proc, whatever network namespace they are in. CAPTURE is its process.
capture()
{
	rm -f "$KB_TMP/capture.err" # what the last one said is no answer
	"$tool" capture "$@" >"$KB_TMP/capture.out" 2>"$KB_TMP/capture.err" &
	CAPTURE=$!
	wait_until 8 grep -Esq '^kbaccel capture: ([0-9]+ process|process [0-9]+ gives)' "$KB_TMP/capture.err" || { cat "$KB_TMP/capture.err"; return 1; }
}
end_capture()
{
	kill -INT "$CAPTURE" && wait "$CAPTURE"
}
frames() { tcpdump -n -r "$file" "$@" 2>/dev/null | wc -l; }

check 'nobody to capture' grep -q 'no accelerated process' <("$tool" capture -p $$ -w "$file" 2>&1)
check 'a filter that is wrong' grep -q 'filter: ' <("$tool" capture -w "$file" 'udp porto 5' 2>&1)
check 'a number that is wrong' grep -q -- '-c nil' <("$tool" capture -c nil 2>&1)

start_fast server "$PORTS" -d 5300
SERVER=$SPAWNED
client -n 3 "$A4" 5300 >/dev/null # the neighbours
client -n 3 "$A6" 5300 >/dev/null
before=$(counter "$SERVER" tx_fast)
check 'begins' capture -p "$SERVER" -w "$file"
exchange 'is the fast path while it is captured, IPv4' fast 50 "$A4" 5300
exchange 'is the fast path while it is captured, IPv6' fast 50 -z 1400 "$A6" 5300
check 'a second one of the same process is refused' grep -q 'another capture' <("$tool" capture -p "$SERVER" -w "$KB_TMP/second" 2>&1)
check 'ends' end_capture
check 'with a summary' grep -q '^kbaccel capture: [0-9]* frames$' "$KB_TMP/capture.err"
# Now and then one is sent by the kernel, to confirm a neighbour.
sent=$(($(counter "$SERVER" tx_fast) - before))
equal 'what came in' '53 53' "$(frames "src host $B4 and dst port 5300") $(frames "src host $B6 and dst port 5300")"
equal 'what was answered' $sent "$(frames "(dst host $B4 or dst host $B6) and src port 5300")"
check 'which is nearly all' test $sent -ge 102
equal 'nothing else' $((106 + sent)) "$(frames)"
check 'whole frames' test "$(frames 'ip6 and len = 1462')" -ge 100
# In the order of their times, which are those of today.
check 'times do not run backwards' sh -c "tcpdump -tt -n -r '$file' 2>/dev/null | awk '{ if (\$1 < t) exit 1; t = \$1 }'"
check 'times are those of the clock' test "$(tcpdump -tt -n -c 1 -r "$file" 2>/dev/null | cut -d. -f1)" -ge $(($(date +%s) - 60))
# The format, read by somebody else: blocks, interface, directions.
cat >"$KB_TMP/blocks.py" <<'EOF'
import struct, sys
data, at, types, ways = open(sys.argv[1], 'rb').read(), 0, [], {1: 0, 2: 0}
while at < len(data):
    kind, size = struct.unpack_from('<II', data, at)
    assert size % 4 == 0 and struct.unpack_from('<I', data, at + size - 4)[0] == size
    types.append(kind)
    if kind == 6:
        kept, = struct.unpack_from('<I', data, at + 20)
        option = at + 28 + (kept + 3) // 4 * 4
        assert struct.unpack_from('<HH', data, option) == (2, 4)
        ways[struct.unpack_from('<I', data, option + 4)[0]] += 1
    at += size
assert at == len(data) and types[0] == 0x0a0d0d0a and types[1] == 1 and types[-1] == 5
print(types.count(1), ways[1], ways[2], b'veth0' in data)
EOF
equal 'one interface, and both directions' "1 106 $sent True" "$(python3 "$KB_TMP/blocks.py" "$file")"

check 'with a filter' capture -p "$SERVER" -w "$file" "src host $B4 and udp[8:4] != 0"
client -n 20 "$A4" 5300 >/dev/null
client -n 20 "$A6" 5300 >/dev/null
end_capture
equal 'with a filter: only that' '20 0' "$(frames "src host $B4") $(frames "not src host $B4")"
check 'with a count' capture -p "$SERVER" -w "$file" -c 7 -s 60
client -n 20 -z 500 "$A4" 5300 >/dev/null
check 'with a count: it ends by itself' wait_until 3 sh -c "! kill -0 $CAPTURE 2>/dev/null"
equal 'with a count' 7 "$(frames)"
check 'of each frame what was asked for' test "$(stat -c %s "$file")" -lt 1500
check 'printed' capture -p "$SERVER"
client -n 5 "$A4" 5300 >/dev/null
sleep 0.2
end_capture
equal 'printed: a line for each' 5 "$(grep -c "IP .*> $A4.5300: UDP, length" "$KB_TMP/capture.out")"

# A process that starts later, and one that ends.
# Of all processes on the host, among which other tests' may be: by a port that these do not use.
check 'of all' capture -w "$file"
start_fast later 5397 -d 5397
sleep 1
client -n 10 "$A4" 5397 >/dev/null
stop "$SPAWNED"
exchange 'one that ended while it was captured, the other goes on' fast 20 "$A4" 5300
end_capture
equal 'of a process that started later' 10 "$(frames 'dst port 5397')"

# The tool is killed: the process goes on, and the next tool takes over.
check 'to be killed' capture -p "$SERVER" -w "$file"
kill -9 "$CAPTURE"
wait "$CAPTURE" 2>/dev/null
exchange 'the tool was killed' fast 50 "$A4" 5300
check 'another one after it' capture -p "$SERVER" -w "$file"
client -n 10 "$A4" 5300 >/dev/null
end_capture
equal 'another one after it' 10 "$(frames 'dst port 5300')"

# A tool that is slow: frames are lost to it, not to the program.
check 'a small buffer' capture -p "$SERVER" -w "$file" -b 16
kill -STOP "$CAPTURE"
exchange 'the tool is stopped' fast 100 "$A4" 5300
kill -CONT "$CAPTURE"
sleep 0.2
end_capture
check 'what it could not take is counted' grep -q 'frames, [0-9]* lost' "$KB_TMP/capture.err"
# Another user's process is none of his business.
check 'of another user' grep -q 'no accelerated process that may be looked into' \
	<(setpriv --reuid 65533 --regid 65533 --clear-groups "$tool" capture -p "$SERVER" -w "$KB_TMP/none" 2>&1)
stop "$SERVER"
check 'nothing stays' wait_until 2 no_xdp "$NS_A" veth0
finish
