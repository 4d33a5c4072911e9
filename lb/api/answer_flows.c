/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Queries into questions to lb/flows. A key that nobody knows is refused: a filter that was spelt
 * wrong would let everything through. */
#include "lb/api/answer_flows.h"

#include <errno.h>
#include <string.h>

#include "lb/api/answer.h"
#include "lb/api/api.h"

#define SECONDS_MAX 315360000 /* ten years */

/* As query_read(), of these keys (the last one is NULL), each of them once at the most. */
static int keys_read(struct evhttp_request *request, const char *const *keys,
		     struct evkeyvalq *query, struct diag *diag)
{
	const struct evkeyval *pair, *other;
	int err = query_read(request, query, diag);

	if (err)
		return err;
	for (pair = query->tqh_first; pair && !diag->count; pair = pair->next.tqe_next) {
		const char *const *known = keys;

		while (*known && strcmp(*known, pair->key))
			known++;
		if (!*known)
			diag_add(diag, NULL, 0, "unknown key \"%s\" in the query", pair->key);
		for (other = query->tqh_first; other != pair; other = other->next.tqe_next)
			if (*known && !strcmp(other->key, pair->key))
				diag_add(diag, NULL, 0, "\"%s\" stands twice in the query",
					 pair->key);
	}
	if (!diag->count)
		return 0;
	evhttp_clear_headers(query);
	return -EINVAL;
}

/* Takes the object; NULL is a config without flows, or what diag has. */
static void answer_object(struct evhttp_request *request, struct json_object *object,
			  struct diag *diag)
{
	if (object) {
		answer_json(request, 200, object);
		return;
	}
	if (!diag->count)
		diag_add(diag, NULL, 0, "no flows are seen: add \"flows: { };\" to lb.conf and "
			 "reload");
	answer_errors(request, diag);
}

/* An address with a length that does not fit it is no name either. */
static int peer_vet(const char *peer, struct diag *diag)
{
	size_t length = peer ? strcspn(peer, "/") : 0;
	char address[ADDR_TEXT_MAX];
	struct prefix prefix;
	struct addr addr;

	if (!peer || !peer[length] || length >= sizeof(address) || !prefix_parse(peer, &prefix))
		return 0;
	memcpy(address, peer, length);
	address[length] = '\0';
	if (addr_parse(address, &addr))
		return 0;
	diag_add(diag, NULL, 0, "\"peer\" is an address, a prefix or a name, not \"%s\": the "
		 "length does not fit the address, or bits stand behind it", peer);
	return -EINVAL;
}

/* As flows_answer_begin(), of what the query asks for; NULL is also what diag has. */
static struct flows_answer *flows_begin(struct flows *flows, const struct evkeyvalq *query,
					struct diag *diag)
{
	struct flow_filter filter = { .container = evhttp_find_header(query, "container"),
				      .peer = evhttp_find_header(query, "peer") };
	uint64_t port = 0;

	if (query_number(query, "port", UINT16_MAX, &port, diag) ||
	    query_number(query, "since", SECONDS_MAX, &filter.since_s, diag) ||
	    peer_vet(filter.peer, diag))
		return NULL;
	filter.port = (uint16_t)port;
	return flows_answer_begin(flows, &filter);
}

void answer_flows(struct flows *flows, struct flows_parts *parts, struct evhttp_request *request)
{
	static const char *const keys[] = { "container", "peer", "port", "since", NULL };
	_cleanup_diag_ struct diag diag = { 0 };
	struct flows_answer *answer = NULL;
	struct evkeyvalq query;

	if (!flows_parts_have_room(parts)) {
		diag_add(&diag, NULL, 0, "too many ask for flows at once: ask again later");
		answer_json(request, 503, errors_json(&diag));
		return;
	}
	if (!keys_read(request, keys, &query, &diag)) {
		answer = flows_begin(flows, &query, &diag);
		evhttp_clear_headers(&query);
	}
	if (answer)
		flows_parts_begin(parts, request, answer);
	else
		answer_object(request, NULL, &diag);
}

void answer_graph(struct flows *flows, struct evhttp_request *request)
{
	static const char *const keys[] = { "since", NULL };
	_cleanup_diag_ struct diag diag = { 0 };
	struct json_object *object = NULL;
	struct evkeyvalq query;
	uint64_t since_s = 0;

	if (!keys_read(request, keys, &query, &diag)) {
		if (!query_number(&query, "since", SECONDS_MAX, &since_s, &diag))
			object = flows_graph_json(flows, since_s);
		evhttp_clear_headers(&query);
	}
	answer_object(request, object, &diag);
}

void answer_containers(struct flows *flows, struct evhttp_request *request)
{
	static const char *const keys[] = { NULL };
	_cleanup_diag_ struct diag diag = { 0 };
	struct json_object *object = NULL;
	struct evkeyvalq query;

	if (!keys_read(request, keys, &query, &diag)) {
		evhttp_clear_headers(&query);
		object = flows_containers_json(flows);
	}
	answer_object(request, object, &diag);
}
