/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A hundred thousand mutated packets through the programs, or FUZZ_PACKETS of them in FUZZ_SECONDS
 * at most. Packet N comes from the number FUZZ_SEED + N alone, so that FUZZ_SEED=S FUZZ_PACKETS=1
 * is packet S again. FUZZ_SAMPLE=FILE writes what was sent on into a capture, each frame behind
 * the one that it was, for a judge that is not ours. */
#include <inttypes.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/fuzz/judge.h"
#include "tests/fuzz/layers.h"
#include "tests/fuzz/passes.h"

#define PACKETS		100000
#define SECONDS		20
#define SAMPLE_FRAMES	4000
#define SHRINK_RUNS	4000

static struct passes passes;

static uint64_t option(const char *name, uint64_t fallback)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 0) : fallback;
}

/* One in eight stays as well-formed as it was made. */
static void packet_make(uint64_t number, struct packet_in *ret_packet)
{
	struct random random = { number };

	seed_make(&random, ret_packet);
	if (!random_one_in(&random, 8))
		packet_mutate(&random, ret_packet);
}

static bool is_sent_on(const struct passed *passed)
{
	enum lb_action action = verdict_action(passed->verdict);

	return passed->ran && (action == LB_TX || action == LB_REDIRECT);
}

/* ---- a packet that fails -------------------------------------------------------------------- */

static bool fails(const struct packet_in *packet)
{
	struct passed passed = { 0 };

	return passes_run(&passes, packet, &passed);
}

/* Takes bytes off the end, halves of what is left at first. */
static int shrink_size(struct packet_in *packet, int runs)
{
	for (size_t bytes = packet->frame.size / 2; bytes; bytes /= 2) {
		struct packet_in less = *packet;

		while (less.frame.size >= 14 + bytes && runs-- > 0) {
			less.frame.size -= bytes;
			if (!fails(&less))
				break;
			*packet = less;
		}
	}
	return runs;
}

static int shrink_bytes(struct packet_in *packet, int runs)
{
	for (size_t i = 0; i < packet->frame.size && runs > 0; i++) {
		struct packet_in less = *packet;

		less.frame.bytes[i] = 0;
		if (packet->frame.bytes[i] && runs-- > 0 && fails(&less))
			*packet = less;
	}
	return runs;
}

static void packet_print(const char *what, const struct packet_in *packet)
{
	printf("# %s: %s, in by %u, %zu bytes\n# ", what,
	       packet->program == LB ? "lb" : "lb_reply", packet->ifindex, packet->frame.size);
	for (size_t i = 0; i < packet->frame.size; i++)
		printf("%02x%s", packet->frame.bytes[i],
		       i % 48 == 47 && i + 1 < packet->frame.size ? "\n# " : "");
	printf("\n");
}

static void failure_tell(const char *flaw, uint64_t number, const struct passed *passed,
			 const struct packet_in *packet)
{
	struct packet_in less = *packet;
	char sentence[128];

	snprintf(sentence, sizeof(sentence), "%s", flaw);
	printf("# FUZZ_SEED=%" PRIu64 " FUZZ_PACKETS=1: %s, %s\n", number,
	       verdict_name(passed->verdict), sentence);
	packet_print("the packet", packet);
	if (fails(&less)) {
		shrink_bytes(&less, shrink_size(&less, SHRINK_RUNS));
		packet_print("shrunk", &less);
	} else {
		printf("# not again by itself: it depends on the packets before it\n");
	}
	fflush(stdout);
	fail_msg("%s", sentence);
}

/* ---- the sample ----------------------------------------------------------------------------- */

struct sample {
	pcap_t *format;
	pcap_dumper_t *file;
	unsigned int frames;
};

static void sample_open(struct sample *sample)
{
	const char *name = getenv("FUZZ_SAMPLE");

	memset(sample, 0, sizeof(*sample));
	if (!name)
		return;
	sample->format = pcap_open_dead(DLT_EN10MB, 65535);
	assert_non_null(sample->format);
	sample->file = pcap_dump_open(sample->format, name);
	assert_non_null(sample->file);
}

static void frame_dump(struct sample *sample, const struct frame *frame)
{
	struct pcap_pkthdr header = { .caplen = frame->size, .len = frame->size };

	pcap_dump((u_char *)sample->file, &header, frame->bytes);
	sample->frames++;
}

static void sample_add(struct sample *sample, const struct packet_in *in,
		       const struct passed *passed)
{
	if (!sample->file || sample->frames >= SAMPLE_FRAMES || !is_sent_on(passed))
		return;
	frame_dump(sample, &in->frame);
	frame_dump(sample, &passed->out);
}

static void sample_close(struct sample *sample)
{
	if (!sample->file)
		return;
	assert_int_equal(pcap_dump_flush(sample->file), 0);
	pcap_dump_close(sample->file);
	pcap_close(sample->format);
}

/* ---- tests ---------------------------------------------------------------------------------- */

