/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The search for what somebody may have meant, over any list of words; inside config/. */
#ifndef CONFIG_NEAREST_H
#define CONFIG_NEAREST_H

struct nearest {
	const char *typed;
	const char *word;	/* the nearest so far; NULL: none is near */
	unsigned int edits;	/* that lead from one to the other */
};

/* Takes `word` for the nearest so far if it is nearer. */
void nearest_consider(struct nearest *nearest, const char *word);

#endif
