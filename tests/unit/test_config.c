/* SPDX-License-Identifier: GPL-2.0-or-later */
/* config/: lb.conf to values and errors. Each file NAME.conf in tests/unit/config is a test of its
 * own: with NAME.expected beside it, it is refused with exactly those lines; without, it is taken.
 * Run from the root of the project. */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config.h"
#include "tests/unit/config_loaded.h"

#define CORPUS	"tests/unit/config"
#define EXAMPLE "../../../config/examples/lb.conf" /* from the corpus */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* --- the corpus --- */

static char *file_text(const char *name)
{
	FILE *file = fopen(name, "r");
	char *text = NULL;
	size_t size = 0;

	if (!file)
		return NULL;
	if (getdelim(&text, &size, EOF, file) < 0) {
		free(text);
		text = strdup("");
	}
	fclose(file);
	return text;
}

static void corpus_file(void **state)
{
	const char *name = *state;
	_cleanup_diag_ struct diag diag = { 0 };
	struct config untouched, *config = &untouched;
	char expected_name[300];
	char *expected, *found;
	int error;

	snprintf(expected_name, sizeof(expected_name), "%.*s.expected",
		 (int)(strlen(name) - strlen(".conf")), name);
	expected = file_text(expected_name);
	error = config_load(name, &config, &diag);
	found = diag_text(&diag);
	assert_string_equal(found, expected ? expected : "");
	assert_int_equal(error, expected ? -EINVAL : 0);
	if (expected)
		assert_ptr_equal(config, &untouched);
	else
		config_free(config);
	free(found);
	free(expected);
}

static int is_conf(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return len > 5 && !strcmp(entry->d_name + len - 5, ".conf");
}

static int run_corpus(void)
{
	struct dirent **entries;
	int count = scandir(".", &entries, is_conf, alphasort);
	struct CMUnitTest *tests;
	int failed;

	if (count < 60) {
		fprintf(stderr, "only %d files in %s\n", count, CORPUS);
		return 1;
	}
	tests = calloc((size_t)count, sizeof(*tests));
	for (int i = 0; i < count; i++)
		tests[i] = (struct CMUnitTest){
			.name = entries[i]->d_name,
			.test_func = corpus_file,
			.initial_state = entries[i]->d_name,
		};
	failed = _cmocka_run_group_tests(CORPUS, tests, (size_t)count, NULL, NULL);
	for (int i = 0; i < count; i++)
		free(entries[i]);
	free(entries);
	free(tests);
	return failed;
}

/* --- values --- */

static void every_built_key_reaches_its_field(void **state)
{
	static const unsigned char mac[6] = { 2, 0, 0, 10, 11, 12 };
	_cleanup_config_ struct config *config = loaded("good_everything_built.conf");
	const struct config_service *web = &config->services[0];
	const struct config_backend *backends = web->backends;

	(void)state;
	assert_string_equal(config->file, "good_everything_built.conf");
	assert_int_equal(config->interface_count, 3);
	assert_string_equal(config->interfaces[0].name, "eth0");
	assert_int_equal(config->interfaces[0].mode, CONFIG_MODE_AUTO);
	assert_false(config->interfaces[0].optional);
	assert_int_equal(config->interfaces[1].mode, CONFIG_MODE_NATIVE);
	assert_string_equal(config->interfaces[2].name, "eth2.100");
	assert_int_equal(config->interfaces[2].mode, CONFIG_MODE_GENERIC);
	assert_true(config->interfaces[2].optional);
	assert_int_equal(config->interfaces[2].line, 7);

	assert_int_equal(config->service_count, 6);
	assert_string_equal(web->name, "web");
	assert_int_equal(web->line, 11);
	assert_int_equal(web->vip_count, 2);
	assert_addr(&web->vips[0], "2001:db8::10");
	assert_addr(&web->vips[1], "203.0.113.10");
	assert_int_equal(web->protocol, CONFIG_TCP);
	assert_int_equal(web->port_count, 1);
	assert_int_equal(web->ports[0].first, 80);
	assert_int_equal(web->ports[0].last, 80);
	assert_int_equal(web->ports[0].line, 14);
	assert_int_equal(web->forward, CONFIG_NAT);
	assert_int_equal(web->ring_size, 65537);

	assert_int_equal(web->backend_count, 3);
	assert_string_equal(backends[0].name, "web-a");
	assert_int_equal(backends[0].line, 18);
	assert_true(backends[0].has_address[0] && backends[0].has_address[1]);
	assert_addr(&backends[0].address[0], "10.1.0.2");
	assert_addr(&backends[0].address[1], "fd00::2");
	assert_int_equal(backends[0].port, 8080);
	assert_int_equal(backends[0].weight, 0);
	assert_int_equal(backends[0].state, CONFIG_DRAIN);
	assert_int_equal(backends[0].drain_ms, 90000);
	assert_false(backends[0].has_mac);
	assert_null(backends[0].interface);
	assert_false(backends[1].has_address[1]);
	assert_int_equal(backends[1].weight, 65535);
	assert_int_equal(backends[1].state, CONFIG_OFF);
	assert_true(backends[1].has_mac);
	assert_memory_equal(backends[1].mac, mac, sizeof(mac));
	assert_string_equal(backends[1].interface, "veth3");
	assert_addr(&backends[2].address[0], "10.1.0.4");
	assert_int_equal(backends[2].forward, CONFIG_DSR);
	assert_int_equal(backends[2].port, 80);

	assert_string_equal(config->api_socket, "/run/edgelb/lbd.sock");
	assert_string_equal(config->api_http, "[::1]:9180");
	assert_string_equal(config->tuning_pin, "/sys/fs/bpf/edgelb");
	assert_true(config->exclusive);
	assert_string_equal(config->hash_seed, "any text, 5000000000");
	assert_int_equal(config->max_slots, 200000);
}

