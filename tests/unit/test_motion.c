/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Slots in motion, the daemon's half: what a slot's word becomes, and when it may settle. The
 * reference is the design told as events, one after the other: a backend is lost, a slot gets a
 * new owner. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lb/model/motion.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

static struct usable usable;

/* `names`: a letter for each backend whose flows go on. */
static void usable_set(const char *names)
{
	memset(&usable, 0, sizeof(usable));
	for (; *names; names++)
		usable.id[(unsigned char)*names] = 1;
}

/* ---- rows ----------------------------------------------------------------------------------- */

/* Backends are letters, '-' is nobody. A word is owner and previous, with '!' while it moves. */
static const struct step_row {
	const char *sentence, *word;
	char owner;
	const char *usable, *expected;
} step_rows[] = {
	{ "settled, the same owner: nothing happens", "a-", 'a', "ab", "a-" },
	{ "settled and empty, still nobody: nothing happens", "--", '-', "ab", "--" },
	{ "a settled slot moves, and its owner becomes the previous", "a-", 'b', "ab", "ba!" },
	{ "a settled slot moves to nobody: its flows stay", "a-", '-', "ab", "-a!" },
	{ "an empty slot has no flows to keep", "--", 'a', "ab", "a-" },
	{ "the owner is gone: the new one has the slot at once", "a-", 'b', "b", "b-" },
	{ "the owner is gone and nobody follows", "a-", '-', "b", "--" },
	{ "the owner is gone and stays: a settled slot stays settled", "a-", 'a', "b", "a-" },
	{ "a failed check is not gone: the slot moves away from it", "a-", 'b', "ab", "ba!" },

	{ "moving, the same owner: nothing happens", "ba!", 'b', "ab", "ba!" },
	{ "moving again: what has no record still belongs to the first", "ba!", 'c', "abc", "ca!" },
	{ "moving back: its first owner has it, and records decide", "ba!", 'a', "ab", "aa!" },
	{ "back and away again: the previous stays the first", "aa!", 'b', "ab", "ba!" },
	{ "moving to nobody: the previous stays", "ba!", '-', "ab", "-a!" },
	{ "from nobody to an owner: the previous stays", "-a!", 'b', "ab", "ba!" },
	{ "from nobody back to the previous", "-a!", 'a', "ab", "aa!" },

	{ "a previous that is gone becomes nobody, and the slot moves on", "ba!", 'b', "b", "b-!" },
	{ "the last one is gone: the slot stays moving", "-a!", '-', "", "--!" },
	{ "without a previous the old owner is the heir", "b-!", 'c', "bc", "cb!" },
	{ "previous lost and owner changed at once: the old owner is the heir", "ba!", 'c', "bc",
	  "cb!" },
	{ "without a previous, and the owner is gone: no heir", "b-!", 'c', "c", "c-!" },
	{ "the owner of a moving slot is gone: the previous stays", "ba!", 'c', "ac", "ca!" },
	{ "owner and previous are gone: nobody, but still moving", "ba!", 'c', "c", "c-!" },
	{ "owner and previous are one, and gone", "aa!", 'b', "b", "b-!" },
	{ "moving, with nobody at all, gets an owner", "--!", 'a', "a", "a-!" },
};

static uint32_t id_of(char letter)
{
	return letter == '-' ? LB_NOBODY : (unsigned char)letter;
}

static uint64_t word_of(const char *text)
{
	return LB_SLOT(id_of(text[0]), id_of(text[1]), text[2] == '!');
}

static const char *word_text(uint64_t word, char text[4])
{
	uint32_t owner = LB_SLOT_OWNER(word), previous = LB_SLOT_PREVIOUS(word);

	text[0] = owner == LB_NOBODY ? '-' : (char)owner;
	text[1] = previous == LB_NOBODY ? '-' : (char)previous;
	text[2] = LB_SLOT_MOVING(word) ? '!' : '\0';
	text[3] = '\0';
	return text;
}

static void slot_becomes_what_the_row_says(void **state)
{
	char text[4];

	(void)state;
	for (size_t i = 0; i < ROWS(step_rows); i++) {
		const struct step_row *row = &step_rows[i];
		uint64_t word;

		usable_set(row->usable);
		word = slot_step(word_of(row->word), id_of(row->owner), &usable);
		if (word != word_of(row->expected))
			fail_msg("%s: %s to %c became %s, expected %s", row->sentence, row->word,
				 row->owner, word_text(word, text), row->expected);
	}
}

/* ---- every case, against the design's sentences ---------------------------------------------- */

