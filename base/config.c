/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * config.c - see config.h. config.def expands to two tables, the text for people (settings[]) and
 * what the parser needs (rows[]); a type is a pair of functions parse_TYPE() and format_TYPE().
 * Runs in the constructor of the library inside the host process: nothing is allocated, and only
 * log.h writes.
 */
#define _GNU_SOURCE
#include "base/config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/ports.h"

#define PREFIX "KBACCEL_"
#define PREFIX_LEN (sizeof(PREFIX) - 1)
#define LONGEST_NAME 64 /* of an unknown name, as far as it is looked at */

struct config config;

struct row {
	/* Returns NULL, or what is wrong with @text; *member is left at anything then. */
	const char *(*parse)(const struct row *row, const char *text, void *member, char *detail,
			     size_t len);
	void (*format)(const struct row *row, const void *member, char *text, size_t len);
	size_t offset; /* of the member in struct config */
	int64_t min, max;
	const char *values;
};

/* ---- numbers ---- */

static const char *take_number(const char *text, int64_t min, int64_t max, int64_t *value)
{
	int64_t v = 0;

	if (*text == '\0')
		return "not a whole number";
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return "not a whole number";
		if (v > (INT64_MAX - 9) / 10)
			return "out of range";
		v = v * 10 + (*text - '0');
	}
	if (v < min || v > max)
		return "out of range";
	*value = v;
	return NULL;
}

static const char *parse_number(const struct row *row, const char *text, void *member, char *detail,
				size_t len)
{
	(void)detail, (void)len;
	return take_number(text, row->min, row->max, member);
}

static void format_number(const struct row *row, const void *member, char *text, size_t len)
{
	(void)row;
	snprintf(text, len, "%lld", (long long)*(const int64_t *)member);
}

static const char *parse_power2(const struct row *row, const char *text, void *member, char *detail,
				size_t len)
{
	int64_t value = 0;
	const char *complaint = take_number(text, row->min, row->max, &value);

	(void)detail, (void)len;
	if (complaint)
		return complaint;
	if (value & (value - 1))
		return "not a power of two";
	*(unsigned *)member = (unsigned)value;
	return NULL;
}

static void format_power2(const struct row *row, const void *member, char *text, size_t len)
{
	(void)row;
	snprintf(text, len, "%u", *(const unsigned *)member);
}

static const char *parse_flag(const struct row *row, const char *text, void *member, char *detail,
			      size_t len)
{
	int64_t value = 0;

	(void)detail, (void)len;
	if (take_number(text, row->min, row->max, &value))
		return "neither 0 nor 1";
	*(bool *)member = value != 0;
	return NULL;
}

static void format_flag(const struct row *row, const void *member, char *text, size_t len)
{
	(void)row;
	snprintf(text, len, "%d", *(const bool *)member);
}

/* ---- one of several words ---- */

/* Which of the words in "a|b|c" @text is, or -1. */
static int word_index(const char *words, const char *text)
{
	size_t n, len = strlen(text);
	int i;

	for (i = 0;; i++) {
		n = strcspn(words, "|");
		if (n == len && memcmp(words, text, n) == 0)
			return i;
		if (words[n] == '\0')
			return -1;
		words += n + 1;
	}
}

static const char *parse_level(const struct row *row, const char *text, void *member, char *detail,
			       size_t len)
{
	int i = word_index(row->values, text);

	(void)detail, (void)len;
	if (i < 0)
		return "unknown word";
	*(int *)member = i;
	return NULL;
}

static void format_level(const struct row *row, const void *member, char *text, size_t len)
{
	const char *words = row->values;
	int i;

	for (i = *(const int *)member; i > 0; i--)
		words += strcspn(words, "|") + 1;
	snprintf(text, len, "%.*s", (int)strcspn(words, "|"), words);
}

static const char *parse_name(const struct row *row, const char *text, void *member, char *detail,
			      size_t len)
{
	(void)detail, (void)len;
	if (word_index(row->values, text) < 0)
		return "unknown word";
	strcpy(member, text); /* the longest word of config.def fits */
	return NULL;
}

static void format_name(const struct row *row, const void *member, char *text, size_t len)
{
	(void)row;
	snprintf(text, len, "%s", (const char *)member);
}

/* ---- a path ---- */

static const char *parse_path(const struct row *row, const char *text, void *member, char *detail,
			      size_t len)
{
	(void)row, (void)detail, (void)len;
	if (strlen(text) >= sizeof(((struct config *)0)->broker))
		return "longer than the path of a socket may be";
	if (strcmp(text, "off") == 0)
		text = "";
	else if (text[0] != '/')
		return "not an absolute path";
	strcpy(member, text);
	return NULL;
}

static void format_path(const struct row *row, const void *member, char *text, size_t len)
{
	const char *path = member;

	(void)row;
	snprintf(text, len, "%s", path[0] ? path : "off");
}

/* ---- lists ---- */

