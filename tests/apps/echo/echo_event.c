/* SPDX-License-Identifier: BSD-3-Clause */
/* echo_event.c: `echo_event epoll|poll|select ADDRESS PORT`, UDP echo with libevent and the named way to wait. */
#include <event2/event.h>
#include <stdio.h>

#include "echo.h"

static void readable(evutil_socket_t fd, short what, void *arg)
{
	(void)what;
	(void)arg;
	echo_drain(fd);
}

int main(int argc, char **argv)
{
	static const char *const methods[] = { "epoll", "poll", "select" };
	struct event_config *config = event_config_new();
	struct event_base *base;
	int fd;

	if (argc != 4)
		return 2;
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (strcmp(methods[i], argv[1]))
			event_config_avoid_method(config, methods[i]);
	base = event_base_new_with_config(config);
	fd = echo_socket(argv[2], argv[3], SOCK_NONBLOCK);
	if (!base || fd < 0)
		return 1;
	printf("libevent waits by %s\n", event_base_get_method(base));
	event_add(event_new(base, fd, EV_READ | EV_PERSIST, readable, NULL), NULL);
	return event_base_dispatch(base);
}
