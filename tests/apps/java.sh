#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# java.sh - Java: DatagramChannel with a Selector (epoll) and blocking, DatagramSocket, as server and client.
# PACKAGES: openjdk-17-jdk-headless python3
. "$(dirname "$0")/lib.sh"
. "$here/lib_echo.sh"
app_need javac java python3
app_lab

javac -d "$tmp" "$echo/Echo.java" || app_skip "javac does not compile Echo.java"
java="java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto -cp $tmp Echo"
echo_servers "nio" $java nio
echo_server "blocking channel" $addr6 $java channel
echo_server "DatagramSocket" $addr4 $java socket
echo_server "DatagramSocket, IPv6 wildcard" $addr4 $java wildcard
echo_client "DatagramSocket client" $addr4 $java client
echo_client "nio client" $addr6 $java nioclient
app_end
