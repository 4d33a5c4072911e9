/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Replies of NAT backends: through lb where the backend is on another host, through lb_reply
 * where it is a container of this one (and for what lb hands on). Their ways are those of the
 * fixture's world. */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "tests/prog/trials.h"

#define SERVICE(name, ports, forward, protocol, v4, v6, more)                                     \
	"{ name = \"" name "-" protocol "\"; vips = [ \"203.0.113.10\", \"2001:db8::10\" ];"      \
	"  protocol = \"" protocol "\"; ports = [ " ports " ]; forward = \"" forward "\";"        \
	"  backends = ( { name = \"a\"; address = [ \"" v4 "\", \"" v6 "\" ]; " more " } ); }\n"

#define SERVICES(protocol)                                                                        \
	SERVICE("near", "80", "nat", protocol, "10.1.0.2", "fd00::2", "port = 8080;") ","         \
	SERVICE("keep", "81", "nat", protocol, "10.1.0.3", "fd00::3", "") ","                     \
	SERVICE("far", "82", "nat", protocol, "192.0.2.20", "2001:db8:2::20", "port = 8080;") "," \
	SERVICE("farkeep", "83", "nat", protocol, "192.0.2.21", "2001:db8:2::21", "") ","         \
	SERVICE("behind", "84", "nat", protocol, "10.1.0.30", "fd00::30", "port = 8080;") ","     \
	SERVICE("dsr", "85", "dsr", protocol, "10.1.0.5", "fd00::5", "")

static const char config[] =
	"version = 1; services = (\n" SERVICES("tcp") "," SERVICES("udp") ","
	SERVICE("only", "86", "nat", "tcp", "10.1.0.6", "fd00::6", "port = 8080;") ");"
	"tuning: { hash_seed = \"reply\"; max_slots = 100000; };";

#define REMOTE(name, ifindex) { name "-tcp/a", ifindex, true }, { name "-udp/a", ifindex, true }

static const struct ground_hop hops[] = {
	REMOTE("far", FRONT), REMOTE("farkeep", FRONT), REMOTE("behind", BACK), { 0 },
};

#define NEAR	((struct host){ "10.1.0.2", "fd00::2" })
#define KEEP	((struct host){ "10.1.0.3", "fd00::3" })
#define DSR	((struct host){ "10.1.0.5", "fd00::5" })
#define ONLY	((struct host){ "10.1.0.6", "fd00::6" })
#define FAR	((struct host){ "192.0.2.20", "2001:db8:2::20" })
#define FARKEEP	((struct host){ "192.0.2.21", "2001:db8:2::21" })
#define BEHIND	((struct host){ "10.1.0.30", "fd00::30" })
#define BESIDE	((struct host){ "192.0.2.99", "2001:db8:2::99" })
#define VIP	((struct host){ "203.0.113.10", "2001:db8::10" })

struct row {
	const char *sentence;
	enum kinds kinds;
	unsigned int in;	/* ifindex */
	enum lb_verdict verdict;
	struct spec spec;	/* without family and protocol; dst and dport: the client's */
	const char *service;	/* of a reply that is translated, without its protocol */
	unsigned int out;	/* lb: the interface that it is sent by; lb_reply: 0 */
};

/* ---- lb: backends on other hosts ------------------------------------------------------------- */

