/* SPDX-License-Identifier: BSD-3-Clause */
/* policy.c - see policy.h. */
#define _GNU_SOURCE
#include "daemon/policy.h"

#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/ports.h"

#define MAX_LINE 4096

/* What is said about a rule while it is read. */
struct complaint {
	char *text;
	size_t len;
};

__attribute__((format(printf, 3, 4))) static int complain(const struct complaint *c, int err,
							  const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(c->text, c->len, format, ap);
	va_end(ap);
	return err;
}

static bool is_number(const char *text, unsigned *value)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	*value = (unsigned)n;
	return isdigit((unsigned char)text[0]) && *end == '\0' && n < 0xffffffffu;
}

static int take_user(struct policy_rule *rule, const char *value, const struct complaint *c)
{
	const struct passwd *pw;

	if (strcmp(value, "*") == 0) {
		rule->everybody = true;
		return 0;
	}
	if (is_number(value, &rule->id))
		return 0;
	pw = getpwnam(value);
	if (!pw)
		return complain(c, -ENOENT, "there is no user \"%.64s\"", value);
	rule->id = pw->pw_uid;
	return 0;
}

static int take_group(struct policy_rule *rule, const char *value, const struct complaint *c)
{
	const struct group *gr;

	rule->by_group = true;
	if (is_number(value, &rule->id))
		return 0;
	gr = getgrnam(value);
	if (!gr)
		return complain(c, -ENOENT, "there is no group \"%.64s\"", value);
	rule->id = gr->gr_gid;
	return 0;
}

static int take_ports(struct policy_rule *rule, const char *value, const struct complaint *c)
{
	bool all;
	int err = ports_parse(value, rule->port, BROKER_MAX_RULES, &rule->ports, &all, c->text,
			      c->len);

	if (err == 0 && all) {
		rule->port[0] = (struct config_port_rule){ .first = 1, .last = 65535 };
		rule->ports = 1;
	}
	return err;
}

static int take_interface(struct policy_rule *rule, const char *value, const struct complaint *c)
{
	size_t n;

	if (strcmp(value, "*") == 0) {
		rule->any_interface = true;
		return 0;
	}
	for (;; value += n + 1) {
		n = strcspn(value, ",");
		if (n == 0 || n >= IF_NAMESIZE)
			return complain(c, -EINVAL, "\"%.32s\" is no name of an interface", value);
		if (rule->interfaces == CONFIG_MAX_INTERFACES)
			return complain(c, -E2BIG,
					"more than %d interfaces: use two lines, or interface=*",
					CONFIG_MAX_INTERFACES);
		memcpy(rule->interface[rule->interfaces++], value, n);
		if (value[n] == '\0')
			return 0;
	}
}

static int take_transmit(struct policy_rule *rule, const char *value, const struct complaint *c)
{
	rule->raw = strcmp(value, "raw") == 0;
	return rule->raw || strcmp(value, "kernel") == 0
		       ? 0
		       : complain(c, -EINVAL, "transmit is either kernel or raw");
}

static int take_netns(struct policy_rule *rule, const char *value, const struct complaint *c)
{
	rule->any_netns = strcmp(value, "any") == 0;
	return rule->any_netns || strcmp(value, "own") == 0
		       ? 0
		       : complain(c, -EINVAL, "netns is either own or any");
}

static const struct {
	const char *name;
	int (*take)(struct policy_rule *rule, const char *value, const struct complaint *c);
} words[] = {
	{ "user", take_user },		 { "group", take_group },	{ "ports", take_ports },
	{ "interface", take_interface }, { "transmit", take_transmit }, { "netns", take_netns },
};
#define WORDS (sizeof(words) / sizeof(words[0]))
enum { SAW_USER = 1, SAW_GROUP = 2, SAW_PORTS = 4, SAW_INTERFACE = 8 };

static int take_word(struct policy_rule *rule, char *word, unsigned *seen, const struct complaint *c)
{
	char *value = strchr(word, '=');

	if (!value)
		return complain(c, -EINVAL, "\"%.64s\" has no value: NAME=VALUE", word);
	*value++ = '\0';
	for (unsigned i = 0; i < WORDS; i++) {
		if (strcmp(word, words[i].name) != 0)
			continue;
		if (*seen & 1u << i)
			return complain(c, -EINVAL, "%s stands there twice", word);
		*seen |= 1u << i;
		return words[i].take(rule, value, c);
	}
	return complain(c, -EINVAL,
			"\"%.64s\" is not known: user, group, ports, interface, transmit or netns",
			word);
}

