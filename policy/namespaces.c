/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One is known by its inode, which may come again as another's once it is gone: so what nobody
 * asked for in one look is not there for the next. */
#include "policy/namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lb/watch/net_private.h"

#define YOUNG_SEC 3 /* it gets addresses of its own accord (IPv6) */

struct known_namespace {
	dev_t dev;
	ino_t ino;
	time_t since;		/* CLOCK_MONOTONIC */
	bool used;		/* since namespaces_keep_used() */
	struct netns_look look;
};

int namespaces_init(struct namespaces *namespaces)
{
	struct stat own;

	if (stat("/proc/self/ns/net", &own))
		return -errno;
	*namespaces = (struct namespaces){ .own_dev = own.st_dev, .own_ino = own.st_ino };
	return 0;
}

static time_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec;
}

static bool has_address(const struct netns_look *look, const struct addr *addr)
{
	for (size_t i = 0; i < look->address_count; i++)
		if (addr_equal(&look->addresses[i], addr))
			return true;
	return false;
}

/* A container may be connected to another network while it runs. */
static bool is_complete(const struct netns_look *look, const struct container *container)
{
	for (size_t i = 0; container && i < container->network_count; i++)
		for (int family = 0; family < 2; family++)
			if (container->networks[i].has_address[family] &&
			    !has_address(look, &container->networks[i].address[family]))
				return false;
	return true;
}

static struct known_namespace *find(const struct namespaces *namespaces, const struct stat *status)
{
	for (size_t i = 0; i < namespaces->count; i++)
		if (namespaces->list[i].dev == status->st_dev &&
		    namespaces->list[i].ino == status->st_ino)
			return &namespaces->list[i];
	return NULL;
}

static struct known_namespace *add(struct namespaces *namespaces, const struct stat *status)
{
	struct known_namespace *known;

	namespaces->list = net_room(namespaces->list, namespaces->count, sizeof(*known));
	known = &namespaces->list[namespaces->count++];
	*known = (struct known_namespace){ .dev = status->st_dev, .ino = status->st_ino,
					   .since = now() };
	return known;
}

/* The namespace that the descriptor is of; what is known of it is read anew where that is due. */
static struct known_namespace *look_at(struct namespaces *namespaces, int fd,
				       const struct container *container)
{
	struct known_namespace *known;
	struct netns_look look;
	struct stat status;

	if (fstat(fd, &status) ||
	    (status.st_dev == namespaces->own_dev && status.st_ino == namespaces->own_ino))
		return NULL;
	known = find(namespaces, &status);
	if (known && now() - known->since >= YOUNG_SEC && is_complete(&known->look, container))
		return known;
	if (netns_look(fd, &look))
		return known;
	if (!known)
		known = add(namespaces, &status);
	netns_look_clear(&known->look);
	known->look = look;
	return known;
}

const struct netns_look *namespaces_look(struct namespaces *namespaces, const char *path,
					 const struct container *container)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct known_namespace *known;

	if (fd < 0)
		return NULL;
	known = look_at(namespaces, fd, container);
	close(fd);
	if (!known)
		return NULL;
	known->used = true;
	return &known->look;
}

void namespaces_keep_used(struct namespaces *namespaces)
{
	size_t kept = 0;

	for (size_t i = 0; i < namespaces->count; i++) {
		if (!namespaces->list[i].used) {
			netns_look_clear(&namespaces->list[i].look);
			continue;
		}
		namespaces->list[i].used = false;
		namespaces->list[kept++] = namespaces->list[i];
	}
	namespaces->count = kept;
}

void namespaces_forget(struct namespaces *namespaces)
{
	for (size_t i = 0; i < namespaces->count; i++)
		netns_look_clear(&namespaces->list[i].look);
	free(namespaces->list);
	namespaces->list = NULL;
	namespaces->count = 0;
}
