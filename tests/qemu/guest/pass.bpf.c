/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Somebody else's XDP program: lets everything through to whoever comes next. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int beside(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
