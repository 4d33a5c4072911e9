/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The flows of TCP. Their figures are the kernel's own, read when a connection ends and whenever
 * the daemon samples; a packet pays for the size of its message alone. Several may read them into
 * one record at a time, so that figures only grow there, and the last ones are written as they are.
 *
 * What the kernel counts, and what is made of it:
 *
 *	bytes_received	payload in order, once, and the FIN, which tcp_fin() alone marks (SOCK_DONE)
 *	bytes_sent	payload, what is sent again included; bytes_retrans is that, but for what
 *			this host itself refused (a rule, a full queue), which is tried as new
 *	bytes_acked	sequence numbers that the other end has; up to snd_nxt they are sent
 *	segs_in, _out	segments, 32 bits of them; a listener's SYN-ACK and the reset that aborts a
 *			connection are not among them */
#ifndef POLICY_FLOWS_TCP_BPF_H
#define POLICY_FLOWS_TCP_BPF_H

#include "policy/flows_record.bpf.h"

/* flow_socket.flags of TCP; above them, when an adopted socket found no record */
#define FLOW_SOCKET_FIN_IN	1
#define FLOW_SOCKET_FIN_OUT	2
#define FLOW_SOCKET_RESET	4
#define FLOW_SOCKET_ADOPTED	8	/* sock_ops is not called for it */
#define FLOW_SOCKET_ENDS	(FLOW_SOCKET_FIN_IN | FLOW_SOCKET_FIN_OUT | FLOW_SOCKET_RESET)
#define FLOW_SOCKET_TRIED_SHIFT	8

#define TCP_FIN 0x01
#define TCP_RST 0x04

struct tcp_figures {
	__u64 bytes_in, bytes_out;
	__u32 segments_in, segments_out;
	__u32 rtt_us, min_rtt_us, retransmits;
};

/* Sequence numbers of payload that was sent, and at most the SYN's of a socket that is adopted. */
static __always_inline __u64 payload_numbered(const struct tcp_sock *tcp,
					      enum flow_direction direction)
{
	__u8 state = tcp->inet_conn.icsk_inet.sk.__sk_common.skc_state;
	__u32 next = tcp->snd_nxt, controls = direction == FLOW_OUT; /* SYN */
	__u64 acked = tcp->bytes_acked;
	__s32 flying = next - tcp->snd_una;

	if (next == tcp->write_seq &&
	    (state == BPF_TCP_FIN_WAIT1 || state == BPF_TCP_FIN_WAIT2 ||
	     state == BPF_TCP_CLOSING || state == BPF_TCP_LAST_ACK))
		controls++; /* FIN */
	if (flying > 0)
		acked += flying;
	return acked > controls ? acked - controls : 0;
}

/* What is sent again is counted before it is sent: read behind what was sent, it never makes more
 * of that than there was. */
static __always_inline void figures_read(struct tcp_figures *figures, struct tcp_sock *tcp,
					 enum flow_direction direction)
{
	__u64 fin = 1UL << bpf_core_enum_value(enum sock_flags, SOCK_DONE);
	struct sock *sk = &tcp->inet_conn.icsk_inet.sk;
	__u64 received = tcp->bytes_received, sent = tcp->bytes_sent, again, numbered;

	barrier();
	again = tcp->bytes_retrans;
	if (received && sk->__sk_common.skc_flags & fin)
		received--;
	figures->bytes_in = received;
	sent = sent > again ? sent - again : 0;
	numbered = payload_numbered(tcp, direction);
	figures->bytes_out = sent < numbered ? sent : numbered;
	figures->segments_in = tcp->segs_in;
	figures->segments_out = tcp->segs_out;
	figures->rtt_us = tcp->srtt_us >> 3;
	figures->min_rtt_us = tcp->rtt_min.s[0].v;
	if (figures->min_rtt_us == ~0U)
		figures->min_rtt_us = 0;
	figures->retransmits = tcp->total_retrans;
}

/* ---- into a record --------------------------------------------------------------------------- */

