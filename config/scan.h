/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What libconfig 1.5 does not tell about a text, found before it reads it: integers that it would
 * wrap, strings and comments that never end (it takes them for the end of the file), includes
 * that it would end the whole program over, and the lines on which strings stand. */
#ifndef CONFIG_SCAN_H
#define CONFIG_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/diag.h"

struct scan_string {
	const char *text;	/* between the quotes, in the file's text; escapes as they stand */
	size_t len;
	int line;		/* of the opening quote */
};

/* An integer beyond 32 bits, which was reported. */
struct scan_wide {
	int line;
	int32_t low;	/* what libconfig makes of it */
};

struct scan_file {
	char *include;		/* as @include names it; NULL: the file itself */
	char *name;		/* for messages */
	char *text;
	struct scan_string *strings;	/* in the file's order */
	size_t string_count;
	size_t string_space;
	struct scan_wide *wides;
	size_t wide_count;
	int runaway_line;	/* of the first string that goes on in the next line; 0: none */
};

struct scan {
	char *include_dir;	/* directory of the file, "." or as the user gave it; NULL: no
				 * @include is taken */
	struct scan_file **files;
	size_t file_count;
	bool wide;		/* an integer beyond 32 bits was found in one of them */
	struct diag *diag;
};

/* Scans `text` and the files that it includes. Findings go into diag; when the text or an include
 * must not even be shown to libconfig, returns -EINVAL. */
int scan_text(struct scan *scan, const char *name, const char *text, const char *include_dir,
	      struct diag *diag);
void scan_clear(struct scan *scan);

/* The file that libconfig calls `include` (NULL: the file itself); NULL if it was not scanned. */
const struct scan_file *scan_file_find(const struct scan *scan, const char *include);

/* The line of a string that is an element of an array or list. libconfig gives the line of the
 * token behind it, `line`, which is often that of the closing bracket. */
int scan_string_line(const struct scan_file *file, int line, const char *text);

/* Whether libconfig may have such an integer of this line in mind when it says `number`. */
bool scan_is_wide(const struct scan_file *file, int line, int64_t number);

#endif
