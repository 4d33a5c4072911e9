/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who owns a cgroup, and whose an address is. */
#include "tests/unit/flow_ground.h"

/* ---- owners ---------------------------------------------------------------------------------- */

static const char *owner_text(uint64_t cgroup)
{
	static char text[3 * FLOW_NAME_MAX];
	struct flow_owner owner;

	flow_names_owner(names, cgroup, &owner);
	snprintf(text, sizeof(text), "%s|%s|%s", owner.name, owner.cgroup, owner.id);
	return text;
}

static void a_cgroup_is_a_containers_or_stands_under_its_path(void **state)
{
	static const struct {
		const char *sentence;
		uint64_t cgroup;
		const char *owner;
	} rows[] = {
		{ "below docker", CGROUP_WEB, "web|docker/" WEB "|" WEB },
		{ "a scope of systemd's", CGROUP_SCOPE,
		  "web|system.slice/docker-" WEB ".scope|" WEB },
		{ "Podman's", CGROUP_SHOP,
		  "shop|machine.slice/libpod-" SHOP ".scope|" SHOP },
		{ "nested in a container's, it is the container's", CGROUP_SHOP_NESTED,
		  "shop|machine.slice/libpod-" SHOP ".scope|" SHOP },
		{ "a container in a container is the outer one's", CGROUP_INNER,
		  "web|docker/" WEB "|" WEB },
		{ "and so it is where no runtime tells of either", CGROUP_TWICE,
		  "docker/" SILENT "|docker/" SILENT "|" SILENT },
		{ "who looks after a container is not it", CGROUP_CARETAKER,
		  "machine.slice/libpod-conmon-" SHOP ".scope|machine.slice/libpod-conmon-" SHOP
		  ".scope|" },
		{ "no runtime tells of it", CGROUP_SILENT,
		  "libpod_parent/libpod-" SILENT "|libpod_parent/libpod-" SILENT "|" SILENT },
		{ "nor of what is nested in it", CGROUP_SILENT_NESTED,
		  "libpod_parent/libpod-" SILENT "|libpod_parent/libpod-" SILENT "|" SILENT },
		{ "a service of the host", CGROUP_SSH,
		  "system.slice/ssh.service|system.slice/ssh.service|" },
		{ "the root", CGROUP_ROOT, "/|/|" },
		{ "a digit too many is no id", CGROUP_DIGITS, "pod/" WEB "0|pod/" WEB "0|" },
		{ "gone before it was read", CGROUP_GONE, "cgroup 8||" },
		{ "never told of", 4711, "cgroup 4711||" },
		{ "none at all", CGROUP_NONE, "(unknown)||" },
	};
	int failed = 0;

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		const char *owner = owner_text(rows[i].cgroup);

		if (!strcmp(owner, rows[i].owner))
			continue;
		printf("# %s: %s instead of %s\n", rows[i].sentence, owner, rows[i].owner);
		failed++;
	}
	assert_int_equal(failed, 0);
}

static void a_long_path_is_cut_at_the_left(void **state)
{
	struct flow_owner owner;
	const char *path = long_path();

	(void)state;
	flow_names_owner(names, CGROUP_LONG, &owner);
	assert_int_equal(strlen(owner.name), FLOW_NAME_MAX - 1);
	assert_string_equal(owner.name, path + strlen(path) - (FLOW_NAME_MAX - 1));
}

/* It can be of any bytes, and labels, JSON and terminals want text. */
static void a_path_that_is_no_text_is_told_as_text(void **state)
{
	static const struct {
		const char *path, *told;
	} rows[] = {
		{ "lot/gr\xc3\xb6\xc3\x9f" "e", "lot/gr\xc3\xb6\xc3\x9f" "e" },
		{ "lot/a\xff", "lot/a\\xff" },
		{ "lot/a\xfe", "lot/a\\xfe" },
		{ "lot/\xc3", "lot/\\xc3" },
		{ "lot/\x1b[2J", "lot/\\x1b[2J" },
		{ "docker/" WEB "/\xff", "docker/" WEB },
	};
	struct flow_owner owner;

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		flow_names_cgroup(names, CGROUP_BYTES, rows[i].path);
		flow_names_owner(names, CGROUP_BYTES, &owner);
		assert_string_equal(owner.cgroup, rows[i].told);
	}
}

