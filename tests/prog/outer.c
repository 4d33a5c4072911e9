/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Outer headers and ICMP errors, built plainly. */
#include "tests/prog/outer.h"

#include <arpa/inet.h>
#include <assert.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "build/lb.skel.h"

const struct way ways[WAYS] = {
	{ "ipip over IPv4", false, false },
	{ "ipip over IPv6", false, true },
	{ "gue over IPv4", true, false },
	{ "gue over IPv6", true, true },
};

static void put16(uint8_t *at, uint16_t value)
{
	at[0] = value >> 8;
	at[1] = value & 0xff;
}

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value & 0xffff);
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static void ipv4_checksum_put(uint8_t *ip)
{
	put16(ip + 10, 0);
	put16(ip + 10, (uint16_t)~internet_sum(0, ip, 20));
}

/* ---- a way to a backend --------------------------------------------------------------------- */

static union lb_addr address_of(const struct host *host, bool ipv6)
{
	union lb_addr addr = { .word = { 0, 0, htonl(0xffff), 0 } };
	int known = ipv6 ? inet_pton(AF_INET6, host->ipv6, &addr)
			 : inet_pton(AF_INET, host->ipv4, &addr.word[3]);

	assert(known == 1);
	return addr;
}

void way_set(const char *backend, bool ipv6, const struct way *way, uint16_t mtu, uint16_t spread)
{
	uint32_t id = ground_backend(ground, backend, ipv6)->id;
	struct lb_backend *row = &ground->dataplane->backends[id];

	row->forward = way->gue ? LB_FORWARD_GUE : LB_FORWARD_IPIP;
	row->flags = way->ipv6 ? LB_BACKEND_IPV6 : 0;
	row->address = address_of(&OUTER_BACKEND, way->ipv6);
	row->encap_source = address_of(&OUTER_SOURCE, way->ipv6);
	row->encap_source.word[3] &= htonl(spread < 32 ? ~0U << spread : 0);
	row->encap_spread = spread;
	row->mtu = mtu;
}

size_t outer_size(const struct way *way)
{
	return (way->ipv6 ? 40 : 20) + (way->gue ? 8 : 0);
}

/* ---- outer packets -------------------------------------------------------------------------- */

size_t link_size(const struct frame *frame)
{
	size_t size = 14;

	for (int i = 0; i < 2; i++)
		if (get16(frame->bytes + size - 2) == 0x8100 ||
		    get16(frame->bytes + size - 2) == 0x88a8)
			size += 4;
	return size;
}

static uint8_t tos_of(const uint8_t *ip)
{
	return ip[0] >> 4 == 6 ? (uint8_t)(ip[0] << 4 | ip[1] >> 4) : ip[1];
}

static size_t inner_bytes(const uint8_t *ip)
{
	return ip[0] >> 4 == 6 ? 40 + get16(ip + 4) : get16(ip + 2);
}

static void outer_ipv4_put(const uint8_t *inner, uint8_t protocol, size_t bytes, uint8_t *ip)
{
	bool ipv6 = inner[0] >> 4 == 6;

	ip[0] = 0x45;
	ip[1] = tos_of(inner);
	put16(ip + 2, 20 + bytes);
	put16(ip + 6, ipv6 || inner[6] & 0x40 ? 0x4000 : 0);
	ip[8] = ipv6 ? inner[7] : inner[8];
	ip[9] = protocol;
	inet_pton(AF_INET, OUTER_SOURCE.ipv4, ip + 12);
	inet_pton(AF_INET, OUTER_BACKEND.ipv4, ip + 16);
	ipv4_checksum_put(ip);
}

static void outer_ipv6_put(const uint8_t *inner, uint8_t protocol, size_t bytes, uint32_t hash,
			   uint8_t *ip)
{
	put32(ip, 0x60000000 | (uint32_t)tos_of(inner) << 20 | (hash & 0xfffff));
	put16(ip + 4, bytes);
	ip[6] = protocol;
	ip[7] = inner[0] >> 4 == 6 ? inner[7] : inner[8];
	inet_pton(AF_INET6, OUTER_SOURCE.ipv6, ip + 8);
	inet_pton(AF_INET6, OUTER_BACKEND.ipv6, ip + 24);
}

