/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A second, careful look at the tokens of lb.conf, beside libconfig's own; it knows strings,
 * comments, numbers and @include, and no grammar. Called by load.c before libconfig reads. Where
 * the two could disagree the tokens here follow scanner.l of libconfig 1.5. */
#include "config/scan.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>

#include "config/mem.h"
#include "config/slurp.h"

#define INCLUDES_MAX 256 /* far more than anybody has; bounds the work for a file gone wild */

struct cursor {
	struct scan *scan;
	struct scan_file *file;
	const char *at;
	int line;
};

static int scan_file(struct scan *scan, struct scan_file *file);

static void report(const struct cursor *cursor, int line, const char *text)
{
	diag_add(cursor->scan->diag, cursor->file->name, line, "%s", text);
}

/* One byte on, counting lines. */
static void advance(struct cursor *cursor)
{
	if (*cursor->at++ == '\n')
		cursor->line++;
}

static void skip_line_comment(struct cursor *cursor)
{
	cursor->at = strchrnul(cursor->at, '\n');
}

static int skip_block_comment(struct cursor *cursor)
{
	int start = cursor->line;

	for (cursor->at += 2; *cursor->at; advance(cursor))
		if (cursor->at[0] == '*' && cursor->at[1] == '/') {
			cursor->at += 2;
			return 0;
		}
	report(cursor, start, "the comment that starts here is never closed");
	return -EINVAL;
}

static void string_keep(struct scan_file *file, struct scan_string string)
{
	if (file->string_count == file->string_space) {
		file->string_space = 2 * file->string_space + 64;
		file->strings = mem_must(reallocarray(file->strings, file->string_space,
						      sizeof(*file->strings)));
	}
	file->strings[file->string_count++] = string;
}