/* sock_ops writes the outcome before the last figures: from then on they are its own. */
static __always_inline bool is_over(const struct flow *flow)
{
	return read_once(&flow->life) != FLOW_LIVE || read_once(&flow->state) == BPF_TCP_CLOSE;
}

static __always_inline void bytes_grow(const struct flow *flow, __u64 *bytes, __u64 to)
{
	for (int i = 0; i < 4; i++) {
		__u64 was = read_once(bytes);

		if (to <= was || is_over(flow) ||
		    __sync_val_compare_and_swap(bytes, was, to) == was)
			return;
	}
}

/* The low 32 bits are the kernel's counter; what is older than the record has stays out. A socket
 * may have had any number of them when it is adopted. */
static __always_inline __u64 packets_next(__u64 was, __u32 segments)
{
	__s32 more = segments - (__u32)was;

	if (!was)
		return segments;
	return more > 0 ? was + more : was;
}

static __always_inline void packets_grow(const struct flow *flow, __u64 *packets, __u32 segments)
{
	for (int i = 0; i < 4; i++) {
		__u64 was = read_once(packets), to = packets_next(was, segments);

		if (to == was || is_over(flow) ||
		    __sync_val_compare_and_swap(packets, was, to) == was)
			return;
	}
}

static __always_inline void qualities_set(struct flow *flow, const struct tcp_figures *figures)
{
	flow->rtt_us = figures->rtt_us;
	flow->min_rtt_us = figures->min_rtt_us;
	flow->retransmits = figures->retransmits;
}

static __always_inline void figures_sample(struct flow *flow, const struct tcp_figures *figures)
{
	if (is_over(flow))
		return;
	bytes_grow(flow, &flow->bytes_in, figures->bytes_in);
	bytes_grow(flow, &flow->bytes_out, figures->bytes_out);
	packets_grow(flow, &flow->packets_in, figures->segments_in);
	packets_grow(flow, &flow->packets_out, figures->segments_out);
	qualities_set(flow, figures);
}

static __always_inline void figures_settle(struct flow *flow, const struct tcp_figures *figures)
{
	flow->bytes_in = figures->bytes_in;
	flow->bytes_out = figures->bytes_out;
	flow->packets_in = packets_next(flow->packets_in, figures->segments_in);
	flow->packets_out = packets_next(flow->packets_out, figures->segments_out);
	qualities_set(flow, figures);
}

static __always_inline void figures_to_other(const struct tcp_figures *figures)
{
	other_count(true, figures->segments_in, figures->bytes_in);
	other_count(false, figures->segments_out, figures->bytes_out);
}

/* ---- a connection's life --------------------------------------------------------------------- */

static __always_inline void address_read(union lb_addr *address, __u32 family, __be32 ipv4,
					 __be32 word0, __be32 word1, __be32 word2, __be32 word3)
{
	bool is4 = family == AF_INET;

	address->word[0] = is4 ? 0 : word0;
	address->word[1] = is4 ? 0 : word1;
	address->word[2] = is4 ? bpf_htonl(0xffff) : word2;
	address->word[3] = is4 ? ipv4 : word3;
}

/* The compiler must not make one read at a computed place in the context of several. */
#define FIELD(sk, name) (*(volatile typeof((sk)->name) *)&(sk)->name)

static __always_inline void ends_read(struct flow_birth *birth, struct bpf_sock *sk)
{
	__u32 family = FIELD(sk, family);

	address_read(&birth->local, family, FIELD(sk, src_ip4), FIELD(sk, src_ip6[0]),
		     FIELD(sk, src_ip6[1]), FIELD(sk, src_ip6[2]), FIELD(sk, src_ip6[3]));
	address_read(&birth->remote, family, FIELD(sk, dst_ip4), FIELD(sk, dst_ip6[0]),
		     FIELD(sk, dst_ip6[1]), FIELD(sk, dst_ip6[2]), FIELD(sk, dst_ip6[3]));
	birth->local_port = FIELD(sk, src_port);
	birth->remote_port = bpf_ntohs(FIELD(sk, dst_port));
}

