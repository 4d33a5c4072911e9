/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The HTTP server: requests into calls of the manager, results into JSON. */
#include "lb/api/api.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <grp.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lb/api/answer.h"
#include "lb/api/events_wait.h"
#include "lb/api/answer_flows.h"
#include "lb/isolation.h"
#include "lb/log.h"

#define SECONDS_MAX 315360000 /* ten years */
#define BODY_MAX (16 << 20) /* an lb.conf of 10,000 backends is about 1 MB */

struct api {
	struct manager *manager;
	struct evhttp *local, *remote;	/* on the socket; on TCP, read-only */
	struct events_waits *waits;
	struct flows_parts *parts;
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
};

/* ---- requests ------------------------------------------------------------------------------- */

static struct json_object *body_read(struct evhttp_request *request)
{
	struct evbuffer *body = evhttp_request_get_input_buffer(request);
	size_t size = evbuffer_get_length(body);
	struct json_object *object;
	char *text;

	if (!size)
		return json_object_new_object();
	text = malloc(size + 1);
	if (!text)
		return NULL;
	evbuffer_copyout(body, text, size);
	text[size] = '\0';
	object = json_tokener_parse(text);
	free(text);
	if (object && json_object_is_type(object, json_type_object))
		return object;
	json_object_put(object);
	return NULL;
}

static const char *string_of(struct json_object *object, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(object, key, &value) &&
			       json_object_is_type(value, json_type_string)
		       ? json_object_get_string(value)
		       : NULL;
}

static bool flag_of(struct json_object *object, const char *key)
{
	struct json_object *value;

	return json_object_object_get_ex(object, key, &value) && json_object_get_boolean(value);
}

/* The strings of "break"; the caller frees the array. */
static const char **breaks_of(struct json_object *body, size_t *ret_count)
{
	struct json_object *list;
	const char **breaks;

	*ret_count = 0;
	if (!json_object_object_get_ex(body, "break", &list) ||
	    !json_object_is_type(list, json_type_array))
		return NULL;
	breaks = calloc(json_object_array_length(list) + 1, sizeof(*breaks));
	for (size_t i = 0; breaks && i < json_object_array_length(list); i++) {
		struct json_object *name = json_object_array_get_idx(list, i);

		if (json_object_is_type(name, json_type_string))
			breaks[(*ret_count)++] = json_object_get_string(name);
	}
	return breaks;
}

static struct reload reload_of(struct json_object *body)
{
	struct reload reload = { .name = string_of(body, "file"), .text = string_of(body, "text"),
				 .previous = flag_of(body, "previous") };

	if (!reload.name)
		reload.name = "(text)";
	reload.breaks = breaks_of(body, &reload.break_count);
	return reload;
}

static void handle_plan(struct api *api, struct evhttp_request *request, struct json_object *body)
{
	struct reload reload = reload_of(body);
	_cleanup_diag_ struct diag diag = { 0 };
	struct preview preview;

	if (manager_preview(api->manager, &reload, &preview, &diag)) {
		answer_errors(request, &diag);
	} else {
		answer_json(request, 200, plan_json(api->manager, &preview));
		preview_clear(&preview);
	}
	free(reload.breaks);
}

struct done {
	struct manager *manager;
	struct json_object *plan;
};

static void plan_note(const struct preview *preview, void *data)
{
	struct done *done = data;

	done->plan = plan_json(done->manager, preview);
}

static void handle_reload(struct api *api, struct evhttp_request *request,
			  struct json_object *body)
{
	struct reload reload = reload_of(body);
	_cleanup_diag_ struct diag diag = { 0 };
	struct done done = { .manager = api->manager };

	if (manager_reload(api->manager, &reload, plan_note, &done, &diag)) {
		log_diag(LOG_WARNING, &diag);
		log_warning("reload refused: the running config stays");
		answer_errors(request, &diag);
	} else {
		answer_json(request, 200, done.plan);
	}
	free(reload.breaks);
}

