#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# deps.sh - installs what building (`build`), testing and the demo (`test`) need: Debian packages, and lwIP's source
# text, which Debian ships only as a source package. `tools/deps.sh [build|test|all]`, `make deps`. `tools/deps.sh apps`
# installs the servers that tests/apps tries, too: they are services, so it is left to those who ask for it. `tools/deps.sh vm`:
# what tests/vm/run.sh takes.
#
# Calls apt only for what is missing, so a second run takes a moment and no network. The system's own package
# lists and sources stay as they are: the source package comes through a private apt configuration, and is pinned
# by its checksum, not by a Debian revision, because revisions get replaced. No service is started.
set -eu
cd "$(dirname "$0")/.."

BUILD_PACKAGES="gcc libc6-dev linux-libc-dev make clang llvm bpftool libbpf-dev libxdp-dev libelf-dev libmnl-dev libpcap-dev
	zlib1g-dev libibverbs-dev libcmocka-dev libclang-rt-14-dev xz-utils ca-certificates"
TEST_PACKAGES="bash coreutils iproute2 ethtool procps util-linux iputils-ping nftables iptables tcpdump strace
	python3-minimal sockperf iperf3 socat dnsmasq-base dnsperf knot-dnsutils valgrind binutils file git clang-format mandoc
	libjemalloc2 libmimalloc2.0 libtcmalloc-minimal4"
VM_PACKAGES="qemu-system-x86 busybox-static kmod cpio dpkg libteam-utils"

LWIP=lwip_2.1.3+dfsg1.orig.tar.xz
LWIP_SHA256=0a8276d09fc4e97bbba2f953d74af2388fc2195ea156be9d7589e297a68fde24
LWIP_SUITE=bookworm

work=
policy=
cleanup()
{
	[ -z "$work" ] || rm -rf "$work"
	[ -z "$policy" ] || rm -f "$policy"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail()
{
	echo "deps: $1" >&2
	shift
	for line; do echo "      $line" >&2; done
	exit 1
}

# Those of the named packages that are not installed.
missing()
{
	# A name that dpkg never heard of is missing from its answer, one that was removed has another status.
	dpkg-query -W -f '${Status} ${Package}\n' "$@" 2>/dev/null |
		sed -n 's/^install ok installed //p' >"$work/installed" || true
	for package; do
		grep -qxF "$package" "$work/installed" || printf '%s ' "$package"
	done
}

# Packages may contain services; none is to start on the machine of somebody who builds a library.
forbid_services()
{
	if [ ! -e /usr/sbin/policy-rc.d ]; then
		policy=/usr/sbin/policy-rc.d
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod 755 "$policy"
	fi
}

apt()
{
	DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 "$@" >"$work/apt.log" 2>&1
}

apt_failed()
{
	tail -n 15 "$work/apt.log" >&2
	fail "apt-get could not install: $1" "Is the network up, and does /etc/apt list a Debian 12 mirror?" \
		"Remedy: apt-get update && apt-get install --no-install-recommends $1"
}

install_packages()
{
	want=$(missing "$@")
	[ -n "$want" ] || return 0
	[ "$(id -u)" = 0 ] || fail "packages are missing, and installing needs root" \
		"Remedy: sudo apt-get install --no-install-recommends $want"
	echo "deps: installing $want"
	forbid_services
	# Known package lists may do; where they are absent or outdated, get new ones and try again.
	# shellcheck disable=SC2086
	apt install --no-install-recommends $want && return 0
	apt update || apt_failed "$want"
	# shellcheck disable=SC2086
	apt install --no-install-recommends $want || apt_failed "$want"
}

# Prints a deb-src entry (deb822) with the mirror, and the key if one is named, that the system uses for Debian.
source_entry()
{
	for file in /etc/apt/sources.list.d/*.sources; do
		[ -r "$file" ] || continue
		awk -v suite="$LWIP_SUITE" '
			function flush() {
				if (!done && uri != "" && types ~ /(^| )deb( |$)/ && (" " suites " ") ~ (" " suite " ")) {
					print uri; print key; done = 1
				}
				uri = types = suites = key = ""
			}
			/^[ \t]*#/ { next }
			/^[ \t]*$/ { flush(); next }
			{ name = tolower($1); value = $0; sub(/^[^:]*:[ \t]*/, "", value) }
			name == "types:" { types = value }
			name == "uris:" { uri = $2 }
			name == "suites:" { suites = value }
			name == "signed-by:" && value ~ /^\// { key = value }
			END { flush() }' "$file"
	done >"$work/mirror"
	for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ -r "$file" ] || continue
		awk -v suite="$LWIP_SUITE" '
			$1 == "deb" {
				key = ""
				line = $0
				if (match(line, /signed-by=[^] \t]+/)) key = substr(line, RSTART + 10, RLENGTH - 10)
				sub(/\[[^]]*\]/, "", line)
				n = split(line, field, /[ \t]+/)
				if (n >= 4 && field[3] == suite) { print field[2]; print key }
			}' "$file"
	done >>"$work/mirror"
	uri=$(sed -n 1p "$work/mirror")
	key=$(sed -n 2p "$work/mirror")
	[ -n "$uri" ] || fail "/etc/apt names no mirror of Debian $LWIP_SUITE" \
		"lwIP's source package comes from there. Remedy: add one, or put $LWIP into deps/"
	echo "Types: deb-src"
	echo "URIs: $uri"
	echo "Suites: $LWIP_SUITE"
	echo "Components: main"
	[ -z "$key" ] || echo "Signed-By: $key"
}

