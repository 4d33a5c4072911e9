/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Judges every key and value of the parsed file by the schema, one by one: unknown, missing, of
 * another type, out of range, not built yet. Called by load.c; what needs two values to be seen
 * is check.c's. A refused value leaves its flaw, so that check.c concludes nothing from it. */
#include <inttypes.h>
#include <string.h>

#include "config/load.h"
#include "config/mem.h"
#include "config/ring_size.h"
#include "config/schema.h"
#include "config/value.h"

static void vet_group(struct load *load, const config_setting_t *group, unsigned int in);

/* A list is named by its plural: services, backends, interfaces. One that
 * is named otherwise keeps its name: "in tcp 1 of policy". */
static void print_singular(const char *list, const char *preposition, FILE *to)
{
	size_t len = strlen(list);

	if (list[len - 1] == 's')
		fprintf(to, " %s %.*s", preposition, (int)len - 1, list);
	else
		fprintf(to, " %s %s", preposition, list);
}

/* ` in backend "web-a"`, ` in check of service "web"`; nothing for the file itself. */
static void print_object(const config_setting_t *group, const char *preposition, FILE *to)
{
	const config_setting_t *parent = config_setting_parent(group);
	const config_setting_t *name;

	if (!parent)
		return;
	if (!config_setting_is_list(parent)) {
		fprintf(to, " %s %s", preposition, config_setting_name(group));
		print_object(parent, "of", to);
		return;
	}
	print_singular(config_setting_name(parent), preposition, to);
	name = config_setting_get_member(group, "name");
	if (name && config_setting_type(name) == CONFIG_TYPE_STRING) {
		fputc(' ', to);
		value_print_given(name, to);
	} else {
		fprintf(to, " %d", config_setting_index(group) + 1);
		print_object(config_setting_parent(parent), "of", to);
	}
}

/* A sentence that grows piece by piece. */
struct sentence {
	FILE *to;
	char *text;
	size_t size;
};

static FILE *sentence_begin(struct sentence *sentence)
{
	*sentence = (struct sentence){ 0 };
	sentence->to = mem_must(open_memstream(&sentence->text, &sentence->size));
	return sentence->to;
}

static void sentence_report(struct sentence *sentence, const struct load *load,
			    const config_setting_t *setting)
{
	fclose(sentence->to);
	load_report(load, setting, "%s", sentence->text);
	free(sentence->text);
}

/* `key "weight" in backend "web-a"`; the key may be an element's, whose array carries the name. */
static void print_key(const struct schema_key *key, const config_setting_t *setting, FILE *to)
{
	const config_setting_t *holder = config_setting_parent(setting);

	while (!config_setting_is_group(holder))
		holder = config_setting_parent(holder);
	fprintf(to, "key \"%s\"", key->name);
	print_object(holder, "in", to);
}

static void flaw(struct load *load, const config_setting_t *setting, unsigned int bits)
{
	const config_setting_t *parent;

	for (; (parent = config_setting_parent(setting)); setting = parent) {
		if (parent == load->services) {
			load->flaws[config_setting_index(setting)] |= bits;
			return;
		}
		if (setting == load->policy) {
			load->policy_flaws |= bits;
			return;
		}
	}
	/* Not of one service: defaults and tuning are every service's. */
	for (int i = 0; load->services && i < config_setting_length(load->services); i++)
		load->flaws[i] |= bits;
}

static int64_t next_power(int64_t number)
{
	int64_t power = 1;

	while (power < number)
		power *= 2;
	return power;
}

static void print_suggestion(const struct schema_key *key, const config_setting_t *given, FILE *to)
{
	const char *text = config_setting_get_string(given);
	int64_t number = config_setting_get_int64(given);

	if ((key->type == SCHEMA_WORD || key->type == SCHEMA_NUMBERED) && text) {
		const char *near = schema_nearest_word(key->words, text);

		if (near && strcmp(near, text) != 0)
			fprintf(to, "; did you mean \"%s\"?", near);
	} else if (key->type == SCHEMA_RING && number >= key->min && number <= key->max) {
		fprintf(to, "; the next prime is %u", ring_size_next_prime((uint32_t)number));
	} else if (key->type == SCHEMA_POWER && number > key->min && number < key->max) {
		fprintf(to, "; the next one is %" PRId64, next_power(number));
	}
}

static void refuse(struct load *load, const struct schema_key *key, const config_setting_t *given)
{
	struct sentence sentence;
	FILE *to = sentence_begin(&sentence);

	print_key(key, given, to);
	fputs(" wants ", to);
	value_print_wanted(key, to);
	/* A URL can hold a password, and what is told here ends up in a log. */
	if (key->type != SCHEMA_URL || !config_setting_get_string(given)) {
		fputs(", not ", to);
		value_print_given(given, to);
	}
	print_suggestion(key, given, to);
	sentence_report(&sentence, load, given);
	flaw(load, given, key->flaw);
}

static void refuse_later(struct load *load, const struct schema_key *key,
			 const config_setting_t *given, const char *word)
{
	struct sentence sentence;
	FILE *to = sentence_begin(&sentence);

	print_key(key, given, to);
	if (word)
		fprintf(to, ": \"%s\"", word);
	fputs(" is not built yet", to);
	sentence_report(&sentence, load, given);
	flaw(load, given, key->flaw);
}

static void refuse_beyond(struct load *load, const struct schema_key *key,
			  const config_setting_t *given, const struct schema_word *word)
{
	struct sentence sentence;

	print_key(key, given, sentence_begin(&sentence));
	fprintf(sentence.to, " cannot have \"%s\": %s", word->word, word->beyond);
	sentence_report(&sentence, load, given);
	flaw(load, given, key->flaw);
}