static void health_and_motion_reach_their_fields(void **state)
{
	_cleanup_config_ struct config *config = loaded("good_everything_built.conf");
	const struct config_service *alive = &config->services[4], *dns = &config->services[1];
	const struct config_backend *a = &alive->backends[0], *b = &alive->backends[1];
	const struct config_backend *sorry = &alive->backends[2];

	(void)state;
	assert_int_equal(alive->track, CONFIG_TRACK_ALWAYS);
	assert_int_equal(alive->idle_timeout_ms, 8 * 3600000);
	assert_int_equal(alive->min_up, 2);
	assert_int_equal(alive->when_down, CONFIG_DOWN_ALL);
	assert_int_equal(alive->on_down, CONFIG_CUT);
	assert_int_equal(a->slow_start_ms, 30000);
	assert_int_equal(a->check.type, CONFIG_CHECK_HTTP);
	assert_int_equal(a->check.fall, 1);
	assert_string_equal(a->check.path, "/healthz");
	assert_string_equal(a->check.host, "a.example");
	assert_int_equal(a->check.expect_min, 204);
	assert_int_equal(a->check.expect_max, 204);
	assert_int_equal(b->slow_start_ms, 24 * 3600000);
	assert_int_equal(b->check.type, CONFIG_CHECK_TCP);
	assert_int_equal(b->check.every_ms, 100);
	assert_int_equal(b->check.timeout_ms, 10);
	assert_int_equal(b->check.rise, 1);
	assert_false(b->backup);
	assert_true(sorry->backup);
	assert_int_equal(sorry->check.type, CONFIG_CHECK_NONE);
	/* Nothing can be tried of udp unless it is told how. */
	assert_int_equal(dns->backends[0].check.type, CONFIG_CHECK_NONE);
}

static void encapsulation_reaches_its_fields(void **state)
{
	_cleanup_config_ struct config *config = loaded("good_everything_built.conf");
	const struct config_service *far = &config->services[5], *web = &config->services[0];

	(void)state;
	assert_int_equal(far->hash, CONFIG_HASH_SOURCE);
	assert_int_equal(far->mss, 1400);
	assert_true(far->has_encap_source[0] && far->has_encap_source[1]);
	assert_addr(&far->encap_source[0].addr, "192.0.2.0");
	assert_int_equal(far->encap_source[0].len, 96 + 28);
	assert_addr(&far->encap_source[1].addr, "2001:db8:5::");
	assert_int_equal(far->encap_source[1].len, 124);
	assert_int_equal(far->backends[0].forward, CONFIG_IPIP);
	assert_int_equal(far->backends[1].forward, CONFIG_GUE);
	assert_int_equal(web->hash, CONFIG_HASH_5TUPLE);
	assert_int_equal(web->mss, 0);
	assert_false(web->has_encap_source[0] || web->has_encap_source[1]);
}

