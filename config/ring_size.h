/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Primes for the sizes of rings; inside config/. Others call config_ring_slots(). */
#ifndef CONFIG_RING_SIZE_H
#define CONFIG_RING_SIZE_H

#include <stdbool.h>
#include <stdint.h>

bool ring_size_is_prime(uint32_t n);

/* The smallest prime at least n; n is at most CONFIG_RING_MAX, which is a prime itself. */
uint32_t ring_size_next_prime(uint32_t n);

#endif
