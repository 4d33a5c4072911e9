/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From sources to the wanted state: rows and identities, keys, rings, and what else of the host a
 * state asks for. The verdicts on backends are test_judge.c's. */
#include "tests/unit/model_ground.h"

#include <netinet/in.h>

#include "lb/model/ring.h"

static struct world world;

static struct state *state_of(const char *config)
{
	world_make(&world, config);
	return world_state(&world, NULL);
}

static void done(struct state *state)
{
	state_free(state);
	world_clear(&world);
}

/* ---- rows and identities --------------------------------------------------------------------- */

#define DUAL                                                                                      \
	"services = ( { name = \"web\"; vips = [ \"203.0.113.10\", \"2001:db8::10\" ];"          \
	" protocol = \"tcp\"; ports = [ 80 ]; backends = ("                                      \
	" { name = \"a\"; address = [ \"10.1.0.2\", \"fd00::2\" ]; port = 8080; },"               \
	" { name = \"b\"; address = \"10.1.0.3\"; } ); },"                                        \
	" { name = \"dns\"; vips = [ \"203.0.113.10\" ]; protocol = \"udp\"; ports = [ 53 ];"     \
	" forward = \"dsr\"; backends = ( { name = \"d\"; address = \"192.0.2.7\"; } ); } );"

static void each_address_of_a_backend_is_a_row(void **state)
{
	struct state *wanted = state_of(DUAL);
	const struct service *web = &wanted->services[0], *dns = &wanted->services[1];

	(void)state;
	assert_int_equal(desired_row_count(world.config), 4);
	assert_int_equal(wanted->service_count, 2);
	assert_int_equal(web->backend_count, 3);
	assert_int_equal(dns->backend_count, 1);
	assert_string_equal(web->backends[0].name, "a");
	assert_string_equal(web->backends[1].name, "a");
	assert_string_equal(web->backends[2].name, "b");
	assert_int_equal(web->backends[0].family, IPV4);
	assert_int_equal(web->backends[1].family, IPV6);
	assert_int_equal(web->backends[2].family, IPV4);
	/* A row has the next hop of its own number. */
	for (unsigned int b = 0; b < 3; b++)
		assert_int_equal(web->backends[b].hop.ifindex, VETH + b);
	assert_int_equal(dns->backends[0].hop.ifindex, VETH + 3);
	done(wanted);
}

static void assert_identity(const struct backend *row, struct identity expected)
{
	assert_true(addr_equal(&row->identity.address, &expected.address));
	assert_true(addr_equal(&row->identity.vip, &expected.vip));
	assert_int_equal(row->identity.port, expected.port);
	assert_int_equal(row->identity.vip_port, expected.vip_port);
	assert_int_equal(row->identity.forward, expected.forward);
	assert_true(identity_equal(&row->identity, &expected));
}

static void identity_is_what_a_flow_sees(void **state)
{
	struct state *wanted = state_of(DUAL);
	const struct backend *web = wanted->services[0].backends;

	(void)state;
	assert_identity(&web[0], (struct identity){ addr_of("10.1.0.2"), addr_of("203.0.113.10"),
						    8080, 80, LB_FORWARD_NAT });
	assert_identity(&web[1], (struct identity){ addr_of("fd00::2"), addr_of("2001:db8::10"),
						    8080, 80, LB_FORWARD_NAT });
	/* Without a port of its own the packet keeps the client's. */
	assert_identity(&web[2], (struct identity){ addr_of("10.1.0.3"), addr_of("203.0.113.10"),
						    0, 0, LB_FORWARD_NAT });
	/* With dsr nothing of the packet changes: vip and ports are no part of it. */
	assert_identity(&wanted->services[1].backends[0],
			(struct identity){ .address = addr_of("192.0.2.7"),
					   .forward = LB_FORWARD_DSR });
	done(wanted);
}

