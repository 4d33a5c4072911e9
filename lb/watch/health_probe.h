/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One try whether a backend answers: what the kinds of checks offer to health_target.c. A probe
 * knows nothing of intervals, counting or clocks: whoever started it tells it when its time is
 * over. A new kind of check is one more of these tables. */
#ifndef LB_WATCH_HEALTH_PROBE_H
#define LB_WATCH_HEALTH_PROBE_H

#include <sys/socket.h>

#include "lb/watch/curl_loop.h"
#include "lb/watch/health.h"

enum probe_verdict {
	PROBE_GOOD,
	PROBE_BAD,
	PROBE_NOT_MADE,	/* something was missing here, so it says nothing of the backend */
};

/* The probe is gone when this is called, always from the loop, never from start(). `reason` is ""
 * for PROBE_GOOD and lives as long as the call. It may start and stop probes. */
typedef void probe_done(void *data, enum probe_verdict verdict, const char *reason);

struct probe_request {
	struct event_base *loop;
	struct curl_loop *curl;
	const struct health_target *target;	/* outlives the probe */
	probe_done *done;
	void *data;
};

struct probe_kind {
	void *(*start)(const struct probe_request *request);	/* NULL: no memory */
	void (*expire)(void *probe);	/* its time is over: it calls done with what it knows */
	void (*stop)(void *probe);	/* without a verdict */
};

extern const struct probe_kind probe_tcp, probe_http;

/* The verdict over an errno of socket(2) or connect(2), and its sentence. */
enum probe_verdict probe_judge_errno(int error, char ret_reason[HEALTH_REASON_MAX]);

/* The sentence for a time that is over; it begins with `prefix`, which may be "". */
void probe_reason_late(const struct probe_request *request, const char *prefix,
		       char ret_reason[HEALTH_REASON_MAX]);

/* A socket for a check: non-blocking, and one that its close() resets. An orderly close from our
 * side would leave a TIME_WAIT of a minute here for every check: 100,000 and more where thousands
 * of backends are checked every other second. Returns it or -errno. */
int probe_socket(int family);

#endif
