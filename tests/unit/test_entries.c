/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The entries of the service and the reply table: whose a port is where several services claim
 * it, and what a reply can be told from. Looked up as the data plane does: the port, then any
 * port. */
#include "tests/unit/model_ground.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "lb/model/entries.h"

struct list {
	struct lb_entry *entries;
	size_t count;
};

static struct world world;
static struct state *wanted;
static struct list services, replies;

static void entries_begin(const char *config)
{
	uint32_t id = 1;

	world_make(&world, config);
	wanted = world_state(&world, NULL);
	for (size_t s = 0; s < wanted->service_count; s++) {
		wanted->services[s].id = s + 1;
		wanted->services[s].ring[IPV4].base = 1000 * s;
		wanted->services[s].ring[IPV6].base = 1000 * s + 500;
		for (size_t b = 0; b < wanted->services[s].backend_count; b++)
			wanted->services[s].backends[b].id = id++;
	}
	assert_int_equal(entries_of_services(wanted, &services.entries, &services.count), 0);
	assert_int_equal(entries_of_replies(wanted, &replies.entries, &replies.count), 0);
}

static void entries_end(void)
{
	free(services.entries);
	free(replies.entries);
	state_free(wanted);
	world_clear(&world);
}

static const struct lb_entry *find(const struct list *list, const char *address, uint16_t port,
				   uint8_t protocol)
{
	struct addr addr = addr_of(address);

	for (size_t i = 0; i < list->count; i++) {
		const struct lb_entry *entry = &list->entries[i];

		if (!memcmp(entry->addr.byte, addr.byte, 16) && entry->port == htons(port) &&
		    entry->protocol == protocol)
			return entry;
	}
	return NULL;
}

static uint32_t service_at(const char *vip, uint16_t port, uint8_t protocol)
{
	const struct lb_entry *entry = find(&services, vip, port, protocol);

	if (!entry)
		entry = find(&services, vip, 0, protocol);
	return entry ? entry->id : 0;
}

static uint32_t backend_at(const char *address, uint16_t port, uint8_t protocol)
{
	const struct lb_entry *entry = find(&replies, address, port, protocol);

	return entry ? entry->id : 0;
}

static void assert_sorted(const struct list *list)
{
	for (size_t i = 0; i < list->count; i++)
		assert_int_equal(list->entries[i].used & ~(LB_ENTRY_TRACK | LB_ENTRY_REJECT |
							  LB_ENTRY_UP), LB_ENTRY_USED);
	for (size_t i = 1; i < list->count; i++)
		assert_true(entry_compare_keys(&list->entries[i - 1], &list->entries[i]) < 0);
}

/* ---- services ------------------------------------------------------------------------------- */

#define SERVICE(name, protocol, ports, address)                                                   \
	" { name = \"" name "\"; vips = [ \"203.0.113.10\" ]; protocol = \"" protocol "\";"      \
	" ports = [ " ports " ]; forward = \"dsr\";"                                              \
	" backends = ( { name = \"x\"; address = \"" address "\"; } ); }"
#define EXACT SERVICE("exact", "tcp", "8001", "10.1.0.2")
#define RANGE SERVICE("range", "tcp", "\"8000-8002\"", "10.1.0.3")
#define ANY   SERVICE("any", "tcp", "", "10.1.0.4")
#define DNS   SERVICE("dns", "udp", "8001", "10.1.0.5")

static const struct claim_row {
	const char *sentence, *config;
	uint16_t port;
	uint8_t protocol;
	uint32_t service; /* from 1, in the config's order; 0: not ours */
} claim_rows[] = {
	{ "an exact port beats a range", "services = (" EXACT "," RANGE "," ANY ");", 8001,
	  IPPROTO_TCP, 1 },
	{ "in whatever order", "services = (" ANY "," RANGE "," EXACT ");", 8001, IPPROTO_TCP, 3 },
	{ "a range beats any port", "services = (" EXACT "," RANGE "," ANY ");", 8002,
	  IPPROTO_TCP, 2 },
	{ "its first port too", "services = (" ANY "," EXACT "," RANGE ");", 8000, IPPROTO_TCP,
	  3 },
	{ "any port has the rest", "services = (" EXACT "," RANGE "," ANY ");", 8003, IPPROTO_TCP,
	  3 },
	{ "another protocol is another claim", "services = (" EXACT "," DNS ");", 8001,
	  IPPROTO_UDP, 2 },
	{ "any port is of its protocol", "services = (" ANY ");", 8001, IPPROTO_UDP, 0 },
	{ "nobody's port", "services = (" EXACT "," RANGE ");", 8003, IPPROTO_TCP, 0 },
};

