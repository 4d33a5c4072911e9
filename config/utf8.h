/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text that others made, such as a name out of somebody's container, on its way to a terminal or
 * into a format. */
#ifndef CONFIG_UTF8_H
#define CONFIG_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the character that `text` begins with; 0 where it begins with none: at its end, or where
 * it is not UTF-8 (RFC 3629). */
size_t utf8_length(const char *text);

/* Whether a terminal takes the character for an order: C0, DEL and C1. */
bool utf8_is_control(const char *text);

/* Whatever is no character or is an order becomes '?', so that the text is one line of UTF-8. */
void utf8_clean(char *text);

#endif
