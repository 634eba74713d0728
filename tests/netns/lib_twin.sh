# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
#
# lib_twin.sh - runs a scenario twice, each time in a fresh laboratory: with the program under test (twin_agent, in $NS_A)
# on kernel sockets, then under the library. What it observes must be the same. The kernel is the oracle: no scenario
# says what is right.
#
#     scenario_errors()
#     {
#         part 'port unreachable'            # one case of the test: what is said up to the next part
#         a sock 0 4; a bind 0 "$A4" 5300    # a call of the program under test (twin_agent.c lists them)
#         b sock 0 4; b bind 0 "$B4" 7000    # the same of its peer in $NS_B, always on kernel sockets
#         fast tx 5 a send 0 64 1 "$B4" 7000 # repeats the call; under the library that many must bypass the kernel
#         say 'route' "$(ip -n ...)"         # anything else that both runs must agree on
#     }
#     twin errors
#     finish

# shellcheck source=tests/netns/lib_accel.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib_accel.sh"

twin_way='' twin_log='' A_PID='' twin_lab=ns_pair

say() { echo "$*" >>"$twin_log"; }
part() { say "== $*"; }
under_library() { [[ $twin_way = library ]]; }

# Starts an agent in a namespace: agent NAME NS [preload PORTS]. Its pipes are in the variables NAME_in and NAME_out.
agent()
{
	local name=$1 ns=$2 in=$KB_TMP/$1.in out=$KB_TMP/$1.out way=()
	shift 2
	if [[ ${1:-} = preload ]]; then
		preload_env "$2"
		way=(env "${PRELOAD_ENV[@]}")
	fi
	rm -f "$in" "$out"
	mkfifo "$in" "$out"
	ip netns exec "$ns" "${way[@]}" "$bin/twin_agent" <"$in" >"$out" 2>"$KB_TMP/$name.err" &
	AGENT=$!
	spawned_pids+=("$AGENT")
	exec {twin_fd}>"$in" && declare -g "${name}_in=$twin_fd"
	exec {twin_fd}<"$out" && declare -g "${name}_out=$twin_fd"
}

# Ends the agent that was started last.
drop_agent() # NAME
{
	local in=$1_in out=$1_out
	eval "exec ${!in}>&- ${!out}<&-"
	stop "$AGENT"
}

# One command to an agent; its answer is in ANSWER.
command_to() # NAME COMMAND...
{
	local in=$1_in out=$1_out line
	ANSWER=
	echo "${*:2}" >&"${!in}"
	while IFS= read -r -t 20 -u "${!out}" line; do
		[[ $line != . ]] || return 0
		ANSWER+="$line"$'\n'
	done
	ANSWER="no answer: $(tail -n 3 "$KB_TMP/$1.err")"$'\n'
	return 1
}

told() { command_to "$1" "${@:2}"; printf '%s: %s' "$*" "$ANSWER" >>"$twin_log"; }
a() { told a "$@"; }
b() { told b "$@"; }
c() { told c "$@"; }

# The same without a word in the transcript.
quiet() { command_to "$@"; }

agent_counter() { "$tool" stat "$A_PID" | awk -v name="$1" '$1 == name { n = $2 } END { print n + 0 }'; }

# The library publishes what the queues count every 100 ms, when it is called.
settled_counter()
{
	sleep 0.11
	quiet a poll 0 0
	quiet a poll 0 0
	agent_counter "$1_fast"
}

# fast rx|tx COUNT COMMAND...: the command; meanwhile at least COUNT datagrams bypass the kernel. slow: none does.
fast() { by_path -ge "$@"; }
slow()
{
	local what=$1
	shift
	by_path -le "$what" 0 "$@"
}
by_path()
{
	local how=$1 what=$2 count=$3 before now
	shift 3
	if under_library; then before=$(settled_counter "$what"); fi
	"$@"
	if under_library; then
		now=$(settled_counter "$what")
		test $((now - before)) "$how" "$count" || say "WRONG PATH: $((now - before)) datagrams fast, want $how $count ($what)"
	fi
}

# times N COMMAND...: the word N# in it becomes the number of the round.
times()
{
	local i n=$1
	shift
	for ((i = 1; i <= n; i++)); do "${@//N#/$i}"; done
}

# Until the agent's socket ID, which is bound to the port, is steered; the datagrams for that are not looked at.
steered() # ID
{
	quiet a recv "$1" 1
	under_library || return 0
	wait_until 3 accelerated "$A_PID" || say "NOT ACCELERATED: $("$tool" stat "$A_PID" | grep -A2 '^socket')"
}

# Gives the mirror of the host's network time to follow; under the library it does so with each call of the program.
settle() { sleep "${1:-0.15}"; quiet a poll "${2:-0}" 0; }

# ICMP errors as fast as they are provoked.
no_limits()
{
	local ns
	for ns in "${ns_list[@]}"; do
		run_in "$ns" sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
		run_in "$ns" sysctl -qw net.ipv4.icmp_msgs_per_sec=100000 net.ipv4.icmp_msgs_burst=10000 2>/dev/null
	done
}

# In a process of its own, so that both runs can be under way at a time.
twin_run() # NAME WAY
{
	trap test_clean_up EXIT
	twin_way=$2 twin_log=$KB_TMP/$1.$2 own_tmp='' spawned_pids=() clean_up_hooks=(ns_del_all)
	KB_PREFIX=$KB_PREFIX${2:0:1} KB_TMP=$KB_TMP/$2
	mkdir -p "$KB_TMP"
	: >"$twin_log"
	"$twin_lab"
	if under_library; then agent a "$NS_A" preload "$PORTS"; else agent a "$NS_A"; fi
	A_PID=$AGENT
	agent b "$NS_B"
	part "$1"
	"scenario_$1"
	if under_library; then cp "$KB_TMP/a.err" "$twin_log.messages"; fi
}

# The transcript's part called $2.
twin_part() { awk -v want="== $2" '/^== / { on = $0 == want; next } on' "$1"; }

# twin NAME [LAB]: both runs, and a case for each part. A scenario that says SKIP and a reason is one that cannot run here.
twin()
{
	local name=$1 title one two log=$KB_TMP/$1
	twin_lab=${2:-ns_pair}
	(twin_run "$name" kernel) &
	(twin_run "$name" library)
	wait $!
	one=$(sed -n 's/^SKIP //p' "$log.kernel")
	[[ -z $one ]] || { skip "$name" "$one"; return; }
	while IFS= read -r title; do
		one=$(twin_part "$log.kernel" "$title")
		two=$(twin_part "$log.library" "$title")
		[[ -n $one$two ]] || continue
		if [[ $one = "$two" ]]; then
			ok "$name: $title ($(wc -l <<<"$one") observations)"
		else
			diff -U 3 --label kernel --label library <(echo "$one") <(echo "$two") | sed 's/^/# /' | head -n 40
			head -n 5 "$log.library.messages" 2>/dev/null | sed 's/^/# stderr: /'
			not_ok "$name: $title"
		fi
	done < <(sed -n 's/^== //p' "$log.kernel" "$log.library" | awk '!seen[$0]++')
	[[ ${V:-0} != 2 ]] || sed 's/^/# /' "$log.kernel"
}