struct slot {
	int owner, previous; /* indexes of ids[]; 0: nobody */
	bool moving;
};

/* Small and large, so that no field of the word runs into its neighbour. */
static const uint32_t ids[] = { LB_NOBODY, 1, 2, 0x5555, LB_MAX_BACKENDS - 1 };
#define BACKENDS ROWS(ids)

/* "A previous that is gone becomes nobody, and the slot stays moving." */
static void reference_lost(struct slot *slot, int backend)
{
	if (slot->previous == backend)
		slot->previous = 0;
}

static void reference_new_owner(struct slot *slot, int owner, unsigned int lost)
{
	bool old_is_usable = slot->owner && !(lost & 1U << slot->owner);

	if (owner == slot->owner)
		return;
	if (old_is_usable && !slot->moving) {
		/* "The slot is moving, and previous is the old owner." */
		slot->moving = true;
		slot->previous = slot->owner;
	} else if (old_is_usable && !slot->previous) {
		/* "Heir: if previous is nobody by then, the old owner becomes it." */
		slot->previous = slot->owner;
	}
	slot->owner = owner;
}

static struct slot reference_step(struct slot slot, int owner, unsigned int lost)
{
	for (size_t backend = 1; backend < BACKENDS; backend++)
		if (lost & 1U << backend)
			reference_lost(&slot, backend);
	reference_new_owner(&slot, owner, lost);
	return slot;
}

static uint64_t slot_word(const struct slot *slot)
{
	return LB_SLOT(ids[slot->owner], ids[slot->previous], slot->moving);
}

static void lost_set(unsigned int lost)
{
	memset(&usable, 0, sizeof(usable));
	for (size_t backend = 1; backend < BACKENDS; backend++)
		usable.id[ids[backend]] = !(lost & 1U << backend);
}

/* All words that a slot can have, all owners, all sets of the lost. */
static unsigned int every_case(void (*check)(struct slot slot, int owner, unsigned int lost))
{
	unsigned int cases = 0;

	for (unsigned int lost = 0; lost < 1U << BACKENDS; lost += 2) { /* nobody cannot be lost */
		lost_set(lost);
		for (unsigned int at = 0; at < BACKENDS * BACKENDS * 2 * BACKENDS; at++) {
			struct slot slot = { at % BACKENDS, at / BACKENDS % BACKENDS,
					     at / (BACKENDS * BACKENDS) % 2 };

			if (!slot.moving && slot.previous)
				continue; /* a settled slot remembers nothing */
			check(slot, at / (BACKENDS * BACKENDS * 2), lost);
			cases++;
		}
	}
	return cases;
}

static void check_against_reference(struct slot slot, int owner, unsigned int lost)
{
	struct slot expected = reference_step(slot, owner, lost);
	uint64_t word = slot_step(slot_word(&slot), ids[owner], &usable);

	if (word != slot_word(&expected))
		fail_msg("{%d, %d, %d} to %d, lost %#x: %#llx, expected {%d, %d, %d}", slot.owner,
			 slot.previous, slot.moving, owner, lost, (unsigned long long)word,
			 expected.owner, expected.previous, expected.moving);
}

static void every_step_is_the_designs(void **state)
{
	(void)state;
	assert_int_equal(every_case(check_against_reference), 16 * (25 + 5) * 5);
}

static void check_what_must_hold(struct slot slot, int owner, unsigned int lost)
{
	uint64_t before = slot_word(&slot);
	uint64_t word = slot_step(before, ids[owner], &usable);
	uint32_t previous = LB_SLOT_PREVIOUS(word);

	(void)lost;
	assert_int_equal(LB_SLOT_OWNER(word), ids[owner]);
	assert_true(previous == LB_NOBODY || usable.id[previous]);
	assert_true(LB_SLOT_MOVING(word) || previous == LB_NOBODY);
	/* Only settling ends a motion, and asking again changes nothing. */
	assert_true(LB_SLOT_MOVING(word) || !slot.moving);
	assert_int_equal(slot_step(word, ids[owner], &usable), word);
	/* Whoever is left of those that packets without a record went to, they still go there. */
	if (!slot.moving && usable.id[LB_SLOT_OWNER(before)] && owner != slot.owner)
		assert_int_equal(previous, LB_SLOT_OWNER(before));
	if (slot.moving && usable.id[LB_SLOT_PREVIOUS(before)])
		assert_int_equal(previous, LB_SLOT_PREVIOUS(before));
}

static void every_step_keeps_what_must_hold(void **state)
{
	(void)state;
	assert_true(every_case(check_what_must_hold) > 0);
}

