/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where isolation's programs stand in the real kernel, beside those of others, and what outlives
 * the daemon. */
#include <bpf/bpf.h>
#include <dirent.h>
#include <net/if.h>

#include "tests/unit/policy_ground.h"

/* ---- where they stand ------------------------------------------------------------------------ */

static uint32_t programs_at(const char *below, enum bpf_attach_type type)
{
	uint32_t ids[64], count = 64;
	int fd = cgroup_fs_open(cgroup_name(below));

	assert_true(fd >= 0);
	assert_int_equal(bpf_prog_query(fd, type, 0, NULL, ids, &count), 0);
	close(fd);
	return count;
}

static size_t pins_count(const char *path)
{
	DIR *dir = opendir(path);
	size_t count = 0;

	while (dir && readdir(dir))
		count++;
	if (dir)
		closedir(dir);
	return count ? count - 2 : 0;
}

/* Links of the kernel on cgroups of this program, whoever holds them. */
static size_t links_count(uint64_t cgroup)
{
	size_t count = 0;
	uint32_t id = 0;

	while (!bpf_link_get_next_id(id, &id)) {
		struct bpf_link_info info = { 0 };
		__u32 size = sizeof(info);
		int fd = bpf_link_get_fd_by_id(id);

		if (fd < 0)
			continue;
		if (!bpf_obj_get_info_by_fd(fd, &info, &size) &&
		    info.type == BPF_LINK_TYPE_CGROUP && info.cgroup.cgroup_id == cgroup)
			count++;
		close(fd);
	}
	return count;
}

static void links_follow_the_list_of_cgroups(void **state)
{
	const char *both[] = { cgroup_name("/a"), cgroup_name("/b") };
	const char *missing[] = { cgroup_name("/b"), cgroup_name("/nobody") };
	_cleanup_diag_ struct diag diag = { 0 };
	uint64_t a = cgroup_made("/a"), b = cgroup_made("/b");
	size_t programs;

	(void)state;
	attached("/a");
	programs = links_count(a);
	assert_true(programs >= 9);
	assert_int_equal(policy_kernel_attach(kernel, both, 2, &diag), 0);
	assert_int_equal(policy_kernel_attach(kernel, both, 2, &diag), 0);
	assert_int_equal(links_count(a), programs);
	assert_int_equal(links_count(b), programs);
	assert_int_equal(policy_kernel_attach(kernel, missing, 2, &diag), 0);
	assert_int_equal(links_count(a), 0);
	assert_int_equal(links_count(b), programs);
	assert_int_equal(policy_kernel_attach(kernel, NULL, 0, &diag), 0);
	assert_int_equal(links_count(b), 0);
	assert_int_equal(pins_count(PIN "/policy/links"), 0);
	assert_int_equal(diag.count, 0);
}

static void a_cgroup_that_is_made_again_gets_new_links(void **state)
{
	uint64_t old = cgroup_made("/a"), new;
	size_t pins;

	(void)state;
	attached("/a");
	pins = pins_count(PIN "/policy/links");
	cgroup_gone("/a");
	new = cgroup_made("/a");
	assert_int_not_equal(old, new);
	assert_int_equal(programs_at("/a", BPF_CGROUP_INET4_CONNECT), 0);
	attached("/a");
	assert_int_equal(programs_at("/a", BPF_CGROUP_INET4_CONNECT), 1);
	assert_int_equal(pins_count(PIN "/policy/links"), pins);
}

/* connect4 of somebody else: lets pass what is not for port 999. */
static int foreign_program(void)
{
	const struct bpf_insn program[] = {
		{ .code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 2, .src_reg = 1, .off = 24 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 1 },
		{ .code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = 2, .off = 1, .imm = htons(999) },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options,
		    .expected_attach_type = BPF_CGROUP_INET4_CONNECT);

	return bpf_prog_load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "foreign", "GPL", program,
			     sizeof(program) / sizeof(program[0]), &options);
}

static void programs_of_others_keep_their_say(void **state)
{
	struct hand_tables *hand = hand_tables(999);
	int program = foreign_program(), cgroup = cgroup_fs_open(cgroup_name("/a"));

	(void)state;
	assert_true(program >= 0);
	assert_int_equal(bpf_prog_attach(program, cgroup, BPF_CGROUP_INET4_CONNECT,
					 BPF_F_ALLOW_MULTI), 0);
	hand_cgroup(hand, cgroup_made("/a"), GROUP);
	attached("/a");
	applied(NULL, hand);
	assert_int_equal(asked("/a", 998), EPERM);	/* we refuse */
	assert_int_equal(asked("/a", 999), EPERM);	/* they refuse */
	attached("/b");
	assert_int_equal(asked("/a", 998), 0);
	assert_int_equal(programs_at("/a", BPF_CGROUP_INET4_CONNECT), 1);
	assert_int_equal(bpf_prog_detach2(program, cgroup, BPF_CGROUP_INET4_CONNECT), 0);
	assert_int_equal(asked("/a", 999), 0);
	close(program);
	close(cgroup);
	free(hand);
}

