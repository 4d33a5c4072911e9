/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Plans of random changes, one after the other over the same tables: what must hold of every one
 * of them, found out from the states and the slots' words before and after, in the plainest way. */
#include "tests/unit/kernel_ground.h"

#include <errno.h>

#define SERVICES_MAX 5
#define BACKENDS_MAX 6
#define PORTS_MAX 3
#define STEPS 2500
#define SLOTS 120	/* too few for all rings at their largest */
#define IDS 20		/* so few that they run out while others rest */

/* ---- chance --------------------------------------------------------------------------------- */

static uint64_t seed;

static uint32_t chance(uint32_t limit)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (uint32_t)(seed * 0x2545f4914f6cdd1dULL >> 32) % limit;
}

/* ---- what is wanted, and the state that says so ---------------------------------------------- */

static struct spec {
	struct spec_service {
		bool is, udp;
		unsigned int slots[FAMILIES], ports, turn; /* slots 0: no ring of that family */
		struct spec_backend {
			bool is, gone;
			unsigned int name, address, mac;
		} backends[BACKENDS_MAX];
	} services[SERVICES_MAX];
} spec;

static void service_change(struct spec_service *service)
{
	static const unsigned int sizes[] = { 5, 7, 11, 13, 17, 19 };
	struct spec_backend *backend = &service->backends[chance(BACKENDS_MAX)];

	switch (chance(12)) {
	case 0:
		service->is = chance(4);
		break;
	case 1:
		service->udp ^= !chance(4);
		break;
	case 2:
		service->slots[IPV4] = sizes[chance(ROWS(sizes))];
		break;
	case 3:
		service->slots[IPV6] = chance(2) ? sizes[chance(ROWS(sizes))] : 0;
		break;
	case 4:
		service->ports = chance(1 << PORTS_MAX);
		break;
	case 5:
		service->turn++;
		break;
	case 6:
		backend->gone ^= 1;
		break;
	case 7:
		backend->name = chance(1000);
		break;
	case 8:
		backend->address = chance(200);
		break;
	case 9:
		backend->mac++;
		break;
	default:
		backend->is ^= 1;
	}
}

static struct addr backend_address(size_t service, size_t number,
				   const struct spec_backend *backend)
{
	unsigned char bytes[16] = { 10, service, number, backend->address };

	if (number % 2 == IPV4)
		return addr_from_ipv4(bytes);
	bytes[0] = 0xfd;
	return addr_from_ipv6(bytes);
}

/* Odd ones are IPv6. */
static void backend_fill(struct backend *row, size_t service, size_t number,
			 const struct spec_backend *backend)
{
	snprintf(row->name, sizeof(row->name), "b%zu-%u", number, backend->name);
	row->identity.address = backend_address(service, number, backend);
	row->identity.forward = LB_FORWARD_DSR;
	row->family = number % 2;
	row->gone = backend->gone;
	row->has_hop = true;
	row->hop.ifindex = VETH;
	row->hop.dst_mac[0] = backend->mac;
}

static void ring_fill(struct service *service, int family, const struct spec_service *from)
{
	struct ring *ring = &service->ring[family];

	ring->slots = from->slots[family];
	ring->owners = malloc((ring->slots + 1) * sizeof(*ring->owners));
	assert_non_null(ring->owners);
	for (uint32_t slot = 0; slot < ring->slots; slot++) {
		uint32_t owner = (slot * 7 + from->turn * slot) % (service->backend_count + 1);
		bool takes = owner < service->backend_count &&
			     service->backends[owner].family == family &&
			     !service->backends[owner].gone;

		ring->owners[slot] = takes ? owner : RING_NOBODY;
	}
}

static void service_fill(struct service *service, size_t number)
{
	const struct spec_service *from = &spec.services[number];

	snprintf(service->name, sizeof(service->name), "s%zu", number);
	service->protocol = from->udp ? 17 : 6;
	service->backends = calloc(BACKENDS_MAX, sizeof(*service->backends));
	service->keys = calloc(PORTS_MAX, sizeof(*service->keys));
	assert_true(service->backends && service->keys);
	for (size_t b = 0; b < BACKENDS_MAX; b++)
		if (from->backends[b].is)
			backend_fill(&service->backends[service->backend_count++], number, b,
				     &from->backends[b]);
	for (unsigned int port = 0; port < PORTS_MAX; port++)
		if (from->ports & 1 << port)
			service->keys[service->key_count++] = (struct vip_key){
				.vip = addr_of("203.0.113.1"), .port = 100 * number + port + 1 };
	for (int family = 0; family < FAMILIES; family++)
		ring_fill(service, family, from);
}

