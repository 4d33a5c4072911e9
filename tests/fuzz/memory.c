/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A hash table that forgets nothing until it is full; then it begins anew. */
#include "tests/fuzz/memory.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/layers.h"

#define PLACES (1U << 18)

enum about { NOTHING, FLOW, DATAGRAM };

struct seen {
	uint32_t about, backend;
	uint8_t ends[32];	/* source and destination */
	uint32_t tie;		/* ports, source first; of a datagram its id */
	uint32_t protocol;
};

struct memory {
	uint32_t count;
	struct seen places[PLACES];
};

struct memory *memory_make(void)
{
	return calloc(1, sizeof(struct memory));
}

void memory_free(struct memory *memory)
{
	free(memory);
}

/* FNV-1a. */
static uint32_t key_hash(const struct seen *key)
{
	const uint8_t *bytes = (const uint8_t *)key;
	uint32_t hash = 2166136261U;

	for (size_t i = offsetof(struct seen, ends); i < sizeof(*key); i++)
		hash = (hash ^ bytes[i]) * 16777619U;
	return hash ^ hash >> 15;
}

static bool same_key(const struct seen *a, const struct seen *b)
{
	return a->about == b->about && !memcmp(a->ends, b->ends, sizeof(a->ends)) &&
	       a->tie == b->tie && a->protocol == b->protocol;
}

/* Where it stands or would stand. */
static struct seen *place_of(struct memory *memory, const struct seen *key)
{
	uint32_t at = key_hash(key) % PLACES;

	while (memory->places[at].about != NOTHING && !same_key(&memory->places[at], key))
		at = (at + 1) % PLACES;
	return &memory->places[at];
}

static void learn(struct memory *memory, const struct seen *key)
{
	struct seen *place;

	if (memory->count > PLACES / 2)
		memset(memory, 0, sizeof(*memory));
	place = place_of(memory, key);
	memory->count += place->about == NOTHING;
	*place = *key;
}

/* `turned`: of a packet whose answer this is. */
static struct seen key_of(const struct frame *frame, const struct layers *layers, bool turned,
			  enum about about, uint32_t backend)
{
	size_t size = layers->ipv6 ? 16 : 4, first = layers->ip + (layers->ipv6 ? 8 : 12);
	struct seen key = { .about = about, .backend = backend, .protocol = layers->protocol };

	memcpy(key.ends + (turned ? 16 : 0), frame->bytes + first, size);
	memcpy(key.ends + (turned ? 0 : 16), frame->bytes + first + size, size);
	key.ends[15] ^= layers->ipv6;
	if (about == DATAGRAM)
		key.tie = layers->id;
	else
		key.tie = (uint32_t)word_at(frame, layers->l4 + (turned ? 2 : 0)) << 16 |
			  word_at(frame, layers->l4 + (turned ? 0 : 2));
	return key;
}

static const char *later_judge(struct memory *memory, const struct passage *passage,
			       const struct layers *layers, uint32_t backend)
{
	struct seen key = key_of(passage->in, layers, false, DATAGRAM, backend);
	const struct seen *seen = place_of(memory, &key);

	if (seen->about == NOTHING)
		return "a later fragment is sent on, and no first one was";
	return seen->backend == backend ? NULL : "a later fragment to another backend";
}

const char *memory_judge(struct memory *memory, const struct passage *passage, uint32_t backend)
{
	enum lb_action action = verdict_action(passage->verdict);
	bool reply = passage->verdict == LB_REDIRECT_REPLY || passage->verdict == LB_TX_REPLY;
	bool sent = action == LB_TX || action == LB_REDIRECT;
	bool tells = passage->verdict == LB_REDIRECT_PMTU || passage->verdict == LB_TX_PMTU;
	struct layers layers, quote;
	struct seen key;

	layers_read(passage->in, &layers);
	if (layers.part == PART_FIRST) {
		key = key_of(passage->in, &layers, false, DATAGRAM, backend);
		learn(memory, &key);
	}
	if (!sent)
		return NULL;
	if (layers.part == PART_LATER)
		return later_judge(memory, passage, &layers, backend);
	if (reply || tells)
		return NULL;
	key = key_of(passage->in, &layers, false, FLOW, backend);
	if (layers_are_icmp_error(passage->in, &layers)) {
		quote_read(passage->in, &layers, &quote);
		key = key_of(passage->in, &quote, true, FLOW, backend);
	}
	if (place_of(memory, &key)->about == NOTHING)
		learn(memory, &key);
	return place_of(memory, &key)->backend == backend
		       ? NULL
		       : "another backend than the flow had before";
}
