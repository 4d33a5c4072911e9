/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets for a service through lb: in and out, byte for byte. What must come out is built from
 * words like what goes in, with checksums computed in full; rows differ in a few of the words. */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "tests/prog/words.h"

#define VIP		((struct host){ "203.0.113.10", "2001:db8::10" })
#define VIP_ANY		((struct host){ "203.0.113.11", "2001:db8::11" })

#define SERVICE(name, vip, protocol, ports, forward, backend)                                     \
	"{ name = \"" name "-" protocol "\"; vips = [ \"203.0.113." vip "\", \"2001:db8::" vip    \
	"\" ]; protocol = \"" protocol "\"; ports = [ " ports " ]; forward = \"" forward          \
	"\"; backends = ( { name = \"a\"; " backend " } ); }\n"
#define ADDRESS(host) "address = [ \"10.1.0." host "\", \"fd00::" host "\" ];"
#define FAR(host) "address = [ \"192.0.2." host "\", \"2001:db8:2::" host "\" ];"

#define SERVICES(protocol)                                                                        \
	SERVICE("nat", "10", protocol, "80", "nat", ADDRESS("2") " port = 8080;") ","            \
	SERVICE("keep", "10", protocol, "81", "nat", ADDRESS("3")) ","                           \
	SERVICE("far", "10", protocol, "82", "nat", ADDRESS("4") " port = 8080;") ","            \
	SERVICE("turn", "10", protocol, "83", "nat", FAR("20") " port = 8080;") ","              \
	SERVICE("dsr", "10", protocol, "84", "dsr", ADDRESS("5")) ","                            \
	SERVICE("dsrfar", "10", protocol, "85", "dsr", ADDRESS("6")) ","                         \
	SERVICE("dsrturn", "10", protocol, "86", "dsr", FAR("21")) ","                           \
	SERVICE("range", "10", protocol, "\"8000-8099\"", "nat", ADDRESS("7")) ","               \
	SERVICE("inside", "10", protocol, "8050", "nat", ADDRESS("8") " port = 80;") ","         \
	SERVICE("any", "11", protocol, "", "dsr", ADDRESS("9")) ","                              \
	SERVICE("anyrange", "11", protocol, "\"9000-9009\"", "dsr", ADDRESS("10")) ","           \
	SERVICE("anyexact", "11", protocol, "9005", "nat", ADDRESS("11") " port = 80;") ","      \
	SERVICE("odd", "12", protocol, "1", "nat", ADDRESS("12") " port = 65535;")

static const char config[] = "version = 1; services = (\n" SERVICES("tcp") "," SERVICES("udp") ");"
			     "tuning: { hash_seed = \"forward\"; max_slots = 100000; };";

#define REMOTE(name, ifindex) { name "-tcp/a", ifindex, true }, { name "-udp/a", ifindex, true }

static const struct ground_hop hops[] = {
	REMOTE("far", BACK),	REMOTE("turn", FRONT),	REMOTE("dsrfar", BACK),
	REMOTE("dsrturn", FRONT), { 0 },
};

struct row {
	const char *sentence;
	enum kinds kinds;
	const char *service;	/* without its protocol */
	enum lb_verdict verdict;
	struct spec spec;	/* without family, protocol and, usually, addresses */
};