static const struct row lb_rows[] = {
	{ "a reply leaves by the port it came in", ALL, FRONT, LB_TX_REPLY,
	  { .src = FAR, .sport = 8080, .dst = CLIENT, .payload = 99 }, "far", FRONT },
	{ "a reply leaves by another port", ALL, FRONT, LB_REDIRECT_REPLY,
	  { .src = FAR, .sport = 8080, .dst = CLIENT_BACK, .payload = 99 }, "far", BACK },
	{ "a reply of a backend behind another interface", ALL, BACK, LB_REDIRECT_REPLY,
	  { .src = BEHIND, .sport = 8080, .dst = CLIENT, .payload = 99 }, "behind", FRONT },
	{ "a reply without a backend port keeps its port", ALL, FRONT, LB_TX_REPLY,
	  { .src = FARKEEP, .sport = 83, .dst = CLIENT, .payload = 98 }, "farkeep", FRONT },
	{ "a reply with a TTL of 2 leaves with 1", ALL, FRONT, LB_TX_REPLY,
	  { .src = FAR, .sport = 8080, .dst = CLIENT, .ttl = 2 }, "far", FRONT },
	{ "a reply's UDP checksum of 0 stays 0", UDP_ONLY, FRONT, LB_TX_REPLY,
	  { .src = FAR, .sport = 8080, .dst = CLIENT, .payload = 9, .no_checksum = true }, "far",
	  FRONT },
	{ "a reply's wrong checksum stays wrong", ALL, FRONT, LB_TX_REPLY,
	  { .src = FAR, .sport = 8080, .dst = CLIENT, .payload = 9, .wrong_checksum = true },
	  "far", FRONT },
	{ "a reply to port 0", ALL, FRONT, LB_TX_REPLY,
	  { .src = FAR, .sport = 8080, .dst = CLIENT, .dport = 0 }, "far", FRONT },
	{ "a reply as big as its way's MTU", TCP4, FRONT, LB_REDIRECT_REPLY,
	  { .src = FAR, .sport = 8080, .dst = CLIENT_SLIM, .payload = 1240 }, "far", SLIM },
	{ "a reply as big as its way's MTU", TCP6, FRONT, LB_REDIRECT_REPLY,
	  { .src = FAR, .sport = 8080, .dst = CLIENT_SLIM, .payload = 1220 }, "far", SLIM },

	{ "a reply over the MTU of its way is for tc", ALL, FRONT, LB_PASS_REPLY_SLOW,
	  { .src = FAR, .sport = 8080, .dst = CLIENT_SLIM, .payload = 1261 }, "far", 0 },
	{ "a reply over a neighbour to be resolved is for tc", ALL, FRONT, LB_PASS_REPLY_SLOW,
	  { .src = FAR, .sport = 8080, .dst = CLIENT_UNRESOLVED }, "far", 0 },
	{ "a reply by a device that XDP cannot reach is for tc", ALL, FRONT, LB_PASS_REPLY_SLOW,
	  { .src = FAR, .sport = 8080, .dst = CLIENT_QUIET }, "far", 0 },
	{ "a reply over an unreachable route is for tc", ALL, FRONT, LB_PASS_REPLY_SLOW,
	  { .src = FAR, .sport = 8080, .dst = CLIENT_UNREACHABLE }, "far", 0 },
	{ "a reply without a route is for tc", ALL, FRONT, LB_PASS_REPLY_SLOW,
	  { .src = FAR, .sport = 8080, .dst = CLIENT_NO_ROUTE }, "far", 0 },
	{ "a reply where forwarding is off is for tc", ALL, QUIET, LB_PASS_REPLY_SLOW,
	  { .src = FAR, .sport = 8080, .dst = CLIENT }, "far", 0 },

	{ "a reply with a TTL of 1", ALL, FRONT, LB_DROP_TTL,
	  { .src = FAR, .sport = 8080, .dst = CLIENT, .ttl = 1 }, "far", 0 },
	{ "a reply longer than its frame", IPV4_ONLY, FRONT, LB_DROP_TRUNCATED,
	  { .src = FAR, .sport = 8080, .dst = CLIENT, .patch = { PATCH_IP, 2, 999 } }, "far", 0 },
	{ "a reply with a UDP length of 0", UDP_ONLY, FRONT, LB_DROP_MALFORMED,
	  { .src = FAR, .sport = 8080, .dst = CLIENT, .patch = { PATCH_L4, 4, 0 } }, "far", 0 },

	{ "to this host", ALL, FRONT, LB_PASS_REPLY_DIRECT,
	  { .src = FAR, .sport = 8080, .dst = HOST }, NULL, 0 },
	{ "to a network where backends stand", ALL, FRONT, LB_PASS_REPLY_DIRECT,
	  { .src = FAR, .sport = 8080, .dst = NEIGHBOUR }, NULL, 0 },
	{ "to the backend's own network", ALL, FRONT, LB_PASS_REPLY_DIRECT,
	  { .src = FAR, .sport = 8080, .dst = BESIDE }, NULL, 0 },
	{ "from another port of the backend", ALL, FRONT, LB_PASS_NOT_SERVICE,
	  { .src = FAR, .sport = 8081, .dst = CLIENT }, NULL, 0 },
	{ "from port 0 of the backend", ALL, FRONT, LB_PASS_NOT_SERVICE,
	  { .src = FAR, .sport = PORT_0, .dst = CLIENT }, NULL, 0 },
	{ "from the vip's port of the backend", ALL, FRONT, LB_PASS_NOT_SERVICE,
	  { .src = FAR, .sport = 82, .dst = CLIENT }, NULL, 0 },
	{ "from a container's address by a front interface", ALL, FRONT, LB_PASS_NOT_SERVICE,
	  { .src = NEAR, .sport = 8080, .dst = CLIENT }, "near", 0 },
	{ "from a dsr backend, which answers by itself", ALL, FRONT, LB_PASS_NOT_SERVICE,
	  { .src = DSR, .sport = 85, .dst = CLIENT }, NULL, 0 },
	{ "a reply's later fragment, whose first was not seen, is for tc", ALL, FRONT,
	  LB_PASS_NOT_SERVICE,
	  { .src = FAR, .dst = CLIENT, .payload = 600, .fragment = FRAGMENT_MIDDLE }, NULL, 0 },
	{ "a tagged reply is for tc, which knows the VLANs", ALL, FRONT, LB_PASS_REPLY_SLOW,
	  { .src = FAR, .sport = 8080, .dst = CLIENT, .tags = { { 0x8100, 7 } } }, "far", 0 },
	{ "a reply with an extension header", IPV6_ONLY, FRONT, LB_TX_REPLY,
	  { .src = FAR, .sport = 8080, .dst = CLIENT, .extended = true,
	    .extension = IPPROTO_DSTOPTS }, "far", FRONT },
	{ "a reply with IPv4 options is for tc", IPV4_ONLY, FRONT, LB_PASS_NOT_SERVICE,
	  { .src = FAR, .sport = 8080, .dst = CLIENT, .ip_options = 1 }, NULL, 0 },
};

