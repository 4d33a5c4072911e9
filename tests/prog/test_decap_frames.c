/* SPDX-License-Identifier: GPL-2.0-or-later */
/* decap: what lb encapsulates comes out as it went in, congestion is told to the inner packet, and
 * what is not for this host, not allowed or broken is not taken for it. Frames byte by byte. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "build/decap.skel.h"
#include "tests/prog/outer.h"
#include "xdp/decap_abi.h"

#define VIP	((struct host){ "203.0.113.10", "2001:db8::10" })

#define SERVICE(protocol)                                                                         \
	"{ name = \"far-" protocol "\"; vips = [ \"203.0.113.10\", \"2001:db8::10\" ];"           \
	"  protocol = \"" protocol "\"; ports = [ 80 ]; forward = \"dsr\"; "                      \
	"backends = ( { name = \"a\"; address = [ \"10.1.0.3\", \"fd00::3\" ]; } ); }\n"

static const char config[] = "version = 1; services = (\n" SERVICE("tcp") "," SERVICE("udp") ");"
			     "tuning: { hash_seed = \"decap\"; max_slots = 100000; };";

static const struct ground_hop hops[] = { { "far-tcp/a", BACK, true }, { "far-udp/a", BACK, true },
					  { 0 } };

static struct decap_bpf *decap;

/* ---- the program ---------------------------------------------------------------------------- */

static void address_put(const struct host *host, bool ipv6, union lb_addr *ret_addr)
{
	memset(ret_addr, 0, sizeof(*ret_addr));
	ret_addr->word[2] = htonl(0xffff);
	assert_int_equal(inet_pton(ipv6 ? AF_INET6 : AF_INET, ipv6 ? host->ipv6 : host->ipv4,
				   ipv6 ? ret_addr : (void *)&ret_addr->word[3]), 1);
}

static void settings_set(uint32_t flags)
{
	struct decap_settings set = { .version = DECAP_LAYOUT_VERSION, .flags = flags };
	uint32_t zero = 0;

	assert_int_equal(bpf_map_update_elem(bpf_map__fd(decap->maps.decap_settings), &zero, &set,
					     BPF_ANY), 0);
}

static void source_allow(const struct host *host, bool ipv6)
{
	struct lb_direct_key key = { .prefix_len = 128 };
	union lb_addr addr;
	uint32_t one = 1;

	address_put(host, ipv6, &addr);
	memcpy(key.addr, &addr, sizeof(key.addr));
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(decap->maps.decap_sources), &key, &one,
					     BPF_ANY), 0);
}

/* Once, with OUTER_BACKEND as this host's addresses. */
static void decap_open(void)
{
	union lb_addr addr;
	uint32_t one = 1;

	if (decap)
		return;
	decap = decap_bpf__open_and_load();
	assert_non_null(decap);
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		address_put(&OUTER_BACKEND, ipv6, &addr);
		assert_int_equal(bpf_map_update_elem(bpf_map__fd(decap->maps.decap_addresses),
						     &addr, &one, BPF_ANY), 0);
	}
	settings_set(0);
}

/* The packet that is wrapped, to the vip as the trial's kind says. */
static void inner_build(const struct trial *trial, const struct spec *words,
			struct frame *ret_inner)
{
	struct spec spec;

	decap_open();
	spec_complete(words, trial, VIP, &spec);
	frame_build(&spec, ret_inner);
}

static uint64_t exit_count(uint32_t exit)
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t *counts = calloc(cpus, sizeof(*counts)), sum = 0;

	assert_non_null(counts);
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(decap->maps.decap_exits), &exit, counts),
			 0);
	for (int cpu = 0; cpu < cpus; cpu++)
		sum += counts[cpu];
	free(counts);
	return sum;
}

#define EXIT_NAME(name, action, text) #name,
static const char *const exit_names[] = { DECAP_EXITS(EXIT_NAME) };
#undef EXIT_NAME
#define EXIT_ACTION(name, action, text) action,
static const enum decap_action exit_actions[] = { DECAP_EXITS(EXIT_ACTION) };
#undef EXIT_ACTION

