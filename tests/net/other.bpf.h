/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Included before all of xdp/ by `make other`: each lookup gets an instruction more, that does
 * nothing. So the programs of the other lbd are other ones, and do the same. */
#ifndef TESTS_NET_OTHER_BPF_H
#define TESTS_NET_OTHER_BPF_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

static __always_inline void *other_lookup(void *map, const void *key)
{
	asm volatile("r0 = 0" ::: "r0"); /* the call sets it */
	return bpf_map_lookup_elem(map, key);
}

#define bpf_map_lookup_elem other_lookup

#endif
