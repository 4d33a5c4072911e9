/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where characters end, and which of them are harmless. Called by all that prints names: tables,
 * screens, graphs and formats. */
#include "config/utf8.h"

#include <stdbool.h>
#include <stdint.h>

static bool is_tail(char byte)
{
	return ((unsigned char)byte & 0xc0) == 0x80;
}

size_t utf8_length(const char *text)
{
	const unsigned char *byte = (const unsigned char *)text;

	if (byte[0] < 0x80)
		return byte[0] != '\0';
	if (byte[0] < 0xc2 || byte[0] > 0xf4 || !is_tail(text[1]))
		return 0;
	if (byte[0] < 0xe0)
		return 2;
	/* The last of these is half of a pair of UTF-16. */
	if (!is_tail(text[2]) || (byte[0] == 0xe0 && byte[1] < 0xa0) ||
	    (byte[0] == 0xed && byte[1] > 0x9f))
		return 0;
	if (byte[0] < 0xf0)
		return 3;
	if (!is_tail(text[3]) || (byte[0] == 0xf0 && byte[1] < 0x90) ||
	    (byte[0] == 0xf4 && byte[1] > 0x8f))
		return 0;
	return 4;
}

bool utf8_is_control(const char *text)
{
	const unsigned char *byte = (const unsigned char *)text;

	return byte[0] < ' ' || byte[0] == 0x7f || (byte[0] == 0xc2 && byte[1] < 0xa0);
}

void utf8_clean(char *text)
{
	char *to = text;

	while (*text) {
		size_t length = utf8_length(text);

		if (!length || utf8_is_control(text)) {
			*to++ = '?';
			text += length ? length : 1;
			continue;
		}
		while (length--)
			*to++ = *text++;
	}
	*to = '\0';
}