/* One frame through decap: counted once, by this exit, with this exit's action. */
static void decap_run(const struct frame *in, enum decap_exit exit, struct frame *ret_out)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = in->bytes, .data_size_in = in->size,
		    .data_out = ret_out->bytes, .data_size_out = FRAME_MAX, .repeat = 1);
	uint64_t before[DECAP_EXIT_COUNT];

	for (uint32_t i = 0; i < DECAP_EXIT_COUNT; i++)
		before[i] = exit_count(i);
	memset(ret_out, 0, sizeof(*ret_out));
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(decap->progs.decap), &options), 0);
	ret_out->size = options.data_size_out;
	for (uint32_t i = 0; i < DECAP_EXIT_COUNT; i++)
		if (exit_count(i) != before[i])
			assert_string_equal(exit_names[i], exit_names[exit]);
	assert_int_equal(exit_count(exit), before[exit] + 1);
	assert_int_equal(options.retval,
			 exit_actions[exit] == DECAP_DROP ? XDP_DROP : XDP_PASS);
}

/* ---- taken out ------------------------------------------------------------------------------ */

struct row {
	const char *sentence;
	enum kinds kinds;
	struct spec spec;
};

static const struct row rows[] = {
	{ "a packet", ALL, { .dport = 80, .payload = 100 } },
	{ "an empty packet", ALL, { .dport = 80 } },
	{ "a full frame", ALL, { .dport = 80, .payload = 1400 } },
	{ "padding behind it", ALL, { .dport = 80, .payload = 1, .padding = 17 } },
	{ "a tag", ALL, { .dport = 80, .payload = 10, .tags = { { 0x8100, 0x2005 } } } },
	{ "two tags", ALL,
	  { .dport = 80, .payload = 10, .tags = { { 0x88a8, 5 }, { 0x8100, 6 } } } },
	{ "a later fragment", ALL, { .payload = 1480, .fragment = FRAGMENT_LAST } },
};

/* As built here from the RFCs' words. */
static void test_row(void **state)
{
	const struct trial *trial = *state;
	const struct row *row = trial->row;
	struct frame inner, in, out;

	inner_build(trial, &row->spec, &inner);
	settings_set(0);
	for (int i = 0; i < WAYS; i++) {
		outer_build(&ways[i], &inner, 7, &in);
		decap_run(&in, ways[i].gue ? DECAP_PASS_GUE : DECAP_PASS_IPIP, &out);
		assert_frame(&out, &inner);
	}
}

/* As lb makes it. */
static void test_what_lb_encapsulates(void **state)
{
	const struct trial *trial = *state;
	const struct spec words = { .dport = 80, .payload = 333 };
	char name[2 * LB_NAME_MAX], text[ADDR_TEXT_MAX];
	struct frame in, inner, out;
	struct outcome outcome;
	struct spec spec, sent;

	decap_open();
	backend_name("far", trial, name);
	spec_complete(&words, trial, VIP, &spec);
	spec_at_backend(&spec, ground_backend(ground, name, trial->ipv6), text, &sent);
	frame_build(&spec, &in);
	frame_build(&sent, &inner);
	for (int i = 0; i < WAYS; i++) {
		way_set(name, trial->ipv6, &ways[i], 1500, 0);
		ground_run(ground, LB, FRONT, &in, &outcome);
		decap_run(&outcome.out, ways[i].gue ? DECAP_PASS_GUE : DECAP_PASS_IPIP, &out);
		assert_frame(&out, &inner);
	}
}

/* ---- congestion ----------------------------------------------------------------------------- */

enum { NOT_ECT, ECT_1, ECT_0, CE, REFUSED };

/* RFC 6040, figure 4: by inner, then outer. */
static const uint8_t ecn[4][4] = {
	[NOT_ECT] = { [NOT_ECT] = NOT_ECT, [ECT_0] = NOT_ECT, [ECT_1] = NOT_ECT, [CE] = REFUSED },
	[ECT_0] = { [NOT_ECT] = ECT_0, [ECT_0] = ECT_0, [ECT_1] = ECT_1, [CE] = CE },
	[ECT_1] = { [NOT_ECT] = ECT_1, [ECT_0] = ECT_1, [ECT_1] = ECT_1, [CE] = CE },
	[CE] = { [NOT_ECT] = CE, [ECT_0] = CE, [ECT_1] = CE, [CE] = CE },
};

static void ecn_run(const struct way *way, const struct spec *spec, uint8_t inner, uint8_t outer)
{
	const uint8_t dscp = 0xb8;
	struct frame frame, in, out;

	frame_build(spec, &frame);
	tos_set(&frame, dscp | inner);
	outer_build(way, &frame, 7, &in);
	tos_set(&in, 0x40 | outer); /* another DSCP on the way: not the inner packet's */
	if (ecn[inner][outer] == REFUSED) {
		decap_run(&in, DECAP_DROP_ECN, &out);
		return;
	}
	decap_run(&in, way->gue ? DECAP_PASS_GUE : DECAP_PASS_IPIP, &out);
	tos_set(&frame, dscp | ecn[inner][outer]);
	assert_frame(&out, &frame);
}

