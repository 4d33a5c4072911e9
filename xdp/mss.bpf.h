/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MSS clamping: the maximum segment size that a SYN names (RFC 9293, section 3.7.1) is lowered to
 * what fits on the way, with the checksum. It is never raised, and never added: without it a host
 * takes 536 bytes, which fit everywhere. Used by lb for SYNs and by decap_mss for SYN-ACKs. */
#ifndef XDP_MSS_BPF_H
#define XDP_MSS_BPF_H

#include "packet.bpf.h"

#define TCP_OPTIONS_MAX 40

enum { OPTION_END, OPTION_NOP, OPTION_MSS };

struct syn_options {
	__u8 bytes[64];	/* of which 40 are filled; a power of two, for the verifier */
	__u32 size, at;	/* here, so that the verifier does not follow their values */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct syn_options);
} lb_syn SEC(".maps");

/* Defined by each program, as in headers.bpf.h. The last puts `to` in the place of `from`, two
 * bytes in wire order, in what the checksum at `at` covers. */
static __always_inline long frame_load(void *ctx, __u32 at, void *to, __u32 bytes);
static __always_inline long frame_store(void *ctx, __u32 at, const void *from, __u32 bytes);
static __always_inline long frame_csum_replace(void *ctx, __u32 at, __u16 from, __u16 to);

/* Leaves `at` where the MSS option begins; false where there is none, or the options are broken. */
static __always_inline bool mss_find(struct syn_options *options)
{
	options->at = 0;
	for (int i = 0; i < TCP_OPTIONS_MAX; i++) {
		__u32 at = *(volatile __u32 *)&options->at, left;
		__u8 kind = options->bytes[at & 63], size = options->bytes[(at + 1) & 63];

		if (at + 2 > options->size || kind == OPTION_END)
			return false;
		left = options->size - at;
		if (kind == OPTION_NOP)
			size = 1;
		else if (size < 2 || size > left)
			return false;
		if (kind == OPTION_MSS)
			return size == 4;
		*(volatile __u32 *)&options->at = at + size;
	}
	return false;
}

static __always_inline __u16 bytes_swapped(__u16 word)
{
	return word << 8 | word >> 8;
}

/* `l4`: where TCP stands in the frame. An option may begin at an odd place; then its two bytes are
 * in different words of the checksum, the other way round. */
static __always_inline void mss_lower(void *ctx, __u32 l4, __u32 mss)
{
	__u32 zero = 0, first = l4 + sizeof(struct tcphdr), size;
	struct syn_options *options = bpf_map_lookup_elem(&lb_syn, &zero);
	__u16 was, now = bpf_htons(mss);
	__u8 length;

	if (!options || frame_load(ctx, l4 + 12, &length, 1))
		return;
	size = (length >> 4) * 4 - sizeof(struct tcphdr);
	if (size < 4 || size > TCP_OPTIONS_MAX || frame_load(ctx, first, options->bytes, size))
		return;
	options->size = size;
	if (!mss_find(options))
		return;
	size = options->at;
	if (frame_load(ctx, first + size + 2, &was, 2) || bpf_ntohs(was) <= mss)
		return;
	if (frame_store(ctx, first + size + 2, &now, 2))
		return;
	if (size & 1)
		frame_csum_replace(ctx, l4 + offsetof(struct tcphdr, check), bytes_swapped(was),
				   bytes_swapped(now));
	else
		frame_csum_replace(ctx, l4 + offsetof(struct tcphdr, check), was, now);
}

#endif
