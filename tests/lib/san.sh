# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# san.sh - how a library that was built with a sanitizer is preloaded. KB_SAN_LIB: the sanitizer's runtime, if any.
# KB_SAN_LOG: the directory that reports are written to, tests/run looks there. A program that can not write there any more
# (chroot, seccomp) ends with its first error all the same.

# Queues live until the end of the process: what they hold is no leak. Programs look at the signal handlers that are
# installed: none of a sanitizer's.
san_options=handle_segv=0:handle_sigbus=0:handle_sigill=0:handle_sigfpe=0:handle_abort=0${KB_SAN_LOG:+:log_path=$KB_SAN_LOG/report}
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=0:alloc_dealloc_mismatch=0:$san_options}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1:$san_options}
export TSAN_OPTIONS=$san_options:${TSAN_OPTIONS:-}

# The value of LD_PRELOAD for the library $1, into PRELOAD. AddressSanitizer's runtime insists on being the first.
# ThreadSanitizer's has to come after the library: while a blocking call that it intercepts is under way it takes no
# notice of locks and atomics, and for it our receive would be such a call.
preload_value()
{
	case ${KB_SAN_LIB:-} in
	'') PRELOAD=$1 ;;
	*libtsan*) PRELOAD=$1:$KB_SAN_LIB ;;
	*) PRELOAD=$KB_SAN_LIB:$1 ;;
	esac
}

# For a case that a sanitizer's runtime makes meaningless, as it maps memory, makes calls and changes names of its own:
# `sanitized NAME REASON || check NAME ...`. True, and the case is skipped, if there is one.
sanitized()
{
	[[ -n ${KB_SAN_LIB:-} ]] || return 1
	echo "skip $1: under a sanitizer $2"
}

# From here on all programs of the script have the runtime: for plain ones that load a plugin themselves.
preload_runtime()
{
	[[ -z ${KB_SAN_LIB:-} ]] || export LD_PRELOAD=$KB_SAN_LIB
}
