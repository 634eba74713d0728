/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nic.c - chooses a backend and loads its plugin.
 *
 * Backends need libraries that no other program should have to load (libelf, libibverbs),
 * so each is a plugin, loaded at the first open and kept. It is looked for beside this library,
 * then in KBACCEL_LIBDIR.
 *
 * A plugin's libraries open and close descriptors through libc names, which are intercepted: while
 * they run, fds_inside says that the descriptors are ours.
 */
#define _GNU_SOURCE
#include "nic/nic.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fds.h"
#include "base/log.h"
#include "base/sandbox.h"

#ifndef KBACCEL_LIBDIR
#define KBACCEL_LIBDIR "/usr/local/lib/kbaccel"
#endif

struct backend {
	const char *name;
	const char *file;
	const char *packages; /* what the plugin needs, as Debian calls it */
	const char *device_class; /* without this directory no device of its kind is there; NULL: any will do */
	bool confinable;	      /* keeps to what the program's seccomp filter allows */
	const struct nic_ops *plugin; /* NULL until loaded */
};

static struct backend backends[] = {
	{ .name = "verbs",
	  .file = "kbaccel-verbs.so",
	  .packages = "libibverbs1",
	  .device_class = "/sys/class/infiniband_verbs" },
	{ .name = "xdp", .file = "kbaccel-xdp.so", .packages = "libelf1 zlib1g", .confinable = true },
};

static pthread_mutex_t load_lock = PTHREAD_MUTEX_INITIALIZER;

__attribute__((format(printf, 3, 4))) static int fail(struct nic_params *params, int err,
						      const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(params->why, sizeof(params->why), format, ap);
	va_end(ap);
	return err;
}

/* Sets fds_inside and returns what it was; callers may nest. */
static bool inside(bool on)
{
	bool was = fds_inside;

	fds_inside = on;
	return was;
}

static int guarded_open(const struct backend *b, struct nic_params *params, struct nic **out)
{
	bool was = inside(true);
	int err = b->plugin->open(params, out);

	inside(was);
	return err;
}

static int guarded_probe(const struct backend *b, struct nic_params *params)
{
	bool was = inside(true);
	int err = b->plugin->probe ? b->plugin->probe(params) : 0;

	inside(was);
	return err;
}

void nic_close(struct nic *nic)
{
	bool was = inside(true);

	nic->ops->close(nic);
	inside(was);
}

void nic_forked(struct nic *nic)
{
	bool was = inside(true);

	nic->ops->forked(nic);
	inside(was);
}

void nic_abandon(struct nic *nic)
{
	bool was = inside(true);

	nic->ops->abandon(nic);
	inside(was);
}

/* The file that address @here was loaded from, as the kernel knows it, into @path. */
static bool mapped_file(const void *here, char *path, size_t len)
{
	unsigned long first, last;
	char line[PATH_MAX + 128];
	bool found = false;
	FILE *maps = fopen("/proc/self/maps", "re");

	if (!maps)
		return false;
	while (!found && fgets(line, sizeof(line), maps)) {
		char *name = strchr(line, '/');

		found = name && sscanf(line, "%lx-%lx", &first, &last) == 2 &&
			(uintptr_t)here >= first && (uintptr_t)here < last;
		if (found) {
			name[strcspn(name, "\n")] = '\0';
			found = strlen(name) < len;
			if (found)
				strcpy(path, name);
			break;
		}
	}
	fclose(maps);
	return found;
}

/*
 * The directory of this library, "" if unknown. LD_PRELOAD may name a relative path, which means
 * nothing any more after a chdir(); the kernel's own record is right then.
 */
static void own_dir(char *dir, size_t len)
{
	Dl_info info;
	char *slash;

	dir[0] = '\0';
	if (dladdr((void *)(uintptr_t)nic_open, &info) && info.dli_fname[0] == '/' &&
	    strlen(info.dli_fname) < len)
		strcpy(dir, info.dli_fname);
	else if (!mapped_file((void *)(uintptr_t)nic_open, dir, len))
		return;
	slash = strrchr(dir, '/');
	*slash = '\0';
}

