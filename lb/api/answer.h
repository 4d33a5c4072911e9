/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How every request is answered, and how its query is read. Called by the handlers of lb/api. */
#ifndef LB_API_ANSWER_H
#define LB_API_ANSWER_H

#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <json-c/json.h>
#include <stdint.h>

#include "config/diag.h"

void answer_text(struct evhttp_request *request, int status, const char *type, const char *text);
void answer_json(struct evhttp_request *request, int status,
		 struct json_object *object); /* puts it */
void answer_sentence(struct evhttp_request *request, const char *text); /* {"text"} */

/* Status 422, with what was found. */
void answer_errors(struct evhttp_request *request, struct diag *diag);

/* What stands behind the "?", decoded; evhttp_clear_headers() ends it. Returns 0, or -EINVAL with a
 * sentence, and then there is nothing to end. */
int query_read(struct evhttp_request *request, struct evkeyvalq *ret_query, struct diag *diag);

/* A number from 0 to `max`; what is not there leaves *number as it is. Returns 0, or -EINVAL with a
 * sentence. */
int query_number(const struct evkeyvalq *query, const char *key, uint64_t max, uint64_t *number,
		 struct diag *diag);

#endif
