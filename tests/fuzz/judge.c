/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For a packet that is sent on, the frame that it should have become is made from the one that
 * came and compared byte by byte. A checksum's new value is not computed but taken over from the
 * frame that left, and asked whether it errs as much as it did: that holds for right ones, wrong
 * ones, and those of fragments alike. */
#include "tests/fuzz/judge.h"

#include <netinet/in.h>
#include <string.h>

#include "tests/fuzz/answer.h"
#include "tests/fuzz/layers.h"
#include "tests/fuzz/tunnel.h"

/* ---- the frame that is wanted --------------------------------------------------------------- */

struct wanted {
	struct frame frame;
	struct layers layers, quote;
	bool quotes;	/* an ICMP error, and the flow is that of the packet it quotes */
};

static void address_put(struct frame *frame, const struct layers *layers, bool source,
			const union lb_addr *address)
{
	uint8_t *ip = frame->bytes + layers->ip;

	if (layers->ipv6)
		memcpy(ip + (source ? 8 : 24), address->byte, 16);
	else
		memcpy(ip + (source ? 12 : 16), address->byte + 12, 4);
}

static bool address_is(const struct frame *frame, const struct layers *layers, bool source,
		       const union lb_addr *address)
{
	const uint8_t *ip = frame->bytes + layers->ip;

	return layers->ipv6 ? !memcmp(ip + (source ? 8 : 24), address->byte, 16)
			    : !memcmp(ip + (source ? 12 : 16), address->byte + 12, 4);
}

static void port_put(struct frame *frame, const struct layers *layers, bool source, __be16 port)
{
	if (port && layers_have_ports(layers))
		memcpy(frame->bytes + layers->l4 + (source ? 0 : 2), &port, 2);
}

static void hop_take(struct wanted *wanted)
{
	wanted->frame.bytes[wanted->layers.ip + (wanted->layers.ipv6 ? 7 : 8)]--;
}

static void macs_swap(struct frame *frame, const struct frame *in)
{
	memcpy(frame->bytes, in->bytes + 6, 6);
	memcpy(frame->bytes + 6, in->bytes, 6);
}

static void to_backend(const struct passage *passage, struct wanted *wanted)
{
	const struct lb_backend *backend = passage->backend;

	memcpy(wanted->frame.bytes, backend->hop.dst_mac, 6);
	memcpy(wanted->frame.bytes + 6, backend->hop.src_mac, 6);
	if (!(backend->hop.flags & LB_HOP_LOCAL))
		hop_take(wanted);
	if (backend->forward != LB_FORWARD_NAT)
		return;
	address_put(&wanted->frame, &wanted->layers, false, &backend->address);
	if (wanted->quotes) {
		address_put(&wanted->frame, &wanted->quote, true, &backend->address);
		port_put(&wanted->frame, &wanted->quote, true, backend->port);
	} else {
		port_put(&wanted->frame, &wanted->layers, false, backend->port);
	}
}

/* In tc the link header is written by the kernel, after the program. */
static void to_client(const struct passage *passage, struct wanted *wanted)
{
	const struct lb_backend *backend = passage->backend;

	if (passage->program == LB)
		memcpy(wanted->frame.bytes, passage->out->bytes, 12);
	if (!(backend->hop.flags & LB_HOP_LOCAL))
		hop_take(wanted);
	if (!wanted->quotes) {
		address_put(&wanted->frame, &wanted->layers, true, &backend->vip);
		port_put(&wanted->frame, &wanted->layers, true, backend->vip_port);
		return;
	}
	if (address_is(&wanted->frame, &wanted->layers, true, &backend->address))
		address_put(&wanted->frame, &wanted->layers, true, &backend->vip);
	address_put(&wanted->frame, &wanted->quote, false, &backend->vip);
	port_put(&wanted->frame, &wanted->quote, false, backend->vip_port);
}

static void echo_back(const struct passage *passage, struct wanted *wanted)
{
	uint8_t *ip = wanted->frame.bytes + wanted->layers.ip;
	const uint8_t *was = passage->in->bytes + wanted->layers.ip;
	size_t address = wanted->layers.ipv6 ? 16 : 4, first = wanted->layers.ipv6 ? 8 : 12;

	macs_swap(&wanted->frame, passage->in);
	memcpy(ip + first, was + first + address, address);
	memcpy(ip + first + address, was + first, address);
	ip[wanted->layers.ipv6 ? 7 : 8] = 64;
	wanted->frame.bytes[wanted->layers.l4] = wanted->layers.ipv6 ? 129 : 0;
}