static void port_is_the_nearest_claims(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(claim_rows); i++) {
		const struct claim_row *row = &claim_rows[i];
		uint32_t service;

		entries_begin(row->config);
		assert_sorted(&services);
		service = service_at("203.0.113.10", row->port, row->protocol);
		if (service != row->service)
			fail_msg("%s: service %u, expected %u", row->sentence, service,
				 row->service);
		entries_end();
	}
}

static void vip_is_marked_once(void **state)
{
	const struct lb_entry *mark;

	(void)state;
	entries_begin("services = (" EXACT "," RANGE "," ANY "," DNS ");");
	/* Ports 8000 to 8002, any port, udp, and the mark. */
	assert_int_equal(services.count, 6);
	mark = find(&services, "203.0.113.10", 0, 0);
	assert_non_null(mark);
	assert_int_equal(mark->id, 0);
	assert_int_equal(mark->slot_count, 0);
	assert_true(state_has_any_port(wanted));
	entries_end();
	entries_begin("services = (" EXACT ");");
	assert_false(state_has_any_port(wanted));
	entries_end();
}

static void entry_names_the_ring_of_its_family(void **state)
{
	const struct lb_entry *entry;

	(void)state;
	entries_begin("services = (" EXACT ", { name = \"web\"; track = \"always\";"
		      " vips = [ \"2001:db8::10\", \"203.0.113.11\" ]; protocol = \"udp\";"
		      " ports = [ 53 ]; backends = ( { name = \"a\"; port = 5353;"
		      " address = [ \"10.1.0.9\", \"fd00::9\" ]; } ); } );");
	entry = find(&services, "203.0.113.10", 8001, IPPROTO_TCP);
	assert_non_null(entry);
	assert_int_equal(entry->used, LB_ENTRY_USED);
	assert_int_equal(entry->slot_base, 0);
	assert_int_equal(entry->slot_count, 1021);
	entry = find(&services, "203.0.113.11", 53, IPPROTO_UDP);
	assert_non_null(entry);
	assert_int_equal(entry->used, LB_ENTRY_USED | LB_ENTRY_TRACK);
	assert_int_equal(entry->slot_base, 1000);
	entry = find(&services, "2001:db8::10", 53, IPPROTO_UDP);
	assert_non_null(entry);
	assert_int_equal(entry->slot_base, 1500);
	assert_int_equal(entry->slot_count, 1021);
	entries_end();
}

/* Of each of its ports, and of no other's. */
static void entry_says_whether_clients_are_told(void **state)
{
	(void)state;
	entries_begin("services = (" EXACT ", { name = \"web\"; when_down = \"reject\";"
		      " track = \"always\"; vips = [ \"203.0.113.10\" ]; protocol = \"tcp\";"
		      " ports = [ \"8000-8002\" ]; backends = ( ); } );");
	assert_int_equal(find(&services, "203.0.113.10", 8001, IPPROTO_TCP)->used, LB_ENTRY_USED);
	for (uint16_t port = 8000; port <= 8002; port += 2)
		assert_int_equal(find(&services, "203.0.113.10", port, IPPROTO_TCP)->used,
				 LB_ENTRY_USED | LB_ENTRY_TRACK | LB_ENTRY_REJECT);
	assert_int_equal(find(&services, "203.0.113.10", 0, 0)->used, LB_ENTRY_USED | LB_ENTRY_UP);
	entries_end();
}

static void no_service_has_no_entries(void **state)
{
	(void)state;
	entries_begin("services = ( );");
	assert_int_equal(services.count, 0);
	assert_int_equal(replies.count, 0);
	entries_end();
}

/* ---- replies -------------------------------------------------------------------------------- */

