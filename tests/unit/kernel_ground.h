/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ground for tests of diff(), over that of model_ground.h: the tables that a plan is carried
 * out in, as plain arrays, and the plainest way to do so. For one test program each. */
#ifndef TESTS_UNIT_KERNEL_GROUND_H
#define TESTS_UNIT_KERNEL_GROUND_H

#include "tests/unit/model_ground.h"

#include "lb/model/motion.h"
#include "lb/model/plan.h"
#include "lb/model/ring.h"

#define KERNEL_SLOTS 262144

static struct {
	uint64_t slots[KERNEL_SLOTS];
	struct lb_backend_info backend_info[LB_MAX_BACKENDS];
	uint32_t max_slots;
	uint64_t now_ms;
} kernel;

static inline void kernel_make(uint32_t max_slots)
{
	memset(&kernel, 0, sizeof(kernel));
	kernel.max_slots = max_slots;
	kernel.now_ms = 1000000;
}

static inline struct kernel_view kernel_view(void)
{
	return (struct kernel_view){ .slots = kernel.slots, .max_slots = kernel.max_slots,
				     .backend_info = kernel.backend_info,
				     .now_ms = kernel.now_ms };
}

static inline uint32_t wanted_owner(const struct service *service, int family, uint32_t slot)
{
	uint32_t owner = service->ring[family].owners[slot];

	return owner == RING_NOBODY ? LB_NOBODY : service->backends[owner].id;
}

static inline void carry_out_ring(const struct op *op, const struct usable *usable)
{
	const struct ring *ring = &op->service->ring[op->family];

	for (uint32_t i = 0; i < ring->slots; i++) {
		uint64_t *word = &kernel.slots[ring->base + i];
		uint32_t owner = wanted_owner(op->service, op->family, i);

		*word = op->kind == OP_RING_ADD ? owner : slot_step(*word, owner, usable);
	}
}

static inline void carry_out(const struct plan *plan, const struct state *wanted)
{
	static struct usable usable;

	state_usable(wanted, &usable);
	for (size_t i = 0; i < plan->op_count; i++) {
		const struct op *op = &plan->ops[i];

		if (op->kind == OP_RING_ADD || op->kind == OP_SLOTS)
			carry_out_ring(op, &usable);
		else if (op->kind == OP_RING_REMOVE)
			memset(&kernel.slots[op->number], 0, op->count * sizeof(uint64_t));
		else if (op->kind == OP_BACKEND_REMOVE)
			kernel.backend_info[op->number].freed_ms = kernel.now_ms;
	}
}

static inline const struct op *op_find(const struct plan *plan, enum op_kind kind)
{
	for (size_t i = 0; i < plan->op_count; i++)
		if (plan->ops[i].kind == kind)
			return &plan->ops[i];
	return NULL;
}

static inline struct plan *diff_made(const struct state *actual, struct state *wanted)
{
	_cleanup_diag_ struct diag diag = { 0 };
	struct kernel_view view = kernel_view();
	struct plan *plan = NULL;

	assert_int_equal(diff(actual, wanted, &view, &plan, &diag), 0);
	assert_int_equal(diag.count, 0);
	return plan;
}

/* Make before write before break, and the table of services is turned after what it leads to. */
static inline void assert_order(const struct plan *plan)
{
	int phase = 0;

	for (size_t i = 0; i < plan->op_count; i++) {
		enum op_kind kind = plan->ops[i].kind;
		int now = (kind > OP_LAST_MAKE) + (kind >= OP_SERVICES) + (kind > OP_LAST_WRITE);

		assert_true(now >= phase);
		phase = now;
	}
}

/* ---- steps ---------------------------------------------------------------------------------- */

static struct world world;
static struct state *actual;
static struct state *stale; /* the state before, which the last plan points into */

/* Before each test, and before each row of one. */
static inline int diff_begin(void **state)
{
	(void)state;
	state_free(actual);
	memset(&world, 0, sizeof(world));
	kernel_make(KERNEL_SLOTS);
	actual = calloc(1, sizeof(*actual));
	assert_non_null(actual);
	return 0;
}

static inline int diff_end(void **state)
{
	(void)state;
	state_free(actual);
	actual = NULL;
	world_clear(&world);
	return 0;
}

/* The world's wanted state over what is there, and its plan carried out. The plan can be looked at
 * until step_over(). */
static inline struct plan *step(void)
{
	struct state *wanted = world_state(&world, actual);
	struct plan *plan = diff_made(actual, wanted);

	assert_order(plan);
	carry_out(plan, wanted);
	state_free(stale);
	stale = actual;
	actual = wanted;
	return plan;
}

static inline void step_over(struct plan *plan)
{
	plan_free(plan);
	state_free(stale);
	stale = NULL;
}

#define DIFF_TEST(function) cmocka_unit_test_setup_teardown(function, diff_begin, diff_end)

/* ---- configs -------------------------------------------------------------------------------- */

#define A(keys) BACKEND("a", "10.1.0.2", keys)
#define B(keys) BACKEND("b", "10.1.0.3", keys)
#define C(keys) BACKEND("c", "10.1.0.4", keys)
#define ONE WEB("", A(""))
#define TWO WEB("", A("") "," B(""))
#define SERVICE(name, protocol, ports, keys, backends)                                            \
	" { name = \"" name "\"; vips = [ \"203.0.113.10\" ]; protocol = \"" protocol "\";"      \
	" ports = [ " ports " ]; " keys " backends = ( " backends " ); }"
#define SERVICES(services) "services = (" services ");"
#define DUAL SERVICES(" { name = \"web\"; vips = [ \"203.0.113.10\", \"2001:db8::10\" ];"       \
	" protocol = \"tcp\"; ports = [ 80 ]; backends = ("                                      \
	" { name = \"a\"; address = [ \"10.1.0.2\", \"fd00::2\" ]; } ); }")

#endif
