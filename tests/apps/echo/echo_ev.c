/* SPDX-License-Identifier: BSD-3-Clause */
/* echo_ev.c: `echo_ev epoll|poll|select ADDRESS PORT`, UDP echo with libev and the named way to wait. */
#include <ev.h>

#include "echo.h"

static void readable(struct ev_loop *loop, ev_io *watcher, int events)
{
	(void)loop;
	(void)events;
	echo_drain(watcher->fd);
}

static unsigned backend(const char *name)
{
	if (!strcmp(name, "poll"))
		return EVBACKEND_POLL;
	if (!strcmp(name, "select"))
		return EVBACKEND_SELECT;
	return EVBACKEND_EPOLL;
}

int main(int argc, char **argv)
{
	struct ev_loop *loop;
	ev_io watcher;
	int fd;

	if (argc != 4)
		return 2;
	loop = ev_loop_new(backend(argv[1]));
	fd = echo_socket(argv[2], argv[3], SOCK_NONBLOCK);
	if (!loop || fd < 0)
		return 1;
	ev_io_init(&watcher, readable, fd, EV_READ);
	ev_io_start(loop, &watcher);
	ev_run(loop, 0);
	return 0;
}
