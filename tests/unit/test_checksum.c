/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checksums by increments against checksums made from nothing: the data plane's own rewriting
 * (xdp/rewrite.bpf.h, compiled for user space) over random packets, with the deltas that the
 * daemon puts into a backend. After each step the packet must be, to the byte, what a sender would
 * have made of the new addresses, ports and TTL. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "lb/model/state.h"
#include "xdp/rewrite.bpf.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))
#define TRIALS 1000000
#define PAYLOAD_MAX 47

/* ---- chance --------------------------------------------------------------------------------- */

static uint64_t seed;

/* xorshift64* (Marsaglia 2003, Vigna 2016): quick, and the same everywhere. */
static uint64_t chance(void)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return seed * 0x2545f4914f6cdd1dULL;
}

static bool one_in(unsigned int times)
{
	return (chance() >> 32) % times == 0;
}

/* Words of all zeros and all ones are where one's complement sums go wrong. */
static void bytes_fill(void *to, size_t size)
{
	unsigned char *byte = to;

	for (size_t i = 0; i < size; i++)
		byte[i] = one_in(4) ? (one_in(2) ? 0xff : 0) : chance() >> 56;
}

static uint16_t port_random(void)
{
	uint16_t port;

	bytes_fill(&port, sizeof(port));
	return port ? port : 1;
}

/* ---- the reference: RFC 1071, word by word, in host order ------------------------------------ */

static uint32_t words_sum(const void *data, size_t size)
{
	const unsigned char *byte = data;
	uint32_t sum = 0;

	for (size_t i = 0; i < size; i++)
		sum += i % 2 ? byte[i] : (uint32_t)byte[i] << 8;
	return sum;
}

static uint16_t sum_finish(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return bpf_htons(~sum & 0xffff);
}

/* ---- packets -------------------------------------------------------------------------------- */

struct image { /* an IP packet; IPv6 has the whole of `ip`, IPv4 its last 20 bytes */
	unsigned char ip[40];
	unsigned char l4[20 + PAYLOAD_MAX];
	size_t l4_size;
	bool ipv6, tcp, no_checksum; /* the last: UDP over IPv4 with checksum 0 */
};

struct flow_ends {
	struct addr src, dst;
	uint16_t sport, dport; /* host order */
};

static struct iphdr *ip4_of(struct image *image)
{
	return (struct iphdr *)(image->ip + 20);
}

static struct ipv6hdr *ip6_of(struct image *image)
{
	return (struct ipv6hdr *)image->ip;
}

static __sum16 *check_of(struct image *image)
{
	return image->tcp ? &((struct tcphdr *)image->l4)->check
			  : &((struct udphdr *)image->l4)->check;
}

static uint16_t l4_checksum(struct image *image)
{
	uint32_t sum = (image->tcp ? IPPROTO_TCP : IPPROTO_UDP) + image->l4_size;

	sum += image->ipv6 ? words_sum(&ip6_of(image)->saddr, 32)
			   : words_sum(&ip4_of(image)->saddr, 8);
	return sum_finish(sum + words_sum(image->l4, image->l4_size));
}

static void checksums_make(struct image *image)
{
	if (!image->ipv6) {
		ip4_of(image)->check = 0;
		ip4_of(image)->check = sum_finish(words_sum(ip4_of(image), 20));
	}
	*check_of(image) = 0;
	if (image->no_checksum)
		return;
	*check_of(image) = l4_checksum(image);
	if (!image->tcp && !*check_of(image))
		*check_of(image) = 0xffff;
}

/* As whoever sends from these ends would. */
static void image_address(struct image *image, const struct flow_ends *ends)
{
	struct { __be16 source, dest; } ports = { bpf_htons(ends->sport), bpf_htons(ends->dport) };

	if (image->ipv6) {
		memcpy(&ip6_of(image)->saddr, ends->src.byte, 16);
		memcpy(&ip6_of(image)->daddr, ends->dst.byte, 16);
	} else {
		memcpy(&ip4_of(image)->saddr, ends->src.byte + 12, 4);
		memcpy(&ip4_of(image)->daddr, ends->dst.byte + 12, 4);
	}
	memcpy(image->l4, &ports, sizeof(ports));
	checksums_make(image);
}

