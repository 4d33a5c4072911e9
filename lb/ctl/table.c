/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Aligned text tables. Called by the commands that show something. A cell is one line whatever is
 * put into it, so that a name out of somebody's container cannot write to the terminal. */
#include "lb/ctl/table.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include "config/mem.h"
#include "config/utf8.h"

#define GAP 2 /* blanks between columns */

struct table {
	const struct table_column *columns;
	size_t column_count;
	char **cells;
	size_t cell_count;
};

struct table *table_new(const struct table_column *columns, size_t count)
{
	struct table *table = mem_array(1, sizeof(*table));

	table->columns = columns;
	table->column_count = count;
	return table;
}

void table_free(struct table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->cell_count; i++)
		free(table->cells[i]);
	free(table->cells);
	free(table);
}

void table_cell(struct table *table, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		abort();
	va_end(args);
	utf8_clean(text);
	table->cells = mem_must(reallocarray(table->cells, table->cell_count + 1,
					     sizeof(*table->cells)));
	table->cells[table->cell_count++] = text;
}

void table_cell_count(struct table *table, uint64_t count)
{
	char text[NUMBER_TEXT_MAX];

	table_cell(table, "%s", count_format(count, text));
}

void table_cell_bytes(struct table *table, uint64_t bytes)
{
	char text[NUMBER_TEXT_MAX];

	table_cell(table, "%s", bytes_format(bytes, text));
}

void table_cell_share(struct table *table, double share)
{
	char text[NUMBER_TEXT_MAX];

	table_cell(table, "%s", share_format(share, text));
}

/* Columns on the screen: UTF-8's continuation bytes take none. */
static size_t text_width(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

/* The widest cell or title; 0 where no row has anything. */
static size_t column_width(const struct table *table, size_t column)
{
	size_t widest = 0, title = text_width(table->columns[column].title);

	for (size_t i = column; i < table->cell_count; i += table->column_count) {
		size_t width = text_width(table->cells[i]);

		if (width > widest)
			widest = width;
	}
	return widest && widest < title ? title : widest;
}

static void print_blanks(size_t count, FILE *to)
{
	fprintf(to, "%*s", (int)count, "");
}

/* Blanks are owed until something follows them: no line ends in one. */
static void print_row(const struct table *table, const size_t *widths, char *const *row, FILE *to)
{
	size_t owed = 0;

	for (size_t column = 0; column < table->column_count; column++) {
		const char *text = row ? row[column] : table->columns[column].title;
		size_t fill;

		if (!widths[column])
			continue;
		fill = widths[column] - text_width(text);
		if (table->columns[column].align == TABLE_RIGHT) {
			owed += fill;
			fill = 0;
		}
		if (*text) {
			print_blanks(owed, to);
			fputs(text, to);
			owed = fill + GAP;
		} else {
			owed += fill + GAP;
		}
	}
	fputc('\n', to);
}

void table_print(const struct table *table, FILE *to)
{
	size_t *widths = mem_array(table->column_count, sizeof(*widths));

	for (size_t column = 0; column < table->column_count; column++)
		widths[column] = column_width(table, column);
	if (table->cell_count)
		print_row(table, widths, NULL, to);
	for (size_t i = 0; i + table->column_count <= table->cell_count; i += table->column_count)
		print_row(table, widths, table->cells + i, to);
	free(widths);
}

const char *count_format(uint64_t count, char text[NUMBER_TEXT_MAX])
{
	char digits[NUMBER_TEXT_MAX];
	size_t len = (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, count);
	char *to = text;

	for (size_t i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			*to++ = ',';
		*to++ = digits[i];
	}
	*to = '\0';
	return text;
}

const char *bytes_format(uint64_t bytes, char text[NUMBER_TEXT_MAX])
{
	static const char units[] = "kMGTPE";
	double value = (double)bytes;
	size_t unit = 0;

	if (bytes < 1000) {
		snprintf(text, NUMBER_TEXT_MAX, "%" PRIu64 " B", bytes);
		return text;
	}
	for (value /= 1000; value >= 999.95 && unit < sizeof(units) - 2; value /= 1000)
		unit++;
	snprintf(text, NUMBER_TEXT_MAX, "%.1f %cB", value, units[unit]);
	return text;
}

const char *share_format(double share, char text[NUMBER_TEXT_MAX])
{
	double percent = share * 100;

	if (percent > 0 && percent < 0.05)
		snprintf(text, NUMBER_TEXT_MAX, "<0.1%%");
	else if (percent < 100 && percent >= 99.95)
		snprintf(text, NUMBER_TEXT_MAX, ">99.9%%");
	else
		snprintf(text, NUMBER_TEXT_MAX, "%.1f%%", percent);
	return text;
}

const char *duration_format(uint64_t seconds, char text[NUMBER_TEXT_MAX])
{
	uint64_t minutes = seconds / 60, hours = minutes / 60;

	if (seconds < 60)
		snprintf(text, NUMBER_TEXT_MAX, "%" PRIu64 "s", seconds);
	else if (minutes < 60)
		snprintf(text, NUMBER_TEXT_MAX, "%" PRIu64 "m", minutes);
	else if (hours < 48)
		snprintf(text, NUMBER_TEXT_MAX, "%" PRIu64 "h %" PRIu64 "m", hours, minutes % 60);
	else
		snprintf(text, NUMBER_TEXT_MAX, "%" PRIu64 "d", hours / 24);
	return text;
}
