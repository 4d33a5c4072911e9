/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Points to InfluxDB over HTTP. Who makes them calls influx_begin() and influx_end(); from then on
 * they belong to the buffer, of which one request at a time carries the first ones. How a request
 * ends is one of three:
 *
 *	written   the points are there, and what waits goes next
 *	refused   another attempt would end like this one: its points are given up
 *	away      nobody answered, or not for now: the points wait, and so does the next attempt
 *
 * Sending points twice does no harm: the same measurement, tags and time are the same point. A
 * change of these states is told once. The URL's user, password and query, and the token, are told
 * to nobody. */
#include "lb/influx.h"

#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "config/mem.h"
#include "config/slurp.h"
#include "config/url.h"
#include "lb/events.h"
#include "lb/influx_answer.h"
#include "lb/influx_buffer.h"
#include "lb/watch/curl_loop.h"

#define TIMEOUT_MS	10000L	/* of a request as a whole */
#define PAUSE_MIN_S	1	/* before another attempt; each one doubles it */
#define PAUSE_MAX_S	30

enum influx_state { INFLUX_NEW, INFLUX_WRITTEN, INFLUX_REFUSED, INFLUX_AWAY, INFLUX_STATES };

struct influx {
	char *url;			/* with precision=ns, and with its secrets */
	struct events *events;
	char *object;			/* what is told of */
	char *token_file;		/* NULL: none */
	char *token;			/* NULL: none, or to be read before the next request */
	struct curl_loop *curl;
	struct curl_transfer transfer;	/* easy NULL: no request is under way */
	struct curl_slist *headers;	/* of that */
	char *body;
	struct influx_answer answer;
	struct event *pause;		/* pending: the next attempt waits */
	int pause_s;			/* the last one; 0: the target answered since */

	struct influx_buffer buffer;
	FILE *batch;			/* that is being made; NULL: none */
	char *batch_text;
	size_t batch_size;

	enum influx_state state;
	uint64_t lost;			/* points refused and dropped by the last change of it */
	uint64_t written, refused;	/* points */
	uint64_t requests[INFLUX_STATES]; /* by how they ended */
};

static const char *state_name(enum influx_state state)
{
	static const char *const names[] = {
		[INFLUX_NEW] = "new",
		[INFLUX_WRITTEN] = "written",
		[INFLUX_REFUSED] = "refused",
		[INFLUX_AWAY] = "away",
	};

	return names[state];
}

/* ---- what is told ---------------------------------------------------------------------------- */

/* `cause`: of what is not well; of what is well again that is what the trouble has cost, and from
 * refused to away and back is one trouble. */
static void state_set(struct influx *influx, enum influx_state state, const char *cause)
{
	uint64_t lost = influx->refused + influx->buffer.dropped;
	bool well = state == INFLUX_WRITTEN;
	struct change change = {
		.kind = EVENT_DAEMON,
		.object = influx->object,
		.from = state_name(influx->state),
		.to = state_name(state),
		.cause = cause,
	};
	char cost[64];

	if (state == influx->state)
		return;
	if (well && influx->state != INFLUX_NEW) {
		snprintf(cost, sizeof(cost), "%" PRIu64 " points were lost meanwhile",
			 lost - influx->lost);
		change.cause = cost;
	}
	change_tell(influx->events, well ? LOG_NOTICE : LOG_WARNING, &change);
	if (well)
		influx->lost = lost;
	influx->state = state;
}

/* ---- requests -------------------------------------------------------------------------------- */

static void request_start(struct influx *influx);

static void request_clear(struct influx *influx)
{
	curl_easy_cleanup(influx->transfer.easy);
	influx->transfer.easy = NULL;
	curl_slist_free_all(influx->headers);
	influx->headers = NULL;
	free(influx->body);
	influx->body = NULL;
}

static void on_pause_end(evutil_socket_t fd, short what, void *data)
{
	(void)fd, (void)what;
	request_start(data);
}

/* `wanted_s`: how long the target asks to be left alone; 0: it says nothing. */
static void pause_begin(struct influx *influx, long wanted_s)
{
	struct timeval wait = { 0 };

	influx->pause_s = influx->pause_s ? 2 * influx->pause_s : PAUSE_MIN_S;
	if (influx->pause_s > PAUSE_MAX_S)
		influx->pause_s = PAUSE_MAX_S;
	wait.tv_sec = wanted_s > 0 ? wanted_s : influx->pause_s;
	if (wait.tv_sec > PAUSE_MAX_S)
		wait.tv_sec = PAUSE_MAX_S;
	evtimer_add(influx->pause, &wait);
}

static void away(struct influx *influx, const char *cause, long wanted_s)
{
	influx_buffer_keep(&influx->buffer);
	pause_begin(influx, wanted_s);
	state_set(influx, INFLUX_AWAY, cause);
}