#define NAT(name, vip, protocol, ports, backends)                                                 \
	" { name = \"" name "\"; vips = [ \"" vip "\" ]; protocol = \"" protocol "\";"           \
	" ports = [ " ports " ]; backends = ( " backends " ); }"

static void reply_is_told_by_address_port_and_protocol(void **state)
{
	(void)state;
	entries_begin("services = ("
		      NAT("web", "203.0.113.10", "tcp", "80",
			  BACKEND("a", "10.1.0.2", "port = 8080;") ","
			  BACKEND("b", "10.1.0.3", "")) ","
		      NAT("dns", "203.0.113.10", "udp", "\"53-54\"",
			  BACKEND("c", "10.1.0.2", "")) ","
		      SERVICE("dsr", "tcp", "443", "10.1.0.9") ");");
	assert_sorted(&replies);
	assert_int_equal(backend_at("10.1.0.2", 8080, IPPROTO_TCP), 1);
	assert_int_equal(backend_at("10.1.0.2", 80, IPPROTO_TCP), 0);
	/* Where the packet kept its port, replies come from the service's. */
	assert_int_equal(backend_at("10.1.0.3", 80, IPPROTO_TCP), 2);
	assert_int_equal(backend_at("10.1.0.2", 53, IPPROTO_UDP), 3);
	assert_int_equal(backend_at("10.1.0.2", 54, IPPROTO_UDP), 3);
	/* Fragments, whose ports nobody knows. */
	assert_int_equal(backend_at("10.1.0.2", 0, IPPROTO_TCP), 1);
	assert_int_equal(backend_at("10.1.0.2", 0, IPPROTO_UDP), 3);
	/* dsr backends answer by themselves. */
	assert_int_equal(backend_at("10.1.0.9", 443, IPPROTO_TCP), 0);
	assert_int_equal(replies.count, 7);
	entries_end();
}

static void reply_keeps_to_its_family(void **state)
{
	(void)state;
	entries_begin("services = ( { name = \"web\"; protocol = \"tcp\"; ports = [ 80, 81 ];"
		      " vips = [ \"203.0.113.10\", \"2001:db8::10\" ]; backends = ("
		      " { name = \"a\"; address = [ \"10.1.0.2\", \"fd00::2\" ]; } ); } );");
	assert_int_equal(backend_at("10.1.0.2", 80, IPPROTO_TCP), 1);
	assert_int_equal(backend_at("10.1.0.2", 81, IPPROTO_TCP), 1);
	assert_int_equal(backend_at("fd00::2", 80, IPPROTO_TCP), 2);
	assert_int_equal(backend_at("fd00::2", 81, IPPROTO_TCP), 2);
	assert_int_equal(replies.count, 6);
	entries_end();
}

static void remote_nat_is_where_replies_come_by_the_fronts(void **state)
{
	(void)state;
	world_make(&world, "services = ("
		   NAT("web", "203.0.113.10", "tcp", "80", BACKEND("a", "10.1.0.2", "")) ","
		   SERVICE("dsr", "tcp", "443", "10.1.0.9") ");");
	wanted = world_state(&world, NULL);
	assert_false(state_has_remote_nat(wanted));
	state_free(wanted);
	hop_remote(&world.hops[1], ETH0);
	wanted = world_state(&world, NULL);
	assert_false(state_has_remote_nat(wanted));
	state_free(wanted);
	hop_remote(&world.hops[0], ETH0);
	wanted = world_state(&world, NULL);
	assert_true(state_has_remote_nat(wanted));
	state_free(wanted);
	hop_lose(&world.hops[0], "no neighbour");
	wanted = world_state(&world, NULL);
	assert_false(state_has_remote_nat(wanted));
	state_free(wanted);
	world_clear(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(port_is_the_nearest_claims),
		cmocka_unit_test(vip_is_marked_once),
		cmocka_unit_test(entry_names_the_ring_of_its_family),
		cmocka_unit_test(entry_says_whether_clients_are_told),
		cmocka_unit_test(no_service_has_no_entries),
		cmocka_unit_test(reply_is_told_by_address_port_and_protocol),
		cmocka_unit_test(reply_keeps_to_its_family),
		cmocka_unit_test(remote_nat_is_where_replies_come_by_the_fronts),
	};

	return cmocka_run_group_tests_name("entries", tests, NULL, NULL);
}
