/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The list's text, as an administrator's generator would write it, and the containers. */
#include "bench/policy_rules.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/mem.h"

#define CIDR_GROUPS	4
#define CIDR_RULES	400
#define APPS		8	/* groups of containers that are only known */

/* Unlike lengths, one not in the other: the trie is as deep as it gets. */
static void prefix_print(size_t number, FILE *to)
{
	static const unsigned int lengths[] = { 24, 25, 26, 28 };
	uint32_t address = RULES_PEERS + (uint32_t)number * 256;
	unsigned int length = 24;

	if (number == RULES_PEER_NETS) {
		address = RULES_SERVER;
		length = 32;
	} else if (number > RULES_PEER_NETS) {
		address = 0x0b000000 + (uint32_t)number * 0x1f00;
		length = lengths[number % 4];
	}
	fprintf(to, "\"%u.%u.%u.%u/%u\"", address >> 24, address >> 16 & 255, address >> 8 & 255,
		address & 255, length);
}

static void groups_print(FILE *to)
{
	const size_t in_groups = RULES_PREFIXES - CIDR_RULES;

	fputs("groups = ( { name = \"front\"; container = \"front\"; },\n"
	      "{ name = \"db\"; container = \"db\"; }", to);
	for (int i = 0; i < APPS; i++)
		fprintf(to, ",\n{ name = \"app%d\"; container = \"app%d-*\"; }", i, i);
	for (size_t g = 0; g < CIDR_GROUPS; g++) {
		size_t first = in_groups * g / CIDR_GROUPS;

		fprintf(to, ",\n{ name = \"net%zu\"; cidr = [", g);
		for (size_t i = first; i < in_groups * (g + 1) / CIDR_GROUPS; i++) {
			fputs(i > first ? ", " : " ", to);
			prefix_print(i, to);
		}
		fputs(" ]; }", to);
	}
	fputs(" );\n", to);
}

static void rules_print(enum rules_kind kind, FILE *to)
{
	fputs("rules = (", to);
	if (kind == RULES_CUT)
		fprintf(to, "{ from = \"front\"; protocol = \"tcp\"; ports = [ %d ]; "
			    "action = \"deny\"; },\n", RULES_PORT_CUT);
	for (size_t i = RULES_PREFIXES - CIDR_RULES; i < RULES_PREFIXES; i++) {
		fprintf(to, "{ from = \"app%zu\"; to = ", i % APPS);
		prefix_print(i, to);
		fprintf(to, "; protocol = \"tcp\"; ports = [ %zu ]; action = \"%s\"; },\n",
			1000 + i % 7, i % 3 ? "allow" : "deny");
	}
	for (int i = 0; i < APPS; i++)
		fprintf(to, "{ from = \"app%d\"; to = \"app%d\"; protocol = \"tcp\"; "
			    "ports = [ \"8000-80%d0\" ]; action = \"allow\"; },\n",
			i, (i + 1) % APPS, i + 1);
	fprintf(to, "{ from = \"front\"; to = \"db\"; protocol = \"tcp\"; ports = [ %d ]; "
		    "action = \"allow\"; },\n", RULES_PORT);
	for (int g = 0; g < 2; g++)
		fprintf(to, "{ from = \"front\"; to = \"net%d\"; action = \"allow\"; },\n"
			    "{ from = \"net%d\"; to = \"front\"; protocol = \"udp\"; "
			    "action = \"allow\"; },\n", g, g);
	fprintf(to, "{ from = \"net3\"; to = \"db\"; action = \"%s\"; } );\n",
		kind == RULES_OTHER ? "reject" : "deny");
}

int rules_make(enum rules_kind kind, struct config **ret_config, struct diag *diag)
{
	char *text = NULL;
	size_t size = 0;
	FILE *to = mem_must(open_memstream(&text, &size));
	int err;

	fputs("version = 1;\npolicy: { default = \"deny\";\n", to);
	groups_print(to);
	rules_print(kind, to);
	fputs("};\n", to);
	fclose(to);
	err = config_load_text("bench", text, ret_config, diag);
	free(text);
	return err;
}

struct subject *rules_subject(struct subjects *subjects, const char *name, uint64_t cgroup_id,
			      uint64_t cookie, uint32_t address)
{
	struct subject *subject;
	uint32_t wire = htonl(address);

	subjects->list = mem_must(realloc(subjects->list, (subjects->count + 1) *
							  sizeof(*subjects->list)));
	subject = &subjects->list[subjects->count++];
	*subject = (struct subject){
		.name = mem_text(name), .container = true, .cgroup_id = cgroup_id, .level = 2,
		.cookie = cookie, .addresses = mem_array(1, sizeof(struct addr)),
		.address_count = 1,
	};
	subject->addresses[0].byte[10] = subject->addresses[0].byte[11] = 0xff;
	memcpy(subject->addresses[0].byte + 12, &wire, sizeof(wire));
	return subject;
}

void rules_subject_drop(struct subjects *subjects)
{
	struct subject *last = &subjects->list[--subjects->count];

	free(last->name);
	free(last->cgroup);
	free(last->addresses);
}

/* Ids that no cgroup and no namespace of this machine will have. */
void rules_subjects_known(struct subjects *subjects, size_t first, size_t count)
{
	char name[32];

	for (size_t i = first; i < first + count; i++) {
		snprintf(name, sizeof(name), "app%zu-%zu", i % APPS, i / APPS);
		rules_subject(subjects, name, 1ULL << 60 | i, 1ULL << 60 | i,
			      0x0a400002 + (uint32_t)i * 4);
	}
}
