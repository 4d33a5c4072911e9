/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading one value of lb.conf, by type. Whatever a type takes is decided here and in units.c;
 * wanted.c says the same in words. Called by vet.c and build.c. */
#include "config/value.h"

#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/mem.h"
#include "config/ring_size.h"
#include "config/units.h"
#include "config/url.h"

#define IFNAME_BYTES_MAX 15 /* IFNAMSIZ without its NUL */
#define PATH_BYTES_MAX	4095 /* PATH_MAX without its NUL */

#define DIGITS	"0123456789"
#define LETTERS	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

static bool in_range(const struct schema_key *key, int64_t number)
{
	return number >= key->min && number <= key->max;
}

/* A number of at most nine digits at the start of the text, and where it ends; NULL: none. */
static const char *number_read(const char *text, int64_t *ret_number)
{
	size_t digits = strspn(text, DIGITS);

	if (digits < 1 || digits > 9)
		return NULL;
	*ret_number = strtol(text, NULL, 10);
	return text + digits;
}

/* "80" or "8000-8099". */
static bool range_read(const struct schema_key *key, const char *text, struct value *value)
{
	const char *end = number_read(text, &value->number);

	value->last = value->number;
	if (end && *end == '-')
		end = number_read(end + 1, &value->last);
	return end && !*end && in_range(key, value->number) && in_range(key, value->last) &&
	       value->number <= value->last;
}

static bool word_read(const struct schema_key *key, const char *text, struct value *value)
{
	for (int i = 0; key->words[i].word; i++)
		if (!strcmp(key->words[i].word, text)) {
			value->number = i;
			return true;
		}
	return false;
}

/* Of a word that has a number of its own: that. */
static bool numbered_read(const struct schema_key *key, const char *text, struct value *value)
{
	if (!word_read(key, text, value))
		return false;
	value->number = key->words[value->number].number;
	return true;
}

static bool quantity_read(const struct schema_key *key, enum unit_kind kind, const char *text,
			  struct value *value)
{
	uint64_t quantity;

	if (unit_parse(kind, text, &quantity) || quantity > INT64_MAX)
		return false;
	value->number = (int64_t)quantity;
	return in_range(key, value->number);
}

static bool name_is_good(const char *text)
{
	return strlen(text) < CONFIG_NAME_MAX && strspn(text, LETTERS DIGITS) > 0 &&
	       strspn(text, LETTERS DIGITS "_.-") == strlen(text);
}

static bool is_printable(const char *text)
{
	for (; *text; text++)
		if (*text <= ' ' || *text > '~')
			return false;
	return true;
}

/* What the kernel takes (dev_valid_name()), and for the sake of messages only what prints. */
static bool ifname_is_good(const char *text)
{
	size_t len = strlen(text);

	return len && len <= IFNAME_BYTES_MAX && is_printable(text) && !strpbrk(text, "/:") &&
	       strcmp(text, ".") && strcmp(text, "..");
}

/* "127.0.0.1:9180" or "[::1]:9180". */
static bool listen_is_good(const char *text)
{
	const char *colon = strrchr(text, ':');
	char host[ADDR_TEXT_MAX + 2];
	struct addr addr;
	const char *end;
	int64_t port;
	size_t len;

	if (!colon || (size_t)(colon - text) >= sizeof(host))
		return false;
	end = number_read(colon + 1, &port);
	if (!end || *end || port < 1 || port > 65535)
		return false;
	len = (size_t)(colon - text);
	memcpy(host, text, len);
	host[len] = '\0';
	if (len < 2 || host[0] != '[' || host[len - 1] != ']')
		return !strchr(host, ':') && !addr_parse(host, &addr);
	host[len - 1] = '\0';
	return strchr(host, ':') && !addr_parse(host + 1, &addr);
}

