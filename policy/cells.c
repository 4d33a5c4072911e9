/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rows, columns and what stands where they meet. A row is all matchers that fit an initiator, a
 * column all that fit a responder; the matchers that they share judge the connection.
 *
 * The row (and column) of somebody new stands for every set that he may turn out to be: it gets at
 * each point the strictest of what "in no group" and every single enforced group would get. That
 * bounds all combinations too. Say r is the first rule that fits a combination G. If it fits by one
 * of G's groups, g, then {g} is judged by r as well: whatever fits {g} fits G, so no rule before r
 * does. If it fits without any group, the same holds for "in no group". So what G gets is among
 * what the singles get. The roles are alike in this, and the other end is the same in all of these
 * answers, whichever role it has.
 *
 * The other end is who its address says. Between two that are both new neither address says a group
 * yet, and a rule from group to group binds when the daemon has named one of them. */
#include "policy/compiler.h"
#include "policy/spans.h"

#define CLASSES_MAX 65536	/* struct policy_class */

struct grid {
	struct compiler *compiler;
	size_t words;
	struct intern sides[2];	/* by role, rows and columns: {new, matchers} */
	struct intern answers;	/* runs of spans, each span one word */
	struct intern known;	/* what an answer was concluded from */
	uint32_t *answer;	/* by number in `known` */
	size_t answer_room;
	uint64_t *grouped[2];	/* by role: matchers that fit some enforced group */
	uint64_t *own, *key, *shared, *all, *one; /* bitmaps in hand */
	struct spans spans, more, strictest;
};

_Static_assert(sizeof(struct policy_span) == sizeof(uint64_t), "a span is a word of an answer");

/* ---- rows and columns ------------------------------------------------------------------------ */

/* What fits the set wherever it is, into own[1...]; own[0] says whether it is new. */
static void side_begin(const struct grid *grid, enum role role, uint32_t set, uint64_t *own)
{
	const struct compiler *compiler = grid->compiler;
	const struct group_set *groups = (const void *)intern_words(&compiler->sets, set);

	/* Where no rule asks for a group in this role, new is like none. */
	own[0] = groups->fresh && bits_any(grid->grouped[role], grid->words);
	memcpy(own + 1, compiler->anyone[role], grid->words * sizeof(*own));
	for (size_t g = 0; g < compiler->policy->group_count; g++)
		if (bit_get(groups->bits, g))
			bits_add(own + 1, compiler->group_fits[role] + g * grid->words,
				 grid->words);
}

static uint16_t side_number(struct grid *grid, enum role role, const uint64_t *own, uint32_t class)
{
	const uint64_t *fits = intern_words(&grid->compiler->classes, class);

	memcpy(grid->key, own, (1 + grid->words) * sizeof(*own));
	bits_add(grid->key + 1, fits + role * grid->words, grid->words);
	return (uint16_t)intern_number(&grid->sides[role], grid->key, 1 + grid->words);
}

/* A list that is far too large is given up early: its sides are bitmaps. */
static int sides_limit(const struct grid *grid)
{
	size_t rows = grid->sides[INITIATOR].count, columns = grid->sides[RESPONDER].count;

	if (rows > CLASSES_MAX)
		return limit_told(grid->compiler, "classes of initiators, so far", rows,
				  CLASSES_MAX);
	if (columns > CLASSES_MAX)
		return limit_told(grid->compiler, "classes of responders, so far", columns,
				  CLASSES_MAX);
	if (rows * columns > POLICY_CELLS_MAX)
		return limit_told(grid->compiler,
				  "classes of initiators times those of responders, so far",
				  rows * columns, POLICY_CELLS_MAX);
	return 0;
}

static int unions_build(struct grid *grid)
{
	struct policy_tables *tables = grid->compiler->tables;
	uint32_t classes = tables->dims.class_count;
	int error = 0;

	tables->unions = mem_array((size_t)tables->dims.set_count * classes,
				   sizeof(*tables->unions));
	for (uint32_t s = 0; s < tables->dims.set_count && !error; s++) {
		struct policy_class *of_set = tables->unions + (size_t)s * classes;

		side_begin(grid, INITIATOR, s, grid->own);
		for (uint32_t c = 0; c < classes; c++)
			of_set[c].initiator = side_number(grid, INITIATOR, grid->own, c);
		side_begin(grid, RESPONDER, s, grid->own);
		for (uint32_t c = 0; c < classes; c++)
			of_set[c].responder = side_number(grid, RESPONDER, grid->own, c);
		error = sides_limit(grid);
	}
	tables->rows = (uint32_t)grid->sides[INITIATOR].count;
	tables->dims.columns = (uint32_t)grid->sides[RESPONDER].count;
	return error;
}