static void a_path_is_cut_between_characters(void **state)
{
	struct flow_owner owner;
	char path[FLOW_NAME_MAX + 2];

	(void)state;
	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	memcpy(path, "\xe5\x90\x8d", 3); /* of which the first byte has no room */
	flow_names_cgroup(names, CGROUP_BYTES, path);
	flow_names_owner(names, CGROUP_BYTES, &owner);
	assert_string_equal(owner.name, path + 3);
}

static void inside_a_container_the_runtimes_own_are_the_inner_ones(void **state)
{
	const struct container inner = { .id = (char *)INNER, .name = (char *)"inner",
					 .running = true };

	(void)state;
	flow_names_containers(names, &inner, 1);
	/* The outer one has had its name from another list; one that never had any gives way. */
	assert_string_equal(owner_text(CGROUP_TWICE),
			    "inner|docker/" SILENT "/docker/" INNER "|" INNER);
}

static void a_container_that_is_gone_keeps_its_name_while_its_cgroup_is_remembered(void **state)
{
	(void)state;
	flow_names_containers(names, NULL, 0);
	assert_string_equal(owner_text(CGROUP_SHOP),
			    "shop|machine.slice/libpod-" SHOP ".scope|" SHOP);
	flow_names_cgroup_forget(names, CGROUP_SHOP);
	assert_string_equal(owner_text(CGROUP_SHOP), "cgroup 3||");
	assert_string_equal(owner_text(CGROUP_SHOP_NESTED),
			    "shop|machine.slice/libpod-" SHOP ".scope|" SHOP);
	flow_names_cgroup_forget(names, CGROUP_SHOP_NESTED);
	flow_names_cgroup(names, CGROUP_SHOP, "machine.slice/libpod-" SHOP ".scope");
	assert_string_equal(owner_text(CGROUP_SHOP), "machine.slice/libpod-" SHOP
			    ".scope|machine.slice/libpod-" SHOP ".scope|" SHOP);
}

static void a_name_that_comes_late_or_changes_is_taken(void **state)
{
	struct container late = { .id = (char *)SILENT, .name = (char *)"late", .running = true };

	(void)state;
	flow_names_containers(names, &late, 1);
	assert_string_equal(owner_text(CGROUP_SILENT_NESTED),
			    "late|libpod_parent/libpod-" SILENT "|" SILENT);
	late.name = (char *)"renamed";
	flow_names_containers(names, &late, 1);
	assert_string_equal(owner_text(CGROUP_SILENT),
			    "renamed|libpod_parent/libpod-" SILENT "|" SILENT);
}

/* Who is asked for, and what is answered, as the runtime's events have it. */
static size_t asked_first, asked_again;

static const char *runtime_names_silent(const char *id, bool first, void *data)
{
	asked_first += first;
	asked_again += !first;
	return data && !strcmp(id, SILENT) ? data : NULL;
}

static void who_has_no_name_is_asked_for_until_it_has(void **state)
{
	struct flow_renamed *late;
	size_t count;

	(void)state;
	late = flow_names_late(names, &count);
	assert_string_equal(flow_renamed_to(late, count, "docker/" WEB), "web");
	free(late);
	asked_first = asked_again = 0;
	assert_true(flow_names_wants(names));
	flow_names_ask(names, runtime_names_silent, NULL);
	/* Two cgroups of SILENT, and one below it with two ids in its path. */
	assert_int_equal(asked_first, 4);
	assert_int_equal(asked_again, 0);
	assert_false(flow_names_wants(names));
	assert_null(flow_names_late(names, &count));
	flow_names_cgroup(names, CGROUP_NEW, "docker/" SILENT "/late");
	assert_true(flow_names_wants(names));
	flow_names_ask(names, runtime_names_silent, (void *)"quiet");
	assert_string_equal(owner_text(CGROUP_NEW), "quiet|docker/" SILENT "|" SILENT);
	assert_string_equal(owner_text(CGROUP_SILENT_NESTED),
			    "quiet|libpod_parent/libpod-" SILENT "|" SILENT);
	late = flow_names_late(names, &count);
	assert_string_equal(flow_renamed_to(late, count, "libpod_parent/libpod-" SILENT), "quiet");
	assert_string_equal(flow_renamed_to(late, count, "docker/" SILENT), "quiet");
	assert_null(flow_renamed_to(late, count, "docker/" WEB));
	assert_null(flow_renamed_to(late, count, "quiet"));
	free(late);
	assert_null(flow_names_late(names, &count));
	assert_int_equal(count, 0);
	/* It is in no list, and keeps its name; nobody asks for it any more. */
	asked_first = asked_again = 0;
	runtime_tells();
	flow_names_ask(names, runtime_names_silent, NULL);
	assert_int_equal(asked_first + asked_again, 0);
	assert_string_equal(owner_text(CGROUP_SILENT),
			    "quiet|libpod_parent/libpod-" SILENT "|" SILENT);
}

