/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words before and after a backend was chosen. */
#include "tests/prog/words.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

void backend_name(const char *service, const struct trial *trial, char *name)
{
	snprintf(name, 2 * LB_NAME_MAX, "%s-%s/a", service, trial->udp ? "udp" : "tcp");
}

void spec_complete(const struct spec *words, const struct trial *trial, struct host vip,
		   struct spec *ret_spec)
{
	*ret_spec = *words;
	ret_spec->ipv6 = trial->ipv6;
	ret_spec->protocol = trial->udp ? IPPROTO_UDP : IPPROTO_TCP;
	ret_spec->src = CLIENT;
	if (!words->dst.ipv4)
		ret_spec->dst = vip;
}

void spec_at_backend(const struct spec *in, const struct backend *backend, char *text,
		     struct spec *ret_out)
{
	*ret_out = *in;
	if (backend->identity.forward == LB_FORWARD_NAT) {
		addr_format(&backend->identity.address, text);
		ret_out->dst = (struct host){ text, text };
		if (backend->identity.port)
			ret_out->dport = backend->identity.port;
	}
	if (!backend->hop.local)
		ret_out->ttl = (in->ttl ? in->ttl : 64) - 1;
	memcpy(ret_out->dst_mac, backend->hop.dst_mac, 6);
	memcpy(ret_out->src_mac, backend->hop.src_mac, 6);
}

void assert_forwarded(const struct spec *in, const struct spec *out, const char *name,
		      enum lb_verdict verdict)
{
	struct frame frame, expected;
	struct outcome outcome;

	frame_build(in, &frame);
	frame_build(out, &expected);
	ground_run(ground, LB, FRONT, &frame, &outcome);
	assert_verdict(outcome.verdict, verdict);
	assert_string_equal(outcome.name, name);
	assert_frame(&outcome.out, &expected);
}
