/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A router on the way to a backend says that an outer packet was too big: the inner packet's sender
 * hears it from the vip, with its own MTU and what is left of its own packet. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "tests/prog/outer.h"

#define VIP		((struct host){ "203.0.113.10", "2001:db8::10" })
#define ROUTER		((struct host){ "10.1.0.254", "fd00::fe" })

#define SERVICE(protocol)                                                                         \
	"{ name = \"far-" protocol "\"; vips = [ \"203.0.113.10\", \"2001:db8::10\" ];"           \
	"  protocol = \"" protocol "\"; ports = [ 80 ]; forward = \"dsr\"; "                      \
	"backends = ( { name = \"a\"; address = [ \"10.1.0.3\", \"fd00::3\" ]; } ); }\n"

static const char config[] = "version = 1; services = (\n" SERVICE("tcp") "," SERVICE("udp") ");"
			     "tuning: { hash_seed = \"pmtu\"; max_slots = 100000; };";

static const struct ground_hop hops[] = { { "far-tcp/a", BACK, true }, { "far-udp/a", BACK, true },
					  { 0 } };

enum { ALL_OF_IT = 0xffff };

struct row {
	const char *sentence;
	uint16_t payload;	/* of the packet that was too big */
	uint32_t mtu;		/* as the router says */
	uint16_t quoted;	/* bytes of the outer packet */
	unsigned int in;	/* by this interface */
	struct tag tags[2];
	enum lb_verdict verdict;
};

static const struct row rows[] = {
	{ "back by the port it came in", 1400, 1400, 520, FRONT, { { 0 } }, LB_TX_PMTU },
	{ "by another port", 1400, 1400, 520, BACK, { { 0 } }, LB_REDIRECT_PMTU },
	{ "all of it is quoted", 1400, 1400, ALL_OF_IT, FRONT, { { 0 } }, LB_TX_PMTU },
	{ "no more than the inner ports are quoted", 1400, 1400, 0, FRONT, { { 0 } }, LB_TX_PMTU },
	{ "an odd number of bytes is quoted", 1400, 1400, 331, FRONT, { { 0 } }, LB_TX_PMTU },
	{ "tagged: back to the router", 1400, 1400, 520, FRONT, { { 0x88a8, 5 }, { 0x8100, 6 } },
	  LB_TX_PMTU },
};

/* ---- frames --------------------------------------------------------------------------------- */

/* The packet of `spec` as it leaves for its backend. */
static void outer_of(const struct spec *spec, struct frame *ret_outer)
{
	struct outcome outcome;
	struct frame in;

	frame_build(spec, &in);
	ground_run(ground, LB, FRONT, &in, &outcome);
	assert_int_equal(verdict_action(outcome.verdict), LB_REDIRECT);
	*ret_outer = outcome.out;
}

/* The least that reaches the inner ports, with the 8 bytes that every router quotes. */
static size_t quote_least(const struct way *way, bool ipv6)
{
	return outer_size(way) + (ipv6 ? 40 : 20) + 8;
}

static void router_says(const struct way *way, const uint8_t *quote, size_t size, uint32_t mtu,
			const struct tag *tags, struct frame *ret_frame)
{
	struct spec words = { .ipv6 = way->ipv6, .src = ROUTER, .dst = OUTER_SOURCE };
	struct icmp_words says = too_big_words(way->ipv6, mtu);

	memcpy(words.tags, tags, sizeof(words.tags));
	icmp_build(&words, &says, quote, size, ret_frame);
}

static void client_hears(const struct spec *sent, const uint8_t *inner, size_t size, uint32_t mtu,
			 const struct row *row, struct frame *ret_frame)
{
	struct spec words = { .ipv6 = sent->ipv6, .src = sent->dst, .dst = sent->src };
	struct icmp_words says = too_big_words(sent->ipv6, mtu);

	memcpy(words.tags, row->tags, sizeof(words.tags));
	memcpy(words.dst_mac, front_router_mac, 6);
	memcpy(words.src_mac, front_mac, 6);
	icmp_build(&words, &says, inner, size, ret_frame);
}

