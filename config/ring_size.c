/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How many slots a ring has. Maglev's permutations need a prime (Eisenbud et al., NSDI 2016,
 * section 3.4); the same question is asked by the checks of lb.conf and by whoever builds rings. */
#include "config/config.h"
#include "config/ring_size.h"

bool ring_size_is_prime(uint32_t n)
{
	if (n < 2 || (n != 2 && n % 2 == 0))
		return false;
	for (uint64_t divisor = 3; divisor * divisor <= n; divisor += 2)
		if (n % divisor == 0)
			return false;
	return true;
}

uint32_t ring_size_next_prime(uint32_t n)
{
	while (!ring_size_is_prime(n))
		n++;
	return n;
}

uint32_t config_ring_slots(uint32_t ring_size, size_t backends)
{
	size_t wanted = backends * CONFIG_RING_PER_BACKEND;

	if (ring_size)
		return ring_size;
	if (wanted < CONFIG_RING_MIN)
		wanted = CONFIG_RING_MIN;
	if (wanted > CONFIG_RING_MAX)
		wanted = CONFIG_RING_MAX;
	return ring_size_next_prime((uint32_t)wanted);
}
