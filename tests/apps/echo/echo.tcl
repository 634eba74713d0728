# SPDX-License-Identifier: BSD-3-Clause
# echo.tcl server|client ADDRESS PORT [COUNT SIZE]: UDP echo with Tcl's udp package; Tcl's notifier waits in a thread.
package require udp
lassign $argv kind address port count size

proc opened {args} {
	set socket [udp_open {*}$args]
	fconfigure $socket -translation binary -buffering none -blocking 0
	return $socket
}

proc echo {socket} {
	set data [read $socket]
	if {$data ne ""} {
		fconfigure $socket -remote [fconfigure $socket -peer]
		puts -nonewline $socket $data
	}
}

proc answer {socket} {
	global n count sent
	set data [read $socket]
	if {$data eq ""} return
	if {$data ne $sent} { puts "datagram $n came back changed"; exit 1 }
	if {[incr n] == $count} { exit 0 }
	ask $socket
}

proc ask {socket} {
	global n size sent
	set sent [string range "$n.[string repeat x $size]" 0 $size-1]
	puts -nonewline $socket $sent
}

set six [expr {[string match *:* $address] ? "ipv6" : ""}]
if {$kind eq "server"} {
	set socket [opened $port {*}$six]
	fileevent $socket readable [list echo $socket]
} else {
	set n 0
	set socket [opened {*}$six]
	fconfigure $socket -remote [list $address $port]
	fileevent $socket readable [list answer $socket]
	after 12000 { puts "$n of $count came back"; exit 1 }
	ask $socket
}
vwait forever
