/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which backend a flow goes to: each gets its share of flows, whatever clients look like, a flow
 * always the same one, and all of it is what the words of lb_abi.h and slot.bpf.h say, computed
 * here once more from the bytes of the frame. */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/prog/trials.h"

#define BACKENDS 3

/* Weights 1 : 2 : 5. */
#define SERVICE(protocol)                                                                         \
	"{ name = \"web-" protocol "\"; vips = [ \"203.0.113.10\", \"2001:db8::10\" ];"           \
	"  protocol = \"" protocol "\"; ports = [ 80 ]; forward = \"dsr\"; backends = ("          \
	"  { name = \"a\"; address = [ \"10.1.0.2\", \"fd00::2\" ]; weight = 100; },"             \
	"  { name = \"b\"; address = [ \"10.1.0.3\", \"fd00::3\" ]; weight = 200; },"             \
	"  { name = \"c\"; address = [ \"10.1.0.4\", \"fd00::4\" ]; weight = 500; } ); }"
#define CONFIG(seed)                                                                              \
	"version = 1; services = ( " SERVICE("tcp") ", " SERVICE("udp") " );"                     \
	"tuning: { hash_seed = \"" seed "\"; max_slots = 10000; };"

#define VIP ((struct host){ "203.0.113.10", "2001:db8::10" })

static struct ground *other_seed;
static uint32_t flows = 100000; /* of a population; $FLOWS where that takes too long */

/* ---- flows ---------------------------------------------------------------------------------- */

