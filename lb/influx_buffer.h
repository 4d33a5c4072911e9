/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Points that wait for InfluxDB, in the order in which they came: a bounded number of bytes, of
 * which the oldest go first. What a request carries stays here until it was written. Pure. */
#ifndef LB_INFLUX_BUFFER_H
#define LB_INFLUX_BUFFER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#define INFLUX_POST_POINTS	5000
#define INFLUX_POST_BYTES	(1 << 20)

/* As many points as a request may have, and no more. */
struct influx_batch {
	TAILQ_ENTRY(influx_batch) next;
	char *text;
	size_t size, points;
};

struct influx_buffer {
	TAILQ_HEAD(, influx_batch) batches;	/* the oldest first */
	size_t size, max;			/* bytes of all, and the most that may be */
	size_t under_way;			/* how many of the first a request carries */
	uint64_t dropped;			/* points */
};

void influx_buffer_init(struct influx_buffer *buffer, size_t max);
void influx_buffer_clear(struct influx_buffer *buffer);

/* Finished lines (influx_line.h), which are copied. Makes room first: of batches that no request
 * carries the oldest go, and in the end what came. */
void influx_buffer_add(struct influx_buffer *buffer, const char *text, size_t size);

/* The first batches as one text, as many as fit into a request: they are under way from now on. The
 * caller frees it. NULL: nothing waits. */
char *influx_buffer_take(struct influx_buffer *buffer, size_t *ret_size);

/* The request has ended. Its batches go on waiting, or are no more: returns their points. */
void influx_buffer_keep(struct influx_buffer *buffer);
size_t influx_buffer_done(struct influx_buffer *buffer);

#endif
