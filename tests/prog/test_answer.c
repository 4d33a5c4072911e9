/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What lb writes itself: who asks a service that is down with when_down = "reject" is refused by a
 * reset or by port unreachable, byte for byte as built here from the RFCs' words. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "build/lb.skel.h"
#include "tests/prog/trials.h"

#define VIP	((struct host){ "203.0.113.10", "2001:db8::10" })
#define OFF                                                                                       \
	"state = \"off\"; "                                                                        \
	"backends = ( { name = \"a\"; address = [ \"10.1.0.2\", \"fd00::2\" ]; } ); "

#define SERVICE(name, protocol, port, more)                                                       \
	"{ name = \"" name "-" protocol "\"; vips = [ \"203.0.113.10\", \"2001:db8::10\" ];"      \
	"  protocol = \"" protocol "\"; ports = [ " port " ]; forward = \"dsr\"; " more OFF "}\n"
#define SERVICES(protocol)                                                                        \
	SERVICE("refused", protocol, "80", "when_down = \"reject\"; ") ","                        \
	SERVICE("tracked", protocol, "81", "when_down = \"reject\"; track = \"always\"; ") ","    \
	SERVICE("silent", protocol, "82", "")

static const char config[] = "version = 1; services = (\n" SERVICES("tcp") "," SERVICES("udp") ");"
			     "tuning: { hash_seed = \"answer\"; max_slots = 100000; };";

static const struct ground_hop hops[] = { { 0 } };

enum { ETHERNET = 14, ICMP = 8, LIMIT_IPV4 = 576, LIMIT_IPV6 = 1280 };

static size_t ip_header(bool ipv6)
{
	return ipv6 ? 40 : 20;
}

static void put32(uint8_t *at, uint32_t value)
{
	value = htonl(value);
	memcpy(at, &value, 4);
}

/* What every answer has of the packet that it answers: the way back. */
static void turn(const struct spec *spec, struct spec *ret_back)
{
	*ret_back = (struct spec){ .ipv6 = spec->ipv6, .protocol = spec->protocol,
				   .src = spec->dst, .dst = spec->src,
				   .dst_mac = { 2, 0, 0, 0, 0, 0xfe },
				   .src_mac = { 2, 0, 0, 0, 0, 0xf0 } };
}

/* IPv4: the answers of lb are never fragmented and need no identification (RFC 6864). */
static void identification_clear(struct frame *frame)
{
	uint8_t *ip = frame->bytes + ETHERNET;
	uint16_t sum;

	memset(ip + 4, 0, 2);
	memset(ip + 10, 0, 2);
	sum = htons((uint16_t)~internet_sum(0, ip, 20));
	memcpy(ip + 10, &sum, 2);
}

/* ---- resets --------------------------------------------------------------------------------- */

struct reset_row {
	const char *sentence;
	struct spec spec;	/* without family and addresses */
	uint8_t flags;		/* of the reset */
	uint32_t seq, ack;
};

#define SEQ 0x11112222U	/* of what packets.c builds */
#define ACK 0x33334444U

static const struct reset_row reset_rows[] = {
	{ "a SYN is reset and acknowledged", { .tcp_flags = TCP_SYN }, TCP_RST | TCP_ACK, 0,
	  SEQ + 1 },
	{ "a SYN with options is reset", { .tcp_flags = TCP_SYN, .tcp_options = 10 },
	  TCP_RST | TCP_ACK, 0, SEQ + 1 },
	{ "a SYN with data is acknowledged in full", { .tcp_flags = TCP_SYN, .payload = 333 },
	  TCP_RST | TCP_ACK, 0, SEQ + 334 },
	{ "padding is not acknowledged", { .tcp_flags = TCP_SYN, .padding = 6 },
	  TCP_RST | TCP_ACK, 0, SEQ + 1 },
	{ "a FIN without ACK counts as one", { .tcp_flags = TCP_FIN, .payload = 10 },
	  TCP_RST | TCP_ACK, 0, SEQ + 11 },
	{ "an ACK is reset where it stands", { .tcp_flags = TCP_ACK, .payload = 1000 }, TCP_RST,
	  ACK, 0 },
	{ "a SYN with ACK is reset where it stands", { .tcp_flags = TCP_SYN | TCP_ACK }, TCP_RST,
	  ACK, 0 },
};

static void reset_expect(const struct reset_row *row, const struct spec *spec,
			 struct frame *ret_frame)
{
	uint8_t *tcp = ret_frame->bytes + ETHERNET + ip_header(spec->ipv6);
	uint16_t start, offset;
	struct spec back;

