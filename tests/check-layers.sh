#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# TIMEOUT: 180
#
# check-layers.sh - the rules about the source text that a compiler does not check: dependencies point down only
# (preload -> stack -> nic, all -> base), no foreign type leaves its layer, and what else grep can see.

# shellcheck source=tests/lib/test.sh
. "$(dirname "$0")/lib/test.sh"
cd "$top" || exit 1

# rule NAME: passes when standard input, the list of violations, is empty.
rule()
{
	local found
	found=$(head -n 20)
	if [[ -z $found ]]; then
		ok "$1"
	else
		while IFS= read -r line; do note "$line"; done <<<"$found"
		not_ok "$1"
	fi
}

# All source files: what git knows or would add, or, in an exported tree, what is there. Tracked files may be gone.
sources()
{
	{ git ls-files -co --exclude-standard 2>/dev/null ||
		find . -path ./.git -prune -o -path ./deps -prune -o -path './build*' -prune -o -type f -print |
		sed 's|^\./||'; } | sort -u | while IFS= read -r file; do [[ ! -f $file ]] || echo "$file"; done
}
sources >"$KB_TMP/sources"

# in_dirs DIR...: C files directly in these directories.
in_dirs()
{
	local dir
	for dir; do grep -E "^$dir/[^/]+\.(c|h|def)$" "$KB_TMP/sources"; done
}

includes() { xargs -r grep -nHE '^[[:space:]]*#[[:space:]]*include' 2>/dev/null; }

# may_include DIR ALLOWED...: quoted includes with a directory name only the allowed ones.
may_include()
{
	local dir=$1 allowed
	shift
	allowed=$(IFS='|'; echo "$*")
	in_dirs "$dir" | includes | grep -E 'include[[:space:]]*["<](base|nic|stack|preload|tools|tests)/' |
		grep -vE "include[[:space:]]*\"($allowed)/[^/\"]+\"" | rule "$dir/ includes only from: $*"
}

may_include base base
may_include nic base nic
may_include nic/xdp base nic nic/ethtool nic/xdp
may_include nic/ethtool base nic nic/ethtool
may_include nic/verbs base nic nic/verbs
may_include stack base nic stack
may_include preload base stack preload
may_include tools base nic nic/ethtool tools
may_include tools/capture base tools/capture tools
may_include daemon base nic nic/xdp daemon

in_dirs base nic nic/xdp nic/verbs nic/ethtool preload tools | includes | grep -E '["<](\.\./)*(lwip/|lwipopts|stack/(lwipopts|slots|arch))' |
	rule "lwIP's headers are seen in stack/ only"

# `kbaccel check` asks the kernel itself what it can do, so a tool may know linux/bpf.h.
in_dirs base nic stack preload tools | includes | grep -E '["<](xdp/|bpf/|linux/if_xdp|linux/bpf|infiniband/)' |
	grep -vE '^tools/.*<linux/bpf\.h>' | rule "the NIC backends' headers are seen in nic/*/ only"

in_dirs base nic nic/xdp nic/verbs nic/ethtool preload tools | xargs -r grep -nHE \
	'^[a-z_][A-Za-z0-9_ *]*[ *](tcp|udp|netif|pbuf|mem|sys)_[a-z0-9_]+ *(\(|=|\[|;)' |
	rule "lwIP's name prefixes are not used outside stack/"

in_dirs base nic nic/xdp nic/verbs nic/ethtool stack preload | grep -v '^base/config[^/]*$' | xargs -r grep -nHE \
	'\b(secure_)?getenv *\(|\benviron\b' | rule "the environment is read in base/config*.c only"

in_dirs base nic nic/xdp nic/verbs nic/ethtool stack preload | xargs -r grep -nHwE \
	'(abort|exit|_exit|_Exit|quick_exit|setrlimit|setrlimit64|sigaction|signal|pthread_create) *\(' |
	grep -vE '^[^:]*\.def:|^[^:]*:[0-9]+:[[:space:]]*(/?\*|//)' |
	rule "the library does not exit, change limits, handle signals or start threads"

in_dirs base stack | xargs -r grep -ohE 'own_call6\(SYS_[a-z0-9_]+' | sed 's/.*SYS_//' | sort -u | while IFS= read -r call; do
	grep -qE "^(SERVE|OPEN|MAY)\($call," base/sandbox.def || echo "$call()"
done | rule "base/sandbox.def has every system call that the library makes on its own account"

grep -E '\.(c|h|def|sh|py|mk)$|^Makefile$|^tests/run$' "$KB_TMP/sources" | xargs -r wc -l |
	awk '$2 != "total" && $1 > 600' | rule "no file is longer than 600 lines"

grep -E '\.(c|h|def|sh)$|^Makefile$|^tests/run$|^\.ci/run$' "$KB_TMP/sources" | while IFS= read -r file; do
	head -n 3 "$file" | grep -q 'SPDX-License-Identifier: BSD-3-Clause' || echo "$file"
done | rule "each file names its licence"

grep -vE '\.(png|svg|pcap)$' "$KB_TMP/sources" | xargs -r grep -nHIE \
	'/wor[k]/|/hom[e]/[a-z]|/roo[t]/|-march=nativ[e]' | rule "nothing depends on one machine"

grep -E '\.(c|h|def|sh|py|mk)$|^Makefile$|^tests/run$' "$KB_TMP/sources" | xargs -r grep -nHwE \
	'TOD[O]|FIXM[E]|XX[X]|not implemente[d]' | rule "nothing is left unfinished"

finish
