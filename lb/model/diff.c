/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Actual against wanted. What is kept keeps its id: a service by its name, a backend by its
 * service and identity, a ring by its size. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lb/model/breaks.h"
#include "lb/model/entries.h"
#include "lb/model/ids.h"
#include "lb/model/motion.h"
#include "lb/model/plan.h"

struct differ {
	const struct state *actual;
	struct state *wanted;
	const struct kernel_view *kernel;
	struct plan *plan;
	size_t op_room;
	struct usable usable;	/* in the wanted state */
	struct key_changes keys;
	struct diag *diag;
};

static struct op *op_add(struct differ *d, enum op_kind kind)
{
	struct plan *plan = d->plan;

	if (plan->op_count == d->op_room) {
		d->op_room = d->op_room ? 2 * d->op_room : 32;
		plan->ops = realloc(plan->ops, d->op_room * sizeof(*plan->ops));
		if (!plan->ops)
			abort();
	}
	plan->ops[plan->op_count] = (struct op){ .kind = kind };
	return &plan->ops[plan->op_count++];
}

static void op_add_number(struct differ *d, enum op_kind kind, uint32_t number)
{
	op_add(d, kind)->number = number;
}

static void op_add_backend(struct differ *d, enum op_kind kind, const struct service *service,
			   const struct backend *backend)
{
	struct op *op = op_add(d, kind);

	op->service = service;
	op->backend = backend;
	op->number = backend->id;
}

/* ---- sets of numbers and prefixes ------------------------------------------------------------ */

static bool number_in(const unsigned int *numbers, size_t count, unsigned int number)
{
	for (size_t i = 0; i < count; i++)
		if (numbers[i] == number)
			return true;
	return false;
}

static void numbers_missing(struct differ *d, enum op_kind kind, const unsigned int *from,
			    size_t from_count, const unsigned int *in, size_t in_count)
{
	if (from_count == in_count && (!in_count || !memcmp(from, in, in_count * sizeof(*in))))
		return;
	for (size_t i = 0; i < from_count; i++)
		if (!number_in(in, in_count, from[i]))
			op_add_number(d, kind, from[i]);
}

static void prefixes_missing(struct differ *d, enum op_kind kind, const struct state *from,
			     const struct state *in)
{
	if (from->direct_count == in->direct_count &&
	    (!in->direct_count ||
	     !memcmp(from->direct, in->direct, in->direct_count * sizeof(*in->direct))))
		return;
	for (size_t i = 0; i < from->direct_count; i++) {
		bool found = false;

		for (size_t j = 0; j < in->direct_count && !found; j++)
			found = from->direct[i].len == in->direct[j].len &&
				addr_equal(&from->direct[i].addr, &in->direct[j].addr);
		if (!found)
			op_add(d, kind)->prefix = &from->direct[i];
	}
}

static struct front *front_find(const struct state *state, unsigned int ifindex)
{
	for (size_t i = 0; i < state->front_count; i++)
		if (state->fronts[i].ifindex == ifindex)
			return &state->fronts[i];
	return NULL;
}

/* "auto" is content with the mode that is there. */
static bool mode_fits(const struct front *wanted, const struct front *actual)
{
	return wanted->mode == CONFIG_MODE_AUTO ||
	       actual->generic == (wanted->mode == CONFIG_MODE_GENERIC);
}

static void diff_fronts(struct differ *d)
{
	for (size_t i = 0; i < d->wanted->front_count; i++) {
		struct front *front = &d->wanted->fronts[i];
		const struct front *now = front_find(d->actual, front->ifindex);

		if (now && mode_fits(front, now))
			front->generic = now->generic;
		else
			op_add(d, OP_FRONT_ATTACH)->front = front;
	}
}

static void diff_make(struct differ *d)
{
	numbers_missing(d, OP_DEVICE_ADD, d->wanted->devices, d->wanted->device_count,
			d->actual->devices, d->actual->device_count);
	numbers_missing(d, OP_REPLY_ATTACH, d->wanted->reply_hooks, d->wanted->reply_hook_count,
			d->actual->reply_hooks, d->actual->reply_hook_count);
	prefixes_missing(d, OP_DIRECT_ADD, d->wanted, d->actual);
	diff_fronts(d);
}

/* ---- services ------------------------------------------------------------------------------- */

/* Of a backend that is not encapsulated nobody asks for these. */
static bool outer_equal(const struct backend *a, const struct backend *b)
{
	return !identity_is_encapsulated(&a->identity) ||
	       (a->hop.mtu == b->hop.mtu && a->encap_source.len == b->encap_source.len &&
		addr_equal(&a->encap_source.addr, &b->encap_source.addr));
}