/* Applies one override; fills `text` with what was done. */
static int override_apply(struct manager *manager, struct json_object *body, char *text,
			  size_t size, struct diag *diag)
{
	const char *service = string_of(body, "service"), *backend = string_of(body, "backend");
	const char *state = string_of(body, "state");
	struct json_object *weight;
	int value;

	if (flag_of(body, "reset_all")) {
		snprintf(text, size, "all overrides are reset");
		return manager_override_reset(manager, NULL, NULL, diag);
	}
	if (!service || !backend) {
		diag_add(diag, NULL, 0, "an override needs \"service\" and \"backend\"");
		return -EINVAL;
	}
	if (flag_of(body, "reset")) {
		snprintf(text, size, "%s/%s: as the config says", service, backend);
		return manager_override_reset(manager, service, backend, diag);
	}
	for (value = CONFIG_UP; state && value <= CONFIG_OFF; value++)
		if (!strcmp(state, config_state_name((enum config_state)value))) {
			snprintf(text, size, "%s/%s: %s until reset", service, backend, state);
			return manager_override(manager, service, backend, value, -1, diag);
		}
	if (json_object_object_get_ex(body, "weight", &weight) &&
	    json_object_is_type(weight, json_type_int)) {
		value = json_object_get_int(weight);
		if (value >= 0 && value <= CONFIG_WEIGHT_MAX) {
			snprintf(text, size, "%s/%s: weight %d until reset", service, backend,
				 value);
			return manager_override(manager, service, backend, -1, value, diag);
		}
	}
	diag_add(diag, NULL, 0,
		 "an override is \"state\" up, drain or off, \"weight\" 0 to %d, or \"reset\"",
		 CONFIG_WEIGHT_MAX);
	return -EINVAL;
}

static void handle_override(struct api *api, struct evhttp_request *request,
			    struct json_object *body)
{
	_cleanup_diag_ struct diag diag = { 0 };
	char text[2 * CONFIG_NAME_MAX + 64];

	if (override_apply(api->manager, body, text, sizeof(text), &diag)) {
		answer_errors(request, &diag);
		return;
	}
	log_notice("override: %s", text);
	answer_sentence(request, text);
}

static void handle_unload(struct api *api, struct evhttp_request *request,
			  struct json_object *body)
{
	_cleanup_diag_ struct diag diag = { 0 };
	struct timeval soon = { .tv_usec = 100000 }; /* the answer goes out first */

	const char *pin = string_of(body, "pin");
	bool all;

	if (pin && strcmp(pin, api->manager->pin)) {
		diag_add(&diag, NULL, 0, "this lbd has its pins under %s, not %s",
			 api->manager->pin, pin);
		answer_errors(request, &diag);
		return;
	}
	all = flag_of(body, "all");
	if (manager_unload(api->manager, all, &diag)) {
		answer_errors(request, &diag);
		return;
	}
	answer_sentence(request, !all && api->manager->config->policy
					 ? "nothing is balanced any more; isolation stays in force "
					   "(\"unload --all\" takes it away)"
					 : "everything is taken away");
	event_base_loopexit(api->manager->loop, &soon);
}

static void handle_policy(struct api *api, struct evhttp_request *request,
			  struct json_object *body)
{
	_cleanup_diag_ struct diag diag = { 0 };
	const char *mode = string_of(body, "mode");
	bool audit = mode && !strcmp(mode, "audit");

	if (!audit && (!mode || strcmp(mode, "enforce")))
		diag_add(&diag, NULL, 0, "\"mode\" is \"audit\" or \"enforce\"");
	else if (!isolation_set_audit(api->manager->isolation, audit, &diag)) {
		answer_sentence(request, audit ? "everything passes and is told, until \"lbctl "
						 "policy enforce\""
					       : "the policy is what the config says");
		return;
	}
	answer_errors(request, &diag);
}

