/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory for values of a config file. A file that does not fit into memory is not a state that
 * anything could be told about, so the program ends there, as diag.h promises for its sentences. */
#ifndef CONFIG_MEM_H
#define CONFIG_MEM_H

#include <stdlib.h>
#include <string.h>

static inline void *mem_must(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

/* Zeroed; never NULL, not even for no elements. */
static inline void *mem_array(size_t count, size_t size)
{
	return mem_must(calloc(count ? count : 1, size));
}

static inline char *mem_text(const char *text)
{
	return mem_must(strdup(text));
}

#endif