static bool hop_equal(const struct backend *a, const struct backend *b)
{
	return a->has_hop == b->has_hop && a->gone == b->gone &&
	       (!a->has_hop ||
		(a->hop.ifindex == b->hop.ifindex && a->hop.local == b->hop.local &&
		 a->hop.vlan == b->hop.vlan && !memcmp(a->hop.dst_mac, b->hop.dst_mac, 6) &&
		 !memcmp(a->hop.src_mac, b->hop.src_mac, 6) && outer_equal(a, b)));
}

static void diff_backends(struct differ *d, const struct service *service,
			  const struct service *old)
{
	for (size_t b = 0; b < service->backend_count; b++) {
		const struct backend *backend = &service->backends[b];
		const struct backend *same = service_backend_same(old, backend, b);

		if (!same) {
			op_add_backend(d, OP_BACKEND_ADD, service, backend);
			continue;
		}
		if (!hop_equal(same, backend))
			op_add_backend(d, OP_BACKEND_HOP, service, backend);
		if (strcmp(same->name, backend->name))
			op_add_backend(d, OP_BACKEND_RENAME, service, backend);
	}
}

struct slot_changes {
	uint32_t words, owners, started; /* that change; of those: owner; start moving */
	uint32_t moving;		 /* already */
};

static struct slot_changes slots_changed(const struct differ *d, const struct service *service,
					 int family)
{
	const struct ring *ring = &service->ring[family];
	struct slot_changes changes = { 0 };

	for (uint32_t i = 0; i < ring->slots; i++) {
		uint64_t word = d->kernel->slots[ring->base + i];
		uint64_t next = slot_step(word, service_slot_owner(service, family, i), &d->usable);

		changes.words += next != word;
		changes.owners += LB_SLOT_OWNER(next) != LB_SLOT_OWNER(word);
		changes.started += LB_SLOT_MOVING(next) && !LB_SLOT_MOVING(word);
		changes.moving += LB_SLOT_MOVING(word);
	}
	return changes;
}

static void plan_service_add(struct differ *d, struct plan_service entry)
{
	struct plan *plan = d->plan;

	plan->services = realloc(plan->services,
				 (plan->service_count + 1) * sizeof(*plan->services));
	if (!plan->services)
		abort();
	plan->services[plan->service_count++] = entry;
}

static bool is_lost_at(const struct backend *backend, const struct service *kept, size_t place)
{
	const struct backend *same = service_backend_same(kept, backend, place);

	return !backend->gone && (!same || same->gone);
}

bool backend_is_lost(const struct backend *backend, const struct service *kept)
{
	return is_lost_at(backend, kept, 0);
}

static uint32_t backends_lost(const struct service *old, const struct service *kept)
{
	uint32_t count = 0;

	for (size_t b = 0; b < old->backend_count; b++)
		count += is_lost_at(&old->backends[b], kept, b);
	return count;
}

static void diff_rings(struct differ *d, const struct service *service, const struct service *old)
{
	struct plan_service entry = { .name = service->name };
	uint32_t moving = 0;

	for (int family = 0; family < FAMILIES; family++) {
		const struct ring *ring = &service->ring[family];
		struct slot_changes changes;
		struct op *op;

		if (!ring->slots)
			continue;
		if (!old || old->ring[family].slots != ring->slots) {
			op = op_add(d, OP_RING_ADD);
			op->service = service;
			op->family = family;
			continue;
		}
		changes = slots_changed(d, service, family);
		entry.slots += ring->slots;
		entry.slots_moved += changes.owners;
		entry.slots_moving += changes.started;
		moving += changes.moving;
		if (!changes.words)
			continue;
		op = op_add(d, OP_SLOTS);
		op->service = service;
		op->family = family;
		op->number = changes.owners;
		op->count = changes.words;
	}
	if (!old)
		return;
	if (entry.slots)
		entry.share_moved = (double)entry.slots_moved / entry.slots;
	entry.why = service_breaks(d->actual, d->wanted, service, old, &d->keys);
	if (entry.why)
		entry.share_moved = 1;
	else
		entry.why = motion_breaks(service, old, moving);
	entry.breaks = entry.why != NULL;
	entry.backends_lost = backends_lost(old, service);
	if (entry.slots_moved || entry.breaks || entry.backends_lost)
		plan_service_add(d, entry);
}

static bool info_equal(const struct service *a, const struct service *b)
{
	return b && a->protocol == b->protocol && a->mss == b->mss &&
	       !memcmp(a->up_in, b->up_in, sizeof(a->up_in)) &&
	       record_life(a->idle_timeout_ms) == record_life(b->idle_timeout_ms) &&
	       !memcmp(&a->ring[IPV4], &b->ring[IPV4], offsetof(struct ring, owners)) &&
	       !memcmp(&a->ring[IPV6], &b->ring[IPV6], offsetof(struct ring, owners));
}