static void image_ttl(struct image *image, uint8_t ttl)
{
	if (image->ipv6)
		ip6_of(image)->hop_limit = ttl;
	else
		ip4_of(image)->ttl = ttl;
	checksums_make(image);
}

static struct image image_random(bool ipv6, bool tcp)
{
	struct image image = { .ipv6 = ipv6, .tcp = tcp };
	size_t header = tcp ? 20 : 8;

	image.l4_size = header + (chance() >> 32) % (PAYLOAD_MAX + 1);
	bytes_fill(image.ip, sizeof(image.ip));
	bytes_fill(image.l4, image.l4_size);
	image.no_checksum = !ipv6 && !tcp && one_in(8);
	if (ipv6) {
		ip6_of(&image)->version = 6;
	} else {
		memset(image.ip, 0, 20);
		ip4_of(&image)->version = 4;
		ip4_of(&image)->ihl = 5;
	}
	return image;
}

/* Has a word of the payload, or TCP's urgent pointer, bring the checksum to 0 between these ends;
 * in UDP it is then 0xffff. */
static void image_aim_at_zero(struct image *image, const struct flow_ends *ends)
{
	size_t at = image->tcp ? 18 : 8;
	uint16_t sum, zero = 0;

	if (image->l4_size < at + 2 || image->no_checksum)
		return;
	memcpy(image->l4 + at, &zero, 2);
	image_address(image, ends);
	*check_of(image) = 0;
	sum = l4_checksum(image);
	memcpy(image->l4 + at, &sum, 2);
}

static struct packet packet_of(struct image *image)
{
	struct packet pkt = { .ipv6 = image->ipv6, .is_tcp = image->tcp };

	if (image->ipv6)
		pkt.ip6 = ip6_of(image);
	else
		pkt.ip4 = ip4_of(image);
	if (image->tcp)
		pkt.tcp = (struct tcphdr *)image->l4;
	else
		pkt.udp = (struct udphdr *)image->l4;
	return pkt;
}

/* ---- a trial: there, a hop, and back --------------------------------------------------------- */

static struct addr addr_random(bool ipv6)
{
	unsigned char bytes[16];

	bytes_fill(bytes, sizeof(bytes));
	if (!ipv6)
		return addr_from_ipv4(bytes);
	bytes[0] = 0x20; /* global: neither mapped IPv4 nor all zeros */
	return addr_from_ipv6(bytes);
}

static struct identity identity_random(bool ipv6)
{
	struct identity identity = { .address = addr_random(ipv6), .vip = addr_random(ipv6),
				     .forward = LB_FORWARD_NAT };

	if (one_in(2)) {
		identity.port = port_random();
		identity.vip_port = one_in(8) ? identity.port : port_random();
	}
	if (one_in(16))
		identity.vip = identity.address;
	return identity;
}

static struct lb_backend backend_of(const struct identity *identity)
{
	struct lb_backend backend = {
		.port = bpf_htons(identity->port), .vip_port = bpf_htons(identity->vip_port),
		.csum_addr = identity_csum_addr(identity), .csum_l4 = identity_csum_l4(identity),
	};

	memcpy(backend.address.byte, identity->address.byte, 16);
	memcpy(backend.vip.byte, identity->vip.byte, 16);
	return backend;
}

static void assert_images_equal(struct image *made, struct image *expected, const char *step)
{
	if (memcmp(made->ip, expected->ip, sizeof(made->ip)) ||
	    memcmp(made->l4, expected->l4, made->l4_size))
		fail_msg("%s: IPv%c %s, %zu bytes: checksum %04x, expected %04x", step,
			 made->ipv6 ? '6' : '4', made->tcp ? "TCP" : "UDP", made->l4_size,
			 bpf_ntohs(*check_of(made)), bpf_ntohs(*check_of(expected)));
}

