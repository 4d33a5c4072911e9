/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was seen: the backend that a flow went to, and the one that the first fragment of a
 * datagram went to. Nothing moves in the fuzzer's ground, so a flow has one backend for good, and
 * an ICMP error about it has that one too. */
#ifndef TESTS_FUZZ_MEMORY_H
#define TESTS_FUZZ_MEMORY_H

#include "tests/fuzz/judge.h"

struct memory;

struct memory *memory_make(void);
void memory_free(struct memory *memory);

/* A packet whose backend was found, as its receiver or as its sender, whatever became of it then:
 * a first fragment that is lost, or left to tc, has decided for the rest. NULL, or a sentence. */
const char *memory_judge(struct memory *memory, const struct passage *passage, uint32_t backend);

#endif
