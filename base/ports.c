/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ports.c - see ports.h. The small parsers below return NULL when the text was fine and otherwise
 * the complaint, which ports_parse() puts behind the element that it is about.
 */
#include "base/ports.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HIGHEST_PORT 65535

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Reads the digits at *@p and moves it behind them. */
static const char *take_port(const char **p, uint16_t *port)
{
	unsigned value = 0;
	const char *s = *p;

	if (*s < '0' || *s > '9')
		return "a port number is missing";
	for (; *s >= '0' && *s <= '9'; s++) {
		value = value * 10 + (unsigned)(*s - '0');
		if (value > HIGHEST_PORT)
			return "a port is at most 65535";
	}
	if (value == 0)
		return "port 0 cannot be chosen";
	*port = (uint16_t)value;
	*p = s;
	return NULL;
}

static const char *parse_range(const char *p, struct config_port_rule *rule)
{
	const char *complaint;

	if (strcmp(p, "*") == 0) {
		rule->first = 1;
		rule->last = HIGHEST_PORT;
		return NULL;
	}
	complaint = take_port(&p, &rule->first);
	if (complaint)
		return complaint;
	rule->last = rule->first;
	if (*p == '-') {
		p++;
		complaint = take_port(&p, &rule->last);
		if (complaint)
			return complaint;
	}
	if (*p != '\0')
		return "unexpected text behind the port";
	return rule->first <= rule->last ? NULL : "the range is reversed";
}

/* @p: what stands behind "["; *@rest gets what stands behind "]:". Writes into the text. */
static const char *parse_bracketed(char *p, struct ipaddr *addr, const char **rest)
{
	struct in6_addr v6;
	char *end = strchr(p, ']');

	if (!end)
		return "\"]\" is missing";
	*end = '\0';
	if (inet_pton(AF_INET6, p, &v6) != 1)
		return "not an IPv6 address between the brackets";
	if (end[1] != ':')
		return "\":PORT\" is missing behind the brackets";
	*addr = ipaddr_from_v6(&v6);
	*rest = end + 2;
	return NULL;
}

static const char *parse_dotted(char *p, char *colon, struct ipaddr *addr)
{
	struct in_addr v4;

	if (strchr(colon + 1, ':'))
		return "an IPv6 address is written in brackets: [fd00::1]:53";
	*colon = '\0';
	if (inet_pton(AF_INET, p, &v4) != 1)
		return "not an IPv4 address before the colon";
	*addr = ipaddr_from_v4(v4.s_addr);
	return NULL;
}

/* @text is taken apart while it is read. */
static const char *parse_element(char *text, struct config_port_rule *rule)
{
	const char *complaint, *range = text;
	char *colon = strchr(text, ':');

	memset(rule, 0, sizeof(*rule));
	if (*text == '\0')
		return "the element is empty";
	if (*text == '[') {
		complaint = parse_bracketed(text + 1, &rule->addr, &range);
		if (complaint)
			return complaint;
	} else if (colon) {
		complaint = parse_dotted(text, colon, &rule->addr);
		if (complaint)
			return complaint;
		range = colon + 1;
	}
	return parse_range(range, rule);
}

/* What is between @start and @end without blanks around it; false: longer than any valid one. */
static bool copy_element(const char *start, const char *end, char *text, size_t len)
{
	size_t n;

	while (start < end && is_blank(*start))
		start++;
	while (end > start && is_blank(end[-1]))
		end--;
	n = (size_t)(end - start);
	if (n >= len)
		n = len - 1;
	memcpy(text, start, n);
	text[n] = '\0';
	return n == (size_t)(end - start);
}

static bool is_everything(const struct config_port_rule *rule)
{
	return ipaddr_is_any(&rule->addr) && rule->first == 1 && rule->last == HIGHEST_PORT;
}

static void printable(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

int ports_parse(const char *spec, struct config_port_rule *rules, unsigned max, unsigned *count,
		bool *all, char *why, size_t len)
{
	char element[IPADDR_STRLEN + 8], shown[sizeof(element)];
	const char *start = spec, *end, *complaint;
	unsigned n = 0;

	*count = 0;
	*all = false;
	do {
		end = start + strcspn(start, ",");
		if (n == max) {
			snprintf(why, len, "more than %u elements", max);
			return -E2BIG;
		}
		complaint = copy_element(start, end, element, sizeof(element)) ? NULL : "too long";
		strcpy(shown, element);
		if (!complaint)
			complaint = parse_element(element, &rules[n]);
		if (complaint) {
			printable(shown);
			snprintf(why, len, "element %u, \"%s\": %s", n + 1, shown, complaint);
			return -EINVAL;
		}
		*all |= is_everything(&rules[n]);
		n++;
		start = end + 1;
	} while (*end == ',');
	*count = n;
	return 0;
}

static void format_rule(const struct config_port_rule *rule, char *text, size_t len)
{
	char addr[INET6_ADDRSTRLEN + 4] = "";
	bool any = ipaddr_is_any(&rule->addr);

	if (ipaddr_is_v4(&rule->addr)) {
		inet_ntop(AF_INET, &rule->addr.w[3], addr, sizeof(addr));
		strcat(addr, ":");
	} else if (!any) {
		addr[0] = '[';
		inet_ntop(AF_INET6, rule->addr.b, addr + 1, INET6_ADDRSTRLEN);
		strcat(addr, "]:");
	}
	if (rule->first == 1 && rule->last == HIGHEST_PORT)
		snprintf(text, len, "%s*", addr);
	else if (rule->first == rule->last)
		snprintf(text, len, "%s%u", addr, rule->first);
	else
		snprintf(text, len, "%s%u-%u", addr, rule->first, rule->last);
}

void ports_format(const struct config_port_rule *rules, unsigned count, char *text, size_t len)
{
	char rule[IPADDR_STRLEN + 8];
	size_t used = 0;
	unsigned i;

	if (len)
		text[0] = '\0';
	for (i = 0; i < count && used < len; i++) {
		format_rule(&rules[i], rule, sizeof(rule));
		used += (size_t)snprintf(text + used, len - used, "%s%s", i ? "," : "", rule);
	}
}