static int skip_string(struct cursor *cursor)
{
	struct scan_string string = { .text = cursor->at + 1, .line = cursor->line };
	struct scan_file *file = cursor->file;

	for (advance(cursor); *cursor->at && *cursor->at != '"'; advance(cursor))
		if (*cursor->at == '\\' && cursor->at[1])
			advance(cursor);
	if (cursor->line != string.line && !file->runaway_line)
		file->runaway_line = string.line;
	if (!*cursor->at) {
		/* The quote that is missing is rather that of the first string that ran away:
		 * from there on, insides and outsides are swapped. */
		report(cursor, file->runaway_line ? file->runaway_line : string.line,
		       "the string that starts here is never closed");
		return -EINVAL;
	}
	string.len = (size_t)(cursor->at - string.text);
	string_keep(file, string);
	advance(cursor);
	return 0;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The end of an exponent that starts here, or NULL. */
static const char *exponent_end(const char *at)
{
	if (*at != 'e' && *at != 'E')
		return NULL;
	at++;
	at += *at == '-' || *at == '+';
	return is_digit(*at) ? at + strspn(at, "0123456789") : NULL;
}

/* Past an integer's suffix, L or LL. */
static const char *suffix_end(const char *at)
{
	at += *at == 'L';
	return at + (*at == 'L');
}

static void wide_keep(struct cursor *cursor, uint64_t value)
{
	struct scan_file *file = cursor->file;

	cursor->scan->wide = true;
	file->wides = mem_must(reallocarray(file->wides, file->wide_count + 1,
					    sizeof(*file->wides)));
	file->wides[file->wide_count++] = (struct scan_wide){
		.line = cursor->line,
		.low = (int32_t)(uint32_t)value,
	};
}

static void report_if_wide(struct cursor *cursor, const char *end, int base)
{
	bool wide;
	uint64_t value;

	if (base == 16) {
		value = strtoull(cursor->at, NULL, base);
		wide = value > INT32_MAX;
	} else {
		int64_t number = strtoll(cursor->at, NULL, base);

		value = (uint64_t)number;
		wide = number < INT32_MIN || number > INT32_MAX;
	}
	if (!wide) /* what 64 bits do not hold was brought to their end */
		return;
	wide_keep(cursor, value);
	diag_add(cursor->scan->diag, cursor->file->name, cursor->line,
		 "integer %.*s is beyond 32 bits: %d to %d is what can stand here",
		 (int)(end - cursor->at > 40 ? 40 : end - cursor->at), cursor->at,
		 INT32_MIN, INT32_MAX);
}

/* The end of 0x and digits, or NULL; libconfig knows no signs there. */
static const char *hex_end(const char *at)
{
	size_t digits;

	if (at[0] != '0' || (at[1] != 'x' && at[1] != 'X'))
		return NULL;
	digits = strspn(at + 2, "0123456789abcdefABCDEF");
	return digits ? at + 2 + digits : NULL;
}

static void skip_number(struct cursor *cursor)
{
	const char *at = cursor->at + (*cursor->at == '-' || *cursor->at == '+');
	const char *digits_end = at + strspn(at, "0123456789");
	const char *end;

	if (hex_end(cursor->at)) {
		end = suffix_end(hex_end(cursor->at));
		report_if_wide(cursor, end, 16);
	} else if (*digits_end == '.' || exponent_end(digits_end)) {
		end = digits_end;
		if (*end == '.')
			end += 1 + strspn(end + 1, "0123456789");
		if (exponent_end(end))
			end = exponent_end(end);
	} else {
		end = suffix_end(digits_end);
		report_if_wide(cursor, end, 10);
	}
	cursor->at = end;
}

static bool number_starts(const char *at)
{
	at += *at == '-' || *at == '+';
	return is_digit(*at) || *at == '.';
}

static bool name_starts(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '*';
}

static void skip_name(struct cursor *cursor)
{
	while (name_starts(*cursor->at) || is_digit(*cursor->at) || *cursor->at == '_' ||
	       *cursor->at == '-')
		cursor->at++;
}

static struct scan_file *file_add(struct scan *scan, const char *include, char *name, char *text)
{
	struct scan_file *file = mem_array(1, sizeof(*file));

	file->include = include ? mem_text(include) : NULL;
	file->name = name;
	file->text = text;
	scan->files = mem_must(reallocarray(scan->files, scan->file_count + 1,
					    sizeof(struct scan_file *)));
	scan->files[scan->file_count++] = file;
	return file;
}

/* libconfig ends the program on an include that opens but cannot be read, such as a directory, so
 * each is read here first. A file that includes itself is left to libconfig, which counts. */
static int include_file(struct cursor *cursor, const char *include)
{
	struct scan *scan = cursor->scan;
	char *name, *text;
	int error;

	if (!scan->include_dir) {
		report(cursor, cursor->line, "no @include is taken here");
		return -EINVAL;
	}
	if (scan_file_find(scan, include))
		return 0;
	if (scan->file_count > INCLUDES_MAX) {
		diag_add(scan->diag, cursor->file->name, cursor->line,
			 "more than %d files by @include", INCLUDES_MAX);
		return -EINVAL;
	}
	if (!strcmp(scan->include_dir, "."))
		name = mem_text(include);
	else if (asprintf(&name, "%s/%s", scan->include_dir, include) < 0)
		abort();
	error = slurp(name, true, &text);
	if (error) {
		diag_add(scan->diag, cursor->file->name, cursor->line,
			 "cannot include %s: %s", name, slurp_error(error));
		free(name);
		return -EINVAL;
	}
	return scan_file(scan, file_add(scan, include, name, text));
}

/* At the start of a line, as libconfig wants it: @include "FILE". Elsewhere @ is a syntax error
 * that libconfig reports. *ret_found says whether one stood here. */
static int try_include(struct cursor *cursor, bool *ret_found)
{
	const char *at = cursor->at + strspn(cursor->at, " \t");
	const char *quote;
	char *include;
	size_t word = strlen("@include");
	size_t blanks;
	int error;

	*ret_found = false;
	if (strncmp(at, "@include", word))
		return 0;
	blanks = strspn(at + word, " \t");
	if (!blanks || at[word + blanks] != '"')
		return 0;
	*ret_found = true;
	at += word + blanks + 1;
	quote = at + strcspn(at, "\"\n\\");
	if (*quote != '"') {
		report(cursor, cursor->line, "@include wants a file name in quotes, on one line "
		       "and without a backslash");
		return -EINVAL;
	}
	include = mem_must(strndup(at, (size_t)(quote - at)));
	error = include_file(cursor, include);
	free(include);
	cursor->at = quote + 1;
	return error;
}

static int skip_token(struct cursor *cursor)
{
	const char *at = cursor->at;

	if (*at == '#' || (at[0] == '/' && at[1] == '/'))
		skip_line_comment(cursor);
	else if (at[0] == '/' && at[1] == '*')
		return skip_block_comment(cursor);
	else if (*at == '"')
		return skip_string(cursor);
	else if (name_starts(*at))
		skip_name(cursor);
	else if (number_starts(at))
		skip_number(cursor);
	else
		advance(cursor);
	return 0;
}

static int scan_file(struct scan *scan, struct scan_file *file)
{
	struct cursor cursor = { .scan = scan, .file = file, .at = file->text, .line = 1 };
	bool found;
	int error;

	while (*cursor.at) {
		if (cursor.at == file->text || cursor.at[-1] == '\n') {
			error = try_include(&cursor, &found);
			if (error)
				return error;
			if (found)
				continue;
		}
		error = skip_token(&cursor);
		if (error)
			return error;
	}
	return 0;
}

int scan_text(struct scan *scan, const char *name, const char *text, const char *include_dir,
	      struct diag *diag)
{
	*scan = (struct scan){
		.include_dir = include_dir ? mem_text(include_dir) : NULL,
		.diag = diag,
	};
	return scan_file(scan, file_add(scan, NULL, mem_text(name), mem_text(text)));
}

void scan_clear(struct scan *scan)
{
	for (size_t i = 0; i < scan->file_count; i++) {
		struct scan_file *file = scan->files[i];

		free(file->include);
		free(file->name);
		free(file->text);
		free(file->strings);
		free(file->wides);
		free(file);
	}
	free(scan->files);
	free(scan->include_dir);
	*scan = (struct scan){ 0 };
}

const struct scan_file *scan_file_find(const struct scan *scan, const char *include)
{
	for (size_t i = 0; i < scan->file_count; i++) {
		const struct scan_file *file = scan->files[i];

		if (include ? file->include && !strcmp(file->include, include) : !file->include)
			return file;
	}
	return NULL;
}

int scan_string_line(const struct scan_file *file, int line, const char *text)
{
	size_t low = 0, high = file->string_count, len = strlen(text);

	/* The first string behind `line`; then back to the nearest that says the same. */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (file->strings[middle].line <= line)
			low = middle + 1;
		else
			high = middle;
	}
	while (low-- > 0) {
		const struct scan_string *string = &file->strings[low];

		if (string->len == len && !memcmp(string->text, text, len))
			return string->line;
	}
	return line;
}

bool scan_is_wide(const struct scan_file *file, int line, int64_t number)
{
	for (size_t i = 0; i < file->wide_count; i++)
		if (file->wides[i].line == line &&
		    file->wides[i].low == (int32_t)(uint32_t)(uint64_t)number)
			return true;
	return false;
}