static void ports_are_integers_ranges_or_any(void **state)
{
	_cleanup_config_ struct config *config = loaded("good_everything_built.conf");
	const struct config_service *dns = &config->services[1];
	const struct config_service *all = &config->services[2];
	const struct config_service *later = &config->services[3];

	(void)state;
	assert_string_equal(dns->name, "Dns.v4_2-x");
	assert_int_equal(dns->protocol, CONFIG_UDP);
	assert_int_equal(dns->port_count, 2);
	assert_int_equal(dns->ports[0].first, 53);
	assert_int_equal(dns->ports[0].last, 53);
	assert_int_equal(dns->ports[1].first, 8000);
	assert_int_equal(dns->ports[1].last, 8099);
	assert_int_equal(all->port_count, 1);
	assert_int_equal(all->ports[0].first, 0);
	assert_int_equal(all->ports[0].last, 0);
	assert_int_equal(later->ports[0].first, 443);
	assert_int_equal(later->ports[1].first, 22);
	assert_int_equal(later->backend_count, 0);
	assert_int_equal(later->when_down, CONFIG_DOWN_REJECT);
}

static void what_a_file_does_not_say_is_built_in(void **state)
{
	_cleanup_config_ struct config *config = loaded("good_smallest.conf");
	_cleanup_config_ struct config *include = loaded("good_include.conf");
	const struct config_service *web = &include->services[0];
	const struct config_backend *backend = &web->backends[1];

	(void)state;
	assert_true(include->includes);
	assert_false(config->includes);
	assert_int_equal(config->interface_count, 0);
	assert_int_equal(config->service_count, 0);
	assert_null(config->api_socket);
	assert_null(config->api_http);
	assert_null(config->tuning_pin);
	assert_null(config->hash_seed);
	assert_null(config->policy);
	assert_string_equal(config->runtime_socket, "/var/run/docker.sock");
	assert_false(config->exclusive);
	assert_int_equal(config->max_slots, CONFIG_MAX_SLOTS);

	assert_int_equal(web->protocol, CONFIG_TCP);
	assert_int_equal(web->forward, CONFIG_NAT);
	assert_int_equal(web->hash, CONFIG_HASH_5TUPLE);
	assert_int_equal(web->track, CONFIG_TRACK_MOVES);
	assert_int_equal(web->ring_size, 0);
	assert_int_equal(web->min_up, 1);
	assert_int_equal(web->when_down, CONFIG_DOWN_DROP);
	assert_int_equal(web->on_down, CONFIG_KEEP);
	assert_int_equal(web->idle_timeout_ms, 135 * 60000);

	assert_int_equal(web->backend_count, 2);
	assert_string_equal(backend->name, "web-b");
	assert_int_equal(backend->line, 3); /* of the included file */
	assert_int_equal(backend->port, 0);
	assert_int_equal(backend->forward, CONFIG_NAT);
	assert_int_equal(backend->weight, 100);
	assert_int_equal(backend->state, CONFIG_UP);
	assert_false(backend->backup);
	assert_int_equal(backend->drain_ms, 5 * 60000);
	assert_int_equal(backend->slow_start_ms, 0);
	assert_int_equal(backend->check.type, CONFIG_CHECK_TCP);
	assert_int_equal(backend->check.every_ms, 2000);
	assert_int_equal(backend->check.timeout_ms, 1000);
	assert_int_equal(backend->check.fall, 3);
	assert_int_equal(backend->check.rise, 2);
	assert_string_equal(backend->check.path, "/");
	assert_null(backend->check.host);
	assert_int_equal(backend->check.expect_min, 200);
	assert_int_equal(backend->check.expect_max, 299);
}

static void the_nearest_that_says_a_key_decides(void **state)
{
	_cleanup_config_ struct config *config = loaded("good_precedence.conf");
	const struct config_service *one = &config->services[0], *two = &config->services[1];
	const struct config_backend *a = &one->backends[0], *b = &one->backends[1];

	(void)state;
	assert_int_equal(one->protocol, CONFIG_TCP);	/* service before defaults */
	assert_int_equal(two->protocol, CONFIG_UDP);	/* defaults before built in */
	assert_int_equal(one->ring_size, 0);
	assert_int_equal(two->ring_size, 2003);
	assert_int_equal(one->forward, CONFIG_DSR);
	assert_int_equal(two->forward, CONFIG_NAT);
	assert_int_equal(a->forward, CONFIG_DSR);
	assert_int_equal(b->forward, CONFIG_NAT);	/* backend before all */
	assert_int_equal(a->weight, 20);
	assert_int_equal(b->weight, 30);
	assert_int_equal(two->backends[0].weight, 10);
	assert_int_equal(a->drain_ms, 120000);
	assert_int_equal(b->drain_ms, 180000);
	assert_int_equal(two->backends[0].drain_ms, 60000);
	assert_int_equal(a->state, CONFIG_OFF);
	assert_int_equal(b->state, CONFIG_UP);
	assert_int_equal(two->backends[0].port, 8080);
	assert_int_equal(two->backends[1].port, 8081);
}

