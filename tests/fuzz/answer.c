/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each part of the answer against the packet that it answers. */
#include "tests/fuzz/answer.h"

#include <netinet/in.h>
#include <string.h>

#include "tests/fuzz/layers.h"

#define FRAME_MIN 60 /* Ethernet's, without its checksum */

static uint32_t long_at(const struct frame *frame, size_t at)
{
	return (uint32_t)word_at(frame, at) << 16 | word_at(frame, at + 2);
}

static const char *link_judge(const struct frame *in, const struct frame *out, size_t ip)
{
	if (memcmp(out->bytes, in->bytes + 6, 6) || memcmp(out->bytes + 6, in->bytes, 6))
		return "an answer with other MACs";
	return memcmp(out->bytes + 12, in->bytes + 12, ip - 12) ? "an answer with other tags"
								: NULL;
}

static const char *ip_judge(const struct frame *in, const struct layers *from,
			    const struct frame *out, const struct layers *to)
{
	const uint8_t *was = in->bytes + from->ip, *is = out->bytes + to->ip;
	size_t size = from->ipv6 ? 16 : 4, first = from->ipv6 ? 8 : 12;

	if (to->ip != from->ip || to->ipv6 != from->ipv6 || to->part != PART_WHOLE ||
	    to->l4 != to->ip + (to->ipv6 ? 40 : 20))
		return "an answer in another kind of packet";
	if (memcmp(is + first, was + first + size, size) ||
	    memcmp(is + first + size, was + first, size))
		return "an answer with other addresses";
	if (to->ipv6 ? long_at(out, to->ip) != 6U << 28 : is[1])
		return "an answer of another traffic class";
	if (is[to->ipv6 ? 7 : 8] != 64)
		return "an answer with another TTL";
	if (ip_error(out, to) || l4_error(out, to))
		return "an answer with a wrong checksum";
	return NULL;
}

static const char *reset_judge(const struct frame *in, const struct layers *from,
			       const struct frame *out, const struct layers *to)
{
	const uint8_t *segment = in->bytes + from->l4, *reset = out->bytes + to->l4;
	uint32_t bytes = from->end - from->l4 - (segment[12] >> 4) * 4;
	bool ack = segment[13] & TCP_ACK;

	if (to->protocol != IPPROTO_TCP || to->end != to->l4 + 20 || reset[12] != 0x50)
		return "not a reset";
	if (segment[13] & TCP_RST)
		return "a reset is answered";
	if (reset[13] != (ack ? TCP_RST : TCP_RST | TCP_ACK))
		return "a reset with other flags";
	if (memcmp(reset, segment + 2, 2) || memcmp(reset + 2, segment, 2))
		return "a reset with other ports";
	bytes += !!(segment[13] & TCP_SYN) + !!(segment[13] & TCP_FIN);
	if (long_at(out, to->l4 + 4) != (ack ? long_at(in, from->l4 + 8) : 0))
		return "a reset with another sequence number";
	if (long_at(out, to->l4 + 8) != (ack ? 0 : long_at(in, from->l4 + 4) + bytes))
		return "a reset that acknowledges something else";
	if (out->size != to->end && out->size > (in->size < FRAME_MIN ? in->size : FRAME_MIN))
		return "a reset with more padding than it needs";
	return NULL;
}

struct says {
	uint8_t type, code;
	uint32_t rest;
};

static const char *error_judge(const struct frame *in, const struct layers *from,
			       const struct frame *out, const struct layers *to,
			       const struct says *says)
{
	const uint8_t *icmp = out->bytes + to->l4;
	size_t quote = from->end - from->ip, most = from->ipv6 ? 1280 - 48 : 576 - 28;

	if (to->protocol != (to->ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
		return "not ICMP";
	if (icmp[0] != says->type || icmp[1] != says->code ||
	    long_at(out, to->l4 + 4) != says->rest)
		return "an ICMP error that says something else";
	quote = quote < most ? quote : most;
	if (to->end != to->l4 + 8 + quote || out->size != to->end)
		return "an ICMP error that quotes too little or too much";
	return memcmp(icmp + 8, in->bytes + from->ip, quote) ? "an ICMP error that misquotes"
							      : NULL;
}

/* What every answer must be. */
static const char *answer_read(const struct frame *in, struct layers *ret_from,
			       const struct frame *out, struct layers *ret_to)
{
	const char *flaw = layers_read(in, ret_from);

	if (!flaw && !ret_from->ip)
		flaw = "an answer to what is not IP";
	if (!flaw)
		flaw = link_judge(in, out, ret_from->ip);
	if (!flaw)
		flaw = layers_read(out, ret_to);
	return flaw ? flaw : ip_judge(in, ret_from, out, ret_to);
}

const char *refusal_judge(const struct frame *in, const struct frame *out)
{
	struct layers from, to;
	const char *flaw = answer_read(in, &from, out, &to);
	struct says says = { from.ipv6 ? 1 : 3, from.ipv6 ? 4 : 3, 0 };

	if (flaw)
		return flaw;
	if (!layers_have_ports(&from))
		return "a refusal of what is neither TCP nor UDP";
	return from.protocol == IPPROTO_TCP ? reset_judge(in, &from, out, &to)
					    : error_judge(in, &from, out, &to, &says);
}

const char *too_big_judge(const struct frame *in, const struct frame *out,
			  const struct lb_backend *backend)
{
	struct layers from, to;
	const char *flaw = answer_read(in, &from, out, &to);
	struct says says = { from.ipv6 ? 2 : 3, from.ipv6 ? 0 : 4, 0 };

	if (flaw || !backend)
		return flaw ? flaw : "an MTU on the way to nobody";
	says.rest = backend->mtu - (backend->flags & LB_BACKEND_IPV6 ? 40 : 20) -
		    (backend->forward == LB_FORWARD_GUE ? 8 : 0);
	if (from.end - from.ip <= says.rest)
		return "too big, but it would have fitted";
	if (from.ipv6 && says.rest < 1280)
		says.rest = 1280;
	return error_judge(in, &from, out, &to, &says);
}
