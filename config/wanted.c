/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two halves of "key wants ..., not ...": what a row of the schema takes, in words, and what
 * stands in the file instead. Called by vet.c for errors and by print.c for the documentation. */
#include <inttypes.h>
#include <string.h>

#include "config/config.h"
#include "config/units.h"
#include "config/value.h"

#define QUOTED_MAX 60 /* bytes of a string that a sentence repeats */

static void print_words(const struct schema_word *words, const char *last, FILE *to)
{
	for (int i = 0; words[i].word && !words[i].beyond; i++) {
		bool more = words[i + 1].word && !words[i + 1].beyond;
		const char *before = !i ? "" : more ? ", " : last;

		fprintf(to, "%s\"%s\"", before, words[i].word);
	}
}

static void print_quantity(const struct schema_key *key, FILE *to)
{
	enum unit_kind kind = key->type == SCHEMA_TIME ? UNIT_TIME : UNIT_BITRATE;
	char min[UNIT_TEXT_MAX], max[UNIT_TEXT_MAX];

	fputs(key->type == SCHEMA_TIME ? "a time" : "a rate", to);
	if (key->fallback)
		fprintf(to, " such as \"%s\",", key->fallback);
	fprintf(to, " from %s to %s", unit_format(kind, (uint64_t)key->min, min),
		unit_format(kind, (uint64_t)key->max, max));
}

static const char *address_wanted(const struct schema_key *key)
{
	bool prefix = key->type == SCHEMA_PREFIX;

	switch (key->shape) {
	case SHAPE_ARRAY:
		return prefix ? "an array [ ] of prefixes such as \"192.0.2.0/28\""
			      : "an array [ ] of IPv4 and IPv6 addresses";
	case SHAPE_ONE_OR_PAIR:
		return prefix ? "a prefix such as \"192.0.2.0/28\", or an array [ ] with one of "
				"each family"
			      : "an address, or an array [ ] with one of each family";
	default:
		return prefix ? "a prefix such as \"192.0.2.0/28\" or \"2001:db8::/124\""
			      : "an IPv4 or IPv6 address";
	}
}

static const char *bind_wanted(const struct schema_key *key)
{
	return key->shape == SHAPE_ARRAY
	       ? "an array [ ] of ports, addresses or both, such as \"8080-8089\", \"10.1.0.2\" "
		 "or \"[fd00::2]:8080\""
	       : "a port from 1 to 65535, a range, an address, or an address and ports such as "
		 "\"10.1.0.2:8080-8089\" or \"[fd00::2]:8080\"";
}

/* What a type wants, whatever else its row of the schema says. */
static const char *type_wanted(enum schema_type type)
{
	switch (type) {
	case SCHEMA_BOOL:
		return "true or false";
	case SCHEMA_IFNAME:
		return "the name of an interface";
	case SCHEMA_STRING:
		return "a string that is not empty";
	case SCHEMA_URLPATH:
		return "a path that starts with \"/\", without blanks";
	case SCHEMA_HOST:
		return "a host's name or address in printable ASCII, without blanks";
	case SCHEMA_URL:
		return "a URL of http or https such as \"http://127.0.0.1:8086/write?db=edgelb\"";
	case SCHEMA_STATUS:
		return "a status or a range such as \"200-299\"";
	case SCHEMA_LISTEN:
		return "an address and a port such as \"127.0.0.1:9180\" or \"[::1]:9180\"";
	case SCHEMA_MAC:
		return "the MAC of one station such as \"02:00:00:00:00:01\"";
	case SCHEMA_CONTAINER:
		return "a container's name, without blanks, \"/\" and \"*\"";
	case SCHEMA_CONTAINERS:
		return "a container's name or a pattern such as \"web-*\", without blanks and "
		       "\"/\"";
	case SCHEMA_LABEL:
		return "a label such as \"app=web\", or \"app\" for any value, without blanks";
	case SCHEMA_CGROUPS:
		return "a path below the root of cgroup v2 or a pattern such as "
		       "\"machine.slice/db-*\"";
	case SCHEMA_NETNS:
		return "a name under /run/netns, an absolute path or \"" CONFIG_NETNS_CONTAINER
		       "NAME\"";
	case SCHEMA_INITIATOR:
		return "\"any\", a group's name, an address or a prefix";
	case SCHEMA_RESPONDER:
		return "\"any\", a group's name, an address, a prefix or \"" CONFIG_PARTY_SERVICE
		       "NAME\"";
	case SCHEMA_GROUP:
		return "a group { }";
	case SCHEMA_LIST:
		return "a list ( ) of groups { }";
	default:
		return "";
	}
}

void value_print_wanted(const struct schema_key *key, FILE *to)
{
	bool array = key->shape == SHAPE_ARRAY;

	switch (key->type) {
	case SCHEMA_INTEGER:
		if (key->min == key->max)
			fprintf(to, "%" PRId64, key->min);
		else
			fprintf(to, "an integer from %" PRId64 " to %" PRId64, key->min, key->max);
		break;
	case SCHEMA_WORD:
		fputs(array ? "an array [ ] of " : "", to);
		print_words(key->words, array ? " and " : " or ", to);
		break;
	case SCHEMA_NUMBERED:
		print_words(key->words, ", ", to);
		fprintf(to, " or an integer from %" PRId64 " to %" PRId64, key->min, key->max);
		break;
	case SCHEMA_TIME:
	case SCHEMA_RATE:
		print_quantity(key, to);
		break;
	case SCHEMA_RING:
		fprintf(to, "\"auto\" or a prime from %" PRId64 " to %" PRId64, key->min, key->max);
		break;
	case SCHEMA_POWER:
		fprintf(to, "a power of two from %" PRId64 " to %" PRId64, key->min, key->max);
		break;
	case SCHEMA_NAME:
		fprintf(to, "a name: a letter or digit, then letters, digits or \"_.-\", "
			"%d at most", CONFIG_NAME_MAX - 1);
		break;
	case SCHEMA_TOKEN:
		fprintf(to, "printable ASCII without blanks, at most %" PRId64 " bytes", key->max);
		break;
	case SCHEMA_PATH:
		fprintf(to, "an absolute path of at most %" PRId64 " bytes", key->max);
		break;
	case SCHEMA_ADDRESS:
	case SCHEMA_PREFIX:
		fputs(address_wanted(key), to);
		break;
	case SCHEMA_PORTS:
		fputs(array ? "an array [ ] of ports, either all integers or all strings such as "
			      "\"8000-8099\""
			    : "a port from 1 to 65535 or a range such as \"8000-8099\"", to);
		break;
	case SCHEMA_CGROUP:
		fputs(array ? "an array [ ] of paths below the root of cgroup v2 such as \"docker\""
			    : "a path below the root of cgroup v2 such as \"docker\"", to);
		break;
	case SCHEMA_BIND:
		fputs(bind_wanted(key), to);
		break;
	default:
		fputs(type_wanted(key->type), to);
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
