/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * calls_foreign.c - calls that are not made for sockets, or reach one on ways of their own: preadv2() and its relatives, splice(),
 * sendfile(), stdio streams, POSIX AIO.
 */
/* expect: fast 20 */
#include "calls.h"
#include <aio.h>
#include <sys/sendfile.h>

static char buf[8192];

/* A socket bound to @port, with steering on and @n datagrams of 100 bytes queued. */
static int fed(int port, int n)
{
	int fd = bound("L1", port);
	struct pollfd p = { .fd = fd, .events = POLLIN };

	for (int i = 0; i < n; i++) {
		peer("send 0 L1 %d 100 %d 1", port, i + 1);
		poll(&p, 1, 1000);
	}
	if (n)
		pause_ms(5);
	return fd;
}

static void nonblocking(int fd)
{
	fcntl(fd, F_SETFL, O_NONBLOCK);
}

static ssize_t by_number_preadv2(int fd, const struct iovec *iov, int n, off_t at, int flags)
{
	return syscall(SYS_preadv2, fd, iov, (long)n, (long)at, 0L, (long)flags);
}

static void positioned(const char *what, ssize_t (*call)(int, const struct iovec *, int, off_t, int))
{
	static const off_t offsets[] = { -1, 0, 5, -2, LONG_MAX, LONG_MIN };
	struct iovec iov[2] = { { buf, 60 }, { buf + 60, 100 } };
	int fd = fed(PORT, 0);

	say("-- %s\n", what);
	nonblocking(fd);
	for (int queued = 0; queued < 2; queued++)
		for (size_t i = 0; i < NLEN(offsets); i++)
			for (int bit = -1; bit < 32; bit++) {
				int flags = bit < 0 ? 0 : (int)(1u << bit);

				if (i && bit > 8)
					continue;
				if (queued && !i) {
					peer("send 0 L1 %d 100 1 1", PORT);
					poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1,
					     1000);
				}
				buf[0] = 0;
				say("%s offset %ld flags %x: %s, %s", queued ? "queued" : "empty",
				    (long)offsets[i], (unsigned)flags,
				    outcome(call(fd, iov, 2, offsets[i], flags)),
				    intact(buf, 100, 1) ? "read" : "-");
				say(", left %d\n", take(NULL, fd));
			}
	res("bad iov", call(fd, NULL, 2, -1, 0));
	res("iov count", call(fd, iov, IOV_MAX + 1, -1, 0));
	res("negative count", call(fd, iov, -1, -1, 0));
	res("no count", call(fd, iov, 0, -1, 0));
	close(fd);
}

static void seeking(void)
{
	struct iovec iov = { buf, 100 };
	int fd = fed(PORT, 1);
	off64_t at = 0;

	say("-- calls with a position\n");
	nonblocking(fd);
	res("pread", pread(fd, buf, 100, 0));
	res("pread at -1", pread(fd, buf, 100, -1));
	res("pread64", pread64(fd, buf, 100, 7));
	res("preadv", preadv(fd, &iov, 1, 0));
	res("preadv at -1", preadv(fd, &iov, 1, -1));
	res("pwrite", pwrite(fd, buf, 100, 0));
	res("pwritev", pwritev(fd, &iov, 1, 0));
	res("pwritev at -1", pwritev(fd, &iov, 1, -1));
	res("pwritev2 at -1", pwritev2(fd, &iov, 1, -1, 0));
	res("pwritev2 at 0", pwritev2(fd, &iov, 1, 0, 0));
	res("lseek", lseek(fd, 0, SEEK_SET));
	res("ftruncate", ftruncate(fd, 0));
	res("fsync", fsync(fd));
	res("fallocate", fallocate(fd, 0, 0, 10));
	res("readahead", readahead(fd, 0, 10));
	res("copy_file_range", copy_file_range(fd, NULL, fd, NULL, 10, 0));
	res("copy_file_range at", copy_file_range(fd, &at, fd, &at, 10, 0));
	res("mmap", mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0);
	res("listen", listen(fd, 1));
	res("accept", accept(fd, NULL, NULL));
	res("accept4", accept4(fd, NULL, NULL, SOCK_CLOEXEC));
	res("sockatmark", sockatmark(fd));
	res("isfdtype", isfdtype(fd, S_IFSOCK));
	say("left %d\n", take(NULL, fd));
	must("connect", connect_to(fd, "P1", PPORT));
	fill(buf, 100, 9);
	res("pwritev2, connected", pwritev2(fd, &iov, 1, -1, 0));
	say("peer: %s\n", peer("recv 0 500"));
	close(fd);
}