static void places_finish(struct grid *grid)
{
	struct policy_tables *tables = grid->compiler->tables;

	for (size_t p = 0; p < tables->prefix_count; p++) {
		struct policy_place *place = &tables->prefixes[p].place;
		size_t set = grid->compiler->place_sets[p];

		place->as = tables->unions[set * tables->dims.class_count + place->class];
	}
}

/* ---- answers --------------------------------------------------------------------------------- */

static uint32_t answer_number(struct grid *grid, const struct spans *spans)
{
	/* Through a copy, for a span has not the alignment of a word. */
	uint64_t *words = mem_array(spans->count, sizeof(*words));
	uint32_t number;

	memcpy(words, spans->list, spans->count * sizeof(*words));
	number = intern_number(&grid->answers, words, spans->count);
	free(words);
	return number;
}

/* Behind the first matcher that fits every protocol and port no other is ever asked. */
static void matchers_end(const struct grid *grid, const uint64_t *matchers, uint64_t *ended)
{
	const uint64_t *complete = grid->compiler->complete;

	for (size_t w = 0; w < grid->words; w++) {
		uint64_t ends = matchers[w] & complete[w];

		if (!ends)
			continue;
		ended[w] &= ends ^ (ends - 1);
		memset(ended + w + 1, 0, (grid->words - w - 1) * sizeof(*ended));
		return;
	}
}

/* `key` says what the answer depends on. Returns true where that is known already. */
static bool answer_known(struct grid *grid, const uint64_t *key, size_t words,
			 uint32_t **ret_answer)
{
	size_t before = grid->known.count;
	uint32_t number = intern_number(&grid->known, key, words);

	if (grid->known.count > grid->answer_room) {
		grid->answer_room = 2 * grid->answer_room + 64;
		grid->answer = mem_must(reallocarray(grid->answer, grid->answer_room,
						     sizeof(*grid->answer)));
	}
	*ret_answer = &grid->answer[number];
	return grid->known.count == before;
}

static uint32_t answer_plain(struct grid *grid, const uint64_t *row, const uint64_t *column)
{
	uint32_t *answer;
	size_t used = 0;

	for (size_t w = 0; w < grid->words; w++)
		grid->shared[w] = row[w] & column[w];
	matchers_end(grid, grid->shared, grid->shared);
	for (size_t w = 0; w < grid->words; w++)
		if (grid->shared[w])
			used = w + 1;
	/* Never as long as the key of somebody new. */
	if (!answer_known(grid, grid->shared, used, &answer)) {
		spans_answer(grid->compiler, grid->shared, &grid->spans);
		*answer = answer_number(grid, &grid->spans);
	}
	return *answer;
}

static void strictest_of_groups(struct grid *grid, enum role role)
{
	const struct compiler *compiler = grid->compiler;

	spans_answer(compiler, grid->shared, &grid->spans);
	for (size_t g = 0; g < compiler->policy->group_count; g++) {
		const uint64_t *fits = compiler->group_fits[role] + g * grid->words;

		if (!group_is_enforced(&compiler->policy->groups[g]))
			continue;
		for (size_t w = 0; w < grid->words; w++)
			grid->one[w] = fits[w] & grid->all[w];
		if (!bits_any(grid->one, grid->words))
			continue;
		bits_add(grid->one, grid->shared, grid->words);
		spans_answer(compiler, grid->one, &grid->more);
		spans_strictest(&grid->spans, &grid->more, &grid->strictest);
		spans_swap(&grid->spans, &grid->strictest);
	}
}

/* Somebody new has `role`; `own` fits him whatever his groups are. */
static uint32_t answer_new(struct grid *grid, enum role role, const uint64_t *own,
			   const uint64_t *other)
{
	const uint64_t *grouped = grid->grouped[role];
	uint32_t *answer;

	for (size_t w = 0; w < grid->words; w++) {
		grid->shared[w] = own[w] & other[w];
		grid->all[w] = grid->shared[w] | (grouped[w] & other[w]);
	}
	matchers_end(grid, grid->shared, grid->all);
	matchers_end(grid, grid->shared, grid->shared);
	grid->key[0] = role;
	memcpy(grid->key + 1, grid->shared, grid->words * sizeof(*grid->key));
	memcpy(grid->key + 1 + grid->words, grid->all, grid->words * sizeof(*grid->key));
	if (!answer_known(grid, grid->key, 1 + 2 * grid->words, &answer)) {
		strictest_of_groups(grid, role);
		*answer = answer_number(grid, &grid->spans);
	}
	return *answer;
}

