/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What remaps the flows of a service at once, instead of slot by slot. Whose a key is, is judged
 * by the table's entries: there a range has already given way to another service's exact port. */
#include "lb/model/breaks.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "lb/model/entries.h"

struct entries { /* sorted by their keys */
	struct lb_entry *list;
	size_t count;
};

static const struct lb_entry *entry_find(const struct entries *entries, const struct lb_entry *key)
{
	if (!entries->count)
		return NULL;
	return bsearch(key, entries->list, entries->count, sizeof(*entries->list),
		       entry_compare_keys);
}

/* What it had, somebody else has now, or nobody. */
static void losses_note(const struct entries *actual, const struct entries *wanted,
			unsigned char *loses)
{
	for (size_t i = 0; i < actual->count; i++) {
		const struct lb_entry *before = &actual->list[i];
		const struct lb_entry *now = entry_find(wanted, before);

		if (!now || now->id != before->id)
			loses[before->id] = 1;
	}
}

/* A new port of one service on a vip where another takes any port. */
static void any_port_losses_note(const struct entries *actual, const struct entries *wanted,
				 unsigned char *loses)
{
	for (size_t i = 0; i < wanted->count; i++) {
		const struct lb_entry *now = &wanted->list[i], *before;
		struct lb_entry any = *now;

		any.port = 0;
		before = now->port && !entry_find(actual, now) ? entry_find(actual, &any) : NULL;
		if (before && before->id != now->id)
			loses[before->id] = 1;
	}
}

int key_changes_find(const struct state *actual, const struct state *wanted,
		     struct key_changes *ret_changes)
{
	struct entries before = { 0 }, now = { 0 };
	int err;

	memset(ret_changes, 0, sizeof(*ret_changes));
	if (entries_are_same(actual, wanted, false))
		return 0;
	err = entries_of_services(actual, &before.list, &before.count);
	if (!err)
		err = entries_of_services(wanted, &now.list, &now.count);
	if (!err) {
		ret_changes->any = before.count != now.count ||
				   (now.count && memcmp(before.list, now.list,
							now.count * sizeof(*now.list)));
		if (ret_changes->any) {
			losses_note(&before, &now, ret_changes->loses);
			any_port_losses_note(&before, &now, ret_changes->loses);
		}
	}
	free(before.list);
	free(now.list);
	return err;
}

const char *service_breaks(const struct state *actual, const struct state *wanted,
			   const struct service *service, const struct service *old,
			   const struct key_changes *changes)
{
	if (memcmp(actual->hash_key, wanted->hash_key, sizeof(actual->hash_key)))
		return "tuning.hash_seed changes: every flow is hashed anew";
	if (service->protocol != old->protocol)
		return "its protocol changes";
	if (old->config && service->forward != old->forward)
		return "its way of forwarding changes";
	if (service->by_source != old->by_source)
		return "what of a packet is hashed changes";
	for (int family = 0; family < FAMILIES; family++)
		if (service->ring[family].slots && old->ring[family].slots &&
		    service->ring[family].slots != old->ring[family].slots)
			return "the size of its ring changes";
	if (changes->loses[service->id])
		return "a virtual address or port is taken away";
	return NULL;
}

/* Without records a UDP flow has its slot's owner. At rest that is what its record says as well: a
 * slot settles only after the last record of another must have died. While it moves, records keep
 * flows with the owners before. TCP is recorded in slots that move either way, and where records
 * begin, nobody had another than the owner. */
const char *motion_breaks(const struct service *service, const struct service *old, uint32_t moving)
{
	if (moving && old->track && !service->track && service->protocol == IPPROTO_UDP)
		return "its flows are not remembered any more while slots of it are in motion: "
		       "those that stayed behind follow their slots";
	return NULL;
}