/* Reads the pipe without waiting. */
static void show_pipe(int fd)
{
	ssize_t n = read(fd, buf, sizeof(buf));

	if (n > 0)
		say("  the pipe has %zd, payload %d %s\n", n, buf[0],
		    intact(buf, (size_t)n, buf[0]) ? "intact" : "MIXED");
	else
		say("  the pipe has nothing\n");
}

static void splicing(void)
{
	int p[2], q[2], file = fileno(tmpfile()), fd = fed(PORT, 3);
	off64_t at = 0;

	say("-- splice from a socket\n");
	must("pipe", pipe2(p, O_NONBLOCK));
	must("pipe", pipe2(q, O_NONBLOCK));
	nonblocking(fd);
	res("to a file", splice(fd, NULL, file, NULL, 100, 0));
	res("to itself", splice(fd, NULL, fd, NULL, 100, 0));
	res("with an offset", splice(fd, &at, p[1], NULL, 100, 0));
	res("to the reading end", splice(fd, NULL, p[0], NULL, 100, 0));
	res("bad flags", splice(fd, NULL, p[1], NULL, 100, 0x1000));
	res("of nothing", splice(fd, NULL, p[1], NULL, 0, 0));
	res("the first", splice(fd, NULL, p[1], NULL, 4096, 0));
	show_pipe(p[0]);
	res("part of the second", splice(fd, NULL, p[1], NULL, 60, SPLICE_F_NONBLOCK));
	show_pipe(p[0]);
	res("the third, by number", syscall(SYS_splice, fd, NULL, p[1], NULL, 4096L, 0L));
	show_pipe(p[0]);
	res("no more", splice(fd, NULL, p[1], NULL, 4096, 0));
	peer_sends(PORT, 100, 7, 2);
	res("a later one", splice(fd, NULL, p[1], NULL, 4096, 0));
	show_pipe(p[0]);
	say("left %d\n", take(NULL, fd));
	peer_sends(PORT, 0, 0, 1);
	res("one without data", splice(fd, NULL, p[1], NULL, 4096, 0));
	say("left %d\n", take(NULL, fd));
	res("tee", tee(fd, p[1], 100, 0));
	res("vmsplice", vmsplice(fd, &(struct iovec){ buf, 10 }, 1, 0));
	close(fd);
	say("-- splice to a socket\n");
	fd = fed(PORT, 0);
	fill(buf, 100, 5);
	res("write", write(p[1], buf, 100));
	res("unconnected", splice(p[0], NULL, fd, NULL, 100, 0));
	must("connect", connect_to(fd, "P1", PPORT));
	drain("the pipe, by recv", p[0]);
	res("connected", splice(p[0], NULL, fd, NULL, 100, 0));
	say("peer: %s\n", peer("drain 0 60"));
	close(fd);
	close(p[0]);
	close(p[1]);
	close(q[0]);
	close(q[1]);
	close(file);
}

