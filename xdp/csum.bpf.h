/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Internet checksums, changed by increments (RFC 1624, equation 3: HC' = ~(~HC + ~m + m')). A
 * delta is the folded sum of ~m and m'; what a backend adds stands prepared in its cache line. */
#ifndef XDP_CSUM_BPF_H
#define XDP_CSUM_BPF_H

#include <linux/types.h>
#include <bpf/bpf_helpers.h>

static __always_inline __u16 csum_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

/* The sum and `bytes` more, in the byte order of the wire; even, and few enough for 32 bits. */
static __always_inline __u32 csum_add(__u32 sum, const void *from, __u32 bytes)
{
	for (__u32 i = 0; i < bytes / 2; i++)
		sum += ((const __u16 *)from)[i];
	return sum;
}

static __always_inline __u16 csum_update(__u16 csum, __u16 delta)
{
	return ~csum_fold((__u16)~csum + (__u32)delta);
}

/* A UDP checksum of 0 says "none" and stays; one that comes out as 0 is sent as 0xffff
 * (RFC 768). */
static __always_inline __u16 csum_update_udp(__u16 csum, __u16 delta)
{
	if (!csum)
		return 0;
	csum = csum_update(csum, delta);
	return csum ? csum : 0xffff;
}

#endif
