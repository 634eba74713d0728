/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pcapng.c - the file format, written. An interface description for each interface of each process, in the order in which they
 * turn up; times in nanoseconds.
 */
#include <string.h>

#include "tools/capture/capture.h"

#define MAX_INTERFACES 1024

enum { SECTION = 0x0a0d0d0a, INTERFACE = 1, STATISTICS = 5, PACKET = 6 };
enum {
	OPT_END = 0,
	OPT_IF_NAME = 2,
	OPT_IF_DESCRIPTION = 3,
	OPT_IF_TSRESOL = 9,
	OPT_PACKET_FLAGS = 2,
	OPT_IF_DROP = 5,
	OPT_APPLICATION = 4
};
#define LINKTYPE_ETHERNET 1
#define NANOSECONDS 9

static struct {
	pid_t pid;
	char ifname[IF_NAMESIZE];
	uint64_t stamp; /* of its last frame */
} interfaces[MAX_INTERFACES];
static unsigned interface_count;

/* A block is built here, and written in one piece. */
static struct {
	uint8_t bytes[4096 + 512];
	size_t len;
} block;

static void put(const void *data, size_t len)
{
	static const uint8_t zero[4];

	memcpy(block.bytes + block.len, data, len);
	block.len += len;
	memcpy(block.bytes + block.len, zero, -len & 3);
	block.len += -len & 3;
}

static void put32(uint32_t value)
{
	put(&value, sizeof(value));
}

static void put_option(uint16_t code, const void *value, size_t len)
{
	uint16_t head[2] = { code, (uint16_t)len };

	put(head, sizeof(head));
	put(value, len);
}

static void start(uint32_t type)
{
	block.len = 0;
	put32(type);
	put32(0); /* its length, which stands at its end, too */
}

static bool finish(FILE *out)
{
	uint32_t len = (uint32_t)block.len + 4;

	memcpy(block.bytes + 4, &len, sizeof(len));
	put32(len);
	return fwrite(block.bytes, block.len, 1, out) == 1;
}

bool pcapng_begin(FILE *out)
{
	static const char application[] = "kbaccel capture " KBACCEL_VERSION;
	uint16_t version[2] = { 1, 0 };
	int64_t unknown_len = -1;

	interface_count = 0;
	start(SECTION);
	put32(0x1a2b3c4d);
	put(version, sizeof(version));
	put(&unknown_len, sizeof(unknown_len));
	put_option(OPT_APPLICATION, application, sizeof(application) - 1);
	put32(OPT_END);
	return finish(out);
}

static bool describe(FILE *out, const struct source *from, const char *ifname)
{
	char text[96];
	uint8_t resolution = NANOSECONDS;
	uint16_t link[2] = { LINKTYPE_ETHERNET, 0 };

	snprintf(text, sizeof(text), "fast path of process %d (%.28s)", (int)from->pid,
		 from->page->program);
	start(INTERFACE);
	put(link, sizeof(link));
	put32(0); /* no limit but that of the frames */
	put_option(OPT_IF_NAME, ifname, strlen(ifname));
	put_option(OPT_IF_DESCRIPTION, text, strlen(text));
	put_option(OPT_IF_TSRESOL, &resolution, 1);
	put32(OPT_END);
	return finish(out);
}

/* Its number, or -1: it can not be written. */
static int interface_of(FILE *out, const struct source *from, const char *ifname)
{
	for (unsigned i = 0; i < interface_count; i++)
		if (interfaces[i].pid == from->pid && strcmp(interfaces[i].ifname, ifname) == 0)
			return (int)i;
	if (interface_count == MAX_INTERFACES)
		return 0;
	interfaces[interface_count].pid = from->pid;
	snprintf(interfaces[interface_count].ifname, IF_NAMESIZE, "%s", ifname);
	return describe(out, from, ifname) ? (int)interface_count++ : -1;
}

static void put_stamp(uint64_t stamp)
{
	put32((uint32_t)(stamp >> 32));
	put32((uint32_t)stamp);
}

bool pcapng_frame(FILE *out, const struct source *from, const struct capture_slot *slot,
		  uint32_t kept)
{
	char ifname[IF_NAMESIZE];
	uint32_t flags = slot->direction;
	int number;

	memcpy(ifname, slot->ifname, sizeof(ifname));
	ifname[IF_NAMESIZE - 1] = '\0';
	number = interface_of(out, from, ifname);
	if (number < 0)
		return false;
	interfaces[number].stamp = slot->stamp;
	start(PACKET);
	put32((uint32_t)number);
	put_stamp(slot->stamp);
	put32(kept);
	put32(slot->len);
	put(slot->data, kept);
	put_option(OPT_PACKET_FLAGS, &flags, sizeof(flags));
	put32(OPT_END);
	return finish(out);
}

bool pcapng_lost(FILE *out, const struct source *from)
{
	uint64_t lost = from->lost;
	bool good = true;

	for (unsigned i = 0; i < interface_count; i++) {
		if (interfaces[i].pid != from->pid)
			continue;
		start(STATISTICS);
		put32(i);
		put_stamp(interfaces[i].stamp);
		put_option(OPT_IF_DROP, &lost, sizeof(lost));
		put32(OPT_END);
		good &= finish(out);
		lost = 0; /* it is known of the process only */
	}
	return good;
}