static void sending_files(void)
{
	int p[2], file = fileno(tmpfile()), fd = fed(PORT, 3);
	off_t at = 0;

	say("-- sendfile\n");
	must("pipe", pipe2(p, O_NONBLOCK));
	nonblocking(fd);
	res("to a file", sendfile(file, fd, NULL, 100));
	res("to a pipe, with an offset", sendfile(p[1], fd, &at, 100));
	res("to a pipe", sendfile(p[1], fd, NULL, 4096));
	show_pipe(p[0]);
	res("sendfile64 to a pipe", sendfile64(p[1], fd, NULL, 4096));
	show_pipe(p[0]);
	res("to a pipe, by number", syscall(SYS_sendfile, p[1], fd, NULL, 50L));
	show_pipe(p[0]);
	res("no more", sendfile(p[1], fd, NULL, 4096));
	say("left %d\n", take(NULL, fd));
	fill(buf, 300, 6);
	must("write", write(file, buf, 300));
	lseek(file, 0, SEEK_SET);
	res("from a file, unconnected", sendfile(fd, file, NULL, 100));
	must("connect", connect_to(fd, "P1", PPORT));
	lseek(file, 0, SEEK_SET);
	res("from a file", sendfile(fd, file, NULL, 100));
	say("peer: %s\n", peer("recv 0 500"));
	close(fd);
	close(p[0]);
	close(p[1]);
	close(file);
}

static void show_read(const char *what, FILE *f, size_t n)
{
	size_t r;

	memset(buf, 0, sizeof(buf));
	r = fread(buf, 1, n, f);
	say("%s: %zu of %zu, payload %d%s%s\n", what, r, n, buf[0], feof(f) ? ", eof" : "",
	    ferror(f) ? ", error" : "");
	clearerr(f);
}

static void reading_streams(void)
{
	int fd = fed(PORT, 3);
	FILE *f;

	say("-- a stream that reads\n");
	nonblocking(fd);
	f = fdopen(fd, "r");
	show_read("first", f, 100);
	show_read("second", f, 50);
	show_read("rest of the second", f, 50);
	show_read("third", f, 100);
	show_read("none", f, 100);
	peer_sends(PORT, 100, 40, 1);
	show_read("later", f, 100);
	peer_sends(PORT, 100, 41, 1);
	got("recv beside it", recv(fd, buf, sizeof(buf), MSG_DONTWAIT), buf, sizeof(buf));
	res("fclose", fclose(f));
	res("recv", recv(fd, buf, 10, MSG_DONTWAIT));
	res("bind again", bind_to((fd = udp(0)), "L1", PORT));
	close(fd);
}

static void later_bound(void)
{
	int fd = udp(SOCK_NONBLOCK);
	FILE *f = fdopen(fd, "r+");

	say("-- a stream first, bound later\n");
	must("bind", bind_to(fd, "L1", PORT));
	must("connect", connect_to(fd, "P1", PPORT));
	poll1("empty", fd, POLLIN, 0);
	peer_sends(PORT, 100, 50, 2);
	poll1("fed", fd, POLLIN, 1000);
	show_read("first", f, 100);
	show_read("second", f, 100);
	fill(buf, 30, 8);
	fseek(f, 0, SEEK_CUR);
	say("fwrite %zu", fwrite(buf, 1, 30, f));
	say(" fflush %d\n", fflush(f));
	say("peer: %s\n", peer("recv 0 500"));
	res("fprintf", fprintf(f, "hello"));
	res("fclose", fclose(f));
	say("peer: %s\n", peer("drain 0 60"));
}

/* These read nothing: the socket stays what it is. */
static void writing_streams(void)
{
	int fd = fed(PORT, 1);
	FILE *f = fdopen(fd, "w");

	say("-- streams that write\n");
	nonblocking(fd);
	got("recv", recv(fd, buf, sizeof(buf), 0), buf, sizeof(buf));
	res("dprintf, unconnected", dprintf(fd, "hello"));
	must("connect", connect_to(fd, "P1", PPORT));
	res("dprintf", dprintf(fd, "hello"));
	fprintf(f, "one datagram\n");
	res("fflush", fflush(f));
	say("peer: %s\n", peer("drain 0 60"));
	for (int i = 0; i < 12; i++) {
		peer_sends(PORT, 100, i, 1);
		got("recv", recv(fd, buf, sizeof(buf), 0), buf, sizeof(buf));
	}
	res("fclose", fclose(f));
	res("recv", recv(fd, buf, 10, MSG_DONTWAIT));
}

