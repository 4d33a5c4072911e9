/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets to backends of ipip and gue: the outer headers byte by byte, in every combination of ways
 * and families, what does not fit, and the segment size of SYNs. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "tests/prog/outer.h"

#define VIP	((struct host){ "203.0.113.10", "2001:db8::10" })

#define SERVICE(name, protocol, port, address)                                                    \
	"{ name = \"" name "-" protocol "\"; vips = [ \"203.0.113.10\", \"2001:db8::10\" ];"      \
	"  protocol = \"" protocol "\"; ports = [ " port " ]; forward = \"dsr\"; "                \
	"backends = ( { name = \"a\"; address = [ " address " ]; } ); }\n"
#define SERVICES(protocol)                                                                        \
	SERVICE("near", protocol, "80", "\"10.1.0.2\", \"fd00::2\"") ","                          \
	SERVICE("far", protocol, "81", "\"10.1.0.3\", \"fd00::3\"") ","                           \
	SERVICE("turn", protocol, "82", "\"192.0.2.20\", \"2001:db8:2::20\"") ","                 \
	SERVICE("lost", protocol, "83", "\"10.1.0.4\", \"fd00::4\"")

static const char config[] = "version = 1; services = (\n" SERVICES("tcp") "," SERVICES("udp") ");"
			     "tuning: { hash_seed = \"encap\"; max_slots = 100000; };";

#define REMOTE(name, ifindex) { name "-tcp/a", ifindex, true }, { name "-udp/a", ifindex, true }

static const struct ground_hop hops[] = { REMOTE("far", BACK), REMOTE("turn", FRONT),
					  REMOTE("lost", BACK), { 0 } };

enum { NEAR = 80, FAR, TURN, LOST };

static const char *service_of(uint16_t port)
{
	static const char *const names[] = { "near", "far", "turn", "lost" };

	return names[port - NEAR];
}

struct row {
	const char *sentence;
	enum kinds kinds;
	struct spec spec;
	uint8_t tos;
	bool no_df;
	uint16_t vlan;		/* of the next hop */
	struct tag out[2];	/* with `vlan`: tags of what leaves */
};

#define KEPT { 0x88a8, 5 }, { 0x8100, 6 }

static const struct row rows[] = {
	{ "to a container of this host: the TTL stays", ALL,
	  .spec = { .dport = NEAR, .payload = 100 } },
	{ "to another host: the TTL goes down, inside and outside", ALL,
	  .spec = { .dport = FAR, .payload = 100 } },
	{ "out by the port it came in", ALL, .spec = { .dport = TURN, .payload = 100 } },
	{ "no payload", ALL, .spec = { .dport = FAR } },
	{ "a payload of odd length", ALL, .spec = { .dport = FAR, .payload = 333 } },
	{ "padding stays behind the packet", ALL,
	  .spec = { .dport = FAR, .payload = 1, .padding = 17 } },
	{ "a TTL of 2 gets there as 1", ALL, .spec = { .dport = FAR, .ttl = 2 } },
	{ "a TTL of 255 gets there as 254", ALL, .spec = { .dport = FAR, .ttl = 255 } },
	{ "a TTL of 1 is fine on this host", ALL, .spec = { .dport = NEAR, .ttl = 1 } },
	{ "a wrong checksum stays wrong", ALL,
	  .spec = { .dport = FAR, .payload = 9, .wrong_checksum = true } },
	{ "a datagram without a checksum", UDP_ONLY,
	  .spec = { .dport = FAR, .payload = 9, .no_checksum = true } },
	{ "a SYN with options", TCP_ONLY,
	  .spec = { .dport = FAR, .tcp_flags = TCP_SYN, .tcp_options = 10 } },
	{ "DSCP and ECT(0) are copied", ALL, .spec = { .dport = FAR, .payload = 10 }, .tos = 0xba },
	{ "ECT(1) is copied", ALL, .spec = { .dport = FAR, .payload = 10 }, .tos = 0x01 },
	{ "congestion is copied", ALL, .spec = { .dport = NEAR, .payload = 10 }, .tos = 0x03 },
	{ "every bit of DSCP is copied", ALL,
	  .spec = { .dport = FAR, .payload = 10 }, .tos = 0xfc },
	{ "without DF inside there is none outside", IPV4_ONLY,
	  .spec = { .dport = FAR, .payload = 10 },
	  .no_df = true },
	{ "a tag is kept", ALL,
	  .spec = { .dport = FAR, .payload = 10, .tags = { { 0x8100, 0x2005 } } } },
	{ "two tags are kept", ALL, .spec = { .dport = FAR, .payload = 10, .tags = { KEPT } } },
	{ "tags are taken off", ALL, .spec = { .dport = FAR, .payload = 10, .tags = { KEPT } },
	  .vlan = LB_VLAN_NONE },
	{ "a tag is put on", ALL, .spec = { .dport = FAR, .payload = 10 }, .vlan = 100,
	  .out = { { 0x8100, 100 } } },
	{ "a tag is changed", ALL,
	  .spec = { .dport = FAR, .payload = 10, .tags = { { 0x8100, 0x2005 } } },
	  .vlan = 100, .out = { { 0x8100, 0x2064 } } },
	{ "an extension header stays inside", IPV6_ONLY,
	  .spec = { .dport = FAR, .payload = 10, .extended = true, .extension = IPPROTO_DSTOPTS } },
};

