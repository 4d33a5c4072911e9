/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The view of the network, routes, managed neighbours and events, against the real kernel. */
#include <errno.h>
#include <linux/sock_diag.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "lb/watch/netlink.h"
#include "tests/unit/net_ground.h"

#define STABLE_LINKS 80 /* so many that no dump fits into one message */

/* ---- links and addresses ---- */

static void links_have_kind_mac_mtu_and_master(void **state)
{
	(void)state;
	run("ip link add br0 address 02:00:00:00:00:b0 type bridge");
	run("ip link add veth-a mtu 1400 address 02:00:00:00:00:0a type veth peer name veth-x");
	run("ip link set veth-a master br0");
	run("ip tuntap add tun0 mode tun");
	read_view();

	assert_int_equal(view.links[0].ifindex, 1);
	assert_int_equal(link_of("lo")->kind, NET_LOOPBACK);
	assert_true(link_of("lo")->up);
	assert_false(link_of("lo")->ethernet);
	assert_int_equal(link_of("br0")->kind, NET_BRIDGE);
	assert_true(link_of("br0")->ethernet);
	assert_int_equal(link_of("veth-a")->kind, NET_VETH);
	assert_int_equal(link_of("veth-a")->mtu, 1400);
	assert_int_equal(link_of("veth-a")->master, link_of("br0")->ifindex);
	assert_memory_equal(link_of("veth-a")->mac, "\x02\0\0\0\0\x0a", 6);
	assert_int_equal(link_of("veth-x")->master, 0);
	assert_int_equal(link_of("veth-a")->peer, link_of("veth-x")->ifindex);
	assert_int_equal(link_of("veth-a")->peer_nsid, -1);
	assert_int_equal(link_of("tun0")->kind, NET_OTHER);
	assert_false(link_of("tun0")->ethernet);
	for (size_t i = 0; i < view.link_count; i++)
		assert_ptr_equal(net_view_link(&view, view.links[i].ifindex), &view.links[i]);
	assert_null(net_view_link(&view, 9999));
	assert_null(net_view_link_by_name(&view, "veth"));
}

static void a_veth_is_up_only_with_its_other_end(void **state)
{
	(void)state;
	run("ip link add veth-a type veth peer name veth-x");
	run("ip link set veth-a up");
	read_view();
	assert_false(link_of("veth-a")->up);
	run("ip link set veth-x up");
	wait_until(link_of("veth-a")->up && link_of("veth-x")->up);
	run("ip link set veth-x down");
	wait_until(!link_of("veth-a")->up);
}

static void a_peer_elsewhere_has_a_namespace_id(void **state)
{
	(void)state;
	make_container_link();
	assert_true(link_of("veth-a")->peer_nsid >= 0);
	assert_true(link_of("veth-a")->peer > 0);
	assert_null(net_view_link_by_name(&view, "eth0"));
}

static void addresses_come_with_their_connected_prefix(void **state)
{
	static const struct {
		const char *sentence, *addr, *network;
	} rows[] = {
		{ "IPv4 in its network", "10.5.0.9", "10.5.0.0/20" },
		{ "IPv6 in its network", "fd05::9", "fd05::/64" },
		{ "point to point, the network is the peer's", "10.6.0.1", "10.6.0.2/32" },
		{ "over IPv6 too", "fd06::1", "fd06::2/128" },
		{ "the loopback's", "127.0.0.1", "127.0.0.0/8" },
	};

	(void)state;
	run("ip link add veth-a type veth peer name veth-x");
	run("ip addr add 10.5.0.9/20 dev veth-a");
	run("ip addr add fd05::9/64 dev veth-a");
	run("ip addr add 10.6.0.1 peer 10.6.0.2 dev veth-a");
	run("ip addr add fd06::1 peer fd06::2 dev veth-a");
	read_view();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct prefix network = parsed_prefix(rows[i].network);
		struct addr addr = parsed(rows[i].addr);
		size_t at = 0;

		print_message("  %s\n", rows[i].sentence);
		while (at < view.address_count && !addr_equal(&view.addresses[at].addr, &addr))
			at++;
		assert_true(at < view.address_count);
		assert_true(addr_equal(&view.addresses[at].network.addr, &network.addr));
		assert_int_equal(view.addresses[at].network.len, network.len);
		assert_int_equal(view.addresses[at].ifindex,
				 link_of(i == 4 ? "lo" : "veth-a")->ifindex);
	}
}

