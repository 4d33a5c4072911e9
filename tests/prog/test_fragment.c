/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fragments: the first decides, the rest follow it, and none goes to the wrong backend. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <netinet/in.h>
#include <string.h>

#include "build/lb.skel.h"
#include "tests/prog/words.h"

#define VIP	((struct host){ "203.0.113.10", "2001:db8::10" })
#define NEAR	((struct host){ "10.1.0.2", "fd00::2" })
#define FAR	((struct host){ "192.0.2.20", "2001:db8:2::20" })
#define OTHER	((struct host){ "198.51.100.8", "2001:db8:c0::8" })

#define SERVICE(name, protocol, port, forward, v4, v6, more)                                      \
	"{ name = \"" name "-" protocol "\"; vips = [ \"203.0.113.10\", \"2001:db8::10\" ];"      \
	"  protocol = \"" protocol "\"; ports = [ " port " ]; forward = \"" forward "\"; "        \
	"backends = ( { name = \"a\"; address = [ \"" v4 "\", \"" v6 "\" ]; " more "} ); }\n"
#define SERVICES(protocol)                                                                        \
	SERVICE("near", protocol, "80", "nat", "10.1.0.2", "fd00::2", "port = 8080; ") ","        \
	SERVICE("far", protocol, "81", "nat", "192.0.2.20", "2001:db8:2::20", "port = 8080; ") ","\
	SERVICE("dsr", protocol, "82", "dsr", "10.1.0.5", "fd00::5", "")

static const char config[] = "version = 1; services = (\n" SERVICES("tcp") "," SERVICES("udp") ");"
			     "tuning: { hash_seed = \"fragment\"; max_slots = 100000; };";

static const struct ground_hop hops[] = {
	{ "far-tcp/a", FRONT, true }, { "far-udp/a", FRONT, true }, { 0 },
};

static uint16_t last_id = 100; /* of a datagram: each test has its own */

/* ---- to a backend --------------------------------------------------------------------------- */

struct row {
	const char *sentence, *service;
	uint16_t port;
	enum lb_verdict verdict;
	struct tag tags[2];
};

static const struct row rows[] = {
	{ "to a container, translated", "near", 80, LB_REDIRECT_NAT, { { 0 } } },
	{ "to another host, translated, by the port they came in", "far", 81, LB_TX_NAT,
	  { { 0 } } },
	{ "to a container, addresses kept", "dsr", 82, LB_REDIRECT_DSR, { { 0 } } },
	{ "with two tags", "near", 80, LB_REDIRECT_NAT, { { 0x88a8, 5 }, { 0x8100, 6 } } },
};

static void piece_words(const struct row *row, enum fragment fragment, uint16_t id,
			struct spec *ret_words)
{
	*ret_words = (struct spec){ .dport = row->port, .payload = 600, .fragment = fragment,
				    .tcp_options = 1, .id = id };
	memcpy(ret_words->tags, row->tags, sizeof(row->tags));
}

static void piece_run(const struct trial *trial, const struct row *row, enum fragment fragment,
		      uint16_t id)
{
	char name[2 * LB_NAME_MAX], text[ADDR_TEXT_MAX];
	struct spec words, in, out;

	piece_words(row, fragment, id, &words);
	spec_complete(&words, trial, VIP, &in);
	backend_name(row->service, trial, name);
	spec_at_backend(&in, ground_backend(ground, name, trial->ipv6), text, &out);
	assert_forwarded(&in, &out, name, row->verdict);
}

static void spec_is_dropped(const struct spec *in, enum lb_verdict verdict)
{
	struct outcome outcome;
	struct frame frame;

	frame_build(in, &frame);
	ground_run(ground, LB, FRONT, &frame, &outcome);
	assert_verdict(outcome.verdict, verdict);
}

static void piece_is_dropped(const struct trial *trial, const struct spec *words,
			     enum lb_verdict verdict)
{
	struct spec in;

	spec_complete(words, trial, VIP, &in);
	spec_is_dropped(&in, verdict);
}

static void test_the_rest_follows_the_first(void **state)
{
	const struct trial *trial = *state;
	uint16_t id = last_id++;

	piece_run(trial, trial->row, FRAGMENT_FIRST, id);
	piece_run(trial, trial->row, FRAGMENT_MIDDLE, id);
	piece_run(trial, trial->row, FRAGMENT_LAST, id);
	piece_run(trial, trial->row, FRAGMENT_MIDDLE, id); /* the network may repeat it */
}

/* The rest comes before its first: dropped, until that has come. */
static void test_the_rest_waits_for_the_first(void **state)
{
	const struct trial *trial = *state;
	uint16_t id = last_id++;
	struct spec words;

	piece_words(&rows[0], FRAGMENT_MIDDLE, id, &words);
	piece_is_dropped(trial, &words, LB_DROP_FRAGMENT);
	piece_run(trial, &rows[0], FRAGMENT_FIRST, id);
	piece_run(trial, &rows[0], FRAGMENT_MIDDLE, id);
}

