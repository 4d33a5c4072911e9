/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From answers to rows. A row is the one of the last answer with the same key, so that its counters
 * have a past; a service is the sum of its backends' rates and not a counter of its own, for that
 * would fall when a backend is taken away. */
#include "lb/ctl/top_model.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/mem.h"
#include "lb/ctl/fields.h"
#include "lb/ctl/tally.h"

struct list {
	struct top_row *rows;	/* sorted by key */
	size_t count;
	uint64_t at_ns;		/* when the answer was made */
	uint64_t took_ns;	/* since the one before; 0: there is nothing to compare with */
	bool past;		/* the next answer is compared with this one */
};

struct top {
	struct list lists[TOP_VIEWS];
	struct top_totals totals;
	char *config, *refused;
};

struct top *top_new(void)
{
	return mem_array(1, sizeof(struct top));
}

static void list_clear(struct list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->rows[i].key);
		for (size_t column = 0; column < TOP_COLUMNS_MAX; column++)
			free(list->rows[i].cells[column].text);
	}
	free(list->rows);
	*list = (struct list){ 0 };
}

void top_free(struct top *top)
{
	if (!top)
		return;
	for (size_t view = 0; view < TOP_VIEWS; view++)
		list_clear(&top->lists[view]);
	free(top->config);
	free(top->refused);
	free(top);
}

/* ---- one row --------------------------------------------------------------------------------- */

static bool kind_is_counter(enum top_kind kind)
{
	return kind == TOP_RATE || kind == TOP_BITS;
}

static bool kind_is_text(enum top_kind kind)
{
	return kind == TOP_TEXT || kind == TOP_STATE;
}

static size_t column_of(enum top_view view, const char *told)
{
	size_t count, column = 0;
	const struct top_column *columns = top_columns(view, &count);

	while (strcmp(columns[column].told, told))
		column++;
	return column;
}

__attribute__((format(printf, 4, 5)))
static void text_set(struct top_row *row, enum top_view view, const char *told,
		     const char *format, ...)
{
	struct top_cell *cell = &row->cells[column_of(view, told)];
	va_list args;

	free(cell->text);
	va_start(args, format);
	if (vasprintf(&cell->text, format, args) < 0)
		abort();
	va_end(args);
	cell->state = *cell->text ? TOP_KNOWN : TOP_NONE;
}

/* What the object itself has. */
static struct top_row row_make(enum top_view view, struct json_object *object)
{
	struct top_row row = { 0 };
	size_t count;
	const struct top_column *columns = top_columns(view, &count);

	for (size_t i = 0; i < count; i++) {
		struct top_cell *cell = &row.cells[i];

		if (!columns[i].member || !field(object, columns[i].member))
			continue;
		if (kind_is_text(columns[i].kind)) {
			cell->text = mem_text(field_text(object, columns[i].member));
			cell->state = *cell->text ? TOP_KNOWN : TOP_NONE;
		} else if (kind_is_counter(columns[i].kind)) {
			cell->counter = field_count(object, columns[i].member);
			cell->state = TOP_WAITS;
		} else {
			cell->number = field_share(object, columns[i].member);
			cell->state = TOP_KNOWN;
		}
	}
	return row;
}

static int row_compare(const void *a, const void *b)
{
	return strcmp(((const struct top_row *)a)->key, ((const struct top_row *)b)->key);
}

/* A counter that went backwards began anew at a time that nobody knows: its rate waits. */
static void row_rates(struct top_row *row, const struct list *past, uint64_t took_ns,
		      enum top_view view)
{
	const struct top_row *before = !took_ns ? NULL
						: bsearch(row, past->rows, past->count,
							  sizeof(*row), row_compare);
	size_t count;
	const struct top_column *columns = top_columns(view, &count);

	for (size_t i = 0; before && i < count; i++) {
		struct top_cell *cell = &row->cells[i];
		const struct top_cell *then = &before->cells[i];

		if (!kind_is_counter(columns[i].kind) || cell->state == TOP_NONE ||
		    then->state == TOP_NONE || cell->counter < then->counter)
			continue;
		cell->state = TOP_KNOWN;
		cell->number = (double)(cell->counter - then->counter) / ((double)took_ns / 1e9);
		if (columns[i].kind == TOP_BITS)
			cell->number *= 8;
	}
}

/* What is known of the parts; while nothing is, it waits, unless no part has it at all. */
static void cell_add(struct top_cell *sum, const struct top_cell *part)
{
	if (part->state > sum->state)
		sum->state = part->state;
	sum->number += part->number;
}

static enum top_mood mood_of(const char *state)
{
	if (!strcmp(state, "up"))
		return TOP_UP;
	return strcmp(state, "drain") && strcmp(state, "off") ? TOP_DOWN : TOP_OUT;
}

/* ---- whole answers --------------------------------------------------------------------------- */

/* `count` rows that are not filled in yet, for that answer. An answer can lie around before it is
 * read, and then it looks as if it was made right before the next one. */
