/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a table or a view of lbctl prints, against what it should. */
#ifndef TESTS_UNIT_PRINTED_H
#define TESTS_UNIT_PRINTED_H

#include <stdio.h>
#include <stdlib.h>

static char *printed;
static size_t printed_size;

static inline FILE *print_open(void)
{
	free(printed);
	printed = NULL;
	return open_memstream(&printed, &printed_size);
}

static inline void assert_printed(FILE *to, const char *expected)
{
	fclose(to);
	assert_string_equal(printed, expected);
	free(printed);
	printed = NULL;
}

#endif
