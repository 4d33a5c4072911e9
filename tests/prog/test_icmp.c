/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ICMP about flows: errors go where the flow goes, translated outside and inside; echo requests to
 * a vip are answered while it is up. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "tests/prog/words.h"

#define VIP	((struct host){ "203.0.113.10", "2001:db8::10" })
#define VIP_DOWN ((struct host){ "203.0.113.11", "2001:db8::11" })
#define NEAR	((struct host){ "10.1.0.2", "fd00::2" })
#define FAR	((struct host){ "192.0.2.20", "2001:db8:2::20" })
#define ROUTER	((struct host){ "198.51.100.1", "2001:db8:c0::1" })
#define STRANGER ((struct host){ "203.0.113.99", "2001:db8::99" })

#define SERVICE(name, protocol, vip, port, forward, v4, v6, more)                                 \
	"{ name = \"" name "-" protocol "\"; vips = [ \"203.0.113." vip "\", \"2001:db8::" vip    \
	"\" ];  protocol = \"" protocol "\"; ports = [ " port " ]; forward = \"" forward "\"; "   \
	"backends = ( { name = \"a\"; address = [ \"" v4 "\", \"" v6 "\" ]; " more "} ); }\n"
#define NAT "port = 8080; "
#define SERVICES(protocol)                                                                        \
	SERVICE("near", protocol, "10", "80", "nat", "10.1.0.2", "fd00::2", NAT) ","              \
	SERVICE("far", protocol, "10", "81", "nat", "192.0.2.20", "2001:db8:2::20", NAT) ","      \
	SERVICE("dsr", protocol, "10", "82", "dsr", "10.1.0.5", "fd00::5", "") ","                \
	SERVICE("keep", protocol, "10", "83", "nat", "10.1.0.6", "fd00::6", "") ","               \
	SERVICE("off", protocol, "11", "80", "dsr", "10.1.0.7", "fd00::7", "state = \"off\"; ")

static const char config[] = "version = 1; services = (\n" SERVICES("tcp") "," SERVICES("udp") ");"
			     "tuning: { hash_seed = \"icmp\"; max_slots = 100000; };";

static const struct ground_hop hops[] = {
	{ "far-tcp/a", FRONT, true }, { "far-udp/a", FRONT, true }, { 0 },
};

/* ---- frames --------------------------------------------------------------------------------- */

struct message {
	uint8_t type, code;
	uint32_t rest;
};

static size_t ip_header(bool ipv6)
{
	return ipv6 ? 40 : 20;
}

/* ICMP of `words` (addresses, MACs, TTL, tags) with this content. */
static void icmp_build(const struct spec *words, const struct message *message,
		       const uint8_t *content, size_t size, struct frame *ret_frame)
{
	size_t link = 14 + (words->tags[0].tpid ? 4 : 0) + (words->tags[1].tpid ? 4 : 0);
	uint8_t rest[4] = { 0, 0, 0, IPPROTO_ICMPV6 };
	struct spec spec = *words;
	uint8_t *ip, *icmp;
	uint16_t sum = 0;
	uint32_t value = htonl(message->rest);

	spec.protocol = spec.ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	spec.payload = 8 + size;
	frame_build(&spec, ret_frame);
	ip = ret_frame->bytes + link;
	icmp = ip + ip_header(spec.ipv6);
	memset(icmp, 0, 8);
	icmp[0] = message->type;
	icmp[1] = message->code;
	memcpy(icmp + 4, &value, 4);
	memcpy(icmp + 8, content, size);
	rest[0] = spec.payload >> 8;
	rest[1] = spec.payload & 0xff;
	if (spec.ipv6)
		sum = internet_sum(internet_sum(0, ip + 8, 32), rest, sizeof(rest));
	sum = htons((uint16_t)~internet_sum(sum, icmp, spec.payload));
	memcpy(icmp + 2, &sum, 2);
}

/* What an error quotes: the packet of these words, from its IP header on, cut to so many bytes of
 * TCP or UDP. */
static size_t quote_build(const struct spec *words, size_t l4_bytes, uint8_t *ret_quote)
{
	size_t size = ip_header(words->ipv6) + l4_bytes;
	struct frame frame;

	frame_build(words, &frame);
	if (size > frame.size - 14)
		size = frame.size - 14;
	memcpy(ret_quote, frame.bytes + 14, size);
	return size;
}

/* ---- errors to a backend -------------------------------------------------------------------- */

struct row {
	const char *sentence, *service;
	uint16_t port, backend_port;
	enum lb_verdict verdict;
	struct message v4, v6;
	size_t quoted;		/* bytes of TCP or UDP */
	struct tag tags[2];
};

#define UNREACHABLE { 3, 1, 0 }, { 1, 3, 0 }
#define TOO_BIG { 3, 4, 1400 }, { 2, 0, 1400 }
#define EXCEEDED { 11, 0, 0 }, { 3, 0, 0 }
#define PROBLEM { 12, 0, 0x08000000 }, { 4, 1, 6 }

