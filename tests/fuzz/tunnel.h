/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether a packet stands in its outer packet as RFC 2003, RFC 2473 and the GUE draft want it, and
 * whether a router's word about an outer packet became one about the inner. */
#ifndef TESTS_FUZZ_TUNNEL_H
#define TESTS_FUZZ_TUNNEL_H

#include "tests/fuzz/judge.h"

/* NULL, or a sentence that says what is wrong. */
const char *tunnel_judge(const struct passage *passage);
const char *router_word_judge(const struct passage *passage);

#endif
