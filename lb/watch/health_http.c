/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The check "http": a GET of one path, judged by the status of the answer. The status counts as
 * soon as the headers are complete; what comes of the body is read, so that an application that
 * sends a little is not cut off, but it decides nothing and has its bound. Every check has a
 * connection of its own: one that lives on says nothing of whether new ones are accepted. It goes
 * to the backend itself, whatever the environment says of proxies. Called by health_target.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lb/watch/health_probe.h"

#define ANSWER_MAX  65536	/* bytes of headers and body that are read */
#define BUFFER_SIZE 4096	/* of each check that is on its way */
#define NEVER_MS    86400000L	/* for curl's own clocks: ours, which is expire(), comes first */
#define URL_MAX     (ADDR_TEXT_MAX + sizeof("http://[]:65535/"))

struct http_probe {
	struct probe_request request;
	struct curl_transfer transfer;
	struct curl_slist *headers;
	size_t received;
	long status;	/* of the answer, once its headers are complete; 0 before */
	int error;	/* errno of a socket that could not be had, or 0 */
};

/* ---- what curl calls ------------------------------------------------------------------------ */

static curl_socket_t on_open(void *data, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct http_probe *probe = data;
	int fd = probe_socket(address->family);

	(void)purpose;
	if (fd >= 0)
		return fd;
	probe->error = -fd;
	return CURL_SOCKET_BAD;
}

/* Whatever is not wholly taken ends the transfer. */
static size_t on_bytes(char *bytes, size_t one, size_t count, void *data)
{
	struct http_probe *probe = data;

	(void)bytes, (void)one;
	probe->received += count;
	return probe->received <= ANSWER_MAX ? count : 0;
}

/* Called a line at a time. An empty one ends the headers: those of the answer, after those of any
 * "100 Continue" or the like. */
static size_t on_header(char *line, size_t one, size_t count, void *data)
{
	struct http_probe *probe = data;
	long status = 0;

	if (*line == '\r' || *line == '\n') {
		curl_easy_getinfo(probe->transfer.easy, CURLINFO_RESPONSE_CODE, &status);
		if (status >= 200)
			probe->status = status;
	}
	return on_bytes(line, one, count, data);
}

/* ---- the verdict ---------------------------------------------------------------------------- */

static enum probe_verdict judge_status(const struct http_probe *probe, char *reason)
{
	const struct config_check *check = &probe->request.target->check;

	if (probe->status >= check->expect_min && probe->status <= check->expect_max)
		return PROBE_GOOD;
	if (check->expect_min == check->expect_max)
		snprintf(reason, HEALTH_REASON_MAX, "status %ld, not %u", probe->status,
			 check->expect_min);
	else
		snprintf(reason, HEALTH_REASON_MAX, "status %ld, not %u-%u", probe->status,
			 check->expect_min, check->expect_max);
	return PROBE_BAD;
}

static bool was_connected(const struct http_probe *probe)
{
	curl_off_t took = 0;

	curl_easy_getinfo(probe->transfer.easy, CURLINFO_CONNECT_TIME_T, &took);
	return took > 0;
}

static enum probe_verdict judge_connect(const struct http_probe *probe, char *reason)
{
	long error = 0;

	if (probe->error)
		return probe_judge_errno(probe->error, reason);
	curl_easy_getinfo(probe->transfer.easy, CURLINFO_OS_ERRNO, &error);
	return probe_judge_errno((int)error, reason);
}

/* Without a status there is no answer; the code says how far it came. */
static enum probe_verdict judge_failure(const struct http_probe *probe, CURLcode code,
					char *reason)
{
	const char *text = curl_easy_strerror(code);

	switch (code) {
	case CURLE_OPERATION_TIMEDOUT:
		probe_reason_late(&probe->request, was_connected(probe) ? "connected, but " : "",
				  reason);
		return PROBE_BAD;
	case CURLE_COULDNT_CONNECT:
		return judge_connect(probe, reason);
	case CURLE_OUT_OF_MEMORY:
		return probe_judge_errno(ENOMEM, reason);
	case CURLE_OK:
		text = "connection closed before the end of the headers";
		break;
	case CURLE_GOT_NOTHING:
		text = "connection closed without an answer";
		break;
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
		text = "connection lost before an answer";
		break;
	case CURLE_WRITE_ERROR:
		text = "headers without an end";
		break;
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_WEIRD_SERVER_REPLY:
		text = "the answer is not HTTP";
		break;
	default:
		break;
	}
	snprintf(reason, HEALTH_REASON_MAX, "%s", text);
	return PROBE_BAD;
}