static void test_congestion(void **state)
{
	const struct trial *trial = *state;
	const struct spec words = { .dport = 80, .payload = 10 };
	struct spec spec;

	decap_open();
	spec_complete(&words, trial, VIP, &spec);
	for (int i = 0; i < WAYS; i++)
		for (uint8_t inner = 0; inner < 4; inner++)
			for (uint8_t outer = 0; outer < 4; outer++)
				ecn_run(&ways[i], &spec, inner, outer);
}

/* ---- not taken out -------------------------------------------------------------------------- */

enum layer { OUTER_IP, OUTER_UDP, INNER };

struct odd_row {
	const char *sentence;
	enum { ANY, OVER_IPV4, OVER_IPV6, GUE_ONLY } of;
	enum layer layer;	/* a byte of it is another: */
	uint8_t offset, value;
	enum decap_exit exit;
};

static const struct odd_row odd_rows[] = {
	{ "another address, IPv4", OVER_IPV4, OUTER_IP, 19, 99, DECAP_PASS_OTHER },
	{ "another address, IPv6", OVER_IPV6, OUTER_IP, 39, 99, DECAP_PASS_OTHER },
	{ "another protocol, IPv4", OVER_IPV4, OUTER_IP, 9, IPPROTO_TCP, DECAP_PASS_OTHER },
	{ "another protocol, IPv6", OVER_IPV6, OUTER_IP, 6, IPPROTO_TCP, DECAP_PASS_OTHER },
	{ "outer IPv4 options", OVER_IPV4, OUTER_IP, 0, 0x46, DECAP_PASS_OTHER },
	{ "another port", GUE_ONLY, OUTER_UDP, 3, 1, DECAP_PASS_OTHER },
	{ "GUE variant 0", GUE_ONLY, INNER, 0, 0x00, DECAP_PASS_GUE_OTHER },
	{ "GUE variant 2", GUE_ONLY, INNER, 0, 0x80, DECAP_PASS_GUE_OTHER },
	{ "an outer length beyond the frame, IPv4", OVER_IPV4, OUTER_IP, 2, 9,
	  DECAP_DROP_TRUNCATED },
	{ "an outer length beyond the frame, IPv6", OVER_IPV6, OUTER_IP, 4, 9,
	  DECAP_DROP_TRUNCATED },
	{ "a UDP length beyond IP's", GUE_ONLY, OUTER_UDP, 4, 9, DECAP_DROP_MALFORMED },
	{ "an inner version of 5", ANY, INNER, 0, 0x55, DECAP_DROP_MALFORMED },
	{ "an inner version of 7", ANY, INNER, 0, 0x75, DECAP_DROP_MALFORMED },
};

static bool odd_applies(const struct odd_row *row, const struct way *way)
{
	switch (row->of) {
	case OVER_IPV4:
		return !way->ipv6;
	case OVER_IPV6:
		return way->ipv6;
	case GUE_ONLY:
		return way->gue;
	default:
		return true;
	}
}

static size_t layer_of(enum layer layer, const struct way *way)
{
	size_t header = way->ipv6 ? 40 : 20;

	return 14 + (layer == OUTER_IP ? 0 : layer == OUTER_UDP ? header : outer_size(way));
}

static void odd_run(const struct frame *in, enum decap_exit exit)
{
	struct frame out;

	decap_run(in, exit, &out);
	assert_frame(&out, in);
}

static void test_odd(void **state)
{
	const struct trial *trial = *state;
	const struct odd_row *row = trial->row;
	const struct spec words = { .dport = 80, .payload = 10 };
	struct frame inner, in;

	inner_build(trial, &words, &inner);
	for (int i = 0; i < WAYS; i++) {
		if (!odd_applies(row, &ways[i]))
			continue;
		outer_build(&ways[i], &inner, 7, &in);
		in.bytes[layer_of(row->layer, &ways[i]) + row->offset] = row->value;
		odd_run(&in, row->exit);
	}
}

/* An inner length that its outer packet does not hold. */
static void test_inner_lengths(void **state)
{
	const struct trial *trial = *state;
	const struct spec words = { .dport = 80, .payload = 10, .padding = 40 };
	struct frame inner, in;

	inner_build(trial, &words, &inner);
	for (int i = 0; i < WAYS; i++) {
		outer_build(&ways[i], &inner, 7, &in);
		in.bytes[14 + outer_size(&ways[i]) + (trial->ipv6 ? 5 : 3)]++;
		odd_run(&in, DECAP_DROP_MALFORMED);
	}
}