/* The number of a stream's socket is another file's afterwards. */
static void closed_streams(void)
{
	FILE *f, *file = tmpfile();
	int fd, again;

	say("-- streams that are closed\n");
	fputs("contents", file);
	fflush(file);
	rewind(file);
	fd = fed(PORT, 1);
	f = fdopen(fd, "w");
	res("fclose", fclose(f));
	again = dup(fileno(file));
	say("same number %d\n", again == fd);
	res("read", read(again, buf, sizeof(buf)));
	close(again);
	fd = fed(PORT, 1);
	f = fdopen(fd, "r+");
	f = freopen("/dev/null", "r+", f);
	say("freopen %s, number %s\n", f ? "done" : "failed", f && fileno(f) == fd ? "kept" : "new");
	res("read", read(fileno(f), buf, sizeof(buf)));
	res("write", write(fileno(f), buf, 10));
	res("recv", recv(fileno(f), buf, 10, 0));
	fclose(f);
	fd = fed(PORT, 1);
	f = fdopen(fd, "r");
	f = freopen(NULL, "r+", f);
	say("freopen of nothing %s\n", f ? "done" : strerrorname_np(errno));
	res("recv", recv(fd, buf, 10, MSG_DONTWAIT));
	res("bind again", bind_to((fd = udp(0)), "L1", PORT));
	close(fd);
	fclose(file);
	say("fdopen of -1 %s\n", fdopen(-1, "r") ? "done" : strerrorname_np(errno));
	say("fdopen, bad mode %s\n", fdopen(1, "x") ? "done" : strerrorname_np(errno));
}

static void finish_aio(const char *what, struct aiocb *cb)
{
	const struct aiocb *list[] = { cb };
	struct timespec ts = { 5, 0 };

	res("aio_suspend", aio_suspend(list, 1, &ts));
	say("%s: error %d", what, aio_error(cb));
	got("", aio_return(cb), buf, sizeof(buf));
}

static void asynchronous(void)
{
	int fd = fed(PORT, 0);
	struct aiocb cb = { .aio_fildes = fd,
			    .aio_buf = buf,
			    .aio_nbytes = sizeof(buf),
			    .aio_lio_opcode = LIO_READ };
	struct aiocb *list[] = { &cb };

	say("-- POSIX AIO\n");
	res("aio_read", aio_read(&cb));
	peer_sends(PORT, 100, 60, 1);
	finish_aio("read", &cb);
	res("aio_read", aio_read(&cb));
	pause_ms(20);
	peer_sends(PORT, 100, 61, 1);
	finish_aio("read", &cb);
	close(fd);
	cb.aio_fildes = fd = fed(PORT, 0);
	res("lio_listio", lio_listio(LIO_NOWAIT, list, 1, NULL));
	peer_sends(PORT, 100, 62, 1);
	finish_aio("listed", &cb);
	must("connect", connect_to(fd, "P1", PPORT));
	fill(buf, 40, 3);
	cb.aio_nbytes = 40;
	res("aio_write", aio_write(&cb));
	finish_aio("write", &cb);
	say("peer: %s\n", peer("recv 0 500"));
	close(fd);
}

int main(void)
{
	cf_start();
	positioned("preadv2", preadv2);
	positioned("preadv64v2", by_symbol("preadv64v2"));
	positioned("SYS_preadv2", by_number_preadv2);
	seeking();
	splicing();
	sending_files();
	reading_streams();
	later_bound();
	writing_streams();
	closed_streams();
	asynchronous();
	return 0;
}