/* ---- neighbours ---- */

static void a_managed_neighbour_is_resolved_and_stays_when_released(void **state)
{
	static const char *const addresses[] = { "10.2.0.2", "fd02::2" };
	unsigned char mac[6];

	(void)state;
	make_container_link();
	mac_there("eth0", mac);
	for (size_t i = 0; i < 2; i++) {
		unsigned int ifindex = link_of("veth-a")->ifindex;
		struct addr addr = parsed(addresses[i]);

		assert_null(neighbour_of(addresses[i]));
		assert_int_equal(net_neighbour_manage(net, ifindex, &addr), 0);
		wait_until(neighbour_of(addresses[i]) && neighbour_of(addresses[i])->usable);
		assert_memory_equal(neighbour_of(addresses[i])->mac, mac, 6);
		run("ip neigh show %s | grep -q managed", addresses[i]);
		assert_int_equal(net_neighbour_manage(net, ifindex, &addr), 0);

		assert_int_equal(net_neighbour_release(net, ifindex, &addr), 0);
		run("! ip neigh show %s | grep -q managed", addresses[i]);
		read_view();
		assert_true(neighbour_of(addresses[i])->usable);
	}
}

static void a_neighbour_that_does_not_answer_has_failed(void **state)
{
	struct addr addr = parsed("10.2.0.77");

	(void)state;
	make_container_link();
	run("echo 1 > /proc/sys/net/ipv4/neigh/veth-a/mcast_solicit");
	run("echo 50 > /proc/sys/net/ipv4/neigh/veth-a/retrans_time_ms");
	assert_int_equal(net_neighbour_manage(net, link_of("veth-a")->ifindex, &addr), 0);
	wait_until(neighbour_of("10.2.0.77") && neighbour_of("10.2.0.77")->failed);
	assert_false(neighbour_of("10.2.0.77")->usable);

	/* It is managed, so the kernel goes on asking: no traffic and no call of ours. */
	run_there("ip addr add 10.2.0.77/24 dev eth0");
	wait_until(neighbour_of("10.2.0.77")->usable);
	assert_false(neighbour_of("10.2.0.77")->failed);
}

static void managing_keeps_the_mac_that_is_there(void **state)
{
	struct addr addr = parsed("10.2.0.55");

	(void)state;
	make_container_link();
	run("ip neigh add 10.2.0.55 lladdr 02:00:00:00:00:55 nud reachable dev veth-a");
	assert_int_equal(net_neighbour_manage(net, link_of("veth-a")->ifindex, &addr), 0);
	read_view();
	assert_true(neighbour_of("10.2.0.55")->usable);
	assert_memory_equal(neighbour_of("10.2.0.55")->mac, "\x02\0\0\0\0\x55", 6);
	run("ip neigh show 10.2.0.55 | grep -q managed");
}