/* The link is the same one, so no packet was without a program. */
static void the_program_of_an_older_daemon_is_exchanged_in_its_link(void **state)
{
	int cgroup = cgroup_fs_open(cgroup_name("/a")), program = foreign_program(), link;
	struct bpf_link_info before = { 0 }, after = { 0 };
	__u32 size = sizeof(before);
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), PIN "/policy/links/policy_connect4-%lx",
		 (unsigned long)cgroup_made("/a"));
	assert_int_equal(mkdir(PIN "/policy/links", 0700), 0);
	link = bpf_link_create(program, cgroup, BPF_CGROUP_INET4_CONNECT, NULL);
	assert_true(link >= 0);
	assert_int_equal(bpf_obj_pin(link, path), 0);
	assert_int_equal(bpf_obj_get_info_by_fd(link, &before, &size), 0);
	assert_int_equal(asked("/a", 999), EPERM);
	attached("/a");
	assert_int_equal(asked("/a", 999), 0);
	close(link);
	link = bpf_obj_get(path);
	assert_int_equal(bpf_obj_get_info_by_fd(link, &after, &size), 0);
	assert_int_equal(after.id, before.id);
	assert_int_not_equal(after.prog_id, before.prog_id);
	assert_int_equal(programs_at("/a", BPF_CGROUP_INET4_CONNECT), 1);
	close(link);
	close(program);
	close(cgroup);
}

/* One that does not share keeps us out, and then we stand nowhere new. */
static void a_failed_attach_leaves_what_stood(void **state)
{
	const char *both[] = { cgroup_name("/a"), cgroup_name("/b") };
	int program = foreign_program(), cgroup = cgroup_fs_open(cgroup_name("/b"));
	_cleanup_diag_ struct diag diag = { 0 };
	uint64_t a = cgroup_made("/a"), b = cgroup_made("/b");

	(void)state;
	assert_int_equal(bpf_prog_attach(program, cgroup, BPF_CGROUP_INET4_CONNECT, 0), 0);
	assert_int_equal(policy_kernel_attach(kernel, both, 2, &diag), -EPERM);
	assert_int_equal(diag.count, 1);
	assert_non_null(strstr(diag.entries[0].text, "BPF_F_ALLOW_MULTI"));
	assert_int_equal(links_count(a), 0);
	assert_int_equal(links_count(b), 0);
	assert_int_equal(bpf_prog_detach2(program, cgroup, BPF_CGROUP_INET4_CONNECT), 0);
	close(program);
	close(cgroup);
}

static int filters_count(unsigned int ifindex)
{
	char name[16], command[128], line[256];
	FILE *from;
	int count = 0;

	assert_non_null(if_indextoname(ifindex, name));
	snprintf(command, sizeof(command), "tc filter show dev %s ingress pref 60698", name);
	from = popen(command, "r");
	while (fgets(line, sizeof(line), from))
		count += strstr(line, "policy_backstop") != NULL;
	pclose(from);
	return count;
}

static void the_backstop_stands_where_it_was_ever_listed(void **state)
{
	struct policy_backstop ports[2] = { 0 };
	_cleanup_diag_ struct diag diag = { 0 };

	(void)state;
	run("ip link add veth-b type veth peer name veth-c");
	ports[0].ifindex = if_nametoindex("veth-a");
	ports[1].ifindex = if_nametoindex("veth-b");
	assert_int_equal(policy_kernel_ports(kernel, ports, 2, false, &diag), 0);
	assert_int_equal(filters_count(ports[0].ifindex), 1);
	assert_int_equal(filters_count(ports[1].ifindex), 1);
	run("tc filter del dev veth-a ingress");
	assert_int_equal(policy_kernel_ports(kernel, ports, 2, true, &diag), 0);
	assert_int_equal(filters_count(ports[0].ifindex), 1);
	assert_int_equal(filters_count(ports[1].ifindex), 1);
	/* A daemon that begins finds what the one before it left; no qdisc comes or goes with the
	 * subjects, for that loses packets. */
	kernel_close();
	kernel_open();
	assert_int_equal(policy_kernel_ports(kernel, ports, 1, false, &diag), 0);
	assert_int_equal(filters_count(ports[0].ifindex), 1);
	assert_int_equal(filters_count(ports[1].ifindex), 1);
	run("ip link del veth-a");
	assert_int_equal(policy_kernel_ports(kernel, ports, 2, true, &diag), 0);
	assert_int_equal(filters_count(ports[1].ifindex), 1);
	assert_int_equal(diag.count, 0);
}

