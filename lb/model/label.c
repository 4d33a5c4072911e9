/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lb/model/label.h"

#include <stdbool.h>
#include <stdint.h>

static bool continues(unsigned char byte)
{
	return (byte & 0xc0) == 0x80;
}

/* How many bytes the character at `text` has, as RFC 3629 allows it: in its shortest form, no half
 * of a surrogate, none beyond U+10FFFF. 0: it is none. */
static unsigned int character_length(const unsigned char *text)
{
	unsigned int length = text[0] < 0x80   ? 1
			      : text[0] < 0xc2 ? 0
			      : text[0] < 0xe0 ? 2
			      : text[0] < 0xf0 ? 3
			      : text[0] < 0xf5 ? 4
					       : 0;

	for (unsigned int i = 1; i < length; i++)
		if (!continues(text[i])) /* the final NUL does not */
			return 0;
	if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
	    (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f))
		return 0;
	return length;
}

void label_write(FILE *to, const char *value)
{
	const unsigned char *at = (const unsigned char *)value;

	while (*at) {
		unsigned int length = character_length(at);

		if (!length)
			fprintf(to, "\\\\x%02x", *at);
		else if (*at == '\n')
			fputs("\\n", to);
		else if (*at == '\\' || *at == '"')
			fprintf(to, "\\%c", *at);
		else
			fwrite(at, 1, length, to);
		at += length ? length : 1;
	}
}
