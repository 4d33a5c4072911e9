/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Plans of single changes: which operations there are, and no other; what they cost in slots; what
 * is told to break. */
#include "tests/unit/kernel_ground.h"

#include <time.h>

/* ---- operations ----------------------------------------------------------------------------- */

static const char *const op_words[] = {
	[OP_DEVICE_ADD] = "+device", [OP_REPLY_ATTACH] = "+reply", [OP_DIRECT_ADD] = "+direct",
	[OP_FRONT_ATTACH] = "+front", [OP_SERVICE_INFO] = "info", [OP_BACKEND_ADD] = "+backend",
	[OP_BACKEND_HOP] = "hop", [OP_BACKEND_RENAME] = "name", [OP_HASH_KEYS] = "keys",
	[OP_REPLIES] = "replies", [OP_RING_ADD] = "+ring", [OP_SLOTS] = "slots",
	[OP_SERVICES] = "services", [OP_RING_REMOVE] = "-ring", [OP_BACKEND_REMOVE] = "-backend",
	[OP_SERVICE_REMOVE] = "-service", [OP_DIRECT_REMOVE] = "-direct",
	[OP_REPLY_DETACH] = "-reply", [OP_FRONT_DETACH] = "-front",
	[OP_DEVICE_REMOVE] = "-device",
};

static const char *plan_words(const struct plan *plan, char *text, size_t size)
{
	size_t at = 0;

	text[0] = '\0';
	for (size_t i = 0; i < plan->op_count; i++) {
		at += snprintf(text + at, size - at, "%s%s", at ? " " : "",
			       op_words[plan->ops[i].kind]);
		assert_true(at < size);
	}
	return text;
}

static void change_mac(void)
{
	world.hops[0].hop.dst_mac[0] = 2;
}

static void change_port_of_bridge(void)
{
	world.hops[0].hop.ifindex = VETH + 9;
}

static void change_gateway_alone(void)
{
	world.hops[0].hop.neighbour = addr_of("10.1.0.254");
	world.hops[0].hop.via = BR0;
}

static void lose_hop(void)
{
	hop_lose(&world.hops[0], "no neighbour");
}

static void go_remote(void)
{
	hop_remote(&world.hops[0], ETH0);
}

static void fall_ill(void)
{
	world.checked = true;
	world.health[0].up = false;
}

static void outlast_drain(void)
{
	world.now_ms += 5 * MINUTE;
}

static void reseed(void)
{
	hash_keys_of("another", world.hash_key);
}

static void lose_address(void)
{
	world.view.address_count--;
}

#define HTTP SERVICE("web", "tcp", "80", "", A(""))
#define DNS  SERVICE("dns", "udp", "53", "", B(""))

