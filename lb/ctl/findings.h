/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What lbctl doctor found: each finding is a sentence and the shell command that mends it. */
#ifndef LB_CTL_FINDINGS_H
#define LB_CTL_FINDINGS_H

#include <stddef.h>
#include <stdio.h>

struct json_object;

struct finding {
	const char *check;	/* a word for scripts, such as "rp_filter" */
	char *object;		/* whom it is about: an interface, a vip, a backend */
	char *text;		/* why it hurts; no final full stop */
	char *command;		/* for the shell of the namespace that was looked at */
};

struct findings {
	struct finding *entries;
	size_t count;
};

/* Takes text and command, which the caller made with text_new(). A finding that the same command
 * mends is there already: then this one is dropped. */
void findings_add(struct findings *findings, const char *check, const char *object, char *text,
		  char *command);
void findings_clear(struct findings *findings);

void findings_print(const struct findings *findings, FILE *to);
struct json_object *findings_json(const struct findings *findings);

/* Never NULL; the caller frees it. */
__attribute__((format(printf, 1, 2)))
char *text_new(const char *format, ...);

/* One word of a shell's command, quoted where it must be: a container chooses the names of its
 * own interfaces, and root is about to paste the command. */
#define SHELL_WORD_MAX 320
const char *shell_word(const char *text, char word[SHELL_WORD_MAX]);

/* "nsenter --net=PATH " before a command for another namespace; "" for this one (path ""). */
const char *shell_enter(const char *netns, char prefix[SHELL_WORD_MAX]);

#endif