struct seen { /* that the trials reach what they are for */
	unsigned int zero, ones, none, odd;
};

static void seen_note(struct seen *seen, struct image *image)
{
	uint16_t check = *check_of(image);

	seen->zero += image->tcp && !check;
	seen->ones += !image->tcp && check == 0xffff;
	seen->none += image->no_checksum;
	seen->odd += image->l4_size % 2;
}

static void trial_forward(struct image *image, const struct lb_backend *backend,
			  const struct flow_ends *client, const struct flow_ends *inside,
			  struct seen *seen)
{
	struct image expected;
	struct packet pkt = packet_of(image);
	uint8_t ttl = 2 + (chance() >> 32) % 254;

	image_address(image, client);
	expected = *image;
	image_address(&expected, inside);
	destination_translate(&pkt, backend);
	assert_images_equal(image, &expected, "to the backend");
	seen_note(seen, image);

	image_ttl(image, ttl);
	expected = *image;
	image_ttl(&expected, ttl - 1);
	ttl_decrement(&pkt);
	assert_images_equal(image, &expected, "a hop");
}

static void trial_reply(struct image *image, const struct lb_backend *backend,
			const struct flow_ends *client, const struct flow_ends *inside,
			struct seen *seen)
{
	struct flow_ends from = { inside->dst, inside->src, inside->dport, inside->sport };
	struct flow_ends to = { client->dst, client->src, client->dport, client->sport };
	struct packet pkt = packet_of(image);
	struct image expected;

	image_address(image, &from);
	expected = *image;
	image_address(&expected, &to);
	source_translate(&pkt, backend);
	assert_images_equal(image, &expected, "the reply");
	seen_note(seen, image);
}

static void trial(bool ipv6, bool tcp, struct seen *seen)
{
	struct identity identity = identity_random(ipv6);
	struct lb_backend backend = backend_of(&identity);
	struct image image = image_random(ipv6, tcp);
	struct flow_ends client = { addr_random(ipv6), identity.vip, port_random(),
				    identity.port ? identity.vip_port : port_random() };
	struct flow_ends inside = { client.src, identity.address, client.sport,
				    identity.port ? identity.port : client.dport };

	if (one_in(4))
		image_aim_at_zero(&image, one_in(2) ? &client : &inside);
	if (one_in(2))
		trial_forward(&image, &backend, &client, &inside, seen);
	else
		trial_reply(&image, &backend, &client, &inside, seen);
}

static void increments_are_what_a_full_sum_gives(void **state)
{
	struct timespec start, end;
	struct seen seen = { 0 };

	(void)state;
	seed = 0x6564676562616c31ULL;
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (int i = 0; i < TRIALS; i++)
		trial(i & 1, i & 2, &seen);
	clock_gettime(CLOCK_MONOTONIC, &end);
	print_message("           %d packets in %.2f s: TCP sums of 0: %u, UDP sums of 0xffff: %u, "
		      "UDP without: %u, odd lengths: %u\n", TRIALS,
		      (double)(end.tv_sec - start.tv_sec) + (end.tv_nsec - start.tv_nsec) / 1e9,
		      seen.zero, seen.ones, seen.none, seen.odd);
	assert_true(seen.zero > 10000 && seen.ones > 10000);
	assert_true(seen.none > 10000 && seen.odd > TRIALS / 4);
}

/* ---- single sums ---------------------------------------------------------------------------- */

