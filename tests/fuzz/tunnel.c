/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The outer packet against the backend that it goes to, and the inner one byte by byte. */
#include "tests/fuzz/tunnel.h"

#include <netinet/in.h>
#include <string.h>

#include "tests/fuzz/layers.h"

#define GUE_PORT	6080
#define FIRST_PORT	49152	/* of those that nobody is registered for */

static uint8_t hops_at(const struct frame *frame, size_t ip, bool ipv6)
{
	return frame->bytes[ip + (ipv6 ? 7 : 8)];
}

static uint8_t tos_at(const struct frame *frame, size_t ip, bool ipv6)
{
	return ipv6 ? word_at(frame, ip) >> 4 & 0xff : frame->bytes[ip + 1];
}

/* ---- the outer packet ----------------------------------------------------------------------- */

/* The bits of the prefix; those behind it are the hash's. */
static bool source_is_of(const struct lb_backend *backend, const uint8_t *source, bool ipv6)
{
	const uint8_t *prefix = backend->encap_source.byte + (ipv6 ? 0 : 12);
	size_t bits = (ipv6 ? 128 : 32) - backend->encap_spread;

	for (size_t i = 0; i < bits; i++)
		if ((source[i / 8] ^ prefix[i / 8]) & 0x80 >> i % 8)
			return false;
	return true;
}

static const char *outer_ip_judge(const struct passage *passage, const struct layers *inner,
				  const struct layers *outer, bool cut)
{
	const struct lb_backend *backend = passage->backend;
	const uint8_t *ip = passage->out->bytes + outer->ip;
	bool ipv6 = backend->flags & LB_BACKEND_IPV6;
	size_t address = ipv6 ? 8 : 12, bytes = ipv6 ? 16 : 4;
	bool df = inner->ipv6 ? !cut : passage->in->bytes[inner->ip + 6] & 0x40;

	if (outer->ipv6 != ipv6 || outer->ip != inner->ip || outer->part != PART_WHOLE ||
	    outer->l4 != outer->ip + (ipv6 ? 40 : 20))
		return "in another kind of outer packet";
	if (!source_is_of(backend, ip + address, ipv6))
		return "from another outer source";
	if (memcmp(ip + address + bytes, backend->address.byte + (ipv6 ? 0 : 12), bytes))
		return "to another outer destination";
	if (ip_error(passage->out, outer))
		return "a wrong outer checksum";
	if (!ipv6 && word_at(passage->out, outer->ip + 6) != (df ? 0x4000 : 0))
		return "an outer DF that does not follow from the inner packet";
	if (tos_at(passage->out, outer->ip, ipv6) != tos_at(passage->in, inner->ip, inner->ipv6))
		return "an outer traffic class that is not the inner one's";
	return cut || outer->end - outer->ip <= backend->mtu ? NULL : "over the MTU of its way";
}

/* Where the inner packet begins; 0 with a sentence. */
static size_t inner_place(const struct passage *passage, const struct layers *inner,
			  const struct layers *outer, const char **ret_flaw)
{
	const struct frame *out = passage->out;

	if (passage->backend->forward == LB_FORWARD_IPIP) {
		*ret_flaw = "another protocol than IP in IP";
		return outer->protocol == (inner->ipv6 ? IPPROTO_IPV6 : IPPROTO_IPIP) ? outer->l4
										      : 0;
	}
	*ret_flaw = "not GUE in UDP without a checksum";
	if (outer->protocol != IPPROTO_UDP || word_at(out, outer->l4) < FIRST_PORT ||
	    word_at(out, outer->l4 + 2) != GUE_PORT ||
	    word_at(out, outer->l4 + 4) != outer->end - outer->l4 || word_at(out, outer->l4 + 6))
		return 0;
	return outer->l4 + 8;
}

/* ---- the inner packet ----------------------------------------------------------------------- */

