/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nic_shared.c - NIC_FLOW_SHARED over a veth pair that nic_shared.sh has laid out: what sockets of
 * another process get while a wildcard of this one is steered.
 *
 *   nic_shared PLUGIN IF PEER_NS A4 B4 A6 B6    we are A, PEER_NS is B
 *
 * "Ours" is a kernel socket as the stack's shadow would be one, and the steered frames; "the other"
 * is a process with a socket on the same port.
 */
#define _GNU_SOURCE
#include <sys/wait.h>

#include "tests/netns/nic_common.h"

#define PORT 5300
#define PEER_PORT 7001
#define FIVE 5

static const char *a4, *b4, *a6, *b6;
static int own, peer4, second4, peer6;

/* Counts what @fd gets until nothing comes for a moment. */
static unsigned drain(int fd)
{
	unsigned sum = 0, n;

	while ((n = kernel_got(fd, 300)) > 0)
		sum += n;
	return sum;
}

/*
 * Another process with a socket on the port: bound to @local, connected to @remote's PEER_PORT
 * unless NULL. It waits for datagrams and exits with their number.
 */
static pid_t start_other(const char *local, const char *remote)
{
	struct sockaddr_storage ss;
	int ready[2], fd;
	char c = 0;
	pid_t pid;

	if (pipe(ready) < 0 || (pid = fork()) < 0)
		exit(2);
	if (pid == 0) {
		fd = udp_socket(NULL, local, PORT);
		if (remote &&
		    connect(fd, (struct sockaddr *)&ss, sockaddr_of(remote, PEER_PORT, &ss)) < 0)
			_exit(255);
		_exit(write(ready[1], &c, 1) == 1 ? (int)drain(fd) : 255);
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		exit(2);
	close(ready[0]);
	return pid;
}

static unsigned other_got(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? (unsigned)WEXITSTATUS(status)
								    : 255;
}

static unsigned steered(void)
{
	struct nic_frame frames[NIC_BURST];
	uint64_t end = clock_ns() + 100 * NSEC_PER_MSEC;
	unsigned got = 0;

	while (clock_ns() < end)
		for (unsigned q = 0; q < nic->queue_count; q++) {
			unsigned n = nic_rx_burst(nic->queues[q], frames, NIC_BURST);

			for (unsigned i = 0; i < n; i++)
				nic_free(nic->queues[q], &frames[i].data, 1);
			got += n;
		}
	return got;
}

/* Five from @fd to @to: does the stack's side get @want of them, and our kernel socket none? */
static bool comes(int fd, const char *to, unsigned want)
{
	send_numbered(fd, to, PORT, 0, FIVE, 64);
	return steered() == want && kernel_got(own, 0) == 0;
}

static void test_address(void)
{
	pid_t other = start_other(a4, NULL);

	check(comes(peer4, a4, 0), "another process' own address is not steered");
	check(comes(peer6, a6, FIVE), "while ours still is");
	check(other_got(other) == FIVE, "the other process gets what is for its address");
	check(comes(peer4, a4, FIVE), "when it has gone, all is ours again");
	other = start_other(a6, NULL);
	check(comes(peer6, a6, 0) && comes(peer4, a4, FIVE), "the same for an IPv6 address");
	check(other_got(other) == FIVE, "the other process gets what is for its IPv6 address");
}

static void test_session(void)
{
	pid_t other = start_other("0.0.0.0", b4);

	check(comes(peer4, a4, 0), "another process' session is not steered");
	check(comes(second4, a4, FIVE), "the same host's other port is");
	check(other_got(other) == FIVE, "the other process gets its session's datagrams");
	other = start_other("::", b6);
	check(comes(peer6, a6, 0) && comes(second4, a4, FIVE), "the same for an IPv6 session");
	check(other_got(other) == FIVE, "the other process gets its IPv6 session's datagrams");
}

/* The last one bound is the kernel's choice. */
static void test_twin(void)
{
	pid_t other = start_other("::", NULL);

	check(comes(peer4, a4, 0) && comes(peer6, a6, 0),
	      "a twin of another process' is not steered");
	check(other_got(other) == 2 * FIVE, "the other process gets what is for its socket");
	check(comes(peer4, a4, FIVE) && comes(peer6, a6, FIVE),
	      "when it has gone, all is ours again");
}

/* Without the flag nobody is asked: that is the price of not setting it. */
static void test_unshared(struct nic_flow *flow)
{
	pid_t other;

	check(nic->ops->steer(nic, flow, false) == 0, "steering ends");
	flow->flags = 0;
	check(nic->ops->steer(nic, flow, true) == 0, "steers without NIC_FLOW_SHARED");
	other = start_other(a4, NULL);
	check(comes(peer4, a4, FIVE), "everything is steered then");
	other_got(other);
}

static void test_spoofed(void)
{
	struct ipaddr liar = addr(b4);

	nic->ops->set_local(nic, &liar, true);
	send_numbered(peer4, a4, PORT, 0, FIVE, 64);
	check(steered() == 0 && kernel_got(own, 100) == FIVE,
	      "an own address as source from outside is the kernel's to judge");
	nic->ops->set_local(nic, &liar, false);
}

int main(int argc, char **argv)
{
	struct nic_flow flow = { .local_port = htons(PORT),
				 .families = NIC_FLOW_V4 | NIC_FLOW_V6,
				 .flags = NIC_FLOW_SHARED };
	struct ipaddr local4, local6;
	socklen_t len = sizeof(uint64_t);
	uint64_t cookie = 0;

	if (argc != 8 || !nic_load(argv[1], argv[2]))
		return 2;
	a4 = argv[4], b4 = argv[5], a6 = argv[6], b6 = argv[7];
	local4 = addr(a4), local6 = addr(a6);
	own = udp_socket(NULL, "::", PORT);
	peer4 = udp_socket(argv[3], b4, PEER_PORT);
	second4 = udp_socket(argv[3], b4, PEER_PORT + 1);
	peer6 = udp_socket(argv[3], b6, PEER_PORT);
	if (!open_nic())
		return 2;
	nic->ops->set_local(nic, &local4, true);
	nic->ops->set_local(nic, &local6, true);
	lease(60000);
	check(nic->ops->steer(nic, &flow, true) == 0, "steers a shared port");
	send_numbered(peer4, a4, PORT, 0, FIVE, 64);
	check(steered() == 0 && kernel_got(own, 100) == FIVE,
	      "as long as no socket is named, it is the kernel's");
	getsockopt(own, SOL_SOCKET, SO_COOKIE, &cookie, &len);
	check(nic->ops->owns(nic, -1, cookie, true) == 0, "names its socket");
	check(comes(peer4, a4, FIVE) && comes(peer6, a6, FIVE), "alone on its port, it gets all");
	test_address();
	test_session();
	test_twin();
	test_spoofed();
	test_unshared(&flow);
	nic->ops->close(nic);
	return failures > 0;
}
