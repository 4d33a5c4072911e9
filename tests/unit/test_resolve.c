/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Backends that are containers become addresses, or rows that say why they have none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lb/model/resolve.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))
#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd"

static struct config *read_config(const char *services)
{
	_cleanup_diag_ struct diag diag = { 0 };
	struct config *config;
	char text[4096];

	snprintf(text, sizeof(text), "version = 1; interfaces = ( { name = \"eth0\"; } );\n"
				     "services = ( %s );\n", services);
	if (config_load_text("lb.conf", text, &config, &diag))
		fail_msg("%s", diag_text(&diag));
	return config;
}

/* Backends of one service with both families' vips. */
static struct config *read_backends(const char *backends)
{
	char text[4096];

	snprintf(text, sizeof(text), "{ name = \"web\"; vips = [ \"203.0.113.10\", "
				     "\"2001:db8::10\" ]; ports = [ 80 ]; backends = ( %s ); }",
		 backends);
	return read_config(text);
}

#define V4(text) .address[0] = text, .has_address[0] = true

static struct addr of(const char *text)
{
	struct addr addr;

	assert_int_equal(addr_parse(text, &addr), 0);
	return addr;
}

/* The containers of these tests; what the text does not say of them is as it is mostly. */
struct fixture {
	struct container list[8];
	struct container_network networks[8][2];
	struct containers all;
};

static char *app_web[] = { (char *)"app=web", (char *)"tier=front" };

static void add(struct fixture *fixture, const char *name, const char *address4,
		const char *address6)
{
	static const char *const ids[] = { HEX "00", HEX "01", HEX "02", HEX "03",
					   HEX "04", HEX "05", HEX "06", HEX "07" };
	size_t i = fixture->all.count++;
	struct container_network *network = fixture->networks[i];

	assert_in_range(i, 0, 7);
	network->name = (char *)"bridge";
	network->has_address[0] = address4 != NULL;
	network->has_address[1] = address6 != NULL;
	if (address4)
		network->address[0] = of(address4);
	if (address6)
		network->address[1] = of(address6);
	fixture->list[i] = (struct container){ .id = (char *)ids[i], .name = (char *)name,
					       .labels = app_web, .label_count = 2,
					       .networks = network, .network_count = 1,
					       .running = true };
	fixture->all.list = fixture->list;
}

static const struct config_backend *row(const struct config *config, size_t service,
					const char *name)
{
	for (size_t b = 0; b < config->services[service].backend_count; b++)
		if (!strcmp(config->services[service].backends[b].name, name))
			return &config->services[service].backends[b];
	fail_msg("no backend %s", name);
	return NULL;
}

static void assert_address(const struct config_backend *backend, const char *address)
{
	struct addr wanted = of(address);
	int family = !addr_is_ipv4(&wanted);

	assert_null(backend->trouble);
	assert_true(backend->has_address[family]);
	assert_true(addr_equal(&backend->address[family], &wanted));
}

static void assert_trouble(const struct config_backend *backend, const char *text)
{
	assert_non_null(backend->trouble);
	assert_string_equal(backend->trouble, text);
	assert_true(backend->has_address[0] != backend->has_address[1]);
	assert_true(addr_is_nobody(&backend->address[backend->has_address[1]]));
}

static void end(struct config *resolved, struct config *written)
{
	config_resolved_free(resolved);
	config_free(written);
}

/* ---- names and labels ----------------------------------------------------------------------- */

static void a_container_has_its_addresses_and_the_backend_s_own_keys(void **state)
{
	struct config *written = read_backends(
		"{ name = \"a\"; container = \"web-a\"; port = 8080; weight = 7; },"
		"{ name = \"b\"; address = [ \"10.0.0.9\" ]; port = 8080; }");
	struct fixture fixture = { 0 };
	struct config *resolved;

	(void)state;
	add(&fixture, "web-a", "172.17.0.2", "fd00::2");
	resolved = config_resolve(written, &fixture.all, NULL);
	assert_address(row(resolved, 0, "a"), "172.17.0.2");
	assert_address(row(resolved, 0, "a"), "fd00::2");
	assert_int_equal(row(resolved, 0, "a")->weight, 7);
	assert_int_equal(row(resolved, 0, "a")->port, 8080);
	assert_address(row(resolved, 0, "b"), "10.0.0.9");
	assert_false(row(resolved, 0, "b")->has_address[1]);
	assert_null(row(written, 0, "a")->trouble);
	end(resolved, written);
}

