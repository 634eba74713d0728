# SPDX-License-Identifier: BSD-3-Clause
# echo.pl KIND ADDRESS PORT [COUNT SIZE]: UDP echo in Perl. Servers: blocking (recv), select (IO::Select). Clients:
# client (recv with SIGALRM), waiting (IO::Select).
use strict;
use warnings;
use IO::Select;
use IO::Socket::IP;

my ($kind, $address, $port, $count, $size) = @ARGV;

sub echo {
	my ($socket) = @_;
	my $peer = $socket->recv(my $data, 65535) // return;
	$socket->send($data, 0, $peer) // die "send: $!";
}

sub server {
	my $socket = IO::Socket::IP->new(LocalHost => $address, LocalPort => $port, Proto => 'udp') or die "bind: $@";
	my $select = IO::Select->new($socket);
	while (1) {
		$select->can_read(5) or next if $kind eq 'select';
		echo($socket);
	}
}

sub client {
	my $socket = IO::Socket::IP->new(PeerHost => $address, PeerPort => $port, Proto => 'udp') or die "connect: $@";
	my $select = IO::Select->new($socket);
	local $SIG{ALRM} = sub { die "no answer\n" };
	for my $n (1 .. $count) {
		my $data = substr("$n." . 'x' x $size, 0, $size);
		$socket->send($data) // die "send: $!";
		alarm 5 if $kind eq 'client';
		$select->can_read(5) or die "no answer to $n" if $kind eq 'waiting';
		$socket->recv(my $answer, 65535) // die "recv: $!";
		alarm 0;
		$answer eq $data or die "datagram $n came back changed";
	}
}

$kind =~ /^(blocking|select)$/ ? server() : client();