static const char *inner_judge(const struct passage *passage, const struct layers *inner,
			       const struct layers *outer, size_t at)
{
	bool local = passage->backend->hop.flags & LB_HOP_LOCAL;
	struct frame wanted = *passage->in, seen = *passage->in;
	size_t bytes = wanted.size - inner->ip;

	if (passage->out->size != at + bytes || outer->end - at != inner->end - inner->ip)
		return "encapsulated with another length";
	memcpy(seen.bytes + inner->ip, passage->out->bytes + at, bytes);
	if (!local)
		wanted.bytes[inner->ip + (inner->ipv6 ? 7 : 8)]--;
	if (!inner->ipv6)
		word_put(&wanted, inner->ip + 10, word_at(&seen, inner->ip + 10));
	if (memcmp(wanted.bytes, seen.bytes, wanted.size))
		return "encapsulated, and changed";
	if (ip_error(&seen, inner) % 0xffff != ip_error(passage->in, inner) % 0xffff)
		return "an inner IPv4 checksum errs by more or less than it did";
	if (hops_at(passage->out, outer->ip, outer->ipv6) != hops_at(&seen, inner->ip, inner->ipv6))
		return "an outer TTL that is not the inner one's";
	return hops_at(&seen, inner->ip, inner->ipv6) || local ? NULL
							       : "encapsulated with a spent TTL";
}

/* One for the stack to fragment keeps its MACs: it goes on from here as it came. */
static const char *link_judge(const struct passage *passage, const struct layers *inner, bool cut)
{
	const struct frame *in = passage->in, *out = passage->out;
	const struct lb_next_hop *hop = &passage->backend->hop;

	if (cut ? memcmp(out->bytes, in->bytes, 12)
		: memcmp(out->bytes, hop->dst_mac, 6) || memcmp(out->bytes + 6, hop->src_mac, 6))
		return "encapsulated with other MACs";
	if (memcmp(out->bytes + 12, in->bytes + 12, inner->ip - 14))
		return "encapsulated with other tags";
	return NULL;
}

const char *tunnel_judge(const struct passage *passage)
{
	bool cut = passage->verdict == LB_PASS_ENCAP_FRAGMENT;
	struct layers inner, outer;
	const char *flaw = layers_read(passage->in, &inner);
	size_t at;

	if (!passage->backend)
		return "encapsulated for nobody";
	if (!flaw)
		flaw = layers_read(passage->out, &outer);
	if (!flaw)
		flaw = link_judge(passage, &inner, cut);
	if (!flaw)
		flaw = outer_ip_judge(passage, &inner, &outer, cut);
	if (flaw)
		return flaw;
	at = inner_place(passage, &inner, &outer, &flaw);
	return at ? inner_judge(passage, &inner, &outer, at) : flaw;
}

/* ---- a router's word ------------------------------------------------------------------------ */

/* Where the inner packet begins that the router quotes. */
static size_t quoted_inner(const struct frame *in, const struct layers *from)
{
	size_t outer = from->l4 + 8, header = from->ipv6 ? 40 : 20;
	uint8_t protocol = in->bytes[outer + (from->ipv6 ? 6 : 9)];

	return outer + header + (protocol == IPPROTO_UDP ? 8 : 0);
}

const char *router_word_judge(const struct passage *passage)
{
	const struct frame *in = passage->in, *out = passage->out;
	struct layers from, to;
	const char *flaw = layers_read(in, &from);
	size_t inner, address, bytes, quote;

	if (!flaw)
		flaw = layers_read(out, &to);
	if (flaw)
		return flaw;
	if (!layers_are_icmp_error(in, &from) || !layers_are_icmp_error(out, &to))
		return "a router's word that is no ICMP error";
	if (ip_error(out, &to) || l4_error(out, &to) || to.end != out->size)
		return "a router's word with a wrong checksum or length";
	if (to.ip != from.ip || (to.ipv6 && word_at(out, to.ip) != 0x6000) ||
	    (to.ipv6 && word_at(out, to.ip + 2)))
		return "a router's word in another kind of packet";
	if (memcmp(out->bytes + 12, in->bytes + 12, to.ip - 14))
		return "a router's word with other tags";
	if (to.ipv6 ? out->bytes[to.l4] != 2 : word_at(out, to.l4) != 0x0304)
		return "a router's word about something else";
	inner = quoted_inner(in, &from);
	address = to.ipv6 ? 8 : 12;
	bytes = to.ipv6 ? 16 : 4;
	quote = to.end - to.l4 - 8;
	if (inner + quote > from.end || memcmp(in->bytes + inner, out->bytes + to.l4 + 8, quote))
		return "a router's word that misquotes";
	if (memcmp(out->bytes + to.ip + address, in->bytes + inner + address + bytes, bytes) ||
	    memcmp(out->bytes + to.ip + address + bytes, in->bytes + inner + address, bytes))
		return "a router's word to or from another";
	return hops_at(out, to.ip, to.ipv6) == 64 ? NULL : "a router's word with another TTL";
}