static struct list list_begin(const struct list *past, size_t count, struct json_object *reply,
			      uint64_t came_ns)
{
	uint64_t made_ns = field_count(reply, "monotonic_ns");
	uint64_t at_ns = made_ns ? made_ns : came_ns;

	return (struct list){
		.rows = mem_array(count, sizeof(struct top_row)),
		.count = count,
		.at_ns = at_ns,
		.took_ns = past->past && at_ns > past->at_ns ? at_ns - past->at_ns : 0,
		.past = true,
	};
}

static void list_replace(struct list *list, struct list *fresh)
{
	qsort(fresh->rows, fresh->count, sizeof(*fresh->rows), row_compare);
	list_clear(list);
	*list = *fresh;
}

/* The address as it is dialled. A container may have none yet. */
static void backend_address(struct top_row *row, struct json_object *object)
{
	const char *address = field_text(object, "address"), *port = field_text(object, "port");
	bool brackets = *port && strchr(address, ':');

	if (*address)
		text_set(row, TOP_BACKENDS, "address", "%s%s%s%s%s", brackets ? "[" : "", address,
			 brackets ? "]" : "", *port ? ":" : "", port);
}

/* Identity is address, port and forward: another address counts from 0. */
static struct top_row backend_row(struct json_object *service, struct json_object *object)
{
	struct top_row row = row_make(TOP_BACKENDS, object);
	const char *state = field_text(object, "state");

	if (asprintf(&row.key, "%s/%s %s %s %s", field_text(service, "name"),
		     field_text(object, "name"), field_text(object, "address"),
		     field_text(object, "port"), field_text(object, "forward")) < 0)
		abort();
	text_set(&row, TOP_BACKENDS, "name", "%s/%s", field_text(service, "name"),
		 field_text(object, "name"));
	text_set(&row, TOP_BACKENDS, "state", "%s%s", state,
		 field_true(object, "override") ? "*" : "");
	backend_address(&row, object);
	row.mood = mood_of(state);
	return row;
}

static struct top_row service_row(struct json_object *object, const struct top_row *rows,
				  size_t count)
{
	static const char *const summed[] = { "packets_per_s", "bits_per_s", "new_flows_per_s",
					      "local_connections_per_s" };
	struct top_row row = row_make(TOP_SERVICES, object);
	struct tally tally = tally_rows(field(object, "backends"));

	row.key = mem_text(field_text(object, "name"));
	row.mood = mood_of(field_text(object, "state"));
	text_set(&row, TOP_SERVICES, "up", "%zu of %zu", tally.up, tally.backends);
	for (size_t i = 0; i < sizeof(summed) / sizeof(summed[0]); i++) {
		struct top_cell *sum = &row.cells[column_of(TOP_SERVICES, summed[i])];
		size_t column = column_of(TOP_BACKENDS, summed[i]);

		for (size_t j = 0; j < count; j++)
			cell_add(sum, &rows[j].cells[column]);
	}
	return row;
}

static void totals_add(struct top_totals *totals, const struct top_row *service,
		       struct json_object *object)
{
	struct tally tally = tally_rows(field(object, "backends"));

	cell_add(&totals->packets, &service->cells[column_of(TOP_SERVICES, "packets_per_s")]);
	cell_add(&totals->bits, &service->cells[column_of(TOP_SERVICES, "bits_per_s")]);
	cell_add(&totals->new_flows, &service->cells[column_of(TOP_SERVICES, "new_flows_per_s")]);
	totals->services++;
	totals->services_down += service->mood != TOP_UP;
	totals->backends += tally.backends;
	totals->backends_down += tally.backends - tally.up;
}

static size_t backends_count(struct json_object *list)
{
	size_t count = 0;

	for (size_t i = 0; i < list_length(list); i++)
		count += list_length(field(list_at(list, i), "backends"));
	return count;
}

void top_take_show(struct top *top, struct json_object *reply, uint64_t at_ns)
{
	struct json_object *list = field(reply, "services"), *config = field(reply, "config");
	struct list *past = &top->lists[TOP_BACKENDS];
	struct list backends = list_begin(past, backends_count(list), reply, at_ns);
	struct list services = list_begin(&top->lists[TOP_SERVICES], list_length(list), reply,
					  at_ns);
	struct top_row *next = backends.rows;

	top->totals = (struct top_totals){ 0 };
	for (size_t i = 0; i < services.count; i++) {
		struct json_object *service = list_at(list, i), *rows = field(service, "backends");
		struct top_row *first = next;

		for (size_t j = 0; j < list_length(rows); j++) {
			*next = backend_row(service, list_at(rows, j));
			row_rates(next++, past, backends.took_ns, TOP_BACKENDS);
		}
		services.rows[i] = service_row(service, first, (size_t)(next - first));
		totals_add(&top->totals, &services.rows[i], service);
	}
	list_replace(&top->lists[TOP_SERVICES], &services);
	list_replace(past, &backends);
	free(top->config);
	if (asprintf(&top->config, "%s, loaded %s", field_text(config, "file"),
		     field_text(config, "loaded")) < 0)
		abort();
}