static void test_only_its_own_datagram_follows(void **state)
{
	const struct trial *trial = *state;
	uint16_t id = last_id++;
	struct spec words, in;

	last_id++;
	piece_run(trial, &rows[0], FRAGMENT_FIRST, id);
	piece_words(&rows[0], FRAGMENT_LAST, id + 1, &words);
	piece_is_dropped(trial, &words, LB_DROP_FRAGMENT);
	words.id = id;
	spec_complete(&words, trial, VIP, &in);
	in.protocol = trial->udp ? IPPROTO_TCP : IPPROTO_UDP;
	spec_is_dropped(&in, LB_DROP_FRAGMENT);
	spec_complete(&words, trial, VIP, &in);
	in.src = OTHER;
	spec_is_dropped(&in, LB_DROP_FRAGMENT);
}

/* What is remembered of every datagram was seen so many ticks earlier. */
static void fragments_age(uint32_t ticks)
{
	int map = bpf_map__fd(ground->lb[0]->maps.lb_fragments);
	struct lb_fragment_key keys[512], *previous = NULL;
	struct lb_fragment value;
	size_t count = 0;

	/* First all keys: an update changes the order in which an LRU map is walked. */
	for (; !bpf_map_get_next_key(map, previous, &keys[count]); previous = &keys[count++])
		assert_true(count + 1 < ARRAY_SIZE(keys));
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(bpf_map_lookup_elem(map, &keys[i], &value), 0);
		value.at -= ticks;
		assert_int_equal(bpf_map_update_elem(map, &keys[i], &value, BPF_ANY), 0);
	}
}

static void test_a_datagram_is_forgotten_in_time(void **state)
{
	const struct trial *trial = *state;
	uint16_t id = last_id++;
	struct spec words;

	piece_run(trial, &rows[0], FRAGMENT_FIRST, id);
	fragments_age(LB_FRAGMENT_TICKS - 2);
	piece_run(trial, &rows[0], FRAGMENT_MIDDLE, id);
	fragments_age(3);
	piece_words(&rows[0], FRAGMENT_MIDDLE, id, &words);
	piece_is_dropped(trial, &words, LB_DROP_FRAGMENT);
}

static void test_nothing_follows_to_a_backend_that_is_gone(void **state)
{
	const struct trial *trial = *state;
	char name[2 * LB_NAME_MAX];
	uint16_t id = last_id++;
	struct spec words;
	uint8_t *flags;

	backend_name("near", trial, name);
	flags = &ground->dataplane->backends[ground_backend(ground, name, trial->ipv6)->id].flags;
	piece_run(trial, &rows[0], FRAGMENT_FIRST, id);
	*flags |= LB_BACKEND_GONE;
	piece_words(&rows[0], FRAGMENT_LAST, id, &words);
	piece_is_dropped(trial, &words, LB_DROP_FRAGMENT);
	*flags &= ~LB_BACKEND_GONE;
}

/* ---- what no honest sender makes ------------------------------------------------------------ */

/* A first fragment that ends within the transport header (RFC 1858, section 3). */
static void test_a_tiny_first_fragment(void **state)
{
	const struct trial *trial = *state;
	size_t l4 = 14 + (trial->ipv6 ? 48 : 20), header = trial->udp ? 8 : 20;
	struct spec words = { .dport = 80, .payload = 64, .fragment = FRAGMENT_FIRST }, in;
	struct outcome outcome;
	struct frame frame;

	for (size_t left = 0; left < header; left += 4) {
		words.id = last_id++;
		spec_complete(&words, trial, VIP, &in);
		frame_build(&in, &frame);
		frame.size = l4 + left;
		frame.bytes[trial->ipv6 ? 18 : 16] = 0;
		frame.bytes[trial->ipv6 ? 19 : 17] = (trial->ipv6 ? 8 : 20) + left;
		ground_run(ground, LB, FRONT, &frame, &outcome);
		assert_verdict(outcome.verdict, LB_DROP_FRAGMENT_TINY);
	}
}

/* A later fragment that reaches into TCP's header: at 8 and at 16 bytes. */
static void test_a_fragment_that_overlaps_the_header(void **state)
{
	const struct trial *trial = *state;
	struct spec words = { .dport = 80, .payload = 64, .fragment = FRAGMENT_MIDDLE };

	for (uint16_t offset = 8; offset < 20; offset += 8) {
		words.id = last_id++;
		piece_run(trial, &rows[0], FRAGMENT_FIRST, words.id);
		words.patch = trial->ipv6 ? (struct patch){ PATCH_IP, 42, offset | 1 }
					  : (struct patch){ PATCH_IP, 6, 0x2000 | offset / 8 };
		piece_is_dropped(trial, &words, LB_DROP_FRAGMENT_TINY);
	}
}

/* One fragment that is the whole (RFC 6946) is no fragment. */
static void test_an_atomic_fragment(void **state)
{
	const struct trial *trial = *state;
	char name[2 * LB_NAME_MAX], text[ADDR_TEXT_MAX];
	struct spec words = { .dport = 82, .payload = 64, .fragment = FRAGMENT_FIRST,
			      .patch = { PATCH_IP, 42, 0 } }, in, out;

	words.id = last_id++;
	spec_complete(&words, trial, VIP, &in);
	backend_name("dsr", trial, name);
	spec_at_backend(&in, ground_backend(ground, name, true), text, &out);
	assert_forwarded(&in, &out, name, LB_REDIRECT_DSR);
}