static enum lb_verdict verdict_of(const struct way *way, uint16_t port)
{
	if (port == TURN)
		return way->gue ? LB_TX_GUE : LB_TX_IPIP;
	return way->gue ? LB_REDIRECT_GUE : LB_REDIRECT_IPIP;
}

static void frame_of(const struct spec *spec, const struct row *row, struct frame *ret_frame)
{
	frame_build(spec, ret_frame);
	if (row->tos)
		tos_set(ret_frame, row->tos);
	if (row->no_df)
		df_clear(ret_frame);
}

/* IPv4 without DF has an identification that nobody can foretell. */
static void identification_take(struct frame *expected, const struct frame *actual)
{
	uint8_t *ip = expected->bytes + link_size(expected);

	if (ip[0] >> 4 != 4 || ip[6] & 0x40)
		return;
	memcpy(ip + 4, actual->bytes + (ip - expected->bytes) + 4, 2);
	df_clear(expected); /* for the checksum */
}

/* Encapsulated so, and what must come out then. */
static void way_run(const struct way *way, const struct trial *trial, const struct row *row)
{
	char name[2 * LB_NAME_MAX], text[ADDR_TEXT_MAX];
	struct frame in, inside, expected;
	const struct backend *backend;
	struct outcome outcome;
	struct spec spec, out;

	backend_name(service_of(row->spec.dport), trial, name);
	backend = ground_backend(ground, name, trial->ipv6);
	ground->dataplane->backends[backend->id].hop.vlan = row->vlan;
	way_set(name, trial->ipv6, way, 0, 0);
	spec_complete(&row->spec, trial, VIP, &spec);
	spec_at_backend(&spec, backend, text, &out);
	if (row->vlan)
		memcpy(out.tags, row->out, sizeof(out.tags));
	frame_of(&spec, row, &in);
	frame_of(&out, row, &inside);
	ground_run(ground, LB, FRONT, &in, &outcome);
	assert_verdict(outcome.verdict, verdict_of(way, spec.dport));
	assert_string_equal(outcome.name, name);
	outer_build(way, &inside, ground->dataplane->trace->hash, &expected);
	identification_take(&expected, &outcome.out);
	assert_frame(&outcome.out, &expected);
}

static void test_row(void **state)
{
	const struct trial *trial = *state;

	for (int i = 0; i < WAYS; i++)
		way_run(&ways[i], trial, trial->row);
}

/* ---- what is dropped ------------------------------------------------------------------------ */

struct drop_row {
	const char *sentence;
	struct spec spec;
	enum lb_verdict verdict;
};

