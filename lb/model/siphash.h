/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SipHash-2-4 (Aumasson and Bernstein, INDOCRYPT 2012): the hash of names and the stretcher of
 * tuning.hash_seed. Not for packets. */
#ifndef LB_MODEL_SIPHASH_H
#define LB_MODEL_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t siphash(const uint64_t key[2], const void *data, size_t size);

#endif
