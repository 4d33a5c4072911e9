/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Drawing in place with the few orders of ECMA-48 that every terminal knows: home, erase to the end
 * of the line, erase to the end of the screen. Nothing has to be undone at the end. */
#include "lb/ctl/screen.h"

#include <string.h>
#include <sys/ioctl.h>

#include "config/utf8.h"
#include "lb/ctl/table.h"

#define HOME "\033[H"
#define LINE_END "\033[K"
#define REST "\033[J"

struct screen screen_of(int fd)
{
	struct winsize size;

	if (ioctl(fd, TIOCGWINSZ, &size) || !size.ws_row || !size.ws_col)
		return (struct screen){ .rows = 24, .columns = 80 };
	return (struct screen){ .rows = size.ws_row, .columns = size.ws_col };
}

static unsigned int lines_of(const char *text)
{
	unsigned int lines = 0;

	for (; *text; text++)
		lines += *text == '\n';
	return lines;
}

/* One line, cut at the edge; returns what follows it. The last one of the screen gets no newline:
 * it would move all others. */
static const char *line_draw(const struct screen *screen, const char *line, unsigned int *left,
			     FILE *to)
{
	const char *end = line + strcspn(line, "\n");

	for (unsigned int column = 0; line < end && column < screen->columns; column++) {
		size_t length = utf8_length(line);

		length = length ? length : 1;
		fwrite(line, 1, length, to);
		line += length;
	}
	fputs(LINE_END, to);
	if (--*left)
		fputc('\n', to);
	return *end ? end + 1 : end;
}

void screen_draw(const struct screen *screen, const char *body, const char *foot, FILE *to)
{
	unsigned int lines = lines_of(body), feet = lines_of(foot), left = screen->rows;
	unsigned int room = left > feet ? left - feet : 0, shown = lines;
	char more[NUMBER_TEXT_MAX + 16], count[NUMBER_TEXT_MAX];

	if (lines > room)
		shown = room ? room - 1 : 0;
	fputs(HOME, to);
	while (shown-- && *body)
		body = line_draw(screen, body, &left, to);
	if (*body && room) {
		snprintf(more, sizeof(more), "... %s more\n", count_format(lines_of(body), count));
		line_draw(screen, more, &left, to);
	}
	while (*foot && left)
		foot = line_draw(screen, foot, &left, to);
	fputs(REST, to);
}