static void what_others_set_is_left_alone(void **state)
{
	static const struct {
		const char *sentence, *how, *mark;
	} rows[] = {
		{ "a permanent neighbour", "nud permanent", "PERMANENT" },
		{ "one that needs no ARP", "nud noarp", "NOARP" },
		{ "one of a routing daemon", "nud reachable extern_learn", "extern_learn" },
	};
	struct addr addr = parsed("10.2.0.66");

	(void)state;
	make_container_link();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned int ifindex = link_of("veth-a")->ifindex;

		print_message("  %s\n", rows[i].sentence);
		run("ip neigh replace 10.2.0.66 lladdr 02:00:00:00:00:66 %s dev veth-a",
		    rows[i].how);
		assert_int_equal(net_neighbour_manage(net, ifindex, &addr), 0);
		assert_int_equal(net_neighbour_release(net, ifindex, &addr), 0);
		run("ip neigh show 10.2.0.66 nud all | grep '02:00:00:00:00:66.*%s' | "
		    "grep -vq managed", rows[i].mark);
		read_view();
		assert_true(neighbour_of("10.2.0.66")->usable);
		run("ip neigh del 10.2.0.66 dev veth-a");
	}
}

static void a_neighbour_of_no_interface_is_an_error_only_to_manage(void **state)
{
	struct addr addr = parsed("10.2.0.2");

	(void)state;
	assert_int_equal(net_neighbour_manage(net, 4242, &addr), -ENODEV);
	assert_int_equal(net_neighbour_release(net, 4242, &addr), 0);
	run("ip link add veth-a type veth peer name veth-x");
	read_view();
	assert_int_equal(net_neighbour_release(net, link_of("veth-a")->ifindex, &addr), 0);
}

/* ---- bridges ---- */

static size_t fdb_entries(const unsigned char *mac, bool local, unsigned int port)
{
	size_t count = 0;

	for (size_t i = 0; i < view.fdb_count; i++)
		count += view.fdb[i].bridge == link_of("br0")->ifindex &&
			 view.fdb[i].local == local && view.fdb[i].port == port &&
			 !memcmp(view.fdb[i].mac, mac, 6);
	return count;
}