static const struct change_row {
	const char *sentence, *before, *after;
	void (*change)(void);
	const char *words, *breaks;
} change_rows[] = {
	{ "everything is made first", NULL, ONE, NULL,
	  "+device +device +reply +direct +direct +direct +direct +direct +front"
	  " info +backend keys replies +ring services", NULL },
	{ "nothing changes", TWO, TWO, NULL, "", NULL },
	{ "nothing changes in two families", DUAL, DUAL, NULL, "", NULL },

	{ "a backend comes", ONE, TWO, NULL, "+device +reply +backend replies slots", NULL },
	{ "a backend goes", TWO, ONE, NULL, "replies slots -backend -reply -device", NULL },
	{ "another address is another backend", TWO,
	  WEB("", A("") "," BACKEND("b", "10.1.0.9", "")), NULL,
	  "+backend replies slots -backend", NULL },
	{ "another port is another backend", WEB("", A("port = 8080;")), WEB("", A("port = 81;")),
	  NULL, "+backend replies slots -backend", NULL },
	{ "another way of forwarding is another backend", ONE, WEB("", A("forward = \"dsr\";")),
	  NULL, "+backend replies slots -backend -reply", NULL },
	{ "another name, alone in its ring", ONE, WEB("", BACKEND("z", "10.1.0.2", "")), NULL,
	  "name", NULL },
	{ "another name is another place in the ring", TWO,
	  WEB("", A("") "," BACKEND("z", "10.1.0.3", "")), NULL, "name slots", NULL },
	{ "another order of backends", TWO, WEB("", B("") "," A("")), NULL, "hop hop", NULL },
	{ "another weight", TWO, WEB("", A("weight = 300;") "," B("")), NULL, "slots", NULL },
	{ "the same shares in other weights", TWO,
	  WEB("", A("weight = 7;") "," B("weight = 7;")), NULL, "", NULL },

	{ "another MAC", TWO, TWO, change_mac, "hop", NULL },
	{ "another port of the bridge", TWO, TWO, change_port_of_bridge,
	  "+device +reply hop -reply -device", NULL },
	{ "a gateway with the same MAC", TWO, TWO, change_gateway_alone, "", NULL },
	{ "a next hop is lost", TWO, TWO, lose_hop, "hop slots -reply -device", NULL },
	{ "a container moves to another host", TWO, TWO, go_remote,
	  "+reply +direct hop replies -reply -device", NULL },

	{ "a failed check", TWO, TWO, fall_ill, "slots", NULL },
	{ "a failed check that cuts", WEB("on_down = \"cut\";", A("") "," B("")),
	  WEB("on_down = \"cut\";", A("") "," B("")), fall_ill, "hop slots", NULL },
	{ "drain", TWO, WEB("", A("state = \"drain\";") "," B("")), NULL, "slots", NULL },
	{ "a drain's end: where its flows went, nobody is", TWO,
	  WEB("", A("state = \"drain\"; drain = \"0s\";") "," B("")), NULL, "hop slots", NULL },
	{ "a drain's end, slots long settled", WEB("", A("state = \"drain\";") "," B("")),
	  WEB("", A("state = \"drain\";") "," B("")), outlast_drain, "hop", NULL },
	{ "off", TWO, WEB("", A("state = \"off\";") "," B("")), NULL, "hop slots", NULL },

	{ "another idle timeout", ONE, WEB("idle_timeout = \"10m\";", A("")), NULL, "info", NULL },
	{ "another idle timeout of as many ticks", WEB("idle_timeout = \"8100000ms\";", A("")),
	  WEB("idle_timeout = \"8100001ms\";", A("")), NULL, "", NULL },
	{ "always tracked", ONE, WEB("track = \"always\";", A("")), NULL, "services", NULL },
	{ "who is told when it is down", ONE, WEB("when_down = \"reject\";", A("")), NULL,
	  "services", NULL },
	{ "a port comes", SERVICES(SERVICE("web", "tcp", "80", "", A(""))),
	  SERVICES(SERVICE("web", "tcp", "80, 81", "", A(""))), NULL, "replies services", NULL },
	{ "a port goes", SERVICES(SERVICE("web", "tcp", "80, 81", "", A(""))),
	  SERVICES(SERVICE("web", "tcp", "81", "", A(""))), NULL, "replies services",
	  "web: a virtual address or port is taken away" },
	{ "a vip of the other family comes", ONE, DUAL, NULL,
	  "+device +reply info +backend replies +ring services", NULL },
	{ "a vip of the other family goes", DUAL, ONE, NULL,
	  "info replies services -ring -backend -reply -device",
	  "web: a virtual address or port is taken away" },
	{ "another protocol", ONE, SERVICES(SERVICE("web", "udp", "80", "", A(""))), NULL,
	  "info replies services", "web: its protocol changes" },
	{ "another way of forwarding", ONE, WEB("forward = \"dsr\";", A("")), NULL,
	  "+backend replies slots -backend -reply", "web: its way of forwarding changes" },
	{ "another ring size", ONE, WEB("ring_size = 2003;", A("")), NULL,
	  "info +ring services -ring", "web: the size of its ring changes" },
	{ "another hash seed", TWO, TWO, reseed, "keys",
	  "web: tuning.hash_seed changes: every flow is hashed anew" },

	{ "a service comes", ONE, SERVICES(HTTP "," DNS), NULL,
	  "+device +reply info +backend replies +ring services", NULL },
	{ "a service goes", SERVICES(HTTP "," DNS), ONE, NULL,
	  "replies services -ring -backend -service -reply -device",
	  "dns: the service is taken away" },
	{ "another name is another service", ONE, SERVICES(SERVICE("w", "tcp", "80", "", A(""))),
	  NULL, "info +backend replies +ring services -ring -backend -service",
	  "web: the service is taken away" },
	{ "another order of services", SERVICES(HTTP "," DNS), SERVICES(DNS "," HTTP), NULL,
	  "hop hop", NULL },

	{ "another's exact port takes it out of a range",
	  SERVICES(SERVICE("web", "tcp", "\"80-89\"", "", A(""))),
	  SERVICES(SERVICE("web", "tcp", "\"80-89\"", "", A("")) ","
		   SERVICE("one", "tcp", "85", "", B(""))),
	  NULL, "+device +reply info +backend replies +ring services",
	  "web: a virtual address or port is taken away" },
	{ "another's port takes it from who takes any",
	  SERVICES(SERVICE("all", "tcp", "", "forward = \"dsr\";", A(""))),
	  SERVICES(SERVICE("one", "tcp", "85", "", B("")) ","
		   SERVICE("all", "tcp", "", "forward = \"dsr\";", A(""))),
	  NULL, "+device +reply info +backend hop replies +ring services",
	  "all: a virtual address or port is taken away" },
	{ "another protocol's port takes it from nobody",
	  SERVICES(SERVICE("all", "tcp", "", "forward = \"dsr\";", A(""))),
	  SERVICES(SERVICE("all", "tcp", "", "forward = \"dsr\";", A("")) ","
		   SERVICE("one", "udp", "85", "", B(""))),
	  NULL, "+device +reply info +backend replies +ring services", NULL },
	{ "a port that was another's all along can go",
	  SERVICES(SERVICE("web", "tcp", "\"80-89\"", "", A("")) ","
		   SERVICE("one", "tcp", "89", "", B(""))),
	  SERVICES(SERVICE("web", "tcp", "\"80-88\"", "", A("")) ","
		   SERVICE("one", "tcp", "89", "", B(""))),
	  NULL, "replies", NULL },

	{ "an address of the host goes", ONE, ONE, lose_address, "-direct -direct", NULL },
};