/* Whether scan.c has told about this integer already, whatever libconfig made of it. */
static bool was_told(const struct load *load, const config_setting_t *given)
{
	return load->scan.wide && config_setting_is_number(given) &&
	       scan_is_wide(load_file(load, given), load_line(load, given),
			    config_setting_get_int64(given));
}

static void vet_scalar(struct load *load, const struct schema_key *key,
		       const config_setting_t *given)
{
	struct value value;

	if (was_told(load, given)) {
		flaw(load, given, key->flaw);
		return;
	}
	if (!value_read(key, given, &value)) {
		refuse(load, key, given);
		return;
	}
	if (key->type != SCHEMA_WORD)
		return;
	if (key->words[value.number].later)
		refuse_later(load, key, given, key->words[value.number].word);
	else if (key->words[value.number].beyond)
		refuse_beyond(load, key, given, &key->words[value.number]);
}

/* Both addresses of a pair are good ones here, or their flaw is known. */
static void vet_pair(struct load *load, const struct schema_key *key, const config_setting_t *array)
{
	bool seen[2] = { false, false };
	struct sentence sentence;
	struct value value;
	FILE *to;

	for (int i = 0; i < config_setting_length(array); i++) {
		const config_setting_t *element = load_element(array, (size_t)i);
		bool ipv6;

		if (!value_read(key, element, &value))
			continue;
		ipv6 = !addr_is_ipv4(&value.addr);
		if (seen[ipv6]) {
			to = sentence_begin(&sentence);
			print_key(key, element, to);
			fprintf(to, " has more than one IPv%c %s", ipv6 ? '6' : '4',
				key->type == SCHEMA_PREFIX ? "prefix" : "address");
			sentence_report(&sentence, load, element);
			flaw(load, element, key->flaw);
		}
		seen[ipv6] = true;
	}
}

static void vet_array(struct load *load, const struct schema_key *key,
		      const config_setting_t *array)
{
	struct schema_key element_key = *key;
	struct sentence sentence;

	element_key.shape = SHAPE_ONE;
	for (int i = 0; i < config_setting_length(array); i++)
		vet_scalar(load, &element_key, load_element(array, (size_t)i));
	if (key->shape == SHAPE_ONE_OR_PAIR)
		vet_pair(load, &element_key, array);
	if ((key->type == SCHEMA_ADDRESS || key->type == SCHEMA_PREFIX ||
	     key->type == SCHEMA_BIND || key->type == SCHEMA_CGROUP) &&
	    !config_setting_length(array)) {
		print_key(key, array, sentence_begin(&sentence));
		fputs(" is empty", sentence.to);
		sentence_report(&sentence, load, array);
		flaw(load, array, key->flaw);
	}
}

static void vet_list(struct load *load, const struct schema_key *key, const config_setting_t *list)
{
	struct schema_key element_key = *key;

	element_key.type = SCHEMA_GROUP;
	for (int i = 0; i < config_setting_length(list); i++) {
		const config_setting_t *element = load_element(list, (size_t)i);

		if (config_setting_is_group(element)) {
			vet_group(load, element, key->opens);
		} else {
			refuse(load, &element_key, element);
			flaw(load, element, ~0u);
		}
	}
}

static void vet_key(struct load *load, const struct schema_key *key,
		    const config_setting_t *setting)
{
	if (key->type == SCHEMA_UNREAD)
		refuse_later(load, key, setting, NULL);
	else if (key->type == SCHEMA_GROUP && config_setting_is_group(setting))
		vet_group(load, setting, key->opens);
	else if (key->type == SCHEMA_LIST && config_setting_is_list(setting))
		vet_list(load, key, setting);
	else if (key->type == SCHEMA_GROUP || key->type == SCHEMA_LIST)
		refuse(load, key, setting);
	else if (config_setting_is_array(setting) && key->shape != SHAPE_ONE)
		vet_array(load, key, setting);
	else if (config_setting_is_scalar(setting) && key->shape != SHAPE_ARRAY)
		vet_scalar(load, key, setting);
	else
		refuse(load, key, setting);
}

static void refuse_unknown(const struct load *load, const config_setting_t *setting,
			   unsigned int in)
{
	const char *near = schema_nearest_key(in, config_setting_name(setting));
	struct sentence sentence;
	FILE *to = sentence_begin(&sentence);

	fprintf(to, "unknown key \"%.*s\"", 60, config_setting_name(setting));
	print_object(config_setting_parent(setting), "in", to);
	if (near)
		fprintf(to, "; did you mean \"%s\"?", near);
	sentence_report(&sentence, load, setting);
}

static void vet_missing(struct load *load, const config_setting_t *group, unsigned int in)
{
	struct sentence sentence;

	for (size_t i = 0; i < schema_key_count; i++) {
		const struct schema_key *key = &schema_keys[i];

		if (!key->required || !(key->in & in) ||
		    config_setting_get_member(group, key->name))
			continue;
		fprintf(sentence_begin(&sentence), "key \"%s\" is missing", key->name);
		print_object(group, "in", sentence.to);
		sentence_report(&sentence, load, group);
		flaw(load, group, key->flaw);
	}
}

static void vet_group(struct load *load, const config_setting_t *group, unsigned int in)
{
	for (int i = 0; i < config_setting_length(group); i++) {
		const config_setting_t *setting = load_element(group, (size_t)i);
		const struct schema_key *key = schema_find(in, config_setting_name(setting));

		if (key)
			vet_key(load, key, setting);
		else
			refuse_unknown(load, setting, in);
	}
	vet_missing(load, group, in);
}

void load_vet(struct load *load)
{
	vet_group(load, config_root_setting(&load->tree), IN_FILE);
}