static void a_bridge_learns_behind_which_port_a_container_is(void **state)
{
	struct addr addr = parsed("10.1.0.2");
	unsigned char mac[6];

	(void)state;
	run("ip link add br0 type bridge forward_delay 0");
	run("ip link add veth-a type veth peer name eth0 netns %d", container);
	run("ip link add veth-b type veth peer name veth-x");
	run("ip link set veth-a master br0 up && ip link set veth-b master br0 up");
	run("ip link set br0 up && ip addr add 10.1.0.1/24 dev br0");
	run_there("ip addr add 10.1.0.2/24 dev eth0");
	run_there("ip link set eth0 up");
	wait_until(link_of("br0")->up && link_of("veth-a")->up);
	mac_there("eth0", mac);

	assert_int_equal(net_neighbour_manage(net, link_of("br0")->ifindex, &addr), 0);
	wait_until(neighbour_of("10.1.0.2") && neighbour_of("10.1.0.2")->usable &&
		   fdb_entries(mac, false, link_of("veth-a")->ifindex));
	assert_memory_equal(neighbour_of("10.1.0.2")->mac, mac, 6);
	assert_int_equal(neighbour_of("10.1.0.2")->ifindex, link_of("br0")->ifindex);
	assert_int_equal(fdb_entries(mac, false, link_of("veth-a")->ifindex), 1);
	assert_int_equal(fdb_entries(link_of("veth-b")->mac, false,
				     link_of("veth-b")->ifindex), 0);
	assert_true(fdb_entries(link_of("veth-b")->mac, true, link_of("veth-b")->ifindex) > 0);

	/* It moves to another port; sticky, or its own next frame would move it back. */
	run("bridge fdb replace %02x:%02x:%02x:%02x:%02x:%02x dev veth-b master static "
	    "sticky", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	wait_until(fdb_entries(mac, false, link_of("veth-b")->ifindex) == 1);
	assert_int_equal(fdb_entries(mac, false, link_of("veth-a")->ifindex), 0);
}

/* ---- routes ---- */

static const struct {
	const char *sentence, *to;
	int want;
	const char *interface, *gateway, *or_gateway;
	bool local;
} routes[] = {
	{ .sentence = "on the link", .to = "10.2.0.2", .interface = "veth-a" },
	{ .sentence = "on the link, IPv6", .to = "fd02::2", .interface = "veth-a" },
	{ .sentence = "behind a gateway", .to = "198.51.100.1", .interface = "veth-a",
	  .gateway = "10.2.0.254" },
	{ .sentence = "behind a gateway, IPv6", .to = "2001:db8:1::1",
	  .interface = "veth-a", .gateway = "fd02::fe" },
	{ .sentence = "IPv4 behind an IPv6 gateway", .to = "198.51.100.130",
	  .interface = "veth-a", .gateway = "fd02::fe" },
	{ .sentence = "of several next hops one", .to = "203.0.113.1",
	  .interface = "veth-a", .gateway = "10.2.0.253", .or_gateway = "10.2.0.251" },
	{ .sentence = "of several next hops one, IPv6", .to = "2001:db8:2::1",
	  .interface = "veth-a", .gateway = "fd02::fd", .or_gateway = "fd02::fc" },
	{ .sentence = "a next-hop object", .to = "203.0.113.200",
	  .interface = "veth-a", .gateway = "10.2.0.252" },
	{ .sentence = "an address of this host", .to = "10.2.0.1", .interface = "lo",
	  .local = true },
	{ .sentence = "an address of this host, IPv6", .to = "fd02::1",
	  .interface = "lo", .local = true },
	{ .sentence = "no route", .to = "192.0.2.1", .want = -ENETUNREACH },
	{ .sentence = "no route, IPv6", .to = "2001:db8:ffff::1",
	  .want = -ENETUNREACH },
	{ .sentence = "unreachable", .to = "192.0.2.65", .want = -ENETUNREACH },
	{ .sentence = "prohibited", .to = "192.0.2.129", .want = -ENETUNREACH },
	{ .sentence = "a blackhole", .to = "192.0.2.193", .want = -ENETUNREACH },
	{ .sentence = "unreachable, IPv6", .to = "2001:db8:a::1",
	  .want = -ENETUNREACH },
	{ .sentence = "prohibited, IPv6", .to = "2001:db8:b::1",
	  .want = -ENETUNREACH },
	{ .sentence = "a blackhole, IPv6", .to = "2001:db8:c::1",
	  .want = -ENETUNREACH },
	{ .sentence = "a broadcast address", .to = "10.2.0.255",
	  .want = -ENETUNREACH },
};

static void the_kernel_is_asked_how_it_would_send(void **state)
{
	(void)state;
	make_container_link();
	run("ip route add 198.51.100.0/25 via 10.2.0.254");
	run("ip route add 198.51.100.128/25 via inet6 fd02::fe dev veth-a");
	run("ip route add 2001:db8:1::/48 via fd02::fe");
	run("ip route add 203.0.113.0/25 nexthop via 10.2.0.253 dev veth-a "
	    "nexthop via 10.2.0.251 dev veth-a weight 2");
	run("ip route add 2001:db8:2::/48 nexthop via fd02::fd dev veth-a "
	    "nexthop via fd02::fc dev veth-a");
	run("ip nexthop add id 7 via 10.2.0.252 dev veth-a");
	run("ip route add 203.0.113.128/25 nhid 7");
	run("ip route add unreachable 192.0.2.64/26");
	run("ip route add prohibit 192.0.2.128/26");
	run("ip route add blackhole 192.0.2.192/26");
	run("ip route add unreachable 2001:db8:a::/48");
	run("ip route add prohibit 2001:db8:b::/48");
	run("ip route add blackhole 2001:db8:c::/48");
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		struct addr gateway, to = parsed(routes[i].to);
		struct net_route route = { 0 };

		print_message("  %s\n", routes[i].sentence);
		assert_int_equal(net_route_get(net, &to, &route), routes[i].want);
		if (routes[i].want)
			continue;
		assert_int_equal(route.ifindex, link_of(routes[i].interface)->ifindex);
		assert_int_equal(route.local, routes[i].local);
		assert_int_equal(route.has_gateway, routes[i].gateway != NULL);
		if (!routes[i].gateway)
			continue;
		gateway = parsed(routes[i].gateway);
		if (routes[i].or_gateway && !addr_equal(&route.gateway, &gateway))
			gateway = parsed(routes[i].or_gateway);
		assert_true(addr_equal(&route.gateway, &gateway));
	}
}

