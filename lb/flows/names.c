/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Cgroups and containers. A container is known by its id, which stands in the path of its cgroup;
 * its name is the runtime's to tell, before its first flow or after its last one. */
#include "lb/flows/names.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/mem.h"
#include "config/utf8.h"
#include "lb/flows/names_private.h"
#include "lb/model/siphash.h"

#define NOBODY	 "(unknown)"
#define CARETAKER "conmon-" /* before the id: Podman's process that looks after the container */

const char *flow_node_kind_name(enum flow_node_kind kind)
{
	static const char *const names[] = { [FLOW_CONTAINER] = "container",
					     [FLOW_SERVICE] = "service",
					     [FLOW_NETWORK] = "network" };

	return names[kind];
}

uint64_t names_hash(const struct flow_names *names, const void *data, size_t size)
{
	return siphash(names->key, data, size);
}

/* Never from within a character on. */
static void copy_end(char *ret_text, size_t room, const char *text, size_t length)
{
	if (length >= room) {
		text += length - (room - 1);
		length = room - 1;
		for (; ((unsigned char)*text & 0xc0) == 0x80; length--)
			text++;
	}
	memcpy(ret_text, text, length);
	ret_text[length] = '\0';
}

void names_copy(char ret_name[FLOW_NAME_MAX], const char *text)
{
	copy_end(ret_name, FLOW_NAME_MAX, text, strlen(text));
}

/* ---- containers ------------------------------------------------------------------------------ */

static bool container_has_id(const void *item, const void *key)
{
	return !strcmp(((const struct known_container *)item)->id, key);
}

struct known_container *names_container_find(const struct flow_names *names, const char *id)
{
	return hash_find(&names->containers, names_hash(names, id, strlen(id)), container_has_id,
			 id);
}

static struct known_container *container_of(struct flow_names *names, const char *id)
{
	struct known_container *container = names_container_find(names, id);

	if (container)
		return container;
	container = mem_array(1, sizeof(*container));
	container->id = mem_text(id);
	hash_add(&names->containers, names_hash(names, id, strlen(id)), container);
	return container;
}

static void container_free(struct known_container *container)
{
	free(container->id);
	free(container->name);
	free(container);
}

/* The runtime tells of it, or a cgroup belongs to it: else nobody asks for it any more. */
static void container_release(struct flow_names *names, struct known_container *container)
{
	if (container->listed || container->cgroups)
		return;
	names_addresses_forget_container(names, container);
	hash_remove(&names->containers, names_hash(names, container->id, strlen(container->id)),
		    container);
	container_free(container);
}

/* ---- cgroups --------------------------------------------------------------------------------- */

/* The next id of a container in the path, from `at` on: exactly that many hexadecimal digits.
 * NULL: there is none. */
static const char *id_find(const char *at, char ret_id[CONTAINER_ID_DIGITS + 1])
{
	const char *start = at;

	while (*at) {
		size_t digits = 0;

		while (isxdigit((unsigned char)at[digits]))
			digits++;
		if (digits == CONTAINER_ID_DIGITS &&
		    ((size_t)(at - start) < strlen(CARETAKER) ||
		     strncmp(at - strlen(CARETAKER), CARETAKER, strlen(CARETAKER)) != 0)) {
			memcpy(ret_id, at, digits);
			ret_id[digits] = '\0';
			return at;
		}
		at += digits ? digits : 1;
	}
	return NULL;
}

/* Below a container's cgroup everything belongs to it, containers of its own too, which the runtime
 * out here does not know. Where the runtime is itself in a container, the inner one is the one that
 * it knows. */
static struct known_container *cgroup_container(struct flow_names *names, const char *path,
						size_t *ret_length)
{
	char id[CONTAINER_ID_DIGITS + 1], first[CONTAINER_ID_DIGITS + 1] = "";
	const struct known_container *named = NULL;
	const char *at = path, *end = path;

	while (!named && (at = id_find(at, id))) {
		const struct known_container *container = names_container_find(names, id);

		if (container && container->name)
			named = container;
		at += CONTAINER_ID_DIGITS;
		if (named || !*first) {
			strcpy(first, id);
			end = at;
		}
	}
	if (!*first) {
		*ret_length = strlen(path);
		return NULL;
	}
	*ret_length = (size_t)(end - path) + strcspn(end, "/");
	return container_of(names, first);
}