static void check_merges_key_by_key(void **state)
{
	_cleanup_config_ struct config *config = loaded("good_precedence.conf");
	const struct config_check *a = &config->services[0].backends[0].check;
	const struct config_check *b = &config->services[0].backends[1].check;
	const struct config_check *two = &config->services[1].backends[0].check;

	(void)state;
	assert_int_equal(a->every_ms, 10000);	/* defaults */
	assert_int_equal(a->timeout_ms, 3000);	/* service */
	assert_int_equal(a->fall, 8);		/* service before defaults */
	assert_int_equal(a->rise, 2);		/* built in */
	assert_string_equal(a->path, "/d");
	assert_string_equal(a->host, "one.example");
	assert_int_equal(a->expect_min, 200);
	assert_int_equal(a->expect_max, 200);
	assert_int_equal(b->fall, 9);		/* backend before service */
	assert_int_equal(b->every_ms, 10000);
	assert_string_equal(b->path, "/b");
	assert_string_equal(b->host, "one.example");
	assert_int_equal(two->fall, 7);
	assert_int_equal(two->timeout_ms, 1000);
	assert_null(two->host);
}

static void backends_that_the_runtime_finds_reach_their_fields(void **state)
{
	_cleanup_config_ struct config *config = loaded("good_backend_found.conf");
	const struct config_backend *backends = config->services[0].backends;

	(void)state;
	assert_true(backends[0].has_address[0]);
	assert_null(backends[0].container);	/* its own address, not the service's container */
	assert_null(backends[0].network);
	assert_string_equal(backends[1].container, "web-b");
	assert_string_equal(backends[1].network, "back");
	assert_true(backends[1].has_mac);
	assert_string_equal(backends[2].label, "app.kubernetes.io/name");
	assert_null(backends[2].container);
	assert_string_equal(backends[2].network, "front");	/* defaults' */
	assert_string_equal(backends[3].label, "app=web");
	assert_string_equal(backends[4].container, "spare");	/* the service's */
	for (int i = 1; i < 6; i++)
		assert_false(backends[i].has_address[0] || backends[i].has_address[1]);
}

static void shipped_example_is_what_the_demo_expects(void **state)
{
	_cleanup_config_ struct config *config = loaded(EXAMPLE);
	const struct config_service *web = &config->services[0];

	(void)state;
	assert_string_equal(config->interfaces[0].name, "front0");
	assert_non_null(config->hash_seed);
	assert_int_equal(config->service_count, 1);
	assert_string_equal(web->name, "web");
	assert_addr(&web->vips[0], "203.0.113.10");
	assert_addr(&web->vips[1], "2001:db8::10");
	assert_int_equal(web->ports[0].first, 80);
	assert_int_equal(web->backend_count, 3);
	assert_string_equal(web->backends[2].name, "web-c");
	assert_addr(&web->backends[2].address[0], "10.1.0.4");
	assert_addr(&web->backends[2].address[1], "fd00::4");
	assert_int_equal(web->backends[2].port, 8080);
}

/* --- what is not in a file of the corpus --- */

static void assert_refused(const char *text, const char *expected)
{
	_cleanup_diag_ struct diag diag = { 0 };
	struct config *config = NULL;
	char *found;

	assert_int_equal(config_load_text("lb.conf", text, &config, &diag), -EINVAL);
	assert_null(config);
	found = diag_text(&diag);
	assert_string_equal(found, expected);
	free(found);
}

static void text_takes_no_include(void **state)
{
	(void)state;
	assert_refused("version = 1;\n@include \"include/backends.conf\"\n",
		       "lb.conf:2: no @include is taken here\n");
}