/* "?seconds=N": of how long; without it everything that is remembered. */
static void handle_seen(struct api *api, struct evhttp_request *request, struct json_object *body)
{
	_cleanup_diag_ struct diag diag = { 0 };
	struct json_object *seen, *object;
	struct evkeyvalq query;
	uint64_t seconds = 0;
	int err = query_read(request, &query, &diag);

	(void)body;
	if (!err) {
		err = query_number(&query, "seconds", SECONDS_MAX, &seconds, &diag);
		evhttp_clear_headers(&query);
	}
	if (err) {
		answer_errors(request, &diag);
		return;
	}
	seen = isolation_seen_json(api->manager->isolation, seconds);
	if (!seen) {
		diag_add(&diag, NULL, 0, "there is no policy in the config: nothing is seen");
		answer_errors(request, &diag);
		return;
	}
	object = json_object_new_object();
	json_object_object_add(object, "seen", seen);
	answer_json(request, 200, object);
}

static void handle_events(struct api *api, struct evhttp_request *request,
			  struct json_object *body)
{
	(void)body;
	events_waits_take(api->waits, request);
}

static void handle_flows(struct api *api, struct evhttp_request *request, struct json_object *body)
{
	(void)body;
	answer_flows(api->manager->flows, api->parts, request);
}

static void handle_graph(struct api *api, struct evhttp_request *request, struct json_object *body)
{
	(void)body;
	answer_graph(api->manager->flows, request);
}

static void handle_containers(struct api *api, struct evhttp_request *request,
			      struct json_object *body)
{
	(void)body;
	answer_containers(api->manager->flows, request);
}

static void handle_show(struct api *api, struct evhttp_request *request, struct json_object *body)
{
	(void)body;
	answer_json(request, 200, show_json(api->manager));
}

static void handle_metrics(struct api *api, struct evhttp_request *request,
			   struct json_object *body)
{
	char *text = metrics_text(api->manager);

	(void)body;
	answer_text(request, text ? 200 : 503, "text/plain; version=0.0.4; charset=utf-8",
		    text ? text : "");
	free(text);
}

static const struct route {
	const char *path;
	enum evhttp_cmd_type method;
	void (*handle)(struct api *api, struct evhttp_request *request, struct json_object *body);
} routes[] = {
	{ "/v1/show", EVHTTP_REQ_GET, handle_show },
	{ "/v1/metrics", EVHTTP_REQ_GET, handle_metrics },
	{ "/metrics", EVHTTP_REQ_GET, handle_metrics },
	{ "/v1/plan", EVHTTP_REQ_POST, handle_plan },
	{ "/v1/reload", EVHTTP_REQ_POST, handle_reload },
	{ "/v1/override", EVHTTP_REQ_POST, handle_override },
	{ "/v1/policy", EVHTTP_REQ_POST, handle_policy },
	{ "/v1/policy/seen", EVHTTP_REQ_GET, handle_seen },
	{ "/v1/events", EVHTTP_REQ_GET, handle_events },
	{ "/v1/flows", EVHTTP_REQ_GET, handle_flows },
	{ "/v1/graph", EVHTTP_REQ_GET, handle_graph },
	{ "/v1/containers", EVHTTP_REQ_GET, handle_containers },
	{ "/v1/unload", EVHTTP_REQ_POST, handle_unload },
};

static void request_route(struct api *api, struct evhttp_request *request, bool read_only)
{
	const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request));
	enum evhttp_cmd_type method = evhttp_request_get_command(request);
	_cleanup_diag_ struct diag diag = { 0 };
	struct json_object *body;

	if (method == EVHTTP_REQ_HEAD) /* libevent leaves the body out */
		method = EVHTTP_REQ_GET;
	for (size_t i = 0; path && i < sizeof(routes) / sizeof(*routes); i++) {
		const struct route *route = &routes[i];

		if (strcmp(route->path, path) || route->method != method ||
		    (read_only && method != EVHTTP_REQ_GET))
			continue;
		body = body_read(request);
		if (body) {
			route->handle(api, request, body);
			json_object_put(body);
			return;
		}
		diag_add(&diag, NULL, 0, "the body is not a JSON object");
		answer_json(request, 400, errors_json(&diag));
		return;
	}
	diag_add(&diag, NULL, 0, "there is nothing at \"%s\" for this method", path ? path : "");
	answer_json(request, 404, errors_json(&diag));
}

