/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Aligned text tables for terminals, and numbers as people read them. */
#ifndef LB_CTL_TABLE_H
#define LB_CTL_TABLE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum table_align { TABLE_LEFT, TABLE_RIGHT };

struct table_column {
	const char *title;
	enum table_align align;
};

struct table;

/* `columns` must outlive the table. Never NULL: what does not fit into memory ends the program. */
struct table *table_new(const struct table_column *columns, size_t count);
void table_free(struct table *table);

/* The next cell, row by row from the left. */
__attribute__((format(printf, 2, 3)))
void table_cell(struct table *table, const char *format, ...);

/* "12,044" */
void table_cell_count(struct table *table, uint64_t count);

/* "1.2 MB", decimal as in lb.conf */
void table_cell_bytes(struct table *table, uint64_t bytes);

/* 0 to 1 as "33.3%"; what is above nothing never reads as nothing. */
void table_cell_share(struct table *table, double share);

/* The title line and the rows. A column without anything in it is left out, and so is the whole
 * table without rows. */
void table_print(const struct table *table, FILE *to);

#define NUMBER_TEXT_MAX 32

const char *count_format(uint64_t count, char text[NUMBER_TEXT_MAX]);
const char *bytes_format(uint64_t bytes, char text[NUMBER_TEXT_MAX]);
/* "45s", "12m", "3h 7m", "5d" */
const char *duration_format(uint64_t seconds, char text[NUMBER_TEXT_MAX]);
const char *share_format(double share, char text[NUMBER_TEXT_MAX]);

#endif
