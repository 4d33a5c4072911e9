/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which packets isolation lets pass, which rule says so, and what is remembered of it: packets
 * through policy_egress, policy_ingress and policy_backstop by test runs. Their sockets are no TCP
 * sockets; what those add is in test_policy_sockets.c, what a veth adds in test_policy_veth.c. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "build/policy.skel.h"
#include "tests/prog/policy_frames.h"
#include "tests/prog/trials.h"

#define DB_HOST		((struct host){ "192.0.2.9", "2001:db8:1::9" })
#define OFFICE_HOST	((struct host){ "198.51.100.9", "2001:db8:2::9" })
#define WATCHED_HOST	((struct host){ "203.0.113.9", "2001:db8:3::9" })
#define DEFAULT		POLICY_RULE_DEFAULT
#define UNJUDGED	(-1)
#define OWN_NETNS	4711 /* low half of a cookie */

enum { TO_DB, TO_DB_REST, TO_OFFICE, TO_WATCHED, TO_OTHERS_DNS, TO_OTHERS, FROM_OTHERS_HTTP,
       FROM_OTHERS_ICMP, FROM_OTHERS_QUIC, FROM_OTHERS, FROM_DB, RULES };

static const struct rule rules[RULES] = {
	[TO_DB] = { DB, true, IPPROTO_TCP, 5432, 5439, POLICY_ALLOW, false },
	[TO_DB_REST] = { DB, true, 0, 0, 0, POLICY_DENY, false },
	[TO_OFFICE] = { OFFICE, true, 0, 0, 0, POLICY_REJECT, false },
	[TO_WATCHED] = { WATCHED, true, 0, 0, 0, POLICY_DENY, true },
	[TO_OTHERS_DNS] = { OTHERS, true, IPPROTO_UDP, 53, 53, POLICY_ALLOW, false },
	[TO_OTHERS] = { OTHERS, true, 0, 0, 0, POLICY_DENY, false },
	[FROM_OTHERS_HTTP] = { OTHERS, false, IPPROTO_TCP, 80, 80, POLICY_ALLOW, false },
	[FROM_OTHERS_ICMP] = { OTHERS, false, IPPROTO_ICMP, 0, 0, POLICY_ALLOW, false },
	[FROM_OTHERS_QUIC] = { OTHERS, false, IPPROTO_UDP, 443, 443, POLICY_ALLOW, false },
	[FROM_OTHERS] = { OTHERS, false, 0, 0, 0, POLICY_DENY, false },
	[FROM_DB] = { DB, false, 0, 0, 0, POLICY_DENY, false },
};

static uint8_t icmp_of(bool ipv6)
{
	return ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
}

/* ---- one packet, one rule -------------------------------------------------------------------- */

struct row {
	const char *sentence;
	enum hook hook;
	struct host remote;
	uint8_t protocol;	/* IPPROTO_ICMP is ICMPv6 in the other family */
	uint16_t local_port, remote_port;
	uint8_t tcp_flags;
	int icmp[2];		/* type by family */
	bool passes;
	int rule;		/* that counted it, or UNJUDGED */
};