static void cgroup_leave(struct flow_names *names, struct known_cgroup *cgroup)
{
	struct known_container *container = cgroup->container;

	cgroup->container = NULL;
	if (!container)
		return;
	container->cgroups--;
	container_release(names, container);
}

/* A path can be of any bytes, and whoever may make a cgroup below a container's chooses them. Told
 * it is always text, for one label that is none spoils all metrics: what is no character is written
 * as its bytes, so that two paths stay two. The caller frees it. */
static char *path_text(const char *path)
{
	char *text = NULL;
	size_t size;
	FILE *to = mem_must(open_memstream(&text, &size));

	while (*path) {
		size_t length = utf8_length(path);

		if (length && !utf8_is_control(path)) {
			fwrite(path, 1, length, to);
			path += length;
		} else {
			fprintf(to, "\\x%02x", (unsigned char)*path++);
		}
	}
	if (fclose(to))
		abort();
	return text;
}

/* To whom it belongs by what is known now. */
static void cgroup_place(struct flow_names *names, struct known_cgroup *cgroup)
{
	struct known_container *container;

	if (!cgroup->path)
		return;
	container = cgroup_container(names, cgroup->path, &cgroup->length);
	if (container == cgroup->container)
		return;
	cgroup_leave(names, cgroup);
	cgroup->container = container;
	if (container)
		container->cgroups++;
}

static bool cgroup_has_id(const void *item, const void *key)
{
	return ((const struct known_cgroup *)item)->id == *(const uint64_t *)key;
}

static struct known_cgroup *cgroup_find(const struct flow_names *names, uint64_t id)
{
	return hash_find(&names->cgroups, names_hash(names, &id, sizeof(id)), cgroup_has_id, &id);
}

const struct known_cgroup *names_cgroup_find(const struct flow_names *names, uint64_t id)
{
	return cgroup_find(names, id);
}

void flow_names_cgroup(struct flow_names *names, uint64_t id, const char *path)
{
	struct known_cgroup *cgroup = cgroup_find(names, id);

	if (!cgroup) {
		cgroup = mem_array(1, sizeof(*cgroup));
		cgroup->id = id;
		hash_add(&names->cgroups, names_hash(names, &id, sizeof(id)), cgroup);
	}
	if (!path) /* one that is gone by now is still the one that it was */
		return;
	free(cgroup->path);
	cgroup->path = path_text(path);
	cgroup_place(names, cgroup);
	names->wants |= cgroup->container && !cgroup->container->name;
}

void flow_names_cgroup_forget(struct flow_names *names, uint64_t id)
{
	struct known_cgroup *cgroup = cgroup_find(names, id);

	names_addresses_forget_cgroup(names, id);
	if (!cgroup)
		return;
	cgroup_leave(names, cgroup);
	hash_remove(&names->cgroups, names_hash(names, &id, sizeof(id)), cgroup);
	free(cgroup->path);
	free(cgroup);
}

/* ---- what the runtime tells ------------------------------------------------------------------ */

static void container_name(struct flow_names *names, struct known_container *container,
			   const char *name)
{
	if (container->name && !strcmp(container->name, name))
		return;
	container->late |= !container->name && container->cgroups;
	names->late |= container->late;
	free(container->name);
	container->name = mem_text(name);
}

static void container_told(struct flow_names *names, const struct container *told)
{
	struct known_container *container = container_of(names, told->id);

	container->listed = true;
	container_name(names, container, told->name);
	for (size_t i = 0; told->running && i < told->network_count; i++)
		for (int family = 0; family < 2; family++)
			if (told->networks[i].has_address[family])
				names_address_told(names, &told->networks[i].address[family],
						   container);
}

/* Any that is to be released would move those that are yet to come. */
static void unlisted_release(struct flow_names *names)
{
	struct known_container **gone =
		mem_array(names->containers.count, sizeof(struct known_container *));
	struct known_container *container;
	size_t count = 0;

	for (size_t at = 0; (container = hash_next(&names->containers, &at));)
		if (!container->listed && !container->cgroups)
			gone[count++] = container;
	for (size_t i = 0; i < count; i++)
		container_release(names, gone[i]);
	free(gone);
}

void flow_names_containers(struct flow_names *names, const struct container *list, size_t count)
{
	struct known_container *container;
	struct known_cgroup *cgroup;

	for (size_t at = 0; (container = hash_next(&names->containers, &at));)
		container->listed = false;
	names_addresses_begin(names);
	for (size_t i = 0; i < count; i++)
		container_told(names, &list[i]);
	for (size_t at = 0; (cgroup = hash_next(&names->cgroups, &at));)
		cgroup_place(names, cgroup);
	unlisted_release(names);
}

