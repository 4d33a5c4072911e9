/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where flows are: the cgroups and network namespaces of their sockets, looked at while they are
 * there, and remembered for the flows that outlive them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/mem.h"
#include "lb/flows/flows_private.h"
#include "lb/watch/cgroup_fs.h"
#include "lb/watch/netns.h"
#include "policy/cgroup_tree.h"

#define NAMED_NAMESPACES "/run/netns"

struct place {
	uint64_t id;
	char *path;		/* NULL: it was gone before it was read */
	uint64_t line[PLACES_LINE_MAX]; /* its id and those above it */
	size_t line_count;
	uint64_t pass;		/* the last one in which a flow of it lived */
	bool over;		/* it was gone, and had no flow, at the last tidying */
};

struct named {
	uint64_t cookie;
	char *name;		/* NULL: nobody has named it */
};

struct places {
	struct flow_names *names;
	struct place *list;	/* ascending by id */
	size_t count, room;
	uint64_t pass;
	struct named *namespaces;
	size_t namespace_count;
	uint64_t host;		/* cookie of the host's own namespace; 0: we are in another */
};

/* ---- cgroups --------------------------------------------------------------------------------- */

size_t places_line_read(const char *root, const char *path, uint64_t line[PLACES_LINE_MAX])
{
	char rest[CGROUP_PATH_MAX];
	size_t count = 0;
	char *slash = rest;

	snprintf(rest, sizeof(rest), "%s", path);
	for (; slash && *rest && count < PLACES_LINE_MAX; slash = strrchr(rest, '/')) {
		if (slash != rest)
			*slash = '\0';
		if (!cgroup_id(root, rest, &line[count]))
			count++;
	}
	return count;
}

static char *path_read(uint64_t id)
{
	char root[CGROUP_PATH_MAX], path[CGROUP_PATH_MAX];
	int err = cgroup_fs_of_id(id, path);

	/* Who may not open it by its id walks over the whole tree. */
	if (err && err != -ENOENT)
		err = cgroup_fs_root(root) ? -ENOENT : cgroup_of_id(root, id, path);
	return err ? NULL : mem_text(path);
}