static const struct row rows[] = {
	{ "SYN to an allowed port leaves", EGRESS, { "192.0.2.9", "2001:db8:1::9" }, IPPROTO_TCP,
	  4000, 5432, TCP_SYN, { 0 }, true, TO_DB },
	{ "SYN to the last port of the range leaves", EGRESS, { "192.0.2.9", "2001:db8:1::9" },
	  IPPROTO_TCP, 4000, 5439, TCP_SYN, { 0 }, true, TO_DB },
	{ "SYN to the port behind the range does not", EGRESS, { "192.0.2.9", "2001:db8:1::9" },
	  IPPROTO_TCP, 4000, 5440, TCP_SYN, { 0 }, false, TO_DB_REST },
	{ "SYN to the port before the range does not", EGRESS, { "192.0.2.9", "2001:db8:1::9" },
	  IPPROTO_TCP, 4000, 5431, TCP_SYN, { 0 }, false, TO_DB_REST },
	{ "the same port of another protocol does not", EGRESS, { "192.0.2.9", "2001:db8:1::9" },
	  IPPROTO_UDP, 4000, 5432, 0, { 0 }, false, TO_DB_REST },
	{ "reject refuses the packet", EGRESS, { "198.51.100.9", "2001:db8:2::9" }, IPPROTO_UDP,
	  4000, 53, 0, { 0 }, false, TO_OFFICE },
	{ "what is audited passes", EGRESS, { "203.0.113.9", "2001:db8:3::9" }, IPPROTO_UDP, 4000,
	  53, 0, { 0 }, true, TO_WATCHED },
	{ "somebody nobody named is judged too", EGRESS, { "8.8.8.8", "2001:4860::8" },
	  IPPROTO_UDP, 4000, 53, 0, { 0 }, true, TO_OTHERS_DNS },
	{ "and refused", EGRESS, { "8.8.8.8", "2001:4860::8" }, IPPROTO_UDP, 4000, 54, 0, { 0 },
	  false, TO_OTHERS },
	{ "another IP protocol has no port", EGRESS, { "8.8.8.8", "2001:4860::8" }, 47, 0, 0, 0,
	  { 0 }, false, TO_OTHERS },
	{ "a SYN that comes is judged by the own port", INGRESS, { "8.8.8.8", "2001:4860::8" },
	  IPPROTO_TCP, 80, 4000, TCP_SYN, { 0 }, true, FROM_OTHERS_HTTP },
	{ "and not by the other's", INGRESS, { "8.8.8.8", "2001:4860::8" }, IPPROTO_TCP, 4000, 80,
	  TCP_SYN, { 0 }, false, FROM_OTHERS },
	{ "a datagram that comes begins something", INGRESS, { "8.8.8.8", "2001:4860::8" },
	  IPPROTO_UDP, 443, 4000, 0, { 0 }, true, FROM_OTHERS_QUIC },
	{ "one from port 53 is no answer to nothing", INGRESS, { "8.8.8.8", "2001:4860::8" },
	  IPPROTO_UDP, 4000, 53, 0, { 0 }, false, FROM_OTHERS },
	{ "the default where no rule fits", INGRESS, { "198.51.100.9", "2001:db8:2::9" },
	  IPPROTO_UDP, 4000, 53, 0, { 0 }, true, DEFAULT },
	{ "an echo that comes", INGRESS, { "8.8.8.8", "2001:4860::8" }, IPPROTO_ICMP, 0, 0, 0,
	  { 8, 128 }, true, FROM_OTHERS_ICMP },
	{ "an echo that leaves", EGRESS, { "8.8.8.8", "2001:4860::8" }, IPPROTO_ICMP, 0, 0, 0,
	  { 8, 128 }, false, TO_OTHERS },
	{ "an echo reply is the other's echo", EGRESS, { "8.8.8.8", "2001:4860::8" },
	  IPPROTO_ICMP, 0, 0, 0, { 0, 129 }, true, FROM_OTHERS_ICMP },
	{ "ICMP errors always leave", EGRESS, { "8.8.8.8", "2001:4860::8" }, IPPROTO_ICMP, 0, 0, 0,
	  { 3, 1 }, true, UNJUDGED },
	{ "ICMP errors always come", INGRESS, { "192.0.2.9", "2001:db8:1::9" }, IPPROTO_ICMP, 0, 0,
	  0, { 11, 3 }, true, UNJUDGED },
	{ "the container's echo at its veth", BACKSTOP, { "8.8.8.8", "2001:4860::8" },
	  IPPROTO_ICMP, 0, 0, 0, { 8, 128 }, false, TO_OTHERS },
	{ "the container's echo reply at its veth", BACKSTOP, { "8.8.8.8", "2001:4860::8" },
	  IPPROTO_ICMP, 0, 0, 0, { 0, 129 }, true, UNJUDGED },
	{ "a SYN at the veth", BACKSTOP, { "8.8.8.8", "2001:4860::8" }, IPPROTO_TCP, 4000, 5432,
	  TCP_SYN, { 0 }, false, TO_OTHERS },
	{ "a SYN-ACK at the veth answers", BACKSTOP, { "8.8.8.8", "2001:4860::8" }, IPPROTO_TCP,
	  80, 4000, TCP_SYN | TCP_ACK, { 0 }, true, UNJUDGED },
	{ "a SYN-ACK at the veth from another port", BACKSTOP, { "8.8.8.8", "2001:4860::8" },
	  IPPROTO_TCP, 81, 4000, TCP_SYN | TCP_ACK, { 0 }, false, FROM_OTHERS },
	{ "TCP of unknown direction passes if it may answer", BACKSTOP,
	  { "8.8.8.8", "2001:4860::8" }, IPPROTO_TCP, 80, 4000, TCP_ACK, { 0 }, true, UNJUDGED },
	{ "or if it may begin", BACKSTOP, { "192.0.2.9", "2001:db8:1::9" }, IPPROTO_TCP, 4000,
	  5432, TCP_ACK, { 0 }, true, UNJUDGED },
	{ "and not if it may do neither", BACKSTOP, { "8.8.8.8", "2001:4860::8" }, IPPROTO_TCP,
	  4000, 5432, TCP_ACK, { 0 }, false, TO_OTHERS },
	{ "a datagram at the veth", BACKSTOP, { "8.8.8.8", "2001:4860::8" }, IPPROTO_UDP, 4000, 54,
	  0, { 0 }, false, TO_OTHERS },
};

