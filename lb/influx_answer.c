/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads InfluxDB's answers, of 1.x and 2.x, and of whatever else may stand there. */
#include "lb/influx_answer.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#define ANSWER_MAX	65536	/* bytes of headers and body that are read */
#define REASON_SHOWN	160	/* bytes of what a target says that a line repeats */

/* ---- what curl calls ------------------------------------------------------------------------- */

/* Whatever is not wholly taken ends the transfer. */
static size_t take(struct influx_answer *answer, size_t count)
{
	answer->received += count;
	return answer->received <= ANSWER_MAX ? count : 0;
}

/* Called a line at a time. An empty one ends the headers: those of the answer, after those of any
 * "100 Continue" or the like. */
static size_t on_header(char *line, size_t one, size_t count, void *data)
{
	struct influx_answer *answer = data;
	long status = 0;

	(void)one;
	if (*line == '\r' || *line == '\n') {
		curl_easy_getinfo(answer->easy, CURLINFO_RESPONSE_CODE, &status);
		if (status >= 200)
			answer->status = status;
	}
	return take(answer, count);
}

static size_t on_body(char *bytes, size_t one, size_t count, void *data)
{
	struct influx_answer *answer = data;
	size_t room = INFLUX_REASON_MAX - answer->body_size;
	size_t kept = count < room ? count : room;

	(void)one;
	memcpy(answer->body + answer->body_size, bytes, kept);
	answer->body_size += kept;
	return take(answer, count);
}

bool influx_answer_begin(struct influx_answer *answer, CURL *easy)
{
	*answer = (struct influx_answer){ .easy = easy };
	return !curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header) &&
	       !curl_easy_setopt(easy, CURLOPT_HEADERDATA, answer) &&
	       !curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) &&
	       !curl_easy_setopt(easy, CURLOPT_WRITEDATA, answer);
}

/* ---- why ------------------------------------------------------------------------------------- */

/* One line of what a stranger said: it can hold anything, and any amount of it. */
static void put_said(FILE *to, const char *text)
{
	size_t length = strcspn(text, "\r\n"), shown = length;

	if (length > REASON_SHOWN)
		for (shown = REASON_SHOWN; shown && ((unsigned char)text[shown] & 0xc0) == 0x80;)
			shown--; /* not within a character of UTF-8 */
	for (size_t i = 0; i < shown; i++)
		putc((unsigned char)text[i] < ' ' || text[i] == '\x7f' ? ' ' : text[i], to);
	fputs(shown < length ? "..." : "", to);
}

/* 1.x says {"error":"..."}, 2.x {"code":"...","message":"..."}, a proxy whatever it likes. */
static void put_reason(FILE *to, const char *body)
{
	static const char *const members[] = { "error", "message" };
	struct json_object *object = json_tokener_parse(body), *member;

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		if (json_object_is_type(object, json_type_object) &&
		    json_object_object_get_ex(object, members[i], &member) &&
		    json_object_is_type(member, json_type_string)) {
			put_said(to, json_object_get_string(member));
			json_object_put(object);
			return;
		}
	json_object_put(object);
	put_said(to, *body ? body : "no reason given");
}

static void put_status(FILE *to, const struct influx_answer *answer)
{
	fprintf(to, "status %ld", answer->status);
	if (answer->status >= 300 && answer->status < 400) {
		fputs(", and redirects are not followed", to);
		return;
	}
	fputs(": ", to);
	put_reason(to, answer->body);
}

static const char *failure_text(const struct influx_answer *answer, CURLcode code)
{
	long number = 0;

	switch (code) {
	case CURLE_OPERATION_TIMEDOUT:
		return "no answer in time";
	case CURLE_COULDNT_CONNECT:
		curl_easy_getinfo(answer->easy, CURLINFO_OS_ERRNO, &number);
		return number ? strerror((int)number) : "cannot connect";
	case CURLE_OK:
		return "it closes before the end of its answer's headers";
	case CURLE_GOT_NOTHING:
		return "it closes without an answer";
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
		return "the connection is lost before an answer";
	case CURLE_WRITE_ERROR:
		return "its answer's headers have no end";
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_WEIRD_SERVER_REPLY:
		return "its answer is not HTTP";
	default:
		return curl_easy_strerror(code);
	}
}

void influx_answer_cause(const struct influx_answer *answer, CURLcode code,
			 char cause[INFLUX_CAUSE_MAX])
{
	FILE *to = fmemopen(cause, INFLUX_CAUSE_MAX, "w");

	*cause = '\0';
	if (!to)
		return;
	if (answer->status)
		put_status(to, answer);
	else
		fputs(failure_text(answer, code), to);
	fclose(to);
	cause[INFLUX_CAUSE_MAX - 1] = '\0';
}

long influx_answer_pause(const struct influx_answer *answer)
{
	curl_off_t seconds = 0;

	curl_easy_getinfo(answer->easy, CURLINFO_RETRY_AFTER, &seconds);
	return (long)seconds;
}
