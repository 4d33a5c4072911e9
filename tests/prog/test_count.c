/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one list of exits, complete: every verdict has a packet here that gets it, and is counted
 * once, in its place: with its backend where it was sent to one, else by verdict, and a drop that
 * a service is to blame for with that service too. A new verdict without a row fails. */
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "lb/kernel/stats.h"
#include "tests/prog/outer.h"

#define SERVICE(...) "{ " REST(__VA_ARGS__)
#define REST(name, ports, forward, v4, v6, more)                                                  \
	"name = \"" name "\"; vips = [ \"203.0.113.10\", \"2001:db8::10\" ];"                   \
	"  ports = [ " ports " ]; forward = \"" forward "\";"                                     \
	"  backends = ( { name = \"a\"; address = [ \"" v4 "\", \"" v6 "\" ]; " more " } ); }\n"

static const char config[] =
	"version = 1; services = (\n"
	SERVICE("nat", "80", "nat", "10.1.0.2", "fd00::2", "port = 8080;") ","
	SERVICE("far", "82", "nat", "192.0.2.20", "2001:db8:2::20", "port = 8080;") ","
	SERVICE("dsr", "84", "dsr", "10.1.0.5", "fd00::5", "") ","
	SERVICE("dsrfar", "85", "dsr", "192.0.2.21", "2001:db8:2::21", "") ","
	SERVICE("lost", "86", "dsr", "10.3.0.7", "fd03::7", "") ","
	SERVICE("off", "87", "dsr", "10.1.0.7", "fd00::7", "state = \"off\";") ","
	"{ when_down = \"reject\"; "
	REST("refused", "88", "dsr", "10.1.0.8", "fd00::8", "state = \"off\";") ","
	SERVICE("ipip", "89", "ipip", "10.1.0.9", "fd00::9", "") ","
	SERVICE("ipipfar", "90", "ipip", "10.1.0.10", "fd00::10", "") ","
	SERVICE("gue", "91", "gue", "10.1.0.11", "fd00::11", "") ","
	SERVICE("guefar", "92", "gue", "10.1.0.12", "fd00::12", "") ","
	"{ name = \"down\"; vips = [ \"203.0.113.11\" ]; ports = [ 80 ]; forward = \"dsr\";"
	"  backends = ( { name = \"a\"; address = \"10.1.0.13\"; state = \"off\"; } ); }\n"
	"); tuning: { hash_seed = \"count\"; max_slots = 100000; };";

static const struct ground_hop hops[] = {
	{ "far/a", FRONT, true }, { "dsrfar/a", FRONT, true }, { "lost/a", QUIET, false },
	{ "ipipfar/a", FRONT, true }, { "guefar/a", FRONT, true }, { 0 },
};

#define VIP	((struct host){ "203.0.113.10", "2001:db8::10" })
#define VIP_DOWN ((struct host){ "203.0.113.11", "2001:db8::11" })
#define ROUTER	((struct host){ "198.51.100.1", "2001:db8:c0::1" })
#define OTHER	((struct host){ "203.0.113.99", "2001:db8::99" })
#define NEAR	((struct host){ "10.1.0.2", "fd00::2" })
#define FAR	((struct host){ "192.0.2.20", "2001:db8:2::20" })

struct row {
	unsigned int in;	/* ifindex; 0: there is no row */
	enum program program;
	const char *blamed;	/* the service that a drop or refusal is counted for */
	struct spec spec;
	bool only_ipv4, only_ipv6;
	bool told;		/* a router says that the packet is too big, once encapsulated */
};

#define TO(port)	.src = CLIENT, .dst = VIP, .dport = (port)
#define FROM(host)	.src = host, .sport = 8080
#define ECHO		.protocol = IPPROTO_ICMP, .payload = 64, .word = 0x0800
#define MANY		{ 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }

static const struct row rows[LB_VERDICT_COUNT] = {
	[LB_PASS_NOT_IP] = { FRONT, LB, NULL, { TO(80), .patch = { PATCH_ETHERNET, 12, 0x0806 } } },
	[LB_PASS_PROTOCOL] = { FRONT, LB, NULL, { TO(80), .protocol = IPPROTO_SCTP } },
	[LB_PASS_NOT_SERVICE] = { FRONT, LB, NULL, { TO(22) } },
	[LB_DROP_TRUNCATED] = { FRONT, LB, "nat", { TO(80), .patch = { PATCH_IP, 4, 0x7fff } },
				.only_ipv6 = true },
	[LB_DROP_MALFORMED] = { FRONT, LB, "nat", { TO(80), .patch = { PATCH_L4, 12, 0 } } },
	[LB_DROP_FRAGMENT] = { FRONT, LB, NULL, { TO(80), .payload = 8,
						  .fragment = FRAGMENT_LAST } },
	[LB_DROP_IPV4_OPTIONS] = { FRONT, LB, NULL, { TO(80), .ip_options = 1 },
				   .only_ipv4 = true },
	[LB_DROP_IPV6_EXTENSION] = { FRONT, LB, NULL, { TO(80), .extended = true,
							.extension = IPPROTO_DSTOPTS,
							.more = 6 }, .only_ipv6 = true },
	[LB_DROP_NO_BACKEND] = { FRONT, LB, "off", { TO(87) } },
	[LB_DROP_NO_NEXT_HOP] = { FRONT, LB, "lost", { TO(86) } },
	[LB_DROP_TTL] = { FRONT, LB, "far", { TO(82), .ttl = 1 } },
	[LB_REDIRECT_NAT] = { FRONT, LB, NULL, { TO(80), .tcp_flags = TCP_SYN } },
	[LB_REDIRECT_DSR] = { FRONT, LB, NULL, { TO(84), .payload = 777 } },
	[LB_TX_NAT] = { FRONT, LB, NULL, { TO(82), .padding = 6 } },
	[LB_TX_DSR] = { FRONT, LB, NULL, { TO(85), .tcp_flags = TCP_SYN } },
	[LB_REDIRECT_REPLY] = { BACK, LB_REPLY, NULL, { FROM(NEAR), .dst = CLIENT } },
	[LB_TX_REPLY] = { FRONT, LB, NULL, { FROM(FAR), .dst = CLIENT } },
	[LB_PASS_REPLY_DIRECT] = { BACK, LB_REPLY, NULL, { FROM(NEAR), .dst = HOST } },
	[LB_PASS_REPLY_SLOW] = { FRONT, LB, NULL, { FROM(FAR), .dst = CLIENT_UNRESOLVED } },
	[LB_PASS_NOT_REPLY] = { BACK, LB_REPLY, NULL, { .src = NEAR, .dst = CLIENT } },
	[LB_PASS_REPLY_TOO_BIG] = { BACK, LB_REPLY, NULL, { FROM(NEAR), .dst = CLIENT_SLIM,
							    .payload = 1300 } },
	[LB_DROP_REPLY_NO_ROUTE] = { BACK, LB_REPLY, "nat", { FROM(NEAR),
							      .dst = CLIENT_NO_ROUTE } },
	[LB_DROP_REPLY_FORWARDING] = { QUIET, LB_REPLY, "nat", { FROM(NEAR), .dst = CLIENT } },
	[LB_DROP_REPLY_FRAGMENT] = { BACK, LB_REPLY, NULL, { FROM(NEAR), .dst = CLIENT,
							      .payload = 8,
							      .fragment = FRAGMENT_MIDDLE } },
	[LB_TX_REJECT] = { FRONT, LB, "refused", { TO(88), .tcp_flags = TCP_SYN } },
	[LB_DROP_FRAGMENT_TINY] = { FRONT, LB, NULL, { TO(80), .payload = 8,
						       .fragment = FRAGMENT_MIDDLE,
						       .patch = { PATCH_IP, 6, 0x2001 } },
				    .only_ipv4 = true },
	[LB_TX_ECHO] = { FRONT, LB, NULL, { .src = CLIENT, .dst = VIP, ECHO }, .only_ipv4 = true },
	[LB_DROP_ECHO] = { FRONT, LB, NULL, { .src = CLIENT, .dst = VIP_DOWN, ECHO },
			   .only_ipv4 = true },
	[LB_REDIRECT_IPIP] = { FRONT, LB, NULL, { TO(89) } },
	[LB_TX_IPIP] = { FRONT, LB, NULL, { TO(90), .tcp_flags = TCP_SYN } },
	[LB_REDIRECT_GUE] = { FRONT, LB, NULL, { TO(91) } },
	[LB_TX_GUE] = { FRONT, LB, NULL, { TO(92), .payload = 9 } },
	[LB_TX_TOO_BIG] = { FRONT, LB, "ipip", { TO(89), .payload = 1460 } },
	[LB_DROP_TOO_BIG] = { FRONT, LB, "ipip", { TO(89), .payload = 1460, .dst_mac = MANY } },
	[LB_PASS_ENCAP_FRAGMENT] = { FRONT, LB, NULL, { TO(89), .payload = 1460,
							.patch = { PATCH_IP, 6, 0 } },
				     .only_ipv4 = true },
	[LB_TX_PMTU] = { FRONT, LB, NULL, { TO(89), .payload = 1380 }, .told = true },
	[LB_REDIRECT_PMTU] = { FRONT, LB, NULL, { .src = CLIENT_BACK, .dst = VIP, .dport = 89,
						  .payload = 1380 }, .told = true },
};