static const struct row rows[] = {
	{ "too big, for a container", "near", 80, 8080, LB_REDIRECT_NAT, TOO_BIG, 500, { { 0 } } },
	{ "too big, with 8 bytes quoted", "near", 80, 8080, LB_REDIRECT_NAT, TOO_BIG, 8,
	  { { 0 } } },
	{ "unreachable, with 20 bytes quoted", "near", 80, 8080, LB_REDIRECT_NAT, UNREACHABLE, 20,
	  { { 0 } } },
	{ "time exceeded, with 19 bytes quoted", "near", 80, 8080, LB_REDIRECT_NAT, EXCEEDED, 19,
	  { { 0 } } },
	{ "a parameter problem", "near", 80, 8080, LB_REDIRECT_NAT, PROBLEM, 40, { { 0 } } },
	{ "too big, for another host: the TTL goes down", "far", 81, 8080, LB_TX_NAT, TOO_BIG, 100,
	  { { 0 } } },
	{ "too big, for a backend that keeps the port", "keep", 83, 0, LB_REDIRECT_NAT, TOO_BIG,
	  100, { { 0 } } },
	{ "too big, for a dsr backend: as it came", "dsr", 82, 0, LB_REDIRECT_DSR, TOO_BIG, 100,
	  { { 0 } } },
	{ "too big, behind a tag", "near", 80, 8080, LB_REDIRECT_NAT, TOO_BIG, 100,
	  { { 0x8100, 5 } } },
};

static void error_build(const struct spec *outer, const struct spec *quoted, const struct row *row,
			struct frame *ret_frame)
{
	uint8_t quote[FRAME_MAX];
	size_t size = quote_build(quoted, row->quoted, quote);

	icmp_build(outer, outer->ipv6 ? &row->v6 : &row->v4, quote, size, ret_frame);
}

static void test_error(void **state)
{
	const struct trial *trial = *state;
	const struct row *row = trial->row;
	struct spec outer = { .ipv6 = trial->ipv6, .src = ROUTER, .dst = VIP };
	struct spec quoted = { .ipv6 = trial->ipv6, .src = VIP, .dst = CLIENT, .sport = row->port,
			       .dport = 40000, .payload = 300, .ttl = 7,
			       .protocol = trial->udp ? IPPROTO_UDP : IPPROTO_TCP };
	char name[2 * LB_NAME_MAX], text[ADDR_TEXT_MAX];
	struct frame frame, expected;
	struct outcome outcome;
	struct spec out;

	memcpy(outer.tags, row->tags, sizeof(outer.tags));
	error_build(&outer, &quoted, row, &frame);
	backend_name(row->service, trial, name);
	spec_at_backend(&outer, ground_backend(ground, name, trial->ipv6), text, &out);
	if (row->backend_port)
		quoted.sport = row->backend_port;
	if (row->verdict != LB_REDIRECT_DSR)
		quoted.src = out.dst;
	error_build(&out, &quoted, row, &expected);
	ground_run(ground, LB, FRONT, &frame, &outcome);
	assert_verdict(outcome.verdict, row->verdict);
	assert_string_equal(outcome.name, name);
	assert_frame(&outcome.out, &expected);
}

/* ---- errors from a backend ------------------------------------------------------------------ */

/* `from`: who says it: the backend, or a router on the way to it. */
static void error_back_run(const struct trial *trial, enum program program, struct host backend,
			   struct host from, enum lb_verdict verdict)
{
	static const struct row row = { .v4 = { 3, 3, 0 }, .v6 = { 1, 4, 0 }, .quoted = 100 };
	bool far = program == LB, own = !strcmp(from.ipv4, backend.ipv4);
	struct spec outer = { .ipv6 = trial->ipv6, .src = from, .dst = CLIENT }, out;
	struct spec quoted = { .ipv6 = trial->ipv6, .src = CLIENT, .dst = backend, .sport = 40000,
			       .dport = 8080, .payload = 200, .ttl = 7,
			       .protocol = trial->udp ? IPPROTO_UDP : IPPROTO_TCP };
	struct frame frame, expected;
	struct outcome outcome;

	error_build(&outer, &quoted, &row, &frame);
	out = outer;
	if (own)
		out.src = VIP;
	quoted.dst = VIP;
	quoted.dport = far ? 81 : 80;
	if (far) {
		out.ttl = 63;
		memcpy(out.dst_mac, front_router_mac, 6);
		memcpy(out.src_mac, front_mac, 6);
	}
	error_build(&out, &quoted, &row, &expected);
	ground_run(ground, program, far ? FRONT : BACK, &frame, &outcome);
	assert_verdict(outcome.verdict, verdict);
	assert_frame(&outcome.out, &expected);
}

static void test_a_containers_error(void **state)
{
	error_back_run(*state, LB_REPLY, NEAR, NEAR, LB_REDIRECT_REPLY);
}

