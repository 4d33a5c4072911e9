/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each flow is {from, to, protocol, port}; those that differ in the port alone are one rule, and so
 * are those that differ in an address alone, once there are many. Both ends tell of a flow between
 * two groups: it is the same one. */
#include "lb/ctl/suggest.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "config/mem.h"
#include "lb/ctl/fields.h"

#define ADDRESSES_MAX 8 /* of one group, protocol and port: more are "any" */

struct kind {
	char from[128], to[128];
	bool outside;		/* one of the two is an address in no group */
	int protocol;
	unsigned int port;
	uint64_t flows;
};

static bool has_ports(int protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}

/* "front+batch" is in both: the first one's name will do. */
static void group_copy(char *to, size_t size, const char *groups)
{
	snprintf(to, size, "%.*s", (int)strcspn(groups, "+"), groups);
}

static bool kind_read(struct json_object *entry, struct kind *ret_kind)
{
	const char *groups = field_text(entry, "groups"), *remote = field_text(entry, "remote");
	const char *remote_groups = field_text(entry, "remote_groups");
	bool in = !strcmp(field_text(entry, "direction"), "in");
	char own[128], other[128];

	if (!*groups || *groups == '(' || !*remote || !field_true(entry, "passed"))
		return false;
	group_copy(own, sizeof(own), groups);
	if (*remote_groups)
		group_copy(other, sizeof(other), remote_groups);
	else
		snprintf(other, sizeof(other), "%s", remote);
	*ret_kind = (struct kind){
		.outside = !*remote_groups, .flows = field_count(entry, "flows"),
		.protocol = (int)field_count(entry, "protocol"),
		.port = (unsigned int)field_count(entry, "port"),
	};
	strcpy(ret_kind->from, in ? other : own);
	strcpy(ret_kind->to, in ? own : other);
	return true;
}

/* Ports last: what differs in nothing else stands side by side. */
static int kind_compare(const void *a, const void *b)
{
	const struct kind *left = a, *right = b;
	int order = strcmp(left->from, right->from);

	if (!order)
		order = strcmp(left->to, right->to);
	if (!order)
		order = left->protocol - right->protocol;
	if (!order)
		order = left->port < right->port ? -1 : left->port > right->port;
	return order;
}

/* How many addresses stand where this one's stands, everything else being equal. */
static size_t fellows(const struct kind *kinds, size_t count, const struct kind *kind, bool of_from)
{
	size_t found = 0;

	for (size_t i = 0; i < count; i++)
		found += kinds[i].outside && kinds[i].protocol == kind->protocol &&
			 kinds[i].port == kind->port &&
			 !strcmp(of_from ? kinds[i].to : kinds[i].from,
				 of_from ? kind->to : kind->from);
	return found;
}

static bool is_address(const char *text)
{
	return strpbrk(text, ":") || (strchr(text, '.') && strspn(text, "0123456789.") ==
							      strlen(text));
}

static void addresses_gather(struct kind *kinds, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		bool of_from = is_address(kinds[i].from);

		if (kinds[i].outside && fellows(kinds, count, &kinds[i], of_from) > ADDRESSES_MAX)
			strcpy(of_from ? kinds[i].from : kinds[i].to, "any");
	}
}

static size_t duplicates_merge(struct kind *kinds, size_t count)
{
	size_t kept = 0;

	qsort(kinds, count, sizeof(*kinds), kind_compare);
	for (size_t i = 0; i < count; i++)
		if (kept && !kind_compare(&kinds[kept - 1], &kinds[i]))
			kinds[kept - 1].flows += kinds[i].flows;
		else
			kinds[kept++] = kinds[i];
	return kept;
}

static void protocol_print(int protocol, FILE *to)
{
	switch (protocol) {
	case IPPROTO_TCP:
		fputs(" protocol = \"tcp\";", to);
		break;
	case IPPROTO_UDP:
		fputs(" protocol = \"udp\";", to);
		break;
	case IPPROTO_ICMP:
		fputs(" protocol = \"icmp\";", to);
		break;
	case IPPROTO_SCTP:
		fputs(" protocol = \"sctp\";", to);
		break;
	default:
		fprintf(to, " protocol = %d;", protocol);
	}
}

/* One rule for kinds[0] and those behind it that differ in the port alone; returns how many. A list
 * of lb.conf has no comma behind its last element. */
static size_t rule_print(const struct kind *kinds, size_t count, bool denials, FILE *to)
{
	uint64_t flows = kinds[0].flows;
	size_t same = 1;

	while (same < count && has_ports(kinds[0].protocol) &&
	       kinds[same].protocol == kinds[0].protocol &&
	       !strcmp(kinds[same].from, kinds[0].from) && !strcmp(kinds[same].to, kinds[0].to))
		flows += kinds[same++].flows;
	fprintf(to, "  { from = \"%s\"; to = \"%s\";", kinds[0].from, kinds[0].to);
	protocol_print(kinds[0].protocol, to);
	for (size_t i = 0; has_ports(kinds[0].protocol) && i < same; i++)
		fprintf(to, "%s%u", i ? ", " : " ports = [ ", kinds[i].port);
	fprintf(to, "%s action = \"allow\"; }%s  # %llu flow%s\n",
		has_ports(kinds[0].protocol) ? " ];" : "", same < count || denials ? "," : "",
		(unsigned long long)flows, flows == 1 ? "" : "s");
	return same;
}

/* Whether kinds[i] is the first of a group that began something: equal ones are neighbours. */
static bool is_denied(const struct kind *kinds, size_t i)
{
	return !is_address(kinds[i].from) && strcmp(kinds[i].from, "any") &&
	       (!i || strcmp(kinds[i - 1].from, kinds[i].from));
}

static size_t denials_count(const struct kind *kinds, size_t count)
{
	size_t denials = 0;

	for (size_t i = 0; i < count; i++)
		denials += is_denied(kinds, i);
	return denials;
}

static void denials_print(const struct kind *kinds, size_t count, size_t denials, FILE *to)
{
	for (size_t i = 0; i < count; i++)
		if (is_denied(kinds, i))
			fprintf(to, "  { from = \"%s\"; action = \"deny\"; }%s\n", kinds[i].from,
				--denials ? "," : "");
}

size_t suggest_print(struct json_object *seen, FILE *to)
{
	size_t count = 0, rules = 0, denials, length = list_length(seen);
	struct kind *kinds = mem_array(length, sizeof(*kinds));

	for (size_t i = 0; i < length; i++)
		count += kind_read(list_at(seen, i), &kinds[count]);
	addresses_gather(kinds, count);
	count = duplicates_merge(kinds, count);
	fputs("rules = (\n", to);
	denials = denials_count(kinds, count);
	for (size_t i = 0; i < count; rules++)
		i += rule_print(&kinds[i], count - i, denials, to);
	denials_print(kinds, count, denials, to);
	fputs(");\n", to);
	free(kinds);
	return rules + denials;
}