/* From the first moment on it says whose it is: another CPU may have a packet of the socket. */
static __always_inline struct flow_socket *connection_know(struct bpf_sock *sk,
							   struct flow_birth *birth, __u32 flags)
{
	const struct flow_socket fresh = { .cookie = birth->cookie, .number = FLOW_NONE };
	struct flow_socket *own;

	own = bpf_sk_storage_get(&flow_sockets, sk, (void *)&fresh,
				 BPF_SK_STORAGE_GET_F_CREATE);
	if (!own)
		return NULL;
	ends_read(birth, sk);
	birth->protocol = 6 /* IPPROTO_TCP */;
	vip_find(birth, sk);
	own->cgroup = birth->cgroup;
	own->netns = birth->netns;
	own->flags = flags;
	return own;
}

/* Two CPUs may adopt one socket at a time: the slower one drops its record unseen. */
static __always_inline bool connection_record(struct flow_socket *own,
					      const struct flow_birth *birth)
{
	__u32 number = record_take(birth);

	if (number == FLOW_NONE)
		return false;
	if (__sync_val_compare_and_swap(&own->number, FLOW_NONE, number) != FLOW_NONE) {
		record_drop(number);
		return true;
	}
	record_begin(number);
	cgroup_tell(birth->cgroup);
	return true;
}

static __always_inline void connection_be_other(struct flow_socket *own)
{
	write_once(&own->number, FLOW_IS_OTHER);
	other_flow();
}

/* Either it gets a record, or it is "other" for life. */
static __always_inline bool connection_begin(struct bpf_sock *sk, struct flow_birth *birth)
{
	struct flow_socket *own = connection_know(sk, birth, 0);

	if (!own)
		return false;
	write_once(&own->number, FLOW_NONE); /* it may have connected before */
	if (!connection_record(own, birth))
		connection_be_other(own);
	return true;
}

/* What a socket does that has said all it had to say, and hears the other end's last word or has
 * nobody left to hear it, is TIME_WAIT, which is no socket any more. */
static __always_inline bool is_abort(const struct sock *sk, __u32 old_state)
{
	__u64 rest = 1UL << bpf_core_enum_value(enum sock_flags, SOCK_DONE) |
		     1UL << bpf_core_enum_value(enum sock_flags, SOCK_DEAD);

	switch (old_state) {
	case BPF_TCP_SYN_SENT:
	case BPF_TCP_SYN_RECV:
	case BPF_TCP_ESTABLISHED:
	case BPF_TCP_CLOSE_WAIT:
	case BPF_TCP_FIN_WAIT1:
		return true;
	case BPF_TCP_FIN_WAIT2:
		return !(sk->__sk_common.skc_flags & rest);
	}
	return false;
}

static __always_inline __u8 outcome_of(int error)
{
	switch (error) {
	case ECONNREFUSED:
		return FLOW_REFUSED;
	case ECONNRESET:
	case EPIPE:
		return FLOW_RESET;
	case ETIMEDOUT:
		return FLOW_TIMED_OUT;
	case ECONNABORTED:
		return FLOW_ABORTED;
	}
	return FLOW_UNREACHABLE;
}

static __always_inline __u8 outcome_end(const struct sock *sk, __u32 old_state)
{
	int error = sk->sk_err;

	if (error)
		return outcome_of(error);
	return is_abort(sk, old_state) ? FLOW_ABORTED : FLOW_CLOSED;
}

