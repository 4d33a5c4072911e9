/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The drawing of lbctl top. Every line is drawn anew each time, and ncurses sends what changed. On
 * a small terminal the lines around the table go first, then its columns from the right. */
#include "lb/ctl/top_screen.h"
#include "lb/ctl/top_text.h"

#include <errno.h>
#include <ncurses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <term.h>
#include <time.h>

#undef columns /* a macro of term.h, which for that comes behind our own headers */

#define GAP		2	/* blanks between columns */
#define CUT_MIN		4	/* columns of a text that are worth it */
#define NUMBER_WIDTH	7	/* "999.9M", "100.0%", "999.9ms" */
#define ESCAPE_MS	25	/* that tell the key from the first byte of another */

enum pair { PAIR_DOWN = 1, PAIR_OUT };

static SCREEN *screen;
static bool colors;

/* ---- the terminal ---------------------------------------------------------------------------- */

static bool color_wanted(void)
{
	const char *no = getenv("NO_COLOR");

	return (!no || !*no) && has_colors();
}

int top_screen_open(struct diag *diag)
{
	const char *kind = getenv("TERM");

	screen = newterm(NULL, stdout, stdin);
	if (screen && !cursor_address) {
		endwin();
		delscreen(screen);
		screen = NULL;
	}
	if (!screen) {
		diag_add(diag, NULL, 0, "TERM=\"%s\" is no terminal to draw on; lbctl top --batch "
			 "prints tables", kind ? kind : "");
		return -ENOTTY;
	}
	cbreak();
	noecho();
	nonl();
	curs_set(0);
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(ESCAPE_MS);
	colors = color_wanted();
	if (colors) {
		start_color();
		use_default_colors();
		init_pair(PAIR_DOWN, COLOR_RED, -1);
		init_pair(PAIR_OUT, COLOR_YELLOW, -1);
	}
	return 0;
}

void top_screen_close(void)
{
	if (!screen)
		return;
	endwin();
	delscreen(screen);
	screen = NULL;
}

/* Of a mood: on a terminal without colours what is down stands out. */
static attr_t mood_attr(enum top_mood mood)
{
	switch (mood) {
	case TOP_DOWN:
		return A_BOLD | (colors ? (attr_t)COLOR_PAIR(PAIR_DOWN) : 0);
	case TOP_OUT:
		return colors ? (attr_t)COLOR_PAIR(PAIR_OUT) : 0;
	case TOP_UP:
		break;
	}
	return A_NORMAL;
}

/* ---- text on a line -------------------------------------------------------------------------- */

/* As much as there is room for in `width` columns from x on; right: at their end. */
static void put(int y, int x, size_t width, bool right, attr_t attr, const char *text)
{
	wchar_t wide[TOP_WIDE_MAX];
	size_t room = x < COLS ? (size_t)(COLS - x) : 0, used;

	if (y < 0 || y >= LINES || !room)
		return;
	used = top_fit(text, width < room ? width : room, wide);
	attrset(attr);
	mvaddwstr(y, x + (right ? (int)(width - used) : 0), wide);
	attrset(A_NORMAL);
}

/* Returns where the next one begins. */
static int put_word(int y, int x, attr_t attr, const char *text)
{
	size_t width = top_width(text);

	put(y, x, width, false, attr, text);
	return x + (int)width + GAP;
}

/* ---- the sheet ------------------------------------------------------------------------------- */

static bool is_text(const struct top_column *column)
{
	return column->kind == TOP_TEXT || column->kind == TOP_STATE;
}

/* Numbers have one width, so that what stands behind them does not jump; counts can be longer. */
static size_t cell_width(const struct top_column *column, const struct top_cell *cell)
{
	char text[TOP_TEXT_MAX];

	if (is_text(column) || column->kind == TOP_COUNT)
		return top_width(top_cell_format(column, cell, text));
	return NUMBER_WIDTH;
}

/* A column is as wide as all its rows want, shown or not: scrolling moves nothing sideways. One of
 * texts without any is left out. */
static size_t column_width(const struct top_sheet *sheet, const struct top_column *column, size_t i)
{
	size_t widest = is_text(column) ? 0 : NUMBER_WIDTH, title = top_width(column->title);

	for (size_t row = 0; row < sheet->count; row++) {
		size_t width = cell_width(column, &sheet->rows[row]->cells[i]);

		widest = width > widest ? width : widest;
	}
	if (i && !widest)
		return 0;
	return widest > title ? widest : title;
}

void top_sheet_make(const struct top *top, const struct top_look *look,
		    struct top_sheet *ret_sheet)
{
	size_t count;
	const struct top_column *columns = top_columns(look->view, &count);
	struct top_sheet sheet = { .view = look->view };

	sheet.rows = top_arrange(top, look->view, &look->order[look->view], look->filter,
				 &sheet.count);
	for (size_t i = 0; i < count; i++)
		sheet.widths[i] = column_width(&sheet, &columns[i], i);
	*ret_sheet = sheet;
}