static void counts_print(const uint64_t *counts, uint64_t done, uint64_t seed)
{
	printf("# %" PRIu64 " packets, FUZZ_SEED=%" PRIu64 "\n", done, seed);
	for (int i = 0; i < LB_VERDICT_COUNT; i++)
		if (counts[i])
			printf("# %10" PRIu64 " %s\n", counts[i], verdict_name(i));
}

/* That the packets reach the programs' every corner is a part of the promise. */
static void corners_check(const uint64_t *counts)
{
	static const enum lb_verdict corners[] = {
		LB_PASS_NOT_IP, LB_PASS_PROTOCOL, LB_PASS_NOT_SERVICE, LB_DROP_TRUNCATED,
		LB_DROP_MALFORMED, LB_DROP_FRAGMENT, LB_DROP_IPV4_OPTIONS,
		LB_DROP_IPV6_EXTENSION, LB_DROP_NO_BACKEND, LB_DROP_NO_NEXT_HOP, LB_DROP_TTL,
		LB_REDIRECT_NAT, LB_REDIRECT_DSR, LB_TX_NAT, LB_TX_DSR, LB_REDIRECT_REPLY,
		LB_TX_REPLY, LB_PASS_REPLY_DIRECT, LB_PASS_REPLY_SLOW, LB_PASS_NOT_REPLY,
		LB_DROP_REPLY_FRAGMENT, LB_TX_REJECT, LB_DROP_FRAGMENT_TINY,
		LB_TX_ECHO, LB_DROP_ECHO,
		LB_REDIRECT_IPIP, LB_TX_IPIP, LB_REDIRECT_GUE, LB_TX_GUE, LB_TX_TOO_BIG,
		LB_DROP_TOO_BIG, LB_PASS_ENCAP_FRAGMENT, LB_TX_PMTU,
	};

	for (size_t i = 0; i < ARRAY_SIZE(corners); i++)
		if (!counts[corners[i]])
			fail_msg("no packet was %s", verdict_name(corners[i]));
}

static void mutated_packets_are_forwarded_right_or_not_at_all(void **state)
{
	uint64_t seed = option("FUZZ_SEED", 1), packets = option("FUZZ_PACKETS", PACKETS);
	uint64_t counts[LB_VERDICT_COUNT] = { 0 }, done = 0;
	time_t end = time(NULL) + (time_t)option("FUZZ_SECONDS", SECONDS);
	struct sample sample;

	(void)state;
	sample_open(&sample);
	for (; done < packets && time(NULL) < end; done++) {
		struct packet_in packet;
		struct passed passed = { 0 };
		const char *flaw;

		packet_make(seed + done, &packet);
		flaw = passes_run(&passes, &packet, &passed);
		if (flaw)
			failure_tell(flaw, seed + done, &passed, &packet);
		if (passed.ran)
			counts[passed.verdict]++;
		sample_add(&sample, &packet, &passed);
	}
	sample_close(&sample);
	counts_print(counts, done, seed);
	if (done >= PACKETS / 4)
		corners_check(counts);
}

/* Padding behind a reset is nobody's; of an outer packet the flow's hash chooses some bits. */
static bool byte_is_fixed(enum lb_verdict verdict, const struct layers *layers, size_t at)
{
	switch (verdict) {
	case LB_TX_REJECT:
		return at < layers->end;
	case LB_REDIRECT_IPIP:
	case LB_TX_IPIP:
	case LB_REDIRECT_GUE:
	case LB_TX_GUE:
		return at < 12 || (at >= layers->ip + (layers->ipv6 ? 24 : 0) &&
				   (at < layers->l4 || at > layers->l4 + 1));
	default:
		return true;
	}
}

/* Else nothing that it lets through means anything. */
static void the_judge_sees_every_changed_byte(void **state)
{
	size_t flips = 0;

	(void)state;
	for (uint64_t number = 0; number < 3000; number++) {
		struct random random = { number };
		struct packet_in packet;
		struct passed passed = { 0 };
		struct passage passage;
		struct layers layers;

		seed_make(&random, &packet);
		assert_null(passes_run(&passes, &packet, &passed));
		if (!is_sent_on(&passed))
			continue;
		layers_read(&passed.out, &layers);
		passage = (struct passage){ packet.program, true, passed.verdict, passed.backend,
					    &packet.frame, &passed.out };
		for (size_t i = 0; i < passed.out.size; i++) {
			uint8_t bit = 1 << random_below(&random, 8);

			if (!byte_is_fixed(passed.verdict, &layers, i))
				continue;
			passed.out.bytes[i] ^= bit;
			if (!judge(&passage))
				fail_msg("%s: byte %zu may be anything",
					 verdict_name(passed.verdict), i);
			passed.out.bytes[i] ^= bit;
			flips++;
		}
		assert_null(judge(&passage));
	}
	assert_true(flips > 10000);
}

static int up(void **state)
{
	(void)state;
	passes_open(seeds_ground_open(), &passes);
	return 0;
}

static int down(void **state)
{
	(void)state;
	passes_close(&passes);
	ground_close(passes.ground);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_judge_sees_every_changed_byte),
		cmocka_unit_test(mutated_packets_are_forwarded_right_or_not_at_all),
	};

	world_enter();
	return cmocka_run_group_tests(tests, up, down);
}
