/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What lb does not forward: not ours, to the stack; ours but not to be balanced, dropped. The
 * fixture asserts for each row that such a packet is as it came, byte for byte. */
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "tests/prog/trials.h"

#define VIP		((struct host){ "203.0.113.10", "2001:db8::10" })
#define VIP_ANY		((struct host){ "203.0.113.11", "2001:db8::11" })
#define OTHER		((struct host){ "203.0.113.99", "2001:db8::99" })

enum { ESP = 50, AH = 51, NO_NEXT = 59 };

#define SERVICE(name, vip, ports, forward, protocol, backends)                                    \
	"{ name = \"" name "-" protocol "\"; vips = [ \"203.0.113." vip "\", \"2001:db8::" vip    \
	"\" ]; protocol = \"" protocol "\"; ports = [ " ports " ]; forward = \"" forward          \
	"\"; backends = (" backends "); }\n"
#define BACKEND(name, host, more)                                                                 \
	"{ name = \"" name "\"; address = [ \"10.1.0." host "\", \"fd00::" host "\" ]; " more " }"

#define SERVICES(protocol)                                                                        \
	SERVICE("web", "10", "80", "nat", protocol, BACKEND("a", "2", "port = 8080;")) ","        \
	SERVICE("far", "10", "82", "nat", protocol, BACKEND("a", "3", "port = 8080;")) ","        \
	SERVICE("dsrfar", "10", "83", "dsr", protocol, BACKEND("a", "3", "")) ","                 \
	SERVICE("any", "11", "", "dsr", protocol, BACKEND("a", "4", "")) ","                      \
	SERVICE("drained", "10", "90", "nat", protocol,                                           \
		BACKEND("a", "5", "port = 90; state = \"drain\";")) ","                           \
	SERVICE("weightless", "10", "91", "nat", protocol,                                        \
		BACKEND("a", "5", "port = 91; weight = 0;")) ","                                  \
	SERVICE("off", "10", "92", "nat", protocol,                                               \
		BACKEND("a", "5", "port = 92; state = \"off\";") ","                              \
		BACKEND("b", "6", "port = 92; state = \"off\";")) ","                             \
	SERVICE("empty", "10", "93", "nat", protocol, "") ","                                     \
	SERVICE("lost", "10", "94", "nat", protocol, BACKEND("a", "7", "port = 94;"))

/* One service of one protocol alone on its vip. */
static const char config[] =
	"version = 1; services = (\n" SERVICES("tcp") "," SERVICES("udp") ","
	SERVICE("only", "12", "80", "nat", "tcp", BACKEND("a", "8", "")) ");"
	"tuning: { hash_seed = \"refuse\"; max_slots = 100000; };";

static const struct ground_hop hops[] = {
	{ "far-tcp/a", BACK, true },	{ "far-udp/a", BACK, true },
	{ "dsrfar-tcp/a", BACK, true },	{ "dsrfar-udp/a", BACK, true },
	{ "lost-tcp/a", 0, false },	{ "lost-udp/a", 0, false },
	{ 0 },
};

struct row {
	const char *sentence;
	enum kinds kinds;
	enum lb_verdict verdict;
	struct spec spec;	/* without family, source and, where the kind says it, protocol */
};