static const struct drop_row drop_rows[] = {
	{ "a TTL that is spent", { .dport = FAR, .ttl = 1 }, LB_DROP_TTL },
	{ "no next hop", { .dport = LOST }, LB_DROP_NO_NEXT_HOP },
	{ "no next hop for a tagged packet", { .dport = LOST, .tags = { KEPT } },
	  LB_DROP_NO_NEXT_HOP },
	{ "a TTL that is spent, of a tagged packet", { .dport = FAR, .ttl = 1, .tags = { KEPT } },
	  LB_DROP_TTL },
};

static void test_drop(void **state)
{
	const struct trial *trial = *state;
	const struct drop_row *row = trial->row;
	char name[2 * LB_NAME_MAX];
	struct outcome outcome;
	struct frame in;
	struct spec spec;

	backend_name(service_of(row->spec.dport), trial, name);
	if (row->spec.dport == LOST) /* since its slots were filled */
		ground->dataplane->backends[ground_backend(ground, name, trial->ipv6)->id]
			.ifindex = 0;
	spec_complete(&row->spec, trial, VIP, &spec);
	frame_build(&spec, &in);
	for (int i = 0; i < WAYS; i++) {
		way_set(name, trial->ipv6, &ways[i], 0, 0);
		ground_run(ground, LB, FRONT, &in, &outcome);
		assert_verdict(outcome.verdict, row->verdict);
	}
}

/* ---- fragments, errors ---------------------------------------------------------------------- */

static void run_through(const struct way *way, const struct spec *spec, struct frame *ret_out)
{
	struct outcome outcome;
	struct frame in;

	frame_build(spec, &in);
	ground_run(ground, LB, FRONT, &in, &outcome);
	assert_verdict(outcome.verdict, way->gue ? LB_REDIRECT_GUE : LB_REDIRECT_IPIP);
	*ret_out = outcome.out;
}

/* Each fragment by itself, all of one datagram by the same outer addresses and ports. */
static void test_fragments(void **state)
{
	static const enum fragment parts[] = { FRAGMENT_FIRST, FRAGMENT_MIDDLE, FRAGMENT_LAST };
	const struct trial *trial = *state;
	const struct spec words = { .dport = FAR, .payload = 1472 };
	char name[2 * LB_NAME_MAX], text[ADDR_TEXT_MAX];
	struct frame inside, expected, actual;
	struct spec spec, out;
	uint32_t hash = 0;

	backend_name("far", trial, name);
	for (int i = 0; i < WAYS; i++) {
		way_set(name, trial->ipv6, &ways[i], 0, 0);
		for (size_t part = 0; part < ARRAY_SIZE(parts); part++) {
			spec_complete(&words, trial, VIP, &spec);
			spec.payload = part ? 1480 : trial->udp ? 1472 : 1460;
			spec.fragment = parts[part];
			run_through(&ways[i], &spec, &actual);
			hash = part ? hash : ground->dataplane->trace->hash;
			spec_at_backend(&spec, ground_backend(ground, name, trial->ipv6), text,
					&out);
			frame_build(&out, &inside);
			outer_build(&ways[i], &inside, hash, &expected);
			identification_take(&expected, &actual);
			assert_frame(&actual, &expected);
		}
	}
}

/* A router between the vip and the client cannot deliver an answer: to the flow's backend, by the
 * flow's outer addresses and ports. */
static void test_icmp_errors_follow_the_flow(void **state)
{
	const struct trial *trial = *state;
	const struct spec words = { .dport = FAR, .payload = 10 };
	struct spec flow, answer, router;
	char name[2 * LB_NAME_MAX], text[ADDR_TEXT_MAX];
	struct frame quoted, in, inside, expected;
	struct outcome outcome;

	backend_name("far", trial, name);
	spec_complete(&words, trial, VIP, &flow);
	answer = flow;
	answer.src = flow.dst;
	answer.dst = flow.src;
	answer.sport = flow.dport;
	answer.dport = 40000;
	frame_build(&answer, &quoted);
	router = (struct spec){ .ipv6 = trial->ipv6, .src = { "198.51.100.1", "2001:db8:c0::1" },
				.dst = VIP };
	for (int i = 0; i < WAYS; i++) {
		struct icmp_words says = { trial->ipv6 ? 3 : 11, 0, 0 };
		struct spec out;

		way_set(name, trial->ipv6, &ways[i], 0, 0);
		icmp_build(&router, &says, quoted.bytes + 14, quoted.size - 14, &in);
		ground_run(ground, LB, FRONT, &in, &outcome);
		assert_verdict(outcome.verdict, verdict_of(&ways[i], FAR));
		spec_at_backend(&router, ground_backend(ground, name, trial->ipv6), text, &out);
		icmp_build(&out, &says, quoted.bytes + 14, quoted.size - 14, &inside);
		outer_build(&ways[i], &inside, ground->dataplane->trace->hash, &expected);
		assert_frame(&outcome.out, &expected);
	}
}