static void test_another_hosts_error(void **state)
{
	error_back_run(*state, LB, FAR, FAR, LB_TX_REPLY);
}

static void test_an_error_on_the_way_to_a_backend(void **state)
{
	error_back_run(*state, LB_REPLY, NEAR, ROUTER, LB_REDIRECT_REPLY);
	error_back_run(*state, LB, FAR, ROUTER, LB_TX_REPLY);
}

/* ---- errors that are about nothing of ours -------------------------------------------------- */

static void stray_run(const struct trial *trial, const struct spec *quoted, size_t l4_bytes,
		      enum lb_verdict verdict)
{
	const struct row row = { .v4 = { 3, 1, 0 }, .v6 = { 1, 3, 0 }, .quoted = l4_bytes };
	struct spec outer = { .ipv6 = trial->ipv6, .src = ROUTER, .dst = VIP };
	struct outcome outcome;
	struct frame frame;

	error_build(&outer, quoted, &row, &frame);
	ground_run(ground, LB, FRONT, &frame, &outcome);
	assert_verdict(outcome.verdict, verdict);
}

static void test_stray_errors_are_the_stacks(void **state)
{
	const struct trial *trial = *state;
	struct spec quoted = { .ipv6 = trial->ipv6, .src = VIP, .dst = CLIENT, .sport = 80,
			       .dport = 40000, .payload = 64,
			       .protocol = trial->udp ? IPPROTO_UDP : IPPROTO_TCP };

	stray_run(trial, &quoted, 7, LB_PASS_PROTOCOL);
	stray_run(trial, &quoted, 0, LB_PASS_PROTOCOL);
	quoted.sport = 22;
	stray_run(trial, &quoted, 64, LB_PASS_NOT_SERVICE);
	quoted.sport = 80;
	quoted.src = STRANGER;
	stray_run(trial, &quoted, 64, LB_PASS_NOT_SERVICE);
	quoted.src = VIP;
	quoted.protocol = IPPROTO_SCTP;
	stray_run(trial, &quoted, 64, LB_PASS_PROTOCOL);
	quoted.protocol = IPPROTO_UDP;
	quoted.fragment = FRAGMENT_LAST;
	stray_run(trial, &quoted, 64, LB_PASS_PROTOCOL);
}

/* ---- echo ----------------------------------------------------------------------------------- */

static void echo_run(const struct trial *trial, struct host vip, uint8_t ttl, size_t size,
		     enum lb_verdict verdict)
{
	struct message request = { 8, 0, 0x12340001 }, reply = { 0, 0, 0x12340001 };
	struct spec in = { .ipv6 = trial->ipv6, .src = CLIENT, .dst = vip, .ttl = ttl,
			   .tags = { { 0x8100, 5 } } }, out = in;
	uint8_t content[1400];
	struct frame frame, expected;
	struct outcome outcome;

	if (trial->ipv6) {
		request.type = 128;
		reply.type = 129;
	}
	for (size_t i = 0; i < size; i++)
		content[i] = i * 7;
	icmp_build(&in, &request, content, size, &frame);
	ground_run(ground, LB, FRONT, &frame, &outcome);
	assert_verdict(outcome.verdict, verdict);
	if (verdict != LB_TX_ECHO)
		return;
	out.src = vip;
	out.dst = CLIENT;
	out.ttl = 64;
	memcpy(out.dst_mac, frame.bytes + 6, 6);
	memcpy(out.src_mac, frame.bytes, 6);
	icmp_build(&out, &reply, content, size, &expected);
	assert_frame(&outcome.out, &expected);
}

static void test_a_vip_that_is_up_answers(void **state)
{
	for (size_t size = 0; size <= 1400; size += 1 + size * 3)
		echo_run(*state, VIP, 1 + size % 250, size, LB_TX_ECHO);
}

static void test_a_vip_that_is_down_does_not(void **state)
{
	echo_run(*state, VIP_DOWN, 64, 56, LB_DROP_ECHO);
}

static void test_other_addresses_are_the_stacks(void **state)
{
	echo_run(*state, STRANGER, 64, 56, LB_PASS_PROTOCOL);
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		trial_add(rows[i].sentence, ALL, test_error, &rows[i]);
	trial_add("a container's error", ALL, test_a_containers_error, NULL);
	trial_add("another host's error", ALL, test_another_hosts_error, NULL);
	trial_add("an error on the way to a backend", ALL, test_an_error_on_the_way_to_a_backend,
		  NULL);
	trial_add("stray errors are the stack's", ALL, test_stray_errors_are_the_stacks, NULL);
	trial_add("a vip that is up answers", TCP4 | TCP6, test_a_vip_that_is_up_answers, NULL);
	trial_add("a vip that is down does not answer", TCP4 | TCP6,
		  test_a_vip_that_is_down_does_not, NULL);
	trial_add("other addresses are the stack's", TCP4 | TCP6,
		  test_other_addresses_are_the_stacks, NULL);
	return trials_run_over(config, hops);
}