/* ---- lb_reply: containers, and what lb hands on ---------------------------------------------- */

static const struct row tc_rows[] = {
	{ "a container's reply keeps its TTL", ALL, BACK, LB_REDIRECT_REPLY,
	  { .src = NEAR, .sport = 8080, .dst = CLIENT, .payload = 99 }, "near", 0 },
	{ "a container's reply without a backend port keeps its port", ALL, BACK,
	  LB_REDIRECT_REPLY, { .src = KEEP, .sport = 81, .dst = CLIENT, .payload = 98 }, "keep",
	  0 },
	{ "a container's reply without payload", ALL, BACK, LB_REDIRECT_REPLY,
	  { .src = NEAR, .sport = 8080, .dst = CLIENT }, "near", 0 },
	{ "a container's reply with TCP options", TCP_ONLY, BACK, LB_REDIRECT_REPLY,
	  { .src = NEAR, .sport = 8080, .dst = CLIENT, .tcp_options = 10, .payload = 3 }, "near",
	  0 },
	{ "a container's reply with a TTL of 1", ALL, BACK, LB_REDIRECT_REPLY,
	  { .src = NEAR, .sport = 8080, .dst = CLIENT, .ttl = 1 }, "near", 0 },
	{ "a container's UDP checksum of 0 stays 0", UDP_ONLY, BACK, LB_REDIRECT_REPLY,
	  { .src = NEAR, .sport = 8080, .dst = CLIENT, .payload = 9, .no_checksum = true },
	  "near", 0 },
	{ "a container's wrong checksum stays wrong", ALL, BACK, LB_REDIRECT_REPLY,
	  { .src = NEAR, .sport = 8080, .dst = CLIENT, .payload = 9, .wrong_checksum = true },
	  "near", 0 },
	{ "a reply over a neighbour to be resolved", ALL, BACK, LB_REDIRECT_REPLY,
	  { .src = NEAR, .sport = 8080, .dst = CLIENT_UNRESOLVED }, "near", 0 },
	{ "a reply by a device that XDP cannot reach", ALL, BACK, LB_REDIRECT_REPLY,
	  { .src = NEAR, .sport = 8080, .dst = CLIENT_QUIET }, "near", 0 },
	{ "a reply as big as its way's MTU", TCP4, BACK, LB_REDIRECT_REPLY,
	  { .src = NEAR, .sport = 8080, .dst = CLIENT_SLIM, .payload = 1240 }, "near", 0 },
	{ "a reply as big as its way's MTU", TCP6, BACK, LB_REDIRECT_REPLY,
	  { .src = NEAR, .sport = 8080, .dst = CLIENT_SLIM, .payload = 1220 }, "near", 0 },
	{ "another host's reply, handed on by lb: the TTL goes down", ALL, FRONT,
	  LB_REDIRECT_REPLY, { .src = FAR, .sport = 8080, .dst = CLIENT_UNRESOLVED, .payload = 9 },
	  "far", 0 },
	{ "another host's reply with a TTL of 2", ALL, FRONT, LB_REDIRECT_REPLY,
	  { .src = FARKEEP, .sport = 83, .dst = CLIENT, .ttl = 2 }, "farkeep", 0 },

	{ "another host's reply with a TTL of 1", ALL, FRONT, LB_DROP_TTL,
	  { .src = FAR, .sport = 8080, .dst = CLIENT, .ttl = 1 }, "far", 0 },
	{ "a reply over the MTU of its way", ALL, BACK, LB_PASS_REPLY_TOO_BIG,
	  { .src = NEAR, .sport = 8080, .dst = CLIENT_SLIM, .payload = 1261 }, "near", 0 },
	{ "a reply without a route", ALL, BACK, LB_DROP_REPLY_NO_ROUTE,
	  { .src = NEAR, .sport = 8080, .dst = CLIENT_NO_ROUTE }, "near", 0 },
	{ "a reply over an unreachable route", ALL, BACK, LB_DROP_REPLY_NO_ROUTE,
	  { .src = NEAR, .sport = 8080, .dst = CLIENT_UNREACHABLE }, "near", 0 },
	{ "a reply where forwarding is off", ALL, QUIET, LB_DROP_REPLY_FORWARDING,
	  { .src = NEAR, .sport = 8080, .dst = CLIENT }, "near", 0 },
	{ "a fragment in the middle of a reply, whose first was not seen", ALL, BACK,
	  LB_DROP_REPLY_FRAGMENT,
	  { .src = NEAR, .dst = CLIENT, .payload = 600, .fragment = FRAGMENT_MIDDLE }, NULL, 0 },
	{ "the last fragment of a reply, whose first was not seen", ALL, BACK,
	  LB_DROP_REPLY_FRAGMENT,
	  { .src = KEEP, .dst = CLIENT, .payload = 600, .fragment = FRAGMENT_LAST }, NULL, 0 },
	{ "another host's fragment, handed on by lb", ALL, FRONT, LB_DROP_REPLY_FRAGMENT,
	  { .src = FAR, .dst = CLIENT, .payload = 600, .fragment = FRAGMENT_LAST }, NULL, 0 },
	{ "a container's IPv4 options", IPV4_ONLY, BACK, LB_REDIRECT_REPLY,
	  { .src = NEAR, .sport = 8080, .dst = CLIENT, .ip_options = 2, .payload = 33 }, "near",
	  0 },
	{ "as many IPv4 options as there can be", IPV4_ONLY, BACK, LB_REDIRECT_REPLY,
	  { .src = KEEP, .sport = 81, .dst = CLIENT, .ip_options = 10, .payload = 33 }, "keep",
	  0 },
	{ "a container's extension header", IPV6_ONLY, BACK, LB_REDIRECT_REPLY,
	  { .src = NEAR, .sport = 8080, .dst = CLIENT, .extended = true,
	    .extension = IPPROTO_DSTOPTS, .payload = 33 }, "near", 0 },
	{ "six extension headers of another host's reply, handed on by lb", IPV6_ONLY, FRONT,
	  LB_REDIRECT_REPLY,
	  { .src = FAR, .sport = 8080, .dst = CLIENT, .extended = true, .more = 5,
	    .extension = IPPROTO_DSTOPTS, .payload = 33 }, "far", 0 },

	{ "a fragment to this host", ALL, BACK, LB_PASS_NOT_REPLY,
	  { .src = NEAR, .dst = HOST, .payload = 600, .fragment = FRAGMENT_LAST }, NULL, 0 },
	{ "a fragment of a protocol that the backend is not balanced for", UDP_ONLY, BACK,
	  LB_PASS_NOT_REPLY,
	  { .src = ONLY, .dst = CLIENT, .payload = 600, .fragment = FRAGMENT_MIDDLE }, NULL, 0 },
	{ "a fragment of a dsr backend", ALL, BACK, LB_PASS_NOT_REPLY,
	  { .src = DSR, .dst = CLIENT, .payload = 600, .fragment = FRAGMENT_LAST }, NULL, 0 },
	{ "a container to this host", ALL, BACK, LB_PASS_REPLY_DIRECT,
	  { .src = NEAR, .sport = 8080, .dst = HOST }, NULL, 0 },
	{ "a container to its neighbour", ALL, BACK, LB_PASS_REPLY_DIRECT,
	  { .src = NEAR, .sport = 8080, .dst = NEIGHBOUR }, NULL, 0 },
	{ "a container to a network where other backends stand", ALL, BACK, LB_PASS_REPLY_DIRECT,
	  { .src = NEAR, .sport = 8080, .dst = BESIDE }, NULL, 0 },
	{ "from another port of a container", ALL, BACK, LB_PASS_NOT_REPLY,
	  { .src = NEAR, .sport = 22, .dst = CLIENT }, NULL, 0 },
	{ "from port 0 of a container", ALL, BACK, LB_PASS_NOT_REPLY,
	  { .src = NEAR, .sport = PORT_0, .dst = CLIENT }, NULL, 0 },
	{ "by the other protocol", UDP_ONLY, BACK, LB_PASS_NOT_REPLY,
	  { .src = ONLY, .sport = 8080, .dst = CLIENT }, NULL, 0 },
	{ "from a container that is no backend", ALL, BACK, LB_PASS_NOT_REPLY,
	  { .src = NEIGHBOUR, .sport = 8080, .dst = CLIENT }, NULL, 0 },
	{ "from a dsr backend", ALL, BACK, LB_PASS_NOT_REPLY,
	  { .src = DSR, .sport = 85, .dst = CLIENT }, NULL, 0 },
	{ "a packet for a service is not lb_reply's", ALL, FRONT, LB_PASS_NOT_REPLY,
	  { .src = CLIENT, .dst = VIP, .dport = 80 }, NULL, 0 },
	{ "ARP from a container", TCP4, BACK, LB_PASS_NOT_IP,
	  { .src = NEAR, .dst = CLIENT, .patch = { PATCH_ETHERNET, 12, 0x0806 } }, NULL, 0 },
	{ "ICMP from a container that quotes nothing", TCP4, BACK, LB_PASS_NOT_REPLY,
	  { .src = NEAR, .dst = CLIENT, .protocol = IPPROTO_ICMP, .payload = 64 }, NULL, 0 },
	{ "ICMPv6 from a container that quotes nothing", TCP6, BACK, LB_PASS_NOT_REPLY,
	  { .src = NEAR, .dst = CLIENT, .protocol = IPPROTO_ICMPV6, .payload = 64 }, NULL, 0 },
};

