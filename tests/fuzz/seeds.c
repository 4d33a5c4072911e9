/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A seed is a TCP or UDP packet from frame_build(), or an ICMP packet made around one, into which
 * extensions and tags are then put. */
#include "tests/fuzz/seeds.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "tests/fuzz/layers.h"

/* ---- the ground ----------------------------------------------------------------------------- */

#define SERVICE(name, vip, port, forward, protocol, more, backends)                               \
	"{ name = \"" name "-" protocol "\"; vips = [ \"203.0.113." vip "\", \"2001:db8::" vip    \
	"\" ]; protocol = \"" protocol "\"; ports = [ " port " ]; forward = \"" forward "\"; "    \
	more " backends = ( " backends " ); }\n"
#define BACKEND(name, v4, v6, more)                                                               \
	"{ name = \"" name "\"; address = [ \"" v4 "\", \"" v6 "\" ]; " more " }"
#define NEAR(name, host, more) BACKEND(name, "10.1.0." host, "fd00::" host, more)
#define FAR(name, host, more) BACKEND(name, "192.0.2." host, "2001:db8:2::" host, more)

#define SOURCE4 "192.0.2.64/28"
#define SOURCE6 "2001:db8:2:1::/124"
#define SOURCES "encap_source = [ \"" SOURCE4 "\", \"" SOURCE6 "\" ];"

#define SERVICES(protocol)                                                                        \
	SERVICE("near", "10", "80", "nat", protocol, "", NEAR("a", "2", "port = 8080;") ","       \
		NEAR("b", "3", "port = 8080;") "," NEAR("c", "4", "port = 8080;")) ","            \
	SERVICE("keep", "10", "81", "nat", protocol, "", NEAR("a", "5", "")) ","                  \
	SERVICE("far", "10", "82", "nat", protocol, "", FAR("a", "20", "port = 8080;")) ","       \
	SERVICE("behind", "10", "83", "nat", protocol, "", NEAR("a", "30", "port = 8080;")) ","   \
	SERVICE("dsr", "10", "84", "dsr", protocol, "", NEAR("a", "6", "") ","                    \
		NEAR("b", "7", "")) ","                                                           \
	SERVICE("dsrfar", "10", "85", "dsr", protocol, "", FAR("a", "21", "")) ","                \
	SERVICE("reject", "10", "86", "dsr", protocol, "when_down = \"reject\";", "") ","         \
	SERVICE("empty", "12", "87", "dsr", protocol, "", "") ","                                 \
	SERVICE("lost", "10", "88", "nat", protocol, "", NEAR("a", "8", "port = 88;")) ","        \
	SERVICE("track", "10", "89", "nat", protocol, "track = \"always\";",                      \
		NEAR("a", "9", "port = 8089;") "," NEAR("b", "10", "port = 8089;")) ","           \
	SERVICE("range", "10", "\"9000-9010\"", "nat", protocol, "", NEAR("a", "11", "")) ","     \
	SERVICE("any", "11", "", "dsr", protocol, "", NEAR("a", "12", "")) ","                    \
	SERVICE("ipip", "10", "90", "ipip", protocol, SOURCES, FAR("a", "22", "")) ","            \
	SERVICE("gue", "10", "91", "gue", protocol, SOURCES, FAR("a", "22", "")) ","              \
	SERVICE("in6", "10", "92", "ipip", protocol, "encap_source = \"" SOURCE6 "\";",           \
		"{ name = \"a\"; address = \"fd00::23\"; }") ","                                  \
	SERVICE("in4", "10", "93", "gue", protocol, "encap_source = \"" SOURCE4 "\";",            \
		"{ name = \"a\"; address = \"10.1.0.24\"; }")

static const char config[] =
	"version = 1; services = (\n" SERVICES("tcp") "," SERVICES("udp") ");"
	"tuning: { hash_seed = \"fuzz\"; max_slots = 100000; };";

#define REMOTE(name, ifindex) { name "-tcp/a", ifindex, true }, { name "-udp/a", ifindex, true }

static const struct ground_hop hops[] = {
	REMOTE("far", FRONT), REMOTE("behind", BACK), REMOTE("dsrfar", FRONT),
	REMOTE("ipip", FRONT), REMOTE("gue", FRONT), { 0 },
};

/* A next hop is lost while slots still name the backend; ways that encapsulated packets go are
 * narrow enough for some not to fit. */
struct ground *seeds_ground_open(void)
{
	struct ground *ground = ground_open(config, hops);

	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		const struct backend *lost = ground_backend(ground, "lost-tcp/a", ipv6);

