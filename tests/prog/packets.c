/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Headers byte by byte, and sums in full: slow, plain, and nothing of the programs' own. */
#include "tests/prog/packets.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <string.h>

#define ETHERNET	14
#define IPV4_HEADER	20
#define IPV6_HEADER	40
#define TCP_HEADER	20
#define UDP_HEADER	8
#define EXTENSION	8

static void put16(uint8_t *at, uint16_t value)
{
	at[0] = value >> 8;
	at[1] = value & 0xff;
}

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

uint16_t internet_sum(uint16_t sum, const uint8_t *bytes, size_t size)
{
	uint32_t total = sum;

	for (size_t i = 0; i < size; i++)
		total += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return total;
}

/* Over the pseudo-header of RFC 793 (IPv4) or RFC 8200, section 8.1, and what follows. The
 * addresses stand one after the other in either IP header. */
static uint16_t l4_sum(uint16_t sum, const uint8_t *addresses, bool ipv6, uint8_t protocol,
		       const uint8_t *l4, size_t size)
{
	uint8_t rest[4] = { size >> 8, size & 0xff, 0, protocol };

	sum = internet_sum(sum, addresses, ipv6 ? 32 : 8);
	return internet_sum(internet_sum(sum, rest, sizeof(rest)), l4, size);
}

/* ---- building ------------------------------------------------------------------------------- */

static uint8_t *address_put(uint8_t *at, bool ipv6, const struct host *host)
{
	int known = inet_pton(ipv6 ? AF_INET6 : AF_INET, ipv6 ? host->ipv6 : host->ipv4, at);

	assert(known == 1);
	return at + (ipv6 ? 16 : 4);
}

/* Ethernet and tags; returns their size. */
static size_t ethernet_put(const struct spec *spec, uint8_t *at)
{
	size_t size = ETHERNET;

	static const uint8_t none[6], front[6] = { 2, 0, 0, 0, 0, 0xf0 },
			     router[6] = { 2, 0, 0, 0, 0, 0xfe };

	memcpy(at, memcmp(spec->dst_mac, none, 6) ? spec->dst_mac : front, 6);
	memcpy(at + 6, memcmp(spec->src_mac, none, 6) ? spec->src_mac : router, 6);
	for (int i = 0; i < 2 && spec->tags[i].tpid; i++, size += 4) {
		put16(at + size - 2, spec->tags[i].tpid);
		put16(at + size, spec->tags[i].tci);
	}
	put16(at + size - 2, spec->ipv6 ? 0x86dd : 0x0800);
	return size;
}

/* The fragment offset in bytes, and whether more follow. */
static void fragment_place(enum fragment fragment, uint16_t *ret_offset, bool *ret_more)
{
	*ret_offset = fragment == FRAGMENT_MIDDLE ? 1480 : fragment == FRAGMENT_LAST ? 2960 : 0;
	*ret_more = fragment == FRAGMENT_FIRST || fragment == FRAGMENT_MIDDLE;
}

static size_t ipv4_put(const struct spec *spec, uint8_t protocol, size_t l4_size, uint8_t *at)
{
	size_t header = IPV4_HEADER + 4 * spec->ip_options;
	uint16_t offset;
	bool more;

	fragment_place(spec->fragment, &offset, &more);
	at[0] = 0x40 | header / 4;
	put16(at + 2, header + l4_size);
	put16(at + 4, spec->id ? spec->id : 0x1234);
	put16(at + 6, offset / 8 | (more ? 0x2000 : 0) | (spec->fragment ? 0 : 0x4000));
	at[8] = spec->ttl ? spec->ttl : 64;
	at[9] = protocol;
	address_put(address_put(at + 12, false, &spec->src), false, &spec->dst);
	memset(at + IPV4_HEADER, 1, header - IPV4_HEADER);
	put16(at + 10, (uint16_t)~internet_sum(0, at, header));
	return header;
}

