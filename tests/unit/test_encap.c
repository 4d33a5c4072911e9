/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Encapsulated backends in the model: whose vips they serve, where their outer packets come from,
 * and what a change of that costs. And what a service's table entries say of it. */
#include "tests/unit/kernel_ground.h"

#include <netinet/in.h>

#include "lb/model/entries.h"

#define VIPS(keys, backends)                                                                      \
	"services = ( { name = \"web\"; vips = [ \"203.0.113.10\", \"2001:db8::10\" ];"          \
	" ports = [ 80 ]; " keys " backends = ( " backends " ); } );"
#define PAIR "{ name = \"p\"; address = [ \"10.1.0.2\", \"fd00::2\" ]; }"
#define FOUR BACKEND("four", "10.1.0.3", "")
#define SIX  BACKEND("six", "fd00::3", "")

static const struct service *web(void)
{
	return &actual->services[0];
}

static const struct backend *row_of(const char *name, int family)
{
	const struct backend *row = service_backend(web(), name, family);

	assert_non_null(row);
	return row;
}

static double share_of(const struct backend *row, int family)
{
	const struct ring *ring = &web()->ring[family];
	uint32_t owned = 0;

	for (uint32_t i = 0; i < ring->slots; i++)
		owned += service_slot_owner(web(), family, i) == row->id;
	return (double)owned / ring->slots;
}

static void a_lone_address_serves_both_families_and_a_pair_its_own(void **state)
{
	(void)state;
	world_make(&world, VIPS("forward = \"ipip\";", PAIR "," FOUR "," SIX));
	step_over(step());
	assert_float_equal(share_of(row_of("p", IPV4), IPV4), 1 / 3.0, 0.01);
	assert_float_equal(share_of(row_of("p", IPV4), IPV6), 0, 0);
	assert_float_equal(share_of(row_of("p", IPV6), IPV6), 1 / 3.0, 0.01);
	assert_float_equal(share_of(row_of("p", IPV6), IPV4), 0, 0);
	for (int family = 0; family < FAMILIES; family++) {
		assert_float_equal(share_of(row_of("four", IPV4), family), 1 / 3.0, 0.01);
		assert_float_equal(share_of(row_of("six", IPV6), family), 1 / 3.0, 0.01);
	}
	assert_int_equal(row_of("four", IPV4)->identity.forward, LB_FORWARD_IPIP);
}

static void without_encapsulation_nobody_serves_the_other_family(void **state)
{
	(void)state;
	world_make(&world, VIPS("forward = \"dsr\";", FOUR "," SIX));
	step_over(step());
	assert_float_equal(share_of(row_of("four", IPV4), IPV4), 1, 0);
	assert_float_equal(share_of(row_of("four", IPV4), IPV6), 0, 0);
}

/* IPv4 has an ordinary backend and IPv6 has none: the backup serves one family and idles in the
 * other. */
static void a_backup_is_judged_in_each_family(void **state)
{
	const struct backend *backup;

	(void)state;
	world_make(&world, VIPS("forward = \"gue\";",
				"{ name = \"p\"; address = [ \"10.1.0.2\", \"fd00::2\" ]; },"
				BACKEND("spare", "10.1.0.3", "backup = true;")));
	hop_lose(&world.hops[1], "no neighbour"); /* p's IPv6 address */
	step_over(step());
	backup = row_of("spare", IPV4);
	assert_float_equal(share_of(backup, IPV4), 0, 0);
	assert_float_equal(share_of(backup, IPV6), 1, 0);
	assert_int_equal(backup->effective_weight, 100);
	assert_true(web()->up_in[IPV4] && web()->up_in[IPV6] && web()->up);
}

static void min_up_counts_who_serves_the_family(void **state)
{
	(void)state;
	world_make(&world, VIPS("forward = \"gue\"; min_up = 2;", PAIR "," FOUR));
	step_over(step());
	assert_true(web()->up);
	hop_lose(&world.hops[1], "no neighbour");
	step_over(step());
	assert_true(web()->up_in[IPV4]);
	assert_false(web()->up_in[IPV6]);
	assert_string_equal(web()->reason, "IPv6: 1 backend can take new flows, min_up is 2");
	assert_float_equal(share_of(row_of("four", IPV4), IPV4), 0.5, 0.01);
	assert_float_equal(share_of(row_of("four", IPV4), IPV6), 0, 0);
}

