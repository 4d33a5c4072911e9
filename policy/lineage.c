/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/lineage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lb/watch/cgroup_fs.h"

#define DEPTH_MAX 64	/* more than anybody nests, and each level holds a directory open */

/* ---- ids ------------------------------------------------------------------------------------- */

static int by_id(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Lists of the tables are in the order of ids, and each item begins with one. */
static bool has_id(const void *list, size_t count, size_t size, uint64_t id)
{
	return count && bsearch(&id, list, count, size, by_id);
}

/* ---- walking --------------------------------------------------------------------------------- */

struct walk {
	const struct policy_tables *tables;
	struct lineages found;
	int err;
};

static void *room_for_one(struct walk *walk, void *list, size_t count, size_t size)
{
	void *larger;

	if (count & (count - 1) || walk->err) /* grows at each power of two */
		return list;
	larger = realloc(list, (count ? 2 * count : 1) * size);
	if (!larger)
		walk->err = -ENOMEM;
	return larger ? larger : list;
}

static void processes_take(struct walk *walk, int directory)
{
	struct lineages *found = &walk->found;
	int fd = openat(directory, "cgroup.procs", O_RDONLY | O_CLOEXEC), pid;
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");

	while (file && !walk->err && fscanf(file, "%d", &pid) == 1) {
		found->processes = room_for_one(walk, found->processes, found->process_count,
						sizeof(*found->processes));
		if (!walk->err)
			found->processes[found->process_count++] = pid;
	}
	if (file)
		fclose(file);
	else if (fd >= 0)
		close(fd);
}

static void lineage_take(struct walk *walk, struct lineage lineage, int directory)
{
	struct lineages *found = &walk->found;

	if (!lineage.known && !lineage.below_parent)
		return;
	found->list = room_for_one(walk, found->list, found->count, sizeof(*found->list));
	if (!walk->err)
		found->list[found->count++] = lineage;
	processes_take(walk, directory);
}

/* `up` is its parent's. Takes the directory over. */
static void directory_walk(struct walk *walk, int fd, struct lineage up, unsigned int depth)
{
	const struct policy_tables *tables = walk->tables;
	struct lineage own = { .known = up.known };
	DIR *directory = fdopendir(fd);
	const struct dirent *entry;
	struct stat status;

	if (!directory || fstat(fd, &status)) {
		if (directory)
			closedir(directory);
		else
			close(fd);
		return;
	}
	own.id = status.st_ino;
	own.below_parent = up.below_parent || has_id(tables->parents, tables->parent_count,
						     sizeof(*tables->parents), up.id);
	if (has_id(tables->cgroups, tables->cgroup_count, sizeof(*tables->cgroups), own.id))
		own.known = own.id;
	lineage_take(walk, own, fd);
	while (depth < DEPTH_MAX && !walk->err && (entry = readdir(directory))) {
		int below;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		below = openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (below >= 0)
			directory_walk(walk, below, own, depth + 1);
	}
	closedir(directory);
}

int lineages_read(const struct policy_tables *tables, struct lineages *ret_lineages)
{
	struct walk walk = { .tables = tables };

	if (tables->cgroup_count || tables->parent_count) {
		int root = cgroup_fs_open("");

		if (root < 0)
			return root;
		directory_walk(&walk, root, (struct lineage){ 0 }, 0);
	}
	if (walk.err) {
		lineages_clear(&walk.found);
		return walk.err;
	}
	if (walk.found.count)
		qsort(walk.found.list, walk.found.count, sizeof(*walk.found.list), by_id);
	*ret_lineages = walk.found;
	return 0;
}

void lineages_clear(struct lineages *lineages)
{
	free(lineages->list);
	free(lineages->processes);
	memset(lineages, 0, sizeof(*lineages));
}

struct lineage lineage_of(const struct lineages *lineages, uint64_t id)
{
	const struct lineage *found = NULL;

	if (lineages->count)
		found = bsearch(&id, lineages->list, lineages->count, sizeof(*found), by_id);
	return found ? *found : (struct lineage){ .id = id };
}