static size_t ipv6_put(const struct spec *spec, uint8_t protocol, size_t l4_size, uint8_t *at)
{
	uint8_t *extension = at + IPV6_HEADER;
	uint16_t offset;
	bool more;

	at[0] = 0x60;
	put16(at + 4, l4_size);
	at[6] = protocol;
	at[7] = spec->ttl ? spec->ttl : 64;
	address_put(address_put(at + 8, true, &spec->src), true, &spec->dst);
	if (!spec->extended && !spec->fragment)
		return IPV6_HEADER;
	if (spec->fragment) {
		put16(at + 4, EXTENSION + l4_size);
		fragment_place(spec->fragment, &offset, &more);
		at[6] = IPPROTO_FRAGMENT;
		extension[0] = protocol;
		put16(extension + 2, offset | more);
		put16(extension + 6, spec->id ? spec->id : 0x1234);
		return IPV6_HEADER + EXTENSION;
	}
	put16(at + 4, EXTENSION * (spec->more + 1) + l4_size);
	at[6] = spec->extension;
	for (int i = 0; i <= spec->more; i++, extension += EXTENSION) {
		extension[0] = i < spec->more ? spec->extension : protocol;
		extension[2] = 1; /* PadN of four bytes; a routing header reads it as its type */
		extension[3] = spec->extension == IPPROTO_ROUTING ? 0 : 4;
	}
	return extension - at;
}

static void tcp_put(const struct spec *spec, uint8_t *at)
{
	put16(at, spec->sport ? spec->sport : 40000);
	put16(at + 2, spec->dport);
	put16(at + 4, 0x1111);
	put16(at + 6, 0x2222);
	put16(at + 8, 0x3333);
	put16(at + 10, 0x4444);
	at[12] = (TCP_HEADER / 4 + spec->tcp_options) << 4;
	at[13] = spec->tcp_flags ? spec->tcp_flags : TCP_ACK;
	put16(at + 14, 0xfaf0);
	memset(at + TCP_HEADER, 1, 4 * spec->tcp_options);
}

static void udp_put(const struct spec *spec, uint8_t *at)
{
	put16(at, spec->sport ? spec->sport : 40000);
	put16(at + 2, spec->dport);
	put16(at + 4, UDP_HEADER + spec->payload);
}

/* A later fragment has no header of its own; what is neither TCP nor UDP has none we know. */
static size_t l4_header_size(const struct spec *spec, uint8_t protocol)
{
	if (spec->fragment > FRAGMENT_FIRST)
		return 0;
	if (protocol == IPPROTO_TCP)
		return TCP_HEADER + 4 * spec->tcp_options;
	return protocol == IPPROTO_UDP ? UDP_HEADER : 0;
}

static void checksum_put(const struct spec *spec, uint8_t protocol, const uint8_t *addresses,
			 uint8_t *l4, size_t size)
{
	uint8_t *at = l4 + (protocol == IPPROTO_TCP ? 16 : 6);
	uint16_t checksum;

	if (spec->no_checksum)
		return;
	checksum = ~l4_sum(spec->wrong_checksum, addresses, spec->ipv6, protocol, l4, size);
	if (protocol == IPPROTO_UDP && !checksum)
		checksum = 0xffff; /* RFC 768 */
	put16(at, checksum);
}

static void patch_put(const struct patch *patch, uint8_t *ethernet, uint8_t *ip, uint8_t *l4)
{
	if (patch->layer != PATCH_NONE)
		put16((patch->layer == PATCH_L4   ? l4
		       : patch->layer == PATCH_IP ? ip
						  : ethernet) + patch->offset, patch->value);
}

void frame_build(const struct spec *spec, struct frame *ret_frame)
{
	uint8_t protocol = spec->protocol ? spec->protocol : IPPROTO_TCP;
	size_t header = l4_header_size(spec, protocol), size = header + spec->payload;
	uint8_t *ip, *l4;

	memset(ret_frame, 0, sizeof(*ret_frame));
	ip = ret_frame->bytes + ethernet_put(spec, ret_frame->bytes);
	l4 = ip + (spec->ipv6 ? ipv6_put : ipv4_put)(spec, protocol, size, ip);
	ret_frame->size = (l4 - ret_frame->bytes) + size + spec->padding;
	assert(ret_frame->size <= FRAME_MAX);
	for (size_t i = 0; i < spec->payload; i++)
		l4[header + i] = 'a' + i % 26;
	if (spec->payload >= 2)
		put16(l4 + header, spec->word);
	memset(l4 + size, 0xee, spec->padding);
	if (header) {
		if (protocol == IPPROTO_TCP)
			tcp_put(spec, l4);
		else
			udp_put(spec, l4);
		checksum_put(spec, protocol, ip + (spec->ipv6 ? 8 : 12), l4, size);
	}
	patch_put(&spec->patch, ret_frame->bytes, ip, l4);
}