static const struct row rows[] = {
	{ "nat to a container: address and port change, the TTL stays", ALL, "nat", LB_REDIRECT_NAT,
	  { .dport = 80, .payload = 100 } },
	{ "nat without a backend port: the port stays", ALL, "keep", LB_REDIRECT_NAT,
	  { .dport = 81, .payload = 100 } },
	{ "nat to another host: the TTL goes down", ALL, "far", LB_REDIRECT_NAT,
	  { .dport = 82, .payload = 100 } },
	{ "nat out by the port it came in", ALL, "turn", LB_TX_NAT,
	  { .dport = 83, .payload = 100 } },
	{ "nat from port 1 to port 65535", ALL, "odd", LB_REDIRECT_NAT,
	  { .dst = { "203.0.113.12", "2001:db8::12" }, .dport = 1, .payload = 10 } },
	{ "dsr to a container: only the MACs change", ALL, "dsr", LB_REDIRECT_DSR,
	  { .dport = 84, .payload = 100 } },
	{ "dsr to another host: the TTL goes down", ALL, "dsrfar", LB_REDIRECT_DSR,
	  { .dport = 85, .payload = 100 } },
	{ "dsr out by the port it came in", ALL, "dsrturn", LB_TX_DSR,
	  { .dport = 86, .payload = 100 } },

	{ "a TTL of 1 is fine for a container of this host", ALL, "nat", LB_REDIRECT_NAT,
	  { .dport = 80, .ttl = 1 } },
	{ "a TTL of 1 is fine for a container of this host behind dsr", ALL, "dsr", LB_REDIRECT_DSR,
	  { .dport = 84, .ttl = 1 } },
	{ "a TTL of 2 gets to another host as 1", ALL, "far", LB_REDIRECT_NAT,
	  { .dport = 82, .ttl = 2 } },
	{ "a TTL of 255 gets to another host as 254", ALL, "dsrfar", LB_REDIRECT_DSR,
	  { .dport = 85, .ttl = 255 } },

	{ "no payload", ALL, "nat", LB_REDIRECT_NAT, { .dport = 80 } },
	{ "a payload of one byte", ALL, "nat", LB_REDIRECT_NAT, { .dport = 80, .payload = 1 } },
	{ "a payload of odd length", ALL, "far", LB_REDIRECT_NAT, { .dport = 82, .payload = 333 } },
	{ "a full frame", ALL, "nat", LB_REDIRECT_NAT, { .dport = 80, .payload = 1440 } },
	{ "a jumbo frame in several buffers, translated", ALL, "nat", LB_REDIRECT_NAT,
	  { .dport = 80, .payload = 8900 } },
	{ "a jumbo frame in several buffers to another host", ALL, "dsrfar", LB_REDIRECT_DSR,
	  { .dport = 85, .payload = 8901 } },
	{ "a jumbo frame behind two tags", ALL, "nat", LB_REDIRECT_NAT,
	  { .dport = 80, .payload = 8900, .tags = { { 0x88a8, 5 }, { 0x8100, 7 } } } },
	{ "a short frame padded by Ethernet keeps its padding", ALL, "nat", LB_REDIRECT_NAT,
	  { .dport = 80, .payload = 1, .padding = 17 } },
	{ "padding behind a packet for dsr", ALL, "dsrfar", LB_REDIRECT_DSR,
	  { .dport = 85, .padding = 6 } },

	{ "a SYN", TCP_ONLY, "nat", LB_REDIRECT_NAT, { .dport = 80, .tcp_flags = TCP_SYN } },
	{ "a RST", TCP_ONLY, "nat", LB_REDIRECT_NAT, { .dport = 80, .tcp_flags = TCP_RST } },
	{ "TCP options are carried along", TCP_ONLY, "far", LB_REDIRECT_NAT,
	  { .dport = 82, .tcp_options = 10, .payload = 7 } },
	{ "a UDP checksum of 0 says none and stays 0", UDP_ONLY, "nat", LB_REDIRECT_NAT,
	  { .dport = 80, .payload = 9, .no_checksum = true } },
	{ "a UDP checksum of 0 stays 0 towards another host", UDP_ONLY, "far", LB_REDIRECT_NAT,
	  { .dport = 82, .payload = 9, .no_checksum = true } },
	{ "a wrong checksum stays wrong: damage is not covered up", ALL, "nat", LB_REDIRECT_NAT,
	  { .dport = 80, .payload = 9, .wrong_checksum = true } },

	{ "the first port of a range", ALL, "range", LB_REDIRECT_NAT, { .dport = 8000 } },
	{ "the last port of a range", ALL, "range", LB_REDIRECT_NAT, { .dport = 8099 } },
	{ "an exact port beats a range", ALL, "inside", LB_REDIRECT_NAT, { .dport = 8050 } },
	{ "a port beside the exact one is the range's", ALL, "range", LB_REDIRECT_NAT,
	  { .dport = 8051 } },
	{ "any port", ALL, "any", LB_REDIRECT_DSR, { .dst = VIP_ANY, .dport = 4242 } },
	{ "any port, the smallest", ALL, "any", LB_REDIRECT_DSR, { .dst = VIP_ANY, .dport = 1 } },
	{ "any port, the largest", ALL, "any", LB_REDIRECT_DSR,
	  { .dst = VIP_ANY, .dport = 65535 } },
	{ "port 0 is a port too", ALL, "any", LB_REDIRECT_DSR, { .dst = VIP_ANY, .dport = 0 } },
	{ "a range beats any port", ALL, "anyrange", LB_REDIRECT_DSR,
	  { .dst = VIP_ANY, .dport = 9001 } },
	{ "an exact port beats range and any", ALL, "anyexact", LB_REDIRECT_NAT,
	  { .dst = VIP_ANY, .dport = 9005 } },
	{ "an 802.1Q tag is kept", ALL, "nat", LB_REDIRECT_NAT,
	  { .dport = 80, .payload = 100, .tags = { { 0x8100, 0x6005 } } } },
	{ "an 802.1ad tag is kept", ALL, "dsr", LB_REDIRECT_DSR,
	  { .dport = 84, .payload = 3, .tags = { { 0x88a8, 5 } } } },
	{ "two tags are kept, out by the port it came in", ALL, "turn", LB_TX_NAT,
	  { .dport = 83, .payload = 100, .tags = { { 0x88a8, 5 }, { 0x8100, 7 } } } },
	{ "a tagged packet to another host: the TTL goes down", ALL, "dsrfar", LB_REDIRECT_DSR,
	  { .dport = 85, .tags = { { 0x8100, 5 } } } },
	{ "a tagged SYN with options", TCP_ONLY, "far", LB_REDIRECT_NAT,
	  { .dport = 82, .tags = { { 0x8100, 5 } }, .tcp_flags = TCP_SYN, .tcp_options = 10 } },
	{ "a tagged short frame padded by Ethernet", ALL, "nat", LB_REDIRECT_NAT,
	  { .dport = 80, .tags = { { 0x8100, 5 } }, .padding = 17 } },
	{ "a hop-by-hop header", IPV6_ONLY, "nat", LB_REDIRECT_NAT,
	  { .dport = 80, .payload = 100, .extended = true, .extension = IPPROTO_HOPOPTS } },
	{ "a routing header without segments left", IPV6_ONLY, "far", LB_REDIRECT_NAT,
	  { .dport = 82, .payload = 9, .extended = true, .extension = IPPROTO_ROUTING } },
	{ "six headers of destination options", IPV6_ONLY, "dsrfar", LB_REDIRECT_DSR,
	  { .dport = 85, .extended = true, .extension = IPPROTO_DSTOPTS, .more = 5 } },
	{ "an extension header behind two tags", IPV6_ONLY, "nat", LB_REDIRECT_NAT,
	  { .dport = 80, .extended = true, .extension = IPPROTO_DSTOPTS,
	    .tags = { { 0x88a8, 5 }, { 0x8100, 7 } } } },
	{ "a source port of 0", ALL, "nat", LB_REDIRECT_NAT, { .sport = PORT_0, .dport = 80 } },
	{ "a UDP datagram shorter than its IP packet", UDP_ONLY, "dsr", LB_REDIRECT_DSR,
	  { .dport = 84, .payload = 8, .no_checksum = true, .patch = { PATCH_L4, 4, 12 } } },
};