static void service_has_what_its_config_says(void **state)
{
	struct state *wanted = state_of(
		"services = ( { name = \"quick\"; vips = [ \"203.0.113.10\" ]; protocol = \"udp\";"
		" ports = [ 53 ]; track = \"always\"; when_down = \"reject\";"
		" idle_timeout = \"90s\"; forward = \"dsr\";"
		" backends = ( { name = \"a\"; address = \"10.1.0.2\"; } ); } );");
	const struct service *service = &wanted->services[0];

	(void)state;
	assert_string_equal(service->name, "quick");
	assert_int_equal(service->protocol, IPPROTO_UDP);
	assert_true(service->track);
	assert_true(service->reject);
	assert_int_equal(service->idle_timeout_ms, 90000);
	assert_int_equal(service->forward, CONFIG_DSR);
	assert_true(service->up);
	assert_ptr_equal(service->config, &world.config->services[0]);
	assert_ptr_equal(wanted->config, world.config);
	assert_memory_equal(wanted->hash_key, world.hash_key, sizeof(world.hash_key));
	done(wanted);
}

/* ---- keys ----------------------------------------------------------------------------------- */

#define PORTS(ports)                                                                              \
	"services = ( { name = \"web\"; vips = [ \"203.0.113.10\", \"203.0.113.11\" ];"          \
	" protocol = \"tcp\"; forward = \"dsr\"; ports = [ " ports " ];"                          \
	" backends = ( { name = \"a\"; address = \"10.1.0.2\"; } ); } );"

static const struct keys_row {
	const char *sentence, *config;
	size_t count; /* for each of two vips */
	struct { uint16_t port; bool range; } keys[4];
} keys_rows[] = {
	{ "one port", PORTS("80"), 1, { { 80, false } } },
	{ "two ports", PORTS("80, 443"), 2, { { 80, false }, { 443, false } } },
	{ "any port is port 0", PORTS(""), 1, { { 0, false } } },
	{ "a range is counted out", PORTS("\"8000-8003\""), 4,
	  { { 8000, true }, { 8001, true }, { 8002, true }, { 8003, true } } },
	{ "a range of one is an exact port", PORTS("\"8000-8000\""), 1, { { 8000, false } } },
	{ "the last port there is", PORTS("\"65533-65535\""), 3,
	  { { 65533, true }, { 65534, true }, { 65535, true } } },
};

static void keys_are_vips_times_ports(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(keys_rows); i++) {
		const struct keys_row *row = &keys_rows[i];
		struct state *wanted = state_of(row->config);
		const struct service *service = &wanted->services[0];

		if (service->key_count != 2 * row->count)
			fail_msg("%s: %zu keys", row->sentence, service->key_count);
		for (size_t k = 0; k < service->key_count; k++) {
			const struct vip_key *key = &service->keys[k];
			size_t at = k % row->count;
			struct addr vip =
				addr_of(k < row->count ? "203.0.113.10" : "203.0.113.11");

			if (key->port != row->keys[at].port || key->range != row->keys[at].range ||
			    !addr_equal(&key->vip, &vip))
				fail_msg("%s: key %zu is port %u", row->sentence, k, key->port);
		}
		done(wanted);
	}
}

/* ---- rings ---------------------------------------------------------------------------------- */

static void ring_has_the_families_own_rows(void **state)
{
	struct state *wanted = state_of(DUAL);
	const struct service *web = &wanted->services[0];
	unsigned int slots[3] = { 0 };

	(void)state;
	for (int family = 0; family < FAMILIES; family++)
		for (uint32_t i = 0; i < web->ring[family].slots; i++) {
			uint32_t owner = web->ring[family].owners[i];

			assert_in_range(owner, 0, 2);
			assert_int_equal(web->backends[owner].family, family);
			slots[owner]++;
		}
	assert_int_equal(web->ring[IPV4].slots, 1021);
	assert_int_equal(web->ring[IPV6].slots, 1021);
	assert_in_range(slots[0], 510, 511);
	assert_in_range(slots[2], 510, 511);
	assert_int_equal(slots[1], 1021);
	/* Without vips of a family there is no ring of it. */
	assert_int_equal(wanted->services[1].ring[IPV6].slots, 0);
	assert_null(wanted->services[1].ring[IPV6].owners);
	done(wanted);
}