/* ---- checking ------------------------------------------------------------------------------- */

struct plain {			/* where the parts of a plain frame are */
	bool ipv6;
	const uint8_t *ip, *l4;
	uint8_t protocol;
	size_t l4_size;
};

static size_t link_size(const struct frame *frame)
{
	size_t size = ETHERNET;

	while (get16(frame->bytes + size - 2) == 0x8100 || get16(frame->bytes + size - 2) == 0x88a8)
		size += 4;
	return size;
}

static bool frame_is_plain(const struct frame *frame, struct plain *ret_plain)
{
	size_t link = link_size(frame), header, total;
	const uint8_t *ip = frame->bytes + link;
	bool ipv6 = get16(ip - 2) == 0x86dd;

	header = ipv6 ? IPV6_HEADER : IPV4_HEADER;
	if (frame->size < link + header || ip[0] >> 4 != (ipv6 ? 6 : 4) ||
	    (!ipv6 && (ip[0] != 0x45 || get16(ip + 6) & 0x3fff)))
		return false;
	total = ipv6 ? IPV6_HEADER + get16(ip + 4) : get16(ip + 2);
	if (total > frame->size - link || total < header + UDP_HEADER)
		return false;
	*ret_plain = (struct plain){ .ipv6 = ipv6, .ip = ip, .l4 = ip + header,
				     .protocol = ip[ipv6 ? 6 : 9], .l4_size = total - header };
	if (ret_plain->protocol == IPPROTO_UDP) {
		ret_plain->l4_size = get16(ret_plain->l4 + 4);
		return ret_plain->l4_size <= total - header;
	}
	if (ret_plain->protocol == (ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
		return true;
	return ret_plain->protocol == IPPROTO_TCP && ret_plain->l4_size >= TCP_HEADER;
}

bool frame_checksums_right(const struct frame *frame)
{
	struct plain plain;

	if (!frame_is_plain(frame, &plain))
		return false;
	if (!plain.ipv6 && internet_sum(0, plain.ip, IPV4_HEADER) != 0xffff)
		return false;
	if (plain.protocol == IPPROTO_ICMP)
		return internet_sum(0, plain.l4, plain.l4_size) == 0xffff;
	if (plain.protocol == IPPROTO_UDP && !frame_l4_checksum(frame))
		return !plain.ipv6;
	return l4_sum(0, plain.ip + (plain.ipv6 ? 8 : 12), plain.ipv6, plain.protocol, plain.l4,
		      plain.l4_size) == 0xffff;
}

uint16_t frame_l4_checksum(const struct frame *frame)
{
	struct plain plain;
	bool is_plain = frame_is_plain(frame, &plain);

	assert(is_plain);
	return get16(plain.l4 + (plain.protocol == IPPROTO_TCP ? 16 : 6));
}

void frame_checksum_leave(struct frame *frame, uint16_t *ret_start, uint16_t *ret_offset)
{
	struct plain plain;
	bool is_plain = frame_is_plain(frame, &plain);
	uint8_t rest[4] = { plain.l4_size >> 8, plain.l4_size & 0xff, 0, plain.protocol };
	uint16_t sum;

	assert(is_plain);
	sum = internet_sum(0, plain.ip + (plain.ipv6 ? 8 : 12), plain.ipv6 ? 32 : 8);
	*ret_start = plain.l4 - frame->bytes;
	*ret_offset = plain.protocol == IPPROTO_TCP ? 16 : 6;
	put16(frame->bytes + *ret_start + *ret_offset, internet_sum(sum, rest, sizeof(rest)));
}

void frame_checksum_finish(struct frame *frame, uint16_t start, uint16_t offset)
{
	uint16_t sum = internet_sum(0, frame->bytes + start, frame->size - start);

	put16(frame->bytes + start + offset, sum == 0xffff ? 0xffff : (uint16_t)~sum);
}