/* Finds the plugin's file; false: there is none. */
static bool find_plugin(const struct backend *b, char *path, size_t len)
{
	char dir[PATH_MAX];

	own_dir(dir, sizeof(dir));
	if (dir[0] && (size_t)snprintf(path, len, "%s/%s", dir, b->file) < len &&
	    access(path, R_OK) == 0)
		return true;
	return (size_t)snprintf(path, len, "%s/%s", KBACCEL_LIBDIR, b->file) < len &&
	       access(path, R_OK) == 0;
}

static int missing_plugin(const struct backend *b, struct nic_params *params)
{
	char dir[PATH_MAX];

	own_dir(dir, sizeof(dir));
	return fail(params, -ENOENT,
		    "backend \"%s\" is not installed: no %s in %.80s or %s: install it there, or "
		    "choose another with KBACCEL_NIC",
		    b->name, b->file, dir, KBACCEL_LIBDIR);
}

static int load_plugin(struct backend *b, const char *path, struct nic_params *params)
{
	const struct nic_ops *ops;
	nic_backend_fn entry;
	void *handle, *symbol;

	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		return fail(params, -ELIBACC, "can not load backend \"%s\": %.120s: apt install %s",
			    b->name, dlerror(), b->packages);
	symbol = dlsym(handle, NIC_BACKEND_SYMBOL);
	memcpy(&entry, &symbol, sizeof(entry));
	ops = entry ? entry(NIC_ABI) : NULL;
	if (!ops) {
		dlclose(handle);
		return fail(params, -ELIBBAD,
			    "%.160s is of another version of kbaccel: install both from one build",
			    path);
	}
	b->plugin = ops;
	return 0;
}

/* Loads the plugin unless it is. It stays loaded: its code may be on another thread's stack. */
static int load_once(struct backend *b, struct nic_params *params)
{
	char path[PATH_MAX];
	bool was = inside(true);
	int err = 0;

	pthread_mutex_lock(&load_lock);
	if (!b->plugin)
		err = find_plugin(b, path, sizeof(path)) ? load_plugin(b, path, params)
							 : missing_plugin(b, params);
	pthread_mutex_unlock(&load_lock);
	inside(was);
	return err;
}

static int open_with(struct backend *b, struct nic_params *params, struct nic **out)
{
	int err;

	if (relaxed_get(sandbox.entered) && !b->confinable)
		return fail(params, -EPERM,
			    "the program has entered seccomp, and what backend \"%s\" takes to open an "
			    "interface may be forbidden: bind before that",
			    b->name);
	err = load_once(b, params);
	return err < 0 ? err : guarded_open(b, params, out);
}

/* Is it worth to load the plugin, which takes time, on this host? */
static bool is_possible(const struct backend *b, struct nic_params *params)
{
	if (!b->device_class || access(b->device_class, F_OK) == 0)
		return true;
	fail(params, -ENODEV, "no %s here, so no backend \"%s\"", b->device_class, b->name);
	return false;
}

int nic_open(const char *backend, struct nic_params *params, struct nic **out)
{
	bool any = strcmp(backend, "auto") == 0;
	int err = -ENOENT;

	params->why[0] = '\0';
	fail(params, err, "no backend \"%.32s\": KBACCEL_NIC knows auto, xdp and verbs", backend);
	for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
		if (!any && strcmp(backend, backends[i].name) != 0)
			continue;
		if (!any || is_possible(&backends[i], params))
			err = open_with(&backends[i], params, out);
		if (err == 0 || !any)
			return err;
		if (params->log && i + 1 < sizeof(backends) / sizeof(backends[0]))
			params->log(LOG_LEVEL_INFO, params->why);
	}
	return err;
}

int nic_probe(const char *backend, struct nic_params *params)
{
	int err = -ENOENT;

	params->why[0] = '\0';
	for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
		if (strcmp(backend, backends[i].name) != 0)
			continue;
		err = load_once(&backends[i], params);
		return err < 0 ? err : guarded_probe(&backends[i], params);
	}
	return fail(params, err, "no backend \"%.32s\"", backend);
}