static void who_takes_no_new_flows_has_no_slots(void **state)
{
	struct state *wanted;
	const struct ring *ring;

	(void)state;
	world_make(&world, WEB("", BACKEND("a", "10.1.0.2", "state = \"drain\";") ","
			       BACKEND("b", "10.1.0.3", "") "," BACKEND("c", "10.1.0.4", "")));
	hop_lose(&world.hops[2], "no route");
	wanted = world_state(&world, NULL);
	ring = &wanted->services[0].ring[IPV4];
	for (uint32_t i = 0; i < ring->slots; i++)
		assert_int_equal(ring->owners[i], 1);
	state_free(wanted);
	hop_lose(&world.hops[1], "no route");
	wanted = world_state(&world, NULL);
	ring = &wanted->services[0].ring[IPV4];
	for (uint32_t i = 0; i < ring->slots; i++)
		assert_int_equal(ring->owners[i], RING_NOBODY);
	assert_false(wanted->services[0].up);
	done(wanted);
}

#define ONE WEB("", BACKEND("a", "10.1.0.2", ""))
#define TWELVE(keys)                                                                              \
	WEB(keys, BACKEND("a", "10.1.0.2", "") "," BACKEND("b", "10.1.0.3", "") ","               \
	    BACKEND("c", "10.1.0.4", "") "," BACKEND("d", "10.1.0.5", "") ","                     \
	    BACKEND("e", "10.1.0.6", "") "," BACKEND("f", "10.1.0.7", "") ","                     \
	    BACKEND("g", "10.1.0.8", "") "," BACKEND("h", "10.1.0.9", "") ","                     \
	    BACKEND("i", "10.1.0.10", "") "," BACKEND("j", "10.1.0.11", "") ","                   \
	    BACKEND("k", "10.1.0.12", "") "," BACKEND("l", "10.1.0.13", ""))

static const struct ring_row {
	const char *sentence, *before, *now;
	uint32_t was; /* slots of the actual ring instead of those of `before`; 0: those */
	uint32_t slots;
} ring_rows[] = {
	{ "at least 1021", NULL, ONE, 0, 1021 },
	{ "the smallest prime from 100 a backend", NULL, TWELVE(""), 0, 1201 },
	{ "as lb.conf says", NULL, TWELVE("ring_size = 65537;"), 0, 65537 },
	{ "automatic: kept when backends come", ONE, TWELVE(""), 0, 1021 },
	{ "automatic: kept when backends go", TWELVE(""), ONE, 0, 1201 },
	{ "automatic: kept when a size is no longer given", TWELVE("ring_size = 65537;"),
	  TWELVE(""), 0, 65537 },
	{ "a size that is given is taken", TWELVE(""), TWELVE("ring_size = 2003;"), 0, 2003 },
	{ "automatic: not kept below the least", ONE, TWELVE(""), 13, 1201 },
};

static void ring_keeps_its_automatic_size(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(ring_rows); i++) {
		const struct ring_row *row = &ring_rows[i];
		struct state *actual = NULL, *wanted;
		uint32_t slots;

		world_make(&world, row->before ? row->before : row->now);
		if (row->before)
			actual = world_state(&world, NULL);
		if (row->was)
			actual->services[0].ring[IPV4].slots = row->was;
		world_config(&world, row->now);
		wanted = world_state(&world, actual);
		slots = wanted->services[0].ring[IPV4].slots;
		if (slots != row->slots)
			fail_msg("%s: %u, expected %u", row->sentence, slots, row->slots);
		state_free(actual);
		done(wanted);
	}
}

/* A service by another name is another service. */
static void ring_size_is_not_another_services(void **state)
{
	struct state *actual = state_of(TWELVE("")), *wanted;

	(void)state;
	strcpy(actual->services[0].name, "another");
	world_config(&world, ONE);
	wanted = world_state(&world, actual);
	assert_int_equal(wanted->services[0].ring[IPV4].slots, 1021);
	state_free(actual);
	done(wanted);
}

