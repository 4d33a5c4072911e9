/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ring of flows that ended: as many as the config allows, the oldest go first. */
#include <stdlib.h>

#include "config/mem.h"
#include "lb/flows/flows_private.h"

size_t ended_kept(const struct ended *ended)
{
	if (!ended->rows)
		return 0;
	return ended->count < ended->room ? (size_t)ended->count : ended->room;
}

const struct flow_row *ended_at(const struct ended *ended, size_t index)
{
	return ended->rows[(ended->count - ended_kept(ended) + index) % ended->room];
}

void ended_resize(struct ended *ended, size_t room)
{
	size_t kept = ended_kept(ended), stays = kept < room ? kept : room;
	struct flow_row **rows = mem_array(room, sizeof(struct flow_row *));

	if (ended->rows && ended->room == room) {
		free(rows);
		return;
	}
	for (size_t i = 0; i < kept; i++) {
		struct flow_row *row = (struct flow_row *)ended_at(ended, i);

		if (i < kept - stays)
			free(row);
		else
			rows[i - (kept - stays)] = row;
	}
	free(ended->rows);
	ended->forgotten += kept - stays;
	ended->rows = rows;
	ended->room = room;
	ended->count = stays;
}

void ended_keep(struct ended *ended, const struct flow_row *row)
{
	struct flow_row **place;

	if (!ended->room) {
		ended->forgotten++;
		return;
	}
	place = &ended->rows[ended->count++ % ended->room];
	ended->forgotten += *place != NULL;
	free(*place);
	*place = row_copy(row);
}

void ended_rename(struct ended *ended, const struct flow_renamed *list, size_t count)
{
	for (size_t i = 0; count && i < ended_kept(ended); i++) {
		struct flow_row *row = (struct flow_row *)ended_at(ended, i), now = *row;
		const char *container = flow_renamed_to(list, count, row->container);
		const char *peer = flow_renamed_to(list, count, row->peer);

		if (!container && !peer)
			continue;
		now.container = container ? container : row->container;
		now.peer = peer ? peer : row->peer;
		ended->rows[(ended->count - ended_kept(ended) + i) % ended->room] = row_copy(&now);
		free(row);
	}
}