void top_sheet_clear(struct top_sheet *sheet)
{
	free(sheet->rows);
	*sheet = (struct top_sheet){ 0 };
}

/* The name leaves room for the others, if it can. */
static size_t name_width(const struct top_sheet *sheet)
{
	size_t others = 0, half = (size_t)COLS / 2, rest;

	for (size_t i = 1; i < TOP_COLUMNS_MAX; i++)
		others += sheet->widths[i] ? sheet->widths[i] + GAP : 0;
	rest = others < (size_t)COLS ? (size_t)COLS - others : 0;
	rest = rest > half ? rest : half;
	return sheet->widths[0] < rest ? sheet->widths[0] : rest;
}

/* Row NULL: the titles. A number that does not fit is left out with all that follows it; half a
 * number would be another one. */
static void draw_row(int y, const struct top_look *look, const struct top_sheet *sheet,
		     const struct top_row *row, attr_t attr)
{
	size_t count, shift = look->shift[look->view], sorted = look->order[look->view].column;
	const struct top_column *columns = top_columns(look->view, &count);
	char text[TOP_TEXT_MAX];
	int x = 0;

	for (size_t i = 0; i < count; i++) {
		const struct top_column *column = &columns[i];
		size_t width = i ? sheet->widths[i] : name_width(sheet);
		bool right = !is_text(column), marked = !row && i == sorted;
		attr_t mark = marked ? A_BOLD | A_UNDERLINE : 0;

		if (!width || (i && i <= shift))
			continue;
		if (x + (int)width > COLS && (right || x + CUT_MIN > COLS))
			break;
		if (row && (!i || column->kind == TOP_STATE) && attr == A_NORMAL)
			mark = mood_attr(row->mood);
		put(y, x, width, right, attr | mark,
		    row ? top_cell_format(column, &row->cells[i], text) : column->title);
		x += (int)width + GAP;
	}
}

/* ---- around it ------------------------------------------------------------------------------- */

/* Lines from the top; -1: there is no room for it. */
struct layout {
	int title, totals, tabs, heads, rows, hints;
};

static struct layout layout_make(void)
{
	struct layout layout = { -1, -1, -1, -1, 0, -1 };

	if (LINES >= 4)
		layout.title = layout.rows++;
	if (LINES >= 7)
		layout.totals = layout.rows++;
	if (LINES >= 3)
		layout.tabs = layout.rows++;
	if (LINES >= 2)
		layout.heads = layout.rows++;
	if (LINES >= 8)
		layout.hints = LINES - 1;
	return layout;
}

/* The name, the config, and at the right end what there is room for. */
static void draw_title(int y, const struct top *top, const struct top_look *look)
{
	char clock[16], right[64];
	time_t now = time(NULL);
	struct tm local;
	int width, x;

	strftime(clock, sizeof(clock), "%H:%M:%S", localtime_r(&now, &local));
	width = snprintf(right, sizeof(right), "%severy %g s  %s", look->paused ? "PAUSED  " : "",
			 look->interval_ms / 1000.0, clock);
	x = put_word(y, 0, A_BOLD, "lbctl top");
	if (x + width > COLS)
		width = snprintf(right, sizeof(right), "%s", look->paused ? "PAUSED" : clock);
	if (x + width > COLS)
		return;
	if (x + width + GAP < COLS)
		put(y, x, (size_t)(COLS - x - width - GAP), false, A_NORMAL, top_config(top));
	put(y, COLS - width, (size_t)width, false, look->paused ? A_BOLD : A_NORMAL, right);
}

static void draw_trouble(int y, const struct top_link *link)
{
	char *text;

	if (asprintf(&text, "asking again for %llu s: %s", (unsigned long long)link->trouble_s,
		     link->trouble) < 0)
		abort();
	move(y, 0);
	clrtoeol();
	put(y, 0, (size_t)COLS, false, mood_attr(TOP_DOWN), text);
	free(text);
}

static void draw_totals(int y, const struct top *top)
{
	const struct top_totals *totals = top_totals(top);
	bool down = totals->services_down > 0;
	char *text = top_totals_text(totals);

	put(y, 0, (size_t)COLS, false, down ? mood_attr(TOP_DOWN) : A_NORMAL, text);
	free(text);
}

static void draw_prompt(int y, const struct top_look *look)
{
	int x = put_word(y, 0, A_BOLD, "filter:") - GAP + 1;

	x = put_word(y, x, A_NORMAL, look->filter) - GAP;
	if (y >= 0 && x < COLS)
		mvaddch(y, x, ' ' | A_REVERSE);
}

/* The views, the one that is shown reversed; where they do not all fit, that one alone. Returns
 * where the next word begins. */
