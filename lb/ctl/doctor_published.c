/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Another way to a NAT backend's port, such as Docker's published ports: a DNAT rule that leads
 * remote clients to the same address and port. The container's replies to them look like those to
 * ours and get the vip as their source, so these clients never hear of what they asked for.
 * iptables-save is asked for all tables that there are: naming one would have it made. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/mem.h"
#include "lb/ctl/doctor.h"

#define WORDS_MAX 128

struct rule {
	char *word[WORDS_MAX];	/* "-A", the chain, what follows */
	size_t count;
};

/* Cuts a line of iptables-save into its words, in place: blanks part them, but for those within
 * double quotes, where a backslash takes the next character as it is. */
static struct rule rule_split(char *line)
{
	struct rule rule = { .count = 0 };
	char *to = line;

	while (rule.count < WORDS_MAX) {
		bool quoted = false;

		while (isspace((unsigned char)*line))
			line++;
		if (!*line)
			break;
		rule.word[rule.count++] = to;
		for (; *line && (quoted || !isspace((unsigned char)*line)); line++) {
			if (*line == '"') {
				quoted = !quoted;
				continue;
			}
			if (quoted && *line == '\\' && line[1])
				line++;
			*to++ = *line;
		}
		if (*line)
			line++;
		*to++ = '\0';
	}
	return rule;
}

/* What follows an option; "" if it does not stand there. */
static const char *rule_value(const struct rule *rule, const char *option)
{
	for (size_t i = 0; i + 1 < rule->count; i++)
		if (!strcmp(rule->word[i], option))
			return rule->word[i + 1];
	return "";
}

/* "10.1.0.2:8080", "[fd00::2]:8080", or an address alone: then the port stays what it was. */
static bool destination_parse(const struct rule *rule, struct addr *ret_addr,
			      unsigned long *ret_port)
{
	const char *text = rule_value(rule, "--to-destination");
	const char *port = strrchr(text, ':');
	char address[ADDR_TEXT_MAX + 2] = "";

	if (strlen(text) >= sizeof(address) + sizeof(":65535"))
		return false;
	if (!addr_parse(text, ret_addr)) {
		*ret_port = strtoul(rule_value(rule, "--dport"), NULL, 10);
		return true;
	}
	if (!port)
		return false;
	*ret_port = strtoul(port + 1, NULL, 10);
	if (*text == '[' && port > text + 1 && port[-1] == ']')
		snprintf(address, sizeof(address), "%.*s", (int)(port - text - 2), text + 1);
	else
		snprintf(address, sizeof(address), "%.*s", (int)(port - text), text);
	return !addr_parse(address, ret_addr);
}

static bool has_port(const struct doctor_backend *backend, unsigned long port)
{
	const struct doctor_service *service = backend->service;

	if (backend->port)
		return backend->port == port;
	for (size_t i = 0; i < service->port_count; i++)
		if (port >= service->ports[i].first && port <= service->ports[i].last)
			return true;
	return false;
}

/* The same rule, deleted: each word again as one word, whatever somebody wrote into a comment. */
static char *delete_command(const struct rule *rule, bool ipv6)
{
	char *command = text_new("%s -t nat -D", ipv6 ? "ip6tables" : "iptables");

	for (size_t i = 1; i < rule->count; i++) {
		char word[SHELL_WORD_MAX];
		char *longer = text_new("%s %s", command,
					strcmp(rule->word[i], "!") != 0
						? shell_word(rule->word[i], word)
						: "!");

		free(command);
		command = longer;
	}
	return command;
}

static void rule_check(const struct doctor *doctor, const struct rule *rule, bool ipv6,
		       struct findings *findings)
{
	const char *protocol = rule_value(rule, "-p"), *port_text = rule_value(rule, "--dport");
	struct addr address;
	unsigned long port;

	if (strcmp(rule_value(rule, "-j"), "DNAT") != 0 ||
	    !destination_parse(rule, &address, &port))
		return;
	for (size_t i = 0; i < doctor->backend_count; i++) {
		const struct doctor_backend *backend = &doctor->backends[i];

		if (!backend->nat || !has_port(backend, port) ||
		    !addr_equal(&backend->address, &address) ||
		    strcmp(protocol, backend->service->udp ? "udp" : "tcp") != 0)
			continue;
		findings_add(findings, "published_port", backend->name,
			     text_new("a DNAT rule leads other clients%s%s to the same port of the "
				      "container: its replies to them get the vip as their source, "
				      "and they do not know it",
				      *port_text ? " of port " : "", port_text),
			     delete_command(rule, ipv6));
	}
}

static void rules_check(const struct doctor *doctor, bool ipv6, struct findings *findings)
{
	FILE *rules = popen(ipv6 ? "PATH=$PATH:/usr/sbin:/sbin ip6tables-save 2>/dev/null"
				 : "PATH=$PATH:/usr/sbin:/sbin iptables-save 2>/dev/null", "r");
	bool in_nat = false;
	char *line = NULL;
	size_t size = 0;

	if (!rules)
		return;
	while (getline(&line, &size, rules) > 0) {
		struct rule rule;

		if (*line == '*')
			in_nat = !strcmp(line, "*nat\n");
		if (!in_nat || strncmp(line, "-A ", 3) != 0)
			continue;
		rule = rule_split(line);
		rule_check(doctor, &rule, ipv6, findings);
	}
	free(line);
	pclose(rules);
}

void check_published_ports(const struct doctor *doctor, struct findings *findings)
{
	rules_check(doctor, false, findings);
	rules_check(doctor, true, findings);
}