/* ---- told ----------------------------------------------------------------------------------- */

static void sent_spec(const struct trial *trial, uint16_t payload, const struct way *way,
		      struct spec *ret_spec)
{
	const struct spec words = { .dport = 80, .payload = payload };
	char name[2 * LB_NAME_MAX];

	backend_name("far", trial, name);
	way_set(name, trial->ipv6, way, 0, 0);
	spec_complete(&words, trial, VIP, ret_spec);
}

static void row_run(const struct way *way, const struct trial *trial, const struct row *row)
{
	size_t least = quote_least(way, trial->ipv6), size = row->quoted, inner;
	struct frame outer, in, expected;
	struct outcome outcome;
	struct spec sent;

	rations_fill();
	sent_spec(trial, row->payload, way, &sent);
	outer_of(&sent, &outer);
	if (size < least)
		size = least;
	if (size > outer.size - 14)
		size = outer.size - 14;
	if (size > quote_most(true)) /* what no error is longer than */
		size = quote_most(true);
	router_says(way, outer.bytes + 14, size, row->mtu, row->tags, &in);
	inner = size - outer_size(way);
	if (inner > quote_most(trial->ipv6))
		inner = quote_most(trial->ipv6);
	client_hears(&sent, outer.bytes + 14 + outer_size(way), inner,
		     row->mtu - outer_size(way), row, &expected);
	ground_run(ground, LB, row->in, &in, &outcome);
	assert_verdict(outcome.verdict, row->verdict);
	assert_frame(&outcome.out, &expected);
}

static void test_row(void **state)
{
	const struct trial *trial = *state;

	for (int i = 0; i < WAYS; i++)
		row_run(&ways[i], trial, trial->row);
}

/* An IPv6 host is told no less than IPv6's least MTU. */
static void test_no_less_than_the_least_mtu(void **state)
{
	const struct trial *trial = *state;

	for (int i = 0; i < WAYS; i++) {
		const struct row row = { .payload = 1400, .in = FRONT, .verdict = LB_TX_PMTU };
		struct frame outer, in, expected;
		struct outcome outcome;
		struct spec sent;

		rations_fill();
		sent_spec(trial, row.payload, &ways[i], &sent);
		outer_of(&sent, &outer);
		router_says(&ways[i], outer.bytes + 14, 520, 1280, row.tags, &in);
		client_hears(&sent, outer.bytes + 14 + outer_size(&ways[i]),
			     520 - outer_size(&ways[i]),
			     trial->ipv6 ? 1280 : 1280 - outer_size(&ways[i]), &row, &expected);
		ground_run(ground, LB, FRONT, &in, &outcome);
		assert_verdict(outcome.verdict, LB_TX_PMTU);
		assert_frame(&outcome.out, &expected);
	}
}

/* ---- not believed --------------------------------------------------------------------------- */

enum lie { OUTER_DST, OUTER_SRC, OUTER_PORT, CLIENT_PORT, INNER_DST, INNER_PROTOCOL, ENOUGH,
	   NOTHING, SHORT, SHORTER, DAMAGED };

struct lie_row {
	const char *sentence;
	enum lie lie;
	enum lb_verdict verdict;
};

static const struct lie_row lie_rows[] = {
	{ "another outer destination", OUTER_DST, LB_PASS_PROTOCOL },
	{ "another outer source", OUTER_SRC, LB_PASS_PROTOCOL },
	{ "another outer source port", OUTER_PORT, LB_PASS_PROTOCOL },
	{ "another flow, with gue", CLIENT_PORT, LB_PASS_PROTOCOL },
	{ "a destination that is no vip", INNER_DST, LB_PASS_PROTOCOL },
	{ "a protocol that nobody serves", INNER_PROTOCOL, LB_PASS_PROTOCOL },
	{ "an MTU that it would have fitted", ENOUGH, LB_PASS_PROTOCOL },
	{ "an MTU of 0, as routers of long ago say", NOTHING, LB_PASS_PROTOCOL },
	{ "a quote that ends before the inner ports", SHORT, LB_PASS_PROTOCOL },
	{ "a quote of 8 bytes behind the outer header", SHORTER, LB_PASS_PROTOCOL },
	{ "a damaged message", DAMAGED, LB_DROP_MALFORMED },
};