static void a_label_is_one_backend_for_each_container_by_name(void **state)
{
	struct config *written = read_backends(
		"{ name = \"first\"; address = [ \"10.0.0.9\" ]; port = 8080; },"
		"{ name = \"web\"; label = \"app=web\"; port = 8080; }");
	struct fixture fixture = { 0 };
	struct config *resolved;

	(void)state;
	add(&fixture, "a", "172.17.0.2", NULL);
	add(&fixture, "b", "172.17.0.3", NULL);
	add(&fixture, "c", "172.17.0.4", NULL);
	fixture.list[1].label_count = 0;
	fixture.list[2].running = false;
	resolved = config_resolve(written, &fixture.all, NULL);
	assert_int_equal(resolved->services[0].backend_count, 3);
	assert_string_equal(resolved->services[0].backends[0].name, "first");
	assert_string_equal(resolved->services[0].backends[1].name, "web.a");
	assert_string_equal(resolved->services[0].backends[2].name, "web.c");
	assert_address(row(resolved, 0, "web.a"), "172.17.0.2");
	assert_trouble(row(resolved, 0, "web.c"), "container c is not running");
	end(resolved, written);
}

static void what_cannot_be_a_backend_s_name_stands_under_its_id(void **state)
{
	struct config *written = read_backends(
		"{ name = \"web.a\"; address = [ \"10.0.0.9\" ]; port = 8080; },"
		"{ name = \"web\"; label = \"tier\"; port = 8080; }");
	struct fixture fixture = { 0 };
	struct config *resolved;
	char longest[80];

	(void)state;
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	add(&fixture, "a", "172.17.0.2", NULL);
	add(&fixture, "b\"c", "172.17.0.3", NULL);
	add(&fixture, longest, "172.17.0.4", NULL);
	fixture.list[0].id = (char *)"aaaaaaaaaaaaaaaa";
	fixture.list[1].id = (char *)"bbbbbbbbbbbbbbbb";
	fixture.list[2].id = (char *)"cccccccccccccccc";
	resolved = config_resolve(written, &fixture.all, NULL);
	assert_address(row(resolved, 0, "web.a"), "10.0.0.9");
	assert_address(row(resolved, 0, "web.aaaaaaaaaaaa"), "172.17.0.2");
	assert_address(row(resolved, 0, "web.bbbbbbbbbbbb"), "172.17.0.3");
	assert_address(row(resolved, 0, "web.cccccccccccc"), "172.17.0.4");
	end(resolved, written);
}

/* ---- why there is no address ---------------------------------------------------------------- */

static void a_container_without_an_address_says_why(void **state)
{
	struct config *written = read_backends(
		"{ name = \"none\"; container = \"nobody\"; port = 8080; },"
		"{ name = \"unlabelled\"; label = \"app=db\"; port = 8080; },"
		"{ name = \"stopped\"; container = \"stopped\"; port = 8080; },"
		"{ name = \"host\"; container = \"host\"; port = 8080; },"
		"{ name = \"bare\"; container = \"bare\"; port = 8080; },"
		"{ name = \"two\"; container = \"two\"; port = 8080; },"
		"{ name = \"off\"; container = \"two\"; network = \"none\"; port = 8080; },"
		"{ name = \"front\"; container = \"two\"; network = \"front\"; port = 8080; }");
	struct fixture fixture = { 0 };
	struct config *resolved;

	(void)state;
	add(&fixture, "bare", NULL, NULL);
	add(&fixture, "host", NULL, NULL);
	fixture.list[1].host_network = true;
	add(&fixture, "stopped", "172.17.0.2", NULL);
	fixture.list[2].running = false;
	add(&fixture, "two", "172.17.0.3", NULL);
	fixture.networks[3][1] = (struct container_network){ (char *)"front", V4(of("10.9.0.3")) };
	fixture.list[3].network_count = 2;
	resolved = config_resolve(written, &fixture.all, NULL);
	assert_trouble(row(resolved, 0, "none"), "container nobody does not exist");
	assert_trouble(row(resolved, 0, "unlabelled"), "no container has the label app=db");
	assert_trouble(row(resolved, 0, "stopped"), "container stopped is not running");
	assert_trouble(row(resolved, 0, "host"),
		       "container host has the host's network and no address of its own");
	assert_trouble(row(resolved, 0, "bare"), "container bare has no address");
	assert_trouble(row(resolved, 0, "two"),
		       "container two is on several networks: \"network\" must say which");
	assert_trouble(row(resolved, 0, "off"), "container two is not on network none");
	assert_address(row(resolved, 0, "front"), "10.9.0.3");
	end(resolved, written);
}

