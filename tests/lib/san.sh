# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# san.sh - how a library that was built with a sanitizer is preloaded. KB_SAN_LIB: the sanitizer's runtime, if any.

# Queues live until the end of the process: what they hold is no leak. Programs look at the signal handlers that are
# installed: none of a sanitizer's.
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=0:handle_segv=0:handle_sigbus=0:handle_sigill=0:handle_sigfpe=0:handle_abort=0}
export TSAN_OPTIONS=handle_segv=0:handle_sigbus=0:handle_sigill=0:handle_sigfpe=0:handle_abort=0:${TSAN_OPTIONS:-}

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
