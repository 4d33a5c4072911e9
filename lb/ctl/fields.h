/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fields of the daemon's answers. An answer of another version may lack one or have it in another
 * shape: then a getter gives its empty value, and nothing is ever dereferenced that is not there.
 * `object` may be NULL. */
#ifndef LB_CTL_FIELDS_H
#define LB_CTL_FIELDS_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline struct json_object *field(struct json_object *object, const char *key)
{
	return json_object_object_get(object, key);
}

static inline const char *field_text(struct json_object *object, const char *key)
{
	struct json_object *value = field(object, key);

	return value ? json_object_get_string(value) : "";
}

static inline uint64_t field_count(struct json_object *object, const char *key)
{
	return json_object_get_uint64(field(object, key));
}

static inline double field_share(struct json_object *object, const char *key)
{
	return json_object_get_double(field(object, key));
}

/* Also for what is there but is neither true nor false, such as an override told as an object. */
static inline bool field_true(struct json_object *object, const char *key)
{
	struct json_object *value = field(object, key);

	return json_object_is_type(value, json_type_boolean) ? json_object_get_boolean(value)
							     : value != NULL;
}

static inline size_t list_length(struct json_object *list)
{
	return json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
}

static inline struct json_object *list_at(struct json_object *list, size_t i)
{
	return json_object_array_get_idx(list, i);
}

#endif
