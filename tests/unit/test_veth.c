/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A veth's end in another namespace, and what devices can do, against the real kernel. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lb/watch/veth.h"
#include "tests/unit/net_ground.h"

/* ---- veth's ends ---- */

static void gro_is_switched_on_at_the_containers_end(void **state)
{
	char path[64];
	struct stat before, after;
	struct veth_end end;
	bool changed = false;

	(void)state;
	make_container_link();
	run_there("ethtool -K eth0 gro off tx on > /dev/null");
	assert_int_equal(stat("/proc/thread-self/ns/net", &before), 0);
	assert_int_equal(veth_end_read(net, link_of("veth-a"), &end), 0);
	assert_string_equal(end.name, "eth0");
	snprintf(path, sizeof(path), "/proc/%d/ns/net", container);
	assert_string_equal(end.netns, path);
	assert_false(end.gro);
	assert_false(end.xdp);
	assert_true(end.tx_checksum);

	assert_int_equal(veth_end_enable_napi(net, link_of("veth-a"), &changed), 0);
	assert_true(changed);
	run_there("ethtool -k eth0 | grep -q 'generic-receive-offload: on'");
	run_there("ethtool -K eth0 tx off > /dev/null");
	assert_int_equal(veth_end_read(net, link_of("veth-a"), &end), 0);
	assert_true(end.gro);
	assert_false(end.tx_checksum);
	assert_int_equal(veth_end_enable_napi(net, link_of("veth-a"), &changed), 0);
	assert_false(changed);

	assert_int_equal(stat("/proc/thread-self/ns/net", &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	run("ip link show veth-a > /dev/null");
}

static void an_end_in_this_namespace_needs_no_other(void **state)
{
	struct veth_end end;
	bool changed = false;

	(void)state;
	run("ip link add veth-a type veth peer name veth-x");
	run("ethtool -K veth-x gro off > /dev/null");
	read_view();
	assert_int_equal(veth_end_enable_napi(net, link_of("veth-a"), &changed), 0);
	assert_true(changed);
	assert_int_equal(veth_end_read(net, link_of("veth-a"), &end), 0);
	assert_string_equal(end.name, "veth-x");
	assert_string_equal(end.netns, "");
	assert_true(end.gro);
	run("ethtool -k veth-x | grep -q 'generic-receive-offload: on'");
	run("ethtool -k veth-a | grep -q 'generic-receive-offload: off'");
}

static void a_namespace_that_only_a_name_holds_is_found(void **state)
{
	struct veth_end end;

	(void)state;
	run("mkdir -p /run/netns && : > /run/netns/left-over");
	run("ip netns add edgelb-test");
	run("ip link add veth-n type veth peer name eth0 netns edgelb-test");
	make_container_link();
	assert_int_equal(veth_end_read(net, link_of("veth-n"), &end), 0);
	assert_string_equal(end.netns, "/run/netns/edgelb-test");
	/* What was found for one is kept for the other. */
	assert_int_equal(veth_end_read(net, link_of("veth-a"), &end), 0);
	assert_int_equal(veth_end_read(net, link_of("veth-n"), &end), 0);
	assert_string_equal(end.netns, "/run/netns/edgelb-test");
	run("ip netns del edgelb-test");
}

static void an_end_that_is_gone_is_an_error(void **state)
{
	struct net_link old;
	struct veth_end end;
	bool changed;

	(void)state;
	make_container_link();
	old = *link_of("veth-a");
	assert_int_equal(veth_end_read(net, &old, &end), 0);
	run("ip link del veth-a");
	assert_int_equal(veth_end_read(net, &old, &end), -ENODEV);
	/* Another link has come to stand where the far end was. */
	run("ip link add veth-a type veth peer name eth0 index %u netns %d", old.peer, container);
	assert_int_equal(veth_end_enable_napi(net, &old, &changed), -ENODEV);
	old.kind = NET_OTHER;
	assert_int_equal(veth_end_read(net, &old, &end), -EINVAL);
}

/* Some machines keep their first process from everybody: then nobody can say whose the
 * namespace is not. */
static int answer_for_not_found(void)
{
	return system("stat -L /proc/[0-9]*/ns/net 2>&1 | grep -q 'Permission denied'") ? -ENOENT
											: -EPERM;
}

/* A descriptor alone keeps the far end's namespace: there is no way in. */
static void a_namespace_without_name_and_process_is_not_found(void **state)
{
	struct veth_end end;
	int hold[2];
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(hold), 0);
	make_container_link();
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		char path[64];
		FILE *there;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		snprintf(path, sizeof(path), "/proc/%d/ns/net", container);
		there = fopen(path, "r");
		if (!there || write(hold[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(hold[0], &(char){ 0 }, 1), 1);
	close(hold[0]);
	close(hold[1]);
	end_container();
	read_view();
	assert_int_equal(veth_end_read(net, link_of("veth-a"), &end), answer_for_not_found());
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* ---- clients ---- */

static struct veth_client client_of(const char *link, const char *to)
{
	struct veth_client client;
	struct addr addr;

	assert_int_equal(addr_parse(to, &addr), 0);
	assert_int_equal(veth_end_client(net, link_of(link), &addr, 1, &client), 0);
	return client;
}

static void a_client_is_one_whose_way_leads_here(void **state)
{
	struct veth_client client, again;
	struct stat before, after;
	struct addr own;

	(void)state;
	make_container_link();
	assert_int_equal(stat("/proc/thread-self/ns/net", &before), 0);
	run("ip link set veth-a up");
	/* No way at all is no other way. */
	client = client_of("veth-a", "203.0.113.10");
	assert_true(client.leads_here);
	assert_int_equal(client.source_count, 0);
	assert_int_not_equal(client.cookie, 0);

	run_there("ip addr add 10.1.0.2/24 dev eth0");
	run_there("ip link set eth0 up");
	run_there("ip route add default via 10.1.0.1");
	again = client_of("veth-a", "203.0.113.10");
	assert_true(again.leads_here);
	assert_int_equal(again.cookie, client.cookie);
	assert_int_equal(again.source_count, 1);
	assert_int_equal(addr_parse("10.1.0.2", &own), 0);
	assert_true(addr_equal(&again.sources[0], &own));

	run_there("ip link add other0 type bridge");
	run_there("ip link set other0 up");
	run_there("ip route add 203.0.113.0/24 dev other0");
	assert_false(client_of("veth-a", "203.0.113.10").leads_here);
	assert_true(client_of("veth-a", "198.51.100.1").leads_here);
	run_there("ip link set lo up");
	run_there("ip addr add 198.51.100.1/32 dev lo");
	assert_false(client_of("veth-a", "198.51.100.1").leads_here);
	assert_int_equal(stat("/proc/thread-self/ns/net", &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
}

/* ---- what devices can do ---- */

static void a_veths_features_follow_the_napi_of_its_peer(void **state)
{
	uint64_t features = 0;
	bool changed;
	int err;

	(void)state;
	make_container_link();
	err = net_xdp_features(net, link_of("veth-a")->ifindex, &features);
	if (err == -EOPNOTSUPP) {
		print_message("skipped: this kernel (before 6.3) does not tell\n");
		skip();
	}
	assert_int_equal(err, 0);
	assert_true(features & NET_XDP_REDIRECT);
	assert_false(features & NET_XDP_NDO_XMIT);
	assert_int_equal(veth_end_enable_napi(net, link_of("veth-a"), &changed), 0);
	assert_int_equal(net_xdp_features(net, link_of("veth-a")->ifindex, &features), 0);
	assert_true(features & NET_XDP_NDO_XMIT);
	assert_int_equal(net_xdp_features(net, 4242, &features), -ENODEV);
}

static void not_every_device_takes_redirected_frames(void **state)
{
	char reason[128] = "";

	(void)state;
	make_container_link();
	run("ip link add br0 type bridge && ip link add veth-b type veth peer name veth-x");
	run("ip link set veth-b up");
	read_view();
	assert_int_equal(device_can_transmit(net, link_of("veth-a"), reason, sizeof(reason)), 0);
	assert_int_equal(device_can_transmit(net, link_of("veth-b"), reason, sizeof(reason)),
			 -EOPNOTSUPP);
	assert_string_equal(reason, "veth-b is down");
	assert_int_equal(device_can_transmit(net, link_of("br0"), reason, sizeof(reason)),
			 -EOPNOTSUPP);
	assert_string_equal(reason, "br0 is a bridge, only its ports take redirected frames");
	assert_int_equal(device_can_transmit(net, link_of("lo"), reason, sizeof(reason)),
			 -EOPNOTSUPP);
	assert_non_null(strstr(reason, "lo (driver "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GROUND_TEST(gro_is_switched_on_at_the_containers_end),
		GROUND_TEST(an_end_in_this_namespace_needs_no_other),
		GROUND_TEST(a_namespace_that_only_a_name_holds_is_found),
		GROUND_TEST(an_end_that_is_gone_is_an_error),
		GROUND_TEST(a_namespace_without_name_and_process_is_not_found),
		GROUND_TEST(a_client_is_one_whose_way_leads_here),
		GROUND_TEST(a_veths_features_follow_the_napi_of_its_peer),
		GROUND_TEST(not_every_device_takes_redirected_frames),
	};

	return cmocka_run_group_tests(tests, ground_make_private, NULL);
}
