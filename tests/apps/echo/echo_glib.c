/* SPDX-License-Identifier: BSD-3-Clause */
/* echo_glib.c - an echo server and its client with GLib's GSocket and main loop (ppoll). */
#include <gio/gio.h>
#include <stdlib.h>
#include <string.h>

static GSocketAddress *address;
static int n, count;
static char text[8192];

static void ask(GSocket *socket)
{
	g_snprintf(text, sizeof(text), "datagram %d %0*d", n, n + 1, 7);
	g_socket_send_to(socket, address, text, strlen(text), NULL, NULL);
}

static gboolean on_readable(GSocket *socket, GIOCondition condition, gpointer is_server)
{
	static char data[65536];
	GSocketAddress *peer = NULL;
	gssize length = g_socket_receive_from(socket, &peer, data, sizeof(data), NULL, NULL);

	(void)condition;
	if (length < 0)
		return G_SOURCE_CONTINUE;
	if (is_server) {
		g_socket_send_to(socket, peer, data, (gsize)length, NULL, NULL);
	} else if ((gsize)length != strlen(text) || memcmp(data, text, (gsize)length)) {
		g_print("%d came back changed\n", n);
		exit(1);
	} else if (++n == count) {
		g_print("%d datagrams\n", n);
		exit(0);
	} else {
		ask(socket);
	}
	g_object_unref(peer);
	return G_SOURCE_CONTINUE;
}

static gboolean on_time(gpointer data)
{
	(void)data;
	g_print("no answer after %d\n", n);
	exit(1);
}

int main(int argc, char **argv)
{
	gboolean is_server;
	GSource *source;
	GSocket *socket;

	if (argc < 4)
		return 2;
	is_server = !strcmp(argv[1], "server");
	address = g_inet_socket_address_new_from_string(argv[2], (guint)atoi(argv[3]));
	socket = g_socket_new(g_socket_address_get_family(address), G_SOCKET_TYPE_DATAGRAM, G_SOCKET_PROTOCOL_UDP,
			      NULL);
	g_socket_set_blocking(socket, FALSE);
	if (is_server && !g_socket_bind(socket, address, TRUE, NULL))
		return 1;
	source = g_socket_create_source(socket, G_IO_IN, NULL);
	g_source_set_callback(source, G_SOURCE_FUNC(on_readable), GINT_TO_POINTER(is_server), NULL);
	g_source_attach(source, NULL);
	if (!is_server) {
		count = atoi(argv[4]);
		g_timeout_add_seconds(10, on_time, NULL);
		ask(socket);
	}
	g_main_loop_run(g_main_loop_new(NULL, FALSE));
	return 0;
}