/* xorshift64: the same flows in every run. */
static uint64_t random_next(void)
{
	static uint64_t state = 0x2545f4914f6cdd1d;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* The n-th flow of a population: its source goes over the frame's bytes. Checksums no longer fit
 * then, which lb neither knows nor minds. */
typedef void population(uint32_t n, uint8_t *source, size_t size, uint8_t *port);

static void random_clients(uint32_t n, uint8_t *source, size_t size, uint8_t *port)
{
	uint64_t words[3] = { random_next(), random_next(), random_next() };

	(void)n;
	memcpy(source, words, size);
	memcpy(port, &words[2], 2);
}

/* One client that opens one connection after the other, then its neighbour does. */
static void sequential_ports(uint32_t n, uint8_t *source, size_t size, uint8_t *port)
{
	source[size - 1] = n / 60000;
	port[0] = (1024 + n % 60000) >> 8;
	port[1] = 1024 + n % 60000;
}

/* A whole network behind it, all from one port. */
static void sequential_addresses(uint32_t n, uint8_t *source, size_t size, uint8_t *port)
{
	source[size - 3] = n >> 16;
	source[size - 2] = n >> 8;
	source[size - 1] = n;
	memset(port, 53, 2);
}

static void flow_build(const struct trial *trial, population *source, uint32_t n,
		       struct frame *ret_frame)
{
	static struct frame model[2][2];
	struct frame *base = &model[trial->ipv6][trial->udp];
	size_t at = trial->ipv6 ? 14 + 8 : 14 + 12, size = trial->ipv6 ? 16 : 4;

	if (!base->size)
		frame_build(&(struct spec){ .ipv6 = trial->ipv6, .src = CLIENT, .dst = VIP,
					    .protocol = trial->udp ? IPPROTO_UDP : IPPROTO_TCP,
					    .dport = 80 }, base);
	ret_frame->size = base->size;
	memcpy(ret_frame->bytes, base->bytes, base->size);
	source(n, ret_frame->bytes + at, size, ret_frame->bytes + at + 2 * size);
}

/* ---- shares --------------------------------------------------------------------------------- */

static size_t backend_index(const struct service *service, uint32_t id)
{
	for (size_t i = 0; i < service->backend_count; i++)
		if (service->backends[i].id == id)
			return i;
	fail_msg("no backend has id %u", id);
	return 0;
}

/* Pearson's chi-square of `got` against the slots that each backend has. */
static double chi_square(const struct ring *ring, const uint32_t *got, size_t count)
{
	uint32_t slots[2 * BACKENDS] = { 0 };
	double sum = 0;

	for (uint32_t i = 0; i < ring->slots; i++)
		slots[ring->owners[i]]++;
	for (size_t i = 0; i < count; i++) {
		double expected = (double)flows * slots[i] / ring->slots;

		if (!slots[i])
			assert_int_equal(got[i], 0);
		else
			sum += (got[i] - expected) * (got[i] - expected) / expected;
	}
	return sum;
}

/* Two degrees of freedom: chance alone exceeds 27.6 once in a million. */
static void test_each_backend_gets_its_share(void **state)
{
	const struct trial *trial = *state;
	population *const *source = trial->row;
	const struct service *service =
		state_service(ground->state, trial->udp ? "web-udp" : "web-tcp");
	uint32_t got[2 * BACKENDS] = { 0 };
	struct outcome outcome;
	struct frame frame;
	double chi;

	for (uint32_t n = 0; n < flows; n++) {
		flow_build(trial, *source, n, &frame);
		ground_trace(ground, &frame, &outcome);
		got[backend_index(service, outcome.backend)]++;
	}
	chi = chi_square(&service->ring[trial->ipv6], got, service->backend_count);
	if (chi > 27.6)
		fail_msg("chi-square %.1f: %u %u %u, %u %u %u", chi, got[0], got[1], got[2],
			 got[3], got[4], got[5]);
}

static void test_a_flow_goes_to_one_backend_whatever_its_packets_say(void **state)
{
	const struct trial *trial = *state;
	struct spec spec = { .ipv6 = trial->ipv6, .src = CLIENT, .dst = VIP, .dport = 80,
			     .protocol = trial->udp ? IPPROTO_UDP : IPPROTO_TCP };

	for (uint32_t port = 1; port < 500; port++) {
		struct outcome first, outcome;
		struct frame frame;

		spec.sport = port;
		for (int n = 0; n < 4; n++) {
			spec.tcp_flags = n ? TCP_ACK : TCP_SYN;
			spec.payload = 100 * n;
			spec.ttl = 64 - n;
			frame_build(&spec, &frame);
			ground_trace(ground, &frame, n ? &outcome : &first);
			if (n)
				assert_int_equal(outcome.backend, first.backend);
		}
	}
}

/* ---- a reference ---------------------------------------------------------------------------- */

static uint32_t word_at(const uint8_t *at)
{
	uint32_t word;

	memcpy(&word, at, 4);
	return word;
}

/* Multilinear-HM over pairs of words: both ports as they stand in the frame and the protocol; the
 * last words of source and destination; for IPv6 also the first two of each, and then the third of
 * both. Then one multiplication and the upper half. */
static uint32_t reference_hash(const uint64_t *key, const struct frame *frame, bool ipv6)
{
	const uint8_t *ip = frame->bytes + 14, *l4 = ip + (ipv6 ? 40 : 20);
	const uint8_t *src = ip + (ipv6 ? 8 : 12), *dst = src + (ipv6 ? 16 : 4);
	size_t last = ipv6 ? 12 : 0;
	const uint32_t words[10] = {
		word_at(l4), ip[ipv6 ? 6 : 9],
		word_at(src + last), word_at(dst + last),
		word_at(src), word_at(src + 4), word_at(dst), word_at(dst + 4),
		ipv6 ? word_at(src + 8) : 0, ipv6 ? word_at(dst + 8) : 0,
	};
	uint64_t sum = key[0];

	for (int i = 0; i < (ipv6 ? 10 : 4); i += 2)
		sum += (key[i + 1] + words[i]) * (key[i + 2] + words[i + 1]);
	sum = (sum ^ sum >> 32) * 0x9e3779b97f4a7c15;
	return sum >> 32;
}

static void test_slot_and_backend_are_those_of_the_reference(void **state)
{
	const struct trial *trial = *state;
	const struct service *service =
		state_service(ground->state, trial->udp ? "web-udp" : "web-tcp");
	const struct ring *ring = &service->ring[trial->ipv6];

	for (uint32_t n = 0; n < 5000; n++) {
		struct outcome outcome;
		struct frame frame;
		uint32_t slot;

		flow_build(trial, random_clients, n, &frame);
		ground_trace(ground, &frame, &outcome);
		slot = (uint64_t)reference_hash(ground->state->hash_key, &frame, trial->ipv6) *
		       ring->slots / 0x100000000;
		assert_int_equal(outcome.slot, ring->base + slot);
		assert_int_equal(outcome.backend, service->backends[ring->owners[slot]].id);
	}
}

/* By chance alone, one flow of 1021 has the same slot under another seed. */
static void test_another_seed_spreads_flows_another_way(void **state)
{
	const struct trial *trial = *state;
	uint32_t same = 0;

	for (uint32_t n = 0; n < 5000; n++) {
		struct outcome here, there;
		struct frame frame;

		flow_build(trial, sequential_ports, n, &frame);
		ground_trace(ground, &frame, &here);
		ground_trace(other_seed, &frame, &there);
		same += here.slot == there.slot;
	}
	assert_true(same < 30);
}

static int ground_up(void **state)
{
	(void)state;
	ground = ground_open(CONFIG("one"), NULL);
	other_seed = ground_open(CONFIG("another"), NULL);
	return 0;
}

static int ground_down(void **state)
{
	(void)state;
	ground_close(ground);
	ground_close(other_seed);
	return 0;
}

int main(void)
{
	static population *const populations[] = { random_clients, sequential_ports,
						   sequential_addresses };

	if (getenv("FLOWS"))
		flows = strtoul(getenv("FLOWS"), NULL, 10);
	trial_add("each backend gets its share of random clients", ALL,
		  test_each_backend_gets_its_share, &populations[0]);
	trial_add("each backend gets its share of one client's connections", TCP4 | TCP6,
		  test_each_backend_gets_its_share, &populations[1]);
	trial_add("each backend gets its share of one network's clients", UDP4 | UDP6,
		  test_each_backend_gets_its_share, &populations[2]);
	trial_add("a flow goes to one backend, whatever its packets say", ALL,
		  test_a_flow_goes_to_one_backend_whatever_its_packets_say, NULL);
	trial_add("slot and backend are those of the reference", ALL,
		  test_slot_and_backend_are_those_of_the_reference, NULL);
	trial_add("another seed spreads flows another way", ALL,
		  test_another_seed_spreads_flows_another_way, NULL);
	return trials_run(ground_up, ground_down);
}
