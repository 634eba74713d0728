/* SPDX-License-Identifier: BSD-3-Clause */
/* echo_uv.c: `echo_uv plain|recvmmsg ADDRESS PORT`, UDP echo with libuv, one datagram at a time or in batches. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

struct answer {
	uv_udp_send_t request;
	char data[];
};

static void give_buffer(uv_handle_t *handle, size_t size, uv_buf_t *buffer)
{
	static char memory[20 * 65536];

	(void)handle;
	(void)size;
	*buffer = uv_buf_init(memory, sizeof(memory));
}

static void sent(uv_udp_send_t *request, int status)
{
	if (status)
		fprintf(stderr, "send: %s\n", uv_strerror(status));
	free(request);
}

static void received(uv_udp_t *handle, ssize_t size, const uv_buf_t *buffer, const struct sockaddr *peer,
	unsigned flags)
{
	struct answer *answer;
	uv_buf_t data;

	(void)flags;
	if (size <= 0 || !peer)
		return;
	answer = malloc(sizeof(*answer) + (size_t)size);
	memcpy(answer->data, buffer->base, (size_t)size);
	data = uv_buf_init(answer->data, (unsigned)size);
	uv_udp_send(&answer->request, handle, &data, 1, peer, sent);
}

int main(int argc, char **argv)
{
	unsigned batched = strcmp(argv[1], "recvmmsg") ? 0 : UV_UDP_RECVMMSG;
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address;
	uv_loop_t *loop = uv_default_loop();
	uv_udp_t udp;

	if (argc != 4)
		return 2;
	if (strchr(argv[2], ':'))
		uv_ip6_addr(argv[2], atoi(argv[3]), &address.v6);
	else
		uv_ip4_addr(argv[2], atoi(argv[3]), &address.v4);
	uv_udp_init_ex(loop, &udp, AF_UNSPEC | batched);
	if (uv_udp_bind(&udp, &address.any, 0) || uv_udp_recv_start(&udp, give_buffer, received))
		return 1;
	return uv_run(loop, UV_RUN_DEFAULT);
}