/* Of several ids in its path, one is the runtime's. Returns whether it has told a name. */
static bool cgroup_ask(struct flow_names *names, struct known_cgroup *cgroup,
		       flow_names_teller *tell, void *data)
{
	char id[CONTAINER_ID_DIGITS + 1];
	const char *at = cgroup->path, *name = NULL;
	bool first = !cgroup->asked;

	cgroup->asked = true;
	while (!name && (at = id_find(at, id))) {
		name = tell(id, first, data);
		at += CONTAINER_ID_DIGITS;
	}
	if (name)
		container_name(names, container_of(names, id), name);
	return name != NULL;
}

void flow_names_ask(struct flow_names *names, flow_names_teller *tell, void *data)
{
	struct known_cgroup *cgroup;
	bool told = false;

	names->wants = false;
	for (size_t at = 0; (cgroup = hash_next(&names->cgroups, &at));)
		if (cgroup->container && !cgroup->container->name)
			told |= cgroup_ask(names, cgroup, tell, data);
	if (!told)
		return;
	for (size_t at = 0; (cgroup = hash_next(&names->cgroups, &at));)
		cgroup_place(names, cgroup);
	unlisted_release(names);
}

bool flow_names_wants(const struct flow_names *names)
{
	return names->wants;
}

struct flow_renamed *flow_names_late(struct flow_names *names, size_t *ret_count)
{
	struct known_container *container;
	const struct known_cgroup *cgroup;
	struct flow_renamed *list;
	size_t count = 0;

	*ret_count = 0;
	if (!names->late)
		return NULL;
	names->late = false;
	list = mem_array(names->cgroups.count, sizeof(*list));
	for (size_t at = 0; (cgroup = hash_next(&names->cgroups, &at));) {
		if (!cgroup->container || !cgroup->container->late)
			continue;
		copy_end(list[count].from, FLOW_NAME_MAX, cgroup->path, cgroup->length);
		names_copy(list[count++].to, cgroup->container->name);
	}
	for (size_t at = 0; (container = hash_next(&names->containers, &at));)
		container->late = false;
	*ret_count = count;
	return list;
}

const char *flow_renamed_to(const struct flow_renamed *list, size_t count, const char *from)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(from, list[i].from))
			return list[i].to;
	return NULL;
}

/* ---- owners ---------------------------------------------------------------------------------- */

void names_owner_of_cgroup(const struct known_cgroup *cgroup, struct flow_owner *ret_owner)
{
	const struct known_container *container = cgroup->container;

	ret_owner->id[0] = ret_owner->cgroup[0] = '\0';
	if (!cgroup->path) {
		snprintf(ret_owner->name, sizeof(ret_owner->name), "cgroup %llu",
			 (unsigned long long)cgroup->id);
		return;
	}
	copy_end(ret_owner->cgroup, sizeof(ret_owner->cgroup), cgroup->path, cgroup->length);
	if (!cgroup->length)
		names_copy(ret_owner->cgroup, "/");
	if (container)
		copy_end(ret_owner->id, sizeof(ret_owner->id), container->id,
			 strlen(container->id));
	names_copy(ret_owner->name,
		   container && container->name ? container->name : ret_owner->cgroup);
}

void flow_names_owner(const struct flow_names *names, uint64_t cgroup,
		      struct flow_owner *ret_owner)
{
	const struct known_cgroup *known = cgroup_find(names, cgroup);
	const struct known_cgroup gone = { .id = cgroup };

	names_owner_of_cgroup(known ? known : &gone, ret_owner);
	if (!cgroup)
		names_copy(ret_owner->name, NOBODY);
}

struct flow_names *flow_names_new(void)
{
	struct flow_names *names = mem_array(1, sizeof(*names));

	hash_key(names->key);
	return names;
}

void flow_names_free(struct flow_names *names)
{
	struct known_container *container;
	struct known_cgroup *cgroup;

	if (!names)
		return;
	names_services_clear(names);
	names_addresses_clear(names);
	for (size_t at = 0; (cgroup = hash_next(&names->cgroups, &at));) {
		free(cgroup->path);
		free(cgroup);
	}
	for (size_t at = 0; (container = hash_next(&names->containers, &at));)
		container_free(container);
	hash_clear(&names->cgroups);
	hash_clear(&names->containers);
	free(names);
}
