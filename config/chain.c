/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The precedence of lb.conf (chain.h): the nearest group decides, then what is built in. */
#include "config/chain.h"

#include "config/mem.h"
#include "config/schema.h"
#include "config/service.h"

void chain_push(struct chain *chain, const config_setting_t *group)
{
	if (group && config_setting_is_group(group))
		chain->group[chain->count++] = group;
}

const config_setting_t *chain_find(const struct chain *chain, const char *name)
{
	for (size_t i = 0; i < chain->count; i++) {
		const config_setting_t *setting;

		setting = config_setting_get_member(chain->group[i], name);
		if (setting)
			return setting;
	}
	return NULL;
}

const char *const chain_sources[CHAIN_SOURCES] = { "address", "container", "label" };

const config_setting_t *chain_source(const struct chain *chain)
{
	for (size_t i = 0; i < chain->count; i++)
		for (size_t j = 0; j < CHAIN_SOURCES; j++)
			if (config_setting_get_member(chain->group[i], chain_sources[j]))
				return chain->group[i];
	return NULL;
}

struct chain chain_into(const struct chain *chain, const char *name, unsigned int in)
{
	struct chain inner = { .in = in };

	for (size_t i = 0; i < chain->count; i++)
		chain_push(&inner, config_setting_get_member(chain->group[i], name));
	return inner;
}

struct value chain_value(const struct chain *chain, const char *name)
{
	const struct schema_key *key = schema_find(chain->in, name);
	const config_setting_t *setting = chain_find(chain, name);
	struct value value;

	if (setting && value_read(key, setting, &value))
		return value;
	return value_fallback(key);
}

int64_t chain_number(const struct chain *chain, const char *name)
{
	return chain_value(chain, name).number;
}

char *chain_text(const struct chain *chain, const char *name)
{
	struct value value = chain_value(chain, name);

	return value.text ? mem_text(value.text) : NULL;
}

char *chain_name(const struct chain *chain)
{
	char *name = chain_text(chain, "name");

	return name ? name : mem_text(CONFIG_NO_NAME);
}