void outer_build(const struct way *way, const struct frame *inner, uint32_t hash,
		 struct frame *ret_frame)
{
	size_t link = link_size(inner), size = outer_size(way), header = way->ipv6 ? 40 : 20;
	const uint8_t *from = inner->bytes + link;
	size_t bytes = inner_bytes(from) + (way->gue ? 8 : 0);
	uint8_t protocol = way->gue ? IPPROTO_UDP : from[0] >> 4 == 6 ? 41 : 4;
	uint8_t *ip = ret_frame->bytes + link, *udp = ip + header;

	memset(ret_frame, 0, sizeof(*ret_frame));
	ret_frame->size = inner->size + size;
	assert(ret_frame->size <= FRAME_MAX);
	memcpy(ret_frame->bytes, inner->bytes, link);
	put16(ip - 2, way->ipv6 ? 0x86dd : 0x0800);
	if (way->ipv6)
		outer_ipv6_put(from, protocol, bytes, hash, ip);
	else
		outer_ipv4_put(from, protocol, bytes, ip);
	if (way->gue) {
		put16(udp, 49152 + hash % 16384);
		put16(udp + 2, GUE_PORT);
		put16(udp + 4, bytes);
	}
	memcpy(ip + size, from, inner->size - link);
}

/* ---- inner packets -------------------------------------------------------------------------- */

void tos_set(struct frame *frame, uint8_t tos)
{
	uint8_t *ip = frame->bytes + link_size(frame);

	if (ip[0] >> 4 == 6) {
		put32(ip, (get32(ip) & 0xf00fffff) | (uint32_t)tos << 20);
		return;
	}
	ip[1] = tos;
	ipv4_checksum_put(ip);
}

void df_clear(struct frame *frame)
{
	uint8_t *ip = frame->bytes + link_size(frame);

	ip[6] &= 0xbf;
	ipv4_checksum_put(ip);
}

/* ---- ICMP ----------------------------------------------------------------------------------- */

void icmp_build(const struct spec *words, const struct icmp_words *icmp, const uint8_t *content,
		size_t size, struct frame *ret_frame)
{
	uint8_t rest[4] = { (8 + size) >> 8, (8 + size) & 0xff, 0, IPPROTO_ICMPV6 }, *ip, *at;
	struct spec spec = *words;
	uint16_t sum = 0;

	spec.protocol = spec.ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	spec.payload = 8 + size;
	frame_build(&spec, ret_frame);
	ip = ret_frame->bytes + link_size(ret_frame);
	at = ip + (spec.ipv6 ? 40 : 20);
	memset(at, 0, 8);
	at[0] = icmp->type;
	at[1] = icmp->code;
	put32(at + 4, icmp->rest);
	memcpy(at + 8, content, size);
	if (spec.ipv6)
		sum = internet_sum(internet_sum(0, ip + 8, 32), rest, sizeof(rest));
	put16(at + 2, (uint16_t)~internet_sum(sum, at, 8 + size));
	if (!spec.ipv6) {
		put16(ip + 4, 0);
		ipv4_checksum_put(ip);
	}
}

struct icmp_words too_big_words(bool ipv6, uint32_t mtu)
{
	return ipv6 ? (struct icmp_words){ 2, 0, mtu } : (struct icmp_words){ 3, 4, mtu };
}

size_t quote_most(bool ipv6)
{
	return ipv6 ? 1280 - 48 : 576 - 28;
}

void rations_fill(void)
{
	struct lb_ration *rations = calloc(libbpf_num_possible_cpus(), sizeof(*rations));
	uint32_t zero = 0;

	assert_non_null(rations);
	for (int cpu = 0; cpu < libbpf_num_possible_cpus(); cpu++)
		rations[cpu].tokens = LB_ANSWER_BURST;
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(ground->lb[0]->maps.lb_rations), &zero,
					     rations, BPF_ANY), 0);
	free(rations);
}
