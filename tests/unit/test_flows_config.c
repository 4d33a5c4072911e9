/* SPDX-License-Identifier: GPL-2.0-or-later */
/* config/: the flows of lb.conf to values, and what of a URL is shown. What is refused is in the
 * corpus of test_config.c. Run from the root of the project. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config.h"
#include "config/url.h"
#include "policy/flows_abi.h"
#include "tests/unit/config_loaded.h"

#define CORPUS	"tests/unit/config"
#define EXAMPLE "../../../config/examples/flows.conf" /* from the corpus */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

_Static_assert(CONFIG_FLOW_RECORDS == FLOWS_DEFAULT, "one number of records by default");

static void every_key_reaches_its_field(void **state)
{
	_cleanup_config_ struct config *config = loaded("good_flows.conf");
	const struct config_flows *flows = config->flows;

	(void)state;
	assert_int_equal(flows->interval_ms, 1000);
	assert_int_equal(flows->idle_ms, 3600000);
	assert_int_equal(flows->records, FLOWS_MAX);
	assert_int_equal(flows->keep, 0);
	assert_int_equal(flows->cgroup_count, 3);
	assert_string_equal(flows->cgroups[0], "docker");
	assert_string_equal(flows->cgroups[1], "docker2");
	assert_string_equal(flows->cgroups[2], "machine.slice/db");
	assert_string_equal(flows->influxdb, "https://influx.example:8086/api/v2/write"
					     "?org=o&bucket=b%20c&precision=ns");
	assert_string_equal(flows->influxdb_token, "/etc/edgelb/influxdb.token");
	assert_int_equal(flows->line, 2);
}

static void flows_that_say_nothing_have_what_is_built_in(void **state)
{
	_cleanup_config_ struct config *config = loaded("good_flows_smallest.conf");
	const struct config_flows *flows = config->flows;

	(void)state;
	assert_int_equal(flows->interval_ms, 5000);
	assert_int_equal(flows->idle_ms, 30000);
	assert_int_equal(flows->records, CONFIG_FLOW_RECORDS);
	assert_int_equal(flows->keep, CONFIG_FLOW_KEEP);
	assert_int_equal(flows->cgroup_count, 0);
	assert_null(flows->influxdb);
	assert_null(flows->influxdb_token);
}

static void without_the_group_there_are_none(void **state)
{
	_cleanup_config_ struct config *config = loaded("good_policy_smallest.conf");

	(void)state;
	assert_null(config->flows);
}

/* What it shows is what the keys have where it would say nothing. */
static void the_shipped_example_says_what_is_built_in(void **state)
{
	_cleanup_config_ struct config *built_in = loaded("good_flows_smallest.conf");
	_cleanup_config_ struct config *config = loaded(EXAMPLE);
	const struct config_flows *flows = config->flows;

	(void)state;
	assert_int_equal(flows->interval_ms, built_in->flows->interval_ms);
	assert_int_equal(flows->idle_ms, built_in->flows->idle_ms);
	assert_int_equal(flows->records, built_in->flows->records);
	assert_int_equal(flows->keep, built_in->flows->keep);
	assert_int_equal(flows->cgroup_count, 2);
	assert_string_equal(flows->influxdb, "http://127.0.0.1:8086/write?db=edgelb");
}

static void a_url_is_shown_without_its_secrets(void **state)
{
	static const struct {
		const char *url, *shown;
	} rows[] = {
		{ "http://127.0.0.1:8086/write?db=edgelb", "http://127.0.0.1:8086/write" },
		{ "http://a:b@127.0.0.1:8086/write?db=edgelb", "http://127.0.0.1:8086/write" },
		{ "https://a@influx.example/write?u=a&p=b#c", "https://influx.example/write" },
		{ "http://a:b%40c@[::1]:8086/write?db=e", "http://[::1]:8086/write" },
		{ "http://:b@[::1]/api/v2/write?org=o&bucket=b", "http://[::1]/api/v2/write" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char *shown = url_public(rows[i].url);

		assert_string_equal(shown, rows[i].shown);
		free(shown);
	}
}

static void a_parameter_is_found_by_its_whole_name(void **state)
{
	static const struct {
		const char *query, *name, *value;
	} rows[] = {
		{ "db=edgelb", "db", "edgelb" },
		{ "rp=week&db=edgelb&x=y", "db", "edgelb" },
		{ "xdb=a&dbx=b", "db", NULL },
		{ "db", "db", NULL },
		{ "db&db=c", "db", "c" },
		{ "db=&db=c", "db", "" },
		{ "&&db=c&", "db", "c" },
		{ "", "db", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct url url = { .query = (char *)rows[i].query };
		char *value = url_parameter(&url, rows[i].name);

		if (rows[i].value)
			assert_string_equal(value, rows[i].value);
		else
			assert_null(value);
		free(value);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_reaches_its_field),
		cmocka_unit_test(flows_that_say_nothing_have_what_is_built_in),
		cmocka_unit_test(without_the_group_there_are_none),
		cmocka_unit_test(the_shipped_example_says_what_is_built_in),
		cmocka_unit_test(a_url_is_shown_without_its_secrets),
		cmocka_unit_test(a_parameter_is_found_by_its_whole_name),
	};

	if (chdir(CORPUS)) {
		perror(CORPUS);
		return 1;
	}
	return cmocka_run_group_tests_name("flows_config", tests, NULL, NULL);
}
