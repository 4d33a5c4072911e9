/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What lbctl top shows, as values: rows with rates, made from the differences between the daemon's
 * answers. Pure: it neither asks the daemon nor draws. The one thing that must stay true: a rate is
 * what was counted between two answers, or it is not known. */
#ifndef LB_CTL_TOP_MODEL_H
#define LB_CTL_TOP_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;

enum top_view { TOP_SERVICES, TOP_BACKENDS, TOP_CONTAINERS, TOP_VIEWS };
const char *top_view_name(enum top_view view);			/* "services", ... */
int top_view_find(const char *name, enum top_view *ret_view);	/* 0 or -ENOENT */

enum top_kind {
	TOP_TEXT,
	TOP_STATE,	/* a text that has a colour */
	TOP_COUNT,	/* as it is now */
	TOP_SHARE,	/* 0 to 1 */
	TOP_TIME,	/* in microseconds */
	TOP_RATE,	/* of a counter, a second */
	TOP_BITS,	/* of a counter of bytes: bits a second */
};

struct top_column {
	const char *title;
	enum top_kind kind;
	const char *member;	/* of the daemon's object; NULL: made from others */
	const char *told;	/* as it is called in --json */
};

#define TOP_COLUMNS_MAX 12

/* The first one is the name. */
const struct top_column *top_columns(enum top_view view, size_t *ret_count);
/* The one by which a view is sorted at first. */
size_t top_column_default(enum top_view view);

enum top_cell_state {
	TOP_NONE,	/* does not apply, or nothing is known of it */
	TOP_WAITS,	/* a rate that the next answer will give */
	TOP_KNOWN,
};

struct top_cell {
	enum top_cell_state state;
	char *text;		/* of TOP_TEXT and TOP_STATE */
	uint64_t counter;	/* of TOP_RATE and TOP_BITS, as the last answer had it */
	double number;		/* of all but texts */
};

/* Out: somebody wants it so. */
enum top_mood { TOP_UP, TOP_OUT, TOP_DOWN };

struct top_row {
	char *key;		/* no other row of the view has it */
	enum top_mood mood;
	struct top_cell cells[TOP_COLUMNS_MAX];
};

struct top_totals {
	struct top_cell packets, bits, new_flows;	/* a second */
	size_t services, services_down;
	size_t backends, backends_down;			/* by name; down: not up */
};

struct top;

struct top *top_new(void); /* never NULL */
void top_free(struct top *top);

/* Answers of GET /v1/show and of GET /v1/containers. They say when they were made; `at_ns`, of the
 * same clock, is when they came, for a daemon that does not say it. */
void top_take_show(struct top *top, struct json_object *reply, uint64_t at_ns);
void top_take_containers(struct top *top, struct json_object *reply, uint64_t at_ns);

/* The daemon does not tell of containers, for that reason. */
void top_refuse_containers(struct top *top, const char *reason);
const char *top_containers_refused(const struct top *top); /* NULL: it does, or was not asked */

/* What follows is not compared with what is there: after the daemon was away, or was not asked for
 * a while, the mean of that time would look as if it was now. The rows stay. */
void top_interrupt(struct top *top, enum top_view view);

const struct top_totals *top_totals(const struct top *top);
const char *top_config(const struct top *top); /* "/etc/edgelb/lb.conf, loaded ..."; "" at first */
size_t top_count(const struct top *top, enum top_view view);
/* Between the last two answers; 0: there were not yet two of them. */
double top_interval_s(const struct top *top, enum top_view view);

#define TOP_FILTER_MAX 128

struct top_order {
	size_t column;
	bool reversed;	/* against what is natural: texts rise, numbers fall */
};

/* The rows that hold `filter` ("": all) in one of their texts, upper and lower case alike, sorted;
 * among equals by name; what is not known comes last. The caller frees the list; the rows are valid
 * until the next answer. */
const struct top_row **top_arrange(const struct top *top, enum top_view view,
				   const struct top_order *order, const char *filter,
				   size_t *ret_count);

#endif
