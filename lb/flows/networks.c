/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A sorted list, searched once for each length that there is: real lists have a handful of them. */
#include "lb/flows/networks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/mem.h"

#define IPV4_BITS 96 /* of an IPv4 address that every other one begins with too */

static bool prefix_is_ipv4(const struct prefix *prefix)
{
	return prefix->len >= IPV4_BITS && addr_is_ipv4(&prefix->addr);
}

struct prefix network_around(const struct addr *addr, unsigned int len)
{
	struct prefix prefix = { *addr, len };

	for (unsigned int bit = len; bit < 128; bit++) {
		if (bit % 8 == 0)
			prefix.addr.byte[bit / 8] = 0;
		else
			prefix.addr.byte[bit / 8] &= (unsigned char)~(0x80 >> bit % 8);
	}
	return prefix;
}

const char *network_format(const struct prefix *prefix, char *text)
{
	char addr[ADDR_TEXT_MAX];
	unsigned int len = prefix_is_ipv4(prefix) ? prefix->len - IPV4_BITS : prefix->len;

	snprintf(text, NETWORK_TEXT_MAX, "%s/%u", addr_format(&prefix->addr, addr), len);
	return text;
}

static int compare(const void *a, const void *b)
{
	const struct prefix *one = a, *other = b;

	if (one->len != other->len)
		return one->len < other->len ? 1 : -1;
	return addr_compare(&one->addr, &other->addr);
}

void networks_set(struct networks *networks, const struct prefix *list, size_t count)
{
	networks_clear(networks);
	networks->list = mem_array(count, sizeof(*list));
	networks->count = count;
	if (!count)
		return;
	memcpy(networks->list, list, count * sizeof(*list));
	qsort(networks->list, count, sizeof(*list), compare);
	for (size_t i = 0; i < count; i++) {
		struct network_run *run = &networks->runs[networks->run_count];

		if (!i || networks->list[i - 1].len != networks->list[i].len) {
			*run = (struct network_run){ networks->list[i].len, i, 0 };
			networks->run_count++;
		}
		networks->runs[networks->run_count - 1].count++;
	}
}

void networks_clear(struct networks *networks)
{
	free(networks->list);
	*networks = (struct networks){ 0 };
}

const struct prefix *networks_find(const struct networks *networks, const struct addr *addr)
{
	bool ipv4 = addr_is_ipv4(addr);

	for (size_t i = 0; i < networks->run_count; i++) {
		const struct network_run *run = &networks->runs[i];
		struct prefix key = network_around(addr, run->len);
		const struct prefix *found = bsearch(&key, &networks->list[run->first], run->count,
						     sizeof(key), compare);

		if (found && prefix_is_ipv4(found) == ipv4)
			return found;
	}
	return NULL;
}
