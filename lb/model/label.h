/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values of labels in Prometheus' text format, for all who write metrics. */
#ifndef LB_MODEL_LABEL_H
#define LB_MODEL_LABEL_H

#include <stdio.h>

/* The value between its quotes, which are the caller's: backslash, quote and end of line escaped.
 * One byte that is not UTF-8 would lose the whole scrape, so it is written as \xNN, as text: names
 * of cgroups and links come from others, and may be any bytes. */
void label_write(FILE *to, const char *value);

#endif
