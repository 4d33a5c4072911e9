/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a task asks for: connect, sendmsg, bind, socket. Here it hears at once, and by its errno,
 * what the packets' programs would refuse in silence; they are the authority. So a call that may
 * yet turn out to be a reply passes here, and what is allowed is counted there. Functions return
 * what such a program returns: 1, or 0 for an error. */
#ifndef POLICY_CALL_BPF_H
#define POLICY_CALL_BPF_H

#include <linux/errno.h>

#include "flow.bpf.h"
#include "who.bpf.h"

static __always_inline void question_of_task(struct question *q, enum policy_hook hook)
{
	q->hook = hook;
	q->pid = bpf_get_current_pid_tgid() >> 32;
	q->cgroup = bpf_get_current_cgroup_id();
	bpf_get_current_comm(q->comm, sizeof(q->comm));
}

static __always_inline __u32 set_of_task(struct question *q)
{
	const struct policy_dims *dims = dims_of(q->current);
	struct lineage lineage;

	if (!dims)
		return POLICY_SET_NONE;
	lineage_find(&lineage, dims, ancestor_of_task, 0);
	return set_find(q->current, q->cookie, &lineage);
}

/* Counts, tells, and answers with the verdict's errno. */
static __always_inline int call_refuse(struct question *q, enum policy_hook hook)
{
	question_of_task(q, hook);
	if (refusal_settle(q))
		return 1;
	if (POLICY_VERDICT_ACTION(q->verdict) == POLICY_REJECT)
		bpf_set_retval(-ECONNREFUSED);
	return 0;
}

/* ---- addresses ------------------------------------------------------------------------------- */

/* Of the own netns whatever its rules are: 127/8, ::1, and the unspecified address, which connect
 * takes for loopback. Mapped ones too. */
static __always_inline bool address_is_loopback(const __u8 *address)
{
	const __u32 *word = (const __u32 *)address;

	if (word[0] | word[1])
		return false;
	if (word[2] == bpf_htonl(0xffff))
		return !word[3] || (word[3] & bpf_htonl(0xff000000)) == bpf_htonl(0x7f000000);
	return !word[2] && (!word[3] || word[3] == bpf_htonl(1));
}

/* Fields of the context one by one: the verifier lets nobody copy them by a pointer. */
static __always_inline void remote_set(struct policy_flow_key *ends, struct bpf_sock_addr *ctx,
				       bool ipv6)
{
	__u32 *word = (__u32 *)ends->remote;

	if (!ipv6) {
		address_mapped(ends->remote, ctx->user_ip4);
		return;
	}
	word[0] = ctx->user_ip6[0];
	word[1] = ctx->user_ip6[1];
	word[2] = ctx->user_ip6[2];
	word[3] = ctx->user_ip6[3];
}

/* What the socket is bound to; all zero where it is to nothing. */
static __always_inline void local_set(struct policy_flow_key *ends, struct bpf_sock *sk)
{
	__u32 *word = (__u32 *)ends->local;

	if (sk->family == AF_INET6) {
		word[0] = sk->src_ip6[0];
		word[1] = sk->src_ip6[1];
		word[2] = sk->src_ip6[2];
		word[3] = sk->src_ip6[3];
	} else if (sk->src_ip4) {
		address_mapped(ends->local, sk->src_ip4);
	}
	if (word[2] == bpf_htonl(0xffff) && !word[3])
		word[2] = 0;
	ends->local_port = sk->src_port;
}

/* The socket's own storage says who it is, whoever uses it now. One that nobody has looked at under
 * this `current` is for this call the task's; the next packet knows better and writes it down. */
static __always_inline struct policy_socket *call_begin(struct question *q,
							struct bpf_sock_addr *ctx)
{
	struct policy_socket *own;

