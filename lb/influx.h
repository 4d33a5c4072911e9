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
#include <time.h>

#include "config/diag.h"

#define INFLUX_BUFFER_MAX (8 << 20)	/* bytes of lines that wait */

struct influx;

/* `url`: with all that the target wants in its query ("http://127.0.0.1:8086/write?db=edgelb",
 * ".../api/v2/write?org=o&bucket=b"); `token`: of 2.x, NULL for none. Returns 0 or -ENOMEM. */
int influx_open(struct event_base *loop, const char *url, const char *token,
		struct influx **ret_influx);
void influx_close(struct influx *influx); /* what waits is given up; NULL is fine */

/* A batch of points, made between these two; one batch is never torn. */
FILE *influx_begin(struct influx *influx);
void influx_end(struct influx *influx);

/* A point: measurement and tags, fields, then its time. Tags without a value are left out; names and
 * values are escaped as the protocol wants them. */
void influx_measure(FILE *to, const char *measurement);
void influx_tag(FILE *to, const char *key, const char *value);
void influx_count(FILE *to, const char *key, uint64_t value);	/* as an integer */
void influx_number(FILE *to, const char *key, double value);
void influx_time(FILE *to, struct timespec when);		/* ends the point */

struct influx_counts {
	uint64_t written, dropped;	/* points */
	uint64_t requests, failed;	/* of HTTP */
	size_t waiting;			/* bytes */
};
void influx_counts(const struct influx *influx, struct influx_counts *ret_counts);

#endif
