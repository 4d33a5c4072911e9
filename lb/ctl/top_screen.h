/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lbctl top on a terminal: what the operator chose, the keys that choose it, and the drawing. Only
 * top_screen.c and top_keys.c know ncurses. */
#ifndef LB_CTL_TOP_SCREEN_H
#define LB_CTL_TOP_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/diag.h"
#include "lb/ctl/top_model.h"

struct top_look {
	enum top_view view;
	struct top_order order[TOP_VIEWS];
	size_t first[TOP_VIEWS];	/* row at the top of the screen */
	size_t shift[TOP_VIEWS];	/* columns behind the name that are left out */
	size_t page;			/* rows that the screen has, since it was drawn */
	size_t count;			/* rows that there are, likewise */
	char filter[TOP_FILTER_MAX];
	unsigned int interval_ms;
	bool typing;			/* keys go to the filter */
	bool paused, help;
};

/* Rows of a view in their order, and how wide their columns are. */
struct top_sheet {
	enum top_view view;
	const struct top_row **rows;
	size_t count;
	size_t widths[TOP_COLUMNS_MAX];
};

void top_sheet_make(const struct top *top, const struct top_look *look,
		    struct top_sheet *ret_sheet);
void top_sheet_clear(struct top_sheet *sheet);

/* How it stands with the daemon. */
struct top_link {
	const char *trouble;	/* NULL: it answers */
	uint64_t trouble_s;	/* for so long */
};

/* Takes the terminal over. Returns 0, or -errno with a sentence: then it is as it was. */
int top_screen_open(struct diag *diag);
void top_screen_close(void); /* the terminal is as it was */
void top_screen_draw(const struct top *top, struct top_look *look, const struct top_sheet *sheet,
		     const struct top_link *link);

/* What a key asks of the one who runs the screen. */
enum top_wish {
	TOP_DRAW = 0,		/* nothing but a look at the same */
	TOP_ARRANGE = 1 << 0,	/* other rows, or in another order */
	TOP_ASK = 1 << 1,	/* the daemon, now */
	TOP_QUIT = 1 << 2,
};

#define TOP_INTERVAL_MIN_MS 100
#define TOP_INTERVAL_MAX_MS 3600000

/* The keys that were pressed; does not wait for any. Returns wishes. */
unsigned int top_keys_take(struct top_look *look);

#endif
