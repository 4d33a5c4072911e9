/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Patterns of lb.conf's groups: "*" stands for any run of characters but "/", everything else for
 * itself. */
#ifndef POLICY_PATTERN_H
#define POLICY_PATTERN_H

#include <stdbool.h>

bool pattern_matches(const char *pattern, const char *text);

/* The path, or one above it, fits: "db-*.slice" covers "db-1.slice/run/init". A slash at the front
 * of either counts for nothing. */
bool pattern_covers(const char *pattern, const char *path);

/* How deep in the tree what it matches stands: 1 is below the root. */
unsigned int pattern_level(const char *pattern);

#endif
