/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Local clients of a vip: what a process of this host, or of a container on it, sends to a vip
 * never passes a front, so no XDP program sees it. Its socket is given a backend instead, when it
 * connects (TCP, UDP) or for each datagram (UDP that is not connected); from then on it speaks to
 * the backend itself, and no packet of it costs anything.
 *
 * The ring is that of lb. The source port is not known yet, so the slot comes from the socket's
 * cookie in place of the source, and for hash = "source" from the network namespace's alone, as lb
 * hashes the client alone. A slot in motion is like any other: the socket is new, so the owner has
 * it, and since the socket holds the backend's address for life nothing need be recorded.
 *
 * Only nat backends can be reached this way: their address is all that it takes. A dsr backend
 * takes packets for the vip itself, by its MAC, and tunnels are made of packets; who is given one
 * of those keeps the destination that he asked for.
 *
 * A namespace that local_netns does not name is not touched: another host's, another balancer's. */
#include <linux/bpf.h>
#include <linux/errno.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "policy/asked.bpf.h"
#include "xdp/maps.bpf.h"
#include "xdp/table.bpf.h"

struct {			/* cookies of the namespaces whose sockets are ours to help */
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, __u32);
} local_netns SEC(".maps");

struct {			/* by backend id: sockets and, unconnected, peers of sockets */
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LB_MAX_BACKENDS);
	__type(key, __u32);
	__type(value, __u64);
} local_connections SEC(".maps");

/* ---- destinations --------------------------------------------------------------------------- */

struct destination {
	union lb_addr addr;
	__be16 port;
};

static __always_inline struct destination destination4(const struct bpf_sock_addr *ctx)
{
	struct destination to = { .port = (__be16)ctx->user_port };

	to.addr.word[2] = bpf_htonl(0xffff);
	to.addr.word[3] = ctx->user_ip4;
	return to;
}

static __always_inline struct destination destination6(const struct bpf_sock_addr *ctx)
{
	struct destination to = { .port = (__be16)ctx->user_port };

	to.addr.word[0] = ctx->user_ip6[0];
	to.addr.word[1] = ctx->user_ip6[1];
	to.addr.word[2] = ctx->user_ip6[2];
	to.addr.word[3] = ctx->user_ip6[3];
	return to;
}

static __always_inline void destination4_set(struct bpf_sock_addr *ctx,
					     const struct destination *to)
{
	ctx->user_ip4 = to->addr.word[3];
	ctx->user_port = to->port;
}

static __always_inline void destination6_set(struct bpf_sock_addr *ctx,
					     const struct destination *to)
{
	ctx->user_ip6[0] = to->addr.word[0];
	ctx->user_ip6[1] = to->addr.word[1];
	ctx->user_ip6[2] = to->addr.word[2];
	ctx->user_ip6[3] = to->addr.word[3];
	ctx->user_port = to->port;
}

/* ---- a backend ------------------------------------------------------------------------------ */

enum choice {
	CHOICE_NONE,		/* not ours: the destination stays */
	CHOICE_REFUSE,		/* nobody serves it; the error is set */
	CHOICE_BACKEND,
};

/* As flow_hash() of lb, over what is known of the flow so early. */
static __always_inline __u32 socket_hash(struct bpf_sock_addr *ctx, const struct lb_settings *set,
					 const struct lb_entry *service,
					 const struct destination *to)
{
	const __u64 *key = set->hash_key;
	__u64 cookie, sum = key[0];

	if (service->used & LB_ENTRY_SOURCE) {
		cookie = bpf_get_netns_cookie(ctx);
		sum += (key[3] + (__u32)cookie) * (key[4] + (__u32)(cookie >> 32));
	} else {
		cookie = bpf_get_socket_cookie(ctx);
		sum += (key[1] + to->port) * (key[2] + ctx->protocol);
		sum += (key[3] + (__u32)cookie) * (key[4] + to->addr.word[3]);
		sum += (key[5] + (__u32)(cookie >> 32)) * (key[6] + to->addr.word[0]);
		sum += (key[7] + to->addr.word[1]) * (key[8] + to->addr.word[2]);
	}
	sum ^= sum >> 32;
	sum *= 0x9e3779b97f4a7c15ULL;
	return sum >> 32;
}

static __always_inline bool netns_is_ours(struct bpf_sock_addr *ctx)
{
	__u64 cookie = bpf_get_netns_cookie(ctx);

	return bpf_map_lookup_elem(&local_netns, &cookie);
}