/* ---- everything that is counted ------------------------------------------------------------- */

struct counts {
	uint64_t verdicts[LB_VERDICT_COUNT];
	uint64_t drops[16][LB_VERDICT_COUNT];	/* by service id */
	struct lb_counters backends[32];	/* by id */
};

static void counts_read(struct counts *ret_counts)
{
	memset(ret_counts, 0, sizeof(*ret_counts));
	stats_verdicts(ground->dataplane, ret_counts->verdicts);
	for (uint32_t service = 0; service < ARRAY_SIZE(ret_counts->drops); service++)
		for (uint32_t verdict = 0; verdict < LB_VERDICT_COUNT; verdict++)
			ret_counts->drops[service][verdict] =
				stats_drops(ground->dataplane, service, verdict);
	for (uint32_t id = 0; id < ARRAY_SIZE(ret_counts->backends); id++)
		assert_int_equal(stats_backend(ground->dataplane, id, &ret_counts->backends[id]),
				 0);
}

static uint32_t service_id(const char *name)
{
	const struct service *service = state_service(ground->state, name);

	assert_non_null(service);
	return service->id;
}

static void spec_build(const struct spec *words, bool ipv6, struct frame *ret_frame)
{
	struct spec spec = *words;

	spec.ipv6 = ipv6;
	frame_build(&spec, ret_frame);
}

static bool is_forward(enum lb_verdict verdict)
{
	return verdict == LB_REDIRECT_NAT || verdict == LB_REDIRECT_DSR || verdict == LB_TX_NAT ||
	       verdict == LB_TX_DSR || verdict == LB_REDIRECT_IPIP || verdict == LB_TX_IPIP ||
	       verdict == LB_REDIRECT_GUE || verdict == LB_TX_GUE;
}

/* What was counted for `frame` is `before` and one packet more in the places that it belongs to. */
static void assert_counted(const struct counts *before, const struct row *row,
			   const struct outcome *outcome)
{
	struct counts expected = *before, after;
	enum lb_verdict verdict = outcome->verdict;

	expected.verdicts[verdict]++;
	if (row->blamed)
		expected.drops[service_id(row->blamed)][verdict]++;
	if (is_forward(verdict)) {
		struct lb_counters *counters = &expected.backends[outcome->backend];

		counters->packets++;
		counters->bytes += outcome->out.size; /* as sent */
		counters->new_flows += row->spec.tcp_flags == TCP_SYN;
		counters->transmitted += verdict_action(verdict) == LB_TX;
	}
	counts_read(&after);
	assert_memory_equal(&after, &expected, sizeof(after));
}

/* In the place of a packet, what a router says of the outer one that lb makes of it. */
static void router_tell(bool ipv6, struct frame *frame)
{
	const struct spec words = { .ipv6 = ipv6, .src = ROUTER,
				    .dst = { "192.0.2.1", "2001:db8:2::1" } };
	const struct icmp_words says = too_big_words(ipv6, 1300);
	struct outcome outcome;

	ground_run(ground, LB, FRONT, frame, &outcome);
	assert_verdict(outcome.verdict, LB_REDIRECT_IPIP);
	icmp_build(&words, &says, outcome.out.bytes + 14, 500, frame);
}

