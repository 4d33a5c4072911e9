/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How lbctl top writes its rows: numbers, cells, and whole views for --batch and --json. */
#include "lb/ctl/top_text.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lb/ctl/table.h"

const char *top_rate_format(double number, char text[TOP_TEXT_MAX])
{
	static const char units[] = "kMGTPE";
	size_t unit = 0;

	if (number < 0.05)
		snprintf(text, TOP_TEXT_MAX, "0");
	else if (number < 9.95)
		snprintf(text, TOP_TEXT_MAX, "%.1f", number);
	else if (number < 999.5)
		snprintf(text, TOP_TEXT_MAX, "%.0f", number);
	if (number < 999.5)
		return text;
	for (number /= 1000; number >= 999.95 && unit < sizeof(units) - 2; number /= 1000)
		unit++;
	snprintf(text, TOP_TEXT_MAX, "%.1f%c", number, units[unit]);
	return text;
}

const char *top_time_format(double us, char text[TOP_TEXT_MAX])
{
	if (us < 999.5)
		snprintf(text, TOP_TEXT_MAX, "%.0fus", us);
	else if (us < 999950)
		snprintf(text, TOP_TEXT_MAX, "%.1fms", us / 1000);
	else
		snprintf(text, TOP_TEXT_MAX, "%.1fs", us / 1000000);
	return text;
}

const char *top_cell_format(const struct top_column *column, const struct top_cell *cell,
			    char text[TOP_TEXT_MAX])
{
	if (cell->state != TOP_KNOWN)
		return cell->state == TOP_WAITS ? "-" : "";
	switch (column->kind) {
	case TOP_TEXT:
	case TOP_STATE:
		return cell->text;
	case TOP_COUNT:
		return count_format((uint64_t)cell->number, text);
	case TOP_SHARE:
		return share_format(cell->number, text);
	case TOP_TIME:
		return top_time_format(cell->number, text);
	case TOP_RATE:
	case TOP_BITS:
		break;
	}
	return top_rate_format(cell->number, text);
}

_Static_assert(NUMBER_TEXT_MAX <= TOP_TEXT_MAX, "count_format() and its like write into the same");

/* ---- columns of a screen --------------------------------------------------------------------- */

/* The next character, and the columns that it takes: always some progress. */
static size_t character_next(const char *text, mbstate_t *state, wchar_t *ret_wide, int *ret_width)
{
	size_t bytes = mbrtowc(ret_wide, text, MB_CUR_MAX, state);

	if (bytes == (size_t)-1 || bytes == (size_t)-2) {
		*state = (mbstate_t){ 0 };
		bytes = 1;
		*ret_wide = L'?';
	}
	*ret_width = wcwidth(*ret_wide);
	if (*ret_width < 0) {
		*ret_wide = L'?';
		*ret_width = 1;
	}
	return bytes;
}

size_t top_width(const char *text)
{
	mbstate_t state = { 0 };
	size_t columns = 0;
	wchar_t wide;
	int width;

	while (*text) {
		text += character_next(text, &state, &wide, &width);
		columns += (size_t)width;
	}
	return columns;
}

size_t top_fit(const char *text, size_t columns, wchar_t wide[TOP_WIDE_MAX])
{
	bool cut = top_width(text) > columns;
	size_t room = cut && columns ? columns - 1 : columns, used = 0, count = 0;
	mbstate_t state = { 0 };
	wchar_t character;
	int width;

	while (*text && count < TOP_WIDE_MAX - 2) {
		text += character_next(text, &state, &character, &width);
		if (used + (size_t)width > room)
			break;
		wide[count++] = character;
		used += (size_t)width;
	}
	if (cut && columns) {
		wide[count++] = L'~';
		used++;
	}
	wide[count] = L'\0';
	return used;
}

/* ---- whole views ----------------------------------------------------------------------------- */

static const struct top_column rate = { .kind = TOP_RATE }, bits = { .kind = TOP_BITS };