static const struct update_row {
	const char *sentence;
	uint16_t csum, delta, tcp, udp; /* the order of bytes does not matter, so there is none */
} update_rows[] = {
	{ "the example of RFC 1624, section 4", 0xdd2f, 0xdd2f, 0x0000, 0xffff },
	{ "a UDP sum of 0 says none and stays", 0x0000, 0x1234, 0xedcb, 0x0000 },
	{ "0xffff in UDP stands for 0", 0xffff, 0x1234, 0xedcb, 0xedcb },
	{ "nothing changes: words of ~m + m", 0x1234, 0xffff, 0x1234, 0x1234 },
	{ "a carry goes round once", 0x0001, 0x0002, 0xfffe, 0xfffe },
	{ "a carry of the largest values", 0x0001, 0xffff, 0x0001, 0x0001 },
	{ "a delta of 0 changes nothing", 0xabcd, 0x0000, 0xabcd, 0xabcd },
	{ "a TTL less one", 0xb1e6, 0xfeff, 0xb2e6, 0xb2e6 },
	{ "a TTL less one where the sum wraps", 0xff00, 0xfeff, 0x0001, 0x0001 },
};

static void update_follows_rfc_1624(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(update_rows); i++) {
		const struct update_row *row = &update_rows[i];
		uint16_t tcp = csum_update(row->csum, row->delta);
		uint16_t udp = csum_update_udp(row->csum, row->delta);

		if (tcp != row->tcp || udp != row->udp)
			fail_msg("%s: %04x and %04x, expected %04x and %04x", row->sentence, tcp,
				 udp, row->tcp, row->udp);
	}
}

static struct addr addr_of(const char *text)
{
	struct addr addr;

	assert_int_equal(addr_parse(text, &addr), 0);
	return addr;
}

static const struct identity_row {
	const char *sentence, *vip, *address;
	uint16_t vip_port, port, addr_delta, l4_delta; /* deltas in host order */
} identity_rows[] = {
	/* 34ff + 8ef5 + 0a01 + 0002 = cdf7; with ffaf + 1f90 = 1f40 it is ed37 */
	{ "IPv4, another port", "203.0.113.10", "10.1.0.2", 80, 8080, 0xcdf7, 0xed37 },
	{ "IPv4, the packet's port", "203.0.113.10", "10.1.0.2", 0, 0, 0xcdf7, 0xcdf7 },
	{ "the same address and port", "10.1.0.2", "10.1.0.2", 80, 80, 0xffff, 0xffff },
	/* dffe + f247 + fffe + fd00 + 0002 = 3cf45, and cf45 + 3 = cf48 */
	{ "IPv6, the packet's port", "2001:db8::1", "fd00::2", 0, 0, 0xcf48, 0xcf48 },
};

/* Worked out by hand, so that reference and code cannot err together. */
static void deltas_of_an_identity_are_the_sums_by_hand(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(identity_rows); i++) {
		const struct identity_row *row = &identity_rows[i];
		struct identity identity = { .address = addr_of(row->address),
					     .vip = addr_of(row->vip), .port = row->port,
					     .vip_port = row->vip_port };
		uint16_t addr = bpf_ntohs(identity_csum_addr(&identity));
		uint16_t l4 = bpf_ntohs(identity_csum_l4(&identity));

		if (addr != row->addr_delta || l4 != row->l4_delta)
			fail_msg("%s: %04x and %04x, expected %04x and %04x", row->sentence, addr,
				 l4, row->addr_delta, row->l4_delta);
	}
}

static void ttl_of_one_or_less_is_spent(void **state)
{
	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++)
		for (unsigned int ttl = 0; ttl < 256; ttl++) {
			struct image image = { .ipv6 = ipv6, .l4_size = 8 };
			struct packet pkt = packet_of(&image);

			image_ttl(&image, ttl);
			assert_int_equal(ttl_check(&pkt), ttl <= 1 ? LB_DROP_TTL : LB_GO_ON);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(update_follows_rfc_1624),
		cmocka_unit_test(deltas_of_an_identity_are_the_sums_by_hand),
		cmocka_unit_test(increments_are_what_a_full_sum_gives),
		cmocka_unit_test(ttl_of_one_or_less_is_spent),
	};

	return cmocka_run_group_tests_name("checksum", tests, NULL, NULL);
}
