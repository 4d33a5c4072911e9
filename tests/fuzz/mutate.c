/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What becomes of a seed. Half of the changes are aimed at the fields that the programs believe,
 * the others hit anywhere. */
#include <netinet/in.h>
#include <string.h>

#include "tests/fuzz/layers.h"
#include "tests/fuzz/seeds.h"

#define FRAME_LEAST	14	/* that a test run takes */
#define FRAME_MOST	(FRAME_MAX - 64)

static uint16_t word_any(struct random *random, uint16_t was)
{
	static const uint16_t words[] = { 0, 1, 7, 8, 19, 20, 28, 40, 0x2000, 0x2001, 0x1fff,
					  0x4000, 0x0800, 0x86dd, 0x8100, 0x88a8, 0x4500, 0x4600,
					  0x6000, 0x7fff, 0x8000, 0xff00, 0xfff8, 0xffff };

	switch (random_below(random, 3)) {
	case 0:
		return words[random_below(random, ARRAY_SIZE(words))];
	case 1:
		return was + random_below(random, 33) - 16;
	default:
		return random_next(random);
	}
}

static uint8_t byte_any(struct random *random, uint8_t was)
{
	static const uint8_t bytes[] = { 0, 1, 2, 3, 4, 5, 6, 8, 11, 12, 17, 43, 44, 47, 58, 59,
					 60, 0x40, 0x44, 0x45, 0x46, 0x4f, 0x50, 0x55, 0x60, 0x7f,
					 0x80, 0x81, 0xf0, 0xff };

	switch (random_below(random, 3)) {
	case 0:
		return bytes[random_below(random, ARRAY_SIZE(bytes))];
	case 1:
		return was ^ 1 << random_below(random, 8);
	default:
		return random_next(random);
	}
}

/* ---- lies ----------------------------------------------------------------------------------- */

struct field {
	enum { OF_LINK, OF_IP, OF_L4, OF_QUOTE, OF_QUOTED_L4 } header;
	uint8_t offset, bytes;
};

static const struct field fields4[] = {
	{ OF_LINK, 12, 2 }, { OF_LINK, 16, 2 }, { OF_IP, 0, 1 }, { OF_IP, 2, 2 }, { OF_IP, 4, 2 },
	{ OF_IP, 6, 2 }, { OF_IP, 8, 1 }, { OF_IP, 9, 1 }, { OF_IP, 16, 2 }, { OF_L4, 0, 1 },
	{ OF_L4, 2, 2 }, { OF_L4, 4, 2 }, { OF_L4, 6, 2 }, { OF_L4, 12, 1 }, { OF_L4, 13, 1 },
	{ OF_L4, 16, 2 }, { OF_QUOTE, 0, 1 }, { OF_QUOTE, 2, 2 }, { OF_QUOTE, 6, 2 },
	{ OF_QUOTE, 9, 1 }, { OF_QUOTED_L4, 0, 2 }, { OF_QUOTED_L4, 6, 2 },
	{ OF_QUOTED_L4, 12, 1 }, { OF_QUOTED_L4, 16, 2 },
};

static const struct field fields6[] = {
	{ OF_LINK, 12, 2 }, { OF_LINK, 16, 2 }, { OF_IP, 0, 1 }, { OF_IP, 4, 2 }, { OF_IP, 6, 1 },
	{ OF_IP, 7, 1 }, { OF_IP, 40, 1 }, { OF_IP, 41, 1 }, { OF_IP, 42, 2 }, { OF_IP, 48, 1 },
	{ OF_IP, 49, 1 }, { OF_L4, 0, 1 }, { OF_L4, 2, 2 }, { OF_L4, 4, 2 }, { OF_L4, 6, 2 },
	{ OF_L4, 12, 1 }, { OF_L4, 13, 1 }, { OF_L4, 16, 2 }, { OF_QUOTE, 0, 1 },
	{ OF_QUOTE, 4, 2 }, { OF_QUOTE, 6, 1 }, { OF_QUOTED_L4, 0, 2 }, { OF_QUOTED_L4, 6, 2 },
	{ OF_QUOTED_L4, 12, 1 }, { OF_QUOTED_L4, 16, 2 },
};

static size_t field_place(const struct field *field, const struct layers *layers)
{
	size_t quote = layers->l4 + 8;

	switch (field->header) {
	case OF_LINK:
		return field->offset;
	case OF_IP:
		return layers->ip + field->offset;
	case OF_L4:
		return layers->l4 + field->offset;
	case OF_QUOTE:
		return quote + field->offset;
	default:
		return quote + (layers->ipv6 ? 40 : 20) + field->offset;
	}
}

static void field_lie(struct random *random, struct frame *frame)
{
	const struct field *field;
	struct layers layers;
	size_t at;

	layers_read(frame, &layers);
	if (layers.ipv6)
		field = &fields6[random_below(random, ARRAY_SIZE(fields6))];
	else
		field = &fields4[random_below(random, ARRAY_SIZE(fields4))];
	at = field_place(field, &layers);
	if (at + field->bytes > frame->size)
		return;
	if (field->bytes == 2)
		word_put(frame, at, word_any(random, word_at(frame, at)));
	else
		frame->bytes[at] = byte_any(random, frame->bytes[at]);
}

/* ---- anywhere ------------------------------------------------------------------------------- */

static void cut(struct random *random, struct frame *frame)
{
	if (frame->size > FRAME_LEAST)
		frame->size = FRAME_LEAST + random_below(random, frame->size - FRAME_LEAST);
}

static void extend(struct random *random, struct frame *frame)
{
	size_t bytes = random_below(random, 64);

	for (; bytes && frame->size < FRAME_MOST; bytes--)
		frame->bytes[frame->size++] = random_next(random);
}

/* The head of one packet before the tail of another, cut at the same place or anywhere. */
static void splice(struct random *random, struct frame *frame)
{
	struct packet_in other;
	size_t at, from, bytes;

	seed_make(random, &other);
	at = FRAME_LEAST + random_below(random, frame->size - FRAME_LEAST + 1);
	from = random_one_in(random, 2) ? at : random_below(random, other.frame.size);
	if (from >= other.frame.size)
		return;
	bytes = other.frame.size - from;
	if (at + bytes > FRAME_MOST)
		bytes = FRAME_MOST - at;
	memcpy(frame->bytes + at, other.frame.bytes + from, bytes);
	frame->size = at + bytes;
}

static void mutation_do(struct random *random, struct frame *frame)
{
	size_t at = random_below(random, frame->size < 128 ? frame->size : 128);

	switch (random_below(random, 14)) {
	case 0:
	case 1:
		frame->bytes[at] ^= 1 << random_below(random, 8);
		return;
	case 2:
	case 3:
		frame->bytes[at] = byte_any(random, frame->bytes[at]);
		return;
	case 4:
		cut(random, frame);
		return;
	case 5:
		extend(random, frame);
		return;
	case 6:
		splice(random, frame);
		return;
	default:
		field_lie(random, frame);
	}
}

void packet_mutate(struct random *random, struct packet_in *packet)
{
	for (uint32_t count = 1 + random_below(random, 4); count; count--)
		mutation_do(random, &packet->frame);
	if (random_one_in(random, 2))
		checksums_fix(&packet->frame);
}