/* ---- replies -------------------------------------------------------------------------------- */

static void reply_run(const struct trial *trial, enum program program, struct host from,
		      enum fragment fragment, uint16_t id, enum lb_verdict verdict)
{
	bool far = program == LB;
	struct spec in = { .ipv6 = trial->ipv6, .src = from, .sport = 8080, .dst = CLIENT,
			   .protocol = trial->udp ? IPPROTO_UDP : IPPROTO_TCP, .payload = 600,
			   .tcp_options = 1, .fragment = fragment, .id = id }, out = in;
	struct frame frame, expected;
	struct outcome outcome;

	frame_build(&in, &frame);
	ground_run(ground, program, far ? FRONT : BACK, &frame, &outcome);
	assert_verdict(outcome.verdict, verdict);
	if (verdict_action(verdict) == LB_DROP)
		return;
	out.src = VIP;
	out.sport = far ? 81 : 80;
	if (far) {
		out.ttl = 63;
		memcpy(out.dst_mac, front_router_mac, 6);
		memcpy(out.src_mac, front_mac, 6);
	}
	frame_build(&out, &expected);
	assert_frame(&outcome.out, &expected);
}

static void test_a_containers_fragments(void **state)
{
	uint16_t id = last_id++;

	reply_run(*state, LB_REPLY, NEAR, FRAGMENT_MIDDLE, id, LB_DROP_REPLY_FRAGMENT);
	reply_run(*state, LB_REPLY, NEAR, FRAGMENT_FIRST, id, LB_REDIRECT_REPLY);
	reply_run(*state, LB_REPLY, NEAR, FRAGMENT_MIDDLE, id, LB_REDIRECT_REPLY);
	reply_run(*state, LB_REPLY, NEAR, FRAGMENT_LAST, id, LB_REDIRECT_REPLY);
}

static void test_another_hosts_fragments(void **state)
{
	uint16_t id = last_id++;

	reply_run(*state, LB, FAR, FRAGMENT_FIRST, id, LB_TX_REPLY);
	reply_run(*state, LB, FAR, FRAGMENT_MIDDLE, id, LB_TX_REPLY);
	reply_run(*state, LB, FAR, FRAGMENT_LAST, id, LB_TX_REPLY);
}

/* ---- what is nobody's ------------------------------------------------------------------------ */

static void whole_passes(const struct trial *trial, enum program program, struct spec words,
			 enum lb_verdict verdict)
{
	static const enum fragment pieces[] = { FRAGMENT_FIRST, FRAGMENT_MIDDLE, FRAGMENT_LAST };
	struct outcome outcome;
	struct frame frame;

	words.ipv6 = trial->ipv6;
	words.protocol = trial->udp ? IPPROTO_UDP : IPPROTO_TCP;
	words.payload = 600;
	words.tcp_options = 1; /* in pieces of eight bytes */
	words.id = last_id++;
	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		words.fragment = pieces[i];
		frame_build(&words, &frame);
		ground_run(ground, program, program == LB ? FRONT : BACK, &frame, &outcome);
		assert_verdict(outcome.verdict, verdict);
	}
}

/* To a vip that is the host's address too, for a port of the host's own. */
static void test_a_datagram_for_the_host(void **state)
{
	whole_passes(*state, LB, (struct spec){ .src = CLIENT, .dst = VIP, .dport = 40000 },
		     LB_PASS_NOT_SERVICE);
}

static void test_a_containers_own_datagram(void **state)
{
	whole_passes(*state, LB_REPLY, (struct spec){ .src = NEAR, .sport = 5353, .dst = CLIENT },
		     LB_PASS_NOT_REPLY);
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		trial_add(rows[i].sentence, ALL, test_the_rest_follows_the_first, &rows[i]);
	trial_add("the rest waits for the first", ALL, test_the_rest_waits_for_the_first, NULL);
	trial_add("only its own datagram follows", ALL, test_only_its_own_datagram_follows, NULL);
	trial_add("a datagram is forgotten in time", ALL, test_a_datagram_is_forgotten_in_time,
		  NULL);
	trial_add("nothing follows to a backend that is gone", ALL,
		  test_nothing_follows_to_a_backend_that_is_gone, NULL);
	trial_add("a tiny first fragment", ALL, test_a_tiny_first_fragment, NULL);
	trial_add("a fragment that overlaps the header", TCP_ONLY,
		  test_a_fragment_that_overlaps_the_header, NULL);
	trial_add("a fragment that is the whole", IPV6_ONLY, test_an_atomic_fragment, NULL);
	trial_add("a container's fragments", ALL, test_a_containers_fragments, NULL);
	trial_add("another host's fragments", ALL, test_another_hosts_fragments, NULL);
	trial_add("a datagram for the host itself", ALL, test_a_datagram_for_the_host, NULL);
	trial_add("a container's own datagram", ALL, test_a_containers_own_datagram, NULL);
	return trials_run_over(config, hops);
}