/* Wherever the frame ends, nothing behind its end is believed. */
static void test_cut_short(void **state)
{
	const struct trial *trial = *state;
	const struct spec words = { .dport = 80, .payload = 10 };
	struct frame inner, in, out;

	inner_build(trial, &words, &inner);
	for (int i = 0; i < WAYS; i++) {
		size_t header = 14 + (ways[i].ipv6 ? 40 : 20);

		outer_build(&ways[i], &inner, 7, &in);
		for (in.size--; in.size >= 14; in.size--)
			decap_run(&in, in.size < header ? DECAP_PASS_OTHER : DECAP_DROP_TRUNCATED,
				  &out);
	}
}

static void test_outer_fragments(void **state)
{
	const struct trial *trial = *state;
	const struct spec words = { .dport = 80, .payload = 10 };
	struct frame inner, in;

	inner_build(trial, &words, &inner);
	outer_build(&ways[0], &inner, 7, &in);
	in.bytes[14 + 6] = 0x20; /* more follow */
	odd_run(&in, DECAP_PASS_FRAGMENT);
	in.bytes[14 + 6] = 0x00;
	in.bytes[14 + 7] = 0x10; /* behind the first */
	odd_run(&in, DECAP_PASS_FRAGMENT);
}

/* The destination port of an outer packet's UDP. */
static void put_port(struct frame *frame, const struct way *way, uint8_t port)
{
	uint8_t *udp = frame->bytes + 14 + (way->ipv6 ? 40 : 20);

	udp[2] = 0;
	udp[3] = port;
}

static void test_sources(void **state)
{
	const struct trial *trial = *state;
	const struct host stranger = { "192.0.2.66", "2001:db8:2::66" };
	const struct spec words = { .dport = 80, .payload = 10 };
	struct frame inner, in, out;
	union lb_addr addr;

	inner_build(trial, &words, &inner);
	settings_set(DECAP_CHECK_SOURCE);
	for (int i = 0; i < WAYS; i++) {
		size_t at = 14 + (ways[i].ipv6 ? 8 : 12);

		source_allow(&OUTER_SOURCE, ways[i].ipv6);
		outer_build(&ways[i], &inner, 7, &in);
		decap_run(&in, ways[i].gue ? DECAP_PASS_GUE : DECAP_PASS_IPIP, &out);
		address_put(&stranger, ways[i].ipv6, &addr);
		memcpy(in.bytes + at, ways[i].ipv6 ? addr.byte : addr.byte + 12,
		       ways[i].ipv6 ? 16 : 4);
		odd_run(&in, DECAP_DROP_SOURCE);
		if (!ways[i].gue)
			continue;
		put_port(&in, &ways[i], 53); /* its UDP by another port is nobody's business */
		odd_run(&in, DECAP_PASS_OTHER);
	}
	settings_set(0);
}

/* No sum of it with anything may come round. */
static void test_an_outer_length_below_its_header(void **state)
{
	const struct trial *trial = *state;
	const struct spec words = { .dport = 80, .payload = 10 };
	struct frame inner, in;

	inner_build(trial, &words, &inner);
	for (int i = 0; i < WAYS; i++) {
		if (ways[i].ipv6)
			continue;
		outer_build(&ways[i], &inner, 7, &in);
		memcpy(in.bytes + 16, (uint8_t[]){ 0, 10 }, 2);
		in.bytes[14 + outer_size(&ways[i]) + (trial->ipv6 ? 4 : 2)] = 0x70;
		odd_run(&in, DECAP_DROP_MALFORMED);
	}
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		trial_add(rows[i].sentence, rows[i].kinds, test_row, &rows[i]);
	for (size_t i = 0; i < ARRAY_SIZE(odd_rows); i++)
		trial_add(odd_rows[i].sentence, TCP_ONLY, test_odd, &odd_rows[i]);
	trial_add("what lb encapsulates comes out as it went in", ALL, test_what_lb_encapsulates,
		  NULL);
	trial_add("congestion on the way", ALL, test_congestion, NULL);
	trial_add("an inner length that the outer packet does not hold", ALL, test_inner_lengths,
		  NULL);
	trial_add("cut short anywhere", ALL, test_cut_short, NULL);
	trial_add("outer fragments are the stack's", TCP_ONLY, test_outer_fragments, NULL);
	trial_add("only some may encapsulate", ALL, test_sources, NULL);
	trial_add("an outer length below its header", ALL, test_an_outer_length_below_its_header,
		  NULL);
	return trials_run_over(config, hops);
}
