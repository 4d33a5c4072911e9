/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds equals among many things without comparing each with each; for the checks of lb.conf. */
#ifndef CONFIG_DUPLICATES_H
#define CONFIG_DUPLICATES_H

#include <stddef.h>

struct duplicates {
	size_t count;	/* things have the indices 0 to count - 1 */
	int (*compare)(size_t a, size_t b, const void *context);	/* an order over them */
	void (*report)(size_t first, size_t again, const void *context);
	const void *context;
};

/* Calls report() for each thing that equals one with a smaller index, with the smallest such. */
void duplicates_find(const struct duplicates *duplicates);

#endif
