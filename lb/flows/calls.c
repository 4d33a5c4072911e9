/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flows that processes of the host itself began, by their ends. Of a container's address it is
 * known whose it is; the host's stands for all of its processes, so that a flow which comes from it
 * says nothing of who began it, while this one does. One is known until its record is that of
 * another: its other end may be read later. */
#include <string.h>

#include "config/mem.h"
#include "lb/flows/flows_private.h"
#include "lb/flows/hash.h"
#include "lb/model/siphash.h"

struct call {
	__u8 from[16], to[16];
	__u16 from_port, to_port;
	__u8 protocol, pad[3];
};
_Static_assert(sizeof(struct call) == 40, "it is hashed whole");

struct calls {
	struct hash hash;
	uint64_t key[2];
	struct call **of_record;	/* NULL: it is none */
	size_t count;
};

static uint64_t code_of(const struct calls *calls, const struct call *call)
{
	return siphash(calls->key, call, sizeof(*call));
}

static bool is_equal(const void *item, const void *key)
{
	return !memcmp(item, key, sizeof(struct call));
}

static void call_forget(struct calls *calls, size_t number)
{
	struct call *call = calls->of_record[number];

	if (!call)
		return;
	hash_remove(&calls->hash, code_of(calls, call), call);
	free(call);
	calls->of_record[number] = NULL;
}

void calls_note(struct calls *calls, size_t number, const struct flow *flow)
{
	struct call call = { .from_port = flow->local_port, .to_port = flow->remote_port,
			     .protocol = flow->protocol };

	call_forget(calls, number);
	memcpy(call.from, flow->local, sizeof(call.from));
	memcpy(call.to, flow->remote, sizeof(call.to));
	calls->of_record[number] = mem_array(1, sizeof(call));
	*calls->of_record[number] = call;
	hash_add(&calls->hash, code_of(calls, &call), calls->of_record[number]);
}

bool calls_began(const struct calls *calls, const struct flow *flow)
{
	struct call call = { .from_port = flow->remote_port, .to_port = flow->local_port,
			     .protocol = flow->protocol };

	memcpy(call.from, flow->remote, sizeof(call.from));
	memcpy(call.to, flow->local, sizeof(call.to));
	return hash_find(&calls->hash, code_of(calls, &call), is_equal, &call) != NULL;
}

struct calls *calls_new(size_t records)
{
	struct calls *calls = mem_array(1, sizeof(*calls));

	calls->of_record = mem_array(records, sizeof(struct call *));
	calls->count = records;
	hash_key(calls->key);
	return calls;
}

void calls_free(struct calls *calls)
{
	if (!calls)
		return;
	for (size_t i = 0; i < calls->count; i++)
		free(calls->of_record[i]);
	hash_clear(&calls->hash);
	free(calls->of_record);
	free(calls);
}