static const char *parse_ports(const struct row *row, const char *text, void *member, char *detail,
			       size_t len)
{
	struct config *c = (struct config *)((char *)member - row->offset);

	if (ports_parse(text, c->ports, CONFIG_MAX_PORT_RULES, &c->port_rules, &c->all_ports,
			detail, len))
		return detail;
	c->active = true;
	return NULL;
}

static void format_ports(const struct row *row, const void *member, char *text, size_t len)
{
	const struct config *c = (const struct config *)((const char *)member - row->offset);

	ports_format(c->ports, c->port_rules, text, len);
}

/* The kernel's own rules for the name of an interface. */
static const char *check_interface(const char *name, size_t len)
{
	size_t i;

	if (len == 0)
		return "an interface name is empty";
	if (len >= IF_NAMESIZE)
		return "an interface name is longer than 15 characters";
	for (i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] == '/' || name[i] == ':' || name[i] == 127)
			return "an interface name has a character that is not allowed";
	return NULL;
}

static const char *parse_interfaces(const struct row *row, const char *text, void *member,
				    char *detail, size_t len)
{
	struct config *c = (struct config *)((char *)member - row->offset);
	const char *complaint;
	unsigned n = 0;
	size_t size;

	(void)detail, (void)len;
	do {
		text += strspn(text, " \t");
		size = strcspn(text, ", \t");
		complaint = check_interface(text, size);
		if (complaint)
			return complaint;
		if (n == CONFIG_MAX_INTERFACES)
			return "more than 16 interfaces";
		memcpy(c->interface[n], text, size);
		c->interface[n++][size] = '\0';
		text += size;
		text += strspn(text, " \t");
	} while (*text++ == ',');
	if (text[-1] != '\0')
		return "names are separated by commas";
	c->interfaces = n;
	return NULL;
}

static void format_interfaces(const struct row *row, const void *member, char *text, size_t len)
{
	const struct config *c = (const struct config *)((const char *)member - row->offset);
	size_t used = 0;
	unsigned i;

	if (len)
		text[0] = '\0';
	for (i = 0; i < c->interfaces && used < len; i++)
		used += (size_t)snprintf(text + used, len - used, "%s%s", i ? "," : "",
					 c->interface[i]);
}

/* ---- the tables ---- */

#define RANGE_number(min, max, values) #min ".." #max
#define RANGE_power2(min, max, values) "a power of two, " #min ".." #max
#define RANGE_flag(min, max, values) "0|1"
#define RANGE_level(min, max, values) values
#define RANGE_name(min, max, values) values
#define RANGE_ports(min, max, values) values
#define RANGE_interfaces(min, max, values) values
#define RANGE_path(min, max, values) values