	turn(spec, &back);
	back.sport = spec->dport;
	back.dport = 40000;
	back.tcp_flags = row->flags;
	frame_build(&back, ret_frame);
	put32(tcp + 4, row->seq);
	put32(tcp + 8, row->ack);
	memset(tcp + 14, 0, 2); /* window */
	if (!spec->ipv6)
		identification_clear(ret_frame);
	frame_checksum_leave(ret_frame, &start, &offset);
	frame_checksum_finish(ret_frame, start, offset);
}

static void reset_run(const struct reset_row *row, bool ipv6, uint16_t port)
{
	struct frame in, expected;
	struct outcome outcome;
	struct spec spec = row->spec;

	spec.ipv6 = ipv6;
	spec.src = CLIENT;
	spec.dst = VIP;
	spec.dport = port;
	frame_build(&spec, &in);
	reset_expect(row, &spec, &expected);
	ground_run(ground, LB, FRONT, &in, &outcome);
	assert_verdict(outcome.verdict, LB_TX_REJECT);
	/* Ethernet's least size stays; what pads it means nothing. */
	if (expected.size < 60)
		assert_int_equal(outcome.out.size, in.size < 60 ? in.size : 60);
	else
		assert_int_equal(outcome.out.size, expected.size);
	assert_memory_equal(outcome.out.bytes, expected.bytes, expected.size);
}

static void test_reset(void **state)
{
	const struct trial *trial = *state;

	reset_run(trial->row, trial->ipv6, 80);
	reset_run(trial->row, trial->ipv6, 81);
}

/* ---- port unreachable ----------------------------------------------------------------------- */

struct quote_row {
	const char *sentence;
	struct spec spec;
};

static const struct quote_row quote_rows[] = {
	{ "a datagram is quoted in full", { .payload = 100 } },
	{ "a datagram of odd length is quoted in full", { .payload = 77 } },
	{ "a datagram of three bytes", { .payload = 3 } },
	{ "an empty datagram", { .payload = 0 } },
	{ "padding is not quoted", { .payload = 1, .padding = 17 } },
	{ "the longest that is quoted in full over IPv4", { .payload = LIMIT_IPV4 - 28 - 28 } },
	{ "one byte more than fits over IPv4", { .payload = LIMIT_IPV4 - 28 - 28 + 1 } },
	{ "the longest that is quoted in full over IPv6", { .payload = LIMIT_IPV6 - 48 - 48 } },
	{ "one byte more than fits over IPv6", { .payload = LIMIT_IPV6 - 48 - 48 + 1 } },
	{ "a full frame", { .payload = 1440 } },
	{ "a datagram without a checksum", { .payload = 100, .no_checksum = true } },
};

static void icmp_checksum_put(uint8_t *ip, bool ipv6, size_t size)
{
	uint8_t *icmp = ip + ip_header(ipv6), rest[4] = { size >> 8, size & 0xff, 0, 58 };
	uint16_t sum = 0;

	if (ipv6) {
		sum = internet_sum(0, ip + 8, 32);
		sum = internet_sum(sum, rest, sizeof(rest));
	}
	sum = htons((uint16_t)~internet_sum(sum, icmp, size));
	memcpy(icmp + 2, &sum, 2);
}

static void unreachable_expect(const struct spec *spec, const struct frame *in,
			       struct frame *ret_frame)
{
	size_t header = ip_header(spec->ipv6);
	size_t quote = in->size - spec->padding - ETHERNET;
	size_t most = (spec->ipv6 ? LIMIT_IPV6 : LIMIT_IPV4) - header - ICMP;
	uint8_t *icmp = ret_frame->bytes + ETHERNET + header;
	struct spec back;

	if (quote > most)
		quote = most;
	turn(spec, &back);
	back.protocol = spec->ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	back.payload = ICMP + quote;
	frame_build(&back, ret_frame);
	if (!spec->ipv6)
		identification_clear(ret_frame);
	memset(icmp, 0, ICMP);
	icmp[0] = spec->ipv6 ? 1 : 3;
	icmp[1] = spec->ipv6 ? 4 : 3;
	memcpy(icmp + ICMP, in->bytes + ETHERNET, quote);
	icmp_checksum_put(ret_frame->bytes + ETHERNET, spec->ipv6, ICMP + quote);
}

static void test_port_unreachable(void **state)
{
	const struct trial *trial = *state;
	const struct quote_row *row = trial->row;
	struct frame in, expected;
	struct outcome outcome;
	struct spec spec = row->spec;

	spec.ipv6 = trial->ipv6;
	spec.protocol = IPPROTO_UDP;
	spec.src = CLIENT;
	spec.dst = VIP;
	spec.dport = 80;
	frame_build(&spec, &in);
	unreachable_expect(&spec, &in, &expected);
	ground_run(ground, LB, FRONT, &in, &outcome);
	assert_verdict(outcome.verdict, LB_TX_REJECT);
	assert_frame(&outcome.out, &expected);
}

