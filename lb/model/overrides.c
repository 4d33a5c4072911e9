/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The list of run-time overrides and its file. The file is replaced as a whole, so that a crash
 * leaves the old list or the new one. */
#include "lb/model/overrides.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_NAME "overrides.json"

static size_t index_of(const struct overrides *overrides, const char *service, const char *backend)
{
	size_t i;

	for (i = 0; i < overrides->count; i++)
		if (!strcmp(overrides->entries[i].service, service) &&
		    !strcmp(overrides->entries[i].backend, backend))
			break;
	return i;
}

const struct override *override_find(const struct overrides *overrides, const char *service,
				     const char *backend)
{
	size_t i = index_of(overrides, service, backend);

	return i < overrides->count ? &overrides->entries[i] : NULL;
}

struct override *override_make(struct overrides *overrides, const char *service,
			       const char *backend)
{
	size_t i = index_of(overrides, service, backend);
	struct override *entry;

	if (i < overrides->count)
		return &overrides->entries[i];
	entry = realloc(overrides->entries, (i + 1) * sizeof(*entry));
	if (!entry)
		abort();
	overrides->entries = entry;
	overrides->count++;
	entry += i;
	memset(entry, 0, sizeof(*entry));
	snprintf(entry->service, sizeof(entry->service), "%s", service);
	snprintf(entry->backend, sizeof(entry->backend), "%s", backend);
	return entry;
}

bool override_remove(struct overrides *overrides, const char *service, const char *backend)
{
	size_t i = index_of(overrides, service, backend);

	if (i == overrides->count)
		return false;
	overrides->count--;
	memmove(&overrides->entries[i], &overrides->entries[i + 1],
		(overrides->count - i) * sizeof(*overrides->entries));
	return true;
}

void overrides_clear(struct overrides *overrides)
{
	free(overrides->entries);
	*overrides = (struct overrides){ 0 };
}

static bool entry_read(struct json_object *object, struct overrides *overrides)
{
	static const char *const states[] = { "up", "drain", "off" };
	const char *service = json_object_get_string(json_object_object_get(object, "service"));
	const char *backend = json_object_get_string(json_object_object_get(object, "backend"));
	struct json_object *state, *weight;
	struct override *entry;

	if (!service || !backend)
		return false;
	entry = override_make(overrides, service, backend);
	if (json_object_object_get_ex(object, "weight", &weight)) {
		entry->has_weight = true;
		entry->weight = json_object_get_int(weight);
		if (entry->weight > CONFIG_WEIGHT_MAX)
			return false;
	}
	if (!json_object_object_get_ex(object, "state", &state))
		return true;
	for (int i = 0; i < 3; i++)
		if (!strcmp(json_object_get_string(state), states[i])) {
			entry->has_state = true;
			entry->state = (enum config_state)i;
			return true;
		}
	return false;
}

int overrides_load(const char *dir, struct overrides *ret_overrides, struct diag *diag)
{
	struct overrides overrides = { 0 };
	struct json_object *list;
	char path[4096];
	bool good;

	snprintf(path, sizeof(path), "%s/" FILE_NAME, dir);
	if (access(path, F_OK)) {
		*ret_overrides = overrides;
		return 0;
	}
	list = json_object_from_file(path);
	good = list && json_object_is_type(list, json_type_array);
	for (size_t i = 0; good && i < json_object_array_length(list); i++)
		good = entry_read(json_object_array_get_idx(list, i), &overrides);
	json_object_put(list);
	if (!good) {
		overrides_clear(&overrides);
		diag_add(diag, path, 0, "is not a list of overrides; mend it or take it away");
		return -EINVAL;
	}
	*ret_overrides = overrides;
	return 0;
}

static struct json_object *entry_write(const struct override *entry)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "service", json_object_new_string(entry->service));
	json_object_object_add(object, "backend", json_object_new_string(entry->backend));
	if (entry->has_state)
		json_object_object_add(object, "state",
				       json_object_new_string(config_state_name(entry->state)));
	if (entry->has_weight)
		json_object_object_add(object, "weight", json_object_new_int(entry->weight));
	return object;
}

static int file_replace(const char *path, const char *text)
{
	char aside[4096];
	size_t size = strlen(text);
	int fd, err = 0;

	snprintf(aside, sizeof(aside), "%s.new", path);
	fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (write(fd, text, size) != (ssize_t)size || fsync(fd))
		err = errno ? -errno : -EIO;
	close(fd);
	if (!err && rename(aside, path))
		err = -errno;
	if (err)
		unlink(aside);
	return err;
}

int overrides_save(const char *dir, const struct overrides *overrides, struct diag *diag)
{
	struct json_object *list = json_object_new_array();
	char path[4000];
	int err;

	for (size_t i = 0; i < overrides->count; i++)
		json_object_array_add(list, entry_write(&overrides->entries[i]));
	snprintf(path, sizeof(path), "%s/" FILE_NAME, dir);
	err = file_replace(path, json_object_to_json_string_ext(list, JSON_C_TO_STRING_PRETTY));
	json_object_put(list);
	if (err)
		diag_add(diag, path, 0, "cannot be written: %s", strerror(-err));
	return err;
}
