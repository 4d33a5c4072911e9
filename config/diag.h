/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What went wrong, for people: a list of sentences with their places. Library code fills it and
 * never prints; only mains and commands do. All findings of one go are kept, in the order of
 * their lines. */
#ifndef CONFIG_DIAG_H
#define CONFIG_DIAG_H

#include <stddef.h>
#include <stdio.h>

struct diag_entry {
	char *file; /* as the user gave it; NULL where the finding has no file */
	int line;   /* from 1; 0: no line */
	char *text; /* one sentence, without a final full stop or newline */
};

struct diag {
	struct diag_entry *entries;
	size_t count;
};

/* Adds one finding. Never fails: what does not fit into memory ends the program. */
__attribute__((format(printf, 4, 5)))
void diag_add(struct diag *diag, const char *file, int line, const char *format, ...);

/* "file:line: text" a finding, one a line. */
void diag_print(const struct diag *diag, FILE *to);

/* The same as one string that the caller frees; "" without findings. */
char *diag_text(const struct diag *diag);

void diag_clear(struct diag *diag); /* frees all and leaves an empty list */

#define _cleanup_diag_ __attribute__((cleanup(diag_clear)))

#endif
