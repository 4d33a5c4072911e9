/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A GET with bounds on its time and its size, and what to say of one that failed. */
#include "lb/watch/runtime_ask.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FAILURE_MAX 160

static long status_of(const struct runtime_question *question)
{
	long status = 0;

	curl_easy_getinfo(question->transfer.easy, CURLINFO_RESPONSE_CODE, &status);
	return status;
}

/* ---- what curl calls ------------------------------------------------------------------------ */

/* Whatever is not wholly taken ends the transfer. */
static size_t on_header(char *line, size_t one, size_t count, void *data)
{
	struct runtime_question *question = data;

	(void)one;
	question->received += count;
	if (question->received > RUNTIME_ANSWER_MAX)
		question->error = -EFBIG;
	else if ((*line == '\r' || *line == '\n') && status_of(question) == 200 &&
		 question->begun)
		question->begun(question->data);
	return question->error ? 0 : count;
}

/* What comes with another status explains it to nobody but a person. */
static size_t on_body(char *bytes, size_t one, size_t count, void *data)
{
	struct runtime_question *question = data;

	(void)one;
	question->received += question->endless ? 0 : count;
	if (question->received > RUNTIME_ANSWER_MAX)
		question->error = -EFBIG;
	else if (status_of(question) == 200)
		question->error = json_objects_feed(&question->objects, bytes, count,
						    question->take, question->data);
	return question->error ? 0 : count;
}

/* ---- how it ended --------------------------------------------------------------------------- */

static const char *error_text(int error)
{
	switch (error) {
	case -EFBIG:
		return "its answer is over 16 MiB";
	case -EMSGSIZE:
		return "an object of its answer is over 1 MiB";
	case -ENOMEM:
		return "no memory for its answer";
	case -E2BIG:
		return "it has too many containers";
	default:
		return "its answer is not what the API says";
	}
}

/* NULL: it did not fail. */
static const char *failure_of(const struct runtime_question *question, CURLcode code,
			      char text[FAILURE_MAX])
{
	long status = status_of(question), number = 0;

	if (question->error)
		return error_text(question->error);
	switch (code) {
	case CURLE_OK:
		if (status != 200)
			break;
		return json_objects_complete(&question->objects) ? NULL
								 : "its answer is cut short";
	case CURLE_OPERATION_TIMEDOUT:
		return "no complete answer in time";
	case CURLE_COULDNT_CONNECT:
		curl_easy_getinfo(question->transfer.easy, CURLINFO_OS_ERRNO, &number);
		snprintf(text, FAILURE_MAX, "cannot connect: %s",
			 number ? strerror((int)number) : "nobody is there");
		return text;
	case CURLE_GOT_NOTHING:
		return "it closes without an answer";
	case CURLE_PARTIAL_FILE:
		return "its answer is cut short";
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_WEIRD_SERVER_REPLY:
		return "its answer is not HTTP";
	default:
		snprintf(text, FAILURE_MAX, "%s", curl_easy_strerror(code));
		return text;
	}
	snprintf(text, FAILURE_MAX, "its answer has status %ld", status);
	return text;
}

static void question_clear(struct runtime_question *question)
{
	if (question->transfer.easy)
		curl_easy_cleanup(question->transfer.easy);
	question->transfer.easy = NULL;
	json_objects_clear(&question->objects);
	question->asked = false;
}

static void on_done(void *data, CURLcode code)
{
	struct runtime_question *question = data;
	char text[FAILURE_MAX];
	const char *failure = failure_of(question, code, text);
	long status = status_of(question);

	question_clear(question);
	question->ended(question->data, failure, status);
}

/* ---- asking --------------------------------------------------------------------------------- */

static bool set_options(struct runtime_question *question, const char *socket, const char *path,
			long timeout_ms)
{
	CURL *easy = question->transfer.easy;
	char url[512];

	snprintf(url, sizeof(url), "http://runtime%s", path);
	return !curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, socket) &&
	       !curl_easy_setopt(easy, CURLOPT_URL, url) &&
	       !curl_easy_setopt(easy, CURLOPT_PROXY, "") &&
	       !curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http") &&
	       !curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) &&
	       !curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) &&
	       !curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms) &&
	       !curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header) &&
	       !curl_easy_setopt(easy, CURLOPT_HEADERDATA, question) &&
	       !curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body) &&
	       !curl_easy_setopt(easy, CURLOPT_WRITEDATA, question);
}

int runtime_ask(struct runtime_question *question, struct curl_loop *loop, const char *socket,
		const char *path, enum runtime_answer answer, long timeout_ms)
{
	question->loop = loop;
	question->endless = answer == RUNTIME_STREAM;
	question->received = 0;
	question->error = 0;
	question->objects = (struct json_objects){ .array = answer == RUNTIME_LIST,
						   .object_max = RUNTIME_OBJECT_MAX };
	question->transfer = (struct curl_transfer){ curl_easy_init(), on_done, question };
	if (question->transfer.easy && set_options(question, socket, path, timeout_ms) &&
	    !curl_loop_start(loop, &question->transfer)) {
		question->asked = true;
		return 0;
	}
	question_clear(question);
	return -ENOMEM;
}

void runtime_ask_stop(struct runtime_question *question)
{
	if (!question->asked)
		return;
	curl_loop_stop(question->loop, &question->transfer);
	question_clear(question);
}
