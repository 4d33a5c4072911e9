/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `lbctl flows` and `lbctl graph` may be asked for. The daemon checks it again: this is where
 * a mistake is wrong usage and gets a sentence that names the option. */
#include "lb/ctl/flow_query.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/addr.h"
#include "config/mem.h"
#include "config/units.h"

#define SECONDS_MAX 315360000U /* ten years: what the daemon takes */

int since_parse(const char *text, uint64_t *ret_seconds, struct diag *diag)
{
	uint64_t ms;

	if (unit_parse(UNIT_TIME, text, &ms) || ms < 1000) {
		diag_add(diag, NULL, 0, "--since wants a time of a second or more such as \"10m\", "
			 "not \"%s\"", text);
		return -EINVAL;
	}
	if (ms > SECONDS_MAX * UINT64_C(1000)) {
		diag_add(diag, NULL, 0, "--since goes back ten years (\"87600h\") at the most, "
			 "not \"%s\"", text);
		return -EINVAL;
	}
	*ret_seconds = (ms + 999) / 1000;
	return 0;
}

int port_parse(const char *text, uint16_t *ret_port, struct diag *diag)
{
	size_t digits = strspn(text, "0123456789");
	unsigned long port = digits && digits < 6 && !text[digits] ? strtoul(text, NULL, 10) : 0;

	if (!port || port > UINT16_MAX) {
		diag_add(diag, NULL, 0, "--port wants a number from 1 to 65535, not \"%s\"", text);
		return -EINVAL;
	}
	*ret_port = (uint16_t)port;
	return 0;
}

/* No name of a container has a colon, and one of four numbers would be an odd one. A path begins
 * with its slash. */
static bool looks_like_address(const char *text)
{
	size_t length = strcspn(text, "/");
	unsigned int dots = 0;

	if (*text == '/')
		return false;
	if (memchr(text, ':', length))
		return true;
	for (size_t i = 0; i < length; i++) {
		if (text[i] == '.')
			dots++;
		else if (!isdigit((unsigned char)text[i]))
			return false;
	}
	return dots == 3 || (text[length] && dots);
}

/* Whether the address before the slash is fine, and only bits behind the length are too many. */
static bool has_bits_behind(const char *text)
{
	const char *slash = strchr(text, '/');
	char address[ADDR_TEXT_MAX], *end;
	struct addr addr;
	unsigned long bits;

	if (!slash || (size_t)(slash - text) >= sizeof(address) ||
	    !isdigit((unsigned char)slash[1]))
		return false;
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = '\0';
	if (addr_parse(address, &addr))
		return false;
	bits = strtoul(slash + 1, &end, 10);
	return !*end && bits <= (addr_is_ipv4(&addr) ? 32 : 128);
}

int peer_check(const char *text, struct diag *diag)
{
	struct prefix prefix;

	if (!looks_like_address(text) || !prefix_parse(text, &prefix))
		return 0;
	if (has_bits_behind(text))
		diag_add(diag, NULL, 0, "--peer %s: bits of the address stand behind the length",
			 text);
	else
		diag_add(diag, NULL, 0, "--peer wants an address, a prefix such as "
			 "\"10.1.0.0/16\" or a name, not \"%s\"", text);
	return -EINVAL;
}

/* Whatever RFC 3986 does not leave unreserved is written as its bytes. */
static void parameter_print(const char *key, const char *value, bool *first, FILE *to)
{
	fprintf(to, "%c%s=", *first ? '?' : '&', key);
	*first = false;
	for (; *value; value++)
		if (isalnum((unsigned char)*value) || strchr("-._~", *value))
			fputc(*value, to);
		else
			fprintf(to, "%%%02X", (unsigned char)*value);
}

static void number_print(const char *key, uint64_t number, bool *first, FILE *to)
{
	char digits[24];

	snprintf(digits, sizeof(digits), "%" PRIu64, number);
	parameter_print(key, digits, first, to);
}

char *flow_query_path(const struct flow_query *query)
{
	bool first = true;
	size_t size;
	char *path;
	FILE *to = mem_must(open_memstream(&path, &size));

	fputs("/v1/flows", to);
	if (query->container)
		parameter_print("container", query->container, &first, to);
	if (query->peer)
		parameter_print("peer", query->peer, &first, to);
	if (query->port)
		number_print("port", query->port, &first, to);
	if (query->since_s)
		number_print("since", query->since_s, &first, to);
	if (fclose(to))
		abort();
	return path;
}