static const char *plan_breaks(const struct plan *plan, char *text, size_t size)
{
	size_t at = 0;

	text[0] = '\0';
	for (size_t i = 0; i < plan->service_count; i++) {
		const struct plan_service *service = &plan->services[i];

		assert_int_equal(service->breaks, service->why != NULL);
		if (service->breaks) {
			assert_true(service->share_moved == 1);
			at += snprintf(text + at, size - at, "%s%s: %s", at ? "; " : "",
				       service->name, service->why);
		}
	}
	return text;
}

static void plan_is_the_rows(void **state)
{
	char words[512], breaks[512];

	(void)state;
	for (size_t i = 0; i < ROWS(change_rows); i++) {
		const struct change_row *row = &change_rows[i];
		struct plan *plan;

		diff_begin(NULL);
		world_make(&world, row->before ? row->before : row->after);
		if (row->before)
			step_over(step());
		world_config(&world, row->after);
		if (row->change)
			row->change();
		plan = step();
		if (strcmp(plan_words(plan, words, sizeof(words)), row->words))
			fail_msg("%s: \"%s\", expected \"%s\"", row->sentence, words, row->words);
		if (strcmp(plan_breaks(plan, breaks, sizeof(breaks)),
			   row->breaks ? row->breaks : ""))
			fail_msg("%s: breaks \"%s\"", row->sentence, breaks);
		step_over(plan);
		/* What has been done is not planned again. */
		plan = step();
		if (plan->op_count || plan->service_count)
			fail_msg("%s: then \"%s\"", row->sentence,
				 plan_words(plan, words, sizeof(words)));
		step_over(plan);
		diff_end(NULL);
	}
	diff_begin(NULL);
}

/* ---- what slots and flows it costs ----------------------------------------------------------- */

/* The same from the words before and after. */
static void assert_counted(const struct plan *plan, const uint64_t *before, uint32_t slots,
			   uint32_t lost)
{
	const struct op *op = op_find(plan, OP_SLOTS);
	uint32_t words = 0, owners = 0, started = 0;

	for (uint32_t i = 0; i < slots; i++) {
		words += kernel.slots[i] != before[i];
		owners += LB_SLOT_OWNER(kernel.slots[i]) != LB_SLOT_OWNER(before[i]);
		started += LB_SLOT_MOVING(kernel.slots[i]) && !LB_SLOT_MOVING(before[i]);
	}
	assert_int_equal(op ? op->count : 0, words);
	assert_int_equal(op ? op->number : 0, owners);
	assert_int_equal(plan->service_count, owners || lost);
	if (!plan->service_count)
		return;
	assert_string_equal(plan->services[0].name, "web");
	assert_int_equal(plan->services[0].slots, slots);
	assert_int_equal(plan->services[0].slots_moved, owners);
	assert_int_equal(plan->services[0].slots_moving, started);
	assert_true(plan->services[0].share_moved == (double)owners / slots);
	assert_int_equal(plan->services[0].backends_lost, lost);
	assert_false(plan->services[0].breaks);
}