/* ---- what the hash chooses ------------------------------------------------------------------ */

/* The last 32 bits of the outer source. */
static uint32_t source_of(const struct frame *frame, bool ipv6)
{
	uint32_t word;

	memcpy(&word, frame->bytes + 14 + (ipv6 ? 20 : 12), 4);
	return ntohl(word);
}

/* Of 8 bits all sources are used, and nothing beside them; of one flow it is always the same. */
static void test_the_outer_source_is_spread(void **state)
{
	const struct trial *trial = *state;
	const struct spec words = { .dport = FAR, .payload = 10 };
	char name[2 * LB_NAME_MAX];
	struct spec spec;

	backend_name("far", trial, name);
	spec_complete(&words, trial, VIP, &spec);
	for (int i = 0; i < WAYS; i++) {
		uint32_t first = ways[i].ipv6 ? 0 : 0xc0000200, used = 0;
		bool seen[256] = { false };
		struct frame out, again;

		way_set(name, trial->ipv6, &ways[i], 0, 8);
		for (spec.sport = 1024; used < 256 && spec.sport < 1024 + 8192; spec.sport++) {
			uint32_t source;

			run_through(&ways[i], &spec, &out);
			source = source_of(&out, ways[i].ipv6);
			assert_int_equal(source & ~255U, first);
			used += !seen[source & 255];
			seen[source & 255] = true;
		}
		assert_int_equal(used, 256);
		run_through(&ways[i], &spec, &out);
		run_through(&ways[i], &spec, &again);
		assert_frame(&again, &out);
	}
}

/* ---- path MTU ------------------------------------------------------------------------------- */

enum answer { FITS, TOLD, CUT, SILENT };

struct fit_row {
	const char *sentence;
	enum kinds kinds;
	uint16_t mtu;
	int16_t beyond;		/* bytes more than fit */
	bool no_df;
	enum answer over_ipv4, over_ipv6;
	struct tag tags[2];
};

static const struct fit_row fit_rows[] = {
	{ "exactly as long as fits", ALL, 1500, 0, false, FITS, FITS, { { 0 } } },
	{ "a byte too long", ALL, 1500, 1, false, TOLD, TOLD, { { 0 } } },
	{ "a byte too long, on a path of 1400", ALL, 1400, 1, false, TOLD, TOLD, { { 0 } } },
	{ "a byte too long, with two tags", ALL, 1500, 1, false, TOLD, TOLD, { KEPT } },
	{ "exactly as long as fits, with two tags", ALL, 1500, 0, false, FITS, FITS, { KEPT } },
	{ "without DF: exactly as long as fits", IPV4_ONLY, 1500, 0, true, FITS, FITS,
	  { { 0 } } },
	{ "without DF: a byte too long is cut on its way over IPv4", IPV4_ONLY, 1500, 1, true, CUT,
	  TOLD, { { 0 } } },
	{ "without DF and with tags", IPV4_ONLY, 1500, 1, true, CUT, TOLD, { KEPT } },
	{ "a small path, IPv4", IPV4_ONLY, 600, 1, false, TOLD, TOLD, { { 0 } } },
	{ "a path too small for IPv6's least MTU", IPV6_ONLY, 1290, 1, false, CUT, SILENT,
	  { { 0 } } },
};