static void the_outer_source_is_the_configs_or_the_hosts(void **state)
{
	struct prefix four = prefix_of("192.0.2.0/28"), host = prefix_of("fd00::1");

	(void)state;
	world_make(&world, VIPS("forward = \"ipip\"; encap_source = [ \"192.0.2.0/28\" ];",
				FOUR "," SIX));
	step_over(step());
	assert_true(addr_equal(&row_of("four", IPV4)->encap_source.addr, &four.addr));
	assert_int_equal(row_of("four", IPV4)->encap_source.len, four.len);
	assert_true(addr_equal(&row_of("six", IPV6)->encap_source.addr, &host.addr));
	assert_int_equal(row_of("six", IPV6)->encap_source.len, 128);
}

static void without_a_source_a_backend_is_down_and_says_so(void **state)
{
	(void)state;
	world_make(&world, VIPS("forward = \"ipip\";", FOUR "," SIX));
	world.hops[0].hop.has_source = false;
	step_over(step());
	assert_int_equal(row_of("four", IPV4)->state, BACKEND_DOWN);
	assert_string_equal(row_of("four", IPV4)->reason,
			    "no source address for packets to 10.1.0.3");
	assert_int_equal(row_of("six", IPV6)->state, BACKEND_UP);
}

/* ---- changes -------------------------------------------------------------------------------- */

static void change_mtu(void)
{
	world.hops[0].hop.mtu = 1400;
}

static void change_source(void)
{
	world.hops[0].hop.source = addr_of("10.1.0.99");
}

static void change_vlan(void)
{
	world.hops[0].hop.vlan = 7;
}

#define IPIP "forward = \"ipip\";"

static const struct change {
	const char *sentence, *before, *after;
	void (*in_world)(void);
	const char *op;		/* that the plan has; NULL: it is empty */
	const char *breaks;	/* why; NULL: nothing does */
} changes[] = {
	{ "nothing changes", WEB(IPIP, FOUR), WEB(IPIP, FOUR), NULL, NULL, NULL },
	{ "the MTU of the way", WEB(IPIP, FOUR), WEB(IPIP, FOUR), change_mtu,
	  "~ backend web/four 10.1.0.3: next hop by veth0, ipip from 10.1.0.1/32, MTU 1400", NULL },
	{ "this host's address", WEB(IPIP, FOUR), WEB(IPIP, FOUR), change_source,
	  "~ backend web/four 10.1.0.3: next hop by veth0, ipip from 10.1.0.99/32, MTU 1500",
	  NULL },
	{ "both are nothing to DSR", WEB("forward = \"dsr\";", FOUR),
	  WEB("forward = \"dsr\";", FOUR), change_mtu, NULL, NULL },
	{ "the VLAN", WEB("", FOUR), WEB("", FOUR), change_vlan,
	  "~ backend web/four 10.1.0.3: next hop by veth0, VLAN 7", NULL },
	{ "encap_source", WEB(IPIP, FOUR), WEB(IPIP "encap_source = \"192.0.2.0/28\";", FOUR),
	  NULL, "~ backend web/four 10.1.0.3: next hop by veth0, ipip from 192.0.2.0/28, MTU 1500",
	  NULL },
	{ "mss comes", WEB("", FOUR), WEB("mss = 1400;", FOUR), NULL, "~ service web", NULL },
	{ "mss changes", WEB("mss = 1300;", FOUR), WEB("mss = 1400;", FOUR), NULL, "~ service web",
	  NULL },
	{ "another encapsulation is another backend", WEB(IPIP, FOUR),
	  WEB("forward = \"gue\";", FOUR), NULL,
	  "+ backend web/four 10.1.0.3 by veth0, gue from 10.1.0.1/32, MTU 1500",
	  "its way of forwarding changes" },
	{ "hash", WEB("", FOUR), WEB("hash = \"source\";", FOUR), NULL,
	  "~ table of virtual addresses", "what of a packet is hashed changes" },
};

