/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The owners beside the slots' words: a settled packet goes by the owner, a moving one by the word,
 * and what a daemon left that was ended between the two stores is mended by the next. */
#include "lb/kernel/sink.h"
#include "tests/prog/trials.h"

#define CONFIG                                                                                    \
	"version = 1; services = ( { name = \"web\"; protocol = \"tcp\"; ports = [ 80 ];"         \
	"  vips = [ \"203.0.113.10\", \"2001:db8::10\" ]; forward = \"dsr\"; backends = ("        \
	"  { name = \"a\"; address = [ \"10.1.0.2\", \"fd00::2\" ]; },"                           \
	"  { name = \"b\"; address = [ \"10.1.0.3\", \"fd00::3\" ]; } ); } );"                    \
	"tuning: { max_slots = 10000; };"

#define VIP ((struct host){ "203.0.113.10", "2001:db8::10" })

/* Where a packet of an established connection goes. */
static struct outcome outcome_of(const struct trial *trial)
{
	struct outcome outcome;
	struct frame in;

	frame_build(&(struct spec){ .ipv6 = trial->ipv6, .src = CLIENT, .dst = VIP, .dport = 80 },
		    &in);
	ground_run(ground, LB, FRONT, &in, &outcome);
	return outcome;
}

static uint32_t other_than(uint32_t backend, bool ipv6)
{
	uint32_t a = ground_backend(ground, "web/a", ipv6)->id;

	return backend == a ? ground_backend(ground, "web/b", ipv6)->id : a;
}

static void test_a_moving_slot_is_marked_and_a_settled_one_names_its_owner(void **state)
{
	const struct trial *trial = *state;
	struct outcome outcome = outcome_of(trial);
	uint32_t owner = outcome.backend, other = other_than(owner, trial->ipv6);

	slot_write(ground->dataplane, outcome.slot, LB_SLOT(other, owner, true));
	assert_int_equal(slot_owner(ground->dataplane, outcome.slot), LB_OWNER_MOVING);
	assert_int_equal(outcome_of(trial).backend, owner); /* it began before the motion */
	slot_write(ground->dataplane, outcome.slot, LB_SLOT(other, 0, false));
	assert_int_equal(slot_owner(ground->dataplane, outcome.slot), other);
	assert_int_equal(outcome_of(trial).backend, other);
}

static void test_a_motion_that_no_owner_tells_of_is_mended_at_the_start(void **state)
{
	const struct trial *trial = *state;
	struct outcome outcome = outcome_of(trial);
	uint32_t owner = outcome.backend, other = other_than(owner, trial->ipv6);

	ground->dataplane->slots[outcome.slot] = LB_SLOT(other, LB_NOBODY, true);
	assert_int_equal(outcome_of(trial).backend, owner); /* as before the motion */
	owners_recover(ground->dataplane);
	assert_int_equal(slot_owner(ground->dataplane, outcome.slot), LB_OWNER_MOVING);
	assert_int_equal(outcome_of(trial).backend, other);
}

static void test_a_settled_slot_that_is_still_marked_is_mended_at_the_start(void **state)
{
	const struct trial *trial = *state;
	struct outcome outcome = outcome_of(trial);
	uint32_t owner = outcome.backend, other = other_than(owner, trial->ipv6);

	slot_write(ground->dataplane, outcome.slot, LB_SLOT(other, owner, true));
	ground->dataplane->slots[outcome.slot] = LB_SLOT(other, 0, false);
	assert_int_equal(outcome_of(trial).backend, other); /* by the word */
	owners_recover(ground->dataplane);
	assert_int_equal(slot_owner(ground->dataplane, outcome.slot), other);
	assert_int_equal(outcome_of(trial).backend, other);
}

int main(void)
{
	trial_add("a moving slot is marked, and a settled one names its owner", TCP_ONLY,
		  test_a_moving_slot_is_marked_and_a_settled_one_names_its_owner, NULL);
	trial_add("a motion that no owner tells of is mended at the start", TCP_ONLY,
		  test_a_motion_that_no_owner_tells_of_is_mended_at_the_start, NULL);
	trial_add("a settled slot that is still marked is mended at the start", TCP_ONLY,
		  test_a_settled_slot_that_is_still_marked_is_mended_at_the_start, NULL);
	return trials_run_over(CONFIG, NULL);
}