static bool replies_equal(const struct state *a, const struct state *b)
{
	struct lb_entry *x = NULL, *y = NULL;
	size_t x_count = 0, y_count = 0;
	bool equal;

	if (state_has_remote_nat(a) != state_has_remote_nat(b))
		return false;
	if (entries_are_same(a, b, true))
		return true;
	equal = !entries_of_replies(a, &x, &x_count) && !entries_of_replies(b, &y, &y_count) &&
		x_count == y_count && (!x_count || !memcmp(x, y, x_count * sizeof(*x)));
	free(x);
	free(y);
	return equal;
}

static void diff_write(struct differ *d)
{
	for (size_t s = 0; s < d->wanted->service_count; s++) {
		const struct service *service = &d->wanted->services[s];
		const struct service *old;

		if (service->borrowed)
			continue;
		old = state_service(d->actual, service->name);
		if (!info_equal(service, old)) {
			struct op *op = op_add(d, OP_SERVICE_INFO);

			op->service = service;
			op->number = !old;
		}
		diff_backends(d, service, old);
	}
	if (memcmp(d->actual->hash_key, d->wanted->hash_key, sizeof(d->actual->hash_key)))
		op_add(d, OP_HASH_KEYS);
	if (!replies_equal(d->actual, d->wanted))
		op_add(d, OP_REPLIES);
	for (size_t s = 0; s < d->wanted->service_count; s++)
		if (!d->wanted->services[s].borrowed)
			diff_rings(d, &d->wanted->services[s],
				   state_service(d->actual, d->wanted->services[s].name));
	if (d->keys.any)
		op_add(d, OP_SERVICES);
}

/* ---- what goes ------------------------------------------------------------------------------ */

static void diff_ring_removal(struct differ *d, const struct service *old,
			      const struct service *kept)
{
	for (int family = 0; family < FAMILIES; family++) {
		struct op *op;

		if (!old->ring[family].slots ||
		    (kept && kept->ring[family].slots &&
		     kept->ring[family].base == old->ring[family].base))
			continue;
		op = op_add(d, OP_RING_REMOVE);
		op->service = old;
		op->family = family;
		op->number = old->ring[family].base;
		op->count = old->ring[family].slots;
	}
}

static void diff_break(struct differ *d)
{
	for (size_t s = 0; s < d->actual->service_count; s++) {
		const struct service *old = &d->actual->services[s];
		const struct service *kept = state_service(d->wanted, old->name);

		if (kept && kept->borrowed)
			continue;
		diff_ring_removal(d, old, kept);
		for (size_t b = 0; b < old->backend_count; b++)
			if (!service_backend_same(kept, &old->backends[b], b))
				op_add_backend(d, OP_BACKEND_REMOVE, old, &old->backends[b]);
		if (kept)
			continue;
		op_add(d, OP_SERVICE_REMOVE)->service = old;
		plan_service_add(d, (struct plan_service){
			.name = old->name, .share_moved = 1, .breaks = true,
			.backends_lost = backends_lost(old, NULL),
			.why = "the service is taken away" });
	}
	prefixes_missing(d, OP_DIRECT_REMOVE, d->actual, d->wanted);
	numbers_missing(d, OP_REPLY_DETACH, d->actual->reply_hooks, d->actual->reply_hook_count,
			d->wanted->reply_hooks, d->wanted->reply_hook_count);
	for (size_t i = 0; i < d->actual->front_count; i++)
		if (!front_find(d->wanted, d->actual->fronts[i].ifindex))
			op_add(d, OP_FRONT_DETACH)->front = &d->actual->fronts[i];
	numbers_missing(d, OP_DEVICE_REMOVE, d->actual->devices, d->actual->device_count,
			d->wanted->devices, d->wanted->device_count);
}

void state_usable(const struct state *state, struct usable *ret_usable)
{
	memset(ret_usable, 0, sizeof(*ret_usable));
	for (size_t s = 0; s < state->service_count; s++)
		for (size_t b = 0; b < state->services[s].backend_count; b++) {
			const struct backend *backend = &state->services[s].backends[b];

			ret_usable->id[backend->id] = !backend->gone;
		}
}

int diff(const struct state *actual, struct state *wanted, const struct kernel_view *kernel,
	 struct plan **ret_plan, struct diag *diag)
{
	struct differ d = { .actual = actual, .wanted = wanted, .kernel = kernel, .diag = diag };
	int err;

	d.plan = calloc(1, sizeof(*d.plan));
	if (!d.plan)
		return -ENOMEM;
	err = ids_give(actual, wanted, kernel, diag);
	if (!err)
		err = runs_give(actual, wanted, kernel, diag);
	if (!err)
		err = key_changes_find(actual, wanted, &d.keys);
	if (err) {
		plan_free(d.plan);
		return err;
	}
	state_usable(wanted, &d.usable);
	diff_make(&d);
	diff_write(&d);
	diff_break(&d);
	*ret_plan = d.plan;
	return 0;
}
