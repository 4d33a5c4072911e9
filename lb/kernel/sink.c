/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Operations into tables. What a packet can see changes by single aligned stores: a slot's word,
 * a word of a next hop, the word that flips a table to its other half. Everything that such a
 * word leads to is complete before it is stored. */
#include "lb/kernel/sink.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "lb/kernel/attach.h"
#include "lb/kernel/settle.h"
#include "lb/kernel/stats.h"
#include "lb/model/entries.h"
#include "lb/model/motion.h"
#include "lb/model/table.h"

static void store(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* ---- make ----------------------------------------------------------------------------------- */

static int device_add(const struct dataplane *dataplane, uint32_t ifindex, struct diag *diag)
{
	struct bpf_devmap_val value = { .ifindex = ifindex };
	int err = bpf_map_update_elem(dataplane->devices, &ifindex, &value, BPF_ANY) ? -errno : 0;

	if (err)
		diag_add(diag, NULL, 0, "device #%u: cannot be redirected to: %s", ifindex,
			 strerror(-err));
	else
		losses_watch(dataplane, ifindex);
	return err;
}

static void device_remove(const struct dataplane *dataplane, uint32_t ifindex)
{
	bpf_map_delete_elem(dataplane->devices, &ifindex);
	losses_forget(dataplane, ifindex);
}

static struct lb_direct_key direct_key(const struct prefix *prefix)
{
	struct lb_direct_key key = { .prefix_len = prefix->len };

	memcpy(key.addr, prefix->addr.byte, sizeof(key.addr));
	return key;
}

static int direct_add(const struct dataplane *dataplane, const struct prefix *prefix,
		      struct diag *diag)
{
	struct lb_direct_key key = direct_key(prefix);
	__u32 one = 1;
	int err = bpf_map_update_elem(dataplane->direct, &key, &one, BPF_ANY) ? -errno : 0;

	if (err)
		diag_add(diag, NULL, 0, "cannot add a direct prefix: %s", strerror(-err));
	return err;
}

static void direct_remove(const struct dataplane *dataplane, const struct prefix *prefix)
{
	struct lb_direct_key key = direct_key(prefix);

	bpf_map_delete_elem(dataplane->direct, &key);
}

static void directs_list(const struct dataplane *dataplane, const struct state *state)
{
	for (size_t i = 0; i < state->direct_count && i < LB_MAX_DIRECT; i++)
		dataplane->direct_list[i].key = direct_key(&state->direct[i]);
	dataplane->layout->direct_count = state->direct_count;
}

static int op_make(struct dataplane *dataplane, const struct op *op, const struct state *wanted,
		   struct diag *diag)
{
	switch (op->kind) {
	case OP_DEVICE_ADD:
		return device_add(dataplane, op->number, diag);
	case OP_REPLY_ATTACH:
		return reply_attach(dataplane, op->number, diag);
	case OP_DIRECT_ADD:
		return direct_add(dataplane, op->prefix, diag);
	case OP_FRONT_ATTACH:
		return front_attach(dataplane, op->front, wanted->config->exclusive,
				    &op->front->generic, diag);
	default:
		return 0;
	}
}

static void op_unmake(struct dataplane *dataplane, const struct op *op)
{
	struct diag diag = { 0 };

	switch (op->kind) {
	case OP_DEVICE_ADD:
		device_remove(dataplane, op->number);
		break;
	case OP_REPLY_ATTACH:
		reply_detach(dataplane, op->number);
		break;
	case OP_DIRECT_ADD:
		direct_remove(dataplane, op->prefix);
		break;
	case OP_FRONT_ATTACH:
		front_detach(dataplane, op->front->ifindex, &diag);
		break;
	default:
		break;
	}
	diag_clear(&diag);
}

/* ---- write ---------------------------------------------------------------------------------- */

static void service_info_write(struct dataplane *dataplane, const struct service *service)
{
	struct lb_service_info *info = &dataplane->service_info[service->id];

	for (int family = 0; family < FAMILIES; family++) {
		info->slot_base[family] = service->ring[family].base;
		info->slot_count[family] = service->ring[family].slots;
	}
	info->protocol = service->protocol;
	info->record_life = record_life(service->idle_timeout_ms);
	info->mss = service->mss;
	info->up = (service->up_in[IPV4] ? LB_UP_IPV4 : 0) |
		   (service->up_in[IPV6] ? LB_UP_IPV6 : 0);
	memcpy(info->name, service->name, sizeof(info->name));
}

/* An IPv4 source is one word; of an IPv6 one a packet may see a half, which costs that packet. */
static void outer_write(struct lb_backend *to, const struct backend *backend)
{
	union lb_addr source;

	memcpy(source.byte, backend->encap_source.addr.byte, sizeof(source.byte));
	store((uint64_t *)&to->encap_source.quad[0], source.quad[0]);
	store((uint64_t *)&to->encap_source.quad[1], source.quad[1]);
	__atomic_store_n(&to->encap_spread, 128 - backend->encap_source.len, __ATOMIC_RELEASE);
	__atomic_store_n(&to->mtu, backend->hop.mtu, __ATOMIC_RELEASE);
}

_Static_assert(NEXT_HOP_KEEP_TAGS == LB_VLAN_KEEP && NEXT_HOP_UNTAGGED == LB_VLAN_NONE,
	       "a next hop's VLAN goes into the table as it is");

static void hop_write(struct dataplane *dataplane, const struct backend *backend)
{
	struct lb_backend *to = &dataplane->backends[backend->id];
	struct lb_next_hop hop = { .flags = backend->hop.local ? LB_HOP_LOCAL : 0,
				   .vlan = backend->hop.vlan };
	uint8_t flags = (backend->family == IPV6 ? LB_BACKEND_IPV6 : 0) |
			(backend->gone ? LB_BACKEND_GONE : 0);
	uint64_t words[2];

	__atomic_store_n(&to->flags, flags, __ATOMIC_RELEASE);
	if (!backend->has_hop) {
		__atomic_store_n(&to->ifindex, 0, __ATOMIC_RELEASE);
		return;
	}
	if (identity_is_encapsulated(&backend->identity))
		outer_write(to, backend);
	memcpy(hop.dst_mac, backend->hop.dst_mac, sizeof(hop.dst_mac));
	memcpy(hop.src_mac, backend->hop.src_mac, sizeof(hop.src_mac));
	memcpy(words, &hop, sizeof(words));
	store((uint64_t *)&to->hop, words[0]);
	store((uint64_t *)&to->hop + 1, words[1]);
	__atomic_store_n(&to->ifindex, backend->hop.ifindex, __ATOMIC_RELEASE);
}

static void backend_name_write(struct dataplane *dataplane, const struct backend *backend)
{
	struct lb_backend_info *info = &dataplane->backend_info[backend->id];

	memcpy(info->name, backend->name, sizeof(info->name));
}

static void service_times_write(struct dataplane *dataplane, const struct service *service)
{
	for (size_t b = 0; b < service->backend_count; b++) {
		const struct backend *backend = &service->backends[b];
		struct lb_backend_info *info = &dataplane->backend_info[backend->id];

		info->drain_since_ms = backend->drain_since_ms;
		info->up_since_ms = backend->up_since_ms;
		info->state = backend->state;
	}
}

/* Timers of a row, for the next daemon; written whenever a plan is applied. */
static void times_write(struct dataplane *dataplane, const struct state *state)
{
	for (size_t s = 0; s < state->service_count; s++)
		if (!state->services[s].borrowed)
			service_times_write(dataplane, &state->services[s]);
}

static void backend_write(struct dataplane *dataplane, const struct service *service,
			  const struct backend *backend)
{
	const struct identity *identity = &backend->identity;
	struct lb_backend value = { .forward = identity->forward, .service = service->id };

	memcpy(value.address.byte, identity->address.byte, 16);
	if (identity->forward == LB_FORWARD_NAT) {
		memcpy(value.vip.byte, identity->vip.byte, 16);
		value.port = htons(identity->port);
		value.vip_port = htons(identity->vip_port);
		value.csum_addr = identity_csum_addr(identity);
		value.csum_l4 = identity_csum_l4(identity);
	}
	dataplane->backends[backend->id] = value;
	hop_write(dataplane, backend);
	backend_name_write(dataplane, backend);
}

/* A run that nobody uses yet: settled, in an epoch in which nothing was recorded. */
static void ring_add(struct dataplane *dataplane, const struct service *service, int family)
{
	const struct ring *ring = &service->ring[family];

	for (uint32_t i = 0; i < ring->slots; i++) {
		dataplane->clocks[ring->base + i].epoch++;
		slot_write(dataplane, ring->base + i,
			   LB_SLOT(service_slot_owner(service, family, i), 0, 0));
	}
}

/* The motion that starts gets an epoch of its own. Services that track always keep theirs: their
 * records outlive motions. */
static uint64_t motion_start(struct lb_clock *clock, uint64_t word, bool track)
{
	if (!track)
		clock->epoch++;
	return word | LB_SLOT_EPOCH_BITS(clock->epoch);
}

/* The clock first: whoever sees the slot moving must not find it quiet. */
static void ring_step(struct dataplane *dataplane, const struct service *service, int family,
		      const struct usable *usable)
{
	const struct ring *ring = &service->ring[family];
	uint32_t now = motion_now(dataplane);

	for (uint32_t i = 0; i < ring->slots; i++) {
		struct lb_clock *clock = &dataplane->clocks[ring->base + i];
		uint64_t *slot = &dataplane->slots[ring->base + i];
		uint64_t next = slot_step(*slot, service_slot_owner(service, family, i), usable);

		if (next == *slot)
			continue;
		if (LB_SLOT_OWNER(next) != LB_SLOT_OWNER(*slot))
			__atomic_store_n(&clock->clock, now, __ATOMIC_RELEASE);
		if (LB_SLOT_MOVING(next) && !LB_SLOT_MOVING(*slot))
			next = motion_start(clock, next, service->track);
		slot_write(dataplane, ring->base + i, next);
	}
}

/* Builds the table in the half that is not live, then flips the word. The half was live before
 * the last flip: the grace after it has passed (plan_apply() ends with one). */
static void table_write(uint64_t *word, struct lb_entry *entries, uint64_t *displacements,
			const struct table_half *half, bool flag)
{
	uint32_t spare = !LB_TABLE_HALF(*word);

	memcpy(entries + spare * LB_TABLE_ENTRIES, half->entries,
	       sizeof(*entries) << half->log2);
	displacements += spare * LB_TABLE_DISPLACEMENTS;
	for (uint32_t i = 0; i < 1U << (half->log2 - 1); i++)
		displacements[i] = half->displacements[i];
	store(word, LB_TABLE_WORD(spare, (1U << half->log2) - 1,
				  (flag ? LB_TABLE_FLAG : 0) | (half->flat ? LB_TABLE_FLAT : 0),
				  half->seed));
}

static void op_write(struct dataplane *dataplane, const struct op *op, const struct state *wanted,
		     const struct table_half halves[2], const struct usable *usable)
{
	switch (op->kind) {
	case OP_SERVICE_INFO:
		service_info_write(dataplane, op->service);
		break;
	case OP_BACKEND_ADD:
		backend_write(dataplane, op->service, op->backend);
		break;
	case OP_BACKEND_HOP:
		hop_write(dataplane, op->backend);
		break;
	case OP_BACKEND_RENAME:
		backend_name_write(dataplane, op->backend);
		break;
	case OP_HASH_KEYS:
		memcpy(dataplane->settings->hash_key, wanted->hash_key, sizeof(wanted->hash_key));
		break;
	case OP_REPLIES:
		table_write((uint64_t *)&dataplane->settings->replies, dataplane->replies,
			    dataplane->replies_disp, &halves[1], state_has_remote_nat(wanted));
		break;
	case OP_RING_ADD:
		ring_add(dataplane, op->service, op->family);
		break;
	case OP_SLOTS:
		ring_step(dataplane, op->service, op->family, usable);
		break;
	case OP_SERVICES:
		table_write((uint64_t *)&dataplane->settings->services, dataplane->services,
			    dataplane->services_disp, &halves[0], state_has_any_port(wanted));
		break;
	default:
		break;
	}
}

/* ---- break ---------------------------------------------------------------------------------- */

static void backend_remove(struct dataplane *dataplane, uint32_t id)
{
	stats_retire(dataplane, id);
	memset(&dataplane->backends[id], 0, sizeof(dataplane->backends[id]));
	memset(&dataplane->backend_info[id], 0, sizeof(dataplane->backend_info[id]));
	dataplane->backend_info[id].freed_ms = boottime_ms();
}

static int op_break(struct dataplane *dataplane, const struct op *op, struct diag *diag)
{
	switch (op->kind) {
	case OP_RING_REMOVE:
		for (uint32_t i = 0; i < op->count; i++)
			slot_write(dataplane, op->number + i, 0);
		break;
	case OP_BACKEND_REMOVE:
		backend_remove(dataplane, op->number);
		break;
	case OP_SERVICE_REMOVE:
		stats_forget_service(dataplane, op->service->id);
		memset(&dataplane->service_info[op->service->id], 0,
		       sizeof(*dataplane->service_info));
		break;
	case OP_DIRECT_REMOVE:
		direct_remove(dataplane, op->prefix);
		break;
	case OP_REPLY_DETACH:
		reply_detach(dataplane, op->number);
		break;
	case OP_FRONT_DETACH:
		return front_detach(dataplane, op->front->ifindex, diag);
	case OP_DEVICE_REMOVE:
		device_remove(dataplane, op->number);
		break;
	default:
		break;
	}
	return 0;
}

/* ---- the whole ------------------------------------------------------------------------------ */

typedef int entries_function(const struct state *state, struct lb_entry **ret_entries,
			     size_t *ret_count);

static int half_build(const struct state *wanted, entries_function *entries_of,
		      struct table_half *ret_half, const char *what, struct diag *diag)
{
	struct lb_entry *entries = NULL;
	size_t count = 0;
	int err = entries_of(wanted, &entries, &count);

	if (!err)
		err = table_build(entries, count, ret_half);
	if (err)
		diag_add(diag, NULL, 0, "%s: cannot lay out %zu entries: %s", what, count,
			 strerror(-err));
	free(entries);
	return err;
}

static bool has_op(const struct plan *plan, enum op_kind kind)
{
	for (size_t i = 0; i < plan->op_count; i++)
		if (plan->ops[i].kind == kind)
			return true;
	return false;
}

static int plan_make(struct dataplane *dataplane, const struct plan *plan,
		     const struct state *wanted, struct diag *diag)
{
	for (size_t i = 0; i < plan->op_count; i++) {
		int err = plan->ops[i].kind <= OP_LAST_MAKE
				  ? op_make(dataplane, &plan->ops[i], wanted, diag)
				  : 0;

		if (!err)
			continue;
		while (i--)
			op_unmake(dataplane, &plan->ops[i]);
		return err;
	}
	return 0;
}

struct kernel_view kernel_view_of(const struct dataplane *dataplane)
{
	return (struct kernel_view){ .slots = dataplane->slots,
				     .max_slots = dataplane->max_slots,
				     .backend_info = dataplane->backend_info,
				     .now_ms = boottime_ms() };
}

int plan_apply(struct dataplane *dataplane, const struct plan *plan, const struct state *wanted,
	       struct diag *diag)
{
	struct table_half halves[2] = { { 0 } };
	struct usable usable;
	bool waits = false;
	int err = 0;

	state_usable(wanted, &usable);

	if (has_op(plan, OP_SERVICES))
		err = half_build(wanted, entries_of_services, &halves[0], "services", diag);
	if (!err && has_op(plan, OP_REPLIES))
		err = half_build(wanted, entries_of_replies, &halves[1], "replies", diag);
	if (!err)
		err = plan_make(dataplane, plan, wanted, diag);
	if (err)
		goto out;
	for (size_t i = 0; i < plan->op_count; i++) {
		op_write(dataplane, &plan->ops[i], wanted, halves, &usable);
		waits |= plan->ops[i].kind == OP_SERVICES || plan->ops[i].kind == OP_REPLIES ||
			 plan->ops[i].kind > OP_LAST_WRITE;
	}
	directs_list(dataplane, wanted);
	times_write(dataplane, wanted);
	if (waits)
		dataplane_grace(dataplane);
	/* The new state stands. What cannot be taken away now is told, and stays harmless. */
	for (size_t i = 0; i < plan->op_count; i++)
		op_break(dataplane, &plan->ops[i], diag);
out:
	table_half_clear(&halves[0]);
	table_half_clear(&halves[1]);
	return err;
}

int state_write_private(struct dataplane *dataplane, struct state *wanted, struct diag *diag)
{
	struct state nothing = { 0 };
	struct plan *plan;
	struct table_half halves[2] = { { 0 } };
	struct usable usable;
	struct kernel_view kernel = kernel_view_of(dataplane);
	int err = diff(&nothing, wanted, &kernel, &plan, diag);

	if (err)
		return err;
	state_usable(wanted, &usable);
	err = half_build(wanted, entries_of_services, &halves[0], "services", diag);
	if (!err)
		err = half_build(wanted, entries_of_replies, &halves[1], "replies", diag);
	for (size_t i = 0; !err && i < plan->op_count; i++) {
		if (plan->ops[i].kind == OP_DIRECT_ADD)
			err = direct_add(dataplane, plan->ops[i].prefix, diag);
		op_write(dataplane, &plan->ops[i], wanted, halves, &usable);
	}
	table_half_clear(&halves[0]);
	table_half_clear(&halves[1]);
	plan_free(plan);
	return err;
}
