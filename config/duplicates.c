/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sorting indices to find equals. Called by check.c and check_between.c. */
#include "config/duplicates.h"

#include "config/mem.h"

static int compare_indices(const void *a_index, const void *b_index, void *context)
{
	size_t a = *(const size_t *)a_index, b = *(const size_t *)b_index;
	const struct duplicates *duplicates = context;
	int order = duplicates->compare(a, b, duplicates->context);

	return order ? order : (a > b) - (a < b);
}

void duplicates_find(const struct duplicates *duplicates)
{
	size_t *sorted = mem_array(duplicates->count, sizeof(*sorted));
	size_t first = 0;

	for (size_t i = 0; i < duplicates->count; i++)
		sorted[i] = i;
	qsort_r(sorted, duplicates->count, sizeof(*sorted), compare_indices, (void *)duplicates);
	for (size_t i = 1; i < duplicates->count; i++) {
		if (duplicates->compare(sorted[first], sorted[i], duplicates->context))
			first = i;
		else
			duplicates->report(sorted[first], sorted[i], duplicates->context);
	}
	free(sorted);
}