/* ---- events ---- */

static void every_change_that_concerns_us_is_an_event(void **state)
{
	static const struct {
		const char *sentence, *command;
	} rows[] = {
		{ "a link", "ip link add veth-z type veth peer name veth-y" },
		{ "a link that goes", "ip link del veth-z" },
		{ "a MAC", "ip link set veth-a address 02:00:00:00:00:99" },
		{ "an address", "ip addr add 10.8.0.1/24 dev veth-a" },
		{ "an IPv6 address", "ip addr add fd08::1/64 dev veth-a nodad" },
		{ "a route", "ip route add 198.51.100.0/24 via 10.2.0.2" },
		{ "an IPv6 route", "ip route add 2001:db8:9::/48 via fd02::2" },
		{ "a next hop", "ip nexthop add id 9 via 10.2.0.2 dev veth-a" },
		{ "a rule", "ip rule add to 203.0.113.0/24 table 77" },
		{ "a neighbour", "ip neigh add 10.2.0.9 lladdr 02:00:00:00:00:09 dev veth-a" },
		{ "a bridge's table", "bridge fdb add 02:00:00:00:00:08 dev port master static" },
	};

	(void)state;
	make_container_link();
	run("ip link add br0 type bridge && ip link add port type veth peer name port-x");
	run("ip link set port master br0 up && ip link set port-x up && ip link set br0 up");
	wait_until(link_of("br0")->up && link_of("port")->up);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pollfd events = { .fd = net_fd(net), .events = POLLIN };

		print_message("  %s\n", rows[i].sentence);
		/* What the kernel still has to say about the change before. */
		while (poll(&events, 1, 200) == 1)
			net_drain(net);
		assert_false(net_drain(net));
		run("%s", rows[i].command);
		assert_int_equal(poll(&events, 1, WAIT_MS), 1);
		assert_true(net_drain(net));
	}
}

static unsigned int route_kept(const char *to)
{
	struct addr addr = parsed(to);
	struct net_route route = { 0 };

	return net_route_find(net, &addr, &route) ? 0 : route.ifindex;
}

/* What is kept is what was true when it was asked, until a message says that it may not be. */
static void a_kept_route_lasts_until_something_could_have_changed_it(void **state)
{
	unsigned int first, other;

	(void)state;
	make_container_link();
	run("ip link add spare type veth peer name spare-x");
	run("ip link set spare up && ip link set spare-x up");
	run("ip route add 198.51.100.0/24 dev veth-a");
	wait_until(link_of("spare")->up && link_of("veth-a")->up);
	first = link_of("veth-a")->ifindex;
	other = link_of("spare")->ifindex;
	net_drain(net);
	assert_int_equal(route_kept("198.51.100.7"), first);
	assert_int_equal(route_kept("203.0.113.7"), 0);

	run("ip route replace 198.51.100.0/24 dev spare");
	assert_int_equal(route_kept("198.51.100.7"), first);
	assert_true(net_drain(net));
	assert_int_equal(route_kept("198.51.100.7"), other);

	/* That there was none is an answer too. */
	run("ip route add 203.0.113.0/24 dev spare");
	assert_true(net_drain(net));
	assert_int_equal(route_kept("203.0.113.7"), other);
	run("ip rule add to 203.0.113.0/24 unreachable pref 5");
	assert_true(net_drain(net));
	assert_int_equal(route_kept("203.0.113.7"), 0);

	run("ip route replace 198.51.100.0/24 dev veth-a");
	net_routes_forget(net);
	assert_int_equal(route_kept("198.51.100.7"), first);
}

