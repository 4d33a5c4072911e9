/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The list of findings behind struct diag. Library code of all folders adds, mains and commands
 * print. A finding is always one line of text, whatever a user's file put into it. */
#include "config/diag.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "config/mem.h"

static int same_file(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

/* Behind the last finding of the same file that is not further down in it; findings of another
 * file stay where they are, so files keep the order in which they were first found at fault. */
static size_t place_for(const struct diag *diag, const char *file, int line)
{
	size_t place = diag->count;

	for (size_t i = diag->count; i-- > 0;) {
		if (!same_file(diag->entries[i].file, file))
			continue;
		if (diag->entries[i].line <= line)
			return i + 1;
		place = i;
	}
	return place;
}

/* A line break or an escape sequence out of somebody's file would make two findings of one, or
 * write to the terminal. */
static void make_one_line(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

void diag_add(struct diag *diag, const char *file, int line, const char *format, ...)
{
	struct diag_entry *entries;
	size_t place;
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		abort();
	va_end(args);
	make_one_line(text);

	entries = reallocarray(diag->entries, diag->count + 1, sizeof(*entries));
	diag->entries = mem_must(entries);
	place = place_for(diag, file, line);
	memmove(diag->entries + place + 1, diag->entries + place,
		(diag->count - place) * sizeof(*diag->entries));
	diag->entries[place] = (struct diag_entry){
		.file = file ? mem_text(file) : NULL,
		.line = line,
		.text = text,
	};
	diag->count++;
}

void diag_print(const struct diag *diag, FILE *to)
{
	for (size_t i = 0; i < diag->count; i++) {
		const struct diag_entry *entry = &diag->entries[i];

		if (entry->file && entry->line)
			fprintf(to, "%s:%d: ", entry->file, entry->line);
		else if (entry->file)
			fprintf(to, "%s: ", entry->file);
		fprintf(to, "%s\n", entry->text);
	}
}

char *diag_text(const struct diag *diag)
{
	char *text = NULL;
	size_t size = 0;
	FILE *to = mem_must(open_memstream(&text, &size));

	diag_print(diag, to);
	fclose(to);
	return mem_must(text);
}

void diag_clear(struct diag *diag)
{
	for (size_t i = 0; i < diag->count; i++) {
		free(diag->entries[i].file);
		free(diag->entries[i].text);
	}
	free(diag->entries);
	*diag = (struct diag){ 0 };
}