	q->cookie = bpf_get_netns_cookie(ctx);
	q->ends.netns = q->cookie;
	q->ends.protocol = protocol_stored(ctx->type, ctx->protocol);
	own = bpf_sk_storage_get(&policy_socket, ctx->sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (own && !own->cookie) {
		own->cookie = q->cookie;
		own->identified = 0; /* its namespace may say more than its cgroup did */
		own->protocol = q->ends.protocol;
	}
	if (own && read_once(&own->identified) == q->current)
		q->set = own->set;
	else
		q->set = set_of_task(q);
	return own;
}

static __always_inline bool question_open(struct question *q)
{
	const struct policy_settings *set = settings();

	__builtin_memset(q, 0, sizeof(*q));
	q->current = set ? read_once(&set->current) : 0;
	return q->current;
}

/* ---- connect, sendmsg ------------------------------------------------------------------------ */

/* It begins something; or, of datagrams, it may be the answer of one who is bound to a port. */
__noinline int call_is_refused(struct question *q, bool may_answer)
{
	if (!q)
		return false;
	q->direction = POLICY_INITIATES;
	judge(q);
	if (q->verdict == VERDICT_OWN || verdict_is_plain(q->verdict))
		return false;
	if (!may_answer)
		return true;
	q->direction = POLICY_RESPONDS;
	judge(q);
	if (!verdict_refuses(q->verdict))
		return false;
	q->direction = POLICY_INITIATES;
	judge(q);
	return true;
}

/* What was connected before is another connection's. */
static __always_inline void connect_begin(struct policy_socket *own, __u8 protocol)
{
	if (!own || protocol != IPPROTO_TCP)
		return;
	own->judged = 0;
	own->direction = POLICY_INITIATES;
}

static __always_inline int connect_judge(struct bpf_sock_addr *ctx, bool ipv6)
{
	struct policy_socket *own;
	struct bpf_sock *sk = ctx->sk;
	struct question q;
	bool may_answer;

	if (!sk || !question_open(&q))
		return 1;
	own = call_begin(&q, ctx);
	connect_begin(own, q.ends.protocol);
	remote_set(&q.ends, ctx, ipv6);
	if (q.set == POLICY_SET_NONE || address_is_loopback(q.ends.remote))
		return 1;
	local_set(&q.ends, sk);
	q.ends.remote_port = bpf_ntohs(ctx->user_port);
	may_answer = q.ends.protocol != IPPROTO_TCP && q.ends.local_port &&
		     (!own || own->direction != POLICY_INITIATES);
	return call_is_refused(&q, may_answer) ? call_refuse(&q, POLICY_HOOK_CONNECT) : 1;
}

/* The peer of the packet before, whose verdict stands in the socket: asked without its own address,
 * which is not known here. A wrong "yes" is put right by the packet's program. */
static __always_inline bool sendmsg_is_known(const struct policy_socket *own,
					     const struct question *q)
{
	return own && read_once(&own->judged) == q->current &&
	       own->remote_port == q->ends.remote_port &&
	       address_same(own->remote, q->ends.remote);
}

static __always_inline int sendmsg_judge(struct bpf_sock_addr *ctx, bool ipv6)
{
	struct policy_socket *own;
	struct bpf_sock *sk = ctx->sk;
	struct question q;

	if (!sk || !question_open(&q))
		return 1;
	own = call_begin(&q, ctx);
	remote_set(&q.ends, ctx, ipv6);
	q.ends.remote_port = bpf_ntohs(ctx->user_port);
	if (q.set == POLICY_SET_NONE || sendmsg_is_known(own, &q) ||
	    address_is_loopback(q.ends.remote))
		return 1;
	local_set(&q.ends, sk);
	if (!call_is_refused(&q, !own || own->direction != POLICY_INITIATES))
		return 1;
	return call_refuse(&q, POLICY_HOOK_SENDMSG);
}

/* ---- bind ------------------------------------------------------------------------------------ */

static __always_inline bool prefix_holds(const struct policy_bind *bind, const __u8 *address)
{
	for (__u32 i = 0; i < 4; i++) {
		__u32 bits = bind->prefix_len > 32 * i ? bind->prefix_len - 32 * i : 0;
		__u32 mask = bits >= 32 ? ~0U : bits ? bpf_htonl(~0U << (32 - bits)) : 0;

		if ((((const __u32 *)bind->address)[i] ^ ((const __u32 *)address)[i]) & mask)
			return false;
	}
	return true;
}

/* To bind to every address is allowed where every address is. */
static __always_inline bool bind_allows(const struct policy_bind *bind, const struct question *q)
{
	if (q->ends.local_port < bind->first || q->ends.local_port > bind->last)
		return false;
	return address_is_zero(bind->address) ||
	       (!address_is_zero(q->ends.local) && prefix_holds(bind, q->ends.local));
}

static __noinline int bind_is_allowed(const struct policy_sockets *rules, const struct question *q)
{
	__u32 count = rules->bind_count;

	for (__u32 i = 0; i < POLICY_BINDS; i++) {
		if (i >= count)
			break;
		if (bind_allows(&rules->bind[i], q))
			return true;
	}
	return !count;
}

static __always_inline int bind_judge(struct bpf_sock_addr *ctx, bool ipv6)
{
	const struct policy_sockets *rules;
	struct policy_socket *own;
	struct question q;

	if (!ctx->sk || !question_open(&q))
		return 1;
	own = call_begin(&q, ctx);
	if (!ctx->user_port)
		return 1;
	if (own && q.ends.protocol != IPPROTO_TCP)
		own->direction = POLICY_RESPONDS;
	rules = q.set ? half_lookup(policy_sockets, q.current, &q.set) : NULL;
	if (!rules)
		return 1;
	remote_set(&q.ends, ctx, ipv6); /* the address that was asked for */
	address_copy(q.ends.local, q.ends.remote);
	__builtin_memset(q.ends.remote, 0, sizeof(q.ends.remote));
	if (!ipv6 && !ctx->user_ip4)
		__builtin_memset(q.ends.local, 0, sizeof(q.ends.local));
	q.ends.local_port = bpf_ntohs(ctx->user_port);
	if (bind_is_allowed(rules, &q))
		return 1;
	q.verdict = rules->bind_verdict;
	q.direction = POLICY_RESPONDS;
	return call_refuse(&q, POLICY_HOOK_BIND);
}

/* ---- socket ---------------------------------------------------------------------------------- */

#define PROTOCOL_MPTCP 262 /* IPPROTO_MPTCP */

static __always_inline __u32 socket_kind(__u32 type, __u32 protocol)
{
	if (type == SOCK_RAW)
		return POLICY_SOCKET_RAW;
	switch (protocol) {
	case IPPROTO_TCP:
		return POLICY_SOCKET_TCP;
	case IPPROTO_UDP:
		return POLICY_SOCKET_UDP;
	case IPPROTO_SCTP:
		return POLICY_SOCKET_SCTP;
	case PROTOCOL_MPTCP:
		return POLICY_SOCKET_MPTCP;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return POLICY_SOCKET_PING;
	default:
		return POLICY_SOCKET_OTHER;
	}
}

/* The first denied bit that is not only audited; each audited one is told on the way. */
static __always_inline int socket_refuse(struct question *q, const struct policy_sockets *rules,
					 __u32 denied)
{
	for (__u32 bit = 0; bit < POLICY_SOCKET_BITS; bit++) {
		if (!(denied >> bit & 1))
			continue;
		q->verdict = rules->verdict[bit];
		if (!verdict_is_plain(q->verdict) && !call_refuse(q, POLICY_HOOK_SOCKET))
			return 0;
	}
	return 1;
}

/* The task's cgroup is the socket's: both begin here. */
static __always_inline int socket_judge(struct bpf_sock *sk)
{
	const struct policy_sockets *rules;
	struct policy_socket *own;
	struct question q;
	__u32 kinds;

	if (!question_open(&q))
		return 1;
	q.cookie = bpf_get_netns_cookie(sk);
	q.ends.netns = q.cookie;
	q.ends.protocol = protocol_stored(sk->type, sk->protocol);
	q.set = set_of_task(&q);
	own = bpf_sk_storage_get(&policy_socket, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (own) {
		own->cookie = q.cookie;
		own->protocol = q.ends.protocol;
		if (own->protocol != IPPROTO_TCP)
			own->direction = POLICY_INITIATES;
		identity_stamp(own, q.current, q.set);
	} else {
		loss_count(POLICY_LOST_SOCKET);
	}
	rules = q.set ? half_lookup(policy_sockets, q.current, &q.set) : NULL;
	if (!rules)
		return 1;
	q.family = sk->family << 8 | sk->type;
	kinds = socket_kind(sk->type, sk->protocol) |
		(sk->family == AF_INET ? POLICY_SOCKET_IPV4 : POLICY_SOCKET_IPV6);
	return socket_refuse(&q, rules, rules->deny & kinds);
}

#endif