#define SETTING(name, type, member, def, min, max, values, unit, help)                             \
	{ PREFIX #name, #type, RANGE_##type(min, max, values), def, unit, help },
static const struct config_setting settings[] = {
#include "base/config.def"
};
#undef SETTING

#define SETTING(name, type, member, def, min, max, values, unit, help)                             \
	{ parse_##type, format_##type, offsetof(struct config, member), min, max, values },
static const struct row rows[] = {
#include "base/config.def"
};
#undef SETTING

#define SETTINGS (sizeof(settings) / sizeof(settings[0]))

static bool from_environment[SETTINGS];

size_t config_settings(const struct config_setting **table)
{
	*table = settings;
	return SETTINGS;
}

bool config_value(size_t i, char *text, size_t len)
{
	rows[i].format(&rows[i], (const char *)&config + rows[i].offset, text, len);
	return from_environment[i];
}

/* ---- setting ---- */

/* One that has no default text is left as "not set". */
static void set_default(struct config *c, size_t i)
{
	if (settings[i].def[0])
		rows[i].parse(&rows[i], settings[i].def, (char *)c + rows[i].offset, NULL, 0);
}

void config_defaults(struct config *c)
{
	size_t i;

	memset(c, 0, sizeof(*c));
	for (i = 0; i < SETTINGS; i++)
		set_default(c, i);
}

static size_t find_setting(const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < SETTINGS; i++)
		if (strncmp(settings[i].name, name, len) == 0 && settings[i].name[len] == '\0')
			break;
	return i;
}

/* An empty value is the same as none: `KBACCEL_SPIN= ./server` unsets it for one command. */
static int set_row(struct config *c, size_t i, const char *value, char *why, size_t len)
{
	char detail[CONFIG_WHY_LEN / 2];
	const char *complaint;

	if (value[0] == '\0')
		return 0;
	complaint =
		rows[i].parse(&rows[i], value, (char *)c + rows[i].offset, detail, sizeof(detail));
	if (!complaint)
		return 0;
	set_default(c, i);
	snprintf(why, len, "%s; allowed: %s%s%s", complaint, settings[i].range,
		 settings[i].unit[0] ? " " : "", settings[i].unit);
	return -EINVAL;
}

int config_set(struct config *c, const char *name, const char *value, char *why, size_t len)
{
	size_t i = find_setting(name, strlen(name));

	return i < SETTINGS ? set_row(c, i, value, why, len) : -ENOENT;
}

/* ---- the environment ---- */

/* For a message: what is printable, cut to the room there is. */
static void shorten(const char *value, char *text, size_t len)
{
	size_t i;

	for (i = 0; value[i] && i < len - 1; i++)
		text[i] = value[i] < ' ' || value[i] > '~' ? '?' : value[i];
	text[i] = '\0';
	if (value[i])
		memcpy(text + len - 4, "...", 4);
}

static const char *find_value(size_t i, char *const *env)
{
	size_t len = strlen(settings[i].name);

	for (; *env; env++)
		if (strncmp(*env, settings[i].name, len) == 0 && (*env)[len] == '=')
			return *env + len + 1;
	return "";
}

static void read_setting(size_t i, char *const *env)
{
	const struct config_setting *about = &settings[i];
	const char *value = find_value(i, env), *unset;
	char why[CONFIG_WHY_LEN], shown[64];

	if (set_row(&config, i, value, why, sizeof(why)) == 0) {
		from_environment[i] = value[0] != '\0';
		return;
	}
	shorten(value, shown, sizeof(shown));
	unset = strstr(about->help, "unset:");
	if (unset) /* the help says what no value means */
		log_warn("%s=\"%s\": %s; taken as %s", about->name, shown, why, unset);
	else
		log_warn("%s=\"%s\": %s; using the default %s", about->name, shown, why, about->def);
}

size_t config_unknown(char *const *env, size_t *pos, const char **name)
{
	size_t len;

	while (env[*pos]) {
		*name = env[(*pos)++];
		len = strcspn(*name, "=");
		if (strncmp(*name, PREFIX, PREFIX_LEN) == 0 && find_setting(*name, len) == SETTINGS)
			return len;
	}
	return 0;
}

/* Levenshtein's distance, one row of the matrix at a time; both names without the prefix. */
static size_t edit_distance(const char *a, size_t alen, const char *b)
{
	size_t line[LONGEST_NAME + 1], blen = strlen(b), i, j, corner, up;

	for (j = 0; j <= blen; j++)
		line[j] = j;
	for (i = 1; i <= alen; i++) {
		corner = line[0];
		line[0] = i;
		for (j = 1; j <= blen; j++) {
			up = line[j];
			line[j] = corner + (a[i - 1] != b[j - 1]);
			if (up + 1 < line[j])
				line[j] = up + 1;
			if (line[j - 1] + 1 < line[j])
				line[j] = line[j - 1] + 1;
			corner = up;
		}
	}
	return line[blen];
}

const char *config_nearest(const char *name, size_t len)
{
	size_t i, distance, best = 0, least = SIZE_MAX;

	if (len >= PREFIX_LEN && strncmp(name, PREFIX, PREFIX_LEN) == 0) {
		name += PREFIX_LEN;
		len -= PREFIX_LEN;
	}
	if (len > LONGEST_NAME)
		len = LONGEST_NAME;
	for (i = 0; i < SETTINGS; i++) {
		distance = edit_distance(name, len, settings[i].name + PREFIX_LEN);
		if (distance < least) {
			least = distance;
			best = i;
		}
	}
	return settings[best].name;
}

static void warn_unknown(char *const *env)
{
	char shown[LONGEST_NAME + 1];
	const char *name;
	size_t pos = 0, len, n;

	while ((len = config_unknown(env, &pos, &name)) > 0) {
		n = len < LONGEST_NAME ? len : LONGEST_NAME;
		memcpy(shown, name, n);
		shown[n] = '\0';
		log_warn("%s is not a setting; did you mean %s?", shown, config_nearest(name, len));
	}
}

/* Both rings may be full at once, and as much again can wait in sockets. */
static void settle_frames(struct config *c, bool chosen)
{
	unsigned rings = c->rx_ring + c->tx_ring, frames = c->frames;

	if (c->frames > rings && (chosen || c->frames >= 2 * rings))
		return;
	while (frames < 2 * rings)
		frames *= 2;
	if (chosen)
		log_warn(PREFIX "FRAMES=\"%u\": not more than " PREFIX "RX_RING + " PREFIX
				"TX_RING = %u; using %u",
			 c->frames, rings, frames);
	c->frames = frames;
}

void config_init(bool secure)
{
	size_t log = find_setting(PREFIX "LOG", PREFIX_LEN + 3), i;

	config_defaults(&config);
	memset(from_environment, 0, sizeof(from_environment));
	log_threshold = (enum log_level)config.log_level;
	if (secure || !environ)
		return;
	/* First, because it decides which of the messages about the others are seen. */
	read_setting(log, environ);
	log_threshold = (enum log_level)config.log_level;
	for (i = 0; i < SETTINGS; i++)
		if (i != log)
			read_setting(i, environ);
	warn_unknown(environ);
	settle_frames(&config, from_environment[find_setting(PREFIX "FRAMES", PREFIX_LEN + 6)]);
}

bool config_chosen(const struct ipaddr *addr, uint16_t port)
{
	return config.all_ports || ports_match(config.ports, config.port_rules, addr, port);
}