static void a_path_that_was_read_is_not_lost_with_the_cgroup(void **state)
{
	(void)state;
	flow_names_cgroup(names, CGROUP_SSH, NULL);
	assert_string_equal(owner_text(CGROUP_SSH),
			    "system.slice/ssh.service|system.slice/ssh.service|");
	flow_names_cgroup(names, CGROUP_GONE, "came/back");
	assert_string_equal(owner_text(CGROUP_GONE), "came/back|came/back|");
	flow_names_cgroup(names, CGROUP_GONE, "docker/" WEB);
	assert_string_equal(owner_text(CGROUP_GONE), "web|docker/" WEB "|" WEB);
}

/* ---- learning -------------------------------------------------------------------------------- */

static void flow_seen(uint64_t cgroup, uint64_t netns, const char *local,
		      enum flow_direction direction, uint64_t start_ns)
{
	struct flow flow = flow_of("0 tcp :: 80 > 192.0.2.99 80");

	flow.cgroup = cgroup;
	flow.netns = netns;
	flow.direction = (__u8)direction;
	flow.start_ns = start_ns;
	address_put(flow.local, local);
	flow_names_learn(names, &flow, HOST_NETNS);
}

/* Who is at the other end. */
static const char *name_of(const char *remote)
{
	struct flow flow = flow_of("web tcp 10.1.0.2 22 < :: 9");
	static struct flow_ends ends;

	address_put(flow.remote, remote);
	flow_names_ends(names, &flow, &ends);
	assert_int_equal(ends.elsewhere, ends.from.kind == FLOW_CONTAINER);
	return ends.from.name;
}

static void an_address_is_whose_flows_have_it(void **state)
{
	(void)state;
	assert_string_equal(name_of("10.5.0.2"), "10.5.0.0/24");
	flow_seen(CGROUP_BATCH, 7, "10.5.0.2", FLOW_OUT, 1);
	assert_string_equal(name_of("10.5.0.2"), "batch.slice");
	flow_seen(CGROUP_SILENT_NESTED, 8, "fd05::2", FLOW_IN, 1);
	assert_string_equal(name_of("fd05::2"), "libpod_parent/libpod-" SILENT);
}

static void what_says_nothing_is_not_learned(void **state)
{
	static const struct {
		const char *sentence, *local;
		uint64_t cgroup, netns;
	} rows[] = {
		{ "an address of the host", "10.5.0.2", CGROUP_BATCH, HOST_NETNS },
		{ "in a namespace that is not known yet", "10.5.0.2", CGROUP_BATCH, 0 },
		{ "of a cgroup that is not known", "10.5.0.2", 4711, 7 },
		{ "of no cgroup", "10.5.0.2", CGROUP_NONE, 7 },
		{ "loopback", "127.0.0.2", CGROUP_BATCH, 7 },
		{ "loopback of IPv6", "::1", CGROUP_BATCH, 7 },
		{ "a vip", "203.0.113.53", CGROUP_BATCH, 7 },
		{ "a vip of IPv6", "2001:db8::10", CGROUP_BATCH, 7 },
		{ "multicast", "224.0.0.251", CGROUP_BATCH, 7 },
		{ "broadcast", "255.255.255.255", CGROUP_BATCH, 7 },
		{ "multicast of IPv6", "ff02::fb", CGROUP_BATCH, 7 },
		{ "no address", "0.0.0.0", CGROUP_BATCH, 7 },
		{ "no address of IPv6", "::", CGROUP_BATCH, 7 },
	};
	int failed = 0;

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		const char *name;

		flow_seen(rows[i].cgroup, rows[i].netns, rows[i].local, FLOW_OUT, 1);
		name = name_of(rows[i].local);
		if (strcmp(name, "batch.slice") != 0)
			continue;
		printf("# %s: %s\n", rows[i].sentence, name);
		failed++;
	}
	assert_int_equal(failed, 0);
}