static int draw_views(int y, enum top_view shown)
{
	char text[TOP_VIEWS][TOP_TEXT_MAX];
	size_t all = 0;
	int x = 0;

	for (size_t view = 0; view < TOP_VIEWS; view++) {
		snprintf(text[view], sizeof(text[view]), "%zu %s", view + 1,
			 top_view_name((enum top_view)view));
		all += strlen(text[view]) + GAP;
	}
	for (size_t view = 0; view < TOP_VIEWS; view++)
		if (view == (size_t)shown || all <= (size_t)COLS + GAP)
			x = put_word(y, x, view == (size_t)shown ? A_REVERSE : A_NORMAL,
				     text[view]);
	return x;
}

static void draw_tabs(int y, const struct top *top, const struct top_look *look,
		      const struct top_sheet *sheet)
{
	const struct top_order *order = &look->order[look->view];
	size_t count, all = top_count(top, look->view);
	const struct top_column *columns = top_columns(look->view, &count);
	char text[TOP_FILTER_MAX + 64];
	int x = draw_views(y, look->view);

	snprintf(text, sizeof(text), "by %s%s", columns[order->column].title,
		 order->reversed ? ", reversed" : "");
	x = put_word(y, x, A_NORMAL, text);
	if (*look->filter)
		snprintf(text, sizeof(text), "\"%s\": %zu of %zu", look->filter, sheet->count, all);
	else if (sheet->count > look->page)
		snprintf(text, sizeof(text), "from %zu of %zu", look->first[look->view] + 1, all);
	else
		snprintf(text, sizeof(text), "all %zu", all);
	put_word(y, x, *look->filter ? A_BOLD : A_NORMAL, text);
}

static void draw_help(void)
{
	static const char *const text[] = {
		"1 2 3, Tab      services, backends, containers",
		"< >             sort by the column to the left, to the right",
		"r               the other way round",
		"/               only rows that hold a text; Enter ends it, Esc clears it",
		"up down PgUp PgDn Home End    scroll",
		"left right      columns",
		"p, space        pause, and go on",
		"+ -             ask less often, more often",
		"q               quit",
		"",
		"A rate is what was counted between two answers; - is not known yet.",
		"BIT/S counts at layer 2, towards backends; of containers it counts what they",
		"sent and received as payload. State with *: set at run time by lbctl.",
		"",
		"Any key goes back.",
	};

	for (int y = 0; y < (int)(sizeof(text) / sizeof(text[0])); y++)
		put(y, 0, (size_t)COLS, false, A_NORMAL, text[y]);
}

static void draw_empty(int y, const struct top *top, const struct top_look *look)
{
	const char *refused = top_containers_refused(top);
	char *text;

	if (look->view != TOP_CONTAINERS || !refused) {
		if (asprintf(&text, *look->filter ? "no %s with that text" : "no %s",
			     top_view_name(look->view)) < 0)
			abort();
		put(y, 0, (size_t)COLS, false, A_NORMAL, text);
		free(text);
		return;
	}
	put(y, 0, (size_t)COLS, false, mood_attr(TOP_OUT), refused);
	put(y + 1, 0, (size_t)COLS, false, A_NORMAL, "flows: { };  in lb.conf, and lbctl reload");
	put(y + 2, 0, (size_t)COLS, false, A_NORMAL, "lets the daemon see containers' flows");
}

static void draw_table(const struct top *top, struct top_look *look, const struct top_sheet *sheet,
		       const struct layout *layout, attr_t attr)
{
	size_t *first = &look->first[look->view];
	int end = layout->hints < 0 ? LINES : layout->hints;

	look->page = end > layout->rows ? (size_t)(end - layout->rows) : 0;
	look->count = sheet->count;
	if (*first + look->page > sheet->count)
		*first = sheet->count > look->page ? sheet->count - look->page : 0;
	if (!sheet->count) {
		draw_empty(layout->rows, top, look);
		return;
	}
	for (int x = 0; layout->heads >= 0 && x < COLS; x++)
		mvaddch(layout->heads, x, ' ' | A_REVERSE);
	draw_row(layout->heads, look, sheet, NULL, A_REVERSE);
	for (size_t i = 0; i < look->page && *first + i < sheet->count; i++)
		draw_row(layout->rows + (int)i, look, sheet, sheet->rows[*first + i], attr);
}

void top_screen_draw(const struct top *top, struct top_look *look, const struct top_sheet *sheet,
		     const struct top_link *link)
{
	struct layout layout = layout_make();

	erase();
	if (look->help) {
		draw_help();
		refresh();
		return;
	}
	draw_table(top, look, sheet, &layout, link->trouble ? A_DIM : A_NORMAL);
	draw_title(layout.title, top, look);
	if (look->typing)
		draw_prompt(layout.tabs, look);
	else
		draw_tabs(layout.tabs, top, look, sheet);
	if (link->trouble)
		draw_trouble(layout.totals >= 0 ? layout.totals : 0, link);
	else
		draw_totals(layout.totals, top);
	put(layout.hints, 0, (size_t)COLS, false, A_DIM,
	    "h help  q quit  Tab view  < > sort  r reverse  / filter  p pause  + - interval");
	refresh();
}