/* What lb would drop without a word is told here, where it costs nothing: an application that is
 * refused at once tries again, or elsewhere. */
static __always_inline enum choice refuse(const struct lb_entry *service)
{
	bpf_set_retval(service->used & LB_ENTRY_REJECT ? -ECONNREFUSED : -EHOSTUNREACH);
	return CHOICE_REFUSE;
}

/* An exact port is all there is to look for: nat takes no service of any port. */
static __always_inline struct lb_entry *service_of(const struct lb_settings *set, __u32 protocol,
						   const struct destination *to)
{
	struct lb_key key = { .addr = to->addr, .port = to->port, .protocol = protocol };

	if ((protocol != IPPROTO_TCP && protocol != IPPROTO_UDP) || !to->port)
		return NULL;
	return table_lookup(&lb_services, &lb_services_disp, read_once(&set->services), &key);
}

static __always_inline enum choice backend_choose(struct bpf_sock_addr *ctx,
						  const struct destination *asked,
						  struct destination *ret_to, __u32 *ret_id)
{
	struct lb_settings *set = settings();
	const struct lb_backend *backend;
	struct lb_entry *service;
	__u32 slot, id;
	__u64 *word;

	service = set ? service_of(set, ctx->protocol, asked) : NULL;
	if (!service || !netns_is_ours(ctx) || bpf_get_retval() /* refused by another program */)
		return CHOICE_NONE;
	slot = service->slot_base +
	       (__u32)((__u64)socket_hash(ctx, set, service, asked) * service->slot_count >> 32);
	word = bpf_map_lookup_elem(&lb_slots, &slot);
	id = word ? LB_SLOT_OWNER(read_once(word)) : LB_NOBODY;
	if (id == LB_NOBODY)
		return refuse(service);
	backend = bpf_map_lookup_elem(&lb_backends, &id);
	if (!backend || backend->forward != LB_FORWARD_NAT)
		return CHOICE_NONE;
	ret_to->addr = backend->address;
	ret_to->port = backend->port ? backend->port : asked->port;
	*ret_id = id;
	return CHOICE_BACKEND;
}

static __always_inline void backend_count(__u32 id)
{
	__u64 *count = bpf_map_lookup_elem(&local_connections, &id);

	if (count)
		++*count;
}

/* ---- connect -------------------------------------------------------------------------------- */

static __always_inline struct local_socket *socket_state(struct bpf_sock_addr *ctx, __u64 flags)
{
	return bpf_sk_storage_get(&local_sockets, ctx->sk, 0, flags);
}

/* Without memory for it the socket is connected all the same, and sees the backend's address. */
static __always_inline void socket_remember(struct bpf_sock_addr *ctx,
					    const struct destination *asked,
					    const struct destination *to)
{
	struct local_socket *state = socket_state(ctx, BPF_SK_STORAGE_GET_F_CREATE);

	if (!state)
		return;
	state->backend = to->addr;
	state->backend_port = to->port;
	state->vip = asked->addr;
	state->vip_port = asked->port;
}

/* It may have been connected to a vip before: what it asks for now is what it shall see. */
static __always_inline void socket_forget(struct bpf_sock_addr *ctx)
{
	struct local_socket *state = socket_state(ctx, 0);

	if (state)
		state->backend_port = 0;
}

static __noinline int connection_translate(struct bpf_sock_addr *ctx, struct destination *to)
{
	struct destination asked = *to;
	enum choice choice;
	__u32 id;

	choice = backend_choose(ctx, &asked, to, &id);
	if (choice == CHOICE_BACKEND) {
		socket_remember(ctx, &asked, to);
		backend_count(id);
	} else {
		socket_forget(ctx);
	}
	return choice;
}

SEC("cgroup/connect4")
int local_connect4(struct bpf_sock_addr *ctx)
{
	struct destination to = destination4(ctx);
	int choice = connection_translate(ctx, &to);

	if (choice == CHOICE_BACKEND)
		destination4_set(ctx, &to);
	return choice != CHOICE_REFUSE;
}

SEC("cgroup/connect6")
int local_connect6(struct bpf_sock_addr *ctx)
{
	struct destination to = destination6(ctx);
	int choice = connection_translate(ctx, &to);

	if (choice == CHOICE_BACKEND)
		destination6_set(ctx, &to);
	return choice != CHOICE_REFUSE;
}