static const struct row rows[] = {
	{ "another port of a vip", ALL, LB_PASS_NOT_SERVICE, { .dst = VIP, .dport = 22 } },
	{ "port 0 of a vip", ALL, LB_PASS_NOT_SERVICE, { .dst = VIP, .dport = 0 } },
	{ "the service's port at another address", ALL, LB_PASS_NOT_SERVICE,
	  { .dst = OTHER, .dport = 80 } },
	{ "another port with a TTL of 1", ALL, LB_PASS_NOT_SERVICE,
	  { .dst = VIP, .dport = 22, .ttl = 1 } },
	{ "the other protocol of a vip and port", UDP_ONLY, LB_PASS_NOT_SERVICE,
	  { .dst = { "203.0.113.12", "2001:db8::12" }, .dport = 80 } },

	{ "ARP", TCP4, LB_PASS_NOT_IP,
	  { .dst = VIP, .dport = 80, .patch = { PATCH_ETHERNET, 12, 0x0806 } } },
	{ "LLDP", TCP4, LB_PASS_NOT_IP,
	  { .dst = VIP, .dport = 80, .patch = { PATCH_ETHERNET, 12, 0x88cc } } },
	{ "802.3 by length", TCP4, LB_PASS_NOT_IP,
	  { .dst = VIP, .dport = 80, .patch = { PATCH_ETHERNET, 12, 46 } } },
	{ "three tags", ALL, LB_PASS_NOT_IP,
	  { .dst = VIP, .dport = 80, .tags = { { 0x88a8, 5 }, { 0x8100, 6 } },
	    .patch = { PATCH_ETHERNET, 20, 0x8100 } } },
	{ "a tagged packet for another port of a vip", ALL, LB_PASS_NOT_SERVICE,
	  { .dst = VIP, .dport = 22, .tags = { { 0x8100, 5 } } } },
	{ "a tagged packet for another address", ALL, LB_PASS_NOT_SERVICE,
	  { .dst = OTHER, .dport = 80, .tags = { { 0x8100, 5 } } } },
	{ "a tag without anything behind it", TCP4, LB_PASS_NOT_IP,
	  { .dst = VIP, .dport = 80, .patch = { PATCH_ETHERNET, 12, 0x8100 } } },

	{ "ICMP to a vip", TCP4, LB_PASS_PROTOCOL,
	  { .dst = VIP, .protocol = IPPROTO_ICMP, .payload = 64 } },
	{ "ICMPv6 to a vip", TCP6, LB_PASS_PROTOCOL,
	  { .dst = VIP, .protocol = IPPROTO_ICMPV6, .payload = 64 } },
	{ "ICMP without a single byte", TCP4, LB_PASS_PROTOCOL,
	  { .dst = VIP, .protocol = IPPROTO_ICMP } },
	{ "a fragment of ICMP to a vip", TCP4, LB_PASS_PROTOCOL,
	  { .dst = VIP, .protocol = IPPROTO_ICMP, .payload = 64, .fragment = FRAGMENT_FIRST } },
	{ "a fragment of ICMPv6 to a vip", TCP6, LB_PASS_PROTOCOL,
	  { .dst = VIP, .protocol = IPPROTO_ICMPV6, .payload = 64, .fragment = FRAGMENT_LAST } },
	{ "ESP to a vip", TCP4 | TCP6, LB_PASS_PROTOCOL,
	  { .dst = VIP, .protocol = ESP, .payload = 64 } },
	{ "an authentication header to a vip", TCP4 | TCP6, LB_PASS_PROTOCOL,
	  { .dst = VIP, .protocol = AH, .payload = 64 } },
	{ "SCTP to a vip", TCP4 | TCP6, LB_PASS_PROTOCOL,
	  { .dst = VIP, .protocol = IPPROTO_SCTP, .payload = 64 } },
	{ "IPv6 with nothing behind it", TCP6, LB_PASS_PROTOCOL,
	  { .dst = VIP, .protocol = NO_NEXT } },

	{ "a fragment in the middle to a vip, whose first was not seen", ALL, LB_DROP_FRAGMENT,
	  { .dst = VIP, .payload = 600, .fragment = FRAGMENT_MIDDLE } },
	{ "the last fragment to a vip, whose first was not seen", ALL, LB_DROP_FRAGMENT,
	  { .dst = VIP, .payload = 600, .fragment = FRAGMENT_LAST } },
	{ "the last fragment, of one byte", ALL, LB_DROP_FRAGMENT,
	  { .dst = VIP, .payload = 1, .fragment = FRAGMENT_LAST } },
	{ "a fragment to a vip of any port, whose first was not seen", ALL, LB_DROP_FRAGMENT,
	  { .dst = VIP_ANY, .payload = 600, .fragment = FRAGMENT_MIDDLE } },
	{ "the first fragment to another port of a vip", ALL, LB_PASS_NOT_SERVICE,
	  { .dst = VIP, .dport = 22, .payload = 600, .fragment = FRAGMENT_FIRST } },
	{ "a fragment that hides an extension, to a vip", TCP6, LB_DROP_IPV6_EXTENSION,
	  { .dst = VIP, .protocol = IPPROTO_ROUTING, .payload = 64, .fragment = FRAGMENT_FIRST } },
	{ "the first fragment to another address", ALL, LB_PASS_NOT_SERVICE,
	  { .dst = OTHER, .dport = 80, .payload = 600, .fragment = FRAGMENT_FIRST } },
	{ "the last fragment to another address", ALL, LB_PASS_NOT_SERVICE,
	  { .dst = OTHER, .payload = 600, .fragment = FRAGMENT_LAST } },

	{ "IPv4 options to a vip", IPV4_ONLY, LB_DROP_IPV4_OPTIONS,
	  { .dst = VIP, .dport = 80, .ip_options = 1 } },
	{ "as many IPv4 options as there can be", IPV4_ONLY, LB_DROP_IPV4_OPTIONS,
	  { .dst = VIP, .dport = 80, .ip_options = 10 } },
	{ "IPv4 options to another address", IPV4_ONLY, LB_PASS_NOT_SERVICE,
	  { .dst = OTHER, .dport = 80, .ip_options = 1 } },
	{ "a routing header with segments left", IPV6_ONLY, LB_DROP_IPV6_EXTENSION,
	  { .dst = VIP, .dport = 80, .extended = true, .extension = IPPROTO_ROUTING,
	    .patch = { PATCH_IP, 42, 0x0001 } } },
	{ "seven extension headers", IPV6_ONLY, LB_DROP_IPV6_EXTENSION,
	  { .dst = VIP, .dport = 80, .extended = true, .extension = IPPROTO_DSTOPTS, .more = 6 } },
	{ "an extension header of 264 bytes", IPV6_ONLY, LB_DROP_IPV6_EXTENSION,
	  { .dst = VIP, .dport = 80, .extended = true, .extension = IPPROTO_DSTOPTS, .more = 1,
	    .payload = 300, .patch = { PATCH_IP, 40, IPPROTO_DSTOPTS << 8 | 32 } } },
	{ "destination options to another address", IPV6_ONLY, LB_PASS_NOT_SERVICE,
	  { .dst = OTHER, .dport = 80, .extended = true, .extension = IPPROTO_DSTOPTS } },

	{ "IP version 6 where Ethernet says 4", IPV4_ONLY, LB_DROP_MALFORMED,
	  { .dst = VIP, .dport = 80, .patch = { PATCH_IP, 0, 0x6500 } } },
	{ "IP version 3", IPV4_ONLY, LB_DROP_MALFORMED,
	  { .dst = VIP, .dport = 80, .patch = { PATCH_IP, 0, 0x3500 } } },
	{ "IP version 4 where Ethernet says 6", IPV6_ONLY, LB_DROP_MALFORMED,
	  { .dst = VIP, .dport = 80, .patch = { PATCH_IP, 0, 0x4000 } } },
	{ "an IPv4 header of four words", IPV4_ONLY, LB_DROP_MALFORMED,
	  { .dst = VIP, .dport = 80, .patch = { PATCH_IP, 0, 0x4400 } } },
	{ "an IPv4 header of no words", IPV4_ONLY, LB_DROP_MALFORMED,
	  { .dst = VIP, .dport = 80, .patch = { PATCH_IP, 0, 0x4000 } } },
	{ "an IPv4 packet longer than its frame", IPV4_ONLY, LB_DROP_TRUNCATED,
	  { .dst = VIP, .dport = 80, .payload = 20, .patch = { PATCH_IP, 2, 61 } } },
	{ "an IPv4 packet of 65535 bytes in a short frame", IPV4_ONLY, LB_DROP_TRUNCATED,
	  { .dst = VIP, .dport = 80, .patch = { PATCH_IP, 2, 0xffff } } },
	{ "an IPv4 packet that ends before its payload", IPV4_ONLY, LB_DROP_MALFORMED,
	  { .dst = VIP, .dport = 80, .patch = { PATCH_IP, 2, 20 } } },
	{ "an IPv4 packet of length 0", IPV4_ONLY, LB_DROP_MALFORMED,
	  { .dst = VIP, .dport = 80, .patch = { PATCH_IP, 2, 0 } } },
	{ "an IPv6 payload longer than its frame", IPV6_ONLY, LB_DROP_TRUNCATED,
	  { .dst = VIP, .dport = 80, .patch = { PATCH_IP, 4, 21 } } },
	{ "an IPv6 payload of length 0", IPV6_ONLY, LB_DROP_MALFORMED,
	  { .dst = VIP, .dport = 80, .patch = { PATCH_IP, 4, 0 } } },
	{ "a TCP header of four words", TCP_ONLY, LB_DROP_MALFORMED,
	  { .dst = VIP, .dport = 80, .patch = { PATCH_L4, 12, 0x4010 } } },
	{ "a TCP header longer than the packet", TCP_ONLY, LB_DROP_MALFORMED,
	  { .dst = VIP, .dport = 80, .payload = 19, .patch = { PATCH_L4, 12, 0xa010 } } },
	{ "a TCP header that reaches into the padding", TCP_ONLY, LB_DROP_MALFORMED,
	  { .dst = VIP, .dport = 80, .padding = 20, .patch = { PATCH_L4, 12, 0x6010 } } },
	{ "a UDP length below its header's", UDP_ONLY, LB_DROP_MALFORMED,
	  { .dst = VIP, .dport = 80, .patch = { PATCH_L4, 4, 7 } } },
	{ "a UDP length of 0", UDP_ONLY, LB_DROP_MALFORMED,
	  { .dst = VIP, .dport = 80, .patch = { PATCH_L4, 4, 0 } } },
	{ "a UDP length beyond the packet", UDP_ONLY, LB_DROP_MALFORMED,
	  { .dst = VIP, .dport = 80, .payload = 5, .patch = { PATCH_L4, 4, 14 } } },
	{ "what is malformed but not ours", ALL, LB_PASS_NOT_SERVICE,
	  { .dst = OTHER, .dport = 80, .patch = { PATCH_L4, 4, 0 } } },

	{ "a TTL of 1 towards another host", ALL, LB_DROP_TTL,
	  { .dst = VIP, .dport = 82, .ttl = 1 } },
	{ "a TTL of 1 towards another host by dsr", ALL, LB_DROP_TTL,
	  { .dst = VIP, .dport = 83, .ttl = 1 } },
	{ "a TTL of 0 towards another host", TCP4, LB_DROP_TTL,
	  { .dst = VIP, .dport = 82, .patch = { PATCH_IP, 8, IPPROTO_TCP } } },
	{ "a hop limit of 0 towards another host", TCP6, LB_DROP_TTL,
	  { .dst = VIP, .dport = 82, .patch = { PATCH_IP, 6, IPPROTO_TCP << 8 } } },

	{ "the only backend is drained", ALL, LB_DROP_NO_BACKEND, { .dst = VIP, .dport = 90 } },
	{ "the only backend has weight 0", ALL, LB_DROP_NO_BACKEND, { .dst = VIP, .dport = 91 } },
	{ "all backends are off", ALL, LB_DROP_NO_BACKEND, { .dst = VIP, .dport = 92 } },
	{ "a service without backends", ALL, LB_DROP_NO_BACKEND, { .dst = VIP, .dport = 93 } },
	{ "the only backend has no next hop", ALL, LB_DROP_NO_BACKEND,
	  { .dst = VIP, .dport = 94 } },
};