static void on_local(struct evhttp_request *request, void *data)
{
	request_route(data, request, false);
}

static void on_remote(struct evhttp_request *request, void *data)
{
	request_route(data, request, true);
}

/* ---- listening ------------------------------------------------------------------------------ */

/* A socket that nobody listens to is left from a daemon that died. */
static bool socket_is_alive(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool alive = fd >= 0 &&
		     !connect(fd, (const struct sockaddr *)address, sizeof(*address));

	if (fd >= 0)
		close(fd);
	return alive;
}

static void socket_permit(const char *path)
{
	struct group *group = getgrnam("edgelb");

	if (group && chown(path, 0, group->gr_gid))
		log_warning("%s: cannot be given to group edgelb: %s", path, strerror(errno));
	chmod(path, 0660);
}

static int local_listen(struct api *api, const char *path, struct diag *diag)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct evconnlistener *listener;
	char dir[sizeof(address.sun_path)];

	if (strlen(path) >= sizeof(address.sun_path)) {
		diag_add(diag, NULL, 0, "socket %s: the path is too long", path);
		return -ENAMETOOLONG;
	}
	strcpy(address.sun_path, path);
	strcpy(dir, path);
	mkdir(dirname(dir), 0755);
	if (socket_is_alive(&address)) {
		diag_add(diag, NULL, 0, "socket %s: another lbd listens there", path);
		return -EBUSY;
	}
	unlink(path);
	listener = evconnlistener_new_bind(api->manager->loop, NULL, NULL,
					   LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_CLOSE_ON_FREE, 64,
					   (struct sockaddr *)&address, sizeof(address));
	if (!listener) {
		int err = errno ? -errno : -EIO;

		diag_add(diag, NULL, 0, "socket %s: %s", path, strerror(-err));
		return err;
	}
	strcpy(api->path, path);
	socket_permit(path);
	api->local = evhttp_new(api->manager->loop);
	evhttp_set_max_body_size(api->local, BODY_MAX);
	evhttp_set_gencb(api->local, on_local, api);
	evhttp_bind_listener(api->local, listener);
	return 0;
}

static void remote_listen(struct api *api, const char *where)
{
	char host[ADDR_TEXT_MAX + 2];
	const char *colon = strrchr(where, ':');
	size_t length = colon ? (size_t)(colon - where) : 0;

	if (!colon || length >= sizeof(host))
		return;
	memcpy(host, where, length);
	host[length] = '\0';
	if (host[0] == '[' && host[length - 1] == ']') {
		host[length - 1] = '\0';
		memmove(host, host + 1, length - 1);
	}
	api->remote = evhttp_new(api->manager->loop);
	evhttp_set_gencb(api->remote, on_remote, api);
	if (evhttp_bind_socket(api->remote, host, atoi(colon + 1)))
		log_warning("api.http %s: %s; there is no HTTP until the next start", where,
			    strerror(errno));
}

int api_open(struct manager *manager, struct api **ret_api, struct diag *diag)
{
	struct api *api = calloc(1, sizeof(*api));
	int err;

	if (!api)
		return -ENOMEM;
	api->manager = manager;
	api->parts = flows_parts_open(manager->loop);
	err = events_waits_open(manager, &api->waits);
	if (!err)
		err = local_listen(api, manager->socket, diag);
	if (err) {
		api_close(api);
		return err;
	}
	if (manager->config->api_http)
		remote_listen(api, manager->config->api_http);
	*ret_api = api;
	return 0;
}

void api_close(struct api *api)
{
	if (!api)
		return;
	events_waits_close(api->waits);
	flows_parts_close(api->parts);
	if (api->local)
		evhttp_free(api->local);
	if (api->remote)
		evhttp_free(api->remote);
	if (api->path[0])
		unlink(api->path);
	free(api);
}
