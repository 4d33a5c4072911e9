/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Contradictions in the flows of lb.conf: cgroups that would be seen twice, and a URL that no
 * InfluxDB takes points at. Called by load.c last. What was refused before is never a premise here.
 * No sentence repeats a URL, for it can hold a password. */
#include <string.h>

#include "config/load.h"
#include "config/mem.h"
#include "config/schema.h"
#include "config/url.h"
#include "config/value.h"

#define PATH_1	"/write"	/* where InfluxDB takes points: 1.x */
#define PATH_2	"/api/v2/write"	/* 2.x */

/* What stands there, if it is good; NULL otherwise. */
static const config_setting_t *flows_value(const struct load *load, const char *key,
					   struct value *ret_value)
{
	const config_setting_t *setting = config_setting_get_member(load->flows, key);

	if (!setting || !config_setting_is_scalar(setting) ||
	    !value_read(schema_find(IN_FLOWS, key), setting, ret_value))
		return NULL;
	return setting;
}

/* ---- cgroups --------------------------------------------------------------------------------- */

/* Whether the one is the other, or below it. */
static bool is_within(const char *path, const char *above)
{
	size_t length = strlen(above);

	return !strncmp(path, above, length) && (!path[length] || path[length] == '/');
}

/* With each of those before it that it overlaps with, the first alone is told. */
static void check_cgroup(const struct load *load, const config_setting_t *array, size_t index)
{
	const struct schema_key *key = schema_find(IN_FLOWS, "cgroups");
	const config_setting_t *setting = load_element(array, index);
	char where[LOAD_WHERE_MAX];
	struct value value, other;

	if (!value_read(key, setting, &value))
		return;
	for (size_t i = 0; i < index; i++) {
		const config_setting_t *before = load_element(array, i);

		if (!value_read(key, before, &other))
			continue;
		load_where(load, before, setting, where);
		if (!strcmp(value.text, other.text))
			load_report(load, setting, "duplicate cgroup \"%s\" in flows: %s has it "
				    "already", value.text, where);
		else if (is_within(value.text, other.text))
			load_report(load, setting, "cgroup \"%s\" in flows is below \"%s\" (%s), "
				    "which covers it", value.text, other.text, where);
		else if (is_within(other.text, value.text))
			load_report(load, setting, "cgroup \"%s\" in flows covers \"%s\" (%s), "
				    "which is below it", value.text, other.text, where);
		else
			continue;
		return;
	}
}

static void check_cgroups(const struct load *load)
{
	const config_setting_t *array = config_setting_get_member(load->flows, "cgroups");
	int length = array && config_setting_is_array(array) ? config_setting_length(array) : 0;

	if (length > CONFIG_FLOW_CGROUPS_MAX) {
		load_report(load, array, "%d entries of cgroups are too many: %d at most", length,
			    CONFIG_FLOW_CGROUPS_MAX);
		return;
	}
	for (int i = 0; i < length; i++)
		check_cgroup(load, array, (size_t)i);
}

/* ---- InfluxDB -------------------------------------------------------------------------------- */

static bool has_parameter(const struct url *url, const char *name)
{
	char *value = url_parameter(url, name);
	bool has = value && *value;

	free(value);
	return has;
}

static void check_parameter(const struct load *load, const config_setting_t *place,
			    const struct url *url, const char *name)
{
	if (!has_parameter(url, name))
		load_report(load, place, "key \"influxdb\" in flows says no %s: %s needs \"%s=\" "
			    "behind its \"?\"", name, url->path, name);
}

/* Points carry nanoseconds, which is what both versions expect where the query says nothing. */
static void check_precision(const struct load *load, const config_setting_t *place,
			    const struct url *url)
{
	char *precision = url_parameter(url, "precision");

	if (precision && strcmp(precision, "ns") != 0)
		load_report(load, place, "key \"influxdb\" in flows cannot have precision=%s: "
			    "times are written in nanoseconds, precision=ns", precision);
	free(precision);
}

static void check_url(const struct load *load, const config_setting_t *place,
		      const struct url *url)
{
	if (!strcmp(url->path, PATH_1)) {
		check_parameter(load, place, url, "db");
	} else if (!strcmp(url->path, PATH_2)) {
		check_parameter(load, place, url, "org");
		check_parameter(load, place, url, "bucket");
	} else {
		load_report(load, place, "key \"influxdb\" in flows wants a path of " PATH_1
			    " (1.x) or " PATH_2 " (2.x), not %s", url->path);
		return;
	}
	check_precision(load, place, url);
}

static void check_token(const struct load *load, const config_setting_t *place,
			const struct url *url)
{
	if (!strcmp(url->path, PATH_1))
		load_report(load, place, "key \"influxdb_token\" in flows cannot stand beside "
			    PATH_1 ": tokens are of " PATH_2 ", and 1.x wants USER:PASSWORD@ in "
			    "the URL");
	else if (url->has_user)
		load_report(load, place, "key \"influxdb_token\" in flows cannot stand beside "
			    "USER:PASSWORD@ in the URL: only one of them can say who writes");
}

static void check_influxdb(const struct load *load)
{
	const config_setting_t *url_place, *token_place;
	struct value value, token;
	struct url url;

	url_place = flows_value(load, "influxdb", &value);
	token_place = flows_value(load, "influxdb_token", &token);
	if (token_place && !config_setting_get_member(load->flows, "influxdb"))
		load_report(load, token_place, "key \"influxdb_token\" in flows needs "
			    "\"influxdb\" beside it: the URL that the token is for");
	if (!url_place)
		return;
	url = url_read(value.text);
	check_url(load, url_place, &url);
	if (token_place)
		check_token(load, token_place, &url);
	url_clear(&url);
}

void load_check_flows(const struct load *load)
{
	if (!load->flows)
		return;
	check_cgroups(load);
	check_influxdb(load);
}
