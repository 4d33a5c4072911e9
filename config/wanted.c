/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two halves of "key wants ..., not ...": what a row of the schema takes, in words, and what
 * stands in the file instead. Called by vet.c for errors and by print.c for the documentation. */
#include <inttypes.h>
#include <string.h>

#include "config/config.h"
#include "config/units.h"
#include "config/value.h"

#define QUOTED_MAX 60 /* bytes of a string that a sentence repeats */

static void print_words(const struct schema_word *words, FILE *to)
{
	for (int i = 0; words[i].word; i++) {
		const char *before = !i ? "" : words[i + 1].word ? ", " : " or ";

		fprintf(to, "%s\"%s\"", before, words[i].word);
	}
}

static void print_time(const struct schema_key *key, FILE *to)
{
	char min[UNIT_TEXT_MAX], max[UNIT_TEXT_MAX];

	fprintf(to, "a time such as \"%s\", from %s to %s", key->fallback,
		unit_format(UNIT_TIME, (uint64_t)key->min, min),
		unit_format(UNIT_TIME, (uint64_t)key->max, max));
}

static const char *address_wanted(const struct schema_key *key)
{
	bool prefix = key->type == SCHEMA_PREFIX;

	switch (key->shape) {
	case SHAPE_ARRAY:
		return "an array [ ] of IPv4 and IPv6 addresses";
	case SHAPE_ONE_OR_PAIR:
		return prefix ? "a prefix such as \"192.0.2.0/28\", or an array [ ] with one of "
				"each family"
			      : "an address, or an array [ ] with one of each family";
	default:
		return prefix ? "a prefix such as \"192.0.2.0/28\" or \"2001:db8::/124\""
			      : "an IPv4 or IPv6 address";
	}
}

void value_print_wanted(const struct schema_key *key, FILE *to)
{
	switch (key->type) {
	case SCHEMA_INTEGER:
		if (key->min == key->max)
			fprintf(to, "%" PRId64, key->min);
		else
			fprintf(to, "an integer from %" PRId64 " to %" PRId64, key->min, key->max);
		break;
	case SCHEMA_BOOL:
		fputs("true or false", to);
		break;
	case SCHEMA_WORD:
		print_words(key->words, to);
		break;
	case SCHEMA_TIME:
		print_time(key, to);
		break;
	case SCHEMA_RING:
		fprintf(to, "\"auto\" or a prime from %" PRId64 " to %" PRId64, key->min, key->max);
		break;
	case SCHEMA_NAME:
		fprintf(to, "a name: a letter or digit, then letters, digits or \"_.-\", "
			"%d at most", CONFIG_NAME_MAX - 1);
		break;
	case SCHEMA_IFNAME:
		fputs("the name of an interface", to);
		break;
	case SCHEMA_STRING:
		fputs("a string that is not empty", to);
		break;
	case SCHEMA_PATH:
		fprintf(to, "an absolute path of at most %" PRId64 " bytes", key->max);
		break;
	case SCHEMA_URLPATH:
		fputs("a path that starts with \"/\", without blanks", to);
		break;
	case SCHEMA_HOST:
		fputs("a host's name or address in printable ASCII, without blanks", to);
		break;
	case SCHEMA_STATUS:
		fputs("a status or a range such as \"200-299\"", to);
		break;
	case SCHEMA_LISTEN:
		fputs("an address and a port such as \"127.0.0.1:9180\" or \"[::1]:9180\"", to);
		break;
	case SCHEMA_MAC:
		fputs("the MAC of one station such as \"02:00:00:00:00:01\"", to);
		break;
	case SCHEMA_ADDRESS:
	case SCHEMA_PREFIX:
		fputs(address_wanted(key), to);
		break;
	case SCHEMA_PORTS:
		fputs(key->shape == SHAPE_ARRAY ? "an array [ ] of ports, either all integers or "
						  "all strings such as \"8000-8099\""
						: "a port from 1 to 65535 or a range such as "
						  "\"8000-8099\"", to);
		break;
	case SCHEMA_GROUP:
		fputs("a group { }", to);
		break;
	case SCHEMA_LIST:
		fputs("a list ( ) of groups { }", to);
		break;
	case SCHEMA_UNREAD:
		break;
	}
}

void value_print_given(const config_setting_t *setting, FILE *to)
{
	const char *text;

	switch (config_setting_type(setting)) {
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		fprintf(to, "%lld", config_setting_get_int64(setting));
		break;
	case CONFIG_TYPE_FLOAT:
		fprintf(to, "%g", config_setting_get_float(setting));
		break;
	case CONFIG_TYPE_BOOL:
		fputs(config_setting_get_bool(setting) ? "true" : "false", to);
		break;
	case CONFIG_TYPE_STRING:
		text = config_setting_get_string(setting);
		fprintf(to, "\"%.*s%s\"", QUOTED_MAX, text, strlen(text) > QUOTED_MAX ? "..." : "");
		break;
	case CONFIG_TYPE_GROUP:
		fputs("a group { }", to);
		break;
	case CONFIG_TYPE_ARRAY:
		fputs("an array [ ]", to);
		break;
	case CONFIG_TYPE_LIST:
		fputs("a list ( )", to);
		break;
	}
}
