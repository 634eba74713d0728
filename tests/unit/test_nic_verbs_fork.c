/* SPDX-License-Identifier: BSD-3-Clause */
/* test_nic_verbs_fork.c - the verbs plugin and processes: privileges, sudden death, children. */
#define _GNU_SOURCE
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "tests/unit/test_nic_verbs.h"

static void drop_capability(unsigned cap)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	syscall(SYS_capget, &header, data);
	data[cap / 32].effective &= ~(1u << cap % 32);
	syscall(SYS_capset, &header, data);
}

/* In a child, which reports by its exit status. */
static int in_child(int (*what)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		int r = what();

		fflush(stdout);
		_exit(r);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int without_net_raw(void)
{
	drop_capability(CAP_NET_RAW);
	return open_nic() != -EPERM || !says("CAP_NET_RAW");
}

static int rule_without_net_raw(void)
{
	if (open_nic() != 0)
		return 1;
	local(A4, true);
	drop_capability(CAP_NET_RAW);
	return steer_port(53, true) != -EPERM;
}

static int without_memlock(void)
{
	struct rlimit small = { 65536, 65536 };

	drop_capability(CAP_IPC_LOCK);
	setrlimit(RLIMIT_MEMLOCK, &small);
	return open_nic() != -ENOMEM || !says("ulimit -l unlimited");
}

static void privileges_are_checked_as_by_the_kernel(void **state)
{
	(void)state;
	if (!ops)
		skip();
	assert_int_equal(in_child(without_net_raw), 0);
	assert_int_equal(in_child(rule_without_net_raw), 0);
	assert_int_equal(in_child(without_memlock), 0);
}

static bool forks, tells_backend;

/* Opens, steers, maybe forks a child that stays, and dies by a signal. */
static int owner_that_is_killed(void)
{
	if (open_nic() != 0 || local(A4, true) != 0 || steer_port(53, true) != 0)
		return 1;
	if (forks && fork() == 0) {
		if (tells_backend)
			ops->forked(nic);
		usleep(600000);
		_exit(0);
	}
	usleep(100000); /* for the child */
	kill(getpid(), SIGKILL);
	return 0;
}

static void killed_owner(bool with_fork, bool told, unsigned kernels)
{
	uint8_t frame[4096];
	static const uint8_t mac[6];
	struct test_frame f;

	forks = with_fork;
	tells_backend = told;
	assert_int_equal(in_child(owner_that_is_killed), -1);
	usleep(50000); /* for the device to see it */
	frame_make(&f, mac, B4, 1000, A4, 53, FRAME_PAYLOAD);
	memcpy(f.data, nic->mac, 6);
	for (int i = 0; i < 3; i++)
		to_wire(&f);
	assert_int_equal(frames_at(kernel_side, frame, sizeof(frame), 4, 50), kernels);
}

static void rules_die_with_their_process(void **state)
{
	(void)state;
	if (!ops)
		skip();
	assert_int_equal(open_nic(), 0); /* for its address */
	killed_owner(false, false, 3);
	/* A child that keeps the descriptors keeps the rules in force: that is what forked() is for. */
	killed_owner(true, false, 0);
	usleep(700000);
	killed_owner(true, true, 3);
}

static int child_abandons(void)
{
	int fds = count_fds();

	ops->forked(nic);
	if (count_fds() != fds - 3 || steer_port(54, true) != -ENODEV)
		return 1;
	ops->set_lease(nic, 0);
	ops->steer_none(nic);
	ops->stats(q);
	ops->abandon(nic);
	return 0;
}

static void a_child_leaves_its_parents_queue_alone(void **state)
{
	(void)state;
	if (!ops)
		skip();
	assert_int_equal(open_nic(), 0);
	local(A4, true);
	assert_int_equal(steer_port(53, true), 0);
	assert_int_equal(in_child(child_abandons), 0);
	send_frames(B4, A4, 53, 100);
	assert_went(100, 0);
}

static int child_opens_its_own(void)
{
	ops->forked(nic);
	if (open_nic() != 0 || local(A4, true) != 0 || steer_port(53, true) != -EEXIST ||
	    steer_port(54, true) != 0)
		return 1;
	send_frames(B4, A4, 54, 5);
	return receive((struct nic_frame[8]){ { 0 } }, 5) != 5;
}

static void a_child_may_open_its_own(void **state)
{
	(void)state;
	if (!ops)
		skip();
	assert_int_equal(open_nic(), 0);
	local(A4, true);
	assert_int_equal(steer_port(53, true), 0);
	assert_int_equal(in_child(child_opens_its_own), 0);
	send_frames(B4, A4, 53, 5);
	assert_went(5, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		CASE(privileges_are_checked_as_by_the_kernel),
		CASE(rules_die_with_their_process),
		CASE(a_child_leaves_its_parents_queue_alone),
		CASE(a_child_may_open_its_own),
	};

	(void)argc;
	verbs_reexec(argv);
	if (verbs_namespace())
		load();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
