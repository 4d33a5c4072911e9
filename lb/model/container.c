/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Containers as values: copied, compared and found. */
#include "lb/model/container.h"

#include <stdlib.h>
#include <string.h>

#include "config/mem.h"

static char *text_copy(const char *text)
{
	return text ? mem_text(text) : NULL;
}

static bool text_equal(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

void container_clear(struct container *container)
{
	for (size_t i = 0; i < container->label_count; i++)
		free(container->labels[i]);
	for (size_t i = 0; i < container->network_count; i++)
		free(container->networks[i].name);
	free(container->labels);
	free(container->networks);
	free(container->id);
	free(container->name);
	free(container->network_of);
	free(container->cgroup_parent);
	free(container->sandbox_key);
	*container = (struct container){ 0 };
}

struct container container_copy(const struct container *container)
{
	struct container copy = *container;

	copy.id = text_copy(container->id);
	copy.name = text_copy(container->name);
	copy.network_of = text_copy(container->network_of);
	copy.cgroup_parent = text_copy(container->cgroup_parent);
	copy.sandbox_key = text_copy(container->sandbox_key);
	copy.labels = mem_array(container->label_count, sizeof(*copy.labels));
	for (size_t i = 0; i < container->label_count; i++)
		copy.labels[i] = mem_text(container->labels[i]);
	copy.networks = mem_array(container->network_count, sizeof(*copy.networks));
	for (size_t i = 0; i < container->network_count; i++) {
		copy.networks[i] = container->networks[i];
		copy.networks[i].name = mem_text(container->networks[i].name);
	}
	return copy;
}

static bool network_equal(const struct container_network *a, const struct container_network *b)
{
	return !strcmp(a->name, b->name) &&
	       addr_pair_equal(a->address, a->has_address, b->address, b->has_address);
}

bool container_equal(const struct container *a, const struct container *b)
{
	if (a->running != b->running || a->host_network != b->host_network ||
	    a->detailed != b->detailed || a->label_count != b->label_count ||
	    a->network_count != b->network_count || !text_equal(a->id, b->id) ||
	    !text_equal(a->name, b->name) || !text_equal(a->network_of, b->network_of) ||
	    !text_equal(a->cgroup_parent, b->cgroup_parent) ||
	    !text_equal(a->sandbox_key, b->sandbox_key))
		return false;
	for (size_t i = 0; i < a->label_count; i++)
		if (strcmp(a->labels[i], b->labels[i]))
			return false;
	for (size_t i = 0; i < a->network_count; i++)
		if (!network_equal(&a->networks[i], &b->networks[i]))
			return false;
	return true;
}

void containers_clear(struct containers *containers)
{
	for (size_t i = 0; i < containers->count; i++)
		container_clear(&containers->list[i]);
	free(containers->list);
	*containers = (struct containers){ 0 };
}

struct containers containers_copy(const struct container *list, size_t count)
{
	struct containers copy = { .list = mem_array(count, sizeof(*copy.list)), .count = count };

	for (size_t i = 0; i < count; i++)
		copy.list[i] = container_copy(&list[i]);
	return copy;
}

const struct container *containers_by_name(const struct containers *containers, const char *name)
{
	size_t low = 0, high = containers->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(containers->list[middle].name, name);

		if (!order)
			return &containers->list[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

const struct container *containers_by_id(const struct containers *containers, const char *id)
{
	for (size_t i = 0; i < containers->count; i++)
		if (!strcmp(containers->list[i].id, id))
			return &containers->list[i];
	return NULL;
}

bool container_has_label(const struct container *container, const char *label)
{
	size_t length = strlen(label);

	for (size_t i = 0; i < container->label_count; i++) {
		const char *own = container->labels[i];

		if (!strncmp(own, label, length) &&
		    (!own[length] || (own[length] == '=' && !memchr(label, '=', length))))
			return true;
	}
	return false;
}
