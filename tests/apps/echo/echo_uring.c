/* SPDX-License-Identifier: BSD-3-Clause */
/* echo_uring.c: `echo_uring ADDRESS PORT`, a UDP echo server with libc's socket() and bind(), and io_uring for the rest. */
#include <liburing.h>
#include <stdio.h>

#include "echo.h"

static int queue_and_wait(struct io_uring *ring, int fd, struct msghdr *msg, int answer)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	struct io_uring_cqe *cqe;
	int result;

	if (answer)
		io_uring_prep_sendmsg(sqe, fd, msg, 0);
	else
		io_uring_prep_recvmsg(sqe, fd, msg, 0);
	io_uring_submit(ring);
	if (io_uring_wait_cqe(ring, &cqe))
		return -1;
	result = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return result;
}

int main(int argc, char **argv)
{
	static char data[65536];
	struct sockaddr_storage peer;
	struct io_uring ring;
	int fd, size;

	if (argc == 1) /* only to see whether it can */
		return io_uring_queue_init(8, &ring, 0) ? 1 : 0;
	fd = argc == 3 ? echo_socket(argv[1], argv[2], 0) : -1;
	if (fd < 0 || io_uring_queue_init(8, &ring, 0))
		return 1;
	while (1) {
		struct iovec iov = { data, sizeof(data) };
		struct msghdr msg = { &peer, sizeof(peer), &iov, 1, NULL, 0, 0 };

		size = queue_and_wait(&ring, fd, &msg, 0);
		if (size < 0) {
			fprintf(stderr, "recvmsg: %s\n", strerror(-size));
			continue;
		}
		iov.iov_len = (size_t)size;
		queue_and_wait(&ring, fd, &msg, 1);
	}
}