/* ---- what it is compared with --------------------------------------------------------------- */

/* UDP's 0 is no checksum: it says that there is none, and goes on to. */
static const char *checksum_take(const struct passage *passage, struct wanted *wanted,
				 const struct layers *layers)
{
	size_t at = l4_checksum_place(layers);

	if (!at || (layers->protocol == IPPROTO_UDP && !word_at(passage->in, at)))
		return NULL;
	if (layers->protocol == IPPROTO_UDP && !word_at(passage->out, at))
		return "a UDP checksum became none";
	word_put(&wanted->frame, at, word_at(passage->out, at));
	return l4_error(passage->in, layers) % 0xffff == l4_error(passage->out, layers) % 0xffff
		       ? NULL
		       : "a transport checksum errs by more or less than it did";
}

static const char *ip_checksum_take(const struct passage *passage, struct wanted *wanted,
				    const struct layers *layers)
{
	if (layers->ipv6)
		return NULL;
	word_put(&wanted->frame, layers->ip + 10, word_at(passage->out, layers->ip + 10));
	return ip_error(passage->in, layers) % 0xffff == ip_error(passage->out, layers) % 0xffff
		       ? NULL
		       : "an IPv4 header checksum errs by more or less than it did";
}

static const char *checksums_take(const struct passage *passage, struct wanted *wanted)
{
	const char *flaw = ip_checksum_take(passage, wanted, &wanted->layers);

	if (!flaw)
		flaw = checksum_take(passage, wanted, &wanted->layers);
	if (!flaw && wanted->quotes)
		flaw = ip_checksum_take(passage, wanted, &wanted->quote);
	if (!flaw && wanted->quotes)
		flaw = checksum_take(passage, wanted, &wanted->quote);
	return flaw;
}

static const char *bytes_compare(const struct frame *out, const struct wanted *wanted)
{
	static char sentence[80];

	for (size_t i = 0; i < out->size; i++)
		if (out->bytes[i] != wanted->frame.bytes[i]) {
			snprintf(sentence, sizeof(sentence), "byte %zu is %02x, not %02x", i,
				 out->bytes[i], wanted->frame.bytes[i]);
			return sentence;
		}
	return NULL;
}

/* ---- by verdict ----------------------------------------------------------------------------- */

static bool quote_is_own(const struct frame *in, const struct wanted *wanted)
{
	size_t size = wanted->layers.ipv6 ? 16 : 4, source = wanted->layers.ipv6 ? 8 : 12;

	return !memcmp(in->bytes + wanted->layers.ip + source + size,
		       in->bytes + wanted->quote.ip + source, size);
}

static const char *read_as_wanted(const struct passage *passage, struct wanted *wanted)
{
	const char *flaw = layers_read(passage->in, &wanted->layers);

	if (flaw)
		return flaw;
	if (!wanted->layers.ip)
		return "sent on, but not IP";
	if (passage->in->size != passage->out->size)
		return "sent on with another size";
	wanted->frame = *passage->in;
	wanted->quotes = layers_are_icmp_error(passage->in, &wanted->layers);
	if (wanted->quotes) {
		quote_read(passage->in, &wanted->layers, &wanted->quote);
		if (!wanted->quote.l4)
			return "sent on for a packet that it does not quote";
		if (!quote_is_own(passage->in, wanted))
			return "an error to another than who sent what it quotes";
	}
	return NULL;
}

static const char *forwarded_judge(const struct passage *passage,
				   void (*change)(const struct passage *, struct wanted *))
{
	struct wanted wanted = { 0 };
	const char *flaw;
	uint8_t hops;

	if (!passage->backend)
		return "sent on to nobody";
	flaw = read_as_wanted(passage, &wanted);
	if (flaw)
		return flaw;
	if (!wanted.quotes && wanted.layers.protocol != IPPROTO_TCP &&
	    wanted.layers.protocol != IPPROTO_UDP)
		return "sent on, but not TCP, UDP or an ICMP error";
	hops = passage->in->bytes[wanted.layers.ip + (wanted.layers.ipv6 ? 7 : 8)];
	if (hops <= 1 && !(passage->backend->hop.flags & LB_HOP_LOCAL))
		return "sent on with a spent TTL";
	change(passage, &wanted);
	flaw = checksums_take(passage, &wanted);
	return flaw ? flaw : bytes_compare(passage->out, &wanted);
}