		ground->dataplane->backends[lost->id].ifindex = 0;
	}
	for (uint32_t id = 1; id < LB_MAX_BACKENDS; id++)
		if (ground->dataplane->backends[id].forward > LB_FORWARD_DSR)
			ground->dataplane->backends[id].mtu = 1300;
	return ground;
}

/* ---- who talks to whom ---------------------------------------------------------------------- */

#define VIP		((struct host){ "203.0.113.10", "2001:db8::10" })
#define VIP_ANY		((struct host){ "203.0.113.11", "2001:db8::11" })
#define VIP_DOWN	((struct host){ "203.0.113.12", "2001:db8::12" })
#define STRANGER	((struct host){ "203.0.113.99", "2001:db8::99" })

static const struct {
	struct host host;
	uint16_t port;
} to[] = {
	{ VIP, 80 }, { VIP, 81 }, { VIP, 82 }, { VIP, 83 }, { VIP, 84 }, { VIP, 85 }, { VIP, 86 },
	{ VIP_DOWN, 87 }, { VIP, 88 }, { VIP, 89 }, { VIP, 9005 }, { VIP_ANY, 7 }, { VIP, 22 },
	{ VIP, 90 }, { VIP, 90 }, { VIP, 91 }, { VIP, 91 }, { VIP, 92 }, { VIP, 93 },
	{ STRANGER, 80 },
};

/* `ifindex`: where a backend's replies come in; by FRONT they meet lb, else lb_reply. */
static const struct {
	struct host host;
	uint16_t port;
	unsigned int ifindex;
} from[] = {
	{ { "10.1.0.2", "fd00::2" }, 8080, BACK },
	{ { "10.1.0.5", "fd00::5" }, 81, BACK },
	{ { "10.1.0.9", "fd00::9" }, 8089, BACK },
	{ { "10.1.0.11", "fd00::11" }, 9005, BACK },
	{ { "192.0.2.20", "2001:db8:2::20" }, 8080, FRONT },
	{ { "10.1.0.30", "fd00::30" }, 8080, FRONT },
	{ { "10.1.0.6", "fd00::6" }, 84, BACK },
};

static const struct host clients[] = {
	{ "198.51.100.7", "2001:db8:c0::7" }, { "198.51.100.8", "2001:db8:c0::8" },
	{ "198.51.101.7", "2001:db8:c1::7" }, { "198.51.102.7", "2001:db8:c2::7" },
	{ "198.51.104.7", "2001:db8:c4::7" }, { "10.1.0.99", "fd00::99" },
};

static struct host client_any(struct random *random)
{
	return clients[random_below(random, ARRAY_SIZE(clients))];
}

/* Few, so that flows and datagrams come again. */
static uint16_t port_any(struct random *random)
{
	return 40000 + random_below(random, 16);
}

static void spec_of_client(struct random *random, struct spec *spec)
{
	size_t i = random_below(random, ARRAY_SIZE(to));

	spec->src = client_any(random);
	spec->sport = port_any(random);
	spec->dst = to[i].host;
	spec->dport = to[i].port;
}

static unsigned int spec_of_backend(struct random *random, struct spec *spec)
{
	size_t i = random_below(random, ARRAY_SIZE(from));

	spec->src = from[i].host;
	spec->sport = from[i].port;
	spec->dst = client_any(random);
	spec->dport = port_any(random);
	return from[i].ifindex;
}

static uint16_t payload_any(struct random *random)
{
	return random_one_in(random, 8) ? random_below(random, 1400) : random_below(random, 64);
}

static void spec_fill(struct random *random, struct spec *spec)
{
	static const uint8_t flags[] = { TCP_ACK, TCP_ACK, TCP_SYN, TCP_SYN | TCP_ACK,
					 TCP_FIN | TCP_ACK, TCP_RST, TCP_RST | TCP_ACK };

	spec->ipv6 = random_one_in(random, 2);
	spec->protocol = random_one_in(random, 2) ? IPPROTO_UDP : IPPROTO_TCP;
	spec->tcp_flags = flags[random_below(random, ARRAY_SIZE(flags))];
	spec->payload = payload_any(random);
	spec->word = random_next(random);
	if (random_one_in(random, 4))
		spec->tcp_options = random_below(random, 11);
	if (random_one_in(random, 16))
		spec->ttl = 1 + random_below(random, 3);
	if (random_one_in(random, 12))
		spec->ip_options = 1 + random_below(random, 10);
	if (random_one_in(random, 6))
		spec->padding = 1 + random_below(random, 46);
	spec->no_checksum = spec->protocol == IPPROTO_UDP && random_one_in(random, 8);
	spec->wrong_checksum = random_one_in(random, 16);
}