static const struct row zero_rows[] = {
	{ "a checksum that comes out as 0, with a new port", ALL, "nat", LB_REDIRECT_NAT,
	  { .dport = 80, .payload = 31 } },
	{ "a checksum that comes out as 0, with the same port", ALL, "keep", LB_REDIRECT_NAT,
	  { .dport = 81, .payload = 32 } },
};

/* ---- what must come out --------------------------------------------------------------------- */

static void test_row(void **state)
{
	const struct trial *trial = *state;
	const struct row *row = trial->row;
	char name[2 * LB_NAME_MAX], text[ADDR_TEXT_MAX];
	struct spec in, out;

	spec_complete(&row->spec, trial, VIP, &in);
	backend_name(row->service, trial, name);
	spec_at_backend(&in, ground_backend(ground, name, trial->ipv6), text, &out);
	assert_forwarded(&in, &out, name, row->verdict);
}

/* The first word of the payload that makes the checksum come out as 0: what is there without it.
 * UDP sends 0xffff then (RFC 768), TCP does not know the difference. */
static void test_checksum_that_comes_out_as_0(void **state)
{
	const struct trial *trial = *state;
	const struct row *row = trial->row;
	char name[2 * LB_NAME_MAX], text[ADDR_TEXT_MAX];
	struct spec in, out;
	struct frame frame;

	spec_complete(&row->spec, trial, VIP, &in);
	backend_name(row->service, trial, name);
	spec_at_backend(&in, ground_backend(ground, name, trial->ipv6), text, &out);
	frame_build(&out, &frame);
	in.word = out.word = frame_l4_checksum(&frame);
	frame_build(&out, &frame);
	assert_int_equal(frame_l4_checksum(&frame), trial->udp ? 0xffff : 0);
	assert_forwarded(&in, &out, name, LB_REDIRECT_NAT);
}

static void test_checksums_are_right_whatever_the_payload(void **state)
{
	const struct trial *trial = *state;
	char name[2 * LB_NAME_MAX], text[ADDR_TEXT_MAX];
	struct spec words = { .dport = 82, .payload = 2 }, in, out;

	backend_name("far", trial, name);
	for (uint32_t word = 0; word < 0x10000; word += 251) {
		words.word = word;
		words.ttl = 2 + word % 254;
		spec_complete(&words, trial, VIP, &in);
		spec_at_backend(&in, ground_backend(ground, name, trial->ipv6), text, &out);
		assert_forwarded(&in, &out, name, LB_REDIRECT_NAT);
	}
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		trial_add(rows[i].sentence, rows[i].kinds, test_row, &rows[i]);
	for (size_t i = 0; i < ARRAY_SIZE(zero_rows); i++)
		trial_add(zero_rows[i].sentence, zero_rows[i].kinds,
			  test_checksum_that_comes_out_as_0, &zero_rows[i]);
	trial_add("checksums are right whatever the payload", ALL,
		  test_checksums_are_right_whatever_the_payload, NULL);
	return trials_run_over(config, hops);
}