static void assert_change(const struct change *change)
{
	struct plan *plan;
	bool found = false;

	print_message("  %s\n", change->sentence);
	world_make(&world, change->before);
	step_over(step());
	world_config(&world, change->after);
	if (change->in_world)
		change->in_world();
	plan = step();
	for (size_t i = 0; i < plan->op_count; i++) {
		char *text = op_text(&plan->ops[i]);

		found |= change->op && !strcmp(text, change->op);
		free(text);
	}
	assert_int_equal(found, change->op != NULL);
	if (!change->op)
		assert_int_equal(plan->op_count, 0);
	if (change->breaks) {
		assert_int_equal(plan->service_count, 1);
		assert_true(plan->services[0].breaks);
		assert_string_equal(plan->services[0].why, change->breaks);
	} else {
		assert_int_equal(plan->service_count, 0);
	}
	step_over(plan);
}

static void every_change_is_in_the_plan_and_few_break(void **state)
{
	for (size_t i = 0; i < ROWS(changes); i++) {
		assert_change(&changes[i]);
		diff_end(state);
		diff_begin(state);
	}
}

/* ---- entries -------------------------------------------------------------------------------- */

static uint8_t flags_at(const char *vip, uint16_t port, uint8_t protocol)
{
	struct addr addr = addr_of(vip);
	struct lb_entry *entries = NULL, *found = NULL;
	struct lb_entry key = { .port = htons(port), .protocol = protocol };
	size_t count = 0;
	uint8_t used;

	memcpy(key.addr.byte, addr.byte, sizeof(addr.byte));
	assert_int_equal(entries_of_services(actual, &entries, &count), 0);
	found = bsearch(&key, entries, count, sizeof(*entries), entry_compare_keys);
	assert_non_null(found);
	used = found->used;
	free(entries);
	return used;
}

static void entries_say_what_a_service_asks_for(void **state)
{
	(void)state;
	world_make(&world, WEB("mss = 1400; hash = \"source\";", FOUR));
	step_over(step());
	assert_int_equal(flags_at("203.0.113.10", 80, IPPROTO_TCP),
			 LB_ENTRY_USED | LB_ENTRY_MSS | LB_ENTRY_SOURCE);
	assert_int_equal(flags_at("203.0.113.10", 0, 0), LB_ENTRY_USED | LB_ENTRY_UP);
}

static void a_vip_is_up_while_any_service_of_it_is(void **state)
{
	struct plan *plan;

	(void)state;
	world_make(&world, SERVICES(SERVICE("web", "tcp", "80", "", FOUR) ","
				    SERVICE("dns", "udp", "53", "", BACKEND("d", "10.1.0.4", ""))));
	step_over(step());
	assert_int_equal(flags_at("203.0.113.10", 0, 0), LB_ENTRY_USED | LB_ENTRY_UP);
	hop_lose(&world.hops[0], "no neighbour");
	plan = step();
	assert_int_equal(flags_at("203.0.113.10", 0, 0), LB_ENTRY_USED | LB_ENTRY_UP);
	assert_null(op_find(plan, OP_SERVICES)); /* the table says the same */
	step_over(plan);
	hop_lose(&world.hops[1], "no neighbour");
	plan = step();
	assert_int_equal(flags_at("203.0.113.10", 0, 0), LB_ENTRY_USED);
	assert_non_null(op_find(plan, OP_SERVICES));
	step_over(plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DIFF_TEST(a_lone_address_serves_both_families_and_a_pair_its_own),
		DIFF_TEST(without_encapsulation_nobody_serves_the_other_family),
		DIFF_TEST(a_backup_is_judged_in_each_family),
		DIFF_TEST(min_up_counts_who_serves_the_family),
		DIFF_TEST(the_outer_source_is_the_configs_or_the_hosts),
		DIFF_TEST(without_a_source_a_backend_is_down_and_says_so),
		DIFF_TEST(every_change_is_in_the_plan_and_few_break),
		DIFF_TEST(entries_say_what_a_service_asks_for),
		DIFF_TEST(a_vip_is_up_while_any_service_of_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