/* ---- fragments ------------------------------------------------------------------------------ */

/* Of one datagram each, from one client to one service: pieces of a few ids, in any order. */
static void fragment_make(struct random *random, const struct spec *spec, struct frame *frame)
{
	struct spec piece = *spec;
	struct layers layers;

	piece.ip_options = 0;
	piece.fragment = FRAGMENT_FIRST + random_below(random, 3);
	piece.payload = 8 * (1 + random_below(random, 40));
	if (piece.fragment == FRAGMENT_FIRST && piece.protocol == IPPROTO_TCP)
		piece.tcp_options = 1; /* 24 bytes */
	frame_build(&piece, frame);
	layers_read(frame, &layers);
	frame->bytes[layers.ipv6 ? layers.l4 - 1 : layers.ip + 5] = random_below(random, 8);
	if (random_one_in(random, 8)) { /* tiny, or overlapping the header */
		size_t at = layers.ipv6 ? layers.l4 - 6 : layers.ip + 6;
		uint16_t offset = random_below(random, 4), more = word_at(frame, at);

		word_put(frame, at, layers.ipv6 ? offset << 3 | (more & 1)
						: offset | (more & 0x2000));
	}
	if (piece.fragment == FRAGMENT_FIRST && random_one_in(random, 2))
		word_put(frame, layers.l4 + 4, 3000); /* UDP: of the whole datagram */
	checksums_fix(frame);
}

/* ---- ICMP ----------------------------------------------------------------------------------- */

/* `quoted` NULL: an echo request. */
static void icmp_make(struct random *random, const struct spec *outer, const struct frame *quoted,
		      struct frame *frame)
{
	static const uint8_t errors4[] = { 3, 3, 11, 12 }, errors6[] = { 1, 2, 3, 4 };
	struct spec spec = *outer;
	size_t bytes = quoted ? quoted->size - 14 : random_below(random, 100), header;
	uint8_t *icmp;

	header = spec.ipv6 ? 40 : 20;
	if (quoted && random_one_in(random, 2)) /* 8 bytes, or a part of the TCP header */
		bytes = header + 8 + random_below(random, 24);
	if (quoted && bytes > quoted->size - 14)
		bytes = quoted->size - 14;
	spec.protocol = spec.ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	spec.payload = 8 + bytes;
	spec.ip_options = 0;
	spec.padding = random_one_in(random, 3) ? random_below(random, 40) : 0;
	frame_build(&spec, frame);
	icmp = frame->bytes + 14 + header;
	memset(icmp, 0, 8);
	icmp[0] = spec.ipv6 ? 128 : 8;
	if (quoted) {
		icmp[0] = (spec.ipv6 ? errors6 : errors4)[random_below(random, 4)];
		icmp[1] = random_below(random, 5);
		memcpy(icmp + 8, quoted->bytes + 14, bytes);
	}
	checksums_fix(frame);
}

static void turn(struct spec *spec)
{
	struct host src = spec->src;
	uint16_t sport = spec->sport;

	spec->src = spec->dst;
	spec->dst = src;
	spec->sport = spec->dport;
	spec->dport = sport;
}

/* About the answer to `flow`: from whom it was for, or from a router. */
static void error_make(struct random *random, const struct spec *flow, struct frame *frame)
{
	struct spec answer = *flow, outer = *flow;
	struct frame quoted;

	turn(&answer);
	answer.ip_options = answer.padding = 0;
	if (random_one_in(random, 2))
		outer.src = (struct host){ "192.0.2.254", "2001:db8:2::fe" };
	frame_build(&answer, &quoted);
	icmp_make(random, &outer, &quoted, frame);
}

/* By a router on the way of an outer packet. Which outer source a flow has is a keyed hash's choice
 * of sixteen: some guesses are right. */
