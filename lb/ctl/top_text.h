/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rows of lbctl top as text: numbers that keep to a few columns, cells that keep to their place on
 * a screen, whole views for files and scripts. */
#ifndef LB_CTL_TOP_TEXT_H
#define LB_CTL_TOP_TEXT_H

#include <stdio.h>
#include <wchar.h>

#include "lb/ctl/top_model.h"

#define TOP_TEXT_MAX 32

/* "0", "0.4", "37", "1.2k", "45.1M" */
const char *top_rate_format(double number, char text[TOP_TEXT_MAX]);
/* "850us", "1.2ms", "2.3s" */
const char *top_time_format(double us, char text[TOP_TEXT_MAX]);

/* A cell of that column as people read it; "" where there is nothing, "-" where it waits. A text is
 * the cell's own, the rest is in text[]. */
const char *top_cell_format(const struct top_column *column, const struct top_cell *cell,
			    char text[TOP_TEXT_MAX]);

/* As much of a text as keeps to so many columns of a screen, with a '~' where that is not all of
 * it. What is no character of this locale, or would move the cursor, becomes a '?'. Returns the
 * columns that it takes. */
#define TOP_WIDE_MAX 512
size_t top_fit(const char *text, size_t columns, wchar_t wide[TOP_WIDE_MAX]);
/* All that it would take. */
size_t top_width(const char *text);

/* "1.2k packets/s, 45.1M bit/s, 230 new flows/s; 3 services, 1 down; 12 backends, 2 not up" */
char *top_totals_text(const struct top_totals *totals); /* the caller frees it */

/* One view, sorted as it is at first. */
void top_print(const struct top *top, enum top_view view, FILE *to);

struct json_object;
/* All views; the caller puts it. */
struct json_object *top_json(const struct top *top);

#endif
