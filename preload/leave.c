/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * leave.c - calls by which a process ends, or becomes another program, past the destructors: what it has sent is on the NIC's ring,
 * and what the NIC has not been told of yet (KBACCEL_TX_BATCH) would go with the ring. quick_exit() has a handler for that (init.c).
 */
#include <stdarg.h>

#include "preload/preload.h"
#include "stack/stack.h"

EXPORT void _exit(int status)
{
	stack_kick_leaving();
	for (;;)
		real._exit(status);
}

EXPORT_ALIAS(_exit) void _Exit(int status);

EXPORT int execve(const char *path, char *const argv[], char *const envp[])
{
	stack_kick_leaving();
	return real.execve(path, argv, envp);
}

EXPORT int execv(const char *path, char *const argv[])
{
	stack_kick_leaving();
	return real.execv(path, argv);
}

EXPORT int execvp(const char *file, char *const argv[])
{
	stack_kick_leaving();
	return real.execvp(file, argv);
}

EXPORT int execvpe(const char *file, char *const argv[], char *const envp[])
{
	stack_kick_leaving();
	return real.execvpe(file, argv, envp);
}

EXPORT int fexecve(int fd, char *const argv[], char *const envp[])
{
	stack_kick_leaving();
	return real.fexecve(fd, argv, envp);
}

EXPORT int execveat(int dir, const char *path, char *const argv[], char *const envp[], int flags)
{
	stack_kick_leaving();
	return real.execveat(dir, path, argv, envp, flags);
}

/* Arguments from @first on, their NULL included. */
static size_t count(const char *first, va_list *ap)
{
	size_t n = 1;
	va_list each;

	va_copy(each, *ap);
	for (const char *arg = first; arg; n++)
		arg = va_arg(each, const char *);
	va_end(each);
	return n;
}

/* The arguments as a vector; @ap is behind their NULL then. */
static void collect(const char *first, va_list *ap, char **argv)
{
	*argv = (char *)first;
	while (*argv)
		*++argv = va_arg(*ap, char *);
}

/* On the stack: a child of vfork() may not allocate. */
#define VECTOR(first, ap) __builtin_alloca(count(first, &(ap)) * sizeof(char *))

#define EXEC_LIST(name, with)                                                                      \
	EXPORT int name(const char *what, const char *arg, ...)                                    \
	{                                                                                          \
		char **argv;                                                                       \
		va_list ap;                                                                        \
                                                                                                   \
		va_start(ap, arg);                                                                 \
		argv = VECTOR(arg, ap);                                                            \
		collect(arg, &ap, argv);                                                           \
		va_end(ap);                                                                        \
		return with(what, argv);                                                           \
	}
EXEC_LIST(execl, execv)
EXEC_LIST(execlp, execvp)

EXPORT int execle(const char *path, const char *arg, ...)
{
	char **argv, **envp;
	va_list ap;

	va_start(ap, arg);
	argv = VECTOR(arg, ap);
	collect(arg, &ap, argv);
	envp = va_arg(ap, char **);
	va_end(ap);
	return execve(path, argv, envp);
}
