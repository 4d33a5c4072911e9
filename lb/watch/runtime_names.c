/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lb/watch/runtime_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/mem.h"

void runtime_names_clear(struct runtime_names *names)
{
	for (size_t i = 0; i < RUNTIME_NAMES_MAX; i++)
		free(names->told[i].name);
	*names = (struct runtime_names){ 0 };
}

/* ---- told ------------------------------------------------------------------------------------ */

static size_t told_index(const struct runtime_names *names, const char *id)
{
	size_t i = 0;

	while (i < RUNTIME_NAMES_MAX && strcmp(names->told[i].id, id) != 0)
		i++;
	return i;
}

void runtime_names_tell(struct runtime_names *names, const char *id, const char *name)
{
	size_t index = told_index(names, id);
	struct runtime_name *told;

	if (index == RUNTIME_NAMES_MAX)
		index = names->count++ % RUNTIME_NAMES_MAX;
	told = &names->told[index];
	snprintf(told->id, sizeof(told->id), "%s", id);
	free(told->name);
	told->name = name ? mem_text(name) : NULL;
}

const char *runtime_names_find(const struct runtime_names *names, const char *id)
{
	size_t index = told_index(names, id);

	return index < RUNTIME_NAMES_MAX ? names->told[index].name : NULL;
}

/* ---- wanted ---------------------------------------------------------------------------------- */

bool runtime_names_want(struct runtime_names *names, const char *id)
{
	if (told_index(names, id) < RUNTIME_NAMES_MAX || names->wanted_count == RUNTIME_WANTED_MAX)
		return false;
	for (size_t i = 0; i < names->wanted_count; i++)
		if (!strcmp(names->wanted[i], id))
			return true;
	snprintf(names->wanted[names->wanted_count++], RUNTIME_ID_MAX, "%s", id);
	return true;
}

const char *runtime_names_wanted(const struct runtime_names *names)
{
	return names->wanted_count ? names->wanted[0] : NULL;
}

void runtime_names_answered(struct runtime_names *names)
{
	names->wanted_count--;
	memmove(names->wanted[0], names->wanted[1], names->wanted_count * RUNTIME_ID_MAX);
}
