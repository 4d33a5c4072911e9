/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lb/kernel/explain.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <string.h>
#include <time.h>

#include "lb/kernel/attach.h"
#include "lb/kernel/dataplane.h"
#include "lb/model/state.h"

/* As table_lookup() of the data plane. */
static const struct lb_entry *entry_find(const struct lb_entry *entries, const uint64_t *disp,
					 uint64_t word, const struct lb_key *key)
{
	uint32_t half = LB_TABLE_HALF(word), mask = LB_TABLE_MASK(word), at;
	uint64_t hash = lb_key_hash(key, LB_TABLE_SEED(word));
	const struct lb_entry *entry;

	at = half * LB_TABLE_DISPLACEMENTS + lb_table_bucket(hash, mask);
	at = half * LB_TABLE_ENTRIES + lb_table_position(hash, (uint32_t)disp[at], mask);
	entry = &entries[at];
	return entry->used && !memcmp(&entry->addr, &key->addr, sizeof(key->addr)) &&
			       entry->port == key->port && entry->protocol == key->protocol
		       ? entry
		       : NULL;
}

static const struct lb_entry *service_entry(const struct dataplane *dataplane,
					    const struct lb_trace *trace, __be16 port,
					    uint8_t protocol)
{
	const struct lb_key key = { .addr = trace->dst, .port = port, .protocol = protocol };

	return entry_find(dataplane->services, dataplane->services_disp,
			  dataplane->settings->services, &key);
}

static void service_explain(const struct dataplane *dataplane, struct explanation *explanation)
{
	const struct lb_trace *trace = &explanation->trace;
	const struct lb_entry *vip = service_entry(dataplane, trace, 0, 0);
	const struct lb_entry *entry =
		service_entry(dataplane, trace, trace->dport, trace->protocol);

	explanation->is_vip = vip != NULL;
	explanation->vip_is_up = vip && vip->used & LB_ENTRY_UP;
	explanation->found = FOUND_PORT;
	if (!entry) {
		entry = service_entry(dataplane, trace, 0, trace->protocol);
		explanation->found = entry ? FOUND_ANY_PORT : FOUND_NOTHING;
	}
	if (!entry)
		return;
	explanation->tracks = entry->used & LB_ENTRY_TRACK;
	explanation->by_source = entry->used & LB_ENTRY_SOURCE;
	explanation->rejects = entry->used & LB_ENTRY_REJECT;
	explanation->has_slot = trace->slot - entry->slot_base < entry->slot_count;
	explanation->slot = trace->slot - entry->slot_base;
	explanation->slots = entry->slot_count;
}

static void backend_explain(const struct dataplane *dataplane, uint32_t id,
			    struct explain_backend *backend)
{
	struct bpf_devmap_val device;
	uint32_t ifindex;

	backend->id = id;
	backend->name = "";
	backend->state = "";
	if (!id || id >= LB_MAX_BACKENDS)
		return;
	backend->entry = dataplane->backends[id];
	backend->name = dataplane->backend_info[id].name;
	backend->state = backend_state_name((enum backend_state)dataplane->backend_info[id].state);
	ifindex = backend->entry.ifindex;
	backend->has_device = !bpf_map_lookup_elem(dataplane->devices, &ifindex, &device);
}

static uint64_t moving_for_s(const struct dataplane *dataplane, uint32_t service)
{
	uint64_t since_ms = dataplane->service_info[service].moving_since_ms;
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return since_ms ? now.tv_sec - since_ms / 1000 : 0;
}

void explain(const struct replay *replay, struct explanation *ret_explanation)
{
	const struct dataplane *dataplane = replay_dataplane(replay);
	struct explanation explanation = { .trace = *dataplane->trace };
	const struct lb_trace *trace = &explanation.trace;

	service_explain(dataplane, &explanation);
	explanation.moving = LB_SLOT_MOVING(trace->slot_word);
	if (explanation.moving && trace->service < LB_MAX_SERVICES)
		explanation.moving_for_s = moving_for_s(dataplane, trace->service);
	backend_explain(dataplane, LB_SLOT_OWNER(trace->slot_word), &explanation.owner);
	backend_explain(dataplane, LB_SLOT_PREVIOUS(trace->slot_word), &explanation.previous);
	backend_explain(dataplane, trace->backend, &explanation.backend);
	*ret_explanation = explanation;
}

bool explain_is_reply(const struct replay *replay)
{
	const struct dataplane *dataplane = replay_dataplane(replay);
	const struct lb_trace *trace = dataplane->trace;
	const struct lb_key key = { .addr = trace->src,
				    .port = trace->sport,
				    .protocol = trace->protocol };

	return trace->sport && entry_find(dataplane->replies, dataplane->replies_disp,
					  dataplane->settings->replies, &key);
}

unsigned int explain_front(const struct replay *replay)
{
	struct if_nameindex *all = if_nameindex();
	unsigned int found = 0;

	for (struct if_nameindex *at = all; at && at->if_index && !found; at++)
		if (front_is_ours(replay_dataplane(replay), at->if_index, NULL))
			found = at->if_index;
	if_freenameindex(all);
	return found;
}