static void hash_keys_are_the_seeds_and_differ(void **state)
{
	uint64_t one[LB_HASH_KEYS], same[LB_HASH_KEYS], other[LB_HASH_KEYS];

	(void)state;
	hash_keys_of("a seed", one);
	hash_keys_of("a seed", same);
	hash_keys_of("a seeD", other);
	assert_memory_equal(one, same, sizeof(one));
	for (int i = 0; i < LB_HASH_KEYS; i++) {
		assert_true(one[i] != other[i]);
		for (int j = 0; j < i; j++)
			assert_true(one[i] != one[j]);
	}
}

/* ---- what else of the host ------------------------------------------------------------------- */

#define FRONTS "interfaces = ( { name = \"eth1\"; mode = \"native\"; },"                          \
	" { name = \"gone0\"; optional = true; }, { name = \"eth0\"; } );"

static void fronts_are_the_interfaces_that_exist(void **state)
{
	struct state *wanted = state_of(FRONTS ONE);

	(void)state;
	assert_int_equal(wanted->front_count, 2);
	assert_string_equal(wanted->fronts[0].name, "eth1");
	assert_int_equal(wanted->fronts[0].ifindex, ETH1);
	assert_int_equal(wanted->fronts[0].mode, CONFIG_MODE_NATIVE);
	assert_string_equal(wanted->fronts[1].name, "eth0");
	assert_int_equal(wanted->fronts[1].mode, CONFIG_MODE_AUTO);
	done(wanted);
}

static void assert_numbers(const unsigned int *numbers, size_t count, const unsigned int *expected)
{
	size_t i = 0;

	for (; expected[i]; i++)
		if (i >= count || numbers[i] != expected[i])
			fail_msg("number %zu is %u, expected %u", i, i < count ? numbers[i] : 0,
				 expected[i]);
	assert_int_equal(count, i);
}

#define NUMBERS(...) ((const unsigned int[]){ __VA_ARGS__ __VA_OPT__(,) 0 })

static void hooks_are_on_the_ports_of_local_nat_backends(void **state)
{
	struct state *wanted = state_of(DUAL);

	(void)state;
	/* The last row is dsr: its replies do not come this way. */
	assert_numbers(wanted->devices, wanted->device_count,
		       NUMBERS(ETH0, VETH, VETH + 1, VETH + 2, VETH + 3));
	assert_numbers(wanted->reply_hooks, wanted->reply_hook_count,
		       NUMBERS(VETH, VETH + 1, VETH + 2));
	done(wanted);
}

static void hooks_are_on_the_fronts_where_a_nat_backend_is_remote(void **state)
{
	struct state *wanted;

	(void)state;
	world_make(&world, FRONTS DUAL);
	hop_remote(&world.hops[2], ETH0);
	wanted = world_state(&world, NULL);
	assert_numbers(wanted->devices, wanted->device_count,
		       NUMBERS(ETH0, ETH1, VETH, VETH + 1, VETH + 3));
	assert_numbers(wanted->reply_hooks, wanted->reply_hook_count,
		       NUMBERS(ETH0, ETH1, VETH, VETH + 1));
	state_free(wanted);
	/* A dsr backend there asks for none. */
	world_hops(&world);
	hop_remote(&world.hops[3], ETH0);
	wanted = world_state(&world, NULL);
	assert_numbers(wanted->reply_hooks, wanted->reply_hook_count,
		       NUMBERS(VETH, VETH + 1, VETH + 2));
	done(wanted);
}

static void two_rows_behind_one_port_are_one_device(void **state)
{
	struct state *wanted;

	(void)state;
	world_make(&world, DUAL);
	world.hops[1].hop.ifindex = VETH;
	wanted = world_state(&world, NULL);
	assert_numbers(wanted->devices, wanted->device_count,
		       NUMBERS(ETH0, VETH, VETH + 2, VETH + 3));
	assert_numbers(wanted->reply_hooks, wanted->reply_hook_count, NUMBERS(VETH, VETH + 2));
	done(wanted);
}