fetch_lwip()
{
	mkdir -p "$work/apt/parts" "$work/apt/lists/partial" "$work/apt/cache/archives/partial"
	source_entry >"$work/apt/parts/lwip.sources"
	set -- -q -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$work/apt/parts" \
		-o "Dir::State=$work/apt" -o "Dir::State::lists=$work/apt/lists" \
		-o Dir::State::status=/var/lib/dpkg/status -o "Dir::Cache=$work/apt/cache" \
		-o APT::Sandbox::User= -o Acquire::Languages=none -o Acquire::Retries=2
	(cd "$work/apt" && apt-get "$@" update && apt-get "$@" --download-only source lwip) >"$work/apt.log" 2>&1 || {
		tail -n 5 "$work/apt.log" >&2
		fail "lwIP's source package could not be downloaded" \
			"$(sed -n 's/^URIs: /tried the mirror /p' "$work/apt/parts/lwip.sources")" \
			"Remedy: connect to the network and run it again, or copy $LWIP" \
			"from another machine (any Debian 12 mirror has it, in pool/main/l/lwip/) into deps/"
	}
	[ -e "$work/apt/$LWIP" ] || fail "the mirror has another version of lwIP than $LWIP" \
		"Remedy: copy that file, from an archive of older Debian packages for instance, into deps/"
	mv "$work/apt/$LWIP" deps/
}

install_lwip()
{
	[ -e deps/lwip/src/core/udp.c ] && [ "$(cat deps/lwip/.sha256 2>/dev/null)" = "$LWIP_SHA256" ] && return 0
	mkdir -p deps
	if [ ! -e "deps/$LWIP" ]; then
		echo "deps: fetching the source of lwIP"
		fetch_lwip
	fi
	sum=$(sha256sum "deps/$LWIP")
	[ "${sum%% *}" = "$LWIP_SHA256" ] || {
		mv "deps/$LWIP" "deps/$LWIP.bad"
		fail "deps/$LWIP is not the file that was expected" "sha256 is ${sum%% *}" \
			"       not $LWIP_SHA256" "It was set aside as deps/$LWIP.bad"
	}
	mkdir "$work/lwip"
	tar -xJf "deps/$LWIP" -C "$work/lwip" --strip-components=1
	echo "$LWIP_SHA256" >"$work/lwip/.sha256"
	rm -rf deps/lwip deps/.lwip
	mv "$work/lwip" deps/.lwip
	mv deps/.lwip deps/lwip
	echo "deps: lwIP is in deps/lwip"
}

group=${1:-all}
work=$(mktemp -d)
case $group in
build) # shellcheck disable=SC2086
	install_packages $BUILD_PACKAGES ;;
test) # shellcheck disable=SC2086
	install_packages $TEST_PACKAGES ;;
all) # shellcheck disable=SC2086
	install_packages $BUILD_PACKAGES $TEST_PACKAGES ;;
apps) # shellcheck disable=SC2046
	install_packages $(cat tests/apps/packages.txt) ;;
vm) # shellcheck disable=SC2086
	install_packages $VM_PACKAGES ;;
*) fail "usage: tools/deps.sh [build|test|all|apps|vm]" ;;
esac
case $group in build | all) install_lwip ;; esac