static void an_address_that_no_vip_reaches_is_none(void **state)
{
	struct config *written = read_config(
		"{ name = \"four\"; vips = [ \"203.0.113.10\" ]; ports = [ 80 ];"
		"  backends = ( { name = \"a\"; container = \"six\"; port = 8080; } ); },"
		"{ name = \"tunnel\"; vips = [ \"203.0.113.11\" ]; ports = [ 80 ]; forward = "
		"  \"ipip\"; backends = ( { name = \"a\"; container = \"six\"; } ); },"
		"{ name = \"six\"; vips = [ \"2001:db8::9\" ]; ports = [ 80 ];"
		"  backends = ( { name = \"a\"; container = \"nobody\"; port = 8081; } ); }");
	struct fixture fixture = { 0 };
	struct config *resolved;

	(void)state;
	add(&fixture, "six", NULL, "fd00::6");
	resolved = config_resolve(written, &fixture.all, NULL);
	assert_trouble(row(resolved, 0, "a"), "container six has no address on network bridge that "
					      "the vips could reach");
	assert_address(row(resolved, 1, "a"), "fd00::6");
	assert_trouble(row(resolved, 2, "a"), "container nobody does not exist");
	assert_true(row(resolved, 2, "a")->has_address[1]);
	end(resolved, written);
}

static void a_container_in_another_s_namespace_has_that_one_s_address(void **state)
{
	struct config *written =
		read_backends("{ name = \"side\"; container = \"side\"; port = 8080; }");
	struct fixture fixture = { 0 };
	struct config *resolved;

	(void)state;
	add(&fixture, "main", "172.17.0.2", NULL);
	add(&fixture, "side", NULL, NULL);
	fixture.list[1].network_of = fixture.list[0].id;
	resolved = config_resolve(written, &fixture.all, NULL);
	assert_address(row(resolved, 0, "side"), "172.17.0.2");
	config_resolved_free(resolved);
	fixture.list[0].running = false;
	resolved = config_resolve(written, &fixture.all, NULL);
	assert_trouble(row(resolved, 0, "side"), "container side is not running");
	end(resolved, written);
}

static void without_a_runtime_every_container_says_so_and_nobody_else(void **state)
{
	struct config *written = read_backends(
		"{ name = \"a\"; container = \"a\"; port = 8080; },"
		"{ name = \"b\"; label = \"app=web\"; port = 8080; },"
		"{ name = \"c\"; address = [ \"10.0.0.9\" ]; port = 8080; }");
	const struct containers none = { 0 };
	struct config *resolved = config_resolve(written, &none, "it is silent");

	(void)state;
	assert_int_equal(resolved->services[0].backend_count, 3);
	assert_trouble(row(resolved, 0, "a"), "it is silent");
	assert_trouble(row(resolved, 0, "b"), "it is silent");
	assert_address(row(resolved, 0, "c"), "10.0.0.9");
	assert_false(addr_equal(&row(resolved, 0, "a")->address[0],
				&row(resolved, 0, "b")->address[0]));
	end(resolved, written);
}

/* ---- who stands in whose way ---------------------------------------------------------------- */

#define NAT_AGAIN "it has the address of one/a, and with nat a reply could not tell which"

