/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether an answer that a program wrote itself is the one that its packet deserves: a reset as of
 * RFC 9293, section 3.10.7.1, or an ICMP error that quotes the packet (RFC 792, RFC 4443): port
 * unreachable, or the MTU that encapsulation leaves of the way to `backend`. */
#ifndef TESTS_FUZZ_ANSWER_H
#define TESTS_FUZZ_ANSWER_H

#include "tests/prog/packets.h"
#include "xdp/lb_abi.h"

/* NULL, or a sentence that says what is wrong. */
const char *refusal_judge(const struct frame *in, const struct frame *out);
const char *too_big_judge(const struct frame *in, const struct frame *out,
			  const struct lb_backend *backend);

#endif
