#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# quic.sh - ngtcp2's HTTP/3 server and client: libev, IP_PKTINFO, TOS of each datagram, UDP_SEGMENT.
# PACKAGES: ngtcp2-server ngtcp2-client openssl
. "$(dirname "$0")/lib.sh"
app_need gtlsserver gtlsclient openssl
app_lab
mkdir "$tmp/www" "$tmp/got"
head -c 3000000 /dev/urandom >"$tmp/www/file"
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$tmp/key.pem" -out "$tmp/cert.pem" -days 30 -subj /CN=kb.test 2>/dev/null

# fetch ADDRESS RUNNER...
fetch()
{
	local address=$1
	shift
	rm -f "$tmp/got/file"
	"$@" gtlsclient -q --exit-on-all-streams-close --download "$tmp/got" "$address" 4433 "https://kb.test:4433/file" >"$tmp/client.log" 2>&1 ||
		{ tail "$tmp/client.log"; return 1; }
	cmp "$tmp/www/file" "$tmp/got/file"
}

app_server 4433 gtlsserver -q -d "$tmp/www" '*' 4433 "$tmp/key.pem" "$tmp/cert.pem"
app_wait 4433
app_count_start
app_check "download" fetch $addr4 app_client
app_bypassed "download" 100
app_count_start
app_check "download, IPv6" fetch $addr6 app_client
app_bypassed "download, IPv6" 100
app_alive
app_stop
app_server_plain gtlsserver -q -d "$tmp/www" '*' 4433 "$tmp/key.pem" "$tmp/cert.pem"
app_wait 4433
app_count_start
app_check "client" fetch $addr4 app_client_fast '*'
app_bypassed_client "client" 50
app_end
