/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The segment size that handshakes name: lowered by lb in SYNs of a service with `mss`, and by
 * decap_mss in SYN-ACKs; never raised, never added, and nothing else is touched. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <netinet/in.h>
#include <linux/pkt_cls.h>
#include <string.h>

#include "build/decap.skel.h"
#include "tests/prog/outer.h"
#include "xdp/decap_abi.h"

#define VIP	((struct host){ "203.0.113.10", "2001:db8::10" })

static const char config[] =
	"version = 1; services = ( { name = \"web-tcp\";"
	"  vips = [ \"203.0.113.10\", \"2001:db8::10\" ];"
	"  protocol = \"tcp\"; ports = [ 80 ]; forward = \"dsr\"; mss = 1000;"
	"  backends = ( { name = \"a\"; address = [ \"10.1.0.3\", \"fd00::3\" ]; } ); } );"
	"tuning: { hash_seed = \"mss\"; max_slots = 100000; };";

static const struct ground_hop hops[] = { { 0 } };

enum { CLAMP = 1000 };

struct row {
	const char *sentence;
	uint8_t words;		/* of options */
	uint8_t options[40];
	uint8_t at;		/* where a size stands that becomes CLAMP; 0: nothing changes */
	bool ack;		/* the other way round: an ACK to SYNs, none to SYN-ACKs */
};

#define MSS(high, low) 2, 4, high, low
#define SMALL MSS(0x03, 0xe7) /* 999 */
#define EQUAL MSS(0x03, 0xe8)
#define ABOVE MSS(0x03, 0xe9)
#define USUAL MSS(0x05, 0xb4)

static const struct row rows[] = {
	{ "1460 becomes less", 1, { USUAL }, 2, false },
	{ "65535 becomes less", 1, { MSS(0xff, 0xff) }, 2, false },
	{ "one more than the limit", 1, { ABOVE }, 2, false },
	{ "the limit itself stays", 1, { EQUAL }, 0, false },
	{ "less than the limit is not raised", 1, { SMALL }, 0, false },
	{ "0 is not raised", 1, { MSS(0, 0) }, 0, false },
	{ "none is not added", 0, { 0 }, 0, false },
	{ "none among others is not added", 3, { 1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8 }, 0, false },
	{ "as Linux sends it", 5,
	  { USUAL, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7 }, 2, false },
	{ "behind another option", 4, { 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1, USUAL }, 14, false },
	{ "at an odd place", 2, { 1, USUAL, 1, 1, 1 }, 3, false },
	{ "at an odd place behind another option", 2, { 3, 3, 7, USUAL, 0 }, 5, false },
	{ "the last of 40 bytes", 10,
	  { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
	    1, 1, 1, 1, 1, 1, 1, USUAL }, 38, false },
	{ "behind the end of options it is none", 2, { 0, 0, 0, 0, USUAL }, 0, false },
	{ "of another length it is none", 2, { 2, 6, 0x05, 0xb4, 0, 0, 1, 1 }, 0, false },
	{ "an option of length 0 ends the search", 2, { 3, 0, 1, 1, USUAL }, 0, false },
	{ "an option of length 1 ends the search", 2, { 3, 1, 1, 1, USUAL }, 0, false },
	{ "an option that is longer than there is room", 2, { 3, 40, 1, 1, USUAL }, 0, false },
	{ "cut at the end of the header", 1, { 1, 1, 2, 4 }, 0, false },
	{ "only handshakes are looked at", 1, { USUAL }, 0, true },
};

static void frame_of(const struct row *row, const struct spec *words, bool lowered,
		     struct frame *ret_frame)
{
	uint8_t *tcp = ret_frame->bytes + 14 + (words->ipv6 ? 40 : 20), *at = tcp + 20 + row->at;
	struct spec spec = *words;
	uint16_t start, offset;

	spec.tcp_options = row->words;
	frame_build(&spec, ret_frame);
	memcpy(tcp + 20, row->options, 4 * row->words);
	if (lowered && row->at) {
		at[0] = CLAMP >> 8;
		at[1] = CLAMP & 0xff;
	}
	frame_checksum_leave(ret_frame, &start, &offset);
	frame_checksum_finish(ret_frame, start, offset);
}

