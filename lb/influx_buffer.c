/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A queue of batches. The one place that decides which points are given up. */
#include "lb/influx_buffer.h"

#include <stdlib.h>
#include <string.h>

#include "config/mem.h"

static void batch_free(struct influx_batch *batch)
{
	if (!batch)
		return;
	free(batch->text);
	free(batch);
}

void influx_buffer_init(struct influx_buffer *buffer, size_t max)
{
	*buffer = (struct influx_buffer){ .max = max };
	TAILQ_INIT(&buffer->batches);
}

static struct influx_batch *first_take(struct influx_buffer *buffer)
{
	struct influx_batch *batch = TAILQ_FIRST(&buffer->batches);

	TAILQ_REMOVE(&buffer->batches, batch, next);
	buffer->size -= batch->size;
	return batch;
}

void influx_buffer_clear(struct influx_buffer *buffer)
{
	while (!TAILQ_EMPTY(&buffer->batches))
		batch_free(first_take(buffer));
	buffer->under_way = 0;
}

/* The oldest of those that no request carries; NULL: the request carries all. */
static struct influx_batch *oldest_take(struct influx_buffer *buffer)
{
	struct influx_batch *oldest = TAILQ_FIRST(&buffer->batches);

	for (size_t i = 0; i < buffer->under_way; i++)
		oldest = TAILQ_NEXT(oldest, next);
	if (!oldest)
		return NULL;
	TAILQ_REMOVE(&buffer->batches, oldest, next);
	buffer->size -= oldest->size;
	return oldest;
}

static void batch_add(struct influx_buffer *buffer, const char *text, size_t size, size_t points)
{
	struct influx_batch *batch = mem_array(1, sizeof(*batch)), *oldest;

	batch->text = mem_array(size, 1);
	batch->size = size;
	batch->points = points;
	memcpy(batch->text, text, size);
	TAILQ_INSERT_TAIL(&buffer->batches, batch, next);
	buffer->size += size;
	while (buffer->size > buffer->max && (oldest = oldest_take(buffer))) {
		buffer->dropped += oldest->points;
		batch_free(oldest);
	}
}

void influx_buffer_add(struct influx_buffer *buffer, const char *text, size_t size)
{
	const char *end = text + size, *line = text;

	while (line < end) {
		const char *begin = line;
		size_t points = 0;

		while (line < end && points < INFLUX_POST_POINTS) {
			const char *newline = memchr(line, '\n', (size_t)(end - line));
			const char *next = newline ? newline + 1 : end;

			if (points && next - begin > INFLUX_POST_BYTES)
				break;
			line = next;
			points++;
		}
		batch_add(buffer, begin, (size_t)(line - begin), points);
	}
}

char *influx_buffer_take(struct influx_buffer *buffer, size_t *ret_size)
{
	size_t size = 0, points = 0, at = 0, left;
	struct influx_batch *batch;
	char *text;

	TAILQ_FOREACH(batch, &buffer->batches, next) {
		if (buffer->under_way && (points + batch->points > INFLUX_POST_POINTS ||
					  size + batch->size > INFLUX_POST_BYTES))
			break;
		points += batch->points;
		size += batch->size;
		buffer->under_way++;
	}
	if (!buffer->under_way)
		return NULL;
	text = mem_array(size, 1);
	left = buffer->under_way;
	TAILQ_FOREACH(batch, &buffer->batches, next) {
		if (!left--)
			break;
		memcpy(text + at, batch->text, batch->size);
		at += batch->size;
	}
	*ret_size = size;
	return text;
}

void influx_buffer_keep(struct influx_buffer *buffer)
{
	buffer->under_way = 0;
}

size_t influx_buffer_done(struct influx_buffer *buffer)
{
	size_t points = 0;

	for (; buffer->under_way; buffer->under_way--) {
		struct influx_batch *batch = first_take(buffer);

		points += batch->points;
		batch_free(batch);
	}
	return points;
}
