/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What InfluxDB says to a request: its status and, where it refuses, why. */
#ifndef LB_INFLUX_ANSWER_H
#define LB_INFLUX_ANSWER_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>

#define INFLUX_CAUSE_MAX	256
#define INFLUX_REASON_MAX	4096	/* bytes of a body in which a reason is looked for */

struct influx_answer {
	CURL *easy;		/* whose it is */
	long status;		/* once the headers are complete; 0 before */
	size_t received;	/* bytes of headers and body */
	char body[INFLUX_REASON_MAX + 1];
	size_t body_size;
};

/* What comes for this request goes here. False: no memory. */
bool influx_answer_begin(struct influx_answer *answer, CURL *easy);

/* Why it was not as it should be, in one line. */
void influx_answer_cause(const struct influx_answer *answer, CURLcode code,
			 char cause[INFLUX_CAUSE_MAX]);

/* The seconds of its header Retry-After; 0: it has none. */
long influx_answer_pause(const struct influx_answer *answer);

#endif