static void spec_complete(const struct spec *words, const struct trial *trial,
			  struct spec *ret_spec)
{
	*ret_spec = *words;
	ret_spec->ipv6 = trial->ipv6;
	ret_spec->src = CLIENT;
	if (!words->protocol)
		ret_spec->protocol = trial->udp ? IPPROTO_UDP : IPPROTO_TCP;
}

static void test_row(void **state)
{
	const struct trial *trial = *state;
	const struct row *row = trial->row;
	struct outcome outcome;
	struct frame frame;
	struct spec spec;

	spec_complete(&row->spec, trial, &spec);
	frame_build(&spec, &frame);
	ground_run(ground, LB, FRONT, &frame, &outcome);
	assert_verdict(outcome.verdict, row->verdict);
}

/* ---- next hops that go away while slots still name the backend ------------------------------- */

static void next_hop_run(const struct trial *trial, enum lb_verdict expected)
{
	const struct spec words = { .dst = VIP, .dport = 80, .payload = 10 };
	struct outcome outcome;
	struct frame frame;
	struct spec spec;

	spec_complete(&words, trial, &spec);
	frame_build(&spec, &frame);
	ground_run(ground, LB, FRONT, &frame, &outcome);
	assert_verdict(outcome.verdict, expected);
}

static void test_next_hop_is_not_known(void **state)
{
	const struct trial *trial = *state;
	const char *name = trial->udp ? "web-udp/a" : "web-tcp/a";
	const struct backend *backend = ground_backend(ground, name, trial->ipv6);
	volatile uint32_t *ifindex = &ground->dataplane->backends[backend->id].ifindex;

	*ifindex = 0;
	next_hop_run(trial, LB_DROP_NO_NEXT_HOP);
	*ifindex = BACK;
	next_hop_run(trial, LB_REDIRECT_NAT);
}