static struct state *spec_state(void)
{
	struct state *state = calloc(1, sizeof(*state));

	assert_non_null(state);
	state->services = calloc(SERVICES_MAX, sizeof(*state->services));
	assert_non_null(state->services);
	for (size_t s = 0; s < SERVICES_MAX; s++)
		if (spec.services[s].is)
			service_fill(&state->services[state->service_count++], s);
	return state;
}

/* ---- ids ------------------------------------------------------------------------------------ */

static const struct backend *same_backend(const struct state *state, const struct service *service,
					  const struct backend *backend)
{
	const struct service *same = state_service(state, service->name);

	for (size_t b = 0; same && b < same->backend_count; b++)
		if (addr_equal(&same->backends[b].identity.address, &backend->identity.address))
			return &same->backends[b];
	return NULL;
}

/* Time goes by in steps of 100 minutes: an id that has rested 500 is still in some record of the
 * longest idle timeout, or nearly so; one of 600 is in none. */
static bool id_rests(uint32_t id)
{
	uint64_t freed_ms = kernel.backend_info[id].freed_ms;

	return id >= IDS || (freed_ms && kernel.now_ms - freed_ms <= 500 * MINUTE);
}

/* By id: 1 where it is in use in the actual state, or rests. */
static void ids_taken(unsigned char *taken)
{
	for (uint32_t id = 1; id < LB_MAX_BACKENDS; id++)
		taken[id] = id_rests(id);
	for (size_t s = 0; s < actual->service_count; s++)
		for (size_t b = 0; b < actual->services[s].backend_count; b++)
			taken[actual->services[s].backends[b].id] = 1;
}

static bool ids_run_out(const struct state *wanted)
{
	static unsigned char taken[LB_MAX_BACKENDS];
	unsigned int left = 0, needed = 0;

	ids_taken(taken);
	for (uint32_t id = 1; id < IDS; id++)
		left += !taken[id];
	for (size_t s = 0; s < wanted->service_count; s++)
		for (size_t b = 0; b < wanted->services[s].backend_count; b++)
			needed += !same_backend(actual, &wanted->services[s],
						&wanted->services[s].backends[b]);
	return needed > left;
}

static void assert_ids(const struct state *wanted)
{
	static unsigned char taken[LB_MAX_BACKENDS];
	unsigned char services[LB_MAX_SERVICES] = { 0 };

	ids_taken(taken);
	for (size_t s = 0; s < actual->service_count; s++)
		services[actual->services[s].id] = 1;
	for (size_t s = 0; s < wanted->service_count; s++) {
		const struct service *service = &wanted->services[s];
		const struct service *old = state_service(actual, service->name);

		assert_true(service->id > 0);
		if (old)
			assert_int_equal(service->id, old->id);
		else
			assert_false(services[service->id]);
		services[service->id] = 1;
		for (size_t b = 0; b < service->backend_count; b++) {
			uint32_t id = service->backends[b].id;
			const struct backend *same =
				same_backend(actual, service, &service->backends[b]);

			assert_in_range(id, 1, IDS - 1);
			if (same)
				assert_int_equal(id, same->id);
			else
				assert_false(taken[id]);
			taken[id] = 1;
		}
	}
}

/* ---- runs ----------------------------------------------------------------------------------- */

static bool run_is_free(const bool *used, uint32_t base, uint32_t slots)
{
	for (uint32_t i = 0; i < slots; i++)
		if (base + i >= SLOTS || used[base + i])
			return false;
	return true;
}

static void run_use(bool *used, const struct ring *ring)
{
	memset(used + ring->base, true, ring->slots);
}

/* First fit beside everything that is there. `check`: the bases that were given, else only whether
 * there is room. */