static void assert_unreadable(const char *name, int error, const char *expected)
{
	_cleanup_diag_ struct diag diag = { 0 };
	struct config *config = NULL;
	char *found;

	assert_int_equal(config_load(name, &config, &diag), error);
	assert_null(config);
	found = diag_text(&diag);
	assert_string_equal(found, expected);
	free(found);
}

static void file_that_cannot_be_read_is_named(void **state)
{
	char name[] = "/tmp/edgelb-test-config.XXXXXX";
	char expected[100];
	int fd = mkstemp(name);

	(void)state;
	assert_unreadable("absent.conf", -ENOENT,
			  "absent.conf: cannot read it: No such file or directory\n");
	assert_unreadable("include", -EISDIR, "include: cannot read it: Is a directory\n");
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "version\0= 1;", 12), 12);
	close(fd);
	snprintf(expected, sizeof(expected),
		 "%s: cannot read it: not a text: there is a NUL byte in it\n", name);
	assert_unreadable(name, -EINVAL, expected);
	unlink(name);
}

static void print_backend(int j, bool two_families, FILE *to)
{
	fprintf(to, "%s\n{ name = \"b%d\"; address = [ \"10.1.%d.%d\"", j ? "," : "", j,
		j / 256, j % 256);
	if (two_families)
		fprintf(to, ", \"fd00::%x\"", (unsigned int)j + 1);
	fputs(" ]; }", to);
}

static char *with_services(int count, const char *ports, int backends_each, bool two_families)
{
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);

	fputs("version = 1;\ntuning: { max_slots = 100000000; };\nservices = (", to);
	for (int i = 0; i < count; i++) {
		fprintf(to, "%s\n{ name = \"s%d\"; ports = [ %s ]; vips = [ \"198.18.%d.%d\"%s ]; "
			"forward = \"dsr\"; backends = (", i ? "," : "", i, ports, i / 256, i % 256,
			two_families ? ", \"2001:db8::1\"" : "");
		for (int j = 0; j < backends_each; j++)
			print_backend(j, two_families, to);
		fputs("); }", to);
	}
	fputs(" );\n", to);
	fclose(to);
	return text;
}

static void assert_services(int count, const char *ports, int backends_each, bool two_families,
			    const char *expected)
{
	char *text = with_services(count, ports, backends_each, two_families);
	_cleanup_config_ struct config *config = NULL;
	_cleanup_diag_ struct diag diag = { 0 };
	char *found;

	assert_int_equal(config_load_text("lb.conf", text, &config, &diag),
			 *expected ? -EINVAL : 0);
	found = diag_text(&diag);
	assert_string_equal(found, expected);
	free(found);
	free(text);
}

static void limits_are_taken_and_one_more_is_refused(void **state)
{
	(void)state;
	assert_services(4095, "80", 1, false, "");
	assert_services(4096, "80", 1, false,
			"lb.conf:3: 4096 services are too many: 4095 at most\n");
	assert_services(1, "80", 32767, false, "");
	assert_services(1, "80", 32768, false,
			"lb.conf:3: 32768 backends, one a family, are too many: 32767 at most\n");
	assert_services(1, "80", 16383, true, "");
	assert_services(1, "80", 16384, true,
			"lb.conf:3: 32768 backends, one a family, are too many: 32767 at most\n");
	assert_services(1, "\"1-32768\"", 1, false, "");
	assert_services(1, "\"1-32769\"", 1, false,
			"lb.conf:3: 32769 pairs of vip and port, ranges counted out, are too many: "
			"32768 at most\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_built_key_reaches_its_field),
		cmocka_unit_test(health_and_motion_reach_their_fields),
		cmocka_unit_test(encapsulation_reaches_its_fields),
		cmocka_unit_test(ports_are_integers_ranges_or_any),
		cmocka_unit_test(what_a_file_does_not_say_is_built_in),
		cmocka_unit_test(the_nearest_that_says_a_key_decides),
		cmocka_unit_test(check_merges_key_by_key),
		cmocka_unit_test(backends_that_the_runtime_finds_reach_their_fields),
		cmocka_unit_test(shipped_example_is_what_the_demo_expects),
		cmocka_unit_test(text_takes_no_include),
		cmocka_unit_test(file_that_cannot_be_read_is_named),
		cmocka_unit_test(limits_are_taken_and_one_more_is_refused),
	};
	int failed;

	if (chdir(CORPUS)) { /* so that FILE in messages is the bare name */
		perror(CORPUS);
		return 1;
	}
	failed = run_corpus();
	return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