static void row_without_a_next_hop_has_no_device(void **state)
{
	struct state *wanted;

	(void)state;
	world_make(&world, DUAL);
	hop_lose(&world.hops[0], "no neighbour");
	wanted = world_state(&world, NULL);
	assert_numbers(wanted->devices, wanted->device_count,
		       NUMBERS(ETH0, VETH + 1, VETH + 2, VETH + 3));
	assert_numbers(wanted->reply_hooks, wanted->reply_hook_count, NUMBERS(VETH + 1, VETH + 2));
	done(wanted);
}

/* ---- what replies reach untranslated --------------------------------------------------------- */

static void assert_direct(const struct state *wanted, const char *const *expected)
{
	size_t i = 0;

	for (; expected[i]; i++) {
		struct prefix prefix = prefix_of(expected[i]);

		if (i >= wanted->direct_count || wanted->direct[i].len != prefix.len ||
		    !addr_equal(&wanted->direct[i].addr, &prefix.addr))
			fail_msg("direct %zu is not %s", i, expected[i]);
	}
	assert_int_equal(wanted->direct_count, i);
}

#define PREFIXES(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void direct_are_the_hosts_addresses_and_the_backends_networks(void **state)
{
	struct state *wanted = state_of(ONE);

	(void)state;
	/* Both of br0's networks, in the order of their bytes; eth0's has no backend. */
	assert_direct(wanted, PREFIXES("10.1.0.0/24", "10.1.0.1", "192.0.2.1", "fd00::/64",
				       "fd00::1"));
	done(wanted);
}

static void network_stays_direct_while_its_backend_cannot_be_reached(void **state)
{
	struct state *wanted;

	(void)state;
	world_make(&world, ONE);
	hop_lose(&world.hops[0], "no neighbour");
	wanted = world_state(&world, NULL);
	assert_direct(wanted, PREFIXES("10.1.0.0/24", "10.1.0.1", "192.0.2.1", "fd00::/64",
				       "fd00::1"));
	done(wanted);
}

static void lone_backend_is_a_network_of_its_own(void **state)
{
	struct state *wanted;

	(void)state;
	world_make(&world, WEB("", BACKEND("a", "172.16.0.9", "") ","
			       BACKEND("b", "10.1.0.3", "")));
	wanted = world_state(&world, NULL);
	assert_direct(wanted, PREFIXES("10.1.0.0/24", "10.1.0.1", "172.16.0.9", "192.0.2.1",
				       "fd00::/64", "fd00::1"));
	state_free(wanted);
	/* Behind a gateway it is not a neighbour: its network is the gateway's concern. */
	world.hops[0].hop.neighbour = addr_of("10.1.0.254");
	wanted = world_state(&world, NULL);
	assert_direct(wanted, PREFIXES("10.1.0.0/24", "10.1.0.1", "192.0.2.1", "fd00::/64",
				       "fd00::1"));
	done(wanted);
}

/* Another bridge with a container on it, and one that is routed alone; neither has a backend. */
enum { BR1 = 11, PORT1 = 200, LONE = 201 };

static struct net_link client_links[] = {
	{ .ifindex = ETH0, .name = "eth0" },
	{ .ifindex = BR1, .name = "br1", .kind = NET_BRIDGE },
	{ .ifindex = PORT1, .name = "veth-k", .kind = NET_VETH, .master = BR1 },
	{ .ifindex = LONE, .name = "veth-l", .kind = NET_VETH },
};
static struct net_address client_addresses[3];

/* What br1 is like besides: its other port. */
static void world_with_clients(struct net_link *another_port, const char *config)
{
	static struct net_link links[ROWS(client_links) + 1];

	world_make(&world, config);
	memcpy(links, client_links, sizeof(client_links));
	world.view.links = links;
	world.view.link_count = ROWS(client_links);
	if (another_port)
		links[world.view.link_count++] = *another_port;
	client_addresses[0] = (struct net_address){ ETH0, addr_of("192.0.2.1"),
						    prefix_of("192.0.2.0/24"), true };
	client_addresses[1] = (struct net_address){ BR1, addr_of("10.5.0.1"),
						    prefix_of("10.5.0.0/24"), true };
	client_addresses[2] = (struct net_address){ LONE, addr_of("169.254.1.1"),
						    prefix_of("169.254.1.1/32"), true };
	world.view.addresses = client_addresses;
	world.view.address_count = ROWS(client_addresses);
	world.clients[0] = (struct local_client){ PORT1, { addr_of("10.5.0.2") }, 1 };
	world.clients[1] = (struct local_client){ LONE, { addr_of("10.6.0.2") }, 1 };
	world.client_count = 2;
}