static void written(struct influx *influx)
{
	influx->written += influx_buffer_done(&influx->buffer);
	state_set(influx, INFLUX_WRITTEN, NULL);
}

/* A target that refused some of a request's points may have written the others. */
static void refused(struct influx *influx, const char *cause)
{
	influx->refused += influx_buffer_done(&influx->buffer);
	state_set(influx, INFLUX_REFUSED, cause);
}

/* Points are not to blame for a token, and another one may stand in the file by now. */
static enum influx_state state_of(struct influx *influx)
{
	long status = influx->answer.status;

	if (status == 401 && influx->token_file) {
		free(influx->token);
		influx->token = NULL;
		return INFLUX_AWAY;
	}
	if (status >= 200 && status < 300)
		return INFLUX_WRITTEN;
	if (!status || status >= 500 || status == 408 || status == 429)
		return INFLUX_AWAY;
	return INFLUX_REFUSED;
}

static void on_done(void *data, CURLcode code)
{
	struct influx *influx = data;
	enum influx_state state = state_of(influx);
	char cause[INFLUX_CAUSE_MAX];
	long wanted_s = influx_answer_pause(&influx->answer);

	influx_answer_cause(&influx->answer, code, cause);
	request_clear(influx);
	influx->requests[state]++;
	if (state == INFLUX_AWAY) {
		away(influx, cause, wanted_s);
		return;
	}
	influx->pause_s = 0;
	if (state == INFLUX_WRITTEN)
		written(influx);
	else
		refused(influx, cause);
	request_start(influx);
}

static bool add_header(struct influx *influx, const char *line)
{
	struct curl_slist *headers = curl_slist_append(influx->headers, line);

	if (headers)
		influx->headers = headers;
	return headers;
}

/* Without curl's own "Expect": an answer before the body would be one round trip more. */
static bool set_headers(struct influx *influx)
{
	char *line;
	bool set;

	if (!add_header(influx, "Content-Type: text/plain; charset=utf-8") ||
	    !add_header(influx, "Expect:"))
		return false;
	if (!influx->token)
		return true;
	if (asprintf(&line, "Authorization: Token %s", influx->token) < 0)
		return false;
	set = add_header(influx, line);
	free(line);
	return set;
}

/* It goes to the target itself, whatever the environment says of proxies. A name that is being
 * looked up must not hold up the end of its request: without QUICK_EXIT curl would wait for it. */
static bool set_options(struct influx *influx, size_t size)
{
	CURL *easy = influx->transfer.easy;

	return !curl_easy_setopt(easy, CURLOPT_URL, influx->url) &&
	       !curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") &&
	       !curl_easy_setopt(easy, CURLOPT_PROXY, "") &&
	       !curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) &&
	       !curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) &&
	       !curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L) &&
	       !curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, TIMEOUT_MS) &&
	       !curl_easy_setopt(easy, CURLOPT_USERAGENT, "edgelb") &&
	       !curl_easy_setopt(easy, CURLOPT_HTTPHEADER, influx->headers) &&
	       !curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)size) &&
	       !curl_easy_setopt(easy, CURLOPT_POSTFIELDS, influx->body) &&
	       influx_answer_begin(&influx->answer, easy);
}

/* What a header can hold. */
static bool token_is_good(const char *token)
{
	for (const char *at = token; *at; at++)
		if (*at <= ' ' || *at > '~')
			return false;
	return *token;
}

/* The file's first line; NULL, and why, where that is no token. */
static char *token_read(const char *path, char cause[INFLUX_CAUSE_MAX])
{
	char *text;
	int error = slurp(path, true, &text);

	if (error) {
		snprintf(cause, INFLUX_CAUSE_MAX, "cannot read its token: %s: %s", path,
			 slurp_error(error));
		return NULL;
	}
	text[strcspn(text, "\r\n")] = '\0';
	if (token_is_good(text))
		return text;
	free(text);
	snprintf(cause, INFLUX_CAUSE_MAX, "cannot read its token: %s: its first line is no token",
		 path);
	return NULL;
}

/* False: its token cannot be read, and that is dealt with. */
static bool token_ready(struct influx *influx)
{
	char cause[INFLUX_CAUSE_MAX];

	if (!influx->token_file || influx->token)
		return true;
	influx->token = token_read(influx->token_file, cause);
	if (!influx->token)
		away(influx, cause, 0);
	return influx->token;
}

/* The next request, if something waits and nothing stands against it. */
static void request_start(struct influx *influx)
{
	size_t size;

	if (influx->transfer.easy || evtimer_pending(influx->pause, NULL) ||
	    TAILQ_EMPTY(&influx->buffer.batches) || !token_ready(influx))
		return;
	influx->body = influx_buffer_take(&influx->buffer, &size);
	influx->transfer = (struct curl_transfer){ curl_easy_init(), on_done, influx };
	if (influx->transfer.easy && set_headers(influx) && set_options(influx, size) &&
	    !curl_loop_start(influx->curl, &influx->transfer))
		return;
	request_clear(influx);
	away(influx, "no memory for a request", 0);
}