static void router_word_make(struct random *random, const struct spec *flow, struct frame *frame)
{
	uint32_t guess = random_below(random, 16);
	char source4[32], source6[64];
	struct spec inner = *flow, outer = { .ipv6 = flow->ipv6 }, said = { .ipv6 = flow->ipv6 };
	struct frame packet, quoted;
	struct layers layers;

	snprintf(source4, sizeof(source4), "192.0.2.%u", 64 + guess);
	snprintf(source6, sizeof(source6), "2001:db8:2:1::%x", guess);
	inner.dst = VIP;
	inner.dport = 90;
	inner.ip_options = inner.padding = 0;
	inner.payload = 1200 + random_below(random, 200);
	frame_build(&inner, &packet);
	outer.src = said.dst = (struct host){ source4, source6 };
	outer.dst = (struct host){ "192.0.2.22", "2001:db8:2::22" };
	outer.protocol = inner.ipv6 ? IPPROTO_IPV6 : IPPROTO_IPIP;
	outer.payload = packet.size - 14;
	frame_build(&outer, &quoted);
	memcpy(quoted.bytes + quoted.size - outer.payload, packet.bytes + 14, outer.payload);
	quoted.size -= random_below(random, 1200);
	said.src = (struct host){ "192.0.2.254", "2001:db8:2::fe" };
	icmp_make(random, &said, &quoted, frame);
	layers_read(frame, &layers);
	word_put(frame, layers.l4, said.ipv6 ? 0x0200 : 0x0304);
	word_put(frame, layers.l4 + 6, 500 + random_below(random, 1000));
	checksums_fix(frame);
}

/* ---- what is put in between ----------------------------------------------------------------- */

static bool gap_make(struct frame *frame, size_t at, size_t bytes)
{
	if (frame->size + bytes > FRAME_MAX - 64 || at > frame->size)
		return false;
	memmove(frame->bytes + at + bytes, frame->bytes + at, frame->size - at);
	frame->size += bytes;
	return true;
}

/* Up to more than the programs walk through; hop-by-hop options only first. */
static void extensions_put(struct random *random, struct frame *frame)
{
	static const uint8_t kinds[] = { IPPROTO_DSTOPTS, IPPROTO_ROUTING, IPPROTO_DSTOPTS };
	size_t ip = 14, count = 1 + random_below(random, 8);

	for (size_t i = 0; i < count; i++) {
		uint8_t kind = i + 1 == count && random_one_in(random, 2)
				       ? IPPROTO_HOPOPTS
				       : kinds[random_below(random, ARRAY_SIZE(kinds))];
		size_t bytes = 8 * (1 + random_below(random, random_one_in(random, 4) ? 12 : 2));

		if (!gap_make(frame, ip + 40, bytes))
			return;
		memset(frame->bytes + ip + 40, 0, bytes); /* Pad1; a routing header at its end */
		frame->bytes[ip + 40] = frame->bytes[ip + 6];
		frame->bytes[ip + 41] = bytes / 8 - 1;
		frame->bytes[ip + 6] = kind;
		word_put(frame, ip + 4, word_at(frame, ip + 4) + bytes);
	}
}

static void tags_put(struct random *random, struct frame *frame)
{
	for (uint32_t tags = 1 + random_below(random, random_one_in(random, 6) ? 3 : 2); tags;
	     tags--) {
		if (!gap_make(frame, 12, 4))
			return;
		word_put(frame, 12, random_one_in(random, 3) ? 0x88a8 : 0x8100);
		word_put(frame, 14, random_next(random));
	}
}

/* ---- seeds ---------------------------------------------------------------------------------- */

static void frame_make(struct random *random, struct spec *spec, struct frame *frame)
{
	static const uint8_t others[] = { 47, 50, 132, 59, 4, 41 };

	switch (random_below(random, 10)) {
	case 0:
	case 1:
		fragment_make(random, spec, frame);
		return;
	case 2:
	case 3:
		error_make(random, spec, frame);
		return;
	case 4:
		icmp_make(random, spec, NULL, frame);
		return;
	case 5:
		if (random_one_in(random, 4))
			spec->protocol = others[random_below(random, ARRAY_SIZE(others))];
		frame_build(spec, frame);
		return;
	case 6:
		if (random_one_in(random, 2)) {
			router_word_make(random, spec, frame);
			return;
		}
		/* fall through */
	default:
		frame_build(spec, frame);
		if (!spec->ipv6 && random_one_in(random, 4)) { /* may be fragmented */
			word_put(frame, 20, 0);
			checksums_fix(frame);
		}
	}
}

void seed_make(struct random *random, struct packet_in *ret_packet)
{
	struct spec spec = { 0 };
	struct frame *frame = &ret_packet->frame;

	spec_fill(random, &spec);
	ret_packet->ifindex = FRONT;
	if (random_one_in(random, 3))
		ret_packet->ifindex = spec_of_backend(random, &spec);
	else
		spec_of_client(random, &spec);
	ret_packet->program = ret_packet->ifindex == FRONT ? LB : LB_REPLY;
	if (random_one_in(random, 16))
		ret_packet->program = ret_packet->program == LB ? LB_REPLY : LB;
	frame_make(random, &spec, frame);
	if (spec.ipv6 && random_one_in(random, 6))
		extensions_put(random, frame);
	if (random_one_in(random, 5))
		tags_put(random, frame);
}