/* ---- what must come out --------------------------------------------------------------------- */

static void spec_complete(const struct spec *words, const struct trial *trial,
			  struct spec *ret_spec)
{
	*ret_spec = *words;
	ret_spec->ipv6 = trial->ipv6;
	if (!words->protocol)
		ret_spec->protocol = trial->udp ? IPPROTO_UDP : IPPROTO_TCP;
}

static void macs_of(unsigned int ifindex, struct spec *out)
{
	const uint8_t *dst = ifindex == FRONT  ? front_router_mac
			     : ifindex == BACK ? back_router_mac
					       : slim_router_mac;
	const uint8_t *src = ifindex == FRONT  ? front_mac
			     : ifindex == BACK ? back_mac
					       : slim_mac;

	memcpy(out->dst_mac, dst, 6);
	memcpy(out->src_mac, src, 6);
}

/* The words of a reply on its way to the client; `text` holds the vip. The kernel writes the MACs
 * of what lb_reply sends after the program has ended. */
static void spec_at_client(const struct spec *in, const struct backend *backend, unsigned int way,
			   char *text, struct spec *ret_out)
{
	*ret_out = *in;
	addr_format(&backend->identity.vip, text);
	ret_out->src = (struct host){ text, text };
	if (backend->identity.vip_port)
		ret_out->sport = backend->identity.vip_port;
	if (!backend->hop.local)
		ret_out->ttl = (in->ttl ? in->ttl : 64) - 1;
	if (way)
		macs_of(way, ret_out);
}

