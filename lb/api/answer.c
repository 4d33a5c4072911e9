/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers: a status, a type and a body; and the numbers that a query may hold. */
#include "lb/api/answer.h"

#include <errno.h>
#include <event2/buffer.h>
#include <inttypes.h>
#include <string.h>

#include "lb/api/api.h"

void answer_text(struct evhttp_request *request, int status, const char *type, const char *text)
{
	struct evbuffer *body = evbuffer_new();

	evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type", type);
	evbuffer_add(body, text, strlen(text));
	evhttp_send_reply(request, status, status == 200 ? "OK" : "Refused", body);
	evbuffer_free(body);
}

void answer_json(struct evhttp_request *request, int status, struct json_object *object)
{
	answer_text(request, status, "application/json",
		    json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN));
	json_object_put(object);
}

void answer_sentence(struct evhttp_request *request, const char *text)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "text", json_object_new_string(text));
	answer_json(request, 200, object);
}

void answer_errors(struct evhttp_request *request, struct diag *diag)
{
	if (!diag->count)
		diag_add(diag, NULL, 0, "failed without a reason; see the log");
	answer_json(request, 422, errors_json(diag));
}

int query_read(struct evhttp_request *request, struct evkeyvalq *ret_query, struct diag *diag)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
	const char *text = evhttp_uri_get_query(uri);

	if (!evhttp_parse_query_str(text ? text : "", ret_query))
		return 0;
	diag_add(diag, NULL, 0, "the query is \"NAME=VALUE&NAME=VALUE\", not \"%s\"", text);
	return -EINVAL;
}

int query_number(const struct evkeyvalq *query, const char *key, uint64_t max, uint64_t *number,
		 struct diag *diag)
{
	const char *text = evhttp_find_header(query, key);
	uint64_t value;
	char *end;

	if (!text)
		return 0;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || value > max) {
		diag_add(diag, NULL, 0, "\"%s\" is a number up to %" PRIu64 ", not \"%s\"", key,
			 max, text);
		return -EINVAL;
	}
	*number = value;
	return 0;
}