/* False where there is no such lie of this way. `quote` holds a frame's packet, `in`
 * comes of it. */
static bool lie_tell(enum lie lie, const struct way *way, bool ipv6, uint8_t *quote,
		     struct frame *ret_in)
{
	uint8_t *inner = quote + outer_size(way);
	const struct tag none[2] = { { 0 } };
	size_t size = 520;
	uint32_t mtu = 1400;

	if (lie == OUTER_DST)
		quote[way->ipv6 ? 39 : 19] ^= 1;
	if (lie == OUTER_SRC)
		quote[way->ipv6 ? 23 : 15] ^= 1;
	if (lie == OUTER_PORT)
		quote[way->ipv6 ? 41 : 21] ^= 1;
	if (lie == CLIENT_PORT)
		inner[ipv6 ? 41 : 21] ^= 1;
	if (lie == INNER_DST)
		inner[ipv6 ? 39 : 19] ^= 1;
	if (lie == INNER_PROTOCOL)
		inner[ipv6 ? 6 : 9] = IPPROTO_SCTP;
	if (lie == ENOUGH)
		mtu = 1600;
	if (lie == NOTHING)
		mtu = 0;
	if (lie == SHORT)
		size = quote_least(way, ipv6) - 1;
	if (lie == SHORTER)
		size = (way->ipv6 ? 40 : 20) + 8;
	router_says(way, quote, size, mtu, none, ret_in);
	if (lie == DAMAGED)
		ret_in->bytes[ret_in->size - 1] ^= 1;
	return way->gue || (lie != OUTER_PORT && lie != CLIENT_PORT);
}

static void test_lie(void **state)
{
	const struct trial *trial = *state;
	const struct lie_row *row = trial->row;

	for (int i = 0; i < WAYS; i++) {
		/* UDP that somebody else sent is about no flow; what is in another's IP is not
		 * looked at. */
		bool not_ours = row->lie == OUTER_SRC && ways[i].gue;
		struct frame outer, in;
		struct outcome outcome;
		struct spec sent;

		rations_fill();
		sent_spec(trial, 1400, &ways[i], &sent);
		outer_of(&sent, &outer);
		if (!lie_tell(row->lie, &ways[i], trial->ipv6, outer.bytes + 14, &in))
			continue;
		ground_run(ground, LB, FRONT, &in, &outcome);
		assert_verdict(outcome.verdict, not_ours ? LB_PASS_NOT_SERVICE : row->verdict);
	}
}

/* Nobody can be told where no way leads. */
/* The error goes back to the router that told us: it knows the way. */
static void test_no_way_back(void **state)
{
	const struct trial *trial = *state;
	const struct tag none[2] = { { 0 } };

	for (int i = 0; i < WAYS; i++) {
		struct frame outer, in;
		struct outcome outcome;
		struct spec sent;

		rations_fill();
		sent_spec(trial, 1400, &ways[i], &sent);
		sent.src = CLIENT_UNREACHABLE;
		outer_of(&sent, &outer);
		router_says(&ways[i], outer.bytes + 14, 520, 1400, none, &in);
		ground_run(ground, LB, FRONT, &in, &outcome);
		assert_verdict(outcome.verdict, LB_TX_PMTU);
	}
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		trial_add(rows[i].sentence, ALL, test_row, &rows[i]);
	for (size_t i = 0; i < ARRAY_SIZE(lie_rows); i++)
		trial_add(lie_rows[i].sentence, ALL, test_lie, &lie_rows[i]);
	trial_add("no less than the least MTU", ALL, test_no_less_than_the_least_mtu, NULL);
	trial_add("no way back to the client", ALL, test_no_way_back, NULL);
	return trials_run_over(config, hops);
}