static void reply_check(enum program program, const struct row *row, const struct trial *trial,
			const struct spec *in)
{
	char name[2 * LB_NAME_MAX] = "", text[ADDR_TEXT_MAX];
	struct frame frame, expected;
	struct outcome outcome;
	struct spec out;

	frame_build(in, &frame);
	ground_run(ground, program, row->in, &frame, &outcome);
	assert_verdict(outcome.verdict, row->verdict);
	if (row->service)
		snprintf(name, sizeof(name), "%s-%s/a", row->service, trial->udp ? "udp" : "tcp");
	assert_string_equal(outcome.name, name);
	if (verdict_action(row->verdict) == LB_PASS || verdict_action(row->verdict) == LB_DROP)
		return; /* as it came: the fixture's word */
	spec_at_client(in, ground_backend(ground, name, trial->ipv6), row->out, text, &out);
	frame_build(&out, &expected);
	assert_frame(&outcome.out, &expected);
}

static void test_lb(void **state)
{
	const struct trial *trial = *state;
	const struct row *row = trial->row;
	struct spec in;

	spec_complete(&row->spec, trial, &in);
	reply_check(LB, row, trial, &in);
}

static void test_lb_reply(void **state)
{
	const struct trial *trial = *state;
	const struct row *row = trial->row;
	struct spec in;

	spec_complete(&row->spec, trial, &in);
	reply_check(LB_REPLY, row, trial, &in);
}