static void told_expect(const struct spec *spec, const struct frame *in, uint32_t mtu,
			struct frame *ret_frame)
{
	struct spec back = { .ipv6 = spec->ipv6, .src = spec->dst, .dst = spec->src,
			     .dst_mac = { 2, 0, 0, 0, 0, 0xfe }, .src_mac = { 2, 0, 0, 0, 0,
			     0xf0 } };
	struct icmp_words says = too_big_words(spec->ipv6, spec->ipv6 && mtu < 1280 ? 1280 : mtu);
	size_t link = link_size(in), quote = in->size - link;

	memcpy(back.tags, spec->tags, sizeof(back.tags));
	if (quote > quote_most(spec->ipv6))
		quote = quote_most(spec->ipv6);
	icmp_build(&back, &says, in->bytes + link, quote, ret_frame);
}

static void fit_run(const struct way *way, const struct trial *trial, const struct fit_row *row)
{
	enum answer answer = way->ipv6 ? row->over_ipv6 : row->over_ipv4;
	struct spec words = { .dport = FAR }, spec, out;
	char name[2 * LB_NAME_MAX], text[ADDR_TEXT_MAX];
	uint16_t room = row->mtu - outer_size(way);
	struct frame in, inside, expected;
	struct outcome outcome;

	words.payload = room + row->beyond - (trial->ipv6 ? 40 : 20) - (trial->udp ? 8 : 20);
	memcpy(words.tags, row->tags, sizeof(words.tags));
	backend_name("far", trial, name);
	ground->dataplane->backends[ground_backend(ground, name, trial->ipv6)->id].hop.vlan = 0;
	way_set(name, trial->ipv6, way, row->mtu, 0);
	spec_complete(&words, trial, VIP, &spec);
	spec_at_backend(&spec, ground_backend(ground, name, trial->ipv6), text, &out);
	if (answer == CUT) { /* to this host's stack, by the link that it came by */
		memset(out.dst_mac, 0, 6);
		memset(out.src_mac, 0, 6);
	}
	frame_build(&spec, &in);
	frame_build(&out, &inside);
	if (row->no_df) {
		df_clear(&in);
		df_clear(&inside);
	}
	rations_fill();
	ground_run(ground, LB, FRONT, &in, &outcome);
	switch (answer) {
	case TOLD:
		assert_verdict(outcome.verdict, LB_TX_TOO_BIG);
		told_expect(&spec, &in, room, &expected);
		assert_frame(&outcome.out, &expected);
		return;
	case SILENT:
		assert_verdict(outcome.verdict, LB_DROP_TOO_BIG);
		return;
	case CUT:
		assert_verdict(outcome.verdict, LB_PASS_ENCAP_FRAGMENT);
		outer_build(way, &inside, ground->dataplane->trace->hash, &expected);
		df_clear(&expected);
		break;
	case FITS:
		assert_verdict(outcome.verdict, verdict_of(way, FAR));
		outer_build(way, &inside, ground->dataplane->trace->hash, &expected);
	}
	identification_take(&expected, &outcome.out);
	assert_frame(&outcome.out, &expected);
}

static void test_fit(void **state)
{
	const struct trial *trial = *state;

	for (int i = 0; i < WAYS; i++)
		fit_run(&ways[i], trial, trial->row);
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		trial_add(rows[i].sentence, rows[i].kinds, test_row, &rows[i]);
	for (size_t i = 0; i < ARRAY_SIZE(drop_rows); i++)
		trial_add(drop_rows[i].sentence, ALL, test_drop, &drop_rows[i]);
	for (size_t i = 0; i < ARRAY_SIZE(fit_rows); i++)
		trial_add(fit_rows[i].sentence, fit_rows[i].kinds, test_fit, &fit_rows[i]);
	trial_add("each fragment is encapsulated, all by the same way", ALL, test_fragments, NULL);
	trial_add("an ICMP error follows its flow", ALL, test_icmp_errors_follow_the_flow, NULL);
	trial_add("the outer source is spread", ALL, test_the_outer_source_is_spread, NULL);
	return trials_run_over(config, hops);
}
