#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# radius.sh - FreeRADIUS: threads, IP_PKTINFO both ways on wildcard sockets, MSG_PEEK of headers.
# PACKAGES: freeradius freeradius-utils
. "$(dirname "$0")/lib.sh"
app_need freeradius radclient
app_lab

mkdir "$tmp/raddb"
cat >"$tmp/raddb/radiusd.conf" <<CONF
prefix = /usr
logdir = $tmp
run_dir = $tmp
libdir = /usr/lib/freeradius
pidfile = $tmp/radiusd.pid
max_request_time = 10
cleanup_delay = 2
max_requests = 4096
log {
	destination = stdout
}
client all {
	ipaddr = *
	secret = testing123
}
client all6 {
	ipv6addr = ::/0
	secret = testing123
}
thread pool {
	start_servers = 2
	max_servers = 4
}
modules {
	pap {
	}
}
server default {
	listen {
		type = auth
		ipaddr = *
		port = 1812
	}
	listen {
		type = auth
		ipv6addr = ::
		port = 1812
	}
	authorize {
		update control {
			Cleartext-Password := "secret"
		}
		pap
	}
	authenticate {
		pap
	}
}
CONF

# radius_run ADDRESS PASSWORD EXPECTED COUNT
radius_run()
{
	printf 'User-Name = "kb", User-Password = "%s"\n' "$2" |
		app_client radclient -c "$4" -p 10 -s -r 2 -t 2 "$1:1812" auth testing123 >"$tmp/radclient.log" 2>&1
	tail -8 "$tmp/radclient.log"
	[ "$(grep -c "Received $3" "$tmp/radclient.log")" = "$4" ]
}

app_server 1812 freeradius -f -l stdout -d "$tmp/raddb" -D /usr/share/freeradius
app_wait 1812
app_count_start
app_check "right password" radius_run $addr4 secret Access-Accept 200
app_bypassed "right password" 200
app_check "IPv6" radius_run "[$addr6]" secret Access-Accept 50
app_check "wrong password" radius_run $addr4 wrong Access-Reject 3
app_alive
app_end