static void verdict_run(enum lb_verdict verdict, bool ipv6)
{
	const struct row *row = &rows[verdict];
	struct outcome outcome;
	struct counts before;
	struct frame frame;

	spec_build(&row->spec, ipv6, &frame);
	if (row->told)
		router_tell(ipv6, &frame);
	rations_fill();
	counts_read(&before);
	ground_run(ground, row->program, row->in, &frame, &outcome);
	assert_verdict(outcome.verdict, verdict);
	assert_counted(&before, row, &outcome);
}

static void test_verdict(void **state)
{
	const struct trial *trial = *state;
	const struct row *row = trial->row;
	enum lb_verdict verdict = row - rows;

	if (!row->in)
		fail_msg("the verdict %s has no row", verdict_name(verdict));
	assert_true(strlen(verdict_text(verdict)) > 0);
	if (!row->only_ipv6)
		verdict_run(verdict, false);
	if (!row->only_ipv4)
		verdict_run(verdict, true);
}

/* ---- the rest of counting ------------------------------------------------------------------- */

static void flags_run(uint8_t flags, bool is_new)
{
	const struct spec words = { TO(80), .tcp_flags = flags };
	const struct backend *backend = ground_backend(ground, "nat/a", false);
	struct lb_counters before, after;
	struct outcome outcome;
	struct frame frame;

	spec_build(&words, false, &frame);
	stats_backend(ground->dataplane, backend->id, &before);
	ground_run(ground, LB, FRONT, &frame, &outcome);
	stats_backend(ground->dataplane, backend->id, &after);
	assert_int_equal(after.packets - before.packets, 1);
	assert_int_equal(after.new_flows - before.new_flows, is_new);
}

static void test_only_a_syn_without_ack_is_a_new_flow(void **state)
{
	(void)state;
	flags_run(TCP_SYN, true);
	flags_run(TCP_SYN | TCP_ACK, false);
	flags_run(TCP_ACK, false);
	flags_run(TCP_FIN | TCP_ACK, false);
	flags_run(TCP_RST, false);
}

static void test_counters_are_sums_over_cpus(void **state)
{
	const struct spec words = { TO(80) };
	uint64_t before[LB_VERDICT_COUNT], after[LB_VERDICT_COUNT];
	cpu_set_t allowed, one;
	struct outcome outcome;
	struct frame frame;
	int cpus = 0;

	(void)state;
	spec_build(&words, false, &frame);
	assert_int_equal(sched_getaffinity(0, sizeof(allowed), &allowed), 0);
	stats_verdicts(ground->dataplane, before);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &allowed))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
		ground_run(ground, LB, FRONT, &frame, &outcome);
		cpus++;
	}
	sched_setaffinity(0, sizeof(allowed), &allowed);
	stats_verdicts(ground->dataplane, after);
	assert_int_equal(after[LB_REDIRECT_NAT] - before[LB_REDIRECT_NAT], cpus);
}

/* Its id is free then, and its next owner starts at zero. */
static void test_what_a_removed_backend_counted_stays_in_the_verdicts(void **state)
{
	const struct spec words = { TO(82) };
	const struct backend *backend = ground_backend(ground, "far/a", false);
	uint64_t before[LB_VERDICT_COUNT], after[LB_VERDICT_COUNT];
	struct lb_counters counters;
	struct outcome outcome;
	struct frame frame;

	(void)state;
	spec_build(&words, false, &frame);
	ground_run(ground, LB, FRONT, &frame, &outcome);
	stats_verdicts(ground->dataplane, before);
	stats_retire(ground->dataplane, backend->id);
	stats_verdicts(ground->dataplane, after);
	assert_memory_equal(before, after, sizeof(before));
	assert_int_equal(stats_backend(ground->dataplane, backend->id, &counters), 0);
	assert_int_equal(counters.packets, 0);
	assert_int_equal(counters.transmitted, 0);
}

int main(void)
{
	for (int verdict = 0; verdict < LB_VERDICT_COUNT; verdict++)
		trial_add(verdict_name(verdict), ONCE, test_verdict, &rows[verdict]);
	trial_add("only a SYN without ACK is a new flow", ONCE,
		  test_only_a_syn_without_ack_is_a_new_flow, NULL);
	trial_add("counters are sums over CPUs", ONCE, test_counters_are_sums_over_cpus, NULL);
	trial_add("what a removed backend counted stays in the verdicts", ONCE,
		  test_what_a_removed_backend_counted_stays_in_the_verdicts, NULL);
	return trials_run_over(config, hops);
}