/* What found no place among the containers has a row, once there is anything in it. */
static bool other_counts(struct json_object *other)
{
	size_t count;
	const struct top_column *columns = top_columns(TOP_CONTAINERS, &count);

	for (size_t i = 0; i < count; i++)
		if (kind_is_counter(columns[i].kind) && field_count(other, columns[i].member))
			return true;
	return false;
}

static struct top_row container_row(struct json_object *object, struct list *past,
				    uint64_t took_ns)
{
	struct top_row row = row_make(TOP_CONTAINERS, object);

	if (asprintf(&row.key, "%s %s", field_text(object, "name"),
		     field_text(object, "cgroup")) < 0)
		abort();
	row_rates(&row, past, took_ns, TOP_CONTAINERS);
	return row;
}

/* Its "flows" are all that there ever were, while a container's are those that live. */
static struct top_row other_row(struct json_object *other, struct list *past, uint64_t took_ns)
{
	struct top_row row = row_make(TOP_CONTAINERS, other);
	struct top_cell *begun = &row.cells[column_of(TOP_CONTAINERS, "new_flows_per_s")];

	row.key = mem_text("(other)");
	text_set(&row, TOP_CONTAINERS, "name", "%s", row.key);
	row.cells[column_of(TOP_CONTAINERS, "flows")].state = TOP_NONE;
	begun->counter = field_count(other, "flows");
	begun->state = TOP_WAITS;
	row_rates(&row, past, took_ns, TOP_CONTAINERS);
	return row;
}

void top_take_containers(struct top *top, struct json_object *reply, uint64_t at_ns)
{
	struct json_object *list = field(reply, "containers"), *other = field(reply, "other");
	struct list *past = &top->lists[TOP_CONTAINERS];
	bool has_other = other_counts(other);
	struct list fresh = list_begin(past, list_length(list) + has_other, reply, at_ns);

	for (size_t i = 0; i < list_length(list); i++)
		fresh.rows[i] = container_row(list_at(list, i), past, fresh.took_ns);
	if (has_other)
		fresh.rows[fresh.count - 1] = other_row(other, past, fresh.took_ns);
	list_replace(past, &fresh);
	free(top->refused);
	top->refused = NULL;
}

void top_refuse_containers(struct top *top, const char *reason)
{
	list_clear(&top->lists[TOP_CONTAINERS]);
	free(top->refused);
	top->refused = mem_text(reason);
}

const char *top_containers_refused(const struct top *top)
{
	return top->refused;
}

void top_interrupt(struct top *top, enum top_view view)
{
	top->lists[view].past = false;
}

const struct top_totals *top_totals(const struct top *top)
{
	return &top->totals;
}

const char *top_config(const struct top *top)
{
	return top->config ? top->config : "";
}

size_t top_count(const struct top *top, enum top_view view)
{
	return top->lists[view].count;
}

double top_interval_s(const struct top *top, enum top_view view)
{
	return (double)top->lists[view].took_ns / 1e9;
}

/* ---- order ----------------------------------------------------------------------------------- */

static bool row_holds(const struct top_row *row, const char *filter)
{
	if (!*filter)
		return true;
	for (size_t i = 0; i < TOP_COLUMNS_MAX; i++)
		if (row->cells[i].text && strcasestr(row->cells[i].text, filter))
			return true;
	return false;
}

struct sorting {
	size_t column;
	bool text, reversed;
};

static int sorting_compare(const void *a, const void *b, void *data)
{
	const struct top_row *one = *(const struct top_row *const *)a;
	const struct top_row *other = *(const struct top_row *const *)b;
	const struct sorting *sorting = data;
	const struct top_cell *left = &one->cells[sorting->column];
	const struct top_cell *right = &other->cells[sorting->column];
	int order;

	if ((left->state == TOP_KNOWN) != (right->state == TOP_KNOWN))
		return left->state == TOP_KNOWN ? -1 : 1;
	if (left->state != TOP_KNOWN)
		return strverscmp(one->key, other->key);
	if (sorting->text)
		order = strverscmp(left->text, right->text);
	else
		order = (left->number < right->number) - (left->number > right->number);
	if (sorting->reversed)
		order = -order;
	return order ? order : strverscmp(one->key, other->key);
}

const struct top_row **top_arrange(const struct top *top, enum top_view view,
				   const struct top_order *order, const char *filter,
				   size_t *ret_count)
{
	const struct list *list = &top->lists[view];
	const struct top_row **rows = mem_array(list->count, sizeof(struct top_row *));
	size_t columns, count = 0;
	const struct top_column *column = &top_columns(view, &columns)[order->column];
	struct sorting sorting = { order->column, kind_is_text(column->kind), order->reversed };

	for (size_t i = 0; i < list->count; i++)
		if (row_holds(&list->rows[i], filter))
			rows[count++] = &list->rows[i];
	qsort_r(rows, count, sizeof(*rows), sorting_compare, &sorting);
	*ret_count = count;
	return rows;
}