/* `lost`: backends whose flows do not go on. */
static struct plan *step_counted(uint32_t lost)
{
	static uint64_t before[1021];
	struct plan *plan;

	memcpy(before, kernel.slots, sizeof(before));
	plan = step();
	assert_counted(plan, before, ROWS(before), lost);
	return plan;
}

static void slots_are_counted_to_the_one(void **state)
{
	struct plan *plan;

	(void)state;
	world_make(&world, TWO);
	step_over(step());
	/* About a third goes to the third; all of it starts moving. */
	world_config(&world, WEB("", A("") "," B("") "," C("")));
	plan = step_counted(0);
	assert_in_range(plan->services[0].slots_moved, 340, 400);
	assert_int_equal(plan->services[0].slots_moving, plan->services[0].slots_moved);
	step_over(plan);
	/* Those that come back were moving, and go on. */
	world_config(&world, WEB("", A("") "," B("") "," C("state = \"drain\";")));
	plan = step_counted(0);
	assert_in_range(plan->services[0].slots_moved, 340, 400);
	assert_true(plan->services[0].slots_moving < plan->services[0].slots_moved);
	step_over(plan);
	/* The end of the drain changes words, but no owner. */
	world.now_ms += 5 * MINUTE;
	plan = step_counted(1);
	assert_int_equal(plan->services[0].slots_moved, 0);
	step_over(plan);
	/* Who is gone leaves his slots settled: there is nothing to keep. */
	for (uint32_t i = 0; i < 1021; i++)
		kernel.slots[i] = LB_SLOT_OWNER(kernel.slots[i]);
	world_config(&world, WEB("", A("state = \"off\";") "," B("") "," C("state = \"drain\";")));
	plan = step_counted(1);
	assert_int_equal(plan->services[0].slots_moving, 0);
	assert_in_range(plan->services[0].slots_moved, 510, 511);
	step_over(plan);
}

#define TRACKED(protocol, keys)                                                                   \
	SERVICES(SERVICE("web", protocol, "80", keys, A("") "," B("")))
#define ALWAYS "track = \"always\";"

/* Only UDP flows of slots in motion have records that say another than the slot. */
static const struct track_row {
	const char *sentence, *before, *after;
	bool moving, breaks;
} track_rows[] = {
	{ "udp, records end at rest", TRACKED("udp", ALWAYS), TRACKED("udp", ""), false, false },
	{ "udp, records end in motion", TRACKED("udp", ALWAYS), TRACKED("udp", ""), true, true },
	{ "udp, records begin", TRACKED("udp", ""), TRACKED("udp", ALWAYS), true, false },
	{ "udp, records go on", TRACKED("udp", ALWAYS), TRACKED("udp", ALWAYS "min_up = 2;"), true,
	  false },
	{ "tcp, records end in motion", TRACKED("tcp", ALWAYS), TRACKED("tcp", ""), true, false },
};

static void track_breaks_only_what_moves(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(track_rows); i++) {
		const struct track_row *row = &track_rows[i];
		struct plan *plan;

		diff_begin(NULL);
		world_make(&world, row->before);
		step_over(step());
		if (row->moving)
			kernel.slots[7] = LB_SLOT(LB_SLOT_OWNER(kernel.slots[7]), 1, true);
		world_config(&world, row->after);
		plan = step();
		if ((plan->service_count != 0) != row->breaks)
			fail_msg("%s: %zu services", row->sentence, plan->service_count);
		if (row->breaks) {
			assert_true(plan->services[0].breaks);
			assert_non_null(plan->services[0].why);
			assert_true(plan->services[0].share_moved == 0);
		}
		step_over(plan);
		diff_end(NULL);
	}
	diff_begin(NULL);
}

static void share_is_over_both_families(void **state)
{
	struct plan *plan;

	(void)state;
	world_make(&world, DUAL);
	step_over(step());
	world_config(&world, "services = ( { name = \"web\"; vips = [ \"203.0.113.10\","
			     " \"2001:db8::10\" ]; protocol = \"tcp\"; ports = [ 80 ]; backends = ("
			     " { name = \"a\"; address = [ \"10.1.0.2\", \"fd00::2\" ]; },"
			     " { name = \"b\"; address = \"10.1.0.3\"; } ); } );");
	plan = step();
	assert_int_equal(plan->service_count, 1);
	assert_int_equal(plan->services[0].slots, 2042);
	assert_in_range(plan->services[0].slots_moved, 510, 511);
	assert_int_equal(op_find(plan, OP_SLOTS)->family, IPV4);
	step_over(plan);
}