/* Where it stands, or is to stand. */
static size_t place_find(const struct places *places, uint64_t id)
{
	size_t low = 0, high = places->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (places->list[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct place *place_of(const struct places *places, uint64_t id)
{
	size_t at = place_find(places, id);

	return at < places->count && places->list[at].id == id ? &places->list[at] : NULL;
}

void places_meet(struct places *places, uint64_t cgroup)
{
	size_t at = place_find(places, cgroup);
	char root[CGROUP_PATH_MAX];
	struct place *place;

	if (!cgroup || (at < places->count && places->list[at].id == cgroup))
		return;
	if (places->count == places->room) {
		places->room = places->room ? 2 * places->room : 64;
		places->list = mem_must(realloc(places->list,
						places->room * sizeof(*places->list)));
	}
	memmove(&places->list[at + 1], &places->list[at],
		(places->count - at) * sizeof(*places->list));
	places->count++;
	place = &places->list[at];
	*place = (struct place){ .id = cgroup, .path = path_read(cgroup), .pass = places->pass };
	if (place->path && !cgroup_fs_root(root))
		place->line_count = places_line_read(root, place->path, place->line);
	flow_names_cgroup(places->names, cgroup, place->path);
}

void places_recount(struct places *places)
{
	places->pass++;
}

void places_count(struct places *places, uint64_t cgroup)
{
	struct place *place = place_of(places, cgroup);

	if (place)
		place->pass = places->pass;
}

static bool is_there(const char *root, const struct place *place)
{
	uint64_t id;

	return place->path && !cgroup_id(root, place->path, &id) && id == place->id;
}

const uint64_t *places_line(const struct places *places, uint64_t cgroup, size_t *ret_count)
{
	const struct place *place = place_of(places, cgroup);

	*ret_count = place ? place->line_count : 0;
	return place ? place->line : NULL;
}

/* ---- namespaces ------------------------------------------------------------------------------ */

static void namespace_add(struct places *places, uint64_t cookie, const char *name)
{
	places->namespaces = mem_must(realloc(places->namespaces, (places->namespace_count + 1) *
					      sizeof(*places->namespaces)));
	places->namespaces[places->namespace_count++] =
		(struct named){ cookie, name ? mem_text(name) : NULL };
}

static void namespaces_forget(struct places *places, bool unnamed_too)
{
	size_t kept = 0;

	for (size_t i = 0; i < places->namespace_count; i++)
		if (places->namespaces[i].name || unnamed_too)
			free(places->namespaces[i].name);
		else
			places->namespaces[kept++] = places->namespaces[i];
	places->namespace_count = kept;
}

/* 0: it is none, or we may not enter it. */
static uint64_t cookie_of(const char *path)
{
	int netns = open(path, O_RDONLY | O_CLOEXEC), sock;
	uint64_t cookie = 0;
	socklen_t size = sizeof(cookie);

	if (netns < 0)
		return 0;
	if (!netns_socket(netns, AF_UNIX, SOCK_DGRAM, 0, &sock)) {
		if (getsockopt(sock, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size))
			cookie = 0;
		close(sock);
	}
	close(netns);
	return cookie;
}

/* Of those that have no name it is known that they have none until all is forgotten. */
static void namespaces_read(struct places *places)
{
	DIR *dir = opendir(NAMED_NAMESPACES);
	const struct dirent *entry;
	char path[sizeof(NAMED_NAMESPACES) + NAME_MAX + 2];

	namespaces_forget(places, false);
	while (dir && (entry = readdir(dir))) {
		uint64_t cookie;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), NAMED_NAMESPACES "/%s", entry->d_name);
		cookie = cookie_of(path);
		if (cookie)
			namespace_add(places, cookie, entry->d_name);
	}
	if (dir)
		closedir(dir);
	if (places->host)
		namespace_add(places, places->host, "host");
}

static const struct named *namespace_of(const struct places *places, uint64_t cookie)
{
	for (size_t i = 0; i < places->namespace_count; i++)
		if (places->namespaces[i].cookie == cookie)
			return &places->namespaces[i];
	return NULL;
}

const char *places_netns(struct places *places, uint64_t cookie, char text[24])
{
	const struct named *named = namespace_of(places, cookie);

	if (!cookie)
		return NULL;
	if (!named) {
		namespaces_read(places);
		named = namespace_of(places, cookie);
	}
	if (!named)
		namespace_add(places, cookie, NULL);
	if (named && named->name)
		return named->name;
	snprintf(text, 24, "%" PRIu64, cookie);
	return text;
}

static uint64_t host_cookie(void)
{
	struct stat host, own;

	return !stat("/proc/1/ns/net", &host) && !stat("/proc/self/ns/net", &own) &&
			       host.st_ino == own.st_ino
		       ? cookie_of("/proc/self/ns/net")
		       : 0;
}

/* ---- both ------------------------------------------------------------------------------------ */

void places_tidy(struct places *places, void (*forgotten)(uint64_t cgroup, void *data), void *data)
{
	char root[CGROUP_PATH_MAX];
	size_t kept = 0;

	namespaces_forget(places, true);
	if (cgroup_fs_root(root))
		return;
	for (size_t i = 0; i < places->count; i++) {
		struct place *place = &places->list[i];
		bool was_over = place->over;

		place->over = place->pass != places->pass && !is_there(root, place);
		if (!place->over || !was_over) {
			places->list[kept++] = *place;
			continue;
		}
		flow_names_cgroup_forget(places->names, place->id);
		forgotten(place->id, data);
		free(place->path);
	}
	places->count = kept;
}

struct places *places_new(struct flow_names *names)
{
	struct places *places = mem_array(1, sizeof(*places));

	places->names = names;
	places->host = host_cookie();
	return places;
}

void places_free(struct places *places)
{
	if (!places)
		return;
	for (size_t i = 0; i < places->count; i++)
		free(places->list[i].path);
	free(places->list);
	namespaces_forget(places, true);
	free(places->namespaces);
	free(places);
}
