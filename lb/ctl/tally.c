/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How many of a service's backends are up: a backend is a name, whatever addresses it has. */
#include "lb/ctl/tally.h"

#include <string.h>

#include "lb/ctl/fields.h"

bool tally_is_up(struct json_object *row)
{
	return !strcmp(field_text(row, "state"), "up");
}

struct tally tally_rows(struct json_object *rows)
{
	struct tally tally = { 0 };
	const char *last = NULL;
	bool last_up = false;

	for (size_t i = 0; i < list_length(rows); i++) {
		struct json_object *row = list_at(rows, i);
		const char *name = field_text(row, "name");

		tally.packets += field_count(row, "packets");
		tally.bytes += field_count(row, "bytes");
		if (last && !strcmp(last, name)) {
			tally.up -= last_up && !tally_is_up(row);
			last_up = last_up && tally_is_up(row);
			continue;
		}
		last = name;
		last_up = tally_is_up(row);
		tally.backends++;
		tally.up += last_up;
	}
	return tally;
}