/* ---- datagrams of sockets that are not connected --------------------------------------------- */

/* Written when a peer is new to the socket, or another vip led to it. */
static __always_inline void peer_remember(struct bpf_sock_addr *ctx,
					  const struct destination *asked,
					  const struct destination *to, __u32 id)
{
	struct local_peer key = { .socket = bpf_get_socket_cookie(ctx), .backend = to->addr,
				  .port = to->port };
	struct local_asked value = { .vip = asked->addr, .port = asked->port };
	struct local_asked *known = bpf_map_lookup_elem(&local_datagrams, &key);
	struct local_socket *state;

	if (known && addr_same(&known->vip, &value.vip) && known->port == value.port)
		return;
	state = socket_state(ctx, BPF_SK_STORAGE_GET_F_CREATE);
	if (!state)
		return;
	state->datagrams = 1;
	bpf_map_update_elem(&local_datagrams, &key, &value, BPF_ANY);
	backend_count(id);
}

static __noinline int datagram_translate(struct bpf_sock_addr *ctx, struct destination *to)
{
	struct destination asked = *to;
	enum choice choice;
	__u32 id;

	choice = backend_choose(ctx, &asked, to, &id);
	if (choice == CHOICE_BACKEND)
		peer_remember(ctx, &asked, to, id);
	return choice;
}

SEC("cgroup/sendmsg4")
int local_sendmsg4(struct bpf_sock_addr *ctx)
{
	struct destination to = destination4(ctx);
	int choice = datagram_translate(ctx, &to);

	if (choice == CHOICE_BACKEND)
		destination4_set(ctx, &to);
	return choice != CHOICE_REFUSE;
}

SEC("cgroup/sendmsg6")
int local_sendmsg6(struct bpf_sock_addr *ctx)
{
	struct destination to = destination6(ctx);
	int choice = datagram_translate(ctx, &to);

	if (choice == CHOICE_BACKEND)
		destination6_set(ctx, &to);
	return choice != CHOICE_REFUSE;
}

/* ---- what the application sees --------------------------------------------------------------- */

static __always_inline bool peer_is_connected(const struct local_socket *state,
					      const struct destination *from)
{
	return state->backend_port && state->backend_port == from->port &&
	       addr_same(&state->backend, &from->addr);
}

/* Turns the backend's address into the vip that the socket asked for. */
static __always_inline bool connected_show(struct bpf_sock_addr *ctx, struct destination *from)
{
	struct local_socket *state = socket_state(ctx, 0);

	if (!state || !peer_is_connected(state, from))
		return false;
	from->addr = state->vip;
	from->port = state->vip_port;
	return true;
}

static __noinline int datagram_show(struct bpf_sock_addr *ctx, struct destination *from)
{
	struct local_socket *state = socket_state(ctx, 0);
	struct local_asked *asked;
	struct local_peer key = {};

	if (connected_show(ctx, from))
		return true;
	if (!state || !state->datagrams)
		return false;
	key.socket = bpf_get_socket_cookie(ctx);
	key.backend = from->addr;
	key.port = from->port;
	asked = bpf_map_lookup_elem(&local_datagrams, &key);
	if (!asked)
		return false;
	from->addr = asked->vip;
	from->port = asked->port;
	return true;
}

SEC("cgroup/recvmsg4")
int local_recvmsg4(struct bpf_sock_addr *ctx)
{
	struct destination from = destination4(ctx);

	if (datagram_show(ctx, &from))
		destination4_set(ctx, &from);
	return 1;
}

SEC("cgroup/recvmsg6")
int local_recvmsg6(struct bpf_sock_addr *ctx)
{
	struct destination from = destination6(ctx);

	if (datagram_show(ctx, &from))
		destination6_set(ctx, &from);
	return 1;
}

SEC("cgroup/getpeername4")
int local_getpeername4(struct bpf_sock_addr *ctx)
{
	struct destination from = destination4(ctx);

	if (connected_show(ctx, &from))
		destination4_set(ctx, &from);
	return 1;
}

SEC("cgroup/getpeername6")
int local_getpeername6(struct bpf_sock_addr *ctx)
{
	struct destination from = destination6(ctx);

	if (connected_show(ctx, &from))
		destination6_set(ctx, &from);
	return 1;
}

char _license[] SEC("license") = "GPL";
