/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What policy_tcp_ops counts: policy_tuned, a per-CPU array of one u64 for each of these. Beside it
 * stands policy_paths, what it keeps of destinations: adaptive_key → adaptive_path (adaptive.h). */
#ifndef POLICY_TUNING_ABI_H
#define POLICY_TUNING_ABI_H

/* A refusal: the kernel does not offer it, or not that value; the socket keeps what it had. */
enum policy_tuned {
	POLICY_TUNED_SOCKETS,		/* of groups with an entry in policy.tcp */
	POLICY_TUNED_NO_CONGESTION,	/* no such congestion control in the kernel */
	POLICY_TUNED_NO_WINDOW,		/* data was sent with the SYN already */
	POLICY_TUNED_NO_MIN_RTO,	/* shorter than two ticks, or longer than 200 ms */
	POLICY_TUNED_NO_PACING,		/* 4 GiB a second or more */
	POLICY_TUNED_LEARNED,		/* connections that their destination was judged by */
	POLICY_TUNED_NO_PATH,		/* no memory for a destination */
	POLICY_TUNED,
};

#endif