static int take_line(struct policy_rule *rule, char *line, const struct complaint *c)
{
	char *rest, *word = strtok_r(line, " \t\n", &rest);
	unsigned seen = 0;
	int err;

	if (!word || strcmp(word, "allow") != 0)
		return complain(c, -EINVAL, "a rule begins with \"allow\"");
	while ((word = strtok_r(NULL, " \t\n", &rest))) {
		err = take_word(rule, word, &seen, c);
		if (err < 0)
			return err;
	}
	if (!(seen & SAW_USER) == !(seen & SAW_GROUP))
		return complain(c, -EINVAL, "either user= or group= is needed");
	if (!(seen & SAW_PORTS) || !(seen & SAW_INTERFACE))
		return complain(c, -EINVAL, "ports= and interface= are needed");
	return 0;
}

int policy_add(struct policy *policy, const char *line, char *why, size_t len)
{
	const struct complaint c = { why, len };
	struct policy_rule *rule = calloc(1, sizeof(*rule));
	char *copy = strdup(line);
	int err;

	if (rule && copy)
		err = take_line(rule, copy, &c);
	else
		err = complain(&c, -ENOMEM, "out of memory");
	free(copy);
	if (err < 0)
		free(rule);
	else
		STAILQ_INSERT_TAIL(&policy->rules, rule, next);
	return err;
}

/* Whoever can write the file can give himself everything. */
static int check_file(FILE *file, const struct complaint *c)
{
	struct stat st;

	if (fstat(fileno(file), &st) < 0)
		return complain(c, -errno, "%s", strerror(errno));
	if (st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)))
		return complain(c, -EPERM, "others than root can write it: chown root, chmod go-w");
	return 0;
}

static int read_lines(struct policy *policy, FILE *file, char *why, size_t len)
{
	char line[MAX_LINE], problem[CONFIG_WHY_LEN];
	const struct complaint c = { why, len };
	const char *first;
	int err;

	for (unsigned number = 1; fgets(line, sizeof(line), file); number++) {
		if (strlen(line) == sizeof(line) - 1)
			return complain(&c, -E2BIG, "line %u is too long: use two", number);
		first = line + strspn(line, " \t\n");
		if (*first == '\0' || *first == '#')
			continue;
		err = policy_add(policy, line, problem, sizeof(problem));
		if (err < 0)
			return complain(&c, err, "line %u: %s", number, problem);
	}
	return ferror(file) ? complain(&c, -EIO, "can not be read") : 0;
}

int policy_read(struct policy *policy, const char *path, char *why, size_t len)
{
	const struct complaint c = { why, len };
	FILE *file = fopen(path, "re");
	int err;

	STAILQ_INIT(&policy->rules);
	if (!file)
		return complain(&c, -errno, "%s", strerror(errno));
	err = check_file(file, &c);
	if (err == 0)
		err = read_lines(policy, file, why, len);
	fclose(file);
	if (err < 0)
		policy_free(policy);
	return err;
}

void policy_free(struct policy *policy)
{
	struct policy_rule *rule;

	while ((rule = STAILQ_FIRST(&policy->rules))) {
		STAILQ_REMOVE_HEAD(&policy->rules, next);
		free(rule);
	}
}

static bool is_meant(const struct policy_rule *rule, const struct peer *peer)
{
	if (rule->everybody)
		return true;
	if (!rule->by_group)
		return rule->id == peer->uid;
	for (unsigned i = 0; i < peer->groups; i++)
		if (rule->id == peer->group[i])
			return true;
	return rule->id == peer->gid;
}

static bool has_interface(const struct policy_rule *rule, const char *ifname)
{
	for (unsigned i = 0; i < rule->interfaces; i++)
		if (strcmp(rule->interface[i], ifname) == 0)
			return true;
	return rule->any_interface;
}

void policy_ask(const struct policy *policy, const struct peer *peer, const char *ifname,
		bool other_netns, struct policy_grant *grant)
{
	const struct policy_rule *rule;

	memset(grant, 0, sizeof(*grant));
	STAILQ_FOREACH(rule, &policy->rules, next) {
		if (!is_meant(rule, peer) || !has_interface(rule, ifname) ||
		    (other_netns && !rule->any_netns))
			continue;
		grant->raw |= rule->raw;
		for (unsigned i = 0; i < rule->ports && grant->ports < BROKER_MAX_RULES; i++)
			grant->port[grant->ports++] = rule->port[i];
	}
}