/* ---- without a daemon ------------------------------------------------------------------------ */

static void rules_outlive_the_daemon(void **state)
{
	struct hand_tables *old = hand_tables(1000), *new = hand_tables(1001);
	uint64_t current, id = cgroup_made("/a");
	size_t links;

	(void)state;
	hand_cgroup(old, id, GROUP);
	hand_cgroup(new, id, GROUP);
	attached("/a");
	applied(NULL, old);
	current = policy_kernel_current(kernel);
	links = links_count(id);
	kernel_close();
	assert_int_equal(asked("/a", 1000), 0);
	assert_int_equal(asked("/a", 1001), EPERM);
	kernel_open();
	assert_int_equal(policy_kernel_current(kernel), current);
	attached("/a");
	assert_int_equal(links_count(id), links);
	assert_int_equal(asked("/a", 1001), EPERM);
	applied(NULL, new);
	assert_int_equal(asked("/a", 1000), EPERM);
	assert_int_equal(asked("/a", 1001), 0);
	free(old);
	free(new);
}

static void tables_of_another_layout_stay_as_they_are(void **state)
{
	struct policy_kernel *other = NULL;
	_cleanup_diag_ struct diag diag = { 0 };
	struct policy_settings settings;
	uint32_t zero = 0;
	int fd = policy_kernel_map(kernel, "policy_settings");

	(void)state;
	assert_int_equal(bpf_map_lookup_elem(fd, &zero, &settings), 0);
	assert_int_equal(settings.version, POLICY_LAYOUT_VERSION);
	settings.version = POLICY_LAYOUT_VERSION + 1;
	assert_int_equal(bpf_map_update_elem(fd, &zero, &settings, BPF_ANY), 0);
	assert_int_equal(policy_kernel_open(PIN, &other, &diag), -EPROTO);
	assert_null(other);
	assert_int_equal(diag.count, 1);
	assert_non_null(strstr(diag.entries[0].text, "of layout 2, this lbd has layout 1"));
	assert_int_equal(access(PIN "/policy/policy_settings", F_OK), 0);
}

static void unload_leaves_nothing(void **state)
{
	struct policy_backstop port = { .ifindex = if_nametoindex("veth-a") };
	struct hand_tables *hand = hand_tables(1000);
	_cleanup_diag_ struct diag diag = { 0 };
	uint64_t id = cgroup_made("/a");

	(void)state;
	hand_cgroup(hand, id, GROUP);
	attached("/a");
	applied(NULL, hand);
	assert_int_equal(policy_kernel_ports(kernel, &port, 1, false, &diag), 0);
	assert_int_equal(asked("/a", 1001), EPERM);
	kernel_close();
	assert_true(links_count(id) > 0);
	assert_int_equal(policy_unload(PIN, &diag), 0);
	assert_int_equal(links_count(id), 0);
	assert_int_equal(filters_count(port.ifindex), 0);
	assert_int_equal(asked("/a", 1001), 0);
	assert_int_equal(access(PIN "/policy", F_OK), -1);
	assert_int_equal(policy_unload(PIN, &diag), 0);
	assert_int_equal(diag.count, 0);
	free(hand);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		POLICY_TEST(links_follow_the_list_of_cgroups),
		POLICY_TEST(a_cgroup_that_is_made_again_gets_new_links),
		POLICY_TEST(programs_of_others_keep_their_say),
		POLICY_TEST(the_program_of_an_older_daemon_is_exchanged_in_its_link),
		POLICY_TEST(a_failed_attach_leaves_what_stood),
		POLICY_TEST(the_backstop_stands_where_it_was_ever_listed),
		POLICY_TEST(rules_outlive_the_daemon),
		POLICY_TEST(tables_of_another_layout_stay_as_they_are),
		POLICY_TEST(unload_leaves_nothing),
	};

	return cmocka_run_group_tests_name("policy_attach", tests, policy_ground_make,
					   policy_ground_end);
}
