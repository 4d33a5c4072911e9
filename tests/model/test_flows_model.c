/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What flows add up to, against a plain reference: random flows begin, grow, end and give their
 * slots to others, are called otherwise, turned over and forgotten, with limits that are met and
 * with some that are not. MODEL_SEED and MODEL_STEPS run others and more. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>

#include <cmocka.h>

#include "tests/model/flows_reference.h"
#include "tests/model/schedule.h"

#define SEED   20261123
#define STEPS  120000
#define CHECKS 60		/* of a world */
#define SLOTS  REFERENCE_SLOTS
#define OWNERS 160
#define NODES  12

struct ledger {
	uint64_t random, now;
	struct accounts *accounts;
	struct flows_reference *reference;
	struct flow_owner owners[OWNERS];

	/* What happens in the kernel. */
	struct flow_record records[SLOTS];
	uint64_t started;
};

static uint32_t below(struct ledger *ledger, uint32_t limit)
{
	return random_below(&ledger->random, limit);
}

/* ---- what happens ---------------------------------------------------------------------------- */

static struct flow_node node_any(struct ledger *ledger)
{
	static const char *const words[] = { "web", "db", "10.0.0.0/24", "cache" };
	struct flow_node node = { .kind = (enum flow_node_kind)(below(ledger, 2) * FLOW_NETWORK) };

	snprintf(node.name, sizeof(node.name), "%s-%u", words[below(ledger, 4)],
		 below(ledger, NODES / 4));
	return node;
}

static struct flow_ends ends_any(struct ledger *ledger, size_t slot)
{
	static const char *const services[] = { NULL, NULL, "web-1", "api" };
	struct flow_ends ends = { .owner = ledger->owners[ledger->records[slot].flow.cgroup] };

	ends.from = node_any(ledger);
	ends.to = node_any(ledger);
	ends.service = services[below(ledger, 4)];
	ends.port = (uint16_t)(80 + below(ledger, 2));
	ends.elsewhere = below(ledger, 4) == 0;
	if (ends.service && below(ledger, 3) == 0) {
		ends.to = (struct flow_node){ .kind = FLOW_SERVICE };
		strcpy(ends.to.name, ends.service);
	}
	return ends;
}

static void flow_begin(struct ledger *ledger, size_t slot)
{
	static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP };
	struct flow *flow = &ledger->records[slot].flow;

	ledger->records[slot] = (struct flow_record){ 0 };
	flow->life = FLOW_LIVE;
	flow->start_ns = ++ledger->started;
	flow->protocol = protocols[below(ledger, 3)];
	flow->direction = (__u8)(FLOW_OUT + below(ledger, 2));
	flow->cgroup = below(ledger, OWNERS);
}

static void flow_grow(struct ledger *ledger, size_t slot)
{
	struct flow_record *record = &ledger->records[slot];

	record->flow.bytes_in += below(ledger, 5000);
	record->flow.bytes_out += below(ledger, 5000);
	record->flow.packets_in += below(ledger, 20);
	record->flow.packets_out += below(ledger, 20);
	record->flow.rtt_us = below(ledger, 4) ? below(ledger, 1000) : 0;
	record->flow.retransmits += below(ledger, 3);
	record->size_in[below(ledger, FLOW_SIZES)] += below(ledger, 10);
	/* often more than half of what 32 bits hold */
	record->size_out[below(ledger, FLOW_SIZES)] += 0x60000000 + below(ledger, 0x60000000);
}

static void flow_tell(struct ledger *ledger, size_t slot)
{
	struct flow_record record = ledger->records[slot];
	const struct flow_ends ends = ends_any(ledger, slot);
	bool known = flows_reference_knows(ledger->reference, slot, &record.flow);
	const struct flow_ends *told = known && below(ledger, 2) ? NULL : &ends;

	if (record.flow.life == FLOW_FREE)
		return;
	/* A retransmission between two figures. */
	if (record.flow.life == FLOW_LIVE && record.flow.bytes_out > 1500 && !below(ledger, 20))
		record.flow.bytes_out -= 1500;
	assert_int_equal(account_knows(ledger->accounts, slot, &record.flow), known);
	account_flow(ledger->accounts, slot, &record, told, ledger->now);
	flows_reference_told(ledger->reference, slot, &record, told, ledger->now);
	if (record.flow.life == FLOW_ENDED)
		ledger->records[slot].flow.life = FLOW_FREE;
}

