/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fields of Docker's API v1.24 and later that we read, and where Podman's differ. */
#include "lb/watch/runtime_json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/mem.h"

/* *ret_member is NULL where it is absent or null. */
static int member_get(struct json_object *object, const char *key, enum json_type type,
		      struct json_object **ret_member)
{
	struct json_object *member = NULL;

	if (json_object_object_get_ex(object, key, &member) && member &&
	    !json_object_is_type(member, type))
		return -EBADMSG;
	*ret_member = member;
	return 0;
}

/* "" where it is absent. */
static int text_get(struct json_object *object, const char *key, const char **ret_text)
{
	struct json_object *member;
	int err = member_get(object, key, json_type_string, &member);

	if (!err)
		*ret_text = member ? json_object_get_string(member) : "";
	return err;
}

/* It goes into the path of a question. */
static bool id_is_valid(const char *id)
{
	size_t length = strspn(id, "0123456789abcdef");

	return length >= 12 && length < RUNTIME_ID_MAX && !id[length];
}

static int id_get(struct json_object *object, const char *key, const char **ret_id)
{
	int err = text_get(object, key, ret_id);

	if (!err && !id_is_valid(*ret_id))
		err = -EBADMSG;
	return err;
}

/* Names stand with a leading slash. */
static char *name_of(const char *text)
{
	text += *text == '/';
	return *text && strlen(text) < RUNTIME_NAME_MAX ? mem_text(text) : NULL;
}

/* ---- labels and networks -------------------------------------------------------------------- */