static void test_syn(void **state)
{
	const struct trial *trial = *state;
	const struct row *row = trial->row;
	const struct backend *backend = ground_backend(ground, "web-tcp/a", trial->ipv6);
	const struct spec words = { .dport = 80, .tcp_flags = TCP_SYN | (row->ack ? TCP_ACK : 0) };
	char text[ADDR_TEXT_MAX];
	struct outcome outcome;
	struct frame in, expected;
	struct spec spec, sent;

	spec_complete(&words, trial, VIP, &spec);
	spec_at_backend(&spec, backend, text, &sent);
	frame_of(row, &spec, false, &in);
	frame_of(row, &sent, true, &expected);
	ground->dataplane->service_info[1].mss = CLAMP;
	ground_run(ground, LB, FRONT, &in, &outcome);
	assert_verdict(outcome.verdict, LB_REDIRECT_DSR);
	assert_frame(&outcome.out, &expected);

	frame_of(row, &sent, false, &expected);
	ground->dataplane->service_info[1].mss = 0;
	ground_run(ground, LB, FRONT, &in, &outcome);
	assert_frame(&outcome.out, &expected);
}

/* A SYN that takes the uncommon walk, and an outer packet: the inner SYN is lowered. */
static void test_tagged_and_encapsulated(void **state)
{
	const struct trial *trial = *state;
	const struct spec words = { .dport = 80, .tcp_flags = TCP_SYN };
	const struct row row = { .words = 1, .options = { USUAL }, .at = 2 };
	uint32_t id = ground_backend(ground, "web-tcp/a", trial->ipv6)->id;
	struct lb_backend was = ground->dataplane->backends[id];
	char text[ADDR_TEXT_MAX];
	struct frame in, inside, expected;
	struct outcome outcome;
	struct spec spec, sent;

	spec_complete(&words, trial, VIP, &spec);
	spec_at_backend(&spec, ground_backend(ground, "web-tcp/a", trial->ipv6), text, &sent);
	frame_of(&row, &spec, false, &in);
	frame_of(&row, &sent, true, &inside);
	ground->dataplane->service_info[1].mss = CLAMP;
	for (int i = 0; i < WAYS; i++) {
		way_set("web-tcp/a", trial->ipv6, &ways[i], 0, 0);
		ground_run(ground, LB, FRONT, &in, &outcome);
		outer_build(&ways[i], &inside, ground->dataplane->trace->hash, &expected);
		assert_frame(&outcome.out, &expected);
	}
	ground->dataplane->backends[id] = was;
	ground->dataplane->backends[id].hop.vlan = 100; /* the uncommon walk puts the tag on */
	ground_run(ground, LB, FRONT, &in, &outcome);
	ground->dataplane->backends[id] = was;
	assert_int_equal(outcome.out.size, inside.size + 4);
	assert_memory_equal(outcome.out.bytes + 18, inside.bytes + 14, inside.size - 14);
	ground->dataplane->service_info[1].mss = 0;
}

/* ---- decap_mss ------------------------------------------------------------------------------ */

static void decap_mss_run(struct decap_bpf *decap, uint32_t mss, const struct frame *in,
			  struct frame *ret_out)
{
	struct decap_settings set = { .version = DECAP_LAYOUT_VERSION, .mss = mss };
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = in->bytes, .data_size_in = in->size,
		    .data_out = ret_out->bytes, .data_size_out = FRAME_MAX, .repeat = 1);
	uint32_t zero = 0;

	assert_int_equal(bpf_map_update_elem(bpf_map__fd(decap->maps.decap_settings), &zero, &set,
					     BPF_ANY), 0);
	memset(ret_out, 0, sizeof(*ret_out));
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(decap->progs.decap_mss), &options),
			 0);
	ret_out->size = options.data_size_out;
	assert_int_equal((int)options.retval, TC_ACT_UNSPEC);
}

static void test_syn_ack(void **state)
{
	const struct trial *trial = *state;
	const struct row *row = trial->row;
	const struct spec words = { .ipv6 = trial->ipv6, .src = VIP, .dst = CLIENT, .dport = 40000,
				    .tcp_flags = TCP_SYN | (row->ack ? 0 : TCP_ACK) };
	struct decap_bpf *decap = decap_bpf__open_and_load();
	struct frame in, expected, out;

	assert_non_null(decap);
	frame_of(row, &words, false, &in);
	frame_of(row, &words, true, &expected);
	decap_mss_run(decap, CLAMP, &in, &out);
	assert_frame(&out, &expected);
	decap_mss_run(decap, 0, &in, &out);
	assert_frame(&out, &in);
	decap_bpf__destroy(decap);
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		trial_add(rows[i].sentence, TCP_ONLY, test_syn, &rows[i]);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		trial_add(rows[i].sentence, TCP_ONLY, test_syn_ack, &rows[i]);
	trial_add("tagged, and encapsulated", TCP_ONLY, test_tagged_and_encapsulated, NULL);
	return trials_run_over(config, hops);
}