static void flow_end(struct ledger *ledger, size_t slot)
{
	struct flow *flow = &ledger->records[slot].flow;

	if (flow->life != FLOW_LIVE)
		return;
	flow->life = FLOW_ENDED;
	flow->outcome = (__u8)(FLOW_CLOSED + below(ledger, FLOW_OUTCOMES - FLOW_CLOSED));
}

static void owner_rename(struct ledger *ledger)
{
	struct flow_owner *owner = &ledger->owners[below(ledger, OWNERS)];

	if (*owner->id)
		snprintf(owner->name, sizeof(owner->name), "name-%u", below(ledger, 30));
}

static void forget(struct ledger *ledger, uint64_t before)
{
	accounts_forget(ledger->accounts, before);
	flows_reference_forget(ledger->reference, before);
}

static void turn(struct ledger *ledger)
{
	accounts_turn(ledger->accounts);
	flows_reference_turn(ledger->reference);
}

static void step(struct ledger *ledger)
{
	size_t slot = below(ledger, SLOTS);
	uint32_t what = below(ledger, 1000);

	ledger->now += below(ledger, 3);
	if (ledger->records[slot].flow.life == FLOW_FREE || what == 0)
		flow_begin(ledger, slot); /* what == 0: the end of that one is never told */
	else if (what < 300)
		flow_grow(ledger, slot);
	else if (what < 450)
		flow_end(ledger, slot);
	else if (what < 980)
		flow_tell(ledger, slot);
	else if (what < 990)
		owner_rename(ledger);
	else if (what < 995)
		turn(ledger);
	else
		forget(ledger, ledger->now - below(ledger, 3000));
}

/* ---- the tests ------------------------------------------------------------------------------- */

static void owners_make(struct ledger *ledger)
{
	for (unsigned int i = 0; i < OWNERS; i++) {
		struct flow_owner *owner = &ledger->owners[i];

		/* Some share a container, some have no path, some have no runtime. */
		if (i % 4 < 2)
			snprintf(owner->id, sizeof(owner->id), "id-%u", i / 2);
		if (i % 4 != 3)
			snprintf(owner->cgroup, sizeof(owner->cgroup), "slice/%u",
				 i % 4 < 2 ? i / 2 : i);
		snprintf(owner->name, sizeof(owner->name), "owner-%u", i % 4 < 2 ? i / 2 : i);
	}
}

static bool ledger_run(uint64_t seed, size_t steps, size_t containers, size_t edges)
{
	struct ledger *ledger = calloc(1, sizeof(*ledger));
	bool good = true;

	assert_non_null(ledger);
	ledger->random = seed;
	ledger->now = 10000;
	ledger->accounts = accounts_new_bounded(SLOTS, containers, edges);
	ledger->reference = flows_reference_new(containers, edges);
	owners_make(ledger);
	for (size_t i = 1; i <= steps && good; i++) {
		step(ledger);
		if (i % (steps / CHECKS) == 0)
			good = flows_reference_agrees(ledger->reference, ledger->accounts);
	}
	printf("# %zu flows, %d containers and %d edges over time\n",
	       ledger->reference->flow_count, ledger->reference->container_count,
	       ledger->reference->edge_count);
	accounts_free(ledger->accounts);
	flows_reference_free(ledger->reference);
	free(ledger);
	return good;
}

static void sums_are_those_of_the_reference(void **state)
{
	static const struct {
		size_t containers, edges;
	} limits[] = { { 10, 20 }, { 1, 1 }, { 0, 0 }, { 1000, 10000 } };
	const char *seed = getenv("MODEL_SEED"), *steps = getenv("MODEL_STEPS");
	uint64_t start = seed ? strtoull(seed, NULL, 0) : SEED;
	size_t length = steps ? strtoull(steps, NULL, 0) : STEPS;

	(void)state;
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		if (!ledger_run(start + i, length, limits[i].containers, limits[i].edges))
			fail_msg("MODEL_SEED=%" PRIu64 " differs, with room for %zu containers and "
				 "%zu edges", start + i, limits[i].containers, limits[i].edges);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_are_those_of_the_reference),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
