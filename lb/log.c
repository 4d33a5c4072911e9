/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines to stderr, and nothing else. */
#include "lb/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int threshold = LOG_NOTICE;

int log_level_parse(const char *name)
{
	static const struct {
		const char *name;
		int level;
	} levels[] = { { "error", LOG_ERR }, { "warning", LOG_WARNING }, { "notice", LOG_NOTICE },
		       { "info", LOG_INFO }, { "debug", LOG_DEBUG } };

	for (size_t i = 0; i < sizeof(levels) / sizeof(*levels); i++)
		if (!strcmp(levels[i].name, name))
			return levels[i].level;
	return -1;
}

void log_level_set(int level)
{
	threshold = level;
}

void log_line(int level, const char *format, ...)
{
	char text[2048];
	va_list args;

	if (level > threshold)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (getenv("JOURNAL_STREAM"))
		fprintf(stderr, "<%d>%s\n", level, text);
	else
		fprintf(stderr, "lbd: %s\n", text);
}

void log_diag(int level, const struct diag *diag)
{
	for (size_t i = 0; i < diag->count; i++) {
		const struct diag_entry *entry = &diag->entries[i];

		if (entry->file && entry->line)
			log_line(level, "%s:%d: %s", entry->file, entry->line, entry->text);
		else if (entry->file)
			log_line(level, "%s: %s", entry->file, entry->text);
		else
			log_line(level, "%s", entry->text);
	}
}