static __always_inline void connection_end(struct flow_socket *own, struct tcp_sock *tcp,
					   __u32 old_state)
{
	struct sock *sk = &tcp->inet_conn.icsk_inet.sk;
	struct flow_record *record = record_of(own);
	__u32 number = own->number;
	struct tcp_figures figures;

	/* Its state is still the old one, and packets come: they must not adopt it. */
	write_once(&own->number, FLOW_IS_OVER);
	figures_read(&figures, tcp, record ? record->flow.direction : FLOW_UNKNOWN);
	if (number == FLOW_IS_OTHER)
		figures_to_other(&figures);
	if (!record)
		return;
	record->flow.outcome = outcome_end(sk, old_state);
	write_once(&record->flow.state, BPF_TCP_CLOSE);
	barrier();
	figures_settle(&record->flow, &figures);
	record->flow.end_ns = bpf_ktime_get_ns();
	life_set(&record->flow, FLOW_ENDED);
}

/* ---- sockets that are older than the programs ------------------------------------------------ */

static __always_inline bool may_be_adopted(__u32 state)
{
	return state == BPF_TCP_ESTABLISHED || state == BPF_TCP_SYN_SENT ||
	       state == BPF_TCP_FIN_WAIT1 || state == BPF_TCP_FIN_WAIT2 ||
	       state == BPF_TCP_CLOSE_WAIT || state == BPF_TCP_CLOSING ||
	       state == BPF_TCP_LAST_ACK;
}

/* Finds a record for it, now or with a later packet: the kernel's figures lose nothing
 * meanwhile. */
static __noinline struct flow_socket *socket_adopt(struct __sk_buff *skb, struct bpf_sock *sk)
{
	struct flow_socket *own = bpf_sk_storage_get(&flow_sockets, sk, 0, 0);
	struct flow_birth birth = { 0 };
	__u32 tried = tried_now() << FLOW_SOCKET_TRIED_SHIFT | FLOW_SOCKET_ADOPTED;

	if (own && own->flags == tried)
		return own;
	birth.cookie = bpf_get_socket_cookie(skb);
	birth.cgroup = bpf_sk_cgroup_id(sk);
	birth.state = FIELD(sk, state);
	if (birth.state == BPF_TCP_SYN_SENT)
		birth.direction = FLOW_OUT;
	if (flow_cookie_of_packets)
		birth.netns = bpf_get_netns_cookie(skb);
	own = connection_know(sk, &birth, FLOW_SOCKET_ADOPTED);
	if (own && !connection_record(own, &birth))
		own->flags = tried;
	return own;
}

/* Nobody tells of its end. Once that is near, each packet brings the figures up to date, and what
 * has been seen of it is its outcome should the daemon find it gone. */
static __noinline void adopted_follow(struct bpf_sock *sk, struct flow_socket *own, bool in,
				      __u8 tcp_flags)
{
	struct flow_record *record = record_of(own);
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	__u32 both = FLOW_SOCKET_FIN_IN | FLOW_SOCKET_FIN_OUT;
	struct tcp_figures figures;

	if (tcp_flags & TCP_FIN)
		own->flags |= in ? FLOW_SOCKET_FIN_IN : FLOW_SOCKET_FIN_OUT;
	if (tcp_flags & TCP_RST)
		own->flags |= FLOW_SOCKET_RESET;
	if (!tcp)
		return;
	figures_read(&figures, tcp, FLOW_UNKNOWN);
	if (!record && own->number == FLOW_NONE) {
		connection_be_other(own);
		figures_to_other(&figures);
	}
	if (!record)
		return;
	if ((own->flags & both) == both)
		record->flow.outcome = FLOW_CLOSED;
	if (tcp_flags & TCP_RST)
		record->flow.outcome = in ? FLOW_RESET : FLOW_ABORTED;
	figures_sample(&record->flow, &figures);
}

/* Ended, and sock_ops was not called: it is adopted, or another program has wished otherwise. */
static __always_inline void end_miss(struct flow *flow, const struct tcp_figures *figures,
				     int error)
{
	if (read_once(&flow->life) != FLOW_LIVE)
		return;
	if (flow->outcome == FLOW_RUNS)
		flow->outcome = error ? outcome_of(error) : FLOW_GONE;
	figures_sample(flow, figures);
	flow->state = BPF_TCP_CLOSE;
	flow->end_ns = bpf_ktime_get_ns();
	life_set(flow, FLOW_ENDED);
}

#endif