/* An address makes nobody new, so no program ever reads what is between two of them: refused, for
 * one number must stand there. */
static uint32_t answer_both_new(struct grid *grid)
{
	struct policy_span span = { 0, POLICY_VERDICT(POLICY_RULE_DEFAULT, POLICY_DENY, 0) };

	return answer_number(grid, &(struct spans){ .list = &span, .count = 1 });
}

static uint32_t answer_of(struct grid *grid, uint32_t row, uint32_t column)
{
	const uint64_t *initiator = intern_words(&grid->sides[INITIATOR], row);
	const uint64_t *responder = intern_words(&grid->sides[RESPONDER], column);

	if (initiator[0] && responder[0])
		return answer_both_new(grid);
	if (initiator[0])
		return answer_new(grid, INITIATOR, initiator + 1, responder + 1);
	if (responder[0])
		return answer_new(grid, RESPONDER, responder + 1, initiator + 1);
	return answer_plain(grid, initiator + 1, responder + 1);
}

static int answers_fill(struct grid *grid)
{
	struct policy_tables *tables = grid->compiler->tables;
	uint32_t columns = tables->dims.columns;

	tables->cells = mem_array((size_t)tables->rows * columns, sizeof(*tables->cells));
	for (uint32_t row = 0; row < tables->rows; row++)
		for (uint32_t column = 0; column < columns; column++) {
			uint32_t number = answer_of(grid, row, column);
			const struct intern_value *value = &grid->answers.values[number];

			if (grid->answers.word_count > POLICY_SPANS_MAX)
				return limit_told(grid->compiler,
						  "runs of ports with one answer, so far",
						  grid->answers.word_count, POLICY_SPANS_MAX);
			tables->cells[(size_t)row * columns + column] = (struct policy_cell){
				.first = (uint32_t)value->at, .count = (uint32_t)value->words,
			};
		}
	tables->span_count = grid->answers.word_count;
	tables->spans = mem_array(tables->span_count, sizeof(*tables->spans));
	memcpy(tables->spans, grid->answers.words, tables->span_count * sizeof(*tables->spans));
	return 0;
}

/* ---- all of it ------------------------------------------------------------------------------- */

static void grid_make(struct grid *grid, struct compiler *compiler)
{
	const struct config_policy *policy = compiler->policy;
	size_t words = compiler->words;

	*grid = (struct grid){ .compiler = compiler, .words = words };
	grid->own = mem_array(1 + words, sizeof(uint64_t));
	grid->key = mem_array(1 + 2 * words, sizeof(uint64_t));
	grid->shared = mem_array(words, sizeof(uint64_t));
	grid->all = mem_array(words, sizeof(uint64_t));
	grid->one = mem_array(words, sizeof(uint64_t));
	for (enum role role = INITIATOR; role <= RESPONDER; role++) {
		grid->grouped[role] = mem_array(words, sizeof(uint64_t));
		for (size_t g = 0; g < policy->group_count; g++)
			if (group_is_enforced(&policy->groups[g]))
				bits_add(grid->grouped[role],
					 compiler->group_fits[role] + g * words, words);
	}
}

static void grid_clear(struct grid *grid)
{
	for (enum role role = INITIATOR; role <= RESPONDER; role++) {
		intern_clear(&grid->sides[role]);
		free(grid->grouped[role]);
	}
	intern_clear(&grid->answers);
	intern_clear(&grid->known);
	free(grid->answer);
	free(grid->own);
	free(grid->key);
	free(grid->shared);
	free(grid->all);
	free(grid->one);
	spans_clear(&grid->spans);
	spans_clear(&grid->more);
	spans_clear(&grid->strictest);
}

int cells_build(struct compiler *compiler)
{
	struct grid grid;
	int error;

	grid_make(&grid, compiler);
	error = unions_build(&grid);
	if (!error) {
		places_finish(&grid);
		error = answers_fill(&grid);
	}
	grid_clear(&grid);
	return error;
}