static int compare_labels(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int labels_take(struct json_object *labels, struct container *container)
{
	if (!labels)
		return 0;
	container->labels = mem_array(json_object_object_length(labels),
				      sizeof(*container->labels));
	json_object_object_foreach(labels, key, value) {
		const char *text;
		char *label;
		size_t size;

		if (!json_object_is_type(value, json_type_string))
			return -EBADMSG;
		text = json_object_get_string(value);
		size = strlen(key) + strlen(text) + 2;
		label = mem_must(malloc(size));
		snprintf(label, size, "%s=%s", key, text);
		container->labels[container->label_count++] = label;
	}
	qsort(container->labels, container->label_count, sizeof(*container->labels),
	      compare_labels);
	return 0;
}

static int compare_networks(const void *a, const void *b)
{
	const struct container_network *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* An address is empty while the container does not run. */
static int address_take(struct json_object *object, const char *key, int family,
			struct container_network *network)
{
	const char *text;
	int err = text_get(object, key, &text);

	if (err || !*text)
		return err;
	if (addr_parse(text, &network->address[family]) ||
	    addr_is_ipv4(&network->address[family]) != !family)
		return -EBADMSG;
	network->has_address[family] = true;
	return 0;
}

static int networks_take(struct json_object *networks, struct container *container)
{
	if (!networks)
		return 0;
	container->networks = mem_array(json_object_object_length(networks),
					sizeof(*container->networks));
	json_object_object_foreach(networks, key, value) {
		struct container_network *network =
			&container->networks[container->network_count];

		if (!json_object_is_type(value, json_type_object) ||
		    address_take(value, "IPAddress", 0, network) ||
		    address_take(value, "GlobalIPv6Address", 1, network))
			return -EBADMSG;
		network->name = mem_text(key);
		container->network_count++;
	}
	if (container->network_count)
		qsort(container->networks, container->network_count,
		      sizeof(*container->networks), compare_networks);
	return 0;
}

static bool has_network(const struct container *container, const char *name)
{
	for (size_t i = 0; i < container->network_count; i++)
		if (!strcmp(container->networks[i].name, name))
			return true;
	return false;
}

/* "restarting" is none of these, although its inspection calls it running too. "stopping" is
 * Podman's: it was asked to end, as Docker's "running" also may have been. */
static bool status_is_running(const char *status)
{
	return !strcmp(status, "running") || !strcmp(status, "paused") ||
	       !strcmp(status, "stopping");
}

/* ---- a container of the list ---------------------------------------------------------------- */

/* Links give a container more names, "/other/alias". */
static int list_name_take(struct json_object *names, struct container *container)
{
	size_t count = names ? json_object_array_length(names) : 0;

	for (size_t i = 0; i < count && !container->name; i++) {
		struct json_object *name = json_object_array_get_idx(names, i);
		const char *text;

		if (!json_object_is_type(name, json_type_string))
			return -EBADMSG;
		text = json_object_get_string(name);
		if (!strchr(text + (*text == '/'), '/'))
			container->name = name_of(text);
	}
	return 0;
}

/* HostConfig.NetworkMode of the list is not read: Podman says "host" there of every container. */
static int list_take(struct json_object *object, struct container *container)
{
	struct json_object *names, *labels, *settings, *networks = NULL;
	const char *id, *state;
	int err = id_get(object, "Id", &id);

	if (!err)
		err = text_get(object, "State", &state);
	if (!err)
		err = member_get(object, "Names", json_type_array, &names);
	if (!err)
		err = member_get(object, "Labels", json_type_object, &labels);
	if (!err)
		err = member_get(object, "NetworkSettings", json_type_object, &settings);
	if (!err && settings)
		err = member_get(settings, "Networks", json_type_object, &networks);
	if (err)
		return err;
	container->id = mem_text(id);
	container->running = status_is_running(state);
	err = list_name_take(names, container);
	if (!err)
		err = labels_take(labels, container);
	if (!err)
		err = networks_take(networks, container);
	container->host_network = !err && has_network(container, "host");
	return err;
}

int container_from_list(struct json_object *object, struct container *ret_container)
{
	struct container container = { 0 };
	int err = list_take(object, &container);

	if (err)
		container_clear(&container);
	else
		*ret_container = container;
	return err;
}

/* ---- a container that was asked for by its id ----------------------------------------------- */

static void network_mode_take(const char *mode, struct container *container)
{
	container->host_network = !strcmp(mode, "host");
	if (!strncmp(mode, "container:", 10) && mode[10])
		container->network_of = mem_text(mode + 10);
}

struct inspected {
	struct json_object *state, *config, *host_config, *settings, *labels, *networks;
	const char *id, *name, *status, *mode, *parent, *sandbox;
};

static int inspected_read(struct json_object *object, struct inspected *read)
{
	if (id_get(object, "Id", &read->id) || text_get(object, "Name", &read->name) ||
	    member_get(object, "State", json_type_object, &read->state) || !read->state ||
	    text_get(read->state, "Status", &read->status) ||
	    member_get(object, "Config", json_type_object, &read->config) || !read->config ||
	    member_get(read->config, "Labels", json_type_object, &read->labels) ||
	    member_get(object, "HostConfig", json_type_object, &read->host_config) ||
	    !read->host_config || text_get(read->host_config, "NetworkMode", &read->mode) ||
	    text_get(read->host_config, "CgroupParent", &read->parent) ||
	    member_get(object, "NetworkSettings", json_type_object, &read->settings) ||
	    !read->settings || text_get(read->settings, "SandboxKey", &read->sandbox) ||
	    member_get(read->settings, "Networks", json_type_object, &read->networks))
		return -EBADMSG;
	return 0;
}

int container_from_inspect(struct json_object *object, struct container *ret_container)
{
	struct container container = { .detailed = true };
	struct inspected read;
	int err = inspected_read(object, &read);

	if (err)
		return err;
	container.id = mem_text(read.id);
	container.name = name_of(read.name);
	container.running = status_is_running(read.status);
	container.cgroup_parent = *read.parent ? mem_text(read.parent) : NULL;
	container.sandbox_key = *read.sandbox ? mem_text(read.sandbox) : NULL;
	network_mode_take(read.mode, &container);
	err = labels_take(read.labels, &container);
	if (!err)
		err = networks_take(read.networks, &container);
	if (!err && !container.name)
		err = -EBADMSG;
	if (err)
		container_clear(&container);
	else
		*ret_container = container;
	return err;
}

/* ---- events --------------------------------------------------------------------------------- */

/* Podman says died and remove where Docker says die and destroy. "kill" is any signal, "stop" comes
 * behind the death. */
static enum runtime_event_kind kind_of(const char *action)
{
	static const struct {
		const char *action;
		enum runtime_event_kind kind;
	} kinds[] = {
		{ "die", RUNTIME_EVENT_DIED }, { "died", RUNTIME_EVENT_DIED },
		{ "destroy", RUNTIME_EVENT_REMOVED }, { "remove", RUNTIME_EVENT_REMOVED },
		{ "create", RUNTIME_EVENT_CHANGED }, { "start", RUNTIME_EVENT_CHANGED },
		{ "restart", RUNTIME_EVENT_CHANGED }, { "stop", RUNTIME_EVENT_CHANGED },
		{ "rename", RUNTIME_EVENT_CHANGED }, { "pause", RUNTIME_EVENT_CHANGED },
		{ "unpause", RUNTIME_EVENT_CHANGED }, { "update", RUNTIME_EVENT_CHANGED },
		{ "restore", RUNTIME_EVENT_CHANGED }, { "cleanup", RUNTIME_EVENT_CHANGED },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strcmp(kinds[i].action, action))
			return kinds[i].kind;
	return RUNTIME_EVENT_NOTHING;
}

/* A network's event names the container among its attributes, where it names it. */
static int network_event_from(const char *action, struct json_object *attributes,
			      struct runtime_event *event)
{
	const char *id = "";

	if (strcmp(action, "connect") && strcmp(action, "disconnect"))
		return 0;
	if (attributes && text_get(attributes, "container", &id))
		return -EBADMSG;
	event->kind = id_is_valid(id) ? RUNTIME_EVENT_CHANGED : RUNTIME_EVENT_SOMEWHERE;
	if (event->kind == RUNTIME_EVENT_CHANGED)
		snprintf(event->id, sizeof(event->id), "%s", id);
	return 0;
}

static int container_event_from(const char *action, struct json_object *actor,
				struct json_object *attributes, struct runtime_event *event)
{
	const char *id, *name = "";

	if (id_get(actor, "ID", &id) || (attributes && text_get(attributes, "name", &name)))
		return -EBADMSG;
	event->kind = kind_of(action);
	snprintf(event->id, sizeof(event->id), "%s", id);
	if (strlen(name) < sizeof(event->name))
		snprintf(event->name, sizeof(event->name), "%s", name);
	return 0;
}

int runtime_event_from(struct json_object *object, struct runtime_event *ret_event)
{
	struct json_object *actor, *attributes = NULL;
	struct runtime_event event = { 0 };
	const char *type, *action;

	if (text_get(object, "Type", &type) || text_get(object, "Action", &action) ||
	    member_get(object, "Actor", json_type_object, &actor) || !actor ||
	    member_get(actor, "Attributes", json_type_object, &attributes))
		return -EBADMSG;
	if (!strcmp(type, "container") && kind_of(action) != RUNTIME_EVENT_NOTHING) {
		if (container_event_from(action, actor, attributes, &event))
			return -EBADMSG;
	} else if (!strcmp(type, "network") &&
		   network_event_from(action, attributes, &event)) {
		return -EBADMSG;
	}
	*ret_event = event;
	return 0;
}