static struct spec row_spec(const struct row *row, bool ipv6)
{
	uint8_t protocol = row->protocol == IPPROTO_ICMP ? icmp_of(ipv6) : row->protocol;
	struct spec spec = spec_of(row->hook, ipv6, row->remote, protocol, row->local_port,
				   row->remote_port);

	spec.tcp_flags = row->tcp_flags;
	spec.word = row->icmp[ipv6] << 8;
	return spec;
}

/* What all rules counted together. */
static struct policy_count count_all(void)
{
	struct policy_count sum = { 0 };

	for (int rule = 0; rule <= RULES; rule++) {
		struct policy_count one = policy_world_count(world,
							     rule == RULES ? DEFAULT : rule);

		sum.allowed += one.allowed;
		sum.refused += one.refused;
		sum.audited += one.audited;
		sum.told += one.told;
		sum.untold += one.untold;
	}
	return sum;
}

static void test_row(void **state)
{
	const struct trial *trial = *state;
	const struct row *row = trial->row;
	struct spec spec = row_spec(row, trial->ipv6);
	bool audited = row->rule == TO_WATCHED;
	struct policy_count all;

	world_reset();
	assert_int_equal(spec_passes(row->hook, &spec), row->passes);
	all = count_all();
	assert_int_equal(all.allowed + all.refused + all.audited, row->rule != UNJUDGED);
	if (row->rule != UNJUDGED)
		count_expect(row->rule, row->passes && !audited, !row->passes, audited);
}

/* ---- flows ----------------------------------------------------------------------------------- */

static void flow_expect(enum hook hook, bool ipv6, struct host remote, uint8_t protocol,
			uint16_t local_port, uint16_t remote_port, bool passes)
{
	struct spec spec = spec_of(hook, ipv6, remote, protocol, local_port, remote_port);

	assert_int_equal(spec_passes(hook, &spec), passes);
}

static void test_reply_of_an_allowed_flow_passes(void **state)
{
	const struct trial *trial = *state;

	world_reset();
	flow_expect(EGRESS, trial->ipv6, OTHER_HOST, IPPROTO_UDP, 4000, 53, true);
	flow_expect(INGRESS, trial->ipv6, OTHER_HOST, IPPROTO_UDP, 4000, 53, true);
	flow_expect(INGRESS, trial->ipv6, OTHER_HOST, IPPROTO_UDP, 4001, 53, false);
	count_expect(TO_OTHERS_DNS, 1, 0, 0);
}

static void test_answer_to_who_came_passes(void **state)
{
	const struct trial *trial = *state;

	world_reset();
	flow_expect(EGRESS, trial->ipv6, OTHER_HOST, IPPROTO_UDP, 443, 4000, false);
	flow_expect(INGRESS, trial->ipv6, OTHER_HOST, IPPROTO_UDP, 443, 4000, true);
	flow_expect(EGRESS, trial->ipv6, OTHER_HOST, IPPROTO_UDP, 443, 4000, true);
	count_expect(FROM_OTHERS_QUIC, 1, 0, 0);
}

static void test_answer_passes_the_veth_too(void **state)
{
	const struct trial *trial = *state;
	struct spec spec = spec_of(INGRESS, trial->ipv6, OTHER_HOST, IPPROTO_UDP, 443, 4000);
	struct frame frame;

	world_reset();
	port_set(false, 0); /* the socket of a test run has no cookie either */
	flow_expect(BACKSTOP, trial->ipv6, OTHER_HOST, IPPROTO_UDP, 443, 4000, false);
	frame_build(&spec, &frame);
	assert_true(frame_passes(INGRESS, FRONT, &frame));
	flow_expect(BACKSTOP, trial->ipv6, OTHER_HOST, IPPROTO_UDP, 443, 4000, true);
	port_set(false, OWN_NETNS);
}