/* The kernel takes a device that goes away out of lb_devices by itself. */
static void test_device_is_gone(void **state)
{
	struct bpf_devmap_val value = { .ifindex = BACK };
	uint32_t key = BACK;

	assert_int_equal(bpf_map_delete_elem(ground->dataplane->devices, &key), 0);
	next_hop_run(*state, LB_DROP_NO_NEXT_HOP);
	assert_int_equal(bpf_map_update_elem(ground->dataplane->devices, &key, &value, 0), 0);
	next_hop_run(*state, LB_REDIRECT_NAT);
}

/* ---- cut short ------------------------------------------------------------------------------ */

static const struct row cut_rows[] = {
	{ "cut short anywhere", ALL, LB_DROP_TRUNCATED,
	  { .dst = VIP, .dport = 80, .payload = 5, .tcp_options = 1 } },
	{ "cut short anywhere, towards another host", ALL, LB_DROP_TRUNCATED,
	  { .dst = VIP, .dport = 82, .payload = 5 } },
	{ "cut short anywhere, for any port", ALL, LB_DROP_TRUNCATED,
	  { .dst = VIP_ANY, .dport = 5, .payload = 5 } },
	{ "options, cut short anywhere", IPV4_ONLY, LB_DROP_IPV4_OPTIONS,
	  { .dst = VIP, .dport = 80, .ip_options = 4 } },
	{ "an extension, cut short anywhere", IPV6_ONLY, LB_DROP_TRUNCATED,
	  { .dst = VIP, .dport = 80, .extended = true, .extension = IPPROTO_DSTOPTS } },
	{ "a fragment, cut short anywhere", ALL, LB_DROP_TRUNCATED,
	  { .dst = VIP, .dport = 80, .payload = 5, .fragment = FRAGMENT_FIRST } },
};