static void an_overrun_is_a_change_and_the_view_is_whole_after_it(void **state)
{
	char path[] = "/tmp/edgelb-test-XXXXXX";
	int fd = mkstemp(path);
	FILE *batch = fdopen(fd, "w");
	unsigned int memory[SK_MEMINFO_VARS];
	socklen_t size = sizeof(memory);

	(void)state;
	make_container_link();
	net_drain(net);
	assert_non_null(batch);
	for (int i = 0; i < 20000; i++) {
		fprintf(batch, "route add 10.%d.%d.0/24 dev veth-a\n", 100 + i / 256 % 64, i % 256);
		fprintf(batch, "route del 10.%d.%d.0/24 dev veth-a\n", 100 + i / 256 % 64, i % 256);
	}
	fprintf(batch, "link add veth-z type veth peer name veth-y\n");
	fclose(batch);
	run("ip -batch %s; unlink %s", path, path);
	assert_int_equal(getsockopt(net_fd(net), SOL_SOCKET, SO_MEMINFO, memory, &size), 0);
	assert_true(memory[SK_MEMINFO_DROPS] > 0); /* else this row shows nothing */
	assert_true(net_drain(net));
	wait_until(net_view_link_by_name(&view, "veth-z"));
}

/* The kernel marks a dump that links came and went under; what is given back is whole. */
static void a_view_that_is_read_during_changes_is_whole(void **state)
{
	int reads = 0, whole = 0, status;
	pid_t changer;

	(void)state;
	for (int i = 0; i < STABLE_LINKS; i++)
		run("ip link add stable-%d type veth peer name other-%d", i, i);
	changer = fork();
	assert_true(changer >= 0);
	if (!changer) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (int i = 0; i < 100; i++)
			if (system("ip link add gone type veth peer name too && ip link del gone"))
				_exit(1);
		_exit(0);
	}
	while (waitpid(changer, &status, WNOHANG) == 0) {
		int err;

		net_view_clear(&view);
		err = net_read(net, &view);
		reads++;
		assert_true(err == 0 || err == -EAGAIN);
		if (err)
			continue;
		whole++;
		for (int i = 0; i < STABLE_LINKS; i++) {
			char name[IFNAMSIZ];

			snprintf(name, sizeof(name), "stable-%d", i);
			assert_non_null(net_view_link_by_name(&view, name));
		}
	}
	assert_int_equal(status, 0);
	print_message("  %d of %d reads were whole\n", whole, reads);
	assert_true(whole > reads / 100 * 99);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GROUND_TEST(links_have_kind_mac_mtu_and_master),
		GROUND_TEST(a_veth_is_up_only_with_its_other_end),
		GROUND_TEST(a_peer_elsewhere_has_a_namespace_id),
		GROUND_TEST(addresses_come_with_their_connected_prefix),
		GROUND_TEST(a_managed_neighbour_is_resolved_and_stays_when_released),
		GROUND_TEST(a_neighbour_that_does_not_answer_has_failed),
		GROUND_TEST(managing_keeps_the_mac_that_is_there),
		GROUND_TEST(what_others_set_is_left_alone),
		GROUND_TEST(a_neighbour_of_no_interface_is_an_error_only_to_manage),
		GROUND_TEST(a_bridge_learns_behind_which_port_a_container_is),
		GROUND_TEST(the_kernel_is_asked_how_it_would_send),
		GROUND_TEST(every_change_that_concerns_us_is_an_event),
		GROUND_TEST(a_kept_route_lasts_until_something_could_have_changed_it),
		GROUND_TEST(an_overrun_is_a_change_and_the_view_is_whole_after_it),
		GROUND_TEST(a_view_that_is_read_during_changes_is_whole),
	};

	return cmocka_run_group_tests(tests, ground_make_private, NULL);
}
