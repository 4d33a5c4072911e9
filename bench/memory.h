/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The machine's memory, as the records see it. */
#ifndef BENCH_MEMORY_H
#define BENCH_MEMORY_H

/* Nanoseconds for each of `reads` random cache lines of a table of the records' size, one after the
 * other. */
double memory_line_ns(unsigned int reads);

#endif