/* Its verdict is that of the whole packet from the header on that earns it; before, truncated. */
static void test_cut_short(void **state)
{
	const struct trial *trial = *state;
	const struct row *row = trial->row;
	size_t known = 14 + (trial->ipv6 ? 40 : 20);
	struct outcome outcome;
	struct frame frame;
	struct spec spec;

	if (row->spec.fragment && trial->ipv6)
		known += 8;
	spec_complete(&row->spec, trial, &spec);
	frame_build(&spec, &frame);
	for (size_t size = 14; size < frame.size; size++) {
		struct frame cut = frame;

		cut.size = size;
		ground_run(ground, LB, FRONT, &cut, &outcome);
		assert_verdict(outcome.verdict,
			       size < known ? LB_DROP_TRUNCATED : row->verdict);
	}
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		trial_add(rows[i].sentence, rows[i].kinds, test_row, &rows[i]);
	for (size_t i = 0; i < ARRAY_SIZE(cut_rows); i++)
		trial_add(cut_rows[i].sentence, cut_rows[i].kinds, test_cut_short, &cut_rows[i]);
	trial_add("the next hop is not known", ALL, test_next_hop_is_not_known, NULL);
	trial_add("the device is gone", ALL, test_device_is_gone, NULL);
	return trials_run_over(config, hops);
}
