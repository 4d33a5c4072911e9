/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Points to InfluxDB, in its line protocol: 1.x at /write, 2.x at /api/v2/write. One request is
 * under way at a time; what comes meanwhile waits in a buffer of bounded size, of which the oldest
 * goes first. Nothing in the daemon ever waits for the target. */
#ifndef LB_INFLUX_H
#define LB_INFLUX_H

#include <event2/event.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lb/influx_line.h"

#define INFLUX_BUFFER_MAX (8 << 20)	/* bytes of lines that wait */

struct events;
struct influx;

/* `url`: with all that the target wants in its query ("http://127.0.0.1:8086/write?db=edgelb",
 * ".../api/v2/write?org=o&bucket=b"); `token_file`: that holds the token of 2.x, NULL for none.
 * What becomes of the target is told, to the log and as an event, without its secrets. Returns 0 or
 * -ENOMEM. */
int influx_open(struct event_base *loop, struct events *events, const char *url,
		const char *token_file, struct influx **ret_influx);
void influx_close(struct influx *influx); /* what waits is given up; NULL is fine */

/* A batch of points, made between these two with the functions of influx_line.h. Never NULL. A
 * batch that is too large for one request becomes several; no point is ever torn. */
FILE *influx_begin(struct influx *influx);
void influx_end(struct influx *influx);

struct influx_counts {
	uint64_t written;	/* points */
	uint64_t refused;	/* ... that came in a request that the target did not take */
	uint64_t dropped;	/* ... that waited too long, and made room for younger ones */
	uint64_t requests, failed; /* of HTTP; failed: all but those whose points were written */
	size_t waiting;		/* bytes */
};
void influx_counts(const struct influx *influx, struct influx_counts *ret_counts);

void influx_metrics(const struct influx *influx, FILE *to); /* nothing for NULL */

#endif