/* A payload whose first word makes the checksum come out as 0: 0xffff in UDP. */
static void test_checksum_that_comes_out_as_0(void **state)
{
	const struct trial *trial = *state;
	const struct row *row = trial->row;
	char name[2 * LB_NAME_MAX], text[ADDR_TEXT_MAX];
	struct frame frame;
	struct spec in, out;

	spec_complete(&row->spec, trial, &in);
	snprintf(name, sizeof(name), "%s-%s/a", row->service, trial->udp ? "udp" : "tcp");
	spec_at_client(&in, ground_backend(ground, name, trial->ipv6), row->out, text, &out);
	frame_build(&out, &frame);
	in.word = frame_l4_checksum(&frame);
	reply_check(row->out ? LB : LB_REPLY, row, trial, &in);
}

/* Whatever a container sends, cut short anywhere: lb_reply does not send it on. */
static void test_cut_short(void **state)
{
	const struct trial *trial = *state;
	const struct spec words = { .src = NEAR, .sport = 8080, .dst = CLIENT };
	size_t header = 14 + (trial->ipv6 ? 40 : 20);
	struct outcome outcome;
	struct frame frame;
	struct spec in;

	spec_complete(&words, trial, &in);
	frame_build(&in, &frame);
	for (size_t size = header; size < frame.size; size++) {
		struct frame cut = frame;

		cut.size = size;
		ground_run(ground, LB_REPLY, BACK, &cut, &outcome);
		assert_verdict(outcome.verdict, LB_PASS_NOT_REPLY);
	}
}

int main(void)
{
	static const struct row zero_rows[] = {
		{ "lb: a checksum that comes out as 0", ALL, FRONT, LB_TX_REPLY,
		  { .src = FAR, .sport = 8080, .dst = CLIENT, .payload = 31 }, "far", FRONT },
		{ "lb_reply: a checksum that comes out as 0", ALL, BACK, LB_REDIRECT_REPLY,
		  { .src = NEAR, .sport = 8080, .dst = CLIENT, .payload = 31 }, "near", 0 },
		{ "lb_reply: a checksum that comes out as 0, with the same port", ALL, BACK,
		  LB_REDIRECT_REPLY, { .src = KEEP, .sport = 81, .dst = CLIENT, .payload = 30 },
		  "keep", 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(lb_rows); i++)
		trial_add(lb_rows[i].sentence, lb_rows[i].kinds, test_lb, &lb_rows[i]);
	for (size_t i = 0; i < ARRAY_SIZE(tc_rows); i++)
		trial_add(tc_rows[i].sentence, tc_rows[i].kinds, test_lb_reply, &tc_rows[i]);
	for (size_t i = 0; i < ARRAY_SIZE(zero_rows); i++)
		trial_add(zero_rows[i].sentence, zero_rows[i].kinds,
			  test_checksum_that_comes_out_as_0, &zero_rows[i]);
	trial_add("a reply cut short anywhere", ALL, test_cut_short, NULL);
	return trials_run_over(config, hops);
}
