/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every block is its type, its length, what it says, and its length again, in words of the host's
 * order, which the section header tells. */
#include "lb/ctl/pcapng.h"

#include <string.h>

#define SECTION 0x0a0d0d0a
#define INTERFACE 1
#define PACKET 6
#define ETHERNET 1 /* LINKTYPE_ETHERNET */

#define OPTION_END 0
#define OPTION_COMMENT 1
#define IF_NAME 2
#define IF_TSRESOL 9
#define SHB_USERAPPL 4
#define EPB_FLAGS 2

static uint32_t padded(size_t size)
{
	return (uint32_t)(size + 3) & ~3U;
}

static void words_put(FILE *to, const uint32_t *words, size_t count)
{
	fwrite(words, sizeof(*words), count, to);
}

static void bytes_put(FILE *to, const void *bytes, size_t size)
{
	static const char zeros[3];

	fwrite(bytes, 1, size, to);
	fwrite(zeros, 1, padded(size) - size, to);
}

static uint32_t option_size(size_t size)
{
	return 4 + padded(size);
}

static void option_put(FILE *to, uint16_t code, const void *value, size_t size)
{
	const uint16_t head[] = { code, (uint16_t)size };

	fwrite(head, sizeof(head), 1, to);
	bytes_put(to, value, size);
}

static void interface_put(FILE *to, uint32_t snap, const char *name)
{
	const uint8_t nanoseconds = 9;
	uint32_t size = 20 + option_size(strlen(name)) + option_size(1) + option_size(0);
	const uint32_t head[] = { INTERFACE, size, ETHERNET, snap };

	words_put(to, head, 4);
	option_put(to, IF_NAME, name, strlen(name));
	option_put(to, IF_TSRESOL, &nanoseconds, 1);
	option_put(to, OPTION_END, "", 0);
	words_put(to, &size, 1);
}

void pcapng_begin(FILE *to, uint32_t snap, const char *program)
{
	uint32_t size = 28 + option_size(strlen(program)) + option_size(0);
	/* Version 1.0; the section's length is not known. */
	const uint32_t head[] = { SECTION, size, 0x1a2b3c4d, 1, ~0U, ~0U };

	words_put(to, head, 6);
	option_put(to, SHB_USERAPPL, program, strlen(program));
	option_put(to, OPTION_END, "", 0);
	words_put(to, &size, 1);
	interface_put(to, snap, "in");
	interface_put(to, snap, "out");
}

void pcapng_write(FILE *to, const struct pcapng_packet *packet)
{
	const uint32_t flags = packet->direction == PCAPNG_IN ? 1 : 2;
	uint32_t size = 32 + padded(packet->kept) + option_size(strlen(packet->comment)) +
			option_size(sizeof(flags)) + option_size(0);
	const uint32_t head[] = { PACKET,
				  size,
				  packet->direction,
				  (uint32_t)(packet->at_ns >> 32),
				  (uint32_t)packet->at_ns,
				  packet->kept,
				  packet->bytes };

	words_put(to, head, 7);
	bytes_put(to, packet->frame, packet->kept);
	option_put(to, OPTION_COMMENT, packet->comment, strlen(packet->comment));
	option_put(to, EPB_FLAGS, &flags, sizeof(flags));
	option_put(to, OPTION_END, "", 0);
	words_put(to, &size, 1);
}
