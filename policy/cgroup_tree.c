/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "policy/cgroup_tree.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define CONTAINER_ID_DIGITS 64
#define DEPTH_MAX 16 /* of a search; containers in containers in slices stay below it */

/* "root/path", or "root" for the root itself. False if it does not fit. */
static bool directory_of(const char *root, const char *path, char ret_directory[PATH_MAX])
{
	return snprintf(ret_directory, PATH_MAX, "%s%s%s", root, *path ? "/" : "", path) <
	       PATH_MAX;
}

int cgroup_id(const char *root, const char *path, uint64_t *ret_id)
{
	char directory[PATH_MAX];
	struct stat status;

	if (!directory_of(root, path, directory))
		return -ENAMETOOLONG;
	if (stat(directory, &status))
		return -errno;
	*ret_id = status.st_ino;
	return 0;
}

time_t cgroup_age(const char *root, const char *path)
{
	char directory[PATH_MAX];
	struct stat status;

	if (!directory_of(root, path, directory) || stat(directory, &status))
		return 0;
	return time(NULL) - status.st_ctime;
}

unsigned int cgroup_level(const char *path)
{
	unsigned int level = *path != '\0';

	for (; *path; path++)
		level += *path == '/';
	return level;
}

bool cgroup_is_below(const char *path, const char *ancestor)
{
	size_t length = strlen(ancestor);

	return !length || (!strncmp(path, ancestor, length) &&
			   (path[length] == '/' || !path[length]));
}

/* Visits the children whose names match; false once a visit has ended the walk. */
static bool children_visit(const char *root, const char *path, const char *pattern,
			   cgroup_visitor *visit, void *data)
{
	char place[PATH_MAX];
	const struct dirent *entry;
	bool go_on = true;
	DIR *dir = directory_of(root, path, place) ? opendir(place) : NULL;

	if (!dir)
		return true;
	while (go_on && (entry = readdir(dir))) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.' ||
		    fnmatch(pattern, entry->d_name, 0))
			continue;
		if (snprintf(place, sizeof(place), "%s%s%s", path, *path ? "/" : "",
			     entry->d_name) < (int)sizeof(place))
			go_on = visit(place, data);
	}
	closedir(dir);
	return go_on;
}

void cgroup_children(const char *root, const char *path, cgroup_visitor *visit, void *data)
{
	children_visit(root, path, "*", visit, data);
}

struct match {
	const char *root, *rest; /* of the pattern, behind what the path has matched */
	cgroup_visitor *visit;
	void *data;
	bool ended;
};

static bool match_from(const char *path, void *data)
{
	struct match *match = data;
	const char *rest = match->rest;
	size_t length = strcspn(rest, "/");
	char part[NAME_MAX + 1];

	if (!*rest) {
		match->ended = !match->visit(path, match->data);
		return !match->ended;
	}
	if (length > NAME_MAX)
		return true;
	memcpy(part, rest, length);
	part[length] = '\0';
	match->rest = rest + length + strspn(rest + length, "/");
	children_visit(match->root, path, part, match_from, match);
	match->rest = rest;
	return !match->ended;
}

void cgroup_match(const char *root, const char *pattern, cgroup_visitor *visit, void *data)
{
	struct match match = { .root = root, .rest = pattern + strspn(pattern, "/"),
			       .visit = visit, .data = data };

	if (*match.rest)
		match_from("", &match);
}

struct id_search {
	const char *root;
	char *found;
	uint64_t id;
	unsigned int depth;
	bool done;
};

static bool has_id(const char *path, void *data)
{
	struct id_search *search = data;
	uint64_t id;

	if (!cgroup_id(search->root, path, &id) && id == search->id) {
		strcpy(search->found, path);
		search->done = true;
	} else if (search->depth < DEPTH_MAX) {
		search->depth++;
		cgroup_children(search->root, path, has_id, search);
		search->depth--;
	}
	return !search->done;
}

int cgroup_of_id(const char *root, uint64_t id, char ret_path[PATH_MAX])
{
	struct id_search search = { .root = root, .found = ret_path, .id = id };

	has_id("", &search);
	return search.done ? 0 : -ENOENT;
}

/* ---- containers ------------------------------------------------------------------------------ */

bool cgroup_is_of_container(const char *path)
{
	size_t digits = 0;

	for (; *path && digits < CONTAINER_ID_DIGITS; path++)
		digits = isxdigit((unsigned char)*path) ? digits + 1 : 0;
	return digits == CONTAINER_ID_DIGITS;
}

struct search {
	const char *root, *id;
	char *found;
	unsigned int depth;
	bool done;
};

static bool search_below(const char *path, void *data)
{
	struct search *search = data;
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	/* Podman's "libpod-conmon-ID" is whoever looks after the container. */
	if (strstr(name, search->id) && !strstr(name, "conmon-")) {
		strcpy(search->found, path);
		search->done = true;
	} else if (search->depth < DEPTH_MAX) {
		search->depth++;
		cgroup_children(search->root, path, search_below, search);
		search->depth--;
	}
	return !search->done;
}

/* Whether `parent` + before + id + after is there; then it is in ret_path. */
static bool stands_at(const char *root, const char *parent, const char *before, const char *id,
		      const char *after, char ret_path[PATH_MAX])
{
	uint64_t inode;

	return snprintf(ret_path, PATH_MAX, "%s%s%s%s", parent, before, id, after) < PATH_MAX &&
	       !cgroup_id(root, ret_path, &inode);
}

int cgroup_of_container(const char *root, const char *id, const char *parent, bool anywhere,
			char ret_path[PATH_MAX])
{
	static const struct {
		const char *before, *after;
	} customary[] = {
		{ "docker/", "" }, { "system.slice/docker-", ".scope" },
		{ "machine.slice/libpod-", ".scope" }, { "libpod_parent/libpod-", "" },
	}, below[] = {
		{ "/", "" }, { "/docker-", ".scope" }, { "/libpod-", ".scope" }, { "/libpod-", "" },
	};
	struct search search = { .root = root, .id = id, .found = ret_path };

	if (parent)
		parent += strspn(parent, "/");
	for (size_t i = 0; parent && i < sizeof(below) / sizeof(below[0]); i++)
		if (stands_at(root, parent, below[i].before, id, below[i].after, ret_path))
			return 0;
	for (size_t i = 0; i < sizeof(customary) / sizeof(customary[0]); i++)
		if (stands_at(root, "", customary[i].before, id, customary[i].after, ret_path))
			return 0;
	if (anywhere)
		cgroup_children(root, "", search_below, &search);
	return search.done ? 0 : -ENOENT;
}

/* ---- processes ------------------------------------------------------------------------------- */

struct processes {
	const char *root;
	pid_t found;
	unsigned int depth;
};

static bool process_of(const char *path, void *data)
{
	struct processes *processes = data;
	char place[PATH_MAX];
	FILE *file;
	int pid = 0;

	if (snprintf(place, sizeof(place), "%s/%s/cgroup.procs", processes->root, path) >=
	    (int)sizeof(place))
		return true;
	file = fopen(place, "re");
	if (file) {
		/* 0: one that this namespace of processes does not see */
		if (fscanf(file, "%d", &pid) == 1 && pid > 0)
			processes->found = pid;
		fclose(file);
	}
	if (!processes->found && processes->depth < DEPTH_MAX) {
		processes->depth++;
		cgroup_children(processes->root, path, process_of, processes);
		processes->depth--;
	}
	return !processes->found;
}

pid_t cgroup_process(const char *root, const char *path)
{
	struct processes processes = { .root = root };

	process_of(path, &processes);
	return processes.found;
}