static void networks_of_local_clients_are_direct(void **state)
{
	struct net_link veth = { .ifindex = 202, .kind = NET_VETH, .master = BR1 };
	struct state *wanted;

	(void)state;
	world_with_clients(NULL, ONE);
	wanted = world_state(&world, NULL);
	assert_direct(wanted, PREFIXES("10.1.0.2", "10.5.0.0/24", "10.5.0.1", "10.6.0.2",
				       "169.254.1.1", "192.0.2.1"));
	state_free(wanted);
	/* Whose namespace is not known stands beside it: the bridge is the containers' still. */
	world_with_clients(&veth, ONE);
	wanted = world_state(&world, NULL);
	assert_direct(wanted, PREFIXES("10.1.0.2", "10.5.0.0/24", "10.5.0.1", "10.6.0.2",
				       "169.254.1.1", "192.0.2.1"));
	state_free(wanted);
	world.client_count = 0;
	wanted = world_state(&world, NULL);
	assert_direct(wanted, PREFIXES("10.1.0.2", "10.5.0.1", "169.254.1.1", "192.0.2.1"));
	done(wanted);
}

/* Its neighbours may come to the vip by a router and the front: they must see the vip. */
static void network_with_another_way_to_the_front_is_not_direct(void **state)
{
	struct net_link card = { .ifindex = 202, .name = "eth2", .master = BR1 };
	struct net_link front = { .ifindex = 202, .name = "front", .kind = NET_VETH,
				  .master = BR1 };
	struct state *wanted;

	(void)state;
	world_with_clients(&card, ONE);
	wanted = world_state(&world, NULL);
	/* The client itself is one all the same. */
	assert_direct(wanted, PREFIXES("10.1.0.2", "10.5.0.1", "10.5.0.2", "10.6.0.2",
				       "169.254.1.1", "192.0.2.1"));
	state_free(wanted);
	world_with_clients(&front, "interfaces = ( { name = \"front\"; } ); " ONE);
	wanted = world_state(&world, NULL);
	assert_direct(wanted, PREFIXES("10.1.0.2", "10.5.0.1", "10.5.0.2", "10.6.0.2",
				       "169.254.1.1", "192.0.2.1"));
	done(wanted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_address_of_a_backend_is_a_row),
		cmocka_unit_test(identity_is_what_a_flow_sees),
		cmocka_unit_test(service_has_what_its_config_says),
		cmocka_unit_test(keys_are_vips_times_ports),
		cmocka_unit_test(ring_has_the_families_own_rows),
		cmocka_unit_test(who_takes_no_new_flows_has_no_slots),
		cmocka_unit_test(ring_keeps_its_automatic_size),
		cmocka_unit_test(ring_size_is_not_another_services),
		cmocka_unit_test(hash_keys_are_the_seeds_and_differ),
		cmocka_unit_test(fronts_are_the_interfaces_that_exist),
		cmocka_unit_test(hooks_are_on_the_ports_of_local_nat_backends),
		cmocka_unit_test(hooks_are_on_the_fronts_where_a_nat_backend_is_remote),
		cmocka_unit_test(two_rows_behind_one_port_are_one_device),
		cmocka_unit_test(row_without_a_next_hop_has_no_device),
		cmocka_unit_test(direct_are_the_hosts_addresses_and_the_backends_networks),
		cmocka_unit_test(network_stays_direct_while_its_backend_cannot_be_reached),
		cmocka_unit_test(lone_backend_is_a_network_of_its_own),
		cmocka_unit_test(networks_of_local_clients_are_direct),
		cmocka_unit_test(network_with_another_way_to_the_front_is_not_direct),
	};

	return cmocka_run_group_tests_name("desired", tests, NULL, NULL);
}