static void the_runtime_knows_better_than_flows(void **state)
{
	(void)state;
	flow_seen(CGROUP_BATCH, 7, "10.1.0.9", FLOW_IN, 1);
	assert_string_equal(name_of("10.1.0.9"), "shop");
}

static void in_another_namespace_the_last_one_has_the_address(void **state)
{
	(void)state;
	flow_seen(CGROUP_BATCH, 7, "10.5.0.2", FLOW_OUT, 100);
	flow_seen(CGROUP_SSH, 8, "10.5.0.2", FLOW_OUT, 50);
	assert_string_equal(name_of("10.5.0.2"), "batch.slice");
	flow_seen(CGROUP_SSH, 8, "10.5.0.2", FLOW_OUT, 150);
	assert_string_equal(name_of("10.5.0.2"), "system.slice/ssh.service");
	flow_seen(CGROUP_BATCH, 7, "10.5.0.2", FLOW_OUT, 120);
	assert_string_equal(name_of("10.5.0.2"), "system.slice/ssh.service");
}

static void in_one_namespace_who_answers_has_the_address(void **state)
{
	(void)state;
	flow_seen(CGROUP_BATCH, 7, "10.5.0.2", FLOW_OUT, 100);
	flow_seen(CGROUP_SSH, 7, "10.5.0.2", FLOW_OUT, 150);
	assert_string_equal(name_of("10.5.0.2"), "batch.slice");
	flow_seen(CGROUP_SSH, 7, "10.5.0.2", FLOW_IN, 160);
	assert_string_equal(name_of("10.5.0.2"), "system.slice/ssh.service");
	flow_seen(CGROUP_BATCH, 7, "10.5.0.2", FLOW_IN, 170);
	assert_string_equal(name_of("10.5.0.2"), "system.slice/ssh.service");
}

static void what_was_learned_goes_with_its_cgroup(void **state)
{
	(void)state;
	flow_seen(CGROUP_BATCH, 7, "10.5.0.2", FLOW_OUT, 100);
	flow_seen(CGROUP_SSH, 8, "10.5.0.3", FLOW_OUT, 100);
	flow_names_cgroup_forget(names, CGROUP_BATCH);
	assert_string_equal(name_of("10.5.0.2"), "10.5.0.0/24");
	assert_string_equal(name_of("10.5.0.3"), "system.slice/ssh.service");
	/* nor does it come back with another of that number */
	flow_names_cgroup(names, CGROUP_BATCH, "other.slice");
	assert_string_equal(name_of("10.5.0.2"), "10.5.0.0/24");
}

static void an_address_of_a_container_that_is_gone_is_the_next_ones(void **state)
{
	struct container_network network = bridge("10.1.0.9", NULL);
	const struct container next = { .id = (char *)SILENT, .name = (char *)"next",
					.running = true, .networks = &network, .network_count = 1 };

	(void)state;
	flow_names_containers(names, NULL, 0);
	assert_string_equal(name_of("10.1.0.9"), "shop");
	flow_seen(CGROUP_BATCH, 7, "10.1.0.9", FLOW_OUT, 1);
	assert_string_equal(name_of("10.1.0.9"), "batch.slice");
	flow_names_containers(names, &next, 1);
	assert_string_equal(name_of("10.1.0.9"), "next");
	flow_names_cgroup_forget(names, CGROUP_SHOP);
	flow_names_cgroup_forget(names, CGROUP_SHOP_NESTED);
	assert_string_equal(name_of("10.1.0.9"), "next");
}

