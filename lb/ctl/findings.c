/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The list of findings, its two outputs, and words of a shell's command. Called by the checks of
 * lbctl doctor. What comes from a container never reaches the terminal or the shell raw. */
#include "lb/ctl/findings.h"

#include <json-c/json.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include "config/mem.h"

char *text_new(const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		abort();
	va_end(args);
	return text;
}

/* Control characters would write to the terminal. */
static char *text_clean(char *text)
{
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	return text;
}

static bool is_known(const struct findings *findings, const char *check, const char *command)
{
	for (size_t i = 0; i < findings->count; i++)
		if (!strcmp(findings->entries[i].check, check) &&
		    !strcmp(findings->entries[i].command, command))
			return true;
	return false;
}

void findings_add(struct findings *findings, const char *check, const char *object, char *text,
		  char *command)
{
	struct finding *entry;

	text_clean(text);
	text_clean(command);
	if (is_known(findings, check, command)) {
		free(text);
		free(command);
		return;
	}
	findings->entries = mem_must(reallocarray(findings->entries, findings->count + 1,
						  sizeof(*findings->entries)));
	entry = &findings->entries[findings->count++];
	entry->check = check;
	entry->object = text_clean(mem_text(object));
	entry->text = text;
	entry->command = command;
}

void findings_clear(struct findings *findings)
{
	for (size_t i = 0; i < findings->count; i++) {
		free(findings->entries[i].object);
		free(findings->entries[i].text);
		free(findings->entries[i].command);
	}
	free(findings->entries);
	*findings = (struct findings){ 0 };
}

void findings_print(const struct findings *findings, FILE *to)
{
	for (size_t i = 0; i < findings->count; i++) {
		const struct finding *entry = &findings->entries[i];

		fprintf(to, "%s%s: %s\n    %s\n", i ? "\n" : "", entry->object, entry->text,
			entry->command);
	}
}

struct json_object *findings_json(const struct findings *findings)
{
	struct json_object *reply = json_object_new_object();
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < findings->count; i++) {
		const struct finding *entry = &findings->entries[i];
		struct json_object *row = json_object_new_object();

		json_object_object_add(row, "check", json_object_new_string(entry->check));
		json_object_object_add(row, "object", json_object_new_string(entry->object));
		json_object_object_add(row, "text", json_object_new_string(entry->text));
		json_object_object_add(row, "command", json_object_new_string(entry->command));
		json_object_array_add(list, row);
	}
	json_object_object_add(reply, "findings", list);
	return reply;
}

/* ---- words of a command --------------------------------------------------------------------- */

static bool is_plain(const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "_-./:=@%+,";

	return *text && !text[strspn(text, plain)];
}

/* 'it'\''s': within quotes only a quote means something. */
const char *shell_word(const char *text, char word[SHELL_WORD_MAX])
{
	size_t used = 0;

	if (is_plain(text) && strlen(text) < SHELL_WORD_MAX) {
		strcpy(word, text);
		return word;
	}
	word[used++] = '\'';
	for (; *text && used + sizeof("'\\'''") < SHELL_WORD_MAX; text++) {
		if (*text == '\'')
			used += (size_t)sprintf(word + used, "'\\''");
		else
			word[used++] = *text;
	}
	word[used++] = '\'';
	word[used] = '\0';
	return word;
}

const char *shell_enter(const char *netns, char prefix[SHELL_WORD_MAX])
{
	char word[SHELL_WORD_MAX];

	prefix[0] = '\0';
	if (*netns)
		snprintf(prefix, SHELL_WORD_MAX, "nsenter --net=%s ",
			 shell_word(netns, word));
	return prefix;
}
