#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# bird.sh - BIRD's BFD: a timer for each session in a thread with poll(), TTL of each datagram. What it sends goes through the
# kernel, since it sets SO_PRIORITY.
# PACKAGES: bird2
. "$(dirname "$0")/lib.sh"
app_need bird birdc
app_lab

bfd_conf()
{
	cat >"$tmp/$1.conf" <<-CONF
		router id 10.77.0.$1;
		protocol device { }
		protocol bfd {
			interface "ve0" { interval 10 ms; multiplier 50; };
			neighbor 10.77.0.$2;
			neighbor fd77::$2;
		}
	CONF
}

# Both sessions are up, and have been.
sessions()
{
	birdc -s "$tmp/1.ctl" show bfd sessions | tee "$tmp/sessions"
	[ "$(grep -c ' Up ' "$tmp/sessions")" = 2 ]
}

bfd_conf 1 9
bfd_conf 9 1
app_server '3784' bird -f -c "$tmp/1.conf" -s "$tmp/1.ctl" -P "$tmp/1.pid"
app_spawn "$ns_b" bird -f -c "$tmp/9.conf" -s "$tmp/9.ctl" -P "$tmp/9.pid"
for i in $(seq 100); do
	sessions >/dev/null 2>&1 && break
	sleep 0.1
done
app_check "sessions" sessions
app_count_start
sleep 1
app_bypassed "sessions" 100 rx
app_check "the same sessions" cmp <(sed 1,2d "$tmp/sessions") <(birdc -s "$tmp/1.ctl" show bfd sessions | sed 1,2d)
app_end