/* ---- time ----------------------------------------------------------------------------------- */

static const struct ticks_row {
	const char *sentence;
	uint64_t ms;
	uint32_t ticks;
} ticks_rows[] = {
	{ "nothing is nothing", 0, 0 },
	{ "a promise is rounded up", 1, 1 },
	{ "just below a tick of 1073.74 ms", 1073, 1 },
	{ "just above it", 1074, 2 },
	{ "the default of 135 minutes", 135 * 60 * 1000, 7544 },
	{ "the longest that lb.conf takes: 8 hours", 8 * 3600 * 1000, 26823 },
};

static void promises_are_rounded_up_to_ticks(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(ticks_rows); i++)
		if (ticks_of(ticks_rows[i].ms) != ticks_rows[i].ticks)
			fail_msg("%s: %u, expected %u", ticks_rows[i].sentence,
				 ticks_of(ticks_rows[i].ms), ticks_rows[i].ticks);
}

/* The table keeps ticks only: a timeout read back from it must give the same ticks, or a restart
 * would find its config changed. */
static void timeout_read_back_gives_the_same_life(void **state)
{
	(void)state;
	for (uint64_t ms = 0; ms <= 8 * 3600 * 1000; ms += 7) {
		uint32_t life = record_life(ms);

		assert_true(life >= LB_MARGIN_TICKS + ticks_of(ms));
		assert_int_equal(record_life(idle_timeout_of(life)), life);
		assert_true(idle_timeout_of(life) >= ms);
	}
}

/* A record's time is 15 bits wide. */
static void longest_life_is_shorter_than_the_wrap_of_ages(void **state)
{
	uint32_t life = record_life(8 * 3600 * 1000);

	(void)state;
	assert_true(life + 2 * LB_MARGIN_TICKS < 1 << 15);
	for (uint32_t now = 0; now < 1 << 16; now += 99) {
		uint64_t entry = LB_RECORD(0, 1, LB_RECORD_CONFIRMED, now);

		assert_int_equal(LB_RECORD_AGE(entry, now + life), life);
		assert_int_equal(LB_RECORD_AGE(entry, now + life + 1), life + 1);
	}
}

static const struct quiet_row {
	const char *sentence;
	int64_t silence; /* above the last tick in which the slot is not quiet; else in ticks */
	bool from_limit, quiet;
} quiet_rows[] = {
	{ "stamped in this tick", 0, false, false },
	{ "stamped a tick ago", 1, false, false },
	{ "stamped ahead: the daemon read its clock before the packet came", -1, false, false },
	{ "stamped far ahead", -100, false, false },
	{ "the last tick in which a record might live", 0, true, false },
	{ "the tick after it", 1, true, true },
	{ "long ago", 1000000, true, true },
};

/* 0 and the largest: where the clock wraps. */
static const uint32_t clocks[] = { 0, 1, 5, 1U << 31, UINT32_MAX - 5, UINT32_MAX };

static void assert_quiet(const struct quiet_row *row, uint32_t clock, uint64_t idle_ms)
{
	uint32_t now = clock + (uint32_t)row->silence;

	if (row->from_limit)
		now += record_life(idle_ms) + LB_MARGIN_TICKS;
	if (slot_is_quiet(clock, now, idle_ms) != row->quiet)
		fail_msg("%s: clock %u, now %u, idle_timeout %llu ms: expected %s", row->sentence,
			 clock, now, (unsigned long long)idle_ms, row->quiet ? "quiet" : "busy");
}

static void slot_is_quiet_once_no_record_can_live(void **state)
{
	static const uint64_t timeouts[] = { 1000, 60000, 135 * 60 * 1000, 8 * 3600 * 1000 };

	(void)state;
	for (size_t i = 0; i < ROWS(quiet_rows); i++)
		for (size_t c = 0; c < ROWS(clocks); c++)
			for (size_t t = 0; t < ROWS(timeouts); t++)
				assert_quiet(&quiet_rows[i], clocks[c], timeouts[t]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slot_becomes_what_the_row_says),
		cmocka_unit_test(every_step_is_the_designs),
		cmocka_unit_test(every_step_keeps_what_must_hold),
		cmocka_unit_test(promises_are_rounded_up_to_ticks),
		cmocka_unit_test(timeout_read_back_gives_the_same_life),
		cmocka_unit_test(longest_life_is_shorter_than_the_wrap_of_ages),
		cmocka_unit_test(slot_is_quiet_once_no_record_can_live),
	};

	return cmocka_run_group_tests_name("motion", tests, NULL, NULL);
}