static bool runs_fit(const struct state *wanted, bool check)
{
	bool used[SLOTS] = { false };

	for (size_t s = 0; s < actual->service_count; s++)
		for (int family = 0; family < FAMILIES; family++)
			run_use(used, &actual->services[s].ring[family]);
	for (size_t s = 0; s < wanted->service_count; s++)
		for (int family = 0; family < FAMILIES; family++) {
			struct ring ring = wanted->services[s].ring[family];
			const struct service *old =
				state_service(actual, wanted->services[s].name);
			uint32_t base = 0;

			if (!ring.slots)
				continue;
			if (old && old->ring[family].slots == ring.slots) {
				if (check)
					assert_int_equal(ring.base, old->ring[family].base);
				continue;
			}
			while (base < SLOTS && !run_is_free(used, base, ring.slots))
				base++;
			if (base == SLOTS)
				return false;
			if (check)
				assert_int_equal(ring.base, base);
			ring.base = base;
			run_use(used, &ring);
		}
	return true;
}

/* ---- the plan ------------------------------------------------------------------------------- */

static unsigned int ops_of(const struct plan *plan, enum op_kind kind)
{
	unsigned int count = 0;

	for (size_t i = 0; i < plan->op_count; i++)
		count += plan->ops[i].kind == kind;
	return count;
}

static unsigned int backends_only_in(const struct state *state, const struct state *other)
{
	unsigned int count = 0;

	for (size_t s = 0; s < state->service_count; s++)
		for (size_t b = 0; b < state->services[s].backend_count; b++)
			count += !same_backend(other, &state->services[s],
					       &state->services[s].backends[b]);
	return count;
}

static bool breaks(const struct service *service, const struct service *old)
{
	if (service->protocol != old->protocol)
		return true;
	for (int family = 0; family < FAMILIES; family++)
		if (service->ring[family].slots && old->ring[family].slots &&
		    service->ring[family].slots != old->ring[family].slots)
			return true;
	for (size_t i = 0; i < old->key_count; i++) {
		bool found = false;

		for (size_t j = 0; j < service->key_count; j++)
			found |= service->keys[j].port == old->keys[i].port;
		if (!found)
			return true;
	}
	return false;
}

static uint32_t lost(const struct service *service, const struct service *old)
{
	uint32_t count = 0;

	for (size_t b = 0; b < old->backend_count; b++) {
		const struct backend *row = &old->backends[b];
		bool goes_on = false;

		for (size_t i = 0; i < service->backend_count; i++)
			goes_on |= identity_equal(&service->backends[i].identity, &row->identity) &&
				   !service->backends[i].gone;
		count += !row->gone && !goes_on;
	}
	return count;
}

static const struct plan_service *told_of(const struct plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->service_count; i++)
		if (!strcmp(plan->services[i].name, name))
			return &plan->services[i];
	return NULL;
}

static void assert_told(const struct plan *plan, const struct service *service,
			const struct service *old, const uint64_t *before)
{
	const struct plan_service *told = told_of(plan, service->name);
	uint32_t slots = 0, moved = 0, moving = 0;

	for (int family = 0; family < FAMILIES; family++) {
		const struct ring *ring = &service->ring[family];

		if (ring->slots != old->ring[family].slots)
			continue;
		slots += ring->slots;
		for (uint32_t i = ring->base; i < ring->base + ring->slots; i++) {
			moved += LB_SLOT_OWNER(kernel.slots[i]) != LB_SLOT_OWNER(before[i]);
			moving += LB_SLOT_MOVING(kernel.slots[i]) && !LB_SLOT_MOVING(before[i]);
		}
	}
	if (!told) {
		assert_true(!moved && !breaks(service, old) && !lost(service, old));
		return;
	}
	assert_int_equal(told->slots, slots);
	assert_int_equal(told->slots_moved, moved);
	assert_int_equal(told->slots_moving, moving);
	assert_int_equal(told->breaks, breaks(service, old));
	assert_int_equal(told->backends_lost, lost(service, old));
	assert_true(told->breaks ? told->share_moved == 1
				 : told->share_moved == (slots ? (double)moved / slots : 0));
}

static void assert_plan(const struct plan *plan, const struct state *wanted, const uint64_t *before)
{
	assert_order(plan);
	assert_int_equal(ops_of(plan, OP_BACKEND_ADD), backends_only_in(wanted, actual));
	assert_int_equal(ops_of(plan, OP_BACKEND_REMOVE), backends_only_in(actual, wanted));
	for (size_t s = 0; s < wanted->service_count; s++) {
		const struct service *old = state_service(actual, wanted->services[s].name);

		if (old)
			assert_told(plan, &wanted->services[s], old, before);
	}
	for (size_t s = 0; s < actual->service_count; s++)
		if (!state_service(wanted, actual->services[s].name))
			assert_true(told_of(plan, actual->services[s].name)->breaks);
}