static void test_refused_flow_is_counted_by_packets(void **state)
{
	const struct trial *trial = *state;

	world_reset();
	for (int i = 0; i < 25; i++)
		flow_expect(EGRESS, trial->ipv6, OTHER_HOST, IPPROTO_UDP, 4000, 54, false);
	count_expect(TO_OTHERS, 0, 25, 0);
	assert_in_range(policy_world_count(world, TO_OTHERS).told, 1,
			2 * POLICY_EVENTS_A_SECOND * libbpf_num_possible_cpus());
}

static void test_new_rules_judge_a_flow_by_who_began(void **state)
{
	static const struct rule stricter[] = {
		{ OTHERS, true, IPPROTO_UDP, 53, 53, POLICY_DENY, false },
		{ OTHERS, false, IPPROTO_UDP, 4000, 4000, POLICY_DENY, false },
	};
	const struct trial *trial = *state;

	world_reset();
	flow_expect(INGRESS, trial->ipv6, OTHER_HOST, IPPROTO_UDP, 443, 53, true);
	flow_expect(EGRESS, trial->ipv6, OTHER_HOST, IPPROTO_UDP, 4000, 53, true);
	policy_world_fill(world, 1, stricter, ARRAY_SIZE(stricter));
	policy_world_turn(world, 1);
	flow_expect(EGRESS, trial->ipv6, OTHER_HOST, IPPROTO_UDP, 443, 53, true);
	flow_expect(EGRESS, trial->ipv6, OTHER_HOST, IPPROTO_UDP, 4000, 53, false);
	flow_expect(INGRESS, trial->ipv6, OTHER_HOST, IPPROTO_UDP, 4000, 53, false);
	policy_world_turn(world, 0);
	flow_expect(INGRESS, trial->ipv6, OTHER_HOST, IPPROTO_UDP, 4000, 53, true);
}

static void test_what_may_not_go_on_may_begin(void **state)
{
	static const struct rule stricter[] = {
		{ OTHERS, true, IPPROTO_UDP, 53, 53, POLICY_DENY, false },
	};
	const struct trial *trial = *state;

	world_reset();
	flow_expect(EGRESS, trial->ipv6, OTHER_HOST, IPPROTO_UDP, 4000, 53, true);
	policy_world_fill(world, 1, stricter, ARRAY_SIZE(stricter));
	policy_world_turn(world, 1);
	flow_expect(EGRESS, trial->ipv6, OTHER_HOST, IPPROTO_UDP, 4000, 53, false);
	flow_expect(INGRESS, trial->ipv6, OTHER_HOST, IPPROTO_UDP, 4000, 53, true);
	flow_expect(EGRESS, trial->ipv6, OTHER_HOST, IPPROTO_UDP, 4000, 53, true);
	count_expect(DEFAULT, 1, 0, 0);
	policy_world_turn(world, 0);
}

static void test_flow_of_another_group_is_judged_anew(void **state)
{
	const struct trial *trial = *state;

	world_reset();
	policy_world_batch(world);
	flow_expect(EGRESS, trial->ipv6, OTHER_HOST, IPPROTO_UDP, 4000, 53, true);
	policy_world_member(world, "policy_cgroups", world->cgroup, BATCH_SET);
	flow_expect(EGRESS, trial->ipv6, OTHER_HOST, IPPROTO_UDP, 4000, 53, false);
	flow_expect(EGRESS, trial->ipv6, OTHER_HOST, IPPROTO_UDP, 4000, 53, false);
	count_expect(TO_OFFICE, 0, 2, 0);
	policy_world_fill(world, 0, rules, RULES);
	flow_expect(EGRESS, trial->ipv6, OTHER_HOST, IPPROTO_UDP, 4000, 53, true);
	count_expect(TO_OTHERS_DNS, 1, 0, 0);
}

static void test_break_glass_lets_everything_pass(void **state)
{
	const struct trial *trial = *state;

	world_reset();
	world->settings->audit = 1;
	flow_expect(EGRESS, trial->ipv6, OTHER_HOST, IPPROTO_UDP, 4000, 54, true);
	flow_expect(INGRESS, trial->ipv6, OTHER_HOST, IPPROTO_UDP, 4000, 54, true);
	count_expect(TO_OTHERS, 0, 0, 2);
	world->settings->audit = 0;
	flow_expect(EGRESS, trial->ipv6, OTHER_HOST, IPPROTO_UDP, 4000, 54, false);
}