static void what_a_reply_could_not_tell_apart_is_down_and_not_an_error(void **state)
{
	static const struct {
		const char *what, *one, *two, *trouble;
	} rows[] = {
		{ "another vip", "container = \"a\"; port = 8080;",
		  "container = \"a\"; port = 8080;", NAT_AGAIN },
		{ "by name and by label", "container = \"a\"; port = 8080;",
		  "label = \"app=web\"; port = 8080;", NAT_AGAIN },
		{ "an address of the file goes before a container",
		  "address = [ \"172.17.0.2\" ]; port = 8080;", "container = \"a\"; port = 8080;",
		  NAT_AGAIN },
		{ "another port", "container = \"a\"; port = 8080;",
		  "container = \"a\"; port = 8081;", NULL },
		{ "the packet's own port and this one", "container = \"a\"; port = 443;",
		  "container = \"a\";", NAT_AGAIN },
		{ "another way", "container = \"a\"; port = 8080;",
		  "container = \"a\"; forward = \"dsr\";", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct fixture fixture = { 0 };
		const struct config_backend *again;
		struct config *written, *resolved;
		char text[1024];

		snprintf(text, sizeof(text),
			 "{ name = \"one\"; vips = [ \"203.0.113.1\" ]; ports = [ 80 ];"
			 "  backends = ( { name = \"a\"; %s } ); },"
			 "{ name = \"two\"; vips = [ \"203.0.113.2\" ]; ports = [ 443 ];"
			 "  backends = ( { name = \"a\"; %s } ); }", rows[i].one, rows[i].two);
		written = read_config(text);
		add(&fixture, "a", "172.17.0.2", NULL);
		resolved = config_resolve(written, &fixture.all, NULL);
		again = &resolved->services[1].backends[0];
		assert_address(&resolved->services[0].backends[0], "172.17.0.2");
		if (rows[i].trouble ? !again->trouble || strcmp(again->trouble, rows[i].trouble)
				    : again->trouble != NULL)
			fail_msg("%s: %s", rows[i].what, again->trouble ? again->trouble : "none");
		end(resolved, written);
	}
}

static void a_later_service_s_own_address_goes_before_a_container(void **state)
{
	struct config *written = read_config(
		"{ name = \"one\"; vips = [ \"203.0.113.1\" ]; ports = [ 80 ];"
		"  backends = ( { name = \"a\"; container = \"a\"; port = 8080; } ); },"
		"{ name = \"two\"; vips = [ \"203.0.113.2\" ]; ports = [ 80 ];"
		"  backends = ( { name = \"a\"; address = [ \"172.17.0.2\" ]; port = 8080; } ); }");
	struct fixture fixture = { 0 };
	struct config *resolved;

	(void)state;
	add(&fixture, "a", "172.17.0.2", NULL);
	resolved = config_resolve(written, &fixture.all, NULL);
	assert_trouble(row(resolved, 0, "a"), "it has the address of two/a, and with nat a reply "
					      "could not tell which");
	assert_address(row(resolved, 1, "a"), "172.17.0.2");
	end(resolved, written);
}

static void a_service_has_no_container_twice(void **state)
{
	struct config *written = read_backends(
		"{ name = \"all\"; label = \"app=web\"; port = 8080; },"
		"{ name = \"a\"; container = \"a\"; port = 8080; },"
		"{ name = \"admin\"; container = \"a\"; port = 8081; }");
	struct fixture fixture = { 0 };
	struct config *resolved;

	(void)state;
	add(&fixture, "a", "172.17.0.2", NULL);
	resolved = config_resolve(written, &fixture.all, NULL);
	assert_address(row(resolved, 0, "all.a"), "172.17.0.2");
	assert_trouble(row(resolved, 0, "a"), "it has the address of web/all.a");
	assert_address(row(resolved, 0, "admin"), "172.17.0.2");
	end(resolved, written);
}

/* ---- as a value ----------------------------------------------------------------------------- */

static void two_resolutions_are_equal_if_their_backends_are(void **state)
{
	struct config *written =
		read_backends("{ name = \"all\"; label = \"app=web\"; port = 8080; }");
	struct fixture fixture = { 0 };
	struct config *before, *same, *moved, *more;

	(void)state;
	add(&fixture, "a", "172.17.0.2", NULL);
	before = config_resolve(written, &fixture.all, NULL);
	fixture.list[0].detailed = true;
	same = config_resolve(written, &fixture.all, NULL);
	fixture.networks[0][0].address[0] = of("172.17.0.3");
	moved = config_resolve(written, &fixture.all, NULL);
	add(&fixture, "b", "172.17.0.4", NULL);
	more = config_resolve(written, &fixture.all, NULL);
	assert_true(config_resolved_equal(before, same));
	assert_false(config_resolved_equal(before, moved));
	assert_false(config_resolved_equal(moved, more));
	config_resolved_free(before);
	config_resolved_free(same);
	config_resolved_free(moved);
	end(more, written);
}

static void only_nobody_s_addresses_are_nobody_s(void **state)
{
	static const struct {
		const char *addr;
		bool nobody;
	} rows[] = {
		{ "0.0.0.1", true }, { "0.255.255.255", true }, { "1.0.0.0", false },
		{ "10.0.0.1", false }, { "::e00:0:0:1", true }, { "::1", false }, { "::", false },
		{ "64:ff9b::1", false }, { "2001:db8::e00:0:0:1", false },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct addr addr = of(rows[i].addr);

		if (addr_is_nobody(&addr) != rows[i].nobody)
			fail_msg("%s", rows[i].addr);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_container_has_its_addresses_and_the_backend_s_own_keys),
		cmocka_unit_test(a_label_is_one_backend_for_each_container_by_name),
		cmocka_unit_test(what_cannot_be_a_backend_s_name_stands_under_its_id),
		cmocka_unit_test(a_container_without_an_address_says_why),
		cmocka_unit_test(an_address_that_no_vip_reaches_is_none),
		cmocka_unit_test(a_container_in_another_s_namespace_has_that_one_s_address),
		cmocka_unit_test(without_a_runtime_every_container_says_so_and_nobody_else),
		cmocka_unit_test(what_a_reply_could_not_tell_apart_is_down_and_not_an_error),
		cmocka_unit_test(a_later_service_s_own_address_goes_before_a_container),
		cmocka_unit_test(a_service_has_no_container_twice),
		cmocka_unit_test(two_resolutions_are_equal_if_their_backends_are),
		cmocka_unit_test(only_nobody_s_addresses_are_nobody_s),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