/* ---- who is not answered -------------------------------------------------------------------- */

struct silent_row {
	const char *sentence;
	enum kinds kinds;
	struct spec spec;
};

#define FROM(v4, v6) .src = { v4, v6 }, .dst = VIP, .dport = 80
#define MANY { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }

static const struct silent_row silent_rows[] = {
	{ "a service that drops when it is down", ALL, { .src = CLIENT, .dst = VIP, .dport = 82 } },
	{ "a reset", TCP_ONLY, { .src = CLIENT, .dst = VIP, .dport = 80, .tcp_flags = TCP_RST } },
	{ "a reset with ACK", TCP_ONLY,
	  { .src = CLIENT, .dst = VIP, .dport = 80, .tcp_flags = TCP_RST | TCP_ACK } },
	{ "what was sent to all of the link", ALL,
	  { .src = CLIENT, .dst = VIP, .dport = 80, .dst_mac = MANY } },
	{ "no address as the source", ALL, { FROM("0.0.0.0", "::") } },
	{ "a group as the source", ALL, { FROM("224.0.0.1", "ff02::1") } },
	{ "the limited broadcast as the source", IPV4_ONLY, { FROM("255.255.255.255", "::") } },
	{ "loopback as the source", IPV4_ONLY, { FROM("127.0.0.1", "::") } },
};

static void test_silence(void **state)
{
	const struct trial *trial = *state;
	const struct silent_row *row = trial->row;
	struct spec spec = row->spec;
	struct outcome outcome;
	struct frame in;

	spec.ipv6 = trial->ipv6;
	spec.protocol = trial->udp ? IPPROTO_UDP : IPPROTO_TCP;
	frame_build(&spec, &in);
	ground_run(ground, LB, FRONT, &in, &outcome);
	assert_verdict(outcome.verdict, LB_DROP_NO_BACKEND);
}

/* ---- rations -------------------------------------------------------------------------------- */

/* The clock that rations are saved by. */
static uint64_t clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

static void rations_set(uint64_t at_ms, uint64_t tokens)
{
	struct lb_ration *rations = calloc(libbpf_num_possible_cpus(), sizeof(*rations));
	uint32_t zero = 0;

	assert_non_null(rations);
	for (int cpu = 0; cpu < libbpf_num_possible_cpus(); cpu++)
		rations[cpu] = (struct lb_ration){ at_ms, tokens };
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(ground->lb[0]->maps.lb_rations), &zero,
					     rations, BPF_ANY), 0);
	free(rations);
}

/* What one packet gets with so much saved, in a run during which nothing more was. */
static enum lb_verdict ration_run(const struct frame *in, uint64_t tokens)
{
	struct outcome outcome;
	uint64_t began;

	do {
		began = clock_ms();
		rations_set(began, tokens);
		ground_run(ground, LB, FRONT, in, &outcome);
	} while (clock_ms() != began);
	return outcome.verdict;
}

static void test_errors_are_rationed(void **state)
{
	const struct trial *trial = *state;
	struct spec spec = { .ipv6 = trial->ipv6, .src = CLIENT, .dst = VIP, .dport = 80,
			     .protocol = trial->udp ? IPPROTO_UDP : IPPROTO_TCP };
	struct outcome outcome;
	struct frame in;

	frame_build(&spec, &in);
	assert_verdict(ration_run(&in, 1), LB_TX_REJECT);
	assert_verdict(ration_run(&in, 0), trial->udp ? LB_DROP_NO_BACKEND : LB_TX_REJECT);
	rations_set(clock_ms() - 1, 0);
	ground_run(ground, LB, FRONT, &in, &outcome);
	assert_verdict(outcome.verdict, LB_TX_REJECT);
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(reset_rows); i++)
		trial_add(reset_rows[i].sentence, TCP_ONLY, test_reset, &reset_rows[i]);
	for (size_t i = 0; i < ARRAY_SIZE(quote_rows); i++)
		trial_add(quote_rows[i].sentence, UDP_ONLY, test_port_unreachable, &quote_rows[i]);
	for (size_t i = 0; i < ARRAY_SIZE(silent_rows); i++)
		trial_add(silent_rows[i].sentence, silent_rows[i].kinds, test_silence,
			  &silent_rows[i]);
	trial_add("errors are rationed, resets are not", ALL, test_errors_are_rationed, NULL);
	return trials_run_over(config, hops);
}