/* ---- the probe ------------------------------------------------------------------------------ */

static void http_free(struct http_probe *probe)
{
	curl_easy_cleanup(probe->transfer.easy);
	curl_slist_free_all(probe->headers);
	free(probe);
}

static void on_done(void *data, CURLcode code)
{
	struct http_probe *probe = data;
	const struct probe_request request = probe->request;
	char reason[HEALTH_REASON_MAX] = "";
	enum probe_verdict verdict = probe->status ? judge_status(probe, reason) :
						     judge_failure(probe, code, reason);

	http_free(probe);
	request.done(request.data, verdict, reason);
}

/* "ADDRESS:PORT" as a URL has it. */
static void authority_format(const struct health_target *target, char *ret_text, size_t size)
{
	char address[ADDR_TEXT_MAX];

	addr_format(&target->address, address);
	snprintf(ret_text, size, addr_is_ipv4(&target->address) ? "%s:%u" : "[%s]:%u", address,
		 target->port);
}

static bool add_header(struct http_probe *probe, const char *name, const char *value)
{
	struct curl_slist *headers;
	char *line;

	if (asprintf(&line, "%s: %s", name, value) < 0)
		return false;
	headers = curl_slist_append(probe->headers, line);
	free(line);
	if (headers)
		probe->headers = headers;
	return headers;
}

/* The path goes out as it stands in lb.conf, not as curl would tidy it. */
static bool set_request(struct http_probe *probe)
{
	const struct health_target *target = probe->request.target;
	const char *path = target->check.path, *host = target->check.host;
	CURL *easy = probe->transfer.easy;
	char authority[URL_MAX], url[URL_MAX + sizeof("http:///")];

	authority_format(target, authority, sizeof(authority));
	snprintf(url, sizeof(url), "http://%s/", authority);
	return add_header(probe, "Host", host ? host : authority) &&
	       add_header(probe, "Connection", "close") &&
	       !curl_easy_setopt(easy, CURLOPT_URL, url) &&
	       !curl_easy_setopt(easy, CURLOPT_REQUEST_TARGET, path ? path : "/") &&
	       !curl_easy_setopt(easy, CURLOPT_HTTPHEADER, probe->headers) &&
	       !curl_easy_setopt(easy, CURLOPT_USERAGENT, "edgelb-check") &&
	       !curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http") &&
	       !curl_easy_setopt(easy, CURLOPT_PROXY, "");
}

static void set_manner(struct http_probe *probe)
{
	CURL *easy = probe->transfer.easy;

	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, NEVER_MS);
	curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)BUFFER_SIZE);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
	curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, probe);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, probe);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, probe);
}

static void *http_start(const struct probe_request *request)
{
	struct http_probe *probe = calloc(1, sizeof(*probe));

	if (!probe)
		return NULL;
	probe->request = *request;
	probe->transfer.done = on_done;
	probe->transfer.data = probe;
	probe->transfer.easy = curl_easy_init();
	if (probe->transfer.easy && set_request(probe)) {
		set_manner(probe);
		if (!curl_loop_start(request->curl, &probe->transfer))
			return probe;
	}
	http_free(probe);
	return NULL;
}

/* Headers that were complete in time decide, however slow the body is. */
static void http_expire(void *data)
{
	struct http_probe *probe = data;

	curl_loop_stop(probe->request.curl, &probe->transfer);
	on_done(probe, CURLE_OPERATION_TIMEDOUT);
}

static void http_stop(void *data)
{
	struct http_probe *probe = data;

	curl_loop_stop(probe->request.curl, &probe->transfer);
	http_free(probe);
}

const struct probe_kind probe_http = {
	.start = http_start,
	.expire = http_expire,
	.stop = http_stop,
};