char *top_totals_text(const struct top_totals *totals)
{
	char packets[TOP_TEXT_MAX], bit[TOP_TEXT_MAX], flows[TOP_TEXT_MAX], *text;

	if (asprintf(&text, "%s packets/s, %s bit/s, %s new flows/s; %zu service%s, %zu down; "
			    "%zu backend%s, %zu not up",
		     top_cell_format(&rate, &totals->packets, packets),
		     top_cell_format(&bits, &totals->bits, bit),
		     top_cell_format(&rate, &totals->new_flows, flows), totals->services,
		     totals->services == 1 ? "" : "s", totals->services_down, totals->backends,
		     totals->backends == 1 ? "" : "s", totals->backends_down) < 0)
		abort();
	return text;
}

void top_print(const struct top *top, enum top_view view, FILE *to)
{
	const struct top_order order = { .column = top_column_default(view) };
	struct table_column heads[TOP_COLUMNS_MAX];
	size_t columns, count;
	const struct top_column *column = top_columns(view, &columns);
	const struct top_row **rows = top_arrange(top, view, &order, "", &count);
	struct table *table = table_new(heads, columns);
	char text[TOP_TEXT_MAX];

	for (size_t i = 0; i < columns; i++) {
		bool is_text = column[i].kind == TOP_TEXT || column[i].kind == TOP_STATE;

		heads[i] = (struct table_column){ column[i].title,
						  is_text ? TABLE_LEFT : TABLE_RIGHT };
	}
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < columns; j++)
			table_cell(table, "%s",
				   top_cell_format(&column[j], &rows[i]->cells[j], text));
	if (!count)
		fprintf(to, "no %s\n", top_view_name(view));
	table_print(table, to);
	table_free(table);
	free(rows);
}

static struct json_object *cell_json(const struct top_column *column, const struct top_cell *cell)
{
	if (cell->state != TOP_KNOWN)
		return NULL;
	if (cell->text)
		return json_object_new_string(cell->text);
	if (column->kind == TOP_COUNT || column->kind == TOP_TIME)
		return json_object_new_int64((int64_t)cell->number);
	return json_object_new_double(cell->number);
}

static struct json_object *view_json(const struct top *top, enum top_view view)
{
	const struct top_order by_name = { .column = 0 };
	struct json_object *list = json_object_new_array();
	size_t columns, count;
	const struct top_column *column = top_columns(view, &columns);
	const struct top_row **rows = top_arrange(top, view, &by_name, "", &count);

	for (size_t i = 0; i < count; i++) {
		struct json_object *object = json_object_new_object();

		for (size_t j = 0; j < columns; j++)
			json_object_object_add(object, column[j].told,
					       cell_json(&column[j], &rows[i]->cells[j]));
		json_object_array_add(list, object);
	}
	free(rows);
	return list;
}

static struct json_object *now_json(void)
{
	struct timespec now;
	struct tm utc;
	char seconds[40], text[64];

	clock_gettime(CLOCK_REALTIME, &now);
	strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", gmtime_r(&now.tv_sec, &utc));
	snprintf(text, sizeof(text), "%s.%03ldZ", seconds, now.tv_nsec / 1000000);
	return json_object_new_string(text);
}

struct json_object *top_json(const struct top *top)
{
	const struct top_totals *totals = top_totals(top);
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "time", now_json());
	json_object_object_add(object, "interval_s",
			       json_object_new_double(top_interval_s(top, TOP_SERVICES)));
	json_object_object_add(object, "packets_per_s", cell_json(&rate, &totals->packets));
	json_object_object_add(object, "bits_per_s", cell_json(&bits, &totals->bits));
	json_object_object_add(object, "new_flows_per_s", cell_json(&rate, &totals->new_flows));
	json_object_object_add(object, "services_down",
			       json_object_new_int64((int64_t)totals->services_down));
	json_object_object_add(object, "backends_down",
			       json_object_new_int64((int64_t)totals->backends_down));
	for (size_t view = 0; view < TOP_VIEWS; view++)
		json_object_object_add(object, top_view_name((enum top_view)view),
				       view == TOP_CONTAINERS && top_containers_refused(top)
					       ? NULL
					       : view_json(top, (enum top_view)view));
	return object;
}