static void flow_age(uint32_t ticks)
{
	int fd = bpf_map__fd(world->skel->maps.policy_flows);
	struct policy_flow_key key;
	struct policy_flow flow;

	for (int err = bpf_map_get_next_key(fd, NULL, &key); !err;
	     err = bpf_map_get_next_key(fd, &key, &key)) {
		assert_int_equal(bpf_map_lookup_elem(fd, &key, &flow), 0);
		flow.seen -= ticks;
		assert_int_equal(bpf_map_update_elem(fd, &key, &flow, BPF_EXIST), 0);
	}
}

static void test_silence_ends_a_flow(void **state)
{
	const struct trial *trial = *state;

	world_reset();
	flow_expect(EGRESS, trial->ipv6, OTHER_HOST, IPPROTO_UDP, 4000, 53, true);
	flow_age(POLICY_FLOW_TICKS - 40);
	flow_expect(INGRESS, trial->ipv6, OTHER_HOST, IPPROTO_UDP, 4000, 53, true);
	flow_age(POLICY_FLOW_TICKS + 1);
	flow_expect(INGRESS, trial->ipv6, OTHER_HOST, IPPROTO_UDP, 4000, 53, false);
}

/* ---- headers that are not plain -------------------------------------------------------------- */

static void test_options_are_looked_behind(void **state)
{
	const struct trial *trial = *state;
	struct spec spec = spec_of(EGRESS, trial->ipv6, OTHER_HOST, IPPROTO_UDP, 4000, 53);

	world_reset();
	spec.ip_options = 4;
	spec.extended = true;
	spec.extension = IPPROTO_DSTOPTS;
	spec.more = 6;
	assert_true(spec_passes(EGRESS, &spec));
	spec.dport = 54;
	assert_false(spec_passes(EGRESS, &spec));
	count_expect(TO_OTHERS_DNS, 1, 0, 0);
	count_expect(TO_OTHERS, 0, 1, 0);
}

static void test_a_source_route_is_refused(void **state)
{
	static const uint8_t route[] = { 131, 7, 4, 8, 8, 4, 4, 0 };
	struct spec spec = spec_of(EGRESS, false, OTHER_HOST, IPPROTO_UDP, 4000, 53);
	enum { OPTION = 14 + 20 + 3 };
	struct frame frame;

	(void)state;
	world_reset();
	spec.ip_options = 3;
	frame_build(&spec, &frame);
	assert_true(frame_passes(EGRESS, FRONT, &frame));
	memcpy(frame.bytes + OPTION, route, sizeof(route));
	assert_false(frame_passes(EGRESS, FRONT, &frame));
	assert_false(frame_passes(BACKSTOP, BACK, &frame));
	frame.bytes[OPTION] = 137;
	assert_false(frame_passes(EGRESS, FRONT, &frame));
	frame.bytes[OPTION] = 7; /* a record of the route */
	assert_true(frame_passes(EGRESS, FRONT, &frame));
	frame.bytes[OPTION - 1] = 0; /* the end, and then nothing counts */
	frame.bytes[OPTION] = 131;
	assert_true(frame_passes(EGRESS, FRONT, &frame));
	count_expect(DEFAULT, 0, 3, 0);
}

static void test_igmp_passes_to_groups_only(void **state)
{
	struct spec spec = spec_of(EGRESS, false, OTHER_HOST, IPPROTO_IGMP, 0, 0);

	(void)state;
	world_reset();
	assert_false(spec_passes(EGRESS, &spec));
	spec.dst.ipv4 = "224.0.0.22";
	assert_true(spec_passes(EGRESS, &spec));
	spec.ip_options = 1;
	assert_true(spec_passes(EGRESS, &spec));
	spec.dst.ipv4 = "240.0.0.22";
	assert_false(spec_passes(EGRESS, &spec));
	spec.src.ipv4 = "8.8.8.8";
	spec.dst.ipv4 = "224.0.0.1";
	assert_true(spec_passes(INGRESS, &spec));
	count_expect(TO_OTHERS, 0, 2, 0);
}

static void test_a_chain_without_end_is_refused(void **state)
{
	struct spec spec = spec_of(EGRESS, true, OFFICE_HOST, IPPROTO_UDP, 4000, 53);

	(void)state;
	world_reset();
	spec.src = OFFICE_HOST;
	spec.dst = OWN;
	spec.extended = true;
	spec.extension = IPPROTO_DSTOPTS;
	assert_true(spec_passes(INGRESS, &spec)); /* the default allows it */
	spec.more = 12;
	assert_false(spec_passes(INGRESS, &spec));
	count_expect(DEFAULT, 1, 1, 0);
}