static void of_two_containers_with_an_address_the_first_has_it(void **state)
{
	struct container_network network = bridge("10.6.0.2", NULL);
	const struct container list[] = {
		{ .id = (char *)SHOP, .name = (char *)"shop", .running = true,
		  .networks = &network, .network_count = 1 },
		{ .id = (char *)WEB, .name = (char *)"web", .running = true,
		  .networks = &network, .network_count = 1 },
	};

	(void)state;
	flow_names_containers(names, list, ROWS(list));
	assert_string_equal(name_of("10.6.0.2"), "shop");
}

static void an_address_of_a_container_that_stopped_is_forgotten_with_its_flows(void **state)
{
	struct container_network network = bridge("10.1.0.9", NULL);
	const struct container stopped = { .id = (char *)SHOP, .name = (char *)"shop",
					   .networks = &network, .network_count = 1 };

	(void)state;
	flow_names_containers(names, &stopped, 1);
	assert_string_equal(name_of("10.1.0.9"), "shop");
	flow_names_cgroup_forget(names, CGROUP_SHOP);
	flow_names_cgroup_forget(names, CGROUP_SHOP_NESTED);
	assert_string_equal(name_of("10.1.0.9"), "10.1.0.0/24");
}

/* Any socket can give itself any address. */
static void addresses_seen(uint64_t cgroup, unsigned int count)
{
	char text[ADDR_TEXT_MAX];

	for (unsigned int i = 0; i < count; i++) {
		snprintf(text, sizeof(text), "fd07::%x:%x", i >> 16, i & 0xffff);
		flow_seen(cgroup, 7, text, FLOW_OUT, 1);
	}
}

static void learning_ends_somewhere_and_goes_on(void **state)
{
	(void)state;
	addresses_seen(CGROUP_BATCH, 70000);
	assert_string_equal(name_of("fd07::7"), "batch.slice");
	assert_string_equal(name_of("fd07::1:1000"), "six");
	flow_names_cgroup_forget(names, CGROUP_BATCH);
	flow_seen(CGROUP_SSH, 8, "fd07::1:1000", FLOW_OUT, 1);
	assert_string_equal(name_of("fd07::1:1000"), "system.slice/ssh.service");
}

static void addresses_of_nobody_make_room(void **state)
{
	(void)state;
	addresses_seen(4711, 65536);
	flow_seen(CGROUP_SSH, 8, "fd08::1", FLOW_OUT, 1);
	assert_string_equal(name_of("fd08::1"), "system.slice/ssh.service");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, host_set, host_clear)
	const struct CMUnitTest tests[] = {
		TEST(a_cgroup_is_a_containers_or_stands_under_its_path),
		TEST(a_path_that_is_no_text_is_told_as_text),
		TEST(a_path_is_cut_between_characters),
		TEST(a_long_path_is_cut_at_the_left),
		TEST(inside_a_container_the_runtimes_own_are_the_inner_ones),
		TEST(a_container_that_is_gone_keeps_its_name_while_its_cgroup_is_remembered),
		TEST(a_name_that_comes_late_or_changes_is_taken),
		TEST(who_has_no_name_is_asked_for_until_it_has),
		TEST(a_path_that_was_read_is_not_lost_with_the_cgroup),
		TEST(an_address_is_whose_flows_have_it),
		TEST(what_says_nothing_is_not_learned),
		TEST(the_runtime_knows_better_than_flows),
		TEST(in_another_namespace_the_last_one_has_the_address),
		TEST(in_one_namespace_who_answers_has_the_address),
		TEST(what_was_learned_goes_with_its_cgroup),
		TEST(an_address_of_a_container_that_is_gone_is_the_next_ones),
		TEST(of_two_containers_with_an_address_the_first_has_it),
		TEST(an_address_of_a_container_that_stopped_is_forgotten_with_its_flows),
		TEST(learning_ends_somewhere_and_goes_on),
		TEST(addresses_of_nobody_make_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
