/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The machine's memory, as the tables see it. */
#ifndef BENCH_MEMORY_H
#define BENCH_MEMORY_H

#include <stddef.h>

/* Nanoseconds for each of `reads` random cache lines of a table of `bytes`, each asked for when the
 * one before has come. The table stands in pages of 4 KiB, as the kernel's do. */
double memory_line_ns(size_t bytes, unsigned int reads);

#endif