/* Every slot of a ring is the wanted owner's, and no other is anybody's. */
static void assert_slots(const struct state *wanted)
{
	uint32_t owners[SLOTS] = { 0 };
	bool used[SLOTS] = { false };

	for (size_t s = 0; s < wanted->service_count; s++)
		for (int family = 0; family < FAMILIES; family++) {
			const struct ring *ring = &wanted->services[s].ring[family];

			assert_true(!ring->slots || run_is_free(used, ring->base, ring->slots));
			run_use(used, ring);
			for (uint32_t i = 0; i < ring->slots; i++)
				owners[ring->base + i] =
					wanted_owner(&wanted->services[s], family, i);
		}
	for (uint32_t i = 0; i < SLOTS; i++) {
		assert_int_equal(LB_SLOT_OWNER(kernel.slots[i]), owners[i]);
		assert_true(used[i] || !kernel.slots[i]);
	}
}

/* ---- the walk ------------------------------------------------------------------------------- */

static struct walk {
	unsigned int applied, no_ids, no_slots, empty;
} walk;

static void assert_nothing_is_left_to_do(void)
{
	struct state *again = spec_state();
	struct plan *plan = diff_made(actual, again);

	assert_int_equal(plan->op_count, 0);
	assert_int_equal(plan->service_count, 0);
	plan_free(plan);
	state_free(again);
}

static void walk_apply(struct state *wanted, struct plan *plan)
{
	uint64_t before[SLOTS];

	assert_ids(wanted);
	assert_true(runs_fit(wanted, true));
	memcpy(before, kernel.slots, sizeof(before));
	carry_out(plan, wanted);
	assert_plan(plan, wanted, before);
	assert_slots(wanted);
	walk.applied++;
	walk.empty += !plan->op_count;
	plan_free(plan);
	state_free(actual);
	actual = wanted;
	assert_nothing_is_left_to_do();
}

/* One change or a few; what there is no room for is taken back. */
static void walk_step(void)
{
	_cleanup_diag_ struct diag diag = { 0 };
	struct kernel_view view = kernel_view();
	const struct spec before = spec;
	struct plan *plan = NULL;
	struct state *wanted;
	bool no_ids, no_slots;
	int err;

	for (unsigned int changes = 1 + chance(4); changes; changes--)
		service_change(&spec.services[chance(SERVICES_MAX)]);
	wanted = spec_state();
	no_ids = ids_run_out(wanted);
	no_slots = !runs_fit(wanted, false);
	err = diff(actual, wanted, &view, &plan, &diag);
	assert_int_equal(err, no_ids || no_slots ? -ENOSPC : 0);
	assert_int_equal(diag.count, err ? 1 : 0);
	walk.no_ids += no_ids;
	walk.no_slots += no_slots;
	if (!err) {
		walk_apply(wanted, plan);
		return;
	}
	assert_non_null(strstr(diag.entries[0].text, no_ids ? "no ids" : "no room"));
	state_free(wanted);
	spec = before;
}

static void some_slots_settle(void)
{
	for (uint32_t i = 0; i < SLOTS; i++)
		if (!chance(4))
			kernel.slots[i] = LB_SLOT_OWNER(kernel.slots[i]);
}

/* Those behind the few that the walk uses. */
static void other_ids_rest(void)
{
	for (uint32_t id = IDS; id < LB_MAX_BACKENDS; id++)
		kernel.backend_info[id].freed_ms = kernel.now_ms;
}

static void every_plan_of_a_random_walk_keeps_what_must_hold(void **state)
{
	(void)state;
	seed = 0x6564676562616c32ULL;
	kernel.max_slots = SLOTS;
	for (size_t s = 0; s < SERVICES_MAX; s++)
		spec.services[s].slots[IPV4] = 7;
	for (int i = 0; i < STEPS; i++) {
		kernel.now_ms += chance(3) * 100 * MINUTE;
		other_ids_rest();
		walk_step();
		if (!chance(3))
			some_slots_settle();
	}
	print_message("           %u plans, %u of them empty; refused: %u for ids, %u for slots\n",
		      walk.applied, walk.empty, walk.no_ids, walk.no_slots);
	assert_true(walk.applied > STEPS / 2 && walk.no_ids > 10 && walk.no_slots > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		DIFF_TEST(every_plan_of_a_random_walk_keeps_what_must_hold),
	};

	return cmocka_run_group_tests_name("plans", tests, NULL, NULL);
}
