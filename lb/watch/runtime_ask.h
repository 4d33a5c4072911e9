/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One question to the runtime: a GET over its socket, whose answer is handed on object by object.
 * Inside lb/watch, called by runtime.c alone. */
#ifndef LB_WATCH_RUNTIME_ASK_H
#define LB_WATCH_RUNTIME_ASK_H

#include "lb/watch/curl_loop.h"
#include "lb/watch/json_objects.h"

#define RUNTIME_ANSWER_MAX (16 << 20)
#define RUNTIME_OBJECT_MAX (1 << 20)

/* The caller's; zero but for the four callbacks and `data` while nothing is asked. The callbacks
 * take() and begun() run within curl: they only note what they are told. */
struct runtime_question {
	json_object_taker *take;
	void (*begun)(void *data);	/* its answer begins, with status 200; NULL: nobody asks */
	/* `failure` is NULL for a complete answer, else a sentence that is valid during the call;
	 * `status` that of the answer, 0 without one. The question is free to be asked again. */
	void (*ended)(void *data, const char *failure, long status);
	void *data;

	bool asked;
	bool endless;		/* a stream: no bound on its length */
	struct curl_loop *loop;
	struct curl_transfer transfer;
	struct json_objects objects;
	size_t received;
	int error;		/* of take(), or of the bounds; 0 */
};

enum runtime_answer { RUNTIME_LIST, RUNTIME_OBJECT, RUNTIME_STREAM };

/* `timeout_ms` for all of the answer; 0: none. Returns 0 or -ENOMEM. */
int runtime_ask(struct runtime_question *question, struct curl_loop *loop, const char *socket,
		const char *path, enum runtime_answer answer, long timeout_ms);
void runtime_ask_stop(struct runtime_question *question); /* without ended(); also if not asked */

#endif
