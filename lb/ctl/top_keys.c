/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys of lbctl top. */
#include <limits.h>
#include <ncurses.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

#include "lb/ctl/top_screen.h"

#define ESCAPE	  27
#define DELETE	  127
#define CONTROL(letter) ((letter) - 'A' + 1)

/* ---- the filter ------------------------------------------------------------------------------ */

static void filter_append(struct top_look *look, wint_t key)
{
	size_t used = strlen(look->filter);
	char bytes[MB_LEN_MAX];
	mbstate_t state = { 0 };
	size_t count = wcrtomb(bytes, (wchar_t)key, &state);

	if (!iswprint(key) || count == (size_t)-1 || used + count >= sizeof(look->filter))
		return;
	memcpy(look->filter + used, bytes, count);
	look->filter[used + count] = '\0';
}

/* The last character, with all its bytes in UTF-8. */
static void filter_shorten(struct top_look *look)
{
	size_t used = strlen(look->filter);

	while (used > 1 && ((unsigned char)look->filter[used - 1] & 0xc0) == 0x80)
		used--;
	if (used)
		look->filter[used - 1] = '\0';
}

static unsigned int filter_key(struct top_look *look, wint_t key, bool special)
{
	if (key == ESCAPE || key == CONTROL('U'))
		look->filter[0] = '\0';
	if (key == ESCAPE || key == '\n' || key == '\r' || (special && key == KEY_ENTER))
		look->typing = false;
	else if (key == DELETE || key == CONTROL('H') || (special && key == KEY_BACKSPACE))
		filter_shorten(look);
	else if (!special)
		filter_append(look, key);
	look->first[look->view] = 0;
	return TOP_ARRANGE;
}

/* ---- the table ------------------------------------------------------------------------------- */

/* The column of that view and no other: what is before the first is the first. */
static unsigned int order_move(struct top_look *look, int by)
{
	struct top_order *order = &look->order[look->view];
	size_t count;

	top_columns(look->view, &count);
	if ((by < 0 && order->column) || (by > 0 && order->column + 1 < count))
		order->column += (size_t)by;
	return TOP_ARRANGE;
}

static unsigned int view_set(struct top_look *look, size_t view)
{
	look->view = (enum top_view)(view % TOP_VIEWS);
	return TOP_ARRANGE | (look->view == TOP_CONTAINERS ? TOP_ASK : 0);
}

/* The next of a few round times, in either direction. */
static unsigned int interval_step(struct top_look *look, bool longer)
{
	static const unsigned int steps[] = { 100,  200,   500,	  1000,	 2000,	 5000,
					      10000, 30000, 60000, 600000, 3600000 };
	size_t last = sizeof(steps) / sizeof(steps[0]) - 1, i;

	if (longer)
		for (i = 0; i < last && steps[i] <= look->interval_ms; i++)
			;
	else
		for (i = last; i > 0 && steps[i] >= look->interval_ms; i--)
			;
	look->interval_ms = steps[i];
	return TOP_DRAW;
}

/* What goes beyond the end is taken back by the drawing, which knows how many rows there are. */
static unsigned int rows_scroll(struct top_look *look, int key)
{
	size_t *first = &look->first[look->view], *shift = &look->shift[look->view];
	size_t last = look->count > look->page ? look->count - look->page : 0, columns;
	size_t page = look->page ? look->page : 1;

	top_columns(look->view, &columns);
	switch (key) {
	case KEY_UP:
		*first -= *first > 0;
		break;
	case KEY_DOWN:
		*first += 1;
		break;
	case KEY_PPAGE:
		*first -= *first < page ? *first : page;
		break;
	case KEY_NPAGE:
		*first += page;
		break;
	case KEY_HOME:
		*first = 0;
		break;
	case KEY_END:
		*first = last;
		break;
	case KEY_LEFT:
		*shift -= *shift > 0;
		break;
	case KEY_RIGHT:
		*shift += *shift + 2 < columns;
		break;
	default:
		break;
	}
	return TOP_DRAW;
}

static unsigned int special_key(struct top_look *look, int key)
{
	if (key == KEY_BTAB)
		return view_set(look, look->view + TOP_VIEWS - 1);
	if (key == KEY_F(1))
		look->help = true;
	if (key == KEY_RESIZE)
		return TOP_ARRANGE;
	return rows_scroll(look, key);
}

static unsigned int plain_key(struct top_look *look, wint_t key)
{
	switch (key) {
	case 'q':
	case 'Q':
		return TOP_QUIT;
	case '1':
	case '2':
	case '3':
		return view_set(look, key - '1');
	case '\t':
		return view_set(look, look->view + 1);
	case '<':
	case '>':
		return order_move(look, key == '<' ? -1 : 1);
	case 'r':
	case 'R':
		look->order[look->view].reversed = !look->order[look->view].reversed;
		return TOP_ARRANGE;
	case '/':
		look->typing = true;
		return TOP_DRAW;
	case ESCAPE:
		look->filter[0] = '\0';
		return TOP_ARRANGE;
	case 'p':
	case ' ':
		look->paused = !look->paused;
		return look->paused ? TOP_DRAW : TOP_ASK;
	case '+':
	case '-':
		return interval_step(look, key == '+');
	case 'h':
	case '?':
		look->help = true;
		return TOP_DRAW;
	case CONTROL('L'):
		clearok(curscr, TRUE);
		return TOP_DRAW;
	default:
		return TOP_DRAW;
	}
}

unsigned int top_keys_take(struct top_look *look)
{
	unsigned int wishes = TOP_DRAW;
	wint_t key;
	int got;

	while ((got = get_wch(&key)) != ERR) {
		bool special = got == KEY_CODE_YES;

		if (look->help && !(special && key == KEY_RESIZE))
			look->help = false;
		else if (look->typing && !(special && key == KEY_RESIZE))
			wishes |= filter_key(look, key, special);
		else
			wishes |= special ? special_key(look, (int)key) : plain_key(look, key);
	}
	return wishes;
}