/* ---- for whoever has points ------------------------------------------------------------------ */

FILE *influx_begin(struct influx *influx)
{
	influx->batch = mem_must(open_memstream(&influx->batch_text, &influx->batch_size));
	return influx->batch;
}

void influx_end(struct influx *influx)
{
	if (fclose(influx->batch))
		abort(); /* no memory, as in config/mem.h */
	influx->batch = NULL;
	influx_lines_finish(influx->batch_text, &influx->batch_size);
	influx_buffer_add(&influx->buffer, influx->batch_text, influx->batch_size);
	free(influx->batch_text);
	request_start(influx);
}

void influx_counts(const struct influx *influx, struct influx_counts *ret_counts)
{
	const uint64_t *requests = influx->requests;
	uint64_t failed = requests[INFLUX_REFUSED] + requests[INFLUX_AWAY];

	*ret_counts = (struct influx_counts){
		.written = influx->written,
		.refused = influx->refused,
		.dropped = influx->buffer.dropped,
		.requests = requests[INFLUX_WRITTEN] + failed,
		.failed = failed,
		.waiting = influx->buffer.size,
	};
}

void influx_metrics(const struct influx *influx, FILE *to)
{
	if (!influx)
		return;
	fprintf(to,
		"# HELP edgelb_influxdb_points_total Points for InfluxDB: written, refused by it, "
		"or dropped because they had waited for too long.\n"
		"# TYPE edgelb_influxdb_points_total counter\n"
		"edgelb_influxdb_points_total{result=\"written\"} %" PRIu64 "\n"
		"edgelb_influxdb_points_total{result=\"refused\"} %" PRIu64 "\n"
		"edgelb_influxdb_points_total{result=\"dropped\"} %" PRIu64 "\n",
		influx->written, influx->refused, influx->buffer.dropped);
	fprintf(to,
		"# HELP edgelb_influxdb_requests_total Requests to InfluxDB by how they ended: "
		"away is without an answer, or with one that asks to try again.\n"
		"# TYPE edgelb_influxdb_requests_total counter\n");
	for (enum influx_state state = INFLUX_WRITTEN; state < INFLUX_STATES; state++)
		fprintf(to, "edgelb_influxdb_requests_total{result=\"%s\"} %" PRIu64 "\n",
			state_name(state), influx->requests[state]);
	fprintf(to,
		"# HELP edgelb_influxdb_buffer_bytes Bytes of points that wait for InfluxDB.\n"
		"# TYPE edgelb_influxdb_buffer_bytes gauge\n"
		"edgelb_influxdb_buffer_bytes %zu\n", influx->buffer.size);
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* The URL with the precision of our times, where it says none. NULL: no memory. */
static char *url_complete(const char *text)
{
	struct url parsed = url_read(text);
	char *precision = url_parameter(&parsed, "precision"), *whole = NULL, *url = NULL;
	CURLU *parts = curl_url();

	if (parts && !curl_url_set(parts, CURLUPART_URL, text, 0) &&
	    (precision ||
	     !curl_url_set(parts, CURLUPART_QUERY, "precision=ns", CURLU_APPENDQUERY)) &&
	    !curl_url_get(parts, CURLUPART_URL, &whole, 0))
		url = strdup(whole);
	curl_free(whole);
	curl_url_cleanup(parts);
	free(precision);
	url_clear(&parsed);
	return url;
}

int influx_open(struct event_base *loop, struct events *events, const char *url,
		const char *token_file, struct influx **ret_influx)
{
	struct influx *influx = calloc(1, sizeof(*influx));
	char *name = url_public(url);

	if (!influx || asprintf(&influx->object, "influxdb %s", name) < 0) {
		free(influx);
		free(name);
		return -ENOMEM;
	}
	free(name);
	influx->events = events;
	influx_buffer_init(&influx->buffer, INFLUX_BUFFER_MAX);
	influx->token_file = token_file ? mem_text(token_file) : NULL;
	influx->url = url_complete(url);
	influx->pause = evtimer_new(loop, on_pause_end, influx);
	if (!influx->url || !influx->pause || curl_loop_open(loop, &influx->curl)) {
		influx_close(influx);
		return -ENOMEM;
	}
	*ret_influx = influx;
	return 0;
}

void influx_close(struct influx *influx)
{
	if (!influx)
		return;
	if (influx->transfer.easy) {
		curl_loop_stop(influx->curl, &influx->transfer);
		request_clear(influx);
	}
	curl_loop_close(influx->curl);
	if (influx->pause)
		event_free(influx->pause);
	influx_buffer_clear(&influx->buffer);
	free(influx->url);
	free(influx->object);
	free(influx->token_file);
	free(influx->token);
	free(influx);
}