/* ---- fronts --------------------------------------------------------------------------------- */

#define FRONT(mode) "interfaces = ( { name = \"eth0\"; mode = \"" mode "\"; } );" ONE

static const struct front_row {
	const char *sentence;
	enum { NOTHING, NATIVE, GENERIC } attached;
	const char *config, *words;
	bool generic; /* what the wanted front is said to be, where nothing is done */
} front_rows[] = {
	{ "auto where nothing is", NOTHING, FRONT("auto"), "+front", false },
	{ "native where nothing is", NOTHING, FRONT("native"), "+front", false },
	{ "generic where nothing is", NOTHING, FRONT("generic"), "+front", false },
	{ "native stays native", NATIVE, FRONT("native"), "", false },
	{ "generic stays generic", GENERIC, FRONT("generic"), "", true },
	{ "auto is content with native", NATIVE, FRONT("auto"), "", false },
	{ "auto is content with generic, and it is not forgotten", GENERIC, FRONT("auto"), "",
	  true },
	/* The attach changes the mode; a detach behind it would take the new one away. */
	{ "native over generic is attached and not detached", GENERIC, FRONT("native"), "+front",
	  false },
	{ "generic over native likewise", NATIVE, FRONT("generic"), "+front", false },
};

static void front_is_attached_where_its_mode_is_not(void **state)
{
	char words[512];

	(void)state;
	for (size_t i = 0; i < ROWS(front_rows); i++) {
		const struct front_row *row = &front_rows[i];
		struct plan *plan;

		diff_begin(NULL);
		world_make(&world, FRONT("auto"));
		step_over(step());
		actual->fronts[0].generic = row->attached == GENERIC;
		actual->front_count = row->attached != NOTHING;
		world_config(&world, row->config);
		plan = step();
		if (strcmp(plan_words(plan, words, sizeof(words)), row->words))
			fail_msg("%s: \"%s\", expected \"%s\"", row->sentence, words, row->words);
		if (actual->fronts[0].generic != row->generic)
			fail_msg("%s: generic is %d", row->sentence, actual->fronts[0].generic);
		step_over(plan);
		diff_end(NULL);
	}
	diff_begin(NULL);
}

static void front_that_goes_is_detached_last_but_for_its_device(void **state)
{
	struct plan *plan;
	char words[512];

	(void)state;
	world_make(&world, "interfaces = ( { name = \"eth0\"; }, { name = \"eth1\"; } );" ONE);
	step_over(step());
	world_config(&world, "interfaces = ( { name = \"eth1\"; } );" ONE);
	plan = step();
	assert_string_equal(plan_words(plan, words, sizeof(words)), "-front -device");
	assert_int_equal(op_find(plan, OP_FRONT_DETACH)->front->ifindex, ETH0);
	assert_int_equal(op_find(plan, OP_DEVICE_REMOVE)->number, ETH0);
	step_over(plan);
}

/* ---- time ----------------------------------------------------------------------------------- */

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* A plan is made at every event of the network. The bound is far off, for busy machines. */
static void plan_over_all_ports_is_quick(void **state)
{
	struct state *wanted;
	struct plan *plan;
	double start;

	(void)state;
	world_make(&world, SERVICES(SERVICE("web", "tcp", "\"1-32000\"", "", A(""))));
	step_over(step());
	wanted = world_state(&world, actual);
	start = now_s();
	plan = diff_made(actual, wanted);
	start = now_s() - start;
	print_message("           an empty plan over 32000 ports takes %.0f ms\n", start * 1e3);
	assert_int_equal(plan->op_count, 0);
	assert_true(start < 1);
	plan_free(plan);
	state_free(wanted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DIFF_TEST(plan_is_the_rows),
		DIFF_TEST(slots_are_counted_to_the_one),
		DIFF_TEST(track_breaks_only_what_moves),
		DIFF_TEST(share_is_over_both_families),
		DIFF_TEST(front_is_attached_where_its_mode_is_not),
		DIFF_TEST(front_that_goes_is_detached_last_but_for_its_device),
		DIFF_TEST(plan_over_all_ports_is_quick),
	};

	return cmocka_run_group_tests_name("diff", tests, NULL, NULL);
}
