/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One HTTP request over the daemon's Unix socket, by libcurl. The one place in lbctl that knows
 * HTTP. Whatever comes back ends as a JSON object or as sentences: a daemon that hangs, dies in
 * the middle or is something else altogether must not look like success. */
#include "lb/ctl/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "lb/ctl/fields.h"

#define ANSWER_MAX (1u << 30) /* 32768 backends take some 16 MB */

struct answer {
	char *text;
	size_t size;
};

/* CURLOPT_WRITEFUNCTION: anything but `count` ends the transfer. */
static size_t answer_append(char *data, size_t size, size_t count, void *to)
{
	struct answer *answer = to;
	char *text;

	(void)size; /* always 1 */
	if (count > ANSWER_MAX - answer->size)
		return 0;
	text = realloc(answer->text, answer->size + count + 1);
	if (!text)
		return 0;
	memcpy(text + answer->size, data, count);
	answer->text = text;
	answer->size += count;
	answer->text[answer->size] = '\0';
	return count;
}

/* What connect(2) said. A socket that we may not open has a daemon behind it as far as we know. */
static int connect_error(const struct client *client, CURL *curl, struct diag *diag)
{
	long os_error = 0;

	curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &os_error);
	if (os_error == EACCES || os_error == EPERM) {
		diag_add(diag, NULL, 0, "%s: %s; root and the group edgelb may ask the daemon",
			 client->socket, strerror((int)os_error));
		return -EACCES;
	}
	diag_add(diag, NULL, 0, "no daemon at %s: %s", client->socket,
		 os_error ? strerror((int)os_error) : "cannot connect");
	return -ENOTCONN;
}

static int transfer_error(const struct client *client, CURL *curl, CURLcode code,
			  struct diag *diag)
{
	switch (code) {
	case CURLE_COULDNT_CONNECT:
		return connect_error(client, curl, diag);
	case CURLE_OPERATION_TIMEDOUT:
		diag_add(diag, NULL, 0, "the daemon at %s did not answer within %ld.%ld s",
			 client->socket, client->timeout_ms / 1000,
			 client->timeout_ms % 1000 / 100);
		return -ETIMEDOUT;
	case CURLE_GOT_NOTHING:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_PARTIAL_FILE:
		diag_add(diag, NULL, 0, "the daemon at %s hung up before it had answered",
			 client->socket);
		return -ECONNRESET;
	default:
		diag_add(diag, NULL, 0, "no answer from the daemon at %s: %s", client->socket,
			 curl_easy_strerror(code));
		return -EIO;
	}
}

/* {"errors":[{"file","line","text"}]} to findings. */
static void take_errors(struct json_object *reply, long status, struct diag *diag)
{
	struct json_object *errors = field(reply, "errors");

	for (size_t i = 0; i < list_length(errors); i++) {
		struct json_object *error = list_at(errors, i), *file = field(error, "file");

		diag_add(diag, file ? json_object_get_string(file) : NULL,
			 json_object_get_int(field(error, "line")), "%s",
			 field_text(error, "text"));
	}
	if (!list_length(errors))
		diag_add(diag, NULL, 0, "the daemon refused with HTTP status %ld and no reason",
			 status);
}

static int answer_read(const struct client *client, CURL *curl, const struct answer *answer,
		       struct json_object **ret_reply, struct diag *diag)
{
	struct json_object *reply = answer->text ? json_tokener_parse(answer->text) : NULL;
	long status = 0;

	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	if (status < 200 || status > 299) {
		take_errors(reply, status, diag);
		json_object_put(reply);
		return -EREMOTEIO;
	}
	if (!json_object_is_type(reply, json_type_object)) {
		diag_add(diag, NULL, 0, "what answers at %s does not speak JSON: is it lbd?",
			 client->socket);
		json_object_put(reply);
		return -EBADMSG;
	}
	*ret_reply = reply;
	return 0;
}

static struct curl_slist *request_headers(void)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");

	if (headers && !curl_slist_append(headers, "Expect:")) { /* no 100-continue: it is local */
		curl_slist_free_all(headers);
		return NULL;
	}
	return headers;
}

static CURLcode request_send(CURL *curl, const struct client *client, const char *method,
			     const char *url, struct json_object *body,
			     struct curl_slist *headers, struct answer *answer)
{
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, client->socket);
	curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* whatever the environment says */
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, client->timeout_ms);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, answer_append);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
	if (body) {
		size_t size;
		const char *text = json_object_to_json_string_length(body, JSON_C_TO_STRING_PLAIN,
								     &size);

		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)size);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, text);
	}
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	return curl_easy_perform(curl);
}

int client_call(const struct client *client, const char *method, const char *path,
		struct json_object *body, struct json_object **ret_reply, struct diag *diag)
{
	struct curl_slist *headers = request_headers();
	CURL *curl = curl_easy_init();
	struct answer answer = { 0 };
	int error = -ENOMEM;
	char *url = NULL;
	CURLcode code;

	if (strlen(client->socket) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
		diag_add(diag, NULL, 0, "%s: too long for the path of a socket", client->socket);
		error = -ENAMETOOLONG;
		goto out;
	}
	if (asprintf(&url, "http://lbd%s", path) < 0)
		url = NULL; /* what it holds then is not told */
	if (!curl || !headers || !url) {
		diag_add(diag, NULL, 0, "cannot ask the daemon: out of memory");
		goto out;
	}
	code = request_send(curl, client, method, url, body, headers, &answer);
	if (code)
		error = transfer_error(client, curl, code, diag);
	else
		error = answer_read(client, curl, &answer, ret_reply, diag);
out:
	free(answer.text);
	free(url);
	curl_slist_free_all(headers);
	curl_easy_cleanup(curl);
	return error;
}
