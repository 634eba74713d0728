#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# run.sh - runs test files, or a command, on Debian's own kernel, in a virtual machine without a network device.
#
#     tests/vm/run.sh tests/netns/accel_basic.sh ...     # what tests/run takes
#     tests/vm/run.sh -c 'tests/conform/run.sh -v poll'  # any command, by bash, in the source directory
#     tests/vm/run.sh -k linux-image-6.1.0-56-amd64 ...  # another kernel than the one that linux-image-amd64 depends on
#     tests/vm/run.sh -s                                 # a shell
#
# The machine's root is this one's, read only, through 9p, with an overlay in its memory: the tests see the programs that are
# installed and the binaries that are built here, and leave nothing behind. Needs `tools/deps.sh vm`. The kernel comes by apt-get,
# which checks it, and is unpacked into $BUILD/vm, never installed. Without /dev/kvm all is emulated, ten to thirty times
# slower: KB_SLOW (default 8 then, else 1) is how much longer the tests may take; CPUS (2) and MEMORY (3G) are the machine's.
set -eu
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C
BUILD=${BUILD:-build}
[[ $BUILD = /* ]] || BUILD=$top/$BUILD
work=$BUILD/vm package='' command=''

usage()
{
	sed -n '5,14s/^# \{0,1\}//p' "$0"
	exit "$1"
}

fail()
{
	echo "tests/vm/run.sh: $*" >&2
	exit 1
}

# The package that holds the kernel; the one that everybody installs only depends on it.
kernel_package()
{
	apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*-amd64\)$/\1/p' | head -n 1
}

# Unpacks it: kernel and modules, with the list of who needs whom that modprobe reads.
fetch() # PACKAGE
{
	[[ ! -e $work/$1/done ]] || return 0
	rm -rf "${work:?}/$1"
	mkdir -p "$work/$1"
	(cd "$work/$1" && apt-get -q download "$1" >apt.log 2>&1) || { cat "$work/$1/apt.log" >&2; fail "no package $1"; }
	dpkg-deb -x "$work/$1"/*.deb "$work/$1"
	rm "$work/$1"/*.deb
	depmod -b "$work/$1" "$release"
	touch "$work/$1/done"
}

# The first programs: busybox and the modules that it takes to reach the root.
make_initrd() # DIRECTORY
{
	local root=$run/initrd module
	mkdir -p "$root/bin" "$root/modules" "$root/proc" "$root/new" "$root/memory" "$root/lower"
	cp /bin/busybox "$root/bin/"
	cp "$top/tests/vm/init" "$root/init"
	for module in virtio_pci 9pnet_virtio 9p overlay virtio_rng; do
		modprobe -d "$1" -S "$release" --show-depends $module
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >"$run/list"
	while read -r module; do cp "$module" "$root/modules/"; done <"$run/list"
	sed 's,.*/,,' "$run/list" >"$root/modules/order"
	(cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) >"$run/initrd.gz"
}

while getopts 'c:k:sh' option; do
	case $option in
	c) command=$OPTARG ;;
	k) package=$OPTARG ;;
	s) command='bash -i' ;;
	h) usage 0 ;;
	*) usage 2 ;;
	esac
done
shift $((OPTIND - 1))
[[ -n $command || $# -gt 0 ]] || usage 2
[[ -n $command ]] || command="tests/run$(printf ' %q' "$@")"
for tool in qemu-system-x86_64 busybox cpio depmod; do
	command -v $tool >/dev/null || fail "no $tool: tools/deps.sh vm"
done

[[ -n $package ]] || package=$(kernel_package)
[[ -n $package ]] || fail 'apt-cache does not know linux-image-amd64: apt-get update'
release=${package#linux-image-}
fetch "$package"
run=$(mktemp -d "$work/run.XXXXXX") # several machines at a time do not meet
trap 'rm -rf "$run"' EXIT
make_initrd "$work/$package"
accel=tcg
if [[ -w /dev/kvm ]]; then accel=kvm KB_SLOW=${KB_SLOW:-1}; fi

# What the machine's init reads.
cat >"$run/command" <<END
export KB_SLOW=${KB_SLOW:-8} BUILD=$(printf %q "$BUILD") KB_RETRY=${KB_RETRY:-0} KB_TOTAL=${KB_TOTAL:-36000} V=${V:-0}
cd $(printf %q "$top")
$command
END
qemu-system-x86_64 -accel $accel -cpu max -smp "${CPUS:-2}" -m "${MEMORY:-3G}" -nodefaults -nographic -no-reboot \
	-serial mon:stdio -nic none -device virtio-rng-pci \
	-virtfs local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap \
	-kernel "$work/$package/boot/vmlinuz-$release" -initrd "$run/initrd.gz" \
	-append "console=ttyS0 quiet panic=-1 kbtop=$top kbvm=$run kbmodules=$work/$package/lib/modules" | tee "$run/log"
status=$(tr -d '\r' <"$run/log" | sed -n 's/^vm: exit status //p' | tail -n 1)
exit "${status:-1}"