static const char *echo_judge(const struct passage *passage)
{
	struct wanted wanted = { 0 };
	const char *flaw = read_as_wanted(passage, &wanted);
	uint8_t type = passage->in->bytes[wanted.layers.l4];

	if (flaw)
		return flaw;
	if (wanted.layers.part != PART_WHOLE ||
	    wanted.layers.protocol != (wanted.layers.ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP) ||
	    type != (wanted.layers.ipv6 ? 128 : 8))
		return "answered as an echo request";
	echo_back(passage, &wanted);
	flaw = checksums_take(passage, &wanted);
	return flaw ? flaw : bytes_compare(passage->out, &wanted);
}

/* The pairs of the world: an interface's own MAC, and its router's. */
static const char *client_macs_judge(const struct passage *passage)
{
	const uint8_t *const pairs[][2] = { { front_router_mac, front_mac },
					    { back_router_mac, back_mac },
					    { slim_router_mac, slim_mac } };

	if (passage->program != LB || !passage->live)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
		if (!memcmp(passage->out->bytes, pairs[i][0], 6) &&
		    !memcmp(passage->out->bytes + 6, pairs[i][1], 6))
			return NULL;
	return "to a client, with MACs of no next hop";
}

static const char *reply_judge(const struct passage *passage)
{
	const char *flaw = client_macs_judge(passage);

	if (flaw)
		return flaw;
	if (passage->backend && passage->backend->forward != LB_FORWARD_NAT)
		return "a reply of a backend that answers by itself";
	return forwarded_judge(passage, to_client);
}

/* By a next hop that XDP knows, or back to the router; where there are VLANs only that. */
static const char *told_judge(const struct passage *passage)
{
	const struct frame *in = passage->in, *out = passage->out;
	uint16_t kind = word_at(in, 12);
	const char *flaw = NULL;

	if (memcmp(out->bytes, in->bytes + 6, 6) || memcmp(out->bytes + 6, in->bytes, 6))
		flaw = kind == 0x8100 || kind == 0x88a8 ? "a router's word with other MACs"
							: client_macs_judge(passage);
	return flaw ? flaw : router_word_judge(passage);
}

/* What Ethernet padded is cut off a router's word before its sum is known: where it is dropped
 * then, nobody misses that. */
static const char *untouched_judge(const struct passage *passage)
{
	const struct frame *in = passage->in, *out = passage->out;
	struct layers layers;
	bool cut;

	layers_read(in, &layers);
	cut = verdict_action(passage->verdict) == LB_DROP && layers.ip &&
	      layers_are_icmp_error(in, &layers) && out->size == layers.end &&
	      out->size < in->size;
	if (in->size != out->size && !cut)
		return "not sent on, but of another size";
	return memcmp(in->bytes, out->bytes, out->size)
		       ? "not sent on, but changed"
		       : NULL;
}

const char *judge(const struct passage *passage)
{
	if (passage->verdict == LB_PASS_ENCAP_FRAGMENT)
		return tunnel_judge(passage);
	switch (verdict_action(passage->verdict)) {
	case LB_PASS:
	case LB_DROP:
		return untouched_judge(passage);
	default:
		break;
	}
	switch (passage->verdict) {
	case LB_REDIRECT_NAT:
	case LB_TX_NAT:
	case LB_REDIRECT_DSR:
	case LB_TX_DSR:
		return forwarded_judge(passage, to_backend);
	case LB_REDIRECT_REPLY:
	case LB_TX_REPLY:
		return reply_judge(passage);
	case LB_TX_ECHO:
		return echo_judge(passage);
	case LB_REDIRECT_IPIP:
	case LB_TX_IPIP:
	case LB_REDIRECT_GUE:
	case LB_TX_GUE:
		return tunnel_judge(passage);
	case LB_TX_REJECT:
		return refusal_judge(passage->in, passage->out);
	case LB_TX_TOO_BIG:
		return too_big_judge(passage->in, passage->out, passage->backend);
	case LB_REDIRECT_PMTU:
	case LB_TX_PMTU:
		return told_judge(passage);
	default:
		return "a verdict that no rule is known for";
	}
}