static void test_a_later_fragment_passes_behind_its_first(void **state)
{
	const struct trial *trial = *state;
	struct spec spec = spec_of(EGRESS, trial->ipv6, OTHER_HOST, IPPROTO_UDP, 4000, 53);

	world_reset();
	spec.fragment = FRAGMENT_LAST;
	assert_false(spec_passes(EGRESS, &spec));
	spec.fragment = FRAGMENT_FIRST;
	assert_true(spec_passes(EGRESS, &spec));
	spec.fragment = FRAGMENT_LAST;
	assert_true(spec_passes(EGRESS, &spec));
	spec.id = 77;
	assert_false(spec_passes(EGRESS, &spec));
	spec.fragment = FRAGMENT_FIRST;
	spec.dport = 54;
	assert_false(spec_passes(EGRESS, &spec));
	spec.fragment = FRAGMENT_MIDDLE;
	assert_false(spec_passes(EGRESS, &spec));
	count_expect(TO_OTHERS, 0, 4, 0);
}

/* ---- who ------------------------------------------------------------------------------------- */

static void member_move(uint32_t set)
{
	policy_world_member(world, "policy_cgroups", world->cgroup, set);
	policy_world_turn(world, POLICY_HALF(world->settings->current));
}

static void test_in_no_group_nothing_is_judged(void **state)
{
	const struct trial *trial = *state;

	world_reset();
	member_move(POLICY_SET_NONE);
	flow_expect(EGRESS, trial->ipv6, OTHER_HOST, IPPROTO_UDP, 4000, 54, true);
	member_move(FRONT_SET);
	flow_expect(EGRESS, trial->ipv6, OTHER_HOST, IPPROTO_UDP, 4000, 54, false);
	count_expect(TO_OTHERS, 0, 1, 0);
}

static void test_own_addresses_and_loopback_pass(void **state)
{
	const struct trial *trial = *state;
	struct spec spec = spec_of(EGRESS, trial->ipv6, OTHER_HOST, IPPROTO_UDP, 4000, 54);
	struct frame frame;

	world_reset();
	frame_build(&spec, &frame);
	assert_true(frame_passes(EGRESS, 1, &frame));
	assert_false(frame_passes(EGRESS, FRONT, &frame));
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int up(void **state)
{
	(void)state;
	frames_world_open(rules, RULES);
	return 0;
}

static int tests(void)
{
	enum kinds both = UDP4 | UDP6; /* the rows say their protocols themselves */

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		trial_add(rows[i].sentence, both, test_row, &rows[i]);
	trial_add("the reply of an allowed flow passes", both,
		  test_reply_of_an_allowed_flow_passes, NULL);
	trial_add("an answer to who came passes", both, test_answer_to_who_came_passes, NULL);
	trial_add("an answer passes the veth too", both, test_answer_passes_the_veth_too, NULL);
	trial_add("a refused flow is counted by packets", both,
		  test_refused_flow_is_counted_by_packets, NULL);
	trial_add("new rules judge a flow by who began it", both,
		  test_new_rules_judge_a_flow_by_who_began, NULL);
	trial_add("what may not go on may begin", both, test_what_may_not_go_on_may_begin, NULL);
	trial_add("a flow of another group is judged anew", both,
		  test_flow_of_another_group_is_judged_anew, NULL);
	trial_add("break-glass lets everything pass", both, test_break_glass_lets_everything_pass,
		  NULL);
	trial_add("silence ends a flow", both, test_silence_ends_a_flow, NULL);
	trial_add("options are looked behind", both, test_options_are_looked_behind, NULL);
	trial_add("a source route is refused", ONCE, test_a_source_route_is_refused, NULL);
	trial_add("IGMP passes to groups only", ONCE, test_igmp_passes_to_groups_only, NULL);
	trial_add("a chain without an end is refused", ONCE, test_a_chain_without_end_is_refused,
		  NULL);
	trial_add("a later fragment passes behind its first", both,
		  test_a_later_fragment_passes_behind_its_first, NULL);
	trial_add("in no group nothing is judged", both, test_in_no_group_nothing_is_judged, NULL);
	trial_add("loopback passes", both, test_own_addresses_and_loopback_pass, NULL);
	return trials_run(up, frames_world_down);
}

int main(void)
{
	return policy_world_run(tests);
}
