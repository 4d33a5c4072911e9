/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ground for tests of lb/model: a world whose sources a test sets at will. A host with fronts
 * eth0 and eth1 and a bridge br0, configs that are read as lb.conf is, and rows that are all
 * reachable containers behind the bridge until a test says otherwise. For one test program each. */
#ifndef TESTS_UNIT_MODEL_GROUND_H
#define TESTS_UNIT_MODEL_GROUND_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lb/model/desired.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))
#define WORLD_ROWS 64
#define MINUTE (60 * UINT64_C(1000))

enum { ETH0 = 2, ETH1 = 3, BR0 = 10, VETH = 100 }; /* row N stands behind VETH + N */

struct world {
	struct config *config;
	const struct config_service *only; /* whose sources alone have changed; NULL: all */
	struct overrides overrides;
	struct net_view view;
	struct row_hop hops[WORLD_ROWS];
	struct row_health health[WORLD_ROWS];
	struct local_client clients[4];
	size_t client_count;
	bool checked;
	uint64_t now_ms;
	uint64_t hash_key[LB_HASH_KEYS];
};

static inline struct addr addr_of(const char *text)
{
	struct addr addr;

	assert_int_equal(addr_parse(text, &addr), 0);
	return addr;
}

static inline struct prefix prefix_of(const char *text)
{
	struct prefix prefix;

	assert_int_equal(prefix_parse(text, &prefix), 0);
	return prefix;
}

static struct net_link world_links[] = {
	{ .ifindex = ETH0, .name = "eth0", .up = true, .ethernet = true },
	{ .ifindex = ETH1, .name = "eth1", .up = true, .ethernet = true },
	{ .ifindex = BR0, .name = "br0", .kind = NET_BRIDGE, .up = true, .ethernet = true },
};
static struct net_address world_addresses[3];

static inline void world_view(struct world *world)
{
	world_addresses[0] = (struct net_address){ ETH0, addr_of("192.0.2.1"),
						   prefix_of("192.0.2.0/24"), true };
	world_addresses[1] = (struct net_address){ BR0, addr_of("10.1.0.1"),
						   prefix_of("10.1.0.0/24"), true };
	world_addresses[2] = (struct net_address){ BR0, addr_of("fd00::1"),
						   prefix_of("fd00::/64"), true };
	world->view = (struct net_view){ .links = world_links, .link_count = ROWS(world_links),
					 .addresses = world_addresses,
					 .address_count = ROWS(world_addresses) };
}

static inline void hop_local(struct row_hop *hop, unsigned int number, const struct addr *address)
{
	*hop = (struct row_hop){ .known = true, .hop = { .ifindex = VETH + number, .via = BR0,
							 .local = true, .neighbour = *address,
							 .mtu = 1500, .has_source = true } };
	hop->hop.source = addr_of(addr_is_ipv4(address) ? "10.1.0.1" : "fd00::1");
	snprintf(hop->hop.device, sizeof(hop->hop.device), "veth%u", number);
	hop->hop.dst_mac[5] = number;
}

/* On another host, by a gateway behind that front. */
static inline void hop_remote(struct row_hop *hop, unsigned int ifindex)
{
	*hop = (struct row_hop){ .known = true, .hop = { .ifindex = ifindex, .via = ifindex,
							 .neighbour = addr_of("192.0.2.254") } };
}

static inline void hop_lose(struct row_hop *hop, const char *reason)
{
	hop->known = false;
	snprintf(hop->reason, sizeof(hop->reason), "%s", reason);
}

static inline void world_hops(struct world *world)
{
	unsigned int row = 0;

	assert_true(desired_row_count(world->config) <= WORLD_ROWS);
	for (size_t s = 0; s < world->config->service_count; s++)
		for (size_t b = 0; b < world->config->services[s].backend_count; b++) {
			const struct config_backend *backend =
				&world->config->services[s].backends[b];

			for (int family = 0; family < FAMILIES; family++)
				if (backend->has_address[family]) {
					hop_local(&world->hops[row], row,
						  &backend->address[family]);
					world->health[row].up = true;
					row++;
				}
		}
}

/* `text`: a config without its version and interfaces, which may be given too. */
static inline void world_config(struct world *world, const char *text)
{
	_cleanup_diag_ struct diag diag = { 0 };
	char whole[8192];
	const char *fronts = strstr(text, "interfaces") ? ""
							: "interfaces = ( { name = \"eth0\"; } );";

	assert_in_range(snprintf(whole, sizeof(whole), "version = 1; %s\n%s", fronts, text), 1,
			sizeof(whole) - 1);
	config_free(world->config);
	world->config = NULL;
	if (config_load_text("lb.conf", whole, &world->config, &diag)) {
		char *errors = diag_text(&diag);

		fail_msg("%s%s", text, errors);
	}
	world_hops(world);
}

static inline void world_make(struct world *world, const char *text)
{
	memset(world, 0, sizeof(*world));
	world->now_ms = 1000 * MINUTE;
	hash_keys_of("seed", world->hash_key);
	world_view(world);
	world_config(world, text);
}

static inline void world_clear(struct world *world)
{
	config_free(world->config);
	overrides_clear(&world->overrides);
}

/* The wanted state over `actual` (NULL: none). */
static inline struct state *world_state(const struct world *world, const struct state *actual)
{
	struct sources sources = { .config = world->config, .only = world->only,
				   .overrides = &world->overrides, .view = &world->view,
				   .hops = world->hops,
				   .clients = world->clients,
				   .client_count = world->client_count,
				   .health = world->checked ? world->health : NULL,
				   .now_ms = world->now_ms };
	struct state *state = NULL;

	memcpy(sources.hash_key, world->hash_key, sizeof(sources.hash_key));
	assert_int_equal(desired(&sources, actual, &state), 0);
	return state;
}

/* One service "web" over one vip a family; `keys` and `backends` in lb.conf's words. */
#define WEB(keys, backends)                                                                       \
	"services = ( { name = \"web\"; vips = [ \"203.0.113.10\" ]; protocol = \"tcp\";"        \
	" ports = [ 80 ]; " keys " backends = ( " backends " ); } );"
#define BACKEND(name, address, keys)                                                              \
	"{ name = \"" name "\"; address = \"" address "\"; " keys " }"

#endif