static int hex_digit(char c)
{
	const char *digits = "0123456789abcdef";
	const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Six pairs of hexadecimal digits; neither a group's address nor that of nobody. */
static bool mac_read(const char *text, struct value *value)
{
	unsigned char any = 0;

	if (strlen(text) != 17)
		return false;
	for (int i = 0; i < 6; i++, text += 3) {
		int high = hex_digit(text[0]), low = hex_digit(text[1]);

		if (high < 0 || low < 0 || text[2] != (i < 5 ? ':' : '\0'))
			return false;
		value->mac[i] = (unsigned char)(high << 4 | low);
		any |= value->mac[i];
	}
	return any && !(value->mac[0] & 1);
}

static bool prefix_read(const char *text, struct value *value)
{
	struct prefix prefix;

	if (prefix_parse(text, &prefix))
		return false;
	value->addr = prefix.addr;
	value->prefix_len = prefix.len;
	return true;
}

/* What a runtime calls a container; `pattern` may hold "*". */
static bool container_is_good(const char *text, bool pattern)
{
	return *text && is_printable(text) && !strpbrk(text, pattern ? "/" : "/*");
}

/* "KEY" or "KEY=VALUE". */
static bool label_is_good(const char *text)
{
	return *text && *text != '=' && is_printable(text);
}

/* Steps of a path below the root: neither empty nor "." nor ".."; a `pattern` may hold "*". */
static bool cgroup_is_good(const char *text, bool pattern)
{
	if (!is_printable(text) || (!pattern && strchr(text, '*')))
		return false;
	for (;; text++) {
		size_t len = strcspn(text, "/");

		if (!len || (len == 1 && text[0] == '.') || (len == 2 && !strncmp(text, "..", 2)))
			return false;
		text += len;
		if (!*text)
			return true;
	}
}

/* A name as under /run/netns, an absolute path, or a container's name behind its word. */
static bool netns_is_good(const char *text)
{
	size_t len = strlen(CONFIG_NETNS_CONTAINER);

	if (!*text || strlen(text) > PATH_BYTES_MAX || !is_printable(text))
		return false;
	if (!strncmp(text, CONFIG_NETNS_CONTAINER, len))
		return container_is_good(text + len, false);
	return *text == '/' || (!strchr(text, '/') && strcmp(text, ".") && strcmp(text, ".."));
}

/* A group's name, "any", an address or a prefix; as a responder also a service. */
static bool party_is_good(const char *text, bool responder)
{
	size_t len = strlen(CONFIG_PARTY_SERVICE);
	struct prefix prefix;

	if (responder && !strncmp(text, CONFIG_PARTY_SERVICE, len))
		return name_is_good(text + len);
	return name_is_good(text) || !prefix_parse(text, &prefix);
}

/* "8080", "8080-8089", "ADDRESS", "ADDRESS:PORTS" or "[ADDRESS]:PORTS"; prefixes too. */
static bool bind_read(const struct schema_key *key, const char *text, struct value *value)
{
	char host[ADDR_TEXT_MAX + sizeof("/128")];
	const char *colon = strrchr(text, ':');
	bool brackets = *text == '[';
	size_t len;

	if (range_read(key, text, value))
		return true; /* on any address: a prefix of no length */
	value->number = 0;
	value->last = 65535;
	if (!brackets && prefix_read(text, value))
		return true;
	len = colon ? (size_t)(colon - text) : 0;
	if (len < 3 || len - 2 * brackets >= sizeof(host) || (brackets && colon[-1] != ']'))
		return false;
	len -= 2 * brackets;
	memcpy(host, text + brackets, len);
	host[len] = '\0';
	return !strchr(host, ':') == !brackets && prefix_read(host, value) &&
	       range_read(key, colon + 1, value);
}

static bool text_read(const struct schema_key *key, const char *text, struct value *value)
{
	value->text = text;
	switch (key->type) {
	case SCHEMA_WORD:
		return word_read(key, text, value);
	case SCHEMA_NUMBERED:
		return numbered_read(key, text, value);
	case SCHEMA_TIME:
		return quantity_read(key, UNIT_TIME, text, value);
	case SCHEMA_RATE:
		return quantity_read(key, UNIT_BITRATE, text, value);
	case SCHEMA_RING:
		return !strcmp(text, "auto");
	case SCHEMA_NAME:
		return name_is_good(text);
	case SCHEMA_IFNAME:
		return ifname_is_good(text);
	case SCHEMA_STRING:
		return *text;
	case SCHEMA_PATH:
		return *text == '/' && strlen(text) <= (size_t)key->max;
	case SCHEMA_URLPATH:
		return *text == '/' && is_printable(text);
	case SCHEMA_HOST: /* a line end in it would be another header of the request */
		return *text && is_printable(text);
	case SCHEMA_URL:
		return is_printable(text) && url_is_good(text);
	case SCHEMA_STATUS:
	case SCHEMA_PORTS:
		return range_read(key, text, value);
	case SCHEMA_LISTEN:
		return listen_is_good(text);
	case SCHEMA_MAC:
		return mac_read(text, value);
	case SCHEMA_ADDRESS:
		return !addr_parse(text, &value->addr);
	case SCHEMA_PREFIX:
		return prefix_read(text, value);
	case SCHEMA_TOKEN:
		return *text && is_printable(text) && strlen(text) <= (size_t)key->max;
	case SCHEMA_CONTAINER:
	case SCHEMA_CONTAINERS:
		return container_is_good(text, key->type == SCHEMA_CONTAINERS);
	case SCHEMA_LABEL:
		return label_is_good(text);
	case SCHEMA_CGROUP:
	case SCHEMA_CGROUPS:
		return cgroup_is_good(text, key->type == SCHEMA_CGROUPS);
	case SCHEMA_NETNS:
		return netns_is_good(text);
	case SCHEMA_INITIATOR:
	case SCHEMA_RESPONDER:
		return party_is_good(text, key->type == SCHEMA_RESPONDER);
	case SCHEMA_BIND:
		return bind_read(key, text, value);
	default:
		return false;
	}
}

static bool integer_read(const struct schema_key *key, int64_t number, struct value *value)
{
	value->number = value->last = number;
	switch (key->type) {
	case SCHEMA_INTEGER:
	case SCHEMA_NUMBERED:
	case SCHEMA_PORTS:
	case SCHEMA_BIND:
	case SCHEMA_STATUS:
		return in_range(key, number);
	case SCHEMA_POWER:
		return in_range(key, number) && !(number & (number - 1));
	case SCHEMA_RING:
		return in_range(key, number) && ring_size_is_prime((uint32_t)number);
	default:
		return false;
	}
}

bool value_read(const struct schema_key *key, const config_setting_t *scalar,
		struct value *ret_value)
{
	struct value value = { 0 };
	bool good = false;

	switch (config_setting_type(scalar)) {
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_INT64:
		good = integer_read(key, config_setting_get_int64(scalar), &value);
		break;
	case CONFIG_TYPE_BOOL:
		value.number = config_setting_get_bool(scalar);
		good = key->type == SCHEMA_BOOL;
		break;
	case CONFIG_TYPE_STRING:
		good = text_read(key, config_setting_get_string(scalar), &value);
		break;
	}
	if (good)
		*ret_value = value;
	return good;
}

struct value value_fallback(const struct schema_key *key)
{
	struct value value = { 0 };

	if (!key->fallback)
		return value;
	if (key->type == SCHEMA_INTEGER || key->type == SCHEMA_POWER)
		integer_read(key, strtol(key->fallback, NULL, 10), &value);
	else if (key->type == SCHEMA_BOOL)
		value.number = !strcmp(key->fallback, "true");
	else
		text_read(key, key->fallback, &value);
	return value;
}

struct value *value_read_array(const struct schema_key *key, const config_setting_t *setting,
			       size_t *ret_count)
{
	int length = setting && config_setting_is_array(setting) ?
		     config_setting_length(setting) : 0;
	struct value *values = mem_array((size_t)length, sizeof(*values));

	*ret_count = 0;
	for (int i = 0; i < length; i++)
		if (value_read(key, config_setting_get_elem(setting, (unsigned int)i),
			       &values[*ret_count]))
			++*ret_count;
	return values;
}
