/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading byte by byte, and sums in full. */
#include "tests/fuzz/layers.h"

#include <netinet/in.h>
#include <string.h>

#define IP_BYTES_MAX 65535

uint16_t word_at(const struct frame *frame, size_t at)
{
	return (uint16_t)(frame->bytes[at] << 8 | frame->bytes[at + 1]);
}

void word_put(struct frame *frame, size_t at, uint16_t value)
{
	frame->bytes[at] = value >> 8;
	frame->bytes[at + 1] = value & 0xff;
}

static bool is_extension(uint8_t protocol)
{
	return protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_ROUTING ||
	       protocol == IPPROTO_DSTOPTS || protocol == IPPROTO_FRAGMENT;
}

static bool is_icmp(const struct layers *layers)
{
	return layers->protocol == (layers->ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
}

/* ---- IP ------------------------------------------------------------------------------------- */

static void fragment_set(struct layers *layers, uint32_t offset, bool more, uint32_t id)
{
	layers->offset = offset;
	layers->more = more;
	layers->id = id;
	if (offset || more)
		layers->part = offset ? PART_LATER : PART_FIRST;
}

static const char *ipv4_read(const struct frame *frame, struct layers *layers)
{
	const uint8_t *ip = frame->bytes + layers->ip;
	size_t header, total;

	if (layers->ip + 20 > frame->size)
		return "IPv4 header cut short";
	header = (ip[0] & 15) * 4;
	total = word_at(frame, layers->ip + 2);
	layers->protocol = ip[9];
	layers->l4 = layers->ip + header;
	layers->end = layers->ip + total;
	fragment_set(layers, (word_at(frame, layers->ip + 6) & 0x1fff) * 8, ip[6] & 0x20,
		     word_at(frame, layers->ip + 4));
	if (ip[0] >> 4 != 4)
		return "IPv4 of another version";
	if (header < 20 || header > total)
		return "IPv4 header length";
	if (layers->end > frame->size)
		return "IPv4 packet longer than its frame";
	if (layers->offset + total > IP_BYTES_MAX)
		return "IPv4 fragment beyond the longest packet";
	return NULL;
}

static const char *extension_read(const struct frame *frame, struct layers *layers)
{
	size_t at = layers->l4;
	uint8_t kind = layers->protocol;

	if (at + 8 > layers->end)
		return "IPv6 extension cut short";
	layers->protocol = frame->bytes[at];
	layers->l4 += 8 + (kind == IPPROTO_FRAGMENT ? 0 : frame->bytes[at + 1] * 8);
	if (layers->l4 > layers->end)
		return "IPv6 extension longer than its packet";
	if (kind != IPPROTO_FRAGMENT)
		return layers->protocol == IPPROTO_HOPOPTS ? "hop-by-hop options not first" : NULL;
	if (layers->part != PART_WHOLE)
		return "fragment of a fragment";
	fragment_set(layers, word_at(frame, at + 2) & 0xfff8, frame->bytes[at + 3] & 1,
		     (uint32_t)word_at(frame, at + 4) << 16 | word_at(frame, at + 6));
	if (layers->offset + (layers->end - layers->l4) > IP_BYTES_MAX)
		return "IPv6 fragment beyond the longest packet";
	if (layers->more && (layers->end - layers->l4) % 8)
		return "IPv6 fragment of an odd size before the last";
	return layers->protocol == IPPROTO_HOPOPTS ? "hop-by-hop options not first" : NULL;
}

static const char *ipv6_read(const struct frame *frame, struct layers *layers)
{
	const char *flaw = NULL;

	if (layers->ip + 40 > frame->size)
		return "IPv6 header cut short";
	layers->ipv6 = true;
	layers->protocol = frame->bytes[layers->ip + 6];
	layers->l4 = layers->ip + 40;
	layers->end = layers->l4 + word_at(frame, layers->ip + 4);
	if (frame->bytes[layers->ip] >> 4 != 6)
		return "IPv6 of another version";
	if (layers->end > frame->size)
		return "IPv6 packet longer than its frame";
	while (!flaw && is_extension(layers->protocol) && layers->part != PART_LATER)
		flaw = extension_read(frame, layers);
	return flaw;
}

/* ---- above IP ------------------------------------------------------------------------------- */

/* Offsets within `bytes` of the datagram, of which a fragment has the first part only. */
static const char *transport_flaw(const struct frame *frame, const struct layers *layers)
{
	size_t bytes = layers->end - layers->l4;
	const uint8_t *l4 = frame->bytes + layers->l4;

	if (layers->part == PART_LATER) {
		if (!bytes)
			return "empty fragment";
		if (layers->offset < (layers->protocol == IPPROTO_TCP ? 20 : 8))
			return "fragment over the transport header";
		return NULL;
	}
	if (layers->protocol == IPPROTO_TCP) {
		if (bytes < 20 || (l4[12] >> 4) < 5 || (size_t)(l4[12] >> 4) * 4 > bytes)
			return "TCP header length";
	} else if (layers->protocol == IPPROTO_UDP) {
		if (bytes < 8 || word_at(frame, layers->l4 + 4) < 8)
			return "UDP length";
		if (layers->part == PART_WHOLE && word_at(frame, layers->l4 + 4) > bytes)
			return "UDP longer than its packet";
	} else if (is_icmp(layers) && bytes < 8) {
		return "ICMP cut short";
	}
	return NULL;
}

const char *layers_read(const struct frame *frame, struct layers *ret_layers)
{
	const char *flaw = NULL;
	uint16_t kind;
	size_t at = 12;

	memset(ret_layers, 0, sizeof(*ret_layers));
	ret_layers->size = frame->size;
	for (int tags = 0;; tags++) {
		if (at + 2 > frame->size)
			return "Ethernet header cut short";
		kind = word_at(frame, at);
		at += 2;
		if (tags == 2 || (kind != 0x8100 && kind != 0x88a8))
			break;
		at += 2;
	}
	ret_layers->ip = at;
	if (kind == 0x0800)
		flaw = ipv4_read(frame, ret_layers);
	else if (kind == 0x86dd)
		flaw = ipv6_read(frame, ret_layers);
	else
		ret_layers->ip = 0;
	return flaw || !ret_layers->ip ? flaw : transport_flaw(frame, ret_layers);
}

void quote_read(const struct frame *frame, const struct layers *layers, struct layers *ret_quote)
{
	size_t header = layers->ipv6 ? 40 : 20;
	const uint8_t *ip;

	memset(ret_quote, 0, sizeof(*ret_quote));
	ret_quote->size = frame->size;
	ret_quote->ipv6 = layers->ipv6;
	ret_quote->end = layers->end;
	ret_quote->ip = layers->l4 + 8;
	if (ret_quote->ip + header > ret_quote->end)
		return;
	ip = frame->bytes + ret_quote->ip;
	ret_quote->protocol = ip[layers->ipv6 ? 6 : 9];
	if (layers->ipv6 ? ip[0] >> 4 != 6 : ip[0] != 0x45)
		return;
	if (!layers->ipv6 && word_at(frame, ret_quote->ip + 6) & 0x1fff)
		return;
	if ((ret_quote->protocol == IPPROTO_TCP || ret_quote->protocol == IPPROTO_UDP) &&
	    ret_quote->ip + header + 8 <= ret_quote->end)
		ret_quote->l4 = ret_quote->ip + header;
}

bool layers_have_ports(const struct layers *layers)
{
	return layers->part != PART_LATER &&
	       (layers->protocol == IPPROTO_TCP || layers->protocol == IPPROTO_UDP);
}

bool layers_are_icmp_error(const struct frame *frame, const struct layers *layers)
{
	uint8_t type;

	if (!is_icmp(layers) || layers->part != PART_WHOLE || layers->l4 >= layers->end ||
	    layers->end > frame->size)
		return false;
	type = frame->bytes[layers->l4];
	return layers->ipv6 ? type >= 1 && type <= 4 : type == 3 || type == 11 || type == 12;
}

/* ---- checksums ------------------------------------------------------------------------------ */

size_t l4_checksum_place(const struct layers *layers)
{
	size_t bytes = layers->protocol == IPPROTO_TCP ? 18 : 8, at;

	if (!layers->l4 || layers->part == PART_LATER || layers->l4 + bytes > layers->end ||
	    layers->end > layers->size)
		return 0;
	at = layers->protocol == IPPROTO_TCP   ? 16
	     : layers->protocol == IPPROTO_UDP ? 6
	     : is_icmp(layers)		       ? 2
					       : 0;
	return at ? layers->l4 + at : 0;
}

uint16_t ip_error(const struct frame *frame, const struct layers *layers)
{
	const uint8_t *ip = frame->bytes + layers->ip;

	return layers->ipv6 ? 0 : (uint16_t)~internet_sum(0, ip, (ip[0] & 15) * 4);
}

/* UDP's own length ends its sum, where it makes sense. */
static size_t l4_summed(const struct frame *frame, const struct layers *layers)
{
	size_t bytes = layers->end - layers->l4, says;

	if (layers->protocol != IPPROTO_UDP || layers->part != PART_WHOLE)
		return bytes;
	says = word_at(frame, layers->l4 + 4);
	return says >= 8 && says < bytes ? says : bytes;
}

uint16_t l4_error(const struct frame *frame, const struct layers *layers)
{
	size_t bytes = l4_summed(frame, layers);
	uint8_t rest[4] = { bytes >> 8, bytes & 0xff, 0, layers->protocol };
	uint16_t sum = 0;

	if (layers->ipv6 || !is_icmp(layers)) {
		sum = internet_sum(0, frame->bytes + layers->ip + (layers->ipv6 ? 8 : 12),
				   layers->ipv6 ? 32 : 8);
		sum = internet_sum(sum, rest, sizeof(rest));
	}
	return (uint16_t)~internet_sum(sum, frame->bytes + layers->l4, bytes);
}

static void l4_fix(struct frame *frame, const struct layers *layers)
{
	size_t at = l4_checksum_place(layers);
	uint16_t sum;

	if (!at || (layers->protocol == IPPROTO_UDP && !word_at(frame, at)))
		return;
	word_put(frame, at, 0);
	sum = l4_error(frame, layers);
	word_put(frame, at, !sum && layers->protocol == IPPROTO_UDP ? 0xffff : sum);
}

static void ip_fix(struct frame *frame, const struct layers *layers)
{
	if (layers->ipv6 || layers->ip + (frame->bytes[layers->ip] & 15) * 4 > frame->size)
		return;
	word_put(frame, layers->ip + 10, 0);
	word_put(frame, layers->ip + 10, ip_error(frame, layers));
}

void checksums_fix(struct frame *frame)
{
	struct layers layers, quote;

	layers_read(frame, &layers);
	if (!layers.l4 || layers.end > frame->size || layers.l4 >= layers.end)
		return;
	if (layers_are_icmp_error(frame, &layers)) {
		quote_read(frame, &layers, &quote);
		if (quote.l4) {
			ip_fix(frame, &quote);
			l4_fix(frame, &quote);
		}
	}
	ip_fix(frame, &layers);
	l4_fix(frame, &layers);
}
